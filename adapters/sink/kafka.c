/* Kafka, each record once for whoever keeps the id. A record is a message of one partition of a topic that is
 * this sink's alone:
 *
 *   key      TOPIC-SEQUENCE
 *   headers  tf-seq: SEQUENCE; tf-subject (sink/subject.h); content-type (sink/encode.h)
 *   value    the record in the sink's format
 *
 * librdkafka's idempotent producer keeps order and drops its own repeats as long as its instance lives
 * and the broker knows it: an outage of any length costs nothing. When that ends (our restart, an error
 * that it calls fatal, a message that it gives up) the instance is given back, the partition's last
 * message is read by a consumer, and a new instance goes on behind it. What the old one had on the wire may
 * be applied after that reading: then messages stand twice in the partition, never with a hole before them;
 * kafka_reader.h, and anyone who keeps the id, drops those (docs/adr/0050).
 *
 *   IDLE --retry_ns--> TAIL (consumer) --last message, or none--> READY (producer) --trouble--> IDLE
 *
 * Egress thread; librdkafka's threads never call into here but by rd_kafka_poll. */
#include <string.h>

#include "broker/kafka_link.h"
#include "broker/kafka_look.h"
#include "core/error.h"
#include "sink/broker.h"
#include "sink/encode.h"
#include "sink/subject.h"

#define TOPIC_CHARS_MAX TF_SUBJECT_STREAM_CHARS_MAX
#define TAIL_NS_MAX     (30 * TF_NS_PER_SEC)
#define KEY_BYTES       (TOPIC_CHARS_MAX + 24u)

typedef enum phase { PHASE_IDLE, PHASE_TAIL, PHASE_READY } phase_t;

typedef struct kafka {
  tf_broker_t        broker;
  tf_kafka_address_t address;
  rd_kafka_conf_t   *conf; /* of which each instance takes a copy */
  tf_kafka_handle_t  consumer, producer;
  phase_t            phase;
  uint64_t           now_ns, deadline_ns;
  uint32_t           connection;
  uint64_t           tail_seq, acked_seq;
  char               why[256]; /* of what a callback heard that ends the instance; "": nothing */
  uint8_t           *encoded;  /* one record */
} kafka_t;

static size_t state_bytes(const tf_sink_config_t *config) {
  return sizeof(kafka_t) + tf_encode_bytes_max(&config->shape, config->format);
}

static void trouble(kafka_t *k, const char *why) {
  if (k->phase == PHASE_READY) k->broker.counts.disconnects++;
  k->phase = PHASE_IDLE;
  tf_kafka_retire(&k->consumer);
  tf_kafka_retire(&k->producer);
  tf_broker_trouble(&k->broker, k->now_ns, "%s[%d]: %s", k->broker.config->stream,
                    k->address.partition, why);
}

/* ---- what librdkafka says, from rd_kafka_poll ---- */

static void on_delivery(rd_kafka_t *rk, const rd_kafka_message_t *message, void *opaque) {
  kafka_t *k = opaque;
  (void)rk;
  if (k->why[0]) return; /* the tail will say what is there of these */
  if (message->err) {
    snprintf(k->why, sizeof k->why, "not delivered: %s", rd_kafka_err2str(message->err));
    return;
  }
  k->acked_seq = (uint64_t)(uintptr_t)message->_private;
  tf_broker_delivered(&k->broker);
}

/* What it retries by itself is told and counted; what it calls fatal ends the instance. */
static void on_error(rd_kafka_t *rk, int code, const char *reason, void *opaque) {
  kafka_t *k = opaque;
  char     fatal[256];
  if (code != RD_KAFKA_RESP_ERR__FATAL) {
    tf_broker_trouble(&k->broker, k->now_ns, "%s", reason);
    return;
  }
  rd_kafka_fatal_error(rk, fatal, sizeof fatal);
  snprintf(k->why, sizeof k->why, "%.250s", fatal);
}

/* ---- open ---- */

static tf_err_t check_topic(const char *topic) {
  size_t cnt = strlen(topic);
  for (const char *c = topic; *c; c++)
    if (!(*c >= 'a' && *c <= 'z') && !(*c >= 'A' && *c <= 'Z') && !(*c >= '0' && *c <= '9') &&
        !strchr("._-", *c))
      return TF_ERR(E_SINK_CONFIG, "stream: \"%.64s\": a topic has letters, digits, . _ and - only",
                    topic);
  if (cnt > TOPIC_CHARS_MAX)
    return TF_ERR(E_SINK_CONFIG, "stream: a topic has at most %u characters, this one %zu",
                  TOPIC_CHARS_MAX, cnt);
  return TF_OK;
}

static bool set_up(kafka_t *k, const tf_sink_config_t *config) {
  char linger_ms[32], batch[16];
  k->conf = tf_kafka_conf(&k->broker.reach);
  if (!k->conf) return false;
  snprintf(linger_ms, sizeof linger_ms, "%.3f", (double)config->linger_ns / 1e6);
  snprintf(batch, sizeof batch, "%u", config->batch_max ? config->batch_max : 10000u);
  rd_kafka_conf_set_opaque(k->conf, k);
  rd_kafka_conf_set_dr_msg_cb(k->conf, on_delivery);
  rd_kafka_conf_set_error_cb(k->conf, on_error);
  return tf_kafka_conf_set(k->conf, "enable.idempotence", "true") &&
         /* A batch that a broker refuses for good ends the instance at once: without this the one behind it is written
          * under a new epoch, and the tail hides the hole. */
         tf_kafka_conf_set(k->conf, "enable.gapless.guarantee", "true") &&
         tf_kafka_conf_set(k->conf, "message.timeout.ms", "0") && /* for ever */
         /* One batch at a time: then no batch can be there without the one before it, whatever the
          * broker remembers of its producer when we die between the two. */
         tf_kafka_conf_set(k->conf, "max.in.flight.requests.per.connection", "1") &&
         tf_kafka_conf_set(k->conf, "linger.ms", linger_ms) &&
         tf_kafka_conf_set(k->conf, "batch.num.messages", batch) &&
         tf_kafka_conf_set(k->conf, "enable.partition.eof", "true") &&
         tf_kafka_conf_set(k->conf, "queued.max.messages.kbytes", "1024");
}

static void outlet_close(void *self) {
  kafka_t *k = self;
  tf_kafka_stop(&k->consumer);
  tf_kafka_stop(&k->producer);
  if (k->conf) rd_kafka_conf_destroy(k->conf);
  k->conf = NULL;
}

static tf_err_t outlet_open(void *self, const tf_sink_config_t *config) {
  kafka_t *k = self;
  *k         = (kafka_t){.encoded = (uint8_t *)self + sizeof *k};
  tf_broker_init(&k->broker, config);
  tf_err_t err = tf_broker_want(config, "url", config->url, "kafka://127.0.0.1:9092");
  if (!err) err = tf_broker_want(config, "stream", config->stream, "decisions");
  if (!err) err = check_topic(config->stream);
  if (!err) err = tf_kafka_address_parse(config->url, &k->address);
  if (!err && !set_up(k, config)) err = tf_error_code();
  if (err) outlet_close(k);
  return err;
}

/* ---- the tail ---- */

/* Both kinds of instance from one configuration: librdkafka leaves alone what is the other kind's. */
static bool start(kafka_t *k, tf_kafka_handle_t *h, rd_kafka_type_t type) {
  if (tf_kafka_start(h, type, rd_kafka_conf_dup(k->conf), k->broker.config->stream)) return true;
  trouble(k, tf_error_text());
  return false;
}

static void ask_for_tail(kafka_t *k) {
  if (!tf_kafka_is_free(&k->consumer) || !tf_kafka_is_free(&k->producer)) return;
  k->why[0] = 0;
  if (!start(k, &k->consumer, RD_KAFKA_CONSUMER)) return;
  k->phase       = PHASE_TAIL;
  k->deadline_ns = k->now_ns + TAIL_NS_MAX;
  if (rd_kafka_consume_start(k->consumer.topic, k->address.partition, RD_KAFKA_OFFSET_TAIL(1))) {
    trouble(k, rd_kafka_err2str(rd_kafka_last_error()));
    return;
  }
  k->consumer.consumes = k->address.partition;
}

static void become_ready(kafka_t *k, uint64_t tail_seq) {
  tf_kafka_retire(&k->consumer);
  if (!start(k, &k->producer, RD_KAFKA_PRODUCER)) return;
  k->phase     = PHASE_READY;
  k->tail_seq  = tail_seq;
  k->acked_seq = 0;
  k->connection++;
  tf_broker_ready(&k->broker, tail_seq);
}

/* Whose message it is: our id stands in its key and in its header. 0: not ours. */
static uint64_t tail_seq_of(const kafka_t *k, const rd_kafka_message_t *message) {
  const char *topic   = k->broker.config->stream;
  size_t      cnt     = strlen(topic);
  const char *key     = message->key;
  bool        is_ours = message->key_len > cnt && memcmp(key, topic, cnt) == 0 && key[cnt] == '-';
  return is_ours ? tf_kafka_seq(message) : 0;
}

static void conclude(kafka_t *k, rd_kafka_resp_err_t err, uint64_t seq) {
  switch (err) {
  case RD_KAFKA_RESP_ERR_NO_ERROR:
    if (seq == 0)
      trouble(k, "its last message is none of this sink's: it wants a topic of its own");
    else
      become_ready(k, seq);
    return;
  case RD_KAFKA_RESP_ERR__PARTITION_EOF: become_ready(k, 0); return;
  case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
  case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
  case RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION:
    if (k->broker.config->stream_create && k->address.partition == 0)
      become_ready(k, 0); /* brokers make it with the first message, where they may */
    else
      trouble(k, "there is no such topic or partition: make it, or set stream_create: true");
    return;
  default: trouble(k, rd_kafka_err2str(err)); return;
  }
}

static void await_tail(kafka_t *k) {
  rd_kafka_poll(k->consumer.rk, 0);
  rd_kafka_message_t *message = rd_kafka_consume(k->consumer.topic, k->address.partition, 0);
  if (message) {
    rd_kafka_resp_err_t err = message->err;
    uint64_t            seq = err ? 0 : tail_seq_of(k, message);
    rd_kafka_message_destroy(message); /* its instance can go only after it */
    conclude(k, err, seq);
  } else if (k->now_ns >= k->deadline_ns) {
    trouble(k, "no broker says what the partition holds last");
  }
}

/* ---- the thread ---- */

static void outlet_poll(void *self, uint64_t now_ns, uint64_t wait_ns, tf_outlet_view_t *view) {
  kafka_t *k = self;
  (void)wait_ns; /* egress naps: librdkafka waits in whole milliseconds */
  k->now_ns = now_ns;
  if (k->phase == PHASE_IDLE && now_ns >= k->broker.trouble.retry_ns) ask_for_tail(k);
  if (k->phase == PHASE_TAIL) await_tail(k);
  if (k->phase == PHASE_READY) {
    rd_kafka_poll(k->producer.rk, 0);
    if (k->why[0]) trouble(k, k->why);
  }
  *view = (tf_outlet_view_t){.phase      = k->phase == PHASE_READY  ? TF_OUTLET_READY
                                           : k->phase == PHASE_TAIL ? TF_OUTLET_CONNECTING
                                                                    : TF_OUTLET_DOWN,
                             .connection = k->connection,
                             .tail_seq   = k->tail_seq,
                             .acked_seq  = k->acked_seq};
}

static rd_kafka_resp_err_t produce(kafka_t *k, const tf_out_t *out) {
  const tf_sink_config_t *config = k->broker.config;
  const char             *type   = tf_encode_content_type(config->format);
  char                    key[KEY_BYTES], seq[24], subject[TF_SUBJECT_BYTES];
  int                     seq_cnt = snprintf(seq, sizeof seq, "%llu", (unsigned long long)out->seq);
  int                     key_cnt = snprintf(key, sizeof key, "%s-%s", config->stream, seq);
  size_t                  subject_cnt = tf_subject(config, out->record, subject);
  size_t                  cnt         = tf_encode(config, out->record, out->late, k->encoded);
  /* An array, since the macros of its call with a list of arguments are GNU C. */
  const rd_kafka_vu_t parts[] = {
      {RD_KAFKA_VTYPE_RKT,       .u.rkt = k->producer.topic                                          },
      {RD_KAFKA_VTYPE_PARTITION, .u.i32 = k->address.partition                                       },
      {RD_KAFKA_VTYPE_MSGFLAGS,  .u.i = RD_KAFKA_MSG_F_COPY                                          },
      {RD_KAFKA_VTYPE_KEY,       .u.mem = {key, (size_t)key_cnt}                                     },
      {RD_KAFKA_VTYPE_VALUE,     .u.mem = {k->encoded, cnt}                                          },
      {RD_KAFKA_VTYPE_HEADER,    .u.header = {TF_KAFKA_HEADER_SEQ, seq, seq_cnt}                     },
      {RD_KAFKA_VTYPE_HEADER,    .u.header = {TF_KAFKA_HEADER_SUBJECT, subject, (ssize_t)subject_cnt}},
      {RD_KAFKA_VTYPE_HEADER,    .u.header = {"content-type", type, (ssize_t)strlen(type)}           },
      {RD_KAFKA_VTYPE_OPAQUE,    .u.ptr = (void *)(uintptr_t)out->seq                                },
  };
  rd_kafka_error_t   *refused = rd_kafka_produceva(k->producer.rk, parts, TF_ARRAY_CNT(parts));
  rd_kafka_resp_err_t err     = rd_kafka_error_code(refused);
  if (refused) rd_kafka_error_destroy(refused);
  if (!err) k->broker.counts.bytes += cnt;
  return err;
}

static uint32_t outlet_send(void *self, const tf_out_t *outs, uint32_t n) {
  kafka_t *k = self;
  uint32_t i = 0;
  for (; i < n && k->phase == PHASE_READY && !k->why[0]; i++) {
    rd_kafka_resp_err_t err = produce(k, &outs[i]);
    if (err == RD_KAFKA_RESP_ERR__QUEUE_FULL) break;
    if (err) snprintf(k->why, sizeof k->why, "not taken: %s", rd_kafka_err2str(err));
    if (err) break;
  }
  return i;
}

static void outlet_flush(void *self, uint64_t now_ns) { (void)self, (void)now_ns; }

static const tf_outlet_counts_t *outlet_counts(const void *self) {
  return &((const kafka_t *)self)->broker.counts;
}

const tf_outlet_t tf_kafka_outlet = {.state_bytes = state_bytes,
                                     .open        = outlet_open,
                                     .poll        = outlet_poll,
                                     .send        = outlet_send,
                                     .flush       = outlet_flush,
                                     .counts      = outlet_counts,
                                     .close       = outlet_close,
                                     .keeps_tail  = true};

TF_EGRESS_SINK(kafka, "one partition of a topic of Apache Kafka; once, for who keeps the id",
               tf_kafka_outlet, TF_BROKER_POLICIES, TF_OVERFLOW_BLOCK, TF_BROKER_CARRIES,
               "url stream stream_create user password_file ca_file cert_file tls_key_file spool "
               "spool_max batch linger",
               tf_kafka_look);
