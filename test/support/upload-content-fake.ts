// The part of the content store that the upload queue uses, over whole file contents in memory. It checks that snapshots are
// taken and settled as the contract says.

import type { ContentRef } from '../../src/hub/remote-store.ts';
import type { ContentStore, Snapshot, StagedSummary } from '../../src/vfs/parts.ts';
import { keyOf } from './memory-remote-store.ts';

export interface Staged {
  bytes: Uint8Array;
  version: number;
}

export class UploadContentFake implements ContentStore {
  /** Inodes with a snapshot that is not settled. */
  readonly snapshots = new Set<number>();
  readonly #staged: Map<number, Staged>;
  readonly #base: (ino: number) => ContentRef | null;

  constructor(staged: Map<number, Staged>, base: (ino: number) => ContentRef | null) {
    this.#staged = staged;
    this.#base = base;
  }

  isStaged(ino: number): boolean {
    return this.#staged.has(ino);
  }

  staged(): readonly StagedSummary[] {
    return [...this.#staged].map(([ino, { bytes }]) => ({
      ino,
      sizeBytes: bytes.length,
      dirtyBytes: bytes.length,
    }));
  }

  forget(ino: number): void {
    this.#staged.delete(ino);
  }

  snapshot(ino: number): Snapshot | null {
    const staged = this.#staged.get(ino);
    if (staged === undefined) return null;
    if (this.snapshots.has(ino)) throw new Error('one snapshot of an inode at a time');
    this.snapshots.add(ino);
    let settled = false;
    const settleOnce = (): void => {
      if (settled) throw new Error('a snapshot was settled twice');
      settled = true;
      this.snapshots.delete(ino);
    };
    return {
      ino,
      sizeBytes: staged.bytes.length,
      base: this.#base(ino),
      dirty: [{ start: 0, end: staged.bytes.length }],
      baseDownloadedBytes: 0,
      read: async (offset, target) => {
        await Promise.resolve();
        target.set(staged.bytes.subarray(offset, offset + target.length));
      },
      committed: (content) => {
        settleOnce();
        if (keyOf(staged.bytes) !== content.key) throw new Error('committed as other content');
        const clean = this.#staged.get(ino)?.version === staged.version;
        if (clean) this.#staged.delete(ino);
        return { clean };
      },
      abandoned: () => {
        settleOnce();
        return Promise.resolve();
      },
    };
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  readonly read = notHere;
  readonly write = notHere;
  readonly truncate = notHere;
  readonly commit = notHere;
  readonly writeVerifier = notHere;
  readonly baseChanged = notHere;
  readonly space = notHere;
  readonly cacheUse = notHere;
  readonly evict = notHere;
}

function notHere(): never {
  throw new Error('the upload queue has no business here');
}
