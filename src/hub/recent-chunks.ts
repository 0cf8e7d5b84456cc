// The chunks met last, oldest forgotten first: where the CAS has a chunk of a given hash. Rows of fixed size in pages, since
// hundreds of thousands of small arrays would take ten times the room. Memory only; used by known-chunks.ts.

import type { PlacedChunk } from './manifest.ts';

const pageShift = 12;
const pageRows = 1 << pageShift;
const pageMask = pageRows - 1;
const hashBytes = 32;
const rowBytes = 2 * hashBytes;

/** Of one row: the hash of the chunk and that of its xorb. */
class Page {
  readonly hashes = new Uint8Array(pageRows * rowBytes);
  readonly sizeBytes = new Uint32Array(pageRows);
  readonly index = new Uint32Array(pageRows);
}

export class RecentChunks {
  readonly #limit: number;
  readonly #pages: Page[] = [];
  readonly #rowOf = new Map<string, number>();
  /** The row that is written next; all below `#limit` are written before the first is written again. */
  #next = 0;

  /** About 170 bytes a chunk. */
  constructor(limit: number) {
    this.#limit = limit;
  }

  get size(): number {
    return this.#rowOf.size;
  }

  /** Copies what it keeps. */
  learn({ hash, sizeBytes, xorb, index }: PlacedChunk): void {
    if (this.#isKnownOfLate(hash, xorb, index)) return;
    const row = this.#next;
    this.#next = row + 1 === this.#limit ? 0 : row + 1;
    const page = this.#pages[row >>> pageShift] ?? this.#grow();
    const at = (row & pageMask) * rowBytes;
    const former = keyOf(page.hashes, at);
    if (this.#rowOf.get(former) === row) this.#rowOf.delete(former);
    page.hashes.set(hash, at);
    page.hashes.set(xorb, at + hashBytes);
    page.sizeBytes[row & pageMask] = sizeBytes;
    page.index[row & pageMask] = index;
    this.#rowOf.set(keyOf(page.hashes, at), row);
  }

  /** Chunks that are met again and again would else push out the others. */
  #isKnownOfLate(hash: Uint8Array, xorb: Uint8Array, index: number): boolean {
    const row = this.#rowOf.get(keyOf(hash, 0));
    const page = row === undefined ? undefined : this.#pages[row >>> pageShift];
    if (row === undefined || page === undefined || page.index[row & pageMask] !== index) return false;
    const age = (this.#next - row + this.#limit) % this.#limit;
    const at = (row & pageMask) * rowBytes + hashBytes;
    return age * 2 <= this.#limit && keyOf(page.hashes, at) === keyOf(xorb, 0);
  }

  #grow(): Page {
    const page = new Page();
    this.#pages.push(page);
    return page;
  }

  find(hash: Uint8Array): PlacedChunk | null {
    const row = this.#rowOf.get(keyOf(hash, 0));
    const page = row === undefined ? undefined : this.#pages[row >>> pageShift];
    if (row === undefined || page === undefined) return null;
    const at = (row & pageMask) * rowBytes;
    const hashes = page.hashes.slice(at, at + rowBytes);
    return {
      hash: hashes.subarray(0, hashBytes),
      sizeBytes: page.sizeBytes[row & pageMask] ?? 0,
      xorb: hashes.subarray(hashBytes),
      index: page.index[row & pageMask] ?? 0,
    };
  }

  clear(): void {
    this.#rowOf.clear();
    this.#pages.length = 0;
    this.#next = 0;
  }
}

function keyOf(hashes: Uint8Array, at: number): string {
  return Buffer.from(hashes.buffer, hashes.byteOffset + at, hashBytes).toString('latin1');
}
