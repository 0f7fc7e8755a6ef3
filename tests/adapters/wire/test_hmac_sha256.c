#include "cmocka_tf.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <string.h>

#include "wire/hmac_sha256.h"

static void macs_of_every_length_are_openssls(void **state) {
  (void)state;
  uint8_t key[200], text[300];
  for (size_t i = 0; i < sizeof key; i++) key[i] = (uint8_t)(i * 37 + 5);
  for (size_t i = 0; i < sizeof text; i++) text[i] = (uint8_t)(i * 101 + 7);
  for (size_t k = 0; k <= sizeof key; k += k < 70 ? 1 : 13) {
    for (size_t t = 0; t <= sizeof text; t += t < 140 ? 1 : 17) {
      uint8_t  ours[TF_SHA256_BYTES], theirs[TF_SHA256_BYTES];
      unsigned cnt = 0;
      tf_hmac_sha256(key, k, text, t, ours);
      HMAC(EVP_sha256(), key, (int)k, text, t, theirs, &cnt);
      assert_int_equal(cnt, TF_SHA256_BYTES);
      assert_memory_equal(ours, theirs, TF_SHA256_BYTES);
    }
  }
}

/* RFC 4231, test case 2. */
static void mac_of_the_rfc_is_its_own(void **state) {
  (void)state;
  static const uint8_t want[] = {0x5b, 0xdc, 0xc1, 0x46, 0xbf, 0x60, 0x75, 0x4e, 0x6a, 0x04, 0x24,
                                 0x26, 0x08, 0x95, 0x75, 0xc7, 0x5a, 0x00, 0x3f, 0x08, 0x9d, 0x27,
                                 0x39, 0x83, 0x9d, 0xec, 0x58, 0xb9, 0x64, 0xec, 0x38, 0x43};
  uint8_t              mac[TF_SHA256_BYTES];
  tf_hmac_sha256("Jefe", 4, "what do ya want for nothing?", 28, mac);
  assert_memory_equal(mac, want, sizeof want);
}

static void base64_goes_there_and_back(void **state) {
  (void)state;
  uint8_t bytes[64], back[64];
  char    ours[100], theirs[100];
  for (size_t i = 0; i < sizeof bytes; i++) bytes[i] = (uint8_t)(i * 73 + 200);
  for (size_t n = 0; n <= sizeof bytes; n++) {
    size_t cnt = tf_base64_encode(bytes, n, ours, sizeof ours);
    EVP_EncodeBlock((unsigned char *)theirs, bytes, (int)n);
    assert_string_equal(ours, theirs);
    assert_int_equal(cnt, strlen(theirs));
    assert_int_equal(tf_base64_encode(bytes, n, ours, cnt), SIZE_MAX);
    assert_int_equal(tf_base64_decode(theirs, cnt, back, sizeof back), n);
    assert_memory_equal(back, bytes, n);
    if (n > 0) assert_int_equal(tf_base64_decode(theirs, cnt, back, n - 1), SIZE_MAX);
  }
}

static void what_is_no_base64_is_refused(void **state) {
  (void)state;
  static const char *const wrong[] = {
      "A", "AA", "AAA", "A===", "AB==", "AAB=", "A=AA", "AA A", "AA=A", "====", "AA-_"};
  uint8_t bytes[16];
  for (size_t i = 0; i < TF_ARRAY_CNT(wrong); i++)
    if (tf_base64_decode(wrong[i], strlen(wrong[i]), bytes, sizeof bytes) != SIZE_MAX)
      fail_msg("%s was taken", wrong[i]);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(macs_of_every_length_are_openssls),
      cmocka_unit_test(mac_of_the_rfc_is_its_own),
      cmocka_unit_test(base64_goes_there_and_back),
      cmocka_unit_test(what_is_no_base64_is_refused),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
