#include "broker/kafka_look.h"

#include "broker/kafka_link.h"
#include "broker/reach.h"
#include "core/clock.h"
#include "core/error.h"

typedef struct look {
  tf_broker_standing_t *standing;
  char                  why[256]; /* librdkafka's last word on a broker; "": none */
} look_t;

/* All brokers being down says less than why each is. */
static void on_error(rd_kafka_t *rk, int code, const char *reason, void *opaque) {
  look_t *l = opaque;
  (void)rk;
  if (code == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN) return;
  if (code == RD_KAFKA_RESP_ERR__SSL) l->standing->step = TF_BROKER_TLS;
  if (code == RD_KAFKA_RESP_ERR__AUTHENTICATION) l->standing->step = TF_BROKER_LOGIN;
  snprintf(l->why, sizeof l->why, "%.250s", reason);
}

static tf_err_t fail(const tf_broker_config_t *reach, const look_t *l, rd_kafka_resp_err_t code) {
  return TF_ERR(E_BROKER_IO, "%s: %s%s%s", reach->url, rd_kafka_err2str(code),
                l->why[0] ? ": " : "", l->why);
}

/* A topic that is not there has no partitions. */
static rd_kafka_resp_err_t read_topic(const struct rd_kafka_metadata *m, tf_broker_standing_t *s) {
  rd_kafka_resp_err_t code =
      m->topic_cnt == 1 ? m->topics[0].err : RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART;
  if (code == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART) return RD_KAFKA_RESP_ERR_NO_ERROR;
  if (code == RD_KAFKA_RESP_ERR_NO_ERROR) s->partition_cnt = (uint32_t)m->topics[0].partition_cnt;
  return code;
}

static rd_kafka_resp_err_t ask_partition(const tf_kafka_handle_t *h, const char *topic,
                                         int32_t partition, int wait_ms, tf_broker_standing_t *s) {
  int64_t             low = 0, high = 0;
  const uint64_t      asked_ns = tf_clock_monotonic_ns();
  rd_kafka_resp_err_t code =
      rd_kafka_query_watermark_offsets(h->rk, topic, partition, &low, &high, wait_ms);
  s->answer_ns   = tf_clock_monotonic_ns() - asked_ns;
  s->counts      = true;
  s->begin       = (uint64_t)low;
  s->end         = (uint64_t)high;
  s->message_cnt = (uint64_t)(high - low);
  return code;
}

static tf_err_t ask(tf_kafka_handle_t *h, const tf_broker_config_t *reach, int32_t partition,
                    int wait_ms, look_t *l) {
  const struct rd_kafka_metadata *metadata = NULL;
  rd_kafka_resp_err_t             code = rd_kafka_metadata(h->rk, 0, h->topic, &metadata, wait_ms);
  rd_kafka_poll(h->rk, 0); /* what it heard of brokers */
  if (code) return fail(reach, l, code);
  l->standing->step = TF_BROKER_STREAM;
  code              = read_topic(metadata, l->standing);
  rd_kafka_metadata_destroy(metadata);
  l->standing->is_there = (uint32_t)partition < l->standing->partition_cnt;
  if (!code && l->standing->is_there)
    code = ask_partition(h, reach->stream, partition, wait_ms, l->standing);
  return code ? fail(reach, l, code) : TF_OK;
}

tf_err_t tf_kafka_look(const tf_broker_config_t *reach, int32_t partition, uint64_t wait_ns_max,
                       tf_broker_standing_t *s) {
  tf_kafka_address_t address;
  tf_kafka_handle_t  handle;
  look_t             l = {.standing = s};
  *s                   = (tf_broker_standing_t){.step = TF_BROKER_REACH};
  tf_err_t err         = tf_reach_want(reach);
  if (!err) err = tf_kafka_address_parse(reach->url, &address);
  if (err) return err;
  rd_kafka_conf_t *conf = tf_kafka_conf(reach);
  if (!conf) {
    s->step = TF_BROKER_LOGIN; /* a secret, or a certificate, that cannot be read */
    return tf_error_code();
  }
  rd_kafka_conf_set_opaque(conf, &l);
  rd_kafka_conf_set_error_cb(conf, on_error);
  if (!tf_kafka_start(&handle, RD_KAFKA_CONSUMER, conf, reach->stream)) return tf_error_code();
  err = ask(&handle, reach, partition < 0 ? address.partition : partition,
            (int)(wait_ns_max / TF_NS_PER_MS), &l);
  if (!err) s->step = TF_BROKER_DONE;
  tf_kafka_stop(&handle);
  return err;
}
