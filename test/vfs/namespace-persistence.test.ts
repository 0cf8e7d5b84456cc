// What survives a restart, a kill, and a failed transaction; and readdir cookies.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FsHarness, owner } from '../support/virtual-fs-harness.ts';
import { hubError, MemoryRemoteStore } from '../support/memory-remote-store.ts';
import { settle } from '../support/manual-clock.ts';

async function listing(h: FsHarness, path = '', after = 0): Promise<[name: string, cookie: number][]> {
  const entries: [string, number][] = [];
  await h.fs.readDirectory(await h.ino(path), after, (name, _ino, cookie) => {
    entries.push([name, cookie]);
    return true;
  });
  return entries;
}

for (const how of ['restart', 'crash'] as const) {
  test(`names, inode numbers, attributes, cookies and content are the same after a ${how}`, async (t) => {
    const remote = new MemoryRemoteStore();
    remote.put('known/a', 'A');
    remote.put('unknown/b', 'B');
    const h = await FsHarness.open(t, remote);
    await h.names('known');
    await h.mkdir('empty');
    await h.write('known/new', 'unsent');
    await h.symlink('sym', 'target');
    await h.rename('known/a', 'known/renamed');
    const before = { root: await listing(h), known: await listing(h, 'known') };
    const attributes = await Promise.all(
      ['', 'known', 'empty', 'known/new', 'sym'].map((path) => h.lookup(path)),
    );
    remote.calls.length = 0;
    const stop = remote.fail('list', hubError('network', true), Infinity);
    await h[how]();
    assert.deepEqual({ root: await listing(h), known: await listing(h, 'known') }, before);
    assert.deepEqual(
      await Promise.all(['', 'known', 'empty', 'known/new', 'sym'].map((path) => h.lookup(path))),
      attributes,
    );
    assert.equal(await h.read('known/new'), 'unsent');
    assert.deepEqual(remote.callsOf('list'), [], 'known folders are not listed again');
    stop();
    await h.flush();
    assert.deepEqual(remote.paths(), ['known/new', 'known/renamed', 'unknown/b']);
    assert.deepEqual(await h.names('unknown'), ['b']);
  });
}

test('what COMMIT acknowledged is there after a kill, with its size', async (t) => {
  const h = await FsHarness.open(t);
  const ino = await h.write('a', 'committed');
  await h.fs.write(ino, 9, Buffer.from(' and not'));
  await h.crash();
  const text = await h.read('a');
  assert.ok(text === 'committed' || text === 'committed and not', text);
  await h.fs.write(ino, 9, Buffer.from(' again'));
  await h.fs.commit(ino);
  await h.crash();
  assert.equal(await h.read('a'), 'committed again');
});

test('attributes of uncommitted writes reach the catalogue within a second', async (t) => {
  const h = await FsHarness.open(t);
  const { ino } = await h.create('a');
  await h.fs.write(ino, 0, Buffer.from('12345'));
  await h.fs.write(ino, 5, Buffer.from('67890'));
  await h.clock.advanceAsync(1_000);
  const before = h.fs.getAttributes(ino);
  await h.crash();
  assert.deepEqual(h.fs.getAttributes(ino), before);
});

test('ctime rises strictly even when the clock stands still or goes back', async (t) => {
  const h = await FsHarness.open(t);
  const { ino, ctime } = await h.create('a');
  let last = ctime;
  for (let index = 0; index < 20; index += 1) {
    const { after } =
      index % 2 === 0
        ? await h.fs.write(ino, index, Buffer.from('x'))
        : await h.fs.setAttributes(ino, { mode: 0o600 + index }, owner);
    assert.ok(after.ctime.sec > last.sec || (after.ctime.sec === last.sec && after.ctime.nsec > last.nsec));
    last = after.ctime;
  }
});

test('cookies are above 2, rise, and stay with their names whatever else comes and goes', async (t) => {
  const h = await FsHarness.open(t);
  for (let index = 0; index < 50; index += 1) await h.create(`f${index}`);
  const first = await listing(h);
  assert.ok(first.every(([, cookie], index) => cookie >= 3 && cookie > (first[index - 1]?.[1] ?? 2)));
  for (let index = 0; index < 50; index += 2) await h.remove(`f${index}`);
  await h.create('late');
  await h.restart();
  await h.create('later');
  const cookies = new Map(first);
  const second = await listing(h);
  assert.equal(second.length, 27);
  for (const [name, cookie] of second) {
    if (cookies.has(name)) assert.equal(cookie, cookies.get(name));
    else assert.ok(cookie > (first.at(-1)?.[1] ?? 0));
  }
  assert.deepEqual(await listing(h, '', second[9]?.[1] ?? 0), second.slice(10));
});

test('the cookie of a removed last entry is not given out again, even after a restart', async (t) => {
  const h = await FsHarness.open(t);
  await h.create('a');
  await h.create('b');
  const last = (await listing(h)).at(-1)?.[1] ?? 0;
  await h.remove('b');
  await h.crash();
  await h.create('c');
  assert.ok(((await listing(h)).at(-1)?.[1] ?? 0) > last);
});

test('a listing read page by page while everything read is removed misses nothing', async (t) => {
  const h = await FsHarness.open(t);
  for (let index = 0; index < 200; index += 1) await h.create(`f${index}`);
  const seen: string[] = [];
  for (let cookie = 0; ;) {
    const page: string[] = [];
    const done = await h.fs.readDirectory(1, cookie, (name, _ino, at) => {
      if (page.length === 7) return false;
      page.push(name);
      cookie = at;
      return true;
    });
    for (const name of page) await h.remove(name);
    seen.push(...page);
    if (done) break;
  }
  assert.equal(new Set(seen).size, 200);
  assert.deepEqual(await h.names(), []);
});

test('a change whose transaction fails leaves memory and catalogue as they were', async (t) => {
  const remote = new MemoryRemoteStore();
  remote.put('a', 'A');
  remote.put('b', 'B');
  remote.put('d/x', 'X');
  const h = await FsHarness.open(t, remote);
  await h.names('d');
  const paths = ['', 'a', 'b', 'd', 'd/x'];
  const state = async (): Promise<unknown> => ({
    root: await listing(h),
    inner: await listing(h, 'd'),
    attributes: await Promise.all(paths.map((path) => h.lookup(path))),
  });
  const before = await state();
  const log = h.fs.uploads.log.bind(h.fs.uploads);
  const noteChanged = h.fs.uploads.noteChanged.bind(h.fs.uploads);
  const fail = (): never => {
    throw new Error('disk full');
  };
  Object.assign(h.fs.uploads, { log: fail, noteChanged: fail });
  const failure = /disk full/;
  await assert.rejects(h.rename('a', 'b'), failure);
  await assert.rejects(h.rename('d', 'e'), failure);
  await assert.rejects(h.remove('a'), failure);
  await assert.rejects(h.create('new'), failure);
  await assert.rejects(h.link('a', 'c'), failure);
  Object.assign(h.fs.uploads, { log, noteChanged });
  assert.deepEqual(await state(), before);
  assert.deepEqual(h.fs.uploads.pending(), []);
  await h.restart();
  assert.deepEqual(await state(), before);
  await h.rename('a', 'b');
  await h.create('new');
  await h.flush();
  assert.equal(remote.text('b'), 'A');
  assert.deepEqual(remote.paths(), ['b', 'd/x', 'new']);
});

test('opening does not need the Hub, and what is unknown is asked for until it answers', async (t) => {
  const remote = new MemoryRemoteStore();
  remote.put('a', 'A');
  const stops = [
    remote.fail('probe', hubError('network', true), Infinity),
    remote.fail('list', hubError('network', true), Infinity),
  ];
  const h = await FsHarness.open(t, remote);
  await settle();
  assert.equal(h.fs.status().online, false);
  const waiting = assert.rejects(h.names(), { code: 'EAGAIN' });
  await h.clock.advanceAsync(10_000);
  await waiting;
  assert.equal(h.fs.getAttributes(1).type, 'directory');
  for (const stop of stops) stop();
  await h.clock.advanceAsync(60_000);
  assert.deepEqual(await h.names(), ['a']);
  assert.equal(h.fs.status().online, true);
});

test('a file whose name a damaged catalogue lost appears in the top folder with its unsent bytes', async (t) => {
  const h = await FsHarness.open(t);
  await h.mkdir('d');
  const ino = await h.write('d/precious', 'unsent');
  await h.write('d/other', 'fine');
  await h.edit((database) => database.exec(`DELETE FROM entry WHERE ino = ${ino}`));
  assert.deepEqual(await h.names(), ['d', `recovered-${ino}`]);
  assert.deepEqual(await h.names('d'), ['other']);
  assert.equal(await h.read(`recovered-${ino}`), 'unsent');
  await h.flush();
  assert.equal(h.remote.text(`recovered-${ino}`), 'unsent');
  await h.edit((database) => database.exec("INSERT INTO entry VALUES (99, 3, 98, 'ghost', NULL, NULL)"));
  assert.deepEqual(await h.names(), ['d', `recovered-${ino}`]);
});
