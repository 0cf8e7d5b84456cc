// The way of each written file, as far as events tell: received, safe on this disk, uploading, on the Hub. Bounded; the newest files stay.

import type { MountActivity } from '../../shared/contract.ts';
import type { ActivityEvent } from '../../shared/activity.ts';

export interface FileChain {
  /** Milliseconds since the epoch; null where that step was not seen. */
  readonly receivedAt: number | null;
  readonly safeAt: number | null;
  readonly uploadingAt: number | null;
  readonly committedAt: number | null;
  /** Null unless the last try failed. */
  readonly failure: string | null;
}

const maxChains = 1000;
const emptyChain: FileChain = {
  receivedAt: null,
  safeAt: null,
  uploadingAt: null,
  committedAt: null,
  failure: null,
};
const failedPrefix = 'failed: ';

export class FileChains {
  /** The least recently changed first. */
  readonly #chains = new Map<string, FileChain>();

  add({ mountId, events }: MountActivity): void {
    for (const event of events) this.#addEvent(mountId, event);
  }

  get(mountId: string, path: string): FileChain | null {
    return this.#chains.get(keyOf(mountId, path)) ?? null;
  }

  #addEvent(mountId: string, event: ActivityEvent): void {
    const key = keyOf(mountId, event.path);
    if (event.kind === 'RENAME' && event.toPath !== undefined) {
      const moved = this.#chains.get(key);
      this.#chains.delete(key);
      if (moved !== undefined) this.#set(keyOf(mountId, event.toPath), moved);
    } else if (event.kind === 'REMOVE') {
      this.#chains.delete(key);
    } else {
      const next = advance(this.#chains.get(key) ?? emptyChain, event);
      if (next !== null) this.#set(key, next);
    }
  }

  #set(key: string, chain: FileChain): void {
    this.#chains.delete(key);
    this.#chains.set(key, chain);
    if (this.#chains.size <= maxChains) return;
    const oldest = this.#chains.keys().next();
    if (oldest.done !== true) this.#chains.delete(oldest.value);
  }
}

/** Null where the event says nothing about the way of a file. */
function advance(chain: FileChain, event: ActivityEvent): FileChain | null {
  const { at } = event;
  switch (event.kind) {
    case 'CREATE':
    case 'WRITE':
    case 'TRUNCATE':
      // A write after the file was safe begins a new round.
      return chain.receivedAt !== null && chain.safeAt === null && chain.committedAt === null
        ? chain
        : { ...emptyChain, receivedAt: at };
    case 'COMMIT':
      return chain.committedAt === null ? { ...chain, safeAt: at } : { ...emptyChain, safeAt: at };
    case 'UPLOAD':
      return advanceUpload(chain, event);
    default:
      return null;
  }
}

function advanceUpload(chain: FileChain, event: ActivityEvent): FileChain {
  const detail = event.detail ?? '';
  if (detail === 'committed') return { ...chain, committedAt: event.at, failure: null };
  if (detail.startsWith(failedPrefix)) return { ...chain, failure: detail.slice(failedPrefix.length) };
  return { ...chain, uploadingAt: event.at, failure: null };
}

function keyOf(mountId: string, path: string): string {
  return `${mountId}\n${path}`;
}
