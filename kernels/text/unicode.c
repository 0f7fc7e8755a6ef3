#include "text/unicode.h"

typedef struct range {
  uint32_t first, last;
} range_t;

typedef struct plain {
  uint32_t c;
  uint32_t at; /* of its parts, up to those of the row behind it */
} plain_t;

#include "text/unicode_tables.inc"

/* ---- UTF-8 (The Unicode Standard, table 3-7) ---- */

static bool is_behind(const uint8_t *at, const uint8_t *end, uint32_t cnt) {
  if ((size_t)(end - at) < cnt) return false;
  for (uint32_t i = 0; i < cnt; i++)
    if ((at[i] & 0xc0) != 0x80) return false;
  return true;
}

uint32_t tf_unicode_next(const uint8_t **at, const uint8_t *end) {
  const uint8_t *b     = (*at)++;
  const uint32_t first = b[0];
  if (TF_LIKELY(first < 0x80)) return first;
  const uint32_t cnt = first >= 0xc2 && first < 0xe0   ? 1
                       : first >= 0xe0 && first < 0xf0 ? 2
                       : first >= 0xf0 && first < 0xf5 ? 3
                                                       : 0;
  if (cnt == 0 || !is_behind(b + 1, end, cnt)) return TF_UNICODE_INSTEAD;
  uint32_t c = first & (0x3fu >> cnt);
  for (uint32_t i = 1; i <= cnt; i++) c = c << 6 | (b[i] & 0x3f);
  const bool is_long   = (cnt == 2 && c < 0x800) || (cnt == 3 && c < 0x10000);
  const bool is_broken = is_long || (c >= 0xd800 && c < 0xe000) || c >= TF_UNICODE_CHARACTERS;
  if (is_broken) return TF_UNICODE_INSTEAD;
  *at += cnt;
  return c;
}

uint32_t tf_unicode_put(uint32_t c, uint8_t bytes[TF_UNICODE_UTF8_MAX]) {
  if (c < 0x80) {
    bytes[0] = (uint8_t)c;
    return 1;
  }
  const uint32_t cnt = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
  for (uint32_t i = cnt; i-- > 1; c >>= 6) bytes[i] = (uint8_t)(0x80 | (c & 0x3f));
  bytes[0] = (uint8_t)((0xf00u >> cnt & 0xff) | c);
  return cnt;
}

/* ---- classes ---- */

static bool is_in(const range_t *ranges, uint32_t cnt, uint32_t c) {
  uint32_t low = 0;
  while (cnt > 0) {
    const uint32_t half = cnt / 2;
    if (c > ranges[low + half].last)
      low += half + 1, cnt -= half + 1;
    else if (c >= ranges[low + half].first)
      return true;
    else
      cnt = half;
  }
  return false;
}

#define IS_IN(ranges, c) is_in(ranges, TF_ARRAY_CNT(ranges), c)

static tf_unicode_class_t class_of_ascii(uint32_t c) {
  if (c == ' ' || c == '\t' || c == '\n' || c == '\r') return TF_UNICODE_SPACE;
  if (c < 0x20 || c == 0x7f) return TF_UNICODE_OTHER;
  const bool is_letter = (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');
  return is_letter ? TF_UNICODE_LETTER : TF_UNICODE_POINT;
}

tf_unicode_class_t tf_unicode_class(uint32_t c) {
  if (TF_LIKELY(c < 0x80)) return class_of_ascii(c);
  if (c == TF_UNICODE_INSTEAD || IS_IN(others, c)) return TF_UNICODE_OTHER;
  if (IS_IN(spaces, c)) return TF_UNICODE_SPACE;
  if (IS_IN(marks, c)) return TF_UNICODE_MARK;
  return IS_IN(points, c) ? TF_UNICODE_POINT : TF_UNICODE_LETTER;
}

bool tf_unicode_is_ideograph(uint32_t c) {
  static const range_t BLOCKS[] = {
      {0x3400,  0x4dbf },
      {0x4e00,  0x9fff },
      {0xf900,  0xfaff },
      {0x20000, 0x2a6df},
      {0x2a700, 0x2b73f},
      {0x2b740, 0x2b81f},
      {0x2b820, 0x2ceaf},
      {0x2f800, 0x2fa1f},
  };
  return c >= 0x3400 && IS_IN(BLOCKS, c);
}

/* ---- plain ---- */

enum {
  HANGUL_FIRST  = 0xac00,
  HANGUL_CNT    = 11172,
  HANGUL_LEAD   = 0x1100,
  HANGUL_VOWEL  = 0x1161,
  HANGUL_TRAIL  = 0x11a7, /* 0 of them: none */
  HANGUL_VOWELS = 21,
  HANGUL_TRAILS = 28
};

static uint32_t plain_of_hangul(uint32_t c, uint32_t *plain) {
  const uint32_t at = c - HANGUL_FIRST, trail = at % HANGUL_TRAILS;
  plain[0] = HANGUL_LEAD + at / (HANGUL_VOWELS * HANGUL_TRAILS);
  plain[1] = HANGUL_VOWEL + at / HANGUL_TRAILS % HANGUL_VOWELS;
  plain[2] = HANGUL_TRAIL + trail;
  return trail ? 3 : 2;
}

uint32_t tf_unicode_plain(uint32_t c, uint32_t plain[TF_UNICODE_PLAIN_MAX]) {
  plain[0] = c;
  if (TF_LIKELY(c < 0x80)) {
    if (c >= 'A' && c <= 'Z') plain[0] = c | 0x20;
    return 1;
  }
  if (c - HANGUL_FIRST < HANGUL_CNT) return plain_of_hangul(c, plain);
  uint32_t low = 0, cnt = TF_ARRAY_CNT(plains) - 1;
  while (cnt > 0) { /* the first row not below c */
    const uint32_t half = cnt / 2;
    if (plains[low + half].c < c)
      low += half + 1, cnt -= half + 1;
    else
      cnt = half;
  }
  if (plains[low].c != c) return IS_IN(marks, c) ? 0 : 1;
  cnt = plains[low + 1].at - plains[low].at;
  TF_ASSERT(cnt <= TF_UNICODE_PLAIN_MAX);
  for (uint32_t i = 0; i < cnt; i++) plain[i] = plain_parts[plains[low].at + i];
  return cnt;
}
