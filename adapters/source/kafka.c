/* Events out of one partition of a topic of Apache Kafka, each message once and in order.
 *
 * The partition is assigned, not balanced within a group: which engine reads what is the config's word. Where we are is our
 * own to remember: position is the offset of the message that is wanted next. librdkafka fetches, and connects again by
 * itself behind what it fetched; it is given back and made anew, at the position, when it calls an error fatal, or when the
 * offset that is wanted is not in the partition any more: what was removed is told as a gap, and a partition
 * that ends before the position was set back and is read from its beginning.
 *
 *   IDLE --retry_ns--> READING --fatal, offset out of range--> IDLE (the old instance is given back meanwhile)
 *
 * A sink of ours may have written a record twice (docs/adr/0050): its ids tell (reading.h). To know the newest id again after a
 * restart, reading begins one message before the position, which is not put again.
 *
 * Offsets that are skipped count as gaps: compaction makes such, and so do the marks of somebody's transactions. While the
 * inbox is full nothing is consumed; librdkafka then holds QUEUED_KBYTES and fetches no more. */
#include <string.h>

#include "broker/kafka_link.h"
#include "broker/kafka_look.h"
#include "broker/peer.h"
#include "broker/reach.h"
#include "core/clock.h"
#include "core/cpu.h"
#include "core/error.h"
#include "core/log.h"
#include "source/reading.h"

#define TOPIC_CHARS_MAX 249u /* Kafka's own limit */
#define WAIT_MS         20
#define LOOK_MS         "500" /* how often librdkafka says which brokers it is connected with */
#define QUEUED_KBYTES   "4096"
#define WATERMARKS_MS   10000

typedef enum phase { PHASE_IDLE, PHASE_READING } phase_t;

typedef struct kafka {
  tf_reading_t        reading;
  tf_kafka_address_t  address;
  rd_kafka_conf_t    *conf; /* of which each instance takes a copy */
  tf_kafka_handle_t   consumer;
  phase_t             phase;
  bool                has_position, was_missing;
  bool                is_begun;   /* this instance has fetched */
  bool                asks_where; /* the offset was out of range */
  uint64_t            now_ns, first_offset;
  rd_kafka_message_t *held;     /* the inbox had no room for it */
  char                why[256]; /* of what a callback heard that ends the instance; "": nothing */
} kafka_t;

static uint64_t position_of(const kafka_t *k) { return k->reading.counts.position; }

static void retire(kafka_t *k) {
  if (k->held) rd_kafka_message_destroy(k->held);
  k->held = NULL;
  tf_kafka_retire(&k->consumer);
  tf_reading_up(&k->reading, false);
  k->phase = PHASE_IDLE;
}

static void trouble(kafka_t *k, const char *why) {
  tf_reading_trouble(&k->reading, k->now_ns, "%s[%d]: %s", k->reading.config.stream,
                     k->address.partition, why);
}

/* ---- what librdkafka says, from rd_kafka_poll ---- */

static void on_error(rd_kafka_t *rk, int code, const char *reason, void *opaque) {
  kafka_t *k = opaque;
  char     fatal[256];
  if (code == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN) tf_reading_up(&k->reading, false);
  if (code != RD_KAFKA_RESP_ERR__FATAL) {
    trouble(k, reason);
    return;
  }
  rd_kafka_fatal_error(rk, fatal, sizeof fatal);
  snprintf(k->why, sizeof k->why, "%.250s", fatal);
}

/* Its own JSON (STATISTICS.md): a broker of it is connected, and the partition has been fetched from. */
static int on_stats(rd_kafka_t *rk, char *json, size_t json_len, void *opaque) {
  kafka_t *k = opaque;
  (void)rk;
  if (k->is_begun && memmem(json, json_len, "\"state\":\"UP\"", 12))
    tf_reading_up(&k->reading, true);
  return 0; /* librdkafka frees it */
}

/* ---- an instance ---- */

static int64_t first_wanted(kafka_t *k) {
  const tf_intake_config_t *config = &k->reading.config;
  if (k->has_position) /* one earlier, for its id */
    return (int64_t)(position_of(k) > k->first_offset ? position_of(k) - 1 : position_of(k));
  return config->start == TF_INTAKE_ALL || k->was_missing ? RD_KAFKA_OFFSET_BEGINNING
                                                          : RD_KAFKA_OFFSET_END;
}

static void start(kafka_t *k) {
  if (!tf_kafka_is_free(&k->consumer)) return;
  k->why[0]   = 0;
  k->is_begun = false;
  if (!tf_kafka_start(&k->consumer, RD_KAFKA_CONSUMER, rd_kafka_conf_dup(k->conf),
                      k->reading.config.stream)) {
    trouble(k, tf_error_text());
    return;
  }
  k->phase = PHASE_READING;
  if (rd_kafka_consume_start(k->consumer.topic, k->address.partition, first_wanted(k))) {
    trouble(k, rd_kafka_err2str(rd_kafka_last_error()));
    retire(k);
    return;
  }
  k->consumer.consumes = k->address.partition;
}

/* ---- messages ---- */

static const char *header_of(const rd_kafka_message_t *m, const char *name) {
  rd_kafka_headers_t *headers;
  const void         *value;
  size_t              cnt;
  if (rd_kafka_message_headers(m, &headers) ||
      rd_kafka_header_get_last(headers, name, &value, &cnt))
    return NULL;
  return value; /* librdkafka puts a NUL behind */
}

/* Whose records they are stands at the subject's end: of one that begins with a long topic as much as an inbox takes. */
static const char *target_of(const kafka_t *k, const rd_kafka_message_t *m) {
  const char *subject = header_of(m, TF_KAFKA_HEADER_SUBJECT);
  if (!subject) return k->reading.config.stream;
  size_t chars = strlen(subject);
  return chars < TF_INBOX_TARGET_BYTES_MAX ? subject
                                           : subject + chars - (TF_INBOX_TARGET_BYTES_MAX - 1);
}

static void show_lag(kafka_t *k) {
  int64_t low, high;
  if (rd_kafka_get_watermark_offsets(k->consumer.rk, k->reading.config.stream, k->address.partition,
                                     &low, &high) == RD_KAFKA_RESP_ERR_NO_ERROR &&
      high >= 0 && (uint64_t)high >= position_of(k))
    tf_reading_lag(&k->reading, (uint64_t)high - position_of(k));
}

static void offer(kafka_t *k) {
  const rd_kafka_message_t *m       = k->held;
  tf_reading_message_t      message = {.position     = (uint64_t)m->offset + 1,
                                       .record_id    = tf_kafka_seq(m),
                                       .target       = target_of(k, m),
                                       .content_type = header_of(m, "content-type"),
                                       .bytes        = m->payload,
                                       .bytes_cnt    = m->len};
  if (!tf_reading_take(&k->reading, &message, k->now_ns)) return;
  rd_kafka_message_destroy(k->held);
  k->held = NULL;
}

static void take_message(kafka_t *k, rd_kafka_message_t *m) {
  const uint64_t offset = (uint64_t)m->offset;
  k->is_begun           = true;
  tf_reading_up(&k->reading, true);
  if (!k->has_position) tf_reading_moved(&k->reading, k->first_offset = offset);
  k->has_position = true;
  if (offset <
      position_of(k)) { /* the one before, for its id; what is older is none of ours to see */
    uint64_t id = tf_kafka_seq(m);
    if (id > k->reading.record_id) k->reading.record_id = id;
    rd_kafka_message_destroy(m);
    return;
  }
  if (offset > position_of(k)) tf_reading_gap(&k->reading, position_of(k), offset - 1);
  k->held = m;
  offer(k);
}

static void take_end(kafka_t *k, const rd_kafka_message_t *m) {
  k->is_begun = true;
  tf_reading_up(&k->reading, true);
  if (!k->has_position) tf_reading_moved(&k->reading, k->first_offset = (uint64_t)m->offset);
  k->has_position = true;
}

static void take_error(kafka_t *k, const rd_kafka_message_t *m) {
  switch (m->err) {
  case RD_KAFKA_RESP_ERR__PARTITION_EOF: take_end(k, m); return;
  case RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET:
  case RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE: k->asks_where = true; return;
  case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
  case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
  case RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION:
    k->was_missing = !k->has_position;
    snprintf(k->why, sizeof k->why, "there is no such topic or partition; it is waited for");
    return;
  default: trouble(k, rd_kafka_message_errstr(m)); return;
  }
}

static void take_messages(kafka_t *k) {
  int wait_ms = WAIT_MS;
  while (!k->held && !k->why[0] && !k->asks_where && !tf_reading_stops(&k->reading)) {
    rd_kafka_message_t *m = rd_kafka_consume(k->consumer.topic, k->address.partition, wait_ms);
    if (!m) break;
    wait_ms = 0;
    if (m->err) {
      take_error(k, m);
      rd_kafka_message_destroy(m);
    } else {
      take_message(k, m);
    }
  }
}

/* The offset that is wanted is not there: what is? */
static void find_place(kafka_t *k) {
  int64_t             low = 0, high = 0;
  rd_kafka_resp_err_t err = rd_kafka_query_watermark_offsets(
      k->consumer.rk, k->reading.config.stream, k->address.partition, &low, &high, WATERMARKS_MS);
  k->asks_where = false;
  retire(k);
  if (err) {
    trouble(k, rd_kafka_err2str(err));
    return;
  }
  k->first_offset = (uint64_t)low;
  if ((uint64_t)high < position_of(k)) {
    tf_log(TF_LOG_WARN, "feed_stream_set_back",
           "feed=%s type=kafka stream=%s position=%llu first=%lld last=%lld",
           k->reading.config.name, k->reading.config.stream, (unsigned long long)position_of(k),
           (long long)low, (long long)high);
    trouble(k, "the partition ends before what was read of it: it is read from its beginning");
    tf_reading_moved(&k->reading, (uint64_t)low);
  } else if ((uint64_t)low > position_of(k)) {
    tf_reading_gap(&k->reading, position_of(k), (uint64_t)low - 1);
    tf_reading_moved(&k->reading, (uint64_t)low);
  }
}

/* ---- the thread ---- */

static void pass(kafka_t *k) {
  k->now_ns = tf_clock_monotonic_ns();
  if (k->phase == PHASE_IDLE && k->now_ns >= k->reading.trouble.retry_ns) start(k);
  if (k->phase == PHASE_IDLE) {
    (void)tf_peer_wait(-1, false, TF_READING_FULL_NS);
    return;
  }
  rd_kafka_poll(k->consumer.rk, 0);
  if (k->held) offer(k);
  if (k->held)
    (void)tf_peer_wait(-1, false, TF_READING_FULL_NS);
  else
    take_messages(k);
  show_lag(k);
  if (k->asks_where) find_place(k);
  if (k->phase == PHASE_READING && k->why[0]) {
    trouble(k, k->why);
    retire(k);
  }
}

static void *run(void *self) {
  kafka_t *k = self;
  char     name[16];
  snprintf(name, sizeof name, "tf:%.12s", k->reading.config.name);
  tf_cpu_pin(-1, name);
  while (!tf_reading_stops(&k->reading)) pass(k);
  if (k->held) rd_kafka_message_destroy(k->held);
  tf_kafka_stop(&k->consumer);
  rd_kafka_conf_destroy(k->conf);
  return NULL;
}

/* ---- open, close ---- */

static tf_err_t check(const tf_intake_config_t *config, const char **key) {
  tf_kafka_address_t address;
  *key         = "broker";
  tf_err_t err = tf_reading_want(config, *key, config->url, "\"kafka://127.0.0.1:9092\"");
  if (!err) err = tf_kafka_address_parse(config->url, &address);
  if (!err) err = tf_reach_check(&TF_BROKER_OF(config), address.is_tls, key);
  if (err) return err;
  *key = "partition";
  if (config->partition_cnt && address.partition != 0 &&
      (uint32_t)address.partition != config->partition)
    return TF_ERR(E_SOURCE_CONFIG, "found %u, and the broker's address ends with partition %d",
                  config->partition, address.partition);
  *key = "stream";
  err  = tf_reading_want(config, *key, config->stream, "events");
  if (err) return err;
  if (strlen(config->stream) > TOPIC_CHARS_MAX ||
      config->stream[strspn(config->stream, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                            "0123456789._-")])
    return TF_ERR(E_SOURCE_CONFIG,
                  "stream: \"%.64s\": a topic has at most %u letters, digits, . _ and -",
                  config->stream, TOPIC_CHARS_MAX);
  return TF_OK;
}

/* partition: Kafka's own, if the config cuts the topic; else the url's, or 0. */
static tf_err_t read_place(const tf_intake_config_t *config, tf_kafka_address_t *address) {
  tf_err_t err = tf_kafka_address_parse(config->url, address);
  if (!err && config->partition_cnt) address->partition = (int32_t)config->partition;
  return err;
}

static void say(const tf_intake_config_t *config, char *text, size_t cap) {
  tf_kafka_address_t address;
  (void)read_place(config, &address); /* checked */
  snprintf(text, cap, "topic %s of %s, its partition %d", config->stream, address.brokers,
           address.partition);
}

static bool set_up(kafka_t *k) {
  k->conf = tf_kafka_conf(&k->reading.reach);
  if (!k->conf) return false;
  rd_kafka_conf_set_opaque(k->conf, k);
  rd_kafka_conf_set_error_cb(k->conf, on_error);
  rd_kafka_conf_set_stats_cb(k->conf, on_stats);
  return tf_kafka_conf_set(k->conf, "statistics.interval.ms", LOOK_MS) &&
         tf_kafka_conf_set(k->conf, "enable.partition.eof", "true") &&
         tf_kafka_conf_set(k->conf, "auto.offset.reset", "error") &&
         tf_kafka_conf_set(k->conf, "queued.max.messages.kbytes", QUEUED_KBYTES);
}

static size_t state_bytes(const tf_intake_config_t *config) {
  (void)config;
  return sizeof(kafka_t);
}

static tf_err_t kafka_open(void *state, const tf_intake_config_t *config, tf_inbox_t *inbox) {
  kafka_t    *k = state;
  const char *key;
  tf_err_t    err = check(config, &key);
  if (err) return err;
  memset(k, 0, sizeof *k);
  tf_reading_init(&k->reading, "kafka", config, inbox);
  err = read_place(config, &k->address);
  if (config->start == TF_INTAKE_BEHIND) {
    k->has_position = true;
    tf_reading_moved(&k->reading, config->start_position);
  }
  if (!err && !set_up(k)) err = tf_error_code();
  if (!err) err = tf_reading_start(&k->reading, run, k);
  if (err && k->conf) rd_kafka_conf_destroy(k->conf);
  return err ? tf_error_add(err, "feed %s", config->name) : TF_OK;
}

static void kafka_close(void *state) { tf_reading_stop(&((kafka_t *)state)->reading); }

static void counts(const void *state, tf_intake_counts_t *counts) {
  tf_reading_counts(&((const kafka_t *)state)->reading, counts);
}

extern const tf_intake_t tf_intake_kafka;
const tf_intake_t        tf_intake_kafka = {
           .name = "kafka",
           .help = "a partition of a topic of Apache Kafka; url: the brokers, stream: the topic",
           .keys = "broker stream partitions partition start user password_file ca_file cert_file "
                          "tls_key_file",
           .state_bytes = state_bytes,
           .check       = check,
           .open        = kafka_open,
           .close       = kafka_close,
           .counts      = counts,
           .say         = say,
           .look        = tf_kafka_look};
