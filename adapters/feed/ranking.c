#include "feed/ranking.h"

#define FAILED 0x80u

static uint64_t word_of(const uint8_t *bytes, uint32_t cnt) {
  uint64_t word = 0;
  for (uint32_t i = 0; i < cnt; i++) word |= (uint64_t)bytes[i] << 8 * i;
  return word;
}

static uint8_t byte_at(uint64_t word, uint32_t place) { return (uint8_t)(word >> 8 * place); }

void tf_ranking_init(tf_ranking_t *r, uint32_t cnt) {
  uint8_t idxs[TF_ENDPOINTS_MAX];
  TF_ASSERT(cnt >= 1 && cnt <= TF_ENDPOINTS_MAX);
  for (uint32_t i = 0; i < cnt; i++) idxs[i] = (uint8_t)i;
  r->cnt   = cnt;
  r->order = word_of(idxs, cnt);
}

uint32_t tf_ranking_at(const tf_ranking_t *r, uint32_t place) {
  TF_ASSERT(place < r->cnt);
  /* relaxed: the word is all there is */
  return byte_at(tf_load_relaxed(&r->order), place) & ~FAILED;
}

void tf_ranking_demote(tf_ranking_t *r, uint32_t idx) {
  uint64_t word = tf_load_relaxed(&r->order); /* relaxed: the word is all there is */
  uint64_t demoted;
  do {
    uint8_t  bytes[TF_ENDPOINTS_MAX];
    uint32_t cnt = 0;
    for (uint32_t place = 0; place < r->cnt; place++)
      if ((byte_at(word, place) & ~FAILED) != idx) bytes[cnt++] = byte_at(word, place);
    if (cnt == r->cnt) return; /* it is none of ours */
    bytes[cnt] = (uint8_t)(idx | FAILED);
    demoted    = word_of(bytes, r->cnt);
  } while (!tf_swap_relaxed(&r->order, &word, demoted)); /* relaxed: the word is all there is */
}

tf_ranking_order_t tf_ranking_read(const tf_ranking_t *r) {
  tf_ranking_order_t order = {.word = tf_load_relaxed(&r->order)}; /* relaxed: as above */
  for (uint32_t place = 0; place < r->cnt; place++) {
    uint8_t byte                           = byte_at(order.word, place);
    order.best_first[place]                = byte & (uint8_t)~FAILED;
    order.has_failed[byte & (FAILED - 1u)] = (byte & FAILED) != 0;
  }
  return order;
}

bool tf_ranking_replace(tf_ranking_t *r, const tf_ranking_order_t *read,
                        const uint8_t *best_first) {
  uint64_t word = read->word;
  /* relaxed: the word is all there is */
  return tf_swap_relaxed(&r->order, &word, word_of(best_first, r->cnt));
}
