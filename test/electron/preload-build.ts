// Builds the preload bundle for the tests that run it, once for as long as no source changed.

import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'vite';

const rootDir = fileURLToPath(new URL('../..', import.meta.url));

export async function buildPreload(): Promise<string> {
  const path = join(rootDir, 'dist/preload/preload.cjs');
  const sources = ['src/preload', 'src/shared'].map((dir) => join(rootDir, dir));
  const newest = Math.max(...(await Promise.all(sources.map(newestIn))));
  const built = await stat(path).then(
    ({ mtimeMs }) => mtimeMs,
    () => 0,
  );
  if (built < newest) {
    await build({ configFile: join(rootDir, 'src/preload/vite.config.ts'), logLevel: 'error' });
  }
  return path;
}

async function newestIn(dir: string): Promise<number> {
  const files = (await readdir(dir)).map(async (name) => (await stat(join(dir, name))).mtimeMs);
  return Math.max(0, ...(await Promise.all(files)));
}
