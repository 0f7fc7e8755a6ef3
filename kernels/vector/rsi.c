/* rsi: indicator/rsi.c has the formula. CNT counts inputs up to n + 1, LAST is the one before. */
#include "vector/lanes.h"

enum { CNT, LAST, GAIN, LOSS, LINES };
enum { STEP, N_REAL };

#define LINE(i) (state + (i)*TF_VECTOR_LANES)

TF_VECTOR_RUN(rsi) {
  const tf_lanes_t zero = tf_lanes_set(0);
  for (const tf_vector_t *v = vectors; v != vectors + cnt; v++) {
    double      *state = mem + v->state;
    tf_lanes_t   x     = tf_lanes_input(mem, v->in[0]);
    tf_mask_t    took  = tf_lanes_usable(x);
    tf_counts_t  n     = tf_counts_const(v->n);
    tf_counts_t *seen  = tf_counts_of(LINE(CNT));
    tf_lanes_t  *last  = tf_lanes_of(LINE(LAST));
    tf_lanes_t  *gain = tf_lanes_of(LINE(GAIN)), *loss = tf_lanes_of(LINE(LOSS));
    tf_lanes_t   step = tf_lanes_const(v->consts[STEP]), change = x - *last;
    tf_lanes_t   up       = tf_lanes_select(tf_lanes_lt(zero, change), change, zero);
    tf_lanes_t   down     = tf_lanes_select(tf_lanes_lt(change, zero), -change, zero);
    tf_lanes_t   gains    = (up - *gain) * step + *gain;
    tf_lanes_t   losses   = (down - *loss) * step + *loss;
    tf_mask_t    is_ready = tf_counts_lt(n, *seen);
    if (TF_UNLIKELY(!tf_mask_all(is_ready))) {
      tf_lanes_t ups = *gain + up, downs = *loss + down, n_real = tf_lanes_const(v->consts[N_REAL]);
      tf_mask_t  is_last  = tf_counts_eq(*seen, n);
      tf_mask_t  is_first = tf_counts_eq(*seen, (tf_counts_t){0});
      ups                 = tf_lanes_select(is_last, ups / n_real, ups);
      downs               = tf_lanes_select(is_last, downs / n_real, downs);
      gains               = tf_lanes_select(is_first, *gain, tf_lanes_select(is_ready, gains, ups));
      losses   = tf_lanes_select(is_first, *loss, tf_lanes_select(is_ready, losses, downs));
      *seen    = tf_counts_next(took & tf_mask_not(is_ready), *seen);
      is_ready = tf_counts_lt(n, *seen);
    }
    *last            = tf_lanes_select(took, x, *last);
    *gain            = tf_lanes_select(took, gains, *gain);
    *loss            = tf_lanes_select(took, losses, *loss);
    tf_lanes_t total = gains + losses, y = 100.0 * (gains / total);
    y                          = tf_lanes_select(tf_lanes_eq(total, zero), zero, y);
    *tf_lanes_of(mem + v->out) = tf_lanes_answer(took & is_ready, y);
  }
}

#ifdef TF_VECTOR_DESCRIBES
TF_VECTOR_DECLARE(rsi);

static void prepare(const double *params, uint32_t lane, tf_vector_t *v) {
  v->n[lane]              = (int64_t)params[0];
  v->consts[STEP][lane]   = 1.0 / params[0];
  v->consts[N_REAL][lane] = params[0];
}

const tf_vector_kind_t tf_vector_rsi = {.name        = "rsi",
                                        .state_lines = LINES,
                                        .input_cnt   = 1,
                                        .output_cnt  = 1,
                                        .prepare     = prepare,
                                        .run         = TF_VECTOR_RUNS(rsi)};
#endif
