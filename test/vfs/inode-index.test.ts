// The index in memory: found by number and by name, ordered by cookie, reused places, bounded memory; against plain maps.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DirectoryOrder } from '../../src/vfs/namespace/directory-order.ts';
import { FsError } from '../../src/vfs/fs-error.ts';
import { InodePage, readKey, typeCode, writeKey } from '../../src/vfs/namespace/inode-columns.ts';
import { InodeIndex } from '../../src/vfs/namespace/inode-index.ts';
import { randomOf } from '../support/random.ts';

const plain = { flags: 0, remoteName: null, otherExpect: null };

test('random insertions and removals equal plain maps', () => {
  const random = randomOf(7);
  const index = new InodeIndex({ foldCase: false });
  const root = index.addInode(1, typeCode.directory);
  const names = new Map<string, { ino: number; cookie: number }>();
  let nextIno = 2;
  let nextCookie = 3;
  for (let step = 0; step < 20_000; step += 1) {
    const name = `${random() < 0.5 ? 'naïve' : 'plain'}-${Math.floor(random() * 400)}`;
    const known = names.get(name);
    if (known === undefined) {
      const ino = nextIno++ * 4_294_967;
      const inode = index.addInode(ino, typeCode.file);
      index.addEntry({ ...plain, parent: root, name, inode, cookie: nextCookie });
      names.set(name, { ino, cookie: nextCookie++ });
    } else {
      const entry = index.find(root, name);
      assert.equal(index.inoOf(index.inodeOf(entry)), known.ino);
      assert.equal(index.cookieOf(entry), known.cookie);
      const inode = index.inodeOf(entry);
      index.removeEntry(entry);
      index.removeInode(inode);
      names.delete(name);
      assert.equal(index.slotOf(known.ino), -1);
    }
  }
  assert.equal(index.entryCount, names.size);
  assert.equal(index.inodeCount, names.size + 1);
  const listed: string[] = [];
  index.order(root).visit(0, (entry) => {
    listed.push(index.nameOf(entry));
    return true;
  });
  const expected = [...names].sort(([, one], [, other]) => one.cookie - other.cookie).map(([name]) => name);
  assert.deepEqual(listed, expected);
});

test('the inode asked for last is found, and not after it is gone or its place is taken', () => {
  const index = new InodeIndex({ foldCase: false });
  assert.equal(index.slotOf(5), -1);
  const slot = index.addInode(5, typeCode.file);
  assert.deepEqual([index.slotOf(5), index.slotOf(5), index.slotOf(6)], [slot, slot, -1]);
  assert.equal(index.slotOf(5), slot);
  index.removeInode(slot);
  assert.deepEqual([index.slotOf(5), index.slotOf(0)], [-1, -1]);
  assert.equal(index.addInode(7, typeCode.file), slot);
  assert.deepEqual([index.slotOf(5), index.slotOf(7), index.slotOf(7)], [-1, slot, slot]);
});

test('an exact name wins over one that differs in Unicode form, and that over one that differs in case', () => {
  const index = new InodeIndex({ foldCase: true });
  const root = index.addInode(1, typeCode.directory);
  let cookie = 3;
  const add = (name: string): void => {
    const inode = index.addInode(100 + cookie, typeCode.file);
    index.addEntry({ ...plain, parent: root, name, inode, cookie: cookie++ });
  };
  const found = (name: string): string | null => {
    const entry = index.find(root, name);
    return entry === -1 ? null : index.nameOf(entry);
  };
  add('CAF\u00c9');
  assert.equal(found('caf\u00e9'), 'CAF\u00c9');
  add('cafe\u0301');
  assert.equal(found('caf\u00e9'), 'cafe\u0301');
  add('caf\u00e9');
  assert.equal(found('caf\u00e9'), 'caf\u00e9');
  assert.equal(found('cafe\u0301'), 'cafe\u0301');
  assert.equal(found('cafe'), null);
  assert.equal(index.findExact(root, 'Caf\u00e9'), -1);
});

test('a directory keeps its order through removals, and takes an undone removal back in its place', () => {
  const order = new DirectoryOrder();
  for (let cookie = 3; cookie < 103; cookie += 1) order.add(cookie, cookie * 10);
  for (let cookie = 3; cookie < 103; cookie += 1) if (cookie % 5 !== 0) order.remove(cookie);
  order.add(31, 310);
  order.remove(4);
  const cookies: number[] = [];
  assert.equal(
    order.visit(20, (entry, cookie) => {
      assert.equal(entry, cookie * 10);
      cookies.push(cookie);
      return cookies.length < 4;
    }),
    false,
  );
  assert.deepEqual(cookies, [25, 30, 31, 35]);
  assert.equal(order.next(100), -1);
  assert.equal(order.count, 21);
  assert.equal(order.nextCookie, 103);
});

test('content keys of both forms are kept as bytes, others are refused', () => {
  const page = new InodePage();
  for (const key of [`xet:${'0123456789abcdef'.repeat(4)}`, `git:${'fedcba9876'.repeat(4)}`, null]) {
    writeKey(page, 5, key);
    assert.equal(readKey(page, 5), key);
  }
  for (const key of ['xet:12', `git:${'a'.repeat(64)}`, `xet:${'g'.repeat(64)}`, `sha:${'a'.repeat(40)}`]) {
    assert.throws(() => writeKey(page, 5, key), FsError);
  }
});

test('an entry costs at most 260 bytes, and names that come and go cost nothing more', () => {
  const index = new InodeIndex({ foldCase: false });
  const root = index.addInode(1, typeCode.directory);
  const before = process.memoryUsage().arrayBuffers;
  const count = 50_000;
  for (let number = 0; number < count; number += 1) {
    const inode = index.addInode(number + 2, typeCode.file);
    const name = `a-name-of-about-33-characters-${number}`;
    index.addEntry({ ...plain, parent: root, name, inode, cookie: number + 3 });
  }
  const used = process.memoryUsage().arrayBuffers - before;
  assert.ok(used / count <= 260, `${Math.round(used / count)} bytes an entry`);
  for (let number = 0; number < 50_000; number += 1) {
    const inode = index.addInode(1_000_000 + number, typeCode.file);
    const entry = index.addEntry({
      ...plain,
      parent: root,
      name: `t${number % 10}`,
      inode,
      cookie: count + number + 3,
    });
    index.removeEntry(entry);
    index.removeInode(inode);
  }
  assert.ok(process.memoryUsage().arrayBuffers - before <= used * 1.2);
});
