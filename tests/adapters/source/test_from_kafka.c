/* The kafka intake against librdkafka's mock cluster: whatever the brokers do, what the partition holds comes once and in
 * order, at the positions that it stands at. */
#include "cmocka_tf.h"

#include <inttypes.h>
#include <stdlib.h>
#include <time.h>

#include "../broker/kafka_cluster.h"
#include "core/clock.h"
#include "core/error.h"
#include "source/intake.h"

extern const tf_intake_t tf_intake_kafka;

#define WAIT_NS     (100 * TF_NS_PER_SEC) /* for what must come */
#define INBOX_BYTES 65536u

static cluster_t          cluster;
static rd_kafka_t        *producer;
static tf_intake_config_t config;
static tf_inbox_t        *inbox;
static void              *intake;
static uint64_t written, read_cnt; /* numbers that were put into the partition, and came */

static void nap(void) { nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL); }

#define AWAIT(condition)                                                                           \
  do {                                                                                             \
    for (uint64_t until_ = tf_clock_monotonic_ns() + WAIT_NS; !(condition); nap())                 \
      if (tf_clock_monotonic_ns() > until_) fail_msg("%s: not in time", #condition);               \
  } while (0)

static tf_intake_counts_t counts(void) {
  tf_intake_counts_t c;
  tf_intake_kafka.counts(intake, &c);
  return c;
}

static void intake_start(void) {
  intake = aligned_alloc(128, tf_align_up(tf_intake_kafka.state_bytes(&config), 128));
  assert_int_equal(tf_intake_kafka.open(intake, &config, inbox), TF_OK);
}

static void intake_stop(void) {
  tf_intake_kafka.close(intake);
  free(intake);
}

/* {"n":N}; id: as a sink of ours would number it, 0: not at all. */
static void produce_one(int32_t partition, uint64_t n, uint64_t id, const char *type) {
  char                value[32], seq[24];
  int                 cnt = snprintf(value, sizeof value, "{\"n\":%llu}", (unsigned long long)n);
  int                 seq_cnt = snprintf(seq, sizeof seq, "%llu", (unsigned long long)id);
  const rd_kafka_vu_t parts[] = {
      {RD_KAFKA_VTYPE_TOPIC,     .u.cstr = CLUSTER_TOPIC                                     },
      {RD_KAFKA_VTYPE_PARTITION, .u.i32 = partition                                          },
      {RD_KAFKA_VTYPE_MSGFLAGS,  .u.i = RD_KAFKA_MSG_F_COPY                                  },
      {RD_KAFKA_VTYPE_VALUE,     .u.mem = {value, (size_t)cnt}                               },
      {RD_KAFKA_VTYPE_HEADER,    .u.header = {"content-type", type, (ssize_t)strlen(type)}   },
      {RD_KAFKA_VTYPE_HEADER,    .u.header = {id ? "tf-seq" : "other", seq, (ssize_t)seq_cnt}},
  };
  rd_kafka_error_t *refused = rd_kafka_produceva(producer, parts, TF_ARRAY_CNT(parts));
  assert_null(refused);
}

/* A record; whose it is stands at the end of the header. */
static void produce_record(const char *subject) {
  static const char   record[64];
  const rd_kafka_vu_t parts[] = {
      {RD_KAFKA_VTYPE_TOPIC,     .u.cstr = CLUSTER_TOPIC                                      },
      {RD_KAFKA_VTYPE_PARTITION, .u.i32 = 0                                                   },
      {RD_KAFKA_VTYPE_VALUE,     .u.mem = {(void *)(uintptr_t)record, sizeof record}          },
      {RD_KAFKA_VTYPE_HEADER,    .u.header = {"tf-subject", subject, (ssize_t)strlen(subject)}},
      {RD_KAFKA_VTYPE_HEADER,    .u.header = {"content-type", "application/octet-stream", 24} },
  };
  rd_kafka_error_t *refused = rd_kafka_produceva(producer, parts, TF_ARRAY_CNT(parts));
  assert_null(refused);
  assert_int_equal(rd_kafka_flush(producer, (int)(WAIT_NS / TF_NS_PER_MS)), 0);
}

static void produce(uint64_t cnt) {
  for (uint64_t i = 0; i < cnt; i++) produce_one(0, ++written, 0, "application/x-ndjson");
  assert_int_equal(rd_kafka_flush(producer, (int)(WAIT_NS / TF_NS_PER_MS)), 0);
}

static uint64_t number_of(const tf_inbox_message_t *m) {
  uint64_t n = 0;
  assert_int_equal(m->kind, TF_FRAME_TEXT);
  assert_string_equal(m->target, CLUSTER_TOPIC);
  assert_int_equal(sscanf(m->bytes, "{\"n\":%" SCNu64 "}", &n), 1);
  return n;
}

/* The next number, which stands at that position. */
static void expect_at(uint64_t n, uint64_t position) {
  tf_inbox_message_t m;
  AWAIT(tf_inbox_peek(inbox, &m));
  assert_int_equal(number_of(&m), n);
  assert_int_equal(m.position, position);
  tf_inbox_drop(inbox);
  read_cnt++;
}

static void expect(uint64_t from, uint64_t to) {
  for (uint64_t n = from; n <= to; n++) expect_at(n, n);
}

static int setup(void **state) {
  (void)state;
  char             why[256];
  rd_kafka_conf_t *conf = rd_kafka_conf_new();
  cluster_open(&cluster, 0);
  rd_kafka_conf_set_log_cb(conf, NULL);
  rd_kafka_conf_set(conf, "bootstrap.servers", rd_kafka_mock_cluster_bootstraps(cluster.mock), NULL,
                    0);
  rd_kafka_conf_set(conf, "linger.ms", "1", NULL, 0);
  producer = rd_kafka_new(RD_KAFKA_PRODUCER, conf, why, sizeof why);
  assert_non_null(producer);
  inbox =
      tf_inbox_init(aligned_alloc(128, tf_align_up(tf_inbox_bytes(INBOX_BYTES), 128)), INBOX_BYTES);
  config   = (tf_intake_config_t){.name              = "wall",
                                  .url               = cluster.url,
                                  .stream            = CLUSTER_TOPIC,
                                  .start             = TF_INTAKE_ALL,
                                  .message_bytes_max = 4096};
  written  = 0;
  read_cnt = 0;
  return 0;
}

static int teardown(void **state) {
  (void)state;
  rd_kafka_destroy(producer);
  cluster_close(&cluster);
  free(inbox);
  return 0;
}

static void all_is_from_the_first_message_and_goes_on_with_what_comes(void **state) {
  (void)state;
  produce(300);
  intake_start();
  expect(1, 300);
  produce(50);
  expect(301, 350);
  AWAIT(counts().is_up && counts().lag == 0);
  assert_int_equal(counts().position, 350);
  assert_int_equal(counts().messages, 350);
  assert_int_equal(counts().gaps + counts().doubles + counts().errors, 0);
  intake_stop();
}

static void new_is_what_comes_from_the_connection_on(void **state) {
  (void)state;
  produce(20);
  config.start = TF_INTAKE_NEW;
  intake_start();
  AWAIT(counts().is_up);
  assert_int_equal(counts().position, 20);
  produce(5);
  expect(21, 25);
  intake_stop();
}

static void behind_a_position_is_the_next_message(void **state) {
  (void)state;
  produce(40);
  config.start          = TF_INTAKE_BEHIND;
  config.start_position = 33;
  intake_start();
  expect(34, 40);
  intake_stop();
}

static void a_partition_is_the_configs_word(void **state) {
  (void)state;
  for (uint64_t n = 1; n <= 20; n++) produce_one((int32_t)(n % 4), n, 0, "application/x-ndjson");
  assert_int_equal(rd_kafka_flush(producer, 60000), 0);
  config.partition_cnt = 4;
  config.partition     = 3;
  intake_start();
  for (uint64_t i = 0; i < 5; i++) expect_at(4 * i + 3, i + 1);
  intake_stop();
}

static void an_outage_of_all_brokers_costs_nothing(void **state) {
  (void)state;
  intake_start();
  for (int time = 0; time < 3; time++) {
    produce(100);
    expect(written - 99, written);
    cluster_all(&cluster, false);
    AWAIT(!counts().is_up);
    cluster_all(&cluster, true);
    AWAIT(counts().is_up);
  }
  produce(100);
  expect(written - 99, written);
  assert_int_equal(counts().gaps + counts().doubles, 0);
  assert_int_equal(counts().disconnects, 3);
  intake_stop();
}

static void a_leader_that_moves_is_followed(void **state) {
  (void)state;
  intake_start();
  for (int32_t broker = 1; broker <= CLUSTER_BROKERS; broker++) {
    cluster_leader(&cluster, 0, broker);
    produce(100);
    expect(written - 99, written);
  }
  assert_int_equal(counts().gaps + counts().doubles, 0);
  intake_stop();
}

static void fetches_that_fail_are_tried_again(void **state) {
  (void)state;
  intake_start();
  produce(10);
  expect(1, 10);
  for (int i = 0; i < 3; i++)
    rd_kafka_mock_push_request_errors(cluster.mock, API_FETCH, 3,
                                      RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION,
                                      RD_KAFKA_RESP_ERR__TRANSPORT, RD_KAFKA_RESP_ERR_UNKNOWN);
  produce(100);
  expect(11, 110);
  assert_int_equal(counts().gaps + counts().doubles, 0);
  intake_stop();
}

static void what_a_sink_of_ours_wrote_twice_comes_once(void **state) {
  (void)state;
  static const uint64_t ids[]       = {1, 2, 3, 2, 3, 4, 5, 5, 9, 8, 10};
  static const uint64_t positions[] = {1, 2, 3, 6, 7, 9, 11}, want[] = {1, 2, 3, 4, 5, 9, 10};
  for (size_t i = 0; i < TF_ARRAY_CNT(ids); i++)
    produce_one(0, ids[i], ids[i], "application/x-ndjson");
  assert_int_equal(rd_kafka_flush(producer, 60000), 0);
  intake_start();
  for (size_t i = 0; i < TF_ARRAY_CNT(want); i++) expect_at(want[i], positions[i]);
  assert_int_equal(counts().doubles, 4);
  intake_stop();
  /* A start in the middle of it: the message before the position says the newest id. */
  config.start          = TF_INTAKE_BEHIND;
  config.start_position = 3;
  intake_start();
  for (size_t i = 3; i < TF_ARRAY_CNT(want); i++) expect_at(want[i], positions[i]);
  assert_int_equal(counts().doubles, 4);
  intake_stop();
}

static void a_full_inbox_stops_the_reading_and_loses_nothing(void **state) {
  (void)state;
  produce(5000);
  intake_start();
  AWAIT(counts().busy > 0);
  assert_true(counts().messages < 5000);
  expect(1, 5000);
  intake_stop();
}

static void a_partition_that_ends_before_the_position_was_set_back(void **state) {
  (void)state;
  produce(30);
  config.start          = TF_INTAKE_BEHIND;
  config.start_position = 1000;
  intake_start();
  expect(1, 30);
  assert_true(counts().errors > 0);
  assert_int_equal(counts().position, 30);
  intake_stop();
}

static void what_the_feed_cannot_read_is_refused_and_counted(void **state) {
  (void)state;
  produce_one(0, 1, 0, "application/cbor-seq");
  produce_one(0, 2, 0, "application/x-ndjson");
  assert_int_equal(rd_kafka_flush(producer, 60000), 0);
  config.message_bytes_max = 7; /* {"n":2} */
  intake_start();
  expect_at(2, 2);
  produce_one(0, 10, 0, "application/x-ndjson"); /* one byte more */
  produce_one(0, 3, 0, "application/x-ndjson");
  assert_int_equal(rd_kafka_flush(producer, 60000), 0);
  expect_at(3, 4);
  assert_int_equal(counts().refused, 2);
  intake_stop();
}

static void a_header_says_whose_records_they_are_however_long_it_is(void **state) {
  (void)state;
  static char long_one[400];
  memset(long_one, 't', sizeof long_one - 1);
  memcpy(long_one + 380, ".KRAKEN.BTC-USD", 16);
  const char *const subjects[] = {"events.events.KRAKEN.BTC-USD", long_one};
  for (size_t i = 0; i < TF_ARRAY_CNT(subjects); i++) produce_record(subjects[i]);
  intake_start();
  for (size_t i = 0; i < TF_ARRAY_CNT(subjects); i++) {
    tf_inbox_message_t m;
    AWAIT(tf_inbox_peek(inbox, &m));
    assert_int_equal(m.kind, TF_FRAME_BINARY);
    assert_string_equal(m.target + strlen(m.target) - 15, ".KRAKEN.BTC-USD");
    tf_inbox_drop(inbox);
  }
  assert_int_equal(counts().refused, 0);
  intake_stop();
}

static void brokers_that_are_not_there_are_waited_for(void **state) {
  (void)state;
  cluster_all(&cluster, false);
  intake_start();
  AWAIT(counts().errors > 0);
  assert_int_equal(counts().is_up, 0);
  cluster_all(&cluster, true);
  produce(10);
  expect(1, 10);
  intake_stop();
}

static void wrong_configs_are_refused_before_the_start(void **state) {
  (void)state;
  static const struct {
    const char *url, *stream, *want;
    uint32_t    partition_cnt, partition;
    tf_err_t    code;
  } cases[] = {
      {NULL,            "events", "no broker",             0, 0, E_SOURCE_CONFIG},
      {"kafka://a:1",   NULL,     "no stream",             0, 0, E_SOURCE_CONFIG},
      {"kafka://a:1",   "a b",    "a topic has",           0, 0, E_SOURCE_CONFIG},
      {"kafka://a",     "events", "kafka://HOST:PORT",     0, 0, E_BROKER_CONFIG},
      {"kafka://a:1/2", "events", "ends with partition 2", 4, 3, E_SOURCE_CONFIG},
  };
  for (size_t i = 0; i < TF_ARRAY_CNT(cases); i++) {
    tf_intake_config_t wrong = {.name          = "wall",
                                .url           = cases[i].url,
                                .stream        = cases[i].stream,
                                .partition_cnt = cases[i].partition_cnt,
                                .partition     = cases[i].partition};
    void *memory = aligned_alloc(128, tf_align_up(tf_intake_kafka.state_bytes(&wrong), 128));
    assert_int_equal(tf_intake_kafka.open(memory, &wrong, inbox), cases[i].code);
    if (!strstr(tf_error_text(), cases[i].want)) fail_msg("%s", tf_error_text());
    free(memory);
  }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {
      TEST(all_is_from_the_first_message_and_goes_on_with_what_comes),
      TEST(new_is_what_comes_from_the_connection_on),
      TEST(behind_a_position_is_the_next_message),
      TEST(a_partition_is_the_configs_word),
      TEST(an_outage_of_all_brokers_costs_nothing),
      TEST(a_leader_that_moves_is_followed),
      TEST(fetches_that_fail_are_tried_again),
      TEST(what_a_sink_of_ours_wrote_twice_comes_once),
      TEST(a_full_inbox_stops_the_reading_and_loses_nothing),
      TEST(a_partition_that_ends_before_the_position_was_set_back),
      TEST(what_the_feed_cannot_read_is_refused_and_counted),
      TEST(a_header_says_whose_records_they_are_however_long_it_is),
      TEST(brokers_that_are_not_there_are_waited_for),
      TEST(wrong_configs_are_refused_before_the_start),
  };
  tf_clock_calibrate();
  if (argc > 1) cmocka_set_test_filter(argv[1]);
  return cmocka_run_group_tests(tests, NULL, NULL);
}
