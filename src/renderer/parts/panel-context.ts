// How components reach the panel: its API, its state by selector, the time, and actions that show that they run and why they failed.

import { createContext, useCallback, useContext, useEffect, useRef, useState } from 'react';
import { useStore } from 'zustand';
import { ContractFailure } from '../../shared/contract.ts';
import type { Problem } from '../../shared/model.ts';
import type { Panel, PanelState } from '../store/panel-store.ts';
import { strings } from '../text/strings.ts';

export const PanelContext = createContext<Panel | null>(null);

export function usePanel(): Panel {
  const panel = useContext(PanelContext);
  if (panel === null) throw new Error('A view was drawn outside the panel');
  return panel;
}

export function usePanelState<T>(selector: (state: PanelState) => T): T {
  return useStore(usePanel().store, selector);
}

/** Milliseconds since the epoch, renewed every `everyMs` while `runs`. */
export function useNow(everyMs: number, runs = true): number {
  const [now, setNow] = useState(Date.now);
  useEffect(() => {
    if (!runs) return undefined;
    const timer = setInterval(() => setNow(Date.now()), everyMs);
    return () => clearInterval(timer);
  }, [everyMs, runs]);
  return now;
}

export interface Action {
  readonly isRunning: boolean;
  readonly problem: Problem | null;
  /** Runs `work` and shows its failure; `onProblem` may take the failure over by returning true. */
  run(work: () => Promise<unknown>, onProblem?: (problem: Problem) => boolean): void;
  clear(): void;
}

export function useAction(): Action {
  const [isRunning, setRunning] = useState(false);
  const [problem, setProblem] = useState<Problem | null>(null);
  /** A component that is gone, or has begun something newer, does not care about an old answer. */
  const newest = useRef(0);
  useEffect(
    () => () => {
      newest.current += 1;
    },
    [],
  );
  const run = useCallback<Action['run']>((work, onProblem) => {
    const mine = (newest.current += 1);
    setRunning(true);
    setProblem(null);
    work().then(
      () => {
        if (mine === newest.current) setRunning(false);
      },
      (error: unknown) => {
        if (mine !== newest.current) return;
        setRunning(false);
        const found = problemOf(error);
        if (onProblem?.(found) !== true) setProblem(found);
      },
    );
  }, []);
  const clear = useCallback(() => setProblem(null), []);
  return { isRunning, problem, run, clear };
}

export function problemOf(error: unknown): Problem {
  if (error instanceof ContractFailure) {
    return error.problem ?? { code: error.code, message: error.message, retryable: false };
  }
  const message = error instanceof Error ? error.message : strings.unknownFailure;
  return { code: 'internal', message, retryable: false };
}
