#include "stage/tell.h"

#include "stage/pipeline.h"

/* ---- rows ---- */

static tf_market_row_t row_of(const tf_lane_instrument_t *in, tf_market_row_kind_t kind) {
  const tf_market_t *m   = &in->market;
  tf_market_row_t    row = {.now_ns     = m->now_ns,
                            .kind       = (uint8_t)kind,
                            .trade_side = (int8_t)m->trade_side,
                            .flags      = m->has_quote ? TF_MARKET_ROW_HAS_QUOTE : 0};
  row.u.top.bid          = m->bid;
  row.u.top.ask          = m->ask;
  row.u.top.bid_qty      = m->bid_qty;
  row.u.top.ask_qty      = m->ask_qty;
  row.u.top.trade_price  = m->trade_price;
  row.u.top.trade_qty    = m->trade_qty;
  row.u.top.mark_price   = m->mark_price;
  row.u.top.funding_rate = m->funding_rate;
  return row;
}

static void add_seat(const tf_universe_t *u, const tf_lane_instrument_t *in, tf_market_row_t *row) {
  if (!in->market.seat) return;
  const tf_universe_member_t *m = &u->members[in->id];
  if (m->is_in) row->flags |= TF_MARKET_ROW_HAS_SEAT;
  if (m->is_in && m->seat.is_fit) row->flags |= TF_MARKET_ROW_IS_FIT;
}

const void *tf_tell_tick(void *self, uint32_t instrument_idx, tf_market_row_t *row) {
  const tf_lane_t            *lane = self;
  const tf_lane_instrument_t *in   = &lane->instruments[instrument_idx];
  const tf_universe_t        *u    = &lane->universe;
  *row                             = row_of(in, TF_MARKET_ROW_TICK);
  add_seat(u, in, row);
  if (u->members) row->member_cnt = in->market.seat ? u->members[in->id].cnt_seen : u->member_cnt;
  return in->features;
}

const void *tf_tell_state(void *self, uint32_t instrument_idx, tf_market_row_t *row) {
  const tf_lane_t *lane = self;
  if (instrument_idx >= lane->instrument_cap || !lane->instruments[instrument_idx].has_ticked)
    return NULL;
  add_seat(&lane->universe, &lane->instruments[instrument_idx], row);
  return lane->instruments[instrument_idx].features;
}

/* Do the sections hold what the instrument's slots say? What a bar has changed since the tick is in the slots alone. */
static bool is_in_sections(const tf_lane_t *lane, const tf_lane_instrument_t *in) {
  const tf_feature_plan_t *plan   = lane->compute.plan;
  const tf_seat_t         *seat   = in->market.seat;
  const double            *slots  = in->features;
  const bool               counts = lane->universe.members[in->id].is_in && seat->is_fit;
  for (const tf_feature_run_t *r = plan->tick_runs, *end = r + plan->tick_run_cnt; r != end; r++) {
    if (r->work != TF_FEATURE_WORK_CROSSES) continue;
    for (const tf_feature_cross_t *c = plan->crosses + r->first, *to = c + r->cnt; c != to; c++) {
      const void  *section = seat->sections + c->section * seat->section_bytes;
      const double there   = plan->cross_table->section_value(section, seat->member);
      const bool   is_one  = counts && __builtin_fabs(slots[c->in]) <= TF_VECTOR_MAGNITUDE_MAX;
      if (c->puts && (is_one ? there != slots[c->in] : there == there)) return false;
    }
  }
  return true;
}

bool tf_tell_is_settled(void *self, uint32_t instrument_idx) {
  const tf_lane_t *lane = self;
  if (instrument_idx >= lane->instrument_cap) return false;
  const tf_lane_instrument_t *in = &lane->instruments[instrument_idx];
  return !in->is_queued && (!in->market.seat || is_in_sections(lane, in));
}

/* ---- to whom ---- */

static tf_remote_t *told(const tf_compute_model_t *m) {
  tf_remote_t *r = m->remote;
  return r && r->market && r->is_asking && r->lane.worker ? r : NULL;
}

void tf_tell_event(const tf_compute_t *compute, const tf_lane_instrument_t *in, uint32_t on) {
  for (uint32_t i = 0; i < compute->model_cnt; i++) {
    tf_remote_t *r = told(&compute->models[i]);
    if (!r || !(r->market->on & on)) continue;
    tf_market_row_t row = row_of(in, on == TF_ON_TRADE ? TF_MARKET_ROW_TRADE : TF_MARKET_ROW_QUOTE);
    tf_child_market_tell(&r->lane, r->market, in->id, &row);
  }
}

static void put_bar(tf_market_row_t *row, const tf_bar_t *b) {
  row->u.bar[TF_FEATURE_BAR_OPEN]       = b->open;
  row->u.bar[TF_FEATURE_BAR_HIGH]       = b->high;
  row->u.bar[TF_FEATURE_BAR_LOW]        = b->low;
  row->u.bar[TF_FEATURE_BAR_CLOSE]      = b->close;
  row->u.bar[TF_FEATURE_BAR_VOLUME]     = b->volume;
  row->u.bar[TF_FEATURE_BAR_NOTIONAL]   = b->notional;
  row->u.bar[TF_FEATURE_BAR_BUY_VOLUME] = b->buy_volume;
  row->u.bar[TF_FEATURE_BAR_TRADE_CNT]  = (double)b->trade_cnt;
}
TF_STATIC_ASSERT(TF_FEATURE_BAR_FIELD_CNT == TF_MARKET_ROW_BAR_FIELDS, "a row holds all of them");

void tf_tell_bars(const tf_compute_t *compute, const tf_lane_instrument_t *in,
                  uint32_t closed_bars) {
  for (uint32_t i = 0; i < compute->model_cnt; i++) {
    tf_remote_t *r = told(&compute->models[i]);
    if (!r) continue;
    for (uint32_t left = closed_bars & r->market->bars; left; left &= left - 1) {
      tf_market_row_t row = {.now_ns = in->market.now_ns, .kind = TF_MARKET_ROW_BAR};
      row.bar_idx         = (uint8_t)__builtin_ctz(left);
      put_bar(&row, &in->bars[row.bar_idx].closed);
      tf_child_market_tell(&r->lane, r->market, in->id, &row);
    }
  }
}

void tf_tell_gone(const tf_compute_t *compute, const uint32_t *ids, uint32_t cnt) {
  for (uint32_t i = 0; i < compute->model_cnt; i++) {
    tf_remote_t *r = told(&compute->models[i]);
    if (!r || !r->market->has_sections) continue;
    for (uint32_t k = 0; k < cnt; k++) {
      const tf_market_row_t row = {.kind = TF_MARKET_ROW_GONE};
      tf_child_market_tell(&r->lane, r->market, ids[k], &row);
    }
  }
}
