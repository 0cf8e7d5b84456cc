// Starts the embedded Hub: a Hugging Face Hub with Xet storage over HTTP on loopback, its data in one directory. Demo
// default, test and benchmark partner; clients that nobody here wrote work against it unchanged.

import { randomBytes } from 'node:crypto';
import { Accounts, type Caller } from './accounts.ts';
import { addAccountRoutes } from './account-routes.ts';
import type { CopySource } from './bucket-batch.ts';
import { BucketEvents } from './bucket-events.ts';
import { addBucketEventRoutes } from './bucket-events-route.ts';
import { addBucketRoutes } from './bucket-routes.ts';
import { BucketStore } from './bucket-store.ts';
import { addCasRoutes } from './cas-routes.ts';
import { addChunkHashRoutes } from './chunk-hashes-route.ts';
import { CasStore } from './cas-store.ts';
import { HubDatabase } from './database.ts';
import { FaultSwitches, defaultSettings, type HubSettings } from './faults.ts';
import { addFaultRoutes } from './fault-routes.ts';
import { realClock, type HubClock } from './hub-clock.ts';
import { HubContent } from './hub-content.ts';
import type { HubContext } from './hub-context.ts';
import { startHttpServer, type Handler } from './http-server.ts';
import { addOauthRoutes } from './oauth-routes.ts';
import { Renames } from './renames.ts';
import { addRepoAdminRoutes } from './repo-admin-routes.ts';
import { addRepoRoutes } from './repo-routes.ts';
import { RepoStore, repoTypes } from './repo-store.ts';
import { addRepoWriteRoutes } from './repo-write-routes.ts';
import { Router } from './router.ts';
import { seedDemo } from './seed-demo.ts';
import { Signer } from './signing.ts';

export interface LocalHubOptions {
  /** Created if absent; everything the Hub keeps is in it. One Hub per directory at a time. */
  readonly dataDir: string;
  /** 0 or absent: any free port. */
  readonly port?: number;
  /** 127.0.0.1 by default. */
  readonly host?: string;
  /** `demo` fills an empty Hub with the demo content. */
  readonly seed?: 'demo' | 'none';
  /** The user that owns what is seeded; `demo` by default. */
  readonly user?: string;
  /** To be used instead of the remembered token; must begin with `hf_`. */
  readonly token?: string;
  /** Flushes every uploaded xorb to the disk before it is acknowledged. Off: safe against kills, not power cuts. */
  readonly durable?: boolean;
  readonly settings?: Partial<HubSettings>;
  readonly clock?: HubClock;
  /** Told about internal errors; the client got a 500 with this request id. */
  readonly onError?: (error: unknown, requestId: string) => void;
}

export interface LocalHub {
  /** `http://127.0.0.1:port`, to be given as `HF_ENDPOINT`. */
  readonly endpoint: string;
  readonly port: number;
  /** Of the owner; also opens the fault switches over HTTP. The same after a restart on the same data. */
  readonly token: string;
  readonly user: string;
  readonly faults: FaultSwitches;
  /** Direct access to what it holds. */
  readonly content: HubContent;
  /** Creates a user if needed; returns their token. */
  addUser(name: string): string;
  addOrganisation(name: string, members: readonly string[]): void;
  /** Cuts every connection and frees port and files. Idempotent. */
  close(): Promise<void>;
}

export async function startLocalHub(options: LocalHubOptions): Promise<LocalHub> {
  const given = options.clock ?? realClock;
  // Whole milliseconds: times go into the index and into JSON.
  const clock: HubClock = {
    now: () => Math.floor(given.now()),
    schedule: (delayMs, callback) => given.schedule(delayMs, callback),
  };
  const host = options.host ?? '127.0.0.1';
  const db = new HubDatabase(options.dataDir);
  try {
    const accounts = new Accounts(db, options.user ?? db.meta('owner') ?? 'demo', options.token ?? null);
    const events = new BucketEvents(db, clock);
    const settings = { ...structuredClone(defaultSettings), ...options.settings };
    const faults = new FaultSwitches(settings, (polite) => events.endAll(polite));
    const cas = await CasStore.open(db, options.dataDir, options.durable ?? false);
    const hub: HubContext = {
      router: new Router<Handler>(),
      clock,
      signer: new Signer(loadSecret(db)),
      accounts,
      faults,
      cas,
      buckets: new BucketStore(db),
      events,
      repos: new RepoStore(db),
      renames: new Renames(db),
      refuseCopy: (caller, source) => refuseCopy(hub, caller, source),
    };
    addAccountRoutes(hub);
    addOauthRoutes(hub);
    addBucketRoutes(hub);
    addBucketEventRoutes(hub);
    addCasRoutes(hub);
    addChunkHashRoutes(hub);
    addRepoRoutes(hub);
    addRepoAdminRoutes(hub);
    addRepoWriteRoutes(hub);
    addFaultRoutes(hub);
    const content = new HubContent(hub);
    if (options.seed === 'demo') await seedDemo(db, content, accounts.user);
    const server = await startHttpServer({
      router: hub.router,
      faults,
      clock,
      host,
      port: options.port ?? 0,
      callerOf: (exchange) => exchange.header('authorization') ?? exchange.remoteAddress,
      onError: options.onError ?? (() => undefined),
    });
    let closing: Promise<void> | null = null;
    return {
      endpoint: `http://${host.includes(':') ? `[${host}]` : host}:${server.port}`,
      port: server.port,
      token: accounts.token,
      user: accounts.user,
      faults,
      content,
      addUser: (name) => accounts.addUser(name),
      addOrganisation: (name, members) => accounts.addOrganisation(name, members),
      close() {
        closing ??= (async () => {
          events.endAll(false);
          await server.close();
          await cas.close();
          db.close();
        })();
        return closing;
      },
    };
  } catch (error) {
    db.close();
    throw error;
  }
}

/** Signs tokens and URLs; kept with the data, so that they outlive a restart. */
function loadSecret(db: HubDatabase): Buffer {
  const kept = db.meta('secret');
  if (kept !== null) return Buffer.from(kept, 'hex');
  const secret = randomBytes(32);
  db.setMeta('secret', secret.toString('hex'));
  return secret;
}

function refuseCopy(hub: HubContext, caller: Caller, source: CopySource): string | null {
  const [namespace = '', name = ''] = source.id.split('/');
  const missing = `Source ${source.type} not found: ${source.id}`;
  const visible = (isPrivate: boolean): boolean => !isPrivate || hub.accounts.isMember(caller, namespace);
  let holds: boolean;
  if (source.type === 'bucket') {
    const bucket = hub.buckets.find(namespace, name);
    if (bucket === null || !visible(bucket.private)) return missing;
    holds = hub.buckets.holds(bucket, source.xetHash);
  } else {
    const type = repoTypes.find((known) => known === source.type);
    const repo = type === undefined ? null : hub.repos.find(type, namespace, name);
    if (repo === null || !visible(repo.private)) return missing;
    holds = hub.repos.holds(repo, source.xetHash);
  }
  return holds ? null : `The source has no file with the hash ${source.xetHash}`;
}
