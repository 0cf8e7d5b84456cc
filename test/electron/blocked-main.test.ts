import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { NfsEndpoint } from '../../src/shared/model.ts';
import { Nfs3Client } from '../support/nfs-client.ts';

const blockedMs = 5000;
/** A busy machine delays a call; a main thread that had a part in it would delay it to the end of the block. */
const slowestMs = 2500;

test(
  'with the main thread blocked for 5 s, reads, writes and commits go on',
  { timeout: 60_000 },
  async (t) => {
    const dir = await mkdtemp(join(tmpdir(), 'hubdrive-blocked-'));
    const program = fileURLToPath(new URL('./blocked-main-host.ts', import.meta.url));
    const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', program, dir], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    t.after(async () => {
      child.stdin.end();
      if (child.exitCode === null) await once(child, 'exit');
      await rm(dir, { recursive: true, force: true });
    });
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    const hear = async <T>(): Promise<T> => JSON.parse(String((await lines.next()).value)) as T;
    const { nfs } = await hear<{ nfs: NfsEndpoint }>();
    const client = await Nfs3Client.connect({ host: nfs.host, port: nfs.port, uid: process.getuid?.() ?? 0 });
    t.after(() => client.close());
    const root = await client.mount(nfs.exportPath);
    // Fetched from the Hub once, so that no request waits for a token from the main thread.
    const readme = await client.lookup(root, 'README.md');
    const original = await client.readAll(readme);

    child.stdin.write(`${blockedMs}\n`);
    const { began } = await hear<{ began: number }>();
    let rounds = 0;
    let slowest = 0;
    let last = '';
    while (Date.now() < began + blockedMs - 500) {
      const start = performance.now();
      last = `round ${rounds}`;
      const file = await client.create(root, `round-${rounds % 10}.txt`);
      await client.write(file, 0, last);
      await client.commit(file);
      assert.equal((await client.readAll(file)).toString().startsWith(last), true);
      assert.deepEqual(await client.readAll(readme), original);
      slowest = Math.max(slowest, performance.now() - start);
      rounds += 1;
    }
    assert.ok(Date.now() < began + blockedMs, 'all of it happened while the thread was blocked');
    const { ended } = await hear<{ ended: number }>();
    assert.ok(ended - began >= blockedMs, 'the thread really was blocked');
    assert.ok(rounds >= 5, `only ${rounds} rounds`);
    assert.ok(slowest < slowestMs, `one round took ${slowest} ms`);
    t.diagnostic(
      `${rounds} rounds of create, write, commit, read; the slowest took ${Math.round(slowest)} ms`,
    );
  },
);
