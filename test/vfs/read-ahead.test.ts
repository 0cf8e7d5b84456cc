import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { ByteRange } from '../../src/hub/remote-store.ts';
import { onceATurn, ReadAhead } from '../../src/vfs/cache/read-ahead.ts';

const mebibyte = 1024 * 1024;
const fileBytes = 1000 * mebibyte;

function drain(ahead: ReadAhead): ByteRange[] {
  const ranges: ByteRange[] = [];
  for (let range = ahead.next(); range !== null; range = ahead.next()) ranges.push(range);
  return ranges;
}

function bytesOf(ranges: readonly ByteRange[]): number {
  return ranges.reduce((sum, { start, end }) => sum + end - start, 0);
}

describe('read-ahead', () => {
  it('asks one wide range after another, without gaps, for READs that came together', () => {
    const ahead = new ReadAhead(fileBytes);
    for (let index = 0; index < 8; index += 1) ahead.note(index * mebibyte, mebibyte);
    const ranges = drain(ahead);
    assert.equal(ranges[0]?.start, 8 * mebibyte);
    ranges.forEach((range, i) => assert.equal(range.start, ranges[i - 1]?.end ?? range.start));
    assert.ok(bytesOf(ranges) >= 24 * mebibyte && ranges.length <= 8, `${ranges.length} ranges`);
  });

  it('is never further ahead than 96 MiB, in pieces of 8 MiB at most', () => {
    const ahead = new ReadAhead(fileBytes);
    let askedTo = 0;
    for (let at = 0; at < 500 * mebibyte; at += mebibyte) {
      ahead.note(at, mebibyte);
      for (const { start, end } of drain(ahead)) {
        assert.ok(end - start <= 8 * mebibyte);
        askedTo = Math.max(askedTo, end);
      }
      assert.ok(askedTo <= at + mebibyte + 96 * mebibyte);
    }
    assert.ok(askedTo > 560 * mebibyte, 'it is far ahead of a reader that goes on');
  });

  it('earns its window: at most four times what a stream has read', () => {
    const ahead = new ReadAhead(fileBytes);
    const start = 300 * mebibyte;
    let asked = 0;
    for (let at = start; at < start + 16 * mebibyte; at += 131_072) {
      ahead.note(at, 131_072);
      asked += bytesOf(drain(ahead));
      assert.ok(asked <= 5 * (at + 131_072 - start) + mebibyte, `${asked} bytes at ${at - start}`);
    }
  });

  it('asks for nothing after reads here and there', () => {
    const ahead = new ReadAhead(fileBytes);
    for (let index = 1; index <= 100; index += 1) {
      ahead.note(((index * 617) % 997) * mebibyte, 4096);
      assert.deepEqual(drain(ahead), []);
    }
  });

  it('looks once at all READs of a turn', async () => {
    let looks = 0;
    const look = onceATurn(() => {
      looks += 1;
    });
    for (let index = 0; index < 8; index += 1) look();
    assert.equal(looks, 0);
    await new Promise((resolve) => setImmediate(resolve));
    assert.equal(looks, 1);
    look();
    await new Promise((resolve) => setImmediate(resolve));
    assert.equal(looks, 2);
  });
});
