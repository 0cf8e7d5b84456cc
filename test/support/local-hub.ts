// An embedded Hub in a temporary folder for one test, and a plain HTTP caller for it that hides no part of an answer.

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import type { CompressionPolicy } from '../../src/xet/chunk-encoder.ts';
import { Chunker } from '../../src/xet/chunker.ts';
import { chunkHash, fileHash, hashToHex, rangeHash, type ChunkInfo } from '../../src/xet/hash.ts';
import type { ShardFile } from '../../src/xet/shard.ts';
import { XorbBuilder } from '../../src/xet/xorb-builder.ts';
import { startLocalHub, type LocalHub, type LocalHubOptions } from '../../src/hub-local/local-hub.ts';

export async function temporaryFolder(t: TestContext, name = 'hubdrive-hub-'): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), name));
  t.after(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

/** Closed and removed after the test. An internal error of the Hub fails the test. */
export async function openHub(t: TestContext, options: Partial<LocalHubOptions> = {}): Promise<LocalHub> {
  const dataDir = options.dataDir ?? (await temporaryFolder(t));
  const errors: unknown[] = [];
  const hub = await startLocalHub({ onError: (error) => errors.push(error), ...options, dataDir });
  t.after(async () => {
    await hub.close();
    if (errors.length > 0) throw new AggregateError(errors, 'The embedded Hub had internal errors');
  });
  return hub;
}

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly bytes: Buffer;
  readonly text: string;
  /** Parsed body; undefined if it is no JSON. */
  readonly json: unknown;
}

export class HubCaller {
  readonly endpoint: string;
  readonly token: string | null;

  constructor(endpoint: string, token: string | null) {
    this.endpoint = endpoint;
    this.token = token;
  }

  /** `path` may be a whole URL. An object body is sent as JSON, a string or bytes as they are. Never follows redirects. */
  async call(
    method: string,
    path: string,
    body?: string | Uint8Array | object,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<Answer> {
    const raw = body === undefined || typeof body === 'string' || body instanceof Uint8Array;
    const response = await fetch(path.startsWith('http') ? path : this.endpoint + path, {
      method,
      redirect: 'manual',
      headers: {
        ...(this.token === null ? {} : { Authorization: `Bearer ${this.token}` }),
        ...(raw ? {} : { 'Content-Type': 'application/json' }),
        ...headers,
      },
      ...(body === undefined ? {} : { body: raw ? asBody(body) : JSON.stringify(body) }),
    });
    const bytes = Buffer.from(await response.arrayBuffer());
    const text = bytes.toString('utf8');
    return { status: response.status, headers: response.headers, bytes, text, json: parse(text) };
  }

  get(path: string, headers: Readonly<Record<string, string>> = {}): Promise<Answer> {
    return this.call('GET', path, undefined, headers);
  }

  /** A bucket batch of the given lines. */
  batch(bucketId: string, lines: readonly object[]): Promise<Answer> {
    const body = lines.map((line) => JSON.stringify(line)).join('\n');
    return this.call('POST', `/api/buckets/${bucketId}/batch`, body, {
      'Content-Type': 'application/x-ndjson',
    });
  }
}

function asBody(body: string | Uint8Array): string | Uint8Array<ArrayBuffer> {
  return typeof body === 'string' ? body : Uint8Array.from(body);
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

export function callerOf(hub: LocalHub, token: string | null = hub.token): HubCaller {
  return new HubCaller(hub.endpoint, token);
}

/** A caller of the CAS with a fresh Xet token for the bucket. */
export async function casCaller(
  hub: LocalHub,
  bucketId: string,
  scope: 'read' | 'write',
): Promise<HubCaller> {
  const { json } = await callerOf(hub).get(`/api/buckets/${bucketId}/xet-${scope}-token`);
  const { casUrl, accessToken } = json as { casUrl: string; accessToken: string };
  return new HubCaller(casUrl, accessToken);
}

export interface PackedContent {
  readonly data: Uint8Array;
  readonly xorbHash: string;
  readonly xorbBytes: Uint8Array;
  readonly fileHash: string;
  readonly chunks: readonly ChunkInfo[];
  /** As it stands in a shard: one segment over the whole xorb, verified. */
  readonly file: ShardFile;
}

/** Packs content that fits into one xorb, as an uploading client would. */
export function packContent(data: Uint8Array, policy: CompressionPolicy = 'auto'): PackedContent {
  const builder = new XorbBuilder();
  const add = (chunk: Uint8Array): void => {
    builder.add(Uint8Array.from(chunk), chunkHash(chunk), policy);
  };
  const chunker = new Chunker();
  chunker.push(data, add);
  chunker.finish(add);
  const xorb = builder.finish();
  const hash = fileHash(xorb.chunks);
  const file: ShardFile = {
    hash,
    segments: [
      { xorbHash: xorb.hash, unpackedBytes: data.byteLength, chunkStart: 0, chunkEnd: xorb.chunks.length },
    ],
    verification: [rangeHash(xorb.chunks.map((chunk) => chunk.hash))],
    sha256: null,
  };
  return {
    data,
    xorbHash: hashToHex(xorb.hash),
    xorbBytes: xorb.bytes,
    fileHash: hashToHex(hash),
    chunks: xorb.chunks,
    file,
  };
}
