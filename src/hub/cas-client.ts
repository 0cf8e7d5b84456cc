// The CAS: plans of files, uploads of xorbs and shards, deduplication queries, and the server's help with edits. Speaks in
// raw hashes; tokens come from `xet-tokens.ts`. Xet specification, "CAS API".

import { hashToHex } from '../xet/hash.ts';
import { parseShard, shardMaxBytes, type Shard } from '../xet/shard.ts';
import { badAnswerError } from './hub-errors.ts';
import { readBody, type HttpClient, type HttpRequest } from './http.ts';
import { AnswerReader } from './json-answer.ts';
import { HubError, type ByteRange } from './remote-store.ts';
import { parsePlan, type ReconstructionPlan } from './reconstruction.ts';
import { answerLimitBytes } from './send-messages.ts';
import type { SendThread } from './send-thread.ts';
import type { XetTokens } from './xet-tokens.ts';

/** Merkle subtree of untouched chunks in the JSON form that xet-core and its JavaScript port exchange. */
export interface HashRange {
  readonly nodes: { hash: string; size: number }[];
  readonly levels: [number, number][];
  readonly at_start: boolean;
  readonly at_end: boolean;
}

/** Answer of `/v2/file-chunk-hashes`. */
export interface FileChunkHashes {
  readonly fileSizeBytes: number;
  readonly windows: readonly ByteRange[];
  /** One before each window and one after the last; null where nothing lies between. */
  readonly hashRanges: readonly (HashRange | null)[];
  /** Verification hashes of the segments that no window touches, display form, in file order. */
  readonly gapVerification: readonly string[];
}

const maxPlanBytes = 64 * 1024 * 1024;
const maxHashesBytes = 64 * 1024 * 1024;
/** The server hashes and stores what it received before it answers. */
const uploadHeadersTimeoutMs = 120_000;

export class CasClient {
  readonly #http: HttpClient;
  readonly #read: XetTokens;
  readonly #write: XetTokens;
  readonly #sender: SendThread | null;
  /** Set once the CAS has shown that it lacks v2 reconstructions. */
  #onlyV1 = false;

  /** `sender`: null sends uploads on the calling thread. */
  constructor(http: HttpClient, read: XetTokens, write: XetTokens, sender: SendThread | null) {
    this.#http = http;
    this.#sender = sender;
    this.#read = read;
    this.#write = write;
  }

  /** The plan of `[start, end)`, which is not empty and within the file; `end` null means to the end of the file. */
  async plan(
    fileHash: Uint8Array,
    start: number,
    end: number | null,
    signal?: AbortSignal,
  ): Promise<ReconstructionPlan> {
    const what = `Planning the download of file ${hashToHex(fileHash).slice(0, 12)}`;
    const headers: Record<string, string> = { Accept: 'application/json' };
    if (start > 0 || end !== null) headers['Range'] = `bytes=${start}-${end === null ? '' : end - 1}`;
    if (!this.#onlyV1) {
      const answer = await this.#planRequest('v2', fileHash, what, headers, signal);
      if (answer !== null) return parsePlan(answer, start, what);
    }
    const answer = await this.#planRequest('v1', fileHash, what, headers, signal);
    if (answer === null)
      throw new HubError('not-found', `${what} failed: the CAS does not have it`, {
        retryable: false,
        status: 404,
      });
    this.#onlyV1 = true;
    return parsePlan(answer, start, what);
  }

  /** About so much will soon be uploaded. */
  expectUpload(sizeBytes: number): void {
    this.#sender?.prepare(sizeBytes);
  }

  /** Returns whether the CAS did not have it before. `body` is sent as one, in order. */
  async uploadXorb(hash: Uint8Array, body: readonly Uint8Array[], signal?: AbortSignal): Promise<boolean> {
    const what = `Uploading xorb ${hashToHex(hash).slice(0, 12)}`;
    const path = `v1/xorbs/default/${hashToHex(hash)}`;
    const object = await this.#upload(what, path, body, signal);
    return object['was_inserted'] === true;
  }

  async uploadShard(shard: Uint8Array, signal?: AbortSignal): Promise<void> {
    await this.#upload('Registering the uploaded file', 'v1/shards', [shard], signal);
  }

  /** A shard that describes xorbs with this chunk, or null. Never rejects but for an abort: without it more is sent, no harm. */
  async queryChunk(hash: Uint8Array, signal?: AbortSignal): Promise<Shard | null> {
    const what = 'Asking for a known chunk';
    try {
      const { casUrl } = await this.#read.get();
      const url = `${casUrl}/v1/chunks/default/${hashToHex(hash)}`;
      const request: HttpRequest = {
        method: 'GET',
        url,
        what,
        authorization: this.#read.authorization(),
        signal,
        accept: [404],
      };
      const bytes = await this.#http.call(request, async (answer) => {
        const body = await readBody(answer, shardMaxBytes, what);
        return answer.status === 404 ? null : body;
      });
      return bytes === null ? null : parseShard(bytes);
    } catch (error) {
      if (error instanceof HubError && error.code === 'aborted') throw error;
      return null;
    }
  }

  /** Null where the CAS does not offer it. `dirty` is sorted, disjoint, within the file. */
  async fileChunkHashes(
    fileHash: Uint8Array,
    dirty: readonly ByteRange[],
    signal?: AbortSignal,
  ): Promise<FileChunkHashes | null> {
    const what = `Asking for the chunk hashes of file ${hashToHex(fileHash).slice(0, 12)}`;
    const { casUrl } = await this.#write.get();
    const ranges = dirty.map((range) => `${range.start}-${range.end - 1}`).join(',');
    try {
      const { value } = await this.#http.json(
        {
          method: 'GET',
          url: `${casUrl}/v2/file-chunk-hashes/${hashToHex(fileHash)}`,
          what,
          headers: { 'X-Range-Dirty': `bytes=${ranges}`, Accept: 'application/json' },
          authorization: this.#write.authorization(),
          signal,
        },
        maxHashesBytes,
      );
      return parseChunkHashes(value, what);
    } catch (error) {
      if (error instanceof HubError && !error.retryable && error.code !== 'unauthorized') return null;
      throw error;
    }
  }

  async #planRequest(
    version: 'v1' | 'v2',
    fileHash: Uint8Array,
    what: string,
    headers: Readonly<Record<string, string>>,
    signal: AbortSignal | undefined,
  ): Promise<unknown> {
    const { casUrl } = await this.#read.get();
    const url = `${casUrl}/${version}/reconstructions/${hashToHex(fileHash)}`;
    const authorization = this.#read.authorization();
    return await this.#http.call(
      { method: 'GET', url, what, headers, authorization, signal, accept: [404, 501] },
      async (answer) => {
        const body = await readBody(answer, maxPlanBytes, what);
        return answer.status === 404 || answer.status === 501 ? null : parseJson(body, what);
      },
    );
  }

  async #upload(
    what: string,
    path: string,
    body: readonly Uint8Array[],
    signal: AbortSignal | undefined,
  ): Promise<Readonly<Record<string, unknown>>> {
    const { casUrl } = await this.#write.get();
    const { value } = await this.#http.json(
      {
        method: 'POST',
        url: `${casUrl}/${path}`,
        what,
        headers: { 'Content-Type': 'application/octet-stream', Accept: 'application/json' },
        body,
        authorization: this.#write.authorization(),
        signal,
        timeouts: { headersMs: uploadHeadersTimeoutMs },
        sender: this.#sender,
      },
      answerLimitBytes,
    );
    return new AnswerReader(what).object(value, 'the result');
  }
}

const hashPattern = /^[0-9a-f]{64}$/;

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}

function parseJson(body: Buffer, what: string): unknown {
  try {
    return JSON.parse(body.toString('utf8'));
  } catch (cause) {
    throw badAnswerError(what, 'not JSON', cause);
  }
}

function parseChunkHashes(value: unknown, what: string): FileChunkHashes {
  const reader = new AnswerReader(what);
  const object = reader.object(value, 'the answer');
  const windows = reader.array(object['windows'], '"windows"').map((each) => {
    const range = reader.array(reader.object(each, 'a window')['dirtyByteRange'], '"dirtyByteRange"');
    const [start, end] = range;
    if (typeof start !== 'number' || typeof end !== 'number' || start >= end)
      throw reader.fail('an empty window');
    return { start, end };
  });
  const hashRanges = reader
    .array(object['hashRanges'], '"hashRanges"')
    .map((each) => (each === null ? null : parseHashRange(reader, each)));
  if (hashRanges.length !== windows.length + 1) throw reader.fail('windows and hash ranges do not match');
  const gapVerification = reader.array(object['gapVerification'], '"gapVerification"').map((each) => {
    if (typeof each !== 'string' || !hashPattern.test(each))
      throw reader.fail('a verification hash that is none');
    return each;
  });
  return { fileSizeBytes: reader.count(object, 'fileSize'), windows, hashRanges, gapVerification };
}

function parseHashRange(reader: AnswerReader, value: unknown): HashRange {
  const object = reader.object(value, 'a hash range');
  const nodes = reader.array(object['nodes'], '"nodes"').map((each) => {
    const node = reader.object(each, 'a node');
    const hash = reader.string(node, 'hash');
    if (!hashPattern.test(hash)) throw reader.fail('a node without a hash');
    return { hash, size: reader.count(node, 'size') };
  });
  const levels = reader.array(object['levels'], '"levels"').map((each): [number, number] => {
    const [left, right] = reader.array(each, 'a level');
    if (!isCount(left) || !isCount(right)) throw reader.fail('a level that is no pair');
    return [left, right];
  });
  const counted = levels.reduce((sum, [left, right]) => sum + left + right, 0);
  if (counted !== nodes.length) throw reader.fail('levels that do not count the nodes');
  return {
    nodes,
    levels,
    at_start: reader.boolean(object, 'at_start'),
    at_end: reader.boolean(object, 'at_end'),
  };
}
