// Access tokens of the CAS for one source: fetched once for all who wait, kept until shortly before they expire, dropped
// when the CAS refuses them. Used by the CAS client as its authorization.

import type { Authorization } from './http.ts';
import type { HubClient, SourceAddress, XetToken } from './hub-client.ts';
import type { HubClock } from './surroundings.ts';

/** xet-core renews 30 s, the JavaScript client 60 s before the end. */
const renewBeforeMs = 60_000;
/** A token that lives shorter than the margin is still used for this part of its life. */
const shortLifePart = 0.5;

interface Cached {
  readonly token: XetToken;
  readonly useUntilMs: number;
}

export class XetTokens {
  readonly #hub: HubClient;
  readonly #address: SourceAddress;
  readonly #access: 'read' | 'write';
  readonly #clock: HubClock;
  #cached: Cached | null = null;
  #fetching: Promise<XetToken> | null = null;

  constructor(hub: HubClient, address: SourceAddress, access: 'read' | 'write', clock: HubClock) {
    this.#hub = hub;
    this.#address = address;
    this.#access = access;
    this.#clock = clock;
  }

  /** Concurrent callers share one request; its failure is not remembered. */
  async get(): Promise<XetToken> {
    if (this.#cached !== null && this.#clock.now() < this.#cached.useUntilMs) return this.#cached.token;
    this.#fetching ??= this.#fetch().finally(() => (this.#fetching = null));
    return await this.#fetching;
  }

  /** Has a token at hand for the first who asks, who would wait a round trip for it. Its failure is told to those who need it. */
  warm(): void {
    void this.get().catch(() => undefined);
  }

  /** The CAS refused `accessToken`; a later one stays. */
  drop(accessToken: string | null): void {
    if (this.#cached?.token.accessToken === accessToken) this.#cached = null;
  }

  authorization(): Authorization {
    return {
      token: async () => (await this.get()).accessToken,
      refused: async (token) => {
        this.drop(token);
        return Promise.resolve(true);
      },
    };
  }

  async #fetch(): Promise<XetToken> {
    const token = await this.#hub.xetToken(this.#address, this.#access);
    const lifeMs = token.expiresAtMs - this.#clock.now();
    const useForMs = Math.max(lifeMs - renewBeforeMs, lifeMs * shortLifePart);
    this.#cached = { token, useUntilMs: this.#clock.now() + useForMs };
    return token;
  }
}
