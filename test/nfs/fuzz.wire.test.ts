// A server under random bytes: it answers or closes, and goes on serving others. The seed is printed by fast-check.

import assert from 'node:assert/strict';
import net from 'node:net';
import { test } from 'node:test';
import fc from 'fast-check';
import { MOUNT_PROGRAM, MOUNT_V3 } from '../../src/nfs/mount3-schema.ts';
import { NFS_PROGRAM, NFS_V3, nfs3Procedures } from '../../src/nfs/nfs3-schema.ts';
import { MemoryFileSystem } from '../support/memory-file-system.ts';
import { noChanges } from '../support/nfs-client.ts';
import { RpcClient } from '../support/rpc-client.ts';
import { LogRecorder, serveNfs } from '../support/nfs-fixture.ts';
import { encodeXdr } from '../support/rpc-client.ts';

/** Sends the bytes, half-closes, and waits until the server has closed too. */
function exchange(port: number, bytes: Uint8Array): Promise<void> {
  return new Promise((resolve) => {
    const socket = net.connect({ port, host: '127.0.0.1' });
    socket.on('error', () => socket.destroy());
    socket.once('close', () => resolve());
    socket.resume();
    socket.end(bytes);
  });
}

test('calls with random or corrupted arguments never bring the server down', async (t) => {
  const fileSystem = new MemoryFileSystem();
  fileSystem.addFile('dir/file', 'content');
  const log = new LogRecorder();
  const nfs = await serveNfs(t, fileSystem, { log });
  const { client, root } = await nfs.mounted();
  const file = await client.walk(root, 'dir/file');
  const rpc = await RpcClient.connect({ port: nfs.server.port });
  t.after(() => rpc.close());
  const where = { dir: root, name: Buffer.from('name') };
  const samples: readonly Buffer[] = [
    encodeXdr(nfs3Procedures.SETATTR.args, { object: file, new_attributes: noChanges, guard: null }),
    encodeXdr(nfs3Procedures.WRITE.args, { file, offset: 0, count: 4, stable: 0, data: Buffer.from('abcd') }),
    encodeXdr(nfs3Procedures.CREATE.args, { where, how: { mode: 1, obj_attributes: noChanges } }),
    encodeXdr(nfs3Procedures.RENAME.args, { from: where, to: where }),
    encodeXdr(nfs3Procedures.READDIRPLUS.args, {
      dir: root,
      cookie: 0,
      cookieverf: Buffer.alloc(8),
      dircount: 100,
      maxcount: 4096,
    }),
  ];
  const args = fc.oneof(
    fc.uint8Array({ maxLength: 200 }),
    fc.tuple(fc.constantFrom(...samples), fc.nat(200), fc.nat(255)).map(([sample, at, value]) => {
      const corrupted = Buffer.from(sample);
      corrupted[at % corrupted.length] = value;
      return corrupted;
    }),
  );
  await fc.assert(
    fc.asyncProperty(fc.nat(21), fc.boolean(), args, async (procedure, isNfs, bytes) => {
      const call = isNfs
        ? rpc.call(NFS_PROGRAM, NFS_V3, procedure, bytes)
        : rpc.call(MOUNT_PROGRAM, MOUNT_V3, procedure % 6, bytes);
      try {
        const results = await call;
        assert.equal(results.length % 4, 0);
      } catch (error) {
        assert.match(String(error), /GARBAGE_ARGS/);
      }
    }),
    { numRuns: 1500 },
  );
  assert.equal((await client.getattr(root)).fileid, 1);
  assert.deepEqual(
    log.lines.filter((line) => line.level === 'error'),
    [],
  );
});

test('random streams and corrupted records are answered or closed, and others are served on', async (t) => {
  const fileSystem = new MemoryFileSystem();
  const log = new LogRecorder();
  const nfs = await serveNfs(t, fileSystem, { log });
  const { client, root } = await nfs.mounted();
  const call = client.rpc.encode(
    NFS_PROGRAM,
    NFS_V3,
    1,
    encodeXdr(nfs3Procedures.GETATTR.args, { object: root }),
  );
  const stream = fc.oneof(
    fc.uint8Array({ maxLength: 300 }),
    fc.tuple(fc.nat(call.length - 1), fc.nat(255)).map(([at, value]) => {
      const corrupted = Buffer.concat([call, call]);
      corrupted[at] = value;
      return corrupted;
    }),
    fc.nat(call.length).map((length) => call.subarray(0, length)),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(stream, { minLength: 1, maxLength: 3 }), async (streams) => {
      await exchange(nfs.server.port, Buffer.concat(streams));
    }),
    { numRuns: 300 },
  );
  assert.equal((await client.getattr(root)).fileid, 1);
  assert.deepEqual(
    log.lines.filter((line) => line.level === 'error'),
    [],
  );
  assert.equal(nfs.server.stats().replySlabBytes, 0);
});
