// The memory that downloaded chunks are decoded into: a bounded number of shared blocks, made as they are needed. What is handed
// out comes back when the engine has stored it, so that a slow disk slows the network. Used in `download-worker.ts`.

/** Holds several of the largest chunks; also about what one message should be worth. */
export const blockBytes = 512 * 1024;
/** 12 MiB a thread: more than the downloads under way at once can have in hand. */
const blockLimit = 24;

export interface DecodeBlock {
  readonly number: number;
  readonly memory: Uint8Array;
  /** Bytes up to here are used. */
  filled: number;
  /** Handed out and not freed. */
  heldBytes: number;
  /** A download goes on filling it. */
  isOpen: boolean;
}

export class DecodeBlocks {
  readonly #blocks: DecodeBlock[] = [];
  readonly #free: DecodeBlock[] = [];
  readonly #announce: (block: number, memory: SharedArrayBuffer) => void;
  readonly #waiting = new Set<() => void>();

  /** `announce` is told of every block made. */
  constructor(announce: (block: number, memory: SharedArrayBuffer) => void) {
    this.#announce = announce;
  }

  /** An open, empty block. Null where all are in use: then `again` is called once when one is free. */
  take(again: () => void): DecodeBlock | null {
    const block = this.#free.pop() ?? this.#make();
    if (block === null) {
      this.#waiting.add(again);
      return null;
    }
    block.isOpen = true;
    block.filled = 0;
    return block;
  }

  /** The download fills another one. */
  close(block: DecodeBlock): void {
    block.isOpen = false;
    this.#settle(block);
  }

  freed(number: number, bytes: number): void {
    const block = this.#blocks[number];
    if (block === undefined) return;
    block.heldBytes -= bytes;
    this.#settle(block);
  }

  forget(again: () => void): void {
    this.#waiting.delete(again);
  }

  #settle(block: DecodeBlock): void {
    if (block.isOpen || block.heldBytes > 0) return;
    this.#free.push(block);
    const [next] = this.#waiting;
    if (next === undefined) return;
    this.#waiting.delete(next);
    next();
  }

  #make(): DecodeBlock | null {
    if (this.#blocks.length === blockLimit) return null;
    const memory = new SharedArrayBuffer(blockBytes);
    const block = {
      number: this.#blocks.length,
      memory: new Uint8Array(memory),
      filled: 0,
      heldBytes: 0,
      isOpen: false,
    };
    this.#blocks.push(block);
    this.#announce(block.number, memory);
    return block;
  }
}
