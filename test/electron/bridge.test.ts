import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Page } from 'playwright-core';
import { contract } from '../../src/shared/contract.ts';
import { DesktopWorld, desktopOptions, useDesktopBrowser } from './desktop-world.ts';
import { session, shell } from './stand-in/electron.ts';
import { ipcMain } from './stand-in/ipc-main.ts';
import { StandInContents } from './stand-in/window.ts';

useDesktopBrowser();

const refused = (outcome: unknown): string => {
  const { ok, error } = outcome as { ok: boolean; error?: { code: string; message: string } };
  assert.equal(ok, false);
  assert.equal(error?.code, 'forbidden');
  return error?.message ?? '';
};

test(
  'the bridge offers one function for each channel and nothing that takes a channel',
  desktopOptions,
  async (t) => {
    const world = await DesktopWorld.start(t);
    await world.choose('Open panel');
    const page = await world.page();
    await world.pageSays('window.hubdrive !== undefined');
    const shape = await page.evaluate<Record<string, unknown>>(`({
    parts: Object.keys(window.hubdrive).sort(),
    requests: Object.keys(window.hubdrive.requests).sort(),
    pushes: Object.keys(window.hubdrive.pushes).sort(),
    frozen: Object.isFrozen(window.hubdrive.requests),
    node: typeof process + typeof require + typeof Buffer,
  })`);
    const named = (kind: string) =>
      Object.entries(contract)
        .filter(([, channel]) => channel.kind === kind)
        .map(([name]) => name)
        .sort();
    assert.deepEqual(shape, {
      parts: ['onLink', 'pushes', 'requests'],
      requests: named('request'),
      pushes: named('push'),
      frozen: true,
      node: 'undefinedundefinedundefined',
    });
  },
);

test('arguments are parsed before any handler sees them', desktopOptions, async (t) => {
  const world = await DesktopWorld.start(t);
  const page = await world.openPanel();
  const outcome = await page.evaluate<unknown>(
    `window.hubdrive.requests['mounts:mount']({ source: 'bucket/demo/project', surprise: 1 })`,
  );
  const { error } = outcome as { error: { code: string; message: string } };
  assert.equal(error.code, 'invalid');
  assert.equal(error.message, 'mounts:mount has an unknown field "surprise"');
});

test('a frame inside the panel is refused, whoever put it there', desktopOptions, async (t) => {
  const world = await DesktopWorld.start(t);
  const page = await world.openPanel();
  await page.evaluate(
    `document.body.append(Object.assign(document.createElement('iframe'), { name: 'planted' }))`,
  );
  const frame = page.frames().find((each) => each.parentFrame() !== null);
  assert.ok(frame !== undefined);
  // As if the frame had got hold of the IPC, which the real preload does not give it.
  const outcome = await frame.evaluate<unknown>(`window.__standInInvoke('state:get', [null])`);
  assert.match(refused(outcome), /page is not the panel|frame inside/);
  await world.call('state:get', null);
});

test(
  'another window, another page in our window, and a frame that is gone are refused',
  desktopOptions,
  async (t) => {
    const world = await DesktopWorld.start(t);
    await world.choose('Open panel');
    await world.page();
    const sender = world.window().webContents;
    const panel = { url: 'hubdrive-app://panel/', parent: null };
    const invoke = (from: StandInContents, frame: typeof panel | null) =>
      ipcMain.invoke('state:get', { sender: from, senderFrame: frame }, [null]);
    const stranger = new StandInContents(() => Promise.reject(new Error('no page')));
    assert.match(refused(await invoke(stranger, panel)), /not from the panel’s window/);
    for (const url of [
      'https://example.com/',
      'file:///etc/passwd',
      'hubdrive-app://other/',
      'hubdrive-app://panel@evil/',
    ]) {
      assert.match(refused(await invoke(sender, { ...panel, url })), /page is not the panel/);
    }
    assert.match(refused(await invoke(sender, null)), /frame is gone/);
    assert.equal(await ipcMain.invoke('link:get', { sender: stranger, senderFrame: panel }, []), 'lost');
  },
);

test(
  'the page can go nowhere else and open nothing; links to the Hub open in the browser',
  desktopOptions,
  async (t) => {
    const world = await DesktopWorld.start(t);
    await world.choose('Open panel');
    const page = await world.page();
    await page.getByRole('button').first().waitFor();
    const address = page.url();
    await page.evaluate(`void setTimeout(() => (location.href = 'https://example.com/'))`);
    await page.evaluate(`window.open('https://example.com/')`);
    await page.evaluate(`window.open('file:///etc/passwd')`);
    await page.evaluate(`window.open('https://huggingface.co/docs', '_blank', 'noopener')`);
    await world.until(() => shell.opened.length > 0, 'the link to the Hub was opened outside');
    assert.deepEqual(shell.opened, ['https://huggingface.co/docs']);
    assert.equal(page.url(), address);
    await world.until(() => page.context().pages().length === 1, 'no window stayed open');
  },
);

test(
  'devices, media and other permissions are denied; copying from the panel is allowed',
  desktopOptions,
  async (t) => {
    await DesktopWorld.start(t);
    const { permissionRequest, permissionCheck, devicePermission } = session.defaultSession;
    const ask = (permission: string, requestingUrl: string): boolean => {
      let answer = true;
      permissionRequest?.(null, permission, (allowed) => (answer = allowed), { requestingUrl });
      return answer;
    };
    for (const permission of [
      'media',
      'geolocation',
      'notifications',
      'openExternal',
      'clipboard-read',
      'usb',
      'fileSystem',
    ]) {
      assert.equal(ask(permission, 'hubdrive-app://panel/'), false, permission);
      assert.equal(permissionCheck?.(null, permission, 'hubdrive-app://panel/'), false, permission);
    }
    assert.equal(ask('clipboard-sanitized-write', 'hubdrive-app://panel/'), true);
    assert.equal(ask('clipboard-sanitized-write', 'https://example.com/'), false);
    assert.equal(devicePermission?.(), false);
  },
);

test(
  'the window is confined: isolated, sandboxed, without node, and its page under a strict policy',
  desktopOptions,
  async (t) => {
    const world = await DesktopWorld.start(t);
    await world.choose('Open panel');
    const page = await world.page();
    const { preload, ...preferences } = world.window().options.webPreferences;
    assert.match(preload, /dist\/preload\/preload\.cjs$/);
    assert.deepEqual(preferences, {
      contextIsolation: true,
      sandbox: true,
      nodeIntegration: false,
      nodeIntegrationInWorker: false,
      nodeIntegrationInSubFrames: false,
      webSecurity: true,
      webviewTag: false,
      navigateOnDragDrop: false,
      spellcheck: false,
      devTools: true,
    });
    const blocked = await page.evaluate<string>(`new Promise((resolve) => {
    document.addEventListener('securitypolicyviolation', (event) => resolve(event.effectiveDirective));
    const script = document.createElement('script');
    script.textContent = 'window.planted = true';
    document.head.append(script);
  })`);
    assert.equal(blocked, 'script-src-elem');
  },
);

test(
  'while the window is hidden nothing is pushed; when it shows again it gets the newest state',
  desktopOptions,
  async (t) => {
    const world = await DesktopWorld.start(t);
    const mount = await world.mount();
    await world.call('activity:subscribe', { target: null });
    const page = await world.page();
    await recordPushes(page);
    world.window().close();
    const sentBefore = world.window().webContents.sent.length;
    await world.choose('demo/project', 'Unmount');
    await world.until(() => world.driver.entries.length === 0, 'the system mount is gone');
    await world.until(() => /Mount a recent source/.test(world.menuText()), 'the tray knows');
    assert.equal(world.window().webContents.sent.length, sentBefore);
    await world.choose('Open panel');
    await world.pageSays('window.recorded.length > 0');
    assert.equal(
      await page.evaluate(
        `window.recorded.at(-1).mounts.find(({ id }) => id === ${JSON.stringify(mount.id)}).state`,
      ),
      'idle',
    );
  },
);

async function recordPushes(page: Page): Promise<void> {
  await page.evaluate(`{
    window.recorded = [];
    window.hubdrive.pushes['state:changed']((state) => window.recorded.push(state));
  }`);
}

test('a listener that is taken away hears nothing more', desktopOptions, async (t) => {
  const world = await DesktopWorld.start(t);
  await world.call('state:subscribe', null);
  const page = await world.page();
  await recordPushes(page);
  await page.evaluate(`{
    window.heard = 0;
    window.hubdrive.pushes['state:changed'](() => (window.heard += 1))();
  }`);
  await world.mount();
  await world.pageSays('window.recorded.length > 0');
  assert.equal(await page.evaluate('window.heard'), 0);
});

test(
  'the window stays while the host changes from the demo Hub to the real one',
  desktopOptions,
  async (t) => {
    const world = await DesktopWorld.start(t);
    await world.choose('Open panel');
    const page = await world.page();
    await page.getByRole('button').first().waitFor();
    await page.evaluate(`{
    window.links = [];
    window.hubdrive.onLink((link) => window.links.push(link));
  }`);
    await world.call('account:signOut', null);
    await world.pageSays(`window.links.join(' ') === 'open lost open'`);
    assert.equal((await world.call('state:get', null)).demo, false);
    await page.getByRole('button', { name: /demo/i }).first().waitFor();
  },
);
