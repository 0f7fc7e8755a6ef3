/* The rolling time window: its boundary, what it does when it is full, and that nothing is lost. */
#include "cmocka_tf.h"

#include <string.h>

#include "indicator/time_window.h"
#include "market_script.h"

enum { CAP = 64, SAMPLES = 20000 };

static union {
  tf_time_window_t w;
  uint8_t          bytes[sizeof(tf_time_window_t) + 4096 * 3 * 8];
} memory;

static tf_time_window_t *opened(double window_ns, double capacity, uint32_t value_cnt) {
  assert_true(tf_time_window_bytes(capacity, value_cnt) <= sizeof memory);
  assert_int_equal(tf_time_window_init(&memory.w, window_ns, capacity, value_cnt), TF_OK);
  return &memory.w;
}

static void add(tf_time_window_t *w, uint64_t t, double x) { tf_time_window_add(w, t, &x, 1); }

static tf_time_window_view_t tick(tf_time_window_t *w, uint64_t now, uint32_t value_cnt) {
  tf_time_window_view_t view;
  tf_time_window_view(w, now, value_cnt, &view);
  tf_time_window_keep(w, &view, value_cnt);
  return view;
}

static double sum_at(tf_time_window_t *w, uint64_t now) {
  tf_time_window_view_t view = tick(w, now, 1);
  return tf_sum_value(&view.sum[0]);
}

static void sizes_and_lengths_out_of_range_are_refused(void **state) {
  (void)state;
  assert_int_equal(tf_time_window_init(&memory.w, 1e9, 15, 1), E_CORE_ARGUMENT);
  assert_int_equal(tf_time_window_init(&memory.w, 1e9, 1e9, 1), E_CORE_ARGUMENT);
  assert_int_equal(tf_time_window_init(&memory.w, 1e9, 16.5, 1), E_CORE_ARGUMENT);
  assert_int_equal(tf_time_window_init(&memory.w, 0, 16, 1), E_CORE_ARGUMENT);
  assert_int_equal(tf_time_window_init(&memory.w, __builtin_nan(""), 16, 1), E_CORE_ARGUMENT);
}

static void a_sample_leaves_exactly_one_window_after_it_came(void **state) {
  (void)state;
  tf_time_window_t *w = opened(1000, CAP, 1);
  add(w, 5000, 1);
  add(w, 5001, 2);
  assert_true(sum_at(w, 5001) == 3);
  assert_true(sum_at(w, 5999) == 3);
  assert_true(sum_at(w, 6000) == 2);
  assert_true(sum_at(w, 6001) == 0);
  assert_int_equal(w->cnt, 0);
}

static void time_that_steps_back_counts_as_the_latest(void **state) {
  (void)state;
  tf_time_window_t *w = opened(1000, CAP, 1);
  add(w, 5000, 1);
  add(w, 4000, 2); /* at 5000 */
  assert_int_equal(w->cnt, 1);
  assert_true(sum_at(w, 100) == 3);
  assert_true(sum_at(w, 5999) == 3);
  assert_true(sum_at(w, 6000) == 0);
}

static void samples_of_one_time_share_an_entry(void **state) {
  (void)state;
  tf_time_window_t *w = opened(1000, 16, 1);
  for (uint32_t i = 0; i < 1000; i++) add(w, 77, 0.1);
  assert_int_equal(w->cnt, 1);
  assert_int_equal(w->merge_cnt, 0);
  double sum = sum_at(w, 77);
  assert_true(__builtin_fabs(sum - 100) < 1e-11);
  assert_true(sum_at(w, 1077) == 0);
}

static void an_emptied_window_sums_to_exactly_zero(void **state) {
  (void)state;
  tf_time_window_t *w    = opened(1000, CAP, 1);
  uint64_t          seed = 3, t = 1;
  for (uint32_t round = 0; round < 200; round++) {
    for (uint32_t i = 0; i < 40; i++) {
      t += script_random(&seed) % 20;
      static const double SCALES[] = {1e40, -1e-20, 1e12}; /* further apart than a sum's 106 bits */
      add(w, t, (double)(script_random(&seed) % 1000) * SCALES[i % 3]);
    }
    (void)sum_at(w, t);
    t += 1000;
    tf_time_window_view_t view = tick(w, t, 1);
    assert_true(view.sum[0].hi == 0 && view.sum[0].lo == 0);
  }
}

/* With more samples than entries: every sample stays at least until it is due and at most one
 * quantum longer, whatever the times; checked against the plain list of samples. */
static void a_full_window_keeps_every_sample_and_is_late_by_less_than_a_quantum(void **state) {
  (void)state;
  static uint64_t times[SAMPLES];
  for (uint32_t pace = 1; pace <= 64; pace *= 4) {
    const uint64_t    WINDOW = 10000;
    tf_time_window_t *w      = opened((double)WINDOW, CAP, 2);
    uint64_t          seed = 5 + pace, t = UINT64_C(1700000000000000000), quantum = w->quantum_ns;
    uint32_t          due = 0, late = 0; /* first sample that is not due; that may still linger */
    assert_int_equal(quantum, (WINDOW + CAP / 2 - 2) / (CAP / 2 - 1));
    for (uint32_t i = 0; i < SAMPLES; i++) {
      t += script_random(&seed) % (pace * (i / 4000 + 1));
      times[i]         = t;
      double values[2] = {1, 3};
      tf_time_window_add(w, t, values, 2);
      assert_true(w->cnt <= CAP);
      if (i % 3) continue;
      tf_time_window_view_t view = tick(w, t, 2);
      while (t - times[due] >= WINDOW) due++;
      while (t - times[late] >= WINDOW + quantum) late++;
      double inside = tf_sum_value(&view.sum[0]);
      if (inside < i + 1 - due || inside > i + 1 - late) {
        fail_msg("pace %u sample %u: %g inside, due %u .. %u", pace, i, inside, i + 1 - due,
                 i + 1 - late);
      }
      assert_true(tf_sum_value(&view.sum[1]) == 3 * inside);
    }
    assert_true(pace > 16 || w->merge_cnt > 0);
    (void)tick(w, t + WINDOW, 2);
    assert_int_equal(w->cnt, 0);
  }
}

static void below_its_capacity_a_window_is_exact(void **state) {
  (void)state;
  static uint64_t   times[SAMPLES];
  tf_time_window_t *w    = opened(1000, 4096, 1);
  uint64_t          seed = 17, t = 0;
  uint32_t          first = 0;
  for (uint32_t i = 0; i < SAMPLES; i++) {
    t += script_random(&seed) % 3;
    times[i] = t;
    add(w, t, 1);
    while (t - times[first] >= 1000) first++;
    assert_true(sum_at(w, t) == i + 1 - first);
  }
  assert_int_equal(w->merge_cnt, 0);
}

static void a_full_window_whose_entries_are_all_due_takes_the_newcomer_alone(void **state) {
  (void)state;
  tf_time_window_t *w = opened(1000, 16, 1);
  for (uint64_t t = 0; t < 16; t++) add(w, t, 1);
  assert_int_equal(w->cnt, 16);
  add(w, 5000, 7);
  assert_int_equal(w->cnt, 1);
  assert_int_equal(w->merge_cnt, 0);
  assert_true(sum_at(w, 5000) == 7);
}

static void sums_hold_through_merges_of_values_far_apart(void **state) {
  (void)state;
  tf_time_window_t *w    = opened(1e6, 16, 1);
  uint64_t          seed = 23, t = 0;
  for (uint32_t i = 0; i < 3000; i++) {
    t += 1 + script_random(&seed) % 3;
    add(w, t, i % 2 ? 1e15 + 0.25 : 1e-3 * (double)(script_random(&seed) % 1000));
  }
  assert_true(w->merge_cnt > 3);
  /* The sum is that of the entries as they are stored, to the last bit. */
  tf_sum_t entries = {0};
  for (uint32_t i = 0; i < w->cnt; i++) {
    tf_sum_add(&entries,
               tf_time_window_entry_(w, tf_time_window_after_(w, w->head, i), 1)[1].value);
  }
  assert_true(tf_sum_value(&entries) == sum_at(w, t));
}

static void hostile_times_near_the_end_of_the_range_stay_in_bounds(void **state) {
  (void)state;
  tf_time_window_t *w = opened(86400e9, 16, 1);
  for (uint32_t i = 0; i < 2000; i++) {
    add(w, UINT64_MAX - 4000 + i, 1);
    assert_true(w->cnt <= 16);
  }
  assert_true(sum_at(w, UINT64_MAX) == 2000);
  add(w, 0, 1);
  assert_true(sum_at(w, 0) == 2001);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(sizes_and_lengths_out_of_range_are_refused),
      cmocka_unit_test(a_sample_leaves_exactly_one_window_after_it_came),
      cmocka_unit_test(time_that_steps_back_counts_as_the_latest),
      cmocka_unit_test(samples_of_one_time_share_an_entry),
      cmocka_unit_test(an_emptied_window_sums_to_exactly_zero),
      cmocka_unit_test(below_its_capacity_a_window_is_exact),
      cmocka_unit_test(a_full_window_keeps_every_sample_and_is_late_by_less_than_a_quantum),
      cmocka_unit_test(a_full_window_whose_entries_are_all_due_takes_the_newcomer_alone),
      cmocka_unit_test(sums_hold_through_merges_of_values_far_apart),
      cmocka_unit_test(hostile_times_near_the_end_of_the_range_stay_in_bounds),
  };
  return cmocka_run_group_tests_name("time_window", tests, NULL, NULL);
}
