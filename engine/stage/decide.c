#include "stage/decide.h"

#include <math.h>
#include <string.h>

#include "core/hash.h"

static const uint32_t quiet_nan_bits = 0x7fc00000u;

static float absent(void) {
  float nan;
  memcpy(&nan, &quiet_nan_bits, sizeof nan);
  return nan;
}

/* The price that a decision refers to: mid, as bid + ask in units of half a tick one decimal finer
 * ((bid + ask) / 2 = (bid + ask) * 5 * 10^(exp - 1)), or the last trade. */
static void set_ref_price(tf_decision_t *d, const tf_lane_instrument_t *in) {
  int64_t sum;
  if (in->has_bbo && !__builtin_add_overflow(in->bid_price, in->ask_price, &sum) &&
      !__builtin_mul_overflow(sum, 5, &sum) && in->bbo_price_exp > INT8_MIN) {
    d->ref_price     = sum;
    d->ref_price_exp = (int8_t)(in->bbo_price_exp - 1);
  } else if (in->has_trade) {
    d->ref_price     = in->trade_price;
    d->ref_price_exp = in->trade_price_exp;
  }
}

static void set_scores(tf_decision_t *d, tf_policy_input_t *input, const tf_compute_model_t *m) {
  d->score = d->p10 = d->p90 = d->confidence = absent();
  input->score = input->p10 = input->p90 = input->alert = (double)NAN;
  if (!m) return;
  d->model_hash = m->answer_hash;
  d->path       = m->path;
  d->score      = m->answer.score;
  d->p10        = m->answer.p10;
  d->p90        = m->answer.p90;
  input->score  = (double)d->score;
  input->p10    = (double)d->p10;
  input->p90    = (double)d->p90;
  input->alert  = (double)m->answer.alert;
  input->values = (const double *)m->values;
}

TF_STATIC_ASSERT(sizeof(tf_compute_values_t) == TF_RULE_VALUE_CNT * sizeof(double) &&
                     offsetof(tf_compute_values_t, disagreement) ==
                         (TF_RULE_SLOT_DISAGREEMENT - TF_RULE_SLOT_FLEET_MEAN) * sizeof(double),
                 "a model's values are the rules' slots, in their order");

/* Of another runtime's answer: how old its row is, and until when it may be used. */
TF_COLD static void set_age(tf_decision_t *d, const tf_foreign_t *f, uint64_t now_ns) {
  if (f->row_ns == 0) return;
  uint64_t age       = (now_ns - f->row_ns) / (10 * TF_NS_PER_US);
  d->answer_age_10us = age > UINT16_MAX ? UINT16_MAX : (uint16_t)age;
  d->expiry_ns       = f->row_ns + f->config.max_age_ns;
}

static void seal_decision(tf_decide_t *decide, tf_decision_t *d) {
  d->decision_seq = ++decide->decision_seq;
  d->epoch        = decide->epoch;
  d->version      = TF_DECISION_VERSION;
  uint64_t *hash  = &decide->hashes[d->instrument_id];
  *hash           = tf_hash_line(*hash, d);
  decide->counts.decisions++;
}

static bool is_warm(const tf_strategy_t *s, const tf_lane_instrument_t *in) {
  if (s->waits_for_all && !in->is_ready) return false;
  for (uint32_t i = 0; i < s->awaited_cnt; i++)
    if (in->row[s->awaited[i]] != in->row[s->awaited[i]]) return false;
  return true;
}

/* Strategy s on the tick in hand; false: a HOLD that makes no record. is_absent: its model has no answer. */
static bool decide_one(tf_decide_t *decide, tf_lane_instrument_t *in, uint32_t s,
                       const tf_compute_model_t *model, uint8_t held, tf_decision_t *d) {
  const tf_strategy_t *strategy = &decide->strategies[s];
  const tf_event_t    *cause    = in->market.event;
  memset(d, 0, sizeof *d);
  tf_policy_input_t  input = {.position   = in->position,
                              .features   = in->row,
                              .book_state = in->keeper.book.state,
                              .now_ns     = in->market.now_ns};
  tf_policy_output_t output;
  set_scores(d, &input, model);
  if (TF_UNLIKELY(decide->halted))
    output = (tf_policy_output_t){TF_ACTION_HOLD, TF_HOLD_HALTED};
  else if (TF_UNLIKELY(in->trading > TF_TRADING_OPEN))
    output = (tf_policy_output_t){TF_ACTION_HOLD, TF_HOLD_TRADING};
  else if (TF_UNLIKELY(held == TF_HOLD_SHED))
    output = (tf_policy_output_t){TF_ACTION_HOLD, TF_HOLD_SHED};
  else if (TF_UNLIKELY(!is_warm(strategy, in)))
    output = (tf_policy_output_t){TF_ACTION_HOLD, TF_HOLD_WARMING};
  else if (TF_UNLIKELY(held != TF_HOLD_NONE))
    output = (tf_policy_output_t){TF_ACTION_HOLD, held};
  else
    strategy->policy->decide(in->policies[s], &input, &output);
  decide->counts.actions[output.action]++;
  if (output.action == TF_ACTION_HOLD) {
    decide->counts.holds[output.hold_reason]++;
    if (strategy->actions_only) return false;
  }
  d->ingest_seq    = cause->ingest_seq;
  d->ts_event_ns   = cause->ts_event_ns;
  d->ts_recv_ns    = cause->ts_recv_ns;
  d->instrument_id = in->id; /* the cause may be a peer's */
  d->strategy_id   = (uint8_t)s;
  d->action        = output.action;
  d->hold_reason   = output.hold_reason;
  d->book_state    = in->keeper.book.state;
  d->route         = in->route;
  d->trading       = in->trading;
  if (TF_UNLIKELY(model && model->foreign)) set_age(d, model->foreign, in->market.now_ns);
  set_ref_price(d, in);
  seal_decision(decide, d);
  return true;
}

uint32_t tf_decide_tick(tf_decide_t *decide, const tf_compute_t *compute, tf_lane_instrument_t *in,
                        uint32_t wave, uint32_t models_good, tf_decision_t *out) {
  uint32_t cnt = 0;
  for (uint32_t s = 0; s < decide->strategy_cnt; s++) {
    const tf_strategy_t      *strategy = &decide->strategies[s];
    const tf_compute_model_t *model    = NULL;
    uint8_t                   held     = TF_HOLD_NONE;
    if (TF_UNLIKELY(strategy->wave != wave)) continue;
    if (strategy->model_idx != TF_STRATEGY_NO_MODEL) {
      const uint32_t idx = strategy->model_idx;
      if (TF_UNLIKELY(!(models_good >> idx & 1))) {
        held = compute->absent >> idx & 1                         ? TF_HOLD_MODEL
               : models_good >> (TF_COMPUTE_SHED_SHIFT + idx) & 1 ? TF_HOLD_SHED
                                                                  : TF_HOLD_NONE;
        if (held == TF_HOLD_NONE) continue; /* counted by compute */
      }
      if (held != TF_HOLD_SHED) model = &compute->models[idx];
    }
    cnt += decide_one(decide, in, s, model, held, &out[cnt]);
  }
  return cnt;
}

uint32_t tf_decide_answer(tf_decide_t *decide, const tf_compute_t *compute,
                          tf_lane_instrument_t *in, uint32_t model_idx, tf_decision_t *out) {
  uint32_t cnt = 0;
  for (uint32_t s = 0; s < decide->strategy_cnt; s++)
    if (decide->strategies[s].model_idx == model_idx)
      cnt += decide_one(decide, in, s, &compute->models[model_idx], TF_HOLD_NONE, &out[cnt]);
  return cnt;
}

void tf_decide_order(tf_decide_t *decide, const tf_compute_t *compute) {
  for (uint32_t s = 0; s < decide->strategy_cnt; s++) {
    tf_strategy_t *strategy = &decide->strategies[s];
    if (strategy->model_idx != TF_STRATEGY_NO_MODEL)
      strategy->wave = compute->models[strategy->model_idx].wave;
  }
}

tf_err_t tf_decide_init_instrument(tf_decide_t *decide, tf_lane_instrument_t *in,
                                   tf_arena_t *arena) {
  for (uint32_t s = 0; s < decide->strategy_cnt; s++) {
    tf_strategy_t *strategy = &decide->strategies[s];
    size_t         bytes    = strategy->policy->state_bytes(&strategy->config);
    in->policies[s]         = tf_arena_take(arena, bytes, TF_LINE_BYTES);
    if (!in->policies[s]) return E_CORE_ARENA_FULL;
    tf_err_t err = strategy->policy->init(in->policies[s], &strategy->config);
    if (err) return err;
  }
  return TF_OK;
}

uint64_t tf_decide_hash(const tf_decide_t *decide, uint32_t instrument_cnt) {
  uint64_t hash = TF_HASH_SEED;
  for (uint32_t i = 0; i < instrument_cnt; i++) hash = tf_hash_fold(hash, decide->hashes[i]);
  return hash;
}
