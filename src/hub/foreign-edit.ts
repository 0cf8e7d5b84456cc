// Edits of files whose chunk list is not known here: files of others, never read whole. Only the terms that the edit touches
// are looked into; for the rest the CAS gives the subtrees of the file's hash tree and the verification hashes
// (`/v2/file-chunk-hashes`). Xet specification, "range edits".

import { equalHashes, hashFromHex, hashToHex } from '../xet/hash.ts';
import { PieceLayout } from './base-layout.ts';
import { makeSegments, type TermPiece } from './file-pieces.ts';
import { HubError, type ByteRange, type UploadContent, type UploadResult } from './remote-store.ts';
import { TermExplorer, inexplicable } from './term-explorer.ts';
import {
  UploadAttempt,
  type Assembled,
  type XetUploadOptions,
  type XetWriterParts,
} from './upload-attempt.ts';
import { hashWithWindows, untouchedVerification } from './window-hashes.ts';
import type { XetReader } from './xet-reader.ts';

/** A smaller file is sent whole sooner than it is looked into. */
const minFileBytes = 1024 * 1024;
/** Chunking finds its old cuts within a few chunks; a change nearer than this to the end of a term touches the next one too. */
const resyncRoomBytes = 512 * 1024;
/** Layouts of files made here from parts, so that the next edit need not look again. */
const maxLayouts = 32;

/** `result` null: it cannot be done this way, and what was sent and received is to be counted by the caller. */
export interface ForeignUpload {
  readonly result: UploadResult | null;
  readonly sentBytes: number;
  readonly downloadedBytes: number;
}

export class ForeignEdits {
  readonly #parts: XetWriterParts;
  readonly #reader: XetReader;
  readonly #layouts = new Map<string, PieceLayout>();

  constructor(parts: XetWriterParts, reader: XetReader) {
    this.#parts = parts;
    this.#reader = reader;
  }

  async upload(
    baseHash: Uint8Array,
    content: UploadContent,
    options: XetUploadOptions,
  ): Promise<ForeignUpload> {
    const edit = new ForeignEdit(this.#parts, this.#reader, baseHash, content, options);
    if (content.sizeBytes < minFileBytes || (content.base?.sizeBytes ?? 0) < minFileBytes)
      return edit.outcome(null);
    const known = this.#layouts.get(hashToHex(baseHash)) ?? null;
    try {
      const done = await edit.run(known);
      if (done === null) return edit.outcome(null);
      this.#remember(done.hash, done.layout);
      return edit.outcome(done.hash);
    } catch (error) {
      // What the CAS cannot explain is sent whole; what may go away by itself, or is our own failure, is told.
      if (!(error instanceof HubError) || !isInexplicable(error)) throw error;
      this.#layouts.delete(hashToHex(baseHash));
      return edit.outcome(null);
    }
  }

  #remember(hash: Uint8Array, layout: PieceLayout): void {
    this.#layouts.set(hashToHex(hash), layout);
    const oldest = this.#layouts.keys().next();
    if (this.#layouts.size > maxLayouts && oldest.done !== true) this.#layouts.delete(oldest.value);
  }
}

/** The CAS refuses to help, or its help makes no sense. */
function isInexplicable(error: HubError): boolean {
  if (!error.retryable) return error.code !== 'unauthorized' && error.code !== 'forbidden';
  return error.code === 'server' && error.status === null;
}

class ForeignEdit {
  readonly #parts: XetWriterParts;
  readonly #baseHash: Uint8Array;
  readonly #content: UploadContent;
  readonly #options: XetUploadOptions;
  readonly #attempt: UploadAttempt;
  readonly #explorer: TermExplorer;
  readonly #baseSizeBytes: number;

  constructor(
    parts: XetWriterParts,
    reader: XetReader,
    baseHash: Uint8Array,
    content: UploadContent,
    options: XetUploadOptions,
  ) {
    this.#parts = parts;
    this.#baseHash = baseHash;
    this.#content = content;
    this.#options = options;
    this.#baseSizeBytes = content.base?.sizeBytes ?? 0;
    this.#attempt = new UploadAttempt(parts, content, options, true);
    const file = { hash: baseHash, sizeBytes: this.#baseSizeBytes };
    this.#explorer = new TermExplorer(parts.cas, reader, file, options.signal);
  }

  outcome(hash: Uint8Array | null): ForeignUpload {
    const { sentBytes, savedBytes } = this.#attempt;
    const { downloadedBytes } = this.#explorer;
    if (hash === null) return { result: null, sentBytes, downloadedBytes };
    const { sizeBytes, base } = this.#content;
    const made = { key: `xet:${hashToHex(hash)}`, sizeBytes, path: base?.path ?? '' };
    return { result: { content: made, sentBytes, savedBytes, downloadedBytes }, sentBytes, downloadedBytes };
  }

  /** Null when the CAS does not help. `known` is the base's layout from an earlier edit. */
  async run(known: PieceLayout | null): Promise<{ hash: Uint8Array; layout: PieceLayout } | null> {
    const segments = await this.#segments();
    if (segments.sizeBytes !== this.#baseSizeBytes) return null;
    const base = await this.#expandTouched(known ?? segments);
    if (base === null) return null;
    const assembled = await this.#attempt.assemble(base);
    const altered = this.#alteredBase(base, assembled);
    if (altered.length === 0) return null;
    const hashes = await this.#parts.cas.fileChunkHashes(this.#baseHash, altered, this.#options.signal);
    if (hashes === null) return null;
    if (hashes.fileSizeBytes !== this.#baseSizeBytes) throw inexplicable('another file size');
    const before = await this.#expandWithin(base, hashes.windows);
    const after = await this.#expandWithin(new PieceLayout(assembled.pieces), hashes.windows);
    if (before === null || after === null) return null;
    // That the base's own hash comes out proves the subtrees and the chunks that were found.
    if (!equalHashes(hashWithWindows(before, hashes), this.#baseHash))
      throw inexplicable('it is of another file');
    const hash = hashWithWindows(after, hashes, this.#content.sizeBytes < this.#baseSizeBytes);
    const verification = untouchedVerification(before, segments, hashes);
    const segmented = await makeSegments(after.pieces, (term) => {
      const found = verification.get(term);
      if (found === undefined) throw inexplicable('a verification hash is missing');
      return found;
    });
    await this.#attempt.register(hash, segmented);
    return { hash, layout: after };
  }

  /** The base's segments as the CAS has them. */
  async #segments(): Promise<PieceLayout> {
    const plan = await this.#parts.cas.plan(this.#baseHash, 0, null, this.#options.signal);
    return new PieceLayout(
      plan.terms.map((term): TermPiece => ({
        type: 'term',
        sizeBytes: term.fileEnd - term.fileStart,
        xorb: hashFromHex(term.xorb),
        chunkStart: term.chunkStart,
        chunkEnd: term.chunkEnd,
      })),
    );
  }

  /** Looks into the terms where chunks may change. */
  async #expandTouched(layout: PieceLayout): Promise<PieceLayout | null> {
    const { sizeBytes, dirty } = this.#content;
    const touched = dirty.map((range) => ({ start: range.start, end: range.end + resyncRoomBytes }));
    // A file that ends elsewhere changes the chunk that holds its end.
    if (sizeBytes !== this.#baseSizeBytes) {
      const end = Math.min(sizeBytes, this.#baseSizeBytes);
      touched.push({ start: end - 1, end });
    }
    return await this.#expandWithin(layout, touched);
  }

  /** `layout` with the chunks of all terms that reach into `ranges`; null when the CAS does not help. */
  async #expandWithin(layout: PieceLayout, ranges: readonly ByteRange[]): Promise<PieceLayout | null> {
    let expanded = layout;
    for (const range of ranges) {
      for (
        let i = expanded.findPiece(range.start);
        i < expanded.count && expanded.offsetAt(i) < range.end;
        i += 1
      ) {
        const piece = expanded.pieceAt(i);
        if (piece.type === 'chunk') continue;
        const chunks = await this.#explorer.chunksOf(piece, expanded.offsetAt(i));
        if (chunks === null) return null;
        expanded = expanded.withChunks(i, chunks);
      }
    }
    return expanded;
  }

  /** The ranges of the base whose chunks are not taken over. Of what a file lost at its end, only up to the end of the chunk it was cut in. */
  #alteredBase(base: PieceLayout, assembled: Assembled): ByteRange[] {
    const { sizeBytes } = this.#content;
    const isCut = sizeBytes < this.#baseSizeBytes;
    const end = isCut ? base.offsetAt(base.findPiece(sizeBytes - 1) + 1) : this.#baseSizeBytes;
    const altered: ByteRange[] = [];
    for (const range of assembled.rechunked) {
      const baseEnd = range.end === sizeBytes ? end : Math.min(range.end, end);
      if (range.start < baseEnd) altered.push({ start: range.start, end: baseEnd });
    }
    if (isCut && altered.at(-1)?.end !== end) altered.push({ start: sizeBytes - 1, end });
    return altered;
  }
}
