/* Every indicator that TA-Lib has too against what TA-Lib answers (tests/golden), and the table of it.
 *
 * The error of a value is |ours - wanted| / max(|wanted|, scale); it must be at most 1e-9. What the scale is the golden data
 * say for each function: nothing, the range of an oscillator (100 or 1), the largest price so far where a value is a
 * difference of prices, the largest output so far where it is a sum of signed parts. Wanted is TA-Lib's value, or,
 * where the data know that TA-Lib has lost digits there, what exact arithmetic gives.
 *
 * Between the bars stand some with a NaN: they are rejected and change nothing, so that the outputs are TA-Lib's for
 * the series without them. TA-Lib's infinities and NaNs are "no value" here.
 *
 *   test_indicator_talib --table    prints docs/indicators.md
 *   test_indicator_talib NAME..     these only, every difference printed */
#include "cmocka_tf.h"

#include <stdlib.h>
#include <string.h>

#include "golden.h"
#include "indicator/registry.h"

#define ERROR_MAX  1e-9
#define NAN_EVERY  7
#define TABLE_PATH "docs/indicators.md"

typedef struct row {
  const tf_indicator_t *d;
  uint32_t              eval_cnt, value_cnt, exact_cnt, exact_real_cnt;
  bool                  lookbacks_equal;
  double                error_max;
  char                  worst[160];
  char                  scale[16];
  uint32_t              wrong_cnt;
} row_t;

static row_t        rows[512];
static char *const *only;
static int          only_cnt;

static const tf_indicator_t *indicator_of(const char *name) {
  for (uint32_t i = 0; i < tf_indicator_cnt; i++)
    if (strcmp(tf_indicators[i]->name, name) == 0) return tf_indicators[i];
  return NULL;
}

static row_t *row_of(const tf_indicator_t *d) {
  for (uint32_t i = 0; i < tf_indicator_cnt; i++)
    if (tf_indicators[i] == d) return &rows[i];
  return NULL;
}

static bool is_wanted(const char *name) {
  for (int i = 0; i < only_cnt; i++)
    if (strcmp(only[i], name) == 0) return true;
  return only_cnt == 0;
}

static bool is_real(const golden_eval_t *e) { return strncmp(e->bars->name, "btc", 3) == 0; }

static double error_of(double got, double want, double scale) {
  bool none_got = !__builtin_isfinite(got), none_wanted = !__builtin_isfinite(want);
  if (none_got || none_wanted) return none_got == none_wanted ? 0 : __builtin_inf();
  if (got == want) return 0;
  double size = __builtin_fabs(want) > scale ? __builtin_fabs(want) : scale;
  return __builtin_fabs(got - want) / size;
}

static void note(row_t *r, const golden_eval_t *e, const golden_sample_t *s, uint32_t o, double got,
                 double error) {
  if (!(error > r->error_max) && !(only_cnt && error > ERROR_MAX)) return;
  if (error > r->error_max) r->error_max = error;
  size_t used = (size_t)snprintf(r->worst, sizeof r->worst, "%s(", e->name);
  for (uint32_t p = 0; p < e->param_cnt; p++)
    used += (size_t)snprintf(r->worst + used, sizeof r->worst - used, "%s%g", p ? "," : "",
                             e->params[p]);
  snprintf(r->worst + used, sizeof r->worst - used, ").%s %s[%zu]: %.17g, TA-Lib %.17g%s",
           e->output_cnt > 1 ? r->d->outputs[o] : "", e->bars->name, s->idx, got, s->talib[o],
           s->has_exact ? " *" : "");
  if (only_cnt && error > ERROR_MAX) print_message("%s\n", r->worst);
}

static void compare(row_t *r, const golden_eval_t *e, const golden_sample_t *s, const double *out,
                    double scale) {
  double error_max = 0;
  for (uint32_t o = 0; o < e->output_cnt; o++) {
    double error = error_of(out[o], s->has_exact ? s->exact[o] : s->talib[o], scale);
    note(r, e, s, o, out[o], error);
    if (error > error_max) error_max = error;
  }
  r->value_cnt++;
  r->exact_cnt += s->has_exact;
  r->exact_real_cnt += s->has_exact && is_real(e);
  r->wrong_cnt += error_max > ERROR_MAX;
}

/* The largest so far of what the errors are relative to. */
static void widen(double *scale, const golden_eval_t *e, const tf_indicator_t *d,
                  const tf_indicator_input_t *in, const double *out) {
  bool only_volume = d->series_cnt == 1 && strcmp(d->series[0], "volume") == 0;
  for (uint32_t k = 0; e->scale_kind == GOLDEN_INPUTS && k < d->series_cnt; k++) {
    bool is_price = strcmp(d->series[k], "volume") != 0 && strcmp(d->series[k], "periods") != 0;
    if ((is_price || only_volume) && __builtin_fabs(in->x[k]) > *scale)
      *scale = __builtin_fabs(in->x[k]);
  }
  for (uint32_t o = 0; e->scale_kind == GOLDEN_OUTPUTS && o < e->output_cnt; o++)
    if (__builtin_fabs(out[o]) > *scale) *scale = __builtin_fabs(out[o]);
}

static void check(row_t *r, const golden_eval_t *e) {
  const tf_indicator_t *d = r->d;
  const double         *series[TF_INDICATOR_SERIES_MAX];
  for (uint32_t k = 0; k < d->series_cnt; k++)
    assert_non_null(series[k] = golden_column(e->bars, d->series[k]));
  void *state = malloc(d->state_bytes(e->params));
  assert_non_null(state);
  if (d->init(state, e->params) != TF_OK) fail_msg("%s refuses %g", d->name, e->params[0]);
  r->eval_cnt++;
  snprintf(r->scale, sizeof r->scale, "%s", e->scale_text);
  if (d->lookback(e->params) != e->lookback) {
    r->lookbacks_equal = false;
    if (only_cnt)
      print_message("%s(%g): lookback %llu, TA-Lib %zu\n", d->name, e->params[0],
                    (unsigned long long)d->lookback(e->params), e->lookback);
  }
  size_t next  = 0;
  double scale = e->scale;
  for (size_t i = 0; i < e->bars->cnt && next < e->sample_cnt; i++) {
    tf_indicator_input_t in = {.on = TF_ON_INPUT};
    double               out[TF_INDICATOR_OUTPUTS_MAX];
    for (uint32_t k = 0; k < d->series_cnt; k++) in.x[k] = series[k][i];
    if (i % NAN_EVERY == 3) {
      tf_indicator_input_t gap = in;
      gap.x[i % d->series_cnt] = __builtin_nan("");
      assert_int_equal(d->update(state, &gap, out), TF_INDICATOR_REJECTED);
    }
    tf_indicator_result_t result = d->update(state, &in, out);
    if (i < e->lookback) assert_int_equal(result, TF_INDICATOR_WARMING);
    widen(&scale, e, d, &in, out);
    if (i == e->samples[next].idx) compare(r, e, &e->samples[next++], out, scale);
  }
  assert_true(next == e->sample_cnt);
  free(state);
}

static void check_file(const char *name) {
  static golden_eval_t e;
  golden_file_t       *file = golden_open(name);
  while (golden_next(file, &e)) {
    const tf_indicator_t *d = indicator_of(e.name);
    if (!d || !is_wanted(e.name)) continue;
    row_t *r = row_of(d);
    if (!r->d) *r = (row_t){.d = d, .lookbacks_equal = true};
    if (d->output_cnt != e.output_cnt || d->param_cnt != e.param_cnt)
      fail_msg("%s: %u outputs of %u parameters, TA-Lib %u of %u", d->name, d->output_cnt,
               d->param_cnt, e.output_cnt, e.param_cnt);
    check(r, &e);
  }
  golden_close(file);
}

static void check_all(void) {
  for (uint32_t i = 0; golden_file_name(i); i++) check_file(golden_file_name(i));
}

/* ---- the table ---- */

static const char *scale_text(const row_t *r) {
  return strcmp(r->scale, "in") == 0    ? "prices"
         : strcmp(r->scale, "out") == 0 ? "outputs"
         : strcmp(r->scale, "0") == 0   ? "value"
                                        : r->scale;
}

static void print_row(const row_t *r, char *text, size_t bytes) {
  size_t used = (size_t)snprintf(text, bytes, "| `%s` | %s | ", r->d->name,
                                 tf_indicator_group_name((tf_indicator_group_t)r->d->group));
  for (uint32_t p = 0; p < r->d->param_cnt; p++) {
    const tf_param_spec_t *spec = &r->d->params[p];
    char                   dflt[32];
    snprintf(dflt, sizeof dflt, "%g", spec->dflt);
    used +=
        (size_t)snprintf(text + used, bytes - used, "%s%s=%s", p ? ", " : "", spec->name,
                         spec->kind == TF_PARAM_CHOICE ? spec->names[(uint32_t)spec->dflt] : dflt);
  }
  snprintf(text + used, bytes - used, " | %u | %u | %.1e | %s | %s | %u | %u |\n", r->eval_cnt,
           r->value_cnt, r->error_max, scale_text(r), r->lookbacks_equal ? "yes" : "NO",
           r->exact_cnt, r->exact_real_cnt);
}

static void print_table(FILE *file) {
  char     text[1024];
  uint32_t cnt = 0;
  for (uint32_t i = 0; i < tf_indicator_cnt; i++) cnt += rows[i].d != NULL;
  fprintf(file,
          "# Indicators beside TA-Lib\n\n"
          "Written by `build/dev/tests/kernels/indicator/test_indicator_talib --table > %s`; the "
          "test of that name\n"
          "compares. %u functions against TA-Lib 0.8.2 over bars of real trades, ten made-up "
          "unkind series and 10^6\n"
          "bars, NaN rows in between.\n\n"
          "- evals: sets of parameters times series; values: how many were compared.\n"
          "- max error: |ours - TA-Lib's| / max(|TA-Lib's|, scale), at most 1e-9.\n"
          "- scale: what errors are relative to beside the value: 100 or 1 for a bounded "
          "oscillator, the largest price so\n"
          "  far for a difference of prices, the largest output so far for a sum of signed parts.\n"
          "- lookback: as many inputs before the first output as in TA-Lib, at all parameters.\n"
          "- exact: values where TA-Lib has lost digits (its error is above 1e-10); there ours are "
          "held against exact\n"
          "  arithmetic; real: how many of these are on bars of real trades.\n"
          "- patterns: also over candles grown so that each of their answers occurs 200 times or "
          "more. test_indicator_pattern\n"
          "  compares them at every candle of all series but the 10^6; TA-Lib's running sums "
          "turn some ties where prices\n"
          "  change between hundredths and tens.\n\n"
          "| indicator | group | parameters | evals | values | max error | scale | lookback | "
          "exact | real |\n"
          "|---|---|---|---|---|---|---|---|---|---|\n",
          TABLE_PATH, cnt);
  for (uint32_t i = 0; i < tf_indicator_cnt; i++) {
    if (!rows[i].d) continue;
    print_row(&rows[i], text, sizeof text);
    fputs(text, file);
  }
}

/* ---- tests ---- */

static void all_equal_talib(void **state) {
  (void)state;
  uint32_t wrong = 0;
  for (uint32_t i = 0; i < tf_indicator_cnt; i++) {
    const row_t *r = &rows[i];
    if (!r->d || (r->error_max <= ERROR_MAX && r->lookbacks_equal)) continue;
    print_message("%-16s %5u of %u values, error %.3g, lookback %s: %s\n", r->d->name, r->wrong_cnt,
                  r->value_cnt, r->error_max, r->lookbacks_equal ? "equal" : "differs", r->worst);
    wrong++;
  }
  assert_int_equal(wrong, 0);
}

static void the_table_in_the_docs_is_this_one(void **state) {
  (void)state;
  char  want[1024], line[1024];
  FILE *file = fopen(TABLE_PATH, "r");
  assert_non_null(file);
  uint32_t i = 0;
  while (fgets(line, sizeof line, file)) {
    if (strncmp(line, "| `", 3) != 0) continue;
    while (i < tf_indicator_cnt && !rows[i].d) i++;
    assert_true(i < tf_indicator_cnt);
    print_row(&rows[i++], want, sizeof want);
    assert_string_equal(line, want);
  }
  while (i < tf_indicator_cnt && !rows[i].d) i++;
  assert_int_equal(i, tf_indicator_cnt);
  fclose(file);
}

int main(int argc, char **argv) {
  if (!golden_load_bars()) {
    puts("skipped: no tests/golden");
    return 77;
  }
  bool is_table = argc == 2 && strcmp(argv[1], "--table") == 0;
  only          = argv + 1;
  only_cnt      = is_table ? 0 : argc - 1;
  check_all();
  if (is_table) {
    print_table(stdout);
    return 0;
  }
  const struct CMUnitTest tests[] = {cmocka_unit_test(all_equal_talib),
                                     cmocka_unit_test(the_table_in_the_docs_is_this_one)};
  const struct CMUnitTest some[]  = {cmocka_unit_test(all_equal_talib)};
  return only_cnt ? cmocka_run_group_tests_name("indicator_talib", some, NULL, NULL)
                  : cmocka_run_group_tests_name("indicator_talib", tests, NULL, NULL);
}
