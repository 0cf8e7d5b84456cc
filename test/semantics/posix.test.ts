// What docs/semantics.md says of POSIX behaviour and is not told elsewhere: over NFS, the real VirtualFs, and the embedded Hub.

import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { RpcRefusal } from '../support/rpc-client.ts';
import { bucket, HubHosts, type HostOptions } from '../support/hub-hosts.ts';
import { statusOf } from '../support/nfs-program.ts';

async function scene(
  t: TestContext,
  files: Readonly<Record<string, string>> = {},
  options: HostOptions = {},
) {
  const hosts = await HubHosts.open(t, files);
  const host = await hosts.host(options);
  const program = await hosts.programOn(host);
  const { client, root } = program;
  return { hosts, host, program, client, root };
}

test('what one program wrote another one on the same mount reads at once, committed or not', async (t) => {
  const { program, client } = await scene(t, { doc: 'one two' });
  const other = await program.nfs.connect();
  const file = await program.handle('doc');
  await client.write(file, 4, 'TWO, and more');
  assert.equal((await other.readAll(file)).toString(), 'one TWO, and more');
  assert.equal(Number((await other.getattr(file)).size), 17);
});

test('reading changes no time, writing changes mtime and ctime, chmod only ctime', async (t) => {
  const { host, program, client } = await scene(t);
  const file = await program.save('doc', 'base');
  const times = async () => {
    const { atime, mtime, ctime } = await client.getattr(file);
    return { atime: atime.seconds, mtime: mtime.seconds, ctime: ctime.seconds };
  };
  const first = await times();
  await host.clock.advanceAsync(10_000);
  await client.readAll(file);
  assert.deepEqual(await times(), first);
  await client.setattr(file, { mode: 0o600 });
  const second = await times();
  assert.deepEqual(second, { ...first, ctime: second.ctime });
  assert.ok(second.ctime > first.ctime);
  await host.clock.advanceAsync(10_000);
  await client.write(file, 0, 'B');
  const third = await times();
  assert.ok(third.mtime > first.mtime && third.ctime > second.ctime);
});

test('the mtime that a program sets goes to the Hub with the content, and another mount shows it', async (t) => {
  const { hosts, host, program, client } = await scene(t);
  const file = await program.save('old photo', 'x');
  await client.setattr(file, { mtime: { set_it: 2, time: { seconds: 1_000_000_000, nseconds: 0 } } });
  await host.flush();
  const [stored] = hosts.hub.content.listFiles(bucket);
  assert.equal(stored?.mtime, 1_000_000_000_000);
  const elsewhere = await hosts.programOn(await hosts.host());
  assert.equal((await elsewhere.attributes('old photo')).mtime.seconds, 1_000_000_000);
});

test('modes, owners and symlinks stay on this host: another mount of the bucket shows defaults', async (t) => {
  const { hosts, host, program, client } = await scene(t);
  const file = await program.save('run.sh', '#!/bin/sh\n');
  await client.setattr(file, { mode: 0o755 });
  await program.symlink('link', 'run.sh');
  await host.flush();
  assert.equal((await program.attributes('run.sh')).mode & 0o777, 0o755);
  const elsewhere = await hosts.programOn(await hosts.host());
  assert.deepEqual(await elsewhere.names(), ['run.sh']);
  assert.equal((await elsewhere.attributes('run.sh')).mode & 0o777, 0o644);
});

test('only root may give a file away, and a change of owner takes set-user-id away', async (t) => {
  const { program, client } = await scene(t, { doc: 'x' });
  const file = await program.handle('doc');
  await client.setattr(file, { mode: 0o4755 });
  assert.equal(await statusOf(client.setattr(file, { uid: 12 })), 'PERM');
  await client.setattr(file, { gid: 12 });
  assert.equal((await client.getattr(file)).mode & 0o7777, 0o755);
});

test('writing to a file takes set-user-id away', async (t) => {
  const { program, client } = await scene(t, { doc: 'x' });
  const file = await program.handle('doc');
  await client.setattr(file, { mode: 0o4755 });
  await client.write(file, 0, 'y');
  assert.equal((await client.getattr(file)).mode & 0o7777, 0o755);
});

test('a write beyond the end leaves zeros between, here and on the Hub', async (t) => {
  const { hosts, host, program, client } = await scene(t, { doc: 'abc' });
  const file = await program.handle('doc');
  await client.write(file, 10, 'xyz');
  assert.equal(await program.text('doc'), 'abc\0\0\0\0\0\0\0xyz');
  await host.flush();
  assert.equal((await hosts.files())['doc'], 'abc\0\0\0\0\0\0\0xyz');
});

test('appends of a program land one behind the other and reach the Hub as one file', async (t) => {
  const { hosts, host, program, client } = await scene(t, { log: 'line 0\n' });
  const file = await program.handle('log');
  for (let line = 1; line <= 20; line += 1) {
    const { size } = await client.getattr(file);
    await client.write(file, Number(size), `line ${line}\n`);
    if (line % 7 === 0) await host.flush();
  }
  await host.flush();
  const expected = Array.from({ length: 21 }, (_, line) => `line ${line}\n`).join('');
  assert.equal((await hosts.files())['log'], expected);
});

test('a file and its content stay usable through every rename while a program has it open', async (t) => {
  const { hosts, host, program, client } = await scene(t, { 'dir/doc': 'base', other: 'o' });
  const file = await program.handle('dir/doc');
  await program.rename('dir/doc', 'doc');
  await client.write(file, 0, 'B');
  await program.rename('doc', 'other');
  await client.write(file, 1, 'A');
  assert.equal((await client.readAll(file)).toString(), 'BAse');
  await host.flush();
  assert.deepEqual(await hosts.files(), { other: 'BAse' });
});

test('a symlink names at most 4096 bytes and is never followed by the server', async (t) => {
  const { program } = await scene(t);
  await program.symlink('link', '/etc/../nowhere');
  assert.equal(await program.client.readlink(await program.handle('link')), '/etc/../nowhere');
  assert.equal(await statusOf(program.symlink('long', 'x'.repeat(4097))), 'NAMETOOLONG');
  assert.equal(await statusOf(program.client.lookup(await program.handle('link'), 'x')), 'NOTDIR');
});

test('pipes, sockets and devices cannot be made', async (t) => {
  const { client, root } = await scene(t);
  const answer = await client.call('MKNOD', {
    where: { dir: root, name: Buffer.from('pipe') },
    what: {
      type: 7,
      pipe_attributes: {
        mode: 0o644,
        uid: null,
        gid: null,
        size: null,
        atime: { set_it: 0 },
        mtime: { set_it: 0 },
      },
    },
  });
  assert.equal(answer.ok, false);
});

test('locks are the kernel’s own: no lock manager is served', async (t) => {
  const { client } = await scene(t);
  await assert.rejects(client.rpc.call(100_021, 4, 0, new Uint8Array()), (error: unknown) => {
    assert.ok(error instanceof RpcRefusal);
    return true;
  });
});

test('a name that the Hub refuses is a file like any other here, pending with its cause, and holds nothing else up', async (t) => {
  const { hosts, host, program } = await scene(t);
  await program.save('back\\slash', 'kept here');
  await program.save('plain', 'x');
  await assert.rejects(host.flush());
  await host.until('the other file is sent', async () => {
    await host.flush().catch(() => undefined);
    return (await hosts.files())['plain'] === 'x';
  });
  const [pending, ...others] = host.fs.uploads.pending();
  assert.equal(pending?.path, 'back\\slash');
  assert.equal(pending.state.state, 'failed');
  assert.deepEqual(others, []);
  assert.equal(await program.text('back\\slash'), 'kept here');
});

test('with the Hub away everything that is known here can be read, written, renamed and removed, and is sent later', async (t) => {
  const { hosts, host, program, client } = await scene(t, { 'dir/a': 'aaa', 'dir/b': 'bbb', c: 'ccc' });
  for (const path of ['dir/a', 'dir/b', 'c']) await program.text(path);
  const away = hosts.hub.faults.add({ route: '*', drop: 'before-handling' });
  const file = await program.handle('dir/a');
  await client.write(file, 3, ' more');
  await client.commit(file);
  await program.save('dir/new', 'new');
  await program.rename('dir', 'moved');
  await program.remove('c');
  assert.deepEqual(await program.names('moved'), ['a', 'b', 'new']);
  assert.equal(await program.text('moved/a'), 'aaa more');
  await assert.rejects(host.flush());
  assert.ok(host.fs.uploads.pending().length > 0);
  hosts.hub.faults.remove(away);
  await host.until('everything is sent', async () => {
    await host.flush().catch(() => undefined);
    return host.fs.uploads.pending().length === 0;
  });
  assert.deepEqual(await hosts.files(), { 'moved/a': 'aaa more', 'moved/b': 'bbb', 'moved/new': 'new' });
});
