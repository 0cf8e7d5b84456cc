// A connection to the running host over its control socket: the contract as typed calls. Compares the contract's version before anything else,
// which is what makes the result types hold.

import { createConnection } from 'node:net';
import type { Socket } from 'node:net';
import { homedir, tmpdir } from 'node:os';
import { ContractFailure, contractVersion, isPushName } from '../shared/contract.ts';
import type { Api, ArgumentOf, PayloadOf, PushName, RequestName, ResultOf } from '../shared/contract.ts';
import { LineSplitter, maxReplyBytes, parseHostFrame } from '../shared/frames.ts';
import type { ReplyFrame } from '../shared/frames.ts';
import { findPlaces } from '../shared/places.ts';
import type { Places } from '../shared/places.ts';

export function currentPlaces(): Places {
  return findPlaces({
    platform: process.platform,
    homeDir: homedir(),
    env: process.env,
    temporaryDir: process.env['XDG_RUNTIME_DIR'] ?? tmpdir(),
    uid: process.getuid?.() ?? 0,
  });
}

interface Waiting {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: Error) => void;
}

const helloDeadlineMs = 10_000;

export class Connection implements Api {
  readonly #socket: Socket;
  readonly #lines = new LineSplitter(maxReplyBytes);
  readonly #waiting = new Map<number, Waiting>();
  readonly #listeners = new Map<PushName, Set<(payload: unknown) => void>>();
  #nextId = 1;
  #greeted: Waiting | null = null;
  #closedBy: Error | null = null;
  readonly closed: Promise<void>;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('data', (chunk) => this.#receive(chunk));
    socket.on('error', (error) =>
      this.#fail(new ContractFailure({ code: 'network', message: error.message })),
    );
    this.closed = new Promise((resolve) => {
      socket.once('close', () => {
        this.#fail(new ContractFailure({ code: 'not-found', message: 'The host closed the connection' }));
        resolve();
      });
    });
  }

  /** Null when no host listens there. */
  static async open(socketPath: string): Promise<Connection | null> {
    const socket = createConnection(socketPath);
    const isThere = await new Promise<boolean>((resolve, reject) => {
      socket.once('connect', () => resolve(true));
      socket.once('error', (error: NodeJS.ErrnoException) => {
        if (error.code === 'ENOENT' || error.code === 'ECONNREFUSED') resolve(false);
        else
          reject(
            new ContractFailure({
              code: 'network',
              message: `The host’s control socket “${socketPath}” cannot be used: ${error.message}`,
            }),
          );
      });
    });
    if (!isThere) return null;
    const connection = new Connection(socket);
    await connection.#greeting();
    return connection;
  }

  call<N extends RequestName>(channel: N, argument: ArgumentOf<N>): Promise<ResultOf<N>> {
    if (this.#closedBy !== null) return Promise.reject(this.#closedBy);
    const id = this.#nextId++;
    const answered = new Promise<unknown>((resolve, reject) => this.#waiting.set(id, { resolve, reject }));
    this.#socket.write(`${JSON.stringify({ id, channel, argument })}\n`);
    return answered as Promise<ResultOf<N>>;
  }

  on<N extends PushName>(channel: N, listener: (payload: PayloadOf<N>) => void): () => void {
    const listeners = this.#listeners.get(channel) ?? new Set();
    this.#listeners.set(channel, listeners);
    const receive = (payload: unknown) => listener(payload as PayloadOf<N>);
    listeners.add(receive);
    return () => void listeners.delete(receive);
  }

  close(): void {
    this.#socket.destroy();
  }

  #greeting(): Promise<unknown> {
    return new Promise<unknown>((resolve, reject) => {
      const timer = setTimeout(() => {
        reject(
          new ContractFailure({
            code: 'timeout',
            message: 'The host does not answer; see its log, or stop it and try again',
          }),
        );
        this.close();
      }, helloDeadlineMs);
      const settle = () => clearTimeout(timer);
      this.#greeted = {
        resolve: (value) => {
          settle();
          resolve(value);
        },
        reject: (error) => {
          settle();
          reject(error);
        },
      };
    });
  }

  #receive(chunk: Buffer): void {
    try {
      for (const line of this.#lines.push(chunk)) this.#take(parseHostFrame(JSON.parse(line)));
    } catch (error) {
      this.#fail(error instanceof Error ? error : new Error(String(error)));
      this.close();
    }
  }

  #take(frame: ReturnType<typeof parseHostFrame>): void {
    if ('hello' in frame) return this.#greet(frame.hello);
    if ('push' in frame) {
      if (isPushName(frame.push))
        for (const listener of this.#listeners.get(frame.push) ?? []) listener(frame.payload);
      return;
    }
    this.#settle(frame);
  }

  #greet(hello: { readonly contract: number; readonly version: string }): void {
    if (hello.contract === contractVersion) return this.#greeted?.resolve(null);
    const message = `The running host is version ${hello.version}, which this command does not understand; restart the host`;
    this.#greeted?.reject(new ContractFailure({ code: 'conflict', message }));
    this.close();
  }

  #settle(reply: ReplyFrame): void {
    const waiting = this.#waiting.get(reply.id);
    this.#waiting.delete(reply.id);
    if (reply.ok) waiting?.resolve(reply.value);
    else waiting?.reject(new ContractFailure(reply.error));
  }

  #fail(error: Error): void {
    this.#closedBy ??= error;
    this.#greeted?.reject(error);
    for (const waiting of this.#waiting.values()) waiting.reject(error);
    this.#waiting.clear();
  }
}
