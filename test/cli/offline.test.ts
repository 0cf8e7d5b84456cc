import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { Connection } from '../../src/cli/connection.ts';
import type { HostState, MountView } from '../../src/shared/model.ts';
import { CommandLine } from '../support/command-line.ts';
import { Nfs3Client } from '../support/nfs-client.ts';

const source = 'bucket/demo/project';
const uid = process.getuid?.() ?? 0;

test('with the Hub away the host keeps what is unsent, starts again, serves it, and sends it when the Hub is back', async () => {
  const line = await CommandLine.create();
  try {
    const hubWords = ['hub', '--data', join(line.dir, 'hub')];
    const { child: hub, ready } = await line.startReady(hubWords);
    const endpoint = String(ready['endpoint']);
    const env = { HF_ENDPOINT: endpoint, HF_TOKEN: String(ready['token']) };
    const { child: host } = await line.startReady(['serve'], env);
    const mounted = await line.run(['mount', source, '--server-only', '--json']);
    assert.equal(mounted.code, 0, mounted.err);
    const { nfs } = JSON.parse(mounted.out) as MountView;
    let client = await Nfs3Client.connect({ port: nfs?.port ?? 0, uid });
    const root = await client.mount(nfs?.exportPath ?? '');

    assert.equal(await line.end(hub, 'SIGKILL'), null);
    const file = await client.create(root, 'offline.txt');
    await client.write(file, 0, 'written while the Hub was away');
    await client.commit(file);
    await client.close();

    // The first signal would wait for the Hub as long as it may; the second keeps the rest for the next start.
    const ended = new Promise<number | null>((resolve) => host.once('exit', resolve));
    host.kill('SIGTERM');
    await untilStatus(line, (mount) => mount.state === 'draining');
    host.kill('SIGINT');
    assert.equal(await ended, 0);

    const { child: next } = await line.startReady(['serve'], env);
    const back = await untilStatus(line, (mount) => mount.state === 'mounted');
    assert.equal(back.nfs?.port, nfs?.port);
    assert.equal(back.pending.files, 1);
    client = await Nfs3Client.connect({ port: nfs?.port ?? 0, uid });
    assert.equal((await client.readAll(file)).toString(), 'written while the Hub was away');
    await client.close();

    const failed = await line.run(['flush', source]);
    assert.equal(failed.code, 1);
    assert.match(failed.err, /hubdrive flush: /);
    await line.startReady([...hubWords, '--port', new URL(endpoint).port]);
    const flushed = await line.run(['flush', source]);
    assert.equal(flushed.code, 0, flushed.err);
    assert.equal(await line.end(next), 0);
  } finally {
    await line.close();
  }
});

/** Follows the pushed states, as the panel does. */
async function untilStatus(line: CommandLine, test: (mount: MountView) => boolean): Promise<MountView> {
  const connection = await Connection.open(join(line.dir, 'data', 'control.sock'));
  assert.ok(connection !== null, 'no host listens');
  try {
    return await new Promise<MountView>((resolve, reject) => {
      const look = ({ mounts }: HostState) => {
        const mount = mounts.find((candidate) => candidate.source === source);
        if (mount !== undefined && test(mount)) resolve(mount);
      };
      connection.on('state:changed', look);
      connection.call('state:subscribe', null).then(look, reject);
    });
  } finally {
    connection.close();
  }
}
