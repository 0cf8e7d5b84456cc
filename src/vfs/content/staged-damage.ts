// What happens when staged bytes turn out to be others than were written: it is told once, the bytes stay where they are, and whoever
// needs them gets an error that names the place and what a person can do. Used wherever checksums are compared.

import type { ExtentMap } from '../storage/extents.ts';
import { FsError } from '../fs-error.ts';
import type { Log } from '../../shared/log.ts';
import type { ActivitySink } from '../parts.ts';
import type { StagedLayer } from './staged-layer.ts';

/** In a message; the others are counted. */
const mostRangesNamed = 3;

export interface DamageSurroundings {
  readonly log: Log;
  readonly activity: ActivitySink;
  pathOf(ino: number): string | null;
}

/** Remembers over restarts what `found` of the layer is damaged, and tells people of what was not known before. */
export function noteDamage(around: DamageSurroundings, layer: StagedLayer, found: ExtentMap): void {
  if (found.ranges().every(({ start, end }) => layer.sums.damaged.covers(start, end))) return;
  layer.sums.noteDamage(found);
  const path = around.pathOf(layer.ino);
  const detail = describeDamage(found);
  around.log.error('Staged bytes are damaged', { ino: layer.ino, path, staging: layer.file.path, detail });
  around.activity.record('ERROR', path ?? '', { detail });
}

export function damageError(
  around: DamageSurroundings,
  operation: string,
  ino: number,
  damaged: ExtentMap,
): FsError {
  return new FsError('EIO', operation, {
    path: around.pathOf(ino) ?? `inode ${ino}`,
    message: describeDamage(damaged),
  });
}

function describeDamage(damaged: ExtentMap): string {
  const ranges = damaged.ranges();
  const named = ranges.slice(0, mostRangesNamed).map(({ start, end }) => `${start} to ${end - 1}`);
  if (ranges.length > named.length) named.push(`${ranges.length - named.length} more places`);
  return (
    `it is damaged on this disk: bytes ${named.join(', ')} are no longer what was saved here, so it is not sent. ` +
    'Save it again from a good copy, or discard its change to get the version of the Hub; its other bytes can be read'
  );
}
