// `GET /v2/file-chunk-hashes/{hash}`: what a client needs to edit a file without reading the rest of it. The
// subtrees come from the JavaScript client's own package, so both sides agree on their form.

import { MerkleHashSubtree } from '@huggingface/xetchunk-wasm';
import type { ChunkInfo } from '../xet/hash.ts';
import { hashToHex } from '../xet/hash.ts';
import type { Span } from './byte-range.ts';
import { requireXetToken } from './cas-access.ts';
import { pathHash, requireFile } from './cas-routes.ts';
import type { FileRecord } from './cas-store.ts';
import { findWindows, type ChunkWindow } from './chunk-windows.ts';
import type { Exchange } from './exchange.ts';
import type { HubContext } from './hub-context.ts';
import { badRequest, Refusal } from './refusal.ts';

const maxRanges = 10_000;

export function addChunkHashRoutes(hub: HubContext): void {
  hub.router.add('cas.file-chunk-hashes', 'GET', '/v2/file-chunk-hashes/:hash', (exchange) =>
    sendChunkHashes(hub, exchange),
  );
}

async function sendChunkHashes(hub: HubContext, exchange: Exchange): Promise<void> {
  requireXetToken(hub, exchange, 'read');
  if (!hub.faults.settings.fileChunkHashes) throw new Refusal(404, 'Range edits are not served here');
  const file = requireFile(hub, pathHash(exchange));
  const dirty = readDirtyRanges(exchange.header('x-range-dirty'), file.sizeBytes);
  const chunks = chunksOf(hub, file);
  const windows = findWindows(
    chunks.map((chunk) => chunk.sizeBytes),
    dirty,
  );
  await exchange.sendJson(200, {
    totalChunks: chunks.length,
    fileSize: file.sizeBytes,
    windows: windows.map((window) => ({ dirtyByteRange: [window.start, window.end] })),
    hashRanges: gapsBetween(windows, chunks.length).map((gap) => subtreeOf(chunks, gap.start, gap.end)),
    gapVerification: untouchedVerification(file, windows),
  });
}

function chunksOf(hub: HubContext, file: FileRecord): ChunkInfo[] {
  const chunks: ChunkInfo[] = [];
  for (const segment of file.segments) {
    const xorb = hub.cas.xorbById(segment.xorbId);
    for (const chunk of xorb.chunkInfos(segment.chunkStart, segment.chunkEnd)) chunks.push(chunk);
  }
  return chunks;
}

/** Sorted, merged, clamped; ends in the header are inclusive. 400 when nothing is left. */
function readDirtyRanges(header: string | null, sizeBytes: number): Span[] {
  const match = /^bytes=([\d,\s-]+)$/.exec(header?.trim() ?? '');
  const parts = match?.[1]?.split(',') ?? [];
  if (parts.length > maxRanges) throw badRequest(`X-Range-Dirty names more than ${maxRanges} ranges`);
  const spans: Span[] = [];
  for (const part of parts) {
    const bounds = /^(\d+)-(\d+)$/.exec(part.trim());
    if (bounds === null) throw badRequest(`X-Range-Dirty: "${part}" is not a range`);
    const start = Number(bounds[1]);
    const end = Math.min(sizeBytes, Number(bounds[2]) + 1);
    if (start < end) spans.push({ start, end });
  }
  if (spans.length === 0) throw badRequest('X-Range-Dirty must name at least one byte of the file');
  const merged: { start: number; end: number }[] = [];
  for (const span of spans.toSorted((a, b) => a.start - b.start)) {
    const last = merged.at(-1);
    if (last !== undefined && span.start <= last.end) last.end = Math.max(last.end, span.end);
    else merged.push({ ...span });
  }
  return merged;
}

/** The chunk ranges before, between and after the windows: one more than there are windows. */
function gapsBetween(windows: readonly ChunkWindow[], totalChunks: number): Span[] {
  const gaps: Span[] = [];
  let start = 0;
  for (const window of windows) {
    gaps.push({ start, end: window.chunkStart });
    start = window.chunkEnd;
  }
  gaps.push({ start, end: totalChunks });
  return gaps;
}

function subtreeOf(chunks: readonly ChunkInfo[], start: number, end: number): unknown {
  if (start === end) return null;
  const run = chunks.slice(start, end).map((chunk) => ({ hash: chunk.hash, length: chunk.sizeBytes }));
  return MerkleHashSubtree.fromChunks(start === 0, run, end === chunks.length).toJSON();
}

function untouchedVerification(file: FileRecord, windows: readonly ChunkWindow[]): string[] {
  const hashes: string[] = [];
  let start = 0;
  for (const segment of file.segments) {
    const end = start + segment.plainBytes;
    const touched = windows.some((window) => window.start < end && start < window.end);
    if (!touched) hashes.push(hashToHex(segment.verification));
    start = end;
  }
  return hashes;
}
