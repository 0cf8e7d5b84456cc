// Composes the desktop app: one instance, the hosts, tray, window, IPC and system events. Holds no rule of its own; the functions it joins
// are in the files beside and below it.

import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { app, dialog } from 'electron';
import { systemClock } from '../../shared/log.ts';
import type { Places } from '../../shared/places.ts';
import type { AppFiles } from '../app-files.ts';
import { findAppFiles } from '../app-files.ts';
import { currentPlaces, lockDataDir } from '../files/data-dir.ts';
import { hubEndpoint } from '../account/endpoint.ts';
import { readHostVersion } from '../host-version.ts';
import { hiddenFlag, readLaunchArguments } from '../tray/launch-arguments.ts';
import { openHostLog } from '../files/log.ts';
import type { OsMountDriver } from '../system/os-mount.ts';
import { problemOf } from '../problem.ts';
import { ServedHosts } from '../served-hosts.ts';
import { createSystemDriver } from '../system/system-driver.ts';
import { DesktopShell } from './desktop-shell.ts';
import { openKeychain } from './keychain-tokens.ts';
import { servePanel } from './panel-protocol.ts';
import { runUtilityScript } from './utility-scripts.ts';

/** Everything has its real default; tests put other surroundings in. */
export interface DesktopOptions {
  readonly argv?: readonly string[];
  readonly env?: NodeJS.ProcessEnv;
  readonly platform?: NodeJS.Platform;
  readonly places?: Places;
  readonly files?: AppFiles;
  readonly driver?: OsMountDriver;
}

/** Resolves when the app has ended, or at once when another instance runs already. */
export async function runDesktopApp(options: DesktopOptions = {}): Promise<void> {
  const { argv = process.argv, env = process.env, platform = process.platform } = options;
  const places = options.places ?? currentPlaces(env);
  // Electron's own files, and with them the lock of the single instance, belong to the data directory.
  const electronDir = join(places.dataDir, 'electron');
  mkdirSync(electronDir, { recursive: true, mode: 0o700 });
  app.setPath('userData', electronDir);
  if (!app.requestSingleInstanceLock()) {
    app.quit();
    return;
  }
  await app.whenReady();
  try {
    await runOnlyInstance({
      ...options,
      argv,
      env,
      platform,
      places,
      files: options.files ?? findAppFiles(),
    });
  } catch (error) {
    dialog.showErrorBox('Hubdrive cannot start', problemOf(error).message);
    throw error;
  }
}

async function runOnlyInstance(
  options: Required<Omit<DesktopOptions, 'driver'>> & DesktopOptions,
): Promise<void> {
  const { argv, env, platform, places, files } = options;
  const wasOpenedAtLogin = platform === 'darwin' && app.getLoginItemSettings().wasOpenedAtLogin;
  const launch = readLaunchArguments(wasOpenedAtLogin ? [...argv, hiddenFlag] : argv);
  const lock = await lockDataDir(places);
  const log = await openHostLog({ logDir: places.logDir, level: 'info', terminal: null });
  let shell: DesktopShell | null = null;
  try {
    await servePanel(files.rendererDir);
    const hosts = await ServedHosts.open({
      places,
      version: readHostVersion(),
      endpoint: hubEndpoint(env),
      demo: launch.demo,
      panelPort: null,
      rendererDir: files.rendererDir,
      listenHost: '127.0.0.1',
      log,
      env,
      keeper: openKeychain(join(places.dataDir, 'token.encrypted'), platform, log),
      driver: options.driver ?? createSystemDriver(runUtilityScript),
      onHost: (host) => shell?.setHost(host),
      onSettings: (settings) => shell?.setSettings(settings),
    });
    shell = new DesktopShell({
      files,
      platform,
      env,
      launch,
      clock: systemClock,
      log,
      endHost: (now) => hosts.quit(now),
    });
    try {
      await hosts.run(() => undefined);
    } finally {
      shell.close();
      await hosts.close();
    }
    log.info('The desktop app has ended');
  } finally {
    lock.release();
    await log.close();
  }
  app.quit();
}
