// What a protocol server may ask of VirtualFs, and the types both speak. No wire terms here (RFC 1813 lives in
// `src/nfs`). Methods that memory can answer return a plain value; they return a promise only where they truly wait, so
// that the server can reply within the same turn. All failures are `FsError`, thrown or rejected.

export type MaybePromise<T> = T | Promise<T>;

export type FileType = 'file' | 'directory' | 'symlink';

/** A point in time as POSIX has it. Both are safe integers; `nsec` is 0…999,999,999. */
export interface Time {
  readonly sec: number;
  readonly nsec: number;
}

export interface Attributes {
  /** 1…2^53-1, never reused for another file in the life of the catalogue. */
  readonly ino: number;
  readonly type: FileType;
  /** Permission bits only, 0…0o7777. */
  readonly mode: number;
  /** At least 1 for every inode that can still be reached. */
  readonly nlink: number;
  readonly uid: number;
  readonly gid: number;
  readonly sizeBytes: number;
  /** Logical bytes in use as `du` should see them. */
  readonly usedBytes: number;
  readonly atime: Time;
  readonly mtime: Time;
  /** Strictly increases at every change of the inode: Linux takes it as the change attribute. */
  readonly ctime: Time;
}

/** What `wcc_data` needs. `before` was taken atomically with the change, or is null. */
export interface Change {
  readonly before: { readonly sizeBytes: number; readonly mtime: Time; readonly ctime: Time } | null;
  readonly after: Attributes;
}

export interface SetAttributes {
  readonly mode?: number;
  readonly uid?: number;
  readonly gid?: number;
  readonly sizeBytes?: number;
  readonly atime?: Time | 'now';
  readonly mtime?: Time | 'now';
}

/** Who asks, by AUTH_SYS. On a one-person mount only uid 0 and the owner get here. */
export interface Caller {
  readonly uid: number;
  readonly gid: number;
}

export type CreateMode =
  | { readonly type: 'unchecked'; readonly attributes: SetAttributes }
  | { readonly type: 'guarded'; readonly attributes: SetAttributes }
  /** The same 8 bytes again are the same request (lost reply): success. */
  | { readonly type: 'exclusive'; readonly verifier: Uint8Array };

export interface Created {
  readonly attributes: Attributes;
  readonly directory: Change;
}

/** Receives one entry; returns false to stop before taking it (the reply is full). Cookies rise strictly, 3…2^31-1. */
export interface EntryVisitor {
  (name: string, ino: number, cookie: number): boolean;
  /** May be called instead, with the name as UTF-8 where it is stored: `bytes` is borrowed for the call. Spares a string for every entry. */
  readonly raw?: (bytes: Uint8Array, start: number, end: number, ino: number, cookie: number) => boolean;
}

export interface Space {
  readonly totalBytes: number;
  readonly freeBytes: number;
  readonly totalFiles: number;
  readonly freeFiles: number;
}

export interface FileSystem {
  readonly rootIno: number;
  /** No write bits anywhere and EROFS from every change. */
  readonly readOnly: boolean;
  /** 64-bit generation of the source as 8 bytes, see file handles in docs/architecture.md. */
  readonly generation: Uint8Array;
  /** 8 bytes, never all zero; changes exactly when data not yet committed could have been lost. Owned by the callee. */
  writeVerifier(): Uint8Array;

  /** Always synchronous. ESTALE if the inode is gone for ever. */
  getAttributes(ino: number): Attributes;
  /** Synchronous for a known folder. `.` and `..` work; names are NFC/NFD-insensitive. */
  lookup(directory: number, name: string): MaybePromise<Attributes>;
  /** `guard`: fails with ENOTSYNC unless it equals the ctime. */
  setAttributes(ino: number, changes: SetAttributes, caller: Caller, guard?: Time): MaybePromise<Change>;
  readLink(ino: number): string;

  /**
   * Fills `target` from `offset`, fewer bytes only at the end of the file. `target` is borrowed until the result is there.
   * Uncached remote data: waits at most about 10 s, then EAGAIN; the fetch goes on in the background.
   * `isAlone`: the caller has nothing else to do, so what is in memory is read in this turn, however long it is.
   */
  read(
    ino: number,
    offset: number,
    target: Uint8Array,
    isAlone?: boolean,
  ): MaybePromise<{ readonly bytesRead: number; readonly eof: boolean }>;
  /** Stores all of `data` in local staging. `data` is borrowed only until the call returns, also where a promise is returned. Never fails for the Hub's sake. */
  write(ino: number, offset: number, data: Uint8Array): MaybePromise<Change>;
  /** Data and its journal are on this disk when it resolves. Concurrent calls share one sync. */
  commit(ino: number): Promise<Attributes>;

  create(directory: number, name: string, how: CreateMode, caller: Caller): MaybePromise<Created>;
  makeDirectory(
    directory: number,
    name: string,
    attributes: SetAttributes,
    caller: Caller,
  ): MaybePromise<Created>;
  makeSymlink(
    directory: number,
    name: string,
    target: string,
    attributes: SetAttributes,
    caller: Caller,
  ): MaybePromise<Created>;
  link(
    ino: number,
    directory: number,
    name: string,
  ): MaybePromise<{ readonly attributes: Attributes; readonly directory: Change }>;
  remove(directory: number, name: string): MaybePromise<Change>;
  removeDirectory(directory: number, name: string): MaybePromise<Change>;
  rename(
    fromDirectory: number,
    fromName: string,
    toDirectory: number,
    toName: string,
  ): MaybePromise<{ readonly from: Change; readonly to: Change }>;

  /**
   * Visits the entries with a cookie greater than `afterCookie` in rising order ("." is 1 and ".." is 2: the caller makes
   * them). Resolves to true when the last entry was taken. Stable under concurrent change.
   */
  readDirectory(directory: number, afterCookie: number, visit: EntryVisitor): MaybePromise<boolean>;

  /**
   * Every change of names and attributes made before the call is on this disk when it resolves; concurrent calls share one sync.
   * Rejects with EIO where the disk does not take it: the change stays visible and goes with the next sync that succeeds.
   */
  sync(): Promise<void>;

  space(): Space;
  /** Inode of the parent folder, itself for the root. */
  parentOf(directory: number): number;
  /** For activity and logs: a path of the inode inside the mount ('' for the root), null when it is gone. */
  pathOf(ino: number): string | null;
}
