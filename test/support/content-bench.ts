// A content store on a temporary folder with a Hub in memory, a manual clock, and a namespace that is two maps: for the tests of
// the content part. `restart` and `imageAt` give what a new process would find.

import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ContentRef } from '../../src/hub/remote-store.ts';
import type { Log } from '../../src/shared/log.ts';
import { silentLog } from '../../src/shared/log.ts';
import { openCatalogueDatabase } from '../../src/vfs/storage/catalogue-database.ts';
import type { OpenCatalogueDatabase } from '../../src/vfs/storage/catalogue-database.ts';
import { openContentStore } from '../../src/vfs/content/content-store.ts';
import type { ContentStore, InodeContentView } from '../../src/vfs/parts.ts';
import { nodeDisk } from '../../src/vfs/storage/staging-disk.ts';
import type { DiskStep, StagingDisk } from '../../src/vfs/storage/staging-disk.ts';
import { ManualClock } from './manual-clock.ts';
import { MemoryRemoteStore } from './memory-remote-store.ts';

export interface BenchOptions {
  readonly folder?: string;
  readonly cacheDir?: string;
  readonly remote?: MemoryRemoteStore;
  readonly clock?: ManualClock;
  readonly cacheLimitBytes?: number;
  readonly descriptorLimit?: number;
  /** Replaces single calls of the disk. */
  readonly disk?: Partial<StagingDisk>;
  readonly onStep?: (name: DiskStep) => void;
  readonly inodes?: TestInodes;
  readonly onDatabase?: (database: OpenCatalogueDatabase, folder: string) => void;
}

/** What the namespace knows, and what of it a crash would leave: everything, as if each change was durable at once. */
export class TestInodes implements InodeContentView {
  readonly bases = new Map<number, ContentRef>();
  readonly sizes = new Map<number, number>();

  add(ino: number, base: ContentRef | null): void {
    if (base !== null) this.bases.set(ino, base);
    this.sizes.set(ino, base?.sizeBytes ?? 0);
  }

  copy(): TestInodes {
    const copy = new TestInodes();
    for (const [ino, base] of this.bases) copy.bases.set(ino, base);
    for (const [ino, size] of this.sizes) copy.sizes.set(ino, size);
    return copy;
  }

  base(ino: number): ContentRef | null {
    return this.bases.get(ino) ?? null;
  }

  sizeBytes(ino: number): number {
    return this.sizes.get(ino) ?? 0;
  }

  pathOf(ino: number): string | null {
    return this.sizes.has(ino) ? `file-${ino}` : null;
  }
}

export class ContentBench {
  readonly folder: string;
  readonly cacheDir: string;
  readonly remote: MemoryRemoteStore;
  readonly clock: ManualClock;
  readonly inodes: TestInodes;
  readonly warnings: string[] = [];
  readonly events: { readonly kind: string; readonly path: string; readonly detail: string }[] = [];
  readonly counts = { downloadedBytes: 0, editDownloadedBytes: 0 };
  readonly options: BenchOptions;
  store: ContentStore;
  database: OpenCatalogueDatabase;
  #isOpen = true;

  private constructor(options: BenchOptions, folder: string, database: OpenCatalogueDatabase) {
    this.options = options;
    this.folder = folder;
    this.cacheDir = options.cacheDir ?? join(folder, 'cache');
    this.remote = options.remote ?? new MemoryRemoteStore();
    this.clock = options.clock ?? new ManualClock();
    this.inodes = options.inodes ?? new TestInodes();
    this.database = database;
    // Set by `#open` before anybody sees the bench.
    this.store = undefined as unknown as ContentStore;
  }

  static async open(options: BenchOptions = {}): Promise<ContentBench> {
    const folder = options.folder ?? mkdtempSync(join(tmpdir(), 'hubdrive-content-'));
    const bench = new ContentBench(options, folder, openCatalogueDatabase(join(folder, 'catalogue.db')));
    await bench.#open();
    return bench;
  }

  get dataDir(): string {
    return this.folder;
  }

  async #open(): Promise<void> {
    this.options.onDatabase?.(this.database, this.folder);
    const log: Log = {
      ...silentLog,
      warn: (message) => this.warnings.push(message),
      error: (message) => this.warnings.push(message),
    };
    this.store = await openContentStore({
      remote: this.remote,
      clock: this.clock,
      log,
      activity: {
        record: (kind, path, details) => this.events.push({ kind, path, detail: details?.detail ?? '' }),
        count: (counter, amount) => {
          if (counter === 'downloadedBytes' || counter === 'editDownloadedBytes')
            this.counts[counter] += amount;
        },
      },
      database: this.database,
      dataDir: this.dataDir,
      cacheDir: this.cacheDir,
      cacheLimitBytes: this.options.cacheLimitBytes ?? 1 << 30,
      inodes: this.inodes,
      disk: { ...nodeDisk, step: (name) => this.options.onStep?.(name), ...this.options.disk },
      ...(this.options.descriptorLimit === undefined
        ? {}
        : { descriptorLimit: this.options.descriptorLimit }),
    });
    this.#isOpen = true;
  }

  /** As the namespace does it: content first, then size, in one transaction. */
  async write(ino: number, offset: number, data: Uint8Array | string): Promise<void> {
    const bytes = typeof data === 'string' ? Buffer.from(data) : data;
    const writing = this.store.write(ino, offset, bytes);
    if (writing !== undefined) await writing;
    this.inodes.sizes.set(ino, Math.max(this.inodes.sizeBytes(ino), offset + bytes.length));
  }

  async truncate(ino: number, sizeBytes: number): Promise<void> {
    await this.store.truncate(ino, sizeBytes);
    this.inodes.sizes.set(ino, sizeBytes);
  }

  async read(ino: number, offset = 0, length = this.inodes.sizeBytes(ino)): Promise<Buffer> {
    // Not zeros, so that a byte nobody filled shows.
    const target = Buffer.alloc(length, 0xa5);
    const bytesRead = await this.store.read(ino, offset, target);
    return target.subarray(0, bytesRead);
  }

  async readText(ino: number): Promise<string> {
    return (await this.read(ino)).toString();
  }

  /** Sends the staged version of `ino` to the Hub in memory and settles it, as uploads does. Null when nothing is staged. */
  async send(ino: number): Promise<{ readonly clean: boolean; readonly content: ContentRef } | null> {
    const snapshot = await this.store.snapshot(ino);
    if (snapshot === null) return null;
    const { content } = await this.remote.upload(snapshot).catch(async (error: unknown) => {
      await snapshot.abandoned();
      throw error;
    });
    const { clean } = this.database.transaction(() => {
      const result = snapshot.committed(content);
      this.inodes.bases.set(ino, content);
      return result;
    });
    return { clean, content };
  }

  async close(): Promise<void> {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    await this.store.close();
    await this.database.close();
  }

  /** A clean stop and a new start on the same folders. */
  async restart(): Promise<void> {
    await this.close();
    this.database = openCatalogueDatabase(join(this.folder, 'catalogue.db'));
    await this.#open();
  }

  /** Copies the folders as a kill at this moment would leave them. */
  image(): string {
    const copy = mkdtempSync(join(tmpdir(), 'hubdrive-image-'));
    cpSync(this.folder, copy, { recursive: true });
    return copy;
  }

  /** Closes and removes the folders. */
  async dispose(): Promise<void> {
    await this.close();
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** `length` bytes that differ from place to place and from seed to seed. */
/** Runs `work` with a bench, and takes it down whatever happens. */
export async function withBench(
  options: BenchOptions,
  work: (bench: ContentBench) => Promise<void>,
): Promise<void> {
  const bench = await ContentBench.open(options);
  try {
    await work(bench);
  } finally {
    await bench.dispose();
  }
}

export function pattern(length: number, seed = 1): Buffer {
  const bytes = Buffer.alloc(length);
  let state = (seed * 2654435761) >>> 0 || 1;
  for (let index = 0; index < length; index++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    bytes[index] = state & 0xff;
  }
  return bytes;
}
