/* The kind TF_CARD_FEATURES of the persistent loop: features.h says what it is of. What an indicator does is the CPU's own source
 * (indicator/shared_steps.h, feature_steps.cuh), so the bits are the CPU's; what is read off a section is summed up anew at each tick, around the
 * member's own value, in an order that the number of threads says: ranks and counts are the CPU's bits, the rest is rounded
 * otherwise in the last places (test_card_features says how far). */
#ifndef TF_GPU_FEATURES_CUH
#define TF_GPU_FEATURES_CUH

#include "gpu/device.cuh"
#include "gpu/features.h"
#include "gpu/loop.cuh"
/* Written in C, which they stay: states that end in an array, values made where they are used. */
#ifndef __CUDACC__
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wpedantic"
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"
#pragma GCC diagnostic ignored "-Wc++20-extensions"
#endif
#include "gpu/feature_steps.cuh"
#include "indicator/extreme.h"
#include "indicator/shared_steps.h"
#include "indicator/window_values.h"
#include "indicator/zscore.h"
#ifndef __CUDACC__
#pragma GCC diagnostic pop
#endif

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
  case TF_CARD_FEATURE_ARITHMETIC_neg: return -a;
  case TF_CARD_FEATURE_ARITHMETIC_abs: return fabs(a);
  case TF_CARD_FEATURE_ARITHMETIC_add: return a + b;
  case TF_CARD_FEATURE_ARITHMETIC_sub: return a - b;
  case TF_CARD_FEATURE_ARITHMETIC_mul: return a * b;
  case TF_CARD_FEATURE_ARITHMETIC_div: return a / b;
  case TF_CARD_FEATURE_ARITHMETIC_min: return a != a ? a : (b < a || b != b ? b : a);
  default: return a != a ? a : (b > a || b != b ? b : a);
  }
}

/* NaN where a side is missing, by itself. */
TF_DEVICE double tf_features_market(uint32_t fn, const tf_market_t *m) {
  switch (fn) {
  case TF_CARD_FEATURE_MARKET_bid: return m->bid;
  case TF_CARD_FEATURE_MARKET_ask: return m->ask;
  case TF_CARD_FEATURE_MARKET_bid_qty: return m->bid_qty;
  case TF_CARD_FEATURE_MARKET_ask_qty: return m->ask_qty;
  case TF_CARD_FEATURE_MARKET_basis:
    return tf_top_basis(m->bid, m->ask,
                        tf_features_is_finite(m->mark_price) ? m->mark_price : m->trade_price);
  case TF_CARD_FEATURE_MARKET_funding_rate: return m->funding_rate;
  case TF_CARD_FEATURE_MARKET_mark: return m->mark_price;
  case TF_CARD_FEATURE_MARKET_last: return m->trade_price;
  case TF_CARD_FEATURE_MARKET_mid: return tf_top_mid(m->bid, m->ask);
  case TF_CARD_FEATURE_MARKET_spread: return tf_top_spread(m->bid, m->ask);
  case TF_CARD_FEATURE_MARKET_spread_bps: return tf_top_spread_bps(m->bid, m->ask);
  default: return tf_top_microprice(m->bid, m->ask, m->bid_qty, m->ask_qty);
  }
}

/* on: TF_ON_TRADE, TF_ON_QUOTE, and then there is no value, or TF_ON_TICK. */
TF_DEVICE double tf_features_window(uint32_t fn, uint8_t *state, const tf_market_t *m,
                                    uint32_t on) {
  tf_indicator_input_t in = {};
  double               y  = 0;
  tf_time_window_t    *w  = reinterpret_cast<tf_time_window_t *>(state);
  in.on                   = on;
  in.market               = m;
  tf_indicator_result_t made;
  switch (fn) {
  case TF_CARD_FEATURE_MARKET_cvd:
    made = tf_cvd_step(reinterpret_cast<tf_sum_t *>(state), &in, &y);
    break;
  case TF_CARD_FEATURE_MARKET_ofi:
    made = tf_quote_window_update(reinterpret_cast<tf_quote_window_t *>(state), &in, TF_OFI_VALUES,
                                  tf_ofi_values, tf_ofi_answer, &y);
    break;
  case TF_CARD_FEATURE_MARKET_trade_count:
    made = tf_trade_window_update(w, &in, TF_TRADE_COUNT_VALUES, tf_trade_count_values,
                                  tf_volume_answer, &y);
    break;
  case TF_CARD_FEATURE_MARKET_trade_imbalance:
    made = tf_trade_window_update(w, &in, TF_TRADE_IMBALANCE_VALUES, tf_trade_imbalance_values,
                                  tf_trade_imbalance_answer, &y);
    break;
  case TF_CARD_FEATURE_MARKET_trade_intensity:
    made = tf_trade_window_update(w, &in, TF_TRADE_COUNT_VALUES, tf_trade_count_values,
                                  tf_trade_intensity_answer, &y);
    break;
  case TF_CARD_FEATURE_MARKET_volume:
    made = tf_trade_window_update(w, &in, TF_VOLUME_VALUES, tf_volume_values, tf_volume_answer, &y);
    break;
  default:
    made = tf_trade_window_update(w, &in, TF_VWAP_VALUES, tf_vwap_values, tf_vwap_answer, &y);
    break;
  }
  return made == TF_INDICATOR_READY ? y : tf_features_none();
}

TF_DEVICE bool tf_features_series(uint32_t fn, uint8_t *state, uint32_t param_cnt, const double *x,
                                  double *y) {
  switch (fn) {
  case TF_CARD_FEATURE_SERIES_ema: return tf_ema_step(reinterpret_cast<tf_ema_t *>(state), x[0], y);
  case TF_CARD_FEATURE_SERIES_ret: return tf_ret_step(reinterpret_cast<tf_ret_t *>(state), x[0], y);
  case TF_CARD_FEATURE_SERIES_sma: return tf_sma_step(reinterpret_cast<tf_sma_t *>(state), x[0], y);
  case TF_CARD_FEATURE_SERIES_max:
  case TF_CARD_FEATURE_SERIES_min:
    return tf_extreme_update(reinterpret_cast<tf_extreme_t *>(state), x[0],
                             fn == TF_CARD_FEATURE_SERIES_max, y) == TF_INDICATOR_READY;
  case TF_CARD_FEATURE_SERIES_zscore: return tf_zscore_update(state, x[0], y) == TF_INDICATOR_READY;
  case TF_CARD_FEATURE_SERIES_rsi: return tf_rsi_step(reinterpret_cast<tf_rsi_t *>(state), x[0], y);
  default: return tf_features_step(fn, state, param_cnt, x, y);
  }
}

/* What came of a row. */
enum tf_features_took {
  TF_FEATURES_QUIET,    /* no tick */
  TF_FEATURES_RESTORED, /* a state */
  TF_FEATURES_ABSENT,   /* a tick; the memory is not here */
  TF_FEATURES_LACKING,  /* a tick; some feature has no value */
  TF_FEATURES_WHOLE,    /* a tick; all have */
  TF_FEATURES_STUCK,    /* a tick; a row before it does not come */
};

/* What a block knows of its program, at the beginning of its shared memory: so neither the loop around it nor a net behind it holds registers for it. */
struct tf_features {
  tf_card_place_t                place;
  const tf_card_program_t       *program;
  const tf_card_features_t      *plan;
  const tf_card_feature_level_t *levels;
  const tf_card_feature_step_t  *steps, *following, *bar_steps;
  const tf_card_feature_field_t *fields;
  const uint16_t                *rows, *handed;
  double                        *slots, *parts;
  tf_market_t                   *market;
  tf_event_t *event;  /* what indicators read of it: it is none of those that are passed over */
  float      *values; /* the tick's features */
  tf_card_feature_common_t *common;
  uint64_t                 *sections;
  const tf_card_set_t      *set;   /* NULL: a row alone */
  uint32_t                  which; /* of the set */

  /* Thread 0. */
  TF_DEVICE_MEMBER void know(const tf_card_place_t &where, const tf_card_program_t *what) {
    const uint8_t *image = tf_card_image(what);
    place                = where;
    program              = what;
    plan                 = reinterpret_cast<const tf_card_features_t *>(image);
    levels    = reinterpret_cast<const tf_card_feature_level_t *>(image + plan->levels_at);
    steps     = reinterpret_cast<const tf_card_feature_step_t *>(image + plan->steps_at);
    rows      = reinterpret_cast<const uint16_t *>(image + plan->rows_at);
    following = reinterpret_cast<const tf_card_feature_step_t *>(image + plan->follow_at);
    bar_steps = reinterpret_cast<const tf_card_feature_step_t *>(image + plan->bars_at);
    fields    = reinterpret_cast<const tf_card_feature_field_t *>(image + plan->fields_at);
    handed    = reinterpret_cast<const uint16_t *>(image + plan->handed_at);
    slots     = reinterpret_cast<double *>(place.shared + TF_CARD_FEATURE_CONTEXT_BYTES);
    parts     = slots + plan->slot_cnt;
    event =
        reinterpret_cast<tf_event_t *>(place.shared + tf_card_features_market_at(plan->slot_cnt));
    market   = reinterpret_cast<tf_market_t *>(event + 1);
    values   = reinterpret_cast<float *>(place.shared + tf_card_features_values_at(plan->slot_cnt));
    common   = reinterpret_cast<tf_card_feature_common_t *>(place.scratch);
    sections = reinterpret_cast<uint64_t *>(common + 1);
    set      = NULL;
    which    = 0;
    memset(event, 0, sizeof *event);
  }

  /* What all blocks have in common: nobody is there. The others hear of rows only behind this. */
  TF_DEVICE_MEMBER void clear() const {
    leave_all();
    for (uint32_t i = tf_team_rank(); i < plan->instrument_cnt; i += tf_team_size())
      head_of(i)->is_there = 0;
    const uint32_t puts = has_beside() ? plan->section_cnt * plan->block_cnt : 0;
    for (uint32_t i = tf_team_rank(); i < puts; i += tf_team_size())
      puts_of(0)[i].tag = 0; /* sets of a launch before this one */
  }

  TF_DEVICE_MEMBER tf_card_feature_head_t *head_of(uint32_t instrument) const {
    return reinterpret_cast<tf_card_feature_head_t *>(place.states +
                                                      instrument * program->state_bytes);
  }
  TF_DEVICE_MEMBER static double *memory_of(tf_card_feature_head_t *head) {
    return reinterpret_cast<double *>(head + 1);
  }

  /* Its memory is to come. Its place in the sections stays what the lane said last: others read it. */
  TF_DEVICE_MEMBER void reset(uint32_t instrument) {
    if (instrument >= plan->instrument_cnt) return;
    if (tf_team_rank() == 0) head_of(instrument)->is_there = 0;
    tf_team_barrier();
  }

  /* ---- beside other rows ---- */

  TF_DEVICE_MEMBER bool has_beside() const { return plan->section_cnt > 0 && plan->block_cnt > 1; }
  TF_DEVICE_MEMBER tf_card_feature_beside_t *beside() const {
    return reinterpret_cast<tf_card_feature_beside_t *>(
        place.shared + tf_card_features_beside_at(plan->slot_cnt, plan->feature_cnt));
  }
  TF_DEVICE_MEMBER uint32_t *touched() const { return reinterpret_cast<uint32_t *>(beside() + 1); }
  TF_DEVICE_MEMBER uint32_t  touched_words() const { return (plan->instrument_cnt + 31) / 32; }

  /* (block_cnt) packets of what a set's rows put into a section. */
  TF_DEVICE_MEMBER tf_packet_t *puts_of(uint32_t section) const {
    return reinterpret_cast<tf_packet_t *>(
               place.scratch + tf_card_features_puts_at(plan->section_cnt, plan->instrument_cnt)) +
           section * plan->block_cnt;
  }

  TF_DEVICE_MEMBER static uint32_t kind_of(const uint32_t words[2]) { return words[0] & 0xffu; }
  TF_DEVICE_MEMBER static uint32_t flags_of(const uint32_t words[2]) {
    return words[0] >> 8 & 0xffu;
  }
  /* Does it put values into sections? */
  TF_DEVICE_MEMBER static bool is_put(const tf_card_set_row_t *row) {
    return !row->is_behind && kind_of(row->words) == TF_MARKET_ROW_TICK;
  }

  TF_DEVICE_MEMBER void publish(uint32_t section, uint64_t bits, uint32_t how) const {
    const tf_packet_t p = {
        {static_cast<uint32_t>(bits), static_cast<uint32_t>(bits >> 32), how},
        set->number
    };
    tf_packet_store(puts_of(section) + which, &p);
  }

  /* What the rows up to one's own have put, one a thread. */
  TF_DEVICE_MEMBER void await_puts(uint32_t section) const {
    for (uint32_t i = tf_team_rank(); i <= which; i += tf_team_size()) {
      if (!is_put(&set->rows[i])) continue;
      tf_wait_t   wait = tf_wait_of(place.leave, place.polls_max);
      tf_packet_t p;
      tf_packet_load(puts_of(section) + i, &p);
      while (p.tag != set->number && tf_wait_on(&wait)) tf_packet_load(puts_of(section) + i, &p);
      if (p.tag != set->number) beside()->is_stuck = 1;
      beside()->changed[i] =
          p.words[2] == TF_CARD_FEATURE_KEPT
              ? sections[uint64_t{section} * plan->instrument_cnt + set->rows[i].instrument]
              : p.words[0] | uint64_t{p.words[1]} << 32;
    }
  }

  /* Marks whose values are not the section's, or takes the marks away. */
  TF_DEVICE_MEMBER void mark(bool is_on) const {
    if (tf_team_rank() == 0)
      for (uint32_t i = 0; i <= which; i++) {
        const uint32_t at = set->rows[i].instrument, bit = 1u << at % 32;
        if (is_put(&set->rows[i])) touched()[at / 32] = is_on ? touched()[at / 32] | bit : 0;
      }
    if (tf_team_rank() == 0) beside()->is_stuck = 0;
    tf_team_barrier();
  }

  /* A section's value of a member, as the row at hand sees it. */
  TF_DEVICE_MEMBER double value_of(const uint64_t *section, uint32_t member) const {
    uint64_t bits = section[member];
    if (set && touched()[member / 32] >> member % 32 & 1)
      for (uint32_t i = 0; i <= which; i++)
        if (set->rows[i].instrument == member) bits = beside()->changed[i];
    return tf_features_of_bits(bits ^ TF_FEATURES_NAN_BITS);
  }

  /* ---- the state room ---- */

  /* cnt words from packet first on, all of them under the tag; a lane that keeps to its word has put them there before. */
  TF_DEVICE_MEMBER bool fetch(uint32_t first, uint32_t *words, uint32_t cnt, uint32_t tag) const {
    bool there = first + (cnt + 2) / 3 <= place.state_packets;
    for (uint32_t i = 3 * tf_team_rank(); there && i < cnt; i += 3 * tf_team_size()) {
      tf_packet_t p;
      tf_packet_load(place.state + first + i / 3, &p);
      there = p.tag == tag;
      for (uint32_t j = 0; j < 3 && i + j < cnt; j++) words[i + j] = p.words[j];
    }
    return sum(there ? 0 : 1) == 0;
  }

  TF_DEVICE_MEMBER void take_seat(tf_card_feature_head_t *head, bool has) const {
    common->member_cnt += has;
    common->member_cnt -= head->has_seat;
    head->has_seat = has;
  }

  /* Not fit, or without a seat: nowhere. Thread 0. */
  TF_DEVICE_MEMBER void seat(uint32_t instrument, const tf_market_row_t *row) const {
    take_seat(head_of(instrument), row->flags & TF_MARKET_ROW_HAS_SEAT);
    for (uint32_t i = 0; i < plan->step_cnt; i++) {
      const tf_card_feature_step_t *s = steps + i;
      if (s->fn < TF_CARD_FEATURE_CROSS_cs_count || s->fn > TF_CARD_FEATURE_CROSS_cs_zscore ||
          !s->puts)
        continue;
      double x = row->flags & TF_MARKET_ROW_IS_FIT ? memory_of(head_of(instrument))[s->in[0]]
                                                   : tf_features_none();
      put(s, instrument, x);
    }
  }

  TF_DEVICE_MEMBER void restore(uint32_t instrument, const tf_market_row_t *row) const {
    tf_card_feature_head_t *head = head_of(instrument);
    bool                    there =
        fetch(0, reinterpret_cast<uint32_t *>(head + 1), plan->mem_bytes / 4, row->u.state.tag);
    if (tf_team_rank() == 0) {
      head->is_there = there;
      if (there)
        seat(instrument, row);
      else
        leave(instrument);
    }
    tf_team_barrier();
  }

  /* ---- a tick ---- */

  /* Thread 0: the market as the lane's indicators see it. There is no book here. */
  TF_DEVICE_MEMBER void show(const tf_market_row_t *row) const {
    memset(market, 0, sizeof *market);
    market->event        = event;
    market->now_ns       = row->now_ns;
    market->bid          = row->u.top.bid;
    market->ask          = row->u.top.ask;
    market->bid_qty      = row->u.top.bid_qty;
    market->ask_qty      = row->u.top.ask_qty;
    market->trade_price  = row->u.top.trade_price;
    market->trade_qty    = row->u.top.trade_qty;
    market->mark_price   = row->u.top.mark_price;
    market->funding_rate = row->u.top.funding_rate;
    market->trade_side   = row->trade_side;
    market->has_quote    = row->flags & TF_MARKET_ROW_HAS_QUOTE;
  }

  /* Steps that see each event: a thread each. */
  TF_DEVICE_MEMBER void follow(uint8_t *kept, uint32_t on) const {
    for (uint32_t i = tf_team_rank(); i < plan->follow_cnt; i += tf_team_size())
      if (following[i].section & on)
        (void)tf_features_window(following[i].fn, kept + following[i].state_offset, market, on);
    tf_team_barrier();
  }

  TF_DEVICE_MEMBER static bool is_window(uint32_t fn) {
    return fn == TF_CARD_FEATURE_MARKET_cvd || fn == TF_CARD_FEATURE_MARKET_ofi ||
           (fn >= TF_CARD_FEATURE_MARKET_trade_count && fn <= TF_CARD_FEATURE_MARKET_vwap);
  }

  /* of: slots, in shared memory or where they are kept. */
  TF_DEVICE_MEMBER void run_series(const tf_card_feature_step_t *s, uint8_t *kept,
                                   double *of) const {
    double x[TF_CARD_FEATURE_INPUTS_MAX], y[TF_CARD_FEATURE_OUTPUTS_MAX];
    bool   is_on = true;
    for (uint32_t i = 0; i < s->in_cnt; i++) {
      x[i]  = of[s->in[i]];
      is_on = is_on && tf_features_is_usable(x[i]);
    }
    is_on = is_on && tf_features_series(s->fn, kept + s->state_offset, s->param_cnt, x, y);
    for (uint32_t o = 0; o < s->out_cnt; o++) is_on = is_on && tf_features_is_finite(y[o]);
    for (uint32_t o = 0; o < s->out_cnt; o++) of[s->out + o] = is_on ? y[o] : tf_features_none();
  }

  TF_APART_MEMBER void run(const tf_card_feature_step_t *s, uint8_t *kept, double *of) const {
    double y;
    if (s->fn >= TF_CARD_FEATURE_SERIES_ema) return run_series(s, kept, of);
    if (is_window(s->fn))
      y = tf_features_window(s->fn, kept + s->state_offset, market, TF_ON_TICK);
    else if (s->fn >= TF_CARD_FEATURE_MARKET_ask)
      y = tf_features_market(s->fn, market);
    else
      y = tf_features_arithmetic(s->fn, of[s->in[0]], of[s->in[1]]);
    of[s->out] = tf_features_is_finite(y) ? y : tf_features_none();
  }

  /* Thread 0: a bar's fields, then what hangs on it. */
  TF_DEVICE_MEMBER void close_bar(const tf_market_row_t *row, double *kept) const {
    for (uint32_t i = 0; i < plan->field_cnt; i++)
      if (fields[i].bar == row->bar_idx) kept[fields[i].slot] = row->u.bar[fields[i].field];
    for (uint32_t i = 0; i < plan->bar_step_cnt; i++)
      if (bar_steps[i].bar == row->bar_idx)
        run(bar_steps + i, reinterpret_cast<uint8_t *>(kept), kept);
  }

  /* Of all threads' x, in each of them: a warp's by halves, then warp by warp. */
  TF_DEVICE_MEMBER double sum(double x) const {
    x = tf_warp_sum(x);
    if (tf_warp_lane() == 0) parts[tf_warp_rank()] = x;
    tf_team_barrier();
    double all = 0;
    for (uint32_t i = 0; i < tf_warp_cnt(); i++) all += parts[i];
    tf_team_barrier();
    return all;
  }

  /* What of a section a cross asks, added up over its members; x: the own value. */
  TF_DEVICE_MEMBER double sum_over(const uint64_t *section, uint32_t what, double x,
                                   double mean) const {
    double all = 0;
    for (uint32_t i = tf_team_rank(); i < plan->instrument_cnt; i += tf_team_size()) {
      double other = value_of(section, i);
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

  /* Bits in the order of the values that they are of. */
  TF_DEVICE_MEMBER static uint64_t order_of(double x) {
    const uint64_t bits = tf_features_bits(x);
    return bits >> 63 ? ~bits : bits | UINT64_C(1) << 63;
  }

  /* Members whose bits in order are less than bound. */
  TF_DEVICE_MEMBER double cnt_below(const uint64_t *section, uint64_t bound) const {
    double cnt = 0;
    for (uint32_t i = tf_team_rank(); i < plan->instrument_cnt; i += tf_team_size()) {
      const double x = value_of(section, i);
      cnt += x == x && order_of(x) < bound ? 1 : 0;
    }
    return sum(cnt);
  }

  /* The one member whose bits in order are from low on, and width of them. */
  TF_DEVICE_MEMBER double only(const uint64_t *section, uint64_t low, uint64_t width) const {
    double found = 0;
    for (uint32_t i = tf_team_rank(); i < plan->instrument_cnt; i += tf_team_size()) {
      const double x = value_of(section, i);
      if (x == x && order_of(x) - low < width) found = x;
    }
    return sum(found);
  }

  /* Of the members' values, the one that `rank` others stand before in order; in each thread. Bit by bit, from the highest: the greatest
   * bound that no more than `rank` of them are below, until one alone is left. Each bit reads all members once. */
  TF_DEVICE_MEMBER double nth(const uint64_t *section, uint32_t rank, double cnt) const {
    double   below = 0, up_to = cnt; /* members below low, and below low + 2 bit */
    uint64_t low = 0;
    for (uint64_t bit = UINT64_C(1) << 63; bit; bit >>= 1) {
      const double there = cnt_below(section, low | bit);
      if (there <= rank)
        low |= bit, below = there;
      else
        up_to = there;
      if (up_to - below == 1) return only(section, low, bit);
    }
    return tf_features_of_bits(low >> 63 ? low & ~(UINT64_C(1) << 63) : ~low);
  }

  /* As cross/rank.c has it. */
  TF_DEVICE_MEMBER double quantile(const uint64_t *section, double cnt, double q) const {
    double   at   = q * (cnt - 1);
    uint32_t low  = static_cast<uint32_t>(at);
    double   part = at - low, x = nth(section, low, cnt);
    if (part == 0) return x;
    return x + part * (nth(section, low + 1, cnt) - x);
  }

  TF_APART_MEMBER double place_among(const tf_card_feature_step_t *s, const uint64_t *section,
                                     double x) const {
    double cnt = sum_over(section, 0, x, 0);
    if (cnt < s->member_min) return tf_features_none();
    if (s->fn == TF_CARD_FEATURE_CROSS_cs_count) return cnt;
    if (s->fn == TF_CARD_FEATURE_CROSS_cs_rank)
      return (sum_over(section, 3, x, 0) - 0.5) / (cnt - 1);
    if (s->fn == TF_CARD_FEATURE_CROSS_cs_quantile) return quantile(section, cnt, s->param);
    double away = sum_over(section, 1, x, 0) / cnt; /* the mean less x */
    if (s->fn == TF_CARD_FEATURE_CROSS_cs_mean) return x + away;
    if (s->fn == TF_CARD_FEATURE_CROSS_cs_demean) return -away;
    double std = sqrt(sum_over(section, 2, x, away) / cnt);
    if (s->fn == TF_CARD_FEATURE_CROSS_cs_std) return std;
    return std == 0 ? 0 : -away / std;
  }

  TF_DEVICE_MEMBER static uint64_t bits_of(double x) {
    return tf_features_is_usable(x) ? tf_features_bits(x + 0.0) ^ TF_FEATURES_NAN_BITS : 0;
  }
  TF_DEVICE_MEMBER void put(const tf_card_feature_step_t *s, uint32_t instrument, double x) const {
    sections[uint64_t{s->section} * plan->instrument_cnt + instrument] = bits_of(x);
  }

  /* All threads. */
  TF_DEVICE_MEMBER void cross(const tf_card_feature_step_t *s, uint32_t instrument,
                              bool is_fit) const {
    const uint64_t *section = sections + uint64_t{s->section} * plan->instrument_cnt;
    double          x       = is_fit ? slots[s->in[0]] : tf_features_none();
    bool            is_in   = tf_features_is_usable(x);
    if (s->puts && tf_team_rank() == 0) {
      if (set)
        publish(s->section, bits_of(x), TF_CARD_FEATURE_PUT);
      else
        put(s, instrument, x);
    }
    if (set) await_puts(s->section);
    tf_team_barrier();
    double y = is_in ? place_among(s, section, x) : tf_features_none();
    if (tf_team_rank() == 0) slots[s->out] = tf_features_is_finite(y) ? y : tf_features_none();
    tf_team_barrier();
  }

  TF_DEVICE_MEMBER void run_levels(uint32_t instrument, uint8_t *kept, uint8_t flags) const {
    const tf_card_feature_step_t *s = steps;
    for (uint32_t l = 0; l < plan->level_cnt; l++) {
      for (uint32_t i = tf_team_rank(); i < levels[l].cnt; i += tf_team_size())
        run(s + i, kept, slots);
      tf_team_barrier();
      s += levels[l].cnt;
      for (uint32_t i = 0; i < levels[l].cross_cnt; i++)
        cross(s++, instrument, flags & TF_MARKET_ROW_IS_FIT);
    }
  }

  /* The row of features, from slots; are all of them there? */
  TF_DEVICE_MEMBER bool gather() const {
    double bad = 0;
    for (uint32_t i = tf_team_rank(); i < plan->feature_cnt; i += tf_team_size()) {
      values[i] = static_cast<float>(slots[rows[i]]);
      bad += values[i] - values[i] == 0 ? 0 : 1;
    }
    return sum(bad) == 0;
  }

  /* What the lane has made, from behind the row. */
  TF_DEVICE_MEMBER void take_handed(const tf_market_row_t *row) const {
    const uint8_t *from = reinterpret_cast<const uint8_t *>(row + 1);
    for (uint32_t i = tf_team_rank(); i < plan->handed_cnt; i += tf_team_size())
      memcpy(&slots[handed[i]], from + i * sizeof(double), sizeof(double));
    tf_team_barrier();
  }

  TF_APART_MEMBER tf_features_took tick(uint32_t instrument, const tf_market_row_t *row,
                                        tf_card_feature_head_t *head) const {
    double *kept = memory_of(head);
    if (tf_team_rank() == 0) {
      show(row);
      if (!set) take_seat(head, row->flags & TF_MARKET_ROW_HAS_SEAT); /* else open_set has */
    }
    for (uint32_t i = tf_team_rank(); i < plan->slot_cnt; i += tf_team_size()) slots[i] = kept[i];
    tf_team_barrier();
    if (row->kind == TF_MARKET_ROW_TICK) take_handed(row);
    if (row->kind == TF_MARKET_ROW_TICK)
      run_levels(instrument, reinterpret_cast<uint8_t *>(kept), row->flags);
    for (uint32_t i = tf_team_rank(); i < plan->slot_cnt; i += tf_team_size()) kept[i] = slots[i];
    return gather() ? TF_FEATURES_WHOLE : TF_FEATURES_LACKING;
  }

  /* An event within a message. */
  TF_DEVICE_MEMBER void event_row(const tf_market_row_t *row, double *kept) const {
    if (tf_team_rank() == 0) show(row);
    tf_team_barrier();
    follow(reinterpret_cast<uint8_t *>(kept),
           row->kind == TF_MARKET_ROW_TRADE ? TF_ON_TRADE : TF_ON_QUOTE);
  }

  /* Thread 0. */
  TF_DEVICE_MEMBER void leave(uint32_t instrument) const {
    take_seat(head_of(instrument), false);
    for (uint32_t i = 0; i < plan->section_cnt; i++)
      sections[uint64_t{i} * plan->instrument_cnt + instrument] = 0;
  }

  /* All threads. */
  TF_DEVICE_MEMBER void leave_all() const {
    for (uint64_t i = tf_team_rank(); i < uint64_t{plan->section_cnt} * plan->instrument_cnt;
         i += tf_team_size())
      sections[i] = 0;
    for (uint32_t i = tf_team_rank(); i < plan->instrument_cnt; i += tf_team_size())
      head_of(i)->has_seat = 0;
    if (tf_team_rank() == 0) common->member_cnt = 0;
  }

  /* Are the members of the sections here that the lane has at this tick? Else what hangs on these would go its own way. */
  TF_DEVICE_MEMBER bool has_all(const tf_card_feature_head_t *head,
                                const tf_market_row_t        *row) const {
    if (row->kind != TF_MARKET_ROW_TICK || plan->section_cnt == 0) return true;
    const uint32_t has = row->flags & TF_MARKET_ROW_HAS_SEAT ? 1 : 0;
    return common->member_cnt - head->has_seat + has == row->member_cnt;
  }

  TF_APART_MEMBER tf_features_took take(uint32_t instrument, const tf_market_row_t *row) const {
    if (instrument >= plan->instrument_cnt) return TF_FEATURES_QUIET;
    tf_card_feature_head_t *head = head_of(instrument);
    if (row->kind == TF_MARKET_ROW_STATE) {
      restore(instrument, row);
      return TF_FEATURES_RESTORED;
    }
    const bool is_there = head->is_there && has_all(head, row);
    tf_team_barrier(); /* before anybody changes it */
    if (!is_there && tf_team_rank() == 0) head->is_there = 0;
    switch (row->kind) {
    case TF_MARKET_ROW_TICK:
    case TF_MARKET_ROW_STANDS:
      if (is_there) return tick(instrument, row, head);
      if (tf_team_rank() == 0) leave(instrument); /* its values are of an older tick */
      tf_team_barrier();
      return TF_FEATURES_ABSENT;
    case TF_MARKET_ROW_GONE:
      if (row->flags & TF_MARKET_ROW_IS_ALL)
        leave_all();
      else if (tf_team_rank() == 0)
        leave(instrument);
      break;
    case TF_MARKET_ROW_BAR:
      if (is_there && tf_team_rank() == 0) close_bar(row, memory_of(head));
      break;
    default:
      if (is_there) event_row(row, memory_of(head));
      break;
    }
    tf_team_barrier();
    return TF_FEATURES_QUIET;
  }

  /* ---- sets: card.h ---- */

  TF_DEVICE_MEMBER static bool joins(const uint32_t words[2]) {
    return kind_of(words) == TF_MARKET_ROW_TICK || kind_of(words) == TF_MARKET_ROW_STANDS;
  }

  /* One lane: members of the sections as each row has them, in the rows' order. Behind a row that is behind nobody has the sections. */
  TF_DEVICE_MEMBER void take_seats(tf_card_set_t *of) const {
    uint32_t members = common->member_cnt;
    bool     lacks   = false;
    for (uint32_t i = 0; i < of->cnt; i++) {
      tf_card_set_row_t *row = &of->rows[i];
      const uint32_t     had = row->seat;
      const uint32_t     has = flags_of(row->words) & TF_MARKET_ROW_HAS_SEAT ? 1 : 0;
      if (is_put(row) && (lacks || members - had + has != row->words[1]))
        row->is_behind = 1, head_of(row->instrument)->is_there = 0;
      lacks = lacks || row->is_behind;
      if (row->is_behind) { /* its values are of an older tick: nobody is placed among them */
        members -= had;
        head_of(row->instrument)->has_seat = 0;
        continue;
      }
      members += has - had;
      head_of(row->instrument)->has_seat = has;
    }
    common->member_cnt = members;
  }

  TF_APART_MEMBER void open_set(tf_card_set_t *of) const {
    for (uint32_t i = tf_warp_lane(); i < of->cnt; i += TF_WARP_SIZE) {
      const tf_card_feature_head_t *head = head_of(of->rows[i].instrument);
      if (!head->is_there) of->rows[i].is_behind = 1;
      of->rows[i].seat = head->has_seat;
    }
    tf_warp_barrier();
    if (plan->section_cnt && tf_warp_lane() == 0) take_seats(of);
  }

  TF_DEVICE_MEMBER void be_of(const tf_card_set_t *of, uint32_t at) {
    if (tf_team_rank() == 0) set = of, which = at;
    tf_team_barrier();
  }

  TF_DEVICE_MEMBER tf_features_took take_of_set(const tf_card_set_t *of, uint32_t at,
                                                const tf_market_row_t *row) {
    be_of(of, at);
    if (has_beside()) mark(true);
    tf_features_took took = tick(of->rows[at].instrument, row, head_of(of->rows[at].instrument));
    if (has_beside()) {
      if (beside()->is_stuck) took = TF_FEATURES_STUCK;
      tf_team_barrier();
      mark(false);
    }
    be_of(NULL, 0);
    return took;
  }

  TF_DEVICE_MEMBER void pass_set(const tf_card_set_t *of, uint32_t at) {
    be_of(of, at);
    if (is_put(&of->rows[at]) && has_beside())
      for (uint32_t i = tf_team_rank(); i < plan->section_cnt; i += tf_team_size())
        publish(i, 0, TF_CARD_FEATURE_KEPT);
    tf_team_barrier();
    be_of(NULL, 0);
  }

  TF_APART_MEMBER void close_set(const tf_card_set_t *of) const {
    for (uint32_t i = tf_team_rank(); i < plan->section_cnt * of->cnt; i += tf_team_size()) {
      const uint32_t           section = i / of->cnt, at = i % of->cnt;
      const tf_card_set_row_t *row = &of->rows[at];
      tf_packet_t              p;
      if (row->is_behind) sections[uint64_t{section} * plan->instrument_cnt + row->instrument] = 0;
      if (!is_put(row)) continue;
      tf_packet_load(puts_of(section) + at, &p);
      if (p.tag == of->number && p.words[2] == TF_CARD_FEATURE_PUT)
        sections[uint64_t{section} * plan->instrument_cnt + row->instrument] =
            p.words[0] | uint64_t{p.words[1]} << 32;
    }
    tf_team_barrier();
  }
};

TF_STATIC_ASSERT(sizeof(tf_features) <= TF_CARD_FEATURE_CONTEXT_BYTES, "slots begin behind it");

TF_DEVICE tf_features *tf_features_begin(const tf_card_place_t   &place,
                                         const tf_card_program_t *program) {
  tf_features *f = reinterpret_cast<tf_features *>(place.shared);
  if (tf_team_rank() == 0) f->know(place, program);
  tf_team_barrier();
  if (f->has_beside())
    for (uint32_t i = tf_team_rank(); i < f->touched_words(); i += tf_team_size())
      f->touched()[i] = 0;
  if (tf_grid_rank() == 0) f->clear();
  tf_team_barrier();
  return f;
}

/* As card.h asks for it: features alone. */
struct tf_features_kind {
  tf_features *features;

  TF_DEVICE_MEMBER void begin(const tf_card_place_t &place, const tf_card_program_t *program) {
    features = tf_features_begin(place, program);
  }
  TF_DEVICE_MEMBER void reset(uint32_t instrument) { features->reset(instrument); }

  TF_DEVICE_MEMBER tf_card_step_t answer(tf_features_took took, float *out) const {
    if (took == TF_FEATURES_STUCK) return TF_CARD_STEP_STUCK;
    if (took == TF_FEATURES_ABSENT) return TF_CARD_STEP_BEHIND;
    if (took != TF_FEATURES_WHOLE && took != TF_FEATURES_LACKING) return TF_CARD_STEP_WARMING;
    for (uint32_t i = tf_team_rank(); i < features->plan->feature_cnt; i += tf_team_size())
      out[i] = features->values[i];
    tf_team_barrier();
    return TF_CARD_STEP_DONE;
  }

  TF_DEVICE_MEMBER tf_card_step_t step(uint32_t instrument, const float *row, float *out) {
    return answer(features->take(instrument, reinterpret_cast<const tf_market_row_t *>(row)), out);
  }
  TF_DEVICE_MEMBER bool advance(uint32_t) { return false; }

  static constexpr uint32_t SET_WORD = TF_CARD_FEATURE_SET_WORD;

  TF_DEVICE_MEMBER static bool joins(const uint32_t words[2]) { return tf_features::joins(words); }
  TF_DEVICE_MEMBER void        open_set(tf_card_set_t *set) const { features->open_set(set); }
  TF_DEVICE_MEMBER tf_card_step_t step_of_set(const tf_card_set_t *set, uint32_t which,
                                              const float *row, float *out) {
    return answer(features->take_of_set(set, which, reinterpret_cast<const tf_market_row_t *>(row)),
                  out);
  }
  TF_DEVICE_MEMBER void pass_set(const tf_card_set_t *set, uint32_t which) {
    features->pass_set(set, which);
  }
  TF_DEVICE_MEMBER void close_set(const tf_card_set_t *set) const { features->close_set(set); }
};

template <> struct tf_kind_takes_sets<tf_features_kind> { static constexpr bool value = true; };

TF_STATIC_ASSERT(sizeof(tf_event_t) + sizeof(tf_market_t) <= TF_CARD_FEATURE_MARKET_BYTES,
                 "they fit between slots and values");
TF_STATIC_ASSERT(TF_CARD_FEATURE_ARITHMETIC_abs < TF_CARD_FEATURE_CROSS_cs_count &&
                     TF_CARD_FEATURE_CROSS_cs_zscore < TF_CARD_FEATURE_MARKET_ask &&
                     TF_CARD_FEATURE_MARKET_vwap < TF_CARD_FEATURE_SERIES_ema &&
                     TF_CARD_FEATURE_SERIES_zscore < TF_CARD_FEATURE_STEP_ad,
                 "run tells the sorts by their numbers");

#endif
