/* The Hilbert transform that measures how long a cycle takes: the state of mama and of ht_*, of a fixed size.
 *
 * The price is smoothed by weights 4, 3, 2, 1 and passed through four filters of seven taps that turn its phase by a
 * quarter: D of the smoothed price, Q1 of D, jI and jQ of I1 = D three bars ago and of Q1. From two successive phasors (I2,
 * Q2) follows the period in bars, 6 to 50, smoothed. J. Ehlers, Rocket Science for Traders (2001), with
 * TA-Lib's start: `idle` bars only fill the smoother, then all filters start from zeros.
 *
 * Where the price stands still or moves in a straight line the phase is 0 / 0. Everything is made of differences here, so
 * that it is then exactly that, and read as 0; TA-Lib's running sums leave a residue, whose phase is chance. */
#ifndef TF_INDICATOR_HILBERT_H
#define TF_INDICATOR_HILBERT_H

#include "indicator/elementary.h"
#include "indicator/parts.h"

#define TF_DEGREES_PER_RADIAN 57.29577951308232

enum {
  TF_HILBERT_D,
  TF_HILBERT_Q1,
  TF_HILBERT_JI,
  TF_HILBERT_JQ,
  TF_HILBERT_FILTERS,
  TF_HILBERT_TAPS = 6
};

typedef struct tf_hilbert {
  double   price[3];                                  /* the last three, newest first */
  double   level[TF_HILBERT_TAPS];                    /* prices as the first filter's inputs */
  double   taps[TF_HILBERT_FILTERS][TF_HILBERT_TAPS]; /* inputs of each filter, newest first */
  double   d[3];
  double   i2, q2, re, im;
  double   period;
  uint32_t cnt;
  uint32_t idle;
} tf_hilbert_t;

typedef struct tf_hilbert_view {
  double above;  /* the smoothed price less the price */
  double i1, q1; /* the phasor: in phase, in quadrature */
} tf_hilbert_view_t;

TF_INLINE void tf_hilbert_push_(double *taps, double x) {
  tf_parts_move(&taps[1], &taps[0], TF_HILBERT_TAPS - 1);
  taps[0] = x;
}

TF_INLINE double tf_hilbert_filter_(tf_hilbert_t *s, uint32_t filter, double x, double gain) {
  double *t = s->taps[filter];
  double  y = 0.0962 * (x - t[5]) + 0.5769 * (t[1] - t[3]);
  tf_hilbert_push_(t, x);
  return y * gain;
}

/* The same of the smoothed price, which is the price and how far above it: apart, so that the height of the price costs
 * the small part no digits. */
TF_INLINE double tf_hilbert_detrend_(tf_hilbert_t *s, double price, double above, double gain) {
  double *t = s->taps[TF_HILBERT_D], *p = s->level;
  double  outer = (price - p[5]) + (above - t[5]), inner = (p[1] - p[3]) + (t[1] - t[3]);
  tf_hilbert_push_(t, above);
  tf_hilbert_push_(p, price);
  return (0.0962 * outer + 0.5769 * inner) * gain;
}

/* From the turn between the last phasor and this one, within bounds of the last period. */
TF_INLINE void tf_hilbert_measure_(tf_hilbert_t *s, double i2, double q2) {
  double last = s->period;
  s->re       = 0.2 * (i2 * s->i2 + q2 * s->q2) + 0.8 * s->re;
  s->im       = 0.2 * (i2 * s->q2 - q2 * s->i2) + 0.8 * s->im;
  s->i2       = i2;
  s->q2       = q2;
  if (s->im != 0 && s->re != 0)
    s->period = 360.0 / (tf_atan(s->im / s->re) * TF_DEGREES_PER_RADIAN);
  if (s->period > 1.5 * last) s->period = 1.5 * last;
  if (s->period < 0.67 * last) s->period = 0.67 * last;
  if (s->period < 6) s->period = 6;
  if (s->period > 50) s->period = 50;
  s->period = 0.2 * s->period + 0.8 * last;
}

/* False while the smoother fills. s->period is then the one that this bar gives; the phasor is made with
 * the one before. */
TF_INLINE bool tf_hilbert_step(tf_hilbert_t *s, double x, tf_hilbert_view_t *view) {
  double *p     = s->price;
  double  above = (3.0 * (p[0] - x) + 2.0 * (p[1] - x) + (p[2] - x)) / 10.0;
  p[2]          = p[1];
  p[1]          = p[0];
  p[0]          = x;
  if (s->cnt < s->idle) {
    s->cnt++;
    return false;
  }
  double gain = 0.075 * s->period + 0.54;
  double d    = tf_hilbert_detrend_(s, x, above, gain);
  double q1 = tf_hilbert_filter_(s, TF_HILBERT_Q1, d, gain), i1 = s->d[2];
  double ji = tf_hilbert_filter_(s, TF_HILBERT_JI, i1, gain);
  double jq = tf_hilbert_filter_(s, TF_HILBERT_JQ, q1, gain);
  s->d[2]   = s->d[1];
  s->d[1]   = s->d[0];
  s->d[0]   = d;
  *view     = (tf_hilbert_view_t){above, i1, q1};
  tf_hilbert_measure_(s, 0.2 * (i1 - jq) + 0.8 * s->i2, 0.2 * (q1 + ji) + 0.8 * s->q2);
  return true;
}

/* ---- the adaptive average (J. Ehlers, "MESA adaptive moving averages", TASC 19 (2001)) ---- */

typedef struct tf_mama {
  tf_hilbert_t hilbert;
  double       fast, slow; /* limits of the step */
  double       phase, mama, fama;
  uint64_t     cnt;
} tf_mama_t;

#define TF_MAMA_LOOKBACK 32

TF_INLINE uint64_t tf_mama_init(tf_mama_t *s, double fast, double slow) {
  s->hilbert.idle = 12;
  s->fast         = fast;
  s->slow         = slow;
  return TF_MAMA_LOOKBACK;
}

/* The faster the phase turns the slower the average; fama follows mama with half the step. */
TF_INLINE bool tf_mama_step(tf_mama_t *s, double x) {
  tf_hilbert_view_t v;
  bool              is_warm = s->cnt == TF_MAMA_LOOKBACK;
  if (!is_warm) s->cnt++;
  if (!tf_hilbert_step(&s->hilbert, x, &v)) return false;
  double phase = v.i1 != 0 ? tf_atan(v.q1 / v.i1) * TF_DEGREES_PER_RADIAN : 0.0;
  double turn  = s->phase - phase;
  double step  = turn > 1 ? s->fast / turn : s->fast;
  if (turn > 1 && step < s->slow) step = s->slow;
  s->phase = phase;
  s->mama  = step * x + (1 - step) * s->mama;
  step *= 0.5;
  s->fama = step * s->mama + (1 - step) * s->fama;
  return is_warm;
}

#endif
