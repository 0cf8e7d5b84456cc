// Thread of the codec pool: keeps the streams that were given to it and answers each request in order. Started by
// `codec-pool.ts` only.

import { parentPort } from 'node:worker_threads';
import type { CodecReply, CodecRequest } from './codec-messages.ts';
import { CodecStream } from './codec-stream.ts';

const streams = new Map<number, CodecStream>();

function streamOf(number: number): CodecStream {
  const stream = streams.get(number) ?? new CodecStream();
  streams.set(number, stream);
  return stream;
}

function answer(request: Exclude<CodecRequest, { type: 'close' }>): CodecReply {
  const stream = streamOf(request.stream);
  const { job } = request;
  if (request.type === 'push')
    return { type: 'pushed', job, block: stream.push(request.block, request.last) };
  return { type: 'encoded', job, lengths: stream.encode(request.wanted, request.target) };
}

const port = parentPort;
port?.on('message', (request: CodecRequest) => {
  if (request.type === 'close') {
    streams.delete(request.stream);
    return;
  }
  try {
    port.postMessage(answer(request));
  } catch (error) {
    const message = error instanceof Error ? error.message : 'unknown cause';
    port.postMessage({ type: 'failed', job: request.job, message } satisfies CodecReply);
  }
});
