// The bucket half of the Hub API: list, create, info, delete, settings, tree, paths-info, batch, tokens, resolve.
// The event stream is in `bucket-events-route.ts`.

import { parseBatch, type LineFailure } from './bucket-batch.ts';
import type { Bucket, BucketEdit, BucketEntry } from './bucket-store.ts';
import { objectId, requireName } from './accounts.ts';
import { sendXetToken } from './cas-access.ts';
import { sendResolved } from './content.ts';
import type { Exchange } from './exchange.ts';
import { globPattern } from './faults.ts';
import type { HubContext } from './hub-context.ts';
import { asObject } from './json-object.ts';
import { nextLink, readCursor, readFlag, readLimit } from './pagination.ts';
import { badRequest, entryNotFound, Refusal } from './refusal.ts';
import { redirectIfRenamed } from './renames.ts';

const jsonLimitBytes = 8 * 1024 * 1024;
const batchLimitBytes = 64 * 1024 * 1024;
const maxPathsInfo = 1000;

export function addBucketRoutes(hub: HubContext): void {
  const { router } = hub;
  router.add('bucket.list', 'GET', '/api/buckets/:namespace', (exchange) => listBuckets(hub, exchange));
  router.add('bucket.create', 'POST', '/api/buckets/:namespace/:name', (exchange) =>
    createBucket(hub, exchange),
  );
  router.add('bucket.info', 'GET', '/api/buckets/:namespace/:name', async (exchange) => {
    await exchange.sendJson(200, describeBucket(readable(hub, exchange)));
  });
  router.add('bucket.delete', 'DELETE', '/api/buckets/:namespace/:name', async (exchange) => {
    const bucket = writable(hub, exchange);
    hub.events.endAll(false, bucket);
    hub.buckets.remove(bucket);
    await exchange.sendEmpty(204);
  });
  router.add('bucket.settings', 'PUT', '/api/buckets/:namespace/:name/settings', (exchange) =>
    changeSettings(hub, exchange),
  );
  router.add('bucket.tree', 'GET', '/api/buckets/:namespace/:name/tree/*prefix', (exchange) =>
    sendTree(hub, exchange),
  );
  router.add('bucket.paths-info', 'POST', '/api/buckets/:namespace/:name/paths-info', (exchange) =>
    sendPathsInfo(hub, exchange),
  );
  router.add('bucket.batch', 'POST', '/api/buckets/:namespace/:name/batch', (exchange) =>
    runBatch(hub, exchange),
  );
  router.add('bucket.read-token', 'GET', '/api/buckets/:namespace/:name/xet-read-token', async (exchange) => {
    await sendXetToken(hub, exchange, 'read', resourceOf(readable(hub, exchange)));
  });
  router.add(
    'bucket.write-token',
    'GET',
    '/api/buckets/:namespace/:name/xet-write-token',
    async (exchange) => {
      await sendXetToken(hub, exchange, 'write', resourceOf(writable(hub, exchange)));
    },
  );
  for (const method of ['GET', 'HEAD']) {
    router.add('bucket.resolve', method, '/buckets/:namespace/:name/resolve/*path', (exchange) =>
      resolveFile(hub, exchange),
    );
  }
}

export function readable(hub: HubContext, exchange: Exchange): Bucket {
  const bucket = findBucket(hub, exchange);
  return hub.accounts.requireReadable(hub.accounts.callerOf(exchange), bucket, nameOf(exchange));
}

function findBucket(hub: HubContext, exchange: Exchange): Bucket | null {
  const bucket = hub.buckets.find(exchange.param('namespace'), exchange.param('name'));
  if (bucket === null) redirectIfRenamed(hub, exchange, 'bucket');
  return bucket;
}

function writable(hub: HubContext, exchange: Exchange): Bucket {
  const bucket = findBucket(hub, exchange);
  return hub.accounts.requireWritable(hub.accounts.callerOf(exchange), bucket, nameOf(exchange));
}

function nameOf(exchange: Exchange): string {
  return `${exchange.param('namespace')}/${exchange.param('name')}`;
}

function resourceOf(bucket: Bucket): string {
  return `bucket/${bucket.namespace}/${bucket.name}`;
}

function describeBucket(bucket: Bucket): Record<string, unknown> {
  return {
    _id: objectId(`bucket ${bucket.id}`),
    id: `${bucket.namespace}/${bucket.name}`,
    author: bucket.namespace,
    private: bucket.private,
    createdAt: new Date(bucket.createdAt).toISOString(),
    updatedAt: new Date(bucket.updatedAt).toISOString(),
    size: bucket.sizeBytes,
    totalFiles: bucket.totalFiles,
    ...(bucket.region === null ? {} : { region: bucket.region }),
    cdnRegions: [],
  };
}

function describeEntry(entry: BucketEntry): Record<string, unknown> {
  if (entry.type === 'directory') {
    return { type: 'directory', path: entry.path, uploadedAt: new Date(entry.uploadedAt).toISOString() };
  }
  return {
    type: 'file',
    path: entry.path,
    size: entry.sizeBytes,
    xetHash: entry.xetHash,
    mtime: new Date(entry.mtime).toISOString(),
    uploadedAt: new Date(entry.uploadedAt).toISOString(),
    ...(entry.contentType === null ? {} : { contentType: entry.contentType }),
  };
}

async function listBuckets(hub: HubContext, exchange: Exchange): Promise<void> {
  const caller = hub.accounts.callerOf(exchange);
  const asked = exchange.param('namespace');
  const namespace = asked === 'me' ? hub.accounts.requireLogin(exchange).name : asked;
  if (!hub.accounts.exists(namespace)) throw new Refusal(404, `Unknown user or organization "${namespace}"`);
  const limit = readLimit(exchange, 1000, hub.faults.settings.maxPageSize);
  const search = exchange.query.get('search') ?? '';
  const all = hub.buckets.list(namespace, search, readCursor(exchange), limit + 1);
  const page = all.slice(0, limit);
  const visible = page.filter((bucket) => !bucket.private || hub.accounts.isMember(caller, namespace));
  const next = all.length > limit ? (page.at(-1)?.name ?? null) : null;
  await exchange.sendJson(200, visible.map(describeBucket), nextLink(exchange, next));
}

async function createBucket(hub: HubContext, exchange: Exchange): Promise<void> {
  const caller = hub.accounts.requireLogin(exchange);
  const fields = asObject(await exchange.readJson(jsonLimitBytes));
  const asked = exchange.param('namespace');
  const namespace = asked === 'me' ? caller.name : asked;
  const name = exchange.param('name');
  hub.accounts.requireNamespace(caller, namespace);
  requireName(name, 'bucket name');
  const reply = { url: `${exchange.base}/buckets/${namespace}/${name}`, id: `${namespace}/${name}`, name };
  if (hub.buckets.find(namespace, name) !== null) {
    throw new Refusal(409, `You already created this bucket: ${namespace}/${name}`, { body: reply });
  }
  const isPrivate = fields['private'] === true || fields['visibility'] === 'private';
  const region = typeof fields['region'] === 'string' ? fields['region'] : null;
  hub.buckets.create(namespace, name, isPrivate, region, hub.clock.now());
  await exchange.sendJson(200, reply);
}

async function changeSettings(hub: HubContext, exchange: Exchange): Promise<void> {
  const bucket = writable(hub, exchange);
  const fields = asObject(await exchange.readJson(jsonLimitBytes));
  if (typeof fields['private'] !== 'boolean') throw badRequest('private must be true or false');
  hub.buckets.setPrivate(bucket, fields['private']);
  await exchange.sendJson(200, { private: fields['private'] });
}

async function sendTree(hub: HubContext, exchange: Exchange): Promise<void> {
  const bucket = readable(hub, exchange);
  const limit = readLimit(exchange, 1000, hub.faults.settings.maxPageSize);
  // Without the parameter the Hub lists files of the whole subtree.
  const recursive = readFlag(exchange, 'recursive') ?? true;
  const page = hub.buckets.page(bucket, exchange.param('prefix'), recursive, readCursor(exchange), limit);
  await exchange.sendJson(200, page.entries.map(describeEntry), nextLink(exchange, page.next));
}

async function sendPathsInfo(hub: HubContext, exchange: Exchange): Promise<void> {
  const bucket = readable(hub, exchange);
  const { paths } = asObject(await exchange.readJson(jsonLimitBytes));
  if (!Array.isArray(paths)) throw badRequest('paths must be a list');
  if (paths.length > maxPathsInfo) throw badRequest(`paths may have at most ${maxPathsInfo} entries`);
  const files = paths.map((path) => (typeof path === 'string' ? hub.buckets.file(bucket, path) : null));
  await exchange.sendJson(
    200,
    files.filter((file) => file !== null).map((file) => describeEntry({ type: 'file', ...file })),
  );
}

async function runBatch(hub: HubContext, exchange: Exchange): Promise<void> {
  const bucket = writable(hub, exchange);
  const body = (await exchange.readBody(batchLimitBytes)).toString('utf8');
  const caller = hub.accounts.callerOf(exchange);
  const now = hub.clock.now();
  const results = parseBatch(body, {
    cas: hub.cas,
    now,
    refusePath: (path) => refusedByTest(hub, path),
    refuseCopy: (source) => hub.refuseCopy(caller, source),
  });
  const edits: BucketEdit[] = [];
  const failed: LineFailure[] = [];
  for (const result of results) {
    if ('edit' in result) edits.push(result.edit);
    else failed.push(result.failure);
  }
  hub.events.publish(bucket, hub.buckets.apply(bucket, edits, now));
  await exchange.sendJson(failed.length === 0 ? 200 : 422, {
    success: failed.length === 0,
    processed: results.length,
    succeeded: edits.length,
    failed,
  });
}

function refusedByTest(hub: HubContext, path: string): string | null {
  for (const [glob, error] of Object.entries(hub.faults.settings.failPaths)) {
    if (globPattern(glob).test(path)) return error;
  }
  return null;
}

async function resolveFile(hub: HubContext, exchange: Exchange): Promise<void> {
  const bucket = readable(hub, exchange);
  const path = exchange.param('path');
  const file = hub.buckets.file(bucket, path);
  if (file === null) throw entryNotFound(path);
  await sendResolved(hub.cas, exchange, {
    sizeBytes: file.sizeBytes,
    etag: file.xetHash,
    path,
    contentType: file.contentType,
    lastModified: file.mtime,
    headers: {},
    body: {
      type: 'xet',
      hash: file.xetHash,
      tokenUrl: `${exchange.base}/api/buckets/${bucket.namespace}/${bucket.name}/xet-read-token`,
    },
  });
}
