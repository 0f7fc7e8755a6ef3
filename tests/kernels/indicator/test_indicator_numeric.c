/* The arithmetic that indicators stand on: compensated sums, moments, the logarithm of a ratio. */
#include "cmocka_tf.h"

#include <math.h>
#include <string.h>

#include "indicator/log_ratio.h"
#include "indicator/moments.h"
#include "market_script.h"

static double unit(uint64_t *seed) { return (double)(script_random(seed) >> 11) * 0x1p-53; }

static void what_was_added_and_taken_leaves_no_residue(void **state) {
  (void)state;
  uint64_t seed = 1;
  double   kept[1000];
  tf_sum_t sum = {0};
  for (uint32_t i = 0; i < 1000; i++) tf_sum_add(&sum, kept[i] = (unit(&seed) - 0.5) * 1e9);
  tf_sum_add(&sum, 0.125);
  for (uint32_t i = 0; i < 1000; i++) tf_sum_add(&sum, -kept[i]);
  assert_true(tf_sum_value(&sum) == 0.125);
}

static void a_settled_sum_keeps_its_value_and_a_small_remainder(void **state) {
  (void)state;
  tf_sum_t sum = {1e16, 3.5};
  tf_sum_settle(&sum);
  assert_true(sum.hi == 1e16 + 4 && sum.lo == -0.5);
}

/* Against long double's logl, which has 11 bits more. */
static void the_log_of_a_ratio_is_within_three_units_in_the_last_place(void **state) {
  (void)state;
  if (__LDBL_MANT_DIG__ <= 53) skip();
  uint64_t seed  = 9;
  double   worst = 0;
  for (uint32_t i = 0; i < 200000; i++) {
    double      y    = 1e-3 + unit(&seed) * 1e5;
    double      x    = i % 4 == 0   ? y * (1 + (unit(&seed) - 0.5) * 1e-6)
                       : i % 4 == 1 ? y * (0.5 + unit(&seed) * 1.5)
                       : i % 4 == 2 ? ldexp(0.5 + unit(&seed), (int)(script_random(&seed) % 600) - 300)
                                    : y * (1.41 + unit(&seed) * 0.01);
    long double want = logl((long double)x) - logl((long double)y);
    long double near = log1pl(((long double)x - (long double)y) / (long double)y);
    if (fabsl(want) < 0.5L) want = near;
    if (want == 0) continue;
    double ulp   = nextafter(fabs((double)want), HUGE_VAL) - fabs((double)want);
    double error = (double)(fabsl(want - (long double)tf_log_ratio(x, y)) / (long double)ulp);
    if (error > worst) worst = error;
  }
  print_message("largest error %.3f units in the last place\n", worst);
  assert_true(worst < 3);
}

static void the_log_of_a_ratio_holds_at_the_ends_of_the_range(void **state) {
  (void)state;
  assert_true(tf_log_ratio(3.7, 3.7) == 0);
  assert_true(tf_log_ratio(1e150, 1e-300) > 1036 && tf_log_ratio(1e150, 1e-300) < 1037);
  assert_true(tf_log_ratio(5e-324, 1) < -744.4 && tf_log_ratio(5e-324, 1) > -744.5);
  assert_true(fabs(tf_log_ratio(2, 1) - 0x1.62e42fefa39efp-1) < 1e-16);
  assert_true(fabs(tf_log_ratio(1, 1024) + 10 * 0x1.62e42fefa39efp-1) < 1e-14);
}

/* A step as stddev takes it. */
static double step(tf_moments_t *m, double x) {
  tf_moments_view_t view;
  tf_moments_sums_t next = tf_moments_step(m, x, &view);
  if (!view.sound && m->cnt + 1 >= m->n) {
    tf_moments_renew(m, x, &next, &view);
    m->renew_cnt++;
  }
  tf_moments_keep(m, x, &next);
  return view.spread;
}

static void the_sums_are_renewed_rarely_on_a_random_walk(void **state) {
  (void)state;
  static union {
    tf_moments_t m;
    uint8_t      bytes[sizeof(tf_moments_t) + 100 * 8];
  } memory;
  const double n    = 100;
  uint64_t     seed = 6;
  double       x    = 6e4;
  assert_int_equal(tf_moments_init(&memory.m, &n), TF_OK);
  for (uint32_t i = 0; i < 1000000; i++) {
    x += unit(&seed) - 0.5;
    (void)step(&memory.m, x);
  }
  print_message("%llu renewals in 10^6 inputs at n = 100\n",
                (unsigned long long)memory.m.renew_cnt);
  assert_in_range(memory.m.renew_cnt, 1, 1000);
}

/* Spikes that fall steeply and then leave one by one are the worst for the second check. */
static void falling_spikes_leave_an_exact_zero_behind_them(void **state) {
  (void)state;
  static union {
    tf_moments_t m;
    uint8_t      bytes[sizeof(tf_moments_t) + 50 * 8];
  } memory;
  const double n = 50;
  assert_int_equal(tf_moments_init(&memory.m, &n), TF_OK);
  for (uint32_t i = 0; i < 10000; i++) {
    uint32_t phase  = i % 100;
    double   x      = phase < 28 ? pow(10, 140 - (double)phase * 5) : 1.7;
    double   spread = step(&memory.m, x);
    if (phase >= 28 + 49) assert_true(spread == 0); /* 50 equal inputs */
    if (phase >= 28 && phase < 28 + 49 && i > 100) assert_true(spread > 0);
  }
  print_message("%llu renewals in 10^4 inputs at n = 50\n", (unsigned long long)memory.m.renew_cnt);
  assert_in_range(memory.m.renew_cnt, 100, 100 * 30);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(what_was_added_and_taken_leaves_no_residue),
      cmocka_unit_test(a_settled_sum_keeps_its_value_and_a_small_remainder),
      cmocka_unit_test(the_log_of_a_ratio_is_within_three_units_in_the_last_place),
      cmocka_unit_test(the_log_of_a_ratio_holds_at_the_ends_of_the_range),
      cmocka_unit_test(the_sums_are_renewed_rarely_on_a_random_walk),
      cmocka_unit_test(falling_spikes_leave_an_exact_zero_behind_them),
  };
  return cmocka_run_group_tests_name("indicator_numeric", tests, NULL, NULL);
}
