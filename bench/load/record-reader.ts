// Takes replies out of the bytes of one connection, in place: a whole reply where it is to be looked at, otherwise its head, the rest
// being dropped as it comes. Joins the fragments of a record.

const lastFragment = 0x8000_0000;
const markBytes = 4;

export interface ReplyTaker {
  /** How much of each reply is looked at; what is behind may be dropped. Infinity: all. */
  readonly wantedBytes: number;
  /**
   * The reply lies in `from` from its xid at `start` to `end`, which may be before its end; it is `replyBytes` long in all.
   * Borrowed until this returns.
   */
  reply(from: RecordReader, start: number, end: number, replyBytes: number): void;
}

export class RecordReader {
  readonly bytes: Buffer;
  readonly view: DataView;
  #filled = 0;
  /** Bytes of a fragment that are dropped as they come. */
  #skipBytes = 0;
  /** Joined fragments of a record that is not complete. */
  #joinedBytes = 0;
  #isInRecord = false;

  /** The slab must hold the longest reply that is taken as a whole. */
  constructor(slabBytes: number) {
    this.bytes = Buffer.alloc(slabBytes);
    this.view = new DataView(this.bytes.buffer, this.bytes.byteOffset, slabBytes);
  }

  /** Everything that was announced has come. */
  get isIdle(): boolean {
    return this.#filled === 0 && this.#skipBytes === 0;
  }

  /** Where the next bytes go. `maximum`: of the slab, counted from its start. */
  space(maximum: number = this.bytes.length): Uint8Array {
    return this.bytes.subarray(this.#filled, Math.max(maximum, this.#filled + 1));
  }

  received(count: number, taker: ReplyTaker): void {
    const end = this.#filled + count;
    let at = this.#joinedBytes;
    for (;;) {
      const skipped = Math.min(this.#skipBytes, end - at);
      at += skipped;
      this.#skipBytes -= skipped;
      if (end - at < markBytes) break;
      const mark = this.view.getUint32(at);
      const isLast = mark >= lastFragment;
      const length = isLast ? mark - lastFragment : mark;
      const wanted = Math.min(length, this.#isInRecord || !isLast ? length : taker.wantedBytes);
      if (end - at - markBytes < wanted) break;
      const start = at + markBytes;
      if (isLast && !this.#isInRecord) {
        taker.reply(this, start, Math.min(start + length, end), length);
        at = Math.min(start + length, end);
        this.#skipBytes = start + length - at;
      } else {
        this.bytes.copyWithin(this.#joinedBytes, start, start + length);
        this.#joinedBytes += length;
        this.#isInRecord = !isLast;
        if (isLast) {
          taker.reply(this, 0, this.#joinedBytes, this.#joinedBytes);
          this.#joinedBytes = 0;
        }
        at = start + length;
      }
    }
    // What is not complete goes to the front, behind what was joined.
    this.bytes.copyWithin(this.#joinedBytes, at, end);
    this.#filled = this.#joinedBytes + end - at;
    if (this.#filled === this.bytes.length) throw new Error('a reply is longer than the receive slab');
  }
}
