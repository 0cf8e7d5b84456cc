// What is known of chunks: in memory those met lately (read, written, or told by the CAS), on disk those of kept chunk lists.
// Also gathers the chunks of files as they are read, until a whole file has been seen and its hash can be checked. Used by
// reader and writer.

import { setImmediate as nextTurn } from 'node:timers/promises';
import { equalHashes, fileHash, fileHashInTurns, hashToHex } from '../xet/hash.ts';
import type { Shard } from '../xet/shard.ts';
import { Manifest, type PlacedChunk } from './manifest.ts';
import type { ManifestStore } from './manifest-store.ts';
import { RecentChunks } from './recent-chunks.ts';
import { HubError } from './remote-store.ts';

/** 34 MB at most, enough for 12 GiB of files. */
const maxRecentChunks = 200_000;
/** A hash of more, 64 MiB of file, is computed in turns; until then it is checked before the last byte is handed out. */
const maxChunksAtOnce = 1024;
/** Chunks of files not yet read to the end; 16 GiB worth. */
const maxObservedChunks = 262_144;

/**
 * A file was received with other bytes than its hash says, some of them perhaps in earlier reads. Which chunk is wrong is not
 * known, so fetching the last one again would prove nothing: this is no `HubError` that a request is repeated for.
 */
export class WrongFileError extends Error {
  override readonly name = 'WrongFileError';

  constructor(fileHash: string) {
    super(`File ${fileHash.slice(0, 12)} was received with other bytes than its hash says`);
  }
}

interface Observation {
  readonly byOffset: Map<number, PlacedChunk>;
  bytes: number;
}

/** More would keep the serving thread from everybody else. */
const chunksLearntPerTurn = 512;

export class KnownChunks {
  readonly #store: ManifestStore;
  readonly #recent = new RecentChunks(maxRecentChunks);
  readonly #observed = new Map<string, Observation>();
  /** Files whose hash is being computed. */
  readonly #concluding = new Map<string, Promise<void>>();
  #observedChunks = 0;

  constructor(store: ManifestStore) {
    this.#store = store;
  }

  manifest(hash: Uint8Array): Manifest | null {
    return this.#store.get(hash);
  }

  find(hash: Uint8Array): PlacedChunk | null {
    return this.#recent.find(hash) ?? this.#store.findChunk(hash);
  }

  learn(chunk: PlacedChunk): void {
    this.#recent.learn(chunk);
  }

  /** Takes the chunks that a deduplication answer with plain hashes describes. */
  learnPlain(shard: Shard): void {
    for (const xorb of shard.xorbs) {
      xorb.chunks.forEach((chunk, index) => {
        this.learn({ hash: chunk.hash, sizeBytes: chunk.sizeBytes, xorb: xorb.hash, index });
      });
    }
  }

  /** The chunk list of a file that was made here and registered. */
  async keep(hash: Uint8Array, manifest: Manifest): Promise<void> {
    for (let i = 0; i < manifest.count; i += 1) {
      if (i > 0 && i % chunksLearntPerTurn === 0) await nextTurn();
      this.learn(manifest.chunkAt(i));
    }
    await this.#store.put(hash, manifest);
  }

  /** A kept list that does not make its file is dropped; returns whether it did not. */
  dropIfWrong(hash: Uint8Array, manifest: Manifest): boolean {
    if (equalHashes(manifest.fileHash(), hash)) return false;
    this.#store.forget(hash);
    return true;
  }

  /** The CAS refused chunks that it was believed to have. */
  forgetAll(): void {
    this.#recent.clear();
    this.#store.forgetAll();
  }

  /** A checker for one download of `hash`, whose size is `sizeBytes`. */
  verifier(hash: Uint8Array, sizeBytes: number): ChunkVerifier {
    return new ChunkVerifier(this, hash, sizeBytes, this.#store.get(hash));
  }

  /**
   * Notes a chunk of a file without a kept list. Once all have been seen the file's hash is checked and the list kept.
   * Throws `WrongFileError` if the hash is another; of a large file `concluded` tells.
   */
  observe(hash: Uint8Array, sizeBytes: number, offset: number, chunk: PlacedChunk): void {
    const key = hashToHex(hash);
    const observation = this.#observed.get(key) ?? { byOffset: new Map<number, PlacedChunk>(), bytes: 0 };
    this.#observed.set(key, observation);
    if (observation.byOffset.has(offset)) return;
    observation.byOffset.set(offset, copyOf(chunk));
    observation.bytes += chunk.sizeBytes;
    this.#observedChunks += 1;
    this.learn(chunk);
    if (observation.bytes >= sizeBytes) this.#conclude(key, hash, sizeBytes, observation);
    else if (this.#observedChunks > maxObservedChunks) this.#forgetOldest();
  }

  /** Resolves when the file's hash is checked, if all of its chunks have been seen. Rejects with `WrongFileError`. */
  async concluded(hash: Uint8Array): Promise<void> {
    await this.#concluding.get(hashToHex(hash));
  }

  #conclude(key: string, hash: Uint8Array, sizeBytes: number, observation: Observation): void {
    this.#drop(key);
    const list = inOrder(observation);
    if (list === null) return;
    if (observation.bytes !== sizeBytes) throw new WrongFileError(key);
    if (list.length <= maxChunksAtOnce) {
      this.#judge(key, hash, fileHash(list), list);
      return;
    }
    const concluding = fileHashInTurns(list)
      .then((found) => this.#judge(key, hash, found, list))
      .finally(() => this.#concluding.delete(key));
    // Those who wait for it hear of it.
    concluding.catch(() => undefined);
    this.#concluding.set(key, concluding);
  }

  #judge(key: string, hash: Uint8Array, found: Uint8Array, list: readonly PlacedChunk[]): void {
    if (!equalHashes(found, hash)) throw new WrongFileError(key);
    void this.#store.put(hash, Manifest.of(list));
  }

  #forgetOldest(): void {
    const oldest = this.#observed.keys().next();
    if (oldest.done !== true) this.#drop(oldest.value);
  }

  #drop(key: string): void {
    const observation = this.#observed.get(key);
    if (observation === undefined) return;
    this.#observed.delete(key);
    this.#observedChunks -= observation.byOffset.size;
  }
}

/** Checks the chunks of one download against the kept list, or collects them for one. */
export class ChunkVerifier {
  readonly #known: KnownChunks;
  readonly #hash: Uint8Array;
  readonly #sizeBytes: number;
  #manifest: Manifest | null;

  constructor(known: KnownChunks, hash: Uint8Array, sizeBytes: number, manifest: Manifest | null) {
    this.#known = known;
    this.#hash = hash;
    this.#sizeBytes = sizeBytes;
    this.#manifest = manifest;
  }

  /** To be awaited when all chunks of the download are in: rejects like `check`. */
  async finish(): Promise<void> {
    await this.#known.concluded(this.#hash);
  }

  /** Takes note of a chunk that came as chunk `index` of `xorb` and stands at `offset` of the file. Throws where it is another than it must be. */
  check(offset: number, hash: Uint8Array, sizeBytes: number, xorb: Uint8Array, index: number): void {
    if (this.#manifest === null) {
      this.#known.observe(this.#hash, this.#sizeBytes, offset, { hash, sizeBytes, xorb, index });
      return;
    }
    const position = this.#manifest.chunkStartingAt(offset);
    if (position !== -1 && equalHashes(this.#manifest.hashAt(position), hash)) return;
    if (this.#known.dropIfWrong(this.#hash, this.#manifest)) {
      this.#manifest = null;
      return;
    }
    const name = hashToHex(this.#hash).slice(0, 12);
    throw new HubError('corrupt', `A chunk of file ${name} has another hash than it must`, {
      retryable: true,
    });
  }
}

/** The chunks one after the other; null where they leave gaps or overlap. */
function inOrder({ byOffset }: Observation): readonly PlacedChunk[] | null {
  const list: PlacedChunk[] = [];
  let at = 0;
  for (const offset of Float64Array.from(byOffset.keys()).sort()) {
    const chunk = byOffset.get(offset);
    if (offset !== at || chunk === undefined) return null;
    list.push(chunk);
    at += chunk.sizeBytes;
  }
  return list;
}

/** The hashes that come may be parts of whole downloads, which would stay in memory with them. */
function copyOf({ hash, sizeBytes, xorb, index }: PlacedChunk): PlacedChunk {
  const hashes = new Uint8Array(hash.length + xorb.length);
  hashes.set(hash);
  hashes.set(xorb, hash.length);
  return { hash: hashes.subarray(0, hash.length), sizeBytes, xorb: hashes.subarray(hash.length), index };
}
