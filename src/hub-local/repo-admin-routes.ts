// Making, moving and removing repos, their settings, branches and tags, and the list of everything a user owns.

import { objectId, requireName } from './accounts.ts';
import { asObject } from './json-object.ts';
import type { Exchange } from './exchange.ts';
import { defaultGitAttributes } from './git-objects.ts';
import type { HubContext } from './hub-context.ts';
import { badRequest, Refusal } from './refusal.ts';
import { apiPrefix, atRevision, repoId, webPrefix, writableRepo } from './repo-access.ts';
import { decodeContent } from './repo-commit.ts';
import { repoTypes, type Repo, type RepoEdit, type RepoType } from './repo-store.ts';

const jsonLimitBytes = 64 * 1024 * 1024;

export function addRepoAdminRoutes(hub: HubContext): void {
  const { router } = hub;
  router.add('repo.create', 'POST', '/api/repos/create', (exchange) => createRepo(hub, exchange));
  router.add('repo.delete', 'DELETE', '/api/repos/delete', (exchange) => deleteRepo(hub, exchange));
  router.add('repo.move', 'POST', '/api/repos/move', (exchange) => moveRepo(hub, exchange));
  router.add('account.repositories', 'GET', '/api/settings/repositories', (exchange) =>
    listOwned(hub, exchange, hub.accounts.requireLogin(exchange).name),
  );
  router.add(
    'account.repositories',
    'GET',
    '/api/organizations/:namespace/settings/repositories',
    (exchange) => listOwned(hub, exchange, exchange.param('namespace')),
  );
  for (const type of repoTypes) {
    const one = `${apiPrefix(type)}/:namespace/:name`;
    router.add('repo.settings', 'PUT', `${one}/settings`, (exchange) => changeSettings(hub, exchange, type));
    router.add('repo.branch', 'POST', `${one}/branch/*branch`, (exchange) =>
      createBranch(hub, exchange, type),
    );
    router.add('repo.branch', 'DELETE', `${one}/branch/*branch`, (exchange) =>
      deleteRef(hub, exchange, type, `refs/heads/${exchange.param('branch')}`),
    );
    router.add('repo.tag', 'POST', `${one}/tag/*revision`, (exchange) => createTag(hub, exchange, type));
    router.add('repo.tag', 'DELETE', `${one}/tag/*tag`, (exchange) =>
      deleteRef(hub, exchange, type, `refs/tags/${exchange.param('tag')}`),
    );
  }
}

function readType(value: unknown): RepoType {
  const type = repoTypes.find((known) => known === (value ?? 'model'));
  if (type === undefined) throw badRequest(`Unknown repo type ${JSON.stringify(value)}`);
  return type;
}

function readIdentity(hub: HubContext, exchange: Exchange, fields: Readonly<Record<string, unknown>>) {
  const caller = hub.accounts.requireLogin(exchange);
  const full = typeof fields['name'] === 'string' ? fields['name'] : '';
  const [first = '', second] = full.split('/');
  const organization = typeof fields['organization'] === 'string' ? fields['organization'] : null;
  const namespace = second === undefined ? (organization ?? caller.name) : first;
  const name = second ?? first;
  requireName(name, 'repo name');
  hub.accounts.requireNamespace(caller, namespace);
  return { caller, namespace, name };
}

async function createRepo(hub: HubContext, exchange: Exchange): Promise<void> {
  const fields = asObject(await exchange.readJson(jsonLimitBytes));
  const type = readType(fields['type']);
  const { caller, namespace, name } = readIdentity(hub, exchange, fields);
  const reply = {
    url: `${exchange.base}${webPrefix(type)}/${namespace}/${name}`,
    name: `${namespace}/${name}`,
    id: objectId(`${type} ${namespace}/${name}`),
  };
  if (hub.repos.find(type, namespace, name) !== null) {
    throw new Refusal(409, `You already created this ${type} repo`, { body: reply });
  }
  const isPrivate = fields['private'] === true || fields['visibility'] === 'private';
  const sdk = typeof fields['sdk'] === 'string' ? fields['sdk'] : null;
  const files = Array.isArray(fields['files']) ? fields['files'] : [];
  const edits: RepoEdit[] = [
    { type: 'blob', path: '.gitattributes', data: Buffer.from(defaultGitAttributes) },
    ...files.map((file): RepoEdit => {
      const entry = asObject(file);
      const path = typeof entry['path'] === 'string' ? entry['path'] : '';
      return { type: 'blob', path, data: decodeContent(entry) };
    }),
  ];
  hub.repos.create({ type, namespace, name, private: isPrivate, sdk }, edits, {
    title: 'initial commit',
    message: '',
    author: caller.name,
    date: hub.clock.now(),
  });
  await exchange.sendJson(200, reply);
}

async function deleteRepo(hub: HubContext, exchange: Exchange): Promise<void> {
  const fields = asObject(await exchange.readJson(jsonLimitBytes));
  const type = readType(fields['type']);
  const { namespace, name } = readIdentity(hub, exchange, fields);
  const repo = hub.repos.find(type, namespace, name);
  if (repo === null)
    throw new Refusal(404, `Repository not found: ${namespace}/${name}`, { code: 'RepoNotFound' });
  hub.repos.remove(repo);
  await exchange.sendEmpty(200);
}

async function moveRepo(hub: HubContext, exchange: Exchange): Promise<void> {
  const caller = hub.accounts.requireLogin(exchange);
  const fields = asObject(await exchange.readJson(jsonLimitBytes));
  const [fromNamespace = '', fromName = ''] = String(fields['fromRepo']).split('/');
  const [namespace = '', name = ''] = String(fields['toRepo']).split('/');
  requireName(name, 'name');
  const from = `${fromNamespace}/${fromName}`;
  const target = `${namespace}/${name}`;
  const taken = new Refusal(409, `${target} already exists`);
  if (fields['type'] === 'bucket') {
    const bucket = hub.accounts.requireWritable(caller, hub.buckets.find(fromNamespace, fromName), from);
    hub.accounts.requireNamespace(caller, namespace);
    if (hub.buckets.find(namespace, name) !== null) throw taken;
    hub.buckets.rename(bucket, namespace, name);
    hub.renames.note('bucket', fromNamespace, fromName, target);
  } else {
    const type = readType(fields['type']);
    const repo = hub.accounts.requireWritable(caller, hub.repos.find(type, fromNamespace, fromName), from);
    hub.accounts.requireNamespace(caller, namespace);
    if (hub.repos.find(type, namespace, name) !== null) throw taken;
    hub.repos.rename(repo, namespace, name);
    hub.renames.note(type, fromNamespace, fromName, target);
  }
  await exchange.sendEmpty(200);
}

/** Everything in a namespace, private or not, newest first. */
async function listOwned(hub: HubContext, exchange: Exchange, namespace: string): Promise<void> {
  hub.accounts.requireNamespace(hub.accounts.callerOf(exchange), namespace);
  const buckets = hub.buckets.list(namespace, '', '', 10_000).map((bucket) => ({
    id: `${bucket.namespace}/${bucket.name}`,
    type: 'bucket',
    updatedAt: new Date(bucket.updatedAt).toISOString(),
    visibility: bucket.private ? 'private' : 'public',
    storage: bucket.sizeBytes,
  }));
  const repos = repoTypes
    .flatMap((type) => hub.repos.list(type))
    .filter((repo) => repo.namespace === namespace)
    .map((repo) => ({
      id: repoId(repo),
      type: repo.type,
      updatedAt: new Date(repo.updatedAt).toISOString(),
      visibility: repo.private ? 'private' : 'public',
      storage: storageOf(hub, repo),
    }));
  await exchange.sendJson(200, [...buckets, ...repos]);
}

function storageOf(hub: HubContext, repo: Repo): number {
  const commit = hub.repos.resolve(repo, 'main');
  return commit === null ? 0 : hub.repos.files(repo, commit).reduce((sum, file) => sum + file.sizeBytes, 0);
}

async function changeSettings(hub: HubContext, exchange: Exchange, type: RepoType): Promise<void> {
  const repo = writableRepo(hub, exchange, type);
  const fields = asObject(await exchange.readJson(jsonLimitBytes));
  const isPrivate =
    fields['visibility'] === undefined ? fields['private'] : fields['visibility'] === 'private';
  const { gated } = fields;
  hub.repos.update(repo, {
    ...(typeof isPrivate === 'boolean' ? { private: isPrivate } : {}),
    ...(gated === 'auto' || gated === 'manual' ? { gated } : gated === false ? { gated: null } : {}),
  });
  await exchange.sendJson(200, {});
}

async function createBranch(hub: HubContext, exchange: Exchange, type: RepoType): Promise<void> {
  const repo = writableRepo(hub, exchange, type);
  const fields = asObject(await exchange.readJson(jsonLimitBytes));
  const ref = `refs/heads/${exchange.param('branch')}`;
  const start = typeof fields['startingPoint'] === 'string' ? fields['startingPoint'] : 'main';
  const { commit } = atRevision(hub, repo, start);
  if (hub.repos.refTarget(repo, ref) !== null && fields['overwrite'] !== true) {
    throw new Refusal(409, `Reference already exists: ${ref}`);
  }
  if (fields['emptyBranch'] === true) {
    const caller = hub.accounts.requireLogin(exchange);
    const details = { title: 'initial commit', message: '', author: caller.name, date: hub.clock.now() };
    hub.repos.commit(repo, ref, null, [], details);
  } else {
    hub.repos.setRef(repo, ref, commit);
  }
  await exchange.sendEmpty(201);
}

async function createTag(hub: HubContext, exchange: Exchange, type: RepoType): Promise<void> {
  const repo = writableRepo(hub, exchange, type);
  const { tag } = asObject(await exchange.readJson(jsonLimitBytes));
  if (typeof tag !== 'string' || !/^[\w.][\w./-]*$/.test(tag)) throw badRequest('tag must be a tag name');
  const { commit } = atRevision(hub, repo, exchange.param('revision'));
  const ref = `refs/tags/${tag}`;
  if (hub.repos.refTarget(repo, ref) !== null) throw new Refusal(409, `Tag reference exists already: ${tag}`);
  hub.repos.setRef(repo, ref, commit);
  await exchange.sendEmpty(201);
}

async function deleteRef(hub: HubContext, exchange: Exchange, type: RepoType, ref: string): Promise<void> {
  const repo = writableRepo(hub, exchange, type);
  if (ref === 'refs/heads/main') throw new Refusal(403, 'The main branch cannot be deleted');
  if (!hub.repos.deleteRef(repo, ref)) {
    throw new Refusal(404, `No such reference: ${ref}`, { code: 'RevisionNotFound' });
  }
  await exchange.sendEmpty(204);
}
