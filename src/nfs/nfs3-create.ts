// What makes or changes objects: SETATTR, CREATE, MKDIR, SYMLINK, MKNOD and LINK (RFC 1813 3.3.2, 3.3.8 to 3.3.11, 3.3.15).

import type { Caller, Created, CreateMode } from '../vfs/file-system.ts';
import { setAttributesOf, writeAttributes, writeWcc } from './nfs3-attributes.ts';
import {
  answerDurably,
  pathOfName,
  type CallObjects,
  type Nfs3Context,
  type Nfs3Procedure,
} from './nfs3-context.ts';
import { linkTargetOf, newNameOf } from './nfs3-names.ts';
import {
  CREATE3args,
  createmode3,
  ftype3,
  LINK3args,
  MKDIR3args,
  MKNOD3args,
  SETATTR3args,
  SYMLINK3args,
  type createhow3,
  type diropargs3,
} from './nfs3-schema.ts';
import { NfsStatusError, Nfsstat3 } from './nfs3-status.ts';
import type { RpcCall } from './rpc-message.ts';
import type { XdrReader, XdrWriter } from './xdr-cursor.ts';
import type { Codec, Value } from './xdr-schema.ts';

export function createProcedures(context: Nfs3Context) {
  const { fileSystem, handles, activity, clock } = context;

  const directoryOf = (where: Value<typeof diropargs3>, objects: CallObjects): number => {
    objects.first = handles.inodeOf(where.dir);
    return objects.first;
  };

  const writeCreated = (out: XdrWriter, created: Created): void => {
    out.uint32(Nfsstat3.OK);
    out.uint32(1);
    handles.write(out, created.attributes.ino);
    writeAttributes(context, out, created.attributes);
    writeWcc(context, out, created.directory);
  };

  const SETATTR: Nfs3Procedure = {
    failureArm: 'wcc',
    isDuplicateChecked: true,
    run(call, _out, objects) {
      const args = readArguments(SETATTR3args, call.reader);
      const ino = handles.inodeOf(args.object);
      objects.first = ino;
      const changes = setAttributesOf(args.new_attributes);
      const guard = args.guard === null ? undefined : { sec: args.guard.seconds, nsec: args.guard.nseconds };
      const startedAt = clock.monotonic();
      return answerDurably(
        context,
        fileSystem.setAttributes(ino, changes, callerOf(call), guard),
        (late, change) => {
          late.uint32(Nfsstat3.OK);
          writeWcc(context, late, change);
          const { sizeBytes } = changes;
          if (sizeBytes === undefined) return;
          activity.recordInode('TRUNCATE', ino, sizeBytes, 0, clock.monotonic() - startedAt);
        },
      );
    },
  };

  const CREATE: Nfs3Procedure = {
    failureArm: 'wcc',
    isDuplicateChecked: true,
    run(call, _out, objects) {
      const args = readArguments(CREATE3args, call.reader);
      const directory = directoryOf(args.where, objects);
      const name = newNameOf(args.where.name);
      const startedAt = clock.monotonic();
      const created = fileSystem.create(directory, name, createModeOf(args.how), callerOf(call));
      return answerDurably(context, created, (late, result) => {
        writeCreated(late, result);
        activity.record('CREATE', pathOfName(context, directory, name), {
          durationMs: clock.monotonic() - startedAt,
        });
      });
    },
  };

  const MKDIR: Nfs3Procedure = {
    failureArm: 'wcc',
    isDuplicateChecked: true,
    run(call, _out, objects) {
      const args = readArguments(MKDIR3args, call.reader);
      const directory = directoryOf(args.where, objects);
      const name = newNameOf(args.where.name);
      const attributes = setAttributesOf(args.attributes);
      const startedAt = clock.monotonic();
      return answerDurably(
        context,
        fileSystem.makeDirectory(directory, name, attributes, callerOf(call)),
        (late, result) => {
          writeCreated(late, result);
          activity.record('MKDIR', pathOfName(context, directory, name), {
            durationMs: clock.monotonic() - startedAt,
          });
        },
      );
    },
  };

  const SYMLINK: Nfs3Procedure = {
    failureArm: 'wcc',
    isDuplicateChecked: true,
    run(call, _out, objects) {
      const args = readArguments(SYMLINK3args, call.reader);
      const directory = directoryOf(args.where, objects);
      const name = newNameOf(args.where.name);
      const target = linkTargetOf(args.symlink.symlink_data);
      const attributes = setAttributesOf(args.symlink.symlink_attributes);
      const startedAt = clock.monotonic();
      const created = fileSystem.makeSymlink(directory, name, target, attributes, callerOf(call));
      return answerDurably(context, created, (late, result) => {
        writeCreated(late, result);
        const durationMs = clock.monotonic() - startedAt;
        activity.record('CREATE', pathOfName(context, directory, name), { durationMs, detail: 'symlink' });
      });
    },
  };

  const MKNOD: Nfs3Procedure = {
    failureArm: 'wcc',
    run(call, _out, objects) {
      const args = readArguments(MKNOD3args, call.reader);
      fileSystem.getAttributes(directoryOf(args.where, objects));
      newNameOf(args.where.name);
      const { type } = args.what;
      if (type === ftype3.NF3REG || type === ftype3.NF3DIR || type === ftype3.NF3LNK) {
        throw new NfsStatusError(Nfsstat3.BADTYPE, 'MKNOD makes devices, sockets and pipes');
      }
      // Linux shows NOTSUPP as "Unknown error 524"; mknod(2) documents EPERM for this.
      throw new NfsStatusError(Nfsstat3.PERM, 'There are no devices, sockets and pipes here');
    },
  };

  const LINK: Nfs3Procedure = {
    failureArm: 'attributes and wcc',
    isDuplicateChecked: true,
    run(call, _out, objects) {
      const args = readArguments(LINK3args, call.reader);
      const ino = handles.inodeOf(args.file);
      objects.first = ino;
      const directory = handles.inodeOf(args.link.dir);
      objects.second = directory;
      const name = newNameOf(args.link.name);
      const oldPath = fileSystem.pathOf(ino) ?? '';
      const startedAt = clock.monotonic();
      return answerDurably(context, fileSystem.link(ino, directory, name), (late, linked) => {
        late.uint32(Nfsstat3.OK);
        writeAttributes(context, late, linked.attributes);
        writeWcc(context, late, linked.directory);
        const toPath = pathOfName(context, directory, name);
        activity.record('LINK', oldPath, { toPath, durationMs: clock.monotonic() - startedAt });
      });
    },
  };

  return { SETATTR, CREATE, MKDIR, SYMLINK, MKNOD, LINK };
}

/** Decodes all arguments; XdrError unless they use up the record. */
export function readArguments<T>(codec: Codec<T>, reader: XdrReader): T {
  const args = codec.read(reader);
  reader.finish();
  return args;
}

function callerOf(call: RpcCall): Caller {
  return { uid: call.uid, gid: call.gid };
}

function createModeOf(how: Value<typeof createhow3>): CreateMode {
  switch (how.mode) {
    case createmode3.UNCHECKED:
      return { type: 'unchecked', attributes: setAttributesOf(how.obj_attributes) };
    case createmode3.GUARDED:
      return { type: 'guarded', attributes: setAttributesOf(how.obj_attributes) };
    case createmode3.EXCLUSIVE:
      // Kept with the inode, while the record's bytes are reused.
      return { type: 'exclusive', verifier: Uint8Array.from(how.verf) };
  }
}
