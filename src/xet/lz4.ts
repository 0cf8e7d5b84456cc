// LZ4 frames as xorbs carry them, plain or of grouped bytes (see `bg4.ts`). Reads every flavour that Xet writers make (linked
// or independent blocks, any block size, optional sizes and checksums) into a buffer of known size; writes one independent
// block without checksums. Checksums are skipped, not verified: the hashes of chunks and files do that. LZ4 frame format 1.6;
// input is hostile until decoded.

import { XetFormatError } from './errors.ts';
import { kernels, regionBytes } from './kernels.ts';

/** What LZ4 is given: the bytes as they are, or grouped by position modulo 4. */
export type Lz4Form = 'lz4' | 'bg4';

const magic = 0x184d2204;
const headerBytes = 7;
const wordBytes = 4;
/** Frame header, length of the only block, end mark. */
const overheadBytes = headerBytes + wordBytes + wordBytes;
const storedBit = 0x8000_0000;
const flagVersion = 0x40;
const flagVersionMask = 0xc0;
const flagBlockChecksum = 0x10;
const flagContentSize = 0x08;
const flagContentChecksum = 0x04;
const flagReserved = 0x02;
const flagDictionary = 0x01;
const contentSizeBytes = 8;
/** Block size code 4 is 64 KiB, each further one four times as much, up to 7 = 4 MiB. */
const smallestBlockCode = 4;
const largestBlockCode = 7;
const smallestBlockBytes = 64 * 1024;

/** Frame header for blocks up to 64 KiB and up to 256 KiB; the last byte is the header's xxHash-32 >> 8. */
const header64KiB = Uint8Array.of(0x04, 0x22, 0x4d, 0x18, 0x60, 0x40, 0x82);
const header256KiB = Uint8Array.of(0x04, 0x22, 0x4d, 0x18, 0x60, 0x50, 0xfb);

/** What the decompressor's negative results mean; see wasm/lz4.c. */
const blockProblems = [
  'a length runs past the end',
  'literals run past the end',
  'a match distance is cut off',
  'a match reaches before the start',
  'a match runs past the end',
  'it does not end with literals',
];

interface Blocks {
  /** Offset of the first block's length word. */
  readonly start: number;
  readonly blockLimitBytes: number;
  readonly blockChecksum: boolean;
  readonly contentChecksum: boolean;
}

function readWord(bytes: Uint8Array, at: number): number {
  const low = (bytes[at] as number) | ((bytes[at + 1] as number) << 8) | ((bytes[at + 2] as number) << 16);
  return low + (bytes[at + 3] as number) * 0x100_0000;
}

function writeWord(bytes: Uint8Array, at: number, word: number): void {
  bytes[at] = word;
  bytes[at + 1] = word >>> 8;
  bytes[at + 2] = word >>> 16;
  bytes[at + 3] = word >>> 24;
}

function parseHeader(frame: Uint8Array, plainBytes: number): Blocks {
  if (frame.length < headerBytes || readWord(frame, 0) !== magic) {
    throw new XetFormatError('LZ4 frame: wrong magic number');
  }
  const flags = frame[4] as number;
  const descriptor = frame[5] as number;
  if ((flags & flagVersionMask) !== flagVersion || (flags & (flagReserved | flagDictionary)) !== 0) {
    throw new XetFormatError(`LZ4 frame: unsupported flags 0x${flags.toString(16)}`);
  }
  const code = (descriptor >>> 4) & 7;
  if (code < smallestBlockCode || code > largestBlockCode || (descriptor & 0x8f) !== 0) {
    throw new XetFormatError(`LZ4 frame: unsupported block descriptor 0x${descriptor.toString(16)}`);
  }
  let start = headerBytes;
  if ((flags & flagContentSize) !== 0) {
    start += contentSizeBytes;
    if (frame.length < start) throw new XetFormatError('LZ4 frame: the header is cut off');
    if (readWord(frame, 6) !== plainBytes || readWord(frame, 10) !== 0) {
      throw new XetFormatError('LZ4 frame: the content size is not the expected one');
    }
  }
  return {
    start,
    blockLimitBytes: smallestBlockBytes * 4 ** (code - smallestBlockCode),
    blockChecksum: (flags & flagBlockChecksum) !== 0,
    contentChecksum: (flags & flagContentChecksum) !== 0,
  };
}

/**
 * Decodes `frame` so that it fills `target` exactly; throws `XetFormatError` for anything else, and `target` is untouched then.
 * `frame` is borrowed. Both may be views of shared memory. `target` has at most 256 KiB.
 */
export function lz4FrameDecode(frame: Uint8Array, target: Uint8Array, form: Lz4Form = 'lz4'): void {
  const plainBytes = target.length;
  if (plainBytes > regionBytes) throw new RangeError(`An LZ4 frame of ${plainBytes} plain bytes`);
  if (frame.length > regionBytes) throw new XetFormatError(`LZ4 frame: it has ${frame.length} bytes`);
  const k = kernels();
  k.bytes.set(frame, k.in);
  // The copy, which nobody else can change any more.
  const copy = k.bytes.subarray(k.in, k.in + frame.length);
  const decoded = form === 'lz4' ? k.out : k.mid;
  const blocks = parseHeader(copy, plainBytes);
  let at = blocks.start;
  let out = 0;
  for (;;) {
    if (copy.length - at < wordBytes) throw new XetFormatError('LZ4 frame: it is cut off');
    const word = readWord(copy, at);
    at += wordBytes;
    if (word === 0) break;
    const stored = word >= storedBit;
    const length = stored ? word - storedBit : word;
    if (length > copy.length - at || length > blocks.blockLimitBytes) {
      throw new XetFormatError('LZ4 frame: a block runs past the end');
    }
    const outLimit = Math.min(plainBytes, out + blocks.blockLimitBytes);
    if (stored) {
      if (length > outLimit - out) throw new XetFormatError('LZ4 frame: more data than expected');
      k.bytes.copyWithin(decoded + out, k.in + at, k.in + at + length);
      out += length;
    } else {
      const decompress = form === 'lz4' ? k.lz4_decompress_out : k.lz4_decompress_mid;
      const result = decompress(at, at + length, out, outLimit);
      if (result < 0) throw new XetFormatError(`LZ4 block: ${blockProblems[-1 - result]}`);
      out = result;
    }
    at += length + (blocks.blockChecksum ? wordBytes : 0);
  }
  if (out !== plainBytes) throw new XetFormatError(`LZ4 frame: ${out} bytes instead of ${plainBytes}`);
  if (blocks.contentChecksum && copy.length - at < wordBytes)
    throw new XetFormatError('LZ4 frame: it is cut off');
  if (form === 'bg4') k.bg4_join(plainBytes);
  target.set(k.bytes.subarray(k.out, k.out + plainBytes));
}

/**
 * Makes the frame of `plain` (at most 256 KiB) in the kernels' output; returns its length, 0 if that would be more than
 * `limitBytes`. `takeFrame` must follow before anything else uses the kernels.
 */
export function makeFrame(plain: Uint8Array, form: Lz4Form, limitBytes: number): number {
  const { length } = plain;
  if (length > regionBytes) throw new RangeError(`An LZ4 frame of ${length} plain bytes`);
  const blockLimit = Math.min(limitBytes, regionBytes) - overheadBytes;
  if (blockLimit <= 0) return 0;
  const k = kernels();
  k.bytes.set(plain, k.in);
  if (form === 'bg4') k.bg4_split(length);
  const compress = form === 'lz4' ? k.lz4_compress_in : k.lz4_compress_mid;
  const blockBytes = compress(length, headerBytes + wordBytes, blockLimit);
  if (blockBytes === 0) return 0;
  k.bytes.set(length <= smallestBlockBytes ? header64KiB : header256KiB, k.out);
  writeWord(k.bytes, k.out + headerBytes, blockBytes);
  writeWord(k.bytes, k.out + headerBytes + wordBytes + blockBytes, 0);
  return blockBytes + overheadBytes;
}

/** Copies the frame that `makeFrame` made to `target` from `at`. */
export function takeFrame(frameBytes: number, target: Uint8Array, at: number): void {
  const k = kernels();
  target.set(k.bytes.subarray(k.out, k.out + frameBytes), at);
}

/** A frame of `plain` (at most 256 KiB), or null if it would not be smaller than `plain`. */
export function lz4FrameEncode(plain: Uint8Array, form: Lz4Form = 'lz4'): Uint8Array | null {
  const frameBytes = makeFrame(plain, form, plain.length - 1);
  if (frameBytes === 0) return null;
  const frame = new Uint8Array(frameBytes);
  takeFrame(frameBytes, frame, 0);
  return frame;
}
