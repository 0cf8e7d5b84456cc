// Makes one layer of two after an upload was given up or a crash left both: the upper layer's bytes are copied into the lower
// file, in slices, while programs go on reading and writing.
//
// Every step leaves both a running program and a restart with the same bytes, because the upper layer hides what is copied:
// cut the lower layer to what is still visible, copy, sync, trust the copied ranges in the lower layer, drop the upper one.
// Writes that come meanwhile go to both files, and a commit syncs and trusts both.

import { setImmediate as nextTurn } from 'node:timers/promises';
import { fromDiskError } from '../storage/disk-error.ts';
import { ExtentMap } from '../storage/extents.ts';
import type { FsError } from '../fs-error.ts';
import type { StagedFile, StagedFileOwner } from './staged-file.ts';
import type { StagedLayer } from './staged-layer.ts';

const sliceBytes = 256 * 1024;
const indexSlice = 64;

/** At most one at a time per file. Rejects with the disk's error; both layers are then still there. */
export async function mergeLayers(file: StagedFile, owner: StagedFileOwner): Promise<void> {
  const { lower, top } = file;
  if (lower === null || file.damage !== null) return;
  if (top.extents.count === 0) {
    owner.database.transaction(() => takeAway(file, owner, top, lower));
    return;
  }
  if (top.baseLimit === 0) {
    owner.database.transaction(() => keepUpper(file, owner, top, lower));
    return;
  }
  cutToVisible(owner, top, lower);
  let mirrorFailure: FsError | null = null;
  const inLower = new ExtentMap();
  file.merge = {
    inLower,
    mirror(data, offset) {
      try {
        lower.write(data, offset);
        inLower.add(offset, offset + data.length);
      } catch (error) {
        inLower.remove(offset, offset + data.length);
        mirrorFailure ??= fromDiskError(error, 'merge', owner.pathOf(file.ino));
      }
    },
  };
  try {
    await copyUp(file, top, lower, inLower);
    owner.disk.step('merge-copied');
    await finish(file, owner, top, lower, () => {
      if (mirrorFailure !== null) throw mirrorFailure;
    });
  } finally {
    file.merge = null;
  }
}

function cutToVisible(owner: StagedFileOwner, top: StagedLayer, lower: StagedLayer): void {
  owner.database.transaction(() => {
    owner.database.onRollback(lower.cut(top.baseLimit));
    owner.index.cut(lower.id, top.baseLimit);
  });
}

async function copyUp(
  file: StagedFile,
  top: StagedLayer,
  lower: StagedLayer,
  inLower: ExtentMap,
): Promise<void> {
  const scratch = new Uint8Array(sliceBytes);
  for (let position = 0; !file.isForgotten;) {
    const index = top.extents.indexAfter(position);
    if (index >= top.extents.count) return;
    const start = Math.max(position, top.extents.startOf(index));
    const length = Math.min(sliceBytes, top.extents.endOf(index) - start);
    // Brings it into the page cache without holding up the serving thread; the copy itself must be one turn.
    await top.file.read(scratch, 0, length, start);
    // What is damaged stays known as damaged: see `takeAway`.
    file.noteDamage(top, await top.sums.check(start, start + length));
    // Of a block that is copied into in part, the rest gets a new checksum: it must be right by the one that it has.
    file.noteDamage(lower, await lower.sums.check(start, start + length));
    lower.sums.willWrite(start, start + length);
    await lower.sums.syncRemovals();
    await nextTurn();
    if (file.isForgotten) return;
    // A truncation may have cut some of it meanwhile.
    for (const range of top.extents.within(start, start + length)) {
      top.file.copyTo(lower.file, scratch, range.start, range.end - range.start);
      lower.sums.didWrite(range.start, range.end);
      inLower.add(range.start, range.end);
    }
    position = start + length;
  }
}

async function finish(
  file: StagedFile,
  owner: StagedFileOwner,
  top: StagedLayer,
  lower: StagedLayer,
  checkMirror: () => void,
): Promise<void> {
  const { database, index, disk } = owner;
  // Cut by truncations, as a commit's is.
  while (file.isCommitting) await file.commit().catch(() => undefined);
  const copied = top.extents.copy();
  lower.claims.add(copied);
  try {
    await lower.sums.syncRemovals();
    await lower.file.withDescriptor((descriptor) => disk.syncData(descriptor));
    disk.step('merge-synced');
    for (let position = 0; !file.isForgotten;) {
      const ranges = copied.within(position, Number.MAX_SAFE_INTEGER, indexSlice);
      const last = ranges.at(-1);
      if (last === undefined) break;
      index.addExtents(lower.id, ranges);
      position = last.end;
      await nextTurn();
    }
  } finally {
    lower.claims.delete(copied);
  }
  while (file.isCommitting && !file.isForgotten) await file.commit().catch(() => undefined);
  if (file.isForgotten) return;
  checkMirror();
  database.transaction(() => takeAway(file, owner, top, lower));
  lower.extents.addAll(top.extents);
  lower.pending.addAll(top.pending);
  disk.step('merged');
}

/** The lower layer has everything. */
function takeAway(file: StagedFile, owner: StagedFileOwner, top: StagedLayer, lower: StagedLayer): void {
  const undo = lower.cut(Math.max(top.baseLimit, top.extents.end));
  owner.index.cut(lower.id, Math.max(top.baseLimit, top.extents.end));
  const limit = lower.baseLimit;
  lower.baseLimit = Math.min(limit, top.baseLimit);
  if (top.sums.damaged.count > 0) lower.sums.noteDamage(top.sums.damaged);
  owner.dropLayer(top);
  file.top = lower;
  file.lower = null;
  owner.database.onRollback(() => {
    file.top = top;
    file.lower = lower;
    lower.baseLimit = limit;
    undo();
  });
}

/** Nothing of the lower layer is visible any more. */
function keepUpper(file: StagedFile, owner: StagedFileOwner, top: StagedLayer, lower: StagedLayer): void {
  owner.index.setBase(top.id, lower.base);
  owner.dropLayer(lower);
  top.base = lower.base;
  file.lower = null;
  owner.database.onRollback(() => {
    top.base = null;
    file.lower = lower;
  });
}
