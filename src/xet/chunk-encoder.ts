// Encodes chunks as they stand in a xorb: judges by samples which compression pays for a run of chunks, and stores what does
// not get smaller. Used by the codec streams of uploads and by `XorbBuilder`.

import { chunkMaxBytes } from './chunker.ts';
import { makeFrame, takeFrame, type Lz4Form } from './lz4.ts';
import { chunkHeaderBytes, schemeBg4Lz4, schemeLz4, schemeStored, writeChunkHeader } from './xorb.ts';

/** `auto` judges by a sample which form pays; the others try that form only. All store what does not get smaller. */
export type CompressionPolicy = 'auto' | 'none' | Lz4Form;

type Form = Exclude<CompressionPolicy, 'auto'>;

/** Chunks shorter than this are their own sample. */
const sampleBytes = 16 * 1024;
/** A form that saves less than this part is not worth the reader's time. */
const worthwhileRatio = 0.98;
/** Chunks of one stream encoded in the form of the last sample, about 1 MiB. xet-core looks again after 32. */
const chunksPerSample = 16;
/** Noise is sampled at several GB/s, and compressible bytes that follow it should not be missed for long. */
const storedChunksPerSample = 4;

function sampledRatio(sample: Uint8Array, form: Lz4Form): number {
  const frameBytes = makeFrame(sample, form, Math.floor(sample.length * worthwhileRatio));
  return frameBytes === 0 ? 1 : frameBytes / sample.length;
}

function chooseForm(plain: Uint8Array): Form {
  const start = Math.max(0, Math.floor((plain.length - sampleBytes) / 2)) & ~3;
  const sample = plain.subarray(start, start + sampleBytes);
  const lz4 = sampledRatio(sample, 'lz4');
  const bg4 = sampledRatio(sample, 'bg4');
  if (lz4 === 1 && bg4 === 1) return 'none';
  return lz4 <= bg4 ? 'lz4' : 'bg4';
}

/** Encoded chunks one after the other. */
export interface EncodedChunks {
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** Bytes of each, header included. */
  readonly lengths: Uint32Array;
}

/** Where a chunk's data lies between compressing and laying out: its plain bytes, or a frame in the scratch buffer. */
interface Body {
  readonly plainBytes: number;
  readonly scheme: number;
  readonly data: Uint8Array;
}

/** Encodes the chunks of one stream in turn; neighbours are taken to be alike. */
export class ChunkEncoder {
  #scratch = new Uint8Array(0);
  #form: Form = 'none';
  #chunksToSample = 0;

  /** Each chunk has 1 to `chunkMaxBytes` bytes and is borrowed; the result is the caller's and no larger than needed. */
  encodeAll(plains: readonly Uint8Array[], policy: CompressionPolicy = 'auto'): EncodedChunks {
    this.#makeRoom(plains);
    let used = 0;
    let total = 0;
    const bodies = plains.map((plain): Body => {
      const form = policy === 'auto' ? this.#nextForm(plain) : policy;
      const frameBytes = form === 'none' ? 0 : makeFrame(plain, form, plain.length - 1);
      total += chunkHeaderBytes;
      // A disappointment: the next chunk is judged anew.
      if (form !== 'none' && (frameBytes === 0 || frameBytes > plain.length * worthwhileRatio))
        this.#chunksToSample = 0;
      if (form === 'none' || frameBytes === 0) {
        total += plain.length;
        return { plainBytes: plain.length, scheme: schemeStored, data: plain };
      }
      takeFrame(frameBytes, this.#scratch, used);
      const data = this.#scratch.subarray(used, used + frameBytes);
      used += frameBytes;
      total += frameBytes;
      return { plainBytes: plain.length, scheme: form === 'lz4' ? schemeLz4 : schemeBg4Lz4, data };
    });
    return layOut(bodies, total);
  }

  #nextForm(plain: Uint8Array): Form {
    if (this.#chunksToSample === 0) {
      this.#form = chooseForm(plain);
      this.#chunksToSample = this.#form === 'none' ? storedChunksPerSample : chunksPerSample;
    }
    this.#chunksToSample -= 1;
    return this.#form;
  }

  #makeRoom(plains: readonly Uint8Array[]): void {
    let needed = 0;
    for (const plain of plains) {
      if (plain.length === 0 || plain.length > chunkMaxBytes) {
        throw new RangeError(`A chunk has 1 to ${chunkMaxBytes} bytes, not ${plain.length}`);
      }
      needed += plain.length;
    }
    if (needed > this.#scratch.length) this.#scratch = new Uint8Array(needed);
  }
}

function layOut(bodies: readonly Body[], total: number): EncodedChunks {
  const bytes = new Uint8Array(total);
  const lengths = new Uint32Array(bodies.length);
  let at = 0;
  bodies.forEach(({ plainBytes, scheme, data }, i) => {
    writeChunkHeader(bytes, at, { storedBytes: data.length, plainBytes, scheme });
    bytes.set(data, at + chunkHeaderBytes);
    lengths[i] = chunkHeaderBytes + data.length;
    at += chunkHeaderBytes + data.length;
  });
  return { bytes, lengths };
}

/** Encodes a chunk by itself. */
export function encodeChunk(plain: Uint8Array, policy: CompressionPolicy = 'auto'): Uint8Array {
  return new ChunkEncoder().encodeAll([plain], policy).bytes;
}
