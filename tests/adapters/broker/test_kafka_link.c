#include "broker/kafka_link.h"
#include "cmocka_tf.h"

static void addresses_are_read_whole_or_refused(void **state) {
  (void)state;
  static const char *const bad[] = {"",
                                    "kafka:",
                                    "kafka://",
                                    "kafka:///1",
                                    "kafka://host",
                                    "kafka://host:",
                                    "kafka://host:0",
                                    "kafka://host:65536",
                                    "kafka://host:1x",
                                    "kafka://:9092",
                                    "kafka://a:1,",
                                    "kafka://,a:1",
                                    "kafka://a:1,,b:2",
                                    "kafka://a:1/x",
                                    "kafka://a:1/1x",
                                    "kafka://a:1/-1",
                                    "kafka://a:1/65536",
                                    "kafka://u@a:1",
                                    "kafka://a b:1",
                                    "nats://a:1",
                                    "KAFKA://a:1"};
  tf_kafka_address_t       a;
  for (size_t i = 0; i < TF_ARRAY_CNT(bad); i++)
    if (tf_kafka_address_parse(bad[i], &a) != E_BROKER_CONFIG) fail_msg("\"%s\" was taken", bad[i]);
  assert_int_equal(tf_kafka_address_parse("kafka://a:1,b.c:65535/65535", &a), TF_OK);
  assert_string_equal(a.brokers, "a:1,b.c:65535");
  assert_int_equal(a.partition, 65535);
  assert_false(a.is_tls);
  assert_int_equal(tf_kafka_address_parse("kafkas://[::1]:9/", &a), TF_OK);
  assert_string_equal(a.brokers, "[::1]:9");
  assert_int_equal(a.partition, 0);
  assert_true(a.is_tls);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(addresses_are_read_whole_or_refused),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
