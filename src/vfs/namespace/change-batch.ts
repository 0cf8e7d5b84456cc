// Changes of names that arrive in one turn share one transaction of the catalogue: committing costs as much as the change itself. Each
// succeeds or fails by itself, as if it had been alone. Used by the facade; it knows nothing of what the changes do.

import { isDiskFull } from '../storage/disk-error.ts';
import type { MaybePromise } from '../file-system.ts';
import type { NamespaceTree } from './namespace-tree.ts';

/** What is done again one by one where something goes wrong. */
const mostTogether = 64;

/** A change that must be undone with all before it, because it failed after its first step. */
class Undone extends Error {}

interface Job {
  /** Does it in the open transaction and keeps the outcome; false where it is for `alone`. */
  join(): boolean;
  /** Tells the outcome of `join`, after the transaction. */
  tell(): void;
  alone(): void;
  fail(cause: unknown): void;
}

export class ChangeBatch {
  readonly #tree: NamespaceTree;
  readonly #alone: <T>(work: () => MaybePromise<T>) => MaybePromise<T>;
  #waiting: Job[] = [];

  /** `alone` does one change by itself, in a transaction of its own. */
  constructor(tree: NamespaceTree, alone: <T>(work: () => MaybePromise<T>) => MaybePromise<T>) {
    this.#tree = tree;
    this.#alone = alone;
  }

  /**
   * Does `work` at the end of this turn, in memory and in the catalogue. It must look everything up by number, change things only inside
   * one transaction of the tree, and have changed nothing where it returns a promise, unless `mayJoin` says before that it must be alone.
   */
  run<T>(work: () => MaybePromise<T>, mayJoin: () => boolean = () => true): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      if (this.#waiting.length === 0) queueMicrotask(() => this.#flush());
      this.#waiting.push(this.#jobOf(work, mayJoin, resolve, reject));
    });
  }

  #jobOf<T>(
    work: () => MaybePromise<T>,
    mayJoin: () => boolean,
    resolve: (value: MaybePromise<T>) => void,
    reject: (cause: unknown) => void,
  ): Job {
    let tell: (() => void) | null = null;
    /** Goes on whatever becomes of the transaction, in which it has done nothing. */
    let later: Promise<T> | null = null;
    const alone = (): void => {
      const first = later === null ? work : once(later, work);
      try {
        resolve(this.#alone(first));
      } catch (cause) {
        reject(cause);
      }
    };
    return {
      join: () => {
        if (!mayJoin()) return false;
        const { transactions } = this.#tree;
        try {
          const value = work();
          if (value instanceof Promise) {
            later = value;
            return false;
          }
          tell = () => resolve(value);
        } catch (cause) {
          if (this.#tree.transactions !== transactions) throw new Undone('a change failed', { cause });
          tell = () => reject(cause);
        }
        return true;
      },
      tell: () => tell?.(),
      alone,
      fail: (cause) => {
        if (later === null) reject(cause);
        else alone();
      },
    };
  }

  #flush(): void {
    const jobs = this.#waiting;
    this.#waiting = [];
    for (let start = 0; start < jobs.length; start += mostTogether) {
      this.#together(jobs.slice(start, start + mostTogether));
    }
  }

  #together(jobs: readonly Job[]): void {
    const [only] = jobs;
    if (jobs.length === 1) {
      only?.alone();
      return;
    }
    const together: Job[] = [];
    const apart: Job[] = [];
    try {
      this.#tree.transaction(() => {
        for (const job of jobs) (job.join() ? together : apart).push(job);
      });
    } catch (cause) {
      // Nothing of it has happened. Where there is no room, a change alone makes some.
      const isAgain = cause instanceof Undone || isDiskFull(cause);
      for (const job of jobs)
        if (isAgain) job.alone();
        else job.fail(cause);
      return;
    }
    for (const job of together) job.tell();
    for (const job of apart) job.alone();
  }
}

/** `first` for the first call, and `work` for those that follow because it failed. */
function once<T>(first: Promise<T>, work: () => MaybePromise<T>): () => MaybePromise<T> {
  let isFirst = true;
  return () => {
    if (!isFirst) return work();
    isFirst = false;
    return first;
  };
}
