// A set of byte positions kept as sorted, disjoint, non-touching half-open ranges. Used for what a cache file holds, what
// a staged file changed, and what still has to be synced. Flat typed arrays with binary search: 16 bytes a range, no
// objects on the read path; an insertion in the middle moves the tail (40 µs at 100,000 ranges).

import type { ByteRange } from '../../hub/remote-store.ts';

const initialCapacity = 4;

export class ExtentMap {
  #starts = new Float64Array(initialCapacity);
  #ends = new Float64Array(initialCapacity);
  #count = 0;
  #totalBytes = 0;

  static of(...ranges: readonly ByteRange[]): ExtentMap {
    const map = new ExtentMap();
    for (const { start, end } of ranges) map.add(start, end);
    return map;
  }

  get count(): number {
    return this.#count;
  }

  get totalBytes(): number {
    return this.#totalBytes;
  }

  /** End of the last range, 0 when empty. */
  get end(): number {
    return this.#count === 0 ? 0 : this.#endAt(this.#count - 1);
  }

  startOf(index: number): number {
    return this.#startAt(index);
  }

  endOf(index: number): number {
    return this.#endAt(index);
  }

  /** Index of the first range that ends after `position`; `count` when there is none. */
  indexAfter(position: number): number {
    let low = 0;
    let high = this.#count;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#endAt(middle) > position) high = middle;
      else low = middle + 1;
    }
    return low;
  }

  /** Whether every byte of [start, end) is in the set. An empty range always is. */
  covers(start: number, end: number): boolean {
    if (end <= start) return true;
    const index = this.indexAfter(start);
    return index < this.#count && this.#startAt(index) <= start && this.#endAt(index) >= end;
  }

  bytesWithin(start: number, end: number): number {
    return this.within(start, end).reduce((sum, range) => sum + range.end - range.start, 0);
  }

  overlaps(start: number, end: number): boolean {
    if (end <= start) return false;
    const index = this.indexAfter(start);
    return index < this.#count && this.#startAt(index) < end;
  }

  add(start: number, end: number): void {
    if (end <= start) return;
    const count = this.#count;
    // The first range that touches or lies after [start, end): ranges that end exactly at `start` are merged too.
    const first = this.indexAfter(start - 1);
    if (first === count || this.#startAt(first) > end) {
      this.#makeRoom(first);
      this.#starts[first] = start;
      this.#ends[first] = end;
      this.#totalBytes += end - start;
      return;
    }
    if (this.#startAt(first) <= start && this.#endAt(first) >= end) return;
    let last = first;
    let removedBytes = this.#endAt(first) - this.#startAt(first);
    while (last + 1 < count && this.#startAt(last + 1) <= end) {
      last += 1;
      removedBytes += this.#endAt(last) - this.#startAt(last);
    }
    const mergedStart = Math.min(start, this.#startAt(first));
    const mergedEnd = Math.max(end, this.#endAt(last));
    this.#starts[first] = mergedStart;
    this.#ends[first] = mergedEnd;
    this.#closeGap(first + 1, last + 1);
    this.#totalBytes += mergedEnd - mergedStart - removedBytes;
  }

  remove(start: number, end: number): void {
    if (end <= start) return;
    let index = this.indexAfter(start);
    if (index === this.#count || this.#startAt(index) >= end) return;
    const firstStart = this.#startAt(index);
    const firstEnd = this.#endAt(index);
    if (firstStart < start && firstEnd > end) {
      this.#makeRoom(index + 1);
      this.#starts[index + 1] = end;
      this.#ends[index + 1] = firstEnd;
      this.#ends[index] = start;
      this.#totalBytes -= end - start;
      return;
    }
    if (firstStart < start) {
      this.#ends[index] = start;
      this.#totalBytes -= firstEnd - start;
      index += 1;
    }
    let stop = index;
    while (stop < this.#count && this.#endAt(stop) <= end) {
      this.#totalBytes -= this.#endAt(stop) - this.#startAt(stop);
      stop += 1;
    }
    if (stop < this.#count && this.#startAt(stop) < end) {
      this.#totalBytes -= end - this.#startAt(stop);
      this.#starts[stop] = end;
    }
    this.#closeGap(index, stop);
  }

  /** Forgets everything at and after `sizeBytes`. */
  truncate(sizeBytes: number): void {
    this.remove(sizeBytes, Number.MAX_SAFE_INTEGER);
  }

  clear(): void {
    this.#count = 0;
    this.#totalBytes = 0;
  }

  addAll(other: ExtentMap): void {
    for (let index = 0; index < other.#count; index++) this.add(other.#startAt(index), other.#endAt(index));
  }

  /** What both have. */
  intersect(other: ExtentMap): ExtentMap {
    const map = new ExtentMap();
    for (let index = 0; index < this.#count; index++) {
      for (const { start, end } of other.within(this.#startAt(index), this.#endAt(index)))
        map.add(start, end);
    }
    return map;
  }

  copy(): ExtentMap {
    const map = new ExtentMap();
    map.#starts = this.#starts.slice(0, Math.max(this.#count, initialCapacity));
    map.#ends = this.#ends.slice(0, Math.max(this.#count, initialCapacity));
    map.#count = this.#count;
    map.#totalBytes = this.#totalBytes;
    return map;
  }

  ranges(): ByteRange[] {
    return this.within(0, Number.MAX_SAFE_INTEGER);
  }

  /** The parts of [start, end) that are in the set, the first `limit` of them. */
  within(start: number, end: number, limit = Infinity): ByteRange[] {
    const found: ByteRange[] = [];
    if (end <= start) return found;
    for (let index = this.indexAfter(start); index < this.#count && found.length < limit; index++) {
      const from = this.#startAt(index);
      if (from >= end) break;
      found.push({ start: Math.max(start, from), end: Math.min(end, this.#endAt(index)) });
    }
    return found;
  }

  /** The parts of [start, end) that are not in the set. */
  gaps(start: number, end: number): ByteRange[] {
    const found: ByteRange[] = [];
    let position = start;
    for (let index = this.indexAfter(start); index < this.#count && position < end; index++) {
      const from = this.#startAt(index);
      if (from >= end) break;
      if (from > position) found.push({ start: position, end: from });
      position = this.#endAt(index);
    }
    if (position < end) found.push({ start: position, end });
    return found;
  }

  /** LEB128 of the gap before and the length of each range. Read back by `decodeExtents`. */
  encode(): Uint8Array {
    // A position is below 2^53, so a number takes at most 8 bytes of 7 bits.
    const bytes = new Uint8Array(this.#count * 16);
    let length = 0;
    let position = 0;
    for (let index = 0; index < this.#count; index++) {
      length = writeVarint(bytes, length, this.#startAt(index) - position);
      length = writeVarint(bytes, length, this.#endAt(index) - this.#startAt(index));
      position = this.#endAt(index);
    }
    return bytes.subarray(0, length);
  }

  #startAt(index: number): number {
    return this.#starts[index] ?? 0;
  }

  #endAt(index: number): number {
    return this.#ends[index] ?? 0;
  }

  #makeRoom(index: number): void {
    if (this.#count === this.#starts.length) {
      const starts = new Float64Array(this.#count * 2);
      const ends = new Float64Array(this.#count * 2);
      starts.set(this.#starts);
      ends.set(this.#ends);
      this.#starts = starts;
      this.#ends = ends;
    }
    if (index < this.#count) {
      this.#starts.copyWithin(index + 1, index, this.#count);
      this.#ends.copyWithin(index + 1, index, this.#count);
    }
    this.#count += 1;
  }

  #closeGap(from: number, to: number): void {
    if (from >= to) return;
    this.#starts.copyWithin(from, to, this.#count);
    this.#ends.copyWithin(from, to, this.#count);
    this.#count -= to - from;
  }
}

/** The set that `encode` wrote, or null where the bytes are damaged or reach beyond `limitBytes`. */
export function decodeExtents(bytes: Uint8Array, limitBytes: number): ExtentMap | null {
  const map = new ExtentMap();
  let index = 0;
  let position = 0;
  const readVarint = (): number => {
    let value = 0;
    let scale = 1;
    for (;;) {
      const byte = bytes[index++];
      if (byte === undefined || scale > Number.MAX_SAFE_INTEGER) return NaN;
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
      scale *= 128;
    }
  };
  while (index < bytes.length) {
    const start = position + readVarint();
    const end = start + readVarint();
    if (!(start < end && end <= limitBytes) || (start === position && map.count > 0)) return null;
    map.add(start, end);
    position = end;
  }
  return map;
}

function writeVarint(bytes: Uint8Array, index: number, value: number): number {
  let rest = value;
  let at = index;
  while (rest >= 0x80) {
    bytes[at++] = (rest % 128) | 0x80;
    rest = Math.floor(rest / 128);
  }
  bytes[at++] = rest;
  return at;
}
