// Where the built parts lie that are not modules, seen from the source tree, from `dist` and from inside the packaged app, which all have
// the same folders below one root.

import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export interface AppFiles {
  readonly rendererDir: string;
  readonly preloadPath: string;
  readonly assetsDir: string;
}

export function findAppFiles(moduleUrl: string = import.meta.url): AppFiles {
  // src/main/app-files.ts or dist/src/main/app-files.js
  const root = fileURLToPath(new URL(moduleUrl.endsWith('.ts') ? '../..' : '../../..', moduleUrl));
  return {
    rendererDir: join(root, 'dist', 'renderer'),
    preloadPath: join(root, 'dist', 'preload', 'preload.cjs'),
    assetsDir: join(root, 'assets'),
  };
}
