#include "serve/cache_table.h"

#include <string.h>

#include "core/hash.h"

static uint32_t bucket_of(const char *key) {
  return (uint32_t)(tf_hash_text(key) >> 32) & (TF_CACHE_BUCKETS - 1);
}

TF_STATIC_ASSERT((TF_CACHE_BUCKETS & (TF_CACHE_BUCKETS - 1)) == 0, "a mask finds the bucket");

tf_cache_entry_t *tf_cache_table_find(const tf_cache_table_t *t, const char *key) {
  tf_cache_entry_t *e = t->buckets[bucket_of(key)];
  while (e && strcmp(e->key, key) != 0) e = e->next_in_bucket;
  return e;
}

static void unlink_entry(tf_cache_table_t *t, tf_cache_entry_t *e) {
  tf_cache_entry_t **at = &t->all;
  while (*at != e) at = &(*at)->next;
  *at = e->next;
  at  = &t->buckets[bucket_of(e->key)];
  while (*at != e) at = &(*at)->next_in_bucket;
  *at = e->next_in_bucket;
  t->entry_cnt--;
}

/* Of those of which nothing is kept, the one not used for longest. */
static bool forget_one(tf_cache_table_t *t) {
  tf_cache_entry_t *oldest = NULL;
  for (tf_cache_entry_t *e = t->all; e; e = e->next)
    if (!e->loaded && !e->blob && !e->is_pinned && !e->is_busy && !e->waiter_cnt &&
        (!oldest || e->used_seq < oldest->used_seq))
      oldest = e;
  if (!oldest) return false;
  unlink_entry(t, oldest);
  free(oldest);
  return true;
}

tf_cache_entry_t *tf_cache_table_add(tf_cache_table_t *t, const char *key) {
  if (t->entry_cnt == TF_CACHE_KEYS_MAX && !forget_one(t)) return NULL;
  tf_cache_entry_t *e = calloc(1, sizeof *e);
  if (!e) return NULL;
  tf_cache_entry_t **bucket = &t->buckets[bucket_of(key)];
  snprintf(e->key, sizeof e->key, "%s", key);
  e->next           = t->all;
  e->next_in_bucket = *bucket;
  t->all = *bucket = e;
  t->entry_cnt++;
  return e;
}

/* ---- who leaves next ---- */

static bool is_before(const tf_cache_entry_t *a, const tf_cache_entry_t *b) {
  if (a->is_again != b->is_again) return b->is_again;
  return a->used_seq < b->used_seq;
}

static bool may_leave(const tf_cache_entry_t *e) {
  return e->loaded && !e->is_pinned && !e->is_busy && e->loaded->holders == 0;
}

tf_cache_entry_t *tf_cache_table_next_out(const tf_cache_table_t *t) {
  tf_cache_entry_t *next = NULL;
  for (tf_cache_entry_t *e = t->all; e; e = e->next)
    if (may_leave(e) && (!next || is_before(e, next))) next = e;
  return next;
}

static tf_cache_entry_t *oldest_of_again(const tf_cache_table_t *t) {
  tf_cache_entry_t *oldest = NULL;
  for (tf_cache_entry_t *e = t->all; e; e = e->next)
    if (e->loaded && e->is_again && (!oldest || e->used_seq < oldest->used_seq)) oldest = e;
  return oldest;
}

void tf_cache_table_use(tf_cache_table_t *t, tf_cache_entry_t *e) {
  e->used_seq = ++t->seq;
  if (!e->loaded || e->is_again) return;
  e->is_again = true;
  if (++t->again_cnt <= t->again_max) return;
  tf_cache_entry_t *back = oldest_of_again(t);
  back->is_again         = false;
  back->used_seq         = ++t->seq;
  t->again_cnt--;
}

/* ---- coming and leaving ---- */

static void leave(tf_cache_leaving_t *leaving, tf_cache_blob_t *blob) {
  blob->next     = leaving->blobs;
  leaving->blobs = blob;
}

static tf_cache_entry_t *oldest_compressed(const tf_cache_table_t *t) {
  tf_cache_entry_t *oldest = NULL;
  for (tf_cache_entry_t *e = t->all; e; e = e->next)
    if (!e->loaded && e->blob && (!oldest || e->used_seq < oldest->used_seq)) oldest = e;
  return oldest;
}

/* The entry's model has just left, its blob stays if there is room for it. */
static void demote(tf_cache_table_t *t, tf_cache_entry_t *e, tf_cache_leaving_t *leaving) {
  if (!e->blob) return;
  t->demoted++;
  if (e->blob->bytes_cnt > t->compressed_bytes_max) {
    leave(leaving, e->blob);
    e->blob = NULL;
    return;
  }
  t->compressed_cnt++;
  t->compressed_bytes += e->blob->bytes_cnt;
  while (t->compressed_bytes > t->compressed_bytes_max)
    leave(leaving, tf_cache_table_take_blob(t, oldest_compressed(t)));
}

tf_cache_blob_t *tf_cache_table_take_blob(tf_cache_table_t *t, tf_cache_entry_t *e) {
  tf_cache_blob_t *blob = e->loaded ? NULL : e->blob;
  if (!blob) return NULL;
  t->compressed_cnt--;
  t->compressed_bytes -= blob->bytes_cnt;
  e->blob = NULL;
  return blob;
}

static void leave_model(tf_cache_leaving_t *leaving, tf_cache_loaded_t *loaded) {
  loaded->next    = leaving->models;
  leaving->models = loaded;
}

void tf_cache_table_refuse(tf_cache_loaded_t *loaded, tf_cache_blob_t *blob,
                           tf_cache_leaving_t *leaving) {
  leave_model(leaving, loaded);
  if (blob) leave(leaving, blob);
}

void tf_cache_table_remove(tf_cache_table_t *t, tf_cache_entry_t *e, bool is_replaced,
                           tf_cache_leaving_t *leaving) {
  tf_cache_loaded_t *loaded = e->loaded;
  t->model_cnt--;
  t->model_bytes -= loaded->bytes + (e->blob ? e->blob->bytes_cnt : 0);
  t->again_cnt -= e->is_again;
  e->is_again         = false;
  e->loaded           = NULL;
  loaded->is_replaced = true;
  if (loaded->holders == 0) leave_model(leaving, loaded);
  if (!is_replaced) {
    demote(t, e, leaving);
  } else {
    tf_cache_blob_free(e->blob);
    e->blob = NULL;
  }
}

static bool has_room(const tf_cache_table_t *t, size_t bytes) {
  return t->model_cnt < t->models_max && bytes <= t->bytes_max &&
         t->model_bytes <= t->bytes_max - bytes;
}

/* Would there be room if all left that may? */
static bool may_have_room(const tf_cache_table_t *t, size_t bytes) {
  uint32_t cnt  = t->model_cnt;
  uint64_t used = t->model_bytes;
  for (const tf_cache_entry_t *e = t->all; e; e = e->next) {
    if (!may_leave(e)) continue;
    cnt--;
    used -= e->loaded->bytes + (e->blob ? e->blob->bytes_cnt : 0);
  }
  return cnt < t->models_max && bytes <= t->bytes_max && used <= t->bytes_max - bytes;
}

bool tf_cache_table_make_room(tf_cache_table_t *t, size_t bytes, tf_cache_leaving_t *leaving) {
  if (!may_have_room(t, bytes)) return false;
  while (!has_room(t, bytes)) {
    tf_cache_table_remove(t, tf_cache_table_next_out(t), false, leaving);
    t->evicted++;
  }
  return true;
}

void tf_cache_table_put(tf_cache_table_t *t, tf_cache_entry_t *e, tf_cache_loaded_t *loaded,
                        tf_cache_blob_t *blob) {
  tf_cache_blob_free(tf_cache_table_take_blob(t, e));
  e->loaded   = loaded;
  e->blob     = blob;
  e->used_seq = ++t->seq;
  t->model_cnt++;
  t->model_bytes += loaded->bytes + (blob ? blob->bytes_cnt : 0);
}

void tf_cache_blob_free(tf_cache_blob_t *blob) {
  if (!blob) return;
  free(blob->bytes);
  free(blob);
}

void tf_cache_table_fini(tf_cache_table_t *t) {
  for (tf_cache_entry_t *e = t->all, *next; e; e = next) {
    next = e->next;
    tf_cache_blob_free(e->blob);
    free(e);
  }
}
