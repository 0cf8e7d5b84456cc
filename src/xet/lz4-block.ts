// LZ4 blocks: the prebuilt native module where it loads, and a portable codec that is also the only one for blocks
// that refer to the block before. Used by `lz4.ts`. LZ4 block format description 1.6; input is hostile until decoded.

import { createRequire } from 'node:module';
import { XetFormatError } from './errors.ts';

interface NativeModule {
  compressSync(data: Buffer): Buffer;
  uncompressSync(data: Uint8Array): Buffer;
}

function loadNative(): { module: NativeModule | null; problem: unknown } {
  try {
    const module = createRequire(import.meta.url)('lz4-napi') as NativeModule;
    module.uncompressSync(module.compressSync(Buffer.alloc(64)));
    return { module, problem: null };
  } catch (cause) {
    return { module: null, problem: cause };
  }
}

const native = loadNative();

/** Why the native module is not in use, null when it is. For diagnosis. */
export const nativeLz4Problem: unknown = native.problem;
export const nativeLz4: NativeModule | null = native.module;

const minMatch = 4;
/** The last match must begin at least 12 bytes before the end, and the last 5 bytes are literals. */
const matchEndMargin = 12;
const literalEndMargin = 5;
const maxDistance = 65535;
const hashBits = 13;
const fibonacciMultiplier = 2654435761;
/** Matches are looked for at ever wider steps in bytes that do not compress; 6 is liblz4's acceleration shift. */
const skipShift = 6;

function readLength(
  source: Uint8Array,
  at: number,
  end: number,
  base: number,
): { length: number; at: number } {
  let length = base;
  let position = at;
  for (;;) {
    if (position >= end) throw new XetFormatError('LZ4 block: a length runs past the end');
    const byte = source[position] as number;
    position += 1;
    length += byte;
    if (byte !== 255) return { length, at: position };
  }
}

/**
 * Decodes the block `source[start, end)` into `target` from `targetStart`; matches may reach back to the start of `target`.
 * Returns where the output ends. Throws `XetFormatError` rather than touch a byte outside.
 */
export function decodeBlockPortable(
  source: Uint8Array,
  start: number,
  end: number,
  target: Uint8Array,
  targetStart: number,
): number {
  let at = start;
  let out = targetStart;
  while (at < end) {
    const token = source[at] as number;
    at += 1;
    let literals = token >>> 4;
    if (literals === 15) ({ length: literals, at } = readLength(source, at, end, 15));
    if (literals > end - at || literals > target.length - out) {
      throw new XetFormatError('LZ4 block: literals run past the end');
    }
    if (literals > 0) {
      target.set(source.subarray(at, at + literals), out);
      at += literals;
      out += literals;
    }
    if (at === end) return out;
    if (end - at < 2) throw new XetFormatError('LZ4 block: a match distance is cut off');
    const distance = (source[at] as number) | ((source[at + 1] as number) << 8);
    at += 2;
    if (distance === 0 || distance > out)
      throw new XetFormatError('LZ4 block: a match reaches before the start');
    let length = token & 15;
    if (length === 15) ({ length, at } = readLength(source, at, end, 15));
    length += minMatch;
    if (length > target.length - out) throw new XetFormatError('LZ4 block: a match runs past the end');
    if (distance >= length) {
      target.copyWithin(out, out - distance, out - distance + length);
      out += length;
    } else {
      for (const stop = out + length; out < stop; out += 1) target[out] = target[out - distance] as number;
    }
  }
  throw new XetFormatError('LZ4 block: it does not end with literals');
}

function writeLength(target: Uint8Array, at: number, length: number): number {
  let rest = length - 15;
  let position = at;
  for (; rest >= 255; rest -= 255) {
    target[position] = 255;
    position += 1;
  }
  target[position] = rest;
  return position + 1;
}

function lengthBytes(length: number): number {
  return length < 15 ? 0 : 1 + Math.floor((length - 15) / 255);
}

/** Compresses into `target` from `targetStart`; returns where the output ends, or -1 if it does not fit. */
export function encodeBlockPortable(plain: Uint8Array, target: Uint8Array, targetStart: number): number {
  const table = new Int32Array(1 << hashBits).fill(-1);
  const view = new DataView(plain.buffer, plain.byteOffset, plain.byteLength);
  const matchLimit = plain.length - matchEndMargin;
  let out = targetStart;
  let anchor = 0;

  function emit(literalEnd: number, matchLength: number, distance: number): boolean {
    const literals = literalEnd - anchor;
    const extra = matchLength === 0 ? 0 : 2 + lengthBytes(matchLength - minMatch);
    if (out + 1 + lengthBytes(literals) + literals + extra > target.length) return false;
    const token = out;
    out += 1;
    if (literals >= 15) out = writeLength(target, out, literals);
    target.set(plain.subarray(anchor, literalEnd), out);
    out += literals;
    let matchNibble = 0;
    if (matchLength > 0) {
      target[out] = distance & 255;
      target[out + 1] = distance >>> 8;
      out += 2;
      matchNibble = Math.min(15, matchLength - minMatch);
      if (matchNibble === 15) out = writeLength(target, out, matchLength - minMatch);
    }
    target[token] = (Math.min(15, literals) << 4) | matchNibble;
    return true;
  }

  let misses = 0;
  for (let i = 0; i < matchLimit;) {
    const word = view.getUint32(i, true);
    const slot = Math.imul(word, fibonacciMultiplier) >>> (32 - hashBits);
    const candidate = table[slot] as number;
    table[slot] = i;
    if (candidate < 0 || i - candidate > maxDistance || view.getUint32(candidate, true) !== word) {
      misses += 1;
      i += 1 + (misses >>> skipShift);
      continue;
    }
    misses = 0;
    let length = minMatch;
    const longest = plain.length - literalEndMargin - i;
    while (length < longest && plain[candidate + length] === plain[i + length]) length += 1;
    if (!emit(i, length, i - candidate)) return -1;
    i += length;
    anchor = i;
  }
  return emit(plain.length, 0, 0) ? out : -1;
}
