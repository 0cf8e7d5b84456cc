// Plain data that the host shows to every surface (panel, tray, CLI): mounts, problems, pending items, settings, doctor results.
// No behaviour here; how it travels is in contract.ts.

import type { Counters } from './activity.ts';

/** One vocabulary for everything that can go wrong in the host, whatever the surface. */
export const errorCodes = [
  'invalid', // the request itself is wrong: unknown option, bad source, bad path
  'not-found', // no such mount, item or running host
  'unauthorized', // no token, or the Hub refused it
  'forbidden',
  'gated',
  'source-not-found',
  'wrong-kind',
  'rate-limited',
  'too-large',
  'network',
  'timeout',
  'hub', // the Hub failed: 5xx, corrupt bytes, conflict
  'mount-point', // the folder cannot be used
  'not-permitted', // no way to mount or unmount without more rights
  'unsupported', // this system lacks what is needed (no NFS client)
  'port-in-use',
  'busy', // programs use the mount
  'unsent', // local changes could not be sent
  'engine', // the mount's engine thread failed
  'conflict', // the same mount exists, or another host owns the data directory
  'cancelled',
  'internal',
] as const;
export type ErrorCode = (typeof errorCodes)[number];

export interface BusyProgram {
  readonly pid: number;
  readonly name: string;
}

export interface Problem {
  readonly code: ErrorCode;
  /** Names the thing, the cause and the next step. Never a token. */
  readonly message: string;
  /** Whether trying again can help without a person. */
  readonly retryable: boolean;
  /** For `busy`: who holds the mount, where the system tells. */
  readonly programs?: readonly BusyProgram[];
}

export interface DatedProblem extends Problem {
  /** Milliseconds since the epoch. */
  readonly at: number;
}

export const mountStateNames = [
  'idle',
  'orphaned',
  'connecting',
  'attaching',
  'mounted',
  'draining',
  'detaching',
  'failed',
] as const;
export type MountStateName = (typeof mountStateNames)[number];

export interface NfsEndpoint {
  readonly host: string;
  readonly port: number;
  /** MOUNT v3 is served on the same port. */
  readonly mountPort: number;
  /** Secret: whoever knows it may mount while the window is open. */
  readonly exportPath: string;
}

export interface PendingTotals {
  readonly files: number;
  readonly bytes: number;
}

export interface MountView {
  /** Stable across restarts; also the name of the mount's data folder. */
  readonly id: string;
  /** `bucket/OWNER/NAME[/SUB]` or `model|dataset|space/OWNER/NAME[/SUB]`. */
  readonly source: string;
  readonly revision: string | null;
  readonly endpoint: string;
  readonly state: MountStateName;
  /** Whether the system has it mounted, or for `serverOnly` whether it is served. */
  readonly attached: boolean;
  /** Offline: the Hub is not reached at the moment; cached and staged data still work. */
  readonly link: 'online' | 'offline';
  /** `restarting`: the engine thread failed and comes back by itself; the mount stays. */
  readonly server: 'up' | 'restarting' | 'down';
  /** Null with `serverOnly`. */
  readonly mountPoint: string | null;
  readonly serverOnly: boolean;
  readonly readOnly: boolean;
  readonly nfs: NfsEndpoint | null;
  readonly pending: PendingTotals;
  readonly uploadsPaused: boolean;
  /** When a pause ends by itself, milliseconds since the epoch; missing for one that does not. */
  readonly pausedUntil?: number;
  readonly counters: Counters;
  /** Milliseconds since the epoch of the last activity, null before the first. */
  readonly lastActivityAt: number | null;
  readonly lastError: DatedProblem | null;
  /** Mounted again when the host starts. */
  readonly restored: boolean;
  /** Conflicts that nobody has looked at; missing counts as none. */
  readonly conflicts?: number;
}

export interface HostState {
  /** Rises with every change; a receiver drops values that are not newer than what it has. */
  readonly revision: number;
  readonly hostVersion: string;
  readonly endpoint: string;
  /** The embedded Hub answers instead of the real one. */
  readonly demo: boolean;
  readonly token: 'HF_TOKEN' | 'login-file' | 'keychain' | 'demo' | 'none';
  readonly quitting: boolean;
  readonly mounts: readonly MountView[];
}

export const pauseLengths = ['hour', 'tomorrow'] as const;
export type PauseLength = (typeof pauseLengths)[number];

/** One local change that is not on the Hub yet. */
export interface PendingEntry {
  readonly mountId: string;
  readonly source: string;
  readonly id: string;
  readonly kind: 'file' | 'delete' | 'move' | 'moveTree' | 'copy';
  readonly path: string;
  readonly bytes: number;
  readonly state: 'received' | 'safe' | 'uploading' | 'committing' | 'failed';
  /** `safe`: when it will be sent. */
  readonly sendAt?: number;
  readonly doneBytes?: number;
  readonly totalBytes?: number;
  /** `failed`: in words, with the next automatic try. */
  readonly cause?: string;
  readonly code?: string;
  readonly attempts?: number;
  readonly nextTryAt?: number;
}

export interface PendingList {
  readonly items: readonly PendingEntry[];
  /** Items beyond the bound of one answer. */
  readonly omitted: number;
}

/** Another client changed a file that was also changed here: theirs has the name, ours is beside it. Nothing is lost meanwhile. */
export interface ConflictView {
  readonly mountId: string;
  readonly source: string;
  readonly id: string;
  /** The name both wanted; theirs is there. */
  readonly path: string;
  /** Where our version is kept. */
  readonly minePath: string;
  /** Milliseconds since the epoch. */
  readonly at: number;
}

/** Keeping both leaves the two files as they are; the other choices remove the version that was not chosen. */
export type ConflictChoice = 'mine' | 'theirs' | 'both';

export const sourceKinds = ['bucket', 'model', 'dataset', 'space'] as const;
export type SourceKind = (typeof sourceKinds)[number];

export interface AccountUser {
  readonly name: string;
  readonly fullName: string | null;
  readonly organisations: readonly { readonly name: string; readonly fullName: string | null }[];
}

export interface AccountView {
  readonly endpoint: string;
  readonly demo: boolean;
  readonly token: HostState['token'];
  /** Null without a token, or where the Hub could not be asked (`problem` says why). */
  readonly user: AccountUser | null;
  readonly problem: Problem | null;
  /** A login of other Hugging Face tools on this computer that is not in use. */
  readonly existingLogin: 'HF_TOKEN' | 'login-file' | null;
  /** Signing in by a code on the Hub's page is possible. */
  readonly offersCode?: boolean;
  /** Where a pasted token is kept: the system's keychain, a file only this user can read, or nowhere beyond this run. */
  readonly keeps: 'keychain' | 'file' | 'memory';
}

/** What a person needs to sign in on a page of the Hub. */
export interface DeviceCodeView {
  readonly userCode: string;
  /** The page; the code may be filled in there already. */
  readonly address: string;
  /** Milliseconds since the epoch. */
  readonly expiresAt: number;
}

/** One bucket or repo in a list. */
export interface BrowseItem {
  /** `KIND/OWNER/NAME`. */
  readonly source: string;
  readonly kind: SourceKind;
  readonly owner: string;
  readonly name: string;
  readonly private: boolean;
  /** Access must be asked for on the Hub: granted at once (`auto`) or by a person. */
  readonly gated: 'no' | 'auto' | 'manual';
  readonly sizeBytes: number | null;
  readonly files: number | null;
  /** Milliseconds since the epoch. */
  readonly updatedAt: number | null;
}

export interface BrowsePage {
  readonly items: readonly BrowseItem[];
  /** Ask again with it for more; null at the end. */
  readonly cursor: string | null;
  /** Owners whose list could not be had, with why; the others are complete. */
  readonly problems: readonly { readonly owner: string; readonly problem: Problem }[];
}

/** What must be known to mount one bucket or repo. */
export interface SourceDetails {
  readonly item: BrowseItem;
  /** Where it would be mounted if nothing else is asked for. */
  readonly mountPoint: string;
  /** Empty for buckets, which have no revisions. */
  readonly branches: readonly string[];
  readonly tags: readonly string[];
}

export interface FolderList {
  /** Names directly below the asked path, sorted. */
  readonly folders: readonly string[];
  /** There are more than were listed. */
  readonly more: boolean;
}

export interface Settings {
  /** Where mounts go by default: `<mountFolder>/<owner>/<name>`. Null: `~/Hubdrive`. */
  readonly mountFolder: string | null;
  readonly cacheLimitBytes: number;
  readonly pollIntervalMs: number;
  /** Of all mounts together; 0 for no limit. */
  readonly uploadLimitBytesPerSecond: number;
  readonly downloadLimitBytesPerSecond: number;
  /** How long an unmount or quit waits for uploads before it keeps the rest for later. */
  readonly drainTimeoutMs: number;
  readonly restoreMounts: boolean;
  readonly logLevel: 'debug' | 'info' | 'warn' | 'error';
  /** Start with the person's session, in the tray only. The desktop app alone follows it. */
  readonly launchAtLogin: boolean;
  /** Notifications that are shown, by kind. The desktop app alone shows any. */
  readonly notifications: readonly NoticeKind[];
}

/** Content kept on this disk that can be fetched again. Unsent changes are no part of it. */
export interface CacheView {
  readonly folder: string;
  readonly usedBytes: number;
  readonly limitBytes: number;
}

/** A report for somebody who looks for a fault: logs, diagnostics, versions, without secrets. */
export interface LogExport {
  readonly path: string;
  readonly sizeBytes: number;
}

/** `stale` and `failure` mean that something may be lost or does not work; the others are news. */
export const noticeKinds = ['stale', 'failure', 'conflict', 'sent'] as const;
export type NoticeKind = (typeof noticeKinds)[number];

export interface DoctorCheck {
  readonly id: string;
  readonly title: string;
  readonly status: 'ok' | 'warning' | 'failed';
  readonly detail: string;
  /** What to do about it. */
  readonly fix?: string;
}

export interface DoctorReport {
  readonly checks: readonly DoctorCheck[];
}

export const zeroCounters: Counters = {
  reads: 0,
  readBytes: 0,
  writes: 0,
  writtenBytes: 0,
  commits: 0,
  stale: 0,
  errors: 0,
  downloadedBytes: 0,
  editDownloadedBytes: 0,
  uploadedBytes: 0,
  savedBytes: 0,
  filesCommitted: 0,
};
