// The stories this project grew from, as tests over real bytes on a socket: every one is a way in which another NFS adapter lost
// data or handles. Written for any FileSystem: `test/nfs/stories.wire.test.ts` runs them over the one in memory, others
// over the real VirtualFs.

import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import type { FileSystem } from '../../src/vfs/file-system.ts';
import { NfsFailure, type Nfs3Client } from './nfs-client.ts';
import { serveNfs, type NfsFixture } from './nfs-fixture.ts';

export interface StoryWorld {
  readonly fileSystem: FileSystem;
  /** The same source over the same data directory after the process ended: its file system, opened again. */
  restart(): Promise<FileSystem>;
}

export interface StoryWorldOptions {
  /** Identifies the source: the same text is the same source. */
  readonly source: string;
  /** What the source holds at first, by path. */
  readonly files: Readonly<Record<string, Uint8Array | string>>;
}

/** Opens a writable world, closed with the test. */
export type OpenStoryWorld = (t: TestContext, options: StoryWorldOptions) => Promise<StoryWorld>;

export interface StoryHooks {
  /** Fewer than 200 open files must fit, so that the pool evicts; the default needs nothing. */
  readonly manyFiles?: number;
  /** The generation of a source in another process, as hex. Without it that story is told in one process. */
  readonly generationElsewhere?: (source: string) => Promise<string>;
}

const SOURCE = 'bucket/1f0e';

interface Scene {
  readonly world: StoryWorld;
  readonly nfs: NfsFixture;
  readonly client: Nfs3Client;
  readonly root: Uint8Array;
}

async function statusOf(call: Promise<unknown>): Promise<string> {
  try {
    await call;
    return 'OK';
  } catch (error) {
    if (error instanceof NfsFailure) return error.statusName;
    throw error;
  }
}

export function tellNfsStories(name: string, open: OpenStoryWorld, hooks: StoryHooks = {}): void {
  const defaultFiles: StoryWorldOptions['files'] = {
    'a.txt': 'hello world\n',
    'dir/b.bin': Buffer.alloc(300_000, 'b'),
  };

  const story = (
    title: string,
    tell: (scene: Scene, t: TestContext) => Promise<void>,
    files = defaultFiles,
  ): void => {
    test(`${name}: ${title}`, async (t) => {
      const world = await open(t, { source: SOURCE, files });
      const nfs = await serveNfs(t, world.fileSystem);
      const { client, root } = await nfs.mounted();
      await tell({ world, nfs, client, root }, t);
      assert.deepEqual(nfs.activity.of('ERROR'), []);
      // Before the world behind it is closed.
      await nfs.close();
    });
  };

  story('READ first, then WRITE on the same file is never STALE and the bytes arrive', async (scene) => {
    const { client, root, nfs } = scene;
    const file = await client.lookup(root, 'a.txt');
    assert.equal((await client.readAll(file)).toString(), 'hello world\n');
    await client.write(file, 6, 'WORLD');
    await client.commit(file);
    assert.equal((await client.readAll(file)).toString(), 'hello WORLD\n');
    assert.deepEqual(nfs.activity.of('STALE'), []);
  });

  story('SETATTR size 0, then WRITE replaces the content', async ({ client, root }) => {
    const file = await client.lookup(root, 'a.txt');
    await client.setattr(file, { size: 0 });
    assert.equal((await client.getattr(file)).size, 0);
    await client.write(file, 0, 'new');
    await client.commit(file);
    assert.equal((await client.readAll(file)).toString(), 'new');
  });

  story('a second write goes on where the first left off', async ({ client, root }) => {
    const file = await client.lookup(root, 'a.txt');
    await client.read(file, 0, 100);
    await client.write(file, 0, 'J');
    await client.write(file, 1, 'E');
    await client.commit(file);
    assert.equal((await client.readAll(file)).toString(), 'JEllo world\n');
  });

  story('a WRITE without a READ before it arrives', async ({ client, root }) => {
    const file = await client.walk(root, 'dir/b.bin');
    await client.write(file, 299_999, 'END');
    await client.commit(file);
    const content = await client.readAll(file);
    assert.equal(content.length, 300_002);
    assert.equal(content.toString('latin1', 299_998), 'bEND');
  });

  story('two clients that both read and then write at once lose nothing', async ({ nfs, client, root }) => {
    const other = await nfs.connect();
    const file = await client.walk(root, 'dir/b.bin');
    await Promise.all([client.read(file, 0, 4096), other.read(file, 0, 4096)]);
    await Promise.all([client.write(file, 0, 'first'), other.write(file, 200_000, 'second')]);
    await Promise.all([client.commit(file), other.commit(file)]);
    const content = await client.readAll(file);
    assert.equal(content.toString('latin1', 0, 6), 'firstb');
    assert.equal(content.toString('latin1', 199_999, 200_007), 'bsecondb');
    assert.equal(content.length, 300_000);
  });

  story('eight writers at distinct offsets all arrive', async ({ nfs, client, root }) => {
    const file = await client.create(root, 'eight.bin');
    const blockBytes = 64 * 1024;
    const writers = await Promise.all(Array.from({ length: 8 }, () => nfs.connect()));
    await Promise.all(
      writers.map(async (writer, index) => {
        for (let round = 0; round < 4; round += 1) {
          const block = round * 8 + index;
          await writer.write(file, block * blockBytes, Buffer.alloc(blockBytes, 65 + index));
        }
        await writer.commit(file);
      }),
    );
    const content = await client.readAll(file);
    assert.equal(content.length, 32 * blockBytes);
    for (let block = 0; block < 32; block += 1) {
      const expected = Buffer.alloc(blockBytes, 65 + (block % 8));
      assert.ok(
        content.subarray(block * blockBytes, (block + 1) * blockBytes).equals(expected),
        `block ${block}`,
      );
    }
  });

  story(
    'a handle from before a restart reads and writes after it',
    async ({ world, nfs, client, root }, t) => {
      const file = await client.lookup(root, 'a.txt');
      await client.write(file, 0, 'J');
      await client.commit(file);
      const { port } = nfs.server;
      await nfs.close();
      const again = await serveNfs(t, await world.restart(), { port });
      const returned = await again.connect();
      assert.equal((await returned.readAll(file)).toString(), 'Jello world\n');
      await returned.write(file, 4, '!');
      await returned.commit(file);
      assert.equal((await returned.readAll(file)).toString(), 'Jell! world\n');
      assert.deepEqual(again.activity.of('STALE'), []);
    },
  );

  story('a handle survives the rename of its file and of the folder above', async ({ client, root }) => {
    const dir = await client.lookup(root, 'dir');
    const file = await client.lookup(dir, 'b.bin');
    await client.rename(dir, 'b.bin', dir, 'c.bin');
    await client.rename(root, 'dir', root, 'moved');
    await client.write(file, 0, 'after');
    await client.commit(file);
    assert.equal((await client.read(file, 0, 5)).data.toString(), Buffer.from('after').toString());
    assert.deepEqual(await client.list(dir), ['c.bin']);
    assert.deepEqual(await client.walk(root, 'moved/c.bin'), file);
  });

  story('a handle of another source is refused as STALE', async ({ client, root, nfs }, t) => {
    const elsewhere = await open(t, { source: 'bucket/other', files: defaultFiles });
    const otherNfs = await serveNfs(t, elsewhere.fileSystem);
    const other = await otherNfs.mounted();
    const foreign = await other.client.lookup(other.root, 'a.txt');
    assert.equal(await statusOf(client.getattr(foreign)), 'STALE');
    assert.equal(await statusOf(client.write(foreign, 0, 'x')), 'STALE');
    assert.equal(nfs.activity.of('STALE').length, 2);
    assert.equal((await client.readAll(await client.lookup(root, 'a.txt'))).toString(), 'hello world\n');
    assert.equal((await other.client.readAll(foreign)).toString(), 'hello world\n');
  });

  story(
    'a handle of a wrong length or with one wrong bit is refused as BADHANDLE',
    async ({ client, root }) => {
      for (const length of [0, 4, 32, 35, 37, 64]) {
        const handle = Buffer.alloc(length);
        handle.set(root.subarray(0, length));
        assert.equal(await statusOf(client.getattr(handle)), 'BADHANDLE', `length ${length}`);
      }
      // The generation, 4 to 12, makes it a handle of another source.
      for (const at of [0, 3, 12, 19, 20, 35]) {
        const handle = Buffer.from(root);
        handle[at] = (handle[at] ?? 0) ^ 1;
        assert.equal(await statusOf(client.getattr(handle)), 'BADHANDLE', `byte ${at}`);
      }
    },
  );

  story('a removed file is STALE, and only that one', async ({ client, root, nfs }) => {
    const file = await client.lookup(root, 'a.txt');
    const kept = await client.walk(root, 'dir/b.bin');
    await client.remove(root, 'a.txt');
    assert.equal(await statusOf(client.read(file, 0, 10)), 'STALE');
    assert.equal(await statusOf(client.getattr(kept)), 'OK');
    assert.equal(nfs.activity.of('STALE').length, 1);
  });

  test(`${name}: the same source has the same generation everywhere, another one has another`, async (t) => {
    const [first, second, other] = await Promise.all(
      [SOURCE, SOURCE, 'bucket/other'].map((source) => open(t, { source, files: {} })),
    );
    const generationOf = (world: StoryWorld | undefined): string =>
      Buffer.from(world?.fileSystem.generation ?? []).toString('hex');
    assert.match(generationOf(first), /^[0-9a-f]{16}$/);
    assert.equal(generationOf(second), generationOf(first));
    assert.notEqual(generationOf(other), generationOf(first));
    if (hooks.generationElsewhere !== undefined) {
      assert.equal(await hooks.generationElsewhere(SOURCE), generationOf(first));
    }
  });

  const manyFiles = hooks.manyFiles ?? 200;
  story(
    `${manyFiles} files written and read in turn lose nothing to the eviction of open ones`,
    async ({ client, root }) => {
      const names = Array.from({ length: manyFiles }, (_, index) => `file-${index}`);
      const files = await Promise.all(names.map((file) => client.lookup(root, file)));
      for (const round of [1, 2]) {
        for (const [index, file] of files.entries()) {
          await client.read(file, 0, 10);
          await client.write(file, round * 10, `round ${round} ${index}`.padEnd(20));
        }
      }
      await Promise.all(files.map((file) => client.commit(file)));
      for (const [index, file] of files.entries()) {
        const expected = `${`base ${index}`.padEnd(10)}round 1 ${index}`.padEnd(20).slice(0, 20);
        const content = (await client.readAll(file)).toString();
        assert.equal(content, `${expected}${`round 2 ${index}`.padEnd(20)}`);
      }
    },
    Object.fromEntries(
      Array.from({ length: manyFiles }, (_, index) => [`file-${index}`, `base ${index}`.padEnd(10)]),
    ),
  );
}
