/* ema, dema, tema, macd: exponential averages, one after the other. indicator/smooth.h has the recursion;
 * a stage is its mean (a sum while it is seeded) and the number of inputs it took, up to n. */
#include "vector/lanes.h"

enum { STEP, N_REAL }; /* of consts: 2 / (n + 1), and n */

#define STAGE_LINES 2

/* One input of the stages of `took`; the lanes of them that now have a mean, in *y. */
TF_INLINE tf_mask_t advance(double *stage, tf_mask_t took, tf_lanes_t x, tf_lanes_t step,
                            tf_lanes_t n_real, tf_counts_t n, tf_lanes_t *y) {
  tf_lanes_t  *mean = tf_lanes_of(stage), next = (x - *mean) * step + *mean;
  tf_counts_t *cnt      = tf_counts_of(stage + TF_VECTOR_LANES);
  tf_mask_t    is_ready = tf_counts_eq(*cnt, n);
  if (TF_UNLIKELY(!tf_mask_all(is_ready))) {
    tf_lanes_t sum = *mean + x;
    *cnt           = tf_counts_next(took & tf_mask_not(is_ready), *cnt);
    sum            = tf_lanes_select(tf_counts_eq(*cnt, n), sum / n_real, sum);
    next           = tf_lanes_select(is_ready, next, sum);
    is_ready       = tf_counts_eq(*cnt, n);
  }
  *mean = *y = tf_lanes_select(took, next, *mean);
  return took & is_ready;
}

/* The first `stage_cnt` averages of averages, all of one period. */
TF_INLINE tf_mask_t advance_all(const tf_vector_t *v, double *mem, uint32_t stage_cnt,
                                tf_lanes_t *y) {
  tf_lanes_t  x    = tf_lanes_input(mem, v->in[0]);
  tf_lanes_t  step = tf_lanes_const(v->consts[STEP]), n_real = tf_lanes_const(v->consts[N_REAL]);
  tf_counts_t n     = tf_counts_const(v->n);
  tf_mask_t   ready = tf_lanes_usable(x);
  for (uint32_t i = 0; i < stage_cnt; i++) {
    double *stage = mem + v->state + i * STAGE_LINES * TF_VECTOR_LANES;
    ready         = advance(stage, ready, i ? y[i - 1] : x, step, n_real, n, &y[i]);
  }
  return ready;
}

TF_VECTOR_RUN(ema) {
  for (const tf_vector_t *v = vectors; v != vectors + cnt; v++) {
    tf_lanes_t y[1];
    tf_mask_t  ready           = advance_all(v, mem, 1, y);
    *tf_lanes_of(mem + v->out) = tf_lanes_answer(ready, y[0]);
  }
}

TF_VECTOR_RUN(dema) {
  for (const tf_vector_t *v = vectors; v != vectors + cnt; v++) {
    tf_lanes_t y[2];
    tf_mask_t  ready           = advance_all(v, mem, 2, y);
    *tf_lanes_of(mem + v->out) = tf_lanes_answer(ready, 2.0 * y[0] - y[1]);
  }
}

TF_VECTOR_RUN(tema) {
  for (const tf_vector_t *v = vectors; v != vectors + cnt; v++) {
    tf_lanes_t y[3];
    tf_mask_t  ready           = advance_all(v, mem, 3, y);
    *tf_lanes_of(mem + v->out) = tf_lanes_answer(ready, 3.0 * (y[0] - y[1]) + y[2]);
  }
}

/* Periods of macd: fast, slow, signal; a period n is kept as n, and its step is 2 / (n + 1). The fast average takes its first
 * input when the slow one has taken as many as it is longer (indicator/convergence.c). */
TF_VECTOR_RUN(macd) {
  for (const tf_vector_t *v = vectors; v != vectors + cnt; v++) {
    tf_lanes_t  x     = tf_lanes_input(mem, v->in[0]), n_real[3], mean[3];
    tf_mask_t   ready = tf_lanes_usable(x);
    tf_counts_t n[3];
    double     *stages = mem + v->state;
    for (uint32_t i = 0; i < 3; i++) {
      n_real[i] = tf_lanes_const(v->consts[i]);
      n[i]      = __builtin_convertvector(n_real[i], tf_counts_t);
    }
    tf_counts_t seen    = *tf_counts_of(stages + STAGE_LINES * TF_VECTOR_LANES + TF_VECTOR_LANES);
    tf_mask_t   took[2] = {ready & tf_mask_not(tf_counts_lt(seen, n[1] - n[0])), ready};
    for (uint32_t i = 0; i < 2; i++) {
      tf_mask_t has = advance(stages + i * STAGE_LINES * TF_VECTOR_LANES, took[i], x,
                              2.0 / (n_real[i] + 1.0), n_real[i], n[i], &mean[i]);
      ready         = ready & has;
    }
    tf_lanes_t line = mean[0] - mean[1];
    ready           = advance(stages + 2 * STAGE_LINES * TF_VECTOR_LANES, ready, line,
                              2.0 / (n_real[2] + 1.0), n_real[2], n[2], &mean[2]);
    tf_lanes_t *out = tf_lanes_of(mem + v->out), histogram = line - mean[2];
    out[0] = tf_lanes_answer(ready, line);
    out[1] = tf_lanes_answer(ready, mean[2]);
    out[2] = tf_lanes_answer(ready, histogram);
  }
}

#ifdef TF_VECTOR_DESCRIBES
TF_VECTOR_DECLARE(ema);
TF_VECTOR_DECLARE(dema);
TF_VECTOR_DECLARE(tema);
TF_VECTOR_DECLARE(macd);

static void prepare(const double *params, uint32_t lane, tf_vector_t *v) {
  v->n[lane]              = (int64_t)params[0];
  v->consts[STEP][lane]   = 2.0 / (params[0] + 1.0);
  v->consts[N_REAL][lane] = params[0];
}

static void prepare_macd(const double *params, uint32_t lane, tf_vector_t *v) {
  bool is_swapped    = params[1] < params[0];
  v->consts[0][lane] = params[is_swapped];
  v->consts[1][lane] = params[!is_swapped];
  v->consts[2][lane] = params[2];
}

#define CHAIN(kind, stages)                                                                        \
  const tf_vector_kind_t tf_vector_##kind = {.name        = #kind,                                 \
                                             .state_lines = (stages)*STAGE_LINES,                  \
                                             .input_cnt   = 1,                                     \
                                             .output_cnt  = 1,                                     \
                                             .prepare     = prepare,                               \
                                             .run         = TF_VECTOR_RUNS(kind)}
CHAIN(ema, 1);
CHAIN(dema, 2);
CHAIN(tema, 3);

const tf_vector_kind_t tf_vector_macd = {.name        = "macd",
                                         .state_lines = 3 * STAGE_LINES,
                                         .input_cnt   = 1,
                                         .output_cnt  = 3,
                                         .prepare     = prepare_macd,
                                         .run         = TF_VECTOR_RUNS(macd)};
#endif
