// A panel's connection over a message transport: frames in and out around a ClientSession, with bounds a browser needs. A page that reads
// slowly gets only the newest state once it has caught up; one that floods is refused. Knows nothing of sockets.

import { ArgumentError } from '../../shared/arguments.ts';
import { contractVersion } from '../../shared/contract.ts';
import type { Handlers, PushName } from '../../shared/contract.ts';
import { maxRequestBytes, parseRequestFrame } from '../../shared/frames.ts';
import type { HostFrame, RequestFrame } from '../../shared/frames.ts';
import type { Log } from '../../shared/log.ts';
import { ClientSession } from './client-session.ts';

export interface SessionOutput {
  send(text: string): void;
  /** Bytes handed to `send` that the other side has not taken yet. */
  waitingBytes(): number;
  /** The surface broke the rules. */
  end(reason: string): void;
}

export interface PanelSessionOptions {
  readonly handlers: Handlers;
  readonly hostVersion: string;
  readonly output: SessionOutput;
  readonly log: Log;
}

/** A page this far behind gets no activity, only counts of what it missed. */
const activityWaitsAtBytes = 1 << 20;
const stateWaitsAtBytes = 4 << 20;
/** A page asks a handful of things at once; more is a fault or an attack. */
const maxOpenRequests = 64;

export class PanelSession {
  readonly #output: SessionOutput;
  readonly #session: ClientSession;
  #heldState: unknown = null;
  #openRequests = 0;

  constructor({ handlers, hostVersion: version, output, log }: PanelSessionOptions) {
    this.#output = output;
    const transport = {
      sendPush: (push: PushName, payload: unknown) => this.#sendPush(push, payload),
      isCongested: () => output.waitingBytes() > activityWaitsAtBytes,
    };
    this.#session = new ClientSession(handlers, transport, log);
    this.#send({ hello: { contract: contractVersion, version, pid: process.pid } });
  }

  /** One message of the page. */
  receive(text: string): void {
    if (this.#session.gone.aborted) return;
    let frame;
    try {
      if (text.length > maxRequestBytes) throw new ArgumentError('the request is too long');
      frame = parseRequestFrame(JSON.parse(text) as unknown);
    } catch (error) {
      if (!(error instanceof ArgumentError || error instanceof SyntaxError)) throw error;
      this.#output.end(`not a request: ${error.message}`);
      return;
    }
    if (this.#openRequests < maxOpenRequests) {
      void this.#answer(frame);
      return;
    }
    const message = `More than ${maxOpenRequests} requests are open; wait for answers`;
    this.#send({ id: frame.id, ok: false, error: { code: 'invalid', message } });
  }

  /** Sends what had to wait; called when the other side has taken something. */
  drained(): void {
    if (this.#heldState === null || this.#output.waitingBytes() > stateWaitsAtBytes) return;
    const payload = this.#heldState;
    this.#heldState = null;
    this.#send({ push: 'state:changed', payload });
  }

  /** The page is gone. Idempotent. */
  close(): void {
    this.#heldState = null;
    this.#session.close();
  }

  async #answer({ id, channel, argument }: RequestFrame): Promise<void> {
    this.#openRequests += 1;
    const outcome = await this.#session.request(channel, argument);
    this.#openRequests -= 1;
    this.#send({ id, ...outcome });
  }

  #sendPush(push: PushName, payload: unknown): void {
    const isState = push === 'state:changed';
    const mustWait = isState && this.#output.waitingBytes() > stateWaitsAtBytes;
    if (isState) this.#heldState = mustWait ? payload : null;
    if (!mustWait) this.#send({ push, payload });
  }

  #send(frame: HostFrame): void {
    if (!this.#session.gone.aborted) this.#output.send(JSON.stringify(frame));
  }
}
