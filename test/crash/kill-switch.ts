// Names the points of an engine's life at which it can be killed, counts them, and kills this process at the chosen one. The
// steps are those of the disk interface, of the catalogue, of uploads, and of each request to the Hub.

import diagnosticsChannel from 'node:diagnostics_channel';
import type { ClientRequest } from 'node:http';
import type { RemoteStore, UploadContent } from '../../src/hub/remote-store.ts';
import type { OpenCatalogueDatabase } from '../../src/vfs/storage/catalogue-database.ts';
import type { StagingDisk } from '../../src/vfs/storage/staging-disk.ts';
import type { KillPoint } from './engine-protocol.ts';

/** Requests that change the Hub, or that a commit depends on. */
const routes: readonly (readonly [name: string, pattern: RegExp])[] = [
  ['xorb', /^POST .*\/v1\/xorbs\//],
  ['shard', /^POST .*\/v1\/shards$/],
  ['batch', /^POST .*\/batch$/],
  ['stat', /^POST .*\/paths-info$/],
];

export class KillSwitch {
  #armed: { readonly step: string; left: number } | null = null;
  #counts = new Map<string, number>();

  /** No transaction of the catalogue can be committed. */
  isCatalogueFull = false;
  /** Steps so far. */
  total = 0;

  step(name: string): void {
    this.total += 1;
    this.#counts.set(name, (this.#counts.get(name) ?? 0) + 1);
    if (this.#armed?.step !== name) return;
    this.#armed.left -= 1;
    if (this.#armed.left > 0) return;
    process.kill(process.pid, 'SIGKILL');
    // The signal is delivered at the latest at the next system call; nothing of ours may run before.
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 10_000);
  }

  arm(killAt: KillPoint | null): void {
    this.#armed = killAt === null ? null : { step: killAt.step, left: killAt.occurrence };
  }

  survey(): Record<string, number> {
    const counts = Object.fromEntries(this.#counts);
    this.#counts = new Map();
    return counts;
  }

  watchDisk(disk: StagingDisk): StagingDisk {
    return { ...disk, step: (name) => this.step(`disk:${name}`) };
  }

  /** `catalogue:commit` is a transaction that is written but not committed; `catalogue:committed` is one nobody heard of yet. */
  watchDatabase(database: OpenCatalogueDatabase): OpenCatalogueDatabase {
    let depth = 0;
    return {
      handle: database.handle,
      transaction: (work) => {
        depth += 1;
        try {
          const result = database.transaction(() => {
            const value = work();
            if (depth === 1) this.step('catalogue:commit');
            // https://sqlite.org/rescode.html#full
            if (this.isCatalogueFull)
              throw Object.assign(new Error('database or disk is full'), { errcode: 13 });
            return value;
          });
          if (depth === 1) this.step('catalogue:committed');
          return result;
        } finally {
          depth -= 1;
        }
      },
      afterCommit: (callback) => database.afterCommit(callback),
      onRollback: (callback) => database.onRollback(callback),
      sync: async () => {
        this.step('catalogue:sync');
        await database.sync();
        this.step('catalogue:synced');
      },
      close: () => database.close(),
    };
  }

  watchUploads(remote: RemoteStore): RemoteStore {
    return {
      info: remote.info,
      probe: (signal) => remote.probe(signal),
      list: (directory, signal) => remote.list(directory, signal),
      listRecursive: (directory, signal) => remote.listRecursive(directory, signal),
      stat: (paths, signal) => remote.stat(paths, signal),
      fetch: (content, start, end, sink, options) => remote.fetch(content, start, end, sink, options),
      upload: async (content, options) => {
        this.step('upload:started');
        const result = await remote.upload(this.#watchReads(content), options);
        this.step('upload:done');
        return result;
      },
      commit: (operations, signal) => remote.commit(operations, signal),
      changes: (signal) => remote.changes(signal),
      close: () => remote.close(),
    };
  }

  #watchReads(content: UploadContent): UploadContent {
    const { sizeBytes, base, dirty } = content;
    return {
      sizeBytes,
      base,
      dirty,
      read: async (offset, target, signal) => {
        await content.read(offset, target, signal);
        this.step('upload:chunk-read');
      },
    };
  }

  /** `hub:…-asked`: the Hub may not have it yet; `hub:…-answered`: the Hub did it and nobody here heard of it. */
  watchRequests(): void {
    const stepOf = (message: unknown): string | null => {
      const { request } = message as { readonly request: ClientRequest };
      const line = `${request.method} ${request.path.split('?')[0] ?? ''}`;
      return routes.find(([, pattern]) => pattern.test(line))?.[0] ?? null;
    };
    diagnosticsChannel.subscribe('http.client.request.start', (message) => {
      const step = stepOf(message);
      if (step !== null) this.step(`hub:${step}-asked`);
    });
    diagnosticsChannel.subscribe('http.client.response.finish', (message) => {
      const step = stepOf(message);
      if (step !== null) this.step(`hub:${step}-answered`);
    });
  }
}
