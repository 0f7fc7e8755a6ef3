#include "source/seen.h"

#include <string.h>

void tf_seen_init(tf_seen_t *seen) { memset(seen, 0, sizeof *seen); }

static uint32_t  place_of(uint64_t number) { return (uint32_t)(number % TF_SEEN_MAX); }
static uint32_t *bucket_of(tf_seen_t *seen, uint64_t key) {
  return &seen->buckets[key % TF_ARRAY_CNT(seen->buckets)];
}

static void drop_eldest(tf_seen_t *seen) {
  uint32_t  place = place_of(seen->first++);
  uint32_t *at    = bucket_of(seen, seen->entries[place].key);
  while (*at != place + 1) at = &seen->entries[*at - 1].next;
  *at = seen->entries[place].next;
}

static void forget_old(tf_seen_t *seen, uint64_t now_ns) {
  while (seen->first != seen->end &&
         now_ns - seen->entries[place_of(seen->first)].came_ns >= TF_SEEN_NS)
    drop_eldest(seen);
}

const tf_seen_entry_t *tf_seen_find(tf_seen_t *seen, uint64_t key, uint64_t now_ns) {
  forget_old(seen, now_ns);
  for (uint32_t at = *bucket_of(seen, key); at != 0; at = seen->entries[at - 1].next)
    if (seen->entries[at - 1].key == key) return &seen->entries[at - 1];
  return NULL;
}

void tf_seen_add(tf_seen_t *seen, uint64_t key, uint64_t body, uint64_t ticket, uint64_t now_ns) {
  if (seen->end - seen->first == TF_SEEN_MAX) drop_eldest(seen);
  uint32_t  place      = place_of(seen->end++);
  uint32_t *bucket     = bucket_of(seen, key);
  seen->entries[place] = (tf_seen_entry_t){
      .key = key, .body = body, .ticket = ticket, .came_ns = now_ns, .next = *bucket};
  *bucket = place + 1;
}
