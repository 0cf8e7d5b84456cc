// The one border where the Hub's failures become errors of the file system. Used by content (reads) and by the namespace
// (listing). Uploads never pass here: a program's WRITE or COMMIT does not fail for the Hub's sake.

import { HubError } from '../hub/remote-store.ts';
import type { HubErrorCode } from '../hub/remote-store.ts';
import { FsError } from './fs-error.ts';
import type { FsErrorCode } from './fs-error.ts';

/** What trying again cannot mend. Names come from the catalogue, so even the Hub's not-found is no ENOENT here. */
const permanent: Record<HubErrorCode, FsErrorCode> = {
  unauthorized: 'EACCES',
  forbidden: 'EACCES',
  gated: 'EACCES',
  'not-found': 'EIO',
  'wrong-kind': 'EIO',
  conflict: 'EIO',
  'too-large': 'EFBIG',
  'rate-limited': 'EAGAIN',
  invalid: 'EIO',
  server: 'EIO',
  network: 'EAGAIN',
  timeout: 'EAGAIN',
  corrupt: 'EIO',
  aborted: 'EAGAIN',
};

/** Keeps the cause. Retryable failures become EAGAIN; what is no `HubError` becomes EIO; an `FsError` stays what it is. */
export function fromHubError(error: unknown, operation: string, path: string | null): FsError {
  if (error instanceof FsError) return error;
  const where = path === null ? {} : { path };
  if (!(error instanceof HubError)) {
    const message = error instanceof Error ? error.message : String(error);
    return new FsError('EIO', operation, { ...where, message, cause: error });
  }
  const code = error.retryable ? 'EAGAIN' : permanent[error.code];
  return new FsError(code, operation, { ...where, message: error.message, cause: error });
}
