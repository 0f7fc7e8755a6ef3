/* The stream of a broker as `tickfuse tail` reads it: an intake (adapters/source) and its inbox, without an engine.
 *
 *   nats://HOST:PORT/STREAM   tls://..; more servers behind commas   kafka://HOST:PORT/TOPIC[/PARTITION]   kafkas://..
 *   redis://HOST:PORT/KEY[/DB] */
#ifndef TICKFUSE_TAIL_BROKER_H
#define TICKFUSE_TAIL_BROKER_H

#include "tf/err.h"

typedef struct tf_tail_broker tf_tail_broker_t;

typedef struct tf_tail_message {
  uint64_t    position; /* the broker's number of it */
  const char *subject;  /* or topic */
  const char *bytes;
  uint32_t    bytes_cnt;
  bool        is_text; /* JSON lines; else a record */
} tf_tail_message_t;

typedef struct tf_tail_counts {
  uint64_t gaps, refused, errors; /* tf_intake_counts_t's */
} tf_tail_counts_t;

/* The url is a broker's. */
bool tf_tail_broker_is(const char *url);

/* E_SOURCE_CONFIG, E_BROKER_CONFIG, E_CORE_NO_MEMORY. oldest: from the first that is still there, else
 * what comes; but first, if not 0, is the broker's own number of the first message that is wanted: JetStream's, Kafka's offset,
 * of Redis what its id begins with, the record's sequence. */
tf_err_t tf_tail_broker_open(const char *url, bool oldest, uint64_t first, const char *token_file,
                             const char *ca_file, tf_tail_broker_t **broker);
void     tf_tail_broker_close(tf_tail_broker_t *broker);

/* The next message, valid until the next call; false: none within wait_ns. */
bool tf_tail_broker_next(tf_tail_broker_t *broker, uint64_t wait_ns, tf_tail_message_t *message);

void tf_tail_broker_counts(const tf_tail_broker_t *broker, tf_tail_counts_t *counts);

#endif
