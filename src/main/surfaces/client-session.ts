// One connected surface, whatever the transport: dispatches its requests to the handlers, returns outcomes, and passes pushes on as long as
// the transport keeps up. The control socket, the panel's WebSocket and Electron's IPC each make one per connection.

import { ArgumentError } from '../../shared/arguments.ts';
import { contract, isRequestName } from '../../shared/contract.ts';
import type { ActivityBatch, Caller, Handlers, Outcome, PayloadOf, PushName } from '../../shared/contract.ts';
import type { Log } from '../../shared/log.ts';
import { contractErrorOf } from '../problem.ts';

export interface SessionTransport {
  sendPush(channel: PushName, payload: unknown): void;
  /** The other side reads too slowly: activity is left out until it has caught up. */
  isCongested(): boolean;
}

export class ClientSession implements Caller {
  readonly #handlers: Handlers;
  readonly #transport: SessionTransport;
  readonly #log: Log;
  readonly #gone = new AbortController();
  readonly #skipped = new Map<string, number>();

  constructor(handlers: Handlers, transport: SessionTransport, log: Log) {
    this.#handlers = handlers;
    this.#transport = transport;
    this.#log = log;
  }

  get gone(): AbortSignal {
    return this.#gone.signal;
  }

  /** Never rejects: every failure is an outcome. */
  async request(channel: string, argument: unknown): Promise<Outcome<unknown>> {
    try {
      if (!isRequestName(channel)) throw new ArgumentError(`there is no channel "${channel}"`);
      const parsed: unknown = contract[channel].parse(argument, channel);
      // Channel, parser and handler belong together by name; a union of functions cannot say so.
      const handler = this.#handlers[channel] as (argument: unknown, caller: Caller) => unknown;
      return { ok: true, value: await handler(parsed, this) };
    } catch (error) {
      const failure = contractErrorOf(error);
      if (failure.code === 'internal')
        this.#log.error(`The request ${channel} failed unexpectedly`, {}, error);
      return { ok: false, error: failure };
    }
  }

  push<N extends PushName>(channel: N, payload: PayloadOf<N>): void {
    if (this.#gone.signal.aborted) return;
    if (channel !== 'activity:batch') return this.#transport.sendPush(channel, payload);
    // The type of the payload follows from the name just tested.
    const batch = payload as ActivityBatch;
    if (this.#transport.isCongested()) this.#skip(batch);
    else this.#transport.sendPush(channel, this.#withSkipped(batch));
  }

  /** The connection is closed. Idempotent. */
  close(): void {
    this.#gone.abort();
  }

  #skip(batch: ActivityBatch): void {
    for (const { mountId, events, dropped } of batch.mounts) {
      this.#skipped.set(mountId, (this.#skipped.get(mountId) ?? 0) + events.length + dropped);
    }
  }

  #withSkipped(batch: ActivityBatch): ActivityBatch {
    if (this.#skipped.size === 0) return batch;
    const mounts = batch.mounts.map((mount) => {
      const skipped = this.#skipped.get(mount.mountId) ?? 0;
      this.#skipped.delete(mount.mountId);
      return { ...mount, dropped: mount.dropped + skipped };
    });
    return { mounts };
  }
}
