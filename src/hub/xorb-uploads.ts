// Packs new chunks into xorbs and sends each one while the next is filled. Chunks are encoded straight into the xorb's buffer.
// Places of chunks are known by hash only once their xorb is sealed, so they are handed out as references. Used by the
// writer, one per upload.

import { chunkMaxBytes, chunkMinBytes } from '../xet/chunker.ts';
import { xorbHash, type ChunkInfo } from '../xet/hash.ts';
import type { ShardXorb } from '../xet/shard.ts';
import { chunkHeaderBytes, xorbMaxChunks } from '../xet/xorb.ts';
import type { CasClient } from './cas-client.ts';
import type { EncodedRun } from './codec-stream.ts';
import type { ConnectionBudget } from './connection-budget.ts';
import { HubError } from './remote-store.ts';
import { largestBufferBytes, type SharedBuffer, type UploadBuffers } from './upload-buffers.ts';

/** `hash` is set when the xorb is sealed. */
export interface XorbReference {
  hash: Uint8Array | null;
}

export interface XorbPlace {
  readonly xorb: XorbReference;
  readonly index: number;
}

/** What is encoded at once: chunks that are to lie in one xorb. */
export interface ChunkRun {
  /** Plain bytes and hash of each. */
  readonly chunks: readonly ChunkInfo[];
  /** Encodes them into `target` from `at`, where there is room for all of them uncompressed. */
  readonly encode: (target: SharedBuffer, at: number) => Promise<EncodedRun>;
}

/**
 * A xorb's buffer, a quarter of the 64 MiB that the CAS takes: a xorb under way is held in memory, and sending begins sooner.
 * Reads do not suffer: the server gives one range per xorb.
 */
const xorbBufferBytes = largestBufferBytes;

export interface XorbUploadParts {
  readonly cas: CasClient;
  readonly budget: ConnectionBudget;
  readonly buffers: UploadBuffers<SharedBuffer>;
  readonly signal: AbortSignal;
  /** Bytes that will be encoded, more or less. */
  readonly expectedBytes: number;
  readonly onUploaded: (xorb: ShardXorb, plainBytes: number) => void;
}

/** Room for `plainBytes` in chunks of the least size, and for what an edit chunks anew beside its changes. */
function bufferBytesFor(plainBytes: number): number {
  const headers = Math.ceil(plainBytes / chunkMinBytes) * chunkHeaderBytes;
  return Math.min(xorbBufferBytes, plainBytes + headers + 4 * chunkMaxBytes);
}

export class XorbUploads {
  readonly #parts: XorbUploadParts;
  #reference: XorbReference = { hash: null };
  #buffer: SharedBuffer | null = null;
  #usedBytes = 0;
  #chunks: ChunkInfo[] = [];
  readonly #sending = new Set<Promise<void>>();
  #failure: { readonly error: unknown } | null = null;
  sentBytes = 0;

  constructor(parts: XorbUploadParts) {
    this.#parts = parts;
  }

  /** Adds a run of at most a few MiB. Waits while too many xorbs are under way. Calls must not overlap. */
  async add(run: ChunkRun): Promise<XorbPlace[]> {
    const { chunks } = run;
    const worstBytes = chunks.reduce((sum, chunk) => sum + chunkHeaderBytes + chunk.sizeBytes, 0);
    const isFull =
      this.#buffer !== null &&
      (this.#buffer.length - this.#usedBytes < worstBytes ||
        this.#chunks.length + chunks.length > xorbMaxChunks);
    if (isFull) await this.#seal();
    const size = Math.max(worstBytes, bufferBytesFor(this.#parts.expectedBytes));
    this.#buffer ??= this.#parts.buffers.take(size);
    const { lengths } = await run.encode(this.#buffer, this.#usedBytes);
    const first = this.#chunks.length;
    for (const length of lengths) this.#usedBytes += length;
    this.#chunks.push(...chunks);
    return chunks.map((_, i) => ({ xorb: this.#reference, index: first + i }));
  }

  /** Sends what is left; all xorbs are at the CAS when it resolves. */
  async finish(): Promise<void> {
    if (this.#chunks.length > 0) await this.#seal();
    await Promise.all(this.#sending);
    this.#throwFailure();
  }

  /** Waits for what is under way, whatever becomes of it. */
  async settle(): Promise<void> {
    await Promise.allSettled(this.#sending);
  }

  async #seal(): Promise<void> {
    const { cas, budget, buffers, signal, onUploaded } = this.#parts;
    const buffer = this.#buffer;
    if (buffer === null) return;
    const bytes = buffer.subarray(0, this.#usedBytes);
    const { xorb, plainBytes } = describeXorb(this.#chunks, bytes.length);
    this.#reference.hash = xorb.hash;
    this.#reference = { hash: null };
    this.#buffer = null;
    this.#usedBytes = 0;
    this.#chunks = [];
    let started: () => void = () => undefined;
    const place = new Promise<void>((resolve) => (started = resolve));
    const sending = budget
      .run('foreground', signal, async () => {
        started();
        await cas.uploadXorb(xorb.hash, [bytes], signal);
        // After a failure a dying connection may still refer to it.
        buffers.give(buffer);
        this.sentBytes += bytes.length;
        onUploaded(xorb, plainBytes);
      })
      .catch((error: unknown) => {
        this.#failure ??= { error };
      })
      .finally(() => {
        started();
        this.#sending.delete(sending);
      });
    this.#sending.add(sending);
    // Filling goes on only when this xorb has its place on the wire: that bounds what is held.
    await place;
    this.#throwFailure();
  }

  #throwFailure(): void {
    if (this.#failure === null) return;
    if (this.#failure.error instanceof HubError) throw this.#failure.error;
    throw new Error('Uploading a xorb failed', { cause: this.#failure.error });
  }
}

function describeXorb(
  chunks: readonly ChunkInfo[],
  storedBytes: number,
): { readonly xorb: ShardXorb; readonly plainBytes: number } {
  let plainBytes = 0;
  const placed = chunks.map(({ hash, sizeBytes }) => {
    const offsetBytes = plainBytes;
    plainBytes += sizeBytes;
    return { hash, offsetBytes, sizeBytes };
  });
  const xorb = { hash: xorbHash(chunks), unpackedBytes: plainBytes, storedBytes, chunks: placed };
  return { xorb, plainBytes };
}
