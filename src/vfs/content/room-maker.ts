// Where this disk has no room for a change of names, clean cache gives way and the change is tried again; where there is no
// cache left, people are told once in plain words. Used by the facade. Bytes of files make their room in content-store.ts.

import { isDiskFull } from '../storage/disk-error.ts';
import type { MaybePromise } from '../file-system.ts';
import { FsError } from '../fs-error.ts';
import type { Surroundings } from '../parts.ts';

const evictionStepBytes = 16 * 1024 * 1024;

export class RoomMaker {
  readonly #surroundings: Pick<Surroundings, 'activity' | 'log'>;
  readonly #evict: (bytes: number) => Promise<number>;
  readonly #dataDir: string;
  #isTold = false;

  constructor(
    surroundings: Pick<Surroundings, 'activity' | 'log'>,
    dataDir: string,
    evict: (bytes: number) => Promise<number>,
  ) {
    this.#surroundings = surroundings;
    this.#dataDir = dataDir;
    this.#evict = evict;
  }

  /** `work` must have changed nothing when it fails; it runs again as long as the cache gives up bytes. */
  run<T>(work: () => MaybePromise<T>): MaybePromise<T> {
    try {
      const result = work();
      if (result instanceof Promise) {
        return result.catch((error: unknown) => this.#again(error, work)) as Promise<Awaited<T>>;
      }
      this.#isTold = false;
      return result;
    } catch (error) {
      if (!isCatalogueFull(error)) throw error;
      return this.#again(error, work) as MaybePromise<T>;
    }
  }

  async #again<T>(first: unknown, work: () => MaybePromise<T>): Promise<T> {
    for (let error = first; ;) {
      if (!isCatalogueFull(error)) throw error;
      const freedBytes = await this.#evict(evictionStepBytes);
      if (freedBytes === 0) {
        this.#tell(error);
        throw error;
      }
      try {
        return await work();
      } catch (next) {
        error = next;
      }
    }
  }

  #tell(cause: unknown): void {
    if (this.#isTold) return;
    this.#isTold = true;
    const detail = `The disk that holds "${this.#dataDir}" is full: changes of names are refused until there is room. Nothing saved so far is lost`;
    this.#surroundings.activity.record('ERROR', '', { detail });
    this.#surroundings.log.error(detail, {}, cause);
  }
}

function isCatalogueFull(error: unknown): boolean {
  return error instanceof FsError && error.operation === 'catalogue' && isDiskFull(error);
}
