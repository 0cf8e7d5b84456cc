// The built renderer, held in memory: a fixed set of names, so that no request can reach any other file. Used by panel-server.ts.

import { readdir, readFile } from 'node:fs/promises';
import { extname, join, sep } from 'node:path';
import { errnoOf } from '../problem.ts';

export interface PanelFile {
  readonly body: Buffer;
  readonly type: string;
  /** Its name holds a hash of its content. */
  readonly immutable: boolean;
}

const types: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.ico': 'image/x-icon',
};

/** Stands in index.html where each answer gets its own nonce. */
export const noncePlaceholder = '__CSP_NONCE__';

/** By URL path; empty where the renderer was not built. Files of kinds that the renderer has no use for are left out. */
export async function loadPanelFiles(rendererDir: string): Promise<ReadonlyMap<string, PanelFile>> {
  const files = new Map<string, PanelFile>();
  for (const name of await listFiles(rendererDir)) {
    const type = types[extname(name)];
    if (type === undefined) continue;
    const path = `/${name.split(sep).join('/')}`;
    const body = await readFile(join(rendererDir, name));
    files.set(path, { body, type, immutable: path.startsWith('/assets/') });
  }
  return files;
}

async function listFiles(dir: string): Promise<readonly string[]> {
  try {
    const entries = await readdir(dir, { recursive: true, withFileTypes: true });
    return entries
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name).slice(dir.length + 1));
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return [];
    throw error;
  }
}
