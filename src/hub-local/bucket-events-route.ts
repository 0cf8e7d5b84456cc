// `GET /api/buckets/…/events`: one subscriber's stream. Replays from a cursor or an instant, says `ready`, then follows;
// a comment every 30 s keeps it alive. A subscriber that does not read is dropped rather than buffered for ever.

import { readable } from './bucket-routes.ts';
import { sequenceOf, type ResumePoint, type StoredChanges } from './bucket-events.ts';
import type { Exchange } from './exchange.ts';
import type { HubContext } from './hub-context.ts';
import { badRequest, Refusal } from './refusal.ts';

const pingMs = 30_000;
const maxQueued = 1000;

export function addBucketEventRoutes(hub: HubContext): void {
  hub.router.add('bucket.events', 'GET', '/api/buckets/:namespace/:name/events', (exchange) =>
    follow(hub, exchange),
  );
}

async function follow(hub: HubContext, exchange: Exchange): Promise<void> {
  if (!hub.faults.settings.events) throw new Refusal(404, 'Live events are not served here');
  const bucket = readable(hub, exchange);
  if (!(exchange.header('accept') ?? '').includes('text/event-stream')) {
    throw badRequest('Send Accept: text/event-stream');
  }
  const past = hub.events.replay(bucket, readResumePoint(exchange));
  const queue = new FrameQueue();
  if (past === null) {
    queue.push('reset', { reason: 'cursor_too_old' });
    queue.end();
  } else {
    for (const event of past.events) queue.pushChanges(event);
    queue.push('ready', past.cursor === null ? {} : { cursor: past.cursor });
  }
  let lastCursor = past?.cursor ?? null;
  const unsubscribe = hub.events.subscribe(bucket, {
    deliver: (event) => {
      lastCursor = event.cursor;
      queue.pushChanges(event);
    },
    end: (polite) => {
      if (polite) queue.push('reconnect', lastCursor === null ? {} : { cursor: lastCursor });
      queue.end();
    },
  });
  exchange.onClose(() => queue.end());
  const ping = (): { cancel(): void } =>
    hub.clock.schedule(pingMs, () => {
      queue.pushText(': ping\n\n');
      timer = ping();
    });
  let timer = ping();
  try {
    await exchange.sendStream(
      200,
      { 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-cache', 'X-Accel-Buffering': 'no' },
      null,
      async (write) => {
        for (let frame = await queue.take(); frame !== null; frame = await queue.take()) {
          await write(Buffer.from(frame));
        }
      },
    );
  } finally {
    timer.cancel();
    unsubscribe();
  }
}

function readResumePoint(exchange: Exchange): ResumePoint {
  const cursor = exchange.query.get('cursor') ?? exchange.header('last-event-id');
  if (cursor !== null) {
    const sequence = sequenceOf(cursor);
    if (sequence === null) throw badRequest('cursor was not made by this server');
    return { type: 'cursor', sequence };
  }
  const since = exchange.query.get('since');
  if (since === null) return null;
  const at = Date.parse(since);
  if (Number.isNaN(at)) throw badRequest('since must be an ISO 8601 time');
  return { type: 'since', at };
}

/** Frames waiting for the socket; `take` yields null at the end. */
class FrameQueue {
  #frames: string[] = [];
  #ended = false;
  #wake: (() => void) | null = null;

  push(event: string, data: unknown): void {
    this.pushText(`event: ${event}\ndata: ${JSON.stringify(data)}\n\n`);
  }

  pushChanges({ cursor, changes }: StoredChanges): void {
    this.pushText(`event: changes\nid: ${cursor}\ndata: ${JSON.stringify({ cursor, changes })}\n\n`);
  }

  pushText(frame: string): void {
    if (this.#ended) return;
    this.#frames.push(frame);
    if (this.#frames.length > maxQueued) this.end();
    this.#notify();
  }

  end(): void {
    this.#ended = true;
    this.#notify();
  }

  async take(): Promise<string | null> {
    while (this.#frames.length === 0) {
      if (this.#ended) return null;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    const text = this.#frames.join('');
    this.#frames = [];
    return text;
  }

  #notify(): void {
    const wake = this.#wake;
    this.#wake = null;
    wake?.();
  }
}
