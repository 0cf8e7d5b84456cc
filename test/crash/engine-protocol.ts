// The messages between a crash test and the engine process that it kills.

import type { EngineConfig } from './engine-process.ts';

export type ToEngineProcess =
  | { readonly type: 'open'; readonly config: EngineConfig }
  /** Kill yourself at the `occurrence`th step of this name from here on; null for never. */
  | { readonly type: 'arm'; readonly step: string | null; readonly occurrence: number }
  /** Start counting steps; the answer has those counted since the last time. */
  | { readonly type: 'survey' }
  | { readonly type: 'flush' }
  /** Answered once what happens after the last reply (unlinking, recording) has happened. */
  | { readonly type: 'settle' }
  | { readonly type: 'room'; readonly freeBytes: number | null }
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
