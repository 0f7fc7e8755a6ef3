#include "file/blake2b.h"

#include <string.h>

TF_STATIC_ASSERT(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "words are read as they lie");

/* RFC 7693 section 2.6 and 2.7. */
static const uint64_t iv[8] = {UINT64_C(0x6a09e667f3bcc908), UINT64_C(0xbb67ae8584caa73b),
                               UINT64_C(0x3c6ef372fe94f82b), UINT64_C(0xa54ff53a5f1d36f1),
                               UINT64_C(0x510e527fade682d1), UINT64_C(0x9b05688c2b3e6c1f),
                               UINT64_C(0x1f83d9abfb41bd6b), UINT64_C(0x5be0cd19137e2179)};

static const uint8_t sigma[10][16] = {
    {0,  1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12, 13, 14, 15},
    {14, 10, 4,  8,  9,  15, 13, 6,  1,  12, 0,  2,  11, 7,  5,  3 },
    {11, 8,  12, 0,  5,  2,  15, 13, 10, 14, 3,  6,  7,  1,  9,  4 },
    {7,  9,  3,  1,  13, 12, 11, 14, 2,  6,  5,  10, 4,  0,  15, 8 },
    {9,  0,  5,  7,  2,  4,  10, 15, 14, 1,  11, 12, 6,  8,  3,  13},
    {2,  12, 6,  10, 0,  11, 8,  3,  4,  13, 7,  5,  15, 14, 1,  9 },
    {12, 5,  1,  15, 14, 13, 4,  10, 0,  7,  6,  3,  9,  2,  8,  11},
    {13, 11, 7,  14, 12, 1,  3,  9,  5,  0,  15, 4,  8,  6,  2,  10},
    {6,  15, 14, 9,  11, 3,  0,  8,  12, 2,  13, 7,  1,  4,  10, 5 },
    {10, 2,  8,  4,  7,  6,  1,  5,  15, 11, 9,  14, 3,  12, 13, 0 }
};

TF_INLINE uint64_t rotate_right(uint64_t x, unsigned n) { return x >> n | x << (64 - n); }

TF_INLINE void mix(uint64_t *v, int a, int b, int c, int d, uint64_t x, uint64_t y) {
  v[a] += v[b] + x;
  v[d] = rotate_right(v[d] ^ v[a], 32);
  v[c] += v[d];
  v[b] = rotate_right(v[b] ^ v[c], 24);
  v[a] += v[b] + y;
  v[d] = rotate_right(v[d] ^ v[a], 16);
  v[c] += v[d];
  v[b] = rotate_right(v[b] ^ v[c], 63);
}

static void compress(tf_blake2b_t *hash, const uint8_t *block, bool last) {
  uint64_t v[16], m[16];
  memcpy(m, block, sizeof m);
  memcpy(v, hash->h, sizeof hash->h);
  memcpy(v + 8, iv, sizeof iv);
  v[12] ^= hash->total_bytes;
  if (last) v[14] = ~v[14];
  for (int round = 0; round < 12; round++) {
    const uint8_t *s = sigma[round % 10];
    mix(v, 0, 4, 8, 12, m[s[0]], m[s[1]]);
    mix(v, 1, 5, 9, 13, m[s[2]], m[s[3]]);
    mix(v, 2, 6, 10, 14, m[s[4]], m[s[5]]);
    mix(v, 3, 7, 11, 15, m[s[6]], m[s[7]]);
    mix(v, 0, 5, 10, 15, m[s[8]], m[s[9]]);
    mix(v, 1, 6, 11, 12, m[s[10]], m[s[11]]);
    mix(v, 2, 7, 8, 13, m[s[12]], m[s[13]]);
    mix(v, 3, 4, 9, 14, m[s[14]], m[s[15]]);
  }
  for (int i = 0; i < 8; i++) hash->h[i] ^= v[i] ^ v[i + 8];
}

void tf_blake2b_init(tf_blake2b_t *hash, uint32_t digest_bytes) {
  TF_ASSERT(digest_bytes >= 1 && digest_bytes <= TF_BLAKE2B_BYTES_MAX);
  *hash = (tf_blake2b_t){.digest_bytes = digest_bytes};
  memcpy(hash->h, iv, sizeof iv);
  hash->h[0] ^= 0x01010000 ^ digest_bytes;
}

void tf_blake2b_init_keyed(tf_blake2b_t *hash, uint32_t digest_bytes, const void *key,
                           uint32_t key_bytes) {
  TF_ASSERT(key_bytes >= 1 && key_bytes <= TF_BLAKE2B_BYTES_MAX);
  tf_blake2b_init(hash, digest_bytes);
  hash->h[0] ^= (uint64_t)key_bytes << 8;
  memcpy(hash->block, key, key_bytes); /* the first block: the key, padded with zeros */
  hash->block_bytes = sizeof hash->block;
}

void tf_blake2b_update(tf_blake2b_t *hash, const void *bytes, size_t bytes_cnt) {
  const uint8_t *p = bytes;
  while (bytes_cnt > 0) {
    /* A full block waits: only when more follows is it known not to be the last. */
    if (hash->block_bytes == sizeof hash->block) {
      hash->total_bytes += sizeof hash->block;
      compress(hash, hash->block, false);
      hash->block_bytes = 0;
    }
    while (hash->block_bytes == 0 && bytes_cnt > sizeof hash->block) {
      hash->total_bytes += sizeof hash->block;
      compress(hash, p, false);
      p += sizeof hash->block;
      bytes_cnt -= sizeof hash->block;
    }
    size_t room = sizeof hash->block - hash->block_bytes;
    size_t n    = bytes_cnt < room ? bytes_cnt : room;
    memcpy(hash->block + hash->block_bytes, p, n);
    hash->block_bytes += (uint32_t)n;
    p += n;
    bytes_cnt -= n;
  }
}

void tf_blake2b_final(tf_blake2b_t *hash, uint8_t *digest) {
  hash->total_bytes += hash->block_bytes;
  memset(hash->block + hash->block_bytes, 0, sizeof hash->block - hash->block_bytes);
  compress(hash, hash->block, true);
  memcpy(digest, hash->h, hash->digest_bytes);
}
