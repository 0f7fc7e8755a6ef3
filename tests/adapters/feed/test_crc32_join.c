#include "cmocka_tf.h"

#include <stdio.h>
#include <string.h>
#include <zlib.h>

#include "feed/crc32_join.h"
#include "wire/decimal.h"

static uint64_t rng_state = 0x9e3779b97f4a7c15u;
static uint32_t rng(uint32_t below) {
  rng_state ^= rng_state << 13;
  rng_state ^= rng_state >> 7;
  rng_state ^= rng_state << 17;
  return (uint32_t)(rng_state >> 33) % below;
}

#define PARTS_MAX 50u

static uint32_t crc_of(const char *text, size_t bytes) {
  return (uint32_t)crc32_z(crc32_z(0, NULL, 0), (const uint8_t *)text, bytes);
}

/* Any bytes, cut anywhere, with and without a byte between; both ways of multiplying. */
static void parts_join_to_what_zlib_says_of_the_whole(void **state) {
  (void)state;
  for (int round = 0; round < 20000; round++) {
    tf_crc32_part_t parts[PARTS_MAX];
    char            text[TF_CRC32_JOIN_BYTES_MAX];
    char            between = rng(2) ? (char)(1 + rng(255)) : 0;
    uint32_t        cnt = rng(PARTS_MAX + 1), at = 0;
    for (uint32_t i = 0; i < cnt; i++) {
      uint32_t bytes = (between != 0) + rng(46);
      for (uint32_t k = 0; k < bytes; k++) text[at + k] = (char)rng(256);
      if (between != 0) text[at + bytes - 1] = between;
      parts[i] = (tf_crc32_part_t){tf_crc32_residue(text + at, bytes), bytes};
      at += bytes;
    }
    uint32_t crc = crc_of(text, at - (between != 0 && cnt > 0));
    assert_int_equal(tf_crc32_join(parts, cnt, between), crc);
    assert_int_equal(tf_crc32_join_by_shifts(parts, cnt, between), crc);
  }
}

static void most_bytes_join_and_one_less(void **state) {
  (void)state;
  static char text[TF_CRC32_JOIN_BYTES_MAX];
  memset(text, '7', sizeof text);
  for (uint32_t less = 0; less < 2; less++) {
    uint32_t        bytes   = TF_CRC32_JOIN_BYTES_MAX - less;
    tf_crc32_part_t parts[] = {
        {tf_crc32_residue(text, 1),         1        },
        {tf_crc32_residue(text, bytes - 1), bytes - 1}
    };
    assert_int_equal(tf_crc32_join(parts, 2, 0), crc_of(text, bytes));
    assert_int_equal(tf_crc32_join(parts, 2, '7'), crc_of(text, bytes - 1));
    assert_int_equal(tf_crc32_join_by_shifts(parts, 2, 0), crc_of(text, bytes));
  }
}

static bool has_multiply(void) {
  tf_crc32_part_t first = {0, 0}, both;
  return tf_crc32_pair((tf_crc32_number_t){1, 0}, (tf_crc32_number_t){1, 0}, 0, &first, &both);
}

static uint64_t any_mantissa(uint32_t digits) {
  uint64_t mantissa = 0;
  for (uint32_t i = 0; i < digits; i++) mantissa = mantissa * 10 + rng(10);
  return mantissa;
}

/* Against tf_decimal_format, which writes digit by digit. */
static void pair_has_the_residue_of_its_text(void **state) {
  (void)state;
  if (!has_multiply()) skip();
  for (int round = 0; round < 200000; round++) {
    char              between = rng(2) ? ':' : 0, text[2 * TF_DECIMAL_TEXT_BYTES + 2];
    tf_crc32_number_t pair[2];
    size_t            at = 0, first_bytes = 0;
    for (int i = 0; i < 2; i++) {
      pair[i] =
          (tf_crc32_number_t){(int64_t)any_mantissa(rng(15)), between != 0 ? -(int)rng(14) : 0};
      at += tf_decimal_format(pair[i].mantissa, (int8_t)pair[i].exp, text + at);
      if (between != 0) text[at++] = between;
      if (i == 0) first_bytes = at;
    }
    tf_crc32_part_t first = {0, 0}, both, again;
    assert_true(tf_crc32_pair(pair[0], pair[1], between, &first, &both));
    assert_int_equal(first.bytes, first_bytes);
    assert_int_equal(first.residue, tf_crc32_residue(text, first_bytes));
    assert_int_equal(both.bytes, at);
    assert_int_equal(both.residue, tf_crc32_residue(text, at));
    assert_true(tf_crc32_pair(pair[0], pair[1], between, &first, &again)); /* the first as kept */
    assert_int_equal(again.residue, both.residue);
    assert_int_equal(again.bytes, both.bytes);
  }
}

static void longest_numbers_are_taken_and_longer_ones_refused(void **state) {
  (void)state;
  if (!has_multiply()) skip();
  static const struct {
    tf_crc32_number_t number;
    bool              is_taken;
  } cases[] = {
      {{99999999999999, 0},   true },
      {{100000000000000, 0},  false},
      {{99999999999999, -13}, true },
      {{99999999999999, -14}, false},
      {{0, -13},              true },
      {{0, 0},                true },
      {{1, 1},                false},
      {{-1, 0},               false},
      {{INT64_MAX, 0},        false},
  };
  for (size_t i = 0; i < TF_ARRAY_CNT(cases); i++) {
    for (int place = 0; place < 2; place++) {
      tf_crc32_number_t other = {25, -1};
      tf_crc32_part_t   first = {0, 0}, both = {77, 77};
      tf_crc32_number_t one = place ? other : cases[i].number,
                        two = place ? cases[i].number : other;
      assert_int_equal(tf_crc32_pair(one, two, ':', &first, &both), cases[i].is_taken);
      if (!cases[i].is_taken) {
        assert_int_equal(first.bytes, 0);
        assert_int_equal(both.bytes, 77);
        continue;
      }
      char   text[2 * TF_DECIMAL_TEXT_BYTES + 2];
      size_t at  = tf_decimal_format(one.mantissa, (int8_t)one.exp, text);
      text[at++] = ':';
      at += tf_decimal_format(two.mantissa, (int8_t)two.exp, text + at);
      text[at++] = ':';
      assert_int_equal(both.bytes, at);
      assert_int_equal(both.residue, tf_crc32_residue(text, at));
    }
  }
}

static int set_up(void **state) {
  (void)state;
  tf_crc32_join_start();
  return 0;
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(parts_join_to_what_zlib_says_of_the_whole),
      cmocka_unit_test(most_bytes_join_and_one_less),
      cmocka_unit_test(pair_has_the_residue_of_its_text),
      cmocka_unit_test(longest_numbers_are_taken_and_longer_ones_refused),
  };
  return cmocka_run_group_tests(tests, set_up, NULL);
}
