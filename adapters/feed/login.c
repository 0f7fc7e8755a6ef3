#include "feed/login.h"

#include <string.h>

#include "wire/hmac_sha256.h"

static void sign(const tf_feed_key_t *key, const char *text, uint8_t mac[TF_SHA256_BYTES]) {
  tf_hmac_sha256(key->secret, strlen(key->secret), text, strlen(text), mac);
}

void tf_login_put_base64(tf_text_out_t *t, const tf_feed_key_t *key, const char *text) {
  uint8_t mac[TF_SHA256_BYTES];
  char    signature[2 * TF_SHA256_BYTES];
  sign(key, text, mac);
  tf_base64_encode(mac, sizeof mac, signature, sizeof signature);
  tf_text_out_put(t, signature);
}

void tf_login_put_hex(tf_text_out_t *t, const tf_feed_key_t *key, const char *text) {
  uint8_t mac[TF_SHA256_BYTES];
  sign(key, text, mac);
  for (size_t i = 0; i < sizeof mac; i++) {
    tf_text_out_char(t, "0123456789abcdef"[mac[i] >> 4]);
    tf_text_out_char(t, "0123456789abcdef"[mac[i] & 15]);
  }
}
