// Shards: the records that tell the CAS which segments of which xorbs make a file, and which chunks are in a xorb.
// Read linearly from the header to the second bookend; lookup tables are ignored. Xet specification, "MDB shard format".
// Input is hostile: every count is checked against the bytes that are left before anything is made of it.

import { XetFormatError } from './errors.ts';
import { hashSizeBytes, isDedupEligible } from './hash.ts';

export const shardMaxBytes = 64 * 1024 * 1024;

/** A run of chunks `[chunkStart, chunkEnd)` of one xorb. */
export interface ShardSegment {
  readonly xorbHash: Uint8Array;
  readonly unpackedBytes: number;
  readonly chunkStart: number;
  readonly chunkEnd: number;
}

export interface ShardFile {
  readonly hash: Uint8Array;
  readonly segments: readonly ShardSegment[];
  /** One verification hash per segment, or null where the shard has none. */
  readonly verification: readonly Uint8Array[] | null;
  /** In the word order of `hashFromHex(hex of the SHA-256)`; repos only. */
  readonly sha256: Uint8Array | null;
}

export interface ShardChunk {
  readonly hash: Uint8Array;
  /** Where the chunk begins in the plain bytes of the xorb. */
  readonly offsetBytes: number;
  readonly sizeBytes: number;
}

export interface ShardXorb {
  readonly hash: Uint8Array;
  readonly unpackedBytes: number;
  /** Serialized size of the xorb. */
  readonly storedBytes: number;
  readonly chunks: readonly ShardChunk[];
}

export interface ShardFooter {
  /** 32 bytes; all zero means that chunk hashes are plain. */
  readonly hmacKey: Uint8Array;
  /** Unix seconds. */
  readonly createdAt: number;
  /** Unix seconds after which the chunk section must not be used. */
  readonly keyExpiry: number;
}

export interface Shard {
  readonly files: readonly ShardFile[];
  readonly xorbs: readonly ShardXorb[];
  readonly footer: ShardFooter | null;
}

const recordBytes = 48;
const footerBytes = 200;
const headerVersion = 2n;
const footerVersion = 1n;
const headerTag = Buffer.concat([
  Buffer.from('HFRepoMetaData\0', 'latin1'),
  Buffer.from('556967456a7b815783a5bdd95ccdd14aa9', 'hex'),
]);
const flagVerification = 0x8000_0000;
const flagMetadata = 0x4000_0000;
const flagEligible = 0x8000_0000;
const word = 8;

class RecordReader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #at: number;

  constructor(bytes: Uint8Array, start: number) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#at = start;
  }

  /** Fails unless `count` further records are there. */
  require(count: number, what: string): void {
    if (count * recordBytes > this.#bytes.length - this.#at) {
      throw new XetFormatError(`Shard: ${what} is cut off`);
    }
  }

  /** A copy, so that the shard's buffer can be freed. */
  hash(): Uint8Array {
    return Uint8Array.prototype.slice.call(this.#bytes, this.#at, this.#at + hashSizeBytes);
  }

  /** The 32-bit word at `index` of the record's last 16 bytes. */
  uint(index: number): number {
    return this.#view.getUint32(this.#at + hashSizeBytes + index * 4, true);
  }

  isBookend(): boolean {
    for (let i = 0; i < hashSizeBytes; i += 1) if (this.#bytes[this.#at + i] !== 0xff) return false;
    return true;
  }

  next(): void {
    this.#at += recordBytes;
  }
}

function parseFile(reader: RecordReader): ShardFile {
  const hash = reader.hash();
  const flags = reader.uint(0);
  const count = reader.uint(1);
  const verified = (flags & flagVerification) !== 0;
  const withMetadata = (flags & flagMetadata) !== 0;
  reader.next();
  reader.require(count * (verified ? 2 : 1) + (withMetadata ? 1 : 0), 'a file');
  const segments: ShardSegment[] = [];
  for (let i = 0; i < count; i += 1) {
    const segment = {
      xorbHash: reader.hash(),
      unpackedBytes: reader.uint(1),
      chunkStart: reader.uint(2),
      chunkEnd: reader.uint(3),
    };
    if (segment.chunkStart >= segment.chunkEnd) throw new XetFormatError('Shard: a segment without chunks');
    segments.push(segment);
    reader.next();
  }
  const verification: Uint8Array[] | null = verified ? [] : null;
  for (let i = 0; verification !== null && i < count; i += 1) {
    verification.push(reader.hash());
    reader.next();
  }
  let sha256: Uint8Array | null = null;
  if (withMetadata) {
    sha256 = reader.hash();
    reader.next();
  }
  return { hash, segments, verification, sha256 };
}

function parseXorb(reader: RecordReader): ShardXorb {
  const hash = reader.hash();
  const count = reader.uint(1);
  const unpackedBytes = reader.uint(2);
  const storedBytes = reader.uint(3);
  reader.next();
  reader.require(count, 'a xorb');
  const chunks: ShardChunk[] = [];
  for (let i = 0; i < count; i += 1) {
    chunks.push({ hash: reader.hash(), offsetBytes: reader.uint(0), sizeBytes: reader.uint(1) });
    reader.next();
  }
  return { hash, unpackedBytes, storedBytes, chunks };
}

function parseSection<T>(reader: RecordReader, parse: (reader: RecordReader) => T): T[] {
  const items: T[] = [];
  for (;;) {
    reader.require(1, 'a section');
    if (reader.isBookend()) break;
    items.push(parse(reader));
  }
  reader.next();
  return items;
}

function parseFooter(bytes: Uint8Array): ShardFooter {
  const start = bytes.length - footerBytes;
  if (start < recordBytes) throw new XetFormatError('Shard: the footer is cut off');
  const view = new DataView(bytes.buffer, bytes.byteOffset + start, footerBytes);
  const version = view.getBigUint64(0, true);
  if (version !== footerVersion) throw new XetFormatError(`Shard: unknown footer version ${version}`);
  return {
    hmacKey: Uint8Array.prototype.slice.call(bytes, start + 9 * word, start + 13 * word),
    createdAt: Number(view.getBigUint64(13 * word, true)),
    keyExpiry: Number(view.getBigUint64(14 * word, true)),
  };
}

/** Parses `bytes`; the result keeps no reference to it. Throws `XetFormatError`; never reads outside. */
export function parseShard(bytes: Uint8Array): Shard {
  if (bytes.length < recordBytes) throw new XetFormatError('Shard: the header is cut off');
  if (Buffer.compare(bytes.subarray(0, headerTag.length), headerTag) !== 0) {
    throw new XetFormatError('Shard: wrong header tag');
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const version = view.getBigUint64(headerTag.length, true);
  if (version !== headerVersion) throw new XetFormatError(`Shard: unknown version ${version}`);
  const footerSize = view.getBigUint64(headerTag.length + word, true);
  if (footerSize !== 0n && footerSize !== BigInt(footerBytes)) {
    throw new XetFormatError(`Shard: unknown footer size ${footerSize}`);
  }
  const reader = new RecordReader(bytes, recordBytes);
  const files = parseSection(reader, parseFile);
  const xorbs = parseSection(reader, parseXorb);
  return { files, xorbs, footer: footerSize === 0n ? null : parseFooter(bytes) };
}

class RecordWriter {
  readonly bytes: Buffer;
  at = recordBytes;

  constructor(sizeBytes: number) {
    this.bytes = Buffer.alloc(sizeBytes);
  }

  put(hash: Uint8Array, ...words: number[]): void {
    this.bytes.set(hash.subarray(0, hashSizeBytes), this.at);
    words.forEach((value, i) => this.bytes.writeUInt32LE(value, this.at + hashSizeBytes + i * 4));
    this.at += recordBytes;
  }

  bookend(): void {
    this.bytes.fill(0xff, this.at, this.at + hashSizeBytes);
    this.at += recordBytes;
  }
}

/** Bytes a file takes in a shard. */
function fileRecords(file: ShardFile): number {
  return 1 + file.segments.length + (file.verification?.length ?? 0) + (file.sha256 === null ? 0 : 1);
}

/** Serializes; `footer` is for answers to deduplication queries and for clients that send one. */
export function writeShard(shard: {
  readonly files: readonly ShardFile[];
  readonly xorbs: readonly ShardXorb[];
  readonly footer?: ShardFooter | null;
}): Uint8Array {
  const footer = shard.footer ?? null;
  let records = 3;
  for (const file of shard.files) records += fileRecords(file);
  for (const xorb of shard.xorbs) records += 1 + xorb.chunks.length;
  const writer = new RecordWriter(records * recordBytes + (footer === null ? 0 : footerBytes));
  writer.bytes.set(headerTag);
  writer.bytes.writeBigUInt64LE(headerVersion, headerTag.length);
  writer.bytes.writeBigUInt64LE(footer === null ? 0n : BigInt(footerBytes), headerTag.length + word);
  for (const file of shard.files) putFile(writer, file);
  writer.bookend();
  const xorbSectionAt = writer.at;
  for (const xorb of shard.xorbs) {
    writer.put(xorb.hash, 0, xorb.chunks.length, xorb.unpackedBytes, xorb.storedBytes);
    for (const chunk of xorb.chunks) {
      writer.put(
        chunk.hash,
        chunk.offsetBytes,
        chunk.sizeBytes,
        isDedupEligible(chunk.hash) ? flagEligible : 0,
        0,
      );
    }
  }
  writer.bookend();
  if (footer !== null) putFooter(writer, shard, footer, xorbSectionAt);
  return writer.bytes;
}

function putFile(writer: RecordWriter, file: ShardFile): void {
  const { verification, sha256 } = file;
  if (verification !== null && verification.length !== file.segments.length) {
    throw new RangeError('A shard file needs as many verification hashes as segments');
  }
  const flags = (verification === null ? 0 : flagVerification) + (sha256 === null ? 0 : flagMetadata);
  writer.put(file.hash, flags, file.segments.length, 0, 0);
  for (const segment of file.segments) {
    writer.put(segment.xorbHash, 0, segment.unpackedBytes, segment.chunkStart, segment.chunkEnd);
  }
  for (const hash of verification ?? []) writer.put(hash);
  if (sha256 !== null) writer.put(sha256);
}

/** The three empty lookup tables all stand at the end of the body: the JavaScript client takes word 3 as the section's end. */
function putFooter(
  writer: RecordWriter,
  shard: { readonly files: readonly ShardFile[]; readonly xorbs: readonly ShardXorb[] },
  footer: ShardFooter,
  xorbSectionAt: number,
): void {
  const start = writer.at;
  const put = (index: number, value: number): void => {
    writer.bytes.writeBigUInt64LE(BigInt(value), start + index * word);
  };
  put(0, Number(footerVersion));
  put(1, recordBytes);
  put(2, xorbSectionAt);
  put(3, start);
  put(5, start);
  put(7, start);
  writer.bytes.set(footer.hmacKey.subarray(0, hashSizeBytes), start + 9 * word);
  put(13, footer.createdAt);
  put(14, footer.keyExpiry);
  put(
    21,
    shard.xorbs.reduce((sum, xorb) => sum + xorb.storedBytes, 0),
  );
  put(
    22,
    shard.files.reduce((sum, file) => sum + file.segments.reduce((s, t) => s + t.unpackedBytes, 0), 0),
  );
  put(
    23,
    shard.xorbs.reduce((sum, xorb) => sum + xorb.unpackedBytes, 0),
  );
  put(24, start);
}
