// The upload queue over a small file tree and a Hub in memory: what is sent, when, and what it becomes there.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { emptyXetKey } from '../../src/hub/remote-store.ts';
import { settle } from '../support/manual-clock.ts';
import { hubError } from '../support/memory-remote-store.ts';
import { withUploadWorld } from '../support/upload-world.ts';

test('a changed file is sent two quiet seconds later and is clean then', () =>
  withUploadWorld(async (world) => {
    world.write('notes.txt', 'one');
    await world.clock.advanceAsync(1500);
    world.write('notes.txt', 'one two');
    await world.clock.advanceAsync(1900);
    assert.deepEqual(world.remote.paths(), []);
    assert.equal(world.queue.pending()[0]?.state.state, 'safe');
    await world.clock.advanceAsync(200);
    await settle(20);
    assert.equal(world.remote.text('notes.txt'), 'one two');
    assert.deepEqual(world.queue.pendingTotals(), { files: 0, bytes: 0 });
    assert.equal(world.content.isStaged(2), false);
    assert.equal(world.clock.pendingTimers, 0);
    assert.deepEqual(
      world.activity.map(({ kind, path, detail }) => [kind, path, detail]),
      [
        ['UPLOAD', 'notes.txt', 'uploading'],
        ['UPLOAD', 'notes.txt', 'committed'],
      ],
    );
    assert.equal(world.counters.get('filesCommitted'), 1);
    assert.equal(world.counters.get('uploadedBytes'), 7);
  }));

test('a file that is written without rest is sent after thirty seconds', () =>
  withUploadWorld(async (world) => {
    for (let second = 0; second < 31; second += 1) {
      world.write('log', `line ${second}`);
      await world.clock.advanceAsync(1000);
    }
    await settle(20);
    assert.match(world.remote.text('log') ?? '', /^line (29|30)$/);
    await world.quiet();
    assert.equal(world.remote.text('log'), 'line 30');
  }));

test('an empty file is added without an upload', () =>
  withUploadWorld(async (world) => {
    world.touch('empty');
    world.write('emptied', '');
    await world.quiet();
    assert.equal(world.remote.file('empty')?.content.key, emptyXetKey);
    assert.equal(world.remote.file('emptied')?.content.key, emptyXetKey);
    assert.deepEqual(world.remote.callsOf('upload'), []);
  }));

test('content that equals what the Hub has commits nothing', () =>
  withUploadWorld(async (world) => {
    world.seed({ same: 'old words' });
    world.write('same', 'old words');
    await world.quiet();
    assert.deepEqual(world.remote.callsOf('commit'), []);
    assert.equal(world.counters.get('savedBytes'), 9);
  }));

test('a file that is created and removed before it was due is never sent', () =>
  withUploadWorld(async (world) => {
    world.write('scratch', 'x');
    world.remove('scratch');
    await world.quiet();
    await world.clock.advanceAsync(60_000);
    assert.deepEqual(world.remote.calls, []);
  }));

test('a file that is renamed before it was due is sent once, under its new name', () =>
  withUploadWorld(async (world) => {
    world.write('draft', 'text');
    world.rename('draft', 'final');
    await world.quiet();
    assert.deepEqual(world.remoteTexts(), { final: 'text' });
    assert.deepEqual(world.remote.callsOf('commit'), ['final']);
  }));

test('a file that is removed and created again has its new content, without a moment of absence', () =>
  withUploadWorld(async (world) => {
    world.seed({ report: 'old' });
    world.remove('report');
    world.write('report', 'new');
    await world.quiet();
    assert.deepEqual(world.remoteTexts(), { report: 'new' });
    assert.deepEqual(world.remote.callsOf('commit'), ['report']);
  }));

test('a save by rename of the old version never leaves the name empty on the Hub', () =>
  withUploadWorld(async (world) => {
    world.seed({ doc: 'old' });
    const upload = world.remote.hold('upload');
    world.rename('doc', 'doc~');
    world.write('doc', 'new');
    world.remove('doc~');
    await world.clock.advanceAsync(60_000);
    assert.deepEqual(world.remoteTexts(), { doc: 'old' });
    upload.release();
    await world.quiet();
    assert.deepEqual(world.remoteTexts(), { doc: 'new' });
    assert.deepEqual(world.remote.callsOf('commit'), ['doc']);
  }));

test('two names that are swapped through a third are swapped on the Hub without moving a byte', () =>
  withUploadWorld(async (world) => {
    world.seed({ a: 'first', b: 'second' });
    world.rename('a', 't');
    world.rename('b', 'a');
    world.rename('t', 'b');
    await world.quiet();
    assert.deepEqual(world.remoteTexts(), { a: 'second', b: 'first' });
    assert.deepEqual(world.remote.callsOf('upload'), []);
    assert.equal(world.remote.callsOf('commit').length, 1);
  }));

test('a rename adds the new name before the old one goes', () =>
  withUploadWorld(async (world) => {
    world.seed({ old: 'text' });
    world.rename('old', 'new');
    await world.quiet();
    assert.deepEqual(world.remote.callsOf('commit'), ['new', 'old']);
    assert.deepEqual(world.remoteTexts(), { new: 'text' });
  }));

test('removing five thousand files takes a few requests', () =>
  withUploadWorld(async (world) => {
    const names = Array.from({ length: 5000 }, (_value, index) => `tree/${index % 50}/file ${index}`);
    world.seed(Object.fromEntries(names.map((name) => [name, name])));
    world.database.transaction(() => {
      for (const name of names) world.remove(name);
    });
    assert.equal(world.queue.isPathPending('tree/7/file 7'), true);
    assert.equal(world.queue.isPathPending('tree/7'), true, 'a listing still shows the folder');
    assert.equal(world.queue.isPathPending('other'), false);
    await world.quiet();
    assert.deepEqual(world.remote.paths(), []);
    assert.ok(world.remote.callsOf('commit').length <= 6);
    assert.equal(world.queue.isPathPending('tree/7'), false);
  }));

test('a hard link puts the content under both names', () =>
  withUploadWorld(async (world) => {
    world.write('one', 'shared');
    world.link('one', 'two');
    await world.quiet();
    assert.deepEqual(world.remoteTexts(), { one: 'shared', two: 'shared' });
    world.link('one', 'three');
    world.write('one', 'changed');
    await world.quiet();
    assert.deepEqual(world.remoteTexts(), { one: 'changed', two: 'changed', three: 'changed' });
  }));

test('a file that is written again while it is uploaded sends one version after the other, never a mix', () =>
  withUploadWorld(async (world) => {
    const upload = world.remote.hold('upload');
    world.write('book', 'a'.repeat(200_000));
    await world.clock.advanceAsync(2500);
    await upload.arrived;
    world.write('book', 'b'.repeat(200_000));
    const texts: (string | null)[] = [];
    world.remote.intercept('commit', Infinity, () => {
      texts.push(world.remote.text('book'));
      return Promise.resolve();
    });
    upload.release();
    await world.quiet();
    assert.deepEqual(texts, [null, 'a'.repeat(200_000)]);
    assert.equal(world.remote.text('book'), 'b'.repeat(200_000));
  }));

test('a file that is removed while it is being committed is removed on the Hub as well', () =>
  withUploadWorld(async (world) => {
    const commit = world.remote.hold('commit');
    world.write('short-lived', 'x');
    await world.clock.advanceAsync(2500);
    await commit.arrived;
    world.remove('short-lived');
    commit.release();
    await world.quiet();
    assert.deepEqual(world.remoteTexts(), {});
  }));

test('a file that is renamed while it is being committed ends under its new name only', () =>
  withUploadWorld(async (world) => {
    world.seed({ known: 'old' });
    const commit = world.remote.hold('commit');
    world.write('fresh', 'x');
    world.write('known', 'new');
    await world.clock.advanceAsync(2500);
    await commit.arrived;
    world.rename('fresh', 'fresh 2');
    world.rename('known', 'known 2');
    commit.release();
    await world.quiet();
    assert.deepEqual(world.remoteTexts(), { 'fresh 2': 'x', 'known 2': 'new' });
    assert.equal(world.remote.callsOf('upload').length, 2);
  }));

test('a file whose folder is renamed while it is being committed moves along', () =>
  withUploadWorld(async (world) => {
    world.seed({ 'in/known': 'old', 'in/still': 'still' });
    const commit = world.remote.hold('commit');
    world.write('in/fresh', 'x');
    world.write('in/known', 'new');
    await world.clock.advanceAsync(2500);
    await commit.arrived;
    world.renameFolder('in', 'out');
    commit.release();
    await world.quiet();
    assert.deepEqual(world.remoteTexts(), { 'out/fresh': 'x', 'out/known': 'new', 'out/still': 'still' });
    assert.deepEqual(
      world.activity.filter(({ kind }) => kind === 'CONFLICT'),
      [],
    );
  }));

test('a file that becomes a folder gives way to it', () =>
  withUploadWorld(async (world) => {
    world.seed({ thing: 'was a file' });
    world.rename('thing', 'tmp');
    world.rename('tmp', 'thing/inner');
    await world.quiet();
    assert.deepEqual(world.remoteTexts(), { 'thing/inner': 'was a file' });
    assert.deepEqual(world.remote.callsOf('commit'), ['thing thing/inner']);
  }));

test('paths are mapped back through the moves that the Hub has not seen', () =>
  withUploadWorld(async (world) => {
    world.seed({ 'a/x/1': '1', 'b/2': '2' });
    world.renameFolder('a/x', 'a/y');
    world.renameFolder('a', 'c');
    assert.equal(world.queue.remotePathNow('c/y/deep/file'), 'a/x/deep/file');
    assert.equal(world.queue.remotePathNow('c/z'), 'a/z');
    assert.equal(world.queue.remotePathNow('b/2'), 'b/2');
    world.renameFolder('b', 'a');
    assert.equal(world.queue.remotePathNow('a/2'), 'b/2');
    assert.equal(world.queue.remotePathNow('b/new'), 'b/new');
    await world.quiet();
    assert.equal(world.queue.remotePathNow('c/y/1'), 'c/y/1');
    assert.deepEqual(world.remoteTexts(), { 'c/y/1': '1', 'a/2': '2' });
  }));

test('while nothing is due the queue rests', () =>
  withUploadWorld(async (world) => {
    const countWork = async (): Promise<number> => {
      await settle(20);
      const before = world.transactions;
      for (let elapsedMs = 0; elapsedMs < 50; elapsedMs += 1) await world.clock.advanceAsync(1);
      return world.transactions - before;
    };
    assert.equal(await countWork(), 0, 'empty');
    world.write('doc', 'text');
    assert.equal(await countWork(), 0, 'waiting for the debounce');
    world.remote.fail('upload', hubError('network', true));
    await world.clock.advanceAsync(2100);
    assert.equal(await countWork(), 0, 'backing off');
    world.seed({ old: 'x' });
    world.rename('old', 'new');
    world.remote.fail('stat', hubError('network', true));
    await world.clock.advanceAsync(2100);
    assert.equal(await countWork(), 0, 'committer backing off');
    await world.quiet();
    assert.equal(await countWork(), 0, 'done');
    const list = world.remote.hold('listRecursive');
    world.seed({ 'in/1': '1' });
    world.renameFolder('in', 'out');
    world.write('out/2', '2');
    await world.clock.advanceAsync(3000);
    await list.arrived;
    assert.equal(world.queue.pending()[0]?.state.state, 'committing');
    assert.equal(await countWork(), 0, 'ready, but behind the rename of its folder');
    list.release();
    await world.quiet();
    assert.deepEqual(world.remoteTexts(), { doc: 'text', new: 'x', 'out/1': '1', 'out/2': '2' });
  }));

test('a thousand small files go up together and take few commits', () =>
  withUploadWorld(async (world) => {
    for (let index = 0; index < 1000; index += 1) world.write(`many/${index}`, `text ${index}`);
    let running = 0;
    let most = 0;
    world.remote.intercept('upload', Infinity, async () => {
      most = Math.max(most, (running += 1));
      await settle(2);
      running -= 1;
    });
    await world.quiet();
    assert.equal(world.remote.paths().length, 1000);
    assert.ok(most > 6 && most <= 12, `${most} uploads at once`);
    assert.ok(
      world.remote.callsOf('commit').length <= 10,
      `${world.remote.callsOf('commit').length} commits`,
    );
  }));

test('no more than three large files are uploaded at once, and small ones pass them', () =>
  withUploadWorld(async (world) => {
    const large = 'x'.repeat(5 * 1024 * 1024);
    const hold = world.remote.hold('upload', (size) => size === String(large.length));
    for (let index = 0; index < 5; index += 1) world.write(`large ${index}`, large);
    world.write('small', 'text');
    await world.clock.advanceAsync(5000);
    await settle(20);
    assert.equal(world.remote.callsOf('upload').filter((size) => size === String(large.length)).length, 3);
    assert.deepEqual(world.remote.paths(), ['small']);
    hold.release();
    await world.quiet();
    assert.equal(world.remote.paths().length, 6);
  }));
