/* The arithmetic of the indicators that a card runs too (kernels/gpu/features.cuh): one source for both, so that their bits are
 * the same, +, -, * and / in the order that is written here (no contraction on either side). The states are those of the
 * indicators' own files, byte for byte: what init made on the CPU goes to a card as it is, and comes back.
 *
 * C, C++ and CUDA. Who calls has checked that inputs are there and usable. */
#ifndef TF_INDICATOR_SHARED_STEPS_H
#define TF_INDICATOR_SHARED_STEPS_H

#include "indicator/sum.h"
#include "tf/base.h"

/* ---- of the best bid and offer ---- */

TF_INLINE double tf_top_mid(double bid, double ask) { return (bid + ask) * 0.5; }
TF_INLINE double tf_top_spread(double bid, double ask) { return ask - bid; }
TF_INLINE double tf_top_spread_bps(double bid, double ask) {
  return (ask - bid) / tf_top_mid(bid, ask) * 1e4;
}
TF_INLINE double tf_top_microprice(double bid, double ask, double bid_qty, double ask_qty) {
  return (bid * ask_qty + ask * bid_qty) / (bid_qty + ask_qty);
}

/* reference: the mark price, or else the last; NaN where there is neither. */
TF_INLINE double tf_top_basis(double bid, double ask, double reference) {
  const double mid = tf_top_mid(bid, ask);
  return (reference - mid) / mid * 1e4;
}

/* ---- ema ---- */

typedef struct tf_ema {
  double   step; /* 2 / (n + 1) */
  double   mean; /* while seeding: the sum so far */
  uint32_t n;
  uint32_t cnt; /* inputs seen, up to n */
} tf_ema_t;

TF_INLINE double tf_ema_next(const tf_ema_t *s, double x) {
  if (TF_LIKELY(s->cnt == s->n)) return (x - s->mean) * s->step + s->mean;
  double sum = s->mean + x;
  return s->cnt + 1 == s->n ? sum / (double)s->n : sum;
}

/* False while it warms. */
TF_INLINE bool tf_ema_step(tf_ema_t *s, double x, double *y) {
  *y = s->mean = tf_ema_next(s, x);
  if (TF_LIKELY(s->cnt == s->n)) return true;
  return ++s->cnt == s->n;
}

/* ---- rsi ---- */

typedef struct tf_rsi {
  double   last;
  double   gain, loss; /* while seeding: sums */
  double   step;       /* 1 / n */
  uint32_t n;
  uint32_t cnt; /* inputs seen, up to n + 1 */
} tf_rsi_t;

TF_INLINE void tf_rsi_next(const tf_rsi_t *s, double x, double *gain, double *loss) {
  double change = x - s->last;
  double up = change > 0 ? change : 0.0, down = change < 0 ? -change : 0.0;
  if (s->cnt > s->n) {
    *gain = (up - s->gain) * s->step + s->gain;
    *loss = (down - s->loss) * s->step + s->loss;
    return;
  }
  double n = s->cnt == s->n ? (double)s->n : 1.0;
  *gain    = (s->gain + up) / n;
  *loss    = (s->loss + down) / n;
}

TF_INLINE double tf_rsi_answer(double gain, double loss) {
  double total = gain + loss;
  return total == 0 ? 0.0 : 100.0 * (gain / total);
}

TF_INLINE bool tf_rsi_step(tf_rsi_t *s, double x, double *y) {
  double gain = 0, loss = 0;
  if (s->cnt > 0) tf_rsi_next(s, x, &gain, &loss);
  s->gain = gain;
  s->loss = loss;
  s->last = x;
  if (s->cnt <= s->n) s->cnt++;
  *y = tf_rsi_answer(gain, loss);
  return s->cnt > s->n;
}

/* ---- ret ---- */

typedef struct tf_ret {
  uint32_t n;
  uint32_t pos;  /* of the input n ago, where the next one goes */
  uint32_t full; /* n inputs have been seen */
  uint32_t reserved;
  double   ring[]; /* n */
} tf_ret_t;

TF_INLINE double tf_ret_of(double x, double before) { return (x - before) / before; }

TF_INLINE bool tf_ret_step(tf_ret_t *s, double x, double *y) {
  bool was_full = s->full != 0;

  *y              = tf_ret_of(x, s->ring[s->pos]);
  s->ring[s->pos] = x;
  if (++s->pos == s->n) {
    s->pos  = 0;
    s->full = 1;
  }
  return was_full;
}

/* ---- sma ---- */

typedef struct tf_sma {
  tf_sum_t sum;   /* of the last n inputs */
  tf_sum_t fresh; /* of ring[0 .. pos - 1] */
  uint32_t n;
  uint32_t pos;  /* where the next input goes */
  uint32_t full; /* the ring has wrapped at least once */
  uint32_t reserved;
  double   ring[]; /* n */
} tf_sma_t;

typedef struct tf_sma_sums {
  tf_sum_t sum, fresh;
  double   total; /* sum, rounded */
} tf_sma_sums_t;

/* The sums once x has replaced the oldest input. Before the ring is full the oldest is 0. */
TF_INLINE tf_sma_sums_t tf_sma_next(const tf_sma_t *s, double x) {
  tf_sma_sums_t next = {s->sum, s->fresh, 0};
  next.total         = tf_sum_replace(&next.sum, s->ring[s->pos], x);
  tf_sum_add(&next.fresh, x);
  if (TF_UNLIKELY(s->pos + 1 == s->n)) {
    next.sum   = next.fresh;
    next.fresh = (tf_sum_t){0};
    next.total = tf_sum_value(&next.sum);
  }
  return next;
}

TF_INLINE bool tf_sma_step(tf_sma_t *s, double x, double *y) {
  tf_sma_sums_t next = tf_sma_next(s, x);
  s->sum             = next.sum;
  s->fresh           = next.fresh;
  s->ring[s->pos]    = x;
  if (++s->pos == s->n) {
    s->pos  = 0;
    s->full = 1;
  }
  if (TF_UNLIKELY(!s->full)) return false;
  *y = next.total / (double)s->n;
  return true;
}

#endif
