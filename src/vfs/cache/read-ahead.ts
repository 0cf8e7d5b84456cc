// Decides what to fetch before it is asked for: a pure policy over the READs of one content, without timers or I/O. It follows a
// few streams at once; a stream is a run of reads close to one another, in nearly rising order (NFS clients send several
// READs at a time and they arrive out of order).
//
// A stream may be ahead by twice the bytes its reader took so far (four times after 4 MiB), between 1 and 96 MiB. So a window grows
// quickly for a reader that goes on, and reads all over the file fetch at most a small multiple of what they asked.

import type { ByteRange } from '../../hub/remote-store.ts';

const mebibyte = 1024 * 1024;
const smallestWindowBytes = mebibyte;
const largestWindowBytes = 96 * mebibyte;
const smallestPieceBytes = mebibyte;
const largestPieceBytes = 8 * mebibyte;
const streamLimit = 8;
/** A reader that took this much is worth a full first window. */
const provenBytes = 64 * 1024;
/** After this much a stream hardly ever ends soon, and growing twice as fast fills a long link one round trip earlier. */
const keenBytes = 4 * mebibyte;
const keenFactor = 4;
const nearestSlackBytes = 128 * 1024;
const farthestSlackBytes = 8 * mebibyte;

interface Stream {
  readonly start: number;
  /** End of the highest byte read. */
  position: number;
  consumedBytes: number;
  reads: number;
  /** Read-ahead was handed out up to here. */
  issued: number;
  /** A window is refilled when half of it is used up, and then up to its end. */
  filling: boolean;
  lastUse: number;
}

export class ReadAhead {
  readonly #sizeBytes: number;
  #streams: Stream[] = [];
  #uses = 0;

  constructor(sizeBytes: number) {
    this.#sizeBytes = sizeBytes;
  }

  /** Returns whether `next` may have something. */
  note(offset: number, length: number): boolean {
    const slack = Math.min(Math.max(8 * length, nearestSlackBytes), farthestSlackBytes);
    const end = offset + length;
    let best: Stream | null = null;
    for (const stream of this.#streams) {
      const distance = Math.abs(offset - stream.position);
      if (distance <= slack && (best === null || distance < Math.abs(offset - best.position))) best = stream;
    }
    if (best === null) {
      best = {
        start: offset,
        position: end,
        consumedBytes: 0,
        reads: 0,
        issued: end,
        filling: false,
        lastUse: 0,
      };
      if (this.#streams.length === streamLimit) this.#dropOldest();
      this.#streams.push(best);
    }
    best.position = Math.max(best.position, end);
    best.consumedBytes = Math.min(best.consumedBytes + length, best.position - best.start);
    best.reads += 1;
    best.lastUse = ++this.#uses;
    return (
      best.issued < this.#sizeBytes && (best.filling || best.issued - best.position <= windowOf(best) / 2)
    );
  }

  /** The next range worth fetching, the most recently used stream first; null when every stream is far enough ahead. */
  next(): ByteRange | null {
    const streams = this.#streams.toSorted((a, b) => b.lastUse - a.lastUse);
    for (const stream of streams) {
      const window = windowOf(stream);
      stream.issued = Math.max(stream.issued, stream.position);
      const target = Math.min(this.#sizeBytes, stream.position + window);
      if (stream.issued - stream.position <= window / 2) stream.filling = true;
      if (stream.issued >= target) stream.filling = false;
      if (!stream.filling) continue;
      const piece = Math.min(Math.max(window / 8, smallestPieceBytes), largestPieceBytes);
      const range = { start: stream.issued, end: Math.min(target, stream.issued + piece) };
      stream.issued = range.end;
      return range;
    }
    return null;
  }

  forget(): void {
    this.#streams = [];
  }

  #dropOldest(): void {
    const oldest = Math.min(...this.#streams.map((stream) => stream.lastUse));
    this.#streams = this.#streams.filter((stream) => stream.lastUse !== oldest);
  }
}

function windowOf(stream: Stream): number {
  const earned = (stream.consumedBytes >= keenBytes ? keenFactor : 2) * stream.consumedBytes;
  if (stream.start === 0 || (stream.reads > 1 && stream.consumedBytes >= provenBytes)) {
    return Math.min(Math.max(earned, smallestWindowBytes), largestWindowBytes);
  }
  return stream.reads > 1 ? earned : 0;
}

/** Does `work` once after all the calls of one turn of the event loop. */
export function onceATurn(work: () => void): () => void {
  let isDue = false;
  return () => {
    if (isDue) return;
    isDue = true;
    setImmediate(() => {
      isDue = false;
      work();
    });
  };
}
