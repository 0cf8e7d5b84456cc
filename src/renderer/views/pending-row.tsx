// One change that is not on the Hub yet.

import { CircleCheck, Clock, LoaderCircle, PenLine, RotateCw, Trash, TriangleAlert } from 'lucide-react';
import { ProgressBar } from 'react-aria-components';
import type { PendingEntry } from '../../shared/model.ts';
import { Button } from '../parts/button.tsx';
import { ProblemNote } from '../parts/notes.tsx';
import { useAction, usePanel } from '../parts/panel-context.ts';
import { formatBytes } from '../../shared/bytes.ts';
import { formatIn, splitSource } from '../text/format.ts';
import { strings } from '../text/strings.ts';

const words = strings.pending;

interface PendingRowProps {
  readonly item: PendingEntry;
  readonly now: number;
  readonly namesMount: boolean;
  readonly onDiscard: () => void;
}

export function PendingRow({ item, now, namesMount, onDiscard }: PendingRowProps) {
  const { api } = usePanel();
  const action = useAction();
  const canRetry = item.state === 'failed' || item.state === 'safe';
  const facts = [
    words.kinds[item.kind],
    item.bytes > 0 ? formatBytes(item.bytes) : null,
    namesMount ? splitSource(item.source).name : null,
  ].filter((fact) => fact !== null);
  return (
    <li className="pending" data-state={item.state}>
      <PendingGlyph item={item} />
      <div className="pending-text">
        <p className="pending-path">{item.path}</p>
        <p className="pending-state">
          <span className="quiet">{facts.join(' · ')} · </span>
          {stateWords(item, now)}
        </p>
        {item.state === 'failed' && <p className="quiet">{nextTryWords(item, now)}</p>}
        {item.state === 'uploading' && <UploadBar item={item} />}
      </div>
      <div className="pending-actions">
        {canRetry && (
          <Button
            aria-label={words.retryNamed(item.path)}
            isDisabled={action.isRunning}
            onPress={() =>
              action.run(() => api.call('mounts:retry', { mountId: item.mountId, itemId: item.id }))
            }
          >
            <RotateCw aria-hidden />
            {words.retry}
          </Button>
        )}
        <Button look="quiet" square aria-label={words.discardNamed(item.path)} onPress={onDiscard}>
          <Trash aria-hidden />
        </Button>
      </div>
      {action.problem !== null && <ProblemNote problem={action.problem} onDismiss={action.clear} />}
    </li>
  );
}

function PendingGlyph({ item }: { readonly item: PendingEntry }) {
  switch (item.state) {
    case 'received':
      return <PenLine className="glyph glyph-active" aria-hidden />;
    case 'safe':
      return <Clock className="glyph glyph-waiting" aria-hidden />;
    case 'uploading':
      return <LoaderCircle className="glyph glyph-moving" aria-hidden />;
    case 'committing':
      return <CircleCheck className="glyph glyph-active" aria-hidden />;
    case 'failed':
      return <TriangleAlert className="glyph glyph-attention" aria-hidden />;
  }
}

function stateWords(item: PendingEntry, now: number): string {
  switch (item.state) {
    case 'received':
      return words.received;
    case 'safe':
      return words.safe(formatIn((item.sendAt ?? now) - now));
    case 'uploading':
      return words.uploading(`${percentOf(item)} %`);
    case 'committing':
      return words.committing;
    case 'failed':
      return words.failed(item.cause ?? strings.unknownFailure);
  }
}

function nextTryWords(item: PendingEntry, now: number): string {
  const next = words.nextTry(formatIn((item.nextTryAt ?? now) - now));
  return item.attempts === undefined ? next : `${next} · ${words.attempts(item.attempts)}`;
}

function percentOf(item: PendingEntry): number {
  const { doneBytes = 0, totalBytes = 0 } = item;
  return totalBytes === 0 ? 0 : Math.min(100, Math.floor((doneBytes / totalBytes) * 100));
}

function UploadBar({ item }: { readonly item: PendingEntry }) {
  return (
    <ProgressBar className="bar" aria-label={item.path} value={percentOf(item)}>
      {({ percentage = 0 }) => <span className="bar-fill" style={{ width: `${percentage}%` }} />}
    </ProgressBar>
  );
}
