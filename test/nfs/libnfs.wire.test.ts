// An independent client: the tools of Debian's libnfs-utils, in user space. Skipped with the way to get them where they are
// missing, an error in CI.

import assert from 'node:assert/strict';
import { execFile, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { test, type TestContext } from 'node:test';
import { promisify } from 'node:util';
import { MemoryFileSystem } from '../support/memory-file-system.ts';
import { serveNfs, testExportPath } from '../support/nfs-fixture.ts';

const run = promisify(execFile);
const isMissing = spawnSync('nfs-ls', ['--help']).error !== undefined;
const skip = isMissing && process.env['CI'] === undefined ? 'needs: apt-get install libnfs-utils' : false;

async function scene(t: TestContext) {
  const fileSystem = new MemoryFileSystem();
  const uid = process.getuid?.() ?? 0;
  const nfs = await serveNfs(t, fileSystem, { owner: { uid, gid: process.getgid?.() ?? 0 } });
  const { port } = nfs.server;
  const folder = await mkdtemp(path.join(os.tmpdir(), 'hubdrive-libnfs-'));
  t.after(() => rm(folder, { recursive: true }));
  const url = (name: string): string =>
    `nfs://127.0.0.1${testExportPath}${name}?version=3&nfsport=${port}&mountport=${port}`;
  return { fileSystem, nfs, folder, url };
}

test('nfs-ls lists a tree with types, modes and sizes', { skip }, async (t) => {
  const { fileSystem, url } = await scene(t);
  fileSystem.addFile('docs/grün 🙂.txt', 'hello');
  fileSystem.addFile('model.bin', Buffer.alloc(123_456));
  for (let index = 0; index < 1500; index += 1) fileSystem.addFile(`many/entry-${index}`);
  const { stdout } = await run('nfs-ls', ['-R', url('')]);
  assert.match(stdout, /^-rw-r--r-- .* 123456 model\.bin$/m);
  assert.match(stdout, /^drwxr-xr-x .* docs$/m);
  assert.match(stdout, /^-rw-r--r-- .* 5 docs\/grün 🙂\.txt$/m);
  assert.equal(stdout.match(/many\/entry-\d+$/gm)?.length, 1500);
});

test('nfs-cat reads a file of several megabytes unchanged', { skip }, async (t) => {
  const { fileSystem, url } = await scene(t);
  const content = randomBytes(5_000_001);
  fileSystem.addFile('content.bin', content);
  const { stdout } = await run('nfs-cat', [url('/content.bin')], {
    encoding: 'buffer',
    maxBuffer: 16 * 1024 * 1024,
  });
  assert.ok(stdout.equals(content));
});

test('nfs-cp brings files in both directions unchanged', { skip }, async (t) => {
  const { fileSystem, url, folder, nfs } = await scene(t);
  const content = randomBytes(3_000_000);
  const [source, copy] = [path.join(folder, 'source'), path.join(folder, 'copy')];
  await writeFile(source, content);
  await run('nfs-cp', [source, url('/target')]);
  const { ino } = await fileSystem.lookup(fileSystem.rootIno, 'target');
  assert.ok(fileSystem.contentOf(ino).equals(content));
  await run('nfs-cp', [url('/target'), copy]);
  assert.ok((await readFile(copy)).equals(content));
  const { unexpected, garbage, stale } = nfs.server.stats();
  assert.deepEqual([unexpected, garbage, stale], [0, 0, 0]);
});
