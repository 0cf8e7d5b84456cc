// Proves that the layer rules bite: a checker that checks nothing looks green. Each case plants one forbidden import in a scratch file,
// expects the linter to name the rule, and takes the file away again.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const rootDir = dirname(dirname(fileURLToPath(import.meta.url)));
const oxlint = join(rootDir, 'node_modules', '.bin', 'oxlint');

function lintPlanted(layer: string, line: string): { status: number | null; output: string } {
  const dir = mkdtempSync(join(rootDir, 'src', layer, 'planted-'));
  try {
    writeFileSync(join(dir, 'planted.ts'), `${line}\n`);
    const result = spawnSync(oxlint, [join('src', layer)], { cwd: rootDir, encoding: 'utf8' });
    return { status: result.status, output: result.stdout + result.stderr };
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

const forbidden: readonly [layer: string, line: string][] = [
  ['nfs', "export { HubError } from '../../hub/remote-store.ts';"],
  ['vfs', "import '../../nfs/xdr.ts';"],
  ['vfs', "import '../../hub/http.ts';"],
  ['hub', "import '../../vfs/fs-error.ts';"],
  ['hub-local', "import '../../hub/http.ts';"],
  ['xet', "import '../../hub/http.ts';"],
  ['shared', "import '../../main/host.ts';"],
  ['shared', "import 'node:fs';"],
  ['renderer', "import '../../main/host.ts';"],
  ['cli', "import '../../main/host.ts';"],
  ['preload', "import '../../main/host.ts';"],
  ['main', "import '../../renderer/store.ts';"],
  ['main', "import 'electron';"],
  ['vfs', "import 'pino';"],
];

for (const [layer, line] of forbidden) {
  test(`the linter refuses ${line} in src/${layer}`, () => {
    const { status, output } = lintPlanted(layer, line);
    assert.notEqual(status, 0);
    assert.match(output, /no-restricted-imports/);
  });
}

test('the linter accepts an import along the arrows', () => {
  const { status, output } = lintPlanted('vfs', "export { HubError } from '../../hub/remote-store.ts';");
  assert.equal(status, 0, output);
});
