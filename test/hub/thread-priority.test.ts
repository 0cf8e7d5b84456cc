import assert from 'node:assert/strict';
import { once } from 'node:events';
import { getPriority } from 'node:os';
import { test } from 'node:test';
import { Worker } from 'node:worker_threads';
import { standBack } from '../../src/hub/thread-priority.ts';

const isLinux = process.platform === 'linux';

test('a thread stands back behind the others of its process', { skip: !isLinux }, async () => {
  const code = `
    const { readlinkSync } = require('node:fs');
    const { parentPort } = require('node:worker_threads');
    import(${JSON.stringify(new URL('../../src/hub/thread-priority.ts', import.meta.url).href)}).then((module) => {
      module.standBack();
      parentPort.postMessage(Number(readlinkSync('/proc/thread-self').split('/').at(-1)));
      parentPort.once('message', () => parentPort.close());
    });`;
  const worker = new Worker(code, { eval: true });
  const before = getPriority();
  const [thread] = (await once(worker, 'message')) as [number];
  assert.equal(getPriority(thread), Math.min(19, Math.max(10, before)));
  assert.equal(getPriority(), before);
  worker.postMessage('end');
  await once(worker, 'exit');
});

test('the first thread of a process keeps its priority', () => {
  const before = getPriority();
  standBack();
  assert.equal(getPriority(), before);
});
