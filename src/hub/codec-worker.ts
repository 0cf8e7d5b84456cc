// Thread of the codec pool: keeps the streams that were given to it and answers each request in order. Started by
// `codec-pool.ts` only.

import { parentPort } from 'node:worker_threads';
import type { CodecReply, CodecRequest } from './codec-messages.ts';
import { CodecStream } from './codec-stream.ts';
import { standBack } from './thread-priority.ts';

const streams = new Map<number, CodecStream>();

function streamOf(number: number): CodecStream {
  const stream = streams.get(number) ?? new CodecStream();
  streams.set(number, stream);
  return stream;
}

function answer(request: Exclude<CodecRequest, { type: 'close' }>): {
  reply: CodecReply;
  transfer: ArrayBuffer[];
} {
  const stream = streamOf(request.stream);
  const { job } = request;
  if (request.type === 'push') {
    const block = stream.push(request.block, request.last);
    return { reply: { type: 'pushed', job, block }, transfer: [] };
  }
  const run = stream.encode(request.wanted, request.target, request.at);
  const transfer = run.blocks.map((block) => block.buffer);
  return { reply: { type: 'encoded', job, run }, transfer };
}

standBack();
const port = parentPort;
port?.on('message', (request: CodecRequest) => {
  if (request.type === 'close') {
    streams.delete(request.stream);
    return;
  }
  try {
    const { reply, transfer } = answer(request);
    port.postMessage(reply, transfer);
  } catch (error) {
    const message = error instanceof Error ? error.message : 'unknown cause';
    port.postMessage({ type: 'failed', job: request.job, message } satisfies CodecReply);
  }
});
