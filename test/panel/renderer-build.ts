// Builds the renderer for the tests that serve it, once for as long as no source changed.

import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'vite';

const rootDir = fileURLToPath(new URL('../..', import.meta.url));
const rendererDir = join(rootDir, 'dist/renderer');

/** Returns the folder of the built renderer. */
export async function buildRenderer(): Promise<string> {
  const newestSource = Math.max(
    await newestIn(join(rootDir, 'src/renderer')),
    await newestIn(join(rootDir, 'src/shared')),
  );
  const built = await stat(join(rendererDir, 'index.html')).then(
    (found) => found.mtimeMs,
    () => 0,
  );
  if (built < newestSource) {
    await build({ configFile: join(rootDir, 'src/renderer/vite.config.ts'), logLevel: 'error' });
  }
  return rendererDir;
}

async function newestIn(dir: string): Promise<number> {
  const entries = await readdir(dir, { recursive: true, withFileTypes: true });
  const times = entries
    .filter((entry) => entry.isFile())
    .map(async (entry) => (await stat(join(entry.parentPath, entry.name))).mtimeMs);
  return Math.max(0, ...(await Promise.all(times)));
}
