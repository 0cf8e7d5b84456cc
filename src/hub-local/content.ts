// Plain bytes of Xet files: reading them back out of xorbs, and answering `resolve` requests for them the way every
// client asks (HEAD, ranges, If-None-Match, the JSON form of the JavaScript client).

import { extname } from 'node:path';
import { decodeChunks } from '../xet/xorb.ts';
import { contentRange, parseRanges } from './byte-range.ts';
import type { CasStore, FileRecord } from './cas-store.ts';
import { emptyFileHash } from './cas-store.ts';
import type { Exchange, ReplyHeaders } from './exchange.ts';
import type { XorbRecord } from './xorb-record.ts';

/** Decoded at a time. */
const windowBytes = 1024 * 1024;
const fileInfoType = 'application/vnd.xet-fileinfo+json';

const contentTypes: Readonly<Record<string, string>> = {
  '.json': 'application/json',
  '.md': 'text/markdown; charset=utf-8',
  '.txt': 'text/plain; charset=utf-8',
  '.csv': 'text/csv; charset=utf-8',
  '.html': 'text/plain; charset=utf-8',
  '.png': 'image/png',
  '.jpg': 'image/jpeg',
  '.pdf': 'application/pdf',
};

export function contentTypeOf(path: string): string {
  return contentTypes[extname(path).toLowerCase()] ?? 'application/octet-stream';
}

/** Feeds the plain bytes [start, end) of a file to `sink`, in order; a piece is borrowed until its promise settles. */
export async function readPlain(
  cas: CasStore,
  file: FileRecord,
  start: number,
  end: number,
  sink: (piece: Uint8Array) => Promise<void>,
): Promise<void> {
  let segmentStart = 0;
  for (const segment of file.segments) {
    if (segmentStart >= end) return;
    const segmentEnd = segmentStart + segment.plainBytes;
    if (segmentEnd > start) {
      const xorb = cas.xorbById(segment.xorbId);
      await readSegment(
        cas,
        xorb,
        segment.chunkStart,
        segment.chunkEnd,
        start - segmentStart,
        end - segmentStart,
        sink,
      );
    }
    segmentStart = segmentEnd;
  }
}

/** Plain bytes [from, to) of a run of chunks; both may lie outside of it. */
async function readSegment(
  cas: CasStore,
  xorb: XorbRecord,
  chunkStart: number,
  chunkEnd: number,
  from: number,
  to: number,
  sink: (piece: Uint8Array) => Promise<void>,
): Promise<void> {
  let chunk = chunkStart;
  let plainAt = 0;
  while (chunk < chunkEnd && plainAt + xorb.plainBytes(chunk) <= from) plainAt += xorb.plainBytes(chunk++);
  while (chunk < chunkEnd && plainAt < to) {
    let last = chunk;
    let plainEnd = plainAt;
    while (last < chunkEnd && plainEnd < to && plainEnd - plainAt < windowBytes)
      plainEnd += xorb.plainBytes(last++);
    const plain = await decodeRun(cas, xorb, chunk, last, plainEnd - plainAt);
    await sink(plain.subarray(Math.max(0, from - plainAt), Math.min(plain.byteLength, to - plainAt)));
    chunk = last;
    plainAt = plainEnd;
  }
}

async function decodeRun(
  cas: CasStore,
  xorb: XorbRecord,
  chunkStart: number,
  chunkEnd: number,
  plainBytes: number,
): Promise<Uint8Array> {
  const storedStart = xorb.storedStart(chunkStart);
  const stored = Buffer.allocUnsafe(xorb.storedEnd(chunkEnd - 1) - storedStart);
  let filled = 0;
  await cas.files.read(xorb.hash, storedStart, storedStart + stored.byteLength, (piece) => {
    stored.set(piece, filled);
    filled += piece.byteLength;
    return Promise.resolve();
  });
  const plain = Buffer.allocUnsafe(plainBytes);
  let at = 0;
  decodeChunks(stored, (_index, bytes) => {
    plain.set(bytes, at);
    at += bytes.byteLength;
  });
  return plain;
}

/** A file to be served by `resolve`. */
export interface Resolved {
  readonly sizeBytes: number;
  /** Without quotes. */
  readonly etag: string;
  readonly path: string;
  readonly contentType: string | null;
  /** Milliseconds since the epoch. */
  readonly lastModified: number;
  readonly headers: ReplyHeaders;
  /** Where its bytes are. */
  readonly body:
    | { readonly type: 'xet'; readonly hash: string; readonly tokenUrl: string }
    | { readonly type: 'bytes'; readonly bytes: Uint8Array };
}

export async function sendResolved(cas: CasStore, exchange: Exchange, file: Resolved): Promise<void> {
  const headers: Record<string, string | number | readonly string[]> = {
    ETag: `"${file.etag}"`,
    'Last-Modified': new Date(file.lastModified).toUTCString(),
    'Accept-Ranges': 'bytes',
    'Content-Type': file.contentType ?? contentTypeOf(file.path),
    // User content must never run as a page of this origin.
    'Content-Security-Policy': "default-src 'none'; sandbox",
    ...file.headers,
  };
  if (file.body.type === 'xet') {
    const { hash, tokenUrl } = file.body;
    headers['X-Xet-Hash'] = hash;
    headers['X-Linked-Size'] = file.sizeBytes;
    headers['X-Linked-ETag'] = `"${file.etag}"`;
    headers['Link'] =
      `<${tokenUrl}>; rel="xet-auth", <${exchange.base}/v1/reconstructions/${hash}>; rel="xet-reconstruction-info"`;
    if (exchange.method === 'GET' && (exchange.header('accept') ?? '').includes(fileInfoType)) {
      await sendFileInfo(exchange, file, headers);
      return;
    }
  }
  if (matchesEtag(exchange.header('if-none-match'), file.etag)) {
    await exchange.sendEmpty(304, headers);
    return;
  }
  const spans = file.sizeBytes === 0 ? null : parseRanges(exchange.header('range'), file.sizeBytes);
  // Several ranges at once are allowed to be answered with the whole (RFC 9110, section 14.2).
  const span = spans?.length === 1 && spans[0] !== undefined ? spans[0] : null;
  if (span !== null) headers['Content-Range'] = contentRange(span, file.sizeBytes);
  const { start, end } = span ?? { start: 0, end: file.sizeBytes };
  await exchange.sendStream(span === null ? 200 : 206, headers, end - start, async (write) => {
    if (file.body.type === 'bytes') {
      if (end > start) await write(file.body.bytes.subarray(start, end));
      return;
    }
    if (file.body.hash === emptyFileHash) return;
    const record = cas.file(file.body.hash);
    if (record === null)
      throw new Error(`File ${file.path} has content ${file.body.hash}, which is not registered`);
    await readPlain(cas, record, start, end, write);
  });
}

async function sendFileInfo(exchange: Exchange, file: Resolved, headers: ReplyHeaders): Promise<void> {
  if (file.body.type !== 'xet') return;
  const { hash, tokenUrl } = file.body;
  const info = {
    hash,
    size: file.sizeBytes,
    etag: `"${file.etag}"`,
    refreshUrl: tokenUrl,
    reconstructionUrl: `${exchange.base}/v1/reconstructions/${hash}`,
  };
  await exchange.sendBytes(200, Buffer.from(JSON.stringify(info)), {
    ...headers,
    'Content-Type': fileInfoType,
  });
}

function matchesEtag(header: string | null, etag: string): boolean {
  if (header === null) return false;
  const wanted = header.split(',').map((part) => part.trim().replace(/^W\//, ''));
  return wanted.includes('*') || wanted.includes(`"${etag}"`);
}
