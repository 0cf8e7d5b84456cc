// How much the cache holds and where, and making room by hand.

import { useState } from 'react';
import { Button } from '../parts/button.tsx';
import { ProblemNote } from '../parts/notes.tsx';
import { useAction, usePanel } from '../parts/panel-context.ts';
import { useLoaded } from '../parts/use-loaded.ts';
import { formatBytes } from '../../shared/bytes.ts';
import { strings } from '../text/strings.ts';

const words = strings.settings;

export function CacheRow() {
  const { api } = usePanel();
  const loaded = useLoaded('cache', () => api.call('cache:get', null));
  const action = useAction();
  const [freedBytes, setFreedBytes] = useState<number | null>(null);
  const cache = loaded.value;
  const free = () =>
    action.run(async () => {
      const answer = await api.call('cache:free', null);
      setFreedBytes(answer.freedBytes);
      loaded.reload();
    });
  const problem = action.problem ?? loaded.problem;
  return (
    <>
      {cache !== null && (
        <div className="settings-row">
          <span className="switch-words">
            <span>{words.cacheUse(formatBytes(cache.usedBytes))}</span>
            <span className="field-help path-words">{cache.folder}</span>
            <span className="field-help" role="status">
              {freedBytes === null ? words.cacheFreeHelp : words.cacheFreed(formatBytes(freedBytes))}
            </span>
          </span>
          <Button isDisabled={action.isRunning || cache.usedBytes === 0} onPress={free}>
            {action.isRunning ? words.cacheFreeing : words.cacheFree}
          </Button>
        </div>
      )}
      {problem !== null && (
        <div className="settings-note">
          <ProblemNote problem={problem} onRetry={loaded.reload} />
        </div>
      )}
    </>
  );
}
