// Looks whether the write-ahead log of a database is whole, because SQLite silently drops everything from the first damaged
// frame on. Format: https://sqlite.org/fileformat2.html#walformat. Used by catalogue-recovery.ts before the database is opened.

import { statSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { setImmediate as nextTurn } from 'node:timers/promises';

const headerBytes = 32;
const frameHeaderBytes = 24;
const littleEndianMagic = 0x377f0682;
const bigEndianMagic = 0x377f0683;
/** A log grows to a few MiB before SQLite starts it anew; one of this size is not read at a start. */
const mostBytes = 256 * 1024 * 1024;
/** A few milliseconds of adding. */
const framesPerSlice = 256;

/**
 * What is wrong in words, or null. A last transaction that a crash cut short is nothing wrong; neither are frames that an
 * earlier use of the file left behind the end.
 */
export async function findWalDamage(path: string): Promise<string | null> {
  const sizeBytes = statSync(path, { throwIfNoEntry: false })?.size ?? 0;
  if (sizeBytes < headerBytes + frameHeaderBytes || sizeBytes > mostBytes) return null;
  const bytes = await readFile(path);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const magic = view.getUint32(0);
  const pageBytes = view.getUint32(8);
  const isLittleEndian = magic === littleEndianMagic;
  if (!isLittleEndian && magic !== bigEndianMagic) return 'its log does not begin as one';
  const sum = new WalChecksum(view, isLittleEndian);
  sum.add(0, 24);
  if (!sum.equals(24)) return 'the head of its log is damaged';
  if (pageBytes < 512 || pageBytes > 65_536) return 'the head of its log is impossible';
  return findFrameDamage(view, pageBytes, sum);
}

async function findFrameDamage(view: DataView, pageBytes: number, sum: WalChecksum): Promise<string | null> {
  const frameBytes = frameHeaderBytes + pageBytes;
  let damagedFrame: number | null = null;
  for (let at = headerBytes, frame = 1; at + frameBytes <= view.byteLength; at += frameBytes, frame += 1) {
    if (frame % framesPerSlice === 0) await nextTurn();
    const isOfThisLog =
      view.getUint32(at + 8) === view.getUint32(16) && view.getUint32(at + 12) === view.getUint32(20);
    if (damagedFrame !== null) {
      const isCommit = view.getUint32(at + 4) > 0;
      if (isOfThisLog && isCommit)
        return `frame ${damagedFrame} of its log is damaged, and later ones follow`;
      continue;
    }
    if (isOfThisLog) {
      sum.add(at, 8);
      sum.add(at + frameHeaderBytes, pageBytes);
      if (sum.equals(at + 16)) continue;
    }
    damagedFrame = frame;
  }
  return null;
}

/** The running checksum of a log. */
class WalChecksum {
  readonly #view: DataView;
  readonly #isLittleEndian: boolean;
  #first = 0;
  #second = 0;

  constructor(view: DataView, isLittleEndian: boolean) {
    this.#view = view;
    this.#isLittleEndian = isLittleEndian;
  }

  add(offset: number, length: number): void {
    let first = this.#first;
    let second = this.#second;
    for (let at = offset; at < offset + length; at += 8) {
      first = (first + this.#view.getUint32(at, this.#isLittleEndian) + second) >>> 0;
      second = (second + this.#view.getUint32(at + 4, this.#isLittleEndian) + first) >>> 0;
    }
    this.#first = first;
    this.#second = second;
  }

  equals(offset: number): boolean {
    return this.#view.getUint32(offset) === this.#first && this.#view.getUint32(offset + 4) === this.#second;
  }
}
