// Clients that nobody here wrote and a program on our mount, on one bucket: what either writes, the other reads unchanged.

import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { randomBytes } from '../../src/hub-local/demo-files.ts';
import type { LocalHub } from '../../src/hub-local/local-hub.ts';
import type { ForeignClient } from '../support/foreign-client.ts';
import { bucket, HubHosts } from '../support/hub-hosts.ts';
import { JavaScriptHubClient } from '../support/javascript-hub-client.ts';
import { findPython, PythonHubClient, pythonInstallHint } from '../support/python-hub-client.ts';

async function tellRoundTrip(
  t: TestContext,
  connect: (hub: LocalHub) => Promise<ForeignClient> | ForeignClient,
) {
  const hosts = await HubHosts.open(t);
  const client = await connect(hosts.hub);
  t.after(() => client.close());
  const theirs = [
    { path: 'theirs/small.txt', data: Buffer.from('hello from the other side\n') },
    { path: 'theirs/empty', data: Buffer.alloc(0) },
    { path: 'theirs/odd #1 50% why?.txt', data: Buffer.from('odd') },
    { path: 'theirs/large.bin', data: Buffer.from(randomBytes(1, 5_000_000)) },
  ];
  await client.upload(bucket, theirs);
  const host = await hosts.host();
  const program = await hosts.programOn(host);
  for (const { path, data } of theirs) assert.ok((await program.bytes(path)).equals(data), path);

  const ours = Buffer.from(randomBytes(2, 3_000_000));
  await program.mkdir('ours');
  await program.save('ours/new.bin', ours);
  await program.save('ours/empty', '');
  await program.save('ours/odd #2 50% why? 🙂.txt', 'odd too');
  const edited = Buffer.from(theirs[3]?.data ?? []);
  const change = Buffer.from(randomBytes(3, 4096));
  edited.set(change, 2_000_000);
  const file = await program.handle('theirs/large.bin');
  await program.write(file, 2_000_000, change);
  await program.client.commit(file);
  await program.rename('theirs/small.txt', 'ours/moved.txt');
  await host.fs.uploads.flush();

  const expected = new Map<string, Buffer>([
    ['ours/new.bin', ours],
    ['ours/empty', Buffer.alloc(0)],
    ['ours/odd #2 50% why? 🙂.txt', Buffer.from('odd too')],
    ['ours/moved.txt', theirs[0]?.data ?? Buffer.alloc(0)],
    ['theirs/empty', Buffer.alloc(0)],
    ['theirs/odd #1 50% why?.txt', Buffer.from('odd')],
    ['theirs/large.bin', edited],
  ]);
  const listed = (await client.list(bucket)).map((entry) => entry.path);
  assert.deepEqual(listed.toSorted(), [...expected.keys()].toSorted());
  for (const [path, data] of expected) {
    if (data.length > 0)
      assert.ok((await client.download(bucket, path)).equals(data), `${path} as ${client.name} reads it`);
  }
}

test('@huggingface/hub and a mount read what the other wrote', async (t) => {
  await tellRoundTrip(t, (hub) => new JavaScriptHubClient(hub.endpoint, hub.token));
});

const python = await findPython();
const isRequired = process.env['CI'] === 'true' && process.env['HUBDRIVE_REQUIRE_INTEROP'] === '1';
const skip =
  python === null && !isRequired ? `Python modules are missing; install: ${pythonInstallHint}` : false;

test('huggingface_hub with hf_xet and a mount read what the other wrote', { skip }, async (t) => {
  assert.ok(python !== null, `Python modules are missing; install: ${pythonInstallHint}`);
  await tellRoundTrip(t, async (hub) => {
    const folder = await mkdtemp(join(tmpdir(), 'hubdrive-python-'));
    t.after(() => rm(folder, { recursive: true, force: true }));
    return new PythonHubClient(python, hub.endpoint, hub.token, folder);
  });
});
