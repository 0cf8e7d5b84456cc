// A disk interface with a limit on what may still be written, for an engine whose disk is to be full. Deleted files give their
// bytes back. SQLite's files are not counted.

import type { StagingDisk } from '../../src/vfs/storage/staging-disk.ts';

export class SmallDisk {
  /** Null: no limit. */
  freeBytes: number | null = null;
  readonly #disk: StagingDisk;
  readonly #sizes = new Map<string, number>();
  readonly #paths = new Map<number, string>();

  constructor(disk: StagingDisk) {
    this.#disk = disk;
  }

  get calls(): StagingDisk {
    const disk = this.#disk;
    return {
      ...disk,
      open: (path, access, create) => {
        const descriptor = disk.open(path, access, create);
        this.#paths.set(descriptor, path);
        return descriptor;
      },
      write: (descriptor, data, offset, length, position) => {
        if (this.freeBytes !== null) {
          if (length > this.freeBytes) throw Object.assign(new Error('simulated ENOSPC'), { code: 'ENOSPC' });
          this.freeBytes -= length;
        }
        const path = this.#paths.get(descriptor) ?? '';
        this.#sizes.set(path, (this.#sizes.get(path) ?? 0) + length);
        return disk.write(descriptor, data, offset, length, position);
      },
      rename: (from, to) => {
        disk.rename(from, to);
        this.#sizes.set(to, this.#sizes.get(from) ?? 0);
        this.#sizes.delete(from);
      },
      unlink: (path) => {
        disk.unlink(path);
        if (this.freeBytes !== null) this.freeBytes += this.#sizes.get(path) ?? 0;
        this.#sizes.delete(path);
      },
    };
  }
}
