import assert from 'node:assert/strict';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';

interface DesktopScript {
  noDesktopReason(platform: string, env: NodeJS.ProcessEnv, uid: number): string | null;
  findElectron(env: NodeJS.ProcessEnv): string | null;
  publishWords(env: NodeJS.ProcessEnv): readonly string[];
  universalParts(): readonly string[];
}
const script = (await import(new URL('../../scripts/desktop.mjs', import.meta.url).href)) as DesktopScript;

test('the desktop app starts where a display is and the user is not root', () => {
  assert.equal(script.noDesktopReason('linux', { DISPLAY: ':0' }, 1000), null);
  assert.equal(script.noDesktopReason('linux', { WAYLAND_DISPLAY: 'wayland-0' }, 1000), null);
  assert.equal(script.noDesktopReason('darwin', {}, 501), null);
  assert.match(script.noDesktopReason('linux', {}, 1000) ?? '', /no display/);
  assert.match(script.noDesktopReason('linux', { DISPLAY: ':0' }, 0) ?? '', /root/);
  assert.match(script.noDesktopReason('win32', {}, 0) ?? '', /win32/);
});

test(
  'Electron is found in the folder that the environment names',
  { skip: process.platform !== 'linux' },
  async (t) => {
    const dir = await mkdtemp(join(tmpdir(), 'hubdrive-electron-'));
    t.after(() => rm(dir, { recursive: true }));
    assert.equal(script.findElectron({ ELECTRON_OVERRIDE_DIST_PATH: dir }), null);
    await writeFile(join(dir, 'electron'), '');
    await chmod(join(dir, 'electron'), 0o755);
    assert.equal(script.findElectron({ ELECTRON_OVERRIDE_DIST_PATH: dir }), join(dir, 'electron'));
  },
);

test('where updates come from is the environment’s to say', () => {
  assert.deepEqual(script.publishWords({}), []);
  assert.deepEqual(script.publishWords({ HUBDRIVE_UPDATE_URL: 'https://example.com/feed' }), [
    '-c.publish.provider=generic',
    '-c.publish.url=https://example.com/feed',
  ]);
  assert.deepEqual(script.publishWords({ HUBDRIVE_UPDATE_REPOSITORY: 'owner/name' }), [
    '-c.publish.provider=github',
    '-c.publish.owner=owner',
    '-c.publish.repo=name',
  ]);
});

test('a universal macOS app gets the native parts of both processors', () => {
  const parts = script.universalParts();
  assert.equal(parts.filter((part) => part.includes('-darwin-x64@')).length, 1);
  assert.equal(parts.filter((part) => part.includes('-darwin-arm64@')).length, 1);
});
