/* max, min: the extreme of a window without a branch. Time is cut into blocks of n inputs; a window is the
 * end of the last block and the beginning of the current one. The beginning's extreme is carried along; the
 * ends' are computed when a block is complete, from its last input to its first, into the lane's own ring.
 * (M. van Herk, "A fast algorithm for local minimum and maximum filters", Pattern Recognition Letters 13
 * (1992); J. Gil, M. Werman, IEEE PAMI 15 (1993).) Three comparisons an input, amortised; the input that
 * completes a block pays for n. So that lanes of one n do not all pay at one tick, each begins at another
 * place of its first block (PHASE).
 *
 * An extreme is one of its inputs, so this gives the bits that indicator/extreme.h's queue gives; of equal
 * inputs, which -0 and +0 are, the newest is answered there and here. */
#include "vector/lanes.h"

enum { CNT, POS, BEST, LINES };
enum { PHASE };

#define LINE(i) (state + (i)*TF_VECTOR_LANES)

TF_INLINE tf_mask_t beats_or_equals(tf_lanes_t newer, tf_lanes_t older, bool is_max) {
  return is_max ? tf_lanes_le(older, newer) : tf_lanes_le(newer, older);
}

/* The block of one lane is complete: the extremes from each of its inputs to its end. */
__attribute__((noinline)) static void turn(const tf_vector_t *v, double *mem, uint32_t lane,
                                           bool is_max) {
  const double *ring = mem + v->ring[lane];
  double       *ends = mem + v->own[lane], best = 0;
  uint64_t      n = (uint64_t)v->n[lane], mask = (uint64_t)v->mask[lane], cnt;
  memcpy(&cnt, mem + v->state + CNT * TF_VECTOR_LANES + lane, sizeof cnt);
  for (uint64_t i = n; i-- > 0;) {
    double x = ring[(cnt - n + i) & mask]; /* cnt already counts the newest */
    best     = i + 1 == n || (is_max ? x > best : x < best) ? x : best;
    ends[i]  = best;
  }
}

TF_INLINE void run(const tf_vector_t *v, double *mem, bool is_max) {
  double      *state = mem + v->state;
  tf_lanes_t   x     = tf_lanes_input(mem, v->in[0]);
  tf_mask_t    took  = tf_lanes_usable(x);
  tf_counts_t  n = tf_counts_const(v->n), zero = {0};
  tf_counts_t *seen = tf_counts_of(LINE(CNT)), *pos = tf_counts_of(LINE(POS));
  tf_lanes_t  *best  = tf_lanes_of(LINE(BEST));
  tf_lanes_t   phase = tf_lanes_const(v->consts[PHASE]);
  *pos = tf_counts_select(tf_counts_eq(*seen, zero), __builtin_convertvector(phase, tf_counts_t),
                          *pos);
  tf_mask_t   is_first = tf_counts_eq(*pos, zero) | tf_counts_eq(*seen, zero);
  tf_lanes_t  begun    = tf_lanes_select(is_first | beats_or_equals(x, *best, is_max), x, *best);
  tf_counts_t next     = *pos + 1;
  tf_mask_t   is_whole = tf_counts_eq(next, n);
  next                 = tf_counts_select(is_whole, zero, next);
  tf_lanes_t end       = tf_lanes_gather(mem, tf_counts_const(v->own) + next);
  tf_lanes_t y    = tf_lanes_select(is_whole | beats_or_equals(begun, end, is_max), begun, end);
  *best           = tf_lanes_select(took, begun, *best);
  *pos            = tf_counts_select(took, next, *pos);
  *seen           = tf_counts_next(took, *seen);
  tf_mask_t ready = took & tf_mask_not(tf_counts_lt(*seen, n));
  *tf_lanes_of(mem + v->out) = tf_lanes_answer(ready, y);
  is_whole                   = is_whole & took;
  if (TF_LIKELY(!tf_mask_any(is_whole))) return;
  for (uint32_t lane = 0; lane < TF_VECTOR_LANES; lane++)
    if (tf_mask_lane(is_whole, lane)) turn(v, mem, lane, is_max);
}

TF_VECTOR_RUN(max) {
  for (const tf_vector_t *v = vectors; v != vectors + cnt; v++) run(v, mem, true);
}

TF_VECTOR_RUN(min) {
  for (const tf_vector_t *v = vectors; v != vectors + cnt; v++) run(v, mem, false);
}

#ifdef TF_VECTOR_DESCRIBES
TF_VECTOR_DECLARE(max);
TF_VECTOR_DECLARE(min);

static uint64_t depth(const double *params) { return (uint64_t)params[0]; }

static void prepare(const double *params, uint32_t lane, tf_vector_t *v) {
  uint64_t n             = (uint64_t)params[0];
  v->n[lane]             = (int64_t)n;
  v->consts[PHASE][lane] = (double)(n * lane / TF_VECTOR_LANES);
}

#define EXTREME(kind)                                                                              \
  const tf_vector_kind_t tf_vector_##kind = {.name        = #kind,                                 \
                                             .state_lines = LINES,                                 \
                                             .history     = TF_VECTOR_HISTORY_USABLE,              \
                                             .input_cnt   = 1,                                     \
                                             .output_cnt  = 1,                                     \
                                             .depth       = depth,                                 \
                                             .own         = depth,                                 \
                                             .prepare     = prepare,                               \
                                             .run         = TF_VECTOR_RUNS(kind)}
EXTREME(max);
EXTREME(min);
#endif
