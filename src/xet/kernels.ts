// The codec kernels (C sources in wasm/) behind typed functions: one instance for each thread, made when first needed. They
// work between fixed regions of their own memory, into and out of which callers copy. Portable: every processor and platform
// that runs Node runs them. Used by `lz4.ts`, `bg4.ts` and `chunker.ts`.

import { kernelsBinary } from './kernels-binary.ts';

/** Bytes that each region takes; behind it is slack. See wasm/memory.h. */
export const regionBytes = 256 * 1024;

/** Offsets and lengths count from the start of a region. */
interface KernelExports {
  readonly memory: { readonly buffer: ArrayBuffer };
  initialize(): void;
  in_address(): number;
  mid_address(): number;
  out_address(): number;
  matches_address(): number;
  /** Returns how many offsets it put into `matches`, or -1. */
  gear_scan(start: number, end: number): number;
  bg4_split(length: number): void;
  bg4_join(length: number): void;
  /** Return the bytes used, 0 if the limit does not suffice. */
  lz4_compress_in(length: number, outOffset: number, limit: number): number;
  lz4_compress_mid(length: number, outOffset: number, limit: number): number;
  /** Return where the output ends, or what is wrong as a negative number. */
  lz4_decompress_out(start: number, end: number, outOffset: number, outLimit: number): number;
  lz4_decompress_mid(start: number, end: number, outOffset: number, outLimit: number): number;
}

export interface Kernels extends KernelExports {
  /** All of the memory; it never grows, so this stays valid. */
  readonly bytes: Uint8Array;
  /** Where the regions begin in `bytes`. */
  readonly in: number;
  readonly mid: number;
  readonly out: number;
  /** Offsets found by `gear_scan`. */
  readonly matches: Uint32Array;
}

/** More than `gear_scan` ever finds. */
const maxMatches = 4096;

// Only the types of browsers declare it.
declare const WebAssembly: {
  readonly Module: new (binary: Uint8Array) => object;
  readonly Instance: new (module: object) => { readonly exports: unknown };
};

function instantiate(): Kernels {
  const module = new WebAssembly.Module(Buffer.from(kernelsBinary, 'base64'));
  const exports = new WebAssembly.Instance(module).exports as KernelExports;
  exports.initialize();
  const { buffer } = exports.memory;
  return {
    ...exports,
    bytes: new Uint8Array(buffer),
    in: exports.in_address(),
    mid: exports.mid_address(),
    out: exports.out_address(),
    matches: new Uint32Array(buffer, exports.matches_address(), maxMatches),
  };
}

let instance: Kernels | null = null;

/** The instance of this thread. What its regions hold is valid until the next use by anyone. */
export function kernels(): Kernels {
  instance ??= instantiate();
  return instance;
}
