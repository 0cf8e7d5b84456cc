import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { openHub } from '../support/local-hub.ts';
import { DesktopWorld, desktopOptions, useDesktopBrowser } from './desktop-world.ts';
import { safeStorage } from './stand-in/electron.ts';

useDesktopBrowser();

async function startOnHub(
  t: TestContext,
): Promise<{ world: DesktopWorld; token: string; env: NodeJS.ProcessEnv }> {
  const hub = await openHub(t, { seed: 'demo' });
  const env = { HF_ENDPOINT: hub.endpoint, HF_HOME: '/nonexistent', HOME: '/nonexistent' };
  const world = await DesktopWorld.start(t, { argv: ['--hidden'], env });
  return { world, token: hub.token, env };
}

async function filesWith(dir: string, text: string): Promise<string[]> {
  const entries = await readdir(dir, { recursive: true, withFileTypes: true });
  const found: string[] = [];
  for (const entry of entries) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath, entry.name);
    if ((await readFile(path)).includes(text)) found.push(path);
  }
  return found;
}

test(
  'a pasted token is encrypted by the keychain, in no file as it is, and there after a restart',
  desktopOptions,
  async (t) => {
    const { world, token, env } = await startOnHub(t);
    const account = await world.call('account:signIn', { way: 'token', token });
    assert.equal(account.keeps, 'keychain');
    assert.equal(account.token, 'keychain');
    await world.quit();
    assert.deepEqual(await filesWith(world.dir, token), []);
    await world.launch({ argv: ['--hidden'], env });
    assert.equal((await world.call('account:get', null)).user?.name, account.user?.name);
    await world.call('account:signOut', null);
    assert.equal((await world.call('account:get', null)).user, null);
  },
);

test(
  'without a real keychain the token is kept in memory only, and the panel says so',
  desktopOptions,
  async (t) => {
    const { world, token, env } = await startOnHub(t);
    await world.quit();
    await world.launch({ argv: ['--hidden'], env, prepare: () => (safeStorage.backend = 'basic_text') });
    const account = await world.call('account:signIn', { way: 'token', token });
    assert.equal(account.keeps, 'memory');
    await world.quit();
    assert.deepEqual(await filesWith(world.dir, token), []);
  },
);
