import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { HubError } from '../../src/hub/remote-store.ts';
import { pattern, withBench } from '../support/content-bench.ts';
import { settle } from '../support/manual-clock.ts';
import { MemoryRemoteStore, hubError } from '../support/memory-remote-store.ts';
import type { ContentRef, ContentSink, FetchOptions } from '../../src/hub/remote-store.ts';

const mebibyte = 1024 * 1024;

interface AskedRange {
  readonly start: number;
  readonly end: number;
  readonly priority: string;
}

/** Notes what is asked, and can stop in the middle of a delivery. */
class WatchedStore extends MemoryRemoteStore {
  readonly asked: AskedRange[] = [];
  pauseAfterBytes = Infinity;
  readonly paused = Promise.withResolvers<void>();
  readonly resume = Promise.withResolvers<void>();

  override async fetch(
    content: ContentRef,
    start: number,
    end: number,
    sink: ContentSink,
    options?: FetchOptions,
  ): Promise<void> {
    this.asked.push({ start, end, priority: options?.priority ?? '' });
    const stop = Math.min(end, start + this.pauseAfterBytes);
    await super.fetch(content, start, stop, sink, options);
    if (stop === end) return;
    this.paused.resolve();
    await this.resume.promise;
    await super.fetch(content, stop, end, sink, options);
  }
}

/** Each fetch ends before the next one delivers anything. */
class OneByOneStore extends MemoryRemoteStore {
  #last: Promise<unknown> = Promise.resolve();

  override fetch(
    content: ContentRef,
    start: number,
    end: number,
    sink: ContentSink,
    options?: FetchOptions,
  ): Promise<void> {
    const fetched = this.#last.then(() => super.fetch(content, start, end, sink, options));
    this.#last = fetched.then(
      () => settle(),
      () => settle(),
    );
    return fetched;
  }
}

describe('fetching content', () => {
  it('fetches a range once for everybody who waits for it', async () => {
    const remote = new WatchedStore();
    await withBench({ remote }, async (bench) => {
      const bytes = pattern(200_000);
      bench.inodes.add(1, remote.put('a', bytes));
      bench.inodes.add(2, remote.put('b', bytes));
      const results = await Promise.all([bench.read(1), bench.read(1, 50_000, 10_000), bench.read(2)]);
      assert.deepEqual(results[0], bytes);
      assert.deepEqual(results[1], bytes.subarray(50_000, 60_000));
      assert.deepEqual(results[2], bytes);
      assert.equal(remote.fetchedBytes, bytes.length);
    });
  });

  it('fills many holes of one read, whatever number of fetches that takes', async () => {
    const remote = new OneByOneStore();
    await withBench({ remote }, async (bench) => {
      const bytes = pattern(2_000_000);
      bench.inodes.add(1, remote.put('a', bytes));
      // Backwards, so that nothing is read ahead.
      for (let hole = 19; hole >= 0; hole--) await bench.read(1, hole * 100_000 + 40_000, 20_000);
      assert.ok(remote.fetchedBytes < 1_600_000, `${remote.fetchedBytes} bytes leave holes`);
      assert.deepEqual(await bench.read(1), bytes);
    });
  });

  it('answers a read as soon as its bytes came, while the fetch goes on', async () => {
    const remote = new WatchedStore();
    remote.pauseAfterBytes = 300_000;
    await withBench({ remote }, async (bench) => {
      const bytes = pattern(900_000);
      bench.inodes.add(1, remote.put('a', bytes));
      const whole = bench.read(1);
      await remote.paused.promise;
      assert.deepEqual(await bench.read(1, 100_000, 50_000), bytes.subarray(100_000, 150_000));
      remote.resume.resolve();
      assert.deepEqual(await whole, bytes);
    });
  });

  it('says EAGAIN after 10 s and goes on fetching, so that the next try finds the bytes', async () => {
    const remote = new WatchedStore();
    await withBench({ remote }, async (bench) => {
      const bytes = pattern(50_000);
      bench.inodes.add(1, remote.put('a', bytes));
      const hold = remote.hold('fetch');
      const reading = bench.read(1);
      const outcome = reading.then(
        () => 'read',
        (error: unknown) => error,
      );
      await hold.arrived;
      await bench.clock.advanceAsync(9900);
      assert.equal(await Promise.race([outcome, settle().then(() => 'waiting')]), 'waiting');
      await bench.clock.advanceAsync(200);
      const error = await outcome;
      assert.ok(error instanceof Error && 'code' in error);
      assert.equal(error.code, 'EAGAIN');
      hold.release();
      await settle(10);
      assert.deepEqual(await bench.read(1), bytes);
      assert.equal(remote.asked.filter((range) => range.start === 0).length, 1);
    });
  });

  it('does not let a stalled file hold up another one', async () => {
    const remote = new WatchedStore();
    await withBench({ remote }, async (bench) => {
      const stalled = remote.put('stalled', pattern(20 * mebibyte, 1));
      bench.inodes.add(1, stalled);
      const bytes = pattern(3 * mebibyte, 2);
      bench.inodes.add(2, remote.put('fine', bytes));
      const hold = remote.hold('fetch', (key) => key === stalled.key);
      const waiting = Array.from({ length: 30 }, (_, index) =>
        bench.read(1, index * 600_000, 100_000).catch((error: unknown) => error),
      );
      await hold.arrived;
      for (let offset = 0; offset < bytes.length; offset += mebibyte) {
        assert.deepEqual(await bench.read(2, offset, mebibyte), bytes.subarray(offset, offset + mebibyte));
      }
      hold.release();
      await Promise.all(waiting);
    });
  });

  it('tries again in the background while a read waits, as long as the Hub asked', async () => {
    const remote = new WatchedStore();
    await withBench({ remote }, async (bench) => {
      const bytes = pattern(10_000);
      bench.inodes.add(1, remote.put('a', bytes));
      remote.fail('fetch', hubError('server', true));
      remote.fail(
        'fetch',
        new HubError('rate-limited', 'slow down', { retryable: true, retryAfterMs: 4000 }),
      );
      const reading = bench.read(1);
      await bench.clock.advanceAsync(600);
      await bench.clock.advanceAsync(3000);
      assert.equal(remote.asked.length, 2, 'waits as told');
      await bench.clock.advanceAsync(2000);
      assert.deepEqual(await reading, bytes);
    });
  });

  it('stops trying a minute after the last read that wanted the bytes', async () => {
    const remote = new WatchedStore();
    await withBench({ remote }, async (bench) => {
      bench.inodes.add(1, remote.put('a', pattern(10_000)));
      remote.fail('fetch', hubError('network', true), Infinity);
      const outcome = bench.read(1).catch((error: unknown) => error);
      await bench.clock.advanceAsync(10_500);
      assert.ok((await outcome) instanceof Error);
      await bench.clock.advanceAsync(120_000);
      const count = remote.asked.length;
      await bench.clock.advanceAsync(600_000);
      assert.equal(remote.asked.length, count);
    });
  });

  it('reports what no retry can mend at once, with its cause, and does not flood the Hub', async () => {
    const remote = new WatchedStore();
    await withBench({ remote }, async (bench) => {
      const expectations = [
        ['gated', 'EACCES'],
        ['forbidden', 'EACCES'],
        ['not-found', 'EIO'],
        ['corrupt', 'EIO'],
      ] as const;
      for (const [index, [code, expected]] of expectations.entries()) {
        const content = remote.put(`file-${code}`, pattern(1000, index + 1));
        bench.inodes.add(index + 1, content);
        const stop = remote.fail('fetch', hubError(code, false), Infinity, (key) => key === content.key);
        const asked = remote.asked.length;
        for (let attempt = 0; attempt < 5; attempt++) {
          await assert.rejects(bench.read(index + 1), (error: Error & { code?: string }) => {
            assert.equal(error.code, expected);
            assert.ok(error.cause instanceof HubError);
            return true;
          });
        }
        assert.equal(remote.asked.length, asked + (code === 'corrupt' ? 2 : 1), code);
        stop();
        await bench.clock.advanceAsync(6000);
        assert.equal((await bench.read(index + 1)).length, 1000);
      }
    });
  });

  it('fetches a content once more whose whole turned out to be corrupt, and gives no wrong byte', async () => {
    const remote = new WatchedStore();
    await withBench({ remote }, async (bench) => {
      const bytes = pattern(100_000);
      bench.inodes.add(1, remote.put('a', bytes));
      const wrong = pattern(100_000, 9);
      const fetch = remote.fetch.bind(remote);
      remote.fetch = (_content, start, end, sink) => {
        void sink(start, wrong.subarray(start, end - 1000));
        remote.fetch = fetch;
        return Promise.reject(hubError('corrupt', false));
      };
      assert.ok((await bench.read(1)).equals(bytes));
    });
  });

  it('throws away what it cached of a content whose whole turns out to be corrupt', async () => {
    const remote = new WatchedStore();
    await withBench({ remote }, async (bench) => {
      const bytes = pattern(100_000);
      bench.inodes.add(1, remote.put('a', bytes));
      const wrong = pattern(100_000, 9);
      const fetch = remote.fetch.bind(remote);
      remote.fetch = (_content, start, end, sink) => {
        void sink(start, wrong.subarray(start, end));
        remote.fetch = fetch;
        return Promise.reject(hubError('corrupt', false));
      };
      await bench.read(1).catch(() => undefined);
      await settle();
      await bench.clock.advanceAsync(6000);
      assert.ok((await bench.read(1)).equals(bytes));
    });
  });

  it('fetches ahead of a sequential reader in growing windows and never twice', async () => {
    const remote = new WatchedStore();
    await withBench({ remote }, async (bench) => {
      const bytes = pattern(24 * mebibyte);
      bench.inodes.add(1, remote.put('a', bytes));
      for (let offset = 0; offset < bytes.length; offset += 131_072) {
        const found = await bench.read(1, offset, 131_072);
        assert.ok(found.equals(bytes.subarray(offset, offset + 131_072)));
      }
      assert.equal(remote.fetchedBytes, bytes.length);
      const foreground = remote.asked.filter((range) => range.priority === 'foreground');
      assert.ok(foreground.length <= 4, `${foreground.length} reads had to wait`);
      const largest = Math.max(...remote.asked.map((range) => range.end - range.start));
      assert.ok(largest >= 2 * mebibyte);
    });
  });

  it('follows a reader whose READs arrive out of order', async () => {
    const remote = new WatchedStore();
    await withBench({ remote }, async (bench) => {
      const bytes = pattern(16 * mebibyte);
      bench.inodes.add(1, remote.put('a', bytes));
      const order = [0, 2, 1, 3, 5, 4, 7, 6];
      for (let group = 0; group < 2; group++) {
        await Promise.all(
          order.map(async (index) => {
            const offset = (group * 8 + index) * mebibyte;
            assert.ok(
              (await bench.read(1, offset, mebibyte)).equals(bytes.subarray(offset, offset + mebibyte)),
            );
          }),
        );
      }
      assert.equal(remote.fetchedBytes, bytes.length);
    });
  });

  for (const readBytes of [4096, 131_072]) {
    it(`fetches at most four times what random reads of ${readBytes} bytes ask`, async () => {
      const remote = new WatchedStore({ fetchPieceBytes: 4096 });
      await withBench({ remote }, async (bench) => {
        const bytes = Buffer.alloc(128 * mebibyte, 'random reads ');
        bench.inodes.add(1, remote.put('a', bytes));
        const count = 50;
        let state = 12345;
        for (let index = 0; index < count; index++) {
          state = (state * 1103515245 + 12345) % 2147483648;
          const offset = 4096 * Math.floor((state / 2147483648) * ((bytes.length - readBytes) / 4096));
          const found = await bench.read(1, offset, readBytes);
          assert.ok(found.equals(bytes.subarray(offset, offset + readBytes)));
        }
        assert.ok(remote.fetchedBytes <= 4 * count * readBytes, `${remote.fetchedBytes} bytes`);
      });
    });
  }

  it('gives waiting reads EAGAIN when the mount closes', async () => {
    const remote = new WatchedStore();
    await withBench({ remote }, async (bench) => {
      bench.inodes.add(1, remote.put('a', pattern(1000)));
      const hold = remote.hold('fetch');
      const reading = bench.read(1);
      await hold.arrived;
      const refused = assert.rejects(reading, { code: 'EAGAIN' });
      await bench.close();
      await refused;
    });
  });
});
