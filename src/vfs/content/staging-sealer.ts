// Makes checksums of staged files a while after their last commit, one file at a time and a little per turn, so that neither writes nor
// other clients pay for it. Used by staging-area.ts; what a checksum is stands in layer-checksums.ts.

import type { Clock, Log, Timer } from '../../shared/log.ts';
import type { StagedFile } from './staged-file.ts';

/** After the last commit of a file: before it is sent, and not while it is written in bursts. */
const restMs = 1000;
/** At the end of the program, for what was committed last. */
const endMs = 500;
const scratchBytes = 64 * 1024;

export class StagingSealer {
  readonly #clock: Clock;
  readonly #log: Log;
  /** In the order of their last commit, with the time they are due. */
  readonly #due = new Map<StagedFile, number>();
  #timer: Timer | null = null;
  #running: Promise<void> | null = null;
  #stopAt = Infinity;

  constructor(clock: Clock, log: Log) {
    this.#clock = clock;
    this.#log = log;
  }

  note(file: StagedFile): void {
    this.#due.delete(file);
    this.#due.set(file, this.#clock.monotonic() + restMs);
    this.#arm();
  }

  /** Gives what is left a moment. */
  async close(): Promise<void> {
    this.#timer?.cancel();
    this.#timer = null;
    this.#stopAt = this.#clock.monotonic() + endMs;
    await this.#running;
    for (const file of this.#due.keys()) await this.#seal(file);
    this.#due.clear();
  }

  #arm(): void {
    if (this.#timer !== null || this.#running !== null || this.#stopAt !== Infinity) return;
    const [first] = this.#due.values();
    if (first === undefined) return;
    this.#timer = this.#clock.schedule(Math.max(0, first - this.#clock.monotonic()), () => {
      this.#timer = null;
      this.#running = this.#sealDue().finally(() => {
        this.#running = null;
        this.#arm();
      });
    });
  }

  async #sealDue(): Promise<void> {
    for (const [file, dueAt] of this.#due) {
      if (dueAt > this.#clock.monotonic() || this.#stopAt !== Infinity) return;
      this.#due.delete(file);
      await this.#seal(file);
    }
  }

  async #seal(file: StagedFile): Promise<void> {
    const scratch = new Uint8Array(scratchBytes);
    try {
      for (const layer of [file.lower, file.top]) {
        if (layer === null || file.damage !== null) continue;
        // During a merge the index knows of bytes of the lower layer that it does not know itself.
        const isWanted = (): boolean => file.has(layer) && file.merging === null;
        for (let from = 0; isWanted() && this.#clock.monotonic() < this.#stopAt; from += 1) {
          const segment = layer.sums.nextUnsealed(from);
          if (segment === null) break;
          await layer.sums.seal(segment, scratch, isWanted);
          from = segment;
        }
      }
    } catch (error) {
      // Whoever needs the bytes finds out and says so.
      this.#log.warn('a staged file could not be checksummed', { ino: file.ino, cause: String(error) });
    }
  }
}
