import assert from 'node:assert/strict';
import { readFile, stat } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { deepLinkScheme } from '../../src/main/tray/deep-link.ts';
import { mountHelperPath } from '../../src/main/system/privilege-linux.ts';
import { readConfiguration, validateConfiguration } from './builder.ts';

const rootDir = fileURLToPath(new URL('../..', import.meta.url));

test('electron-builder accepts the configuration by its own schema', async () => {
  await validateConfiguration(await readConfiguration());
});

test('electron-builder’s schema notices a misspelt option', async () => {
  const wrong = { ...(await readConfiguration()), asarUnpak: ['x'] };
  await assert.rejects(validateConfiguration(wrong), /asarUnpak/);
});

test('the fuses close what the app does not use', async () => {
  const { electronFuses } = await readConfiguration();
  assert.deepEqual(electronFuses, {
    runAsNode: false,
    enableCookieEncryption: true,
    enableNodeOptionsEnvironmentVariable: false,
    enableNodeCliInspectArguments: false,
    enableEmbeddedAsarIntegrityValidation: true,
    onlyLoadAppFromAsar: true,
    loadBrowserProcessSpecificV8Snapshot: false,
    grantFileProtocolExtraPrivileges: false,
  });
});

test('every file the configuration names is there', async () => {
  const { mac, linux, deb } = await readConfiguration();
  const named = [mac?.icon, mac?.entitlements, mac?.entitlementsInherit, linux?.icon];
  for (const mapping of deb?.fpm ?? []) named.push(mapping.split('=')[0]);
  for (const path of named) {
    assert.equal(typeof path, 'string');
    await stat(join(rootDir, String(path)));
  }
});

test('the deb puts helper and policy where the app and polkit look for them', async () => {
  const { deb } = await readConfiguration();
  assert.deepEqual(deb?.fpm, [
    `packaging/linux/hubdrive-mount-helper=${mountHelperPath}`,
    'packaging/linux/co.hubdrive.mount.policy=/usr/share/polkit-1/actions/co.hubdrive.mount.policy',
  ]);
});

test('links of the app’s scheme are registered', async () => {
  const { protocols } = await readConfiguration();
  assert.deepEqual(protocols, [{ name: 'Hubdrive', schemes: [deepLinkScheme] }]);
});

test('the macOS app is universal, hardened, notarised and without a Dock icon', async () => {
  const { mac } = await readConfiguration();
  assert.deepEqual(
    mac?.target,
    ['dmg', 'zip'].map((target) => ({ target, arch: ['universal'] })),
  );
  assert.equal(mac?.hardenedRuntime, true);
  assert.equal(mac?.notarize, true);
  assert.deepEqual(mac?.extendInfo, { LSUIElement: true, NSAppSleepDisabled: true });
  const entitlements = await readFile(join(rootDir, 'packaging/mac/entitlements.plist'), 'utf8');
  assert.deepEqual(
    [...entitlements.matchAll(/<key>(.*?)<\/key>/g)].map(([, key]) => key),
    ['com.apple.security.cs.allow-jit'],
  );
});

test('the package names what Electron starts', async () => {
  const { main } = createRequire(import.meta.url)('../../package.json') as { main: string };
  assert.equal(main, 'dist/src/main/electron/index.js');
});
