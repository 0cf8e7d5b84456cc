// The change feed of a bucket: server-sent events that tell which paths changed. Reconnects by itself with the last cursor;
// ends when the Hub has no such feed or the signal is aborted. Hub docs, "Storage Buckets", live follow.

import { toHubError } from './hub-errors.ts';
import type { Authorization, HttpClient } from './http.ts';
import { HubError, type RemoteChange } from './remote-store.ts';
import { sleep } from './surroundings.ts';

export interface BucketEventsOptions {
  readonly http: HttpClient;
  /** `…/api/buckets/OWNER/NAME/events`. */
  readonly url: string;
  readonly authorization: Authorization;
  readonly signal: AbortSignal;
}

/** The server sends a comment every 30 s. */
const silenceMs = 90_000;
const firstRetryMs = 1000;
const maxRetryMs = 60_000;
/** Connections in a row that bring nothing: somebody in between may swallow the feed. */
const hopelessConnections = 2;
/** A longer event is not kept: then everything counts as changed. */
const maxEventLength = 4 * 1024 * 1024;
/** Changes nobody took yet; beyond this they are replaced by one that means "look at everything". */
const maxQueuedChanges = 1000;

interface SseEvent {
  readonly event: string;
  readonly data: string;
}

/** Splits a stream of text into events. Overlong ones come out as event "overrun". */
export class SseParser {
  readonly #decoder = new TextDecoder();
  #rest = '';
  #event = '';
  #data: string[] = [];
  #length = 0;

  push(bytes: Uint8Array, emit: (event: SseEvent) => void): void {
    this.#rest += this.#decoder.decode(bytes, { stream: true });
    // A carriage return at the very end may be half of a line end; it waits for what follows.
    const lines = this.#rest.split(/\r\n|\n|\r(?!\n|$)/);
    this.#rest = lines.pop() ?? '';
    for (const line of lines) this.#line(line, emit);
    if (this.#rest.length > maxEventLength) {
      this.#rest = '';
      this.#length = maxEventLength + 1;
    }
  }

  #line(line: string, emit: (event: SseEvent) => void): void {
    if (line === '') {
      if (this.#length > maxEventLength) emit({ event: 'overrun', data: '' });
      else if (this.#data.length > 0) emit({ event: this.#event, data: this.#data.join('\n') });
      this.#event = '';
      this.#data = [];
      this.#length = 0;
      return;
    }
    const colon = line.indexOf(':');
    if (colon === 0) return;
    const field = colon === -1 ? line : line.slice(0, colon);
    const value = colon === -1 ? '' : line.slice(colon + 1).replace(/^ /, '');
    if (field === 'event') this.#event = value;
    if (field !== 'data') return;
    this.#length += value.length;
    if (this.#length > maxEventLength) this.#data = [];
    else this.#data.push(value);
  }
}

/** Bounded hand-over between the stream and its reader. */
class ChangeQueue {
  #changes: RemoteChange[] = [];
  #wake: (() => void) | null = null;
  #ended = false;

  push(change: RemoteChange): void {
    if (this.#changes.length >= maxQueuedChanges) this.#changes = [{ paths: null }];
    else this.#changes.push(change);
    this.#wake?.();
  }

  end(): void {
    this.#ended = true;
    this.#wake?.();
  }

  /** Null at the end. */
  async take(): Promise<RemoteChange | null> {
    for (;;) {
      const change = this.#changes.shift();
      if (change !== undefined) return change;
      if (this.#ended) return null;
      await new Promise<void>((resolve) => (this.#wake = resolve));
      this.#wake = null;
    }
  }
}

interface Follower {
  cursor: string | null;
  /** The connection brought something. */
  alive: boolean;
}

/**
 * Paths are those of the bucket; a change without any says that the stream is there. Rejects when the Hub refuses the feed or
 * two connections in a row bring nothing, so that the caller polls.
 */
export async function* followBucket(options: BucketEventsOptions): AsyncGenerator<RemoteChange> {
  const queue = new ChangeQueue();
  const stop = new AbortController();
  const signal = AbortSignal.any([options.signal, stop.signal]);
  let failure: unknown = null;
  const following = follow({ ...options, signal }, queue)
    .catch((error: unknown) => (failure = error))
    .finally(() => queue.end());
  try {
    for (let change = await queue.take(); change !== null; change = await queue.take()) yield change;
    if (failure !== null && !options.signal.aborted) throw toHubError('Following the bucket', failure);
  } finally {
    stop.abort();
    await following;
  }
}

async function follow(options: BucketEventsOptions, queue: ChangeQueue): Promise<void> {
  const follower: Follower = { cursor: null, alive: false };
  let failures = 0;
  let connected = false;
  while (!options.signal.aborted) {
    follower.alive = false;
    try {
      await listen(options, follower, queue);
    } catch (error) {
      if (!(error instanceof HubError) || error.code === 'aborted') throw error;
      if (!error.retryable || (failures + 1 >= hopelessConnections && !follower.alive)) throw error;
    }
    if (follower.alive) failures = 0;
    else failures += 1;
    if (failures >= hopelessConnections)
      throw new HubError('server', 'The feed ends at once', { retryable: true });
    // Without a cursor to resume from, something may have been missed between two connections.
    if (connected && follower.cursor === null) queue.push({ paths: null });
    connected ||= follower.alive;
    const delayMs = Math.min(maxRetryMs, firstRetryMs * 2 ** Math.min(failures, 10));
    await sleep(options.http.clock, delayMs, options.signal);
  }
}

async function listen(options: BucketEventsOptions, follower: Follower, queue: ChangeQueue): Promise<void> {
  const query = follower.cursor === null ? '' : `?cursor=${encodeURIComponent(follower.cursor)}`;
  const parser = new SseParser();
  await options.http.call(
    {
      method: 'GET',
      url: options.url + query,
      what: 'Following the bucket',
      headers: { Accept: 'text/event-stream' },
      authorization: options.authorization,
      signal: options.signal,
      timeouts: { stallMs: silenceMs },
      attempts: 1,
    },
    async (answer) => {
      await answer.consume((bytes) => parser.push(bytes, (event) => take(event, follower, queue)));
    },
  );
}

function take(event: SseEvent, follower: Follower, queue: ChangeQueue): void {
  const data = parseObject(event.data);
  if (!follower.alive) queue.push({ paths: [] });
  follower.alive = true;
  if (event.event === 'reset' || event.event === 'overrun') {
    follower.cursor = null;
    queue.push({ paths: null });
    return;
  }
  const cursor = data?.['cursor'];
  if (typeof cursor === 'string') follower.cursor = cursor;
  if (event.event !== 'changes') return;
  queue.push({ paths: changedPaths(data?.['changes']) });
}

/** Null if any of them cannot be read. */
function changedPaths(changes: unknown): readonly string[] | null {
  if (!Array.isArray(changes)) return null;
  const paths: string[] = [];
  for (const change of changes as readonly unknown[]) {
    const path =
      typeof change === 'object' && change !== null ? (change as Record<string, unknown>)['path'] : null;
    if (typeof path !== 'string') return null;
    paths.push(path);
  }
  return paths;
}

function parseObject(text: string): Readonly<Record<string, unknown>> | null {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : null;
  } catch {
    // An event that cannot be read still says that something happened; callers treat null so.
    return null;
  }
}
