// What an RPC program (MOUNT, NFS) offers to the transport, and the three ways in which it may answer: written at once,
// by a promise, or as bulk data that lands in the transport's own slab. Types only.

import type { MaybePromise } from '../vfs/file-system.ts';
import type { RpcCall } from './rpc-message.ts';
import type { XdrWriter } from './xdr-cursor.ts';

/** Writes results that became known later. Must not throw for the file system's sake. */
export type LateResults = (out: XdrWriter) => void;

/**
 * A reply that ends in a long opaque: the transport reserves head and data in a slab, has the data filled in place, and
 * sends both with one write.
 */
export interface BulkResults {
  /** Bytes of results before the data, the data's own length word included. */
  readonly headBytes: number;
  readonly maximumDataBytes: number;
  /**
   * Fills the borrowed `target`, perhaps turns after the call came. Never throws or rejects: a failure is remembered and told by
   * `writeHead`. `isAlone`: the connection has no other long reply to make meanwhile.
   */
  fill(target: Uint8Array, isAlone: boolean): MaybePromise<void>;
  /**
   * Writes the head at the writer's position and returns how many bytes of data follow; or writes a whole failure
   * and returns -1.
   */
  writeHead(out: XdrWriter): number;
}

export interface RpcProgram {
  readonly number: number;
  readonly version: number;
  hasProcedure(procedure: number): boolean;
  /** A second run would do harm or fail: retransmissions are answered from the duplicate cache. */
  isDuplicateChecked(procedure: number): boolean;
  /** Such results are not remembered by the duplicate cache: the call has not been done. */
  isTransient(firstResultWord: number): boolean;
  /**
   * Serves `call`, whose reader stands at the arguments. Returns nothing when the results are in `out`. Throws or rejects
   * with nothing but XdrError (answered with GARBAGE_ARGS). `out` may not be kept.
   */
  serve(call: RpcCall, out: XdrWriter): undefined | BulkResults | Promise<LateResults>;
}

/** Procedure 0 of every program: no credentials asked, no results. */
export const NULL_PROCEDURE = 0;
