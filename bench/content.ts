// Generated content: the same bytes for the same arguments in every process, so that no process has to send them to another.

/** `random`: nothing compresses it; `text`: words and phrases, about 2.4 to 1 by LZ4. */
export type ContentKind = 'random' | 'text';

export function generate(kind: ContentKind, sizeBytes: number, seed: number): Buffer {
  const bytes = Buffer.allocUnsafeSlow(Math.ceil(sizeBytes / 4) * 4);
  if (kind === 'random') fillRandom(bytes, seed);
  else fillText(bytes, seed);
  return bytes.subarray(0, sizeBytes);
}

function fillRandom(bytes: Buffer, seed: number): void {
  const words = new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
  let state = nonZero(seed);
  for (let at = 0; at < words.length; at += 1) {
    state = next(state);
    words[at] = state;
  }
}

function fillText(bytes: Buffer, seed: number): void {
  let state = nonZero(seed);
  const words = Array.from({ length: 4096 }, () => {
    state = next(state);
    return `${(state >>> 0).toString(36).slice(0, 2 + ((state >>> 5) % 6))} `;
  });
  // Squared: few are frequent, most are rare, as in a language.
  const pick = <T>(list: readonly T[]): T | undefined => {
    state = next(state);
    const position = (state >>> 8) / 2 ** 24;
    return list[Math.floor(position * position * list.length)];
  };
  const phrases = Array.from({ length: 1024 }, () => {
    const count = 2 + ((state >>> 3) % 4);
    return Buffer.from(Array.from({ length: count }, () => pick(words) ?? '').join(''));
  });
  for (let at = 0; at < bytes.length;) {
    const phrase = pick(phrases);
    if (phrase === undefined) return;
    at += phrase.copy(bytes, at);
  }
}

function nonZero(seed: number): number {
  return Math.imul(seed + 1, 0x9e37_79b1) | 1;
}

/** xorshift32 */
function next(state: number): number {
  let x = state;
  x ^= x << 13;
  x ^= x >>> 17;
  x ^= x << 5;
  return x;
}
