// A Hub in memory behind the real `RemoteStore` interface, for the tests of VirtualFs. A test can hold or fail any call,
// edit files as another client would, and read what was asked. It checks what it is given as the Hub would.

import { createHash } from 'node:crypto';
import {
  HubError,
  type HubErrorCode,
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
} from '../../src/hub/remote-store.ts';

import { isHubPath, levelOf, throwIfAborted, whenAborted } from './remote-listing.ts';

export type RemoteMethod = Exclude<keyof RemoteStore, 'info' | 'close'>;

export interface RemoteCall {
  readonly method: RemoteMethod;
  /** The folder, key or paths asked for, joined by a space. */
  readonly subject: string;
}

export interface Hold {
  /** Resolves when the first call waits here. */
  readonly arrived: Promise<void>;
  /** Lets the waiting calls and all later ones go on. */
  release(): void;
}

interface Interception {
  readonly method: RemoteMethod;
  readonly matches: (subject: string) => boolean;
  remaining: number;
  readonly act: (subject: string, signal: AbortSignal | undefined) => Promise<void>;
}

export interface MemoryRemoteOptions {
  readonly info?: Partial<SourceInfo>;
  /** Entries of one listing page. */
  readonly pageSize?: number;
  /** Whether `changes` exists. */
  readonly events?: boolean;
  /** Largest piece given to a sink, so that callers meet more than one. */
  readonly fetchPieceBytes?: number;
}

export function hubError(code: HubErrorCode, retryable: boolean, message = `simulated ${code}`): HubError {
  return new HubError(code, message, { retryable });
}

/** The key the store gives to these bytes. */
export function keyOf(bytes: Uint8Array): string {
  return bytes.length === 0 ? emptyXetKey : `xet:${createHash('sha256').update(bytes).digest('hex')}`;
}

export class MemoryRemoteStore implements RemoteStore {
  readonly info: SourceInfo;
  /** Every call in order; tests may empty it. */
  readonly calls: RemoteCall[] = [];
  fetchedBytes = 0;
  /** Called at the moment a commit takes effect. */
  onApply: (paths: readonly string[]) => void = () => undefined;
  readonly #files = new Map<string, RemoteFile>();
  readonly #blobs = new Map<string, Uint8Array>([[emptyXetKey, new Uint8Array(0)]]);
  readonly #interceptions: Interception[] = [];
  #cut: { readonly lines: number; readonly error: HubError; skip: number } | null = null;
  readonly #lostReplies: HubError[] = [];
  readonly #refusals = new Map<string, { readonly error: HubError; remaining: number }>();
  readonly #listeners = new Set<(change: RemoteChange | null) => void>();
  readonly #pageSize: number;
  readonly #pieceBytes: number;
  readonly #events: boolean;
  #version = 1;
  #mtimeMs = Date.UTC(2025, 0, 1);
  #closed = false;

  constructor(options: MemoryRemoteOptions = {}) {
    this.info = {
      kind: 'bucket',
      name: 'acme/data',
      revision: null,
      subfolder: '',
      identifier: 'bucket/0123456789abcdef',
      writable: true,
      private: false,
      totalBytes: null,
      ...options.info,
    };
    this.#pageSize = options.pageSize ?? 1000;
    this.#pieceBytes = options.fetchPieceBytes ?? 65_536;
    this.#events = options.events ?? false;
  }

  // ---- what another client does -----------------------------------------------------------------------------------

  /** Adds or overwrites a file as another client. */
  put(path: string, data: Uint8Array | string, mtimeMs = (this.#mtimeMs += 1000)): ContentRef {
    // Not a Buffer: its `slice` shares memory.
    const bytes = Uint8Array.from(typeof data === 'string' ? Buffer.from(data) : data);
    const key = keyOf(bytes);
    this.#blobs.set(key, bytes);
    const content = { key, sizeBytes: bytes.length, path };
    this.#files.set(path, { type: 'file', path, content, mtimeMs });
    this.#announce([path]);
    return content;
  }

  /** Deletes a file as another client; false if there was none. */
  delete(path: string): boolean {
    const existed = this.#files.delete(path);
    if (existed) this.#announce([path]);
    return existed;
  }

  /** Content of a file as it is on the Hub, null where there is none. */
  bytes(path: string): Uint8Array | null {
    const file = this.#files.get(path);
    return file === undefined ? null : (this.#blobs.get(file.content.key) ?? null);
  }

  /** Bytes of any content that was ever put or uploaded. */
  content(key: string): Uint8Array | null {
    return this.#blobs.get(key) ?? null;
  }

  text(path: string): string | null {
    const bytes = this.bytes(path);
    return bytes === null ? null : Buffer.from(bytes).toString();
  }

  file(path: string): RemoteFile | null {
    return this.#files.get(path) ?? null;
  }

  paths(): readonly string[] {
    return [...this.#files.keys()].sort();
  }

  // ---- faults -------------------------------------------------------------------------------------------------------

  /** Calls of `method` (whose subject matches) wait until `release`. */
  hold(method: RemoteMethod, matches: (subject: string) => boolean = () => true): Hold {
    const arrived = Promise.withResolvers<void>();
    const released = Promise.withResolvers<void>();
    this.intercept(
      method,
      Infinity,
      async (_subject, signal) => {
        arrived.resolve();
        await Promise.race([released.promise, whenAborted(signal)]);
      },
      matches,
    );
    return { arrived: arrived.promise, release: () => released.resolve() };
  }

  /** The next `count` calls of `method` fail. Returns a function that ends the fault. */
  fail(
    method: RemoteMethod,
    error: HubError,
    count = 1,
    matches: (subject: string) => boolean = () => true,
  ): () => void {
    return this.intercept(method, count, () => Promise.reject(error), matches);
  }

  /** Runs `act` before the next `count` calls of `method`. Returns a function that ends it. */
  intercept(
    method: RemoteMethod,
    count: number,
    act: (subject: string, signal: AbortSignal | undefined) => Promise<void>,
    matches: (subject: string) => boolean = () => true,
  ): () => void {
    const interception = { method, matches, remaining: count, act };
    this.#interceptions.push(interception);
    return () => {
      interception.remaining = 0;
    };
  }

  /** The next `count` commits are done, but their caller gets `error`. */
  loseReplies(count: number, error: HubError): void {
    this.#lostReplies.push(...Array.from({ length: count }, () => error));
  }

  /** The next `count` lines of commits that name `path` are refused, alone. */
  refuse(path: string, error: HubError, count = 1): void {
    this.#refusals.set(path, { error, remaining: count });
  }

  /** The commit after `skip` others does its first `lines` lines only, and its caller gets `error`. */
  cutCommit(lines: number, error: HubError, skip = 0): void {
    this.#cut = { lines, error, skip };
  }

  endFaults(): void {
    this.#cut = null;
    this.#interceptions.length = 0;
    this.#lostReplies.length = 0;
    this.#refusals.clear();
  }

  callsOf(method: RemoteMethod): readonly string[] {
    return this.calls.filter((call) => call.method === method).map((call) => call.subject);
  }

  /** Sends an event to every open `changes` stream. */
  emit(change: RemoteChange): void {
    for (const listener of this.#listeners) listener(change);
  }

  /** Ends every open `changes` stream, as a lost connection does. */
  dropEvents(): void {
    for (const listener of this.#listeners) listener(null);
  }

  // ---- RemoteStore ----------------------------------------------------------------------------------------------------

  async probe(signal?: AbortSignal): Promise<string> {
    await this.#enter('probe', '', signal);
    return `version-${this.#version}`;
  }

  async *list(directory: string, signal?: AbortSignal): AsyncIterable<readonly RemoteEntry[]> {
    await this.#enter('list', directory, signal);
    yield* this.#pages(levelOf(this.#files.values(), directory), signal);
  }

  async *listRecursive(directory: string, signal?: AbortSignal): AsyncIterable<readonly RemoteFile[]> {
    await this.#enter('listRecursive', directory, signal);
    const prefix = directory === '' ? '' : `${directory}/`;
    yield* this.#pages(
      [...this.#files.values()].filter((file) => file.path.startsWith(prefix)),
      signal,
    );
  }

  async *#pages<T extends RemoteEntry>(
    entries: T[],
    signal: AbortSignal | undefined,
  ): AsyncIterable<readonly T[]> {
    entries.sort((a, b) => (a.path < b.path ? -1 : a.path > b.path ? 1 : 0));
    for (let start = 0; start < entries.length; start += this.#pageSize) {
      throwIfAborted(signal);
      yield entries.slice(start, start + this.#pageSize);
      await Promise.resolve();
    }
  }

  async stat(paths: readonly string[], signal?: AbortSignal): Promise<readonly RemoteFile[]> {
    await this.#enter('stat', paths.join(' '), signal);
    return paths.flatMap((path) => this.#files.get(path) ?? []);
  }

  async fetch(
    content: ContentRef,
    start: number,
    end: number,
    sink: ContentSink,
    options?: FetchOptions,
  ): Promise<void> {
    await this.#enter('fetch', content.key, options?.signal);
    const bytes = this.#blobs.get(content.key);
    if (bytes === undefined) throw hubError('not-found', false, `no content ${content.key}`);
    if (start < 0 || end > bytes.length || start > end)
      throw hubError('invalid', false, `range ${start}-${end} of ${bytes.length}`);
    for (let offset = start; offset < end; offset += this.#pieceBytes) {
      throwIfAborted(options?.signal);
      const piece = bytes.slice(offset, Math.min(end, offset + this.#pieceBytes));
      this.fetchedBytes += piece.length;
      await sink(offset, piece);
      piece.fill(0xee); // the sink may not keep it
      await Promise.resolve();
    }
  }

  async upload(
    content: UploadContent,
    options: { readonly signal?: AbortSignal; readonly onProgress?: (progress: UploadProgress) => void } = {},
  ): Promise<UploadResult> {
    await this.#enter('upload', String(content.sizeBytes), options.signal);
    const bytes = new Uint8Array(content.sizeBytes);
    for (let offset = 0; offset < bytes.length; offset += this.#pieceBytes) {
      throwIfAborted(options.signal);
      const target = bytes.subarray(offset, Math.min(bytes.length, offset + this.#pieceBytes));
      await content.read(offset, target, options.signal);
      options.onProgress?.({ doneBytes: offset + target.length, totalBytes: bytes.length });
    }
    const key = keyOf(bytes);
    const known = this.#blobs.has(key);
    this.#blobs.set(key, bytes);
    return {
      content: { key, sizeBytes: bytes.length, path: '' },
      sentBytes: known ? 0 : bytes.length,
      savedBytes: known ? bytes.length : 0,
      downloadedBytes: 0,
    };
  }

  async commit(
    operations: readonly RemoteOperation[],
    signal?: AbortSignal,
  ): Promise<readonly RemoteOperationResult[]> {
    await this.#enter('commit', operations.map((operation) => operation.path).join(' '), signal);
    if (!this.info.writable) throw hubError('forbidden', false);
    this.onApply(operations.map((operation) => operation.path));
    const changed: string[] = [];
    const cut = this.#cut !== null && this.#cut.skip-- === 0 ? this.#cut : null;
    if (cut !== null) this.#cut = null;
    const results = operations.slice(0, cut?.lines).map((operation): RemoteOperationResult => {
      const { path } = operation;
      const refusal = this.#refusals.get(path);
      if (refusal !== undefined && refusal.remaining > 0) {
        refusal.remaining -= 1;
        return { path, error: refusal.error };
      }
      if (!isHubPath(path))
        return { path, error: hubError('invalid', false, `bad path ${JSON.stringify(path)}`) };
      if (operation.type === 'delete') {
        if (!this.#files.delete(path)) return { path, error: hubError('not-found', false) };
      } else {
        if (!this.#blobs.has(operation.content.key))
          return { path, error: hubError('invalid', false, 'unknown content') };
        const content = { ...operation.content, path };
        this.#files.set(path, { type: 'file', path, content, mtimeMs: operation.mtimeMs });
      }
      changed.push(path);
      return { path, error: null };
    });
    if (changed.length > 0) this.#announce(changed);
    if (cut !== null) throw cut.error;
    const lost = this.#lostReplies.shift();
    if (lost !== undefined) throw lost;
    return results;
  }

  changes(signal: AbortSignal): AsyncIterable<RemoteChange> | null {
    return this.#events ? this.#stream(signal) : null;
  }

  async *#stream(signal: AbortSignal): AsyncIterable<RemoteChange> {
    await this.#enter('changes', '', signal);
    const queue: (RemoteChange | null)[] = [{ paths: [] }];
    let wake: () => void = () => undefined;
    const listener = (change: RemoteChange | null): void => {
      queue.push(change);
      wake();
    };
    const stop = (): void => listener(null);
    this.#listeners.add(listener);
    signal.addEventListener('abort', stop);
    try {
      while (!signal.aborted) {
        const change = queue.shift();
        if (change === null) return;
        if (change === undefined) await new Promise<void>((resolve) => (wake = resolve));
        else yield change;
      }
    } finally {
      this.#listeners.delete(listener);
      signal.removeEventListener('abort', stop);
    }
  }

  close(): Promise<void> {
    this.#closed = true;
    this.dropEvents();
    return Promise.resolve();
  }

  #announce(paths: readonly string[]): void {
    this.#version += 1;
    if (this.#events) this.emit({ paths });
  }

  async #enter(method: RemoteMethod, subject: string, signal: AbortSignal | undefined): Promise<void> {
    this.calls.push({ method, subject });
    if (this.#closed) throw hubError('aborted', false, 'the store is closed');
    throwIfAborted(signal);
    for (const interception of [...this.#interceptions]) {
      if (interception.method !== method || interception.remaining <= 0 || !interception.matches(subject))
        continue;
      interception.remaining -= 1;
      await interception.act(subject, signal);
    }
    await Promise.resolve();
    throwIfAborted(signal);
  }
}
