#include "boot/control.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <pthread.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "boot/control_request.h"
#include "boot/control_socket.h"
#include "boot/control_status.h"
#include "boot/model_places.h"
#include "boot/model_server.h"
#include "boot/own_event.h"
#include "boot/remotes.h"
#include "boot/snapshot_live.h"
#include "boot/text_models.h"
#include "boot/text_source.h"
#include "core/clock.h"
#include "core/error.h"
#include "core/log.h"
#include "core/nearest.h"

#define RING_SLOTS  16
#define TOKEN_BYTES 128
#define LOOK_NS     (200 * TF_NS_PER_US) /* between looks whether a command was taken */
#define NEAREST_CAP 512

/* What crosses to acquire. */
typedef struct command {
  uint64_t            number; /* from 1 */
  tf_source_t        *source; /* whom it is for; NULL: the event is to be published */
  tf_event_t          event;
  tf_source_command_t to_source;
} command_t;

struct tf_control {
  tf_source_t          source; /* first: polled by acquire */
  tf_control_config_t  config;
  tf_control_socket_t *socket;
  char                 token[TOKEN_BYTES];
  void                *ring_memory;
  pthread_mutex_t      sending; /* the socket's thread and the model server's take turns */
  tf_ring_writer_t     writer;  /* who holds sending */
  tf_ring_reader_t     reader;  /* acquire's */
  uint64_t             sent_cnt;
  uint64_t             started_ns;
  uint64_t             asks_seen; /* by acquire: of the lane's, and those of each model */
  uint64_t             pauses_seen[TF_MODELS_MAX];
  uint32_t             stopping;                          /* by acquire: the engine ends */
  bool                 has_told_sequence;                 /* by acquire */
  TF_ALIGNED(TF_LINE_PAIR_BYTES) tf_source_reply_t reply; /* by acquire, before taken_cnt */
  uint64_t taken_ingest_seq;                              /* as the reply */
  uint64_t taken_cnt;                                     /* by acquire, with release */
};

/* ---- acquire's side ---- */

static void publish_event(tf_control_t *c, tf_event_t *e) {
  tf_own_event_tell(&c->source, &c->config.tap, e);
}

static void publish(tf_control_t *c, command_t *command) {
  publish_event(c, &command->event);
  /* relaxed: the release below carries it */
  tf_store_relaxed(&c->taken_ingest_seq, command->event.ingest_seq);
  tf_store_release(&c->taken_cnt, command->number); /* pairs with: wait_for */
}

/* All sources are polled by this thread. One that is done or was never told takes no harm. */
static void hand_on(tf_control_t *c, const command_t *command) {
  command->source->ops->command(command->source, &command->to_source, &c->reply);
  tf_store_release(&c->taken_cnt, command->number); /* pairs with: wait_for */
}

/* What the lane asked for: a pause of a model that overran its budget too often. */
TF_COLD static int ask_pauses(tf_control_t *c, uint64_t asks) {
  const tf_compute_t *compute = &c->config.engine->runner.lane.compute;
  int                 work    = 0;
  c->asks_seen                = asks;
  for (uint32_t i = 0; i < compute->model_cnt; i++) {
    const tf_compute_model_t *m = &compute->models[i];
    /* relaxed: what was asked before asks was stored is seen; of what came since asks tells anew */
    uint64_t asked = tf_load_relaxed(&m->pauses_asked);
    if (asked == c->pauses_seen[i]) continue;
    c->pauses_seen[i]       = asked;
    tf_event_t event        = {.kind = TF_EVENT_CONTROL, .instrument_id = UINT32_MAX};
    event.u.model.command   = TF_CONTROL_PAUSE;
    event.u.model.model_idx = i;
    event.u.model.until_ns  = tf_clock_wall_ns() + m->pause_ns;
    publish_event(c, &event);
    work++;
  }
  return work;
}

/* First of all, so that a replay of the capture numbers its decisions as this engine does. */
TF_COLD static int tell_sequence(tf_control_t *c) {
  c->has_told_sequence         = true;
  const tf_continues_t *behind = &c->config.engine->continues;
  if (!tf_engine_continues(c->config.engine)) return 0;
  tf_event_t event            = {.kind = TF_EVENT_CONTROL, .instrument_id = UINT32_MAX};
  event.u.control.command     = TF_CONTROL_SEQUENCE;
  event.u.control.position    = (int64_t)behind->decision_seq;
  event.u.control.reserved[0] = behind->ingest_seq;
  event.u.control.reserved[1] = behind->row_seq;
  publish_event(c, &event);
  return 1;
}

static int control_poll(tf_source_t *source, uint64_t now_ns) {
  (void)now_ns;
  tf_control_t *c = (tf_control_t *)source;
  command_t     command;
  if (TF_UNLIKELY(c->stopping)) return TF_SOURCE_DONE;
  if (TF_UNLIKELY(!c->has_told_sequence)) return tell_sequence(c);
  uint64_t asks =
      tf_load_acquire(&c->config.engine->runner.lane.compute.asks); /* pairs with: on_late */
  if (TF_UNLIKELY(asks != c->asks_seen)) return ask_pauses(c, asks);
  if (TF_LIKELY(tf_ring_pop_sized(&c->reader, &command, 1, sizeof command) == 0)) return 0;
  if (command.source)
    hand_on(c, &command);
  else
    publish(c, &command);
  return 1;
}

static void control_stop(tf_source_t *source) { ((tf_control_t *)source)->stopping = 1; }

static const tf_source_ops_t control_ops = {.poll = control_poll, .stop = control_stop};

/* ---- the operator's side ---- */

static tf_err_t wait_for(tf_control_t *c, uint64_t number, uint64_t *ingest_seq) {
  uint64_t due_ns = tf_clock_monotonic_ns() + TF_CONTROL_WAIT_NS_MAX;
  while (tf_load_acquire(&c->taken_cnt) < number) { /* pairs with: publish */
    if (tf_clock_monotonic_ns() > due_ns)
      return TF_ERR(
          E_CONTROL_TIMEOUT,
          "the lane did not take the command within 1 s; it is queued and will be obeyed");
    nanosleep(&(struct timespec){.tv_nsec = LOOK_NS}, NULL);
  }
  /* relaxed: ordered by the acquire above */
  *ingest_seq = tf_load_relaxed(&c->taken_ingest_seq);
  return TF_OK;
}

static tf_err_t send_command(tf_control_t *c, command_t *command, uint64_t *ingest_seq) {
  command->number = c->sent_cnt + 1;
  if (tf_ring_push_sized(&c->writer, command, 1, sizeof *command) == 0)
    return TF_ERR(E_CONTROL_TIMEOUT, "%d commands wait already: the engine does not take any",
                  RING_SLOTS);
  c->sent_cnt++;
  tf_bell_ring(c->config.engine->runner.acquire.bell);
  return wait_for(c, command->number, ingest_seq);
}

static tf_err_t find_instrument(const tf_control_t *c, const char *name, uint32_t *id) {
  const tf_instruments_t *table = &c->config.engine->instruments;
  uint32_t                cnt   = tf_load_acquire_u32(&table->cnt); /* pairs with: tf_symbols_add */
  const char             *names[NEAREST_CAP];
  for (*id = 0; *id < cnt; ++*id)
    if (!strcmp(table->rows[*id].name, name)) return TF_OK;
  uint32_t shown = cnt < NEAREST_CAP ? cnt : NEAREST_CAP;
  for (uint32_t i = 0; i < shown; i++) names[i] = table->rows[i].name;
  const char *near = tf_nearest_name(name, names, shown);
  return TF_ERR(E_CONTROL_REQUEST, "no instrument is called %.64s%s%s%s", name,
                near ? ", did you mean " : "; names are as in BTCUSDT.BINANCE-SPOT",
                near ? near : "", near ? "?" : "");
}

static tf_err_t obey(tf_control_t *c, const tf_control_request_t *r, json_t *answer) {
  static const uint64_t commands[] = {[TF_CONTROL_COMMAND_HALT]     = TF_CONTROL_HALT,
                                      [TF_CONTROL_COMMAND_RESUME]   = TF_CONTROL_RESUME,
                                      [TF_CONTROL_COMMAND_POSITION] = TF_CONTROL_POSITION};
  tf_event_t            event      = {.kind = TF_EVENT_CONTROL, .instrument_id = UINT32_MAX};
  uint64_t              ingest_seq = 0;
  event.u.control.command          = commands[r->command];
  if (r->command == TF_CONTROL_COMMAND_POSITION) {
    tf_err_t err = find_instrument(c, r->instrument, &event.instrument_id);
    if (err) return err;
    event.u.control.position = r->position;
    event.qty_exp            = r->position_exp;
  }
  command_t command = {.event = event};
  tf_err_t  err     = send_command(c, &command, &ingest_seq);
  if (!err) json_object_set_new(answer, "ingest_seq", json_integer((json_int_t)ingest_seq));
  return err;
}

/* The model server's: waits until the lane is sure to take it. */
static tf_err_t publish_for_models(void *self, const tf_event_t *event, uint64_t *ingest_seq) {
  tf_control_t *c       = self;
  command_t     command = {.event = *event};
  pthread_mutex_lock(&c->sending);
  tf_err_t err = send_command(c, &command, ingest_seq);
  pthread_mutex_unlock(&c->sending);
  return err;
}

/* ---- models ---- */

/* Those of rows, then those of texts. */
static json_t *list_models(const tf_engine_t *e) {
  json_t *list = e->model_server ? tf_model_server_list(e->model_server) : json_array();
  for (tf_texts_role_t role = 0; role < TF_TEXTS_ROLE_CNT; role++)
    if (tf_text_source_swappable(e->texts, role))
      json_array_append_new(list, tf_text_models_row(tf_text_source_swappable(e->texts, role)));
  return list;
}

static tf_err_t request_model(const tf_engine_t *e, const tf_model_request_t *request) {
  for (tf_texts_role_t role = 0; role < TF_TEXTS_ROLE_CNT; role++) {
    tf_text_models_t *texts = tf_text_source_swappable(e->texts, role);
    if (texts && strcmp(request->model, tf_text_models_name(texts)) == 0)
      return tf_text_models_request(texts, request);
  }
  if (e->model_server) return tf_model_server_request(e->model_server, request);
  return TF_ERR(E_CONTROL_REQUEST,
                "no model of a registry is called \"%.31s\"; model list names them",
                request->model);
}

static tf_err_t tell_models(const tf_control_t *c, const tf_control_request_t *r, json_t *answer) {
  const tf_engine_t *e       = c->config.engine;
  tf_model_request_t request = {.version = r->version, .share = r->share};
  if (!e->model_server && !tf_text_source_swappable(e->texts, TF_TEXTS_CLASSIFIER) &&
      !tf_text_source_swappable(e->texts, TF_TEXTS_EMBEDDER))
    return TF_ERR(E_CONTROL_REQUEST,
                  "no model is of a registry: models[].registry, texts.classifier.registry or "
                  "texts.embedder.registry in the config makes one swappable");
  memcpy(request.model, r->model, sizeof request.model);
  memcpy(request.sha256, r->sha256, sizeof request.sha256);
  static const struct {
    const char     *verb;
    tf_model_verb_t is;
  } verbs[] = {
      {"load",     TF_MODEL_LOAD    },
      {"swap",     TF_MODEL_SWAP    },
      {"rollback", TF_MODEL_ROLLBACK},
      {"drop",     TF_MODEL_DROP    },
      {"canary",   TF_MODEL_CANARY  },
      {"promote",  TF_MODEL_PROMOTE },
      {"abort",    TF_MODEL_ABORT   }
  };
  for (size_t i = 0; i < TF_ARRAY_CNT(verbs); i++)
    if (!strcmp(r->verb, verbs[i].verb)) request.verb = verbs[i].is;
  tf_err_t err = strcmp(r->verb, "list") == 0 ? TF_OK : request_model(e, &request);
  if (!err) json_object_set_new(answer, "models", list_models(e));
  return err;
}

static tf_err_t tell_cache(const tf_control_t *c, const tf_control_request_t *r, json_t *answer) {
  static const struct {
    const char           *verb;
    tf_model_cache_verb_t is;
  } verbs[] = {
      {"pin",   TF_MODEL_CACHE_PIN  },
      {"unpin", TF_MODEL_CACHE_UNPIN},
      {"evict", TF_MODEL_CACHE_EVICT},
      {"warm",  TF_MODEL_CACHE_WARM }
  };
  tf_model_places_t *places = c->config.engine->model_places;
  tf_err_t           err    = TF_OK;
  if (!places)
    return TF_ERR(E_CONTROL_REQUEST,
                  "no model is one an instrument: {symbol} in models[].registry makes it one");
  for (size_t i = 0; i < TF_ARRAY_CNT(verbs); i++)
    if (!strcmp(r->verb, verbs[i].verb)) err = tf_model_places_request(places, verbs[i].is, r->key);
  if (!err) json_object_set_new(answer, "model_cache", tf_model_places_list(places, r->from));
  return err;
}

static tf_err_t tell_worker(const tf_control_t *c, const tf_control_request_t *r, json_t *answer) {
  tf_remotes_t *remotes = c->config.engine->remotes;
  tf_err_t      err = !strcmp(r->verb, "restart") ? tf_remotes_restart(remotes, r->model) : TF_OK;
  if (!err) json_object_set_new(answer, "workers", tf_remotes_list(remotes));
  return err;
}

/* ---- streams ---- */

/* The source of this name that can be told of streams. */
static tf_err_t find_feed(const tf_control_t *c, const char *name, tf_source_t **source) {
  const tf_engine_t        *e = c->config.engine;
  const char               *names[TF_SOURCES_MAX];
  static _Thread_local char texts[TF_SOURCES_MAX][TF_METRICS_NAME_BYTES];
  uint32_t                  cnt = 0;
  for (uint32_t i = 0; i < e->runner.acquire.source_cnt; i++) {
    *source = e->runner.acquire.sources[i];
    if (!e->publish.feeds[i] || !(*source)->ops->command) continue;
    names[cnt] = tf_metrics_block_name(e->publish.feeds[i], texts[cnt]);
    if (strcmp(names[cnt++], name) != 0) continue;
    if ((*source)->commanded_by) *source = (*source)->commanded_by;
    return TF_OK;
  }
  const char *near = cnt > 0 ? tf_nearest_name(name, names, cnt) : NULL;
  return TF_ERR(E_CONTROL_REQUEST, "no feed is called %.64s%s%s%s", name,
                near ? ", did you mean " : "", near ? near : "", near ? "?" : "");
}

static json_t *instrument_name(const tf_control_t *c, uint32_t id) {
  const tf_instruments_t *table = &c->config.engine->instruments;
  bool is_known = id < tf_load_acquire_u32(&table->cnt); /* pairs with: tf_symbols_add */
  return is_known ? json_string(table->rows[id].name) : json_null();
}

static json_t *channel_list(uint32_t channels) {
  json_t *list = json_array();
  for (uint32_t c = 0; c < TF_CHANNEL_CNT; c++)
    if (channels & 1u << c) json_array_append_new(list, json_string(tf_channel_name(c)));
  return list;
}

static double age_seconds(uint64_t now_ns, uint64_t then_ns) {
  return now_ns > then_ns ? (double)(now_ns - then_ns) * 1e-9 : 0.0;
}

static json_t *stream_row(const tf_control_t *c, const tf_source_stream_t *s, uint64_t now_ns) {
  static const char *const states[] = {
#define STATE_(id, name) name,
      TF_STREAM_STATES(STATE_)
#undef STATE_
  };
  json_t *row = json_object();
  json_object_set_new(row, "instrument", instrument_name(c, s->instrument_id));
  json_object_set_new(row, "channel",
                      json_string(tf_channel_name((uint32_t)__builtin_ctz(s->channel))));
  json_object_set_new(row, "state",
                      json_string(s->state < TF_STREAM_STATE_CNT ? states[s->state] : "?"));
  json_object_set_new(row, "request", json_integer((json_int_t)s->request_id));
  json_object_set_new(row, "tries", json_integer(s->try_cnt));
  json_object_set_new(row, "asked_age_seconds",
                      s->asked_ns ? json_real(age_seconds(now_ns, s->asked_ns)) : json_null());
  json_object_set_new(row, "data_age_seconds",
                      s->data_ns ? json_real(age_seconds(now_ns, s->data_ns)) : json_null());
  if (*s->refusal)
    json_object_set_new(row, "refusal", json_stringn(s->refusal, strlen(s->refusal)));
  return row;
}

/* One page in the answer; the client asks on from "next". */
static void put_streams(const tf_control_t *c, json_t *answer) {
  const tf_source_reply_t *r      = &c->reply;
  uint64_t                 now_ns = tf_clock_wall_ns();
  json_t                  *list   = json_array();
  for (uint32_t i = 0; i < r->stream_cnt; i++)
    json_array_append_new(list, stream_row(c, &r->streams[i], now_ns));
  json_object_set_new(answer, "streams", list);
  json_object_set_new(answer, "next",
                      r->next == UINT32_MAX ? json_null() : json_integer((json_int_t)r->next));
}

static tf_err_t tell_source(tf_control_t *c, const tf_control_request_t *r, json_t *answer) {
  static const uint8_t kinds[] = {[TF_CONTROL_COMMAND_SUBSCRIBE]   = TF_SOURCE_SUBSCRIBE,
                                  [TF_CONTROL_COMMAND_UNSUBSCRIBE] = TF_SOURCE_UNSUBSCRIBE,
                                  [TF_CONTROL_COMMAND_STREAMS]     = TF_SOURCE_STREAMS};
  command_t            command = {
                 .to_source = {.kind = kinds[r->command], .channels = r->channels, .from = r->from}
  };
  uint64_t unused;
  memcpy(command.to_source.symbol, r->symbol, sizeof command.to_source.symbol);
  tf_err_t err = find_feed(c, r->feed, &command.source);
  if (!err) err = send_command(c, &command, &unused);
  if (err) return err;
  if (c->reply.err) return TF_ERR(c->reply.err, "%s", c->reply.text);
  if (r->command == TF_CONTROL_COMMAND_STREAMS) {
    put_streams(c, answer);
    return TF_OK;
  }
  json_object_set_new(answer, "instrument", instrument_name(c, c->reply.instrument_id));
  json_object_set_new(answer, "channels", channel_list(c->reply.channels));
  return TF_OK;
}

/* ---- requests ---- */

/* As long as the longer of both, whatever they are: time tells nothing of the token. */
static bool same_token(const char *a, const char *b) {
  unsigned difference = 0;
  for (uint32_t i = 0; i < TOKEN_BYTES; i++) difference |= (unsigned char)(a[i] ^ b[i]);
  return difference == 0;
}

/* What crosses to acquire: one at a time, its answer read before the next is sent. */
static tf_err_t send_request(tf_control_t *c, const tf_control_request_t *r, json_t *answer) {
  bool is_event = r->command == TF_CONTROL_COMMAND_HALT ||
                  r->command == TF_CONTROL_COMMAND_RESUME ||
                  r->command == TF_CONTROL_COMMAND_POSITION;
  pthread_mutex_lock(&c->sending);
  tf_err_t err = is_event ? obey(c, r, answer) : tell_source(c, r, answer);
  pthread_mutex_unlock(&c->sending);
  return err;
}

/* One is begun; what became of it status tells. */
static tf_err_t ask_snapshot(const tf_control_t *c, json_t *answer) {
  tf_snapshot_live_t *live = c->config.engine->snapshots;
  if (!live)
    return TF_ERR(E_CONTROL_REQUEST,
                  "this engine takes no snapshots: engine.snapshot names no file");
  if (!tf_snapshot_live_request(live))
    return TF_ERR(
        E_CONTROL_REQUEST,
        "a snapshot is under way: its decisions are awaited in the sinks, or it is copied");
  json_object_set_new(answer, "snapshots", tf_control_snapshots(c->config.engine));
  return TF_OK;
}

static tf_err_t answer_request(tf_control_t *c, const char *line, size_t line_cnt, json_t *answer) {
  tf_control_request_t request;
  tf_err_t             err = tf_control_request_parse(line, line_cnt, &request);
  if (err) return err;
  if (*c->token && !same_token(c->token, request.token))
    return TF_ERR(E_CONTROL_DENIED,
                  "the token is missing or wrong: it stands in control.token_file");
  const char *name = tf_control_command_name(request.command);
  json_object_set_new(answer, "command", json_string(name));
  if (request.command == TF_CONTROL_COMMAND_STATUS) {
    tf_control_status(&(tf_control_status_t){c->config.engine, c->config.version, c->started_ns},
                      answer);
    return TF_OK;
  }
  if (request.command == TF_CONTROL_COMMAND_STREAMS) return send_request(c, &request, answer);
  bool is_list = !strcmp(request.verb, "list");
  if (request.command == TF_CONTROL_COMMAND_MODEL && is_list)
    return tell_models(c, &request, answer);
  if (request.command == TF_CONTROL_COMMAND_CACHE && is_list)
    return tell_cache(c, &request, answer);
  if (request.command == TF_CONTROL_COMMAND_WORKER && is_list)
    return tell_worker(c, &request, answer);
  tf_log(TF_LOG_NOTICE, "control",
         "command=%s instrument=%s feed=%s symbol=%s verb=%s model=%s key=%s", name,
         request.instrument, request.feed, request.symbol, request.verb, request.model,
         request.key);
  if (request.command == TF_CONTROL_COMMAND_CACHE) return tell_cache(c, &request, answer);
  if (request.command == TF_CONTROL_COMMAND_MODEL) return tell_models(c, &request, answer);
  if (request.command == TF_CONTROL_COMMAND_WORKER) return tell_worker(c, &request, answer);
  if (request.command == TF_CONTROL_COMMAND_SNAPSHOT) return ask_snapshot(c, answer);
  if (request.command == TF_CONTROL_COMMAND_DRAIN) {
    tf_engine_stop(c->config.engine);
    return TF_OK;
  }
  return send_request(c, &request, answer);
}

TF_STATIC_ASSERT(sizeof((tf_control_request_t){0}.token) == TOKEN_BYTES,
                 "tokens are compared whole");

size_t tf_control_answer(void *self, const char *line, size_t line_cnt, char *answer, size_t cap) {
  json_t  *object = json_object();
  tf_err_t err    = answer_request(self, line, line_cnt, object);
  json_object_set_new(object, "ok", json_boolean(err == TF_OK));
  if (err) {
    json_object_set_new(object, "code", json_string(tf_error_name(err)));
    json_object_set_new(object, "error", json_string(tf_error_text()));
  }
  size_t cnt = json_dumpb(object, answer, cap, JSON_COMPACT);
  json_decref(object);
  if (cnt > 0 && cnt <= cap) return cnt;
  return (size_t)snprintf(answer, cap,
                          "{\"ok\":false,\"code\":\"E_CONTROL_REQUEST\",\"error\":\"the "
                          "answer is too long\"}");
}

/* ---- lifetime ---- */

static tf_err_t read_token(tf_control_t *c, const char *path) {
  struct stat st;
  int         fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
  if (fd < 0 || fstat(fd, &st) != 0) {
    tf_err_t err = TF_ERR(E_FILE_OPEN, "control.token_file %s: %s", path, strerror(errno));
    if (fd >= 0) close(fd);
    return err;
  }
  ssize_t got = S_ISREG(st.st_mode) ? read(fd, c->token, sizeof c->token - 1) : -1;
  close(fd);
  if (st.st_uid != geteuid() || (st.st_mode & 077))
    return TF_ERR(E_CONTROL_DENIED,
                  "control.token_file %s: others may read it (owner %u, mode %04o): chown it to "
                  "yourself and chmod 600 it",
                  path, st.st_uid, st.st_mode & 07777);
  if (got > 0) c->token[strcspn(c->token, "\r\n")] = '\0';
  if (got <= 0 || strlen(c->token) < 16 || (size_t)got == sizeof c->token - 1)
    return TF_ERR(E_CONTROL_DENIED,
                  "control.token_file %s: a first line of 16 to %d characters is "
                  "wanted (openssl rand -hex 32)",
                  path, TOKEN_BYTES - 2);
  memset(c->token + strlen(c->token), 0, sizeof c->token - strlen(c->token));
  return TF_OK;
}

static tf_err_t make_ring(tf_control_t *c) {
  size_t bytes   = tf_ring_footprint(RING_SLOTS, sizeof(command_t));
  c->ring_memory = aligned_alloc(TF_LINE_PAIR_BYTES, bytes);
  if (!c->ring_memory) return TF_ERR(E_CORE_NO_MEMORY, "control: %zu bytes", bytes);
  tf_ring_t *ring = tf_ring_new(c->ring_memory, RING_SLOTS, sizeof(command_t));
  if (!ring) return tf_error_code();
  tf_ring_writer_init(&c->writer, ring);
  tf_ring_reader_init(&c->reader, ring);
  return TF_OK;
}

tf_err_t tf_control_start(const tf_control_config_t *config, tf_control_t **control) {
  *control        = NULL;
  tf_control_t *c = aligned_alloc(TF_LINE_PAIR_BYTES, tf_align_up(sizeof *c, TF_LINE_PAIR_BYTES));
  if (!c) return TF_ERR(E_CORE_NO_MEMORY, "control: %zu bytes", sizeof *c);
  memset(c, 0, sizeof *c);
  c->config            = *config;
  c->source.ops        = &control_ops;
  c->source.feed_state = TF_FEED_LIVE;
  c->source.is_aid     = true;
  c->started_ns        = tf_clock_monotonic_ns();
  pthread_mutex_init(&c->sending, NULL);
  tf_control_handler_t handler = {c, tf_control_answer};
  tf_err_t             err     = config->token_file ? read_token(c, config->token_file) : TF_OK;
  if (!err) err = make_ring(c);
  if (!err) err = tf_engine_add_source(config->engine, &c->source, "control");
  if (!err && config->path) err = tf_control_socket_start(config->path, &handler, &c->socket);
  if (err) {
    tf_control_stop(c);
    return err;
  }
  if (config->engine->model_server)
    tf_model_server_set_publisher(config->engine->model_server,
                                  (tf_model_publisher_t){c, publish_for_models});
  if (config->engine->model_places)
    tf_model_places_set_publisher(config->engine->model_places,
                                  (tf_model_publisher_t){c, publish_for_models});
  *control = c;
  return TF_OK;
}

void tf_control_stop(tf_control_t *c) {
  if (!c) return;
  tf_control_socket_counts_t n = {0};
  if (c->socket) {
    tf_control_socket_stop(c->socket, &n);
    tf_log(
        TF_LOG_INFO, "control_closed",
        "clients=%llu requests=%llu refused_full=%llu refused_uid=%llu too_long=%llu too_slow=%llu "
        "cut_short=%llu",
        (unsigned long long)n.clients, (unsigned long long)n.requests,
        (unsigned long long)n.refused_full, (unsigned long long)n.refused_uid,
        (unsigned long long)n.too_long, (unsigned long long)n.too_slow,
        (unsigned long long)n.cut_short);
  }
  explicit_bzero(c->token, sizeof c->token);
  pthread_mutex_destroy(&c->sending);
  free(c->ring_memory);
  free(c);
}
