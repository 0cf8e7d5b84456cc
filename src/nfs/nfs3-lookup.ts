// GETATTR, LOOKUP, ACCESS and READLINK (RFC 1813 3.3.1, 3.3.3 to 3.3.5). The first three are the calls that programs make
// most, so they read and write their bytes by hand.

import type { Attributes } from '../vfs/file-system.ts';
import { writeAttributes, writeFattr3, writePostOpAttr } from './nfs3-attributes.ts';
import type { Nfs3Context, Nfs3Procedure } from './nfs3-context.ts';
import { readName } from './nfs3-names.ts';
import { ACCESS3 } from './nfs3-schema.ts';
import { NfsStatusError, Nfsstat3 } from './nfs3-status.ts';
import type { XdrWriter } from './xdr-cursor.ts';

const EXECUTE_BITS = 0o111;
const CHANGE_RIGHTS = ACCESS3.MODIFY | ACCESS3.EXTEND | ACCESS3.DELETE;

export function lookupProcedures(context: Nfs3Context) {
  const { fileSystem, handles } = context;

  const GETATTR: Nfs3Procedure = {
    failureArm: 'nothing',
    run(call, out, objects) {
      const ino = handles.read(call.reader);
      call.reader.finish();
      objects.first = ino;
      const attributes = fileSystem.getAttributes(ino);
      out.uint32(Nfsstat3.OK);
      writeFattr3(context, out, attributes);
      return undefined;
    },
  };

  const writeFound = (out: XdrWriter, found: Attributes, directory: number): void => {
    out.uint32(Nfsstat3.OK);
    handles.write(out, found.ino);
    writeAttributes(context, out, found);
    writePostOpAttr(context, out, directory);
  };

  const LOOKUP: Nfs3Procedure = {
    failureArm: 'attributes',
    run(call, out, objects) {
      const directory = handles.read(call.reader);
      objects.first = directory;
      const name = readName(call.reader);
      call.reader.finish();
      const found = fileSystem.lookup(directory, name);
      if (found instanceof Promise)
        return found.then((late) => (later) => writeFound(later, late, directory));
      writeFound(out, found, directory);
      return undefined;
    },
  };

  const ACCESS: Nfs3Procedure = {
    failureArm: 'attributes',
    run(call, out, objects) {
      const ino = handles.read(call.reader);
      objects.first = ino;
      const asked = call.reader.uint32();
      call.reader.finish();
      const attributes = fileSystem.getAttributes(ino);
      out.uint32(Nfsstat3.OK);
      writeAttributes(context, out, attributes);
      out.uint32(asked & rightsOf(attributes, fileSystem.readOnly));
      return undefined;
    },
  };

  const READLINK: Nfs3Procedure = {
    failureArm: 'attributes',
    run(call, out, objects) {
      const ino = handles.read(call.reader);
      objects.first = ino;
      call.reader.finish();
      if (fileSystem.getAttributes(ino).type !== 'symlink') {
        throw new NfsStatusError(Nfsstat3.INVAL, 'It is no symbolic link');
      }
      const target = fileSystem.readLink(ino);
      out.uint32(Nfsstat3.OK);
      writePostOpAttr(context, out, ino);
      out.string(target);
      return undefined;
    },
  };

  return { GETATTR, LOOKUP, ACCESS, READLINK };
}

/**
 * Only the owner and root get here, and both may read and write whatever the mode says: version 3 has no OPEN, and programs
 * go on writing to files they have made read-only, as git does. What never works is refused before data exists.
 */
function rightsOf(attributes: Attributes, isReadOnly: boolean): number {
  let rights: number = ACCESS3.READ | ACCESS3.MODIFY | ACCESS3.EXTEND;
  if (attributes.type === 'directory') rights |= ACCESS3.LOOKUP | ACCESS3.DELETE | ACCESS3.EXECUTE;
  else if ((attributes.mode & EXECUTE_BITS) !== 0) rights |= ACCESS3.EXECUTE;
  return isReadOnly ? rights & ~CHANGE_RIGHTS : rights;
}
