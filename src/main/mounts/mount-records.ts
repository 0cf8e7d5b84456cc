// What is remembered of every mount (mounts.json, 0600): where, how, which port and which export path, whether it comes back at the
// next start and what it had not sent yet. Leftovers of a dead run are recognised by it.

import { join } from 'node:path';
import { flag, integer, list, nullable, object, oneOf, text, withDefault } from '../../shared/arguments.ts';
import type { Log } from '../../shared/log.ts';
import type { PendingTotals } from '../../shared/model.ts';
import { fingerprint } from '../../shared/places.ts';
import type { SourceSpec } from '../../hub/source.ts';
import { formatSource } from '../../hub/source.ts';
import { JsonFile, readJsonFile } from '../files/json-file.ts';

export interface MountRecord {
  readonly id: string;
  readonly source: string;
  readonly revision: string | null;
  /** The Hub it belongs to: an endpoint URL, or `demo` for the embedded one, whose port may change. */
  readonly hub: string;
  readonly mountPoint: string | null;
  readonly readOnly: boolean;
  readonly serverOnly: boolean;
  readonly port: number | null;
  /** Of the system mount that exists or existed last. */
  readonly exportPath: string | null;
  /** Mounted again at the next start. */
  readonly wanted: boolean;
  /** Folders we made for the mount point, outermost first; removed when they are empty again. */
  readonly createdDirs: readonly string[];
  readonly unsent: PendingTotals;
}

const path = text(4096);
const count = integer(0, Number.MAX_SAFE_INTEGER);
const parseRecord = object({
  id: text(200),
  source: text(1200),
  revision: nullable(text(256)),
  hub: text(1000),
  mountPoint: nullable(path),
  readOnly: flag,
  serverOnly: flag,
  port: nullable(integer(1, 65_535)),
  exportPath: nullable(text(1000)),
  wanted: flag,
  createdDirs: list(path, 100),
  unsent: object({ files: count, bytes: count }),
});
const parseFile = object({
  version: withDefault(oneOf(['1']), '1'),
  mounts: list(parseRecord, 10_000),
});

interface RecordFile {
  readonly version: '1';
  readonly mounts: readonly MountRecord[];
}

export class MountRecords {
  readonly #file: JsonFile<RecordFile>;

  private constructor(file: JsonFile<RecordFile>) {
    this.#file = file;
  }

  static async load(dataDir: string, log: Log): Promise<MountRecords> {
    const filePath = join(dataDir, 'mounts.json');
    const empty: RecordFile = { version: '1', mounts: [] };
    const content = await readJsonFile(filePath, (value) => parseFile(value, 'mounts.json'), empty, log);
    return new MountRecords(new JsonFile(filePath, content));
  }

  all(): readonly MountRecord[] {
    return this.#file.value.mounts;
  }

  find(id: string): MountRecord | undefined {
    return this.all().find((record) => record.id === id);
  }

  async save(record: MountRecord): Promise<void> {
    const others = this.all().filter((other) => other.id !== record.id);
    await this.#file.set({ version: '1', mounts: [...others, record] });
  }

  async remove(id: string): Promise<void> {
    await this.#file.set({ version: '1', mounts: this.all().filter((record) => record.id !== id) });
  }
}

/** Of a mount that was never made. */
export function newMountRecord(
  spec: SourceSpec,
  hub: string,
  { readOnly, serverOnly }: Pick<MountRecord, 'readOnly' | 'serverOnly'>,
): MountRecord {
  return {
    id: mountIdOf(spec, hub),
    source: formatSource(spec),
    revision: spec.revision,
    hub,
    mountPoint: null,
    readOnly,
    serverOnly,
    port: null,
    exportPath: null,
    wanted: false,
    createdDirs: [],
    unsent: { files: 0, bytes: 0 },
  };
}

/** One mount per source, revision and Hub. Readable, fit as a folder name, and unique by its last part. */
export function mountIdOf(spec: SourceSpec, hub: string): string {
  const identity = fingerprint(JSON.stringify([hub, formatSource(spec), spec.revision]));
  const readable = [spec.kind, spec.owner, spec.name]
    .join('-')
    .replace(/[^A-Za-z0-9._-]/g, '_')
    .slice(0, 80);
  return `${readable}-${identity.slice(0, 12)}`;
}
