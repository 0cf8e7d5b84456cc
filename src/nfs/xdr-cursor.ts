// Cursors over XDR bytes (RFC 4506): big endian, everything a multiple of four. The receive and reply slabs are wrapped
// once and the cursors move inside them, so that a call costs no Buffer. They know no message, only the basic types.

const TWO_32 = 0x1_0000_0000;

/** What the peer sent is not XDR of the expected shape. The answer is GARBAGE_ARGS or a closed connection. */
export class XdrError extends Error {
  override readonly name = 'XdrError';
}

/** Bytes an item of `length` takes on the wire with its padding (RFC 4506 section 3). */
export function paddedLength(length: number): number {
  // Not `(length + 3) & ~3`, which wraps for lengths from 2^31.
  return length + (-length & 3);
}

export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** Reads inside [position, end) of one buffer. Every length is checked before it is used. */
export class XdrReader {
  bytes: Buffer;
  view: DataView;
  position: number;
  end: number;

  constructor(bytes: Buffer, start = 0, end: number = bytes.length) {
    this.bytes = bytes;
    this.view = viewOf(bytes);
    this.position = start;
    this.end = end;
  }

  /** `view` must cover exactly `bytes`. */
  reset(bytes: Buffer, view: DataView, start: number, end: number): void {
    this.bytes = bytes;
    this.view = view;
    this.position = start;
    this.end = end;
  }

  uint32(): number {
    const at = this.position;
    if (at + 4 > this.end) throw new XdrError('Truncated: four more bytes expected');
    this.position = at + 4;
    return this.view.getUint32(at);
  }

  /** Exact up to 2^53-1; larger values come as the nearest larger-than-safe number, for the caller to refuse. */
  uint64(): number {
    const at = this.position;
    if (at + 8 > this.end) throw new XdrError('Truncated: eight more bytes expected');
    this.position = at + 8;
    return this.view.getUint32(at) * TWO_32 + this.view.getUint32(at + 4);
  }

  bool(): boolean {
    const value = this.uint32();
    if (value > 1) throw new XdrError(`A boolean is 0 or 1, not ${value}`);
    return value === 1;
  }

  /** Passes over `length` bytes and their padding; returns where they start. */
  skip(length: number): number {
    const at = this.position;
    const next = at + paddedLength(length);
    if (next > this.end) throw new XdrError(`Truncated: ${length} more bytes expected`);
    this.position = next;
    return at;
  }

  /** The length word of variable-length data, at most `maximum`. */
  length(maximum: number): number {
    const length = this.uint32();
    if (length > maximum) throw new XdrError(`Length ${length} is over the maximum of ${maximum}`);
    return length;
  }

  /** Borrowed from the buffer: copy what outlives the call. */
  opaqueFixed(length: number): Uint8Array {
    const at = this.skip(length);
    return this.bytes.subarray(at, at + length);
  }

  /** Borrowed from the buffer: copy what outlives the call. */
  opaque(maximum: number): Uint8Array {
    return this.opaqueFixed(this.length(maximum));
  }

  /** The record must have been used up exactly. */
  finish(): void {
    if (this.position !== this.end) throw new XdrError(`${this.end - this.position} bytes too many`);
  }
}

/** Called when a writer lacks room: must replace `bytes` and `view` (moving what is needed) or throw. */
export type GrowWriter = (writer: XdrWriter, neededBytes: number) => void;

/** Writes forward from `position`. Single words are bounded by the view (RangeError); `ensure` before long items. */
export class XdrWriter {
  bytes: Buffer;
  view: DataView;
  position: number;
  /** Where the message under way begins; whoever replaces `bytes` moves it too. */
  origin = 0;
  readonly #grow: GrowWriter | null;

  constructor(bytes: Buffer, grow: GrowWriter | null = null) {
    this.bytes = bytes;
    this.view = viewOf(bytes);
    this.position = 0;
    this.#grow = grow;
  }

  ensure(bytes: number): void {
    if (this.position + bytes <= this.bytes.length) return;
    if (this.#grow === null) throw new XdrError(`No room for ${bytes} bytes`);
    this.#grow(this, bytes);
  }

  uint32(value: number): void {
    this.view.setUint32(this.position, value);
    this.position += 4;
  }

  /** `value` is an integer, 0…2^53-1. */
  uint64(value: number): void {
    const at = this.position;
    this.view.setUint32(at, Math.floor(value / TWO_32));
    this.view.setUint32(at + 4, value >>> 0);
    this.position = at + 8;
  }

  bool(value: boolean): void {
    this.view.setUint32(this.position, value ? 1 : 0);
    this.position += 4;
  }

  opaqueFixed(data: Uint8Array): void {
    this.ensure(paddedLength(data.length));
    this.bytes.set(data, this.position);
    this.pad(data.length);
  }

  opaque(data: Uint8Array): void {
    this.ensure(4 + paddedLength(data.length));
    this.uint32(data.length);
    this.bytes.set(data, this.position);
    this.pad(data.length);
  }

  /** UTF-8 with its length. */
  string(text: string): void {
    // A UTF-16 unit takes at most three bytes of UTF-8.
    this.ensure(4 + paddedLength(text.length * 3));
    const start = this.position + 4;
    const { bytes } = this;
    let length = text.length;
    for (let index = 0; index < length; index += 1) {
      const unit = text.charCodeAt(index);
      if (unit >= 0x80) {
        length = bytes.write(text, start, 'utf8');
        break;
      }
      bytes[start + index] = unit;
    }
    this.view.setUint32(this.position, length);
    this.position = start;
    this.pad(length);
  }

  /** Moves over `length` bytes that are already in place and zeroes their padding. */
  pad(length: number): void {
    const end = this.position + length;
    const padded = this.position + paddedLength(length);
    for (let at = end; at < padded; at += 1) this.bytes[at] = 0;
    this.position = padded;
  }
}
