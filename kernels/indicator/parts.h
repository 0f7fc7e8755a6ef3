/* What the files of this folder are made of: the check of an input, the one way to answer, and the
 * parameter rows that many share.
 *
 * Series indicators take a magnitude beyond 1e150 for infinite and reject it, so that no square and no
 * sum of squares overflows and a state can never be poisoned for good. (A price or quantity as sent,
 * an int64 at an int8 exponent, is below 1e146.)
 *
 * An indicator whose formula has no value (a division by zero) answers WARMING with NaN: the state
 * has advanced, there is nothing to read. So outputs are finite or NaN, never infinite. */
#ifndef TF_INDICATOR_PARTS_H
#define TF_INDICATOR_PARTS_H

#include <string.h>

#include "tf/indicator.h"

/* No state holds more elements: bounds what a config can ask for (tf/indicator.h). */
#define TF_PARTS_ELEMENTS_MAX (1u << 20)

TF_INLINE bool tf_parts_finite(double x) { return __builtin_isfinite(x); }

#define TF_PARTS_MAGNITUDE_MAX 1e150

/* What a series indicator accepts; false for NaN as well. */
TF_INLINE bool tf_parts_usable(double x) { return __builtin_fabs(x) <= TF_PARTS_MAGNITUDE_MAX; }

/* memmove, which a card's code has none of. */
TF_INLINE void tf_parts_move(double *to, const double *from, size_t cnt) {
#ifdef __CUDA_ARCH__
  for (size_t i = 0; i < cnt; i++) {
    const size_t at = to < from ? i : cnt - 1 - i;
    to[at]          = from[at];
  }
#else
  memmove(to, from, cnt * sizeof *to);
#endif
}

TF_INLINE tf_indicator_result_t tf_parts_warming(double *out) {
  *out = __builtin_nan("");
  return TF_INDICATOR_WARMING;
}

TF_INLINE tf_indicator_result_t tf_parts_answer(double *out, double value) {
  if (TF_UNLIKELY(!tf_parts_finite(value))) return tf_parts_warming(out);
  *out = value;
  return TF_INDICATOR_READY;
}

/* The same for several outputs: all of them or none. */
TF_INLINE tf_indicator_result_t tf_parts_answers(double *out, const double *values, uint32_t cnt) {
  bool finite = true;
  for (uint32_t o = 0; o < cnt; o++) finite = finite && tf_parts_finite(values[o]);
  for (uint32_t o = 0; o < cnt; o++) out[o] = finite ? values[o] : __builtin_nan("");
  return finite ? TF_INDICATOR_READY : TF_INDICATOR_WARMING;
}

TF_INLINE tf_indicator_result_t tf_parts_warming_all(double *out, uint32_t cnt) {
  for (uint32_t o = 0; o < cnt; o++) out[o] = __builtin_nan("");
  return TF_INDICATOR_WARMING;
}

TF_INLINE bool tf_parts_all_usable(const double *x, uint32_t cnt) {
  bool usable = true;
  for (uint32_t i = 0; i < cnt; i++) usable = usable && tf_parts_usable(x[i]);
  return usable;
}

/* For init: how a count parameter becomes a size. The spec's min and max were checked before; this
 * is the last line of defence against a caller that did not. */
TF_INLINE tf_err_t tf_parts_count(double param, uint32_t min, uint32_t *count) {
  if (!(param >= (double)min && param <= (double)TF_PARTS_ELEMENTS_MAX)) return E_CORE_ARGUMENT;
  *count = (uint32_t)param;
  return (double)*count == param ? TF_OK : E_CORE_ARGUMENT;
}

/* The bytes of a state with a tail of count elements; only the fixed part where count is absurd,
 * which init then refuses. */
TF_INLINE size_t tf_parts_bytes(size_t fixed, double count, size_t element_bytes) {
  uint32_t cnt;
  if (tf_parts_count(count, 1, &cnt) != TF_OK) return fixed;
  return fixed + (size_t)cnt * element_bytes;
}

/* Stateless indicators keep one unused word, so that a state always has an address. */
TF_INLINE size_t tf_parts_stateless_bytes(const double *params) {
  (void)params;
  return sizeof(uint64_t);
}
TF_INLINE uint64_t tf_parts_lookback_none(const double *params) {
  (void)params;
  return 0;
}
TF_INLINE uint64_t tf_parts_lookback_n(const double *params) { return (uint64_t)params[0]; }
TF_INLINE uint64_t tf_parts_lookback_n_less_1(const double *params) {
  return (uint64_t)params[0] - 1;
}

#define TF_PARTS_PARAM_N(dflt_n, min_n, what)                                                      \
  {                                                                                                \
    .name = "n", .kind = TF_PARAM_COUNT, .dflt = dflt_n, .min = min_n,                             \
    .max = TF_PARTS_ELEMENTS_MAX, .help = what                                                     \
  }

/* A count as TA-Lib calls it. */
#define TF_PARAM_COUNTED(param, dflt_n, min_n, what)                                               \
  {                                                                                                \
    .name = param, .kind = TF_PARAM_COUNT, .dflt = dflt_n, .min = min_n,                           \
    .max = TF_PARTS_ELEMENTS_MAX, .help = what                                                     \
  }
#define TF_PARAM_PERIOD(dflt_n, min_n) TF_PARAM_COUNTED("timeperiod", dflt_n, min_n, "in inputs")
#define TF_PARAM_NUMBER(param, value, low, high, what)                                             \
  { .name = param, .kind = TF_PARAM_REAL, .dflt = value, .min = low, .max = high, .help = what }

#define TF_PARTS_PARAM_WINDOW                                                                      \
  {                                                                                                \
    .name = "window", .kind = TF_PARAM_DURATION, .dflt = 1e9, .min = 1e3, .max = 86400e9,          \
    .help = "length of the window of receive time"                                                 \
  }

#define TF_PARTS_PARAM_CAPACITY                                                                    \
  {                                                                                                \
    .name = "capacity", .kind = TF_PARAM_COUNT, .dflt = 4096, .min = 16,                           \
    .max  = TF_PARTS_ELEMENTS_MAX,                                                                 \
    .help = "receive times kept one by one; beyond it time is resolved to 2 * window / capacity"   \
  }

#endif
