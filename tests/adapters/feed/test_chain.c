#include "cmocka_tf.h"

#include <string.h>

#include "feed/chain.h"

#define PENDING 4u
static tf_chain_pending_t entries[2 * PENDING];
static tf_chain_pool_t    pool;
static tf_chain_t         chain;

static int set_up(void **state) {
  (void)state;
  tf_chain_pool_init(&pool, entries, 2, PENDING);
  tf_chain_init(&chain);
  return 0;
}

static tf_chain_delta_step_t spot(uint64_t U, uint64_t u) {
  return tf_chain_delta(&chain, &pool, TF_CHAIN_RANGE, U, u, 0, 10);
}
static tf_chain_delta_step_t futures(uint64_t U, uint64_t u, uint64_t pu) {
  return tf_chain_delta(&chain, &pool, TF_CHAIN_POINTER, U, u, pu, 10);
}
static tf_chain_snapshot_step_t spot_snapshot(uint64_t id) {
  return tf_chain_snapshot(&chain, &pool, TF_CHAIN_RANGE, id);
}
static tf_chain_snapshot_step_t futures_snapshot(uint64_t id) {
  return tf_chain_snapshot(&chain, &pool, TF_CHAIN_POINTER, id);
}

static void a_snapshot_older_than_the_first_delta_is_too_old(void **state) {
  (void)state;
  spot(100, 105);
  chain.snapshot_wanted = false;
  assert_int_equal(spot_snapshot(98).verdict, TF_CHAIN_TOO_OLD);
  assert_true(chain.snapshot_wanted); /* another one */
  assert_int_equal(chain.state, TF_CHAIN_SYNCING);
  /* 99 + 1 lies in 100..105: nothing is missing between them */
  tf_chain_snapshot_step_t step = spot_snapshot(99);
  assert_int_equal(step.verdict, TF_CHAIN_BRIDGED);
  assert_int_equal(step.apply_from, 105);
}

static void the_futures_rule_wants_the_snapshots_own_id_inside(void **state) {
  (void)state;
  futures(100, 105, 90);
  assert_int_equal(futures_snapshot(99).verdict, TF_CHAIN_TOO_OLD);
  tf_chain_snapshot_step_t step = futures_snapshot(100);
  assert_int_equal(step.verdict, TF_CHAIN_BRIDGED);
  assert_int_equal(step.apply_from, 105);
  assert_int_equal(chain.state, TF_CHAIN_LIVE);
}

static void each_snapshot_id_keeps_the_deltas_that_the_rule_keeps(void **state) {
  (void)state;
  /* three deltas 10..12 13..15 16..18; by hand from the venue's page */
  static const struct {
    uint64_t id, spot_from, futures_from, spot_dropped, futures_dropped;
  } rows[] = {
      {10, 12, 12, 0,  0 },
      {11, 12, 12, 0,  0 },
      {12, 15, 12, 10, 0 },
      {13, 15, 15, 10, 10},
      {15, 18, 15, 20, 10},
      {17, 18, 18, 20, 20},
      {18, 19, 18, 30, 20},
      {30, 31, 30, 30, 30}
  };
  for (size_t i = 0; i < TF_ARRAY_CNT(rows); i++) {
    set_up(state);
    spot(10, 12), spot(13, 15), spot(16, 18);
    tf_chain_snapshot_step_t step = spot_snapshot(rows[i].id);
    assert_int_equal(step.verdict, TF_CHAIN_BRIDGED);
    assert_int_equal(step.apply_from, rows[i].spot_from);
    assert_int_equal(step.bridged_out_level_cnt, rows[i].spot_dropped);
    set_up(state);
    futures(10, 12, 9), futures(13, 15, 12), futures(16, 18, 15);
    step = futures_snapshot(rows[i].id);
    assert_int_equal(step.verdict, TF_CHAIN_BRIDGED);
    assert_int_equal(step.apply_from, rows[i].futures_from);
    assert_int_equal(step.bridged_out_level_cnt, rows[i].futures_dropped);
  }
}

static void a_snapshot_ahead_waits_for_the_delta_that_joins_it(void **state) {
  (void)state;
  spot(10, 12);
  assert_int_equal(spot_snapshot(20).verdict, TF_CHAIN_BRIDGED);
  assert_int_equal(chain.state, TF_CHAIN_ARMED);
  assert_true(spot(13, 20).is_bridged_out); /* all of it is in the snapshot */
  tf_chain_delta_step_t step = spot(21, 22);
  assert_false(step.is_bridged_out || step.is_gap);
  assert_int_equal(chain.state, TF_CHAIN_LIVE);
}

static void a_snapshot_that_the_next_delta_does_not_reach_is_a_gap(void **state) {
  (void)state;
  assert_int_equal(spot_snapshot(20).verdict, TF_CHAIN_BRIDGED); /* before any delta */
  tf_chain_delta_step_t step = spot(25, 26);
  assert_true(step.is_gap && step.is_bad);
  assert_int_equal(step.gap_first, 21);
  assert_int_equal(step.gap_last, 24);
  assert_int_equal(chain.state, TF_CHAIN_GAP);
  assert_true(chain.snapshot_wanted);
}

static void a_gap_names_what_is_missing_and_starts_over_from_its_delta(void **state) {
  (void)state;
  spot(10, 12);
  spot_snapshot(11);
  tf_chain_delta_step_t step = spot(15, 17);
  assert_true(step.is_gap);
  assert_int_equal(step.gap_first, 13);
  assert_int_equal(step.gap_last, 14);
  assert_true(spot(18, 19).is_bad);
  assert_int_equal(spot_snapshot(13).verdict, TF_CHAIN_TOO_OLD);
  assert_int_equal(spot_snapshot(16).apply_from, 17);
  assert_false(spot(20, 21).is_bad);
}

static void futures_chain_by_pointer_and_not_by_number(void **state) {
  (void)state;
  futures(100, 105, 90);
  futures_snapshot(103);
  assert_false(futures(500, 505, 105).is_gap); /* ids are shared by all symbols */
  tf_chain_delta_step_t step = futures(506, 510, 509);
  assert_true(step.is_gap);
  assert_int_equal(step.gap_first, 506);
  assert_int_equal(step.gap_last, 509);
}

static void seen_deltas_are_duplicates_in_every_state(void **state) {
  (void)state;
  spot(10, 12);
  assert_true(spot(10, 12).is_duplicate);
  spot_snapshot(11);
  assert_true(spot(11, 12).is_duplicate);
  assert_true(spot(1, 2).is_duplicate);
  assert_false(spot(12, 13).is_duplicate); /* overlaps and brings news */
  assert_int_equal(chain.state, TF_CHAIN_LIVE);
}

static void ids_that_start_over_are_a_gap_without_a_range(void **state) {
  (void)state;
  spot(1000000000, 1000000001);
  spot_snapshot(1000000000);
  tf_chain_delta_step_t step = spot(5, 6);
  assert_true(step.is_gap);
  assert_true(step.gap_first > step.gap_last);
  assert_int_equal(spot_snapshot(5).apply_from, 6);
  assert_false(spot(7, 8).is_gap);
}

static void snapshots_not_newer_than_the_book_are_duplicates(void **state) {
  (void)state;
  spot(10, 12);
  spot_snapshot(11);
  spot(13, 15);
  assert_int_equal(spot_snapshot(10).verdict, TF_CHAIN_DUPLICATE);
  assert_int_equal(spot_snapshot(15).verdict, TF_CHAIN_DUPLICATE);
  tf_chain_snapshot_step_t step = spot_snapshot(16);
  assert_int_equal(step.verdict, TF_CHAIN_BRIDGED);
  assert_int_equal(step.apply_from, 17);
  assert_int_equal(spot_snapshot(16).verdict, TF_CHAIN_DUPLICATE);
  assert_true(spot(16, 16).is_bridged_out);
}

static void a_full_slab_forgets_the_oldest_and_then_wants_a_newer_snapshot(void **state) {
  (void)state;
  for (uint64_t u = 10; u < 10 + 6; u++) spot(u, u); /* 10 and 11 are forgotten */
  assert_int_equal(spot_snapshot(10).verdict, TF_CHAIN_TOO_OLD);
  tf_chain_snapshot_step_t step = spot_snapshot(11);
  assert_int_equal(step.verdict, TF_CHAIN_BRIDGED);
  assert_int_equal(step.apply_from, 12);
  assert_int_equal(step.bridged_out_level_cnt, 20);
}

static void without_a_slab_an_instrument_waits_its_turn(void **state) {
  (void)state;
  tf_chain_t one, two;
  tf_chain_init(&one);
  tf_chain_init(&two);
  tf_chain_delta(&one, &pool, TF_CHAIN_RANGE, 1, 1, 0, 1);
  tf_chain_delta(&two, &pool, TF_CHAIN_RANGE, 1, 1, 0, 1);
  tf_chain_delta_step_t step = spot(10, 12);
  assert_true(step.is_syncing);
  assert_false(chain.snapshot_wanted);
  assert_false(spot(13, 14).is_syncing); /* said once */
  assert_int_equal(spot_snapshot(12).verdict, TF_CHAIN_TOO_OLD);
  tf_chain_snapshot(&one, &pool, TF_CHAIN_RANGE, 5); /* gives its slab back */
  chain.snapshot_wanted = false;
  spot(15, 16);
  assert_int_equal(chain.state, TF_CHAIN_SYNCING);
  assert_true(chain.snapshot_wanted);
  assert_int_equal(spot_snapshot(15).bridged_out_level_cnt, 20);
  assert_int_equal(pool.free_cnt, 1);
}

static void a_restart_forgets_the_book_and_gives_the_slab_back(void **state) {
  (void)state;
  spot(10, 12);
  assert_int_equal(pool.free_cnt, 1);
  chain.is_announced = true;
  assert_true(tf_chain_restart(&chain, &pool)); /* readers keep what waited, too */
  assert_int_equal(pool.free_cnt, 2);
  chain.is_announced = true;
  assert_false(tf_chain_restart(&chain, &pool)); /* SYNCING is known already, and all there is */
  spot(10, 12), spot_snapshot(12), spot(13, 13);
  assert_true(tf_chain_restart(&chain, &pool));
  assert_true(spot(50, 51).is_syncing);
}

static void a_snapshot_without_deltas_outlives_a_restart(void **state) {
  (void)state;
  spot_snapshot(20);
  assert_false(tf_chain_restart(&chain, &pool));
  assert_true(spot(15, 19).is_bridged_out);
  assert_false(spot(20, 21).is_gap);
  assert_int_equal(chain.state, TF_CHAIN_LIVE);
}

/* Deltas and snapshots at random, with losses and repeats: whatever the chain says is in order must
 * hold every id since its snapshot. The judge keeps the ids themselves. */
static void a_live_book_never_misses_an_id(void **state) {
  uint64_t rng = 88172645463325252u;
  for (int run = 0; run < 2000; run++) {
    set_up(state);
    uint8_t  held[4096] = {0}; /* 1: in the book */
    uint64_t u = 1, base = 0;
    for (int i = 0; i < 60; i++) {
      rng ^= rng << 13;
      rng ^= rng >> 7;
      rng ^= rng << 17;
      uint64_t first = u, last = u + rng % 5;
      switch (rng >> 32 & 15) {
      case 0: /* lost */ u = last + 1; continue;
      case 1: /* repeated */
        if (u < 10) continue;
        first = u - 5, last = u - 3;
        break;
      case 2: { /* a snapshot from a little before or after */
        uint64_t                 id   = u + (rng >> 40) % 7 < 5 ? 1 : u + (rng >> 40) % 7 - 5;
        tf_chain_snapshot_step_t step = spot_snapshot(id);
        if (step.verdict != TF_CHAIN_BRIDGED) continue;
        base = id;
        memset(held, 0, sizeof(held));
        memset(held, 1, id + 1);
        if (chain.state == TF_CHAIN_LIVE) { /* the deltas kept: apply_from .. last_u */
          assert_true(step.apply_from > id && step.apply_from <= chain.last_u);
          memset(held, 1, chain.last_u + 1);
        }
        continue;
      }
      default: u = last + 1;
      }
      tf_chain_delta_step_t step = spot(first, last);
      if (step.is_duplicate || step.is_bridged_out) continue;
      if (chain.state != TF_CHAIN_LIVE) continue;
      memset(held + first, 1, last - first + 1);
      for (uint64_t id = base; id <= last; id++) assert_true(held[id]);
    }
  }
}

static void a_snapshot_in_the_order_of_the_deltas_is_followed_by_the_next(void **state) {
  (void)state;
  spot(10, 12); /* waits in a slab */
  tf_chain_stand(&chain, &pool, 40);
  assert_int_equal(chain.state, TF_CHAIN_LIVE);
  assert_int_equal(pool.free_cnt, 2);
  assert_false(chain.snapshot_wanted);
  assert_true(spot(39, 40).is_duplicate);
  assert_false(spot(41, 41).is_gap);
  tf_chain_delta_step_t step = spot(43, 44);
  assert_true(step.is_gap);
  assert_int_equal(step.gap_first, 42);
  assert_int_equal(step.gap_last, 42);
  tf_chain_stand(&chain, &pool, 50);
  assert_false(spot(51, 52).is_bad);
}

static void a_lost_book_wants_a_snapshot_that_is_not_older_than_what_was_seen(void **state) {
  (void)state;
  spot_snapshot(9);
  spot(10, 12);
  assert_int_equal(chain.state, TF_CHAIN_LIVE);
  tf_chain_lose(&chain, &pool);
  assert_true(chain.snapshot_wanted);
  assert_int_equal(spot_snapshot(11).verdict, TF_CHAIN_TOO_OLD);
  assert_true(spot(13, 14).is_bad);
  tf_chain_snapshot_step_t step = spot_snapshot(12);
  assert_int_equal(step.verdict, TF_CHAIN_BRIDGED);
  assert_int_equal(step.apply_from, 14);
  assert_int_equal(chain.state, TF_CHAIN_LIVE);
  assert_int_equal(pool.free_cnt, 2);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup(a_snapshot_older_than_the_first_delta_is_too_old, set_up),
      cmocka_unit_test_setup(the_futures_rule_wants_the_snapshots_own_id_inside, set_up),
      cmocka_unit_test_setup(each_snapshot_id_keeps_the_deltas_that_the_rule_keeps, set_up),
      cmocka_unit_test_setup(a_snapshot_ahead_waits_for_the_delta_that_joins_it, set_up),
      cmocka_unit_test_setup(a_snapshot_that_the_next_delta_does_not_reach_is_a_gap, set_up),
      cmocka_unit_test_setup(a_gap_names_what_is_missing_and_starts_over_from_its_delta, set_up),
      cmocka_unit_test_setup(futures_chain_by_pointer_and_not_by_number, set_up),
      cmocka_unit_test_setup(seen_deltas_are_duplicates_in_every_state, set_up),
      cmocka_unit_test_setup(ids_that_start_over_are_a_gap_without_a_range, set_up),
      cmocka_unit_test_setup(snapshots_not_newer_than_the_book_are_duplicates, set_up),
      cmocka_unit_test_setup(a_full_slab_forgets_the_oldest_and_then_wants_a_newer_snapshot,
                             set_up),
      cmocka_unit_test_setup(without_a_slab_an_instrument_waits_its_turn, set_up),
      cmocka_unit_test_setup(a_restart_forgets_the_book_and_gives_the_slab_back, set_up),
      cmocka_unit_test_setup(a_snapshot_without_deltas_outlives_a_restart, set_up),
      cmocka_unit_test_setup(a_snapshot_in_the_order_of_the_deltas_is_followed_by_the_next, set_up),
      cmocka_unit_test_setup(a_lost_book_wants_a_snapshot_that_is_not_older_than_what_was_seen,
                             set_up),
      cmocka_unit_test_setup(a_live_book_never_misses_an_id, set_up),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
