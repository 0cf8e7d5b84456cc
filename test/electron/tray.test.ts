import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { DesktopWorld, desktopOptions, useDesktopBrowser } from './desktop-world.ts';
import { app, clipboard, Tray } from './stand-in/electron.ts';
import { StandInWindow } from './stand-in/window.ts';

useDesktopBrowser();

test('the app starts hidden, and Open panel shows a panel without complaints', desktopOptions, async (t) => {
  const world = await DesktopWorld.start(t);
  assert.equal(world.menuText(), 'Nothing is mounted\nOpen panel\nQuit Hubdrive');
  assert.equal(StandInWindow.all.size, 0);
  await world.choose('Open panel');
  const page = await world.page();
  await page.getByRole('button').first().waitFor();
  assert.deepEqual(world.window().complaints, []);
});

test('started by hand with nothing mounted, the app shows the panel by itself', desktopOptions, async (t) => {
  const world = await DesktopWorld.start(t, { argv: ['--demo'] });
  await world.page();
  assert.equal(world.window().isVisible(), true);
});

test('clicks in the tray mount and unmount, copy the path and pause', desktopOptions, async (t) => {
  const world = await DesktopWorld.start(t);
  const mount = await world.mount();
  await world.choose('demo/project — idle', 'Copy path');
  assert.equal(clipboard.text, join(world.dir, 'mnt'));

  await world.choose('demo/project', 'Unmount');
  await world.until(() => world.driver.entries.length === 0, 'the system mount is gone');
  await world.choose('Mount a recent source', 'demo/project');
  await world.until(() => world.driver.entries.length === 1, 'the system mount is there');
  assert.equal(world.driver.entries[0]?.mountPoint, mount.mountPoint);

  await world.choose('Pause uploads', 'For 1 hour');
  await world.until(() => world.tray.image.path.endsWith('paused-on-light.png'), 'the icon says paused');
  assert.match(world.menuText(), /Resume uploads \(paused until (tomorrow )?\d\d:\d\d\)/);
  await world.choose('Resume uploads');
  await world.until(() => world.menuText().includes('Pause uploads'), 'uploads run again');
});

test('an unmount that programs hold up names them and offers force', desktopOptions, async (t) => {
  const world = await DesktopWorld.start(t);
  await world.mount();
  world.driver.busyPrograms = [{ pid: 4711, name: 'vim' }];
  await world.choose('demo/project', 'Unmount');
  const first = await world.dialog(/Programs still use/);
  assert.match(first.detail, /vim \(process 4711\)/);
  first.answer('Try again');
  const second = await world.dialog(/Programs still use/);
  second.answer('Unmount anyway');
  await world.until(() => world.driver.entries.length === 0, 'the system mount is gone');
});

test('a mount that fails says why and leads to the panel', desktopOptions, async (t) => {
  const world = await DesktopWorld.start(t);
  await world.mount();
  await world.choose('demo/project', 'Unmount');
  await world.until(() => world.driver.entries.length === 0, 'the system mount is gone');
  world.window().close();
  world.driver.mountError = new Error('the disk is made of cheese');
  await world.choose('Mount a recent source', 'demo/project');
  const failure = await world.dialog(/did not work/);
  assert.match(failure.detail, /cheese/);
  failure.answer('Open panel');
  await world.until(() => world.window().isVisible(), 'the panel is open');
  await world.until(
    () => world.tray.image.path.endsWith('attention-on-light.png'),
    'the icon asks for attention',
  );
});

test(
  'a click on the icon shows and hides the panel; closing hides it and keeps its page',
  desktopOptions,
  async (t) => {
    const world = await DesktopWorld.start(t);
    world.tray.emit('click');
    const page = await world.page();
    assert.equal(world.window().isVisible(), true);
    world.tray.emit('click');
    assert.equal(world.window().isVisible(), false);
    world.tray.emit('click');
    world.window().close();
    assert.equal(world.window().isVisible(), false);
    assert.equal(await world.page(), page);
  },
);

test('on macOS the menu comes with a right click and the icon is a template', desktopOptions, async (t) => {
  const world = await DesktopWorld.start(t, { platform: 'darwin' });
  assert.equal(world.tray.menu, null);
  assert.ok(world.tray.popped !== null);
  await world.until(() => world.tray.image.path.endsWith('idleTemplate.png'), 'it has an icon');
  assert.equal(world.tray.image.isTemplate, true);
});

test('starting the app again shows the panel of the running one', desktopOptions, async (t) => {
  const world = await DesktopWorld.start(t);
  app.emit('second-instance', {}, ['electron', '.']);
  await world.page();
  assert.equal(world.window().isVisible(), true);
  world.window().close();
  app.emit('activate', {}, false);
  assert.equal(world.window().isVisible(), true);
});

test('a second start ends at once and touches nothing', desktopOptions, async (t) => {
  const world = await DesktopWorld.start(t);
  await world.quit();
  app.isOnlyInstance = false;
  app.hasEnded = false;
  const { runDesktopApp } = await import('../../src/main/electron/desktop-app.ts');
  await runDesktopApp({ argv: [], env: {}, platform: 'linux', places: world.places, files: world.files });
  assert.equal(app.hasEnded, true);
  assert.equal(Tray.current, null);
});
