#include "cmocka_tf.h"

#include <string.h>

#include "tf/sink.h"

extern const tf_sink_t tf_sink_null;

static void the_null_sink_takes_everything(void **state) {
  (void)state;
  tf_sink_config_t config = {.type = "null", .shape = tf_record_shape(TF_CARRIES_DECISIONS, 0)};
  uint64_t         memory[8];
  tf_decision_t    decisions[3] = {{.decision_seq = 1}, {.decision_seq = 2}, {.decision_seq = 3}};
  assert_true(tf_sink_null.state_bytes(&config) <= sizeof memory);
  assert_int_equal(tf_sink_null.open(memory, &config), TF_OK);
  assert_int_equal(tf_sink_null.offer(memory, decisions, 0), 0);
  assert_int_equal(tf_sink_null.offer(memory, decisions, 3), 3);
  assert_int_equal(tf_sink_null.flush(memory, 0), TF_OK);
  assert_int_equal(tf_sink_null.close(memory), TF_OK);
  assert_string_equal(tf_sink_null.name, "null");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(the_null_sink_takes_everything),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
