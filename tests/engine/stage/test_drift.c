/* The line under a feed's least differences: against every line that there is, and with clocks that run apart. */
#include "cmocka_tf.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "stage/drift.h"
#include "stage/feed_clock.h"

#define MS  ((int64_t)TF_NS_PER_MS)
#define SEC ((int64_t)TF_NS_PER_SEC)

static tf_drift_t drift;

static double uniform(void) { return (rand() + 1.0) / (RAND_MAX + 2.0); }

/* Of all lines through two points with none below, the area between line and points of the best. */
static double best_area(const double *t, const double *d, uint32_t n) {
  double best = HUGE_VAL;
  for (uint32_t i = 0; i < n; i++)
    for (uint32_t k = i + 1; k < n; k++) {
      double slope = (d[k] - d[i]) / (t[k] - t[i]), area = 0;
      for (uint32_t j = 0; j < n; j++) {
        double above = d[j] - d[i] - slope * (t[j] - t[i]);
        area         = above < -1e-3 ? HUGE_VAL : area + above;
      }
      if (area < best) best = area;
    }
  return best;
}

static void no_line_below_all_points_leaves_less_between(void **state) {
  (void)state;
  srand(5);
  for (int round = 0; round < 300; round++) {
    double   t[TF_DRIFT_POINTS], d[TF_DRIFT_POINTS];
    uint32_t n  = 7 + (uint32_t)rand() % (TF_DRIFT_POINTS - 6);
    uint64_t at = 1723161255u * TF_NS_PER_SEC;
    memset(&drift, 0, sizeof drift);
    int64_t ppm = rand() % 400 - 200;
    for (uint32_t i = 0; i < n; i++) {
      at += (uint64_t)(10 * SEC + rand() % (5 * SEC));
      int64_t diff = -1270 * MS + (int64_t)i * 12500 * ppm + rand() % (2 * MS);
      t[i]         = (double)(at - 1723161255u * TF_NS_PER_SEC);
      d[i]         = (double)diff;
      tf_drift_add(&drift, at, diff);
    }
    assert_true(drift.has_line);
    double area = 0, slope = (double)drift.ppb * 1e-9;
    for (uint32_t j = 0; j < n; j++) {
      double above = d[j] - ((double)drift.offset_ns - slope * (t[n - 1] - t[j]));
      assert_true(above > -700.0); /* ns: the slope is told in whole ppb, over at most 960 s */
      area += above;
    }
    assert_true(area <= best_area(t, d, n) + 700.0 * n);
  }
}

/* Messages of a venue whose clock runs 50 ppm slow, with delays of every size, through the whole feed clock. */
static int64_t drift_of(int64_t ppm, int64_t unit_ns, int minutes) {
  static tf_feed_clock_t clock_of;
  tf_feed_clock_init(&clock_of);
  int64_t begin = 1723161255 * SEC, now = begin;
  while (now < begin + minutes * 60 * SEC) {
    now += (int64_t)(-log(uniform()) * 20.0 * (double)MS);
    int64_t    delay = 3 * MS + (int64_t)(-log(uniform()) * 5.0 * (double)MS);
    int64_t    venue = now - delay - 7 * MS - (now - begin) / 1000000 * ppm;
    tf_event_t e     = {.kind        = TF_EVENT_TRADE,
                        .ts_recv_ns  = (uint64_t)now,
                        .ts_event_ns = (uint64_t)(venue / unit_ns * unit_ns)};
    tf_feed_clock_saw(&clock_of, &e);
  }
  const tf_drift_t *d = &clock_of.kinds[TF_EVENT_TRADE].drift;
  assert_true(d->has_line);
  /* and at the newest point the line is the clock's own: way and offset, and a unit that was cut off */
  int64_t truth =
      10 * MS + (int64_t)(d->at_ns[(d->oldest + d->cnt - 1) % TF_DRIFT_POINTS] - (uint64_t)begin) /
                    1000000 * ppm;
  assert_true(llabs(d->offset_ns - truth) < MS / 2 + unit_ns);
  return d->ppb;
}

static void fifty_ppm_are_found_under_jitter(void **state) {
  (void)state;
  srand(7);
  static const int64_t ppms[] = {50, -50, 8, 0, 400};
  for (size_t i = 0; i < TF_ARRAY_CNT(ppms); i++) {
    assert_true(llabs(drift_of(ppms[i], 1000, 10) - ppms[i] * 1000) <
                1000);                                                     /* stamps in us: 1 ppm */
    assert_true(llabs(drift_of(ppms[i], MS, 10) - ppms[i] * 1000) < 3000); /* in ms: 3 ppm */
  }
}

static void nothing_is_said_of_less_than_a_minute(void **state) {
  (void)state;
  memset(&drift, 0, sizeof drift);
  for (int i = 0; i < 6; i++) tf_drift_add(&drift, (uint64_t)(1000 + 10 * i) * TF_NS_PER_SEC, 0);
  assert_false(drift.has_line);
  tf_drift_add(&drift, UINT64_C(1060) * TF_NS_PER_SEC, 0);
  assert_true(drift.has_line);
  assert_int_equal(drift.ppb, 0);
}

static void a_clock_that_was_set_begins_anew(void **state) {
  (void)state;
  for (int sign = -1; sign <= 1; sign += 2) {
    memset(&drift, 0, sizeof drift);
    uint64_t at = UINT64_C(1000) * TF_NS_PER_SEC;
    for (int i = 0; i < 30; i++) tf_drift_add(&drift, at += 10 * TF_NS_PER_SEC, i * 500000);
    assert_int_equal(drift.ppb, 50000);
    bool was_new = false;
    for (int i = 30; i < 90; i++) {
      tf_drift_add(&drift, at += 10 * TF_NS_PER_SEC, i * 500000 + sign * 3600 * SEC);
      was_new |= !drift.has_line;
    }
    assert_true(was_new && drift.has_line);
    assert_int_equal(drift.ppb, 50000);
  }
}

static void time_that_steps_back_begins_anew(void **state) {
  (void)state;
  memset(&drift, 0, sizeof drift);
  for (int i = 0; i < 30; i++) tf_drift_add(&drift, (uint64_t)(1000 + 10 * i) * TF_NS_PER_SEC, 0);
  tf_drift_add(&drift, UINT64_C(900) * TF_NS_PER_SEC, 5);
  assert_int_equal(drift.cnt, 1);
  assert_false(drift.has_line);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(no_line_below_all_points_leaves_less_between),
      cmocka_unit_test(fifty_ppm_are_found_under_jitter),
      cmocka_unit_test(nothing_is_said_of_less_than_a_minute),
      cmocka_unit_test(a_clock_that_was_set_begins_anew),
      cmocka_unit_test(time_that_steps_back_begins_anew),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
