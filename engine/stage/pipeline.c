#include "stage/pipeline.h"

#include <string.h>

#include "core/clock.h"
#include "core/wait.h"
#include "serve/texts.h"
#include "stage/tell.h"

const char *const tf_hop_names[TF_HOP_CNT] = {"decode", "buffer", "features",         "model",
                                              "decide", "emit",   "tick_to_decision", "deferred",
                                              "queue"};

static uint32_t hop_ns(uint64_t from_tsc, uint64_t to_tsc) {
  if (to_tsc <= from_tsc || from_tsc == 0) return 0;
  uint64_t ns = tf_clock_ticks_to_ns(to_tsc - from_tsc);
  return ns > UINT32_MAX ? UINT32_MAX : (uint32_t)ns;
}

static void record_hops(tf_lane_t *lane, const tf_tick_hops_t *hops) {
  tf_hist_t     *h     = lane->hists;
  const uint64_t tsc[] = {hops->origin,   hops->decoded,  hops->buffered,
                          hops->featured, hops->modelled, hops->decided};
  for (int i = 0; i < 5; i++) tf_hist_record(&h[TF_HOP_DECODE + i], hop_ns(tsc[i], tsc[i + 1]));
}

static void push_decisions(tf_lane_t *lane, const tf_decision_t *decisions, uint32_t cnt,
                           const tf_tick_hops_t *hops) {
  uint32_t turn = 0;
  for (uint32_t i = 0; i < cnt; i++) {
    tf_ring_decision_t record = {decisions[i], hops->origin, hops->decided};
    while (TF_UNLIKELY(tf_ring_push_sized(lane->ring, &record, 1, sizeof record) == 0)) {
      /* relaxed: a stop flag; nothing else is read on its word */
      if (!lane->waits_for_emit || (lane->stopping && tf_load_relaxed_u32(lane->stopping))) {
        lane->decisions_dropped += cnt - i;
        return;
      }
      lane->ring_full_waits++;
      tf_wait_turn(&turn);
    }
  }
}

static void emit_in_place(tf_lane_t *lane, tf_decision_t *decisions, uint32_t cnt,
                          const tf_tick_hops_t *hops) {
  uint64_t origins[TF_STRATEGIES_MAX];
  for (uint32_t i = 0; i < cnt; i++) origins[i] = hops->origin;
  tf_emit_offer(lane->emit, decisions, cnt, origins);
  tf_hist_record(&lane->hists[TF_HOP_EMIT], hop_ns(hops->decided, tf_clock_ticks()));
}

static void stamp(tf_decision_t *decisions, uint32_t cnt, const tf_tick_hops_t *hops) {
  uint64_t wall_ns = tf_clock_wall_of_ticks(hops->decided);
  for (uint32_t i = 0; i < cnt; i++) {
    tf_decision_t *d  = &decisions[i];
    d->ts_decision_ns = wall_ns;
    d->decide_ns      = hop_ns(hops->origin, hops->decided);
    d->decode_ns      = hop_ns(hops->origin, hops->decoded);
    d->buffer_ns      = hop_ns(hops->origin, hops->buffered);
    d->features_ns    = hop_ns(hops->origin, hops->featured);
    d->model_ns       = hop_ns(hops->origin, hops->modelled);
  }
}

static void send_decisions(tf_lane_t *lane, tf_decision_t *decisions, uint32_t cnt,
                           const tf_tick_hops_t *hops) {
  tf_hist_record(&lane->hists[TF_HOP_TICK_TO_DECISION], hop_ns(hops->origin, hops->decided));
  stamp(decisions, cnt, hops);
  if (lane->ring)
    push_decisions(lane, decisions, cnt, hops);
  else
    emit_in_place(lane, decisions, cnt, hops);
}

/* Is it one of those that the config says are of low priority? */
static bool is_low(const tf_lane_t *lane, const char *name) {
  const char *venue = strrchr(name, '.');
  for (uint32_t i = 0; i < lane->low_cnt; i++) {
    const char *wanted = lane->low[i];
    if (wanted[0] == '*' ? venue && !strcmp(venue, wanted + 1) : !strcmp(name, wanted)) return true;
  }
  return false;
}

TF_COLD void tf_lane_bind(tf_lane_t *lane, tf_lane_instrument_t *in) {
  in->is_live = true;
  in->is_low  = is_low(lane, lane->low_cnt ? lane->names[in->id].name : "");
  tf_peers_meet(lane->compute.plan, lane->names, &lane->met, in);
  tf_universe_meet(&lane->universe, lane->names, in);
}

/* Its seat, and who left for silence. A worker that computes features hears of that between the ticks before and after. */
static void look_around(tf_lane_t *lane, const tf_lane_instrument_t *in) {
  uint32_t gone[TF_UNIVERSE_LEAVE_MAX];
  if (TF_UNLIKELY(lane->batch && lane->compute.tells) &&
      tf_universe_is_leaving(&lane->universe, in))
    tf_batch_answer(lane);
  uint32_t cnt = tf_universe_look(&lane->universe, in, gone);
  if (TF_UNLIKELY(cnt > 0 && lane->compute.tells)) tf_tell_gone(&lane->compute, gone, cnt);
}

void tf_lane_tick(tf_lane_t *lane, tf_lane_instrument_t *in, tf_tick_hops_t *hops) {
  bool sampled = --lane->sample_left == 0;
  if (sampled) {
    lane->sample_left = lane->sample_every;
    hops->buffered    = tf_clock_ticks();
  }
  if (TF_UNLIKELY(in->market.seat)) look_around(lane, in);
  if (TF_UNLIKELY(in->peers)) tf_peers_look(lane->compute.plan, in, in->market.now_ns);
  tf_compute_features(&lane->compute, in);
  if (sampled) hops->featured = tf_clock_ticks();
  if (TF_UNLIKELY(lane->watch.on_row)) lane->watch.on_row(lane->watch.self, in);
  if (TF_UNLIKELY(lane->compute.load.burst_budget_ns)) tf_compute_admit(&lane->compute, in);
  if (TF_UNLIKELY(lane->shed.is_on))
    tf_compute_shed_low(&lane->compute, in, lane->shed.level == TF_SHED_LOW);
  if (TF_UNLIKELY(lane->batch) && !lane->warming)
    tf_batch_take(lane, in, hops);
  else
    tf_lane_finish_tick(lane, in, hops);
  if (TF_UNLIKELY(lane->aside.rows) && !lane->warming) tf_aside_row(&lane->aside, in);
}

/* Once, on the event that completes a message. */
static void on_tick(tf_lane_t *lane, tf_lane_instrument_t *in, tf_tick_hops_t *hops) {
  if (TF_UNLIKELY(!in->is_live)) tf_lane_bind(lane, in);
  if (TF_UNLIKELY(lane->shed.level) && tf_shed_tick(lane, in, hops)) return;
  tf_lane_tick(lane, in, hops);
}

/* A wave of models and the strategies that read them: what the next wave takes is not on its decisions' path. */
TF_INLINE uint32_t decide_wave(tf_lane_t *lane, tf_lane_instrument_t *in, tf_tick_hops_t *hops,
                               uint32_t wave, uint32_t models_good) {
  const bool    sampled = hops->buffered != 0;
  tf_decision_t decisions[TF_STRATEGIES_MAX];
  models_good = tf_compute_models(&lane->compute, in, wave, models_good);
  if (TF_UNLIKELY(lane->warming)) return models_good;
  if (sampled) hops->modelled = tf_clock_ticks();
  uint32_t cnt  = tf_decide_tick(&lane->decide, &lane->compute, in, wave, models_good, decisions);
  hops->decided = tf_clock_ticks();
  if (sampled && wave == 0) record_hops(lane, hops);
  if (cnt > 0) send_decisions(lane, decisions, cnt, hops);
  return models_good;
}

void tf_lane_finish_tick(tf_lane_t *lane, tf_lane_instrument_t *in, tf_tick_hops_t *hops) {
  uint32_t models_good = decide_wave(lane, in, hops, 0, 0);
  for (uint32_t wave = 1; TF_UNLIKELY(wave < lane->compute.wave_cnt); wave++)
    models_good = decide_wave(lane, in, hops, wave, models_good);
  const bool sampled = hops->buffered != 0 && !lane->warming;
  uint64_t   sent    = sampled ? tf_clock_ticks() : 0;
  if (tf_compute_deferred(&lane->compute, in) && sampled)
    tf_hist_record(&lane->hists[TF_HOP_DEFERRED], hop_ns(sent, tf_clock_ticks()));
}

static void on_bars(tf_lane_t *lane, tf_lane_instrument_t *in, uint32_t closed_bars) {
  tf_compute_on_bars(&lane->compute, in, closed_bars);
  if (TF_UNLIKELY(lane->compute.tells)) tf_tell_bars(&lane->compute, in, closed_bars);
  if (TF_UNLIKELY(lane->watch.on_bars)) lane->watch.on_bars(lane->watch.self, in, closed_bars);
}

/* The bars whose time is over. */
TF_INLINE void close_due_bars(tf_lane_t *lane, tf_lane_instrument_t *in) {
  uint32_t closed_bars;
  while (TF_UNLIKELY(closed_bars = tf_buffer_close_due(&lane->buffer, in)))
    on_bars(lane, in, closed_bars);
}

/* A tick of an instrument that others read: what follows its ticks runs in each of them, and those that it wakes
 * have a tick of their own, of which it is the cause. */
static void tell_readers(tf_lane_t *lane, const tf_lane_instrument_t *in, const tf_event_t *e,
                         uint64_t origin_tsc, uint64_t decoded_tsc) {
  const tf_feature_plan_t    *plan  = lane->compute.plan;
  const tf_lane_instrument_t *woken = NULL;
  for (const tf_lane_link_t *link = in->readers; link; link = link->next) {
    tf_lane_instrument_t *reader = link->reader;
    if (reader == in) continue;
    if (plan->on_peer.cnt > 0) {
      uint64_t now_ns = reader->market.now_ns;
      tf_peers_look(plan, reader, e->ts_recv_ns > now_ns ? e->ts_recv_ns : now_ns);
      tf_feature_plan_on_peer(plan, reader->features, &reader->market, link->peer_idx);
    }
    if (!plan->peers[link->peer_idx].wakes || reader == woken || !reader->is_live) continue;
    woken = reader;
    if (TF_UNLIKELY(reader->is_queued)) tf_batch_answer(lane);
    tf_tick_hops_t hops = {.origin = origin_tsc, .decoded = decoded_tsc};
    tf_buffer_on_woken(reader, e);
    close_due_bars(lane, reader);
    on_tick(lane, reader, &hops);
  }
}

/* What another runtime answered: the strategies of that model decide on it, with the answer as the cause; the rows are those of
 * the instrument's last tick. */
static void on_answer(tf_lane_t *lane, const tf_event_t *e, uint64_t origin_tsc,
                      uint64_t decoded_tsc) {
  bool                  has = e->instrument_id < lane->instrument_cap;
  tf_lane_instrument_t *in  = has ? &lane->instruments[e->instrument_id] : NULL;
  if (!tf_compute_answer(&lane->compute, e, in) || lane->warming || !in->is_live) return;
  tf_tick_hops_t hops = {.origin = origin_tsc, .decoded = decoded_tsc};
  tf_decision_t  decisions[TF_STRATEGIES_MAX];
  tf_buffer_on_woken(in, e);
  close_due_bars(lane, in);
  uint32_t cnt =
      tf_decide_answer(&lane->decide, &lane->compute, in, e->u.answer.model_idx, decisions);
  hops.decided = tf_clock_ticks();
  if (cnt > 0) send_decisions(lane, decisions, cnt, &hops);
}

/* An operator's command, at its place in the stream: so a replay obeys it at the same event. */
TF_COLD static void on_control(tf_lane_t *lane, const tf_event_t *e) {
  switch (e->u.control.command) {
  case TF_CONTROL_HALT: lane->decide.halted = true; break;
  case TF_CONTROL_RESUME: lane->decide.halted = false; break;
  case TF_CONTROL_POSITION:
    if (e->instrument_id >= lane->instrument_cap) {
      lane->instruments_refused++;
      return;
    }
    lane->instruments[e->instrument_id].position =
        tf_decimal_to_double(e->u.control.position, e->qty_exp);
    break;
  case TF_CONTROL_ROUTE:
    if (e->instrument_id < lane->instrument_cap)
      lane->instruments[e->instrument_id].route = (uint8_t)e->u.control.position;
    return; /* the feed's doing, not the operator's */
  case TF_CONTROL_PAUSE:
    tf_compute_pause(&lane->compute, e->u.model.model_idx, e->u.model.until_ns);
    return;             /* the engine's own */
  case TF_CONTROL_SWAP: /* a warm start is with the config's version */
    if (!lane->warming && !tf_texts_is_model_idx(e->u.model.model_idx))
      tf_compute_swap(&lane->compute, e);
    return;
  case TF_CONTROL_SEQUENCE: /* a live engine began with it already */
    if (!lane->warming && (uint64_t)e->u.control.position > lane->decide.decision_seq)
      lane->decide.decision_seq = (uint64_t)e->u.control.position;
    if (!lane->warming && e->u.control.reserved[1] > lane->aside.row_seq)
      lane->aside.row_seq = e->u.control.reserved[1];
    return;
  case TF_CONTROL_CANARY:
    if (!lane->warming) tf_compute_canary(&lane->compute, e);
    return;
  default: return; /* of a version to come: passed over, counted as an event */
  }
  lane->commands++;
}

/* How many events, from the first on, are levels of one message and tell the clocks the same. */
TF_INLINE uint32_t count_levels(const tf_event_t *e, uint32_t cnt) {
  uint32_t n = 1;
  while (n < cnt && !(e[n - 1].flags & TF_FLAG_LAST) &&
         (e[n].kind == TF_EVENT_BOOK) & (e[n].instrument_id == e->instrument_id) &
             (e[n].ts_recv_ns == e->ts_recv_ns) & (e[n].ts_event_ns == e->ts_event_ns) &
             (((e[n].flags ^ e->flags) & TF_FLAG_BAD_TS) == 0))
    n++;
  return n;
}

/* An event after which the clocks and the bars have been seen to. Levels of one message go to the book together, where no
 * feature looks at each (and none of them is late, which is counted by each): what the first did to clocks and bars was all that they
 * do. The last of the events that were taken. */
TF_INLINE const tf_event_t *take_event(tf_lane_t *lane, tf_lane_instrument_t *in,
                                       const tf_event_t *e, const tf_event_t *end, uint32_t *on,
                                       uint32_t *closed_bars) {
  if (e->kind != TF_EVENT_BOOK || lane->compute.plan->on_book.cnt > 0 ||
      e->ts_recv_ns != in->market.now_ns) {
    *on = tf_buffer_on_event(&lane->buffer, in, e, closed_bars);
    return e;
  }
  uint32_t cnt = count_levels(e, (uint32_t)(end - e));
  tf_book_on_levels(&in->keeper, e, cnt);
  e += cnt - 1;
  lane->events += cnt - 1;
  in->market.event = e;
  *on = *closed_bars = 0;
  return e;
}

TF_COLD static void attend(tf_lane_t *lane, const tf_event_t *e, uint32_t attention) {
  if (attention & TF_ATTEND_OUTCOMES) tf_shed_obey(lane, e);
  if (attention & TF_ATTEND_ONLOOKER) lane->onlooker.before(lane->onlooker.self, e);
}

void tf_lane_on_events(void *self, const tf_event_t *events, uint32_t event_cnt,
                       uint64_t origin_tsc, uint64_t decoded_tsc) {
  tf_lane_t *lane = self;
  for (const tf_event_t *e = events, *end = events + event_cnt; e != end; e++) {
    lane->events++;
    const uint32_t attention =
        tf_load_acquire_u32(&lane->attention); /* pairs with: tf_lane_attend_from_outside */
    if (TF_UNLIKELY(attention)) attend(lane, e, attention);
    if (TF_UNLIKELY(e->kind == TF_EVENT_CONTROL)) {
      if (e->u.control.command >= TF_CONTROL_ANSWER && e->u.control.command <= TF_CONTROL_RUNTIME)
        on_answer(lane, e, origin_tsc, decoded_tsc);
      else
        on_control(lane, e);
      continue;
    }
    if (TF_UNLIKELY(e->instrument_id >= lane->instrument_cap)) {
      lane->instruments_refused++;
      continue;
    }
    tf_lane_instrument_t *in = &lane->instruments[e->instrument_id];
    uint32_t              closed_bars, on;
    if (in != lane->fetched) {
      lane->fetched = in;
      tf_feature_plan_fetch(lane->compute.plan, in->features);
    }
    tf_buffer_begin(&lane->buffer, in, e);
    close_due_bars(lane, in);
    e         = take_event(lane, in, e, end, &on, &closed_bars);
    bool last = e->flags & TF_FLAG_LAST;
    if (last) tf_buffer_settle(&lane->buffer, in);
    if (TF_UNLIKELY(closed_bars)) on_bars(lane, in, closed_bars);
    tf_compute_on_event(&lane->compute, in, on);
    if (TF_UNLIKELY(lane->compute.tells & on)) tf_tell_event(&lane->compute, in, on);
    if (TF_UNLIKELY(lane->shed.is_on)) tf_shed_look(lane, in, e, origin_tsc);
    if (last) {
      tf_tick_hops_t hops = {.origin = origin_tsc, .decoded = decoded_tsc};
      on_tick(lane, in, &hops);
      if (TF_UNLIKELY(in->readers)) tell_readers(lane, in, e, origin_tsc, decoded_tsc);
      if (TF_UNLIKELY(lane->aside.quotes) && !lane->warming) tf_aside_quote(&lane->aside, in, e);
    }
  }
}
