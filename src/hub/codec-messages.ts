// What the codec pool and its workers say to one another. Data only; blocks and targets are views of shared memory, so
// that nothing large is copied.

import type { ChunkedBlock } from './codec-stream.ts';

export type CodecRequest =
  | {
      readonly type: 'push';
      readonly job: number;
      readonly stream: number;
      readonly block: Uint8Array;
      readonly last: boolean;
    }
  | {
      readonly type: 'encode';
      readonly job: number;
      readonly stream: number;
      readonly wanted: Uint8Array;
      readonly target: Uint8Array;
    }
  | { readonly type: 'close'; readonly stream: number };

export type CodecReply =
  | { readonly type: 'pushed'; readonly job: number; readonly block: ChunkedBlock }
  | { readonly type: 'encoded'; readonly job: number; readonly lengths: Uint32Array }
  | { readonly type: 'failed'; readonly job: number; readonly message: string };
