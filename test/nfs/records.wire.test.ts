// Bytes as a network may deliver them and as a stranger may send them: pieces, bundles, fragments, other protocols, too much.
// All of it over both ways of receiving.

import assert from 'node:assert/strict';
import net from 'node:net';
import { test, type TestContext } from 'node:test';
import { NFS_PROGRAM, NFS_V3 } from '../../src/nfs/nfs3-schema.ts';
import { MAX_RECORD_BYTES, RecordError, RecordReceiver } from '../../src/nfs/rpc-record.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { MemoryFileSystem } from '../support/memory-file-system.ts';
import { type Nfs3Client } from '../support/nfs-client.ts';
import { encodeXdr } from '../support/rpc-client.ts';
import { nfs3Procedures } from '../../src/nfs/nfs3-schema.ts';
import { serveNfs, type NfsFixture } from '../support/nfs-fixture.ts';

const ways = [
  { name: 'direct', receivesDirectly: true },
  { name: 'copying', receivesDirectly: false },
];

async function scene(t: TestContext, receivesDirectly: boolean) {
  const fileSystem = new MemoryFileSystem();
  fileSystem.addFile('file', 'content');
  const clock = new ManualClock();
  const nfs = await serveNfs(t, fileSystem, { receivesDirectly, clock });
  const { client, root } = await nfs.mounted();
  return { fileSystem, nfs, clock, client, root, file: await client.lookup(root, 'file') };
}

function getattrCall(client: Nfs3Client, object: Uint8Array): { xid: number; record: Buffer } {
  const xid = client.rpc.nextXid();
  const { GETATTR } = nfs3Procedures;
  const args = encodeXdr(GETATTR.args, { object });
  return { xid, record: client.rpc.encode(NFS_PROGRAM, NFS_V3, GETATTR.number, args, { xid }) };
}

/** Splits a record into fragments of `length` bytes. */
function fragmented(record: Buffer, length: number): Buffer {
  const body = record.subarray(4);
  const parts: Buffer[] = [];
  for (let at = 0; at < body.length; at += length) {
    const piece = body.subarray(at, at + length);
    const mark = Buffer.alloc(4);
    mark.writeUInt32BE((at + length >= body.length ? 0x8000_0000 : 0) + piece.length);
    parts.push(mark, piece);
  }
  return Buffer.concat(parts);
}

/** Unlike `once`, does not mind a reset. */
function closeOf(socket: net.Socket): Promise<void> {
  socket.on('error', () => socket.destroy());
  return new Promise((resolve) => socket.once('close', () => resolve()));
}

/** Sends `bytes` on a fresh connection; true when the server closes it without a word. */
async function isClosedAfter(port: number, bytes: Uint8Array): Promise<boolean> {
  const socket = net.connect({ port, host: '127.0.0.1' });
  let received = 0;
  socket.on('data', (chunk) => (received += chunk.length));
  socket.write(bytes);
  await closeOf(socket);
  return received === 0;
}

for (const { name, receivesDirectly } of ways) {
  test(`${name}: a call in pieces of one byte is one call`, async (t) => {
    const { client, file } = await scene(t, receivesDirectly);
    const { xid, record } = getattrCall(client, file);
    const reply = client.rpc.reply(xid);
    for (const byte of record) {
      client.rpc.socket.write(Buffer.of(byte));
      await new Promise((resolve) => setImmediate(resolve));
    }
    assert.equal((await reply).length, 4 + 84);
  });

  test(`${name}: forty calls in one piece get forty replies`, async (t) => {
    const { client, file } = await scene(t, receivesDirectly);
    const calls = Array.from({ length: 40 }, () => getattrCall(client, file));
    const replies = calls.map(({ xid }) => client.rpc.reply(xid));
    client.rpc.socket.write(Buffer.concat(calls.map(({ record }) => record)));
    assert.deepEqual(new Set((await Promise.all(replies)).map((reply) => reply.length)), new Set([88]));
  });

  test(`${name}: fragments are joined, whatever their size`, async (t) => {
    const { client, root } = await scene(t, receivesDirectly);
    const big = await client.create(root, 'big');
    const data = Buffer.alloc(1024 * 1024);
    for (let at = 0; at < data.length; at += 1) data[at] = (at * 7) >> 2;
    const { WRITE } = nfs3Procedures;
    for (const length of [7, 60_000, 600_001]) {
      const xid = client.rpc.nextXid();
      const sent = length === 7 ? data.subarray(0, 100_000) : data;
      const args = encodeXdr(WRITE.args, { file: big, offset: 0, count: sent.length, stable: 0, data: sent });
      const record = client.rpc.encode(NFS_PROGRAM, NFS_V3, WRITE.number, args, { xid });
      const reply = client.rpc.reply(xid);
      client.rpc.socket.write(fragmented(record, length));
      assert.equal((await reply).readUInt32BE(0), 0);
      assert.ok((await client.readAll(big)).subarray(0, sent.length).equals(sent), `fragments of ${length}`);
    }
  });

  test(`${name}: large WRITEs in a row, cut anywhere, arrive unchanged`, async (t) => {
    const { client, root, fileSystem } = await scene(t, receivesDirectly);
    const file = await client.create(root, 'large');
    const sizes = [1_048_576, 1, 1_000_003, 65_536, 1_048_575, 3, 524_288];
    let offset = 0;
    const expected: Buffer[] = [];
    const writes = sizes.map((size, index) => {
      const data = Buffer.alloc(size, index + 1);
      expected.push(data);
      const written = client.write(file, offset, data);
      offset += size;
      return written;
    });
    await Promise.all(writes);
    const { fileid } = await client.getattr(file);
    assert.ok(fileSystem.contentOf(fileid).equals(Buffer.concat(expected)));
  });

  test(`${name}: HTTP, TLS and other first bytes close the connection without an answer`, async (t) => {
    const { nfs, client, file } = await scene(t, receivesDirectly);
    const strangers = {
      get: Buffer.from('GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n'),
      post: Buffer.from('POST /rpc HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc'),
      options: Buffer.from('OPTIONS * HTTP/1.1\r\n\r\n'),
      tls: Buffer.from('1603010200010001fc0303', 'hex'),
      ssh: Buffer.from('SSH-2.0-OpenSSH_9.6\r\n'),
      tooLong: Buffer.from('ffffffff00000000', 'hex'),
      justOver: Buffer.from((0x8000_0000 + MAX_RECORD_BYTES + 1).toString(16), 'hex'),
      emptyRecord: Buffer.from('80000000', 'hex'),
      noCall: Buffer.from('800000140000000100000001000000000000000000000000', 'hex'),
      halfHeader: Buffer.from('80000010000000010000000000000002000186a3', 'hex'),
    };
    for (const [stranger, bytes] of Object.entries(strangers)) {
      assert.ok(await isClosedAfter(nfs.server.port, bytes), stranger);
    }
    assert.equal((await client.getattr(file)).size, 7);
  });

  test(`${name}: a slow reader is served no faster than it reads, in bounded memory`, async (t) => {
    const { client, nfs, root, fileSystem } = await scene(t, receivesDirectly);
    fileSystem.addFile('big', Buffer.alloc(1024 * 1024, 'z'));
    const file = await client.lookup(root, 'big');
    const sizes = [1_048_576, 200_000];
    const taken = await askWithoutReading(nfs, client, 200, (index) =>
      client.read(file, 0, sizes[index % 2] ?? 0),
    );
    assert.ok(taken.calls < 60, `${taken.calls} reads were made for a peer that takes none`);
    assert.ok(taken.slabBytes < 16 * 1024 * 1024, `${taken.slabBytes} bytes of slabs`);
    const lengths = (await taken.replies()).map(({ data }) => data.length);
    assert.deepEqual(new Set(lengths), new Set(sizes));
  });
}

interface Taken<T> {
  /** Calls that reached the file system before the client read anything. */
  readonly calls: number;
  readonly slabBytes: number;
  /** Reads on and waits for all replies. */
  replies(): Promise<T[]>;
}

/** Asks `count` times while the client reads nothing, until nothing moves any more. */
async function askWithoutReading<T>(
  nfs: NfsFixture,
  client: Nfs3Client,
  count: number,
  ask: (index: number) => Promise<T>,
): Promise<Taken<T>> {
  const { server } = nfs;
  const callsOf = (): number => Object.values(server.stats().requests).reduce((sum, calls) => sum + calls, 0);
  const before = nfs.activity.of('READ').length;
  client.rpc.socket.pause();
  const replies = Array.from({ length: count }, (_, index) => ask(index));
  let slabBytes = 0;
  let state = '';
  for (let quietRounds = 0; quietRounds < 3; quietRounds += 1) {
    for (let turn = 0; turn < 50; turn += 1) {
      await new Promise((resolve) => setImmediate(resolve));
      slabBytes = Math.max(slabBytes, server.stats().replySlabBytes);
    }
    const next = `${server.stats().sentBytes} ${callsOf()}`;
    if (next !== state) quietRounds = 0;
    state = next;
  }
  return {
    calls: nfs.activity.of('READ').length - before,
    slabBytes,
    async replies() {
      client.rpc.socket.resume();
      const all = await Promise.all(replies);
      while (server.stats().replySlabBytes > 0) await new Promise((resolve) => setImmediate(resolve));
      return all;
    },
  };
}

test('long reads that end late wait for a slow reader too', async (t) => {
  const { client, nfs, root, fileSystem } = await scene(t, true);
  fileSystem.addFile('big', Buffer.alloc(1024 * 1024, 'z'));
  fileSystem.gates.set('read', () => Promise.resolve());
  const file = await client.lookup(root, 'big');
  const taken = await askWithoutReading(nfs, client, 100, () => client.read(file, 0, 1_048_576));
  assert.ok(taken.calls < 30, `${taken.calls} reads`);
  assert.ok(taken.slabBytes < 16 * 1024 * 1024, `${taken.slabBytes} bytes of slabs`);
  assert.equal((await taken.replies()).length, 100);
});

test('small and middling replies wait for a slow reader too', async (t) => {
  const { client, nfs, root, fileSystem } = await scene(t, true);
  for (let index = 0; index < 1000; index += 1) fileSystem.addFile(`dir/entry-${index}`);
  const dir = await client.lookup(root, 'dir');
  const before = fileSystem.countOf('readDirectory');
  const taken = await askWithoutReading(nfs, client, 300, () => client.readdirplus(dir, 0, 131_072));
  const made = fileSystem.countOf('readDirectory') - before;
  assert.ok(made < 200, `${made} listings were made for a peer that takes none`);
  assert.ok(taken.slabBytes < 24 * 1024 * 1024, `${taken.slabBytes} bytes of slabs`);
  assert.equal((await taken.replies()).length, 300);
});

test('a connection without a call is closed after ten seconds, one with a call stays', async (t) => {
  const { nfs, clock, client, file } = await scene(t, true);
  const idle = net.connect({ port: nfs.server.port, host: '127.0.0.1' });
  idle.resume();
  idle.write(Buffer.from('8000', 'hex'));
  while (nfs.server.stats().connections < 2) await new Promise((resolve) => setImmediate(resolve));
  const closed = closeOf(idle);
  clock.advance(9_999);
  assert.equal(nfs.server.stats().connections, 2);
  clock.advance(1);
  await closed;
  clock.advance(3_600_000);
  assert.equal((await client.getattr(file)).size, 7);
  assert.equal(clock.pendingTimers, 0);
});

test('the sixty-fifth connection is refused', async (t) => {
  const { nfs } = await scene(t, true);
  const sockets = Array.from({ length: 64 }, () => {
    const socket = net.connect({ port: nfs.server.port, host: '127.0.0.1' });
    return socket;
  });
  await Promise.race(sockets.map(closeOf));
  assert.equal(nfs.server.stats().connections, 64);
  for (const socket of sockets) socket.destroy();
});

test('a receiver finds the same records however they are cut, and never grows beyond its slab', () => {
  const bodies = [40, 1, 0, 65_536, 4, MAX_RECORD_BYTES, 100].map((length, index) =>
    Buffer.alloc(length, index + 1),
  );
  const stream = Buffer.concat(
    bodies
      .map((body) => fragmented(Buffer.concat([Buffer.alloc(4), body]), 50_000))
      .map((part, index) => (bodies[index]?.length === 0 ? Buffer.from('80000000', 'hex') : part)),
  );
  for (const cut of [1, 3, 4, 5, 1000, 65_536, 1_000_000, stream.length]) {
    const receiver = new RecordReceiver();
    const found: Buffer[] = [];
    for (let at = 0; at < stream.length;) {
      const space = receiver.space();
      assert.ok(space.length > 0);
      const count = Math.min(cut, space.length, stream.length - at);
      space.set(stream.subarray(at, at + count));
      receiver.received(count);
      at += count;
      while (receiver.next()) found.push(Buffer.from(receiver.bytes.subarray(receiver.start, receiver.end)));
    }
    assert.deepEqual(
      found.map((record) => record.length),
      bodies.map((body) => body.length),
      `cut ${cut}`,
    );
    assert.ok(found.every((record, index) => record.equals(bodies[index] ?? Buffer.alloc(0))));
    assert.ok(receiver.bytes.length <= 2 * MAX_RECORD_BYTES);
  }
});

test('fragments that add up to too much are refused before they are kept', () => {
  const receiver = new RecordReceiver();
  const mark = Buffer.from((MAX_RECORD_BYTES / 2 + 4).toString(16).padStart(8, '0'), 'hex');
  const send = (bytes: Uint8Array): void => {
    for (let at = 0; at < bytes.length;) {
      const space = receiver.space();
      const count = Math.min(space.length, bytes.length - at);
      space.set(bytes.subarray(at, at + count));
      receiver.received(count);
      at += count;
      receiver.next();
    }
  };
  send(mark);
  send(Buffer.alloc(MAX_RECORD_BYTES / 2 + 4));
  assert.throws(() => send(mark), RecordError);
});
