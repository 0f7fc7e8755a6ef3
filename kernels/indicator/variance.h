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
  if (l->store && !l->is_absurd)
    (void)tf_moments_init((tf_moments_t *)(void *)(l->store + s->at), &n);
  return s->n - 1;
}

TF_INLINE void tf_variance_step_at_(tf_moments_t *moments, bool keep, bool is_warm, double x,
                                    tf_variance_view_t *view) {
  tf_moments_view_t sums_view;
  tf_moments_sums_t next = tf_moments_step(moments, x, &sums_view);
  if (TF_UNLIKELY(is_warm && !sums_view.sound)) {
    tf_moments_renew(moments, x, &next, &sums_view);
    if (keep) moments->renew_cnt++;
  }
  if (keep) tf_moments_keep(moments, x, &next);
  *view = (tf_variance_view_t){next.centre + sums_view.away, sums_view.spread * moments->inv_n};
}

/* The inputs up to the one that fills the window: apart, so that the others ask once. */
TF_COLD __attribute__((unused)) static bool tf_variance_fill_(tf_moments_t *moments, bool keep,
                                                              double x, tf_variance_view_t *view) {
  bool is_warm = moments->cnt + 1 == moments->n;
  tf_variance_step_at_(moments, keep, is_warm, x, view);
  return is_warm;
}

TF_INLINE bool tf_variance_step(const tf_variance_t *s, tf_store_t m, double x,
                                tf_variance_view_t *view) {
  tf_moments_t *moments = (tf_moments_t *)(void *)(m.words + s->at);
  if (TF_UNLIKELY(moments->cnt != moments->n)) return tf_variance_fill_(moments, m.keep, x, view);
  tf_variance_step_at_(moments, m.keep, true, x, view);
  return true;
}

#endif
