/* Every memory order in tickfuse is named in this file and nowhere else.
 *
 * Shared words are plain integers that are only touched through these functions, over the
 * compiler's __atomic builtins, so that C, C++, nvcc and ThreadSanitizer read one header
 * (docs/adr/0002). Rules for callers, which tools/check_orders.py enforces:
 *   - a line with _acquire, _release or _both says "pairs with: <function>" on it or on the line above;
 *   - a line with _relaxed says "relaxed: <why that is enough>" likewise.
 *
 * acquire: no later access of this thread moves before the load.
 * release: no earlier access of this thread moves after the store. */
#ifndef TF_ATOMIC_H
#define TF_ATOMIC_H

#include "tf/base.h"

TF_INLINE uint64_t tf_load_acquire(const uint64_t *p) {
  return __atomic_load_n(p, __ATOMIC_ACQUIRE);
}
TF_INLINE uint64_t tf_load_relaxed(const uint64_t *p) {
  return __atomic_load_n(p, __ATOMIC_RELAXED);
}
TF_INLINE void tf_store_release(uint64_t *p, uint64_t v) {
  __atomic_store_n(p, v, __ATOMIC_RELEASE);
}
TF_INLINE void tf_store_relaxed(uint64_t *p, uint64_t v) {
  __atomic_store_n(p, v, __ATOMIC_RELAXED);
}

TF_INLINE uint32_t tf_load_acquire_u32(const uint32_t *p) {
  return __atomic_load_n(p, __ATOMIC_ACQUIRE);
}
TF_INLINE uint32_t tf_load_relaxed_u32(const uint32_t *p) {
  return __atomic_load_n(p, __ATOMIC_RELAXED);
}
TF_INLINE void tf_store_release_u32(uint32_t *p, uint32_t v) {
  __atomic_store_n(p, v, __ATOMIC_RELEASE);
}
TF_INLINE void tf_store_relaxed_u32(uint32_t *p, uint32_t v) {
  __atomic_store_n(p, v, __ATOMIC_RELAXED);
}

/* Replaces *p by desired if it is *expected, and says so; else *expected becomes what it is. For words that
 * are all there is to know: nothing else is published by them. */
TF_INLINE bool tf_swap_relaxed(uint64_t *p, uint64_t *expected, uint64_t desired) {
  return __atomic_compare_exchange_n(p, expected, desired, false, __ATOMIC_RELAXED,
                                     __ATOMIC_RELAXED);
}

/* As tf_swap_relaxed, of a word that others read for what was published before it. */
TF_INLINE bool tf_swap_both(uint64_t *p, uint64_t *expected, uint64_t desired) {
  return __atomic_compare_exchange_n(p, expected, desired, false, __ATOMIC_ACQ_REL,
                                     __ATOMIC_ACQUIRE);
}

/* Puts desired in the place of what was there, which is returned: a hand-over in both directions at once. */
TF_INLINE uint64_t tf_exchange_both(uint64_t *p, uint64_t desired) {
  return __atomic_exchange_n(p, desired, __ATOMIC_ACQ_REL);
}

/* A counter word with one writer: a plain add, published so that a reader never sees it torn. */
TF_INLINE void tf_count_add(uint64_t *p, uint64_t n) {
  __atomic_store_n(p, __atomic_load_n(p, __ATOMIC_RELAXED) + n, __ATOMIC_RELAXED);
}

/* Copies whole words to or from memory that another thread may be writing or reading. Each word is
 * untorn; the record as a whole is only consistent if the caller's protocol says so (bcast.h). */
TF_INLINE void tf_words_from_shared(uint64_t *target, const uint64_t *source, size_t word_cnt) {
  for (size_t i = 0; i < word_cnt; i++) target[i] = __atomic_load_n(&source[i], __ATOMIC_RELAXED);
}
TF_INLINE void tf_words_to_shared(uint64_t *target, const uint64_t *source, size_t word_cnt) {
  for (size_t i = 0; i < word_cnt; i++) __atomic_store_n(&target[i], source[i], __ATOMIC_RELAXED);
}

/* Stand-alone fences. ThreadSanitizer does not see them: bcast.h alone may use them. */
TF_INLINE void tf_fence_acquire(void) { __atomic_thread_fence(__ATOMIC_ACQUIRE); }
TF_INLINE void tf_fence_release(void) { __atomic_thread_fence(__ATOMIC_RELEASE); }

/* One step of a spin wait: tells the core (and a hypervisor) that this thread only polls. */
TF_INLINE void tf_spin_pause(void) {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ __volatile__("yield");
#endif
}

#endif
