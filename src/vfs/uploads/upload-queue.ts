// The persistent upload queue of a mount: decides when files and logged operations are sent, runs a few uploads and one
// committer, and shows what is pending. The work itself is in upload-job, upload-committer and move-tree.

import type { NamespaceOperation, PendingItem, UploadQueue } from '../parts.ts';
import { FsError } from '../fs-error.ts';
import { TreeMover } from './move-tree.ts';
import { UploadCommitter } from './upload-committer.ts';
import { UploadFiles } from './upload-files.ts';
import { flushStopped, FlushWaiters } from './upload-flushes.ts';
import { UploadLane } from './upload-lane.ts';
import { pathsOf, UploadLog } from './upload-log.ts';
import type { UploadParts, UploadSurroundings } from './upload-parts.ts';
import type { Failure } from './upload-schedule.ts';
import { parsePendingId, PendingView } from './upload-pending.ts';
import { OperationSelection } from './upload-selection.ts';
import { SentVersions } from './upload-sent.ts';

/** Takes up what earlier runs left unsent. Rejects only if the catalogue cannot be read. */
export function openUploadQueue(surroundings: UploadSurroundings): Promise<UploadQueue> {
  return Promise.resolve().then(() => new PersistentUploadQueue(surroundings));
}

class PersistentUploadQueue implements UploadQueue {
  readonly #parts: UploadParts;
  readonly #selection: OperationSelection;
  readonly #committer: UploadCommitter;
  readonly #mover: TreeMover;
  readonly #lane: UploadLane;
  readonly #view: PendingView;
  readonly #flushes = new FlushWaiters();
  #paused = false;
  #closed = false;
  #wakeQueued = false;
  #timer: { readonly at: number; cancel(): void } | null = null;

  constructor(surroundings: UploadSurroundings) {
    const { database, clock, log } = surroundings;
    this.#parts = {
      ...surroundings,
      random: surroundings.random ?? Math.random,
      files: new UploadFiles(database, clock),
      operations: new UploadLog(database, log),
      sent: new SentVersions(database),
      reports: {
        fileSettled: (ino) => this.#parts.operations.release(-ino),
        failed: (path, failure, cause) => this.#noteFailure(path, failure, cause),
        abandon: (file) => this.#lane.abandon(file),
        wake: () => this.#wake(),
        idle: () => {
          this.#settleWhenEmpty();
          this.#setTimer();
        },
      },
    };
    this.#parts.files.recover(surroundings.content.staged().map(({ ino }) => ino));
    this.#takeBack();
    this.#selection = new OperationSelection(this.#parts);
    this.#lane = new UploadLane(this.#parts, this.#selection);
    this.#mover = new TreeMover(this.#parts, this.#selection);
    this.#committer = new UploadCommitter(this.#parts, this.#selection, {
      startTree: (tree) => this.#mover.start(tree),
      mayStart: () => this.#mayStart(),
      mayCommitFiles: () => (this.#lane.commitAt() ?? Infinity) <= clock.monotonic(),
      noteFilesTaken: () => this.#lane.noteCommitStarted(),
    });
    this.#view = new PendingView(this.#parts, this.#selection, {
      commitGate: this.#committer.gate,
      uploadGate: this.#lane.gate,
      isMoving: (seq) => this.#mover.isMoving(seq),
    });
    this.#wake();
  }

  /** An earlier run ended while a request was under way, and the name that it gave a file is gone. */
  #takeBack(): void {
    const { database, namespace, operations, sent } = this.#parts;
    database.transaction(() => {
      for (const { key, path } of sent.filesSent()) {
        if (namespace.inodeAt(path) !== null || operations.overlaps(path) > 0) continue;
        operations.append({ type: 'delete', path, expect: key });
      }
    });
  }

  // ---- what the namespace and the facade tell -----------------------------------------------------------------------

  noteChanged(ino: number): void {
    const known = this.#parts.files.get(ino) !== undefined;
    this.#parts.files.change(ino);
    if (!known) this.#wakeAfterCommit();
  }

  noteCommittedLocally(ino: number): void {
    this.#parts.files.noteSafe(ino);
  }

  noteRemoved(ino: number): void {
    const { files, database, reports } = this.#parts;
    const file = files.get(ino);
    files.remove(ino);
    if (file === undefined) return;
    database.afterCommit(() => {
      file.abort?.abort();
      if (file.phase === 'ready') reports.abandon(file);
      reports.fileSettled(ino);
      this.#wake();
    });
  }

  log(operation: NamespaceOperation): void {
    this.#parts.operations.append(operation);
    this.#committer.noteLogged(pathsOf(operation));
    this.#selection.noteLogged();
    this.#wakeAfterCommit();
  }

  isPathPending(path: string): boolean {
    return this.#parts.operations.overlaps(path) > 0 || this.#committer.isSending(path);
  }

  unsureKey(path: string): string | null {
    return this.#committer.isSending(path) ? null : this.#parts.sent.keyAt(path);
  }

  remotePathNow(path: string): string {
    return this.#parts.operations.pathNow(path);
  }

  // ---- what people ask ------------------------------------------------------------------------------------------------

  pendingTotals(): { readonly files: number; readonly bytes: number } {
    const { files, operations, content } = this.#parts;
    let bytes = 0;
    if (files.size > 0) {
      for (const { ino, dirtyBytes } of content.staged())
        if (files.get(ino) !== undefined) bytes += dirtyBytes;
    }
    return { files: files.size + operations.count, bytes };
  }

  pending(): readonly PendingItem[] {
    return this.#view.items();
  }

  // ---- orders ---------------------------------------------------------------------------------------------------------

  flush(signal?: AbortSignal): Promise<void> {
    if (this.#closed) return Promise.reject(flushStopped());
    const flushed = this.#flushes.wait(signal);
    this.retryNow();
    return flushed;
  }

  retryNow(id?: string): void {
    this.#lane.gate.open();
    this.#committer.gate.open();
    const target = id === undefined ? null : parsePendingId(id);
    if (id === undefined) {
      for (const file of this.#parts.files.all()) this.#parts.files.retryNow(file);
      this.#selection.retryNow();
    } else if (target?.kind === 'file') {
      const file = this.#parts.files.get(target.number);
      if (file !== undefined) this.#parts.files.retryNow(file);
    } else if (target !== null) this.#selection.retryNow(target.number);
    this.#wake();
  }

  /** What runs (an upload, a batch, the rename of a folder) ends by itself; nothing new starts. A `flush` overrules it. */
  pause(): void {
    this.#paused = true;
    this.#wake();
  }

  resume(): void {
    this.#paused = false;
    this.#wake();
  }

  discard(id: string): void {
    const { database, namespace, operations, log } = this.#parts;
    const target = parsePendingId(id);
    if (target === null) return;
    if (target.kind === 'file') {
      if (this.#parts.files.get(target.number) === undefined) return;
      database.transaction(() => {
        this.noteRemoved(target.number);
        namespace.noteDiscarded(target.number);
      });
      log.warn('Unsent changes of a file were discarded on request', { ino: target.number });
      return;
    }
    if (this.#mover.isMoving(target.number)) this.#mover.stop(target.number);
    const found = operations.read([target.number]);
    if (found.length === 0) return;
    database.transaction(() => this.#selection.finish(found));
    namespace.relist(found.flatMap(pathsOf));
    log.warn('A change of names was discarded on request', { operation: target.number });
    this.#wake();
  }

  async close(): Promise<void> {
    if (!this.#closed) {
      this.#closed = true;
      this.#timer?.cancel();
      this.#timer = null;
      this.#flushes.reject(flushStopped());
    }
    await Promise.all([this.#committer.close(), this.#mover.close()]);
    await this.#lane.close();
  }

  // ---- the pump ---------------------------------------------------------------------------------------------------------

  #wakeAfterCommit(): void {
    this.#parts.database.afterCommit(() => this.#wake());
  }

  /** Callers are often inside a transaction or a callback of a part, so the work starts in a turn of its own. */
  #wake(): void {
    if (this.#wakeQueued || this.#closed) return;
    this.#wakeQueued = true;
    queueMicrotask(() => {
      this.#wakeQueued = false;
      if (!this.#closed) this.#pump();
    });
  }

  #pump(): void {
    const forced = this.#flushes.any;
    if (this.#mayStart()) {
      if (forced) this.#selection.makeDue();
      this.#lane.start(forced);
      // With nothing queued a round would only keep `flush` from seeing that.
      if (this.#parts.files.size > 0 || this.#parts.operations.count > 0) this.#committer.wake();
    }
    this.#settleWhenEmpty();
    this.#setTimer();
  }

  #mayStart(): boolean {
    return !this.#paused || this.#flushes.any;
  }

  #noteFailure(path: string, failure: Failure, cause: unknown): void {
    this.#parts.activity.record('UPLOAD', path, { detail: `failed: ${failure.message}` });
    this.#parts.log.warn('Sending failed and is tried again', {
      path,
      code: failure.code,
      cause: failure.message,
    });
    const error = new FsError('EIO', 'flush', {
      ...(path === '' ? {} : { path }),
      message: failure.message,
      cause,
    });
    this.#flushes.reject(error);
  }

  #settleWhenEmpty(): void {
    const { files, operations, sent } = this.#parts;
    if (files.size > 0 || operations.count > 0 || this.#committer.busy) return;
    sent.clear();
    this.#flushes.resolve();
  }

  #setTimer(): void {
    const at = this.#closed ? null : this.#nextDueAt();
    if (at === this.#timer?.at) return;
    this.#timer?.cancel();
    this.#timer = null;
    if (at === null) return;
    const { clock } = this.#parts;
    // Whole milliseconds, at least one: what is due by now has just been tried, and a fraction may round to no time at all.
    const delayMs = Math.max(1, Math.ceil(at - clock.monotonic()));
    const timer = clock.schedule(delayMs, () => {
      if (this.#timer?.at === at) this.#timer = null;
      this.#wake();
    });
    this.#timer = { at, cancel: () => timer.cancel() };
  }

  /** Monotonic; null where nothing waits for time. */
  #nextDueAt(): number | null {
    if (!this.#mayStart()) return null;
    const { files, operations } = this.#parts;
    let next = this.#lane.nextStartAt() ?? Infinity;
    if (operations.count > 0 || files.readyCount > 0) {
      const gateAt = this.#committer.gate.opensAt;
      // What could go already has been tried and waits for something else than time.
      const commitAt = this.#lane.commitAt() ?? 0;
      const gathered = commitAt > this.#parts.clock.monotonic() ? commitAt : null;
      const dueAt = earlier(this.#selection.nextDueAt(), gathered);
      if (!this.#committer.gate.isOpen()) next = Math.min(next, Math.max(gateAt, dueAt ?? gateAt));
      else if (dueAt !== null && !this.#committer.busy) next = Math.min(next, dueAt);
    }
    return next === Infinity ? null : next;
  }
}

function earlier(one: number | null, other: number | null): number | null {
  return one === null ? other : other === null ? one : Math.min(one, other);
}
