// Makes the name under which our version of a file is kept beside another client's. Used by the namespace when it keeps
// both, and by the mover of folders. Uniqueness is the caller's business.

import { cutBytes } from './cut-bytes.ts';

/** NFS and the file systems people copy to allow 255 bytes of UTF-8. */
const longestNameBytes = 255;
const longestHostBytes = 63;
/** Longer "extensions" are mostly a sentence with a dot in it. */
const longestExtensionBytes = 20;

/**
 * `name (conflict HOST YYYY-MM-DD HHMMSS).ext` in local time; `copy` from 2 on adds a number for a name that is taken.
 * At most 255 bytes: the stem is shortened, never the extension. Compound extensions (`.tar.gz`) stay whole.
 */
export function conflictName(name: string, hostName: string, atMs: number, copy = 1): string {
  const [stem, extension] = splitExtension(name);
  const host = cutBytes(
    hostName.replace(/[\u0000-\u001f/\\:]/gu, '-').replace(/\.local$/u, ''),
    longestHostBytes,
  );
  const number = copy > 1 ? ` ${copy}` : '';
  const suffix = ` (conflict ${host === '' ? 'here' : host} ${localStamp(atMs)}${number})${extension}`;
  return cutBytes(stem, longestNameBytes - Buffer.byteLength(suffix)) + suffix;
}

/** As `conflictName`, for the last segment of a Hub path. */
export function conflictPath(path: string, hostName: string, atMs: number, copy = 1): string {
  const slash = path.lastIndexOf('/');
  return path.slice(0, slash + 1) + conflictName(path.slice(slash + 1), hostName, atMs, copy);
}

function splitExtension(name: string): [stem: string, extension: string] {
  const match = /^(.+?)((?:\.tar)?\.[^.\s]+)$/u.exec(name);
  const stem = match?.[1];
  const extension = match?.[2];
  if (stem === undefined || extension === undefined || Buffer.byteLength(extension) > longestExtensionBytes) {
    return [name, ''];
  }
  return [stem, extension];
}

function localStamp(atMs: number): string {
  const date = new Date(atMs);
  const two = (value: number): string => String(value).padStart(2, '0');
  const day = `${String(date.getFullYear()).padStart(4, '0')}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
  return `${day} ${two(date.getHours())}${two(date.getMinutes())}${two(date.getSeconds())}`;
}
