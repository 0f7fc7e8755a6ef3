/* Each form of the queue against a plain model, offers and takes of all lengths in an order that a seed draws. */
#include "cmocka_tf.h"

#include "adapters/sink/outq_fixture.h"

#define SLOTS 16u
#define KEYS  (FIXTURE_INSTRUMENTS * FIXTURE_STRATEGIES)
#define STEPS 20000
#define BATCH 40u
#define SEEDS 10u

static uint64_t random_state;

static uint32_t draw(uint32_t below) {
  random_state = random_state * UINT64_C(6364136223846793005) + 1442695040888963407u;
  return (uint32_t)(random_state >> 33) % below;
}

static uint32_t fill(tf_decision_t *records, uint64_t first_seq, uint32_t n) {
  for (uint32_t i = 0; i < n; i++) records[i] = fixture_record(first_seq + i);
  return n;
}

static void assert_balanced(const tf_outq_t *q, uint64_t taken) {
  assert_int_equal(tf_outq_offered(q),
                   taken + tf_outq_dropped(q) + tf_outq_conflated(q) + tf_outq_pending(q));
}

static void sizes_outside_the_limits_are_refused(void **state) {
  (void)state;
  tf_outq_config_t good = {.policy         = TF_OVERFLOW_BLOCK,
                           .shape          = tf_record_shape(TF_CARRIES_DECISIONS, 0),
                           .slot_cnt       = 2,
                           .instrument_cap = 1,
                           .strategy_cap   = 1};
  assert_true(tf_outq_bytes(&good) > 0);
  static const uint64_t bad_slots[] = {0, 1, 3, TF_BCAST_SLOT_CNT_MAX + 1,
                                       TF_BCAST_SLOT_CNT_MAX * 2};
  for (size_t i = 0; i < TF_ARRAY_CNT(bad_slots); i++) {
    tf_outq_config_t bad = good;
    bad.slot_cnt         = bad_slots[i];
    assert_int_equal(tf_outq_bytes(&bad), 0);
    bad.policy = TF_OVERFLOW_DROP_OLDEST;
    assert_int_equal(tf_outq_bytes(&bad), 0);
  }
  static const uint32_t bad_bytes[] = {0, 4, 12, TF_SINK_RECORD_BYTES_MAX + 8};
  for (size_t i = 0; i < TF_ARRAY_CNT(bad_bytes); i++) {
    tf_outq_config_t bad = good;
    bad.shape.bytes      = bad_bytes[i];
    assert_int_equal(tf_outq_bytes(&bad), 0);
    assert_null(tf_outq_init(&bad, &bad));
  }
  tf_outq_config_t keys = good;
  keys.policy           = TF_OVERFLOW_CONFLATE;
  keys.instrument_cap   = 1u << 16;
  keys.strategy_cap     = (1u << 8) + 1;
  assert_int_equal(tf_outq_bytes(&keys), 0);
  keys.strategy_cap = 0;
  assert_int_equal(tf_outq_bytes(&keys), 0);
}

/* First in, first out: all that was taken in comes out, and exactly what does not fit is refused or dropped. */
static void queue_of_credits_is_a_list_of_so_many(tf_overflow_t policy, uint64_t seed) {
  static tf_decision_t in[BATCH], out[BATCH];
  void                *memory;
  tf_outq_t           *q      = fixture_queue(policy, SLOTS, &memory);
  uint64_t             stored = 0, next_in = 1, dropped = 0, taken = 0, missed, model[SLOTS];
  random_state = seed;
  for (int step = 0; step < STEPS; step++) {
    uint32_t n = draw(BATCH);
    if (draw(2)) {
      uint32_t room = SLOTS - (uint32_t)stored, fits = n < room ? n : room;
      fill(in, next_in, n);
      uint32_t k = tf_outq_offer(q, in, n);
      assert_int_equal(k, policy == TF_OVERFLOW_DROP_NEWEST ? n : fits);
      for (uint32_t i = 0; i < fits; i++) model[stored++] = next_in + i;
      dropped += k - fits;
      next_in += k;
    } else {
      uint32_t k = tf_outq_take(q, out, n, &missed);
      assert_int_equal(k, n < stored ? n : stored);
      assert_int_equal(missed, 0);
      for (uint32_t i = 0; i < k; i++) {
        assert_int_equal(out[i].decision_seq, model[i]);
        assert_true(fixture_is_whole(&out[i]));
      }
      stored -= k;
      taken += k;
      memmove(model, model + k, stored * sizeof *model);
    }
    assert_int_equal(tf_outq_pending(q), stored);
    assert_int_equal(tf_outq_dropped(q), dropped);
    assert_balanced(q, taken);
  }
  assert_true(taken > STEPS);
  free(memory);
}

static void credits_refuse_exactly_what_does_not_fit(void **state) {
  (void)state;
  for (uint64_t seed = 1; seed <= SEEDS; seed++)
    queue_of_credits_is_a_list_of_so_many(TF_OVERFLOW_BLOCK, seed);
}

static void drop_newest_drops_exactly_what_does_not_fit(void **state) {
  (void)state;
  for (uint64_t seed = 1; seed <= SEEDS; seed++)
    queue_of_credits_is_a_list_of_so_many(TF_OVERFLOW_DROP_NEWEST, seed);
}

/* ---- priorities, and what is told in its place ---- */

static bool is_odd(const void *self, const void *record) {
  (void)self;
  return ((const tf_decision_t *)record)->decision_seq & 1;
}

static const tf_sink_ranks_t odd_is_low = {NULL, is_odd};

static tf_outq_t *queue_with(tf_overflow_t policy, const tf_sink_ranks_t *ranks, bool tells_missed,
                             void **memory) {
  tf_outq_config_t config = {.policy       = policy,
                             .shape        = tf_record_shape(TF_CARRIES_DECISIONS, 0),
                             .slot_cnt     = 16,
                             .ranks        = ranks,
                             .tells_missed = tells_missed};
  *memory =
      aligned_alloc(TF_LINE_PAIR_BYTES, tf_align_up(tf_outq_bytes(&config), TF_LINE_PAIR_BYTES));
  return tf_outq_init(*memory, &config);
}

static uint32_t offer_one(tf_outq_t *q, uint64_t seq) {
  tf_decision_t d = fixture_record(seq);
  return tf_outq_offer(q, &d, 1);
}

static void low_priority_is_turned_away_from_half_on_and_the_rest_at_the_end(void **state) {
  (void)state;
  const tf_overflow_t policies[] = {TF_OVERFLOW_BLOCK, TF_OVERFLOW_DROP_NEWEST,
                                    TF_OVERFLOW_DROP_OLDEST};
  for (size_t p = 0; p < TF_ARRAY_CNT(policies); p++) {
    void         *memory;
    tf_outq_t    *q = queue_with(policies[p], &odd_is_low, false, &memory);
    tf_decision_t out[16];
    uint64_t      missed, seq = 0;
    for (; seq < 7; seq++) assert_int_equal(offer_one(q, seq), 1); /* 7: below half */
    assert_int_equal(offer_one(q, 7), 1);                          /* the eighth */
    assert_int_equal(tf_outq_dropped_low(q), 0);
    assert_int_equal(offer_one(q, 9), 1); /* half full: taken, and dropped */
    assert_int_equal(tf_outq_dropped_low(q), 1);
    for (seq = 10; seq < 26; seq += 2) assert_int_equal(offer_one(q, seq), 1);
    assert_int_equal(tf_outq_pending(q), 16);
    assert_int_equal(offer_one(q, 27), 1);
    assert_int_equal(tf_outq_dropped_low(q), 2);
    assert_int_equal(tf_outq_dropped(q), 2);
    if (policies[p] == TF_OVERFLOW_BLOCK) assert_int_equal(offer_one(q, 28), 0);
    assert_int_equal(tf_outq_take(q, out, 16, &missed), 16);
    assert_int_equal(out[7].decision_seq, 7);
    assert_int_equal(out[8].decision_seq, 10);
    assert_balanced(q, 16);
    free(memory);
  }
}

static void a_batch_is_told_apart_record_by_record(void **state) {
  (void)state;
  void         *memory;
  tf_outq_t    *q = queue_with(TF_OVERFLOW_BLOCK, &odd_is_low, false, &memory);
  tf_decision_t in[40];
  fill(in, 0, 40);
  uint32_t taken = tf_outq_offer(q, in, 40); /* 0 to 7, then 8, 10 .. 22; 24 does not fit */
  assert_int_equal(taken, 24);
  assert_int_equal(tf_outq_dropped_low(q), 8);
  assert_int_equal(tf_outq_pending(q), 16);
  free(memory);
}

static void what_was_dropped_is_told_before_the_record_behind_it(void **state) {
  (void)state;
  void         *memory;
  tf_outq_t    *q = queue_with(TF_OVERFLOW_DROP_NEWEST, NULL, true, &memory);
  tf_decision_t in[40], out[40];
  uint64_t      missed;
  fill(in, 1, 40);
  assert_int_equal(tf_outq_offer(q, in, 20), 20); /* 16 go in */
  assert_int_equal(tf_outq_take(q, out, 10, &missed), 10);
  assert_int_equal(missed, 0);
  assert_int_equal(tf_outq_offer(q, in + 20, 3), 3);
  tf_outq_skip(q, 5);
  assert_int_equal(tf_outq_offer(q, in + 23, 1), 1);
  assert_int_equal(tf_outq_take(q, out, 40, &missed), 6); /* it ends where something is missing */
  assert_int_equal(missed, 0);
  assert_int_equal(tf_outq_take(q, out, 40, &missed), 3);
  assert_int_equal(missed, 4);
  assert_int_equal(out[0].decision_seq, 21);
  assert_int_equal(tf_outq_take(q, out, 40, &missed), 1);
  assert_int_equal(missed, 5);
  assert_int_equal(tf_outq_take(q, out, 40, &missed), 0);
  assert_int_equal(missed, 0);
  assert_int_equal(tf_outq_dropped(q), 4);
  assert_balanced(q, 20);
  free(memory);
}

/* What comes out is the sequence with holes at its old end alone, each told before the record behind it; and the
 * newest 7/8 of the ring are never lost. */
static void drop_oldest_tells_each_hole_and_keeps_the_newest(void **state) {
  (void)state;
  static tf_decision_t in[BATCH], out[BATCH];
  for (uint64_t seed = 1; seed <= SEEDS; seed++) {
    void      *memory;
    tf_outq_t *q    = fixture_queue(TF_OVERFLOW_DROP_OLDEST, SLOTS, &memory);
    uint64_t   head = 1, expected = 1, taken = 0, told = 0, missed;
    random_state = seed;
    for (int step = 0; step < STEPS; step++) {
      uint32_t n = draw(BATCH);
      if (draw(2)) {
        assert_int_equal(tf_outq_offer(q, in, fill(in, head, n)), n);
        head += n;
      } else {
        uint32_t k = tf_outq_take(q, out, n, &missed);
        expected += missed;
        for (uint32_t i = 0; i < k; i++, expected++) {
          assert_int_equal(out[i].decision_seq, expected);
          assert_true(fixture_is_whole(&out[i]));
        }
        assert_true(missed == 0 || expected - k + SLOTS >= head + SLOTS / 8);
        taken += k;
        told += missed;
        if (n > SLOTS) assert_int_equal(expected, head);
      }
      assert_true(tf_outq_pending(q) <= SLOTS);
      assert_balanced(q, taken);
    }
    while (tf_outq_take(q, out, BATCH, &missed) > 0 || missed > 0) told += missed;
    assert_int_equal(told, tf_outq_dropped(q));
    assert_true(told > 0);
    free(memory);
  }
}

/* The latest of each key, and nothing of a key twice; sequences rise over all takes; every record that was offered
 * is taken, waits as its key's latest, or is counted as replaced. */
static void conflate_has_the_latest_of_each_key(void **state) {
  (void)state;
  static tf_decision_t in[BATCH], out[BATCH];
  for (uint64_t seed = 1; seed <= SEEDS; seed++) {
    void      *memory;
    tf_outq_t *q    = fixture_queue(TF_OVERFLOW_CONFLATE, 0, &memory);
    uint64_t   head = 1, taken = 0, told = 0, last_out = 0, missed;
    uint64_t   latest[KEYS] = {0}, had[KEYS] = {0};
    random_state = seed;
    for (int step = 0; step < STEPS; step++) {
      uint32_t n = draw(2) ? draw(4) : draw(BATCH);
      if (draw(2)) {
        assert_int_equal(tf_outq_offer(q, in, fill(in, head, n)), n);
        for (uint32_t i = 0; i < n; i++) latest[fixture_key(head + i)] = head + i;
        head += n;
      } else {
        uint32_t k = tf_outq_take(q, out, n, &missed);
        for (uint32_t i = 0; i < k; i++) {
          uint32_t key = fixture_key(out[i].decision_seq);
          assert_true(fixture_is_whole(&out[i]));
          assert_true(out[i].decision_seq > last_out);
          assert_true(out[i].decision_seq <= latest[key] && out[i].decision_seq > had[key]);
          last_out = had[key] = out[i].decision_seq;
        }
        taken += k;
        told += missed;
      }
      assert_true(tf_outq_pending(q) <= 2 * KEYS);
      assert_balanced(q, taken);
    }
    for (uint32_t k; (k = tf_outq_take(q, out, BATCH, &missed)) > 0;) {
      taken += k;
      told += missed;
      for (uint32_t i = 0; i < k; i++) had[fixture_key(out[i].decision_seq)] = out[i].decision_seq;
    }
    told += missed;
    for (uint32_t key = 0; key < KEYS; key++) assert_int_equal(had[key], latest[key]);
    assert_int_equal(tf_outq_pending(q), 0);
    assert_int_equal(told, tf_outq_conflated(q));
    assert_int_equal(head - 1, taken + told);
    free(memory);
  }
}

/* One key changes before each take, and one record is taken at a time: it must come all the same. */
static void busiest_key_gets_through_to_the_slowest_consumer(void **state) {
  (void)state;
  void         *memory;
  tf_outq_t    *q    = fixture_queue(TF_OVERFLOW_CONFLATE, 0, &memory);
  uint32_t      busy = fixture_key(1), had_busy = 0;
  uint64_t      seq = 0, missed;
  tf_decision_t d;
  for (int take = 0; take < 1000; take++) {
    uint32_t of_others = 0;
    for (; of_others < 2; of_others += fixture_key(seq) != busy) {
      d = fixture_record(++seq);
      tf_outq_offer(q, &d, 1);
    }
    do { /* the busy one is always the last */
      d = fixture_record(++seq);
      if (fixture_key(seq) == busy) tf_outq_offer(q, &d, 1);
    } while (fixture_key(seq) != busy);
    if (tf_outq_take(q, &d, 1, &missed)) had_busy += fixture_key(d.decision_seq) == busy;
  }
  assert_true(had_busy >= 1000 / (2 * KEYS));
  free(memory);
}

static void record_of_no_place_is_dropped_and_counted(void **state) {
  (void)state;
  void         *memory;
  tf_outq_t    *q = fixture_queue(TF_OVERFLOW_CONFLATE, 0, &memory);
  tf_decision_t d = fixture_record(1);
  uint64_t      missed;
  d.instrument_id = FIXTURE_INSTRUMENTS;
  assert_int_equal(tf_outq_offer(q, &d, 1), 1);
  d.instrument_id = 0;
  d.strategy_id   = FIXTURE_STRATEGIES;
  assert_int_equal(tf_outq_offer(q, &d, 1), 1);
  assert_int_equal(tf_outq_dropped(q), 2);
  assert_int_equal(tf_outq_take(q, &d, 1, &missed), 0);
  assert_balanced(q, 0);
  free(memory);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(sizes_outside_the_limits_are_refused),
      cmocka_unit_test(credits_refuse_exactly_what_does_not_fit),
      cmocka_unit_test(drop_newest_drops_exactly_what_does_not_fit),
      cmocka_unit_test(low_priority_is_turned_away_from_half_on_and_the_rest_at_the_end),
      cmocka_unit_test(a_batch_is_told_apart_record_by_record),
      cmocka_unit_test(what_was_dropped_is_told_before_the_record_behind_it),
      cmocka_unit_test(drop_oldest_tells_each_hole_and_keeps_the_newest),
      cmocka_unit_test(conflate_has_the_latest_of_each_key),
      cmocka_unit_test(busiest_key_gets_through_to_the_slowest_consumer),
      cmocka_unit_test(record_of_no_place_is_dropped_and_counted),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
