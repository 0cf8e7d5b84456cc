// READDIR and READDIRPLUS: pages that never exceed what was asked for, cookies that outlive change, folders of any size.

import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { MemoryFileSystem } from '../support/memory-file-system.ts';
import { NfsFailure, type Nfs3Client } from '../support/nfs-client.ts';
import { serveNfs } from '../support/nfs-fixture.ts';
import { NFS_PROGRAM, NFS_V3, nfs3Procedures } from '../../src/nfs/nfs3-schema.ts';
import { decodeXdr, encodeXdr } from '../support/rpc-client.ts';

const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString();

async function scene(t: TestContext, names: readonly string[]) {
  const fileSystem = new MemoryFileSystem();
  for (const name of names) fileSystem.addFile(`dir/${name}`);
  const nfs = await serveNfs(t, fileSystem);
  const { client, root } = await nfs.mounted();
  const dir = names.length === 0 ? root : await client.lookup(root, 'dir');
  return { fileSystem, nfs, client, root, dir };
}

/** One page with the size of its results on the wire. */
async function page(client: Nfs3Client, dir: Uint8Array, cookie: number, maxcount: number, isPlus: boolean) {
  const cookieverf = Buffer.from('0102030405060708', 'hex');
  const { number, args, res } = nfs3Procedures.READDIRPLUS;
  const plain = nfs3Procedures.READDIR;
  const bytes = isPlus
    ? await client.rpc.call(
        NFS_PROGRAM,
        NFS_V3,
        number,
        encodeXdr(args, { dir, cookie, cookieverf, dircount: 8, maxcount }),
      )
    : await client.rpc.call(
        NFS_PROGRAM,
        NFS_V3,
        plain.number,
        encodeXdr(plain.args, { dir, cookie, cookieverf, count: maxcount }),
      );
  const result = isPlus ? decodeXdr(res, bytes) : decodeXdr(plain.res, bytes);
  if (!result.ok) throw new NfsFailure('READDIR', result.status, result.resfail);
  return { ...result.resok, sizeBytes: bytes.length };
}

test('a listing starts with "." and "..", echoes the verifier and gives attributes and handles', async (t) => {
  const { client, root, dir } = await scene(t, ['one', 'two']);
  const plus = await page(client, dir, 0, 4096, true);
  assert.deepEqual(
    plus.entries.map((entry) => text(entry.name)),
    ['.', '..', 'one', 'two'],
  );
  assert.equal(plus.eof, true);
  assert.equal(Buffer.from(plus.cookieverf).toString('hex'), '0102030405060708');
  const [dot, dotDot, one] = (await client.readdirplus(dir)).entries;
  assert.deepEqual([dot?.name_handle, dotDot?.name_handle], [dir, root]);
  assert.deepEqual(one?.name_handle, await client.lookup(dir, 'one'));
  assert.deepEqual(one?.name_attributes, await client.getattr(one?.name_handle ?? dir));
  const cookies = plus.entries.map((entry) => entry.cookie);
  assert.ok(
    cookies.every((cookie, index) => cookie > 0 && cookie > (cookies[index - 1] ?? 0) && cookie < 2 ** 31),
  );
  assert.deepEqual(
    (await page(client, dir, 0, 4096, false)).entries.map((entry) => text(entry.name)),
    ['.', '..', 'one', 'two'],
  );
});

test('the root is its own parent and an empty folder has two entries', async (t) => {
  const { client, root } = await scene(t, []);
  const { entries, eof } = await client.readdirplus(root);
  assert.deepEqual(
    entries.map((entry) => [text(entry.name), entry.fileid]),
    [
      ['.', 1],
      ['..', 1],
    ],
  );
  assert.equal(eof, true);
});

for (const isPlus of [false, true]) {
  const kind = isPlus ? 'READDIRPLUS' : 'READDIR';

  test(`${kind} fills its pages to the byte and never beyond`, async (t) => {
    const names = Array.from(
      { length: 60 },
      (_, index) => `${index}-${'ü'.repeat(index % 7)}${'x'.repeat(index % 11)}`,
    );
    const { client, dir } = await scene(t, names);
    const whole = await page(client, dir, 0, 1_000_000, isPlus);
    assert.equal(whole.entries.length, 62);
    const exact = await page(client, dir, 0, whole.sizeBytes, isPlus);
    assert.deepEqual([exact.entries.length, exact.eof], [62, true]);
    const short = await page(client, dir, 0, whole.sizeBytes - 1, isPlus);
    assert.deepEqual([short.entries.length, short.eof], [61, false]);
    for (let maxcount = isPlus ? 300 : 160; maxcount < 3000; maxcount += 7) {
      const found: string[] = [];
      for (let cookie = 0, eof = false; !eof;) {
        const part = await page(client, dir, cookie, maxcount, isPlus);
        assert.ok(part.sizeBytes <= maxcount, `${part.sizeBytes} bytes for a maximum of ${maxcount}`);
        assert.ok(part.entries.length > 0 || part.eof);
        found.push(...part.entries.map((entry) => text(entry.name)));
        cookie = part.entries.at(-1)?.cookie ?? cookie;
        eof = part.eof;
      }
      assert.deepEqual(found, ['.', '..', ...names]);
      if (maxcount > 700) maxcount += 200;
    }
  });

  test(`${kind} with room for not one entry is TOOSMALL, never an empty page that is not the last`, async (t) => {
    const { client, dir } = await scene(t, ['a-name-of-some-length']);
    let smallest = 0;
    for (let maxcount = 0; maxcount < 400 && smallest === 0; maxcount += 1) {
      try {
        const part = await page(client, dir, 0, maxcount, isPlus);
        assert.equal(part.entries.length, 1);
        smallest = maxcount;
      } catch (error) {
        assert.ok(error instanceof NfsFailure && error.statusName === 'TOOSMALL', String(error));
      }
    }
    assert.equal(smallest, 4 + 88 + 8 + 8 + 24 + 4 + (isPlus ? 88 + 4 + 40 : 0));
    await assert.rejects(page(client, dir, 2, smallest, isPlus), /TOOSMALL/);
    assert.deepEqual((await page(client, dir, 1000, 108, isPlus)).entries, []);
  });

  test(`${kind} of a file is NOTDIR and any cookie is accepted`, async (t) => {
    const { client, dir } = await scene(t, ['file']);
    await assert.rejects(page(client, await client.lookup(dir, 'file'), 0, 4096, isPlus), /NOTDIR/);
    const beyond = await page(client, dir, Number.MAX_SAFE_INTEGER, 4096, isPlus);
    assert.deepEqual([beyond.entries.length, beyond.eof], [0, true]);
  });
}

/** READDIRPLUS results by their offsets in RFC 1813, since the schema would take its time over so many entries. */
function scan(results: Buffer): { entries: { name: string; cookie: number }[]; eof: boolean } {
  assert.equal(results.readUInt32BE(0), 0);
  const entries: { name: string; cookie: number }[] = [];
  // Status, attributes of the folder, verifier.
  let at = 4 + 88 + 8;
  while (results.readUInt32BE(at) === 1) {
    const length = results.readUInt32BE(at + 12);
    const name = results.toString('utf8', at + 16, at + 16 + length);
    at += 16 + Math.ceil(length / 4) * 4;
    entries.push({ name, cookie: results.readUInt32BE(at) * 2 ** 32 + results.readUInt32BE(at + 4) });
    // Cookie, attributes, handle.
    at += 8 + 88 + 4 + 4 + 36;
  }
  assert.equal(results.length, at + 8);
  return { entries, eof: results.readUInt32BE(at + 4) === 1 };
}

test('100,000 entries are listed once each, in pages, while others are removed in between', async (t) => {
  const count = 100_000;
  const names = Array.from({ length: count }, (_, index) => `entry-${index}`);
  const { client, dir, fileSystem, nfs } = await scene(t, names);
  const { fileid } = await client.getattr(dir);
  const seen = new Set<string>();
  const removed = new Set<string>();
  let pages = 0;
  for (let cookie = 0, eof = false; !eof;) {
    const { number, args } = nfs3Procedures.READDIRPLUS;
    const call = encodeXdr(args, {
      dir,
      cookie,
      cookieverf: Buffer.alloc(8),
      dircount: 65_536,
      maxcount: 65_536,
    });
    const part = scan(await client.rpc.call(NFS_PROGRAM, NFS_V3, number, call));
    for (const { name } of part.entries) {
      assert.ok(!seen.has(name), `${name} twice`);
      seen.add(name);
    }
    cookie = part.entries.at(-1)?.cookie ?? cookie;
    eof = part.eof;
    pages += 1;
    // As `rm -rf`: what was just listed goes, the entry of the cookie too; and one that is still to come.
    for (const gone of [
      ...part.entries.slice(-3).map((entry) => entry.name),
      `entry-${count - pages * 100}`,
    ]) {
      if (gone.startsWith('.') || removed.has(gone)) continue;
      removed.add(gone);
      await fileSystem.remove(fileid, gone);
    }
  }
  const missing = names.filter((name) => !seen.has(name) && !removed.has(name));
  assert.deepEqual(missing, []);
  assert.ok(pages > 200 && pages < 400, `${pages} pages`);
  assert.equal(nfs.server.stats().requests['READDIRPLUS'], pages);
});

test('a folder that the Hub must list first is answered when it is, without holding a slab', async (t) => {
  const { client, dir, fileSystem, nfs } = await scene(
    t,
    Array.from({ length: 500 }, (_, index) => `name-${index}`),
  );
  let open = (): void => undefined;
  const gate = new Promise<void>((resolve) => (open = resolve));
  fileSystem.gates.set('readDirectory', () => gate);
  const waiting = client.readdirplus(dir, 0, 1_048_576);
  const dots = client.readdirplus(dir, 0, 300);
  await client.getattr(dir);
  assert.equal(nfs.server.stats().replySlabBytes, 0);
  open();
  const part = await waiting;
  // Kept to 64 KiB while it waits.
  assert.ok(part.entries.length > 300 && !part.eof);
  assert.equal(text(part.entries.at(-1)?.name ?? Buffer.alloc(0)), `name-${part.entries.length - 3}`);
  assert.equal((await dots).entries.length, 1);
  fileSystem.gates.clear();
  assert.equal((await client.list(dir)).length, 500);
});
