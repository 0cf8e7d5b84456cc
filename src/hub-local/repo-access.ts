// Finding the repo and revision that a request names, and refusing it the Hub's way: unknown, private, renamed, gated,
// disabled.

import type { Exchange } from './exchange.ts';
import type { HubContext } from './hub-context.ts';
import { Refusal } from './refusal.ts';
import { redirectIfRenamed } from './renames.ts';
import type { Repo, RepoType } from './repo-store.ts';

export interface RepoAtCommit {
  readonly repo: Repo;
  /** As asked for. */
  readonly revision: string;
  readonly commit: string;
}

/** API routes of `type`, e.g. `/api/models`. */
export function apiPrefix(type: RepoType): string {
  return `/api/${type}s`;
}

/** Web routes of `type`: models have no prefix. */
export function webPrefix(type: RepoType): string {
  return type === 'model' ? '' : `/${type}s`;
}

export function repoId(repo: Repo): string {
  return `${repo.namespace}/${repo.name}`;
}

export function readableRepo(hub: HubContext, exchange: Exchange, type: RepoType): Repo {
  const { namespace, name } = nameOf(exchange);
  const found = hub.repos.find(type, namespace, name);
  if (found === null) redirectIfRenamed(hub, exchange, type);
  const repo = hub.accounts.requireReadable(hub.accounts.callerOf(exchange), found, `${namespace}/${name}`);
  if (repo.disabled) throw new Refusal(403, 'Access to this resource is disabled.', { code: 'DisabledRepo' });
  return repo;
}

export function writableRepo(hub: HubContext, exchange: Exchange, type: RepoType): Repo {
  const repo = readableRepo(hub, exchange, type);
  hub.accounts.requireNamespace(hub.accounts.callerOf(exchange), repo.namespace);
  return repo;
}

/** For file contents: a gated repo shows its listing to everybody and its files only to its owners. */
export function requireUngated(hub: HubContext, exchange: Exchange, repo: Repo): void {
  const caller = hub.accounts.callerOf(exchange);
  if (repo.gated === null || hub.accounts.isMember(caller, repo.namespace)) return;
  const message = `Access to ${repo.type} ${repoId(repo)} is restricted. Ask for access on its page.`;
  throw new Refusal(caller === null ? 401 : 403, message, { code: 'GatedRepo' });
}

export function atRevision(hub: HubContext, repo: Repo, revision: string): RepoAtCommit {
  const commit = hub.repos.resolve(repo, revision);
  if (commit === null) throw new Refusal(404, `Invalid rev id: ${revision}`, { code: 'RevisionNotFound' });
  return { repo, revision, commit };
}

/**
 * Splits the `rev/path` at the end of a route. A revision with slashes arrives encoded as one segment, except that
 * some clients send `refs/pr/1` bare.
 */
export function splitRevision(exchange: Exchange): { revision: string; path: string } {
  const { rest } = exchange;
  const count = rest[0] === 'refs' && rest.length >= 3 ? 3 : 1;
  return { revision: rest.slice(0, count).join('/'), path: rest.slice(count).join('/') };
}

function nameOf(exchange: Exchange): { namespace: string; name: string } {
  return { namespace: exchange.param('namespace'), name: exchange.param('name').replace(/\.git$/, '') };
}
