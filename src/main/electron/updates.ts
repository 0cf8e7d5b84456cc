// Looks for new versions where the build names a place for them. electron-updater does the work that must not be home-made: signed or hashed
// downloads, AppImage and zip replacement; Electron's own updater knows no Linux.

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { app } from 'electron';
import type { Clock, Log } from '../../shared/log.ts';
import { updatePolicyOf } from '../tray/update-policy.ts';

const firstLookMs = 60_000;
const lookEveryMs = 12 * 3600_000;

export interface UpdateOptions {
  readonly platform: NodeJS.Platform;
  readonly env: NodeJS.ProcessEnv;
  readonly clock: Clock;
  readonly log: Log;
  /** A version that this app does not install by itself. */
  readonly onAvailable: (version: string) => void;
}

/** Returns the function that ends it. */
export function watchForUpdates({ platform, env, clock, log, onAvailable }: UpdateOptions): () => void {
  const policy = updatePolicyOf({
    isPackaged: app.isPackaged,
    hasFeed: app.isPackaged && existsSync(join(process.resourcesPath, 'app-update.yml')),
    platform,
    appImage: env['APPIMAGE'],
  });
  if (policy === 'none') return () => undefined;
  const look = async (): Promise<void> => {
    // A CommonJS module whose parts are getters; loaded only where it is used.
    const { default: updater } = await import('electron-updater');
    const { autoUpdater } = updater;
    autoUpdater.logger = null;
    autoUpdater.autoDownload = policy === 'install-on-quit';
    autoUpdater.autoInstallOnAppQuit = policy === 'install-on-quit';
    const found = await autoUpdater.checkForUpdates();
    if (found?.isUpdateAvailable !== true) return;
    log.info('A new version is available', { version: found.updateInfo.version, policy });
    await found.downloadPromise;
    if (policy === 'tell') onAvailable(found.updateInfo.version);
  };
  const plan = (delayMs: number): void => {
    timer = clock.schedule(delayMs, () => {
      look().catch((error: unknown) => log.warn('Looking for updates failed', { cause: String(error) }));
      plan(lookEveryMs);
    });
  };
  let timer = clock.schedule(0, () => undefined);
  plan(firstLookMs);
  return () => timer.cancel();
}
