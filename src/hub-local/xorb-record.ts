// The chunk table of one xorb, as kept in the index: per chunk its hash, where it ends in the stored bytes and its
// plain size. Packed, so that a xorb of a thousand chunks costs 40 KB.

import { hashSizeBytes, type ChunkInfo } from '../xet/hash.ts';

const entryBytes = hashSizeBytes + 8;

/** Collects the table while a xorb arrives. */
export class XorbTableWriter {
  readonly #entries: Buffer[] = [];
  readonly chunks: ChunkInfo[] = [];

  add(hash: Uint8Array, plainBytes: number, storedEnd: number): void {
    const entry = Buffer.allocUnsafe(entryBytes);
    entry.set(hash);
    entry.writeUInt32LE(storedEnd, hashSizeBytes);
    entry.writeUInt32LE(plainBytes, hashSizeBytes + 4);
    this.#entries.push(entry);
    this.chunks.push({ hash: Buffer.from(hash), sizeBytes: plainBytes });
  }

  finish(): Buffer {
    return Buffer.concat(this.#entries);
  }
}

export class XorbRecord {
  /** Row number in the index. */
  readonly id: number;
  /** Display form. */
  readonly hash: string;
  readonly storedBytes: number;
  readonly chunkCount: number;
  readonly #table: Buffer;

  constructor(id: number, hash: string, storedBytes: number, table: Uint8Array) {
    this.id = id;
    this.hash = hash;
    this.storedBytes = storedBytes;
    this.chunkCount = table.byteLength / entryBytes;
    this.#table = Buffer.from(table.buffer, table.byteOffset, table.byteLength);
  }

  get tableBytes(): number {
    return this.#table.byteLength;
  }

  chunkHash(index: number): Uint8Array {
    return this.#table.subarray(index * entryBytes, index * entryBytes + hashSizeBytes);
  }

  plainBytes(index: number): number {
    return this.#table.readUInt32LE(index * entryBytes + hashSizeBytes + 4);
  }

  storedStart(index: number): number {
    return index === 0 ? 0 : this.storedEnd(index - 1);
  }

  storedEnd(index: number): number {
    return this.#table.readUInt32LE(index * entryBytes + hashSizeBytes);
  }

  /** Plain bytes of the chunks [start, end). */
  plainBytesOf(start: number, end: number): number {
    let sum = 0;
    for (let index = start; index < end; index++) sum += this.plainBytes(index);
    return sum;
  }

  chunkInfos(start: number, end: number): ChunkInfo[] {
    const infos: ChunkInfo[] = [];
    for (let index = start; index < end; index++) {
      infos.push({ hash: this.chunkHash(index), sizeBytes: this.plainBytes(index) });
    }
    return infos;
  }
}
