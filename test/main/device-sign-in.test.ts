// Signing in by a code, against the embedded Hub over HTTP.

import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { DeviceLogin } from '../../src/hub/device-login.ts';
import { HttpClient } from '../../src/hub/http.ts';
import { Account } from '../../src/main/account/account.ts';
import { DeviceSignIn } from '../../src/main/account/device-sign-in.ts';
import { openHubAccess } from '../../src/main/account/hub-access.ts';
import { fileTokenKeeper } from '../../src/main/account/token-keeper.ts';
import { silentLog } from '../../src/shared/log.ts';
import { openHub } from '../support/local-hub.ts';
import { ManualClock, settle } from '../support/manual-clock.ts';

async function openWorld(t: TestContext, clientId = 'app') {
  const clock = new ManualClock();
  const hub = await openHub(t, { clock });
  const http = new HttpClient({ userAgent: 'test/1', clock, random: () => 1 });
  t.after(() => http.close());
  const signIn = new DeviceSignIn(new DeviceLogin(http, hub.endpoint, clientId), clock);
  const answer = async (userCode: string, what: 'allow' | 'deny') => {
    const body = new URLSearchParams({ user_code: userCode, answer: what });
    await (await fetch(`${hub.endpoint}/device`, { method: 'POST', body })).text();
  };
  /** Lets time pass until `work` has ended. */
  const passing = async <T>(work: Promise<T>): Promise<T> => {
    let isOver = false;
    const watched = work.finally(() => (isOver = true));
    watched.catch(() => undefined);
    while (!isOver) {
      clock.advance(20);
      await settle(1);
    }
    return await watched;
  };
  return { clock, hub, signIn, answer, passing };
}

const stays = new AbortController().signal;

test('a person who agrees on the page is signed in with a token that is kept like a pasted one', async (t) => {
  const { clock, hub, signIn, answer, passing } = await openWorld(t);
  const code = await signIn.start();
  assert.equal(code.address, `${hub.endpoint}/device?user_code=${code.userCode}`);
  assert.equal(code.expiresAt, clock.now() + 900_000);
  const waiting = signIn.waitFor(code.userCode, stays);
  await clock.advanceAsync(3000);
  await answer(code.userCode, 'allow');
  const token = await passing(waiting);

  const dataDir = await mkdtemp(join(tmpdir(), 'hubdrive-device-'));
  t.after(() => rm(dataDir, { recursive: true }));
  const keeper = fileTokenKeeper(join(dataDir, 'token'));
  const environment = () => Promise.resolve(null);
  const account = await Account.open({ dataDir, keeper, environment, clock, log: silentLog });
  const access = openHubAccess(hub.endpoint, account.tokens, false, 'test/1');
  t.after(() => access.close());
  await account.signIn({ way: 'token', token }, access.directory);
  assert.equal(await keeper.load(), token);
  assert.equal((await account.view(access)).user?.name, 'demo');
});

test('a refusal, a code that nobody enters, and a code that is unknown are told apart', async (t) => {
  const { signIn, answer, passing } = await openWorld(t);
  const refused = await signIn.start();
  await answer(refused.userCode, 'deny');
  await assert.rejects(passing(signIn.waitFor(refused.userCode, stays)), /refused on the Hub/);
  const late = await signIn.start();
  await assert.rejects(passing(signIn.waitFor(late.userCode, stays)), /not entered in time/);
  await assert.rejects(signIn.waitFor('0000-0000', stays), /Another code/);
});

test('a Hub that cannot be asked for a while does not end the wait', async (t) => {
  const { hub, signIn, answer, passing } = await openWorld(t);
  const code = await signIn.start();
  await answer(code.userCode, 'allow');
  hub.faults.add({ route: 'oauth.token', status: 503, count: 12 });
  assert.equal(await passing(signIn.waitFor(code.userCode, stays)), hub.token);
});

test('another code, and a page that is closed, end the wait for the first at once', async (t) => {
  const { signIn } = await openWorld(t);
  const first = await signIn.start();
  const waiting = assert.rejects(signIn.waitFor(first.userCode, stays), /given up/);
  const second = await signIn.start();
  await waiting;
  const gone = new AbortController();
  const closed = assert.rejects(signIn.waitFor(second.userCode, gone.signal), /given up/);
  gone.abort();
  await closed;
});

test('a page to sign in at that is no web address is refused', async (t) => {
  const { createServer } = await import('node:http');
  const server = createServer((_request, response) => {
    const answer = {
      device_code: 'd',
      user_code: 'u',
      verification_uri: 'javascript:alert(1)',
      expires_in: 9,
    };
    response.setHeader('Content-Type', 'application/json');
    response.end(JSON.stringify(answer));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  assert.ok(typeof address === 'object' && address !== null);
  const http = new HttpClient({ userAgent: 'test/1' });
  t.after(() => {
    http.close();
    server.close();
  });
  const login = new DeviceLogin(http, `http://127.0.0.1:${address.port}`, 'app');
  await assert.rejects(login.start(), /no web address/);
});
