/* The running hash that names a stream of records (events_hash, decisions_hash): for comparing two
 * runs, not against an adversary. Words are folded in by 64x64->128 multiplications (the
 * construction of wyhash). Order matters; endianness is the host's,
 * and every record layout is little endian. */
#ifndef TF_CORE_HASH_H
#define TF_CORE_HASH_H

#include "tf/base.h"

#define TF_HASH_SEED UINT64_C(0x9e3779b97f4a7c15)

TF_INLINE uint64_t tf_hash_multiply_(uint64_t a, uint64_t b) {
  __extension__ typedef unsigned __int128 wide_t;
  wide_t                                  product = (wide_t)a * b;
  return (uint64_t)product ^ (uint64_t)(product >> 64);
}

TF_INLINE uint64_t tf_hash_fold(uint64_t hash, uint64_t word) {
  return tf_hash_multiply_(hash ^ word ^ UINT64_C(0xd6e8feb86659fd93),
                           UINT64_C(0xff51afd7ed558ccd)) ^
         (hash << 1 | hash >> 63);
}

/* A text's. */
TF_INLINE uint64_t tf_hash_text(const char *text) {
  uint64_t hash = TF_HASH_SEED, word = 0;
  for (uint32_t i = 0; text[i]; i++) {
    word = word << 8 | (uint8_t)text[i];
    if (i % 8 == 7) hash = tf_hash_fold(hash, word);
  }
  return tf_hash_fold(hash, word);
}

/* One cache line. Its four pairs of words are multiplied independently of one another and of the hash
 * so far, so that consecutive lines cost one multiplication's latency, not eight. */
TF_INLINE uint64_t tf_hash_line(uint64_t hash, const void *line) {
  const uint64_t *w = (const uint64_t *)line;
  uint64_t        a =
      tf_hash_multiply_(w[0] ^ UINT64_C(0xa0761d6478bd642f), w[1] ^ UINT64_C(0xe7037ed1a0b428db));
  uint64_t b =
      tf_hash_multiply_(w[2] ^ UINT64_C(0x8ebc6af09c88c6e3), w[3] ^ UINT64_C(0x589965cc75374cc3));
  uint64_t c =
      tf_hash_multiply_(w[4] ^ UINT64_C(0x1d8e4e27c47d124f), w[5] ^ UINT64_C(0xeb44accab455d165));
  uint64_t d =
      tf_hash_multiply_(w[6] ^ UINT64_C(0x2f9be6cc9e3779b9), w[7] ^ UINT64_C(0x94d049bb133111eb));
  return tf_hash_fold(hash, a + (b << 16 | b >> 48) + (c << 32 | c >> 32) + (d << 48 | d >> 16));
}

#endif
