// Xorbs: concatenated chunks, each with an 8-byte header and perhaps compressed. Decodes whole or streamed bytes
// (hostile until their hashes are checked, which is the caller's job) and builds xorbs for upload. Xet specification, "Xorb
// object format"; uploads carry no footer, and a footer met when reading ends the chunks.

import { bg4Join, bg4Split } from './bg4.ts';
import { chunkMaxBytes } from './chunker.ts';
import { XetFormatError } from './errors.ts';
import { xorbHash, type ChunkInfo } from './hash.ts';
import { lz4FrameDecode, lz4FrameEncode } from './lz4.ts';

export const xorbMaxBytes = 64 * 1024 * 1024;
export const xorbMaxChunks = 8192;
export const chunkHeaderBytes = 8;
/** A stored chunk longer than this is refused: twice the plain maximum, as xet-core has it. */
export const chunkStoredMaxBytes = 2 * chunkMaxBytes;

const formatVersion = 0;
/** First byte of the footer's `XETBLOB`; no chunk header begins with it. */
const footerFirstByte = 0x58;
const schemeStored = 0;
const schemeLz4 = 1;
const schemeBg4Lz4 = 2;

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

/** Decodes chunk bodies into buffers that it reuses from chunk to chunk. */
export class ChunkBodyDecoder {
  readonly #plain = new Uint8Array(chunkMaxBytes);
  readonly #grouped = new Uint8Array(chunkMaxBytes);

  /** The result is borrowed until the next call, or is `body` itself. */
  decode(header: ChunkHeader, body: Uint8Array): Uint8Array {
    if (header.scheme === schemeStored) {
      checkBody(header, body);
      return body;
    }
    const plain = this.#plain.subarray(0, header.plainBytes);
    this.decodeTo(header, body, plain);
    return plain;
  }

  /** `plain` has the length that the header says. */
  decodeTo(header: ChunkHeader, body: Uint8Array, plain: Uint8Array): void {
    checkBody(header, body);
    if (header.scheme === schemeStored) {
      plain.set(body);
    } else if (header.scheme === schemeLz4) {
      lz4FrameDecode(body, plain);
    } else {
      const grouped = this.#grouped.subarray(0, header.plainBytes);
      lz4FrameDecode(body, grouped);
      bg4Join(grouped, plain);
    }
  }
}

function checkBody(header: ChunkHeader, body: Uint8Array): void {
  if (body.length !== header.storedBytes) throw new XetFormatError('Chunk: its data is cut off');
  if (header.scheme === schemeStored && header.storedBytes !== header.plainBytes) {
    throw new XetFormatError('Chunk: stored data has another length than its plain data');
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

/** `auto` judges by a sample which form pays; the others try that form only. All store what does not get smaller. */
export type CompressionPolicy = 'auto' | 'none' | 'lz4' | 'bg4';

type Form = Exclude<CompressionPolicy, 'auto'>;

/** Chunks shorter than this are their own sample. */
const sampleBytes = 8 * 1024;
/** A form that saves less than this part is not worth the reader's time. */
const worthwhileRatio = 0.97;
/**
 * Chunks of one stream encoded in the form of the last sample, about 1 MiB. Sampling every chunk costs more than storing it:
 * noise went through chunking, hashing and encoding at 300 MB/s so, and at 600 with this.
 */
const chunksPerSample = 16;

function chooseForm(plain: Uint8Array): Form {
  const start = Math.max(0, Math.floor((plain.length - sampleBytes) / 2)) & ~3;
  const sample = plain.subarray(start, start + sampleBytes);
  const limit = sample.length * worthwhileRatio;
  const lz4 = lz4FrameEncode(sample)?.length ?? sample.length;
  const grouped = new Uint8Array(sample.length);
  bg4Split(sample, grouped);
  const bg4 = lz4FrameEncode(grouped)?.length ?? sample.length;
  if (Math.min(lz4, bg4) > limit) return 'none';
  return lz4 <= bg4 ? 'lz4' : 'bg4';
}

/** Encodes the chunks of one stream in turn; neighbours are taken to be alike. */
export class ChunkEncoder {
  #grouped: Uint8Array | null = null;
  #form: Form = 'none';
  #samplesIn = 0;

  /** A chunk as it stands in a xorb: header and data. `plain` is 1 byte to `chunkMaxBytes`; the result is the caller's. */
  encode(plain: Uint8Array, policy: CompressionPolicy = 'auto'): Uint8Array {
    if (plain.length === 0 || plain.length > chunkMaxBytes) {
      throw new RangeError(`A chunk has 1 to ${chunkMaxBytes} bytes, not ${plain.length}`);
    }
    if (policy === 'auto' && this.#samplesIn === 0) {
      this.#form = chooseForm(plain);
      this.#samplesIn = chunksPerSample;
    }
    const form = policy === 'auto' ? this.#form : policy;
    const body = this.#compress(plain, form);
    if (policy === 'auto') {
      const disappoints = form !== 'none' && (body === null || body.length > plain.length * worthwhileRatio);
      this.#samplesIn = disappoints ? 0 : this.#samplesIn - 1;
    }
    const data = body ?? plain;
    const encoded = Buffer.allocUnsafe(chunkHeaderBytes + data.length);
    encoded[0] = formatVersion;
    encoded.writeUIntLE(data.length, 1, 3);
    encoded[4] = body === null ? schemeStored : form === 'lz4' ? schemeLz4 : schemeBg4Lz4;
    encoded.writeUIntLE(plain.length, 5, 3);
    encoded.set(data, chunkHeaderBytes);
    return encoded;
  }

  #compress(plain: Uint8Array, form: Form): Uint8Array | null {
    if (form === 'none') return null;
    if (form === 'lz4') return lz4FrameEncode(plain);
    this.#grouped ??= new Uint8Array(chunkMaxBytes);
    const grouped = this.#grouped.subarray(0, plain.length);
    bg4Split(plain, grouped);
    return lz4FrameEncode(grouped);
  }
}

/** Encodes a chunk by itself. */
export function encodeChunk(plain: Uint8Array, policy: CompressionPolicy = 'auto'): Uint8Array {
  return new ChunkEncoder().encode(plain, policy);
}

/** Collects chunks into one xorb. The caller asks `fits` before each addition. */
export class XorbBuilder {
  readonly #parts: Uint8Array[] = [];
  readonly #chunks: ChunkInfo[] = [];
  readonly #encoder = new ChunkEncoder();
  #sizeBytes = 0;

  /** Serialized bytes so far. */
  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  get chunkCount(): number {
    return this.#chunks.length;
  }

  /** Whether a chunk of `plainBytes` can be added whatever it compresses to. */
  fits(plainBytes: number): boolean {
    return (
      this.#chunks.length < xorbMaxChunks && this.#sizeBytes + chunkHeaderBytes + plainBytes <= xorbMaxBytes
    );
  }

  /** Compresses and adds; `plain` is borrowed, `hash` is kept. Returns the chunk's index in the xorb. */
  add(plain: Uint8Array, hash: Uint8Array, policy: CompressionPolicy = 'auto'): number {
    return this.addEncoded(this.#encoder.encode(plain, policy), plain.length, hash);
  }

  /** Adds what `encodeChunk` made; `encoded` and `hash` are kept. */
  addEncoded(encoded: Uint8Array, plainBytes: number, hash: Uint8Array): number {
    if (!this.fits(encoded.length - chunkHeaderBytes)) throw new RangeError('The xorb is full');
    this.#parts.push(encoded);
    this.#chunks.push({ hash, sizeBytes: plainBytes });
    this.#sizeBytes += encoded.length;
    return this.#chunks.length - 1;
  }

  /** The builder must not be used afterwards. */
  finish(): { readonly hash: Uint8Array; readonly bytes: Uint8Array; readonly chunks: readonly ChunkInfo[] } {
    return {
      hash: xorbHash(this.#chunks),
      bytes: Buffer.concat(this.#parts, this.#sizeBytes),
      chunks: this.#chunks,
    };
  }
}
