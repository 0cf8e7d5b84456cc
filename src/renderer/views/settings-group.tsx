// A titled card of settings.

import type { ReactNode } from 'react';

interface GroupProps {
  readonly title: string;
  readonly children: ReactNode;
}

export function SettingsGroup({ title, children }: GroupProps) {
  return (
    <section className="settings-group" aria-label={title}>
      <h2>{title}</h2>
      <div className="card">{children}</div>
    </section>
  );
}
