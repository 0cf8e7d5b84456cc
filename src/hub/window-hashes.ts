// What `/v2/file-chunk-hashes` says, applied: the hash of a file from the subtrees of its untouched ranges and the chunks of the
// windows between them, and the verification hashes of untouched segments. Used for edits of files of others.

import { MerkleHashSubtree } from '@huggingface/xetchunk-wasm';
import { fileHashOfRoot, hashFromHex } from '../xet/hash.ts';
import type { PieceLayout } from './base-layout.ts';
import type { FileChunkHashes } from './cas-client.ts';
import type { ChunkPiece, TermPiece } from './file-pieces.ts';
import { inexplicable } from './term-explorer.ts';

/**
 * The hash of the file that `layout` describes, which is the base or an edit of it that kept everything outside the windows at
 * its offsets; with `isCut` an edit that ends inside the last window. All chunks inside the windows must be known. Throws `HubError`
 * "invalid" if the parts do not make the file.
 */
export function hashWithWindows(layout: PieceLayout, hashes: FileChunkHashes, isCut = false): Uint8Array {
  const lastWindow = hashes.windows.length - 1;
  try {
    const parts: MerkleHashSubtree[] = [];
    hashes.hashRanges.forEach((range, i) => {
      if (range !== null && !(isCut && i > lastWindow)) parts.push(MerkleHashSubtree.fromJSON(range));
      const window = hashes.windows[i];
      if (window === undefined) return;
      const toEnd = window.end === hashes.fileSizeBytes || (isCut && i === lastWindow);
      const chunks = chunksBetween(layout, window.start, toEnd ? layout.sizeBytes : window.end);
      const nodes = chunks.map(({ hash, sizeBytes }) => ({ hash, length: sizeBytes }));
      parts.push(MerkleHashSubtree.fromChunks(window.start === 0, nodes, toEnd));
    });
    const merged = MerkleHashSubtree.merge(parts);
    const root = merged.finalHash();
    if (root === undefined || merged.totalLength !== layout.sizeBytes) {
      throw inexplicable('subtrees that do not make the file');
    }
    return fileHashOfRoot(root);
  } catch (cause) {
    throw inexplicable('its subtrees do not fit together', cause);
  }
}

function chunksBetween(layout: PieceLayout, start: number, end: number): ChunkPiece[] {
  const chunks: ChunkPiece[] = [];
  let i = layout.findPiece(start);
  if (start < end && layout.offsetAt(i) !== start) throw inexplicable('a window that begins inside a chunk');
  for (; i < layout.count && layout.offsetAt(i) < end; i += 1) {
    const piece = layout.pieceAt(i);
    if (piece.type === 'term' || layout.offsetAt(i + 1) > end)
      throw inexplicable('a window that ends inside a chunk');
    chunks.push(piece);
  }
  return chunks;
}

/**
 * The hashes that the CAS keeps for those segments of the base that no window touches, by the pieces of `base` that they are.
 * `segments` are the base's own, in order.
 */
export function untouchedVerification(
  base: PieceLayout,
  segments: PieceLayout,
  hashes: FileChunkHashes,
): ReadonlyMap<TermPiece, Uint8Array> {
  const found = new Map<TermPiece, Uint8Array>();
  let next = 0;
  for (let i = 0; i < segments.count; i += 1) {
    const [start, end] = [segments.offsetAt(i), segments.offsetAt(i + 1)];
    if (hashes.windows.some((window) => window.start < end && start < window.end)) continue;
    const text = hashes.gapVerification[next];
    next += 1;
    if (text === undefined) throw inexplicable('too few verification hashes');
    const piece = base.pieceAt(base.findPiece(start));
    if (piece.type === 'term' && piece.sizeBytes === end - start) found.set(piece, hashFromHex(text));
  }
  if (next !== hashes.gapVerification.length) throw inexplicable('too many verification hashes');
  return found;
}
