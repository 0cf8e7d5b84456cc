// Entry of an engine thread: joins the runtime to the real Hub client, file system and NFS server. Runs only as a worker.

import { parentPort, workerData } from 'node:worker_threads';
import { Bandwidth } from '../../hub/bandwidth.ts';
import { openHubStore } from '../../hub/hub-store.ts';
import { parseSource } from '../../hub/source.ts';
import { systemClock } from '../../shared/log.ts';
import { fileSystemOver } from './compose.ts';
import type { EngineWorkerData, ToEngine } from './engine-protocol.ts';
import { EngineRuntime } from './engine-runtime.ts';

const port = parentPort;
if (port === null) throw new Error('worker.ts runs as a thread only');
// Handed over by EngineClient of the same build.
const { spec, logLevel } = workerData as EngineWorkerData;
const runtime = new EngineRuntime({
  spec,
  logLevel,
  post: (message) => port.postMessage(message),
  clock: systemClock,
  openFileSystem: fileSystemOver(
    ({ endpoint, source, revision, userAgent, bandwidth }, stateDir, { token, log }, signal) =>
      openHubStore(
        {
          endpoint,
          token,
          source: parseSource(source, revision),
          stateDir,
          log,
          userAgent,
          ...(bandwidth === undefined ? {} : { http: { bandwidth: new Bandwidth(bandwidth) } }),
        },
        signal,
      ),
  ),
});
port.on('message', (message: ToEngine) => runtime.receive(message));
