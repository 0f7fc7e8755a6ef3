/* Every kind of moving average behind one step, for the indicators that let the user choose: ma, bbands, stoch ...
 * The state of the kind lies in the store, so that a choice costs only what it needs. */
#ifndef TF_INDICATOR_AVERAGE_H
#define TF_INDICATOR_AVERAGE_H

#include "indicator/hilbert.h"
#include "indicator/smooth.h"
#include "indicator/trend.h"
#include "indicator/window.h"

/* In TA-Lib's order, whose users write the number. TF_AVERAGE_DEFAULT is that of the function. */
#define TF_AVERAGES(X)                                                                             \
  X(SMA, "sma")                                                                                    \
  X(EMA, "ema")                                                                                    \
  X(WMA, "wma")                                                                                    \
  X(DEMA, "dema")                                                                                  \
  X(TEMA, "tema")                                                                                  \
  X(TRIMA, "trima")                                                                                \
  X(KAMA, "kama")                                                                                  \
  X(MAMA, "mama")                                                                                  \
  X(T3, "t3")                                                                                      \
  X(HMA, "hma")                                                                                    \
  X(NONE, "none")                                                                                  \
  X(DEFAULT, "default")                                                                            \
  X(ZLEMA, "zlema")                                                                                \
  X(RMA, "rma")

typedef enum tf_average_kind {
#define X(kind, name) TF_AVERAGE_##kind,
  TF_AVERAGES(X)
#undef X
      TF_AVERAGE_CNT
} tf_average_kind_t;

extern const char *const tf_average_names[TF_AVERAGE_CNT];

/* A parameter that chooses one. */
#define TF_PARAM_AVERAGE(param, kind_dflt, what)                                                   \
  {                                                                                                \
    .name = param, .kind = TF_PARAM_CHOICE, .dflt = kind_dflt, .min = 0,                           \
    .max = TF_AVERAGE_CNT - 1, .help = what, .names = tf_average_names                             \
  }

/* ---- the kinds that are no more than their parts ---- */

/* Averages of averages: dema, tema, t3. */
#define TF_CHAIN_MAX 6

typedef struct tf_chain {
  tf_smooth_t e[TF_CHAIN_MAX];
} tf_chain_t;

TF_INLINE uint64_t tf_chain_init(tf_chain_t *s, tf_layout_t *l, double n, uint32_t layers) {
  n = tf_layout_count(l, n, 1);
  for (uint32_t i = 0; i < layers; i++) (void)tf_smooth_init_ema(&s->e[i], n);
  return layers * ((uint64_t)n - 1);
}

TF_INLINE bool tf_chain_step(tf_chain_t *s, double x, uint32_t layers) {
  for (uint32_t i = 0; i < layers; i++) {
    if (!tf_smooth_add(&s->e[i], x)) return false;
    x = s->e[i].mean;
  }
  return true;
}

/* Tillson's three times filtered one from six averages, v being how far it leans forward. */
TF_INLINE double tf_t3_of(const tf_chain_t *s, double v) {
  double c1 = -(v * v * v), c2 = 3.0 * (v * v - c1), c3 = -6.0 * (v * v) - 3.0 * (v - c1);
  double c4 = 1.0 + 3.0 * v - c1 + 3.0 * (v * v);
  return c1 * s->e[5].mean + c2 * s->e[4].mean + c3 * s->e[3].mean + c4 * s->e[2].mean;
}

typedef struct tf_trima {
  tf_total_t inner, outer;
} tf_trima_t;

TF_INLINE uint64_t tf_trima_init(tf_trima_t *s, tf_layout_t *l, double n) {
  uint32_t cnt = tf_layout_count(l, n, 1), half = cnt / 2;
  return tf_total_init(&s->inner, l, cnt - half) + tf_total_init(&s->outer, l, half + 1);
}

TF_INLINE bool tf_trima_step(tf_trima_t *s, tf_store_t m, double x, double *y) {
  return tf_total_step_mean(&s->inner, m, x, y) && tf_total_step_mean(&s->outer, m, *y, y);
}

/* Kaufman's: the step goes with the square of how direct the way was, between those of ema(2) and ema(30). */
typedef struct tf_kama {
  tf_lag_t   before;
  tf_total_t way; /* sum |change| */
  double     last, mean;
  uint64_t   cnt;
} tf_kama_t;

TF_INLINE uint64_t tf_kama_init(tf_kama_t *s, tf_layout_t *l, double n) {
  (void)tf_lag_init(&s->before, l, n);
  (void)tf_total_init(&s->way, l, n);
  return s->before.n;
}

TF_INLINE bool tf_kama_step(tf_kama_t *s, tf_store_t m, double x, double *y) {
  const double slow = 2.0 / 31.0, lead = 2.0 / 3.0 - slow;
  double       before, way = 0, last = s->cnt == 0 ? x : s->last;
  bool         is_warm = tf_lag_step(&s->before, m, x, &before);
  if (s->cnt++ > 0) (void)tf_total_step(&s->way, m, __builtin_fabs(x - last), &way);
  s->last = x;
  if (!is_warm) return false;
  if (s->cnt == (uint64_t)s->before.n + 1) s->mean = last;
  double size = __builtin_fabs(x - before), step = (size >= way ? 1.0 : size / way) * lead + slow;
  s->mean = (x - s->mean) * (step * step) + s->mean;
  *y      = s->mean;
  return true;
}

/* Hull's: wma over sqrt(n) of 2 wma(n / 2) - wma(n). */
typedef struct tf_hma {
  tf_trend_t half, full, root;
} tf_hma_t;

TF_INLINE uint64_t tf_hma_init(tf_hma_t *s, tf_layout_t *l, double n) {
  uint32_t cnt = tf_layout_count(l, n, 2);
  (void)tf_trend_init(&s->half, l, cnt / 2);
  uint64_t lookback = tf_trend_init(&s->full, l, cnt);
  return lookback + tf_trend_init(&s->root, l, __builtin_floor(__builtin_sqrt((double)cnt)));
}

TF_INLINE bool tf_hma_step(tf_hma_t *s, tf_store_t m, double x, double *y) {
  tf_trend_view_t half, full, root;
  (void)tf_trend_step(&s->half, m, x, &half);
  if (!tf_trend_step(&s->full, m, x, &full)) return false;
  double ahead   = 2.0 * tf_trend_weighted_mean(&half) - tf_trend_weighted_mean(&full);
  bool   is_warm = tf_trend_step(&s->root, m, ahead, &root);
  *y             = tf_trend_weighted_mean(&root);
  return is_warm;
}

/* Ehlers' and Way's: the ema of 2 x - x[(n - 1) / 2 ago]. */
typedef struct tf_zlema {
  tf_lag_t    before;
  tf_smooth_t mean;
} tf_zlema_t;

TF_INLINE uint64_t tf_zlema_init(tf_zlema_t *s, tf_layout_t *l, double n) {
  uint32_t cnt = tf_layout_count(l, n, 1), lag = (cnt - 1) / 2;
  (void)tf_smooth_init_ema(&s->mean, cnt);
  if (lag > 0) (void)tf_lag_init(&s->before, l, lag);
  return (uint64_t)lag + cnt - 1;
}

TF_INLINE bool tf_zlema_step(tf_zlema_t *s, tf_store_t m, double x, double *y) {
  double before = x;
  if (s->before.n > 0 && !tf_lag_step(&s->before, m, x, &before)) return false;
  bool is_warm = tf_smooth_add(&s->mean, 2.0 * x - before);
  *y           = s->mean.mean;
  return is_warm;
}

/* ---- any ---- */

typedef struct tf_average {
  uint32_t kind; /* tf_average_kind_t; NONE also where n is 1 */
  uint32_t at;   /* of the kind's state */
  uint64_t lookback;
} tf_average_t;

/* kind and n as parameters; kind DEFAULT becomes dflt. Returns the lookback. average.c */
uint64_t tf_average_init(tf_average_t *s, tf_layout_t *l, double kind, double n, double dflt);

/* One input; *y once it is warm. average.c */
TF_STEP_SHARED bool tf_average_step(const tf_average_t *s, tf_store_t m, double x, double *y);

#endif
