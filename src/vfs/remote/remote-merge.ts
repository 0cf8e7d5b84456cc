// Merges listings of the Hub into the namespace in small transactions that yield between them. A page may be older than
// what was done here meanwhile, so only names never seen before are believed at once; every difference is asked for again
// (`stat`) before it is applied. Used by the remote tree; knows nothing of retries or of who waits.

import { setImmediate as nextTurn } from 'node:timers/promises';
import type { RemoteEntry, RemoteStore } from '../../hub/remote-store.ts';
import { inodeFlag } from '../namespace/inode-columns.ts';
import type { NamespaceContext } from '../namespace/namespace-context.ts';
import { RecentChanges } from './recent-changes.ts';
import {
  addRemote,
  applyRemoteFile,
  mayVanish,
  removeRemote,
  stateOf,
  type Applied,
} from '../namespace/namespace-remote.ts';

/** Rows written or names looked at in one turn: about 5 ms. */
export const rowsPerTurn = 200;
const namesPerTurn = 2_000;
const pathsPerStat = 500;

export interface MergeResult {
  readonly added: number;
  readonly changed: number;
  readonly removed: number;
  /** Names left alone because they are open; to be looked at again soon. */
  readonly postponed: readonly string[];
  /** Names were left alone because work on them is still to be done; to be looked at again after it. */
  readonly isPartial: boolean;
  /** Paths that changed, at most a few. */
  readonly samples: readonly string[];
}

interface Tally {
  added: number;
  changed: number;
  removed: number;
  readonly postponed: string[];
  isPartial: boolean;
  readonly samples: string[];
}

/** One listing of one folder while it is merged. */
interface Pass {
  readonly directory: number;
  readonly isFirst: boolean;
  readonly signal: AbortSignal;
  readonly tally: Tally;
  /** Cookies of the entries that the listing showed. */
  readonly seen: Set<number>;
  /** Entries from this cookie on appeared during the pass. */
  readonly cookieLimit: number;
  readonly doubtfulFiles: Set<string>;
  readonly doubtfulDirectories: Set<string>;
}

const mostSamples = 50;

export class RemoteMerge {
  readonly #context: NamespaceContext;
  readonly #remote: RemoteStore;
  readonly #changes: RecentChanges;

  constructor(context: NamespaceContext, remote: RemoteStore) {
    this.#context = context;
    this.#remote = remote;
    this.#changes = new RecentChanges(context.clock);
  }

  /** A program, or the upload queue, changed what the name means. */
  noteLocalChange(directory: number, remoteName: string): void {
    this.#changes.add(directory, remoteName);
  }

  /** Nothing is believed about a path with work still to be done. */
  #isPending(path: string, tally: Tally): boolean {
    const isPending = this.#context.uploads.isPathPending(path);
    if (isPending) tally.isPartial = true;
    return isPending;
  }

  /** Lists a folder and makes the namespace agree. Rejects with what the Hub said; what was merged until then stays. */
  async listDirectory(directory: number, signal: AbortSignal): Promise<MergeResult> {
    const { tree, uploads } = this.#context;
    const slot = tree.directorySlot(directory, 'list');
    const isFirst = !tree.hasFlag(slot, inodeFlag.listed);
    const path = tree.remotePathOfDirectory(slot);
    const pathNow = uploads.remotePathNow(path);
    const pass: Pass = {
      directory,
      isFirst,
      signal,
      tally: newTally(),
      seen: new Set(),
      cookieLimit: tree.index.order(slot).nextCookie,
      doubtfulFiles: new Set(),
      doubtfulDirectories: new Set(),
    };
    // While a folder move is being done its files are partly here, partly there, and only ever go from old to new.
    for (const listed of pathNow === path ? [path] : [pathNow, path]) await this.#mergePages(pass, listed);
    if (pathNow !== path) pass.tally.isPartial = true;
    else if (!isFirst) await this.#findVanished(pass);
    await this.#settleFiles(pass, path);
    await this.#settleDirectories(pass, path);
    this.#finish(pass, path);
    return pass.tally;
  }

  async #mergePages(pass: Pass, path: string): Promise<void> {
    const prefix = path === '' ? '' : `${path}/`;
    for await (const page of this.#remote.list(path, pass.signal)) {
      for (let start = 0; start < page.length; start += rowsPerTurn) {
        const slot = this.#context.tree.index.slotOf(pass.directory);
        if (slot === -1) return;
        this.#mergeSome(pass, slot, prefix, page.slice(start, start + rowsPerTurn));
        await nextTurn();
      }
    }
  }

  #mergeSome(pass: Pass, slot: number, prefix: string, entries: readonly RemoteEntry[]): void {
    const { tree } = this.#context;
    tree.transaction(() => {
      let changed = false;
      for (const entry of entries) {
        if (!entry.path.startsWith(prefix)) continue;
        if (this.#mergeOne(pass, slot, entry.path.slice(prefix.length), entry)) changed = true;
      }
      if (!changed) return;
      tree.edit(slot);
      // A first listing keeps the folder's mtime: nothing changed, it only became known.
      tree.touch(slot, !pass.isFirst);
      tree.save(slot);
    });
  }

  /** True if an entry was added. */
  #mergeOne(pass: Pass, slot: number, name: string, remote: RemoteEntry): boolean {
    const { tree } = this.#context;
    const isDirectory = remote.type === 'directory';
    const entry = tree.index.findRemote(slot, name, isDirectory);
    if (entry !== -1) {
      pass.seen.add(tree.index.cookieOf(entry));
      if (!isDirectory && tree.expect(entry) !== remote.content.key) pass.doubtfulFiles.add(name);
      return false;
    }
    if (!pass.isFirst) {
      const path = tree.remotePathOfDirectory(slot);
      if (this.#isPending(path === '' ? name : `${path}/${name}`, pass.tally)) return false;
    }
    if (this.#changes.has(pass.directory, name)) {
      (isDirectory ? pass.doubtfulDirectories : pass.doubtfulFiles).add(name);
      return false;
    }
    addRemote(this.#context, slot, name, stateOf(remote));
    this.#count(pass.tally, 'added', slot, name);
    return true;
  }

  /** Names that the Hub once had and did not list. */
  async #findVanished(pass: Pass): Promise<void> {
    const { tree } = this.#context;
    for (let after = 0; ;) {
      const slot = tree.index.slotOf(pass.directory);
      if (slot === -1) return;
      let left = namesPerTurn;
      const isDone = tree.index.order(slot).visit(after, (entry, cookie) => {
        if (left-- === 0) return false;
        after = cookie;
        if (cookie >= pass.cookieLimit || pass.seen.has(cookie)) return true;
        const inode = tree.index.inodeOf(entry);
        if (tree.index.isDirectory(inode)) {
          if (mayVanish(this.#context, inode)) pass.doubtfulDirectories.add(tree.index.remoteNameOf(entry));
        } else if (tree.expect(entry) !== null) pass.doubtfulFiles.add(tree.index.remoteNameOf(entry));
        return true;
      });
      if (isDone) return;
      await nextTurn();
    }
  }

  async #settleFiles(pass: Pass, path: string): Promise<void> {
    if (pass.doubtfulFiles.size > 0)
      await this.#confirm(pass.directory, path, [...pass.doubtfulFiles], pass.tally, pass.signal);
  }

  /** Asks the Hub for some files of a known folder and makes the namespace agree. */
  async confirmFiles(directory: number, names: readonly string[], signal: AbortSignal): Promise<MergeResult> {
    const tally = newTally();
    const slot = this.#context.tree.index.slotOf(directory);
    if (slot !== -1) {
      await this.#confirm(directory, this.#context.tree.remotePathOfDirectory(slot), names, tally, signal);
    }
    return tally;
  }

  async #confirm(
    directory: number,
    path: string,
    names: readonly string[],
    tally: Tally,
    signal: AbortSignal,
  ): Promise<void> {
    const { tree } = this.#context;
    const prefix = path === '' ? '' : `${path}/`;
    for (let start = 0; start < names.length; start += pathsPerStat) {
      // What is not pending at this moment is done on the Hub, so the answer will show it.
      const asked = names
        .slice(start, start + pathsPerStat)
        .filter((name) => !this.#isPending(prefix + name, tally));
      const changesBefore = this.#changes.count;
      const found = new Map<string, RemoteEntry>();
      for (const file of await this.#remote.stat(
        asked.map((name) => prefix + name),
        signal,
      )) {
        found.set(file.path.slice(prefix.length), file);
      }
      for (let from = 0; from < asked.length; from += rowsPerTurn / 2) {
        const slot = tree.index.slotOf(directory);
        if (slot === -1) return;
        if (tree.remotePathOfDirectory(slot) !== path) {
          tally.isPartial = true;
          return;
        }
        const some = asked.slice(from, from + rowsPerTurn / 2);
        this.#applySome(slot, prefix, some, found, changesBefore, tally);
        await nextTurn();
      }
    }
  }

  #applySome(
    slot: number,
    prefix: string,
    names: readonly string[],
    found: ReadonlyMap<string, RemoteEntry>,
    changesBefore: number,
    tally: Tally,
  ): void {
    const { tree } = this.#context;
    tree.transaction(() => {
      let changed = false;
      for (const name of names) {
        // Something changed here while the Hub was asked: the next round looks at it again.
        if (this.#isPending(prefix + name, tally)) continue;
        if (this.#changes.hasSince(changesBefore, tree.index.inoOf(slot), name)) {
          tally.isPartial = true;
          continue;
        }
        const remote = found.get(name);
        const state = remote === undefined ? null : stateOf(remote);
        if (state?.type === 'directory') continue;
        const applied = applyRemoteFile(this.#context, slot, name, state);
        if (applied === 'postponed') tally.postponed.push(name);
        this.#count(tally, applied, slot, name);
        if (applied === 'added' || applied === 'removed') changed = true;
      }
      if (changed) tree.touchDirectory(slot);
    });
  }

  #count(tally: Tally, applied: Applied, slot: number, name: string): void {
    if (applied === 'same' || applied === 'postponed') return;
    tally[applied] += 1;
    if (tally.samples.length >= mostSamples) return;
    const above = this.#context.tree.pathOf(slot);
    tally.samples.push(above === '' ? name : `${above}/${name}`);
  }

  async #settleDirectories(pass: Pass, path: string): Promise<void> {
    const prefix = path === '' ? '' : `${path}/`;
    for (const name of pass.doubtfulDirectories) {
      const isFree = (): boolean => !this.#isPending(prefix + name, pass.tally);
      if (!isFree()) continue;
      const changesBefore = this.#changes.count;
      const exists = await this.#existsDirectory(prefix + name, pass.signal);
      const { tree } = this.#context;
      const slot = tree.index.slotOf(pass.directory);
      if (slot === -1 || !isFree()) continue;
      const entry = tree.index.findRemote(slot, name, true);
      if (exists && entry === -1) {
        tree.transaction(() => {
          addRemote(this.#context, slot, name, { type: 'directory', mtimeMs: null });
          tree.touchDirectory(slot);
        });
        this.#count(pass.tally, 'added', slot, name);
      } else if (!exists && entry !== -1) {
        this.#count(pass.tally, 'removed', slot, name);
        await this.#removeTree(tree.index.inoOf(tree.index.inodeOf(entry)), changesBefore, pass.tally);
      }
    }
  }

  async #existsDirectory(path: string, signal: AbortSignal): Promise<boolean> {
    for await (const page of this.#remote.list(path, signal)) if (page.length > 0) return true;
    return false;
  }

  /** Removes everything clean below a folder that the Hub had no more, and the folder if nothing is left. */
  async #removeTree(directory: number, changesBefore: number, tally: Tally): Promise<void> {
    const { tree } = this.#context;
    for (let after = 0, isDone = false; !isDone;) {
      const slot = tree.index.slotOf(directory);
      if (slot === -1) return;
      const files: number[] = [];
      const directories: number[] = [];
      let left = rowsPerTurn;
      isDone = tree.index.order(slot).visit(after, (entry, cookie) => {
        if (left-- === 0) return false;
        after = cookie;
        const inode = tree.index.inodeOf(entry);
        if (tree.index.isDirectory(inode)) directories.push(tree.index.inoOf(inode));
        else if (tree.expect(entry) !== null) files.push(entry);
        return true;
      });
      tree.transaction(() => {
        for (const entry of files) {
          if (this.#isPending(tree.remotePath(entry), tally)) continue;
          const name = tree.index.remoteNameOf(entry);
          if (this.#changes.hasSince(changesBefore, directory, name)) {
            tally.isPartial = true;
            continue;
          }
          const applied = applyRemoteFile(this.#context, slot, name, null);
          if (applied === 'postponed') tally.postponed.push('');
        }
        if (files.length > 0) tree.touchDirectory(slot);
      });
      await nextTurn();
      for (const child of directories) await this.#removeTree(child, changesBefore, tally);
    }
    this.removeIfEmpty(directory);
  }

  /** Removes a folder that is empty here and that the Hub therefore cannot have; true if it is gone. */
  removeIfEmpty(directory: number): boolean {
    const { tree } = this.#context;
    const slot = tree.index.slotOf(directory);
    if (slot === -1) return true;
    if (tree.index.order(slot).count > 0 || !mayVanish(this.#context, slot)) return false;
    const entry = tree.index.firstName(slot);
    const parent = tree.index.parentOf(entry);
    tree.transaction(() => {
      removeRemote(this.#context, entry);
      tree.touchDirectory(parent);
    });
    return true;
  }

  #finish(pass: Pass, path: string): void {
    const { tree } = this.#context;
    const slot = tree.index.slotOf(pass.directory);
    if (slot === -1) return;
    // Renamed while it was listed: the pages may be incomplete, so it is listed again under its new path.
    const isCurrent = tree.remotePathOfDirectory(slot) === path;
    if (!isCurrent && pass.isFirst) throw new MovedWhileListed(path);
    if (!pass.isFirst && !tree.hasFlag(slot, inodeFlag.stale)) return;
    tree.transaction(() => {
      tree.setFlag(slot, inodeFlag.listed, true);
      tree.setFlag(slot, inodeFlag.stale, false);
      tree.touch(slot, false);
      tree.save(slot);
    });
  }
}

function newTally(): Tally {
  return { added: 0, changed: 0, removed: 0, postponed: [], isPartial: false, samples: [] };
}

export class MovedWhileListed extends Error {
  override readonly name = 'MovedWhileListed';
  constructor(path: string) {
    super(`the folder "${path}" was renamed while it was listed`);
  }
}
