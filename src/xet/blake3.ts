// Keyed BLAKE3 for the Xet hashes: the prebuilt native module where it loads, else portable WebAssembly. Used by
// `hash.ts` only. Native does 2-3 GB/s on 64 KiB inputs, the portable one about 0.45 GB/s.

import { createRequire } from 'node:module';
import { createKeyed } from '@huggingface/blake3-jit';

/** Digests one whole message at a time; keeps no state between calls. */
export type KeyedDigest = (data: Uint8Array) => Uint8Array;

interface NativeHasher {
  reset(): void;
  update(input: Uint8Array): unknown;
  digestBuffer(): Buffer;
}

interface NativeModule {
  readonly Blake3Hasher: { newKeyed(key: Buffer): NativeHasher };
}

function loadNative(): { module: NativeModule | null; problem: unknown } {
  try {
    const module = createRequire(import.meta.url)('@napi-rs/blake-hash') as NativeModule;
    module.Blake3Hasher.newKeyed(Buffer.alloc(32)).digestBuffer();
    return { module, problem: null };
  } catch (cause) {
    return { module: null, problem: cause };
  }
}

const native = loadNative();

/** Why the native module is not in use, null when it is. For diagnosis. */
export const nativeBlake3Problem: unknown = native.problem;

/** `key` is 32 bytes. Throws if the native module does not load on this machine. */
export function nativeKeyedDigest(key: Uint8Array): KeyedDigest {
  if (native.module === null)
    throw new Error('The native BLAKE3 module is not available', { cause: native.problem });
  const hasher = native.module.Blake3Hasher.newKeyed(Buffer.from(key));
  return (data) => {
    hasher.reset();
    hasher.update(data);
    return hasher.digestBuffer();
  };
}

/** `key` is 32 bytes. Works everywhere. */
export function portableKeyedDigest(key: Uint8Array): KeyedDigest {
  const hasher = createKeyed(key);
  return (data) => hasher.reset().update(data).finalize(32);
}

export const keyedDigest: (key: Uint8Array) => KeyedDigest =
  native.module === null ? portableKeyedDigest : nativeKeyedDigest;
