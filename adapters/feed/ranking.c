#include "feed/ranking.h"

static uint64_t word_of(const uint8_t *idxs, uint32_t cnt) {
  uint64_t word = 0;
  for (uint32_t i = 0; i < cnt; i++) word |= (uint64_t)idxs[i] << 8 * i;
  return word;
}

static uint32_t idx_at(uint64_t word, uint32_t place) { return word >> 8 * place & 0xFF; }

void tf_ranking_init(tf_ranking_t *r, uint32_t cnt) {
  uint8_t idxs[TF_ENDPOINTS_MAX];
  TF_ASSERT(cnt >= 1 && cnt <= TF_ENDPOINTS_MAX);
  for (uint32_t i = 0; i < cnt; i++) idxs[i] = (uint8_t)i;
  r->cnt   = cnt;
  r->order = word_of(idxs, cnt);
}

uint32_t tf_ranking_at(const tf_ranking_t *r, uint32_t place) {
  TF_ASSERT(place < r->cnt);
  return idx_at(tf_load_relaxed(&r->order), place); /* relaxed: the word is all there is */
}

void tf_ranking_demote(tf_ranking_t *r, uint32_t idx) {
  uint64_t word = tf_load_relaxed(&r->order); /* relaxed: the word is all there is */
  uint64_t demoted;
  do {
    uint8_t  idxs[TF_ENDPOINTS_MAX];
    uint32_t cnt = 0;
    for (uint32_t place = 0; place < r->cnt; place++)
      if (idx_at(word, place) != idx) idxs[cnt++] = (uint8_t)idx_at(word, place);
    if (cnt == r->cnt) return; /* it is none of ours */
    idxs[cnt] = (uint8_t)idx;
    demoted   = word_of(idxs, r->cnt);
  } while (!tf_swap_relaxed(&r->order, &word, demoted)); /* relaxed: the word is all there is */
}

void tf_ranking_set(tf_ranking_t *r, const uint8_t *best_first) {
  tf_store_relaxed(&r->order, word_of(best_first, r->cnt)); /* relaxed: as above */
}
