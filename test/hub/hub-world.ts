// An embedded Hub and stores opened on it, for the tests of the Hub client. Everything is closed and removed by `close`.

import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { startLocalHub, type LocalHub, type LocalHubOptions } from '../../src/hub-local/local-hub.ts';
import { openHubStore, type HubStoreOptions } from '../../src/hub/hub-store.ts';
import type { ContentRef, RemoteStore, UploadContent, UploadResult } from '../../src/hub/remote-store.ts';
import { parseSource } from '../../src/hub/source.ts';
import type { HubLog } from '../../src/hub/surroundings.ts';
import { Chunker } from '../../src/xet/chunker.ts';
import { chunkHash, fileHash, hashToHex, type ChunkInfo } from '../../src/xet/hash.ts';

export const quietLog: HubLog = { debug: () => undefined, info: () => undefined, warn: () => undefined };

/** Retries at once and gives up soon, so that no test waits. */
export const hastyHttp: NonNullable<HubStoreOptions['http']> = {
  retry: { attempts: 3, firstDelayMs: 1, maxDelayMs: 2, maxAskedDelayMs: 50 },
};

export interface HubWorld {
  readonly hub: LocalHub;
  readonly directory: string;
  /** `state` names the folder of chunk lists, so that two stores can share one or not. */
  open(
    source: string,
    options?: Partial<HubStoreOptions> & { state?: string; revision?: string },
  ): Promise<RemoteStore>;
  close(): Promise<void>;
}

export async function startHubWorld(options: Partial<LocalHubOptions> = {}): Promise<HubWorld> {
  const directory = await mkdtemp(path.join(os.tmpdir(), 'hubdrive-hub-'));
  const problems: unknown[] = [];
  const hub = await startLocalHub({
    dataDir: path.join(directory, 'hub'),
    seed: 'none',
    onError: (error) => problems.push(error),
    ...options,
  });
  const stores = new Set<RemoteStore>();
  let states = 0;
  return {
    hub,
    directory,
    async open(source, { state, revision, ...rest } = {}) {
      states += 1;
      const store = await openHubStore({
        endpoint: hub.endpoint,
        token: () => Promise.resolve(hub.token),
        source: parseSource(source, revision ?? null),
        stateDir: path.join(directory, state ?? `state-${states}`),
        log: quietLog,
        userAgent: 'hubdrive-test',
        codecs: 'inline',
        http: hastyHttp,
        ...rest,
      });
      stores.add(store);
      return store;
    },
    async close() {
      for (const store of stores) await store.close();
      await hub.close();
      await rm(directory, { recursive: true, force: true });
      assert.deepEqual(problems, [], 'the embedded Hub met no internal error');
    },
  };
}

/** Bytes of a new file, as `upload` takes them. */
export function newContent(data: Uint8Array): UploadContent {
  return { ...contentOver(data, null, [[0, data.length]]) };
}

export interface CountedContent extends UploadContent {
  /** Bytes that were asked for. */
  readBytes: number;
}

/** A version of a file made from `base`; `dirty` as [start, end) pairs. */
export function contentOver(
  data: Uint8Array,
  base: ContentRef | null,
  dirty: readonly (readonly [number, number])[],
): CountedContent {
  const content: CountedContent = {
    sizeBytes: data.length,
    base,
    dirty: dirty.map(([start, end]) => ({ start, end })),
    readBytes: 0,
    read(offset, target) {
      assert.ok(offset + target.length <= data.length, 'reads stay within the file');
      content.readBytes += target.length;
      target.set(data.subarray(offset, offset + target.length));
      return Promise.resolve();
    },
  };
  return content;
}

export async function putFile(store: RemoteStore, filePath: string, data: Uint8Array): Promise<UploadResult> {
  const result = await store.upload(newContent(data));
  await addFile(store, filePath, result.content);
  return result;
}

export async function addFile(store: RemoteStore, filePath: string, content: ContentRef): Promise<void> {
  const [done] = await store.commit([{ type: 'add', path: filePath, content, mtimeMs: 1_700_000_000_123 }]);
  assert.equal(done?.error, null);
}

/** Fetches a range; every byte of it must be delivered, and nothing outside the file. */
export async function fetchRange(
  store: RemoteStore,
  content: ContentRef,
  start = 0,
  end = content.sizeBytes,
): Promise<Buffer> {
  const bytes = Buffer.alloc(content.sizeBytes);
  const seen = new Uint8Array(content.sizeBytes);
  await store.fetch(content, start, end, (offset, piece) => {
    assert.ok(offset >= 0 && offset + piece.length <= content.sizeBytes, 'pieces lie within the file');
    bytes.set(piece, offset);
    seen.fill(1, offset, offset + piece.length);
  });
  assert.equal(seen.subarray(start, end).indexOf(0), -1, 'all of the range was delivered');
  return bytes.subarray(start, end);
}

/** The key of a whole upload, computed from the bytes alone. */
export function keyOf(data: Uint8Array): string {
  const chunker = new Chunker();
  const chunks: ChunkInfo[] = [];
  const emit = (chunk: Uint8Array): void => {
    chunks.push({ hash: chunkHash(chunk), sizeBytes: chunk.length });
  };
  chunker.push(data, emit);
  chunker.finish(emit);
  return `xet:${hashToHex(fileHash(chunks))}`;
}

/** Body bytes that went up and down through the CAS since the counters were reset. */
export function casTraffic(hub: LocalHub): { up: number; down: number } {
  let up = 0;
  let down = 0;
  for (const [route, count] of Object.entries(hub.faults.counters())) {
    if (!route.startsWith('cas.')) continue;
    up += count.requestBytes;
    down += count.responseBytes;
  }
  return { up, down };
}
