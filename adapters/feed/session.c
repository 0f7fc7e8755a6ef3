#include "feed/session.h"

#include <string.h>

#include "core/clock.h"
#include "core/error.h"
#include "core/log.h"
#include "feed/snapshots.h"

#define HOUSEKEEP_NS  TF_NS_PER_MS
#define PONG_GAP_NS   (250 * TF_NS_PER_MS) /* FAULTS F19: at most 4 a second */
#define DRAIN_NS      (500 * TF_NS_PER_MS)
#define HOLD_LATE_NS  (10 * TF_NS_PER_SEC)  /* 1008, 1013: the venue wants us to wait */
#define HOLD_BAN_NS   (120 * TF_NS_PER_SEC) /* 418, 429 without Retry-After */
#define HOLD_DENY_NS  (30 * TF_NS_PER_SEC)  /* 403: a firewall's limit, mostly */
#define LEAD_NS_MAX   (600 * TF_NS_PER_SEC)
#define LISTEN_NS_MAX (100 * TF_NS_PER_MS) /* of silence counted from one poll to the next */
#define TROUBLE_BYTES 640

#define EVENTS_CAP_DEFAULT     65536u
#define SNAPSHOTS_DEFAULT      1024u
#define SUBSCRIBE_DEFAULT      65536u
#define PING_IDLE_DEFAULT      (750 * TF_NS_PER_MS)
#define PONG_WAIT_DEFAULT      (1200 * TF_NS_PER_MS)
#define REST_GAP_DEFAULT       (500 * TF_NS_PER_MS)
#define DATA_SILENCE_A_SILENCE 5u
#define EVENTS_CAP_MAX         (1u << 24)
#define SNAPSHOTS_MAX          (1u << 20)

typedef struct tf_session {
  tf_source_t         source; /* first: the source is the session */
  tf_session_config_t config;
  const tf_feed_t    *feed;
  void               *feed_state;
  tf_feed_out_t       out;
  tf_link_t           links[2];
  uint32_t            active; /* the link whose messages the feed gets */
  tf_snapshots_t      snapshots;
  tf_dialer_client_t  client;
  bool                joined;
  tf_endpoint_t       endpoint, rest_endpoint;
  tf_tls_ctx_t        tls_ctx, rest_tls_ctx;
  tf_backoff_t        backoff;
  char               *text; /* a message of ours being made */
  uint64_t            now_ns, housekeep_due_ns;
  uint64_t            retry_due_ns;    /* active link: when to dial; 0 no wait */
  uint64_t            rollover_due_ns; /* spare link: when to dial; 0 never */
  uint64_t            origin_recv_ns, origin_ticks;
  uint64_t            msgs_data_before; /* of this connection */
  uint64_t            http_bytes;
  const char         *why; /* of the next dial */
  int                 work;
  bool                was_live, stopping;
  bool                rolling; /* the spare link is dialled to take over */
  tf_err_t            broken;  /* for good */
  tf_session_counts_t counts;
  char                trouble[TROUBLE_BYTES];
} tf_session_t;

static tf_link_t *active_of(tf_session_t *s) { return &s->links[s->active]; }
static tf_link_t *spare_of(tf_session_t *s) { return &s->links[1 - s->active]; }
static uint32_t random_u32(tf_session_t *s) { return s->config.random.u32(s->config.random.self); }

/* ---- frames to events ---- */

static void publish(tf_session_t *s, uint64_t origin_ticks) {
  if (s->out.event_cnt > 0) {
    tf_batch_t        batch   = {.events      = s->out.events,
                                 .event_cnt   = s->out.event_cnt,
                                 .origin_tsc  = origin_ticks,
                                 .decoded_tsc = tf_clock_ticks()};
    const tf_event_t *newest  = &batch.events[batch.event_cnt - 1];
    s->source.newest_recv_ns  = newest->ts_recv_ns;
    s->source.newest_event_ns = newest->ts_event_ns;
    s->source.publisher.publish(s->source.publisher.self, &batch);
    s->out.event_cnt = 0;
  }
  if (s->out.resync_cnt > 0) {
    for (uint32_t i = 0; i < s->out.resync_cnt; i++)
      tf_snapshots_want(&s->snapshots, s->out.resync_ids[i]);
    s->out.resync_cnt   = 0;
    s->housekeep_due_ns = 0;
  }
}

static tf_verdict_t deliver(tf_session_t *s, const tf_frame_t *frame, uint64_t origin_ticks) {
  if (s->config.tap.on_frame) s->config.tap.on_frame(s->config.tap.self, frame);
  tf_verdict_t verdict = s->feed->on_frame(s->feed_state, frame, &s->out);
  publish(s, origin_ticks);
  s->work++;
  return verdict;
}

/* The tick count of the loop's receive time, computed once a pass. */
static uint64_t origin_of(tf_session_t *s, uint64_t recv_ns) {
  if (recv_ns != s->origin_recv_ns) {
    s->origin_recv_ns = recv_ns;
    s->origin_ticks   = recv_ns >= tf_clock_global.anchor_wall_ns
                            ? tf_clock_global.anchor_ticks +
                                tf_clock_ns_to_ticks(recv_ns - tf_clock_global.anchor_wall_ns)
                            : tf_clock_ticks();
  }
  return s->origin_ticks;
}

/* Tells the feed that its connection is gone or new. */
static void connection_changed(tf_session_t *s, bool is_up) {
  tf_snapshots_forget(&s->snapshots);
  s->feed->on_connect(s->feed_state, tf_clock_wall_ns(), &s->out);
  if (!is_up) s->out.resync_cnt = 0; /* nobody could answer: asked again when it is up */
  publish(s, tf_clock_ticks());
  s->msgs_data_before = s->source.counts.msgs_data;
}

static void on_received(void *self, tf_link_t *link) {
  (void)link;
  tf_session_t    *s = self;
  tf_link_ledger_t a = tf_link_ledger(&s->links[0]), b = tf_link_ledger(&s->links[1]);
  tf_source_t     *source = &s->source;
  /* relaxed: one writer; a reader wants each word untorn, and sums at quiescence only */
  tf_store_relaxed(&source->bytes_framed, a.framed + b.framed + s->http_bytes);
  tf_store_relaxed(&source->bytes_partial, a.partial + b.partial);    /* relaxed: as above */
  tf_store_relaxed(&source->bytes_rejected, a.rejected + b.rejected); /* relaxed: as above */
  tf_store_relaxed(&source->bytes_rx, a.rx + b.rx + s->http_bytes);   /* relaxed: as above */
}

/* ---- connections ---- */

static void break_for_good(tf_session_t *s, tf_err_t err, const char *text) {
  if (s->broken != TF_OK) return;
  s->broken = TF_ERR(err, "feed %s: %s", s->feed->venue, text);
  snprintf(s->trouble, sizeof s->trouble, "%s", tf_error_text());
}

static void dial(tf_session_t *s, tf_link_t *link, const char *why) {
  link->state         = TF_LINK_DIALING;
  link->dial.kind     = TF_DIAL_WEBSOCKET;
  link->dial.endpoint = &s->endpoint;
  link->dial.why      = why;
  for (size_t i = 0; i < sizeof link->dial.nonce; i += sizeof(uint32_t)) {
    uint32_t word = random_u32(s);
    memcpy(link->dial.nonce + i, &word, sizeof word);
  }
  tf_backoff_attempt(&s->backoff, s->now_ns);
  s->counts.dials++;
  bool posted = tf_dialer_submit(s->config.dialer, &s->client, &link->dial);
  TF_ASSERT(posted); /* two links and the snapshot are all that can be out */
}

static void rollover_schedule(tf_session_t *s, const tf_link_t *link) {
  uint64_t life      = s->feed->session_life_ns_max;
  s->rollover_due_ns = life ? link->up_ns + life - s->config.rollover_lead_ns : 0;
}

/* A successor takes over from the link that the feed listened to until now. */
static void take_over(tf_session_t *s, tf_link_t *successor) {
  tf_link_t *old = active_of(s);
  s->active      = (uint32_t)(successor - s->links);
  s->rolling     = false;
  s->counts.rollovers++;
  connection_changed(s, true);
  rollover_schedule(s, successor);
  tf_link_close(old, TF_LINK_END_REPLACED, TF_WS_CLOSE_NORMAL);
}

static void on_message(void *self, tf_link_t *link, tf_ws_opcode_t opcode, const uint8_t *bytes,
                       size_t cnt) {
  tf_session_t *s = self;
  if (TF_UNLIKELY(link != active_of(s))) {
    /* Acknowledgements first, one a subscription, then data: that is when it is up to date. A venue
     * that sends its snapshots in band may begin with one, of which no message may be missed. */
    bool in_band = s->feed->snapshot_target == NULL;
    if (!in_band && (!link->subscribed || link->message_cnt <= link->subscribe_idx)) {
      s->counts.messages_early++;
      return;
    }
    take_over(s, link);
  }
  tf_frame_t frame = {.bytes     = (const char *)bytes,
                      .bytes_cnt = (uint32_t)cnt,
                      .kind      = opcode == TF_WS_TEXT ? TF_FRAME_TEXT : TF_FRAME_BINARY,
                      .recv_ns   = link->recv_ns};
  deliver(s, &frame, origin_of(s, link->recv_ns));
}

typedef enum again { AGAIN, AGAIN_AT_ONCE, AGAIN_LATE, NEVER } again_t;

/* FAULTS F21. What is not listed is an ordinary failure. */
static again_t close_policy(uint16_t code) {
  static const struct {
    uint16_t code;
    again_t  again;
  } rows[] = {
      {1001, AGAIN_AT_ONCE}, /* going away */
      {1008, AGAIN_LATE   }, /* policy: mostly a rate limit */
      {1012, AGAIN_AT_ONCE}, /* service restart */
      {1013, AGAIN_LATE   }, /* try again later */
      {3000, NEVER        }, /* unauthorized */
      {3003, NEVER        }, /* forbidden */
  };
  for (size_t i = 0; i < TF_ARRAY_CNT(rows); i++)
    if (rows[i].code == code) return rows[i].again;
  return AGAIN;
}

static void note_end(tf_session_t *s, const tf_link_t *link) {
  char detail[96] = "";
  if (link->end == TF_LINK_END_PEER_CLOSE)
    snprintf(detail, sizeof detail, ", close code %u", link->peer_close_code);
  if (link->end == TF_LINK_END_PROTOCOL)
    snprintf(detail, sizeof detail, ", %s", tf_ws_fault_name((tf_ws_fault_t)link->ws.fault));
  if (link->end == TF_LINK_END_TLS || link->end == TF_LINK_END_IO)
    snprintf(detail, sizeof detail, ", %s", tf_error_name(link->end_err));
  if (link->end == TF_LINK_END_RESET)
    snprintf(detail, sizeof detail, ", errno %d", link->end_errno);
  snprintf(s->trouble, sizeof s->trouble, "connection ended: %s%s%s", tf_link_end_name(link->end),
           detail, link->ws.counts.bytes_partial > 0 ? ", mid-frame" : "");
}

static void on_end(void *self, tf_link_t *link) {
  tf_session_t *s = self;
  s->counts.ends[link->end]++;
  tf_count_add(&s->source.disconnects, 1);
  if (link->end == TF_LINK_END_REPLACED) return;
  note_end(s, link);
  s->why         = tf_link_end_name(link->end);
  uint64_t up_ns = s->now_ns - link->up_ns;
  if (link != active_of(s)) {
    s->rolling         = false;
    s->rollover_due_ns = tf_backoff_ended(&s->backoff, s->now_ns, up_ns, 0, random_u32(s));
    return;
  }
  bool spare_up = spare_of(s)->state == TF_LINK_UP;
  if (spare_up) {
    s->active  = 1 - s->active;
    s->rolling = false;
    rollover_schedule(s, active_of(s));
  }
  connection_changed(s, spare_up);
  if (spare_up || s->stopping) return;
  again_t again = link->end == TF_LINK_END_PEER_CLOSE ? close_policy(link->peer_close_code) : AGAIN;
  if (again == NEVER)
    break_for_good(s, E_FEED_REFUSED, s->trouble);
  else if (again == AGAIN_AT_ONCE)
    s->retry_due_ns = tf_backoff_at_once(&s->backoff, s->now_ns, up_ns, random_u32(s));
  else
    s->retry_due_ns = tf_backoff_ended(&s->backoff, s->now_ns, up_ns,
                                       again == AGAIN_LATE ? HOLD_LATE_NS : 0, random_u32(s));
}

static void dial_failed(tf_session_t *s, tf_link_t *link) {
  const tf_dial_t *d = &link->dial;
  link->state        = TF_LINK_IDLE;
  s->counts.dial_failures++;
  s->why = "dial failed";
  snprintf(s->trouble, sizeof s->trouble, "%s: %s: %s", tf_dialer_phase_name(d->phase),
           tf_error_name(d->err), d->text);
  uint64_t hold = 0;
  if (d->retry_after_s != UINT32_MAX)
    hold = d->retry_after_s * TF_NS_PER_SEC;
  else if (d->http_status == 418 || d->http_status == 429)
    hold = HOLD_BAN_NS;
  else if (d->http_status == 403)
    hold = HOLD_DENY_NS;
  uint64_t due = tf_backoff_ended(&s->backoff, s->now_ns, 0, hold, random_u32(s));
  if (link != active_of(s)) {
    s->rolling         = false;
    s->rollover_due_ns = due;
  } else if (d->http_status == 401)
    break_for_good(s, E_FEED_REFUSED, s->trouble);
  else
    s->retry_due_ns = due;
}

static void dial_returned(tf_session_t *s, tf_link_t *link) {
  if (link->dial.err != TF_OK || s->stopping) {
    if (s->stopping)
      link->state = TF_LINK_IDLE; /* fini closes what it brought */
    else
      dial_failed(s, link);
    return;
  }
  /* The active link may have ended meanwhile: then the spare that comes up is the active one. Or it was
   * replaced while its own dial was out: then nobody needs what comes. */
  bool active_up = active_of(s)->state == TF_LINK_UP;
  if (link != active_of(s) && active_up && !s->rolling) {
    link->state = TF_LINK_IDLE;
    tf_link_discard(link);
    return;
  }
  if (!active_up) {
    s->active  = (uint32_t)(link - s->links);
    s->rolling = false;
  }
  tf_link_start(link, s->now_ns);
  if (link->state != TF_LINK_UP) return;
  tf_count_add(&s->source.connects, 1);
  if (link == active_of(s)) {
    rollover_schedule(s, link);
    connection_changed(s, true);
  }
  s->housekeep_due_ns = 0;
  tf_link_feed_leftover(link, tf_clock_wall_ns());
}

static void snapshot_returned(tf_session_t *s) {
  tf_frame_t frame;
  if (!tf_snapshots_returned(&s->snapshots, s->now_ns, &frame)) return;
  frame.recv_ns = tf_clock_wall_ns();
  s->http_bytes += frame.bytes_cnt;
  tf_verdict_t verdict = deliver(s, &frame, tf_clock_ticks());
  tf_snapshots_settle(&s->snapshots, s->now_ns, verdict);
  on_received(s, NULL);
}

static void take_dials(tf_session_t *s) {
  tf_dial_t *d;
  while ((d = tf_dialer_take(&s->client))) {
    s->work++;
    if (d == &s->snapshots.dial)
      snapshot_returned(s);
    else
      dial_returned(s, d == &s->links[0].dial ? &s->links[0] : &s->links[1]);
  }
}

/* ---- timers ---- */

static void subscribe(tf_session_t *s, tf_link_t *link) {
  while (!link->subscribed && link->state == TF_LINK_UP && s->now_ns >= link->send_due_ns) {
    size_t cap = s->config.subscribe_bytes_max;
    size_t cnt = s->feed->subscribe(s->feed_state, link->subscribe_idx, s->text, cap);
    if (cnt >= cap) {
      break_for_good(s, E_FEED_LIMIT, "a subscription is larger than subscribe_bytes_max");
      return;
    }
    link->subscribed = cnt == 0;
    if (cnt == 0 || !tf_link_send_text(link, s->text, cnt)) return;
    link->subscribe_idx++;
    s->counts.subscribes_tx++;
    s->work++;
  }
}

static uint8_t feed_state_of(tf_session_t *s) {
  const tf_link_t *link = active_of(s);
  if (s->broken != TF_OK || s->stopping) return TF_FEED_DOWN;
  if (link->state == TF_LINK_DIALING) return TF_FEED_CONNECTING;
  if (link->state != TF_LINK_UP) return TF_FEED_DOWN;
  bool data    = s->source.counts.msgs_data > s->msgs_data_before;
  bool pending = tf_snapshots_pending(&s->snapshots);
  if (s->config.silence_ns && s->now_ns - link->data_ns > s->config.silence_ns)
    return TF_FEED_STALE;
  if (!data) return TF_FEED_SYNCING;
  if (pending) return s->was_live ? TF_FEED_RESYNC : TF_FEED_SYNCING;
  s->was_live = true;
  return TF_FEED_LIVE;
}

static void housekeep(tf_session_t *s) {
  s->housekeep_due_ns = s->now_ns + HOUSEKEEP_NS;
  for (int i = 0; i < 2; i++) {
    tf_link_t *link = &s->links[i];
    if (link->state == TF_LINK_UP && !link->subscribed) subscribe(s, link);
    s->work += tf_link_tick(link, s->now_ns);
  }
  tf_link_t *active = active_of(s), *spare = spare_of(s);
  if (!s->stopping && s->broken == TF_OK) {
    bool spare_coming = spare->state == TF_LINK_DIALING; /* it becomes the active one */
    if (active->state == TF_LINK_IDLE && !spare_coming && s->now_ns >= s->retry_due_ns) {
      s->retry_due_ns = 0;
      s->was_live     = false;
      dial(s, active, s->why);
    }
    if (active->state == TF_LINK_UP && s->rollover_due_ns && s->now_ns >= s->rollover_due_ns &&
        spare->state == TF_LINK_IDLE) {
      s->rollover_due_ns = 0;
      s->rolling         = true;
      dial(s, spare, "rollover");
    }
    if (active->state == TF_LINK_UP) s->work += tf_snapshots_tick(&s->snapshots, s->now_ns);
  }
  s->source.feed_state = feed_state_of(s);
}

static int session_poll(tf_source_t *source, uint64_t now_ns) {
  tf_session_t *s = (tf_session_t *)source;
  /* Silence is time in which we listened: a lane that was held up blames nobody for it. */
  if (TF_UNLIKELY(s->now_ns != 0 && now_ns - s->now_ns > LISTEN_NS_MAX))
    for (int i = 0; i < 2; i++) tf_link_excuse(&s->links[i], now_ns - s->now_ns - LISTEN_NS_MAX);
  s->now_ns = s->links[0].now_ns = s->links[1].now_ns = now_ns;
  s->work                                             = 0;
  if (s->config.polls_io) {
    int cnt = tf_io_poll(s->config.io, s->config.io_wait_ns);
    if (TF_UNLIKELY(cnt < 0)) break_for_good(s, cnt, "the I/O loop is broken");
  }
  take_dials(s);
  if (now_ns >= s->housekeep_due_ns) housekeep(s);
  if (TF_UNLIKELY(s->broken != TF_OK)) return s->broken;
  if (TF_UNLIKELY(s->stopping) && s->links[0].state < TF_LINK_UP && s->links[1].state < TF_LINK_UP)
    return TF_SOURCE_DONE;
  return s->work;
}

static void session_stop(tf_source_t *source) {
  tf_session_t *s = (tf_session_t *)source;
  if (s->stopping) return;
  s->stopping = true;
  for (int i = 0; i < 2; i++) tf_link_close(&s->links[i], TF_LINK_END_STOPPED, TF_WS_CLOSE_NORMAL);
  s->source.feed_state = TF_FEED_DOWN;
}

static const tf_source_ops_t session_ops = {.poll = session_poll, .stop = session_stop};

/* ---- control plane ---- */

const tf_session_counts_t *tf_session_counts(tf_source_t *source) {
  tf_session_t         *s = (tf_session_t *)source;
  tf_session_counts_t  *c = &s->counts;
  const tf_snapshots_t *n = &s->snapshots;
  c->pings_rx             = s->links[0].pings_rx + s->links[1].pings_rx;
  c->pongs_tx             = s->links[0].pongs_tx + s->links[1].pongs_tx;
  c->pings_tx             = s->links[0].pings_tx + s->links[1].pings_tx;
  c->snapshots_asked      = n->asked_cnt;
  c->snapshots_taken      = n->taken_cnt;
  c->snapshots_failed     = n->failed_cnt;
  c->snapshots_late       = n->late_cnt;
  c->snapshots_dropped    = n->dropped_cnt;
  c->resync_queued        = n->cnt;
  return c;
}

const char *tf_session_trouble(const tf_source_t *source) {
  return ((const tf_session_t *)source)->trouble;
}

uint64_t tf_session_retry_due_ns(const tf_source_t *source) {
  return ((const tf_session_t *)source)->retry_due_ns;
}

static tf_session_config_t with_defaults(const tf_session_config_t *given) {
  tf_session_config_t c = *given;
  const tf_feed_t    *f = c.feed;
  if (!c.host) c.host = f->ws_host;
  if (!c.port) c.port = f->ws_port;
  if (!c.rest_host) c.rest_host = f->rest_host;
  if (!c.rest_port) c.rest_port = f->rest_port;
  if (!c.message_bytes_max) c.message_bytes_max = TF_WS_MESSAGE_BYTES_MAX_DEFAULT;
  if (!c.events_cap) c.events_cap = EVENTS_CAP_DEFAULT;
  if (!c.snapshots_queued_max) c.snapshots_queued_max = SNAPSHOTS_DEFAULT;
  if (!c.subscribe_bytes_max) c.subscribe_bytes_max = SUBSCRIBE_DEFAULT;
  if (!c.ping_idle_ns) c.ping_idle_ns = PING_IDLE_DEFAULT;
  if (c.ping_idle_ns == UINT64_MAX) c.ping_idle_ns = 0;
  if (!c.pong_wait_ns) c.pong_wait_ns = PONG_WAIT_DEFAULT;
  if (!c.silence_ns) c.silence_ns = f->silence_ns_max;
  if (!c.data_silence_ns) c.data_silence_ns = c.silence_ns * DATA_SILENCE_A_SILENCE;
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
                            .client_gap_ns     = rate ? TF_NS_PER_SEC / rate : 0,
                            .pong_gap_ns       = PONG_GAP_NS,
                            .ping_idle_ns      = c->ping_idle_ns,
                            .pong_wait_ns      = c->pong_wait_ns,
                            .silence_ns        = c->silence_ns,
                            .data_silence_ns   = c->data_silence_ns,
                            .drain_ns          = DRAIN_NS,
                            .send_bytes_max    = c->subscribe_bytes_max,
                            .deflate           = c->deflate,
                            .random            = c->random};
}

size_t tf_session_arena_bytes(const tf_session_config_t *given) {
  tf_session_config_t c           = with_defaults(given);
  tf_link_config_t    link_config = link_config_of(&c);
  return sizeof(tf_session_t) + c.feed->state_bytes(&c.feed_config) +
         (size_t)c.events_cap * sizeof(tf_event_t) + c.subscribe_bytes_max +
         2 * tf_link_arena_bytes(&link_config) + tf_snapshots_arena_bytes(c.snapshots_queued_max) +
         8 * TF_LINE_PAIR_BYTES;
}

static tf_err_t endpoint_set(tf_endpoint_t *e, const char *host, const char *port,
                             const tf_tls_ctx_t *tls_ctx) {
  if (!host || !port || strlen(host) >= sizeof e->host || strlen(port) >= sizeof e->port)
    return TF_ERR(E_CORE_ARGUMENT,
                  "host \"%.80s\", port \"%.16s\": a name of at most %zu bytes and "
                  "a port number are needed",
                  host ? host : "", port ? port : "", sizeof e->host - 1);
  snprintf(e->host, sizeof e->host, "%s", host);
  snprintf(e->port, sizeof e->port, "%s", port);
  e->tls_ctx = tls_ctx;
  return TF_OK;
}

static tf_err_t tls_init(tf_session_t *s) {
  const tf_session_config_t *c      = &s->config;
  tf_tls_client_config_t     config = {.ca_file = c->ca_file, .insecure = c->insecure};
  if (!c->plain) {
    tf_err_t err = tf_tls_ctx_init_client(&s->tls_ctx, &config);
    if (err != TF_OK) return err;
  }
  if (!c->rest_plain) {
    tf_err_t err = tf_tls_ctx_init_client(&s->rest_tls_ctx, &config);
    if (err != TF_OK) return err;
  }
  if (c->insecure && !(c->plain && c->rest_plain))
    tf_log(TF_LOG_WARN, "tls_insecure", "venue=%s host=%s certificate=unverified", c->feed->venue,
           c->host);
  tf_err_t err = endpoint_set(&s->endpoint, c->host, c->port, c->plain ? NULL : &s->tls_ctx);
  if (err != TF_OK) return err;
  return endpoint_set(&s->rest_endpoint, c->rest_host ? c->rest_host : c->host,
                      c->rest_port ? c->rest_port : c->port,
                      c->rest_plain ? NULL : &s->rest_tls_ctx);
}

/* The venue's target does not change: asked for once, so that a config that cannot work is refused at
 * start. */
static tf_err_t target_init(tf_session_t *s) {
  char  *target = s->links[0].dial.target;
  size_t cap    = sizeof s->links[0].dial.target;
  size_t cnt;
  if (s->config.target)
    cnt = (size_t)snprintf(target, cap, "%s", s->config.target);
  else
    cnt = s->feed->ws_target(s->feed_state, target, cap);
  if (cnt == 0) return tf_error_add(E_FEED_LIMIT, "asking feed %s for its target", s->feed->venue);
  if (cnt >= cap)
    return TF_ERR(E_FEED_LIMIT,
                  "feed %s: a target of %zu bytes, %zu are allowed: spread the "
                  "instruments over several feeds",
                  s->feed->venue, cnt, cap - 1);
  memcpy(s->links[1].dial.target, target, cnt + 1);
  return TF_OK;
}

static tf_err_t parts_init(tf_session_t *s, tf_arena_t *arena) {
  const tf_session_config_t *c = &s->config;
  s->feed_state = tf_arena_take(arena, c->feed->state_bytes(&c->feed_config), TF_LINE_PAIR_BYTES);
  s->out.events = tf_arena_take(arena, c->events_cap * sizeof(tf_event_t), TF_LINE_PAIR_BYTES);
  s->text       = tf_arena_take(arena, c->subscribe_bytes_max, TF_LINE_BYTES);
  if (!s->feed_state || !s->out.events || !s->text)
    return tf_error_add(E_CORE_ARENA_FULL, "making a session of %s", c->feed->venue);
  s->out.event_cap = c->events_cap;
  s->out.counts    = &s->source.counts;
  tf_err_t err     = c->feed->init(s->feed_state, &c->feed_config);

  tf_link_handler_t handler = {
      .self = s, .on_message = on_message, .on_received = on_received, .on_end = on_end};
  tf_link_config_t link_config = link_config_of(c);
  for (int i = 0; i < 2 && err == TF_OK; i++)
    err = tf_link_init(&s->links[i], &link_config, c->io, &handler, arena);
  if (err == TF_OK) err = tf_snapshots_init(&s->snapshots, c->snapshots_queued_max, arena);
  if (err == TF_OK) err = tls_init(s);
  if (err == TF_OK) err = target_init(s);
  if (err != TF_OK) return err;
  s->snapshots.dialer     = c->dialer;
  s->snapshots.client     = &s->client;
  s->snapshots.feed       = c->feed;
  s->snapshots.feed_state = s->feed_state;
  s->snapshots.endpoint   = &s->rest_endpoint;
  s->snapshots.gap_ns     = c->rest_gap_ns;
  s->snapshots.random     = c->random;
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
  if (c.feed->session_life_ns_max && c.rollover_lead_ns >= c.feed->session_life_ns_max)
    return TF_ERR(E_CORE_ARGUMENT,
                  "session of %s: rollover_lead_ns is not less than the life of %llu s",
                  c.feed->venue, (unsigned long long)(c.feed->session_life_ns_max / TF_NS_PER_SEC));
  tf_session_t *s = tf_arena_take(arena, sizeof *s, TF_LINE_PAIR_BYTES);
  if (!s) return tf_error_add(E_CORE_ARENA_FULL, "making a session of %s", c.feed->venue);
  s->config = c;
  s->feed   = c.feed;
  for (int i = 0; i < 2; i++) {
    s->links[i].dial.fd = -1;
    s->links[i].conn    = TF_IO_CONN_NONE;
  }
  s->snapshots.dial.fd = -1;
  tf_backoff_init(&s->backoff, &c.backoff);
  s->source.ops        = &session_ops;
  s->source.feed_state = TF_FEED_CONNECTING;
  s->why               = "start";
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
  for (int i = 0; i < 2; i++) tf_link_fini(&s->links[i]);
  tf_snapshots_fini(&s->snapshots);
  tf_tls_ctx_fini(&s->tls_ctx);
  tf_tls_ctx_fini(&s->rest_tls_ctx);
}
