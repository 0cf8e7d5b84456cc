import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DesktopWorld, desktopOptions, useDesktopBrowser } from './desktop-world.ts';

useDesktopBrowser();

test('the app starts hidden in the tray, and Open panel shows the panel', desktopOptions, async (t) => {
  const world = await DesktopWorld.start(t);
  assert.equal(world.menuText(), 'Nothing is mounted\nOpen panel\nQuit Hubdrive');
  await world.choose('Open panel');
  const page = await world.page();
  await page.getByRole('button').first().waitFor();
  assert.deepEqual(world.window().complaints, []);
});
