/* lead_lag(lag_ms, window, capacity)@NAME = the Hayashi-Yoshida correlation of the own mid at t and the other instrument's at t - lag,
 * over what was completed in the last `window` of receive time:
 *
 *   rho(lag) = sum(dX_i dY_j over pairs with overlapping intervals) / sqrt(sum(dX_i^2) sum(dY_j^2))
 *
 * X the logarithm of the own mid, Y of the other's, each sampled at the ticks that change it; the interval of an increment
 * is from the sample before it to its own, and those of Y are moved by lag. A positive lag asks how well the other one
 * foretells this, a negative one the reverse: the lag with the largest correlation is the lead (list several). No grid, no interpolation,
 * and so no bias towards 0 as steps get short (the Epps effect). It is no ratio of one sample's moments: beyond -1 and 1 is
 * possible in short windows.
 *
 * A pair is known once the later of its increments is, and counts from that tick on. So X_t brings dX times the
 * sum of dY since the last sample of X, and the reverse: O(1) a sample. Samples of the series that is to be moved wait for |lag| in a ring
 * of `capacity`; one that comes while it is full takes the place of the newest there, at its time. They are taken out at the first tick of
 * either instrument at which they are due. Of samples of one time the one that came first is the earlier. The window's times are
 * resolved as in time_window.h. Where a mid is missing, or its book broken, the chain of its increments breaks, and the next one goes from the
 * sample after that. No value while one of them has no increments (below 10^-24 in squares), or while the other is not good.
 *
 * T. Hayashi, N. Yoshida, "On covariance estimation of non-synchronously observed diffusion processes", Bernoulli 11 (2005)
 * 359-379; M. Hoffmann, M. Rosenbaum, N. Yoshida, "Estimation of the lead-lag parameter from non-synchronous data",
 * Bernoulli 19 (2013) 426-461. Sampling by changes of the mid: N. Huth, F. Abergel, "High frequency lead/lag relationships -
 * empirical facts", J. of Empirical Finance 26 (2014) 41-58. */
#include "indicator/log_ratio.h"
#include "indicator/pair.h"
#include "indicator/time_window.h"

enum { OWN, PEER, SERIES_CNT };
enum { COVARIANCE, OWN_SQUARES, PEER_SQUARES, VALUE_CNT };

typedef struct waiting {
  uint64_t at_ns;
  double   mid; /* NaN: the chain breaks */
} waiting_t;

typedef struct series {
  double   seen;  /* mid of the last tick, NaN: none */
  double   last;  /* sample: mid of the last change that is due */
  double   since; /* sum of increments since the other series' last sample */
  uint64_t is_moved;
} series_t;

typedef struct lead_lag {
  uint64_t lag_ns;
  uint64_t now_ns; /* latest time seen */
  uint32_t cap, head, cnt, reserved;
  series_t series[SERIES_CNT];
} lead_lag_t;

typedef struct lead_lag_state {
  lead_lag_t       s;
  double           lag_ms;
  tf_time_window_t window; /* its entries follow, and then cap of waiting_t: last member */
} lead_lag_state_t;

static waiting_t *ring_of(const lead_lag_state_t *state) {
  size_t bytes = tf_time_window_bytes(state->s.cap, VALUE_CNT);
  return (waiting_t *)(uintptr_t)((const char *)&state->window + bytes);
}

static uint32_t place_of(const lead_lag_t *s, uint32_t i) {
  uint32_t at = s->head + i;
  return at >= s->cap ? at - s->cap : at;
}

/* A sample of one of the two, due now. */
static void sample(lead_lag_t *s, uint32_t which, double mid, double *values) {
  series_t *of = &s->series[which], *other = &s->series[1 - which];
  bool      has_last = tf_parts_finite(of->last), has_mid = tf_parts_finite(mid);
  double    increment = has_last && has_mid ? tf_log_ratio(mid, of->last) : 0;
  values[COVARIANCE] += increment * other->since;
  values[OWN_SQUARES + which] += increment * increment;
  of->since += increment;
  other->since = 0;
  of->last     = mid;
}

/* What of the ring is due, oldest first; the ring itself stays as it was. */
static void take_due(lead_lag_t *s, const waiting_t *ring, double *values) {
  uint32_t moved = s->series[OWN].is_moved ? OWN : PEER;
  while (s->cnt > 0 && s->now_ns - ring[s->head].at_ns >= s->lag_ns) {
    sample(s, moved, ring[s->head].mid, values);
    s->head = place_of(s, 1);
    s->cnt--;
  }
}

/* The mid of a tick of one of them. True where it has to wait, in *place. */
static bool hear(lead_lag_t *s, uint32_t which, double mid, double *values, uint32_t *place) {
  series_t *of       = &s->series[which];
  bool      had_seen = tf_parts_finite(of->seen), has_mid = tf_parts_finite(mid);
  if (mid == of->seen || (!had_seen && !has_mid)) return false;
  of->seen = mid;
  if (!of->is_moved) {
    sample(s, which, mid, values);
    return false;
  }
  s->cnt += s->cnt < s->cap;
  *place = place_of(s, s->cnt - 1);
  return true;
}

/* One call: the state after it but for ring and window, the values that it completed, and what is to wait. */
static bool step(lead_lag_t *s, const waiting_t *ring, const tf_indicator_input_t *in,
                 double *values, waiting_t *wait, uint32_t *place) {
  bool     is_peers = in->on == TF_ON_PEER;
  uint64_t now_ns   = is_peers ? in->peers->market->now_ns : in->market->now_ns;
  if (now_ns > s->now_ns) s->now_ns = now_ns;
  values[COVARIANCE] = values[OWN_SQUARES] = values[PEER_SQUARES] = 0;
  take_due(s, ring, values);
  bool     is_full = s->cnt == s->cap;
  uint32_t newest  = place_of(s, s->cnt - 1); /* read where the ring is full */
  uint32_t which   = is_peers ? PEER : OWN;
  double   mid     = is_peers ? tf_pair_peer_mid(in->peers) : tf_pair_mid(in->market);
  bool     waits   = hear(s, which, mid, values, place);
  *wait            = (waiting_t){is_full ? ring[newest].at_ns : s->now_ns, mid};
  return waits;
}

static tf_indicator_result_t answer(const tf_time_window_view_t *view, const double *values,
                                    const tf_indicator_input_t *in, double *out) {
  double sums[VALUE_CNT];
  for (uint32_t v = 0; v < VALUE_CNT; v++) {
    tf_sum_t sum = view->sum[v];
    tf_sum_add(&sum, values[v]);
    sums[v] = tf_sum_value(&sum);
  }
  if (in->on == TF_ON_PEER) return TF_INDICATOR_WARMING;
  bool moves =
      sums[OWN_SQUARES] >= TF_PAIR_SQUARES_MIN && sums[PEER_SQUARES] >= TF_PAIR_SQUARES_MIN;
  if (!moves || !in->peers->values) return tf_parts_warming(out);
  double scale = __builtin_sqrt(sums[OWN_SQUARES]) * __builtin_sqrt(sums[PEER_SQUARES]);
  return tf_parts_answer(out, sums[COVARIANCE] / scale);
}

static tf_indicator_result_t update(void *state, const tf_indicator_input_t *in, double *out) {
  lead_lag_state_t     *l = state;
  tf_time_window_view_t view;
  double                values[VALUE_CNT];
  waiting_t             wait;
  uint32_t              place = 0;
  if (!in->peers->market) return tf_parts_warming(out);
  if (step(&l->s, ring_of(l), in, values, &wait, &place)) ring_of(l)[place] = wait;
  tf_time_window_view(&l->window, l->s.now_ns, VALUE_CNT, &view);
  tf_indicator_result_t result = answer(&view, values, in, out);
  tf_time_window_keep(&l->window, &view, VALUE_CNT);
  if (values[OWN_SQUARES] != 0 || values[PEER_SQUARES] != 0)
    tf_time_window_add(&l->window, view.now_ns, values, VALUE_CNT);
  return result;
}

static tf_indicator_result_t peek(const void *state, const tf_indicator_input_t *in, double *out) {
  const lead_lag_state_t *l    = state;
  lead_lag_t              next = l->s;
  tf_time_window_view_t   view;
  double                  values[VALUE_CNT];
  waiting_t               wait;
  uint32_t                place;
  if (!in->peers->market) return tf_parts_warming(out);
  (void)step(&next, ring_of(l), in, values, &wait, &place);
  tf_time_window_view(&l->window, next.now_ns, VALUE_CNT, &view);
  return answer(&view, values, in, out);
}

static size_t state_bytes(const double *params) {
  size_t bytes = offsetof(lead_lag_state_t, window) + tf_time_window_bytes(params[2], VALUE_CNT);
  return tf_parts_bytes(bytes, params[2], sizeof(waiting_t));
}

static tf_err_t init(void *state, const double *params) {
  lead_lag_state_t *l   = state;
  tf_err_t          err = tf_time_window_init(&l->window, params[1], params[2], VALUE_CNT);
  if (err != TF_OK) return err;
  if (!(__builtin_fabs(params[0]) <= 3.6e6)) return E_CORE_ARGUMENT;
  memset(l, 0, offsetof(lead_lag_state_t, window));
  l->lag_ms   = params[0];
  l->s.cap    = l->window.cap;
  l->s.lag_ns = (uint64_t)(__builtin_fabs(params[0]) * 1e6);
  for (uint32_t i = 0; i < SERIES_CNT; i++)
    l->s.series[i] = (series_t){.seen = __builtin_nan(""), .last = __builtin_nan("")};
  l->s.series[PEER].is_moved = params[0] > 0;
  l->s.series[OWN].is_moved  = params[0] < 0;
  memset(ring_of(l), 0, l->s.cap * sizeof(waiting_t));
  return TF_OK;
}

static void reset(void *state) {
  const lead_lag_state_t *l         = state;
  double                  window_ns = (double)l->window.window_ns, cap = l->s.cap;
  (void)init(state, (const double[]){l->lag_ms, window_ns, cap});
}

TF_TIME_WINDOW_TRAIL(window, offsetof(lead_lag_state_t, window), 2, VALUE_CNT)

/* Those that wait lie behind the window's entries. */
static tf_trail_t trail(const double *params, uint32_t i) {
  tf_trail_t window = window_trail(params, 0);
  return i == 0 ? window : tf_time_window_trail_behind(window, sizeof(waiting_t));
}

static tf_trail_held_t held(const void *state, uint32_t i) {
  const lead_lag_state_t *l = state;
  return i == 0 ? window_held(state, 0) : (tf_trail_held_t){l->s.head, l->s.cnt};
}

static const tf_param_spec_t PARAMS[] = {
    TF_PARAM_NUMBER("lag_ms", 0, -3.6e6, 3.6e6, "in milliseconds; positive: the other one leads"),
    {.name = "window",
                                                                                    .kind = TF_PARAM_DURATION,
                                                                                    .dflt = 60e9,
                                                                                    .min  = 1e6,
                                                                                    .max  = 86400e9,
                                                                                    .help = "length of the window of receive time"},
    TF_PARTS_PARAM_CAPACITY,
};

const tf_indicator_t tf_indicator_lead_lag = {
    .name        = "lead_lag",
    .group       = TF_GROUP_CROSS,
    .help        = "correlation of the own mid and another instrument's, lag_ms before",
    .origin      = "Hayashi, Yoshida 2005",
    .output_cnt  = 1,
    .param_cnt   = TF_ARRAY_CNT(PARAMS),
    .peers_max   = 1,
    .on          = TF_ON_TICK | TF_ON_PEER,
    .outputs     = {"lead_lag"},
    .params      = PARAMS,
    .state_bytes = state_bytes,
    .lookback    = tf_parts_lookback_none,
    .init        = init,
    .update      = update,
    .peek        = peek,
    .reset       = reset,
    .trail_cnt   = 2,
    .trail       = trail,
    .held        = held,
};
