/* librdkafka's own mock cluster of three brokers, on loopback, and its handles for faults. */
#ifndef TESTS_KAFKA_CLUSTER_H
#define TESTS_KAFKA_CLUSTER_H

#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>
#include <string.h>

#include "tf/base.h"

#define CLUSTER_BROKERS 3
#define CLUSTER_TOPIC   "decisions"
/* Kafka's protocol: numbers of requests. */
#define API_PRODUCE  0
#define API_FETCH    1
#define API_OFFSETS  2
#define API_METADATA 3
#define API_INIT_PID 22

typedef struct cluster {
  rd_kafka_t              *rk;
  rd_kafka_mock_cluster_t *mock;
  char                     url[256];
} cluster_t;

static inline void cluster_open(cluster_t *c, int32_t partition) {
  char             why[256];
  rd_kafka_conf_t *conf = rd_kafka_conf_new();
  rd_kafka_conf_set_log_cb(conf, NULL);
  c->rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, why, sizeof why);
  TF_ASSERT(c->rk);
  c->mock = rd_kafka_mock_cluster_new(c->rk, CLUSTER_BROKERS);
  TF_ASSERT(c->mock);
  TF_ASSERT(!rd_kafka_mock_topic_create(c->mock, CLUSTER_TOPIC, 4, CLUSTER_BROKERS));
  snprintf(c->url, sizeof c->url, "kafka://%s/%d", rd_kafka_mock_cluster_bootstraps(c->mock),
           partition);
}

static inline void cluster_close(cluster_t *c) {
  rd_kafka_mock_cluster_destroy(c->mock);
  rd_kafka_destroy(c->rk);
}

static inline void cluster_leader(cluster_t *c, int32_t partition, int32_t broker) {
  TF_ASSERT(!rd_kafka_mock_partition_set_leader(c->mock, CLUSTER_TOPIC, partition, broker));
}

static inline void cluster_all(cluster_t *c, bool is_up) {
  for (int32_t broker = 1; broker <= CLUSTER_BROKERS; broker++)
    TF_ASSERT(!(is_up ? rd_kafka_mock_broker_set_up(c->mock, broker)
                      : rd_kafka_mock_broker_set_down(c->mock, broker)));
}

#endif
