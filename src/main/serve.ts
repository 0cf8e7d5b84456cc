// `hubdrive serve`: the host without Electron, in this process, until a signal or `host:quit`. Prints one JSON line when it is ready.

import { isIP } from 'node:net';
import { parseArgs } from 'node:util';
import type { Log } from '../shared/log.ts';
import { findAppFiles } from './app-files.ts';
import { currentPlaces, lockDataDir } from './files/data-dir.ts';
import { hubEndpoint } from './account/endpoint.ts';
import { readHostVersion } from './host-version.ts';
import { openHostLog } from './files/log.ts';
import { problemOf } from './problem.ts';
import { ServedHosts } from './served-hosts.ts';

interface ServeOptions {
  readonly endpoint: string;
  readonly demo: boolean;
  /** 0: any free one. */
  readonly panelPort: number;
  readonly listenHost: string;
}

/** Resolves with the exit code: 0 after a clean end, 1 when it cannot start, 2 for wrong arguments. */
export async function runServe(args: readonly string[]): Promise<number> {
  let options: ServeOptions;
  try {
    options = readArguments(args);
  } catch (error) {
    process.stderr.write(`hubdrive serve: ${error instanceof Error ? error.message : String(error)}\n`);
    return 2;
  }
  try {
    await serve(options);
    return 0;
  } catch (error) {
    process.stderr.write(`hubdrive serve: ${problemOf(error).message}\n`);
    return 1;
  }
}

function readArguments(args: readonly string[]): ServeOptions {
  const { values } = parseArgs({
    args: [...args],
    options: {
      endpoint: { type: 'string' },
      demo: { type: 'boolean', default: false },
      'panel-port': { type: 'string', default: '0' },
      listen: { type: 'string', default: '127.0.0.1' },
    },
  });
  if (values.demo && values.endpoint !== undefined)
    throw new Error('--demo brings its own Hub; leave --endpoint out');
  if (isIP(values.listen) === 0) throw new Error(`--listen "${values.listen}" is not an IP address`);
  const panelPort = Number(values['panel-port']);
  if (!(Number.isSafeInteger(panelPort) && panelPort >= 0 && panelPort < 65_536)) {
    throw new Error(`--panel-port "${values['panel-port']}" is not a port`);
  }
  const endpoint = hubEndpoint(process.env, values.endpoint);
  return { endpoint, demo: values.demo, panelPort, listenHost: values.listen };
}

async function serve(options: ServeOptions): Promise<void> {
  const places = currentPlaces();
  const lock = await lockDataDir(places);
  const log = await openHostLog({ logDir: places.logDir, level: 'info', terminal: process.stderr });
  let hosts: ServedHosts | null = null;
  try {
    const version = readHostVersion();
    hosts = await ServedHosts.open({
      places,
      version,
      endpoint: options.endpoint,
      demo: options.demo,
      panelPort: options.panelPort,
      rendererDir: findAppFiles().rendererDir,
      listenHost: options.listenHost,
      log,
      env: process.env,
    });
    warnAbout(options, log);
    const stopSignals = quitOnSignals(hosts, log);
    await hosts.run(({ endpoint, demo, controlSocketPath, panelAddress }) => {
      const about = { ready: true, pid: process.pid, version, endpoint, demo, dataDir: places.dataDir };
      const ready = { ...about, control: controlSocketPath, panel: panelAddress };
      process.stdout.write(`${JSON.stringify(ready)}\n`);
    });
    stopSignals();
    log.info('The host has ended');
  } finally {
    await hosts?.close();
    lock.release();
    await log.close();
  }
}

function warnAbout({ listenHost }: ServeOptions, log: Log): void {
  if (listenHost === '127.0.0.1') return;
  log.warn(
    `NFS servers listen on ${listenHost}: whoever reaches it and learns an export path reads and writes your files. For tests only`,
  );
}

/** A Ctrl-C reaches this process from the terminal and again through a launcher that passes signals on. */
const sameSignalMs = 700;

/** The first signal drains, the second keeps the rest for the next start, the third leaves at once. */
function quitOnSignals(hosts: ServedHosts, log: Log): () => void {
  let count = 0;
  let last: { readonly signal: NodeJS.Signals; readonly at: number } | null = null;
  const onSignal = (signal: NodeJS.Signals) => {
    const at = performance.now();
    if (last?.signal === signal && at - last.at < sameSignalMs) return;
    last = { signal, at };
    count += 1;
    if (count > 2) process.exit(1);
    const how = count === 1 ? 'sending what is pending, then unmounting' : 'unmounting now; the rest is kept';
    log.info(`${signal}: ${how}`);
    hosts.quit(count > 1);
  };
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
  for (const signal of signals) process.on(signal, onSignal);
  return () => {
    for (const signal of signals) process.off(signal, onSignal);
  };
}
