// LZ4 frames as xorbs carry them. Reads every flavour that Xet writers make (linked or independent blocks, any block
// size, optional sizes and checksums) into a buffer of known size; writes one independent block without checksums. Checksums
// are skipped, not verified: the hashes of chunks and files do that. LZ4 frame format 1.6.

import { XetFormatError } from './errors.ts';
import { decodeBlockPortable, encodeBlockPortable, nativeLz4 } from './lz4-block.ts';

const magic = 0x184d2204;
const headerBytes = 7;
const wordBytes = 4;
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
const largestPlainBytes = 256 * 1024;

export type Lz4Codec = 'native' | 'portable';
export const lz4Codec: Lz4Codec = nativeLz4 === null ? 'portable' : 'native';

interface Blocks {
  /** Offset of the first block's length word. */
  readonly start: number;
  readonly blockLimitBytes: number;
  readonly blockChecksum: boolean;
  readonly contentChecksum: boolean;
}

function parseHeader(frame: Uint8Array, view: DataView, plainBytes: number): Blocks {
  if (frame.length < headerBytes || view.getUint32(0, true) !== magic) {
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
    if (view.getBigUint64(6, true) !== BigInt(plainBytes)) {
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
 * Decodes `frame` so that it fills `target` exactly; throws `XetFormatError` for anything else. `frame` is borrowed; the
 * native codec briefly writes into it and restores it, so it must not be shared between threads.
 */
export function lz4FrameDecode(frame: Uint8Array, target: Uint8Array, codec: Lz4Codec = lz4Codec): void {
  const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength);
  const blocks = parseHeader(frame, view, target.length);
  let at = blocks.start;
  let out = 0;
  for (;;) {
    if (frame.length - at < wordBytes) throw new XetFormatError('LZ4 frame: it is cut off');
    const word = view.getUint32(at, true);
    const lengthAt = at;
    at += wordBytes;
    if (word === 0) break;
    const stored = word >= storedBit;
    const length = stored ? word - storedBit : word;
    if (length > blocks.blockLimitBytes || length > frame.length - at) {
      throw new XetFormatError('LZ4 frame: a block runs past the end');
    }
    const end = at + length;
    const outLimit = Math.min(target.length, out + blocks.blockLimitBytes);
    if (stored) {
      if (length > outLimit - out) throw new XetFormatError('LZ4 frame: more data than expected');
      target.set(frame.subarray(at, end), out);
      out += length;
    } else if (
      codec === 'native' &&
      out === 0 &&
      target.length <= blocks.blockLimitBytes &&
      isLast(view, end)
    ) {
      decodeOnlyBlock(frame, view, lengthAt, end, target);
      out = target.length;
    } else {
      out = decodeBlockPortable(frame, at, end, target.subarray(0, outLimit), out);
    }
    at = end + (blocks.blockChecksum ? wordBytes : 0);
  }
  if (out !== target.length) throw new XetFormatError(`LZ4 frame: ${out} bytes instead of ${target.length}`);
  if (blocks.contentChecksum && frame.length - at < wordBytes)
    throw new XetFormatError('LZ4 frame: it is cut off');
}

/** Whether an end mark stands at `at`. With block checksums it does not, and the portable codec serves those rare frames. */
function isLast(view: DataView, at: number): boolean {
  return view.byteLength - at >= wordBytes && view.getUint32(at, true) === 0;
}

/** The native codec wants the plain size before the block; the block's own length word makes room for it. */
function decodeOnlyBlock(
  frame: Uint8Array,
  view: DataView,
  lengthAt: number,
  end: number,
  target: Uint8Array,
): void {
  if (nativeLz4 === null) throw new Error('The native LZ4 module is not available');
  const length = view.getUint32(lengthAt, true);
  view.setUint32(lengthAt, target.length, true);
  try {
    const plain = nativeLz4.uncompressSync(frame.subarray(lengthAt, end));
    if (plain.length !== target.length) {
      throw new XetFormatError(`LZ4 frame: ${plain.length} bytes instead of ${target.length}`);
    }
    target.set(plain);
  } catch (cause) {
    if (cause instanceof XetFormatError) throw cause;
    throw new XetFormatError('LZ4 frame: a block does not decode', cause);
  } finally {
    view.setUint32(lengthAt, length, true);
  }
}

/** A frame of `plain` (1 byte to 256 KiB), or null if it would not be smaller than `plain`. */
export function lz4FrameEncode(plain: Uint8Array, codec: Lz4Codec = lz4Codec): Uint8Array | null {
  if (plain.length > largestPlainBytes) {
    throw new RangeError(`lz4FrameEncode takes at most ${largestPlainBytes} bytes, got ${plain.length}`);
  }
  const header = plain.length <= smallestBlockBytes ? header64KiB : header256KiB;
  const overhead = headerBytes + wordBytes + wordBytes;
  const blockLimit = plain.length - overhead - 1;
  if (blockLimit <= 0) return null;
  if (codec === 'native' && nativeLz4 !== null) {
    const prefixed = nativeLz4.compressSync(Buffer.from(plain.buffer, plain.byteOffset, plain.byteLength));
    const block = prefixed.subarray(wordBytes);
    if (block.length > blockLimit) return null;
    const frame = Buffer.allocUnsafe(block.length + overhead);
    frame.set(block, headerBytes + wordBytes);
    return finishFrame(frame, header, block.length);
  }
  const frame = Buffer.allocUnsafe(blockLimit + overhead);
  const blockStart = headerBytes + wordBytes;
  const end = encodeBlockPortable(plain, frame.subarray(0, blockStart + blockLimit), blockStart);
  if (end === -1) return null;
  return finishFrame(frame.subarray(0, end + wordBytes), header, end - blockStart);
}

function finishFrame(frame: Buffer, header: Uint8Array, blockBytes: number): Uint8Array {
  frame.set(header);
  frame.writeUInt32LE(blockBytes, headerBytes);
  frame.writeUInt32LE(0, frame.length - wordBytes);
  return frame;
}
