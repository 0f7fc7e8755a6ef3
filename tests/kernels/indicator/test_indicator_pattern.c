/* The candlestick patterns against what TA-Lib answers at every candle of every series of tests/golden but the million
 * (test_indicator_talib takes samples of that too): a pattern's data there have each index at which it fires. The series
 * "candles" was grown so that each answer of each pattern occurs hundreds of times, often only just or only just
 * not (tools/golden_candles.py). Only over "jumps", where prices change between hundredths and tens, does TA-Lib's
 * running sum decide some ties by what it has kept of larger prices; there the answer is that of its sum begun anew. */
#include "cmocka_tf.h"

#include <stdlib.h>
#include <string.h>

#include "golden.h"
#include "indicator/registry.h"

enum { PATTERNS = 61, WAYS = 98, OFTEN = 200, ANSWERS_MAX = 4 };

static const char *const FILE_NAME = "pattern_recognition.txt.gz";

/* ---- a pattern over bars ---- */

static const tf_indicator_t *pattern_of(const char *name) {
  for (uint32_t i = 0; i < tf_indicator_cnt; i++)
    if (strcmp(tf_indicators[i]->name, name) == 0) return tf_indicators[i];
  fail_msg("no indicator %s", name);
  return NULL;
}

static void *state_of(const tf_indicator_t *d, const double *params) {
  void *state = malloc(d->state_bytes(params));
  assert_non_null(state);
  assert_int_equal(d->init(state, params), TF_OK);
  return state;
}

/* Prices times scale plus shift. */
static tf_indicator_input_t candle_of(const golden_bars_t *bars, size_t i, double scale,
                                      double shift) {
  tf_indicator_input_t in = {.on = TF_ON_INPUT};
  for (uint32_t k = 0; k < 4; k++) in.x[k] = bars->columns[k][i] * scale + shift;
  return in;
}

static bool is_same(double a, double b) { return a == b || (a != a && b != b); }

static double wanted_at(const golden_eval_t *e, size_t i, size_t *next) {
  if (*next == e->sample_cnt || e->samples[*next].idx != i)
    return i < e->lookback ? __builtin_nan("") : 0;
  const golden_sample_t *s = &e->samples[(*next)++];
  return s->has_exact ? s->exact[0] : s->talib[0];
}

typedef void each_t(const golden_eval_t *e, const tf_indicator_t *d);

static void for_each_eval(const char *bars, bool with_defaults, each_t *each) {
  static golden_eval_t e;
  golden_file_t       *file = golden_open(FILE_NAME);
  while (golden_next(file, &e)) {
    const tf_indicator_t *d = pattern_of(e.name);
    if (bars ? strcmp(bars, e.bars->name) != 0 : strcmp(e.bars->name, "million") == 0) continue;
    if (with_defaults && e.param_cnt && e.params[0] != d->params[0].dflt) continue;
    each(&e, d);
  }
  golden_close(file);
}

/* ---- tests ---- */

static size_t value_cnt, exact_cnt;

static void compare_all(const golden_eval_t *e, const tf_indicator_t *d) {
  void  *state = state_of(d, e->params);
  size_t next  = 0;
  assert_int_equal(d->lookback(e->params), e->lookback);
  for (size_t i = 0; i < e->bars->cnt; i++) {
    tf_indicator_input_t in = candle_of(e->bars, i, 1, 0);
    double               out, want = wanted_at(e, i, &next);
    d->update(state, &in, &out);
    if (!is_same(out, want))
      fail_msg("%s(%g) %s[%zu]: %g, TA-Lib %g", d->name, e->param_cnt ? e->params[0] : 0,
               e->bars->name, i, out, want);
    value_cnt++;
  }
  assert_true(next == e->sample_cnt);
  for (size_t s = 0; s < e->sample_cnt; s++) {
    if (!e->samples[s].has_exact) continue;
    assert_string_equal(e->bars->name, "jumps");
    exact_cnt++;
  }
  free(state);
}

static void each_answer_is_talibs_at_every_candle(void **state) {
  (void)state;
  for_each_eval(NULL, false, compare_all);
  print_message("%zu values, %zu of which not TA-Lib's\n", value_cnt, exact_cnt);
  assert_true(value_cnt > 4000000);
  assert_in_range(exact_cnt, 20, 100);
}

static uint32_t pattern_cnt, way_cnt;

static void count_ways(const golden_eval_t *e, const tf_indicator_t *d) {
  static const double ANSWERS[] = {-200, -100, -80, 80, 100, 200};
  uint32_t            seen      = 0;
  for (size_t a = 0; a < TF_ARRAY_CNT(ANSWERS); a++) {
    uint32_t cnt = 0;
    for (size_t s = 0; s < e->sample_cnt; s++) cnt += e->samples[s].talib[0] == ANSWERS[a];
    if (cnt == 0) continue;
    if (cnt < OFTEN) fail_msg("%s: %g only %u times", d->name, ANSWERS[a], cnt);
    seen++;
  }
  assert_true(seen > 0);
  pattern_cnt++;
  way_cnt += seen;
}

static void each_pattern_fires_hundreds_of_times_in_each_of_its_ways(void **state) {
  (void)state;
  for_each_eval("candles", true, count_ways);
  assert_int_equal(pattern_cnt, PATTERNS);
  assert_int_equal(way_cnt, WAYS);
  uint32_t cnt = 0;
  for (uint32_t i = 0; i < tf_indicator_cnt; i++)
    cnt += tf_indicators[i]->group == TF_GROUP_PATTERN;
  assert_int_equal(cnt, PATTERNS);
}

/* State in a box of exactly its size, which it leaves for another now and then. */
static void drive(const golden_eval_t *e, const tf_indicator_t *d) {
  size_t bytes = d->state_bytes(e->params);
  void  *state = state_of(d, e->params), *copy = malloc(bytes);
  assert_non_null(copy);
  for (size_t i = 0; i < e->bars->cnt; i++) {
    tf_indicator_input_t in = candle_of(e->bars, i, 1, 0),
                         no = candle_of(e->bars, (i + 11) % e->bars->cnt, 1, 0);
    double seen, other, out;
    memcpy(copy, state, bytes);
    d->peek(state, &no, &other);
    d->peek(state, &in, &seen);
    assert_memory_equal(state, copy, bytes);
    if (i % 97 == 0) {
      memset(state, 0xee, bytes);
      void *left = state;
      state = copy, copy = left;
    }
    d->update(state, &in, &out);
    if (!is_same(seen, out)) fail_msg("%s[%zu]: peek %g, update %g", d->name, i, seen, out);
  }
  free(state);
  free(copy);
}

static void peek_foretells_every_answer_and_states_move(void **state) {
  (void)state;
  for_each_eval("candles", true, drive);
}

/* What a pattern says at every candle, prices moved; after a first candle at `before` if that is not 0. */
static void answers_of(const golden_eval_t *e, const tf_indicator_t *d, size_t from, double scale,
                       double shift, double before, double *answers) {
  void *state = state_of(d, e->params);
  if (before != 0) {
    tf_indicator_input_t absurd = {
        .on = TF_ON_INPUT, .x = {before, 2 * before, -before, before / 3}
    };
    double out;
    d->update(state, &absurd, &out);
  }
  for (size_t i = from; i < e->bars->cnt; i++) {
    tf_indicator_input_t in = candle_of(e->bars, i, scale, shift);
    d->update(state, &in, &answers[i]);
  }
  free(state);
}

enum { CANDLES_MAX = 1 << 17, MEMORY = 24 };

static double answers[CANDLES_MAX], others[CANDLES_MAX];

static void compare_from(const tf_indicator_t *d, const golden_eval_t *e, size_t from,
                         const char *what) {
  for (size_t i = from; i < e->bars->cnt; i++)
    if (!is_same(answers[i], others[i]))
      fail_msg("%s[%zu]: %g, %s %g", d->name, i, answers[i], what, others[i]);
}

static void move_prices(const golden_eval_t *e, const tf_indicator_t *d) {
  assert_true(e->bars->cnt <= CANDLES_MAX);
  answers_of(e, d, 0, 1, 0, 0, answers);
  answers_of(e, d, 0, 0x1p-40, 0, 0, others);
  compare_from(d, e, 0, "in another unit");
  answers_of(e, d, 0, 1, -6000, 0, others);
  compare_from(d, e, 0, "lower");
}

static void answers_do_not_hang_on_the_unit_or_the_level_of_prices(void **state) {
  (void)state;
  for_each_eval("candles", true, move_prices);
}

static void forget(const golden_eval_t *e, const tf_indicator_t *d) {
  answers_of(e, d, 0, 1, 0, 0, answers);
  answers_of(e, d, 1000, 1, 0, 1e149, others);
  compare_from(d, e, 1000 + MEMORY, "after an absurd candle");
}

static void what_has_left_leaves_nothing_behind(void **state) {
  (void)state;
  for_each_eval("candles", true, forget);
}

/* What a pattern says of `last` after ten candles of body 4 and range 10. */
static double answer_after_even(const char *name, double (*last)[4], size_t cnt) {
  const tf_indicator_t *d           = pattern_of(name);
  double                penetration = d->param_cnt ? d->params[0].dflt : 0, out = 0;
  void                 *state = state_of(d, &penetration);
  for (size_t i = 0; i < 10 + cnt; i++) {
    tf_indicator_input_t in = {
        .on = TF_ON_INPUT, .x = {100, 107, 97, 104}
    };
    if (i >= 10) memcpy(in.x, last[i - 10], sizeof in.x);
    d->update(state, &in, &out);
  }
  free(state);
  return out;
}

static void a_close_exactly_at_the_depth_is_not_deep_enough(void **state) {
  (void)state;
  double evening[][4] = {
      {100, 121, 99,  120},
      {124, 127, 123, 126},
      {122, 123, 110, 114}
  };
  double morning[][4] = {
      {120, 121, 99, 100},
      {96,  97,  93, 94 },
      {98,  110, 97, 106}
  };
  assert_true(answer_after_even("cdleveningstar", evening, 3) == 0);
  assert_true(answer_after_even("cdlmorningstar", morning, 3) == 0);
  evening[2][3] = 113, morning[2][3] = 107;
  assert_true(answer_after_even("cdleveningstar", evening, 3) == -100);
  assert_true(answer_after_even("cdlmorningstar", morning, 3) == 100);
}

static void a_body_of_exactly_a_tenth_is_a_dojis(void **state) {
  (void)state;
  double stars[][4] = {
      {100, 102, 99,  101},
      {104, 106, 103, 105},
      {101, 103, 100, 102}
  };
  assert_true(answer_after_even("cdltristar", stars, 3) == -100);
  for (uint32_t i = 0; i < 3; i++) {
    double wider[3][4];
    memcpy(wider, stars, sizeof wider);
    wider[i][0] -= 0.25;
    assert_true(answer_after_even("cdltristar", wider, 3) == 0);
  }
}

static void crows_without_a_gap_and_stars_above_the_close_are_none(void **state) {
  (void)state;
  double crows[][4] = {
      {100, 121, 99,  120},
      {126, 127, 120, 121},
      {123, 124, 109, 110}
  };
  assert_true(answer_after_even("cdl2crows", crows, 3) == -100);
  crows[1][3] = 120;
  assert_true(answer_after_even("cdl2crows", crows, 3) == 0);
  double stars[][4] = {
      {120, 121,  70,   100},
      {105, 106,  80,   98 },
      {90,  90.5, 86.5, 87 }
  };
  double high_stars[][4] = {
      {120, 121,   70,    100},
      {112, 113,   101,   104},
      {106, 106.5, 102.5, 103}
  };
  assert_true(answer_after_even("cdl3starsinsouth", stars, 3) == 100);
  assert_true(answer_after_even("cdl3starsinsouth", high_stars, 3) == 0);
}

int main(void) {
  if (!golden_load_bars()) {
    puts("skipped: no tests/golden");
    return 77;
  }
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(each_answer_is_talibs_at_every_candle),
      cmocka_unit_test(each_pattern_fires_hundreds_of_times_in_each_of_its_ways),
      cmocka_unit_test(peek_foretells_every_answer_and_states_move),
      cmocka_unit_test(answers_do_not_hang_on_the_unit_or_the_level_of_prices),
      cmocka_unit_test(what_has_left_leaves_nothing_behind),
      cmocka_unit_test(a_close_exactly_at_the_depth_is_not_deep_enough),
      cmocka_unit_test(a_body_of_exactly_a_tenth_is_a_dojis),
      cmocka_unit_test(crows_without_a_gap_and_stars_above_the_close_are_none),
  };
  return cmocka_run_group_tests_name("indicator_pattern", tests, NULL, NULL);
}
