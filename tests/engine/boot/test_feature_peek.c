/* peek: what a bar's expression would be if the bar closed now, to the bit; and that nothing else sees an open
 * bar. */
#include "cmocka_tf.h"

#include <stdlib.h>
#include <string.h>

#include "boot/feature_compile.h"
#include "core/error.h"
#include "indicator/registry.h"

static const char *const BARS[] = {"s1", "t100"};

typedef struct rig {
  tf_feature_compile_t *compile;
  tf_feature_plan_t     plan;
  void                 *mem, *copy;
  tf_market_t           market;
  double                row[TF_FEATURE_PLAN_ROW_MAX];
} rig_t;

static tf_feature_compile_t *begun(bool bars_only) {
  tf_feature_compile_t *c;
  tf_feature_env_t      env = {.indicators    = tf_indicators,
                               .indicator_cnt = tf_indicator_cnt,
                               .bar_names     = BARS,
                               .bar_cnt       = TF_ARRAY_CNT(BARS),
                               .plain_bar     = bars_only ? 0 : TF_FEATURE_COMPILE_NONE,
                               .bars_only     = bars_only};
  assert_int_equal(tf_feature_compile_begin(&c, &env), TF_OK);
  return c;
}

static void rig_open(rig_t *r, const char *const *texts, size_t cnt) {
  *r = (rig_t){.compile = begun(false)};
  for (size_t i = 0; i < cnt; i++)
    if (tf_feature_compile_add(r->compile, NULL, texts[i], NULL) != TF_OK)
      fail_msg("%s", tf_error_text());
  assert_int_equal(tf_feature_compile_finish(r->compile, &r->plan), TF_OK);
  r->mem  = aligned_alloc(64, r->plan.mem_bytes);
  r->copy = aligned_alloc(64, r->plan.mem_bytes);
  assert_true(r->mem && r->copy);
  assert_int_equal(tf_feature_plan_init_state(&r->plan, r->mem), TF_OK);
}

static void rig_close(rig_t *r) {
  free(r->mem);
  free(r->copy);
  tf_feature_plan_fini(&r->plan);
  tf_feature_compile_end(r->compile);
}

static void tick(rig_t *r, const tf_bar_t *open) {
  for (uint32_t b = 0; b < r->plan.bar_cnt; b++)
    if (r->plan.peeked_bars >> b & 1) tf_feature_plan_on_open(&r->plan, r->mem, b, open);
  (void)tf_feature_plan_on_tick(&r->plan, r->mem, &r->market, r->row);
}

static bool is_same(double a, double b) {
  return memcmp(&a, &b, sizeof a) == 0 || (a != a && b != b);
}

static double uniform(uint64_t *seed) {
  *seed = *seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
  return (double)(*seed >> 33) / 2147483648.0;
}

static tf_bar_t bar_of(uint64_t *seed, double *price) {
  tf_bar_t b = {.open = *price, .high = *price, .low = *price};
  for (int i = 0; i < 4; i++) {
    *price += uniform(seed) - 0.5;
    if (*price > b.high) b.high = *price;
    if (*price < b.low) b.low = *price;
  }
  b.close      = *price;
  b.volume     = 1 + 10 * uniform(seed);
  b.buy_volume = b.volume * uniform(seed);
  b.notional   = b.volume * b.close;
  b.trade_cnt  = 5;
  return b;
}

/* name(s1.close, s1.high ...), the fields that the listing names; of prices a thousandth where the function is of
 * -1 .. 1. */
static void text_of(const tf_indicator_t *d, char *text, size_t cap) {
  size_t used = (size_t)snprintf(text, cap, "%s(", d->name);
  for (uint32_t i = 0; i < d->series_cnt; i++) {
    const char *field = "close";
    for (uint32_t f = 0; d->series[i] && f < TF_FEATURE_BAR_FIELD_CNT; f++)
      if (strcmp(tf_feature_plan_bar_fields[f], d->series[i]) == 0) field = d->series[i];
    if (i == 1 && d->series_cnt == 2 && strcmp(field, "close") == 0) field = "open";
    used += (size_t)snprintf(text + used, cap - used, "%ss1.%s%s", i ? ", " : "", field,
                             d->name[0] == 'a' && strstr("acos asin", d->name) ? " / 1000" : "");
  }
  snprintf(text + used, cap - used, ")");
}

static void check_peek(const char *text) {
  char         peeked[600];
  const char  *texts[] = {text, peeked};
  static rig_t r;
  uint64_t     seed = 7, ready_cnt = 0;
  double       price = 100;
  snprintf(peeked, sizeof peeked, "peek(%s)", text);
  rig_open(&r, texts, 2);
  for (int i = 0; i < 600; i++) {
    tf_bar_t open = bar_of(&seed, &price), now = bar_of(&seed, &price);
    tick(&r, &open); /* an earlier moment of the bar leaves no trace */
    memcpy(r.copy, r.mem, r.plan.mem_bytes);
    tick(&r, &now);
    double said = r.row[1];
    tf_feature_plan_on_bar(&r.plan, r.mem, 0, &now);
    tick(&r, NULL);
    if (!is_same(said, r.row[0]))
      fail_msg("%s, bar %d: peek said %.17g, the close made %.17g", text, i, said, r.row[0]);
    assert_true(r.row[1] != r.row[1]); /* no bar is open */
    ready_cnt += said == said;
  }
  if (ready_cnt == 0) fail_msg("%s was never ready", text);
  rig_close(&r);
}

static void peek_of_every_indicator_is_what_the_close_makes_bit_for_bit(void **state) {
  (void)state;
  char text[512];
  for (uint32_t i = 0; i < tf_indicator_cnt; i++) {
    if (tf_indicators[i]->series_cnt == 0) continue;
    text_of(tf_indicators[i], text, sizeof text);
    check_peek(text);
  }
}

static void peek_goes_through_chains_and_arithmetic(void **state) {
  (void)state;
  check_peek("s1.close");
  check_peek("ema(rsi(s1.close, 14), 5)");
  check_peek("(s1.close - ema(s1.close, 20)) / abs(s1.high - s1.low)");
  check_peek("macd(s1.close).macdsignal");
  check_peek("max(s1.open, rsi(s1.close))");
}

static void plan_without_peek_sees_closed_bars_only(void **state) {
  (void)state;
  static rig_t             r;
  static const char *const texts[] = {"s1.close", "rsi(s1.close, 2)"};
  tf_bar_t                 bar     = {.open = 1, .high = 2, .low = 1, .close = 2};
  rig_open(&r, texts, 2);
  assert_int_equal(r.plan.peeked_bars, 0);
  tick(&r, &bar);
  assert_true(r.row[0] != r.row[0]);
  tf_feature_plan_on_bar(&r.plan, r.mem, 0, &bar);
  bar.close = 3;
  tick(&r, &bar);
  assert_true(r.row[0] == 2);
  rig_close(&r);
}

static void series_over_a_peek_moves_with_ticks(void **state) {
  (void)state;
  static rig_t             r;
  static const char *const texts[] = {"sma(peek(s1.close), 2)", "s1.close - peek(s1.close)"};
  tf_bar_t                 bar     = {.open = 1, .high = 2, .low = 1, .close = 2};
  rig_open(&r, texts, 2);
  tf_feature_plan_on_bar(&r.plan, r.mem, 0, &bar);
  tick(&r, &bar);
  bar.close = 4;
  tick(&r, &bar);
  assert_true(r.row[0] == 3 && r.row[1] == -2);
  assert_int_equal(r.plan.needs[0].ticks, 2);
  rig_close(&r);
}

static void peek_is_ready_one_close_earlier(void **state) {
  (void)state;
  static rig_t             r;
  static const char *const texts[] = {"sma(s1.close, 3)", "peek(sma(s1.close, 3))",
                                      "peek(s1.close)"};
  rig_open(&r, texts, 3);
  assert_int_equal(r.plan.needs[0].closes, 3);
  assert_int_equal(r.plan.needs[1].closes, 2);
  assert_int_equal(r.plan.needs[1].bar, 0);
  assert_int_equal(r.plan.needs[2].bar, TF_FEATURE_NO_BAR);
  rig_close(&r);
}

static void canonical_name_of_a_peek_reads_back(void **state) {
  (void)state;
  static const char *const rows[][2] = {
      {"peek( s1.close )",                "peek(s1.close)"                         },
      {"peek(rsi(s1.close))",             "peek(rsi(s1.close,14))"                 },
      {"peek(macd(s1.close).macdhist)",   "peek(macd(s1.close,12,26,9)).macdhist"  },
      {"peek(macd(s1.close)).macdsignal", "peek(macd(s1.close,12,26,9)).macdsignal"},
      {"peek(s1.high - s1.low)",          "peek(s1.high)-peek(s1.low)"             },
      {"peek(2 * s1.high / t100.low)",    "2*peek(s1.high)/peek(t100.low)"         },
      {"peek(min(s1.open, s1.close))",    "min(peek(s1.open),peek(s1.close))"      },
  };
  tf_feature_compile_t *c = begun(false);
  for (uint32_t i = 0; i < TF_ARRAY_CNT(rows); i++) {
    if (tf_feature_compile_add(c, NULL, rows[i][0], NULL) != TF_OK) fail_msg("%s", tf_error_text());
    tf_feature_plan_t plan;
    assert_int_equal(tf_feature_compile_finish(c, &plan), TF_OK);
    assert_string_equal(tf_feature_plan_name(&plan, i), rows[i][1]);
    tf_feature_plan_fini(&plan);
    tf_feature_compile_t *again = begun(false);
    assert_int_equal(tf_feature_compile_add(again, NULL, rows[i][1], NULL), TF_OK);
    assert_int_equal(tf_feature_compile_find(again, rows[i][0]), 0);
    tf_feature_compile_end(again);
  }
  tf_feature_compile_end(c);
}

static void errors_point_at_what_cannot_be_peeked(void **state) {
  (void)state;
  static const char *const rows[][2] = {
      {"peek(mid)",                      "mid moves with each tick already"           },
      {"peek(s1.close - mid)",           "moves with each tick already"               },
      {"peek(peek(s1.close))",           "peek(s1.close) moves with each tick already"},
      {"peek(s1.close, 2)",              "peek takes 1 argument, found 2"             },
      {"peek",                           "write peek(s1.close)"                       },
      {"peak(s1.close)",                 "did you mean \"peek\"?"                     },
      {"peek(s1.close).open",            "peek has no fields"                         },
      {"peek(macd(s1.close)).macdhistt", "has no \"macdhistt\""                       },
  };
  tf_feature_compile_t *c = begun(false), *closed = begun(true);
  for (size_t i = 0; i < TF_ARRAY_CNT(rows); i++) {
    assert_int_equal(tf_feature_compile_add(c, NULL, rows[i][0], NULL), E_CONFIG_EXPR);
    if (!strstr(tf_error_text(), rows[i][1])) fail_msg("%s: %s", rows[i][0], tf_error_text());
  }
  assert_int_equal(tf_feature_compile_add(closed, NULL, "peek(close)", NULL), E_CONFIG_EXPR);
  assert_non_null(strstr(tf_error_text(), "there are only closed ones here"));
  tf_feature_compile_end(c);
  tf_feature_compile_end(closed);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(peek_of_every_indicator_is_what_the_close_makes_bit_for_bit),
      cmocka_unit_test(peek_goes_through_chains_and_arithmetic),
      cmocka_unit_test(plan_without_peek_sees_closed_bars_only),
      cmocka_unit_test(series_over_a_peek_moves_with_ticks),
      cmocka_unit_test(peek_is_ready_one_close_earlier),
      cmocka_unit_test(canonical_name_of_a_peek_reads_back),
      cmocka_unit_test(errors_point_at_what_cannot_be_peeked),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
