// Our own small NFSv3 and MOUNT client over one raw TCP socket, for tests: pipelined (every call is a promise), replies in
// any order, typed by the schema. `Nfs3Client` gives file-system words on top of it. Not a model of a kernel client.

import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import net from 'node:net';
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
import { LAST_FRAGMENT } from '../../src/nfs/rpc-message.ts';
import { XdrReader, XdrWriter } from '../../src/nfs/xdr-cursor.ts';
import type { Codec, Result, Value } from '../../src/nfs/xdr-schema.ts';

/** The server answered, but not with SUCCESS: `kind` is the word of RFC 5531. */
export class RpcRefusal extends Error {
  readonly kind: string;
  constructor(kind: string, detail = '') {
    super(`${kind}${detail}`);
    this.kind = kind;
  }
}

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

export interface RpcClientOptions {
  readonly port: number;
  readonly host?: string;
  readonly uid?: number;
  readonly gid?: number;
  /** Where the xids start; random by default, as two clients with the same would be taken for one that retransmits. */
  readonly firstXid?: number;
}

export interface CallOptions {
  readonly xid?: number;
  readonly flavor?: 'AUTH_SYS' | 'AUTH_NONE';
  readonly uid?: number;
}

const acceptStats = [
  'SUCCESS',
  'PROG_UNAVAIL',
  'PROG_MISMATCH',
  'PROC_UNAVAIL',
  'GARBAGE_ARGS',
  'SYSTEM_ERR',
];

interface Waiter {
  resolve(results: Buffer): void;
  reject(error: Error): void;
}

export class RpcClient {
  readonly socket: net.Socket;
  /** Xids in the order in which their replies came. */
  readonly replyOrder: number[] = [];
  readonly #waiters = new Map<number, Waiter[]>();
  readonly #options: RpcClientOptions;
  #xid: number;
  #received: Buffer = Buffer.alloc(0);

  private constructor(socket: net.Socket, options: RpcClientOptions) {
    this.socket = socket;
    this.#options = options;
    this.#xid = options.firstXid ?? randomInt(2 ** 31);
    socket.on('data', (chunk) => this.#take(chunk));
    socket.on('error', () => socket.destroy());
    socket.on('close', () => {
      for (const waiters of this.#waiters.values()) {
        for (const waiter of waiters) waiter.reject(new Error('The server closed the connection'));
      }
      this.#waiters.clear();
    });
  }

  static async connect(options: RpcClientOptions): Promise<RpcClient> {
    const socket = net.connect({ port: options.port, host: options.host ?? '127.0.0.1', noDelay: true });
    await once(socket, 'connect');
    return new RpcClient(socket, options);
  }

  /** Over a socket that is connected already. */
  static over(socket: net.Socket, options: RpcClientOptions): RpcClient {
    return new RpcClient(socket, options);
  }

  nextXid(): number {
    this.#xid = (this.#xid + 1) >>> 0;
    return this.#xid;
  }

  /** Bytes of a call with its record mark. */
  encode(
    program: number,
    version: number,
    procedure: number,
    args: Uint8Array,
    options: CallOptions = {},
  ): Buffer {
    const out = new XdrWriter(Buffer.alloc(512 + args.length));
    out.uint32(0);
    out.uint32(options.xid ?? this.nextXid());
    for (const word of [0, 2, program, version, procedure]) out.uint32(word);
    if (options.flavor === 'AUTH_NONE') {
      out.uint32(0);
      out.uint32(0);
    } else {
      const name = 'test';
      out.uint32(1);
      out.uint32(20 + name.length);
      out.uint32(0);
      out.string(name);
      out.uint32(options.uid ?? this.#options.uid ?? 1000);
      out.uint32(this.#options.gid ?? 1000);
      out.uint32(0);
    }
    out.uint32(0);
    out.uint32(0);
    out.bytes.set(args, out.position);
    out.position += args.length;
    out.view.setUint32(0, LAST_FRAGMENT + out.position - 4);
    return out.bytes.subarray(0, out.position);
  }

  /** Results of an accepted and successful call; RpcRefusal otherwise. */
  async call(
    program: number,
    version: number,
    procedure: number,
    args: Uint8Array,
    options: CallOptions = {},
  ): Promise<Buffer> {
    const xid = options.xid ?? this.nextXid();
    const reply = this.reply(xid);
    this.socket.write(this.encode(program, version, procedure, args, { ...options, xid }));
    return reply;
  }

  /** The results of a call that was or will be sent by other means. Two waiters for one xid get two replies. */
  reply(xid: number): Promise<Buffer> {
    return new Promise((resolve, reject) => {
      if (this.socket.destroyed) {
        reject(new Error('The connection is closed'));
        return;
      }
      this.#waiters.set(xid, [...(this.#waiters.get(xid) ?? []), { resolve, reject }]);
    });
  }

  async close(): Promise<void> {
    if (this.socket.destroyed) return;
    const closed = once(this.socket, 'close');
    this.socket.destroy();
    await closed;
  }

  #take(chunk: Buffer): void {
    this.#received = this.#received.length === 0 ? chunk : Buffer.concat([this.#received, chunk]);
    while (this.#received.length >= 4) {
      const end = 4 + (this.#received.readUInt32BE(0) - LAST_FRAGMENT);
      if (this.#received.length < end) return;
      const record = Buffer.from(this.#received.subarray(4, end));
      this.#received = this.#received.subarray(end);
      this.#settle(record);
    }
  }

  #settle(record: Buffer): void {
    const xid = record.readUInt32BE(0);
    this.replyOrder.push(xid);
    const waiters = this.#waiters.get(xid) ?? [];
    const waiter = waiters.shift();
    if (waiters.length === 0) this.#waiters.delete(xid);
    if (record.readUInt32BE(8) === 1) {
      const isAuthError = record.readUInt32BE(12) === 1;
      const detail = record.readUInt32BE(16);
      waiter?.reject(new RpcRefusal(isAuthError ? `AUTH_ERROR ${detail}` : 'RPC_MISMATCH', ` ${detail}`));
      return;
    }
    const stat = record.readUInt32BE(20);
    if (stat === 0) waiter?.resolve(record.subarray(24));
    else waiter?.reject(new RpcRefusal(acceptStats[stat] ?? String(stat)));
  }
}

export function encodeXdr<T>(codec: Codec<T>, value: T): Buffer {
  const out = new XdrWriter(Buffer.alloc(4096), (writer, needed) => {
    const larger = Buffer.alloc((writer.bytes.length + needed) * 2);
    larger.set(writer.bytes);
    writer.bytes = larger;
    writer.view = new DataView(larger.buffer, larger.byteOffset, larger.length);
  });
  codec.write(out, value);
  return out.bytes.subarray(0, out.position);
}

export function decodeXdr<T>(codec: Codec<T>, bytes: Buffer): T {
  const reader = new XdrReader(bytes);
  const value = codec.read(reader);
  reader.finish();
  return value;
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
