/* The sending half of TLS 1.3's record protocol, for tests of the receiving half: seals any inner
 * content, also what no honest sender would send. Key derivation is OpenSSL's HKDF, not ours. */
#ifndef TESTS_RECORD_SEAL_H
#define TESTS_RECORD_SEAL_H

#include <stddef.h>
#include <stdint.h>

typedef struct sealer {
  uint16_t suite;
  uint64_t seq;
  uint8_t  secret[48], key[32], iv[12];
  size_t   secret_cnt, key_cnt;
} sealer_t;

void sealer_init(sealer_t *s, uint16_t suite, const uint8_t *secret);
void sealer_update_key(sealer_t *s); /* the next generation (RFC 8446 7.2) */

/* One record whose inner plaintext is bytes as they are, type and padding included. Returns its
 * length; out has room for cnt + 21. */
size_t sealer_seal(sealer_t *s, const uint8_t *inner, size_t cnt, uint8_t *out);

#endif
