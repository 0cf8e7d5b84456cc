// Reads repo files that are not in Xet (`git:` keys), over the resolve route. A small file is fetched whole and checked
// against its git object id; of a large one ranges are fetched, and the answer's headers must name the same object. Knows
// nothing of listings.

import { createHash } from 'node:crypto';
import type { HubUrls } from './hub-paths.ts';
import type { HttpAnswer } from './http-exchange.ts';
import { readBody, type Authorization, type HttpClient } from './http.ts';
import { HubError, type ContentRef, type ContentSink } from './remote-store.ts';
import type { SourceAddress } from './hub-client.ts';
import { badAnswerError } from './hub-errors.ts';

/** Git files of the Hub are some 10 MB at most; larger ones are LFS. */
const maxWholeBytes = 16 * 1024 * 1024;

export interface PlainReadRequest {
  /** `revision` is the commit whose tree named the file. */
  readonly address: SourceAddress;
  readonly content: ContentRef;
  /** From the root of the source. */
  readonly path: string;
  readonly start: number;
  readonly end: number;
  readonly sink: ContentSink;
  readonly signal: AbortSignal | undefined;
}

export class PlainReader {
  readonly #http: HttpClient;
  readonly #urls: HubUrls;
  readonly #authorization: Authorization;

  constructor(http: HttpClient, urls: HubUrls, authorization: Authorization) {
    this.#http = http;
    this.#urls = urls;
    this.#authorization = authorization;
  }

  async read(request: PlainReadRequest): Promise<void> {
    if (request.content.sizeBytes <= maxWholeBytes) await this.#readWhole(request);
    else await this.#readRange(request);
  }

  async #readWhole(request: PlainReadRequest): Promise<void> {
    const { content, sink } = request;
    const what = `Downloading "${request.path}"`;
    const bytes = await this.#http.call(this.#get(request, what, {}), (answer) =>
      readBody(answer, maxWholeBytes, what),
    );
    if (bytes.length !== content.sizeBytes || !isContent(content, bytes)) throw changedError(request);
    await sink(0, bytes);
  }

  async #readRange(request: PlainReadRequest): Promise<void> {
    const { content, start, end, sink } = request;
    const what = `Downloading part of "${request.path}"`;
    let at = start;
    await this.#http.call(
      this.#get(request, what, { Range: `bytes=${start}-${end - 1}` }),
      async (answer) => {
        if (
          answer.status !== 206 ||
          !new RegExp(`^bytes ${start}-${end - 1}/`).test(answer.headers['content-range'] ?? '')
        ) {
          answer.discard();
          throw badAnswerError(what, 'another range than asked for');
        }
        if (!namesContent(content, answer)) {
          answer.discard();
          throw changedError(request);
        }
        at = start;
        const waits: Promise<void>[] = [];
        try {
          await answer.consume((bytes) => {
            if (at + bytes.length > end) throw badAnswerError(what, 'more bytes than asked for');
            const waiting = sink(at, bytes);
            if (waiting !== undefined) waits.push(waiting);
            at += bytes.length;
          });
        } finally {
          await Promise.allSettled(waits);
        }
        await Promise.all(waits);
        if (at !== end) throw badAnswerError(what, 'fewer bytes than asked for');
      },
    );
  }

  #get(request: PlainReadRequest, what: string, headers: Readonly<Record<string, string>>) {
    const { kind, name, revision } = request.address;
    return {
      method: 'GET' as const,
      url: this.#urls.resolve(kind, name, revision, request.path),
      what,
      headers,
      authorization: this.#authorization,
      signal: request.signal,
    };
  }
}

function changedError(request: PlainReadRequest): HubError {
  return new HubError('not-found', `"${request.path}" is another version on the Hub than the one asked for`, {
    retryable: false,
  });
}

function gitBlobId(bytes: Uint8Array): string {
  return createHash('sha1').update(`blob ${bytes.length}\0`).update(bytes).digest('hex');
}

/** The git object of an LFS file is a small text that names its SHA-256 and size. */
function lfsPointerId(sha256: string, sizeBytes: number): string {
  const text = `version https://git-lfs.github.com/spec/v1\noid sha256:${sha256}\nsize ${sizeBytes}\n`;
  return gitBlobId(Buffer.from(text));
}

function isContent(content: ContentRef, bytes: Uint8Array): boolean {
  const oid = content.key.slice('git:'.length);
  if (gitBlobId(bytes) === oid) return true;
  return lfsPointerId(createHash('sha256').update(bytes).digest('hex'), bytes.length) === oid;
}

/** Whether the tags of an answer are those of the content. Redirected answers carry the tag of the store behind the Hub. */
function namesContent(content: ContentRef, answer: HttpAnswer): boolean {
  const oid = content.key.slice('git:'.length);
  const tags = [answer.headers['x-linked-etag'], answer.headers.etag].flatMap((tag) =>
    typeof tag === 'string' ? [tag.replace(/^W\//, '').replaceAll('"', '')] : [],
  );
  if (tags.length === 0) return true;
  return tags.some(
    (tag) => tag === oid || (/^[0-9a-f]{64}$/.test(tag) && lfsPointerId(tag, content.sizeBytes) === oid),
  );
}
