// Where a token that a person pasted is kept. The desktop app puts the system's keychain in this place; a host without one keeps a file
// that only this user can read, as the Hugging Face tools do.

import { readFile, rm } from 'node:fs/promises';
import { replaceFile } from '../files/atomic-file.ts';
import { errnoOf } from '../problem.ts';

export interface TokenKeeper {
  readonly kind: 'keychain' | 'file' | 'memory';
  load(): Promise<string | null>;
  /** Null forgets it. */
  save(token: string | null): Promise<void>;
}

export function fileTokenKeeper(path: string): TokenKeeper {
  return {
    kind: 'file',
    async load() {
      try {
        const token = (await readFile(path, 'utf8')).trim();
        return token === '' ? null : token;
      } catch (error) {
        if (errnoOf(error) === 'ENOENT') return null;
        throw error;
      }
    },
    async save(token) {
      if (token === null) await rm(path, { force: true });
      else await replaceFile(path, `${token}\n`, 0o600);
    },
  };
}
