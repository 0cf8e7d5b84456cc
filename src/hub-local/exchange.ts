// One request and its response: bounded reading of the body, every way to answer, and the disturbances of a fault
// rule on both. Route handlers see only this, never node's request and response.

import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { FaultRule } from './faults.ts';
import type { HubClock } from './hub-clock.ts';
import { badRequest, Refusal } from './refusal.ts';

export type ReplyHeaders = Readonly<Record<string, string | number | readonly string[]>>;

/** The client went away, or a fault cut the connection; nobody is left to answer. */
export class Disconnected extends Error {
  override readonly name = 'Disconnected';
}

/** A byte source for `sendStream`; `write` resolves once the bytes are handed to the kernel and may be reused. */
export type BodyWriter = (write: (bytes: Uint8Array) => Promise<void>) => Promise<void>;

export class Exchange {
  readonly method: string;
  /** As sent, still percent-encoded, without the query. */
  readonly pathname: string;
  readonly query: URLSearchParams;
  readonly requestId: string;
  /** `http://host:port` as this client reaches the server, for absolute links. */
  readonly base: string;
  params: Readonly<Record<string, string>> = {};
  /** Decoded segments of the pattern's last `*name`. */
  rest: readonly string[] = [];
  fault: FaultRule | null = null;
  requestBytes = 0;
  responseBytes = 0;

  readonly #request: IncomingMessage;
  readonly #response: ServerResponse;
  readonly #clock: HubClock;
  readonly #extra = new Map<string, string | readonly string[]>();

  constructor(parts: {
    request: IncomingMessage;
    response: ServerResponse;
    clock: HubClock;
    pathname: string;
    query: URLSearchParams;
    base: string;
    requestId: string;
  }) {
    this.#request = parts.request;
    this.#response = parts.response;
    this.#clock = parts.clock;
    this.method = parts.request.method ?? 'GET';
    this.pathname = parts.pathname;
    this.query = parts.query;
    this.base = parts.base;
    this.requestId = parts.requestId;
  }

  /** A decoded path parameter; '' where the pattern has none of that name. */
  param(name: string): string {
    return this.params[name] ?? '';
  }

  header(name: string): string | null {
    const value = this.#request.headers[name.toLowerCase()];
    return value === undefined ? null : Array.isArray(value) ? value.join(', ') : value;
  }

  get remoteAddress(): string {
    return this.#request.socket.remoteAddress ?? '';
  }

  get status(): number {
    return this.#response.headersSent ? this.#response.statusCode : 0;
  }

  get answered(): boolean {
    return this.#response.headersSent || this.#response.destroyed;
  }

  /** Adds a header to whatever answer follows. */
  addHeader(name: string, value: string): void {
    this.#extra.set(name, value);
  }

  /** Calls back when the connection of this exchange is gone. */
  onClose(callback: () => void): void {
    this.#response.once('close', callback);
  }

  /** Waits; rejects with `Disconnected` as soon as the client is gone. */
  pause(delayMs: number): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#response.closed) {
        reject(new Disconnected('the client closed the connection'));
        return;
      }
      const gone = (): void => {
        timer.cancel();
        reject(new Disconnected('the client closed the connection'));
      };
      const timer = this.#clock.schedule(delayMs, () => {
        this.#response.off('close', gone);
        resolve();
      });
      this.#response.once('close', gone);
    });
  }

  /** Cuts the connection without a word. */
  drop(): void {
    this.#request.socket.destroy();
  }

  /** Body pieces as they arrive; 413 beyond `limitBytes`. */
  async *body(limitBytes: number): AsyncGenerator<Buffer, void, void> {
    const dropAt = this.fault?.dropUploadAtByte;
    const pace = this.#pacer();
    for await (const piece of this.#request as AsyncIterable<Buffer>) {
      this.requestBytes += piece.byteLength;
      if (dropAt !== undefined && this.requestBytes >= dropAt) {
        this.drop();
        throw new Disconnected('a fault rule cut the upload');
      }
      if (this.requestBytes > limitBytes) {
        throw new Refusal(413, `The request body is larger than ${limitBytes} bytes`);
      }
      if (pace !== null) await pace(piece.byteLength);
      yield piece;
    }
  }

  async readBody(limitBytes: number): Promise<Buffer> {
    const pieces: Buffer[] = [];
    for await (const piece of this.body(limitBytes)) pieces.push(piece);
    return pieces.length === 1 && pieces[0] !== undefined ? pieces[0] : Buffer.concat(pieces);
  }

  /** The body as JSON; an empty body is `{}`. */
  async readJson(limitBytes: number): Promise<unknown> {
    const text = (await this.readBody(limitBytes)).toString('utf8');
    if (text.trim() === '') return {};
    try {
      return JSON.parse(text) as unknown;
    } catch (cause) {
      throw badRequest('The request body is not valid JSON', cause);
    }
  }

  async sendJson(status: number, value: unknown, headers: ReplyHeaders = {}): Promise<void> {
    const bytes = Buffer.from(JSON.stringify(value));
    await this.sendBytes(status, bytes, { 'Content-Type': 'application/json; charset=utf-8', ...headers });
  }

  async sendEmpty(status: number, headers: ReplyHeaders = {}): Promise<void> {
    await this.sendBytes(status, new Uint8Array(0), headers);
  }

  async sendBytes(status: number, bytes: Uint8Array, headers: ReplyHeaders = {}): Promise<void> {
    if (this.fault === null && this.method !== 'HEAD') {
      this.#setHead(status, headers, bytes.byteLength);
      this.#response.end(bytes);
      this.responseBytes += bytes.byteLength;
      return;
    }
    await this.sendStream(status, headers, bytes.byteLength, async (write) => {
      if (bytes.byteLength > 0) await write(bytes);
    });
  }

  async sendRefusal(refusal: Refusal): Promise<void> {
    // HTTP headers carry Latin-1 only, the JSON body carries the message as it is.
    const message = refusal.message.replace(/[^\x20-\x7e]/g, '?');
    await this.sendJson(
      refusal.status,
      { error: refusal.message, ...refusal.body },
      {
        ...(refusal.code === null ? {} : { 'X-Error-Code': refusal.code }),
        'X-Error-Message': message,
        ...refusal.headers,
      },
    );
  }

  /**
   * Answers with `lengthBytes` bytes that `writeBody` produces (null: chunked, length unknown). For HEAD the
   * headers alone go out, with the true Content-Length.
   */
  async sendStream(
    status: number,
    headers: ReplyHeaders,
    lengthBytes: number | null,
    writeBody: BodyWriter,
  ): Promise<void> {
    const fault = this.fault;
    if (fault?.drop === 'before-headers') {
      this.drop();
      throw new Disconnected('a fault rule lost the reply');
    }
    let length = lengthBytes;
    if (length !== null && fault?.truncateAtByte !== undefined)
      length = Math.min(length, fault.truncateAtByte);
    this.#setHead(status, headers, length);
    const response = this.#response;
    if (this.method === 'HEAD' || status === 204 || status === 304) {
      response.end();
      return;
    }
    if (length === null) response.flushHeaders();
    await writeBody(this.#shapedWrite(lengthBytes));
    response.end();
  }

  #setHead(status: number, headers: ReplyHeaders, lengthBytes: number | null): void {
    const response = this.#response;
    response.statusCode = status;
    for (const [name, value] of this.#extra) response.setHeader(name, value);
    for (const [name, value] of Object.entries(headers)) response.setHeader(name, value);
    if (lengthBytes !== null && status !== 204 && status !== 304)
      response.setHeader('Content-Length', lengthBytes);
  }

  /** The plain write, or one that disturbs the body as the fault rule says. */
  #shapedWrite(lengthBytes: number | null): (bytes: Uint8Array) => Promise<void> {
    const fault = this.fault;
    const plain = (bytes: Uint8Array): Promise<void> => this.#write(bytes);
    if (fault === null) return plain;
    const pace = this.#pacer();
    const dropAt =
      fault.drop === 'mid-body' ? (fault.atByte ?? Math.floor((lengthBytes ?? 2) / 2)) : Infinity;
    const stallAt = fault.stallAtByte ?? Infinity;
    const truncateAt = fault.truncateAtByte ?? Infinity;
    const corruptAt = fault.corruptAtByte ?? -1;
    let offset = 0;
    return async (bytes) => {
      const stopAt = Math.min(dropAt, stallAt, truncateAt);
      let piece = bytes.subarray(0, Math.max(0, Math.min(bytes.byteLength, stopAt - offset)));
      if (corruptAt >= offset && corruptAt < offset + piece.byteLength) {
        piece = Uint8Array.from(piece);
        piece[corruptAt - offset] = ~(piece[corruptAt - offset] ?? 0) & 0xff;
      }
      const reachesStop = offset + bytes.byteLength >= stopAt;
      offset += bytes.byteLength;
      if (piece.byteLength > 0) await (pace === null ? plain(piece) : this.#writePaced(piece, pace));
      if (!reachesStop || stopAt === truncateAt) return;
      if (stopAt === stallAt && !this.#response.closed) await once(this.#response, 'close');
      this.drop();
      throw new Disconnected('a fault rule ended the response body');
    };
  }

  /** Small pieces, so that a slow link is slow all along and not in bursts. */
  async #writePaced(bytes: Uint8Array, pace: (sizeBytes: number) => Promise<void>): Promise<void> {
    for (let at = 0; at < bytes.byteLength; at += 16_384) {
      const piece = bytes.subarray(at, at + 16_384);
      await pace(piece.byteLength);
      await this.#write(piece);
    }
  }

  #pacer(): ((sizeBytes: number) => Promise<void>) | null {
    const rate = this.fault?.bytesPerSecond;
    if (rate === undefined || rate <= 0) return null;
    let dueMs = this.#clock.now();
    return async (sizeBytes) => {
      dueMs = Math.max(dueMs, this.#clock.now() - 50) + (sizeBytes / rate) * 1000;
      const waitMs = dueMs - this.#clock.now();
      if (waitMs > 1) await this.pause(waitMs);
    };
  }

  #write(bytes: Uint8Array): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#response.destroyed) {
        reject(new Disconnected('the client closed the connection'));
        return;
      }
      // Node never calls back a write whose client is gone, so the end of the connection settles it too.
      const settle = (error: Error | null | undefined): void => {
        this.#response.off('close', onClose);
        if (error === null || error === undefined) {
          this.responseBytes += bytes.byteLength;
          resolve();
        } else {
          reject(new Disconnected('the client closed the connection', { cause: error }));
        }
      };
      const onClose = (): void => settle(new Error('closed before the bytes were taken'));
      this.#response.once('close', onClose);
      this.#response.write(bytes, settle);
    });
  }
}
