/* sma, mom, ret: the input n ago, and what follows from it. sma's second sum and how it takes over are
 * told in indicator/sma.c; the block it belongs to is counted by POS. */
#include "vector/sums.h"

enum { CNT, POS, HI, LO, FRESH_HI, FRESH_LO, SMA_LINES };
enum { N_REAL };
enum { CHANGE_LINES = CNT + 1 };

#define LINE(i) (state + (i)*TF_VECTOR_LANES)

TF_VECTOR_RUN(sma) {
  const tf_lanes_t zero = tf_lanes_set(0);
  for (const tf_vector_t *v = vectors; v != vectors + cnt; v++) {
    double      *state = mem + v->state;
    tf_lanes_t   x     = tf_lanes_input(mem, v->in[0]);
    tf_mask_t    took  = tf_lanes_usable(x);
    tf_counts_t  n     = tf_counts_const(v->n);
    tf_counts_t *seen = tf_counts_of(LINE(CNT)), *pos = tf_counts_of(LINE(POS));
    tf_lanes_t  *hi = tf_lanes_of(LINE(HI)), *lo = tf_lanes_of(LINE(LO));
    tf_lanes_t  *fresh_hi = tf_lanes_of(LINE(FRESH_HI)), *fresh_lo = tf_lanes_of(LINE(FRESH_LO));
    tf_lanes_t   gone =
        tf_lanes_select(tf_counts_lt(*seen, n), zero, tf_lanes_leaving(mem, v, *seen, n));

    tf_lanes_t next_hi = *hi, next_lo = *lo, own_hi = *fresh_hi, own_lo = *fresh_lo;
    tf_lanes_t total = tf_lanes_sum_replace(&next_hi, &next_lo, gone, x);
    tf_lanes_sum_add(&own_hi, &own_lo, x);
    tf_mask_t is_whole = tf_counts_eq(*pos + 1, n);
    total              = tf_lanes_select(is_whole, own_hi + own_lo, total);
    next_hi            = tf_lanes_select(is_whole, own_hi, next_hi);
    next_lo            = tf_lanes_select(is_whole, own_lo, next_lo);
    own_hi             = tf_lanes_select(is_whole, zero, own_hi);
    own_lo             = tf_lanes_select(is_whole, zero, own_lo);

    *hi       = tf_lanes_select(took, next_hi, *hi);
    *lo       = tf_lanes_select(took, next_lo, *lo);
    *fresh_hi = tf_lanes_select(took, own_hi, *fresh_hi);
    *fresh_lo = tf_lanes_select(took, own_lo, *fresh_lo);
    *pos      = tf_counts_select(took & is_whole, (tf_counts_t){0}, tf_counts_next(took, *pos));
    *seen     = tf_counts_next(took, *seen);
    tf_mask_t ready            = took & tf_mask_not(tf_counts_lt(*seen, n));
    *tf_lanes_of(mem + v->out) = tf_lanes_answer(ready, total / tf_lanes_const(v->consts[N_REAL]));
  }
}

/* The input n before, of lanes that have one; they are `ready`. */
TF_INLINE tf_lanes_t take(const tf_vector_t *v, double *mem, tf_lanes_t x, tf_mask_t *ready) {
  tf_counts_t *seen = tf_counts_of(mem + v->state), n = tf_counts_const(v->n);
  tf_mask_t    took   = tf_lanes_usable(x);
  tf_lanes_t   before = tf_lanes_leaving(mem, v, *seen, n);
  *ready              = took & tf_mask_not(tf_counts_lt(*seen, n));
  *seen               = tf_counts_next(took, *seen);
  return before;
}

TF_VECTOR_RUN(mom) {
  for (const tf_vector_t *v = vectors; v != vectors + cnt; v++) {
    tf_mask_t  ready;
    tf_lanes_t x = tf_lanes_input(mem, v->in[0]), before = take(v, mem, x, &ready);
    *tf_lanes_of(mem + v->out) = tf_lanes_answer(ready, x - before);
  }
}

TF_VECTOR_RUN(ret) {
  for (const tf_vector_t *v = vectors; v != vectors + cnt; v++) {
    tf_mask_t  ready;
    tf_lanes_t x = tf_lanes_input(mem, v->in[0]), before = take(v, mem, x, &ready);
    *tf_lanes_of(mem + v->out) = tf_lanes_answer(ready, (x - before) / before);
  }
}

#ifdef TF_VECTOR_DESCRIBES
TF_VECTOR_DECLARE(sma);
TF_VECTOR_DECLARE(mom);
TF_VECTOR_DECLARE(ret);

static uint64_t depth(const double *params) { return (uint64_t)params[0]; }

static void prepare(const double *params, uint32_t lane, tf_vector_t *v) {
  v->n[lane]              = (int64_t)params[0];
  v->consts[N_REAL][lane] = params[0];
}

#define WINDOW(kind, lines)                                                                        \
  const tf_vector_kind_t tf_vector_##kind = {.name        = #kind,                                 \
                                             .state_lines = lines,                                 \
                                             .history     = TF_VECTOR_HISTORY_USABLE,              \
                                             .input_cnt   = 1,                                     \
                                             .output_cnt  = 1,                                     \
                                             .depth       = depth,                                 \
                                             .prepare     = prepare,                               \
                                             .run         = TF_VECTOR_RUNS(kind)}
WINDOW(sma, SMA_LINES);
WINDOW(mom, CHANGE_LINES);
WINDOW(ret, CHANGE_LINES);
#endif
