// The messages between the host's thread and an engine thread: one union per direction. Both ends are the same build, so the shapes are
// types only; structured clone carries them. Everything is small; no file bytes.

import type { ActivityEvent } from '../../shared/activity.ts';
import type { LogFields } from '../../shared/log.ts';
import type { PendingTotals, Problem } from '../../shared/model.ts';
import type { PendingItem } from '../../vfs/parts.ts';
import type { EngineSource, EngineSpec, EngineStatus, ListenOptions } from './engine.ts';
import type { ConflictSettlement } from './settle-conflict.ts';

/** Requests with their answers. */
export interface EngineCalls {
  readonly open: { readonly argument: null; readonly result: EngineSource };
  readonly listen: { readonly argument: ListenOptions; readonly result: number };
  readonly setMountWindow: { readonly argument: boolean; readonly result: null };
  readonly report: { readonly argument: null; readonly result: null };
  readonly pending: {
    readonly argument: null;
    readonly result: { readonly items: readonly PendingItem[]; readonly omitted: number };
  };
  readonly flush: { readonly argument: null; readonly result: null };
  readonly retryNow: { readonly argument: string | null; readonly result: null };
  readonly discard: { readonly argument: string | null; readonly result: null };
  readonly setPaused: { readonly argument: boolean; readonly result: null };
  readonly settleConflict: { readonly argument: ConflictSettlement; readonly result: null };
  readonly close: { readonly argument: null; readonly result: PendingTotals | null };
}
export type CallName = keyof EngineCalls;

export type CallMessage = {
  [N in CallName]: {
    readonly type: 'call';
    readonly id: number;
    readonly name: N;
    readonly argument: EngineCalls[N]['argument'];
  };
}[CallName];

export type ToEngine =
  | CallMessage
  | { readonly type: 'abort'; readonly id: number }
  | { readonly type: 'watch'; readonly watched: boolean }
  | { readonly type: 'token'; readonly id: number; readonly token: string | null };

export type FromEngine =
  | { readonly type: 'result'; readonly id: number; readonly value: unknown }
  | { readonly type: 'failure'; readonly id: number; readonly problem: Problem }
  | { readonly type: 'status'; readonly status: EngineStatus }
  | { readonly type: 'activity'; readonly events: readonly ActivityEvent[]; readonly dropped: number }
  | { readonly type: 'tokenWanted'; readonly id: number }
  | {
      readonly type: 'log';
      readonly level: 'debug' | 'info' | 'warn' | 'error';
      readonly message: string;
      readonly fields: LogFields;
      readonly stack: string | null;
    };

export interface EngineWorkerData {
  readonly spec: EngineSpec;
  readonly logLevel: 'debug' | 'info' | 'warn' | 'error';
}

/** One answer to `pending` lists at most this many items. */
export const maxPendingItems = 2000;
