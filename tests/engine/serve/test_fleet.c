/* A fleet against a plain pass over all instruments, after each of many updates. */
#include "cmocka_tf.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "serve/fleet.h"

#define CNT_MAX 65

static uint64_t random_state;

static uint32_t draw(uint32_t below) {
  random_state = random_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
  return (uint32_t)(random_state >> 33) % below;
}

typedef struct plain {
  bool        has[CNT_MAX];
  tf_answer_t answers[CNT_MAX];
  uint32_t    cnt;
} plain_t;

/* Values are small multiples of 1/8, so that every order of summation is exact. */
static void check(const tf_fleet_t *f, const plain_t *p, int k) {
  double   sum = 0, max = -(double)INFINITY;
  uint32_t cnt = 0, within = 0;
  for (uint32_t i = 0; i < p->cnt; i++) {
    double v = (double)(k ? p->answers[i].p90 : p->answers[i].score);
    if (!p->has[i] || isnan(v)) continue;
    sum += v;
    max = v > max ? v : max;
    within += v >= f->breadth_min && v <= f->breadth_max;
    cnt++;
  }
  const tf_fleet_figures_t *got = &f->figures[k];
  if (cnt == 0) {
    assert_true(isnan(got->mean) && isnan(got->max) && isnan(got->breadth));
    return;
  }
  assert_true(got->mean == sum / cnt);
  assert_true(got->max == max);
  assert_true(got->breadth == (double)within / cnt);
}

static void figures_are_those_of_a_plain_pass_at_any_size(void **state) {
  (void)state;
  static const uint32_t sizes[] = {1, 2, 3, 7, 8, 9, 64, CNT_MAX};
  for (size_t s = 0; s < TF_ARRAY_CNT(sizes); s++) {
    tf_fleet_t f;
    plain_t    p = {.cnt = sizes[s]};
    random_state = s + 1;
    tf_fleet_init(&f, malloc(tf_fleet_bytes(sizes[s])), sizes[s], 0.0, 2.0);
    check(&f, &p, 0);
    for (int n = 0; n < 2000; n++) {
      uint32_t    i = draw(sizes[s]);
      tf_answer_t a = {.score = (float)draw(64) / 8 - 4,
                       .p90   = draw(4) ? (float)draw(64) / 8 - 4 : NAN};
      p.has[i]      = draw(5) != 0;
      p.answers[i]  = a;
      tf_fleet_update(&f, i, p.has[i] ? &a : NULL, 0);
      for (int k = 0; k < 2; k++) check(&f, &p, k);
    }
    free(f.nodes);
  }
}

/* The same newest answers, whatever came before and in whatever order: the same bits. */
static void figures_do_not_depend_on_the_order_of_updates(void **state) {
  (void)state;
  tf_fleet_t a, b;
  tf_fleet_init(&a, malloc(tf_fleet_bytes(CNT_MAX)), CNT_MAX, 0.0, (double)INFINITY);
  tf_fleet_init(&b, malloc(tf_fleet_bytes(CNT_MAX)), CNT_MAX, 0.0, (double)INFINITY);
  random_state = 7;
  tf_answer_t answers[CNT_MAX];
  for (uint32_t i = 0; i < CNT_MAX; i++)
    answers[i] = (tf_answer_t){.score = (float)draw(1u << 24) * 1.1e-7f, .p90 = NAN};
  for (uint32_t i = 0; i < CNT_MAX; i++) tf_fleet_update(&a, i, &answers[i], 0);
  for (int n = 0; n < 5000; n++) tf_fleet_update(&b, draw(CNT_MAX), &answers[draw(CNT_MAX)], 0);
  for (uint32_t i = CNT_MAX; i-- > 0;) tf_fleet_update(&b, i, &answers[i], 0);
  assert_memory_equal(&a.figures[0], &b.figures[0], sizeof a.figures[0]);
  free(a.nodes);
  free(b.nodes);
}

/* Against a plain pass that leaves out what is older; time steps back now and then, as sources do among one another. */
static void answers_leave_at_their_age_and_not_before(void **state) {
  (void)state;
  enum { CNT = 13, AGE = 100 };
  tf_fleet_t f;
  plain_t    p       = {.cnt = CNT};
  uint64_t   at[CNT] = {0}, now = 1000, newest = 0;
  random_state = 17;
  tf_fleet_init(&f, malloc(tf_fleet_bytes(CNT)), CNT, 0.0, 2.0);
  f.max_age_ns  = AGE;
  uint32_t left = 0;
  for (int n = 0; n < 5000; n++) {
    uint32_t    i = draw(CNT);
    tf_answer_t a = {.score = (float)draw(64) / 8 - 4, .p90 = (float)draw(64) / 8 - 4};
    now           = draw(8) ? now + draw(30) : draw(4) ? now - draw(20) : now + AGE + draw(2);
    newest        = now > newest ? now : newest;
    p.has[i]      = draw(6) != 0;
    p.answers[i]  = a;
    at[i]         = newest;
    tf_fleet_update(&f, i, p.has[i] ? &a : NULL, now);
    for (uint32_t k = 0; k < CNT; k++) {
      left += p.has[k] && newest - at[k] > AGE;
      p.has[k] &= newest - at[k] <= AGE;
    }
    for (int k = 0; k < 2; k++) check(&f, &p, k);
  }
  assert_true(left > 100);
  free(f.nodes);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(figures_are_those_of_a_plain_pass_at_any_size),
      cmocka_unit_test(figures_do_not_depend_on_the_order_of_updates),
      cmocka_unit_test(answers_leave_at_their_age_and_not_before),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
