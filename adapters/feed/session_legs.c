/* The connections of a session: dialled, heard beside one another, replaced, and what follows when one ends
 * (session.h). */
#include <string.h>

#include "core/clock.h"
#include "core/error.h"
#include "feed/session_state.h"

#define HOLD_LATE_NS (10 * TF_NS_PER_SEC)  /* 1008, 1013: the venue wants us to wait */
#define HOLD_BAN_NS  (120 * TF_NS_PER_SEC) /* 418, 429 without Retry-After */
#define HOLD_DENY_NS (30 * TF_NS_PER_SEC)  /* 403: a firewall's limit, mostly */

/* ---- joining ---- */

static void tap_leg(tf_session_t *s, const tf_session_leg_t *leg, tf_tap_kind_t kind,
                    uint64_t wall_ns) {
  uint8_t why = kind == TF_TAP_DISCONNECT ? (uint8_t)leg->link.end : 0;
  tf_session_tap(s, &(tf_tap_record_t){.recv_ns    = wall_ns,
                                       .source_idx = s->config.tap_source_idx,
                                       .kind       = (uint8_t)kind,
                                       .frame_kind = why,
                                       .leg        = (uint8_t)tf_session_leg_idx(s, leg)});
}

/* The first leg is there, or the last one gone: what was asked for by REST is of another time. */
static void begin_anew(tf_session_t *s) {
  tf_snapshots_forget(&s->snapshots);
  tf_staleness_reconnected(&s->book_watch.staleness);
  s->msgs_data_before = s->source.counts.msgs_data;
}

/* From here on the decoder gets its messages, first those that were kept. */
static void join(tf_session_t *s, tf_session_leg_t *leg) {
  uint64_t wall_ns  = tf_clock_wall_ns();
  uint32_t idx      = tf_session_leg_idx(s, leg);
  bool     listened = s->listener == idx;
  if (s->joined_cnt == 0) begin_anew(s);
  leg->is_joined = true;
  s->joined_cnt++;
  s->listener    = listened ? TF_LEGS_NONE : s->listener;
  s->batch_ticks = tf_clock_ticks();
  tap_leg(s, leg, TF_TAP_CONNECT, wall_ns);
  tf_legs_up(&s->merge, idx, wall_ns);
  tf_frame_t frame;
  for (size_t at = 0; listened && tf_overlap_next(&s->overlap, &at, &frame);)
    tf_session_deliver(s, idx, &frame, tf_session_origin(s, frame.recv_ns));
  if (listened) tf_overlap_clear(&s->overlap);
}

/* Where sequences are the instrument's, one that comes up beside others may be ahead of them: what it brings
 * at once would look like a gap to those who are behind. So it is heard for a while first, and what it said
 * is handed on when the others have passed that. A shared decoder only: where each has its own, a newcomer
 * disturbs nobody. */
static bool must_listen(const tf_session_t *s) {
  return s->feed->sequences_are_shared && s->joined_cnt > 0 && s->listener == TF_LEGS_NONE &&
         s->overlap.cap > 0;
}

static void came_up(tf_session_t *s, tf_session_leg_t *leg) {
  uint64_t life = s->feed->session_life_ns_max;
  tf_count_add(&s->source.connects, 1);
  tf_streams_restart(&leg->streams);
  leg->leave_due_ns   = life ? leg->link.up_ns + life - s->config.rollover_lead_ns : 0;
  leg->heard_due_ns   = 0;
  s->housekeep_due_ns = 0;
  if (s->feed->sequences_are_shared && s->joined_cnt > 0)
    tf_streams_continue(&leg->streams, &tf_session_legs_best(s)->streams);
  if (must_listen(s))
    s->listener = tf_session_leg_idx(s, leg);
  else
    join(s, leg);
  tf_link_feed_leftover(&leg->link, tf_clock_wall_ns());
}

/* A newcomer may wait longer than the venue does for its heartbeat's echo. */
static void echo(tf_session_t *s, tf_session_leg_t *leg, const tf_frame_t *frame) {
  char   text[TF_FEED_REPLY_BYTES];
  size_t cnt = s->feed->echo(tf_session_state(s, leg), frame, text, sizeof text);
  if (cnt > 0 && cnt < sizeof text) tf_link_reply(&leg->link, text, cnt);
}

void tf_session_legs_listen(tf_session_t *s, tf_session_leg_t *leg, const tf_frame_t *frame) {
  if (s->listener == TF_LEGS_NONE) return; /* all of them are being closed */
  if (s->feed->echo != NULL) echo(s, leg, frame);
  if (leg->heard_due_ns == 0 && leg->link.subscribed)
    leg->heard_due_ns = s->now_ns + s->config.overlap_ns;
  if (tf_overlap_put(&s->overlap, frame)) return;
  join(s, leg); /* there is no more room to wait in */
  leg->heard_due_ns = s->now_ns;
  tf_session_deliver(s, tf_session_leg_idx(s, leg), frame, tf_session_origin(s, frame->recv_ns));
}

/* ---- dialling ---- */

/* So many other legs are connected there, or about to be. One that this leg replaces does not count. */
static uint32_t users_of(const tf_session_t *s, const tf_link_t *link, uint32_t endpoint_idx) {
  const tf_session_leg_t *leg = (const tf_session_leg_t *)(const void *)link;
  uint32_t                cnt = 0;
  for (uint32_t i = 0; i < s->leg_cnt; i++) {
    const tf_link_t *other = &s->legs[i].link;
    if (other == link || i == leg->replaces) continue;
    bool is_there = other->state == TF_LINK_DIALING || other->state == TF_LINK_UP;
    cnt += is_there && other->dial.endpoint == &s->endpoints[endpoint_idx];
  }
  return cnt;
}

/* Legs spread over the endpoints: the best one that the fewest others use, of those that did not fail since
 * they were measured; where all failed, the best. */
static uint32_t best_of(const tf_session_t *s, const tf_link_t *link) {
  tf_ranking_order_t order = tf_ranking_read(s->config.ranking);
  uint32_t           best = order.best_first[0], fewest = UINT32_MAX;
  for (uint32_t i = 0; i < s->config.ranking->cnt; i++) {
    uint32_t idx = order.best_first[i], users = users_of(s, link, idx);
    if (order.has_failed[idx] || users >= fewest) continue;
    best   = idx;
    fewest = users;
  }
  return best;
}

/* Where this leg's last one failed, that goes behind the others first. */
static const tf_endpoint_t *endpoint_of(tf_session_t *s, const tf_link_t *link) {
  tf_ranking_t *ranking = s->config.ranking;
  if (ranking == NULL) return &s->endpoints[0];
  bool has_ended = link->end != TF_LINK_END_NONE && link->end != TF_LINK_END_REPLACED;
  if (link->dial.endpoint != NULL && (link->dial.err != TF_OK || has_ended))
    tf_ranking_demote(ranking, (uint32_t)(link->dial.endpoint - s->endpoints));
  return &s->endpoints[best_of(s, link)];
}

static void dial(tf_session_t *s, tf_session_leg_t *leg) {
  tf_link_t *link = &leg->link;
  link->state     = TF_LINK_DIALING;
  link->dial.why  = leg->why;
  leg->ticket_idx = 0;
  if (!tf_ticket_ask(&link->dial, s->feed, leg->ticket_idx, &s->rest_endpoint)) {
    link->dial.kind     = TF_DIAL_WEBSOCKET;
    link->dial.endpoint = endpoint_of(s, link);
  }
  for (size_t i = 0; i < sizeof link->dial.nonce; i += sizeof(uint32_t)) {
    uint32_t word = tf_session_random(s);
    memcpy(link->dial.nonce + i, &word, sizeof word);
  }
  leg->retry_due_ns = 0;
  if (s->joined_cnt == 0) s->was_live = false;
  tf_backoff_attempt(&leg->backoff, s->now_ns);
  s->counts.dials++;
  bool posted = tf_dialer_submit(s->config.dialer, &s->client, &link->dial);
  TF_ASSERT(posted); /* the legs and the snapshot are all that can be out */
}

static void dial_failed(tf_session_t *s, tf_session_leg_t *leg) {
  const tf_dial_t *d = &leg->link.dial;
  leg->link.state    = TF_LINK_IDLE;
  leg->why           = "dial failed";
  s->counts.dial_failures++;
  tf_count_add(&s->source.dials_failed[d->phase], 1);
  snprintf(s->trouble, sizeof s->trouble, "%s: %s: %s", tf_dialer_phase_name(d->phase),
           tf_error_name(d->err), d->text);
  uint64_t hold = 0;
  if (d->retry_after_s != UINT32_MAX)
    hold = d->retry_after_s * TF_NS_PER_SEC;
  else if (d->http_status == 418 || d->http_status == 429)
    hold = HOLD_BAN_NS;
  else if (d->http_status == 403)
    hold = HOLD_DENY_NS;
  leg->retry_due_ns = tf_backoff_ended(&leg->backoff, s->now_ns, 0, hold, tf_session_random(s));
  if (d->http_status == 401 && s->joined_cnt == 0) tf_session_break(s, E_FEED_REFUSED, s->trouble);
}

/* What the venue said before the connection: the leg's decoder's, and the dial goes on with the next, or with what
 * all of them said. */
static void take_ticket(tf_session_t *s, tf_session_leg_t *leg) {
  tf_link_t *link  = &leg->link;
  tf_frame_t frame = tf_ticket_frame(&link->dial, tf_clock_wall_ns());
  s->http_bytes += frame.bytes_cnt;
  uint32_t     idx     = tf_session_leg_idx(s, leg);
  tf_verdict_t verdict = tf_session_deliver(s, idx, &frame, tf_clock_ticks());
  link->handler.on_received(s, link);
  tf_err_t err = TF_OK;
  if (verdict == TF_VERDICT_REJECTED)
    err = tf_ticket_refuse(&link->dial, s->feed);
  else if (!tf_ticket_ask(&link->dial, s->feed, ++leg->ticket_idx, &s->rest_endpoint))
    err = tf_ticket_use(&link->dial, s->feed, tf_session_state(s, leg), endpoint_of(s, link),
                        s->config.target);
  if (err == TF_OK) {
    bool posted = tf_dialer_submit(s->config.dialer, &s->client, &link->dial);
    TF_ASSERT(posted); /* the one that has just come back */
  } else {
    dial_failed(s, leg);
  }
}

void tf_session_legs_dialed(tf_session_t *s, tf_session_leg_t *leg) {
  if (s->stopping || s->is_resting) {
    leg->link.state = TF_LINK_IDLE; /* the next dial or fini closes what it brought */
  } else if (leg->link.dial.err != TF_OK) {
    dial_failed(s, leg);
  } else if (leg->link.dial.kind == TF_DIAL_POST) {
    take_ticket(s, leg);
  } else {
    tf_link_start(&leg->link, s->now_ns);
    if (leg->link.state == TF_LINK_UP) came_up(s, leg);
  }
}

/* ---- ends ---- */

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

static void note_end(tf_session_t *s, const tf_session_leg_t *leg) {
  const tf_link_t    *link       = &leg->link;
  char                detail[96] = "";
  tf_stream_trouble_t down;
  if (link->end == TF_LINK_END_STOPPED && tf_streams_first_down(&leg->streams, &down)) {
    tf_session_note_stream(s, &down); /* what was still missing then */
    return;
  }
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

/* When to dial the leg again. */
static void try_again(tf_session_t *s, tf_session_leg_t *leg) {
  const tf_link_t *link  = &leg->link;
  uint64_t         up_ns = s->now_ns - link->up_ns;
  again_t again = link->end == TF_LINK_END_PEER_CLOSE ? close_policy(link->peer_close_code) : AGAIN;
  leg->why      = tf_link_end_name(link->end);
  if (again == NEVER && s->joined_cnt == 0) {
    tf_session_break(s, E_FEED_REFUSED, s->trouble);
  } else if (again == AGAIN_AT_ONCE) {
    leg->retry_due_ns = tf_backoff_at_once(&leg->backoff, s->now_ns, up_ns, tf_session_random(s));
  } else {
    uint64_t hold = again == AGAIN ? 0 : HOLD_LATE_NS;
    leg->retry_due_ns =
        tf_backoff_ended(&leg->backoff, s->now_ns, up_ns, hold, tf_session_random(s));
  }
}

/* The leg that comes in place of this one; NULL. */
static tf_session_leg_t *successor_of(tf_session_t *s, const tf_session_leg_t *leg) {
  for (uint32_t i = 0; i < s->leg_cnt; i++)
    if (s->legs[i].is_wanted && s->legs[i].replaces == tf_session_leg_idx(s, leg))
      return &s->legs[i];
  return NULL;
}

/* The leg that is being heard brings all streams already, so that it takes the last one's place without a
 * break. One that had not asked for all of them is a connection like the first: what went between the two
 * is missing, and the decoder is told so by the death, as it would be if there were no newcomer. */
static bool is_heard_of_all(const tf_session_t *s) {
  return s->listener != TF_LEGS_NONE && s->legs[s->listener].heard_due_ns != 0;
}

/* The decoder has had its last message. */
static void part(tf_session_t *s, tf_session_leg_t *leg) {
  uint32_t idx = tf_session_leg_idx(s, leg);
  if (s->listener == idx) {
    s->listener = TF_LEGS_NONE;
    tf_overlap_clear(&s->overlap);
  }
  if (!leg->is_joined) return;
  if (s->joined_cnt == 1 && is_heard_of_all(s)) join(s, &s->legs[s->listener]);
  uint64_t wall_ns = tf_clock_wall_ns();
  leg->is_joined   = false;
  s->joined_cnt--;
  if (s->joined_cnt == 0) begin_anew(s);
  s->batch_ticks = tf_clock_ticks();
  tap_leg(s, leg, TF_TAP_DISCONNECT, wall_ns);
  tf_legs_down(&s->merge, idx, wall_ns);
  if (s->joined_cnt > 0 || s->listener == TF_LEGS_NONE) return;
  tf_streams_continue(&s->legs[s->listener].streams, NULL);
  join(s, &s->legs[s->listener]);
}

void tf_session_legs_ended(tf_session_t *s, tf_session_leg_t *leg) {
  tf_session_leg_t *successor = successor_of(s, leg);
  s->counts.ends[leg->link.end]++;
  s->source.legs[tf_session_leg_idx(s, leg)].ends[leg->link.end]++;
  tf_count_add(&s->source.disconnects, 1);
  if (leg->link.end != TF_LINK_END_REPLACED) note_end(s, leg);
  tf_streams_restart(&leg->streams);
  part(s, leg);
  if (s->stopping || s->is_resting) return;
  if (successor == NULL) {
    try_again(s, leg);
    return;
  }
  successor->replaces = TF_LEGS_NONE; /* it is in its place already */
  leg->is_wanted      = false;
}

/* ---- replacing ---- */

static tf_session_leg_t *vacant_of(tf_session_t *s) {
  for (uint32_t i = 0; i < s->leg_cnt; i++)
    if (!s->legs[i].is_wanted && s->legs[i].link.state == TF_LINK_IDLE) return &s->legs[i];
  return NULL;
}

/* While the old one goes on, another is made. */
static void begin_replacing(tf_session_t *s, tf_session_leg_t *leg) {
  tf_session_leg_t *heir = vacant_of(s);
  if (heir == NULL) return; /* another is being replaced: later */
  leg->leave_due_ns  = 0;
  heir->is_wanted    = true;
  heir->replaces     = (uint8_t)tf_session_leg_idx(s, leg);
  heir->why          = "rollover";
  heir->retry_due_ns = 0;
  tap_leg(s, leg, TF_TAP_RETIRE, tf_clock_wall_ns());
  tf_legs_retire(&s->merge, heir->replaces);
}

/* The new one has been heard long enough. Where it has books of its own they must have come over; a book
 * that does not come in TAKE_OVER_NS_MAX is asked for again without the old one. */
static void settle(tf_session_t *s, tf_session_leg_t *leg) {
  if (!leg->is_joined) join(s, leg);
  if (leg->replaces == TF_LEGS_NONE) return;
  tf_session_leg_t *old     = &s->legs[leg->replaces];
  bool              is_over = s->now_ns - leg->link.up_ns >= s->config.take_over_ns_max;
  if (s->merge.legs[leg->replaces].owned_cnt > 0 && !is_over) return;
  s->counts.rollovers++;
  tf_link_close(&old->link, TF_LINK_END_REPLACED, TF_WS_CLOSE_NORMAL);
}

/* One more may be dialled while nothing is connected, or while no other is on its way: one after the other
 * can be heard. */
static bool may_dial(const tf_session_t *s) {
  if (s->joined_cnt == 0) return true;
  for (uint32_t i = 0; i < s->leg_cnt; i++)
    if (s->legs[i].link.state == TF_LINK_DIALING || s->listener == i) return false;
  return true;
}

void tf_session_legs_tick(tf_session_t *s) {
  for (uint32_t i = 0; i < s->leg_cnt; i++) {
    tf_session_leg_t *leg = &s->legs[i];
    if (leg->link.state == TF_LINK_IDLE && leg->is_wanted && s->now_ns >= leg->retry_due_ns &&
        may_dial(s))
      dial(s, leg);
    if (leg->link.state != TF_LINK_UP) continue;
    bool is_due = leg->leave_due_ns != 0 && s->now_ns >= leg->leave_due_ns;
    if (leg->is_joined && (is_due || leg->link.is_doubtful) && successor_of(s, leg) == NULL)
      begin_replacing(s, leg);
    if (leg->heard_due_ns != 0 && s->now_ns >= leg->heard_due_ns) settle(s, leg);
  }
}

void tf_session_legs_close(tf_session_t *s) {
  s->listener = TF_LEGS_NONE; /* a newcomer takes no place any more */
  tf_overlap_clear(&s->overlap);
  for (uint32_t i = 0; i < s->leg_cnt; i++)
    tf_link_close(&s->legs[i].link, TF_LINK_END_STOPPED, TF_WS_CLOSE_NORMAL);
}

void tf_session_legs_rest(tf_session_t *s, bool rests) {
  for (uint32_t i = 0; i < s->leg_cnt; i++) {
    tf_session_leg_t *leg = &s->legs[i];
    leg->is_wanted        = i < s->config.legs;
    leg->replaces         = TF_LEGS_NONE;
    leg->retry_due_ns = leg->leave_due_ns = leg->heard_due_ns = 0;
    leg->why                                                  = "called";
  }
  if (rests) tf_session_legs_close(s);
}

/* ---- what is shown ---- */

tf_session_leg_t *tf_session_legs_best(tf_session_t *s) {
  tf_session_leg_t *best = NULL;
  for (uint32_t i = 0; i < s->leg_cnt; i++) {
    tf_session_leg_t *leg = &s->legs[i];
    if (!leg->is_joined) continue;
    if (best == NULL || leg->streams.awaited_cnt < best->streams.awaited_cnt) best = leg;
  }
  return best;
}

/* Quantiles are a walk over a histogram: of one leg a time, since this is the lane. */
void tf_session_legs_show(tf_session_t *s) {
  for (uint32_t i = 0; i < s->leg_cnt; i++) {
    const tf_legs_leg_t *from     = &s->merge.legs[i];
    tf_source_leg_t     *to       = &s->source.legs[i];
    to->is_up                     = s->legs[i].is_joined;
    const tf_endpoint_t *e        = s->legs[i].link.dial.endpoint;
    bool                 has_host = e >= s->endpoints && e < s->endpoints + TF_ENDPOINTS_MAX;
    if (has_host) to->endpoint_idx = (uint64_t)(e - s->endpoints);
    to->messages   = from->messages;
    to->duplicates = from->duplicates;
    to->wins       = s->merge.race.legs[i].wins;
    to->losses     = s->merge.race.legs[i].losses;
  }
  const tf_hist_t *lead = &s->merge.race.legs[s->show_idx].lead;
  tf_source_leg_t *to   = &s->source.legs[s->show_idx];
  s->show_idx           = (s->show_idx + 1) % s->leg_cnt;
  if (lead->cnt == to->lead_cnt) return;
  to->lead_cnt    = lead->cnt;
  to->lead_p50_ns = tf_hist_quantile(lead, 0.5);
  to->lead_p90_ns = tf_hist_quantile(lead, 0.9);
  to->lead_p99_ns = tf_hist_quantile(lead, 0.99);
  to->lead_max_ns = lead->max;
}
