// What a read of remote content is for, a read that waits for bytes of the Hub, and how bytes get to it past a full disk. Used by lazy-file.ts.

import type { ExtentMap } from '../storage/extents.ts';
import type { FsError } from '../fs-error.ts';
import type { ActivitySink } from '../parts.ts';

/** What was fetched of the base for one new version of a file. */
export interface EditCount {
  downloadedBytes: number;
}

/** `edit`: the bytes are for a new version, and what is fetched for it is counted there; such reads wait without limit, until `signal`. */
export interface ReadPurpose {
  readonly edit: EditCount | null;
  readonly signal?: AbortSignal;
}

export interface FetchWaiter {
  readonly start: number;
  readonly end: number;
  readonly target: Uint8Array;
  readonly targetOffset: number;
  readonly edit: EditCount | null;
  /** Copied straight into `target` because the disk had no room for them. */
  readonly copied: ExtentMap;
  fruitless: number;
  settle: (error: FsError | null) => void;
}

export function noteEdit(edit: EditCount | null, activity: ActivitySink, bytes: number): void {
  if (edit === null) return;
  edit.downloadedBytes += bytes;
  activity.count('editDownloadedBytes', bytes);
}

/** The part of `bytes` that it waits for. */
export function copyToWaiter(waiter: FetchWaiter, offset: number, bytes: Uint8Array): void {
  const start = Math.max(waiter.start, offset);
  const end = Math.min(waiter.end, offset + bytes.length);
  waiter.target.set(bytes.subarray(start - offset, end - offset), waiter.targetOffset + start - waiter.start);
  waiter.copied.add(start, end);
}

/** Whether `extents` and what was copied have all that the waiter wants of [from, to). */
export function hasAll(waiter: FetchWaiter, extents: ExtentMap, from = 0, to = Infinity): boolean {
  const start = Math.max(waiter.start, from);
  const end = Math.min(waiter.end, to);
  if (waiter.copied.count === 0) return extents.covers(start, end);
  return waiter.copied.gaps(start, end).every((gap) => extents.covers(gap.start, gap.end));
}
