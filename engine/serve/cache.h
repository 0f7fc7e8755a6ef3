/* A cache of models, for a server that has more of them than memory: one an instrument, one a regime.
 *
 *                 level        holds                                            limits
 *   take(key) --> memory       models loaded, their known answers reproduced    models_max, bytes_max
 *        ^        compressed   files in memory, zstd                            compressed_bytes_max
 *    promoted     stores       files below: a directory, Redis (tf/model_store.h)   their own
 *    on a hit     registry     files as they were put there; read, never written
 *
 * A key stands for a file of the registry (the newest version, say); which one is asked when it is loaded, and again once
 * ttl_ns have passed: then the same file is renewed without a load, another one replaces it. Below memory a file goes by its
 * SHA-256 alone. The registry says it (a .sha256 beside the file) or the file was read once; where nobody knows it, the
 * stores are not asked. So no level can hand out another model than the one that was meant, and a damaged entry is
 * found by the level's own id: it is dropped, counted, and the next level down is asked.
 *
 * What makes room: the least recently taken (segmented LRU, Karedla, Love and Wherry 1994: those that were taken
 * once go before those that were taken again, who are at most nine in ten). Never a pinned one, nor one that somebody
 * holds. It goes down a level: to compressed, and from there to the stores that are no one else's. A shared store is written as
 * soon as a model comes from below it, since others wait for it.
 *
 * Two takes of one key load it once: the second waits for the first, and has its model or its error.
 *
 * Any control plane thread may call; never a lane, since a take waits for disks and networks. One lock, never
 * held while a level below memory is asked. Cost of a take from memory: bench_cache. */
#ifndef TF_SERVE_CACHE_H
#define TF_SERVE_CACHE_H

#include "serve/models_dir.h"
#include "tf/model.h"
#include "tf/model_store.h"

#define TF_CACHE_KEY_BYTES  128
#define TF_CACHE_KEYS_MAX   4096u /* that are remembered, loaded or not */
#define TF_CACHE_STORES_MAX 4u
#define TF_CACHE_LEVELS_MAX (3 + TF_CACHE_STORES_MAX)

/* What a key stands for now. */
typedef struct tf_cache_file {
  uint32_t number;                                  /* of its version */
  char     sha256_hex[TF_MODEL_STORE_ID_CHARS + 1]; /* "": not known before it is read */
  char     path[TF_MODELS_DIR_PATH_BYTES];
} tf_cache_file_t;

/* Whose functions these are says what they need beside a cache. They are called without its lock, of different keys at
 * once. */
typedef struct tf_cache_origin {
  void *self;
  tf_err_t (*find)(void *self, const char *key, tf_cache_file_t *file);
  /* malloc'd, the cache's. */
  tf_err_t (*read)(void *self, const tf_cache_file_t *file, uint8_t **bytes, size_t *bytes_cnt);
} tf_cache_origin_t;

typedef struct tf_cache_maker {
  void *self;
  /* bytes_cnt in: the file's; out: what the loaded model counts as. An error: the file is none that may serve. */
  tf_err_t (*make)(void *self, const char *key, const tf_cache_file_t *file, const uint8_t *bytes,
                   size_t *bytes_cnt, tf_model_t **model);
  void (*unmake)(void *self, tf_model_t *model);
} tf_cache_maker_t;

typedef struct tf_cache_config {
  uint32_t models_max;                      /* 1 .. TF_CACHE_KEYS_MAX */
  uint64_t bytes_max, compressed_bytes_max; /* 0: no compressed level */
  uint64_t file_bytes_max;                  /* a larger one is refused */
  uint64_t ttl_ns;                          /* 0: never asked again */
  uint64_t (*now_ns)(void); /* a clock that does not go back: for ttl_ns and latencies */

  tf_cache_origin_t origin;
  tf_cache_maker_t  maker;
  struct {
    const tf_model_store_t *store;
    tf_model_store_config_t config;
  } stores[TF_CACHE_STORES_MAX]; /* asked in this order */
  uint32_t store_cnt;
} tf_cache_config_t;

typedef struct tf_cache tf_cache_t;

/* One who holds a model: as long as it is held, it is loaded, whatever becomes of its key. */
typedef struct tf_cache_item {
  const tf_model_t *model;
  tf_cache_file_t   file;
} tf_cache_item_t;

/* E_CORE_ARGUMENT: models_max or a store count beyond its range; E_CORE_NO_MEMORY; a store's. */
tf_err_t tf_cache_init(const tf_cache_config_t *config, tf_cache_t **cache);
/* Everything was given back, nobody takes any more. Accepts NULL. */
void tf_cache_fini(tf_cache_t *cache);

/* E_MODEL_CACHE_FULL: pinned and held ones leave no room; E_CORE_ARGUMENT: the key is empty or too long; the origin's
 * and the maker's. */
tf_err_t tf_cache_take(tf_cache_t *cache, const char *key, const tf_cache_item_t **item);
void     tf_cache_give(tf_cache_t *cache, const tf_cache_item_t *item);

/* Would a key more of the usual size find no room, unless a holder gives one back that is not pinned? */
bool tf_cache_is_full(tf_cache_t *cache);
bool tf_cache_is_pinned(tf_cache_t *cache, const char *key);

/* Pins a key, loaded or not: once loaded, it stays. E_MODEL_CACHE_FULL: the last free place of models_max is not to be
 * pinned. */
tf_err_t tf_cache_pin(tf_cache_t *cache, const char *key);
void     tf_cache_unpin(tf_cache_t *cache, const char *key);
/* Out of memory, down a level. E_MODEL_BUSY: it is held, pinned or being loaded; E_CONTROL_REQUEST: it is not loaded. */
tf_err_t tf_cache_evict(tf_cache_t *cache, const char *key);

/* ---- figures ---- */

typedef struct tf_cache_level {
  const char *name; /* memory, compressed, a store's, registry */
  uint64_t    hits, misses;
  uint64_t    damaged;         /* blobs that were not what their id says */
  uint64_t    failed;          /* the level was not to be had */
  uint64_t    put;             /* demoted to it, or written because it is shared */
  uint64_t    entries, bytes;  /* now; of memory and compressed */
  uint64_t hit_ns, hit_ns_max; /* sum and longest of takes that it answered, to the loaded model */
} tf_cache_level_t;

typedef struct tf_cache_figures {
  tf_cache_level_t levels[TF_CACHE_LEVELS_MAX];
  uint32_t         level_cnt;
  uint64_t         takes;   /* = hits of all levels + refused */
  uint64_t         refused; /* takes that ended in an error */
  uint64_t joined; /* takes that waited for another's load; they are hits of memory, or refused */
  uint64_t evicted, renewed,
      replaced; /* out of memory for room; at the ttl: the same file, another one */
} tf_cache_figures_t;

void tf_cache_read(tf_cache_t *cache, tf_cache_figures_t *figures);

typedef struct tf_cache_row {
  const char *key;
  const char *level; /* memory, compressed, below */
  uint32_t    number;
  uint32_t    holders;
  uint64_t    bytes, takes;
  bool        is_pinned;
} tf_cache_row_t;

/* Each key that is remembered, with the lock held: visit calls nothing of the cache. */
void tf_cache_each(tf_cache_t *cache, void (*visit)(void *self, const tf_cache_row_t *row),
                   void       *self);

#endif
