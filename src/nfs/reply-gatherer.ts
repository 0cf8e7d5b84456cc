// Gathers the replies of one connection in pooled slabs and writes them out in as few writes as it can. A part of a slab
// may be detached for a read that takes longer; the rest goes on around it. Does not know what the replies say.

import { endRecord } from './rpc-message.ts';
import type { Slab, SlabPool } from './slab-pool.ts';
import { XdrWriter } from './xdr-cursor.ts';

/** Room that `begin` leaves for every reply; longer ones ask with `ensure`. */
export const SMALL_REPLY_BYTES = 2048;
/** Gathered bytes that are not worth keeping back for the end of the receive event. */
const WRITE_OUT_BYTES = 512 * 1024;

const NO_BYTES = Buffer.alloc(0);

/** A range of a slab that is kept for one reply; holds the slab until it is sent. */
export interface Region {
  readonly slab: Slab;
  readonly start: number;
}

/** Writes all `chunks` with as few system calls as possible; `sent` once for each, also after a failure. */
export type WriteChunks = (chunks: readonly Uint8Array[], sent: (index: number) => void) => void;

interface Part {
  readonly slab: Slab;
  readonly start: number;
  readonly end: number;
}

export class ReplyGatherer {
  /** Where replies are written, between `begin` and `end`. */
  readonly out: XdrWriter;
  readonly #pool: SlabPool;
  readonly #write: WriteChunks;
  readonly #onSent: () => void;
  #slab: Slab | null = null;
  #segmentStart = 0;
  #parts: Part[] = [];
  #partsBytes = 0;
  #unsentBytes = 0;

  constructor(pool: SlabPool, write: WriteChunks, onSent: () => void) {
    this.#pool = pool;
    this.#write = write;
    this.#onSent = onSent;
    this.out = new XdrWriter(NO_BYTES, (_writer, neededBytes) => this.#moveReply(neededBytes));
  }

  /** Bytes of finished replies that the socket has not taken yet. */
  get unsentBytes(): number {
    return this.#unsentBytes;
  }

  /** Bytes of finished replies that the next `flush` hands to the socket. */
  get gatheredBytes(): number {
    return this.#partsBytes + this.out.position - this.#segmentStart;
  }

  /** Starts a reply with room for `bytes`; returns where it starts. */
  begin(bytes: number): number {
    if (this.out.position + bytes > this.out.bytes.length) this.#switchSlab(bytes);
    this.out.origin = this.out.position;
    return this.out.origin;
  }

  /** The reply begun last is complete. */
  end(): void {
    endRecord(this.out, this.out.origin);
  }

  /** Takes back the reply begun last. */
  abandon(): void {
    this.out.position = this.out.origin;
  }

  /** Bytes of the reply that was ended last, with its record mark. Borrowed until the next call. */
  lastReply(): Uint8Array {
    return this.out.bytes.subarray(this.out.origin, this.out.position);
  }

  /** Takes the `bytes` of the reply begun last out of the gathering. */
  detach(bytes: number): Region {
    const slab = this.#slab;
    if (slab === null) throw new Error('No reply has been begun');
    const start = this.out.origin;
    slab.retain();
    this.out.position = start;
    this.#closeSegment();
    this.out.position = start + bytes;
    this.#segmentStart = this.out.position;
    return { slab, start };
  }

  /** A detached reply ends at `end`, its record mark written. Sent by the next `flush`. */
  sendRegion(region: Region, end: number): void {
    this.#addPart({ slab: region.slab, start: region.start, end });
  }

  /** Hands everything finished to the socket. Not to be called between `begin` and `end`. */
  flush(): void {
    this.#closeSegment();
    const slab = this.#slab;
    // A slab that a slow read holds anyway is filled further, so that such reads share slabs.
    if (slab !== null && !(slab.users > this.#partsOf(slab) + 1 && this.#roomLeft() >= SMALL_REPLY_BYTES)) {
      this.#dropSlab();
    }
    this.#writeOut();
  }

  /** Forgets what is gathered. The connection is gone. */
  discard(): void {
    if (this.#slab !== null) this.#dropSlab();
    for (const part of this.#parts) part.slab.release();
    this.#unsentBytes -= this.#partsBytes;
    this.#parts = [];
    this.#partsBytes = 0;
  }

  #roomLeft(): number {
    return this.out.bytes.length - this.out.position;
  }

  #partsOf(slab: Slab): number {
    let count = 0;
    for (const part of this.#parts) if (part.slab === slab) count += 1;
    return count;
  }

  #dropSlab(): void {
    this.#slab?.release();
    this.#slab = null;
    this.out.bytes = NO_BYTES;
    this.out.position = 0;
    this.#segmentStart = 0;
  }

  #switchSlab(bytes: number): void {
    this.#closeSegment();
    this.#dropSlab();
    if (this.#partsBytes >= WRITE_OUT_BYTES) this.#writeOut();
    const slab = this.#pool.take(bytes);
    this.#slab = slab;
    this.out.bytes = slab.bytes;
    this.out.view = slab.view;
  }

  /** `out.ensure` found no room: the reply under way moves to a slab that has it. */
  #moveReply(neededBytes: number): void {
    const written = this.lastReply();
    const old = this.#slab;
    old?.retain();
    this.out.position = this.out.origin;
    this.#switchSlab(written.length + neededBytes);
    this.out.bytes.set(written);
    this.out.position = written.length;
    this.out.origin = 0;
    old?.release();
  }

  #closeSegment(): void {
    const slab = this.#slab;
    if (slab === null || this.out.position === this.#segmentStart) return;
    slab.retain();
    this.#addPart({ slab, start: this.#segmentStart, end: this.out.position });
    this.#segmentStart = this.out.position;
  }

  #addPart(part: Part): void {
    this.#parts.push(part);
    this.#partsBytes += part.end - part.start;
    this.#unsentBytes += part.end - part.start;
  }

  #writeOut(): void {
    const parts = this.#parts;
    if (parts.length === 0) return;
    this.#parts = [];
    this.#partsBytes = 0;
    const chunks = parts.map((part) => part.slab.bytes.subarray(part.start, part.end));
    this.#write(chunks, (index) => {
      const part = parts[index];
      if (part === undefined) return;
      this.#unsentBytes -= part.end - part.start;
      part.slab.release();
      this.#onSent();
    });
  }
}
