import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { createCodecPool, createInlineCodec, type UploadCodec } from '../../src/hub/codec-pool.ts';
import { HubError } from '../../src/hub/remote-store.ts';
import { decodeChunks } from '../../src/xet/xorb.ts';
import { ManualClock, settle } from '../support/manual-clock.ts';
import { noiseBytes, textBytes } from '../xet/xet-samples.ts';

const much = 10_000_000;

async function run(codec: UploadCodec, data: Uint8Array): Promise<{ hashes: string; plain: Buffer }> {
  const parts: Buffer[] = [];
  let hashes = '';
  for (let at = 0; at < data.length; at += 500_000) {
    const block = await codec.push(
      Uint8Array.from(data.subarray(at, at + 500_000)),
      at + 500_000 >= data.length,
    );
    hashes += Buffer.from(block.hashes).toString('hex');
    const encoded = await codec.encode(new Uint8Array(block.sizes.length).fill(1));
    assert.equal(encoded.lengths.length, block.sizes.length);
    decodeChunks(encoded.bytes, (_, plain) => parts.push(Buffer.from(plain)));
  }
  codec.close();
  return { hashes, plain: Buffer.concat(parts) };
}

describe('the codec pool', () => {
  const data = Buffer.concat([textBytes(1_200_000), noiseBytes(1_200_000)]);

  test('gives on threads what it gives inline, several streams at once', async () => {
    const clock = new ManualClock();
    const pool = createCodecPool(2, clock);
    const inline = await run(createInlineCodec().open(much), data);
    assert.equal(Buffer.compare(inline.plain, data), 0);
    const results = await Promise.all([1, 2, 3].map(() => run(pool.open(much), data)));
    for (const result of results) assert.equal(result.hashes, inline.hashes);
    await pool.close();
    assert.equal(clock.pendingTimers, 0);
  });

  test('encodes only what is wanted', async () => {
    const codec = createInlineCodec().open(much);
    const { sizes } = await codec.push(noiseBytes(1_000_000), true);
    const wanted = Uint8Array.from(sizes, (_, i) => (i === 1 || i === 3 ? 1 : 0));
    const { lengths } = await codec.encode(wanted);
    assert.deepEqual([...lengths], [(sizes[1] as number) + 8, (sizes[3] as number) + 8]);
    codec.close();
  });

  test('ends its threads when idle and starts them again', async () => {
    const clock = new ManualClock();
    const pool = createCodecPool(1, clock);
    const first = pool.open(much);
    await first.push(noiseBytes(300_000), true);
    assert.equal(clock.pendingTimers, 0, 'nothing ends under work');
    first.close();
    assert.equal(clock.pendingTimers, 1);
    clock.advance(10_000);
    await settle();
    assert.equal((await run(pool.open(much), data)).plain.length, data.length);
    await pool.close();
  });

  test('a block that was given away before fails instead of hanging', async () => {
    const pool = createCodecPool(1, new ManualClock());
    const codec = pool.open(much);
    const block = new Uint8Array(noiseBytes(200_000)).slice();
    await codec.push(block, false);
    await assert.rejects(codec.push(block, true), HubError);
    codec.close();
    await pool.close();
  });

  test('closing it fails what is under way, and nothing can be opened', async () => {
    const pool = createCodecPool(1, new ManualClock());
    const codec = pool.open(much);
    const pending = codec.push(noiseBytes(4_000_000), true);
    const outcome = assert.rejects(pending, (error) => error instanceof HubError && error.retryable);
    await pool.close();
    await outcome;
    assert.throws(() => pool.open(1), HubError);
    codec.close();
  });
});
