import assert from 'node:assert/strict';
import type { ChildProcess } from 'node:child_process';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { runCommandLine } from '../../src/cli/main.ts';
import type { MountView } from '../../src/shared/model.ts';
import { CommandLine } from '../support/command-line.ts';
import type { Finished } from '../support/command-line.ts';
import { Nfs3Client } from '../support/nfs-client.ts';

const source = 'bucket/demo/project';
const uid = process.getuid?.() ?? 0;

async function inProcess(words: readonly string[]): Promise<Finished> {
  let out = '';
  let err = '';
  const code = await runCommandLine(words, { out: (text) => (out += text), err: (text) => (err += text) });
  return { code, out, err };
}

describe('without a host', () => {
  let line: CommandLine;
  before(async () => {
    line = await CommandLine.create();
  });
  after(() => line.close());

  test('the overview names every command and each has help', async () => {
    const overview = await inProcess([]);
    assert.equal(overview.code, 0);
    for (const name of [
      'serve',
      'mount',
      'unmount',
      'status',
      'activity',
      'pending',
      'flush',
      'doctor',
      'hub',
    ]) {
      assert.match(overview.out, new RegExp(`^  ${name} `, 'm'));
      const help = await inProcess([name, '--help']);
      assert.equal(help.code, 0);
      assert.match(help.out, new RegExp(`^Usage: hubdrive ${name}`));
    }
  });

  const wrong: readonly string[][] = [
    ['no-such-command'],
    ['mount'],
    ['mount', 'a', 'b', 'c'],
    ['status', '--no-such-option'],
    ['unmount'],
    ['pending', 'a', 'b'],
    ['activity', '--json=yes'],
    ['serve', '--endpoint', 'ftp://x'],
    ['serve', '--listen', 'everywhere'],
    ['hub', '--port', 'x'],
  ];
  for (const words of wrong) {
    test(`"${words.join(' ')}" is wrong usage`, async () => {
      const isProcess = words[0] === 'serve' || words[0] === 'hub';
      const { code, out, err } = isProcess ? await line.run(words) : await inProcess(words);
      assert.equal(code, 2);
      assert.equal(out, '');
      assert.match(err, /^hubdrive/);
    });
  }

  test('status says that no host runs, which is no failure; other commands say what to do', async () => {
    assert.deepEqual(JSON.parse((await line.run(['status', '--json'])).out), { mounts: [] });
    assert.match((await line.run(['status'])).out, /No Hubdrive host is running/);
    const flush = await line.run(['flush']);
    assert.equal(flush.code, 1);
    assert.match(flush.err, /No Hubdrive host is running\. Start one with: hubdrive serve/);
  });
});

describe('with a host on the embedded Hub', () => {
  let line: CommandLine;
  let host: ChildProcess;
  let mount: MountView;
  let client: Nfs3Client;
  let root: Uint8Array;

  before(async () => {
    line = await CommandLine.create();
    const { child, ready } = await line.startReady(['serve', '--demo']);
    host = child;
    assert.equal(ready['ready'], true);
    assert.equal(ready['pid'], child.pid);
    const mounted = await line.run(['mount', source, '--server-only', '--json']);
    assert.equal(mounted.code, 0, mounted.err);
    mount = JSON.parse(mounted.out) as MountView;
    const { port = 0, exportPath = '' } = mount.nfs ?? {};
    client = await Nfs3Client.connect({ port, uid });
    root = await client.mount(exportPath);
  });
  after(async () => {
    await client.close();
    await line.close();
  });

  test('status --json has the promised fields for every mount', async () => {
    const { code, out } = await line.run(['status', '--json']);
    assert.equal(code, 0);
    const status = JSON.parse(out) as { mounts: MountView[] };
    const [only] = status.mounts;
    assert.equal(only?.source, source);
    assert.equal(only.state, 'mounted');
    assert.equal(only.mountPoint, null);
    assert.equal(only.readOnly, false);
    assert.deepEqual(Object.keys(only.nfs ?? {}).sort(), ['exportPath', 'host', 'mountPort', 'port']);
    assert.deepEqual(only.pending, { files: 0, bytes: 0 });
    assert.equal(only.lastError, null);
    assert.equal(typeof only.counters.readBytes, 'number');
  });

  test('what a program writes shows in activity, is pending, is flushed and is then on the Hub', async () => {
    const file = await client.create(root, 'from-cli.txt');
    await client.write(file, 0, 'hello');
    await client.commit(file);
    const activity = await line.run(['activity', '--json']);
    const events = activity.out
      .trim()
      .split('\n')
      .map((text) => JSON.parse(text) as { kind: string; path: string });
    assert.ok(events.some((event) => event.kind === 'WRITE' && event.path === 'from-cli.txt'));
    assert.match((await line.run(['activity', source])).out, /WRITE .*from-cli\.txt {2}5 bytes/);
    assert.match((await line.run(['pending'])).out, /from-cli\.txt|Nothing is pending/);
    const flush = await line.run(['flush', source]);
    assert.equal(flush.code, 0, flush.err);
    assert.deepEqual(JSON.parse((await line.run(['pending', '--json'])).out), { items: [] });
    const status = JSON.parse((await line.run(['status', '--json'])).out) as { mounts: MountView[] };
    assert.ok((status.mounts[0]?.counters.filesCommitted ?? 0) >= 1);
  });

  test('activity --follow shows what happens from then on', async () => {
    const follow = line.start(['activity', '--follow', '--json']);
    const seen = new Promise<void>((resolve) => {
      follow.stdout?.on('data', (data: Buffer) => {
        if (data.toString('utf8').includes('followed.txt')) resolve();
      });
    });
    const dir = await client.mkdir(root, 'follow');
    // Whenever it has subscribed: before (then it is in the backlog) or after.
    const file = await client.create(dir, 'followed.txt');
    await client.write(file, 0, 'x');
    await seen;
    assert.equal(await line.end(follow, 'SIGINT'), 0);
  });

  test('a second host on the same data directory is refused by name', async () => {
    const { code, err } = await line.run(['serve', '--demo']);
    assert.equal(code, 1);
    assert.match(err, new RegExp(`Another Hubdrive host \\(process ${host.pid}\\)`));
  });

  test('what the Hub does not have is said plainly, and leaves no mount', async () => {
    const missing = await line.run(['mount', 'bucket/demo/not-there', '--server-only']);
    assert.equal(missing.code, 1);
    assert.match(missing.err, /not-there/);
    const nonsense = await line.run(['mount', 'nonsense', '--server-only']);
    assert.equal(nonsense.code, 2);
    assert.match(nonsense.err, /bucket\/OWNER\/NAME/);
    const refusals: readonly (readonly [source: string, words: RegExp])[] = [
      ['model/demo/project', /demo\/project is a bucket, not a model\. Use bucket\/demo\/project/],
      ['bucket/demo/project/no/such/folder', /has no folder "no\/such\/folder".*Check the path/],
      [
        'bucket/demo/project/README.md',
        /"README\.md" of demo\/project is a file\. Mount the folder it is in/,
      ],
    ];
    for (const [source, words] of refusals) {
      const { code, err } = await line.run(['mount', source, '--server-only']);
      assert.equal(code, source.endsWith('.md') ? 2 : 1, err);
      assert.match(err, words);
    }
    const status = JSON.parse((await line.run(['status', '--json'])).out) as { mounts: MountView[] };
    assert.equal(status.mounts.length, 1);
  });

  test('a repo is read-only', async () => {
    const { code, out, err } = await line.run(['mount', 'model/demo/tiny-model', '--server-only', '--json']);
    assert.equal(code, 0, err);
    const { nfs } = JSON.parse(out) as MountView;
    const repo = await Nfs3Client.connect({ port: nfs?.port ?? 0, uid });
    try {
      const repoRoot = await repo.mount(nfs?.exportPath ?? '');
      await assert.rejects(repo.create(repoRoot, 'x'), /ROFS/);
    } finally {
      await repo.close();
    }
    assert.equal((await line.run(['unmount', 'model/demo/tiny-model'])).code, 0);
  });

  test('the doctor reports, and fails only where something is wrong', async () => {
    const { code, out } = await line.run(['doctor', '--json']);
    const { checks } = JSON.parse(out) as { checks: { id: string; status: string }[] };
    assert.equal(checks.find((check) => check.id === 'hub')?.status, 'ok');
    assert.equal(code, checks.some((check) => check.status === 'failed') ? 1 : 0);
  });

  test('SIGTERM keeps what is committed, and the next start serves it on the same port with the same handles', async () => {
    const file = await client.create(root, 'kept.txt');
    await client.write(file, 0, 'kept over a restart');
    await client.commit(file);
    await client.close();
    assert.equal(await line.end(host), 0);
    const { child } = await line.startReady(['serve', '--demo']);
    host = child;
    client = await reconnect(mount.nfs?.port ?? 0);
    assert.equal((await client.readAll(file)).toString(), 'kept over a restart');
    const status = JSON.parse((await line.run(['status', '--json'])).out) as { mounts: MountView[] };
    assert.equal(status.mounts.find((entry) => entry.source === source)?.nfs?.port, mount.nfs?.port);
  });

  test('kill -9 loses nothing that was committed: it is served again and reaches the Hub', async () => {
    const { nfs } = (await current()) ?? {};
    root = await client.mount(nfs?.exportPath ?? '');
    const file = await client.create(root, 'survivor.txt');
    await client.write(file, 0, 'survives a kill');
    await client.commit(file);
    await client.close();
    await line.end(host, 'SIGKILL');
    const { child } = await line.startReady(['serve', '--demo']);
    host = child;
    client = await reconnect(nfs?.port ?? 0);
    assert.equal((await client.readAll(file)).toString(), 'survives a kill');
    const flush = await line.run(['flush']);
    assert.equal(flush.code, 0, flush.err);
  });

  test('an unmount ends the server, and is remembered', async () => {
    await client.close();
    const { code, out, err } = await line.run(['unmount', source]);
    assert.equal(code, 0, err);
    assert.match(out, /is unmounted; everything is on the Hub/);
    assert.equal((await line.run(['unmount', source])).code, 1);
    assert.notEqual((await current())?.state, 'mounted');
  });

  test('no log line holds a token or an export path', async () => {
    const logDir = join(line.dir, 'data', 'logs');
    for (const name of await readdir(logDir)) {
      const text = await readFile(join(logDir, name), 'utf8');
      assert.doesNotMatch(text, /hf_[A-Za-z0-9]{6}/);
      assert.ok(!text.includes(mount.nfs?.exportPath ?? '-'));
    }
  });

  async function current(): Promise<MountView | undefined> {
    const status = JSON.parse((await line.run(['status', '--json'])).out) as { mounts: MountView[] };
    return status.mounts.find((entry) => entry.source === source);
  }

  /** The mount comes back by itself a moment after the host is ready. */
  async function reconnect(port: number): Promise<Nfs3Client> {
    for (let attempt = 0; ; attempt += 1) {
      try {
        return await Nfs3Client.connect({ port, uid });
      } catch (error) {
        if (attempt === 50) throw error;
        await current();
      }
    }
  }
});

test('mount starts a host that outlives the command', async () => {
  const line = await CommandLine.create();
  const { ready } = await line.startReady(['hub', '--data', join(line.dir, 'hub'), '--seed', 'demo']);
  const env = { HF_ENDPOINT: String(ready['endpoint']), HF_TOKEN: String(ready['token']) };
  try {
    const mounted = await line.run(['mount', source, '--server-only'], env);
    assert.equal(mounted.code, 0, mounted.err);
    assert.match(mounted.out, /is served on 127\.0\.0\.1 port \d+/);
    const status = JSON.parse((await line.run(['status', '--json'])).out) as { mounts: MountView[] };
    assert.equal(status.mounts[0]?.state, 'mounted');
  } finally {
    const pid = Number(await readFile(join(line.dir, 'data', 'host.pid'), 'utf8'));
    process.kill(pid, 'SIGTERM');
    while (/"mounted"/.test((await line.run(['status', '--json'])).out)) continue;
    await line.close();
  }
});
