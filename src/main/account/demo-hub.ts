// Runs the embedded Hub in a thread of its own, on the same data and, where free, the same port at every start. Used by `serve --demo`.

import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { integer, object, text } from '../../shared/arguments.ts';
import { replaceFile } from '../files/atomic-file.ts';
import { errnoOf } from '../problem.ts';
import { isPortFree } from '../system/ports.ts';

export interface DemoHub {
  readonly endpoint: string;
  readonly token: string;
  close(): Promise<void>;
}

const workerUrl = new URL(import.meta.url.replace(/demo-hub\.(ts|js)$/, 'demo-hub-worker.$1'));
const parseReady = object({ endpoint: text(200), token: text(200), port: integer(1, 65_535) });

export async function startDemoHub(dataDir: string): Promise<DemoHub> {
  const portPath = join(dataDir, 'demo-hub.port');
  const hubDataDir = join(dataDir, 'demo-hub');
  const port = await rememberedPort(portPath);
  const worker = new Worker(workerUrl, { workerData: { dataDir: hubDataDir, port }, name: 'demo hub' });
  const exited = new Promise<void>((resolve) => worker.once('exit', () => resolve()));
  const ready = await new Promise<unknown>((resolve, reject) => {
    worker.once('message', resolve);
    worker.once('error', reject);
  });
  const hub = parseReady(ready, 'demo hub');
  await replaceFile(portPath, `${hub.port}\n`, 0o600);
  return {
    endpoint: hub.endpoint,
    token: hub.token,
    close: async () => {
      worker.postMessage('close');
      await exited;
    },
  };
}

async function rememberedPort(path: string): Promise<number> {
  try {
    const port = Number(await readFile(path, 'utf8'));
    return Number.isSafeInteger(port) && port > 0 && port < 65_536 && (await isPortFree('127.0.0.1', port))
      ? port
      : 0;
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return 0;
    throw error;
  }
}
