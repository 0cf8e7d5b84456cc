// Uploads one version of one file: freezes it, makes the Hub hold its bytes, and hands back the content to be committed. It
// knows no names; naming it on the Hub is the committer's job.

import { emptyXetKey, type ContentRef } from '../../hub/remote-store.ts';
import { FsError } from '../fs-error.ts';
import type { Snapshot } from '../parts.ts';
import type { PendingFile, UploadedVersion } from './upload-files.ts';
import type { UploadParts } from './upload-parts.ts';

/**
 * Rejects with HubError, or FsError where the bytes cannot be read here; the snapshot is abandoned then. Whoever gets the
 * version must call `committed` or `abandoned` on its snapshot.
 */
export async function uploadVersion(
  file: PendingFile,
  signal: AbortSignal,
  parts: UploadParts,
): Promise<UploadedVersion> {
  const snapshot = await parts.content.snapshot(file.ino);
  if (snapshot === null) {
    return { snapshot, content: contentWithoutStaging(file.ino, parts), transfer: null };
  }
  try {
    return { snapshot, ...(await uploadSnapshot(file, snapshot, signal, parts)) };
  } catch (cause) {
    await snapshot.abandoned();
    throw cause;
  }
}

/** Nothing is staged: a file that was only created, or one whose content the Hub has already under another name. */
function contentWithoutStaging(ino: number, { namespace }: UploadParts): ContentRef {
  const base = namespace.base(ino);
  if (base !== null) return base;
  if (namespace.sizeBytes(ino) === 0) return emptyContent();
  const path = namespace.pathOf(ino);
  throw new FsError('EIO', 'upload', {
    ...(path === null ? {} : { path }),
    message: 'its content is neither staged here nor known to the Hub',
  });
}

async function uploadSnapshot(
  file: PendingFile,
  snapshot: Snapshot,
  signal: AbortSignal,
  parts: UploadParts,
): Promise<Omit<UploadedVersion, 'snapshot'>> {
  signal.throwIfAborted();
  if (snapshot.sizeBytes === 0) return { content: emptyContent(), transfer: null };
  const path = parts.namespace.pathOf(file.ino) ?? '';
  parts.activity.record('UPLOAD', path, { bytes: snapshot.sizeBytes, detail: 'uploading' });
  const result = await parts.remote.upload(snapshot, {
    signal,
    onProgress: ({ doneBytes, totalBytes }) => {
      file.doneBytes = doneBytes;
      file.totalBytes = totalBytes;
    },
  });
  parts.activity.count('uploadedBytes', result.sentBytes);
  parts.activity.count('savedBytes', result.savedBytes);
  if (result.downloadedBytes > 0) parts.activity.count('editDownloadedBytes', result.downloadedBytes);
  const { content, sentBytes, savedBytes } = result;
  // The content part counts what it fetches for the mount itself.
  const downloadedBytes = result.downloadedBytes + snapshot.baseDownloadedBytes;
  const changedBytes = snapshot.dirty.reduce((sum, { start, end }) => sum + end - start, 0);
  return { content, transfer: { changedBytes, sentBytes, savedBytes, downloadedBytes } };
}

function emptyContent(): ContentRef {
  return { key: emptyXetKey, sizeBytes: 0, path: '' };
}
