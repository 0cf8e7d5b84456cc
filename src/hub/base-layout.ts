// What is known of the version that an edit starts from: its pieces in order. A piece is one chunk, or, for files of others, a
// whole term of which only the place is known. Piece borders are chunk borders. Used by the writer to decide what stays.

import { chunkMaxBytes } from '../xet/chunker.ts';
import type { PlacedChunk } from './manifest.ts';
import type { Manifest } from './manifest.ts';
import type { FilePiece } from './file-pieces.ts';

export interface BaseLayout {
  readonly sizeBytes: number;
  readonly count: number;
  /** Where piece `i` begins; `count` gives the end. */
  offsetAt(i: number): number;
  /** The piece that holds the byte at `offset`, `count` at or after the end. */
  findPiece(offset: number): number;
  pieceAt(i: number): FilePiece;
  /** Whether piece `i` ends where the bytes say so, not because the file ended there. */
  endsAtCut(i: number): boolean;
}

/** The piece that begins exactly at `offset`, -1 if none does. */
export function pieceStartingAt(base: BaseLayout, offset: number): number {
  const i = base.findPiece(offset);
  return i < base.count && base.offsetAt(i) === offset ? i : -1;
}

export class ManifestLayout implements BaseLayout {
  readonly #manifest: Manifest;

  constructor(manifest: Manifest) {
    this.#manifest = manifest;
  }

  get sizeBytes(): number {
    return this.#manifest.sizeBytes;
  }

  get count(): number {
    return this.#manifest.count;
  }

  offsetAt(i: number): number {
    return this.#manifest.offsetAt(i);
  }

  findPiece(offset: number): number {
    return this.#manifest.findChunk(offset);
  }

  pieceAt(i: number): FilePiece {
    return pieceOf(this.#manifest.chunkAt(i));
  }

  endsAtCut(i: number): boolean {
    return i < this.count - 1 || this.offsetAt(i + 1) - this.offsetAt(i) === chunkMaxBytes;
  }
}

/** A layout of given pieces, for files whose chunks are known in parts. */
export class PieceLayout implements BaseLayout {
  readonly #pieces: readonly FilePiece[];
  readonly #offsets: Float64Array;

  constructor(pieces: readonly FilePiece[]) {
    this.#pieces = pieces;
    this.#offsets = new Float64Array(pieces.length + 1);
    pieces.forEach((piece, i) => (this.#offsets[i + 1] = (this.#offsets[i] as number) + piece.sizeBytes));
  }

  get pieces(): readonly FilePiece[] {
    return this.#pieces;
  }

  get sizeBytes(): number {
    return this.offsetAt(this.count);
  }

  get count(): number {
    return this.#pieces.length;
  }

  offsetAt(i: number): number {
    return this.#offsets[i] as number;
  }

  findPiece(offset: number): number {
    let low = 0;
    let high = this.count;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.offsetAt(middle + 1) <= offset) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  pieceAt(i: number): FilePiece {
    return this.#pieces[i] as FilePiece;
  }

  endsAtCut(i: number): boolean {
    const piece = this.pieceAt(i);
    return i < this.count - 1 || (piece.type === 'chunk' && piece.sizeBytes === chunkMaxBytes);
  }

  /** The layout with piece `i` replaced by its chunks. */
  withChunks(i: number, chunks: readonly PlacedChunk[]): PieceLayout {
    return new PieceLayout(this.#pieces.toSpliced(i, 1, ...chunks.map(pieceOf)));
  }
}

export function pieceOf(chunk: PlacedChunk): FilePiece {
  const { hash, sizeBytes, xorb, index } = chunk;
  return { type: 'chunk', hash, sizeBytes, place: { xorb: { hash: xorb }, index } };
}
