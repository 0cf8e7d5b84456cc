import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import type { MountView } from '../../src/shared/model.ts';
import { Nfs3Client } from '../support/nfs-client.ts';
import { DesktopWorld, desktopOptions, useDesktopBrowser } from './desktop-world.ts';
import { app, dialog, powerMonitor, StandInEvent } from './stand-in/electron.ts';

useDesktopBrowser();

/** The app with one file that is written and, because uploads are paused, not sent. */
async function startWithUnsent(t: TestContext): Promise<{ world: DesktopWorld; mount: MountView }> {
  const world = await DesktopWorld.start(t);
  const mount = await world.mount({ serverOnly: true });
  await world.call('mounts:pause', { target: null, until: null });
  await writeFile(mount, 'unsent.txt', 'x'.repeat(2_000_000));
  await world.until(() => /1 change \(2\.0 MB\) to send/.test(world.menuText()), 'the tray counts it');
  return { world, mount };
}

async function writeFile({ nfs }: MountView, name: string, text: string): Promise<void> {
  assert.ok(nfs !== null);
  const client = await Nfs3Client.connect({ host: nfs.host, port: nfs.port, uid: process.getuid?.() ?? 0 });
  const root = await client.mount(nfs.exportPath);
  const file = await client.create(root, name);
  for (let offset = 0; offset < text.length; offset += 500_000)
    await client.write(file, offset, text.slice(offset, offset + 500_000));
  await client.commit(file);
  await client.close();
}

test('nothing unsent: the app ends without a question and releases everything', desktopOptions, async (t) => {
  const world = await DesktopWorld.start(t);
  await world.mount();
  await world.choose('Quit Hubdrive');
  await world.until(() => app.hasEnded, 'the app ended');
  await world.running;
  assert.deepEqual(world.driver.entries, []);
  assert.deepEqual(dialog.open, []);
});

test('unsent changes: the question counts them, and Cancel changes nothing', desktopOptions, async (t) => {
  const { world, mount } = await startWithUnsent(t);
  app.quit();
  const question = await world.dialog(/still has to send 1 change \(2\.0 MB\)/);
  assert.match(question.detail, /bucket\/demo\/project: 1 change/);
  assert.match(question.detail, /Uploads are paused; finishing resumes them/);
  assert.deepEqual(question.buttons, ['Finish sending, then quit', 'Quit now, send next time', 'Cancel']);
  assert.equal(question.cancelId, 2);
  app.quit();
  assert.equal(dialog.open.length, 1, 'asked once however often');
  question.answer('Cancel');
  const state = await world.call('state:get', null);
  assert.equal(state.mounts.find(({ id }) => id === mount.id)?.state, 'mounted');
  assert.equal(app.hasEnded, false);
});

test('finish sending, then quit: everything is on the Hub when the app ends', desktopOptions, async (t) => {
  const { world, mount } = await startWithUnsent(t);
  await world.choose('Quit Hubdrive');
  (await world.dialog(/still has to send/)).answer('Finish sending, then quit');
  await world.until(() => app.hasEnded, 'the app ended');
  await world.running;
  await world.launch();
  const state = await world.call('state:get', null);
  assert.deepEqual(state.mounts.find(({ id }) => id === mount.id)?.pending, { files: 0, bytes: 0 });
});

test('quit now: what is unsent is kept, and sent after the next start', desktopOptions, async (t) => {
  const { world, mount } = await startWithUnsent(t);
  app.quit();
  (await world.dialog(/still has to send/)).answer('Quit now, send next time');
  await world.until(() => app.hasEnded, 'the app ended');
  await world.running;
  await world.launch();
  await world.call('mounts:flush', { target: mount.id });
  const state = await world.call('state:get', null);
  const after = state.mounts.find(({ id }) => id === mount.id);
  assert.equal(after?.state, 'mounted', 'mounted again by itself');
  assert.deepEqual(after.pending, { files: 0, bytes: 0 });
  assert.ok(after.counters.filesCommitted > 0);
});

test('shutting down asks in the same way and holds the system up meanwhile', desktopOptions, async (t) => {
  const { world } = await startWithUnsent(t);
  const event = new StandInEvent();
  powerMonitor.emit('shutdown', event);
  assert.equal(event.defaultPrevented, true);
  (await world.dialog(/still has to send/)).answer('Quit now, send next time');
  await world.until(() => app.hasEnded, 'the app ended');
});

test('a quit that another surface asks for ends the app too', desktopOptions, async (t) => {
  const world = await DesktopWorld.start(t);
  await world.call('host:quit', { now: true });
  await world.until(() => app.hasEnded, 'the app ended');
  await world.running;
});
