/* Figures of a card from a management library that the test made (fake_nvml.c), found as the real one is. */
#include "cmocka_tf.h"

#include <string.h>
#include <time.h>

#include "core/clock.h"
#include "tickfuse_gpu/nvml.h"

#define PCI "00000000:1b:00.0"

static uint64_t word(const uint64_t *at) {
  return tf_load_relaxed(at); /* relaxed: each is whole by itself */
}

static void figures_are_told_at_once_and_again(void **state) {
  (void)state;
  tf_mailbox_device_t d = {0};
  nvml_t             *n = nvml_start(PCI, &d);
  assert_non_null(n);
  assert_int_equal(word(&d.compute_busy_pct), 97);
  assert_int_equal(word(&d.memory_busy_pct), 12);
  assert_int_equal(word(&d.memory_bytes), 80ull << 30);
  assert_int_equal(word(&d.memory_used_bytes), 2ull << 30);
  assert_int_equal(word(&d.compute_clock_mhz), 1980);
  assert_int_equal(word(&d.memory_clock_mhz), 2619);
  assert_int_equal(word(&d.temperature_c), 41);
  assert_int_equal(word(&d.xid_cnt), 2);
  assert_int_equal(word(&d.xid_last), 79);
  uint64_t first_ns = word(&d.updated_ns), waited_ms = 0;
  while (word(&d.updated_ns) == first_ns && waited_ms++ < 30000)
    nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
  assert_true(word(&d.updated_ns) > first_ns);
  assert_int_equal(word(&d.xid_cnt), 2);
  nvml_stop(n);
}

static void a_sensor_that_is_not_there_is_unknown(void **state) {
  (void)state;
  tf_mailbox_device_t d = {0};
  nvml_t             *n = nvml_start(PCI, &d);
  assert_non_null(n);
  assert_true(word(&d.power_mw) == TF_MAILBOX_UNKNOWN);
  nvml_stop(n);
}

static void another_card_and_none_tell_nothing(void **state) {
  (void)state;
  tf_mailbox_device_t d = {0};
  assert_null(nvml_start("00000000:1c:00.0", &d));
  assert_null(nvml_start("", &d));
  assert_int_equal(d.updated_ns, 0);
  nvml_stop(NULL);
}

int main(void) {
  tf_clock_calibrate();
  static const struct CMUnitTest tests[] = {
      cmocka_unit_test(figures_are_told_at_once_and_again),
      cmocka_unit_test(a_sensor_that_is_not_there_is_unknown),
      cmocka_unit_test(another_card_and_none_tell_nothing),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
