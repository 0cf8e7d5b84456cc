// The border where failures of this disk (system calls, SQLite) become errors of the file system. Used by the content part.

import { FsError, type FsErrorCode } from '../fs-error.ts';
import { errnoOf } from './staging-disk.ts';

/** https://sqlite.org/rescode.html; the low byte of extended codes. */
const sqliteFull = 13;
/** Busy, locked, no memory. */
const passingSqlite: ReadonlySet<number> = new Set([5, 6, 7]);
const passingErrnos: ReadonlySet<string> = new Set([
  'EMFILE',
  'ENFILE',
  'ENOMEM',
  'EAGAIN',
  'EINTR',
  'EBUSY',
]);

/** No room on this disk, or for this user. */
export function isDiskFull(error: unknown): boolean {
  if (error instanceof FsError && error.code !== 'ENOSPC')
    return error.cause !== undefined && isDiskFull(error.cause);
  if (sqliteCodeOf(error) === sqliteFull) return true;
  const code = error instanceof FsError ? error.code : errnoOf(error);
  return code === 'ENOSPC' || code === 'EDQUOT';
}

/** The process or the system is short of something at this moment, or another program holds the catalogue. */
export function isPassing(error: unknown): boolean {
  const sqliteCode = sqliteCodeOf(error);
  return sqliteCode === null ? passingErrnos.has(errnoOf(error) ?? '') : passingSqlite.has(sqliteCode);
}

function sqliteCodeOf(error: unknown): number | null {
  if (!(error instanceof Error) || !('errcode' in error) || typeof error.errcode !== 'number') return null;
  return error.errcode & 0xff;
}

/**
 * Keeps the cause. What may pass becomes EAGAIN: a final error on a WRITE would make kernels drop the data. What is not
 * about room or size either becomes EIO; an `FsError` stays what it is.
 */
export function fromDiskError(error: unknown, operation: string, path: string | null): FsError {
  if (error instanceof FsError) return error;
  const where = path === null ? {} : { path };
  const message = error instanceof Error ? error.message : String(error);
  const errno = errnoOf(error);
  return new FsError(codeOf(error, errno), operation, { ...where, message, cause: error });
}

function codeOf(error: unknown, errno: string | null): FsErrorCode {
  if (isDiskFull(error)) return errno === 'EDQUOT' ? 'EDQUOT' : 'ENOSPC';
  if (isPassing(error)) return 'EAGAIN';
  return errno === 'EFBIG' ? 'EFBIG' : 'EIO';
}
