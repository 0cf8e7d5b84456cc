// Writes down that a batch reached the Hub, in one transaction: log, namespace, content and queue agree after any crash. Names
// may have changed while the request was under way; what that needs is logged here.

import type { ContentRef } from '../../hub/remote-store.ts';
import type { ReadyContent, PendingFile } from './upload-files.ts';
import type { UploadParts } from './upload-parts.ts';
import type { PathCounts } from './upload-paths.ts';
import type { PlannedGroup } from './upload-plan.ts';
import type { OperationSelection } from './upload-selection.ts';

export interface BatchInFlight {
  readonly files: ReadonlyMap<number, PendingFile>;
  /** Paths of operations logged since the batch was chosen. */
  readonly since: PathCounts;
  /** Contents that go on under another name. */
  readonly unfinished: ReadonlySet<number>;
}

/**
 * What a request put where its file has no name any more: whoever has the name by now takes the place over, else it must go. For all
 * groups of a batch before any of them is finished: files that changed names among them expect one another's versions. Joins the caller's transaction.
 */
export function handOverPlaces(group: PlannedGroup, batch: BatchInFlight, parts: UploadParts): void {
  const { namespace, files, operations } = parts;
  for (const { ino, content, targets } of group.contents) {
    const file = batch.files.get(ino);
    if (file === undefined || file.version === null || batch.unfinished.has(ino)) continue;
    const wanted = files.get(ino) === file ? namespace.uploadTargets(ino) : [];
    for (const { path } of targets) {
      if (batch.since.overlaps(path) > 0 || wanted.some((target) => target.path === path)) continue;
      // Renamed or deleted while the Hub was believed to have nothing there.
      if (!namespace.noteArrived(path, content.key))
        operations.append({ type: 'delete', path, expect: content.key });
    }
  }
}

/** Joins the caller's transaction. */
export function finishGroup(
  group: PlannedGroup,
  batch: BatchInFlight,
  parts: UploadParts,
  selection: OperationSelection,
): void {
  selection.finish(group.operations);
  for (const { path } of group.paths) {
    if (batch.since.overlaps(path) === 0) parts.sent.forget(path);
  }
  for (const ready of group.contents) {
    const file = batch.files.get(ready.ino);
    if (file === undefined) continue;
    if (batch.unfinished.has(ready.ino)) parts.database.afterCommit(() => backToReady(file, parts));
    else finishContent(ready, file, batch, parts);
  }
  parts.namespace.noteSent(group.paths.map(({ path }) => path));
  parts.database.afterCommit(() => {
    for (const operation of group.operations) {
      if (operation.type === 'move') {
        parts.activity.record('UPLOAD', operation.from, { toPath: operation.to, detail: 'committed' });
      } else parts.activity.record('UPLOAD', operation.path, { detail: 'committed' });
    }
  });
}

/** A version that was not committed goes with the next batch, unless its file is gone. */
export function backToReady(file: PendingFile, parts: UploadParts): void {
  if (file.phase !== 'committing') return;
  if (parts.files.get(file.ino) === file) parts.files.backToReady(file);
  else parts.reports.abandon(file);
}

function finishContent(
  ready: ReadyContent,
  file: PendingFile,
  batch: BatchInFlight,
  parts: UploadParts,
): void {
  const { namespace, files, operations } = parts;
  const { ino, content, mtimeMs, targets } = ready;
  const { version } = file;
  if (version === null) return;
  const removed = files.get(ino) !== file;
  if (removed) {
    parts.database.afterCommit(() => parts.reports.abandon(file));
    return;
  }
  const wanted = namespace.uploadTargets(ino);
  const clean = version.snapshot?.committed(content).clean ?? !parts.content.isStaged(ino);
  for (const { path, expect } of wanted) {
    const there = targets.some((target) => target.path === path) && batch.since.overlaps(path) === 0;
    const named: ContentRef = { ...content, path };
    // By number of content, so the Hub gets it under its new name without a byte sent.
    if (!there && expect !== content.key)
      operations.append({ type: 'copy', path, content: named, mtimeMs }, expect);
    namespace.noteCommitted(ino, path, named, clean);
  }
  files.finish(file, clean);
  const path = namespace.pathOf(ino) ?? targets[0]?.path ?? '';
  const { transfer } = version;
  parts.database.afterCommit(() => {
    parts.activity.count('filesCommitted', 1);
    parts.activity.record('UPLOAD', path, {
      bytes: content.sizeBytes,
      durationMs: parts.clock.monotonic() - file.uploadStartedAt,
      detail: 'committed',
      ...(transfer === null ? {} : { transfer }),
    });
  });
}
