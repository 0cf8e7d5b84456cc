// The TCP side of an RPC server: listens, admits peers, keeps the connections within their limit, stops cleanly.

import net from 'node:net';
import type { Clock, Log } from '../shared/log.ts';
import { LoopPoller } from './loop-poller.ts';
import { checkPeer } from './peer-check.ts';
import { RpcConnection } from './rpc-connection.ts';
import type { RpcDispatcher } from './rpc-dispatcher.ts';
import { SlabPool } from './slab-pool.ts';

/** Linux opens 1 to 16 per mount (nconnect), macOS one. */
const MAX_CONNECTIONS = 64;
/** For calls under way when the server stops: reads of remote data wait at most about 10 s. */
const STOP_MS = 12_000;
/** For a client to close its side too. */
const GOODBYE_MS = 1_000;

export interface RpcServerOptions {
  readonly dispatcher: RpcDispatcher;
  readonly host: string;
  /** 0: any free one. */
  readonly port: number;
  /** 'kernel': on Linux only the kernel's client is admitted. */
  readonly peers: 'kernel' | 'any';
  readonly log: Log;
  readonly clock: Clock;
  /** False makes all connections copy what they receive; for tests of that path. */
  readonly receivesDirectly?: boolean;
}

export interface RpcServerStats {
  readonly connections: number;
  /** Calls and reads that wait for something. */
  readonly inFlight: number;
  readonly receivedBytes: number;
  readonly sentBytes: number;
  readonly refusedPeers: number;
  /** Connections whose bytes go to our slab without a copy. */
  readonly directConnections: number;
  /** Held by replies that are being made or sent. */
  readonly replySlabBytes: number;
}

export class RpcServer {
  readonly #options: RpcServerOptions;
  readonly #server: net.Server;
  readonly #pool = new SlabPool();
  readonly #poller: LoopPoller;
  readonly #connections = new Set<RpcConnection>();
  readonly #traffic = { receivedBytes: 0, sentBytes: 0 };
  #refusedPeers = 0;
  #onProgress: (() => void) | null = null;

  private constructor(options: RpcServerOptions) {
    this.#options = options;
    this.#poller = new LoopPoller(options.clock);
    this.#server = net.createServer({ pauseOnConnect: true, noDelay: true }, (socket) =>
      this.#accept(socket),
    );
    this.#server.maxConnections = MAX_CONNECTIONS;
    this.#server.on('drop', () =>
      options.log.warn('Refused a connection: there are too many', { max: MAX_CONNECTIONS }),
    );
  }

  /** Rejects where the address is taken. */
  static async listen(options: RpcServerOptions): Promise<RpcServer> {
    const server = new RpcServer(options);
    await server.#listen();
    return server;
  }

  get port(): number {
    const address = this.#server.address();
    return typeof address === 'object' && address !== null ? address.port : 0;
  }

  stats(): RpcServerStats {
    let inFlight = 0;
    let directConnections = 0;
    for (const connection of this.#connections) {
      inFlight += connection.pendingCalls;
      if (connection.isDirect) directConnections += 1;
    }
    return {
      connections: this.#connections.size,
      inFlight,
      ...this.#traffic,
      refusedPeers: this.#refusedPeers,
      directConnections,
      replySlabBytes: this.#pool.usedBytes,
    };
  }

  /** Takes no further call, lets those under way be answered, closes all connections. Clients ask again elsewhere. */
  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    for (const connection of this.#connections) connection.stop();
    await this.#untilIdle();
    for (const connection of this.#connections) connection.finish();
    const timer = this.#options.clock.schedule(GOODBYE_MS, () => {
      for (const connection of this.#connections) connection.destroy();
    });
    await closed;
    timer.cancel();
    this.#poller.close();
  }

  async #listen(): Promise<void> {
    const { host, port } = this.#options;
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen({ host, port, exclusive: true }, () => {
        this.#server.off('error', reject);
        resolve();
      });
    });
    this.#server.on('error', (error) => this.#options.log.error('The NFS listener failed', {}, error));
  }

  async #untilIdle(): Promise<void> {
    const { clock, log } = this.#options;
    const isIdle = (): boolean => [...this.#connections].every((connection) => connection.isIdle);
    if (isIdle()) return;
    await new Promise<void>((resolve) => {
      const timer = clock.schedule(STOP_MS, () => {
        log.warn('Stopped the NFS server with calls under way', { inFlight: this.stats().inFlight });
        for (const connection of this.#connections) if (!connection.isIdle) connection.destroy();
        resolve();
      });
      this.#onProgress = () => {
        if (!isIdle()) return;
        timer.cancel();
        resolve();
      };
    });
    this.#onProgress = null;
  }

  #accept(socket: net.Socket): void {
    const peer = { address: socket.remoteAddress ?? '', port: socket.remotePort ?? 0 };
    const own = { address: socket.localAddress ?? '', port: socket.localPort ?? 0 };
    const connection = new RpcConnection(socket, {
      dispatcher: this.#options.dispatcher,
      pool: this.#pool,
      poller: this.#poller,
      clock: this.#options.clock,
      log: this.#options.log,
      receivesDirectly: this.#options.receivesDirectly ?? true,
      traffic: this.#traffic,
      onProgress: () => this.#onProgress?.(),
      onClose: (closed) => {
        this.#connections.delete(closed);
        this.#onProgress?.();
      },
    });
    this.#connections.add(connection);
    if (this.#options.peers === 'any') {
      connection.admit();
      return;
    }
    checkPeer(peer, own).then(
      (verdict) => {
        if (verdict === 'not the kernel') this.#refusePeer(connection, peer.port);
        else connection.admit();
      },
      (error: unknown) => {
        this.#options.log.error('The peer of a connection could not be told', {}, error);
        this.#refusePeer(connection, peer.port);
      },
    );
  }

  #refusePeer(connection: RpcConnection, port: number): void {
    this.#refusedPeers += 1;
    this.#options.log.warn('Refused a connection that is not of the kernel’s NFS client', { peerPort: port });
    connection.destroy();
  }
}
