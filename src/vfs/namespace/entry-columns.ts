// The columns of directory entries (names): typed arrays in pages, about 22 bytes an entry besides its name. Used by the
// inode index only.

import { EvenColumn } from './even-column.ts';

const pageShift = 12;
const pageRows = 1 << pageShift;
const pageMask = pageRows - 1;

/** Bits of `flags`. */
export const entryFlag = {
  ascii: 1,
  /** The Hub holds the content that is the inode's base here (the common case). */
  expectBase: 2,
  /** The Hub holds other content here; its key is in `InodeIndex.otherExpect`. */
  expectOther: 4,
  /** The Hub's name differs from the shown one; it is in `InodeIndex.remoteName`. */
  renamed: 8,
  /** The name itself is one that never goes to the Hub. */
  localOnly: 16,
} as const;

export class EntryPage {
  /** Slot of the directory; -1 for a free row. */
  readonly parent = new Int32Array(pageRows);
  readonly inode = new Int32Array(pageRows);
  readonly cookie = new Int32Array(pageRows);
  readonly nameAt = new Uint32Array(pageRows);
  readonly nameLength = new Uint8Array(pageRows);
  readonly flags = new Uint8Array(pageRows);
  readonly hash = new Uint32Array(pageRows);
  /** Next name of the same inode, or -1. */
  readonly next = new EvenColumn(() => new Int32Array(pageRows), -1);
}

export class EntryColumns {
  readonly #pages: EntryPage[] = [];
  readonly #free: number[] = [];
  #rows = 0;

  get count(): number {
    return this.#rows - this.#free.length;
  }

  allocate(): number {
    const reused = this.#free.pop();
    if (reused !== undefined) return reused;
    if (this.#rows >>> pageShift === this.#pages.length) this.#pages.push(new EntryPage());
    return this.#rows++;
  }

  free(entry: number): void {
    this.page(entry).parent[entry & pageMask] = -1;
    this.#free.push(entry);
  }

  page(entry: number): EntryPage {
    const page = this.#pages[entry >>> pageShift];
    if (page === undefined) throw new RangeError(`no entry ${entry}`);
    return page;
  }
}

export function entryRow(entry: number): number {
  return entry & pageMask;
}
