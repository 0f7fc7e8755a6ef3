/* Market indicators on cases worked out by hand. */
#include "cmocka_tf.h"

#include <stdlib.h>
#include <string.h>

#include "indicator/registry.h"
#include "market_script.h"

typedef struct rig {
  const tf_indicator_t *d;
  void                 *state;
  tf_market_t           market;
  tf_event_t            event;
  tf_book_t             book;
  int64_t               qtys[2][8][TF_BOOK_PAGE_PRICES];
  tf_book_page_t        pages[2][8];
  uint32_t              order[2][8];
} rig_t;

static void open_rig(rig_t *r, const char *name, const double *params) {
  double nan = __builtin_nan("");
  *r         = (rig_t){.d = NULL};
  for (uint32_t i = 0; i < tf_indicator_cnt; i++) {
    if (strcmp(tf_indicators[i]->name, name) == 0) r->d = tf_indicators[i];
  }
  assert_non_null(r->d);
  r->state = malloc(r->d->state_bytes(params));
  assert_int_equal(r->d->init(r->state, params), TF_OK);
  r->book = (tf_book_t){
      .bid   = {r->qtys[0], r->pages[0], r->order[0], 0, 0, 1, 0 },
      .ask   = {r->qtys[1], r->pages[1], r->order[1], 0, 0, 1, -1},
      .state = TF_BOOK_NONE
  };
  r->market = (tf_market_t){.event       = &r->event,
                            .book        = &r->book,
                            .bid         = nan,
                            .ask         = nan,
                            .bid_qty     = nan,
                            .ask_qty     = nan,
                            .trade_price = nan,
                            .trade_qty   = nan};
}

static double call(rig_t *r, uint32_t on) {
  double                out[TF_INDICATOR_OUTPUTS_MAX] = {0};
  tf_indicator_input_t  in                            = {.on = on, .market = &r->market};
  tf_indicator_result_t result                        = r->d->update(r->state, &in, out);
  return result == TF_INDICATOR_READY ? out[0] : __builtin_nan("");
}

static void bbo(rig_t *r, double bid, double bid_qty, double ask, double ask_qty) {
  r->market.bid     = bid;
  r->market.bid_qty = bid_qty;
  r->market.ask     = ask;
  r->market.ask_qty = ask_qty;
}

static double ofi_of(rig_t *r, double bid, double bid_qty, double ask, double ask_qty) {
  r->market.now_ns++;
  bbo(r, bid, bid_qty, ask, ask_qty);
  return call(r, TF_ON_TICK);
}

static void ofi_adds_up_each_kind_of_change_of_the_paper(void **state) {
  (void)state;
  static const double PARAMS[] = {1e9, 64};
  static rig_t        r;
  open_rig(&r, "ofi", PARAMS);
  assert_true(ofi_of(&r, 100, 5, 101, 7) == 0);
  assert_true(ofi_of(&r, 100, 8, 101, 7) == 3);   /* size joins the bid: +3 */
  assert_true(ofi_of(&r, 100, 8, 101, 9) == 1);   /* size joins the offer: -2 */
  assert_true(ofi_of(&r, 100.5, 2, 101, 9) == 3); /* a better bid: +its size */
  assert_true(ofi_of(&r, 100, 8, 101, 9) == 1);   /* that bid goes: -its size */
  assert_true(ofi_of(&r, 100, 8, 102, 4) == 10);  /* the offer is taken away: +its size */
  assert_true(ofi_of(&r, 100, 8, 101.5, 6) == 4); /* a better offer: -its size */
  assert_true(ofi_of(&r, 100, 8, 101.5, 6) == 4); /* nothing changes */
  r.market.now_ns += 1000000000;
  assert_true(call(&r, TF_ON_TICK) == 0); /* all of it one window ago */
  free(r.state);
}

static void ofi_counts_every_quote_but_books_only_at_ticks(void **state) {
  (void)state;
  static const double PARAMS[] = {1e9, 64};
  static rig_t        r;
  open_rig(&r, "ofi", PARAMS);
  assert_true(r.d->on == (TF_ON_QUOTE | TF_ON_TICK));
  r.market.has_quote = true;
  bbo(&r, 100, 5, 101, 7);
  (void)call(&r, TF_ON_QUOTE);
  bbo(&r, 99, 1, 101, 7); /* -5, and */
  (void)call(&r, TF_ON_QUOTE);
  bbo(&r, 100, 5, 101, 7); /* +5: both seen, in one message */
  (void)call(&r, TF_ON_QUOTE);
  bbo(&r, 100, 6, 101, 7);
  assert_true(call(&r, TF_ON_TICK) == 1);
  free(r.state);
}

static void ofi_does_not_compare_across_a_gap_of_the_book(void **state) {
  (void)state;
  static const double PARAMS[] = {1e9, 64};
  static rig_t        r;
  open_rig(&r, "ofi", PARAMS);
  r.book.state = TF_BOOK_OK;
  assert_true(ofi_of(&r, 100, 5, 101, 7) == 0);
  assert_true(ofi_of(&r, 100, 6, 101, 7) == 1);
  r.book.state = TF_BOOK_GAP;
  assert_true(ofi_of(&r, 90, 1, 91, 1) == 1);
  r.book.state = TF_BOOK_SYNCING;
  assert_true(ofi_of(&r, 91, 1, 92, 1) == 1);
  r.book.state = TF_BOOK_OK;
  assert_true(ofi_of(&r, 120, 2, 121, 3) == 1);
  assert_true(ofi_of(&r, 120, 4, 121, 3) == 3);
  r.market.has_quote = true; /* quotes do not care about the book */
  r.book.state       = TF_BOOK_GAP;
  assert_true(ofi_of(&r, 120, 5, 121, 3) == 4);
  free(r.state);
}

static void ofi_passes_over_a_missing_side(void **state) {
  (void)state;
  static const double PARAMS[] = {1e9, 64};
  static rig_t        r;
  double              nan = __builtin_nan("");
  open_rig(&r, "ofi", PARAMS);
  assert_true(ofi_of(&r, 100, 5, 101, 7) == 0);
  assert_true(ofi_of(&r, nan, nan, 101, 7) != 0);
  assert_true(ofi_of(&r, 100, 9, 101, 7) == 4); /* against the last whole one */
  free(r.state);
}

static void imbalance_takes_the_best_levels_and_the_bbo_without_a_book(void **state) {
  (void)state;
  static const double TWO[] = {2};
  static rig_t        r;
  open_rig(&r, "imbalance", TWO);
  bbo(&r, 100, 30, 101, 10);
  assert_true(call(&r, TF_ON_TICK) == 0.5);
  r.market.book = NULL;
  assert_true(call(&r, TF_ON_TICK) == 0.5);
  r.market.book = &r.book;
  r.book.state  = TF_BOOK_OK;
  script_set_side(&r.book.bid, (int64_t[]){103, 102, 101}, (int64_t[]){4, 2, 1000}, 3);
  script_set_side(&r.book.ask, (int64_t[]){104}, (int64_t[]){2}, 1);
  assert_true(call(&r, TF_ON_TICK) == 0.5); /* (6 - 2) / (6 + 2) */
  r.book.change_cnt++;
  script_set_side(&r.book.ask, NULL, NULL, 0);
  assert_true(call(&r, TF_ON_TICK) != 0.5);
  r.book.change_cnt++;
  script_set_side(&r.book.bid, (int64_t[]){103, 102}, (int64_t[]){INT64_MAX, INT64_MAX}, 2);
  script_set_side(&r.book.ask, (int64_t[]){104, 105}, (int64_t[]){INT64_MAX, INT64_MAX}, 2);
  assert_true(call(&r, TF_ON_TICK) == 0);
  free(r.state);
}

/* Prices up to three pages apart, so that pages are full, thin and left out; sizes that pass 63 bits together. */
static void imbalance_is_that_of_the_levels_one_by_one_wherever_pages_begin(void **state) {
  (void)state;
  enum { LEVELS = 14 };
  static rig_t r;
  uint64_t     x = 88172645463325252u;
  for (int round = 0; round < 3000; round++) {
    int64_t prices[2][LEVELS], qtys[2][LEVELS];
    double  totals[2];
    x ^= x << 13, x ^= x >> 7, x ^= x << 17;
    const uint32_t wanted = 1 + (uint32_t)(x >> 20) % (LEVELS + 1);
    for (int side = 0; side < 2; side++) {
      __extension__ __int128 total = 0;
      int64_t                price = 1000 + (int64_t)(x % 9);
      for (uint32_t i = 0; i < LEVELS; i++) {
        x ^= x << 13, x ^= x >> 7, x ^= x << 17;
        price += (side ? 1 : -1) * (1 + (int64_t)(x % 100 < 70 ? 0 : x >> 8 & 3));
        prices[side][i] = price;
        qtys[side][i]   = round % 2 ? 1 + (int64_t)(x >> 30 & 0xfffff) : INT64_MAX - (int64_t)i;
        if (i < wanted) total += qtys[side][i];
      }
      totals[side] = (double)total;
    }
    open_rig(&r, "imbalance", (double[]){wanted});
    r.book.state = TF_BOOK_OK;
    script_set_side(&r.book.bid, prices[0], qtys[0], LEVELS);
    script_set_side(&r.book.ask, prices[1], qtys[1], LEVELS);
    assert_true(call(&r, TF_ON_TICK) == (totals[0] - totals[1]) / (totals[0] + totals[1]));
    free(r.state);
  }
}

static void imbalance_of_an_unchanged_book_is_not_added_up_again(void **state) {
  (void)state;
  static const double TWO[] = {2};
  static rig_t        r;
  open_rig(&r, "imbalance", TWO);
  r.book.state = TF_BOOK_OK;
  script_set_side(&r.book.bid, (int64_t[]){103}, (int64_t[]){3}, 1);
  script_set_side(&r.book.ask, (int64_t[]){104}, (int64_t[]){1}, 1);
  assert_true(call(&r, TF_ON_TICK) == 0.5);
  script_set_side(&r.book.ask, (int64_t[]){104}, (int64_t[]){3}, 1); /* behind its back */
  assert_true(call(&r, TF_ON_TICK) == 0.5);
  r.book.change_cnt++;
  assert_true(call(&r, TF_ON_TICK) == 0);
  r.book.state = TF_BOOK_NONE; /* no depth: nothing of it is kept */
  bbo(&r, 100, 30, 101, 10);
  assert_true(call(&r, TF_ON_TICK) == 0.5);
  r.book.state = TF_BOOK_OK;
  assert_true(call(&r, TF_ON_TICK) == 0);
  free(r.state);
}

static void microprice_leans_to_the_thin_side(void **state) {
  (void)state;
  static rig_t r;
  open_rig(&r, "microprice", NULL);
  bbo(&r, 100, 9, 110, 1);
  assert_true(call(&r, TF_ON_TICK) == 109);
  bbo(&r, 100, 0, 110, 0);
  double none = call(&r, TF_ON_TICK);
  assert_true(none != none);
  free(r.state);
}

static void backfilled_trades_are_left_out_of_windows(void **state) {
  (void)state;
  static const double PARAMS[] = {1e9, 64};
  static rig_t        r;
  open_rig(&r, "volume", PARAMS);
  r.market.trade_price = 10;
  r.market.trade_qty   = 2;
  (void)call(&r, TF_ON_TRADE);
  r.event.flags = TF_FLAG_BACKFILL;
  (void)call(&r, TF_ON_TRADE);
  assert_true(call(&r, TF_ON_TICK) == 2);
  free(r.state);
}

static bool is_near(double a, double b) { return __builtin_fabs(a - b) <= 1e-12 * (1 + b); }
static bool is_none(double x) { return x != x; }

static void trade(rig_t *r, double price, double qty, int side) {
  r->market.trade_price = price;
  r->market.trade_qty   = qty;
  r->market.trade_side  = side;
  (void)call(r, TF_ON_TRADE);
}

static void four_levels(rig_t *r) {
  r->book.state = TF_BOOK_OK;
  r->book.change_cnt++;
  script_set_side(&r->book.bid, (int64_t[]){100, 99}, (int64_t[]){2, 2}, 2);
  script_set_side(&r->book.ask, (int64_t[]){102, 103}, (int64_t[]){1, 3}, 2);
}

static void impact_walks_the_book_and_invents_no_level(void **state) {
  (void)state;
  static const double QTYS[] = {1, 2, 4, 4.000001};
  static const double WANT[] = {1, 1.5, 1.75};
  for (uint32_t i = 0; i < TF_ARRAY_CNT(QTYS); i++) {
    static rig_t r;
    open_rig(&r, "impact", &QTYS[i]);
    four_levels(&r);
    double cost = call(&r, TF_ON_TICK);
    assert_true(i < 3 ? is_near(cost, WANT[i] / 101 * 1e4) : is_none(cost));
    free(r.state);
  }
}

static void distance_takes_in_its_limit(void **state) {
  (void)state;
  static const double BPS = 200;
  static rig_t        r;
  open_rig(&r, "imbalance_bps", &BPS);
  r.book.state = TF_BOOK_OK;
  script_set_side(&r.book.bid, (int64_t[]){99, 98, 97}, (int64_t[]){2, 2, 50}, 3);
  script_set_side(&r.book.ask, (int64_t[]){101, 102, 103}, (int64_t[]){1, 1, 50}, 3);
  assert_true(is_near(call(&r, TF_ON_TICK), 2.0 / 6)); /* 98 to 102 are 2 % of 100 away */
  free(r.state);
}

static void mlofi_follows_one_level_and_not_across_a_gap(void **state) {
  (void)state;
  static const double PARAMS[] = {1e9, 2, 64};
  static rig_t        r;
  open_rig(&r, "mlofi", PARAMS);
  four_levels(&r);
  assert_true(call(&r, TF_ON_TICK) == 0);
  r.book.change_cnt++;
  script_set_side(&r.book.bid, (int64_t[]){100, 99}, (int64_t[]){9, 7}, 2); /* +5 at the second */
  assert_true(call(&r, TF_ON_TICK) == 5);
  r.book.change_cnt++;
  script_set_side(&r.book.ask, (int64_t[]){102}, (int64_t[]){1}, 1); /* no second level */
  assert_true(is_none(call(&r, TF_ON_TICK)));
  four_levels(&r);
  assert_true(call(&r, TF_ON_TICK) == 0); /* against the last whole pair: -5 */
  r.book.state = TF_BOOK_GAP;
  r.book.change_cnt++;
  script_set_side(&r.book.bid, (int64_t[]){100, 99}, (int64_t[]){9, 70}, 2);
  assert_true(call(&r, TF_ON_TICK) == 0);
  r.book.state = TF_BOOK_OK;
  r.book.change_cnt++;
  assert_true(call(&r, TF_ON_TICK) == 0);
  free(r.state);
}

static void vpin_cuts_volume_into_equal_buckets(void **state) {
  (void)state;
  static const double PARAMS[] = {1, 2, 0, 10};
  static rig_t        r;
  open_rig(&r, "vpin", PARAMS);
  for (uint32_t i = 0; i < 10; i++) trade(&r, 100, 0.1, 1); /* ten tenths are full */
  trade(&r, 100, 0.5, -1);
  trade(&r, 100, 0, 1); /* nothing traded, nothing filled */
  assert_true(is_none(call(&r, TF_ON_TICK)));
  trade(&r, 100, 0.5, 1);
  assert_true(is_near(call(&r, TF_ON_TICK), 0.5)); /* (1 + 0) / 2 */
  trade(&r, 100, 1, 0);                            /* of unknown side: balanced */
  assert_true(is_near(call(&r, TF_ON_TICK), 0));
  trade(&r, 100, 1e9 + 0.5, -1); /* more buckets than are kept */
  assert_true(is_near(call(&r, TF_ON_TICK), 1));
  trade(&r, 100, 0.5, 1); /* its half, and this one */
  assert_true(is_near(call(&r, TF_ON_TICK), 0.5));
  trade(&r, 100, 1e149, 1);
  assert_true(is_near(call(&r, TF_ON_TICK), 1));
  free(r.state);
}

static void vpin_by_bulk_asks_prices_and_not_aggressors(void **state) {
  (void)state;
  static const double PARAMS[]  = {1, 1, 1, 2},
                      ONE_SIGMA = 0.68268949213708590; /* erf(1 / sqrt 2) */
  static rig_t r;
  open_rig(&r, "vpin", PARAMS);
  trade(&r, 100, 0.25, 1);
  trade(&r, 100, 0.25, -1); /* the first bar: half and half */
  assert_true(is_none(call(&r, TF_ON_TICK)));
  trade(&r, 101, 0.5, -1); /* up by one sigma */
  assert_true(is_near(call(&r, TF_ON_TICK), ONE_SIGMA / 2));
  trade(&r, 100, 0.5, 1); /* down by one */
  trade(&r, 100, 0.5, 1); /* stays */
  assert_true(is_near(call(&r, TF_ON_TICK), ONE_SIGMA / 2));
  trade(&r, 100, 1e9 + 0.5,
        1); /* more bars than are kept, all at one price, and one of the next bucket */
  assert_true(is_near(call(&r, TF_ON_TICK), 0));
  trade(&r, 200, 0.5, 0); /* beyond eight sigma: all of it was bought */
  assert_true(is_near(call(&r, TF_ON_TICK), ONE_SIGMA / 2) || call(&r, TF_ON_TICK) > 0.4);
  free(r.state);
}

static void a_full_ring_of_waiting_trades_loses_none(void **state) {
  (void)state;
  static const double PARAMS[] = {3600e9, 1e9, 16};
  static rig_t        r;
  open_rig(&r, "realised_spread", PARAMS);
  bbo(&r, 99, 1, 101, 1);
  for (uint32_t i = 0; i < 1000; i++) { /* no tick between: nothing can leave */
    trade(&r, i < 500 ? 101 : 102, 1, 1);
    r.market.now_ns += 200000000;
  }
  assert_true(is_near(call(&r, TF_ON_TICK), 300)); /* 500 times 1 and 500 times 2 above 100 */
  free(r.state);
}

static void equal_prices_bounce_nowhere(void **state) {
  (void)state;
  static const double PARAMS[] = {1e9, 64};
  static rig_t        r;
  open_rig(&r, "roll", PARAMS);
  for (uint32_t i = 0; i < 5; i++) trade(&r, 100.1, 1, 1);
  assert_true(is_none(call(&r, TF_ON_TICK)));
  for (uint32_t i = 0; i < 64; i++) trade(&r, i % 2 ? 100.1 : 100.2, 1, 1);
  r.market.now_ns += 500000000;
  assert_true(call(&r, TF_ON_TICK) < 0.2);
  free(r.state);
}

static void hawkes_decays_and_time_does_not_run_backwards(void **state) {
  (void)state;
  static const double PARAMS[] = {0, 1, 1};
  static rig_t        r;
  open_rig(&r, "hawkes", PARAMS);
  r.market.now_ns = 1000000000;
  trade(&r, 100, 1, 1);
  r.market.now_ns = 0;
  assert_true(call(&r, TF_ON_TICK) == 1);
  r.market.now_ns = 1000000000 + 693147181; /* ln 2 */
  assert_true(__builtin_fabs(call(&r, TF_ON_TICK) - 0.5) < 1e-9);
  r.market.now_ns = UINT64_MAX;
  assert_true(call(&r, TF_ON_TICK) == 0);
  free(r.state);
}

/* ---- texts ---- */

static double text(rig_t *r, double score, uint64_t now_ns) {
  r->market.text_score = score;
  r->market.now_ns = r->market.text_ns = now_ns;
  (void)call(r, TF_ON_TEXT);
  return call(r, TF_ON_TICK);
}

static void texts_have_no_values_before_the_first(void **state) {
  (void)state;
  static const char *const NAMES[]  = {"text_age",     "text_confidence", "text_label",
                                       "text_novelty", "text_score",      "text_score_ema"};
  static const double      PARAMS[] = {60e9};
  static rig_t             r;
  for (size_t i = 0; i < TF_ARRAY_CNT(NAMES); i++) {
    open_rig(&r, NAMES[i], PARAMS);
    r.market.text_score = r.market.text_confidence = __builtin_nan("");
    r.market.text_novelty = r.market.text_label = __builtin_nan("");
    r.market.now_ns                             = 5;
    const double value                          = call(&r, TF_ON_TICK);
    assert_true(value != value);
    free(r.state);
  }
}

static void texts_age_is_since_the_last_and_never_negative(void **state) {
  (void)state;
  static rig_t r;
  open_rig(&r, "text_age", NULL);
  r.market.text_ns = 1000000000;
  r.market.now_ns  = 3500000000;
  assert_true(call(&r, TF_ON_TICK) == 2.5);
  r.market.now_ns = 1;
  assert_true(call(&r, TF_ON_TICK) == 0);
  free(r.state);
}

static void texts_are_counted_while_the_window_holds_them(void **state) {
  (void)state;
  static const double PARAMS[] = {10e9, 16};
  static rig_t        r;
  open_rig(&r, "text_count", PARAMS);
  assert_true(call(&r, TF_ON_TICK) == 0);
  assert_true(text(&r, 1, 1000000000) == 1);
  assert_true(text(&r, 1, 5000000000) == 2);
  r.market.now_ns = 10999999999;
  assert_true(call(&r, TF_ON_TICK) == 2);
  r.market.now_ns = 11000000000;
  assert_true(call(&r, TF_ON_TICK) == 1);
  r.market.now_ns = 15000000000;
  assert_true(call(&r, TF_ON_TICK) == 0);
  free(r.state);
}

/* Against the sum over all texts, each weighed anew. */
static void scores_weigh_half_after_each_half(void **state) {
  (void)state;
  static const double PARAMS[] = {2e9};
  static rig_t        r;
  double              scores[40], times[40];
  open_rig(&r, "text_score_ema", PARAMS);
  assert_true(text(&r, 0.5, 1000000000) == 0.5);
  assert_true(text(&r, -1, 3000000000) == (0.25 - 1) / 1.5);
  r.d->reset(r.state);
  for (uint32_t i = 0; i < 40; i++) {
    scores[i]          = (double)((i * 7919) % 41) / 20 - 1;
    times[i]           = (double)i * 0.25 + (double)(i % 5);
    const double found = text(&r, scores[i], (uint64_t)(times[i] * 1e9));
    double       sum = 0, weights = 0, now = 0;
    for (uint32_t k = 0; k <= i; k++) now = times[k] > now ? times[k] : now;
    for (uint32_t k = 0, latest = 0; k <= i; k++) {
      latest        = times[k] > times[latest] ? k : latest; /* time does not run backwards */
      double weight = __builtin_pow(0.5, (now - times[latest]) / 2);
      sum += weight * scores[k];
      weights += weight;
    }
    assert_true(__builtin_fabs(found - sum / weights) < 1e-12);
  }
  const double before = call(&r, TF_ON_TICK);
  (void)text(&r, __builtin_nan(""), 100000000000); /* rejected */
  assert_true(call(&r, TF_ON_TICK) == before);
  free(r.state);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(ofi_passes_over_a_missing_side),
      cmocka_unit_test(ofi_does_not_compare_across_a_gap_of_the_book),
      cmocka_unit_test(ofi_adds_up_each_kind_of_change_of_the_paper),
      cmocka_unit_test(ofi_counts_every_quote_but_books_only_at_ticks),
      cmocka_unit_test(imbalance_takes_the_best_levels_and_the_bbo_without_a_book),
      cmocka_unit_test(imbalance_is_that_of_the_levels_one_by_one_wherever_pages_begin),
      cmocka_unit_test(imbalance_of_an_unchanged_book_is_not_added_up_again),
      cmocka_unit_test(microprice_leans_to_the_thin_side),
      cmocka_unit_test(backfilled_trades_are_left_out_of_windows),
      cmocka_unit_test(impact_walks_the_book_and_invents_no_level),
      cmocka_unit_test(distance_takes_in_its_limit),
      cmocka_unit_test(mlofi_follows_one_level_and_not_across_a_gap),
      cmocka_unit_test(vpin_cuts_volume_into_equal_buckets),
      cmocka_unit_test(vpin_by_bulk_asks_prices_and_not_aggressors),
      cmocka_unit_test(a_full_ring_of_waiting_trades_loses_none),
      cmocka_unit_test(equal_prices_bounce_nowhere),
      cmocka_unit_test(hawkes_decays_and_time_does_not_run_backwards),
      cmocka_unit_test(texts_have_no_values_before_the_first),
      cmocka_unit_test(texts_age_is_since_the_last_and_never_negative),
      cmocka_unit_test(texts_are_counted_while_the_window_holds_them),
      cmocka_unit_test(scores_weigh_half_after_each_half),
  };
  return cmocka_run_group_tests_name("indicator_market", tests, NULL, NULL);
}
