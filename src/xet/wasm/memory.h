/* Memory of the kernels. Each region is preceded by a guard and followed by slack: copies go in steps of 16 bytes and may
 * run up to two steps past their end, which the callers of these kernels never see. */
#ifndef HUBDRIVE_MEMORY_H
#define HUBDRIVE_MEMORY_H

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;

/** Bytes that a region takes. */
#define REGION_BYTES (256 * 1024)
#define REGION_SLACK 256
/** Inputs are aligned so that an address modulo 65536 is the offset in its region modulo 65536. */
#define REGION_ALIGNMENT 65536

/** Input of every kernel, a second input or intermediate, and the output. */
extern u8 region_in[REGION_BYTES + REGION_SLACK] __attribute__((aligned(REGION_ALIGNMENT)));
extern u8 region_mid[REGION_BYTES + REGION_SLACK] __attribute__((aligned(REGION_ALIGNMENT)));
extern u8 region_out[REGION_BYTES + REGION_SLACK];

#define EXPORT(name) __attribute__((export_name(#name)))
#define INLINE static inline __attribute__((always_inline))
#define LIKELY(x) __builtin_expect(!!(x), 1)
#define UNLIKELY(x) __builtin_expect(!!(x), 0)

/* Unaligned little-endian access; WebAssembly is little-endian everywhere. */
INLINE u16 load16(const u8 *at) { u16 v; __builtin_memcpy(&v, at, sizeof v); return v; }
INLINE u32 load32(const u8 *at) { u32 v; __builtin_memcpy(&v, at, sizeof v); return v; }
INLINE u64 load64(const u8 *at) { u64 v; __builtin_memcpy(&v, at, sizeof v); return v; }
INLINE void store16(u8 *at, u16 v) { __builtin_memcpy(at, &v, sizeof v); }
INLINE void store32(u8 *at, u32 v) { __builtin_memcpy(at, &v, sizeof v); }

#endif
