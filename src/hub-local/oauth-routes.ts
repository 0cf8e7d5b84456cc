// A simple OAuth for the demo: the device flow, the authorization-code redirect and discovery. Whoever can
// reach this server is taken for its owner, except that a device code must be approved on the page it names.

import { randomBytes } from 'node:crypto';
import type { Exchange } from './exchange.ts';
import type { HubContext } from './hub-context.ts';
import { badRequest, Refusal } from './refusal.ts';

const formLimitBytes = 64 * 1024;
const codeLifetimeMs = 900_000;
const tokenLifetimeSeconds = 28_800;
const pollSeconds = 1;
const maxPending = 100;
const deviceGrant = 'urn:ietf:params:oauth:grant-type:device_code';

interface Pending {
  readonly expiresAt: number;
  state: 'waiting' | 'approved' | 'denied';
}

export function addOauthRoutes(hub: HubContext): void {
  const flows = new OauthFlows(hub);
  const { router } = hub;
  router.add('oauth.discovery', 'GET', '/.well-known/openid-configuration', async (exchange) => {
    const { base } = exchange;
    await exchange.sendJson(200, {
      issuer: base,
      authorization_endpoint: `${base}/oauth/authorize`,
      token_endpoint: `${base}/oauth/token`,
      device_authorization_endpoint: `${base}/oauth/device`,
      userinfo_endpoint: `${base}/oauth/userinfo`,
      scopes_supported: ['openid', 'profile', 'email', 'read-repos', 'write-repos', 'manage-repos'],
      response_types_supported: ['code'],
      grant_types_supported: ['authorization_code', 'refresh_token', deviceGrant],
      code_challenge_methods_supported: ['S256'],
    });
  });
  router.add('oauth.device', 'POST', '/oauth/device', (exchange) => flows.startDevice(exchange));
  router.add('oauth.token', 'POST', '/oauth/token', (exchange) => flows.giveToken(exchange));
  router.add('oauth.authorize', 'GET', '/oauth/authorize', (exchange) => flows.authorize(exchange));
  router.add('oauth.approve', 'GET', '/device', (exchange) => flows.showApproval(exchange));
  router.add('oauth.approve', 'POST', '/device', (exchange) => flows.approve(exchange));
  router.add('oauth.userinfo', 'GET', '/oauth/userinfo', async (exchange) => {
    const { name } = hub.accounts.requireLogin(exchange);
    await exchange.sendJson(200, {
      sub: name,
      name,
      preferred_username: name,
      picture: '',
      profile: exchange.base,
    });
  });
}

class OauthFlows {
  readonly #hub: HubContext;
  /** By device code, user code or authorization code. */
  readonly #pending = new Map<string, Pending>();

  constructor(hub: HubContext) {
    this.#hub = hub;
  }

  async startDevice(exchange: Exchange): Promise<void> {
    requireClient(await readForm(exchange));
    const deviceCode = randomBytes(24).toString('base64url');
    const userCode = randomBytes(4)
      .toString('hex')
      .toUpperCase()
      .replace(/^(.{4})/, '$1-');
    const pending = this.#add(deviceCode);
    this.#pending.set(userCode, pending);
    await exchange.sendJson(200, {
      device_code: deviceCode,
      user_code: userCode,
      verification_uri: `${exchange.base}/device`,
      verification_uri_complete: `${exchange.base}/device?user_code=${userCode}`,
      expires_in: codeLifetimeMs / 1000,
      interval: pollSeconds,
    });
  }

  async giveToken(exchange: Exchange): Promise<void> {
    const form = await readForm(exchange);
    requireClient(form);
    const grant = form.get('grant_type');
    if (grant === 'refresh_token') {
      if (form.get('refresh_token') !== this.#refreshToken()) throw oauthError('invalid_grant');
    } else if (grant === deviceGrant || grant === 'authorization_code') {
      this.#redeem(form.get(grant === deviceGrant ? 'device_code' : 'code') ?? '', grant);
    } else {
      throw oauthError('unsupported_grant_type');
    }
    await exchange.sendJson(200, {
      access_token: this.#hub.accounts.token,
      refresh_token: this.#refreshToken(),
      token_type: 'bearer',
      expires_in: tokenLifetimeSeconds,
      scope: form.get('scope') ?? 'openid profile read-repos write-repos manage-repos',
    });
  }

  #redeem(code: string, grant: string): void {
    const pending = this.#pending.get(code);
    const unknown = grant === deviceGrant ? 'expired_token' : 'invalid_grant';
    if (pending === undefined || pending.expiresAt <= this.#hub.clock.now()) throw oauthError(unknown);
    if (pending.state === 'waiting') throw oauthError('authorization_pending');
    this.#pending.delete(code);
    if (pending.state === 'denied') throw oauthError('access_denied');
  }

  /** Sends the browser straight back with a code. */
  async authorize(exchange: Exchange): Promise<void> {
    const redirect = exchange.query.get('redirect_uri') ?? '';
    if (!/^http:\/\/(?:localhost|127\.0\.0\.1|\[::1\])(?::\d+)?(?:\/|$)/.test(redirect)) {
      throw badRequest('redirect_uri must be on this machine');
    }
    const code = randomBytes(24).toString('base64url');
    this.#add(code).state = 'approved';
    const target = new URL(redirect);
    target.searchParams.set('code', code);
    const state = exchange.query.get('state');
    if (state !== null) target.searchParams.set('state', state);
    await exchange.sendEmpty(302, { Location: target.href });
  }

  async showApproval(exchange: Exchange): Promise<void> {
    const code = (exchange.query.get('user_code') ?? '').replace(/[^0-9A-F-]/g, '');
    const page =
      '<!doctype html><meta charset="utf-8"><title>Embedded Hub</title><h1>Sign in to the embedded Hub</h1>' +
      '<form method="post"><label>Code <input name="user_code" value="' +
      `${code}"></label> <button name="answer" value="allow">Allow</button> ` +
      '<button name="answer" value="deny">Deny</button></form>';
    await exchange.sendBytes(200, Buffer.from(page), { 'Content-Type': 'text/html; charset=utf-8' });
  }

  async approve(exchange: Exchange): Promise<void> {
    const form = await readForm(exchange);
    const pending = this.#pending.get((form.get('user_code') ?? '').trim().toUpperCase());
    if (pending === undefined) throw new Refusal(404, 'This code is not known or has expired');
    pending.state = form.get('answer') === 'deny' ? 'denied' : 'approved';
    const text = pending.state === 'approved' ? 'Signed in. You can close this page.' : 'Denied.';
    await exchange.sendBytes(200, Buffer.from(text), { 'Content-Type': 'text/plain; charset=utf-8' });
  }

  #add(code: string): Pending {
    const now = this.#hub.clock.now();
    for (const [key, pending] of this.#pending) if (pending.expiresAt <= now) this.#pending.delete(key);
    if (this.#pending.size >= maxPending) throw new Refusal(429, 'Too many sign-ins are waiting');
    const pending: Pending = { expiresAt: now + codeLifetimeMs, state: 'waiting' };
    this.#pending.set(code, pending);
    return pending;
  }

  #refreshToken(): string {
    return `refresh_${this.#hub.signer.sign(`refresh ${this.#hub.accounts.token}`)}`;
  }
}

async function readForm(exchange: Exchange): Promise<URLSearchParams> {
  return new URLSearchParams((await exchange.readBody(formLimitBytes)).toString('utf8'));
}

function requireClient(form: URLSearchParams): void {
  if ((form.get('client_id') ?? '') === '') throw oauthError('invalid_client');
}

function oauthError(error: string): Refusal {
  return new Refusal(400, error, { body: { error_description: error.replaceAll('_', ' ') } });
}
