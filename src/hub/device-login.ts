// Signing in by a code that the person types on a page of the Hub: OAuth 2.0 device authorization grant (RFC 8628) with a public client.
// Used by the host's sign-in. Keeps nothing: the token goes to the caller.

import type { HttpClient } from './http.ts';
import { AnswerReader } from './json-answer.ts';
import { HubError } from './remote-store.ts';
import { sleep } from './surroundings.ts';

export interface DeviceCode {
  /** Secret: whoever has it gets the token. */
  readonly deviceCode: string;
  readonly userCode: string;
  /** Where the person goes, with the code in it where the Hub offers that. */
  readonly address: string;
  readonly lifetimeMs: number;
  readonly intervalMs: number;
}

const scope = 'openid profile read-repos write-repos manage-repos gated-repos';
const grantType = 'urn:ietf:params:oauth:grant-type:device_code';
const maxAnswerBytes = 64 * 1024;
/** RFC 8628 section 3.2: the default where the answer has none. */
const defaultIntervalMs = 5000;
const longestIntervalMs = 60_000;
const longestLifetimeMs = 3600_000;
/** RFC 8628 section 3.5, `slow_down`. */
const slowDownMs = 5000;

export class DeviceLogin {
  readonly #http: HttpClient;
  readonly #endpoint: string;
  readonly #clientId: string;

  constructor(http: HttpClient, endpoint: string, clientId: string) {
    this.#http = http;
    this.#endpoint = endpoint;
    this.#clientId = clientId;
  }

  async start(): Promise<DeviceCode> {
    const what = 'Asking the Hub for a sign-in code';
    const { value } = await this.#post('/oauth/device', { scope }, what, []);
    const reader = new AnswerReader(what);
    const answer = reader.object(value, 'the answer');
    const address =
      reader.optionalString(answer, 'verification_uri_complete') ?? reader.string(answer, 'verification_uri');
    if (!URL.canParse(address) || !/^https?:$/.test(new URL(address).protocol)) {
      throw reader.fail('the page to sign in at is no web address');
    }
    const intervalSeconds = reader.optionalCount(answer, 'interval');
    return {
      deviceCode: reader.string(answer, 'device_code'),
      userCode: reader.string(answer, 'user_code'),
      address,
      lifetimeMs: Math.min(longestLifetimeMs, reader.count(answer, 'expires_in') * 1000),
      intervalMs:
        intervalSeconds === null ? defaultIntervalMs : Math.min(longestIntervalMs, intervalSeconds * 1000),
    };
  }

  /** Resolves with the token once the person has agreed. Rejects when they refuse, when the code expires or with `aborted`. */
  async waitForToken(code: DeviceCode, signal: AbortSignal): Promise<string> {
    const { clock } = this.#http;
    const what = 'Signing in';
    const until = clock.monotonic() + code.lifetimeMs;
    let { intervalMs } = code;
    while (clock.monotonic() < until) {
      await sleep(clock, intervalMs, signal);
      const form = { grant_type: grantType, device_code: code.deviceCode };
      const answer = await this.#ask(form, what, signal);
      if (answer === null) continue;
      if ('token' in answer) return answer.token;
      if (answer.error === 'slow_down') intervalMs += slowDownMs;
      else if (answer.error !== 'authorization_pending') throw refusalOf(answer.error, answer.status);
    }
    throw refusalOf('expired_token', null);
  }

  /** Null: the Hub could not be asked this time. */
  async #ask(
    form: Readonly<Record<string, string>>,
    what: string,
    signal: AbortSignal,
  ): Promise<{ readonly token: string } | { readonly error: string; readonly status: number } | null> {
    try {
      const { value, status } = await this.#post('/oauth/token', form, what, [400, 401, 403], signal);
      const reader = new AnswerReader(what);
      const answer = reader.object(value, 'the answer');
      if (status < 300) return { token: reader.string(answer, 'access_token') };
      return { error: reader.string(answer, 'error'), status };
    } catch (error) {
      if (error instanceof HubError && error.retryable && error.code !== 'aborted') return null;
      throw error;
    }
  }

  async #post(
    path: string,
    fields: Readonly<Record<string, string>>,
    what: string,
    accept: readonly number[],
    signal?: AbortSignal,
  ): Promise<{ readonly value: unknown; readonly status: number }> {
    const form = new URLSearchParams({ client_id: this.#clientId, ...fields });
    const request = {
      method: 'POST',
      url: `${this.#endpoint}${path}`,
      what,
      headers: { 'Content-Type': 'application/x-www-form-urlencoded', Accept: 'application/json' },
      body: [Buffer.from(form.toString())],
      accept,
      signal,
    } as const;
    const { value, answer } = await this.#http.json(request, maxAnswerBytes);
    return { value, status: answer.status };
  }
}

function refusalOf(error: string, status: number | null): HubError {
  const reasons: Readonly<Record<string, string>> = {
    access_denied: 'Signing in was refused on the Hub’s page',
    expired_token: 'The code was not entered in time; sign in again for a new one',
    invalid_client: 'The Hub does not know this app’s client id',
  };
  const message = Object.hasOwn(reasons, error) ? reasons[error] : undefined;
  return new HubError('unauthorized', message ?? 'The Hub refused to sign in', { retryable: false, status });
}
