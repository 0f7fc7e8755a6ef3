/* Mean and variance of the last n inputs (moments.h) in the manner of step.h: the moments lie in the store as a whole. */
#ifndef TF_INDICATOR_VARIANCE_H
#define TF_INDICATOR_VARIANCE_H

#include "indicator/moments.h"
#include "indicator/step.h"

typedef struct tf_variance {
  uint32_t at, n;
} tf_variance_t;

typedef struct tf_variance_view {
  double mean;
  double variance; /* of the population: divided by n */
} tf_variance_view_t;

TF_INLINE uint64_t tf_variance_init(tf_variance_t *s, tf_layout_t *l, double n) {
  s->n  = tf_layout_count(l, n, 2);
  n     = s->n;
  s->at = tf_layout_take(l, TF_STORE_WORDS(tf_moments_t) + (uint64_t)s->n);
  if (l->store && !l->is_absurd) (void)tf_moments_init((void *)(l->store + s->at), &n);
  return s->n - 1;
}

TF_INLINE bool tf_variance_step(const tf_variance_t *s, tf_store_t m, double x,
                                tf_variance_view_t *view) {
  tf_moments_t     *moments = (void *)(m.words + s->at);
  tf_moments_view_t sums_view;
  tf_moments_sums_t next    = tf_moments_step(moments, x, &sums_view);
  bool              is_warm = moments->cnt + 1 >= moments->n;
  if (TF_UNLIKELY(is_warm && !sums_view.sound)) {
    tf_moments_renew(moments, x, &next, &sums_view);
    if (m.keep) moments->renew_cnt++;
  }
  if (m.keep) tf_moments_keep(moments, x, &next);
  *view = (tf_variance_view_t){next.centre + sums_view.away, sums_view.spread * moments->inv_n};
  return is_warm;
}

#endif
