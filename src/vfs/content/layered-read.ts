// Fills a buffer from layers of staged changes over a remote base over zeros. Used for programs' reads (staged-file.ts) and
// for reading a frozen version (snapshot.ts).

import type { ReadPurpose } from '../cache/fetch-waiter.ts';
import type { MaybePromise } from '../file-system.ts';
import type { LazyFile } from './lazy-file.ts';
import type { StagedLayer } from './staged-layer.ts';

interface Reading {
  readonly layers: readonly StagedLayer[];
  readonly base: LazyFile | null;
  readonly offset: number;
  readonly target: Uint8Array;
  readonly purpose: ReadPurpose;
  readonly waits: Promise<void>[];
}

/**
 * Fills `length` bytes of `target` from `offset`; `layers` from the top down. All descriptors are chosen before it returns. `target` is
 * borrowed until it is done: a failure is reported only when nothing writes to it any more.
 */
export function readLayers(
  layers: readonly StagedLayer[],
  base: LazyFile | null,
  offset: number,
  target: Uint8Array,
  length: number,
  purpose: ReadPurpose,
): MaybePromise<void> {
  const reading: Reading = { layers, base, offset, target, purpose, waits: [] };
  try {
    readLevel(reading, 0, offset, offset + length);
  } catch (error) {
    if (reading.waits.length === 0) throw error;
    reading.waits.push(Promise.reject(error));
  }
  if (reading.waits.length === 0) return undefined;
  return reading.waits.length === 1 ? reading.waits[0] : allSettled(reading.waits);
}

async function allSettled(waits: readonly Promise<void>[]): Promise<void> {
  for (const result of await Promise.allSettled(waits)) if (result.status === 'rejected') throw result.reason;
}

function readLevel(reading: Reading, level: number, start: number, end: number): void {
  const layer = reading.layers[level];
  if (layer === undefined) {
    readBase(reading, start, end);
    return;
  }
  let position = start;
  for (const extent of layer.extents.within(start, end)) {
    readBelow(reading, level, position, extent.start, layer.baseLimit);
    const at = extent.start - reading.offset;
    wait(reading, layer.file.read(reading.target, at, extent.end - extent.start, extent.start));
    position = extent.end;
  }
  readBelow(reading, level, position, end, layer.baseLimit);
}

function readBelow(reading: Reading, level: number, start: number, end: number, limit: number): void {
  const border = Math.min(Math.max(start, limit), end);
  if (start < border) readLevel(reading, level + 1, start, border);
  zero(reading, border, end);
}

function readBase(reading: Reading, start: number, end: number): void {
  const { base } = reading;
  const border = Math.min(Math.max(start, base?.content.sizeBytes ?? 0), end);
  if (base !== null && start < border) {
    wait(reading, base.read(start, reading.target, start - reading.offset, border - start, reading.purpose));
  }
  zero(reading, border, end);
}

function zero(reading: Reading, start: number, end: number): void {
  if (start < end) reading.target.fill(0, start - reading.offset, end - reading.offset);
}

function wait(reading: Reading, result: MaybePromise<void>): void {
  if (result !== undefined) reading.waits.push(result);
}
