// Runs the uploads: a few at once, only what is due, slower while the Hub as a whole fails. A version whose bytes the Hub
// has becomes ready for the committer, which is given many at a time. Used by the queue.

import type { PendingFile } from './upload-files.ts';
import { BackOffGate } from './upload-gate.ts';
import { uploadVersion } from './upload-job.ts';
import type { UploadParts } from './upload-parts.ts';
import { concernsWholeHub, describeFailure } from './upload-schedule.ts';
import type { OperationSelection } from './upload-selection.ts';

/** Small files mostly wait for the Hub, so more of them go at once than a large one's connections would allow. */
const concurrentUploads = 12;
const concurrentLargeUploads = 3;
const largeBytes = 4 * 1024 * 1024;
/** Frozen versions that wait for the committer; each may hold descriptors. */
const mostReadyFiles = 500;
/** Commits count against the Hub's rate limit: while uploads run, what is ready waits so long for company. */
const gatherMs = 2_000;
const gatherFiles = 200;
/** Failures of different files in a row that let the Hub as a whole be suspected. */
const suspiciousFailures = 3;

export class UploadLane {
  readonly #parts: UploadParts;
  readonly #selection: OperationSelection;
  readonly gate: BackOffGate;
  /** Running uploads and snapshots being given back; `close` waits for all. */
  readonly #work = new Set<Promise<void>>();
  readonly #busyInos = new Set<number>();
  /** Due, but too large for now; in order. */
  readonly #waitingLarge = new Set<PendingFile>();
  #uploads = 0;
  #largeUploads = 0;
  #failuresInRow = 0;
  #urgent = false;
  #closed = false;

  constructor(parts: UploadParts, selection: OperationSelection) {
    this.#parts = parts;
    this.#selection = selection;
    this.gate = new BackOffGate(parts.clock, parts.random);
  }

  /** Starts what is due; with `all` everything that waits. */
  start(all: boolean): void {
    const { files, clock } = this.#parts;
    while (this.#hasRoom()) {
      const file = this.#takeLarge() ?? files.takeDue(all ? Infinity : clock.monotonic());
      if (file === null) return;
      if (this.#busyInos.has(file.ino)) {
        files.wait(file, clock.monotonic() + 100); // its last version is still being given back
        return;
      }
      if (!all && this.#isHeldBack(file)) continue;
      const isLarge = this.#parts.namespace.sizeBytes(file.ino) >= largeBytes;
      if (isLarge && this.#largeUploads >= concurrentLargeUploads) this.#waitingLarge.add(file);
      else this.#track(this.#upload(file, isLarge));
    }
  }

  /** Monotonic time at which more can be started; null where that does not depend on time. */
  nextStartAt(): number | null {
    const dueAt = this.#parts.files.nextDueAt();
    if (
      dueAt === null ||
      this.#uploads >= concurrentUploads ||
      this.#parts.files.readyCount >= mostReadyFiles
    ) {
      return null;
    }
    return Math.max(dueAt, this.gate.opensAt);
  }

  /** Monotonic time from which ready files should be committed; null where there are none. */
  commitAt(): number | null {
    const { files } = this.#parts;
    for (const oldest of files.ready()) {
      const isComplete = this.#urgent || this.#uploads === 0 || files.readyCount >= gatherFiles;
      return isComplete ? 0 : oldest.readyAt + gatherMs;
    }
    return null;
  }

  noteCommitStarted(): void {
    this.#urgent = false;
  }

  /** See `UploadReports.abandon`. */
  abandon(file: PendingFile): void {
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
        this.#parts.reports.wake();
      }
    };
    this.#track(abandoned());
  }

  /** Stops uploads and gives back what is ready; nothing is lost. */
  async close(): Promise<void> {
    this.#closed = true;
    const { files } = this.#parts;
    for (const file of files.all()) file.abort?.abort();
    for (const file of [...files.ready()]) {
      this.abandon(file);
      files.wait(file, 0);
    }
    while (this.#work.size > 0) await Promise.all(this.#work);
  }

  #hasRoom(): boolean {
    return (
      !this.#closed &&
      this.#uploads < concurrentUploads &&
      this.#parts.files.readyCount < mostReadyFiles &&
      this.gate.isOpen()
    );
  }

  #takeLarge(): PendingFile | null {
    if (this.#largeUploads >= concurrentLargeUploads) return null;
    for (const file of this.#waitingLarge) {
      this.#waitingLarge.delete(file);
      if (this.#parts.files.get(file.ino) === file && file.phase === 'waiting') return file;
    }
    return null;
  }

  /** What could not be committed for long need not be uploaded and kept frozen. */
  #isHeldBack(file: PendingFile): boolean {
    const { namespace, operations, files, clock } = this.#parts;
    for (const { path } of namespace.uploadTargets(file.ino)) {
      const holder = operations.holderOf(path);
      const failing = holder === null ? null : this.#selection.failureOf(holder);
      if (failing === null || failing.nextTryAt <= clock.monotonic()) continue;
      files.wait(file, failing.nextTryAt);
      return true;
    }
    return false;
  }

  async #upload(file: PendingFile, isLarge: boolean): Promise<void> {
    const { files, namespace, database, reports } = this.#parts;
    const { ino } = file;
    const path = namespace.pathOf(ino) ?? '';
    const { signal } = files.startUpload(file);
    this.#uploads += 1;
    if (isLarge) this.#largeUploads += 1;
    this.#busyInos.add(ino);
    try {
      if (namespace.uploadTargets(ino).length === 0) {
        database.transaction(() => files.remove(ino));
        return;
      }
      const version = await uploadVersion(file, signal, this.#parts);
      if (signal.aborted) await version.snapshot?.abandoned();
      else this.#becomeReady(file, version);
    } catch (cause) {
      if (!signal.aborted) this.#fail(file, path, cause);
    } finally {
      this.#uploads -= 1;
      if (isLarge) this.#largeUploads -= 1;
      this.#busyInos.delete(ino);
      if (this.#closed) files.wait(file, 0);
      else reports.fileSettled(ino);
      reports.wake();
    }
  }

  #becomeReady(file: PendingFile, version: Awaited<ReturnType<typeof uploadVersion>>): void {
    const { files, namespace, operations } = this.#parts;
    files.becomeReady(file, version);
    // Operations may have waited to go in one batch with it.
    this.#urgent ||= namespace.uploadTargets(file.ino).some(({ path }) => operations.overlaps(path) > 0);
    this.gate.succeed();
    this.#failuresInRow = 0;
  }

  #fail(file: PendingFile, path: string, cause: unknown): void {
    const { files, reports, random } = this.#parts;
    const failure = describeFailure(cause);
    files.fail(file, failure, random());
    this.#failuresInRow += 1;
    if (concernsWholeHub(failure) || this.#failuresInRow >= suspiciousFailures) this.gate.fail(failure);
    reports.failed(path, failure, cause);
  }

  #track(work: Promise<void>): void {
    const tracked = work.catch((cause: unknown) => {
      this.#parts.log.error('An upload ended unexpectedly', {}, cause);
    });
    this.#work.add(tracked);
    void tracked.then(() => this.#work.delete(tracked));
  }
}
