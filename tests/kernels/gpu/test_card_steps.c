/* Each indicator whose step a card has (gpu/feature_steps.cuh) against itself on a lane: the same inputs to two states, the same bits in
 * outputs and in every byte of the states. The card's source is read by a C++ compiler here, as by nvcc there. */
#include "cmocka_tf.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "features_kernel.h"
#include "gpu/card_features.h"
#include "indicator/registry.h"

#define BARS       700u
#define PARAMS_MAX TF_INDICATOR_PARAMS_MAX

static uint64_t random_state;
static double   drawn(void) {
    random_state = random_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (double)(random_state >> 40) / 16777216.0;
}

/* A bar that walks; now and then one that stands still. */
typedef struct bar {
  double open, high, low, close, volume;
} bar_t;

static void walk(bar_t *b) {
  if (drawn() < 0.05) return;
  b->open   = b->close + 0.01 * floor(7 * drawn() - 3);
  b->close  = b->open + 0.01 * floor(41 * drawn() - 20);
  b->high   = fmax(b->open, b->close) + 0.01 * floor(9 * drawn());
  b->low    = fmin(b->open, b->close) - 0.01 * floor(9 * drawn());
  b->volume = 1 + floor(1000 * drawn());
}

static double input(const tf_indicator_t *d, uint32_t series, const bar_t *b) {
  const char *name = d->series[series];
  if (d->group == TF_GROUP_TRANSFORM) return (b->close - 100) / 8;
  if (!strcmp(name, "open")) return b->open;
  if (!strcmp(name, "high")) return b->high;
  if (!strcmp(name, "low")) return b->low;
  if (!strcmp(name, "volume")) return b->volume;
  if (!strcmp(name, "periods")) return 2 + fmod(b->volume, 30);
  return b->close;
}

static uint64_t bits_of(double x) {
  uint64_t bits;
  memcpy(&bits, &x, sizeof bits);
  return bits;
}

/* How many of the bars gave values. */
static uint32_t run_beside(const tf_indicator_t *d, const double *params) {
  const size_t bytes = d->state_bytes(params);
  void        *lane = calloc(1, bytes), *card = calloc(1, bytes);
  bar_t        bar   = {100, 100, 100, 100, 1};
  uint32_t     ready = 0;
  assert_int_equal(d->init(lane, params), TF_OK);
  assert_int_equal(d->init(card, params), TF_OK);
  random_state = 7;
  for (uint32_t i = 0; i < BARS; i++) {
    tf_indicator_input_t in = {.on = TF_ON_INPUT};
    double               ours[TF_INDICATOR_OUTPUTS_MAX], theirs[TF_INDICATOR_OUTPUTS_MAX];
    bool                 is_on = false;
    walk(&bar);
    for (uint32_t k = 0; k < d->series_cnt; k++) in.x[k] = input(d, k, &bar);
    const bool is_ready = d->update(lane, &in, ours) == TF_INDICATOR_READY;
    assert_true(features_step(d->name, card, d->param_cnt, in.x, theirs, &is_on));
    for (uint32_t o = 0; o < d->output_cnt; o++) is_on = is_on && isfinite(theirs[o]);
    if (is_on != is_ready)
      fail_msg("%s, bar %u: %d on the card, %d here", d->name, i, is_on, is_ready);
    for (uint32_t o = 0; o < d->output_cnt && is_on; o++)
      if (bits_of(ours[o]) != bits_of(theirs[o]))
        fail_msg("%s, bar %u: %a on the card, %a here", d->name, i, theirs[o], ours[o]);
    if (memcmp(lane, card, bytes) != 0) fail_msg("%s, bar %u: the states differ", d->name, i);
    ready += is_ready;
  }
  free(lane);
  free(card);
  return ready;
}

static void each_step_of_a_card_has_the_lanes_bits(void **state) {
  (void)state;
  uint32_t cnt = 0;
  for (uint32_t i = 0; i < tf_indicator_cnt; i++) {
    const tf_indicator_t *d = tf_indicators[i];
    double                params[PARAMS_MAX], y[TF_INDICATOR_OUTPUTS_MAX], x[4] = {0};
    bool                  is_warm;
    void                 *probe;
    for (uint32_t k = 0; k < d->param_cnt; k++) params[k] = d->params[k].dflt;
    if (!tf_card_features_runs(d->name, TF_PLAN_SERIES)) continue;
    probe = calloc(1, d->state_bytes(params));
    assert_int_equal(d->init(probe, params), TF_OK);
    const bool is_step = features_step(d->name, probe, d->param_cnt, x, y, &is_warm);
    free(probe);
    if (!is_step) continue;
    cnt++;
    if (run_beside(d, params) == 0) fail_msg("%s gave no value", d->name);
  }
  printf("%u steps\n", cnt);
  assert_true(cnt >= 190);
}

/* Averages of any kind behind one step: each kind of them. */
static void each_kind_of_average_has_the_lanes_bits(void **state) {
  (void)state;
  static const char *const NAMES[] = {"ma", "apo", "macdext", "bbands", "stoch"};
  for (size_t n = 0; n < TF_ARRAY_CNT(NAMES); n++) {
    const tf_indicator_t *d = NULL;
    for (uint32_t i = 0; i < tf_indicator_cnt; i++)
      if (!strcmp(tf_indicators[i]->name, NAMES[n])) d = tf_indicators[i];
    assert_non_null(d);
    for (uint32_t kind = 0;; kind++) {
      double params[PARAMS_MAX];
      bool   is_done = true;
      for (uint32_t k = 0; k < d->param_cnt; k++) {
        const bool is_choice = d->params[k].kind == TF_PARAM_CHOICE;
        params[k]            = is_choice ? kind : d->params[k].dflt;
        if (is_choice && kind <= d->params[k].max) is_done = false;
      }
      if (is_done) break;
      assert_true(run_beside(d, params) > 0);
    }
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(each_step_of_a_card_has_the_lanes_bits),
      cmocka_unit_test(each_kind_of_average_has_the_lanes_bits),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
