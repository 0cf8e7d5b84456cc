// What `send-thread.ts` and `send-worker.ts` say to one another. Data only; bodies in shared memory are not copied. Orders hold
// tokens, so nothing of them may be logged.

import type { IncomingHttpHeaders } from 'node:http';
import type { ExchangeRequest, HttpTimeouts } from './http-exchange.ts';
import type { HubErrorCode } from './remote-store.ts';

export interface SendWorkerData {
  /** Of `Bandwidth`; null for no limits. */
  readonly bandwidth: SharedArrayBuffer | null;
}

/** One request; what it brings back is an answer of any status. */
export type SendOrder = Omit<ExchangeRequest, 'url' | 'signal'> & {
  readonly url: string;
  readonly timeouts: HttpTimeouts;
};

export type SendRequest =
  | { readonly type: 'send'; readonly job: number; readonly order: SendOrder }
  | { readonly type: 'stop'; readonly job: number };

/** A `HubError` of an exchange; its class and those of its causes do not cross threads. */
export interface SendFailure {
  readonly code: HubErrorCode;
  readonly message: string;
  readonly retryable: boolean;
  readonly cause: { readonly message: string; readonly code: string | null } | null;
}

export type SendReply =
  | {
      readonly type: 'answered';
      readonly job: number;
      readonly status: number;
      readonly headers: IncomingHttpHeaders;
      /** Its beginning where it is longer than `answerLimitBytes`. */
      readonly body: Uint8Array<ArrayBuffer>;
      /** What became of the rest of the body; null: it is whole. */
      readonly broken: SendFailure | null;
    }
  | { readonly type: 'failed'; readonly job: number; readonly failure: SendFailure };

/** Answers to uploads are a line of JSON. A longer one comes with more than this, so that it is seen to be too long. */
export const answerLimitBytes = 1024 * 1024;
