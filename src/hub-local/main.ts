// `hubdrive hub`: runs the embedded Hub alone in this process until SIGINT or SIGTERM. Also runnable by itself, which is
// how the kernel tests and the benchmarks start it.

import { homedir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { startLocalHub } from './local-hub.ts';

const usage = 'Usage: hubdrive hub [--port N] [--data DIR] [--seed demo|none] [--host ADDRESS]';

export interface HubCommandStreams {
  readonly out: (text: string) => void;
  readonly err: (text: string) => void;
}

/** Resolves with the exit code: 0 after a signal, 1 when it cannot start, 2 for wrong arguments. */
export async function runHubCommand(
  args: readonly string[],
  streams: HubCommandStreams = {
    out: (text) => process.stdout.write(text),
    err: (text) => process.stderr.write(text),
  },
): Promise<number> {
  let options: { port: number; dataDir: string; seed: 'demo' | 'none'; host: string };
  try {
    options = readArguments(args);
  } catch (error) {
    streams.err(`hubdrive hub: ${error instanceof Error ? error.message : String(error)}\n${usage}\n`);
    return 2;
  }
  const stopped = new Promise<void>((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => resolve());
  });
  try {
    const hub = await startLocalHub({
      ...options,
      onError: (error, requestId) => {
        streams.err(
          `${requestId}: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`,
        );
      },
    });
    streams.out(`${JSON.stringify({ endpoint: hub.endpoint, token: hub.token })}\n`);
    await stopped;
    await hub.close();
    return 0;
  } catch (error) {
    streams.err(`hubdrive hub: ${error instanceof Error ? error.message : String(error)}\n`);
    return 1;
  }
}

function readArguments(args: readonly string[]): {
  port: number;
  dataDir: string;
  seed: 'demo' | 'none';
  host: string;
} {
  const { values } = parseArgs({
    args: [...args],
    options: {
      port: { type: 'string', default: '0' },
      data: { type: 'string' },
      seed: { type: 'string', default: 'demo' },
      host: { type: 'string', default: '127.0.0.1' },
    },
  });
  const port = Number(values.port);
  if (!Number.isInteger(port) || port < 0 || port > 65_535)
    throw new Error(`--port "${values.port}" is not a port`);
  if (values.seed !== 'demo' && values.seed !== 'none')
    throw new Error(`--seed "${values.seed}" is not demo or none`);
  const home = process.env['HUBDRIVE_HOME'] ?? join(homedir(), '.local', 'share', 'hubdrive');
  return { port, dataDir: values.data ?? join(home, 'hub'), seed: values.seed, host: values.host };
}

if (import.meta.main) process.exitCode = await runHubCommand(process.argv.slice(2));
