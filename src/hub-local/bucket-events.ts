// The change feed of a bucket as server-sent events (`ready`, `changes`, `reset`, `reconnect`): the kept history and the
// subscribers. History lives in the index, so a cursor from before a restart can be resumed.

import type { Bucket, BucketChange } from './bucket-store.ts';
import type { HubDatabase, Statement } from './database.ts';
import type { HubClock } from './hub-clock.ts';

/** How far back a cursor or an instant may lie. */
const replayMs = 15 * 60_000;

export interface StoredChanges {
  readonly cursor: string;
  readonly changes: readonly BucketChange[];
}

/** Where a subscriber wants to begin: after a cursor, after an instant (ms), or with what comes next. */
export type ResumePoint =
  | { readonly type: 'cursor'; readonly sequence: number }
  | { readonly type: 'since'; readonly at: number }
  | null;

export interface Subscriber {
  /** Queues one batch; must not throw. */
  deliver(event: StoredChanges): void;
  /** The stream ends: the bucket is gone, the server closes, or a test cuts it. `polite`: say `reconnect` first. */
  end(polite: boolean): void;
}

export class BucketEvents {
  readonly #clock: HubClock;
  readonly #insert: Statement;
  readonly #after: Statement;
  readonly #since: Statement;
  readonly #last: Statement;
  readonly #oldestDue: Statement;
  readonly #trim: Statement;
  readonly #noteTrim: Statement;
  readonly #horizon: Statement;
  readonly #subscribers = new Map<number, Set<Subscriber>>();

  constructor(db: HubDatabase, clock: HubClock) {
    this.#clock = clock;
    this.#insert = db.prepare('INSERT INTO bucket_events (bucket, at, changes) VALUES (?, ?, ?)');
    this.#after = db.prepare(
      'SELECT seq, changes FROM bucket_events WHERE bucket = ? AND seq > ? ORDER BY seq',
    );
    this.#since = db.prepare(
      'SELECT seq, changes FROM bucket_events WHERE bucket = ? AND at > ? ORDER BY seq',
    );
    this.#last = db.prepare('SELECT max(seq) AS seq FROM bucket_events WHERE bucket = ?');
    this.#oldestDue = db.prepare(
      'SELECT max(seq) AS seq, max(at) AS at FROM bucket_events WHERE bucket = ? AND at < ?',
    );
    this.#trim = db.prepare('DELETE FROM bucket_events WHERE bucket = ? AND seq <= ?');
    this.#noteTrim = db.prepare('UPDATE buckets SET trimmed_seq = ?, trimmed_at = ? WHERE id = ?');
    this.#horizon = db.prepare('SELECT trimmed_seq, trimmed_at FROM buckets WHERE id = ?');
  }

  /** Keeps the changes and hands them to everybody who follows the bucket. */
  publish(bucket: Bucket, changes: readonly BucketChange[]): void {
    if (changes.length === 0) return;
    const now = this.#clock.now();
    this.#forget(bucket, now - replayMs);
    const sequence = this.#insert.insert(bucket.id, now, JSON.stringify(changes));
    const event = { cursor: cursorOf(sequence), changes };
    for (const subscriber of this.#subscribers.get(bucket.id) ?? []) subscriber.deliver(event);
  }

  #forget(bucket: Bucket, before: number): void {
    const due = this.#oldestDue.get(bucket.id, before);
    const row = due === null || due.isNull('seq') ? null : due;
    if (row === null) return;
    this.#trim.run(bucket.id, row.number('seq'));
    this.#noteTrim.run(row.number('seq'), row.number('at'), bucket.id);
  }

  /**
   * What happened since the resume point, and the cursor to go on from (null if nothing ever happened); null when
   * that lies too far back.
   */
  replay(bucket: Bucket, point: ResumePoint): { events: StoredChanges[]; cursor: string | null } | null {
    this.#forget(bucket, this.#clock.now() - replayMs);
    const last = this.#last.get(bucket.id);
    const horizon = this.#horizon.get(bucket.id);
    const trimmed = horizon?.number('trimmed_seq') ?? 0;
    const newest = last === null || last.isNull('seq') ? trimmed : last.number('seq');
    if (point === null) return { events: [], cursor: newest === 0 ? null : cursorOf(newest) };
    const tooOld =
      point.type === 'cursor' ? point.sequence < trimmed : point.at < (horizon?.number('trimmed_at') ?? 0);
    if (tooOld) return null;
    const rows =
      point.type === 'cursor'
        ? this.#after.all(bucket.id, point.sequence)
        : this.#since.all(bucket.id, point.at);
    const events = rows.map((row) => ({
      cursor: cursorOf(row.number('seq')),
      // Written by `publish`.
      changes: JSON.parse(row.text('changes')) as BucketChange[],
    }));
    return { events, cursor: newest === 0 ? null : cursorOf(newest) };
  }

  /** Returns the function that ends the subscription. */
  subscribe(bucket: Bucket, subscriber: Subscriber): () => void {
    const set = this.#subscribers.get(bucket.id) ?? new Set();
    set.add(subscriber);
    this.#subscribers.set(bucket.id, set);
    return () => {
      set.delete(subscriber);
      if (set.size === 0) this.#subscribers.delete(bucket.id);
    };
  }

  /** Ends the streams of one bucket, or of all. */
  endAll(polite: boolean, bucket?: Bucket): void {
    const sets =
      bucket === undefined
        ? [...this.#subscribers.values()]
        : [this.#subscribers.get(bucket.id) ?? new Set()];
    for (const set of sets) for (const subscriber of set) subscriber.end(polite);
  }
}

function cursorOf(sequence: number): string {
  return Buffer.from(`e${sequence}`).toString('base64url');
}

/** The sequence in a cursor that this server made, or null. */
export function sequenceOf(cursor: string): number | null {
  const match = /^e(\d{1,15})$/.exec(Buffer.from(cursor, 'base64url').toString('latin1'));
  return match === null ? null : Number(match[1]);
}
