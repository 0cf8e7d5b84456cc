// The one error of VirtualFs. Codes are errno names. There is no EBADF: the protocol has no open files, so a missing
// or read-only descriptor is our own business and is reopened. ESTALE means an inode that is gone for ever.

export type FsErrorCode =
  | 'EACCES'
  | 'EAGAIN' // transient: the caller should try again
  | 'EDQUOT'
  | 'EEXIST'
  | 'EFBIG'
  | 'EINVAL'
  | 'EIO'
  | 'EISDIR'
  | 'EMLINK'
  | 'ENAMETOOLONG'
  | 'ENOENT'
  | 'ENOSPC'
  | 'ENOTDIR'
  | 'ENOTEMPTY'
  | 'ENOTSYNC' // setattr guard: the inode's ctime is not the expected one
  | 'EPERM'
  | 'EROFS'
  | 'ESTALE';

export class FsError extends Error {
  override readonly name = 'FsError';
  readonly code: FsErrorCode;
  readonly operation: string;
  readonly path: string | null;

  constructor(
    code: FsErrorCode,
    operation: string,
    details: { path?: string; message?: string; cause?: unknown } = {},
  ) {
    const where = details.path === undefined ? '' : ` "${details.path}"`;
    const why = details.message === undefined ? '' : `: ${details.message}`;
    super(
      `${code} in ${operation}${where}${why}`,
      details.cause === undefined ? undefined : { cause: details.cause },
    );
    this.code = code;
    this.operation = operation;
    this.path = details.path ?? null;
  }
}
