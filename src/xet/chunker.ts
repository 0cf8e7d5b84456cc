// Content-defined chunking, byte-equal to xet-core: a gear hash over a sliding 64 bytes decides the cuts. The
// published JavaScript chunker accepts cuts below the minimum and so gives other file hashes; this one ignores such a cut
// and scans on, as xet-core does. Xet specification, "Content-defined chunking".

import { Hasher } from 'gearhash-jit';

export const chunkMinBytes = 8 * 1024;
export const chunkTargetBytes = 64 * 1024;
export const chunkMaxBytes = 128 * 1024;

/** A cut is where the top 16 bits of the hash are zero: once in 64 KiB on average. */
const cutMask = 0xffff_0000_0000_0000n;
/** The hash forgets a byte after 64 more, so no byte before this can matter for a legal cut. */
const unhashedPrefixBytes = chunkMinBytes - 64 - 1;
/** The scanner copies its whole input into WebAssembly memory even if the cut is near, so it is fed in small slices. */
const scanSliceBytes = 32 * 1024;

/** Cuts one stream of bytes into chunks. Cuts depend on the bytes only, not on how they are split over `push` calls. */
export class Chunker {
  readonly #gear = new Hasher(cutMask);
  readonly #held = Buffer.allocUnsafeSlow(chunkMaxBytes);
  #heldBytes = 0;

  /** Bytes taken in but not yet emitted. */
  get pendingBytes(): number {
    return this.#heldBytes;
  }

  /** `emit` gets each finished chunk; the chunk is borrowed until `emit` returns. */
  push(data: Uint8Array, emit: (chunk: Uint8Array) => void): void {
    let start = 0;
    while (start < data.length) {
      const taken = this.#findCut(data, start);
      if (taken === -1) {
        this.#held.set(data.subarray(start), this.#heldBytes);
        this.#heldBytes += data.length - start;
        return;
      }
      this.#emitChunk(data.subarray(start, start + taken), emit);
      start += taken;
    }
  }

  /** Emits what is left as the last chunk, if anything, and is ready for another stream. */
  finish(emit: (chunk: Uint8Array) => void): void {
    if (this.#heldBytes > 0) this.#emitChunk(new Uint8Array(0), emit);
  }

  #emitChunk(tail: Uint8Array, emit: (chunk: Uint8Array) => void): void {
    this.#gear.resetHash();
    if (this.#heldBytes === 0) {
      emit(tail);
      return;
    }
    this.#held.set(tail, this.#heldBytes);
    const chunk = this.#held.subarray(0, this.#heldBytes + tail.length);
    this.#heldBytes = 0;
    emit(chunk);
  }

  /** How many bytes of `data` from `start` complete the chunk, or -1 if all of them do not. */
  #findCut(data: Uint8Array, start: number): number {
    const before = this.#heldBytes;
    const available = Math.min(data.length - start, chunkMaxBytes - before);
    let scanned = Math.max(0, Math.min(available, unhashedPrefixBytes - before));
    while (scanned < available) {
      const end = Math.min(available, scanned + scanSliceBytes);
      const match = this.#gear.nextMatch(data.subarray(start + scanned, start + end));
      scanned = match === -1 ? end : scanned + match;
      if (match !== -1 && before + scanned >= chunkMinBytes) return scanned;
    }
    return before + available === chunkMaxBytes ? available : -1;
  }
}
