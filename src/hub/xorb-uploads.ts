// Packs new chunks into xorbs and sends each one while the next is filled. Places of chunks are known by hash only once
// their xorb is sealed, so they are handed out as references. Used by the writer, one per upload.

import { XorbBuilder } from '../xet/xorb-builder.ts';
import type { ShardXorb } from '../xet/shard.ts';
import type { CasClient } from './cas-client.ts';
import type { ConnectionBudget } from './connection-budget.ts';
import { HubError } from './remote-store.ts';

/** `hash` is set when the xorb is sealed. */
export interface XorbReference {
  hash: Uint8Array | null;
}

/**
 * A quarter of the 64 MiB that the CAS takes: a xorb under way is held in memory, and sending begins sooner. Reads do not
 * suffer: the server gives one range per xorb.
 */
const sealAtBytes = 16 * 1024 * 1024;

export class XorbUploads {
  readonly #cas: CasClient;
  readonly #budget: ConnectionBudget;
  readonly #signal: AbortSignal;
  readonly #onUploaded: (xorb: ShardXorb, plainBytes: number) => void;
  #builder = new XorbBuilder();
  #reference: XorbReference = { hash: null };
  #plainBytes = 0;
  readonly #sending = new Set<Promise<void>>();
  #failure: { readonly error: unknown } | null = null;
  sentBytes = 0;

  constructor(
    cas: CasClient,
    budget: ConnectionBudget,
    signal: AbortSignal,
    onUploaded: (xorb: ShardXorb, plainBytes: number) => void,
  ) {
    this.#cas = cas;
    this.#budget = budget;
    this.#signal = signal;
    this.#onUploaded = onUploaded;
  }

  /** Adds an encoded chunk, which is kept. Waits while too many xorbs are under way. */
  async add(
    encoded: Uint8Array,
    plainBytes: number,
    hash: Uint8Array,
  ): Promise<{ readonly xorb: XorbReference; readonly index: number }> {
    if (!this.#builder.fits(encoded.length) || this.#builder.sizeBytes + encoded.length > sealAtBytes)
      await this.#seal();
    const index = this.#builder.addEncoded(encoded, plainBytes, hash);
    this.#plainBytes += plainBytes;
    return { xorb: this.#reference, index };
  }

  /** Sends what is left; all xorbs are at the CAS when it resolves. */
  async finish(): Promise<void> {
    if (this.#builder.chunkCount > 0) await this.#seal();
    await Promise.all(this.#sending);
    this.#throwFailure();
  }

  /** Waits for what is under way, whatever becomes of it. */
  async settle(): Promise<void> {
    await Promise.allSettled(this.#sending);
  }

  async #seal(): Promise<void> {
    const { hash, bytes, chunks } = this.#builder.finish();
    const plainBytes = this.#plainBytes;
    this.#reference.hash = hash;
    this.#builder = new XorbBuilder();
    this.#reference = { hash: null };
    this.#plainBytes = 0;
    let offsetBytes = 0;
    const xorb: ShardXorb = {
      hash,
      unpackedBytes: plainBytes,
      storedBytes: bytes.length,
      chunks: chunks.map((chunk) => {
        const placed = { hash: chunk.hash, offsetBytes, sizeBytes: chunk.sizeBytes };
        offsetBytes += chunk.sizeBytes;
        return placed;
      }),
    };
    let started: () => void = () => undefined;
    const place = new Promise<void>((resolve) => (started = resolve));
    const sending = this.#budget
      .run('foreground', this.#signal, async () => {
        started();
        await this.#cas.uploadXorb(hash, [bytes], this.#signal);
        this.sentBytes += bytes.length;
        this.#onUploaded(xorb, plainBytes);
      })
      .catch((error: unknown) => {
        this.#failure ??= { error };
      })
      .finally(() => {
        started();
        this.#sending.delete(sending);
      });
    this.#sending.add(sending);
    // Filling goes on only when this xorb has its place on the wire: that bounds what is held.
    await place;
    this.#throwFailure();
  }

  #throwFailure(): void {
    if (this.#failure === null) return;
    if (this.#failure.error instanceof HubError) throw this.#failure.error;
    throw new Error('Uploading a xorb failed', { cause: this.#failure.error });
  }
}
