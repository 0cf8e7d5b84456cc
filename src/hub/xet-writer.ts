// Uploads one version of a file: unchanged chunks are taken over from the base's chunk list without being read, the rest is
// chunked, deduplicated, packed into xorbs and sent, and a shard makes it a file. The file hash is that of a whole
// upload. Nothing is visible on the Hub before the commit, so a failed upload is simply repeated.

import { hashFromHex, hashToHex } from '../xet/hash.ts';
import { chunkMaxBytes } from '../xet/chunker.ts';
import { writeShard, type ShardXorb } from '../xet/shard.ts';
import type { CasClient } from './cas-client.ts';
import type { CodecPool } from './codec-pool.ts';
import type { ConnectionBudget } from './connection-budget.ts';
import { Deduplicator } from './dedup.ts';
import { makeShardFile } from './file-segments.ts';
import { abortedError } from './hub-errors.ts';
import type { KnownChunks } from './known-chunks.ts';
import { Manifest, type PlacedChunk } from './manifest.ts';
import { RegionChunker, type FileChunk } from './region-chunker.ts';
import {
  HubError,
  emptyXetKey,
  type ByteRange,
  type UploadContent,
  type UploadProgress,
  type UploadResult,
} from './remote-store.ts';
import { XorbUploads } from './xorb-uploads.ts';

export interface XetWriterParts {
  readonly cas: CasClient;
  readonly known: KnownChunks;
  /** Xorbs of all uploads that are on the wire at once. */
  readonly budget: ConnectionBudget;
  readonly codecs: CodecPool;
}

export interface XetUploadOptions {
  readonly signal: AbortSignal;
  readonly onProgress?: ((progress: UploadProgress) => void) | undefined;
}

/** Xorbs that are at the CAS but in no shard yet; their description goes with the next shard that uses them. */
const maxUnregistered = 256;

export class XetWriter {
  readonly #parts: XetWriterParts;
  readonly #unregistered = new Map<string, ShardXorb>();

  constructor(parts: XetWriterParts) {
    this.#parts = parts;
  }

  /** Rejects with `HubError`, or with what `content.read` rejects with. */
  async upload(content: UploadContent, options: XetUploadOptions): Promise<UploadResult> {
    if (content.sizeBytes === 0) {
      return {
        content: { key: emptyXetKey, sizeBytes: 0, path: content.base?.path ?? '' },
        sentBytes: 0,
        savedBytes: 0,
        downloadedBytes: 0,
      };
    }
    const first = new UploadAttempt(this.#parts, this.#unregistered, content, options, true);
    try {
      return await first.run();
    } catch (error) {
      if (!first.wasRefusedForReuse(error)) throw error;
      this.#parts.known.forgetAll();
      this.#unregistered.clear();
      const second = new UploadAttempt(this.#parts, this.#unregistered, content, options, false);
      const result = await second.run();
      return { ...result, sentBytes: result.sentBytes + first.sentBytes };
    }
  }
}

class UploadAttempt {
  readonly #parts: XetWriterParts;
  readonly #unregistered: Map<string, ShardXorb>;
  readonly #content: UploadContent;
  readonly #options: XetUploadOptions;
  /** Whether chunks that the CAS is believed to have may be left out. */
  readonly #reuse: boolean;
  readonly #uploads: XorbUploads;
  readonly #chunks: FileChunk[] = [];
  #savedBytes = 0;
  #doneBytes = 0;
  #shardBytes = 0;
  #refused = false;

  constructor(
    parts: XetWriterParts,
    unregistered: Map<string, ShardXorb>,
    content: UploadContent,
    options: XetUploadOptions,
    reuse: boolean,
  ) {
    this.#parts = parts;
    this.#unregistered = unregistered;
    this.#content = content;
    this.#options = options;
    this.#reuse = reuse;
    this.#uploads = new XorbUploads(parts.cas, parts.budget, options.signal, (xorb, plainBytes) => {
      this.#noteXorb(xorb);
      this.#progress(plainBytes);
    });
  }

  get sentBytes(): number {
    return this.#uploads.sentBytes + this.#shardBytes;
  }

  /** The CAS refused the shard, and it named chunks that were not sent by this attempt. */
  wasRefusedForReuse(error: unknown): boolean {
    return this.#refused && this.#savedBytes > 0 && error instanceof HubError && error.code === 'invalid';
  }

  async run(): Promise<UploadResult> {
    const { signal } = this.#options;
    if (signal.aborted) throw abortedError('The upload', signal.reason);
    try {
      await this.#assemble();
      await this.#uploads.finish();
    } catch (error) {
      await this.#uploads.settle();
      if (signal.aborted && !(error instanceof HubError)) throw abortedError('The upload', error);
      throw error;
    }
    const placed = this.#chunks.map(toPlaced);
    const sizeBytes = placed.reduce((sum, chunk) => sum + chunk.sizeBytes, 0);
    if (sizeBytes !== this.#content.sizeBytes) {
      throw new HubError(
        'invalid',
        `The upload has ${sizeBytes} bytes instead of ${this.#content.sizeBytes}`,
        {
          retryable: true,
        },
      );
    }
    const hash = await this.#register(placed);
    await this.#parts.known.keep(hash, Manifest.of(placed));
    return {
      content: { key: `xet:${hashToHex(hash)}`, sizeBytes, path: this.#content.base?.path ?? '' },
      sentBytes: this.sentBytes,
      savedBytes: this.#savedBytes,
      downloadedBytes: 0,
    };
  }

  async #assemble(): Promise<void> {
    const content = this.#content;
    const base = this.#reuse ? this.#baseManifest() : null;
    const regions = new RegionChunker({
      content,
      dedup: new Deduplicator(
        this.#parts.known,
        this.#parts.cas,
        this.#options.signal,
        content.sizeBytes,
        this.#reuse,
      ),
      uploads: this.#uploads,
      signal: this.#options.signal,
      onSaved: (bytes) => this.#noteSaved(bytes),
    });
    const isChanged = base === null ? (): boolean => true : changedTest(content);
    let at = 0;
    while (at < content.sizeBytes) {
      if (base !== null) at = this.#takeOver(base, at);
      if (at >= content.sizeBytes) return;
      const codec = this.#parts.codecs.open();
      try {
        at = await regions.run(codec, at, this.#chunks, isChanged, (boundary) => {
          return base !== null && keptUntil(base, content, boundary) > boundary;
        });
      } finally {
        codec.close();
      }
    }
  }

  #baseManifest(): Manifest | null {
    const { base, dirty } = this.#content;
    if (base === null || !base.key.startsWith('xet:') || base.key === emptyXetKey) return null;
    const covered = dirty.reduce((sum, range) => sum + range.end - range.start, 0);
    if (covered >= this.#content.sizeBytes) return null;
    const manifest = this.#parts.known.manifest(hashFromHex(base.key.slice('xet:'.length)));
    return manifest !== null && manifest.sizeBytes === base.sizeBytes ? manifest : null;
  }

  /** Appends the base's chunks from `at` that stay as they are; returns where they end. */
  #takeOver(base: Manifest, at: number): number {
    const end = keptUntil(base, this.#content, at);
    if (end === at) return at;
    for (let i = base.chunkStartingAt(at); base.offsetAt(i) < end; i += 1) {
      const { hash, sizeBytes, xorb, index } = base.chunkAt(i);
      this.#chunks.push({ hash, sizeBytes, place: { xorb: { hash: xorb }, index } });
    }
    this.#noteSaved(end - at);
    return end;
  }

  async #register(placed: readonly PlacedChunk[]): Promise<Uint8Array> {
    const file = makeShardFile(placed);
    const used = new Set(file.segments.map((segment) => hashToHex(segment.xorbHash)));
    const xorbs = [...used].flatMap((hex) => this.#unregistered.get(hex) ?? []);
    const shard = writeShard({ files: [file], xorbs });
    try {
      await this.#parts.cas.uploadShard(shard, this.#options.signal);
    } catch (error) {
      this.#refused = true;
      throw error;
    }
    this.#shardBytes = shard.length;
    for (const xorb of xorbs) this.#unregistered.delete(hashToHex(xorb.hash));
    return file.hash;
  }

  /** From here on a repeated upload leaves this xorb's chunks out. */
  #noteXorb(xorb: ShardXorb): void {
    this.#unregistered.set(hashToHex(xorb.hash), xorb);
    const oldest = this.#unregistered.keys().next();
    if (this.#unregistered.size > maxUnregistered && oldest.done !== true)
      this.#unregistered.delete(oldest.value);
    xorb.chunks.forEach((chunk, index) => {
      this.#parts.known.learn({ hash: chunk.hash, sizeBytes: chunk.sizeBytes, xorb: xorb.hash, index });
    });
  }

  #noteSaved(bytes: number): void {
    this.#savedBytes += bytes;
    this.#progress(bytes);
  }

  #progress(bytes: number): void {
    this.#doneBytes += bytes;
    this.#options.onProgress?.({ doneBytes: this.#doneBytes, totalBytes: this.#content.sizeBytes });
  }
}

function toPlaced(chunk: FileChunk): PlacedChunk {
  const xorb = chunk.place.xorb?.hash;
  if (xorb === null || xorb === undefined) throw new Error('A chunk of an upload is in no xorb');
  return { hash: chunk.hash, sizeBytes: chunk.sizeBytes, xorb, index: chunk.place.index };
}

function changedTest(content: UploadContent): (offset: number) => boolean {
  return (offset) => (nextChange(content.dirty, offset)?.start ?? Infinity) <= offset;
}

/** The first range that ends after `offset`. Random writes may leave very many, so it is searched by halves. */
function nextChange(dirty: readonly ByteRange[], offset: number): ByteRange | undefined {
  let low = 0;
  let high = dirty.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((dirty[middle] as ByteRange).end <= offset) low = middle + 1;
    else high = middle;
  }
  return dirty[low];
}

/**
 * How far from `at` the base's chunks are chunks of the new file too; `at` itself where none is. A cut depends on the bytes of
 * its chunk only, so a chunk before the next changed byte stays. The base's last chunk was ended by the file, not by a cut,
 * and stays only if the new file ends there as well.
 */
function keptUntil(base: Manifest, content: UploadContent, at: number): number {
  let i = base.chunkStartingAt(at);
  if (i === -1) return at;
  const limit = Math.min(nextChange(content.dirty, at)?.start ?? Infinity, content.sizeBytes);
  if (limit <= at) return at;
  // All chunks that end at or before the limit.
  const end = base.findChunk(limit);
  if (end < i) return at;
  i = Math.min(end, base.count);
  const last = base.count - 1;
  const cutByEnd = i === base.count && base.sizeBytes !== content.sizeBytes && !isFullChunk(base, last);
  return base.offsetAt(cutByEnd ? Math.max(last, base.chunkStartingAt(at)) : i);
}

function isFullChunk(base: Manifest, i: number): boolean {
  return base.offsetAt(i + 1) - base.offsetAt(i) === chunkMaxBytes;
}
