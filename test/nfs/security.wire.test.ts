// Who may come in: the window and the secret of MNT, the kernel as the only peer, handles that cannot be made up.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import net from 'node:net';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { FileHandles } from '../../src/nfs/file-handle.ts';
import { MOUNT_PROGRAM, MOUNT_V3, mount3Procedures } from '../../src/nfs/mount3-schema.ts';
import { checkPeer, findSocketUid } from '../../src/nfs/peer-check.ts';
import { XdrReader, XdrWriter } from '../../src/nfs/xdr-cursor.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { MemoryFileSystem } from '../support/memory-file-system.ts';
import { NfsFailure, Nfs3Client } from '../support/nfs-client.ts';
import { encodeXdr, RpcClient } from '../support/rpc-client.ts';
import { serveNfs, testExportPath, testHandleKey } from '../support/nfs-fixture.ts';

async function mountStatus(client: Nfs3Client, path: string): Promise<number> {
  try {
    await client.mount(path);
    return 0;
  } catch (error) {
    if (error instanceof NfsFailure) return error.status;
    throw error;
  }
}

const ACCES = 13;

test('MNT takes the exact path only', async (t) => {
  const nfs = await serveNfs(t, new MemoryFileSystem());
  const client = await nfs.connect();
  for (const path of [
    '',
    '/',
    `${testExportPath}/`,
    testExportPath.slice(0, -1),
    `${testExportPath}\0`,
    '/x'.repeat(400),
  ]) {
    assert.equal(await mountStatus(client, path), ACCES, path);
  }
  assert.equal(await mountStatus(client, testExportPath), 0);
  assert.deepEqual([nfs.server.stats().mounts, nfs.server.stats().refusedMounts], [1, 6]);
});

test('MNT works only while the window is open; handles go on working when it is closed', async (t) => {
  const nfs = await serveNfs(t, new MemoryFileSystem());
  const client = await nfs.connect();
  const root = await client.mount(testExportPath);
  nfs.server.closeMountWindow();
  assert.equal(await mountStatus(client, testExportPath), ACCES);
  assert.equal((await client.getattr(root)).fileid, 1);
  nfs.server.openMountWindow();
  assert.equal(await mountStatus(client, testExportPath), 0);
});

test('after many wrong paths even the right one is refused for a while', async (t) => {
  const clock = new ManualClock();
  const nfs = await serveNfs(t, new MemoryFileSystem(), { clock });
  const client = await nfs.connect();
  for (let attempt = 0; attempt < 40; attempt += 1)
    assert.equal(await mountStatus(client, `/guess-${attempt}`), ACCES);
  assert.equal(await mountStatus(client, testExportPath), ACCES);
  clock.advance(1000);
  assert.equal(await mountStatus(client, testExportPath), 0);
});

test('MNT asks for credentials of the owner or root', async (t) => {
  const nfs = await serveNfs(t, new MemoryFileSystem());
  const args = encodeXdr(mount3Procedures.MNT.args, { dirpath: Buffer.from(testExportPath) });
  const rpc = await RpcClient.connect({ port: nfs.server.port });
  t.after(() => rpc.close());
  for (const options of [{ uid: 1001 }, { flavor: 'AUTH_NONE' as const }]) {
    await assert.rejects(rpc.call(MOUNT_PROGRAM, MOUNT_V3, 1, args, options), /AUTH_ERROR 5/);
  }
  for (const uid of [0, 1000])
    assert.equal((await rpc.call(MOUNT_PROGRAM, MOUNT_V3, 1, args, { uid })).readUInt32BE(0), 0);
});

// As in a Linux 6.x kernel on a little-endian machine.
const header =
  '  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode';
const v4Line = (local: string, remote: string, uid: number): string =>
  `   0: ${local} ${remote} 01 00000000:00000000 00:00000000 00000000  ${String(uid).padStart(4)}        0 12345 1 0`;

test('the table of sockets tells the uid of a connection’s other end', { skip: !isLittleEndian() }, () => {
  const peer = { address: '127.0.0.1', port: 689 };
  const own = { address: '127.0.0.1', port: 20_049 };
  const toServer = v4Line('0100007F:02B1', '0100007F:4E51', 0);
  const fromServer = v4Line('0100007F:4E51', '0100007F:02B1', 1000);
  assert.equal(findSocketUid([header, fromServer, toServer, ''].join('\n'), peer, own), 0);
  assert.equal(
    findSocketUid([header, v4Line('0100007F:02B1', '0100007F:4E51', 1000)].join('\n'), peer, own),
    1000,
  );
  assert.equal(findSocketUid([header, fromServer].join('\n'), peer, own), null);
  assert.equal(findSocketUid(header, peer, own), null);
  const mapped = v4Line('0000000000000000FFFF00000100007F:02B1', '0000000000000000FFFF00000100007F:4E51', 0);
  assert.equal(findSocketUid([header, mapped].join('\n'), peer, own), 0);
  assert.equal(
    findSocketUid([header, toServer].join('\n'), { ...peer, address: '::ffff:127.0.0.1' }, own),
    0,
  );
  assert.equal(findSocketUid(`${header}\nnonsense\n\n   1: x`, peer, own), null);
});

function isLittleEndian(): boolean {
  return new Uint8Array(Uint16Array.of(1).buffer)[0] === 1;
}

test('elsewhere than on Linux the peer cannot be told', async () => {
  const end = { address: '127.0.0.1', port: 50_000 };
  assert.equal(await checkPeer(end, end, 'darwin'), 'unknown');
});

const isLinux = process.platform === 'linux';

test(
  'where only the kernel may come in, a program is closed without an answer',
  { skip: !isLinux },
  async (t) => {
    const nfs = await serveNfs(t, new MemoryFileSystem(), { peers: 'kernel' });
    const client = await nfs.connect();
    await assert.rejects(client.mount(testExportPath), /closed the connection/);
    assert.deepEqual([nfs.server.stats().refusedPeers, nfs.server.stats().mounts], [1, 0]);
  },
);

const isRoot = process.getuid?.() === 0;

test('a peer of root on a low port passes for the kernel', { skip: !isLinux || !isRoot }, async (t) => {
  const nfs = await serveNfs(t, new MemoryFileSystem(), { peers: 'kernel' });
  const socket = await connectFromLowPort(nfs.server.port);
  const rpc = RpcClient.over(socket, { port: nfs.server.port });
  t.after(() => rpc.close());
  const client = new Nfs3Client(rpc);
  assert.equal((await client.getattr(await client.mount(testExportPath))).fileid, 1);
});

async function connectFromLowPort(port: number): Promise<net.Socket> {
  for (let localPort = 1023; localPort > 600; localPort -= 1) {
    const socket = net.connect({ port, host: '127.0.0.1', localPort });
    try {
      await once(socket, 'connect');
      return socket;
    } catch (error) {
      socket.destroy();
      if (!(error instanceof Error && 'code' in error && error.code === 'EADDRINUSE')) throw error;
    }
  }
  throw new Error('No low port is free');
}

const generation = Buffer.from('0011223344556677', 'hex');

function handleOf(handles: FileHandles, ino: number): Buffer {
  const out = new XdrWriter(Buffer.alloc(64));
  handles.write(out, ino);
  return Buffer.from(out.bytes.subarray(4, out.position));
}

test('handles of inodes near and far are verified, also when many share a slot of the table', () => {
  const handles = new FileHandles(testHandleKey, generation);
  const inos = [1, 2, 4096, 4097, 2 ** 31, 2 ** 32, 2 ** 32 + 1, 2 ** 40, Number.MAX_SAFE_INTEGER];
  for (let index = 0; index < 20_000; index += 1) inos.push(index * 1_000_003 + 5);
  const made = inos.map((ino) => handleOf(handles, ino));
  assert.ok(made.every((handle, index) => handles.inodeOf(handle) === inos[index]));
  const fresh = new FileHandles(testHandleKey, generation);
  assert.ok(made.every((handle, index) => fresh.inodeOf(handle) === inos[index]));
  assert.equal(new Set(made.map((handle) => handle.toString('hex'))).size, inos.length);
});

test('a handle of another key, another inode’s MAC or inode 0 is no handle', () => {
  const handles = new FileHandles(testHandleKey, generation);
  const otherKey = new FileHandles(Buffer.alloc(32, 8), generation);
  assert.throws(() => handles.inodeOf(handleOf(otherKey, 5)), { status: 10_001 });
  const swapped = Buffer.concat([handleOf(handles, 5).subarray(0, 20), handleOf(handles, 6).subarray(20)]);
  assert.throws(() => handles.inodeOf(swapped), { status: 10_001 });
  const zero = handleOf(handles, 5);
  zero.fill(0, 12, 20);
  assert.throws(() => handles.inodeOf(zero), { status: 10_001 });
  zero.fill(0, 12);
  assert.throws(() => handles.inodeOf(zero), { status: 10_001 });
  zero.fill(0xff, 12, 20);
  assert.throws(() => handles.inodeOf(zero), { status: 10_001 });
  assert.throws(() => handles.inodeOf(handleOf(new FileHandles(testHandleKey, Buffer.alloc(8)), 5)), {
    status: 70,
  });
});

test('another process with the same key and generation makes and takes the same handles', async () => {
  const handles = new FileHandles(testHandleKey, generation);
  const module = (path: string): string => JSON.stringify(new URL(path, import.meta.url).href);
  const print = `
    const { FileHandles } = await import(${module('../../src/nfs/file-handle.ts')});
    const { XdrWriter } = await import(${module('../../src/nfs/xdr-cursor.ts')});
    const handles = new FileHandles(Buffer.alloc(32, 7), Buffer.from('0011223344556677', 'hex'));
    const out = new XdrWriter(Buffer.alloc(64));
    handles.write(out, 4711);
    const taken = handles.inodeOf(Buffer.from('${handleOf(handles, 815).toString('hex')}', 'hex'));
    process.stdout.write(out.bytes.toString('hex', 0, out.position) + ' ' + taken);`;
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', print]);
  const [hex = '', taken] = stdout.split(' ');
  assert.equal(handles.read(new XdrReader(Buffer.from(hex, 'hex'))), 4711);
  assert.equal(taken, '815');
});
