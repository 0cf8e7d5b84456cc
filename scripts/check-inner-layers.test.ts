// Holds the folders inside `src/vfs` and `src/main` to the arrows of docs/architecture.md. The lint rules guard the layers themselves;
// within one, a table is shorter than a rule for each folder.
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const sources = join(dirname(dirname(fileURLToPath(import.meta.url))), 'src');

/**
 * What each folder may import of its own layer. Files that lie in no folder tie the folders together or are words that all use; a
 * folder that is not named here (`electron`) does so too.
 */
const arrows: Record<string, Record<string, readonly string[]>> = {
  vfs: {
    storage: [],
    cache: ['storage'],
    content: ['cache', 'storage'],
    namespace: ['storage'],
    remote: ['namespace', 'storage'],
    uploads: ['namespace', 'storage'],
  },
  main: {
    files: [],
    system: ['files'],
    account: ['files', 'system'],
    engine: ['account', 'system'],
    mounts: ['engine', 'files', 'system'],
    surfaces: ['account', 'engine', 'files', 'mounts', 'system'],
    tray: ['files', 'surfaces'],
  },
};

/** Files of no folder that every folder may import; the others compose and are imported by nobody below. */
const words: Record<string, readonly string[]> = {
  vfs: ['file-system.ts', 'fs-error.ts', 'hub-error.ts', 'parts.ts'],
  main: ['problem.ts', 'settings.ts'],
};

interface Import {
  readonly from: string;
  readonly to: string;
}

/** Imports, type imports included, and module addresses given to threads. */
function importsOf(file: string, text: string): Import[] {
  const found: Import[] = [];
  for (const match of text.matchAll(/'(\.{1,2}\/[^'\s]+\.ts)'/g)) {
    found.push({ from: file, to: resolve(dirname(file), match[1] ?? '') });
  }
  return found;
}

function isAllowed(layer: string, { from, to }: Import): boolean {
  const [folder = '', ...rest] = relative(join(sources, layer), from).split('/');
  const target = relative(join(sources, layer), to).split('/');
  const allowed = arrows[layer]?.[folder];
  if (rest.length === 0 || target[0] === '..' || allowed === undefined) return true;
  if (target.length === 1) return (words[layer] ?? []).includes(target[0] ?? '');
  return target[0] === folder || allowed.includes(target[0] ?? '');
}

function describe({ from, to }: Import): string {
  return `${relative(sources, from)} imports ${relative(sources, to)}`;
}

for (const layer of Object.keys(arrows)) {
  test(`the folders of src/${layer} import along the arrows`, () => {
    const files = readdirSync(join(sources, layer), { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.ts'))
      .map((name) => join(sources, layer, name));
    const imports = files.flatMap((file) => importsOf(file, readFileSync(file, 'utf8')));
    assert.ok(imports.length > files.length, 'the imports are found at all');
    for (const folder of Object.keys(arrows[layer] ?? {}))
      assert.ok(existsSync(join(sources, layer, folder)));
    assert.deepEqual(imports.filter((found) => !isAllowed(layer, found)).map(describe), []);
  });
}

test('an import against the arrows is noticed', () => {
  const planted = importsOf(
    join(sources, 'vfs/storage/planted.ts'),
    "import '../content/staged-file.ts';\nimport '../virtual-fs.ts';\nimport '../fs-error.ts';\n",
  );
  assert.deepEqual(planted.filter((found) => !isAllowed('vfs', found)).map(describe), [
    'vfs/storage/planted.ts imports vfs/content/staged-file.ts',
    'vfs/storage/planted.ts imports vfs/virtual-fs.ts',
  ]);
});
