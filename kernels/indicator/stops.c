/* Lines that trail the price and turn when it crosses them: TA-Lib's sar, sarext, supertrend. */
#include "indicator/step.h"
#include "indicator/true_range.h"

/* ---- sar ----
 *
 * While long the stop climbs towards the highest high by a fraction that grows with each new high, stays at or below
 * the last two lows, and is crossed by a low; then it becomes the highest high and the same begins
 * downwards. J. Welles Wilder 1978. The first bar gives no stop: the second is long unless its low fell
 * further than its high rose, and starts at the first bar's low or high (TA-Lib). */

typedef struct side {
  double start, step, max; /* of the fraction */
} side_t;

typedef struct sar {
  side_t   up, down;
  double   forced; /* where the first stop is: > 0 long, < 0 short, 0 as above */
  double   offset; /* of the stop where it turns, as a part of it */
  double   stop, extreme, fraction;
  double   high, low; /* of the last bar */
  uint32_t is_long;
  uint32_t cnt; /* bars, up to 2 */
} sar_t;

TF_STEP void sar_side(side_t *side, double start, double step, double max) {
  *side = (side_t){start > max ? max : start, step > max ? max : step, max};
}

TF_STEP double at_least(double x, double a, double b) {
  x = x < a ? a : x;
  return x < b ? b : x;
}

TF_STEP double at_most(double x, double a, double b) {
  x = x > a ? a : x;
  return x > b ? b : x;
}

TF_STEP double within(const sar_t *s, double stop, double high, double low) {
  return s->is_long ? at_most(stop, s->low, low) : at_least(stop, s->high, high);
}

TF_STEP void sar_begin(sar_t *s, double high, double low) {
  double up = high - s->high, down = s->low - low;
  s->is_long  = s->forced != 0 ? s->forced > 0 : !(down > 0 && down > up);
  s->extreme  = s->is_long ? high : low;
  s->stop     = s->forced != 0 ? __builtin_fabs(s->forced) : s->is_long ? s->low : s->high;
  s->fraction = s->is_long ? s->up.start : s->down.start;
  s->high     = high;
  s->low      = low;
}

/* The stop of this bar; s->stop is then that of the next. */
TF_STEP double sar_next(sar_t *s, double high, double low) {
  double stop;
  if (s->is_long ? low <= s->stop : high >= s->stop) {
    s->is_long = !s->is_long;
    stop       = within(s, s->extreme, high, low);
    stop += (s->is_long ? -stop : stop) * s->offset;
    s->extreme  = s->is_long ? high : low;
    s->fraction = s->is_long ? s->up.start : s->down.start;
  } else {
    const side_t *side = s->is_long ? &s->up : &s->down;
    stop               = s->stop;
    if (s->is_long ? high > s->extreme : low < s->extreme) {
      s->extreme = s->is_long ? high : low;
      s->fraction += side->step;
      if (s->fraction > side->max) s->fraction = side->max;
    }
  }
  s->stop = within(s, stop + s->fraction * (s->extreme - stop), high, low);
  s->high = high;
  s->low  = low;
  return stop;
}

TF_STEP bool sar_step(sar_t *s, tf_store_t m, const double *x, double *y) {
  (void)m;
  if (s->cnt == 0) {
    s->high = x[0];
    s->low  = x[1];
    s->cnt  = 1;
    return false;
  }
  if (s->cnt == 1) sar_begin(s, x[0], x[1]);
  s->cnt = 2;
  y[0]   = sar_next(s, x[0], x[1]);
  return true;
}

static uint64_t sar_build(sar_t *s, tf_layout_t *l, const double *params) {
  (void)l;
  sar_side(&s->up, params[0], params[0], params[1]);
  s->down = s->up;
  return 1;
}

TF_INDICATOR_DEFINE(
    sar, sar_t, .group = TF_GROUP_OVERLAP,
    .help   = "parabolic stop and reverse: below the price while long, above while short",
    .origin = "Wilder 1978, as TA-Lib SAR", TF_SERIES("high", "low"), TF_OUTPUTS("sar"),
    TF_PARAMS(TF_PARAM_NUMBER("acceleration", 0.02, 0, 1e6, "step of the fraction"),
              TF_PARAM_NUMBER("maximum", 0.2, 0, 1e6, "of the fraction")));

static uint64_t sarext_build(sar_t *s, tf_layout_t *l, const double *params) {
  (void)l;
  s->forced = params[0];
  s->offset = params[1];
  sar_side(&s->up, params[2], params[3], params[4]);
  sar_side(&s->down, params[5], params[6], params[7]);
  return 1;
}

TF_STEP bool sarext_step(sar_t *s, tf_store_t m, const double *x, double *y) {
  bool is_warm = sar_step(s, m, x, y);
  if (is_warm && !s->is_long) y[0] = -y[0];
  return is_warm;
}

TF_INDICATOR_DEFINE(
    sarext, sar_t, .group = TF_GROUP_OVERLAP,
    .help =
        "parabolic stop and reverse with a start and fractions of each side; negative while short",
    .origin = "Wilder 1978, as TA-Lib SAREXT", TF_SERIES("high", "low"), TF_OUTPUTS("sarext"),
    TF_PARAMS(TF_PARAM_NUMBER("startvalue", 0, -1e150, 1e150,
                              "first stop: above 0 long, below 0 short, 0 as sar"),
              TF_PARAM_NUMBER("offsetonreverse", 0, 0, 1e6,
                              "of the stop where it turns, a part of it"),
              TF_PARAM_NUMBER("accelerationinitlong", 0.02, 0, 1e6, "first fraction, long"),
              TF_PARAM_NUMBER("accelerationlong", 0.02, 0, 1e6, "step of the fraction, long"),
              TF_PARAM_NUMBER("accelerationmaxlong", 0.2, 0, 1e6, "of the fraction, long"),
              TF_PARAM_NUMBER("accelerationinitshort", 0.02, 0, 1e6, "first fraction, short"),
              TF_PARAM_NUMBER("accelerationshort", 0.02, 0, 1e6, "step of the fraction, short"),
              TF_PARAM_NUMBER("accelerationmaxshort", 0.2, 0, 1e6, "of the fraction, short")));

/* ---- supertrend ----
 *
 * Bands some average true ranges around the middle of the bar, which only close in on the price until it closed
 * beyond them; the lower one is the line in an uptrend, the upper one in a downtrend. Starts up. O. Seban. */

typedef struct supertrend {
  tf_atr_t range;
  double   width, upper, lower, last_close;
  uint32_t is_up;
  uint32_t has_bands;
} supertrend_t;

static uint64_t supertrend_build(supertrend_t *s, tf_layout_t *l, const double *params) {
  uint32_t n = tf_layout_count(l, params[0], 1);
  tf_atr_init(&s->range, n);
  s->width = params[1];
  return n;
}

TF_STEP bool supertrend_step(supertrend_t *s, tf_store_t m, const double *x, double *y) {
  (void)m;
  double range, last = s->last_close;
  bool   is_warm = tf_atr_step(&s->range, x, &range);
  s->last_close  = x[2];
  if (!is_warm) return false;
  double middle = (x[0] + x[1]) / 2, upper = middle + s->width * range,
         lower = middle - s->width * range;
  if (!s->has_bands || upper < s->upper || last > s->upper) s->upper = upper;
  if (!s->has_bands || lower > s->lower || last < s->lower) s->lower = lower;
  if (!s->has_bands)
    s->is_up = 1;
  else
    s->is_up = s->is_up ? !(x[2] < s->lower) : x[2] > s->upper;
  s->has_bands = 1;
  y[0]         = s->is_up ? s->lower : s->upper;
  y[1]         = s->is_up ? 1 : -1;
  return true;
}

TF_INDICATOR_DEFINE(
    supertrend, supertrend_t, .group = TF_GROUP_OVERLAP,
    .help   = "trailing line some average true ranges away, and the trend: 1 up, -1 down",
    .origin = "Seban, as TA-Lib SUPERTREND", TF_SERIES("high", "low", "close"),
    TF_OUTPUTS("supertrend", "trend"),
    TF_PARAMS(TF_PARAM_PERIOD(10, 1), TF_PARAM_NUMBER("multiplier", 3, 0, 1e6, "of the range")));
