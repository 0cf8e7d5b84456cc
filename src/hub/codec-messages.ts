// What the codec pool and its workers say to one another. Data only; blocks are transferred and targets shared, so that
// nothing large is copied.

import type { ChunkedBlock, EncodedRun } from './codec-stream.ts';
import type { Block, SharedBuffer } from './upload-buffers.ts';

export type CodecRequest =
  | {
      readonly type: 'push';
      readonly job: number;
      readonly stream: number;
      readonly block: Block;
      readonly last: boolean;
    }
  | {
      readonly type: 'encode';
      readonly job: number;
      readonly stream: number;
      readonly wanted: Uint8Array;
      readonly target: SharedBuffer;
      readonly at: number;
    }
  | { readonly type: 'close'; readonly stream: number };

export type CodecReply =
  | { readonly type: 'pushed'; readonly job: number; readonly block: ChunkedBlock }
  | { readonly type: 'encoded'; readonly job: number; readonly run: EncodedRun }
  | { readonly type: 'failed'; readonly job: number; readonly message: string };
