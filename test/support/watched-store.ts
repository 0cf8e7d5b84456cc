// A RemoteStore that passes everything on and keeps what tests want to know: what every commit wrote, what every upload moved,
// and how many calls are under way.

import type {
  ContentRef,
  ContentSink,
  FetchOptions,
  RemoteChange,
  RemoteEntry,
  RemoteFile,
  RemoteOperation,
  RemoteOperationResult,
  RemoteStore,
  SourceInfo,
  UploadContent,
  UploadProgress,
  UploadResult,
} from '../../src/hub/remote-store.ts';

export class WatchedStore implements RemoteStore {
  readonly #store: RemoteStore;
  /** Every line that was sent and done, in order. */
  readonly lines: RemoteOperation[] = [];
  readonly uploads: UploadResult[] = [];
  requests = 0;
  inFlight = 0;
  /** Awaited before a commit is sent. */
  beforeCommit: (lines: readonly RemoteOperation[]) => Promise<void> | void = () => undefined;
  /** Awaited after a commit was done and before its result is passed on. */
  afterCommit: (lines: readonly RemoteOperation[]) => Promise<void> | void = () => undefined;

  constructor(store: RemoteStore) {
    this.#store = store;
  }

  get info(): SourceInfo {
    return this.#store.info;
  }

  async #watch<T>(work: () => Promise<T>): Promise<T> {
    this.inFlight += 1;
    this.requests += 1;
    try {
      return await work();
    } finally {
      this.inFlight -= 1;
    }
  }

  probe(signal?: AbortSignal): Promise<string> {
    return this.#watch(() => this.#store.probe(signal));
  }

  async *list(directory: string, signal?: AbortSignal): AsyncGenerator<readonly RemoteEntry[]> {
    yield* this.#pages(this.#store.list(directory, signal));
  }

  async *listRecursive(directory: string, signal?: AbortSignal): AsyncGenerator<readonly RemoteFile[]> {
    yield* this.#pages(this.#store.listRecursive(directory, signal));
  }

  async *#pages<T>(pages: AsyncIterable<T>): AsyncGenerator<T> {
    const iterator = pages[Symbol.asyncIterator]();
    for (;;) {
      const next = await this.#watch(() => iterator.next());
      if (next.done === true) return;
      yield next.value;
    }
  }

  stat(paths: readonly string[], signal?: AbortSignal): Promise<readonly RemoteFile[]> {
    return this.#watch(() => this.#store.stat(paths, signal));
  }

  fetch(
    content: ContentRef,
    start: number,
    end: number,
    sink: ContentSink,
    options?: FetchOptions,
  ): Promise<void> {
    return this.#watch(() => this.#store.fetch(content, start, end, sink, options));
  }

  upload(
    content: UploadContent,
    options?: { readonly signal?: AbortSignal; readonly onProgress?: (progress: UploadProgress) => void },
  ): Promise<UploadResult> {
    return this.#watch(async () => {
      const result = await this.#store.upload(content, options);
      this.uploads.push(result);
      return result;
    });
  }

  commit(
    operations: readonly RemoteOperation[],
    signal?: AbortSignal,
  ): Promise<readonly RemoteOperationResult[]> {
    return this.#watch(async () => {
      await this.beforeCommit(operations);
      const results = await this.#store.commit(operations, signal);
      const done = operations.filter((_line, index) => results[index]?.error === null);
      this.lines.push(...done);
      await this.afterCommit(done);
      return results;
    });
  }

  changes(signal: AbortSignal): AsyncIterable<RemoteChange> | null {
    return this.#store.changes(signal);
  }

  close(): Promise<void> {
    return this.#store.close();
  }
}
