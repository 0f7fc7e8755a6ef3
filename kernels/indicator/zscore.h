/* The step of zscore (zscore.c), for the CPU and a card. */
#ifndef TF_INDICATOR_ZSCORE_H
#define TF_INDICATOR_ZSCORE_H

#include "indicator/moments.h"

TF_INLINE tf_indicator_result_t tf_zscore_answer(const tf_moments_t      *m,
                                                 const tf_moments_sums_t *sums,
                                                 const tf_moments_view_t *view, double x,
                                                 double *out) {
  if (TF_UNLIKELY(view->spread == 0)) return tf_parts_answer(out, 0.0);
  double away = (x - sums->centre) - view->away;
  return tf_parts_answer(out, away / __builtin_sqrt(view->spread * m->inv_n));
}

TF_COLD __attribute__((unused)) static tf_indicator_result_t
tf_zscore_update_renewed_(tf_moments_t *m, double x, double *out) {
  tf_moments_sums_t sums;
  tf_moments_view_t view;
  tf_moments_renew(m, x, &sums, &view);
  tf_moments_keep(m, x, &sums);
  m->renew_cnt++;
  return tf_zscore_answer(m, &sums, &view, x, out);
}

TF_INLINE tf_indicator_result_t tf_zscore_update_at_(tf_moments_t *m, bool is_warm, double x,
                                                     double *out) {
  tf_moments_view_t view;
  tf_moments_sums_t next = tf_moments_step(m, x, &view);
  if (TF_UNLIKELY(is_warm && !view.sound)) return tf_zscore_update_renewed_(m, x, out);
  tf_moments_keep(m, x, &next);
  return is_warm ? tf_zscore_answer(m, &next, &view, x, out) : tf_parts_warming(out);
}

/* The inputs up to the one that fills the window: apart, so that the others ask once. */
TF_COLD __attribute__((unused)) static tf_indicator_result_t
tf_zscore_update_filling_(tf_moments_t *m, double x, double *out) {
  return tf_zscore_update_at_(m, m->cnt + 1 == m->n, x, out);
}

TF_INLINE tf_indicator_result_t tf_zscore_update(void *state, double x, double *out) {
  tf_moments_t *m = (tf_moments_t *)state;
  if (TF_UNLIKELY(!tf_parts_usable(x))) return TF_INDICATOR_REJECTED;
  if (TF_UNLIKELY(m->cnt != m->n)) return tf_zscore_update_filling_(m, x, out);
  return tf_zscore_update_at_(m, true, x, out);
}

#endif
