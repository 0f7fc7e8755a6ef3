/* The compiled list of features, and what a lane runs of it on every event, bar and tick.
 *
 * A plan is immutable once compiled (boot/feature_compile.h) and shared by all instruments and
 * lanes. What changes is one block of memory an instrument: first the slots, one double for each
 * value that some expression produces, the features' own in front; then the indicators' states.
 * There is no pointer in it, so it can be copied or snapshotted as bytes.
 *
 *   event of the message  -> on_event: indicators that follow trades, quotes or levels
 *   a bar closes          -> on_bar:   its fields become slots, then what hangs on that bar runs
 *   end of the message    -> on_tick:  market indicators, then series and arithmetic in the order
 *                                      of their inputs; then the row
 *
 * Everything that runs together lies together: each trigger walks one array of 32-byte steps.
 *
 * NaN. A slot is NaN until its expression has a value, and for as long as an input is NaN: an
 * indicator that rejects its input keeps its state, and its outputs read NaN until the next good
 * one. Arithmetic whose result is infinite reads NaN. So a row holds finite numbers and NaN only,
 * and a stale number never stands in for a missing one.
 *
 * This file runs on a lane: no allocation, no failure, no log. One writer: the instrument's lane. */
#ifndef TF_STAGE_FEATURE_PLAN_H
#define TF_STAGE_FEATURE_PLAN_H

#include "tf/indicator.h"

#define TF_FEATURE_PLAN_LISTED_MAX 1024 /* TF_MODEL_INPUTS_MAX */
#define TF_FEATURE_PLAN_ROW_MAX    1280 /* with what only rules read */
#define TF_FEATURE_PLAN_NAME_BYTES 256
#define TF_FEATURE_PLAN_BARS_MAX   32
#define TF_FEATURE_PLAN_SLOTS_MAX  UINT16_MAX
#define TF_FEATURE_PLAN_BYTES_MAX  ((size_t)1 << 30) /* of an instrument's memory */

typedef enum tf_feature_op {
  TF_FEATURE_CALL, /* update of an indicator */
  TF_FEATURE_COPY,
  TF_FEATURE_NEG,
  TF_FEATURE_ABS,
  TF_FEATURE_ADD,
  TF_FEATURE_SUB,
  TF_FEATURE_MUL,
  TF_FEATURE_DIV,
  TF_FEATURE_MIN,
  TF_FEATURE_MAX
} tf_feature_op_t;

typedef enum tf_feature_bar_field {
  TF_FEATURE_BAR_OPEN,
  TF_FEATURE_BAR_HIGH,
  TF_FEATURE_BAR_LOW,
  TF_FEATURE_BAR_CLOSE,
  TF_FEATURE_BAR_VOLUME,
  TF_FEATURE_BAR_NOTIONAL,
  TF_FEATURE_BAR_BUY_VOLUME,
  TF_FEATURE_BAR_TRADE_CNT,
  TF_FEATURE_BAR_FIELD_CNT
} tf_feature_bar_field_t;

/* The names of the fields, as in "s1.close". */
extern const char *const tf_feature_plan_bar_fields[TF_FEATURE_BAR_FIELD_CNT];

typedef struct tf_feature_step {
  tf_indicator_result_t (*update)(void *state, const tf_indicator_input_t *in, double *out);
  uint32_t state_offset; /* in the instrument's memory */
  uint16_t out;          /* first slot written */
  uint16_t in[TF_INDICATOR_SERIES_MAX];
  uint8_t  op; /* tf_feature_op_t */
  uint8_t  series_cnt;
  uint8_t  output_cnt;
  uint8_t  reserved[5];
} tf_feature_step_t;

TF_STATIC_ASSERT(sizeof(tf_feature_step_t) == 32, "two steps a cache line");

typedef struct tf_feature_list {
  const tf_feature_step_t *steps;
  uint32_t                 cnt;
} tf_feature_list_t;

typedef struct tf_feature_field {
  uint16_t slot;
  uint16_t field; /* tf_feature_bar_field_t */
} tf_feature_field_t;

typedef struct tf_feature_bar {
  const tf_feature_field_t *fields; /* those that some expression reads */
  uint32_t                  field_cnt;
  tf_feature_list_t         steps;
} tf_feature_bar_t;

/* For init_state: an indicator and its parameters, or a constant's slot. */
typedef struct tf_feature_start {
  const tf_indicator_t *indicator; /* NULL: slot = value */
  uint32_t              state_offset;
  uint32_t              slot;
  double                value;
  double                params[TF_INDICATOR_PARAMS_MAX];
} tf_feature_start_t;

typedef struct tf_feature_name {
  char name[TF_FEATURE_PLAN_NAME_BYTES];  /* canonical: "ema(mid,20)" */
  char label[TF_FEATURE_PLAN_NAME_BYTES]; /* its alias, or the text as written, less its spaces */
} tf_feature_name_t;

typedef struct tf_feature_plan {
  tf_feature_list_t tick_market; /* market indicators, at each tick */
  tf_feature_list_t tick_steps;  /* series and arithmetic at each tick, inputs first */
  tf_feature_list_t on_trade, on_quote, on_book;
  tf_feature_bar_t *bars;
  uint32_t          bar_cnt;
  uint32_t          feature_cnt; /* of a row: the listed, then those that only rules read */
  uint32_t          listed_cnt;  /* the features of the config: a model's inputs */
  uint32_t          slot_cnt;
  size_t            mem_bytes; /* of one instrument, a multiple of 64 */

  /* cold */
  const tf_feature_start_t *starts;
  uint32_t                  start_cnt;
  tf_feature_name_t        *names; /* feature_cnt */
  void                     *block; /* the one allocation that all of the above lies in */
} tf_feature_plan_t;

/* Brings mem (plan->mem_bytes, 64-byte aligned) to its beginning: states as after init, slots NaN,
 * constants set. Also resets a used one. Fails only as an indicator's init does. */
tf_err_t tf_feature_plan_init_state(const tf_feature_plan_t *plan, void *mem);

/* Releases the plan's block; the instruments' memory is the caller's. Accepts a zeroed plan. */
void tf_feature_plan_fini(tf_feature_plan_t *plan);

/* Canonical expression of feature i < feature_cnt; and what to show of it. */
const char *tf_feature_plan_name(const tf_feature_plan_t *plan, uint32_t i);
const char *tf_feature_plan_label(const tf_feature_plan_t *plan, uint32_t i);

TF_INLINE void tf_feature_plan_call_(const tf_feature_step_t *s, uint8_t *mem,
                                     const tf_indicator_input_t *in) {
  double *out = (double *)mem + s->out;
  if (TF_UNLIKELY(s->update(mem + s->state_offset, in, out) == TF_INDICATOR_REJECTED)) {
    for (uint32_t o = 0; o < s->output_cnt; o++) out[o] = __builtin_nan("");
  }
}

TF_INLINE double tf_feature_plan_compute_(uint8_t op, double a, double b) {
  double y;
  switch (op) {
  case TF_FEATURE_COPY: y = a; break;
  case TF_FEATURE_NEG: y = -a; break;
  case TF_FEATURE_ABS: y = __builtin_fabs(a); break;
  case TF_FEATURE_ADD: y = a + b; break;
  case TF_FEATURE_SUB: y = a - b; break;
  case TF_FEATURE_MUL: y = a * b; break;
  case TF_FEATURE_DIV: y = a / b; break;
  case TF_FEATURE_MIN: y = a != a ? a : (b < a || b != b ? b : a); break;
  default: y = a != a ? a : (b > a || b != b ? b : a); break; /* TF_FEATURE_MAX */
  }
  return __builtin_isfinite(y) ? y : __builtin_nan("");
}

/* Series indicators and arithmetic of one trigger. */
static inline void tf_feature_plan_run_(const tf_feature_list_t *list, uint8_t *mem) {
  double              *slots = (double *)mem;
  tf_indicator_input_t in    = {.on = TF_ON_INPUT};
  for (const tf_feature_step_t *s = list->steps, *end = s + list->cnt; s != end; s++) {
    in.x[0] = slots[s->in[0]];
    if (s->op == TF_FEATURE_CALL) {
      for (uint32_t i = 1; i < s->series_cnt; i++) in.x[i] = slots[s->in[i]];
      tf_feature_plan_call_(s, mem, &in);
    } else {
      slots[s->out] = tf_feature_plan_compute_(s->op, in.x[0], slots[s->in[1]]);
    }
  }
}

/* One event of a message, after the books and the last trade took it in. on: TF_ON_TRADE,
 * TF_ON_QUOTE or TF_ON_BOOK. */
static inline void tf_feature_plan_on_event(const tf_feature_plan_t *plan, void *mem,
                                            const tf_market_t *market, uint32_t on) {
  const tf_feature_list_t *list = on == TF_ON_TRADE   ? &plan->on_trade
                                  : on == TF_ON_QUOTE ? &plan->on_quote
                                                      : &plan->on_book;
  if (list->cnt == 0) return;
  double               unread[TF_INDICATOR_OUTPUTS_MAX]; /* outputs are read at the tick */
  tf_indicator_input_t in = {.on = on, .market = market};
  for (const tf_feature_step_t *s = list->steps, *end = s + list->cnt; s != end; s++) {
    (void)s->update((uint8_t *)mem + s->state_offset, &in, unread);
  }
}

TF_INLINE double tf_feature_plan_field_(const tf_bar_t *bar, uint16_t field) {
  switch (field) {
  case TF_FEATURE_BAR_OPEN: return bar->open;
  case TF_FEATURE_BAR_HIGH: return bar->high;
  case TF_FEATURE_BAR_LOW: return bar->low;
  case TF_FEATURE_BAR_CLOSE: return bar->close;
  case TF_FEATURE_BAR_VOLUME: return bar->volume;
  case TF_FEATURE_BAR_NOTIONAL: return bar->notional;
  case TF_FEATURE_BAR_BUY_VOLUME: return bar->buy_volume;
  default: return (double)bar->trade_cnt;
  }
}

/* Bar bar_idx (its place in the names that the plan was compiled with) has closed. */
static inline void tf_feature_plan_on_bar(const tf_feature_plan_t *plan, void *mem,
                                          uint32_t bar_idx, const tf_bar_t *bar) {
  TF_ASSERT(bar_idx < plan->bar_cnt);
  const tf_feature_bar_t *b     = &plan->bars[bar_idx];
  double                 *slots = mem;
  for (uint32_t i = 0; i < b->field_cnt; i++) {
    double value             = tf_feature_plan_field_(bar, b->fields[i].field);
    slots[b->fields[i].slot] = __builtin_isfinite(value) ? value : __builtin_nan("");
  }
  if (b->steps.cnt > 0) tf_feature_plan_run_(&b->steps, mem);
}

/* The features as they stand into row[feature_cnt]. True if every listed one has a value. */
static inline bool tf_feature_plan_read(const tf_feature_plan_t *plan, const void *mem,
                                        double *row) {
  const double *slots = mem;
  uint64_t      nan   = 0;
  for (uint32_t i = 0; i < plan->listed_cnt; i++) {
    row[i] = slots[i];
    nan |= slots[i] != slots[i];
  }
  for (uint32_t i = plan->listed_cnt; i < plan->feature_cnt; i++) row[i] = slots[i];
  return nan == 0;
}

/* The message is complete: computes and writes row[feature_cnt], NaN where a feature is not ready.
 * True if every listed feature is. */
static inline bool tf_feature_plan_on_tick(const tf_feature_plan_t *plan, void *mem,
                                           const tf_market_t *market, double *row) {
  tf_indicator_input_t in = {.on = TF_ON_TICK, .market = market};
  for (const tf_feature_step_t *s = plan->tick_market.steps, *end = s + plan->tick_market.cnt;
       s != end; s++) {
    tf_feature_plan_call_(s, mem, &in);
  }
  tf_feature_plan_run_(&plan->tick_steps, mem);
  return tf_feature_plan_read(plan, mem, row);
}

#endif
