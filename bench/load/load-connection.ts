// One NFS connection of the load generator: keeps a number of calls under way, counts and times the replies, and looks at each as much as
// its workload asks. Spends as little as it can: calls of one turn go out in one write, replies are looked at where they lie.

import net from 'node:net';
import { once } from 'node:events';
import { LAST_FRAGMENT } from '../../src/nfs/rpc-message.ts';
import { XdrReader, XdrWriter } from '../../src/nfs/xdr-cursor.ts';
import { VerificationError } from '../row.ts';
import { RecordReader } from './record-reader.ts';

/** Of an accepted reply: xid, REPLY, MSG_ACCEPTED, verifier (2 words), accept_stat. */
const replyHeadBytes = 24;
/** Payloads up to this are copied behind their call, longer ones are written from where they are. */
const copiedPayloadBytes = 16 * 1024;
const sendSlabBytes = 256 * 1024;
/** No workload takes so long. */
const patienceMs = 120_000;
/** Holds the longest reply there is, and the start of the next. */
const slabBytes = 3 * 1024 * 1024;
/** Of it, where only heads are looked at: stays in the processor's cache. */
const headSlabBytes = 256 * 1024;

/** Many calls of one procedure. */
export interface Workload {
  readonly program: number;
  readonly version: number;
  readonly procedure: number;
  readonly count: number;
  readonly depth: number;
  /** Of the results, behind the RPC head; Infinity: all. */
  readonly lookedAtBytes: number;
  /** Writes the arguments of call `index`; returns what follows them, if anything. */
  encode(out: XdrWriter, index: number): Uint8Array | null;
  /** Looks at results; returns the number of useful bytes. Throws VerificationError. `resultBytes`: how long they are in all. */
  check(results: XdrReader, index: number, resultBytes: number): number;
}

export interface Measured {
  readonly seconds: number;
  readonly operations: number;
  /** Useful bytes, as `check` counts them. */
  readonly bytes: number;
  /** From the call to its reply, microseconds. */
  readonly p50Us: number;
  readonly p99Us: number;
  /** Of all calls, milliseconds, shortest first: percentiles of several runs together need every one of them. */
  readonly durationsMs: Float64Array;
}

/** Of durations that are sorted. */
export function percentileUs(durationsMs: Float64Array, share: number): number {
  return (durationsMs[Math.floor((durationsMs.length - 1) * share)] ?? 0) * 1000;
}

export class LoadConnection {
  readonly #socket: net.Socket;
  readonly #credentials: Buffer;
  readonly #freeSlabs: Buffer[] = [];
  readonly #reader = new RecordReader(slabBytes);
  #run: WorkloadRun | null = null;
  #xid = Math.floor(Math.random() * 2 ** 30);
  #failure: Error | null = null;

  private constructor(port: number, uid: number, gid: number) {
    this.#credentials = encodeCredentials(uid, gid);
    this.#socket = net.connect({
      port,
      host: '127.0.0.1',
      noDelay: true,
      onread: {
        buffer: () =>
          this.#reader.space(this.#run?.workload.lookedAtBytes === Infinity ? slabBytes : headSlabBytes),
        callback: (count) => {
          this.#received(count);
          return true;
        },
      },
    });
    this.#socket.on('error', (error) => this.#fail(error));
    this.#socket.on('close', () => this.#fail(new Error('the server closed the connection')));
  }

  static async open(port: number): Promise<LoadConnection> {
    const connection = new LoadConnection(port, process.getuid?.() ?? 1000, process.getgid?.() ?? 1000);
    await once(connection.#socket, 'connect');
    return connection;
  }

  /** One workload at a time. */
  run(workload: Workload): Promise<Measured> {
    if (this.#failure !== null) return Promise.reject(this.#failure);
    if (this.#run !== null) return Promise.reject(new Error('a workload is running'));
    const firstXid = this.#xid;
    this.#xid = (this.#xid + workload.count) % 2 ** 31;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(
        () => this.#fail(new VerificationError(`procedure ${workload.procedure} was not answered in time`)),
        patienceMs,
      );
      const settled = (): void => {
        clearTimeout(timer);
        this.#run = null;
      };
      const run = new WorkloadRun(
        workload,
        firstXid,
        (measured) => {
          settled();
          resolve(measured);
        },
        (error) => {
          settled();
          reject(error);
        },
      );
      this.#run = run;
      this.#send(run, Math.min(workload.depth, workload.count));
    });
  }

  close(): void {
    this.#socket.destroy();
  }

  #received(count: number): void {
    const run = this.#run;
    if (run === null) {
      this.#fail(new VerificationError('a reply came to no call'));
      return;
    }
    run.now = performance.now();
    const answeredBefore = run.answered;
    try {
      this.#reader.received(count, run);
    } catch (error) {
      this.#fail(error instanceof Error ? error : new Error('no error was thrown', { cause: error }));
      return;
    }
    const more = Math.min(run.answered - answeredBefore, run.workload.count - run.sent);
    if (more > 0) this.#send(run, more);
    else if (this.#reader.isIdle) run.finishIfDone();
  }

  #send(run: WorkloadRun, calls: number): void {
    const socket = this.#socket;
    socket.cork();
    let slab = this.#freeSlabs.pop() ?? Buffer.allocUnsafeSlow(sendSlabBytes);
    let out = new XdrWriter(slab);
    const flush = (): void => {
      const filled = slab;
      socket.write(slab.subarray(0, out.position), () => this.#freeSlabs.push(filled));
    };
    run.now = performance.now();
    for (let call = 0; call < calls; call += 1) {
      if (out.position + copiedPayloadBytes + 1024 > sendSlabBytes) {
        flush();
        slab = this.#freeSlabs.pop() ?? Buffer.allocUnsafeSlow(sendSlabBytes);
        out = new XdrWriter(slab);
      }
      const payload = run.encodeNext(out, this.#credentials);
      if (payload === null) continue;
      if (payload.length <= copiedPayloadBytes) out.opaqueFixed(payload);
      else {
        flush();
        socket.write(payload);
        slab = this.#freeSlabs.pop() ?? Buffer.allocUnsafeSlow(sendSlabBytes);
        out = new XdrWriter(slab);
      }
    }
    if (out.position > 0) flush();
    else this.#freeSlabs.push(slab);
    socket.uncork();
  }

  #fail(error: Error): void {
    this.#failure ??= error;
    this.#socket.destroy();
    this.#run?.fail(error);
  }
}

class WorkloadRun {
  readonly workload: Workload;
  readonly wantedBytes: number;
  sent = 0;
  answered = 0;
  /** Of the turn; read once in it. */
  now = 0;
  #bytes = 0;
  readonly #firstXid: number;
  readonly #sentAt: Float64Array;
  readonly #durations: Float64Array;
  readonly #startedAt = performance.now();
  readonly #results = new XdrReader(Buffer.alloc(0));
  readonly #resolve: (measured: Measured) => void;
  readonly #reject: (error: Error) => void;

  constructor(
    workload: Workload,
    firstXid: number,
    resolve: (measured: Measured) => void,
    reject: (error: Error) => void,
  ) {
    this.workload = workload;
    this.wantedBytes = replyHeadBytes + workload.lookedAtBytes;
    this.#firstXid = firstXid;
    this.#sentAt = new Float64Array(workload.count);
    this.#durations = new Float64Array(workload.count);
    this.#resolve = resolve;
    this.#reject = reject;
  }

  encodeNext(out: XdrWriter, credentials: Buffer): Uint8Array | null {
    const { workload } = this;
    const index = this.sent;
    this.sent += 1;
    this.#sentAt[index] = this.now;
    const start = out.position;
    out.position += 4;
    out.uint32((this.#firstXid + index) % 2 ** 31);
    out.uint32(0);
    out.uint32(2);
    out.uint32(workload.program);
    out.uint32(workload.version);
    out.uint32(workload.procedure);
    out.opaqueFixed(credentials);
    const payload = workload.encode(out, index);
    out.view.setUint32(start, LAST_FRAGMENT + (out.position - start - 4) + (payload?.length ?? 0));
    return payload;
  }

  reply(from: RecordReader, start: number, end: number, replyBytes: number): void {
    const { view } = from;
    const xid = view.getUint32(start);
    const index = (xid - this.#firstXid + 2 ** 31) % 2 ** 31;
    const sentAt = this.#sentAt[index];
    if (sentAt === undefined || sentAt === 0) throw new VerificationError('a reply came to no call');
    if (replyBytes < replyHeadBytes) throw new VerificationError('a reply is too short');
    if (
      view.getUint32(start + 4) !== 1 ||
      view.getUint32(start + 8) !== 0 ||
      view.getUint32(start + 20) !== 0
    ) {
      throw new VerificationError(`procedure ${this.workload.procedure} was refused`);
    }
    this.#sentAt[index] = 0;
    this.#durations[this.answered] = this.now - sentAt;
    this.answered += 1;
    const results = this.#results;
    results.reset(from.bytes, view, start + replyHeadBytes, end);
    this.#bytes += this.workload.check(results, index, replyBytes - replyHeadBytes);
  }

  finishIfDone(): void {
    if (this.answered < this.workload.count) return;
    const durationsMs = this.#durations.toSorted();
    this.#resolve({
      seconds: (performance.now() - this.#startedAt) / 1000,
      operations: this.answered,
      bytes: this.#bytes,
      p50Us: percentileUs(durationsMs, 0.5),
      p99Us: percentileUs(durationsMs, 0.99),
      durationsMs,
    });
  }

  fail(error: Error): void {
    this.#reject(error);
  }
}

/** AUTH_SYS with its verifier, as it follows the procedure number of every call (RFC 5531 section 9, appendix A). */
function encodeCredentials(uid: number, gid: number): Buffer {
  const out = new XdrWriter(Buffer.alloc(48));
  out.uint32(1);
  out.uint32(28);
  out.uint32(0);
  out.string('bench');
  out.uint32(uid);
  out.uint32(gid);
  out.uint32(0);
  out.uint32(0);
  out.uint32(0);
  return out.bytes.subarray(0, out.position);
}
