// Finds the chunks of a term of a file whose chunk list is not known, mostly without its data: the CAS tells the hashes of single
// chunks at the edges of untouched ranges (`/v2/file-chunk-hashes`), so it is asked about made-up changes all over the term. What
// stays unknown after a few such questions is downloaded. Used for edits of files of others.

import { hashFromHex } from '../xet/hash.ts';
import type { CasClient, FileChunkHashes, HashRange } from './cas-client.ts';
import type { TermPiece } from './file-pieces.ts';
import type { PlacedChunk } from './manifest.ts';
import { HubError, type ByteRange } from './remote-store.ts';
import type { XetReader } from './xet-reader.ts';

/**
 * Distance of the made-up changes. A window around one is some five chunks, and the ten or so between two windows are told one by
 * one, since few chunks that far from their neighbours can be merged. Of a term of 64 MiB, three questions with 200 KB of answers
 * in all leave up to 0.8 MB unknown, and a few short ones more some 0.1 MB; with 640 KiB, 3 MB.
 */
const stepBytes = 1024 * 1024;
/** Keeps the header of a request under 6 KiB; longer terms get larger steps. */
const maxPoints = 200;
/** Second question: the windows of the first lie between the points then. */
const phases = [0, 0.5];
/** The others put each hole that is left between two points, the first so far before it: a window or two end there. */
const roomsBeforeHoleBytes = [640 * 1024, 900 * 1024, 400 * 1024, 1200 * 1024, 200 * 1024];

export interface ExploredFile {
  readonly hash: Uint8Array;
  readonly sizeBytes: number;
}

interface Found {
  readonly hash: Uint8Array;
  readonly sizeBytes: number;
}

export class TermExplorer {
  readonly #cas: CasClient;
  readonly #reader: XetReader;
  readonly #file: ExploredFile;
  readonly #signal: AbortSignal;
  /** Chunks of the file that are known, by offset. */
  readonly #found = new Map<number, Found>();
  downloadedBytes = 0;

  constructor(cas: CasClient, reader: XetReader, file: ExploredFile, signal: AbortSignal) {
    this.#cas = cas;
    this.#reader = reader;
    this.#file = file;
    this.#signal = signal;
  }

  /** All chunks of the term that begins at `start` of the file. Null when the CAS does not help. */
  async chunksOf(term: TermPiece, start: number): Promise<readonly PlacedChunk[] | null> {
    const span = { start, end: start + term.sizeBytes };
    const questions = [
      ...phases.map((phase) => () => spreadPoints(span, phase, this.#file.sizeBytes)),
      ...roomsBeforeHoleBytes.map(
        (room) => () => pointsAround(this.#holes(span), room, this.#file.sizeBytes),
      ),
    ];
    for (const makePoints of questions) {
      if (this.#holes(span).length === 0) break;
      const hashes = await this.#cas.fileChunkHashes(this.#file.hash, makePoints(), this.#signal);
      if (hashes === null) return null;
      this.#learn(hashes);
    }
    for (const hole of this.#holes(span)) await this.#download(hole);
    return this.#list(term, span);
  }

  #learn(hashes: FileChunkHashes): void {
    let start = 0;
    hashes.hashRanges.forEach((range, i) => {
      const end = hashes.windows[i]?.start ?? this.#file.sizeBytes;
      if (range !== null) this.#learnEdges(range, start, end);
      start = hashes.windows[i]?.end ?? end;
    });
  }

  /** The first nodes of a subtree are its left chunks, the last ones its right chunks. */
  #learnEdges(range: HashRange, start: number, end: number): void {
    const [left, right] = range.levels[0] ?? [0, 0];
    let at = start;
    for (const node of range.nodes.slice(0, left)) {
      this.#found.set(at, { hash: hashFromHex(node.hash), sizeBytes: node.size });
      at += node.size;
    }
    at = end;
    for (const node of range.nodes.slice(range.nodes.length - right).reverse()) {
      at -= node.size;
      this.#found.set(at, { hash: hashFromHex(node.hash), sizeBytes: node.size });
    }
  }

  /** Ranges of `span` whose chunks are not known; their borders are chunk borders. */
  #holes(span: ByteRange): ByteRange[] {
    const holes: ByteRange[] = [];
    const starts = [...this.#found.keys()]
      .filter((at) => at >= span.start && at < span.end)
      .sort((a, b) => a - b);
    let at = span.start;
    for (const start of [...starts, span.end]) {
      if (start < at) throw inexplicable('chunks that overlap');
      if (start > at) holes.push({ start: at, end: start });
      at = start + (this.#found.get(start)?.sizeBytes ?? 0);
    }
    return holes;
  }

  async #download(range: ByteRange): Promise<void> {
    await this.#reader.read({
      fileHash: this.#file.hash,
      fileSizeBytes: this.#file.sizeBytes,
      start: range.start,
      end: range.end,
      sink: () => undefined,
      priority: 'prefetch',
      signal: this.#signal,
      onReceived: (bytes) => (this.downloadedBytes += bytes),
      onChunk: (offset, hash, sizeBytes) => {
        if (offset >= range.start && offset < range.end) this.#found.set(offset, { hash, sizeBytes });
      },
    });
  }

  #list(term: TermPiece, span: ByteRange): readonly PlacedChunk[] {
    const chunks: PlacedChunk[] = [];
    let at = span.start;
    while (at < span.end) {
      const found = this.#found.get(at);
      if (found === undefined || found.sizeBytes <= 0) throw inexplicable('a chunk without a hash');
      chunks.push({ ...found, xorb: term.xorb, index: term.chunkStart + chunks.length });
      at += found.sizeBytes;
    }
    if (at !== span.end || chunks.length !== term.chunkEnd - term.chunkStart) {
      throw inexplicable('other chunks than planned');
    }
    return chunks;
  }
}

/** From one step before the term to one after it. */
function spreadPoints(span: ByteRange, phase: number, fileSizeBytes: number): ByteRange[] {
  const step = Math.max(stepBytes, Math.ceil((span.end - span.start) / maxPoints));
  const offsets: number[] = [];
  for (let at = Math.floor(span.start - step * (1 - phase)); at < span.end + step; at += step)
    offsets.push(at);
  return singleBytes(offsets, fileSizeBytes);
}

function pointsAround(holes: readonly ByteRange[], roomBytes: number, fileSizeBytes: number): ByteRange[] {
  const offsets = holes.slice(0, maxPoints / 2).flatMap((hole) => [hole.start - roomBytes, hole.end]);
  return singleBytes(offsets, fileSizeBytes);
}

/** Ranges of one byte at the offsets, moved into the file, in order, each once. */
function singleBytes(offsets: readonly number[], fileSizeBytes: number): ByteRange[] {
  const inside = offsets.map((at) => Math.min(Math.max(0, at), fileSizeBytes - 1));
  return [...new Set(inside)].sort((a, b) => a - b).map((start) => ({ start, end: start + 1 }));
}

export function inexplicable(problem: string, cause?: unknown): HubError {
  return new HubError('invalid', `The CAS's help for an edit is not understood: ${problem}`, {
    retryable: false,
    cause,
  });
}
