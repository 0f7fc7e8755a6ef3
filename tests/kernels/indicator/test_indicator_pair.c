/* Indicators over several instruments on cases worked out by hand: exactly on a point of the grid, exactly a lag later, a
 * peer that gets too old and comes back, equal and crossed prices, nothing that moves. */
#include "cmocka_tf.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "indicator/registry.h"

#define MS    UINT64_C(1000000)
#define START UINT64_C(1700000000000000000) /* a point of any grid here */
#define PEERS 3

typedef struct rig {
  const tf_indicator_t *d;
  void                 *state;
  tf_market_t           own, others[PEERS];
  tf_peer_t             peers[PEERS];
  double                values[1];
  double                out[TF_INDICATOR_OUTPUTS_MAX];
} rig_t;

static void open_rig(rig_t *r, const char *name, const double *params) {
  *r = (rig_t){.d = NULL};
  for (uint32_t i = 0; i < tf_indicator_cnt; i++)
    if (strcmp(tf_indicators[i]->name, name) == 0) r->d = tf_indicators[i];
  assert_non_null(r->d);
  r->state = malloc(r->d->state_bytes(params));
  assert_non_null(r->state);
  assert_int_equal(r->d->init(r->state, params), TF_OK);
}

static double call(rig_t *r, uint32_t on) {
  uint32_t             cnt      = r->d->peers_max > 1 ? PEERS : 1;
  tf_indicator_input_t in       = {.on = on, .market = &r->own, .peers = r->peers, .peer_cnt = cnt};
  bool                 is_ready = r->d->update(r->state, &in, r->out) == TF_INDICATOR_READY;
  return is_ready ? r->out[0] : (double)NAN;
}

static void set(tf_market_t *m, uint64_t at_ns, double mid) {
  m->now_ns    = at_ns;
  m->has_quote = true;
  m->bid = m->ask = mid;
}

/* The peer ticks; it is good for so long. */
static void hear(rig_t *r, uint64_t at_ms, double mid, uint64_t good_ms) {
  set(&r->others[0], START + at_ms * MS, mid);
  r->peers[0] = (tf_peer_t){.market        = &r->others[0],
                            .values        = r->values,
                            .good_until_ns = good_ms ? START + (at_ms + good_ms) * MS : 0};
  if (good_ms == 0) r->peers[0].values = NULL;
  (void)call(r, TF_ON_PEER);
}

static double tick(rig_t *r, uint64_t at_ms, double mid) {
  set(&r->own, START + at_ms * MS, mid);
  if (r->peers[0].market)
    r->peers[0].values = r->own.now_ns <= r->peers[0].good_until_ns ? r->values : NULL;
  return call(r, TF_ON_TICK);
}

static bool is_none(double x) { return x != x; }

static void near(double x, double want) {
  if (!(fabs(x - want) <= 1e-12 * (1 + fabs(want)))) fail_msg("%.17g, not %.17g", x, want);
}

/* ---- best over venues ---- */

static void quote(rig_t *r, uint32_t i, double bid, double ask, bool is_good) {
  r->others[i].bid = bid;
  r->others[i].ask = ask;
  r->peers[i]      = (tf_peer_t){.market = &r->others[i], .values = is_good ? r->values : NULL};
}

static void the_best_of_those_that_are_good_and_whole_counts(void **state) {
  (void)state;
  static rig_t r;
  open_rig(&r, "cbbo", NULL);
  assert_true(is_none(call(&r, TF_ON_TICK))); /* nobody has come */
  quote(&r, 1, 99, 103, true);
  assert_true(call(&r, TF_ON_TICK) == 99 && r.out[1] == 103 && r.out[2] == 2 && r.out[3] == 2);
  quote(&r, 0, 98, 102, true);
  assert_true(call(&r, TF_ON_TICK) == 99 && r.out[1] == 102 && r.out[2] == 2 && r.out[3] == 1);
  quote(&r, 2, 99, 102, true); /* equal ones: the first has it */
  assert_true(call(&r, TF_ON_TICK) == 99 && r.out[1] == 102 && r.out[2] == 2 && r.out[3] == 1);
  quote(&r, 2, 105, 106, true); /* across venues it may be crossed */
  assert_true(call(&r, TF_ON_TICK) == 105 && r.out[1] == 102 && r.out[2] == 3 && r.out[3] == 1);
  quote(&r, 2, 105, 104, true); /* in itself it may not */
  assert_true(call(&r, TF_ON_TICK) == 99 && r.out[1] == 102);
  quote(&r, 2, 105, (double)NAN, true);
  assert_true(call(&r, TF_ON_TICK) == 99 && r.out[1] == 102);
  quote(&r, 1, 99, 103, false);
  assert_true(call(&r, TF_ON_TICK) == 98 && r.out[1] == 102 && r.out[2] == 1 && r.out[3] == 1);
  quote(&r, 0, 98, 102, false);
  assert_true(is_none(call(&r, TF_ON_TICK)));
  free(r.state);
}

static void the_age_is_of_the_one_that_is_asked_for(void **state) {
  (void)state;
  static const double SECOND[] = {2}, FOURTH[] = {4};
  static rig_t        r;
  open_rig(&r, "peer_age", SECOND);
  assert_true(is_none(call(&r, TF_ON_TICK)));
  r.peers[1] = (tf_peer_t){.market = &r.others[1], .age_ns = 1500 * MS};
  assert_true(call(&r, TF_ON_TICK) == 1.5);
  free(r.state);
  open_rig(&r, "peer_age", FOURTH); /* there are three */
  assert_true(is_none(call(&r, TF_ON_TICK)));
  free(r.state);
}

/* ---- on a grid ---- */

static const double GRID[] = {100e6, 3};

/* Own returns are twice the peer's, point after point. */
static double march(rig_t *r, uint64_t from_ms, const double *x, uint32_t cnt, double *own,
                    double *peer) {
  double answer = (double)NAN;
  for (uint32_t i = 0; i < cnt; i++) {
    *peer *= exp(x[i]);
    *own *= exp(2 * x[i]);
    hear(r, from_ms + 100 * i, *peer, 1000);
    answer = tick(r, from_ms + 100 * i + 1, *own);
  }
  return answer;
}

static void beta_and_correlation_of_what_moves_twice_as_far(void **state) {
  (void)state;
  static const double X[] = {0, 1e-3, -2e-3, 5e-4, 3e-3};
  static const struct {
    const char *name;
    double      want;
  } ROWS[] = {
      {"pair_beta", 2},
      {"pair_corr", 1}
  };
  for (size_t i = 0; i < TF_ARRAY_CNT(ROWS); i++) {
    static rig_t r;
    double       own = 100, peer = 50;
    open_rig(&r, ROWS[i].name, GRID);
    assert_true(is_none(march(&r, 10, X, 4, &own, &peer))); /* two pairs of returns so far */
    double third = tick(&r, 401, own);                      /* the point at 400 is behind */
    near(third, ROWS[i].want);
    assert_true(is_none(tick(&r, 1311, own))); /* the peer is too old now */
    free(r.state);
  }
}

static void a_tick_exactly_on_a_point_counts_for_it(void **state) {
  (void)state;
  static const double TWO[] = {100e6, 2};
  static rig_t        r;
  open_rig(&r, "pair_beta", TWO);
  (void)tick(&r, 0, 100); /* there is no peer yet: not heard */
  hear(&r, 10, 50, 5000);
  (void)tick(&r, 20, 100);
  hear(&r, 200, 51, 5000);
  (void)tick(&r, 200, 103);
  (void)tick(&r, 300, 100); /* on the point too: the points before it are 100 and 200 */
  assert_true(is_none(tick(&r, 300, 101))); /* one pair so far: 100 to 200 */
  double x0 = log(51.0 / 50), y0 = log(103.0 / 100), y1 = log(101.0 / 103), x1 = 0;
  double mx = (x0 + x1) / 2, my = (y0 + y1) / 2;
  double want = ((x0 - mx) * (y0 - my) + (x1 - mx) * (y1 - my)) /
                ((x0 - mx) * (x0 - mx) + (x1 - mx) * (x1 - mx));
  near(tick(&r, 301, 90), want);
  free(r.state);
}

static void a_quiet_spell_is_as_many_pairs_without_movement(void **state) {
  (void)state;
  static const double X[] = {0, 1e-3, -2e-3, 5e-4};
  static const struct {
    uint64_t quiet_ms;
    bool     moved; /* a return of the window is not 0 */
  } ROWS[] = {
      {100,    true },
      {300,    true },
      {400,    false},
      {500,    false},
      {900000, false}
  };
  for (size_t i = 0; i < TF_ARRAY_CNT(ROWS); i++) {
    static rig_t r;
    double       own = 100, peer = 50;
    open_rig(&r, "pair_beta", GRID);
    (void)march(&r, 10, X, 4, &own, &peer);
    r.peers[0].good_until_ns = UINT64_MAX;
    hear(&r, 311, peer, 1000000000);
    assert_true(!is_none(tick(&r, 401, own)));
    (void)tick(&r, 402, own * 1.01);
    hear(&r, 403, peer * 1.02, 1000000000);
    double after = tick(&r, 401 + ROWS[i].quiet_ms, own * 3);
    assert_true(is_none(after) == !ROWS[i].moved);
    free(r.state);
  }
}

static void pairs_with_an_unknown_price_are_passed_over(void **state) {
  (void)state;
  static const double TWO[] = {100e6, 2};
  static rig_t        r;
  open_rig(&r, "pair_beta", TWO);
  hear(&r, 10, 50, 200); /* good at the points 100 and 200, not at 300 */
  (void)tick(&r, 20, 100);
  (void)tick(&r, 120, 101); /* the pair 100 to 200: x 0 */
  (void)tick(&r, 390, 150);
  hear(&r, 395, 60, 5000); /* 300 to 400 is not whole, 200 to 300 neither */
  (void)tick(&r, 410, 153);
  assert_true(is_none(tick(&r, 490, 153)));
  hear(&r, 495, 63, 5000);
  double x1 = log(63.0 / 60), y0 = log(101.0 / 100), y1 = log(153.0 / 150);
  near(tick(&r, 501, 153), (y1 - y0) / x1); /* slope through two points, (0, y0) and (x1, y1) */
  free(r.state);
}

static void what_does_not_move_has_no_slope(void **state) {
  (void)state;
  static const double SAME[] = {1e-3, 1e-3, 1e-3, 1e-3, 1e-3, 1e-3}, NONE[6] = {0};
  static rig_t        r;
  double              own = 100, peer = 50;
  open_rig(&r, "pair_beta", GRID);
  assert_true(is_none(march(&r, 10, SAME, 6, &own, &peer))); /* the same return again and again */
  free(r.state);
  open_rig(&r, "pair_corr", GRID);
  assert_true(is_none(march(&r, 10, NONE, 6, &own, &peer)));
  free(r.state);
  open_rig(&r, "pair_beta", GRID);
  for (uint32_t i = 0; i < 9; i++) { /* prices that have no logarithm, or are none */
    static const double BAD[] = {0, -5, (double)NAN, (double)INFINITY, 1e200};
    hear(&r, 10 + 100 * i, BAD[i % 5], 1000);
    assert_true(is_none(tick(&r, 11 + 100 * i, 100 + i)));
  }
  free(r.state);
}

/* ---- lead and lag ---- */

static void lead_lag_finds_the_lag_at_which_one_follows(void **state) {
  (void)state;
  static const double LAGS[] = {-61, -60, 0, 140,
                                141}; /* beyond, the intervals of one move have nothing in common */
  static const double WANT[] = {0, 1, 1, 1, 0};
  for (size_t i = 0; i < TF_ARRAY_CNT(LAGS); i++) {
    static rig_t r;
    double       answer = (double)NAN, own = 100;
    uint64_t     seed = 7;
    open_rig(&r, "lead_lag", (const double[]){LAGS[i], 60e9, 64});
    (void)tick(&r, 0, own);
    double moves[400];
    for (uint32_t k = 0; k < 400; k++) {
      seed     = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
      moves[k] = (seed >> 40 & 1) != 0 ? 1e-4 : -1e-4;
    }
    double peer = 50;
    for (uint32_t k = 0; k < 400; k++) { /* the peer at 100 k, this 40 ms behind it */
      hear(&r, 100 * k, peer *= exp(moves[k]), 1000);
      answer = tick(&r, 100 * k + 40, own *= exp(moves[k]));
    }
    if (fabs(answer - WANT[i]) > 0.15) fail_msg("lag %g: %g", LAGS[i], answer);
    free(r.state);
  }
}

static void a_sample_counts_exactly_a_lag_later(void **state) {
  (void)state;
  static rig_t r;
  open_rig(&r, "lead_lag", (const double[]){50, 60e9, 16});
  hear(&r, 0, 50, 100000);
  hear(&r, 10, 51, 100000);
  (void)tick(&r, 55, 100); /* the peer's first sample is due */
  assert_true(is_none(tick(&r, 59, 101)));
  near(tick(&r, 60, 101), 1); /* its second: 0 to 60, over the own 55 to 59 */
  free(r.state);
}

static void increments_pair_with_all_that_they_overlap(void **state) {
  (void)state;
  static rig_t r;
  open_rig(&r, "lead_lag", (const double[]){0, 60e9, 16});
  hear(&r, 1, 50, 100000);
  (void)tick(&r, 2, 100);
  hear(&r, 3, 51, 100000);
  hear(&r, 4, 52, 100000);
  hear(&r, 5, 52, 100000); /* no change: no sample */
  double x0 = log(51.0 / 50), x1 = log(52.0 / 51), y0 = log(101.0 / 100);
  near(tick(&r, 6, 101), (x0 + x1) * y0 / sqrt((x0 * x0 + x1 * x1) * y0 * y0));
  hear(&r, 7, 50, 100000);
  double x2 = log(50.0 / 52);
  near(tick(&r, 8, 101), (x0 + x1 + x2) * y0 / sqrt((x0 * x0 + x1 * x1 + x2 * x2) * y0 * y0));
  hear(&r, 9, 55, 0); /* out of order: the chain breaks, and nothing is answered */
  assert_true(is_none(tick(&r, 10, 103)));
  hear(&r, 11, 70, 100000);
  double y1 = log(103.0 / 101);
  near(tick(&r, 12, 103),
       ((x0 + x1 + x2) * y0 + x2 * y1) / sqrt((x0 * x0 + x1 * x1 + x2 * x2) * (y0 * y0 + y1 * y1)));
  free(r.state);
}

static void a_full_ring_keeps_the_newest_price(void **state) {
  (void)state;
  static rig_t r;
  open_rig(&r, "lead_lag", (const double[]){1000, 60e9, 16});
  hear(&r, 0, 50, 100000);
  (void)tick(&r, 0, 100);
  for (uint32_t i = 1; i < 40; i++) hear(&r, i, 50 + i, 100000);
  double xx = pow(log(89.0 / 64), 2); /* the sixteenth has the place of all that came after it */
  for (uint32_t i = 1; i < 15; i++) xx += pow(log((50.0 + i) / (49.0 + i)), 2);
  near(tick(&r, 1015, 110), log(89.0 / 50) / sqrt(xx));
  free(r.state);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(the_best_of_those_that_are_good_and_whole_counts),
      cmocka_unit_test(the_age_is_of_the_one_that_is_asked_for),
      cmocka_unit_test(beta_and_correlation_of_what_moves_twice_as_far),
      cmocka_unit_test(a_tick_exactly_on_a_point_counts_for_it),
      cmocka_unit_test(a_quiet_spell_is_as_many_pairs_without_movement),
      cmocka_unit_test(pairs_with_an_unknown_price_are_passed_over),
      cmocka_unit_test(what_does_not_move_has_no_slope),
      cmocka_unit_test(lead_lag_finds_the_lag_at_which_one_follows),
      cmocka_unit_test(a_sample_counts_exactly_a_lag_later),
      cmocka_unit_test(increments_pair_with_all_that_they_overlap),
      cmocka_unit_test(a_full_ring_keeps_the_newest_price),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
