// Whose token the host uses, and on which Hub: a pasted token before the login of other tools, nothing after signing out, the embedded Hub
// while the demo is chosen. Remembers the choice; asks the Hub who it is at most once a minute.

import { join } from 'node:path';
import type { HubAccount, HubDirectory } from '../../hub/directory-client.ts';
import { flag, object, withDefault } from '../../shared/arguments.ts';
import type { SignInArgument } from '../../shared/contract.ts';
import type { Clock, Log } from '../../shared/log.ts';
import type { AccountView, Problem } from '../../shared/model.ts';
import { JsonFile, readJsonFile } from '../files/json-file.ts';
import { HostError, problemOf } from '../problem.ts';
import type { TokenKeeper } from './token-keeper.ts';
import type { FoundHostToken, TokenSource } from './token-source.ts';

interface Choice {
  /** The embedded Hub is used. */
  readonly demo: boolean;
  /** The login of other tools is left alone: the person signed out. */
  readonly signedOut: boolean;
}

const parseChoice = object({ demo: withDefault(flag, false), signedOut: withDefault(flag, false) });
const askAgainMs = 60_000;

export interface AccountOptions {
  readonly dataDir: string;
  readonly keeper: TokenKeeper;
  /** The login of other tools. */
  readonly environment: TokenSource;
  readonly clock: Clock;
  readonly log: Log;
}

/** The Hub in use by the running host. */
export interface CurrentHub {
  readonly endpoint: string;
  readonly demo: boolean;
  readonly tokens: TokenSource;
  readonly directory: HubDirectory;
}

export class Account {
  readonly #options: AccountOptions;
  readonly #choice: JsonFile<Choice>;
  #asked: { token: string; at: number; user: HubAccount } | null = null;

  private constructor(options: AccountOptions, choice: JsonFile<Choice>) {
    this.#options = options;
    this.#choice = choice;
  }

  static async open(options: AccountOptions): Promise<Account> {
    const path = join(options.dataDir, 'account.json');
    const none: Choice = { demo: false, signedOut: false };
    const choice = await readJsonFile(path, (value) => parseChoice(value, 'account.json'), none, options.log);
    return new Account(options, new JsonFile(path, choice));
  }

  get wantsDemo(): boolean {
    return this.#choice.value.demo;
  }

  /** For the Hub that is not the embedded one. */
  readonly tokens: TokenSource = async (): Promise<FoundHostToken | null> => {
    const kept = await this.#options.keeper.load();
    if (kept !== null) return { token: kept, origin: 'keychain' };
    return this.#choice.value.signedOut ? null : await this.#options.environment();
  };

  async view(hub: CurrentHub): Promise<AccountView> {
    const found = await hub.tokens();
    const { user, problem } = await this.#ask(hub, found);
    const existing = found?.origin === 'HF_TOKEN' || found?.origin === 'login-file';
    const offered = existing ? null : await this.#options.environment();
    return {
      endpoint: hub.endpoint,
      demo: hub.demo,
      token: found?.origin ?? 'none',
      user,
      problem,
      existingLogin:
        offered?.origin === 'HF_TOKEN' || offered?.origin === 'login-file' ? offered.origin : null,
      keeps: this.#options.keeper.kind,
    };
  }

  /** `directory` of the real Hub: a token is asked about before anything is changed. */
  async signIn({ way, token }: SignInArgument, directory: HubDirectory): Promise<void> {
    if (way === 'demo') {
      await this.#choice.set({ ...this.#choice.value, demo: true });
      return;
    }
    const offered = way === 'token' ? token : ((await this.#options.environment())?.token ?? null);
    if (offered === null) {
      const message = way === 'token' ? 'No token was given' : 'No login of other tools was found';
      throw new HostError('invalid', message);
    }
    const user = await directory.whoami(offered);
    this.#asked = { token: offered, at: this.#options.clock.monotonic(), user };
    if (way === 'token') await this.#options.keeper.save(offered);
    else await this.#options.keeper.save(null);
    await this.#choice.set({ demo: false, signedOut: false });
  }

  /** Leaves the demo, or else forgets the token. */
  async signOut(isDemo: boolean): Promise<void> {
    if (isDemo) {
      await this.#choice.set({ ...this.#choice.value, demo: false });
      return;
    }
    await this.#options.keeper.save(null);
    await this.#choice.set({ demo: false, signedOut: true });
    this.#asked = null;
  }

  /** The user's own name and those of their organisations. */
  async namespaces(hub: CurrentHub): Promise<readonly string[]> {
    const found = await hub.tokens();
    if (found === null) {
      throw new HostError('unauthorized', 'Sign in to see what is yours, or look at all of the Hub');
    }
    const user = await this.#whoami(hub.directory, found.token);
    return [user.name, ...user.organisations.map(({ name }) => name)];
  }

  async #ask(
    hub: CurrentHub,
    found: FoundHostToken | null,
  ): Promise<{ user: HubAccount | null; problem: Problem | null }> {
    if (found === null) return { user: null, problem: null };
    try {
      return { user: await this.#whoami(hub.directory, found.token), problem: null };
    } catch (error) {
      return { user: null, problem: problemOf(error) };
    }
  }

  async #whoami(directory: HubDirectory, token: string): Promise<HubAccount> {
    const now = this.#options.clock.monotonic();
    const known = this.#asked;
    if (known !== null && known.token === token && now - known.at < askAgainMs) return known.user;
    const user = await directory.whoami(token);
    this.#asked = { token, at: now, user };
    return user;
  }
}
