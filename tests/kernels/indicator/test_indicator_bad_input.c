/* Bad input, on each line of indicators.def: a stated result or a stated error. What each indicator makes of equal
 * prices and of no volume is a table in the docs, which this test writes and compares:
 *
 *   test_indicator_bad_input --table    prints docs/bad-input.md
 */
#include "cmocka_tf.h"

#include <stdlib.h>
#include <string.h>

#include "boot/feature_compile.h"
#include "core/error.h"
#include "indicator/registry.h"
#include "market_script.h"

#define TABLE_PATH "docs/bad-input.md"

enum { STEPS = 4000, TEXT_BYTES = 256 };

typedef double outputs_t[TF_INDICATOR_OUTPUTS_MAX];

static const double NOT_FINITE[] = {__builtin_nan(""), __builtin_inf(), -__builtin_inf()};

/* ---- one indicator, by its defaults ---- */

typedef struct rig {
  const tf_indicator_t *d;
  void                 *mem;
  size_t                bytes;
} rig_t;

static rig_t rig_of(const tf_indicator_t *d, const double *params) {
  rig_t r = {d, NULL, d->state_bytes(params)};
  r.mem   = aligned_alloc(64, tf_align_up(r.bytes + 1, 64));
  assert_non_null(r.mem);
  if (d->init(r.mem, params) != TF_OK) fail_msg("%s: %s", d->name, tf_error_text());
  return r;
}

static rig_t rig_by_default(const tf_indicator_t *d) {
  double params[TF_INDICATOR_PARAMS_MAX];
  for (uint32_t p = 0; p < d->param_cnt; p++) params[p] = d->params[p].dflt;
  return rig_of(d, params);
}

/* The market's call, as it is or as it is seen. */
static tf_indicator_result_t call(rig_t r, const script_market_t *m, const tf_market_t *seen,
                                  uint32_t on, double *out) {
  tf_indicator_input_t in = script_input(m, r.d, on);
  in.market               = seen;
  return r.d->update(r.mem, &in, out);
}

static void check_outputs(const tf_indicator_t *d, const char *what, const double *out) {
  for (uint32_t o = 0; o < d->output_cnt; o++)
    if (__builtin_isinf(out[o])) fail_msg("%s is infinite %s", d->name, what);
}

/* A series by its name: a price moves by the step, or does not. */
static double series_at(const char *name, uint32_t step, bool moves, double volume) {
  const double move = moves ? (double)(step * 7919 % 13) / 10 : 0;
  if (strcmp(name, "volume") == 0) return volume;
  if (strcmp(name, "periods") == 0) return 10;
  if (strcmp(name, "high") == 0) return 100 + move + (moves ? 0.5 : 0);
  if (strcmp(name, "low") == 0) return 100 + move - (moves ? 0.5 : 0);
  return 100 + move;
}

static void run_series(const tf_indicator_t *d, bool moves, double volume, double *out) {
  rig_t r = rig_by_default(d);
  for (uint32_t i = 0; i < STEPS; i++) {
    tf_indicator_input_t in = {.on = TF_ON_INPUT};
    for (uint32_t s = 0; s < d->series_cnt; s++)
      in.x[s] = series_at(d->series[s], i, moves, volume);
    assert_int_not_equal(d->update(r.mem, &in, out), TF_INDICATOR_REJECTED);
    check_outputs(d, moves ? "without volume" : "of equal prices", out);
  }
  free(r.mem);
}

/* A market that stands still, or goes up and down; trades of qty at its middle. */
static void run_market(const tf_indicator_t *d, bool moves, int64_t qty, double *out) {
  rig_t           r = rig_by_default(d);
  script_market_t m;
  script_market_init(&m);
  for (uint32_t o = 0; o < d->output_cnt; o++) out[o] = __builtin_nan("");
  for (uint32_t i = 0; i < STEPS; i++) {
    const int64_t  middle = 10000 + (moves ? (int64_t)(i / 3 % 5) : 0);
    script_event_t e      = {.kind       = "QBT"[i % 3],
                             .last       = true,
                             .now_ns     = 1000000000 + i * UINT64_C(10000000),
                             .price      = middle,
                             .qty        = qty,
                             .side       = i % 2 ? 1 : -1,
                             .bid        = middle - 1,
                             .bid_qty    = 2000,
                             .ask        = middle + 1,
                             .ask_qty    = 2000,
                             .has_ticker = i == 0,
                             .mark       = 10000,
                             .funding    = 10000,
                             .bid_cnt    = 3,
                             .ask_cnt    = 3};
    for (int64_t k = 0; k < 3; k++) {
      e.bid_price[k] = middle - 1 - k;
      e.ask_price[k] = middle + 1 + k;
      e.bid_size[k] = e.ask_size[k] = 2000;
    }
    const uint32_t on                               = script_market_apply(&m, &e);
    double         unread[TF_INDICATOR_OUTPUTS_MAX] = {0};
    if (d->on & on) (void)call(r, &m, &m.market, on, unread);
    if (call(r, &m, &m.market, TF_ON_TICK, out) == TF_INDICATOR_REJECTED)
      for (uint32_t o = 0; o < d->output_cnt; o++) out[o] = __builtin_nan("");
    check_outputs(d, "of a market that stands still", out);
  }
  free(r.mem);
}

static void run_equal(const tf_indicator_t *d, double *out) {
  if (d->series_cnt > 0)
    run_series(d, false, 5, out);
  else
    run_market(d, false, 1000, out);
}

/* False where volume is nothing to the indicator. */
static bool run_without_volume(const tf_indicator_t *d, double *out) {
  bool reads = d->series_cnt == 0 && (d->on & TF_ON_TRADE);
  for (uint32_t s = 0; s < d->series_cnt; s++) reads |= strcmp(d->series[s], "volume") == 0;
  if (!reads) return false;
  if (d->series_cnt > 0)
    run_series(d, true, 0, out);
  else
    run_market(d, true, 0, out);
  return true;
}

/* ---- the table ---- */

static void outputs_text(const tf_indicator_t *d, const double *out, char *text) {
  size_t used = 0;
  for (uint32_t o = 0; o < d->output_cnt; o++) {
    used += (size_t)snprintf(text + used, TEXT_BYTES - used, "%s", o ? ", " : "");
    if (out[o] == out[o])
      used += (size_t)snprintf(text + used, TEXT_BYTES - used, "%.6g", out[o] + 0.0);
    else
      used += (size_t)snprintf(text + used, TEXT_BYTES - used, "none");
  }
}

static void print_row(const tf_indicator_t *d, char *row, size_t cap) {
  outputs_t out;
  char      equal[TEXT_BYTES], empty[TEXT_BYTES] = "-";
  run_equal(d, out);
  outputs_text(d, out, equal);
  if (run_without_volume(d, out)) outputs_text(d, out, empty);
  size_t used = (size_t)snprintf(row, cap, "| `%s` | %s | %s | ", d->name, equal, empty);
  for (uint32_t p = 0; p < d->param_cnt; p++) {
    const tf_param_spec_t *spec   = &d->params[p];
    const char            *before = p ? "; " : "";
    if (spec->kind == TF_PARAM_CHOICE)
      used += (size_t)snprintf(row + used, cap - used, "%s%s: a word", before, spec->name);
    else if (spec->kind == TF_PARAM_DURATION)
      used += (size_t)snprintf(row + used, cap - used, "%s%s: %.10gs .. %.10gs", before, spec->name,
                               spec->min / 1e9, spec->max / 1e9);
    else
      used += (size_t)snprintf(row + used, cap - used, "%s%s: %.10g .. %.10g%s", before, spec->name,
                               spec->min, spec->max, spec->kind == TF_PARAM_COUNT ? ", whole" : "");
  }
  snprintf(row + used, cap - used, "%s|\n", d->param_cnt ? " " : "");
}

static void print_table(FILE *file) {
  char row[1024];
  fputs("# Indicators and bad input\n\n"
        "Written by `build/dev/tests/kernels/indicator/test_indicator_bad_input --table > "
        "docs/bad-input.md`; the test of that\nname compares. None of it is left to chance:\n\n"
        "- NaN and infinities, in any input: refused. The state stays as it was to the byte, the "
        "output is NaN until the next\n  good input, and nothing is left of it then. So are "
        "magnitudes above 1e150. An output is never infinite.\n"
        "- A missing side of the book, no trade yet, an empty window: NaN, or the sum of nothing, "
        "0.\n"
        "- Equal prices: what stands below, after 4,000 equal inputs; none is NaN. Series are all "
        "100, volumes 5; a market is\n  99.99 to 100.01 with trades of 1 at 100, buys and sells in "
        "turn.\n"
        "- Volume 0: likewise, with prices that move; - where volume is not read. The engine's "
        "bars hold what was traded, so this\n  is what `gaps: flat` and venues' trades of nothing "
        "come to.\n"
        "- Out of order: a series has no clock, its inputs count in the order they come. The "
        "engine's bars never go back\n  (a late trade is in no bar), `indicator eval` refuses a "
        "`ts` that does, and windows of time take what goes\n  back at the latest time reached.\n"
        "- Parameters beyond what stands below, and any that is not a number: refused with "
        "file:line:column and the range; a\n  whole number is wanted where it says so.\n\n"
        "| indicator | equal prices | volume 0 | parameters |\n|---|---|---|---|\n",
        file);
  for (uint32_t i = 0; i < tf_indicator_cnt; i++) {
    print_row(tf_indicators[i], row, sizeof row);
    fputs(row, file);
  }
}

static void the_table_in_the_docs_is_this_one(void **state) {
  (void)state;
  char  *want = NULL, line[2048];
  size_t bytes;
  FILE  *text = open_memstream(&want, &bytes), *file = fopen(TABLE_PATH, "r");
  assert_true(text && file);
  print_table(text);
  assert_int_equal(fclose(text), 0);
  const char *at = want;
  while (fgets(line, sizeof line, file)) {
    if (strncmp(at, line, strlen(line)) != 0)
      fail_msg(TABLE_PATH " is old: it has %s not %.200s; write it with --table", line, at);
    at += strlen(line);
  }
  assert_int_equal(*at, '\0');
  fclose(file);
  free(want);
}

/* ---- NaN and infinities ---- */

static void input_that_is_not_finite_is_refused_wherever_it_comes(void **state) {
  (void)state;
  for (uint32_t i = 0; i < tf_indicator_cnt; i++) {
    const tf_indicator_t *d = tf_indicators[i];
    if (d->series_cnt == 0) continue;
    rig_t     r    = rig_by_default(d);
    uint8_t  *copy = malloc(r.bytes + 1);
    outputs_t out  = {0}, kept;
    for (uint32_t k = 0; k < 700; k++) {
      tf_indicator_input_t in = {.on = TF_ON_INPUT};
      for (uint32_t s = 0; s < d->series_cnt; s++) in.x[s] = series_at(d->series[s], k, true, 5);
      const uint32_t bad = k % 2 ? k / 2 % d->series_cnt : TF_INDICATOR_SERIES_MAX;
      if (bad < d->series_cnt) in.x[bad] = NOT_FINITE[k / 2 % TF_ARRAY_CNT(NOT_FINITE)];
      memcpy(copy, r.mem, r.bytes);
      memcpy(kept, out, sizeof out);
      const tf_indicator_result_t result = d->update(r.mem, &in, out);
      if ((result == TF_INDICATOR_REJECTED) != (bad < d->series_cnt))
        fail_msg("%s: input %u of %u gave %d", d->name, bad, d->series_cnt, result);
      if (result != TF_INDICATOR_REJECTED) continue;
      assert_memory_equal(copy, r.mem, r.bytes);
      assert_memory_equal(kept, out, sizeof out);
    }
    free(copy);
    free(r.mem);
  }
}

/* Each number of the market in turn, NaN and infinite. */
static void market_with_a_number_missing_gives_no_infinity_and_recovers(void **state) {
  (void)state;
  static script_event_t events[400];
  script_make(events, TF_ARRAY_CNT(events), 77, 50000000);
  for (uint32_t i = 0; i < tf_indicator_cnt; i++) {
    const tf_indicator_t *d = tf_indicators[i];
    if (d->series_cnt > 0) continue;
    for (uint32_t which = 0; which < 8 * TF_ARRAY_CNT(NOT_FINITE); which++) {
      rig_t           r = rig_by_default(d);
      outputs_t       out;
      script_market_t m;
      script_market_init(&m);
      for (uint32_t k = 0; k < TF_ARRAY_CNT(events); k++) {
        const uint32_t on      = script_market_apply(&m, &events[k]);
        const double   broken  = NOT_FINITE[which / 8];
        tf_market_t    seen    = m.market;
        double        *words[] = {&seen.bid,        &seen.ask,         &seen.bid_qty,
                                  &seen.ask_qty,    &seen.trade_price, &seen.trade_qty,
                                  &seen.mark_price, &seen.funding_rate};
        if (k % 3 == 0 && which % 8 < TF_ARRAY_CNT(words)) *words[which % 8] = broken;
        if (d->on & on) (void)call(r, &m, &seen, on, out);
        const tf_indicator_result_t result = call(r, &m, &seen, TF_ON_TICK, out);
        if (result != TF_INDICATOR_REJECTED)
          check_outputs(d, "of a market with a number missing", out);
      }
      free(r.mem);
    }
  }
}

static void time_that_goes_back_ends_in_no_infinity(void **state) {
  (void)state;
  static script_event_t events[1200];
  script_make(events, TF_ARRAY_CNT(events), 5, 50000000);
  for (uint32_t k = 0; k < TF_ARRAY_CNT(events); k += 2)
    events[k].now_ns = k % 7 == 0 ? 0 : events[k].now_ns / (1 + k % 5);
  for (uint32_t i = 0; i < tf_indicator_cnt; i++) {
    const tf_indicator_t *d = tf_indicators[i];
    if (d->series_cnt > 0) continue;
    rig_t           r = rig_by_default(d);
    outputs_t       out;
    script_market_t m;
    script_market_init(&m);
    for (uint32_t k = 0; k < TF_ARRAY_CNT(events); k++) {
      const uint32_t on = script_market_apply(&m, &events[k]);
      if (d->on & on) (void)call(r, &m, &m.market, on, out);
      if (call(r, &m, &m.market, TF_ON_TICK, out) != TF_INDICATOR_REJECTED)
        check_outputs(d, "where time goes back", out);
    }
    free(r.mem);
  }
}

/* ---- parameters ---- */

static const char *const       BARS[]  = {"s1"};
static const tf_feature_peer_t PEERS[] = {
    {.name = "eth", .instrument = "ETHUSDT.BINANCE-SPOT", .max_age_ns = 1, .books_ok = 1}
};

/* "name(s1.close, 1, 2, BAD)": parameter p as the text, those before it by default. */
static void text_of(const tf_indicator_t *d, uint32_t p, const char *bad, char *text, size_t cap,
                    size_t *at) {
  size_t used = (size_t)snprintf(text, cap, "%s(", d->name);
  for (uint32_t s = 0; s < d->series_cnt; s++)
    used += (size_t)snprintf(text + used, cap - used, "s1.close, ");
  for (uint32_t k = 0; k < p; k++) {
    const tf_param_spec_t *spec = &d->params[k];
    if (spec->kind == TF_PARAM_DURATION)
      used += (size_t)snprintf(text + used, cap - used, "%.0fns, ", spec->dflt);
    else
      used += (size_t)snprintf(text + used, cap - used, "%.17g, ", spec->dflt);
  }
  *at = used + 1;
  snprintf(text + used, cap - used, "%s)%s", bad, d->peers_max > 0 ? "@eth" : "");
}

static bool is_allowed(const tf_param_spec_t *spec, double value) {
  const bool is_whole = value == __builtin_floor(value);
  if (!(value >= spec->min && value <= spec->max)) return false;
  return spec->kind == TF_PARAM_REAL || (spec->kind != TF_PARAM_DURATION && is_whole);
}

static bool is_either(const tf_indicator_t *d) {
  return strcmp(d->name, "min") == 0 || strcmp(d->name, "max") == 0;
}

static void absurd_parameter_is_refused_at_its_column_or_is_allowed(void **state) {
  (void)state;
  static const struct {
    const char *text;
    double      value;
  } BAD[] = {
      {"0",          0           },
      {"-1",         -1          },
      {"1.5",        1.5         },
      {"2147483648", 2147483648.0},
      {"1048577",    1048577     },
      {"1e300",      1e300       },
      {"1/0",        0           },
      {"mid",        0           },
      {"0ns",        0           },
      {"5s",         5e9         },
  };
  tf_feature_env_t env         = {.indicators    = tf_indicators,
                                  .indicator_cnt = tf_indicator_cnt,
                                  .bar_names     = BARS,
                                  .bar_cnt       = 1,
                                  .plain_bar     = TF_FEATURE_COMPILE_NONE,
                                  .peers         = PEERS,
                                  .peer_cnt      = TF_ARRAY_CNT(PEERS)};
  uint32_t         refused_cnt = 0;
  for (uint32_t i = 0; i < tf_indicator_cnt; i++) {
    const tf_indicator_t *d = tf_indicators[i];
    for (uint32_t p = 0; p < d->param_cnt; p++) {
      for (size_t b = 0; b < TF_ARRAY_CNT(BAD); b++) {
        const tf_param_spec_t *spec        = &d->params[p];
        const bool             is_duration = strchr(BAD[b].text, 's') != NULL;
        const bool is_number = strcmp(BAD[b].text, "1/0") != 0 && strcmp(BAD[b].text, "mid") != 0;
        bool       allowed   = is_number && !is_duration && is_allowed(spec, BAD[b].value);
        if (is_duration)
          allowed = spec->kind == TF_PARAM_DURATION && BAD[b].value >= spec->min &&
                    BAD[b].value <= spec->max;
        /* max(x, y) of what is no plain number is the greater of two values */
        if (p == 0 && is_either(d) && (!is_number || BAD[b].value < 0)) continue;
        char                  text[512], place[64];
        size_t                at;
        tf_feature_compile_t *c;
        tf_feature_plan_t     plan = {0};
        text_of(d, p, BAD[b].text, text, sizeof text, &at);
        assert_int_equal(tf_feature_compile_begin(&c, &env), TF_OK);
        const tf_err_t err  = tf_feature_compile_add(c, NULL, text, NULL);
        const size_t   sign = strcmp(BAD[b].text, "1/0") == 0; /* the error is at the operator */
        snprintf(place, sizeof place, "expr:1:%zu: ", at + sign);
        if (allowed != (err == TF_OK)) fail_msg("%s: %s", text, err ? tf_error_text() : "taken");
        if (err && (err != E_CONFIG_EXPR || !strstr(tf_error_text(), place)))
          fail_msg("%s, at column %zu: %s", text, at, tf_error_text());
        refused_cnt += err != TF_OK;
        tf_feature_plan_fini(&plan);
        tf_feature_compile_end(c);
      }
    }
  }
  assert_true(refused_cnt > 1000);
}

/* The largest and the smallest of everything: taken, or refused by init with a reason; never infinite. */
static void parameters_at_the_ends_of_their_range_are_computed_or_refused(void **state) {
  (void)state;
  for (uint32_t i = 0; i < tf_indicator_cnt; i++) {
    const tf_indicator_t *d = tf_indicators[i];
    for (uint32_t end = 0; end < 2 && d->series_cnt > 0; end++) {
      double    params[TF_INDICATOR_PARAMS_MAX];
      outputs_t out;
      for (uint32_t p = 0; p < d->param_cnt; p++)
        params[p] = end ? d->params[p].max : d->params[p].min;
      const size_t bytes = d->state_bytes(params);
      if (bytes > TF_FEATURE_PLAN_BYTES_MAX) continue; /* the plan refuses it */
      void *mem = aligned_alloc(64, tf_align_up(bytes + 1, 64));
      assert_non_null(mem);
      if (d->init(mem, params) == TF_OK) {
        for (uint32_t k = 0; k < 300; k++) {
          tf_indicator_input_t in = {.on = TF_ON_INPUT};
          for (uint32_t s = 0; s < d->series_cnt; s++)
            in.x[s] = series_at(d->series[s], k, true, 5);
          (void)d->update(mem, &in, out);
          check_outputs(d, end ? "at its largest parameters" : "at its smallest", out);
        }
      }
      free(mem);
    }
  }
}

int main(int argc, char **argv) {
  if (argc == 2 && strcmp(argv[1], "--table") == 0) {
    print_table(stdout);
    return 0;
  }
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(input_that_is_not_finite_is_refused_wherever_it_comes),
      cmocka_unit_test(market_with_a_number_missing_gives_no_infinity_and_recovers),
      cmocka_unit_test(time_that_goes_back_ends_in_no_infinity),
      cmocka_unit_test(absurd_parameter_is_refused_at_its_column_or_is_allowed),
      cmocka_unit_test(parameters_at_the_ends_of_their_range_are_computed_or_refused),
      cmocka_unit_test(the_table_in_the_docs_is_this_one),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
