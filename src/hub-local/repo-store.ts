// Models, datasets and spaces in the index: refs, commits, and the files of each commit (every commit keeps its whole
// list). Enough of git for the Hub's API, none of its protocol.

import { hashFromHex, hashToHex } from '../xet/hash.ts';
import type { HubDatabase, Row, Statement } from './database.ts';
import { blobOid, commitOid, lfsPointer, treeOid } from './git-objects.ts';

export const repoTypes = ['model', 'dataset', 'space'] as const;
export type RepoType = (typeof repoTypes)[number];

export interface Repo {
  readonly id: number;
  readonly type: RepoType;
  readonly namespace: string;
  readonly name: string;
  readonly private: boolean;
  readonly gated: 'auto' | 'manual' | null;
  readonly disabled: boolean;
  readonly sdk: string | null;
  readonly createdAt: number;
  readonly updatedAt: number;
}

export interface RepoFile {
  readonly path: string;
  /** Git blob id; of the pointer for LFS files. */
  readonly oid: string;
  readonly sizeBytes: number;
  /** LFS files only. */
  readonly sha256: string | null;
  /** LFS files only, display form. */
  readonly xetHash: string | null;
  /** The commit that last changed it. */
  readonly changedBy: string;
}

export interface RepoCommit {
  readonly oid: string;
  readonly parent: string | null;
  readonly title: string;
  readonly message: string;
  readonly author: string;
  readonly date: number;
}

export type RepoEdit =
  | { readonly type: 'blob'; readonly path: string; readonly data: Uint8Array }
  | {
      readonly type: 'lfs';
      readonly path: string;
      readonly sha256: string;
      readonly xetHash: string;
      readonly sizeBytes: number;
    }
  | { readonly type: 'delete'; readonly path: string };

export interface NewCommit {
  readonly title: string;
  readonly message: string;
  readonly author: string;
  readonly date: number;
}

export class RepoStore {
  readonly #db: HubDatabase;
  readonly #byName: Statement;
  readonly #ref: Statement;
  readonly #setRef: Statement;
  readonly #commit: Statement;
  readonly #file: Statement;
  readonly #files: Statement;

  constructor(db: HubDatabase) {
    this.#db = db;
    this.#byName = db.prepare('SELECT * FROM repos WHERE type = ? AND namespace = ? AND name = ?');
    this.#ref = db.prepare('SELECT commit_oid FROM refs WHERE repo = ? AND ref = ?');
    this.#setRef = db.prepare('INSERT OR REPLACE INTO refs VALUES (?, ?, ?)');
    this.#commit = db.prepare('SELECT * FROM commits WHERE repo = ? AND oid = ?');
    this.#file = db.prepare('SELECT * FROM repo_files WHERE repo = ? AND commit_oid = ? AND path = ?');
    this.#files = db.prepare('SELECT * FROM repo_files WHERE repo = ? AND commit_oid = ? ORDER BY path');
  }

  find(type: RepoType, namespace: string, name: string): Repo | null {
    const row = this.#byName.get(type, namespace, name);
    return row === null ? null : readRepo(row);
  }

  /** Newest change first. */
  list(type: RepoType): Repo[] {
    return this.#db
      .prepare('SELECT * FROM repos WHERE type = ? ORDER BY updated_at DESC, id')
      .all(type)
      .map(readRepo);
  }

  /** With a first commit that holds `edits`, on `main`. The caller has checked that the name is free. */
  create(
    identity: { type: RepoType; namespace: string; name: string; private: boolean; sdk: string | null },
    edits: readonly RepoEdit[],
    commit: NewCommit,
  ): Repo {
    const { type, namespace, name, sdk } = identity;
    this.#db
      .prepare(
        'INSERT INTO repos (type, namespace, name, private, sdk, created_at, updated_at) VALUES (?, ?, ?, ?, ?, ?, ?)',
      )
      .run(type, namespace, name, identity.private ? 1 : 0, sdk, commit.date, commit.date);
    const repo = this.find(type, namespace, name);
    if (repo === null) throw new Error(`Repo ${namespace}/${name} vanished while it was created`);
    this.commit(repo, 'refs/heads/main', null, edits, commit);
    return repo;
  }

  remove(repo: Repo): void {
    this.#db.transaction(() => {
      for (const table of ['refs', 'commits', 'repo_files']) {
        this.#db.prepare(`DELETE FROM ${table} WHERE repo = ?`).run(repo.id);
      }
      this.#db.prepare('DELETE FROM repos WHERE id = ?').run(repo.id);
    });
  }

  rename(repo: Repo, namespace: string, name: string): void {
    this.#db.prepare('UPDATE repos SET namespace = ?, name = ? WHERE id = ?').run(namespace, name, repo.id);
  }

  update(
    repo: Repo,
    changes: { private?: boolean; gated?: 'auto' | 'manual' | null; disabled?: boolean },
  ): void {
    const next = { ...repo, ...changes };
    this.#db
      .prepare('UPDATE repos SET private = ?, gated = ?, disabled = ? WHERE id = ?')
      .run(next.private ? 1 : 0, next.gated, next.disabled ? 1 : 0, repo.id);
  }

  /** Full names (`refs/heads/main`) and what they point to. */
  refs(repo: Repo): { ref: string; commit: string }[] {
    return this.#db
      .prepare('SELECT ref, commit_oid FROM refs WHERE repo = ? ORDER BY ref')
      .all(repo.id)
      .map((row) => ({ ref: row.text('ref'), commit: row.text('commit_oid') }));
  }

  setRef(repo: Repo, ref: string, commit: string): void {
    this.#setRef.run(repo.id, ref, commit);
  }

  /** False if there was none. */
  deleteRef(repo: Repo, ref: string): boolean {
    return this.#db.prepare('DELETE FROM refs WHERE repo = ? AND ref = ?').run(repo.id, ref) > 0;
  }

  refTarget(repo: Repo, ref: string): string | null {
    return this.#ref.get(repo.id, ref)?.text('commit_oid') ?? null;
  }

  /** The commit that a branch, tag, full ref or commit id names, or null. */
  resolve(repo: Repo, revision: string): string | null {
    const name = revision === 'HEAD' ? 'main' : revision;
    for (const ref of [`refs/heads/${name}`, `refs/tags/${name}`, name]) {
      const target = this.refTarget(repo, ref);
      if (target !== null) return target;
    }
    return /^[0-9a-f]{40}$/.test(revision) && this.#commit.get(repo.id, revision) !== null ? revision : null;
  }

  commitInfo(repo: Repo, oid: string): RepoCommit | null {
    const row = this.#commit.get(repo.id, oid);
    return row === null ? null : readCommit(row);
  }

  /** The commit and its ancestors, newest first. */
  history(repo: Repo, oid: string): RepoCommit[] {
    const commits: RepoCommit[] = [];
    for (let at: string | null = oid; at !== null;) {
      const commit: RepoCommit | null = this.commitInfo(repo, at);
      if (commit === null) break;
      commits.push(commit);
      at = commit.parent;
    }
    return commits;
  }

  /** All files of a commit, by path in byte order. */
  files(repo: Repo, commit: string): RepoFile[] {
    return this.#files.all(repo.id, commit).map(readFile);
  }

  file(repo: Repo, commit: string, path: string): RepoFile | null {
    const row = this.#file.get(repo.id, commit, path);
    return row === null ? null : readFile(row);
  }

  blob(oid: string): Uint8Array | null {
    return this.#db.prepare('SELECT data FROM blobs WHERE oid = ?').get(oid)?.bytes('data') ?? null;
  }

  /** Whether any commit of the repo has a file with this content. */
  holds(repo: Repo, xetHash: string): boolean {
    const row = this.#db
      .prepare('SELECT 1 AS one FROM repo_files WHERE repo = ? AND xet = ? LIMIT 1')
      .get(repo.id, hashFromHex(xetHash));
    return row !== null;
  }

  /** Makes a commit on top of `parent` and moves `ref` to it; returns its id. All or nothing. */
  commit(
    repo: Repo,
    ref: string,
    parent: string | null,
    edits: readonly RepoEdit[],
    details: NewCommit,
  ): string {
    return this.#db.transaction(() => {
      const files = new Map(parent === null ? [] : this.files(repo, parent).map((file) => [file.path, file]));
      const changed = new Set<string>();
      for (const edit of edits) {
        if (edit.type === 'delete') {
          files.delete(edit.path);
          continue;
        }
        const file = this.#storeEdit(edit);
        if (files.get(edit.path)?.oid !== file.oid) changed.add(edit.path);
        files.set(edit.path, file);
      }
      const tree = treeOid([...files.values()].map((file) => `${file.oid} ${file.path}`));
      const oid = commitOid({ tree, parent, ...details, repo: repo.id });
      this.#db
        .prepare('INSERT OR IGNORE INTO commits VALUES (?, ?, ?, ?, ?, ?, ?)')
        .run(repo.id, oid, parent, details.title, details.message, details.author, details.date);
      const insert = this.#db.prepare('INSERT OR REPLACE INTO repo_files VALUES (?, ?, ?, ?, ?, ?, ?, ?)');
      for (const file of files.values()) {
        const xet = file.xetHash === null ? null : hashFromHex(file.xetHash);
        const changedBy = changed.has(file.path) ? oid : file.changedBy;
        insert.run(repo.id, oid, file.path, file.oid, file.sizeBytes, file.sha256, xet, changedBy);
      }
      this.setRef(repo, ref, oid);
      this.#db
        .prepare('UPDATE repos SET updated_at = max(?, updated_at + 1) WHERE id = ?')
        .run(details.date, repo.id);
      return oid;
    });
  }

  #storeEdit(edit: Exclude<RepoEdit, { type: 'delete' }>): RepoFile {
    if (edit.type === 'blob') {
      const oid = blobOid(edit.data);
      this.#db.prepare('INSERT OR IGNORE INTO blobs VALUES (?, ?)').run(oid, edit.data);
      return {
        path: edit.path,
        oid,
        sizeBytes: edit.data.byteLength,
        sha256: null,
        xetHash: null,
        changedBy: '',
      };
    }
    const { path, sizeBytes, sha256, xetHash } = edit;
    return { path, oid: blobOid(lfsPointer(sha256, sizeBytes)), sizeBytes, sha256, xetHash, changedBy: '' };
  }
}

function readRepo(row: Row): Repo {
  const type = row.text('type');
  const gated = row.textOrNull('gated');
  return {
    id: row.number('id'),
    type: repoTypes.find((known) => known === type) ?? 'model',
    namespace: row.text('namespace'),
    name: row.text('name'),
    private: row.number('private') !== 0,
    gated: gated === 'auto' || gated === 'manual' ? gated : null,
    disabled: row.number('disabled') !== 0,
    sdk: row.textOrNull('sdk'),
    createdAt: row.number('created_at'),
    updatedAt: row.number('updated_at'),
  };
}

function readCommit(row: Row): RepoCommit {
  return {
    oid: row.text('oid'),
    parent: row.textOrNull('parent'),
    title: row.text('title'),
    message: row.text('message'),
    author: row.text('author'),
    date: row.number('date'),
  };
}

function readFile(row: Row): RepoFile {
  const xet = row.bytesOrNull('xet');
  return {
    path: row.text('path'),
    oid: row.text('oid'),
    sizeBytes: row.number('size'),
    sha256: row.textOrNull('sha256'),
    xetHash: xet === null ? null : hashToHex(xet),
    changedBy: row.text('changed_by'),
  };
}
