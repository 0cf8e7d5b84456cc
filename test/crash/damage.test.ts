// Damages what an engine left on the disk (bit flips, cuts, missing files) and starts it again: the damage must be named and stay
// where it is, the rest must work, nothing may be deleted, and no damage may reach the Hub.

import assert from 'node:assert/strict';
import { readdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import type { PendingItem } from '../../src/vfs/parts.ts';
import { pattern } from '../support/content-bench.ts';
import { NfsFailure } from '../support/nfs-client.ts';
import { randomOf } from '../support/random.ts';
import { CrashWorld } from './crash-world.ts';
import { digestOf } from './ledger.ts';
import { setAsideOf } from './leftovers.ts';

const seed = Number(process.env['HUBDRIVE_CRASH_SEED'] ?? 1);

/** Three files on the Hub in a folder, one new and one edited file unsent; then the engine is killed. */
async function brokenWorld(t: TestContext): Promise<CrashWorld> {
  const world = await CrashWorld.open();
  t.after(() => world.dispose());
  await world.mkdir('docs');
  for (let index = 0; index < 3; index += 1) await world.store(`docs/${index}`, pattern(70_000, index + 1));
  await world.flush();
  await world.store('docs/unsent', pattern(5000, 10));
  const edited = world.ledger.file('docs/1');
  await world.write(edited, 30_000, pattern(1000, 11));
  await world.commit(edited);
  await stop(world);
  return world;
}

async function stop(world: CrashWorld): Promise<void> {
  await world.settle();
  await world.engine.kill();
  await world.client.close();
}

async function stopInOrder(world: CrashWorld): Promise<void> {
  await world.settle();
  await world.client.close();
  await world.engine.close();
}

async function readPath(world: CrashWorld, path: string): Promise<Buffer> {
  return world.client.readAll(await world.client.walk(world.root, path));
}

async function hubBytes(world: CrashWorld): Promise<Record<string, string>> {
  return Object.fromEntries(await world.hubDigests('docs'));
}

function flip(path: string, offset: number, bit = 0): void {
  const bytes = readFileSync(path);
  bytes[offset] = (bytes[offset] ?? 0) ^ (1 << bit);
  writeFileSync(path, bytes);
}

/** The mount shows what the Hub has, takes new work, and the former unsent bytes are kept and attributed. */
async function checkRebuilt(world: CrashWorld, attributed: boolean): Promise<void> {
  const told = (await world.events()).filter(({ kind }) => kind === 'ERROR');
  assert.equal(told.length, 1);
  assert.match(told[0]?.detail ?? '', /damaged and is made anew from the Hub/);
  for (let index = 0; index < 3; index += 1) {
    assert.ok((await readPath(world, `docs/${index}`)).equals(pattern(70_000, index + 1)), `docs/${index}`);
  }
  for (const file of world.ledger.names.files.values()) {
    const answer = await world.client.call('GETATTR', { object: file.handle ?? assert.fail() });
    assert.equal(answer.ok ? 'OK' : answer.status, 70, 'a handle of the lost catalogue names nothing else');
  }
  const before = await hubBytes(world);
  const docs = await world.client.walk(world.root, 'docs');
  const fresh = await world.client.create(docs, 'fresh');
  await world.client.write(fresh, 0, pattern(100, 12), 2);
  await world.flush();
  assert.deepEqual(await hubBytes(world), { ...before, 'docs/fresh': digestOf(pattern(100, 12)) });
  const aside = setAsideOf(world).find((name) => name.startsWith('catalogue-')) ?? assert.fail('set aside');
  const folder = join(world.dataDir, 'set-aside', aside);
  const readMe = readFileSync(join(folder, 'READ ME.txt'), 'utf8');
  const kept = readdirSync(folder).filter((name) => name.endsWith('.dat'));
  assert.equal(kept.length, 2);
  assert.ok(
    kept.some((name) => readFileSync(join(folder, name)).equals(pattern(5000, 10))),
    'unsent bytes are kept',
  );
  if (!attributed) return;
  assert.match(readMe, /"docs\/unsent", a new file, bytes 0-5000/);
  assert.match(readMe, /"docs\/1", changes to the version xet:[0-9a-f]{64}, bytes 30000-31000/);
}

const catalogueDamages: readonly (readonly [
  name: string,
  attributed: boolean,
  damage: (path: string) => void,
])[] = [
  ['overwritten with garbage', false, (path) => writeFileSync(path, pattern(9000, 77))],
  ['cut to a third', false, (path) => truncateSync(path, Math.floor(statSync(path).size / 3))],
  ['empty', false, (path) => truncateSync(path, 0)],
  ['missing', false, (path) => rmSync(path)],
];

for (const [name, attributed, damage] of catalogueDamages) {
  test(`a catalogue that is ${name} is set aside and made anew from the Hub`, async (t) => {
    const world = await brokenWorld(t);
    // Into the main file first: the log alone could bring everything back.
    await world.restart();
    await world.client.close();
    await world.engine.close();
    damage(join(world.dataDir, 'catalogue.db'));
    await world.restart();
    await checkRebuilt(world, attributed);
  });
}

test('what can still be read of a damaged catalogue says whose the unsent bytes are', async (t) => {
  const world = await brokenWorld(t);
  await world.restart();
  await world.client.close();
  await world.engine.close();
  const path = join(world.dataDir, 'catalogue.db');
  damageIndexOf(path);
  await world.restart();
  await checkRebuilt(world, true);
});

/** Breaks an index's page, which the tables do not need. */
function damageIndexOf(path: string): void {
  const bytes = readFileSync(path);
  const pageBytes = bytes.readUInt16BE(16);
  for (let page = bytes.length / pageBytes - 1; page > 0; page -= 1) {
    // 0x0a: leaf of an index. https://sqlite.org/fileformat2.html#b_tree_pages
    if (bytes[page * pageBytes] !== 0x0a) continue;
    bytes.fill(0xff, page * pageBytes, page * pageBytes + 8);
    const copy = Buffer.from(bytes);
    writeFileSync(path, copy);
    return;
  }
  assert.fail('no index found');
}

test('a damaged log of the catalogue is copied, told of, and costs only the newest changes', async (t) => {
  const world = await brokenWorld(t);
  const wal = join(world.dataDir, 'catalogue.db-wal');
  const found = readFileSync(wal);
  flip(wal, Math.floor(found.length * 0.6), 3);
  const damaged = readFileSync(wal);
  await world.restart();
  const told = (await world.events()).filter(({ kind }) => kind === 'ERROR');
  assert.ok(told.some(({ detail }) => /newest changes .* are damaged .*a copy/.test(detail)));
  const aside = setAsideOf(world).find((name) => name.startsWith('catalogue-')) ?? assert.fail('set aside');
  assert.ok(readFileSync(join(world.dataDir, 'set-aside', aside, 'catalogue.db-wal')).equals(damaged));
  // What the catalogue forgot to have sent may be missed in staging: that fails by name.
  await world.flush().catch((error: unknown) => assert.match(String(error), /set-aside|missing/));
  const hub = await hubBytes(world);
  for (const index of [0, 2]) assert.equal(hub[`docs/${index}`], digestOf(pattern(70_000, index + 1)));
  assert.ok(world.ledger.versions.has(hub['docs/1'] ?? ''));
});

test('bits that flip anywhere in the catalogue stop nothing and never reach the Hub', async (t) => {
  t.diagnostic(`seed ${seed}`);
  const random = randomOf(seed);
  const world = await brokenWorld(t);
  await world.restart();
  await world.flush();
  const hub = await hubBytes(world);
  const path = join(world.dataDir, 'catalogue.db');
  let rebuilt = 0;
  for (let round = 0; round < 12; round += 1) {
    await world.settle();
    await world.client.close();
    await world.engine.close();
    for (let count = 0; count < 3; count += 1) {
      flip(path, Math.floor(random() * statSync(path).size), Math.floor(random() * 8));
    }
    await world.restart();
    if ((await world.events()).some(({ detail }) => detail.includes('made anew'))) rebuilt += 1;
    await world.client.list(world.root);
    await world.flush();
    assert.deepEqual(await hubBytes(world), hub, `round ${round}`);
  }
  t.diagnostic(`${rebuilt} of 12 damages were seen`);
});

test('a damaged staging file fails by name while the rest is served and sent', async (t) => {
  const world = await brokenWorld(t);
  const staging = join(world.dataDir, 'staging');
  const unsent = readdirSync(staging).find((name) => readFileSync(join(staging, name)).length === 5000);
  truncateSync(join(staging, unsent ?? assert.fail('a staging file of 5000 bytes')), 1234);
  await world.restart();
  const told = (await world.events()).filter(({ kind }) => kind === 'ERROR');
  assert.deepEqual(
    told.map((event) => event.path),
    ['docs/unsent'],
  );
  assert.match(told[0]?.detail ?? '', /damaged .*1234 of 5000 bytes.*set-aside/);
  await assert.rejects(
    readPath(world, 'docs/unsent'),
    (error) => error instanceof NfsFailure && error.status === 5,
  );
  await assert.rejects(world.flush(), /set-aside/);
  const edited = world.ledger.file('docs/1');
  // It goes its own way, perhaps after the flush has given up.
  while ((await hubBytes(world))['docs/1'] !== digestOf(edited.bytes)) await world.settle();
  assert.ok((await world.client.readAll(edited.handle ?? assert.fail())).equals(edited.bytes));
  const hub = await hubBytes(world);
  assert.equal(hub['docs/unsent'], undefined);
  const kept = setAsideOf(world).map((name) => readFileSync(join(world.dataDir, 'set-aside', name)));
  assert.ok(kept.some((bytes) => bytes.equals(pattern(5000, 10).subarray(0, 1234))));
});

test('bits that flip in unsent bytes are never sent; the file says where and what to do, the rest goes on', async (t) => {
  const world = await CrashWorld.open();
  t.after(() => world.dispose());
  await world.mkdir('docs');
  // The Hub is away for long enough that the bytes are old when they are sent.
  await world.engine.order({ type: 'pause' });
  await world.store('docs/damaged', pattern(300_000, 10));
  await world.store('docs/whole', pattern(300_000, 11));
  await stopInOrder(world);
  const staging = join(world.dataDir, 'staging');
  const damaged = readdirSync(staging).find((name) =>
    readFileSync(join(staging, name)).equals(pattern(300_000, 10)),
  );
  flip(join(staging, damaged ?? assert.fail('the staging file')), 100_000, 3);
  await world.restart();
  await assert.rejects(world.flush(), /docs\/damaged.*bytes 65536 to 131071.*not sent.*discard/);
  while ((await hubBytes(world))['docs/whole'] === undefined) await world.settle();
  assert.deepEqual(await hubBytes(world), { 'docs/whole': digestOf(pattern(300_000, 11)) });
  const told = (await world.events()).filter(({ kind }) => kind === 'ERROR');
  assert.deepEqual(
    told.map(({ path, detail }) => [path, /damaged on this disk/.test(detail)]),
    [['docs/damaged', true]],
  );
  await assert.rejects(
    readPath(world, 'docs/damaged'),
    (error) => error instanceof NfsFailure && error.status === 5,
  );
  const handle = await world.client.walk(world.root, 'docs/damaged');
  const whole = await world.client.read(handle, 0, 65_536);
  assert.ok(pattern(300_000, 10).subarray(0, 65_536).equals(whole.data));
  const [pending] = (await world.engine.order({ type: 'pending' })) as readonly PendingItem[];
  assert.equal(pending?.path, 'docs/damaged');
  assert.ok(pending.state.state === 'failed');
  assert.match(pending.state.cause, /damaged on this disk: bytes 65536 to 131071/);
  // Saved again from a good copy.
  await world.client.write(handle, 65_536, pattern(300_000, 10).subarray(65_536, 131_072), 2);
  await world.flush();
  assert.equal((await hubBytes(world))['docs/damaged'], digestOf(pattern(300_000, 10)));
});

test('damage to the cache, its index, or the chunk lists costs only fetching again', async (t) => {
  t.diagnostic(`seed ${seed}`);
  const random = randomOf(seed);
  const world = await brokenWorld(t);
  const { dataDir, cacheDir } = world;
  const manifests = readdirSync(join(dataDir, 'hub')).find((name) => name.endsWith('.db')) ?? assert.fail();
  const anywhere = (path: string): void => {
    for (let count = 0; count < 4; count += 1) flip(path, Math.floor(random() * statSync(path).size));
  };
  const cacheFiles = (): string[] =>
    readdirSync(cacheDir, { recursive: true, encoding: 'utf8' })
      .filter((name) => /^[0-9a-f]{2}\/./.test(name))
      .map((name) => join(cacheDir, name));
  const damages: readonly (readonly [string, () => void])[] = [
    ['cache.db is garbage', () => writeFileSync(join(cacheDir, 'cache.db'), pattern(5000, 5))],
    ['cache.db has flipped bits', () => anywhere(join(cacheDir, 'cache.db'))],
    ['cache.db is missing', () => rmSync(join(cacheDir, 'cache.db'))],
    ['cache files are cut', () => cacheFiles().forEach((path) => truncateSync(path, 100))],
    ['cache files are missing', () => cacheFiles().forEach((path) => rmSync(path))],
    ['chunk lists are garbage', () => writeFileSync(join(dataDir, 'hub', manifests), pattern(5000, 6))],
    ['chunk lists have flipped bits', () => anywhere(join(dataDir, 'hub', manifests))],
  ];
  for (const [round, [name, damage]] of damages.entries()) {
    for (const folder of [cacheDir, join(dataDir, 'hub')]) {
      for (const file of readdirSync(folder)) if (/-(wal|shm)$/.test(file)) rmSync(join(folder, file));
    }
    damage();
    await world.restart();
    await world.checkMount('docs');
    const file = world.ledger.file('docs/2');
    await world.write(file, 1000 + round, pattern(50, 20 + round));
    await world.commit(file);
    await world.flush();
    await world.checkHub();
    await world.settle();
    await world.client.close();
    await world.engine.close();
    t.diagnostic(name);
  }
  await world.restart();
});
