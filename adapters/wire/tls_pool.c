#include "wire/tls_pool.h"

#include <openssl/crypto.h>
#include <pthread.h>
#include <string.h>

typedef struct pool_block {
  struct pool_block *next; /* while it is free */
} pool_block_t;

#define POOL_BYTES_(bytes, cnt, batch) +(size_t)(bytes) * (cnt)
#define POOL_BYTES                     (0 TF_TLS_POOL_CLASSES(POOL_BYTES_))

/* Grows by class: the slab of class i lies behind those of the smaller ones. */
static const struct {
  size_t   bytes, cnt;
  unsigned batch;
} pool_classes[] = {
#define POOL_CLASS_(bytes, cnt, batch) {bytes, cnt, batch},
    TF_TLS_POOL_CLASSES(POOL_CLASS_)
#undef POOL_CLASS_
};

#define CLASS_CNT TF_ARRAY_CNT(pool_classes)

static uint8_t         pool_slab[POOL_BYTES] TF_ALIGNED(TF_LINE_BYTES);
static size_t          pool_handed_out[CLASS_CNT]; /* under pool_lock */
static pthread_mutex_t pool_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_once_t  pool_once = PTHREAD_ONCE_INIT;
static bool            pool_installed; /* written once, under pool_once */

static _Thread_local struct {
  pool_block_t        *free[CLASS_CNT];
  bool                 entered;
  tf_tls_pool_counts_t counts;
} pool_mine;

/* Compared as integers: p may point into any object. */
TF_INLINE bool in_pool(const void *p) {
  return (uintptr_t)p - (uintptr_t)pool_slab < sizeof pool_slab;
}

TF_INLINE unsigned class_of_bytes(size_t bytes) {
  unsigned i = 0;
  while (i < CLASS_CNT && bytes > pool_classes[i].bytes) i++;
  return i;
}

TF_INLINE unsigned class_of_block(const void *p) {
  size_t   at = (uintptr_t)p - (uintptr_t)pool_slab;
  unsigned i  = 0;
  for (; at >= pool_classes[i].bytes * pool_classes[i].cnt; i++)
    at -= pool_classes[i].bytes * pool_classes[i].cnt;
  return i;
}

TF_INLINE void give(void *p) {
  pool_block_t  *block = p;
  const unsigned i     = class_of_block(p);
  block->next          = pool_mine.free[i];
  pool_mine.free[i]    = block;
}

static TF_COLD void take_batch(unsigned class_idx) {
  uint8_t *slab = pool_slab;
  for (unsigned i = 0; i < class_idx; i++) slab += pool_classes[i].bytes * pool_classes[i].cnt;
  pthread_mutex_lock(&pool_lock);
  size_t *handed_out = &pool_handed_out[class_idx];
  for (unsigned i = 0; i < pool_classes[class_idx].batch; i++) {
    if (*handed_out == pool_classes[class_idx].cnt) break;
    give(slab + pool_classes[class_idx].bytes * (*handed_out)++);
  }
  pthread_mutex_unlock(&pool_lock);
}

static void *pool_malloc(size_t cnt, const char *file, int line) {
  (void)file, (void)line;
  if (cnt == 0) return NULL; /* as OpenSSL's own does */
  if (!pool_mine.entered) return malloc(cnt);
  const unsigned i = class_of_bytes(cnt);
  if (TF_LIKELY(i < CLASS_CNT)) {
    if (TF_UNLIKELY(!pool_mine.free[i])) take_batch(i);
    pool_block_t *block = pool_mine.free[i];
    if (TF_LIKELY(block)) {
      pool_mine.free[i] = block->next;
      pool_mine.counts.served++;
      return block;
    }
  }
  pool_mine.counts.missed++;
  return malloc(cnt);
}

static void pool_free(void *p, const char *file, int line) {
  (void)file, (void)line;
  if (in_pool(p))
    give(p);
  else
    free(p);
}

static void *pool_realloc(void *p, size_t cnt, const char *file, int line) {
  if (p == NULL) return pool_malloc(cnt, file, line);
  if (cnt == 0) {
    pool_free(p, file, line);
    return NULL;
  }
  if (!in_pool(p)) {
    /* malloc's own block of unknown size: it alone can move it. */
    if (pool_mine.entered) pool_mine.counts.missed++;
    return realloc(p, cnt);
  }
  const size_t had = pool_classes[class_of_block(p)].bytes;
  if (cnt <= had) return p;
  void *larger = pool_malloc(cnt, file, line);
  if (!larger) return NULL;
  memcpy(larger, p, had);
  pool_free(p, file, line);
  return larger;
}

static void pool_start(void) {
  pool_installed = CRYPTO_set_mem_functions(pool_malloc, pool_realloc, pool_free) == 1;
}

bool tf_tls_pool_install(void) {
  pthread_once(&pool_once, pool_start);
  return pool_installed;
}

void tf_tls_pool_enter(void) { pool_mine.entered = true; }

void tf_tls_pool_leave(void) { pool_mine.entered = false; }

tf_tls_pool_counts_t tf_tls_pool_counts(void) { return pool_mine.counts; }
