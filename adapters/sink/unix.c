/* The unix sink: records to processes of this machine over a Unix stream socket, in the frames of
 * tf/frame.h. Who may connect: processes of our own user, by the socket's mode (0600 in a directory that
 * is 0700) and by SO_PEERCRED; with token_file, whoever has the token. */
#include "core/error.h"
#include "core/log.h"
#include "sink/streams.h"

#define BACKLOG_CNT 64

static tf_err_t open_unix(void *state, const tf_sink_config_t *config) {
  tf_listener_t     listener;
  tf_listener_use_t use = {.code    = E_SINK_CONFIG,
                           .what    = "unix sink: path",
                           .backlog = BACKLOG_CNT,
                           .shared  = config->token_file != NULL};
  if (!config->path || config->url)
    return TF_ERR(E_SINK_CONFIG, "sink %s: a unix sink has a path, and no url", config->name);
  if (config->cert_file || config->tls_key_file)
    return TF_ERR(E_SINK_CONFIG,
                  "sink %s: a unix sink speaks no TLS: leave cert_file and tls_key_file out",
                  config->name);
  tf_err_t err = tf_listener_unix(&listener, &use, config->path);
  if (!err) err = tf_streams_open(state, config, &listener, config->token_file == NULL);
  if (!err) tf_log(TF_LOG_NOTICE, "sink_listening", "sink=%s path=%s", config->name, config->path);
  return err;
}

static const tf_outlet_t outlet = {.state_bytes = tf_streams_bytes,
                                   .open        = open_unix,
                                   .poll        = tf_streams_poll,
                                   .send        = tf_streams_send,
                                   .flush       = tf_streams_flush,
                                   .counts      = tf_streams_counts,
                                   .close       = tf_streams_close,
                                   .has_clients = true};

TF_EGRESS_SINK(unix, "processes of this machine, over a Unix socket (tf/frame.h)", outlet,
               TF_SINK_CLIENT_POLICIES, TF_SINK_CLIENT_POLICY, (1u << TF_CARRIES_CNT) - 1,
               "path clients client_slots history token_file batch", NULL);
