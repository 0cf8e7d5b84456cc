// ONC RPC version 2 messages (RFC 5531): the header of a call, AUTH_SYS credentials, and the heads of all replies.
// Replies carry an AUTH_NONE verifier. Knows no program.

import { XdrError, type XdrReader, type XdrWriter } from './xdr-cursor.ts';

const RPC_VERSION = 2;
const MessageType = { CALL: 0, REPLY: 1 } as const;
const ReplyStat = { MSG_ACCEPTED: 0, MSG_DENIED: 1 } as const;
export const AcceptStat = {
  SUCCESS: 0,
  PROG_UNAVAIL: 1,
  PROG_MISMATCH: 2,
  PROC_UNAVAIL: 3,
  GARBAGE_ARGS: 4,
  SYSTEM_ERR: 5,
} as const;
export type AcceptStat = (typeof AcceptStat)[keyof typeof AcceptStat];
const RejectStat = { RPC_MISMATCH: 0, AUTH_ERROR: 1 } as const;
export const AuthFlavor = { AUTH_NONE: 0, AUTH_SYS: 1 } as const;
/** Linux turns this one into a clean EACCES; it retries AUTH_BADCRED and AUTH_REJECTEDCRED first (net/sunrpc/clnt.c). */
const AUTH_TOOWEAK = 5;

/** RFC 5531 section 8.2: the body of a credential or verifier. */
const MAX_AUTH_BYTES = 400;
/** RFC 5531 appendix A. */
const MAX_MACHINE_NAME_BYTES = 255;
const MAX_GROUPS = 16;

/** Bit 31 of a record mark: the last fragment (RFC 5531 section 11). */
export const LAST_FRAGMENT = 0x8000_0000;
export const RECORD_MARK_BYTES = 4;
/** Record mark, xid, REPLY, MSG_ACCEPTED, verifier (2 words), accept_stat. */
export const ACCEPTED_REPLY_BYTES = 28;

/** One call being served. The object is reused for the next call: copy what a promise needs later. */
export class RpcCall {
  xid = 0;
  program = 0;
  version = 0;
  procedure = 0;
  flavor = 0;
  uid = 0;
  gid = 0;
  /** Stands at the arguments when a program is called. */
  readonly reader: XdrReader;
  /** The peer's IP address. */
  readonly clientAddress: string;

  constructor(reader: XdrReader, clientAddress: string) {
    this.reader = reader;
    this.clientAddress = clientAddress;
  }
}

export type CallHeader = 'ok' | 'not RPC version 2' | 'bad credentials';

/**
 * Reads up to the arguments. XdrError: not a call at all, nothing can be answered. With 'not RPC version 2' only the xid
 * is set; with 'bad credentials' everything but uid and gid.
 */
export function readCallHeader(call: RpcCall): CallHeader {
  const { reader } = call;
  call.xid = reader.uint32();
  if (reader.uint32() !== MessageType.CALL) throw new XdrError('Not a call');
  if (reader.uint32() !== RPC_VERSION) return 'not RPC version 2';
  call.program = reader.uint32();
  call.version = reader.uint32();
  call.procedure = reader.uint32();
  const flavor = reader.uint32();
  call.flavor = flavor;
  const length = reader.length(MAX_AUTH_BYTES);
  const credentials = reader.skip(length);
  reader.uint32();
  reader.skip(reader.length(MAX_AUTH_BYTES));
  if (flavor !== AuthFlavor.AUTH_SYS) return 'ok';
  return readAuthSys(call, credentials, length) ? 'ok' : 'bad credentials';
}

/** `authsys_parms` of RFC 5531 appendix A: stamp, machine name, uid, gid, groups. */
function readAuthSys(call: RpcCall, start: number, length: number): boolean {
  const { view } = call.reader;
  const end = start + length;
  if (length < 8) return false;
  const nameLength = view.getUint32(start + 4);
  if (nameLength > MAX_MACHINE_NAME_BYTES) return false;
  const at = start + 8 + ((nameLength + 3) & ~3);
  if (at + 12 > end) return false;
  call.uid = view.getUint32(at);
  call.gid = view.getUint32(at + 4);
  const groups = view.getUint32(at + 8);
  return groups <= MAX_GROUPS && at + 12 + groups * 4 === end;
}

/** Writes record mark (filled in by `endRecord`), xid and an accepted reply's head. */
export function writeAcceptedHead(out: XdrWriter, xid: number, stat: AcceptStat): void {
  const { view } = out;
  const at = out.position;
  view.setUint32(at + 4, xid);
  view.setUint32(at + 8, MessageType.REPLY);
  view.setUint32(at + 12, ReplyStat.MSG_ACCEPTED);
  view.setUint32(at + 16, AuthFlavor.AUTH_NONE);
  view.setUint32(at + 20, 0);
  view.setUint32(at + 24, stat);
  out.position = at + ACCEPTED_REPLY_BYTES;
}

function writeDeniedHead(out: XdrWriter, xid: number): void {
  out.position += RECORD_MARK_BYTES;
  out.uint32(xid);
  out.uint32(MessageType.REPLY);
  out.uint32(ReplyStat.MSG_DENIED);
}

export function writeAuthError(out: XdrWriter, xid: number): void {
  writeDeniedHead(out, xid);
  out.uint32(RejectStat.AUTH_ERROR);
  out.uint32(AUTH_TOOWEAK);
}

export function writeRpcMismatch(out: XdrWriter, xid: number): void {
  writeDeniedHead(out, xid);
  out.uint32(RejectStat.RPC_MISMATCH);
  out.uint32(RPC_VERSION);
  out.uint32(RPC_VERSION);
}

/** Fills the record mark of the reply that started at `start` and ends at the writer's position. */
export function endRecord(out: XdrWriter, start: number): void {
  out.view.setUint32(start, LAST_FRAGMENT + (out.position - start - RECORD_MARK_BYTES));
}
