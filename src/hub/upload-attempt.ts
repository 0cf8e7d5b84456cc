// One attempt to bring a version of a file to the CAS: takes over what stays of the base, chunks and sends the rest, and
// registers the result. `xet-writer.ts` decides what base there is and what follows a refusal.

import { fileHashInTurns, hashToHex } from '../xet/hash.ts';
import { writeShard, type ShardXorb } from '../xet/shard.ts';
import { pieceStartingAt, type BaseLayout } from './base-layout.ts';
import type { BaseTerms } from './base-terms.ts';
import type { CasClient } from './cas-client.ts';
import type { CodecPool } from './codec-pool.ts';
import type { ConnectionBudget } from './connection-budget.ts';
import { Deduplicator } from './dedup.ts';
import { makeSegments, placedChunk, type FilePiece, type SegmentedFile } from './file-pieces.ts';
import { abortedError } from './hub-errors.ts';
import type { KnownChunks } from './known-chunks.ts';
import type { PlacedChunk } from './manifest.ts';
import { RegionChunker } from './region-chunker.ts';
import { HubError, type ByteRange, type UploadContent, type UploadProgress } from './remote-store.ts';
import { XorbUploads } from './xorb-uploads.ts';

export interface XetWriterParts {
  readonly cas: CasClient;
  readonly known: KnownChunks;
  /** Xorbs of all uploads that are on the wire at once. */
  readonly budget: ConnectionBudget;
  readonly codecs: CodecPool;
  /** Xorbs that are at the CAS but in no shard yet; their description goes with the next shard that uses them. */
  readonly unregistered: Map<string, ShardXorb>;
}

export interface XetUploadOptions {
  readonly signal: AbortSignal;
  readonly onProgress?: ((progress: UploadProgress) => void) | undefined;
}

export interface Assembled {
  readonly pieces: readonly FilePiece[];
  /** Ranges of the new file that were chunked anew, in order. Outside them the base's pieces stand at their old offsets. */
  readonly rechunked: readonly ByteRange[];
}

const maxUnregistered = 256;

export class UploadAttempt {
  readonly #parts: XetWriterParts;
  readonly #content: UploadContent;
  readonly #options: XetUploadOptions;
  /** Whether chunks that the CAS is believed to have may be left out. */
  readonly #reuse: boolean;
  readonly #baseTerms: BaseTerms | null;
  readonly #uploads: XorbUploads;
  readonly #pieces: FilePiece[] = [];
  readonly #rechunked: ByteRange[] = [];
  #doneBytes = 0;
  #shardBytes = 0;
  #refused = false;
  savedBytes = 0;

  /** `baseTerms`: where else unknown chunks may be found. */
  constructor(
    parts: XetWriterParts,
    content: UploadContent,
    options: XetUploadOptions,
    reuse: boolean,
    baseTerms: BaseTerms | null = null,
  ) {
    this.#parts = parts;
    this.#content = content;
    this.#options = options;
    this.#reuse = reuse;
    this.#baseTerms = baseTerms;
    this.#uploads = new XorbUploads({
      cas: parts.cas,
      budget: parts.budget,
      buffers: parts.codecs.targets,
      signal: options.signal,
      expectedBytes: changedBytes(content),
      onUploaded: (xorb, plainBytes) => {
        this.#noteXorb(xorb);
        this.#progress(plainBytes);
      },
    });
  }

  /** Bytes of xorbs and shards that went over the wire so far. */
  get sentBytes(): number {
    return this.#uploads.sentBytes + this.#shardBytes;
  }

  /** The CAS refused the shard, and it named chunks that were not sent by this attempt. */
  wasRefusedForReuse(error: unknown): boolean {
    return this.#refused && this.savedBytes > 0 && error instanceof HubError && error.code === 'invalid';
  }

  /** All chunks are at the CAS when it resolves. Call once. */
  async assemble(base: BaseLayout | null): Promise<Assembled> {
    const { signal } = this.#options;
    if (signal.aborted) throw abortedError('The upload', signal.reason);
    try {
      await this.#fill(base);
      await this.#uploads.finish();
    } catch (error) {
      await this.#uploads.settle();
      if (signal.aborted && !(error instanceof HubError)) throw abortedError('The upload', error);
      throw error;
    }
    const sizeBytes = this.#pieces.reduce((sum, piece) => sum + piece.sizeBytes, 0);
    if (sizeBytes !== this.#content.sizeBytes) {
      throw new HubError(
        'invalid',
        `The upload has ${sizeBytes} bytes instead of ${this.#content.sizeBytes}`,
        {
          retryable: true,
        },
      );
    }
    return { pieces: this.#pieces, rechunked: this.#rechunked };
  }

  /** Makes the assembled chunks a file of the CAS; returns its hash and its chunks. */
  async registerChunks(
    pieces: readonly FilePiece[],
  ): Promise<{ hash: Uint8Array; chunks: readonly PlacedChunk[] }> {
    const chunks = pieces.map((piece) => {
      if (piece.type === 'term') throw new Error('A term has no known chunks');
      return placedChunk(piece);
    });
    const hash = await fileHashInTurns(chunks);
    const segmented = await makeSegments(pieces, () => {
      throw new Error('A term has no known chunks');
    });
    await this.register(hash, segmented);
    return { hash, chunks };
  }

  async register(hash: Uint8Array, { segments, verification }: SegmentedFile): Promise<void> {
    const { unregistered, cas } = this.#parts;
    const used = new Set(segments.map((segment) => hashToHex(segment.xorbHash)));
    const xorbs = [...used].flatMap((hex) => unregistered.get(hex) ?? []);
    const shard = writeShard({ files: [{ hash, segments, verification, sha256: null }], xorbs });
    try {
      await cas.uploadShard(shard, this.#options.signal);
    } catch (error) {
      this.#refused = true;
      throw error;
    }
    this.#shardBytes += shard.length;
    for (const xorb of xorbs) unregistered.delete(hashToHex(xorb.hash));
  }

  async #fill(base: BaseLayout | null): Promise<void> {
    const content = this.#content;
    const { known, cas, codecs } = this.#parts;
    const { signal } = this.#options;
    const regions = new RegionChunker({
      content,
      dedup: new Deduplicator(known, cas, signal, content.sizeBytes, this.#reuse, this.#baseTerms),
      uploads: this.#uploads,
      blocks: codecs.blocks,
      signal,
      onSaved: (bytes) => this.#noteSaved(bytes),
    });
    const isChanged = base === null ? (): boolean => true : changedTest(content);
    const fits = (boundary: number): boolean =>
      base !== null && keptUntil(base, content, boundary) > boundary;
    const expectedBytes = base === null ? content.sizeBytes : changedBytes(content);
    cas.expectUpload(expectedBytes);
    let at = 0;
    while (at < content.sizeBytes) {
      if (base !== null) at = this.#takeOver(base, at);
      if (at >= content.sizeBytes) return;
      const codec = codecs.open(expectedBytes);
      try {
        const end = await regions.run(codec, at, this.#pieces, isChanged, fits);
        this.#rechunked.push({ start: at, end });
        at = end;
      } finally {
        codec.close();
      }
    }
  }

  /** Appends the base's pieces from `at` that stay as they are; returns where they end. */
  #takeOver(base: BaseLayout, at: number): number {
    const end = keptUntil(base, this.#content, at);
    if (end === at) return at;
    for (let i = base.findPiece(at); i < base.count && base.offsetAt(i) < end; i += 1)
      this.#pieces.push(base.pieceAt(i));
    this.#noteSaved(end - at);
    return end;
  }

  /** From here on a repeated upload leaves this xorb's chunks out. */
  #noteXorb(xorb: ShardXorb): void {
    const { unregistered, known } = this.#parts;
    unregistered.set(hashToHex(xorb.hash), xorb);
    const oldest = unregistered.keys().next();
    if (unregistered.size > maxUnregistered && oldest.done !== true) unregistered.delete(oldest.value);
    xorb.chunks.forEach((chunk, index) => {
      known.learn({ hash: chunk.hash, sizeBytes: chunk.sizeBytes, xorb: xorb.hash, index });
    });
  }

  #noteSaved(bytes: number): void {
    this.savedBytes += bytes;
    this.#progress(bytes);
  }

  #progress(bytes: number): void {
    this.#doneBytes += bytes;
    this.#options.onProgress?.({ doneBytes: this.#doneBytes, totalBytes: this.#content.sizeBytes });
  }
}

/** Of a file without a base these are all. */
function changedBytes(content: UploadContent): number {
  if (content.base === null) return content.sizeBytes;
  return content.dirty.reduce((sum, range) => sum + range.end - range.start, 0);
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
 * How far from `at` the base's pieces are those of the new file too; `at` itself where none is. A cut depends on the bytes of
 * its chunk only, so a chunk before the next changed byte stays. The base's last chunk was ended by the file, not by a cut,
 * and stays only if the new file ends there as well.
 */
function keptUntil(base: BaseLayout, content: UploadContent, at: number): number {
  const first = pieceStartingAt(base, at);
  if (first === -1) return at;
  const limit = Math.min(nextChange(content.dirty, at)?.start ?? Infinity, content.sizeBytes);
  if (limit <= at) return at;
  // Everything before this piece ends at or before the limit.
  const end = base.findPiece(limit);
  const cutByEnd =
    end === base.count && base.sizeBytes !== content.sizeBytes && !base.endsAtCut(base.count - 1);
  return base.offsetAt(cutByEnd ? base.count - 1 : end);
}
