// The CAS half of the embedded Hub, on the same origin: reconstructions, xorb upload and data, shards, chunk queries.
// Range edits are in `chunk-hashes-route.ts`.

import { XetFormatError } from '../xet/errors.ts';
import { hashFromHex } from '../xet/hash.ts';
import { shardMaxBytes, writeShard } from '../xet/shard.ts';
import { contentRange, frameMultipart, parseRanges, unsatisfiable } from './byte-range.ts';
import { requireSignedUrl, requireXetToken, signXorbUrl } from './cas-access.ts';
import type { FileRecord } from './cas-store.ts';
import type { Exchange } from './exchange.ts';
import type { HubContext } from './hub-context.ts';
import { planReconstruction, type FetchRange, type Plan } from './reconstruction.ts';
import { badRequest, Refusal } from './refusal.ts';
import type { XorbRecord } from './xorb-record.ts';

const octets = { 'Content-Type': 'application/octet-stream' };
/** Dedup answers may be used for this long. */
const dedupLifetimeSeconds = 7 * 86_400;

export function addCasRoutes(hub: HubContext): void {
  const { router } = hub;
  router.add('cas.reconstruction-v2', 'GET', '/v2/reconstructions/:hash', (exchange) =>
    sendReconstruction(hub, exchange, 2),
  );
  router.add('cas.reconstruction-v1', 'GET', '/v1/reconstructions/:hash', (exchange) =>
    sendReconstruction(hub, exchange, 1),
  );
  for (const method of ['GET', 'HEAD']) {
    router.add('cas.xorb-data', method, '/xorb-data/:hash', (exchange) => sendXorbData(hub, exchange));
  }
  router.add('cas.xorb-upload', 'POST', '/v1/xorbs/:prefix/:hash', (exchange) => takeXorb(hub, exchange));
  router.add('cas.xorb-head', 'HEAD', '/v1/xorbs/:prefix/:hash', (exchange) => headXorb(hub, exchange));
  for (const path of ['/v1/shards', '/shards']) {
    router.add('cas.shard-upload', 'POST', path, (exchange) => takeShard(hub, exchange));
  }
  router.add('cas.shard-upload-v2', 'POST', '/v2/shards', (exchange) => takeShardV2(hub, exchange));
  router.add('cas.chunk-query', 'GET', '/v1/chunks/:prefix/:hash', (exchange) =>
    sendDedupShard(hub, exchange),
  );
  router.add('cas.file-head', 'HEAD', '/v1/files/:hash', (exchange) => headFile(hub, exchange));
  router.add('cas.telemetry', 'POST', '/v1/telemetry', async (exchange) => {
    await exchange.readBody(1024 * 1024);
    await exchange.sendJson(200, {});
  });
}

/** The hash in the path; 400 unless it is 64 lower- or upper-case hex digits. */
export function pathHash(exchange: Exchange): string {
  const text = exchange.param('hash');
  try {
    hashFromHex(text);
  } catch (cause) {
    if (cause instanceof XetFormatError) throw badRequest(cause.message, cause);
    throw cause;
  }
  return text.toLowerCase();
}

export function requireFile(hub: HubContext, hash: string): FileRecord {
  const file = hub.cas.file(hash);
  if (file === null) throw new Refusal(404, `No file with the hash ${hash} is registered`);
  return file;
}

async function sendReconstruction(hub: HubContext, exchange: Exchange, version: 1 | 2): Promise<void> {
  requireXetToken(hub, exchange, 'read');
  if (version === 2 && !hub.faults.settings.reconstructionV2) throw new Refusal(404, 'Not served: use v1');
  const file = requireFile(hub, pathHash(exchange));
  const spans =
    file.sizeBytes === 0 ? emptySpan(exchange) : parseRanges(exchange.header('range'), file.sizeBytes);
  const span = spans?.[0] ?? { start: 0, end: file.sizeBytes };
  const plan = planReconstruction(hub.cas, file, span.start, span.end);
  await exchange.sendJson(200, {
    offset_into_first_range: plan.offsetIntoFirstRange,
    terms: plan.terms.map((term) => ({
      hash: term.xorb.hash,
      unpacked_length: term.plainBytes,
      range: { start: term.chunkStart, end: term.chunkEnd },
    })),
    ...(version === 1
      ? { fetch_info: fetchInfo(hub, exchange, plan) }
      : { xorbs: fetchEntries(hub, exchange, plan) }),
  });
}

/** An empty file answers from its start; anything beyond is out of range like in any other file. */
function emptySpan(exchange: Exchange): null {
  const match = /^bytes=(\d+)-/.exec(exchange.header('range') ?? '');
  if (match !== null && Number(match[1]) > 0) throw unsatisfiable(0);
  return null;
}

function fetchInfo(hub: HubContext, exchange: Exchange, plan: Plan): Record<string, unknown> {
  const info: Record<string, unknown> = {};
  for (const [xorb, ranges] of plan.fetches) {
    info[xorb.hash] = ranges.map((range) => ({
      range: { start: range.chunkStart, end: range.chunkEnd },
      url: signXorbUrl(hub, exchange, xorb.hash, [range]),
      url_range: { start: range.byteStart, end: range.byteEnd },
    }));
  }
  return info;
}

/** One entry per range by default: the JavaScript client plans per URL, so no two entries may share one. */
function fetchEntries(hub: HubContext, exchange: Exchange, plan: Plan): Record<string, unknown> {
  const entry = (xorb: XorbRecord, ranges: readonly FetchRange[]): unknown => ({
    url: signXorbUrl(hub, exchange, xorb.hash, ranges),
    ranges: ranges.map((range) => ({
      chunks: { start: range.chunkStart, end: range.chunkEnd },
      bytes: { start: range.byteStart, end: range.byteEnd },
    })),
  });
  const entries: Record<string, unknown> = {};
  for (const [xorb, ranges] of plan.fetches) {
    entries[xorb.hash] = hub.faults.settings.multiRange
      ? [entry(xorb, ranges)]
      : ranges.map((range) => entry(xorb, [range]));
  }
  return entries;
}

async function sendXorbData(hub: HubContext, exchange: Exchange): Promise<void> {
  const hash = pathHash(exchange);
  const xorb = hub.cas.xorb(hash);
  if (xorb === null) throw new Refusal(404, `No xorb ${hash}`);
  const spans = parseRanges(exchange.header('range'), xorb.storedBytes);
  requireSignedUrl(hub, exchange, hash, spans);
  const total = xorb.storedBytes;
  const common = {
    ...octets,
    'Accept-Ranges': 'bytes',
    ETag: `"${hash}"`,
    'Cache-Control': 'private, max-age=3600',
  };
  if (spans !== null && spans.length > 1) {
    const frame = frameMultipart(spans, total);
    const headers = { ...common, 'Content-Type': frame.contentType };
    await exchange.sendStream(206, headers, frame.lengthBytes, async (write) => {
      for (const [index, span] of spans.entries()) {
        await write(frame.heads[index] ?? frame.tail);
        await hub.cas.files.read(hash, span.start, span.end, write);
      }
      await write(frame.tail);
    });
    return;
  }
  const span = spans?.[0] ?? { start: 0, end: total };
  const headers = spans === null ? common : { ...common, 'Content-Range': contentRange(span, total) };
  await exchange.sendStream(spans === null ? 200 : 206, headers, span.end - span.start, (write) =>
    hub.cas.files.read(hash, span.start, span.end, write),
  );
}

async function takeXorb(hub: HubContext, exchange: Exchange): Promise<void> {
  requireXetToken(hub, exchange, 'write');
  requireDefaultPrefix(exchange);
  const hash = pathHash(exchange);
  const wasInserted = await hub.cas.putXorb(hash, exchange.body(hub.cas.xorbBodyLimitBytes));
  await exchange.sendJson(200, { was_inserted: wasInserted });
}

async function headXorb(hub: HubContext, exchange: Exchange): Promise<void> {
  requireXetToken(hub, exchange, 'read');
  requireDefaultPrefix(exchange);
  const xorb = hub.cas.xorb(pathHash(exchange));
  if (xorb === null) throw new Refusal(404, 'No such xorb');
  await exchange.sendStream(200, octets, xorb.storedBytes, () => Promise.resolve());
}

async function takeShard(hub: HubContext, exchange: Exchange): Promise<void> {
  requireXetToken(hub, exchange, 'write');
  const bytes = await exchange.readBody(shardMaxBytes);
  await exchange.sendJson(200, { result: hub.cas.putShard(bytes) ? 1 : 0 });
}

/** The same with progress frames, one JSON object a line; errors after the first frame are frames too. */
async function takeShardV2(hub: HubContext, exchange: Exchange): Promise<void> {
  requireXetToken(hub, exchange, 'write');
  if (!hub.faults.settings.shardsV2) throw new Refusal(404, 'Not served: use v1');
  const bytes = await exchange.readBody(shardMaxBytes);
  const frames: unknown[] = [];
  let verified = 0;
  try {
    const added = hub.cas.putShard(bytes, () => verified++);
    frames.push(
      { type: 'validating', verified, total: verified },
      { type: 'committing', stage: 'uploading' },
      { type: 'committing', stage: 'syncing' },
      { type: 'result', result: added ? 1 : 0 },
    );
  } catch (error) {
    if (!(error instanceof Refusal) || error.status >= 500) throw error;
    frames.push({ type: 'error', message: error.message, retryable: false });
  }
  const body = Buffer.from(frames.map((frame) => `${JSON.stringify(frame)}\n`).join(''));
  await exchange.sendBytes(200, body, { 'Content-Type': 'application/x-ndjson' });
}

/** The chunks of a xorb that has the asked one, as a shard with plain hashes. */
async function sendDedupShard(hub: HubContext, exchange: Exchange): Promise<void> {
  requireXetToken(hub, exchange, 'read');
  requireDefaultPrefix(exchange);
  const hash = pathHash(exchange);
  const xorb = hub.faults.settings.globalDedup ? hub.cas.xorbWithChunk(hash) : null;
  if (xorb === null) throw new Refusal(404, 'This chunk is not known');
  const now = Math.floor(hub.clock.now() / 1000);
  let offsetBytes = 0;
  const chunks = xorb.chunkInfos(0, xorb.chunkCount).map((chunk) => {
    const described = { ...chunk, offsetBytes };
    offsetBytes += chunk.sizeBytes;
    return described;
  });
  const shard = writeShard({
    files: [],
    xorbs: [
      { hash: hashFromHex(xorb.hash), unpackedBytes: offsetBytes, storedBytes: xorb.storedBytes, chunks },
    ],
    footer: { hmacKey: new Uint8Array(32), createdAt: now, keyExpiry: now + dedupLifetimeSeconds },
  });
  await exchange.sendBytes(200, shard, octets);
}

async function headFile(hub: HubContext, exchange: Exchange): Promise<void> {
  requireXetToken(hub, exchange, 'read');
  const file = requireFile(hub, pathHash(exchange));
  await exchange.sendStream(200, octets, file.sizeBytes, () => Promise.resolve());
}

/** Documents say `default-merkledb` for chunks, clients send `default`; both mean the same. */
function requireDefaultPrefix(exchange: Exchange): void {
  const prefix = exchange.param('prefix');
  if (prefix !== 'default' && prefix !== 'default-merkledb') throw badRequest(`Unknown prefix "${prefix}"`);
}
