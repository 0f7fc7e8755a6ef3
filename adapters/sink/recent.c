#include "sink/recent.h"

#include <string.h>

void tf_recent_init(tf_recent_t *r, const tf_record_shape_t *shape, uint64_t slot_cnt,
                    void *slots) {
  TF_ASSERT(tf_is_pow2(slot_cnt));
  *r = (tf_recent_t){.shape = *shape, .slot_cnt = slot_cnt, .slots = slots};
}

static uint64_t oldest(const tf_recent_t *r) {
  return r->put_cnt > r->slot_cnt ? r->put_cnt - r->slot_cnt : 0;
}

const void *tf_recent_at(const tf_recent_t *r, uint64_t idx) {
  TF_ASSERT(idx >= oldest(r) && idx < r->put_cnt);
  return r->slots + (idx & (r->slot_cnt - 1)) * r->shape.bytes;
}

void tf_recent_put(tf_recent_t *r, const void *record) {
  if (r->put_cnt >= r->slot_cnt)
    r->gone_seq = tf_record_seq(&r->shape, tf_recent_at(r, oldest(r)));
  else if (r->put_cnt == 0)
    r->gone_seq = tf_record_seq(&r->shape, record) - 1;
  memcpy(r->slots + (r->put_cnt & (r->slot_cnt - 1)) * r->shape.bytes, record, r->shape.bytes);
  r->put_cnt++;
}

uint64_t tf_recent_find(const tf_recent_t *r, uint64_t seq) {
  uint64_t low = oldest(r), high = r->put_cnt;
  while (low < high) {
    uint64_t middle = low + (high - low) / 2;
    if (tf_record_seq(&r->shape, tf_recent_at(r, middle)) < seq)
      low = middle + 1;
    else
      high = middle;
  }
  return low;
}

uint64_t tf_recent_seq_before(const tf_recent_t *r, uint64_t idx) {
  return idx > oldest(r) ? tf_record_seq(&r->shape, tf_recent_at(r, idx - 1)) : r->gone_seq;
}
