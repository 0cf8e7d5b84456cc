// The person's settings, kept in settings.json. Unknown or wrong single values fall back to their defaults, the rest is kept.

import { join } from 'node:path';
import { ArgumentError, record } from '../shared/arguments.ts';
import { settingParsers } from '../shared/contract.ts';
import type { SettingsChange } from '../shared/contract.ts';
import type { Log } from '../shared/log.ts';
import type { Settings } from '../shared/model.ts';
import { JsonFile, readJsonFile } from './files/json-file.ts';

export const defaultSettings: Settings = {
  mountFolder: null,
  cacheLimitBytes: 10 * 2 ** 30,
  pollIntervalMs: 30_000,
  uploadLimitBytesPerSecond: 0,
  downloadLimitBytesPerSecond: 0,
  drainTimeoutMs: 60_000,
  restoreMounts: true,
  logLevel: 'info',
  launchAtLogin: false,
  notifications: ['stale', 'failure', 'conflict'],
};

export class SettingsStore {
  readonly #file: JsonFile<Settings>;

  private constructor(file: JsonFile<Settings>) {
    this.#file = file;
  }

  static async load(dataDir: string, log: Log): Promise<SettingsStore> {
    const path = join(dataDir, 'settings.json');
    const settings = await readJsonFile(path, (value) => parseSettings(value, log), defaultSettings, log);
    return new SettingsStore(new JsonFile(path, settings));
  }

  get current(): Settings {
    return this.#file.value;
  }

  async change(change: SettingsChange): Promise<Settings> {
    const given = Object.fromEntries(Object.entries(change).filter(([, value]) => value !== undefined));
    await this.#file.set({ ...this.#file.value, ...given });
    return this.#file.value;
  }
}

function parseSettings(value: unknown, log: Log): Settings {
  const fields = record(value, 'settings');
  const settings: Record<string, unknown> = { ...defaultSettings };
  for (const [name, parse] of Object.entries(settingParsers)) {
    if (fields[name] === undefined) continue;
    try {
      settings[name] = parse(fields[name], name);
    } catch (error) {
      if (!(error instanceof ArgumentError)) throw error;
      log.warn(`A setting is ignored: ${error.message}`, { setting: name });
    }
  }
  // Every key comes from the defaults or from the parser of that key.
  return settings as unknown as Settings;
}
