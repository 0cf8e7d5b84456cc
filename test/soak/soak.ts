// `npm run soak -- MINUTES`: programs work on a mount while the Hub fails, another client changes files, and the host is killed
// and started again; in the end mount, model and Hub must be equal, and the host's memory and descriptors flat. Prints a table of
// figures; ends with 1 on any difference. HUBDRIVE_SOAK_SEED repeats the choices of a run;
// HUBDRIVE_SOAK_KILLING is the part of the time in which the host is killed.

import assert from 'node:assert/strict';
import { setTimeout as delay } from 'node:timers/promises';
import { digestOf } from '../crash/ledger.ts';
import { openWindowMs } from '../../src/vfs/namespace/namespace-remote.ts';
import { randomOf } from '../support/random.ts';
import { SoakClient } from './soak-client.ts';
import { SoakFaults } from './soak-faults.ts';
import { bucket, SoakHost, type Sample } from './soak-host.ts';
import { judgeMemory } from './soak-memory.ts';
import { SoakRival } from './soak-rival.ts';
import { SoakVisitor } from './soak-visitor.ts';

const clientCount = 4;
const rivalCount = 3;
/** Then the host lives to the end, so that growth can be seen. */
const killingShare = Number(process.env['HUBDRIVE_SOAK_KILLING'] ?? 0.5);
const betweenKillsMs = 25_000;
const settlePatienceMs = 180_000;
const descriptorSlack = 16;

interface Figures {
  readonly rows: (readonly [string, string])[];
  readonly differences: string[];
}

async function soak(minutes: number, seed: number): Promise<Figures> {
  const figures: Figures = { rows: [], differences: [] };
  const hubErrors: unknown[] = [];
  const host = await SoakHost.open((error) => hubErrors.push(error));
  try {
    const root = await host.root();
    const clients = Array.from(
      { length: clientCount },
      (_, index) => new SoakClient(host, root, `client ${index}`, randomOf(seed * 100 + index)),
    );
    const visitor = new SoakVisitor(host, root, randomOf(seed * 100 + 50));
    const faults = new SoakFaults(host.hub.faults, randomOf(seed * 100 + 60));
    for (const client of clients) await client.open();
    await visitor.open();
    const rivals = Array.from(
      { length: rivalCount },
      (_, index) => new SoakRival(host, root, randomOf(seed * 100 + 80 + index), index),
    );
    for (const rival of rivals) await rival.open();

    const startedAt = performance.now();
    const endsAt = startedAt + minutes * 60_000;
    const killsEndAt = startedAt + minutes * 60_000 * killingShare;
    const works = [
      ...clients.map((client) => client.work(endsAt)),
      visitor.work(endsAt),
      ...rivals.map((rival) => rival.work(endsAt)),
      faults.work(endsAt),
      killNowAndThen(host, killsEndAt, randomOf(seed * 100 + 70)),
    ];
    for (const result of await Promise.allSettled(works)) {
      if (result.status === 'rejected') figures.differences.push(describe(result.reason));
    }
    host.hub.faults.clear();
    const settledAfterMs = await settle(host, figures.differences);
    await compare({ host, clients, visitor, rivals }, figures.differences);
    if (hubErrors.length > 0)
      figures.differences.push(`the embedded Hub had internal errors: ${describe(hubErrors[0])}`);
    report(figures, { host, clients, visitor, rivals, faults, settledAfterMs });
    for (const { connection } of [...clients, visitor, ...rivals]) await connection.close();
  } finally {
    await host.close();
  }
  return figures;
}

async function killNowAndThen(host: SoakHost, untilMs: number, random: () => number): Promise<void> {
  for (;;) {
    const pauseMs = betweenKillsMs * (0.4 + random());
    if (performance.now() + pauseMs > untilMs) return;
    await delay(pauseMs);
    await host.kill();
    await host.start();
  }
}

/** Sends everything. Resolves to how long that took. */
async function settle(host: SoakHost, differences: string[]): Promise<number> {
  const startedAt = performance.now();
  let problem = '';
  while (performance.now() - startedAt < settlePatienceMs) {
    const flushed = await host.run(['flush']);
    const pending = (await host.status())?.pending;
    if (flushed.code === 0 && pending?.files === 0) return performance.now() - startedAt;
    problem = `${flushed.err.trim()} ${JSON.stringify(pending)}`;
    await delay(500);
  }
  differences.push(`not everything was sent within ${settlePatienceMs / 1000} s: ${problem}`);
  return settlePatienceMs;
}

async function compare({ host, clients, visitor, rivals }: Sides, differences: string[]): Promise<void> {
  const hub = await host.hub.content.digests(bucket);
  const expected = new Map<string, string>();
  for (const client of clients) {
    for (const [path, file] of client.ledger.names.files) {
      expected.set(`${client.folder}/${path}`, digestOf(file.bytes));
    }
    await note(differences, `${client.folder} on the mount`, () => client.check());
  }
  for (const [path, digest] of visitor.files) expected.set(path, digest);
  for (const [path, digest] of expected) {
    if (hub.get(path) !== digest)
      differences.push(`"${path}" on the Hub is ${hub.has(path) ? 'different' : 'missing'}`);
  }
  for (const path of hub.keys()) {
    if (!expected.has(path) && !path.startsWith('contested/'))
      differences.push(`"${path}" on the Hub is too many`);
  }
  for (const [path, digests] of [visitor, ...rivals].flatMap(({ contests }) => [...contests])) {
    const found = [...hub].filter(([each]) => each.startsWith(path)).map(([, digest]) => digest);
    for (const digest of digests) {
      if (!found.includes(digest)) differences.push(`a version of "${path}" was lost in a conflict`);
    }
  }
  await note(differences, 'the mount', () => compareMount(visitor, hub));
}

/** Every path and byte of the mount against the Hub. Read once only: a file that was just read counts as open and stays as it is. */
async function compareMount(visitor: SoakVisitor, hub: ReadonlyMap<string, string>): Promise<void> {
  await delay(openWindowMs + 1000);
  const names = [...hub.keys()].sort();
  for (const startedAt = performance.now(); performance.now() - startedAt < 30_000; await delay(1000)) {
    const found = await visitor.namesOnMount();
    if (found.sort().join('\n') === names.join('\n')) break;
  }
  const found = (await visitor.readEverything()).map(([path, digest]) => `${path} ${digest}`);
  assert.deepEqual(found.sort(), [...hub].map(([path, digest]) => `${path} ${digest}`).sort());
}

async function note(differences: string[], what: string, work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    differences.push(`${what}: ${describe(error)}`);
  }
}

function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const cause = error.cause === undefined ? '' : `; ${describe(error.cause)}`;
  return `${error.stack ?? error.message}${cause}`;
}

interface Sides {
  readonly host: SoakHost;
  readonly clients: readonly SoakClient[];
  readonly visitor: SoakVisitor;
  readonly rivals: readonly SoakRival[];
}

interface Run extends Sides {
  readonly faults: SoakFaults;
  readonly settledAfterMs: number;
}

function report(
  { rows, differences }: Figures,
  { host, clients, visitor, rivals, faults, settledAfterMs }: Run,
): void {
  const operations = new Map<string, number>();
  for (const { counts } of clients) {
    for (const [what, count] of Object.entries(counts))
      operations.set(what, (operations.get(what) ?? 0) + count);
  }
  const sum = (pick: (client: SoakClient) => number): number =>
    clients.reduce((total, one) => total + pick(one), 0);
  rows.push(['NFS calls', String(sum((client) => client.connection.calls) + visitor.connection.calls)]);
  rows.push(['JUKEBOX waits', String(sum((client) => client.connection.waits) + visitor.connection.waits)]);
  for (const [what, count] of operations) rows.push([what, String(count)]);
  rows.push(['MiB written', mebibytes(sum((client) => client.bytesWritten))]);
  rows.push(['changes by another Hub client', String(visitor.changes)]);
  rows.push(['reads of its files', String(visitor.reads)]);
  const contests = [visitor, ...rivals].reduce((total, one) => total + one.contests.size, 0);
  rows.push(['paths that both sides wrote', String(contests)]);
  rows.push(['kills of the host', String(host.kills)]);
  for (const [name, count] of [...faults.counts].sort()) rows.push([`fault: ${name}`, String(count)]);
  rows.push(['files on the Hub at the end', String(host.hub.content.listFiles(bucket).length)]);
  rows.push(['seconds until everything was sent', (settledAfterMs / 1000).toFixed(1)]);
  const last = host.samples.at(-1);
  if (last === undefined) {
    rows.push(['memory and descriptors', 'not told by this system']);
    return;
  }
  const life = host.samples.filter(({ pid }) => pid === last.pid);
  // The first third warms up: caches fill to their limits.
  const early = life.slice(Math.floor(life.length / 3), Math.floor(life.length / 2));
  const late = life.slice(-early.length);
  const descriptors = [early, late].map((samples) => median(samples, (sample) => sample.descriptors));
  const memory = judgeMemory(life, host.probePath);
  rows.push(...memory.rows);
  differences.push(...memory.differences);
  rows.push(['descriptors of the last host, middle and end', descriptors.join(' → ')]);
  rows.push([
    'highest RSS of any host, MiB',
    mebibytes(Math.max(...host.samples.map(({ rssBytes }) => rssBytes))),
  ]);
  const [descriptorsEarly = 0, descriptorsLate = 0] = descriptors;
  if (descriptorsLate > descriptorsEarly + descriptorSlack)
    differences.push('the descriptors of the host grow');
}

function median(samples: readonly Sample[], pick: (sample: Sample) => number): number {
  const values = samples.map(pick).sort((a, b) => a - b);
  return values[Math.floor(values.length / 2)] ?? 0;
}

function mebibytes(bytes: number): string {
  return (bytes / 1024 / 1024).toFixed(0);
}

const minutes = Number(process.argv[2] ?? 2);
if (!(minutes > 0 && minutes <= 24 * 60)) {
  process.stderr.write('Usage: npm run soak -- MINUTES\n');
  process.exit(2);
}
const seed = Number(process.env['HUBDRIVE_SOAK_SEED'] ?? Date.now() % 1_000_000);
process.stdout.write(`soak: ${minutes} minutes, seed ${seed}\n`);
const { rows, differences } = await soak(minutes, seed);
for (const [name, value] of rows) process.stdout.write(`${name.padEnd(46)} ${value}\n`);
for (const difference of differences) process.stdout.write(`DIFFERENCE ${difference}\n`);
process.stdout.write(differences.length === 0 ? 'mount, model and Hub are equal\n' : 'the soak FAILED\n');
process.exitCode = differences.length === 0 ? 0 : 1;
