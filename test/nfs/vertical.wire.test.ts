// The shortest way through everything: mount, look up, read, write, commit, list, over a real socket.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MemoryFileSystem } from '../support/memory-file-system.ts';
import { serveNfs, testExportPath } from '../support/nfs-fixture.ts';

test('a client mounts, reads, writes, commits and lists over a socket', async (t) => {
  const fileSystem = new MemoryFileSystem();
  const ino = fileSystem.addFile('notes/today.txt', 'hello world\n');
  const { server, activity, connect } = await serveNfs(t, fileSystem);
  const client = await connect();
  const root = await client.mount(testExportPath);
  const file = await client.walk(root, 'notes/today.txt');

  assert.equal((await client.readAll(file)).toString(), 'hello world\n');
  const written = await client.write(file, 6, 'there\n');
  assert.equal(written.count, 6);
  assert.equal(written.committed, 0);
  assert.deepEqual((await client.commit(file)).verf, written.verf);
  assert.equal(fileSystem.contentOf(ino).toString(), 'hello there\n');
  assert.deepEqual(await client.list(await client.lookup(root, 'notes')), ['today.txt']);

  assert.deepEqual(
    activity.events.map((event) => [event.kind, event.object, event.bytes]),
    [
      ['READ', ino, 12],
      ['WRITE', ino, 6],
      ['COMMIT', ino, 0],
    ],
  );
  assert.equal(server.stats().requests['WRITE'], 1);
  assert.equal(server.stats().directConnections, 1);
});

test('the copying path for sockets without the direct one serves the same', async (t) => {
  const fileSystem = new MemoryFileSystem();
  fileSystem.addFile('big', Buffer.alloc(3_000_001, 'x'));
  const { server, mounted } = await serveNfs(t, fileSystem, { receivesDirectly: false });
  const { client, root } = await mounted();
  const file = await client.lookup(root, 'big');
  const data = Buffer.alloc(1024 * 1024, 'y');
  await Promise.all([client.write(file, 0, data), client.write(file, 2_000_000, data)]);
  const content = await client.readAll(file);
  assert.equal(content.length, 2_000_000 + 1024 * 1024);
  assert.equal(content.toString('latin1', 1024 * 1024 - 1, 1024 * 1024 + 1), 'yx');
  assert.equal(server.stats().directConnections, 0);
});
