// Reading models, datasets and spaces: lists, info, refs, commits, trees, paths-info, tokens, resolve.

import { objectId } from './accounts.ts';
import { asObject } from './json-object.ts';
import { sendXetToken } from './cas-access.ts';
import { sendResolved } from './content.ts';
import type { Exchange } from './exchange.ts';
import type { HubContext } from './hub-context.ts';
import { nextLink, readCursor, readFlag, readLimit } from './pagination.ts';
import { badRequest, entryNotFound } from './refusal.ts';
import {
  apiPrefix,
  atRevision,
  readableRepo,
  repoId,
  requireUngated,
  splitRevision,
  webPrefix,
  writableRepo,
} from './repo-access.ts';
import { repoTypes, type Repo, type RepoType } from './repo-store.ts';
import { describeLfs, describeTreeEntry, findDirectory, listTree, type TreeEntry } from './repo-tree.ts';

const jsonLimitBytes = 8 * 1024 * 1024;
const refKinds = {
  branches: 'refs/heads/',
  tags: 'refs/tags/',
  converts: 'refs/convert/',
  pullRequests: 'refs/pr/',
};

export function addRepoRoutes(hub: HubContext): void {
  for (const type of repoTypes) addRoutesOf(hub, type);
}

function addRoutesOf(hub: HubContext, type: RepoType): void {
  const { router } = hub;
  const one = `${apiPrefix(type)}/:namespace/:name`;
  router.add('repo.list', 'GET', apiPrefix(type), (exchange) => listRepos(hub, exchange, type));
  router.add('repo.info', 'GET', one, (exchange) => sendInfo(hub, exchange, type, 'main'));
  router.add('repo.info', 'GET', `${one}/revision/*revision`, (exchange) =>
    sendInfo(hub, exchange, type, exchange.param('revision')),
  );
  router.add('repo.auth-check', 'GET', `${one}/auth-check/*scope`, async (exchange) => {
    if (exchange.param('scope') === 'write') writableRepo(hub, exchange, type);
    requireUngated(hub, exchange, readableRepo(hub, exchange, type));
    await exchange.sendJson(200, {});
  });
  router.add('repo.refs', 'GET', `${one}/refs`, (exchange) => sendRefs(hub, exchange, type));
  router.add('repo.commits', 'GET', `${one}/commits/*revision`, (exchange) =>
    sendCommits(hub, exchange, type),
  );
  router.add('repo.tree', 'GET', `${one}/tree/*path`, (exchange) => sendTree(hub, exchange, type));
  router.add('repo.paths-info', 'POST', `${one}/paths-info/*revision`, (exchange) =>
    sendPathsInfo(hub, exchange, type),
  );
  router.add('repo.read-token', 'GET', `${one}/xet-read-token/*revision`, async (exchange) => {
    const repo = readableRepo(hub, exchange, type);
    requireUngated(hub, exchange, repo);
    await sendXetToken(hub, exchange, 'read', `${type}/${repoId(repo)}`);
  });
  router.add('repo.write-token', 'GET', `${one}/xet-write-token/*revision`, async (exchange) => {
    await sendXetToken(hub, exchange, 'write', `${type}/${repoId(writableRepo(hub, exchange, type))}`);
  });
  for (const method of ['GET', 'HEAD']) {
    for (const verb of ['resolve', 'raw']) {
      router.add('repo.resolve', method, `${webPrefix(type)}/:namespace/:name/${verb}/*path`, (exchange) =>
        resolveFile(hub, exchange, type),
      );
    }
  }
}

function describeRepo(hub: HubContext, repo: Repo, revision: string): Record<string, unknown> {
  const { commit } = atRevision(hub, repo, revision);
  return {
    _id: objectId(`${repo.type} ${repo.id}`),
    id: repoId(repo),
    ...(repo.type === 'model' ? { modelId: repoId(repo) } : {}),
    author: repo.namespace,
    sha: commit,
    lastModified: new Date(repo.updatedAt).toISOString(),
    createdAt: new Date(repo.createdAt).toISOString(),
    private: repo.private,
    gated: repo.gated ?? false,
    disabled: repo.disabled,
    downloads: 0,
    likes: 0,
    tags: [],
    ...(repo.type === 'model' ? { pipeline_tag: null, library_name: null } : {}),
    ...(repo.type === 'space' ? { sdk: repo.sdk ?? 'static' } : {}),
  };
}

async function listRepos(hub: HubContext, exchange: Exchange, type: RepoType): Promise<void> {
  const caller = hub.accounts.callerOf(exchange);
  const search = (exchange.query.get('search') ?? '').toLowerCase();
  const author = exchange.query.get('author');
  const visible = hub.repos
    .list(type)
    .filter((repo) => !repo.private || hub.accounts.isMember(caller, repo.namespace))
    .filter((repo) => author === null || repo.namespace === author)
    .filter((repo) => repoId(repo).toLowerCase().includes(search));
  const limit = readLimit(exchange, 1000, 1000);
  const start = Number(readCursor(exchange) || '0');
  const page = visible.slice(start, start + limit);
  const next = start + limit < visible.length ? String(start + limit) : null;
  await exchange.sendJson(
    200,
    page.map((repo) => describeRepo(hub, repo, 'main')),
    nextLink(exchange, next),
  );
}

async function sendInfo(
  hub: HubContext,
  exchange: Exchange,
  type: RepoType,
  revision: string,
): Promise<void> {
  const repo = readableRepo(hub, exchange, type);
  const { commit } = atRevision(hub, repo, revision);
  const withBlobs = readFlag(exchange, 'blobs') ?? false;
  const files = hub.repos.files(repo, commit);
  const siblings = files.map((file) => ({
    rfilename: file.path,
    ...(withBlobs ? { blobId: file.oid, size: file.sizeBytes } : {}),
    ...(withBlobs && file.sha256 !== null
      ? { lfs: { ...describeLfs(file.sha256, file.sizeBytes), sha256: file.sha256 } }
      : {}),
  }));
  await exchange.sendJson(200, {
    ...describeRepo(hub, repo, revision),
    siblings,
    usedStorage: files.reduce((sum, file) => sum + file.sizeBytes, 0),
  });
}

async function sendRefs(hub: HubContext, exchange: Exchange, type: RepoType): Promise<void> {
  const refs = hub.repos.refs(readableRepo(hub, exchange, type));
  const ofKind = (prefix: string): unknown[] =>
    refs
      .filter(({ ref }) => ref.startsWith(prefix))
      .map(({ ref, commit }) => ({ name: ref.slice(prefix.length), ref, targetCommit: commit }));
  await exchange.sendJson(200, {
    branches: ofKind(refKinds.branches),
    converts: ofKind(refKinds.converts),
    tags: ofKind(refKinds.tags),
    ...(readFlag(exchange, 'include_prs') === true ? { pullRequests: ofKind(refKinds.pullRequests) } : {}),
  });
}

async function sendCommits(hub: HubContext, exchange: Exchange, type: RepoType): Promise<void> {
  const repo = readableRepo(hub, exchange, type);
  const { commit } = atRevision(hub, repo, exchange.param('revision'));
  const history = hub.repos.history(repo, commit);
  const limit = readLimit(exchange, 50, 1000);
  const start = Number(readCursor(exchange) || exchange.query.get('p') || '0');
  const next = start + limit < history.length ? String(start + limit) : null;
  const page = history.slice(start, start + limit).map((entry) => ({
    id: entry.oid,
    title: entry.title,
    message: entry.message,
    authors: [{ user: entry.author, avatar: `${exchange.base}/avatars/${entry.author}.svg` }],
    date: new Date(entry.date).toISOString(),
  }));
  await exchange.sendJson(200, page, { 'X-Total-Count': history.length, ...nextLink(exchange, next) });
}

async function sendTree(hub: HubContext, exchange: Exchange, type: RepoType): Promise<void> {
  const { revision, path } = splitRevision(exchange);
  const { repo, commit } = atRevision(hub, readableRepo(hub, exchange, type), revision || 'main');
  const expand = readFlag(exchange, 'expand') ?? false;
  const recursive = readFlag(exchange, 'recursive') ?? false;
  const entries = listTree(hub.repos.files(repo, commit), path, recursive);
  if (entries === null) throw entryNotFound(`${path} does not exist on "${revision}"`);
  const limit = readLimit(exchange, expand ? 50 : 1000, expand ? 100 : hub.faults.settings.maxPageSize);
  const start = Number(readCursor(exchange) || '0');
  const next = start + limit < entries.length ? String(start + limit) : null;
  const page = entries.slice(start, start + limit);
  await exchange.sendJson(
    200,
    page.map((entry) => describeTreeEntry(hub.repos, repo, entry, expand)),
    nextLink(exchange, next),
  );
}

async function sendPathsInfo(hub: HubContext, exchange: Exchange, type: RepoType): Promise<void> {
  const { repo, commit } = atRevision(hub, readableRepo(hub, exchange, type), exchange.param('revision'));
  const { paths, expand } = await readPathsQuestion(exchange);
  const files = hub.repos.files(repo, commit);
  const byPath = new Map(files.map((file) => [file.path, file]));
  const entries = paths.map((path): TreeEntry | null => {
    const clean = path.replace(/\/+$/, '');
    const file = byPath.get(clean);
    return file === undefined ? findDirectory(files, clean) : { type: 'file', file };
  });
  await exchange.sendJson(
    200,
    entries
      .filter((entry) => entry !== null)
      .map((entry) => describeTreeEntry(hub.repos, repo, entry, expand)),
  );
}

/** JSON from JavaScript, a form from Python. */
async function readPathsQuestion(exchange: Exchange): Promise<{ paths: string[]; expand: boolean }> {
  if ((exchange.header('content-type') ?? '').includes('json')) {
    const fields = asObject(await exchange.readJson(jsonLimitBytes));
    if (!Array.isArray(fields['paths'])) throw badRequest('paths must be a list');
    return {
      paths: fields['paths'].filter((path) => typeof path === 'string'),
      expand: fields['expand'] === true,
    };
  }
  const form = new URLSearchParams((await exchange.readBody(jsonLimitBytes)).toString('utf8'));
  return { paths: form.getAll('paths'), expand: (form.get('expand') ?? 'false').toLowerCase() === 'true' };
}

async function resolveFile(hub: HubContext, exchange: Exchange, type: RepoType): Promise<void> {
  const { revision, path } = splitRevision(exchange);
  const readable = readableRepo(hub, exchange, type);
  requireUngated(hub, exchange, readable);
  const { repo, commit } = atRevision(hub, readable, revision);
  const file = hub.repos.file(repo, commit, path);
  if (file === null) throw entryNotFound(`${path} does not exist on "${revision}"`);
  const changed = hub.repos.commitInfo(repo, file.changedBy);
  const common = {
    sizeBytes: file.sizeBytes,
    path,
    contentType: null,
    lastModified: changed?.date ?? repo.updatedAt,
    headers: { 'X-Repo-Commit': commit },
  };
  if (file.xetHash !== null && file.sha256 !== null) {
    const tokenUrl = `${exchange.base}${apiPrefix(type)}/${repoId(repo)}/xet-read-token/${commit}`;
    await sendResolved(hub.cas, exchange, {
      ...common,
      etag: file.sha256,
      body: { type: 'xet', hash: file.xetHash, tokenUrl },
    });
    return;
  }
  const bytes = hub.repos.blob(file.oid);
  if (bytes === null) throw new Error(`Blob ${file.oid} of ${path} is missing from the index`);
  await sendResolved(hub.cas, exchange, { ...common, etag: file.oid, body: { type: 'bytes', bytes } });
}
