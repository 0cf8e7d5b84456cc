// A bounded ring of what programs and the uploader did, and the totals. Recording by inode number costs no path and no object:
// the path is looked up when somebody drains. Used by the NFS server (its calls) and by all parts of VirtualFs (UPLOAD, REMOTE, CONFLICT).

import {
  activityKinds,
  type ActivityEvent,
  type ActivityKind,
  type Counters,
  type Transfer,
} from '../shared/activity.ts';
import type { Clock } from '../shared/log.ts';
import type { ActivitySink } from './parts.ts';

const defaultCapacity = 4_096;

export interface ActivityDetails {
  readonly toPath?: string;
  readonly offset?: number;
  readonly bytes?: number;
  readonly durationMs?: number;
  readonly detail?: string;
  readonly transfer?: Transfer;
}

export interface Drained {
  readonly events: readonly ActivityEvent[];
  /** Events that were overwritten before anybody drained them. */
  readonly dropped: number;
}

type CountedBytes = Parameters<ActivitySink['count']>[0];

export class ActivityLog implements ActivitySink {
  readonly #clock: Clock;
  readonly #pathOf: (ino: number) => string | null;
  readonly #capacity: number;
  readonly #kinds: Uint8Array;
  readonly #inos: Float64Array;
  readonly #times: Float64Array;
  /** Negative: not given. */
  readonly #offsets: Float64Array;
  readonly #bytes: Float64Array;
  readonly #durations: Float64Array;
  readonly #paths: (string | null)[];
  readonly #toPaths: (string | null)[];
  readonly #details: (string | null)[];
  readonly #transfers: (Transfer | null)[];
  /** Events recorded, and drained, in all. */
  #recorded = 0;
  #drained = 0;
  readonly #counters: { -readonly [Name in keyof Counters]: number } = {
    reads: 0,
    readBytes: 0,
    writes: 0,
    writtenBytes: 0,
    commits: 0,
    stale: 0,
    errors: 0,
    downloadedBytes: 0,
    editDownloadedBytes: 0,
    uploadedBytes: 0,
    savedBytes: 0,
    filesCommitted: 0,
  };

  constructor(clock: Clock, pathOf: (ino: number) => string | null, capacity = defaultCapacity) {
    this.#clock = clock;
    this.#pathOf = pathOf;
    this.#capacity = capacity;
    this.#kinds = new Uint8Array(capacity);
    this.#inos = new Float64Array(capacity);
    this.#times = new Float64Array(capacity);
    this.#offsets = new Float64Array(capacity);
    this.#bytes = new Float64Array(capacity);
    this.#durations = new Float64Array(capacity);
    this.#paths = Array.from({ length: capacity }, () => null);
    this.#toPaths = Array.from({ length: capacity }, () => null);
    this.#details = Array.from({ length: capacity }, () => null);
    this.#transfers = Array.from({ length: capacity }, () => null);
  }

  /** For the hot path: negative `offset`, `bytes` or `durationMs` mean "none". */
  recordInode(
    kind: ActivityKind,
    ino: number,
    offset: number,
    bytes: number,
    durationMs: number,
    detail: string | null = null,
  ): void {
    const at = this.#add(kind, ino, offset, bytes, durationMs, detail);
    this.#paths[at] = null;
    this.#toPaths[at] = null;
    this.#transfers[at] = null;
  }

  record(kind: ActivityKind, path: string, details: ActivityDetails = {}): void {
    const {
      offset = -1,
      bytes = -1,
      durationMs = -1,
      detail = null,
      toPath = null,
      transfer = null,
    } = details;
    const at = this.#add(kind, 0, offset, bytes, durationMs, detail);
    this.#paths[at] = path;
    this.#toPaths[at] = toPath;
    this.#transfers[at] = transfer;
  }

  #add(
    kind: ActivityKind,
    ino: number,
    offset: number,
    bytes: number,
    durationMs: number,
    detail: string | null,
  ): number {
    this.#countEvent(kind, bytes);
    const at = this.#recorded % this.#capacity;
    this.#recorded += 1;
    this.#kinds[at] = activityKinds.indexOf(kind);
    this.#inos[at] = ino;
    this.#times[at] = this.#clock.now();
    this.#offsets[at] = offset;
    this.#bytes[at] = bytes;
    this.#durations[at] = durationMs;
    this.#details[at] = detail;
    return at;
  }

  #countEvent(kind: ActivityKind, bytes: number): void {
    const counters = this.#counters;
    switch (kind) {
      case 'READ':
        counters.reads += 1;
        counters.readBytes += Math.max(0, bytes);
        break;
      case 'WRITE':
        counters.writes += 1;
        counters.writtenBytes += Math.max(0, bytes);
        break;
      case 'COMMIT':
        counters.commits += 1;
        break;
      case 'STALE':
        counters.stale += 1;
        break;
      case 'ERROR':
        counters.errors += 1;
        break;
      default:
    }
  }

  count(counter: CountedBytes, amount: number): void {
    this.#counters[counter] += amount;
  }

  counters(): Counters {
    return { ...this.#counters };
  }

  /** Takes the events since the last drain, oldest first. */
  drain(): Drained {
    const oldest = Math.max(this.#drained, this.#recorded - this.#capacity);
    const dropped = oldest - this.#drained;
    const events: ActivityEvent[] = [];
    for (let sequence = oldest; sequence < this.#recorded; sequence += 1)
      events.push(this.#eventAt(sequence));
    this.#drained = this.#recorded;
    return { events, dropped };
  }

  #eventAt(sequence: number): ActivityEvent {
    const at = sequence % this.#capacity;
    const ino = this.#inos[at] ?? 0;
    const offset = this.#offsets[at] ?? -1;
    const bytes = this.#bytes[at] ?? -1;
    const durationMs = this.#durations[at] ?? -1;
    const toPath = this.#toPaths[at] ?? null;
    const detail = this.#details[at] ?? null;
    const transfer = this.#transfers[at] ?? null;
    return {
      sequence,
      at: this.#times[at] ?? 0,
      kind: activityKinds[this.#kinds[at] ?? 0] ?? 'ERROR',
      path: this.#paths[at] ?? (ino === 0 ? '' : (this.#pathOf(ino) ?? '')),
      ...(toPath === null ? {} : { toPath }),
      ...(offset < 0 ? {} : { offset }),
      ...(bytes < 0 ? {} : { bytes }),
      ...(durationMs < 0 ? {} : { durationMs }),
      ...(detail === null ? {} : { detail }),
      ...(transfer === null ? {} : { transfer }),
    };
  }
}
