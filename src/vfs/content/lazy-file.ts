// Reads of one remote content: from the cache where the bytes are there, else fetched. One flight per range: a read that
// meets a fetch of its bytes waits for it, and is answered as soon as its own bytes came, not when the fetch ends. Nothing here is
// shared with another content except the read-ahead budget, so a stalled fetch cannot block another file.

import type { ByteRange, ContentRef, RemoteStore } from '../../hub/remote-store.ts';
import type { Clock, Log, Timer } from '../../shared/log.ts';
import { localRanges, readLocal } from '../cache/cache-origin.ts';
import type { StoreOutcome } from '../cache/cache-writer.ts';
import type { CachedContent } from '../cache/cached-content.ts';
import type { ContentCache } from '../cache/content-cache.ts';
import { ExtentMap } from '../storage/extents.ts';
import type { FetchBudget, FetchTicket } from '../cache/fetch-budget.ts';
import { FetchJob } from '../cache/fetch-job.ts';
import type { FetchOutcome, FetchPriority } from '../cache/fetch-job.ts';
import { copyToWaiter, hasAll, noteEdit } from '../cache/fetch-waiter.ts';
import type { EditCount, FetchWaiter, ReadPurpose } from '../cache/fetch-waiter.ts';
import type { MaybePromise } from '../file-system.ts';
import { FsError } from '../fs-error.ts';
import { fromHubError } from '../hub-error.ts';
import type { ActivitySink } from '../parts.ts';
import { onceATurn, ReadAhead } from '../cache/read-ahead.ts';

/** After this a READ is told to come back (JUKEBOX): clients take longer silence for a dead server. */
const longestWaitMs = 10_000;
/** A fetch that keeps failing is retried this long after the last READ that wanted it. */
const interestMs = 60_000;
/** What no retry can mend is answered from memory for this long, so that a stubborn program does not flood the Hub. */
const failureMemoryMs = 5000;
/** Fetches that "succeed" without the bytes of a waiting read are tried again this often. */
const fruitlessLimit = 3;

export interface LazyFileSurroundings {
  readonly remote: RemoteStore;
  readonly clock: Clock;
  readonly log: Log;
  readonly activity: ActivitySink;
  readonly cache: ContentCache;
  readonly budget: FetchBudget;
}

const programRead: ReadPurpose = { edit: null };

export class LazyFile {
  readonly content: ContentRef;
  readonly #around: LazyFileSurroundings;
  readonly #readAhead: ReadAhead;
  readonly #jobs = new Set<FetchJob>();
  readonly #waiters = new Set<FetchWaiter>();
  readonly #resumeReadAhead = (): void => this.#prefetch();
  /** READs that came together count together: they get few wide ranges instead of many narrow ones. */
  readonly #prefetchSoon = onceATurn(() => this.#prefetch());
  #entry: CachedContent;
  #lastInterestMs = -Infinity;
  /** Read-ahead rests after a failure: the reads themselves find out when the Hub is back. */
  #readAheadPausedUntilMs = -Infinity;
  #failure: { readonly error: FsError; readonly untilMs: number } | null = null;
  #closed = false;

  constructor(content: ContentRef, around: LazyFileSurroundings) {
    this.content = content;
    this.#around = around;
    this.#entry = around.cache.open(content);
    this.#readAhead = new ReadAhead(content.sizeBytes);
  }

  get isIdle(): boolean {
    return this.#jobs.size === 0 && this.#waiters.size === 0;
  }

  /**
   * Fills `length` bytes of `target` from `offset`, both within the content. `target` is borrowed until it is done. EAGAIN after
   * 10 s without the bytes (the fetch goes on), EACCES or EIO for what no retry can mend.
   */
  read(
    offset: number,
    target: Uint8Array,
    targetOffset: number,
    length: number,
    purpose: ReadPurpose = programRead,
  ): MaybePromise<void> {
    const entry = this.#entry;
    if (!entry.gone && entry.file !== null && entry.extents.covers(offset, offset + length)) {
      if (entry.extents.totalBytes < this.content.sizeBytes && !purpose.edit) this.#noteRead(offset, length);
      return this.#readCached(entry, offset, target, targetOffset, length, purpose);
    }
    return this.#readMissing(offset, target, targetOffset, length, purpose);
  }

  isCached(start: number, end: number): boolean {
    return !this.#entry.gone && this.#entry.extents.covers(start, end);
  }

  get isClosed(): boolean {
    return this.#closed;
  }

  releaseDescriptor(): void {
    this.#entry.file?.release();
  }

  /** Ends read-ahead; reads that wait are still served. */
  stopReadAhead(): void {
    this.#readAhead.forget();
    this.#around.budget.forget(this.#resumeReadAhead);
    for (const job of this.#jobs) {
      if (job.priority === 'prefetch' && !this.#isAwaited(job)) job.abort();
    }
  }

  /** Aborts everything; reads that wait get EAGAIN. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.stopReadAhead();
    for (const job of this.#jobs) job.abort();
    for (const waiter of [...this.#waiters]) waiter.settle(this.#notYet('the mount is closing'));
    this.#around.cache.release(this.#entry);
  }

  #readCached(
    entry: CachedContent,
    offset: number,
    target: Uint8Array,
    targetOffset: number,
    length: number,
    purpose: ReadPurpose,
  ): MaybePromise<void> {
    // The cache said so in the log and does not have the bytes any more.
    const again = (error: unknown): MaybePromise<void> => {
      if (error instanceof FsError) throw error;
      return this.#readMissing(offset, target, targetOffset, length, purpose);
    };
    try {
      const { cache } = this.#around;
      const isEdit = purpose.edit !== null;
      const reading = readLocal(cache, entry, offset, target, targetOffset, length, isEdit);
      return reading === undefined ? undefined : reading.catch(again);
    } catch (error) {
      return again(error);
    }
  }

  #readMissing(
    offset: number,
    target: Uint8Array,
    targetOffset: number,
    length: number,
    purpose: ReadPurpose,
  ): MaybePromise<void> {
    if (this.#closed) throw this.#notYet('the mount is closing');
    const { cache } = this.#around;
    let entry = this.#freshEntry();
    let local = localRanges(cache, entry, offset, offset + length);
    if (!local.covers(offset, offset + length)) {
      cache.refresh(entry);
      entry = this.#freshEntry();
      local = localRanges(cache, entry, offset, offset + length);
    }
    if (local.covers(offset, offset + length)) {
      return this.#readCached(entry, offset, target, targetOffset, length, purpose);
    }
    if (local.totalBytes > entry.extents.bytesWithin(offset, offset + length)) {
      return this.#takeFromOrigin(entry, local).then(() =>
        this.#fetchMissing(offset, target, targetOffset, length, purpose),
      );
    }
    return this.#fetchMissing(offset, target, targetOffset, length, purpose);
  }

  /** Stores what the origin has of a range that must partly be fetched, so that the rest is all that is missing. */
  async #takeFromOrigin(entry: CachedContent, local: ExtentMap): Promise<void> {
    const { cache } = this.#around;
    for (const range of local.ranges()) {
      for (const { start, end } of entry.extents.gaps(range.start, range.end)) {
        const bytes = new Uint8Array(end - start);
        try {
          await readLocal(cache, entry, start, bytes, 0, bytes.length, true);
        } catch {
          // It said so in the log; the bytes are fetched.
          return;
        }
        if (entry.gone || !cache.store(entry, start, bytes)) return;
      }
    }
  }

  #fetchMissing(
    offset: number,
    target: Uint8Array,
    targetOffset: number,
    length: number,
    purpose: ReadPurpose,
  ): Promise<void> {
    if (this.#failure !== null) {
      if (this.#around.clock.monotonic() < this.#failure.untilMs) throw this.#failure.error;
      this.#failure = null;
    }
    const waiting = this.#wait(offset, target, targetOffset, length, purpose);
    if (!purpose.edit) this.#noteRead(offset, length);
    return waiting;
  }

  #wait(
    offset: number,
    target: Uint8Array,
    targetOffset: number,
    length: number,
    purpose: ReadPurpose,
  ): Promise<void> {
    return new Promise((resolve, reject) => {
      let timer: Timer | null = null;
      const onAbort = (): void => waiter.settle(this.#notYet('the caller gave up'));
      const waiter: FetchWaiter = {
        start: offset,
        end: offset + length,
        target,
        targetOffset,
        edit: purpose.edit,
        copied: new ExtentMap(),
        fruitless: 0,
        settle: (error) => {
          if (!this.#waiters.delete(waiter)) return;
          timer?.cancel();
          purpose.signal?.removeEventListener('abort', onAbort);
          if (error !== null) reject(error);
          else resolve(this.#readArrived(waiter, purpose));
        },
      };
      this.#waiters.add(waiter);
      if (purpose.signal?.aborted === true) return onAbort();
      purpose.signal?.addEventListener('abort', onAbort, { once: true });
      if (!purpose.edit) {
        timer = this.#around.clock.schedule(longestWaitMs, () =>
          waiter.settle(this.#notYet('the Hub did not deliver the bytes in time')),
        );
      }
      this.#fetchFor(waiter);
    });
  }

  /** Not `read`: the READ was noted for read-ahead when it came. */
  async #readArrived(waiter: FetchWaiter, purpose: ReadPurpose): Promise<void> {
    const { target } = waiter;
    for (const { start, end } of waiter.copied.gaps(waiter.start, waiter.end)) {
      const targetOffset = waiter.targetOffset + start - waiter.start;
      await this.#readCached(this.#freshEntry(), start, target, targetOffset, end - start, purpose);
    }
  }

  /** Starts what is needed for `waiter` and not under way. */
  #fetchFor(waiter: FetchWaiter): void {
    this.#lastInterestMs = this.#around.clock.monotonic();
    for (const gap of this.#freshEntry().extents.gaps(waiter.start, waiter.end)) {
      for (const { start, end } of this.#notInFlight(gap))
        this.#start({ start, end }, 'foreground', waiter.edit, null);
    }
  }

  #notInFlight(range: ByteRange): readonly ByteRange[] {
    if (this.#jobs.size === 0) return [range];
    const inFlight = new ExtentMap();
    for (const job of this.#jobs) inFlight.add(job.start, job.end);
    return inFlight.gaps(range.start, range.end);
  }

  #noteRead(offset: number, length: number): void {
    if (this.#readAhead.note(offset, length)) this.#prefetchSoon();
  }

  #prefetch(): void {
    const { budget, clock } = this.#around;
    while (!this.#closed && clock.monotonic() >= this.#readAheadPausedUntilMs) {
      if (!budget.hasRoom(this.#prefetchJobs(), this.#resumeReadAhead)) return;
      const range = this.#readAhead.next();
      if (range === null) return;
      const local = localRanges(this.#around.cache, this.#freshEntry(), range.start, range.end);
      for (const gap of local.gaps(range.start, range.end)) {
        for (const free of this.#notInFlight(gap)) {
          this.#start(free, 'prefetch', null, budget.take(free.end - free.start));
        }
      }
    }
  }

  #prefetchJobs(): number {
    let count = 0;
    for (const job of this.#jobs) if (job.priority === 'prefetch') count += 1;
    return count;
  }

  #start(
    range: ByteRange,
    priority: FetchPriority,
    edit: EditCount | null,
    ticket: FetchTicket | null,
  ): void {
    const { remote, clock } = this.#around;
    const job: FetchJob = new FetchJob({
      remote,
      clock,
      content: this.content,
      range,
      priority,
      sink: (offset, bytes) => this.#take(offset, bytes, edit, ticket),
      missing: () => this.#missingOf(range),
      onCorrupt: () => {
        this.#around.cache.distrust(this.#entry);
        for (const { copied } of this.#waiters) copied.truncate(0);
      },
      isWanted: () => this.#isAwaited(job) || (priority === 'foreground' && this.#isOfInterest()),
    });
    this.#jobs.add(job);
    job.run().then(
      (outcome) => this.#ended(job, ticket, outcome),
      (cause: unknown) => this.#ended(job, ticket, { type: 'failed', cause }),
    );
  }

  #missingOf({ start, end }: ByteRange): ByteRange | null {
    const gaps = this.#freshEntry().extents.gaps(start, end);
    const first = gaps[0];
    const last = gaps.at(-1);
    return first === undefined || last === undefined ? null : { start: first.start, end: last.end };
  }

  #isAwaited(job: FetchJob): boolean {
    for (const waiter of this.#waiters) if (job.overlaps(waiter.start, waiter.end)) return true;
    return false;
  }

  #isOfInterest(): boolean {
    return this.#around.clock.monotonic() - this.#lastInterestMs < interestMs;
  }

  /** Called by the Hub client with bytes that are borrowed until what it returns is settled. */
  #take(
    offset: number,
    bytes: Uint8Array,
    edit: EditCount | null,
    ticket: FetchTicket | null,
  ): MaybePromise<void> {
    if (this.#closed) return undefined;
    const { activity, cache } = this.#around;
    activity.count('downloadedBytes', bytes.length);
    noteEdit(edit, activity, bytes.length);
    ticket?.delivered(bytes.length);
    this.#failure = null;
    const usable = bytes.subarray(0, Math.max(0, this.content.sizeBytes - offset));
    const storing = cache.storeLater(this.#freshEntry(), offset, usable);
    if (typeof storing === 'string') return this.#taken(offset, usable, storing);
    return storing.then((outcome) => this.#taken(offset, usable, outcome));
  }

  #taken(offset: number, bytes: Uint8Array, outcome: StoreOutcome): void {
    // What cannot be kept is not worth fetching ahead.
    if (outcome === 'full') this.#readAheadPausedUntilMs = this.#around.clock.monotonic() + failureMemoryMs;
    const end = offset + bytes.length;
    for (const waiter of [...this.#waiters]) {
      if (waiter.start >= end || offset >= waiter.end) continue;
      if (outcome === 'full') copyToWaiter(waiter, offset, bytes);
      if (hasAll(waiter, this.#entry.extents)) waiter.settle(null);
    }
  }

  #ended(job: FetchJob, ticket: FetchTicket | null, outcome: FetchOutcome): void {
    this.#jobs.delete(job);
    ticket?.end();
    if (this.#closed) return;
    const nowMs = this.#around.clock.monotonic();
    if (outcome.type !== 'delivered') this.#readAheadPausedUntilMs = nowMs + failureMemoryMs;
    const waiters = [...this.#waiters].filter((waiter) => job.overlaps(waiter.start, waiter.end));
    if (outcome.type === 'failed') {
      const error = fromHubError(outcome.cause, 'read', this.content.path);
      this.#around.log.warn('fetching from the Hub failed', { key: this.content.key, cause: error.message });
      if (job.priority === 'foreground') this.#failure = { error, untilMs: nowMs + failureMemoryMs };
      for (const waiter of waiters) waiter.settle(error);
      return;
    }
    for (const waiter of waiters) {
      const { extents } = this.#entry;
      if (hasAll(waiter, extents)) waiter.settle(null);
      else if (hasAll(waiter, extents, job.start, job.end) || waiter.fruitless++ < fruitlessLimit)
        this.#fetchFor(waiter);
      else
        waiter.settle(
          new FsError('EIO', 'read', { path: this.content.path, message: 'the Hub did not send the bytes' }),
        );
    }
    this.#prefetch();
  }

  #freshEntry(): CachedContent {
    if (this.#entry.gone) this.#entry = this.#around.cache.open(this.content);
    return this.#entry;
  }

  #notYet(message: string): FsError {
    return new FsError('EAGAIN', 'read', { path: this.content.path, message });
  }
}
