// Finds the Hugging Face token that other tools of this person use, read only: the environment, else the login file.
// The desktop's keychain comes before this, elsewhere. Order as huggingface_hub has it.

import { readFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { HubError } from './remote-store.ts';

export interface FoundToken {
  readonly token: string;
  readonly origin: 'HF_TOKEN' | 'login-file';
}

/** Where the login file is: `HF_TOKEN_PATH`, else `token` in `HF_HOME`, else in the cache folder. */
export function tokenFilePath(env: NodeJS.ProcessEnv): string {
  if (env['HF_TOKEN_PATH']) return env['HF_TOKEN_PATH'];
  const cacheHome = env['XDG_CACHE_HOME'] || path.join(env['HOME'] || os.homedir(), '.cache');
  return path.join(env['HF_HOME'] || path.join(cacheHome, 'huggingface'), 'token');
}

function clean(text: string | undefined): string | null {
  const token = (text ?? '').replace(/[\r\n]/g, '').trim();
  return token === '' ? null : token;
}

/** Null when there is none. Rejects with `HubError` "invalid" only if a login file is there and cannot be read. */
export async function findToken(env: NodeJS.ProcessEnv): Promise<FoundToken | null> {
  const fromEnvironment = clean(env['HF_TOKEN']) ?? clean(env['HUGGING_FACE_HUB_TOKEN']);
  if (fromEnvironment !== null) return { token: fromEnvironment, origin: 'HF_TOKEN' };
  const file = tokenFilePath(env);
  try {
    const token = clean(await readFile(file, 'utf8'));
    return token === null ? null : { token, origin: 'login-file' };
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code;
    if (code === 'ENOENT' || code === 'ENOTDIR') return null;
    throw new HubError(
      'invalid',
      `The login file ${file} cannot be read (${code}). Fix its permissions or set HF_TOKEN.`,
      {
        retryable: false,
        cause,
      },
    );
  }
}
