import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { MountView } from '../../src/shared/model.ts';
import { CommandLine } from '../support/command-line.ts';
import { Nfs3Client } from '../support/nfs-client.ts';

// Electron runs the emitted JavaScript: its threads (engine, codec, embedded Hub) must find their files there too.

const rootDir = fileURLToPath(new URL('../..', import.meta.url));
let line: CommandLine;
before(async () => {
  const built = spawnSync(join(rootDir, 'node_modules/.bin/tsc'), ['-b', 'src/main', 'src/cli'], {
    encoding: 'utf8',
  });
  assert.equal(built.status, 0, built.stdout);
  line = await CommandLine.create(join(rootDir, 'dist/src/cli/main.js'));
});
after(() => line.close());

test(
  'the built host mounts, reads through the Hub and uploads what is written',
  { timeout: 60_000 },
  async () => {
    const { child } = await line.startReady(['serve', '--demo']);
    const mounted = await line.run(['mount', 'bucket/demo/project', '--server-only']);
    assert.equal(mounted.code, 0, mounted.err);
    const { mounts } = JSON.parse((await line.run(['status', '--json'])).out) as { mounts: MountView[] };
    const nfs = mounts[0]?.nfs;
    assert.ok(nfs);
    const client = await Nfs3Client.connect({ host: nfs.host, port: nfs.port, uid: process.getuid?.() ?? 0 });
    const root = await client.mount(nfs.exportPath);
    const readme = await client.lookup(root, 'README.md');
    assert.ok((await client.readAll(readme)).length > 0);
    // Enough for the codec threads: small blocks are worked on in the engine's own.
    const text = Buffer.from(Array.from({ length: 400_000 }, (_, index) => (index * 7919) % 251));
    const file = await client.create(root, 'built.bin');
    await client.write(file, 0, text);
    await client.commit(file);
    const flushed = await line.run(['flush']);
    assert.equal(flushed.code, 0, flushed.err);
    await client.close();
    assert.equal(await line.end(child), 0);
  },
);
