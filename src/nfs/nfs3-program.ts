// The NFS version 3 program: the table of the 22 procedures and the one wrapper around them that turns failures into results
// with the attributes RFC 1813 asks for in every arm.

import { writePostOpAttr, writeWccAfter } from './nfs3-attributes.ts';
import {
  CallObjects,
  settleFailure,
  type FailureArm,
  type Nfs3Context,
  type Nfs3Procedure,
} from './nfs3-context.ts';
import { createProcedures } from './nfs3-create.ts';
import { infoProcedures } from './nfs3-info.ts';
import { listingProcedures } from './nfs3-listing.ts';
import { lookupProcedures } from './nfs3-lookup.ts';
import { removeProcedures } from './nfs3-remove.ts';
import { NFS_PROGRAM, NFS_V3, nfs3Procedures, type Nfs3ProcedureName } from './nfs3-schema.ts';
import { Nfsstat3 } from './nfs3-status.ts';
import { transferProcedures } from './nfs3-transfer.ts';
import type { RpcCall } from './rpc-message.ts';
import type { BulkResults, LateResults, RpcProgram } from './rpc-program.ts';
import { XdrError, type XdrWriter } from './xdr-cursor.ts';

const NULL: Nfs3Procedure = {
  failureArm: 'nothing',
  run(call) {
    call.reader.finish();
    return undefined;
  },
};

interface Entry {
  readonly name: Nfs3ProcedureName;
  readonly procedure: Nfs3Procedure;
}

export class Nfs3Program implements RpcProgram {
  readonly number = NFS_PROGRAM;
  readonly version = NFS_V3;
  readonly #context: Nfs3Context;
  readonly #entries: readonly Entry[];
  readonly #calls: Float64Array;
  /** Of the call being served in this turn. */
  readonly #objects = new CallObjects();

  constructor(context: Nfs3Context) {
    this.#context = context;
    const table: Readonly<Record<Nfs3ProcedureName, Nfs3Procedure>> = {
      NULL,
      ...lookupProcedures(context),
      ...transferProcedures(context, (out, error, ino) =>
        this.#writeFailure(out, 'READ', 'attributes', error, ino, 0),
      ),
      ...createProcedures(context),
      ...removeProcedures(context),
      ...listingProcedures(context),
      ...infoProcedures(context),
    };
    const names = Object.keys(nfs3Procedures) as Nfs3ProcedureName[];
    this.#entries = names
      .toSorted((a, b) => nfs3Procedures[a].number - nfs3Procedures[b].number)
      .map((name) => ({ name, procedure: table[name] }));
    this.#calls = new Float64Array(this.#entries.length);
  }

  /** Calls so far by procedure, those without any left out. */
  requests(): Readonly<Record<string, number>> {
    const requests: Record<string, number> = {};
    this.#entries.forEach((entry, number) => {
      const count = this.#calls[number] ?? 0;
      if (count > 0) requests[entry.name] = count;
    });
    return requests;
  }

  hasProcedure(procedure: number): boolean {
    return procedure < this.#entries.length;
  }

  isDuplicateChecked(procedure: number): boolean {
    return this.#entries[procedure]?.procedure.isDuplicateChecked ?? false;
  }

  isTransient(firstResultWord: number): boolean {
    return firstResultWord === Nfsstat3.JUKEBOX;
  }

  serve(call: RpcCall, out: XdrWriter): undefined | BulkResults | Promise<LateResults> {
    const number = call.procedure;
    const entry = this.#entries[number];
    if (entry === undefined) throw new XdrError(`There is no procedure ${number}`);
    this.#calls[number] = (this.#calls[number] ?? 0) + 1;
    const { name, procedure } = entry;
    const objects = this.#objects;
    objects.first = 0;
    objects.second = 0;
    const resultsOffset = out.position - out.origin;
    try {
      const outcome = procedure.run(call, out, objects);
      if (!(outcome instanceof Promise)) return outcome;
      const { first, second } = objects;
      return outcome.catch(
        (error: unknown) => (late: XdrWriter) =>
          this.#writeFailure(late, name, procedure.failureArm, error, first, second),
      );
    } catch (error) {
      if (error instanceof XdrError) throw error;
      // Counted from the origin: a listing may have moved the reply to a larger slab.
      out.position = out.origin + resultsOffset;
      this.#writeFailure(out, name, procedure.failureArm, error, objects.first, objects.second);
      return undefined;
    }
  }

  #writeFailure(
    out: XdrWriter,
    name: Nfs3ProcedureName,
    arm: FailureArm,
    error: unknown,
    first: number,
    second: number,
  ): void {
    const context = this.#context;
    out.uint32(settleFailure(context, name, error, first));
    switch (arm) {
      case 'nothing':
        break;
      case 'attributes':
        writePostOpAttr(context, out, first);
        break;
      case 'wcc':
        writeWccAfter(context, out, first);
        break;
      case 'wcc and wcc':
        writeWccAfter(context, out, first);
        writeWccAfter(context, out, second);
        break;
      case 'attributes and wcc':
        writePostOpAttr(context, out, first);
        writeWccAfter(context, out, second);
        break;
    }
  }
}
