// A kept-alive HTTP/1.1 connection that fetches byte ranges into memory of its own: nothing is allocated per piece, because Node's
// own client spends a third of a fast download on buffers and their collection. Used by `download-worker.ts`. It
// understands only answers with a Content-Length; whatever else comes is `unsuitable`, for the general client to try.

import net from 'node:net';
import tls from 'node:tls';
import type { DownloadFailure } from './download-messages.ts';

/**
 * A chunk is at most 256 KiB and what is read at once as well, so that there is always room after the bytes that wait. Only
 * what is used gets memory from the system.
 */
const slabBytes = 1024 * 1024;
const readBytes = 256 * 1024;
/** A wait looks this often whether the limit was changed. */
const lookEveryMs = 500;
const maxHeadBytes = 64 * 1024;
/** Of an error's body. */
const maxErrorBytes = 16 * 1024;
const headEnd = Buffer.from('\r\n\r\n');

export interface RangeReceiver {
  /** Success: whether the body is wanted. */
  onHead(status: number, headers: Readonly<Record<string, string>>): DownloadFailure | null;
  /**
   * Takes whole chunks from the start of `bytes`, which are borrowed, and returns how many bytes that were; fewer come again with more
   * behind them. `blocked`: nothing more may be received until `resume` is called.
   */
  onBytes(bytes: Uint8Array, isLast: boolean): { readonly used: number; readonly blocked: boolean };
  /** Bytes came over the wire; the milliseconds to wait before more may. */
  onReceived(bytes: number): number;
  /** Whether that wait still holds: the limit may be lifted meanwhile. */
  isLimitAsBefore(): boolean;
  onEnd(): void;
  onFailure(failure: DownloadFailure): void;
}

interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly keepsAlive: boolean;
  left: number;
}

export class RangeConnection {
  readonly #socket: net.Socket;
  readonly #slab = Buffer.allocUnsafeSlow(slabBytes);
  readonly #onIdle: (connection: RangeConnection) => void;
  readonly #onClosed: (connection: RangeConnection) => void;
  /** Bytes that came and are not used yet. */
  #start = 0;
  #end = 0;
  #receiver: RangeReceiver | null = null;
  #answer: Answer | null = null;
  #error: Buffer[] | null = null;
  #blocked = false;
  #waiting: NodeJS.Timeout | null = null;
  #isConnected = false;
  #gotBytes = false;

  constructor(
    url: URL,
    onIdle: (connection: RangeConnection) => void,
    onClosed: (connection: RangeConnection) => void,
  ) {
    this.#onIdle = onIdle;
    this.#onClosed = onClosed;
    const host = url.hostname.replace(/^\[|\]$/g, '');
    if (url.protocol === 'https:') {
      const socket = tls.connect({
        host,
        port: url.port === '' ? 443 : Number(url.port),
        ALPNProtocols: ['http/1.1'],
        ...(net.isIP(host) === 0 ? { servername: host } : {}),
      });
      socket.once('secureConnect', () => (this.#isConnected = true));
      socket.on('data', (bytes: Buffer) => this.#take(bytes));
      this.#socket = socket;
    } else {
      this.#socket = net.connect({
        host,
        port: url.port === '' ? 80 : Number(url.port),
        onread: {
          buffer: () => this.#room(),
          callback: (bytes) => this.#received(bytes),
        },
      });
      this.#socket.once('connect', () => (this.#isConnected = true));
    }
    this.#socket.setNoDelay(true);
    this.#socket.on('error', (error: NodeJS.ErrnoException) =>
      this.#fail({ type: 'network', code: error.code ?? 'ECONNRESET' }),
    );
    this.#socket.on('end', () => this.close());
    this.#socket.on('close', () => {
      this.#fail(this.#answer === null ? { type: 'network', code: 'ECONNRESET' } : { type: 'cut' });
      this.#onClosed(this);
    });
  }

  get isConnected(): boolean {
    return this.#isConnected;
  }

  /** The answer to the present request began: it cannot be a connection that the server had closed before. */
  get gotBytes(): boolean {
    return this.#gotBytes;
  }

  /** It is not the server that keeps us waiting. */
  get isHeldBack(): boolean {
    return this.#blocked || this.#waiting !== null;
  }

  /** One request at a time. */
  request(head: string, receiver: RangeReceiver): void {
    this.#receiver = receiver;
    this.#answer = null;
    this.#error = null;
    this.#gotBytes = false;
    this.#socket.ref();
    this.#socket.write(head, 'latin1');
  }

  /** What blocked is over. */
  resume(): void {
    if (!this.#blocked) return;
    this.#blocked = false;
    this.#process();
    if (!this.#blocked && this.#waiting === null) this.#socket.resume();
  }

  close(): void {
    clearTimeout(this.#waiting ?? undefined);
    this.#waiting = null;
    this.#socket.destroy();
  }

  /** Called for each read; nothing else may move the bytes, since the system writes where this said. */
  #room(): Buffer {
    if (this.#start === this.#end) {
      this.#start = 0;
      this.#end = 0;
    } else if (slabBytes - this.#end < readBytes) {
      this.#slab.copyWithin(0, this.#start, this.#end);
      this.#end -= this.#start;
      this.#start = 0;
    }
    return this.#slab.subarray(this.#end, Math.min(slabBytes, this.#end + readBytes));
  }

  /** TLS hands out buffers of its own. */
  #take(bytes: Buffer): void {
    for (let at = 0; at < bytes.length;) {
      const room = this.#room();
      const taken = Math.min(room.length, bytes.length - at);
      bytes.copy(room, 0, at, at + taken);
      at += taken;
      if (!this.#received(taken)) this.#socket.pause();
    }
  }

  #received(bytes: number): boolean {
    this.#end += bytes;
    this.#gotBytes = true;
    const delayMs = this.#receiver?.onReceived(bytes) ?? 0;
    if (!this.#blocked) this.#process();
    if (delayMs > 0) this.#holdBack(delayMs);
    return !this.#blocked && this.#waiting === null;
  }

  #holdBack(delayMs: number): void {
    clearTimeout(this.#waiting ?? undefined);
    this.#waiting = setTimeout(
      () => {
        this.#waiting = null;
        if (delayMs > lookEveryMs && this.#receiver?.isLimitAsBefore() === true)
          this.#holdBack(delayMs - lookEveryMs);
        else if (!this.#blocked) this.#socket.resume();
      },
      Math.min(delayMs, lookEveryMs),
    );
  }

  #process(): void {
    if (this.#receiver === null) {
      // Bytes that nobody asked for.
      if (this.#end > this.#start) this.close();
      return;
    }
    if (this.#answer === null && !this.#parseHead()) return;
    const left = this.#answer?.left ?? 0;
    if (this.#error !== null) this.#collectError(left);
    else this.#passBody(left);
  }

  #parseHead(): boolean {
    const seen = this.#slab.subarray(this.#start, this.#end);
    const end = seen.indexOf(headEnd);
    if (end === -1) {
      if (seen.length > maxHeadBytes) this.#unsuitable();
      return false;
    }
    const lines = seen.toString('latin1', 0, end).split('\r\n');
    this.#start += end + headEnd.length;
    const status = /^HTTP\/1\.1 (\d{3})(?: |$)/.exec(lines[0] ?? '')?.[1];
    const headers: Record<string, string> = {};
    for (const line of lines.slice(1)) {
      const colon = line.indexOf(':');
      if (colon > 0) headers[line.slice(0, colon).toLowerCase()] = line.slice(colon + 1).trim();
    }
    const length = headers['content-length'] ?? '';
    const code = Number(status);
    if (
      status === undefined ||
      code < 200 ||
      (code >= 300 && code < 400) ||
      !/^\d{1,15}$/.test(length) ||
      headers['transfer-encoding'] !== undefined ||
      (headers['content-encoding'] ?? 'identity') !== 'identity'
    ) {
      this.#unsuitable();
      return false;
    }
    const keepsAlive = !/\bclose\b/i.test(headers['connection'] ?? '');
    this.#answer = { status: code, headers, keepsAlive, left: Number(length) };
    if (code >= 300) this.#error = [];
    else {
      const failure = this.#receiver?.onHead(code, headers) ?? null;
      if (failure !== null) {
        this.#fail(failure);
        this.close();
        return false;
      }
    }
    return true;
  }

  #passBody(left: number): void {
    const answer = this.#answer as Answer;
    const have = Math.min(left, this.#end - this.#start);
    const isLast = have === left;
    const { used, blocked } = this.#receiver?.onBytes(
      this.#slab.subarray(this.#start, this.#start + have),
      isLast,
    ) ?? { used: have, blocked: false };
    this.#start += used;
    answer.left -= used;
    this.#blocked = blocked;
    if (answer.left === 0 && !blocked) this.#finish((receiver) => receiver.onEnd());
  }

  #collectError(left: number): void {
    const answer = this.#answer as Answer;
    const error = this.#error ?? [];
    const have = Math.min(left, this.#end - this.#start);
    const kept = error.reduce((sum, part) => sum + part.length, 0);
    error.push(
      Buffer.from(this.#slab.subarray(this.#start, this.#start + Math.min(have, maxErrorBytes - kept))),
    );
    this.#start += have;
    answer.left -= have;
    if (answer.left > 0 && kept < maxErrorBytes) return;
    const { status, headers } = answer;
    const failure = { type: 'status', status, headers, body: Buffer.concat(error).toString('utf8') } as const;
    if (answer.left > 0) {
      this.#fail(failure);
      this.close();
    } else this.#finish((receiver) => receiver.onFailure(failure));
  }

  #finish(tell: (receiver: RangeReceiver) => void): void {
    const receiver = this.#receiver;
    const keepsAlive = this.#answer?.keepsAlive === true;
    this.#receiver = null;
    this.#answer = null;
    if (receiver !== null) tell(receiver);
    if (keepsAlive && this.#start === this.#end) this.#onIdle(this);
    else this.close();
  }

  #unsuitable(): void {
    this.#fail({ type: 'unsuitable' });
    this.close();
  }

  #fail(failure: DownloadFailure): void {
    const receiver = this.#receiver;
    this.#receiver = null;
    receiver?.onFailure(failure);
  }
}
