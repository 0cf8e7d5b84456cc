// Byte generators for the Xet tests: deterministic, so that a failure can be repeated.

/** SplitMix64 from `seed`, as little-endian words. */
export function splitMixBytes(length: number, seed = 0n): Uint8Array {
  const bytes = Buffer.alloc(Math.ceil(length / 8) * 8);
  const mask = 0xffff_ffff_ffff_ffffn;
  let state = seed;
  for (let at = 0; at < bytes.length; at += 8) {
    state = (state + 0x9e37_79b9_7f4a_7c15n) & mask;
    let z = state;
    z = ((z ^ (z >> 30n)) * 0xbf58_476d_1ce4_e5b9n) & mask;
    z = ((z ^ (z >> 27n)) * 0x94d0_49bb_1331_11ebn) & mask;
    bytes.writeBigUInt64LE(z ^ (z >> 31n), at);
  }
  return bytes.subarray(0, length);
}

/** Fast pseudo-random bytes (xorshift32) for large inputs. */
export function noiseBytes(length: number, seed = 1): Uint8Array {
  const words = new Uint32Array(Math.ceil(length / 4));
  let x = seed | 1;
  for (let i = 0; i < words.length; i += 1) {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    words[i] = x >>> 0;
  }
  return new Uint8Array(words.buffer, 0, length);
}

/** Log-like lines that LZ4 halves at least. */
export function textBytes(length: number, seed = 1): Uint8Array {
  const words = ['model', 'layer', 'weight', 'bias', 'attention', 'token', 'epoch', 'loss', '0.125', '\n'];
  const parts: string[] = [];
  const noise = noiseBytes(length, seed);
  for (let size = 0, i = 0; size < length; i += 1) {
    const word = words[(noise[i] as number) % words.length] as string;
    parts.push(word);
    size += word.length + 1;
  }
  return Buffer.from(parts.join(' ')).subarray(0, length);
}

/** 32-bit floats of similar size, which only compress after byte grouping. */
export function floatBytes(length: number, seed = 1): Uint8Array {
  const noise = noiseBytes(length, seed);
  const floats = new Float32Array(Math.ceil(length / 4));
  for (let i = 0; i < floats.length; i += 1)
    floats[i] = 0.5 + (noise[i] as number) / 4096 + (noise[i] as number) * 1.1e-6 * i;
  return new Uint8Array(floats.buffer, 0, length);
}
