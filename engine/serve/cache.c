#include "serve/cache.h"

#include <pthread.h>
#include <string.h>

#include "core/error.h"
#include "core/log.h"
#include "serve/cache_frame.h"
#include "serve/cache_table.h"

#define AGAIN_OF_TEN 9 /* as the rule in cache.h says */

enum { MEMORY, COMPRESSED, FIRST_STORE };

struct tf_cache {
  tf_cache_config_t  config;
  pthread_mutex_t    lock; /* of all below, but states */
  pthread_cond_t     landed;
  tf_cache_table_t   table;
  tf_cache_figures_t figures;
  void              *states[TF_CACHE_STORES_MAX]; /* of the stores, each with its lock */
  pthread_mutex_t    store_locks[TF_CACHE_STORES_MAX];
  bool               is_failing[TF_CACHE_LEVELS_MAX];
  bool               has_private; /* a store that takes what compressed has no room for */
};

static uint32_t registry_of(const tf_cache_t *c) { return FIRST_STORE + c->config.store_cnt; }

static void count(tf_cache_t *c, uint64_t *figure) {
  pthread_mutex_lock(&c->lock);
  ++*figure;
  pthread_mutex_unlock(&c->lock);
}

/* ---- stores: without the lock ---- */

static tf_model_store_result_t store_get(tf_cache_t *c, uint32_t i, const char *id, uint8_t **blob,
                                         size_t *blob_bytes) {
  pthread_mutex_lock(&c->store_locks[i]);
  tf_model_store_result_t r = c->config.stores[i].store->get(c->states[i], id, blob, blob_bytes);
  pthread_mutex_unlock(&c->store_locks[i]);
  return r;
}

/* Each failure is counted, the first of several is told. */
static void note_failure(tf_cache_t *c, uint32_t level, const char *what) {
  pthread_mutex_lock(&c->lock);
  c->figures.levels[level].failed++;
  bool is_first        = !c->is_failing[level];
  c->is_failing[level] = true;
  pthread_mutex_unlock(&c->lock);
  if (is_first)
    tf_log(TF_LOG_WARN, "model_cache_level_failed", "level=%s what=%s text=\"%s\"",
           c->figures.levels[level].name, what, tf_error_text());
}

static void note_success(tf_cache_t *c, uint32_t level) {
  pthread_mutex_lock(&c->lock);
  bool is_first        = c->is_failing[level];
  c->is_failing[level] = false;
  pthread_mutex_unlock(&c->lock);
  if (is_first)
    tf_log(TF_LOG_NOTICE, "model_cache_level_back", "level=%s", c->figures.levels[level].name);
}

static void note_result(tf_cache_t *c, uint32_t level, tf_model_store_result_t r,
                        const char *what) {
  if (r == TF_MODEL_STORE_FAILED)
    note_failure(c, level, what);
  else
    note_success(c, level);
}

static void store_put(tf_cache_t *c, uint32_t i, const tf_cache_blob_t *blob) {
  pthread_mutex_lock(&c->store_locks[i]);
  tf_model_store_result_t r =
      c->config.stores[i].store->put(c->states[i], blob->sha256_hex, blob->bytes, blob->bytes_cnt);
  pthread_mutex_unlock(&c->store_locks[i]);
  if (r == TF_MODEL_STORE_DONE) count(c, &c->figures.levels[FIRST_STORE + i].put);
  note_result(c, FIRST_STORE + i, r, "put");
}

static void store_drop(tf_cache_t *c, uint32_t i, const char *id) {
  pthread_mutex_lock(&c->store_locks[i]);
  c->config.stores[i].store->drop(c->states[i], id);
  pthread_mutex_unlock(&c->store_locks[i]);
}

/* To the stores that take what other levels let go (shared false), or that others wait for (true) and that stand above
 * the level it came from. */
static void put_away(tf_cache_t *c, const tf_cache_blob_t *blob, bool shared, uint32_t above) {
  for (uint32_t i = 0; i < c->config.store_cnt && FIRST_STORE + i < above; i++)
    if (c->config.stores[i].store->is_shared == shared) store_put(c, i, blob);
}

static void settle(tf_cache_t *c, tf_cache_leaving_t *leaving) {
  for (tf_cache_loaded_t *l = leaving->models, *next; l; l = next) {
    next = l->next;
    c->config.maker.unmake(c->config.maker.self, l->model);
    free(l);
  }
  for (tf_cache_blob_t *b = leaving->blobs, *next; b; b = next) {
    next = b->next;
    put_away(c, b, false, registry_of(c));
    tf_cache_blob_free(b);
  }
}

/* ---- one load: without the lock, the entry is busy ---- */

typedef struct flight {
  const char        *key;
  tf_cache_file_t    file;
  uint8_t           *bytes; /* the file's */
  size_t             bytes_cnt;
  uint32_t           level; /* that had it */
  tf_cache_blob_t   *blob;  /* to keep beside the model; NULL: nothing below wants it */
  tf_cache_loaded_t *loaded;
} flight_t;

static void note_damage(tf_cache_t *c, uint32_t level, const char *key) {
  tf_cache_level_t *l = &c->figures.levels[level];
  count(c, &l->damaged);
  tf_log(TF_LOG_WARN, "model_cache_damaged", "level=%s key=%s code=%s text=\"%s\"", l->name, key,
         tf_error_name(tf_error_code()), tf_error_text());
}

static bool unpack(tf_cache_t *c, flight_t *f, uint32_t level, const uint8_t *blob,
                   size_t blob_bytes) {
  bool good = !tf_cache_frame_unpack(blob, blob_bytes, f->file.sha256_hex, c->config.file_bytes_max,
                                     &f->bytes, &f->bytes_cnt);
  if (!good) note_damage(c, level, f->key);
  f->level = level;
  return good;
}

/* The compressed file, where it is of the version that is wanted; another is of no use any more. */
static bool from_compressed(tf_cache_t *c, flight_t *f, tf_cache_entry_t *e) {
  pthread_mutex_lock(&c->lock);
  tf_cache_blob_t *blob = tf_cache_table_take_blob(&c->table, e);
  pthread_mutex_unlock(&c->lock);
  if (!blob) return false;
  if (!strcmp(blob->sha256_hex, f->file.sha256_hex) &&
      unpack(c, f, COMPRESSED, blob->bytes, blob->bytes_cnt)) {
    f->blob = blob;
    return true;
  }
  tf_cache_blob_free(blob);
  return false;
}

static tf_cache_blob_t *make_blob(const flight_t *f, uint8_t *bytes, size_t bytes_cnt) {
  tf_cache_blob_t *blob = calloc(1, sizeof *blob);
  if (!blob) {
    free(bytes);
    return NULL;
  }
  blob->bytes     = bytes;
  blob->bytes_cnt = bytes_cnt;
  blob->number    = f->file.number;
  memcpy(blob->sha256_hex, f->file.sha256_hex, sizeof blob->sha256_hex);
  return blob;
}

static bool from_store(tf_cache_t *c, flight_t *f, uint32_t i) {
  uint8_t                *bytes     = NULL;
  size_t                  bytes_cnt = 0;
  tf_model_store_result_t r         = store_get(c, i, f->file.sha256_hex, &bytes, &bytes_cnt);
  note_result(c, FIRST_STORE + i, r, "get");
  if (r != TF_MODEL_STORE_DONE) return false;
  if (unpack(c, f, FIRST_STORE + i, bytes, bytes_cnt)) {
    f->blob = make_blob(f, bytes, bytes_cnt);
    return true;
  }
  free(bytes);
  store_drop(c, i, f->file.sha256_hex);
  return false;
}

static tf_err_t from_registry(tf_cache_t *c, flight_t *f) {
  char     found[TF_MODEL_STORE_ID_CHARS + 1];
  tf_err_t err = c->config.origin.read(c->config.origin.self, &f->file, &f->bytes, &f->bytes_cnt);
  f->level     = registry_of(c);
  if (!err) err = tf_cache_frame_digest(f->bytes, f->bytes_cnt, found);
  if (!err && *f->file.sha256_hex && strcmp(found, f->file.sha256_hex) != 0) {
    err = TF_ERR(E_MODEL_PIN, "%s: its SHA-256 is %s, the registry says %s", f->file.path, found,
                 f->file.sha256_hex);
    note_damage(c, f->level, f->key);
  }
  if (!err) memcpy(f->file.sha256_hex, found, sizeof found);
  return err;
}

static tf_err_t fetch(tf_cache_t *c, flight_t *f, tf_cache_entry_t *e) {
  if (from_compressed(c, f, e)) return TF_OK;
  for (uint32_t i = 0; *f->file.sha256_hex && i < c->config.store_cnt; i++)
    if (from_store(c, f, i)) return TF_OK;
  return from_registry(c, f);
}

/* Below memory it is wanted compressed: now by shared stores, later, when it leaves, by the others. Without memory for
 * that it is loaded all the same, and read anew the next time. */
static void keep_compressed(tf_cache_t *c, flight_t *f) {
  bool     kept      = c->config.compressed_bytes_max > 0 || c->has_private;
  uint8_t *bytes     = NULL;
  size_t   bytes_cnt = 0;
  if (!f->blob && (kept || c->config.store_cnt > 0) &&
      !tf_cache_frame_pack(f->bytes, f->bytes_cnt, f->file.sha256_hex, &bytes, &bytes_cnt))
    f->blob = make_blob(f, bytes, bytes_cnt);
  if (f->blob) put_away(c, f->blob, true, f->level);
  if (!kept) {
    tf_cache_blob_free(f->blob);
    f->blob = NULL;
  }
}

static tf_err_t make(tf_cache_t *c, flight_t *f) {
  size_t             bytes  = f->bytes_cnt;
  tf_cache_loaded_t *loaded = calloc(1, sizeof *loaded);
  if (!loaded) return TF_ERR(E_CORE_NO_MEMORY, "a model of the cache");
  tf_err_t err = c->config.maker.make(c->config.maker.self, f->key, &f->file, f->bytes, &bytes,
                                      &loaded->model);
  if (err) {
    free(loaded);
    return err;
  }
  loaded->item  = (tf_cache_item_t){.model = loaded->model, .file = f->file};
  loaded->bytes = bytes;
  f->loaded     = loaded;
  return TF_OK;
}

static tf_err_t fly(tf_cache_t *c, flight_t *f, tf_cache_entry_t *e) {
  tf_err_t err = fetch(c, f, e);
  if (!err && f->bytes_cnt > c->config.file_bytes_max)
    err = TF_ERR(E_MODEL_CACHE_FULL, "%s: %zu bytes; model_cache allows a file %llu", f->file.path,
                 f->bytes_cnt, (unsigned long long)c->config.file_bytes_max);
  if (!err) err = make(c, f);
  if (!err) keep_compressed(c, f);
  if (err) tf_cache_blob_free(f->blob);
  free(f->bytes);
  return err;
}

/* ---- take ---- */

static bool is_due(const tf_cache_t *c, const tf_cache_entry_t *e, uint64_t now_ns) {
  return c->config.ttl_ns && now_ns > e->asked_ns && now_ns - e->asked_ns >= c->config.ttl_ns;
}

static void hold(tf_cache_t *c, tf_cache_entry_t *e, uint32_t level, uint64_t took_ns) {
  tf_cache_level_t *l = &c->figures.levels[level];
  l->hits++;
  l->hit_ns += took_ns;
  if (took_ns > l->hit_ns_max) l->hit_ns_max = took_ns;
  for (uint32_t above = MEMORY; above < level; above++) c->figures.levels[above].misses++;
  e->takes++;
  e->loaded->holders++;
}

/* With the lock: the flight's model into the table, if there is room. */
static tf_err_t land(tf_cache_t *c, tf_cache_entry_t *e, flight_t *f, tf_cache_leaving_t *leaving) {
  if (e->loaded) {
    tf_cache_table_remove(&c->table, e, true, leaving);
    c->figures.replaced++;
  }
  size_t bytes = f->loaded->bytes + (f->blob ? f->blob->bytes_cnt : 0);
  if (!tf_cache_table_make_room(&c->table, bytes, leaving)) {
    tf_err_t err =
        TF_ERR(E_MODEL_CACHE_FULL,
               "%s: no room for %zu bytes beside %u models of %llu bytes that are "
               "pinned or held; model_cache allows %u of %llu",
               f->key, bytes, c->table.model_cnt, (unsigned long long)c->table.model_bytes,
               c->table.models_max, (unsigned long long)c->table.bytes_max);
    tf_cache_table_refuse(f->loaded, f->blob, leaving);
    return err;
  }
  tf_cache_table_put(&c->table, e, f->loaded, f->blob);
  return TF_OK;
}

/* Is what the registry names now what is loaded? */
static bool is_same(const tf_cache_entry_t *e, const tf_cache_file_t *file) {
  const tf_cache_file_t *had = e->loaded ? &e->loaded->item.file : NULL;
  return had && file->number == had->number && !strcmp(file->sha256_hex, had->sha256_hex);
}

/* What the key stands for now, without the lock: nobody else writes to a busy entry. A loaded model goes on where that
 * is not to be had, or no good. */
static tf_err_t look(tf_cache_t *c, tf_cache_entry_t *e, flight_t *f) {
  tf_err_t err = c->config.origin.find(c->config.origin.self, e->key, &f->file);
  if (!err && !*f->file.sha256_hex && e->number == f->file.number)
    memcpy(f->file.sha256_hex, e->sha256_hex, sizeof f->file.sha256_hex);
  if (!err && !is_same(e, &f->file)) err = fly(c, f, e);
  if (!err) note_success(c, registry_of(c));
  if (!err || !e->loaded) return err;
  note_failure(c, registry_of(c), "renew");
  f->file  = e->loaded->item.file;
  f->level = MEMORY;
  return TF_OK;
}

static void end_flight(tf_cache_t *c, tf_cache_entry_t *e, tf_err_t err) {
  e->is_busy = false;
  e->flight++;
  e->flight_err = err;
  snprintf(e->flight_text, sizeof e->flight_text, "%s", err ? tf_error_text() : "");
  pthread_cond_broadcast(&c->landed);
}

/* With the lock on entry and on return: what the key stands for now is in memory, or why not. */
static tf_err_t load(tf_cache_t *c, tf_cache_entry_t *e, uint32_t *level,
                     tf_cache_leaving_t *leaving) {
  flight_t f = {.key = e->key, .level = MEMORY};
  e->is_busy = true;
  pthread_mutex_unlock(&c->lock);
  tf_err_t err = look(c, e, &f);
  pthread_mutex_lock(&c->lock);
  if (!err && !f.loaded) c->figures.renewed++;
  if (!err && f.loaded) err = land(c, e, &f, leaving);
  if (!err) {
    e->asked_ns = c->config.now_ns();
    e->number   = f.file.number;
    memcpy(e->sha256_hex, f.file.sha256_hex, sizeof e->sha256_hex);
  }
  *level = f.level;
  end_flight(c, e, err);
  return err;
}

/* With the lock: another loads it. */
static tf_err_t join(tf_cache_t *c, tf_cache_entry_t *e) {
  uint64_t seen = e->flight;
  c->figures.joined++;
  e->waiter_cnt++;
  while (e->flight == seen) pthread_cond_wait(&c->landed, &c->lock);
  e->waiter_cnt--;
  return e->flight_err ? TF_ERR(e->flight_err, "%s", e->flight_text) : TF_OK;
}

static tf_err_t find_or_add(tf_cache_t *c, const char *key, tf_cache_entry_t **entry) {
  size_t chars = strlen(key);
  if (chars == 0 || chars >= TF_CACHE_KEY_BYTES)
    return TF_ERR(E_CORE_ARGUMENT, "a model's key of %zu characters; 1 to %u are allowed", chars,
                  TF_CACHE_KEY_BYTES - 1);
  *entry = tf_cache_table_find(&c->table, key);
  if (!*entry) *entry = tf_cache_table_add(&c->table, key);
  if (*entry) return TF_OK;
  return TF_ERR(E_MODEL_CACHE_FULL, "%s: %u models are remembered, each of them in use", key,
                TF_CACHE_KEYS_MAX);
}

tf_err_t tf_cache_take(tf_cache_t *c, const char *key, const tf_cache_item_t **item) {
  tf_cache_entry_t  *e       = NULL;
  tf_cache_leaving_t leaving = {0};
  uint32_t           level   = MEMORY;
  uint64_t           begin   = c->config.now_ns();
  *item                      = NULL;
  pthread_mutex_lock(&c->lock);
  c->figures.takes++;
  tf_err_t err = find_or_add(c, key, &e);
  while (!err && (e->is_busy || !e->loaded || is_due(c, e, begin))) {
    err = e->is_busy ? join(c, e) : load(c, e, &level, &leaving);
    if (!err && e->loaded) break; /* it may have left between the landing and our turn */
  }
  if (!err) {
    if (level == MEMORY) tf_cache_table_use(&c->table, e); /* else put has seen to that */
    hold(c, e, level, c->config.now_ns() - begin);
    *item = &e->loaded->item;
  }
  c->figures.refused += err != TF_OK;
  pthread_mutex_unlock(&c->lock);
  settle(c, &leaving);
  return err;
}

void tf_cache_give(tf_cache_t *c, const tf_cache_item_t *item) {
  tf_cache_loaded_t *loaded = (tf_cache_loaded_t *)item; /* its first member */
  pthread_mutex_lock(&c->lock);
  TF_ASSERT(loaded->holders > 0);
  bool is_last = --loaded->holders == 0 && loaded->is_replaced;
  pthread_mutex_unlock(&c->lock);
  if (!is_last) return;
  c->config.maker.unmake(c->config.maker.self, loaded->model);
  free(loaded);
}

TF_STATIC_ASSERT(offsetof(tf_cache_loaded_t, item) == 0, "give goes from the item to its owner");

bool tf_cache_is_full(tf_cache_t *c) {
  pthread_mutex_lock(&c->lock);
  const tf_cache_table_t *t    = &c->table;
  uint64_t                mean = t->model_cnt ? t->model_bytes / t->model_cnt : 0;
  bool no_room = t->model_cnt >= t->models_max || t->model_bytes + mean > t->bytes_max;
  bool full    = no_room && !tf_cache_table_next_out(t);
  pthread_mutex_unlock(&c->lock);
  return full;
}

bool tf_cache_is_pinned(tf_cache_t *c, const char *key) {
  pthread_mutex_lock(&c->lock);
  const tf_cache_entry_t *e      = tf_cache_table_find(&c->table, key);
  bool                    pinned = e && e->is_pinned;
  pthread_mutex_unlock(&c->lock);
  return pinned;
}

/* ---- an operator's ---- */

tf_err_t tf_cache_pin(tf_cache_t *c, const char *key) {
  tf_cache_entry_t *e = NULL;
  pthread_mutex_lock(&c->lock);
  tf_err_t err = find_or_add(c, key, &e);
  if (!err && !e->is_pinned && c->table.pinned_cnt + 1 >= c->table.models_max)
    err = TF_ERR(E_MODEL_CACHE_FULL,
                 "%s: %u are pinned; of model_cache.models_max %u one place stays free", key,
                 c->table.pinned_cnt, c->table.models_max);
  if (!err && !e->is_pinned) {
    e->is_pinned = true;
    c->table.pinned_cnt++;
  }
  pthread_mutex_unlock(&c->lock);
  return err;
}

void tf_cache_unpin(tf_cache_t *c, const char *key) {
  pthread_mutex_lock(&c->lock);
  tf_cache_entry_t *e = tf_cache_table_find(&c->table, key);
  if (e && e->is_pinned) {
    e->is_pinned = false;
    c->table.pinned_cnt--;
  }
  pthread_mutex_unlock(&c->lock);
}

tf_err_t tf_cache_evict(tf_cache_t *c, const char *key) {
  tf_cache_leaving_t leaving = {0};
  tf_err_t           err     = TF_OK;
  pthread_mutex_lock(&c->lock);
  tf_cache_entry_t *e = tf_cache_table_find(&c->table, key);
  if (!e || !(e->loaded || e->is_busy))
    err = TF_ERR(E_CONTROL_REQUEST, "%s is not loaded; model cache list names those that are", key);
  else if (e->is_pinned || e->is_busy || e->loaded->holders > 0)
    err = TF_ERR(E_MODEL_BUSY, "%s is %s", key,
                 e->is_pinned ? "pinned: unpin it first"
                 : e->is_busy ? "being loaded"
                              : "held by who runs it");
  else
    tf_cache_table_remove(&c->table, e, false, &leaving);
  pthread_mutex_unlock(&c->lock);
  settle(c, &leaving);
  return err;
}

/* ---- figures ---- */

void tf_cache_read(tf_cache_t *c, tf_cache_figures_t *figures) {
  pthread_mutex_lock(&c->lock);
  const tf_cache_table_t *t             = &c->table;
  c->figures.evicted                    = t->evicted;
  c->figures.levels[MEMORY].entries     = t->model_cnt;
  c->figures.levels[MEMORY].bytes       = t->model_bytes;
  c->figures.levels[COMPRESSED].put     = t->demoted;
  c->figures.levels[COMPRESSED].entries = t->compressed_cnt;
  c->figures.levels[COMPRESSED].bytes   = t->compressed_bytes;
  *figures                              = c->figures;
  pthread_mutex_unlock(&c->lock);
}

void tf_cache_each(tf_cache_t *c, void (*visit)(void *self, const tf_cache_row_t *row),
                   void       *self) {
  pthread_mutex_lock(&c->lock);
  for (const tf_cache_entry_t *e = c->table.all; e; e = e->next) {
    const tf_cache_loaded_t *l   = e->loaded;
    const tf_cache_row_t     row = {.key     = e->key,
                                    .level   = l         ? "memory"
                                               : e->blob ? "compressed"
                                                         : "below",
                                    .number  = e->number,
                                    .holders = l ? l->holders : 0,
                                    .bytes = (l ? l->bytes : 0) + (e->blob ? e->blob->bytes_cnt : 0),
                                    .takes     = e->takes,
                                    .is_pinned = e->is_pinned};
    visit(self, &row);
  }
  pthread_mutex_unlock(&c->lock);
}

/* ---- lifetime ---- */

static void name_levels(tf_cache_t *c) {
  tf_cache_level_t *levels = c->figures.levels;
  levels[MEMORY].name      = "memory";
  levels[COMPRESSED].name  = "compressed";
  for (uint32_t i = 0; i < c->config.store_cnt; i++)
    levels[FIRST_STORE + i].name = c->config.stores[i].store->name;
  levels[registry_of(c)].name = "registry";
  c->figures.level_cnt        = registry_of(c) + 1;
}

static tf_err_t check(const tf_cache_config_t *config) {
  if (config->models_max == 0 || config->models_max > TF_CACHE_KEYS_MAX)
    return TF_ERR(E_CORE_ARGUMENT, "a cache of %u models; 1 to %u are allowed", config->models_max,
                  TF_CACHE_KEYS_MAX);
  if (config->store_cnt > TF_CACHE_STORES_MAX)
    return TF_ERR(E_CORE_ARGUMENT, "%u stores below a cache; at most %u", config->store_cnt,
                  TF_CACHE_STORES_MAX);
  return TF_OK;
}

tf_err_t tf_cache_init(const tf_cache_config_t *config, tf_cache_t **cache) {
  tf_err_t err = check(config);
  *cache       = NULL;
  if (err) return err;
  tf_cache_t *c = calloc(1, sizeof *c);
  if (!c) return TF_ERR(E_CORE_NO_MEMORY, "the cache of models");
  c->config = *config;
  c->table =
      (tf_cache_table_t){.models_max = config->models_max,
                         .again_max  = (uint32_t)((uint64_t)config->models_max * AGAIN_OF_TEN / 10),
                         .bytes_max  = config->bytes_max,
                         .compressed_bytes_max = config->compressed_bytes_max};
  name_levels(c);
  pthread_mutex_init(&c->lock, NULL);
  pthread_cond_init(&c->landed, NULL);
  for (uint32_t i = 0; i < config->store_cnt; i++) {
    pthread_mutex_init(&c->store_locks[i], NULL);
    c->has_private |= !config->stores[i].store->is_shared;
  }
  for (uint32_t i = 0; i < config->store_cnt && !err; i++)
    err = config->stores[i].store->open(&c->config.stores[i].config, &c->states[i]);
  if (err) {
    tf_cache_fini(c);
    return err;
  }
  *cache = c;
  return TF_OK;
}

void tf_cache_fini(tf_cache_t *c) {
  if (!c) return;
  tf_cache_leaving_t leaving = {0};
  for (tf_cache_entry_t *e = c->table.all; e; e = e->next)
    if (e->loaded) {
      TF_ASSERT(e->loaded->holders == 0);
      tf_cache_table_remove(&c->table, e, true, &leaving);
    }
  settle(c, &leaving);
  tf_cache_table_fini(&c->table);
  for (uint32_t i = 0; i < c->config.store_cnt; i++) {
    if (c->states[i]) c->config.stores[i].store->close(c->states[i]);
    pthread_mutex_destroy(&c->store_locks[i]);
  }
  pthread_cond_destroy(&c->landed);
  pthread_mutex_destroy(&c->lock);
  free(c);
}
