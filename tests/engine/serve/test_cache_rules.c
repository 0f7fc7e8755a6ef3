/* Random operations on a cache beside a plain model of its rules: keys in a list, the least recently used first, and what is
 * known of each. After each operation both have to have the same keys in the same levels. */
#include "cache_fixture.h"

#include <stdio.h>

#include "core/error.h"

#define KEYS   FIXTURE_KEYS
#define TTL_NS 50

typedef enum where { BELOW, COMPRESSED, LOADED } where_t;

typedef struct plain_key {
  where_t  where;
  bool     again, pinned;
  uint32_t version, known; /* of what is loaded or compressed; whose SHA-256 is known */
  uint32_t holders;
  uint64_t asked_ns;
} plain_key_t;

static plain_key_t            plain[KEYS];
static uint32_t               order[KEYS]; /* the least recently used first */
static bool                   stored[KEYS][4];
static const tf_cache_item_t *held[KEYS];
static size_t                 blob_bytes[KEYS][4];
static tf_cache_config_t      config;
static tf_cache_t            *cache;
static uint64_t               random_state;

static uint32_t draw(uint32_t below) {
  random_state = random_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
  return (uint32_t)(random_state >> 33) % below;
}

static void to_back(uint32_t k) {
  uint32_t at = 0;
  while (order[at] != k) at++;
  memmove(&order[at], &order[at + 1], (KEYS - 1 - at) * sizeof order[0]);
  order[KEYS - 1] = k;
}

static bool may_leave(uint32_t k) {
  return plain[k].where == LOADED && !plain[k].pinned && plain[k].holders == 0;
}

static uint64_t bytes_of(uint32_t k) {
  return FIXTURE_FILE_BYTES + 100 * k + blob_bytes[k][plain[k].version];
}

static uint32_t count(bool only_again) {
  uint32_t cnt = 0;
  for (uint32_t k = 0; k < KEYS; k++)
    cnt += plain[k].where == LOADED && (plain[k].again || !only_again);
  return cnt;
}

static bool has_room(uint64_t bytes, bool if_all_left) {
  uint64_t used = bytes;
  uint32_t cnt  = 1;
  for (uint32_t k = 0; k < KEYS; k++) {
    if (plain[k].where != LOADED || (if_all_left && may_leave(k))) continue;
    used += bytes_of(k);
    cnt++;
  }
  return used <= config.bytes_max && cnt <= config.models_max;
}

static void squeeze(void) {
  for (;;) {
    uint64_t used   = 0;
    uint32_t oldest = KEYS;
    for (uint32_t i = KEYS; i-- > 0;) {
      if (plain[order[i]].where != COMPRESSED) continue;
      used += blob_bytes[order[i]][plain[order[i]].version];
      oldest = order[i];
    }
    if (used <= config.compressed_bytes_max) return;
    plain[oldest].where                   = BELOW;
    stored[oldest][plain[oldest].version] = true;
  }
}

static void leave(uint32_t k) {
  plain[k].again = false;
  plain[k].where = COMPRESSED;
  if (blob_bytes[k][plain[k].version] > config.compressed_bytes_max) {
    plain[k].where              = BELOW;
    stored[k][plain[k].version] = true;
  }
  squeeze();
}

static void leave_one(void) {
  for (int again = 0; again < 2; again++)
    for (uint32_t i = 0; i < KEYS; i++)
      if (may_leave(order[i]) && plain[order[i]].again == again) {
        leave(order[i]);
        return;
      }
  fail();
}

static void use(uint32_t k) {
  to_back(k);
  if (plain[k].again) return;
  plain[k].again = true;
  if (count(true) <= config.models_max * 9 / 10) return;
  uint32_t i = 0;
  while (plain[order[i]].where != LOADED || !plain[order[i]].again) i++;
  uint32_t back     = order[i];
  plain[back].again = false;
  to_back(back);
}

/* What a take of k is answered by: a level's name, NULL where it is refused. */
static const char *plain_take(uint32_t k) {
  plain_key_t *p       = &plain[k];
  uint32_t     version = fixture.newest[k];
  bool         due     = fixture_now_ns - p->asked_ns >= TTL_NS;
  if (p->where == LOADED && (!due || !version || version == p->version)) {
    if (due) p->asked_ns = fixture_now_ns;
    use(k);
    return "memory";
  }
  if (!version) return NULL;
  const char *level = "registry";
  if (fixture.is_told[k] || p->known == version)
    level = p->where == COMPRESSED && p->version == version ? "compressed"
            : stored[k][version]                            ? "dir"
                                                            : "registry";
  p->where   = BELOW;
  p->again   = false;
  p->holders = 0; /* who holds the one that is replaced holds nothing of the key's any more */
  p->version = version;
  if (!has_room(bytes_of(k), true)) {
    stored[k][version] = true;
    return NULL;
  }
  while (!has_room(bytes_of(k), false)) leave_one();
  p->where    = LOADED;
  p->known    = version;
  p->asked_ns = fixture_now_ns;
  to_back(k);
  return level;
}

static const char *level_between(const tf_cache_figures_t *a, const tf_cache_figures_t *b) {
  for (uint32_t i = 0; i < a->level_cnt; i++)
    if (b->levels[i].hits != a->levels[i].hits) return a->levels[i].name;
  return NULL;
}

static void take(uint32_t k, bool keep) {
  char               key[TF_CACHE_KEY_BYTES];
  tf_cache_figures_t before, after;
  fixture_key(k, key);
  const tf_cache_item_t *item;
  const char            *want = plain_take(k);
  tf_cache_read(cache, &before);
  tf_err_t err = tf_cache_take(cache, key, &item);
  tf_cache_read(cache, &after);
  const char *got = level_between(&before, &after);
  assert_int_equal(!err, want != NULL);
  if (err) return;
  assert_string_equal(got, want);
  assert_int_equal(item->file.number, plain[k].version);
  if (keep && !held[k]) {
    held[k]          = item;
    plain[k].holders = 1;
  } else {
    tf_cache_give(cache, item);
  }
}

static void give(uint32_t k) {
  if (!held[k]) return;
  tf_cache_give(cache, held[k]);
  held[k]          = NULL;
  plain[k].holders = 0;
}

static void operate(void) {
  char     key[TF_CACHE_KEY_BYTES];
  uint32_t k = draw(4) ? draw(KEYS / 4) : draw(KEYS);
  fixture_key(k, key);
  switch (draw(16)) {
  case 0: give(k); break;
  case 1:
    if (!held[k] && draw(3) == 0) take(k, true);
    break;
  case 3: {
    uint32_t pinned = 0;
    for (uint32_t i = 0; i < KEYS; i++) pinned += plain[i].pinned;
    bool room = plain[k].pinned || pinned + 1 < config.models_max;
    assert_int_equal(!tf_cache_pin(cache, key), room);
    plain[k].pinned |= room;
    break;
  }
  case 4:
  case 5:
    tf_cache_unpin(cache, key);
    plain[k].pinned = false;
    break;
  case 6: {
    bool can = may_leave(k);
    assert_int_equal(!tf_cache_evict(cache, key), can);
    if (can) leave(k);
    break;
  }
  case 7: fixture_now_ns += draw(TTL_NS); break;
  case 8:
    if (fixture.newest[k] < 3) fixture.newest[k]++;
    break;
  default: take(k, false);
  }
}

static void compare_row(void *self, const tf_cache_row_t *row) {
  const plain_key_t       *p       = &plain[atoi(row->key + 1)];
  static const char *const names[] = {"below", "compressed", "memory"};
  (void)self;
  assert_string_equal(row->level, names[p->where]);
  assert_int_equal(row->is_pinned, p->pinned);
  assert_int_equal(row->holders, p->where == LOADED ? p->holders : 0);
}

static void run(uint64_t seed, uint32_t models_max, uint64_t bytes_max, uint64_t compressed) {
  random_state                = seed;
  config                      = fixture_config(models_max);
  config.bytes_max            = bytes_max;
  config.compressed_bytes_max = compressed;
  config.ttl_ns               = TTL_NS;
  config.stores[0].store      = &fixture_store;
  config.store_cnt            = 1;
  memset(plain, 0, sizeof plain);
  memset(stored, 0, sizeof stored);
  for (uint32_t k = 0; k < KEYS; k++) order[k] = k;
  assert_int_equal(tf_cache_init(&config, &cache), TF_OK);
  for (int i = 0; i < 4000; i++) {
    operate();
    tf_cache_each(cache, compare_row, NULL);
  }
  tf_cache_figures_t f;
  tf_cache_read(cache, &f);
  for (uint32_t k = 0; k < KEYS; k++)
    for (uint32_t v = 1; v < 4; v++) assert_int_equal(fixture.stored[k][v] != NULL, stored[k][v]);
  uint64_t hits = f.refused;
  for (uint32_t i = 0; i < f.level_cnt; i++) hits += f.levels[i].hits;
  assert_int_equal(hits, f.takes);
  for (uint32_t k = 0; k < KEYS; k++) give(k);
  tf_cache_fini(cache);
  assert_int_equal(fixture.makes, fixture.unmakes);
  fixture_free_store();
}

static void cache_does_as_the_plain_rules_do(void **state) {
  (void)state;
  const char *text = getenv("TF_SEED");
  uint64_t    seed = text ? strtoull(text, NULL, 10) : 1;
  for (uint32_t k = 0; k < KEYS; k++)
    for (uint32_t v = 1; v < 4; v++) blob_bytes[k][v] = fixture_blob_bytes(k, v);
  static const struct {
    uint32_t models_max;
    uint64_t bytes_max, compressed;
  } cases[] = {
      {1,  UINT64_MAX, 0    },
      {2,  UINT64_MAX, 3000 },
      {9,  UINT64_MAX, 8000 },
      {10, UINT64_MAX, 8000 },
      {11, UINT64_MAX, 8000 },
      {30, 12000,      5000 },
      {30, 40000,      20000},
      {40, UINT64_MAX, 1    }
  };
  for (uint64_t i = 0; i < TF_ARRAY_CNT(cases); i++) {
    printf("seed %llu, %u models\n", (unsigned long long)(seed + i), cases[i].models_max);
    run(seed + i, cases[i].models_max, cases[i].bytes_max, cases[i].compressed);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(cache_does_as_the_plain_rules_do),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
