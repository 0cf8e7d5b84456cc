// The whole contract between the host and its surfaces: channels, argument parsers, result and payload types, the error shape. The
// three transports (control socket, WebSocket, Electron IPC) carry exactly this; frames.ts says how it is put on a stream.

import type { ActivityEvent } from './activity.ts';
import {
  flag,
  integer,
  list,
  nothing,
  nullable,
  object,
  oneOf,
  optional,
  text,
  withDefault,
} from './arguments.ts';
import type { Parser } from './arguments.ts';
import { noticeKinds, pauseLengths, sourceKinds } from './model.ts';
import type {
  AccountView,
  BrowseItem,
  BrowsePage,
  CacheView,
  ConflictChoice,
  ConflictView,
  DeviceCodeView,
  DoctorReport,
  ErrorCode,
  FolderList,
  HostState,
  LogExport,
  MountView,
  PauseLength,
  PendingList,
  Problem,
  Settings,
  SourceDetails,
  SourceKind,
} from './model.ts';

/** Raised with every incompatible change; both ends compare it before anything else. */
export const contractVersion = 1;

export interface RequestChannel<A, R> {
  readonly kind: 'request';
  readonly parse: Parser<A>;
  /** Carries the result type only; never called. */
  readonly result?: (value: R) => void;
}

export interface PushChannel<P> {
  readonly kind: 'push';
  readonly payload?: (value: P) => void;
}

function request<A, R>(parse: Parser<A>): RequestChannel<A, R> {
  return { kind: 'request', parse };
}

function push<P>(): PushChannel<P> {
  return { kind: 'push' };
}

const sourceText = text(1024);
const mountId = text(200);
const absolutePath = text(4096);

export interface MountArgument {
  readonly source: string;
  readonly mountPoint: string | null;
  readonly readOnly: boolean;
  readonly revision: string | null;
  readonly serverOnly: boolean;
}

export const parseMountArgument: Parser<MountArgument> = object({
  source: sourceText,
  mountPoint: withDefault(nullable(absolutePath), null),
  readOnly: withDefault(flag, false),
  revision: withDefault(nullable(text(256)), null),
  serverOnly: withDefault(flag, false),
});

/** `target`: a mount's id, its source, or its mount point (absolute). */
export interface UnmountArgument {
  readonly target: string;
  /** Local changes that are not on the Hub are given up for good. */
  readonly discard: boolean;
  /**
   * When uploads do not finish in time: keep the rest on this disk and unmount, or stay mounted. `keep-now`: do not wait for
   * them before unmounting.
   */
  readonly ifUnsent: 'keep' | 'keep-now' | 'stay';
  /** Detach even while programs use the mount. */
  readonly force: boolean;
  /** Of a mount that is not mounted: a person knows that `discard` deletes what is unsent. */
  readonly confirmed?: boolean;
}

export const parseUnmountArgument: Parser<UnmountArgument> = object({
  target: absolutePath,
  discard: withDefault(flag, false),
  ifUnsent: withDefault(oneOf(['keep', 'keep-now', 'stay']), 'keep'),
  force: withDefault(flag, false),
  confirmed: withDefault(flag, false),
});

export interface UnmountResult {
  readonly mount: MountView;
}

/** Null target: every mount. */
export interface TargetArgument {
  readonly target: string | null;
}
const parseTarget: Parser<TargetArgument> = object({ target: withDefault(nullable(absolutePath), null) });

export interface PauseArgument extends TargetArgument {
  /** Null: until it is resumed. */
  readonly until: PauseLength | null;
}
const parsePause: Parser<PauseArgument> = object({
  target: withDefault(nullable(absolutePath), null),
  until: withDefault(nullable(oneOf(pauseLengths)), null),
});

export interface ItemArgument {
  readonly mountId: string;
  /** Null: all items of the mount (retry only). */
  readonly itemId: string | null;
}
const parseRetry: Parser<ItemArgument> = object({
  mountId,
  itemId: withDefault(nullable(text(200)), null),
});

export interface DiscardArgument {
  readonly mountId: string;
  readonly itemId: string;
}
const parseDiscard: Parser<DiscardArgument> = object({ mountId, itemId: text(200) });

export interface ResolveArgument {
  readonly mountId: string;
  readonly conflictId: string;
  readonly choice: ConflictChoice;
}
const parseResolve: Parser<ResolveArgument> = object({
  mountId,
  conflictId: text(200),
  choice: oneOf(['mine', 'theirs', 'both']),
});

/** `token`: a pasted one, kept from then on. `existing`: the login of other tools here. `demo`: the embedded Hub. */
export interface SignInArgument {
  readonly way: 'token' | 'existing' | 'demo';
  /** With `token` only. */
  readonly token: string | null;
}
const parseSignIn: Parser<SignInArgument> = object({
  way: oneOf(['token', 'existing', 'demo']),
  token: withDefault(nullable(text(512)), null),
});

export interface BrowseArgument {
  readonly kind: SourceKind;
  /** `mine`: of the account and its organisations. `everywhere`: all the Hub shows; for buckets only with `owner`. */
  readonly scope: 'mine' | 'everywhere';
  readonly owner: string | null;
  readonly search: string | null;
  readonly cursor: string | null;
}
const parseBrowse: Parser<BrowseArgument> = object({
  kind: oneOf(sourceKinds),
  scope: oneOf(['mine', 'everywhere']),
  owner: withDefault(nullable(text(128)), null),
  search: withDefault(nullable(text(200)), null),
  cursor: withDefault(nullable(text(4096)), null),
});

export interface FoldersArgument {
  readonly source: string;
  readonly revision: string | null;
  /** Inside the source; null for its root. */
  readonly path: string | null;
}
const parseFolders: Parser<FoldersArgument> = object({
  source: sourceText,
  revision: withDefault(nullable(text(256)), null),
  path: withDefault(nullable(text(2048)), null),
});

export interface CreateBucketArgument {
  readonly owner: string;
  readonly name: string;
  readonly private: boolean;
}
const parseCreateBucket: Parser<CreateBucketArgument> = object({
  owner: text(128),
  name: text(128),
  private: flag,
});

/** A part of the settings; fields left out stay as they are. */
export type SettingsChange = { readonly [K in keyof Settings]?: Settings[K] | undefined };
/** 0 for none. Slower than 16 KiB a second, requests would time out at the Hub. */
const rateLimit: Parser<number> = (value, where) =>
  value === 0 ? 0 : integer(16 * 1024, Number.MAX_SAFE_INTEGER)(value, where);
export const settingParsers = {
  mountFolder: nullable(absolutePath),
  cacheLimitBytes: integer(64 * 2 ** 20, Number.MAX_SAFE_INTEGER),
  pollIntervalMs: integer(1000, 24 * 3600_000),
  uploadLimitBytesPerSecond: rateLimit,
  downloadLimitBytesPerSecond: rateLimit,
  drainTimeoutMs: integer(0, 24 * 3600_000),
  restoreMounts: flag,
  logLevel: oneOf(['debug', 'info', 'warn', 'error']),
  launchAtLogin: flag,
  notifications: list(oneOf(noticeKinds), noticeKinds.length),
} satisfies { readonly [K in keyof Settings]: Parser<Settings[K]> };
const parseSettingsChange: Parser<SettingsChange> = object({
  mountFolder: optional(settingParsers.mountFolder),
  cacheLimitBytes: optional(settingParsers.cacheLimitBytes),
  pollIntervalMs: optional(settingParsers.pollIntervalMs),
  uploadLimitBytesPerSecond: optional(settingParsers.uploadLimitBytesPerSecond),
  downloadLimitBytesPerSecond: optional(settingParsers.downloadLimitBytesPerSecond),
  drainTimeoutMs: optional(settingParsers.drainTimeoutMs),
  restoreMounts: optional(settingParsers.restoreMounts),
  logLevel: optional(settingParsers.logLevel),
  launchAtLogin: optional(settingParsers.launchAtLogin),
  notifications: optional(settingParsers.notifications),
});

export interface MountActivity {
  readonly mountId: string;
  readonly source: string;
  readonly events: readonly ActivityEvent[];
  /** Events that happened but are not in `events`, since the last batch of this mount. */
  readonly dropped: number;
}

export interface ActivityBatch {
  readonly mounts: readonly MountActivity[];
}

export const contract = {
  /** The snapshot; from then on the session also receives `state:changed`. */
  'state:subscribe': request<null, HostState>(nothing),
  'state:get': request<null, HostState>(nothing),
  'state:changed': push<HostState>(),

  /** Answers when it is mounted (or served), or with why not. */
  'mounts:mount': request<MountArgument, MountView>(parseMountArgument),
  /** Answers when the system mount is gone. Unsent changes that were kept are in `mount.pending`. */
  'mounts:unmount': request<UnmountArgument, UnmountResult>(parseUnmountArgument),
  /** Stops an attempt to mount, or an unmount that still waits for uploads. */
  'mounts:cancel': request<{ readonly mountId: string }, null>(object({ mountId })),
  /** Forgets an idle mount that has nothing unsent, with its local catalogue. */
  'mounts:forget': request<{ readonly mountId: string }, null>(object({ mountId })),
  /** Puts a problem that was read away. */
  'mounts:dismiss': request<{ readonly mountId: string }, null>(object({ mountId })),
  /** Sends everything; answers when nothing is pending, or with the first failure. */
  'mounts:flush': request<TargetArgument, null>(parseTarget),
  'mounts:pending': request<TargetArgument, PendingList>(parseTarget),
  'mounts:retry': request<ItemArgument, null>(parseRetry),
  /** Gives up one local change for good. */
  'mounts:discard': request<DiscardArgument, null>(parseDiscard),
  /** Uploads stop; the mount goes on. A pause ends with the host, whatever its length. */
  'mounts:pause': request<PauseArgument, null>(parsePause),
  'mounts:resume': request<TargetArgument, null>(parseTarget),
  /** Shows the mount point in the system's file manager. */
  'mounts:open': request<{ readonly mountId: string }, null>(object({ mountId })),
  'mounts:conflicts': request<TargetArgument, readonly ConflictView[]>(parseTarget),
  'mounts:resolve': request<ResolveArgument, null>(parseResolve),

  /** Asks the Hub who it is at most once a minute. */
  'account:get': request<null, AccountView>(nothing),
  /** Rejects, changing nothing, when the Hub refuses the token. */
  'account:signIn': request<SignInArgument, AccountView>(parseSignIn),
  /** Begins to sign in by a code; one begun before is given up. */
  'account:deviceStart': request<null, DeviceCodeView>(nothing),
  /** Answers when the person has agreed on the Hub's page, the token being kept; rejects when they refused or were too late. */
  'account:deviceFinish': request<{ readonly userCode: string }, AccountView>(object({ userCode: text(64) })),
  /** Forgets a token that was kept; leaves the login of other tools alone and unused. */
  'account:signOut': request<null, AccountView>(nothing),

  'browse:list': request<BrowseArgument, BrowsePage>(parseBrowse),
  'browse:source': request<{ readonly source: string }, SourceDetails>(object({ source: sourceText })),
  'browse:folders': request<FoldersArgument, FolderList>(parseFolders),
  'browse:createBucket': request<CreateBucketArgument, BrowseItem>(parseCreateBucket),

  /** What is remembered; from then on the session also receives `activity:batch`. */
  'activity:subscribe': request<TargetArgument, ActivityBatch>(parseTarget),
  'activity:backlog': request<TargetArgument, ActivityBatch>(parseTarget),
  'activity:unsubscribe': request<null, null>(nothing),
  'activity:batch': push<ActivityBatch>(),

  'settings:get': request<null, Settings>(nothing),
  'settings:set': request<SettingsChange, Settings>(parseSettingsChange),

  'cache:get': request<null, CacheView>(nothing),
  /** Removes what can be fetched again, never what is not sent. */
  'cache:free': request<null, { readonly freedBytes: number }>(nothing),

  /** Writes one file on the host's computer; nothing is sent anywhere. */
  'logs:export': request<null, LogExport>(nothing),
  'doctor:run': request<null, DoctorReport>(nothing),
  /** A fresh address for one browser, good for one use; null where no panel is served. */
  'panel:address': request<null, { readonly url: string | null }>(nothing),
  /** Begins to quit and answers at once; `now` keeps unsent changes for the next start instead of waiting. */
  'host:quit': request<{ readonly now: boolean }, null>(object({ now: withDefault(flag, false) })),
} as const;

export type Contract = typeof contract;
export type Channel = keyof Contract;

type RequestsOf<C> = { [K in keyof C]: C[K] extends RequestChannel<infer _A, infer _R> ? K : never }[keyof C];
type PushesOf<C> = { [K in keyof C]: C[K] extends PushChannel<infer _P> ? K : never }[keyof C];
export type RequestName = RequestsOf<Contract>;
export type PushName = PushesOf<Contract>;
export type ArgumentOf<N extends RequestName> =
  Contract[N] extends RequestChannel<infer A, infer _R> ? A : never;
export type ResultOf<N extends RequestName> =
  Contract[N] extends RequestChannel<infer _A, infer R> ? R : never;
export type PayloadOf<N extends PushName> = Contract[N] extends PushChannel<infer P> ? P : never;

/** One surface that is connected: where pushes of its subscriptions go. */
export interface Caller {
  /** Best effort: a surface that cannot keep up loses activity, counted as dropped, never state. */
  push<N extends PushName>(channel: N, payload: PayloadOf<N>): void;
  /** Aborted when the surface is gone. */
  readonly gone: AbortSignal;
}

/** What the host must implement: every request channel. */
export type Handlers = {
  readonly [N in RequestName]: (
    argument: ArgumentOf<N>,
    caller: Caller,
  ) => Promise<ResultOf<N>> | ResultOf<N>;
};

/** What a surface sees. `call` rejects with `ContractFailure`. */
export interface Api {
  call<N extends RequestName>(channel: N, argument: ArgumentOf<N>): Promise<ResultOf<N>>;
  /** Returns its unsubscribe function. */
  on<N extends PushName>(channel: N, listener: (payload: PayloadOf<N>) => void): () => void;
}

export interface ContractError {
  readonly code: ErrorCode;
  readonly message: string;
  readonly problem?: Problem;
}

export type Outcome<R> =
  { readonly ok: true; readonly value: R } | { readonly ok: false; readonly error: ContractError };

/** An `Outcome` error on the calling side. */
export class ContractFailure extends Error {
  override readonly name = 'ContractFailure';
  readonly code: ErrorCode;
  readonly problem: Problem | null;

  constructor(error: ContractError) {
    super(error.message);
    this.code = error.code;
    this.problem = error.problem ?? null;
  }
}

export function isRequestName(name: string): name is RequestName {
  return Object.hasOwn(contract, name) && contract[name as Channel].kind === 'request';
}

export function isPushName(name: string): name is PushName {
  return Object.hasOwn(contract, name) && contract[name as Channel].kind === 'push';
}
