// The namespace of a mount: loads the tree from the catalogue, ties it to content and uploads, and answers look-ups, listings
// and changes of names. The rules of each operation are in the other `namespace-*.ts` files. Used by the facade.

import { setImmediate as nextTurn } from 'node:timers/promises';
import type { ContentRef } from '../../hub/remote-store.ts';
import type { Clock, Log } from '../../shared/log.ts';
import { inodeFlag, rowOf, typeCode } from './inode-columns.ts';
import { FsError } from '../fs-error.ts';
import type { Attributes, EntryVisitor, MaybePromise } from '../file-system.ts';
import { basePath, baseRef, checkNameLength } from './namespace-context.ts';
import type { FolderListings, NamespaceContext } from './namespace-context.ts';
import { mayBeLeftover } from './local-leftovers.ts';
import { noteUsed } from './namespace-remote.ts';
import { NamelessFiles } from './namespace-nameless.ts';
import { NamespaceStore } from './namespace-store.ts';
import { NamespaceTree, rootIno } from './namespace-tree.ts';
import type {
  ActivitySink,
  CatalogueDatabase,
  ContentStore,
  InodeContentView,
  UploadQueue,
} from '../parts.ts';

const rowsPerSlice = 500;
const slotsPerSlice = 100_000;
const mostCachedRefs = 4_096;

export interface NamespaceOptions {
  readonly database: CatalogueDatabase;
  readonly clock: Clock;
  readonly log: Log;
  readonly activity: ActivitySink;
  readonly owner: { readonly uid: number; readonly gid: number };
  readonly hostName: string;
  readonly readOnly: boolean;
  readonly foldCase: boolean;
  /** The catalogue lost some of its past. */
  readonly isDamaged: boolean;
  /** Resolves when the catalogue was found whole; nothing is written before. */
  readonly sound: Promise<void>;
}

/** The neighbours, which need the namespace before they can be there themselves. */
interface Neighbours {
  content: ContentStore | null;
  uploads: UploadQueue | null;
  listings: FolderListings | null;
}

export class Namespace implements InodeContentView {
  readonly tree: NamespaceTree;
  readonly context: NamespaceContext;
  /** Files that had a name at the start that NFS clients give to what is removed while it is open. */
  readonly leftovers: readonly number[];
  readonly #neighbours: Neighbours = { content: null, uploads: null, listings: null };
  readonly #refs = new Map<number, ContentRef>();

  private constructor(
    options: NamespaceOptions,
    tree: NamespaceTree,
    nameless: NamelessFiles,
    leftovers: readonly number[],
  ) {
    this.tree = tree;
    this.leftovers = leftovers;
    const neighbours = this.#neighbours;
    this.context = {
      tree,
      nameless,
      activity: options.activity,
      clock: options.clock,
      log: options.log,
      hostName: options.hostName,
      readOnly: options.readOnly,
      get content() {
        return present(neighbours.content);
      },
      get uploads() {
        return present(neighbours.uploads);
      },
      whenListed: (directory) => present(neighbours.listings).whenListed(directory),
      noteLocalChange: (directory, remoteName) => neighbours.listings?.noteLocalChange(directory, remoteName),
    };
  }

  /** Reads the whole catalogue, yielding between slices. The root is made where it is absent. */
  static async load(options: NamespaceOptions): Promise<Namespace> {
    const store = new NamespaceStore(options.database);
    const tree = new NamespaceTree(store, options.clock, { foldCase: options.foldCase });
    for (const rows of store.inodes(rowsPerSlice)) {
      for (const row of rows) tree.loadInode(row);
      await nextTurn();
    }
    const leftovers: number[] = [];
    let lost = 0;
    for (const rows of store.entries(rowsPerSlice)) {
      lost += tree.loadEntries(rows);
      for (const { name, ino } of rows) if (mayBeLeftover(name)) leftovers.push(ino);
      await nextTurn();
    }
    const orphans = await findOrphans(tree);
    await options.sound;
    tree.startNumbers(options.isDamaged);
    const nameless = new NamelessFiles(options.database, options.clock);
    tree.transaction(() => {
      nameless.keepOnly((ino) => {
        const slot = tree.index.slotOf(ino);
        return slot !== -1 && tree.index.firstName(slot) === -1;
      });
      if (tree.index.slotOf(rootIno) === -1) createRoot(tree, options);
      const named = nameOrphans(tree, nameless, orphans);
      if (lost + named > 0) {
        options.log.error('The catalogue is damaged; files without a name are in the top folder', {
          lost,
          named,
        });
      }
    });
    return new Namespace(options, tree, nameless, leftovers);
  }

  connectContent(content: ContentStore): void {
    this.#neighbours.content = content;
  }

  connectUploads(uploads: UploadQueue): void {
    this.#neighbours.uploads = uploads;
  }

  connectListings(listings: FolderListings): void {
    this.#neighbours.listings = listings;
  }

  // ---- for content ----------------------------------------------------------------------------------------------------

  base(ino: number): ContentRef | null {
    const slot = this.tree.index.slotOf(ino);
    if (slot === -1) return null;
    const key = this.tree.baseKey(slot);
    if (key === null) return null;
    const known = this.#refs.get(ino);
    if (known?.key === key && known.sizeBytes === this.tree.baseSizeBytes(slot)) return known;
    if (this.#refs.size >= mostCachedRefs) this.#refs.clear();
    const ref =
      this.#neighbours.uploads === null
        ? { key, sizeBytes: this.tree.baseSizeBytes(slot), path: basePath(this.context, slot) }
        : baseRef(this.context, slot);
    if (ref !== null) this.#refs.set(ino, ref);
    return ref;
  }

  sizeBytes(ino: number): number {
    const slot = this.tree.index.slotOf(ino);
    return slot === -1 ? 0 : (this.tree.page(slot).sizeBytes[rowOf(slot)] ?? 0);
  }

  pathOf(ino: number): string | null {
    const slot = this.tree.index.slotOf(ino);
    if (slot === -1) return null;
    const isNamed = ino === rootIno || this.tree.index.firstName(slot) !== -1;
    return isNamed ? this.tree.pathOf(slot) : basePath(this.context, slot);
  }

  // ---- look-ups -------------------------------------------------------------------------------------------------------

  attributes(ino: number): Attributes {
    return this.tree.attributes(this.tree.slot(ino, 'getattr'));
  }

  lookup(directory: number, name: string): MaybePromise<Attributes> {
    const { tree } = this;
    const slot = tree.directorySlot(directory, 'lookup');
    noteUsed(this.context, slot);
    if (name === '.') return tree.attributes(slot);
    if (name === '..') return tree.attributes(tree.parentOfDirectory(slot));
    checkNameLength(name, 'lookup');
    const entry = tree.index.find(slot, name);
    if (entry !== -1) return tree.attributes(tree.index.inodeOf(entry));
    const listing = this.context.whenListed(directory);
    if (listing !== null) return listing.then(() => this.lookup(directory, name));
    throw new FsError('ENOENT', 'lookup', { path: name });
  }

  readLink(ino: number): string {
    const slot = this.tree.slot(ino, 'readlink');
    const target = this.tree.target(slot);
    if (target === null) throw new FsError('EINVAL', 'readlink', { path: this.tree.pathOf(slot) });
    return target;
  }

  readDirectory(directory: number, afterCookie: number, visit: EntryVisitor): MaybePromise<boolean> {
    const { index } = this.tree;
    const slot = this.tree.directorySlot(directory, 'readdir');
    noteUsed(this.context, slot);
    const listing = this.context.whenListed(directory);
    if (listing !== null) return listing.then(() => this.readDirectory(directory, afterCookie, visit));
    return index.order(slot).visit(afterCookie, (entry, cookie) => index.show(entry, cookie, visit));
  }

  parentOf(directory: number): number {
    const { tree } = this;
    return tree.index.inoOf(tree.parentOfDirectory(tree.directorySlot(directory, 'lookup')));
  }
}

function createRoot(tree: NamespaceTree, options: NamespaceOptions): void {
  const now = tree.now();
  tree.createRow({
    ino: rootIno,
    type: typeCode.directory,
    mode: options.readOnly ? 0o555 : 0o755,
    uid: options.owner.uid,
    gid: options.owner.gid,
    sizeBytes: 0,
    atime: now,
    mtime: now,
    ctime: now,
    flags: inodeFlag.kept,
    nextCookie: 3,
    baseKey: null,
    baseSizeBytes: 0,
    target: null,
    verifier: null,
  });
}

/** Numbers of inodes that have no name, yielding between slices. */
async function findOrphans({ index }: NamespaceTree): Promise<readonly number[]> {
  const found: number[] = [];
  for (let slot = 0; slot < index.inodes.slotLimit; slot += 1) {
    const ino = index.inoOf(slot);
    if (ino !== 0 && ino !== rootIno && index.firstName(slot) === -1) found.push(ino);
    if (slot % slotsPerSlice === slotsPerSlice - 1) await nextTurn();
  }
  return found;
}

/** Inodes whose names a damaged catalogue lost: they may hold unsent bytes, so they get names. Returns how many. */
function nameOrphans(tree: NamespaceTree, nameless: NamelessFiles, orphans: readonly number[]): number {
  const root = tree.slot(rootIno, 'open');
  let named = 0;
  for (const ino of orphans) {
    if (nameless.get(ino) !== null) continue;
    const name = `recovered-${ino}`;
    if (tree.index.find(root, name) === -1) tree.addName(root, name, tree.slot(ino, 'open'), 'nothing');
    named += 1;
  }
  if (named > 0) tree.touchDirectory(root);
  return named;
}

function present<T>(part: T | null): T {
  if (part === null) throw new FsError('EIO', 'open', { message: 'VirtualFs is not open yet' });
  return part;
}
