// The desktop app in real Electron, where its program is present (`node node_modules/electron/install.js`, or ELECTRON_OVERRIDE_DIST_PATH)
// and a window can be shown. Skipped with a reason elsewhere: what the stand-in shows is then all that is known.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, realpath, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import type { TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { _electron } from 'playwright-core';
import type { ElectronApplication } from 'playwright-core';
import { buildRenderer } from '../panel/renderer-build.ts';
import { buildPreload } from './preload-build.ts';

const rootDir = fileURLToPath(new URL('../..', import.meta.url));

function findElectron(): string | null {
  const dir = process.env['ELECTRON_OVERRIDE_DIST_PATH'] ?? join(rootDir, 'node_modules/electron/dist');
  const name = process.platform === 'darwin' ? 'Electron.app/Contents/MacOS/Electron' : 'electron';
  return existsSync(join(dir, name)) ? join(dir, name) : null;
}

function skipReason(): string | false {
  if (findElectron() === null)
    return 'SKIPPED: Electron’s program is not here; run node node_modules/electron/install.js';
  const hasDisplay =
    process.platform === 'darwin' ||
    process.env['DISPLAY'] !== undefined ||
    process.env['WAYLAND_DISPLAY'] !== undefined;
  return hasDisplay ? false : 'SKIPPED: there is no display; run it below xvfb-run';
}

const skip = skipReason();
if (skip !== false) process.stderr.write(`\nreal-electron.test.ts ${skip}\n\n`);

async function launch(t: TestContext): Promise<{ app: ElectronApplication; dir: string }> {
  const built = spawnSync(join(rootDir, 'node_modules/.bin/tsc'), ['-b', 'src/main'], { encoding: 'utf8' });
  assert.equal(built.status, 0, built.stdout);
  await buildRenderer();
  await buildPreload();
  const dir = await realpath(await mkdtemp(join(tmpdir(), 'hubdrive-electron-')));
  // Root has no sandbox to give; a test machine in a container is often root.
  const sandbox = process.getuid?.() === 0 ? ['--no-sandbox'] : [];
  const app = await _electron.launch({
    executablePath: findElectron() ?? '',
    args: [...sandbox, rootDir, '--demo'],
    env: {
      ...(process.env as Record<string, string>),
      HUBDRIVE_HOME: join(dir, 'data'),
      HF_HOME: join(dir, 'hf'),
    },
  });
  t.after(async () => {
    await app.close().catch(() => undefined);
    await rm(dir, { recursive: true, force: true });
  });
  return { app, dir };
}

describe('in real Electron', { skip, timeout: 120_000 }, () => {
  test('the panel opens, confined, and mounts through the bridge', async (t) => {
    const { app, dir } = await launch(t);
    const page = await app.firstWindow();
    assert.equal(page.url(), 'hubdrive-app://panel/');
    await page.getByRole('button').first().waitFor();
    assert.equal(await page.evaluate('typeof process + typeof require'), 'undefinedundefined');
    const preferences = await app.evaluate(({ webContents }) => {
      const [contents] = webContents.getAllWebContents() as unknown as { getLastWebPreferences(): object }[];
      return contents?.getLastWebPreferences() as Record<string, unknown>;
    });
    assert.equal(preferences['contextIsolation'], true);
    assert.equal(preferences['sandbox'], true);
    assert.equal(preferences['nodeIntegration'], false);
    await page.evaluate(
      `window.hubdrive.requests['settings:set']({ mountFolder: ${JSON.stringify(join(dir, 'mounts'))} })`,
    );
    const outcome = await page.evaluate<{ ok: boolean; value?: { state: string } }>(
      `window.hubdrive.requests['mounts:mount']({ source: 'bucket/demo/project', serverOnly: true })`,
    );
    assert.equal(outcome.value?.state, 'mounted');
  });

  test('navigation and new windows are denied, and a second start opens the panel of the first', async (t) => {
    const { app } = await launch(t);
    const page = await app.firstWindow();
    await page.getByRole('button').first().waitFor();
    await page.evaluate(`void setTimeout(() => (location.href = 'https://example.com/'))`);
    await page.evaluate(`window.open('https://example.com/')`);
    await page.waitForTimeout(500);
    assert.equal(page.url(), 'hubdrive-app://panel/');
    assert.equal(app.windows().length, 1);
    await app.evaluate(({ BrowserWindow }) => BrowserWindow.getAllWindows()[0]?.hide());
    await app.evaluate(({ app: running }) => void running.emit('second-instance', {}, [], '', null));
    assert.equal(
      await app.evaluate(({ BrowserWindow }) => BrowserWindow.getAllWindows()[0]?.isVisible()),
      true,
    );
  });

  test('quitting with nothing unsent ends the process', async (t) => {
    const { app } = await launch(t);
    await (await app.firstWindow()).getByRole('button').first().waitFor();
    const ended = app.waitForEvent('close');
    await app.evaluate(({ app: running }) => running.quit()).catch(() => undefined);
    await ended;
  });
});
