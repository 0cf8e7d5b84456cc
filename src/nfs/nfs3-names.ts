// Names and paths from the wire: bounded, valid UTF-8, nothing that could be taken for a path. They are never joined to a
// path of this machine.

import { isUtf8 } from 'node:buffer';
import { MAX_NAME_ON_WIRE } from './nfs3-schema.ts';
import { NfsStatusError, Nfsstat3 } from './nfs3-status.ts';
import type { XdrReader } from './xdr-cursor.ts';

export const MAX_NAME_BYTES = 255;
/** Linux's limit; macOS makes none longer than 1024. */
const MAX_LINK_TARGET_BYTES = 4096;
const SLASH = 0x2f;

/** Reads a filename3 without a schema. "." and ".." pass. */
export function readName(reader: XdrReader): string {
  const length = reader.length(MAX_NAME_ON_WIRE);
  return checkName(reader.bytes, reader.skip(length), length);
}

/** A filename3 that was decoded by schema. "." and ".." pass. */
export function nameOf(bytes: Uint8Array): string {
  return checkName(asBuffer(bytes), 0, bytes.length);
}

/** The name of something to be made: "." and ".." are there already. */
export function newNameOf(bytes: Uint8Array): string {
  const name = nameOf(bytes);
  if (name === '.' || name === '..') throw new NfsStatusError(Nfsstat3.EXIST, `"${name}" is always there`);
  return name;
}

/** The name of something to be removed or moved: "." and ".." stay. */
export function movableNameOf(bytes: Uint8Array): string {
  const name = nameOf(bytes);
  if (name === '.' || name === '..')
    throw new NfsStatusError(Nfsstat3.INVAL, `"${name}" cannot be removed or moved`);
  return name;
}

export function linkTargetOf(bytes: Uint8Array): string {
  if (bytes.length > MAX_LINK_TARGET_BYTES)
    throw new NfsStatusError(Nfsstat3.NAMETOOLONG, 'The target is too long');
  if (bytes.length === 0 || bytes.includes(0) || !isUtf8(bytes)) {
    throw new NfsStatusError(Nfsstat3.INVAL, 'The target is empty or no UTF-8 text');
  }
  return asBuffer(bytes).toString('utf8');
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
}

function checkName(bytes: Buffer, start: number, length: number): string {
  if (length === 0) throw new NfsStatusError(Nfsstat3.INVAL, 'A name has at least one byte');
  if (length > MAX_NAME_BYTES) throw new NfsStatusError(Nfsstat3.NAMETOOLONG, `A name of ${length} bytes`);
  const end = start + length;
  let isAscii = true;
  for (let at = start; at < end; at += 1) {
    const byte = bytes[at] ?? 0;
    if (byte === 0 || byte === SLASH)
      throw new NfsStatusError(Nfsstat3.INVAL, 'A name has neither "/" nor NUL');
    if (byte >= 0x80) isAscii = false;
  }
  if (isAscii) return bytes.toString('latin1', start, end);
  if (!isUtf8(bytes.subarray(start, end))) throw new NfsStatusError(Nfsstat3.INVAL, 'A name is UTF-8');
  return bytes.toString('utf8', start, end);
}
