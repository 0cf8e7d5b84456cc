// One download on a thread of its own: decodes and hashes the chunks of a range as its bytes arrive, and hands them out in batches.
// Used by `download-worker.ts`. What the chunks should be, and where they belong, is known to the engine.

import { XetFormatError } from '../xet/errors.ts';
import { chunkHash, hashSizeBytes } from '../xet/hash.ts';
import { chunkHeaderBytes, decodeBody, readChunkHeader } from '../xet/xorb.ts';
import type { DecodeBlock, DecodeBlocks } from './decode-blocks.ts';
import { blockBytes } from './decode-blocks.ts';
import { isRangeAsked } from './download-messages.ts';
import type { DecodedBatch, DownloadFailure, DownloadOrder } from './download-messages.ts';
import type { RangeReceiver } from './range-connection.ts';

/** A batch costs two threads some 20 µs, so it should carry more than a chunk. */
const batchBytes = 256 * 1024;

export interface DownloadEvents {
  onBatch(batch: DecodedBatch): void;
  /** There is something to hand out: `flush` should be called soon. */
  onPending(): void;
  onReceived(bytes: number): number;
  /** A block is free again. */
  onUnblocked(): void;
  onDone(): void;
  onFailure(failure: DownloadFailure): void;
}

export class RangeDownload implements RangeReceiver {
  readonly #order: DownloadOrder;
  readonly #blocks: DecodeBlocks;
  readonly #events: DownloadEvents;
  readonly #again = (): void => this.#events.onUnblocked();
  #block: DecodeBlock | null = null;
  /** Of the block: decoded from here on, not handed out. */
  #flushed = 0;
  #sizes: number[] = [];
  #hashes: Uint8Array[] = [];
  #receivedBytes = 0;
  #hasFooter = false;

  constructor(order: DownloadOrder, blocks: DecodeBlocks, events: DownloadEvents) {
    this.#order = order;
    this.#blocks = blocks;
    this.#events = events;
  }

  onHead(status: number, headers: Readonly<Record<string, string>>): DownloadFailure | null {
    const { byteStart, byteEnd } = this.#order;
    const isAsked = isRangeAsked(status, headers['content-range'], byteStart, byteEnd);
    if (!isAsked) return { type: 'bad-answer', problem: 'another range than asked for' };
    if (Number(headers['content-length']) === byteEnd - byteStart) return null;
    return { type: 'bad-answer', problem: 'another length than asked for' };
  }

  onReceived(bytes: number): number {
    this.#receivedBytes += bytes;
    return this.#events.onReceived(bytes);
  }

  onBytes(bytes: Uint8Array, isLast: boolean): { used: number; blocked: boolean } {
    let used = 0;
    try {
      while (!this.#hasFooter && bytes.length - used >= chunkHeaderBytes) {
        const header = readChunkHeader(bytes, used);
        if (header === null) {
          this.#hasFooter = true;
          break;
        }
        const end = used + chunkHeaderBytes + header.storedBytes;
        if (end > bytes.length) break;
        const target = this.#room(header.plainBytes);
        if (target === null) return { used, blocked: true };
        decodeBody(header, bytes.subarray(used + chunkHeaderBytes, end), target);
        this.#add(target);
        used = end;
      }
      if (this.#hasFooter) used = bytes.length;
      if (isLast && used < bytes.length) throw new XetFormatError('Xorb: it ends inside a chunk');
    } catch (error) {
      if (!(error instanceof XetFormatError)) throw error;
      this.#events.onFailure({ type: 'corrupt', problem: error.message });
    }
    return { used, blocked: false };
  }

  onEnd(): void {
    this.flush();
    this.#events.onDone();
  }

  onFailure(failure: DownloadFailure): void {
    this.#events.onFailure(failure);
  }

  /** Hands out what is decoded. */
  flush(): void {
    const block = this.#block;
    if (block === null || this.#sizes.length === 0) return;
    const hashes = new Uint8Array(this.#hashes.length * hashSizeBytes);
    this.#hashes.forEach((hash, i) => hashes.set(hash, i * hashSizeBytes));
    block.heldBytes += block.filled - this.#flushed;
    this.#events.onBatch({
      block: block.number,
      at: this.#flushed,
      sizes: Uint32Array.from(this.#sizes),
      hashes,
      receivedBytes: this.#receivedBytes,
    });
    this.#receivedBytes = 0;
    this.#flushed = block.filled;
    this.#sizes = [];
    this.#hashes = [];
  }

  /** Nothing more will be decoded. */
  close(): void {
    this.#blocks.forget(this.#again);
    if (this.#block !== null) this.#blocks.close(this.#block);
    this.#block = null;
  }

  #room(bytes: number): Uint8Array | null {
    let block = this.#block;
    if (block !== null && block.filled + bytes > blockBytes) {
      this.flush();
      this.#blocks.close(block);
      block = null;
      this.#block = null;
    }
    // All of it came back: its beginning is likelier to be in a processor's cache than its end.
    if (block !== null && block.heldBytes === 0 && this.#sizes.length === 0) {
      block.filled = 0;
      this.#flushed = 0;
    }
    if (block === null) {
      block = this.#blocks.take(this.#again);
      if (block === null) return null;
      this.#block = block;
      this.#flushed = 0;
    }
    return block.memory.subarray(block.filled, block.filled + bytes);
  }

  #add(plain: Uint8Array): void {
    const block = this.#block as DecodeBlock;
    this.#hashes.push(chunkHash(plain));
    this.#sizes.push(plain.length);
    block.filled += plain.length;
    if (block.filled - this.#flushed >= batchBytes) this.flush();
    else this.#events.onPending();
  }
}
