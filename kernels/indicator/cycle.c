/* The cycle that a price moves in, by the Hilbert transform (hilbert.h): TA-Lib's ht_dcperiod, ht_phasor, ht_dcphase,
 * ht_sine, ht_trendline, ht_trendmode. J. Ehlers, Rocket Science for Traders (2001). All of them warm up for a fixed number
 * of bars and go on settling for some hundred more. */
#include "indicator/hilbert.h"
#include "indicator/window.h"

#define OF_CLOSE TF_SERIES("close")
#define EHLERS   "Ehlers 2001, as TA-Lib's"

/* Periods are 6 to 50 bars. */
enum { PERIOD_MAX = 50, EARLY_IDLE = 12, EARLY_LOOKBACK = 32, LATE_IDLE = 37, LATE_LOOKBACK = 63 };

typedef struct cycle {
  tf_hilbert_t hilbert;
  double       period;   /* smoothed once more */
  double       phase;    /* degrees, -45 to 315 */
  double       trend[3]; /* means over the cycle, newest first */
  double       sine[2];  /* of the last bar: sine, lead sine */
  tf_lag_t price, above; /* of the bars before this one; above: the smoothed price less the price */
  uint32_t days;         /* since the sines crossed */
  uint32_t cnt, lookback; /* bars */
} cycle_t;

static uint64_t cycle_init(cycle_t *s, tf_layout_t *l, uint32_t idle, uint32_t lookback) {
  s->hilbert.idle = idle;
  (void)tf_lag_init(&s->price, l, PERIOD_MAX - 1);
  (void)tf_lag_init(&s->above, l, PERIOD_MAX - 1);
  return s->lookback = lookback;
}

static uint64_t early_build(cycle_t *s, tf_layout_t *l, const double *params) {
  (void)params;
  return cycle_init(s, l, EARLY_IDLE, EARLY_LOOKBACK);
}

static uint64_t late_build(cycle_t *s, tf_layout_t *l, const double *params) {
  (void)params;
  return cycle_init(s, l, LATE_IDLE, LATE_LOOKBACK);
}

/* True once outputs are due. While the smoother fills *has_phasor is false. */
TF_STEP bool cycle_add(cycle_t *s, double x, tf_hilbert_view_t *v, bool *has_phasor) {
  bool is_warm = s->cnt == s->lookback;
  if (!is_warm) s->cnt++;
  *has_phasor = tf_hilbert_step(&s->hilbert, x, v);
  if (*has_phasor) s->period = 0.33 * s->hilbert.period + 0.67 * s->period;
  return is_warm;
}

TF_STEP uint32_t whole_period(const cycle_t *s) { return (uint32_t)(s->period + 0.5); }

/* The phase of the smoothed prices of the last cycle against a sine. Prices count from the newest: over a whole cycle
 * a constant adds nothing, so that still prices give 0 and not the rounding of it. */
TF_STEP void measure_phase(cycle_t *s, tf_store_t m, double x, double above) {
  uint32_t n  = whole_period(s) > 0 ? whole_period(s) : 1;
  double turn = 2 * 3.141592653589793 / (double)n, step_sin = tf_sin(turn), step_cos = tf_cos(turn);
  double sin = 0, cos = 1, re = 0, im = 0;
  for (uint32_t i = 1; i < n; i++) {
    double next_sin = sin * step_cos + cos * step_sin;
    cos             = cos * step_cos - sin * step_sin;
    sin             = next_sin;
    double price    = (tf_lag_get(&s->price, m, i) - x) + (tf_lag_get(&s->above, m, i) - above);
    re += sin * price;
    im += cos * price;
  }
  if (im != 0)
    s->phase = tf_atan(re / im) * TF_DEGREES_PER_RADIAN;
  else
    s->phase += re < 0 ? -90 : re > 0 ? 90 : 0;
  s->phase += 90 + 360 / s->period; /* the smoother lags by a bar */
  if (im < 0) s->phase += 180;
  if (s->phase > 315) s->phase -= 360;
}

/* The mean of the prices over the last cycle, smoothed by weights 4, 3, 2, 1. */
TF_STEP double measure_trend(cycle_t *s, tf_store_t m, double x) {
  uint32_t n   = whole_period(s);
  double   sum = n > 0 ? x : 0;
  for (uint32_t i = 1; i < n; i++) sum += tf_lag_get(&s->price, m, i);
  double mean = n > 0 ? sum / (double)n : 0;
  double line = (4 * mean + 3 * s->trend[0] + 2 * s->trend[1] + s->trend[2]) / 10;
  s->trend[2] = s->trend[1];
  s->trend[1] = s->trend[0];
  s->trend[0] = mean;
  return line;
}

TF_STEP double sine_at(double degrees) { return tf_sin(degrees * (1 / TF_DEGREES_PER_RADIAN)); }

TF_STEP void keep(cycle_t *s, tf_store_t m, double x, double above) {
  double before;
  (void)tf_lag_step(&s->price, m, x, &before);
  (void)tf_lag_step(&s->above, m, above, &before);
}

/* ---- outputs ---- */

TF_STEP bool ht_dcperiod_step(cycle_t *s, tf_store_t m, const double *x, double *y) {
  (void)m;
  tf_hilbert_view_t v;
  bool              has_phasor, is_warm = cycle_add(s, x[0], &v, &has_phasor);
  y[0] = s->period;
  return is_warm;
}

TF_STEP bool ht_phasor_step(cycle_t *s, tf_store_t m, const double *x, double *y) {
  (void)m;
  tf_hilbert_view_t v = {0};
  bool              has_phasor, is_warm = cycle_add(s, x[0], &v, &has_phasor);
  y[0] = v.i1;
  y[1] = v.q1;
  return is_warm;
}

TF_STEP bool ht_dcphase_step(cycle_t *s, tf_store_t m, const double *x, double *y) {
  tf_hilbert_view_t v = {0};
  bool              has_phasor, is_warm = cycle_add(s, x[0], &v, &has_phasor);
  if (has_phasor) measure_phase(s, m, x[0], v.above);
  keep(s, m, x[0], v.above);
  y[0] = s->phase;
  return is_warm;
}

TF_STEP bool ht_sine_step(cycle_t *s, tf_store_t m, const double *x, double *y) {
  bool is_warm = ht_dcphase_step(s, m, x, y);
  y[0]         = sine_at(s->phase);
  y[1]         = sine_at(s->phase + 45);
  return is_warm;
}

TF_STEP bool ht_trendline_step(cycle_t *s, tf_store_t m, const double *x, double *y) {
  tf_hilbert_view_t v = {0};
  bool              has_phasor, is_warm = cycle_add(s, x[0], &v, &has_phasor);
  if (has_phasor) y[0] = measure_trend(s, m, x[0]);
  keep(s, m, x[0], v.above);
  return is_warm;
}

/* A cycle while the sines crossed less than half a period ago or the phase turns about as fast as the period says; a trend
 * otherwise, and wherever the price is 1.5 % off the line. */
TF_STEP bool in_trend(cycle_t *s, const double *sine, double turned, double smooth, double line) {
  const double *last = s->sine;
  bool          crossed =
      (sine[0] > sine[1] && last[0] <= last[1]) || (sine[0] < sine[1] && last[0] >= last[1]);
  s->days         = crossed ? 1 : s->days + 1;
  double per_bar  = 360 / s->period;
  bool   is_trend = !crossed && !((double)s->days < 0.5 * s->period) &&
                  !(turned > 0.67 * per_bar && turned < 1.5 * per_bar);
  return is_trend || (line != 0 && __builtin_fabs((smooth - line) / line) >= 0.015);
}

TF_STEP bool ht_trendmode_step(cycle_t *s, tf_store_t m, const double *x, double *y) {
  tf_hilbert_view_t v = {0};
  bool              has_phasor, is_warm = cycle_add(s, x[0], &v, &has_phasor);
  if (has_phasor) {
    double last = s->phase, sine[2];
    measure_phase(s, m, x[0], v.above);
    sine[0]     = sine_at(s->phase);
    sine[1]     = sine_at(s->phase + 45);
    double line = measure_trend(s, m, x[0]);
    y[0]        = in_trend(s, sine, s->phase - last, x[0] + v.above, line);
    memcpy(s->sine, sine, sizeof sine);
  }
  keep(s, m, x[0], v.above);
  return is_warm;
}

#define CYCLE(id, build, what, ...)                                                                \
  TF_INDICATOR_DEFINE_AS(id, cycle_t, build, id##_step, .group = TF_GROUP_CYCLE, .help = what,     \
                         .origin = EHLERS, OF_CLOSE, TF_OUTPUTS(__VA_ARGS__))

CYCLE(ht_dcperiod, early_build, "period of the dominant cycle, in inputs", "ht_dcperiod");
CYCLE(ht_phasor, early_build, "the cycle's phasor, in price", "inphase", "quadrature");
CYCLE(ht_dcphase, late_build, "phase of the dominant cycle, in degrees", "ht_dcphase");
CYCLE(ht_sine, late_build, "sine of the phase, and of 45 degrees ahead", "sine", "leadsine");
CYCLE(ht_trendmode, late_build, "1 in a trend, 0 in a cycle", "ht_trendmode");
TF_INDICATOR_DEFINE_AS(ht_trendline, cycle_t, late_build, ht_trendline_step,
                       .group  = TF_GROUP_OVERLAP,
                       .help   = "mean of the price over the dominant cycle, smoothed",
                       .origin = EHLERS, OF_CLOSE, TF_OUTPUTS("ht_trendline"));
