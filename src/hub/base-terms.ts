// Looks into the base of a file that is written anew as a whole: what a program saves over a file is often most of what was in it. Only
// where the new bytes are unknown, a term at a time, and no further once that finds nothing. Used by dedup.ts for files of others.

import { hashFromHex } from '../xet/hash.ts';
import { PieceLayout } from './base-layout.ts';
import type { CasClient } from './cas-client.ts';
import type { TermPiece } from './file-pieces.ts';
import type { PlacedChunk } from './manifest.ts';
import { HubError } from './remote-store.ts';
import { TermExplorer } from './term-explorer.ts';
import type { XetReader } from './xet-reader.ts';

/** Terms that may be looked into without a chunk of theirs being met. */
const mostFruitless = 2;
/** A chunk that crosses the end of a term by so little makes the next one interesting. */
const nearEndBytes = 128 * 1024;

export class BaseTerms {
  readonly #cas: CasClient;
  readonly #hash: Uint8Array;
  readonly #signal: AbortSignal;
  readonly #explorer: TermExplorer;
  readonly #explored = new Set<number>();
  /** Of the terms looked into last: where in the base each chunk is, by its hash. */
  #places = new Map<string, number>();
  #layout: PieceLayout | null = null;
  /** How far bytes of the base are now from where they were. */
  #shift = 0;
  #fruitless = 0;
  #isOver = false;

  constructor(
    cas: CasClient,
    reader: XetReader,
    file: { readonly hash: Uint8Array; readonly sizeBytes: number },
    signal: AbortSignal,
  ) {
    this.#cas = cas;
    this.#hash = file.hash;
    this.#signal = signal;
    this.#explorer = new TermExplorer(cas, reader, file, signal);
  }

  get downloadedBytes(): number {
    return this.#explorer.downloadedBytes;
  }

  /** A chunk of the new file is known and stands at `offset`. */
  noteKnown(hash: Uint8Array, offset: number): void {
    const place = this.#places.get(keyOf(hash));
    if (place === undefined) return;
    this.#shift = offset - place;
    this.#fruitless = 0;
  }

  /** The chunks of the base about where `offset` of the new file was; empty where nothing is to be learnt. */
  async chunksAt(offset: number): Promise<readonly PlacedChunk[]> {
    if (this.#isOver) return [];
    try {
      const layout = (this.#layout ??= await this.#load());
      for (const at of [offset - this.#shift, offset - this.#shift + nearEndBytes]) {
        const i = layout.findPiece(Math.max(0, at));
        const piece = i < layout.count ? layout.pieceAt(i) : null;
        if (piece?.type === 'term' && !this.#explored.has(i))
          return await this.#explore(i, piece, layout.offsetAt(i));
      }
    } catch (error) {
      // It is a help: without it the file is sent whole.
      if (!(error instanceof HubError) || this.#signal.aborted) throw error;
      this.#isOver = true;
    }
    return [];
  }

  async #explore(i: number, term: TermPiece, start: number): Promise<readonly PlacedChunk[]> {
    this.#explored.add(i);
    const chunks = await this.#explorer.chunksOf(term, start);
    this.#fruitless += 1;
    this.#isOver = chunks === null || this.#fruitless > mostFruitless;
    if (this.#isOver || chunks === null) return [];
    this.#places = new Map();
    let at = start;
    for (const { hash, sizeBytes } of chunks) {
      this.#places.set(keyOf(hash), at);
      at += sizeBytes;
    }
    return chunks;
  }

  async #load(): Promise<PieceLayout> {
    const plan = await this.#cas.plan(this.#hash, 0, null, this.#signal);
    return new PieceLayout(
      plan.terms.map((term) => ({
        type: 'term',
        sizeBytes: term.fileEnd - term.fileStart,
        xorb: hashFromHex(term.xorb),
        chunkStart: term.chunkStart,
        chunkEnd: term.chunkEnd,
      })),
    );
  }
}

function keyOf(hash: Uint8Array): string {
  return Buffer.from(hash.buffer, hash.byteOffset, hash.byteLength).toString('latin1');
}
