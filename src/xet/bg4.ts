// Byte grouping by position modulo 4, which makes tensors of 32-bit numbers compressible. Used before LZ4 in xorb
// scheme 2. With r bytes left over, the first r groups have one byte more.

const groups = 4;

function groupStarts(length: number): readonly [number, number, number] {
  const whole = Math.floor(length / groups);
  const rest = length % groups;
  const first = whole + (rest > 0 ? 1 : 0);
  const second = first + whole + (rest > 1 ? 1 : 0);
  const third = second + whole + (rest > 2 ? 1 : 0);
  return [first, second, third];
}

/** Writes the grouped form of `plain` into `grouped`, which is as long. They must not overlap. */
export function bg4Split(plain: Uint8Array, grouped: Uint8Array): void {
  const length = plain.length;
  const [second, third, fourth] = groupStarts(length);
  let group = 0;
  let i = 0;
  for (; i + 3 < length; i += groups) {
    grouped[group] = plain[i] as number;
    grouped[second + group] = plain[i + 1] as number;
    grouped[third + group] = plain[i + 2] as number;
    grouped[fourth + group] = plain[i + 3] as number;
    group += 1;
  }
  if (i < length) grouped[group] = plain[i] as number;
  if (i + 1 < length) grouped[second + group] = plain[i + 1] as number;
  if (i + 2 < length) grouped[third + group] = plain[i + 2] as number;
}

/** Writes the plain form of `grouped` into `plain`, which is as long. They must not overlap. */
export function bg4Join(grouped: Uint8Array, plain: Uint8Array): void {
  const length = plain.length;
  const [second, third, fourth] = groupStarts(length);
  let group = 0;
  let i = 0;
  for (; i + 3 < length; i += groups) {
    plain[i] = grouped[group] as number;
    plain[i + 1] = grouped[second + group] as number;
    plain[i + 2] = grouped[third + group] as number;
    plain[i + 3] = grouped[fourth + group] as number;
    group += 1;
  }
  if (i < length) plain[i] = grouped[group] as number;
  if (i + 1 < length) plain[i + 1] = grouped[second + group] as number;
  if (i + 2 < length) plain[i + 2] = grouped[third + group] as number;
}
