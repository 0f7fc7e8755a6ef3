#include "cmocka_tf.h"

#include <stdlib.h>

#include "core/hist.h"

static tf_hist_t hist;

static void empty_histogram_answers_zero(void **state) {
  (void)state;
  tf_hist_reset(&hist);
  assert_int_equal(tf_hist_quantile(&hist, 0.5), 0);
}

static void every_bucket_top_belongs_to_its_bucket(void **state) {
  (void)state;
  for (uint32_t i = 0; i + 1 < TF_HIST_BUCKET_CNT; i++) {
    assert_int_equal(tf_hist_bucket_of(tf_hist_bucket_top(i)), i);
    assert_int_equal(tf_hist_bucket_of(tf_hist_bucket_top(i) + 1), i + 1);
  }
}

static void values_over_the_range_count_in_the_last_bucket(void **state) {
  (void)state;
  assert_int_equal(tf_hist_bucket_of(UINT64_MAX), TF_HIST_BUCKET_CNT - 1);
  assert_int_equal(tf_hist_bucket_of(UINT64_C(1) << TF_HIST_VALUE_BITS), TF_HIST_BUCKET_CNT - 1);
}

static int by_value(const void *a, const void *b) {
  uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
  return (x > y) - (x < y);
}

static void quantiles_are_within_one_part_of_the_sorted_values(void **state) {
  (void)state;
  enum { N = 20000 };
  static uint64_t values[N];
  uint64_t        x = 88172645463325252u;
  tf_hist_reset(&hist);
  for (int i = 0; i < N; i++) {
    x ^= x << 13, x ^= x >> 7, x ^= x << 17;
    values[i] = x >> (24 + x % 30); /* spread over many magnitudes */
    tf_hist_record(&hist, values[i]);
  }
  qsort(values, N, sizeof values[0], by_value);
  const double qs[] = {0.0, 0.1, 0.5, 0.9, 0.99, 0.999, 1.0};
  for (size_t i = 0; i < TF_ARRAY_CNT(qs); i++) {
    size_t rank = (size_t)(qs[i] * N);
    if (rank >= N) rank = N - 1;
    uint64_t exact = values[rank], got = tf_hist_quantile(&hist, qs[i]);
    assert_true(got >= exact);
    assert_true((double)(got - exact) <= (double)exact / 32.0 + 1.0);
  }
  assert_int_equal(tf_hist_quantile(&hist, 1.0), values[N - 1]);
}

static void merge_equals_recording_both(void **state) {
  (void)state;
  static tf_hist_t a, b, both;
  for (uint64_t i = 1; i < 5000; i++) {
    tf_hist_record(i % 3 ? &a : &b, i * i);
    tf_hist_record(&both, i * i);
  }
  tf_hist_merge(&a, &b);
  assert_memory_equal(&a, &both, sizeof a);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(empty_histogram_answers_zero),
      cmocka_unit_test(every_bucket_top_belongs_to_its_bucket),
      cmocka_unit_test(values_over_the_range_count_in_the_last_bucket),
      cmocka_unit_test(quantiles_are_within_one_part_of_the_sorted_values),
      cmocka_unit_test(merge_equals_recording_both),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
