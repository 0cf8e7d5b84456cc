// Moves everything the Hub has below one folder to another, by reference: first all is added at the new place, then the old
// one is emptied, so that a crash leaves files twice and never not at all. Every step looks at the Hub and may be repeated. One
// tree at a time; used by the queue beside the committer, which keeps away from paths that overlap it.

import type { RemoteFile, RemoteOperation } from '../../hub/remote-store.ts';
import { keepMoved, keepMovedBeside } from './upload-conflicts.ts';
import type { LoggedTree } from './upload-log.ts';
import type { UploadParts } from './upload-parts.ts';
import { describeFailure, type Failure } from './upload-schedule.ts';
import { longestBatchLines, type OperationSelection } from './upload-selection.ts';

/** An add and a delete of each file fit in one request. */
const filesPerStep = longestBatchLines / 2;

interface Running {
  tree: LoggedTree;
  readonly stop: AbortController;
  /** Files that met another client's at the new place; operations logged for them follow the move. */
  readonly setAside: Set<string>;
  refused: Failure | null;
}

export class TreeMover {
  readonly #parts: UploadParts;
  readonly #selection: OperationSelection;
  readonly #waiting: LoggedTree[] = [];
  #running: Running | null = null;
  #loop: Promise<void> | null = null;
  #closed = false;

  constructor(parts: UploadParts, selection: OperationSelection) {
    this.#parts = parts;
    this.#selection = selection;
  }

  /** The tree must be held by itself in the log. Never throws; failures go to the selection, which starts it again. */
  start(tree: LoggedTree): void {
    if (this.#closed) return;
    this.#waiting.push(tree);
    this.#loop ??= this.#run();
  }

  isMoving(seq: number): boolean {
    return this.#running?.tree.seq === seq;
  }

  /** Given up by the person: what was moved stays moved. */
  stop(seq: number): void {
    const index = this.#waiting.findIndex((tree) => tree.seq === seq);
    if (index >= 0) this.#waiting.splice(index, 1);
    if (this.#running?.tree.seq === seq) this.#running.stop.abort();
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#waiting.length = 0;
    this.#running?.stop.abort();
    await this.#loop;
  }

  async #run(): Promise<void> {
    for (let tree = this.#waiting.shift(); tree !== undefined; tree = this.#waiting.shift()) {
      const running: Running = { tree, stop: new AbortController(), setAside: new Set(), refused: null };
      this.#running = running;
      await this.#move(running).catch((cause: unknown) => {
        this.#parts.log.error(
          'The rename of a folder stopped and goes on at the next start',
          { from: tree.from, to: tree.to },
          cause,
        );
      });
      this.#running = null;
      this.#parts.reports.wake();
    }
    // In the turn in which nothing was waiting, or a tree that comes in between would never start.
    this.#loop = null;
  }

  async #move(running: Running): Promise<void> {
    const { database, operations, activity, reports, sent } = this.#parts;
    const { from, to } = running.tree;
    try {
      if (!running.tree.deleting) {
        await this.#sweep(running);
        if (running.refused !== null) throw new RefusedLines(running.refused);
        running.tree = operations.setDeleting(running.tree);
      }
      // Files that others add meanwhile move along: again until a listing shows nothing new.
      while ((await this.#sweep(running)) > 0);
      if (running.refused !== null) throw new RefusedLines(running.refused);
      database.transaction(() => {
        this.#selection.finish([running.tree]);
        sent.forgetSender(-running.tree.seq);
      });
      activity.record('UPLOAD', from, { toPath: to, detail: 'committed' });
    } catch (cause) {
      if (running.stop.signal.aborted) return;
      const failure = cause instanceof RefusedLines ? cause.failure : describeFailure(cause);
      this.#selection.fail([running.tree], failure);
      reports.failed(to, failure, cause);
    }
  }

  /** Resolves to the number of files that left the old place. */
  async #sweep(running: Running): Promise<number> {
    let left = 0;
    running.refused = null;
    for await (const page of this.#parts.remote.listRecursive(running.tree.from, running.stop.signal)) {
      for (let start = 0; start < page.length; start += filesPerStep) {
        left += await this.#step(running, page.slice(start, start + filesPerStep));
      }
    }
    return left;
  }

  async #step(running: Running, page: readonly RemoteFile[]): Promise<number> {
    const { remote, database, sent, namespace } = this.#parts;
    const { signal } = running.stop;
    const sender = -running.tree.seq;
    const listed = page.filter(({ path }) => !running.setAside.has(path));
    const paths = listed.map(({ path }) => newPath(running.tree, path));
    // What is about to be deleted is looked at again: the listing may be minutes old.
    if (running.tree.deleting) paths.push(...listed.map(({ path }) => path));
    const present = new Map<string, RemoteFile>();
    for (const file of await remote.stat(paths, signal)) present.set(file.path, file);
    const files = running.tree.deleting ? listed.flatMap(({ path }) => present.get(path) ?? []) : listed;
    signal.throwIfAborted();
    const adds: RemoteOperation[] = [];
    const deletes: RemoteOperation[] = [];
    const unknown: string[] = [];
    const conflicts: [RemoteFile, RemoteFile][] = [];
    for (const file of files) {
      const path = newPath(running.tree, file.path);
      const there = present.get(path);
      if (
        there !== undefined &&
        there.content.key !== file.content.key &&
        !sent.has(there.content.key, path, sender)
      ) {
        conflicts.push([file, there]);
        continue;
      }
      if (there?.content.key !== file.content.key) {
        adds.push({ type: 'add', path, content: file.content, mtimeMs: file.mtimeMs });
        if (namespace.inodeAt(path) === null) unknown.push(path);
      }
      deletes.push({ type: 'delete', path: file.path });
    }
    for (const [file, there] of conflicts) this.#setAside(running, file, there);
    database.transaction(() => {
      for (const line of adds) if (line.type === 'add') sent.remember(line.content.key, line.path, sender);
    });
    const refused = await this.#send(running, adds);
    if (unknown.length > 0) namespace.relist(unknown);
    if (!running.tree.deleting) return 0;
    const movable = deletes.filter(({ path }) => !refused.has(newPath(running.tree, path)));
    const kept = await this.#send(running, movable);
    const left = movable.filter(({ path }) => !kept.has(path));
    database.transaction(() => {
      // A file that appears under the old name from here on is another one and may not replace what was moved.
      for (const { path } of left) sent.forgetOne(newPath(running.tree, path), sender);
    });
    return left.length;
  }

  /** Resolves to the paths that were refused. */
  async #send(running: Running, lines: readonly RemoteOperation[]): Promise<ReadonlySet<string>> {
    const refused = new Set<string>();
    if (lines.length === 0) return refused;
    await this.#parts.database.sync();
    const results = await this.#parts.remote.commit(lines, running.stop.signal);
    for (const [index, { path, error }] of results.entries()) {
      if (error === null) continue;
      refused.add(path);
      // Somebody else deleted it: as we wanted, but nothing that we moved.
      if (lines[index]?.type !== 'delete' || error.code !== 'not-found')
        running.refused = describeFailure(error);
    }
    running.stop.signal.throwIfAborted();
    return refused;
  }

  /** Another client has a file of this name at the new place: both are kept. */
  #setAside(running: Running, file: RemoteFile, there: RemoteFile): void {
    const { path: oldPath, content, mtimeMs } = file;
    const path = newPath(running.tree, oldPath);
    const theirs = { content: there.content, mtimeMs: there.mtimeMs };
    this.#parts.database.transaction(() => {
      // It may be a file that nobody here has seen, so a copy is made whatever was done here with the name.
      const kept = keepMoved(path, { content, mtimeMs }, theirs, this.#parts);
      if (!kept) keepMovedBeside(this.#parts.operations.pathAfter(path), { content, mtimeMs }, this.#parts);
      this.#parts.operations.append({ type: 'delete', path: oldPath, expect: content.key });
    });
    running.setAside.add(oldPath);
  }
}

class RefusedLines extends Error {
  readonly failure: Failure;

  constructor(failure: Failure) {
    super(failure.message);
    this.failure = failure;
  }
}

function newPath(tree: LoggedTree, path: string): string {
  return tree.to + path.slice(tree.from.length);
}
