import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, readdirSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { ContentBench, pattern, withBench } from '../support/content-bench.ts';

function stagingFile(bench: ContentBench, ino: number): string {
  const folder = join(bench.dataDir, 'staging');
  const name = readdirSync(folder).find((one) => one.startsWith(`${ino}-`));
  return join(folder, name ?? assert.fail(`inode ${ino} has no staging file`));
}

describe('recovery of staged files', () => {
  it('sets aside what the index does not name, and deletes only what is empty', async () => {
    await withBench({}, async (bench) => {
      await bench.close();
      mkdirSync(join(bench.dataDir, 'staging'), { recursive: true });
      writeFileSync(join(bench.dataDir, 'staging', '77-5.dat'), 'somebody wrote this');
      writeFileSync(join(bench.dataDir, 'staging', '78-6.dat'), '');
      await bench.restart();
      assert.deepEqual(readdirSync(join(bench.dataDir, 'staging')), []);
      assert.deepEqual(readdirSync(join(bench.dataDir, 'set-aside')), ['77-5.dat']);
      assert.equal(readFileSync(join(bench.dataDir, 'set-aside', '77-5.dat'), 'utf8'), 'somebody wrote this');
      assert.deepEqual(bench.warnings, ['a staging file was set aside']);
      // Its number is never given to another file.
      bench.inodes.add(77, null);
      await bench.write(77, 0, 'new');
      assert.match(stagingFile(bench, 77), /77-7\.dat$/);
    });
  });

  it('isolates a file whose staged bytes are missing or cut, names it, and serves the rest', async () => {
    await withBench({}, async (bench) => {
      for (const ino of [1, 2, 3]) {
        bench.inodes.add(ino, null);
        await bench.write(ino, 0, pattern(10_000, ino));
        await bench.store.commit(ino);
      }
      const [missing, cut] = [stagingFile(bench, 1), stagingFile(bench, 2)];
      await bench.close();
      rmSync(missing);
      truncateSync(cut, 4000);
      await bench.restart();
      await assert.rejects(bench.read(1), { code: 'EIO' });
      await assert.rejects(bench.read(2), { code: 'EIO', message: /file-2.*set-aside/ });
      await assert.rejects(bench.write(2, 0, 'x'), { code: 'EIO' });
      await assert.rejects(bench.store.snapshot(2) as Promise<unknown>, { code: 'EIO' });
      assert.deepEqual(await bench.read(3), pattern(10_000, 3));
      assert.deepEqual(
        bench.events.map(({ kind, path }) => [kind, path]),
        [
          ['ERROR', 'file-1'],
          ['ERROR', 'file-2'],
        ],
      );
      const kept = readdirSync(join(bench.dataDir, 'set-aside'));
      assert.equal(kept.length, 1);
      assert.deepEqual(
        readFileSync(join(bench.dataDir, 'set-aside', kept[0] ?? '')),
        pattern(10_000, 2).subarray(0, 4000),
      );
      await bench.restart();
      await assert.rejects(bench.read(2), { code: 'EIO' });
      // Emptying it, as a program does before it writes a file anew, makes it usable again.
      await bench.truncate(2, 0);
      await bench.write(2, 0, 'fresh');
      await bench.store.commit(2);
      bench.store.forget(1);
      await bench.restart();
      assert.equal(await bench.readText(2), 'fresh');
      assert.equal(bench.store.isStaged(1), false);
    });
  });

  it('trusts only what was committed, even where the file has more', async () => {
    await withBench({}, async (bench) => {
      bench.inodes.add(1, bench.remote.put('a', 'remote bytes'));
      await bench.write(1, 0, 'LOCAL');
      await bench.store.commit(1);
      await bench.write(1, 7, 'X');
      const folder = bench.image();
      const killed = await ContentBench.open({ folder, inodes: bench.inodes, remote: bench.remote });
      try {
        assert.equal(await killed.readText(1), 'LOCALe bytes');
      } finally {
        await killed.dispose();
      }
    });
  });

  it('starts with 1,000 staged files quickly and reads no index before it is needed', async () => {
    await withBench({}, async (bench) => {
      const count = 1000;
      for (let ino = 1; ino <= count; ino++) {
        bench.inodes.add(ino, null);
        await bench.write(ino, 0, `content of ${ino}`);
        await bench.write(ino, 1000, 'end');
      }
      await bench.restart();
      const folder = bench.image();
      const startedAt = performance.now();
      const again = await ContentBench.open({ folder, inodes: bench.inodes });
      const durationMs = performance.now() - startedAt;
      try {
        assert.equal(again.store.staged().length, count);
        assert.equal((await again.read(500, 0, 14)).toString(), 'content of 500');
        assert.ok(durationMs < 2000, `${durationMs} ms`);
      } finally {
        await again.dispose();
      }
    });
  });

  it('forgets a discarded change only with its transaction', async () => {
    await withBench({}, async (bench) => {
      bench.inodes.add(1, bench.remote.put('a', 'remote'));
      await bench.write(1, 0, 'LOCAL');
      await bench.store.commit(1);
      assert.throws(() =>
        bench.database.transaction(() => {
          bench.store.forget(1);
          assert.equal(bench.store.isStaged(1), false);
          throw new Error('the caller changed its mind');
        }),
      );
      assert.equal(await bench.readText(1), 'LOCALe');
      bench.database.transaction(() => bench.store.forget(1));
      assert.equal(await bench.readText(1), 'remote');
      await bench.restart();
      assert.equal(await bench.readText(1), 'remote');
      assert.deepEqual(readdirSync(join(bench.dataDir, 'staging')), []);
    });
  });

  it('keeps a version that was sent in a transaction that rolled back', async () => {
    await withBench({}, async (bench) => {
      bench.inodes.add(1, null);
      await bench.write(1, 0, 'version');
      const snapshot = await bench.store.snapshot(1);
      const content = bench.remote.put('a', 'version');
      assert.ok(snapshot !== null);
      assert.throws(() =>
        bench.database.transaction(() => {
          snapshot.committed(content);
          throw new Error('disk full');
        }),
      );
      assert.ok(bench.store.isStaged(1));
      assert.equal(await bench.readText(1), 'version');
      assert.equal(bench.database.transaction(() => snapshot.committed(content)).clean, true);
      bench.inodes.bases.set(1, content);
      await bench.restart();
      assert.equal(await bench.readText(1), 'version');
      assert.equal(bench.remote.fetchedBytes, 0, 'the sent bytes became cache');
    });
  });

  it('gives a version of a new file that nobody wrote to', async () => {
    await withBench({}, async (bench) => {
      bench.inodes.add(1, null);
      assert.equal((await bench.send(1))?.clean, true);
      bench.inodes.add(2, bench.remote.put('b', 'text'));
      assert.equal(await bench.send(2), null);
    });
  });
});
