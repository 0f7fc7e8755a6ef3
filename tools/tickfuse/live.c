#include "live.h"

#include <signal.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "boot/control.h"
#include "boot/outcomes.h"
#include "boot/remotes.h"
#include "boot/runtimes.h"
#include "boot/serving.h"
#include "boot/text_source.h"
#include "cli.h"
#include "core/clock.h"
#include "core/error.h"
#include "core/log.h"
#include "feed/key_file.h"
#include "feed/session.h"
#include "http/http.h"
#include "io/io.h"
#include "live_alarms.h"
#include "live_capture.h"
#include "live_intakes.h"
#include "live_lease.h"
#include "live_metadata.h"
#include "live_plan.h"
#include "live_routes.h"
#include "live_table.h"
#include "live_tape.h"
#include "live_ways.h"
#include "registry.h"
#include "summary.h"
#include "warm.h"

#define WAIT_NS   (20 * TF_NS_PER_MS)
#define FEEDS_MAX TF_ARRAY_CNT(((tf_config_t *)0)->feeds)

/* What the connections of one feed of the config share. */
typedef struct live_feed {
  const tf_feed_t *feed;

  tf_feed_key_t     *key;
  tf_budget_t       *budget; /* the venue's */
  tf_live_metadata_t metadata;
  tf_live_ways_t     ways;
  tf_ranks_feed_t    ranked; /* by its first connection's endpoints */
} live_feed_t;

typedef struct live {
  tf_arena_t   arena;
  tf_io_t     *io;
  tf_dialer_t *dialer;
  live_feed_t  feeds[FEEDS_MAX];
  uint32_t     feed_cnt;
  uint32_t     budget_cnt;
  struct {
    const tf_feed_t *feed;
    tf_budget_t      budget;
  } budgets[TF_LIVE_CONNECTIONS_MAX]; /* of the venues */

  tf_live_plan_t plan;
  tf_source_t   *sources[TF_LIVE_CONNECTIONS_MAX]; /* of the plan's rows */
  struct {
    char ws[8], rest[8];
  } ports[TF_LIVE_CONNECTIONS_MAX]; /* texts of the rows' */
  uint32_t source_cnt;

  tf_live_alarms_t alarms;
  tf_ranks_t       ranks;
  tf_live_routes_t routes;

  tf_live_intakes_t intakes;
  tf_bell_t         bell;

  tf_http_t    *http;
  tf_control_t *control;

  tf_live_capture_t capture;
  tf_live_tape_t    tape;
} live_t;

static tf_engine_t           engine;
static live_t                live;
static volatile sig_atomic_t signals;

static void on_signal(int signo) {
  (void)signo;
  if (signals++) _exit(128 + signo); /* a second signal does not wait */
  tf_engine_stop(&engine);
}

static const char *port_text(char buf[8], const tf_config_url_t *url) {
  snprintf(buf, 8, "%u", url->port);
  return buf;
}

/* The venue's budget of connections, one for all of its sessions. */
static tf_budget_t *budget_of(const tf_feed_t *feed) {
  uint32_t i = 0;
  while (i < live.budget_cnt && live.budgets[i].feed != feed) i++;
  if (i < live.budget_cnt) return &live.budgets[i].budget;
  TF_ASSERT(i < TF_ARRAY_CNT(live.budgets));
  live.budgets[live.budget_cnt++].feed = feed;
  tf_budget_init(&live.budgets[i].budget, feed->connects_per_5min_max);
  return &live.budgets[i].budget;
}

static void rest_from(tf_session_config_t *s, const tf_config_url_t *url, char port[8]) {
  s->rest_host  = url->host;
  s->rest_port  = port_text(port, url);
  s->rest_plain = !url->tls;
}

/* What is different where a connection stands in for the feed's own. */
static void stand_in(const tf_config_t *config, uint32_t row_idx, tf_session_config_t *s) {
  const tf_live_connection_t *row = &live.plan.rows[row_idx];
  const tf_config_fallback_t *f   = &config->feeds[row->feed_idx].fallbacks[row->fallback_idx];
  s->hosts                        = NULL;
  s->host_cnt                     = 0;
  s->ranking                      = NULL;
  if (row->kind == TF_ROUTE_VENUE) {
    s->target = s->rest_host = s->rest_port = NULL;
    s->rest_plain                           = false;
    s->feed_config.key                      = NULL;
    s->budget                               = budget_of(row->feed);
  }
  if (f->url.host) {
    s->host  = f->url.host;
    s->port  = port_text(live.ports[row_idx].ws, &f->url);
    s->plain = !f->url.tls;
  }
  if (f->rest.host) rest_from(s, &f->rest, live.ports[row_idx].rest);
}

static void session_config(const tf_config_t *config, uint32_t row_idx, tf_session_config_t *s) {
  const tf_live_connection_t *row = &live.plan.rows[row_idx];
  const tf_config_feed_t     *f   = &config->feeds[row->feed_idx];
  live_feed_t                *l   = &live.feeds[row->feed_idx];
  *s                              = (tf_session_config_t){
                                   .feed              = row->feed,
                                   .feed_config       = tf_live_plan_feed(row, f, &engine.instruments, l->key),
                                   .io                = live.io,
                                   .dialer            = live.dialer,
                                   .budget            = l->budget,
                                   .target            = f->path,
                                   .legs              = f->legs,
                                   .ca_file           = f->ca_file,
                                   .insecure          = f->insecure,
                                   .metadata          = f->instruments_file == NULL && row->asks_metadata,
                                   .cached            = &l->metadata.cached,
                                   .deflate           = f->deflate,
                                   .lost_books        = &engine.lost_books,
                                   .crossed_after_ns  = f->crossed_after_ns,
                                   .stale_after_ns    = f->stale_after_ns,
                                   .message_bytes_max = f->message_bytes_max,
                                   .events_cap        = config->engine.message_levels_max,
                                   .random            = {NULL, tf_ws_random_system},
                                   .tap               = tf_live_capture_tap(&live.capture),
                                   .tap_source_idx    = row_idx
  };
  s->feed_config.texts = tf_text_source_port(engine.texts);
  if (row->asks_metadata) s->metadata_refresh_ns = f->metadata_refresh_ns;
  tf_live_ways_apply(&l->ways, s);
  if (f->rest.host) rest_from(s, &f->rest, live.ports[row_idx].rest);
  if (row->kind != TF_ROUTE_PRIMARY) stand_in(config, row_idx, s);
}

/* What its connections will share: key, budget, what is known of its instruments. */
static tf_err_t prepare_feed(const tf_config_t *config, uint32_t i) {
  const tf_config_feed_t *f   = &config->feeds[i];
  live_feed_t            *l   = &live.feeds[i];
  tf_err_t                err = tf_engine_feed(tickfuse_registry(), f->venue, &l->feed);
  live.feed_cnt               = i + 1;
  if (!err && !tf_feed_is_dialed(l->feed)) return TF_OK;
  if (!err && f->instruments.item_cnt == 0)
    return TF_ERR(E_CONFIG_VALUE, "%s: feeds[%u].instruments: a live feed must name them",
                  config->path, i);
  if (!err) l->budget = budget_of(l->feed);
  if (!err && f->key_file) err = tf_key_file_load(f->key_file, &l->key);
  if (!err) err = tf_live_ways_init(&l->ways, f, l->feed);
  if (!err) err = tf_live_metadata_init(&l->metadata, config, f, l->feed);
  return err ? tf_error_add(err, "preparing the feed %s", f->name) : TF_OK;
}

static bool is_session(uint32_t row_idx) { return tf_feed_is_dialed(live.plan.rows[row_idx].feed); }

static tf_err_t start_intake(const tf_config_t *config, uint32_t i) {
  const tf_live_connection_t *row = &live.plan.rows[i];
  tf_err_t err = tf_live_intakes_start(&live.intakes, config, &live.plan, i, &engine.instruments,
                                       tf_live_capture_tap(&live.capture), &live.sources[i]);
  if (err) return err;
  live.source_cnt              = i + 1;
  live.sources[i]->is_required = config->feeds[row->feed_idx].required;
  return tf_engine_add_source(&engine, live.sources[i], row->name);
}

static tf_err_t start_connection(const tf_config_t *config, uint32_t i) {
  const tf_live_connection_t *row = &live.plan.rows[i];
  tf_session_config_t         session;
  if (!is_session(i)) return start_intake(config, i);
  session_config(config, i, &session);
  tf_err_t err = tf_session_init(&session, &live.arena, &live.sources[i]);
  if (err) return tf_error_add(err, "preparing the connection %s", row->name);
  live.source_cnt = i + 1;

  live.sources[i]->is_required =
      row->kind == TF_ROUTE_PRIMARY && config->feeds[row->feed_idx].required;
  bool            is_first = i == 0 || live.plan.rows[i - 1].feed_idx != row->feed_idx;
  tf_live_ways_t *ways     = &live.feeds[row->feed_idx].ways;
  if (is_first && row->kind == TF_ROUTE_PRIMARY) {
    live.feeds[row->feed_idx].ranked = tf_live_ways_ranked(ways, live.sources[i]);
    if (ways->host_cnt > 1) tf_ranks_add(&live.ranks, &live.feeds[row->feed_idx].ranked);
  }
  return tf_engine_add_source(&engine, live.sources[i], row->name);
}

static size_t live_arena_bytes(const tf_config_t *config, const tf_io_config_t *io) {
  size_t bytes = tf_io_arena_bytes(io) + (1 << 20);
  for (uint32_t i = 0; i < live.plan.cnt; i++) {
    tf_session_config_t session;
    if (!is_session(i)) continue;
    session_config(config, i, &session);
    bytes += tf_session_arena_bytes(&session);
  }
  return bytes;
}

static uint32_t pow2_from(uint32_t least) {
  uint32_t value = 64;
  while (value < least) value *= 2;
  return value;
}

/* Of each connection's legs and the one that replaces another. */
static uint32_t socket_cnt(const tf_config_t *config) {
  uint32_t cnt = 0;
  for (uint32_t i = 0; i < live.plan.cnt; i++)
    cnt += config->feeds[live.plan.rows[i].feed_idx].legs + 1;
  return cnt;
}

/* Room for each connection, its successor, and as many that are being closed. */
static tf_io_config_t io_config(const tf_config_t *config) {
  tf_io_config_t io    = tf_io_config_default();
  io.conns_max         = pow2_from(socket_cnt(config) + 1); /* the bell's */
  io.buffer_cnt        = pow2_from(4 * live.plan.cnt);
  io.busy_poll_us      = (uint32_t)(config->engine.busy_poll_ns / TF_NS_PER_US);
  io.kernel_timestamps = config->engine.kernel_timestamps;
  return io;
}

/* Of a lane that sleeps: who hands it something wakes it. */
static tf_err_t start_bell(const tf_config_t *config) {
  if (config->engine.idle != TF_CONFIG_IDLE_SLEEP) return TF_OK;
  tf_err_t err = tf_bell_init(&live.bell);
  if (!err) err = tf_acquire_wake_by(&engine.runner.acquire, &live.bell);
  live.intakes.bell = engine.runner.acquire.bell;
  return err;
}

static tf_err_t start_io(const tf_config_t *config) {
  tf_io_config_t io  = io_config(config);
  tf_err_t       err = tf_arena_init(&live.arena, "feeds", live_arena_bytes(config, &io));
  if (!err) err = tf_io_open((tf_io_kind_t)config->engine.io, &io, &live.arena, &live.io);
  if (err) return err;
  tf_log(TF_LOG_INFO, "io_open", "backend=%s fallback=\"%s\"", live.io->ops->name,
         tf_io_fallback_reason());
  if (tf_io_refusals()[0]) tf_log(TF_LOG_WARN, "io_refused", "text=\"%s\"", tf_io_refusals());
  tf_engine_set_io(&engine, live.io);
  err = start_bell(config);
  if (err) return err;
  tf_dialer_config_t dialer = tf_dialer_config_default();
  return tf_dialer_start(&dialer, &live.dialer);
}

static tf_err_t start_feeds(const tf_config_t *config) {
  if (config->feed_cnt == 0)
    return TF_ERR(E_CONFIG_VALUE, "%s: feeds: at least one is wanted for a live run", config->path);
  tf_err_t err = TF_OK;
  for (uint32_t i = 0; i < config->feed_cnt && !err; i++) err = prepare_feed(config, i);
  if (!err) err = start_io(config);
  for (uint32_t i = 0; i < live.plan.cnt && !err; i++) err = start_connection(config, i);
  for (uint32_t i = 0; i < config->feed_cnt && !err; i++)
    if (tf_feed_is_dialed(live.feeds[i].feed))
      err = tf_live_metadata_load(&live.feeds[i].metadata, &config->feeds[i], &engine.instruments);
  if (!err)
    err = tf_live_routes_start(&live.routes, config, &live.plan, live.sources, &engine,
                               tf_live_capture_tap(&live.capture));
  return err;
}

TF_STATIC_ASSERT((int)TF_IO_AUTO == (int)TF_CONFIG_IO_AUTO &&
                     (int)TF_IO_EPOLL == (int)TF_CONFIG_IO_EPOLL,
                 "the config's io words are the loop's");

static void stop_feeds(void) {
  tf_ranks_stop(&live.ranks);
  for (uint32_t i = 0; i < live.source_cnt; i++)
    if (is_session(i)) tf_session_fini(live.sources[i]);
  tf_live_intakes_stop(&live.intakes);
  tf_live_routes_stop(&live.routes);
  tf_live_plan_fini(&live.plan);
  for (uint32_t i = 0; i < live.feed_cnt; i++) {
    tf_live_metadata_fini(&live.feeds[i].metadata);
    tf_key_file_release(live.feeds[i].key);
    tf_live_ways_fini(&live.feeds[i].ways);
  }
  tf_dialer_stop(live.dialer);
  tf_io_fini(live.io);
  tf_bell_fini(&live.bell);
  tf_arena_fini(&live.arena);
}

/* A stream of a connection that the venue refused, or that stays silent. */
static bool names_stream_down(uint32_t i, char reason[TF_HTTP_REASON_BYTES]) {
  uint32_t          instrument_id, channel;
  tf_stream_state_t state;
  char              name[TF_METRICS_NAME_BYTES];
  if (!is_session(i)) return false;
  if (!tf_session_stream_down(live.sources[i], &instrument_id, &channel, &state)) return false;
  /* pairs with: tf_symbols_add */
  uint32_t cnt = tf_load_acquire_u32(&engine.instruments.cnt);
  snprintf(reason, TF_HTTP_REASON_BYTES, "feed %s: %s of %s is %s",
           tf_metrics_block_name(engine.publish.feeds[i], name), tf_stream_channel_name(channel),
           instrument_id < cnt ? engine.instruments.rows[instrument_id].name : "an instrument",
           tf_stream_state_name(state));
  return true;
}

/* A model whose runtime does not answer: what stands in for it decides. */
static bool workers_answer(char reason[TF_HTTP_REASON_BYTES]) {
  char name[TF_METRICS_NAME_BYTES];
  for (uint32_t i = 0; engine.remotes && i < TF_MODELS_MAX; i++) {
    const tf_metrics_block_t *b = engine.publish.models[i];
    if (!b || tf_metrics_get(b, TF_METRIC_MODEL_WORKER_STARTS) == 0) continue;
    uint64_t state = tf_metrics_get(b, TF_METRIC_MODEL_WORKER_STATE);
    if (state == TF_CHILD_SERVING) continue;
    snprintf(reason, TF_HTTP_REASON_BYTES, "model %s: its worker does not answer, it is %s",
             tf_metrics_block_name(b, name), tf_remotes_state_name(state));
    return false;
  }
  return true;
}

static bool runtimes_answer(char reason[TF_HTTP_REASON_BYTES]) {
  char name[TF_METRICS_NAME_BYTES];
  for (uint32_t i = 0; i < TF_MODELS_MAX; i++) {
    const tf_metrics_block_t *b = engine.publish.models[i];
    uint64_t breaker = b ? tf_metrics_get(b, TF_METRIC_MODEL_BREAKER) : TF_RUNTIME_CLOSED;
    if (breaker == TF_RUNTIME_CLOSED) continue;
    snprintf(reason, TF_HTTP_REASON_BYTES,
             "model %s: its runtime does not answer, the breaker is %s",
             tf_metrics_block_name(b, name), tf_runtimes_state_name(breaker));
    return false;
  }
  return true;
}

/* /healthz: every connection that serves is LIVE, with all its streams, and every runtime answers, or the reason why not. HTTP's own
 * thread: reads the metrics page, and words made for any thread. */
static bool healthy(void *self, char reason[TF_HTTP_REASON_BYTES]) {
  (void)self;
  for (uint32_t i = 0; i < TF_SOURCES_MAX; i++) {
    const tf_metrics_block_t *b = engine.publish.feeds[i];
    if (!b || tf_metrics_get(b, TF_METRIC_FEED_STANDBY)) continue;
    char     name[TF_METRICS_NAME_BYTES];
    uint64_t state   = tf_metrics_get(b, TF_METRIC_FEED_STATE);
    bool     is_down = state == TF_FEED_LIVE && i < live.source_cnt && names_stream_down(i, reason);
    if (is_down) return false;
    if (state == TF_FEED_LIVE) continue;
    snprintf(reason, TF_HTTP_REASON_BYTES, "feed %s is %s%s", tf_metrics_block_name(b, name),
             tf_live_table_state(state),
             tf_metrics_get(b, TF_METRIC_FEED_BROKEN) ? ": the venue refused it for good" : "");
    return false;
  }
  return runtimes_answer(reason) && workers_answer(reason);
}

static tf_err_t start_http(const tf_config_t *config) {
  if (!config->http.listen.host) return TF_OK;
  static char hash[17];
  snprintf(hash, sizeof hash, "%016llx", (unsigned long long)config->hash);
  tf_http_config_t http = {.host        = config->http.listen.host,
                           .port        = config->http.listen.port,
                           .metrics     = engine.publish.page,
                           .version     = TF_VERSION,
                           .config_hash = hash,
                           .healthy     = healthy};
  tf_err_t         err  = tf_http_start(&http, &live.http);
  if (!err)
    tf_log(TF_LOG_NOTICE, "http_listening", "url=http://%s:%u/", config->http.listen.host,
           tf_http_port(live.http));
  return err;
}

/* Do all sources bring the first event that there ever was? Of those that keep their events. */
static bool begins_at_first(const tf_config_t *config) {
  for (uint32_t i = 0; i < live.plan.cnt; i++)
    if (strcmp(config->feeds[live.plan.rows[i].feed_idx].start, "all") != 0) return false;
  return true;
}

/* A source begins behind its position; where a snapshot has none, and all bring their first event again, that is passed over. */
static tf_err_t go_on(const tf_config_t *config) {
  bool is_exact = config->engine.snapshot_restore == TF_CONFIG_RESTORE_EXACT;
  bool brings = is_exact && begins_at_first(config), seeks = false;
  for (uint32_t i = 0; i < live.plan.cnt; i++)
    seeks |= tickfuse_warm_position(config, live.plan.rows[i].name) > 0;
  return tickfuse_warm_continue(&engine, brings && !seeks, brings);
}

/* What a venue sent while nobody listened is gone: books that were kept would have holes. */
static tf_err_t check_exact(const tf_config_t *config) {
  char where[256];
  bool is_exact = config->engine.snapshot_restore == TF_CONFIG_RESTORE_EXACT;
  for (uint32_t i = 0; is_exact && i < live.plan.cnt; i++) {
    if (!tf_feed_is_dialed(live.plan.rows[i].feed)) continue;
    return TF_ERR(
        E_CONFIG_CONFLICT,
        "%s: exact wants sources that bring the events behind the snapshot; feed %s is a live "
        "venue's: say learnt",
        tf_config_where(config, "engine.snapshot_restore", where, sizeof where),
        live.plan.rows[i].name);
  }
  return TF_OK;
}

/* Of a group, and all that it reads stays in brokers' streams: held up, it loses nothing, and its successor would not make again
 * what it dropped. */
static bool may_hold_lane(const tf_config_t *config, const tf_live_options_t *options) {
  bool may = options->epoch != 0;
  for (uint32_t i = 0; i < config->feed_cnt; i++) may &= tf_live_intakes_keep(&config->feeds[i]);
  return may;
}

static tf_err_t start_control(const tf_config_t *config) {
  if (!config->control.path && !tf_serving_wants_control(config) && !tf_engine_continues(&engine))
    return TF_OK;
  tf_control_config_t control = {.engine     = &engine,
                                 .version    = TF_VERSION,
                                 .path       = config->control.path,
                                 .token_file = config->control.token_file,
                                 .tap        = tf_live_capture_tap(&live.capture)};
  tf_err_t            err     = tf_control_start(&control, &live.control);
  if (!err && config->control.path)
    tf_log(TF_LOG_NOTICE, "control_listening", "path=%s", config->control.path);
  return err;
}

/* jemalloc's, in builds that have it. */
extern int mallctl(const char *name, void *old, size_t *old_bytes, void *value, size_t value_bytes)
    __attribute__((weak));

static uint64_t heap_stat(const char *name) {
  size_t value = 0, bytes = sizeof value;
  return mallctl && mallctl(name, &value, &bytes, NULL, 0) == 0 ? value : 0;
}

static void publish_heap(void) {
  uint64_t epoch = 1; /* jemalloc's figures stand still until it is told to look again */
  size_t   bytes = sizeof epoch;
  if (mallctl) mallctl("epoch", &epoch, &bytes, &epoch, bytes);
  tf_publish_control(&engine.publish, heap_stat("stats.allocated"), heap_stat("stats.resident"));
}

/* On a terminal over itself, else not at all: a log wants the summary. */
static void draw_progress(uint64_t elapsed_ns) {
  if (!isatty(STDOUT_FILENO)) return;
  printf("\r");
  tf_live_capture_progress(&live.capture, elapsed_ns, stdout);
  printf("\033[K");
  fflush(stdout);
}

/* Until a signal, the time, or the end of the engine by itself. */
static void wait_for_end(const tf_live_options_t *options) {
  uint64_t begin_ns = tf_clock_monotonic_ns(), drawn_ns = 0;
  bool     is_over = false;
  while (tf_engine_is_running(&engine)) {
    uint64_t now_ns  = tf_clock_monotonic_ns();
    bool     is_due  = now_ns - drawn_ns >= TF_NS_PER_SEC;
    bool     is_last = options->run_ns && now_ns - begin_ns >= options->run_ns;
    if (!is_over && !signals && (is_due || is_last)) {
      publish_heap();
      tf_live_alarms_tick(&live.alarms, engine.publish.page);
      tf_live_capture_publish(&live.capture, &engine.publish);
      tf_live_intakes_publish(&live.intakes, &engine.publish);
      tf_text_source_publish(engine.texts, &engine.publish);
      if (options->recording && !options->json) draw_progress(now_ns - begin_ns);
      for (uint32_t i = 0; i < live.feed_cnt; i++)
        tf_live_metadata_tick(&live.feeds[i].metadata, &engine.instruments);
      if (options->table) tf_live_table_draw(&engine, live.source_cnt, now_ns - begin_ns);
      drawn_ns = now_ns;
    }
    if (is_last && !is_over) {
      is_over = true;
      tf_engine_stop(&engine);
    }
    tf_live_lease_tell(&engine);
    nanosleep(&(struct timespec){.tv_nsec = WAIT_NS}, NULL);
  }
}

static void report_troubles(void) {
  for (uint32_t i = 0; i < live.source_cnt; i++) {
    if (!is_session(i)) continue;
    const char *trouble = tf_session_trouble(live.sources[i]);
    if (trouble && *trouble && !strstr(trouble, "stopped")) /* our own stop is none */
      fprintf(stderr, "tickfuse: feed %s: last trouble: %s\n", live.plan.rows[i].name, trouble);
  }
}

static void report(const tf_live_options_t *options) {
  if (options->json) {
    json_t *json = tf_summary_json(&engine), *capture = tf_live_capture_json(&live.capture);
    json_t *tape = tf_live_tape_json(&live.tape);
    if (capture) json_object_set_new(json, "capture", capture);
    if (tape) json_object_set_new(json, "tape", tape);
    json_t *intakes = tf_live_intakes_json(&live.intakes);
    if (intakes) json_object_set_new(json, "intakes", intakes);
    json_dumpf(json, stdout, JSON_INDENT(1) | JSON_REAL_PRECISION(9));
    printf("\n");
    json_decref(json);
  } else {
    printf("\n");
    tf_live_capture_print(&live.capture, stdout);
    tf_live_tape_print(&live.tape, stdout);
    tf_live_intakes_print(&live.intakes, stdout);
    tf_summary_print(&engine, stdout);
  }
  tf_summary_print_rejects(&engine);
}

static int run(const tf_config_t *config, const tf_live_options_t *options) {
  tf_engine_options_t engine_options = {.epoch      = options->epoch,
                                        .holds_lane = may_hold_lane(config, options)};
  (void)tickfuse_warm_versions(config, &engine_options);
  tf_err_t err = tf_engine_init(&engine, config, tickfuse_registry(), &engine_options);
  if (!err) err = tf_live_plan_make(&live.plan, config);
  if (!err) err = check_exact(config);
  if (!err)
    err = tf_live_capture_start(&live.capture, config, &live.plan, options->capture,
                                options->recording);
  if (!err) err = tf_live_tape_start(&live.tape, &engine, options->tape);
  if (!err)
    err = tf_text_source_open(&engine, TF_TEXT_MODE_LIVE, tf_live_capture_tap(&live.capture));
  live.intakes.texts = tf_text_source_port(engine.texts);
  if (!err) err = start_feeds(config);
  if (!err) err = tf_ranks_start(&live.ranks, live.dialer);
  if (!err) err = tf_runtimes_open(&engine, tf_live_capture_tap(&live.capture));
  if (!err) err = tf_text_source_join(&engine);
  if (!err) err = tf_remotes_open(&engine);
  if (!err) err = tf_outcomes_open(&engine, tf_live_capture_tap(&live.capture));
  if (!err) err = go_on(config);
  if (!err) err = start_control(config);
  if (!err) err = start_http(config);
  if (!err) err = tickfuse_warm_begin(&engine, true);
  if (!err) err = tickfuse_warm_watch(&engine);
  if (err) return tf_cli_fail(err);
  signal(SIGINT, on_signal);
  signal(SIGTERM, on_signal);
  err = tf_engine_start(&engine);
  if (err) return tf_cli_fail(err);
  wait_for_end(options);
  err = tf_engine_join(&engine);
  tf_live_intakes_close(&live.intakes);
  tf_err_t kept = tickfuse_warm_end(&engine);
  if (kept)
    tf_log(TF_LOG_ERROR, "snapshot_not_written", "code=%s text=\"%s\"", tf_error_name(kept),
           tf_error_text());
  tf_live_capture_stop(&live.capture);
  tf_live_tape_stop(&live.tape);
  report(options);
  report_troubles();
  if (live.capture.err)
    fprintf(stderr, "tickfuse: %s: %s\n", tf_error_name(live.capture.err), live.capture.err_text);
  if (live.tape.err)
    fprintf(stderr, "tickfuse: %s: %s\n", tf_error_name(live.tape.err), live.tape.err_text);
  if (!err) return live.capture.err || live.tape.err ? TF_EXIT_FAILED : TF_EXIT_DONE;
  const tf_acquire_t *a         = &engine.runner.acquire;
  const char         *sink_text = tf_emit_broken_text(&engine.runner.emit);
  fprintf(stderr, "tickfuse: %s: %s\n", tf_error_name(err),
          a->failed   ? a->failed_text
          : sink_text ? sink_text
                      : tf_error_text());
  return TF_EXIT_FAILED;
}

int tf_live_run(const tf_config_t *config, const tf_live_options_t *options) {
  int code = run(config, options);
  if (live.http) tf_http_stop(live.http);
  tf_live_capture_stop(&live.capture);
  tf_live_tape_stop(&live.tape);
  tf_control_stop(live.control);
  stop_feeds();
  tf_engine_fini(&engine);
  return code;
}

static int measure_endpoints(const tf_config_t *config, bool json) {
  static tf_ranker_row_t rows[TF_ENDPOINTS_MAX];
  json_t                *list = json_array();
  int                    code = TF_EXIT_DONE;
  for (uint32_t i = 0; i < config->feed_cnt; i++) {
    tf_live_ways_t *w = &live.feeds[i].ways;
    if (!tf_feed_is_dialed(live.feeds[i].feed)) continue;
    uint8_t  best_first[TF_ENDPOINTS_MAX];
    tf_err_t err = tf_ranks_measure(&live.feeds[i].ranked, live.dialer, NULL, rows, best_first);
    if (err) return json_decref(list), tf_cli_fail(err);
    if (json)
      json_array_append_new(list, tf_live_ways_json(w, rows, best_first));
    else
      tf_live_ways_print(w, rows, best_first, stdout);
    if (rows[best_first[0]].err) code = TF_EXIT_FAILED;
  }
  if (json) {
    json_dumpf(list, stdout, JSON_INDENT(1));
    printf("\n");
  }
  json_decref(list);
  return code;
}

int tf_live_endpoints(const tf_config_t *config, bool json) {
  const tf_engine_options_t options = {.is_check = true};
  tf_err_t                  err = tf_engine_init(&engine, config, tickfuse_registry(), &options);
  if (!err) err = tf_live_plan_make(&live.plan, config);
  if (!err) err = start_feeds(config);
  int code = err ? tf_cli_fail(err) : measure_endpoints(config, json);
  stop_feeds();
  tf_engine_fini(&engine);
  return code;
}
