#include "cmocka_tf.h"

#include <string.h>

#include "broker/nats_reply.h"
#include "tf/io.h"

static void a_delivery_says_its_place_in_both_forms(void **state) {
  (void)state;
  static const struct {
    const char        *subject;
    tf_nats_delivery_t want;
  } good[] = {
      {"$JS.ACK.D.C.1.5.4.1795343658463972753.7",       {5, 4, 7}             },
      {"$JS.ACK.hub.A.D.C.1.5.4.1795343658463972753.7", {5, 4, 7}             },
      {"$JS.ACK._.A.D.C.1.5.4.1795343658463972753.7.x", {5, 4, 7}             },
      {"$JS.ACK.D.C.1.1.1.1.0",                         {1, 1, 0}             },
      {"$JS.ACK.D.C.1.18446744073709551614.1.1.0",      {UINT64_MAX - 1, 1, 0}},
      {"$JS.ACK.D.C.1.1.18446744073709551614.1.0",      {1, UINT64_MAX - 1, 0}},
      {"$JS.ACK.D.C.1.1.1.1.18446744073709551614",      {1, 1, UINT64_MAX - 1}},
  };
  for (size_t i = 0; i < TF_ARRAY_CNT(good); i++) {
    tf_nats_delivery_t d;
    if (!tf_nats_delivery_read(good[i].subject, &d)) fail_msg("%s", good[i].subject);
    assert_memory_equal(&d, &good[i].want, sizeof d);
  }
}

static void what_is_no_delivery_is_refused(void **state) {
  (void)state;
  static const char *const bad[] = {"",
                                    "x",
                                    "$JS.ACK",
                                    "$JS.ACK.",
                                    "$JS.AC.D.C.1.5.4.1.7",
                                    "$JS.ACK.D.C.1.5.4.1",
                                    "$JS.ACK.D.C.1.5.4.1.7.8",
                                    "$JS.ACK.a.b.c.d.e.D.C.1.5.4.1.7",
                                    "$JS.ACK.D.C.1.0.4.1.7",
                                    "$JS.ACK.D.C.1.5.0.1.7",
                                    "$JS.ACK.D.C.1.-5.4.1.7",
                                    "$JS.ACK.D.C.1.5x.4.1.7",
                                    "$JS.ACK.D.C.1..4.1.7",
                                    "$JS.ACK.D.C.1.5.4.1.",
                                    "$JS.ACK.D.C.1.18446744073709551615.4.1.7",
                                    "$JS.ACK.D.C.1.18446744073709551616.4.1.7",
                                    "$JS.ACK.D.C.1.5.18446744073709551615.1.7",
                                    "$JS.ACK.D.C.1.5.4.1.18446744073709551615",
                                    "$JS.ACK.D.C.1.99999999999999999999999.4.1.7"};
  for (size_t i = 0; i < TF_ARRAY_CNT(bad); i++) {
    tf_nats_delivery_t d;
    if (tf_nats_delivery_read(bad[i], &d)) fail_msg("%s was taken", bad[i]);
  }
}

static tf_err_t read_consumer(const char *text, tf_nats_reply_t *reply) {
  static char bytes[1024];
  memset(bytes, 0, sizeof bytes);
  memcpy(bytes, text, strlen(text));
  return tf_nats_reply_read(TF_NATS_CONSUMER, bytes, strlen(text), reply);
}

static void a_consumers_name_becomes_part_of_a_subject_only_if_it_is_one_token(void **state) {
  (void)state;
  static const char *const bad[] = {
      "",
      "a.b",
      "*",
      ">",
      "a b",
      "a\\u0020b",
      "0123456789012345678901234567890123456789012345678901234567890123"};
  char            text[256];
  tf_nats_reply_t reply;
  for (size_t i = 0; i < TF_ARRAY_CNT(bad); i++) {
    snprintf(text, sizeof text,
             "{\"name\":\"%s\",\"delivered\":{\"consumer_seq\":1,\"stream_seq\":2},"
             "\"num_pending\":3,\"num_waiting\":4}",
             bad[i]);
    if (read_consumer(text, &reply) != E_BROKER_IO) fail_msg("\"%s\" was taken", bad[i]);
  }
  assert_int_equal(
      read_consumer("{\"name\":\"Ab1\",\"delivered\":{\"consumer_seq\":1,\"stream_seq\":2},"
                    "\"num_pending\":3,\"num_waiting\":4}",
                    &reply),
      TF_OK);
  assert_string_equal(reply.consumer, "Ab1");
  assert_int_equal(reply.consumer_seq, 1);
  assert_int_equal(reply.seq, 2);
  assert_int_equal(reply.pending, 3);
  assert_int_equal(reply.waiting, 4);
}

static void only_the_usual_acknowledgement_is_told_at_a_glance(void **state) {
  (void)state;
  static const char *const usual[]  = {"{\"stream\":\"D\",\"seq\":1}",
                                       "{\"stream\":\"D\", \"seq\":1042}",
                                       "{\"stream\":\"D\",\"seq\":18446744073709551615}"};
  static const char *const others[] = {"",
                                       "{}",
                                       "{\"stream\":\"D\",\"seq\":}",
                                       "{\"stream\":\"D\",\"seq\":0}",
                                       "{\"stream\":\"D\",\"seq\":01}",
                                       "{\"stream\":\"D\",\"seq\":-1}",
                                       "{\"stream\":\"D\",\"seq\":1",
                                       "{\"stream\":\"D\",\"seq\":1}}",
                                       "{\"stream\":\"D\",\"seq\":1.5}",
                                       "{\"stream\":\"D\",\"seq\":18446744073709551616}",
                                       "{\"stream\":\"E\",\"seq\":1}",
                                       "{\"stream\":\"DD\",\"seq\":1}",
                                       "{\"stream\":\"D\",\"seq\":1,\"duplicate\":true}",
                                       "{\"stream\":\"D\",\"seq\":1,\"duplicate\": true}",
                                       "{\"stream\":\"D\",\"domain\":\"hub\",\"seq\":1}",
                                       "{\"error\":{\"code\":400},\"stream\":\"D\",\"seq\":1}"};
  for (size_t i = 0; i < TF_ARRAY_CNT(usual); i++)
    assert_true(tf_nats_reply_is_ack(usual[i], strlen(usual[i]), "D"));
  for (size_t i = 0; i < TF_ARRAY_CNT(others); i++)
    if (tf_nats_reply_is_ack(others[i], strlen(others[i]), "D"))
      fail_msg("%s was taken", others[i]);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_delivery_says_its_place_in_both_forms),
      cmocka_unit_test(what_is_no_delivery_is_refused),
      cmocka_unit_test(a_consumers_name_becomes_part_of_a_subject_only_if_it_is_one_token),
      cmocka_unit_test(only_the_usual_acknowledgement_is_told_at_a_glance),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
