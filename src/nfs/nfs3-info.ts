// FSSTAT, FSINFO and PATHCONF (RFC 1813 3.3.18 to 3.3.20): what the client may expect of the whole file system.

import { writePostOpAttr } from './nfs3-attributes.ts';
import type { Nfs3Context, Nfs3Procedure } from './nfs3-context.ts';
import { MAX_NAME_BYTES } from './nfs3-names.ts';
import { FSF3, MAX_TRANSFER_BYTES } from './nfs3-schema.ts';
import { Nfsstat3 } from './nfs3-status.ts';
import type { RpcCall } from './rpc-message.ts';

/** Must not be 0; a page. */
const TRANSFER_MULTIPLE_BYTES = 4096;
/** Linux and macOS take their folder pages from this. A page of this size is 1 to 2 ms of work, and a round trip for each costs as much. */
const PREFERRED_LISTING_BYTES = 512 * 1024;
/** Offsets are exact numbers up to here, and no file of the Hub is larger. */
const MAX_FILE_BYTES = Number.MAX_SAFE_INTEGER;
const MAX_LINKS = 32_767;

export function infoProcedures(context: Nfs3Context) {
  const { fileSystem, handles } = context;

  const readObject = (call: RpcCall, objects: { first: number }): number => {
    const ino = handles.read(call.reader);
    objects.first = ino;
    call.reader.finish();
    return fileSystem.getAttributes(ino).ino;
  };

  const FSSTAT: Nfs3Procedure = {
    failureArm: 'attributes',
    run(call, out, objects) {
      const ino = readObject(call, objects);
      const space = fileSystem.space();
      out.uint32(Nfsstat3.OK);
      writePostOpAttr(context, out, ino);
      out.uint64(space.totalBytes);
      out.uint64(space.freeBytes);
      out.uint64(space.freeBytes);
      out.uint64(space.totalFiles);
      out.uint64(space.freeFiles);
      out.uint64(space.freeFiles);
      // invarsec: the figures may change at any time.
      out.uint32(0);
      return undefined;
    },
  };

  const FSINFO: Nfs3Procedure = {
    failureArm: 'attributes',
    run(call, out, objects) {
      const ino = readObject(call, objects);
      out.uint32(Nfsstat3.OK);
      writePostOpAttr(context, out, ino);
      // rtmax, rtpref, rtmult and the same for WRITE. macOS takes the preferred ones as a ceiling.
      for (let direction = 0; direction < 2; direction += 1) {
        out.uint32(MAX_TRANSFER_BYTES);
        out.uint32(MAX_TRANSFER_BYTES);
        out.uint32(TRANSFER_MULTIPLE_BYTES);
      }
      out.uint32(PREFERRED_LISTING_BYTES);
      out.uint64(MAX_FILE_BYTES);
      // time_delta: times are exact to a nanosecond.
      out.uint32(0);
      out.uint32(1);
      out.uint32(FSF3.LINK | FSF3.SYMLINK | FSF3.HOMOGENEOUS | FSF3.CANSETTIME);
      return undefined;
    },
  };

  const PATHCONF: Nfs3Procedure = {
    failureArm: 'attributes',
    run(call, out, objects) {
      const ino = readObject(call, objects);
      out.uint32(Nfsstat3.OK);
      writePostOpAttr(context, out, ino);
      out.uint32(MAX_LINKS);
      out.uint32(MAX_NAME_BYTES);
      // no_trunc, chown_restricted, case_insensitive, case_preserving
      out.bool(true);
      out.bool(true);
      out.bool(false);
      out.bool(true);
      return undefined;
    },
  };

  return { FSSTAT, FSINFO, PATHCONF };
}
