/* Every indicator against tests/oracle/indicators.py, which computes each value from its definition
 * in exact arithmetic and shares nothing with the C code. */
#include "cmocka_tf.h"

#include <string.h>
#include <unistd.h>

#include "indicator/registry.h"
#include "market_script.h"

enum { LEN = 700, EVENTS = 1500, SERIES_KINDS = 7 };

static char           path[] = "/tmp/tickfuse-golden-XXXXXX";
static double         series[SERIES_KINDS][LEN];
static script_event_t events[EVENTS];
static char           line[1 << 20];

static const double COUNTS[]  = {2, 5, 14, 100};
static const double WINDOWS[] = {1e8, 1e9};
static const char  *SKIP_HINT = "skipped: /usr/bin/python3 or tests/oracle is missing";
static char         known[4096];

static double unit(uint64_t *seed) { return (double)(script_random(seed) >> 11) * 0x1p-53; }

static void make_series(void) {
  uint64_t seed = 4711;
  double   walk = 61837.63;
  for (uint32_t i = 0; i < LEN; i++) {
    double u = unit(&seed);
    walk += (u - 0.5) * 3;
    series[0][i] = (double)(int64_t)(walk * 100) / 100;             /* prices */
    series[1][i] = 6e4 + unit(&seed) * 1e-2;                        /* tiny spread, high mean */
    series[2][i] = i % 97 == 0 ? 1e9 * u : 1e-3 + u * 1e-5;         /* spikes */
    series[3][i] = (i / 120) % 2 ? 1e6 + u * 1e-3 : 1.0 + u * 1e-3; /* levels */
    series[4][i] = 42.1 + (i > LEN / 2 ? 0.7 : 0.0);                /* constant, twice */
    series[5][i] = (double)(1 + script_random(&seed) % 4);          /* many ties */
    series[6][i] = 100 + 0.01 * i;                                  /* a trend */
  }
}

/* The evals of the request, in order: for each indicator each series or window. */
typedef void each_t(const tf_indicator_t *d, const double *params, uint32_t series_idx, void *ctx);

static void for_each_eval(const tf_indicator_t *d, each_t *each, void *ctx) {
  double params[TF_INDICATOR_PARAMS_MAX] = {0};
  for (uint32_t p = 0; p < d->param_cnt; p++) params[p] = d->params[p].dflt;
  if (d->series_cnt == 0) {
    bool has_window = d->param_cnt > 0 && d->params[0].kind == TF_PARAM_DURATION;
    for (uint32_t w = 0; w < (has_window ? TF_ARRAY_CNT(WINDOWS) : 1); w++) {
      if (has_window) params[0] = WINDOWS[w];
      each(d, params, 0, ctx);
    }
    return;
  }
  for (uint32_t s = 0; s < SERIES_KINDS; s++) {
    for (uint32_t c = 0; c < TF_ARRAY_CNT(COUNTS); c++) {
      bool has_count = d->param_cnt > 0 && d->params[0].kind == TF_PARAM_COUNT;
      if (has_count) params[0] = COUNTS[c];
      if (has_count || c == 0) each(d, params, s, ctx);
    }
  }
}

static bool oracle_knows(const char *name) {
  size_t len = strlen(name);
  for (const char *at = strstr(known, name); at; at = strstr(at + 1, name)) {
    if ((at == known || at[-1] == ' ') && (at[len] == ' ' || at[len] == '\n')) return true;
  }
  return false;
}

static void print_eval(const tf_indicator_t *d, const double *params, uint32_t series_idx,
                       void *ctx) {
  FILE *file = ctx;
  if (d->series_cnt) {
    fprintf(file, "eval %s s%u", d->name, series_idx);
    for (uint32_t s = 1; s < d->series_cnt; s++)
      fprintf(file, ",s%u", (series_idx + s) % SERIES_KINDS);
  } else {
    fprintf(file, "eval %s market", d->name);
  }
  for (uint32_t p = 0; p < d->param_cnt; p++) fprintf(file, " %.17g", params[p]);
  fputc('\n', file);
}

static FILE *oracle(void) {
  char command[256];
  snprintf(command, sizeof command, "/usr/bin/python3 tests/oracle/indicators.py %s", path);
  return popen(command, "r");
}

static void print_request(bool is_list) {
  FILE *file = fopen(path, "w");
  assert_non_null(file);
  if (is_list) fputs("list\n", file);
  for (uint32_t s = 0; s < SERIES_KINDS && !is_list; s++) {
    fprintf(file, "series s%u", s);
    for (uint32_t i = 0; i < LEN; i++) fprintf(file, " %a", series[s][i]);
    fputc('\n', file);
  }
  if (!is_list) script_print(events, EVENTS, file);
  for (uint32_t i = 0; i < tf_indicator_cnt && !is_list; i++) {
    if (oracle_knows(tf_indicators[i]->name)) for_each_eval(tf_indicators[i], print_eval, file);
  }
  fclose(file);
}

typedef struct check {
  FILE    *file;
  uint32_t value_cnt;
  double   error_max;
  char     worst[128];
} check_t;

/* Relative to the value; where a value is a small difference of large ones (an average of signed
 * steps, a score near zero) to what it is made of: its inputs, the largest of which so far is input_max. */
static double scale_of(const tf_indicator_t *d, double want, double input_max) {
  static const char *const OF_INPUTS[] = {"dema", "linearreg_slope", "tema"};
  double                   scale       = __builtin_fabs(want);
  for (size_t i = 0; i < TF_ARRAY_CNT(OF_INPUTS); i++)
    if (strcmp(d->name, OF_INPUTS[i]) == 0) return scale > input_max ? scale : input_max;
  if (strcmp(d->name, "zscore") == 0) return scale > 1 ? scale : 1;
  if (strcmp(d->name, "ofi") == 0 || strcmp(d->name, "mlofi") == 0)
    return scale > 1e-3 ? scale : 1e-3;
  if (strcmp(d->name, "kyle_lambda") == 0) return scale > 1e-2 ? scale : 1e-2;
  if (strncmp(d->name, "imbalance", 9) == 0 || strcmp(d->name, "trade_imbalance") == 0) return 1;
  if (strcmp(d->name, "basis") == 0) return 1e4;
  if (strcmp(d->name, "roll") == 0) return 1;
  if (strcmp(d->name, "effective_spread") == 0) return 1e4;
  if (strcmp(d->name, "realised_spread") == 0) return 1e4;
  if (strcmp(d->name, "spread") == 0 || strcmp(d->name, "spread_bps") == 0) return 1e4;
  if (strcmp(d->name, "rsi") == 0) return 100;
  return scale;
}

static void compare(check_t *c, const tf_indicator_t *d, const double *params, uint32_t series_idx,
                    uint32_t i, double want, double found, double input_max) {
  c->value_cnt++;
  if (want != want || found != found) {
    if ((want != want) == (found != found)) return;
    fail_msg("%s(%g) series %u value %u: oracle %.17g, found %.17g", d->name, params[0], series_idx,
             i, want, found);
  }
  double error = __builtin_fabs(want - found), scale = scale_of(d, want, input_max);
  if (error == 0) return;
  double relative = error / scale;
  if (relative > c->error_max) {
    c->error_max = relative;
    snprintf(c->worst, sizeof c->worst, "%s(%g) series %u", d->name, params[0], series_idx);
  }
  /* Recursive ones; a sum whose largest part, 10^20 times the rest, has just left (sma.c); and changes
   * from price to price, whose doubles are not the decimals that the oracle subtracts. */
  static const char *const LOOSE[] = {
      "amihud",          "bipower", "dema",           "ema",       "ewma_vol",     "garman_klass",
      "hawkes",          "roll",    "kyle_lambda",    "rsi",       "realized_var", "realized_vol",
      "rogers_satchell", "tema",    "text_score_ema", "yang_zhang"};
  bool accumulates = false;
  for (size_t r = 0; r < TF_ARRAY_CNT(LOOSE); r++)
    accumulates = accumulates || strcmp(d->name, LOOSE[r]) == 0;
  if (!(relative <= (accumulates ? 1e-9 : 1e-12))) {
    fail_msg("%s(%g) series %u value %u: oracle %.17g, found %.17g, error %.3g", d->name, params[0],
             series_idx, i, want, found, relative);
  }
}

static void check_eval(const tf_indicator_t *d, const double *params, uint32_t series_idx,
                       void *ctx) {
  check_t *c     = ctx;
  uint8_t *state = calloc(1, d->state_bytes(params));
  assert_non_null(state);
  assert_int_equal(d->init(state, params), TF_OK);
  assert_non_null(fgets(line, sizeof line, c->file));
  char           *at = line;
  script_market_t m;
  script_market_init(&m);
  uint32_t cnt       = d->series_cnt ? LEN : EVENTS;
  double   input_max = 0;
  for (uint32_t i = 0; i < cnt; i++) {
    double               out[TF_INDICATOR_OUTPUTS_MAX];
    tf_indicator_input_t in = {.on = TF_ON_INPUT};
    if (d->series_cnt > 0) {
      for (uint32_t s = 0; s < d->series_cnt; s++) {
        in.x[s] = series[(series_idx + s) % SERIES_KINDS][i];
        if (__builtin_fabs(in.x[s]) > input_max) input_max = __builtin_fabs(in.x[s]);
      }
    } else {
      uint32_t on = script_market_apply(&m, &events[i]);
      in          = (tf_indicator_input_t){.on = TF_ON_TEXT, .market = &m.market};
      if (d->on & TF_ON_TEXT && events[i].has_ticker) d->update(state, &in, out);
      in.on = on;
      if (d->on & on) d->update(state, &in, out);
      in.on = TF_ON_TICK;
      if (!events[i].last) continue;
    }
    bool rejected = d->update(state, &in, out) == TF_INDICATOR_REJECTED;
    for (uint32_t o = 0; o < d->output_cnt; o++) {
      char  *end;
      double want = strtod(at, &end);
      assert_true(end != at);
      at = end;
      compare(c, d, params, series_idx, i, want, rejected ? __builtin_nan("") : out[o], input_max);
    }
  }
  free(state);
}

static void every_indicator_agrees_with_the_exact_oracle(void **state) {
  (void)state;
  print_request(false);
  check_t c = {.file = oracle()};
  assert_non_null(c.file);
  for (uint32_t i = 0; i < tf_indicator_cnt; i++) {
    if (oracle_knows(tf_indicators[i]->name)) {
      for_each_eval(tf_indicators[i], check_eval, &c);
    } else if (tf_indicators[i]->series_cnt == 0 && tf_indicators[i]->peers_max == 0) {
      print_message("no oracle for %s: add it to tests/oracle/indicators.py\n",
                    tf_indicators[i]->name);
    }
  }
  assert_int_equal(pclose(c.file), 0);
  print_message("%u values, largest error %.3g in %s\n", c.value_cnt, c.error_max, c.worst);
  assert_true(c.value_cnt > 200000);
}

int main(void) {
  if (access("/usr/bin/python3", X_OK) != 0 || access("tests/oracle/indicators.py", R_OK) != 0) {
    puts(SKIP_HINT);
    return 77;
  }
  int fd = mkstemp(path);
  if (fd < 0) {
    puts("skipped: no temporary file");
    return 77;
  }
  close(fd);
  make_series();
  script_make(events, EVENTS, 99, 100000000);
  print_request(true);
  FILE *file = oracle();
  if (!file || !fgets(known, sizeof known, file)) return 1;
  pclose(file);
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(every_indicator_agrees_with_the_exact_oracle)};
  int failed = cmocka_run_group_tests_name("indicator_golden", tests, NULL, NULL);
  unlink(path);
  return failed;
}
