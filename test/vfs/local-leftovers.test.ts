// What NFS clients left behind when the machine went down with removed files open.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MemoryRemoteStore } from '../support/memory-remote-store.ts';
import { FsHarness } from '../support/virtual-fs-harness.ts';

const dayMs = 24 * 3_600_000;
const linux = '.nfs0000000000abcdef00000001';

test('removed files that no kernel can have open any more go at the next start', async (t) => {
  const remote = new MemoryRemoteStore();
  remote.put('d/open', 'content');
  remote.put('d/theirs/.nfs0000000000000000000000ff', 'a file of the Hub');
  const options: { bootedAtMs: number } = { bootedAtMs: 0 };
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
  options.bootedAtMs = h.clock.now() + 1000;
  await h.restart();
  assert.deepEqual(await h.names('d'), ['.nfs.2024', '.nfsnote', 'linked', recent, 'theirs'].sort());
  assert.deepEqual(await h.names('d/theirs'), ['.nfs0000000000000000000000ff']);
  assert.throws(() => h.fs.getAttributes(ino), { code: 'ESTALE' });
  assert.equal(await h.read('d/linked'), 'twice');
  assert.equal((await h.lookup('d/linked')).nlink, 1);
  await h.flush();
  assert.deepEqual(remote.paths(), ['d/.nfsnote', 'd/linked', 'd/theirs/.nfs0000000000000000000000ff']);
});
