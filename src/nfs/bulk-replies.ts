// Runs the bulk replies (READ) of one connection. Data up to 256 KiB is asked for at once; of longer ones only a few are
// under way, so that filling one slab overlaps sending another (docs/performance.md: a window of 3 is best). One that is alone overlaps
// nothing: it is read in the same turn where it is in memory. A read that waits for the
// network leaves the window soon, so that a stalled file never holds up another; its slab counts against the server's limit.

import type { Clock, Timer } from '../shared/log.ts';
import type { ReplyGatherer } from './reply-gatherer.ts';
import { ACCEPTED_REPLY_BYTES, AcceptStat, endRecord, writeAcceptedHead } from './rpc-message.ts';
import type { BulkResults } from './rpc-program.ts';
import type { SlabPool } from './slab-pool.ts';
import { XdrWriter } from './xdr-cursor.ts';

const AT_ONCE_BYTES = 256 * 1024;
const WINDOW = 3;
/** A read from the local disk takes far less; what takes longer waits for something else. */
const SLOW_AFTER_MS = 20;
/** Unsent replies of a connection at which it takes no further call and starts no read: its peer is too slow. */
export const MAX_UNSENT_BYTES = 8 * 1024 * 1024;
/** All slabs of a server: above this, reads wait for others to end (at most about 10 s each, see FileSystem.read). */
const MAX_SLAB_BYTES = 192 * 1024 * 1024;

interface Waiting {
  readonly xid: number;
  readonly bulk: BulkResults;
}

export class BulkReplies {
  readonly #gatherer: ReplyGatherer;
  readonly #pool: SlabPool;
  readonly #clock: Clock;
  readonly #onChange: () => void;
  /** For replies in detached regions. */
  readonly #writer = new XdrWriter(Buffer.alloc(0));
  readonly #queue: Waiting[] = [];
  /** Start times of the long reads in the window. */
  readonly #window = new Set<{ readonly startedAt: number }>();
  #pending = 0;
  #timer: Timer | null = null;
  #isClosed = false;

  /** `onChange`: a reply was finished or the queue moved, outside of `submit`. */
  constructor(gatherer: ReplyGatherer, pool: SlabPool, clock: Clock, onChange: () => void) {
    this.#gatherer = gatherer;
    this.#pool = pool;
    this.#clock = clock;
    this.#onChange = onChange;
  }

  /** Reads that have been asked of the file system and not been answered. */
  get pending(): number {
    return this.#pending;
  }

  get queued(): number {
    return this.#queue.length;
  }

  /** `isLast`: no further call has been received. */
  submit(xid: number, bulk: BulkResults, isLast: boolean): void {
    if (this.#queue.length === 0 && this.#mayStart(bulk)) {
      this.#start(xid, bulk, isLast && this.#window.size === 0);
    } else if (bulk.maximumDataBytes <= AT_ONCE_BYTES && this.#hasSlabs()) this.#start(xid, bulk, false);
    else {
      this.#queue.push({ xid, bulk });
      this.#watch();
    }
  }

  /** Forgets what was not started; what is under way ends by itself. */
  close(): void {
    this.#isClosed = true;
    this.#queue.length = 0;
    this.#timer?.cancel();
    this.#timer = null;
  }

  /** Starts what may start; to be called when replies have been sent. */
  resume(): void {
    if (this.#queue.length > 0) this.#pump();
  }

  #hasSlabs(): boolean {
    return this.#pool.usedBytes < MAX_SLAB_BYTES && this.#gatherer.unsentBytes <= MAX_UNSENT_BYTES;
  }

  #mayStart(bulk: BulkResults): boolean {
    return this.#hasSlabs() && (bulk.maximumDataBytes <= AT_ONCE_BYTES || this.#window.size < WINDOW);
  }

  #start(xid: number, bulk: BulkResults, isAlone: boolean): void {
    const head = ACCEPTED_REPLY_BYTES + bulk.headBytes;
    const room = head + bulk.maximumDataBytes + 4;
    const start = this.#gatherer.begin(room);
    const { out } = this.#gatherer;
    const target = out.bytes.subarray(start + head, start + head + bulk.maximumDataBytes);
    const filled = bulk.fill(target, isAlone);
    if (filled === undefined) {
      writeBulkReply(out, xid, bulk);
      this.#gatherer.end();
      return;
    }
    this.#startLate(xid, bulk, room, filled);
  }

  #startLate(xid: number, bulk: BulkResults, room: number, filled: Promise<void>): void {
    const region = this.#gatherer.detach(room);
    const entry = { startedAt: this.#clock.monotonic() };
    if (bulk.maximumDataBytes > AT_ONCE_BYTES) this.#window.add(entry);
    this.#pending += 1;
    const finish = (): void => {
      this.#pending -= 1;
      this.#window.delete(entry);
      if (this.#isClosed) region.slab.release();
      else {
        const writer = this.#writer;
        writer.bytes = region.slab.bytes;
        writer.view = region.slab.view;
        writer.position = region.start;
        writeBulkReply(writer, xid, bulk);
        endRecord(writer, region.start);
        this.#gatherer.sendRegion(region, writer.position);
        this.#pump();
      }
      this.#onChange();
    };
    // `fill` never rejects, but a reply must go out whatever happens.
    filled.then(finish, finish);
  }

  #pump(): void {
    for (;;) {
      const next = this.#queue[0];
      if (next === undefined || !this.#mayStart(next.bulk)) break;
      this.#queue.shift();
      this.#start(next.xid, next.bulk, false);
    }
    this.#watch();
  }

  /** While something waits, looks again soon: at reads that have become slow and at slabs that others gave back. */
  #watch(): void {
    if (this.#timer !== null || this.#queue.length === 0) return;
    this.#timer = this.#clock.schedule(SLOW_AFTER_MS, () => {
      this.#timer = null;
      const slowBefore = this.#clock.monotonic() - SLOW_AFTER_MS;
      for (const entry of this.#window) if (entry.startedAt <= slowBefore) this.#window.delete(entry);
      this.#pump();
      this.#onChange();
    });
  }
}

function writeBulkReply(out: XdrWriter, xid: number, bulk: BulkResults): void {
  writeAcceptedHead(out, xid, AcceptStat.SUCCESS);
  const dataBytes = bulk.writeHead(out);
  if (dataBytes >= 0) out.pad(dataBytes);
}
