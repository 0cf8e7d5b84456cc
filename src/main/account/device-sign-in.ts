// The one sign-in by code that may be under way: begins it, and waits for the token when asked. Used by the panel's channels.

import type { DeviceCode, DeviceLogin } from '../../hub/device-login.ts';
import type { Clock } from '../../shared/log.ts';
import type { DeviceCodeView } from '../../shared/model.ts';
import { HostError } from '../problem.ts';

export class DeviceSignIn {
  readonly #login: DeviceLogin;
  readonly #clock: Clock;
  #pending: { readonly code: DeviceCode; readonly replaced: AbortController } | null = null;

  constructor(login: DeviceLogin, clock: Clock) {
    this.#login = login;
    this.#clock = clock;
  }

  /** A code that was asked for before counts no longer. */
  async start(): Promise<DeviceCodeView> {
    const code = await this.#login.start();
    this.#pending?.replaced.abort();
    this.#pending = { code, replaced: new AbortController() };
    const { userCode, address, lifetimeMs } = code;
    return { userCode, address, expiresAt: this.#clock.now() + lifetimeMs };
  }

  /** Resolves with the token. */
  async waitFor(userCode: string, gone: AbortSignal): Promise<string> {
    const pending = this.#pending;
    if (pending?.code.userCode !== userCode) {
      throw new HostError('cancelled', 'Another code was asked for meanwhile');
    }
    const signal = AbortSignal.any([gone, pending.replaced.signal]);
    try {
      return await this.#login.waitForToken(pending.code, signal);
    } catch (error) {
      if (signal.aborted) throw new HostError('cancelled', 'Signing in was given up');
      throw error;
    } finally {
      if (this.#pending === pending) this.#pending = null;
    }
  }
}
