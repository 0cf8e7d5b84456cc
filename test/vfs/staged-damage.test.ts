// Bits of unsent bytes that flip on the disk: noticed before they are read or sent, named, kept, and never spread.

import assert from 'node:assert/strict';
import { closeSync, openSync, readFileSync, readdirSync, readSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { nodeDisk } from '../../src/vfs/storage/staging-disk.ts';
import { type ContentBench, pattern, withBench } from '../support/content-bench.ts';

const blockBytes = 65_536;

/** Flips a bit in the only staging file. */
function flip(bench: ContentBench, offset: number): void {
  const folder = join(bench.folder, 'staging');
  const [name] = readdirSync(folder);
  const descriptor = openSync(join(folder, name ?? assert.fail('a staging file')), 'r+');
  const byte = Buffer.alloc(1);
  readSync(descriptor, byte, 0, 1, offset);
  byte[0] = (byte[0] ?? 0) ^ 4;
  writeSync(descriptor, byte, 0, 1, offset);
  closeSync(descriptor);
}

/** Stages `bytes`, commits, and lets the file rest until it is checksummed. */
async function stage(bench: ContentBench, bytes: Buffer, ino = 1): Promise<void> {
  bench.inodes.add(ino, null);
  await bench.write(ino, 0, bytes);
  await bench.store.commit(ino);
  await rest(bench);
}

async function rest(bench: ContentBench, segments = 1): Promise<void> {
  const count = (): number =>
    Number(bench.database.handle.prepare('SELECT count(*) AS n FROM staged_checksum').get()?.['n']);
  bench.clock.advance(1500);
  while (count() < segments) await new Promise((resolve) => setImmediate(resolve));
  await bench.clock.advanceAsync(1);
}

async function readFails(bench: ContentBench, offset: number, length: number): Promise<void> {
  await assert.rejects(bench.read(1, offset, length), { code: 'EIO', message: /damaged on this disk/ });
}

describe('a bit that flips in a staging file', () => {
  it('is found when the file is sent: nothing is sent, the place is named, and the bytes stay', async () => {
    await withBench({}, async (bench) => {
      const bytes = pattern(300_000);
      await stage(bench, bytes);
      flip(bench, 150_000);
      const message =
        /bytes 131072 to 196607 are no longer what was saved here.*not sent.*Save it again.*discard/;
      await assert.rejects(bench.send(1), { code: 'EIO', message });
      assert.deepEqual(
        bench.events.filter(({ kind }) => kind === 'ERROR').map(({ path }) => path),
        ['file-1'],
      );
      const [name] = readdirSync(join(bench.folder, 'staging'));
      assert.equal(readFileSync(join(bench.folder, 'staging', name ?? '')).length, 300_000);
      await assert.rejects(bench.send(1), { code: 'EIO', message });
    });
  });

  it('is forgotten block by block when the disk is right again', async () => {
    await withBench({}, async (bench) => {
      await stage(bench, pattern(300_000));
      flip(bench, 100_000);
      flip(bench, 150_000);
      await assert.rejects(bench.send(1), { message: /bytes 65536 to 131071/ });
      flip(bench, 100_000);
      await assert.rejects(bench.send(1), { message: /bytes 131072 to 196607/ });
      flip(bench, 150_000);
      assert.equal((await bench.send(1))?.clean, true);
    });
  });

  it('is found at the first read after a restart; the rest of the file and other files go on', async () => {
    await withBench({}, async (bench) => {
      const bytes = pattern(300_000);
      await stage(bench, bytes);
      await bench.close();
      flip(bench, 70_000);
      await bench.restart();
      bench.inodes.add(2, null);
      await bench.write(2, 0, 'other');
      await readFails(bench, 65_536, 10);
      await readFails(bench, 0, 300_000);
      assert.deepEqual(await bench.read(1, 0, blockBytes), bytes.subarray(0, blockBytes));
      assert.deepEqual(await bench.read(1, 2 * blockBytes), bytes.subarray(2 * blockBytes));
      assert.equal((await bench.send(2))?.clean, true);
      assert.equal(bench.events.filter(({ kind }) => kind === 'ERROR').length, 1, 'told once');
    });
  });

  it('is still known after another restart, and is told in the same words', async () => {
    await withBench({}, async (bench) => {
      await stage(bench, pattern(300_000));
      flip(bench, 70_000);
      await assert.rejects(bench.send(1), { code: 'EIO' });
      await bench.restart();
      await readFails(bench, 70_000, 1);
      await assert.rejects(bench.send(1), { code: 'EIO', message: /bytes 65536 to 131071/ });
    });
  });

  it('is over when the damaged bytes are written again, cut off, or discarded', async () => {
    for (const remedy of ['write', 'cut', 'forget'] as const) {
      await withBench({}, async (bench) => {
        const bytes = pattern(300_000);
        await stage(bench, bytes);
        flip(bench, 70_000);
        await assert.rejects(bench.send(1), { code: 'EIO' });
        if (remedy === 'forget') {
          bench.store.forget(1);
          assert.equal(bench.store.isStaged(1), false);
          return;
        }
        if (remedy === 'write') {
          await bench.write(1, blockBytes, bytes.subarray(blockBytes, 100_000));
          await assert.rejects(bench.send(1), { code: 'EIO', message: /bytes 100000 to 131071/ });
          await bench.restart();
          await readFails(bench, 100_000, 1);
          await bench.write(1, 100_000, bytes.subarray(100_000, 2 * blockBytes));
          assert.deepEqual(await bench.read(1), bytes);
        } else {
          await bench.truncate(1, 60_000);
          assert.deepEqual(await bench.read(1), bytes.subarray(0, 60_000));
        }
        assert.equal((await bench.send(1))?.clean, true);
        assert.deepEqual(await bench.read(1), remedy === 'write' ? bytes : bytes.subarray(0, 60_000));
      });
    }
  });

  it('that a disk took back is no damage any more', async () => {
    await withBench({}, async (bench) => {
      const bytes = pattern(300_000);
      await stage(bench, bytes);
      flip(bench, 70_000);
      await assert.rejects(bench.send(1), { code: 'EIO' });
      flip(bench, 70_000);
      assert.equal((await bench.send(1))?.clean, true);
      assert.deepEqual(await bench.read(1), bytes);
    });
  });

  it('does not get a checksum of its own when other bytes of its segment change', async () => {
    await withBench({}, async (bench) => {
      await stage(bench, pattern(300_000));
      flip(bench, 200_000);
      await bench.write(1, 10, 'changed');
      await bench.store.commit(1);
      await rest(bench);
      await bench.restart();
      await readFails(bench, 200_000, 1);
      assert.equal((await bench.read(1, 10, 7)).toString(), 'changed');
    });
  });

  it('is not spread by a merge of layers', async () => {
    await withBench({}, async (bench) => {
      const base = pattern(300_000);
      bench.inodes.add(1, bench.remote.put('file-1', base));
      await bench.write(1, 0, pattern(100_000, 2));
      await bench.store.commit(1);
      const snapshot = (await bench.store.snapshot(1)) ?? assert.fail();
      await bench.write(1, 200_000, pattern(50_000, 3));
      await bench.store.commit(1);
      await rest(bench, 2);
      // In the upper file, which the merge copies from.
      const folder = join(bench.folder, 'staging');
      const upper = readdirSync(folder).sort((a, b) => a.length - b.length || (a < b ? -1 : 1))[1] ?? '';
      const bytes = readFileSync(join(folder, upper));
      bytes[210_000] = (bytes[210_000] ?? 0) ^ 1;
      writeFileSync(join(folder, upper), bytes);
      await snapshot.abandoned();
      await readFails(bench, 210_000, 1);
      await bench.restart();
      await readFails(bench, 210_000, 1);
      await assert.rejects(bench.send(1), { code: 'EIO' });
      assert.deepEqual(await bench.read(1, 0, 100_000), pattern(100_000, 2));
    });
  });
});

describe('checksums', () => {
  it('cost a WRITE nothing: no read, no catalogue, only the bytes', async () => {
    const calls: string[] = [];
    await withBench(
      {
        disk: {
          write: (...args) => {
            calls.push('write');
            return nodeDisk.write(...args);
          },
          read: (...args) => {
            calls.push('read');
            return nodeDisk.read(...args);
          },
        },
      },
      async (bench) => {
        bench.inodes.add(1, null);
        await bench.write(1, 0, pattern(1 << 20));
        const total = (): number =>
          Number(bench.database.handle.prepare('SELECT total_changes() AS n').get()?.['n']);
        const before = total();
        calls.length = 0;
        for (let count = 0; count < 20; count += 1)
          await bench.write(1, (count * 7919 * 64) % 900_000, pattern(4096));
        assert.deepEqual(new Set(calls), new Set(['write']));
        assert.equal(calls.length, 20);
        assert.equal(total(), before);
      },
    );
  });

  it('are not made of the files of an earlier run before somebody needs their bytes', async () => {
    const read: number[] = [];
    const counting = {
      read: (...args: Parameters<typeof nodeDisk.read>): number => {
        read.push(args[3]);
        return nodeDisk.read(...args);
      },
      readLater: (...args: Parameters<typeof nodeDisk.readLater>): Promise<number> => {
        read.push(args[3]);
        return nodeDisk.readLater(...args);
      },
    };
    await withBench({ disk: counting }, async (bench) => {
      for (let ino = 1; ino <= 30; ino += 1) {
        bench.inodes.add(ino, null);
        await bench.write(ino, 0, pattern(5000, ino));
      }
      await bench.restart();
      read.length = 0;
      await bench.clock.advanceAsync(60_000);
      assert.deepEqual(read, []);
      assert.deepEqual(await bench.read(3), pattern(5000, 3));
      assert.equal(read.length, 2, 'once to look, once for the reader');
      await bench.read(3);
      assert.equal(read.length, 3, 'looked at once');
    });
  });

  it('are off the disk before the bytes of their segment are synced', async () => {
    const log: string[] = [];
    const removed = (bench: ContentBench): boolean =>
      bench.database.handle.prepare('SELECT 1 FROM staged_checksum').get() === undefined;
    await withBench(
      {
        disk: {
          syncData: async (descriptor) => {
            log.push('data synced');
            await nodeDisk.syncData(descriptor);
          },
        },
      },
      async (bench) => {
        const sync = bench.database.sync.bind(bench.database);
        bench.database.sync = async () => {
          const isRemoved = removed(bench);
          await sync();
          if (isRemoved) log.push('removal synced');
        };
        await stage(bench, pattern(100_000));
        log.length = 0;
        await bench.write(1, 5, 'changed');
        assert.ok(removed(bench), 'before the write returns');
        await bench.store.commit(1);
        assert.equal(log[0], 'removal synced');
        assert.ok(log.indexOf('removal synced') < log.indexOf('data synced'));
      },
    );
  });
});
