// Cuts a region of a file that is being uploaded into chunks, decides which of them must be sent, and hands those to the
// xorbs. Reading, codecs and sending overlap. Ends at the end of the file, or where the caller's old chunks fit again. Used by
// `xet-writer.ts`.

import { hashSizeBytes } from '../xet/hash.ts';
import type { UploadCodec } from './codec-pool.ts';
import type { ChunkedBlock, EncodedRun } from './codec-stream.ts';
import type { Deduplicator } from './dedup.ts';
import type { ChunkPiece, ChunkPlace, FilePiece } from './file-pieces.ts';
import type { UploadContent } from './remote-store.ts';
import { makeShared, type Block, type SharedBuffer, type UploadBuffers } from './upload-buffers.ts';
import type { XorbUploads } from './xorb-uploads.ts';

const blockBytes = 1024 * 1024;
/** Outside the changed bytes each block is judged before the next is read, so blocks are small there. */
const resyncBlockBytes = 128 * 1024;
/** Blocks between reader and xorbs. */
const maxBlocksUnderWay = 3;
const nothing = makeShared(0);
/** Equal chunks are recognised over some 6 GiB of one upload. */
const maxOwnChunks = 100_000;

export interface RegionContext {
  readonly content: UploadContent;
  readonly dedup: Deduplicator;
  readonly uploads: XorbUploads;
  readonly blocks: UploadBuffers<Block>;
  readonly signal: AbortSignal;
  /** Bytes of a chunk that need not be sent. */
  readonly onSaved: (bytes: number) => void;
}

export class RegionChunker {
  readonly #context: RegionContext;
  readonly #own = new Map<string, ChunkPlace>();

  constructor(context: RegionContext) {
    this.#context = context;
  }

  /**
   * Appends the chunks from `start` (a chunk boundary of the new file) to `list`. Stops at the first boundary that `fits`
   * accepts, else at the end of the file; returns where. `isChanged` tells whether the byte at an offset may differ from the base.
   */
  async run(
    codec: UploadCodec,
    start: number,
    list: FilePiece[],
    isChanged: (offset: number) => boolean,
    fits: (boundary: number) => boolean,
  ): Promise<number> {
    const { content, signal, blocks } = this.#context;
    const state = { at: start, stoppedAt: null as number | null, failed: false };
    let readAt = start;
    let tail: Promise<void> = Promise.resolve();
    const underWay: Promise<void>[] = [];
    try {
      while (readAt < content.sizeBytes && state.stoppedAt === null && !state.failed) {
        const changed = isChanged(readAt);
        const length = Math.min(changed ? blockBytes : resyncBlockBytes, content.sizeBytes - readAt);
        const block = blocks.take(blockBytes).subarray(0, length);
        await content.read(readAt, block, signal);
        signal.throwIfAborted();
        readAt += length;
        const pushed = codec.push(block, readAt === content.sizeBytes);
        const before = tail;
        tail = before.then(async () => this.#take(codec, await pushed, list, state, fits));
        // The loop awaits it; this keeps an early failure from counting as unhandled.
        tail.catch(() => (state.failed = true));
        pushed.catch(() => (state.failed = true));
        underWay.push(tail);
        if (!changed) await tail;
        if (underWay.length >= maxBlocksUnderWay) await underWay.shift();
      }
    } finally {
      await tail.catch(() => (state.failed = true));
    }
    await tail;
    return state.stoppedAt ?? state.at;
  }

  async #take(
    codec: UploadCodec,
    block: ChunkedBlock,
    list: FilePiece[],
    state: { at: number; stoppedAt: number | null },
    fits: (boundary: number) => boolean,
  ): Promise<void> {
    const wanted = new Uint8Array(block.sizes.length);
    const toSend: ChunkPiece[] = [];
    for (let i = 0; i < block.sizes.length && state.stoppedAt === null; i += 1) {
      const hash = block.hashes.slice(i * hashSizeBytes, (i + 1) * hashSizeBytes);
      const sizeBytes = block.sizes[i] as number;
      const known = await this.#findPlace(hash, sizeBytes, state.at);
      const chunk: ChunkPiece = { type: 'chunk', hash, sizeBytes, place: known ?? { xorb: null, index: 0 } };
      list.push(chunk);
      if (known === null) {
        wanted[i] = 1;
        toSend.push(chunk);
        this.#rememberOwn(chunk);
      } else {
        this.#context.onSaved(sizeBytes);
      }
      state.at += sizeBytes;
      if (fits(state.at)) state.stoppedAt = state.at;
    }
    const { blocks, uploads } = this.#context;
    const encode = async (target: SharedBuffer, at: number): Promise<EncodedRun> => {
      const run = await codec.encode(wanted, target, at);
      for (const block of run.blocks) blocks.give(block);
      return run;
    };
    if (toSend.length === 0) {
      await encode(nothing, 0);
      return;
    }
    const places = await uploads.add({ chunks: toSend, encode });
    toSend.forEach((chunk, i) => Object.assign(chunk.place, places[i]));
  }

  async #findPlace(hash: Uint8Array, sizeBytes: number, offset: number): Promise<ChunkPlace | null> {
    const own = this.#own.get(keyOf(hash));
    if (own !== undefined) return own;
    const known = await this.#context.dedup.find(hash, sizeBytes, offset);
    return known === null ? null : { xorb: { hash: known.xorb }, index: known.index };
  }

  #rememberOwn(chunk: ChunkPiece): void {
    this.#own.set(keyOf(chunk.hash), chunk.place);
    if (this.#own.size <= maxOwnChunks) return;
    const oldest = this.#own.keys().next();
    if (oldest.done !== true) this.#own.delete(oldest.value);
  }
}

function keyOf(hash: Uint8Array): string {
  return Buffer.from(hash.buffer, hash.byteOffset, hash.byteLength).toString('latin1');
}
