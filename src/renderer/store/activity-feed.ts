// The live list of what programs do: takes batches from the host, folds repeats into one row, stays bounded, and tells its listeners once
// a frame. Rows are values: a changed row is a new object, so that a frozen view stays as it was.

import type { ActivityBatch, MountActivity } from '../../shared/contract.ts';
import type { ActivityEvent, ActivityKind } from '../../shared/activity.ts';

export interface FeedRow {
  /** Rises with every row. */
  readonly key: number;
  readonly mountId: string;
  readonly source: string;
  readonly kind: ActivityKind;
  readonly path: string;
  readonly toPath: string | null;
  readonly firstAt: number;
  readonly lastAt: number;
  /** How many events are folded into it. */
  readonly count: number;
  readonly bytes: number;
  /** Sum over the events. */
  readonly durationMs: number;
  readonly detail: string | null;
}

export interface FeedView {
  /** Newest first. */
  readonly rows: readonly FeedRow[];
  /** Events received so far, listed or not. */
  readonly received: number;
  /** Events that the host left out. */
  readonly dropped: number;
}

/** More rows than anybody scrolls through; the host remembers no more either. */
const maxRows = 5000;
/** Events of one kind on one file within this time are one row. */
const foldWithinMs = 1000;
const maxFoldable = 2000;
/** Each is a message of its own. */
const neverFolded: ReadonlySet<ActivityKind> = new Set(['STALE', 'ERROR', 'CONFLICT', 'RENAME', 'UPLOAD']);

export class ActivityFeed {
  readonly #onFrame: (callback: () => void) => void;
  readonly #listeners = new Set<() => void>();
  /** Oldest first; `#firstIndex` is the index of its first element since the beginning. */
  #rows: FeedRow[] = [];
  #firstIndex = 0;
  #foldable = new Map<string, number>();
  #nextKey = 1;
  #received = 0;
  #dropped = 0;
  #view: FeedView = { rows: [], received: 0, dropped: 0 };
  #viewIsOld = false;
  #frameAsked = false;
  /** Newest event of each mount, to leave out what a second backlog repeats. */
  readonly #lastSequence = new Map<string, number>();

  /** `onFrame` runs its callback once, before the next frame. */
  constructor(onFrame: (callback: () => void) => void) {
    this.#onFrame = onFrame;
  }

  add(batch: ActivityBatch): void {
    for (const mount of batch.mounts) this.#addMount(mount);
    this.#changed();
  }

  /** What the host remembers, asked for after a connection: events already here are left out. */
  addBacklog(batch: ActivityBatch): readonly MountActivity[] {
    const fresh = batch.mounts.map((mount) => {
      const last = this.#lastSequence.get(mount.mountId);
      const newest = mount.events.at(-1)?.sequence ?? 0;
      if (last === undefined) return mount;
      // Numbers start again when a mount's engine does; what an earlier run left is here then already.
      const after = newest < last ? -1 : last;
      return { ...mount, events: mount.events.filter((event) => event.sequence > after) };
    });
    this.add({ mounts: fresh });
    return fresh.map((mount) => ({ ...mount, events: mount.events.filter(isOfThisRun) }));
  }

  clear(): void {
    this.#firstIndex += this.#rows.length;
    this.#rows = [];
    this.#foldable.clear();
    this.#dropped = 0;
    this.#changed();
  }

  /** The same value until something changed and a frame has passed. */
  readonly view = (): FeedView => {
    if (this.#viewIsOld) {
      this.#viewIsOld = false;
      this.#view = { rows: this.#rows.toReversed(), received: this.#received, dropped: this.#dropped };
    }
    return this.#view;
  };

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  };

  #addMount({ mountId, source, events, dropped }: MountActivity): void {
    this.#dropped += dropped;
    this.#received += events.length + dropped;
    for (const event of events) this.#addEvent(mountId, source, event);
    const last = events.at(-1);
    if (last !== undefined) this.#lastSequence.set(mountId, last.sequence);
  }

  #addEvent(mountId: string, source: string, event: ActivityEvent): void {
    const foldKey = `${mountId}\n${event.kind}\n${event.path}`;
    const index = neverFolded.has(event.kind) ? undefined : this.#foldable.get(foldKey);
    const row = index === undefined ? undefined : this.#rows[index - this.#firstIndex];
    if (index !== undefined && row !== undefined && event.at - row.lastAt < foldWithinMs) {
      this.#rows[index - this.#firstIndex] = {
        ...row,
        lastAt: event.at,
        count: row.count + 1,
        bytes: row.bytes + (event.bytes ?? 0),
        durationMs: row.durationMs + (event.durationMs ?? 0),
        detail: event.detail ?? row.detail,
      };
      return;
    }
    this.#rows.push({
      key: this.#nextKey++,
      mountId,
      source,
      kind: event.kind,
      path: event.path,
      toPath: event.toPath ?? null,
      firstAt: event.at,
      lastAt: event.at,
      count: 1,
      bytes: event.bytes ?? 0,
      durationMs: event.durationMs ?? 0,
      detail: event.detail ?? null,
    });
    this.#trim();
    if (this.#foldable.size >= maxFoldable) this.#foldable.clear();
    this.#foldable.set(foldKey, this.#firstIndex + this.#rows.length - 1);
  }

  /** In big steps, because cutting an array's front copies it. */
  #trim(): void {
    if (this.#rows.length < maxRows * 1.25) return;
    const surplus = this.#rows.length - maxRows;
    this.#rows = this.#rows.slice(surplus);
    this.#firstIndex += surplus;
  }

  #changed(): void {
    if (this.#frameAsked) return;
    this.#frameAsked = true;
    this.#onFrame(() => {
      this.#frameAsked = false;
      this.#viewIsOld = true;
      for (const listener of this.#listeners) listener();
    });
  }
}

export const kindGroups = {
  read: ['READ'],
  write: ['WRITE', 'COMMIT', 'CREATE', 'TRUNCATE'],
  names: ['MKDIR', 'RENAME', 'LINK', 'REMOVE'],
  sync: ['UPLOAD', 'REMOTE'],
  trouble: ['STALE', 'ERROR', 'CONFLICT'],
} as const satisfies Readonly<Record<string, readonly ActivityKind[]>>;
export type KindGroup = keyof typeof kindGroups;

export interface FeedFilter {
  /** Null: all. */
  readonly mountId: string | null;
  /** Empty: all. */
  readonly groups: ReadonlySet<KindGroup>;
  /** Part of a path, upper and lower case alike. */
  readonly path: string;
}

export const noFilter: FeedFilter = { mountId: null, groups: new Set(), path: '' };

export function filterRows(rows: readonly FeedRow[], filter: FeedFilter): readonly FeedRow[] {
  const path = filter.path.trim().toLowerCase();
  if (filter.mountId === null && filter.groups.size === 0 && path === '') return rows;
  const kinds = new Set<ActivityKind>([...filter.groups].flatMap((group) => [...kindGroups[group]]));
  return rows.filter(
    (row) =>
      (filter.mountId === null || row.mountId === filter.mountId) &&
      (kinds.size === 0 || kinds.has(row.kind)) &&
      (path === '' ||
        row.path.toLowerCase().includes(path) ||
        row.toPath?.toLowerCase().includes(path) === true),
  );
}

/** Earlier ones are listed, but raise no alert again. */
function isOfThisRun({ sequence }: ActivityEvent): boolean {
  return sequence >= 0;
}
