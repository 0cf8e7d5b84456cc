// What clients call to write to a repo: upload modes, LFS batch with Xet transfer, YAML check, commit.

import { asObject } from './json-object.ts';
import { issueXetToken } from './cas-access.ts';
import type { Exchange } from './exchange.ts';
import type { HubContext } from './hub-context.ts';
import { badRequest, Refusal } from './refusal.ts';
import { apiPrefix, atRevision, repoId, webPrefix, writableRepo } from './repo-access.ts';
import { parseCommit, uploadModeOf } from './repo-commit.ts';
import { repoTypes, type Repo, type RepoType } from './repo-store.ts';

const jsonLimitBytes = 8 * 1024 * 1024;
const commitLimitBytes = 512 * 1024 * 1024;
const lfsJson = { 'Content-Type': 'application/vnd.git-lfs+json' };

export function addRepoWriteRoutes(hub: HubContext): void {
  const { router } = hub;
  router.add('repo.validate-yaml', 'POST', '/api/validate-yaml', async (exchange) => {
    await exchange.readBody(jsonLimitBytes);
    await exchange.sendJson(200, { errors: [], warnings: [] });
  });
  for (const type of repoTypes) {
    const one = `${apiPrefix(type)}/:namespace/:name`;
    router.add('repo.preupload', 'POST', `${one}/preupload/*revision`, (exchange) =>
      preupload(hub, exchange, type),
    );
    router.add('repo.commit', 'POST', `${one}/commit/*revision`, (exchange) =>
      takeCommit(hub, exchange, type),
    );
    router.add(
      'repo.lfs-batch',
      'POST',
      `${webPrefix(type)}/:namespace/:name/info/lfs/objects/batch`,
      (exchange) => lfsBatch(hub, exchange, type),
    );
  }
}

async function preupload(hub: HubContext, exchange: Exchange, type: RepoType): Promise<void> {
  const repo = writableRepo(hub, exchange, type);
  const { commit } = atRevision(hub, repo, exchange.param('revision'));
  const { files } = asObject(await exchange.readJson(jsonLimitBytes));
  if (!Array.isArray(files)) throw badRequest('files must be a list');
  const answers = files.map((file) => {
    const fields = asObject(file);
    const path = typeof fields['path'] === 'string' ? fields['path'] : '';
    const sizeBytes = typeof fields['size'] === 'number' ? fields['size'] : 0;
    const sample = Buffer.from(typeof fields['sample'] === 'string' ? fields['sample'] : '', 'base64');
    const present = hub.repos.file(repo, commit, path);
    return {
      path,
      uploadMode: uploadModeOf(path, sizeBytes, sample),
      shouldIgnore: false,
      ...(present === null ? {} : { oid: present.sha256 ?? present.oid }),
    };
  });
  await exchange.sendJson(200, { files: answers });
}

async function lfsBatch(hub: HubContext, exchange: Exchange, type: RepoType): Promise<void> {
  const repo = writableRepo(hub, exchange, type);
  const order = asObject(await exchange.readJson(jsonLimitBytes));
  const { objects, transfers } = order;
  if (order['operation'] !== 'upload')
    throw new Refusal(422, 'Only uploads are served here; download with Xet');
  if (!Array.isArray(objects)) throw badRequest('objects must be a list');
  if (!Array.isArray(transfers) || !transfers.includes('xet')) {
    throw new Refusal(422, 'This Hub takes uploads over Xet only; use a client that has it');
  }
  const token = issueXetToken(hub, exchange, 'write', `${type}/${repoId(repo)}`);
  const ref = order['ref'] === undefined || order['ref'] === null ? 'main' : asObject(order['ref'])['name'];
  const rev = encodeURIComponent(typeof ref === 'string' ? ref.replace(/^refs\/heads\//, '') : 'main');
  const upload = {
    href: `${exchange.base}${apiPrefix(type)}/${repoId(repo)}/xet-write-token/${rev}`,
    header: {
      'X-Xet-Session-Id': exchange.requestId,
      'X-Xet-Cas-Url': token.casUrl,
      'X-Xet-Access-Token': token.accessToken,
      'X-Xet-Token-Expiration': String(token.exp),
    },
  };
  const answers = objects.map((object) => {
    const { oid, size } = asObject(object);
    const known = typeof oid === 'string' && hub.cas.fileBySha256(oid) !== null;
    return { oid, size, ...(known ? {} : { actions: { upload } }) };
  });
  await exchange.sendJson(200, { transfer: 'xet', objects: answers }, lfsJson);
}

async function takeCommit(hub: HubContext, exchange: Exchange, type: RepoType): Promise<void> {
  const repo = writableRepo(hub, exchange, type);
  const author = hub.accounts.requireLogin(exchange).name;
  const revision = exchange.param('revision');
  const isPullRequest = exchange.query.get('create_pr') === '1';
  const body = (await exchange.readBody(commitLimitBytes)).toString('utf8');
  const head = atRevision(hub, repo, revision).commit;
  const parsed = parseCommit(body, hub.repos.files(repo, head), hub.cas, (parentCommit) => {
    if (parentCommit === null || isPullRequest || parentCommit === head) return;
    throw new Refusal(412, 'A commit has happened since. Please refresh and try again.');
  });
  const ref = isPullRequest ? nextPullRequest(hub, repo) : branchOf(hub, repo, revision);
  const parent = isPullRequest ? (parsed.parentCommit ?? head) : head;
  const details = { title: parsed.title, message: parsed.message, author, date: hub.clock.now() };
  const oid = hub.repos.commit(repo, ref, parent, parsed.edits, details);
  const web = `${exchange.base}${webPrefix(type)}/${repoId(repo)}`;
  await exchange.sendJson(200, {
    success: true,
    commitOid: oid,
    commitUrl: `${web}/commit/${oid}`,
    hookOutput: '',
    ...(isPullRequest ? { pullRequestUrl: `${web}/discussions/${ref.slice('refs/pr/'.length)}` } : {}),
  });
}

/** The ref that a commit to `revision` moves; commits to tags and ids are refused. */
function branchOf(hub: HubContext, repo: Repo, revision: string): string {
  const branch = [`refs/heads/${revision}`, revision].find(
    (ref) => /^refs\/(?:heads|pr)\//.test(ref) && hub.repos.refTarget(repo, ref) !== null,
  );
  if (branch === undefined) throw badRequest(`Cannot commit to "${revision}": it is not a branch`);
  return branch;
}

function nextPullRequest(hub: HubContext, repo: Repo): string {
  const numbers = hub.repos.refs(repo).map(({ ref }) => Number(/^refs\/pr\/(\d+)$/.exec(ref)?.[1] ?? 0));
  return `refs/pr/${Math.max(0, ...numbers) + 1}`;
}
