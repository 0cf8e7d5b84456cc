// Changes of names and attributes are answered only when they are on this disk (RFC 1813 section 4.7): what happens while a sync
// runs, never ends, or fails. That the sync covers the change itself is for test/crash/power-loss.test.ts.

import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { FsError } from '../../src/vfs/fs-error.ts';
import { MemoryFileSystem } from '../support/memory-file-system.ts';
import { NfsFailure, noChanges, type Nfs3Client } from '../support/nfs-client.ts';
import { serveNfs } from '../support/nfs-fixture.ts';

const bytes = (text: string): Buffer => Buffer.from(text);

async function scene(t: TestContext) {
  const fileSystem = new MemoryFileSystem();
  for (const name of ['file', 'old', 'gone']) fileSystem.addFile(name, 'content');
  fileSystem.addFile('empty/child');
  const nfs = await serveNfs(t, fileSystem);
  const { client, root } = await nfs.mounted();
  await client.remove(await client.lookup(root, 'empty'), 'child');
  return { fileSystem, nfs, client, root, file: await client.lookup(root, 'file') };
}

/** Every call that changes a name or an attribute, by procedure. */
function changes(
  client: Nfs3Client,
  root: Uint8Array,
  file: Uint8Array,
): Readonly<Record<string, () => Promise<unknown>>> {
  return {
    SETATTR: () => client.setattr(file, { mode: 0o600 }),
    CREATE: () => client.create(root, 'new'),
    MKDIR: () => client.mkdir(root, 'folder'),
    SYMLINK: () => client.symlink(root, 'symlink', 'file'),
    LINK: () => client.link(file, root, 'linked'),
    RENAME: () => client.rename(root, 'old', root, 'renamed'),
    REMOVE: () => client.remove(root, 'gone'),
    RMDIR: () => client.rmdir(root, 'empty'),
  };
}

/** The disk takes its time until `open` is called. */
function holdSyncs(fileSystem: MemoryFileSystem): () => void {
  const gate = Promise.withResolvers<void>();
  fileSystem.gates.set('sync', () => gate.promise);
  return gate.resolve;
}

test('no change of a name or attribute is answered while its sync has not ended, and everything else is', async (t) => {
  const { client, nfs, root, file, fileSystem } = await scene(t);
  const before = fileSystem.countOf('sync');
  const open = holdSyncs(fileSystem);
  const answered: string[] = [];
  const waiting = Object.entries(changes(client, root, file)).map(async ([procedure, call]) => {
    await call();
    answered.push(procedure);
  });
  while (fileSystem.countOf('sync') < before + waiting.length) await client.getattr(root);
  // Served over the same connection, behind the calls that wait.
  await client.getattr(file);
  await client.lookup(root, 'renamed');
  assert.equal((await client.readAll(file)).toString(), 'content');
  assert.ok((await client.list(root)).includes('new'));
  await client.write(file, 0, 'written');
  const other = await nfs.connect();
  await other.getattr(root);
  assert.deepEqual(answered, []);
  open();
  await Promise.all(waiting);
  assert.deepEqual(answered, ['SETATTR', 'CREATE', 'MKDIR', 'SYMLINK', 'LINK', 'RENAME', 'REMOVE', 'RMDIR']);
});

test('a failed sync fails the call with IO and tells people; the next change is answered again', async (t) => {
  const { client, nfs, root, file, fileSystem } = await scene(t);
  fileSystem.failures.set('sync', () => new FsError('EIO', 'sync', { message: 'the disk is broken' }));
  for (const [procedure, call] of Object.entries(changes(client, root, file))) {
    await assert.rejects(
      call(),
      (error) => error instanceof NfsFailure && error.statusName === 'IO',
      procedure,
    );
  }
  assert.deepEqual(
    nfs.activity.of('ERROR').map(({ detail }) => detail),
    ['SETATTR', 'CREATE', 'MKDIR', 'SYMLINK', 'LINK', 'RENAME', 'REMOVE', 'RMDIR'].map(
      (name) => `${name}: IO`,
    ),
  );
  fileSystem.failures.clear();
  await client.create(root, 'later');
});

test('a retransmission while the sync runs is answered by the first run, whose results it gets', async (t) => {
  const { client, nfs, root, fileSystem } = await scene(t);
  const open = holdSyncs(fileSystem);
  const other = await nfs.connect();
  const xid = client.rpc.nextXid();
  const args = {
    where: { dir: root, name: bytes('new') },
    how: { mode: 1 as const, obj_attributes: noChanges },
  };
  const first = client.call('CREATE', args, { xid });
  const again = other.call('CREATE', args, { xid });
  await other.getattr(root);
  open();
  assert.deepEqual(await again, await first);
  assert.ok((await first).ok);
  assert.equal(fileSystem.countOf('create'), 1);
});

test('what a change answers is what it did, whatever happened while it waited', async (t) => {
  const { client, root, fileSystem } = await scene(t);
  const open = holdSyncs(fileSystem);
  const where = (name: string) => ({ dir: root, name: bytes(name) });
  const how = { mode: 0 as const, obj_attributes: noChanges };
  const first = client.ok('CREATE', { where: where('a'), how });
  const second = client.ok('CREATE', { where: where('b'), how });
  const removed = client.ok('REMOVE', { object: where('a') });
  await client.getattr(root);
  open();
  const [a, b, c] = [(await first).dir_wcc, (await second).dir_wcc, (await removed).dir_wcc];
  // A client that has the one's `after` finds it as the next one's `before`.
  assert.deepEqual(b.before?.ctime, a.after?.ctime);
  assert.deepEqual(c.before?.ctime, b.after?.ctime);
});
