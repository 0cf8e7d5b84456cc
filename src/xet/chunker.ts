// Content-defined chunking, byte-equal to xet-core: a gear hash over a sliding 64 bytes decides the cuts. The
// published JavaScript chunker accepts cuts below the minimum and so gives other file hashes; this one ignores such a cut
// and scans on, as xet-core does. Xet specification, "Content-defined chunking".

import { kernels } from './kernels.ts';

export const chunkMinBytes = 8 * 1024;
export const chunkTargetBytes = 64 * 1024;
export const chunkMaxBytes = 128 * 1024;

/** The hash forgets a byte after 64 more; a legal cut is further from its chunk's start, so only the stream matters. */
const windowBytes = 64;
/** What the kernel scans at its fastest, four lanes of 32 KiB, and that fits beside the window. */
const scanBytes = 128 * 1024;
/** Bytes in which every one may match. */
const denseScanBytes = 1024;

/** Cuts one stream of bytes into chunks. Cuts depend on the bytes only, not on how they are split over `push` calls. */
export class Chunker {
  readonly #held = Buffer.allocUnsafeSlow(chunkMaxBytes);
  #heldBytes = 0;
  /** The last bytes of the stream. */
  readonly #window = new Uint8Array(windowBytes);

  /** Bytes taken in but not yet emitted. */
  get pendingBytes(): number {
    return this.#heldBytes;
  }

  /** `emit` gets each finished chunk; the chunk is borrowed until `emit` returns. */
  push(data: Uint8Array, emit: (chunk: Uint8Array) => void): void {
    let start = 0;
    const cut = (end: number): void => {
      this.#emitChunk(data.subarray(start, end), emit);
      start = end;
    };
    for (let at = 0; at < data.length; at += scanBytes) {
      const end = Math.min(at + scanBytes, data.length);
      for (const match of this.#findMatches(data, at, end)) {
        while (this.#heldBytes + match - start > chunkMaxBytes) cut(start + chunkMaxBytes - this.#heldBytes);
        if (this.#heldBytes + match - start >= chunkMinBytes) cut(match);
      }
      while (this.#heldBytes + end - start >= chunkMaxBytes) cut(start + chunkMaxBytes - this.#heldBytes);
    }
    this.#held.set(data.subarray(start), this.#heldBytes);
    this.#heldBytes += data.length - start;
    this.#slideWindow(data);
  }

  /** Emits what is left as the last chunk, if anything, and is ready for another stream. */
  finish(emit: (chunk: Uint8Array) => void): void {
    if (this.#heldBytes > 0) this.#emitChunk(new Uint8Array(0), emit);
  }

  #emitChunk(tail: Uint8Array, emit: (chunk: Uint8Array) => void): void {
    if (this.#heldBytes === 0) {
      emit(tail);
      return;
    }
    this.#held.set(tail, this.#heldBytes);
    const chunk = this.#held.subarray(0, this.#heldBytes + tail.length);
    this.#heldBytes = 0;
    emit(chunk);
  }

  #slideWindow(data: Uint8Array): void {
    if (data.length < windowBytes) this.#window.copyWithin(0, data.length);
    const tail = data.subarray(-windowBytes);
    this.#window.set(tail, windowBytes - tail.length);
  }

  /** Ends in `data` of windows whose hash matches, for the bytes from `at` to `end`. Copied, since `emit` may use the kernels. */
  #findMatches(data: Uint8Array, at: number, end: number): readonly number[] {
    const k = kernels();
    if (at === 0) {
      k.bytes.set(this.#window, k.in);
      k.bytes.set(data.subarray(0, end), k.in + windowBytes);
    } else {
      k.bytes.set(data.subarray(at - windowBytes, end), k.in);
    }
    const offset = at - windowBytes;
    const count = k.gear_scan(windowBytes, windowBytes + end - at);
    if (count >= 0) return Array.from(k.matches.subarray(0, count), (match) => match + offset);
    const matches: number[] = [];
    for (let from = at; from < end; from += denseScanBytes) {
      const dense = k.gear_scan(from - offset, Math.min(from + denseScanBytes, end) - offset);
      for (const match of k.matches.subarray(0, dense)) matches.push(match + offset);
    }
    return matches;
  }
}
