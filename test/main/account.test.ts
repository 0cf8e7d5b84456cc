// Signing in and choosing what to mount, against the embedded Hub over HTTP.

import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import type { LocalHub } from '../../src/hub-local/local-hub.ts';
import { Account } from '../../src/main/account/account.ts';
import { browse, createBucket, describeSource, listFolders } from '../../src/main/account/browse.ts';
import { openHubAccess } from '../../src/main/account/hub-access.ts';
import { openFolder } from '../../src/main/system/open-folder.ts';
import { fileTokenKeeper } from '../../src/main/account/token-keeper.ts';
import type { FoundHostToken } from '../../src/main/account/token-source.ts';
import type { BrowseArgument } from '../../src/shared/contract.ts';
import { silentLog } from '../../src/shared/log.ts';
import { openHub } from '../support/local-hub.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { missing, ScriptedCommands } from '../support/scripted-commands.ts';

interface World {
  readonly hub: LocalHub;
  readonly dataDir: string;
  readonly clock: ManualClock;
  environment: FoundHostToken | null;
  readonly account: Account;
  readonly access: ReturnType<typeof openHubAccess>;
  reopen(): Promise<Account>;
}

async function openWorld(t: TestContext): Promise<World> {
  const hub = await openHub(t, { seed: 'demo' });
  const dataDir = await mkdtemp(join(tmpdir(), 'hubdrive-account-'));
  t.after(() => rm(dataDir, { recursive: true }));
  const clock = new ManualClock();
  const world: { environment: FoundHostToken | null } = { environment: null };
  const open = () =>
    Account.open({
      dataDir,
      keeper: fileTokenKeeper(join(dataDir, 'token')),
      environment: () => Promise.resolve(world.environment),
      clock,
      log: silentLog,
    });
  const account = await open();
  const access = openHubAccess(hub.endpoint, account.tokens, false, 'test');
  t.after(() => access.close());
  return Object.assign(world, { hub, dataDir, clock, account, access, reopen: open });
}

const ask = (change: Partial<BrowseArgument>): BrowseArgument => ({
  kind: 'bucket',
  scope: 'mine',
  owner: null,
  search: null,
  cursor: null,
  ...change,
});

test('a pasted token is checked, kept private, used and forgotten', async (t) => {
  const world = await openWorld(t);
  const { account, access, hub, dataDir } = world;
  await assert.rejects(account.signIn({ way: 'token', token: 'hf_wrong' }, access.directory), {
    code: 'unauthorized',
  });
  assert.equal((await account.view(access)).token, 'none', 'a refused token changes nothing');

  await account.signIn({ way: 'token', token: hub.token }, access.directory);
  const view = await account.view(access);
  assert.deepEqual([view.token, view.user?.name, view.keeps], ['keychain', 'demo', 'file']);
  assert.equal((await stat(join(dataDir, 'token'))).mode & 0o777, 0o600);
  assert.equal((await (await world.reopen()).tokens())?.token, hub.token, 'it survives a restart');
  assert.doesNotMatch(await readFile(join(dataDir, 'account.json'), 'utf8'), /hf_/);

  await account.signOut(false);
  assert.equal(await account.tokens(), null);
  await assert.rejects(stat(join(dataDir, 'token')), { code: 'ENOENT' });
});

test('the login of other tools is used, left alone after signing out, and taken again when asked', async (t) => {
  const world = await openWorld(t);
  const { account, access, hub } = world;
  world.environment = { token: hub.token, origin: 'login-file' };
  assert.equal((await account.view(access)).token, 'login-file');
  await account.signOut(false);
  const out = await account.view(access);
  assert.deepEqual([out.token, out.existingLogin, out.user], ['none', 'login-file', null]);
  assert.equal(await (await world.reopen()).tokens(), null, 'also after a restart');
  await account.signIn({ way: 'existing', token: null }, access.directory);
  assert.equal((await account.view(access)).token, 'login-file');
});

test('signing in without anything to sign in with says so', async (t) => {
  const { account, access } = await openWorld(t);
  await assert.rejects(account.signIn({ way: 'existing', token: null }, access.directory), /No login/);
  await assert.rejects(account.signIn({ way: 'token', token: null }, access.directory), /No token/);
});

test('the demo is remembered as a wish, and leaving it keeps the account', async (t) => {
  const world = await openWorld(t);
  const { account, access, hub } = world;
  await account.signIn({ way: 'token', token: hub.token }, access.directory);
  await account.signIn({ way: 'demo', token: null }, access.directory);
  assert.equal((await world.reopen()).wantsDemo, true);
  await account.signOut(true);
  assert.equal(account.wantsDemo, false);
  assert.equal((await account.tokens())?.token, hub.token);
});

test('the Hub is asked who it is at most once a minute', async (t) => {
  const { account, access, hub, clock } = await openWorld(t);
  await account.signIn({ way: 'token', token: hub.token }, access.directory);
  const asked = () => hub.faults.count('account.whoami');
  await account.view(access);
  await account.view(access);
  assert.equal(asked(), 1);
  clock.advance(61_000);
  await account.view(access);
  assert.equal(asked(), 2);
});

test('a Hub that fails leaves the account visible with the problem', async (t) => {
  const { account, access, hub, clock } = await openWorld(t);
  await account.signIn({ way: 'token', token: hub.token }, access.directory);
  clock.advance(61_000);
  hub.faults.add({ route: 'account.whoami', status: 403 });
  const view = await account.view(access);
  assert.deepEqual([view.token, view.user, view.problem?.code], ['keychain', null, 'forbidden']);
});

test('“mine” joins my own and my organisations’, newest first, each with its facts', async (t) => {
  const { account, access, hub } = await openWorld(t);
  hub.addOrganisation('team', ['demo']);
  hub.content.createBucket('team/shared');
  await account.signIn({ way: 'token', token: hub.token }, access.directory);
  const { items, cursor, problems } = await browse(ask({}), account, access);
  assert.deepEqual(items.map(({ source }) => source).sort(), ['bucket/demo/project', 'bucket/team/shared']);
  const times = items.map(({ updatedAt }) => updatedAt ?? 0);
  assert.deepEqual(
    times,
    [...times].sort((a, b) => b - a),
  );
  const project = items.find(({ owner }) => owner === 'demo');
  assert.ok((project?.sizeBytes ?? 0) > 0 && (project?.files ?? 0) > 0);
  assert.deepEqual([cursor, problems], [null, []]);
});

test('one owner that fails leaves the others listed; if all fail the reason is the answer', async (t) => {
  const { account, access, hub } = await openWorld(t);
  hub.addOrganisation('team', ['demo']);
  await account.signIn({ way: 'token', token: hub.token }, access.directory);
  hub.faults.add({ route: 'GET /api/buckets/team*', status: 403 });
  const { items, problems } = await browse(ask({}), account, access);
  assert.deepEqual(
    items.map(({ name }) => name),
    ['project'],
  );
  assert.deepEqual(
    problems.map(({ owner, problem }) => [owner, problem.code]),
    [['team', 'forbidden']],
  );
  hub.faults.add({ route: 'bucket.list', status: 403 });
  await assert.rejects(browse(ask({}), account, access), { code: 'forbidden' });
});

test('without an account “mine” asks to sign in, and everybody’s repos are still listed', async (t) => {
  const { account, access } = await openWorld(t);
  await assert.rejects(browse(ask({}), account, access), { message: /Sign in/ });
  const { items } = await browse(
    ask({ kind: 'model', scope: 'everywhere', search: 'tiny' }),
    account,
    access,
  );
  assert.deepEqual(
    items.map(({ source }) => source),
    ['model/demo/tiny-model'],
  );
  await assert.rejects(browse(ask({ scope: 'everywhere' }), account, access), { message: /by owner/ });
});

test('long lists go on page by page, and a cursor of somebody else’s making is refused', async (t) => {
  const { account, access, hub } = await openWorld(t);
  for (let index = 0; index < 60; index += 1) hub.content.createRepo('dataset', `demo/set-${index}`);
  const argument = ask({ kind: 'dataset', scope: 'everywhere', owner: 'demo' });
  const first = await browse(argument, account, access);
  assert.equal(first.items.length, 50);
  const rest = await browse({ ...argument, cursor: first.cursor }, account, access);
  assert.equal(rest.items.length, 11);
  assert.equal(rest.cursor, null);
  const elsewhere = JSON.stringify([{ owner: 'x', next: 'https://evil.example/api/datasets' }]);
  await assert.rejects(browse({ ...argument, cursor: elsewhere }, account, access), { code: 'invalid' });
  await assert.rejects(browse({ ...argument, cursor: 'nonsense' }, account, access), {
    name: 'ArgumentError',
  });
});

test('a repo is described with its revisions, a bucket without', async (t) => {
  const { access } = await openWorld(t);
  const place = (source: string) => `/mnt/${source}`;
  const model = await describeSource('model/demo/tiny-model', access, place);
  assert.deepEqual([...model.branches].sort(), ['dev', 'main']);
  assert.deepEqual([model.tags, model.mountPoint], [['v1'], '/mnt/model/demo/tiny-model']);
  const bucket = await describeSource('bucket/demo/project', access, place);
  assert.deepEqual([bucket.branches, bucket.item.kind], [[], 'bucket']);
  await assert.rejects(describeSource('model/demo/nothing', access, place), {
    code: /not-found|unauthorized/,
  });
  await assert.rejects(describeSource('nonsense', access, place), { code: 'invalid' });
});

test('folders are listed by name, at a revision where there are some', async (t) => {
  const { access } = await openWorld(t);
  const source = 'model/demo/tiny-model';
  const main = await listFolders({ source, revision: null, path: null }, access);
  const dev = await listFolders({ source, revision: 'dev', path: null }, access);
  assert.equal(main.folders.includes('notes'), false);
  assert.equal(dev.folders.includes('notes'), true);
  assert.equal(dev.more, false);
  const inside = await listFolders({ source, revision: 'dev', path: 'notes' }, access);
  assert.deepEqual(inside, { folders: [], more: false });
});

test('a new bucket is made as asked, and a bad name is refused in words', async (t) => {
  const { account, access, hub } = await openWorld(t);
  await account.signIn({ way: 'token', token: hub.token }, access.directory);
  const bucket = await createBucket('demo', 'fresh', true, access);
  assert.deepEqual([bucket.source, bucket.private, bucket.files], ['bucket/demo/fresh', true, 0]);
  await assert.rejects(createBucket('demo', 'fresh', true, access), { code: 'conflict' });
  await assert.rejects(createBucket('demo', '../up', true, access), { code: 'invalid' });
});

test('a folder is shown by the system’s own program, and a host without a desktop says where it is', async () => {
  const commands = new ScriptedCommands();
  await openFolder('/mnt/a b', commands.run, 'darwin', {});
  await openFolder('/mnt/a b', commands.run, 'linux', { DISPLAY: ':0' });
  assert.deepEqual(commands.lines, ['open /mnt/a b', 'xdg-open /mnt/a b']);
  await assert.rejects(openFolder('/mnt/a', commands.run, 'linux', {}), { message: /\/mnt\/a/ });
  commands.answer = () => missing;
  await assert.rejects(openFolder('/mnt/a', commands.run, 'linux', { DISPLAY: ':0' }), {
    message: /not installed/,
  });
});
