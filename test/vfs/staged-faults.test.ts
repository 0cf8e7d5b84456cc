import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ContentBench, pattern, withBench } from '../support/content-bench.ts';
import { settle } from '../support/manual-clock.ts';
import { nodeDisk } from '../../src/vfs/storage/staging-disk.ts';
import type { StagingDisk } from '../../src/vfs/storage/staging-disk.ts';

function errno(code: string): Error {
  return Object.assign(new Error(`simulated ${code}`), { code });
}

/** A disk that holds `freeBytes` of new data; deleting a cache file gives its bytes back. */
class SmallDisk {
  freeBytes: number;
  readonly #sizes = new Map<string, number>();
  readonly #paths = new Map<number, string>();

  constructor(freeBytes: number) {
    this.freeBytes = freeBytes;
  }

  readonly calls: Partial<StagingDisk> = {
    open: (path, access, create) => {
      const descriptor = nodeDisk.open(path, access, create);
      this.#paths.set(descriptor, path);
      return descriptor;
    },
    write: (descriptor, data, offset, length, position) => {
      if (length > this.freeBytes) throw errno('ENOSPC');
      this.freeBytes -= length;
      const path = this.#paths.get(descriptor) ?? '';
      this.#sizes.set(path, (this.#sizes.get(path) ?? 0) + length);
      return nodeDisk.write(descriptor, data, offset, length, position);
    },
    unlink: (path) => {
      nodeDisk.unlink(path);
      this.freeBytes += this.#sizes.get(path) ?? 0;
      this.#sizes.delete(path);
    },
  };
}

describe('what the system is short of for a moment', () => {
  for (const code of ['EMFILE', 'ENFILE', 'ENOMEM', 'EAGAIN', 'EINTR', 'EBUSY']) {
    it(`${code} asks to try again: a final error would make kernels drop the data`, async () => {
      let isShort = false;
      const fail = (): void => {
        if (isShort) throw errno(code);
      };
      const disk: Partial<StagingDisk> = {
        open: (path, access, create) => {
          fail();
          return nodeDisk.open(path, access, create);
        },
        syncData: async (descriptor) => {
          fail();
          await nodeDisk.syncData(descriptor);
        },
      };
      await withBench({ disk }, async (bench) => {
        bench.inodes.add(1, null);
        isShort = true;
        await assert.rejects(bench.write(1, 0, pattern(1000)), { code: 'EAGAIN' });
        isShort = false;
        await bench.write(1, 0, pattern(1000));
        await bench.store.commit(1);
        assert.deepEqual(await bench.read(1), pattern(1000));
      });
    });
  }
});

describe('a full disk', () => {
  it('takes the room of clean cache before it refuses a write', async () => {
    const disk = new SmallDisk(1_000_000);
    await withBench({ disk: disk.calls }, async (bench) => {
      bench.inodes.add(1, bench.remote.put('cached', pattern(800_000)));
      bench.inodes.add(2, null);
      await bench.read(1);
      const bytes = pattern(600_000, 2);
      await bench.write(2, 0, bytes);
      await bench.store.commit(2);
      assert.deepEqual(await bench.read(2), bytes);
      assert.deepEqual(await bench.read(1), pattern(800_000));
      assert.deepEqual(bench.events, []);
    });
  });

  it('tells of the bytes of a write that waited for room in the turn in which they are there', async () => {
    const disk = new SmallDisk(1_000_000);
    let isTold = false;
    const gaps: boolean[] = [];
    const onStep = (name: string): void => {
      if (name === 'written') queueMicrotask(() => gaps.push(!isTold));
    };
    await withBench({ disk: disk.calls, onStep }, async (bench) => {
      bench.inodes.add(1, bench.remote.put('cached', pattern(800_000)));
      bench.inodes.add(2, null);
      await bench.read(1);
      const writing = bench.store.write(2, 0, pattern(600_000, 2), () => {
        isTold = true;
      });
      assert.ok(writing instanceof Promise);
      assert.equal(isTold, false);
      await writing;
      assert.deepEqual(gaps, [false], 'a version taken in between would lack them');
    });
  });

  it('refuses with ENOSPC, says so once, damages nothing, and goes on when there is room', async () => {
    const disk = new SmallDisk(300_000);
    await withBench({ disk: disk.calls }, async (bench) => {
      const saved = pattern(200_000, 1);
      bench.inodes.add(1, null);
      bench.inodes.add(2, null);
      await bench.write(1, 0, saved);
      await bench.store.commit(1);
      for (let attempt = 0; attempt < 5; attempt++) {
        await assert.rejects(bench.write(2, 0, pattern(150_000, 2)), { code: 'ENOSPC' });
      }
      assert.equal(bench.events.length, 1);
      assert.equal(bench.events[0]?.kind, 'ERROR');
      assert.match(bench.events[0]?.detail ?? '', /is full: .*Nothing saved so far is lost/);
      assert.equal(bench.store.isStaged(2), false, 'a refused first write does not change the file');
      assert.deepEqual(await bench.read(1), saved);
      disk.freeBytes += 500_000;
      await bench.write(2, 0, pattern(150_000, 2));
      await bench.store.commit(2);
      disk.freeBytes = 0;
      await assert.rejects(bench.write(2, 0, pattern(100, 3)), { code: 'ENOSPC' });
      assert.equal(bench.events.length, 2, 'told again after it had recovered');
      await bench.restart();
      assert.deepEqual(await bench.read(1), saved);
      assert.deepEqual(await bench.read(2), pattern(150_000, 2));
    });
  });

  it('keeps the bytes of a write that waits for room although its buffer is reused', async () => {
    const disk = new SmallDisk(100_000);
    await withBench({ disk: disk.calls }, async (bench) => {
      bench.inodes.add(1, bench.remote.put('cached', pattern(90_000)));
      bench.inodes.add(2, null);
      await bench.read(1);
      const buffer = Buffer.from(pattern(50_000, 4));
      const writing = bench.store.write(2, 0, buffer);
      assert.ok(writing instanceof Promise);
      buffer.fill(0);
      await writing;
      bench.inodes.sizes.set(2, 50_000);
      assert.deepEqual(await bench.read(2), pattern(50_000, 4));
    });
  });
});

describe('a failed sync', () => {
  it('changes the verifier also where the index cannot take what was synced, so that clients keep their data', async () => {
    await withBench({}, async (bench) => {
      bench.inodes.add(1, null);
      await bench.write(1, 0, pattern(1000));
      const before = Buffer.from(bench.store.writeVerifier());
      const { handle } = bench.database;
      handle.exec(
        "CREATE TEMP TRIGGER refuse BEFORE INSERT ON main.staged_extent BEGIN SELECT RAISE(FAIL, 'disk I/O error'); END",
      );
      await assert.rejects(bench.store.commit(1), { code: 'EIO' });
      assert.notDeepEqual(Buffer.from(bench.store.writeVerifier()), before);
      handle.exec('DROP TRIGGER refuse');
      await bench.store.commit(1);
      assert.deepEqual(await bench.read(1), pattern(1000));
    });
  });

  it('refuses the commit once with EIO, changes the verifier, and keeps the data', async () => {
    let failing = 1;
    const rewritten: number[] = [];
    const disk: Partial<StagingDisk> = {
      syncData: (descriptor) =>
        failing-- > 0 ? Promise.reject(errno('EIO')) : nodeDisk.syncData(descriptor),
      write: (descriptor, data, offset, length, position) => {
        rewritten.push(position);
        return nodeDisk.write(descriptor, data, offset, length, position);
      },
    };
    await withBench({ disk }, async (bench) => {
      const bytes = pattern(600_000);
      bench.inodes.add(1, null);
      await bench.write(1, 0, bytes);
      const before = Buffer.from(bench.store.writeVerifier());
      await assert.rejects(bench.store.commit(1), { code: 'EIO' });
      const after = Buffer.from(bench.store.writeVerifier());
      assert.notDeepEqual(after, before);
      assert.ok(!after.includes(0));
      assert.deepEqual(await bench.read(1), bytes);
      rewritten.length = 0;
      await bench.store.commit(1);
      // The kernel may have marked the pages clean although they are not on the disk.
      assert.deepEqual(rewritten, [0, 262_144, 524_288]);
      assert.deepEqual(Buffer.from(bench.store.writeVerifier()), after);
      await bench.restart();
      assert.deepEqual(await bench.read(1), bytes);
    });
  });

  it('shares one sync among the commits that come while one runs', async () => {
    let syncs = 0;
    const gate = Promise.withResolvers<void>();
    const disk: Partial<StagingDisk> = {
      async syncData(descriptor) {
        syncs += 1;
        if (syncs === 1) await gate.promise;
        await nodeDisk.syncData(descriptor);
      },
    };
    await withBench({ disk }, async (bench) => {
      bench.inodes.add(1, null);
      await bench.write(1, 0, 'first');
      const commits = [bench.store.commit(1)];
      await settle();
      for (let count = 0; count < 20; count++) {
        await bench.write(1, 5 + count, '.');
        commits.push(bench.store.commit(1));
      }
      gate.resolve();
      await Promise.all(commits);
      assert.equal(syncs, 2);
    });
  });

  it('does not bring back bytes that were cut while their commit ran', async () => {
    const gates = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    const arrived = Promise.withResolvers<void>();
    let syncs = 0;
    const disk: Partial<StagingDisk> = {
      async syncData(descriptor) {
        const gate = gates[syncs++];
        arrived.resolve();
        await gate?.promise;
        await nodeDisk.syncData(descriptor);
      },
    };
    await withBench({ disk }, async (bench) => {
      bench.inodes.add(1, null);
      const bytes = pattern(50_000);
      await bench.write(1, 0, bytes);
      const committing = bench.store.commit(1);
      await arrived.promise;
      await bench.truncate(1, 20_000);
      await bench.truncate(1, 50_000);
      for (const gate of gates) gate.resolve();
      await committing;
      await bench.restart();
      assert.deepEqual(await bench.read(1), Buffer.concat([bytes.subarray(0, 20_000), Buffer.alloc(30_000)]));
    });
  });

  it('keeps the verifier over a clean stop only', async () => {
    await withBench({}, async (bench) => {
      bench.inodes.add(1, null);
      await bench.write(1, 0, 'data');
      const verifier = Buffer.from(bench.store.writeVerifier());
      await bench.restart();
      assert.deepEqual(Buffer.from(bench.store.writeVerifier()), verifier);
      const folder = bench.image();
      const killed = await ContentBench.open({ folder, inodes: bench.inodes });
      try {
        assert.notDeepEqual(Buffer.from(killed.store.writeVerifier()), verifier);
      } finally {
        await killed.dispose();
      }
    });
  });
});
