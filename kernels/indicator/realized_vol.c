/* realized_vol(x, n) = sqrt(r[1]^2 + ... + r[n]^2), r being the log returns between the last n + 1
 * inputs: realised volatility over the window, not annualised. First output at input n + 1. Inputs
 * that are not positive are rejected.
 *
 * T. Andersen, T. Bollerslev, F. Diebold, P. Labys, "The distribution of realized exchange rate
 * volatility", J. American Statistical Association 96 (2001) 42-55. The logarithm is log_ratio.h,
 * not libm's: same bits everywhere. The sum is compensated and renewed as in sma.c. */
#include "indicator/log_ratio.h"
#include "indicator/parts.h"
#include "indicator/sum.h"

typedef struct realized_vol {
  double   last;  /* 0 before the first input */
  tf_sum_t sum;   /* of the last n squared returns */
  tf_sum_t fresh; /* of ring[0 .. pos - 1] */
  uint32_t n;
  uint32_t pos;
  uint32_t full;
  uint32_t reserved;
  double   ring[]; /* n squared returns */
} realized_vol_t;

typedef struct next {
  tf_sum_t sum, fresh;
  double   square;
  double   total; /* sum, rounded */
} next_t;

static bool usable(double x) { return tf_parts_usable(x) && x > 0; }

static next_t next_sums(const realized_vol_t *s, double x) {
  double r    = tf_log_ratio(x, s->last);
  next_t next = {.sum = s->sum, .fresh = s->fresh, .square = r * r};
  next.total  = tf_sum_replace(&next.sum, s->ring[s->pos], next.square);
  tf_sum_add(&next.fresh, next.square);
  if (TF_UNLIKELY(s->pos + 1 == s->n)) {
    next.sum   = next.fresh;
    next.fresh = (tf_sum_t){0};
    next.total = tf_sum_value(&next.sum);
  }
  return next;
}

/* A residue of the removal may leave a sum of squares a hair below zero: no volatility. */
static tf_indicator_result_t answer(double total, double *out) {
  return tf_parts_answer(out, total > 0 ? __builtin_sqrt(total) : 0.0);
}

static tf_indicator_result_t update(void *state, const tf_indicator_input_t *in, double *out) {
  realized_vol_t *s = state;
  double          x = in->x[0];
  if (TF_UNLIKELY(!usable(x))) return TF_INDICATOR_REJECTED;
  if (TF_UNLIKELY(!(s->last > 0))) { /* the first input has no return */
    s->last = x;
    return tf_parts_warming(out);
  }
  next_t next     = next_sums(s, x);
  s->last         = x;
  s->sum          = next.sum;
  s->fresh        = next.fresh;
  s->ring[s->pos] = next.square;
  if (++s->pos == s->n) {
    s->pos  = 0;
    s->full = 1;
  }
  return s->full ? answer(next.total, out) : tf_parts_warming(out);
}

static tf_indicator_result_t peek(const void *state, const tf_indicator_input_t *in, double *out) {
  const realized_vol_t *s = state;
  if (!usable(in->x[0])) return TF_INDICATOR_REJECTED;
  if (!(s->last > 0) || (!s->full && s->pos + 1 < s->n)) return tf_parts_warming(out);
  return answer(next_sums(s, in->x[0]).total, out);
}

static size_t state_bytes(const double *params) {
  return tf_parts_bytes(sizeof(realized_vol_t), params[0], sizeof(double));
}

static tf_err_t init(void *state, const double *params) {
  realized_vol_t *s = state;
  uint32_t        n;
  tf_err_t        err = tf_parts_count(params[0], 1, &n);
  if (err != TF_OK) return err;
  memset(s, 0, state_bytes(params));
  s->n = n;
  return TF_OK;
}

static void reset(void *state) {
  double n = ((realized_vol_t *)state)->n;
  (void)init(state, &n);
}

/* Return j lies between inputs j and j + 1; blocks of n returns renew the sum. */
static void batch(const double *params, const double *const *series, size_t len,
                  double *const *out) {
  const double *x   = series[0];
  size_t        n   = (size_t)params[0];
  tf_sum_t      run = {0}, own = {0};
  if (len > 0) out[0][0] = __builtin_nan("");
  for (size_t j = 0; j + 1 < len; j++) {
    double r     = tf_log_ratio(x[j + 1], x[j]);
    double gone  = j >= n ? tf_log_ratio(x[j + 1 - n], x[j - n]) : 0;
    double total = tf_sum_replace(&run, gone * gone, r * r);
    tf_sum_add(&own, r * r);
    if ((j + 1) % n == 0) {
      run   = own;
      own   = (tf_sum_t){0};
      total = run.hi + run.lo;
    }
    double vol    = total > 0 ? __builtin_sqrt(total) : 0.0;
    out[0][j + 1] = j + 1 < n ? __builtin_nan("") : vol;
  }
}

static const tf_param_spec_t PARAMS[] = {TF_PARTS_PARAM_N(100, 1, "returns, one per input")};

const tf_indicator_t tf_indicator_realized_vol = {
    .name        = "realized_vol",
    .group       = TF_GROUP_VOLATILITY,
    .help        = "root of the sum of the last n squared log returns",
    .origin      = "Andersen, Bollerslev, Diebold, Labys 2001",
    .series_cnt  = 1,
    .output_cnt  = 1,
    .param_cnt   = TF_ARRAY_CNT(PARAMS),
    .on          = TF_ON_INPUT,
    .outputs     = {"realized_vol"},
    .series      = {"close"},
    .params      = PARAMS,
    .state_bytes = state_bytes,
    .lookback    = tf_parts_lookback_n,
    .init        = init,
    .update      = update,
    .peek        = peek,
    .reset       = reset,
    .batch       = batch,
};
