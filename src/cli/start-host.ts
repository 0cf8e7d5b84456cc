// Finds the running host, or starts one that outlives this command. Used by every command that needs the host.

import { spawn } from 'node:child_process';
import { closeSync, mkdirSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ContractFailure } from '../shared/contract.ts';
import { Connection, currentPlaces } from './connection.ts';

const startDeadlineMs = 30_000;
const mainPath = fileURLToPath(import.meta.url).replace(/start-host\.(ts|js)$/, 'main.$1');

export async function connect(): Promise<Connection> {
  const connection = await Connection.open(currentPlaces().controlSocketPath);
  if (connection !== null) return connection;
  throw new ContractFailure({
    code: 'not-found',
    message:
      'No Hubdrive host is running. Start one with: hubdrive serve (or hubdrive mount SOURCE, which starts it)',
  });
}

export async function connectOrStart(): Promise<Connection> {
  const { controlSocketPath, dataDir } = currentPlaces();
  const running = await Connection.open(controlSocketPath);
  if (running !== null) return running;
  await startDetached(dataDir);
  return connect();
}

/** The new process has its own session and logs to the data directory; only its ready line comes back here. */
async function startDetached(dataDir: string): Promise<void> {
  mkdirSync(dataDir, { recursive: true, mode: 0o700 });
  const startLog = openSync(join(dataDir, 'start.log'), 'w', 0o600);
  const child = spawn(process.execPath, [...process.execArgv, mainPath, 'serve'], {
    detached: true,
    stdio: ['ignore', 'pipe', startLog],
    env: { UV_THREADPOOL_SIZE: '16', ...process.env },
    cwd: '/',
  });
  closeSync(startLog);
  const { stdout } = child;
  if (stdout === null) throw new Error('a piped child has no output');
  try {
    await new Promise<void>((resolve, reject) => {
      const fail = (why: string) =>
        reject(
          new ContractFailure({
            code: 'internal',
            message: `The host could not be started (${why}); see ${join(dataDir, 'start.log')}`,
          }),
        );
      const timer = setTimeout(() => fail('it was not ready in time'), startDeadlineMs);
      stdout.once('data', () => {
        clearTimeout(timer);
        resolve();
      });
      child.once('exit', (code) => {
        clearTimeout(timer);
        fail(`exit code ${code}`);
      });
      child.once('error', (error) => {
        clearTimeout(timer);
        fail(error.message);
      });
    });
  } finally {
    stdout.destroy();
    child.removeAllListeners('exit');
    child.unref();
  }
}
