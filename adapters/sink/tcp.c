/* The tcp sink: records over TCP, in the frames of tf/frame.h. url: tcp://HOST:PORT, or tls://HOST:PORT with
 * cert_file and tls_key_file. On loopback whoever is on this machine may connect, with token_file who has
 * the token; elsewhere a token is demanded, and without TLS it crosses the network in the clear. */
#include "core/error.h"
#include "core/log.h"
#include "sink/streams.h"

#define BACKLOG_CNT 64

static tf_err_t open_tcp(void *state, const tf_sink_config_t *config) {
  char              host[TF_LISTENER_HOST_BYTES];
  uint16_t          port;
  const char       *path;
  const char       *scheme = config->cert_file ? "tls" : "tcp";
  tf_listener_t     listener;
  tf_listener_use_t use = {.code = E_SINK_CONFIG, .what = "tcp sink: url", .backlog = BACKLOG_CNT};
  if (!config->url || config->path)
    return TF_ERR(E_SINK_CONFIG, "sink %s: a tcp sink has a url, tcp://HOST:PORT, and no path",
                  config->name);
  tf_err_t err = tf_listener_url(&use, config->url, scheme, host, &port, &path);
  if (!err && *path && strcmp(path, "/") != 0)
    err =
        TF_ERR(E_SINK_CONFIG, "tcp sink: url: found a path, \"%.100s\"; a tcp sink has none", path);
  if (!err) err = tf_listener_tcp(&listener, &use, host, port);
  if (err) return err;
  if (!listener.loopback && !config->token_file) {
    tf_listener_close(&listener);
    return TF_ERR(E_SINK_CONFIG,
                  "sink %s: url %s is not on loopback: token_file is wanted, or 127.0.0.1",
                  config->name, config->url);
  }
  if (!listener.loopback && !config->cert_file)
    tf_log(
        TF_LOG_WARN, "sink_exposed",
        "sink=%s remedy=\"token and records cross the network in the clear: tls:// with cert_file "
        "and tls_key_file\"",
        config->name);
  err = tf_streams_open(state, config, &listener, false);
  if (!err)
    tf_log(TF_LOG_NOTICE, "sink_listening", "sink=%s url=%s://%s%s%s:%u", config->name, scheme,
           strchr(host, ':') ? "[" : "", host, strchr(host, ':') ? "]" : "", listener.port);
  return err;
}

static const tf_outlet_t outlet = {.state_bytes = tf_streams_bytes,
                                   .open        = open_tcp,
                                   .poll        = tf_streams_poll,
                                   .send        = tf_streams_send,
                                   .flush       = tf_streams_flush,
                                   .counts      = tf_streams_counts,
                                   .close       = tf_streams_close,
                                   .has_clients = true};

TF_EGRESS_SINK(tcp, "whoever connects, over TCP or TLS (tf/frame.h)", outlet,
               TF_SINK_CLIENT_POLICIES, TF_SINK_CLIENT_POLICY, (1u << TF_CARRIES_CNT) - 1,
               "url clients client_slots history token_file cert_file tls_key_file batch", NULL);
