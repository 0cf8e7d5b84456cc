// The border where failures of this disk (system calls, SQLite) become errors of the file system. Used by the content part.

import { FsError } from './fs-error.ts';
import { errnoOf } from './staging-disk.ts';

/** https://sqlite.org/rescode.html#full */
const sqliteFull = 13;

/** No room on this disk, or for this user. */
export function isDiskFull(error: unknown): boolean {
  if (error instanceof FsError && error.code !== 'ENOSPC')
    return error.cause !== undefined && isDiskFull(error.cause);
  if (error instanceof Error && 'errcode' in error && error.errcode === sqliteFull) return true;
  const code = error instanceof FsError ? error.code : errnoOf(error);
  return code === 'ENOSPC' || code === 'EDQUOT';
}

/** Keeps the cause. What is not about room or size becomes EIO; an `FsError` stays what it is. */
export function fromDiskError(error: unknown, operation: string, path: string | null): FsError {
  if (error instanceof FsError) return error;
  const where = path === null ? {} : { path };
  const message = error instanceof Error ? error.message : String(error);
  const errno = errnoOf(error);
  const code = isDiskFull(error)
    ? errno === 'EDQUOT'
      ? 'EDQUOT'
      : 'ENOSPC'
    : errno === 'EFBIG'
      ? 'EFBIG'
      : 'EIO';
  return new FsError(code, operation, { ...where, message, cause: error });
}
