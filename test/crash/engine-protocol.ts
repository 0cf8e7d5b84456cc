// The messages between a crash test and the engine process that it kills.

import type { EngineConfig } from './engine-process.ts';

export interface KillPoint {
  readonly step: string;
  /** From 1. */
  readonly occurrence: number;
}

export type ToEngineProcess =
  /** `killAt`: already while it opens. */
  | { readonly type: 'open'; readonly config: EngineConfig; readonly killAt: KillPoint | null }
  /** Kill yourself there, counted from here on; null for never. */
  | { readonly type: 'arm'; readonly killAt: KillPoint | null }
  /** Start counting steps; the answer has those counted since the last time. */
  | { readonly type: 'survey' }
  | { readonly type: 'flush' }
  | { readonly type: 'refresh' }
  /** Send nothing until the next start. */
  | { readonly type: 'pause' }
  | { readonly type: 'pending' }
  /** Answered once what happens after the last reply (unlinking, recording) has happened. */
  | { readonly type: 'settle' }
  | { readonly type: 'room'; readonly freeBytes: number | null; readonly isCatalogueFull?: boolean }
  | { readonly type: 'events' }
  | { readonly type: 'close' };

export interface EngineAnswer {
  readonly id: number;
  readonly error: string | null;
  readonly value: unknown;
}

export interface ToldEvent {
  readonly kind: string;
  readonly path: string;
  readonly detail: string;
}
