// The workloads of the load generator, from plain data that another process can send. Each looks at status and lengths of every reply;
// reads compare every byte where they are given what to expect.

import { NFS_PROGRAM, NFS_V3, nfs3Procedures } from '../../src/nfs/nfs3-schema.ts';
import { paddedLength, type XdrReader, type XdrWriter } from '../../src/nfs/xdr-cursor.ts';
import { generate, type ContentKind } from '../content.ts';
import { verify } from '../row.ts';
import type { Workload } from './load-connection.ts';

interface Amount {
  readonly count: number;
  readonly depth: number;
}

interface Blocks extends Amount {
  readonly file: Uint8Array;
  readonly fileBytes: number;
  readonly blockBytes: number;
  /** `sequential` begins again at the end of the file. */
  readonly order: 'sequential' | 'random';
  readonly seed: number;
  /** Where a sequential order begins; 0 if missing. */
  readonly firstBlock?: number;
}

interface Content {
  readonly kind: ContentKind;
  readonly seed: number;
}

export type LoadSpec =
  | (Blocks & {
      readonly kind: 'read';
      /** What the file holds; null: only lengths are checked. */
      readonly expected: Content | 'written' | null;
    })
  /** Without `content` a few megabytes again and again. */
  | (Blocks & { readonly kind: 'write'; readonly stable: 0 | 2; readonly content?: Content })
  | (Amount & { readonly kind: 'getattr'; readonly file: Uint8Array; readonly fileBytes: number })
  | (Amount & { readonly kind: 'access'; readonly file: Uint8Array })
  | (Amount & { readonly kind: 'commit'; readonly file: Uint8Array })
  | (Amount & {
      readonly kind: 'lookup';
      readonly dir: Uint8Array;
      readonly name: string;
      readonly found: Uint8Array;
    })
  /** `PREFIX0`, `PREFIX1`, … */
  | (Amount & { readonly kind: 'create' | 'remove'; readonly dir: Uint8Array; readonly prefix: string });

const OK = 0;
const attributesBytes = 84;
/** Results up to here hold all that is checked of a short reply. */
const shortResultBytes = 256;

export function workloadOf(spec: LoadSpec): Workload {
  switch (spec.kind) {
    case 'read':
      return readWorkload(spec);
    case 'write':
      return writeWorkload(spec);
    case 'getattr':
      return workload('GETATTR', spec, {
        encode: (out) => putOpaque(out, spec.file),
        check: (results) => {
          checkStatus(results, 'GETATTR');
          const sizeAt = results.position + 20;
          verify(
            results.view.getUint32(sizeAt + 4) === spec.fileBytes % 2 ** 32,
            'GETATTR told another size',
          );
        },
      });
    case 'access':
      return workload('ACCESS', spec, {
        encode(out) {
          putOpaque(out, spec.file);
          out.uint32(0x3f);
        },
        check(results) {
          checkStatus(results, 'ACCESS');
          skipAttributes(results);
          verify((results.uint32() & 1) === 1, 'ACCESS refused reading');
        },
      });
    case 'commit':
      return workload('COMMIT', spec, {
        encode(out) {
          putOpaque(out, spec.file);
          out.uint64(0);
          out.uint32(0);
        },
        check: (results) => checkStatus(results, 'COMMIT'),
      });
    case 'lookup':
      return workload('LOOKUP', spec, {
        encode(out) {
          putOpaque(out, spec.dir);
          out.string(spec.name);
        },
        check(results) {
          checkStatus(results, 'LOOKUP');
          verify(
            Buffer.compare(results.opaque(64), spec.found) === 0,
            `LOOKUP of ${spec.name} gave another handle`,
          );
        },
      });
    case 'create':
      return workload('CREATE', spec, {
        encode(out, index) {
          putOpaque(out, spec.dir);
          out.string(`${spec.prefix}${index}`);
          // UNCHECKED, mode 0644; nothing else is set.
          for (const word of [0, 1, 0o644, 0, 0, 0, 0, 0]) out.uint32(word);
        },
        check(results) {
          checkStatus(results, 'CREATE');
          verify(results.bool(), 'CREATE gave no handle');
        },
      });
    case 'remove':
      return workload('REMOVE', spec, {
        encode(out, index) {
          putOpaque(out, spec.dir);
          out.string(`${spec.prefix}${index}`);
        },
        check: (results) => checkStatus(results, 'REMOVE'),
      });
  }
}

function workload(
  name: keyof typeof nfs3Procedures,
  { count, depth }: Amount,
  how: { encode(out: XdrWriter, index: number): void; check(results: XdrReader): void },
): Workload {
  return {
    ...{ program: NFS_PROGRAM, version: NFS_V3, procedure: nfs3Procedures[name].number, count, depth },
    lookedAtBytes: shortResultBytes,
    encode(out, index) {
      how.encode(out, index);
      return null;
    },
    check(results) {
      how.check(results);
      return 0;
    },
  };
}

function readWorkload(spec: LoadSpec & { readonly kind: 'read' }): Workload {
  const { fileBytes, blockBytes } = spec;
  const offsets = offsetsOf(spec, true);
  const expect = expectation(spec);
  return {
    ...{ program: NFS_PROGRAM, version: NFS_V3, procedure: nfs3Procedures.READ.number },
    ...{ count: spec.count, depth: spec.depth },
    lookedAtBytes: expect === null ? shortResultBytes : Infinity,
    encode(out, index) {
      putOpaque(out, spec.file);
      out.uint64(offsets[index] ?? 0);
      out.uint32(blockBytes);
      return null;
    },
    check(results, index, resultBytes) {
      const offset = offsets[index] ?? 0;
      const count = Math.min(blockBytes, fileBytes - offset);
      const start = results.position;
      checkStatus(results, 'READ');
      skipAttributes(results);
      verify(results.uint32() === count, `READ at ${offset} gave another count`);
      results.uint32();
      verify(results.uint32() === count, `READ at ${offset} gave another length`);
      verify(
        resultBytes === results.position - start + paddedLength(count),
        'READ has another length than it says',
      );
      if (expect !== null) {
        const data = results.bytes.subarray(results.position, results.position + count);
        verify(
          Buffer.compare(data, expect(offset, count)) === 0,
          `READ of ${count} bytes at ${offset} gave wrong bytes`,
        );
      }
      return count;
    },
  };
}

function writeWorkload(spec: LoadSpec & { readonly kind: 'write' }): Workload {
  const { blockBytes } = spec;
  const offsets = offsetsOf(spec, false);
  const dataAt = spec.content === undefined ? writtenAt : contentAt(spec.content, spec.fileBytes);
  return {
    ...{ program: NFS_PROGRAM, version: NFS_V3, procedure: nfs3Procedures.WRITE.number },
    ...{ count: spec.count, depth: spec.depth, lookedAtBytes: shortResultBytes },
    encode(out, index) {
      const offset = offsets[index] ?? 0;
      putOpaque(out, spec.file);
      out.uint64(offset);
      out.uint32(blockBytes);
      out.uint32(spec.stable);
      out.uint32(blockBytes);
      return dataAt(offset, blockBytes);
    },
    check(results) {
      checkStatus(results, 'WRITE');
      if (results.bool()) results.skip(24);
      skipAttributes(results);
      verify(results.uint32() === blockBytes, 'WRITE took less than it was given');
      verify(results.uint32() >= spec.stable, 'WRITE is less stable than asked');
      return blockBytes;
    },
  };
}

/** Whole blocks of the file. */
function offsetsOf(
  { count, fileBytes, blockBytes, order, seed, firstBlock = 0 }: Blocks,
  hasTail: boolean,
): Float64Array {
  // The shorter block at the end is read in its turn; nothing is written there.
  const exact = fileBytes / blockBytes;
  const blocks = Math.max(1, hasTail ? Math.ceil(exact) : Math.floor(exact));
  const offsets = new Float64Array(count);
  let state = seed | 1;
  for (let index = 0; index < count; index += 1) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    offsets[index] =
      (order === 'sequential' ? (firstBlock + index) % blocks : (state >>> 0) % blocks) * blockBytes;
  }
  return offsets;
}

const contents = new Map<string, Buffer>();

function contentOf(kind: ContentKind, sizeBytes: number, seed: number): Buffer {
  const key = `${kind} ${sizeBytes} ${seed}`;
  let content = contents.get(key);
  if (content === undefined) {
    content = generate(kind, sizeBytes, seed);
    contents.set(key, content);
  }
  return content;
}

function expectation(
  spec: LoadSpec & { readonly kind: 'read' },
): ((offset: number, count: number) => Uint8Array) | null {
  const { expected } = spec;
  if (expected === null) return null;
  if (expected === 'written') return writtenAt;
  return contentAt(expected, spec.fileBytes);
}

function contentAt(
  { kind, seed }: Content,
  fileBytes: number,
): (offset: number, count: number) => Uint8Array {
  const content = contentOf(kind, fileBytes, seed);
  return (offset, count) => content.subarray(offset, offset + count);
}

/** Few, so that the source stays in the processor's cache; no power of two, so that it repeats after 1022 pages only. */
const sourceBytes = 64 * 1022;
const longestBlockBytes = 1024 * 1024;
const pageBytes = 4096;

/** What writes put at `offset`: another piece of the same megabyte for every page, so that a misplaced one is seen. */
function writtenAt(offset: number, count: number): Uint8Array {
  const source = contentOf('random', sourceBytes + longestBlockBytes, 7);
  const start = ((offset / pageBytes) * 192) % sourceBytes;
  return source.subarray(start, start + count);
}

function putOpaque(out: XdrWriter, bytes: Uint8Array): void {
  out.uint32(bytes.length);
  out.opaqueFixed(bytes);
}

function checkStatus(results: XdrReader, name: string): void {
  const status = results.uint32();
  verify(status === OK, `${name} failed with status ${status}`);
}

function skipAttributes(results: XdrReader): void {
  if (results.bool()) results.skip(attributesBytes);
}
