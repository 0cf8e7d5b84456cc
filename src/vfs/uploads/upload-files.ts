// The files that have something unsent: their states, when each is due, and the table that keeps them over a restart. It
// starts nothing by itself; the queue asks what is due, the committer takes what is ready. Times are monotonic milliseconds.

import type { StatementSync } from 'node:sqlite';
import type { ContentRef } from '../../hub/remote-store.ts';
import type { Transfer } from '../../shared/activity.ts';
import type { Clock } from '../../shared/log.ts';
import { applySchema } from '../storage/catalogue-database.ts';
import type { CatalogueDatabase, Snapshot, UploadTarget } from '../parts.ts';
import { DueTimes } from './upload-due-times.ts';
import { backOffDelayMs, debounceUntil, type Failure } from './upload-schedule.ts';

/** Content the Hub has, about to be given its names. */
export interface ReadyContent {
  readonly ino: number;
  readonly targets: readonly UploadTarget[];
  readonly content: ContentRef;
  readonly mtimeMs: number;
}

export interface UploadedVersion {
  /** Null where nothing was staged: the base as it is goes to a further name. */
  readonly snapshot: Snapshot | null;
  readonly content: ContentRef;
  /** Null where nothing had to be uploaded. */
  readonly transfer: Transfer | null;
}

export type FilePhase = 'waiting' | 'uploading' | 'ready' | 'committing';

export interface PendingFile {
  readonly ino: number;
  phase: FilePhase;
  /** Of changes that are in no snapshot yet; null for none. */
  firstChangeAt: number | null;
  lastChangeAt: number;
  /** The program asked for its data to be on disk, and nothing changed since. */
  safe: boolean;
  /** Not before this time, whatever the debounce says. */
  notBefore: number;
  attempts: number;
  failure: Failure | null;
  doneBytes: number;
  totalBytes: number;
  uploadStartedAt: number;
  readyAt: number;
  abort: AbortController | null;
  version: UploadedVersion | null;
}

const schema = ['CREATE TABLE upload_files (ino INTEGER PRIMARY KEY) STRICT;'];

export class UploadFiles {
  readonly #database: CatalogueDatabase;
  readonly #clock: Clock;
  readonly #files = new Map<number, PendingFile>();
  readonly #ready = new Map<number, PendingFile>();
  readonly #due = new DueTimes();
  readonly #insert: StatementSync;
  readonly #delete: StatementSync;

  constructor(database: CatalogueDatabase, clock: Clock) {
    this.#database = database;
    this.#clock = clock;
    applySchema(database, 'upload-files', schema);
    this.#insert = database.handle.prepare('INSERT OR IGNORE INTO upload_files (ino) VALUES (?)');
    this.#delete = database.handle.prepare('DELETE FROM upload_files WHERE ino = ?');
  }

  /** Takes up what an earlier run left; `staged` may know files that the table lost. */
  recover(staged: Iterable<number>): void {
    for (const row of this.#database.handle.prepare('SELECT ino FROM upload_files').iterate()) {
      if (typeof row['ino'] === 'number') this.#recoverOne(row['ino']);
    }
    for (const ino of staged) if (!this.#files.has(ino)) this.#recoverOne(ino);
  }

  #recoverOne(ino: number): void {
    const file = this.#create(ino);
    file.safe = true;
    this.#due.set(ino, this.dueAt(file));
  }

  get size(): number {
    return this.#files.size;
  }

  get readyCount(): number {
    return this.#ready.size;
  }

  get(ino: number): PendingFile | undefined {
    return this.#files.get(ino);
  }

  all(): Iterable<PendingFile> {
    return this.#files.values();
  }

  /** In the order in which they became ready. */
  ready(): Iterable<PendingFile> {
    return this.#ready.values();
  }

  /** In the caller's transaction. Called for every WRITE, so a known file costs no SQL. */
  change(ino: number): void {
    const now = this.#clock.monotonic();
    const known = this.#files.get(ino);
    if (known !== undefined) {
      known.firstChangeAt ??= now;
      known.lastChangeAt = now;
      known.safe = false;
      return;
    }
    this.#insert.run(ino);
    const file = this.#create(ino);
    this.#due.set(ino, this.dueAt(file));
    this.#database.onRollback(() => {
      if (this.#files.get(ino) === file && file.phase === 'waiting') this.#drop(file);
    });
  }

  noteSafe(ino: number): void {
    const file = this.#files.get(ino);
    if (file !== undefined) file.safe = true;
  }

  #create(ino: number): PendingFile {
    const now = this.#clock.monotonic();
    const file: PendingFile = {
      ino,
      phase: 'waiting',
      firstChangeAt: now,
      lastChangeAt: now,
      safe: false,
      notBefore: 0,
      attempts: 0,
      failure: null,
      doneBytes: 0,
      totalBytes: 0,
      uploadStartedAt: 0,
      readyAt: 0,
      abort: null,
      version: null,
    };
    this.#files.set(ino, file);
    return file;
  }

  dueAt(file: PendingFile): number {
    return Math.max(
      debounceUntil(file.firstChangeAt ?? file.lastChangeAt, file.lastChangeAt),
      file.notBefore,
    );
  }

  /** The next waiting file whose time has come; with `at` Infinity any waiting one. It is the caller's to start. */
  takeDue(at: number): PendingFile | null {
    for (;;) {
      const first = this.#due.first();
      if (first === null || first.at > at) return null;
      const file = this.#files.get(first.id);
      if (file === undefined || file.phase !== 'waiting') {
        this.#due.delete(first.id);
        continue;
      }
      const dueAt = this.dueAt(file);
      if (dueAt > at) {
        this.#due.set(file.ino, dueAt); // changed again since it was entered
        continue;
      }
      this.#due.delete(file.ino);
      return file;
    }
  }

  /** A lower bound: changes since may have moved it on. Null when none waits. */
  nextDueAt(): number | null {
    return this.#due.first()?.at ?? null;
  }

  /** Its abort stops the upload. */
  startUpload(file: PendingFile): AbortController {
    file.phase = 'uploading';
    file.firstChangeAt = null;
    file.doneBytes = 0;
    file.totalBytes = 0;
    file.uploadStartedAt = this.#clock.monotonic();
    const abort = new AbortController();
    file.abort = abort;
    return abort;
  }

  becomeReady(file: PendingFile, version: UploadedVersion): void {
    file.phase = 'ready';
    file.readyAt = this.#clock.monotonic();
    file.version = version;
    file.abort = null;
    this.#ready.set(file.ino, file);
  }

  startCommit(file: PendingFile): void {
    file.phase = 'committing';
    this.#ready.delete(file.ino);
  }

  /** A commit that did not happen; the version stays and goes with the next batch. */
  backToReady(file: PendingFile): void {
    file.phase = 'ready';
    this.#ready.set(file.ino, file);
  }

  /** The whole way starts again, not before `notBefore`. The version, if any, must have been abandoned or committed. */
  wait(file: PendingFile, notBefore: number): void {
    this.#ready.delete(file.ino);
    if (this.#files.get(file.ino) !== file) return;
    file.phase = 'waiting';
    file.version = null;
    file.abort = null;
    file.firstChangeAt ??= file.lastChangeAt;
    file.notBefore = notBefore;
    this.#due.set(file.ino, this.dueAt(file));
  }

  fail(file: PendingFile, failure: Failure, random: number): void {
    file.attempts += 1;
    file.failure = failure;
    this.wait(file, this.#clock.monotonic() + backOffDelayMs(failure, file.attempts, random));
  }

  retryNow(file: PendingFile): void {
    if (file.phase !== 'waiting') return;
    file.notBefore = 0;
    this.#due.set(file.ino, this.dueAt(file));
  }

  /** In the caller's transaction: the version of its last upload is on the Hub. */
  finish(file: PendingFile, clean: boolean): void {
    const done = clean && file.firstChangeAt === null;
    if (done) this.#delete.run(file.ino);
    this.#database.afterCommit(() => {
      file.attempts = 0;
      file.failure = null;
      if (done && file.firstChangeAt === null) this.#drop(file);
      else this.wait(file, 0);
    });
  }

  /** In the caller's transaction: nothing of it is to be sent any more. */
  remove(ino: number): void {
    this.#delete.run(ino);
    const file = this.#files.get(ino);
    if (file === undefined) return;
    this.#drop(file);
    this.#database.onRollback(() => {
      if (this.#files.has(ino)) return;
      this.#files.set(ino, file);
      if (file.phase === 'ready') this.#ready.set(ino, file);
      if (file.phase === 'waiting') this.#due.set(ino, this.dueAt(file));
    });
  }

  #drop(file: PendingFile): void {
    this.#files.delete(file.ino);
    this.#ready.delete(file.ino);
    this.#due.delete(file.ino);
  }
}
