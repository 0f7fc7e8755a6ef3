#include "wire/utf8.h"

#include <string.h>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

/* What may come next, from the Unicode standard's table 3-7: after a first byte, only the second
 * byte's range varies; the rest are 80..BF. */
enum {
  UTF8_START = 0,
  UTF8_LAST,       /* one more, 80..BF */
  UTF8_TWO_LEFT,   /* two more */
  UTF8_THREE_LEFT, /* three more */
  UTF8_AFTER_E0,   /* A0..BF: no overlong form */
  UTF8_AFTER_ED,   /* 80..9F: no surrogate */
  UTF8_AFTER_F0,   /* 90..BF: no overlong form */
  UTF8_AFTER_F4,   /* 80..8F: not above U+10FFFF */
  UTF8_FAULT
};

static const struct {
  uint8_t low, high, next;
} utf8_next[UTF8_FAULT] = {
    [UTF8_LAST] = {0x80, 0xBF, UTF8_START   },
      [UTF8_TWO_LEFT] = {0x80, 0xBF, UTF8_LAST    },
    [UTF8_THREE_LEFT] = {0x80, 0xBF, UTF8_TWO_LEFT},
      [UTF8_AFTER_E0] = {0xA0, 0xBF, UTF8_LAST    },
    [UTF8_AFTER_ED] = {0x80, 0x9F, UTF8_LAST    },
      [UTF8_AFTER_F0] = {0x90, 0xBF, UTF8_TWO_LEFT},
    [UTF8_AFTER_F4] = {0x80, 0x8F, UTF8_TWO_LEFT},
};

TF_INLINE uint8_t utf8_first(uint8_t byte) {
  if (byte < 0x80) return UTF8_START;
  if (byte < 0xC2) return UTF8_FAULT; /* a continuation, or the overlong C0 and C1 */
  if (byte < 0xE0) return UTF8_LAST;
  if (byte == 0xE0) return UTF8_AFTER_E0;
  if (byte == 0xED) return UTF8_AFTER_ED;
  if (byte < 0xF0) return UTF8_TWO_LEFT;
  if (byte == 0xF0) return UTF8_AFTER_F0;
  if (byte < 0xF4) return UTF8_THREE_LEFT;
  return byte == 0xF4 ? UTF8_AFTER_F4 : UTF8_FAULT;
}

TF_INLINE uint8_t utf8_step(uint8_t state, uint8_t byte) {
  if (state == UTF8_START) return utf8_first(byte);
  if (byte < utf8_next[state].low || byte > utf8_next[state].high) return UTF8_FAULT;
  return utf8_next[state].next;
}

/* The first byte at or after p that is not ASCII, or end; or, cheaper, some byte before it. */
TF_INLINE const uint8_t *utf8_skip_ascii(const uint8_t *p, const uint8_t *end) {
#if defined(__SSE2__)
  while (end - p >= 64) {
    __m128i a = _mm_loadu_si128((const __m128i *)(const void *)p);
    __m128i b = _mm_loadu_si128((const __m128i *)(const void *)(p + 16));
    __m128i c = _mm_loadu_si128((const __m128i *)(const void *)(p + 32));
    __m128i d = _mm_loadu_si128((const __m128i *)(const void *)(p + 48));
    if (_mm_movemask_epi8(_mm_or_si128(_mm_or_si128(a, b), _mm_or_si128(c, d)))) break;
    p += 64;
  }
  while (end - p >= 16) {
    __m128i  a    = _mm_loadu_si128((const __m128i *)(const void *)p);
    unsigned high = (unsigned)_mm_movemask_epi8(a);
    if (high) return p + __builtin_ctz(high);
    p += 16;
  }
#endif
  while (end - p >= 8) {
    uint64_t word;
    memcpy(&word, p, 8);
    if (word & UINT64_C(0x8080808080808080)) break;
    p += 8;
  }
  while (p < end && *p < 0x80) p++;
  return p;
}

bool tf_utf8_update(tf_utf8_t *utf8, const uint8_t *bytes, size_t cnt) {
  const uint8_t *p = bytes, *end = bytes + cnt;
  uint8_t        state = utf8->state;
  while (p < end) {
    if (state == UTF8_START && *p < 0x80) {
      p = utf8_skip_ascii(p, end);
      if (p == end) break;
    }
    state = utf8_step(state, *p++);
    if (TF_UNLIKELY(state == UTF8_FAULT)) return false;
  }
  utf8->state = state;
  return true;
}

bool tf_utf8_valid(const uint8_t *bytes, size_t cnt) {
  tf_utf8_t utf8 = {0};
  return tf_utf8_update(&utf8, bytes, cnt) && tf_utf8_complete(&utf8);
}
