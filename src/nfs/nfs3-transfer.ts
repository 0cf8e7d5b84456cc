// READ, WRITE and COMMIT (RFC 1813 3.3.6, 3.3.7, 3.3.21). READ data lands in the reply's own slab. WRITE is in local staging
// before its reply, on disk when it asked for that; COMMIT is on disk. The verifier tells a client to send its data again.

import { FsError } from '../vfs/fs-error.ts';
import type { Attributes, Change, MaybePromise } from '../vfs/file-system.ts';
import {
  POST_OP_ATTR_BYTES,
  writeAttributes,
  writePostOpAttr,
  writeWcc,
  writeWccAfter,
} from './nfs3-attributes.ts';
import { refuseUnlessFile, type Nfs3Context, type Nfs3Procedure } from './nfs3-context.ts';
import { MAX_TRANSFER_BYTES, stable_how } from './nfs3-schema.ts';
import { NfsStatusError, Nfsstat3 } from './nfs3-status.ts';
import type { BulkResults } from './rpc-program.ts';
import { XdrError, type XdrWriter } from './xdr-cursor.ts';

/** Status, post_op_attr, count, eof, length of the data. */
const READ_HEAD_BYTES = 4 + POST_OP_ATTR_BYTES + 12;

/** Writes a failed READ's results. */
export type WriteReadFailure = (out: XdrWriter, error: unknown, ino: number) => void;

class ReadResults implements BulkResults {
  readonly headBytes = READ_HEAD_BYTES;
  readonly maximumDataBytes: number;
  readonly #context: Nfs3Context;
  readonly #ino: number;
  readonly #offset: number;
  readonly #writeFailure: WriteReadFailure;
  #startedAt = 0;
  #bytesRead = 0;
  #isEof = false;
  #error: unknown = null;

  constructor(
    context: Nfs3Context,
    ino: number,
    offset: number,
    count: number,
    writeFailure: WriteReadFailure,
  ) {
    this.#context = context;
    this.#ino = ino;
    this.#offset = offset;
    this.maximumDataBytes = count;
    this.#writeFailure = writeFailure;
  }

  fill(target: Uint8Array, isAlone: boolean): MaybePromise<void> {
    const { fileSystem, clock } = this.#context;
    this.#startedAt = clock.monotonic();
    try {
      const result = fileSystem.read(this.#ino, this.#offset, target, isAlone);
      if (result instanceof Promise) {
        return result.then(
          (late) => this.#take(late),
          (error: unknown) => this.#fail(error),
        );
      }
      this.#take(result);
    } catch (error) {
      this.#fail(error);
    }
    return undefined;
  }

  writeHead(out: XdrWriter): number {
    if (this.#error !== null) {
      this.#writeFailure(out, this.#error, this.#ino);
      return -1;
    }
    const { activity, clock } = this.#context;
    out.uint32(Nfsstat3.OK);
    const headEnd = out.position + POST_OP_ATTR_BYTES;
    // Asked for when the data is there: other calls may have been served since this one came.
    writePostOpAttr(this.#context, out, this.#ino);
    if (out.position !== headEnd) {
      // Removed while it was read: the data stands where it would with attributes, so there must be attributes.
      out.position -= 8;
      this.#writeFailure(out, new FsError('ESTALE', 'read'), this.#ino);
      return -1;
    }
    out.uint32(this.#bytesRead);
    out.bool(this.#isEof);
    out.uint32(this.#bytesRead);
    activity.recordInode(
      'READ',
      this.#ino,
      this.#offset,
      this.#bytesRead,
      clock.monotonic() - this.#startedAt,
    );
    return this.#bytesRead;
  }

  #take(result: { readonly bytesRead: number; readonly eof: boolean }): void {
    this.#bytesRead = result.bytesRead;
    this.#isEof = result.eof;
  }

  #fail(error: unknown): void {
    this.#error = error ?? new Error('The file system failed without a cause');
  }
}

export function transferProcedures(context: Nfs3Context, writeReadFailure: WriteReadFailure) {
  const { fileSystem, handles, activity, clock } = context;

  const READ: Nfs3Procedure = {
    failureArm: 'attributes',
    run(call, out, objects) {
      const { reader } = call;
      const ino = handles.read(reader);
      objects.first = ino;
      const offset = reader.uint64();
      const count = reader.uint32();
      reader.finish();
      const attributes = fileSystem.getAttributes(ino);
      refuseUnlessFile(attributes.type);
      const available = Math.max(0, attributes.sizeBytes - offset);
      const wanted = Math.min(count, MAX_TRANSFER_BYTES, available);
      // A small file needs no large slab however much is asked for.
      if (wanted > 0) return new ReadResults(context, ino, offset, wanted, writeReadFailure);
      out.uint32(Nfsstat3.OK);
      writeAttributes(context, out, attributes);
      out.uint32(0);
      out.bool(available === 0);
      out.uint32(0);
      return undefined;
    },
  };

  const WRITE: Nfs3Procedure = {
    failureArm: 'wcc',
    run(call, out, objects) {
      const { reader } = call;
      const ino = handles.read(reader);
      objects.first = ino;
      const offset = reader.uint64();
      const count = reader.uint32();
      const stable = reader.uint32();
      if (stable > stable_how.FILE_SYNC) throw new XdrError(`${stable} is no stable_how`);
      const length = reader.length(MAX_TRANSFER_BYTES);
      const start = reader.skip(length);
      reader.finish();
      if (count > length) throw new NfsStatusError(Nfsstat3.INVAL, 'The count is more than the data');
      if (offset + count > Number.MAX_SAFE_INTEGER)
        throw new NfsStatusError(Nfsstat3.FBIG, 'The offset is too large');
      // Taken before the write: should the verifier change meanwhile, the client sends its data again.
      const verifier = takeVerifier(context);
      if (count === 0) {
        writeNothingWritten(context, out, ino, verifier);
        return undefined;
      }
      const startedAt = clock.monotonic();
      const change = fileSystem.write(ino, offset, reader.bytes.subarray(start, start + count));
      if (stable === stable_how.UNSTABLE && !(change instanceof Promise)) {
        activity.recordInode('WRITE', ino, offset, count, clock.monotonic() - startedAt);
        writeWritten(context, out, change, count, stable_how.UNSTABLE, verifier);
        return undefined;
      }
      const isStable = stable !== stable_how.UNSTABLE;
      return writeLater(context, { ino, offset, count, isStable, startedAt, verifier }, change);
    },
  };

  const COMMIT: Nfs3Procedure = {
    failureArm: 'wcc',
    run(call, _out, objects) {
      const { reader } = call;
      const ino = handles.read(reader);
      objects.first = ino;
      // The range does not matter: both kernels send 0, 0 and a file is synced as a whole.
      reader.uint64();
      reader.uint32();
      reader.finish();
      return commit(context, ino).then(() => (out) => {
        out.uint32(Nfsstat3.OK);
        writeWccAfter(context, out, ino);
        writeVerifier(out, takeVerifier(context));
      });
    },
  };

  return { READ, WRITE, COMMIT };
}

interface PendingWrite {
  readonly ino: number;
  readonly offset: number;
  readonly count: number;
  readonly isStable: boolean;
  readonly startedAt: number;
  readonly verifier: Verifier;
}

async function writeLater(
  context: Nfs3Context,
  pending: PendingWrite,
  writing: MaybePromise<Change>,
): Promise<(out: XdrWriter) => void> {
  const { ino, offset, count, isStable, startedAt, verifier } = pending;
  const written = await writing;
  context.activity.recordInode('WRITE', ino, offset, count, context.clock.monotonic() - startedAt);
  if (!isStable) return (out) => writeWritten(context, out, written, count, stable_how.UNSTABLE, verifier);
  const after = await commit(context, ino);
  const change = { before: written.before, after };
  return (out) => writeWritten(context, out, change, count, stable_how.FILE_SYNC, verifier);
}

/**
 * A sync that fails has changed the verifier, so the client can still save its data by sending it again; an error would make
 * it throw the data away. JUKEBOX makes it ask again and see the new verifier.
 */
async function commit(context: Nfs3Context, ino: number): Promise<Attributes> {
  const { fileSystem, activity, clock, log } = context;
  const startedAt = clock.monotonic();
  const before = takeVerifier(context);
  try {
    const attributes = await fileSystem.commit(ino);
    activity.recordInode('COMMIT', ino, 0, 0, clock.monotonic() - startedAt);
    return attributes;
  } catch (error) {
    const after = takeVerifier(context);
    const isResent = before[0] !== after[0] || before[1] !== after[1];
    if (!isResent || !(error instanceof FsError) || error.code !== 'EIO') throw error;
    log.error('Data could not be brought to disk; the client is asked to send it again', { ino }, error);
    activity.recordInode('ERROR', ino, 0, 0, clock.monotonic() - startedAt, 'COMMIT: IO');
    throw new FsError('EAGAIN', 'commit', { cause: error });
  }
}

type Verifier = readonly [number, number];

/** The file system's 8 bytes as two words: they belong to it and may change. */
function takeVerifier(context: Nfs3Context): Verifier {
  const bytes = context.fileSystem.writeVerifier();
  return [wordAt(bytes, 0), wordAt(bytes, 4)];
}

function wordAt(bytes: Uint8Array, at: number): number {
  return (
    (((bytes[at] ?? 0) << 24) |
      ((bytes[at + 1] ?? 0) << 16) |
      ((bytes[at + 2] ?? 0) << 8) |
      (bytes[at + 3] ?? 0)) >>>
    0
  );
}

function writeVerifier(out: XdrWriter, verifier: Verifier): void {
  out.uint32(verifier[0]);
  out.uint32(verifier[1]);
}

function writeWritten(
  context: Nfs3Context,
  out: XdrWriter,
  change: Change,
  count: number,
  committed: number,
  verifier: Verifier,
): void {
  out.uint32(Nfsstat3.OK);
  writeWcc(context, out, change);
  out.uint32(count);
  out.uint32(committed);
  writeVerifier(out, verifier);
}

/** RFC 1813 3.3.7: a count of 0 succeeds and only checks. */
function writeNothingWritten(context: Nfs3Context, out: XdrWriter, ino: number, verifier: Verifier): void {
  const after = context.fileSystem.getAttributes(ino);
  refuseUnlessFile(after.type);
  writeWritten(context, out, { before: null, after }, 0, stable_how.FILE_SYNC, verifier);
}
