// What `download-threads.ts` and `download-worker.ts` say to one another. Data only; the blocks with decoded bytes are
// transferred.

import type { HttpTimeouts } from './http-exchange.ts';

export interface DownloadWorkerData {
  readonly userAgent: string;
  /** Of `Bandwidth`; null for no limits. */
  readonly bandwidth: SharedArrayBuffer | null;
}

/** One range of a xorb. `byteEnd` is exclusive. */
export interface DownloadOrder {
  readonly url: string;
  readonly byteStart: number;
  readonly byteEnd: number;
  readonly timeouts: HttpTimeouts;
  /** A program waits: every chunk is told of at once, not in batches. */
  readonly urgent: boolean;
}

export type DownloadRequest =
  | { readonly type: 'get'; readonly job: number; readonly order: DownloadOrder }
  | { readonly type: 'stop'; readonly job: number }
  /** A block comes back. */
  | { readonly type: 'free'; readonly block: ArrayBuffer };

/** Decoded chunks, one after the other from the start of a block, which is to be given back. */
export interface DecodedBatch {
  readonly block: ArrayBuffer;
  readonly sizes: Uint32Array;
  /** 32 bytes each. */
  readonly hashes: Uint8Array;
  /** Bytes that came over the wire since the batch before. */
  readonly receivedBytes: number;
}

export type DownloadFailure =
  /** An answer that is none of the range's; the body is cut. */
  | {
      readonly type: 'status';
      readonly status: number;
      readonly headers: Readonly<Record<string, string>>;
      readonly body: string;
    }
  | { readonly type: 'network'; readonly code: string }
  | { readonly type: 'cut' }
  | { readonly type: 'timeout'; readonly reason: string }
  /** Success, but not what was asked for. */
  | { readonly type: 'bad-answer'; readonly problem: string }
  /** The bytes do not decode. */
  | { readonly type: 'corrupt'; readonly problem: string }
  /** A redirect, a chunked body and the like: the general client understands it. */
  | { readonly type: 'unsuitable' };

export type DownloadReply =
  | { readonly type: 'batch'; readonly job: number; readonly batch: DecodedBatch }
  | { readonly type: 'done'; readonly job: number }
  | { readonly type: 'failed'; readonly job: number; readonly failure: DownloadFailure };

/** Whether an answer is the bytes [byteStart, byteEnd). */
export function isRangeAsked(
  status: number,
  contentRange: string | undefined,
  byteStart: number,
  byteEnd: number,
): boolean {
  if (status === 200) return byteStart === 0;
  const range = /^bytes (\d+)-(\d+)\//.exec(contentRange ?? '');
  return status === 206 && Number(range?.[1]) === byteStart && Number(range?.[2]) === byteEnd - 1;
}
