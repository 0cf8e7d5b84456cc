// A host made from the contract alone, for tests of surfaces: every state can be set, every request is recorded, every answer can be
// replaced. Keeps the promises of the contract (revisions rise, a subscription starts with a snapshot) and nothing else.

import type {
  ActivityBatch,
  ArgumentOf,
  Caller,
  Handlers,
  MountActivity,
  RequestName,
  ResultOf,
} from '../../src/shared/contract.ts';
import { HostError } from '../../src/main/problem.ts';
import type { ActivityEvent, ActivityKind } from '../../src/shared/activity.ts';
import { zeroCounters } from '../../src/shared/model.ts';
import type {
  AccountView,
  BrowseItem,
  CacheView,
  ConflictView,
  DoctorReport,
  ErrorCode,
  HostState,
  MountView,
  PendingEntry,
  Settings,
  SourceDetails,
} from '../../src/shared/model.ts';

type Answers = {
  [N in RequestName]?: (argument: ArgumentOf<N>, caller: Caller) => Promise<ResultOf<N>> | ResultOf<N>;
};

export interface RecordedCall {
  readonly channel: RequestName;
  readonly argument: unknown;
}

export function mountView(change: Partial<MountView> & { readonly source: string }): MountView {
  const [, owner = 'demo', name = 'project'] = change.source.split('/');
  return {
    id: change.source.replaceAll('/', '-'),
    revision: null,
    endpoint: 'https://huggingface.co',
    state: 'mounted',
    attached: true,
    link: 'online',
    server: 'up',
    mountPoint: `/home/ada/Hubdrive/${owner}/${name}`,
    serverOnly: false,
    readOnly: false,
    nfs: { host: '127.0.0.1', port: 20_490, mountPort: 20_490, exportPath: '/secret' },
    pending: { files: 0, bytes: 0 },
    uploadsPaused: false,
    counters: zeroCounters,
    lastActivityAt: null,
    lastError: null,
    restored: true,
    ...change,
  };
}

export function idleView(change: Partial<MountView> & { readonly source: string }): MountView {
  return mountView({ state: 'idle', attached: false, server: 'down', nfs: null, ...change });
}

export function failure(
  code: ErrorCode,
  message: string,
  details: ConstructorParameters<typeof HostError>[2] = {},
): HostError {
  return new HostError(code, message, details);
}

export function browseItem(source: string, change: Partial<BrowseItem> = {}): BrowseItem {
  const [kind, owner = '', name = ''] = source.split('/');
  return {
    source,
    kind: kind === 'model' || kind === 'dataset' || kind === 'space' ? kind : 'bucket',
    owner,
    name,
    private: false,
    gated: 'no',
    sizeBytes: null,
    files: null,
    updatedAt: null,
    ...change,
  };
}

export const defaultSettings: Settings = {
  mountFolder: null,
  cacheLimitBytes: 20 * 2 ** 30,
  pollIntervalMs: 30_000,
  uploadLimitBytesPerSecond: 0,
  downloadLimitBytesPerSecond: 0,
  drainTimeoutMs: 60_000,
  restoreMounts: true,
  logLevel: 'info',
  launchAtLogin: false,
  notifications: ['stale', 'failure', 'conflict'],
};

export const signedInAccount: AccountView = {
  endpoint: 'https://huggingface.co',
  demo: false,
  token: 'login-file',
  user: {
    name: 'ada',
    fullName: 'Ada Lovelace',
    organisations: [{ name: 'analytical', fullName: 'Analytical Engines' }],
  },
  problem: null,
  existingLogin: null,
  keeps: 'file',
};

export class FakeHost {
  readonly calls: RecordedCall[] = [];
  readonly answers: Answers = {};
  account: AccountView = signedInAccount;
  pending: readonly PendingEntry[] = [];
  conflicts: readonly ConflictView[] = [];
  items: readonly BrowseItem[] = [];
  settings: Settings = defaultSettings;
  cache: CacheView = { folder: '/home/ada/.cache/hubdrive', usedBytes: 4.2e9, limitBytes: 20 * 2 ** 30 };
  doctor: DoctorReport = { checks: [] };
  backlog: readonly MountActivity[] = [];
  #state: HostState;
  readonly #stateCallers = new Set<Caller>();
  readonly #activityCallers = new Set<Caller>();
  readonly #sequences = new Map<string, number>();

  constructor(change: Partial<HostState> = {}) {
    this.#state = {
      revision: 1,
      hostVersion: '0.1.0',
      endpoint: 'https://huggingface.co',
      demo: false,
      token: 'login-file',
      quitting: false,
      mounts: [],
      ...change,
    };
  }

  get state(): HostState {
    return this.#state;
  }

  get activitySubscribers(): number {
    return this.#activityCallers.size;
  }

  /** Changes the state and pushes it. */
  set(change: Partial<HostState>): void {
    this.#state = { ...this.#state, ...change, revision: this.#state.revision + 1 };
    for (const caller of this.#stateCallers) caller.push('state:changed', this.#state);
  }

  setMount(id: string, change: Partial<MountView>): void {
    this.set({
      mounts: this.#state.mounts.map((mount) => (mount.id === id ? { ...mount, ...change } : mount)),
    });
  }

  /** Sends what an old revision said, as a push that was late. */
  pushOldState(state: HostState): void {
    for (const caller of this.#stateCallers) caller.push('state:changed', state);
  }

  event(mountId: string, kind: ActivityKind, path: string, more: Partial<ActivityEvent> = {}): ActivityEvent {
    const sequence = (this.#sequences.get(mountId) ?? 0) + 1;
    this.#sequences.set(mountId, sequence);
    return { sequence, at: Date.now(), kind, path, ...more };
  }

  pushActivity(mountId: string, events: readonly ActivityEvent[], dropped = 0): void {
    const source = this.#state.mounts.find((mount) => mount.id === mountId)?.source ?? mountId;
    const batch: ActivityBatch = { mounts: [{ mountId, source, events, dropped }] };
    for (const caller of this.#activityCallers) caller.push('activity:batch', batch);
  }

  callsTo<N extends RequestName>(channel: N): ArgumentOf<N>[] {
    return this.calls
      .filter((call) => call.channel === channel)
      .map((call) => call.argument as ArgumentOf<N>);
  }

  /** To be served by a transport. */
  handlers(): Handlers {
    const defaults = this.#defaults();
    const handlers: Record<string, unknown> = {};
    for (const channel of Object.keys(defaults) as RequestName[]) {
      handlers[channel] = (argument: never, caller: Caller) => {
        this.calls.push({ channel, argument });
        const answer = this.answers[channel] ?? defaults[channel];
        return (answer as (argument: never, caller: Caller) => unknown)(argument, caller);
      };
    }
    return handlers as Handlers;
  }

  #defaults(): Handlers {
    const find = (id: string): MountView => {
      const mount = this.#state.mounts.find((each) => each.id === id || each.source === id);
      if (mount === undefined) throw failure('not-found', `No mount “${id}”`);
      return mount;
    };
    return {
      'state:subscribe': (_argument, caller) => {
        this.#keep(this.#stateCallers, caller);
        return this.#state;
      },
      'state:get': () => this.#state,
      'mounts:mount': ({ source, readOnly, mountPoint, revision, serverOnly }) => {
        const known = this.#state.mounts.find((each) => each.source === source);
        const change = { source, readOnly, revision, serverOnly };
        const mount = mountView(mountPoint === null ? change : { ...change, mountPoint });
        if (known === undefined) this.set({ mounts: [...this.#state.mounts, mount] });
        else this.setMount(known.id, { state: 'mounted', attached: true, server: 'up', lastError: null });
        return find(source);
      },
      'mounts:unmount': ({ target }) => {
        this.setMount(find(target).id, { state: 'idle', attached: false, server: 'down', nfs: null });
        return { mount: find(target) };
      },
      'mounts:cancel': () => null,
      'mounts:forget': ({ mountId }) => {
        this.set({ mounts: this.#state.mounts.filter((mount) => mount.id !== mountId) });
        return null;
      },
      'mounts:dismiss': ({ mountId }) => {
        this.setMount(mountId, { lastError: null });
        return null;
      },
      'mounts:flush': () => null,
      'mounts:pending': ({ target }) => ({
        items: this.pending.filter((item) => target === null || item.mountId === target),
        omitted: 0,
      }),
      'mounts:retry': () => null,
      'mounts:discard': ({ mountId, itemId }) => {
        this.pending = this.pending.filter((item) => item.mountId !== mountId || item.id !== itemId);
        return null;
      },
      'mounts:pause': ({ target, until }) =>
        this.#setPaused(target, true, until === null ? null : Date.now() + 3600_000),
      'mounts:resume': ({ target }) => this.#setPaused(target, false, null),
      'mounts:open': () => null,
      'mounts:conflicts': () => this.conflicts,
      'mounts:resolve': ({ mountId, conflictId }) => {
        this.conflicts = this.conflicts.filter((each) => each.id !== conflictId);
        this.setMount(mountId, {
          conflicts: this.conflicts.filter((each) => each.mountId === mountId).length,
        });
        return null;
      },
      'account:get': () => this.account,
      'account:signIn': ({ way }) => {
        const demo = way === 'demo';
        const token = demo ? 'demo' : 'keychain';
        this.account = { ...signedInAccount, demo, token };
        this.set({ demo, token });
        return this.account;
      },
      'account:deviceStart': () => ({
        userCode: 'ABCD-1234',
        address: 'https://huggingface.co/device?user_code=ABCD-1234',
        expiresAt: Date.now() + 900_000,
      }),
      'account:deviceFinish': () => {
        this.account = { ...signedInAccount, token: 'keychain' };
        this.set({ token: 'keychain' });
        return this.account;
      },
      'account:signOut': () => {
        this.account = { ...this.account, token: 'none', user: null, demo: false };
        this.set({ token: 'none', demo: false });
        return this.account;
      },
      'browse:list': ({ kind, search, owner }) => ({
        items: this.items.filter(
          (item) =>
            item.kind === kind &&
            (owner === null || item.owner === owner) &&
            (search === null || `${item.owner}/${item.name}`.includes(search)),
        ),
        cursor: null,
        problems: [],
      }),
      'browse:source': ({ source }) => this.#describe(source),
      'browse:folders': () => ({ folders: ['checkpoints', 'logs', 'samples'], more: false }),
      'browse:createBucket': ({ owner, name, private: isPrivate }) =>
        browseItem(`bucket/${owner}/${name}`, { private: isPrivate, sizeBytes: 0, files: 0 }),
      'activity:subscribe': (_argument, caller) => {
        this.#keep(this.#activityCallers, caller);
        return { mounts: this.backlog };
      },
      'activity:backlog': () => ({ mounts: this.backlog }),
      'activity:unsubscribe': (_argument, caller) => {
        this.#activityCallers.delete(caller);
        return null;
      },
      'settings:get': () => this.settings,
      'settings:set': (change) => {
        const given = Object.entries(change).filter(([, value]) => value !== undefined);
        this.settings = { ...this.settings, ...Object.fromEntries(given) };
        return this.settings;
      },
      'cache:get': () => this.cache,
      'cache:free': () => {
        const freedBytes = this.cache.usedBytes;
        this.cache = { ...this.cache, usedBytes: 0 };
        return { freedBytes };
      },
      'logs:export': () => ({
        path: '/home/ada/.local/share/hubdrive/reports/hubdrive-report-2026-11-22T14-15-00.txt',
        sizeBytes: 48_000,
      }),
      'doctor:run': () => this.doctor,
      'panel:address': () => ({ url: null }),
      'host:quit': () => {
        this.set({ quitting: true });
        return null;
      },
    };
  }

  #describe(source: string): SourceDetails {
    const [kind, owner, name] = source.split('/');
    const item = this.items.find((each) => each.source === `${kind}/${owner}/${name}`);
    if (item === undefined) throw failure('source-not-found', `The Hub has no ${kind} “${owner}/${name}”`);
    const isBucket = item.kind === 'bucket';
    return {
      item,
      mountPoint: `/home/ada/Hubdrive/${owner}/${name}`,
      branches: isBucket ? [] : ['main', 'next'],
      tags: isBucket ? [] : ['v1.0', 'v2.0'],
    };
  }

  #setPaused(target: string | null, uploadsPaused: boolean, until: number | null): null {
    this.set({
      mounts: this.#state.mounts.map(({ pausedUntil, ...mount }) =>
        target === null || mount.id === target
          ? { ...mount, uploadsPaused, ...(until === null ? {} : { pausedUntil: until }) }
          : { ...mount, ...(pausedUntil === undefined ? {} : { pausedUntil }) },
      ),
    });
    return null;
  }

  #keep(callers: Set<Caller>, caller: Caller): void {
    callers.add(caller);
    caller.gone.addEventListener('abort', () => callers.delete(caller), { once: true });
  }
}
