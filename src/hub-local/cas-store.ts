// The content store of the embedded Hub: xorbs, the files made of their chunks, and the chunk index. Everything that
// comes in is verified against its hash first. Routes and signatures are elsewhere.

import {
  equalHashes,
  chunkHash,
  fileHash,
  hashFromHex,
  hashToHex,
  rangeHash,
  xorbHash,
} from '../xet/hash.ts';
import type { ChunkInfo } from '../xet/hash.ts';
import { shardMaxBytes, parseShard, type ShardFile, type ShardXorb } from '../xet/shard.ts';
import { ChunkStreamDecoder, xorbMaxBytes, xorbMaxChunks } from '../xet/xorb.ts';
import { XetFormatError } from '../xet/errors.ts';
import type { HubDatabase, Statement } from './database.ts';
import { LruCache } from './lru-cache.ts';
import { badRequest, Refusal } from './refusal.ts';
import { XorbFiles } from './xorb-files.ts';
import { XorbRecord, XorbTableWriter } from './xorb-record.ts';

/** Display form of the hash of empty content. */
export const emptyFileHash = '0'.repeat(64);

/** A footer may follow the chunks of an uploaded xorb. */
const xorbBodyLimitBytes = xorbMaxBytes + 1024 * 1024;
const recordCacheBytes = 64 * 1024 * 1024;
const fileCacheSegments = 100_000;
const segmentBytes = 48;

export interface FileSegment {
  /** Row number, for `CasStore.xorbById`. */
  readonly xorbId: number;
  readonly chunkStart: number;
  readonly chunkEnd: number;
  readonly plainBytes: number;
  readonly verification: Uint8Array;
}

export interface FileRecord {
  /** Display form. */
  readonly hash: string;
  readonly sizeBytes: number;
  readonly segments: readonly FileSegment[];
}

export class CasStore {
  readonly files: XorbFiles;
  readonly #db: HubDatabase;
  readonly #durable: boolean;
  readonly #xorbByHash: Statement;
  readonly #xorbById: Statement;
  readonly #insertXorb: Statement;
  readonly #insertChunk: Statement;
  readonly #chunk: Statement;
  readonly #file: Statement;
  readonly #insertFile: Statement;
  readonly #setSha256: Statement;
  readonly #bySha256: Statement;
  readonly #records = new LruCache<number, XorbRecord>(recordCacheBytes, (record) => record.tableBytes + 200);
  readonly #fileCache = new LruCache<string, FileRecord>(
    fileCacheSegments,
    (file) => file.segments.length + 1,
  );

  private constructor(db: HubDatabase, files: XorbFiles, durable: boolean) {
    this.#db = db;
    this.files = files;
    this.#durable = durable;
    this.#xorbByHash = db.prepare('SELECT id, hash, stored_bytes, chunks FROM xorbs WHERE hash = ?');
    this.#xorbById = db.prepare('SELECT id, hash, stored_bytes, chunks FROM xorbs WHERE id = ?');
    this.#insertXorb = db.prepare('INSERT INTO xorbs (hash, stored_bytes, chunks) VALUES (?, ?, ?)');
    this.#insertChunk = db.prepare('INSERT OR IGNORE INTO chunks VALUES (?, ?)');
    this.#chunk = db.prepare('SELECT xorb FROM chunks WHERE hash = ?');
    this.#file = db.prepare('SELECT size, segments FROM files WHERE hash = ?');
    this.#insertFile = db.prepare('INSERT OR IGNORE INTO files VALUES (?, ?, ?, ?)');
    this.#setSha256 = db.prepare('UPDATE files SET sha256 = ? WHERE hash = ? AND sha256 IS NULL');
    this.#bySha256 = db.prepare('SELECT hash, size FROM files WHERE sha256 = ? LIMIT 1');
  }

  /** With `durable`, an acknowledged xorb survives a power cut, at the price of one disk flush each. */
  static async open(db: HubDatabase, dataDir: string, durable: boolean): Promise<CasStore> {
    return new CasStore(db, await XorbFiles.open(dataDir), durable);
  }

  xorb(hash: string): XorbRecord | null {
    const row = this.#xorbByHash.get(hashFromHex(hash));
    if (row === null) return null;
    return (
      this.#records.get(row.number('id')) ??
      this.#keep(row.number('id'), hash, row.number('stored_bytes'), row.bytes('chunks'))
    );
  }

  /** Throws if there is none: ids come from the index itself. */
  xorbById(id: number): XorbRecord {
    const cached = this.#records.get(id);
    if (cached !== undefined) return cached;
    const row = this.#xorbById.get(id);
    if (row === null) throw new Error(`The index names xorb ${id}, which it does not have`);
    return this.#keep(id, hashToHex(row.bytes('hash')), row.number('stored_bytes'), row.bytes('chunks'));
  }

  #keep(id: number, hash: string, storedBytes: number, table: Uint8Array): XorbRecord {
    const record = new XorbRecord(id, hash, storedBytes, table);
    this.#records.set(id, record);
    return record;
  }

  /**
   * Takes in a serialized xorb; true if it was new. Decodes every chunk and checks the hash, refuses with 400
   * otherwise. `body` is read to its end in any case.
   */
  async putXorb(hash: string, body: AsyncIterable<Uint8Array>): Promise<boolean> {
    if (this.xorb(hash) !== null) {
      await drain(body);
      return false;
    }
    const incoming = await this.files.create();
    try {
      const table = new XorbTableWriter();
      const decoder = new ChunkStreamDecoder();
      let storedBytes = 0;
      try {
        for await (const piece of body) {
          await incoming.write(piece);
          decoder.push(piece, (_index, plain, storedEnd) => {
            table.add(chunkHash(plain), plain.byteLength, storedEnd);
            storedBytes = storedEnd;
            if (table.chunks.length > xorbMaxChunks || storedEnd > xorbMaxBytes) {
              throw new XetFormatError(`Xorb: more than ${xorbMaxChunks} chunks or ${xorbMaxBytes} bytes`);
            }
          });
        }
        decoder.finish();
      } catch (cause) {
        if (cause instanceof XetFormatError) throw badRequest(`Xorb ${hash}: ${cause.message}`, cause);
        throw cause;
      }
      if (table.chunks.length === 0) throw badRequest(`Xorb ${hash} holds no chunks`);
      const actual = hashToHex(xorbHash(table.chunks));
      if (actual !== hash) throw badRequest(`Xorb ${hash}: its content has the hash ${actual}`);
      await this.files.adopt(incoming, hash, storedBytes, this.#durable);
      return this.#register(hash, storedBytes, table);
    } catch (error) {
      await this.files.discard(incoming);
      throw error;
    }
  }

  get xorbBodyLimitBytes(): number {
    return xorbBodyLimitBytes;
  }

  #register(hash: string, storedBytes: number, table: XorbTableWriter): boolean {
    return this.#db.transaction(() => {
      const raw = hashFromHex(hash);
      if (this.#xorbByHash.get(raw) !== null) return false;
      const id = this.#insertXorb.insert(raw, storedBytes, table.finish());
      for (const chunk of table.chunks) this.#insertChunk.run(chunk.hash, id);
      return true;
    });
  }

  /** A xorb that holds the chunk, or null. */
  xorbWithChunk(chunk: string): XorbRecord | null {
    const row = this.#chunk.get(hashFromHex(chunk));
    return row === null ? null : this.xorbById(row.number('xorb'));
  }

  /** A registered file; the empty file always exists. */
  file(hash: string): FileRecord | null {
    if (hash === emptyFileHash) return { hash, sizeBytes: 0, segments: [] };
    const cached = this.#fileCache.get(hash);
    if (cached !== undefined) return cached;
    const row = this.#file.get(hashFromHex(hash));
    if (row === null) return null;
    const record = {
      hash,
      sizeBytes: row.number('size'),
      segments: this.#readSegments(row.bytes('segments')),
    };
    this.#fileCache.set(hash, record);
    return record;
  }

  /** The size of a registered file without loading its segments, or null. */
  fileSize(hash: string): number | null {
    if (hash === emptyFileHash) return 0;
    const row = this.#file.get(hashFromHex(hash));
    return row === null ? null : row.number('size');
  }

  fileBySha256(sha256: string): { hash: string; sizeBytes: number } | null {
    const row = this.#bySha256.get(sha256);
    return row === null ? null : { hash: hashToHex(row.bytes('hash')), sizeBytes: row.number('size') };
  }

  #readSegments(packed: Uint8Array): FileSegment[] {
    const bytes = Buffer.from(packed.buffer, packed.byteOffset, packed.byteLength);
    const segments: FileSegment[] = [];
    for (let at = 0; at < bytes.byteLength; at += segmentBytes) {
      segments.push({
        xorbId: bytes.readUInt32LE(at),
        chunkStart: bytes.readUInt32LE(at + 4),
        chunkEnd: bytes.readUInt32LE(at + 8),
        plainBytes: bytes.readUInt32LE(at + 12),
        verification: bytes.subarray(at + 16, at + segmentBytes),
      });
    }
    return segments;
  }

  /**
   * Registers the files of an uploaded shard; true if any was new. `onFile` is called once per verified file.
   * Nothing is registered unless all of the shard is right.
   */
  putShard(bytes: Uint8Array, onFile: () => void = () => undefined): boolean {
    if (bytes.byteLength > shardMaxBytes) {
      throw new Refusal(413, `The shard is larger than ${shardMaxBytes} bytes`);
    }
    let shard;
    try {
      shard = parseShard(bytes);
    } catch (cause) {
      throw badRequest(cause instanceof Error ? cause.message : 'The shard cannot be read', cause);
    }
    for (const xorb of shard.xorbs) this.#checkXorbSection(xorb);
    const rows = shard.files.map((file) => {
      const row = this.#checkFile(file);
      onFile();
      return row;
    });
    return this.#db.transaction(() => {
      let added = false;
      for (const row of rows) {
        if (this.#insertFile.run(row.hash, row.sizeBytes, row.segments, row.sha256) > 0) added = true;
        else if (row.sha256 !== null) this.#setSha256.run(row.sha256, row.hash);
      }
      return added;
    });
  }

  #checkXorbSection(described: ShardXorb): void {
    const hash = hashToHex(described.hash);
    const known = this.xorb(hash);
    if (known === null) throw badRequest(`The shard describes xorb ${hash}, which was not uploaded`);
    const same =
      described.chunks.length === known.chunkCount &&
      described.chunks.every(
        (chunk, index) =>
          chunk.sizeBytes === known.plainBytes(index) && equalHashes(chunk.hash, known.chunkHash(index)),
      );
    if (!same) throw badRequest(`The shard describes xorb ${hash} with other chunks than it has`);
  }

  #checkFile(file: ShardFile): {
    hash: Uint8Array;
    sizeBytes: number;
    segments: Buffer;
    sha256: string | null;
  } {
    const name = hashToHex(file.hash);
    const packed = Buffer.alloc(file.segments.length * segmentBytes);
    const chunks: ChunkInfo[] = [];
    let sizeBytes = 0;
    file.segments.forEach((segment, index) => {
      const what = `File ${name}, segment ${index}`;
      const xorb = this.xorb(hashToHex(segment.xorbHash));
      if (xorb === null) throw badRequest(`${what}: xorb ${hashToHex(segment.xorbHash)} was not uploaded`);
      if (segment.chunkEnd > xorb.chunkCount) {
        throw badRequest(`${what}: ends at chunk ${segment.chunkEnd} of a xorb with ${xorb.chunkCount}`);
      }
      const infos = xorb.chunkInfos(segment.chunkStart, segment.chunkEnd);
      const plainBytes = infos.reduce((sum, chunk) => sum + chunk.sizeBytes, 0);
      if (plainBytes !== segment.unpackedBytes) {
        throw badRequest(`${what}: says ${segment.unpackedBytes} bytes, its chunks have ${plainBytes}`);
      }
      const expected = file.verification?.[index];
      if (expected === undefined) throw badRequest(`${what}: has no verification hash`);
      if (!equalHashes(expected, rangeHash(infos.map((chunk) => chunk.hash)))) {
        throw badRequest(`${what}: the verification hash is wrong`);
      }
      const at = index * segmentBytes;
      packed.writeUInt32LE(xorb.id, at);
      packed.writeUInt32LE(segment.chunkStart, at + 4);
      packed.writeUInt32LE(segment.chunkEnd, at + 8);
      packed.writeUInt32LE(plainBytes, at + 12);
      packed.set(expected, at + 16);
      for (const info of infos) chunks.push(info);
      sizeBytes += plainBytes;
    });
    const actual = fileHash(chunks);
    if (!equalHashes(actual, file.hash)) {
      throw badRequest(`File ${name}: its chunks have the hash ${hashToHex(actual)}`);
    }
    // Its words are stored as if the SHA-256 were a Xet hash in display form.
    const sha256 = file.sha256 === null ? null : hashToHex(file.sha256);
    return { hash: file.hash, sizeBytes, segments: packed, sha256 };
  }

  async close(): Promise<void> {
    await this.files.close();
  }
}

async function drain(body: AsyncIterable<Uint8Array>): Promise<void> {
  const pieces = body[Symbol.asyncIterator]();
  while ((await pieces.next()).done !== true);
}
