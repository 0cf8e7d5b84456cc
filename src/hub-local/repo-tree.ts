// The tree listing of a repo commit: files and directories below a path, as the Hub describes them.

import { lfsPointer, treeOid } from './git-objects.ts';
import type { Repo, RepoCommit, RepoFile, RepoStore } from './repo-store.ts';

export type TreeEntry =
  | { readonly type: 'file'; readonly file: RepoFile }
  | { readonly type: 'directory'; readonly path: string; readonly oid: string; readonly changedBy: string };

/**
 * What is below `path` ('' for the root), by path in byte order; directories are listed in both modes. Null if there is
 * no such directory.
 */
export function listTree(files: readonly RepoFile[], path: string, recursive: boolean): TreeEntry[] | null {
  const prefix = path === '' ? '' : `${path}/`;
  const below = files.filter((file) => file.path.startsWith(prefix));
  if (below.length === 0 && path !== '') return null;
  const entries = new Map<string, TreeEntry>();
  for (const file of below) {
    for (const directory of parentsBelow(file.path, prefix)) {
      if (!entries.has(directory)) entries.set(directory, describeDirectory(below, directory));
      if (!recursive) break;
    }
    if (recursive || !file.path.slice(prefix.length).includes('/'))
      entries.set(file.path, { type: 'file', file });
  }
  return [...entries.values()];
}

/** The directory entry for `path`, or null if nothing is below it. */
export function findDirectory(files: readonly RepoFile[], path: string): TreeEntry | null {
  return files.some((file) => file.path.startsWith(`${path}/`)) ? describeDirectory(files, path) : null;
}

function* parentsBelow(path: string, prefix: string): Generator<string, void, void> {
  for (let slash = path.indexOf('/', prefix.length); slash >= 0; slash = path.indexOf('/', slash + 1)) {
    yield path.slice(0, slash);
  }
}

function describeDirectory(files: readonly RepoFile[], path: string): TreeEntry {
  const inside = files.filter((file) => file.path.startsWith(`${path}/`));
  const oid = treeOid(inside.map((file) => `${file.oid} ${file.path.slice(path.length)}`));
  return { type: 'directory', path, oid, changedBy: inside[0]?.changedBy ?? '' };
}

/** JSON of an entry; `expand` adds the commit that last changed it. */
export function describeTreeEntry(
  store: RepoStore,
  repo: Repo,
  entry: TreeEntry,
  expand: boolean,
): Record<string, unknown> {
  const changedBy = entry.type === 'file' ? entry.file.changedBy : entry.changedBy;
  const commit = expand ? store.commitInfo(repo, changedBy) : null;
  const lastCommit = commit === null ? {} : { lastCommit: describeLastCommit(commit) };
  if (entry.type === 'directory') {
    return { type: 'directory', oid: entry.oid, size: 0, path: entry.path, ...lastCommit };
  }
  const { file } = entry;
  return {
    type: 'file',
    oid: file.oid,
    size: file.sizeBytes,
    ...(file.sha256 === null ? {} : { lfs: describeLfs(file.sha256, file.sizeBytes) }),
    ...(file.xetHash === null ? {} : { xetHash: file.xetHash }),
    path: file.path,
    ...lastCommit,
  };
}

export function describeLfs(sha256: string, sizeBytes: number): Record<string, unknown> {
  return { oid: sha256, size: sizeBytes, pointerSize: lfsPointer(sha256, sizeBytes).byteLength };
}

function describeLastCommit(commit: RepoCommit): Record<string, unknown> {
  return { id: commit.oid, title: commit.title, date: new Date(commit.date).toISOString() };
}
