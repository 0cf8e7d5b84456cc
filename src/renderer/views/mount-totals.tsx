// What went through a mount since its engine started, opened on demand.

import { ChevronRight } from 'lucide-react';
import { Button, Disclosure, DisclosurePanel } from 'react-aria-components';
import type { Counters } from '../../shared/activity.ts';
import { formatBytes } from '../../shared/bytes.ts';
import { formatCount } from '../text/format.ts';
import { strings } from '../text/strings.ts';

export function MountTotals({ counters }: { readonly counters: Counters }) {
  const words = strings.mounts;
  const totals: readonly [string, string][] = [
    [words.read, formatBytes(counters.readBytes)],
    [words.written, formatBytes(counters.writtenBytes)],
    [words.fetched, formatBytes(counters.downloadedBytes)],
    [words.sent, formatBytes(counters.uploadedBytes)],
    [words.saved, formatBytes(counters.savedBytes)],
    [words.committed, formatCount(counters.filesCommitted)],
  ];
  return (
    <Disclosure className="totals">
      <Button slot="trigger" className="totals-head">
        <ChevronRight aria-hidden />
        {words.details}
      </Button>
      <DisclosurePanel>
        <dl className="totals-list">
          {totals.map(([name, value]) => (
            <div key={name}>
              <dt>{name}</dt>
              <dd>{value}</dd>
            </div>
          ))}
        </dl>
      </DisclosurePanel>
    </Disclosure>
  );
}
