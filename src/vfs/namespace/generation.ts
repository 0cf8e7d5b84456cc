// The generation in file handles: names the source, so that a handle of another source is refused and the same source gives
// the same handles in every process. Used by the facade.

const offsetBasis = 0xcbf29ce484222325n;
const prime = 0x100000001b3n;

/** FNV-1a 64 of the UTF-8 of `SourceInfo.identifier`, big endian, 8 bytes. */
export function generationOf(identifier: string): Uint8Array {
  let hash = offsetBasis;
  for (const byte of Buffer.from(identifier, 'utf8'))
    hash = BigInt.asUintN(64, (hash ^ BigInt(byte)) * prime);
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(hash);
  return Uint8Array.from(bytes);
}
