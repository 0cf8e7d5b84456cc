// File handles: a magic word with a version, the source's generation, the inode number and a MAC, 36 bytes. They name inodes,
// never paths, and need no table: whoever has the key and the generation can check one, in another process and after a
// restart. Verified ones are kept by inode in a bounded table, since a MAC costs more than a whole GETATTR.

import { createHmac, createSecretKey, type KeyObject } from 'node:crypto';
import { viewOf, type XdrReader, type XdrWriter } from './xdr-cursor.ts';
import { NFS3_FHSIZE } from './nfs3-schema.ts';
import { Nfsstat3, NfsStatusError } from './nfs3-status.ts';

/** "HDh" and the version of the layout. */
const MAGIC = 0x48446801;
const MAC_OFFSET = 20;
const MAC_BYTES = 16;
const FILE_HANDLE_BYTES = MAC_OFFSET + MAC_BYTES;
const TWO_32 = 0x1_0000_0000;

const FIRST_SLOTS = 4096;
/** 6 MiB; covers folders of some 100,000 entries. */
const MAX_SLOTS = 262_144;
/** Inode (2 words) and MAC (4 words). */
const SLOT_WORDS = 6;

export class FileHandles {
  /** Not the plain bytes: Node would make a key object of them for every MAC, at six times the cost. */
  readonly #key: KeyObject;
  /** The generation as two words: also the file system's id. */
  readonly generationHigh: number;
  readonly generationLow: number;
  /** Magic, generation and inode of the handle whose MAC is computed. */
  readonly #signed = Buffer.alloc(MAC_OFFSET);
  readonly #signedView = viewOf(this.#signed);
  /** Direct-mapped: the slot of an inode is its number modulo the number of slots. */
  #slots = new Uint32Array(FIRST_SLOTS * SLOT_WORDS);
  #slotMask = FIRST_SLOTS - 1;
  #used = 0;

  /** `key`: 32 bytes that outlive restarts. `generation`: 8 bytes that differ between sources. */
  constructor(key: Uint8Array, generation: Uint8Array) {
    if (key.length !== 32) throw new RangeError(`The key of file handles has 32 bytes, not ${key.length}`);
    if (generation.length !== 8) throw new RangeError(`A generation has 8 bytes, not ${generation.length}`);
    this.#key = createSecretKey(key);
    const view = viewOf(generation);
    this.generationHigh = view.getUint32(0);
    this.generationLow = view.getUint32(4);
    this.#signedView.setUint32(0, MAGIC);
    this.#signedView.setUint32(4, this.generationHigh);
    this.#signedView.setUint32(8, this.generationLow);
  }

  /** Reads an nfs_fh3 and returns the inode number; whether the inode exists is not looked at. */
  read(reader: XdrReader): number {
    const length = reader.length(NFS3_FHSIZE);
    return this.#verify(reader.view, reader.skip(length), length);
  }

  /** The same for a handle that was decoded by schema. */
  inodeOf(handle: Uint8Array): number {
    return this.#verify(viewOf(handle), 0, handle.length);
  }

  /** Writes an nfs_fh3 with its length. */
  write(out: XdrWriter, ino: number): void {
    const slot = this.#slotOf(ino);
    const slots = this.#slots;
    const { view } = out;
    const at = out.position;
    view.setUint32(at, FILE_HANDLE_BYTES);
    view.setUint32(at + 4, MAGIC);
    view.setUint32(at + 8, this.generationHigh);
    view.setUint32(at + 12, this.generationLow);
    view.setUint32(at + 16, slots[slot] ?? 0);
    view.setUint32(at + 20, slots[slot + 1] ?? 0);
    view.setUint32(at + 24, slots[slot + 2] ?? 0);
    view.setUint32(at + 28, slots[slot + 3] ?? 0);
    view.setUint32(at + 32, slots[slot + 4] ?? 0);
    view.setUint32(at + 36, slots[slot + 5] ?? 0);
    out.position = at + 4 + FILE_HANDLE_BYTES;
  }

  #verify(view: DataView, at: number, length: number): number {
    if (length !== FILE_HANDLE_BYTES || view.getUint32(at) !== MAGIC) throw badHandle();
    if (view.getUint32(at + 4) !== this.generationHigh || view.getUint32(at + 8) !== this.generationLow) {
      throw new NfsStatusError(Nfsstat3.STALE, 'A file handle of another source');
    }
    const high = view.getUint32(at + 12);
    const ino = high * TWO_32 + view.getUint32(at + 16);
    if (ino === 0 || ino > Number.MAX_SAFE_INTEGER) throw badHandle();
    const slot = this.#slotOf(ino);
    const slots = this.#slots;
    // All words are compared, so that the time does not tell how many were right.
    const difference =
      ((slots[slot + 2] ?? 0) ^ view.getUint32(at + MAC_OFFSET)) |
      ((slots[slot + 3] ?? 0) ^ view.getUint32(at + MAC_OFFSET + 4)) |
      ((slots[slot + 4] ?? 0) ^ view.getUint32(at + MAC_OFFSET + 8)) |
      ((slots[slot + 5] ?? 0) ^ view.getUint32(at + MAC_OFFSET + 12));
    if (difference !== 0) throw badHandle();
    return ino;
  }

  /** Index of the first word of the inode's slot, filled. */
  #slotOf(ino: number): number {
    const low = ino >>> 0;
    const high = Math.floor(ino / TWO_32);
    const slot = (low & this.#slotMask) * SLOT_WORDS;
    const slots = this.#slots;
    if (slots[slot + 1] === low && slots[slot] === high && (low !== 0 || high !== 0)) return slot;
    return this.#fill(low, high);
  }

  #fill(low: number, high: number): number {
    const slotCount = this.#slotMask + 1;
    if (this.#used * 2 >= slotCount && slotCount < MAX_SLOTS) this.#grow(slotCount * 2);
    const mac = this.#mac(low, high);
    const slot = (low & this.#slotMask) * SLOT_WORDS;
    const slots = this.#slots;
    if (slots[slot] === 0 && slots[slot + 1] === 0) this.#used += 1;
    slots[slot] = high;
    slots[slot + 1] = low;
    for (let word = 0; word < 4; word += 1) slots[slot + 2 + word] = mac.readUInt32BE(word * 4);
    return slot;
  }

  #grow(slotCount: number): void {
    const old = this.#slots;
    this.#slots = new Uint32Array(slotCount * SLOT_WORDS);
    this.#slotMask = slotCount - 1;
    for (let from = 0; from < old.length; from += SLOT_WORDS) {
      const to = ((old[from + 1] ?? 0) & this.#slotMask) * SLOT_WORDS;
      this.#slots.set(old.subarray(from, from + SLOT_WORDS), to);
    }
  }

  #mac(low: number, high: number): Buffer {
    this.#signedView.setUint32(12, high);
    this.#signedView.setUint32(16, low);
    return createHmac('sha256', this.#key).update(this.#signed).digest();
  }
}

function badHandle(): NfsStatusError {
  return new NfsStatusError(Nfsstat3.BADHANDLE, 'Not a file handle of this server');
}
