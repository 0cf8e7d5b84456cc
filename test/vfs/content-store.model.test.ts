// Random operations on a few files, with uploads under way, clean restarts and kills, against plain buffers. After a kill a
// byte must be what it was at the last acknowledged commit or what some later operation made it.

import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { ContentBench, pattern } from '../support/content-bench.ts';
import { ContentHistory, resized } from '../support/content-history.ts';
import { MemoryRemoteStore } from '../support/memory-remote-store.ts';
import type { Snapshot } from '../../src/vfs/parts.ts';

const inodes = [1, 2, 3];
const largestOffset = 700_000;

type Step =
  | {
      readonly type: 'write';
      readonly ino: number;
      readonly offset: number;
      readonly length: number;
      readonly seed: number;
    }
  | { readonly type: 'truncate'; readonly ino: number; readonly size: number }
  | { readonly type: 'read'; readonly ino: number; readonly offset: number; readonly length: number }
  | {
      readonly type: 'commit' | 'commitLater' | 'freeze' | 'sent' | 'abandon' | 'abandonLater';
      readonly ino: number;
    }
  | { readonly type: 'restart' | 'kill' | 'evict' | 'settle' | 'rest' };

const ino = fc.constantFrom(...inodes);
const offset = fc.oneof(fc.nat(largestOffset), fc.nat(5000), fc.constantFrom(0, 262_144, 524_288));
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      type: fc.constant('write' as const),
      ino,
      offset,
      length: fc.oneof(fc.integer({ min: 1, max: 3000 }), fc.integer({ min: 1, max: 300_000 })),
      seed: fc.integer({ min: 1, max: 1000 }),
    }),
  },
  { weight: 3, arbitrary: fc.record({ type: fc.constant('truncate' as const), ino, size: offset }) },
  {
    weight: 4,
    arbitrary: fc.record({
      type: fc.constant('read' as const),
      ino,
      offset,
      length: fc.integer({ min: 1, max: 300_000 }),
    }),
  },
  {
    weight: 9,
    arbitrary: fc.record({
      type: fc.constantFrom(
        'commit' as const,
        'commitLater' as const,
        'freeze' as const,
        'freeze' as const,
        'sent' as const,
        'abandon' as const,
        'abandonLater' as const,
      ),
      ino,
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      type: fc.constantFrom(
        'restart' as const,
        'kill' as const,
        'evict' as const,
        'settle' as const,
        'rest' as const,
      ),
    }),
  },
);

class FileModel extends ContentHistory {
  frozen: { readonly snapshot: Snapshot; readonly bytes: Buffer } | null = null;
}

class Run {
  bench: ContentBench;
  readonly remote: MemoryRemoteStore;
  readonly models = new Map<number, FileModel>();
  readonly folders: string[] = [];
  readonly background: Promise<unknown>[] = [];

  private constructor(bench: ContentBench, remote: MemoryRemoteStore) {
    this.bench = bench;
    this.remote = remote;
    this.folders.push(bench.folder);
  }

  static async start(): Promise<Run> {
    const remote = new MemoryRemoteStore({ fetchPieceBytes: 20_000 });
    const run = new Run(
      await ContentBench.open({ remote, descriptorLimit: 2, cacheLimitBytes: 4 << 20 }),
      remote,
    );
    for (const one of inodes) {
      const bytes = one === 1 ? Buffer.alloc(0) : pattern(one * 200_000, one);
      run.bench.inodes.add(one, one === 1 ? null : remote.put(`file-${one}`, bytes));
      run.models.set(one, new FileModel(bytes));
    }
    return run;
  }

  model(one: number): FileModel {
    return this.models.get(one) ?? assert.fail();
  }

  async check(one: number, start: number, length: number): Promise<void> {
    const { bytes } = this.model(one);
    const found = await this.bench.read(one, start, length);
    const expected = bytes.subarray(start, start + length);
    assert.equal(found.length, expected.length);
    assert.ok(found.equals(expected), `inode ${one} differs in ${start}+${length}`);
  }

  async do(one: Step): Promise<void> {
    const { bench } = this;
    switch (one.type) {
      case 'write': {
        const model = this.model(one.ino);
        const data = pattern(one.length, one.seed);
        await bench.write(one.ino, one.offset, data);
        const bytes = resized(model.bytes, Math.max(model.bytes.length, one.offset + one.length));
        data.copy(bytes, one.offset);
        model.change(bytes);
        return;
      }
      case 'truncate':
        await bench.truncate(one.ino, one.size);
        this.model(one.ino).change(resized(this.model(one.ino).bytes, one.size));
        return;
      case 'read':
        return this.check(one.ino, one.offset, one.length);
      case 'commit':
      case 'commitLater': {
        const model = this.model(one.ino);
        const { bytes } = model;
        const committing = bench.store.commit(one.ino).then(() => model.acknowledge(bytes));
        if (one.type === 'commit') await committing;
        else this.background.push(committing);
        return;
      }
      case 'freeze': {
        const model = this.model(one.ino);
        if (model.frozen !== null) return;
        const snapshot = await bench.store.snapshot(one.ino);
        if (snapshot !== null) model.frozen = { snapshot, bytes: model.bytes };
        return;
      }
      case 'sent':
        return this.send(one.ino);
      case 'abandon':
      case 'abandonLater': {
        const model = this.model(one.ino);
        const abandoning = model.frozen?.snapshot.abandoned();
        model.frozen = null;
        if (one.type === 'abandon') await abandoning;
        else if (abandoning !== undefined) this.background.push(abandoning);
        return;
      }
      case 'settle':
        await Promise.all(this.background.splice(0));
        await bench.clock.advanceAsync(3000);
        return;
      case 'rest':
        // Checksums are made while the next operations go on.
        bench.clock.advance(1500);
        return;
      case 'evict':
        await bench.store.evict(Infinity);
        return;
      case 'restart':
        await Promise.all(this.background.splice(0));
        await bench.restart();
        for (const model of this.models.values()) {
          // A clean stop commits everything.
          model.history = [model.bytes];
          model.frozen = null;
        }
        return;
      case 'kill':
        return this.kill();
    }
  }

  async send(one: number): Promise<void> {
    const model = this.model(one);
    const { frozen } = model;
    if (frozen === null) return;
    const sent = Buffer.alloc(frozen.bytes.length);
    for (let start = 0; start < sent.length; start += 150_000) {
      await frozen.snapshot.read(start, sent.subarray(start, Math.min(sent.length, start + 150_000)));
    }
    assert.ok(sent.equals(frozen.bytes), `the version sent of inode ${one} is not the frozen one`);
    const outside = Buffer.from(frozen.bytes);
    const base =
      frozen.snapshot.base === null
        ? Buffer.alloc(0)
        : (this.remote.bytes(frozen.snapshot.base.path) ?? assert.fail());
    for (const { start, end } of frozen.snapshot.dirty) outside.fill(0, start, end);
    const baseOutside = resized(Buffer.from(base), sent.length);
    for (const { start, end } of frozen.snapshot.dirty) baseOutside.fill(0, start, end);
    assert.ok(outside.equals(baseOutside), `bytes outside "dirty" of inode ${one} differ from the base`);
    const content = this.remote.put(`file-${one}-${this.remote.calls.length}-${Math.random()}`, sent);
    const { clean } = this.bench.database.transaction(() => {
      const result = frozen.snapshot.committed(content);
      this.bench.inodes.bases.set(one, content);
      return result;
    });
    assert.equal(clean, !this.bench.store.isStaged(one));
    if (clean) assert.ok(model.bytes.equals(frozen.bytes), 'clean means that nothing was written since');
    model.frozen = null;
  }

  async kill(): Promise<void> {
    const { bench } = this;
    const folder = bench.image();
    const known = bench.inodes.copy();
    // A commit that is acknowledged after the image was taken promised nothing about it.
    const histories = new Map([...this.models].map(([one, model]) => [one, model.history] as const));
    await Promise.allSettled(this.background.splice(0));
    await bench.close();
    this.folders.push(folder);
    this.bench = await ContentBench.open({ ...bench.options, folder, inodes: known, clock: bench.clock });
    for (const [one, model] of this.models) {
      model.history = histories.get(one) ?? assert.fail();
      model.acceptAfterCrash(await this.bench.read(one));
      model.frozen = null;
    }
  }

  async end(): Promise<void> {
    try {
      await Promise.all(this.background.splice(0));
      for (const one of inodes) await this.check(one, 0, largestOffset * 2);
      await this.bench.restart();
      for (const one of inodes) await this.check(one, 0, largestOffset * 2);
      assert.deepEqual(this.bench.warnings, []);
    } finally {
      await Promise.allSettled(this.background);
      await this.bench.close();
      for (const folder of this.folders) rmSync(folder, { recursive: true, force: true });
    }
  }
}

describe('content store', () => {
  it('agrees with plain buffers under random operations, uploads, restarts and kills', async () => {
    const numRuns = Number(process.env['HUBDRIVE_MODEL_RUNS'] ?? 25);
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 10, maxLength: 60, size: 'max' }), async (steps) => {
        const run = await Run.start();
        try {
          for (const one of steps) await run.do(one);
        } catch (error) {
          await run.end().catch(() => undefined);
          throw error;
        }
        await run.end();
      }),
      {
        numRuns,
        ...(process.env['HUBDRIVE_MODEL_SEED'] === undefined
          ? {}
          : { seed: Number(process.env['HUBDRIVE_MODEL_SEED']) }),
        endOnFailure: process.env['HUBDRIVE_MODEL_SHRINK'] === undefined,
      },
    );
  });
});
