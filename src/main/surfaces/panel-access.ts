// Who may use the panel: one-time tokens of the printed address, the session cookies they are exchanged for, and which Host and
// Origin headers are ours (a foreign name that resolves to loopback is refused: DNS rebinding). Pure of sockets; used by panel-server.ts.

import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';

const secretBytes = 32;
/** More browsers than this at once: the oldest has to be opened anew. */
const maxSessions = 32;
/** Addresses that were printed and not used; asking for more forgets the oldest. */
const maxOpenTokens = 8;

/** Headers may come several times or not at all. */
export type Header = string | readonly string[] | undefined;

export class PanelAccess {
  readonly #hosts: ReadonlySet<string>;
  readonly #cookieName: string;
  /** SHA-256 of the secrets, so that comparing tells nothing and a dump of them is worth nothing. Oldest first. */
  #tokens: readonly Buffer[] = [];
  #sessions: readonly Buffer[] = [];

  /** `port` is in the cookie's name because browsers share cookies between the ports of a host. */
  constructor(port: number) {
    this.#hosts = new Set([`127.0.0.1:${port}`, `localhost:${port}`, `[::1]:${port}`]);
    this.#cookieName = `hubdrive-${port}`;
  }

  /** A secret that `redeem` accepts once. */
  newToken(): string {
    const token = newSecret();
    this.#tokens = [...this.#tokens, digest(token)].slice(-maxOpenTokens);
    return token;
  }

  /** The `Set-Cookie` value of a new session, or null for a token that is wrong or used up. */
  redeem(token: string): string | null {
    const found = find(this.#tokens, token);
    if (found === null) return null;
    this.#tokens = this.#tokens.filter((known) => known !== found);
    const session = newSecret();
    this.#sessions = [...this.#sessions, digest(session)].slice(-maxSessions);
    return `${this.#cookieName}=${session}; Path=/; HttpOnly; SameSite=Strict`;
  }

  hasSession(cookieHeader: Header): boolean {
    if (typeof cookieHeader !== 'string') return false;
    for (const pair of cookieHeader.split(';')) {
      const [name, ...value] = pair.trim().split('=');
      if (name === this.#cookieName && find(this.#sessions, value.join('=')) !== null) return true;
    }
    return false;
  }

  /** Whether the browser asked for us by a name of this machine. */
  isOwnHost(host: Header): host is string {
    return typeof host === 'string' && this.#hosts.has(host.toLowerCase());
  }

  /** Whether a page that we served sent this: scripts of other pages carry their own origin, and cannot change it. */
  isOwnOrigin(origin: Header, host: Header): boolean {
    return this.isOwnHost(host) && origin === `http://${host.toLowerCase()}`;
  }
}

function newSecret(): string {
  return randomBytes(secretBytes).toString('base64url');
}

function digest(secret: string): Buffer {
  return createHash('sha256').update(secret).digest();
}

function find(known: readonly Buffer[], secret: string): Buffer | null {
  const wanted = digest(secret);
  return known.find((each) => timingSafeEqual(each, wanted)) ?? null;
}
