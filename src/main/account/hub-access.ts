// The Hub as the account and the picker see it: one small HTTP client per Hub, with the token asked for at each request.

import { DeviceLogin } from '../../hub/device-login.ts';
import { HubDirectory } from '../../hub/directory-client.ts';
import { HttpClient } from '../../hub/http.ts';
import type { CurrentHub } from './account.ts';
import type { TokenSource } from './token-source.ts';

export interface HubAccess extends CurrentHub {
  /** Null without a client id. */
  readonly deviceLogin: DeviceLogin | null;
  close(): void;
}

/** A person waits for these answers and can ask again. */
const attempts = 2;

export function openHubAccess(
  endpoint: string,
  tokens: TokenSource,
  demo: boolean,
  userAgent: string,
  clientId: string | null = null,
): HubAccess {
  const http = new HttpClient({ userAgent, retry: { attempts } });
  const directory = new HubDirectory(http, endpoint, {
    token: async () => (await tokens())?.token ?? null,
    refused: () => Promise.resolve(false),
  });
  const deviceLogin = clientId === null ? null : new DeviceLogin(http, endpoint, clientId);
  return { endpoint, demo, tokens, directory, deviceLogin, close: () => http.close() };
}
