/* Returns of two instruments side by side on one grid of time, the last n of them: the state of pair_beta and pair_corr.
 *
 * The grid's points are the multiples of `step` of receive time. An instrument's price at a point is its mid as of its last
 * tick at or before it; a tick exactly at a point counts for it. y are the own log returns from point to point, x those of the
 * peer. A pair is taken where both prices are known at both points: the peer's is only while its newest tick is not older than
 * the config's max_age, its book in order; the own one while its book is. Pairs that are not whole are passed over, and the
 * window is of the last n that are: there is no value before.
 *
 * A quiet spell of k steps ends with k pairs at once, at most n + 1 of which are looked at. Otherwise O(1) a tick. Sums are
 * compensated (sum.h). Both instruments' ticks are seen as they come (TF_ON_PEER), time is the latest of
 * either and does not run backwards.
 *
 * Previous-tick interpolation: R. Dacorogna, R. Gencay, U. Muller, R. Olsen, O. Pictet, An Introduction to High-Frequency
 * Finance (2001), 2.4.2. */
#ifndef TF_INDICATOR_PAIR_GRID_H
#define TF_INDICATOR_PAIR_GRID_H

#include "indicator/log_ratio.h"
#include "indicator/pair.h"
#include "indicator/sum.h"

typedef enum tf_pair_sum {
  TF_PAIR_X,
  TF_PAIR_Y,
  TF_PAIR_XX,
  TF_PAIR_XY,
  TF_PAIR_YY,
  TF_PAIR_SUM_CNT
} tf_pair_sum_t;

typedef struct tf_pair_grid {
  uint64_t step_ns;
  uint64_t next_ns;         /* the point that comes next; 0: no tick yet */
  uint64_t good_until_ns;   /* of the peer's price */
  double   own, peer;       /* prices as of the last ticks; NaN: unknown */
  double   own_at, peer_at; /* at the last point */
  uint32_t n, cnt, head, reserved;
  tf_sum_t sums[TF_PAIR_SUM_CNT];
} tf_pair_grid_t; /* n returns x, then n returns y follow */

/* Pairs that a passage of points brings: one of these returns, if it is whole, then zeros. */
typedef struct tf_pair_passage {
  double   x, y;
  uint32_t first, cnt; /* place of the first in the ring; how many */
  uint32_t zero_from;  /* 0 where the pair of returns is not among them, else 1 */
} tf_pair_passage_t;

TF_INLINE double *tf_pair_grid_ring_(const tf_pair_grid_t *s) {
  return (double *)(uintptr_t)(s + 1);
}

TF_INLINE uint32_t tf_pair_grid_after_(const tf_pair_grid_t *s, uint32_t at, uint32_t i) {
  return at + i >= s->n ? at + i - s->n : at + i;
}

TF_INLINE void tf_pair_grid_add_(tf_pair_grid_t *s, double x, double y, double sign) {
  tf_sum_add(&s->sums[TF_PAIR_X], sign * x);
  tf_sum_add(&s->sums[TF_PAIR_Y], sign * y);
  tf_sum_add(&s->sums[TF_PAIR_XX], sign * (x * x));
  tf_sum_add(&s->sums[TF_PAIR_XY], sign * (x * y));
  tf_sum_add(&s->sums[TF_PAIR_YY], sign * (y * y));
}

/* The points up to now_ns: s as it is after them, but for the ring, which is `ring` and stays as it was. */
static inline void tf_pair_grid_pass_(tf_pair_grid_t *s, const double *ring, uint64_t now_ns,
                                      tf_pair_passage_t *p) {
  uint64_t passed = (now_ns - s->next_ns) / s->step_ns + 1, good = 0;
  bool     known = tf_parts_finite(s->own) && tf_parts_finite(s->peer);
  if (known && s->good_until_ns >= s->next_ns)
    good = (s->good_until_ns - s->next_ns) / s->step_ns + 1;
  if (good > passed) good = passed;
  bool whole = good > 0 && tf_parts_finite(s->own_at) && tf_parts_finite(s->peer_at);
  if (whole) {
    p->x = tf_log_ratio(s->peer, s->peer_at);
    p->y = tf_log_ratio(s->own, s->own_at);
  }
  uint64_t cnt = good - (good > 0 && !whole);
  p->zero_from = whole && cnt <= s->n;
  p->cnt       = cnt < s->n ? (uint32_t)cnt : s->n;
  p->first     = tf_pair_grid_after_(s, s->head, s->cnt);
  for (uint32_t i = 0; i < p->cnt; i++) {
    if (s->cnt == s->n) {
      tf_pair_grid_add_(s, ring[s->head], ring[s->n + s->head], -1);
      s->head = tf_pair_grid_after_(s, s->head, 1);
    } else {
      s->cnt++;
    }
    if (i < p->zero_from) tf_pair_grid_add_(s, p->x, p->y, 1);
  }
  for (uint32_t v = 0; p->cnt > 0 && v < TF_PAIR_SUM_CNT; v++) tf_sum_settle(&s->sums[v]);
  s->own_at  = good == passed ? s->own : __builtin_nan("");
  s->peer_at = good == passed ? s->peer : __builtin_nan("");
  s->next_ns += passed * s->step_ns;
}

/* One call of the indicator. *s is the state or a copy of its fixed part. True where a passage is to be kept. */
static inline bool tf_pair_grid_step(tf_pair_grid_t *s, const double *ring,
                                     const tf_indicator_input_t *in, tf_pair_passage_t *p) {
  bool     is_peers = in->on == TF_ON_PEER;
  uint64_t now_ns   = is_peers ? in->peers->market->now_ns : in->market->now_ns;
  bool     passes   = false;
  /* a tick exactly at a point counts for it: what is known is passed on to the points before now alone */
  if (TF_UNLIKELY(s->next_ns == 0))
    s->next_ns = (now_ns + s->step_ns - 1) / s->step_ns * s->step_ns;
  if (TF_UNLIKELY(now_ns > s->next_ns)) {
    tf_pair_grid_pass_(s, ring, now_ns - 1, p);
    passes = p->cnt > 0;
  }
  if (!is_peers) s->own = tf_pair_mid(in->market);
  if (is_peers || in->peers->market == in->market) {
    s->peer          = tf_pair_peer_mid(in->peers);
    s->good_until_ns = in->peers->good_until_ns;
  }
  return passes;
}

TF_INLINE void tf_pair_grid_keep(const tf_pair_grid_t *s, const tf_pair_passage_t *p) {
  double *ring = tf_pair_grid_ring_(s);
  for (uint32_t i = 0; i < p->cnt; i++) {
    uint32_t at     = tf_pair_grid_after_(s, p->first, i);
    ring[at]        = i < p->zero_from ? p->x : 0;
    ring[s->n + at] = i < p->zero_from ? p->y : 0;
  }
}

/* The sum of squares about the mean; what is below 10^-12 of that about 0 is rounding, of returns that are all the same. */
TF_INLINE double tf_pair_grid_squares_(const tf_pair_grid_t *s, tf_pair_sum_t squares, double sum) {
  double about_0 = tf_sum_value(&s->sums[squares]), about_mean = about_0 - sum * sum / s->n;
  return about_mean < about_0 * 1e-12 ? 0 : about_mean;
}

/* Sums of squares and products about the means; false where the window is not full or the peer is not good now. */
TF_INLINE bool tf_pair_grid_moments(const tf_pair_grid_t *s, const tf_indicator_input_t *in,
                                    double *xx, double *xy, double *yy) {
  if (s->cnt < s->n || !in->peers->values) return false;
  double x = tf_sum_value(&s->sums[TF_PAIR_X]), y = tf_sum_value(&s->sums[TF_PAIR_Y]);
  *xx = tf_pair_grid_squares_(s, TF_PAIR_XX, x);
  *xy = tf_sum_value(&s->sums[TF_PAIR_XY]) - x * y / s->n;
  *yy = tf_pair_grid_squares_(s, TF_PAIR_YY, y);
  return true;
}

TF_INLINE tf_err_t tf_pair_grid_init(void *state, const double *params) {
  tf_pair_grid_t *s = state;
  uint32_t        n;
  if (!(params[0] >= 1 && params[0] <= 9e18)) return E_CORE_ARGUMENT;
  if (tf_parts_count(params[1], 2, &n) != TF_OK) return E_CORE_ARGUMENT;
  memset(s, 0, sizeof *s + 2 * (size_t)n * sizeof(double));
  s->step_ns = (uint64_t)params[0];
  s->n       = n;
  s->own = s->peer = s->own_at = s->peer_at = __builtin_nan("");
  return TF_OK;
}

static const tf_param_spec_t TF_PAIR_GRID_PARAMS[] = {
    {.name = "step",
     .kind = TF_PARAM_DURATION,
     .dflt = 1e8,
     .min  = 1e6,
     .max  = 3600e9,
     .help = "from point to point of the grid"},
    TF_PARTS_PARAM_N(300, 2, "pairs of returns"),
};

/* The functions of such an indicator, and its descriptor; the rest are fields of that. answer(xx, xy, yy, out). */
#define TF_PAIR_GRID_DEFINE(id, answer, ...)                                                       \
  static tf_indicator_result_t id##_answer_(const tf_pair_grid_t       *s,                         \
                                            const tf_indicator_input_t *in, double *out) {         \
    double xx, xy, yy;                                                                             \
    if (in->on == TF_ON_PEER) return TF_INDICATOR_WARMING;                                         \
    if (!tf_pair_grid_moments(s, in, &xx, &xy, &yy)) return tf_parts_warming(out);                 \
    return answer(xx, xy, yy, out);                                                                \
  }                                                                                                \
  static tf_indicator_result_t id##_update(void *state, const tf_indicator_input_t *in,            \
                                           double *out) {                                          \
    tf_pair_grid_t   *s = state;                                                                   \
    tf_pair_passage_t p = {0};                                                                     \
    if (!in->peers->market) return tf_parts_warming(out);                                          \
    if (tf_pair_grid_step(s, tf_pair_grid_ring_(s), in, &p)) tf_pair_grid_keep(s, &p);             \
    return id##_answer_(s, in, out);                                                               \
  }                                                                                                \
  static tf_indicator_result_t id##_peek(const void *state, const tf_indicator_input_t *in,        \
                                         double *out) {                                            \
    tf_pair_grid_t    next = *(const tf_pair_grid_t *)state;                                       \
    tf_pair_passage_t p    = {0};                                                                  \
    if (!in->peers->market) return tf_parts_warming(out);                                          \
    (void)tf_pair_grid_step(&next, tf_pair_grid_ring_(state), in, &p);                             \
    return id##_answer_(&next, in, out);                                                           \
  }                                                                                                \
  static size_t id##_state_bytes(const double *params) {                                           \
    return tf_parts_bytes(sizeof(tf_pair_grid_t), params[1], 2 * sizeof(double));                  \
  }                                                                                                \
  static tf_err_t id##_init(void *state, const double *params) {                                   \
    return tf_pair_grid_init(state, params);                                                       \
  }                                                                                                \
  static void id##_reset(void *state) {                                                            \
    const tf_pair_grid_t *s = state;                                                               \
    (void)tf_pair_grid_init(state, (const double[]){(double)s->step_ns, s->n});                    \
  }                                                                                                \
  const tf_indicator_t tf_indicator_##id = {                                                       \
      .name        = #id,                                                                          \
      .group       = TF_GROUP_CROSS,                                                               \
      .output_cnt  = 1,                                                                            \
      .outputs     = {#id},                                                                        \
      .param_cnt   = TF_ARRAY_CNT(TF_PAIR_GRID_PARAMS),                                            \
      .params      = TF_PAIR_GRID_PARAMS,                                                          \
      .peers_max   = 1,                                                                            \
      .on          = TF_ON_TICK | TF_ON_PEER,                                                      \
      .state_bytes = id##_state_bytes,                                                             \
      .lookback    = tf_parts_lookback_none,                                                       \
      .init        = id##_init,                                                                    \
      .update      = id##_update,                                                                  \
      .peek        = id##_peek,                                                                    \
      .reset       = id##_reset,                                                                   \
      __VA_ARGS__,                                                                                 \
  }

#endif
