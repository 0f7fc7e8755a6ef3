/* stddev, zscore: mean and variance of a window, as indicator/moments.h keeps them. The step is
 * the same for all lanes; a lane whose sums have lost too much takes them anew, alone, from its history. */
#include "indicator/moments.h"
#include "vector/sums.h"

enum { CNT, CENTRE, PEAK, HI1, LO1, HI2, LO2, LINES };
enum { INV_N, FACTOR };

#define LINE(i) (state + (i)*TF_VECTOR_LANES)

typedef struct view {
  tf_lanes_t centre, away, spread;
  tf_mask_t  ready;
} view_t;

/* The sums of one lane's window, whose newest input is already in the history, around its own mean. */
TF_COLD __attribute__((noinline)) static void renew(const tf_vector_t *v, double *mem,
                                                    uint32_t lane, view_t *view) {
  double       *state = mem + v->state;
  const double *ring  = mem + v->ring[lane];
  uint64_t      n = (uint64_t)v->n[lane], mask = (uint64_t)v->mask[lane], cnt, first;
  memcpy(&cnt, LINE(CNT) + lane, sizeof cnt); /* already counts the newest */
  first           = cnt - n;
  tf_sum_t offset = {0}, s1 = {0}, s2 = {0};
  double   base = ring[first & mask];
  for (uint64_t i = 0; i < n; i++) tf_sum_add(&offset, ring[(first + i) & mask] - base);
  double centre = base + tf_sum_value(&offset) / (double)n;
  for (uint64_t i = 0; i < n; i++) {
    double d = ring[(first + i) & mask] - centre;
    (void)tf_sum_replace(&s1, 0.0, d);
    (void)tf_sum_replace(&s2, 0.0, d * d);
  }
  double t1 = tf_sum_value(&s1), t2 = tf_sum_value(&s2), inv_n = v->consts[INV_N][lane];
  LINE(CENTRE)[lane] = centre;
  LINE(PEAK)[lane]   = t2;
  LINE(HI1)[lane]    = s1.hi;
  LINE(LO1)[lane]    = s1.lo;
  LINE(HI2)[lane]    = s2.hi;
  LINE(LO2)[lane]    = s2.lo;
  view->centre[lane] = centre;
  view->away[lane]   = t1 * inv_n;
  view->spread[lane] = t2 - t1 * t1 * inv_n;
}

TF_INLINE void step(const tf_vector_t *v, double *mem, tf_lanes_t x, view_t *view) {
  double      *state  = mem + v->state;
  tf_mask_t    took   = tf_lanes_usable(x);
  tf_counts_t  n      = tf_counts_const(v->n);
  tf_counts_t *seen   = tf_counts_of(LINE(CNT));
  tf_lanes_t  *centre = tf_lanes_of(LINE(CENTRE)), *peak = tf_lanes_of(LINE(PEAK));
  tf_lanes_t  *hi1 = tf_lanes_of(LINE(HI1)), *lo1 = tf_lanes_of(LINE(LO1));
  tf_lanes_t  *hi2 = tf_lanes_of(LINE(HI2)), *lo2 = tf_lanes_of(LINE(LO2));
  tf_lanes_t   next_hi1 = *hi1, next_lo1 = *lo1, next_hi2 = *hi2, next_lo2 = *lo2;
  tf_lanes_t   inv_n  = tf_lanes_const(v->consts[INV_N]);
  tf_lanes_t   around = tf_lanes_select(tf_counts_eq(*seen, (tf_counts_t){0}), x, *centre);
  tf_lanes_t   gone =
      tf_lanes_select(tf_counts_lt(*seen, n), around, tf_lanes_leaving(mem, v, *seen, n));
  tf_lanes_t out = gone - around, in = x - around;
  tf_lanes_t t1        = tf_lanes_sum_replace(&next_hi1, &next_lo1, out, in);
  tf_lanes_t t2        = tf_lanes_sum_replace(&next_hi2, &next_lo2, out * out, in * in);
  tf_lanes_t next_peak = tf_lanes_select(tf_lanes_lt(*peak, t2), t2, *peak);
  view->centre         = around;
  view->away           = t1 * inv_n;
  view->spread         = t2 - t1 * t1 * inv_n;

  *centre = tf_lanes_select(took, around, *centre);
  *peak   = tf_lanes_select(took, next_peak, *peak);
  *hi1    = tf_lanes_select(took, next_hi1, *hi1);
  *lo1    = tf_lanes_select(took, next_lo1, *lo1);
  *hi2    = tf_lanes_select(took, next_hi2, *hi2);
  *lo2    = tf_lanes_select(took, next_lo2, *lo2);
  *seen   = tf_counts_next(took, *seen);

  view->ready        = took & tf_mask_not(tf_counts_lt(*seen, n));
  tf_mask_t is_sound = tf_lanes_le(t2 * TF_MOMENTS_CANCEL, view->spread) &
                       tf_lanes_le(next_peak * TF_MOMENTS_DECAY, t2);
  tf_mask_t lost = view->ready & tf_mask_not(is_sound);
  if (TF_UNLIKELY(tf_mask_any(lost))) {
    for (uint32_t lane = 0; lane < TF_VECTOR_LANES; lane++)
      if (tf_mask_lane(lost, lane)) renew(v, mem, lane, view);
  }
}

TF_VECTOR_RUN(stddev) {
  for (const tf_vector_t *v = vectors; v != vectors + cnt; v++) {
    view_t view;
    step(v, mem, tf_lanes_input(mem, v->in[0]), &view);
    tf_lanes_t dev             = tf_lanes_sqrt(view.spread * tf_lanes_const(v->consts[INV_N]));
    tf_lanes_t y               = dev * tf_lanes_const(v->consts[FACTOR]);
    *tf_lanes_of(mem + v->out) = tf_lanes_answer(view.ready, y);
  }
}

TF_VECTOR_RUN(zscore) {
  const tf_lanes_t zero = tf_lanes_set(0);
  for (const tf_vector_t *v = vectors; v != vectors + cnt; v++) {
    view_t     view;
    tf_lanes_t x = tf_lanes_input(mem, v->in[0]);
    step(v, mem, x, &view);
    tf_lanes_t dev             = tf_lanes_sqrt(view.spread * tf_lanes_const(v->consts[INV_N]));
    tf_lanes_t y               = ((x - view.centre) - view.away) / dev;
    y                          = tf_lanes_select(tf_lanes_eq(view.spread, zero), zero, y);
    *tf_lanes_of(mem + v->out) = tf_lanes_answer(view.ready, y);
  }
}

#ifdef TF_VECTOR_DESCRIBES
TF_VECTOR_DECLARE(stddev);
TF_VECTOR_DECLARE(zscore);

static uint64_t depth(const double *params) { return (uint64_t)params[0]; }

static void prepare(const double *params, uint32_t lane, tf_vector_t *v) {
  v->n[lane]             = (int64_t)params[0];
  v->consts[INV_N][lane] = 1.0 / params[0];
}

static void prepare_stddev(const double *params, uint32_t lane, tf_vector_t *v) {
  prepare(params, lane, v);
  v->consts[FACTOR][lane] = params[1];
}

#define MOMENTS(kind, outputs, prepares)                                                           \
  const tf_vector_kind_t tf_vector_##kind = {.name        = #kind,                                 \
                                             .state_lines = LINES,                                 \
                                             .history     = TF_VECTOR_HISTORY_USABLE,              \
                                             .input_cnt   = 1,                                     \
                                             .output_cnt  = outputs,                               \
                                             .depth       = depth,                                 \
                                             .prepare     = prepares,                              \
                                             .run         = TF_VECTOR_RUNS(kind)}
MOMENTS(stddev, 1, prepare_stddev);
MOMENTS(zscore, 1, prepare);
#endif
