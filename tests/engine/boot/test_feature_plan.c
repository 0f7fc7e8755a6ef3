/* Texts to plans to values: names and their errors, common sub-expressions, clocks, warm-up, NaN. */
#include "cmocka_tf.h"

#include <stdlib.h>
#include <string.h>

#include "boot/feature_compile.h"
#include "core/error.h"
#include "indicator/registry.h"

typedef struct row {
  const char *text;
  const char *want;
} row_t;

static const char *const BARS[] = {"s1", "t100"};

static tf_feature_env_t env_with(const tf_indicator_t *const *table, uint32_t cnt) {
  return (tf_feature_env_t){.indicators    = table,
                            .indicator_cnt = cnt,
                            .bar_names     = BARS,
                            .bar_cnt       = TF_ARRAY_CNT(BARS),
                            .plain_bar     = TF_FEATURE_COMPILE_NONE};
}

static tf_feature_compile_t *begun(void) {
  tf_feature_compile_t *c;
  tf_feature_env_t      env = env_with(tf_indicators, tf_indicator_cnt);
  assert_int_equal(tf_feature_compile_begin(&c, &env), TF_OK);
  return c;
}

static void must_add(tf_feature_compile_t *c, const char *text) {
  if (tf_feature_compile_add(c, NULL, text, NULL) != TF_OK) fail_msg("%s", tf_error_text());
}

/* A plan with one instrument's memory. */
typedef struct rig {
  tf_feature_compile_t *compile;
  tf_feature_plan_t     plan;
  void                 *mem;
  tf_market_t           market;
  tf_event_t            event;
  double                row[TF_FEATURE_PLAN_ROW_MAX];
} rig_t;

static void rig_open(rig_t *r, tf_feature_compile_t *c) {
  double nan = __builtin_nan("");
  *r         = (rig_t){.compile = c};
  assert_int_equal(tf_feature_compile_finish(c, &r->plan), TF_OK);
  assert_int_equal(r->plan.mem_bytes % 64, 0);
  r->mem = aligned_alloc(64, r->plan.mem_bytes);
  assert_non_null(r->mem);
  assert_int_equal(tf_feature_plan_init_state(&r->plan, r->mem), TF_OK);
  r->market = (tf_market_t){
      .bid = nan, .ask = nan, .bid_qty = nan, .ask_qty = nan, .trade_price = nan, .trade_qty = nan};
}

static void rig_list(rig_t *r, const char *const *texts, size_t cnt) {
  tf_feature_compile_t *c = begun();
  for (size_t i = 0; i < cnt; i++) must_add(c, texts[i]);
  rig_open(r, c);
  r->market.event = &r->event;
}

static void rig_close(rig_t *r) {
  free(r->mem);
  tf_feature_plan_fini(&r->plan);
  tf_feature_plan_fini(&r->plan); /* accepts a zeroed one */
  tf_feature_compile_end(r->compile);
}

#define RIG(r, ...)                                                                                \
  static const char *const texts_[] = {__VA_ARGS__};                                               \
  static rig_t             r;                                                                      \
  rig_list(&r, texts_, TF_ARRAY_CNT(texts_))

static bool tick(rig_t *r) { return tf_feature_plan_on_tick(&r->plan, r->mem, &r->market, r->row); }

static bool quote(rig_t *r, double bid, double ask) {
  r->market.bid     = bid;
  r->market.ask     = ask;
  r->market.bid_qty = r->market.ask_qty = 1;
  r->market.now_ns += 1000;
  tf_feature_plan_on_event(&r->plan, r->mem, &r->market, TF_ON_QUOTE);
  return tick(r);
}

static void trade(rig_t *r, uint64_t now_ns, double price, double qty) {
  r->market.now_ns      = now_ns;
  r->market.trade_price = price;
  r->market.trade_qty   = qty;
  r->market.trade_side  = 1;
  tf_feature_plan_on_event(&r->plan, r->mem, &r->market, TF_ON_TRADE);
}

static void bar(rig_t *r, uint32_t idx, double close) {
  tf_bar_t b = {.open       = close - 1,
                .high       = close + 1,
                .low        = close - 2,
                .close      = close,
                .volume     = 10,
                .notional   = 10 * close,
                .buy_volume = 4,
                .trade_cnt  = 3};
  tf_feature_plan_on_bar(&r->plan, r->mem, idx, &b);
}

/* ---- names ---- */

static const row_t BAD[] = {
    {"emma(mid, 20)",                 "1: unknown indicator \"emma\", did you mean \"ema\"?"                          },
    {"1 + midd",                      "5: unknown name \"midd\", did you mean \"mid\"?"                               },
    {"volatility",                    "1: unknown name \"volatility\"; known are ac"                                  },
    {"xyzzy(3)",                      "1: unknown indicator \"xyzzy\"; known are ac"                                  },
    {"s2.close",                      "1: unknown name \"s2\", did you mean \"s1\"?"                                  },
    {"s1",                            "1: s1 is a bar; name one of its fields, as in s1.close"                        },
    {"s1.clsoe",                      "4: s1 has no \"clsoe\", did you mean \"close\"?; it has open, high, low, close"},
    {"s1.bid",                        "4: s1 has no \"bid\"; it has open"                                             },
    {"mid.low",                       "5: mid has no \"low\"; it has mid"                                             },
    {"close",                         "1: unknown name \"close\""                                                     },
    {"score",                         "1: score is known to rules only"                                               },
    {"ema(score, 20)",                "5: score is known to rules only"                                               },
    {"ema",                           "1: ema needs a series to work on: write ema(mid) or ema(s1.close)"             },
    {"rsi(14)",                       "1: rsi needs a series to work on: write rsi(mid) or rsi(s1.close)"             },
    {"ema(mid, 20, 3)",               "14: ema takes at most 2 arguments, found 3"                                    },
    {"mid(3)",                        "5: mid takes at most 0 arguments, found 1"                                     },
    {"ema(mid, 0)",                   "10: found 0 for timeperiod of ema, which is a whole number from 1 to 1048576"  },
    {"ema(mid, 2.5)",                 "10: found 2.5 for timeperiod of ema, which is a whole number"                  },
    {"ema(mid, -3)",                  "10: found -3 for timeperiod of ema"                                            },
    {"ema(mid, 1e9)",                 "10: found 1000000000 for timeperiod of ema"                                    },
    {"ema(mid, 1s)",                  "10: found 1s for timeperiod of ema, which is a whole number"                   },
    {"ema(mid, bid)",                 "10: found bid for timeperiod of ema, which is a whole number"                  },
    {"ofi(5)",                        "5: found 5 for window of ofi, which is a duration such as 1s from 1us to 1d"   },
    {"ofi(10ns)",                     "5: found 10ns for window of ofi, which is a duration"                          },
    {"ofi(2d)",                       "5: found 2d for window of ofi"                                                 },
    {"ofi(1s, 3)",                    "9: found 3 for capacity of ofi, which is a whole number from 16"               },
    {"imbalance(5000000)",            "11: found 5000000 for levels of imbalance"                                     },
    {"ema(20, mid)",                  "1: ema needs a series"                                                         },
    {"1s",                            "1: found a duration; one is only allowed as a parameter"                       },
    {"mid + 1s",                      "7: found a duration"                                                           },
    {"3",                             "1: found a constant; a feature must depend on the market"                      },
    {"2 * 3 + abs(-1)",               "7: found a constant"                                                           },
    {"1 / 0",                         "3: found a division by zero"                                                   },
    {"mid + 1 / 0",                   "9: found a division by zero"                                                   },
    {"abs(mid, 3)",                   "1: abs takes 1 argument, found 2"                                              },
    {"abs",                           "1: abs needs arguments: write abs(mid)"                                        },
    {"abs(mid).x",                    "10: abs has no fields"                                                         },
    {"max(mid, bid, ask)",            "15: max takes at most 2 arguments, found 3"                                    },
    {"ema(s1.close - t100.close, 5)", "1: ema has inputs from different bars"                                         },
    {"mid: ask",                      "1: the alias \"mid\" is an indicator; choose another name"                     },
    {"s1: ask",                       "1: the alias \"s1\" is a bar of this config"                                   },
    {"score: ask",                    "1: the alias \"score\" is what rules call"                                     },
    {"max: ask",                      "1: the alias \"max\" is an indicator"                                          },
    {"abs: ask",                      "1: the alias \"abs\" is a function"                                            },
    {"taken: ask",                    "1: the alias \"taken\" is another feature's alias"                             },
    {"taken.close",                   "7: taken is a feature's alias and has no fields"                               },
    {"taken(3)",                      "1: unknown indicator \"taken\""                                                },
    {"mid $",                         "5: found \"$\""                                                                },
};

static void wrong_names_and_parameters_say_where_and_what(void **state) {
  (void)state;
  tf_feature_compile_t *c = begun();
  must_add(c, "taken: bid + 1");
  for (size_t i = 0; i < TF_ARRAY_CNT(BAD); i++) {
    char     want[256];
    uint32_t idx = 77;
    snprintf(want, sizeof want, "expr:1:%s", BAD[i].want);
    if (tf_feature_compile_add(c, NULL, BAD[i].text, &idx) != E_CONFIG_EXPR) {
      fail_msg("\"%s\" is accepted", BAD[i].text);
    }
    if (strncmp(tf_error_text(), want, strlen(want)) != 0) {
      fail_msg("\"%s\"\n  wanted %s\n  found  %s", BAD[i].text, want, tf_error_text());
    }
    assert_int_equal(idx, 77);
  }
  /* all those failures have changed nothing */
  tf_feature_plan_t plan;
  assert_int_equal(tf_feature_compile_finish(c, &plan), TF_OK);
  assert_int_equal(plan.feature_cnt, 1);
  assert_int_equal(plan.slot_cnt, 3);
  tf_feature_plan_fini(&plan);
  tf_feature_compile_end(c);
}

static const row_t NAMES[] = {
    {"mid",                     "mid"                  },
    {"ema(mid)",                "ema(mid,30)"          },
    {"ema( bid, 5*4 )",         "ema(bid,20)"          },
    {"imbalance",               "imbalance(5)"         },
    {"ofi(1000ms)",             "ofi(1s,4096)"         },
    {"vwap(1m, 100)",           "vwap(1m,100)"         },
    {"rsi(s1.close)",           "rsi(s1.close,14)"     },
    {"spread / mid * 10000",    "spread/mid*10000"     },
    {"spread / (mid * 10000)",  "spread/(mid*10000)"   },
    {"a: ask - bid",            "ask-bid"              },
    {"a * 2",                   "(ask-bid)*2"          },
    {"ema(a, 3)",               "ema(ask-bid,3)"       },
    {"-a",                      "-(ask-bid)"           },
    {"2 - a",                   "2-(ask-bid)"          },
    {"a - 2",                   "ask-bid-2"            },
    {"max(mid, 10)",            "max(mid,10)"          },
    {"max(10, mid)",            "max(10,mid)"          },
    {"min(mid, last)",          "min(mid,last)"        },
    {"min(mid)",                "min(mid,30)"          },
    {"abs(mid - last)",         "abs(mid-last)"        },
    {"mid * -2",                "mid*-2"               },
    {"mid - (3 - 5)",           "mid--2"               },
    {"zscore(ema(mid, 5), 10)", "zscore(ema(mid,5),10)"},
    {"t100.trade_cnt",          "t100.trade_cnt"       },
};

static void canonical_names_fill_defaults_and_write_aliases_out(void **state) {
  (void)state;
  tf_feature_compile_t *c = begun();
  tf_feature_plan_t     plan;
  for (size_t i = 0; i < TF_ARRAY_CNT(NAMES); i++) must_add(c, NAMES[i].text);
  assert_int_equal(tf_feature_compile_finish(c, &plan), TF_OK);
  for (uint32_t i = 0; i < TF_ARRAY_CNT(NAMES); i++) {
    assert_string_equal(tf_feature_plan_name(&plan, i), NAMES[i].want);
    /* and is found again by its text and by its canonical name */
    assert_int_equal(tf_feature_compile_find(c, tf_feature_plan_name(&plan, i)), i);
    if (!strchr(NAMES[i].text, ':')) {
      assert_int_equal(tf_feature_compile_find(c, NAMES[i].text), i);
    }
  }
  assert_string_equal(tf_feature_plan_label(&plan, 9), "a");
  assert_string_equal(tf_feature_plan_label(&plan, 4), "ofi(1s)");
  assert_int_equal(tf_feature_compile_find(c, "a"), 9);
  assert_int_equal(tf_feature_compile_find(c, "bid - ask"), TF_FEATURE_COMPILE_NONE);
  assert_int_equal(tf_feature_compile_find(c, "((("), TF_FEATURE_COMPILE_NONE);
  assert_int_equal(tf_feature_compile_find(c, "emma(mid)"), TF_FEATURE_COMPILE_NONE);
  tf_feature_plan_fini(&plan);
  tf_feature_compile_end(c);
}

static void a_name_deeper_than_a_text_may_be_is_found_all_the_same(void **state) {
  (void)state;
  tf_feature_compile_t *c = begun();
  tf_feature_plan_t     plan;
  must_add(c, "z: ema(mid, 5)");
  must_add(c, "y: ------------------------------z");
  must_add(c, "------------------------------y");
  assert_int_equal(tf_feature_compile_finish(c, &plan), TF_OK);
  for (uint32_t i = 0; i < 3; i++) {
    assert_int_equal(tf_feature_compile_find(c, tf_feature_plan_name(&plan, i)), i);
  }
  tf_feature_plan_fini(&plan);
  tf_feature_compile_end(c);
}

static void a_feature_listed_twice_is_refused_however_it_is_written(void **state) {
  (void)state;
  tf_feature_compile_t *c = begun();
  must_add(c, "mid");
  must_add(c, "ema(mid, 30)");
  assert_int_equal(tf_feature_compile_add(c, NULL, "e: ema(mid)", NULL), E_CONFIG_EXPR);
  assert_string_equal(tf_error_text(), "expr:1:4: \"ema(mid,30)\" is listed twice, first as "
                                       "feature 2: remove one of them");
  tf_feature_compile_end(c);
}

static void names_that_grow_without_end_are_refused(void **state) {
  (void)state;
  tf_feature_compile_t *c   = begun();
  tf_err_t              err = TF_OK;
  must_add(c, "a0: mid - bid");
  for (uint32_t i = 1; i < 20 && err == TF_OK; i++) {
    char text[64];
    snprintf(text, sizeof text, "a%u: a%u * a%u", i, i - 1, i - 1);
    err = tf_feature_compile_add(c, NULL, text, NULL);
  }
  assert_int_equal(err, E_CONFIG_EXPR);
  assert_non_null(strstr(tf_error_text(), "at most 255 are allowed"));
  tf_feature_compile_end(c);
}

static void bars_without_a_usable_name_are_refused(void **state) {
  (void)state;
  static const char *const NAMES_BAD[] = {"",      "1s",  "s-1", "s 1", "mid",
                                          "score", "and", "abs", "s1"};
  for (size_t i = 0; i < TF_ARRAY_CNT(NAMES_BAD); i++) {
    const char           *names[] = {"s1", NAMES_BAD[i]};
    tf_feature_compile_t *c;
    tf_feature_env_t      env = env_with(tf_indicators, tf_indicator_cnt);
    env.bar_names             = names;
    assert_int_equal(tf_feature_compile_begin(&c, &env), E_CONFIG_CONFLICT);
    assert_null(c);
  }
  tf_feature_compile_t *c;
  tf_feature_env_t      env = env_with(tf_indicators, tf_indicator_cnt);
  env.bar_cnt               = TF_FEATURE_PLAN_BARS_MAX + 1;
  assert_int_equal(tf_feature_compile_begin(&c, &env), E_CONFIG_CONFLICT);
}

static void too_many_features_or_too_much_memory_is_refused(void **state) {
  (void)state;
  tf_feature_compile_t *c   = begun();
  tf_err_t              err = TF_OK;
  uint32_t              cnt = 0;
  for (; cnt < 2000 && err == TF_OK; cnt++) {
    char text[64];
    snprintf(text, sizeof text, "ema(mid, %u)", cnt + 1);
    err = tf_feature_compile_add(c, NULL, text, NULL);
  }
  assert_int_equal(err, E_CONFIG_CONFLICT);
  assert_int_equal(cnt - 1, TF_FEATURE_PLAN_LISTED_MAX);
  tf_feature_compile_end(c);

  c = begun();
  for (uint32_t i = 0; i < 140; i++) {
    char text[64];
    snprintf(text, sizeof text, "sma(mid, %u)", 1048576 - i);
    must_add(c, text);
  }
  tf_feature_plan_t plan;
  assert_int_equal(tf_feature_compile_finish(c, &plan), E_CORE_OVERFLOW);
  assert_non_null(strstr(tf_error_text(), "more than 1024 MiB an instrument"));
  assert_null(plan.block);
  tf_feature_plan_fini(&plan);
  tf_feature_compile_end(c);
}

/* ---- sharing ---- */

static void equal_parts_are_computed_once(void **state) {
  (void)state;
  RIG(r, "ema(mid, 5)", "ema(mid, 5) - mid", "zscore(ema(mid, 5), 3)", "(ema(mid,5) - mid) * 2");
  assert_int_equal(r.plan.tick_market.cnt, 1); /* mid */
  assert_int_equal(r.plan.tick_step_cnt, 4); /* ema, its difference, zscore, twice the difference */
  assert_int_equal(r.plan.slot_cnt, 6);      /* 4 features, mid, 2 */
  assert_int_equal(r.plan.start_cnt, 4);     /* mid, ema, zscore, the constant 2 */
  rig_close(&r);
}

static void inputs_are_computed_before_what_reads_them(void **state) {
  (void)state;
  RIG(r, "zscore(ema(mid - last, 2), 2) + bid", "mid - last", "bid", "mid");
  uint8_t written[64] = {0};
  for (uint32_t i = 0; i < r.plan.tick_market.cnt; i++)
    written[r.plan.tick_market.steps[i].out] = 1;
  for (uint32_t i = 0; i < r.plan.tick_step_cnt; i++) {
    const tf_feature_step_t *s = &r.plan.tick_steps[i];
    for (uint32_t k = 0; k < s->series_cnt; k++) assert_int_equal(written[s->in[k]], 1);
    written[s->out] = 1;
  }
  rig_close(&r);
}

/* ---- values ---- */

static void a_row_is_ready_once_every_feature_is(void **state) {
  (void)state;
  RIG(r, "mid", "ema(mid, 3)", "delta(ema(mid, 3), 2)");
  assert_false(tick(&r));
  for (int i = 0; i < 3; i++) assert_true(r.row[i] != r.row[i]);
  static const double MIDS[] = {10, 20, 30, 40, 50, 60};
  static const double EMAS[] = {0, 0, 20, 30, 40, 50};
  for (uint32_t i = 0; i < 6; i++) {
    bool ready = quote(&r, MIDS[i] - 1, MIDS[i] + 1);
    assert_true(r.row[0] == MIDS[i]);
    if (i >= 2) assert_true(r.row[1] == EMAS[i]);
    if (i < 2) assert_true(r.row[1] != r.row[1]);
    if (i >= 4) assert_true(r.row[2] == 20);
    assert_true(ready == (i >= 4));
  }
  rig_close(&r);
}

static void a_missing_input_reads_nan_and_leaves_states_alone(void **state) {
  (void)state;
  RIG(r, "sma(mid, 2)", "delta(sma(mid, 2), 1)", "mid * 0 + 1");
  double nan = __builtin_nan("");
  quote(&r, 9, 11);
  quote(&r, 19, 21);
  assert_true(quote(&r, 29, 31));
  assert_true(r.row[0] == 25 && r.row[1] == 10 && r.row[2] == 1);
  assert_false(quote(&r, nan, 31));
  assert_true(r.row[0] != r.row[0] && r.row[1] != r.row[1] && r.row[2] != r.row[2]);
  assert_true(quote(&r, 39, 41));
  assert_true(r.row[0] == 35 && r.row[1] == 10); /* as if the gap had not been */
  rig_close(&r);
}

static void arithmetic_without_a_finite_result_reads_nan(void **state) {
  (void)state;
  RIG(r, "1 / spread", "mid / (1 - 1)", "max(1, 1 / spread)", "abs(-mid)", "min(bid, ask)", "-mid",
      "mid * 1e300 * 1e300", "max(bid, ask) - min(ask, bid)");
  assert_false(quote(&r, 10, 10));
  assert_true(r.row[0] != r.row[0] && r.row[1] != r.row[1] && r.row[2] != r.row[2]);
  quote(&r, 10, 14);
  assert_true(r.row[0] == 0.25 && r.row[1] != r.row[1] && r.row[2] == 1 && r.row[3] == 12);
  assert_true(r.row[4] == 10 && r.row[5] == -12 && r.row[6] != r.row[6] && r.row[7] == 4);
  rig_close(&r);
}

static void bars_advance_their_own_series_and_no_others(void **state) {
  (void)state;
  RIG(r, "s1.close", "sma(s1.close, 2)", "sma(t100.close, 2)", "mid - s1.close",
      "s1.buy_volume / s1.volume", "sma(s1.high - s1.low, 2)", "s1.close - t100.close",
      "s1.trade_cnt", "sma(mid - s1.close, 2)", "s1.open + s1.notional");
  assert_int_equal(r.plan.bars[0].steps.cnt, 5);
  assert_int_equal(r.plan.bars[1].steps.cnt, 1);
  assert_int_equal(r.plan.tick_step_cnt, 3); /* what mixes with ticks or other bars */
  quote(&r, 99, 101);
  for (int i = 0; i < 10; i++) assert_true(r.row[i] != r.row[i]);
  bar(&r, 0, 50);
  bar(&r, 1, 70);
  tick(&r);
  assert_true(r.row[0] == 50 && r.row[1] != r.row[1] && r.row[2] != r.row[2]);
  assert_true(r.row[3] == 50 && r.row[4] == 0.4 && r.row[6] == -20 && r.row[7] == 3);
  assert_true(r.row[9] == 49 + 500);
  tick(&r);
  assert_true(r.row[8] == 50); /* two ticks: that series is the ticks' */
  assert_true(r.row[1] != r.row[1]);
  bar(&r, 0, 60);
  tick(&r);
  assert_true(r.row[1] == 55 && r.row[5] == 3 && r.row[2] != r.row[2] && r.row[3] == 40);
  rig_close(&r);
}

static void trades_between_ticks_all_count(void **state) {
  (void)state;
  RIG(r, "volume(1s)", "trade_count(1s)", "vwap(1s)", "last", "ema(volume(1s), 1)");
  assert_int_equal(r.plan.on_trade.cnt, 3);
  assert_int_equal(r.plan.on_quote.cnt, 0);
  assert_int_equal(r.plan.on_book.cnt, 0);
  trade(&r, 1000, 10, 1);
  trade(&r, 1000, 20, 3);
  assert_true(tick(&r));
  assert_true(r.row[0] == 4 && r.row[1] == 2 && r.row[2] == 17.5 && r.row[3] == 20);
  assert_true(r.row[4] == 4);
  trade(&r, 1000 + 999999999, 30, 4);
  tick(&r);
  assert_true(r.row[0] == 8);
  r.market.now_ns = 1000 + 1000000000; /* the first two are one window old */
  tick(&r);
  assert_true(r.row[0] == 4 && r.row[1] == 1 && r.row[2] == 30);
  rig_close(&r);
}

static void what_a_feature_waits_for_is_counted_down(void **state) {
  (void)state;
  RIG(r, "mid", "ema(mid, 3)", "zscore(ema(mid, 3), 4)", "sma(s1.close, 2) + delta(mid, 1)");
  static const uint64_t TICKS[] = {1, 3, 6, 2};
  for (uint32_t i = 0; i < 4; i++) {
    tf_feature_wait_t wait = tf_feature_plan_wait(&r.plan, r.mem, i);
    assert_int_equal(wait.left.ticks, TICKS[i]);
    assert_int_equal(wait.left.bar, i == 3 ? 0 : TF_FEATURE_NO_BAR);
    assert_int_equal(wait.left.closes, i == 3 ? 2 : 0);
    assert_false(wait.is_ready);
  }
  for (uint64_t n = 1; n <= 6; n++) {
    quote(&r, 99 + (double)n, 101);
    for (uint32_t i = 0; i < 3; i++) {
      tf_feature_wait_t wait = tf_feature_plan_wait(&r.plan, r.mem, i);
      assert_int_equal(wait.left.ticks, n < TICKS[i] ? TICKS[i] - n : 0);
      assert_int_equal(wait.is_ready, n >= TICKS[i]);
    }
  }
  bar(&r, 0, 50);
  quote(&r, 100, 101);
  tf_feature_wait_t wait = tf_feature_plan_wait(&r.plan, r.mem, 3);
  assert_int_equal(wait.left.ticks, 0);
  assert_int_equal(wait.left.closes, 1);
  bar(&r, 0, 51);
  quote(&r, 101, 102);
  assert_true(tf_feature_plan_wait(&r.plan, r.mem, 3).is_ready);
  /* ready once, and without a value now: nothing more to count */
  quote(&r, __builtin_nan(""), 102);
  wait = tf_feature_plan_wait(&r.plan, r.mem, 0);
  assert_false(wait.is_ready);
  assert_int_equal(wait.left.ticks, 0);
  rig_close(&r);
}

static void instruments_share_a_plan_and_nothing_else(void **state) {
  (void)state;
  RIG(r, "ema(mid, 2)", "sma(mid, 2)", "ofi(1s)");
  void *other = aligned_alloc(64, r.plan.mem_bytes), *moved = aligned_alloc(64, r.plan.mem_bytes);
  assert_int_equal(tf_feature_plan_init_state(&r.plan, other), TF_OK);
  assert_memory_equal(other, r.mem, r.plan.mem_bytes);
  quote(&r, 1, 3);
  quote(&r, 3, 5);
  double *row = r.row;
  assert_true(row[0] == 3 && row[1] == 3);
  /* the other has seen nothing */
  double other_row[8];
  r.market.bid = 100, r.market.ask = 100;
  assert_false(tf_feature_plan_on_tick(&r.plan, other, &r.market, other_row));
  /* a copy of the bytes goes on where the original stood */
  memcpy(moved, r.mem, r.plan.mem_bytes);
  memset(r.mem, 0xee, r.plan.mem_bytes);
  r.market.bid = 5, r.market.ask = 7;
  assert_true(tf_feature_plan_on_tick(&r.plan, moved, &r.market, other_row));
  assert_true(other_row[1] == 5);
  /* and init_state takes it back to the beginning */
  assert_int_equal(tf_feature_plan_init_state(&r.plan, moved), TF_OK);
  memset(other, 0xdd, r.plan.mem_bytes);
  assert_int_equal(tf_feature_plan_init_state(&r.plan, other), TF_OK);
  assert_memory_equal(other, moved, r.plan.mem_bytes);
  free(other);
  free(moved);
  rig_close(&r);
}

/* ---- indicators with several series and outputs, which the table has none of yet ---- */

typedef struct pair {
  double n, cnt;
} pair_t;

static tf_indicator_result_t pair_peek(const void *state, const tf_indicator_input_t *in,
                                       double *out) {
  const pair_t *s = state;
  if (!__builtin_isfinite(in->x[0]) || !__builtin_isfinite(in->x[1])) return TF_INDICATOR_REJECTED;
  out[0] = in->x[0] + in->x[1];
  out[1] = in->x[0] - in->x[1];
  out[2] = s->cnt + 1;
  return TF_INDICATOR_READY;
}
static tf_indicator_result_t pair_update(void *state, const tf_indicator_input_t *in, double *out) {
  tf_indicator_result_t result = pair_peek(state, in, out);
  if (result == TF_INDICATOR_READY) ((pair_t *)state)->cnt++;
  return result;
}
static size_t pair_bytes(const double *params) {
  (void)params;
  return sizeof(pair_t);
}
static uint64_t pair_lookback(const double *params) {
  (void)params;
  return 0;
}
static tf_err_t pair_init(void *state, const double *params) {
  *(pair_t *)state = (pair_t){params[0], 0};
  return TF_OK;
}
static void pair_reset(void *state) { ((pair_t *)state)->cnt = 0; }

static const tf_param_spec_t PAIR_PARAMS[] = {
    {.name = "k", .kind = TF_PARAM_REAL, .dflt = 0.5, .min = -1, .max = 1, .help = "nothing"}
};

static const tf_indicator_t PAIR = {
    .name        = "pair",
    .help        = "test",
    .origin      = "test",
    .series_cnt  = 2,
    .output_cnt  = 3,
    .param_cnt   = 1,
    .on          = TF_ON_INPUT,
    .outputs     = {"sum", "diff", "cnt"},
    .series      = {"high",     "low"     },
    .params      = PAIR_PARAMS,
    .state_bytes = pair_bytes,
    .lookback    = pair_lookback,
    .init        = pair_init,
    .update      = pair_update,
    .peek        = pair_peek,
    .reset       = pair_reset
};

static const tf_indicator_t *table[1024];

static tf_feature_compile_t *begun_with_pair(bool bars_only) {
  tf_feature_compile_t *c;
  assert_true(tf_indicator_cnt < TF_ARRAY_CNT(table));
  for (uint32_t i = 0; i < tf_indicator_cnt; i++) table[i] = tf_indicators[i];
  table[tf_indicator_cnt] = &PAIR;
  tf_feature_env_t env    = env_with(table, tf_indicator_cnt + 1);
  if (bars_only) {
    env.bars_only = true;
    env.plain_bar = 0;
  }
  assert_int_equal(tf_feature_compile_begin(&c, &env), TF_OK);
  return c;
}

static void outputs_are_chosen_by_name_and_computed_together(void **state) {
  (void)state;
  static const row_t WRONG[] = {
      {"pair(mid, bid).total",       "16: pair has no \"total\"; it has sum, diff, cnt"         },
      {"pair(mid, bid).dif",         "16: pair has no \"dif\", did you mean \"diff\"?"          },
      {"pair(mid)",                  "1: pair takes 2 series, found 1"                          },
      {"pair(mid, 0.5)",             "11: found a number, expected a series for pair"           },
      {"pair(mid, bid, 2)",          "16: found 2 for k of pair, which is a number from -1 to 1"},
      {"pair(mid, bid, 0, 0)",       "19: pair takes at most 3 arguments, found 4"              },
      {"pair(s1.close, t100.close)", "1: pair has inputs from different bars"                   },
  };
  static rig_t          r;
  tf_feature_compile_t *c = begun_with_pair(false);
  for (size_t i = 0; i < TF_ARRAY_CNT(WRONG); i++) {
    assert_int_equal(tf_feature_compile_add(c, NULL, WRONG[i].text, NULL), E_CONFIG_EXPR);
    char want[128];
    snprintf(want, sizeof want, "expr:1:%s", WRONG[i].want);
    if (strncmp(tf_error_text(), want, strlen(want)) != 0) fail_msg("%s", tf_error_text());
  }
  must_add(c, "pair(ask, bid).diff");
  must_add(c, "mid");
  must_add(c, "pair(ask, bid)");
  must_add(c, "d: pair(ask, bid).diff * pair(ask, bid).cnt");
  must_add(c, "ema(pair(ask, bid).sum - d, 1)");
  assert_int_equal(tf_feature_compile_add(c, NULL, "pair(ask,bid).sum", NULL), E_CONFIG_EXPR);
  rig_open(&r, c);
  assert_string_equal(tf_feature_plan_name(&r.plan, 0), "pair(ask,bid,0.5).diff");
  assert_string_equal(tf_feature_plan_name(&r.plan, 2), "pair(ask,bid,0.5).sum");
  assert_true(quote(&r, 10, 14));
  assert_true(r.row[0] == 4 && r.row[1] == 12 && r.row[2] == 24 && r.row[3] == 4);
  assert_true(quote(&r, 10, 15));
  assert_true(r.row[0] == 5 && r.row[3] == 10 && r.row[4] == 15);
  assert_false(quote(&r, 10, __builtin_nan("")));
  for (int i = 0; i < 5; i++) assert_true(r.row[i] != r.row[i]);
  rig_close(&r);
}

static void on_bars_alone_bare_names_take_the_bar_as_their_series(void **state) {
  (void)state;
  static rig_t          r;
  uint32_t              first, cnt;
  tf_feature_compile_t *c = begun_with_pair(true);
  assert_int_equal(tf_feature_compile_add_outputs(c, NULL, "sma(2)", &first, &cnt), TF_OK);
  assert_true(first == 0 && cnt == 1);
  assert_int_equal(tf_feature_compile_add_outputs(c, NULL, "pair", &first, &cnt), TF_OK);
  assert_true(first == 1 && cnt == 3);
  must_add(c, "volume");
  assert_int_equal(tf_feature_compile_add_outputs(c, NULL, "r: rsi", &first, &cnt), TF_OK);
  assert_true(first == 5 && cnt == 1 && tf_feature_compile_find(c, "r") == 5);
  must_add(c, "close - open");
  must_add(c, "pair(close, open).diff");
  assert_int_equal(tf_feature_compile_add(c, NULL, "mid", NULL), E_CONFIG_EXPR);
  assert_string_equal(tf_error_text(), "expr:1:1: mid needs ticks; there are only bars here");
  assert_int_equal(tf_feature_compile_add(c, NULL, "clsoe", NULL), E_CONFIG_EXPR);
  assert_string_equal(tf_error_text(), "expr:1:1: unknown name \"clsoe\", did you mean \"close\"?");
  assert_int_equal(tf_feature_compile_add_outputs(c, NULL, "pair(close, open)", &first, &cnt),
                   E_CONFIG_EXPR);
  rig_open(&r, c);
  assert_int_equal(r.plan.feature_cnt, 8);
  assert_string_equal(tf_feature_plan_name(&r.plan, 0), "sma(close,2)");
  assert_string_equal(tf_feature_plan_name(&r.plan, 1), "pair(high,low,0.5).sum");
  assert_string_equal(tf_feature_plan_name(&r.plan, 3), "pair(high,low,0.5).cnt");
  assert_string_equal(tf_feature_plan_name(&r.plan, 5), "rsi(close,14)");
  bar(&r, 0, 10);
  bar(&r, 0, 20);
  assert_false(tf_feature_plan_read(&r.plan, r.mem, r.row));
  assert_true(r.row[0] == 15 && r.row[1] == 39 && r.row[2] == 3 && r.row[3] == 2);
  assert_true(r.row[4] == 10 && r.row[5] != r.row[5] && r.row[6] == 1 && r.row[7] == 1);
  rig_close(&r);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(wrong_names_and_parameters_say_where_and_what),
      cmocka_unit_test(a_feature_listed_twice_is_refused_however_it_is_written),
      cmocka_unit_test(names_that_grow_without_end_are_refused),
      cmocka_unit_test(bars_without_a_usable_name_are_refused),
      cmocka_unit_test(too_many_features_or_too_much_memory_is_refused),
      cmocka_unit_test(canonical_names_fill_defaults_and_write_aliases_out),
      cmocka_unit_test(a_name_deeper_than_a_text_may_be_is_found_all_the_same),
      cmocka_unit_test(equal_parts_are_computed_once),
      cmocka_unit_test(inputs_are_computed_before_what_reads_them),
      cmocka_unit_test(a_row_is_ready_once_every_feature_is),
      cmocka_unit_test(a_missing_input_reads_nan_and_leaves_states_alone),
      cmocka_unit_test(arithmetic_without_a_finite_result_reads_nan),
      cmocka_unit_test(bars_advance_their_own_series_and_no_others),
      cmocka_unit_test(trades_between_ticks_all_count),
      cmocka_unit_test(what_a_feature_waits_for_is_counted_down),
      cmocka_unit_test(instruments_share_a_plan_and_nothing_else),
      cmocka_unit_test(outputs_are_chosen_by_name_and_computed_together),
      cmocka_unit_test(on_bars_alone_bare_names_take_the_bar_as_their_series),
  };
  return cmocka_run_group_tests_name("feature_plan", tests, NULL, NULL);
}
