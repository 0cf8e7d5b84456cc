// Everything that is not on the Hub yet: each change with its state, cause and next try, and what one can do about it. Conflicts above.

import { CircleCheck, Send } from 'lucide-react';
import { useEffect, useState } from 'react';
import type { PendingEntry } from '../../shared/model.ts';
import { Button } from '../parts/button.tsx';
import { Question } from '../parts/dialog.tsx';
import { Select } from '../parts/fields.tsx';
import { Empty, Loading, ProblemNote } from '../parts/notes.tsx';
import { useAction, useNow, usePanel, usePanelState } from '../parts/panel-context.ts';
import { useLoaded } from '../parts/use-loaded.ts';
import { splitSource } from '../text/format.ts';
import { strings } from '../text/strings.ts';
import { Conflicts } from './conflicts.tsx';
import { PauseButton } from './pause-button.tsx';
import { PendingRow } from './pending-row.tsx';

const words = strings.pending;
const allMounts = '\n';
/** A longer list is read by nobody; the count says how much more there is. */
const maxShown = 300;

export function PendingView() {
  const { api } = usePanel();
  const mounts = usePanelState((state) => state.host?.mounts ?? noMounts);
  const chosenMount = usePanelState((state) => state.chosenMount);
  const [target, setTarget] = useState(chosenMount);
  const [discarding, setDiscarding] = useState<PendingEntry | null>(null);
  const action = useAction();
  const counted = mounts.filter((mount) => target === null || mount.id === target);
  const waiting = counted.reduce((sum, mount) => sum + mount.pending.files, 0);
  const isPaused = counted.some((mount) => mount.uploadsPaused);
  const conflicts = counted.reduce((sum, mount) => sum + (mount.conflicts ?? 0), 0);
  const now = useNow(1000);
  const list = useLoaded(target ?? allMounts, () => api.call('mounts:pending', { target }));
  const { reload } = list;
  // Progress has no push of its own: the list is asked for again while something is in it, and once when it becomes empty.
  const beat = waiting > 0 ? now : 0;
  // `reload` is made anew at each drawing and always does the same.
  // eslint-disable-next-line react-hooks/exhaustive-deps
  useEffect(() => reload(), [beat, waiting]);

  const items = list.value?.items ?? [];
  const hidden = Math.max(0, items.length - maxShown) + (list.value?.omitted ?? 0);
  const retryAll = () =>
    action.run(() =>
      Promise.all(
        counted
          .filter((mount) => mount.pending.files > 0)
          .map((mount) => api.call('mounts:retry', { mountId: mount.id, itemId: null })),
      ),
    );
  return (
    <section className="view">
      <header className="view-head">
        <h1>{words.title}</h1>
        <span className="spring" />
        {mounts.length > 1 && (
          <Select
            isBare
            label={strings.activity.mount}
            value={target ?? allMounts}
            onChange={(id) => setTarget(id === allMounts ? null : id)}
            choices={[
              { id: allMounts, text: strings.activity.allMounts },
              ...mounts.map(({ id, source }) => ({ id, text: splitSource(source).name })),
            ]}
          />
        )}
        {counted.length > 0 && (
          <PauseButton
            isPaused={isPaused}
            onPause={(until) => action.run(() => api.call('mounts:pause', { target, until }))}
            onResume={() => action.run(() => api.call('mounts:resume', { target }))}
          />
        )}
        {waiting > 0 && (
          <Button look="primary" isDisabled={action.isRunning || isPaused} onPress={retryAll}>
            <Send aria-hidden />
            {words.retryAll}
          </Button>
        )}
      </header>
      {action.problem !== null && <ProblemNote problem={action.problem} onDismiss={action.clear} />}
      {isPaused && <p className="quiet">{words.pausedNote}</p>}
      <Conflicts target={target} count={conflicts} />
      {list.problem !== null && <ProblemNote problem={list.problem} onRetry={reload} />}
      {list.value === null && list.problem === null && <Loading />}
      {list.value !== null && items.length === 0 && hidden === 0 && (
        <Empty icon={<CircleCheck />} title={words.empty}>
          {words.emptyHelp}
        </Empty>
      )}
      {items.length > 0 && (
        <ul className="card pending-list" aria-label={words.list}>
          {items.slice(0, maxShown).map((item) => (
            <PendingRow
              key={`${item.mountId} ${item.id}`}
              item={item}
              now={now}
              namesMount={mounts.length > 1 && target === null}
              onDiscard={() => setDiscarding(item)}
            />
          ))}
        </ul>
      )}
      {hidden > 0 && <p className="quiet">{words.omitted(hidden)}</p>}
      {discarding !== null && (
        <DiscardQuestion
          item={discarding}
          onClose={() => setDiscarding(null)}
          onDiscard={() => {
            const { mountId, id: itemId } = discarding;
            setDiscarding(null);
            action.run(async () => {
              await api.call('mounts:discard', { mountId, itemId });
              reload();
            });
          }}
        />
      )}
    </section>
  );
}

const noMounts: readonly never[] = [];

interface DiscardQuestionProps {
  readonly item: PendingEntry;
  readonly onClose: () => void;
  readonly onDiscard: () => void;
}

function DiscardQuestion({ item, onClose, onDiscard }: DiscardQuestionProps) {
  const isMove = item.kind === 'move' || item.kind === 'moveTree';
  const text = item.kind === 'delete' ? words.discardDelete : isMove ? words.discardMove : words.discardText;
  return (
    <Question
      title={words.discardTitle(item.path)}
      onClose={onClose}
      actions={
        <>
          <Button look="danger" onPress={onDiscard}>
            {words.discardAction}
          </Button>
          <Button autoFocus onPress={onClose}>
            {strings.cancel}
          </Button>
        </>
      }
    >
      <p>{text}</p>
    </Question>
  );
}
