// One connected surface over a message transport: parses its requests, runs the handlers, answers, and passes pushes on. The panel's
// WebSocket uses it. Knows nothing of sockets; never lets one slow surface hold anything up.

import { ArgumentError } from '../shared/arguments.ts';
import { contract, contractVersion, isRequestName } from '../shared/contract.ts';
import type {
  ActivityBatch,
  Caller,
  Handlers,
  MountActivity,
  Outcome,
  PayloadOf,
  PushName,
  RequestName,
  ResultOf,
} from '../shared/contract.ts';
import { maxRequestBytes, parseRequestFrame } from '../shared/frames.ts';
import type { HostState } from '../shared/model.ts';
import { contractErrorOf } from './problem.ts';

export interface SessionOutput {
  send(text: string): void;
  /** Bytes handed to `send` that the other side has not taken yet. */
  waitingBytes(): number;
  /** The surface broke the rules. */
  end(reason: string): void;
}

export interface SessionOptions {
  readonly handlers: Handlers;
  readonly hostVersion: string;
  readonly output: SessionOutput;
}

/** A surface this far behind gets no activity, only counts of what it missed; and one state value at a time. */
const activityWaitsAtBytes = 1 << 20;
const stateWaitsAtBytes = 4 << 20;
/** A surface asks a handful of things at once; more is a fault or an attack. */
const maxOpenRequests = 64;

export class PanelSession {
  readonly #options: SessionOptions;
  readonly #gone = new AbortController();
  /** Events that were not sent, by mount, added to the next batch. */
  readonly #missed = new Map<string, { source: string; count: number }>();
  readonly #caller: Caller;
  #heldState: HostState | null = null;
  #openRequests = 0;

  constructor(options: SessionOptions) {
    this.#options = options;
    this.#caller = {
      gone: this.#gone.signal,
      push: (channel, payload) => this.#push(channel, payload),
    };
    const { hostVersion: version } = options;
    this.#sendValue({ hello: { contract: contractVersion, version, pid: process.pid } });
  }

  /** One message of the surface. */
  receive(text: string): void {
    if (this.#gone.signal.aborted) return;
    let frame;
    try {
      if (text.length > maxRequestBytes) throw new ArgumentError('the request is too long');
      frame = parseRequestFrame(JSON.parse(text) as unknown);
    } catch (error) {
      if (!(error instanceof ArgumentError || error instanceof SyntaxError)) throw error;
      this.#options.output.end(`not a request: ${error.message}`);
      return;
    }
    const { id, channel, argument } = frame;
    if (this.#openRequests >= maxOpenRequests) {
      const message = `More than ${maxOpenRequests} requests are open; wait for answers`;
      this.#sendValue({ id, ok: false, error: { code: 'invalid', message } });
      return;
    }
    this.#openRequests += 1;
    void this.#answer(channel, argument).then((outcome) => {
      this.#openRequests -= 1;
      this.#sendValue({ id, ...outcome });
    });
  }

  /** Sends what had to wait; called when the other side has taken something. */
  drained(): void {
    if (this.#heldState === null || this.#options.output.waitingBytes() > stateWaitsAtBytes) return;
    const state = this.#heldState;
    this.#heldState = null;
    this.#sendValue({ push: 'state:changed', payload: state });
  }

  /** The surface is gone. Idempotent. */
  close(): void {
    this.#heldState = null;
    this.#missed.clear();
    this.#gone.abort();
  }

  async #answer(channel: string, argument: unknown): Promise<Outcome<unknown>> {
    try {
      if (!isRequestName(channel)) {
        const message = `This host knows no request “${channel}”`;
        return { ok: false, error: { code: 'invalid', message } };
      }
      return { ok: true, value: await this.#run(channel, argument) };
    } catch (error) {
      return { ok: false, error: contractErrorOf(error) };
    }
  }

  async #run<N extends RequestName>(channel: N, argument: unknown): Promise<ResultOf<N>> {
    const handle = this.#options.handlers[channel];
    // The parser of a channel makes that channel's argument; the mapped type cannot follow a name that is still open.
    const parsed = contract[channel].parse(argument, channel) as Parameters<typeof handle>[0];
    return await handle(parsed, this.#caller);
  }

  #push<N extends PushName>(channel: N, payload: PayloadOf<N>): void {
    if (this.#gone.signal.aborted) return;
    const waiting = this.#options.output.waitingBytes();
    if (channel === 'activity:batch') {
      this.#pushActivity(payload as ActivityBatch, waiting);
    } else if (channel === 'state:changed' && waiting > stateWaitsAtBytes) {
      this.#heldState = payload as HostState;
    } else {
      if (channel === 'state:changed') this.#heldState = null;
      this.#sendValue({ push: channel, payload });
    }
  }

  #pushActivity(batch: ActivityBatch, waitingBytes: number): void {
    if (waitingBytes > activityWaitsAtBytes) {
      for (const { mountId, source, events, dropped } of batch.mounts) {
        const before = this.#missed.get(mountId)?.count ?? 0;
        this.#missed.set(mountId, { source, count: before + events.length + dropped });
      }
      return;
    }
    this.#sendValue({ push: 'activity:batch', payload: { mounts: this.#withMissed(batch.mounts) } });
  }

  #withMissed(mounts: readonly MountActivity[]): readonly MountActivity[] {
    if (this.#missed.size === 0) return mounts;
    const completed = mounts.map((mount) => {
      const missed = this.#missed.get(mount.mountId);
      this.#missed.delete(mount.mountId);
      return missed === undefined ? mount : { ...mount, dropped: mount.dropped + missed.count };
    });
    for (const [mountId, { source, count }] of this.#missed) {
      completed.push({ mountId, source, events: [], dropped: count });
    }
    this.#missed.clear();
    return completed;
  }

  #sendValue(value: unknown): void {
    if (!this.#gone.signal.aborted) this.#options.output.send(JSON.stringify(value));
  }
}
