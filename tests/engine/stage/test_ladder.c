/* One side of a book against a sorted array, on every spread of prices. */
#include "cmocka_tf.h"

#include <stdlib.h>
#include <string.h>

#include "stage/ladder.h"

#define LEVELS_MAX 60

static tf_arena_t     arena;
static tf_book_side_t side;
static tf_ladder_t    ladder;

/* The model: levels from the best on. */
static struct {
  int64_t  price[LEVELS_MAX + 1], qty[LEVELS_MAX + 1];
  int      cnt;
  uint64_t truncated;
  bool     is_ask, has_horizon;
  int64_t  horizon; /* the best price that was lost */
} model;

static void fresh(bool is_ask) {
  tf_arena_fini(&arena);
  assert_int_equal(tf_arena_init(&arena, "ladder", TF_LADDER_BYTES(LEVELS_MAX)), TF_OK);
  assert_int_equal(tf_ladder_init(&ladder, &side, &arena, LEVELS_MAX, is_ask), TF_OK);
  memset(&model, 0, sizeof model);
  model.is_ask = is_ask;
}

static void model_set(int64_t price, int64_t qty) {
  int at = 0;
  if (model.has_horizon && (model.is_ask ? price >= model.horizon : price <= model.horizon)) {
    model.truncated += qty != 0;
    return;
  }
  while (at < model.cnt && (model.is_ask ? model.price[at] < price : model.price[at] > price)) at++;
  bool found = at < model.cnt && model.price[at] == price;
  if (qty == 0 && !found) return;
  int behind = model.cnt - at;
  if (qty == 0) {
    memmove(&model.price[at], &model.price[at + 1], (size_t)(behind - 1) * sizeof(int64_t));
    memmove(&model.qty[at], &model.qty[at + 1], (size_t)(behind - 1) * sizeof(int64_t));
    model.cnt--;
    return;
  }
  if (!found) {
    memmove(&model.price[at + 1], &model.price[at], (size_t)behind * sizeof(int64_t));
    memmove(&model.qty[at + 1], &model.qty[at], (size_t)behind * sizeof(int64_t));
    model.cnt++;
  }
  model.price[at] = price;
  model.qty[at]   = qty;
  if (model.cnt <= LEVELS_MAX) return;
  model.cnt--, model.truncated++;
  model.has_horizon = true;
  model.horizon     = model.price[model.cnt];
}

static void assert_same(void) {
  int i = 0;
  for (tf_book_cursor_t at = tf_book_best(&side); at.qty != 0; tf_book_worse(&at), i++) {
    assert_true(i < model.cnt);
    assert_int_equal(at.price, model.price[i]);
    assert_int_equal(at.qty, model.qty[i]);
  }
  assert_int_equal(i, model.cnt);
  assert_int_equal(side.level_cnt, model.cnt);
  assert_int_equal(ladder.truncated_levels, model.truncated);
  assert_int_equal(tf_ladder_has_horizon(&ladder), model.has_horizon);
}

static void set(int64_t price, int64_t qty) {
  assert_true(tf_ladder_set(&ladder, price, qty));
  model_set(price, qty);
  assert_same();
}

static uint64_t random_of(uint64_t *x) {
  *x ^= *x << 13, *x ^= *x >> 7, *x ^= *x << 17;
  return *x;
}

/* Dense, sparse, drifting, negative, with outliers, coarse and fine steps. */
static void any_prices_agree_with_a_sorted_array(void **state) {
  (void)state;
  static const struct {
    int64_t base, step, width, drift;
  } MARKETS[] = {
      {6183760,             10,   80,    0  },
      {6183760,             10,   80,    10 },
      {100,                 1,    40,    -1 },
      {1000000,             1,    90000, 7  },
      {5,                   25,   70,    0  },
      {INT64_MAX / 4,       4096, 300,   -40},
      {-(INT64_MAX / 4096), 1,    500,   3  },
  };
  uint64_t x = 88172645463325252u;
  for (size_t m = 0; m < TF_ARRAY_CNT(MARKETS); m++)
    for (int ask = 0; ask < 2; ask++) {
      fresh(ask);
      for (int i = 0; i < 6000; i++) {
        int64_t ticks =
            (int64_t)(random_of(&x) % (uint64_t)MARKETS[m].width) + MARKETS[m].drift * i / 20;
        if ((x >> 40 & 63) == 0) ticks *= 1000;
        int64_t qty = (random_of(&x) & 3) == 0 ? 0 : (int64_t)(x >> 50) + 1;
        set((MARKETS[m].base / MARKETS[m].step + ticks) * MARKETS[m].step, qty);
      }
      assert_true(ladder.order_cnt <= ladder.pages_max);
    }
}

/* Every level on a page of its own, and always another page: empty ones must be collected. */
static void storage_lasts_whatever_the_prices(void **state) {
  (void)state;
  fresh(false);
  for (int64_t i = 0; i < 5000; i++) {
    set(1 + i * 1000, 1);
    if (i % 3 == 0) set(1 + (i - i % 50) * 1000, 0);
  }
  assert_int_equal(side.level_cnt, LEVELS_MAX);
}

static void price_between_the_steps_makes_them_finer(void **state) {
  (void)state;
  fresh(true);
  set(6000, 1);
  assert_int_equal(side.step, 6000);
  set(9000, 2);
  assert_int_equal(side.step, 3000);
  set(3000, 0); /* a deletion of nothing is a price too */
  set(9010, 3);
  assert_int_equal(side.step, 10);
  set(-7, 4);
  assert_int_equal(side.step, 1);
  set(0, 5);
  set(INT64_MAX, 6);
  set(-INT64_MAX, 7);
  assert_false(tf_ladder_set(&ladder, INT64_MIN, 1));
  assert_same();
}

static void price_zero_may_come_first(void **state) {
  (void)state;
  fresh(false);
  set(0, 3);
  set(4, 1);
  set(6, 2);
  assert_int_equal(side.step, 2);
}

static void worse_level_is_left_out_of_a_full_side_and_counted(void **state) {
  (void)state;
  fresh(true);
  for (int i = 0; i < LEVELS_MAX; i++) set(1000 + i * 20, 1);
  assert_int_equal(ladder.truncated_levels, 0); /* n fit */
  set(1000 + LEVELS_MAX * 20, 1);
  assert_int_equal(ladder.truncated_levels, 1);
  set(1001, 1); /* a better one takes the worst one's place */
  assert_int_equal(ladder.truncated_levels, 2);
  set(1001, 0);
  set(1000 + LEVELS_MAX * 20, 1); /* there is room, but others like it were lost */
  assert_int_equal(ladder.truncated_levels, 3);
  assert_int_equal(side.level_cnt, LEVELS_MAX - 1);
}

/* XChange issue 4571: a book cut to its N best levels takes up what comes later behind what it dropped, and
 * shows holes as levels. Here what is shown is what the venue has, level by level, down to the worst shown. */
static void levels_kept_are_all_that_there_are_down_to_the_worst_of_them(void **state) {
  (void)state;
  static int64_t venue[4096]; /* quantity at price */
  uint64_t       x = 88172645463325252u;
  fresh(false);
  memset(venue, 0, sizeof venue);
  for (int64_t i = 0; i < 200000; i++) {
    int64_t centre = 3000 - i / 100, price = centre - (int64_t)(random_of(&x) % 200);
    int64_t qty  = random_of(&x) % 4 ? (int64_t)(random_of(&x) % 1000) : 0;
    venue[price] = qty;
    assert_true(tf_ladder_set(&ladder, price, qty));
    if (i % 100 == 99 && venue[centre] != 0) { /* the market falls: its best levels go */
      venue[centre] = 0;
      assert_true(tf_ladder_set(&ladder, centre, 0));
    }
    if (i % 50 != 0) continue;
    int64_t at = 4095;
    for (tf_book_cursor_t l = tf_book_best(&side); l.qty != 0; tf_book_worse(&l), at--) {
      while (at > 0 && venue[at] == 0) at--;
      assert_int_equal(l.price, at);
      assert_int_equal(l.qty, venue[at]);
    }
    if (side.level_cnt >= LEVELS_MAX / 4) continue;
    tf_ladder_clear(&ladder); /* the snapshot that is due now */
    for (at = 4095; at > 0; at--)
      if (venue[at]) assert_true(tf_ladder_set(&ladder, at, venue[at]));
  }
  assert_true(ladder.truncated_levels > 1000);
}

/* A million different prices: memory is what was taken at the start, and the best are there. */
static void hostile_stream_of_a_million_levels_stays_within_its_memory(void **state) {
  (void)state;
  for (int round = 0; round < 2; round++) {
    fresh(round == 1);
    size_t used = arena.used_bytes;
    for (int64_t i = 0; i < 1000000; i++) {
      int64_t price = 1 + i * 7919 % 1000003 * 1000; /* all different, in no order */
      assert_true(tf_ladder_set(&ladder, price, i + 1));
      TF_ASSERT(side.level_cnt <= LEVELS_MAX && ladder.order_cnt <= ladder.pages_max);
    }
    assert_int_equal(arena.used_bytes, used);
    assert_int_equal(side.level_cnt, LEVELS_MAX);
    assert_int_equal(ladder.truncated_levels, 1000000 - LEVELS_MAX);
    int64_t last = tf_book_best(&side).price;
    assert_int_equal(last, round == 1 ? 1 : 1 + INT64_C(1000002) * 1000);
  }
}

static void horizon_stays_at_its_price_when_steps_or_scales_become_finer(void **state) {
  (void)state;
  for (int is_ask = 0; is_ask < 2; is_ask++) {
    fresh(is_ask);
    int64_t sign = is_ask ? 1 : -1;
    for (int i = 0; i < LEVELS_MAX + 10; i++) set(10000 + sign * i * 20, 1);
    set(10000 + sign * 10, 1); /* between the steps */
    set(10000 + sign * 10, 0);
    set(10000 + sign * (LEVELS_MAX + 5) * 20, 1);
    tf_ladder_scale(&ladder, 10, 1);
    for (int i = 0; i < model.cnt; i++) model.price[i] *= 10;
    model.horizon *= 10;
    set(100000 + sign * 10 * (LEVELS_MAX + 5) * 20, 1);
    set(100000 + sign * 10 * (LEVELS_MAX - 2) * 20 + 1, 1);
  }
}

static void side_of_one_level_keeps_the_best(void **state) {
  (void)state;
  tf_arena_fini(&arena);
  assert_int_equal(tf_arena_init(&arena, "ladder", TF_LADDER_BYTES(1)), TF_OK);
  assert_int_equal(tf_ladder_init(&ladder, &side, &arena, 1, false), TF_OK);
  for (int64_t i = 1; i < 1000; i++) {
    assert_true(tf_ladder_set(&ladder, i * 37 % 1000, i));
    assert_int_equal(side.level_cnt, 1);
  }
  assert_int_equal(tf_book_best(&side).price, 999);
}

static void scale_multiplies_prices_and_sizes_or_refuses(void **state) {
  (void)state;
  fresh(false);
  for (int64_t i = 1; i < 40; i++) set(i * 30, i);
  assert_true(tf_ladder_can_scale(&ladder, 100, 10));
  tf_ladder_scale(&ladder, 100, 10);
  for (int i = 0; i < model.cnt; i++) model.price[i] *= 100, model.qty[i] *= 10;
  assert_same();
  set(3000, 0);
  set(3001, 5);
  assert_false(tf_ladder_can_scale(&ladder, INT64_MAX / 1000, 1));
  assert_false(tf_ladder_can_scale(&ladder, 1, INT64_MAX / 100));
  assert_same();
}

static void cleared_side_starts_again(void **state) {
  (void)state;
  fresh(true);
  for (int64_t i = 1; i < 40; i++) set(i * 300, i);
  tf_ladder_clear(&ladder);
  model.cnt = 0;
  assert_same();
  for (int64_t i = 1; i < 40; i++) set(i * 700, i);
}

static int teardown(void **state) {
  (void)state;
  tf_arena_fini(&arena);
  return 0;
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(any_prices_agree_with_a_sorted_array),
      cmocka_unit_test(storage_lasts_whatever_the_prices),
      cmocka_unit_test(price_between_the_steps_makes_them_finer),
      cmocka_unit_test(price_zero_may_come_first),
      cmocka_unit_test(worse_level_is_left_out_of_a_full_side_and_counted),
      cmocka_unit_test(levels_kept_are_all_that_there_are_down_to_the_worst_of_them),
      cmocka_unit_test(hostile_stream_of_a_million_levels_stays_within_its_memory),
      cmocka_unit_test(horizon_stays_at_its_price_when_steps_or_scales_become_finer),
      cmocka_unit_test(side_of_one_level_keeps_the_best),
      cmocka_unit_test(scale_multiplies_prices_and_sizes_or_refuses),
      cmocka_unit_test(cleared_side_starts_again),
  };
  return cmocka_run_group_tests(tests, NULL, teardown);
}
