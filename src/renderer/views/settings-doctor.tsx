// Diagnostics: runs the host's checks and shows what each found and how to fix it.

import { CircleCheck, CircleX, Stethoscope, TriangleAlert } from 'lucide-react';
import { useState } from 'react';
import type { DoctorCheck, DoctorReport } from '../../shared/model.ts';
import { Button } from '../parts/button.tsx';
import { ProblemNote } from '../parts/notes.tsx';
import { useAction, usePanel } from '../parts/panel-context.ts';
import { strings } from '../text/strings.ts';
import { LogExportRow } from './settings-logs.tsx';
import { SettingsGroup } from './settings-group.tsx';

const words = strings.settings;

export function Doctor() {
  const { api } = usePanel();
  const action = useAction();
  const [report, setReport] = useState<DoctorReport | null>(null);
  const run = () => action.run(async () => setReport(await api.call('doctor:run', null)));
  return (
    <SettingsGroup title={words.doctor}>
      <div className="settings-row">
        <span className="field-help">{words.doctorHelp}</span>
        <Button isDisabled={action.isRunning} onPress={run}>
          <Stethoscope aria-hidden />
          {action.isRunning ? words.doctorRunning : words.doctorRun}
        </Button>
      </div>
      {action.problem !== null && (
        <div className="settings-note">
          <ProblemNote problem={action.problem} onDismiss={action.clear} />
        </div>
      )}
      <LogExportRow />
      {report !== null && (
        <ul className="doctor-list" aria-label={words.doctorResults}>
          {report.checks.map((check) => (
            <DoctorLine key={check.id} check={check} />
          ))}
        </ul>
      )}
    </SettingsGroup>
  );
}

const icons = { ok: CircleCheck, warning: TriangleAlert, failed: CircleX } as const;
const looks = { ok: 'glyph-idle', warning: 'glyph-waiting', failed: 'glyph-attention' } as const;

function DoctorLine({ check }: { readonly check: DoctorCheck }) {
  const Icon = icons[check.status];
  return (
    <li className="doctor-line">
      <Icon className={`glyph ${looks[check.status]}`} aria-label={words.statuses[check.status]} role="img" />
      <div>
        <p>{check.title}</p>
        <p className="quiet">{check.detail}</p>
        {check.fix !== undefined && <p>{check.fix}</p>}
      </div>
    </li>
  );
}
