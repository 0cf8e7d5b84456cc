// The one place where failures become NFS statuses (RFC 1813 section 2.6). Every final error on a buffered WRITE makes both
// kernels drop the data (Linux: nfs_write_completion; macOS: nfs_bio.c): what may pass is JUKEBOX, and STALE is kept for inodes that are gone for ever.

import { FsError, type FsErrorCode } from '../vfs/fs-error.ts';

export const Nfsstat3 = {
  OK: 0,
  PERM: 1,
  NOENT: 2,
  IO: 5,
  ACCES: 13,
  EXIST: 17,
  NOTDIR: 20,
  ISDIR: 21,
  INVAL: 22,
  FBIG: 27,
  NOSPC: 28,
  ROFS: 30,
  MLINK: 31,
  NAMETOOLONG: 63,
  NOTEMPTY: 66,
  DQUOT: 69,
  STALE: 70,
  BADHANDLE: 10001,
  NOT_SYNC: 10002,
  TOOSMALL: 10005,
  BADTYPE: 10007,
  JUKEBOX: 10008,
} as const;
export type Nfsstat3 = (typeof Nfsstat3)[keyof typeof Nfsstat3];

const statusOfCode: Readonly<Record<FsErrorCode, Nfsstat3>> = {
  EACCES: Nfsstat3.ACCES,
  EAGAIN: Nfsstat3.JUKEBOX,
  EDQUOT: Nfsstat3.DQUOT,
  EEXIST: Nfsstat3.EXIST,
  EFBIG: Nfsstat3.FBIG,
  EINVAL: Nfsstat3.INVAL,
  EIO: Nfsstat3.IO,
  EISDIR: Nfsstat3.ISDIR,
  EMLINK: Nfsstat3.MLINK,
  ENAMETOOLONG: Nfsstat3.NAMETOOLONG,
  ENOENT: Nfsstat3.NOENT,
  ENOSPC: Nfsstat3.NOSPC,
  ENOTDIR: Nfsstat3.NOTDIR,
  ENOTEMPTY: Nfsstat3.NOTEMPTY,
  ENOTSYNC: Nfsstat3.NOT_SYNC,
  EPERM: Nfsstat3.PERM,
  EROFS: Nfsstat3.ROFS,
  ESTALE: Nfsstat3.STALE,
};

const names = new Map<number, string>(Object.entries(Nfsstat3).map(([name, status]) => [status, name]));

/** `NOENT` and the like, for logs and activity. */
export function statusName(status: number): string {
  return names.get(status) ?? String(status);
}

/** A refusal that arises on the wire side: a handle, a name, an argument. */
export class NfsStatusError extends Error {
  override readonly name = 'NfsStatusError';
  readonly status: Nfsstat3;

  constructor(status: Nfsstat3, message: string) {
    super(message);
    this.status = status;
  }
}

export interface MappedError {
  readonly status: Nfsstat3;
  /** Not one of ours: a bug or an unforeseen fault, to be logged with its stack. */
  readonly isUnexpected: boolean;
}

/** `holdsData`: the call is a WRITE or COMMIT, whose client must keep its data and ask again. */
export function statusOf(error: unknown, holdsData: boolean): MappedError {
  if (error instanceof FsError) return { status: statusOfCode[error.code], isUnexpected: false };
  if (error instanceof NfsStatusError) return { status: error.status, isUnexpected: false };
  return { status: holdsData ? Nfsstat3.JUKEBOX : Nfsstat3.IO, isUnexpected: true };
}
