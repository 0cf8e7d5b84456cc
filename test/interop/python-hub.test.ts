// Python's `huggingface_hub` with `hf_xet`, unchanged, against the embedded Hub. Skipped where Python lacks them, except
// with CI=true and HUBDRIVE_REQUIRE_INTEROP=1.

import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { startLocalHub, type LocalHub } from '../../src/hub-local/local-hub.ts';
import {
  agreeOnHashes,
  copyAndDelete,
  readOurFiles,
  uploadLargeFile,
  uploadSmallFiles,
  writeModel,
} from '../support/foreign-client-stories.ts';
import { findPython, PythonHubClient, pythonInstallHint } from '../support/python-hub-client.ts';

const python = await findPython();
const required = process.env['CI'] === 'true' && process.env['HUBDRIVE_REQUIRE_INTEROP'] === '1';
const skip =
  python === null && !required ? `Python modules are missing; install: ${pythonInstallHint}` : false;

// One Hub and one Python for all: starting Python takes longer than any of the stories.
let hub: LocalHub;
let client: PythonHubClient;
let folder: string;

before(async () => {
  if (skip !== false) return;
  assert.ok(python !== null, `Python modules are missing; install: ${pythonInstallHint}`);
  folder = await mkdtemp(join(tmpdir(), 'hubdrive-python-'));
  await mkdir(join(folder, 'hub'));
  hub = await startLocalHub({ dataDir: join(folder, 'hub'), seed: 'demo' });
  client = new PythonHubClient(python, hub.endpoint, hub.token, folder);
});

after(async () => {
  if (skip !== false || folder === undefined) return;
  await client?.close();
  await hub?.close();
  await rm(folder, { recursive: true, force: true });
});

test('huggingface_hub uploads small, odd and many files that read back equal', { skip }, async () => {
  await uploadSmallFiles(hub, client);
});

test('huggingface_hub uploads more than 20 MB and reads it whole and in slices', { skip }, async () => {
  await uploadLargeFile(hub, client);
});

test('huggingface_hub reads what was stored by us', { skip }, async () => {
  await readOurFiles(hub, client);
});

test('huggingface_hub gives the same hashes as our chunker', { skip }, async () => {
  await agreeOnHashes(client);
});

test('huggingface_hub copies and deletes without moving data', { skip }, async () => {
  await copyAndDelete(hub, client);
});

test('huggingface_hub writes a model and reads it at branch and commit', { skip }, async () => {
  await writeModel(hub, client);
});

test('huggingface_hub reports missing buckets and refused lines as its own errors', { skip }, async () => {
  await assert.rejects(client.list('demo/none'), /BucketNotFoundError/);
  hub.faults.settings.failPaths = { 'no/*': 'Storage limit reached' };
  const upload = client.upload('demo/project', [{ path: 'no/x', data: Buffer.from('x') }]);
  await assert.rejects(upload, /Storage limit reached/);
  hub.faults.settings.failPaths = {};
});

test('huggingface_hub goes on when URLs and tokens expire in between', { skip }, async () => {
  const original = await hub.content.readFile('demo/project', 'data/samples.bin');
  assert.ok((await client.download('demo/project', 'data/samples.bin')).equals(original ?? Buffer.alloc(0)));
  hub.faults.expireTokens();
  hub.faults.add({ route: 'cas.xorb-data', status: 403, count: 1 });
  assert.ok((await client.download('demo/project', 'data/samples.bin')).equals(original ?? Buffer.alloc(0)));
});
