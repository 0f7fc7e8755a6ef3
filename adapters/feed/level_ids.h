/* The price and side of each level that a venue names by an id, for venues that say the price only when the
 * level comes (BitMEX orderBookL2): id to level, of all instruments in one table, each instrument's to be
 * forgotten at once.
 *
 * A hash table over rows that lie in memory taken at start; rows of one instrument are chained, so that
 * forgetting them costs as much as they are. Every operation is O(1) but that one.
 *
 * One writer: the thread that runs the feed. Nothing allocates. */
#ifndef TF_FEED_LEVEL_IDS_H
#define TF_FEED_LEVEL_IDS_H

#include "tf/base.h"

#define TF_LEVEL_IDS_CAP_MAX (1u << 22)

typedef struct tf_level_id {
  uint64_t id;
  int64_t  price;
  uint32_t owner; /* the instrument's number in symbols */
  uint32_t bucket_next, owner_next, owner_previous;
  int8_t   price_exp;
  bool     is_ask;
} tf_level_id_t;

typedef struct tf_level_ids {
  tf_level_id_t *rows;    /* (cap); the free ones chained by bucket_next */
  uint32_t      *buckets; /* (bucket_mask + 1): first row of each */
  uint32_t      *owners;  /* (owner_cap): first row of each */
  uint32_t       cap, bucket_mask, owner_cap, free, cnt;
} tf_level_ids_t;

/* For cap (1 .. TF_LEVEL_IDS_CAP_MAX) levels of owner_cap instruments. */
size_t tf_level_ids_bytes(uint32_t cap, uint32_t owner_cap);
void   tf_level_ids_init(tf_level_ids_t *ids, void *memory, uint32_t cap, uint32_t owner_cap);

/* NULL: not known. */
tf_level_id_t *tf_level_ids_find(const tf_level_ids_t *ids, uint32_t owner, uint64_t id);
/* A row for an id that is not known yet; its price and side are the caller's to set. NULL: the table is full. */
tf_level_id_t *tf_level_ids_add(tf_level_ids_t *ids, uint32_t owner, uint64_t id);
void           tf_level_ids_drop(tf_level_ids_t *ids, tf_level_id_t *row);
/* All of the owner's. */
void tf_level_ids_forget(tf_level_ids_t *ids, uint32_t owner);

#endif
