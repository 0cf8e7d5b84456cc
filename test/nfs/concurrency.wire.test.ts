// Many calls at once: replies out of order, several connections, reads that wait for the Hub beside reads that do not, and a
// stop in the middle of it.

import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { ManualClock, settle } from '../support/manual-clock.ts';
import { MemoryFileSystem } from '../support/memory-file-system.ts';
import { serveNfs } from '../support/nfs-fixture.ts';

class Gate {
  readonly promise: Promise<void>;
  open: () => void = () => undefined;
  constructor() {
    this.promise = new Promise((resolve) => (this.open = resolve));
  }
}

async function scene(t: TestContext) {
  const fileSystem = new MemoryFileSystem();
  const slow = fileSystem.addFile('slow', Buffer.alloc(8 * 1024 * 1024, 's'));
  fileSystem.addFile('fast', Buffer.alloc(2 * 1024 * 1024, 'f'));
  const clock = new ManualClock();
  const nfs = await serveNfs(t, fileSystem, { clock });
  const { client, root } = await nfs.mounted();
  const gate = new Gate();
  fileSystem.gates.set('read', (ino) => (ino === slow ? gate.promise : undefined));
  const slowFile = await client.lookup(root, 'slow');
  const fastFile = await client.lookup(root, 'fast');
  return { fileSystem, clock, nfs, client, root, gate, slowFile, fastFile };
}

test('a call that waits does not hold up those behind it', async (t) => {
  const { client, gate, slowFile, fastFile, nfs } = await scene(t);
  const waiting = client.read(slowFile, 0, 4096);
  const waitingXid = client.rpc.nextXid() - 1;
  assert.equal((await client.read(fastFile, 0, 4096)).count, 4096);
  await client.getattr(slowFile);
  assert.equal(nfs.server.stats().inFlight, 1);
  gate.open();
  assert.ok(Buffer.from((await waiting).data).equals(Buffer.alloc(4096, 's')));
  assert.equal(client.rpc.replyOrder.at(-1), waitingXid);
  assert.equal(nfs.server.stats().inFlight, 0);
});

test('hundreds of small reads that wait share slabs and all come back right', async (t) => {
  const { client, gate, slowFile, fileSystem, nfs } = await scene(t);
  const reads = Array.from({ length: 500 }, (_, index) => client.read(slowFile, index * 4096, 4096));
  while (fileSystem.countOf('read') < 500) await new Promise((resolve) => setImmediate(resolve));
  assert.ok(nfs.server.stats().replySlabBytes < 4 * 1024 * 1024, `${nfs.server.stats().replySlabBytes}`);
  gate.open();
  for (const { data } of await Promise.all(reads))
    assert.ok(Buffer.from(data).equals(Buffer.alloc(4096, 's')));
  await settle();
  assert.equal(nfs.server.stats().replySlabBytes, 0);
});

test('of long reads three are under way; those that stall give way to another file', async (t) => {
  const { client, clock, gate, slowFile, fastFile, fileSystem } = await scene(t);
  const stalled = Array.from({ length: 6 }, (_, index) =>
    client.read(slowFile, index * 1_048_576, 1_048_576),
  );
  const behind = client.read(fastFile, 0, 1_048_576);
  // A round trip: all calls above have been taken.
  await client.getattr(fastFile);
  assert.equal(fileSystem.countOf('read'), 3);
  await clock.advanceAsync(20);
  assert.equal(fileSystem.countOf('read'), 6);
  await clock.advanceAsync(20);
  assert.equal((await behind).count, 1_048_576);
  gate.open();
  for (const { data } of await Promise.all(stalled))
    assert.ok(Buffer.from(data).equals(Buffer.alloc(1_048_576, 's')));
  await settle();
  assert.equal(clock.pendingTimers, 0);
});

test('a long read is told when it is alone, so that it need not leave the turn', async (t) => {
  const { client, fileSystem, fastFile, gate, slowFile } = await scene(t);
  const alone: (boolean | undefined)[] = [];
  const read = fileSystem.read.bind(fileSystem);
  fileSystem.read = (ino, offset, target, isAlone?: boolean) => {
    alone.push(isAlone);
    return read(ino, offset, target);
  };
  await client.read(fastFile, 0, 1_048_576);
  const stalled = client.read(slowFile, 0, 1_048_576);
  while (alone.length < 2) await new Promise((resolve) => setImmediate(resolve));
  assert.equal((await client.read(fastFile, 0, 1_048_576)).count, 1_048_576);
  gate.open();
  await stalled;
  assert.deepEqual(alone, [true, true, false]);
});

test('small reads pass long ones that stall', async (t) => {
  const { client, gate, slowFile, fastFile } = await scene(t);
  const stalled = Array.from({ length: 8 }, (_, index) =>
    client.read(slowFile, index * 1_048_576, 1_048_576),
  );
  assert.equal((await client.read(fastFile, 0, 65_536)).count, 65_536);
  gate.open();
  await Promise.all(stalled);
});

test('a mount over eight connections is one file system', async (t) => {
  const { nfs, client, root } = await scene(t);
  const file = await client.create(root, 'shared');
  const connections = await Promise.all(Array.from({ length: 8 }, () => nfs.connect()));
  await Promise.all(
    connections.flatMap((connection, index) =>
      Array.from({ length: 8 }, (_, round) =>
        connection.write(file, (round * 8 + index) * 100_000, Buffer.alloc(100_000, index * 8 + round)),
      ),
    ),
  );
  const content = await client.readAll(file, 300_000);
  for (let block = 0; block < 64; block += 1) {
    const expected = Buffer.alloc(100_000, (block % 8) * 8 + Math.floor(block / 8));
    assert.ok(content.subarray(block * 100_000, (block + 1) * 100_000).equals(expected), `block ${block}`);
  }
  assert.equal(nfs.server.stats().connections, 9);
});

test('stopping answers what is under way, takes nothing more and leaves nothing behind', async (t) => {
  const { nfs, client, gate, slowFile, fastFile, clock } = await scene(t);
  const waiting = client.read(slowFile, 0, 1_048_576);
  await client.getattr(fastFile);
  const closed = nfs.server.close();
  const tooLate = assert.rejects(client.getattr(fastFile), /closed the connection/);
  gate.open();
  assert.equal((await waiting).count, 1_048_576);
  await closed;
  await tooLate;
  assert.deepEqual([nfs.server.stats().connections, nfs.server.stats().replySlabBytes], [0, 0]);
  assert.equal(clock.pendingTimers, 0);
});

test('stopping gives up on a call that never ends', async (t) => {
  const { nfs, client, slowFile, fastFile, clock, gate } = await scene(t);
  const waiting = assert.rejects(client.read(slowFile, 0, 4096));
  await client.getattr(fastFile);
  const closed = nfs.server.close();
  await clock.advanceAsync(12_000);
  await closed;
  await waiting;
  gate.open();
  await settle();
  assert.equal(nfs.server.stats().replySlabBytes, 0);
});

test('a connection that goes away with calls under way leaves nothing behind', async (t) => {
  const { nfs, client, gate, slowFile, fastFile } = await scene(t);
  const waiting = [0, 4096, 1_048_576].map((count) => assert.rejects(client.read(slowFile, 0, count + 1)));
  await client.getattr(fastFile);
  await client.close();
  await Promise.all(waiting);
  gate.open();
  while (nfs.server.stats().connections > 0) await settle(1);
  await settle();
  assert.equal(nfs.server.stats().replySlabBytes, 0);
  const other = await nfs.connect();
  assert.equal((await other.read(slowFile, 0, 10)).count, 10);
});
