/* The cache of models: 200 of them, room for 50, asked for by a skewed trace (Zipf: the model of rank r is asked for as
 * often as r to the power of -1.4). Hit rates beside plain LRU and beside the best that anybody who knew the trace could
 * do (Belady's rule) on the same trace; what a hit costs; and how long a model takes from each level to be loaded, its
 * known answers reproduced, with files of the shape lstm_a. Redis is a server of the bench's own, on this machine.
 *
 *   bench_cache [--json] [--smoke] */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "adapters/store/redis_server.h"
#include "bench_print.h"
#include "core/clock.h"
#include "core/error.h"
#include "model/graph_file.h"
#include "model/loader.h"
#include "model/shapes.h"
#include "serve/cache.h"
#include "serve/cache_frame.h"
#include "store/registry.h"

#define MODELS   200
#define SLOTS    50
#define SKEW     1.4
#define SEED     1
#define FILES    8 /* of real models */
#define ASKS_MAX 1000000

static uint8_t  trace[ASKS_MAX];
static uint32_t ask_cnt = ASKS_MAX;
static char     dir[64];

static void die(const char *what) {
  fprintf(stderr, "bench_cache: %s: %s\n", what, tf_error_text());
  exit(1);
}

/* ---- the trace, and what others make of it ---- */

static uint64_t random_state = SEED;

static double draw(void) {
  random_state = random_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
  return (double)(random_state >> 11) * 0x1p-53;
}

static void make_trace(void) {
  double sums[MODELS], sum = 0;
  for (int i = 0; i < MODELS; i++) sums[i] = sum += pow(i + 1, -SKEW);
  for (uint32_t i = 0; i < ask_cnt; i++) {
    double at = draw() * sum;
    int    k  = 0;
    while (k < MODELS - 1 && sums[k] < at) k++;
    trace[i] = (uint8_t)k;
  }
}

TF_STATIC_ASSERT(MODELS <= UINT8_MAX + 1, "a model is a byte of the trace");

/* Hits where the one with the least place leaves: places are given anew on each ask. */
static double hit_rate(const uint32_t *place_of_ask) {
  uint32_t place[MODELS];
  bool     is_in[MODELS] = {false};
  uint32_t cnt = 0, hits = 0;
  for (uint32_t i = 0; i < ask_cnt; i++) {
    uint32_t k = trace[i];
    hits += is_in[k];
    if (!is_in[k] && cnt++ == SLOTS) {
      uint32_t out = MODELS;
      for (uint32_t m = 0; m < MODELS; m++)
        if (is_in[m] && (out == MODELS || place[m] < place[out])) out = m;
      is_in[out] = false;
      cnt--;
    }
    is_in[k] = true;
    place[k] = place_of_ask[i];
  }
  return 100.0 * hits / ask_cnt;
}

static double lru_rate(void) {
  static uint32_t places[ASKS_MAX];
  for (uint32_t i = 0; i < ask_cnt; i++) places[i] = i;
  return hit_rate(places);
}

/* Who is asked for latest leaves: the sooner again, the greater the place. */
static double best_rate(void) {
  static uint32_t places[ASKS_MAX];
  uint32_t        next[MODELS];
  for (int k = 0; k < MODELS; k++) next[k] = ask_cnt;
  for (uint32_t i = ask_cnt; i-- > 0;) {
    places[i]      = ask_cnt - next[trace[i]];
    next[trace[i]] = i;
  }
  return hit_rate(places);
}

/* ---- the cache on the trace: models of no weight ---- */

static uint32_t number_of(const char *key) { return (uint32_t)strtoul(key + 1, NULL, 10); }

static tf_err_t find_nothing(void *self, const char *key, tf_cache_file_t *file) {
  (void)self;
  snprintf(file->path, sizeof file->path, "%s", key);
  file->number = 1;
  return TF_OK;
}

static tf_err_t read_nothing(void *self, const tf_cache_file_t *file, uint8_t **bytes,
                             size_t *cnt) {
  (void)self;
  (void)file;
  *cnt   = 1;
  *bytes = calloc(1, 1);
  return *bytes ? TF_OK : TF_ERR(E_CORE_NO_MEMORY, "a byte");
}

static tf_err_t make_nothing(void *self, const char *key, const tf_cache_file_t *file,
                             const uint8_t *bytes, size_t *cnt, tf_model_t **model) {
  (void)self;
  (void)key;
  (void)file;
  (void)bytes;
  (void)cnt;
  *model = calloc(1, sizeof **model);
  return *model ? TF_OK : TF_ERR(E_CORE_NO_MEMORY, "a model");
}

static void unmake_nothing(void *self, tf_model_t *model) {
  (void)self;
  free(model);
}

static void take(tf_cache_t *cache, const char *key) {
  const tf_cache_item_t *item;
  if (tf_cache_take(cache, key, &item)) die(key);
  tf_cache_give(cache, item);
}

static double cache_rate(void) {
  tf_cache_config_t config = {
      .models_max     = SLOTS,
      .bytes_max      = UINT64_MAX,
      .file_bytes_max = UINT64_MAX,
      .now_ns         = tf_clock_monotonic_ns,
      .origin         = {NULL, find_nothing, read_nothing  },
      .maker          = {NULL, make_nothing, unmake_nothing}
  };
  tf_cache_t *cache;
  char        keys[MODELS][16];
  if (tf_cache_init(&config, &cache)) die("a cache");
  for (int k = 0; k < MODELS; k++) snprintf(keys[k], sizeof keys[k], "k%d", k);
  for (uint32_t i = 0; i < ask_cnt; i++) take(cache, keys[trace[i]]);
  tf_cache_figures_t figures;
  tf_cache_read(cache, &figures);
  tf_cache_fini(cache);
  return 100.0 * (double)figures.levels[0].hits / (double)figures.takes;
}

/* ---- real models ---- */

static void path_of(uint32_t k, char path[128]) {
  snprintf(path, 128, "%s/%u.safetensors", dir, k);
}

static tf_err_t read_file(void *self, const tf_cache_file_t *file, uint8_t **bytes, size_t *cnt) {
  (void)self;
  FILE       *in = fopen(file->path, "rbe");
  struct stat st;
  if (!in || fstat(fileno(in), &st) != 0) return TF_ERR(E_FILE_OPEN, "%s", file->path);
  *cnt   = (size_t)st.st_size;
  *bytes = malloc(*cnt + 1);
  if (!*bytes || fread(*bytes, 1, *cnt, in) != *cnt)
    return TF_ERR(E_FILE_DAMAGED, "%s", file->path);
  fclose(in);
  return TF_OK;
}

static char digests[FILES][65];

static tf_err_t find_file(void *self, const char *key, tf_cache_file_t *file) {
  (void)self;
  uint32_t k   = number_of(key);
  file->number = 1;
  memcpy(file->sha256_hex, digests[k], sizeof digests[k]);
  path_of(k, file->path);
  return TF_OK;
}

static tf_err_t make_model(void *self, const char *key, const tf_cache_file_t *file,
                           const uint8_t *bytes, size_t *cnt, tf_model_t **model) {
  const tf_model_options_t options = {.precision = TF_PRECISION_FP32};
  (void)self;
  (void)file;
  return tf_model_loader.load_bytes(key, bytes, *cnt, &options, model);
}

static void unmake_model(void *self, tf_model_t *model) {
  (void)self;
  tf_model_loader.unload(model);
}

static size_t write_models(void) {
  size_t bytes_cnt = 0;
  for (uint32_t k = 0; k < FILES; k++) {
    tf_graph_t      graph;
    tf_cache_file_t file = {.number = 1};
    uint8_t        *bytes;
    path_of(k, file.path);
    tf_err_t err = tf_shapes_make(&graph, "lstm_a", k + 1);
    if (!err) err = tf_graph_make_checks(&graph);
    if (!err) err = tf_graph_file_write(&graph, file.path);
    if (!err) err = read_file(NULL, &file, &bytes, &bytes_cnt);
    if (!err) err = tf_cache_frame_digest(bytes, bytes_cnt, digests[k]);
    if (err) die("writing a model");
    free(bytes);
    tf_graph_fini(&graph);
  }
  return bytes_cnt;
}

typedef struct level {
  double ms, ms_max;
} level_t;

/* models_max one: each take of the next key sends the one before down. */
static level_t promote(const char *store_name, const char *where, uint64_t compressed_bytes_max,
                       uint32_t level_idx, uint32_t times) {
  tf_cache_config_t config = {
      .models_max           = 1,
      .bytes_max            = UINT64_MAX,
      .compressed_bytes_max = compressed_bytes_max,
      .file_bytes_max       = UINT64_C(1) << 30,
      .now_ns               = tf_clock_monotonic_ns,
      .origin               = {NULL, find_file,  read_file   },
      .maker                = {NULL, make_model, unmake_model}
  };
  for (uint32_t i = 0; store_name && i < tf_store_cnt; i++)
    if (!strcmp(tf_stores[i]->name, store_name)) {
      config.stores[0].store  = tf_stores[i];
      config.stores[0].config = (tf_model_store_config_t){
          .where = where, .blob_bytes_max = UINT64_C(1) << 30, .timeout_ns = TF_NS_PER_SEC};
      config.store_cnt = 1;
    }
  tf_cache_t        *cache;
  tf_cache_figures_t figures;
  double            *ms = malloc(times * sizeof *ms), max = 0;
  uint32_t           cnt = 0;
  if (!ms || tf_cache_init(&config, &cache)) die("a cache");
  for (uint32_t i = 0; i < times + FILES; i++) {
    char key[8];
    snprintf(key, sizeof key, "k%u", i % FILES);
    uint64_t begin_ns = tf_clock_monotonic_ns();
    take(cache, key);
    double took = (double)(tf_clock_monotonic_ns() - begin_ns) * 1e-6;
    if (i < FILES) continue; /* these come from the registry, and fill the level */
    ms[cnt++] = took;
    max       = took > max ? took : max;
  }
  tf_cache_read(cache, &figures);
  if (figures.levels[level_idx].hits < times) die("a level was not asked");
  tf_cache_fini(cache);
  level_t level = {tf_bench_median(ms, cnt), max};
  free(ms);
  return level;
}

/* Models that are loaded, taken and given back in turn. */
static double hit_ns(uint32_t times) {
  tf_cache_config_t config = {
      .models_max     = SLOTS,
      .bytes_max      = UINT64_MAX,
      .file_bytes_max = UINT64_MAX,
      .now_ns         = tf_clock_monotonic_ns,
      .origin         = {NULL, find_nothing, read_nothing  },
      .maker          = {NULL, make_nothing, unmake_nothing}
  };
  tf_cache_t *cache;
  char        keys[SLOTS][TF_CACHE_KEY_BYTES];
  double      ns[9];
  if (tf_cache_init(&config, &cache)) die("a cache");
  for (int k = 0; k < SLOTS; k++) {
    snprintf(keys[k], sizeof keys[k], "models/SYMBOL%dUSDT/lstm", k);
    take(cache, keys[k]);
  }
  for (size_t r = 0; r < TF_ARRAY_CNT(ns); r++) {
    uint64_t begin_ns = tf_clock_monotonic_ns();
    for (uint32_t i = 0; i < times; i++) take(cache, keys[i % SLOTS]);
    ns[r] = (double)(tf_clock_monotonic_ns() - begin_ns) / times;
  }
  tf_cache_fini(cache);
  return tf_bench_median(ns, TF_ARRAY_CNT(ns));
}

#define ROWS_MAX 16

int main(int argc, char **argv) {
  tf_bench_options_t options;
  int                status =
      tf_bench_options_parse(argc, argv, "200 models in 50 slots, and each level's time", &options);
  if (status >= 0) return status;
  strcpy(dir, "/tmp/bench_cache_XXXXXX");
  if (!mkdtemp(dir)) die("a directory");
  if (options.smoke) ask_cnt = 20000;
  uint32_t times = options.smoke ? 8 : 400;
  tf_clock_calibrate();
  make_trace();
  double         ours = cache_rate(), lru = lru_rate(), best = best_rate(), none = (double)NAN;
  size_t         bytes = write_models();
  char           store[96];
  redis_server_t redis = {0};
  snprintf(store, sizeof store, "%s/store", dir);
  level_t compressed = promote(NULL, NULL, UINT64_MAX, 1, times);
  level_t disk       = promote("dir", store, 0, 2, times);
  level_t registry   = promote(NULL, NULL, 0, 2, times);
  level_t remote     = {none, none};
  if (redis_server_is_installed() && redis_server_start(&redis, 0, NULL, NULL))
    remote = promote("redis", redis.url, 0, 2, times);
  redis_server_kill(&redis);
  tf_bench_row_t rows[ROWS_MAX] = {
      {"hit_rate",                ours,                "%",     "plain LRU",          lru,         90,   false},
      {"hit_rate_of_best",        ours,                "%",     "who knew the trace", best,        none, false},
      {"hit",                     hit_ns(times * 500), "ns",    NULL,                 none,        none, true },
      {"file",                    (double)bytes,       "bytes", NULL,                 none,        none, true },
      {"from_compressed",         compressed.ms,       "ms",    "registry",           registry.ms, none, true },
      {"from_dir",                disk.ms,             "ms",    "registry",           registry.ms, none, true },
      {"from_registry",           registry.ms,         "ms",    NULL,                 none,        none, true },
      {"from_compressed_longest", compressed.ms_max,   "ms",    NULL,                 none,        none, true },
      {"from_dir_longest",        disk.ms_max,         "ms",    NULL,                 none,        none, true },
      {"from_registry_longest",   registry.ms_max,     "ms",    NULL,                 none,        none, true },
  };
  uint32_t row_cnt = 10;
  if (!isnan(remote.ms)) {
    rows[row_cnt++] =
        (tf_bench_row_t){"from_redis", remote.ms, "ms", "registry", registry.ms, none, true};
    rows[row_cnt++] =
        (tf_bench_row_t){"from_redis_longest", remote.ms_max, "ms", NULL, none, none, true};
  }
  tf_bench_print(rows, row_cnt, options.json);
  char command[128];
  snprintf(command, sizeof command, "rm -rf %s", dir);
  return system(command) != 0;
}
