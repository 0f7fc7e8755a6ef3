/* The cache's levels one by one. What leaves when, under all that may happen: test_cache_rules.c. */
#include "cache_fixture.h"

#include <pthread.h>
#include <stdio.h>

#include "core/error.h"

static tf_cache_t        *cache;
static tf_cache_config_t  config;
static tf_cache_figures_t figures;

/* models_max in memory, and what leaves them goes to a store. */
static tf_cache_config_t with_store(uint32_t models_max, const tf_model_store_t *store) {
  tf_cache_config_t c = fixture_config(models_max);
  c.stores[0].store   = store;
  c.store_cnt         = 1;
  return c;
}

static void begin(void) { assert_int_equal(tf_cache_init(&config, &cache), TF_OK); }

static void end(void) {
  tf_cache_fini(cache);
  assert_int_equal(fixture.makes, fixture.unmakes);
  fixture_free_store();
}

static tf_err_t use(const char *key) {
  const tf_cache_item_t *item;
  tf_err_t               err = tf_cache_take(cache, key, &item);
  if (!err) tf_cache_give(cache, item);
  return err;
}

static void uses(const char *key) { assert_int_equal(use(key), TF_OK); }

/* Which level answers it? */
static const char *level_of(const char *key) {
  tf_cache_figures_t after;
  tf_cache_read(cache, &figures);
  uses(key);
  tf_cache_read(cache, &after);
  for (uint32_t i = 0; i < after.level_cnt; i++)
    if (after.levels[i].hits > figures.levels[i].hits) return after.levels[i].name;
  return "none";
}

static void models_that_leave_go_down_level_by_level_and_come_back(void **state) {
  (void)state;
  config                      = with_store(1, &fixture_store);
  config.compressed_bytes_max = 1600; /* one, not two */
  begin();
  uses("k0");
  assert_string_equal(level_of("k0"), "memory");
  uses("k1");                                        /* k0 is compressed */
  assert_string_equal(level_of("k0"), "compressed"); /* and k1 now */
  uses("k2");                                        /* k0 there, and k1 in the store */
  assert_int_equal(fixture.puts, 1);
  assert_string_equal(level_of("k1"), "dir");
  assert_int_equal(fixture.reads, 3);
  assert_string_equal(level_of("k3"), "registry");
  tf_cache_read(cache, &figures);
  assert_int_equal(figures.takes, 7);
  assert_int_equal(figures.levels[0].entries, 1);
  assert_int_equal(figures.levels[1].entries, 1);
  assert_true(figures.levels[1].bytes <= 1600);
  end();
}

/* k1's SHA-256 is in no file of the registry: until it was read once, no store can be asked for it. */
static void stores_are_asked_by_sha256_alone(void **state) {
  (void)state;
  config = with_store(2, &fixture_shared);
  begin();
  uses("k0");
  uses("k1");
  assert_int_equal(fixture.puts, 2); /* shared: at once */
  tf_cache_fini(cache);
  begin(); /* another engine */
  assert_string_equal(level_of("k0"), "redis");
  assert_string_equal(level_of("k1"), "registry");
  assert_int_equal(tf_cache_evict(cache, "k1"), TF_OK);
  assert_string_equal(level_of("k1"), "redis");
  end();
}

static void damaged_blobs_are_dropped_counted_and_loaded_from_below(void **state) {
  (void)state;
  static const size_t places[] = {0, 8, 16, TF_CACHE_FRAME_HEAD_BYTES, 200};
  for (size_t i = 0; i <= TF_ARRAY_CNT(places); i++) {
    config = with_store(2, &fixture_shared);
    begin();
    uses("k0");
    assert_int_equal(tf_cache_evict(cache, "k0"), TF_OK);
    if (i < TF_ARRAY_CNT(places))
      fixture.stored[0][1][places[i]] ^= 1;
    else
      fixture.stored_bytes[0][1]--;
    assert_string_equal(level_of("k0"), "registry");
    tf_cache_read(cache, &figures);
    assert_int_equal(figures.levels[2].damaged, 1);
    assert_int_equal(fixture.reads, 2);
    assert_int_equal(tf_cache_evict(cache, "k0"), TF_OK);
    assert_string_equal(level_of("k0"), "redis"); /* written anew */
    end();
  }
}

/* Of one model under the name of another: what comes out is whole, but not what was asked for. */
static void whole_blob_of_another_model_is_refused(void **state) {
  (void)state;
  config = with_store(2, &fixture_shared);
  begin();
  uses("k0");
  uses("k2");
  assert_int_equal(tf_cache_evict(cache, "k0"), TF_OK);
  free(fixture.stored[0][1]);
  fixture.stored_bytes[0][1] = fixture.stored_bytes[2][1];
  fixture.stored[0][1]       = malloc(fixture.stored_bytes[2][1]);
  memcpy(fixture.stored[0][1], fixture.stored[2][1], fixture.stored_bytes[2][1]);
  assert_string_equal(level_of("k0"), "registry");
  char hex[65]; /* and with the head of the one that was asked for */
  fixture_sha256(0, 1, hex);
  assert_int_equal(tf_cache_evict(cache, "k0"), TF_OK);
  free(fixture.stored[0][1]);
  fixture.stored_bytes[0][1] = fixture.stored_bytes[2][1];
  fixture.stored[0][1]       = malloc(fixture.stored_bytes[2][1]);
  memcpy(fixture.stored[0][1], fixture.stored[2][1], fixture.stored_bytes[2][1]);
  memcpy(fixture.stored[0][1] + 16, hex, 64);
  assert_string_equal(level_of("k0"), "registry");
  tf_cache_read(cache, &figures);
  assert_int_equal(figures.levels[2].damaged, 2);
  end();
}

static void store_that_is_down_costs_its_level_and_nothing_else(void **state) {
  (void)state;
  config                      = with_store(1, &fixture_shared);
  config.compressed_bytes_max = 1 << 20;
  fixture.store_is_down       = true;
  begin();
  for (uint32_t i = 0; i < 10; i++) {
    char key[TF_CACHE_KEY_BYTES];
    fixture_key(i, key);
    assert_string_equal(level_of(key), "registry");
  }
  assert_string_equal(level_of("k3"), "compressed");
  tf_cache_read(cache, &figures);
  assert_int_equal(figures.levels[2].failed, 5 + 10); /* gets of those whose hash is told; puts */
  assert_int_equal(figures.refused, 0);
  end();
}

static void ttl_renews_the_same_file_and_replaces_another(void **state) {
  (void)state;
  config        = fixture_config(2);
  config.ttl_ns = 100;
  begin();
  const tf_cache_item_t *old, *now;
  assert_int_equal(tf_cache_take(cache, "k0", &old), TF_OK);
  fixture.newest[0] = 2;
  fixture_now_ns += 99;
  assert_string_equal(level_of("k0"), "memory");
  fixture_now_ns += 1;
  assert_int_equal(tf_cache_take(cache, "k0", &now), TF_OK);
  assert_int_equal(now->file.number, 2);
  assert_int_equal(old->file.number, 1); /* as long as it is held */
  assert_int_equal(fixture.unmakes, 0);
  tf_cache_give(cache, old);
  assert_int_equal(fixture.unmakes, 1);
  tf_cache_give(cache, now);
  fixture_now_ns += 101;
  assert_string_equal(level_of("k0"), "memory");
  tf_cache_read(cache, &figures);
  assert_int_equal(figures.renewed, 1);
  assert_int_equal(figures.replaced, 1);
  end();
}

static void registry_that_is_away_or_bad_at_the_ttl_leaves_what_is_loaded(void **state) {
  (void)state;
  config        = fixture_config(2);
  config.ttl_ns = 100;
  begin();
  uses("k0");
  fixture.newest[0] = 0;
  fixture_now_ns += 100;
  assert_string_equal(level_of("k0"), "memory");
  fixture.newest[0]      = 2;
  fixture.is_no_model[0] = true;
  fixture_now_ns += 100;
  assert_string_equal(level_of("k0"), "memory");
  fixture.is_no_model[0] = false;
  assert_string_equal(level_of("k0"), "memory");
  fixture_now_ns += 100;
  assert_string_equal(level_of("k0"), "registry");
  tf_cache_read(cache, &figures);
  assert_int_equal(figures.levels[2].failed, 2);
  assert_int_equal(figures.refused, 0);
  end();
}

static void what_is_pinned_or_held_does_not_leave(void **state) {
  (void)state;
  config = fixture_config(3);
  begin();
  assert_int_equal(tf_cache_pin(cache, "k0"), TF_OK);
  assert_int_equal(tf_cache_pin(cache, "k0"), TF_OK);
  assert_int_equal(tf_cache_pin(cache, "k1"), TF_OK);
  assert_int_equal(tf_cache_pin(cache, "k2"), E_MODEL_CACHE_FULL); /* one place stays free */
  uses("k0");
  uses("k1");
  const tf_cache_item_t *held;
  assert_int_equal(tf_cache_take(cache, "k2", &held), TF_OK);
  assert_int_equal(use("k3"), E_MODEL_CACHE_FULL);
  assert_int_equal(tf_cache_evict(cache, "k0"), E_MODEL_BUSY);
  assert_int_equal(tf_cache_evict(cache, "k2"), E_MODEL_BUSY);
  assert_int_equal(tf_cache_evict(cache, "k3"), E_CONTROL_REQUEST);
  assert_true(tf_cache_is_full(cache));
  tf_cache_give(cache, held);
  assert_false(tf_cache_is_full(cache));
  uses("k3");
  assert_true(tf_cache_is_pinned(cache, "k0"));
  tf_cache_unpin(cache, "k0");
  assert_false(tf_cache_is_pinned(cache, "k0"));
  assert_int_equal(tf_cache_evict(cache, "k0"), TF_OK);
  assert_string_equal(level_of("k1"), "memory");
  end();
}

static void limits_hold_at_their_edges(void **state) {
  (void)state;
  config           = fixture_config(TF_CACHE_KEYS_MAX + 1);
  tf_cache_t *none = NULL;
  assert_int_equal(tf_cache_init(&config, &none), E_CORE_ARGUMENT);
  config.models_max = 0;
  assert_int_equal(tf_cache_init(&config, &none), E_CORE_ARGUMENT);
  config.models_max = TF_CACHE_KEYS_MAX;
  config.store_cnt  = TF_CACHE_STORES_MAX + 1;
  assert_int_equal(tf_cache_init(&config, &none), E_CORE_ARGUMENT);
  config = fixture_config(TF_CACHE_KEYS_MAX);
  begin();
  tf_cache_fini(cache);

  static const struct {
    int64_t  bytes_over, file_over;
    tf_err_t err;
  } cases[] = {
      {-1, 0,  E_MODEL_CACHE_FULL},
      {0,  0,  TF_OK             },
      {1,  0,  TF_OK             },
      {0,  -1, E_MODEL_CACHE_FULL},
      {0,  1,  TF_OK             }
  };
  for (size_t i = 0; i < TF_ARRAY_CNT(cases); i++) {
    config                = fixture_config(8);
    config.bytes_max      = (uint64_t)(FIXTURE_FILE_BYTES + cases[i].bytes_over);
    config.file_bytes_max = (uint64_t)(FIXTURE_FILE_BYTES + cases[i].file_over);
    begin();
    assert_int_equal(use("k0"), cases[i].err);
    end();
  }

  char key[TF_CACHE_KEY_BYTES + 1] = "k0";
  config                           = fixture_config(8);
  begin();
  memset(key + 2, ' ', sizeof key - 2);
  key[TF_CACHE_KEY_BYTES] = '\0';
  assert_int_equal(use(key), E_CORE_ARGUMENT);
  key[TF_CACHE_KEY_BYTES - 1] = '\0';
  assert_int_equal(use(key), TF_OK);
  assert_int_equal(use(""), E_CORE_ARGUMENT);
  end();
}

/* Keys that lead nowhere are remembered too, up to a limit; the oldest are forgotten, those in use never. */
static void number_of_remembered_keys_is_bounded(void **state) {
  (void)state;
  config = fixture_config(2);
  begin();
  uses("k1");
  char key[TF_CACHE_KEY_BYTES];
  fixture.newest[0] = 0;
  for (uint32_t i = 0; i < 2 * TF_CACHE_KEYS_MAX; i++) {
    snprintf(key, sizeof key, "k0 %u", i);
    assert_int_equal(use(key), E_MODEL_VERSION);
  }
  assert_string_equal(level_of("k1"), "memory");
  end();
}

/* ---- single flight ---- */

#define THREADS 8

static void *take_k5(void *err) {
  *(tf_err_t *)err = use("k5");
  return NULL;
}

static void fly(tf_err_t expected) {
  pthread_t threads[THREADS];
  tf_err_t  errs[THREADS];
  for (int i = 0; i < THREADS; i++) pthread_create(&threads[i], NULL, take_k5, &errs[i]);
  for (int i = 0; i < THREADS; i++) {
    pthread_join(threads[i], NULL);
    assert_int_equal(errs[i], expected);
  }
}

static void two_who_want_one_model_load_it_once(void **state) {
  (void)state;
  config                = fixture_config(4);
  fixture.read_sleep_us = 200000;
  begin();
  fly(TF_OK);
  assert_int_equal(fixture.reads, 1);
  assert_int_equal(fixture.makes, 1);
  tf_cache_read(cache, &figures);
  assert_int_equal(figures.takes, THREADS);
  assert_int_equal(figures.levels[0].hits, THREADS - 1);
  end();
}

static void those_who_waited_have_the_error_of_the_load(void **state) {
  (void)state;
  config                 = fixture_config(4);
  fixture.read_sleep_us  = 200000;
  fixture.is_no_model[5] = true;
  begin();
  fly(E_MODEL_CHECK);
  tf_cache_read(cache, &figures);
  assert_int_equal(figures.refused, THREADS);
  assert_int_equal(fixture.reads, THREADS - figures.joined);
  end();
}

/* Few places, many threads, keys and versions that change: figures balance, nothing is lost or freed twice. */
static void *wander(void *seed) {
  uint32_t state = *(uint32_t *)seed;
  for (int i = 0; i < 2000; i++) {
    state = state * 1664525 + 1013904223;
    char key[TF_CACHE_KEY_BYTES];
    fixture_key(state >> 24 & 15, key);
    const tf_cache_item_t *item;
    switch (state >> 20 & 7) {
    case 0: (void)tf_cache_evict(cache, key); break;
    default:
      if (tf_cache_take(cache, key, &item)) break;
      assert_int_equal(strlen(item->model->sha256_hex), 64);
      tf_cache_give(cache, item);
    }
  }
  return NULL;
}

static void threads_share_a_cache(void **state) {
  (void)state;
  config                      = with_store(6, &fixture_store);
  config.compressed_bytes_max = 5000;
  for (uint32_t k = 0; k < FIXTURE_KEYS; k++) fixture.is_told[k] = false; /* its digest is static */
  begin();
  pthread_t threads[4];
  uint32_t  seeds[4] = {1, 2, 3, 4};
  for (int i = 0; i < 4; i++) pthread_create(&threads[i], NULL, wander, &seeds[i]);
  for (int i = 0; i < 4; i++) pthread_join(threads[i], NULL);
  tf_cache_read(cache, &figures);
  uint64_t hits = figures.refused;
  for (uint32_t i = 0; i < figures.level_cnt; i++) hits += figures.levels[i].hits;
  assert_int_equal(hits, figures.takes);
  assert_true(figures.levels[0].entries <= 6);
  end();
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(models_that_leave_go_down_level_by_level_and_come_back),
      cmocka_unit_test(stores_are_asked_by_sha256_alone),
      cmocka_unit_test(damaged_blobs_are_dropped_counted_and_loaded_from_below),
      cmocka_unit_test(whole_blob_of_another_model_is_refused),
      cmocka_unit_test(store_that_is_down_costs_its_level_and_nothing_else),
      cmocka_unit_test(ttl_renews_the_same_file_and_replaces_another),
      cmocka_unit_test(registry_that_is_away_or_bad_at_the_ttl_leaves_what_is_loaded),
      cmocka_unit_test(what_is_pinned_or_held_does_not_leave),
      cmocka_unit_test(limits_hold_at_their_edges),
      cmocka_unit_test(number_of_remembered_keys_is_bounded),
      cmocka_unit_test(two_who_want_one_model_load_it_once),
      cmocka_unit_test(those_who_waited_have_the_error_of_the_load),
      cmocka_unit_test(threads_share_a_cache),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
