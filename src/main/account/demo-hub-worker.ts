// Thread entry of the embedded Hub, for `serve --demo`: starts it, says where it is, closes it when told.

import { parentPort, workerData } from 'node:worker_threads';
import { startLocalHub } from '../../hub-local/local-hub.ts';
import { integer, object, text } from '../../shared/arguments.ts';

const port = parentPort;
if (port === null) throw new Error('demo-hub-worker.ts runs as a thread only');
const options = object({ dataDir: text(4096), port: integer(0, 65_535) })(workerData, 'demo hub');
const hub = await startLocalHub({ ...options, seed: 'demo' });
port.postMessage({ endpoint: hub.endpoint, token: hub.token, port: hub.port });
port.once('message', () => {
  void hub.close().finally(() => process.exit());
});
