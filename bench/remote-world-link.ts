// A link between clients and the Hub, in a process of its own: a TCP proxy that adds latency and holds all connections of a direction
// together to a rate, as one access line does. Loss and slow start are not modelled.

import { createServer, connect, type Socket } from 'node:net';

export interface LinkShape {
  /** 0: as fast as the machine; a round trip takes twice this. */
  readonly oneWayMs: number;
  /** Of each direction; 0: no limit. */
  readonly bytesPerSecond: number;
}

export interface LinkUse {
  readonly port: number;
  readonly connections: number;
  readonly upBytes: number;
  readonly downBytes: number;
  /** Processor time of the link's process so far. */
  readonly processorMs: number;
}

interface Parcel {
  readonly dueMs: number;
  readonly to: Socket;
  /** Null: the end of the stream. */
  readonly bytes: Buffer | null;
  readonly from: Socket;
}

/** Bytes that wait for the line, in time of the line: what a router's queue holds. Senders pause above it. */
const longestQueueMs = 25;
/** A receiver that does not take its bytes pauses its sender. */
const mostUnreadBytes = 4 * 1024 * 1024;

/** One direction: bytes leave one after the other at the rate and arrive `oneWayMs` later. */
class Lane {
  readonly #shape: LinkShape;
  #parcels: Parcel[] = [];
  #head = 0;
  #freeAtMs = 0;
  #timer: NodeJS.Timeout | null = null;
  /** Senders, with their receivers. */
  readonly #paused = new Map<Socket, Socket>();
  bytes = 0;

  constructor(shape: LinkShape) {
    this.#shape = shape;
  }

  send(from: Socket, to: Socket, bytes: Buffer | null): void {
    const nowMs = performance.now();
    const { bytesPerSecond, oneWayMs } = this.#shape;
    const size = bytes?.length ?? 0;
    this.bytes += size;
    const startMs = Math.max(nowMs, this.#freeAtMs);
    this.#freeAtMs = bytesPerSecond === 0 ? startMs : startMs + (size / bytesPerSecond) * 1000;
    this.#parcels.push({ dueMs: this.#freeAtMs + oneWayMs, to, bytes, from });
    if (this.#freeAtMs - nowMs > longestQueueMs || to.writableLength > mostUnreadBytes) {
      from.pause();
      this.#paused.set(from, to);
    }
    if (this.#timer === null) this.#schedule(nowMs);
  }

  #schedule(nowMs: number): void {
    const head = this.#parcels[this.#head];
    this.#timer = null;
    if (head === undefined && this.#paused.size === 0) return;
    const delayMs = head === undefined ? 1 : Math.max(0, head.dueMs - nowMs);
    this.#timer = setTimeout(() => this.#deliver(), delayMs);
  }

  #deliver(): void {
    // A timer may fire a little early; half a millisecond is within what a link varies.
    const nowMs = performance.now();
    for (;;) {
      const parcel = this.#parcels[this.#head];
      if (parcel === undefined || parcel.dueMs > nowMs + 0.5) break;
      this.#head += 1;
      if (parcel.bytes === null) parcel.to.end();
      else if (!parcel.to.destroyed) parcel.to.write(parcel.bytes);
    }
    if (this.#head > 4096 || this.#head === this.#parcels.length) {
      this.#parcels = this.#parcels.slice(this.#head);
      this.#head = 0;
    }
    if (this.#freeAtMs - nowMs < longestQueueMs / 2) {
      for (const [from, to] of this.#paused) {
        if (to.writableLength > mostUnreadBytes && !to.destroyed) continue;
        this.#paused.delete(from);
        from.resume();
      }
    }
    this.#schedule(performance.now());
  }
}

let use: (() => LinkUse) | null = null;

/** Listens on a port of its own and passes every connection on to `targetPort`. */
export async function openLink(options: LinkShape & { readonly targetPort: number }): Promise<LinkUse> {
  const up = new Lane(options);
  const down = new Lane(options);
  let connections = 0;
  const server = createServer({ noDelay: true, allowHalfOpen: true }, (client) => {
    connections += 1;
    const hub = connect({ port: options.targetPort, host: '127.0.0.1', noDelay: true, allowHalfOpen: true });
    const cut = (): void => {
      client.destroy();
      hub.destroy();
    };
    for (const socket of [client, hub]) socket.on('error', cut);
    client.on('close', cut);
    hub.on('data', (bytes: Buffer) => down.send(hub, client, bytes));
    hub.on('end', () => down.send(hub, client, null));
    const listen = (): void => {
      client.on('data', (bytes: Buffer) => up.send(client, hub, bytes));
      client.on('end', () => up.send(client, hub, null));
    };
    // The proxy accepts at once; a client across the link would have waited a round trip to be connected.
    if (options.oneWayMs === 0) listen();
    else setTimeout(listen, 2 * options.oneWayMs);
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', resolve);
  });
  const address = server.address();
  const port = address !== null && typeof address === 'object' ? address.port : 0;
  use = () => {
    const { user, system } = process.cpuUsage();
    return {
      port,
      connections,
      upBytes: up.bytes,
      downBytes: down.bytes,
      processorMs: (user + system) / 1000,
    };
  };
  return use();
}

export function linkUse(): LinkUse {
  if (use === null) throw new Error('This process runs no link');
  return use();
}
