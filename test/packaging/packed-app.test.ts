import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { extractAll, listPackage, statFile } from '@electron/asar';
import { trayIconNames } from '../../src/main/tray/tray-icon.ts';
import type { MountView } from '../../src/shared/model.ts';
import { buildPreload } from '../electron/preload-build.ts';
import { buildRenderer } from '../panel/renderer-build.ts';
import { CommandLine } from '../support/command-line.ts';
import { Nfs3Client } from '../support/nfs-client.ts';
import { packFolder, rootDir } from './builder.ts';

/** The app without Electron itself; it was 6 MB when this was written. */
const maxAppBytes = 12_000_000;
/** Licences that ask for no more than their text, which each package brings. */
const allowedLicences = [
  'MIT',
  'ISC',
  'BSD-2-Clause',
  'BSD-3-Clause',
  'Apache-2.0',
  'BlueOak-1.0.0',
  '0BSD',
  'Python-2.0',
];

describe('the app that electron-builder packs', { timeout: 180_000 }, () => {
  let dir = '';
  let packed = '';
  let archive = '';
  let names: readonly string[] = [];

  before(async () => {
    const tsc = spawnSync(join(rootDir, 'node_modules/.bin/tsc'), ['-b', 'src/main'], { encoding: 'utf8' });
    assert.equal(tsc.status, 0, tsc.stdout);
    await buildRenderer();
    await buildPreload();
    dir = await mkdtemp(join(tmpdir(), 'hubdrive-pack-'));
    packed = await packFolder(dir);
    archive = join(packed, 'resources/app.asar');
    names = listPackage(archive, { isPack: false }).map((name) => name.slice(1));
  });
  after(() => rm(dir, { recursive: true, force: true }));

  test('holds what it runs', () => {
    for (const name of [
      'package.json',
      'LICENSE',
      'dist/src/main/electron/index.js',
      'dist/src/main/engine/worker.js',
      'dist/src/main/account/demo-hub-worker.js',
      'dist/src/main/system/busy-scan.js',
      'dist/src/hub/codec-worker.js',
      'dist/src/hub/download-worker.js',
      'dist/src/hub/send-worker.js',
      'dist/src/vfs/storage/catalogue-check-worker.js',
      'dist/preload/preload.cjs',
      'dist/renderer/index.html',
      'assets/icons/512x512.png',
      'node_modules/electron-updater/package.json',
    ]) {
      assert.ok(names.includes(name), name);
    }
    for (const icon of trayIconNames) {
      for (const suffix of ['Template', '-on-light', '-on-dark']) {
        assert.ok(names.includes(`assets/tray/${icon}${suffix}.png`));
        assert.ok(names.includes(`assets/tray/${icon}${suffix}@2x.png`));
      }
    }
  });

  test('holds nothing of the source tree, the tests or the tools', () => {
    const unwanted = names.filter(
      (name) =>
        /\.(ts|tsx|map|tsbuildinfo)$/.test(name) ||
        /^(src|test|scripts|docs|release|packaging)(\/|$)/.test(name) ||
        /^dist\/src\/(renderer|preload|cli)(\/|$)/.test(name) ||
        /^node_modules\/(node-|electron\/|electron-builder|react|typescript|vite|playwright)/.test(name),
    );
    assert.deepEqual(unwanted, []);
  });

  test('keeps native parts beside the archive and everything else in it', () => {
    const native = names.filter((name) => name.endsWith('.node'));
    assert.ok(native.length >= 1);
    for (const name of native) {
      const entry = statFile(archive, name);
      assert.ok('unpacked' in entry && entry.unpacked === true, `${name} is inside the archive`);
    }
  });

  test('is not larger than it was', async () => {
    const total = names.reduce((sum, name) => {
      const entry = statFile(archive, name);
      return sum + ('size' in entry ? Number(entry.size) : 0);
    }, 0);
    assert.ok(total < maxAppBytes, `${total} bytes`);
    assert.ok((await stat(archive)).size < maxAppBytes);
  });

  test('has the fuses set in the program', async () => {
    const program = (await readFile(join(packed, 'hubdrive'))).toString('latin1');
    const wire = program.slice(program.indexOf('dL7pKGdnNz796PbbjQWNKmHXBZaB9tsX') + 34);
    // RunAsNode, CookieEncryption, NodeOptions, NodeCliInspect, AsarIntegrity, OnlyLoadAppFromAsar, V8Snapshot, FileProtocolPrivileges
    assert.equal(wire.slice(0, 8), '01001100');
  });

  describe('unpacked', () => {
    let line: CommandLine;
    let app = '';
    before(async () => {
      app = join(dir, 'app');
      extractAll(archive, app);
      const starter = join(dir, 'serve.mjs');
      const serve = JSON.stringify(join(app, 'dist/src/main/serve.js'));
      await writeFile(
        starter,
        `import { runServe } from ${serve};\nprocess.exitCode = await runServe(process.argv.slice(3));\n`,
      );
      line = await CommandLine.create(starter);
    });
    after(() => line.close());

    test('every package in it may be delivered, and says so', async () => {
      const packages = names.filter((name) => /^node_modules\/(?:@[^/]+\/)?[^/]+\/package\.json$/.test(name));
      assert.ok(packages.length > 20);
      for (const name of packages) {
        const { license } = JSON.parse(await readFile(join(app, name), 'utf8')) as { license?: string };
        assert.ok(allowedLicences.includes(license ?? ''), `${name}: ${license}`);
      }
    });

    test('its host serves with its own threads and native parts alone', async (t) => {
      const { child } = await line.startReady(['serve', '--demo']);
      const cli = await CommandLine.create();
      t.after(() => cli.close());
      const env = { HUBDRIVE_HOME: join(line.dir, 'data') };
      const mounted = await cli.run(['mount', 'bucket/demo/project', '--server-only'], env);
      assert.equal(mounted.code, 0, mounted.err);
      const { mounts } = JSON.parse((await cli.run(['status', '--json'], env)).out) as {
        mounts: MountView[];
      };
      const nfs = mounts[0]?.nfs;
      assert.ok(nfs);
      const client = await Nfs3Client.connect({
        host: nfs.host,
        port: nfs.port,
        uid: process.getuid?.() ?? 0,
      });
      const root = await client.mount(nfs.exportPath);
      assert.ok((await client.readAll(await client.lookup(root, 'README.md'))).length > 0);
      await client.commit((await client.create(root, 'packed.txt')) as Uint8Array);
      await client.close();
      assert.equal((await cli.run(['flush'], env)).code, 0);
      assert.equal(await line.end(child), 0);
    });
  });
});
