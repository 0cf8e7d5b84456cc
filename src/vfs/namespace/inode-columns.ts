// The columns of the in-memory inodes: typed arrays in pages, about 100 bytes an inode and nothing for the garbage collector to
// follow. Rows are named by slot; a slot is reused, an inode number never. Used by the inode index and the namespace.

import { FsError } from '../fs-error.ts';
import type { FileType } from '../file-system.ts';
import { EvenColumn } from './even-column.ts';

const pageShift = 12;
const pageRows = 1 << pageShift;
const pageMask = pageRows - 1;

/** Bits of `flags`. */
export const inodeFlag = {
  /** Directory: all the Hub has in it is known here. */
  listed: 1,
  /** Directory: a program made or emptied it, so it stays although the Hub cannot hold it. */
  kept: 2,
  /** Directory: something in it may differ from the Hub; it is to be listed again. */
  stale: 4,
  /** File: a program here has read or written it. */
  used: 8,
} as const;

const typeNames: readonly FileType[] = ['file', 'directory', 'symlink'];
export const typeCode = { file: 0, directory: 1, symlink: 2 } as const;

/** One page of rows. A fresh row is all zeros; -1 in `firstEntry` means no name. */
export class InodePage {
  readonly ino = new Float64Array(pageRows);
  readonly sizeBytes = new Float64Array(pageRows);
  readonly baseSizeBytes = new Float64Array(pageRows);
  readonly mtimeSec = new Float64Array(pageRows);
  /** Shown to NFS clients only, which have 32 bits for them (RFC 1813 section 2.5, nfstime3). */
  readonly atimeSec = new Uint32Array(pageRows);
  readonly ctimeSec = new Uint32Array(pageRows);
  readonly atimeNsec = new Uint32Array(pageRows);
  readonly mtimeNsec = new Uint32Array(pageRows);
  readonly ctimeNsec = new Uint32Array(pageRows);
  readonly uid = new EvenColumn(newUnsigned);
  readonly gid = new EvenColumn(newUnsigned);
  readonly mode = new Uint16Array(pageRows);
  readonly type = new Uint8Array(pageRows);
  readonly flags = new Uint8Array(pageRows);
  /** 0: no base, 1: xet, 2: git. */
  readonly keyKind = new Uint8Array(pageRows);
  readonly key = Buffer.alloc(pageRows * 32);
  /** Files and symlinks: names. Directories: subdirectories. */
  readonly links = new Uint32Array(pageRows);
  readonly firstEntry = new Int32Array(pageRows);
  /** Monotonic seconds of the last READ (files) or look-up (directories). */
  readonly usedAtSec = new EvenColumn(newUnsigned, 0);
}

function newUnsigned(): Uint32Array {
  return new Uint32Array(pageRows);
}

export class InodeColumns {
  readonly #pages: InodePage[] = [];
  readonly #free: number[] = [];
  #rows = 0;

  get count(): number {
    return this.#rows - this.#free.length;
  }

  /** All slots below this may be in use; a free one has inode number 0. */
  get slotLimit(): number {
    return this.#rows;
  }

  allocate(ino: number): number {
    const slot = this.#free.pop() ?? this.#grow();
    const page = this.page(slot);
    const row = slot & pageMask;
    page.ino[row] = ino;
    page.firstEntry[row] = -1;
    page.flags[row] = 0;
    page.keyKind[row] = 0;
    page.links[row] = 0;
    page.usedAtSec.set(row, 0);
    page.baseSizeBytes[row] = 0;
    return slot;
  }

  #grow(): number {
    if (this.#rows >>> pageShift === this.#pages.length) this.#pages.push(new InodePage());
    return this.#rows++;
  }

  free(slot: number): void {
    this.page(slot).ino[slot & pageMask] = 0;
    this.#free.push(slot);
  }

  page(slot: number): InodePage {
    const page = this.#pages[slot >>> pageShift];
    if (page === undefined) throw new RangeError(`no inode slot ${slot}`);
    return page;
  }
}

export function rowOf(slot: number): number {
  return slot & pageMask;
}

export function typeName(code: number): FileType {
  return typeNames[code] ?? 'file';
}

// ---- content keys as 32 bytes ------------------------------------------------------------------------------------

const kinds = ['', 'xet:', 'git:'] as const;
const lengths = [0, 32, 20] as const;
const hexPattern = /^[0-9a-f]+$/;

/** Stores `key` (null: no base) in the row. Throws EIO for a key of no known form. */
export function writeKey(page: InodePage, row: number, key: string | null): void {
  if (key === null) {
    page.keyKind[row] = 0;
    return;
  }
  const kind = key.startsWith('xet:') ? 1 : 2;
  const hex = key.slice(4);
  if (!key.startsWith(kinds[kind]) || hex.length !== lengths[kind] * 2 || !hexPattern.test(hex)) {
    throw new FsError('EIO', 'catalogue', { message: `"${key}" is no content key` });
  }
  page.keyKind[row] = kind;
  page.key.write(hex, row * 32, 'hex');
}

export function readKey(page: InodePage, row: number): string | null {
  const kind = page.keyKind[row];
  if (kind !== 1 && kind !== 2) return null;
  return kinds[kind] + page.key.toString('hex', row * 32, row * 32 + lengths[kind]);
}
