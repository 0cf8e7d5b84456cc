// The two secrets of a mount: its export path (new for every system mount) and its handle key (kept, so that file handles survive restarts).

import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { replaceFile } from '../files/atomic-file.ts';
import { errnoOf, HostError } from '../problem.ts';

const keyBytes = 32;

/** 160 bits; letters and digits only, so that no mount table needs to escape it. */
export function newExportPath(): string {
  return `/${randomBytes(20).toString('hex')}`;
}

/** Reads or makes `handle.key` (0600) in `dataDir`. A damaged key is refused: replacing it would turn every handle stale. */
export async function loadHandleKey(dataDir: string): Promise<Uint8Array> {
  const path = join(dataDir, 'handle.key');
  try {
    const key = await readFile(path);
    if (key.length === keyBytes) return key;
    throw new HostError(
      'internal',
      `The file handle key “${path}” is damaged (${key.length} of ${keyBytes} bytes). Unmount what still uses it, then delete it`,
    );
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') throw error;
  }
  const key = randomBytes(keyBytes);
  await replaceFile(path, key, 0o600);
  return key;
}
