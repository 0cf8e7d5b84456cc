import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, beforeEach, describe, it } from 'node:test';
import { HandlePool, PooledFile } from '../../src/vfs/storage/handle-pool.ts';
import { nodeDisk } from '../../src/vfs/storage/staging-disk.ts';
import type { StagingDisk } from '../../src/vfs/storage/staging-disk.ts';

function errno(code: string): Error {
  return Object.assign(new Error(`simulated ${code}`), { code });
}

describe('handle pool', () => {
  let folder = '';
  const open = new Set<number>();
  const disk: StagingDisk = {
    ...nodeDisk,
    open(path, access, create) {
      const descriptor = nodeDisk.open(path, access, create);
      open.add(descriptor);
      return descriptor;
    },
    close(descriptor) {
      assert.ok(open.delete(descriptor), 'closes only what is open');
      nodeDisk.close(descriptor);
    },
  };

  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'hubdrive-pool-'));
  });
  after(() => rmSync(folder, { recursive: true, force: true }));
  beforeEach(() => assert.equal(open.size, 0));

  function fileOf(name: string, content: string): PooledFile {
    writeFileSync(join(folder, name), content);
    return new PooledFile(join(folder, name), true);
  }

  function textOf(pool: HandlePool, file: PooledFile): string {
    const target = Buffer.alloc(100);
    return target.subarray(0, pool.read(file, target, 0, 100, 0)).toString();
  }

  it('loses nothing when 200 files are written through 16 descriptors', () => {
    const pool = new HandlePool(disk, { capacity: 16 });
    const files = Array.from(
      { length: 200 },
      (_, index) => new PooledFile(join(folder, `many-${index}`), true),
    );
    for (let round = 0; round < 3; round++) {
      for (const [index, file] of files.entries())
        pool.write(file, Buffer.from(`${index}:${round};`), round * 8);
      assert.ok(open.size <= 16, `${open.size} descriptors`);
    }
    for (const [index, file] of files.entries()) {
      const text = textOf(pool, file).replaceAll('\0', '');
      assert.equal(text, [0, 1, 2].map((round) => `${index}:${round};`).join(''));
    }
    pool.close();
  });

  it('upgrades a read-only descriptor for a write and closes the old one', () => {
    const pool = new HandlePool(disk);
    const file = fileOf('upgrade', 'before');
    textOf(pool, file);
    assert.equal(file.slot?.writable, false);
    pool.write(file, Buffer.from('AFTER!'), 0);
    assert.equal(file.slot?.writable, true);
    assert.equal(open.size, 1);
    assert.equal(textOf(pool, file), 'AFTER!');
    pool.close();
  });

  it('keeps the read-only descriptor when the first write through the new one fails', () => {
    const failing: StagingDisk = {
      ...disk,
      write() {
        throw errno('ENOSPC');
      },
    };
    const pool = new HandlePool(failing);
    const file = fileOf('no-room', 'before');
    textOf(pool, file);
    const kept = file.slot;
    assert.throws(() => pool.write(file, Buffer.from('x'), 0), { code: 'ENOSPC' });
    assert.equal(file.slot, kept);
    assert.equal(open.size, 1);
    assert.equal(textOf(pool, file), 'before');
    pool.close();
  });

  it('does not let two upgraders at once close each other: both writes arrive', () => {
    let inner: (() => void) | null = null;
    const reentrant: StagingDisk = {
      ...disk,
      write(descriptor, data, offset, length, position) {
        const run = inner;
        inner = null;
        run?.();
        return disk.write(descriptor, data, offset, length, position);
      },
    };
    const pool = new HandlePool(reentrant);
    const file = fileOf('two', '........');
    textOf(pool, file);
    inner = () => pool.write(file, Buffer.from('BB'), 4);
    pool.write(file, Buffer.from('AA'), 0);
    assert.equal(open.size, 1);
    assert.equal(textOf(pool, file), 'AA..BB..');
    assert.equal(readFileSync(file.path, 'utf8'), 'AA..BB..');
    pool.close();
  });

  it('reopens a descriptor that is bad and never shows EBADF', async () => {
    let bad = 2;
    const flaky: StagingDisk = {
      ...disk,
      read(...call) {
        if (bad-- > 0) throw errno('EBADF');
        return disk.read(...call);
      },
      readLater(...call) {
        return bad-- > 0 ? Promise.reject(errno('EBADF')) : disk.readLater(...call);
      },
      write(...call) {
        if (bad-- > 0) throw errno('EBADF');
        return disk.write(...call);
      },
    };
    const pool = new HandlePool(flaky);
    const file = fileOf('flaky', 'content');
    assert.equal(textOf(pool, file), 'content');
    bad = 2;
    const target = Buffer.alloc(7);
    assert.equal(await pool.readLater(file, target, 0, 7, 0), 7);
    assert.equal(target.toString(), 'content');
    bad = 2;
    pool.write(file, Buffer.from('CON'), 0);
    bad = 0;
    assert.equal(textOf(pool, file), 'CONtent');
    pool.close();
    // A descriptor number that is bad is not closed: it may be somebody else's by then.
    for (const descriptor of open) nodeDisk.close(descriptor);
    open.clear();
  });

  it('closes idle descriptors and tries again when the process has none left', () => {
    let limit = Infinity;
    const scarce: StagingDisk = {
      ...disk,
      open(path, access, create) {
        if (open.size >= limit) throw errno('EMFILE');
        return disk.open(path, access, create);
      },
    };
    const pool = new HandlePool(scarce);
    const files = Array.from({ length: 30 }, (_, index) => fileOf(`scarce-${index}`, `text ${index}`));
    limit = 20;
    for (const [index, file] of files.entries()) assert.equal(textOf(pool, file), `text ${index}`);
    pool.close();
    limit = 0;
    assert.throws(() => textOf(pool, files[0] ?? assert.fail()), { code: 'EMFILE' });
  });

  it('does not close a descriptor that an asynchronous call is using', async () => {
    const gate = Promise.withResolvers<void>();
    const slow: StagingDisk = {
      ...disk,
      async readLater(...call) {
        await gate.promise;
        return disk.readLater(...call);
      },
    };
    const pool = new HandlePool(slow, { capacity: 1 });
    const file = fileOf('pinned', 'pinned bytes');
    const target = Buffer.alloc(12);
    const reading = pool.readLater(file, target, 0, 12, 0);
    for (let index = 0; index < 5; index++) textOf(pool, fileOf(`other-${index}`, 'x'));
    pool.release(file);
    gate.resolve();
    assert.equal(await reading, 12);
    assert.equal(target.toString(), 'pinned bytes');
    assert.ok(open.size <= 1);
    pool.close();
  });

  it('does not make an empty file again in place of one that vanished', () => {
    const pool = new HandlePool(disk);
    const file = new PooledFile(join(folder, 'vanishing'), true);
    pool.write(file, Buffer.from('once'), 0);
    pool.release(file);
    rmSync(file.path);
    assert.throws(() => pool.write(file, Buffer.from('twice'), 4), { code: 'ENOENT' });
    pool.close();
  });

  it('closes what was idle for long', () => {
    let nowMs = 0;
    const pool = new HandlePool(disk, { nowMs: () => nowMs });
    const old = fileOf('old', 'old');
    const recent = fileOf('recent', 'recent');
    textOf(pool, old);
    nowMs = 50;
    textOf(pool, recent);
    nowMs = 100;
    pool.closeIdle(60);
    assert.equal(old.slot, null);
    assert.notEqual(recent.slot, null);
    pool.close();
  });
});
