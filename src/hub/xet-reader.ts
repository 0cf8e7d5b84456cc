// Reads ranges of Xet content: plans them in windows, downloads the windows' xorb ranges side by side within a shared
// budget, decodes as bytes arrive, checks every chunk, and hands plain pieces to the sink. Holds no content but the chunk
// in hand. Used by `hub-store.ts` and, for chunk lists of foreign files, by the writer.

import { XetFormatError } from '../xet/errors.ts';
import { hashToHex } from '../xet/hash.ts';
import { ChunkStreamDecoder } from '../xet/xorb.ts';
import type { CasClient } from './cas-client.ts';
import type { ConnectionBudget, Priority } from './connection-budget.ts';
import { badAnswerError } from './hub-errors.ts';
import type { HttpAnswer } from './http-exchange.ts';
import type { HttpClient } from './http.ts';
import { WrongFileError, type ChunkVerifier, type KnownChunks } from './known-chunks.ts';
import { PlanCache, xorbHashOf, type PlanFetch, type PlanTerm } from './reconstruction.ts';
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
  /** Told of every chunk with its hash and place. */
  readonly onChunk?: (
    offset: number,
    hash: Uint8Array,
    sizeBytes: number,
    xorb: Uint8Array,
    index: number,
  ) => void;
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
  readonly #plans: PlanCache;

  constructor(http: HttpClient, cas: CasClient, known: KnownChunks, budget: ConnectionBudget) {
    this.#http = http;
    this.#cas = cas;
    this.#known = known;
    this.#budget = budget;
    this.#plans = new PlanCache(() => http.clock.monotonic());
  }

  /** Rejects with `HubError`, or with what the sink throws; the other windows of the call are stopped then. */
  async read(request: XetReadRequest): Promise<void> {
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
    if (failed === null) return;
    if (failed.error instanceof WrongFileError) {
      throw new HubError('corrupt', failed.error.message, { retryable: false, cause: failed.error });
    }
    throw failed.error;
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
    const placer = new ChunkPlacer(request, fetch, verifier);
    const what = `Downloading part of xorb ${fetch.xorb.slice(0, 12)}`;
    await this.#http.call(
      {
        method: 'GET',
        url: fetch.url,
        what,
        headers: { Range: `bytes=${fetch.byteStart}-${fetch.byteEnd - 1}` },
        signal: request.signal,
      },
      async (answer) => {
        checkRange(answer, fetch, what);
        await this.#decode(answer, request, fetch, placer, what);
      },
    );
  }

  async #decode(
    answer: HttpAnswer,
    request: XetReadRequest,
    fetch: PlanFetch,
    placer: ChunkPlacer,
    what: string,
  ): Promise<void> {
    const decoder = new ChunkStreamDecoder();
    const expectedBytes = fetch.byteEnd - fetch.byteStart;
    let received = 0;
    try {
      await answer.consume((bytes) => {
        received += bytes.length;
        if (received > expectedBytes) throw badAnswerError(what, 'more bytes than asked for');
        request.onReceived?.(bytes.length);
        decoder.push(bytes, (index, plain) => placer.place(index, plain));
      });
      decoder.finish();
    } catch (error) {
      if (!(error instanceof XetFormatError)) throw error;
      throw new HubError('corrupt', `${what} failed: ${error.message}`, { retryable: true, cause: error });
    }
    if (received !== expectedBytes || decoder.chunkCount !== fetch.chunkEnd - fetch.chunkStart) {
      throw new HubError('corrupt', `${what} failed: it has other chunks than planned`, { retryable: true });
    }
  }
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

function checkRange(answer: HttpAnswer, fetch: PlanFetch, what: string): void {
  const range = /^bytes (\d+)-(\d+)\//.exec(answer.headers['content-range'] ?? '');
  const whole = answer.status === 200 && fetch.byteStart === 0;
  const exact =
    answer.status === 206 &&
    Number(range?.[1]) === fetch.byteStart &&
    Number(range?.[2]) === fetch.byteEnd - 1;
  if (whole || exact) return;
  answer.discard();
  throw badAnswerError(what, 'another range than asked for');
}

interface Placement {
  readonly term: PlanTerm;
  /** File offset of the next chunk of the term. */
  at: number;
}

/** Gives each chunk of a download its offsets in the file. Survives a repeated download: chunks placed before are skipped. */
class ChunkPlacer {
  readonly #request: XetReadRequest;
  readonly #fetch: PlanFetch;
  readonly #verifier: ChunkVerifier;
  readonly #xorb: Uint8Array;
  readonly #placements: readonly Placement[];
  #placed = 0;

  constructor(request: XetReadRequest, fetch: PlanFetch, verifier: ChunkVerifier) {
    this.#request = request;
    this.#fetch = fetch;
    this.#verifier = verifier;
    this.#xorb = xorbHashOf(fetch);
    this.#placements = fetch.terms.map((term) => ({ term, at: term.fileStart }));
  }

  /** `index` counts from the first chunk of the download. */
  place(index: number, plain: Uint8Array): void {
    if (index < this.#placed) return;
    const chunk = this.#fetch.chunkStart + index;
    for (const placement of this.#placements) {
      const { term, at } = placement;
      if (chunk < term.chunkStart || chunk >= term.chunkEnd) continue;
      const end = at + plain.length;
      if (end > term.fileEnd || (chunk === term.chunkEnd - 1 && end !== term.fileEnd)) {
        throw new XetFormatError('chunks have other sizes than planned');
      }
      const hash = this.#verifier.check(at, plain, this.#xorb, chunk);
      this.#request.onChunk?.(at, hash, plain.length, this.#xorb, chunk);
      this.#request.sink(at, plain);
      placement.at = end;
    }
    this.#placed = index + 1;
  }
}
