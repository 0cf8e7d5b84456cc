// One mount's engine as the host sees it: NFS server, VirtualFs and Hub client behind small messages. `EngineClient` runs it in a worker
// thread; tests put a fake in its place. No file byte passes this interface.

import type { ActivityEvent, Counters } from '../../shared/activity.ts';
import type { PendingTotals, Problem } from '../../shared/model.ts';
import type { PendingItem } from '../../vfs/parts.ts';
import type { ConflictSettlement } from './settle-conflict.ts';

/** Everything `open` needs; plain data, so that it can be handed to a worker. */
export interface EngineSpec {
  readonly endpoint: string;
  readonly source: string;
  readonly revision: string | null;
  readonly readOnly: boolean;
  /** Of this mount: catalogue, staging, shadow store, Hub manifests, handle key. */
  readonly dataDir: string;
  readonly cacheDir: string;
  readonly cacheLimitBytes: number;
  readonly pollIntervalMs: number;
  readonly owner: { readonly uid: number; readonly gid: number };
  readonly hostName: string;
  readonly userAgent: string;
  /** How fast all mounts together may send and receive; unlimited if missing. Shared memory, see hub/bandwidth.ts. */
  readonly bandwidth?: SharedArrayBuffer;
}

/** What the Hub said about the source. */
export interface EngineSource {
  readonly name: string;
  readonly identifier: string;
  readonly writable: boolean;
}

export interface ListenOptions {
  readonly host: string;
  readonly port: number;
  readonly exportPath: string;
  readonly peers: 'kernel' | 'any';
}

/** Whole values; sent when they changed, at most four times a second. */
export interface EngineStatus {
  readonly counters: Counters;
  readonly pending: PendingTotals;
  readonly online: boolean;
  readonly lastActivityAt: number | null;
  /** The newest failed upload, null when none is failing. */
  readonly failing: Problem | null;
}

export interface EngineListener {
  status(status: EngineStatus): void;
  activity(events: readonly ActivityEvent[], dropped: number): void;
  /** The engine is gone without `close`; nothing else comes from it. Staged data is on disk as far as COMMIT promised, and more. */
  lost(cause: unknown): void;
}

/** Methods reject with `EngineError`. After `lost` or `close` all of them reject. */
export interface Engine {
  /** Resolves the source against the Hub and opens the catalogue. */
  open(signal: AbortSignal): Promise<EngineSource>;
  /** Starts the NFS listener, with the MOUNT window closed. Resolves to the port. */
  listen(options: ListenOptions): Promise<number>;
  /** MNT is accepted only while it is open. */
  setMountWindow(open: boolean): Promise<void>;
  /** Resolves when status and activity up to now were told to the listener. */
  report(): Promise<void>;
  /** Asks for activity every 100 ms instead of once a second. */
  watch(watched: boolean): void;
  pending(): Promise<{ readonly items: readonly PendingItem[]; readonly omitted: number }>;
  /** Sends everything now; rejects with the first failure of this round. Aborting ends the wait, not the sending. */
  flush(signal: AbortSignal): Promise<void>;
  retryNow(itemId: string | null): Promise<void>;
  /** Gives up one local change, or with null all of them, for good. */
  discard(itemId: string | null): Promise<void>;
  setPaused(paused: boolean): Promise<void>;
  /** Ends a conflict of which both versions were kept. */
  settleConflict(settlement: ConflictSettlement): Promise<void>;
  /** Stops the listener, then the file system; what is unsent stays on disk. Resolves to what is left, null if it never opened. Idempotent. */
  close(): Promise<PendingTotals | null>;
}

export type EngineFactory = (spec: EngineSpec, listener: EngineListener) => Engine;

export class EngineError extends Error {
  override readonly name = 'EngineError';
  readonly problem: Problem;

  constructor(problem: Problem, cause?: unknown) {
    super(problem.message, cause === undefined ? undefined : { cause });
    this.problem = problem;
  }
}
