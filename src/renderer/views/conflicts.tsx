// Files that were changed here and on the Hub: both are there, and the person says which one stays.

import { GitFork } from 'lucide-react';
import { useState } from 'react';
import type { ConflictChoice, ConflictView } from '../../shared/model.ts';
import { Button } from '../parts/button.tsx';
import { Question } from '../parts/dialog.tsx';
import { ProblemNote } from '../parts/notes.tsx';
import { useAction, usePanel } from '../parts/panel-context.ts';
import { useLoaded } from '../parts/use-loaded.ts';
import { formatClock } from '../text/format.ts';
import { strings } from '../text/strings.ts';

const words = strings.conflicts;

interface ConflictsProps {
  readonly target: string | null;
  /** As the state says; the list is asked for when it changes. */
  readonly count: number;
}

export function Conflicts({ target, count }: ConflictsProps) {
  const { api } = usePanel();
  const list = useLoaded(count === 0 ? null : `${target ?? ''}\n${count}`, () =>
    api.call('mounts:conflicts', { target }),
  );
  const action = useAction();
  const [asked, setAsked] = useState<{ conflict: ConflictView; choice: 'mine' | 'theirs' } | null>(null);
  if (count === 0) return null;
  const isAskedListed = list.value?.some((conflict) => conflict.id === asked?.conflict.id) === true;
  const settle = ({ mountId, id: conflictId }: ConflictView, choice: ConflictChoice) =>
    action.run(async () => {
      await api.call('mounts:resolve', { mountId, conflictId, choice });
      list.reload();
    });
  return (
    <section className="conflicts">
      <h2>{words.title}</h2>
      {list.problem !== null && <ProblemNote problem={list.problem} onRetry={list.reload} />}
      {action.problem !== null && <ProblemNote problem={action.problem} onDismiss={action.clear} />}
      <ul className="card pending-list" aria-label={words.title}>
        {(list.value ?? []).map((conflict) => (
          <li key={conflict.id} className="pending">
            <GitFork className="glyph glyph-conflict" aria-hidden />
            <div className="pending-text">
              <p className="pending-path">{words.text(conflict.path)}</p>
              <p className="quiet">
                {words.help(nameOf(conflict.minePath))} · {formatClock(conflict.at)}
              </p>
            </div>
            <div className="pending-actions">
              {(['mine', 'theirs'] as const).map((choice) => (
                <Button
                  key={choice}
                  aria-label={words.named(words[choice], conflict.path)}
                  isDisabled={action.isRunning}
                  onPress={() => setAsked({ conflict, choice })}
                >
                  {words[choice]}
                </Button>
              ))}
              <Button
                aria-label={words.named(words.both, conflict.path)}
                isDisabled={action.isRunning}
                onPress={() => settle(conflict, 'both')}
              >
                {words.both}
              </Button>
            </div>
          </li>
        ))}
      </ul>
      {asked !== null && isAskedListed && (
        <Question
          title={words.confirmTitle[asked.choice]}
          onClose={() => setAsked(null)}
          actions={
            <>
              <Button
                look="danger"
                onPress={() => {
                  setAsked(null);
                  settle(asked.conflict, asked.choice);
                }}
              >
                {words[asked.choice]}
              </Button>
              <Button autoFocus onPress={() => setAsked(null)}>
                {strings.cancel}
              </Button>
            </>
          }
        >
          <p>
            {asked.choice === 'mine'
              ? words.confirmText.mine(asked.conflict.path)
              : words.confirmText.theirs(nameOf(asked.conflict.minePath))}
          </p>
        </Question>
      )}
    </section>
  );
}

function nameOf(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}
