// Record marking over TCP (RFC 5531 section 11): bytes come in whatever pieces, whole records go out, in place. Fragments
// are joined by moving the later one down. One slab per connection, small until a record needs more; its size bounds memory.

import { viewOf } from './xdr-cursor.ts';
import { LAST_FRAGMENT, RECORD_MARK_BYTES } from './rpc-message.ts';

/** 1 MiB of WRITE data, the credentials and the arguments around it. Nothing legitimate is longer. */
export const MAX_RECORD_BYTES = 1024 * 1024 + 64 * 1024;
/** Room for one record of the maximum behind the rest of another, so that bytes are rarely moved. */
const FULL_SLAB_BYTES = 2 * MAX_RECORD_BYTES;
const FIRST_SLAB_BYTES = 64 * 1024;

/** The peer does not speak RPC or tries to exhaust us: the only answer is to close. */
export class RecordError extends Error {
  override readonly name = 'RecordError';
}

export class RecordReceiver {
  bytes: Buffer;
  view: DataView;
  /** The record that `next` found: [start, end), valid until `space` is called. */
  start = 0;
  end = 0;
  /** Where the joined payload of the unfinished record starts and ends. */
  #recordStart = 0;
  #recordEnd = 0;
  /** Next byte not looked at, and end of the received bytes. */
  #position = 0;
  #filled = 0;
  #isInRecord = false;

  constructor() {
    this.bytes = Buffer.allocUnsafeSlow(FIRST_SLAB_BYTES);
    this.view = viewOf(this.bytes);
  }

  /**
   * Where the next bytes go; never empty as long as the whole records received before the last call were taken, or one of
   * them. Moves or replaces the slab where the unfinished record asks for it.
   */
  space(): Uint8Array {
    if (this.#filled === this.#position && !this.#isInRecord) this.#position = this.#filled = 0;
    const size = this.bytes.length;
    if (this.#filled === size || this.#position + this.#fragmentBytes() > size) {
      const joined = this.#isInRecord ? this.#recordEnd - this.#recordStart : 0;
      const isTooSmall =
        joined + this.#fragmentBytes() > size || this.#filled - this.#position + joined === size;
      this.#moveTo(isTooSmall ? Buffer.allocUnsafeSlow(FULL_SLAB_BYTES) : this.bytes, joined);
    }
    if (this.#filled === this.bytes.length) throw new RecordError('More bytes than the receive slab holds');
    return this.bytes.subarray(this.#filled);
  }

  /** `count` bytes were put where `space` said. */
  received(count: number): void {
    this.#filled += count;
  }

  /** Nothing was received behind the record that `next` found. */
  get isDrained(): boolean {
    return this.#filled === this.#position;
  }

  /** Finds the next whole record; false when more bytes are needed. */
  next(): boolean {
    for (;;) {
      const at = this.#position;
      if (this.#filled - at < RECORD_MARK_BYTES) return false;
      const mark = this.view.getUint32(at);
      const isLast = mark >= LAST_FRAGMENT;
      const length = isLast ? mark - LAST_FRAGMENT : mark;
      const joined = this.#isInRecord ? this.#recordEnd - this.#recordStart : 0;
      if (joined + length > MAX_RECORD_BYTES) {
        throw new RecordError(
          `A record of ${joined + length} bytes or more is over the maximum of ${MAX_RECORD_BYTES}`,
        );
      }
      if (this.#filled - at - RECORD_MARK_BYTES < length) return false;
      this.#take(at + RECORD_MARK_BYTES, length);
      if (!isLast) continue;
      this.start = this.#recordStart;
      this.end = this.#recordEnd;
      this.#isInRecord = false;
      return true;
    }
  }

  #take(payload: number, length: number): void {
    if (this.#isInRecord) {
      this.bytes.copyWithin(this.#recordEnd, payload, payload + length);
      this.#recordEnd += length;
    } else {
      this.#isInRecord = true;
      this.#recordStart = payload;
      this.#recordEnd = payload + length;
    }
    this.#position = payload + length;
  }

  /** Mark and payload of the fragment under way, as far as its mark is known. */
  #fragmentBytes(): number {
    if (this.#filled - this.#position < RECORD_MARK_BYTES) return RECORD_MARK_BYTES;
    const mark = this.view.getUint32(this.#position);
    const length = mark >= LAST_FRAGMENT ? mark - LAST_FRAGMENT : mark;
    return RECORD_MARK_BYTES + Math.min(length, MAX_RECORD_BYTES);
  }

  /** Puts the joined payload at the start of `slab` and the bytes not looked at right behind it. */
  #moveTo(slab: Buffer, joined: number): void {
    this.bytes.copy(slab, 0, this.#recordStart, this.#recordStart + joined);
    this.bytes.copy(slab, joined, this.#position, this.#filled);
    if (slab !== this.bytes) {
      this.bytes = slab;
      this.view = viewOf(slab);
    }
    this.#recordStart = 0;
    this.#recordEnd = joined;
    this.#filled -= this.#position - joined;
    this.#position = joined;
  }
}
