// The local control socket (0600, in the private data directory): newline-delimited JSON of the contract, for the command line and scripts.
// One ClientSession per connection.

import { chmod, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import type { Server, Socket } from 'node:net';
import { contractVersion } from '../../shared/contract.ts';
import type { Handlers } from '../../shared/contract.ts';
import { LineSplitter, maxRequestBytes, parseRequestFrame } from '../../shared/frames.ts';
import type { HostFrame, RequestFrame } from '../../shared/frames.ts';
import type { Clock, Log } from '../../shared/log.ts';
import { ClientSession } from './client-session.ts';

export interface ControlServerOptions {
  readonly socketPath: string;
  readonly hostVersion: string;
  readonly handlers: Handlers;
  readonly log: Log;
  readonly clock: Clock;
}

const maxConnections = 64;
/** A client that does not close its side is cut off after this. */
const lastAnswersMs = 500;
const congestedBytes = 1024 * 1024;

export class ControlServer {
  readonly #options: ControlServerOptions;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  private constructor(options: ControlServerOptions) {
    this.#options = options;
    this.#server = createServer((socket) => this.#accept(socket));
    this.#server.maxConnections = maxConnections;
  }

  /** Call only while holding the data directory's lock: a socket file that is there is a dead run's and is replaced. */
  static async start(options: ControlServerOptions): Promise<ControlServer> {
    const control = new ControlServer(options);
    await rm(options.socketPath, { force: true });
    await new Promise<void>((resolve, reject) => {
      control.#server.once('error', reject);
      control.#server.listen(options.socketPath, resolve);
    });
    await chmod(options.socketPath, 0o600);
    return control;
  }

  /** Ends every connection after its answers are out. */
  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    for (const socket of this.#sockets) socket.end();
    const impatience = this.#options.clock.schedule(lastAnswersMs, () => {
      for (const socket of this.#sockets) socket.destroy();
    });
    await closed;
    impatience.cancel();
    await rm(this.#options.socketPath, { force: true });
  }

  #accept(socket: Socket): void {
    this.#sockets.add(socket);
    const send = (frame: HostFrame) => {
      if (socket.writable) socket.write(`${JSON.stringify(frame)}\n`);
    };
    const transport = {
      sendPush: (push: string, payload: unknown) => send({ push, payload }),
      isCongested: () => socket.writableLength > congestedBytes,
    };
    const { handlers, log, hostVersion } = this.#options;
    const session = new ClientSession(handlers, transport, log);
    const lines = new LineSplitter(maxRequestBytes);
    const answer = async ({ id, channel, argument }: RequestFrame) => {
      send({ id, ...(await session.request(channel, argument)) });
    };
    socket.on('data', (chunk) => {
      try {
        for (const line of lines.push(chunk)) void answer(parseRequestFrame(JSON.parse(line)));
      } catch (error) {
        log.warn('A control connection was closed for a malformed request', { cause: String(error) });
        socket.destroy();
      }
    });
    socket.on('error', (error) => log.debug('A control connection failed', { cause: error.message }));
    socket.on('close', () => {
      this.#sockets.delete(socket);
      session.close();
    });
    send({ hello: { contract: contractVersion, version: hostVersion, pid: process.pid } });
  }
}
