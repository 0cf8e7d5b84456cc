// What all NFS procedures share: the file system they serve, its handles, the activity they record, and how a call that fails
// is told to the log, the activity and the counters.

import type { ActivityKind } from '../shared/activity.ts';
import type { Clock, Log } from '../shared/log.ts';
import type { FileSystem, MaybePromise } from '../vfs/file-system.ts';
import type { FileHandles } from './file-handle.ts';
import { NfsStatusError, Nfsstat3, statusName, statusOf } from './nfs3-status.ts';
import type { RpcCall } from './rpc-message.ts';
import type { BulkResults, LateResults } from './rpc-program.ts';
import type { XdrWriter } from './xdr-cursor.ts';

/** Where the server tells what programs do; the file system's activity log. Both must be cheap and not throw. */
export interface NfsActivity {
  recordInode(
    kind: ActivityKind,
    ino: number,
    offset: number,
    bytes: number,
    durationMs: number,
    detail?: string,
  ): void;
  record(
    kind: ActivityKind,
    path: string,
    details?: { toPath?: string; offset?: number; bytes?: number; durationMs?: number; detail?: string },
  ): void;
}

export interface Nfs3Context {
  readonly fileSystem: FileSystem;
  readonly handles: FileHandles;
  readonly activity: NfsActivity;
  readonly clock: Clock;
  readonly log: Log;
  readonly counters: FailureCounters;
}

export interface FailureCounters {
  stale: number;
  jukebox: number;
  unexpected: number;
}

/** The inodes a call named, noted as they are decoded: a failure's results carry their attributes. 0: none yet. */
export class CallObjects {
  first = 0;
  second = 0;
}

/** The parts of a failure's results, in order, made from the call's objects. */
export type FailureArm = 'nothing' | 'attributes' | 'wcc' | 'wcc and wcc' | 'attributes and wcc';

export interface Nfs3Procedure {
  readonly failureArm: FailureArm;
  /** A second run of the same call would do harm or fail. */
  readonly isDuplicateChecked?: boolean;
  /** Writes the status and results of a success, now or later. Throws or rejects with whatever `statusOf` maps. */
  run(call: RpcCall, out: XdrWriter, objects: CallObjects): undefined | BulkResults | Promise<LateResults>;
}

/**
 * Writes the results of a change that is done once it is on this disk: RFC 1813 section 4.7 lets only WRITE answer earlier, and
 * Linux sends nothing for the fsync of a folder. The results are those of the change itself, so that their order is its order.
 * A failed sync fails the call, although the change can be seen: nobody may build on it.
 */
export function answerDurably<T>(
  context: Nfs3Context,
  value: MaybePromise<T>,
  write: (out: XdrWriter, value: T) => void,
): Promise<LateResults> {
  if (value instanceof Promise) return value.then((result) => answerDurably(context, result, write));
  return context.fileSystem.sync().then(() => (late) => write(late, value));
}

/** Path inside the mount of a name in a folder, for activity. */
export function pathOfName(context: Nfs3Context, directory: number, name: string): string {
  const parent = context.fileSystem.pathOf(directory);
  return parent === null || parent === '' ? name : `${parent}/${name}`;
}

/** Worth a line in the activity: trouble of this disk or the Hub, not a program's ordinary question. */
const notable: ReadonlySet<Nfsstat3> = new Set([Nfsstat3.IO, Nfsstat3.NOSPC, Nfsstat3.DQUOT, Nfsstat3.FBIG]);

/** Finds the status of a failed call and records it. `ino`: what the call is about, 0 where its handle was refused. */
export function settleFailure(
  context: Nfs3Context,
  procedure: string,
  error: unknown,
  ino: number,
): Nfsstat3 {
  const holdsData = procedure === 'WRITE' || procedure === 'COMMIT';
  const mapped = statusOf(error, holdsData);
  if (mapped.isUnexpected) {
    context.counters.unexpected += 1;
    context.log.error('An NFS call failed unexpectedly', { procedure, ino }, error);
    recordFailure(context, 'ERROR', procedure, ino, error instanceof Error ? error.message : 'unknown cause');
  } else if (notable.has(mapped.status) || (procedure === 'READ' && mapped.status === Nfsstat3.ACCES)) {
    context.log.warn('An NFS call failed', { procedure, ino, status: statusName(mapped.status) });
    recordFailure(context, 'ERROR', procedure, ino, statusName(mapped.status));
  }
  if (mapped.status === Nfsstat3.STALE) {
    if ((holdsData || procedure === 'READ') && isAlive(context, ino)) {
      // hf-mount's data loss: STALE for a live inode made macOS drop what it had to write (its pull request 178).
      context.log.error('The file system called a live inode stale', { procedure, ino }, error);
      context.counters.jukebox += 1;
      return Nfsstat3.JUKEBOX;
    }
    context.counters.stale += 1;
    recordFailure(context, 'STALE', procedure, ino, 'STALE');
  }
  if (mapped.status === Nfsstat3.JUKEBOX) {
    context.counters.jukebox += 1;
    context.log.debug('Asked a client to try again later', { procedure, ino });
  }
  return mapped.status;
}

function recordFailure(
  context: Nfs3Context,
  kind: 'ERROR' | 'STALE',
  procedure: string,
  ino: number,
  cause: string,
): void {
  const detail = `${procedure}: ${cause}`;
  if (ino === 0) context.activity.record(kind, '', { detail });
  else context.activity.recordInode(kind, ino, 0, 0, 0, detail);
}

function isAlive(context: Nfs3Context, ino: number): boolean {
  if (ino === 0) return false;
  try {
    context.fileSystem.getAttributes(ino);
    return true;
  } catch (error) {
    return statusOf(error, false).status !== Nfsstat3.STALE;
  }
}

/** Throws unless `ino` is a regular file. */
export function refuseUnlessFile(type: 'file' | 'directory' | 'symlink'): void {
  if (type === 'directory') throw new NfsStatusError(Nfsstat3.ISDIR, 'It is a folder');
  if (type === 'symlink') throw new NfsStatusError(Nfsstat3.INVAL, 'It is a symbolic link');
}
