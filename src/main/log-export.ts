// One file for a report of a fault: versions, settings, mounts, the doctor's findings and the logs, oldest line first, with secrets removed.
// It stays on this computer; the person looks at it and sends it where they want.

import { createReadStream, createWriteStream } from 'node:fs';
import { mkdir, readdir, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { pipeline } from 'node:stream/promises';
import type { LogExport } from '../shared/model.ts';
import { errnoOf } from './problem.ts';
import { redactForSharing } from './files/redact.ts';

export interface LogExportParts {
  readonly logDir: string;
  /** Made where absent; keeps the newest three exports. */
  readonly exportDir: string;
  /** Plain data that goes in front of the logs. */
  readonly about: Readonly<Record<string, unknown>>;
  /** Removed wherever they stand, whatever they look like. */
  readonly secrets: readonly string[];
  /** Milliseconds since the epoch. */
  readonly now: number;
}

const keptExports = 3;
/** A longer line is no log of ours; its end is left out. */
const maxLineLength = 64 * 1024;
const exportName = /^hubdrive-report-.*\.txt$/;

export async function exportLogs(parts: LogExportParts): Promise<LogExport> {
  const { exportDir, now } = parts;
  await mkdir(exportDir, { recursive: true, mode: 0o700 });
  const time = new Date(now).toISOString().slice(0, 19).replaceAll(':', '-');
  const path = join(exportDir, `hubdrive-report-${time}.txt`);
  const temporaryPath = `${path}.part`;
  try {
    await pipeline(reportLines(parts), createWriteStream(temporaryPath, { mode: 0o600 }));
    await rename(temporaryPath, path);
  } catch (error) {
    await rm(temporaryPath, { force: true });
    throw error;
  }
  await removeOldExports(exportDir);
  return { path, sizeBytes: (await stat(path)).size };
}

async function* reportLines(parts: LogExportParts): AsyncGenerator<string> {
  for await (const line of allLines(parts)) {
    yield `${redactForSharing(line, parts.secrets).slice(0, maxLineLength)}\n`;
  }
}

async function* allLines({ about, logDir }: LogExportParts): AsyncGenerator<string> {
  for (const [title, value] of Object.entries(about)) {
    yield `== ${title}`;
    yield* JSON.stringify(value, null, 2).split('\n');
  }
  for (const name of await findLogs(logDir)) {
    yield `== ${name}`;
    yield* createInterface({ input: createReadStream(join(logDir, name)) });
  }
}

/** Oldest first. */
async function findLogs(logDir: string): Promise<readonly string[]> {
  const names = (await listFolder(logDir)).filter((name) => /^hubdrive\..*log$/.test(name));
  const dated = await Promise.all(
    names.map(async (name) => ({ name, at: (await stat(join(logDir, name))).mtimeMs })),
  );
  return dated.toSorted((one, other) => one.at - other.at).map(({ name }) => name);
}

async function removeOldExports(exportDir: string): Promise<void> {
  const names = (await listFolder(exportDir)).filter((name) => exportName.test(name)).toSorted();
  await Promise.all(names.slice(0, -keptExports).map((name) => rm(join(exportDir, name), { force: true })));
}

async function listFolder(path: string): Promise<readonly string[]> {
  try {
    return await readdir(path);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return [];
    throw error;
  }
}
