#include "live_intakes.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "boot/known_keys.h"
#include "core/error.h"
#include "core/log.h"
#include "source/registry.h"
#include "source/source.h"
#include "warm.h"

#define MESSAGE_BYTES_DEFAULT (1u << 20)
#define LISTEN_BYTES          80
#define SAY_BYTES             1280 /* a broker's address, a stream's name twice */
/* Requests that wait while a lane is held up: eight of the largest, or thousands of the usual ones. */
#define INBOX_MESSAGES 8u

static const tf_intake_t *find(const char *name) {
  for (uint32_t i = 0; i < tf_intake_cnt; i++)
    if (strcmp(tf_intakes[i]->name, name) == 0) return tf_intakes[i];
  return NULL;
}

/* ---- configs ---- */

static tf_err_t check_name(const tf_config_feed_t *f) {
  char known[128] = "";
  if (find(f->from)) return TF_OK;
  for (uint32_t i = 0; i < tf_intake_cnt; i++)
    snprintf(known + strlen(known), sizeof known - strlen(known), " %s", tf_intakes[i]->name);
  return TF_ERR(E_SOURCE_CONFIG, "found \"%s\", expected one of%s", f->from, known);
}

/* Keys of the config that mean something to a feed that sessions bring. */
#define SESSION_KEYS                                                                               \
  "name venue channels instruments instruments_max url rest path streams_per_connection legs "     \
  "required endpoints rank_every proxy proxy_key_file source_address interface fallback "          \
  "fallback_after fallback_back ca_file insecure deflate key_file instruments_file "               \
  "reorder_window metadata_refresh book_depth crossed_after stale_after message_bytes_max"

static tf_err_t check_keys(const tf_config_t *config, uint32_t feed_idx, const char *what,
                           const char *common, const char *keys, const char **key) {
  char     prefix[24];
  int      before = snprintf(prefix, sizeof prefix, "feeds[%u].", feed_idx);
  tf_err_t err    = tf_known_keys_check(config, prefix, what, common, keys, key);
  if (err) *key += before;
  return err;
}

/* "new", "all", or a number. */
static bool read_start(const char *text, tf_intake_config_t *config) {
  config->start          = !strcmp(text, "new")   ? TF_INTAKE_NEW
                           : !strcmp(text, "all") ? TF_INTAKE_ALL
                                                  : TF_INTAKE_BEHIND;
  config->start_position = 0;
  if (config->start != TF_INTAKE_BEHIND) return true;
  for (const char *c = text; *c; c++)
    if (*c < '0' || *c > '9' ||
        __builtin_mul_overflow(config->start_position, UINT64_C(10), &config->start_position) ||
        __builtin_add_overflow(config->start_position, (uint64_t)(*c - '0'),
                               &config->start_position))
      return false;
  return true;
}

/* What an intake wants to know of its broker. */
static void broker_of(const tf_config_feed_t *f, tf_intake_config_t *config) {
  config->name          = f->name;
  config->url           = f->broker;
  config->stream        = f->stream;
  config->partition_cnt = f->partition_cnt;
  config->partition     = f->partition;
  config->user          = f->user;
  config->password_file = f->password_file;
  config->token_file    = f->token_file;
  config->ca_file       = f->ca_file;
  config->cert_file     = f->cert_file;
  config->tls_key_file  = f->tls_key_file;
}

static tf_err_t check_broker(const tf_config_feed_t *f, const tf_intake_t *intake,
                             const char **key) {
  tf_intake_config_t config = {0};
  broker_of(f, &config);
  *key = "start";
  if (!read_start(f->start, &config))
    return TF_ERR(E_SOURCE_CONFIG, "found \"%s\", expected new, all, or a number", f->start);
  *key = "partition";
  if (f->partition_cnt ? f->partition >= f->partition_cnt : f->partition > 0)
    return TF_ERR(E_SOURCE_CONFIG, "found %u, of %u partitions it is less than that", f->partition,
                  f->partition_cnt);
  return intake->check(&config, key);
}

static tf_err_t check_listener(const tf_config_feed_t *f, const char **key) {
  *key = "listen";
  if (!f->listen.host)
    return TF_ERR(E_SOURCE_CONFIG, "an address to listen on is wanted: 127.0.0.1:8091");
  *key = "cert_file";
  if (!f->cert_file != !f->tls_key_file)
    return TF_ERR(E_SOURCE_CONFIG, "cert_file and tls_key_file belong together");
  return TF_OK;
}

tf_err_t tf_live_intakes_check(const tf_config_t *config, uint32_t feed_idx, const tf_feed_t *feed,
                               const char **key) {
  const tf_config_feed_t *f = &config->feeds[feed_idx];
  char                    what[64];
  if (tf_feed_is_dialed(feed)) {
    snprintf(what, sizeof what, "a feed of %s", f->venue);
    return check_keys(config, feed_idx, what, SESSION_KEYS, "", key);
  }
  *key         = "from";
  tf_err_t err = check_name(f);
  if (err) return err;
  const tf_intake_t *intake = find(f->from);
  snprintf(what, sizeof what, "a feed of events from %s", f->from);
  err = check_keys(config, feed_idx, what, TF_INTAKE_KEYS, intake->keys, key);
  if (err) return err;
  return intake->check ? check_broker(f, intake, key) : check_listener(f, key);
}

bool tf_live_intakes_keep(const tf_config_feed_t *f) {
  const tf_intake_t *intake = strcmp(f->venue, "events") == 0 ? find(f->from) : NULL;
  return intake && intake->check; /* of a broker: see check_broker */
}

static uint32_t message_bytes_max(const tf_config_feed_t *f) {
  return (uint32_t)(f->message_bytes_max ? f->message_bytes_max : MESSAGE_BYTES_DEFAULT);
}

bool tf_live_intakes_reach(const tf_config_feed_t *f, const tf_intake_t **intake,
                           tf_broker_config_t *reach) {
  tf_intake_config_t config;
  if (!tf_live_intakes_keep(f)) return false;
  *intake = find(f->from);
  broker_of(f, &config);
  *reach = TF_BROKER_OF(&config);
  return true;
}

/* What is read as which: adapters/source/reading.h. */
static const char *forms_of(const tf_intake_t *intake) {
  return intake->check ? "JSON lines or records" : "JSON lines or a JSON document, plain or gzip";
}

static bool goes_on(const tf_config_t *config) {
  return config->engine.snapshot && config->engine.snapshot_restore == TF_CONFIG_RESTORE_EXACT;
}

static void config_of(const tf_config_t *config, const tf_live_connection_t *connection,
                      char listen[LISTEN_BYTES], tf_intake_config_t *c) {
  const tf_config_feed_t *f  = &config->feeds[connection->feed_idx];
  bool                    v6 = f->listen.host && strchr(f->listen.host, ':');
  snprintf(listen, LISTEN_BYTES, "%s%s%s:%u", v6 ? "[" : "", f->listen.host ? f->listen.host : "",
           v6 ? "]" : "", f->listen.port);
  *c = (tf_intake_config_t){
      .listen            = listen,
      .message_bytes_max = message_bytes_max(f),
      .clients_max       = f->clients_max,
      .rate_max          = f->rate_max,
      .events_max        = config->engine.message_levels_max,
      .patterns          = connection->symbols,
      .pattern_cnt       = connection->symbol_cnt,
  };
  broker_of(f, c);
  c->name = connection->name;
  (void)read_start(f->start, c); /* it was checked */
}

/* Behind what a snapshot has. */
static void go_on(const tf_config_t *config, tf_intake_config_t *c) {
  uint64_t position = tickfuse_warm_position(config, c->name);
  if (position == 0) return;
  c->start          = TF_INTAKE_BEHIND;
  c->start_position = position;
}

/* ---- what it will read ---- */

static void say_instruments(const tf_intake_config_t *c, FILE *out) {
  for (uint32_t i = 0; i < c->pattern_cnt; i++)
    fprintf(out, "%s %s", i > 0 ? "," : "", c->patterns[i]);
  if (c->pattern_cnt == 0) fputs(" any instrument", out);
}

/* Where it begins, and where a restart goes on. */
static void say_start(const tf_config_t *config, const tf_intake_config_t *c, FILE *out) {
  static const char *const again[] = {[TF_INTAKE_NEW] =
                                          "does so again: what came meanwhile is not read",
                                      [TF_INTAKE_ALL]    = "reads all of it again",
                                      [TF_INTAKE_BEHIND] = "does so again"};
  fputs("  begins ", out);
  if (c->start == TF_INTAKE_NEW) fputs("with what comes from now on", out);
  if (c->start == TF_INTAKE_ALL) fputs("with the first that is still there", out);
  if (c->start == TF_INTAKE_BEHIND) fprintf(out, "behind position %" PRIu64, c->start_position);
  if (goes_on(config))
    fputs("; a restart goes on behind what engine.snapshot holds\n", out);
  else
    fprintf(out, "; a restart %s (engine.snapshot with snapshot_restore: exact goes on)\n",
            again[c->start]);
}

static void say_listener(const tf_intake_config_t *c, FILE *out) {
  fprintf(out, "; at most %u clients, ", c->clients_max);
  if (c->rate_max)
    fprintf(out, "%" PRIu64 " requests a second of one address\n", c->rate_max);
  else
    fputs("any number of requests\n", out);
  fputs("  a restart reads nothing again: what was answered 200 was taken, the rest its sender "
        "sends again\n",
        out);
}

void tf_live_intakes_say(const tf_config_t *config, const tf_live_connection_t *connection,
                         FILE *out) {
  const tf_config_feed_t *f      = &config->feeds[connection->feed_idx];
  const tf_intake_t      *intake = find(f->from);
  char                    listen[LISTEN_BYTES], reads[SAY_BYTES];
  tf_intake_config_t      c;
  config_of(config, connection, listen, &c);
  intake->say(&c, reads, sizeof reads);
  fprintf(out, "intake %s: events of", c.name);
  say_instruments(&c, out);
  fprintf(out, ", from %s: %s\n", intake->name, reads);
  fprintf(out, "  %s, at most %u bytes and %u events each", forms_of(intake), c.message_bytes_max,
          c.events_max);
  if (f->ids_kept) fprintf(out, "; the ids of %u lines are known", f->ids_kept);
  if (!intake->check) {
    say_listener(&c, out);
    return;
  }
  fputc('\n', out);
  say_start(config, &c, out);
}

json_t *tf_live_intakes_plan(const tf_config_t *config, const tf_live_connection_t *connection) {
  const tf_config_feed_t *f      = &config->feeds[connection->feed_idx];
  const tf_intake_t      *intake = find(f->from);
  char                    listen[LISTEN_BYTES], reads[SAY_BYTES];
  tf_intake_config_t      c;
  config_of(config, connection, listen, &c);
  intake->say(&c, reads, sizeof reads);
  json_t *plan = json_pack("{sssssssIsI}", "from", intake->name, "reads", reads, "forms",
                           forms_of(intake), "message_bytes_max", (json_int_t)c.message_bytes_max,
                           "events_max", (json_int_t)c.events_max);
  json_object_set_new(plan, "start", intake->check ? json_string(f->start) : json_null());
  json_object_set_new(plan, "restart",
                      json_string(!intake->check    ? "sender"
                                  : goes_on(config) ? "position"
                                                    : "start"));
  return plan;
}

/* ---- a row ---- */

static tf_err_t make_inbox(tf_live_intake_t *row, tf_bell_t *bell) {
  uint64_t capacity = tf_inbox_capacity_for((uint64_t)row->config.message_bytes_max *
                                            INBOX_MESSAGES / TF_INBOX_MESSAGES_IN_CAPACITY);
  size_t   bytes    = tf_inbox_bytes(capacity);
  row->inbox_memory = bytes ? aligned_alloc(TF_LINE_PAIR_BYTES, bytes) : NULL;
  row->state        = calloc(1, row->intake->state_bytes(&row->config));
  if (!row->inbox_memory || !row->state)
    return TF_ERR(E_CORE_NO_MEMORY, "%zu bytes for the inbox of feed %s", bytes, row->name);
  memset(row->inbox_memory, 0, bytes); /* touched before the lane reads it */
  row->inbox = tf_inbox_init(row->inbox_memory, capacity);
  tf_inbox_set_bell(row->inbox, bell);
  return TF_OK;
}

static tf_err_t make_source(tf_live_intake_t *row, const tf_config_t *config,
                            const tf_live_connection_t *connection, uint32_t row_idx,
                            const tf_text_port_t *texts, tf_instruments_t *instruments,
                            tf_tap_t tap, tf_source_t **source) {
  const tf_config_feed_t  *f = &config->feeds[connection->feed_idx];
  tf_inbox_source_config_t c = {.feed        = connection->feed,
                                .feed_config = tf_live_plan_feed(connection, f, instruments, NULL),
                                .inbox       = row->inbox,
                                .events_cap  = config->engine.message_levels_max,
                                .tap         = tap,
                                .tap_source_idx = row_idx,
                                .intake         = row->intake,
                                .intake_state   = row->state};
  c.feed_config.texts        = texts;
  size_t   bytes             = tf_inbox_source_arena_bytes(&c);
  tf_err_t err               = tf_arena_init(&row->arena, "intake", bytes);
  if (!err) err = tf_inbox_source_init(&c, &row->arena, source);
  return err;
}

tf_err_t tf_live_intakes_start(tf_live_intakes_t *intakes, const tf_config_t *config,
                               const tf_live_plan_t *plan, uint32_t row_idx,
                               tf_instruments_t *instruments, tf_tap_t tap, tf_source_t **source) {
  const tf_live_connection_t *connection = &plan->rows[row_idx];
  tf_live_intake_t           *row        = &intakes->rows[row_idx];
  row->intake                            = find(config->feeds[connection->feed_idx].from);
  row->name                              = connection->name;
  TF_ASSERT(row->intake != NULL); /* the plan has checked it */
  config_of(config, connection, row->listen, &row->config);
  go_on(config, &row->config);
  tf_err_t err = make_inbox(row, intakes->bell);
  if (!err)
    err = make_source(row, config, connection, row_idx, intakes->texts, instruments, tap, source);
  if (!err) err = row->intake->open(row->state, &row->config, row->inbox);
  if (err) return tf_error_add(err, "preparing the feed %s", row->name);
  row->is_open = true;
  if (row->intake->port)
    tf_log(TF_LOG_NOTICE, "events_listening", "feed=%s address=%s port=%u", row->name, row->listen,
           row->intake->port(row->state));
  return TF_OK;
}

void tf_live_intakes_close(tf_live_intakes_t *intakes) {
  for (uint32_t i = 0; i < TF_ARRAY_CNT(intakes->rows); i++) {
    tf_live_intake_t *row = &intakes->rows[i];
    if (row->is_open) row->intake->close(row->state);
    row->is_open = false;
  }
}

void tf_live_intakes_stop(tf_live_intakes_t *intakes) {
  tf_live_intakes_close(intakes);
  for (uint32_t i = 0; i < TF_ARRAY_CNT(intakes->rows); i++) {
    tf_live_intake_t *row = &intakes->rows[i];
    free(row->state);
    free(row->inbox_memory);
    tf_arena_fini(&row->arena);
    *row = (tf_live_intake_t){0};
  }
}

/* ---- for those who look on ---- */

void tf_live_intakes_publish(const tf_live_intakes_t *intakes, const tf_publish_t *p) {
  for (uint32_t i = 0; i < TF_ARRAY_CNT(intakes->rows); i++) {
    const tf_live_intake_t *row = &intakes->rows[i];
    tf_metrics_block_t     *b   = p->feeds[i];
    tf_intake_counts_t      c;
    if (!row->intake || !b) continue;
    row->intake->counts(row->state, &c);
    tf_metrics_set(b, TF_METRIC_FEED_INTAKE_PUT, c.messages);
    tf_metrics_set(b, TF_METRIC_FEED_INTAKE_TAKEN, tf_inbox_taken(row->inbox));
    tf_metrics_set(b, TF_METRIC_FEED_INTAKE_WAITING, tf_inbox_waiting(row->inbox));
    tf_metrics_set(b, TF_METRIC_FEED_INTAKE_REFUSED, c.refused);
    tf_metrics_set(b, TF_METRIC_FEED_INTAKE_BUSY, c.busy);
    tf_metrics_set(b, TF_METRIC_FEED_INTAKE_ERRORS, c.errors);
    tf_metrics_set(b, TF_METRIC_FEED_INTAKE_GAPS, c.gaps);
    tf_metrics_set(b, TF_METRIC_FEED_INTAKE_DOUBLES, c.doubles);
    tf_metrics_set(b, TF_METRIC_FEED_INTAKE_LAG, c.lag);
  }
}

json_t *tf_live_intakes_json(const tf_live_intakes_t *intakes) {
  json_t *list = NULL;
  for (uint32_t i = 0; i < TF_ARRAY_CNT(intakes->rows); i++) {
    const tf_live_intake_t *row = &intakes->rows[i];
    tf_intake_counts_t      c;
    if (!row->intake) continue;
    row->intake->counts(row->state, &c);
    uint64_t waiting = tf_inbox_waiting(row->inbox), taken = tf_inbox_taken(row->inbox);
    if (!list) list = json_array();
    json_array_append_new(
        list, json_pack("{sssssIsIsIsIsIsIsIsIsIsIsIsIsIsI}", "name", row->name, "from",
                        row->intake->name, "messages", (json_int_t)c.messages, "bytes",
                        (json_int_t)c.bytes, "taken", (json_int_t)taken, "waiting",
                        (json_int_t)waiting, "refused", (json_int_t)c.refused, "busy",
                        (json_int_t)c.busy, "errors", (json_int_t)c.errors, "gaps",
                        (json_int_t)c.gaps, "position", (json_int_t)c.position, "doubles",
                        (json_int_t)c.doubles, "lag", (json_int_t)c.lag, "connects",
                        (json_int_t)c.connects, "disconnects", (json_int_t)c.disconnects,
                        "residual", (json_int_t)(c.messages - taken - waiting)));
  }
  return list;
}

void tf_live_intakes_print(const tf_live_intakes_t *intakes, FILE *out) {
  for (uint32_t i = 0; i < TF_ARRAY_CNT(intakes->rows); i++) {
    const tf_live_intake_t *row = &intakes->rows[i];
    tf_intake_counts_t      c;
    if (!row->intake) continue;
    row->intake->counts(row->state, &c);
    fprintf(out,
            "intake     %s, %s: %" PRIu64 " messages, %" PRIu64 " taken, %" PRIu64
            " refused, %" PRIu64 " times full\n",
            row->name, row->intake->name, c.messages, tf_inbox_taken(row->inbox), c.refused,
            c.busy);
  }
}
