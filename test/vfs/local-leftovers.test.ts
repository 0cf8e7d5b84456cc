// What NFS clients left behind when the machine went down with removed files open.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Boot, systemBoot } from '../../src/vfs/namespace/local-leftovers.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { MemoryRemoteStore } from '../support/memory-remote-store.ts';
import { FsHarness } from '../support/virtual-fs-harness.ts';

const dayMs = 24 * 3_600_000;
const linux = '.nfs0000000000abcdef00000001';

test('without a number of the boot, removed files that no kernel can have open by the clock go at the next start', async (t) => {
  const remote = new MemoryRemoteStore();
  remote.put('d/open', 'content');
  remote.put('d/theirs/.nfs0000000000000000000000ff', 'a file of the Hub');
  const options: { boot: Boot } = { boot: { number: null, atMs: 0 } };
  const h = await FsHarness.open(t, remote, options);
  await h.names('d/theirs');
  const ino = await h.ino('d/open');
  await h.rename('d/open', `d/${linux}`);
  await h.write('d/.nfs.20051025.0001', 'of macOS');
  await h.write('d/.nfsnote', 'of a person');
  await h.write('d/.nfs.2024', 'of a person too');
  await h.write('d/linked', 'twice');
  await h.link('d/linked', 'd/.nfs000000000000123400000002');
  await h.flush();
  const all = [
    '.nfs.2024',
    '.nfs.20051025.0001',
    linux,
    '.nfs000000000000123400000002',
    '.nfsnote',
    'linked',
    'theirs',
  ].sort();

  h.clock.advance(2 * dayMs);
  await h.restart();
  assert.deepEqual(await h.names('d'), all, 'a kernel that was never down may have them open');

  const recent = '.nfs0000000000abcdef00000009';
  await h.write(`d/${recent}`, 'removed a moment ago');
  options.boot = { number: null, atMs: h.clock.now() + 1000 };
  await h.restart();
  assert.deepEqual(await h.names('d'), ['.nfs.2024', '.nfsnote', 'linked', recent, 'theirs'].sort());
  assert.deepEqual(await h.names('d/theirs'), ['.nfs0000000000000000000000ff']);
  assert.throws(() => h.fs.getAttributes(ino), { code: 'ESTALE' });
  assert.equal(await h.read('d/linked'), 'twice');
  assert.equal((await h.lookup('d/linked')).nlink, 1);
  await h.flush();
  assert.deepEqual(remote.paths(), ['d/.nfsnote', 'd/linked', 'd/theirs/.nfs0000000000000000000000ff']);
});

test('what was removed while it was open stays as long as the kernel runs, whatever the clock says', async (t) => {
  const options: { boot: Boot } = { boot: { number: 1, atMs: 0 } };
  const h = await FsHarness.open(t, new MemoryRemoteStore(), options);
  await h.write(linux, 'held open');
  h.clock.advance(1000 * dayMs);
  options.boot = { number: 1, atMs: h.clock.now() };
  for (let time = 0; time < 2; time += 1) {
    await h.restart();
    assert.deepEqual(await h.names(), [linux]);
    await h.crash();
    assert.deepEqual(await h.names(), [linux]);
  }
});

test('with another run of the kernel all of it goes, and what is left behind in that run stays', async (t) => {
  const options: { boot: Boot } = { boot: { number: 1, atMs: 0 } };
  const remote = new MemoryRemoteStore();
  remote.put('.nfs0000000000000000000000ff', 'a file of the Hub');
  const h = await FsHarness.open(t, remote, options);
  await h.names();
  await h.write(linux, 'of the first');
  options.boot = { number: 2, atMs: 0 };
  await h.crash();
  assert.deepEqual(await h.names(), ['.nfs0000000000000000000000ff']);
  const second = '.nfs0000000000abcdef00000002';
  await h.write(second, 'of the second');
  await h.crash();
  assert.deepEqual(await h.names(), ['.nfs0000000000000000000000ff', second]);
  options.boot = { number: 3, atMs: 0 };
  await h.restart();
  assert.deepEqual(await h.names(), ['.nfs0000000000000000000000ff']);
});

test('a catalogue that does not say in which run it was used keeps all until the next one', async (t) => {
  const options: { boot: Boot } = { boot: { number: 1, atMs: 0 } };
  const h = await FsHarness.open(t, new MemoryRemoteStore(), options);
  await h.write(linux, 'perhaps open');
  h.clock.advance(2 * dayMs);
  options.boot = { number: 2, atMs: h.clock.now() };
  await h.edit((database) => database.exec("DELETE FROM namespace_fact WHERE name = 'boot'"));
  assert.deepEqual(await h.names(), [linux]);
  await h.restart();
  assert.deepEqual(await h.names(), [linux]);
  options.boot = { number: 3, atMs: 0 };
  await h.restart();
  assert.deepEqual(await h.names(), []);
});

test('Linux numbers its boots, and the number stays', { skip: process.platform !== 'linux' }, () => {
  const first = systemBoot(new ManualClock());
  assert.ok(first.number !== null && first.number >= 0 && Number.isSafeInteger(first.number));
  assert.equal(systemBoot(new ManualClock()).number, first.number);
});
