#include "broker/kafka_reader.h"

#include "broker/kafka_link.h"
#include "core/error.h"

struct tf_kafka_reader_link {
  tf_kafka_handle_t   handle;
  tf_kafka_address_t  address;
  rd_kafka_message_t *message; /* that value lies in, or that waits behind a LOST */
  bool                is_dense, is_begun, is_waiting;
  int64_t             next_offset; /* a partition begins with 0 */
};

tf_err_t tf_kafka_reader_open(tf_kafka_reader_t *r, const tf_broker_config_t *config, bool is_dense,
                              uint64_t resume_from) {
  *r                             = (tf_kafka_reader_t){.seq = resume_from ? resume_from - 1 : 0};
  r->link_                       = calloc(1, sizeof *r->link_);
  rd_kafka_conf_t *conf          = r->link_ ? tf_kafka_conf(config) : NULL;
  tf_err_t         err           = r->link_ ? TF_OK : TF_ERR(E_CORE_NO_MEMORY, "a reader of Kafka");
  struct tf_kafka_reader_link *l = r->link_;
  if (!err && !conf) err = tf_error_code();
  if (!err) err = tf_kafka_address_parse(config->url, &l->address);
  if (!err && !tf_kafka_conf_set(conf, "enable.partition.eof", "true")) err = tf_error_code();
  if (!err && !tf_kafka_conf_set(conf, "auto.offset.reset", "earliest")) err = tf_error_code();
  if (err) {
    if (conf) rd_kafka_conf_destroy(conf);
    tf_kafka_reader_close(r);
    return err;
  }
  l->is_begun = resume_from != 0;
  l->is_dense = is_dense;
  if (!tf_kafka_start(&l->handle, RD_KAFKA_CONSUMER, conf, config->stream)) {
    tf_kafka_reader_close(r);
    return tf_error_code();
  }
  if (rd_kafka_consume_start(l->handle.topic, l->address.partition, RD_KAFKA_OFFSET_BEGINNING)) {
    err = TF_ERR(E_BROKER_IO, "%s: %s", config->stream, rd_kafka_err2str(rd_kafka_last_error()));
    tf_kafka_reader_close(r);
    return err;
  }
  l->handle.consumes = l->address.partition;
  return TF_OK;
}

static tf_kafka_result_t deliver(tf_kafka_reader_t *r, uint64_t seq) {
  struct tf_kafka_reader_link *l = r->link_;
  r->value                       = l->message->payload;
  r->value_bytes                 = l->message->len;
  r->seq                         = seq;
  l->is_begun                    = true;
  l->is_waiting                  = false;
  r->record_cnt++;
  return TF_KAFKA_RECORD;
}

/* What a message is; IDLE: nothing to tell of it. */
static tf_kafka_result_t judge(tf_kafka_reader_t *r) {
  struct tf_kafka_reader_link *l   = r->link_;
  uint64_t                     seq = tf_kafka_seq(l->message);
  if (l->message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) return TF_KAFKA_END;
  if (l->message->err) {
    (void)TF_ERR(E_BROKER_IO, "Kafka: %s", rd_kafka_message_errstr(l->message));
    return TF_KAFKA_FAILED;
  }
  if (l->message->offset > l->next_offset)
    r->removed_cnt += (uint64_t)(l->message->offset - l->next_offset);
  l->next_offset = l->message->offset + 1;
  if (seq == 0) {
    r->foreign_cnt++;
    return TF_KAFKA_IDLE;
  }
  if (l->is_begun && seq <= r->seq) {
    r->double_cnt++;
    return TF_KAFKA_IDLE;
  }
  if (!l->is_begun || !l->is_dense || seq == r->seq + 1) return deliver(r, seq);
  r->lost_from = r->seq + 1;
  r->lost_to   = seq - 1;
  r->lost_cnt += seq - 1 - r->seq;
  l->is_waiting = true;
  return TF_KAFKA_LOST;
}

tf_kafka_result_t tf_kafka_reader_next(tf_kafka_reader_t *r, uint64_t wait_ns) {
  struct tf_kafka_reader_link *l = r->link_;
  if (l->is_waiting) return deliver(r, tf_kafka_seq(l->message));
  rd_kafka_poll(l->handle.rk, 0);
  for (;;) {
    if (l->message) rd_kafka_message_destroy(l->message);
    l->message =
        rd_kafka_consume(l->handle.topic, l->address.partition, (int)(wait_ns / TF_NS_PER_MS));
    if (!l->message) return TF_KAFKA_IDLE;
    tf_kafka_result_t result = judge(r);
    if (result != TF_KAFKA_IDLE) return result;
  }
}

void tf_kafka_reader_close(tf_kafka_reader_t *r) {
  struct tf_kafka_reader_link *l = r->link_;
  if (!l) return;
  if (l->message) rd_kafka_message_destroy(l->message);
  tf_kafka_stop(&l->handle);
  free(l);
  r->link_ = NULL;
}
