/* The running hash that names a stream of records (events_hash, decisions_hash): for comparing two
 * runs, not against an adversary. Each 64-bit word is folded in by one 64x64->128 multiplication
 * (the construction of wyhash, with our own constants). Order matters; endianness is the host's,
 * and every record layout is little endian. */
#ifndef TF_CORE_HASH_H
#define TF_CORE_HASH_H

#include "tf/base.h"

#define TF_HASH_SEED UINT64_C(0x9e3779b97f4a7c15)

TF_INLINE uint64_t tf_hash_fold(uint64_t hash, uint64_t word) {
  __extension__ typedef unsigned __int128 wide_t;
  wide_t                                  product =
      (wide_t)(hash ^ word ^ UINT64_C(0xd6e8feb86659fd93)) * UINT64_C(0xff51afd7ed558ccd);
  return (uint64_t)product ^ (uint64_t)(product >> 64) ^ (hash << 1 | hash >> 63);
}

TF_INLINE uint64_t tf_hash_words(uint64_t hash, const void *words, size_t word_cnt) {
  const uint64_t *w = (const uint64_t *)words;
  for (size_t i = 0; i < word_cnt; i++) hash = tf_hash_fold(hash, w[i]);
  return hash;
}

#endif
