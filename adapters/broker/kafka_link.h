/* What Kafka's sink, source and reader share: where the brokers are, how librdkafka is set up, what says which
 * record a message is. */
#ifndef TF_BROKER_KAFKA_LINK_H
#define TF_BROKER_KAFKA_LINK_H

#include <librdkafka/rdkafka.h>
#include <pthread.h>

#include "tf/broker.h"

#define TF_KAFKA_BROKERS_BYTES  1024u
#define TF_KAFKA_HEADER_SEQ     "tf-seq"
#define TF_KAFKA_HEADER_SUBJECT "tf-subject" /* as NATS would have it: whose record it is */
#define TF_KAFKA_PARTITION_MAX  65535u

typedef struct tf_kafka_address {
  char    brokers[TF_KAFKA_BROKERS_BYTES]; /* "HOST:PORT,HOST:PORT" */
  int32_t partition;
  bool    is_tls;
} tf_kafka_address_t;

/* kafka://HOST:PORT[,HOST:PORT...][/PARTITION], kafkas:// with TLS; no partition: 0. E_BROKER_CONFIG. */
tf_err_t tf_kafka_address_parse(const char *url, tf_kafka_address_t *address);

/* Brokers, TLS, SASL and timeouts of url, user, password_file, ca_file, cert_file and tls_key_file. The
 * caller's, until rd_kafka_new took it. NULL: E_BROKER_CONFIG with the cause. */
rd_kafka_conf_t *tf_kafka_conf(const tf_broker_config_t *config);

/* One setting; false: E_BROKER_CONFIG with librdkafka's own words. */
bool tf_kafka_conf_set(rd_kafka_conf_t *conf, const char *key, const char *value);

/* The sequence in a message's header tf-seq; 0: none, or no number. */
uint64_t tf_kafka_seq(const rd_kafka_message_t *message);

/* An instance that is being given back: librdkafka may take its time over that (a look-up under way), so
 * a thread does it. done: written by that thread. */
typedef struct tf_kafka_handle {
  rd_kafka_t       *rk; /* NULL: none */
  rd_kafka_topic_t *topic;
  int32_t           consumes; /* the partition that is being read; < 0: none */
  pthread_t         thread;
  bool              has_thread;
  uint64_t          done;
} tf_kafka_handle_t;

/* Starts an instance with a handle on the topic; takes conf in any case. False: E_BROKER_IO. */
bool tf_kafka_start(tf_kafka_handle_t *handle, rd_kafka_type_t type, rd_kafka_conf_t *conf,
                    const char *topic);
/* Begins to give it back; what it has not delivered is not delivered any more. */
void tf_kafka_retire(tf_kafka_handle_t *handle);
/* It is given back, or there was none: it may be started. */
bool tf_kafka_is_free(tf_kafka_handle_t *handle);
/* Gives it back and waits for that. */
void tf_kafka_stop(tf_kafka_handle_t *handle);

#endif
