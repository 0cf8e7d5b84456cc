// The noteworthy part of what happened in each mount, kept in its data folder so that it is still listed after a restart. Written at most
// every two seconds; what a crash takes of it is only news.

import { join } from 'node:path';
import { activityKinds } from '../../shared/activity.ts';
import type { ActivityEvent, ActivityKind } from '../../shared/activity.ts';
import { integer, list, object, oneOf, optional } from '../../shared/arguments.ts';
import type { Parser } from '../../shared/arguments.ts';
import type { Clock, Log, Timer } from '../../shared/log.ts';
import { replaceFile } from '../files/atomic-file.ts';
import { readJsonFile } from '../files/json-file.ts';

const noteworthy: ReadonlySet<ActivityKind> = new Set([
  'STALE',
  'ERROR',
  'CONFLICT',
  'RENAME',
  'REMOVE',
  'UPLOAD',
]);
const maxEvents = 50;
const maxTextLength = 8192;
const saveDelayMs = 2000;

type Remembered = Pick<ActivityEvent, 'at' | 'kind' | 'path'> & {
  readonly toPath?: string | undefined;
  readonly bytes?: number | undefined;
  readonly detail?: string | undefined;
};

const words: Parser<string> = (value) => (typeof value === 'string' ? value.slice(0, maxTextLength) : '');
const count = integer(0, Number.MAX_SAFE_INTEGER);
const parseEvents = list(
  object({
    at: count,
    kind: oneOf(activityKinds),
    path: words,
    toPath: optional(words),
    bytes: optional(count),
    detail: optional(words),
  }),
  maxEvents,
);

export interface ActivityMemoryOptions {
  /** Existing folder of a mount's data. */
  readonly dataDirOf: (mountId: string) => string;
  readonly clock: Clock;
  readonly log: Log;
}

export class ActivityMemory {
  readonly #options: ActivityMemoryOptions;
  readonly #known = new Map<string, readonly Remembered[]>();
  readonly #unsaved = new Set<string>();
  #timer: Timer | null = null;
  #saving: Promise<void> = Promise.resolve();

  constructor(options: ActivityMemoryOptions) {
    this.#options = options;
  }

  /** What earlier runs left, oldest first, with numbers below zero: a running mount counts from zero. */
  async load(mountId: string): Promise<readonly ActivityEvent[]> {
    const parse = (value: unknown) => parseEvents(value, 'activity.json');
    const before = await readJsonFile<readonly Remembered[]>(
      this.#pathOf(mountId),
      parse,
      [],
      this.#options.log,
    );
    const meanwhile = this.#known.get(mountId) ?? [];
    this.#known.set(mountId, [...before, ...meanwhile].slice(-maxEvents));
    return before.map(({ toPath, bytes, detail, ...event }, index) => ({
      ...event,
      sequence: index - before.length,
      ...(toPath === undefined ? {} : { toPath }),
      ...(bytes === undefined ? {} : { bytes }),
      ...(detail === undefined ? {} : { detail }),
    }));
  }

  note(mountId: string, events: readonly ActivityEvent[]): void {
    const fresh = events.filter(isNoteworthy).map(({ at, kind, path, toPath, bytes, detail }) => ({
      at: Math.round(at),
      kind,
      path,
      toPath,
      bytes,
      detail,
    }));
    if (fresh.length === 0) return;
    this.#known.set(mountId, [...(this.#known.get(mountId) ?? []), ...fresh].slice(-maxEvents));
    this.#unsaved.add(mountId);
    this.#timer ??= this.#options.clock.schedule(saveDelayMs, () => this.#save());
  }

  /** The mount and its data are gone. */
  forget(mountId: string): void {
    this.#known.delete(mountId);
    this.#unsaved.delete(mountId);
  }

  /** Everything noted so far is on disk, or was reported as not. */
  async close(): Promise<void> {
    this.#save();
    await this.#saving;
  }

  #save(): void {
    this.#timer?.cancel();
    this.#timer = null;
    const writes = [...this.#unsaved].map((mountId) => async () => {
      const text = JSON.stringify(this.#known.get(mountId) ?? []);
      try {
        await replaceFile(this.#pathOf(mountId), `${text}\n`, 0o600);
      } catch (error) {
        this.#options.log.warn('The latest activity could not be kept', { mountId, cause: String(error) });
      }
    });
    this.#unsaved.clear();
    for (const write of writes) this.#saving = this.#saving.then(write);
  }

  #pathOf(mountId: string): string {
    return join(this.#options.dataDirOf(mountId), 'activity.json');
  }
}

/** Of an upload its end. */
function isNoteworthy({ kind, transfer }: ActivityEvent): boolean {
  return noteworthy.has(kind) && (kind !== 'UPLOAD' || transfer !== undefined);
}
