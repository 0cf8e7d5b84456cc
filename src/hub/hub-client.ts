// The Hub's control plane: what a source is, its tree, the state of paths, and commits to buckets. Speaks in the Hub's own
// terms and full paths; `hub-store.ts` maps them to `RemoteStore`. Hub API as in docs "Hub API endpoints" and "Buckets".

import { AnswerReader, type JsonObject } from './json-answer.ts';
import type { Authorization, HttpClient } from './http.ts';
import type { HttpAnswer } from './http-exchange.ts';
import { encodePath, encodeRevision, type HubUrls } from './hub-paths.ts';
import { HubError, type SourceKind } from './remote-store.ts';

export interface BucketInfo {
  readonly id: string;
  readonly private: boolean;
  readonly sizeBytes: number | null;
  readonly totalFiles: number | null;
  /** Changes with every batch; opaque. */
  readonly updatedAt: string | null;
}

export interface RepoInfo {
  readonly id: string;
  /** Commit of the revision asked for. */
  readonly sha: string;
  readonly private: boolean;
  readonly gated: boolean;
  readonly disabled: boolean;
  readonly lastModifiedMs: number | null;
}

/** One line of a tree or of paths-info. */
export interface HubEntry {
  readonly type: 'file' | 'directory';
  /** From the root of the source. */
  readonly path: string;
  readonly sizeBytes: number;
  /** Display form, null for files that are not in Xet. */
  readonly xetHash: string | null;
  /** Git object id, repos only. */
  readonly oid: string | null;
  readonly mtimeMs: number | null;
}

export interface XetToken {
  readonly casUrl: string;
  readonly accessToken: string;
  /** Unix milliseconds. */
  readonly expiresAtMs: number;
}

export type BatchLine =
  | { readonly type: 'addFile'; readonly path: string; readonly xetHash: string; readonly mtime: number }
  | { readonly type: 'deleteFile'; readonly path: string };

export interface RefInfo {
  readonly name: string;
  readonly ref: string;
  readonly sha: string;
}

/** Which source, and for repos at which revision (branch, tag, SHA or ref). */
export interface SourceAddress {
  readonly kind: SourceKind;
  /** `OWNER/NAME`. */
  readonly name: string;
  /** Null for buckets. */
  readonly revision: string | null;
}

/** The server's largest page is 10,000; half of it keeps one page's parsing short. */
const bucketPageLimit = 5000;
const repoPageLimit = 1000;
/** An entry is some 300 bytes; this leaves room for long paths. */
const maxPageBytes = 32 * 1024 * 1024;
const maxInfoBytes = 16 * 1024 * 1024;
/** Accepted by all servers and sent by all official clients. */
export const maxPathsPerRequest = 1000;
const maxBatchBytes = 4 * 1024 * 1024;
/** Hash, time and punctuation of a line. */
const batchLineOverhead = 150;
const maxPages = 100_000;

export class HubClient {
  readonly #http: HttpClient;
  readonly #urls: HubUrls;
  readonly #authorization: Authorization;

  constructor(http: HttpClient, urls: HubUrls, authorization: Authorization) {
    this.#http = http;
    this.#urls = urls;
    this.#authorization = authorization;
  }

  async bucketInfo(name: string, signal?: AbortSignal): Promise<BucketInfo> {
    const what = `Looking up bucket ${name}`;
    const reader = new AnswerReader(what);
    const object = reader.object(
      await this.#getJson(this.#urls.api('bucket', name), what, signal),
      'the bucket',
    );
    return {
      id: reader.string(object, 'id'),
      private: reader.boolean(object, 'private'),
      sizeBytes: reader.optionalCount(object, 'size'),
      totalFiles: reader.optionalCount(object, 'totalFiles'),
      updatedAt: reader.optionalString(object, 'updatedAt'),
    };
  }

  async repoInfo(address: SourceAddress, signal?: AbortSignal): Promise<RepoInfo> {
    const { kind, name, revision } = address;
    const what = `Looking up ${kind} ${name}${revision === null ? '' : ` at ${revision}`}`;
    const root = this.#urls.api(kind, name);
    const url = revision === null ? root : `${root}/revision/${encodeRevision(revision)}`;
    const reader = new AnswerReader(what);
    const object = reader.object(await this.#getJson(url, what, signal), 'the repo');
    const gated = object['gated'];
    return {
      id: reader.string(object, 'id'),
      sha: reader.string(object, 'sha'),
      private: reader.boolean(object, 'private'),
      gated: gated !== undefined && gated !== null && gated !== false,
      disabled: reader.boolean(object, 'disabled'),
      lastModifiedMs: reader.date(object, 'lastModified'),
    };
  }

  /** Branches, tags and pull request refs. */
  async refs(kind: SourceKind, name: string, signal?: AbortSignal): Promise<readonly RefInfo[]> {
    const what = `Listing the revisions of ${kind} ${name}`;
    const reader = new AnswerReader(what);
    const url = `${this.#urls.api(kind, name)}/refs?include_prs=1`;
    const object = reader.object(await this.#getJson(url, what, signal), 'the refs');
    return ['branches', 'tags', 'pullRequests'].flatMap((group) =>
      reader.array(object[group] ?? [], group).map((each) => {
        const ref = reader.object(each, 'a ref');
        return {
          name: reader.string(ref, 'name'),
          ref: reader.string(ref, 'ref'),
          sha: reader.string(ref, 'targetCommit'),
        };
      }),
    );
  }

  /**
   * Pages of the tree at `directory` (full path, '' for the root). Entries outside it, which the bucket API may add because it
   * matches raw prefixes, are left out. Recursive bucket trees hold files only.
   */
  async *tree(
    address: SourceAddress,
    directory: string,
    recursive: boolean,
    signal?: AbortSignal,
  ): AsyncGenerator<readonly HubEntry[]> {
    const { kind, name, revision } = address;
    const what = `Listing "${directory}" of ${kind} ${name}`;
    const revisionPart = revision === null ? '' : `/${encodeRevision(revision)}`;
    const pathPart = directory === '' ? '' : `/${encodePath(directory)}`;
    const limit = kind === 'bucket' ? bucketPageLimit : repoPageLimit;
    let url: string | null =
      `${this.#urls.api(kind, name)}/tree${revisionPart}${pathPart}?recursive=${recursive}&limit=${limit}`;
    const seen = new Set<string>();
    while (url !== null) {
      seen.add(url);
      const { value, answer } = await this.#json(url, what, signal, maxPageBytes);
      yield parseEntries(value, what).filter((entry) => isBelow(entry.path, directory, recursive));
      url = nextPage(answer);
      if (url !== null && (seen.has(url) || seen.size > maxPages)) {
        throw new AnswerReader(what).fail('the pages never end');
      }
    }
  }

  /** What is at `paths` (full). Missing paths are absent; buckets report files only. */
  async pathsInfo(
    address: SourceAddress,
    paths: readonly string[],
    signal?: AbortSignal,
  ): Promise<readonly HubEntry[]> {
    const { kind, name, revision } = address;
    const what = `Looking up ${paths.length} paths of ${kind} ${name}`;
    const revisionPart = revision === null ? '' : `/${encodeRevision(revision)}`;
    const url = `${this.#urls.api(kind, name)}/paths-info${revisionPart}`;
    const found: HubEntry[] = [];
    for (let at = 0; at < paths.length; at += maxPathsPerRequest) {
      const body = JSON.stringify({ paths: paths.slice(at, at + maxPathsPerRequest) });
      const { value } = await this.#http.json(
        {
          method: 'POST',
          url,
          what,
          headers: { 'Content-Type': 'application/json', Accept: 'application/json' },
          body: [Buffer.from(body)],
          authorization: this.#authorization,
          signal,
        },
        maxPageBytes,
      );
      found.push(...parseEntries(value, what));
    }
    return found;
  }

  /**
   * For each line null, or the Hub's reason for refusing it. In order, in requests of bounded size that name no path twice;
   * not transactional. A request that fails as a whole rejects, and lines of earlier requests stay done.
   */
  async batch(
    bucket: string,
    lines: readonly BatchLine[],
    signal?: AbortSignal,
  ): Promise<readonly (string | null)[]> {
    const reasons: (string | null)[] = [];
    for (const group of batchGroups(lines)) {
      const failed = await this.#batchRequest(bucket, group, signal);
      for (const line of group) reasons.push(failed.get(line.path) ?? null);
    }
    return reasons;
  }

  async xetToken(address: SourceAddress, access: 'read' | 'write', signal?: AbortSignal): Promise<XetToken> {
    const { kind, name, revision } = address;
    const what = `Asking for ${access} access to the data of ${kind} ${name}`;
    const revisionPart = revision === null ? '' : `/${encodeRevision(revision)}`;
    const url = `${this.#urls.api(kind, name)}/xet-${access}-token${revisionPart}`;
    const reader = new AnswerReader(what);
    const object = reader.object(await this.#getJson(url, what, signal), 'the token');
    const casUrl = reader.string(object, 'casUrl').replace(/\/+$/, '');
    if (!URL.canParse(casUrl)) throw reader.fail('"casUrl" is no URL');
    return {
      casUrl,
      accessToken: reader.string(object, 'accessToken'),
      expiresAtMs: reader.count(object, 'exp') * 1000,
    };
  }

  async #batchRequest(
    bucket: string,
    lines: readonly BatchLine[],
    signal?: AbortSignal,
  ): Promise<Map<string, string>> {
    const what = `Committing to bucket ${bucket}`;
    const { value, answer } = await this.#http.json(
      {
        method: 'POST',
        url: `${this.#urls.api('bucket', bucket)}/batch`,
        what,
        headers: { 'Content-Type': 'application/x-ndjson', Accept: 'application/json' },
        body: [Buffer.from(lines.map((line) => `${JSON.stringify(line)}\n`).join(''))],
        authorization: this.#authorization,
        signal,
        accept: [422],
        repeat: 'once',
      },
      maxPageBytes,
    );
    const reader = new AnswerReader(what);
    const object = reader.object(value, 'the result');
    const failed = new Map<string, string>();
    for (const each of reader.array(object['failed'] ?? [], '"failed"')) {
      const failure = reader.object(each, 'a failure');
      failed.set(
        reader.string(failure, 'path'),
        reader.optionalString(failure, 'error') ?? 'no reason given',
      );
    }
    if (answer.status === 422 && failed.size === 0) {
      const reason = reader.optionalString(object, 'error') ?? 'no reason given';
      throw new HubError('invalid', `${what} failed: HTTP 422, ${reason}`, { retryable: false, status: 422 });
    }
    return failed;
  }

  async #getJson(url: string, what: string, signal?: AbortSignal): Promise<unknown> {
    return (await this.#json(url, what, signal, maxInfoBytes)).value;
  }

  async #json(
    url: string,
    what: string,
    signal: AbortSignal | undefined,
    maxBytes: number,
  ): Promise<{ value: unknown; answer: HttpAnswer }> {
    const headers = { Accept: 'application/json' };
    return await this.#http.json(
      { method: 'GET', url, what, headers, authorization: this.#authorization, signal },
      maxBytes,
    );
  }
}

function* batchGroups(lines: readonly BatchLine[]): Generator<readonly BatchLine[]> {
  let group: BatchLine[] = [];
  let paths = new Set<string>();
  let size = 0;
  for (const line of lines) {
    const lineBytes = Buffer.byteLength(line.path) + batchLineOverhead;
    const full = group.length === maxPathsPerRequest || size + lineBytes > maxBatchBytes;
    if (group.length > 0 && (full || paths.has(line.path))) {
      yield group;
      group = [];
      paths = new Set();
      size = 0;
    }
    group.push(line);
    paths.add(line.path);
    size += lineBytes;
  }
  if (group.length > 0) yield group;
}

function isBelow(path: string, directory: string, recursive: boolean): boolean {
  const prefix = directory === '' ? '' : `${directory}/`;
  if (!path.startsWith(prefix) || path.length === prefix.length) return false;
  return recursive || !path.slice(prefix.length).includes('/');
}

/** Absolute URL of the next page, from `Link: <url>; rel="next"`. */
export function nextPage(answer: HttpAnswer): string | null {
  const header = answer.headers.link;
  const link = Array.isArray(header) ? header.join(',') : header;
  const target = /<([^<>]+)>\s*;\s*rel="?next"?/.exec(link ?? '')?.[1];
  if (target === undefined || !URL.canParse(target, answer.url.href)) return null;
  const next = new URL(target, answer.url);
  // The token goes along, so another host must not get it.
  return next.origin === answer.url.origin ? next.href : null;
}

function parseEntries(value: unknown, what: string): HubEntry[] {
  const reader = new AnswerReader(what);
  const entries: HubEntry[] = [];
  for (const each of reader.array(value, 'the listing')) {
    const entry = parseEntry(reader, reader.object(each, 'an entry'));
    if (entry !== null) entries.push(entry);
  }
  return entries;
}

const xetHashPattern = /^[0-9a-f]{64}$/;
const oidPattern = /^[0-9a-f]{40}$/;

/** Null for kinds of entries that are neither file nor directory (submodules). */
function parseEntry(reader: AnswerReader, object: JsonObject): HubEntry | null {
  const type = reader.string(object, 'type');
  if (type !== 'file' && type !== 'directory') return null;
  const path = reader.string(object, 'path');
  const mtimeMs = reader.date(object, 'mtime') ?? reader.date(object, 'uploadedAt');
  const oid = reader.optionalString(object, 'oid');
  if (type === 'directory') return { type, path, sizeBytes: 0, xetHash: null, oid, mtimeMs };
  const lfs = object['lfs'];
  const size = lfs === undefined || lfs === null ? object : reader.object(lfs, '"lfs"');
  const xetHash = reader.optionalString(object, 'xetHash');
  if (xetHash !== null && !xetHashPattern.test(xetHash)) throw reader.fail('"xetHash" is no hash');
  if (xetHash === null && (oid === null || !oidPattern.test(oid))) throw reader.fail('a file without a hash');
  return { type, path, sizeBytes: reader.count(size, 'size'), xetHash, oid, mtimeMs };
}
