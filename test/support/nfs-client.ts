// Our own small NFSv3 and MOUNT client for tests, typed by the schema: `call` and `ok` for any procedure, and file-system words
// on top of them. Not a model of a kernel client.

import { MOUNT_PROGRAM, MOUNT_V3, mount3Procedures } from '../../src/nfs/mount3-schema.ts';
import {
  ACCESS3,
  createmode3,
  NFS_PROGRAM,
  NFS_V3,
  nfs3Procedures,
  stable_how,
  type Nfs3ProcedureName,
  type Sattr3,
} from '../../src/nfs/nfs3-schema.ts';
import { statusName } from '../../src/nfs/nfs3-status.ts';
import type { Codec, Result, Value } from '../../src/nfs/xdr-schema.ts';
import { decodeXdr, encodeXdr, RpcClient, type CallOptions, type RpcClientOptions } from './rpc-client.ts';

/** An NFS or MOUNT status other than OK. */
export class NfsFailure extends Error {
  readonly status: number;
  readonly statusName: string;
  readonly resfail: unknown;
  constructor(procedure: string, status: number, resfail: unknown) {
    super(`${procedure} failed with ${statusName(status)}`);
    this.status = status;
    this.statusName = statusName(status);
    this.resfail = resfail;
  }
}

type ProcedureTable = typeof nfs3Procedures;
type Args<N extends Nfs3ProcedureName> = Value<ProcedureTable[N]['args']>;
type Res<N extends Nfs3ProcedureName> = Value<ProcedureTable[N]['res']>;
type Resok<N extends Nfs3ProcedureName> = Res<N> extends Result<infer Ok, unknown> ? Ok : never;

export const noChanges: Sattr3 = {
  mode: null,
  uid: null,
  gid: null,
  size: null,
  atime: { set_it: 0 },
  mtime: { set_it: 0 },
};

export class Nfs3Client {
  readonly rpc: RpcClient;

  constructor(rpc: RpcClient) {
    this.rpc = rpc;
  }

  static async connect(options: RpcClientOptions): Promise<Nfs3Client> {
    return new Nfs3Client(await RpcClient.connect(options));
  }

  /** The whole result, whatever its status. */
  async call<N extends Nfs3ProcedureName>(
    name: N,
    args: Args<N>,
    options: CallOptions = {},
  ): Promise<Res<N>> {
    const { number } = nfs3Procedures[name];
    const argsCodec = nfs3Procedures[name].args as Codec<Args<N>>;
    const resCodec = nfs3Procedures[name].res as Codec<Res<N>>;
    const results = await this.rpc.call(NFS_PROGRAM, NFS_V3, number, encodeXdr(argsCodec, args), options);
    return decodeXdr(resCodec, results);
  }

  /** The results of a success; NfsFailure otherwise. */
  async ok<N extends Exclude<Nfs3ProcedureName, 'NULL'>>(name: N, args: Args<N>): Promise<Resok<N>> {
    const value = (await this.call(name, args)) as Result<Resok<N>, unknown>;
    if (value.ok) return value.resok;
    throw new NfsFailure(name, value.status, value.resfail);
  }

  async mount(exportPath: string): Promise<Uint8Array> {
    const { MNT } = mount3Procedures;
    const args = encodeXdr(MNT.args, { dirpath: Buffer.from(exportPath) });
    const results = decodeXdr(MNT.res, await this.rpc.call(MOUNT_PROGRAM, MOUNT_V3, MNT.number, args));
    if (!results.ok) throw new NfsFailure('MNT', results.status, results.resfail);
    return results.resok.fhandle;
  }

  async lookup(dir: Uint8Array, name: string): Promise<Uint8Array> {
    return (await this.ok('LOOKUP', { what: { dir, name: Buffer.from(name) } })).object;
  }

  /** The handle of a path below `root`. */
  async walk(root: Uint8Array, path: string): Promise<Uint8Array> {
    let handle = root;
    for (const name of path.split('/')) handle = await this.lookup(handle, name);
    return handle;
  }

  async getattr(object: Uint8Array) {
    return (await this.ok('GETATTR', { object })).obj_attributes;
  }

  async setattr(object: Uint8Array, changes: Partial<Sattr3>) {
    return this.ok('SETATTR', { object, new_attributes: { ...noChanges, ...changes }, guard: null });
  }

  async access(object: Uint8Array, access: number = 0x3f): Promise<readonly string[]> {
    const granted = (await this.ok('ACCESS', { object, access })).access;
    return Object.entries(ACCESS3).flatMap(([name, bit]) => ((granted & bit) === 0 ? [] : [name]));
  }

  async read(file: Uint8Array, offset: number, count: number) {
    return this.ok('READ', { file, offset, count });
  }

  async readAll(file: Uint8Array, count = 1024 * 1024): Promise<Buffer> {
    const parts: Uint8Array[] = [];
    for (let offset = 0; ;) {
      const { data, eof } = await this.read(file, offset, count);
      parts.push(data);
      offset += data.length;
      if (eof) return Buffer.concat(parts);
    }
  }

  async write(
    file: Uint8Array,
    offset: number,
    data: Uint8Array | string,
    stable: 0 | 1 | 2 = stable_how.UNSTABLE,
  ) {
    const bytes = Buffer.from(data);
    return this.ok('WRITE', { file, offset, count: bytes.length, stable, data: bytes });
  }

  async commit(file: Uint8Array) {
    return this.ok('COMMIT', { file, offset: 0, count: 0 });
  }

  async create(
    dir: Uint8Array,
    name: string,
    how: { guarded?: boolean; exclusive?: Uint8Array; changes?: Partial<Sattr3> } = {},
  ): Promise<Uint8Array> {
    const obj_attributes = { ...noChanges, ...how.changes };
    const created = await this.ok('CREATE', {
      where: { dir, name: Buffer.from(name) },
      how:
        how.exclusive !== undefined
          ? { mode: createmode3.EXCLUSIVE, verf: how.exclusive }
          : { mode: how.guarded === true ? createmode3.GUARDED : createmode3.UNCHECKED, obj_attributes },
    });
    if (created.obj === null) throw new Error('CREATE without a handle');
    return created.obj;
  }

  async mkdir(dir: Uint8Array, name: string, mode = 0o755): Promise<Uint8Array> {
    const where = { dir, name: Buffer.from(name) };
    const { obj } = await this.ok('MKDIR', { where, attributes: { ...noChanges, mode } });
    if (obj === null) throw new Error('MKDIR without a handle');
    return obj;
  }

  async symlink(dir: Uint8Array, name: string, target: string): Promise<Uint8Array> {
    const where = { dir, name: Buffer.from(name) };
    const symlink = { symlink_attributes: noChanges, symlink_data: Buffer.from(target) };
    const { obj } = await this.ok('SYMLINK', { where, symlink });
    if (obj === null) throw new Error('SYMLINK without a handle');
    return obj;
  }

  async readlink(symlink: Uint8Array): Promise<string> {
    return Buffer.from((await this.ok('READLINK', { symlink })).data).toString();
  }

  async link(file: Uint8Array, dir: Uint8Array, name: string) {
    return this.ok('LINK', { file, link: { dir, name: Buffer.from(name) } });
  }

  async remove(dir: Uint8Array, name: string) {
    return this.ok('REMOVE', { object: { dir, name: Buffer.from(name) } });
  }

  async rmdir(dir: Uint8Array, name: string) {
    return this.ok('RMDIR', { object: { dir, name: Buffer.from(name) } });
  }

  async rename(fromDir: Uint8Array, fromName: string, toDir: Uint8Array, toName: string) {
    return this.ok('RENAME', {
      from: { dir: fromDir, name: Buffer.from(fromName) },
      to: { dir: toDir, name: Buffer.from(toName) },
    });
  }

  /** One page. */
  async readdirplus(dir: Uint8Array, cookie = 0, maxcount = 65536) {
    return this.ok('READDIRPLUS', {
      dir,
      cookie,
      cookieverf: new Uint8Array(8),
      dircount: maxcount,
      maxcount,
    });
  }

  /** All names but "." and "..", page by page. */
  async list(dir: Uint8Array, maxcount = 65536): Promise<string[]> {
    const names: string[] = [];
    for (let cookie = 0; ;) {
      const page = await this.readdirplus(dir, cookie, maxcount);
      for (const entry of page.entries) {
        names.push(Buffer.from(entry.name).toString());
        cookie = entry.cookie;
      }
      if (page.eof) return names.filter((name) => name !== '.' && name !== '..');
    }
  }

  async close(): Promise<void> {
    await this.rpc.close();
  }
}
