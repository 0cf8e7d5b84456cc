// An NFS connection that behaves as a kernel client does: it waits where the server asks it to, and comes back when the server
// does. Used by the clients of the soak run.

import { setTimeout as delay } from 'node:timers/promises';
import { NfsFailure, type Nfs3Client } from '../support/nfs-client.ts';
import type { SoakHost } from './soak-host.ts';

const jukeboxDelayMs = 200;
const reconnectDelayMs = 100;
const patienceMs = 180_000;

/** The connection ended under a call, whose outcome is unknown. */
export class ConnectionLost extends Error {}

export class SoakConnection {
  readonly #host: SoakHost;
  #client: Nfs3Client | null = null;
  calls = 0;
  waits = 0;

  constructor(host: SoakHost) {
    this.#host = host;
  }

  /** Rejects with ConnectionLost, or with what the server answered. */
  async ask<T>(call: (client: Nfs3Client) => Promise<T>): Promise<T> {
    const client = this.#client;
    if (client === null) throw new ConnectionLost('not connected');
    for (const startedAt = performance.now(); ;) {
      this.calls += 1;
      try {
        return await call(client);
      } catch (cause) {
        if (cause instanceof NfsFailure) {
          if (cause.statusName !== 'JUKEBOX' || performance.now() - startedAt > patienceMs) throw cause;
          this.waits += 1;
          await delay(jukeboxDelayMs);
          continue;
        }
        if (!isLoss(cause)) throw cause;
        this.#client = null;
        await client.close();
        throw new ConnectionLost('the connection was lost', { cause });
      }
    }
  }

  /** Tries until the server is there again. */
  async connect(): Promise<void> {
    for (const startedAt = performance.now(); ;) {
      try {
        this.#client = await this.#host.connect();
        return;
      } catch (error) {
        if (performance.now() - startedAt > patienceMs) throw error;
        await delay(reconnectDelayMs);
      }
    }
  }

  async close(): Promise<void> {
    await this.#client?.close();
  }
}

function isLoss(error: unknown): boolean {
  return (
    error instanceof Error &&
    /connection|ECONN|EPIPE/i.test(`${error.message} ${String(Reflect.get(error, 'code'))}`)
  );
}
