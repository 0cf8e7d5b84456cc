// A value asked from the host whenever what it depends on changes: the last answer stays visible while the next is on its way, and an
// answer that was overtaken is dropped.

import { useEffect, useState } from 'react';
import type { Problem } from '../../shared/model.ts';
import { problemOf, usePanelState } from './panel-context.ts';

export interface Loaded<T> {
  readonly value: T | null;
  readonly problem: Problem | null;
  readonly isLoading: boolean;
  reload(): void;
}

/** `key` names what is asked for; null asks for nothing. Asked again when the link comes back. */
export function useLoaded<T>(key: string | null, load: () => Promise<T>, delayMs = 0): Loaded<T> {
  const isLinked = usePanelState((state) => state.link === 'open');
  const [round, setRound] = useState(0);
  const [answer, setAnswer] = useState<{ key: string; value: T | null; problem: Problem | null } | null>(
    null,
  );
  const [isLoading, setLoading] = useState(true);
  useEffect(() => {
    if (key === null || !isLinked) {
      setLoading(false);
      return undefined;
    }
    let isOvertaken = false;
    setLoading(true);
    const finish = (value: T | null, problem: Problem | null) => {
      if (isOvertaken) return;
      setAnswer({ key, value, problem });
      setLoading(false);
    };
    const timer = setTimeout(() => {
      load().then(
        (value) => finish(value, null),
        (error: unknown) => finish(null, problemOf(error)),
      );
    }, delayMs);
    return () => {
      isOvertaken = true;
      clearTimeout(timer);
    };
    // `load` is made anew at each drawing; `key` says when it means something else.
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [key, isLinked, round, delayMs]);
  return {
    value: answer?.value ?? null,
    problem: answer?.problem ?? null,
    isLoading,
    reload: () => setRound((before) => before + 1),
  };
}
