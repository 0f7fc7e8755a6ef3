/* An intake brings messages that somebody else already has the form of: events as JSON lines or as records
 * (adapters/feed/events.c decodes both), by HTTP POST or out of a broker's stream. One file
 * adapters/source/<name>.c exporting tf_intake_<name>, plus its line in intakes.def.
 *
 *   [ the intake's thread: HTTP, libnats, librdkafka ] --> inbox --> [ acquire's thread: source.h: tap, feed, publish ]
 *
 * The intake's thread may block, allocate and log; it never touches the feed. The inbox is all that the two share. A full
 * inbox is the intake's business: a broker is not read on, a POST is answered 503; nothing is dropped.
 *
 * Ledger: put = taken + waiting in the inbox; and of each message taken the feed's own rows. */
#ifndef TF_SOURCE_INTAKE_H
#define TF_SOURCE_INTAKE_H

#include "source/inbox.h"
#include "tf/broker.h"

#define TF_INTAKE_PARTITIONS_MAX 4096u

/* Keys of the config that mean something to every feed that an intake brings. */
#define TF_INTAKE_KEYS                                                                             \
  "name venue channels instruments instruments_max book_depth from message_bytes_max ids_kept "    \
  "times"

typedef enum tf_intake_start {
  TF_INTAKE_NEW,   /* what comes from now on */
  TF_INTAKE_ALL,   /* from the first that the stream still holds */
  TF_INTAKE_BEHIND /* from the first behind start_position */
} tf_intake_start_t;

/* What the config says, checked as far as the table of keys can. Texts are the caller's, until close. */
typedef struct tf_intake_config {
  const char       *name;   /* the feed's: in metrics, logs, client ids */
  const char       *url;    /* of the broker */
  const char       *listen; /* http: HOST:PORT */
  const char       *stream; /* JetStream's stream, Kafka's topic */
  tf_intake_start_t start;
  uint64_t start_position; /* a broker's own number of the last message that is not wanted */
  uint32_t partition_cnt;  /* that the stream is cut into; 0: it is not */
  uint32_t partition;      /* the one that is wanted, where it is */
  uint32_t message_bytes_max, clients_max;
  uint64_t rate_max;           /* http: requests a second of one address */
  uint32_t events_max;         /* of a message */
  const char *const *patterns; /* http: of the instruments that the feed takes; none: all */
  uint32_t           pattern_cnt;
  const char        *user, *password_file, *token_file;  /* secrets: mode 600 (core/secret.h) */
  const char        *ca_file, *cert_file, *tls_key_file; /* NULL: none */
} tf_intake_config_t;

/* One writer, the intake's thread; any thread reads, each word by itself complete. Monotone but for is_up. */
typedef struct tf_intake_counts {
  uint64_t messages, bytes; /* put into the inbox */
  uint64_t
      refused; /* not taken over: too large, not authorised, malformed at the transport; answered so */
  uint64_t busy; /* times that the inbox was full */
  uint64_t connects, disconnects, errors;
  uint64_t gaps; /* messages that the broker no longer held, by its own numbers; of a partition of a
                    stream at most so many */
  uint64_t doubles;  /* dropped: a sink of ours had written the same record before, by its id */
  uint64_t lag;      /* messages behind the stream's last, as the broker said last (no counter) */
  uint64_t position; /* of the newest put */
  uint64_t is_up;
} tf_intake_counts_t;

typedef struct tf_intake {
  const char *name;
  const char *help;
  const char *keys; /* of the config, besides TF_INTAKE_KEYS; others are refused */
  size_t (*state_bytes)(const tf_intake_config_t *config);
  /* NULL: it reads no broker. What is wrong with a config as far as it tells by itself; *key names the key. E_SOURCE_CONFIG, E_BROKER_CONFIG. */
  tf_err_t (*check)(const tf_intake_config_t *config, const char **key);
  /* Control plane. Starts the thread; its broker need not be there yet. E_SOURCE_CONFIG, E_HTTP_LISTEN, what reading a secret gives. */
  tf_err_t (*open)(void *state, const tf_intake_config_t *config, tf_inbox_t *inbox);
  void (*close)(void *state); /* ends the thread; the inbox is not touched afterwards */
  void (*counts)(const void *state, tf_intake_counts_t *counts); /* any thread */
  /* What it reads, in words: "stream EVENTS of nats://127.0.0.1:4222". Cut at cap. */
  void (*say)(const tf_intake_config_t *config, char *text, size_t cap);
  uint16_t (*port)(const void *state); /* of a listener; NULL: it has none */
  tf_broker_look_t look;               /* how its stream stands; NULL: it has none */
} tf_intake_t;

#endif
