// Tells the Hub what changed, one batch at a time: logged operations in order, then the contents whose upload is done. Looks
// at the Hub before each batch so that another client's work is never overwritten, and writes down what was done after it.
// A request that fails as a whole delays the committer; a refused path delays only what overlaps it.

import { setImmediate as nextTurn } from 'node:timers/promises';
import type { RemoteFile, RemoteOperation } from '../../hub/remote-store.ts';
import { resolveConflicts } from './upload-conflicts.ts';
import { backToReady, finishGroup, handOverPlaces, type BatchInFlight } from './upload-finish.ts';
import type { PendingFile, ReadyContent } from './upload-files.ts';
import { BackOffGate } from './upload-gate.ts';
import type { LoggedTree } from './upload-log.ts';
import type { UploadParts } from './upload-parts.ts';
import { PathCounts } from './upload-paths.ts';
import { judgeGroups, linesOf, pathsToCheck, planBatch, type PlannedGroup } from './upload-plan.ts';
import { describeFailure, mayBeOneLine, type Failure } from './upload-schedule.ts';
import { longestBatchLines, type OperationSelection, type SelectedOperations } from './upload-selection.ts';

interface Chosen {
  readonly operations: SelectedOperations;
  readonly contents: readonly ReadyContent[];
  readonly files: ReadonlyMap<number, PendingFile>;
  readonly since: PathCounts;
}

export interface CommitterOrders {
  startTree(tree: LoggedTree): void;
  /** Asked between batches; false while paused. */
  mayStart(): boolean;
  /** Whether ready files should go with the next batch, or wait for more of them. */
  mayCommitFiles(): boolean;
  noteFilesTaken(): void;
}

export class UploadCommitter {
  readonly #parts: UploadParts;
  readonly #selection: OperationSelection;
  readonly #orders: CommitterOrders;
  readonly #stop = new AbortController();
  readonly gate: BackOffGate;
  #limitLines = longestBatchLines;
  #running: Promise<void> | null = null;
  #again = false;
  #since: PathCounts | null = null;
  /** What the request under way puts where for files. */
  #sending: readonly { readonly ino: number; readonly path: string; readonly key: string }[] = [];
  readonly #sendingPaths = new PathCounts();

  constructor(parts: UploadParts, selection: OperationSelection, orders: CommitterOrders) {
    this.#parts = parts;
    this.#selection = selection;
    this.#orders = orders;
    this.gate = new BackOffGate(parts.clock, parts.random);
  }

  get busy(): boolean {
    return this.#running !== null;
  }

  /** Works until nothing is due, or the Hub fails as a whole. Never throws. */
  wake(): void {
    if (this.#running !== null) {
      this.#again = true;
      return;
    }
    if (this.#stop.signal.aborted || !this.gate.isOpen()) return;
    this.#running = this.#run().then((worked) => {
      this.#running = null;
      // After a round that found nothing due a wake would only start the next such round, for ever; but one that came
      // when the last round was over must not be lost.
      if (worked || this.#again) this.#parts.reports.wake();
      else this.#parts.reports.idle();
    });
  }

  noteLogged(paths: readonly string[]): void {
    for (const path of paths) this.#since?.add(path);
  }

  /** Whether the request under way may give a file this name, or one below it. */
  isSending(path: string): boolean {
    return this.#sending.length > 0 && this.#sendingPaths.overlaps(path) > 0;
  }

  async close(): Promise<void> {
    this.#stop.abort();
    await this.#running;
  }

  async #run(): Promise<boolean> {
    let hasWorked = false;
    do {
      this.#again = false;
      const worked = await this.#round();
      if (worked) hasWorked = this.#again = true;
      // Other work of the process gets its turn between batches.
      await nextTurn();
    } while (this.#again && this.#orders.mayStart() && this.gate.isOpen() && !this.#stop.signal.aborted);
    return hasWorked;
  }

  /** Whether there was something to do. */
  async #round(): Promise<boolean> {
    let chosen: Chosen | null = null;
    let groups: readonly PlannedGroup[] = [];
    try {
      chosen = this.#choose();
      for (const tree of chosen.operations.trees) this.#orders.startTree(tree);
      if (chosen.operations.operations.length === 0 && chosen.contents.length === 0) {
        return !chosen.operations.scannedToEnd;
      }
      groups = planBatch(chosen.operations.operations, chosen.contents);
      const planned = new Set(groups.flatMap((group) => group.contents.map(({ ino }) => ino)));
      for (const file of chosen.files.values()) if (!planned.has(file.ino)) backToReady(file, this.#parts);
      await this.#commit(groups, chosen);
      this.gate.succeed();
      this.#limitLines = Math.min(longestBatchLines, this.#limitLines * 2);
    } catch (cause) {
      for (const file of chosen?.files.values() ?? []) backToReady(file, this.#parts);
      try {
        this.#takeBack();
        if (this.#stop.signal.aborted) return false;
        this.#failWhole(groups, chosen, cause);
      } catch (catalogueCause) {
        // The catalogue cannot even note the failure (a full disk): everything stays as it was and is tried again.
        this.gate.fail(describeFailure(catalogueCause));
        this.#parts.log.error('The upload queue could not note a failure', {}, catalogueCause);
      }
    } finally {
      this.#since = null;
      this.#sending = [];
      this.#sendingPaths.clear();
    }
    return true;
  }

  #choose(): Chosen {
    const since = new PathCounts();
    const contents: ReadyContent[] = [];
    const files = new Map<number, PendingFile>();
    const operations = this.#parts.database.transaction(() => this.#selection.select(this.#limitLines));
    let lines = operations.lines;
    for (const file of this.#orders.mayCommitFiles() ? this.#parts.files.ready() : []) {
      if (lines > 0 && lines >= this.#limitLines) break;
      const ready = this.#readyContent(file, operations.paths);
      if (ready === null) continue;
      contents.push(ready);
      files.set(file.ino, file);
      lines += ready.targets.length;
    }
    for (const file of files.values()) this.#parts.files.startCommit(file);
    if (files.size > 0) this.#orders.noteFilesTaken();
    this.#since = since;
    return { operations, contents, files, since };
  }

  /** Null where an operation that is not in this batch must be done before. */
  #readyContent(file: PendingFile, batchPaths: PathCounts): ReadyContent | null {
    const { namespace, operations, files, reports, database } = this.#parts;
    const { ino, version } = file;
    if (version === null) return null;
    const targets = namespace.uploadTargets(ino);
    if (targets.length === 0) {
      database.transaction(() => files.remove(ino));
      reports.fileSettled(ino);
      reports.abandon(file);
      return null;
    }
    for (const { path } of targets) {
      if (operations.overlaps(path) === batchPaths.overlaps(path)) continue;
      const holder = operations.holderOf(path);
      if (holder === null && this.#selection.makeDue()) this.#again = true;
      const failing = holder === null ? null : this.#selection.failureOf(holder);
      if (failing !== null) {
        // It may take long: the frozen layer and its place are given back.
        reports.abandon(file);
        files.wait(file, failing.nextTryAt);
      }
      return null;
    }
    return { ino, targets, content: version.content, mtimeMs: namespace.mtimeMs(ino) };
  }

  async #commit(groups: readonly PlannedGroup[], chosen: Chosen): Promise<void> {
    const { remote, sent, database } = this.#parts;
    const { signal } = this.#stop;
    const paths = pathsToCheck(groups);
    const current = new Map<string, RemoteFile>();
    if (paths.length > 0) for (const file of await remote.stat(paths, signal)) current.set(file.path, file);
    signal.throwIfAborted();
    const unfinished = database.transaction(() => {
      judgeGroups(groups, current, (key, path, sender) => sent.has(key, path, sender));
      const conflicting = resolveConflicts(groups, this.#parts);
      this.#rememberSent(groups);
      return conflicting;
    });
    const refused = new Map<string, Failure>();
    const { first } = linesOf(groups);
    if (first.length > 0) {
      await database.sync();
      await this.#send(first, refused);
    }
    const accepted = groups.filter((group) => firstRefusal(group, refused) === null);
    const { second } = linesOf(accepted);
    if (second.length > 0) await this.#send(second, refused);
    this.#conclude(groups, refused, { files: chosen.files, since: chosen.since, unfinished });
  }

  #rememberSent(groups: readonly PlannedGroup[]): void {
    const sending: { ino: number; path: string; key: string }[] = [];
    for (const group of groups) {
      for (const { path, final, source, verdict } of group.paths) {
        if (verdict?.type !== 'put' || final === null) continue;
        const { key } = final.content;
        const ino = source !== null && 'content' in source ? source.content.ino : 0;
        if (ino !== 0) sending.push({ ino, path, key });
        this.#parts.sent.remember(key, path, ino);
      }
    }
    this.#sending = sending;
    for (const { path } of sending) this.#sendingPaths.add(path);
  }

  /** The request may have happened: what it put where its file has no name any more must go. */
  #takeBack(): void {
    const { database, namespace, operations, sent } = this.#parts;
    if (this.#sending.length === 0) return;
    database.transaction(() => {
      for (const { ino, path, key } of this.#sending) {
        if (namespace.inodeAt(path) !== null || !sent.has(key, path, ino)) continue;
        operations.append({ type: 'delete', path, expect: key });
      }
    });
  }

  async #send(lines: readonly RemoteOperation[], refused: Map<string, Failure>): Promise<void> {
    const results = await this.#parts.remote.commit(lines, this.#stop.signal);
    for (const [index, { path, error }] of results.entries()) {
      if (error === null) continue;
      const goneAlready = lines[index]?.type === 'delete' && error.code === 'not-found';
      if (!goneAlready) refused.set(path, describeFailure(error));
    }
  }

  #conclude(
    groups: readonly PlannedGroup[],
    refused: ReadonlyMap<string, Failure>,
    batch: BatchInFlight,
  ): void {
    // One transaction for all: a thousand small ones would take longer than the request.
    const accepted = groups.filter((group) => firstRefusal(group, refused) === null);
    this.#parts.database.transaction(() => {
      for (const group of accepted) handOverPlaces(group, batch, this.#parts);
      for (const group of accepted) finishGroup(group, batch, this.#parts, this.#selection);
    });
    for (const group of groups) {
      const failure = firstRefusal(group, refused);
      if (failure !== null) this.#failGroup(group, failure, batch.files);
    }
  }

  #failGroup(group: PlannedGroup, failure: Failure, files: ReadonlyMap<number, PendingFile>): void {
    const { reports, random } = this.#parts;
    this.#selection.fail(group.operations, failure);
    for (const { ino } of group.contents) {
      const file = files.get(ino);
      if (file === undefined) continue;
      reports.abandon(file);
      this.#parts.files.fail(file, failure, random());
    }
    reports.failed(group.paths[0]?.path ?? '', failure, null);
  }

  #failWhole(groups: readonly PlannedGroup[], chosen: Chosen | null, cause: unknown): void {
    const failure = describeFailure(cause);
    const suspect = mayBeOneLine(failure, this.gate.attempts + 1);
    const only = groups.length === 1 ? groups[0] : undefined;
    const { reports } = this.#parts;
    if (suspect && groups.length > 1) {
      const lines = groups.reduce((sum, group) => sum + group.paths.length, 0);
      this.#limitLines = Math.max(1, Math.floor(Math.min(this.#limitLines, lines) / 2));
    }
    if (suspect && only !== undefined && chosen !== null) {
      this.#failGroup(only, failure, chosen.files);
      this.#limitLines = longestBatchLines;
    }
    // A refusal that one line explains is looked for at once, in ever smaller requests.
    if (suspect && groups.length > 0 && !['server', 'timeout', 'local'].includes(failure.code)) return;
    this.gate.fail(failure);
    reports.failed('', failure, cause);
  }
}

function firstRefusal(group: PlannedGroup, refused: ReadonlyMap<string, Failure>): Failure | null {
  if (refused.size === 0) return null;
  for (const { path } of group.paths) {
    const failure = refused.get(path);
    if (failure !== undefined) return failure;
  }
  return null;
}
