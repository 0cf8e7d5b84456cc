import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { EngineClient } from '../../src/main/engine/engine-client.ts';
import { EngineError } from '../../src/main/engine/engine.ts';
import type { EngineListener, EngineSpec, EngineStatus } from '../../src/main/engine/engine.ts';
import { choosePort, readEphemeralRange } from '../../src/main/system/ports.ts';
import type { ActivityEvent } from '../../src/shared/activity.ts';
import { silentLog } from '../../src/shared/log.ts';
import { openHub } from '../support/local-hub.ts';
import { Nfs3Client } from '../support/nfs-client.ts';

async function surroundings(t: TestContext) {
  const hub = await openHub(t, { seed: 'demo' });
  const dir = await mkdtemp(join(tmpdir(), 'hubdrive-engine-'));
  t.after(() => rm(dir, { recursive: true, force: true }));
  const spec: EngineSpec = {
    endpoint: hub.endpoint,
    source: 'bucket/demo/project',
    revision: null,
    readOnly: false,
    dataDir: join(dir, 'data'),
    cacheDir: join(dir, 'cache'),
    cacheLimitBytes: 2 ** 30,
    pollIntervalMs: 30_000,
    owner: { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 },
    hostName: 'here',
    userAgent: 'hubdrive/test',
  };
  const port = await choosePort({
    host: '127.0.0.1',
    taken: new Set(),
    ephemeral: await readEphemeralRange(process.platform),
  });
  return { hub, spec, port };
}

function recorder() {
  const seen = { lost: 0, statuses: [] as EngineStatus[], events: [] as ActivityEvent[] };
  const listener: EngineListener = {
    status: (status) => seen.statuses.push(status),
    activity: (events) => seen.events.push(...events),
    lost: () => void (seen.lost += 1),
  };
  return { seen, listener };
}

const never = new AbortController().signal;

function engineOf(spec: EngineSpec, listener: EngineListener, token: string | null): EngineClient {
  return new EngineClient({
    spec,
    listener,
    log: silentLog,
    logLevel: 'error',
    token: () => Promise.resolve(token),
  });
}

test('an engine in its thread serves a bucket, and a handle works in the next engine on the same data', async (t) => {
  const { hub, spec, port } = await surroundings(t);
  const { seen, listener } = recorder();
  const listen = { host: '127.0.0.1', port, exportPath: '/secret-one', peers: 'any' } as const;
  const first = engineOf(spec, listener, hub.token);
  const source = await first.open(never);
  assert.equal(source.name, 'demo/project');
  assert.equal(source.writable, true);
  assert.equal(await first.listen(listen), port);

  const client = await Nfs3Client.connect({ port, uid: spec.owner.uid });
  await assert.rejects(client.mount('/secret-one'), 'the window is closed');
  await first.setMountWindow(true);
  const root = await client.mount('/secret-one');
  await assert.rejects(client.mount('/other'));
  const file = await client.create(root, 'note.txt');
  await client.write(file, 0, Buffer.from('first '));
  await client.commit(file);
  await first.flush(never);
  await first.report();
  assert.ok(seen.events.some((event) => event.kind === 'WRITE' && event.path === 'note.txt'));
  assert.equal(seen.statuses.at(-1)?.pending.files, 0);
  await client.close();
  assert.deepEqual(await first.close(), { files: 0, bytes: 0 });
  assert.equal(seen.lost, 0);

  const second = engineOf(spec, listener, hub.token);
  await second.open(never);
  await second.listen(listen);
  const again = await Nfs3Client.connect({ port, uid: spec.owner.uid });
  await again.write(file, 6, Buffer.from('second'));
  assert.equal((await again.readAll(file)).toString(), 'first second');
  await again.close();
  await second.close();
});

test('a thread that dies is reported once and everything asked of it is refused', async (t) => {
  const { hub, spec } = await surroundings(t);
  const { seen, listener } = recorder();
  const crashing = new EngineClient({
    spec,
    listener,
    log: silentLog,
    logLevel: 'error',
    token: () => Promise.resolve(hub.token),
    workerUrl: new URL('data:text/javascript,setTimeout(() => { throw new Error("boom") }, 50)'),
  });
  await assert.rejects(crashing.open(never), (error) => {
    assert.ok(error instanceof EngineError && error.problem.code === 'engine');
    assert.match(error.message, /boom/);
    return true;
  });
  assert.equal(seen.lost, 1);
  await assert.rejects(crashing.pending(), EngineError);
  await assert.rejects(crashing.close(), EngineError);
});

test('what the Hub refuses is told with its code', async (t) => {
  const { hub, spec } = await surroundings(t);
  const { listener } = recorder();
  const missing = engineOf({ ...spec, source: 'bucket/demo/nothing-here' }, listener, hub.token);
  await assert.rejects(
    missing.open(never),
    (error) => error instanceof EngineError && error.problem.code === 'source-not-found',
  );
  await missing.close();
});

test('an open that is aborted ends soon and leaves nothing behind', async (t) => {
  const { hub, spec } = await surroundings(t);
  hub.faults.add({ route: '*', latencyMs: 60_000 });
  const { listener } = recorder();
  const engine = engineOf(spec, listener, hub.token);
  const abort = new AbortController();
  const opening = engine.open(abort.signal);
  abort.abort();
  await assert.rejects(opening, EngineError);
  await engine.close();
});
