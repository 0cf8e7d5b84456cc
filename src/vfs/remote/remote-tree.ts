// Which folders are known, being listed or to be listed again. A folder is listed once for all who wait (single flight); nobody
// waits longer than a kernel may, the listing goes on and is tried again in the background. Used by the namespace and the poller.

import type { RemoteStore } from '../../hub/remote-store.ts';
import type { Timer } from '../../shared/log.ts';
import { FsError } from '../fs-error.ts';
import { fromHubError } from '../hub-error.ts';
import { inodeFlag } from '../namespace/inode-columns.ts';
import type { NamespaceContext } from '../namespace/namespace-context.ts';
import { openWindowMs } from '../namespace/namespace-remote.ts';
import { RemoteMerge, type MergeResult } from './remote-merge.ts';

/** Below the 12 s after which macOS reports a server that does not answer. */
const longestWaitMs = 10_000;
const retryDelaysMs = [500, 1_000, 2_000, 5_000, 10_000, 30_000] as const;
/** Listings at a time: each is one request after the other. */
const concurrentListings = 6;

export type ListingReport = (outcome: { readonly error: unknown }) => void;

interface Listing {
  readonly directory: number;
  readonly done: Promise<void>;
  readonly resolve: () => void;
  /** Why the last try failed. */
  error: unknown;
  /** The running try may be older than a change: list once more after it. */
  again: boolean;
  attempts: number;
  waiters: number;
  timer: Timer | null;
}

export class RemoteTree {
  readonly #context: NamespaceContext;
  readonly #merge: RemoteMerge;
  readonly #report: ListingReport;
  readonly #abort = new AbortController();
  readonly #listings = new Map<number, Listing>();
  readonly #postponed = new Map<number, Set<string>>();
  /** Folders in which names were left alone for the sake of work that was still to be done. */
  readonly #partial = new Set<number>();
  readonly #queue: (() => void)[] = [];
  readonly #tasks = new Set<Promise<unknown>>();
  #running = 0;
  #postponedTimer: Timer | null = null;

  /** `report` hears of every listing that ended, to tell whether the Hub can be reached. */
  constructor(context: NamespaceContext, remote: RemoteStore, report: ListingReport) {
    this.#context = context;
    this.#merge = new RemoteMerge(context, remote);
    this.#report = report;
  }

  noteLocalChange(directory: number, remoteName: string): void {
    this.#merge.noteLocalChange(directory, remoteName);
  }

  /** Null when the folder is known; rejects with EAGAIN after about 10 s. An inode that is no folder is "known". */
  whenListed(directory: number): Promise<void> | null {
    const { tree } = this.#context;
    const slot = tree.index.slotOf(directory);
    if (slot === -1 || !tree.index.isDirectory(slot) || tree.hasFlag(slot, inodeFlag.listed)) return null;
    if (this.#abort.signal.aborted) return Promise.reject(this.#timeout(slot, 'the mount is closing'));
    return this.#wait(this.#startListing(directory), slot);
  }

  async #wait(listing: Listing, slot: number): Promise<void> {
    listing.waiters += 1;
    let timer: Timer | null = null;
    const late = new Promise<never>((_resolve, reject) => {
      timer = this.#context.clock.schedule(longestWaitMs, () => {
        reject(this.#timeout(slot, 'its listing has not arrived yet', listing.error));
      });
    });
    try {
      await Promise.race([listing.done, late]);
    } finally {
      listing.waiters -= 1;
      cancel(timer);
    }
    if (this.#abort.signal.aborted) throw this.#timeout(slot, 'the mount is closing');
  }

  #timeout(slot: number, message: string, cause?: unknown): FsError {
    const path = this.#context.tree.pathOf(slot);
    return new FsError('EAGAIN', 'list', { path, message, cause: fromHubError(cause, 'list', path) });
  }

  #startListing(directory: number): Listing {
    const known = this.#listings.get(directory);
    if (known !== undefined) {
      // Somebody wants it now: do not sit out a long delay.
      if (known.timer !== null && known.waiters === 0) this.#retrySoon(known, 0);
      return known;
    }
    const { promise, resolve } = Promise.withResolvers<void>();
    const listing: Listing = {
      directory,
      done: promise,
      resolve,
      error: null,
      again: false,
      attempts: 0,
      waiters: 0,
      timer: null,
    };
    this.#listings.set(directory, listing);
    this.#track(this.#runListing(listing));
    return listing;
  }

  async #runListing(listing: Listing): Promise<void> {
    await this.#enter();
    try {
      const slot = this.#context.tree.index.slotOf(listing.directory);
      if (slot !== -1) {
        const { isPartial } = await this.#merge.listDirectory(listing.directory, this.#abort.signal);
        if (isPartial) this.#partial.add(listing.directory);
      }
      this.#settle(listing);
      this.#report({ error: null });
      if (listing.again) this.relistSoon([listing.directory]);
    } catch (error) {
      this.#fail(listing, error);
    } finally {
      this.#leave();
    }
  }

  #settle(listing: Listing): void {
    this.#listings.delete(listing.directory);
    listing.resolve();
  }

  #fail(listing: Listing, error: unknown): void {
    if (this.#abort.signal.aborted) {
      this.#settle(listing);
      return;
    }
    listing.error = error;
    listing.again = false;
    this.#report({ error });
    const path =
      this.#context.tree.index.slotOf(listing.directory) === -1 ? '' : this.#pathOf(listing.directory);
    this.#context.log.warn('A folder could not be listed; trying again', {
      path,
      attempt: listing.attempts + 1,
      cause: error instanceof Error ? error.message : String(error),
    });
    const delay = retryDelaysMs[Math.min(listing.attempts, retryDelaysMs.length - 1)] ?? 30_000;
    listing.attempts += 1;
    this.#retrySoon(listing, delay);
  }

  #retrySoon(listing: Listing, delayMs: number): void {
    listing.timer?.cancel();
    listing.timer = this.#context.clock.schedule(delayMs, () => {
      listing.timer = null;
      this.#track(this.#runListing(listing));
    });
  }

  #pathOf(directory: number): string {
    const slot = this.#context.tree.index.slotOf(directory);
    return slot === -1 ? '' : this.#context.tree.pathOf(slot);
  }

  // ---- looking again ------------------------------------------------------------------------------------------------------

  /** Lists known folders again, in the given order, a few at a time. Rejects with the first failure after all were tried. */
  async relist(directories: readonly number[]): Promise<void> {
    const failures: unknown[] = [];
    await Promise.all(
      directories.map(async (directory) => {
        await this.#enter();
        try {
          await this.#relistOne(directory);
        } catch (error) {
          failures.push(error);
        } finally {
          this.#leave();
        }
      }),
    );
    if (failures.length > 0) throw failures[0];
  }

  async #relistOne(directory: number): Promise<void> {
    if (this.#abort.signal.aborted) return;
    const running = this.#listings.get(directory);
    if (running !== undefined) {
      running.again = true;
      return;
    }
    const { tree } = this.#context;
    const slot = tree.index.slotOf(directory);
    if (slot === -1 || !tree.hasFlag(slot, inodeFlag.listed) || tree.hubPathOfDirectory(slot) === null)
      return;
    this.#note(directory, await this.#merge.listDirectory(directory, this.#abort.signal));
  }

  /** Asks for single files of known folders, as change events name them. */
  async confirm(directory: number, names: readonly string[]): Promise<void> {
    await this.#enter();
    try {
      const result = await this.#merge.confirmFiles(directory, names, this.#abort.signal);
      this.#note(directory, result);
      if (result.removed > 0) this.#removeEmptied(directory);
    } finally {
      this.#leave();
    }
  }

  /** The Hub has no empty folders: what other clients emptied goes, upwards. */
  #removeEmptied(directory: number): void {
    const { tree } = this.#context;
    for (let at = directory; ;) {
      const slot = tree.index.slotOf(at);
      if (slot === -1 || tree.index.firstName(slot) === -1) return;
      const parent = tree.index.inoOf(tree.parentOfDirectory(slot));
      if (!this.#merge.removeIfEmpty(at)) return;
      at = parent;
    }
  }

  /** In the background; failures are found again by the next round. */
  relistSoon(directories: readonly number[]): void {
    if (directories.length === 0 || this.#abort.signal.aborted) return;
    this.#track(
      this.relist(directories).catch((error: unknown) => {
        this.#report({ error });
      }),
    );
  }

  #note(directory: number, result: MergeResult): void {
    const total = result.added + result.changed + result.removed;
    if (total > 0) {
      const detail = `${result.added} new, ${result.changed} changed, ${result.removed} removed`;
      if (total === result.samples.length) {
        for (const path of result.samples) this.#context.activity.record('REMOTE', path, { detail });
      } else this.#context.activity.record('REMOTE', this.#pathOf(directory), { detail });
    }
    if (result.postponed.length > 0) this.#postpone(directory, result.postponed);
    if (result.isPartial) this.#partial.add(directory);
  }

  /** Whether names were left alone in some folder, so that not all that the Hub has is known. */
  get isPartial(): boolean {
    return this.#partial.size > 0;
  }

  /** Looks again where names were left alone and the work on them is done. */
  async relistPartial(): Promise<void> {
    const { tree, uploads } = this.#context;
    const free = [...this.#partial].filter((directory) => {
      const slot = tree.index.slotOf(directory);
      const path = slot === -1 ? '' : tree.remotePathOfDirectory(slot);
      return path === '' || !uploads.isPathPending(path);
    });
    for (const directory of free) this.#partial.delete(directory);
    try {
      await this.relist(free);
    } catch (error) {
      for (const directory of free) this.#partial.add(directory);
      throw error;
    }
  }

  #postpone(directory: number, names: readonly string[]): void {
    const waiting = this.#postponed.get(directory) ?? new Set<string>();
    for (const name of names) waiting.add(name);
    this.#postponed.set(directory, waiting);
    this.#postponedTimer ??= this.#context.clock.schedule(openWindowMs, () => {
      this.#postponedTimer = null;
      const again = [...this.#postponed];
      this.#postponed.clear();
      for (const [folder, some] of again) this.#track(this.#confirmAgain(folder, [...some]));
    });
  }

  async #confirmAgain(directory: number, names: readonly string[]): Promise<void> {
    try {
      const files = names.filter((name) => name !== '');
      if (files.length > 0) await this.confirm(directory, files);
      if (files.length < names.length) await this.relist([directory]);
    } catch (error) {
      this.#report({ error });
      if (!this.#abort.signal.aborted) this.#postpone(directory, names);
    }
  }

  /** Folders whose first listing runs. */
  listingNow(): number[] {
    return [...this.#listings.keys()];
  }

  /** Listed folders, most recently used first. */
  knownDirectories(): number[] {
    const { tree } = this.#context;
    const known: { readonly ino: number; readonly usedAt: number }[] = [];
    for (const slot of tree.index.directorySlots()) {
      if (!tree.hasFlag(slot, inodeFlag.listed)) continue;
      known.push({ ino: tree.index.inoOf(slot), usedAt: tree.usedAtSec(slot) });
    }
    return known.sort((a, b) => b.usedAt - a.usedAt).map(({ ino }) => ino);
  }

  // ---- bounds -----------------------------------------------------------------------------------------------------------------

  async #enter(): Promise<void> {
    if (this.#running < concurrentListings) {
      this.#running += 1;
      return;
    }
    await new Promise<void>((resolve) => this.#queue.push(resolve));
  }

  #leave(): void {
    const next = this.#queue.shift();
    if (next === undefined) this.#running -= 1;
    else next();
  }

  #track(task: Promise<unknown>): void {
    this.#tasks.add(task);
    void task.finally(() => this.#tasks.delete(task));
  }

  async close(): Promise<void> {
    this.#abort.abort();
    this.#postponedTimer?.cancel();
    for (const listing of this.#listings.values()) {
      if (listing.timer === null) continue;
      listing.timer.cancel();
      this.#settle(listing);
    }
    while (this.#tasks.size > 0) await Promise.allSettled(this.#tasks);
  }
}

function cancel(timer: Timer | null): void {
  timer?.cancel();
}
