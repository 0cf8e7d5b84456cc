// Byte grouping by position modulo 4, which makes tensors of 32-bit numbers compressible. Used before LZ4 in xorb
// scheme 2. With r bytes left over, the first r groups have one byte more. For whole buffers; `lz4.ts` groups on the way.

import { kernels, regionBytes } from './kernels.ts';

function checkSizes(from: Uint8Array, to: Uint8Array): void {
  if (from.length !== to.length) throw new RangeError(`Grouping ${from.length} bytes into ${to.length}`);
  if (from.length > regionBytes) throw new RangeError(`Grouping takes at most ${regionBytes} bytes`);
}

/** Writes the grouped form of `plain` into `grouped`, which is as long, at most 256 KiB. */
export function bg4Split(plain: Uint8Array, grouped: Uint8Array): void {
  checkSizes(plain, grouped);
  const k = kernels();
  k.bytes.set(plain, k.in);
  k.bg4_split(plain.length);
  grouped.set(k.bytes.subarray(k.mid, k.mid + plain.length));
}

/** Writes the plain form of `grouped` into `plain`, which is as long, at most 256 KiB. */
export function bg4Join(grouped: Uint8Array, plain: Uint8Array): void {
  checkSizes(grouped, plain);
  const k = kernels();
  k.bytes.set(grouped, k.mid);
  k.bg4_join(grouped.length);
  plain.set(k.bytes.subarray(k.out, k.out + plain.length));
}
