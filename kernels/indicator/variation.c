/* How much a price varied, from the log returns r[1] .. r[n] between the last n + 1 inputs:
 *
 *   realized_var  r[1]^2 + ... + r[n]^2
 *   bipower       pi / 2 (|r[1]| |r[2]| + ... + |r[n - 1]| |r[n]|)
 *
 * The first takes in jumps, the second does not: what is between them is what jumped. Not annualised, and bipower not
 * scaled by n / (n - 1). First output at input n + 1. An input that is not positive gives no value and changes
 * nothing. Logarithms are log_ratio.h.
 *
 * T. Andersen, T. Bollerslev, F. Diebold, P. Labys, "The distribution of realized exchange rate volatility", J. American
 * Statistical Association 96 (2001) 42-55; O. Barndorff-Nielsen, N. Shephard, "Power and bipower variation with
 * stochastic volatility and jumps", J. Financial Econometrics 2 (2004) 1-37. */
#include "indicator/log_ratio.h"
#include "indicator/window.h"

#define HALF_PI 1.5707963267948966

typedef struct variation {
  double     last;        /* 0 before the first input */
  double     last_return; /* of bipower: |r|, negative before the first */
  tf_total_t sum;
} variation_t;

/* |r| of this input; false where there is none. */
TF_STEP bool next_return(variation_t *s, double x, double *r) {
  double last = s->last;
  if (!(x > 0)) return false;
  s->last = x;
  if (!(last > 0)) return false;
  *r = __builtin_fabs(tf_log_ratio(x, last));
  return true;
}

static uint64_t realized_var_build(variation_t *s, tf_layout_t *l, const double *params) {
  return tf_total_init(&s->sum, l, params[0]) + 1;
}

/* A residue of what has left may put a sum of squares a hair below zero. */
TF_STEP bool realized_var_step(variation_t *s, tf_store_t m, const double *x, double *y) {
  double r, total;
  if (!next_return(s, x[0], &r)) return false;
  bool is_warm = tf_total_step(&s->sum, m, r * r, &total);
  y[0]         = total > 0 ? total : 0;
  return is_warm;
}

static uint64_t bipower_build(variation_t *s, tf_layout_t *l, const double *params) {
  uint32_t n     = tf_layout_count(l, params[0], 2);
  s->last_return = -1;
  return tf_total_init(&s->sum, l, n - 1) + 2;
}

TF_STEP bool bipower_step(variation_t *s, tf_store_t m, const double *x, double *y) {
  double r, total, before = s->last_return;
  if (!next_return(s, x[0], &r)) return false;
  s->last_return = r;
  if (before < 0) return false;
  bool is_warm = tf_total_step(&s->sum, m, before * r, &total);
  y[0]         = total > 0 ? HALF_PI * total : 0;
  return is_warm;
}

TF_INDICATOR_DEFINE_AS(bipower, variation_t, bipower_build, bipower_step,
                       .group  = TF_GROUP_VOLATILITY,
                       .help   = "variance of log returns over the last n, jumps left out",
                       .origin = "Barndorff-Nielsen, Shephard 2004", TF_SERIES("close"),
                       TF_OUTPUTS("bipower"),
                       TF_PARAMS(TF_PARTS_PARAM_N(100, 2, "returns, one per input")));

TF_INDICATOR_DEFINE_AS(realized_var, variation_t, realized_var_build, realized_var_step,
                       .group  = TF_GROUP_VOLATILITY,
                       .help   = "sum of the last n squared log returns",
                       .origin = "Andersen, Bollerslev, Diebold, Labys 2001", TF_SERIES("close"),
                       TF_OUTPUTS("realized_var"),
                       TF_PARAMS(TF_PARTS_PARAM_N(100, 1, "returns, one per input")));
