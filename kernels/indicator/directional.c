/* J. Welles Wilder's directional movement, New Concepts in Technical Trading Systems (1978): TA-Lib's plus_dm, minus_dm,
 * plus_di, minus_di, dx, adx, adxr.
 *
 * From one bar to the next +DM is the rise of the high and -DM the fall of the low, the smaller of the two and a negative
 * one being 0. Their sums and that of the true range begin with n - 1 bars and then lose an n-th of themselves with each
 * bar. DI = 100 DM / range; DX = 100 |+DI - -DI| / (+DI + -DI); ADX is its average by Wilder's smoothing; where a
 * denominator is 0 the last value stands. With n = 1 nothing is smoothed, and DI is not times 100. */
#include "indicator/true_range.h"
#include "indicator/window.h"

typedef struct movement {
  double   last[3]; /* high, low, close */
  double   plus, minus, range;
  uint32_t n;
  uint32_t cnt; /* bars, up to n */
} movement_t;

TF_STEP uint32_t movement_init(movement_t *s, tf_layout_t *l, double n) {
  return s->n = tf_layout_count(l, n, 1);
}

/* One bar; true once the sums are those of n - 1 bars or more. x: high, low, and close where the range matters. */
TF_STEP bool movement_add(movement_t *s, const double *x, uint32_t cnt) {
  double up = x[0] - s->last[0], down = s->last[1] - x[1];
  double range = cnt == 3 ? tf_true_range(x[0], x[1], s->last[2]) : 0;
  double plus = up > down && up > 0 ? up : 0, minus = down > up && down > 0 ? down : 0;
  bool   first = s->cnt == 0, is_full = s->cnt >= s->n;
  memcpy(s->last, x, cnt * sizeof *x);
  if (!is_full || s->n == 1) s->cnt += s->cnt <= s->n;
  if (first) return false;
  if (s->n == 1) {
    s->plus  = plus;
    s->minus = minus;
    s->range = range;
    return true;
  }
  double n = (double)s->n;
  s->plus  = (is_full ? s->plus - s->plus / n : s->plus) + plus;
  s->minus = (is_full ? s->minus - s->minus / n : s->minus) + minus;
  s->range = (is_full ? s->range - s->range / n : s->range) + range;
  return is_full || s->cnt >= s->n;
}

TF_STEP double part_of(const movement_t *s, double sum) {
  double hundred = s->n == 1 ? 1 : 100;
  return s->range == 0 ? 0 : hundred * (sum / s->range);
}

/* ---- dm ---- */

static uint64_t dm_build(movement_t *s, tf_layout_t *l, const double *params) {
  uint32_t n = movement_init(s, l, params[0]);
  return n > 1 ? n - 1 : 1;
}

TF_STEP bool plus_dm_step(movement_t *s, tf_store_t m, const double *x, double *y) {
  (void)m;
  bool is_warm = movement_add(s, x, 2);
  y[0]         = s->plus;
  return is_warm;
}

TF_STEP bool minus_dm_step(movement_t *s, tf_store_t m, const double *x, double *y) {
  (void)m;
  bool is_warm = movement_add(s, x, 2);
  y[0]         = s->minus;
  return is_warm;
}

#define DM(id, what)                                                                               \
  TF_INDICATOR_DEFINE_AS(id, movement_t, dm_build, id##_step, .group = TF_GROUP_MOMENTUM,          \
                         .help = what, .origin = "Wilder 1978, as TA-Lib's",                       \
                         TF_SERIES("high", "low"), TF_OUTPUTS(#id),                                \
                         TF_PARAMS(TF_PARAM_PERIOD(14, 1)))

DM(plus_dm, "sum of the rises of the highs beyond the falls of the lows, smoothed");
DM(minus_dm, "sum of the falls of the lows beyond the rises of the highs, smoothed");

/* ---- di, dx: from the bar after the sums are full ---- */

typedef struct direction {
  movement_t movement;
  double     dx;
  uint64_t   has_sums;
} direction_t;

static uint64_t direction_build(direction_t *s, tf_layout_t *l, const double *params) {
  return movement_init(&s->movement, l, params[0]);
}

/* True from the bar after the sums were full, and with n = 1 at once. */
TF_STEP bool direction_add(direction_t *s, const double *x) {
  bool is_warm = s->has_sums || s->movement.n == 1;
  s->has_sums  = movement_add(&s->movement, x, 3);
  if (!is_warm || !s->has_sums) return false;
  double plus  = part_of(&s->movement, s->movement.plus),
         minus = part_of(&s->movement, s->movement.minus);
  if (plus + minus != 0) s->dx = 100 * (__builtin_fabs(minus - plus) / (plus + minus));
  return true;
}

TF_STEP bool plus_di_step(direction_t *s, tf_store_t m, const double *x, double *y) {
  (void)m;
  bool is_warm = direction_add(s, x);
  y[0]         = part_of(&s->movement, s->movement.plus);
  return is_warm;
}

TF_STEP bool minus_di_step(direction_t *s, tf_store_t m, const double *x, double *y) {
  (void)m;
  bool is_warm = direction_add(s, x);
  y[0]         = part_of(&s->movement, s->movement.minus);
  return is_warm;
}

TF_STEP bool dx_step(direction_t *s, tf_store_t m, const double *x, double *y) {
  (void)m;
  bool is_warm = direction_add(s, x);
  y[0]         = s->dx;
  return is_warm;
}

#define DIRECTION(id, min_n, what)                                                                 \
  TF_INDICATOR_DEFINE_AS(id, direction_t, direction_build, id##_step, .group = TF_GROUP_MOMENTUM,  \
                         .help = what, .origin = "Wilder 1978, as TA-Lib's",                       \
                         TF_SERIES("high", "low", "close"), TF_OUTPUTS(#id),                       \
                         TF_PARAMS(TF_PARAM_PERIOD(14, min_n)))

DIRECTION(plus_di, 1, "upward movement in percent of the true range");
DIRECTION(minus_di, 1, "downward movement in percent of the true range");
DIRECTION(dx, 2, "difference of plus_di and minus_di in percent of their sum");

/* ---- adx, adxr ---- */

typedef struct adx {
  direction_t direction;
  double      mean; /* while seeding: the sum */
  uint64_t    cnt;
  tf_lag_t    before; /* adxr */
} adx_t;

static uint64_t adx_build(adx_t *s, tf_layout_t *l, const double *params) {
  return 2 * direction_build(&s->direction, l, params) - 1;
}

TF_STEP bool adx_step(adx_t *s, tf_store_t m, const double *x, double *y) {
  (void)m;
  if (!direction_add(&s->direction, x)) return false;
  const movement_t *v      = &s->direction.movement;
  bool              has_dx = part_of(v, v->plus) + part_of(v, v->minus) != 0;
  double            n      = (double)v->n;
  if (s->cnt < v->n) {
    if (has_dx) s->mean += s->direction.dx;
    if (++s->cnt == v->n) s->mean /= n;
  } else if (has_dx) {
    s->mean = (s->mean * (n - 1) + s->direction.dx) / n;
  }
  y[0] = s->mean;
  return s->cnt == v->n;
}

TF_INDICATOR_DEFINE(adx, adx_t, .group = TF_GROUP_MOMENTUM,
                    .help   = "average of dx: strength of a trend, 0 to 100",
                    .origin = "Wilder 1978, as TA-Lib ADX", TF_SERIES("high", "low", "close"),
                    TF_OUTPUTS("adx"), TF_PARAMS(TF_PARAM_PERIOD(14, 2)));

static uint64_t adxr_build(adx_t *s, tf_layout_t *l, const double *params) {
  uint64_t lookback = adx_build(s, l, params);
  return lookback + tf_lag_init(&s->before, l, params[0] > 1 ? params[0] - 1 : params[0]);
}

TF_STEP bool adxr_step(adx_t *s, tf_store_t m, const double *x, double *y) {
  double adx, before;
  if (!adx_step(s, m, x, &adx)) return false;
  bool is_warm = tf_lag_step(&s->before, m, adx, &before);
  y[0]         = (adx + before) / 2;
  return is_warm;
}

TF_INDICATOR_DEFINE_AS(adxr, adx_t, adxr_build, adxr_step, .group = TF_GROUP_MOMENTUM,
                       .help   = "mean of adx and adx n - 1 bars ago",
                       .origin = "Wilder 1978, as TA-Lib ADXR", TF_SERIES("high", "low", "close"),
                       TF_OUTPUTS("adxr"), TF_PARAMS(TF_PARAM_PERIOD(14, 2)));
