#include <string.h>
#include <strings.h>

#include "core/error.h"
#include "core/log.h"
#include "feed/session_state.h"

/* Of the venue's rate that is used. What is sent evenly arrives in heaps: of texts sent 200 ms apart, six were
 * seen within 0.9 s by a peer on a busy host, one more than the venue takes. */
#define PACE_PERCENT           80u
#define DRAIN_NS               (500 * TF_NS_PER_MS)
#define LEAD_NS_MAX            (600 * TF_NS_PER_SEC)
#define EVENTS_CAP_DEFAULT     65536u
#define SNAPSHOTS_DEFAULT      1024u
#define SUBSCRIBE_DEFAULT      65536u
#define PING_IDLE_DEFAULT      (750 * TF_NS_PER_MS)
#define PONG_WAIT_DEFAULT      (1200 * TF_NS_PER_MS)
#define PING_BUSY_DEFAULT      (15 * TF_NS_PER_SEC)
#define PONG_BUSY_DEFAULT      (5 * TF_NS_PER_SEC)
#define OVERLAP_DEFAULT        (1000 * TF_NS_PER_MS)
#define TAKE_OVER_DEFAULT      (30 * TF_NS_PER_SEC)
#define REST_GAP_DEFAULT       (500 * TF_NS_PER_MS)
#define CROSSED_AFTER_DEFAULT  (500 * TF_NS_PER_MS)
#define DATA_SILENCE_A_SILENCE 5u
#define EVENTS_CAP_MAX         (1u << 24)
#define SNAPSHOTS_MAX          (1u << 20)

const tf_session_counts_t *tf_session_counts(tf_source_t *source) {
  tf_session_t         *s = (tf_session_t *)source;
  tf_session_counts_t  *c = &s->counts;
  const tf_snapshots_t *n = &s->snapshots;
  c->snapshots_asked      = n->asked_cnt;
  c->snapshots_taken      = n->taken_cnt;
  c->snapshots_failed     = n->failed_cnt;
  c->snapshots_late       = n->late_cnt;
  c->snapshots_dropped    = n->dropped_cnt;
  c->resync_queued        = n->cnt;
  c->pings_rx = c->pongs_tx = c->pings_tx = 0;
  for (uint32_t i = 0; i < s->leg_cnt; i++) {
    const tf_session_leg_t *leg = &s->legs[i];
    c->pings_rx += leg->link.pings_rx;
    c->pongs_tx += leg->link.pongs_tx;
    c->pings_tx += leg->link.pings_tx;
    c->resync_queued += leg->streams.resyncing_cnt;
  }
  tf_session_count_streams(s);
  c->streams           = s->source.streams;
  c->metadata_given_up = n->metadata_given_up;
  return c;
}

const char *tf_session_trouble(const tf_source_t *source) {
  return ((const tf_session_t *)source)->trouble;
}

uint64_t tf_session_retry_due_ns(const tf_source_t *source) {
  const tf_session_t *s   = (const tf_session_t *)source;
  uint64_t            due = 0;
  for (uint32_t i = 0; i < s->leg_cnt; i++) {
    uint64_t leg_due = s->legs[i].is_wanted ? s->legs[i].retry_due_ns : 0;
    if (leg_due != 0 && (due == 0 || leg_due < due)) due = leg_due;
  }
  return due;
}

static tf_session_config_t with_defaults(const tf_session_config_t *given) {
  tf_session_config_t c = *given;
  const tf_feed_t    *f = c.feed;
  if (!c.host) c.host = f->ws_host;
  if (!c.port) c.port = f->ws_port;
  if (!c.rest_host) c.rest_host = f->rest_host;
  if (!c.rest_port) c.rest_port = f->rest_port;
  if (!c.message_bytes_max) c.message_bytes_max = f->message_bytes_max;
  if (!c.message_bytes_max) c.message_bytes_max = TF_WS_MESSAGE_BYTES_MAX_DEFAULT;
  if (!c.overlap_ns) c.overlap_ns = OVERLAP_DEFAULT;
  if (!c.overlap_bytes_max) c.overlap_bytes_max = 2 * c.message_bytes_max;
  if (!f->sequences_are_shared) c.overlap_bytes_max = 0; /* a newcomer disturbs nobody */
  if (!c.take_over_ns_max) c.take_over_ns_max = TAKE_OVER_DEFAULT;
  if (!c.legs) c.legs = 1;
  if (!c.events_cap) c.events_cap = EVENTS_CAP_DEFAULT;
  if (!c.snapshots_queued_max) c.snapshots_queued_max = SNAPSHOTS_DEFAULT;
  if (!c.subscribe_bytes_max) c.subscribe_bytes_max = SUBSCRIBE_DEFAULT;
  if (!c.ping_idle_ns) c.ping_idle_ns = PING_IDLE_DEFAULT;
  if (c.ping_idle_ns == UINT64_MAX) c.ping_idle_ns = 0;
  if (!c.pong_wait_ns) c.pong_wait_ns = PONG_WAIT_DEFAULT;
  if (!c.ping_busy_ns) c.ping_busy_ns = PING_BUSY_DEFAULT;
  if (!c.pong_busy_ns) c.pong_busy_ns = PONG_BUSY_DEFAULT;
  if (!c.silence_ns) c.silence_ns = f->silence_ns_max;
  if (!c.data_silence_ns) c.data_silence_ns = c.silence_ns * DATA_SILENCE_A_SILENCE;
  if (!c.crossed_after_ns) c.crossed_after_ns = CROSSED_AFTER_DEFAULT;
  if (!c.rest_gap_ns) c.rest_gap_ns = REST_GAP_DEFAULT;
  if (!c.rollover_lead_ns) {
    uint64_t tenth     = f->session_life_ns_max / 10;
    c.rollover_lead_ns = tenth < LEAD_NS_MAX ? tenth : LEAD_NS_MAX;
  }
  if (!c.backoff.base_ns) c.backoff = tf_backoff_config_default();
  return c;
}

static tf_link_config_t link_config_of(const tf_session_config_t *c) {
  uint32_t rate = c->feed->subscribe_rate_hz_max;
  return (tf_link_config_t){.message_bytes_max = c->message_bytes_max,
                            .fragments_max     = c->fragments_max,
                            .client_gap_ns = rate ? 100 * TF_NS_PER_SEC / (PACE_PERCENT * rate) : 0,
                            .pong_gap_ns   = TF_SESSION_PONG_GAP_NS,
                            .ping_idle_ns  = c->ping_idle_ns,
                            .pong_wait_ns  = c->pong_wait_ns,
                            .ping_busy_ns  = c->ping_idle_ns ? c->ping_busy_ns : 0,
                            .pong_busy_ns  = c->pong_busy_ns,
                            .silence_ns    = c->silence_ns,
                            .data_silence_ns = c->data_silence_ns,
                            .drain_ns        = DRAIN_NS,
                            .send_bytes_max  = c->subscribe_bytes_max,
                            .deflate         = c->deflate,
                            .random          = c->random};
}

static tf_streams_config_t streams_config_of(const tf_session_config_t *c) {
  const tf_feed_config_t *f   = &c->feed_config;
  uint32_t                cap = f->symbol_cnt > f->symbols_max ? f->symbol_cnt : f->symbols_max;
  return (tf_streams_config_t){.feed           = c->feed,
                               .symbol_cap     = cap > 0 ? cap : 1,
                               .instrument_cap = f->instruments ? f->instruments->cap : 1};
}

/* One more than are wanted: it comes before another goes. */
static tf_legs_config_t merge_config_of(const tf_session_config_t *c) {
  return (tf_legs_config_t){.feed        = c->feed,
                            .feed_config = &c->feed_config,
                            .leg_cnt     = c->legs + 1,
                            .races       = c->legs > 1};
}

size_t tf_session_arena_bytes(const tf_session_config_t *given) {
  tf_session_config_t c           = with_defaults(given);
  tf_link_config_t    link_config = link_config_of(&c);
  tf_streams_config_t streams     = streams_config_of(&c);
  tf_legs_config_t    merge       = merge_config_of(&c);
  return sizeof(tf_session_t) + tf_legs_footprint(&merge) +
         (size_t)c.events_cap * sizeof(tf_event_t) + c.subscribe_bytes_max +
         merge.leg_cnt * (tf_link_arena_bytes(&link_config) + tf_streams_arena_bytes(&streams)) +
         tf_snapshots_arena_bytes(c.snapshots_queued_max) +
         tf_book_watch_arena_bytes(streams.instrument_cap) + c.overlap_bytes_max +
         9 * TF_LINE_PAIR_BYTES;
}

static uint32_t host_cnt_of(const tf_session_config_t *c) {
  return c->host_cnt > 0 ? c->host_cnt : 1;
}

const tf_endpoint_t *tf_session_endpoints(const tf_source_t *source, uint32_t *endpoint_cnt) {
  const tf_session_t *s = (const tf_session_t *)source;
  *endpoint_cnt         = host_cnt_of(&s->config);
  return s->endpoints;
}

const char *tf_session_target(const tf_source_t *source) {
  return ((const tf_session_t *)source)->legs[0].link.dial.target;
}

static tf_err_t endpoint_set(tf_session_t *s, tf_endpoint_t *e, const char *host, const char *port,
                             const tf_tls_ctx_t *tls_ctx) {
  if (!host || !port || strlen(host) >= sizeof e->host || strlen(port) >= sizeof e->port)
    return TF_ERR(E_CORE_ARGUMENT,
                  "host \"%.80s\", port \"%.16s\": a name of at most %zu bytes and "
                  "a port number are needed",
                  host ? host : "", port ? port : "", sizeof e->host - 1);
  snprintf(e->host, sizeof e->host, "%s", host);
  snprintf(e->port, sizeof e->port, "%s", port);
  e->tls_ctx = tls_ctx;
  e->via     = s->config.via;
  return TF_OK;
}

static tf_err_t tls_init(tf_session_t *s, bool is_plain) {
  const tf_session_config_t *c      = &s->config;
  tf_tls_client_config_t     config = {.ca_file = c->ca_file, .insecure = c->insecure};
  tf_err_t                   err    = TF_OK;
  if (!is_plain) err = tf_tls_ctx_init_client(&s->tls_ctx, &config);
  if (err == TF_OK && !c->rest_plain) err = tf_tls_ctx_init_client(&s->rest_tls_ctx, &config);
  if (c->insecure && !(is_plain && c->rest_plain))
    tf_log(TF_LOG_WARN, "tls_insecure", "venue=%s host=%s certificate=unverified", c->feed->venue,
           c->host_cnt > 0 ? c->hosts[0].host : c->host);
  return err;
}

static tf_err_t endpoints_init(tf_session_t *s) {
  const tf_session_config_t *c        = &s->config;
  const tf_session_host_t    one      = {c->host, c->port, c->plain};
  const tf_session_host_t   *hosts    = c->host_cnt > 0 ? c->hosts : &one;
  uint32_t                   cnt      = host_cnt_of(c);
  bool                       is_plain = true;
  TF_ASSERT(cnt <= TF_ENDPOINTS_MAX && (!c->ranking || c->ranking->cnt == cnt));
  for (uint32_t i = 0; i < cnt; i++) is_plain = is_plain && hosts[i].plain;
  tf_err_t err = tls_init(s, is_plain);
  for (uint32_t i = 0; i < cnt && err == TF_OK; i++) {
    err                    = endpoint_set(s, &s->endpoints[i], hosts[i].host, hosts[i].port,
                       hosts[i].plain ? NULL : &s->tls_ctx);
    s->endpoints[i].budget = c->budget;
  }
  if (err != TF_OK) return err;
  return endpoint_set(s, &s->rest_endpoint, c->rest_host ? c->rest_host : hosts[0].host,
                      c->rest_port ? c->rest_port : hosts[0].port,
                      c->rest_plain ? NULL : &s->rest_tls_ctx);
}

/* The venue's target does not change: asked for once, so that a config that cannot work is refused at
 * start. */
static tf_err_t target_init(tf_session_t *s) {
  char  *target = s->legs[0].link.dial.target;
  size_t cap    = sizeof s->legs[0].link.dial.target;
  size_t cnt;
  if (s->config.target)
    cnt = (size_t)snprintf(target, cap, "%s", s->config.target);
  else
    cnt = s->feed->ws_target(tf_session_state(s, &s->legs[0]), target, cap);
  if (cnt == 0) return tf_error_add(E_FEED_LIMIT, "asking feed %s for its target", s->feed->venue);
  if (cnt >= cap)
    return TF_ERR(E_FEED_LIMIT,
                  "feed %s: a target of %zu bytes, %zu are allowed: spread the "
                  "instruments over several feeds",
                  s->feed->venue, cnt, cap - 1);
  for (uint32_t i = 1; i < s->leg_cnt; i++) memcpy(s->legs[i].link.dial.target, target, cnt + 1);
  return TF_OK;
}

/* The instrument of a config's symbol, where the feed does not say: by its name. */
static uint32_t instrument_of(const tf_session_t *s, const char *symbol) {
  const tf_instruments_t *table = s->config.feed_config.instruments;
  char                    name[TF_INSTRUMENT_NAME_BYTES];
  snprintf(name, sizeof name, "%s.%s", symbol, s->feed->suffix);
  for (uint32_t id = 0; table != NULL && id < table->cnt; id++)
    if (strcasecmp(table->rows[id].name, name) == 0) return id;
  return UINT32_MAX;
}

/* The streams of one leg: what the config wants, as its decoder numbers it. */
static tf_err_t streams_init(tf_session_t *s, tf_session_leg_t *leg, tf_arena_t *arena) {
  const tf_feed_config_t *f      = &s->config.feed_config;
  tf_streams_config_t     config = streams_config_of(&s->config);
  config.feed_state              = tf_session_state(s, leg);
  config.port.self               = &leg->link;
  config.port.send               = tf_session_send;
  if (!tf_session_in_band(s)) config.port.want_snapshot = tf_session_want_snapshot;
  tf_err_t err = tf_streams_init(&leg->streams, &config, arena);
  for (uint32_t i = 0; i < f->symbol_cnt && err == TF_OK; i++) {
    uint32_t symbol = i, instrument_id = UINT32_MAX;
    if (s->feed->symbol != NULL)
      err = s->feed->symbol(config.feed_state, f->symbols[i], &symbol, &instrument_id);
    else
      instrument_id = instrument_of(s, f->symbols[i]);
    if (err == TF_OK) tf_streams_want(&leg->streams, symbol, instrument_id, f->channels, 0);
  }
  return err;
}

static tf_err_t legs_init(tf_session_t *s, tf_arena_t *arena) {
  const tf_session_config_t *c           = &s->config;
  tf_link_handler_t          handler     = tf_session_link_handler(s);
  tf_link_config_t           link_config = link_config_of(c);
  tf_legs_config_t           merge       = merge_config_of(c);
  tf_legs_handler_t          on_merged   = tf_session_merge_handler(s);
  void *room = tf_arena_take(arena, tf_legs_footprint(&merge), TF_LINE_PAIR_BYTES);
  if (!room) return tf_error_add(E_CORE_ARENA_FULL, "making a session of %s", c->feed->venue);
  tf_err_t err = tf_legs_init(&s->merge, &merge, &s->out, &on_merged, room);
  for (uint32_t i = 0; i < s->leg_cnt && err == TF_OK; i++) {
    tf_session_leg_t *leg = &s->legs[i];
    leg->is_wanted        = i < c->legs;
    leg->replaces         = TF_LEGS_NONE;
    leg->why              = "start";
    tf_backoff_init(&leg->backoff, &c->backoff);
    err = tf_link_init(&leg->link, &link_config, c->io, &handler, arena);
    if (err == TF_OK) err = streams_init(s, leg, arena);
  }
  return err;
}

static tf_err_t parts_init(tf_session_t *s, tf_arena_t *arena) {
  const tf_session_config_t *c = &s->config;
  s->out.events  = tf_arena_take(arena, c->events_cap * sizeof(tf_event_t), TF_LINE_PAIR_BYTES);
  s->text        = tf_arena_take(arena, c->subscribe_bytes_max, TF_LINE_BYTES);
  s->overlap.cap = c->overlap_bytes_max;
  if (c->overlap_bytes_max > 0)
    s->overlap.bytes = tf_arena_take(arena, c->overlap_bytes_max, TF_LINE_BYTES);
  if (!s->out.events || !s->text || (s->overlap.cap && !s->overlap.bytes))
    return tf_error_add(E_CORE_ARENA_FULL, "making a session of %s", c->feed->venue);
  s->out.event_cap = c->events_cap;
  s->out.counts    = &s->source.counts;
  s->listener      = TF_LEGS_NONE;
  tf_err_t err     = legs_init(s, arena);
  if (err == TF_OK) err = tf_snapshots_init(&s->snapshots, c->snapshots_queued_max, arena);
  tf_book_watch_config_t watch = {.lost_books       = c->lost_books,
                                  .crossed_after_ns = c->crossed_after_ns,
                                  .stale_after_ns   = c->stale_after_ns};
  if (err == TF_OK)
    err = tf_book_watch_init(&s->book_watch, &watch, streams_config_of(c).instrument_cap, arena);
  if (err == TF_OK) err = endpoints_init(s);
  if (err == TF_OK) err = target_init(s);
  if (err != TF_OK) return err;
  s->snapshots.metadata_on = c->metadata && c->feed->metadata_target != NULL;
  s->snapshots.dialer      = c->dialer;
  s->snapshots.client      = &s->client;
  s->snapshots.feed        = c->feed;
  s->snapshots.feed_state  = tf_session_state(s, &s->legs[0]);
  s->snapshots.endpoint    = &s->rest_endpoint;
  s->snapshots.gap_ns      = c->rest_gap_ns;
  s->snapshots.random      = c->random;
  return tf_dialer_join(c->dialer, &s->client);
}

tf_err_t tf_session_init(const tf_session_config_t *given, tf_arena_t *arena,
                         tf_source_t **source) {
  *source = NULL;
  if (!given->feed || !given->io || !given->dialer || !given->random.u32)
    return TF_ERR(E_CORE_ARGUMENT, "a session needs a feed, a loop, a dialer and randomness");
  tf_session_config_t c = with_defaults(given);
  if (c.events_cap > EVENTS_CAP_MAX || c.snapshots_queued_max > SNAPSHOTS_MAX ||
      c.subscribe_bytes_max > (1u << 20))
    return TF_ERR(E_CORE_ARGUMENT,
                  "session of %s: events_cap %u (at most %u), "
                  "snapshots_queued_max %u (%u), subscribe_bytes_max %zu (1 MiB)",
                  c.feed->venue, c.events_cap, EVENTS_CAP_MAX, c.snapshots_queued_max,
                  SNAPSHOTS_MAX, c.subscribe_bytes_max);
  if (c.legs >= TF_LEGS_MAX)
    return TF_ERR(E_CORE_ARGUMENT, "session of %s: %u legs, at most %u", c.feed->venue, c.legs,
                  TF_LEGS_MAX - 1);
  if (c.feed->session_life_ns_max && c.rollover_lead_ns >= c.feed->session_life_ns_max)
    return TF_ERR(E_CORE_ARGUMENT,
                  "session of %s: rollover_lead_ns is not less than the life of %llu s",
                  c.feed->venue, (unsigned long long)(c.feed->session_life_ns_max / TF_NS_PER_SEC));
  tf_session_t *s = tf_arena_take(arena, sizeof *s, TF_LINE_PAIR_BYTES);
  if (!s) return tf_error_add(E_CORE_ARENA_FULL, "making a session of %s", c.feed->venue);
  s->config         = c;
  s->feed           = c.feed;
  s->leg_cnt        = c.legs + 1;
  s->source.leg_cnt = s->leg_cnt;
  for (uint32_t i = 0; i < TF_LEGS_MAX; i++) {
    s->legs[i].link.dial.fd = -1;
    s->legs[i].link.conn    = TF_IO_CONN_NONE;
  }
  s->snapshots.dial.fd = -1;
  s->source.ops        = &tf_session_ops;
  s->source.feed_state = TF_FEED_CONNECTING;
  tf_err_t err         = parts_init(s, arena);
  if (err != TF_OK) {
    tf_session_fini(&s->source);
    return err;
  }
  s->joined = true;
  *source   = &s->source;
  return TF_OK;
}

void tf_session_fini(tf_source_t *source) {
  if (!source) return;
  tf_session_t *s = (tf_session_t *)source;
  if (s->joined) tf_dialer_leave(s->config.dialer, &s->client);
  s->joined = false;
  for (uint32_t i = 0; i < s->leg_cnt; i++) tf_link_fini(&s->legs[i].link);
  tf_snapshots_fini(&s->snapshots);
  tf_tls_ctx_fini(&s->tls_ctx);
  tf_tls_ctx_fini(&s->rest_tls_ctx);
}
