#include "indicator/average.h"

#ifndef TF_STEPS_ONLY
const char *const tf_average_names[TF_AVERAGE_CNT] = {
#define X(kind, name) name,
    TF_AVERAGES(X)
#undef X
};
#endif

/* The state of any kind, as it lies in the store: of a union no more than its kind's bytes are there. */
typedef union __attribute__((may_alias)) part {
  tf_total_t  total;
  tf_smooth_t smooth;
  tf_trend_t  trend;
  tf_chain_t  chain;
  tf_trima_t  trima;
  tf_kama_t   kama;
  tf_hma_t    hma;
  tf_zlema_t  zlema;
  tf_mama_t   mama;
} part_t;

#define T3_LEAN 0.7 /* TA-Lib's, where there is no parameter for it */

#ifndef TF_STEPS_ONLY
TF_STATIC_ASSERT(_Alignof(part_t) <= _Alignof(double), "the store's words");

static size_t bytes_of(uint32_t kind) {
  static const uint16_t BYTES[TF_AVERAGE_CNT] = {
      [TF_AVERAGE_SMA] = sizeof(tf_total_t),       [TF_AVERAGE_EMA] = sizeof(tf_smooth_t),
      [TF_AVERAGE_WMA] = sizeof(tf_trend_t),       [TF_AVERAGE_DEMA] = 2 * sizeof(tf_smooth_t),
      [TF_AVERAGE_TEMA] = 3 * sizeof(tf_smooth_t), [TF_AVERAGE_TRIMA] = sizeof(tf_trima_t),
      [TF_AVERAGE_KAMA] = sizeof(tf_kama_t),       [TF_AVERAGE_T3] = 6 * sizeof(tf_smooth_t),
      [TF_AVERAGE_HMA] = sizeof(tf_hma_t),         [TF_AVERAGE_ZLEMA] = sizeof(tf_zlema_t),
      [TF_AVERAGE_RMA] = sizeof(tf_smooth_t),      [TF_AVERAGE_MAMA] = sizeof(tf_mama_t),
  };
  return BYTES[kind];
}

uint64_t tf_average_init(tf_average_t *s, tf_layout_t *l, double kind, double n, double dflt) {
  part_t   part;
  uint64_t lookback = 0;
  memset(&part, 0, sizeof part);
  uint32_t cnt = tf_layout_count(l, n, 1);
  if (!(kind >= 0 && kind < TF_AVERAGE_CNT)) {
    l->is_absurd = true;
    kind         = TF_AVERAGE_NONE;
  }
  s->kind = (uint32_t)kind;
  if (s->kind == TF_AVERAGE_DEFAULT) s->kind = (uint32_t)dflt;
  if (cnt == 1) s->kind = TF_AVERAGE_NONE;
  switch ((tf_average_kind_t)s->kind) {
  case TF_AVERAGE_SMA: lookback = tf_total_init(&part.total, l, cnt); break;
  case TF_AVERAGE_EMA: lookback = tf_chain_init(&part.chain, l, cnt, 1); break;
  case TF_AVERAGE_WMA: lookback = tf_trend_init(&part.trend, l, cnt); break;
  case TF_AVERAGE_DEMA: lookback = tf_chain_init(&part.chain, l, cnt, 2); break;
  case TF_AVERAGE_TEMA: lookback = tf_chain_init(&part.chain, l, cnt, 3); break;
  case TF_AVERAGE_TRIMA: lookback = tf_trima_init(&part.trima, l, cnt); break;
  case TF_AVERAGE_KAMA: lookback = tf_kama_init(&part.kama, l, cnt); break;
  case TF_AVERAGE_T3: lookback = tf_chain_init(&part.chain, l, cnt, 6); break;
  case TF_AVERAGE_HMA: lookback = tf_hma_init(&part.hma, l, cnt); break;
  case TF_AVERAGE_ZLEMA: lookback = tf_zlema_init(&part.zlema, l, cnt); break;
  case TF_AVERAGE_RMA:
    (void)tf_smooth_init_wilder(&part.smooth, cnt);
    lookback = cnt - 1;
    break;
  case TF_AVERAGE_MAMA: lookback = tf_mama_init(&part.mama, 0.5, 0.05); break;
  case TF_AVERAGE_NONE:
  case TF_AVERAGE_DEFAULT:
  case TF_AVERAGE_CNT: break;
  }
  s->at              = tf_layout_place(l, &part, bytes_of(s->kind));
  return s->lookback = lookback;
}
#endif

TF_STEP bool chain_step(tf_chain_t *s, double x, uint32_t layers, double *y) {
  bool               is_warm = tf_chain_step(s, x, layers);
  const tf_smooth_t *e       = s->e;
  *y                         = layers == 1   ? e[0].mean
                               : layers == 2 ? 2.0 * e[0].mean - e[1].mean
                               : layers == 3 ? 3.0 * (e[0].mean - e[1].mean) + e[2].mean
                                             : tf_t3_of(s, T3_LEAN);
  return is_warm;
}

/* Advanced where it lies; a peek's on a copy. (With a copy for both, two calls of memcpy, dema took 141 instructions in the
 * place of 96, ppo 238 of 153.) */
TF_STEP_SHARED bool tf_average_step(const tf_average_t *s, tf_store_t m, double x, double *y) {
  part_t         *part = (part_t *)(void *)(m.words + s->at);
  tf_trend_view_t line;
  bool            is_warm = true;
#ifndef TF_STEPS_ONLY
  part_t copy;
  if (!m.keep) part = memcpy(&copy, part, bytes_of(s->kind));
#endif
  switch ((tf_average_kind_t)s->kind) {
  case TF_AVERAGE_SMA: is_warm = tf_total_step_mean(&part->total, m, x, y); break;
  case TF_AVERAGE_EMA: is_warm = chain_step(&part->chain, x, 1, y); break;
  case TF_AVERAGE_WMA:
    is_warm = tf_trend_step(&part->trend, m, x, &line);
    *y      = tf_trend_weighted_mean(&line);
    break;
  case TF_AVERAGE_DEMA: is_warm = chain_step(&part->chain, x, 2, y); break;
  case TF_AVERAGE_TEMA: is_warm = chain_step(&part->chain, x, 3, y); break;
  case TF_AVERAGE_TRIMA: is_warm = tf_trima_step(&part->trima, m, x, y); break;
  case TF_AVERAGE_KAMA: is_warm = tf_kama_step(&part->kama, m, x, y); break;
  case TF_AVERAGE_MAMA:
    is_warm = tf_mama_step(&part->mama, x);
    *y      = part->mama.mama;
    break;
  case TF_AVERAGE_T3: is_warm = chain_step(&part->chain, x, 6, y); break;
  case TF_AVERAGE_HMA: is_warm = tf_hma_step(&part->hma, m, x, y); break;
  case TF_AVERAGE_ZLEMA: is_warm = tf_zlema_step(&part->zlema, m, x, y); break;
  case TF_AVERAGE_RMA:
    is_warm = tf_smooth_add(&part->smooth, x);
    *y      = part->smooth.mean;
    break;
  case TF_AVERAGE_NONE:
  case TF_AVERAGE_DEFAULT:
  case TF_AVERAGE_CNT: *y = x; return true;
  }
  return is_warm;
}
