// The MOUNT version 3 program (RFC 1813 section 5). MNT hands out the root only for the one secret path and only while the
// app has the window open, since the path can be seen in the mount table afterwards. DUMP and EXPORT tell nothing.

import { hash, timingSafeEqual } from 'node:crypto';
import type { Clock, Log } from '../shared/log.ts';
import type { FileHandles } from './file-handle.ts';
import { MNTPATHLEN, MOUNT_PROGRAM, MOUNT_V3, mountstat3 } from './mount3-schema.ts';
import { AuthFlavor, type RpcCall } from './rpc-message.ts';
import type { RpcProgram } from './rpc-program.ts';
import type { XdrWriter } from './xdr-cursor.ts';

const Procedure = { NULL: 0, MNT: 1, DUMP: 2, UMNT: 3, UMNTALL: 4, EXPORT: 5 } as const;
const PROCEDURE_COUNT = 6;
/** Wrong paths in a row that are looked at, and how fast the allowance comes back. */
const MAX_WRONG_PATHS = 32;
const WRONG_PATH_RETURNS_MS = 200;

export interface Mount3Options {
  readonly handles: FileHandles;
  readonly rootIno: number;
  /** With its leading slash. */
  readonly exportPath: string;
  readonly clock: Clock;
  readonly log: Log;
}

export class Mount3Program implements RpcProgram {
  readonly number = MOUNT_PROGRAM;
  readonly version = MOUNT_V3;
  readonly #options: Mount3Options;
  readonly #exportPathHash: Buffer;
  #isWindowOpen = false;
  #wrongPaths = 0;
  #wrongPathsAt = 0;
  mounts = 0;
  refusedMounts = 0;

  constructor(options: Mount3Options) {
    this.#options = options;
    this.#exportPathHash = hash('sha256', options.exportPath, 'buffer');
  }

  openWindow(): void {
    this.#isWindowOpen = true;
  }

  closeWindow(): void {
    this.#isWindowOpen = false;
  }

  hasProcedure(procedure: number): boolean {
    return procedure < PROCEDURE_COUNT;
  }

  isDuplicateChecked(): boolean {
    return false;
  }

  isTransient(): boolean {
    return false;
  }

  serve(call: RpcCall, out: XdrWriter): undefined {
    const { reader } = call;
    switch (call.procedure) {
      case Procedure.MNT: {
        const path = reader.opaque(MNTPATHLEN);
        reader.finish();
        this.#mount(path, out);
        return undefined;
      }
      case Procedure.UMNT:
        // Advisory: who unmounted is seen in the mount table.
        reader.opaque(MNTPATHLEN);
        break;
      case Procedure.DUMP:
      case Procedure.EXPORT:
        out.bool(false);
        break;
      default:
        break;
    }
    reader.finish();
    return undefined;
  }

  #mount(path: Uint8Array, out: XdrWriter): void {
    const { handles, log, rootIno } = this.#options;
    if (!this.#isAllowed(path)) {
      this.refusedMounts += 1;
      log.warn('Refused a MNT call', { window: this.#isWindowOpen ? 'open' : 'closed' });
      out.uint32(mountstat3.MNT3ERR_ACCES);
      return;
    }
    this.mounts += 1;
    out.uint32(mountstat3.MNT3_OK);
    handles.write(out, rootIno);
    // AUTH_SYS must be in the list: BSD clients refuse one of AUTH_NONE alone.
    out.uint32(1);
    out.uint32(AuthFlavor.AUTH_SYS);
  }

  #isAllowed(path: Uint8Array): boolean {
    const { clock } = this.#options;
    const now = clock.monotonic();
    this.#wrongPaths = Math.max(0, this.#wrongPaths - (now - this.#wrongPathsAt) / WRONG_PATH_RETURNS_MS);
    this.#wrongPathsAt = now;
    if (!this.#isWindowOpen || this.#wrongPaths >= MAX_WRONG_PATHS) return false;
    // Hashes have one length, so that neither it nor a common beginning shows in the time.
    if (timingSafeEqual(hash('sha256', path, 'buffer'), this.#exportPathHash)) return true;
    this.#wrongPaths += 1;
    return false;
  }
}
