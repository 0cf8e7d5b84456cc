// The seams inside VirtualFs: what its three parts (namespace, content, uploads) promise one another. Each part owns
// its own tables in the one catalogue database and joins the transaction of whoever calls it, so that a change of names and
// what must be sent because of it become durable together.

import type { DatabaseSync } from 'node:sqlite';
import type { ByteRange, ContentRef, RemoteStore } from '../hub/remote-store.ts';
import type { ActivityKind, Transfer } from '../shared/activity.ts';
import type { Clock, Log } from '../shared/log.ts';
import type { MaybePromise } from './file-system.ts';

/** Handed to every part at construction. */
export interface Surroundings {
  readonly remote: RemoteStore;
  readonly clock: Clock;
  readonly log: Log;
  readonly activity: ActivitySink;
  readonly database: CatalogueDatabase;
}

export interface ActivitySink {
  record(
    kind: ActivityKind,
    path: string,
    details?: {
      toPath?: string;
      offset?: number;
      bytes?: number;
      durationMs?: number;
      detail?: string;
      transfer?: Transfer;
    },
  ): void;
  /** Adds to the counters that no event carries. */
  count(
    counter: 'downloadedBytes' | 'editDownloadedBytes' | 'uploadedBytes' | 'savedBytes' | 'filesCommitted',
    amount: number,
  ): void;
}

export interface CatalogueDatabase {
  readonly handle: DatabaseSync;
  /** Nested calls join the outer transaction. Synchronous; rolls back if `work` throws, and with ENOSPC where there is no room. In the page cache afterwards (survives SIGKILL), on disk after `sync`. */
  transaction<T>(work: () => T): T;
  /** Runs once the outermost transaction has committed; at once where none is open. Must not throw. */
  afterCommit(callback: () => void): void;
  /** Runs if the open transaction rolls back, newest first, to undo changes in memory. Must not throw. */
  onRollback(callback: () => void): void;
  /** Everything committed so far is on disk when it resolves. Concurrent callers share one sync. */
  sync(): Promise<void>;
}

// ---- content: cache of remote bytes, staged changes, open descriptors ---------------------------------------------

/** What content asks of the namespace about an inode. */
export interface InodeContentView {
  /** The remote version the file is based on, null for a file the Hub has never had. */
  base(ino: number): ContentRef | null;
  sizeBytes(ino: number): number;
  /** For activity and messages only. */
  pathOf(ino: number): string | null;
}

/** A frozen version of a staged file. Writes that come later go to a layer above it, so its bytes never change. */
export interface Snapshot {
  readonly ino: number;
  readonly sizeBytes: number;
  readonly base: ContentRef | null;
  readonly dirty: readonly ByteRange[];
  /** Bytes of the base that its reads fetched so far. */
  readonly baseDownloadedBytes: number;
  /** Fills `target` fully. Base bytes that are not cached are fetched (and counted as edit downloads). */
  read(offset: number, target: Uint8Array, signal?: AbortSignal): Promise<void>;
  /**
   * The version is on the Hub as `content`: inside the caller's transaction its layer becomes cache of `content` and later
   * writes become the staged file over it. Returns whether the inode is clean now. Call exactly one of the two, once.
   */
  committed(content: ContentRef): { readonly clean: boolean };
  /** The attempt was given up: the layers become one again. */
  abandoned(): Promise<void>;
}

export interface StagedSummary {
  readonly ino: number;
  readonly sizeBytes: number;
  readonly dirtyBytes: number;
}

export interface ContentStore {
  /**
   * Bytes read; fewer than asked only at `sizeBytes` of the inode. Synchronous when the bytes are local and hot, and few or
   * `isAlone` (see FileSystem.read).
   */
  read(ino: number, offset: number, target: Uint8Array, isAlone?: boolean): MaybePromise<number>;
  /**
   * `data` is borrowed only until the call returns. Does not touch the inode's size or times: the caller does, in `stored`, which
   * runs in the turn in which the bytes are there, so that no version is taken in between. What it throws fails the write.
   */
  write(ino: number, offset: number, data: Uint8Array, stored?: () => void): MaybePromise<void>;
  /** Shrinking forgets bytes for good; growing adds zeros. */
  truncate(ino: number, sizeBytes: number): MaybePromise<void>;
  /** Staged bytes, the index that makes them trusted, and what else is in the catalogue are on disk. A failed sync changes the verifier and rejects with EIO. */
  commit(ino: number): Promise<void>;
  writeVerifier(): Uint8Array;
  isStaged(ino: number): boolean;
  /**
   * Null when the inode has a base and nothing is staged over it. A file without a base (`InodeContentView.base` is null)
   * always has one, at least the empty file: creating a file calls nothing here. One snapshot of an inode at a time.
   */
  snapshot(ino: number): MaybePromise<Snapshot | null>;
  /** The inode is gone, or its staged change is discarded: staging files are deleted once the transaction is durable. */
  forget(ino: number): void;
  /** The base changed under a clean inode (remote change): pooled descriptors and read-ahead of it are dropped. */
  baseChanged(ino: number): void;
  staged(): readonly StagedSummary[];
  space(): { readonly totalBytes: number; readonly freeBytes: number };
  cacheUse(): { readonly usedBytes: number; readonly limitBytes: number };
  /** Frees clean cached content, oldest first; never staged data. Resolves to the bytes freed. */
  evict(bytes: number): Promise<number>;
  close(): Promise<void>;
}

// ---- namespace: what uploads asks of names and inodes ---------------------------------------------------------------

/** One place where a file must appear on the Hub. */
export interface UploadTarget {
  /** Hub path now (a file may have been renamed since it was queued). */
  readonly path: string;
  /** Key of what the Hub is believed to hold there once the operations logged before are done; null for nothing. */
  readonly expect: string | null;
}

export interface NamespaceForUploads {
  /** Where the inode's content belongs on the Hub: empty when all its names are gone or are local-only. */
  uploadTargets(ino: number): readonly UploadTarget[];
  mtimeMs(ino: number): number;
  /** Inside the caller's transaction: the Hub holds `content` at `path`; `clean` as `Snapshot.committed` said. */
  noteCommitted(ino: number, path: string, content: ContentRef, clean: boolean): void;
  /**
   * The Hub holds something else than expected at `path` (null: nothing). Keeps both: theirs takes the name, ours is
   * moved beside it as `name (conflict HOST YYYY-MM-DD HHMMSS).ext`. Returns the Hub path ours has now. Inside the caller's transaction.
   */
  keepBoth(ino: number, path: string, theirs: RemoteTheirs | null): string;
  /** A delete or move met another version: theirs stays and becomes visible again here. Inside the caller's transaction. */
  restoreTheirs(path: string, theirs: RemoteTheirs): void;
  /** The inode that has a name at this Hub path here, local-only ones included; null for none. Memory only, fast. */
  inodeAt(path: string): number | null;
  /**
   * The person gave up the local content of `ino`: it shows the Hub's version again, or loses its names if the Hub never
   * had one. Calls `ContentStore.forget` itself. Inside the caller's transaction.
   */
  noteDiscarded(ino: number): void;
  /**
   * The Hub holds `key` at a path whose file has another name by now, or none: whichever file has the name expects it there. False
   * where none has. Inside the caller's transaction.
   */
  noteArrived(path: string, key: string): boolean;
  /** What was sent has changed these paths on the Hub: what was listed before is not believed about them. */
  noteSent(paths: readonly string[]): void;
  /** What the Hub has at these paths is not what was believed (a logged operation was given up, a move met other files): list their folders again soon. */
  relist(paths: readonly string[]): void;
}

export interface RemoteTheirs {
  readonly content: ContentRef;
  readonly mtimeMs: number;
}

// ---- uploads: the persistent queue ------------------------------------------------------------------------------------

/** Logged in the caller's transaction, done in order wherever paths overlap. Paths are Hub paths. */
export type NamespaceOperation =
  | { readonly type: 'delete'; readonly path: string; readonly expect: string }
  /** `expectTo`: what is overwritten at `to`, null for nothing. */
  | {
      readonly type: 'move';
      readonly from: string;
      readonly to: string;
      readonly content: ContentRef;
      readonly mtimeMs: number;
      readonly expectTo: string | null;
    }
  /** Everything the Hub has below `from`, listed or not; one resumable job. `to` does not exist on the Hub. */
  | { readonly type: 'moveTree'; readonly from: string; readonly to: string }
  /** A further name for content the Hub has (hard link). */
  | { readonly type: 'copy'; readonly path: string; readonly content: ContentRef; readonly mtimeMs: number };

export type UploadState =
  | { readonly state: 'received' } // in staging, not yet committed by the program
  | { readonly state: 'safe'; readonly sendAt: number } // on this disk; will be sent at
  | { readonly state: 'uploading'; readonly doneBytes: number; readonly totalBytes: number }
  | { readonly state: 'committing' }
  | {
      readonly state: 'failed';
      readonly cause: string;
      readonly code: string;
      readonly attempts: number;
      readonly nextTryAt: number;
    };

export interface PendingItem {
  /** Stable while it is pending: `file:<ino>` or `op:<number>`. */
  readonly id: string;
  readonly kind: 'file' | 'delete' | 'move' | 'moveTree' | 'copy';
  /** Path inside the mount; for moves the new one. */
  readonly path: string;
  readonly bytes: number;
  readonly state: UploadState;
}

export interface UploadQueue {
  /**
   * In the transaction of the change. The file is sent 2 s after the last change, at most 30 s after the first. Called at
   * creation, at the first WRITE over a clean file, then about twice a second while writing goes on (not at each WRITE).
   */
  noteChanged(ino: number): void;
  /** The program committed it: shows as safe. */
  noteCommittedLocally(ino: number): void;
  /** In the transaction of the change: all names gone or discarded. */
  noteRemoved(ino: number): void;
  log(operation: NamespaceOperation): void;
  /** Paths touched by operations not yet done on the Hub, or by the request under way; the poller must not believe listings about them. */
  isPathPending(path: string): boolean;
  /**
   * Key that the Hub may have at a path although nobody was told so: a request for it ended without an answer. Null for none, and
   * while the request is under way.
   */
  unsureKey(path: string): string | null;
  /** Maps a Hub path as it will be to where the Hub has it now (undoes logged moves, newest first). */
  remotePathNow(path: string): string;
  pending(): readonly PendingItem[];
  pendingTotals(): { readonly files: number; readonly bytes: number };
  /** Sends everything now; resolves when nothing is pending or rejects with the first failure of this round. */
  flush(signal?: AbortSignal): Promise<void>;
  retryNow(id?: string): void;
  pause(): void;
  resume(): void;
  /** Gives up local changes of the item for good (explicit wish of the person only). */
  discard(id: string): void;
  /** Stops sending; what is unsent stays for the next start. */
  close(): Promise<void>;
}
