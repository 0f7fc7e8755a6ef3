#include "boot/publish.h"

#include <string.h>

#include "boot/remotes.h"
#include "boot/runtimes.h"
#include "core/error.h"

TF_STATIC_ASSERT((int)TF_HOP_CNT == (int)TF_METRIC_HIST_RECEIVE &&
                     (int)TF_HOP_TICK_TO_DECISION == (int)TF_METRIC_HIST_TICK_TO_DECISION,
                 "hops are the first of the metric histograms");
TF_STATIC_ASSERT(TF_METRIC_ACTIONS_HOLD + TF_ACTION_FLAT == TF_METRIC_ACTIONS_FLAT,
                 "actions are counted in their own order");
TF_STATIC_ASSERT(TF_METRIC_HOLDS_NONE + TF_HOLD_SHED == TF_METRIC_HOLDS_SHED,
                 "hold reasons are counted in their own order");

TF_STATIC_ASSERT(TF_METRIC_EVENTS_BAD_TIME_ZERO + TF_EVENT_TIME_SAID ==
                     TF_METRIC_EVENTS_BAD_TIME_SAID,
                 "times are counted in the order of their causes");

TF_STATIC_ASSERT(TF_METRIC_FEED_STREAMS_WANTED + TF_STREAM_UNWANTED - TF_STREAM_WANTED ==
                     TF_METRIC_FEED_STREAMS_UNWANTED,
                 "streams are counted in the order of their states");

static void publish_streams(tf_metrics_block_t *b, const tf_source_streams_t *s) {
  for (uint32_t i = TF_STREAM_WANTED; i < TF_STREAM_STATE_CNT; i++)
    tf_metrics_set(b, (tf_metric_t)(TF_METRIC_FEED_STREAMS_WANTED + i - TF_STREAM_WANTED),
                   s->by_state[i]);
  tf_metrics_set(b, TF_METRIC_FEED_STREAM_REQUESTS, s->requests);
  tf_metrics_set(b, TF_METRIC_FEED_STREAM_ACKS, s->acks);
  tf_metrics_set(b, TF_METRIC_FEED_STREAM_REFUSALS, s->refusals);
  tf_metrics_set(b, TF_METRIC_FEED_STREAM_STRAYS, s->strays);
  tf_metrics_set(b, TF_METRIC_FEED_STREAM_SILENT_ASKED, s->silent_asked);
  tf_metrics_set(b, TF_METRIC_FEED_STREAM_SILENT, s->silent);
  tf_metrics_set(b, TF_METRIC_FEED_STREAM_REFUSED, s->refused);
  tf_metrics_set(b, TF_METRIC_FEED_STREAM_RESYNCS, s->resyncs);
}

static void publish_feed(tf_metrics_block_t *b, const tf_source_t *s,
                         const tf_instruments_t *instruments) {
  const tf_feed_counts_t *c       = &s->counts;
  uint64_t                ignored = 0;
  for (uint64_t i = 0; i < c->ignored_type_cnt; i++) ignored += c->ignored[i].cnt;
  tf_metrics_set(b, TF_METRIC_FEED_STATE, s->feed_state);
  tf_metrics_set(b, TF_METRIC_FEED_RX_BYTES, s->bytes_rx);
  tf_metrics_set(b, TF_METRIC_FEED_FRAMED_BYTES, s->bytes_framed);
  tf_metrics_set(b, TF_METRIC_FEED_PARTIAL_BYTES, s->bytes_partial);
  tf_metrics_set(b, TF_METRIC_FEED_REJECTED_BYTES, s->bytes_rejected);
  tf_metrics_set(b, TF_METRIC_FEED_MESSAGES, c->messages);
  tf_metrics_set(b, TF_METRIC_FEED_MSGS_DATA, c->msgs_data);
  tf_metrics_set(b, TF_METRIC_FEED_MSGS_CONTROL, c->msgs_control);
  tf_metrics_set(b, TF_METRIC_FEED_MSGS_IGNORED, ignored);
  for (uint32_t i = 0; i < TF_REJECT_CNT; i++)
    tf_metrics_set(b, (tf_metric_t)(TF_METRIC_FEED_REJECTED_SYNTAX + i), c->rejected[i]);
  for (uint32_t i = 0; i < TF_EVENT_KIND_CNT; i++)
    tf_metrics_set(b, (tf_metric_t)(TF_METRIC_FEED_EVENTS_TRADE + i), c->events[i]);
  tf_metrics_set(b, TF_METRIC_FEED_MERGED, c->merged);
  tf_metrics_set(b, TF_METRIC_FEED_STANDBY, s->is_standby);
  tf_metrics_set(b, TF_METRIC_FEED_BROKEN, s->broken != TF_OK);
  tf_metrics_set(b, TF_METRIC_FEED_HELD, s->held_events);
  tf_metrics_set(b, TF_METRIC_FEED_DUPLICATES, c->duplicates);
  tf_metrics_set(b, TF_METRIC_FEED_ID_CONFLICTS, c->id_conflicts);
  tf_metrics_set(b, TF_METRIC_FEED_LATE_TRADES, c->late_trades);
  tf_metrics_set(b, TF_METRIC_FEED_REORDERED, c->reordered);
  tf_metrics_set(b, TF_METRIC_FEED_HELD_TRADES, c->held_trades);
  tf_metrics_set(b, TF_METRIC_FEED_LISTINGS, c->listings);
  tf_metrics_set(b, TF_METRIC_FEED_GAPS, c->gaps);
  tf_metrics_set(b, TF_METRIC_FEED_BRIDGED_OUT_LEVELS, c->bridged_out_levels);
  tf_metrics_set(b, TF_METRIC_FEED_RESYNCS, c->resyncs);
  tf_metrics_set(b, TF_METRIC_FEED_DERIVED, c->derived);
  tf_metrics_set(b, TF_METRIC_FEED_CHECKSUMS, c->checksums);
  tf_metrics_set(b, TF_METRIC_FEED_CHECKSUM_MISMATCHES, c->checksum_mismatches);
  tf_metrics_set(b, TF_METRIC_FEED_CHECKSUMS_OFF, c->checksums_off);
  tf_metrics_set(b, TF_METRIC_FEED_INSTRUMENTS_CACHED, c->metadata_cached);
  publish_streams(b, &s->streams);
  bool has_lag = s->newest_event_ns && s->newest_recv_ns > s->newest_event_ns;
  tf_metrics_set(b, TF_METRIC_FEED_LAG_NS, has_lag ? s->newest_recv_ns - s->newest_event_ns : 0);
  tf_metrics_set(b, TF_METRIC_FEED_LAST_EVENT_NS, s->newest_recv_ns);
  tf_metrics_set(b, TF_METRIC_FEED_BOOKS_LOST, s->books_lost);
  tf_metrics_set(b, TF_METRIC_FEED_STALE, s->stale);
  tf_metrics_set(b, TF_METRIC_FEED_STALE_NOW, s->stale_now);
  tf_metrics_set(b, TF_METRIC_FEED_CONNECTS, s->connects);
  for (uint32_t i = 0; i < TF_DIAL_CNT; i++)
    tf_metrics_set(b, (tf_metric_t)(TF_METRIC_FEED_DIALS_FAILED_WAIT + i), s->dials_failed[i]);
  tf_metrics_set(b, TF_METRIC_FEED_DISCONNECTS, s->disconnects);
  tf_metrics_set(b, TF_METRIC_FEED_RECONNECTS, s->connects ? s->connects - 1 : 0);
  /* pairs with: tf_symbols_add. The table's count alone is read. */
  tf_metrics_set(b, TF_METRIC_FEED_INSTRUMENTS, tf_load_acquire_u32(&instruments->cnt));
}

static void publish_leg(tf_metrics_block_t *b, const tf_source_leg_t *leg) {
  tf_metrics_set(b, TF_METRIC_LEG_UP, leg->is_up);
  tf_metrics_set(b, TF_METRIC_LEG_ENDPOINT, leg->endpoint_idx);
  tf_metrics_set(b, TF_METRIC_LEG_MESSAGES, leg->messages);
  tf_metrics_set(b, TF_METRIC_LEG_DUPLICATES, leg->duplicates);
  tf_metrics_set(b, TF_METRIC_LEG_WINS, leg->wins);
  tf_metrics_set(b, TF_METRIC_LEG_LOSSES, leg->losses);
  tf_metrics_set(b, TF_METRIC_LEG_LEAD_P50_NS, leg->lead_p50_ns);
  tf_metrics_set(b, TF_METRIC_LEG_LEAD_P90_NS, leg->lead_p90_ns);
  tf_metrics_set(b, TF_METRIC_LEG_LEAD_P99_NS, leg->lead_p99_ns);
  tf_metrics_set(b, TF_METRIC_LEG_LEAD_MAX_NS, leg->lead_max_ns);
  for (uint32_t i = 0; i < TF_LEG_END_CNT; i++)
    tf_metrics_set(b, (tf_metric_t)(TF_METRIC_LEG_ENDED_NONE + i), leg->ends[i]);
}

TF_STATIC_ASSERT(TF_METRIC_FEED_OFFSET_TRADE + 2 * TF_FEED_CLOCK_KINDS ==
                     TF_METRIC_FEED_DELAY_P50_TRADE,
                 "clocks are published in the order of event kinds");

static void publish_clock(tf_metrics_block_t *b, const tf_feed_clock_kind_t *k, uint32_t kind) {
  const tf_hist_t *h = &k->delays;
  if (h->cnt == 0) return;
  tf_metrics_set(b, (tf_metric_t)(TF_METRIC_FEED_OFFSET_TRADE + kind), (uint64_t)k->offset_ns);
  if (k->drift.has_line)
    tf_metrics_set(b, (tf_metric_t)(TF_METRIC_FEED_DRIFT_TRADE + kind), (uint64_t)k->drift.ppb);
  tf_metrics_set(b, (tf_metric_t)(TF_METRIC_FEED_DELAY_P50_TRADE + kind), tf_hist_quantile(h, 0.5));
  tf_metrics_set(b, (tf_metric_t)(TF_METRIC_FEED_DELAY_P99_TRADE + kind),
                 tf_hist_quantile(h, 0.99));
  tf_metrics_set(b, (tf_metric_t)(TF_METRIC_FEED_DELAY_P999_TRADE + kind),
                 tf_hist_quantile(h, 0.999));
  tf_metrics_set(b, (tf_metric_t)(TF_METRIC_FEED_DELAY_MAX_TRADE + kind), h->max);
}

/* Distributions are summed up one a pass: three quantiles read about 3,000 words, which all at once would be a pause
 * on acquire's thread. */
static void publish_distribution(tf_publish_t *p) {
  const tf_acquire_t *a    = &p->runner->acquire;
  uint32_t            at   = p->quantiles_at;
  uint32_t            feed = at / TF_FEED_CLOCK_KINDS, kind = at % TF_FEED_CLOCK_KINDS;
  p->quantiles_at = feed < a->source_cnt ? at + 1 : 0;
  if (feed < a->source_cnt && p->feeds[feed] && a->clocks)
    publish_clock(p->feeds[feed], &a->clocks[feed].kinds[kind], kind);
}

/* Of one instrument a pass, in turn: those that lack a feature, and what the one that lacks most waits for. */
static void publish_warmup(tf_publish_t *p, tf_metrics_block_t *b, const tf_lane_t *lane) {
  const tf_feature_plan_t *plan = lane->compute.plan;
  tf_metrics_set(b, TF_METRIC_INSTRUMENTS_WARMING, lane->compute.counts.warming);
  if (lane->instrument_cap == 0 || !plan) return;
  if (p->warmup_at >= lane->instrument_cap) p->warmup_at = 0;
  const tf_lane_instrument_t *in    = &lane->instruments[p->warmup_at++];
  uint64_t                    cnt   = 0;
  tf_feature_wait_t           worst = {0};
  if (lane->compute.counts.warming > 0 && (!in->has_ticked || in->is_ready)) return;
  for (uint32_t i = 0; in->has_ticked && i < plan->listed_cnt; i++) {
    tf_feature_wait_t wait = tf_feature_plan_wait(plan, in->features, i);
    cnt += !wait.is_ready;
    if (worst.left.ticks < wait.left.ticks) worst.left.ticks = wait.left.ticks;
    if (worst.left.closes < wait.left.closes) worst.left.closes = wait.left.closes;
  }
  tf_metrics_set(b, TF_METRIC_FEATURES_WARMING, cnt);
  tf_metrics_set(b, TF_METRIC_TICKS_TO_READY, worst.left.ticks);
  tf_metrics_set(b, TF_METRIC_CLOSES_TO_READY, worst.left.closes);
}

TF_STATIC_ASSERT(TF_METRIC_BATCHES_1 + TF_BATCH_SIZES - 1 == TF_METRIC_BATCHES_64,
                 "batches are counted in the order of their sizes");

static void publish_lane(tf_metrics_block_t *b, const tf_lane_t *lane) {
  const tf_compute_counts_t *m = &lane->compute.counts;
  const tf_decide_counts_t  *d = &lane->decide.counts;
  tf_metrics_set(b, TF_METRIC_EVENTS_CONSUMED, lane->events);
  tf_metrics_set(b, TF_METRIC_BARS_LATE_TRADES, lane->buffer.bar_counts.late_trades);
  tf_metrics_set(b, TF_METRIC_BARS_OUTSIDE_TRADES, lane->buffer.bar_counts.outside_trades);
  tf_metrics_set(b, TF_METRIC_BARS_GAPS_CUT, lane->buffer.bar_counts.gaps_cut);
  tf_metrics_set(b, TF_METRIC_DECISION_RING_FULL, lane->ring_full_waits + lane->decisions_dropped);
  tf_metrics_set(b, TF_METRIC_SHED_STEP, lane->shed.level);
  for (uint32_t i = 0; i < TF_SHED_LEVEL_CNT; i++)
    tf_metrics_set(b, (tf_metric_t)(TF_METRIC_SHEDS_OVER + i), lane->shed.counts.begun[i]);
  tf_metrics_set(b, TF_METRIC_TICKS_CONFLATED, lane->shed.counts.conflated);
  tf_metrics_set(b, TF_METRIC_UNIVERSE_MEMBERS, lane->universe.member_cnt);
  tf_metrics_set(b, TF_METRIC_UNIVERSE_LEFT, lane->universe.left);
  tf_metrics_set(b, TF_METRIC_TICKS, m->ticks);
  tf_metrics_set(b, TF_METRIC_INFERENCES_REQUESTED, m->requested);
  tf_metrics_set(b, TF_METRIC_INFERENCES_DONE, m->done);
  tf_metrics_set(b, TF_METRIC_INFERENCES_SKIPPED,
                 m->skipped_warmup + m->skipped_input + m->skipped_output + m->skipped_paused +
                     m->skipped_shed + m->absent);
  for (uint32_t i = 0; lane->batch && i < TF_BATCH_SIZES; i++)
    tf_metrics_set(b, (tf_metric_t)(TF_METRIC_BATCHES_1 + i), lane->batch->counts.sizes[i]);
  if (lane->batch) tf_metrics_set(b, TF_METRIC_BATCH_TICKS, lane->batch->counts.ticks);
  tf_metrics_set(b, TF_METRIC_DECISIONS, d->decisions);
  tf_metrics_set(b, TF_METRIC_HALTED, lane->decide.halted);
  tf_metrics_set(b, TF_METRIC_COMMANDS, lane->commands);
  for (uint32_t i = 0; i < TF_ACTION_CNT; i++)
    tf_metrics_set(b, (tf_metric_t)(TF_METRIC_ACTIONS_HOLD + i), d->actions[i]);
  for (uint32_t i = 0; i < TF_HOLD_REASON_CNT; i++)
    tf_metrics_set(b, (tf_metric_t)(TF_METRIC_HOLDS_NONE + i), d->holds[i]);
}

/* What stands beside the version that serves. */
static void publish_beside(tf_metrics_block_t *b, const tf_compute_model_t *m) {
  const tf_swap_t *s = m->swap;
  tf_metrics_set(b, TF_METRIC_MODEL_BESIDE, s->beside ? s->beside->number : 0);
  tf_metrics_set(b, TF_METRIC_MODEL_SHADOW_ANSWERS, s->shadow.answers);
  tf_metrics_set(b, TF_METRIC_MODEL_SHADOW_REFUSED, s->shadow.refused);
  tf_metrics_set(b, TF_METRIC_MODEL_SHADOW_SIGNS, s->shadow.signs);
  tf_metrics_set(b, TF_METRIC_MODEL_SHADOW_DISTANCE, s->shadow.distance_sum);
  tf_metrics_set(b, TF_METRIC_MODEL_SHADOW_DISTANCE_MAX, s->shadow.distance_max);
  tf_metrics_set(b, TF_METRIC_MODEL_CANARY_SHARE, m->canary ? m->share.cnt : 0);
  tf_metrics_set(b, TF_METRIC_MODEL_CANARY_ANSWERS, s->canary.answers);
  tf_metrics_set(b, TF_METRIC_MODEL_CANARY_REFUSED, s->canary.refused);
  tf_metrics_set(b, TF_METRIC_MODEL_CANARY_LATE, s->canary.late);
}

/* A model's own block, and over all of them how many were late. */
static void publish_models(tf_publish_t *p, tf_metrics_block_t *lane_block,
                           const tf_compute_t *compute) {
  uint64_t late = 0;
  for (uint32_t i = 0; i < compute->model_cnt; i++) {
    const tf_compute_model_counts_t *c = &compute->models[i].counts;
    tf_metrics_block_t              *b = p->models[i];
    late += c->late;
    if (!b) continue;
    tf_metrics_set(b, TF_METRIC_MODEL_REQUESTED, c->requested);
    tf_metrics_set(b, TF_METRIC_MODEL_DONE, c->done);
    tf_metrics_set(b, TF_METRIC_MODEL_WARMUP, c->warmup);
    tf_metrics_set(b, TF_METRIC_MODEL_NO_INPUT, c->no_input);
    tf_metrics_set(b, TF_METRIC_MODEL_NO_QUORUM, c->no_quorum);
    tf_metrics_set(b, TF_METRIC_MODEL_SHED, c->shed);
    tf_metrics_set(b, TF_METRIC_MODEL_MEMBERS_ABSENT, c->members_absent);
    tf_metrics_set(b, TF_METRIC_MODEL_NOT_FINITE, c->post.not_finite);
    tf_metrics_set(b, TF_METRIC_MODEL_OUT_OF_RANGE, c->post.out_of_range);
    tf_metrics_set(b, TF_METRIC_MODEL_CROSSED, c->post.crossed_refused);
    tf_metrics_set(b, TF_METRIC_MODEL_PAUSED, c->paused_skipped);
    tf_metrics_set(b, TF_METRIC_MODEL_ABSENT, c->absent);
    tf_metrics_set(b, TF_METRIC_MODEL_SORTED, c->post.sorted);
    tf_metrics_set(b, TF_METRIC_MODEL_CLAMPED, c->post.clamped);
    tf_metrics_set(b, TF_METRIC_MODEL_FALLBACK, c->fallback);
    tf_metrics_set(b, TF_METRIC_MODEL_ALERTS, c->post.alerts);
    tf_metrics_set(b, TF_METRIC_MODEL_LATE, c->late);
    tf_metrics_set(b, TF_METRIC_MODEL_PAUSES, c->pauses);
    tf_metrics_set(b, TF_METRIC_MODEL_TIMED, c->timed);
    tf_metrics_set(b, TF_METRIC_MODEL_RUN_NS, c->run_ns);
    tf_metrics_set(b, TF_METRIC_MODEL_VERSION, compute->models[i].main->number);
    tf_metrics_set(b, TF_METRIC_MODEL_SWAPS, c->swaps);
    if (compute->models[i].swap && !compute->models[i].owns) publish_beside(b, &compute->models[i]);
    tf_runtimes_publish(p->runtimes, i, b);
    tf_remotes_publish(p->remotes, i, b);
    const tf_model_t *model = compute->models[i].active->model;
    if (model && model->assist)
      tf_metrics_set(b, TF_METRIC_MODEL_HELPER_LATE, *model->helper_late_cnt);
  }
  tf_metrics_set(lane_block, TF_METRIC_INFERENCES_LATE, late);
}

static void publish_io(tf_metrics_block_t *b, const tf_io_counts_t *c) {
  tf_metrics_set(b, TF_METRIC_IO_PASSES, c->passes);
  tf_metrics_set(b, TF_METRIC_IO_WAITS, c->waits);
  tf_metrics_set(b, TF_METRIC_IO_RX_CALLS, c->rx_calls);
  tf_metrics_set(b, TF_METRIC_IO_TX_SHORT, c->tx_short);
  tf_metrics_set(b, TF_METRIC_IO_TX_AGAIN, c->tx_again);
  tf_metrics_set(b, TF_METRIC_IO_BUFFERS_EXHAUSTED, c->buffers_exhausted);
  tf_metrics_set(b, TF_METRIC_IO_REARMED, c->rearmed);
  tf_metrics_set(b, TF_METRIC_IO_AUDIT_REPAIRS, c->audit_repairs);
  tf_metrics_set(b, TF_METRIC_IO_CONNS_ENDED, c->ended);
  tf_metrics_set(b, TF_METRIC_IO_CONNS_FAILED, c->failed);
  tf_metrics_set(b, TF_METRIC_IO_CQ_OVERFLOW, c->cq_overflow);
  tf_metrics_set(b, TF_METRIC_IO_ENTER_RETRIES, c->enter_retries);
  tf_metrics_set(b, TF_METRIC_IO_SQ_FLUSHES, c->sq_flushes);
  tf_metrics_set(b, TF_METRIC_IO_PORT_FULL, c->port_full);
  tf_metrics_set(b, TF_METRIC_IO_STAMPS, c->stamps);
  tf_metrics_set(b, TF_METRIC_IO_STAMPS_MISSING, c->stamps_missing);
  tf_metrics_set(b, TF_METRIC_IO_UNDER_WAY, c->ops_given - c->ops_done);
}

static void publish_sink(tf_metrics_block_t *b, const tf_emit_sink_t *s) {
  tf_sink_counts_t c;
  tf_emit_counts(s, &c);
  tf_metrics_set(b, TF_METRIC_SINK_ACKED, c.acked);
  tf_metrics_set(b, TF_METRIC_SINK_DROPPED_FULL, c.dropped_full);
  tf_metrics_set(b, TF_METRIC_SINK_FILTERED, tf_load_relaxed(&s->filtered)); /* relaxed: a count */
  tf_metrics_set(b, TF_METRIC_SINK_DROPPED_LOW, c.dropped_low);
  tf_metrics_set(b, TF_METRIC_SINK_DROPPED_OLDEST, c.dropped_oldest);
  tf_metrics_set(b, TF_METRIC_SINK_DROPPED_CLOSED, c.dropped_closed);
  tf_metrics_set(b, TF_METRIC_SINK_DROPPED_BROKEN, c.dropped_broken);
  tf_metrics_set(b, TF_METRIC_SINK_CONFLATED, c.conflated);
  tf_metrics_set(b, TF_METRIC_SINK_PENDING, c.pending);
  tf_metrics_set(b, TF_METRIC_SINK_SPOOLED, c.spooled);
  tf_metrics_set(b, TF_METRIC_SINK_RECOVERED, c.recovered);
  tf_metrics_set(b, TF_METRIC_SINK_LATE, c.late);
  tf_metrics_set(b, TF_METRIC_SINK_ALREADY_THERE, c.already_there);
  tf_metrics_set(b, TF_METRIC_SINK_RESENT, c.resent);
  tf_metrics_set(b, TF_METRIC_SINK_CONNECTS, c.connects);
  tf_metrics_set(b, TF_METRIC_SINK_DISCONNECTS, c.disconnects);
  tf_metrics_set(b, TF_METRIC_SINK_SENT_BYTES, c.bytes);
  tf_metrics_set(b, TF_METRIC_SINK_CLIENTS, c.clients);
  tf_metrics_set(b, TF_METRIC_SINK_CLIENTS_REFUSED, c.clients_refused);
  tf_metrics_set(b, TF_METRIC_SINK_CLIENTS_EVICTED, c.clients_evicted);
  tf_metrics_set(b, TF_METRIC_SINK_CLIENT_DROPPED, c.client_dropped);
  tf_metrics_set(b, TF_METRIC_SINK_ERRORS, c.errors + (s->broken != 0));
  if (s->is_open && s->sink->durable_seq)
    tf_metrics_set(b, TF_METRIC_SINK_DURABLE_SEQ, s->sink->durable_seq(s->state));
}

TF_STATIC_ASSERT(TF_METRIC_SINK_RING_LOST_EVENTS + TF_CARRIES_FEATURES - TF_CARRIES_EVENTS ==
                     TF_METRIC_SINK_RING_LOST_FEATURES,
                 "kinds are counted in their own order");

/* What was lost on the way to emit, by the thread whose it is. */
static void publish_lost(tf_metrics_block_t *b, const tf_runner_t *r, tf_carries_t carries) {
  const tf_passage_t *p = r->passages[carries];
  if (p)
    tf_metrics_set(b, (tf_metric_t)(TF_METRIC_SINK_RING_LOST_EVENTS + carries - TF_CARRIES_EVENTS),
                   p->lost);
}

static void publish_sinks(tf_publish_t *p, const tf_emit_t *emit) {
  for (uint32_t i = 0; i < emit->sink_cnt; i++)
    if (p->sinks[i]) publish_sink(p->sinks[i], &emit->sinks[i]);
}

static void publish_source(tf_publish_t *p, uint32_t idx, const tf_source_t *source) {
  if (!p->feeds[idx]) return;
  publish_feed(p->feeds[idx], source, p->instruments);
  for (uint32_t i = 0; i < source->leg_cnt; i++) publish_leg(p->legs[idx][i], &source->legs[i]);
}

void tf_publish_run(void *self, uint32_t stages, uint64_t now_ns) {
  tf_publish_t      *p = self;
  const tf_runner_t *r = p->runner;
  for (uint32_t t = 0; t < r->thread_cnt; t++) {
    if (r->threads[t].stages != stages) continue;
    tf_metrics_block_t *b = p->threads[t];
    tf_metrics_set(b, TF_METRIC_HEARTBEAT_NS, now_ns);
    if (stages & TF_STAGE_ACQUIRE) {
      tf_metrics_set(b, TF_METRIC_EVENTS_PUBLISHED, tf_acquire_published(&r->acquire));
      tf_metrics_set(b, TF_METRIC_EVENTS_OUTLIER, r->acquire.outliers);
      publish_lost(b, r, TF_CARRIES_EVENTS);
      for (uint32_t i = 0; i < TF_EVENT_TIME_CAUSE_CNT; i++)
        tf_metrics_set(b, (tf_metric_t)(TF_METRIC_EVENTS_BAD_TIME_ZERO + i),
                       r->acquire.bad_times[i]);
      tf_metrics_set(b, TF_METRIC_EVENT_RING_FULL, r->acquire.ring_full_waits);
      if (r->acquire.io) publish_io(b, &r->acquire.io->counts);
      publish_distribution(p);
    }
    if (stages & TF_STAGE_LANE) {
      publish_lane(b, &r->lane);
      publish_lost(b, r, TF_CARRIES_QUOTES);
      publish_lost(b, r, TF_CARRIES_FEATURES);
      publish_models(p, b, &r->lane.compute);
      publish_warmup(p, b, &r->lane);
      if (r->event_reader)
        tf_metrics_set(b, TF_METRIC_EVENT_RING_LAG, tf_ring_fill_cnt(r->event_reader->ring));
    }
  }
  if (stages & TF_STAGE_ACQUIRE)
    for (uint32_t i = 0; i < r->acquire.source_cnt; i++)
      publish_source(p, i, r->acquire.sources[i]);
  if (stages & TF_STAGE_EMIT) publish_sinks(p, &r->emit);
}

void tf_publish_control(tf_publish_t *p, uint64_t heap_allocated_bytes,
                        uint64_t heap_resident_bytes) {
  tf_metrics_set(p->control, TF_METRIC_HEAP_ALLOCATED, heap_allocated_bytes);
  tf_metrics_set(p->control, TF_METRIC_HEAP_RESIDENT, heap_resident_bytes);
}

void tf_publish_process(tf_publish_t *p, tf_metric_t metric, uint64_t value) {
  TF_ASSERT(tf_metrics_info[metric].scope == TF_METRIC_PROCESS);
  tf_metrics_set(p->control, metric, value);
}

tf_hist_t *tf_publish_receive(tf_publish_t *p) {
  for (uint32_t t = 0; t < p->runner->thread_cnt; t++)
    if (p->runner->threads[t].stages & TF_STAGE_ACQUIRE)
      return tf_metrics_hist(p->threads[t], TF_METRIC_HIST_RECEIVE);
  return NULL;
}

tf_hist_t *tf_publish_hists(tf_publish_t *p) {
  for (uint32_t t = 0; t < p->runner->thread_cnt; t++)
    if (p->runner->threads[t].stages & TF_STAGE_LANE)
      return tf_metrics_hist(p->threads[t], TF_METRIC_HIST_DECODE);
  return NULL;
}

static tf_err_t add_block(tf_publish_t *p, tf_metric_scope_t scope, const char *name, bool hists,
                          tf_metrics_block_t **block) {
  *block = tf_metrics_block_add(p->page, scope, name, hists);
  return *block ? TF_OK : tf_error_code();
}

tf_err_t tf_publish_add_feed(tf_publish_t *p, uint32_t source_idx, const char *name) {
  const tf_source_t *source = p->runner->acquire.sources[source_idx];
  tf_err_t           err    = add_block(p, TF_METRIC_FEED, name, false, &p->feeds[source_idx]);
  for (uint32_t i = 0; i < source->leg_cnt && err == TF_OK; i++) {
    char leg[TF_METRICS_NAME_BYTES + 16];
    snprintf(leg, sizeof leg, "%.*s#%u", TF_METRICS_NAME_BYTES - 3, name, i);
    err = add_block(p, TF_METRIC_LEG, leg, false, &p->legs[source_idx][i]);
  }
  return err;
}

tf_err_t tf_publish_add_sink(tf_publish_t *p, uint32_t sink_idx, const char *name) {
  return add_block(p, TF_METRIC_SINK, name, false, &p->sinks[sink_idx]);
}

tf_err_t tf_publish_add_model(tf_publish_t *p, uint32_t model_idx, const char *name) {
  return add_block(p, TF_METRIC_MODEL, name, false, &p->models[model_idx]);
}

tf_err_t tf_publish_add_cache_level(tf_publish_t *p, uint32_t level_idx, const char *name) {
  return add_block(p, TF_METRIC_CACHE, name, false, &p->cache_levels[level_idx]);
}

tf_err_t tf_publish_init(tf_publish_t *p, const tf_runner_t *runner,
                         const tf_instruments_t *instruments) {
  memset(p, 0, sizeof *p);
  p->runner      = runner;
  p->instruments = instruments;
  size_t bytes =
      tf_metrics_footprint(1 + TF_THREADS_MAX + TF_SOURCES_MAX * (1 + TF_SOURCE_LEGS_MAX) +
                               TF_SINKS_MAX + TF_MODELS_MAX + TF_CACHE_LEVELS_MAX,
                           TF_THREADS_MAX);
  p->memory = aligned_alloc(4096, tf_align_up(bytes, 4096));
  if (!p->memory) return TF_ERR(E_CORE_NO_MEMORY, "metrics page: %zu bytes", bytes);
  memset(p->memory, 0, tf_align_up(bytes, 4096));
  p->page = tf_metrics_new(p->memory, bytes);
  if (!p->page) return tf_error_code();
  tf_err_t added = add_block(p, TF_METRIC_PROCESS, "engine", false, &p->control);
  if (added) return added;
  for (uint32_t t = 0; t < runner->thread_cnt; t++) {
    uint32_t stages = runner->threads[t].stages;
    char     name[32];
    snprintf(name, sizeof name, "%s",
             stages & TF_STAGE_LANE      ? "lane0"
             : stages & TF_STAGE_ACQUIRE ? "acquire"
             : stages & TF_STAGE_ASSIST  ? "helper"
                                         : "emit");
    bool     hists = (stages & (TF_STAGE_LANE | TF_STAGE_ACQUIRE)) != 0;
    tf_err_t err   = add_block(p, TF_METRIC_THREAD, name, hists, &p->threads[t]);
    if (err) return err;
  }
  return TF_OK;
}

void tf_publish_fini(tf_publish_t *p) {
  if (p->page) tf_metrics_delete(p->page);
  free(p->memory);
  memset(p, 0, sizeof *p);
}
