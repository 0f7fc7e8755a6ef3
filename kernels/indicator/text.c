/* What models said of the instrument's texts (tf/text.h, TF_EVENT_TEXT). A text that no model answered moves none of these.
 *
 *   text_score, text_confidence, text_novelty, text_label   of the last one; no value before the first
 *   text_age                the seconds of receive time since it was answered
 *   text_count(window)      how many were answered in the window (time_window.h); 0 where none was
 *   text_score_ema(half)    the mean of their scores, each weighing 2^(-age / half): sum w s / sum w. Both sums decay alike, so
 *                           it moves with texts alone. Time is that of reception and does not run backwards */
#include "indicator/elementary.h"
#include "indicator/parts.h"
#include "indicator/time_window.h"

#define LN_2 0.693147180559945309417

static tf_err_t init_none(void *state, const double *params) {
  (void)params;
  memset(state, 0, sizeof(uint64_t));
  return TF_OK;
}

static void reset_none(void *state) { (void)init_none(state, NULL); }

/* ---- the last one ---- */

static tf_indicator_result_t answer(double *out, double value) {
  return tf_parts_finite(value) ? tf_parts_answer(out, value) : TF_INDICATOR_REJECTED;
}

static double age_of(const tf_market_t *m) {
  if (m->text_ns == 0) return __builtin_nan("");
  return m->now_ns > m->text_ns ? (double)(m->now_ns - m->text_ns) * 1e-9 : 0.0;
}

#define OF_THE_LAST(id, value, what)                                                               \
  static tf_indicator_result_t id##_peek(const void *state, const tf_indicator_input_t *in,        \
                                         double *out) {                                            \
    (void)state;                                                                                   \
    const tf_market_t *m = in->market;                                                             \
    return answer(out, value);                                                                     \
  }                                                                                                \
  static tf_indicator_result_t id##_update(void *state, const tf_indicator_input_t *in,            \
                                           double *out) {                                          \
    return id##_peek(state, in, out);                                                              \
  }                                                                                                \
  const tf_indicator_t tf_indicator_##id = {                                                       \
      .name        = #id,                                                                          \
      .group       = TF_GROUP_TEXT,                                                                \
      .help        = what,                                                                         \
      .origin      = "definition",                                                                 \
      .output_cnt  = 1,                                                                            \
      .on          = TF_ON_TICK,                                                                   \
      .outputs     = {#id},                                                                        \
      .state_bytes = tf_parts_stateless_bytes,                                                     \
      .lookback    = tf_parts_lookback_none,                                                       \
      .init        = init_none,                                                                    \
      .update      = id##_update,                                                                  \
      .peek        = id##_peek,                                                                    \
      .reset       = reset_none,                                                                   \
  }

OF_THE_LAST(text_age, age_of(m), "seconds since the last text was answered");
OF_THE_LAST(text_confidence, m->text_confidence, "probability of the last text's label, 0 to 1");
OF_THE_LAST(text_label, m->text_label, "the last text's label, its place among the model's from 0");
OF_THE_LAST(text_novelty, m->text_novelty,
            "1 less the greatest cosine of the last text to those before it, 0 to 2");
OF_THE_LAST(text_score, m->text_score,
            "the last text's score: its labels' weights by their probabilities");

/* ---- how many ---- */

enum { COUNT_VALUES = 1 };

static tf_indicator_result_t count_answer(const tf_time_window_view_t *view, double *out) {
  return tf_parts_answer(out, tf_sum_value(&view->sum[0]));
}

static tf_indicator_result_t text_count_update(void *state, const tf_indicator_input_t *in,
                                               double *out) {
  static const double   ONE = 1.0;
  tf_time_window_view_t view;
  if (in->on == TF_ON_TEXT) {
    tf_time_window_add(state, in->market->now_ns, &ONE, COUNT_VALUES);
    return TF_INDICATOR_WARMING;
  }
  tf_time_window_view(state, in->market->now_ns, COUNT_VALUES, &view);
  tf_time_window_keep(state, &view, COUNT_VALUES);
  return count_answer(&view, out);
}

static tf_indicator_result_t text_count_peek(const void *state, const tf_indicator_input_t *in,
                                             double *out) {
  tf_time_window_view_t view;
  if (in->on == TF_ON_TEXT) return TF_INDICATOR_WARMING;
  tf_time_window_view(state, in->market->now_ns, COUNT_VALUES, &view);
  return count_answer(&view, out);
}

static size_t text_count_state_bytes(const double *params) {
  return tf_time_window_bytes(params[1], COUNT_VALUES);
}

static tf_err_t text_count_init(void *state, const double *params) {
  return tf_time_window_init(state, params[0], params[1], COUNT_VALUES);
}

static void text_count_reset(void *state) { tf_time_window_reset(state, COUNT_VALUES); }

TF_TIME_WINDOW_TRAIL(text_count, 0, 1, COUNT_VALUES)

TF_TIME_WINDOW_DESCRIPTOR(text_count, .group = TF_GROUP_TEXT, .on = TF_ON_TEXT | TF_ON_TICK,
                          .help   = "number of texts that were answered in the window",
                          .origin = "definition");

/* ---- their mean ---- */

typedef struct ema {
  double   half_ns;
  double   scores, weights; /* as they were at at_ns */
  uint64_t at_ns;           /* of the last text */
} ema_t;

static tf_indicator_result_t text_score_ema_peek(const void *state, const tf_indicator_input_t *in,
                                                 double *out) {
  const ema_t *s = state;
  if (in->on == TF_ON_TEXT)
    return tf_parts_usable(in->market->text_score) ? TF_INDICATOR_WARMING : TF_INDICATOR_REJECTED;
  return s->weights > 0 ? tf_parts_answer(out, s->scores / s->weights) : tf_parts_warming(out);
}

static void take(ema_t *s, const tf_market_t *m) {
  uint64_t now_ns = m->now_ns > s->at_ns ? m->now_ns : s->at_ns;
  double   factor = tf_exp(-LN_2 * ((double)(now_ns - s->at_ns) / s->half_ns));
  s->scores       = s->scores * factor + m->text_score;
  s->weights      = s->weights * factor + 1.0;
  s->at_ns        = now_ns;
}

static tf_indicator_result_t text_score_ema_update(void *state, const tf_indicator_input_t *in,
                                                   double *out) {
  tf_indicator_result_t result = text_score_ema_peek(state, in, out);
  if (in->on == TF_ON_TEXT && result != TF_INDICATOR_REJECTED) take(state, in->market);
  return result;
}

static size_t text_score_ema_state_bytes(const double *params) {
  (void)params;
  return sizeof(ema_t);
}

static tf_err_t text_score_ema_init(void *state, const double *params) {
  ema_t *s = state;
  memset(s, 0, sizeof *s);
  s->half_ns = params[0];
  return params[0] > 0 ? TF_OK : E_CORE_ARGUMENT;
}

static void text_score_ema_reset(void *state) {
  double half_ns = ((ema_t *)state)->half_ns;
  (void)text_score_ema_init(state, &half_ns);
}

static const tf_param_spec_t EMA_PARAMS[] = {
    {.name = "half",
     .kind = TF_PARAM_DURATION,
     .dflt = 60e9,
     .min  = 1e6,
     .max  = 86400e9,
     .help = "age at which a text weighs half"}
};

const tf_indicator_t tf_indicator_text_score_ema = {
    .name        = "text_score_ema",
    .group       = TF_GROUP_TEXT,
    .help        = "mean of texts' scores, each weighing half as much after each half",
    .origin      = "definition",
    .output_cnt  = 1,
    .param_cnt   = TF_ARRAY_CNT(EMA_PARAMS),
    .on          = TF_ON_TEXT | TF_ON_TICK,
    .outputs     = {"text_score_ema"},
    .params      = EMA_PARAMS,
    .state_bytes = text_score_ema_state_bytes,
    .lookback    = tf_parts_lookback_none,
    .init        = text_score_ema_init,
    .update      = text_score_ema_update,
    .peek        = text_score_ema_peek,
    .reset       = text_score_ema_reset,
};
