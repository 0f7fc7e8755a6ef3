/* The largest or smallest of the last n inputs by a monotonic queue: the state of max and min.
 *
 * The queue holds the inputs that can still become the extreme, each better than all that follow it.
 * A newcomer drops the ones it beats from the back; the front leaves when it is n inputs old. Each
 * input enters and leaves once: O(1) amortised, at most n in one step. Of equal inputs the newest is
 * kept. (D. Lemire, "Streaming maximum-minimum filter using no more than three comparisons per
 * element", Nordic J. of Computing 13 (2006).) */
#ifndef TF_INDICATOR_EXTREME_H
#define TF_INDICATOR_EXTREME_H

#include "indicator/parts.h"

typedef struct tf_extreme_entry {
  double   value;
  uint64_t seq;
} tf_extreme_entry_t;

typedef struct tf_extreme {
  uint64_t           seq; /* inputs seen */
  uint32_t           n;
  uint32_t           head; /* index of the front */
  uint32_t           cnt;
  uint32_t           reserved;
  tf_extreme_entry_t ring[]; /* n */
} tf_extreme_t;

TF_INLINE bool tf_extreme_beats_(double x, double y, bool is_max) {
  return is_max ? x >= y : x <= y;
}

TF_INLINE uint32_t tf_extreme_at_(const tf_extreme_t *s, uint32_t i) {
  uint32_t at = s->head + i;
  return at >= s->n ? at - s->n : at;
}

TF_INLINE tf_indicator_result_t tf_extreme_update(tf_extreme_t *s, double x, bool is_max,
                                                  double *out) {
  if (TF_UNLIKELY(!tf_parts_usable(x))) return TF_INDICATOR_REJECTED;
  if (s->cnt > 0 && s->seq - s->ring[s->head].seq >= s->n) {
    s->head = tf_extreme_at_(s, 1);
    s->cnt--;
  }
  while (s->cnt > 0 && tf_extreme_beats_(x, s->ring[tf_extreme_at_(s, s->cnt - 1)].value, is_max)) {
    s->cnt--;
  }
  s->ring[tf_extreme_at_(s, s->cnt)] = (tf_extreme_entry_t){x, s->seq};
  s->cnt++;
  s->seq++;
  return s->seq < s->n ? tf_parts_warming(out) : tf_parts_answer(out, s->ring[s->head].value);
}

/* The queue is sorted, so only its front, or the next where the front leaves, can beat x. */
TF_INLINE tf_indicator_result_t tf_extreme_peek(const tf_extreme_t *s, double x, bool is_max,
                                                double *out) {
  if (!tf_parts_usable(x)) return TF_INDICATOR_REJECTED;
  if (s->seq + 1 < s->n) return tf_parts_warming(out);
  uint32_t gone = s->cnt > 0 && s->seq - s->ring[s->head].seq >= s->n ? 1 : 0;
  if (gone == s->cnt) return tf_parts_answer(out, x);
  double front = s->ring[tf_extreme_at_(s, gone)].value;
  return tf_parts_answer(out, tf_extreme_beats_(x, front, is_max) ? x : front);
}

TF_INLINE size_t tf_extreme_bytes(const double *params) {
  return tf_parts_bytes(sizeof(tf_extreme_t), params[0], sizeof(tf_extreme_entry_t));
}

TF_INLINE tf_err_t tf_extreme_init(tf_extreme_t *s, const double *params) {
  uint32_t n;
  tf_err_t err = tf_parts_count(params[0], 1, &n);
  if (err != TF_OK) return err;
  memset(s, 0, tf_extreme_bytes(params));
  s->n = n;
  return TF_OK;
}

/* The plain definition, O(n) an input, for batch. */
__attribute__((unused)) static void tf_extreme_scan(const double *x, size_t len, size_t n,
                                                    bool is_max, double *out) {
  for (size_t i = 0; i < len; i++) {
    double best = __builtin_nan("");
    for (size_t k = i + 1 < n ? len : i + 1 - n; k <= i; k++) {
      if (best != best || tf_extreme_beats_(x[k], best, is_max)) best = x[k];
    }
    out[i] = best;
  }
}

#endif
