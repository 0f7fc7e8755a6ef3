/* librdkafka's mock cluster as a process, for tests whose engines die. Prints its url, then obeys a line at a
 * time and answers each with one:
 *
 *   down | up            all three brokers
 *   late MS              answers to what is written come so late; 0: at once
 *   leader BROKER        of the partition
 *   sequences            of all records that the partition holds now, by our reader
 *   read LAST            decisions 1 .. LAST of broker_pump by our reader: "records N doubles N lost N removed N wrong N";
 *                        removed: the mock keeps 5 MiB of a partition, and dropped so many before they were read */
#include <stdlib.h>

#include "../broker/kafka_cluster.h"
#include "broker/kafka_reader.h"
#include "core/clock.h"
#include "core/error.h"
#include "tf/decision.h"

#define WAIT_NS  (60 * TF_NS_PER_SEC)
#define LATE_CNT 1000

static cluster_t cluster;
static tf_kafka_reader_t
                reader; /* from the first read on: the mock keeps 5 MiB of a partition only */
static uint64_t wrong;

/* broker_pump's */
static bool is_right(const tf_decision_t *d, uint64_t seq) {
  return d->decision_seq == seq && d->ingest_seq == seq * 3 &&
         d->ref_price == (int64_t)(seq * UINT64_C(0x9e3779b97f4a7c15) >> 20);
}

static void read_back(uint64_t last) {
  tf_broker_config_t config   = {.url = cluster.url, .stream = CLUSTER_TOPIC};
  uint64_t           until_ns = tf_clock_monotonic_ns() + WAIT_NS;
  if (!reader.link_) TF_ASSERT(tf_kafka_reader_open(&reader, &config, true, 1) == TF_OK);
  for (bool is_over = reader.seq >= last; !is_over && tf_clock_monotonic_ns() < until_ns;)
    switch (tf_kafka_reader_next(&reader, 10 * TF_NS_PER_MS)) {
    case TF_KAFKA_RECORD:
      if (reader.value_bytes != sizeof(tf_decision_t) ||
          !is_right((const tf_decision_t *)(const void *)reader.value, reader.seq))
        wrong++;
      break;
    case TF_KAFKA_END: is_over = reader.seq >= last; break;
    default: break;
    }
  printf("records %llu doubles %llu lost %llu removed %llu wrong %llu\n",
         (unsigned long long)reader.record_cnt, (unsigned long long)reader.double_cnt,
         (unsigned long long)reader.lost_cnt, (unsigned long long)reader.removed_cnt,
         (unsigned long long)(wrong + reader.foreign_cnt));
}

/* Of whoever wrote them. */
static void print_sequences(void) {
  tf_broker_config_t config   = {.url = cluster.url, .stream = CLUSTER_TOPIC};
  tf_kafka_reader_t  all      = {0};
  uint64_t           until_ns = tf_clock_monotonic_ns() + WAIT_NS;
  TF_ASSERT(tf_kafka_reader_open(&all, &config, false, 1) == TF_OK);
  for (bool is_over = false; !is_over && tf_clock_monotonic_ns() < until_ns;)
    switch (tf_kafka_reader_next(&all, 10 * TF_NS_PER_MS)) {
    case TF_KAFKA_RECORD: printf("%llu ", (unsigned long long)all.seq); break;
    case TF_KAFKA_END: is_over = true; break;
    default: break;
    }
  printf("\n");
  tf_kafka_reader_close(&all);
}

static void make_late(int ms) {
  for (int32_t broker = 1; broker <= CLUSTER_BROKERS; broker++)
    for (int i = 0; i < LATE_CNT && ms > 0; i++)
      rd_kafka_mock_broker_push_request_error_rtts(cluster.mock, broker, API_PRODUCE, 1,
                                                   RD_KAFKA_RESP_ERR_NO_ERROR, ms);
  if (ms == 0) rd_kafka_mock_clear_request_errors(cluster.mock, API_PRODUCE);
}

static void obey(const char *line) {
  if (!strncmp(line, "read ", 5)) {
    read_back(strtoull(line + 5, NULL, 10));
    return;
  }
  if (!strncmp(line, "sequences", 9)) {
    print_sequences();
    return;
  }
  if (!strncmp(line, "down", 4) || !strncmp(line, "up", 2)) cluster_all(&cluster, line[0] == 'u');
  if (!strncmp(line, "leader ", 7)) cluster_leader(&cluster, 0, atoi(line + 7));
  if (!strncmp(line, "late ", 5)) make_late(atoi(line + 5));
  printf("done\n");
}

int main(void) {
  char line[64];
  tf_clock_calibrate();
  cluster_open(&cluster, 0);
  printf("%s\n", cluster.url);
  fflush(stdout);
  while (fgets(line, sizeof line, stdin)) {
    obey(line);
    fflush(stdout);
  }
  tf_kafka_reader_close(&reader);
  cluster_close(&cluster);
  return 0;
}
