// Answers retransmitted non-idempotent calls with the first reply instead of running them again (RFC 1813 4.5): a REMOVE whose
// reply was lost must not become NOENT. A call that is still running is known too. The port is no part of the key, since a
// client may come back from another one.

import { crc32 } from 'node:zlib';
import type { Clock } from '../shared/log.ts';
import type { RpcCall } from './rpc-message.ts';

const MAX_ENTRIES = 1024;
/** Replies to these calls are some 300 bytes; a longer one is not kept. */
const MAX_REPLY_BYTES = 2048;
/** Longer than a client goes on about a lost connection (Linux: timeo 60 s, twice). */
const KEEP_MS = 5 * 60 * 1000;

/** Somebody who asked again while the call ran. */
export interface ReplyReceiver {
  replay(reply: Uint8Array): void;
}

export interface DuplicateEntry {
  readonly key: string;
  readonly receivers: ReplyReceiver[];
  startedAt: number;
  reply: Uint8Array | null;
}

export class DuplicateCache {
  readonly #clock: Clock;
  /** Oldest first. */
  readonly #entries = new Map<string, DuplicateEntry>();
  #hits = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get hits(): number {
    return this.#hits;
  }

  /** The reader stands at the arguments. */
  keyOf(call: RpcCall): string {
    const { reader } = call;
    const sum = crc32(reader.bytes.subarray(reader.position, reader.end));
    return `${call.clientAddress} ${call.xid} ${call.program} ${call.procedure} ${reader.end - reader.position} ${sum}`;
  }

  /**
   * True when the call is known: it was answered, or `receiver` will be when the first run ends (a receiver that waits
   * already, or started it, is not added twice).
   */
  answer(key: string, receiver: ReplyReceiver): boolean {
    const entry = this.#entries.get(key);
    if (entry === undefined) return false;
    if (entry.reply !== null && this.#clock.monotonic() - entry.startedAt > KEEP_MS) {
      this.#entries.delete(key);
      return false;
    }
    this.#hits += 1;
    if (entry.reply !== null) receiver.replay(entry.reply);
    else if (!entry.receivers.includes(receiver)) entry.receivers.push(receiver);
    return true;
  }

  /** The call runs. `receiver` gets its reply from the caller, not from here. */
  begin(key: string, receiver: ReplyReceiver): DuplicateEntry {
    const entry: DuplicateEntry = {
      key,
      receivers: [receiver],
      startedAt: this.#clock.monotonic(),
      reply: null,
    };
    this.#entries.set(key, entry);
    if (this.#entries.size > MAX_ENTRIES) this.#evict();
    return entry;
  }

  /** `reply` is the whole record and is copied. With `keep` false only those who wait get it. */
  complete(entry: DuplicateEntry, reply: Uint8Array, keep: boolean): void {
    // Not `slice`: a Buffer's slice is no copy.
    const copy = Uint8Array.from(reply);
    if (keep && copy.length <= MAX_REPLY_BYTES) entry.reply = copy;
    else this.#entries.delete(entry.key);
    for (const receiver of entry.receivers.splice(0).slice(1)) receiver.replay(copy);
  }

  /** The call did not run. */
  forget(entry: DuplicateEntry): void {
    this.#entries.delete(entry.key);
  }

  /** The oldest answered entry goes; calls that run are bounded by the connections' own limits. */
  #evict(): void {
    for (const entry of this.#entries.values()) {
      if (entry.reply === null) continue;
      this.#entries.delete(entry.key);
      return;
    }
  }
}
