/* HMAC-SHA-256 (RFC 2104, FIPS 180-4) and base64 (RFC 4648), for venues that want a subscription signed.
 * Ours and not OpenSSL's, because a session signs on its lane, where nothing may allocate; a signature is
 * made once a subscription, so it is written to be read. test_hmac_sha256 compares with OpenSSL.
 *
 * Pure functions over bytes; any thread. */
#ifndef TF_WIRE_HMAC_SHA256_H
#define TF_WIRE_HMAC_SHA256_H

#include "tf/base.h"

#define TF_SHA256_BYTES 32

typedef struct tf_sha256 {
  uint32_t state[8];
  uint64_t bytes_cnt;
  uint8_t  block[64];
} tf_sha256_t;

void tf_sha256_init(tf_sha256_t *sha);
void tf_sha256_update(tf_sha256_t *sha, const void *bytes, size_t bytes_cnt);
void tf_sha256_final(tf_sha256_t *sha, uint8_t digest[TF_SHA256_BYTES]);

void tf_hmac_sha256(const void *key, size_t key_bytes, const void *text, size_t text_bytes,
                    uint8_t mac[TF_SHA256_BYTES]);

/* Text and a NUL; returns the length without it, SIZE_MAX if it does not fit cap. */
size_t tf_base64_encode(const uint8_t *bytes, size_t bytes_cnt, char *text, size_t cap);
/* Bytes of padded base64; SIZE_MAX if text is not exactly that, or does not fit cap. */
size_t tf_base64_decode(const char *text, size_t text_bytes, uint8_t *bytes, size_t cap);

#endif
