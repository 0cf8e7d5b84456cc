// Keeps both versions where another client changed what a batch was about to write, delete or move. Used by the committer
// inside the transaction that precedes the request.

import { conflictPath } from '../namespace/conflict-name.ts';
import type { ContentRef } from '../../hub/remote-store.ts';
import type { RemoteTheirs } from '../parts.ts';
import type { ReadyContent } from './upload-files.ts';
import type { UploadParts } from './upload-parts.ts';
import type { PlannedGroup, PlannedPath } from './upload-plan.ts';

/** Inodes whose content must go under another name and is not finished with this batch. */
export function resolveConflicts(groups: readonly PlannedGroup[], parts: UploadParts): ReadonlySet<number> {
  const unfinished = new Set<number>();
  for (const group of groups) {
    for (const planned of group.paths) {
      const { verdict, source, path } = planned;
      if (verdict?.type === 'put' && verdict.revived && source !== null && 'content' in source) {
        parts.activity.record('CONFLICT', path, {
          detail: 'Deleted by another client while it was changed here; the changed version is kept',
        });
      }
      if (verdict?.type !== 'foreign') continue;
      if (source === null) keepTheirs(planned, verdict.theirs, parts);
      else if ('operation' in source) {
        if (planned.final === null || keepMoved(path, planned.final, verdict.theirs, parts)) continue;
        keepTheirs(planned, verdict.theirs, parts);
        const restingPlace = parts.operations.restingPlace(source.operation.seq, path);
        if (restingPlace !== null) keepMovedBeside(restingPlace, planned.final, parts);
      } else {
        unfinished.add(source.content.ino);
        keepBothContents(path, source.content, verdict.theirs, parts);
      }
    }
  }
  return unfinished;
}

/** Deleted or moved away here, changed by another client: theirs stays. */
function keepTheirs({ path }: PlannedPath, theirs: RemoteTheirs, parts: UploadParts): void {
  const { namespace, operations, activity, log } = parts;
  const pathThen = operations.pathAfter(path);
  if (pathThen !== path) {
    namespace.relist([pathThen]); // the rename of a folder takes it along
    return;
  }
  // Whatever has the name here by now meets their version when its own turn comes.
  if (namespace.inodeAt(path) !== null) return;
  namespace.restoreTheirs(path, theirs);
  activity.record('CONFLICT', path, {
    detail: 'Changed by another client while it was deleted or moved here; their version is kept',
  });
  log.warn('A file that was deleted or moved here is kept as another client changed it', { path });
}

function keepBothContents(path: string, ready: ReadyContent, theirs: RemoteTheirs, parts: UploadParts): void {
  const stillThere = parts.namespace.uploadTargets(ready.ino).some((target) => target.path === path);
  if (!stillThere) return; // renamed meanwhile: the next batch looks at its new name
  const ownPath = parts.namespace.keepBoth(ready.ino, path, theirs);
  reportBothKept(path, ownPath, parts);
}

/**
 * A move or copy met another client's file: what we moved there goes beside it. False where the name here is not (or no
 * longer) the moved file.
 */
export function keepMoved(
  path: string,
  moved: { readonly content: ContentRef; readonly mtimeMs: number },
  theirs: RemoteTheirs,
  parts: UploadParts,
): boolean {
  const { namespace, operations, content: store } = parts;
  const { content, mtimeMs } = moved;
  const ino = namespace.inodeAt(path);
  if (ino === null) return false;
  const isMoved = namespace
    .uploadTargets(ino)
    .some((target) => target.path === path && target.expect === content.key);
  if (!isMoved) return false;
  const ownPath = namespace.keepBoth(ino, path, theirs);
  operations.append({ type: 'copy', path: ownPath, content, mtimeMs });
  namespace.noteCommitted(ino, ownPath, { ...content, path: ownPath }, !store.isStaged(ino));
  reportBothKept(path, ownPath, parts);
  return true;
}

/** As `keepMoved`, for a version that has no name here that could be changed. */
export function keepMovedBeside(
  path: string,
  moved: { readonly content: ContentRef; readonly mtimeMs: number },
  parts: UploadParts,
): void {
  const ownPath = freeConflictPath(path, parts);
  parts.operations.append({ type: 'copy', path: ownPath, content: moved.content, mtimeMs: moved.mtimeMs });
  parts.namespace.relist([path, ownPath]);
  reportBothKept(path, ownPath, parts);
}

function freeConflictPath(path: string, { hostName, clock, namespace, operations }: UploadParts): string {
  // The namespace starts at 1 and does not know of this one yet.
  for (let copy = 2; ; copy += 1) {
    const candidate = conflictPath(path, hostName, clock.now(), copy);
    if (namespace.inodeAt(candidate) === null && !operations.isNamed(candidate)) return candidate;
  }
}

function reportBothKept(path: string, ownPath: string, parts: UploadParts): void {
  parts.activity.record('CONFLICT', path, {
    toPath: ownPath,
    detail: 'Changed by another client as well; the version from here is kept beside theirs',
  });
  parts.log.warn('Both versions of a file are kept', { path, ownPath });
}
