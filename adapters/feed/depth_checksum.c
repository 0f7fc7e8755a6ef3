#include "feed/depth_checksum.h"

#include <zlib.h>

#include "wire/decimal.h"

const tf_depth_checksum_t tf_depth_checksum_digits = {.level_cnt = 10,
                                                      .text      = TF_DEPTH_TEXT_DIGITS};
const tf_depth_checksum_t tf_depth_checksum_pairs  = {
     .level_cnt = 25, .text = TF_DEPTH_TEXT_AS_SENT, .between = ':', .by_turns = true};

/* ---- texts ---- */

#define DIGITS_MAX 19u /* of an int64 */

static char *put_digits(char *p, int64_t value) {
  char     digits[DIGITS_MAX];
  uint32_t cnt = 0;
  for (uint64_t v = (uint64_t)value; v != 0; v /= 10) digits[cnt++] = (char)('0' + v % 10);
  while (cnt > 0) *p++ = digits[--cnt];
  return p;
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

static char *put_level(const tf_depth_checksum_t *c, char *p, const tf_depth_level_t *level,
                       bool is_ask) {
  if (c->text == TF_DEPTH_TEXT_OWN) return c->put(p, level, is_ask);
  if (c->text == TF_DEPTH_TEXT_DIGITS) return put_digits(put_digits(p, level->price), level->qty);
  p    = put_decimal(p, level->price, level->price_exp);
  *p++ = ':';
  return put_decimal(p, level->qty, level->qty_exp);
}

/* ---- what is kept of them ---- */

/* False: a text of usual numbers is none of this level's. */
static bool make_pair(const tf_depth_checksum_t *c, tf_depth_level_t *level) {
  bool are_digits = c->text == TF_DEPTH_TEXT_DIGITS;
  if (are_digits && level->price == 0) return false; /* has no digit at all */
  tf_crc32_number_t price = {level->price, are_digits ? 0 : level->price_exp};
  tf_crc32_number_t qty   = {level->qty, are_digits ? 0 : level->qty_exp};
  tf_crc32_part_t   first = {level->price_residue, level->price_bytes}, both;
  if (!tf_crc32_pair(price, qty, c->between, &first, &both)) return false;
  level->price_residue = first.residue;
  level->price_bytes   = (uint8_t)first.bytes;
  level->residue       = both.residue;
  level->text_bytes    = (uint8_t)both.bytes;
  return true;
}

/* Where the text is too long to be kept, text_bytes stays 0. */
static void make_text(const tf_depth_checksum_t *c, tf_depth_level_t *level, bool is_ask) {
  char text[TF_DEPTH_TEXT_BYTES_MAX + 1];
  if (c->text != TF_DEPTH_TEXT_OWN && TF_LIKELY(make_pair(c, level))) return;
  char *stop = put_level(c, text, level, is_ask);
  if (c->between != 0) *stop++ = c->between;
  size_t bytes = (size_t)(stop - text);
  if (bytes > UINT8_MAX) return;
  level->residue    = tf_crc32_residue(text, bytes);
  level->text_bytes = (uint8_t)bytes;
}

/* ---- all levels ---- */

typedef struct {
  tf_depth_level_t *level;
  bool              is_ask;
} place_t;

/* The levels in the order of their texts. */
static uint32_t best_levels(const tf_depth_mirror_t *mirror, place_t *places) {
  const tf_depth_checksum_t *c   = mirror->checksum;
  uint32_t                   cnt = 0;
  if (!c->by_turns) {
    for (int s = 1; s >= 0; s--)
      for (uint32_t i = 0, n = mirror->sides[s].cnt; i < c->level_cnt && i < n; i++)
        places[cnt++] = (place_t){tf_depth_mirror_at(mirror, s, n - 1 - i), s == 1};
    return cnt;
  }
  uint32_t bid_cnt = mirror->sides[0].cnt, ask_cnt = mirror->sides[1].cnt;
  for (uint32_t i = 0; i < c->level_cnt; i++) {
    if (i < bid_cnt)
      places[cnt++] = (place_t){tf_depth_mirror_at(mirror, 0, bid_cnt - 1 - i), false};
    if (i < ask_cnt)
      places[cnt++] = (place_t){tf_depth_mirror_at(mirror, 1, ask_cnt - 1 - i), true};
  }
  return cnt;
}

TF_COLD static uint32_t checksum_of_text(const tf_depth_checksum_t *c, const place_t *places,
                                         uint32_t cnt) {
  char     text[TF_DEPTH_TEXT_BYTES_MAX + 1];
  uint32_t crc = 0;
  for (uint32_t i = 0; i < cnt; i++) {
    char *stop = put_level(c, text, places[i].level, places[i].is_ask);
    if (c->between != 0 && i + 1 < cnt) *stop++ = c->between;
    crc = (uint32_t)crc32_z(crc, (const uint8_t *)text, (size_t)(stop - text));
  }
  return crc;
}

uint32_t tf_depth_checksum(tf_depth_mirror_t *mirror) {
  const tf_depth_checksum_t *c = mirror->checksum;
  place_t                    places[2 * TF_DEPTH_CHECKSUM_LEVELS_MAX];
  tf_crc32_part_t            parts[2 * TF_DEPTH_CHECKSUM_LEVELS_MAX];
  uint32_t                   cnt = best_levels(mirror, places), bytes = 0;
  bool                       are_kept = true;
  for (uint32_t i = 0; i < cnt; i++) {
    tf_depth_level_t *level = places[i].level;
    if (level->text_bytes == 0) make_text(c, level, places[i].is_ask);
    parts[i] = (tf_crc32_part_t){level->residue, level->text_bytes};
    bytes += level->text_bytes;
    are_kept &= level->text_bytes != 0;
  }
  if (TF_UNLIKELY(!are_kept || bytes > TF_CRC32_JOIN_BYTES_MAX))
    return checksum_of_text(c, places, cnt);
  return tf_crc32_join(parts, cnt, c->between);
}
