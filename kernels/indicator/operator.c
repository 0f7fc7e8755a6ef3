/* Two series into one, and one over a window: TA-Lib's Math Operators. min and max have files of their own. */
#include "indicator/window.h"

/* ---- of this moment ---- */

typedef struct operator_none {
  char nothing;
} operator_none_t;

static uint64_t operator_build(operator_none_t *s, tf_layout_t *l, const double *params) {
  (void)s, (void)l, (void)params;
  return 0;
}

#define OPERATOR(id, what, symbol)                                                                 \
  TF_STEP bool id##_step(operator_none_t *s, tf_store_t m, const double *x, double *y) {           \
    (void)s, (void)m;                                                                              \
    *y = x[0] symbol x[1];                                                                         \
    return true;                                                                                   \
  }                                                                                                \
  TF_INDICATOR_DEFINE_AS(id, operator_none_t, operator_build, id##_step, .group = TF_GROUP_MATH,   \
                         .help = what, .origin = "definition", TF_SERIES("high", "low"),           \
                         TF_OUTPUTS(#id))

OPERATOR(add, "sum of two series", +);
OPERATOR(div, "quotient of two series; none where the second is 0", /);
OPERATOR(mult, "product of two series", *);
OPERATOR(sub, "difference of two series", -);

/* ---- of all so far, of the last n ---- */

/* Compensated (sum.h). */
typedef struct cumsum {
  tf_sum_t sum;
} cumsum_t;

static uint64_t cumsum_build(cumsum_t *s, tf_layout_t *l, const double *params) {
  (void)s, (void)l, (void)params;
  return 0;
}

TF_STEP bool cumsum_step(cumsum_t *s, tf_store_t m, const double *x, double *y) {
  (void)m;
  tf_sum_add(&s->sum, x[0]);
  *y = tf_sum_value(&s->sum);
  return true;
}

TF_INDICATOR_DEFINE(cumsum, cumsum_t, .group = TF_GROUP_MATH, .help = "sum of all inputs so far",
                    .origin = "definition", TF_SERIES("close"), TF_OUTPUTS("cumsum"));

typedef struct sum {
  tf_total_t total;
} sum_t;

static uint64_t sum_build(sum_t *s, tf_layout_t *l, const double *params) {
  return tf_total_init(&s->total, l, params[0]);
}

TF_STEP bool sum_step(sum_t *s, tf_store_t m, const double *x, double *y) {
  return tf_total_step(&s->total, m, x[0], y);
}

TF_INDICATOR_DEFINE(sum, sum_t, .group = TF_GROUP_MATH, .help = "sum of the last n inputs",
                    .origin = "definition", TF_SERIES("close"), TF_OUTPUTS("sum"),
                    TF_PARAMS(TF_PARAM_PERIOD(30, 2)));

/* ---- where the extremes of the last n are ---- */

/* The place of an extreme is counted in inputs from the first, 0. Of equal inputs it is that which became the extreme
 * last: a newcomer that equals the extreme takes over; when the extreme leaves, the oldest of its
 * successors does. So is TA-Lib's. */
typedef struct place {
  tf_peak_t      peak;
  tf_peak_view_t top;
} place_t;

TF_STEP void place_init(place_t *s, tf_layout_t *l, tf_peak_side_t side, double n) {
  (void)tf_peak_init(&s->peak, l, side, true, n);
}

TF_STEP bool place_step(place_t *s, tf_store_t m, double x, double *seq) {
  tf_peak_view_t oldest;
  bool           is_warm = tf_peak_step(&s->peak, m, x, &oldest);
  uint64_t       now     = s->peak.seq - 1;
  bool           is_gone = now >= s->top.seq + s->peak.n || s->peak.seq <= s->peak.n;
  if (is_gone)
    s->top = oldest;
  else if (s->peak.sign * x >= s->peak.sign * s->top.value)
    s->top = (tf_peak_view_t){x, now};
  *seq = (double)(int64_t)s->top.seq;
  return is_warm;
}

static uint64_t maxindex_build(place_t *s, tf_layout_t *l, const double *params) {
  place_init(s, l, TF_PEAK_HIGHEST, params[0]);
  return s->peak.n - 1;
}

static uint64_t minindex_build(place_t *s, tf_layout_t *l, const double *params) {
  place_init(s, l, TF_PEAK_LOWEST, params[0]);
  return s->peak.n - 1;
}

TF_STEP bool index_step(place_t *s, tf_store_t m, const double *x, double *y) {
  return place_step(s, m, x[0], y);
}

TF_INDICATOR_DEFINE_AS(
    maxindex, place_t, maxindex_build, index_step, .group = TF_GROUP_MATH,
    .help   = "place of the largest of the last n inputs, in inputs from the first",
    .origin = "definition", TF_SERIES("close"), TF_OUTPUTS("maxindex"),
    TF_PARAMS(TF_PARAM_PERIOD(30, 2)));
TF_INDICATOR_DEFINE_AS(
    minindex, place_t, minindex_build, index_step, .group = TF_GROUP_MATH,
    .help   = "place of the smallest of the last n inputs, in inputs from the first",
    .origin = "definition", TF_SERIES("close"), TF_OUTPUTS("minindex"),
    TF_PARAMS(TF_PARAM_PERIOD(30, 2)));

typedef struct places {
  place_t low, high;
} places_t;

static uint64_t minmaxindex_build(places_t *s, tf_layout_t *l, const double *params) {
  place_init(&s->low, l, TF_PEAK_LOWEST, params[0]);
  place_init(&s->high, l, TF_PEAK_HIGHEST, params[0]);
  return s->low.peak.n - 1;
}

TF_STEP bool minmaxindex_step(places_t *s, tf_store_t m, const double *x, double *y) {
  (void)place_step(&s->low, m, x[0], &y[0]);
  return place_step(&s->high, m, x[0], &y[1]);
}

TF_INDICATOR_DEFINE(minmaxindex, places_t, .group = TF_GROUP_MATH,
                    .help   = "places of the smallest and the largest of the last n inputs",
                    .origin = "definition", TF_SERIES("close"), TF_OUTPUTS("minidx", "maxidx"),
                    TF_PARAMS(TF_PARAM_PERIOD(30, 2)));

static uint64_t minmax_build(tf_span_t *s, tf_layout_t *l, const double *params) {
  return tf_span_init(s, l, params[0]);
}

TF_STEP bool minmax_step(tf_span_t *s, tf_store_t m, const double *x, double *y) {
  return tf_span_step(s, m, x[0], x[0], &y[1], &y[0]);
}

TF_INDICATOR_DEFINE(minmax, tf_span_t, .group = TF_GROUP_MATH,
                    .help = "smallest and largest of the last n inputs", .origin = "definition",
                    TF_SERIES("close"), TF_OUTPUTS("min", "max"),
                    TF_PARAMS(TF_PARAM_PERIOD(30, 2)));
