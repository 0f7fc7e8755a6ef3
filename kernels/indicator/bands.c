/* A line and two around it, and the middle of a range: TA-Lib's Overlap Studies that are not averages or stops. */
#include "indicator/average.h"
#include "indicator/true_range.h"
#include "indicator/variance.h"

#define BANDS TF_OUTPUTS("upperband", "middleband", "lowerband")

/* ---- accbands ---- */

typedef struct accbands {
  tf_total_t upper, middle, lower;
} accbands_t;

static uint64_t accbands_build(accbands_t *s, tf_layout_t *l, const double *params) {
  (void)tf_total_init(&s->upper, l, params[0]);
  (void)tf_total_init(&s->middle, l, params[0]);
  return tf_total_init(&s->lower, l, params[0]);
}

TF_STEP bool accbands_step(accbands_t *s, tf_store_t m, const double *x, double *y) {
  double sum = x[0] + x[1], width = sum == 0 ? 0 : 4 * (x[0] - x[1]) / sum;
  (void)tf_total_step_mean(&s->upper, m, x[0] * (1 + width), &y[0]);
  (void)tf_total_step_mean(&s->middle, m, x[2], &y[1]);
  return tf_total_step_mean(&s->lower, m, x[1] * (1 - width), &y[2]);
}

TF_INDICATOR_DEFINE(accbands, accbands_t, .group = TF_GROUP_OVERLAP,
                    .help   = "means of close and of bounds that widen with the bars' ranges",
                    .origin = "Headley, Big Trends in Trading (2002), as TA-Lib ACCBANDS",
                    TF_SERIES("high", "low", "close"), BANDS, TF_PARAMS(TF_PARAM_PERIOD(20, 2)));

/* ---- bbands ---- */

typedef struct bbands {
  double        up, down;
  tf_average_t  middle;
  tf_variance_t width;
} bbands_t;

static uint64_t bbands_build(bbands_t *s, tf_layout_t *l, const double *params) {
  s->up          = params[1];
  s->down        = params[2];
  uint64_t first = tf_average_init(&s->middle, l, params[3], params[0], TF_AVERAGE_SMA);
  uint64_t other = tf_variance_init(&s->width, l, params[0]);
  return first > other ? first : other;
}

TF_STEP bool bbands_step(bbands_t *s, tf_store_t m, const double *x, double *y) {
  tf_variance_view_t v;
  bool               has_middle = tf_average_step(&s->middle, m, x[0], &y[1]);
  if (!tf_variance_step(&s->width, m, x[0], &v) || !has_middle) return false;
  double width = __builtin_sqrt(v.variance);
  y[0]         = y[1] + width * s->up;
  y[2]         = y[1] - width * s->down;
  return true;
}

TF_INDICATOR_DEFINE(
    bbands, bbands_t, .alias = "bollinger", .group = TF_GROUP_OVERLAP,
    .help   = "an average of the last n inputs and bands so many standard deviations around it",
    .origin = "Bollinger on Bollinger Bands (2001), as TA-Lib BBANDS", TF_SERIES("close"), BANDS,
    TF_PARAMS(TF_PARAM_PERIOD(20, 2),
              TF_PARAM_NUMBER("nbdevup", 2, -1000, 1000, "to the upper band, in deviations"),
              TF_PARAM_NUMBER("nbdevdn", 2, -1000, 1000, "to the lower band, in deviations"),
              TF_PARAM_AVERAGE("matype", TF_AVERAGE_SMA, "kind of the middle band")));

/* ---- donchian, midprice, midpoint ---- */

static uint64_t span_build(tf_span_t *s, tf_layout_t *l, const double *params) {
  return tf_span_init(s, l, params[0]);
}

TF_STEP bool donchian_step(tf_span_t *s, tf_store_t m, const double *x, double *y) {
  bool is_warm = tf_span_step(s, m, x[0], x[1], &y[0], &y[2]);
  y[1]         = (y[0] + y[2]) / 2;
  return is_warm;
}

TF_INDICATOR_DEFINE_AS(donchian, tf_span_t, span_build, donchian_step, .group = TF_GROUP_OVERLAP,
                       .help   = "highest high and lowest low of the last n bars, and their middle",
                       .origin = "Donchian, as TA-Lib DONCHIAN", TF_SERIES("high", "low"), BANDS,
                       TF_PARAMS(TF_PARAM_PERIOD(20, 2)));

TF_STEP bool midprice_step(tf_span_t *s, tf_store_t m, const double *x, double *y) {
  double top, bottom;
  bool   is_warm = tf_span_step(s, m, x[0], x[1], &top, &bottom);
  y[0]           = (top + bottom) / 2;
  return is_warm;
}

TF_STEP bool midpoint_step(tf_span_t *s, tf_store_t m, const double *x, double *y) {
  const double both[] = {x[0], x[0]};
  return midprice_step(s, m, both, y);
}

TF_INDICATOR_DEFINE_AS(midpoint, tf_span_t, span_build, midpoint_step, .group = TF_GROUP_OVERLAP,
                       .help   = "middle of the largest and smallest of the last n inputs",
                       .origin = "as TA-Lib MIDPOINT", TF_SERIES("close"), TF_OUTPUTS("midpoint"),
                       TF_PARAMS(TF_PARAM_PERIOD(14, 2)));
TF_INDICATOR_DEFINE_AS(midprice, tf_span_t, span_build, midprice_step, .group = TF_GROUP_OVERLAP,
                       .help   = "middle of the highest high and lowest low of the last n bars",
                       .origin = "as TA-Lib MIDPRICE", TF_SERIES("high", "low"),
                       TF_OUTPUTS("midprice"), TF_PARAMS(TF_PARAM_PERIOD(14, 2)));

/* ---- kc ---- */

/* The shorter of the two starts later, so that both are warm at once. */
typedef struct kc {
  double      width;
  tf_smooth_t middle;
  tf_atr_t    range;
  uint32_t    middle_idle, range_idle; /* bars to go */
} kc_t;

static uint64_t kc_build(kc_t *s, tf_layout_t *l, const double *params) {
  s->width       = params[2];
  uint64_t first = tf_layout_count(l, params[0], 1) - 1u, other = tf_layout_count(l, params[1], 1);
  (void)tf_smooth_init_ema(&s->middle, (double)(first + 1));
  tf_atr_init(&s->range, (double)other);
  uint64_t lookback = first > other ? first : other;
  s->middle_idle    = (uint32_t)(lookback - first);
  s->range_idle     = (uint32_t)(lookback - other);
  return lookback;
}

TF_STEP bool kc_step(kc_t *s, tf_store_t m, const double *x, double *y) {
  (void)m;
  double range    = 0;
  bool has_middle = tf_idle(&s->middle_idle) && tf_smooth_add(&s->middle, (x[0] + x[1] + x[2]) / 3);
  bool has_range  = tf_idle(&s->range_idle) && tf_atr_step(&s->range, x, &range);
  if (!has_middle || !has_range) return false;
  y[0] = s->middle.mean + range * s->width;
  y[1] = s->middle.mean;
  y[2] = s->middle.mean - range * s->width;
  return true;
}

TF_INDICATOR_DEFINE(kc, kc_t, .group = TF_GROUP_OVERLAP,
                    .help   = "ema of the typical price and bands some average true ranges away",
                    .origin = "Keltner 1960, Raschke; as TA-Lib KC",
                    TF_SERIES("high", "low", "close"), BANDS,
                    TF_PARAMS(TF_PARAM_PERIOD(20, 1),
                              TF_PARAM_COUNTED("atrperiod", 10, 1, "of the range, in bars"),
                              TF_PARAM_NUMBER("nbdev", 2, -1000, 1000, "to a band, in ranges")));
