// How failures of the file system become NFS statuses: the one table, what must never be STALE, what nobody foresaw.

import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { FsError, type FsErrorCode } from '../../src/vfs/fs-error.ts';
import { MemoryFileSystem, type MemoryFileSystemOptions } from '../support/memory-file-system.ts';
import { NfsFailure } from '../support/nfs-client.ts';
import { LogRecorder, serveNfs } from '../support/nfs-fixture.ts';

async function scene(t: TestContext, options: MemoryFileSystemOptions = {}) {
  const fileSystem = new MemoryFileSystem(options);
  const ino = fileSystem.addFile('dir/file.txt', 'content');
  const log = new LogRecorder();
  const nfs = await serveNfs(t, fileSystem, { log });
  const { client, root } = await nfs.mounted();
  const dir = await client.lookup(root, 'dir');
  const file = await client.lookup(dir, 'file.txt');
  return { fileSystem, ino, log, nfs, client, root, dir, file };
}

async function failure(call: Promise<unknown>): Promise<NfsFailure> {
  try {
    await call;
  } catch (error) {
    if (error instanceof NfsFailure) return error;
    throw error;
  }
  throw new Error('It succeeded');
}

const statusOf = async (call: Promise<unknown>): Promise<string> => (await failure(call)).statusName;

const expectedStatuses: Readonly<Record<FsErrorCode, string>> = {
  EACCES: 'ACCES',
  EAGAIN: 'JUKEBOX',
  EDQUOT: 'DQUOT',
  EEXIST: 'EXIST',
  EFBIG: 'FBIG',
  EINVAL: 'INVAL',
  EIO: 'IO',
  EISDIR: 'ISDIR',
  EMLINK: 'MLINK',
  ENAMETOOLONG: 'NAMETOOLONG',
  ENOENT: 'NOENT',
  ENOSPC: 'NOSPC',
  ENOTDIR: 'NOTDIR',
  ENOTEMPTY: 'NOTEMPTY',
  ENOTSYNC: 'NOT_SYNC',
  EPERM: 'PERM',
  EROFS: 'ROFS',
  ESTALE: 'STALE',
};

test('every code of the file system has its status, thrown at once or rejected later', async (t) => {
  const { client, dir, fileSystem } = await scene(t);
  for (const [code, status] of Object.entries(expectedStatuses) as [FsErrorCode, string][]) {
    fileSystem.failures.set('lookup', () => new FsError(code, 'lookup'));
    fileSystem.gates.clear();
    assert.equal(await statusOf(client.lookup(dir, 'file.txt')), status);
    fileSystem.gates.set('lookup', async () => undefined);
    assert.equal(await statusOf(client.lookup(dir, 'file.txt')), status);
  }
});

test('READ, WRITE and COMMIT never answer STALE for a live inode', async (t) => {
  const { client, file, fileSystem, nfs, log } = await scene(t);
  for (const operation of ['read', 'write', 'commit'] as const) {
    fileSystem.failures.set(operation, () => new FsError('ESTALE', operation));
  }
  assert.equal(await statusOf(client.read(file, 0, 10)), 'JUKEBOX');
  assert.equal(await statusOf(client.write(file, 0, 'x')), 'JUKEBOX');
  assert.equal(await statusOf(client.commit(file)), 'JUKEBOX');
  assert.deepEqual(nfs.activity.of('STALE'), []);
  assert.equal(log.lines.filter((line) => line.level === 'error').length, 3);
});

test('an exception nobody foresaw is JUKEBOX for WRITE and COMMIT, IO for others, and logged with its cause', async (t) => {
  const { client, dir, file, fileSystem, nfs, log } = await scene(t);
  const bug = new TypeError('A bug');
  for (const operation of ['read', 'write', 'commit', 'lookup'] as const) {
    fileSystem.failures.set(operation, () => bug);
  }
  assert.equal(await statusOf(client.write(file, 0, 'x')), 'JUKEBOX');
  assert.equal(await statusOf(client.commit(file)), 'JUKEBOX');
  assert.equal(await statusOf(client.read(file, 0, 10)), 'IO');
  assert.equal(await statusOf(client.lookup(dir, 'file.txt')), 'IO');
  assert.equal(nfs.server.stats().unexpected, 4);
  assert.equal(nfs.activity.of('ERROR').length, 4);
  assert.deepEqual(
    log.lines.filter((line) => line.level === 'error').map((line) => line.cause),
    [bug, bug, bug, bug],
  );
});

test('a file that is removed while it is read late is STALE in a whole reply', async (t) => {
  const { client, dir, file, fileSystem, nfs } = await scene(t);
  fileSystem.gates.set('read', async () => void (await fileSystem.remove(2, 'file.txt')));
  assert.equal((await client.getattr(dir)).fileid, 2);
  assert.equal(await statusOf(client.read(file, 0, 10)), 'STALE');
  assert.equal(nfs.activity.of('STALE').length, 1);
});
