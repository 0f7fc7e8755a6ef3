#include "feed/id_window.h"

static uint32_t bucket_cnt(uint32_t cap) {
  uint32_t cnt = 1;
  while (cnt < cap) cnt *= 2;
  return cnt;
}

size_t tf_id_window_bytes(uint32_t cap) {
  return (size_t)cap * (sizeof(uint64_t) + sizeof(uint32_t)) +
         (size_t)bucket_cnt(cap) * sizeof(uint32_t);
}

void tf_id_window_init(tf_id_window_t *w, void *memory, uint32_t cap) {
  TF_ASSERT(cap > 0 && cap <= TF_ID_WINDOW_MAX);
  *w         = (tf_id_window_t){.ids = memory, .cap = cap, .bucket_mask = bucket_cnt(cap) - 1};
  w->next    = (uint32_t *)(void *)(w->ids + cap);
  w->buckets = w->next + cap;
}

static void drop(tf_id_window_t *w, uint32_t place) {
  uint32_t *at = &w->buckets[w->ids[place] & w->bucket_mask];
  while (*at != place + 1) at = &w->next[*at - 1];
  *at = w->next[place];
}

bool tf_id_window_has(const tf_id_window_t *w, uint64_t id) {
  for (uint32_t at = w->buckets[id & w->bucket_mask]; at != 0; at = w->next[at - 1])
    if (w->ids[at - 1] == id) return true;
  return false;
}

void tf_id_window_put(tf_id_window_t *w, uint64_t id) {
  uint32_t *bucket = &w->buckets[id & w->bucket_mask];
  uint32_t  place  = (uint32_t)(w->put_cnt % w->cap);
  if (w->put_cnt >= w->cap) drop(w, place);
  w->ids[place]  = id;
  w->next[place] = *bucket;
  *bucket        = place + 1;
  w->put_cnt++;
}
