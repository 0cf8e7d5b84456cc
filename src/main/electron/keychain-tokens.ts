// Keeps a pasted token encrypted with a key of the system's keychain. Where the system has none that deserves the name, the token is kept
// in memory for this run only, never in a file that others could read.

import { readFile, rm } from 'node:fs/promises';
import { safeStorage } from 'electron';
import type { Log } from '../../shared/log.ts';
import { replaceFile } from '../files/atomic-file.ts';
import { errnoOf } from '../problem.ts';
import type { TokenKeeper } from '../account/token-keeper.ts';

/** Once Electron is ready. */
export function openKeychain(path: string, platform: NodeJS.Platform, log: Log): TokenKeeper {
  if (isSafe(platform)) return keychainTokenKeeper(path, log);
  log.warn('This system offers no keychain: a pasted token is kept until Hubdrive quits');
  return memoryTokenKeeper();
}

/** On Linux without a keyring Electron “encrypts” with a key that everybody knows. */
function isSafe(platform: NodeJS.Platform): boolean {
  if (!safeStorage.isEncryptionAvailable()) return false;
  return platform !== 'linux' || safeStorage.getSelectedStorageBackend() !== 'basic_text';
}

function keychainTokenKeeper(path: string, log: Log): TokenKeeper {
  return {
    kind: 'keychain',
    async load() {
      try {
        return safeStorage.decryptString(await readFile(path));
      } catch (error) {
        if (errnoOf(error) !== 'ENOENT') {
          log.warn('The kept token cannot be read; sign in again', { cause: String(error) });
        }
        return null;
      }
    },
    async save(token) {
      if (token === null) await rm(path, { force: true });
      else await replaceFile(path, safeStorage.encryptString(token), 0o600);
    },
  };
}

function memoryTokenKeeper(): TokenKeeper {
  let kept: string | null = null;
  return {
    kind: 'memory',
    load: () => Promise.resolve(kept),
    save: (token) => {
      kept = token;
      return Promise.resolve();
    },
  };
}
