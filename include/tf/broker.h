/* How a broker is reached: what a link is handed, whoever opens it. Texts are the caller's, as long as the link. NULL: not
 * given. Secrets are files: mode 600, owner checked (core/secret.h). */
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

#endif
