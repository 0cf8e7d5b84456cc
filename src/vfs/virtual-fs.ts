// The file system of one mount: opens the catalogue, namespace, content, uploads and poller of a source and answers the
// protocol server. It delegates everything; its own job is the order of opening and closing. Used by the host and by tests.

import { mkdirSync } from 'node:fs';
import type { RemoteStore } from '../hub/remote-store.ts';
import type { Counters } from '../shared/activity.ts';
import type { Clock, Log } from '../shared/log.ts';
import { ActivityLog } from './activity-log.ts';
import type { OpenCatalogueDatabase } from './storage/catalogue-database.ts';
import { loadOrRebuildCatalogue } from './namespace/catalogue-recovery.ts';
import { openContentStore } from './content/content-store.ts';
import { FileIo, type ReadResult } from './file-io.ts';
import type {
  Attributes,
  Caller,
  Change,
  Created,
  CreateMode,
  EntryVisitor,
  FileSystem,
  MaybePromise,
  SetAttributes,
  Space,
  Time,
} from './file-system.ts';
import { ChangeBatch } from './namespace/change-batch.ts';
import { generationOf } from './namespace/generation.ts';
import { sweepLeftovers, systemBoot, type Boot } from './namespace/local-leftovers.ts';
import { Namespace } from './namespace/namespace.ts';
import { setAttributes } from './namespace/namespace-attributes.ts';
import {
  createFile,
  isPlainCreate,
  linkFile,
  makeDirectory,
  makeSymlink,
} from './namespace/namespace-create.ts';
import { removeDirectory, removeFile } from './namespace/namespace-remove.ts';
import { renameEntry, type Renamed } from './namespace/namespace-rename.ts';
import { giveNameBack } from './namespace/namespace-return.ts';
import { rootIno } from './namespace/namespace-tree.ts';
import { UploadNames } from './namespace/namespace-uploads.ts';
import type { ContentStore, UploadQueue } from './parts.ts';
import { RemotePoller, type PollStatus } from './remote/remote-poller.ts';
import { RemoteTree } from './remote/remote-tree.ts';
import { RoomMaker } from './content/room-maker.ts';
import type { StagingDisk } from './storage/staging-disk.ts';
import { openUploadQueue } from './uploads/upload-queue.ts';

const defaultPollIntervalMs = 30_000;
/** The catalogue's limit is far away; programs only want a number that does not worry them. */
const spareFiles = 1_000_000_000;

export interface VirtualFsOptions {
  readonly remote: RemoteStore;
  /** Of this source: catalogue, staging. Made where absent. */
  readonly dataDir: string;
  /** Shared by all mounts. Made where absent. */
  readonly cacheDir: string;
  readonly cacheLimitBytes: number;
  readonly owner: { readonly uid: number; readonly gid: number };
  /** A source that cannot be written is read-only in any case. */
  readonly readOnly?: boolean;
  readonly pollIntervalMs?: number;
  /** For the names of conflicting versions. */
  readonly hostName: string;
  readonly clock: Clock;
  readonly log: Log;
  /** Look-ups fall back to names that differ in case (macOS). */
  readonly foldCase?: boolean;
  /** The run of this machine's kernel, if not as the system says. */
  readonly boot?: Boot;
  /** Tests kill the process at steps of the disk and of the catalogue with these, or let calls fail. */
  readonly disk?: StagingDisk;
  readonly wrapDatabase?: (database: OpenCatalogueDatabase) => OpenCatalogueDatabase;
}

export interface VirtualFsStatus extends PollStatus {
  readonly inodes: number;
  readonly cache: { readonly usedBytes: number; readonly limitBytes: number };
  /** What was found damaged at this start and set aside, for a person; null for nothing. */
  readonly damage: string | null;
}

interface Parts {
  readonly options: VirtualFsOptions;
  readonly readOnly: boolean;
  readonly database: OpenCatalogueDatabase;
  readonly namespace: Namespace;
  readonly content: ContentStore;
  readonly uploads: UploadQueue;
  readonly activity: ActivityLog;
  readonly remoteTree: RemoteTree;
  readonly poller: RemotePoller;
}

export class VirtualFs implements FileSystem {
  readonly rootIno = rootIno;
  readonly readOnly: boolean;
  readonly generation: Uint8Array;
  readonly uploads: UploadQueue;
  readonly activity: ActivityLog;
  readonly #parts: Parts;
  readonly #io: FileIo;
  readonly #damage: string | null;
  readonly #room: RoomMaker;
  readonly #batch: ChangeBatch;
  #closing: Promise<void> | null = null;

  /** Reads the catalogue and recovers what was staged; the Hub need not be reachable. */
  static async open(options: VirtualFsOptions): Promise<VirtualFs> {
    mkdirSync(options.dataDir, { recursive: true });
    mkdirSync(options.cacheDir, { recursive: true });
    const paths: { of: (ino: number) => string | null } = { of: () => null };
    const activity = new ActivityLog(options.clock, (ino) => paths.of(ino));
    const { loaded, damage } = await loadOrRebuildCatalogue(
      options.dataDir,
      options.clock,
      options.log,
      async (opened, isDamaged, sound) => {
        const database = options.wrapDatabase?.(opened) ?? opened;
        return { database, namespace: await loadNames(options, database, activity, isDamaged, sound) };
      },
    );
    paths.of = (ino) => loaded.namespace.pathOf(ino);
    const closers: (() => Promise<void>)[] = [() => loaded.database.close()];
    try {
      const fileSystem = new VirtualFs(
        await openParts(options, { ...loaded, activity, readOnly: isReadOnly(options) }, closers),
        damage,
      );
      fileSystem.#parts.poller.start();
      fileSystem.#parts.remoteTree.whenListed(rootIno)?.catch((error: unknown) => {
        options.log.warn('The top folder has not been listed yet', { cause: String(error) });
      });
      return fileSystem;
    } catch (cause) {
      for (const close of closers.toReversed()) await close();
      throw cause;
    }
  }

  private constructor(parts: Parts, damage: string | null) {
    this.#parts = parts;
    this.#damage = damage;
    const { options, activity, content } = parts;
    this.#room = new RoomMaker({ activity, log: options.log }, options.dataDir, (bytes) =>
      content.evict(bytes),
    );
    this.#batch = new ChangeBatch(parts.namespace.tree, (work) => this.#room.run(work));
    if (damage !== null) parts.activity.record('ERROR', '', { detail: damage });
    this.readOnly = parts.readOnly;
    this.generation = generationOf(parts.options.remote.info.identifier);
    this.uploads = parts.uploads;
    this.activity = parts.activity;
    this.#io = new FileIo(parts.namespace.context);
  }

  // ---- for the host -----------------------------------------------------------------------------------------------------

  counters(): Counters {
    return this.activity.counters();
  }

  status(): VirtualFsStatus {
    const { poller, content, namespace } = this.#parts;
    return {
      ...poller.status(),
      inodes: namespace.tree.index.inodeCount,
      cache: content.cacheUse(),
      damage: this.#damage,
    };
  }

  /** Looks for changes on the Hub at once; rejects where it cannot be reached. */
  refresh(): Promise<void> {
    return this.#parts.poller.refresh();
  }

  retry(id?: string): void {
    this.uploads.retryNow(id);
  }

  /** Gives up unsent changes for good, only on a person's explicit wish. */
  discard(id: string): void {
    this.uploads.discard(id);
  }

  /** Frees clean cached content; resolves to the bytes freed. */
  evict(bytes: number): Promise<number> {
    return this.#parts.content.evict(bytes);
  }

  /** Stops everything; what is unsent stays for the next open. The remote store stays open: it is the caller's. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    const { poller, remoteTree, uploads, content, database } = this.#parts;
    // Together: a round of the poller ends when the listings that it waits for are given up.
    await Promise.all([poller.close(), remoteTree.close()]);
    await uploads.close();
    this.#io.close();
    await content.close();
    await database.sync();
    await database.close();
  }

  // ---- FileSystem -------------------------------------------------------------------------------------------------------

  writeVerifier(): Uint8Array {
    return this.#parts.content.writeVerifier();
  }

  getAttributes(ino: number): Attributes {
    return this.#parts.namespace.attributes(ino);
  }

  lookup(directory: number, name: string): MaybePromise<Attributes> {
    return this.#parts.namespace.lookup(directory, name);
  }

  setAttributes(ino: number, changes: SetAttributes, caller: Caller, guard?: Time): MaybePromise<Change> {
    return this.#room.run(() => setAttributes(this.#parts.namespace.context, ino, changes, caller, guard));
  }

  readLink(ino: number): string {
    return this.#parts.namespace.readLink(ino);
  }

  read(ino: number, offset: number, target: Uint8Array, isAlone = false): MaybePromise<ReadResult> {
    return this.#io.read(ino, offset, target, isAlone);
  }

  write(ino: number, offset: number, data: Uint8Array): MaybePromise<Change> {
    return this.#io.write(ino, offset, data);
  }

  commit(ino: number): Promise<Attributes> {
    return this.#io.commit(ino);
  }

  create(directory: number, name: string, how: CreateMode, caller: Caller): Promise<Created> {
    const { context } = this.#parts.namespace;
    return this.#batch.run(
      () => createFile(context, directory, name, how, caller),
      () => isPlainCreate(context, directory, name, how),
    );
  }

  makeDirectory(
    directory: number,
    name: string,
    attributes: SetAttributes,
    caller: Caller,
  ): Promise<Created> {
    return this.#batch.run(() =>
      makeDirectory(this.#parts.namespace.context, directory, name, attributes, caller),
    );
  }

  makeSymlink(
    directory: number,
    name: string,
    target: string,
    attributes: SetAttributes,
    caller: Caller,
  ): Promise<Created> {
    return this.#batch.run(() =>
      makeSymlink(this.#parts.namespace.context, directory, name, target, attributes, caller),
    );
  }

  link(
    ino: number,
    directory: number,
    name: string,
  ): Promise<{ readonly attributes: Attributes; readonly directory: Change }> {
    return this.#batch.run(() => linkFile(this.#parts.namespace.context, ino, directory, name));
  }

  remove(directory: number, name: string): Promise<Change> {
    return this.#batch.run(() => removeFile(this.#parts.namespace.context, directory, name));
  }

  removeDirectory(directory: number, name: string): Promise<Change> {
    return this.#batch.run(() => removeDirectory(this.#parts.namespace.context, directory, name));
  }

  rename(
    fromDirectory: number,
    fromName: string,
    toDirectory: number,
    toName: string,
  ): MaybePromise<Renamed> {
    return this.#room.run(() =>
      renameEntry(this.#parts.namespace.context, fromDirectory, fromName, toDirectory, toName),
    );
  }

  readDirectory(directory: number, afterCookie: number, visit: EntryVisitor): MaybePromise<boolean> {
    return this.#parts.namespace.readDirectory(directory, afterCookie, visit);
  }

  sync(): Promise<void> {
    return this.#parts.database.sync();
  }

  space(): Space {
    const { totalBytes, freeBytes } = this.#parts.content.space();
    const used = this.#parts.namespace.tree.index.inodeCount;
    return { totalBytes, freeBytes, totalFiles: used + spareFiles, freeFiles: spareFiles };
  }

  parentOf(directory: number): number {
    return this.#parts.namespace.parentOf(directory);
  }

  pathOf(ino: number): string | null {
    return this.#parts.namespace.pathOf(ino);
  }
}

function isReadOnly({ readOnly, remote }: VirtualFsOptions): boolean {
  return readOnly === true || !remote.info.writable;
}

function loadNames(
  options: VirtualFsOptions,
  database: OpenCatalogueDatabase,
  activity: ActivityLog,
  isDamaged: boolean,
  sound: Promise<void>,
): Promise<Namespace> {
  const { clock, log, owner, hostName, foldCase = false } = options;
  const readOnly = isReadOnly(options);
  const parts = { database, clock, log, activity, readOnly, owner, hostName, foldCase, isDamaged, sound };
  return Namespace.load(parts);
}

/** Opens part after part; `closers` get what must be undone if a later one fails. */
async function openParts(
  options: VirtualFsOptions,
  first: Pick<Parts, 'database' | 'namespace' | 'activity' | 'readOnly'>,
  closers: (() => Promise<void>)[],
): Promise<Parts> {
  const { remote, clock, log } = options;
  const { database, namespace, activity } = first;
  const surroundings = { remote, clock, log, activity, database };
  const content = await openContentStore({
    ...surroundings,
    dataDir: options.dataDir,
    cacheDir: options.cacheDir,
    cacheLimitBytes: options.cacheLimitBytes,
    inodes: namespace,
    ...(options.disk === undefined ? {} : { disk: options.disk }),
  });
  closers.push(() => content.close());
  namespace.connectContent(content);
  const link: { poller: RemotePoller | null } = { poller: null };
  const remoteTree = new RemoteTree(namespace.context, remote, ({ error }) =>
    link.poller?.noteOutcome(error),
  );
  closers.push(() => remoteTree.close());
  namespace.connectListings(remoteTree);
  const names = new UploadNames(namespace.context, namespace, (directories) =>
    remoteTree.relistSoon(directories),
  );
  const uploads = await openUploadQueue({
    ...surroundings,
    content,
    namespace: names,
    hostName: options.hostName,
  });
  closers.push(() => uploads.close());
  namespace.connectUploads(uploads);
  // The queue takes up everything staged; what is local-only is never sent.
  database.transaction(() => {
    for (const { ino } of content.staged()) {
      const slot = namespace.tree.index.slotOf(ino);
      if (slot !== -1) giveNameBack(namespace.context, slot);
      if (names.uploadTargets(ino).length === 0) uploads.noteRemoved(ino);
    }
  });
  sweepLeftovers(namespace.context, namespace.leftovers, options.boot ?? systemBoot(clock));
  const poller = new RemotePoller(namespace.context, remoteTree, {
    remote,
    database,
    intervalMs: options.pollIntervalMs ?? defaultPollIntervalMs,
  });
  link.poller = poller;
  return { ...first, options, content, uploads, remoteTree, poller };
}
