// electron-builder as the packaging tests use it: its reading and checking of the configuration, and packing a folder around a stand-in for
// the Electron program, so that nothing is downloaded.

import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build, Platform } from 'electron-builder';
import type { Configuration } from 'electron-builder';

export const rootDir = fileURLToPath(new URL('../..', import.meta.url));
const require = createRequire(import.meta.url);

interface ConfigModule {
  getConfig(
    projectDir: string,
    configPath: string | null,
    fromOptions: object | null,
  ): Promise<Configuration>;
  validateConfiguration(config: Configuration, debugLogger: object): Promise<void>;
}

function configModule(): ConfigModule {
  return require('app-builder-lib/out/util/config/config') as ConfigModule;
}

export function readConfiguration(): Promise<Configuration> {
  return configModule().getConfig(rootDir, 'electron-builder.yml', null);
}

export async function validateConfiguration(config: Configuration): Promise<void> {
  const { DebugLogger } = require('builder-util') as { DebugLogger: new (enabled: boolean) => object };
  await configModule().validateConfiguration(config, new DebugLogger(false));
}

/** Marks the place of the fuses in Electron's program; the reader finds it by this text (@electron/fuses, README “fuse wire”). */
const fuseSentinel = 'dL7pKGdnNz796PbbjQWNKmHXBZaB9tsX';
const fuseCount = 9;

/** Packs the app for Linux into `dir`; returns the packed folder. */
export async function packFolder(dir: string): Promise<string> {
  const electronDist = join(dir, 'electron');
  await mkdir(join(electronDist, 'resources'), { recursive: true });
  const fuses = Buffer.concat([Buffer.from([1, fuseCount]), Buffer.alloc(fuseCount, '0')]);
  await writeFile(join(electronDist, 'electron'), Buffer.concat([Buffer.from(`ELF ${fuseSentinel}`), fuses]));
  await chmod(join(electronDist, 'electron'), 0o755);
  for (const name of [
    'version',
    'LICENSE',
    'LICENSES.chromium.html',
    'chrome-sandbox',
    'chrome_crashpad_handler',
  ]) {
    await writeFile(join(electronDist, name), 'stand-in');
  }
  await build({
    projectDir: rootDir,
    targets: Platform.LINUX.createTarget('dir'),
    publish: 'never',
    config: { extends: 'electron-builder.yml', electronDist, directories: { output: join(dir, 'release') } },
  });
  return join(dir, 'release', 'linux-unpacked');
}
