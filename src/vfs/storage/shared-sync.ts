// One sync at a time, shared by everybody who asked before it started. Used for the catalogue's log and the staging folder, which
// all files of a mount have in common.

export class SharedSync {
  readonly #sync: () => Promise<void>;
  #running: Promise<void> | null = null;
  #next: Promise<void> | null = null;
  /** The running one has not started yet. */
  #isGathering = false;

  /** `sync` brings to the disk what was written before it is called. */
  constructor(sync: () => Promise<void>) {
    this.#sync = sync;
  }

  /** The one under way, whether or not it covers what was written since; null for none. */
  get running(): Promise<void> | null {
    return this.#running;
  }

  /** Resolves when a sync is done that started after the call; rejects with the error of that sync. */
  run(): Promise<void> {
    if (this.#running === null) return this.#start();
    if (this.#isGathering) return this.#running;
    this.#next ??= this.#running.then(
      () => this.#start(),
      () => this.#start(),
    );
    return this.#next;
  }

  /** Settles when nothing runs any more, never rejects. */
  async idle(): Promise<void> {
    while (this.#running !== null) await Promise.allSettled([this.#running]);
  }

  #start(): Promise<void> {
    this.#next = null;
    const running = this.#syncSoon().finally(() => {
      if (this.#running === running) this.#running = null;
    });
    this.#running = running;
    return running;
  }

  /** Not before the turn's end: all calls that arrived together share it. */
  async #syncSoon(): Promise<void> {
    this.#isGathering = true;
    await Promise.resolve();
    this.#isGathering = false;
    await this.#sync();
  }
}
