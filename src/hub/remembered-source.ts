// What a source was when it was last opened, kept in a small file, so that a mount can start while the Hub is out of reach.
// A cache: anything unreadable counts as nothing remembered.

import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { SourceInfo } from './remote-store.ts';
import { formatSource, type SourceSpec } from './source.ts';
import type { HubLog } from './surroundings.ts';

export interface RememberedPlace {
  readonly directory: string;
  readonly endpoint: string;
  readonly spec: SourceSpec;
}

export interface RememberedSource {
  readonly info: SourceInfo;
  readonly commit: string | null;
  readonly commitMs: number;
}

function fileOf(place: RememberedPlace): string {
  return path.join(place.directory, 'source.json');
}

function nameOf(place: RememberedPlace): string {
  return `${place.endpoint} ${formatSource(place.spec)} ${place.spec.revision ?? ''}`;
}

/** Never rejects: not being able to remember only matters at a start without network. */
export async function rememberSource(
  place: RememberedPlace,
  source: RememberedSource,
  log: HubLog,
): Promise<void> {
  const file = fileOf(place);
  try {
    await mkdir(place.directory, { recursive: true });
    await writeFile(`${file}.new`, JSON.stringify({ name: nameOf(place), source }), { mode: 0o600 });
    await rename(`${file}.new`, file);
  } catch (cause) {
    log.warn('The source could not be remembered', {
      file,
      cause: cause instanceof Error ? cause.message : null,
    });
  }
}

/** Null when nothing is remembered of exactly this source. */
export async function recallSource(place: RememberedPlace): Promise<RememberedSource | null> {
  try {
    const stored: unknown = JSON.parse(await readFile(fileOf(place), 'utf8'));
    return isRemembered(stored) && stored.name === nameOf(place) ? stored.source : null;
  } catch (cause) {
    if (cause instanceof SyntaxError || (cause as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw cause;
  }
}

function isRemembered(value: unknown): value is { name: string; source: RememberedSource } {
  if (typeof value !== 'object' || value === null) return false;
  const { name, source } = value as Record<string, unknown>;
  if (typeof name !== 'string' || typeof source !== 'object' || source === null) return false;
  const { info, commit, commitMs } = source as Record<string, unknown>;
  if (typeof info !== 'object' || info === null || typeof commitMs !== 'number') return false;
  if (commit !== null && typeof commit !== 'string') return false;
  const fields = info as Record<string, unknown>;
  return (
    ['kind', 'name', 'subfolder', 'identifier'].every((key) => typeof fields[key] === 'string') &&
    typeof fields['writable'] === 'boolean' &&
    typeof fields['private'] === 'boolean'
  );
}
