import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { silentLog } from '../../src/shared/log.ts';
import { emptyCache, measureCache } from '../../src/vfs/cache/cache-emptying.ts';
import { eventually } from '../support/host-world.ts';
import { MemoryRemoteStore } from '../support/memory-remote-store.ts';
import { FsHarness } from '../support/virtual-fs-harness.ts';

let cacheDir: string;
beforeEach(() => {
  cacheDir = mkdtempSync(join(tmpdir(), 'hubdrive-emptying-'));
});
afterEach(() => rmSync(cacheDir, { recursive: true, force: true }));

test('where nothing was ever cached there is nothing to free, and nothing is made', async () => {
  assert.equal(measureCache(cacheDir, silentLog), 0);
  assert.equal(await emptyCache(cacheDir, silentLog), 0);
  assert.deepEqual(readdirSync(cacheDir), []);
});

test('beside a mount that runs, cached content goes, and what was not sent stays and arrives', async (t) => {
  const remote = new MemoryRemoteStore();
  remote.put('read.bin', 'r'.repeat(100_000));
  remote.put('edited.bin', 'e'.repeat(100_000));
  const h = await FsHarness.open(t, remote, { cacheDir });
  h.fs.uploads.pause();
  assert.equal((await h.read('read.bin')).length, 100_000);
  assert.equal((await h.read('edited.bin')).length, 100_000);
  const edited = await h.ino('edited.bin');
  await h.fs.write(edited, 0, Buffer.from('CHANGED'));
  await h.fs.commit(edited);
  await h.write('new.txt', 'only here');
  await eventually(() => {
    h.clock.advance(3000);
    return measureCache(cacheDir, silentLog) === 200_000;
  }, 'what was read is recorded as cache');

  assert.equal(await emptyCache(cacheDir, silentLog), 200_000);
  assert.equal(measureCache(cacheDir, silentLog), 0);
  await h.crash();
  assert.equal(await h.read('new.txt'), 'only here');
  assert.equal((await h.read('edited.bin')).slice(0, 9), 'CHANGEDee');
  assert.equal((await h.read('read.bin')).length, 100_000);
  await h.flush();
  assert.equal(remote.text('new.txt'), 'only here');
  assert.equal(remote.text('edited.bin'), `CHANGED${'e'.repeat(99_993)}`);
});
