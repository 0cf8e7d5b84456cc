// Opens the catalogue of a mount, and where it is damaged sets it aside with the unsent bytes that only it could name, writes
// down beside them what they are, and begins a new one: names come back from the Hub. Used by the facade; deletes nothing.

import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  renameSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import type { Clock, Log } from '../../shared/log.ts';
import { checkCatalogueApart } from '../storage/catalogue-check.ts';
import { openCatalogueDatabase, type OpenCatalogueDatabase } from '../storage/catalogue-database.ts';
import { FsError } from '../fs-error.ts';
import { findWalDamage } from '../storage/wal-check.ts';

/** https://sqlite.org/rescode.html; the low byte of extended codes. */
const damageCodes: ReadonlySet<number> = new Set([11, 26]);
/** More names of a damaged catalogue are not kept in memory. */
const mostSalvagedNames = 1_000_000;
const mostRangesShown = 20;

export interface RecoveredCatalogue<T> {
  readonly loaded: T;
  /** What happened to the former one, for a person; null where nothing did. */
  readonly damage: string | null;
}

/**
 * Loads what the catalogue says. `sound` resolves when it was found whole and rejects otherwise: `load` may read until then, but must
 * neither write nor let anything be served. It is called again with a new catalogue where this one is damaged.
 */
export type LoadCatalogue<T> = (
  database: OpenCatalogueDatabase,
  isDamaged: boolean,
  sound: Promise<void>,
) => Promise<T>;

/** Throws where the disk, not the file, is at fault; the database is closed where this or `load` fails. */
export async function loadOrRebuildCatalogue<T>(
  dataDir: string,
  clock: Clock,
  log: Log,
  load: LoadCatalogue<T>,
): Promise<RecoveredCatalogue<T>> {
  const path = join(dataDir, 'catalogue.db');
  try {
    refuseMissing(dataDir);
    const damage = await keepDamagedLog(dataDir, clock, log);
    const loaded = await loadSound(path, (database, sound) => load(database, damage !== null, sound));
    return { loaded, damage };
  } catch (cause) {
    if (!isDamage(cause)) throw cause;
    const aside = setAside(dataDir, clock);
    const damage =
      `The list of names of this mount was damaged and is made anew from the Hub. What was left of it is in "${aside.folder}"` +
      (aside.unsent.length === 0
        ? '; it knew of nothing unsent'
        : `, with ${aside.unsent.length} files of changes that were not on the Hub yet; "READ ME.txt" there says whose they are`);
    log.error(damage, {}, cause);
    const loaded = await loadSound(path, (database, sound) => load(database, true, sound));
    return { loaded, damage };
  }
}

/** A mount with staged bytes or a log had a catalogue; an empty one in its place would make SQLite delete the log. */
function refuseMissing(dataDir: string): void {
  if (sizeOf(join(dataDir, 'catalogue.db')) > 0) return;
  const staging = join(dataDir, 'staging');
  const hadOne =
    sizeOf(join(dataDir, 'catalogue.db-wal')) > 0 || (existsSync(staging) && readdirSync(staging).length > 0);
  if (hadOne) throw new DamagedCatalogue('the file is missing or empty');
}

/** SQLite goes on without what follows the damage, and overwrites it: a copy is kept. */
async function keepDamagedLog(dataDir: string, clock: Clock, log: Log): Promise<string | null> {
  const found = await findWalDamage(join(dataDir, 'catalogue.db-wal'));
  if (found === null) return null;
  const folder = newFolder(dataDir, clock);
  for (const suffix of ['', '-wal']) {
    copyFileSync(join(dataDir, `catalogue.db${suffix}`), join(folder, `catalogue.db${suffix}`));
  }
  const damage = `The newest changes in the list of names of this mount are damaged (${found}). It goes on with the older ones; a copy of what was found is in "${folder}"`;
  log.error(damage);
  return damage;
}

function sizeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
}

async function loadSound<T>(
  path: string,
  load: (database: OpenCatalogueDatabase, sound: Promise<void>) => Promise<T>,
): Promise<T> {
  const database = openCatalogueDatabase(path);
  const sound = checkCatalogueApart(path, database.handle).then((found) => {
    if (found !== 'ok') throw new DamagedCatalogue(`SQLite says: ${found}`);
  });
  try {
    const [loaded] = await Promise.all([load(database, sound), sound]);
    return loaded;
  } catch (cause) {
    // What damaged rows made of the load says less than the check does, and nothing may move the file under it.
    const [verdict] = await Promise.allSettled([sound]);
    await database.close();
    throw verdict.status === 'rejected' ? verdict.reason : cause;
  }
}

class DamagedCatalogue extends Error {}

function isDamage(error: unknown): boolean {
  if (error instanceof DamagedCatalogue) return true;
  if (error instanceof FsError) return isDamage(error.cause);
  return (
    error instanceof Error &&
    'errcode' in error &&
    typeof error.errcode === 'number' &&
    damageCodes.has(error.errcode & 0xff)
  );
}

interface SetAside {
  readonly folder: string;
  /** Names of the staging files that went along. */
  readonly unsent: readonly string[];
}

function newFolder(dataDir: string, clock: Clock): string {
  const stamp = new Date(clock.now()).toISOString().replaceAll(/[:.]/g, '-');
  let folder = join(dataDir, 'set-aside', `catalogue-${stamp}`);
  for (let count = 2; existsSync(folder); count += 1) {
    folder = join(dataDir, 'set-aside', `catalogue-${stamp}-${count}`);
  }
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  return folder;
}

function setAside(dataDir: string, clock: Clock): SetAside {
  const folder = newFolder(dataDir, clock);
  const staging = join(dataDir, 'staging');
  const staged = existsSync(staging) ? readdirSync(staging) : [];
  const descriptions = describeStaged(join(dataDir, 'catalogue.db'));
  writeFileSync(join(folder, 'READ ME.txt'), readMe(staged, descriptions), { mode: 0o600 });
  // The catalogue last: until it is gone, the next start finds it damaged and comes here again.
  for (const name of staged) renameSync(join(staging, name), join(folder, name));
  for (const suffix of ['-shm', '-wal', '']) {
    const from = join(dataDir, `catalogue.db${suffix}`);
    if (existsSync(from)) renameSync(from, join(folder, `catalogue.db${suffix}`));
  }
  return { folder, unsent: staged };
}

function readMe(staged: readonly string[], descriptions: ReadonlyMap<string, string>): string {
  return [
    'The catalogue of this Hubdrive mount was damaged. It is kept here for whoever wants to look at it; Hubdrive does not need it.',
    '',
    staged.length === 0
      ? 'There were no unsent changes.'
      : 'The other files here hold changes that were not on the Hub yet, as far as they could be attributed:',
    ...staged.map((name) => `${name}: ${descriptions.get(name) ?? 'the catalogue could not be read for it'}`),
    '',
  ].join('\n');
}

// ---- what can still be read -----------------------------------------------------------------------------------------

interface StagedRow {
  readonly id: number;
  readonly ino: number;
  readonly base: string | null;
}

/** By name of the staging file: whose it is and what of it counts. Whatever cannot be read is left out. */
function describeStaged(path: string): Map<string, string> {
  const descriptions = new Map<string, string>();
  let database: DatabaseSync;
  try {
    database = new DatabaseSync(path, { readOnly: true });
  } catch {
    return descriptions; // no database at all: the files stay without a description
  }
  try {
    const names = new Map<number, { readonly parent: number; readonly name: string }>();
    readAround(database, 'SELECT ino, parent, name FROM entry ORDER BY parent', (row) => {
      const { ino, parent, name } = row;
      if (typeof ino !== 'number' || typeof parent !== 'number' || typeof name !== 'string') return;
      if (names.size < mostSalvagedNames) names.set(ino, { parent, name });
    });
    const layers: StagedRow[] = [];
    readAround(database, 'SELECT id, ino, base_key FROM staged_layer ORDER BY id', (row) => {
      const { id, ino, base_key: base } = row;
      if (typeof id !== 'number' || typeof ino !== 'number') return;
      layers.push({ id, ino, base: typeof base === 'string' ? base : null });
    });
    for (const { id, ino, base } of layers) {
      const ranges: string[] = [];
      readAround(
        database,
        `SELECT start, end FROM staged_extent WHERE layer = ${id} ORDER BY start`,
        (row) => {
          if (ranges.length < mostRangesShown) ranges.push(`${String(row['start'])}-${String(row['end'])}`);
        },
      );
      const what = base === null ? 'a new file' : `changes to the version ${base}`;
      const path = pathOf(ino, names) ?? `inode ${ino}`;
      descriptions.set(`${ino}-${id}.dat`, `"${path}", ${what}, bytes ${ranges.join(', ') || 'unknown'}`);
    }
  } finally {
    database.close();
  }
  return descriptions;
}

/** Reads from both ends up to the damage. A row may come twice. */
function readAround(
  database: DatabaseSync,
  query: string,
  take: (row: Readonly<Record<string, unknown>>) => void,
): void {
  for (const direction of ['ASC', 'DESC']) {
    try {
      for (const row of database.prepare(`${query} ${direction}`).iterate()) take(row);
      return;
    } catch {
      // Damaged from here on; the other end may be whole.
    }
  }
}

function pathOf(
  ino: number,
  names: ReadonlyMap<number, { readonly parent: number; readonly name: string }>,
): string | null {
  const segments: string[] = [];
  for (let at = names.get(ino); at !== undefined && segments.length < 256; at = names.get(at.parent)) {
    segments.unshift(at.name);
  }
  return segments.length === 0 ? null : segments.join('/');
}
