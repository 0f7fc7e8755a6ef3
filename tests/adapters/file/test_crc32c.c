#include "cmocka_tf.h"

#include <string.h>

#include "file/crc32c.h"

/* The definition, bit by bit. */
static uint32_t by_bits(uint32_t crc, const uint8_t *p, size_t cnt) {
  crc = ~crc;
  for (size_t i = 0; i < cnt; i++) {
    crc ^= p[i];
    for (int bit = 0; bit < 8; bit++) crc = crc & 1 ? crc >> 1 ^ 0x82f63b78u : crc >> 1;
  }
  return ~crc;
}

static void known_vectors_hold(void **state) {
  (void)state;
  uint8_t zeros[32] = {0}, ones[32], up[32];
  memset(ones, 0xff, sizeof ones);
  for (uint8_t i = 0; i < 32; i++) up[i] = i;
  assert_int_equal(tf_crc32c(0, "123456789", 9), 0xe3069283u);
  /* RFC 3720, B.4 */
  assert_int_equal(tf_crc32c(0, zeros, 32), 0x8a9136aau);
  assert_int_equal(tf_crc32c(0, ones, 32), 0x62a8ab43u);
  assert_int_equal(tf_crc32c(0, up, 32), 0x46dd794eu);
  assert_int_equal(tf_crc32c(0, up, 0), 0);
}

static void table_and_instruction_agree_at_every_length_and_alignment(void **state) {
  (void)state;
  uint8_t bytes[300];
  for (size_t i = 0; i < sizeof bytes; i++) bytes[i] = (uint8_t)(i * 167 + (i >> 3));
  for (size_t from = 0; from < 9; from++) {
    for (size_t cnt = 0; from + cnt <= sizeof bytes; cnt++) {
      uint32_t want = by_bits(0x12345678, bytes + from, cnt);
      assert_int_equal(tf_crc32c_by_table(0x12345678, bytes + from, cnt), want);
      if (tf_crc32c_has_instruction())
        assert_int_equal(tf_crc32c_by_instruction(0x12345678, bytes + from, cnt), want);
    }
  }
}

static void pieces_give_the_same_as_the_whole(void **state) {
  (void)state;
  uint8_t bytes[64];
  for (size_t i = 0; i < sizeof bytes; i++) bytes[i] = (uint8_t)(i * 31);
  for (size_t cut = 0; cut <= sizeof bytes; cut++)
    assert_int_equal(tf_crc32c(tf_crc32c(0, bytes, cut), bytes + cut, sizeof bytes - cut),
                     tf_crc32c(0, bytes, sizeof bytes));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(known_vectors_hold),
      cmocka_unit_test(table_and_instruction_agree_at_every_length_and_alignment),
      cmocka_unit_test(pieces_give_the_same_as_the_whole),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
