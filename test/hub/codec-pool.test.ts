import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  createCodecPool,
  createInlineCodec,
  type CodecPool,
  type UploadCodec,
} from '../../src/hub/codec-pool.ts';
import { HubError } from '../../src/hub/remote-store.ts';
import { makeShared, UploadBuffers, type Block } from '../../src/hub/upload-buffers.ts';
import { decodeChunks } from '../../src/xet/xorb.ts';
import { ManualClock, settle } from '../support/manual-clock.ts';
import { noiseBytes, textBytes } from '../xet/xet-samples.ts';

const much = 10_000_000;

async function run(
  pool: CodecPool,
  codec: UploadCodec,
  data: Uint8Array,
): Promise<{ hashes: string; plain: Buffer }> {
  const parts: Buffer[] = [];
  let hashes = '';
  for (let at = 0; at < data.length; at += 500_000) {
    const piece = data.subarray(at, at + 500_000);
    const block = await codec.push(filled(pool, piece), at + 500_000 >= data.length);
    hashes += Buffer.from(block.hashes).toString('hex');
    const gap = 1003;
    const target = pool.targets.take(900_000);
    const run = await codec.encode(new Uint8Array(block.sizes.length).fill(1), target, gap);
    assert.equal(run.lengths.length, block.sizes.length);
    const encodedBytes = run.lengths.reduce((sum, length) => sum + length, 0);
    decodeChunks(target.subarray(gap, gap + encodedBytes), (_, plain) => parts.push(Buffer.from(plain)));
    pool.targets.give(target);
    assert.equal(run.blocks.length, 1);
    for (const done of run.blocks) pool.blocks.give(done);
  }
  codec.close();
  return { hashes, plain: Buffer.concat(parts) };
}

function filled(pool: CodecPool, data: Uint8Array): Block {
  const buffer = pool.blocks.take(data.length);
  buffer.set(data);
  return buffer.subarray(0, data.length);
}

describe('the codec pool', () => {
  const data = Buffer.concat([textBytes(1_200_000), noiseBytes(1_200_000)]);

  test('gives on threads what it gives inline, several streams at once', async () => {
    const clock = new ManualClock();
    const pool = createCodecPool(2, clock);
    const inlinePool = createInlineCodec(clock);
    const inline = await run(inlinePool, inlinePool.open(much), data);
    await inlinePool.close();
    assert.equal(Buffer.compare(inline.plain, data), 0);
    const results = await Promise.all([1, 2, 3].map(() => run(pool, pool.open(much), data)));
    for (const result of results) assert.equal(result.hashes, inline.hashes);
    await pool.close();
    assert.equal(clock.pendingTimers, 0);
  });

  test('encodes only what is wanted', async () => {
    const codec = createInlineCodec(new ManualClock()).open(much);
    const { sizes } = await codec.push(new Uint8Array(noiseBytes(1_000_000)), true);
    const wanted = Uint8Array.from(sizes, (_, i) => (i === 1 || i === 3 ? 1 : 0));
    const { lengths } = await codec.encode(wanted, makeShared(300_000), 0);
    assert.deepEqual([...lengths], [(sizes[1] as number) + 8, (sizes[3] as number) + 8]);
    codec.close();
  });

  test('ends its threads when idle and starts them again', async () => {
    const clock = new ManualClock();
    const pool = createCodecPool(1, clock);
    const first = pool.open(much);
    await first.push(filled(pool, noiseBytes(300_000)), true);
    assert.equal(clock.pendingTimers, 0, 'nothing ends under work');
    first.close();
    assert.equal(clock.pendingTimers, 1);
    clock.advance(10_000);
    await settle();
    assert.equal((await run(pool, pool.open(much), data)).plain.length, data.length);
    await pool.close();
  });

  test('a buffer that was given away before fails instead of hanging', async () => {
    const pool = createCodecPool(1, new ManualClock());
    const codec = pool.open(much);
    const block = filled(pool, noiseBytes(200_000));
    await codec.push(block, false);
    await assert.rejects(codec.push(block, true), HubError);
    await codec.encode(Uint8Array.of(1), pool.targets.take(900_000), 0);
    codec.close();
    await pool.close();
  });

  test('a block comes back once its last chunk is resolved', async () => {
    const codec = createInlineCodec(new ManualClock()).open(much);
    const first = await codec.push(new Uint8Array(noiseBytes(600_000)), false);
    const second = await codec.push(new Uint8Array(noiseBytes(400_000, 2)), true);
    const target = makeShared(1_100_000);
    const count = first.sizes.length;
    const some = await codec.encode(new Uint8Array(count - 1).fill(1), target, 0);
    assert.equal(some.blocks.length, 0);
    const one = await codec.encode(new Uint8Array(2), target, 0);
    assert.deepEqual(
      one.blocks.map((block) => block.length),
      [600_000],
    );
    const rest = await codec.encode(new Uint8Array(second.sizes.length - 1), target, 0);
    assert.equal(rest.blocks.length, 1);
    assert.equal(rest.lengths.length, 0);
    codec.close();
  });

  test('too little room for the encoded chunks fails instead of writing beside it', async () => {
    const pool = createCodecPool(1, new ManualClock());
    const codec = pool.open(much);
    const { sizes } = await codec.push(filled(pool, noiseBytes(300_000)), true);
    const wanted = new Uint8Array(sizes.length).fill(1);
    const target = makeShared(600_000);
    await assert.rejects(codec.encode(wanted, target, 300_001), HubError);
    assert.ok(target.every((byte) => byte === 0));
    codec.close();
    await pool.close();
  });

  test('closing it fails what is under way, and nothing can be opened', async () => {
    const pool = createCodecPool(1, new ManualClock());
    const codec = pool.open(much);
    const pending = codec.push(filled(pool, noiseBytes(4_000_000)), true);
    const outcome = assert.rejects(pending, (error) => error instanceof HubError && error.retryable);
    await pool.close();
    await outcome;
    assert.throws(() => pool.open(1), HubError);
    codec.close();
  });
});

describe('upload buffers', () => {
  test('are used again, and bounded while idle', () => {
    const clock = new ManualClock();
    const buffers = new UploadBuffers(20 * 1024 * 1024, clock, makeShared);
    const small = buffers.take(1000);
    assert.equal(small.length, 1024 * 1024);
    const large = buffers.take(16 * 1024 * 1024);
    buffers.give(small);
    buffers.give(large);
    assert.equal(buffers.idleBytes, 17 * 1024 * 1024);
    buffers.give(buffers.take(4 * 1024 * 1024));
    assert.equal(buffers.idleBytes, 17 * 1024 * 1024, 'what is over the limit is let go');
    assert.equal(buffers.take(1024 * 1024).buffer, small.buffer);
    assert.equal(buffers.take(5 * 1024 * 1024).buffer, large.buffer);
    assert.equal(buffers.idleBytes, 0);
    assert.throws(() => buffers.take(16 * 1024 * 1024 + 1), RangeError);
    assert.equal(clock.pendingTimers, 0);
  });

  test('are let go while others of another size are in use, or lost', () => {
    const clock = new ManualClock();
    const buffers = new UploadBuffers(16 * 1024 * 1024, clock, makeShared);
    buffers.give(buffers.take(16 * 1024 * 1024));
    clock.advance(5000);
    const small = buffers.take(1);
    clock.advance(10_000);
    buffers.give(small);
    buffers.take(1);
    clock.advance(20_000);
    assert.equal(buffers.idleBytes, 0);
    assert.equal(clock.pendingTimers, 0);
  });

  test('are let go after a while without use', () => {
    const clock = new ManualClock();
    const buffers = new UploadBuffers(20 * 1024 * 1024, clock, makeShared);
    buffers.give(buffers.take(1));
    clock.advance(9000);
    buffers.give(buffers.take(1));
    clock.advance(9000);
    assert.equal(buffers.idleBytes, 1024 * 1024);
    clock.advance(2000);
    assert.equal(buffers.idleBytes, 0);
    assert.equal(clock.pendingTimers, 0);
  });
});
