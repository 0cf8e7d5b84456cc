// Xorbs: concatenated chunks, each with an 8-byte header and perhaps compressed. Decodes whole or streamed bytes, which are
// hostile until their hashes are checked; that is the caller's job. Xet specification, "Xorb object format"; a footer met when
// reading ends the chunks. `xorb-builder.ts` makes xorbs.

import { chunkMaxBytes } from './chunker.ts';
import { XetFormatError } from './errors.ts';
import { lz4FrameDecode } from './lz4.ts';

export const xorbMaxBytes = 64 * 1024 * 1024;
export const xorbMaxChunks = 8192;
export const chunkHeaderBytes = 8;
/** A stored chunk longer than this is refused: twice the plain maximum, as xet-core has it. */
export const chunkStoredMaxBytes = 2 * chunkMaxBytes;

const formatVersion = 0;
/** First byte of the footer's `XETBLOB`; no chunk header begins with it. */
const footerFirstByte = 0x58;
export const schemeStored = 0;
export const schemeLz4 = 1;
export const schemeBg4Lz4 = 2;

export interface ChunkHeader {
  readonly storedBytes: number;
  readonly plainBytes: number;
  readonly scheme: number;
}

/** Reads the header at `offset`; null where the footer begins. The 8 bytes must be there. */
export function readChunkHeader(bytes: Uint8Array, offset: number): ChunkHeader | null {
  const version = bytes[offset] as number;
  if (version === footerFirstByte) return null;
  const storedBytes = readUint24(bytes, offset + 1);
  const scheme = bytes[offset + 4] as number;
  const plainBytes = readUint24(bytes, offset + 5);
  if (version !== formatVersion) throw new XetFormatError(`Chunk header: unknown version ${version}`);
  if (scheme > schemeBg4Lz4) throw new XetFormatError(`Chunk header: unknown compression scheme ${scheme}`);
  if (plainBytes === 0 || plainBytes > chunkMaxBytes) {
    throw new XetFormatError(`Chunk header: ${plainBytes} plain bytes`);
  }
  if (storedBytes === 0 || storedBytes > chunkStoredMaxBytes) {
    throw new XetFormatError(`Chunk header: ${storedBytes} stored bytes`);
  }
  return { storedBytes, plainBytes, scheme };
}

function readUint24(bytes: Uint8Array, offset: number): number {
  return (
    (bytes[offset] as number) | ((bytes[offset + 1] as number) << 8) | ((bytes[offset + 2] as number) << 16)
  );
}

/** The lengths must be within their limits; see `readChunkHeader`. */
export function writeChunkHeader(bytes: Uint8Array, offset: number, header: ChunkHeader): void {
  bytes[offset] = formatVersion;
  writeUint24(bytes, offset + 1, header.storedBytes);
  bytes[offset + 4] = header.scheme;
  writeUint24(bytes, offset + 5, header.plainBytes);
}

function writeUint24(bytes: Uint8Array, offset: number, value: number): void {
  bytes[offset] = value;
  bytes[offset + 1] = value >>> 8;
  bytes[offset + 2] = value >>> 16;
}

/**
 * Decodes a chunk's body into `target`, which has the header's `plainBytes`. Both may be views of shared memory. Throws
 * `XetFormatError` for a body that does not fill it exactly.
 */
export function decodeBody(header: ChunkHeader, body: Uint8Array, target: Uint8Array): void {
  checkBody(header, body);
  if (header.scheme === schemeStored) target.set(body);
  else lz4FrameDecode(body, target, header.scheme === schemeLz4 ? 'lz4' : 'bg4');
}

function checkBody(header: ChunkHeader, body: Uint8Array): void {
  if (body.length !== header.storedBytes) throw new XetFormatError('Chunk: its data is cut off');
  if (header.scheme === schemeStored && header.storedBytes !== header.plainBytes) {
    throw new XetFormatError('Chunk: stored data has another length than its plain data');
  }
}

/** Decodes chunk bodies into a buffer that it reuses from chunk to chunk. */
export class ChunkBodyDecoder {
  readonly #plain = new Uint8Array(chunkMaxBytes);

  /** The result is borrowed until the next call, or is `body` itself. */
  decode(header: ChunkHeader, body: Uint8Array): Uint8Array {
    if (header.scheme === schemeStored) {
      checkBody(header, body);
      return body;
    }
    const plain = this.#plain.subarray(0, header.plainBytes);
    decodeBody(header, body, plain);
    return plain;
  }
}

/** `plain` is borrowed until the callback returns; `storedEnd` is where the chunk ends in the stream. */
export type ChunkVisitor = (index: number, plain: Uint8Array, storedEnd: number) => void;

/** Decodes chunks as their bytes arrive. Holds at most one stored chunk. Index 0 is the stream's first chunk. */
export class ChunkStreamDecoder {
  readonly #body = new ChunkBodyDecoder();
  readonly #held = new Uint8Array(chunkHeaderBytes + chunkStoredMaxBytes);
  #heldBytes = 0;
  #index = 0;
  #consumed = 0;
  #ended = false;

  /** Chunks finished so far. */
  get chunkCount(): number {
    return this.#index;
  }

  /** Bytes that follow a footer's first byte are ignored. Throws `XetFormatError` at the first bad chunk. */
  push(bytes: Uint8Array, visit: ChunkVisitor): void {
    let at = 0;
    while (this.#heldBytes > 0 && at < bytes.length && !this.#ended) at += this.#fill(bytes, at, visit);
    while (at < bytes.length && !this.#ended) {
      const used = this.#decodeAt(bytes, at, visit);
      if (used === 0) {
        this.#held.set(bytes.subarray(at));
        this.#heldBytes = bytes.length - at;
        return;
      }
      at += used;
    }
  }

  /** Throws `XetFormatError` if a chunk is unfinished. */
  finish(): void {
    if (this.#heldBytes > 0 && !this.#ended) throw new XetFormatError('Xorb: it ends inside a chunk');
  }

  /** Moves what is missing of the held chunk from `bytes`; returns how many bytes that took. */
  #fill(bytes: Uint8Array, at: number, visit: ChunkVisitor): number {
    const wanted = this.#wantedBytes();
    const taken = Math.min(wanted - this.#heldBytes, bytes.length - at);
    this.#held.set(bytes.subarray(at, at + taken), this.#heldBytes);
    this.#heldBytes += taken;
    if (!this.#ended && this.#heldBytes === this.#wantedBytes()) {
      const held = this.#heldBytes;
      this.#heldBytes = 0;
      this.#decodeAt(this.#held.subarray(0, held), 0, visit);
    }
    return taken;
  }

  #wantedBytes(): number {
    if (this.#heldBytes < chunkHeaderBytes) return chunkHeaderBytes;
    const header = readChunkHeader(this.#held, 0);
    if (header === null) {
      this.#ended = true;
      return chunkHeaderBytes;
    }
    return chunkHeaderBytes + header.storedBytes;
  }

  /** Bytes of the chunk at `at`, 0 if it is not all there. */
  #decodeAt(bytes: Uint8Array, at: number, visit: ChunkVisitor): number {
    if (bytes.length - at < chunkHeaderBytes) return 0;
    const header = readChunkHeader(bytes, at);
    if (header === null) {
      this.#ended = true;
      return bytes.length - at;
    }
    const size = chunkHeaderBytes + header.storedBytes;
    if (bytes.length - at < size) return 0;
    const plain = this.#body.decode(header, bytes.subarray(at + chunkHeaderBytes, at + size));
    this.#consumed += size;
    visit(this.#index, plain, this.#consumed);
    this.#index += 1;
    return size;
  }
}

/** Decodes all chunks of `bytes`; returns how many. See `ChunkVisitor` for what `visit` may keep. */
export function decodeChunks(bytes: Uint8Array, visit: ChunkVisitor): number {
  const decoder = new ChunkStreamDecoder();
  decoder.push(bytes, visit);
  decoder.finish();
  return decoder.chunkCount;
}
