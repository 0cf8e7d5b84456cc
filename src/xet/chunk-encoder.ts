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

/** Encodes the chunks of one stream in turn; neighbours are taken to be alike. */
export class ChunkEncoder {
  #form: Form = 'none';
  #chunksToSample = 0;

  /**
   * Encodes each chunk (1 to `chunkMaxBytes` bytes, borrowed), header included, one after the other into `target`, which must
   * have room for all of them uncompressed: a header and the plain bytes. Returns the bytes of each.
   */
  encodeAll(
    plains: readonly Uint8Array[],
    target: Uint8Array,
    policy: CompressionPolicy = 'auto',
  ): Uint32Array {
    checkRoom(plains, target);
    const lengths = new Uint32Array(plains.length);
    let at = 0;
    plains.forEach((plain, i) => {
      const form = policy === 'auto' ? this.#nextForm(plain) : policy;
      const frameBytes = form === 'none' ? 0 : makeFrame(plain, form, plain.length - 1);
      // A disappointment: the next chunk is judged anew.
      if (form !== 'none' && (frameBytes === 0 || frameBytes > plain.length * worthwhileRatio))
        this.#chunksToSample = 0;
      const scheme = frameBytes === 0 ? schemeStored : form === 'lz4' ? schemeLz4 : schemeBg4Lz4;
      const storedBytes = frameBytes === 0 ? plain.length : frameBytes;
      writeChunkHeader(target, at, { storedBytes, plainBytes: plain.length, scheme });
      if (frameBytes === 0) target.set(plain, at + chunkHeaderBytes);
      else takeFrame(frameBytes, target, at + chunkHeaderBytes);
      lengths[i] = chunkHeaderBytes + storedBytes;
      at += chunkHeaderBytes + storedBytes;
    });
    return lengths;
  }

  #nextForm(plain: Uint8Array): Form {
    if (this.#chunksToSample === 0) {
      this.#form = chooseForm(plain);
      this.#chunksToSample = this.#form === 'none' ? storedChunksPerSample : chunksPerSample;
    }
    this.#chunksToSample -= 1;
    return this.#form;
  }
}

function checkRoom(plains: readonly Uint8Array[], target: Uint8Array): void {
  let needed = 0;
  for (const plain of plains) {
    if (plain.length === 0 || plain.length > chunkMaxBytes) {
      throw new RangeError(`A chunk has 1 to ${chunkMaxBytes} bytes, not ${plain.length}`);
    }
    needed += chunkHeaderBytes + plain.length;
  }
  if (needed > target.length) throw new RangeError(`${needed} bytes of chunks into ${target.length}`);
}

/** Encodes a chunk by itself; the result is no larger than needed. */
export function encodeChunk(
  plain: Uint8Array,
  policy: CompressionPolicy = 'auto',
  encoder: ChunkEncoder = new ChunkEncoder(),
): Uint8Array {
  const room = new Uint8Array(chunkHeaderBytes + plain.length);
  const [length] = encoder.encodeAll([plain], room, policy);
  return length === room.length ? room : room.slice(0, length);
}
