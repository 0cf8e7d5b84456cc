// Xet hashes: chunk, tree (xorb and file), verification, HMAC, and the display form. Hashes are raw 32-byte arrays
// everywhere; the 64-character display form exists only at borders (URLs, JSON, keys, logs).

import { setImmediate as nextTurn } from 'node:timers/promises';
import { keyedDigest, type KeyedDigest } from './blake3.ts';
import { XetFormatError } from './errors.ts';

/** Bytes of every hash. */
export const hashSizeBytes = 32;

/** A chunk, or a node of the hash tree: its hash and how many plain bytes it stands for. */
export interface ChunkInfo {
  readonly hash: Uint8Array;
  readonly sizeBytes: number;
}

// The three keys are fixed by the Xet specification, section "Hashing".
const dataKey = Buffer.from('6697f5775b9550de3135cbaca597181c9de421109beb2b58b4d0b04b93adf229', 'hex');
const nodeKey = Buffer.from('017ec5c7a5472996fd946666b48a02e65ddd536f37c76dd2f86352e64a53713f', 'hex');
const verificationKey = Buffer.from(
  '7f1857d6ce56ed66127ff913e7a5c3f3a4cd26d5b5db49e64124987f28fb94c3',
  'hex',
);

/** A natural cut of the tree: the last little-endian word divisible by 4, which only its lowest byte decides. */
const cutWordOffset = 24;
const cutMask = 3;
const minGroup = 2;
const maxGroup = 9;
/** Merging a group takes some 5 µs. */
const groupsPerTurn = 256;
/** One chunk in 1024 may be asked for in the global index. */
const eligibleModulus = 1024;

export interface XetHashes {
  chunkHash(data: Uint8Array): Uint8Array;
  merkleRoot(chunks: readonly ChunkInfo[]): Uint8Array;
  fileHash(chunks: readonly ChunkInfo[]): Uint8Array;
  fileHashInTurns(chunks: readonly ChunkInfo[]): Promise<Uint8Array>;
  rangeHash(chunkHashes: readonly Uint8Array[]): Uint8Array;
  hmacHash(hash: Uint8Array, key: Uint8Array): Uint8Array;
}

/** The hash functions over a given BLAKE3, so that both implementations can be tested. */
export function createXetHashes(keyed: (key: Uint8Array) => KeyedDigest): XetHashes {
  const digestData = keyed(dataKey);
  const digestNode = keyed(nodeKey);
  const digestFile = keyed(new Uint8Array(hashSizeBytes));
  const digestRange = keyed(verificationKey);

  function mergeNodes(nodes: readonly ChunkInfo[], start: number, end: number): ChunkInfo {
    let text = '';
    let sizeBytes = 0;
    for (let i = start; i < end; i += 1) {
      const node = nodes[i] as ChunkInfo;
      text += `${hashToHex(node.hash)} : ${node.sizeBytes}\n`;
      sizeBytes += node.sizeBytes;
    }
    return { hash: digestNode(Buffer.from(text, 'latin1')), sizeBytes };
  }

  /** Yields now and then, for callers that give way to other work. */
  function* climb(chunks: readonly ChunkInfo[]): Generator<void, Uint8Array> {
    let level = chunks;
    while (level.length > 1) {
      const parents: ChunkInfo[] = [];
      let start = 0;
      while (start < level.length) {
        const end = groupEnd(level, start);
        parents.push(mergeNodes(level, start, end));
        start = end;
        if (parents.length % groupsPerTurn === 0) yield;
      }
      level = parents;
    }
    return level[0]?.hash ?? new Uint8Array(hashSizeBytes);
  }

  function merkleRoot(chunks: readonly ChunkInfo[]): Uint8Array {
    const steps = climb(chunks);
    for (;;) {
      const step = steps.next();
      if (step.done === true) return step.value;
    }
  }

  async function fileHashInTurns(chunks: readonly ChunkInfo[]): Promise<Uint8Array> {
    if (chunks.length === 0) return new Uint8Array(hashSizeBytes);
    const steps = climb(chunks);
    for (;;) {
      const step = steps.next();
      if (step.done === true) return digestFile(step.value);
      await nextTurn();
    }
  }

  return {
    chunkHash: digestData,
    merkleRoot,
    fileHash: (chunks) =>
      chunks.length === 0 ? new Uint8Array(hashSizeBytes) : digestFile(merkleRoot(chunks)),
    fileHashInTurns,
    rangeHash: (chunkHashes) => digestRange(Buffer.concat(chunkHashes)),
    hmacHash: (hash, key) => keyed(key)(hash),
  };
}

/** Where the group of tree nodes that begins at `start` ends (exclusive). */
function groupEnd(nodes: readonly ChunkInfo[], start: number): number {
  const remaining = nodes.length - start;
  if (remaining <= minGroup) return nodes.length;
  const limit = start + Math.min(maxGroup, remaining);
  for (let i = start + minGroup; i < limit; i += 1) {
    const node = nodes[i] as ChunkInfo;
    if (((node.hash[cutWordOffset] as number) & cutMask) === 0) return i + 1;
  }
  return limit;
}

const hashes = createXetHashes(keyedDigest);

export const chunkHash: (data: Uint8Array) => Uint8Array = hashes.chunkHash;
/** Root of the aggregated hash tree; one chunk is its own root, none gives 32 zero bytes. */
export const merkleRoot: (chunks: readonly ChunkInfo[]) => Uint8Array = hashes.merkleRoot;
export const xorbHash: (chunks: readonly ChunkInfo[]) => Uint8Array = hashes.merkleRoot;
/** Over all chunks of the file in order; 32 zero bytes for the empty file. */
export const fileHash: (chunks: readonly ChunkInfo[]) => Uint8Array = hashes.fileHash;
/** The same for a long list, in turns of a millisecond or two. */
export const fileHashInTurns: (chunks: readonly ChunkInfo[]) => Promise<Uint8Array> = hashes.fileHashInTurns;
/** Verification hash of a segment: over the raw hashes of its chunks. */
export const rangeHash: (chunkHashes: readonly Uint8Array[]) => Uint8Array = hashes.rangeHash;
export const hmacHash: (hash: Uint8Array, key: Uint8Array) => Uint8Array = hashes.hmacHash;

/** The file hash from an already merged tree root, for clients that were handed subtrees. */
export function fileHashOfRoot(root: Uint8Array): Uint8Array {
  return hmacHash(root, new Uint8Array(hashSizeBytes));
}

/** Whether the global index may know this chunk: its last little-endian 64-bit word is divisible by 1024. */
export function isDedupEligible(hash: Uint8Array): boolean {
  const low = (hash[cutWordOffset] as number) | ((hash[cutWordOffset + 1] as number) << 8);
  return low % eligibleModulus === 0;
}

/** Display form: four little-endian 64-bit words, each as 16 hex digits. */
export function hashToHex(raw: Uint8Array): string {
  const swapped = Buffer.allocUnsafe(hashSizeBytes);
  swapped.set(raw.subarray(0, hashSizeBytes));
  return swapped.swap64().toString('hex');
}

/** The raw bytes of a display form. Throws `XetFormatError` unless it is exactly 64 hex digits. */
export function hashFromHex(hex: string): Uint8Array {
  if (!/^[0-9a-fA-F]{64}$/.test(hex)) {
    throw new XetFormatError(`Not a hash of 64 hex digits: "${hex.slice(0, 80)}"`);
  }
  return Buffer.from(hex, 'hex').swap64();
}

export function equalHashes(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0;
}
