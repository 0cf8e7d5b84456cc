// Chooses the logged operations of the next batch: in order, none before an operation that it overlaps, bounded in lines
// and bytes. Keeps the operations that fail or wait, and when they are due. Used by the committer; sends nothing itself.

import type { LoggedOperation, LoggedTree } from './upload-log.ts';
import { pathsOf } from './upload-log.ts';
import type { UploadParts } from './upload-parts.ts';
import { PathCounts, type Holder } from './upload-paths.ts';
import type { PlainOperation } from './upload-plan.ts';
import { backOffDelayMs, debounceUntil, type Failure } from './upload-schedule.ts';

/** The Hub's clients send at most 1000 lines in one request. */
export const longestBatchLines = 1000;
const longestBatchBytes = 512 * 1024;

export interface FailingOperations {
  readonly seqs: readonly number[];
  readonly attempts: number;
  /** Monotonic. */
  readonly nextTryAt: number;
  readonly failure: Failure;
}

export interface SelectedOperations {
  readonly operations: readonly PlainOperation[];
  /** Paths of exactly these operations. */
  readonly paths: PathCounts;
  readonly lines: number;
  /** Folder moves whose turn has come; they are held by themselves until they are done. */
  readonly trees: readonly LoggedTree[];
  /** More rows may be ready behind those that were only put on hold. */
  readonly scannedToEnd: boolean;
}

export class OperationSelection {
  readonly #parts: UploadParts;
  /** By the number of the first operation of the group, which holds back all that overlap it. */
  readonly #failing = new Map<Holder, FailingOperations>();
  readonly #movingTrees = new Set<Holder>();
  #firstLoggedAt: number | null = null;
  #lastLoggedAt = 0;
  #dueSeq = 0;

  constructor(parts: UploadParts) {
    this.#parts = parts;
    if (parts.operations.count > 0) this.noteLogged();
  }

  /** A burst of changes of names should go as one batch, so it waits as files do. */
  noteLogged(): void {
    this.#lastLoggedAt = this.#parts.clock.monotonic();
    this.#firstLoggedAt ??= this.#lastLoggedAt;
  }

  /** All logged so far may be sent. Returns whether some had to wait before. */
  makeDue(): boolean {
    if (this.#firstLoggedAt === null) return false;
    this.#dueSeq = this.#parts.operations.lastSeq;
    this.#firstLoggedAt = null;
    return true;
  }

  retryNow(seq?: number): void {
    for (const [holder, group] of this.#failing) {
      if (seq === undefined || group.seqs.includes(seq))
        this.#failing.set(holder, { ...group, nextTryAt: 0 });
    }
  }

  failureOf(holder: Holder): FailingOperations | null {
    return this.#failing.get(holder) ?? null;
  }

  /** Monotonic time at which something becomes due that is not yet; null for none. */
  nextDueAt(): number | null {
    let next = this.#firstLoggedAt === null ? null : debounceUntil(this.#firstLoggedAt, this.#lastLoggedAt);
    for (const [holder, { nextTryAt }] of this.#failing) {
      if (!this.#movingTrees.has(holder)) next = Math.min(next ?? Infinity, nextTryAt);
    }
    return next;
  }

  select(limitLines: number): SelectedOperations {
    const { operations: log, clock } = this.#parts;
    const now = clock.monotonic();
    if (this.#firstLoggedAt === null)
      this.#dueSeq = log.lastSeq; // what our own work logged waits for nothing
    else if (this.#isDue(now, this.#firstLoggedAt)) this.makeDue();
    const releasing = log.releaseSome(longestBatchLines);
    const batch = new Batch(limitLines);
    const trees: LoggedTree[] = [];
    for (const [holder, group] of this.#failing) {
      if (group.nextTryAt > now || this.#movingTrees.has(holder)) continue;
      const operations = log.read(group.seqs);
      if (!batch.hasRoom(operations)) break;
      for (const operation of operations) {
        if (operation.type === 'moveTree') trees.push(operation);
        else batch.add(operation);
      }
    }
    const rows = log.ready(this.#dueSeq, longestBatchLines);
    let full = false;
    for (const operation of rows) {
      const holder = this.#holderOf(operation);
      if (holder !== null) log.hold(operation, holder);
      else if (operation.type === 'moveTree') {
        // What comes before it in this batch must be done first.
        full = pathsOf(operation).some((path) => batch.paths.overlaps(path) > 0);
        if (full) break;
        log.hold(operation, operation.seq);
        trees.push({ ...operation, holder: operation.seq });
      } else {
        full = !batch.hasRoom([operation]);
        if (full) break;
        batch.add(operation);
      }
    }
    for (const { seq } of trees) this.#movingTrees.add(seq);
    const scannedToEnd = !releasing && (full || rows.length < longestBatchLines);
    return { operations: batch.operations, paths: batch.paths, lines: batch.lines, trees, scannedToEnd };
  }

  #isDue(now: number, firstLoggedAt: number): boolean {
    const waiting = this.#parts.operations.lastSeq - this.#dueSeq;
    return waiting >= longestBatchLines || now >= debounceUntil(firstLoggedAt, this.#lastLoggedAt);
  }

  #holderOf(operation: LoggedOperation): Holder | null {
    const { operations: log } = this.#parts;
    for (const path of pathsOf(operation)) {
      const holder = log.holderOf(path);
      if (holder !== null) return holder;
    }
    return operation.type === 'delete'
      ? this.#awaitedContent(operation.path)
      : operation.type === 'move'
        ? this.#awaitedContent(operation.from)
        : null;
  }

  /**
   * A path that is emptied while a file of the same name is about to be uploaded (a save by rename): both go in one
   * batch, so that nobody sees the name missing meanwhile.
   */
  #awaitedContent(path: string): Holder | null {
    const { namespace, files } = this.#parts;
    const ino = namespace.inodeAt(path);
    const file = ino === null ? undefined : files.get(ino);
    if (file === undefined || file.failure !== null) return null;
    return file.phase === 'waiting' || file.phase === 'uploading' ? -file.ino : null;
  }

  /** The operations, connected by their paths, failed together. */
  fail(operations: readonly LoggedOperation[], failure: Failure): void {
    const first = operations[0];
    if (first === undefined) return;
    const { operations: log, clock, random } = this.#parts;
    const attempts = (this.#failing.get(first.seq)?.attempts ?? 0) + 1;
    this.#movingTrees.delete(first.seq);
    for (const operation of operations) log.hold(operation, first.seq);
    this.#failing.set(first.seq, {
      seqs: operations.map(({ seq }) => seq),
      attempts,
      nextTryAt: clock.monotonic() + backOffDelayMs(failure, attempts, random()),
      failure,
    });
  }

  /** In the caller's transaction: done on the Hub, or given up. */
  finish(operations: readonly LoggedOperation[]): void {
    const { operations: log, database } = this.#parts;
    log.remove(operations);
    const holders = new Set(operations.flatMap(({ holder }) => (holder > 0 ? [holder] : [])));
    database.afterCommit(() => {
      for (const holder of holders) {
        this.#failing.delete(holder);
        this.#movingTrees.delete(holder);
        log.release(holder);
      }
    });
  }
}

class Batch {
  readonly operations: PlainOperation[] = [];
  readonly paths = new PathCounts();
  lines = 0;
  #bytes = 0;
  readonly #limitLines: number;

  constructor(limitLines: number) {
    this.#limitLines = limitLines;
  }

  /** The first always fits. */
  hasRoom(operations: readonly LoggedOperation[]): boolean {
    const lines = operations.reduce((sum, operation) => sum + pathsOf(operation).length, 0);
    return this.lines === 0 || (this.lines + lines <= this.#limitLines && this.#bytes < longestBatchBytes);
  }

  add(operation: PlainOperation): void {
    this.operations.push(operation);
    for (const path of pathsOf(operation)) {
      this.paths.add(path);
      this.lines += 1;
      this.#bytes += path.length;
    }
  }
}
