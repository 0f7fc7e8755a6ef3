#include "cmocka_tf.h"

#include <string.h>

#include "broker/trouble.h"
#include "core/error.h"

static void say(tf_trouble_t *t, uint64_t now_ns, const char *fmt, ...) TF_PRINTF(3, 4);
static void say(tf_trouble_t *t, uint64_t now_ns, const char *fmt, ...) {
  va_list args;
  va_start(args, fmt);
  tf_trouble_say(t, now_ns, fmt, args);
  va_end(args);
}

static void each_trouble_waits_longer_up_to_a_bound_until_it_is_over(void **state) {
  (void)state;
  tf_trouble_t t;
  uint64_t     now_ns = TF_NS_PER_SEC, most = TF_TROUBLE_WAIT_NS_MIN;
  tf_trouble_init(&t, "feed", "wall", "nats", E_SOURCE_IO, 42);
  for (int i = 0; i < 20; i++) {
    say(&t, now_ns, "the %dth", i);
    assert_in_range(t.retry_ns - now_ns, most / 2 - 65536, most);
    most = 2 * most < TF_TROUBLE_WAIT_NS_MAX ? 2 * most : TF_TROUBLE_WAIT_NS_MAX;
  }
  assert_int_equal(most, TF_TROUBLE_WAIT_NS_MAX);
  tf_trouble_over(&t);
  say(&t, now_ns, "again");
  assert_in_range(t.retry_ns - now_ns, TF_TROUBLE_WAIT_NS_MIN / 2 - 65536, TF_TROUBLE_WAIT_NS_MIN);
}

static void what_a_broker_said_cannot_forge_a_line_of_the_log(void **state) {
  (void)state;
  tf_trouble_t t;
  tf_trouble_init(&t, "feed", "wall", "nats", E_SOURCE_IO, 0);
  say(&t, 1, "%s", "bad\nevent=\"x\"\x1b");
  assert_non_null(strstr(tf_error_text(), "feed wall: bad?event='x'?"));
  assert_int_equal(tf_error_code(), E_SOURCE_IO);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(each_trouble_waits_longer_up_to_a_bound_until_it_is_over),
      cmocka_unit_test(what_a_broker_said_cannot_forge_a_line_of_the_log),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
