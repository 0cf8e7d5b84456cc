// The transport of a browser: the contract's frames over a WebSocket to the server that served the page. Connects again by itself with
// growing pauses; requests that were open when the link broke are rejected, never repeated.

import { contractVersion, ContractFailure, isPushName } from '../../shared/contract.ts';
import type { Api, ContractError, PayloadOf, PushName } from '../../shared/contract.ts';
import { parseHostFrame } from '../../shared/frames.ts';
import type { HostFrame } from '../../shared/frames.ts';
import type { Connection, LinkStatus } from './connection.ts';

/** The parts of a page and of its WebSocket that are used, so that tests can put others in their place. */
export interface SocketPage {
  readonly location: { readonly protocol: string; readonly host: string };
  fetch(path: string, init: { readonly method: string }): Promise<{ readonly status: number }>;
  setTimeout(callback: () => void, delayMs: number): unknown;
}

const firstPauseMs = 250;
const longestPauseMs = 5000;

type Listener = (payload: never) => void;
interface Waiting {
  readonly resolve: (value: never) => void;
  readonly reject: (error: ContractFailure) => void;
}

const linkLost: ContractError = {
  code: 'network',
  message: 'The connection to Hubdrive was lost before it answered',
};
const notLinked: ContractError = { code: 'network', message: 'Hubdrive is not connected right now' };

export function connectSocket(
  page: SocketPage,
  open: (address: string) => WebSocket = (address) => new WebSocket(address),
): Connection {
  return new SocketConnection(page, open);
}

class SocketConnection implements Connection {
  readonly api: Api;
  readonly isDesktop = false;
  readonly #page: SocketPage;
  readonly #open: (address: string) => WebSocket;
  readonly #waiting = new Map<number, Waiting>();
  readonly #pushListeners = new Map<PushName, Set<Listener>>();
  readonly #statusListeners = new Set<(status: LinkStatus) => void>();
  #status: LinkStatus = 'connecting';
  #socket: WebSocket | null = null;
  #nextId = 1;
  #pauseMs = firstPauseMs;
  #closed = false;

  constructor(page: SocketPage, open: (address: string) => WebSocket) {
    this.#page = page;
    this.#open = open;
    this.api = {
      call: (channel, argument) => {
        if (this.#status !== 'open' || this.#socket === null) {
          return Promise.reject(new ContractFailure(notLinked));
        }
        const id = this.#nextId++;
        this.#socket.send(JSON.stringify({ id, channel, argument }));
        return new Promise((resolve, reject) => this.#waiting.set(id, { resolve, reject }));
      },
      on: (channel, listener) => {
        const listeners = this.#pushListeners.get(channel) ?? new Set();
        this.#pushListeners.set(channel, listeners);
        listeners.add(listener);
        return () => void listeners.delete(listener);
      },
    };
    this.#start();
  }

  get status(): LinkStatus {
    return this.#status;
  }

  onStatus(listener: (status: LinkStatus) => void): () => void {
    this.#statusListeners.add(listener);
    return () => void this.#statusListeners.delete(listener);
  }

  close(): void {
    this.#closed = true;
    this.#socket?.close();
  }

  #start(): void {
    const { protocol, host } = this.#page.location;
    const socket = this.#open(`${protocol === 'https:' ? 'wss' : 'ws'}://${host}/contract`);
    this.#socket = socket;
    let greeted = false;
    socket.addEventListener('message', (message) => {
      const frame = parseHostFrame(JSON.parse(String(message.data)) as unknown);
      if ('hello' in frame) greeted = this.#greet(frame.hello.contract);
      else this.#receive(frame);
    });
    socket.addEventListener('close', () => {
      this.#dropWaiting();
      if (this.#closed || this.#status === 'mismatch') return;
      if (greeted) this.#restart();
      else void this.#askWhy();
    });
  }

  #greet(version: number): boolean {
    this.#pauseMs = firstPauseMs;
    this.#setStatus(version === contractVersion ? 'open' : 'mismatch');
    if (version !== contractVersion) this.#socket?.close();
    return true;
  }

  #receive(frame: Exclude<HostFrame, { readonly hello: unknown }>): void {
    if ('push' in frame) {
      if (!isPushName(frame.push)) return;
      for (const listener of this.#pushListeners.get(frame.push) ?? []) {
        listener(frame.payload as PayloadOf<PushName> as never);
      }
      return;
    }
    const waiting = this.#waiting.get(frame.id);
    this.#waiting.delete(frame.id);
    if (frame.ok) waiting?.resolve(frame.value as never);
    else waiting?.reject(new ContractFailure(frame.error));
  }

  /** A refused WebSocket does not say why; an ordinary request does. */
  async #askWhy(): Promise<void> {
    const status = await this.#page.fetch('./', { method: 'HEAD' }).then(
      (answer) => answer.status,
      () => 0,
    );
    if (status === 401) this.#setStatus('refused');
    else this.#restart();
  }

  #restart(): void {
    this.#setStatus('lost');
    const pauseMs = this.#pauseMs;
    this.#pauseMs = Math.min(longestPauseMs, pauseMs * 2);
    this.#page.setTimeout(() => {
      if (!this.#closed) this.#start();
    }, pauseMs);
  }

  #dropWaiting(): void {
    const dropped = [...this.#waiting.values()];
    this.#waiting.clear();
    for (const { reject } of dropped) reject(new ContractFailure(linkLost));
  }

  #setStatus(status: LinkStatus): void {
    if (status === this.#status) return;
    this.#status = status;
    for (const listener of this.#statusListeners) listener(status);
  }
}
