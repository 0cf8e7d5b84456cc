// READDIR and READDIRPLUS (RFC 1813 3.3.16, 3.3.17). Entries are written straight into the reply until the next would exceed
// the client's limit on the whole encoded result. The verifier is echoed and a cookie is never refused: macOS takes BAD_COOKIE
// for the end of the listing (nfs_vnops.c of its NFS kext).

import { writeAttributes, writePostOpAttr, POST_OP_ATTR_BYTES } from './nfs3-attributes.ts';
import type { Nfs3Context, Nfs3Procedure } from './nfs3-context.ts';

import { MAX_NAME_BYTES } from './nfs3-names.ts';
import { NFS3_COOKIEVERFSIZE } from './nfs3-schema.ts';
import { NfsStatusError, Nfsstat3 } from './nfs3-status.ts';
import type { LateResults } from './rpc-program.ts';
import { XdrWriter, type XdrReader } from './xdr-cursor.ts';

/** What one reply slab holds, whatever the client would take. */
const MAX_LISTING_BYTES = 1024 * 1024;
/** A listing that waits for the Hub is kept outside of the slabs; many may wait. */
const MAX_WAITING_LISTING_BYTES = 64 * 1024;
/** Status, attributes of the folder, verifier. */
const HEAD_BYTES = 4 + POST_OP_ATTR_BYTES + NFS3_COOKIEVERFSIZE;
/** End of the list, eof. */
const TAIL_BYTES = 8;
/** An entry is written before it is measured. */
const OVERSHOOT_BYTES = 2048;
const DOT_COOKIE = 1;
const DOT_DOT_COOKIE = 2;

class Listing {
  readonly #context: Nfs3Context;
  readonly #directory: number;
  readonly #isPlus: boolean;
  #out: XdrWriter;
  #start: number;
  /** Where the tail must begin at the latest. */
  #entriesEnd: number;
  #entries = 0;

  constructor(
    context: Nfs3Context,
    out: XdrWriter,
    directory: number,
    isPlus: boolean,
    maximumBytes: number,
  ) {
    const bytes = Math.min(maximumBytes, MAX_LISTING_BYTES);
    if (bytes < HEAD_BYTES + TAIL_BYTES)
      throw new NfsStatusError(Nfsstat3.TOOSMALL, 'No room for an empty listing');
    this.#context = context;
    this.#directory = directory;
    this.#isPlus = isPlus;
    out.ensure(bytes + OVERSHOOT_BYTES);
    this.#out = out;
    this.#start = out.position;
    this.#entriesEnd = out.position + bytes - TAIL_BYTES;
  }

  writeHead(verifier: readonly [number, number]): void {
    this.#out.uint32(Nfsstat3.OK);
    writeAttributes(this.#context, this.#out, this.#context.fileSystem.getAttributes(this.#directory));
    this.#out.uint32(verifier[0]);
    this.#out.uint32(verifier[1]);
  }

  /** False when the entry does not fit any more. */
  readonly add = (name: string, ino: number, cookie: number): boolean => {
    // No client could take such a name, and one wrong entry would spoil the whole page.
    if (name.length > MAX_NAME_BYTES) return true;
    const out = this.#out;
    const start = out.position;
    out.uint32(1);
    out.uint64(ino);
    out.string(name);
    return this.#finishEntry(start, ino, cookie);
  };

  /** The same with a name in UTF-8. */
  readonly addRaw = (bytes: Uint8Array, from: number, to: number, ino: number, cookie: number): boolean => {
    const length = to - from;
    if (length > MAX_NAME_BYTES) return true;
    const out = this.#out;
    const start = out.position;
    out.uint32(1);
    out.uint64(ino);
    out.uint32(length);
    const target = out.bytes;
    const at = out.position;
    // A loop: a copy by subarray and set costs more than most names are long.
    for (let index = 0; index < length; index += 1) target[at + index] = bytes[from + index] ?? 0;
    out.pad(length);
    return this.#finishEntry(start, ino, cookie);
  };

  #finishEntry(start: number, ino: number, cookie: number): boolean {
    const out = this.#out;
    out.uint64(cookie);
    if (this.#isPlus) {
      writePostOpAttr(this.#context, out, ino);
      out.uint32(1);
      this.#context.handles.write(out, ino);
    }
    if (out.position <= this.#entriesEnd) {
      this.#entries += 1;
      return true;
    }
    out.position = start;
    return false;
  }

  /** The folder must be listed by the Hub first: goes on in a buffer of its own. */
  moveOut(): void {
    const written = this.#out.bytes.subarray(this.#start, this.#out.position);
    const roomBytes = this.#entriesEnd + TAIL_BYTES - this.#start;
    const bytes = Math.max(Math.min(roomBytes, MAX_WAITING_LISTING_BYTES), written.length + TAIL_BYTES);
    const out = new XdrWriter(Buffer.allocUnsafe(bytes + OVERSHOOT_BYTES));
    out.bytes.set(written);
    out.position = written.length;
    this.#out = out;
    this.#start = 0;
    this.#entriesEnd = bytes - TAIL_BYTES;
  }

  /** `isComplete`: no entry is left after those taken. */
  finish(isComplete: boolean): void {
    // An empty page that is not the end makes macOS ask for ever.
    if (this.#entries === 0 && !isComplete) throw new NfsStatusError(Nfsstat3.TOOSMALL, 'Not one entry fits');
    this.#out.uint32(0);
    this.#out.bool(isComplete);
  }

  /** After `moveOut` and `finish`. */
  readonly copyTo: LateResults = (out) => {
    const results = this.#out.bytes.subarray(0, this.#out.position);
    out.ensure(results.length);
    out.bytes.set(results, out.position);
    out.position += results.length;
  };
}

export function listingProcedures(context: Nfs3Context) {
  const { fileSystem, handles } = context;

  const list = (
    out: XdrWriter,
    directory: number,
    cookie: number,
    verifier: readonly [number, number],
    isPlus: boolean,
    maximumBytes: number,
  ): undefined | Promise<LateResults> => {
    if (fileSystem.getAttributes(directory).type !== 'directory') {
      throw new NfsStatusError(Nfsstat3.NOTDIR, 'It is no folder');
    }
    const listing = new Listing(context, out, directory, isPlus, maximumBytes);
    listing.writeHead(verifier);
    const hasDots =
      (cookie >= DOT_COOKIE || listing.add('.', directory, DOT_COOKIE)) &&
      (cookie >= DOT_DOT_COOKIE || listing.add('..', fileSystem.parentOf(directory), DOT_DOT_COOKIE));
    if (!hasDots) {
      listing.finish(false);
      return undefined;
    }
    const visit = Object.assign((name: string, ino: number, at: number) => listing.add(name, ino, at), {
      raw: listing.addRaw,
    });
    const isComplete = fileSystem.readDirectory(directory, Math.max(cookie, DOT_DOT_COOKIE), visit);
    if (!(isComplete instanceof Promise)) {
      listing.finish(isComplete);
      return undefined;
    }
    listing.moveOut();
    return isComplete.then((late) => {
      listing.finish(late);
      return listing.copyTo;
    });
  };

  const READDIR: Nfs3Procedure = {
    failureArm: 'attributes',
    run(call, out, objects) {
      const { reader } = call;
      const directory = handles.read(reader);
      objects.first = directory;
      const cookie = reader.uint64();
      const verifier = readVerifier(reader);
      const count = reader.uint32();
      reader.finish();
      return list(out, directory, cookie, verifier, false, count);
    },
  };

  const READDIRPLUS: Nfs3Procedure = {
    failureArm: 'attributes',
    run(call, out, objects) {
      const { reader } = call;
      const directory = handles.read(reader);
      objects.first = directory;
      const cookie = reader.uint64();
      const verifier = readVerifier(reader);
      // dircount is a hint about the names alone; knfsd ignores it too.
      reader.uint32();
      const maxcount = reader.uint32();
      reader.finish();
      return list(out, directory, cookie, verifier, true, maxcount);
    },
  };

  return { READDIR, READDIRPLUS };
}

function readVerifier(reader: XdrReader): readonly [number, number] {
  return [reader.uint32(), reader.uint32()];
}
