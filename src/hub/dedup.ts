// Finds chunks that need not be sent: among those known here, and by asking the CAS for the first chunk of a file and for
// some of the chunks that its index can know. One per upload.

import { hashToHex, hmacHash, isDedupEligible } from '../xet/hash.ts';
import type { BaseTerms } from './base-terms.ts';
import type { CasClient } from './cas-client.ts';
import type { KnownChunks } from './known-chunks.ts';
import type { PlacedChunk } from './manifest.ts';

/** xet-core asks about every 4 MB at most. */
const queryEveryBytes = 4 * 1024 * 1024;
/** A smaller file is sent faster than it is asked for. */
const minQueriedFileBytes = 256 * 1024;
/** Answers with keyed hashes are searched one after the other, so few are kept. */
const maxKeyedShards = 8;

interface KeyedShard {
  readonly key: Uint8Array;
  readonly byKeyedHash: ReadonlyMap<string, Omit<PlacedChunk, 'hash'>>;
}

export class Deduplicator {
  readonly #known: KnownChunks;
  readonly #cas: CasClient;
  readonly #signal: AbortSignal;
  readonly #enabled: boolean;
  readonly #asksServer: boolean;
  readonly #base: BaseTerms | null;
  readonly #keyed: KeyedShard[] = [];
  readonly #queries = new Set<Promise<void>>();
  #sinceQueryBytes = 0;
  #first = true;

  constructor(
    known: KnownChunks,
    cas: CasClient,
    signal: AbortSignal,
    fileSizeBytes: number,
    enabled: boolean,
    base: BaseTerms | null,
  ) {
    this.#known = known;
    this.#cas = cas;
    this.#signal = signal;
    this.#enabled = enabled;
    this.#base = enabled ? base : null;
    this.#asksServer = enabled && fileSizeBytes >= minQueriedFileBytes;
  }

  /** Call once for each chunk, in order; it stands at `offset` of the file. */
  async find(hash: Uint8Array, sizeBytes: number, offset: number): Promise<PlacedChunk | null> {
    const found = await this.#find(hash, sizeBytes);
    if (this.#base === null) return found;
    if (found === null) for (const chunk of await this.#base.chunksAt(offset)) this.#known.learn(chunk);
    const known = found ?? this.#checked(this.#local(hash), sizeBytes);
    if (known !== null) this.#base.noteKnown(hash, offset);
    return known;
  }

  async #find(hash: Uint8Array, sizeBytes: number): Promise<PlacedChunk | null> {
    if (!this.#enabled) return null;
    const known = this.#local(hash);
    if (known !== null || !this.#asksServer) return this.#checked(known, sizeBytes);
    const first = this.#first;
    this.#first = false;
    this.#sinceQueryBytes += sizeBytes;
    if (first) {
      await this.#query(hash);
      return this.#checked(this.#local(hash), sizeBytes);
    }
    if (isDedupEligible(hash) && this.#sinceQueryBytes >= queryEveryBytes) {
      this.#sinceQueryBytes = 0;
      const query = this.#query(hash).catch(() => {
        // Only an abort gets here, and the upload ends of it by itself.
      });
      this.#queries.add(query);
      void query.finally(() => this.#queries.delete(query));
    }
    return null;
  }

  #checked(chunk: PlacedChunk | null, sizeBytes: number): PlacedChunk | null {
    return chunk !== null && chunk.sizeBytes === sizeBytes ? chunk : null;
  }

  #local(hash: Uint8Array): PlacedChunk | null {
    const known = this.#known.find(hash);
    if (known !== null) return known;
    for (const shard of this.#keyed) {
      const place = shard.byKeyedHash.get(hashToHex(hmacHash(hash, shard.key)));
      if (place !== undefined) return { ...place, hash };
    }
    return null;
  }

  async #query(hash: Uint8Array): Promise<void> {
    const shard = await this.#cas.queryChunk(hash, this.#signal);
    if (shard === null) return;
    const key = shard.footer?.hmacKey;
    if (key === undefined || key.every((byte) => byte === 0)) {
      this.#known.learnPlain(shard);
      return;
    }
    const byKeyedHash = new Map<string, Omit<PlacedChunk, 'hash'>>();
    for (const xorb of shard.xorbs) {
      xorb.chunks.forEach((chunk, index) => {
        byKeyedHash.set(hashToHex(chunk.hash), { sizeBytes: chunk.sizeBytes, xorb: xorb.hash, index });
      });
    }
    this.#keyed.push({ key, byKeyedHash });
    if (this.#keyed.length > maxKeyedShards) this.#keyed.shift();
  }
}
