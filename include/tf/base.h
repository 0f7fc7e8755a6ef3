/* The macros and small arithmetic that every other header stands on. libc only; C17, and C++ and
 * nvcc read it too. Nothing here knows what a market is. */
#ifndef TF_BASE_H
#define TF_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

/* One x86 cache line, and the pair that the adjacent-line prefetcher fetches together: two
 * writers must not share a pair. */
#define TF_LINE_BYTES      64
#define TF_LINE_PAIR_BYTES 128

#define TF_NS_PER_US  UINT64_C(1000)
#define TF_NS_PER_MS  UINT64_C(1000000)
#define TF_NS_PER_SEC UINT64_C(1000000000)

#define TF_LIKELY(x)                 __builtin_expect(!!(x), 1)
#define TF_UNLIKELY(x)               __builtin_expect(!!(x), 0)
#define TF_COLD                      __attribute__((cold, noinline))
#define TF_PRINTF(fmt_idx, args_idx) __attribute__((format(printf, fmt_idx, args_idx)))
#define TF_ALIGNED(bytes)            __attribute__((aligned(bytes)))

/* For nvcc, of the card too: arithmetic that both sides share is written once. */
#ifdef __CUDACC__
#define TF_INLINE __host__ __device__ static inline __attribute__((always_inline))
#else
#define TF_INLINE static inline __attribute__((always_inline))
#endif

#ifdef __cplusplus
#define TF_STATIC_ASSERT(cond, why) static_assert(cond, why)
#else
#define TF_STATIC_ASSERT(cond, why) _Static_assert(cond, why)
#endif

#define TF_ARRAY_CNT(a) (sizeof(a) / sizeof((a)[0]))

/* Programmer error: always on, crashes. Operating errors are tf_err_t (tf/err.h). */
#define TF_ASSERT(cond)                                                                            \
  do {                                                                                             \
    if (TF_UNLIKELY(!(cond))) tf_assert_failed_(#cond, __FILE__, __LINE__);                        \
  } while (0)

__attribute__((cold)) static inline void tf_assert_failed_(const char *cond, const char *file,
                                                           int line) {
  fprintf(stderr, "fatal assert=\"%s\" at=%s:%d\n", cond, file, line);
  abort();
}

TF_INLINE bool tf_is_pow2(uint64_t x) { return x != 0 && (x & (x - 1)) == 0; }

/* Smallest multiple of align (a power of two) that is >= x. Wraps if x is within align of 2^64:
 * callers bound x first. */
TF_INLINE uint64_t tf_align_up(uint64_t x, uint64_t align) {
  return (x + align - 1) & ~(align - 1);
}

#endif
