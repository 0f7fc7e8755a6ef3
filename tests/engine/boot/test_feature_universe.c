/* Features over all instruments: names and their errors, who is a member and when, on a lane on which time, books and the order
 * of events are what the test says. Their values by definition: tests/kernels/cross, tests/oracle/universe.py. */
#include "cmocka_tf.h"

#include <stdlib.h>
#include <string.h>

#include "boot/feature_compile.h"
#include "core/error.h"
#include "cross/registry.h"
#include "indicator/registry.h"
#include "stage/pipeline.h"

#define MS             UINT64_C(1000000)
#define BOOKS_OK       (1u << TF_BOOK_OK | 1u << TF_BOOK_NONE)
#define INSTRUMENT_CNT 40
#define VALUE_CNT      8

static tf_feature_compile_t *begun(bool bars_only, const tf_feature_universe_t *universe) {
  static const char *const BARS[] = {"s1", "s5"};
  tf_feature_compile_t    *c;
  tf_feature_env_t         env = {.indicators    = tf_indicators,
                                  .indicator_cnt = tf_indicator_cnt,
                                  .bar_names     = BARS,
                                  .bar_cnt       = 2,
                                  .plain_bar     = bars_only ? 0 : TF_FEATURE_COMPILE_NONE,
                                  .bars_only     = bars_only,
                                  .crosses       = &tf_cross_table};
  if (universe) env.universe = *universe;
  assert_int_equal(tf_feature_compile_begin(&c, &env), TF_OK);
  return c;
}

/* ---- names ---- */

static void a_canonical_name_says_its_parameters(void **state) {
  (void)state;
  static const char *const ROWS[][2] = {
      {"cs_rank( ema(mid,20) )",        "cs_rank(ema(mid,20))"                 },
      {"cs_quantile(mid)",              "cs_quantile(mid,0.5)"                 },
      {"cs_quantile(mid, 1/4)",         "cs_quantile(mid,0.25)"                },
      {"ema(cs_zscore(bid - ask), 5)",  "ema(cs_zscore(bid-ask),5)"            },
      {"cs_rank(s1.close - s5.close)",  "cs_rank(s1.close-s5.close)"           },
      {"cs_rank(macd(mid).macdsignal)", "cs_rank(macd(mid,12,26,9).macdsignal)"},
      {"cs_rank(cs_demean(mid))",       "cs_rank(cs_demean(mid))"              },
      {"cs_rank(mid)@ETH.SPOT",         "cs_rank(mid)@ETH.SPOT"                },
      {"cs_rank(mid@ETH.SPOT)",         "cs_rank(mid@ETH.SPOT)"                },
  };
  for (size_t i = 0; i < TF_ARRAY_CNT(ROWS); i++) {
    tf_feature_compile_t *c = begun(false, NULL);
    tf_feature_plan_t     plan;
    if (tf_feature_compile_add(c, NULL, ROWS[i][0], NULL) != TF_OK) fail_msg("%s", tf_error_text());
    assert_int_equal(tf_feature_compile_finish(c, &plan), TF_OK);
    assert_string_equal(tf_feature_plan_name(&plan, 0), ROWS[i][1]);
    assert_int_equal(tf_feature_compile_find(c, ROWS[i][1]), 0);
    tf_feature_plan_fini(&plan);
    tf_feature_compile_end(c);
  }
}

static void what_cannot_be_compared_is_refused_where_it_stands(void **state) {
  (void)state;
  static const char *const ROWS[][2] = {
      {"cs_rank",                  "expr:1:1: cs_rank needs a value to compare: write cs_rank(mid)"   },
      {"cs_rnk(mid)",              "expr:1:1: unknown indicator \"cs_rnk\", did you mean \"cs_rank\"?"},
      {"cs_rank(mid).high",        "expr:1:14: cs_rank has no fields"                                 },
      {"cs_rank(mid, 2)",          "expr:1:1: cs_rank takes at most 1 argument, found 2"              },
      {"cs_quantile(mid, 0.5, 1)", "expr:1:1: cs_quantile takes at most 2 arguments, found 3"         },
      {"cs_quantile(mid, 1.01)",
       "expr:1:18: found 1.01 for q of cs_quantile, which is a number from 0 to 1"                    },
      {"cs_quantile(mid, 1s)",     "expr:1:18: found 1s for q of cs_quantile"                         },
      {"cs_rank(3)",               "expr:1:9: found a number, which is the same of every instrument"  },
      {"cs_rank(md)",              "expr:1:9: unknown name \"md\", did you mean"                      },
      {"peek(cs_rank(s1.close))",  "expr:1:6: cs_rank(s1.close) moves with each tick already"         },
      {"cs_rank: mid",             "expr:1:1: the alias \"cs_rank\" is a feature over all instruments"},
  };
  for (size_t i = 0; i < TF_ARRAY_CNT(ROWS); i++) {
    tf_feature_compile_t *c = begun(false, NULL);
    assert_int_equal(tf_feature_compile_add(c, NULL, ROWS[i][0], NULL), E_CONFIG_EXPR);
    if (strncmp(tf_error_text(), ROWS[i][1], strlen(ROWS[i][1])) != 0)
      fail_msg("%s: %s", ROWS[i][0], tf_error_text());
    tf_feature_compile_end(c);
  }
  tf_feature_compile_t *c = begun(true, NULL);
  assert_int_equal(tf_feature_compile_add(c, NULL, "cs_rank(close)", NULL), E_CONFIG_EXPR);
  assert_non_null(strstr(tf_error_text(), "cs_rank compares instruments"));
  tf_feature_compile_end(c);
}

static void one_series_has_one_section(void **state) {
  (void)state;
  static const char *const TEXTS[] = {"cs_rank(mid)", "cs_zscore(bid)", "cs_zscore(mid)",
                                      "cs_mean(mid)", "cs_count(ask)",  "cs_rank(cs_mean(mid))"};
  tf_feature_compile_t    *c       = begun(false, NULL);
  tf_feature_plan_t        plan;
  for (size_t i = 0; i < TF_ARRAY_CNT(TEXTS); i++)
    assert_int_equal(tf_feature_compile_add(c, NULL, TEXTS[i], NULL), TF_OK);
  assert_int_equal(tf_feature_compile_finish(c, &plan), TF_OK);
  assert_int_equal(plan.section_cnt, 4);
  uint32_t seen[4] = {0}, puts = 0;
  for (size_t i = 0; i < TF_ARRAY_CNT(TEXTS); i++) {
    seen[plan.crosses[i].section]++;
    puts += plan.crosses[i].puts;
  }
  assert_int_equal(puts, 4);
  uint32_t both = 0;
  for (uint32_t i = 0; i < 4; i++)
    both += plan.section_reads[i] == (TF_SECTION_SUMS | TF_SECTION_ORDER) && seen[i] == 3;
  assert_int_equal(both, 1); /* of the mid: rank wants order, the others sums */
  tf_feature_plan_fini(&plan);
  tf_feature_compile_end(c);
}

/* ---- a lane ---- */

static struct {
  tf_feature_compile_t *compile;
  tf_feature_plan_t     plan;
  tf_lane_t             lane;
  tf_lane_instrument_t  instruments[INSTRUMENT_CNT];
  tf_instrument_t       names[INSTRUMENT_CNT];
  tf_hist_t             hists[TF_HOP_CNT];
  tf_arena_t            arena;
  uint64_t              now_ns, seq;
  double                row[VALUE_CNT];
} rig;

static void on_row(void *self, const tf_lane_instrument_t *in) {
  (void)self;
  for (uint32_t i = 0; i < rig.plan.feature_cnt; i++) rig.row[i] = in->row[i];
}

static void init_instrument(uint32_t i) {
  tf_lane_instrument_t *in = &rig.instruments[i];
  snprintf(rig.names[i].name, sizeof rig.names[i].name, "I%u.%s", i, i % 2 ? "ODD" : "EVEN");
  assert_int_equal(tf_buffer_init_instrument(in, &rig.arena, 16, 16), TF_OK);
  in->id       = i;
  in->features = tf_arena_take(&rig.arena, rig.plan.mem_bytes, 64);
  in->row      = tf_arena_take(&rig.arena, sizeof(double) * (rig.plan.feature_cnt + 1), 64);
  assert_int_equal(tf_feature_plan_init_state(&rig.plan, in->features), TF_OK);
  assert_int_equal(tf_peers_init_instrument(in, rig.plan.peer_cnt, &rig.arena), TF_OK);
}

static void open_lane(const tf_feature_universe_t *universe, const char *const *texts, size_t cnt) {
  memset(&rig, 0, sizeof rig);
  rig.now_ns  = UINT64_C(1700000000000000000);
  rig.compile = begun(false, universe);
  for (size_t i = 0; i < cnt; i++)
    if (tf_feature_compile_add(rig.compile, NULL, texts[i], NULL) != TF_OK)
      fail_msg("%s", tf_error_text());
  assert_int_equal(tf_feature_compile_finish(rig.compile, &rig.plan), TF_OK);
  assert_int_equal(tf_arena_init(&rig.arena, "test", (size_t)32 << 20), TF_OK);
  rig.lane.compute.plan   = &rig.plan;
  rig.lane.instruments    = rig.instruments;
  rig.lane.instrument_cap = INSTRUMENT_CNT;
  rig.lane.names          = rig.names;
  rig.lane.hists          = rig.hists;
  rig.lane.sample_every = rig.lane.sample_left = UINT32_MAX;
  rig.lane.watch                               = (tf_row_watch_t){&rig, on_row, NULL};
  for (uint32_t i = 0; i < INSTRUMENT_CNT; i++) init_instrument(i);
  assert_int_equal(tf_universe_init(&rig.lane.universe, &rig.plan, INSTRUMENT_CNT, &rig.arena),
                   TF_OK);
}

static void close_lane(void) {
  tf_arena_fini(&rig.arena);
  tf_feature_plan_fini(&rig.plan);
  tf_feature_compile_end(rig.compile);
}

static const tf_feature_universe_t ALL = {.books_ok = BOOKS_OK, .max_age_ns = 10 * MS};

#define LANE(universe, ...)                                                                        \
  static const char *const texts_[] = {__VA_ARGS__};                                               \
  open_lane(universe, texts_, TF_ARRAY_CNT(texts_))

static void send(tf_event_t *e, uint32_t id) {
  e->instrument_id = id;
  e->flags |= TF_FLAG_LAST;
  e->ts_recv_ns = rig.now_ns;
  e->ingest_seq = ++rig.seq;
  tf_lane_on_events(&rig.lane, e, 1, 0, 0);
}

/* A quote with this mid. */
static void quote(uint32_t id, int64_t mid) {
  tf_event_t e = {
      .kind    = TF_EVENT_QUOTE,
      .u.quote = {.bid_price = mid - 1, .ask_price = mid + 1, .bid_qty = 1, .ask_qty = 1}
  };
  send(&e, id);
}

static void status(uint32_t id, tf_book_state_t book, tf_trading_t trading) {
  tf_event_t e = {
      .kind = TF_EVENT_STATUS, .u.listing = {.book_state = book, .trading = trading}
  };
  send(&e, id);
}

static bool is_none(double x) { return x != x; }

static void a_tick_is_placed_among_the_newest_values_of_the_others(void **state) {
  (void)state;
  LANE(&ALL, "cs_rank(mid)", "cs_mean(mid)", "cs_count(mid)", "cs_rank(mid)@I0.EVEN");
  quote(0, 10);
  assert_true(is_none(rig.row[0]) && rig.row[1] == 10 && rig.row[2] == 1);
  quote(1, 20);
  assert_true(rig.row[0] == 1 && rig.row[1] == 15);
  quote(2, 15);
  assert_true(rig.row[0] == 0.5 && rig.row[2] == 3);
  quote(0, 30);
  assert_true(rig.row[0] == 1 && rig.row[3] == 1);
  quote(2, 40);
  assert_true(rig.row[0] == 1 && rig.row[3] == 1); /* as of that one's last tick */
  quote(1, 30);
  assert_true(rig.row[0] == 0.25); /* two share the least rank */
  close_lane();
}

static void a_value_that_is_not_there_yet_does_not_count(void **state) {
  (void)state;
  LANE(&ALL, "cs_count(ema(mid, 3))", "cs_rank(ema(mid, 3))");
  for (int i = 0; i < 3; i++) {
    quote(0, 10);
    assert_true(i == 2 ? rig.row[0] == 1 : is_none(rig.row[0]));
  }
  quote(1, 10);
  assert_true(is_none(rig.row[0]) && is_none(rig.row[1]));
  quote(1, 10);
  quote(1, 11);
  assert_true(rig.row[0] == 2 && rig.row[1] == 1);
  close_lane();
}

static void who_is_silent_leaves_after_max_age_and_comes_back_with_a_tick(void **state) {
  (void)state;
  LANE(&ALL, "cs_count(mid)");
  quote(0, 10);
  rig.now_ns += 10 * MS;
  quote(1, 20);
  assert_true(rig.row[0] == 2); /* just as old as it may be */
  rig.now_ns += 1;
  quote(1, 20);
  assert_true(rig.row[0] == 1);
  assert_int_equal(rig.lane.universe.left, 1);
  quote(0, 10);
  assert_true(rig.row[0] == 2);
  rig.now_ns -= 20 * MS; /* another connection's clock is behind */
  quote(2, 10);
  assert_true(rig.row[0] == 3);
  close_lane();
}

static void no_tick_pays_for_more_than_so_many_that_leave(void **state) {
  (void)state;
  LANE(&ALL, "cs_count(mid)");
  for (uint32_t i = 0; i < INSTRUMENT_CNT; i++) quote(i, i + 10);
  assert_true(rig.row[0] == INSTRUMENT_CNT);
  rig.now_ns += 10 * MS + 1;
  uint32_t left = INSTRUMENT_CNT;
  for (uint32_t i = 0; i < 4; i++) {
    quote(7, 5);
    left -= left - 1 < TF_UNIVERSE_LEAVE_MAX ? left - 1 : TF_UNIVERSE_LEAVE_MAX;
    assert_true(rig.row[0] == left);
  }
  assert_int_equal(left, 1);
  assert_int_equal(rig.lane.universe.member_cnt, 1);
  close_lane();
}

static void who_is_not_fit_is_out_until_it_is(void **state) {
  (void)state;
  LANE(&ALL, "cs_count(mid)", "cs_rank(mid)");
  quote(0, 10);
  quote(1, 20);
  status(1, TF_BOOK_GAP, TF_TRADING_UNSAID);
  assert_true(is_none(rig.row[0]) && is_none(rig.row[1])); /* its own */
  quote(0, 11);
  assert_true(rig.row[0] == 1);
  status(1, TF_BOOK_NONE, TF_TRADING_UNSAID);
  quote(0, 11);
  assert_true(rig.row[0] == 2);
  status(1, TF_BOOK_NONE, TF_TRADING_HALTED);
  quote(0, 11);
  assert_true(rig.row[0] == 1);
  close_lane();
}

static void a_universe_of_names_has_these_alone(void **state) {
  (void)state;
  static const char *const    NAMES[] = {"*.ODD", "I0.EVEN"};
  const tf_feature_universe_t some    = {.instruments = NAMES,
                                         .name_cnt    = 2,
                                         .books_ok    = BOOKS_OK,
                                         .max_age_ns  = TF_FEATURE_AGE_NS_MAX};
  LANE(&some, "cs_count(mid)", "mid");
  for (uint32_t i = 0; i < 6; i++) {
    quote(i, 10);
    bool is_in = i % 2 || i == 0;
    assert_true(is_in ? rig.row[0] == (i + 1) / 2 + 1 : is_none(rig.row[0]));
    assert_true(rig.row[1] == 10);
  }
  rig.now_ns += UINT64_C(1000000000) * MS; /* any age */
  quote(0, 10);
  assert_true(rig.row[0] == 4);
  close_lane();
}

static void a_plan_without_crosses_takes_no_memory(void **state) {
  (void)state;
  LANE(&ALL, "mid");
  assert_int_equal(tf_universe_bytes(&rig.plan, INSTRUMENT_CNT), 0);
  quote(0, 10);
  assert_null(rig.instruments[0].market.seat);
  close_lane();
}

/* What a warm-up leaves (tf_snapshot_warm): the universe of then is not that of now. */
static void a_cleared_universe_begins_anew(void **state) {
  (void)state;
  LANE(&ALL, "cs_count(mid)", "cs_quantile(mid, 1)");
  for (uint32_t i = 0; i < 9; i++) quote(i, 100 + i);
  tf_universe_clear(&rig.lane.universe);
  for (uint32_t i = 0; i < INSTRUMENT_CNT; i++) rig.instruments[i].is_live = false;
  quote(3, 50);
  assert_true(rig.row[0] == 1 && rig.row[1] == 50);
  quote(4, 60);
  assert_true(rig.row[0] == 2 && rig.row[1] == 60);
  close_lane();
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_canonical_name_says_its_parameters),
      cmocka_unit_test(what_cannot_be_compared_is_refused_where_it_stands),
      cmocka_unit_test(one_series_has_one_section),
      cmocka_unit_test(a_tick_is_placed_among_the_newest_values_of_the_others),
      cmocka_unit_test(a_value_that_is_not_there_yet_does_not_count),
      cmocka_unit_test(who_is_silent_leaves_after_max_age_and_comes_back_with_a_tick),
      cmocka_unit_test(no_tick_pays_for_more_than_so_many_that_leave),
      cmocka_unit_test(who_is_not_fit_is_out_until_it_is),
      cmocka_unit_test(a_universe_of_names_has_these_alone),
      cmocka_unit_test(a_plan_without_crosses_takes_no_memory),
      cmocka_unit_test(a_cleared_universe_begins_anew),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
