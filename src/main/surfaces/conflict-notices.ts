// The conflicts that a person has not looked at, by mount: collected from activity, kept in the mount's data folder so that they survive
// a restart, ended by a choice. Both versions exist all the while, so losing a notice loses no data.

import { join } from 'node:path';
import type { ActivityEvent } from '../../shared/activity.ts';
import { integer, list, object, text } from '../../shared/arguments.ts';
import type { Log } from '../../shared/log.ts';
import type { ConflictChoice, ConflictView } from '../../shared/model.ts';
import { fingerprint } from '../../shared/places.ts';
import type { ConflictSettlement } from '../engine/settle-conflict.ts';
import { JsonFile, readJsonFile } from '../files/json-file.ts';
import { HostError } from '../problem.ts';

interface Notice {
  readonly path: string;
  readonly minePath: string;
  readonly at: number;
}

/** Somebody with more has another problem; the files themselves are all there. */
const maxNotices = 500;
const path = text(8192);
const parseNotices = list(
  object({ path, minePath: path, at: integer(0, Number.MAX_SAFE_INTEGER) }),
  maxNotices,
);

export interface ConflictNoticesOptions {
  /** Existing folder of a mount's data. */
  readonly dataDirOf: (mountId: string) => string;
  readonly log: Log;
  readonly settle: (mountId: string, settlement: ConflictSettlement) => Promise<void>;
  readonly onChange: () => void;
}

export class ConflictNotices {
  readonly #options: ConflictNoticesOptions;
  readonly #files = new Map<string, JsonFile<readonly Notice[]>>();
  readonly #sources = new Map<string, string>();
  #saving: Promise<void> = Promise.resolve();

  constructor(options: ConflictNoticesOptions) {
    this.#options = options;
  }

  /** Before anything else is asked about a mount. */
  async load(mountId: string, source: string): Promise<void> {
    const filePath = join(this.#options.dataDirOf(mountId), 'conflicts.json');
    const parse = (value: unknown) => parseNotices(value, 'conflicts.json');
    const known = await readJsonFile<readonly Notice[]>(filePath, parse, [], this.#options.log);
    // Conflicts may have been noticed while the file was read.
    const meanwhile = this.#files.get(mountId)?.value ?? [];
    this.#sources.set(mountId, source);
    this.#files.set(mountId, new JsonFile(filePath, merge(known, meanwhile)));
    if (known.length > 0) this.#options.onChange();
  }

  count(mountId: string): number {
    return this.#files.get(mountId)?.value.length ?? 0;
  }

  noteActivity(mountId: string, events: readonly ActivityEvent[]): void {
    const fresh = events.flatMap(({ kind, path: theirs, toPath, at }) =>
      kind === 'CONFLICT' && toPath !== undefined
        ? [{ path: theirs, minePath: toPath, at: Math.round(at) }]
        : [],
    );
    const file = this.#files.get(mountId);
    if (fresh.length > 0 && file !== undefined) this.#save(file, merge(file.value, fresh));
  }

  list(mountIds: readonly string[]): readonly ConflictView[] {
    return mountIds.flatMap((mountId) => {
      const source = this.#sources.get(mountId) ?? '';
      const notices = this.#files.get(mountId)?.value ?? [];
      return notices.map((notice) => ({ mountId, source, id: idOf(notice), ...notice }));
    });
  }

  async resolve(mountId: string, conflictId: string, choice: ConflictChoice): Promise<void> {
    const file = this.#files.get(mountId);
    const notice = file?.value.find((each) => idOf(each) === conflictId);
    if (file === undefined || notice === undefined) {
      throw new HostError('not-found', 'This conflict was settled already');
    }
    const { path: theirs, minePath } = notice;
    if (choice !== 'both') await this.#options.settle(mountId, { path: theirs, minePath, keep: choice });
    this.#save(
      file,
      file.value.filter((each) => each !== notice),
    );
  }

  /** Everything noticed so far is on disk, or was reported as not. */
  async settled(): Promise<void> {
    await this.#saving;
  }

  /** The mount and its data are gone. */
  forget(mountId: string): void {
    this.#files.delete(mountId);
    this.#sources.delete(mountId);
  }

  #save(file: JsonFile<readonly Notice[]>, notices: readonly Notice[]): void {
    this.#saving = file.set(notices).catch((error: unknown) => {
      this.#options.log.error('The list of conflicts could not be kept', {}, error);
    });
    this.#options.onChange();
  }
}

/** Newest last; one notice for each kept version. */
function merge(known: readonly Notice[], fresh: readonly Notice[]): readonly Notice[] {
  const byMine = new Map([...known, ...fresh].map((notice) => [notice.minePath, notice]));
  return [...byMine.values()].slice(-maxNotices);
}

function idOf({ minePath }: Notice): string {
  return fingerprint(minePath);
}
