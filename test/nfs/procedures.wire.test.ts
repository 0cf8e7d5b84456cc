// What each NFS procedure promises (RFC 1813 section 3.3, and what kernel clients do with it). Replies are decoded by the
// schema, which fails on a byte too many or too few, so every test checks the hand-written encoders too.

import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { FsError } from '../../src/vfs/fs-error.ts';
import { MemoryFileSystem, type MemoryFileSystemOptions } from '../support/memory-file-system.ts';
import { NfsFailure, noChanges } from '../support/nfs-client.ts';
import { LogRecorder, serveNfs } from '../support/nfs-fixture.ts';

const bytes = (text: string): Buffer => Buffer.from(text);

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

test('GETATTR tells type, links, size, owner and a file system id that is the generation', async (t) => {
  const { client, dir, file, fileSystem } = await scene(t);
  const attributes = await client.getattr(file);
  assert.deepEqual(
    [attributes.type, attributes.mode, attributes.nlink, attributes.uid, attributes.size, attributes.used],
    [1, 0o644, 1, 1000, 7, 7],
  );
  assert.deepEqual(Buffer.from(attributes.fsid), Buffer.from(fileSystem.generation));
  assert.equal((await client.getattr(dir)).type, 2);
});

test('LOOKUP knows "." and "..", also of the root', async (t) => {
  const { client, root, dir } = await scene(t);
  assert.deepEqual(await client.lookup(dir, '.'), dir);
  assert.deepEqual(await client.lookup(dir, '..'), root);
  assert.deepEqual(await client.lookup(root, '..'), root);
});

test('LOOKUP of a missing name is NOENT and carries the folder’s attributes for the negative cache', async (t) => {
  const { client, dir } = await scene(t);
  const failed = await failure(client.lookup(dir, 'missing'));
  assert.equal(failed.statusName, 'NOENT');
  const resfail = failed.resfail as { dir_attributes: { fileid: number } | null };
  assert.equal(resfail.dir_attributes?.fileid, (await client.getattr(dir)).fileid);
});

test('names are refused where they could be paths, are no UTF-8 or are too long', async (t) => {
  const { client, dir, file, fileSystem } = await scene(t);
  const look = (name: Uint8Array) => client.ok('LOOKUP', { what: { dir, name } });
  assert.equal(await statusOf(look(bytes('a/b'))), 'INVAL');
  assert.equal(await statusOf(look(bytes('../../etc/passwd'))), 'INVAL');
  assert.equal(await statusOf(look(bytes('a\0b'))), 'INVAL');
  assert.equal(await statusOf(look(bytes(''))), 'INVAL');
  assert.equal(await statusOf(look(Buffer.from([0x66, 0xff]))), 'INVAL');
  assert.equal(await statusOf(look(bytes('x'.repeat(256)))), 'NAMETOOLONG');
  assert.equal(await statusOf(look(bytes('ü'.repeat(128)))), 'NAMETOOLONG');
  assert.equal(await statusOf(look(bytes('x'.repeat(255)))), 'NOENT');
  assert.equal(await statusOf(client.lookup(file, 'x')), 'NOTDIR');
  assert.equal(fileSystem.countOf('lookup'), 2 + 2);
  await client.create(dir, '日本 ü 🙂');
  assert.deepEqual(await client.list(dir), ['file.txt', '日本 ü 🙂']);
  for (const name of ['.', '..']) {
    assert.equal(await statusOf(client.create(dir, name)), 'EXIST');
    assert.equal(await statusOf(client.mkdir(dir, name)), 'EXIST');
    assert.equal(await statusOf(client.remove(dir, name)), 'INVAL');
    assert.equal(await statusOf(client.rmdir(dir, name)), 'INVAL');
    assert.equal(await statusOf(client.rename(dir, name, dir, 'x')), 'INVAL');
    assert.equal(await statusOf(client.rename(dir, 'file.txt', dir, name)), 'INVAL');
  }
});

test('ACCESS grants the owner reading and writing whatever the mode says, executing only by mode', async (t) => {
  const { client, dir, file } = await scene(t);
  await client.setattr(file, { mode: 0o000 });
  assert.deepEqual(await client.access(file), ['READ', 'MODIFY', 'EXTEND']);
  await client.setattr(file, { mode: 0o755 });
  assert.deepEqual(await client.access(file), ['READ', 'MODIFY', 'EXTEND', 'EXECUTE']);
  assert.deepEqual(await client.access(dir), ['READ', 'LOOKUP', 'MODIFY', 'EXTEND', 'DELETE', 'EXECUTE']);
  assert.deepEqual(await client.access(dir, 0x03), ['READ', 'LOOKUP']);
});

test('a read-only file system grants no change and refuses each with ROFS', async (t) => {
  const { client, dir, file } = await scene(t, { readOnly: true });
  assert.deepEqual(await client.access(file), ['READ']);
  assert.deepEqual(await client.access(dir), ['READ', 'LOOKUP', 'EXECUTE']);
  assert.equal((await client.getattr(file)).mode & 0o222, 0);
  const changes = [
    client.write(file, 0, 'x'),
    client.setattr(file, { size: 0 }),
    client.create(dir, 'x'),
    client.mkdir(dir, 'x'),
    client.symlink(dir, 'x', 'y'),
    client.link(file, dir, 'x'),
    client.remove(dir, 'file.txt'),
    client.rmdir(dir, 'x'),
    client.rename(dir, 'file.txt', dir, 'x'),
  ];
  assert.deepEqual(new Set(await Promise.all(changes.map(statusOf))), new Set(['ROFS']));
});

test('READ stops at the end of the file and says so', async (t) => {
  const { client, dir, file } = await scene(t);
  const all = await client.read(file, 0, 100);
  assert.deepEqual([Buffer.from(all.data).toString(), all.count, all.eof], ['content', 7, true]);
  const middle = await client.read(file, 2, 3);
  assert.deepEqual([Buffer.from(middle.data).toString(), middle.eof], ['nte', false]);
  const upToEnd = await client.read(file, 3, 4);
  assert.deepEqual([Buffer.from(upToEnd.data).toString(), upToEnd.eof], ['tent', true]);
  for (const offset of [7, 8, 2 ** 40, Number.MAX_SAFE_INTEGER]) {
    const beyond = await client.read(file, offset, 10);
    assert.deepEqual([beyond.count, beyond.eof], [0, true]);
  }
  assert.deepEqual((await client.read(file, 0, 0)).count, 0);
  assert.equal((await client.read(file, 0, 0)).eof, false);
  assert.equal(await statusOf(client.read(dir, 0, 10)), 'ISDIR');
  assert.equal(await statusOf(client.read(await client.symlink(dir, 'l', 'x'), 0, 10)), 'INVAL');
});

test('READ takes at most 1 MiB and every length comes back unchanged', async (t) => {
  const { client, root, fileSystem } = await scene(t);
  const content = Buffer.alloc(1024 * 1024 + 7);
  for (let at = 0; at < content.length; at += 1) content[at] = (at * 31) >> 3;
  fileSystem.addFile('big', content);
  const file = await client.lookup(root, 'big');
  const most = await client.read(file, 0, 0xffff_ffff);
  assert.deepEqual([most.count, most.eof], [1024 * 1024, false]);
  for (const count of [1, 2, 3, 4, 5, 4096, 65_535, 65_537, 262_144, 262_145, 1_000_003]) {
    const { data } = await client.read(file, 3, count);
    assert.ok(Buffer.from(data).equals(content.subarray(3, 3 + count)), `${count} bytes`);
  }
});

test('WRITE is UNSTABLE unless more is asked for, and then it is on disk before the reply', async (t) => {
  const { client, file, fileSystem } = await scene(t);
  const unstable = await client.write(file, 0, 'C');
  assert.equal(unstable.committed, 0);
  assert.equal(fileSystem.countOf('commit'), 0);
  for (const stable of [1, 2] as const) {
    const written = await client.write(file, 0, 'C', stable);
    assert.equal(written.committed, 2);
    assert.equal(fileSystem.countOf('commit'), stable);
  }
  assert.notDeepEqual(Buffer.from(unstable.verf), Buffer.alloc(8));
  assert.deepEqual([unstable.file_wcc.before?.size, unstable.file_wcc.after?.size], [7, 7]);
});

test('WRITE checks its count, its offset and what it writes to', async (t) => {
  const { client, dir, file, fileSystem } = await scene(t);
  const write = (count: number, offset = 0, data = bytes('abc')) =>
    client.ok('WRITE', { file, offset, count, stable: 0, data });
  assert.equal((await write(2)).count, 2);
  assert.equal((await client.readAll(file)).toString(), 'abntent');
  assert.equal(await statusOf(write(4)), 'INVAL');
  assert.equal((await write(0)).count, 0);
  assert.equal(await statusOf(write(3, Number.MAX_SAFE_INTEGER)), 'FBIG');
  assert.equal(fileSystem.countOf('write'), 1);
  assert.equal(await statusOf(client.write(dir, 0, 'x')), 'ISDIR');
  assert.equal(await statusOf(client.write(dir, 0, '')), 'ISDIR');
});

test('the verifier of WRITE and COMMIT changes when data may be lost', async (t) => {
  const { client, file, fileSystem } = await scene(t);
  const { verf } = await client.write(file, 0, 'x');
  assert.deepEqual((await client.commit(file)).verf, verf);
  fileSystem.changeVerifier();
  assert.notDeepEqual((await client.commit(file)).verf, verf);
  assert.notDeepEqual((await client.write(file, 0, 'x')).verf, verf);
});

test('WRITE answers with the verifier from before, should it change meanwhile', async (t) => {
  const { client, file, fileSystem } = await scene(t);
  const { verf } = await client.write(file, 0, 'x');
  fileSystem.gates.set('write', async () => {
    await new Promise((resolve) => setImmediate(resolve));
    fileSystem.changeVerifier();
  });
  assert.deepEqual((await client.write(file, 0, 'y')).verf, verf);
});

test('a failed sync makes the client send its data again instead of dropping it', async (t) => {
  const { client, file, fileSystem, nfs } = await scene(t);
  const { verf } = await client.write(file, 0, 'x');
  fileSystem.failures.set('commit', () => {
    fileSystem.changeVerifier();
    return new FsError('EIO', 'commit');
  });
  assert.equal(await statusOf(client.commit(file)), 'JUKEBOX');
  assert.equal(await statusOf(client.write(file, 0, 'x', 2)), 'JUKEBOX');
  fileSystem.failures.clear();
  assert.notDeepEqual((await client.commit(file)).verf, verf);
  assert.equal(nfs.activity.of('ERROR').length, 2);
});

test('CREATE: UNCHECKED truncates only where asked, GUARDED refuses, EXCLUSIVE knows its own', async (t) => {
  const { client, dir, file, fileSystem, ino } = await scene(t);
  assert.deepEqual(await client.create(dir, 'file.txt', { changes: { mode: 0o777 } }), file);
  assert.equal((await client.getattr(file)).mode, 0o644);
  await client.create(dir, 'file.txt', { changes: { size: 0 } });
  assert.equal(fileSystem.contentOf(ino).length, 0);
  assert.equal(await statusOf(client.create(dir, 'file.txt', { guarded: true })), 'EXIST');
  const exclusive = bytes('12345678');
  const made = await client.create(dir, 'lock', { exclusive });
  assert.deepEqual(await client.create(dir, 'lock', { exclusive }), made);
  assert.equal(await statusOf(client.create(dir, 'lock', { exclusive: bytes('87654321') })), 'EXIST');
  await client.setattr(made, {
    mode: 0o600,
    atime: { set_it: 1 },
    mtime: { set_it: 2, time: { seconds: 5, nseconds: 6 } },
  });
  const attributes = await client.getattr(made);
  assert.deepEqual([attributes.mode, attributes.mtime], [0o600, { seconds: 5, nseconds: 6 }]);
});

test('SETATTR honours its guard and applies nothing when that fails', async (t) => {
  const { client, dir, file } = await scene(t);
  const { ctime } = await client.getattr(file);
  const set = (guard: { seconds: number; nseconds: number }, mode: number) =>
    client.ok('SETATTR', { object: file, new_attributes: { ...noChanges, mode }, guard });
  assert.equal(
    await statusOf(set({ seconds: ctime.seconds, nseconds: ctime.nseconds + 1 }, 0o600)),
    'NOT_SYNC',
  );
  assert.equal((await client.getattr(file)).mode, 0o644);
  const { obj_wcc } = await set(ctime, 0o600);
  assert.deepEqual(obj_wcc.before?.ctime, ctime);
  assert.equal(obj_wcc.after?.mode, 0o600);
  assert.equal(await statusOf(client.setattr(dir, { size: 0 })), 'ISDIR');
  assert.equal(await statusOf(client.setattr(file, { size: 2 ** 53 })), 'FBIG');
  assert.equal(await statusOf(client.setattr(file, { uid: 7 })), 'PERM');
});

test('MKDIR, SYMLINK, READLINK, LINK and MKNOD', async (t) => {
  const { client, dir, file } = await scene(t);
  const made = await client.mkdir(dir, 'sub', 0o700);
  assert.deepEqual([(await client.getattr(made)).type, (await client.getattr(made)).mode], [2, 0o700]);
  assert.equal(await statusOf(client.mkdir(dir, 'file.txt')), 'EXIST');
  const link = await client.symlink(dir, 'link', '../über/there');
  assert.equal(await client.readlink(link), '../über/there');
  assert.equal(await statusOf(client.readlink(file)), 'INVAL');
  assert.equal(await statusOf(client.symlink(dir, 'l2', 'x'.repeat(4097))), 'NAMETOOLONG');
  assert.equal(await statusOf(client.symlink(dir, 'l2', '')), 'INVAL');
  const linked = await client.link(file, made, 'second');
  assert.equal(linked.file_attributes?.nlink, 2);
  assert.deepEqual(await client.lookup(made, 'second'), file);
  const where = { dir, name: bytes('node') };
  const pipe = client.ok('MKNOD', { where, what: { type: 7, pipe_attributes: noChanges } });
  assert.equal(await statusOf(pipe), 'PERM');
  const device = { dev_attributes: noChanges, spec: { specdata1: 1, specdata2: 2 } };
  assert.equal(await statusOf(client.ok('MKNOD', { where, what: { type: 3, ...device } })), 'PERM');
  assert.equal(await statusOf(client.ok('MKNOD', { where, what: { type: 1 } })), 'BADTYPE');
});

test('REMOVE and RMDIR keep to their kinds and tell what changed', async (t) => {
  const { client, dir, root } = await scene(t);
  assert.equal(await statusOf(client.remove(root, 'dir')), 'ISDIR');
  assert.equal(await statusOf(client.rmdir(root, 'dir')), 'NOTEMPTY');
  assert.equal(await statusOf(client.rmdir(dir, 'file.txt')), 'NOTDIR');
  const { dir_wcc } = await client.remove(dir, 'file.txt');
  assert.notDeepEqual(dir_wcc.before?.ctime, dir_wcc.after?.ctime);
  await client.rmdir(root, 'dir');
  assert.deepEqual(await client.list(root), []);
});

test('RENAME replaces files, tells of both folders and refuses what cannot be', async (t) => {
  const { client, dir, root, file } = await scene(t);
  await client.create(root, 'other');
  const renamed = await client.rename(dir, 'file.txt', root, 'other');
  assert.notEqual(renamed.fromdir_wcc.before, null);
  assert.notEqual(renamed.todir_wcc.after?.fileid, renamed.fromdir_wcc.after?.fileid);
  assert.deepEqual(await client.lookup(root, 'other'), file);
  assert.equal(await statusOf(client.rename(root, 'dir', dir, 'inside')), 'INVAL');
  const failed = await failure(client.rename(dir, 'missing', root, 'x'));
  const resfail = failed.resfail as { fromdir_wcc: { after: unknown }; todir_wcc: { after: unknown } };
  assert.equal(failed.statusName, 'NOENT');
  assert.ok(resfail.fromdir_wcc.after !== null && resfail.todir_wcc.after !== null);
});

test('FSSTAT tells the space there is, FSINFO and PATHCONF the limits', async (t) => {
  const { client, root, fileSystem } = await scene(t);
  const stat = await client.ok('FSSTAT', { fsroot: root });
  const space = fileSystem.space();
  assert.deepEqual(
    [stat.tbytes, stat.fbytes, stat.abytes],
    [space.totalBytes, space.freeBytes, space.freeBytes],
  );
  const info = await client.ok('FSINFO', { fsroot: root });
  assert.deepEqual(
    [info.rtmax, info.wtpref, info.properties, info.time_delta.nseconds],
    [1_048_576, 1_048_576, 0x1b, 1],
  );
  assert.equal((await client.ok('PATHCONF', { object: root })).name_max, 255);
});

test('activity names what programs do, with paths for names and inodes for data', async (t) => {
  const { client, dir, root, nfs } = await scene(t);
  const made = await client.create(dir, 'new');
  await client.write(made, 0, 'abc');
  await client.setattr(made, { size: 1 });
  await client.rename(dir, 'new', root, 'moved');
  await client.mkdir(dir, 'sub');
  await client.link(made, root, 'second');
  await client.remove(root, 'moved');
  const { fileid } = await client.getattr(made);
  assert.deepEqual(
    nfs.activity.events.map(({ kind, object, toPath, bytes: count }) => [kind, object, toPath ?? count]),
    [
      ['CREATE', 'dir/new', undefined],
      ['WRITE', fileid, 3],
      ['TRUNCATE', fileid, 0],
      ['RENAME', 'dir/new', 'moved'],
      ['MKDIR', 'dir/sub', undefined],
      ['LINK', 'moved', 'second'],
      ['REMOVE', 'moved', undefined],
    ],
  );
});
