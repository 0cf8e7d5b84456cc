// One download on a thread of its own: decodes and hashes the chunks of a range as its bytes arrive, and hands them out in batches.
// Used by `download-worker.ts`. What the chunks should be, and where they belong, is known to the engine.

import { XetFormatError } from '../xet/errors.ts';
import { chunkHash, hashSizeBytes } from '../xet/hash.ts';
import { chunkHeaderBytes, decodeBody, readChunkHeader } from '../xet/xorb.ts';
import { batchBytes } from './decode-blocks.ts';
import type { DecodeBlocks } from './decode-blocks.ts';
import { isRangeAsked } from './download-messages.ts';
import type { DecodedBatch, DownloadFailure, DownloadOrder } from './download-messages.ts';
import type { RangeReceiver } from './range-connection.ts';

export interface DownloadEvents {
  onBatch(batch: DecodedBatch): void;
  /** There is something to hand out: `flush` should be called soon. */
  onPending(): void;
  onReceived(bytes: number): number;
  isLimitAsBefore(): boolean;
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
  #block: Uint8Array<ArrayBuffer> | null = null;
  #filled = 0;
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

  isLimitAsBefore(): boolean {
    return this.#events.isLimitAsBefore();
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
    this.#events.onBatch({
      block: block.buffer,
      sizes: Uint32Array.from(this.#sizes),
      hashes,
      receivedBytes: this.#receivedBytes,
    });
    this.#block = null;
    this.#filled = 0;
    this.#receivedBytes = 0;
    this.#sizes = [];
    this.#hashes = [];
  }

  /** Nothing more will be decoded. */
  close(): void {
    this.#blocks.forget(this.#again);
    if (this.#block !== null) this.#blocks.give(this.#block.buffer);
    this.#block = null;
  }

  #room(bytes: number): Uint8Array | null {
    this.#block ??= this.#blocks.take(this.#again);
    return this.#block?.subarray(this.#filled, this.#filled + bytes) ?? null;
  }

  #add(plain: Uint8Array): void {
    this.#hashes.push(chunkHash(plain));
    this.#sizes.push(plain.length);
    this.#filled += plain.length;
    if (this.#filled >= batchBytes) this.flush();
    else this.#events.onPending();
  }
}
