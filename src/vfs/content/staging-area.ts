// The folder of staging files of one mount and who owns them: makes layers, drops them once that is durable, and at a start
// brings back what the index says. A file is trusted only because the index names it; what nobody names is set aside, never deleted.

import { randomBytes } from 'node:crypto';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { ContentRef } from '../../hub/remote-store.ts';
import { ChecksumIndex } from '../storage/checksum-index.ts';
import { ExtentMap } from '../storage/extents.ts';
import type { HandlePool } from '../storage/handle-pool.ts';
import type { LazyFile } from './lazy-file.ts';
import { LocalFile } from '../storage/local-file.ts';
import type { HotMemory } from '../storage/local-file.ts';
import type { InodeContentView, Surroundings } from '../parts.ts';
import { SharedSync } from '../storage/shared-sync.ts';
import { StagedFile } from './staged-file.ts';
import type { StagedFileOwner } from './staged-file.ts';
import { StagedLayer } from './staged-layer.ts';
import { mergeLayers } from './staged-merge.ts';
import type { StagingDisk } from '../storage/staging-disk.ts';
import { StagingIndex } from './staging-index.ts';
import type { LayerRow } from './staging-index.ts';
import { StagingSealer } from './staging-sealer.ts';

/** Files looked at in one turn of the serving thread. */
const recoverySlice = 100;
const retryDelayMs = 5000;
const commitsAtOnce = 32;
const verifierBytes = 8;

export interface StagingAreaOptions extends Pick<Surroundings, 'database' | 'log' | 'clock' | 'activity'> {
  readonly dataDir: string;
  readonly disk: StagingDisk;
  readonly pool: HandlePool;
  readonly memory: HotMemory;
  readonly inodes: InodeContentView;
  readonly lazyFile: (content: ContentRef) => LazyFile;
}

export class StagingArea implements StagedFileOwner {
  readonly database: StagingAreaOptions['database'];
  readonly log: StagingAreaOptions['log'];
  readonly disk: StagingDisk;
  readonly index: StagingIndex;
  readonly activity: StagingAreaOptions['activity'];
  readonly files = new Map<number, StagedFile>();
  readonly #options: StagingAreaOptions;
  readonly #directory: string;
  readonly #checksums: ChecksumIndex;
  readonly #sealer: StagingSealer;
  #nextId = 1;
  /** As an earlier run found it. */
  #damage: ReadonlyMap<number, ExtentMap> = new Map();
  #verifier: Uint8Array;
  readonly #directorySync: SharedSync;
  #durableWork: (() => Promise<void> | void)[] = [];
  #working: Promise<void> | null = null;
  #endPause: () => void = () => undefined;
  #merging: Promise<void> = Promise.resolve();
  #closed = false;

  constructor(options: StagingAreaOptions) {
    this.#options = options;
    this.database = options.database;
    this.log = options.log;
    this.disk = options.disk;
    this.activity = options.activity;
    this.index = new StagingIndex(options.database);
    this.#checksums = new ChecksumIndex(options.database);
    this.#sealer = new StagingSealer(options.clock, options.log);
    this.#directory = `${options.dataDir}/staging`;
    this.#directorySync = new SharedSync(() => options.disk.syncDirectory(this.#directory));
    this.#verifier = newVerifier();
    options.disk.makeDirectory(this.#directory);
  }

  get verifier(): Uint8Array {
    return this.#verifier;
  }

  get setAsideDirectory(): string {
    return `${this.#options.dataDir}/set-aside`;
  }

  lazyFile(content: ContentRef): LazyFile {
    return this.#options.lazyFile(content);
  }

  pathOf(ino: number): string | null {
    return this.#options.inodes.pathOf(ino);
  }

  sizeBytes(ino: number): number {
    return this.#options.inodes.sizeBytes(ino);
  }

  /** The staged file of `ino`, made now if there is none. */
  stage(ino: number): StagedFile {
    let file = this.files.get(ino);
    if (file === undefined) {
      const { inodes } = this.#options;
      const base = inodes.base(ino);
      const baseLimit = base === null ? 0 : Math.min(base.sizeBytes, inodes.sizeBytes(ino));
      file = new StagedFile(this, this.newLayer(ino, base, baseLimit));
      this.files.set(ino, file);
    }
    return file;
  }

  newLayer(ino: number, base: ContentRef | null, baseLimit: number): StagedLayer {
    const id = this.#nextId++;
    return new StagedLayer(
      { id, ino, file: this.#fileOf(ino, id, true), base, baseLimit },
      null,
      this.#checksums,
    );
  }

  noteCommitted(file: StagedFile): void {
    if (!this.#closed) this.#sealer.note(file);
  }

  dropLayer(layer: StagedLayer): void {
    this.index.setState(layer.id, 'dropped');
    this.afterDurable(() => this.#delete(layer));
  }

  /** Runs `work` once the open transaction is on disk; never if it rolls back. */
  afterDurable(work: () => Promise<void> | void): void {
    this.database.afterCommit(() => {
      this.disk.step('dropped');
      this.#durableWork.push(work);
      this.#working ??= this.#doDurableWork();
    });
  }

  /** In the caller's transaction: the staged change of `ino` is given up. */
  forget(ino: number): void {
    const file = this.files.get(ino);
    if (file === undefined) return;
    this.files.delete(ino);
    file.isForgotten = true;
    this.dropLayer(file.top);
    if (file.lower !== null) this.dropLayer(file.lower);
    this.database.onRollback(() => {
      file.isForgotten = false;
      this.files.set(ino, file);
    });
  }

  /** Starts merging unless it runs; resolves when there is one layer. Merges run one after the other. */
  merge(file: StagedFile): Promise<void> {
    if (file.merging !== null) return file.merging;
    if (file.lower === null || file.isForgotten) return Promise.resolve();
    const merging = this.#merging
      .then(() => (this.#closed ? undefined : mergeLayers(file, this)))
      .finally(() => {
        file.merging = null;
      });
    file.merging = merging;
    this.#merging = merging.catch((error: unknown) => {
      this.log.error('merging staged layers failed; both are kept', { ino: file.ino }, error);
    });
    return merging;
  }

  /** In the caller's transaction: the Hub has everything, `empty` is the layer that took no writes meanwhile. */
  forgetClean(file: StagedFile, empty: StagedLayer): void {
    this.files.delete(file.ino);
    file.isForgotten = true;
    this.dropLayer(empty);
    this.database.onRollback(() => {
      file.isForgotten = false;
      this.files.set(file.ino, file);
    });
  }

  syncDirectory(): Promise<void> {
    return this.#directorySync.run();
  }

  noteFailedSync(): void {
    this.#verifier = newVerifier();
  }

  /** Reads the index and looks at every staging file. To be awaited before anything else. */
  async recover(): Promise<void> {
    const names = new Set(await this.disk.list(this.#directory));
    const rows = this.index.layers();
    this.#nextId = 1 + Math.max(0, ...rows.map((row) => row.id), ...[...names].map(idOf));
    const byInode = new Map<number, LayerRow[]>();
    this.#damage = this.#checksums.damage();
    for (const row of rows) {
      names.delete(nameOf(row.ino, row.id));
      if (row.state === 'dropped') this.afterDurable(() => this.#delete(this.#layerOf(row)));
      else byInode.set(row.ino, [...(byInode.get(row.ino) ?? []), row]);
    }
    let looked = 0;
    for (const [ino, layers] of byInode) {
      this.#restore(ino, layers);
      if (++looked % recoverySlice === 0) await nextTurn();
    }
    for (const name of names) this.#setAside(name, 'no index entry names it');
    const kept = this.index.takeVerifier();
    if (kept === null) return;
    this.#verifier = kept;
    await this.database.sync();
  }

  /** Commits what is staged and stops. Returns after everything that could be done was done. */
  async close(): Promise<void> {
    const isSafe = await this.#commitAll();
    await this.#sealer.close();
    this.#closed = true;
    this.#endPause();
    await this.#merging;
    while (this.#working !== null) await this.#working;
    if (!isSafe) return;
    this.database.transaction(() => this.index.keepVerifier(this.#verifier));
    await this.database.sync();
  }

  /** Whether everything is on disk. Damaged files have nothing to commit. */
  async #commitAll(): Promise<boolean> {
    const files = [...this.files.values()].filter((file) => file.damage === null);
    let isSafe = true;
    // Every running commit holds a descriptor.
    for (let start = 0; start < files.length; start += commitsAtOnce) {
      const commits = files.slice(start, start + commitsAtOnce).map((file) => file.commit());
      for (const result of await Promise.allSettled(commits)) {
        if (result.status === 'fulfilled') continue;
        isSafe = false;
        this.log.error('a staged file could not be committed at the end', {}, result.reason);
      }
    }
    return isSafe;
  }

  #restore(ino: number, rows: readonly LayerRow[]): void {
    const layers = rows.map((row) => this.#layerOf(row));
    const [bottom, second] = layers;
    if (bottom === undefined) return;
    const file = second === undefined ? new StagedFile(this, bottom) : new StagedFile(this, second, bottom);
    this.files.set(ino, file);
    const damage = layers.length > 2 ? 'it has more layers than this program makes' : this.#damageOf(rows);
    if (damage === null) {
      if (file.lower !== null) this.merge(file).catch(() => undefined);
      return;
    }
    const left = rows
      .map((row) => nameOf(ino, row.id))
      .filter((name) => this.disk.sizeOf(`${this.#directory}/${name}`) !== null);
    for (const name of left) this.#setAside(name, damage);
    const where = left.length === 0 ? '' : `; what is left of them is in "${this.setAsideDirectory}"`;
    file.damage = `its staged bytes are damaged (${damage})${where}`;
    this.log.error('a staged file is damaged', { ino, path: this.pathOf(ino), cause: damage });
    this.#options.activity.record('ERROR', this.pathOf(ino) ?? '', { detail: file.damage });
    this.database.transaction(() => {
      for (const row of rows) this.index.setState(row.id, 'damaged');
    });
  }

  #damageOf(rows: readonly LayerRow[]): string | null {
    for (const row of rows) {
      if (row.state === 'damaged') return `found at an earlier start, see "${this.setAsideDirectory}"`;
      const end = this.index.lastEnd(row.id);
      if (end === 0) continue;
      const sizeBytes = this.disk.sizeOf(`${this.#directory}/${nameOf(row.ino, row.id)}`);
      if (sizeBytes === null) return `"${nameOf(row.ino, row.id)}" is missing`;
      if (sizeBytes < end) return `"${nameOf(row.ino, row.id)}" has ${sizeBytes} of ${end} bytes`;
    }
    return null;
  }

  #layerOf(row: LayerRow): StagedLayer {
    const create = row.dirtyBytes === 0;
    return new StagedLayer(
      {
        id: row.id,
        ino: row.ino,
        file: this.#fileOf(row.ino, row.id, create),
        base: row.base,
        baseLimit: row.baseLimit,
      },
      {
        dirtyBytes: row.dirtyBytes,
        damage: this.#damage.get(row.id) ?? new ExtentMap(),
        load: () => this.index.extents(row.id),
      },
      this.#checksums,
    );
  }

  #fileOf(ino: number, id: number, create: boolean): LocalFile {
    return new LocalFile(
      this.#options.pool,
      this.#options.memory,
      `${this.#directory}/${nameOf(ino, id)}`,
      create,
    );
  }

  #setAside(name: string, why: string): void {
    const from = `${this.#directory}/${name}`;
    if ((this.disk.sizeOf(from) ?? 0) === 0) {
      this.disk.unlink(from);
      return;
    }
    this.disk.makeDirectory(this.setAsideDirectory);
    let to = `${this.setAsideDirectory}/${name}`;
    for (let count = 1; this.disk.sizeOf(to) !== null; count++)
      to = `${this.setAsideDirectory}/${name}.${count}`;
    this.disk.rename(from, to);
    this.log.warn('a staging file was set aside', { from, to, cause: why });
  }

  async #delete(layer: StagedLayer): Promise<void> {
    layer.file.release();
    this.disk.unlink(layer.file.path);
    this.disk.step('unlinked');
    await this.removeRows(layer.id);
  }

  async removeRows(id: number): Promise<void> {
    // Before the layer's own row, which keeps its number from being used again.
    while (!this.#checksums.removeSome(id)) await nextTurn();
    while (!this.index.removeSome(id)) await nextTurn();
  }

  async #doDurableWork(): Promise<void> {
    // The commit that asked for it is over, but its caller's turn is not.
    await Promise.resolve();
    while (this.#durableWork.length > 0) {
      const work = this.#durableWork;
      this.#durableWork = [];
      try {
        await this.database.sync();
      } catch (error) {
        this.log.error('deleting unused staging files waits for the disk', {}, error);
        if (this.#closed) break;
        this.#durableWork.unshift(...work);
        await new Promise<void>((resolve) => {
          const timer = this.#options.clock.schedule(retryDelayMs, resolve);
          this.#endPause = () => {
            timer.cancel();
            resolve();
          };
        });
        continue;
      }
      for (const item of work) {
        try {
          await item();
        } catch (error) {
          // The row says `dropped`: the next start tries again.
          this.log.error('an unused staging file could not be removed', {}, error);
        }
      }
    }
    this.#working = null;
  }
}

function nameOf(ino: number, id: number): string {
  return `${ino}-${id}.dat`;
}

function idOf(name: string): number {
  return Number(/^\d+-(\d+)\.dat$/.exec(name)?.[1] ?? 0);
}

/** No byte is zero, so that it is never taken for an unset one. */
function newVerifier(): Uint8Array {
  return randomBytes(verifierBytes).map((byte) => byte || 1);
}
