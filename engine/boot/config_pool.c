#include "boot/config_pool.h"

#include <string.h>

#define CHUNK_BYTES_MIN (64u * 1024)

typedef struct tf_config_chunk {
  struct tf_config_chunk *next;
  size_t                  cap, used;
  TF_ALIGNED(16) unsigned char bytes[];
} tf_config_chunk_t;

void *tf_config_pool_take(tf_config_pool_t *pool, size_t bytes) {
  TF_ASSERT(bytes < ((size_t)1 << 40));
  bytes                    = tf_align_up(bytes ? bytes : 1, 16);
  tf_config_chunk_t *chunk = pool->chunks;
  if (!chunk || chunk->cap - chunk->used < bytes) {
    size_t cap = bytes > CHUNK_BYTES_MIN ? bytes : CHUNK_BYTES_MIN;
    chunk      = calloc(1, sizeof *chunk + cap);
    if (!chunk) return NULL;
    chunk->cap   = cap;
    chunk->next  = pool->chunks;
    pool->chunks = chunk;
  }
  void *taken = chunk->bytes + chunk->used;
  chunk->used += bytes;
  return taken;
}

char *tf_config_pool_text(tf_config_pool_t *pool, const char *text, size_t text_cnt) {
  char *copy = tf_config_pool_take(pool, text_cnt + 1);
  if (copy && text_cnt) memcpy(copy, text, text_cnt);
  return copy;
}

void tf_config_pool_fini(tf_config_pool_t *pool) {
  while (pool->chunks) {
    tf_config_chunk_t *next = pool->chunks->next;
    free(pool->chunks);
    pool->chunks = next;
  }
}
