// What takes names away: REMOVE, RMDIR and RENAME (RFC 1813 3.3.12 to 3.3.14). Handles stay valid through a rename.

import { writeWcc } from './nfs3-attributes.ts';
import { answerDurably, pathOfName, type Nfs3Context, type Nfs3Procedure } from './nfs3-context.ts';
import { readArguments } from './nfs3-create.ts';
import { movableNameOf } from './nfs3-names.ts';
import { REMOVE3args, RENAME3args, RMDIR3args } from './nfs3-schema.ts';
import { Nfsstat3 } from './nfs3-status.ts';

export function removeProcedures(context: Nfs3Context) {
  const { fileSystem, handles, activity, clock } = context;

  const REMOVE: Nfs3Procedure = {
    failureArm: 'wcc',
    isDuplicateChecked: true,
    run(call, _out, objects) {
      const { object } = readArguments(REMOVE3args, call.reader);
      const directory = handles.inodeOf(object.dir);
      objects.first = directory;
      const name = movableNameOf(object.name);
      const startedAt = clock.monotonic();
      return answerDurably(context, fileSystem.remove(directory, name), (late, change) => {
        late.uint32(Nfsstat3.OK);
        writeWcc(context, late, change);
        activity.record('REMOVE', pathOfName(context, directory, name), {
          durationMs: clock.monotonic() - startedAt,
        });
      });
    },
  };

  const RMDIR: Nfs3Procedure = {
    failureArm: 'wcc',
    isDuplicateChecked: true,
    run(call, _out, objects) {
      const { object } = readArguments(RMDIR3args, call.reader);
      const directory = handles.inodeOf(object.dir);
      objects.first = directory;
      const name = movableNameOf(object.name);
      const startedAt = clock.monotonic();
      return answerDurably(context, fileSystem.removeDirectory(directory, name), (late, change) => {
        late.uint32(Nfsstat3.OK);
        writeWcc(context, late, change);
        const durationMs = clock.monotonic() - startedAt;
        activity.record('REMOVE', pathOfName(context, directory, name), { durationMs, detail: 'folder' });
      });
    },
  };

  const RENAME: Nfs3Procedure = {
    failureArm: 'wcc and wcc',
    isDuplicateChecked: true,
    run(call, _out, objects) {
      const { from, to } = readArguments(RENAME3args, call.reader);
      const fromDirectory = handles.inodeOf(from.dir);
      objects.first = fromDirectory;
      const toDirectory = handles.inodeOf(to.dir);
      objects.second = toDirectory;
      const fromName = movableNameOf(from.name);
      const toName = movableNameOf(to.name);
      const oldPath = pathOfName(context, fromDirectory, fromName);
      const startedAt = clock.monotonic();
      const renaming = fileSystem.rename(fromDirectory, fromName, toDirectory, toName);
      return answerDurably(context, renaming, (late, change) => {
        late.uint32(Nfsstat3.OK);
        writeWcc(context, late, change.from);
        writeWcc(context, late, change.to);
        const toPath = pathOfName(context, toDirectory, toName);
        activity.record('RENAME', oldPath, { toPath, durationMs: clock.monotonic() - startedAt });
      });
    },
  };

  return { REMOVE, RMDIR, RENAME };
}
