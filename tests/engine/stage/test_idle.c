/* Idle strategies on a real runner thread: what they use of a core, and that they wake. Bounds are
 * wide, for a machine that is shared: bench_idle has the figures. */
#include "cmocka_tf.h"
#include "core/clock.h"
#include "core/error.h"
#include "idle_lane.h"

#define STAMPS    40
#define QUIET_NS  (300 * TF_NS_PER_MS)
#define SLEEP_MAX 0.25 /* of a core; measured on an idle machine: below 0.05 */
#define WAKE_NS   (100 * TF_NS_PER_MS)

static tf_idle_lane_t lane;

static double run(tf_io_kind_t kind, tf_idle_t idle) {
  assert_int_equal(tf_idle_lane_start(&lane, kind, idle, -1), TF_OK);
  double share = tf_idle_lane_cpu_share(&lane, QUIET_NS);
  tf_idle_lane_wake(&lane, STAMPS, TF_NS_PER_MS / 4, TF_NS_PER_MS);
  tf_idle_lane_stop(&lane);
  assert_int_equal(lane.wake_cnt, STAMPS);
  assert_true(tf_hist_quantile(&lane.wake, 0.5) < WAKE_NS);
  return share;
}

static void sleep_leaves_the_core_alone_and_wakes_with_the_first_byte(void **state) {
  (void)state;
  static const tf_io_kind_t kinds[] = {TF_IO_AUTO, TF_IO_EPOLL};
  for (size_t i = 0; i < TF_ARRAY_CNT(kinds); i++) {
    double share = run(kinds[i], TF_IDLE_SLEEP);
    print_message("sleep: %.1f %% of a core\n", 100 * share);
    assert_true(share < SLEEP_MAX);
    /* Waits are the kernel's: a millisecond each, so some 1,000 passes a second, not millions. */
    assert_true(lane.wait_cnt > 0);
  }
}

static void spin_and_yield_use_what_the_machine_gives_and_wake(void **state) {
  (void)state;
  double spin  = run(TF_IO_AUTO, TF_IDLE_SPIN);
  double yield = run(TF_IO_AUTO, TF_IDLE_YIELD);
  double sleep = run(TF_IO_AUTO, TF_IDLE_SLEEP);
  print_message("spin %.1f %%, yield %.1f %%, sleep %.1f %%\n", 100 * spin, 100 * yield,
                100 * sleep);
  assert_true(spin > 2 * sleep && yield > 2 * sleep);
}

int main(void) {
  tf_clock_calibrate();
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(sleep_leaves_the_core_alone_and_wakes_with_the_first_byte),
      cmocka_unit_test(spin_and_yield_use_what_the_machine_gives_and_wake),
  };
  return cmocka_run_group_tests_name("idle", tests, NULL, NULL);
}
