// `npm start`, `npm test`, `npm run check` … from a fresh clone: does the set-up each needs, then hands over. Plain JavaScript for
// Node 20; everything after the set-up runs on Node 24.
import { spawn } from 'node:child_process';
import { existsSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import {
  ensureDependencies,
  fail,
  findNode,
  nodeEnvironment,
  nodeFlags,
  rootDir,
  runOrExit,
  say,
} from './node-runtime.mjs';
import { fetchElectron, findElectron, noDesktopReason, publishWords, universalParts } from './desktop.mjs';

const [command = '', ...rest] = process.argv.slice(2);
const bin = (name) => join(rootDir, 'node_modules', '.bin', name);

/** Test files below `directory`, sorted so that runs are comparable. */
function testFiles(directory) {
  return readdirSync(join(rootDir, directory), { recursive: true })
    .filter((name) => name.endsWith('.test.ts'))
    .map((name) => join(directory, name))
    .sort();
}

/** Suites that own the machine, or `dist`, while they run and so come after the others, one by one. */
const lateSuites = ['kernel', 'panel', 'electron', 'packaging'];

function runTests(node, suites) {
  const known = readdirSync(join(rootDir, 'test'), { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && testFiles(join('test', entry.name)).length > 0)
    .map((entry) => entry.name);
  const unknown = suites.filter((suite) => !known.includes(suite));
  if (unknown.length > 0) fail(`no test suite "${unknown[0]}". There are: ${known.join(', ')}.`);
  const chosen = suites.length > 0 ? suites : known;
  const early = chosen
    .filter((suite) => !lateSuites.includes(suite))
    .flatMap((suite) => testFiles(join('test', suite)));
  const late = lateSuites.filter((suite) => chosen.includes(suite));
  const flags = [...nodeFlags, '--test', '--test-timeout=1200000'];
  if (early.length > 0) {
    say(`running ${early.length} test files …`);
    runOrExit(node, [...flags, '--test-concurrency=2', ...early]);
  }
  for (const suite of late) {
    say(`running the ${suite} tests …`);
    runOrExit(node, [...flags, '--test-concurrency=1', ...testFiles(join('test', suite))]);
  }
}

function check(node) {
  const steps = [
    ['format', bin('prettier'), ['--check', '--log-level=warn', '.']],
    ['types and layers', bin('tsc'), ['-b']],
    ['lint', bin('oxlint'), ['--type-aware', '--deny-warnings']],
    ['layer rules', node, [...nodeFlags, '--test', '--test-reporter=dot', 'scripts/*.test.ts']],
    ['dead code', bin('knip'), ['--no-progress']],
  ];
  for (const [name, program, args] of steps) {
    say(`check: ${name}`);
    runOrExit(program, args);
  }
}

/** Newest change below `directory`, in milliseconds since the epoch. */
function newestChange(directory) {
  const times = readdirSync(join(rootDir, directory), { recursive: true }).map(
    (name) => statSync(join(rootDir, directory, name)).mtimeMs,
  );
  return Math.max(...times);
}

/** The emitted JavaScript is what Electron runs; the compiler skips what has not changed. */
function buildAll() {
  runOrExit(bin('tsc'), ['-b']);
  buildPanel();
  buildPreload();
}

/** Shows the desktop app where that is possible; says why not and goes on without a window where it is not. */
function start(node) {
  const isHeadlessWanted = rest.includes('--headless');
  if (isHeadlessWanted) rest.splice(rest.indexOf('--headless'), 1);
  const reason = isHeadlessWanted ? 'without a window, as asked' : noDesktopReason();
  const electron = reason === null ? (findElectron() ?? fetchElectron()) : null;
  if (electron === null) {
    ensurePanel();
    startHeadless(node, reason ?? 'Electron is not installed');
    return;
  }
  say('building …');
  runOrExit(bin('tsc'), ['-b', 'src/main']);
  ensurePanel();
  buildPreload();
  startDesktop(node, electron);
}

/** A desktop app that ends at once could not start at all; its own words are on the terminal. */
const failedStartMs = 5000;

function startDesktop(node, electron) {
  say('Hubdrive is in the menu bar or tray; Ctrl+C here quits it.');
  const startedAt = Date.now();
  const child = spawn(electron, [rootDir, ...rest], { cwd: rootDir, stdio: 'inherit', env: nodeEnvironment });
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
  const giveUp = (why) => {
    ensurePanel();
    startHeadless(node, `the desktop app could not start (${why})`);
  };
  child.on('error', (error) => giveUp(error.message));
  child.on('exit', (code, signal) => {
    if (code !== 0 && signal === null && Date.now() - startedAt < failedStartMs) giveUp(`exit code ${code}`);
    else process.exit(code ?? 0);
  });
}

function packDesktop() {
  buildAll();
  if (process.platform === 'darwin') {
    runOrExit('npm', ['install', '--no-save', '--force', '--no-audit', '--no-fund', ...universalParts()]);
  }
  runOrExit(bin('electron-builder'), ['--config', 'electron-builder.yml', ...publishWords(), ...rest]);
}

/** Builds the panel's page unless the built one is newer than all it is made from. */
function ensurePanel() {
  const built = join(rootDir, 'dist/renderer/index.html');
  const isFresh =
    existsSync(built) &&
    statSync(built).mtimeMs > Math.max(newestChange('src/renderer'), newestChange('src/shared'));
  if (isFresh) return;
  say('building the panel …');
  buildPanel();
}

function buildPreload() {
  runOrExit(bin('vite'), ['build', '--config', 'src/preload/vite.config.ts', '--logLevel', 'warn']);
}

function buildPanel() {
  runOrExit(bin('vite'), ['build', '--config', 'src/renderer/vite.config.ts', '--logLevel', 'warn']);
}

/** Runs the host in the foreground on the embedded Hub and says in words what its one JSON line means. */
function startHeadless(node, reason) {
  say(`${reason}: running the host without a window, on the built-in demo Hub.`);
  const child = spawn(node, [...nodeFlags, 'src/cli/main.ts', 'serve', '--demo', ...rest], {
    cwd: rootDir,
    stdio: ['inherit', 'pipe', 'inherit'],
    env: nodeEnvironment,
  });
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
  let seen = '';
  child.stdout.setEncoding('utf8');
  child.stdout.on('data', (text) => {
    process.stdout.write(text);
    if (seen === null) return;
    seen += text;
    if (!seen.includes('\n')) return;
    const { panel } = JSON.parse(seen.slice(0, seen.indexOf('\n')));
    seen = null;
    if (panel) say(`ready. The panel, for a browser on this machine (good for one opening): ${panel}`);
    say('Or in another terminal:');
    say('  node scripts/hubdrive.mjs status');
    say(
      '  node scripts/hubdrive.mjs mount bucket/demo/project     (as root, or where sudo or pkexec may mount)',
    );
    say(
      '  node scripts/hubdrive.mjs mount bucket/demo/project --server-only     (no system mount; try: nfs-ls)',
    );
    say('Ctrl+C here stops it; nothing unsent is lost.');
  });
  child.on('exit', (code, signal) => process.exit(code ?? (signal === null ? 1 : 0)));
}

ensureDependencies();
const node = findNode();
switch (command) {
  case 'setup':
    say(`ready: Node from ${node}`);
    break;
  case 'start':
    start(node);
    break;
  case 'test':
    runTests(node, rest);
    break;
  case 'soak':
    runOrExit(node, [...nodeFlags, 'test/soak/soak.ts', ...rest]);
    break;
  case 'bench':
    runOrExit(node, [...nodeFlags, 'bench/bench.ts', ...rest]);
    break;
  case 'check':
    check(node);
    break;
  case 'build':
    buildAll();
    break;
  case 'dist':
    packDesktop();
    break;
  default:
    fail(`unknown command "${command}"; package.json lists them.`);
}
