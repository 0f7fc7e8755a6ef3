#include "feed/session_state.h"

#include <string.h>

#include "core/clock.h"
#include "core/error.h"
#include "feed/feeds.h"

#define HOUSEKEEP_NS  TF_NS_PER_MS
#define HOLD_LATE_NS  (10 * TF_NS_PER_SEC)  /* 1008, 1013: the venue wants us to wait */
#define HOLD_BAN_NS   (120 * TF_NS_PER_SEC) /* 418, 429 without Retry-After */
#define HOLD_DENY_NS  (30 * TF_NS_PER_SEC)  /* 403: a firewall's limit, mostly */
#define LISTEN_NS_MAX (100 * TF_NS_PER_MS)  /* of silence counted from one poll to the next */

static tf_link_t *active_of(tf_session_t *s) { return &s->links[s->active]; }
static tf_link_t *spare_of(tf_session_t *s) { return &s->links[1 - s->active]; }
static uint32_t random_u32(tf_session_t *s) { return s->config.random.u32(s->config.random.self); }

/* ---- frames to events ---- */

/* What the feed asked for: snapshots, another connection. */
static void take_requests(tf_session_t *s) {
  tf_feed_out_t *out = &s->out;
  for (uint32_t i = 0; i < out->resync_cnt; i++) {
    tf_streams_t *streams = tf_session_streams(s, active_of(s));
    if (!tf_streams_wants_book(streams, out->resync_ids[i])) continue;
    if (!tf_session_in_band(s))
      tf_snapshots_want(&s->snapshots, out->resync_ids[i]);
    else if (!tf_streams_resync(streams, out->resync_ids[i], s->now_ns))
      out->reconnect = true;
  }
  if (out->resync_cnt > 0) s->housekeep_due_ns = 0;
  out->resync_cnt = 0;
  if (TF_UNLIKELY(out->leaving)) s->rollover_due_ns = s->now_ns;
  if (TF_UNLIKELY(out->reconnect))
    tf_link_close(active_of(s), TF_LINK_END_SEQUENCE, TF_WS_CLOSE_NORMAL);
  out->leaving = out->reconnect = false;
}

void tf_session_publish(tf_session_t *s, uint64_t origin_ticks) {
  if (s->out.event_cnt > 0) {
    tf_batch_t        batch   = {.events      = s->out.events,
                                 .event_cnt   = s->out.event_cnt,
                                 .origin_tsc  = origin_ticks,
                                 .decoded_tsc = tf_clock_ticks()};
    const tf_event_t *newest  = &batch.events[batch.event_cnt - 1];
    s->source.newest_recv_ns  = newest->ts_recv_ns;
    s->source.newest_event_ns = newest->ts_event_ns;
    s->source.publisher.publish(s->source.publisher.self, &batch);
    tf_streams_saw(tf_session_streams(s, active_of(s)), batch.events, batch.event_cnt);
    tf_book_watch_saw(&s->book_watch, batch.events, batch.event_cnt, s->now_ns);
    s->out.event_cnt = 0;
  }
  bool asks = (s->out.resync_cnt > 0) | s->out.reconnect | s->out.leaving;
  if (TF_UNLIKELY(asks)) take_requests(s);
  if (TF_UNLIKELY(s->book_watch.fresh_cnt > 0)) tf_session_watch_fresh(s);
}

/* Of the streams' newest trouble, for people. */
TF_COLD static void note_stream(tf_session_t *s, tf_streams_t *streams) {
  tf_stream_trouble_t t;
  if (!tf_streams_trouble(streams, &t)) return;
  const tf_instruments_t *table = s->config.feed_config.instruments;
  const char *name = t.instrument_id < table->cnt ? table->rows[t.instrument_id].name : "?";
  snprintf(s->trouble, sizeof s->trouble, "%s of %s: %s%s%s, %s (try %u of %u)",
           tf_stream_channel_name(t.channel), name, tf_stream_state_name(t.state),
           *t.text ? ": " : ": no data in time", t.text, t.is_given_up ? "given up" : "asked again",
           t.try_cnt, TF_STREAMS_TRIES);
}

/* What the venue said of our requests, and what it wants back at once. */
TF_COLD static void take_answers(tf_session_t *s) {
  tf_feed_out_t        *out     = &s->out;
  tf_streams_t         *streams = tf_session_streams(s, active_of(s));
  const tf_feed_head_t *head    = s->feed_state;
  tf_streams_answered(streams, out->answers, out->answer_cnt, head->venue_error, s->now_ns);
  note_stream(s, streams);
  if (out->reply_bytes_cnt > 0) tf_link_reply(active_of(s), out->reply, out->reply_bytes_cnt);
  out->answer_cnt = out->reply_bytes_cnt = 0;
}

/* What the feed is about to see. All that it sees passes here and nothing else does: messages of a
 * successor that has not taken over and snapshots that came too late change nothing, and what a feed
 * asks for leaves no trace but the answers. */
void tf_session_tap(tf_session_t *s, const tf_tap_record_t *record) {
  if (s->config.tap.on_record) s->config.tap.on_record(s->config.tap.self, record);
}

static tf_verdict_t deliver(tf_session_t *s, const tf_frame_t *frame, uint64_t origin_ticks) {
  tf_session_tap(s, &(tf_tap_record_t){.recv_ns    = frame->recv_ns,
                                       .source_idx = s->config.tap_source_idx,
                                       .kind       = TF_TAP_FRAME,
                                       .frame_kind = frame->kind,
                                       .bytes_cnt  = frame->bytes_cnt,
                                       .bytes      = frame->bytes,
                                       .target     = frame->target});
  tf_verdict_t verdict = s->feed->on_frame(s->feed_state, frame, &s->out);
  tf_session_publish(s, origin_ticks);
  bool says = (s->out.answer_cnt > 0) | (s->out.reply_bytes_cnt > 0);
  if (TF_UNLIKELY(says)) take_answers(s);
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
  tf_staleness_reconnected(&s->book_watch.staleness);
  uint64_t wall_ns = tf_clock_wall_ns();
  tf_session_tap(s, &(tf_tap_record_t){.recv_ns    = wall_ns,
                                       .source_idx = s->config.tap_source_idx,
                                       .kind       = TF_TAP_CONNECT});
  s->feed->on_connect(s->feed_state, wall_ns, &s->out);
  if (!is_up) s->out.resync_cnt = 0; /* nobody could answer: asked again when it is up */
  tf_session_publish(s, tf_clock_ticks());
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

/* The best there is; where this link's last one failed, that goes behind the others first. */
static const tf_endpoint_t *endpoint_of(tf_session_t *s, const tf_link_t *link) {
  tf_ranking_t *ranking = s->config.ranking;
  if (ranking == NULL) return &s->endpoints[0];
  bool has_ended = link->end != TF_LINK_END_NONE && link->end != TF_LINK_END_REPLACED;
  if (link->dial.endpoint != NULL && (link->dial.err != TF_OK || has_ended))
    tf_ranking_demote(ranking, (uint32_t)(link->dial.endpoint - s->endpoints));
  return &s->endpoints[tf_ranking_at(ranking, 0)];
}

static void dial(tf_session_t *s, tf_link_t *link, const char *why) {
  link->state    = TF_LINK_DIALING;
  link->dial.why = why;
  if (!tf_ticket_ask(&link->dial, s->feed, s->feed_state, &s->rest_endpoint)) {
    link->dial.kind     = TF_DIAL_WEBSOCKET;
    link->dial.endpoint = endpoint_of(s, link);
  }
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

/* The spare link is the active one from now on, and what it brought meanwhile goes to the feed. What the
 * old link had brought too, the feed knows by its sequence or trade ids. */
static void take_over(tf_session_t *s) {
  s->active           = 1 - s->active;
  s->rolling          = false;
  s->take_over_due_ns = 0;
  s->counts.rollovers++;
  if (tf_session_in_band(s)) connection_changed(s, true);
  rollover_schedule(s, active_of(s));
  tf_frame_t frame;
  for (size_t at = 0; tf_overlap_next(&s->overlap, &at, &frame);)
    deliver(s, &frame, origin_of(s, frame.recv_ns));
  tf_overlap_clear(&s->overlap);
}

/* The same while the old link is still up: it has been heard long enough, and goes. */
static void replace(tf_session_t *s) {
  tf_link_t *old = active_of(s);
  if (!tf_session_in_band(s))
    tf_streams_continue(tf_session_streams(s, spare_of(s)), tf_session_streams(s, old));
  take_over(s);
  tf_link_close(old, TF_LINK_END_REPLACED, TF_WS_CLOSE_NORMAL);
}

/* A message of the link that is to take over. Its first ones answer the subscriptions, one each; until
 * they are out the old link brings all there is. A venue that sends its snapshots in band may begin
 * with one, of which no message may be missed. */
static void on_spare_message(tf_session_t *s, tf_link_t *link, const tf_frame_t *frame) {
  bool is_answer = !link->subscribed || link->message_cnt <= link->subscribe_idx;
  if (is_answer && !tf_session_in_band(s)) {
    s->counts.messages_early++;
    return;
  }
  bool kept = tf_overlap_put(&s->overlap, frame);
  if (kept && s->take_over_due_ns == 0) s->take_over_due_ns = s->now_ns + s->config.overlap_ns;
  if (kept) return;
  replace(s); /* there is no more room to wait in */
  deliver(s, frame, origin_of(s, frame->recv_ns));
}

static void on_message(void *self, tf_link_t *link, tf_ws_opcode_t opcode, const uint8_t *bytes,
                       size_t cnt) {
  tf_session_t *s     = self;
  tf_frame_t    frame = {.bytes     = (const char *)bytes,
                         .bytes_cnt = (uint32_t)cnt,
                         .kind      = opcode == TF_WS_TEXT ? TF_FRAME_TEXT : TF_FRAME_BINARY,
                         .recv_ns   = link->recv_ns};
  if (TF_UNLIKELY(link != active_of(s)))
    on_spare_message(s, link, &frame);
  else
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
  tf_streams_restart(tf_session_streams(s, link));
  if (link->end == TF_LINK_END_REPLACED) return;
  note_end(s, link);
  s->why         = tf_link_end_name(link->end);
  uint64_t up_ns = s->now_ns - link->up_ns;
  if (link != active_of(s)) {
    s->rolling          = false;
    s->take_over_due_ns = 0;
    tf_overlap_clear(&s->overlap);
    s->rollover_due_ns = tf_backoff_ended(&s->backoff, s->now_ns, up_ns, 0, random_u32(s));
    return;
  }
  if (spare_of(s)->state ==
      TF_LINK_UP) { /* it has missed nothing but what it had not asked for yet */
    if (!tf_session_in_band(s)) connection_changed(s, true);
    take_over(s);
    return;
  }
  connection_changed(s, false);
  if (s->stopping || s->is_resting) return;
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

/* What the venue said before the connection: the feed's, and the dial goes on with it. */
static void take_ticket(tf_session_t *s, tf_link_t *link) {
  tf_frame_t frame = tf_ticket_frame(&link->dial, tf_clock_wall_ns());
  s->http_bytes += frame.bytes_cnt;
  tf_verdict_t verdict = deliver(s, &frame, tf_clock_ticks());
  on_received(s, NULL);
  if (tf_ticket_use(&link->dial, verdict, s->feed, s->feed_state, endpoint_of(s, link),
                    s->config.target) == TF_OK) {
    bool posted = tf_dialer_submit(s->config.dialer, &s->client, &link->dial);
    TF_ASSERT(posted); /* the one that has just come back */
  } else {
    dial_failed(s, link);
  }
}

static void dial_returned(tf_session_t *s, tf_link_t *link) {
  if (link->dial.err != TF_OK || s->stopping || s->is_resting) {
    if (s->stopping || s->is_resting)
      link->state = TF_LINK_IDLE; /* the next dial or fini closes what it brought */
    else
      dial_failed(s, link);
    return;
  }
  if (link->dial.kind == TF_DIAL_POST) {
    take_ticket(s, link);
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
  tf_streams_restart(tf_session_streams(s, link));
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

bool tf_session_send(void *self, const char *text, size_t cnt) {
  tf_link_t    *link = self;
  tf_session_t *s    = link->handler.self;
  if (!tf_link_send_text(link, text, cnt)) return false;
  link->subscribe_idx++;
  s->counts.subscribes_tx++;
  return true;
}

void tf_session_want_snapshot(void *self, uint32_t instrument_id) {
  tf_link_t    *link = self;
  tf_session_t *s    = link->handler.self;
  if (link == active_of(s)) tf_snapshots_want(&s->snapshots, instrument_id);
}

/* What is to be said of streams, as far as the venue's pace allows. */
static void ask(tf_session_t *s, tf_link_t *link) {
  tf_streams_t *streams = tf_session_streams(s, link);
  if (link->state != TF_LINK_UP || s->now_ns < link->send_due_ns) return;
  int done = tf_streams_tick(streams, s->now_ns, s->text, s->config.subscribe_bytes_max);
  if (done < 0) {
    break_for_good(s, done, tf_error_text());
    return;
  }
  note_stream(s, streams);
  link->subscribed = streams->is_asked;
  s->work += done;
}

/* A heartbeat of ours, for venues that want one. */
static void send_heartbeat(tf_session_t *s, tf_link_t *link) {
  if (s->feed->heartbeat == NULL || s->now_ns < link->heartbeat_due_ns) return;
  if (!tf_session_streams(s, link)->is_greeted) return;
  size_t cnt = s->feed->heartbeat(s->feed_state, s->text, s->config.subscribe_bytes_max);
  TF_ASSERT(cnt < s->config.subscribe_bytes_max);
  if (cnt == 0 || !tf_link_send_text(link, s->text, cnt)) return;
  link->heartbeat_due_ns = s->now_ns + s->feed->heartbeat_ns;
  s->counts.heartbeats_tx++;
  s->work++;
}

static uint8_t feed_state_of(tf_session_t *s) {
  const tf_link_t    *link    = active_of(s);
  const tf_streams_t *streams = tf_session_streams(s, link);
  if (s->broken != TF_OK || s->stopping || s->is_resting) return TF_FEED_DOWN;
  if (link->state == TF_LINK_DIALING) return TF_FEED_CONNECTING;
  if (link->state != TF_LINK_UP) return TF_FEED_DOWN;
  bool data    = s->source.counts.msgs_data > s->msgs_data_before;
  bool pending = tf_snapshots_pending(&s->snapshots) || streams->resyncing_cnt > 0;
  if (s->config.silence_ns && s->now_ns - link->data_ns > s->config.silence_ns)
    return TF_FEED_STALE;
  if (!data || streams->awaited_cnt > 0) return TF_FEED_SYNCING;
  if (pending) return s->was_live ? TF_FEED_RESYNC : TF_FEED_SYNCING;
  s->was_live = true;
  return TF_FEED_LIVE;
}

/* What the venue did not tell is what it told an earlier run. */
TF_COLD static void use_cache(tf_session_t *s) {
  const tf_instruments_t *cached = s->config.cached;
  tf_instruments_t       *table  = s->config.feed_config.instruments;
  s->cache_used                  = true;
  for (uint32_t i = 0; cached != NULL && i < cached->cnt; i++) {
    /* relaxed: the control plane made it before this thread began */
    if (tf_load_relaxed_u32(&cached->rows[i].metadata) == TF_METADATA_NONE) continue;
    for (uint32_t k = 0; k < table->cnt; k++)
      if (strcmp(table->rows[k].name, cached->rows[i].name) == 0)
        s->source.counts.metadata_cached +=
            tf_instrument_set_metadata(&table->rows[k], &cached->rows[i], TF_METADATA_CACHE);
  }
}

static void ask_for_snapshots(tf_session_t *s) {
  if (TF_UNLIKELY(s->snapshots.metadata_given_up && !s->cache_used)) use_cache(s);
  bool books_done = tf_session_streams(s, active_of(s))->awaited_cnt == 0;
  s->work += tf_snapshots_tick(&s->snapshots, s->now_ns, books_done);
}

static void housekeep(tf_session_t *s) {
  s->housekeep_due_ns = s->now_ns + HOUSEKEEP_NS;
  for (int i = 0; i < 2; i++) {
    tf_link_t *link = &s->links[i];
    /* signs of life before requests, of which there may be minutes' worth */
    if (link->state == TF_LINK_UP) send_heartbeat(s, link);
    s->work += tf_link_tick(link, s->now_ns);
    ask(s, link);
  }
  tf_link_t *active = active_of(s), *spare = spare_of(s);
  if (!s->stopping && !s->is_resting && s->broken == TF_OK) {
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
    if (s->take_over_due_ns && s->now_ns >= s->take_over_due_ns) replace(s);
    if (active_of(s)->state == TF_LINK_UP) tf_session_watch_books(s);
    if (active_of(s)->state == TF_LINK_UP) ask_for_snapshots(s);
  }
  s->source.feed_state = feed_state_of(s);
  tf_session_count_streams(s);
}

/* Silence is time in which we listened: a lane that was held up blames nobody for it. */
TF_COLD static void hold_up(tf_session_t *s, uint64_t held_ns) {
  for (int i = 0; i < 2; i++) tf_link_excuse(&s->links[i], held_ns);
  tf_staleness_unheard(&s->book_watch.staleness, held_ns);
}

static int session_poll(tf_source_t *source, uint64_t now_ns) {
  tf_session_t *s = (tf_session_t *)source;
  if (TF_UNLIKELY(s->now_ns != 0 && now_ns - s->now_ns > LISTEN_NS_MAX))
    hold_up(s, now_ns - s->now_ns - LISTEN_NS_MAX);
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

static void session_rest(tf_source_t *source, bool rests) {
  tf_session_t *s = (tf_session_t *)source;
  if (s->is_resting == rests || s->stopping) return;
  s->is_resting   = rests;
  s->retry_due_ns = s->rollover_due_ns = s->take_over_due_ns = 0;
  s->rolling                                                 = false;
  s->why                                                     = "called";
  tf_overlap_clear(&s->overlap);
  for (int i = 0; rests && i < 2; i++)
    tf_link_close(&s->links[i], TF_LINK_END_STOPPED, TF_WS_CLOSE_NORMAL);
  s->source.feed_state = rests ? TF_FEED_DOWN : TF_FEED_CONNECTING;
}

tf_link_handler_t tf_session_link_handler(tf_session_t *s) {
  return (tf_link_handler_t){
      .self = s, .on_message = on_message, .on_received = on_received, .on_end = on_end};
}

const tf_source_ops_t tf_session_ops = {.poll    = session_poll,
                                        .stop    = session_stop,
                                        .command = tf_session_command,
                                        .rest    = session_rest};
