// Thread that checks one catalogue, says what it found and ends. Started by `catalogue-check.ts` only; writes nothing.

import { DatabaseSync } from 'node:sqlite';
import { parentPort, workerData } from 'node:worker_threads';
import { checkCatalogue } from './catalogue-check.ts';

const database = new DatabaseSync(String(workerData), { readOnly: true });
try {
  database.exec('PRAGMA busy_timeout = 2000');
  parentPort?.postMessage(checkCatalogue(database));
} finally {
  database.close();
}
