// Pooled reply slabs. Replies are gathered and READ data is read straight into them; a slab goes back when the socket
// has taken all its parts. Last in, first out, so that the warm one is used again. A fresh 1 MiB buffer per reply would cost
// 30 to 45 %.

import { viewOf } from './xdr-cursor.ts';

const SMALL_SLAB_BYTES = 64 * 1024;
/** Room for the largest reply (1 MiB READ or READDIR) behind its heads, and for small replies before it. */
const BIG_SLAB_BYTES = 1024 * 1024 + 16 * 1024;
const MAX_FREE_SMALL = 64;
const MAX_FREE_BIG = 16;

/** Counts its users: the connection that fills it, every part on its way to the socket, every read that still fills a part. */
export class Slab {
  readonly bytes: Buffer;
  readonly view: DataView;
  readonly #pool: SlabPool;
  #users = 0;

  constructor(pool: SlabPool, sizeBytes: number) {
    // Not zeroed: only bytes that were written are ever sent.
    this.bytes = Buffer.allocUnsafeSlow(sizeBytes);
    this.view = viewOf(this.bytes);
    this.#pool = pool;
  }

  get users(): number {
    return this.#users;
  }

  retain(): void {
    this.#users += 1;
  }

  release(): void {
    this.#users -= 1;
    if (this.#users === 0) this.#pool.giveBack(this);
  }
}

export class SlabPool {
  readonly #small: Slab[] = [];
  readonly #big: Slab[] = [];
  #usedBytes = 0;

  /** Bytes of all slabs that somebody holds. */
  get usedBytes(): number {
    return this.#usedBytes;
  }

  /** A slab with room for `bytes`, at most BIG_SLAB_BYTES, retained once for the caller. */
  take(bytes: number): Slab {
    if (bytes > BIG_SLAB_BYTES) throw new RangeError(`No slab holds ${bytes} bytes`);
    const isSmall = bytes <= SMALL_SLAB_BYTES;
    const free = isSmall ? this.#small : this.#big;
    const slab = free.pop() ?? new Slab(this, isSmall ? SMALL_SLAB_BYTES : BIG_SLAB_BYTES);
    this.#usedBytes += slab.bytes.length;
    slab.retain();
    return slab;
  }

  /** Called by the slab's last release only. */
  giveBack(slab: Slab): void {
    this.#usedBytes -= slab.bytes.length;
    const isSmall = slab.bytes.length === SMALL_SLAB_BYTES;
    const free = isSmall ? this.#small : this.#big;
    if (free.length < (isSmall ? MAX_FREE_SMALL : MAX_FREE_BIG)) free.push(slab);
  }
}
