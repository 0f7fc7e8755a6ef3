/* How a broker is reached: what sinks and sources that share a link hand it. Texts are the caller's, as long as
 * the link. NULL: not given. Secrets are files: mode 600, owner checked (core/secret.h). */
#ifndef TF_BROKER_CONFIG_H
#define TF_BROKER_CONFIG_H

#include "tf/err.h"

typedef struct tf_broker_config {
  const char *name;   /* the sink's or the feed's: what the broker is told, and logs say */
  const char *url;    /* of the servers */
  const char *stream; /* JetStream's stream, Kafka's topic, Redis' key */
  const char *user, *password_file, *token_file;
  const char *ca_file, *cert_file, *tls_key_file;
} tf_broker_config_t;

#endif
