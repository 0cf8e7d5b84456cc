// `RemoteStore` over the real Hub: ties the control plane, the Xet reader and writer, and the kept chunk lists together for
// one source. The host opens one per mount; VirtualFs sees only the interface.

import { hashFromHex } from '../xet/hash.ts';
import { followBucket } from './bucket-events.ts';
import { CasClient } from './cas-client.ts';
import { ConnectionBudget } from './connection-budget.ts';
import { HubClient, type BatchLine, type HubEntry, type SourceAddress } from './hub-client.ts';
import { toHubError } from './hub-errors.ts';
import { HubUrls, SubfolderPaths } from './hub-paths.ts';
import { HttpClient, type Authorization, type HttpClientOptions } from './http.ts';
import { KnownChunks } from './known-chunks.ts';
import { ManifestStore } from './manifest-store.ts';
import { PlainReader } from './plain-reader.ts';
import { recallSource, rememberSource } from './remembered-source.ts';
import {
  HubError,
  emptyXetKey,
  type ContentRef,
  type ContentSink,
  type FetchOptions,
  type RemoteChange,
  type RemoteEntry,
  type RemoteFile,
  type RemoteOperation,
  type RemoteOperationResult,
  type RemoteStore,
  type SourceInfo,
  type UploadContent,
  type UploadProgress,
  type UploadResult,
} from './remote-store.ts';
import { resolveSource } from './resolve-source.ts';
import { formatSource, type SourceSpec } from './source.ts';
import { openStoreThreads, type StoreThreads } from './store-threads.ts';
import { systemHubClock, type HubClock, type HubLog } from './surroundings.ts';
import { XetReader } from './xet-reader.ts';
import { XetTokens } from './xet-tokens.ts';
import { XetWriter } from './xet-writer.ts';

export interface HubStoreOptions {
  /** `https://huggingface.co` or what `HF_ENDPOINT` says. */
  readonly endpoint: string;
  /** Asked before each request, so that a new login counts at once; null for none. */
  readonly token: () => Promise<string | null>;
  readonly source: SourceSpec;
  /** Chunk lists, and what the source was when last seen. Created if absent. */
  readonly stateDir: string;
  readonly log: HubLog;
  readonly userAgent: string;
  readonly clock?: HubClock;
  readonly http?: Pick<
    HttpClientOptions,
    'timeouts' | 'retry' | 'random' | 'maxSocketsPerHost' | 'bandwidth'
  >;
  /** `inline` does all work of uploads and downloads on the calling thread. */
  readonly codecs?: 'threads' | 'inline';
  /** Downloads at once. */
  readonly maxDownloads?: number;
  readonly manifestLimitBytes?: number;
}

const defaultMaxDownloads = 12;
/** Downloads that read-ahead never takes. */
const reservedDownloads = 4;
/** With the 16 MiB of a xorb this bounds what uploads hold. */
const maxXorbUploads = 4;
/** Files outside Xet whose commit is remembered, so that an open one can be read after the branch has moved on. */
const maxRememberedCommits = 10_000;

/**
 * Resolves the source against the Hub. Where the Hub cannot be reached and the source was opened before, what was remembered of it
 * serves until it can. Rejects with `HubError` whose message is fit for a person.
 */
export async function openHubStore(options: HubStoreOptions, signal?: AbortSignal): Promise<RemoteStore> {
  const clock = options.clock ?? systemHubClock;
  const http = new HttpClient({ userAgent: options.userAgent, clock, ...options.http });
  try {
    const urls = new HubUrls(options.endpoint);
    const authorization: Authorization = {
      token: () => options.token(),
      refused: async (token) => (await options.token()) !== token,
    };
    const hub = new HubClient(http, urls, authorization);
    const { info, commit, commitMs } = await openSource(hub, options, signal);
    return new HubStore({ options, http, urls, authorization, hub, info, commit, commitMs, clock });
  } catch (error) {
    http.close();
    throw toHubError(`Opening ${formatSource(options.source)}`, error, signal);
  }
}

interface OpenedSource {
  readonly info: SourceInfo;
  /** Repos: the commit that is read. */
  readonly commit: string | null;
  readonly commitMs: number;
}

async function openSource(
  hub: HubClient,
  options: HubStoreOptions,
  signal?: AbortSignal,
): Promise<OpenedSource> {
  const place = { directory: options.stateDir, endpoint: options.endpoint, spec: options.source };
  const remembered = await recallSource(place);
  try {
    const signedIn = (await options.token()) !== null;
    const known = { signedIn, wasOpened: remembered !== null };
    const { info, repo } = await resolveSource(hub, options.source, known, signal);
    const opened = { info, commit: repo?.sha ?? null, commitMs: repo?.lastModifiedMs ?? 0 };
    await rememberSource(place, opened, options.log);
    return opened;
  } catch (error) {
    if (!(error instanceof HubError) || !error.retryable || error.code === 'aborted') throw error;
    if (remembered === null) throw error;
    options.log.warn('The Hub cannot be reached; the source is opened as it was last seen', {
      cause: error.message,
    });
    return remembered;
  }
}

interface StoreParts extends OpenedSource {
  readonly options: HubStoreOptions;
  readonly http: HttpClient;
  readonly urls: HubUrls;
  readonly authorization: Authorization;
  readonly hub: HubClient;
  readonly clock: HubClock;
}

class HubStore implements RemoteStore {
  readonly info: SourceInfo;
  readonly #parts: StoreParts;
  readonly #paths: SubfolderPaths;
  readonly #manifests: ManifestStore;
  readonly #threads: StoreThreads;
  readonly #readTokens: XetTokens;
  readonly #reader: XetReader;
  readonly #writer: XetWriter;
  readonly #plain: PlainReader;
  readonly #closing = new AbortController();
  /** Repos: listing and reading are of this commit until `probe` finds another. */
  #commit: { readonly sha: string | null; readonly dateMs: number };
  /** `git:` key → a commit that has it, most recently listed last. */
  readonly #commitOfKey = new Map<string, string>();

  constructor(parts: StoreParts) {
    const { options, http, hub, clock, info } = parts;
    this.#parts = parts;
    this.info = info;
    this.#commit = { sha: parts.commit, dateMs: parts.commitMs };
    this.#paths = new SubfolderPaths(info.subfolder);
    this.#manifests = new ManifestStore({
      directory: options.stateDir,
      endpoint: options.endpoint,
      log: options.log,
      ...(options.manifestLimitBytes === undefined ? {} : { limitBytes: options.manifestLimitBytes }),
    });
    const known = new KnownChunks(this.#manifests);
    // Tokens are bound to a ref, not to a commit.
    const address: SourceAddress = { kind: info.kind, name: info.name, revision: info.revision };
    this.#readTokens = new XetTokens(hub, address, 'read', clock);
    this.#readTokens.warm();
    this.#threads = openStoreThreads(options.codecs ?? 'threads', {
      clock,
      userAgent: options.userAgent,
      bandwidth: options.http?.bandwidth?.account ?? null,
    });
    const { codecs, downloads, sender } = this.#threads;
    const cas = new CasClient(http, this.#readTokens, new XetTokens(hub, address, 'write', clock), sender);
    const places = new ConnectionBudget(options.maxDownloads ?? defaultMaxDownloads, reservedDownloads);
    this.#reader = new XetReader(http, cas, known, places, downloads);
    const budget = new ConnectionBudget(maxXorbUploads, 0);
    this.#writer = new XetWriter({ cas, known, budget, codecs, unregistered: new Map() }, this.#reader);
    this.#plain = new PlainReader(http, parts.urls, parts.authorization);
  }

  async probe(signal?: AbortSignal): Promise<string> {
    const { hub } = this.#parts;
    const { kind, name, revision } = this.info;
    return await this.#guard('Looking for changes', signal, async () => {
      if (kind === 'bucket') {
        const bucket = await hub.bucketInfo(name, signal);
        return `${bucket.updatedAt ?? ''}/${bucket.sizeBytes ?? ''}/${bucket.totalFiles ?? ''}`;
      }
      const repo = await hub.repoInfo({ kind, name, revision }, signal);
      this.#commit = { sha: repo.sha, dateMs: repo.lastModifiedMs ?? 0 };
      return repo.sha;
    });
  }

  async *list(directory: string, signal?: AbortSignal): AsyncGenerator<readonly RemoteEntry[]> {
    this.#readTokens.warm();
    const commit = this.#commit;
    for await (const page of this.#tree(directory, false, signal)) {
      yield page.flatMap((entry) => this.#toRemote(entry, commit) ?? []);
    }
  }

  async *listRecursive(directory: string, signal?: AbortSignal): AsyncGenerator<readonly RemoteFile[]> {
    const commit = this.#commit;
    for await (const page of this.#tree(directory, true, signal)) {
      yield page.flatMap((entry) => {
        const remote = this.#toRemote(entry, commit);
        return remote?.type === 'file' ? [remote] : [];
      });
    }
  }

  async stat(paths: readonly string[], signal?: AbortSignal): Promise<readonly RemoteFile[]> {
    const commit = this.#commit;
    const full = paths.map((path) => this.#paths.toHub(path));
    return await this.#guard('Looking up paths', signal, async () => {
      const entries = await this.#parts.hub.pathsInfo(this.#address(), full, signal);
      return entries.flatMap((entry) => {
        const remote = this.#toRemote(entry, commit);
        return remote?.type === 'file' ? [remote] : [];
      });
    });
  }

  async fetch(
    content: ContentRef,
    start: number,
    end: number,
    sink: ContentSink,
    options: FetchOptions = {},
  ): Promise<void> {
    const from = Math.max(0, start);
    const to = Math.min(end, content.sizeBytes);
    if (from >= to || content.key === emptyXetKey) return;
    const { signal, priority = 'foreground' } = options;
    if (content.key.startsWith('git:')) {
      const path = this.#paths.toHub(content.path);
      const revision = this.#commitOfKey.get(content.key) ?? this.#commit.sha;
      const address = { ...this.#address(), revision };
      await this.#plain.read({ address, content, path, start: from, end: to, sink, signal });
      return;
    }
    await this.#reader.read({
      fileHash: xetHash(content.key),
      fileSizeBytes: content.sizeBytes,
      start: from,
      end: to,
      sink,
      priority,
      signal,
    });
  }

  async upload(
    content: UploadContent,
    options: { readonly signal?: AbortSignal; readonly onProgress?: (progress: UploadProgress) => void } = {},
  ): Promise<UploadResult> {
    this.#requireWritable();
    const closing = this.#closing.signal;
    const signal = options.signal === undefined ? closing : AbortSignal.any([options.signal, closing]);
    return await this.#writer.upload(content, { signal, onProgress: options.onProgress });
  }

  async commit(
    operations: readonly RemoteOperation[],
    signal?: AbortSignal,
  ): Promise<readonly RemoteOperationResult[]> {
    this.#requireWritable();
    const lines = operations.map((operation) => this.#toLine(operation));
    return await this.#guard('Committing', signal, async () => {
      const reasons = await this.#parts.hub.batch(this.info.name, lines, signal);
      return operations.map(({ path }, i) => {
        const reason = reasons[i] ?? null;
        return { path, error: reason === null ? null : refusal(path, reason) };
      });
    });
  }

  changes(signal: AbortSignal): AsyncIterable<RemoteChange> | null {
    if (this.info.kind !== 'bucket') return null;
    return this.#follow(AbortSignal.any([signal, this.#closing.signal]));
  }

  async close(): Promise<void> {
    if (this.#closing.signal.aborted) return;
    this.#closing.abort(new HubError('aborted', 'The Hub client was closed', { retryable: true }));
    this.#parts.http.close();
    await this.#threads.close();
    this.#manifests.close();
  }

  async *#follow(signal: AbortSignal): AsyncGenerator<RemoteChange> {
    const { http, urls, authorization } = this.#parts;
    const url = `${urls.api('bucket', this.info.name)}/events`;
    for await (const change of followBucket({ http, url, authorization, signal })) {
      if (change.paths === null || change.paths.length === 0) {
        yield change;
        continue;
      }
      const paths = change.paths.flatMap((path) => this.#paths.fromHub(path) ?? []);
      if (paths.length > 0) yield { paths };
    }
  }

  #address(): SourceAddress {
    return { kind: this.info.kind, name: this.info.name, revision: this.#commit.sha };
  }

  async *#tree(
    directory: string,
    recursive: boolean,
    signal?: AbortSignal,
  ): AsyncGenerator<readonly HubEntry[]> {
    try {
      yield* this.#parts.hub.tree(this.#address(), this.#paths.toHub(directory), recursive, signal);
    } catch (error) {
      const missing =
        error instanceof HubError && error.code === 'not-found' && /EntryNotFound/.test(error.message);
      // Buckets give an empty tree for a missing directory, repos say that it is missing; both mean nothing is there.
      if (!missing) throw toHubError(`Listing "${directory}"`, error, signal);
    }
  }

  #toRemote(
    entry: HubEntry,
    commit: { readonly sha: string | null; readonly dateMs: number },
  ): RemoteEntry | null {
    const path = this.#paths.fromHub(entry.path);
    if (path === null || path === '') return null;
    if (entry.type === 'directory') return { type: 'directory', path, mtimeMs: entry.mtimeMs };
    const key = entry.xetHash === null ? `git:${entry.oid ?? ''}` : `xet:${entry.xetHash}`;
    if (entry.xetHash === null && commit.sha !== null) this.#rememberCommit(key, commit.sha);
    const content = { key, sizeBytes: entry.sizeBytes, path };
    return { type: 'file', path, content, mtimeMs: entry.mtimeMs ?? commit.dateMs };
  }

  #rememberCommit(key: string, sha: string): void {
    this.#commitOfKey.delete(key);
    this.#commitOfKey.set(key, sha);
    const oldest = this.#commitOfKey.keys().next();
    if (this.#commitOfKey.size > maxRememberedCommits && oldest.done !== true)
      this.#commitOfKey.delete(oldest.value);
  }

  #toLine(operation: RemoteOperation): BatchLine {
    const path = this.#paths.toHub(operation.path);
    if (operation.type === 'delete') return { type: 'deleteFile', path };
    const { key } = operation.content;
    if (!key.startsWith('xet:')) {
      throw new HubError('invalid', `"${operation.path}" cannot be committed: its content is not in Xet`, {
        retryable: false,
      });
    }
    return { type: 'addFile', path, xetHash: key.slice('xet:'.length), mtime: Math.round(operation.mtimeMs) };
  }

  #requireWritable(): void {
    if (this.info.writable) return;
    throw new HubError('forbidden', `${this.info.kind} ${this.info.name} is read-only here`, {
      retryable: false,
    });
  }

  async #guard<T>(what: string, signal: AbortSignal | undefined, work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      throw toHubError(what, error, signal);
    }
  }
}

function xetHash(key: string): Uint8Array {
  try {
    return hashFromHex(key.slice('xet:'.length));
  } catch (cause) {
    throw new HubError('invalid', `"${key.slice(0, 80)}" names no content`, { retryable: false, cause });
  }
}

function refusal(path: string, reason: string): HubError {
  const missing = /not found|does not exist|no such/i.test(reason);
  return new HubError(missing ? 'not-found' : 'invalid', `The Hub refused "${path}": ${reason}`, {
    retryable: false,
  });
}
