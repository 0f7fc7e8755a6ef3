/* The kafka sink against librdkafka's mock cluster, and its partition read back by our reader: whatever
 * the brokers do and however often the sink starts again, each decision stands there, and the reader gives
 * each once and in order. */
#include "cmocka_tf.h"

#include <time.h>

#include "../broker/kafka_cluster.h"
#include "broker/kafka_link.h"
#include "broker/kafka_reader.h"
#include "core/clock.h"
#include "core/error.h"
#include "sink/egress.h"

extern const tf_sink_t tf_sink_kafka;

#define WAIT_NS (100 * TF_NS_PER_SEC) /* for what must come */

static cluster_t          cluster;
static tf_sink_config_t   config;
static tf_broker_config_t reach; /* of the same partition, for the reader */
static void              *sink;
static uint64_t           offered;

static void nap(void) { nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL); }

static void sink_start(void) {
  sink = aligned_alloc(128, tf_align_up(tf_sink_kafka.state_bytes(&config), 128));
  assert_int_equal(tf_sink_kafka.open(sink, &config), TF_OK);
}

static void sink_stop(void) {
  assert_int_equal(tf_sink_kafka.close(sink), TF_OK);
  free(sink);
}

static void setup_on(int32_t partition) {
  cluster_open(&cluster, partition);
  reach   = (tf_broker_config_t){.url = cluster.url, .stream = CLUSTER_TOPIC};
  config  = (tf_sink_config_t){.type         = "kafka",
                               .name         = "kafka",
                               .shape        = tf_record_shape(TF_CARRIES_DECISIONS, 0),
                               .policy       = TF_OVERFLOW_BLOCK,
                               .slot_cnt     = 1024,
                               .epoch        = 1,
                               .url          = cluster.url,
                               .stream       = CLUSTER_TOPIC,
                               .linger_ns    = TF_NS_PER_MS,
                               .drain_ns_max = WAIT_NS};
  offered = 0;
}

static int setup(void **state) {
  (void)state;
  setup_on(0);
  return 0;
}

static int teardown(void **state) {
  (void)state;
  cluster_close(&cluster);
  return 0;
}

static tf_decision_t decision(uint64_t seq) {
  return (tf_decision_t){.decision_seq  = seq,
                         .ingest_seq    = seq * 3,
                         .ref_price     = (int64_t)(seq * 77777),
                         .instrument_id = (uint32_t)(seq % 5),
                         .version       = TF_DECISION_VERSION};
}

static void offer(uint64_t cnt) {
  for (uint64_t last = offered + cnt; offered < last;) {
    tf_decision_t d = decision(offered + 1);
    int           n = tf_sink_kafka.offer(sink, &d, 1);
    assert_true(n >= 0);
    offered += (uint64_t)n;
    if (n == 0) nap();
  }
}

static tf_sink_counts_t counts(void) {
  tf_sink_counts_t c;
  tf_sink_kafka.counts(sink, &c);
  return c;
}

#define AWAIT(condition)                                                                           \
  for (uint64_t until = tf_clock_monotonic_ns() + WAIT_NS; !(condition); nap())                    \
  assert_true(tf_clock_monotonic_ns() < until)

/* The ledger of this start, at rest. */
static void await_acked(uint64_t cnt) {
  AWAIT(counts().acked >= cnt && counts().pending == 0);
  assert_int_equal(counts().acked, cnt);
  assert_int_equal(counts().dropped_full + counts().dropped_broken + counts().dropped_closed, 0);
}

/* What stands in the partition, read by ours: 1 to last, each once; returns how many stood there twice. */
static uint64_t read_back(uint64_t last) {
  tf_kafka_reader_t reader;
  uint64_t          next = 1;
  assert_int_equal(tf_kafka_reader_open(&reader, &reach, true, 1), TF_OK);
  for (uint64_t until = tf_clock_monotonic_ns() + WAIT_NS; next <= last;) {
    assert_true(tf_clock_monotonic_ns() < until);
    tf_kafka_result_t result = tf_kafka_reader_next(&reader, 10 * TF_NS_PER_MS);
    assert_int_not_equal(result, TF_KAFKA_LOST);
    if (result != TF_KAFKA_RECORD) continue;
    tf_decision_t want = decision(next++);
    assert_int_equal(reader.seq, want.decision_seq);
    assert_int_equal(reader.value_bytes, sizeof want);
    assert_memory_equal(reader.value, &want, sizeof want);
  }
  while (tf_kafka_reader_next(&reader, 50 * TF_NS_PER_MS) == TF_KAFKA_RECORD)
    fail_msg("%llu behind the last", (unsigned long long)reader.seq);
  assert_int_equal(reader.foreign_cnt, 0);
  assert_int_equal(reader.lost_cnt, 0);
  uint64_t doubles = reader.double_cnt;
  tf_kafka_reader_close(&reader);
  return doubles;
}

/* ---- one start ---- */

static void decisions_arrive_in_order_with_their_ids(void **state) {
  (void)state;
  sink_start();
  offer(3000);
  await_acked(3000);
  assert_int_equal(counts().connects, 1);
  assert_int_equal(counts().last_seq, 3000);
  assert_int_equal(tf_sink_kafka.durable_seq(sink), 3000);
  assert_int_equal(counts().bytes, 3000 * 128);
  sink_stop();
  assert_int_equal(read_back(3000), 0);
}

static void a_partition_is_chosen_by_the_url(void **state) {
  (void)state;
  cluster_close(&cluster);
  setup_on(3);
  sink_start();
  offer(10);
  await_acked(10);
  sink_stop();
  assert_int_equal(read_back(10), 0);
}

static void brokers_that_are_not_there_yet_are_waited_for(void **state) {
  (void)state;
  cluster_all(&cluster, false);
  sink_start();
  offer(500);
  AWAIT(counts().errors > 0);
  assert_int_equal(counts().acked, 0);
  assert_int_equal(counts().pending, 500);
  cluster_all(&cluster, true);
  await_acked(500);
  sink_stop();
  assert_int_equal(read_back(500), 0);
}

static void an_outage_of_all_brokers_loses_and_doubles_nothing(void **state) {
  (void)state;
  sink_start();
  offer(200);
  for (int outage = 0; outage < 3; outage++) {
    uint64_t errors = counts().errors;
    cluster_all(&cluster, false);
    offer(300);
    AWAIT(counts().errors > errors);
    cluster_all(&cluster, true);
    offer(300);
    await_acked(offered);
  }
  sink_stop();
  assert_int_equal(read_back(offered), 0);
}

static void a_leader_that_moves_is_followed(void **state) {
  (void)state;
  sink_start();
  for (int32_t move = 0; move < 12; move++) {
    cluster_leader(&cluster, 0, 1 + move % CLUSTER_BROKERS);
    offer(150);
    if (move % 3 == 2) await_acked(offered);
  }
  await_acked(offered);
  sink_stop();
  assert_int_equal(read_back(offered), 0);
}

static void errors_that_pass_are_tried_again(void **state) {
  (void)state;
  static const rd_kafka_resp_err_t errors[] = {
      RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION, RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT,
      RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS, RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS_AFTER_APPEND,
      RD_KAFKA_RESP_ERR__TRANSPORT /* the connection is cut instead of an answer */};
  sink_start();
  for (size_t i = 0; i < TF_ARRAY_CNT(errors); i++) {
    rd_kafka_resp_err_t row[4] = {errors[i], RD_KAFKA_RESP_ERR_NO_ERROR, errors[i], errors[i]};
    rd_kafka_mock_push_request_errors_array(cluster.mock, API_PRODUCE, 4, row);
    for (int batch = 0; batch < 6; batch++) {
      offer(50);
      nap();
    }
    await_acked(offered);
  }
  sink_stop();
  read_back(offered);
}

/* The broker has written the batch, and its answer is lost with the connection: it is sent again. (The mock
 * cluster has no memory of a producer's sequences, so the batch stands there twice: the reader's case.) */
static void an_acknowledgement_that_is_lost_doubles_nothing_for_the_reader(void **state) {
  (void)state;
  sink_start();
  offer(100);
  await_acked(100);
  for (int time = 0; time < 2; time++) {
    tf_kafka_reader_t reader;
    for (int32_t broker = 1; broker <= CLUSTER_BROKERS; broker++)
      rd_kafka_mock_broker_push_request_error_rtts(cluster.mock, broker, API_PRODUCE, 1,
                                                   RD_KAFKA_RESP_ERR_NO_ERROR, 60000);
    offer(50);
    assert_int_equal(tf_kafka_reader_open(&reader, &reach, true, offered), TF_OK);
    AWAIT(tf_kafka_reader_next(&reader, 10 * TF_NS_PER_MS) == TF_KAFKA_RECORD);
    tf_kafka_reader_close(&reader);
    assert_int_equal(counts().acked, offered - 50);
    cluster_all(&cluster, false);
    for (int32_t broker = 1; broker <= CLUSTER_BROKERS; broker++)
      rd_kafka_mock_clear_request_errors(cluster.mock, API_PRODUCE);
    cluster_all(&cluster, true);
    await_acked(offered);
  }
  sink_stop();
  assert_true(read_back(offered) >= 2 * 50);
}

/* ---- the end of an instance ---- */

/* What the broker refuses for good ends the producer; the tail says where the next one goes on. */
static void a_fatal_error_is_another_instance_behind_the_tail(void **state) {
  (void)state;
  static const rd_kafka_resp_err_t fatal[] = {RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER,
                                              RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH,
                                              RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED};
  config.batch_max =
      50; /* behind the batch that is refused wait others, which must not be written */
  sink_start();
  offer(400);
  await_acked(400);
  for (size_t i = 0; i < TF_ARRAY_CNT(fatal); i++) {
    uint64_t connects = counts().connects;
    rd_kafka_mock_push_request_errors_array(cluster.mock, API_PRODUCE, 1, &fatal[i]);
    offer(400);
    await_acked(offered);
    if (i == 2) AWAIT(counts().connects > connects);
  }
  assert_true(counts().disconnects >= 1);
  assert_true(counts().resent > 0);
  sink_stop();
  read_back(offered);
}

static void a_start_goes_on_behind_what_the_partition_holds(void **state) {
  (void)state;
  for (int start = 0; start < 4; start++) {
    config.epoch++;
    sink_start();
    assert_int_equal(tf_sink_kafka.last_seq(sink), offered);
    offer(120);
    await_acked(120);
    sink_stop();
  }
  assert_int_equal(read_back(offered), 0);
}

/* The engine dies with records on the way: nobody knows which of them arrived. A live engine goes on behind
 * the tail that the sink reads; what was lost with the engine is sent by it anew. */
static void a_sink_that_ends_without_its_answers_is_continued_from_the_tail(void **state) {
  (void)state;
  for (int start = 0; start < 6; start++) {
    config.epoch++;
    config.drain_ns_max = start == 5 ? WAIT_NS : 0;
    sink_start();
    uint64_t tail = tf_sink_kafka.last_seq(sink);
    assert_true(tail <= offered);
    offered = tail; /* the engine decides these again, as its journal has them */
    offer(700);
    if (start % 2) AWAIT(counts().acked > 0);
    if (start == 5) await_acked(700);
    sink_stop();
  }
  read_back(offered);
}

static void another_engines_records_end_the_sink(void **state) {
  (void)state;
  sink_start();
  offer(50);
  await_acked(50);
  sink_stop();
  sink_start();
  assert_int_equal(tf_sink_kafka.last_seq(sink), 50);
  tf_decision_t d = decision(50);
  assert_int_equal(tf_sink_kafka.offer(sink, &d, 1), 1);
  AWAIT(tf_sink_kafka.offer(sink, &d, 0) < 0);
  assert_int_equal(tf_error_code(), E_SINK_FENCED);
  sink_stop();
  assert_int_equal(read_back(50), 0);
}

/* ---- what is not ours ---- */

static void produce(const char *key, const char *seq, const void *value, size_t cnt) {
  rd_kafka_conf_t  *conf = tf_kafka_conf(&reach);
  tf_kafka_handle_t h;
  assert_true(tf_kafka_start(&h, RD_KAFKA_PRODUCER, conf, CLUSTER_TOPIC));
  rd_kafka_resp_err_t err =
      seq ? rd_kafka_producev(h.rk, RD_KAFKA_V_RKT(h.topic), RD_KAFKA_V_PARTITION(0),
                              RD_KAFKA_V_KEY(key, strlen(key)),
                              RD_KAFKA_V_VALUE((void *)(uintptr_t)value, cnt),
                              RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
                              RD_KAFKA_V_HEADER("tf-seq", seq, -1), RD_KAFKA_V_END)
          : rd_kafka_producev(h.rk, RD_KAFKA_V_RKT(h.topic), RD_KAFKA_V_PARTITION(0),
                              RD_KAFKA_V_VALUE((void *)(uintptr_t)value, cnt),
                              RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_END);
  assert_int_equal(err, 0);
  while (rd_kafka_outq_len(h.rk) > 0) rd_kafka_poll(h.rk, 10);
  tf_kafka_stop(&h);
}

static void a_topic_that_others_write_to_is_refused(void **state) {
  (void)state;
  produce("other-7", "7", "x", 1);
  sink_start();
  AWAIT(counts().errors >= 2);
  assert_int_equal(counts().connects, 0);
  config.drain_ns_max = 0;
  sink_stop();
}

/* Repeats, holes and messages of others are told apart by the reader. */
static void the_reader_drops_doubles_and_tells_holes(void **state) {
  (void)state;
  static const struct {
    const char *seq;
    uint64_t    id;
  } messages[] = {
      {"1",                       1},
      {"2",                       2},
      {NULL,                      0},
      {"2",                       2},
      {"1",                       1},
      {"x",                       0},
      {"",                        0},
      {"99999999999999999999999", 0},
      {"18446744073709551616",    0},
      {"3",                       3},
      {"7",                       7},
      {"5",                       5},
      {"8",                       8}
  };
  for (size_t i = 0; i < TF_ARRAY_CNT(messages); i++)
    produce("decisions-1", messages[i].seq, &messages[i].id, sizeof messages[i].id);
  static const struct {
    tf_kafka_result_t result;
    uint64_t          seq;
  } want[] = {
      {TF_KAFKA_RECORD, 1},
      {TF_KAFKA_RECORD, 2},
      {TF_KAFKA_RECORD, 3},
      {TF_KAFKA_LOST,   3},
      {TF_KAFKA_RECORD, 7},
      {TF_KAFKA_RECORD, 8},
      {TF_KAFKA_END,    8}
  };
  tf_kafka_reader_t reader;
  assert_int_equal(tf_kafka_reader_open(&reader, &reach, true, 0), TF_OK);
  for (size_t i = 0; i < TF_ARRAY_CNT(want); i++) {
    tf_kafka_result_t result;
    for (uint64_t until = tf_clock_monotonic_ns() + WAIT_NS;
         (result = tf_kafka_reader_next(&reader, 10 * TF_NS_PER_MS)) == TF_KAFKA_IDLE;)
      assert_true(tf_clock_monotonic_ns() < until);
    assert_int_equal(result, want[i].result);
    assert_int_equal(reader.seq, want[i].seq);
    if (result == TF_KAFKA_RECORD) assert_memory_equal(reader.value, &want[i].seq, 8);
    if (result != TF_KAFKA_LOST) continue;
    assert_int_equal(reader.lost_from, 4);
    assert_int_equal(reader.lost_to, 6);
  }
  assert_int_equal(reader.double_cnt, 3);
  assert_int_equal(reader.foreign_cnt, 5);
  assert_int_equal(reader.lost_cnt, 3);
  tf_kafka_reader_close(&reader);
}

/* ---- config ---- */

/* The mock keeps 5 MiB. */
static void what_a_partition_dropped_is_told_as_lost_and_as_its_doing(void **state) {
  (void)state;
  tf_kafka_reader_t reader;
  uint64_t          until_ns = tf_clock_monotonic_ns() + WAIT_NS;
  sink_start();
  offer(60000);
  await_acked(60000);
  assert_int_equal(tf_kafka_reader_open(&reader, &reach, true, 1), TF_OK);
  while (reader.seq < 60000 && tf_clock_monotonic_ns() < until_ns)
    (void)tf_kafka_reader_next(&reader, 10 * TF_NS_PER_MS);
  assert_true(reader.removed_cnt > 0);
  assert_int_equal(reader.removed_cnt, reader.lost_cnt);
  assert_int_equal(reader.record_cnt + reader.lost_cnt, 60000);
  tf_kafka_reader_close(&reader);
  sink_stop();
}

static void wrong_configs_are_refused_before_the_start(void **state) {
  (void)state;
  static const struct {
    const char *url, *stream, *user, *want;
    tf_err_t    code;
  } cases[] = {
      {NULL,          "decisions", NULL,  "no url",              E_SINK_CONFIG  },
      {"kafka://a:1", NULL,        NULL,  "no stream",           E_SINK_CONFIG  },
      {"kafka://a:1", "a b",       NULL,  "a topic has letters", E_SINK_CONFIG  },
      {"kafka://a",   "decisions", NULL,  "kafka://HOST:PORT",   E_BROKER_CONFIG},
      {"kafka://a:1", "decisions", "bob", "no password_file",    E_BROKER_CONFIG},
  };
  for (size_t i = 0; i < TF_ARRAY_CNT(cases); i++) {
    tf_sink_config_t wrong = config;
    wrong.url              = cases[i].url;
    wrong.stream           = cases[i].stream;
    wrong.user             = cases[i].user;
    void *memory = aligned_alloc(128, tf_align_up(tf_sink_kafka.state_bytes(&wrong), 128));
    assert_int_equal(tf_sink_kafka.open(memory, &wrong), cases[i].code);
    if (!strstr(tf_error_text(), cases[i].want)) fail_msg("%s", tf_error_text());
    free(memory);
  }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {
      TEST(decisions_arrive_in_order_with_their_ids),
      TEST(a_partition_is_chosen_by_the_url),
      TEST(brokers_that_are_not_there_yet_are_waited_for),
      TEST(an_outage_of_all_brokers_loses_and_doubles_nothing),
      TEST(a_leader_that_moves_is_followed),
      TEST(errors_that_pass_are_tried_again),
      TEST(an_acknowledgement_that_is_lost_doubles_nothing_for_the_reader),
      TEST(a_fatal_error_is_another_instance_behind_the_tail),
      TEST(a_start_goes_on_behind_what_the_partition_holds),
      TEST(a_sink_that_ends_without_its_answers_is_continued_from_the_tail),
      TEST(another_engines_records_end_the_sink),
      TEST(a_topic_that_others_write_to_is_refused),
      TEST(the_reader_drops_doubles_and_tells_holes),
      TEST(what_a_partition_dropped_is_told_as_lost_and_as_its_doing),
      TEST(wrong_configs_are_refused_before_the_start),
  };
  tf_clock_calibrate();
  if (argc > 1) cmocka_set_test_filter(argv[1]);
  return cmocka_run_group_tests(tests, NULL, NULL);
}
