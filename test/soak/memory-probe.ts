// Loaded into every thread of the host under soak before anything else: collects the garbage now and then and writes down what is
// left, so that growth is not hidden in garbage, nor garbage taken for growth. Used by soak-host.ts.

import { appendFileSync } from 'node:fs';
import { getHeapStatistics } from 'node:v8';
import { isMainThread, threadId } from 'node:worker_threads';

const everyMs = 10_000;
const file = process.env['HUBDRIVE_SOAK_MEMORY'];
const isHost = !isMainThread || process.argv.includes('serve');

if (file !== undefined && isHost) {
  setInterval(() => {
    globalThis.gc?.();
    const { used_heap_size: heapBytes } = getHeapStatistics();
    const { external: externalBytes } = process.memoryUsage();
    const line = { atMs: Date.now(), pid: process.pid, thread: threadId, heapBytes, externalBytes };
    appendFileSync(file, `${JSON.stringify(line)}\n`);
  }, everyMs).unref();
}
