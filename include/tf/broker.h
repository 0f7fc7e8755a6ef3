/* How a broker is reached: what a link is handed, whoever opens it; and what stands there, for who looks before anything is
 * opened. Texts are the caller's, as long as the link. NULL: not given. Secrets are files: mode 600, owner checked
 * (core/secret.h). */
#ifndef TF_BROKER_H
#define TF_BROKER_H

#include "tf/err.h"

typedef struct tf_broker_config {
  const char *name;   /* the sink's or the feed's: what the broker is told, and logs say */
  const char *url;    /* of the servers */
  const char *stream; /* JetStream's stream, Kafka's topic, Redis' key */
  const char *user, *password_file, *token_file;
  const char *ca_file, *cert_file, *tls_key_file;
} tf_broker_config_t;

/* That of a config which has these members under the same names, among others: a sink's, an intake's. */
#define TF_BROKER_OF(config)                                                                       \
  ((tf_broker_config_t){.name          = (config)->name,                                           \
                        .url           = (config)->url,                                            \
                        .stream        = (config)->stream,                                         \
                        .user          = (config)->user,                                           \
                        .password_file = (config)->password_file,                                  \
                        .token_file    = (config)->token_file,                                     \
                        .ca_file       = (config)->ca_file,                                        \
                        .cert_file     = (config)->cert_file,                                      \
                        .tls_key_file  = (config)->tls_key_file})

/* How far a look came, and so what failed. */
typedef enum tf_broker_step {
  TF_BROKER_REACH, /* names, TCP */
  TF_BROKER_TLS,
  TF_BROKER_LOGIN,
  TF_BROKER_STREAM, /* it is there and takes us; it does not say how the stream stands */
  TF_BROKER_DONE
} tf_broker_step_t;

/* How a stream stands. Positions are those that an intake counts: of the newest message that is not wanted. */
typedef struct tf_broker_standing {
  tf_broker_step_t step;
  bool
      is_there; /* the stream, partition or key; else of what is below partition_cnt alone is known */
  bool     drops_read;    /* JetStream: what a consumer took is removed */
  bool     counts;        /* positions are numbers without holes but for what was removed */
  uint64_t begin, end;    /* from behind begin on all is there; end: the last's; 0, 0: none yet */
  uint64_t message_cnt;   /* that are there; Kafka: at most so many */
  uint64_t age_ns_max;    /* older ones are removed; 0: none for its age, or not known */
  uint32_t partition_cnt; /* Kafka: of the topic; 0: there is none */
  char     subjects[256]; /* JetStream: with blanks between them, as many as have room */
  uint64_t answer_ns;     /* how long one question took, once connected */
} tf_broker_standing_t;

/* Connects, asks how the stream stands, and hangs up; changes nothing there. partition: of Kafka's topic; < 0: the url's. Each
 * step waits at most wait_ns_max. E_BROKER_CONFIG, E_BROKER_IO with the broker's own words, what reading a secret gives; step says
 * where. Control plane; any thread. */
typedef tf_err_t (*tf_broker_look_t)(const tf_broker_config_t *reach, int32_t partition,
                                     uint64_t wait_ns_max, tf_broker_standing_t *standing);

#endif
