// Starting with the person's session: macOS keeps the list itself, a Linux desktop reads a file.

import { mkdir, rm } from 'node:fs/promises';
import { homedir } from 'node:os';
import { dirname } from 'node:path';
import { app } from 'electron';
import { replaceFile } from '../files/atomic-file.ts';
import { autostartEntry, autostartPath } from '../tray/autostart-entry.ts';

export async function setLoginItem(
  wanted: boolean,
  platform: NodeJS.Platform,
  env: NodeJS.ProcessEnv,
): Promise<void> {
  // From source the program would be a bare Electron.
  if (!app.isPackaged) return;
  if (platform === 'darwin') {
    if (app.getLoginItemSettings().openAtLogin !== wanted) app.setLoginItemSettings({ openAtLogin: wanted });
    return;
  }
  const path = autostartPath(env, homedir());
  if (!wanted) {
    await rm(path, { force: true });
    return;
  }
  await mkdir(dirname(path), { recursive: true });
  await replaceFile(path, autostartEntry(env['APPIMAGE'] ?? process.execPath), 0o644);
}
