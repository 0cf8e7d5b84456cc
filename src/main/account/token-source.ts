// Where the Hub token comes from, read only: the demo Hub's own, else HF_TOKEN, else the login file of the Hugging Face tools. The
// keychain of the desktop app is one more `find` in front. The value is asked for anew each time and kept nowhere.

import { findToken } from '../../hub/token.ts';
import type { HostState } from '../../shared/model.ts';

export interface FoundHostToken {
  readonly token: string;
  readonly origin: Exclude<HostState['token'], 'none'>;
}

export type TokenSource = () => Promise<FoundHostToken | null>;

export function environmentTokens(env: NodeJS.ProcessEnv): TokenSource {
  return () => findToken(env);
}

/** The embedded Hub never sees the person's real token. */
export function demoToken(token: string): TokenSource {
  return () => Promise.resolve({ token, origin: 'demo' });
}
