#include "cache_fixture.h"

#include <stdio.h>
#include <unistd.h>

#include "core/error.h"
#include "tf/atomic.h"

fixture_t fixture;
uint64_t  fixture_now_ns;

static uint64_t now_ns(void) { return fixture_now_ns; }

void fixture_key(uint32_t k, char key[TF_CACHE_KEY_BYTES]) {
  snprintf(key, TF_CACHE_KEY_BYTES, "k%u", k);
}

size_t fixture_file(uint32_t k, uint32_t version, uint8_t *bytes) {
  size_t   cnt   = FIXTURE_FILE_BYTES + 100 * k;
  uint32_t state = k * 7919 + version;
  for (size_t i = 0; i < cnt; i++) {
    state    = state * 1664525 + 1013904223;
    bytes[i] = i % 3 ? (uint8_t)(state >> 24) : 0;
  }
  return cnt;
}

void fixture_sha256(uint32_t k, uint32_t version, char hex[65]) {
  static uint8_t bytes[FIXTURE_FILE_BYTES + 100 * FIXTURE_KEYS];
  size_t         cnt = fixture_file(k, version, bytes);
  assert_int_equal(tf_cache_frame_digest(bytes, cnt, hex), TF_OK);
}

size_t fixture_blob_bytes(uint32_t k, uint32_t version) {
  static uint8_t bytes[FIXTURE_FILE_BYTES + 100 * FIXTURE_KEYS];
  uint8_t       *blob;
  size_t         blob_bytes, cnt = fixture_file(k, version, bytes);
  char           hex[65];
  fixture_sha256(k, version, hex);
  assert_int_equal(tf_cache_frame_pack(bytes, cnt, hex, &blob, &blob_bytes), TF_OK);
  free(blob);
  return blob_bytes;
}

/* ---- the registry ---- */

static tf_err_t find(void *self, const char *key, tf_cache_file_t *file) {
  uint32_t k = (uint32_t)atoi(key + 1);
  (void)self;
  if (!fixture.newest[k]) return TF_ERR(E_MODEL_VERSION, "%s has no version", key);
  file->number = fixture.newest[k];
  snprintf(file->path, sizeof file->path, "%u", k);
  if (fixture.is_told[k]) fixture_sha256(k, file->number, file->sha256_hex);
  return TF_OK;
}

static tf_err_t read_file(void *self, const tf_cache_file_t *file, uint8_t **bytes,
                          size_t *bytes_cnt) {
  uint32_t k = (uint32_t)atoi(file->path);
  (void)self;
  __atomic_add_fetch(&fixture.reads, 1, __ATOMIC_SEQ_CST); /* by the threads that load */
  if (fixture.read_sleep_us) usleep(fixture.read_sleep_us);
  *bytes     = malloc(FIXTURE_FILE_BYTES + 100 * FIXTURE_KEYS);
  *bytes_cnt = fixture_file(k, file->number, *bytes);
  return TF_OK;
}

/* ---- the models ---- */

static tf_err_t make(void *self, const char *key, const tf_cache_file_t *file, const uint8_t *bytes,
                     size_t *bytes_cnt, tf_model_t **model) {
  uint8_t  want[FIXTURE_FILE_BYTES + 100 * FIXTURE_KEYS];
  uint32_t k = (uint32_t)atoi(key + 1);
  (void)self;
  assert_int_equal(*bytes_cnt, fixture_file(k, file->number, want));
  assert_memory_equal(bytes, want, *bytes_cnt);
  if (fixture.is_no_model[k]) return TF_ERR(E_MODEL_CHECK, "%s misses a known answer", key);
  *model = calloc(1, sizeof **model);
  memcpy((*model)->sha256_hex, file->sha256_hex, 65);
  __atomic_add_fetch(&fixture.makes, 1, __ATOMIC_SEQ_CST); /* by the threads that load */
  return TF_OK;
}

static void unmake(void *self, tf_model_t *model) {
  (void)self;
  __atomic_add_fetch(&fixture.unmakes, 1, __ATOMIC_SEQ_CST); /* by the threads that load */
  free(model);
}

/* ---- a store ---- */

static bool find_stored(const char *id, uint32_t *k, uint32_t *version) {
  char hex[65];
  for (*k = 0; *k < FIXTURE_KEYS; ++*k)
    for (*version = 1; *version < 4; ++*version) {
      fixture_sha256(*k, *version, hex);
      if (!memcmp(hex, id, 64)) return true;
    }
  return false;
}

static tf_err_t store_open(const tf_model_store_config_t *config, void **state) {
  (void)config;
  *state = &fixture;
  return TF_OK;
}

static void store_close(void *state) { (void)state; }

static tf_model_store_result_t down(void) {
  (void)TF_ERR(E_CORE_SYSTEM, "the store is down");
  return TF_MODEL_STORE_FAILED;
}

static tf_model_store_result_t store_get(void *state, const char *id, uint8_t **blob,
                                         size_t *blob_bytes) {
  uint32_t k, v;
  (void)state;
  if (fixture.store_is_down) return down();
  assert_true(find_stored(id, &k, &v));
  if (!fixture.stored[k][v]) return TF_MODEL_STORE_MISS;
  *blob_bytes = fixture.stored_bytes[k][v];
  *blob       = malloc(*blob_bytes);
  memcpy(*blob, fixture.stored[k][v], *blob_bytes);
  return TF_MODEL_STORE_DONE;
}

static tf_model_store_result_t store_put(void *state, const char *id, const uint8_t *blob,
                                         size_t blob_bytes) {
  uint32_t k, v;
  (void)state;
  if (fixture.store_is_down) return down();
  assert_true(find_stored(id, &k, &v));
  fixture.puts++;
  free(fixture.stored[k][v]);
  fixture.stored[k][v]       = malloc(blob_bytes);
  fixture.stored_bytes[k][v] = blob_bytes;
  memcpy(fixture.stored[k][v], blob, blob_bytes);
  return TF_MODEL_STORE_DONE;
}

static void store_drop(void *state, const char *id) {
  uint32_t k, v;
  (void)state;
  assert_true(find_stored(id, &k, &v));
  free(fixture.stored[k][v]);
  fixture.stored[k][v] = NULL;
}

const tf_model_store_t fixture_store  = {.name  = "dir",
                                         .open  = store_open,
                                         .close = store_close,
                                         .get   = store_get,
                                         .put   = store_put,
                                         .drop  = store_drop};
const tf_model_store_t fixture_shared = {.name      = "redis",
                                         .is_shared = true,
                                         .open      = store_open,
                                         .close     = store_close,
                                         .get       = store_get,
                                         .put       = store_put,
                                         .drop      = store_drop};

void fixture_free_store(void) {
  for (uint32_t k = 0; k < FIXTURE_KEYS; k++)
    for (uint32_t v = 0; v < 4; v++) {
      free(fixture.stored[k][v]);
      fixture.stored[k][v] = NULL;
    }
}

void fixture_reset(void) {
  fixture_free_store();
  memset(&fixture, 0, sizeof fixture);
  fixture_now_ns = 1000;
  for (uint32_t k = 0; k < FIXTURE_KEYS; k++) {
    fixture.newest[k]  = 1;
    fixture.is_told[k] = k % 2 == 0;
  }
}

tf_cache_config_t fixture_config(uint32_t models_max) {
  fixture_reset();
  return (tf_cache_config_t){
      .models_max     = models_max,
      .bytes_max      = UINT64_MAX,
      .file_bytes_max = 1 << 20,
      .now_ns         = now_ns,
      .origin         = {NULL, find, read_file},
      .maker          = {NULL, make, unmake   }
  };
}
