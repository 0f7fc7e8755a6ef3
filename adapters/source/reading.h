/* What intakes that read a broker's stream do alike, whichever broker it is: a message is judged, and put into the inbox
 * or left for later; trouble is counted and met (broker/trouble.h); the thread begins and ends.
 *
 * Exactly once. The broker's own number of a message (position) only rises, so a connection that begins behind the
 * newest position brings nothing twice. Where a sink of ours wrote the stream, its messages carry ids of their own,
 * which only rise too (docs/adr/0049, 0050): a message whose id is not above the newest is a second copy, of a producer that went
 * in doubt or a stream that was set back, and is dropped as a double.
 *
 * One thread, the intake's, but for start, stop and counts. */
#ifndef TF_SOURCE_READING_H
#define TF_SOURCE_READING_H

#include <pthread.h>

#include "broker/trouble.h"
#include "source/intake.h"
#include "tf/broker.h"

#define TF_READING_FULL_NS TF_NS_PER_MS /* a full inbox is tried again after so long */

typedef struct tf_reading {
  tf_intake_config_t config;
  tf_broker_config_t reach; /* of config, what a link wants */
  tf_inbox_t        *inbox;
  tf_trouble_t       trouble;
  tf_intake_counts_t counts;
  uint64_t           record_id; /* of the newest that a sink of ours numbered; 0: none */
  uint64_t           refused_log_ns;
  bool               is_full; /* the message that was offered last did not fit */
  pthread_t          thread;
  uint64_t           stops; /* another thread asks for the end */
} tf_reading_t;

typedef struct tf_reading_message {
  uint64_t    position;  /* rises */
  uint64_t    record_id; /* 0: it has none */
  const char *target;    /* subject or topic */
  const char
      *content_type; /* NULL: not said; then JSON lines begin with '{', and all else is records */
  const char *bytes;
  size_t      bytes_cnt;
} tf_reading_message_t;

/* kind: "nats", "kafka". */
void tf_reading_init(tf_reading_t *r, const char *type, const tf_intake_config_t *config,
                     tf_inbox_t *inbox);

/* False: the inbox is full, and the same message is to be offered again. Else it was put, or refused (too large,
 * empty, of a form that no feed reads), or dropped as a double, each counted; the position is its own. */
bool tf_reading_take(tf_reading_t *r, const tf_reading_message_t *m, uint64_t now_ns);

/* The stream goes on behind position: what it held of it before was taken, or is not wanted. */
void tf_reading_moved(tf_reading_t *r, uint64_t position);

/* Messages from .. to are not in the broker any more: counted, and told. */
void tf_reading_gap(tf_reading_t *r, uint64_t from, uint64_t to);

void tf_reading_lag(tf_reading_t *r, uint64_t lag);

/* What the broker sends is being read, from behind the position; or not any more. Counts what changes. */
void tf_reading_up(tf_reading_t *r, bool is_up);

void tf_reading_trouble(tf_reading_t *r, uint64_t now_ns, const char *fmt, ...) TF_PRINTF(3, 4);

/* Any thread: a copy, each word whole. */
void tf_reading_counts(const tf_reading_t *r, tf_intake_counts_t *counts);

/* Control plane. The thread is named tf:NAME, takes no signals, and runs run(self) until tf_reading_stops. E_CORE_THREAD. */
tf_err_t tf_reading_start(tf_reading_t *r, void *(*run)(void *self), void *self);
void     tf_reading_stop(tf_reading_t *r); /* waits for the thread */
bool     tf_reading_stops(const tf_reading_t *r);

/* E_SOURCE_CONFIG if a key that the intake needs is not there; names it. */
tf_err_t tf_reading_want(const tf_intake_config_t *config, const char *key, const char *value,
                         const char *example);

#endif
