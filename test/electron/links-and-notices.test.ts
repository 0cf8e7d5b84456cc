import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { lockDataDir } from '../../src/main/files/data-dir.ts';
import { Nfs3Client, NfsFailure } from '../support/nfs-client.ts';
import { DesktopWorld, desktopOptions, useDesktopBrowser } from './desktop-world.ts';
import { app, dialog, Notification } from './stand-in/electron.ts';

useDesktopBrowser();

const link = 'hubdrive://mount/bucket/demo/project';

test('a link asks before it mounts, and Cancel mounts nothing', desktopOptions, async (t) => {
  const world = await DesktopWorld.start(t);
  assert.equal(app.protocolClient, 'hubdrive');
  app.emit('second-instance', {}, ['electron', '.', link]);
  const question = await world.dialog(/Mount “bucket\/demo\/project”\?/);
  assert.equal(question.buttons[question.defaultId], 'Cancel');
  question.answer('Cancel');
  assert.deepEqual((await world.call('state:get', null)).mounts, []);
});

test(
  'a link that the person accepts is mounted at the default place, read-only if so chosen',
  desktopOptions,
  async (t) => {
    const world = await DesktopWorld.start(t);
    await world.call('settings:set', { mountFolder: join(world.dir, 'mounts') });
    app.emit('open-url', { preventDefault: () => undefined }, link);
    (await world.dialog(/Mount “/)).answer('Mount read-only');
    await world.until(() => world.driver.calls.length > 0, 'the system mounts');
    assert.match(world.driver.calls[0] ?? '', /mounts\/demo\/project port \d+ read-only$/);
  },
);

test('links that are wrong, or too many at once, mount nothing', desktopOptions, async (t) => {
  const world = await DesktopWorld.start(t);
  app.emit('open-url', { preventDefault: () => undefined }, 'hubdrive://mount/bucket/../../etc');
  const refusal = await world.dialog(/did not work/);
  assert.match(refusal.detail, /link cannot be followed/);
  for (let count = 0; count < 50; count += 1) app.emit('open-url', { preventDefault: () => undefined }, link);
  refusal.answer('Close');
  let asked = 0;
  await world.until(() => {
    for (const shown of dialog.open) {
      asked += 1;
      shown.answer('Cancel');
    }
    return asked >= 3;
  }, 'the waiting links are asked about');
  assert.equal(asked, 3);
  assert.deepEqual(world.driver.calls, []);
});

test('a link that starts the app is asked about when the host is ready', desktopOptions, async (t) => {
  const world = await DesktopWorld.start(t, { argv: ['--demo', link] });
  (await world.dialog(/Mount “/)).answer('Cancel');
});

test(
  'a STALE answer notifies, marks the tray until the panel is seen, and a click leads there',
  desktopOptions,
  async (t) => {
    const world = await DesktopWorld.start(t);
    const { nfs } = await world.mount({ serverOnly: true });
    world.window().close();
    assert.ok(nfs !== null);
    const client = await Nfs3Client.connect({ host: nfs.host, port: nfs.port, uid: process.getuid?.() ?? 0 });
    t.after(() => client.close());
    const root = await client.mount(nfs.exportPath);
    const file = await client.create(root, 'gone.txt');
    await client.remove(root, 'gone.txt');
    await assert.rejects(
      client.read(file, 0, 10),
      (error) => error instanceof NfsFailure && error.statusName === 'STALE',
    );
    await world.until(() => Notification.shown.length > 0, 'a notification is shown');
    const [notification] = Notification.shown;
    assert.match(notification?.title ?? '', /lost its file in bucket\/demo\/project/);
    await world.until(
      () => world.tray.image.path.endsWith('attention-on-light.png'),
      'the icon asks for attention',
    );
    notification?.emit('click');
    assert.equal(world.window().isVisible(), true);
    await world.until(() => !world.tray.image.path.endsWith('attention-on-light.png'), 'the icon calms down');
  },
);

test('kinds of notifications that are off are not shown', desktopOptions, async (t) => {
  const world = await DesktopWorld.start(t);
  await world.call('settings:set', { notifications: [] });
  await world.mount();
  world.driver.entries.length = 0;
  world.driver.mountError = new Error('no');
  await world.choose('demo/project', 'Unmount');
  await world.choose('Mount a recent source', 'demo/project');
  (await world.dialog(/did not work/)).answer('Close');
  assert.deepEqual(Notification.shown, []);
});

test('starting at login is off, and on it is a file with the hidden flag', desktopOptions, async (t) => {
  const world = await DesktopWorld.start(t);
  const path = join(world.dir, 'config', 'autostart', 'hubdrive.desktop');
  await assert.rejects(readFile(path), { code: 'ENOENT' });
  app.isPackaged = true;
  await world.call('settings:set', { launchAtLogin: true });
  let text = '';
  while (text === '') text = await readFile(path, 'utf8').catch(() => '');
  assert.match(text, /^Exec=".+" --hidden$/m);
  await world.call('settings:set', { launchAtLogin: false });
  while (text !== '') text = await readFile(path, 'utf8').catch(() => '');
});

test(
  'a data directory that another host uses is said in a dialog, not written to',
  desktopOptions,
  async (t) => {
    const world = await DesktopWorld.start(t);
    await world.quit();
    const lock = await lockDataDir(world.places);
    t.after(() => lock.release());
    await assert.rejects(world.launch(), /did not start/);
    assert.match(dialog.errors[0]?.content ?? '', /Another Hubdrive host/);
    app.hasEnded = true;
  },
);
