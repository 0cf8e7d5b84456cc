// Retransmitted calls that must not run twice: the same reply comes again, also on another connection, also while the first
// run is still under way.

import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { FsError } from '../../src/vfs/fs-error.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { MemoryFileSystem } from '../support/memory-file-system.ts';
import { noChanges } from '../support/nfs-client.ts';
import { serveNfs } from '../support/nfs-fixture.ts';

const bytes = (text: string): Buffer => Buffer.from(text);

async function scene(t: TestContext) {
  const fileSystem = new MemoryFileSystem();
  fileSystem.addFile('file', 'content');
  const clock = new ManualClock();
  const nfs = await serveNfs(t, fileSystem, { clock });
  const { client, root } = await nfs.mounted();
  return { fileSystem, clock, nfs, client, root };
}

test('REMOVE, RENAME, CREATE GUARDED, MKDIR, LINK and a guarded SETATTR run once and answer twice the same', async (t) => {
  const { client, root, fileSystem, nfs } = await scene(t);
  const where = (name: string) => ({ dir: root, name: bytes(name) });
  const file = await client.lookup(root, 'file');
  const { ctime } = await client.getattr(file);
  const twice = async <T>(call: (xid: number) => Promise<T>): Promise<void> => {
    const xid = client.rpc.nextXid();
    const first = await call(xid);
    const second = await call(xid);
    assert.deepEqual(second, first);
    assert.ok(typeof first === 'object' && first !== null && 'ok' in first && first.ok === true);
  };
  await twice((xid) =>
    client.call(
      'SETATTR',
      { object: file, new_attributes: { ...noChanges, mode: 0o600 }, guard: ctime },
      { xid },
    ),
  );
  await twice((xid) =>
    client.call('CREATE', { where: where('new'), how: { mode: 1, obj_attributes: noChanges } }, { xid }),
  );
  await twice((xid) => client.call('MKDIR', { where: where('dir'), attributes: noChanges }, { xid }));
  await twice((xid) => client.call('LINK', { file, link: where('linked') }, { xid }));
  await twice((xid) => client.call('RENAME', { from: where('new'), to: where('renamed') }, { xid }));
  await twice((xid) => client.call('REMOVE', { object: where('renamed') }, { xid }));
  await twice((xid) => client.call('RMDIR', { object: where('dir') }, { xid }));
  for (const method of [
    'setAttributes',
    'create',
    'makeDirectory',
    'link',
    'rename',
    'remove',
    'removeDirectory',
  ]) {
    assert.equal(fileSystem.countOf(method), 1, method);
  }
  assert.equal(nfs.server.stats().duplicates, 7);
});

test('a retransmission while the call runs is answered by the first run, on the other connection too', async (t) => {
  const { client, root, fileSystem, nfs } = await scene(t);
  let open = (): void => undefined;
  const gate = new Promise<void>((resolve) => (open = resolve));
  fileSystem.gates.set('remove', () => gate);
  const other = await nfs.connect();
  const xid = client.rpc.nextXid();
  const object = { dir: root, name: bytes('file') };
  const first = client.call('REMOVE', { object }, { xid });
  const again = other.call('REMOVE', { object }, { xid });
  const thrice = other.call('GETATTR', { object: root });
  await thrice;
  open();
  assert.deepEqual(await again, await first);
  assert.equal(fileSystem.countOf('remove'), 1);
});

test('the reply of a call whose connection broke is there for the next connection', async (t) => {
  const { client, root, fileSystem, nfs } = await scene(t);
  let open = (): void => undefined;
  const gate = new Promise<void>((resolve) => (open = resolve));
  fileSystem.gates.set('rename', () => gate);
  const xid = client.rpc.nextXid();
  const args = { from: { dir: root, name: bytes('file') }, to: { dir: root, name: bytes('moved') } };
  const lost = assert.rejects(client.call('RENAME', args, { xid }));
  while (fileSystem.countOf('rename') === 0) await new Promise((resolve) => setImmediate(resolve));
  await client.close();
  await lost;
  open();
  const other = await nfs.connect();
  const again = await other.call('RENAME', args, { xid });
  assert.ok(again.ok);
  assert.equal(fileSystem.countOf('rename'), 1);
});

test('the same xid with other arguments, a new xid, or five minutes later is another call', async (t) => {
  const { client, root, fileSystem, clock } = await scene(t);
  const xid = client.rpc.nextXid();
  const remove = (name: string, asXid: number) =>
    client.call('REMOVE', { object: { dir: root, name: bytes(name) } }, { xid: asXid });
  assert.ok((await remove('file', xid)).ok);
  assert.ok(!(await remove('other', xid)).ok);
  assert.ok(!(await remove('file', client.rpc.nextXid())).ok);
  assert.ok((await remove('file', xid)).ok);
  clock.advance(5 * 60_000 + 1);
  assert.ok(!(await remove('file', xid)).ok);
  assert.equal(fileSystem.countOf('remove'), 4);
});

test('JUKEBOX is not remembered: the same call runs when it is sent again', async (t) => {
  const { client, root, fileSystem } = await scene(t);
  const xid = client.rpc.nextXid();
  const remove = () => client.call('REMOVE', { object: { dir: root, name: bytes('file') } }, { xid });
  fileSystem.failures.set('remove', () => new FsError('EAGAIN', 'remove'));
  const first = await remove();
  assert.ok(!first.ok && first.status === 10008);
  fileSystem.failures.clear();
  assert.ok((await remove()).ok);
});

test('more calls than the cache holds push the oldest out and nothing else', async (t) => {
  const { client, root, fileSystem } = await scene(t);
  const firstXid = client.rpc.nextXid();
  const make = (name: string, xid: number) =>
    client.call(
      'CREATE',
      { where: { dir: root, name: bytes(name) }, how: { mode: 1, obj_attributes: noChanges } },
      { xid },
    );
  await make('first', firstXid);
  let lastXid = 0;
  for (let index = 0; index < 1024; index += 1) {
    lastXid = client.rpc.nextXid();
    await make(`n${index}`, lastXid);
  }
  assert.ok((await make('n1023', lastXid)).ok);
  assert.ok(!(await make('first', firstXid)).ok);
  assert.equal(fileSystem.countOf('create'), 1026);
});
