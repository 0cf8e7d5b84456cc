// The load generator tells right answers from wrong ones, whatever pieces they come in. Its partner is the bench's own ceiling server, of
// which the content is known.

import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import fc from 'fast-check';
import { startChild } from '../../bench/child.ts';
import { LoadTarget } from '../../bench/load/load-target.ts';
import { RecordReader } from '../../bench/load/record-reader.ts';
import type { LoadSpec } from '../../bench/load/workloads.ts';

const ceilingModule = new URL('../../bench/servers/ceiling-child.ts', import.meta.url);
const fileBytes = 3_000_000;

async function openCeiling(t: TestContext): Promise<LoadTarget> {
  const [server, load] = [startChild(), startChild()];
  t.after(() => Promise.all([server.close(), load.close()]));
  const port = await server.call<number>(ceilingModule, 'listen', { fileBytes });
  return LoadTarget.open(load, { port, exportPath: '/' });
}

const isVerificationError = { name: 'VerificationError' };

test('reads of every size and depth are counted to the byte', async (t) => {
  const target = await openCeiling(t);
  const file = await target.lookUp('data');
  for (const [blockBytes, depth] of [[1_048_576, 8] as const, [131_072, 3] as const, [4096, 16] as const]) {
    const blocks = {
      blockBytes,
      depth,
      count: Math.ceil(fileBytes / blockBytes),
      order: 'sequential',
    } as const;
    const spec = { kind: 'read', file, fileBytes, ...blocks, seed: 1, expected: null } as const;
    const { bytes, operations, p50Us, p99Us } = await target.run(spec);
    assert.equal(bytes, fileBytes);
    assert.equal(operations, blocks.count);
    assert.ok(p50Us > 0 && p99Us >= p50Us);
  }
});

test('a wrong byte, size, handle, count or status fails the run', async (t) => {
  const blocks = {
    fileBytes,
    blockBytes: 65_536,
    count: 20,
    depth: 4,
    order: 'sequential',
    seed: 1,
  } as const;
  const file = Buffer.alloc(32, 0x5a);
  const wrong: readonly LoadSpec[] = [
    { kind: 'read', file, ...blocks, expected: { kind: 'random', seed: 1 } },
    { kind: 'read', file, ...blocks, expected: 'written' },
    { kind: 'read', file, ...blocks, fileBytes: fileBytes + 1, count: 50, expected: null },
    { kind: 'getattr', file, fileBytes: fileBytes - 1, count: 1, depth: 1 },
    { kind: 'lookup', dir: file, name: 'data', found: Buffer.alloc(32), count: 1, depth: 1 },
    // The ceiling says 2, FILE_SYNC, but drops what it gets.
    { kind: 'write', file, ...blocks, blockBytes: 4096, stable: 3 as 2 },
  ];
  for (const spec of wrong) {
    const target = await openCeiling(t);
    await assert.rejects(target.run(spec), isVerificationError, JSON.stringify(spec.kind));
    // The connection is given up: what would come next belongs to no call.
    await assert.rejects(target.run({ kind: 'access', file, count: 1, depth: 1 }), isVerificationError);
  }
});

/** A reply and where it is cut into fragments. */
const replies = fc.array(
  fc.record({ bytes: fc.uint8Array({ minLength: 8, maxLength: 300 }), cuts: fc.array(fc.nat(300)) }),
);

function encode({ bytes, cuts }: { readonly bytes: Uint8Array; readonly cuts: readonly number[] }): Buffer {
  const ends = [...new Set(cuts.map((cut) => cut % bytes.length).filter((cut) => cut > 0)), bytes.length];
  ends.sort((a, b) => a - b);
  let start = 0;
  const parts = ends.map((end) => {
    const mark = Buffer.alloc(4);
    mark.writeUInt32BE((end === bytes.length ? 0x8000_0000 : 0) + end - start);
    const part = Buffer.concat([mark, bytes.subarray(start, end)]);
    start = end;
    return part;
  });
  return Buffer.concat(parts);
}

test('replies are found in any pieces and fragments, whole or by their heads', () => {
  fc.assert(
    fc.property(
      replies,
      fc.infiniteStream(fc.integer({ min: 1, max: 400 })),
      fc.boolean(),
      (sent, pieces, isWhole) => {
        const reader = new RecordReader(4096);
        const seen: { readonly head: Buffer; readonly length: number }[] = [];
        const taker = {
          wantedBytes: isWhole ? Infinity : 8,
          reply(from: RecordReader, start: number, end: number, length: number): void {
            assert.ok(end - start >= Math.min(length, isWhole ? length : 8));
            seen.push({ head: Buffer.from(from.bytes.subarray(start, isWhole ? end : start + 8)), length });
          },
        };
        const stream = Buffer.concat(sent.map(encode));
        for (let at = 0; at < stream.length;) {
          const space = reader.space();
          const count = Math.min(pieces.next().value ?? 1, stream.length - at, space.length);
          stream.copy(space, 0, at, at + count);
          reader.received(count, taker);
          at += count;
        }
        assert.ok(reader.isIdle);
        assert.deepEqual(
          seen,
          sent.map(({ bytes }) => ({
            head: Buffer.from(isWhole ? bytes : bytes.subarray(0, 8)),
            length: bytes.length,
          })),
        );
      },
    ),
  );
});
