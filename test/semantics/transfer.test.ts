// What moves and what does not, by the counters of the embedded Hub: renames and copies inside a bucket, edits, and a folder of
// 10,000 files that gets another name. Programs work over NFS.

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { bucket, HubHosts } from '../support/hub-hosts.ts';

const fileBytes = 6 * 1024 * 1024;

async function scene(t: Parameters<typeof HubHosts.open>[0], files: Parameters<typeof HubHosts.open>[1]) {
  const hosts = await HubHosts.open(t, files);
  const host = await hosts.host();
  const program = await hosts.programOn(host);
  const { faults } = hosts.hub;
  /** Body bytes of xorbs that came up since the last call, and how often they were asked for. */
  const sentUp = (): { bytes: number; downloads: number } => {
    const { 'cas.xorb-upload': up, 'cas.xorb-data': down } = faults.counters();
    faults.resetCounters();
    return { bytes: up?.requestBytes ?? 0, downloads: down?.count ?? 0 };
  };
  return { hosts, host, program, sentUp };
}

test('a copy inside a bucket sends no chunk, whoever wrote the file', async (t) => {
  const foreign = randomBytes(fileBytes);
  const { hosts, host, program, sentUp } = await scene(t, { foreign });
  const own = randomBytes(fileBytes);
  await program.save('own', own);
  await host.flush();
  assert.ok(sentUp().bytes >= fileBytes, 'what is new is sent');
  // As `cp` does: read and write.
  await program.save('own copy', await program.bytes('own'));
  await program.save('foreign copy', await program.bytes('foreign'));
  sentUp();
  await host.flush();
  assert.deepEqual(sentUp(), { bytes: 0, downloads: 0 });
  assert.ok((await hosts.hub.content.readFile(bucket, 'own copy'))?.equals(own));
  assert.ok((await hosts.hub.content.readFile(bucket, 'foreign copy'))?.equals(foreign));
  assert.equal(host.fs.counters().savedBytes, 2 * fileBytes);
});

test('a hard link and a rename send no chunk', async (t) => {
  const { hosts, host, program, sentUp } = await scene(t, { a: randomBytes(fileBytes) });
  await program.link('a', 'b');
  await program.mkdir('dir');
  await program.rename('a', 'dir/c');
  await host.flush();
  assert.deepEqual(sentUp(), { bytes: 0, downloads: 0 });
  assert.deepEqual(Object.keys(await hosts.files()), ['b', 'dir/c']);
});

test('an overwrite in the middle is told per file and per mount: changed, sent, saved and fetched', async (t) => {
  const { host, program } = await scene(t, {});
  const file = await program.save('model.bin', randomBytes(fileBytes));
  await host.flush();
  assert.deepEqual(
    host
      .activity('UPLOAD')
      .flatMap(({ path, transfer }) => (transfer === undefined ? [] : [[path, transfer.changedBytes]])),
    [['model.bin', fileBytes]],
  );
  const before = host.fs.counters();
  await program.write(file, 3_000_000, randomBytes(4096));
  await program.client.commit(file);
  await host.flush();
  const [transfer] = host.activity('UPLOAD').flatMap((event) => event.transfer ?? []);
  assert.equal(transfer?.changedBytes, 4096);
  const after = host.fs.counters();
  assert.equal(after.uploadedBytes - before.uploadedBytes, transfer.sentBytes);
  assert.equal(after.savedBytes - before.savedBytes, transfer.savedBytes);
  assert.equal(after.editDownloadedBytes, 0, 'what was written here is still here');
  assert.ok(
    transfer.sentBytes > 4096 && transfer.sentBytes < 600_000,
    `${transfer.sentBytes} bytes were sent`,
  );
  assert.ok(transfer.savedBytes > fileBytes - 600_000, `${transfer.savedBytes} bytes were saved`);
});

test('what an edit fetches of a file of others is told per file and per mount', async (t) => {
  const foreign = randomBytes(fileBytes);
  const { hosts, host, program } = await scene(t, { foreign });
  const { faults } = hosts.hub;
  const file = await program.client.walk(program.root, 'foreign');
  faults.resetCounters();
  await program.write(file, 3_000_000, Buffer.from('changed'));
  await program.client.commit(file);
  await host.flush();
  const [transfer] = host.activity('UPLOAD').flatMap((event) => event.transfer ?? []);
  assert.ok(transfer !== undefined && transfer.downloadedBytes > 0);
  assert.equal(host.fs.counters().editDownloadedBytes, transfer.downloadedBytes);
  assert.ok(transfer.downloadedBytes < fileBytes / 2, `${transfer.downloadedBytes} bytes were fetched`);
  const expected = Buffer.from(foreign);
  expected.write('changed', 3_000_000);
  assert.ok((await hosts.hub.content.readFile(bucket, 'foreign'))?.equals(expected));
});

test('a file that the Hub refuses for ever sends its bytes once, however often it is tried, over a restart too', async (t) => {
  const { host, program, sentUp } = await scene(t, {});
  await program.save('back\\slash', randomBytes(fileBytes));
  await assert.rejects(host.flush());
  assert.ok(sentUp().bytes >= fileBytes);
  for (let count = 0; count < 3; count += 1) await assert.rejects(host.flush());
  assert.deepEqual(sentUp(), { bytes: 0, downloads: 0 });
  await host.restart();
  await assert.rejects(host.flush());
  assert.deepEqual(sentUp(), { bytes: 0, downloads: 0 });
});

test('a folder of 10,000 files gets another name at once, moves no bytes, and goes on after a kill', async (t) => {
  const block = randomBytes(100);
  const hosts = await HubHosts.open(t);
  const paths = Array.from({ length: 10_000 }, (_, index) => `big/d${index % 7}/file ${index}`);
  await hosts.hub.content.putFiles(
    bucket,
    paths.map((path) => ({ path, data: block })),
  );
  const host = await hosts.host();
  const program = await hosts.programOn(host);
  const handle = await program.handle('big/d3/file 3');
  const { faults } = hosts.hub;
  const requests = host.store.requests;
  const startedAt = performance.now();
  await program.rename('big', 'moved');
  const tookMs = performance.now() - startedAt;
  assert.equal(host.store.requests, requests, 'the answer waits for no request');
  assert.ok(tookMs < 1_000, `it took ${tookMs} ms`);
  assert.deepEqual(Buffer.from(await program.handle('moved/d3/file 3')), Buffer.from(handle));
  assert.equal(host.fs.uploads.pending().length, 1);

  // Killed after some requests of the move.
  faults.resetCounters();
  let commits = 0;
  const stopped = Promise.withResolvers<void>();
  const released = Promise.withResolvers<void>();
  host.store.afterCommit = () => {
    commits += 1;
    if (commits < 4) return undefined;
    stopped.resolve();
    return released.promise;
  };
  const flushed = host.fs.uploads.flush().catch(() => undefined);
  await stopped.promise;
  const half = hosts.hub.content.listFiles(bucket).map(({ path }) => path);
  assert.ok(half.some((path) => path.startsWith('big/')) && half.some((path) => path.startsWith('moved/')));
  await program.nfs.close();
  const crashed = host.crash();
  released.resolve();
  await Promise.all([crashed, flushed]);
  await host.flush();
  assert.deepEqual(
    hosts.hub.content.listFiles(bucket).map(({ path }) => path),
    paths.map((path) => path.replace('big', 'moved')).sort(),
  );
  assert.equal(faults.count('cas.xorb-upload') + faults.count('cas.xorb-data'), 0, 'no bytes moved');
  assert.ok(faults.count('bucket.batch') < 60, `${faults.count('bucket.batch')} requests`);
  await host.refresh();
  assert.deepEqual(await host.names(), ['moved']);
});
