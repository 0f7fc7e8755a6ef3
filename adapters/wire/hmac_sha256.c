#include "wire/hmac_sha256.h"

#include <string.h>

#define BLOCK_BYTES 64

static const uint32_t round_constants[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

static uint32_t rotate(uint32_t x, int by) { return x >> by | x << (32 - by); }

static void mix_block(uint32_t state[8], const uint8_t *block) {
  uint32_t w[64], v[8];
  for (int i = 0; i < 16; i++)
    w[i] = (uint32_t)block[4 * i] << 24 | (uint32_t)block[4 * i + 1] << 16 |
           (uint32_t)block[4 * i + 2] << 8 | block[4 * i + 3];
  for (int i = 16; i < 64; i++) {
    uint32_t a = rotate(w[i - 15], 7) ^ rotate(w[i - 15], 18) ^ w[i - 15] >> 3;
    uint32_t b = rotate(w[i - 2], 17) ^ rotate(w[i - 2], 19) ^ w[i - 2] >> 10;
    w[i]       = w[i - 16] + a + w[i - 7] + b;
  }
  memcpy(v, state, sizeof v);
  for (int i = 0; i < 64; i++) {
    uint32_t sum1   = rotate(v[4], 6) ^ rotate(v[4], 11) ^ rotate(v[4], 25);
    uint32_t choice = (v[4] & v[5]) ^ (~v[4] & v[6]);
    uint32_t one    = v[7] + sum1 + choice + round_constants[i] + w[i];
    uint32_t sum0   = rotate(v[0], 2) ^ rotate(v[0], 13) ^ rotate(v[0], 22);
    uint32_t major  = (v[0] & v[1]) ^ (v[0] & v[2]) ^ (v[1] & v[2]);
    memmove(v + 1, v, 7 * sizeof *v);
    v[4] += one;
    v[0] = one + sum0 + major;
  }
  for (int i = 0; i < 8; i++) state[i] += v[i];
}

void tf_sha256_init(tf_sha256_t *sha) {
  static const uint32_t start[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                    0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
  memcpy(sha->state, start, sizeof start);
  sha->bytes_cnt = 0;
}

void tf_sha256_update(tf_sha256_t *sha, const void *bytes, size_t bytes_cnt) {
  const uint8_t *p = bytes;
  for (size_t i = 0; i < bytes_cnt; i++) {
    sha->block[sha->bytes_cnt++ % BLOCK_BYTES] = p[i];
    if (sha->bytes_cnt % BLOCK_BYTES == 0) mix_block(sha->state, sha->block);
  }
}

void tf_sha256_final(tf_sha256_t *sha, uint8_t digest[TF_SHA256_BYTES]) {
  static const uint8_t end = 0x80, zero = 0;
  uint64_t             bits = sha->bytes_cnt * 8;
  uint8_t              length[8];
  for (int i = 0; i < 8; i++) length[i] = (uint8_t)(bits >> (56 - 8 * i));
  tf_sha256_update(sha, &end, 1);
  while (sha->bytes_cnt % BLOCK_BYTES != BLOCK_BYTES - sizeof length)
    tf_sha256_update(sha, &zero, 1);
  tf_sha256_update(sha, length, sizeof length);
  for (int i = 0; i < TF_SHA256_BYTES; i++)
    digest[i] = (uint8_t)(sha->state[i / 4] >> (24 - 8 * (i % 4)));
}

void tf_hmac_sha256(const void *key, size_t key_bytes, const void *text, size_t text_bytes,
                    uint8_t mac[TF_SHA256_BYTES]) {
  tf_sha256_t sha;
  uint8_t     pad[BLOCK_BYTES] = {0};
  if (key_bytes > BLOCK_BYTES) {
    tf_sha256_init(&sha);
    tf_sha256_update(&sha, key, key_bytes);
    tf_sha256_final(&sha, pad);
  } else if (key_bytes > 0) {
    memcpy(pad, key, key_bytes);
  }
  for (int i = 0; i < BLOCK_BYTES; i++) pad[i] ^= 0x36;
  tf_sha256_init(&sha);
  tf_sha256_update(&sha, pad, sizeof pad);
  tf_sha256_update(&sha, text, text_bytes);
  tf_sha256_final(&sha, mac);
  for (int i = 0; i < BLOCK_BYTES; i++) pad[i] ^= 0x36 ^ 0x5c;
  tf_sha256_init(&sha);
  tf_sha256_update(&sha, pad, sizeof pad);
  tf_sha256_update(&sha, mac, TF_SHA256_BYTES);
  tf_sha256_final(&sha, mac);
  explicit_bzero(pad, sizeof pad);
  explicit_bzero(&sha, sizeof sha);
}

static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

size_t tf_base64_encode(const uint8_t *bytes, size_t bytes_cnt, char *text, size_t cap) {
  size_t text_bytes = (bytes_cnt + 2) / 3 * 4;
  if (text_bytes >= cap) return SIZE_MAX;
  char *p = text;
  for (size_t i = 0; i < bytes_cnt; i += 3) {
    size_t   left = bytes_cnt - i;
    uint32_t v    = (uint32_t)bytes[i] << 16;
    if (left > 1) v |= (uint32_t)bytes[i + 1] << 8;
    if (left > 2) v |= bytes[i + 2];
    *p++ = letters[v >> 18];
    *p++ = letters[v >> 12 & 63];
    *p++ = left > 1 ? letters[v >> 6 & 63] : '=';
    *p++ = left > 2 ? letters[v & 63] : '=';
  }
  *p = '\0';
  return text_bytes;
}

size_t tf_base64_decode(const char *text, size_t text_bytes, uint8_t *bytes, size_t cap) {
  if (text_bytes % 4 != 0) return SIZE_MAX;
  size_t pad = 0;
  if (text_bytes > 0) pad = (text[text_bytes - 1] == '=') + (text[text_bytes - 2] == '=');
  size_t cnt = text_bytes / 4 * 3 - pad;
  if (cnt > cap) return SIZE_MAX;
  for (size_t i = 0; i < text_bytes; i += 4) {
    uint32_t v = 0;
    for (size_t k = 0; k < 4; k++) {
      const char *at     = memchr(letters, text[i + k], sizeof letters - 1);
      bool        is_pad = i + k >= text_bytes - pad;
      if (is_pad ? text[i + k] != '=' : at == NULL) return SIZE_MAX;
      v = v << 6 | (is_pad ? 0 : (uint32_t)(at - letters));
    }
    for (size_t k = 0; k < 3; k++) {
      size_t at = i / 4 * 3 + k;
      if (at < cnt)
        bytes[at] = (uint8_t)(v >> (16 - 8 * k));
      else if ((v >> (16 - 8 * k) & 0xff) != 0)
        return SIZE_MAX; /* bits that mean nothing */
    }
  }
  return cnt;
}
