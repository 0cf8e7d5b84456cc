/* LZ4 blocks by the LZ4 block format description 1.6: a greedy compressor with one 16-bit hash table, and a decompressor
 * for hostile input. Both work between the fixed regions of memory.h. */
#include <wasm_simd128.h>
#include "memory.h"

#define MIN_MATCH 4
/** The last match begins at least 12 bytes before the end, and the last 5 bytes are literals. */
#define MATCH_END_MARGIN 12
#define LITERAL_END_MARGIN 5
#define HASH_BITS 13
/** Matches are looked for at ever wider steps in bytes that do not compress. */
#define SKIP_SHIFT 6

/** Bytes at every one of which a match is looked for before the steps grow. */
#define NEAR_BYTES 64
/** Room that one sequence takes where neither of its lengths needs a loop, with what copies write beyond it. */
#define SEQUENCE_ROOM 48
/** Lengths below this have at most one byte of their own. */
#define ONE_BYTE_LENGTH (15 + 255)

/**
 * Addresses modulo 65536: a candidate is the last position of that remainder, which is as far as a match may reach. An empty slot
 * names the start of the region, which is a position too, since regions are aligned.
 */
static u16 table[1 << HASH_BITS];

/** Of the next 5 bytes, or of 6, which finds fewer but longer matches: right for text, too few in grouped numbers. */
INLINE u32 slot_of(u64 word, int six) {
  return (u32)(word * (six ? 227718039650203ULL << 16 : 889523592379ULL << 24) >> (64 - HASH_BITS));
}

/** How far back the last position of the slot's remainder is, 0 for 65536; it becomes this one. */
INLINE u32 take_distance(u32 slot, const u8 *at) {
  u32 distance = (u16)((u32)at - table[slot]);
  table[slot] = (u16)(u32)at;
  return distance;
}

INLINE u32 smaller(u32 a, u32 b) { return a < b ? a : b; }

INLINE void copy16(u8 *to, const u8 *from) { wasm_v128_store(to, wasm_v128_load(from)); }

/** Copies at least `length` bytes in steps of 16; the two must be 16 apart, or the source must lie behind. */
INLINE void copy_steps(u8 *to, const u8 *from, u32 length) {
  u8 *end = to + length;
  do {
    copy16(to, from);
    to += 16;
    from += 16;
  } while (to < end);
}

INLINE u8 *write_length(u8 *to, u32 rest) {
  for (; rest >= 255; rest -= 255) *to++ = 255;
  *to++ = (u8)rest;
  return to;
}

/** Of the bytes from a and b up to `limit`, 32 at a time: how many matches have is hard to predict. May count some behind it. */
INLINE u32 equal_bytes(const u8 *a, const u8 *b, const u8 *limit) {
  u32 count = 0;
  for (;;) {
    u64 low = (u32)wasm_i8x16_bitmask(wasm_i8x16_eq(wasm_v128_load(a), wasm_v128_load(b)));
    u64 high = (u32)wasm_i8x16_bitmask(wasm_i8x16_eq(wasm_v128_load(a + 16), wasm_v128_load(b + 16)));
    u64 different = ~(low | high << 16);
    count += (u32)__builtin_ctzll(different);
    a += 32;
    b += 32;
    if (LIKELY((u32)different != 0) || a >= limit) return count;
  }
}

/**
 * Compresses `length` bytes of `source`, a region, into region_out from `out_offset`, using at most `limit` bytes. Returns the bytes
 * used, 0 if they do not suffice. Most of its time is spent on branches that were predicted wrongly, so there are few
 * that depend on the data: one for each sequence, and others for lengths that are rare.
 */
INLINE u32 compress(const u8 *source, int six, u32 length, u32 out_offset, u32 limit) {
  u8 *out = region_out + out_offset;
  u8 *const out_start = out;
  u8 *const out_end = out + limit;
  const u8 *anchor = source;
  const u8 *const end = source + length;
  if (length > MATCH_END_MARGIN) {
    const u8 *const match_end = end - LITERAL_END_MARGIN;
    const u8 *const last_match = end - MATCH_END_MARGIN;
    const u8 *at = source + 1;
    __builtin_memset(table, 0, sizeof table);
    for (;;) {
      u32 distance;
      u64 word = load64(at);
      u32 slot = slot_of(word, six);
      const u8 *const near_end = at + NEAR_BYTES < last_match ? at + NEAR_BYTES : last_match;
      for (;;) {
        u64 next_word = load64(at + 1);
        u32 next_slot = slot_of(next_word, six);
        distance = take_distance(slot, at);
        if (load32(at - distance) == (u32)word) break;
        word = next_word;
        slot = next_slot;
        at += 1;
        if (LIKELY(at < near_end)) continue;
        u32 misses = 2 << SKIP_SHIFT;
        for (;;) {
          if (UNLIKELY(at > last_match)) goto last_literals;
          word = load64(at);
          distance = take_distance(slot_of(word, six), at);
          if (load32(at - distance) == (u32)word) break;
          at += misses++ >> SKIP_SHIFT;
        }
        break;
      }
      if (UNLIKELY(distance == 0)) {
        if (++at > last_match) break;
        continue;
      }
      const u8 *candidate = at - distance;
      /* One bit is set, so that the count stays below 8. */
      u32 back = (u32)__builtin_clzll((load64(at - 8) ^ load64(candidate - 8)) | 1) >> 3;
      back = smaller(back, smaller((u32)(at - anchor), (u32)(candidate - source)));
      u32 literals = (u32)(at - anchor) - back;
      u32 extra = equal_bytes(at + MIN_MATCH, candidate + MIN_MATCH, match_end);
      if (UNLIKELY(at + MIN_MATCH + extra > match_end)) extra = (u32)(match_end - at) - MIN_MATCH;
      at += MIN_MATCH + extra;
      extra += back;
      if (UNLIKELY(out + SEQUENCE_ROOM > out_end)) return 0;
      u8 *token = out++;
      u32 nibbles = smaller(literals, 15) << 4 | smaller(extra, 15);
      if (UNLIKELY(literals > 32)) {
        if (UNLIKELY(out + literals + literals / 255 + SEQUENCE_ROOM > out_end)) return 0;
        out = write_length(out, literals - 15);
        copy_steps(out, anchor, literals);
      } else {
        *out = (u8)(literals - 15);
        out += literals >= 15;
        copy16(out, anchor);
        copy16(out + 16, anchor + 16);
      }
      out += literals;
      store16(out, (u16)distance);
      out += 2;
      if (UNLIKELY(extra >= ONE_BYTE_LENGTH)) {
        if (UNLIKELY(out + extra / 255 + 8 > out_end)) return 0;
        out = write_length(out, extra - 15);
      } else {
        *out = (u8)(extra - 15);
        out += extra >= 15;
      }
      *token = (u8)nibbles;
      anchor = at;
      if (UNLIKELY(at > last_match)) break;
      table[slot_of(load64(at - 2), six)] = (u16)(u32)(at - 2);
    }
  }
last_literals:;
  u32 literals = (u32)(end - anchor);
  if (out + 1 + literals + (literals + 240) / 255 > out_end) return 0;
  if (literals >= 15) {
    *out++ = 15 << 4;
    out = write_length(out, literals - 15);
  } else {
    *out++ = (u8)(literals << 4);
  }
  __builtin_memcpy(out, anchor, literals);
  return (u32)(out + literals - out_start);
}

EXPORT(lz4_compress_in) u32 lz4_compress_in(u32 length, u32 out_offset, u32 limit) {
  return compress(region_in, 1, length, out_offset, limit);
}

EXPORT(lz4_compress_mid) u32 lz4_compress_mid(u32 length, u32 out_offset, u32 limit) {
  return compress(region_mid, 0, length, out_offset, limit);
}

/** For a distance below 16: which bytes of the source repeat in 16 bytes of the target, and how far one step goes then. */
static u8 repeat_lanes[16][16];
static u8 repeat_step[16];

EXPORT(initialize) void initialize(void) {
  for (u32 distance = 1; distance < 16; distance += 1) {
    for (u32 i = 0; i < 16; i += 1) repeat_lanes[distance][i] = (u8)(i % distance);
    repeat_step[distance] = (u8)(16 - 16 % distance);
  }
}

/** What follows a nibble of 15: bytes that are added up to the first that is not 255. */
#define READ_LENGTH(length)                \
  do {                                     \
    u32 byte;                              \
    do {                                   \
      if (UNLIKELY(at >= end)) return -1;  \
      byte = *at++;                        \
      length += byte;                      \
    } while (byte == 255);                 \
  } while (0)

/**
 * Decompresses the block region_in[start, end) to `to` from `out_offset`; matches may reach back to the start of `to`.
 * Returns where the output ends, or a negative number for what is wrong; see codecs.ts. Lengths cannot overflow: they are
 * sums over at most REGION_BYTES bytes.
 */
static int decompress(u32 start, u32 stop, u8 *to, u32 out_offset, u32 out_limit) {
  const u8 *at = region_in + start;
  const u8 *const end = region_in + stop;
  u8 *out = to + out_offset;
  u8 *const out_end = to + out_limit;
  while (LIKELY(at < end)) {
    u32 token = *at++;
    u32 literals = token >> 4;
    if (literals == 15) {
      READ_LENGTH(literals);
      if (literals > (u32)(end - at) || literals > (u32)(out_end - out)) return -2;
      copy_steps(out, at, literals);
    } else {
      /* Reads and writes at most 16 bytes past either end, within the slack. */
      copy16(out, at);
      if (literals > (u32)(end - at) || literals > (u32)(out_end - out)) return -2;
    }
    at += literals;
    out += literals;
    if (UNLIKELY((u32)(end - at) < 2)) return at == end ? (int)(out - to) : -3;
    u32 distance = load16(at);
    at += 2;
    if (UNLIKELY(distance - 1 >= (u32)(out - to))) return -4;
    const u8 *from = out - distance;
    u32 length = token & 15;
    if (length == 15) READ_LENGTH(length);
    length += MIN_MATCH;
    if (UNLIKELY(length > (u32)(out_end - out))) return -5;
    if (LIKELY(distance >= 16)) {
      copy16(out, from);
      if (length > 16) copy_steps(out + 16, from + 16, length - 16);
    } else {
      v128_t repeated = wasm_i8x16_swizzle(wasm_v128_load(from), wasm_v128_load(repeat_lanes[distance]));
      u32 step = repeat_step[distance];
      u8 *target = out;
      u8 *target_end = out + length;
      do {
        wasm_v128_store(target, repeated);
        target += step;
      } while (target < target_end);
    }
    out += length;
  }
  return -6;
}

EXPORT(lz4_decompress_out) int lz4_decompress_out(u32 start, u32 end, u32 out_offset, u32 out_limit) {
  return decompress(start, end, region_out, out_offset, out_limit);
}

EXPORT(lz4_decompress_mid) int lz4_decompress_mid(u32 start, u32 end, u32 out_offset, u32 out_limit) {
  return decompress(start, end, region_mid, out_offset, out_limit);
}
