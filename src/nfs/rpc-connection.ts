// One TCP connection: bytes into records, records to the dispatcher, gathered replies to the socket. Serves many calls at a
// time and replies out of order. Bounded: reading stops while too much is unsent or pending. Anything that is not RPC
// closes it.

import type net from 'node:net';
import type { Clock, Log, Timer } from '../shared/log.ts';
import { BulkReplies, MAX_UNSENT_BYTES } from './bulk-replies.ts';
import type { LoopPoller } from './loop-poller.ts';
import { receiveInto } from './receive-socket.ts';
import { ReplyGatherer } from './reply-gatherer.ts';
import type { ReplyPort, RpcDispatcher } from './rpc-dispatcher.ts';
import { RpcCall } from './rpc-message.ts';
import type { BulkResults } from './rpc-program.ts';
import { RecordError, RecordReceiver } from './rpc-record.ts';
import type { SlabPool } from './slab-pool.ts';
import { XdrError, XdrReader } from './xdr-cursor.ts';

/** Calls that wait for something, each some hundred bytes. Linux has at most a few hundred under way. */
const MAX_PENDING_CALLS = 1024;
const MAX_QUEUED_READS = 1024;
/**
 * Replies to many small calls go out when calls and replies come to this much, so that the peer works on them while the rest is
 * served; what one large call alone comes to waits for the others of its receive event, as a write costs more than it would gain.
 */
const EARLY_BYTES = 32 * 1024;
const LATE_BYTES = 64 * 1024;
/** A peer that has not completed one record by then is no client. */
const HANDSHAKE_MS = 10_000;

export interface ConnectionServices {
  readonly dispatcher: RpcDispatcher;
  readonly pool: SlabPool;
  readonly poller: LoopPoller;
  readonly clock: Clock;
  readonly log: Log;
  readonly receivesDirectly: boolean;
  /** Bytes over all connections, for statistics. */
  readonly traffic: { receivedBytes: number; sentBytes: number };
  /** Replies were sent or calls ended. */
  onProgress(): void;
  onClose(connection: RpcConnection): void;
}

export class RpcConnection implements ReplyPort {
  readonly gatherer: ReplyGatherer;
  readonly isDirect: boolean;
  readonly #socket: net.Socket;
  readonly #services: ConnectionServices;
  readonly #receiver = new RecordReceiver();
  readonly #call: RpcCall;
  readonly #bulk: BulkReplies;
  #handshake: Timer | null;
  #pendingCalls = 0;
  #isAdmitted = false;
  #isServing = false;
  #isReading = false;
  #isFlushDue = false;
  #isStopping = false;
  #isFinished = false;
  #isClosed = false;

  /** `accepted` is paused. Calls are served after `admit`. */
  constructor(accepted: net.Socket, services: ConnectionServices) {
    this.#services = services;
    const { bytes } = this.#receiver;
    this.#call = new RpcCall(new XdrReader(bytes, 0, 0), accepted.remoteAddress ?? '');
    this.gatherer = new ReplyGatherer(
      services.pool,
      (chunks, sent) => this.#write(chunks, sent),
      () => this.#serve(),
    );
    this.#bulk = new BulkReplies(this.gatherer, services.pool, services.clock, () => this.lateReply());
    const sink = {
      space: () => this.#space(),
      received: (count: number) => this.#received(count),
    };
    const { socket, isDirect } = receiveInto(accepted, sink, services.receivesDirectly);
    this.#socket = socket;
    this.isDirect = isDirect;
    socket.setNoDelay(true);
    socket.on('error', (error) => services.log.debug('A connection broke', { cause: error.message }));
    socket.once('close', () => this.#closed());
    this.#handshake = services.clock.schedule(HANDSHAKE_MS, () => this.#refuse('It sent no call in time'));
  }

  get pendingCalls(): number {
    return this.#pendingCalls + this.#bulk.pending + this.#bulk.queued;
  }

  /** Nothing is being served and every reply is with the kernel. */
  get isIdle(): boolean {
    return this.pendingCalls === 0 && this.gatherer.unsentBytes === 0;
  }

  /** The peer may be served. */
  admit(): void {
    if (this.#isClosed) return;
    this.#isAdmitted = true;
    this.#serve();
  }

  /** Takes no further call; those under way are still answered. */
  stop(): void {
    this.#isStopping = true;
    this.#setReading(false);
  }

  /** Says goodbye after all that was sent; closes when the peer does. */
  finish(): void {
    this.#isFinished = true;
    // What still comes is read and dropped: closing with unread bytes resets the connection, and the peer may lose replies.
    this.#socket.end();
    this.#socket.resume();
  }

  destroy(): void {
    this.#socket.destroy();
  }

  submitBulk(xid: number, bulk: BulkResults): void {
    this.#bulk.submit(xid, bulk, this.#receiver.isDrained);
  }

  countPending(change: 1 | -1): void {
    this.#pendingCalls += change;
  }

  /** Late replies of one turn go out together. */
  lateReply(): void {
    if (this.#isFlushDue) return;
    this.#isFlushDue = true;
    queueMicrotask(() => {
      this.#isFlushDue = false;
      this.#serve();
    });
  }

  replay(reply: Uint8Array): void {
    this.gatherer.begin(reply.length);
    const { out } = this.gatherer;
    out.bytes.set(reply, out.position);
    out.position += reply.length;
    this.gatherer.end();
    this.lateReply();
  }

  #isBlocked(): boolean {
    return (
      !this.#isAdmitted ||
      this.#isStopping ||
      this.#isClosed ||
      this.#isFinished ||
      this.gatherer.unsentBytes > MAX_UNSENT_BYTES ||
      this.#pendingCalls + this.#bulk.pending >= MAX_PENDING_CALLS ||
      this.#bulk.queued >= MAX_QUEUED_READS
    );
  }

  /** Called by the socket's own code, which an exception must not reach. */
  #space(): Uint8Array {
    try {
      return this.#receiver.space();
    } catch (error) {
      this.#failed(error);
      return Buffer.allocUnsafe(1);
    }
  }

  #received(count: number): void {
    if (this.#isFinished) return;
    this.#services.traffic.receivedBytes += count;
    this.#receiver.received(count);
    this.#serve();
  }

  /** Serves what has been received as far as the limits allow, sends what is ready, and reads on or not. */
  #serve(): void {
    if (this.#isServing) return;
    this.#isServing = true;
    let isDrained = false;
    let servedBytes = 0;
    let calls = 0;
    let isBulky = false;
    try {
      if (!this.#isClosed) this.#bulk.resume();
      while (!isDrained && !this.#isBlocked()) {
        if (this.#receiver.next()) {
          this.#serveRecord();
          calls += 1;
          servedBytes += this.#receiver.end - this.#receiver.start;
          const bytes = servedBytes + this.gatherer.gatheredBytes;
          if (bytes >= EARLY_BYTES) isBulky = true;
          if (bytes < EARLY_BYTES || bytes >= LATE_BYTES) continue;
          this.gatherer.flush();
          servedBytes = 0;
        } else isDrained = true;
      }
    } catch (error) {
      this.#failed(error);
    }
    if (this.#isClosed) this.gatherer.discard();
    else this.gatherer.flush();
    this.#isServing = false;
    // With many bytes replies went out early, and both sides are busy anyway. A reply that waits for another thread wakes this
    // one too, and that thread may want the processor.
    if (calls > 1 && !isBulky && this.pendingCalls === 0) this.#services.poller.noteBurst();
    if (!this.#isClosed && !this.#isFinished) this.#setReading(isDrained && !this.#isBlocked());
    if (this.#isStopping) this.#services.onProgress();
  }

  #serveRecord(): void {
    const receiver = this.#receiver;
    this.#call.reader.reset(receiver.bytes, receiver.view, receiver.start, receiver.end);
    this.#services.dispatcher.serve(this.#call, this);
    if (this.#handshake === null) return;
    this.#handshake.cancel();
    this.#handshake = null;
  }

  #failed(error: unknown): void {
    this.#isFinished = true;
    if (error instanceof RecordError || error instanceof XdrError) {
      this.#refuse(error.message);
      return;
    }
    this.#services.log.error('A connection failed', {}, error);
    this.#socket.destroy();
  }

  /** What the peer sent is never logged. */
  #refuse(cause: string): void {
    this.#services.log.warn('Closed a connection that does not speak RPC', { cause });
    this.#socket.destroy();
  }

  #setReading(isReading: boolean): void {
    if (this.#isReading === isReading || (isReading && this.#isStopping)) return;
    this.#isReading = isReading;
    if (isReading) this.#socket.resume();
    else this.#socket.pause();
  }

  #write(chunks: readonly Uint8Array[], sent: (index: number) => void): void {
    const socket = this.#socket;
    const { traffic } = this.#services;
    const isGathered = chunks.length > 1;
    if (isGathered) socket.cork();
    chunks.forEach((chunk, index) => {
      traffic.sentBytes += chunk.length;
      socket.write(chunk, () => sent(index));
    });
    if (isGathered) socket.uncork();
  }

  #closed(): void {
    this.#isClosed = true;
    this.#handshake?.cancel();
    this.#handshake = null;
    this.#bulk.close();
    this.gatherer.discard();
    this.#services.onClose(this);
  }
}
