// The threads that work for one store: codecs of uploads, sending, downloads. Each starts with the first work for it and ends when idle.
// Used by `hub-store.ts`.

import os from 'node:os';
import { createCodecPool, createInlineCodec, type CodecPool } from './codec-pool.ts';
import { DownloadThreads } from './download-threads.ts';
import { SendThread } from './send-thread.ts';
import type { HubClock } from './surroundings.ts';

const maxCodecThreads = 4;
/** One receives, decodes and hashes some 700 MB/s. */
const maxDownloadThreads = 4;

export interface StoreThreadsOptions {
  readonly clock: HubClock;
  readonly userAgent: string;
  /** Of `Bandwidth`; null for no limits. */
  readonly bandwidth: SharedArrayBuffer | null;
}

export interface StoreThreads {
  readonly codecs: CodecPool;
  /** Null: on the calling thread. */
  readonly downloads: DownloadThreads | null;
  readonly sender: SendThread | null;
  close(): Promise<void>;
}

/** `inline` has none: all work is done on the calling thread. */
export function openStoreThreads(kind: 'threads' | 'inline', options: StoreThreadsOptions): StoreThreads {
  const { clock } = options;
  if (kind === 'inline') {
    const codecs = createInlineCodec(clock);
    return { codecs, downloads: null, sender: null, close: () => codecs.close() };
  }
  const processors = os.availableParallelism();
  // The engine and the reading program need processors as well.
  const maxThreads = Math.max(1, Math.min(maxDownloadThreads, Math.floor(processors / 2)));
  const downloads = new DownloadThreads({ ...options, maxThreads });
  const codecs = createCodecPool(Math.max(1, Math.min(maxCodecThreads, processors - 1)), clock);
  const sender = new SendThread(options);
  return {
    codecs,
    downloads,
    sender,
    async close() {
      await downloads.close();
      await sender.close();
      await codecs.close();
    },
  };
}
