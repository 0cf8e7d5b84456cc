// Reads ranges of Xet content: plans them in windows, downloads the windows' xorb ranges side by side within a shared
// budget, decodes as bytes arrive, checks every chunk, and hands plain pieces to the sink. Holds no content but the chunk
// in hand. Used by `hub-store.ts` and, for chunk lists of foreign files, by the writer.

import { XetFormatError } from '../xet/errors.ts';
import { chunkHash, hashToHex } from '../xet/hash.ts';
import { ChunkStreamDecoder } from '../xet/xorb.ts';
import type { CasClient } from './cas-client.ts';
import { ChunkPlacer, type ChunkObserver } from './chunk-placer.ts';
import type { ConnectionBudget, Priority } from './connection-budget.ts';
import { isRangeAsked } from './download-messages.ts';
import { UnsuitableDownload, type DownloadThreads } from './download-threads.ts';
import { badAnswerError } from './hub-errors.ts';
import type { HttpClient } from './http.ts';
import { WrongFileError, type ChunkVerifier, type KnownChunks } from './known-chunks.ts';
import { PlanCache, type PlanFetch } from './reconstruction.ts';
import { HubError, type ContentSink } from './remote-store.ts';

/**
 * Bytes of a file that are planned and downloaded as one. A URL is signed for its exact range, so a plan must not be wider than
 * what is wanted; and windows side by side are what makes one xorb come over several connections.
 */
const windowBytes = 8 * 1024 * 1024;
/** A last window shorter than this part joins the one before. */
const smallRest = 0.5;
/** Windows of one call under way at once; the budget bounds the downloads of all calls. */
const windowsAtOnce = 8;
/** Some hundred µs of work: less than what crossing to a thread costs the reader. */
const inlineBytes = 256 * 1024;
/** A READ of 1 MiB and its chunks, rather than wait for a thread and its first connection, which takes longer than to decode them. */
const firstInlineBytes = 1536 * 1024;
/** Times that refused URLs are asked for anew. */
const maxReplans = 2;

export interface XetReadRequest {
  readonly fileHash: Uint8Array;
  readonly fileSizeBytes: number;
  /** Half-open, within the file, not empty. */
  readonly start: number;
  readonly end: number;
  /** Gets whole chunks, also outside the range. What it throws ends the read and is passed on as it is. */
  readonly sink: ContentSink;
  readonly priority: Priority;
  readonly signal: AbortSignal | undefined;
  /** Told of bytes as they come over the wire. */
  readonly onReceived?: (bytes: number) => void;
  readonly onChunk?: ChunkObserver;
}

interface Window {
  readonly start: number;
  readonly end: number;
}

export class XetReader {
  readonly #http: HttpClient;
  readonly #cas: CasClient;
  readonly #known: KnownChunks;
  readonly #budget: ConnectionBudget;
  readonly #threads: DownloadThreads | null;
  readonly #plans: PlanCache;

  /** Without `threads` everything is done on the calling one. */
  constructor(
    http: HttpClient,
    cas: CasClient,
    known: KnownChunks,
    budget: ConnectionBudget,
    threads: DownloadThreads | null,
  ) {
    this.#http = http;
    this.#cas = cas;
    this.#known = known;
    this.#budget = budget;
    this.#threads = threads;
    this.#plans = new PlanCache(() => http.clock.monotonic());
  }

  /** Rejects with `HubError`, or with what the sink throws; the other windows of the call are stopped then. */
  async read(request: XetReadRequest): Promise<void> {
    // The thread starts while the plan is on its way.
    if (request.priority === 'prefetch' && request.end - request.start > inlineBytes)
      this.#threads?.prepare();
    const windows = splitWindows(request.start, request.end);
    const verifier = this.#known.verifier(request.fileHash, request.fileSizeBytes);
    const failing = new AbortController();
    const signal =
      request.signal === undefined ? failing.signal : AbortSignal.any([request.signal, failing.signal]);
    let next = 0;
    let failure: { readonly error: unknown } | null = null;
    const work = async (): Promise<void> => {
      while (next < windows.length && failure === null) {
        const window = windows[next] as Window;
        next += 1;
        try {
          await this.#readWindow({ ...request, signal }, window, verifier);
        } catch (error) {
          failure ??= { error };
          failing.abort(error);
        }
      }
    };
    await Promise.all(Array.from({ length: Math.min(windowsAtOnce, windows.length) }, work));
    const failed = failure as { readonly error: unknown } | null;
    try {
      if (failed !== null) throw failed.error;
      await verifier.finish();
    } catch (error) {
      if (!(error instanceof WrongFileError)) throw error;
      throw new HubError('corrupt', error.message, { retryable: false, cause: error });
    }
  }

  async #readWindow(request: XetReadRequest, window: Window, verifier: ChunkVerifier): Promise<void> {
    const key = `${hashToHex(request.fileHash)}:${window.start}-${window.end}`;
    const done = new Set<string>();
    for (let replans = 0; ; replans += 1) {
      const plan = await this.#plans.get(key, () =>
        this.#cas.plan(request.fileHash, window.start, window.end, request.signal),
      );
      const covered = plan.terms.at(-1)?.fileEnd ?? 0;
      if (covered < window.end) {
        this.#plans.drop(key);
        throw badAnswerError('Planning a download', `it ends at ${covered} instead of ${window.end}`);
      }
      try {
        await this.#fetchAll(request, plan.fetches, done, verifier);
        return;
      } catch (error) {
        this.#plans.drop(key);
        const expired = error instanceof HubError && error.status === 403;
        if (!expired || replans === maxReplans) throw error;
      }
    }
  }

  /** `done` names finished downloads, so that a new plan does not repeat them. */
  async #fetchAll(
    request: XetReadRequest,
    fetches: readonly PlanFetch[],
    done: Set<string>,
    verifier: ChunkVerifier,
  ): Promise<void> {
    const results = await Promise.allSettled(
      fetches.map(async (fetch) => {
        const name = `${fetch.xorb}:${fetch.chunkStart}-${fetch.chunkEnd}`;
        if (done.has(name)) return;
        await this.#budget.run(request.priority, request.signal, () =>
          this.#download(request, fetch, verifier),
        );
        done.add(name);
      }),
    );
    const failed = results.find((result) => result.status === 'rejected');
    if (failed !== undefined) throw failed.reason;
  }

  async #download(request: XetReadRequest, fetch: PlanFetch, verifier: ChunkVerifier): Promise<void> {
    const placer = new ChunkPlacer(fetch, verifier, request.sink, request.onChunk);
    const sizeBytes = fetch.byteEnd - fetch.byteStart;
    if (this.#threads !== null && this.#isWorthThread(sizeBytes, request.priority)) {
      try {
        await this.#downloadOnThread(this.#threads, request, fetch, placer);
        return;
      } catch (error) {
        if (!(error instanceof UnsuitableDownload)) throw error;
      }
    }
    await this.#downloadHere(request, fetch, placer);
  }

  /** What is asked for first is there sooner than a thread and its connections. */
  #isWorthThread(sizeBytes: number, priority: Priority): boolean {
    if (sizeBytes <= inlineBytes) return false;
    if (this.#threads?.isWarm === true || priority === 'prefetch') return true;
    return sizeBytes > firstInlineBytes;
  }

  async #downloadOnThread(
    threads: DownloadThreads,
    request: XetReadRequest,
    fetch: PlanFetch,
    placer: ChunkPlacer,
  ): Promise<void> {
    const { url, byteStart, byteEnd } = fetch;
    const { signal, priority } = request;
    const what = whatOf(fetch);
    const { timeouts } = this.#http;
    const order = { url, byteStart, byteEnd, timeouts, urgent: priority === 'foreground' };
    await this.#http.callElsewhere({ method: 'GET', url, what, signal }, async () => {
      let index = 0;
      await rethrowFormat(what, () =>
        threads.run(what, order, signal, (chunks) => {
          if (chunks.receivedBytes > 0) request.onReceived?.(chunks.receivedBytes);
          const first = index;
          index += chunks.sizes.length;
          return placer.place(first, chunks);
        }),
      );
      checkCount(what, index, fetch);
    });
  }

  async #downloadHere(request: XetReadRequest, fetch: PlanFetch, placer: ChunkPlacer): Promise<void> {
    const { url, byteStart, byteEnd } = fetch;
    const { signal } = request;
    const what = whatOf(fetch);
    const headers = { Range: `bytes=${byteStart}-${byteEnd - 1}` };
    await this.#http.call({ method: 'GET', url, what, headers, signal }, async (answer) => {
      if (!isRangeAsked(answer.status, answer.headers['content-range'], byteStart, byteEnd)) {
        answer.discard();
        throw badAnswerError(what, 'another range than asked for');
      }
      const decoder = new ChunkStreamDecoder();
      const waits: Promise<void>[] = [];
      let received = 0;
      await rethrowFormat(what, async () => {
        try {
          await answer.consume((bytes) => {
            received += bytes.length;
            if (received > byteEnd - byteStart) throw badAnswerError(what, 'more bytes than asked for');
            request.onReceived?.(bytes.length);
            decoder.push(bytes, (index, borrowed) => {
              const plain = Uint8Array.from(borrowed);
              const chunks = { plain, sizes: [plain.length], hashes: chunkHash(plain) };
              const waiting = placer.place(index, chunks);
              if (waiting !== undefined) waits.push(waiting);
            });
          });
          decoder.finish();
        } finally {
          await Promise.allSettled(waits);
        }
        await Promise.all(waits);
      });
      checkCount(what, received === byteEnd - byteStart ? decoder.chunkCount : -1, fetch);
    });
  }
}

function whatOf(fetch: PlanFetch): string {
  return `Downloading part of xorb ${fetch.xorb.slice(0, 12)}`;
}

async function rethrowFormat(what: string, work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (!(error instanceof XetFormatError)) throw error;
    throw new HubError('corrupt', `${what} failed: ${error.message}`, { retryable: true, cause: error });
  }
}

function checkCount(what: string, count: number, fetch: PlanFetch): void {
  if (count === fetch.chunkEnd - fetch.chunkStart) return;
  throw new HubError('corrupt', `${what} failed: it has other chunks than planned`, { retryable: true });
}

function splitWindows(start: number, end: number): Window[] {
  const windows: Window[] = [];
  let at = start;
  while (end - at > windowBytes * (1 + smallRest)) {
    windows.push({ start: at, end: at + windowBytes });
    at += windowBytes;
  }
  windows.push({ start: at, end });
  return windows;
}
