// What the codec pool and its workers say to one another. Data only; buffers are transferred, not copied.

import type { EncodedChunks } from '../xet/chunk-encoder.ts';
import type { ChunkedBlock } from './codec-stream.ts';

export type CodecRequest =
  | {
      readonly type: 'push';
      readonly job: number;
      readonly stream: number;
      readonly block: Uint8Array;
      readonly last: boolean;
    }
  | { readonly type: 'encode'; readonly job: number; readonly stream: number; readonly wanted: Uint8Array }
  | { readonly type: 'close'; readonly stream: number };

export type CodecReply =
  | { readonly type: 'pushed'; readonly job: number; readonly block: ChunkedBlock }
  | { readonly type: 'encoded'; readonly job: number; readonly block: EncodedChunks }
  | { readonly type: 'failed'; readonly job: number; readonly message: string };
