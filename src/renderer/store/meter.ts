// Rates of each mount, measured from the counters the host sends: over the last few seconds for sentences, second by second for sparklines.
// Pure of time: the caller says when.

import type { Counters } from '../../shared/activity.ts';
import type { MountView } from '../../shared/model.ts';
import { noRates } from '../text/mount-sentence.ts';
import type { Rates } from '../text/mount-sentence.ts';

interface Sample {
  readonly at: number;
  readonly counters: Counters;
}

/** Bytes a second, oldest first. */
export interface RateHistory {
  readonly read: readonly number[];
  readonly write: readonly number[];
}

const overMs = 3000;
export const historySeconds = 60;

class MountMeter {
  #samples: Sample[] = [];

  observe(counters: Counters, at: number): void {
    const last = this.#samples.at(-1);
    // The engine started again.
    if (last !== undefined && counters.readBytes + counters.writtenBytes < bytesOf(last)) this.#samples = [];
    this.#samples.push({ at, counters });
    const keepFrom = at - (historySeconds + 2) * 1000;
    const firstKept = this.#samples.findIndex((sample) => sample.at >= keepFrom);
    // One sample before the window is kept: it says where the window began.
    if (firstKept > 1) this.#samples = this.#samples.slice(firstKept - 1);
  }

  rates(now: number): Rates {
    const last = this.#samples.at(-1);
    const before = this.#at(now - overMs);
    if (last === undefined || before === undefined || before === last) return noRates;
    const seconds = Math.max(1000, Math.min(overMs, now - before.at)) / 1000;
    const rate = (key: keyof Counters): number => (last.counters[key] - before.counters[key]) / seconds;
    return {
      read: rate('readBytes'),
      write: rate('writtenBytes'),
      up: rate('uploadedBytes'),
      down: rate('downloadedBytes'),
    };
  }

  /** Adds this mount's bytes to the seconds that end with `now`. */
  addTo(history: { readonly read: number[]; readonly write: number[] }, now: number): void {
    for (let index = 1; index < this.#samples.length; index += 1) {
      const sample = this.#samples[index];
      const before = this.#samples[index - 1];
      if (sample === undefined || before === undefined) continue;
      const slot = historySeconds - 1 - Math.floor((now - sample.at) / 1000);
      if (slot < 0 || slot >= historySeconds) continue;
      history.read[slot] = (history.read[slot] ?? 0) + sample.counters.readBytes - before.counters.readBytes;
      history.write[slot] =
        (history.write[slot] ?? 0) + sample.counters.writtenBytes - before.counters.writtenBytes;
    }
  }

  /** The newest sample that is not younger than `at`, else the oldest there is. */
  #at(at: number): Sample | undefined {
    return this.#samples.findLast((sample) => sample.at <= at) ?? this.#samples[0];
  }
}

function bytesOf(sample: Sample): number {
  return sample.counters.readBytes + sample.counters.writtenBytes;
}

export class Meter {
  readonly #mounts = new Map<string, MountMeter>();

  observe(mounts: readonly MountView[], at: number): void {
    const present = new Set(mounts.map((mount) => mount.id));
    for (const id of this.#mounts.keys()) if (!present.has(id)) this.#mounts.delete(id);
    for (const mount of mounts) {
      const meter = this.#mounts.get(mount.id) ?? new MountMeter();
      this.#mounts.set(mount.id, meter);
      meter.observe(mount.counters, at);
    }
  }

  rates(mountId: string, now: number): Rates {
    return this.#mounts.get(mountId)?.rates(now) ?? noRates;
  }

  /** Of one mount, or with null of all together. */
  history(mountId: string | null, now: number): RateHistory {
    const history = { read: zeros(), write: zeros() };
    for (const [id, meter] of this.#mounts) if (mountId === null || id === mountId) meter.addTo(history, now);
    return history;
  }
}

function zeros(): number[] {
  return Array.from({ length: historySeconds }, () => 0);
}
