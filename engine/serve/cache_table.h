/* Who is in which level of a cache's memory, and who leaves it next: the rules of cache.h without its locks and its input
 * and output. What leaves is handed to the caller in a list, to be put away when nobody waits for it.
 *
 *                        used: again_cnt at most nine in ten of models_max
 *   loaded    once ------------> again       the next to leave: of once, else of again, the least recently used
 *                ^  too many of again  |
 *                '---------------------'
 *     | leaves, with its blob
 *   compressed: the least recently used leaves first
 *     | leaves
 *   the caller's list
 *
 * Not for more than one thread at a time. */
#ifndef TF_SERVE_CACHE_TABLE_H
#define TF_SERVE_CACHE_TABLE_H

#include "serve/cache.h"

#define TF_CACHE_BUCKETS 1024u

/* A file, compressed (cache_frame.h). */
typedef struct tf_cache_blob {
  struct tf_cache_blob *next; /* in a list of those that leave */
  uint8_t              *bytes;
  size_t                bytes_cnt;
  uint32_t              number;
  char                  sha256_hex[TF_MODEL_STORE_ID_CHARS + 1];
} tf_cache_blob_t;

/* A loaded model. */
typedef struct tf_cache_loaded {
  tf_cache_item_t         item; /* what holders see: first */
  struct tf_cache_loaded *next; /* in a list of those that leave */
  tf_model_t             *model;
  size_t                  bytes;
  uint32_t                holders;
  bool                    is_replaced; /* no key stands for it: it leaves with its last holder */
} tf_cache_loaded_t;

typedef struct tf_cache_entry {
  struct tf_cache_entry *next, *next_in_bucket;
  tf_cache_loaded_t     *loaded; /* NULL: not in memory */
  tf_cache_blob_t *blob; /* beside a loaded one it counts to memory, else to compressed; or NULL */
  uint64_t         used_seq;
  bool             is_again, is_pinned;
  bool             is_busy;    /* somebody loads it, or asks whether it is still the newest */
  uint32_t         waiter_cnt; /* who wait for that one */
  uint64_t         asked_ns;   /* when the registry was asked last */
  uint64_t         takes;
  uint32_t         number; /* of the file that sha256_hex is known of */
  char             sha256_hex[TF_MODEL_STORE_ID_CHARS + 1];
  uint64_t         flight; /* loads that were tried; what the last one ended with */
  tf_err_t         flight_err;
  char             flight_text[256];
  char             key[TF_CACHE_KEY_BYTES];
} tf_cache_entry_t;

/* What left, for the caller to unmake and to put away. */
typedef struct tf_cache_leaving {
  tf_cache_loaded_t *models;
  tf_cache_blob_t   *blobs;
} tf_cache_leaving_t;

typedef struct tf_cache_table {
  uint32_t          models_max, again_max;
  uint64_t          bytes_max, compressed_bytes_max;
  tf_cache_entry_t *all, *buckets[TF_CACHE_BUCKETS];
  uint32_t          entry_cnt, pinned_cnt;
  uint64_t          seq;
  uint32_t          model_cnt, again_cnt, compressed_cnt;
  uint64_t          model_bytes, compressed_bytes; /* model_bytes: with the blobs beside */
  uint64_t          evicted, demoted;
} tf_cache_table_t;

tf_cache_entry_t *tf_cache_table_find(const tf_cache_table_t *table, const char *key);
/* A key that is not there. Forgets one of which nothing is kept, where TF_CACHE_KEYS_MAX are remembered. NULL: each
 * of them is in use, or no memory. */
tf_cache_entry_t *tf_cache_table_add(tf_cache_table_t *table, const char *key);

/* It was taken. */
void tf_cache_table_use(tf_cache_table_t *table, tf_cache_entry_t *entry);

/* Makes room for one model more of so many bytes; false: what is pinned or held leaves none, and nothing has left. */
bool tf_cache_table_make_room(tf_cache_table_t *table, size_t bytes, tf_cache_leaving_t *leaving);
/* The entry has none loaded, and there is room for it; blob may be NULL, and is the table's from here on. */
void tf_cache_table_put(tf_cache_table_t *table, tf_cache_entry_t *entry, tf_cache_loaded_t *loaded,
                        tf_cache_blob_t *blob);
/* There is no room: neither comes in. blob may be NULL. */
void tf_cache_table_refuse(tf_cache_loaded_t *loaded, tf_cache_blob_t *blob,
                           tf_cache_leaving_t *leaving);
/* The loaded model is taken out of the entry: demoted, or, where another file replaces it, away with its blob. */
void tf_cache_table_remove(tf_cache_table_t *table, tf_cache_entry_t *entry, bool is_replaced,
                           tf_cache_leaving_t *leaving);
/* The compressed file is taken out; NULL: there is none. */
tf_cache_blob_t *tf_cache_table_take_blob(tf_cache_table_t *table, tf_cache_entry_t *entry);

/* The next to leave: least recently used, not pinned, not busy, not held. NULL: none. */
tf_cache_entry_t *tf_cache_table_next_out(const tf_cache_table_t *table);

void tf_cache_blob_free(tf_cache_blob_t *blob); /* accepts NULL */
/* Frees entries and blobs; nothing is loaded any more. */
void tf_cache_table_fini(tf_cache_table_t *table);

#endif
