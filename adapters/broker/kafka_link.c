#include "broker/kafka_link.h"

#include <string.h>

#include "broker/text.h"
#include "core/error.h"
#include "core/secret.h"
#include "tf/atomic.h"

#define PASSWORD_BYTES 513

/* ---- where ---- */

static bool is_port(const char *text, size_t cnt) {
  unsigned long port = 0;
  for (size_t i = 0; i < cnt; i++) {
    if (text[i] < '0' || text[i] > '9') return false;
    port = port * 10 + (unsigned long)(text[i] - '0');
    if (port > 65535) return false;
  }
  return cnt > 0 && port > 0;
}

/* HOST:PORT and nothing that librdkafka would take for another separator. */
static bool is_broker(const char *text, size_t cnt) {
  const char *colon = memrchr(text, ':', cnt);
  if (!colon || colon == text) return false;
  for (const char *c = text; c < colon; c++)
    if (*c <= ' ' || *c == '@' || *c == '"') return false;
  return is_port(colon + 1, (size_t)(text + cnt - colon - 1));
}

tf_err_t tf_kafka_address_parse(const char *url, tf_kafka_address_t *a) {
  static const char *const schemes[] = {"kafka://", "kafkas://"};
  const char              *rest      = NULL;
  *a                                 = (tf_kafka_address_t){.partition = 0};
  for (int tls = 0; tls < 2; tls++)
    if (strncmp(url, schemes[tls], strlen(schemes[tls])) == 0) {
      rest      = url + strlen(schemes[tls]);
      a->is_tls = tls;
    }
  size_t cnt   = rest ? strcspn(rest, "/") : 0;
  bool   is_ok = rest && cnt > 0 && cnt < sizeof a->brokers;
  for (const char *at = rest; is_ok && at < rest + cnt;) {
    size_t length = strcspn(at, ",/");
    is_ok         = is_broker(at, length);
    at += length + (at[length] == ',');
  }
  if (is_ok && rest[cnt - 1] == ',') is_ok = false;
  if (is_ok && rest[cnt] == '/' && rest[cnt + 1]) {
    char         *end;
    unsigned long partition = strtoul(rest + cnt + 1, &end, 10);
    is_ok                   = rest[cnt + 1] >= '0' && rest[cnt + 1] <= '9' && *end == 0 &&
            partition <= TF_KAFKA_PARTITION_MAX;
    a->partition = (int32_t)partition;
  }
  if (!is_ok)
    return TF_ERR(E_BROKER_CONFIG,
                  "\"%.200s\": expected kafka://HOST:PORT, more brokers behind commas, then "
                  "/PARTITION if not 0; kafkas:// with TLS",
                  url);
  memcpy(a->brokers, rest, cnt);
  a->brokers[cnt] = 0;
  return TF_OK;
}

/* ---- how ---- */

bool tf_kafka_conf_set(rd_kafka_conf_t *conf, const char *key, const char *value) {
  char why[256];
  if (rd_kafka_conf_set(conf, key, value, why, sizeof why) == RD_KAFKA_CONF_OK) return true;
  (void)TF_ERR(E_BROKER_CONFIG, "librdkafka: %s: %s", key, why);
  return false;
}

/* A password goes over a line in the clear never: without TLS it proves itself by SCRAM. */
static bool set_user(rd_kafka_conf_t *conf, const tf_broker_config_t *config, bool is_tls) {
  char password[PASSWORD_BYTES];
  if (!config->password_file) {
    (void)TF_ERR(E_BROKER_CONFIG, "user is given, and no password_file");
    return false;
  }
  if (tf_secret_read(config->password_file, password, sizeof password)) return false;
  bool is_ok = tf_kafka_conf_set(conf, "sasl.mechanisms", is_tls ? "PLAIN" : "SCRAM-SHA-256") &&
               tf_kafka_conf_set(conf, "sasl.username", config->user) &&
               tf_kafka_conf_set(conf, "sasl.password", password);
  tf_secret_wipe(password, sizeof password);
  return is_ok;
}

static bool set_security(rd_kafka_conf_t *conf, const tf_broker_config_t *config, bool is_tls) {
  static const char *const protocols[2][2] = {
      {"plaintext", "sasl_plaintext"},
      {"ssl",       "sasl_ssl"      }
  };
  if (!tf_kafka_conf_set(conf, "security.protocol", protocols[is_tls][config->user != NULL]))
    return false;
  if (config->user && !set_user(conf, config, is_tls)) return false;
  if (config->ca_file && !tf_kafka_conf_set(conf, "ssl.ca.location", config->ca_file)) return false;
  if (config->cert_file && !tf_kafka_conf_set(conf, "ssl.certificate.location", config->cert_file))
    return false;
  return !config->tls_key_file || tf_kafka_conf_set(conf, "ssl.key.location", config->tls_key_file);
}

rd_kafka_conf_t *tf_kafka_conf(const tf_broker_config_t *config) {
  static const char *const settings[][2] = {
      {"client.id",                         "tickfuse"},
      {"socket.timeout.ms",                 "10000"   },
      {"socket.nagle.disable",              "true"    },
      {"reconnect.backoff.ms",              "20"      },
      {"reconnect.backoff.max.ms",          "5000"    },
      {"topic.metadata.propagation.max.ms", "10000"   },
  };
  tf_kafka_address_t address;
  if (tf_kafka_address_parse(config->url, &address)) return NULL;
  rd_kafka_conf_t *conf  = rd_kafka_conf_new();
  bool             is_ok = tf_kafka_conf_set(conf, "bootstrap.servers", address.brokers) &&
               set_security(conf, config, address.is_tls);
  for (size_t i = 0; is_ok && i < TF_ARRAY_CNT(settings); i++)
    is_ok = tf_kafka_conf_set(conf, settings[i][0], settings[i][1]);
  rd_kafka_conf_set_log_cb(conf, NULL); /* what matters comes as an error, by poll */
  if (is_ok) return conf;
  rd_kafka_conf_destroy(conf);
  return NULL;
}

/* ---- which ---- */

uint64_t tf_kafka_seq(const rd_kafka_message_t *message) {
  rd_kafka_headers_t *headers;
  const void         *value;
  size_t              cnt;
  uint64_t            seq;
  if (rd_kafka_message_headers(message, &headers) ||
      rd_kafka_header_get_last(headers, TF_KAFKA_HEADER_SEQ, &value, &cnt) || cnt == 0)
    return 0;
  const char *at = value, *end = at + cnt;
  return cnt <= TF_TEXT_U64_CHARS && tf_text_read_u64(&at, end, &seq) && at == end ? seq : 0;
}

/* ---- instances ---- */

bool tf_kafka_start(tf_kafka_handle_t *h, rd_kafka_type_t type, rd_kafka_conf_t *conf,
                    const char *topic) {
  char why[256];
  *h    = (tf_kafka_handle_t){.consumes = -1};
  h->rk = rd_kafka_new(type, conf, why, sizeof why);
  if (!h->rk) {
    rd_kafka_conf_destroy(conf);
    (void)TF_ERR(E_BROKER_IO, "librdkafka: %s", why);
    return false;
  }
  h->topic = rd_kafka_topic_new(h->rk, topic, NULL);
  if (h->topic) return true;
  (void)TF_ERR(E_BROKER_IO, "topic %s: %s", topic, rd_kafka_err2str(rd_kafka_last_error()));
  tf_kafka_stop(h);
  return false;
}

static void *give_back(void *arg) {
  tf_kafka_handle_t *h = arg;
  if (h->topic && h->consumes >= 0) rd_kafka_consume_stop(h->topic, h->consumes);
  if (h->topic) rd_kafka_topic_destroy(h->topic);
  if (rd_kafka_type(h->rk) == RD_KAFKA_PRODUCER)
    rd_kafka_purge(h->rk, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
  rd_kafka_destroy(h->rk);
  tf_store_release(&h->done, 1); /* pairs with: tf_kafka_is_free */
  return NULL;
}

void tf_kafka_retire(tf_kafka_handle_t *h) {
  if (!h->rk || h->has_thread) return;
  h->has_thread = pthread_create(&h->thread, NULL, give_back, h) == 0;
  if (h->has_thread) return;
  give_back(h); /* no thread can be had: then here */
  h->rk = NULL;
}

bool tf_kafka_is_free(tf_kafka_handle_t *h) {
  if (!h->rk) return true;
  if (!h->has_thread || !tf_load_acquire(&h->done)) return false; /* pairs with: give_back */
  pthread_join(h->thread, NULL);
  h->has_thread = false;
  h->rk         = NULL;
  return true;
}

void tf_kafka_stop(tf_kafka_handle_t *h) {
  if (!h->rk) return;
  if (h->has_thread)
    pthread_join(h->thread, NULL);
  else
    give_back(h);
  h->has_thread = false;
  h->rk         = NULL;
}
