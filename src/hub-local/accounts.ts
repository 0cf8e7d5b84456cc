// Users, organisations and tokens of the embedded Hub, and who may read or write what. Kept in the index, so tokens
// stay valid over restarts.

import { createHash, randomBytes } from 'node:crypto';
import type { HubDatabase, Statement } from './database.ts';
import type { Exchange } from './exchange.ts';
import { Refusal } from './refusal.ts';

/** The logged-in user of a request, or null for an anonymous one. */
export type Caller = { readonly name: string; readonly token: string } | null;

/** Anything with an owner and a visibility: a bucket or a repo. */
export interface Owned {
  readonly namespace: string;
  readonly name: string;
  readonly private: boolean;
}

/** Owner and resource names as the Hub allows them; bounded so that they can be path segments and SQL keys. */
const namePattern = /^[A-Za-z0-9](?:[A-Za-z0-9._-]{0,94}[A-Za-z0-9_-])?$/;

export class Accounts {
  readonly #db: HubDatabase;
  readonly #userByToken: Statement;
  readonly #member: Statement;
  /** The user that owns the demo, and their token; both are what the Hub is started with. */
  readonly user: string;
  readonly token: string;

  /** `token`: to be used instead of the remembered or a new one; must begin with `hf_` for JavaScript clients. */
  constructor(db: HubDatabase, user: string, token: string | null) {
    this.#db = db;
    this.#userByToken = db.prepare("SELECT name FROM users WHERE token = ? AND kind = 'user'");
    this.#member = db.prepare('SELECT 1 AS one FROM members WHERE org = ? AND user = ?');
    this.user = user;
    this.token = this.addUser(user, token);
    db.setMeta('owner', user);
  }

  /** Creates the user if needed; returns their token. */
  addUser(name: string, token: string | null = null): string {
    requireName(name, 'user name');
    const row = this.#db.prepare("SELECT token FROM users WHERE name = ? AND kind = 'user'").get(name);
    const kept =
      token ??
      row?.textOrNull('token') ??
      `hf_${randomBytes(24).toString('base64url').replace(/[-_]/g, 'x')}`;
    this.#db
      .prepare("INSERT OR REPLACE INTO users VALUES (?, 'user', ?, ?)")
      .run(name, kept, objectId(`user ${name}`));
    return kept;
  }

  /** Creates the organisation if needed and adds members to it. */
  addOrganisation(name: string, members: readonly string[]): void {
    requireName(name, 'organisation name');
    this.#db
      .prepare("INSERT OR IGNORE INTO users VALUES (?, 'org', NULL, ?)")
      .run(name, objectId(`org ${name}`));
    for (const member of members)
      this.#db.prepare('INSERT OR IGNORE INTO members VALUES (?, ?)').run(name, member);
  }

  organisationsOf(user: string): string[] {
    return this.#db
      .prepare('SELECT org FROM members WHERE user = ? ORDER BY org')
      .all(user)
      .map((row) => row.text('org'));
  }

  /** Whether a user or organisation of this name exists. */
  exists(name: string): boolean {
    return this.#db.prepare('SELECT 1 AS one FROM users WHERE name = ?').get(name) !== null;
  }

  /** Null without a token; throws 401 for a wrong one. */
  callerOf(exchange: Exchange): Caller {
    const header = exchange.header('authorization');
    if (header === null) return null;
    const token = /^Bearer (.+)$/i.exec(header)?.[1]?.trim() ?? '';
    const row = this.#userByToken.get(token);
    if (row === null) {
      throw new Refusal(401, 'Invalid credentials in Authorization header');
    }
    return { name: row.text('name'), token };
  }

  /** Throws 401 for an anonymous caller. */
  requireLogin(exchange: Exchange): NonNullable<Caller> {
    const caller = this.callerOf(exchange);
    if (caller === null) throw new Refusal(401, 'Invalid username or password.');
    return caller;
  }

  isMember(caller: Caller, namespace: string): boolean {
    if (caller === null) return false;
    return caller.name === namespace || this.#member.get(namespace, caller.name) !== null;
  }

  /**
   * Hands `owned` back if the caller may read it. Otherwise as the Hub does it: 401 for an anonymous caller whether it
   * exists or not, 404 for anybody else.
   */
  requireReadable<T extends Owned>(caller: Caller, owned: T | null, what: string): T {
    if (owned !== null && (!owned.private || this.isMember(caller, owned.namespace))) return owned;
    if (caller === null) throw new Refusal(401, 'Invalid username or password.', { code: 'RepoNotFound' });
    throw new Refusal(404, `Repository not found: ${what}`, { code: 'RepoNotFound' });
  }

  requireWritable<T extends Owned>(caller: Caller, owned: T | null, what: string): T {
    const readable = this.requireReadable(caller, owned, what);
    this.requireNamespace(caller, readable.namespace);
    return readable;
  }

  /** Throws 401 or 403 unless the caller may create and write in the namespace. */
  requireNamespace(caller: Caller, namespace: string): void {
    if (caller === null) throw new Refusal(401, 'Invalid username or password.');
    if (!this.isMember(caller, namespace)) {
      throw new Refusal(403, `You do not have the rights to write to "${namespace}"`);
    }
  }
}

export function requireName(name: string, what: string): void {
  if (!namePattern.test(name) || name.includes('..') || name.includes('--')) {
    throw new Refusal(400, `Invalid ${what} ${JSON.stringify(name.slice(0, 100))}`);
  }
}

/** 24 hex digits that look like the Hub's ids and are the same on every start. */
export function objectId(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 24);
}
