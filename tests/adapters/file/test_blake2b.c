#include "cmocka_tf.h"

#include <stdio.h>
#include <string.h>

#include "file/blake2b.h"

static void assert_hex(const uint8_t *digest, size_t cnt, const char *want) {
  char text[2 * TF_BLAKE2B_BYTES_MAX + 1];
  for (size_t i = 0; i < cnt; i++) sprintf(text + 2 * i, "%02x", digest[i]);
  assert_string_equal(text, want);
}

/* RFC 7693, appendix A. */
static void rfc_vector_holds(void **state) {
  (void)state;
  uint8_t      digest[64];
  tf_blake2b_t hash;
  tf_blake2b_init(&hash, 64);
  tf_blake2b_update(&hash, "abc", 3);
  tf_blake2b_final(&hash, digest);
  assert_hex(digest, 64,
             "ba80a53f981c4d0d6a2797b69f12f6e94c212f14685ac4b74b12bb6fdbffa2d1"
             "7d87c5392aab792dc252d5de4533cc9518d38aa8dbf1925ab92386edd4009923");
}

/* Digests at lengths around the block's, hashed together: the value is that of Python's hashlib. */
static void lengths_around_a_block_agree_with_hashlib_in_every_cut(void **state) {
  (void)state;
  static const size_t lengths[] = {0, 1, 127, 128, 129, 255, 256, 257, 384, 1000};
  uint8_t             bytes[1000], digest[32];
  for (size_t i = 0; i < sizeof bytes; i++) bytes[i] = (uint8_t)(i * 7);
  for (size_t step = 1; step < 400; step += 42) {
    tf_blake2b_t all;
    tf_blake2b_init(&all, 32);
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
      tf_blake2b_t hash;
      tf_blake2b_init(&hash, 16);
      for (size_t at = 0; at < lengths[i]; at += step)
        tf_blake2b_update(&hash, bytes + at, lengths[i] - at < step ? lengths[i] - at : step);
      tf_blake2b_final(&hash, digest);
      tf_blake2b_update(&all, digest, 16);
    }
    tf_blake2b_final(&all, digest);
    assert_hex(digest, 32, "f7d5c0ee81637419da94f5602f58c05996045fd031398e165a2c38a1b59a5fed");
  }
}

/* The same for MACs: keys of 1, 16 and 64 bytes, hashlib's key=. */
static void macs_agree_with_hashlib(void **state) {
  (void)state;
  static const size_t lengths[] = {0, 1, 128, 129, 1000};
  static const size_t keys[]    = {1, 16, 64};
  uint8_t             bytes[1000], digest[32];
  tf_blake2b_t        all, mac;
  for (size_t i = 0; i < sizeof bytes; i++) bytes[i] = (uint8_t)(i * 7);
  tf_blake2b_init(&all, 32);
  for (size_t k = 0; k < sizeof keys / sizeof *keys; k++)
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
      tf_blake2b_init_keyed(&mac, 16, bytes, (uint32_t)keys[k]);
      tf_blake2b_update(&mac, bytes, lengths[i]);
      tf_blake2b_final(&mac, digest);
      tf_blake2b_update(&all, digest, 16);
    }
  tf_blake2b_final(&all, digest);
  assert_hex(digest, 32, "f51c6772a07001ef1f04d7ed7cb99568b0d346c1d9fc9d6a1bf728ecb5c9ff57");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(rfc_vector_holds),
      cmocka_unit_test(lengths_around_a_block_agree_with_hashlib_in_every_cut),
      cmocka_unit_test(macs_agree_with_hashlib),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
