// One chosen event in full, and the way of its file to the Hub as far as it was seen.

import { Check, Circle, TriangleAlert, X } from 'lucide-react';
import { useSyncExternalStore } from 'react';
import { Button } from '../parts/button.tsx';
import { usePanel } from '../parts/panel-context.ts';
import type { FeedRow } from '../store/activity-feed.ts';
import type { FileChain } from '../store/file-chains.ts';
import { formatBytes } from '../../shared/bytes.ts';
import { formatClock, formatDuration } from '../text/format.ts';
import { strings } from '../text/strings.ts';

const words = strings.activity;

export function ActivityDetails({ row, onClose }: { readonly row: FeedRow; readonly onClose: () => void }) {
  const { feed, chains } = usePanel();
  // Chains change with the feed.
  useSyncExternalStore(feed.subscribe, feed.view);
  const chain = chains.get(row.mountId, row.toPath ?? row.path) ?? chains.get(row.mountId, row.path);
  const path = row.path === '' ? words.root : row.path;
  const facts = [
    row.source,
    row.count > 1 ? strings.count.events(row.count) : null,
    row.bytes > 0 ? formatBytes(row.bytes) : null,
    row.durationMs > 0 ? formatDuration(row.durationMs) : null,
  ].filter((fact) => fact !== null);
  return (
    <aside className="activity-details" aria-label={words.details(path)}>
      <header>
        <h2 className="activity-details-path">{path}</h2>
        <Button look="quiet" square aria-label={strings.close} onPress={onClose}>
          <X aria-hidden />
        </Button>
      </header>
      <p className="quiet">
        {row.kind} · {formatClock(row.firstAt)} · {facts.join(' · ')}
      </p>
      {row.toPath !== null && <p>→ {row.toPath}</p>}
      {row.detail !== null && <p>{row.detail}</p>}
      {chain !== null && <Chain chain={chain} />}
    </aside>
  );
}

function Chain({ chain }: { readonly chain: FileChain }) {
  const steps: readonly [string, number | null][] = [
    [words.chain.received, chain.receivedAt],
    [words.chain.safe, chain.safeAt],
    [words.chain.uploading, chain.uploadingAt],
    [words.chain.committed, chain.committedAt],
  ];
  return (
    <ol className="chain" aria-label={words.chain.title}>
      {steps.map(([name, at]) => (
        <li key={name} data-done={at !== null}>
          {at === null ? <Circle aria-hidden /> : <Check aria-hidden />}
          <span>{name}</span>
          <span className="quiet">{at === null ? words.chain.notYet : formatClock(at)}</span>
        </li>
      ))}
      {chain.failure !== null && (
        <li data-failed="true">
          <TriangleAlert aria-hidden />
          <span>
            {words.chain.failed}: {chain.failure}
          </span>
        </li>
      )}
    </ol>
  );
}
