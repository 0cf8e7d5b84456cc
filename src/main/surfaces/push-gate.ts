// Between a session of the contract and a window: while nobody can see the window nothing is sent to it, and when it shows again it gets
// the newest state. Activity is left out by the session itself, which counts it.

import type { PushName } from '../../shared/contract.ts';

export class PushGate {
  readonly #send: (channel: PushName, payload: unknown) => void;
  readonly #held = new Map<PushName, unknown>();
  #isOpen: boolean;

  constructor(send: (channel: PushName, payload: unknown) => void, isOpen: boolean) {
    this.#send = send;
    this.#isOpen = isOpen;
  }

  get isOpen(): boolean {
    return this.#isOpen;
  }

  /** Whole values: a newer one replaces one that waits. */
  push(channel: PushName, payload: unknown): void {
    if (this.#isOpen) this.#send(channel, payload);
    else this.#held.set(channel, payload);
  }

  setOpen(isOpen: boolean): void {
    this.#isOpen = isOpen;
    if (!isOpen) return;
    for (const [channel, payload] of this.#held) this.#send(channel, payload);
    this.#held.clear();
  }
}
