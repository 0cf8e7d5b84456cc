/* Gear hash of content-defined chunking: finds every place where the hash of the 64 bytes before has its top 16 bits zero.
 * Which of these become cuts is the caller's matter, so the scan need not know where chunks begin. */
#include <wasm_simd128.h>
#include "memory.h"
#include "gear-table.h"

/** The hash forgets a byte after 64 more. */
#define WINDOW 64
/** Matches come once in 65536 bytes; a lane with more of them than this is left to the caller's slow way. */
#define MAX_MATCHES 1024
/** Four stretches are hashed side by side, since one alone waits for its own last sum at every byte. */
#define LANES 4
/** Bytes of each lane between two looks for matches. */
#define GROUP 8
/** Bytes of a lane: constants, so that one address serves all four. */
#define LONG_STRETCH (32 * 1024)
#define SHORT_STRETCH 2048

static u32 found[LANES][MAX_MATCHES];
static u32 counts[LANES];
static u32 matches[LANES * MAX_MATCHES];
static u32 total;

EXPORT(matches_address) u32 matches_address(void) { return (u32)matches; }

/** Hashes [at, end) on from `hash` and notes the matches of a lane, or only counts those for which it has no room. */
__attribute__((noinline)) static u64 scan_bytes(u64 hash, const u8 *at, const u8 *end, u32 lane) {
  u32 count = counts[lane];
#pragma clang loop unroll(disable)
  for (; at < end; at += 1) {
    hash = hash + hash + gear_table[*at];
    if (LIKELY(hash >> 48 != 0)) continue;
    if (count < MAX_MATCHES) found[lane][count] = (u32)(at - region_in) + 1;
    count += 1;
  }
  counts[lane] = count;
  return hash;
}

__attribute__((noinline)) static u64 hash_before(const u8 *at) {
  u64 hash = 0;
#pragma clang loop unroll(disable)
  for (const u8 *from = at - WINDOW; from < at; from += 1) hash = hash + hash + gear_table[*from];
  return hash;
}

INLINE v128_t table_pair(u32 first, u32 second) {
  return wasm_v128_load64_lane(&gear_table[second], wasm_v128_load64_zero(&gear_table[first]), 1);
}

INLINE v128_t shift_add(v128_t hash, v128_t entries) {
  return wasm_i64x2_add(wasm_i64x2_add(hash, hash), entries);
}

/** Scans LANES stretches of `stretch` bytes, a multiple of GROUP and a constant where this is inlined. */
INLINE void scan_lanes(const u8 *at, u32 stretch) {
  const u8 *const end = at + stretch;
  v128_t ab = wasm_i64x2_make((long long)hash_before(at), (long long)hash_before(at + stretch));
  v128_t cd = wasm_i64x2_make((long long)hash_before(at + 2 * stretch), (long long)hash_before(at + 3 * stretch));
  const v128_t low_words = wasm_i64x2_splat(0x0000ffffffffffffLL);
#pragma clang loop unroll(disable)
  for (; at < end; at += GROUP) {
    v128_t ab_before = ab, cd_before = cd;
    v128_t smallest = wasm_i64x2_splat(-1);
#pragma clang loop unroll(full)
    for (u32 i = 0; i < GROUP; i += 1) {
      ab = shift_add(ab, table_pair(at[i], at[i + stretch]));
      cd = shift_add(cd, table_pair(at[i + 2 * stretch], at[i + 3 * stretch]));
      smallest = wasm_u16x8_min(smallest, wasm_u16x8_min(ab, cd));
    }
    if (LIKELY(wasm_i16x8_all_true(wasm_v128_or(smallest, low_words)))) continue;
    scan_bytes((u64)wasm_i64x2_extract_lane(ab_before, 0), at, at + GROUP, 0);
    scan_bytes((u64)wasm_i64x2_extract_lane(ab_before, 1), at + stretch, at + stretch + GROUP, 1);
    scan_bytes((u64)wasm_i64x2_extract_lane(cd_before, 0), at + 2 * stretch, at + 2 * stretch + GROUP, 2);
    scan_bytes((u64)wasm_i64x2_extract_lane(cd_before, 1), at + 3 * stretch, at + 3 * stretch + GROUP, 3);
  }
}

/** Moves what the lanes found to the end of `matches`; whether all of it had room. */
static int collect(void) {
  for (u32 lane = 0; lane < LANES; lane += 1) {
    u32 count = counts[lane];
    counts[lane] = 0;
    if (count > MAX_MATCHES || total + count > LANES * MAX_MATCHES) return 0;
    for (u32 i = 0; i < count; i += 1) matches[total++] = found[lane][i];
  }
  return 1;
}

/**
 * Scans region_in[start, end), before which the WINDOW bytes before it in the stream stand, or anything at its beginning.
 * Puts the offsets behind the matching bytes into `matches`, ascending, and returns how many; -1 if there are too many.
 */
EXPORT(gear_scan) int gear_scan(u32 start, u32 end) {
  total = 0;
  __builtin_memset(counts, 0, sizeof counts);
  for (; start + LANES * LONG_STRETCH <= end; start += LANES * LONG_STRETCH) {
    scan_lanes(region_in + start, LONG_STRETCH);
    if (!collect()) return -1;
  }
  for (; start + LANES * SHORT_STRETCH <= end; start += LANES * SHORT_STRETCH) {
    scan_lanes(region_in + start, SHORT_STRETCH);
    if (!collect()) return -1;
  }
  const u8 *at = region_in + start;
  scan_bytes(hash_before(at), at, region_in + end, 0);
  return collect() ? (int)total : -1;
}
