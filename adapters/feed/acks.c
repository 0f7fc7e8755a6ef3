#include "feed/acks.h"

#include "feed/feeds.h"
#include "wire/json_array.h"

void tf_acks_init(tf_acks_t *acks, void *memory, uint32_t cap) {
  *acks = (tf_acks_t){.listed = memory, .known = (uint8_t *)memory + cap, .cap = cap};
  memset(memory, 0, 2 * (size_t)cap);
}

void tf_acks_restart(tf_acks_t *acks) { memset(acks->listed, 0, 2 * (size_t)acks->cap); }

void tf_acks_list(tf_acks_t *acks, tf_symbols_t *symbols, uint32_t channel,
                  const tf_json_value_t *products) {
  tf_json_array_t array;
  tf_json_value_t product;
  if (products->kind != TF_JSON_ARRAY) return;
  tf_json_array_init(&array, products->bytes, products->bytes_cnt);
  while (tf_json_array_next(&array, &product)) {
    tf_reject_t unused;
    if (product.kind != TF_JSON_STRING) continue;
    uint32_t idx = tf_symbols_of(symbols, &product, false, &unused);
    if (idx != TF_SYMBOLS_NONE) acks->listed[idx] |= (uint8_t)channel;
  }
}

void tf_acks_finish(tf_acks_t *acks, const tf_symbols_t *symbols, tf_feed_out_t *out) {
  for (uint32_t i = 0; i < symbols->cnt; i++) {
    uint8_t changed = acks->listed[i] ^ acks->known[i];
    acks->listed[i] = 0;
    for (uint32_t bit = 1; bit < 1u << TF_CHANNEL_CNT; bit <<= 1) {
      if (!(changed & bit) || out->answer_cnt == TF_ANSWERS_MAX) continue;
      acks->known[i] ^= (uint8_t)bit;
      tf_feeds_answer(out, 0, symbols->rows[i].instrument_id, bit, false);
    }
  }
}
