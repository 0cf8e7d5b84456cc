// Whether the desktop app can run here, with which Electron, and why not. Plain JavaScript for Node 20; used by run.mjs.
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { rootDir, say } from './node-runtime.mjs';

const electronDir = join(rootDir, 'node_modules', 'electron');

/** Null: a window can be shown. Otherwise why not, as the beginning of a sentence. */
export function noDesktopReason(platform = process.platform, env = process.env, uid = process.getuid?.()) {
  if (platform !== 'linux' && platform !== 'darwin') return `Hubdrive has no desktop app for ${platform} yet`;
  if (platform === 'linux' && !env.DISPLAY && !env.WAYLAND_DISPLAY) return 'there is no display';
  if (platform === 'linux' && uid === 0) return 'Electron’s sandbox does not work for root';
  return null;
}

/** Path of Electron's program, null where it is not installed. */
export function findElectron(env = process.env) {
  const names = { darwin: 'Electron.app/Contents/MacOS/Electron', win32: 'electron.exe' };
  const path = join(
    env.ELECTRON_OVERRIDE_DIST_PATH || join(electronDir, 'dist'),
    names[process.platform] ?? 'electron',
  );
  return existsSync(path) ? path : null;
}

/** npm leaves the program of the `electron` package to be fetched when it is first needed; shows the progress of it. */
export function fetchElectron() {
  const { version } = JSON.parse(readFileSync(join(electronDir, 'package.json'), 'utf8'));
  say(`fetching Electron ${version} (about 120 MB, once) …`);
  const { status } = spawnSync(process.execPath, [join(electronDir, 'install.js')], { stdio: 'inherit' });
  const electron = status === 0 ? findElectron() : null;
  if (electron === null) {
    say(
      'Electron could not be fetched. With a copy of it elsewhere: ELECTRON_OVERRIDE_DIST_PATH=… npm start',
    );
  }
  return electron;
}

/** electron-builder's words for where updates are published, from the environment. */
export function publishWords(env = process.env) {
  const { HUBDRIVE_UPDATE_URL: url, HUBDRIVE_UPDATE_REPOSITORY: repository } = env;
  if (url) return ['-c.publish.provider=generic', `-c.publish.url=${url}`];
  if (!repository) return [];
  const [owner, repo] = repository.split('/');
  return ['-c.publish.provider=github', `-c.publish.owner=${owner}`, `-c.publish.repo=${repo}`];
}

/** The native parts of both processors, which npm would not install together; a universal macOS app needs them. */
export function universalParts() {
  const path = join(rootDir, 'node_modules', '@napi-rs', 'blake-hash', 'package.json');
  const manifest = JSON.parse(readFileSync(path, 'utf8'));
  return Object.entries(manifest.optionalDependencies)
    .filter(([part]) => /-darwin-(x64|arm64)$/.test(part))
    .map(([part, version]) => `${part}@${version}`);
}
