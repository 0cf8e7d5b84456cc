// ONC RPC over one raw TCP socket, for tests: pipelined (every call is a promise), replies in any order, and byte access for
// tests that send what no client would.

import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import net from 'node:net';
import { LAST_FRAGMENT } from '../../src/nfs/rpc-message.ts';
import { XdrReader, XdrWriter } from '../../src/nfs/xdr-cursor.ts';
import type { Codec } from '../../src/nfs/xdr-schema.ts';

/** The server answered, but not with SUCCESS: `kind` is the word of RFC 5531. */
export class RpcRefusal extends Error {
  readonly kind: string;
  constructor(kind: string, detail = '') {
    super(`${kind}${detail}`);
    this.kind = kind;
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
