// Open descriptors of staging and cache files: found through the file they belong to, pinned while an asynchronous call
// uses them, closed least-recently-used first when there are too many. A closed descriptor loses nothing: the next use
// opens the file again. A read-only descriptor met by a write is upgraded here; callers never see EBADF or EMFILE.

import { errnoOf } from './staging-disk.ts';
import type { StagingDisk } from './staging-disk.ts';

const defaultCapacity = 128;
/** Descriptors given up at once when the process or the system has none left. */
const emergencyCount = 16;
/** A descriptor that vanished is reopened at most this often for one call. */
const reopenLimit = 3;
/**
 * Bytes of one pwrite. ext4 keeps what one call wrote as one piece of its cache, and every later small write into the piece walks all its
 * blocks: random 4 KiB writes take 20 % less of the processor than over 1 MiB pieces.
 */
const mostWriteBytes = 256 * 1024;

interface Slot {
  readonly descriptor: number;
  readonly writable: boolean;
  pins: number;
  lastUse: number;
  usedAtMs: number;
  /** No longer its file's: closed when the last pin goes. */
  retired: boolean;
  file: PooledFile;
}

/** A file that may have an open descriptor. Its owner keeps it; the pool keeps the descriptor. */
export class PooledFile {
  path: string;
  /** Whether opening for writing may make the file. Ends with the first write: a file that vanished later must not come back empty. */
  create: boolean;
  slot: Slot | null = null;

  constructor(path: string, create: boolean) {
    this.path = path;
    this.create = create;
  }
}

export class HandlePool {
  readonly #disk: StagingDisk;
  readonly #capacity: number;
  readonly #nowMs: () => number;
  readonly #onOpen: () => void;
  readonly #slots = new Set<Slot>();
  #uses = 0;

  /** `nowMs` is monotonic and only used by `closeIdle`; `onOpen` is told of every descriptor opened. */
  constructor(
    disk: StagingDisk,
    options: { capacity?: number; nowMs?: () => number; onOpen?: () => void } = {},
  ) {
    this.#disk = disk;
    this.#capacity = options.capacity ?? defaultCapacity;
    this.#nowMs = options.nowMs ?? (() => 0);
    this.#onOpen = options.onOpen ?? (() => undefined);
  }

  get openCount(): number {
    return this.#slots.size;
  }

  /** Synchronous pread; fewer bytes only at the end of the file. */
  read(file: PooledFile, target: Uint8Array, targetOffset: number, length: number, position: number): number {
    for (let attempt = 1; ; attempt++) {
      const slot = this.#slotFor(file);
      try {
        let done = 0;
        while (done < length) {
          const bytes = this.#disk.read(
            slot.descriptor,
            target,
            targetOffset + done,
            length - done,
            position + done,
          );
          if (bytes === 0) break;
          done += bytes;
        }
        return done;
      } catch (error) {
        this.#recoverFrom(error, slot, attempt);
      }
    }
  }

  /** pread off this thread. The descriptor is chosen and pinned before the call returns. */
  async readLater(
    file: PooledFile,
    target: Uint8Array,
    targetOffset: number,
    length: number,
    position: number,
  ): Promise<number> {
    for (let attempt = 1; ; attempt++) {
      const slot = this.#slotFor(file);
      slot.pins += 1;
      try {
        let done = 0;
        while (done < length) {
          const bytes = await this.#disk.readLater(
            slot.descriptor,
            target,
            targetOffset + done,
            length - done,
            position + done,
          );
          if (bytes === 0) break;
          done += bytes;
        }
        return done;
      } catch (error) {
        this.#recoverFrom(error, slot, attempt);
      } finally {
        this.#unpin(slot);
      }
    }
  }

  /**
   * Synchronous pwrite of all of `data`. A new or upgraded descriptor becomes the file's only after this first write
   * succeeded; where another writer published one meanwhile, that one stays and ours is closed.
   */
  write(file: PooledFile, data: Uint8Array, position: number): void {
    for (let attempt = 1; ; attempt++) {
      const current = file.slot;
      const usable = current !== null && current.writable ? current : null;
      const slot = usable ?? this.#open(file, 'write');
      slot.pins += 1;
      try {
        let done = 0;
        while (done < data.length) {
          const length = Math.min(data.length - done, mostWriteBytes);
          done += this.#disk.write(slot.descriptor, data, done, length, position + done);
        }
        this.#touch(slot);
        file.create = false;
        if (usable === null) this.#publish(file, slot);
        return;
      } catch (error) {
        if (usable === null) slot.retired = true;
        this.#recoverFrom(error, slot, attempt);
      } finally {
        this.#unpin(slot);
      }
    }
  }

  /** pwrite of all of `data` off this thread; `data` is borrowed until it is done. */
  async writeLater(file: PooledFile, data: Uint8Array, position: number): Promise<void> {
    await this.withWritable(file, async (descriptor) => {
      let done = 0;
      while (done < data.length) {
        done += await this.#disk.writeLater(descriptor, data, done, data.length - done, position + done);
      }
    });
    file.create = false;
  }

  /** Runs `work` with a pinned descriptor that is open for writing. */
  async withWritable<T>(file: PooledFile, work: (descriptor: number) => Promise<T>): Promise<T> {
    for (let attempt = 1; ; attempt++) {
      let slot = file.slot;
      if (slot === null || !slot.writable) {
        slot = this.#open(file, 'write');
        this.#publish(file, slot);
      }
      this.#touch(slot);
      slot.pins += 1;
      try {
        return await work(slot.descriptor);
      } catch (error) {
        this.#recoverFrom(error, slot, attempt);
      } finally {
        this.#unpin(slot);
      }
    }
  }

  /** Gives up the descriptor of `file`, at once or when its last user is done. */
  release(file: PooledFile): void {
    if (file.slot !== null) this.#retire(file.slot);
  }

  /** Closes what nobody used for `idleMs`. */
  closeIdle(idleMs: number): void {
    const oldest = this.#nowMs() - idleMs;
    for (const slot of [...this.#slots]) {
      if (slot.pins === 0 && slot.usedAtMs <= oldest) this.#retire(slot);
    }
  }

  /** Closes everything; nothing may be in flight. */
  close(): void {
    for (const slot of [...this.#slots]) this.#retire(slot);
  }

  #slotFor(file: PooledFile): Slot {
    let slot = file.slot;
    if (slot === null) {
      slot = this.#open(file, 'read');
      this.#publish(file, slot);
    }
    this.#touch(slot);
    return slot;
  }

  #touch(slot: Slot): void {
    slot.lastUse = ++this.#uses;
    slot.usedAtMs = this.#nowMs();
  }

  #open(file: PooledFile, access: 'read' | 'write'): Slot {
    for (;;) {
      try {
        const descriptor = this.#disk.open(file.path, access, access === 'write' && file.create);
        const slot: Slot = {
          descriptor,
          writable: access === 'write',
          pins: 0,
          lastUse: ++this.#uses,
          usedAtMs: this.#nowMs(),
          retired: false,
          file,
        };
        this.#slots.add(slot);
        this.#onOpen();
        return slot;
      } catch (error) {
        const code = errnoOf(error);
        if ((code !== 'EMFILE' && code !== 'ENFILE') || this.#closeOldest(emergencyCount) === 0) throw error;
      }
    }
  }

  #publish(file: PooledFile, slot: Slot): void {
    const current = file.slot;
    if (current !== null && current !== slot) {
      if (current.writable) {
        slot.retired = true;
        if (slot.pins === 0) this.#retire(slot);
        return;
      }
      this.#retire(current);
    }
    file.slot = slot;
    if (this.#slots.size > this.#capacity) this.#closeOldest(this.#slots.size - this.#capacity, slot);
  }

  #closeOldest(count: number, except?: Slot): number {
    const idle = [...this.#slots].filter(
      (slot) => slot.pins === 0 && slot !== except && slot.file.slot === slot,
    );
    idle.sort((a, b) => a.lastUse - b.lastUse);
    const victims = idle.slice(0, count);
    for (const slot of victims) this.#retire(slot);
    return victims.length;
  }

  #retire(slot: Slot): void {
    slot.retired = true;
    if (slot.file.slot === slot) slot.file.slot = null;
    if (slot.pins === 0 && this.#slots.delete(slot)) this.#disk.close(slot.descriptor);
  }

  #unpin(slot: Slot): void {
    slot.pins -= 1;
    if (slot.pins === 0 && slot.retired) this.#retire(slot);
  }

  /** Returns when the call may be tried again with another descriptor, else throws `error`. */
  #recoverFrom(error: unknown, slot: Slot, attempt: number): void {
    if (errnoOf(error) !== 'EBADF' || attempt >= reopenLimit) throw error;
    // The number is not ours any more; closing it could close somebody else's file.
    slot.retired = true;
    this.#slots.delete(slot);
    if (slot.file.slot === slot) slot.file.slot = null;
  }
}
