// Calls and replies as bytes written by hand from RFC 1813, 4506 and 5531, so that an error in our codec cannot hide
// behind the same error in our client. Handles and times differ by run and are cut out of the replies.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import net from 'node:net';
import { test } from 'node:test';
import { MemoryFileSystem } from '../support/memory-file-system.ts';
import { serveNfs, testExportPath } from '../support/nfs-fixture.ts';

/** Spaces are for reading. */
const hex = (text: string): Buffer => Buffer.from(text.replaceAll(/\s+/g, ''), 'hex');

/** xid 0x11223344, CALL, RPC 2, then program, version, procedure. */
const head = (program: string, version: string, procedure: string): string =>
  `11223344 00000000 00000002 ${program} ${version} ${procedure}`;
/** AUTH_SYS: stamp 0, machine "a", uid 1000, gid 1000, no groups; AUTH_NONE verifier. */
const authSys = '00000001 00000018 00000000 00000001 61000000 000003e8 000003e8 00000000 00000000 00000000';
const authNone = '00000000 00000000 00000000 00000000';
const NFS = '000186a3';
const MOUNT = '000186a5';
const V3 = '00000003';
/** REPLY, MSG_ACCEPTED, AUTH_NONE verifier of length 0. */
const accepted = '11223344 00000001 00000000 00000000 00000000';

function record(body: string): Buffer {
  const bytes = hex(body);
  const mark = Buffer.alloc(4);
  mark.writeUInt32BE(0x8000_0000 + bytes.length);
  return Buffer.concat([mark, bytes]);
}

class RawPeer {
  readonly socket: net.Socket;
  #received: Buffer = Buffer.alloc(0);

  constructor(port: number) {
    this.socket = net.connect({ port, host: '127.0.0.1' });
    this.socket.on('error', () => this.socket.destroy());
    this.socket.on('data', (chunk) => {
      this.#received = Buffer.concat([this.#received, chunk]);
      this.socket.emit('taken');
    });
  }

  /** The next reply's body in hex. */
  async reply(): Promise<string> {
    for (;;) {
      if (this.#received.length >= 4) {
        const end = 4 + (this.#received.readUInt32BE(0) & 0x7fff_ffff);
        if (this.#received.length >= end) {
          assert.ok(this.#received.readUInt32BE(0) >= 0x8000_0000, 'one fragment');
          assert.equal(end % 4, 0, 'Linux refuses records that are no multiple of 4');
          const body = this.#received.toString('hex', 4, end);
          this.#received = this.#received.subarray(end);
          return body;
        }
      }
      await once(this.socket, 'taken');
    }
  }

  async ask(body: string): Promise<string> {
    this.socket.write(record(body));
    return this.reply();
  }
}

async function rawPeer(t: Parameters<typeof serveNfs>[0], fileSystem = new MemoryFileSystem()) {
  const fixture = await serveNfs(t, fileSystem);
  const peer = new RawPeer(fixture.server.port);
  t.after(() => peer.socket.destroy());
  const path = Buffer.from(testExportPath);
  const length = path.length.toString(16).padStart(8, '0');
  const padded = Buffer.concat([path, Buffer.alloc((4 - (path.length % 4)) % 4)]).toString('hex');
  const mounted = await peer.ask(`${head(MOUNT, V3, '00000001')} ${authSys} ${length} ${padded}`);
  const root = mounted.slice(48 + 8 + 8, 48 + 8 + 8 + 72);
  return { ...fixture, peer, mounted, root };
}

const bare = (text: string): string => text.replaceAll(/\s+/g, '');

test('NULL answers with nothing, also without credentials', async (t) => {
  const { peer } = await rawPeer(t);
  assert.equal(await peer.ask(`${head(NFS, V3, '00000000')} ${authNone}`), bare(`${accepted} 00000000`));
  assert.equal(await peer.ask(`${head(MOUNT, V3, '00000000')} ${authNone}`), bare(`${accepted} 00000000`));
});

test('MNT answers OK, a handle of 36 bytes and AUTH_SYS as the only flavour', async (t) => {
  const { mounted, root } = await rawPeer(t);
  assert.equal(mounted, bare(`${accepted} 00000000 00000000 00000024 ${root} 00000001 00000001`));
  assert.equal(root.slice(0, 24), '48446801af63bd4c8601b7df');
});

test('UMNT and UMNTALL have void results, DUMP and EXPORT an empty list', async (t) => {
  const { peer } = await rawPeer(t);
  const path = '00000002 2f780000';
  assert.equal(
    await peer.ask(`${head(MOUNT, V3, '00000003')} ${authSys} ${path}`),
    bare(`${accepted} 00000000`),
  );
  assert.equal(await peer.ask(`${head(MOUNT, V3, '00000004')} ${authSys}`), bare(`${accepted} 00000000`));
  for (const procedure of ['00000002', '00000005']) {
    const answer = await peer.ask(`${head(MOUNT, V3, procedure)} ${authSys}`);
    assert.equal(answer, bare(`${accepted} 00000000 00000000`));
  }
});

test('GETATTR of the root is a fattr3 of 84 bytes', async (t) => {
  const { peer, root } = await rawPeer(t);
  const answer = await peer.ask(`${head(NFS, V3, '00000001')} ${authSys} 00000024 ${root}`);
  assert.equal(answer.length / 2, 24 + 4 + 84);
  const fixed = answer.slice(0, (24 + 4 + 60) * 2);
  assert.equal(
    fixed,
    bare(`${accepted} 00000000 00000000
      00000002 000001ed 00000002 000003e8 000003e8
      00000000 00001000  00000000 00001000
      00000000 00000000
      af63bd4c 8601b7df  00000000 00000001`),
  );
});

test('READ of "abc" ends with count, eof, length and padded data', async (t) => {
  const fileSystem = new MemoryFileSystem();
  fileSystem.addFile('f', 'abc');
  const { peer, root } = await rawPeer(t, fileSystem);
  const found = await peer.ask(`${head(NFS, V3, '00000003')} ${authSys} 00000024 ${root} 00000001 66000000`);
  const file = found.slice((24 + 4 + 4) * 2, (24 + 4 + 4 + 36) * 2);
  const answer = await peer.ask(
    `${head(NFS, V3, '00000006')} ${authSys} 00000024 ${file} 00000000 00000000 00001000`,
  );
  assert.equal(answer.slice(0, 28 * 2 + 8), bare(`${accepted} 00000000 00000000 00000001`));
  assert.equal(answer.slice((24 + 4 + 4 + 84) * 2), bare('00000003 00000001 00000003 61626300'));
});

test('LOOKUP of a missing name is NOENT with the folder’s attributes', async (t) => {
  const { peer, root } = await rawPeer(t);
  const answer = await peer.ask(`${head(NFS, V3, '00000003')} ${authSys} 00000024 ${root} 00000001 66000000`);
  assert.equal(answer.length / 2, 24 + 4 + 4 + 84);
  assert.equal(answer.slice(0, 32 * 2), bare(`${accepted} 00000000 00000002 00000001`));
});

test('FSINFO states 1 MiB transfers, folder pages of 512 KiB and the properties 0x1b', async (t) => {
  const { peer, root } = await rawPeer(t);
  const answer = await peer.ask(`${head(NFS, V3, '00000013')} ${authSys} 00000024 ${root}`);
  assert.equal(
    answer.slice((24 + 4 + 4 + 84) * 2),
    bare(`00100000 00100000 00001000  00100000 00100000 00001000  00080000
      001fffff ffffffff  00000000 00000001  0000001b`),
  );
});

test('PATHCONF states 32767 links and case-sensitive names of 255 bytes', async (t) => {
  const { peer, root } = await rawPeer(t);
  const answer = await peer.ask(`${head(NFS, V3, '00000014')} ${authSys} 00000024 ${root}`);
  assert.equal(
    answer.slice((24 + 4 + 4 + 84) * 2),
    bare('00007fff 000000ff 00000001 00000001 00000000 00000001'),
  );
});

test('MKNOD of a pipe is PERM with wcc data, of a regular file BADTYPE', async (t) => {
  const { peer, root } = await rawPeer(t);
  const where = `00000024 ${root} 00000001 70000000`;
  const noChanges = '00000000 00000000 00000000 00000000 00000000 00000000';
  const pipe = await peer.ask(`${head(NFS, V3, '0000000b')} ${authSys} ${where} 00000007 ${noChanges}`);
  assert.equal(pipe.slice(0, 36 * 2), bare(`${accepted} 00000000 00000001 00000000 00000001`));
  const file = await peer.ask(`${head(NFS, V3, '0000000b')} ${authSys} ${where} 00000001`);
  assert.equal(file.slice(48, 56), '00002717');
});

test('other programs, versions and procedures get the RPC answer that says so', async (t) => {
  const { peer } = await rawPeer(t);
  const nfsacl = '000186a0'.replace('186a0', '18783');
  assert.equal(await peer.ask(`${head(nfsacl, V3, '00000000')} ${authNone}`), bare(`${accepted} 00000001`));
  assert.equal(
    await peer.ask(`${head('000186b5', '00000004', '00000000')} ${authNone}`),
    bare(`${accepted} 00000001`),
  );
  for (const version of ['00000002', '00000004']) {
    const nfs = await peer.ask(`${head(NFS, version, '00000000')} ${authNone}`);
    assert.equal(nfs, bare(`${accepted} 00000002 00000003 00000003`));
  }
  const mountV1 = await peer.ask(`${head(MOUNT, '00000001', '00000000')} ${authNone}`);
  assert.equal(mountV1, bare(`${accepted} 00000002 00000003 00000003`));
  assert.equal(await peer.ask(`${head(NFS, V3, '00000016')} ${authSys}`), bare(`${accepted} 00000003`));
  assert.equal(await peer.ask(`${head(MOUNT, V3, '00000006')} ${authSys}`), bare(`${accepted} 00000003`));
  const rpcVersion3 = await peer.ask('11223344 00000000 00000003 000186a3 00000003 00000000');
  assert.equal(rpcVersion3, bare('11223344 00000001 00000001 00000000 00000002 00000002'));
});

test('credentials of others, none at all and malformed ones are too weak', async (t) => {
  const { peer, root, server } = await rawPeer(t);
  const tooWeak = bare('11223344 00000001 00000001 00000001 00000005');
  const getattr = head(NFS, V3, '00000001');
  const stranger = authSys.replace('000003e8', '000003e9');
  assert.equal(await peer.ask(`${getattr} ${stranger} 00000024 ${root}`), tooWeak);
  assert.equal(await peer.ask(`${getattr} ${authNone} 00000024 ${root}`), tooWeak);
  const tooManyGroups =
    '00000001 00000018 00000000 00000001 61000000 000003e8 000003e8 00000011 00000000 00000000';
  assert.equal(await peer.ask(`${getattr} ${tooManyGroups} 00000024 ${root}`), tooWeak);
  const shortBody = '00000001 00000004 00000000 00000000 00000000';
  assert.equal(await peer.ask(`${getattr} ${shortBody} 00000024 ${root}`), tooWeak);
  const unknownFlavor = '00000006 00000004 00000000 00000000 00000000';
  assert.equal(await peer.ask(`${getattr} ${unknownFlavor} 00000024 ${root}`), tooWeak);
  const rootUser = authSys.replace('000003e8', '00000000');
  assert.equal(
    (await peer.ask(`${getattr} ${rootUser} 00000024 ${root}`)).slice(0, 56),
    bare(`${accepted} 00000000 00000000`),
  );
  assert.equal(server.stats().refusedCredentials, 5);
});

test('arguments that are too short, too long or out of bounds are GARBAGE_ARGS and the connection goes on', async (t) => {
  const { peer, root, server } = await rawPeer(t);
  const garbage = bare(`${accepted} 00000004`);
  const getattr = `${head(NFS, V3, '00000001')} ${authSys}`;
  assert.equal(await peer.ask(getattr), garbage);
  assert.equal(await peer.ask(`${getattr} 00000024 ${root.slice(0, 40)}`), garbage);
  assert.equal(await peer.ask(`${getattr} 00000024 ${root} 00000000`), garbage);
  assert.equal(await peer.ask(`${getattr} ffffffff ${root}`), garbage);
  assert.equal(await peer.ask(`${getattr} 00000044 ${root}${root}`), garbage);
  assert.equal(
    (await peer.ask(`${getattr} 00000024 ${root}`)).slice(0, 56),
    bare(`${accepted} 00000000 00000000`),
  );
  assert.equal(server.stats().garbage, 5);
});
