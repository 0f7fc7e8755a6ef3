#include "feed/depth_mirror.h"

#include <string.h>
#include <zlib.h>

#include "wire/decimal.h"

#define DIGITS_MAX 19u /* of an int64 */

static uint32_t cap_of(uint32_t depth_max) {
  return depth_max + tf_depth_mirror_message_max(depth_max);
}

size_t tf_depth_mirror_bytes(uint32_t depth_max) {
  return 2 * (size_t)cap_of(depth_max) * sizeof(tf_depth_level_t);
}

void tf_depth_mirror_init(tf_depth_mirror_t *mirror, void *memory, uint32_t depth_max) {
  tf_depth_level_t *levels = memory;
  mirror->cap              = cap_of(depth_max);
  mirror->depth            = depth_max;
  mirror->depth_max        = depth_max;
  mirror->sides[0]         = (tf_depth_side_t){levels, 0};
  mirror->sides[1]         = (tf_depth_side_t){levels + mirror->cap, 0};
}

void tf_depth_mirror_clear(tf_depth_mirror_t *mirror) {
  mirror->sides[0].cnt = mirror->sides[1].cnt = 0;
}

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
  tf_depth_level_t level  = {e->u.level.price, e->u.level.qty, e->price_exp, e->qty_exp};
  uint32_t         at     = rank_of(side, &level, is_ask);
  bool             stands = at < side->cnt && is_same_price(&side->levels[at], &level);
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

/* The text of a decimal as it was sent: without a power, with its zeros. */
static char *put_decimal(char *p, int64_t mantissa, int exp) {
  char     digits[DIGITS_MAX];
  uint32_t cnt = 0, point = exp < 0 ? (uint32_t)-exp : 0;
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

uint32_t tf_depth_mirror_checksum_pairs(const tf_depth_mirror_t *mirror, uint32_t level_cnt) {
  char  text[2 * TF_DEPTH_MIRROR_PAIRS_MAX * 2 * (DECIMAL_BYTES_MAX + 1)];
  char *p = text;
  for (uint32_t i = 0; i < level_cnt; i++) {
    for (int s = 0; s < 2; s++) {
      const tf_depth_side_t *side = &mirror->sides[s];
      if (i >= side->cnt) continue;
      const tf_depth_level_t *level = &side->levels[side->cnt - 1 - i];
      if (p != text) *p++ = ':';
      p    = put_decimal(p, level->price, level->price_exp);
      *p++ = ':';
      p    = put_decimal(p, level->qty, level->qty_exp);
    }
  }
  return (uint32_t)crc32_z(crc32_z(0, NULL, 0), (const uint8_t *)text, (size_t)(p - text));
}
