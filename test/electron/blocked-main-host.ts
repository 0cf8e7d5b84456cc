// A host whose main thread can be blocked, as a native menu or a long collection would: prints where its mount is served; on each line of
// input blocks the thread for that many milliseconds and says when it began and ended. Run by blocked-main.test.ts in a process of its own.

import { createInterface } from 'node:readline';
import { startDemoHub } from '../../src/main/account/demo-hub.ts';
import { createWorkerEngines } from '../../src/main/engine/worker-engines.ts';
import { startHost } from '../../src/main/host.ts';
import { serverOnlyDriver } from '../../src/main/system/os-mount.ts';
import { demoToken } from '../../src/main/account/token-source.ts';
import { silentLog as log } from '../../src/shared/log.ts';

const [, , dir = ''] = process.argv;
const hub = await startDemoHub(dir);
const tokens = demoToken(hub.token);
const host = await startHost({
  places: {
    dataDir: dir,
    cacheDir: `${dir}/cache`,
    logDir: `${dir}/logs`,
    controlSocketDir: dir,
    controlSocketPath: `${dir}/control.sock`,
  },
  version: 'test',
  endpoint: hub.endpoint,
  demo: true,
  tokens,
  createEngine: createWorkerEngines({ tokens, log, logLevel: () => 'error' }),
  driver: serverOnlyDriver,
  log,
});
const mount = await host.handlers['mounts:mount'](
  { source: 'bucket/demo/project', mountPoint: null, readOnly: false, revision: null, serverOnly: true },
  { gone: new AbortController().signal, push: () => undefined },
);
say({ nfs: mount.nfs });

for await (const line of createInterface({ input: process.stdin })) {
  const began = Date.now();
  say({ began });
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, Number(line));
  say({ began, ended: Date.now() });
}
await host.quit(true);
await hub.close();

function say(message: object): void {
  process.stdout.write(`${JSON.stringify(message)}\n`);
}
