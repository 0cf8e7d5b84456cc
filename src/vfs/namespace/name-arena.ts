// Names of directory entries as UTF-8 in large blocks (a JavaScript string of 30 characters costs 50 bytes and a pointer
// that the garbage collector follows), and the folding under which look-ups find them. Used by the inode index.

const blockBytes = 65_536;
const longestNameBytes = 255;

export class NameArena {
  readonly #blocks: Buffer[] = [];
  #used = blockBytes;
  /** Places of released names by length, for reuse: churn must not grow the arena. */
  readonly #free: number[][] = Array.from({ length: longestNameBytes + 1 }, () => []);

  /** Stores a name of 0…255 bytes. Returns where; the caller keeps the length. */
  add(name: string, lengthBytes: number): number {
    const reused = this.#free[lengthBytes]?.pop();
    if (reused !== undefined) {
      this.#write(reused, name, lengthBytes);
      return reused;
    }
    if (this.#used + lengthBytes > blockBytes) {
      this.#blocks.push(Buffer.allocUnsafeSlow(blockBytes));
      this.#used = 0;
    }
    const at = (this.#blocks.length - 1) * blockBytes + this.#used;
    this.#used += lengthBytes;
    this.#write(at, name, lengthBytes);
    return at;
  }

  #write(at: number, name: string, lengthBytes: number): void {
    this.blockOf(at).write(name, at % blockBytes, lengthBytes, 'utf8');
  }

  release(at: number, lengthBytes: number): void {
    this.#free[lengthBytes]?.push(at);
  }

  /** `ascii` names decode faster. */
  read(at: number, lengthBytes: number, ascii: boolean): string {
    const block = this.blockOf(at);
    const start = at % blockBytes;
    return block.toString(ascii ? 'latin1' : 'utf8', start, start + lengthBytes);
  }

  /** Whether the ASCII name stored here is exactly `name`, which is ASCII and has the same length. */
  equalsAscii(at: number, name: string): boolean {
    const block = this.blockOf(at);
    const start = at % blockBytes;
    for (let index = 0; index < name.length; index += 1) {
      if (block[start + index] !== name.charCodeAt(index)) return false;
    }
    return true;
  }

  /** Where in its block a name starts. */
  startOf(at: number): number {
    return at % blockBytes;
  }

  /** The block that holds a name; not to be changed. */
  blockOf(at: number): Buffer {
    const block = this.#blocks[Math.floor(at / blockBytes)];
    if (block === undefined) throw new RangeError(`no name at ${at}`);
    return block;
  }
}

export function isAscii(name: string): boolean {
  for (let index = 0; index < name.length; index += 1) if (name.charCodeAt(index) > 0x7f) return false;
  return true;
}

/** Equal for names that differ only in Unicode normalisation or case. */
export function foldName(name: string): string {
  return name.normalize('NFC').toLowerCase().normalize('NFC');
}

/** Unsigned 32-bit hash of the folded name inside one directory. */
export function hashName(directory: number, name: string): number {
  let hash = (0x811c9dc5 ^ Math.imul(directory, 0x9e3779b1)) >>> 0;
  for (let index = 0; index < name.length; index += 1) {
    let code = name.charCodeAt(index);
    if (code > 0x7f) return hashFolded(directory, foldName(name));
    if (code >= 0x41 && code <= 0x5a) code += 0x20;
    hash = Math.imul(hash ^ code, 0x01000193);
  }
  return finish(hash);
}

function hashFolded(directory: number, folded: string): number {
  let hash = (0x811c9dc5 ^ Math.imul(directory, 0x9e3779b1)) >>> 0;
  for (let index = 0; index < folded.length; index += 1) {
    hash = Math.imul(hash ^ folded.charCodeAt(index), 0x01000193);
  }
  return finish(hash);
}

/** Spreads the low bits of FNV to the high ones, which choose the shard. */
function finish(hash: number): number {
  let mixed = hash ^ (hash >>> 16);
  mixed = Math.imul(mixed, 0x85ebca6b);
  mixed ^= mixed >>> 13;
  mixed = Math.imul(mixed, 0xc2b2ae35);
  return (mixed ^ (mixed >>> 16)) >>> 0;
}

/** Unsigned 32-bit hash of a safe integer. */
export function hashNumber(value: number): number {
  return finish(Math.imul(value >>> 0, 0x9e3779b1) ^ Math.floor(value / 4_294_967_296));
}
