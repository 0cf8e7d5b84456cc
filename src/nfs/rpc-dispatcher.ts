// Takes one call from a record to the program that serves it: header, credentials, program, version, procedure, duplicates;
// and answers everything that fails before or outside of the program. One per server, used by all its connections.

import type { Log } from '../shared/log.ts';
import type { DuplicateCache, DuplicateEntry, ReplyReceiver } from './duplicate-cache.ts';
import { SMALL_REPLY_BYTES, type ReplyGatherer } from './reply-gatherer.ts';
import {
  ACCEPTED_REPLY_BYTES,
  AcceptStat,
  AuthFlavor,
  readCallHeader,
  writeAcceptedHead,
  writeAuthError,
  writeRpcMismatch,
  type RpcCall,
} from './rpc-message.ts';
import { NULL_PROCEDURE, type BulkResults, type LateResults, type RpcProgram } from './rpc-program.ts';
import { XdrError } from './xdr-cursor.ts';

/** The connection a call came from, as far as serving it needs one. */
export interface ReplyPort extends ReplyReceiver {
  readonly gatherer: ReplyGatherer;
  submitBulk(xid: number, bulk: BulkResults): void;
  /** A late reply was gathered: it should go out soon. */
  lateReply(): void;
  countPending(change: 1 | -1): void;
}

export interface DispatcherOptions {
  readonly programs: readonly RpcProgram[];
  readonly duplicates: DuplicateCache;
  /** Whether AUTH_SYS credentials of this uid may call anything but NULL procedures. */
  readonly admits: (uid: number) => boolean;
  readonly log: Log;
}

export class RpcDispatcher {
  readonly #options: DispatcherOptions;
  /** Calls whose arguments were no XDR of the procedure. */
  garbage = 0;
  refusedCredentials = 0;

  constructor(options: DispatcherOptions) {
    this.#options = options;
  }

  /** XdrError: not even a call, the connection should be closed. */
  serve(call: RpcCall, port: ReplyPort): void {
    const header = readCallHeader(call);
    if (header === 'not RPC version 2') {
      port.gatherer.begin(SMALL_REPLY_BYTES);
      writeRpcMismatch(port.gatherer.out, call.xid);
      port.gatherer.end();
      return;
    }
    const program = this.#options.programs.find((candidate) => candidate.number === call.program);
    if (program === undefined) this.#refuse(call, port, AcceptStat.PROG_UNAVAIL);
    else if (call.version !== program.version) this.#refuseVersion(call, port, program.version);
    else if (!program.hasProcedure(call.procedure)) this.#refuse(call, port, AcceptStat.PROC_UNAVAIL);
    else if (call.procedure !== NULL_PROCEDURE && (header === 'bad credentials' || !this.#isAdmitted(call))) {
      this.refusedCredentials += 1;
      port.gatherer.begin(SMALL_REPLY_BYTES);
      writeAuthError(port.gatherer.out, call.xid);
      port.gatherer.end();
    } else if (program.isDuplicateChecked(call.procedure)) this.#callOnce(call, port, program);
    else this.#call(call, port, program, null);
  }

  #isAdmitted(call: RpcCall): boolean {
    return call.flavor === AuthFlavor.AUTH_SYS && this.#options.admits(call.uid);
  }

  #callOnce(call: RpcCall, port: ReplyPort, program: RpcProgram): void {
    const { duplicates } = this.#options;
    const key = duplicates.keyOf(call);
    if (duplicates.answer(key, port)) return;
    this.#call(call, port, program, duplicates.begin(key, port));
  }

  #call(call: RpcCall, port: ReplyPort, program: RpcProgram, duplicate: DuplicateEntry | null): void {
    const { gatherer } = port;
    const { out } = gatherer;
    const { xid } = call;
    gatherer.begin(SMALL_REPLY_BYTES);
    writeAcceptedHead(out, xid, AcceptStat.SUCCESS);
    try {
      const outcome = program.serve(call, out);
      if (outcome === undefined) {
        gatherer.end();
        if (duplicate !== null) this.#remember(duplicate, program, gatherer);
        return;
      }
      gatherer.abandon();
      if (outcome instanceof Promise) this.#later(outcome, xid, port, program, duplicate);
      else port.submitBulk(xid, outcome);
    } catch (error) {
      gatherer.abandon();
      if (duplicate !== null) this.#options.duplicates.forget(duplicate);
      this.#refuse(call, port, this.#statOf(error));
    }
  }

  #later(
    outcome: Promise<LateResults>,
    xid: number,
    port: ReplyPort,
    program: RpcProgram,
    duplicate: DuplicateEntry | null,
  ): void {
    port.countPending(1);
    const gather = (write: LateResults | null, stat: AcceptStat): void => {
      const { gatherer } = port;
      gatherer.begin(SMALL_REPLY_BYTES);
      writeAcceptedHead(gatherer.out, xid, stat);
      write?.(gatherer.out);
      gatherer.end();
      if (duplicate !== null) this.#remember(duplicate, program, gatherer);
    };
    outcome
      .then(
        (write) => gather(write, AcceptStat.SUCCESS),
        (error: unknown) => gather(null, this.#statOf(error)),
      )
      .catch((error: unknown) => {
        port.gatherer.abandon();
        this.#options.log.error('Results could not be written', {}, error);
        gather(null, AcceptStat.SYSTEM_ERR);
      })
      .finally(() => {
        port.countPending(-1);
        port.lateReply();
      });
  }

  /** Also when the connection is gone: the client will ask again on another. */
  #remember(duplicate: DuplicateEntry, program: RpcProgram, gatherer: ReplyGatherer): void {
    const reply = gatherer.lastReply();
    const { view } = gatherer.out;
    const results = gatherer.out.position - reply.length + ACCEPTED_REPLY_BYTES;
    const isTransient = results + 4 <= gatherer.out.position && program.isTransient(view.getUint32(results));
    this.#options.duplicates.complete(duplicate, reply, !isTransient);
  }

  #statOf(error: unknown): AcceptStat {
    if (error instanceof XdrError) {
      this.garbage += 1;
      return AcceptStat.GARBAGE_ARGS;
    }
    this.#options.log.error('A program let an exception out', {}, error);
    return AcceptStat.SYSTEM_ERR;
  }

  #refuse(call: RpcCall, port: ReplyPort, stat: AcceptStat): void {
    port.gatherer.begin(SMALL_REPLY_BYTES);
    writeAcceptedHead(port.gatherer.out, call.xid, stat);
    port.gatherer.end();
  }

  #refuseVersion(call: RpcCall, port: ReplyPort, version: number): void {
    const { gatherer } = port;
    gatherer.begin(SMALL_REPLY_BYTES);
    writeAcceptedHead(gatherer.out, call.xid, AcceptStat.PROG_MISMATCH);
    gatherer.out.uint32(version);
    gatherer.out.uint32(version);
    gatherer.end();
  }
}
