#include "stage/lane_walk.h"

#include "stage/feature_trail.h"

bool tf_lane_never_walks(const tf_lane_t *lane) {
  for (const tf_compute_model_t *m = lane->compute.waves[0]; m; m = m->next)
    if (m->owns) return true;
  return false;
}

const char *tf_lane_walks(const tf_lane_t *lane) {
  if (tf_lane_never_walks(lane))
    return "a model is one an instrument: which has its own is not kept";
  for (const tf_compute_model_t *m = lane->compute.waves[0]; m; m = m->next)
    if (m->canary) return "a version of a model is on trial";
  if (lane->shed.is_on && (lane->shed.level != TF_SHED_NONE || lane->shed.first != UINT32_MAX))
    return "the lane is behind its feeds and sheds work";
  if (lane->batch && lane->batch->cnt > 0) return "ticks wait in a batch";
  return NULL;
}

/* ---- models ---- */

static void walk_model(tf_compute_model_t *m, tf_walk_t *w) {
  tf_walk(w, &m->late_cnt, sizeof m->late_cnt);
  tf_walk(w, &m->paused_until_ns, sizeof m->paused_until_ns);
  if (m->fleet) tf_fleet_walk(m->fleet, w);
  if (m->values) tf_walk(w, m->values, sizeof *m->values);
  if (m->foreign) tf_foreign_walk(m->foreign, w);
}

/* Of a model that is one an instrument the rows alone: whose window there is depends on what has been brought. */
static void walk_windows(tf_compute_model_t *m, uint32_t id, tf_walk_t *w) {
  if (m->owns) {
    tf_kept_rows_walk(&m->owns[id].swap->kept, 0, w);
    return;
  }
  if (m->main->windows) tf_walk(w, tf_version_window(m->main, id), m->main->model->state_bytes);
  if (m->swap) tf_kept_rows_walk(&m->swap->kept, id, w);
  if (m->foreign) tf_kept_rows_walk(&m->foreign->kept, id, w);
  if (m->remote) tf_kept_rows_walk(&m->remote->kept, id, w);
}

/* ---- the lane ---- */

void tf_lane_walk(tf_lane_t *lane, tf_walk_t *w) {
  tf_compute_t *c = &lane->compute;
  tf_walk(w, &lane->decide.decision_seq, sizeof lane->decide.decision_seq);
  tf_walk(w, &lane->decide.halted, sizeof lane->decide.halted);
  TF_WALK_MEMBERS(w, &c->load, backlog_ns, at_ns);
  for (uint32_t i = 0; i < c->model_cnt; i++) walk_model(&c->models[i], w);
  tf_walk(w, &lane->aside.row_seq, sizeof lane->aside.row_seq);
  tf_universe_walk(&lane->universe, w);
  tf_peers_walk_met(c->plan, lane->names, lane->instruments, lane->instrument_cap, &lane->met, w);
}

/* A strategy's state keeps a pointer to its config: attached to where it is, or to nothing. */
static void walk_policies(const tf_decide_t *decide, tf_lane_instrument_t *in, tf_walk_t *w) {
  for (uint32_t i = 0; i < decide->strategy_cnt; i++) {
    const tf_strategy_t *s = &decide->strategies[i];
    s->policy->attach(in->policies[i], NULL);
    tf_walk(w, in->policies[i], s->policy->state_bytes(&s->config));
    s->policy->attach(in->policies[i], &s->config);
  }
}

void tf_lane_walk_learnt(tf_lane_t *lane, tf_lane_instrument_t *in, tf_walk_t *w) {
  tf_market_t *m = &in->market;
  tf_walk(w, &m->now_ns, sizeof m->now_ns);
  TF_WALK_MEMBERS(w, m, bid, trade_side);
  tf_walk(w, &m->has_quote, sizeof m->has_quote);
  TF_WALK_MEMBERS(w, m, mark_price, funding_rate);
  TF_WALK_MEMBERS(w, m, text_score, text_ns);
  tf_walk(w, &in->keeper.book.change_cnt, sizeof in->keeper.book.change_cnt);
  TF_WALK_MEMBERS(w, in, bid_price, ask_qty);
  TF_WALK_MEMBERS(w, in, trade_price, has_trade);
  tf_walk(w, &in->position, sizeof in->position);
  tf_walk(w, in->bars, lane->buffer.bar_cnt * sizeof in->bars[0]);
  tf_feature_trail_walk(lane->compute.plan, in->features, w);
  walk_policies(&lane->decide, in, w);
  for (uint32_t i = 0; i < lane->compute.model_cnt; i++)
    walk_windows(&lane->compute.models[i], in->id, w);
}

void tf_lane_walk_rest(tf_lane_t *lane, tf_lane_instrument_t *in, tf_walk_t *w) {
  const tf_feature_plan_t *plan = lane->compute.plan;
  tf_walk(w, in->bars_due_ns, sizeof in->bars_due_ns);
  TF_WALK_MEMBERS(w, in, event_ns, bbo_event_ns);
  TF_WALK_MEMBERS(w, in, bbo_is_books, is_live);
  tf_walk(w, in->row, plan->feature_cnt * sizeof *in->row);
  tf_walk(w, &lane->decide.hashes[in->id], sizeof *lane->decide.hashes);
  for (uint32_t i = 0; i < lane->compute.model_cnt; i++) {
    tf_compute_model_t *m = &lane->compute.models[i];
    if (m->lasts) tf_walk(w, &m->lasts[in->id], sizeof *m->lasts);
    if (m->foreign) tf_foreign_walk_instrument(m->foreign, in->id, w);
  }
  tf_peers_walk(in, plan->peer_cnt, w);
  if (lane->aside.quotes) tf_walk(w, &lane->aside.quoted[in->id], sizeof *lane->aside.quoted);
  tf_book_walk(&in->keeper, w);
}

void tf_lane_settle_walk(tf_lane_t *lane) {
  tf_compute_t *c   = &lane->compute;
  c->counts.warming = 0;
  for (uint32_t i = 0; i < lane->instrument_cap; i++) {
    tf_lane_instrument_t *in = &lane->instruments[i];
    c->counts.warming += in->has_ticked && !in->is_ready;
    tf_lost_books_set(&lane->buffer.lost_books, i, in->keeper.doubtful_since_ns);
    if (in->is_live) tf_lane_bind(lane, in);
  }
  tf_compute_settle_hashes(c);
}
