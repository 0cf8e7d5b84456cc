// Composes what one batch does to each path: logged operations in order, then contents. Only the net effect is sent, so a
// swap through a third name or a save by rename costs no more than its result, and repeating a batch that was half done is
// harmless. Pure; used by the committer.

import type { RemoteFile, RemoteOperation } from '../../hub/remote-store.ts';
import { checkPath, type PathIntent, type Verdict } from './conflict-check.ts';
import type { LoggedOperation } from './upload-log.ts';
import type { ReadyContent } from './upload-files.ts';
import { ancestorsOf } from './upload-paths.ts';

export type PlainOperation = Exclude<LoggedOperation, { type: 'moveTree' }>;

/** Paths that are connected by operations succeed or fail together; nothing else is delayed by their failure. */
export interface PlannedGroup {
  readonly operations: PlainOperation[];
  readonly contents: ReadyContent[];
  readonly paths: PlannedPath[];
}

export interface PlannedPath extends PathIntent {
  expected: string | null;
  readonly known: Set<string | null>;
  final: PathIntent['final'];
  /** Who gives the final content. */
  source: { readonly content: ReadyContent } | { readonly operation: PlainOperation } | null;
  verdict: Verdict | null;
}

class Planner {
  readonly paths = new Map<string, PlannedPath>();
  readonly #parents = new Map<string, string>();

  put(path: string, expect: string | null, final: PlannedPath['final'], source: PlannedPath['source']): void {
    let planned = this.paths.get(path);
    if (planned === undefined) {
      planned = { path, expected: expect, known: new Set(), final: null, source: null, verdict: null };
      this.paths.set(path, planned);
    }
    planned.known.add(expect);
    planned.known.add(final?.content.key ?? null);
    planned.final = final;
    planned.source = source;
  }

  fits({ targets }: ReadyContent): boolean {
    return targets.every(({ path, expect }) => {
      const planned = this.paths.get(path);
      return planned === undefined || (planned.final?.content.key ?? null) === expect;
    });
  }

  connect(one: string, other: string): void {
    this.#parents.set(this.leaderOf(one), this.leaderOf(other));
  }

  leaderOf(path: string): string {
    let leader = path;
    for (let next = this.#parents.get(leader); next !== undefined && next !== leader;) {
      leader = next;
      next = this.#parents.get(leader);
    }
    if (leader !== path) this.#parents.set(path, leader);
    return leader;
  }
}

/**
 * `operations` in the order of the log. A content that does not expect what the operations lead to at its path is left
 * out: they belong to another file, so it must meet what they leave there as it would meet another client's.
 */
export function planBatch(
  operations: readonly PlainOperation[],
  contents: readonly ReadyContent[],
): readonly PlannedGroup[] {
  const planner = new Planner();
  for (const operation of operations) planOperation(planner, operation);
  const planned = contents.filter((ready) => planner.fits(ready));
  for (const ready of planned) {
    const first = ready.targets[0];
    for (const target of ready.targets) {
      const final = { content: ready.content, mtimeMs: ready.mtimeMs };
      planner.put(target.path, target.expect, final, { content: ready });
      if (first !== undefined) planner.connect(target.path, first.path);
    }
  }
  const groups = new Map<string, PlannedGroup>();
  const groupOf = (path: string): PlannedGroup => {
    const leader = planner.leaderOf(path);
    let group = groups.get(leader);
    if (group === undefined) groups.set(leader, (group = { operations: [], contents: [], paths: [] }));
    return group;
  };
  for (const path of planner.paths.values()) groupOf(path.path).paths.push(path);
  for (const operation of operations)
    groupOf('path' in operation ? operation.path : operation.to).operations.push(operation);
  for (const ready of planned) {
    const target = ready.targets[0];
    if (target !== undefined) groupOf(target.path).contents.push(ready);
  }
  return [...groups.values()];
}

function planOperation(planner: Planner, operation: PlainOperation): void {
  const source = { operation };
  switch (operation.type) {
    case 'delete':
      planner.put(operation.path, operation.expect, null, null);
      return;
    case 'copy':
      planner.put(operation.path, operation.expect, operation, source);
      return;
    case 'move':
      planner.put(operation.from, operation.content.key, null, null);
      planner.put(operation.to, operation.expectTo, operation, source);
      planner.connect(operation.from, operation.to);
  }
}

/** Paths that must be looked at on the Hub: all but those where a content equals what is there already. */
export function pathsToCheck(groups: readonly PlannedGroup[]): string[] {
  return groups.flatMap((group) =>
    group.paths.flatMap((planned) => (isUnchanged(group, planned) ? [] : [planned.path])),
  );
}

function isUnchanged(group: PlannedGroup, planned: PlannedPath): boolean {
  return group.operations.length === 0 && planned.known.size === 1 && planned.expected !== null;
}

/** Sets every path's verdict. `isOurs` may be slow: it is asked only about unexpected versions. */
export function judgeGroups(
  groups: readonly PlannedGroup[],
  current: ReadonlyMap<string, RemoteFile>,
  isOurs: (key: string, path: string, sender: number) => boolean,
): void {
  for (const group of groups) {
    for (const planned of group.paths) {
      if (isUnchanged(group, planned)) {
        planned.verdict = { type: 'done' };
        continue;
      }
      const sender = planned.source !== null && 'content' in planned.source ? planned.source.content.ino : 0;
      planned.verdict = checkPath(planned, current.get(planned.path) ?? null, (key) =>
        isOurs(key, planned.path, sender),
      );
    }
  }
}

export interface BatchLines {
  /** Adds, and the deletes that no add of their group must come before. */
  readonly first: readonly RemoteOperation[];
  /** Deletes whose group's adds must have succeeded: a crash in between leaves a file twice, never not at all. */
  readonly second: readonly RemoteOperation[];
}

/** The lines of the groups in the order they must be sent. */
export function linesOf(groups: readonly PlannedGroup[]): BatchLines {
  const obstacles: RemoteOperation[] = [];
  const adds: RemoteOperation[] = [];
  const freeDeletes: RemoteOperation[] = [];
  const second: RemoteOperation[] = [];
  const folders = new Set<string>();
  for (const { path, final } of addedPaths(groups)) {
    adds.push({ type: 'add', path, content: final.content, mtimeMs: final.mtimeMs });
    for (const folder of ancestorsOf(path)) folders.add(folder);
  }
  for (const group of groups) {
    const adding = group.paths.some((planned) => planned.verdict?.type === 'put');
    for (const { path, verdict } of group.paths) {
      if (verdict?.type !== 'delete') continue;
      const line: RemoteOperation = { type: 'delete', path };
      // A file that gives way to a folder of its name goes first: the Hub may refuse what is below a file.
      if (folders.has(path)) obstacles.push(line);
      else if (adding) second.push(line);
      else freeDeletes.push(line);
    }
  }
  return { first: [...obstacles, ...adds, ...freeDeletes], second };
}

function* addedPaths(
  groups: readonly PlannedGroup[],
): Iterable<{ path: string; final: NonNullable<PlannedPath['final']> }> {
  for (const group of groups) {
    for (const { path, final, verdict } of group.paths) {
      if (verdict?.type === 'put' && final !== null) yield { path, final };
    }
  }
}
