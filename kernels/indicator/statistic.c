/* Moments, the least squares line, order: TA-Lib's Statistic Functions, and avgdev. */
#include "indicator/block.h"
#include "indicator/elementary.h"
#include "indicator/trend.h"
#include "indicator/variance.h"
#include "indicator/window.h"

/* ---- var, stddev ---- */

typedef struct deviation {
  double        factor;
  tf_variance_t window;
} deviation_t;

static uint64_t deviation_build(deviation_t *s, tf_layout_t *l, const double *params) {
  s->factor = params[1];
  if (tf_layout_count(l, params[0], 1) > 1) return tf_variance_init(&s->window, l, params[0]);
  return 0; /* of one input there is no deviation: window.n stays 0 */
}

TF_INLINE bool var_step(deviation_t *s, tf_store_t m, const double *x, double *y) {
  tf_variance_view_t v       = {0, 0};
  bool               is_warm = s->window.n == 0 || tf_variance_step(&s->window, m, x[0], &v);
  y[0]                       = v.variance;
  return is_warm;
}

TF_STEP bool stddev_step(deviation_t *s, tf_store_t m, const double *x, double *y) {
  bool is_warm = var_step(s, m, x, y);
  y[0]         = __builtin_sqrt(y[0]) * s->factor;
  return is_warm;
}

TF_INDICATOR_DEFINE_AS(var, deviation_t, deviation_build, var_step, .group = TF_GROUP_STATISTIC,
                       .help   = "variance of the last n inputs, of the population",
                       .origin = "definition, as TA-Lib VAR", TF_SERIES("close"), TF_OUTPUTS("var"),
                       TF_PARAMS(TF_PARAM_PERIOD(5, 1), TF_PARAM_NUMBER("nbdev", 1, -1000, 1000,
                                                                        "has no effect (TA-Lib)")));
TF_INDICATOR_DEFINE_AS(
    stddev, deviation_t, deviation_build, stddev_step, .group = TF_GROUP_STATISTIC,
    .help   = "standard deviation of the last n inputs, of the population",
    .origin = "definition, as TA-Lib STDDEV", TF_SERIES("close"), TF_OUTPUTS("stddev"),
    TF_PARAMS(TF_PARAM_PERIOD(5, 2), TF_PARAM_NUMBER("nbdev", 1, -1000, 1000, "multiplies it")));

/* ---- correl, beta: of two series ----
 *
 * How the window slides: block.h. Both parts are taken by Welford's recursion, over what the inputs are more than one
 * that is in the window (the block's first, the end's last), so that no digits are lost to the height of the series nor to
 * one that has left, and merged by Chan's formula (T. Chan, G. Golub, R. LeVeque, "Updating formulae and
 * a pairwise algorithm for computing sample variances", 1979). */

typedef struct products {
  double mean_x, mean_y; /* x and y themselves in the current block */
  double xx, yy, xy;     /* sums of products of deviations from the means */
} products_t;

typedef struct comoment {
  products_t block;                 /* the current one's */
  double     base[2], last_base[2]; /* its first inputs; the last ones of the last block */
  uint32_t   at, n, pos, full;
} comoment_t;

static uint64_t comoment_init(comoment_t *s, tf_layout_t *l, double n) {
  s->n  = tf_layout_count(l, n, 1);
  s->at = tf_layout_take(l, s->n * TF_STORE_WORDS(products_t));
  return s->n - 1;
}

/* The cnt-th pair joins. */
TF_STEP void join(products_t *p, double x, double y, double cnt) {
  double dx = x - p->mean_x, dy = y - p->mean_y;
  p->mean_x += dx / cnt;
  p->mean_y += dy / cnt;
  p->xx += dx * (x - p->mean_x);
  p->yy += dy * (y - p->mean_y);
  p->xy += dx * (y - p->mean_y);
}

/* apart: how far what the end is counted from lies above what p is. */
TF_STEP void merge(products_t *p, double cnt, const products_t *end, double end_cnt, double apart_x,
                   double apart_y) {
  double dx = end->mean_x - p->mean_x + apart_x, dy = end->mean_y - p->mean_y + apart_y;
  double weight = cnt * end_cnt / (cnt + end_cnt);
  p->xx += end->xx + dx * dx * weight;
  p->yy += end->yy + dy * dy * weight;
  p->xy += end->xy + dx * dy * weight;
}

TF_STEP void turn(comoment_t *s, products_t *ring, double x, double y) {
  products_t end  = {0};
  s->last_base[0] = x;
  s->last_base[1] = y;
  for (uint32_t i = s->n; i-- > 0;) {
    join(&end, ring[i].mean_x - x, ring[i].mean_y - y, (double)(s->n - i));
    ring[i] = end;
  }
}

TF_STEP bool comoment_step(comoment_t *s, tf_store_t m, double x, double y, products_t *all) {
  products_t *ring = (products_t *)(void *)(m.words + s->at);
  uint32_t    cnt = s->pos + 1, rest = s->n - cnt;
  bool        is_warm = rest == 0 || s->full;
  if (s->pos == 0) s->base[0] = x, s->base[1] = y;
  join(&s->block, x - s->base[0], y - s->base[1], (double)cnt);
  *all = s->block;
  if (rest > 0 && s->full)
    merge(all, (double)cnt, &ring[cnt], (double)rest, s->last_base[0] - s->base[0],
          s->last_base[1] - s->base[1]);
  if (m.keep) ring[s->pos] = (products_t){.mean_x = x, .mean_y = y};
  if (tf_block_turn(&s->pos, &s->full, s->n)) {
    if (m.keep) turn(s, ring, x, y);
    s->block = (products_t){0};
  }
  return is_warm;
}

static uint64_t correl_build(comoment_t *s, tf_layout_t *l, const double *params) {
  return comoment_init(s, l, params[0]);
}

TF_STEP bool correl_step(comoment_t *s, tf_store_t m, const double *x, double *y) {
  products_t p;
  bool       is_warm = comoment_step(s, m, x[0], x[1], &p);
  double     r       = p.xy / (__builtin_sqrt(p.xx) * __builtin_sqrt(p.yy));
  y[0]               = !(p.xx > 0) || !(p.yy > 0) ? 0.0 : r > 1 ? 1.0 : r < -1 ? -1.0 : r;
  return is_warm;
}

TF_INDICATOR_DEFINE_AS(correl, comoment_t, correl_build, correl_step, .alias = "correlation",
                       .group = TF_GROUP_STATISTIC,
                       .help = "correlation of the last n pairs of inputs, -1 to 1; 0 where one of "
                               "the series is constant",
                       .origin = "Pearson; as TA-Lib CORREL", TF_SERIES("high", "low"),
                       TF_OUTPUTS("correl"), TF_PARAMS(TF_PARAM_PERIOD(30, 1)));

/* Of the relative changes; 0 for a change from 0. */
typedef struct beta {
  double     last[2];
  uint64_t   has_last;
  comoment_t changes;
} beta_t;

static uint64_t beta_build(beta_t *s, tf_layout_t *l, const double *params) {
  return comoment_init(&s->changes, l, params[0]) + 1;
}

TF_STEP bool beta_step(beta_t *s, tf_store_t m, const double *x, double *y) {
  double     dx = s->last[0] == 0 ? 0 : (x[0] - s->last[0]) / s->last[0];
  double     dy = s->last[1] == 0 ? 0 : (x[1] - s->last[1]) / s->last[1];
  products_t p;
  bool       first = !s->has_last;
  memcpy(s->last, x, sizeof s->last);
  s->has_last = 1;
  if (first) return false;
  bool is_warm = comoment_step(&s->changes, m, dx, dy, &p);
  y[0]         = p.xx > 0 ? p.xy / p.xx : 0.0;
  return is_warm;
}

TF_INDICATOR_DEFINE(beta, beta_t, .group = TF_GROUP_STATISTIC,
                    .help   = "slope of the second series' relative changes over the first one's, "
                              "over the last n; 0 where the first is constant",
                    .origin = "least squares, as TA-Lib BETA", TF_SERIES("high", "low"),
                    TF_OUTPUTS("beta"), TF_PARAMS(TF_PARAM_PERIOD(5, 1)));

/* ---- the least squares line ---- */

static uint64_t line_build(tf_trend_t *s, tf_layout_t *l, const double *params) {
  return tf_trend_init(s, l, params[0]);
}

#define LINE(id, known_as, what, value)                                                            \
  TF_STEP bool id##_step(tf_trend_t *s, tf_store_t m, const double *x, double *y) {                \
    tf_trend_view_t v;                                                                             \
    bool            is_warm = tf_trend_step(s, m, x[0], &v);                                       \
    y[0]                    = value;                                                               \
    return is_warm;                                                                                \
  }                                                                                                \
  TF_INDICATOR_DEFINE_AS(id, tf_trend_t, line_build, id##_step, .alias = known_as,                 \
                         .group = TF_GROUP_STATISTIC, .help = what,                                \
                         .origin = "least squares, as TA-Lib's", TF_SERIES("close"),               \
                         TF_OUTPUTS(#id), TF_PARAMS(TF_PARAM_PERIOD(14, 2)))

LINE(linearreg, NULL, "end of the least squares line through the last n inputs",
     tf_trend_at(&v, 0));
LINE(linearreg_angle, NULL, "angle of that line's slope, in degrees",
     tf_atan(tf_trend_slope(&v)) * 57.29577951308232);
LINE(linearreg_intercept, NULL, "begin of that line", tf_trend_at(&v, 1.0 - v.n));
LINE(linearreg_slope, "linreg_slope", "slope of that line, in units of the input per input",
     tf_trend_slope(&v));
LINE(tsf, NULL, "that line continued by one input: time series forecast", tf_trend_at(&v, 1));

/* ---- order: percentile, percentrank ----
 *
 * The window is kept sorted beside the ring: an input costs two bisections and the move of what lies between the value
 * that leaves and the one that comes, O(n). */

#define ORDER_N_MAX 65536

typedef struct order {
  uint32_t sorted_at, n;
  tf_lag_t ring; /* the last n - 1, or n, inputs before this one */
  double   rank;
} order_t;

static uint64_t order_init(order_t *s, tf_layout_t *l, double n) {
  s->n         = tf_layout_count(l, n, 1);
  s->sorted_at = tf_layout_take(l, s->n);
  return tf_lag_init(&s->ring, l, n);
}

/* How many of the sorted are less than x. */
TF_STEP uint32_t rank_of(const double *sorted, uint32_t cnt, double x) {
  uint32_t low = 0;
  while (cnt > 0) {
    uint32_t half = cnt / 2;
    bool     less = sorted[low + half] < x;
    low += less ? half + 1 : 0;
    cnt = less ? cnt - half - 1 : half;
  }
  return low;
}

/* x takes the place of `gone`, or joins where has_gone is false: sorted then has cnt + !has_gone. */
TF_STEP void order_put(double *sorted, uint32_t cnt, bool has_gone, double gone, double x) {
  uint32_t from = has_gone ? rank_of(sorted, cnt, gone) : cnt, to = rank_of(sorted, cnt, x);
  if (to > from) {
    tf_parts_move(&sorted[from], &sorted[from + 1], to - from - 1);
    sorted[to - 1] = x;
  } else {
    tf_parts_move(&sorted[to + 1], &sorted[to], from - to);
    sorted[to] = x;
  }
}

/* The k-th smallest of sorted (cnt) without one `gone`, with x. */
TF_STEP double order_at(const double *sorted, uint32_t cnt, bool has_gone, double gone, double x,
                        uint32_t k) {
  uint32_t out = has_gone ? rank_of(sorted, cnt, gone) : cnt, place = rank_of(sorted, cnt, x);
  if (place > out) place--;
  if (k == place) return x;
  uint32_t other = k < place ? k : k - 1;
  return sorted[other < out ? other : other + 1];
}

static uint64_t percentile_build(order_t *s, tf_layout_t *l, const double *params) {
  double rank = __builtin_ceil(params[1] * params[0] / 100.0);
  s->rank     = rank < 1 ? 0 : rank - 1;
  return order_init(s, l, params[0]) - 1;
}

TF_STEP bool percentile_step(order_t *s, tf_store_t m, const double *x, double *y) {
  double  *sorted  = m.words + s->sorted_at, gone;
  uint32_t cnt     = s->ring.cnt;
  bool     is_full = tf_lag_step(&s->ring, m, x[0], &gone);
  bool     is_warm = is_full || cnt + 1 == s->n;
  y[0]             = is_warm ? order_at(sorted, cnt, is_full, gone, x[0], (uint32_t)s->rank) : 0;
  if (m.keep) order_put(sorted, cnt, is_full, gone, x[0]);
  return is_warm;
}

#define ORDER_PERIOD(dflt_n, min_n)                                                                \
  {                                                                                                \
    .name = "timeperiod", .kind = TF_PARAM_COUNT, .dflt = dflt_n, .min = min_n,                    \
    .max = ORDER_N_MAX, .help = "in inputs"                                                        \
  }

TF_INDICATOR_DEFINE(percentile, order_t, .group = TF_GROUP_STATISTIC,
                    .help = "the smallest of the last n inputs that so many percent do not exceed",
                    .origin = "nearest rank, as TA-Lib PERCENTILE", TF_SERIES("close"),
                    TF_OUTPUTS("percentile"),
                    TF_PARAMS(ORDER_PERIOD(30, 2),
                              TF_PARAM_NUMBER("percentile", 50, 0, 100, "percent of the inputs")));

static uint64_t percentrank_build(order_t *s, tf_layout_t *l, const double *params) {
  return order_init(s, l, params[0]);
}

TF_STEP bool percentrank_step(order_t *s, tf_store_t m, const double *x, double *y) {
  double  *sorted  = m.words + s->sorted_at, gone;
  uint32_t cnt     = s->ring.cnt;
  bool     is_full = tf_lag_step(&s->ring, m, x[0], &gone);
  y[0]             = (double)rank_of(sorted, cnt, x[0]) / (double)s->n * 100.0;
  if (m.keep) order_put(sorted, cnt, is_full, gone, x[0]);
  return is_full;
}

TF_INDICATOR_DEFINE(percentrank, order_t, .group = TF_GROUP_STATISTIC,
                    .help   = "how many of the last n inputs are less than the newest, in percent",
                    .origin = "as TA-Lib PERCENTRANK", TF_SERIES("close"),
                    TF_OUTPUTS("percentrank"), TF_PARAMS(ORDER_PERIOD(100, 2)));

/* ---- avgdev ---- */

/* The mean of |x - mean| over the window: O(n), each value differs from the new mean by something else. Values count
 * from the newest, so that their height costs no digits. */
static uint64_t avgdev_build(tf_lag_t *s, tf_layout_t *l, const double *params) {
  return tf_lag_init(s, l, params[0]) - 1;
}

TF_STEP bool avgdev_step(tf_lag_t *s, tf_store_t m, const double *x, double *y) {
  double sum = 0, size = 0, before;
  bool   is_warm = s->cnt + 1 >= s->n;
  for (uint32_t age = 1; is_warm && age < s->n; age++) sum += tf_lag_get(s, m, age) - x[0];
  double mean = sum / (double)s->n; /* less x */
  for (uint32_t age = 1; is_warm && age < s->n; age++)
    size += __builtin_fabs(tf_lag_get(s, m, age) - x[0] - mean);
  y[0] = (size + __builtin_fabs(mean)) / (double)s->n;
  (void)tf_lag_step(s, m, x[0], &before);
  return is_warm;
}

TF_INDICATOR_DEFINE(avgdev, tf_lag_t, .group = TF_GROUP_PRICE,
                    .help = "mean distance of the last n inputs from their mean; cost grows with n",
                    .origin = "definition, as TA-Lib AVGDEV", TF_SERIES("close"),
                    TF_OUTPUTS("avgdev"), TF_PARAMS(ORDER_PERIOD(14, 2)));
