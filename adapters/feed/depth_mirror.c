#include "feed/depth_mirror.h"

#include <string.h>
#include <zlib.h>

#include "wire/decimal.h"

#define DIGITS_MAX 19u /* of an int64 */

static uint32_t cap_of(uint32_t depth_max) {
  return depth_max + tf_depth_mirror_message_max(depth_max);
}

size_t tf_depth_mirror_bytes(uint32_t depth_max) {
  return 2 * (size_t)cap_of(depth_max) * sizeof(tf_depth_level_t) +
         TF_DEPTH_TEXTS * sizeof(tf_depth_text_t);
}

void tf_depth_mirror_init(tf_depth_mirror_t *mirror, void *memory, uint32_t depth_max) {
  tf_depth_level_t *levels = memory;
  mirror->cap              = cap_of(depth_max);
  mirror->depth            = depth_max;
  mirror->depth_max        = depth_max;
  mirror->sides[0]         = (tf_depth_side_t){levels, 0};
  mirror->sides[1]         = (tf_depth_side_t){levels + mirror->cap, 0};
  mirror->texts            = (tf_depth_text_t *)(void *)(levels + 2 * (size_t)mirror->cap);
  memset(mirror->texts, 0, TF_DEPTH_TEXTS * sizeof *mirror->texts);
  tf_depth_mirror_clear(mirror);
}

void tf_depth_mirror_clear(tf_depth_mirror_t *mirror) {
  mirror->sides[0].cnt = mirror->sides[1].cnt = 0;
  mirror->key_exp                             = TF_DEPTH_NO_EXP;
  mirror->is_coarse                           = false;
}

/* ---- keys ---- */

/* False: it does not fit. */
static bool scale(int64_t *key, int apart) {
  return apart <= 18 && !__builtin_mul_overflow(*key, (int64_t)tf_decimal_pow10[apart], key);
}

/* A finer exponent, for all levels. */
TF_COLD static void refine(tf_depth_mirror_t *mirror, int8_t exp) {
  int apart = mirror->key_exp == TF_DEPTH_NO_EXP ? 0 : mirror->key_exp - exp;
  for (int s = 0; s < 2; s++)
    for (uint32_t i = 0; i < mirror->sides[s].cnt; i++)
      mirror->is_coarse |= !scale(&mirror->sides[s].levels[i].key, apart);
  mirror->key_exp = exp;
}

/* False: the mirror is coarse. */
static bool make_key(tf_depth_mirror_t *mirror, tf_depth_level_t *level, bool is_ask) {
  if (TF_UNLIKELY(level->price_exp < mirror->key_exp)) refine(mirror, level->price_exp);
  level->key = is_ask ? -level->price : level->price;
  if (TF_UNLIKELY(!scale(&level->key, level->price_exp - mirror->key_exp)))
    mirror->is_coarse = true;
  return !mirror->is_coarse;
}

/* Where the key stands, or belongs. No branch hangs on a comparison: where a change falls nobody foresees. */
static uint32_t rank_of_key(const tf_depth_side_t *side, int64_t key) {
  const tf_depth_level_t *at = side->levels;
  uint32_t                n  = side->cnt;
  if (n == 0) return 0;
  while (n > 1) {
    uint32_t half = n / 2;
    at += at[half - 1].key < key ? half : 0;
    n -= half;
  }
  return (uint32_t)(at - side->levels) + (at->key < key);
}

/* ---- the same by prices ---- */

/* a < b for numbers that are not negative and of different exponents. */
TF_COLD static bool is_less_scaled(int64_t a, int a_exp, int64_t b, int b_exp) {
  int apart = a_exp > b_exp ? a_exp - b_exp : b_exp - a_exp;
  if (apart > 19) return b != 0 && (a_exp < b_exp || a == 0); /* 10^19 is over any mantissa */
  __uint128_t x = (uint64_t)a, y = (uint64_t)b;
  if (a_exp > b_exp)
    x *= tf_decimal_pow10[apart];
  else
    y *= tf_decimal_pow10[apart];
  return x < y;
}

TF_INLINE bool is_less(const tf_depth_level_t *a, const tf_depth_level_t *b) {
  if (TF_LIKELY(a->price_exp == b->price_exp)) return a->price < b->price;
  return is_less_scaled(a->price, a->price_exp, b->price, b->price_exp);
}

/* Where the level stands, or belongs. */
static uint32_t rank_of(const tf_depth_side_t *side, const tf_depth_level_t *level, bool is_ask) {
  uint32_t low = 0, high = side->cnt;
  while (low < high) {
    uint32_t                half = low + (high - low) / 2;
    const tf_depth_level_t *at   = &side->levels[half];
    if (is_ask ? is_less(level, at) : is_less(at, level))
      low = half + 1;
    else
      high = half;
  }
  return low;
}

static bool is_same_price(const tf_depth_level_t *a, const tf_depth_level_t *b) {
  return !is_less(a, b) && !is_less(b, a);
}

void tf_depth_mirror_apply(tf_depth_mirror_t *mirror, const tf_event_t *e) {
  bool             is_ask = (e->flags & TF_FLAG_SIDE) != 0;
  tf_depth_side_t *side   = &mirror->sides[is_ask];
  tf_depth_level_t level  = {.price     = e->u.level.price,
                             .qty       = e->u.level.qty,
                             .price_exp = e->price_exp,
                             .qty_exp   = e->qty_exp};
  bool             by_key = TF_LIKELY(make_key(mirror, &level, is_ask));
  uint32_t         at     = by_key ? rank_of_key(side, level.key) : rank_of(side, &level, is_ask);
  bool             stands = at < side->cnt && (by_key ? side->levels[at].key == level.key
                                                      : is_same_price(&side->levels[at], &level));
  if (stands && level.qty != 0) {
    side->levels[at] = level;
    return;
  }
  tf_depth_level_t *place  = &side->levels[at];
  size_t            behind = (side->cnt - at) * sizeof *place;
  if (stands) {
    memmove(place, place + 1, behind - sizeof *place);
    side->cnt--;
  } else if (level.qty != 0) {
    TF_ASSERT(side->cnt < mirror->cap); /* the caller has counted */
    memmove(place + 1, place, behind);
    *place = level;
    side->cnt++;
  }
}

void tf_depth_mirror_cut(tf_depth_mirror_t *mirror) {
  for (int s = 0; s < 2; s++) {
    tf_depth_side_t *side   = &mirror->sides[s];
    uint32_t         excess = tf_depth_mirror_excess(mirror, s);
    if (excess == 0) continue;
    side->cnt -= excess;
    memmove(side->levels, side->levels + excess, side->cnt * sizeof *side->levels);
  }
}

static char *put_digits(char *p, int64_t value) {
  char     digits[DIGITS_MAX];
  uint32_t cnt = 0;
  for (uint64_t v = (uint64_t)value; v != 0; v /= 10) digits[cnt++] = (char)('0' + v % 10);
  while (cnt > 0) *p++ = digits[--cnt];
  return p;
}

uint32_t tf_depth_mirror_checksum(const tf_depth_mirror_t *mirror) {
  char  text[2 * TF_DEPTH_MIRROR_CHECKSUM_LEVELS * 2 * DIGITS_MAX];
  char *p = text;
  for (int s = 1; s >= 0; s--) {
    const tf_depth_side_t *side = &mirror->sides[s];
    for (uint32_t i = 0; i < TF_DEPTH_MIRROR_CHECKSUM_LEVELS && i < side->cnt; i++) {
      const tf_depth_level_t *level = &side->levels[side->cnt - 1 - i];
      p                             = put_digits(p, level->price);
      p                             = put_digits(p, level->qty);
    }
  }
  return (uint32_t)crc32_z(crc32_z(0, NULL, 0), (const uint8_t *)text, (size_t)(p - text));
}

/* Eight digits of a number below 10^8, the first in the lowest byte: fours, pairs and digits are parted in one
 * word. */
static uint64_t eight_digits(uint32_t number) {
  uint64_t v = number / 10000 | (uint64_t)(number % 10000) << 32;
  uint64_t q = v * 10486 >> 20 & UINT64_C(0x0000007f0000007f); /* a hundredth */
  v          = q | (v - q * 100) << 16;
  q          = v * 103 >> 10 & UINT64_C(0x000f000f000f000f); /* a tenth */
  return q | (v - q * 10) << 8;
}

/* The same as below for up to 16 digits, as many of them behind the point at most. Writes up to 34 bytes. */
static char *put_short_decimal(char *p, uint64_t mantissa, uint32_t point) {
  char     text[16 + 16 + 17] = "00000000000000000000000000000000"; /* 16 zeros, then the digits */
  uint64_t front              = eight_digits((uint32_t)(mantissa / 100000000));
  uint64_t back               = eight_digits((uint32_t)(mantissa % 100000000));
  uint32_t zeros              = front != 0 ? (uint32_t)__builtin_ctzll(front) / 8
                                           : 8 + (back != 0 ? (uint32_t)__builtin_ctzll(back) / 8 : 8);
  uint32_t cnt = 16 - zeros > point ? 16 - zeros : point + 1, whole = cnt - point;
  front |= UINT64_C(0x3030303030303030);
  back |= UINT64_C(0x3030303030303030);
  memcpy(text + 16, &front, 8);
  memcpy(text + 24, &back, 8);
  const char *first = text + 32 - cnt;
  memcpy(p, first, 17);
  if (point == 0) return p + whole;
  p[whole] = '.';
  memcpy(p + whole + 1, first + whole, 16);
  return p + cnt + 1;
}

/* The text of a decimal as it was sent: without a power, with its zeros. */
static char *put_decimal(char *p, int64_t mantissa, int exp) {
  char     digits[DIGITS_MAX];
  uint32_t cnt = 0, point = exp < 0 ? (uint32_t)-exp : 0;
  if (TF_LIKELY((uint64_t)mantissa < tf_decimal_pow10[16] && point <= 16 && exp <= 0))
    return put_short_decimal(p, (uint64_t)mantissa, point);
  for (uint64_t v = (uint64_t)mantissa; v != 0; v /= 10) digits[cnt++] = (char)('0' + v % 10);
  if (cnt <= point) {
    *p++ = '0';
    if (point > 0) *p++ = '.';
    for (uint32_t zeros = point - cnt; zeros > 0; zeros--) *p++ = '0';
  }
  while (cnt > 0) {
    *p++ = digits[--cnt];
    if (cnt == point && point > 0) *p++ = '.';
  }
  for (; exp > 0; exp--) *p++ = '0';
  return p;
}
#define DECIMAL_BYTES_MAX (DIGITS_MAX + 2 + 128) /* exponents are an int8 */

static char *put_pair(char *p, const tf_depth_level_t *level) {
  p    = put_decimal(p, level->price, level->price_exp);
  *p++ = ':';
  return put_decimal(p, level->qty, level->qty_exp);
}

/* The same, from where it was kept or to there. Writes up to TF_DEPTH_TEXT_BYTES_MAX bytes at p, whatever it returns. */
static char *copy_pair(char *p, const tf_depth_mirror_t *mirror, const tf_depth_level_t *level) {
  uint64_t hash = (uint64_t)level->price * UINT64_C(0x9e3779b97f4a7c15) +
                  (uint64_t)level->qty * UINT64_C(0xd6e8feb86659fd93);
  tf_depth_text_t *kept = &mirror->texts[hash >> 57];
  if (TF_UNLIKELY(kept->price != level->price || kept->qty != level->qty || kept->bytes == 0 ||
                  kept->price_exp != level->price_exp || kept->qty_exp != level->qty_exp)) {
    char  *stop  = put_pair(p, level);
    size_t bytes = (size_t)(stop - p);
    if (bytes > TF_DEPTH_TEXT_BYTES_MAX) return stop;
    *kept = (tf_depth_text_t){.price     = level->price,
                              .qty       = level->qty,
                              .price_exp = level->price_exp,
                              .qty_exp   = level->qty_exp,
                              .bytes     = (uint8_t)bytes};
    memcpy(kept->text, p, bytes);
    return stop;
  }
  memcpy(p, kept->text, TF_DEPTH_TEXT_BYTES_MAX);
  return p + kept->bytes;
}
TF_STATIC_ASSERT(TF_DEPTH_TEXTS == 128, "the top seven bits of the hash pick one");

uint32_t tf_depth_mirror_checksum_pairs(const tf_depth_mirror_t *mirror, uint32_t level_cnt) {
  char  text[2 * TF_DEPTH_MIRROR_PAIRS_MAX * 2 * (DECIMAL_BYTES_MAX + 1) + TF_DEPTH_TEXT_BYTES_MAX];
  char *p = text;
  for (uint32_t i = 0; i < level_cnt; i++) {
    for (int s = 0; s < 2; s++) {
      const tf_depth_side_t *side = &mirror->sides[s];
      if (i >= side->cnt) continue;
      if (p != text) *p++ = ':';
      p = copy_pair(p, mirror, &side->levels[side->cnt - 1 - i]);
    }
  }
  return (uint32_t)crc32_z(crc32_z(0, NULL, 0), (const uint8_t *)text, (size_t)(p - text));
}
