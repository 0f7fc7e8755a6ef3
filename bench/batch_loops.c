#include "batch_loops.h"

#include "tf/base.h"

#define EACH(from) for (uint32_t i = (from); i < s->len; i++)

static double greater(double a, double b) { return a > b ? a : b; }
static double step_of(uint32_t n) { return 2.0 / (n + 1.0); }

/* ---- averages ---- */

/* The depth-th average of averages, the answer a sum of them. */
static void exponential(const batch_series_t *s, uint32_t depth, const double *weights) {
  const double k = step_of(s->n);
  double       mean[6];
  for (uint32_t d = 0; d < depth; d++) mean[d] = s->close[0];
  EACH(0) {
    double x = s->close[i], y = 0;
    for (uint32_t d = 0; d < depth; d++) {
      x = mean[d] = (x - mean[d]) * k + mean[d];
      y += weights[d] * x;
    }
    s->out[i] = y;
  }
}

static void run_ema(const batch_series_t *s) {
  double k = step_of(s->n), mean = s->close[0];
  EACH(0) s->out[i] = mean = (s->close[i] - mean) * k + mean;
}
static void run_dema(const batch_series_t *s) { exponential(s, 2, (const double[]){2, -1}); }
static void run_tema(const batch_series_t *s) { exponential(s, 3, (const double[]){3, -3, 1}); }

/* volume factor 0.7 */
static void run_t3(const batch_series_t *s) {
  const double v = 0.7, c1 = -v * v * v, c2 = 3 * v * v + 3 * v * v * v;
  const double c3 = -6 * v * v - 3 * v - 3 * v * v * v, c4 = 1 + 3 * v + v * v * v + 3 * v * v;
  exponential(s, 6, (const double[]){0, 0, c4, c3, c2, c1});
}

static void run_trix(const batch_series_t *s) {
  double k = step_of(s->n), a = s->close[0], b = a, c = a;
  EACH(1) {
    double before = c;
    a             = (s->close[i] - a) * k + a;
    b             = (a - b) * k + b;
    c             = (b - c) * k + c;
    s->out[i]     = (c - before) / before * 100;
  }
}

static void run_macd(const batch_series_t *s) {
  double fast = s->close[0], slow = fast, line = 0;
  EACH(0) {
    fast = (s->close[i] - fast) * step_of(12) + fast;
    slow = (s->close[i] - slow) * step_of(26) + slow;
    line += (fast - slow - line) * step_of(9);
    s->out[i] = fast - slow - line;
  }
}

static void run_sma(const batch_series_t *s) {
  double sum = 0, scale = 1.0 / s->n;
  EACH(0) {
    sum += s->close[i];
    if (i >= s->n) sum -= s->close[i - s->n];
    s->out[i] = sum * scale;
  }
}

static void run_wma(const batch_series_t *s) {
  double sum = 0, weighted = 0, scale = 2.0 / (s->n * (s->n + 1.0));
  EACH(0) {
    weighted += s->close[i] * s->n - sum;
    sum += s->close[i];
    if (i >= s->n) sum -= s->close[i - s->n];
    s->out[i] = weighted * scale;
  }
}

/* ---- moments ---- */

typedef struct moments {
  double sum, squares;
} moments_t;

static double deviation(const batch_series_t *s, uint32_t i, moments_t *m) {
  double scale = 1.0 / s->n, x = s->close[i];
  m->sum += x;
  m->squares += x * x;
  if (i >= s->n) {
    x = s->close[i - s->n];
    m->sum -= x;
    m->squares -= x * x;
  }
  double variance = m->squares * scale - m->sum * scale * (m->sum * scale);
  return variance > 0 ? __builtin_sqrt(variance) : 0;
}

static void run_stddev(const batch_series_t *s) {
  moments_t m       = {0};
  EACH(0) s->out[i] = deviation(s, i, &m);
}
static void run_bbands(const batch_series_t *s) {
  moments_t m = {0};
  EACH(0) {
    double dev = deviation(s, i, &m);
    s->out[i]  = m.sum / s->n + 2 * dev;
  }
}
static void run_zscore(const batch_series_t *s) {
  moments_t m = {0};
  EACH(0) {
    double dev = deviation(s, i, &m);
    s->out[i]  = (s->close[i] - m.sum / s->n) / dev;
  }
}
static void run_realized_vol(const batch_series_t *s) {
  static double squares[1u << 16];
  double        sum = 0;
  EACH(1) {
    double r                = __builtin_log(s->close[i] / s->close[i - 1]);
    squares[i % (1u << 16)] = r * r;
    sum += r * r;
    if (i > s->n) sum -= squares[(i - s->n) % (1u << 16)];
    s->out[i] = __builtin_sqrt(greater(sum, 0));
  }
}

/* ---- changes ---- */

static void run_rsi(const batch_series_t *s) {
  double up = 0, down = 0, k = 1.0 / s->n;
  EACH(1) {
    double d  = s->close[i] - s->close[i - 1];
    up        = (greater(d, 0) - up) * k + up;
    down      = (greater(-d, 0) - down) * k + down;
    s->out[i] = 100.0 * (up / (up + down));
  }
}
static void run_mom(const batch_series_t *s) {
  EACH(s->n) s->out[i] = s->close[i] - s->close[i - s->n];
}
static void run_rocp(const batch_series_t *s) {
  EACH(s->n) s->out[i] = (s->close[i] - s->close[i - s->n]) / s->close[i - s->n];
}

/* ---- extremes ---- */

typedef struct extreme {
  uint32_t at;
} extreme_t;

/* The greatest of sign * x in the window that ends at i. */
static double extreme(const batch_series_t *s, const double *x, uint32_t i, double sign,
                      extreme_t *e) {
  if (i >= s->n && e->at <= i - s->n) {
    e->at = i - s->n + 1;
    for (uint32_t k = e->at; k <= i; k++) e->at = sign * x[k] >= sign * x[e->at] ? k : e->at;
  } else if (sign * x[i] >= sign * x[e->at]) {
    e->at = i;
  }
  return x[e->at];
}

static void run_max(const batch_series_t *s) {
  extreme_t e       = {0};
  EACH(0) s->out[i] = extreme(s, s->close, i, 1, &e);
}
static void run_min(const batch_series_t *s) {
  extreme_t e       = {0};
  EACH(0) s->out[i] = extreme(s, s->close, i, -1, &e);
}
static void run_willr(const batch_series_t *s) {
  extreme_t high = {0}, low = {0};
  EACH(0) {
    double top = extreme(s, s->high, i, 1, &high), bottom = extreme(s, s->low, i, -1, &low);
    s->out[i] = -100 * (top - s->close[i]) / (top - bottom);
  }
}

/* ---- bars ---- */

static double true_range(const batch_series_t *s, uint32_t i) {
  double up   = __builtin_fabs(s->high[i] - s->close[i - 1]);
  double down = __builtin_fabs(s->low[i] - s->close[i - 1]);
  return greater(s->high[i] - s->low[i], greater(up, down));
}
static void run_atr(const batch_series_t *s) {
  double mean = s->high[0] - s->low[0], k = 1.0 / s->n;
  EACH(1) s->out[i] = mean = (true_range(s, i) - mean) * k + mean;
}
static void run_natr(const batch_series_t *s) {
  double mean = s->high[0] - s->low[0], k = 1.0 / s->n;
  EACH(1) {
    mean      = (true_range(s, i) - mean) * k + mean;
    s->out[i] = 100 * mean / s->close[i];
  }
}

static double typical(const batch_series_t *s, uint32_t i) {
  return (s->high[i] + s->low[i] + s->close[i]) * (1.0 / 3.0);
}
static void run_cci(const batch_series_t *s) {
  double sum = 0, scale = 1.0 / s->n;
  EACH(0) {
    double x = typical(s, i), away = 0;
    sum += x;
    if (i >= s->n) sum -= typical(s, i - s->n);
    if (i + 1 < s->n) continue;
    for (uint32_t k = i + 1 - s->n; k <= i; k++)
      away += __builtin_fabs(sum * scale - typical(s, k));
    s->out[i] = (x - sum * scale) / (away * scale * 0.015);
  }
}

static void run_obv(const batch_series_t *s) {
  double sum = 0;
  EACH(1) {
    double d = s->close[i] - s->close[i - 1];
    sum += d > 0 ? s->volume[i] : d < 0 ? -s->volume[i] : 0;
    s->out[i] = sum;
  }
}
static void run_bop(const batch_series_t *s) {
  EACH(0) s->out[i] = (s->close[i] - s->open[i]) / (s->high[i] - s->low[i]);
}
static double flow(const batch_series_t *s, uint32_t i) {
  double range = s->high[i] - s->low[i];
  if (range == 0) return 0;
  return (s->close[i] - s->low[i] - s->high[i] + s->close[i]) / range * s->volume[i];
}
static void run_ad(const batch_series_t *s) {
  double sum        = 0;
  EACH(0) s->out[i] = sum += flow(s, i);
}
static void run_adosc(const batch_series_t *s) {
  double sum = 0, fast = flow(s, 0), slow = fast;
  EACH(0) {
    sum += flow(s, i);
    fast      = (sum - fast) * step_of(3) + fast;
    slow      = (sum - slow) * step_of(10) + slow;
    s->out[i] = fast - slow;
  }
}

const batch_loop_t batch_loops[] = {
    {"ad",           run_ad          },
    {"adosc",        run_adosc       },
    {"atr",          run_atr         },
    {"bbands",       run_bbands      },
    {"bop",          run_bop         },
    {"cci",          run_cci         },
    {"delta",        run_mom         },
    {"dema",         run_dema        },
    {"ema",          run_ema         },
    {"macd",         run_macd        },
    {"max",          run_max         },
    {"min",          run_min         },
    {"mom",          run_mom         },
    {"natr",         run_natr        },
    {"obv",          run_obv         },
    {"realized_vol", run_realized_vol},
    {"ret",          run_rocp        },
    {"rocp",         run_rocp        },
    {"rsi",          run_rsi         },
    {"sma",          run_sma         },
    {"stddev",       run_stddev      },
    {"t3",           run_t3          },
    {"tema",         run_tema        },
    {"trix",         run_trix        },
    {"willr",        run_willr       },
    {"wma",          run_wma         },
    {"zscore",       run_zscore      },
};
const uint32_t batch_loop_cnt = TF_ARRAY_CNT(batch_loops);
