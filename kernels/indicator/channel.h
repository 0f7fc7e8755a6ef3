/* The highest high and the lowest low of the last n bars: two monotonic queues (extreme.h) side by side,
 * in memory of tf_channel_bytes. */
#ifndef TF_INDICATOR_CHANNEL_H
#define TF_INDICATOR_CHANNEL_H

#include "indicator/extreme.h"

typedef struct tf_channel {
  double top, bottom;
} tf_channel_t;

TF_INLINE size_t tf_channel_bytes(const double *params) { return 2 * tf_extreme_bytes(params); }

TF_INLINE tf_extreme_t *tf_channel_lows_(void *channel) {
  double n = ((tf_extreme_t *)channel)->n;
  return (tf_extreme_t *)((uint8_t *)channel + tf_extreme_bytes(&n));
}

TF_INLINE tf_err_t tf_channel_init(void *channel, const double *params) {
  tf_err_t err = tf_extreme_init(channel, params);
  return err ? err : tf_extreme_init(tf_channel_lows_(channel), params);
}

/* Usable inputs only. True once n bars were seen. */
TF_INLINE bool tf_channel_update(void *channel, double high, double low, tf_channel_t *view) {
  (void)tf_extreme_update(channel, high, true, &view->top);
  return tf_extreme_update(tf_channel_lows_(channel), low, false, &view->bottom) ==
         TF_INDICATOR_READY;
}

TF_INLINE bool tf_channel_peek(const void *channel, double high, double low, tf_channel_t *view) {
  double              n    = ((const tf_extreme_t *)channel)->n;
  const tf_extreme_t *lows = (const void *)((const uint8_t *)channel + tf_extreme_bytes(&n));
  (void)tf_extreme_peek(channel, high, true, &view->top);
  return tf_extreme_peek(lows, low, false, &view->bottom) == TF_INDICATOR_READY;
}

/* The plain definition, for batch: false while the first n bars fill. */
__attribute__((unused)) static bool tf_channel_scan(const double *high, const double *low, size_t i,
                                                    size_t n, tf_channel_t *view) {
  if (i + 1 < n) return false;
  *view = (tf_channel_t){high[i], low[i]};
  for (size_t k = i + 1 - n; k < i; k++) {
    if (high[k] > view->top) view->top = high[k];
    if (low[k] < view->bottom) view->bottom = low[k];
  }
  return true;
}

#endif
