/* The kind TF_CARD_FEATURES of the persistent loop: features.h says what it is of. What an indicator does is the CPU's own source
 * (indicator/shared_steps.h), so the bits are the CPU's; what is read off a section is summed up anew at each tick, around the
 * member's own value, in an order that the number of threads says: ranks and counts are the CPU's bits, the rest is rounded
 * otherwise in the last places (test_card_features says how far). */
#ifndef TF_GPU_FEATURES_CUH
#define TF_GPU_FEATURES_CUH

#include "gpu/device.cuh"
#include "gpu/features.h"
#include "indicator/shared_steps.h"

#define TF_FEATURES_MAGNITUDE_MAX 1e150 /* indicator/parts.h */

/* Zeroed memory is a section without members: values are kept with the bits of a NaN turned over. */
#define TF_FEATURES_NAN_BITS UINT64_C(0x7ff8000000000000)

TF_DEVICE uint64_t tf_features_bits(double x) {
  uint64_t bits;
  memcpy(&bits, &x, sizeof bits);
  return bits;
}
TF_DEVICE double tf_features_of_bits(uint64_t bits) {
  double x;
  memcpy(&x, &bits, sizeof x);
  return x;
}
TF_DEVICE double tf_features_none() { return tf_features_of_bits(TF_FEATURES_NAN_BITS); }
TF_DEVICE bool   tf_features_is_finite(double x) { return x - x == 0; }
TF_DEVICE bool   tf_features_is_usable(double x) {
    return x <= TF_FEATURES_MAGNITUDE_MAX && x >= -TF_FEATURES_MAGNITUDE_MAX;
}

/* ---- one step of one thread ---- */

TF_DEVICE double tf_features_arithmetic(uint32_t fn, double a, double b) {
  switch (fn) {
  case TF_CARD_FN_ARITHMETIC_neg: return -a;
  case TF_CARD_FN_ARITHMETIC_abs: return fabs(a);
  case TF_CARD_FN_ARITHMETIC_add: return a + b;
  case TF_CARD_FN_ARITHMETIC_sub: return a - b;
  case TF_CARD_FN_ARITHMETIC_mul: return a * b;
  case TF_CARD_FN_ARITHMETIC_div: return a / b;
  case TF_CARD_FN_ARITHMETIC_min: return a != a ? a : (b < a || b != b ? b : a);
  default: return a != a ? a : (b > a || b != b ? b : a);
  }
}

/* NaN where a side is missing, by itself. */
TF_DEVICE double tf_features_market(uint32_t fn, const tf_card_feature_head_t *m) {
  switch (fn) {
  case TF_CARD_FN_MARKET_bid: return m->bid;
  case TF_CARD_FN_MARKET_ask: return m->ask;
  case TF_CARD_FN_MARKET_bid_qty: return m->bid_qty;
  case TF_CARD_FN_MARKET_ask_qty: return m->ask_qty;
  case TF_CARD_FN_MARKET_last: return m->trade_price;
  case TF_CARD_FN_MARKET_mid: return tf_top_mid(m->bid, m->ask);
  case TF_CARD_FN_MARKET_spread: return tf_top_spread(m->bid, m->ask);
  case TF_CARD_FN_MARKET_spread_bps: return tf_top_spread_bps(m->bid, m->ask);
  default: return tf_top_microprice(m->bid, m->ask, m->bid_qty, m->ask_qty);
  }
}

TF_DEVICE double tf_features_series(uint32_t fn, uint8_t *state, double x) {
  double y     = 0;
  bool   is_on = false;
  if (!tf_features_is_usable(x)) return tf_features_none();
  switch (fn) {
  case TF_CARD_FN_SERIES_ema:
    is_on = tf_ema_step(reinterpret_cast<tf_ema_t *>(state), x, &y);
    break;
  case TF_CARD_FN_SERIES_ret:
    is_on = tf_ret_step(reinterpret_cast<tf_ret_t *>(state), x, &y);
    break;
  default: is_on = tf_rsi_step(reinterpret_cast<tf_rsi_t *>(state), x, &y); break;
  }
  return is_on ? y : tf_features_none();
}

struct tf_features_kind {
  tf_card_place_t                place;
  const tf_card_program_t       *program;
  const tf_card_features_t      *plan;
  const tf_card_feature_level_t *levels;
  const tf_card_feature_step_t  *steps;
  const uint16_t                *rows;
  const uint64_t                *memory; /* the beginning */
  double                        *slots, *parts;
  uint64_t                      *sections;

  TF_DEVICE_MEMBER void begin(const tf_card_place_t &where, const tf_card_program_t *what) {
    const uint8_t *image = tf_card_image(what);
    place                = where;
    program              = what;
    plan                 = reinterpret_cast<const tf_card_features_t *>(image);
    levels   = reinterpret_cast<const tf_card_feature_level_t *>(image + plan->levels_at);
    steps    = reinterpret_cast<const tf_card_feature_step_t *>(image + plan->steps_at);
    rows     = reinterpret_cast<const uint16_t *>(image + plan->rows_at);
    memory   = reinterpret_cast<const uint64_t *>(image + plan->memory_at);
    slots    = reinterpret_cast<double *>(place.shared);
    parts    = slots + plan->slot_cnt;
    sections = reinterpret_cast<uint64_t *>(place.scratch);
    for (uint64_t i = tf_team_rank(); i < uint64_t{plan->section_cnt} * plan->instrument_cnt;
         i += tf_team_size())
      sections[i] = 0;
    tf_team_barrier();
  }

  TF_DEVICE_MEMBER tf_card_feature_head_t *head_of(uint32_t instrument) const {
    return reinterpret_cast<tf_card_feature_head_t *>(place.states +
                                                      instrument * program->state_bytes);
  }

  TF_DEVICE_MEMBER void reset(uint32_t instrument) {
    if (instrument >= plan->instrument_cnt) return;
    tf_card_feature_head_t *head = head_of(instrument);
    uint64_t               *to   = reinterpret_cast<uint64_t *>(head + 1);
    for (uint32_t i = tf_team_rank(); i < plan->mem_bytes / sizeof *to; i += tf_team_size())
      to[i] = memory[i];
    for (uint32_t i = tf_team_rank(); i < plan->section_cnt; i += tf_team_size())
      sections[uint64_t{i} * plan->instrument_cnt + instrument] = 0;
    if (tf_team_rank() == 0) {
      head->bid = head->ask = head->bid_qty = head->ask_qty = tf_features_none();
      head->trade_price                                     = tf_features_none();
      head->is_fit                                          = 1;
    }
    tf_team_barrier();
  }

  /* Thread 0. */
  TF_DEVICE_MEMBER void take(tf_card_feature_head_t *m, const tf_event_t *e) const {
    switch (e->kind) {
    case TF_EVENT_QUOTE:
      m->bid     = tf_decimal_to_double(e->u.quote.bid_price, e->price_exp);
      m->ask     = tf_decimal_to_double(e->u.quote.ask_price, e->price_exp);
      m->bid_qty = tf_decimal_to_double(e->u.quote.bid_qty, e->qty_exp);
      m->ask_qty = tf_decimal_to_double(e->u.quote.ask_qty, e->qty_exp);
      break;
    case TF_EVENT_TRADE:
      m->trade_price = tf_decimal_to_double(e->u.trade.price, e->price_exp);
      break;
    case TF_EVENT_STATUS:
      m->is_fit =
          (e->u.status.book_state == TF_BOOK_OK || e->u.status.book_state == TF_BOOK_NONE) &&
          e->u.status.trading <= TF_TRADING_OPEN;
      break;
    default: break; /* nothing here depends on it */
    }
  }

  TF_DEVICE_MEMBER void run(const tf_card_feature_step_t *s, tf_card_feature_head_t *head) const {
    double y;
    if (s->fn >= TF_CARD_FN_SERIES_ema)
      y = tf_features_series(s->fn, reinterpret_cast<uint8_t *>(head + 1) + s->state_offset,
                             slots[s->in[0]]);
    else if (s->fn >= TF_CARD_FN_MARKET_ask)
      y = tf_features_market(s->fn, head);
    else
      y = tf_features_arithmetic(s->fn, slots[s->in[0]], slots[s->in[1]]);
    slots[s->out] = tf_features_is_finite(y) ? y : tf_features_none();
  }

  /* Of all threads' x, in each of them: neighbours first, by halves. */
  TF_DEVICE_MEMBER double sum(double x) const {
    parts[tf_team_rank()] = x;
    tf_team_barrier();
    for (uint32_t half = tf_team_size() / 2; half; half /= 2) {
      if (tf_team_rank() < half) parts[tf_team_rank()] += parts[tf_team_rank() + half];
      tf_team_barrier();
    }
    double all = parts[0];
    tf_team_barrier();
    return all;
  }

  /* What of a section a cross asks, added up over its members; x: the own value. */
  TF_DEVICE_MEMBER double sum_over(const uint64_t *section, uint32_t what, double x,
                                   double mean) const {
    double all = 0;
    for (uint32_t i = tf_team_rank(); i < plan->instrument_cnt; i += tf_team_size()) {
      double other = tf_features_of_bits(section[i] ^ TF_FEATURES_NAN_BITS);
      if (other != other) continue;
      double d = (other - x) - mean;
      all += what == 0   ? 1
             : what == 1 ? d
             : what == 2 ? d * d
             : other < x ? 1
             : other > x ? 0
                         : 0.5;
    }
    return sum(all);
  }

  TF_DEVICE_MEMBER double place_among(const tf_card_feature_step_t *s, const uint64_t *section,
                                      double x) const {
    double cnt = sum_over(section, 0, x, 0);
    if (cnt < s->member_min) return tf_features_none();
    if (s->fn == TF_CARD_FN_CROSS_cs_count) return cnt;
    if (s->fn == TF_CARD_FN_CROSS_cs_rank) return (sum_over(section, 3, x, 0) - 0.5) / (cnt - 1);
    double away = sum_over(section, 1, x, 0) / cnt; /* the mean less x */
    if (s->fn == TF_CARD_FN_CROSS_cs_mean) return x + away;
    if (s->fn == TF_CARD_FN_CROSS_cs_demean) return -away;
    double std = sqrt(sum_over(section, 2, x, away) / cnt);
    if (s->fn == TF_CARD_FN_CROSS_cs_std) return std;
    return std == 0 ? 0 : -away / std;
  }

  /* All threads. */
  TF_DEVICE_MEMBER void cross(const tf_card_feature_step_t *s, uint32_t instrument,
                              bool is_fit) const {
    uint64_t *section = sections + uint64_t{s->section} * plan->instrument_cnt;
    double    x       = is_fit ? slots[s->in[0]] : tf_features_none();
    bool      is_in   = tf_features_is_usable(x);
    if (s->puts && tf_team_rank() == 0)
      section[instrument] = is_in ? tf_features_bits(x) ^ TF_FEATURES_NAN_BITS : 0;
    tf_team_barrier();
    double y = is_in ? place_among(s, section, x) : tf_features_none();
    if (tf_team_rank() == 0) slots[s->out] = tf_features_is_finite(y) ? y : tf_features_none();
    tf_team_barrier();
  }

  TF_DEVICE_MEMBER tf_card_step_t step(uint32_t instrument, const float *row, float *out) {
    tf_event_t event;
    if (instrument >= plan->instrument_cnt) return TF_CARD_STEP_WARMING;
    memcpy(&event, row, sizeof event);
    tf_card_feature_head_t *head = head_of(instrument);
    double                 *kept = reinterpret_cast<double *>(head + 1);
    if (tf_team_rank() == 0) take(head, &event);
    for (uint32_t i = tf_team_rank(); i < plan->slot_cnt; i += tf_team_size()) slots[i] = kept[i];
    tf_team_barrier();
    if (!(event.flags & TF_FLAG_LAST)) return TF_CARD_STEP_WARMING; /* it went QUIET */
    const tf_card_feature_step_t *s = steps;
    for (uint32_t l = 0; l < plan->level_cnt; l++) {
      for (uint32_t i = tf_team_rank(); i < levels[l].cnt; i += tf_team_size()) run(s + i, head);
      tf_team_barrier();
      s += levels[l].cnt;
      for (uint32_t i = 0; i < levels[l].cross_cnt; i++) cross(s++, instrument, head->is_fit);
    }
    for (uint32_t i = tf_team_rank(); i < plan->slot_cnt; i += tf_team_size()) kept[i] = slots[i];
    for (uint32_t i = tf_team_rank(); i < plan->feature_cnt; i += tf_team_size())
      out[i] = static_cast<float>(slots[rows[i]]);
    tf_team_barrier();
    return TF_CARD_STEP_DONE;
  }

  TF_DEVICE_MEMBER bool advance(uint32_t) { return false; }
};

TF_STATIC_ASSERT(TF_CARD_FN_ARITHMETIC_abs < TF_CARD_FN_CROSS_cs_count &&
                     TF_CARD_FN_CROSS_cs_zscore < TF_CARD_FN_MARKET_ask &&
                     TF_CARD_FN_MARKET_spread_bps < TF_CARD_FN_SERIES_ema,
                 "run tells the sorts by their numbers");

#endif
