// The load generator's process: connections by number, and what a client does on them. Called by LoadTarget.

import { MOUNT_PROGRAM, MOUNT_V3, mount3Procedures } from '../../src/nfs/mount3-schema.ts';
import { NFS_PROGRAM, NFS_V3, nfs3Procedures } from '../../src/nfs/nfs3-schema.ts';
import type { Codec } from '../../src/nfs/xdr-schema.ts';
import { paddedLength, XdrReader } from '../../src/nfs/xdr-cursor.ts';
import { verify } from '../row.ts';
import { LoadConnection, type Measured } from './load-connection.ts';
import { workloadOf, type LoadSpec } from './workloads.ts';

const attributesBytes = 84;
const longestPageBytes = 1024 * 1024;

const connections = new Map<number, LoadConnection>();

function connectionOf(id: number): LoadConnection {
  const connection = connections.get(id);
  if (connection === undefined) throw new Error(`there is no connection ${id}`);
  return connection;
}

/** Returns the connection’s number. */
export async function connect({ port }: { readonly port: number }): Promise<number> {
  const id = connections.size + 1;
  connections.set(id, await LoadConnection.open(port));
  return id;
}

/** The handle of the export’s root. */
export async function mount(options: {
  readonly port: number;
  readonly exportPath: string;
}): Promise<Uint8Array> {
  const connection = await LoadConnection.open(options.port);
  const { MNT } = mount3Procedures;
  const procedure = { program: MOUNT_PROGRAM, version: MOUNT_V3, number: MNT.number };
  try {
    const results = await callOnce(
      connection,
      { ...procedure, ...MNT },
      { dirpath: Buffer.from(options.exportPath) },
    );
    verify(results.ok, `MNT of ${options.exportPath} failed`);
    return results.resok.fhandle;
  } finally {
    connection.close();
  }
}

/** The handle of what `path` names below `dir`; null if there is nothing. */
export async function lookUp(options: {
  readonly connection: number;
  readonly dir: Uint8Array;
  readonly path: string;
}): Promise<Uint8Array> {
  let handle = options.dir;
  for (const name of options.path.split('/')) {
    const what = { dir: handle, name: Buffer.from(name) };
    const results = await callOnce(connectionOf(options.connection), nfsProcedure('LOOKUP'), { what });
    verify(results.ok, `LOOKUP of ${name} failed`);
    handle = results.resok.object;
  }
  return handle;
}

export async function makeFolder(options: {
  readonly connection: number;
  readonly dir: Uint8Array;
  readonly name: string;
}): Promise<Uint8Array> {
  const where = { dir: options.dir, name: Buffer.from(options.name) };
  const attributes = {
    ...{ mode: 0o755, uid: null, gid: null, size: null },
    ...{ atime: { set_it: 0 as const }, mtime: { set_it: 0 as const } },
  };
  const results = await callOnce(connectionOf(options.connection), nfsProcedure('MKDIR'), {
    where,
    attributes,
  });
  verify(results.ok, `MKDIR of ${options.name} failed`);
  const { obj } = results.resok;
  verify(obj !== null, 'MKDIR gave no handle');
  return obj;
}

export function run(options: { readonly connection: number; readonly spec: LoadSpec }): Promise<Measured> {
  return connectionOf(options.connection).run(workloadOf(options.spec));
}

/** How long a page of a listing the server wants clients to ask for; Linux asks for that, up to a maximum of its own. */
export async function preferredPageBytes(options: {
  readonly connection: number;
  readonly root: Uint8Array;
}): Promise<number> {
  const results = await callOnce(connectionOf(options.connection), nfsProcedure('FSINFO'), {
    fsroot: options.root,
  });
  verify(results.ok, 'FSINFO failed');
  return Math.min(results.resok.dtpref, longestPageBytes);
}

export interface Listed {
  readonly seconds: number;
  readonly entries: number;
  readonly pages: number;
}

/** READDIRPLUS of a whole folder, page by page; `.` and `..` are not counted. Verifies the number of different names. */
export async function list(options: {
  readonly connection: number;
  readonly dir: Uint8Array;
  readonly pageBytes: number;
  readonly expected: number;
  readonly isVerified: boolean;
}): Promise<Listed> {
  const names = options.isVerified ? new Set<string>() : null;
  let cookieHigh = 0;
  let cookieLow = 0;
  const verifier = Buffer.alloc(8);
  let entries = 0;
  let pages = 0;
  let isEnd = false;
  const startedAt = performance.now();
  while (!isEnd) {
    await connectionOf(options.connection).run({
      ...{ program: NFS_PROGRAM, version: NFS_V3, procedure: nfs3Procedures.READDIRPLUS.number },
      ...{ count: 1, depth: 1, lookedAtBytes: Infinity },
      encode(out) {
        out.uint32(options.dir.length);
        out.opaqueFixed(options.dir);
        out.uint32(cookieHigh);
        out.uint32(cookieLow);
        out.opaqueFixed(verifier);
        out.uint32(options.pageBytes);
        out.uint32(options.pageBytes);
        return null;
      },
      check(results, _index, resultBytes) {
        verify(results.uint32() === 0, 'READDIRPLUS failed');
        if (results.bool()) results.skip(attributesBytes);
        verifier.set(results.opaqueFixed(8));
        // Words by hand: what the client spends on an entry hides what the server does.
        const { view } = results;
        let at = results.position;
        for (; view.getUint32(at) === 1;) {
          const nameBytes = view.getUint32(at + 12);
          const nameAt = at + 16;
          at = nameAt + paddedLength(nameBytes);
          cookieHigh = view.getUint32(at);
          cookieLow = view.getUint32(at + 4);
          at += view.getUint32(at + 8) === 1 ? 12 + attributesBytes : 12;
          at += view.getUint32(at) === 1 ? 8 + paddedLength(view.getUint32(at + 4)) : 4;
          const isDot = nameBytes <= 2 && results.bytes[nameAt] === 0x2e;
          if (!isDot) entries += 1;
          if (!isDot) names?.add(results.bytes.toString('utf8', nameAt, nameAt + nameBytes));
          verify(at + 8 <= results.end, 'READDIRPLUS ended within an entry');
        }
        results.position = at + 4;
        isEnd = results.bool();
        pages += 1;
        return resultBytes;
      },
    });
  }
  const seconds = (performance.now() - startedAt) / 1000;
  verify(entries === options.expected, `READDIRPLUS listed ${entries} entries, not ${options.expected}`);
  verify(names === null || names.size === entries, 'READDIRPLUS listed a name twice');
  return { seconds, entries, pages };
}

/** Processor time of this process so far. */
export function processorMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

interface TypedProcedure<A, R> {
  readonly program: number;
  readonly version: number;
  readonly number: number;
  readonly args: Codec<A>;
  readonly res: Codec<R>;
}

function nfsProcedure<N extends keyof typeof nfs3Procedures>(name: N) {
  return { program: NFS_PROGRAM, version: NFS_V3, ...nfs3Procedures[name] };
}

async function callOnce<A, R>(
  connection: LoadConnection,
  { program, version, number, args, res }: TypedProcedure<A, R>,
  argument: A,
): Promise<R> {
  const answers: R[] = [];
  await connection.run({
    ...{ program, version, procedure: number, count: 1, depth: 1, lookedAtBytes: Infinity },
    encode(out) {
      args.write(out, argument);
      return null;
    },
    check(results) {
      // Decoded from a copy: what it borrows must outlive the receive slab.
      answers.push(
        res.read(new XdrReader(Buffer.from(results.bytes.subarray(results.position, results.end)))),
      );
      return 0;
    },
  });
  const [answer] = answers;
  verify(answer !== undefined, 'there was no answer');
  return answer;
}
