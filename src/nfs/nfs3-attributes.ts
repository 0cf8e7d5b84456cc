// Attributes on the wire, both ways: fattr3, post_op_attr and wcc_data are written here for all procedures, sattr3 becomes
// the file system's own terms. The fsid is the source's generation: it never changes for a handle.

import { FsError } from '../vfs/fs-error.ts';
import type { Attributes, Change, FileType, SetAttributes, Time } from '../vfs/file-system.ts';
import type { Nfs3Context } from './nfs3-context.ts';
import { ftype3, time_how, type Sattr3 } from './nfs3-schema.ts';
import { NfsStatusError, Nfsstat3 } from './nfs3-status.ts';
import type { XdrWriter } from './xdr-cursor.ts';

const FATTR3_BYTES = 84;
/** With the word that says that they follow. */
export const POST_OP_ATTR_BYTES = 4 + FATTR3_BYTES;
const TWO_32 = 0x1_0000_0000;
const MODE_BITS = 0o7777;

const wireType: Readonly<Record<FileType, number>> = {
  file: ftype3.NF3REG,
  directory: ftype3.NF3DIR,
  symlink: ftype3.NF3LNK,
};

/** Exactly FATTR3_BYTES; the caller has made room. */
export function writeFattr3(context: Nfs3Context, out: XdrWriter, attributes: Attributes): void {
  const { view } = out;
  const at = out.position;
  const { ino, sizeBytes, usedBytes } = attributes;
  const { handles } = context;
  view.setUint32(at, wireType[attributes.type]);
  view.setUint32(at + 4, attributes.mode);
  view.setUint32(at + 8, attributes.nlink);
  view.setUint32(at + 12, attributes.uid);
  view.setUint32(at + 16, attributes.gid);
  view.setUint32(at + 20, (sizeBytes / TWO_32) | 0);
  view.setUint32(at + 24, sizeBytes >>> 0);
  view.setUint32(at + 28, (usedBytes / TWO_32) | 0);
  view.setUint32(at + 32, usedBytes >>> 0);
  view.setUint32(at + 36, 0);
  view.setUint32(at + 40, 0);
  view.setUint32(at + 44, handles.generationHigh);
  view.setUint32(at + 48, handles.generationLow);
  view.setUint32(at + 52, (ino / TWO_32) | 0);
  view.setUint32(at + 56, ino >>> 0);
  setTime(view, at + 60, attributes.atime);
  setTime(view, at + 68, attributes.mtime);
  setTime(view, at + 76, attributes.ctime);
  out.position = at + FATTR3_BYTES;
}

/** nfstime3 counts from 1970 in 32 unsigned bits; what lies outside is shown as the nearest that fits. */
function setTime(view: DataView, at: number, time: Time): void {
  const { sec } = time;
  view.setUint32(at, sec < 0 ? 0 : sec >= TWO_32 ? TWO_32 - 1 : sec);
  view.setUint32(at + 4, time.nsec);
}

export function writeAttributes(context: Nfs3Context, out: XdrWriter, attributes: Attributes): void {
  out.uint32(1);
  writeFattr3(context, out, attributes);
}

/** Never throws: an inode that is gone, or 0, has no attributes. */
export function writePostOpAttr(context: Nfs3Context, out: XdrWriter, ino: number): void {
  const attributes = ino === 0 ? null : attributesIfThere(context, ino);
  if (attributes === null) out.uint32(0);
  else writeAttributes(context, out, attributes);
}

function attributesIfThere(context: Nfs3Context, ino: number): Attributes | null {
  try {
    return context.fileSystem.getAttributes(ino);
  } catch (error) {
    // Best effort by RFC 1813 section 2.6: the call's own status says what is wrong.
    if (!(error instanceof FsError)) context.log.error('Attributes could not be told', { ino }, error);
    return null;
  }
}

export function writeWcc(context: Nfs3Context, out: XdrWriter, change: Change): void {
  const { before } = change;
  if (before === null) out.uint32(0);
  else {
    out.uint32(1);
    out.uint64(before.sizeBytes);
    setTime(out.view, out.position, before.mtime);
    setTime(out.view, out.position + 8, before.ctime);
    out.position += 16;
  }
  writeAttributes(context, out, change.after);
}

/** Without `before`, which would have to be atomic with a change: a wrong one keeps stale caches alive. */
export function writeWccAfter(context: Nfs3Context, out: XdrWriter, ino: number): void {
  out.uint32(0);
  writePostOpAttr(context, out, ino);
}

export function setAttributesOf(sattr: Sattr3): SetAttributes {
  const { mode, uid, gid, size, atime, mtime } = sattr;
  if (size !== null && size > Number.MAX_SAFE_INTEGER)
    throw new NfsStatusError(Nfsstat3.FBIG, 'The size is too large');
  return {
    ...(mode === null ? {} : { mode: mode & MODE_BITS }),
    ...(uid === null ? {} : { uid }),
    ...(gid === null ? {} : { gid }),
    ...(size === null ? {} : { sizeBytes: size }),
    ...(atime.set_it === time_how.DONT_CHANGE ? {} : { atime: timeOf(atime) }),
    ...(mtime.set_it === time_how.DONT_CHANGE ? {} : { mtime: timeOf(mtime) }),
  };
}

function timeOf(set: Sattr3['atime']): Time | 'now' {
  if (set.set_it !== time_how.SET_TO_CLIENT_TIME) return 'now';
  const { seconds, nseconds } = set.time;
  if (nseconds >= 1_000_000_000) throw new NfsStatusError(Nfsstat3.INVAL, 'A second has 1e9 nanoseconds');
  return { sec: seconds, nsec: nseconds };
}
