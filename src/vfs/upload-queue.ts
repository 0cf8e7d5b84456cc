// The persistent upload queue of a mount: decides when files and logged operations are sent, runs a few uploads and one
// committer, and shows what is pending. The work itself is in upload-job, upload-committer and move-tree.

import type { NamespaceOperation, PendingItem, UploadQueue } from './parts.ts';
import { FsError } from './fs-error.ts';
import { TreeMover } from './move-tree.ts';
import { UploadCommitter } from './upload-committer.ts';
import { UploadFiles, type PendingFile } from './upload-files.ts';
import { flushStopped, FlushWaiters } from './upload-flushes.ts';
import { BackOffGate } from './upload-gate.ts';
import { uploadVersion } from './upload-job.ts';
import { pathsOf, UploadLog } from './upload-log.ts';
import type { UploadParts, UploadSurroundings } from './upload-parts.ts';
import { concernsWholeHub, describeFailure, type Failure } from './upload-schedule.ts';
import { parsePendingId, PendingView } from './upload-pending.ts';
import { OperationSelection } from './upload-selection.ts';
import { SentVersions } from './upload-sent.ts';

/** More at once gain nothing: one upload keeps several connections busy. */
const concurrentUploads = 3;
/** Frozen versions that wait for the committer; each may hold descriptors. */
const mostReadyFiles = 500;
/** Failures of different files in a row that let the Hub as a whole be suspected. */
const suspiciousFailures = 3;

/** Takes up what earlier runs left unsent. Rejects only if the catalogue cannot be read. */
export function openUploadQueue(surroundings: UploadSurroundings): Promise<UploadQueue> {
  return Promise.resolve().then(() => new PersistentUploadQueue(surroundings));
}

class PersistentUploadQueue implements UploadQueue {
  readonly #parts: UploadParts;
  readonly #selection: OperationSelection;
  readonly #committer: UploadCommitter;
  readonly #mover: TreeMover;
  readonly #uploadGate: BackOffGate;
  readonly #view: PendingView;
  /** Running uploads and snapshots being given back; `close` waits for all. */
  readonly #work = new Set<Promise<void>>();
  readonly #busyInos = new Set<number>();
  readonly #flushes = new FlushWaiters();
  #uploads = 0;
  #failuresInRow = 0;
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
        abandon: (file) => this.#abandon(file),
        wake: () => this.#wake(),
        idle: () => {
          this.#settleWhenEmpty();
          this.#setTimer();
        },
      },
    };
    this.#parts.files.recover(surroundings.content.staged().map(({ ino }) => ino));
    this.#selection = new OperationSelection(this.#parts);
    this.#mover = new TreeMover(this.#parts, this.#selection);
    this.#committer = new UploadCommitter(this.#parts, this.#selection, {
      startTree: (tree) => this.#mover.start(tree),
      mayStart: () => this.#mayStart(),
    });
    this.#uploadGate = new BackOffGate(clock, this.#parts.random);
    this.#view = new PendingView(this.#parts, this.#selection, {
      commitGate: this.#committer.gate,
      uploadGate: this.#uploadGate,
      isMoving: (seq) => this.#mover.isMoving(seq),
    });
    this.#wake();
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
    return this.#parts.operations.overlaps(path) > 0;
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
    this.#uploadGate.open();
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
      for (const file of this.#parts.files.all()) file.abort?.abort();
    }
    await Promise.all([this.#committer.close(), this.#mover.close()]);
    for (const file of [...this.#parts.files.ready()]) {
      this.#abandon(file);
      this.#parts.files.wait(file, 0);
    }
    while (this.#work.size > 0) await Promise.all(this.#work);
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
      this.#startUploads(forced);
      // With nothing queued a round would only keep `flush` from seeing that.
      if (this.#parts.files.size > 0 || this.#parts.operations.count > 0) this.#committer.wake();
    }
    this.#settleWhenEmpty();
    this.#setTimer();
  }

  #mayStart(): boolean {
    return !this.#paused || this.#flushes.any;
  }

  #startUploads(forced: boolean): void {
    const { files, clock } = this.#parts;
    while (this.#canUpload()) {
      const file = files.takeDue(forced ? Infinity : clock.monotonic());
      if (file === null) return;
      if (this.#busyInos.has(file.ino)) {
        files.wait(file, clock.monotonic() + 100); // its last version is still being given back
        return;
      }
      if (!forced && this.#isHeldBack(file)) continue;
      this.#track(this.#upload(file));
    }
  }

  #canUpload(): boolean {
    return (
      this.#uploads < concurrentUploads &&
      this.#parts.files.readyCount < mostReadyFiles &&
      this.#uploadGate.isOpen()
    );
  }

  /** What could not be committed for long need not be uploaded and kept frozen. */
  #isHeldBack(file: PendingFile): boolean {
    const { namespace, operations, files } = this.#parts;
    for (const { path } of namespace.uploadTargets(file.ino)) {
      const holder = operations.holderOf(path);
      const failing = holder === null ? null : this.#selection.failureOf(holder);
      if (failing === null || failing.nextTryAt <= this.#parts.clock.monotonic()) continue;
      files.wait(file, failing.nextTryAt);
      return true;
    }
    return false;
  }

  async #upload(file: PendingFile): Promise<void> {
    const { files, namespace, operations, reports, random } = this.#parts;
    const { ino } = file;
    const path = namespace.pathOf(ino) ?? '';
    files.startUpload(file);
    const signal = file.abort?.signal ?? AbortSignal.abort();
    this.#uploads += 1;
    this.#busyInos.add(ino);
    try {
      if (namespace.uploadTargets(ino).length === 0) {
        this.#parts.database.transaction(() => files.remove(ino));
        return;
      }
      const onProgress = (doneBytes: number, totalBytes: number): void => {
        file.doneBytes = doneBytes;
        file.totalBytes = totalBytes;
      };
      const version = await uploadVersion({ ino, signal, onProgress }, this.#parts);
      if (signal.aborted) await version.snapshot?.abandoned();
      else {
        files.becomeReady(file, version);
        this.#uploadGate.succeed();
        this.#failuresInRow = 0;
      }
    } catch (cause) {
      if (signal.aborted) return;
      const failure = describeFailure(cause);
      files.fail(file, failure, random());
      this.#failuresInRow += 1;
      if (concernsWholeHub(failure) || this.#failuresInRow >= suspiciousFailures)
        this.#uploadGate.fail(failure);
      reports.failed(path, failure, cause);
    } finally {
      this.#uploads -= 1;
      this.#busyInos.delete(ino);
      if (this.#closed) files.wait(file, 0);
      else operations.release(-ino);
      this.#wake();
    }
  }

  #abandon(file: PendingFile): void {
    const { ino } = file;
    const snapshot = file.version?.snapshot ?? null;
    file.version = null;
    if (snapshot === null) return;
    this.#busyInos.add(ino);
    const abandoned = async (): Promise<void> => {
      try {
        await snapshot.abandoned();
      } catch (cause) {
        this.#parts.log.error('A frozen version could not be given back', { ino }, cause);
      } finally {
        this.#busyInos.delete(ino);
        this.#wake();
      }
    };
    this.#track(abandoned());
  }

  #track(work: Promise<void>): void {
    const tracked = work.catch((cause: unknown) => {
      this.#parts.log.error('An upload ended unexpectedly', {}, cause);
    });
    this.#work.add(tracked);
    void tracked.then(() => this.#work.delete(tracked));
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
    const timer = clock.schedule(Math.max(0, at - clock.monotonic()), () => {
      if (this.#timer?.at === at) this.#timer = null;
      this.#wake();
    });
    this.#timer = { at, cancel: () => timer.cancel() };
  }

  /** Monotonic; null where nothing waits for time. */
  #nextDueAt(): number | null {
    if (!this.#mayStart()) return null;
    const { files, operations } = this.#parts;
    let next = Infinity;
    const fileDueAt = files.nextDueAt();
    if (fileDueAt !== null && this.#uploads < concurrentUploads && files.readyCount < mostReadyFiles) {
      next = Math.max(fileDueAt, this.#uploadGate.opensAt);
    }
    if (operations.count > 0 || files.readyCount > 0) {
      const gateAt = this.#committer.gate.opensAt;
      const dueAt = this.#selection.nextDueAt();
      if (!this.#committer.gate.isOpen()) next = Math.min(next, Math.max(gateAt, dueAt ?? gateAt));
      else if (dueAt !== null && !this.#committer.busy) next = Math.min(next, dueAt);
    }
    return next === Infinity ? null : next;
  }
}
