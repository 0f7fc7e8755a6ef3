#include "feed/level_ids.h"

#define NONE UINT32_MAX

static uint32_t bucket_cnt(uint32_t cap) {
  uint32_t cnt = 16;
  while (cnt < cap) cnt *= 2;
  return cnt;
}

static uint32_t bucket_of(const tf_level_ids_t *ids, uint32_t owner, uint64_t id) {
  uint64_t hash = (id + owner) * UINT64_C(0x9e3779b97f4a7c15);
  return (uint32_t)(hash >> 32) & ids->bucket_mask;
}

size_t tf_level_ids_bytes(uint32_t cap, uint32_t owner_cap) {
  return tf_align_up(cap * sizeof(tf_level_id_t), TF_LINE_BYTES) +
         tf_align_up(bucket_cnt(cap) * sizeof(uint32_t), TF_LINE_BYTES) +
         tf_align_up(owner_cap * sizeof(uint32_t), TF_LINE_BYTES);
}

void tf_level_ids_init(tf_level_ids_t *ids, void *memory, uint32_t cap, uint32_t owner_cap) {
  uint8_t *at      = memory;
  ids->cap         = cap;
  ids->bucket_mask = bucket_cnt(cap) - 1;
  ids->owner_cap   = owner_cap;
  ids->cnt         = 0;
  ids->free        = 0;
  ids->rows        = (tf_level_id_t *)(void *)at;
  at += tf_align_up(cap * sizeof(tf_level_id_t), TF_LINE_BYTES);
  ids->buckets = (uint32_t *)(void *)at;
  at += tf_align_up((ids->bucket_mask + 1) * sizeof(uint32_t), TF_LINE_BYTES);
  ids->owners = (uint32_t *)(void *)at;
  for (uint32_t i = 0; i < cap; i++) ids->rows[i].bucket_next = i + 1 < cap ? i + 1 : NONE;
  for (uint32_t i = 0; i <= ids->bucket_mask; i++) ids->buckets[i] = NONE;
  for (uint32_t i = 0; i < owner_cap; i++) ids->owners[i] = NONE;
}

tf_level_id_t *tf_level_ids_find(const tf_level_ids_t *ids, uint32_t owner, uint64_t id) {
  uint32_t at = ids->buckets[bucket_of(ids, owner, id)];
  while (at != NONE && (ids->rows[at].id != id || ids->rows[at].owner != owner))
    at = ids->rows[at].bucket_next;
  return at != NONE ? &ids->rows[at] : NULL;
}

tf_level_id_t *tf_level_ids_add(tf_level_ids_t *ids, uint32_t owner, uint64_t id) {
  TF_ASSERT(owner < ids->owner_cap);
  if (ids->free == NONE) return NULL;
  uint32_t       at     = ids->free;
  uint32_t      *bucket = &ids->buckets[bucket_of(ids, owner, id)];
  tf_level_id_t *row    = &ids->rows[at];
  ids->free             = row->bucket_next;
  *row                  = (tf_level_id_t){.id             = id,
                                          .owner          = owner,
                                          .bucket_next    = *bucket,
                                          .owner_next     = ids->owners[owner],
                                          .owner_previous = NONE};
  if (row->owner_next != NONE) ids->rows[row->owner_next].owner_previous = at;
  *bucket            = at;
  ids->owners[owner] = at;
  ids->cnt++;
  return row;
}

void tf_level_ids_drop(tf_level_ids_t *ids, tf_level_id_t *row) {
  uint32_t  at   = (uint32_t)(row - ids->rows);
  uint32_t *link = &ids->buckets[bucket_of(ids, row->owner, row->id)];
  while (*link != at) link = &ids->rows[*link].bucket_next;
  *link = row->bucket_next;
  if (row->owner_previous != NONE)
    ids->rows[row->owner_previous].owner_next = row->owner_next;
  else
    ids->owners[row->owner] = row->owner_next;
  if (row->owner_next != NONE) ids->rows[row->owner_next].owner_previous = row->owner_previous;
  row->bucket_next = ids->free;
  ids->free        = at;
  ids->cnt--;
}

void tf_level_ids_forget(tf_level_ids_t *ids, uint32_t owner) {
  while (ids->owners[owner] != NONE) tf_level_ids_drop(ids, &ids->rows[ids->owners[owner]]);
}
