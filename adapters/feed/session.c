#include "feed/session_state.h"

#include <string.h>

#include "core/clock.h"
#include "core/error.h"
#include "feed/feeds.h"

#define HOUSEKEEP_NS  TF_NS_PER_MS
#define SHOW_NS       (50 * TF_NS_PER_MS)
#define LISTEN_NS_MAX (100 * TF_NS_PER_MS) /* of silence counted from one poll to the next */

/* ---- frames to events ---- */

/* What the feed asked for of a leg: snapshots, another connection. */
TF_COLD static void take_requests(tf_session_t *s, tf_session_leg_t *leg) {
  tf_feed_out_t *out = &s->out;
  if (s->joined_cnt == 0) out->resync_cnt = 0; /* nobody could answer: asked again when one is up */
  for (uint32_t i = 0; i < out->resync_cnt; i++) {
    if (!tf_streams_wants_book(&leg->streams, out->resync_ids[i])) continue;
    if (!tf_session_in_band(s))
      tf_snapshots_want(&s->snapshots, out->resync_ids[i]);
    else if (!tf_streams_resync(&leg->streams, out->resync_ids[i], s->now_ns))
      out->reconnect = true;
  }
  if (out->resync_cnt > 0) s->housekeep_due_ns = 0;
  if (out->leaving) leg->leave_due_ns = s->now_ns;
  if (out->reconnect) tf_link_close(&leg->link, TF_LINK_END_SEQUENCE, TF_WS_CLOSE_NORMAL);
  out->resync_cnt = 0;
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
    tf_book_watch_saw(&s->book_watch, batch.events, batch.event_cnt, s->now_ns);
    s->out.event_cnt = 0;
  }
  if (TF_UNLIKELY(s->book_watch.fresh_cnt > 0)) tf_session_watch_fresh(s);
}

TF_COLD void tf_session_note_stream(tf_session_t *s, const tf_stream_trouble_t *t) {
  const tf_instruments_t *table = s->config.feed_config.instruments;
  const char *name = t->instrument_id < table->cnt ? table->rows[t->instrument_id].name : "?";
  snprintf(s->trouble, sizeof s->trouble, "%s of %s: %s%s%s, %s (try %u of %u)",
           tf_stream_channel_name(t->channel), name, tf_stream_state_name(t->state),
           *t->text ? ": " : ": no data in time", t->text,
           t->is_given_up ? "given up" : "asked again", t->try_cnt, TF_STREAMS_TRIES);
}

/* Of the streams' newest trouble, for people. */
TF_COLD static void note_stream(tf_session_t *s, tf_streams_t *streams) {
  tf_stream_trouble_t t;
  if (tf_streams_trouble(streams, &t)) tf_session_note_stream(s, &t);
}

/* What the venue said of our requests, and what it wants back at once. */
TF_COLD static void take_answers(tf_session_t *s, tf_session_leg_t *leg) {
  tf_feed_out_t        *out  = &s->out;
  const tf_feed_head_t *head = tf_session_state(s, leg);
  tf_streams_answered(&leg->streams, out->answers, out->answer_cnt, head->venue_error, s->now_ns);
  note_stream(s, &leg->streams);
  if (out->reply_bytes_cnt > 0 && out->reply_is_request)
    tf_link_ask(&leg->link, out->reply, out->reply_bytes_cnt);
  else if (out->reply_bytes_cnt > 0)
    tf_link_reply(&leg->link, out->reply, out->reply_bytes_cnt);
  out->answer_cnt = out->reply_bytes_cnt = 0;
}

/* Data for the leg's own streams, whether or not it is published. */
static void on_decoded(void *self, uint32_t leg, const tf_feed_out_t *out) {
  tf_session_t *s = self;
  tf_streams_saw(&s->legs[leg].streams, out->events, out->event_cnt);
}

/* A shared decoder tells nothing of the legs that were late: data of one is data of all. */
static void see_streams(tf_session_t *s) {
  for (uint32_t i = 0; i < s->leg_cnt; i++)
    if (s->legs[i].is_joined) tf_streams_saw(&s->legs[i].streams, s->out.events, s->out.event_cnt);
}

static void on_out(void *self, uint32_t leg, tf_feed_out_t *out) {
  tf_session_t *s = self;
  if (s->feed->sequences_are_shared && out->event_cnt > 0) see_streams(s);
  tf_session_publish(s, s->batch_ticks);
  bool asks = (out->resync_cnt > 0) | out->reconnect | out->leaving;
  if (TF_UNLIKELY(asks)) take_requests(s, &s->legs[leg]);
  bool says = (out->answer_cnt > 0) | (out->reply_bytes_cnt > 0);
  if (TF_UNLIKELY(says)) take_answers(s, &s->legs[leg]);
}

tf_legs_handler_t tf_session_merge_handler(tf_session_t *s) {
  return (tf_legs_handler_t){.self = s, .on_decoded = on_decoded, .on_out = on_out};
}

/* What the feed is about to see. All that it sees passes here and nothing else does: messages of a leg that
 * has not joined and snapshots that came too late change nothing, and what a feed asks for leaves no trace
 * but the answers. */
void tf_session_tap(tf_session_t *s, const tf_tap_record_t *record) {
  if (s->config.tap.on_record) s->config.tap.on_record(s->config.tap.self, record);
}

tf_verdict_t tf_session_deliver(tf_session_t *s, uint32_t leg, const tf_frame_t *frame,
                                uint64_t origin_ticks) {
  tf_session_tap(s, &(tf_tap_record_t){.recv_ns    = frame->recv_ns,
                                       .source_idx = s->config.tap_source_idx,
                                       .kind       = TF_TAP_FRAME,
                                       .frame_kind = frame->kind,
                                       .leg        = (uint8_t)leg,
                                       .bytes_cnt  = frame->bytes_cnt,
                                       .bytes      = frame->bytes,
                                       .target     = frame->target});
  s->batch_ticks = origin_ticks;
  s->work++;
  return tf_legs_frame(&s->merge, leg, frame);
}

/* Computed once a pass: the loop stamps once. */
uint64_t tf_session_origin(tf_session_t *s, uint64_t recv_ns) {
  if (recv_ns != s->origin_recv_ns) {
    s->origin_recv_ns = recv_ns;
    s->origin_ticks   = tf_clock_ticks_of_wall(recv_ns);
  }
  return s->origin_ticks;
}

static void on_message(void *self, tf_link_t *link, tf_ws_opcode_t opcode, const uint8_t *bytes,
                       size_t cnt) {
  tf_session_t     *s     = self;
  tf_session_leg_t *leg   = tf_session_leg_of(link);
  tf_frame_t        frame = {.bytes     = (const char *)bytes,
                             .bytes_cnt = (uint32_t)cnt,
                             .kind      = opcode == TF_WS_TEXT ? TF_FRAME_TEXT : TF_FRAME_BINARY,
                             .recv_ns   = link->recv_ns};
  if (TF_UNLIKELY(!leg->is_joined)) {
    tf_session_legs_listen(s, leg, &frame);
    return;
  }
  bool is_heard = (leg->replaces != TF_LEGS_NONE) & (leg->heard_due_ns == 0) & link->subscribed;
  if (TF_UNLIKELY(is_heard)) leg->heard_due_ns = s->now_ns + s->config.overlap_ns;
  tf_session_deliver(s, tf_session_leg_idx(s, leg), &frame, tf_session_origin(s, link->recv_ns));
}

static void on_received(void *self, tf_link_t *link) {
  (void)link;
  tf_session_t    *s   = self;
  tf_link_ledger_t sum = {.rx = s->http_bytes, .framed = s->http_bytes};
  for (uint32_t i = 0; i < s->leg_cnt; i++) {
    tf_link_ledger_t one = tf_link_ledger(&s->legs[i].link);
    sum.rx += one.rx;
    sum.framed += one.framed;
    sum.partial += one.partial;
    sum.rejected += one.rejected;
  }
  /* relaxed: one writer; a reader wants each word untorn, and sums at quiescence only */
  tf_store_relaxed(&s->source.bytes_framed, sum.framed);
  tf_store_relaxed(&s->source.bytes_partial, sum.partial);   /* relaxed: as above */
  tf_store_relaxed(&s->source.bytes_rejected, sum.rejected); /* relaxed: as above */
  tf_store_relaxed(&s->source.bytes_rx, sum.rx);             /* relaxed: as above */
}

static void on_end(void *self, tf_link_t *link) {
  tf_session_legs_ended(self, tf_session_leg_of(link));
}

void tf_session_break(tf_session_t *s, tf_err_t err, const char *text) {
  if (s->broken != TF_OK) return;
  s->broken = TF_ERR(err, "feed %s: %s", s->feed->venue, text);
  snprintf(s->trouble, sizeof s->trouble, "%s", tf_error_text());
}

static void snapshot_returned(tf_session_t *s) {
  tf_frame_t frame;
  if (!tf_snapshots_returned(&s->snapshots, s->now_ns, &frame)) return;
  frame.recv_ns = tf_clock_wall_ns();
  s->http_bytes += frame.bytes_cnt;
  uint32_t     leg     = tf_legs_first_up(&s->merge);
  tf_verdict_t verdict = tf_session_deliver(s, leg, &frame, tf_clock_ticks());
  tf_snapshots_settle(&s->snapshots, s->now_ns, verdict);
  on_received(s, NULL);
}

static void take_dials(tf_session_t *s) {
  tf_dial_t *d;
  while ((d = tf_dialer_take(&s->client))) {
    s->work++;
    if (d == &s->snapshots.dial) {
      snapshot_returned(s);
      continue;
    }
    uint32_t i = 0;
    while (d != &s->legs[i].link.dial) i++;
    tf_session_legs_dialed(s, &s->legs[i]);
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
  if (tf_session_leg_of(link)->is_joined) tf_snapshots_want(&s->snapshots, instrument_id);
}

/* What is to be said of streams, as far as the venue's pace allows. */
static void ask(tf_session_t *s, tf_session_leg_t *leg) {
  tf_link_t *link = &leg->link;
  if (link->state != TF_LINK_UP || s->now_ns < link->send_due_ns) return;
  int done = tf_streams_tick(&leg->streams, s->now_ns, s->text, s->config.subscribe_bytes_max);
  if (done < 0) {
    tf_session_break(s, done, tf_error_text());
    return;
  }
  note_stream(s, &leg->streams);
  link->subscribed = leg->streams.is_asked;
  s->work += done;
}

/* A heartbeat of ours, for venues that want one. */
static void send_heartbeat(tf_session_t *s, tf_session_leg_t *leg) {
  tf_link_t *link = &leg->link;
  if (s->feed->heartbeat == NULL || s->now_ns < link->heartbeat_due_ns) return;
  if (link->state != TF_LINK_UP || !leg->streams.is_greeted) return;
  size_t cap = s->config.subscribe_bytes_max;
  size_t cnt = s->feed->heartbeat(tf_session_state(s, leg), s->text, cap);
  TF_ASSERT(cnt < cap);
  if (cnt == 0 || !tf_link_send_text(link, s->text, cnt)) return;
  link->heartbeat_due_ns = s->now_ns + s->feed->heartbeat_ns;
  s->counts.heartbeats_tx++;
  s->work++;
}

static uint8_t feed_state_of(tf_session_t *s) {
  const tf_session_leg_t *best    = tf_session_legs_best(s);
  uint64_t                data_ns = 0;
  bool                    dialing = false;
  for (uint32_t i = 0; i < s->leg_cnt; i++) {
    const tf_session_leg_t *leg = &s->legs[i];
    dialing |= leg->link.state == TF_LINK_DIALING;
    if (leg->is_joined && leg->link.data_ns > data_ns) data_ns = leg->link.data_ns;
  }
  if (s->broken != TF_OK || s->stopping || s->is_resting) return TF_FEED_DOWN;
  if (best == NULL) return dialing ? TF_FEED_CONNECTING : TF_FEED_DOWN;
  bool data    = s->source.counts.msgs_data > s->msgs_data_before;
  bool pending = tf_snapshots_pending(&s->snapshots) || best->streams.resyncing_cnt > 0;
  if (s->config.silence_ns && s->now_ns - data_ns > s->config.silence_ns) return TF_FEED_STALE;
  if (!data || best->streams.awaited_cnt > 0) return TF_FEED_SYNCING;
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

/* What the venue does with its instruments it may say nowhere else (listing.h). */
TF_COLD static void refresh_metadata(tf_session_t *s) {
  const tf_snapshots_t *n      = &s->snapshots;
  uint64_t              gap_ns = s->config.metadata_refresh_ns;
  if (gap_ns == TF_SESSION_REFRESH_AUTO) {
    bool was_asked = s->config.metadata || s->feed->tickets_tell_metadata;
    gap_ns         = TF_SESSION_REFRESH_NS;
    if (!was_asked || n->metadata_bytes_max > TF_SESSION_REFRESH_BYTES_MAX) {
      s->refresh_due_ns = UINT64_MAX;
      return;
    }
  }
  if (s->refresh_due_ns > 0) tf_snapshots_ask_metadata(&s->snapshots);
  s->refresh_due_ns = s->now_ns + gap_ns;
}

static void ask_for_snapshots(tf_session_t *s) {
  if (TF_UNLIKELY(s->config.metadata_refresh_ns && s->now_ns >= s->refresh_due_ns))
    refresh_metadata(s);
  if (TF_UNLIKELY(s->snapshots.metadata_given_up && !s->cache_used)) use_cache(s);
  bool books_done = tf_session_legs_best(s)->streams.awaited_cnt == 0;
  s->work += tf_snapshots_tick(&s->snapshots, s->now_ns, books_done);
}

static void housekeep(tf_session_t *s) {
  s->housekeep_due_ns = s->now_ns + HOUSEKEEP_NS;
  for (uint32_t i = 0; i < s->leg_cnt; i++) {
    tf_session_leg_t *leg = &s->legs[i];
    /* signs of life before requests, of which there may be minutes' worth */
    send_heartbeat(s, leg);
    s->work += tf_link_tick(&leg->link, s->now_ns);
    ask(s, leg);
  }
  if (!s->stopping && !s->is_resting && s->broken == TF_OK) {
    tf_session_legs_tick(s);
    if (s->joined_cnt > 0) tf_session_watch_books(s);
    if (s->joined_cnt > 0) tf_session_end_window(s);
    if (s->joined_cnt > 0) ask_for_snapshots(s);
  }
  if (s->now_ns >= s->show_due_ns) {
    s->show_due_ns = s->now_ns + SHOW_NS;
    tf_session_legs_show(s);
  }
  s->source.feed_state = feed_state_of(s);
  tf_session_count_streams(s);
}

/* Silence is time in which we listened: a lane that was held up blames nobody for it. */
TF_COLD static void hold_up(tf_session_t *s, uint64_t held_ns) {
  for (uint32_t i = 0; i < s->leg_cnt; i++) tf_link_excuse(&s->legs[i].link, held_ns);
  tf_staleness_unheard(&s->book_watch.staleness, held_ns);
}

/* Nothing of a leg is under way. */
static bool is_at_rest(const tf_session_t *s) {
  for (uint32_t i = 0; i < s->leg_cnt; i++)
    if (s->legs[i].link.state >= TF_LINK_UP) return false;
  return true;
}

static int session_poll(tf_source_t *source, uint64_t now_ns) {
  tf_session_t *s = (tf_session_t *)source;
  if (TF_UNLIKELY(s->now_ns != 0 && now_ns - s->now_ns > LISTEN_NS_MAX))
    hold_up(s, now_ns - s->now_ns - LISTEN_NS_MAX);
  s->now_ns = now_ns;
  s->work   = 0;
  for (uint32_t i = 0; i < s->leg_cnt; i++) s->legs[i].link.now_ns = now_ns;
  if (s->config.polls_io) {
    int cnt = tf_io_poll(s->config.io, s->config.io_wait_ns);
    if (TF_UNLIKELY(cnt < 0)) tf_session_break(s, cnt, "the I/O loop is broken");
  }
  take_dials(s);
  if (now_ns >= s->housekeep_due_ns) housekeep(s);
  if (TF_UNLIKELY(s->broken != TF_OK)) return s->broken;
  if (TF_UNLIKELY(s->stopping) && is_at_rest(s)) return TF_SOURCE_DONE;
  return s->work;
}

static void session_stop(tf_source_t *source) {
  tf_session_t *s = (tf_session_t *)source;
  if (s->stopping) return;
  s->stopping = true;
  tf_session_legs_close(s);
  s->source.feed_state = TF_FEED_DOWN;
}

static void session_rest(tf_source_t *source, bool rests) {
  tf_session_t *s = (tf_session_t *)source;
  if (s->is_resting == rests || s->stopping || s->broken != TF_OK) return;
  s->is_resting = rests;
  tf_session_legs_rest(s, rests);
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
