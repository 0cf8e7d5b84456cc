/* The regions, and byte grouping by position modulo 4. With r bytes left over, the first r groups have one byte more. */
#include <wasm_simd128.h>
#include "memory.h"

u8 region_in[REGION_BYTES + REGION_SLACK];
u8 region_mid[REGION_BYTES + REGION_SLACK];
u8 region_out[REGION_BYTES + REGION_SLACK] __attribute__((aligned(16)));

EXPORT(in_address) u32 in_address(void) { return (u32)region_in; }
EXPORT(mid_address) u32 mid_address(void) { return (u32)region_mid; }
EXPORT(out_address) u32 out_address(void) { return (u32)region_out; }

/** Groups region_in into region_mid. */
EXPORT(bg4_split) void bg4_split(u32 length) {
  u32 whole = length / 4, rest = length % 4;
  const u8 *in = region_in;
  u8 *a = region_mid;
  u8 *b = a + whole + (rest > 0);
  u8 *c = b + whole + (rest > 1);
  u8 *d = c + whole + (rest > 2);
  u32 i = 0;
  for (; i + 16 <= whole; i += 16, in += 64) {
    v128_t v0 = wasm_v128_load(in), v1 = wasm_v128_load(in + 16);
    v128_t v2 = wasm_v128_load(in + 32), v3 = wasm_v128_load(in + 48);
    /* Each vector to four words, one of each group; then the words are transposed. */
#define GROUP(v) wasm_i8x16_shuffle(v, v, 0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15)
    v0 = GROUP(v0);
    v1 = GROUP(v1);
    v2 = GROUP(v2);
    v3 = GROUP(v3);
    v128_t ab0 = wasm_i32x4_shuffle(v0, v1, 0, 4, 1, 5), cd0 = wasm_i32x4_shuffle(v0, v1, 2, 6, 3, 7);
    v128_t ab1 = wasm_i32x4_shuffle(v2, v3, 0, 4, 1, 5), cd1 = wasm_i32x4_shuffle(v2, v3, 2, 6, 3, 7);
    wasm_v128_store(a + i, wasm_i64x2_shuffle(ab0, ab1, 0, 2));
    wasm_v128_store(b + i, wasm_i64x2_shuffle(ab0, ab1, 1, 3));
    wasm_v128_store(c + i, wasm_i64x2_shuffle(cd0, cd1, 0, 2));
    wasm_v128_store(d + i, wasm_i64x2_shuffle(cd0, cd1, 1, 3));
  }
  for (; i < whole; i += 1, in += 4) {
    a[i] = in[0];
    b[i] = in[1];
    c[i] = in[2];
    d[i] = in[3];
  }
  if (rest > 0) a[whole] = in[0];
  if (rest > 1) b[whole] = in[1];
  if (rest > 2) c[whole] = in[2];
}

/** Joins the groups in region_mid into region_out. */
EXPORT(bg4_join) void bg4_join(u32 length) {
  u32 whole = length / 4, rest = length % 4;
  u8 *out = region_out;
  const u8 *a = region_mid;
  const u8 *b = a + whole + (rest > 0);
  const u8 *c = b + whole + (rest > 1);
  const u8 *d = c + whole + (rest > 2);
  u32 i = 0;
  for (; i + 16 <= whole; i += 16, out += 64) {
    v128_t va = wasm_v128_load(a + i), vb = wasm_v128_load(b + i);
    v128_t vc = wasm_v128_load(c + i), vd = wasm_v128_load(d + i);
#define LOW(x, y) wasm_i8x16_shuffle(x, y, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23)
#define HIGH(x, y) wasm_i8x16_shuffle(x, y, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31)
#define LOW16(x, y) wasm_i16x8_shuffle(x, y, 0, 8, 1, 9, 2, 10, 3, 11)
#define HIGH16(x, y) wasm_i16x8_shuffle(x, y, 4, 12, 5, 13, 6, 14, 7, 15)
    v128_t ab0 = LOW(va, vb), ab1 = HIGH(va, vb), cd0 = LOW(vc, vd), cd1 = HIGH(vc, vd);
    wasm_v128_store(out, LOW16(ab0, cd0));
    wasm_v128_store(out + 16, HIGH16(ab0, cd0));
    wasm_v128_store(out + 32, LOW16(ab1, cd1));
    wasm_v128_store(out + 48, HIGH16(ab1, cd1));
  }
  for (; i < whole; i += 1, out += 4) {
    out[0] = a[i];
    out[1] = b[i];
    out[2] = c[i];
    out[3] = d[i];
  }
  if (rest > 0) out[0] = a[whole];
  if (rest > 1) out[1] = b[whole];
  if (rest > 2) out[2] = c[whole];
}
