// The chunks met last: found by hash, bounded, and independent of the buffers that they came in.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { PlacedChunk } from '../../src/hub/manifest.ts';
import { RecentChunks } from '../../src/hub/recent-chunks.ts';

function chunk(number: number): PlacedChunk {
  const hash = new Uint8Array(32).fill(number & 0xff);
  new DataView(hash.buffer).setUint32(8, number);
  const xorb = hash.map((byte) => byte ^ 0xff);
  return { hash, sizeBytes: 65_536 + number, xorb, index: number % 1000 };
}

test('the chunks met last are found as they were, the oldest are forgotten', () => {
  const recent = new RecentChunks(10_000);
  for (let number = 0; number < 25_000; number += 1) recent.learn(chunk(number));
  assert.equal(recent.size, 10_000);
  assert.equal(recent.find(chunk(14_999).hash), null);
  for (const number of [15_000, 19_999, 20_000, 24_999]) {
    assert.deepEqual(recent.find(chunk(number).hash), chunk(number));
  }
});

test('a chunk that is met again is told where it was last, and counts as new', () => {
  const recent = new RecentChunks(3);
  recent.learn(chunk(1));
  recent.learn(chunk(2));
  recent.learn({ ...chunk(1), index: 77 });
  assert.equal(recent.size, 2);
  assert.equal(recent.find(chunk(1).hash)?.index, 77);
  recent.learn(chunk(3));
  recent.learn(chunk(4));
  assert.equal(recent.find(chunk(1).hash)?.index, 77);
  assert.equal(recent.find(chunk(2).hash), null);
  recent.learn(chunk(5));
  assert.equal(recent.find(chunk(1).hash), null);
  recent.clear();
  assert.equal(recent.size, 0);
  assert.equal(recent.find(chunk(5).hash), null);
});

test('a chunk that is met again and again pushes out no other', () => {
  const recent = new RecentChunks(100);
  for (let number = 0; number < 60; number += 1) recent.learn(chunk(number));
  for (let time = 0; time < 1000; time += 1) recent.learn(chunk(59));
  assert.equal(recent.size, 60);
  assert.deepEqual(recent.find(chunk(0).hash), chunk(0));
});

test('neither what was learnt nor what was found changes with later chunks', () => {
  const recent = new RecentChunks(2);
  const source = chunk(1);
  const block = new Uint8Array(1 << 20);
  block.set(source.hash, 100);
  recent.learn({ ...source, hash: block.subarray(100, 132) });
  block.fill(9);
  const found = recent.find(source.hash);
  for (let number = 2; number < 10; number += 1) recent.learn(chunk(number));
  assert.deepEqual(found, source);
  assert.equal(found?.hash.buffer.byteLength, 64);
});
