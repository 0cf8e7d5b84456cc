// Every file system call of the content part, so that tests can make the nth call fail and can take an image of the
// folders at a named step (what SIGKILL at that point would leave). `nodeDisk` is the real one. Not for SQLite's files.

import * as fs from 'node:fs';

/** Points in the life of staged and cached bytes between which a crash must lose nothing. */
export type DiskStep =
  | 'written'
  | 'data-synced'
  | 'directory-synced'
  | 'index-written'
  | 'committed'
  | 'truncated'
  | 'frozen'
  | 'sent'
  | 'adoption-announced'
  | 'adopted'
  | 'adoption-recorded'
  | 'merge-copied'
  | 'merge-synced'
  | 'merged'
  | 'dropped'
  | 'unlinked'
  | 'cache-synced'
  | 'cache-recorded';

export interface DiskSpace {
  readonly totalBytes: number;
  /** What an ordinary user may still write. */
  readonly freeBytes: number;
}

/** Failures are Node's errors with an errno `code`. */
export interface StagingDisk {
  /** `write` opens for reading and writing and creates the file where `create` says so. */
  open(path: string, access: 'read' | 'write', create: boolean): number;
  close(descriptor: number): void;
  read(
    descriptor: number,
    target: Uint8Array,
    targetOffset: number,
    length: number,
    position: number,
  ): number;
  /** Off the calling thread. `target` is borrowed until it settles. */
  readLater(
    descriptor: number,
    target: Uint8Array,
    targetOffset: number,
    length: number,
    position: number,
  ): Promise<number>;
  write(descriptor: number, data: Uint8Array, dataOffset: number, length: number, position: number): number;
  /** Off the calling thread. `data` is borrowed until it settles. */
  writeLater(
    descriptor: number,
    data: Uint8Array,
    dataOffset: number,
    length: number,
    position: number,
  ): Promise<number>;
  truncate(descriptor: number, sizeBytes: number): Promise<void>;
  /** `fdatasync` off the calling thread. */
  syncData(descriptor: number): Promise<void>;
  syncDirectory(path: string): Promise<void>;
  makeDirectory(path: string): void;
  rename(from: string, to: string): void;
  /** A missing file is no failure. */
  unlink(path: string): void;
  /** Null when there is no such file. */
  sizeOf(path: string): number | null;
  list(path: string): Promise<string[]>;
  space(path: string): Promise<DiskSpace>;
  step(name: DiskStep): void;
}

export const nodeDisk: StagingDisk = {
  open(path, access, create) {
    const flags =
      access === 'read'
        ? fs.constants.O_RDONLY
        : create
          ? fs.constants.O_RDWR | fs.constants.O_CREAT
          : fs.constants.O_RDWR;
    return fs.openSync(path, flags, 0o600);
  },
  close: fs.closeSync,
  read: fs.readSync,
  readLater(descriptor, target, targetOffset, length, position) {
    return new Promise((resolve, reject) => {
      fs.read(descriptor, target, targetOffset, length, position, (error, bytesRead) => {
        if (error === null) resolve(bytesRead);
        else reject(error);
      });
    });
  },
  write: fs.writeSync,
  writeLater(descriptor, data, dataOffset, length, position) {
    return new Promise((resolve, reject) => {
      fs.write(descriptor, data, dataOffset, length, position, (error, bytesWritten) => {
        if (error === null) resolve(bytesWritten);
        else reject(error);
      });
    });
  },
  truncate: (descriptor, sizeBytes) => settle((done) => fs.ftruncate(descriptor, sizeBytes, done)),
  syncData: (descriptor) => settle((done) => fs.fdatasync(descriptor, done)),
  async syncDirectory(path) {
    const directory = await fs.promises.open(path, 'r');
    try {
      await directory.sync();
    } finally {
      await directory.close();
    }
  },
  makeDirectory(path) {
    fs.mkdirSync(path, { recursive: true, mode: 0o700 });
  },
  rename: fs.renameSync,
  unlink(path) {
    fs.rmSync(path, { force: true });
  },
  sizeOf(path) {
    return fs.statSync(path, { throwIfNoEntry: false })?.size ?? null;
  },
  list: (path) => fs.promises.readdir(path),
  async space(path) {
    const { blocks, bavail, bsize } = await fs.promises.statfs(path);
    return { totalBytes: blocks * bsize, freeBytes: bavail * bsize };
  },
  step() {},
};

function settle(start: (done: (error: Error | null) => void) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    start((error) => {
      if (error === null) resolve();
      else reject(error);
    });
  });
}

/** The errno name of a failed system call, or null where `error` is none. */
export function errnoOf(error: unknown): string | null {
  if (!(error instanceof Error) || !('code' in error)) return null;
  return typeof error.code === 'string' ? error.code : null;
}
