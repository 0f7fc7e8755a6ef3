/* Ensembles against plain sums, members that are absent, and the order of quantiles. */
#include "cmocka_tf.h"

#include <math.h>
#include <string.h>

#include "serve/ensemble.h"

static uint64_t random_state = 20;

static uint32_t random_below(uint32_t below) {
  random_state = random_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
  return (uint32_t)(random_state >> 33) % below;
}

#define MEMBERS 5
#define OUTPUTS 3

static tf_model_t *make(tf_combine_t combine, uint32_t member_cnt, const double *weights) {
  static tf_model_t        members[TF_ENSEMBLE_MEMBERS_MAX];
  static const tf_model_t *list[TF_ENSEMBLE_MEMBERS_MAX];
  for (uint32_t i = 0; i < TF_ENSEMBLE_MEMBERS_MAX; i++) {
    members[i] = (tf_model_t){.output_cnt = OUTPUTS};
    snprintf(members[i].name, sizeof members[i].name, "m%u", i);
    list[i] = &members[i];
  }
  tf_ensemble_spec_t spec = {"e", list, member_cnt, combine, weights};
  tf_model_t        *model;
  assert_int_equal(tf_ensemble_new(&spec, &model), TF_OK);
  return model;
}

static void one_of_each(tf_combine_t combine, const double *weights, const float *scores,
                        uint32_t cnt, float wanted) {
  tf_model_t *model = make(combine, cnt, weights);
  float       row[TF_ENSEMBLE_MEMBERS_MAX * OUTPUTS], out[OUTPUTS];
  for (uint32_t i = 0; i < cnt; i++)
    for (uint32_t o = 0; o < OUTPUTS; o++) row[i * OUTPUTS + o] = scores[i];
  model->run(model, NULL, row, out);
  for (uint32_t o = 0; o < OUTPUTS; o++) assert_true(out[o] == wanted);
  tf_ensemble_delete(model);
}

static void combines_those_that_are_present(void **state) {
  (void)state;
  const double weights[] = {1, 2, 4, 8};
  one_of_each(TF_COMBINE_MEAN, NULL, (float[]){1, 2, 6}, 3, 3.0f);
  one_of_each(TF_COMBINE_MEAN, NULL, (float[]){1, NAN, 6}, 3, 3.5f);
  one_of_each(TF_COMBINE_WEIGHTED, weights, (float[]){8, 1, -1}, 3, 6.0f / 7.0f);
  one_of_each(TF_COMBINE_WEIGHTED, weights, (float[]){NAN, 1, -1}, 3, -2.0f / 6.0f);
  one_of_each(TF_COMBINE_MEDIAN, NULL, (float[]){9, 1, 5}, 3, 5.0f);
  one_of_each(TF_COMBINE_MEDIAN, NULL, (float[]){9, 1, 5, 6}, 4, 5.5f);
  one_of_each(TF_COMBINE_MEDIAN, NULL, (float[]){9, NAN, 5}, 3, 7.0f);
  one_of_each(TF_COMBINE_MEDIAN, NULL, (float[]){4}, 1, 4.0f);
  one_of_each(TF_COMBINE_VOTE, NULL, (float[]){9, -1, 0.1f}, 3, 1.0f / 3.0f);
  one_of_each(TF_COMBINE_VOTE, NULL, (float[]){0, -0.0f, 5}, 3, 1.0f / 3.0f);
  one_of_each(TF_COMBINE_VOTE, weights, (float[]){9, -1, 0, 3}, 4, 7.0f / 15.0f);
}

/* Of members in order, with any of them absent and weights of any size, rounding included. */
static void quantiles_stay_in_order_whatever_the_members_and_weights(void **state) {
  (void)state;
  for (int n = 0; n < 20000; n++) {
    double      weights[MEMBERS];
    float       row[MEMBERS * OUTPUTS], out[OUTPUTS];
    const float scale = ldexpf(1.0f, (int)(random_below(60)) - 30);
    for (uint32_t i = 0; i < MEMBERS; i++) {
      float base = (float)(random_below(2001)) - 1000.0f;
      weights[i] = (double)(1 + random_below(1000)) / 7.0;
      for (uint32_t o = 0; o < OUTPUTS; o++) {
        base += (float)(random_below(3)) * 1e-4f;
        row[i * OUTPUTS + o] = i && random_below(16) == 0 && o == 0 ? NAN : base * scale;
      }
      if (row[i * OUTPUTS] != row[i * OUTPUTS]) row[i * OUTPUTS + 1] = row[i * OUTPUTS + 2] = NAN;
    }
    for (int c = TF_COMBINE_MEAN; c <= TF_COMBINE_VOTE; c++) {
      tf_model_t *model = make((tf_combine_t)c, MEMBERS, c % 2 ? weights : NULL);
      model->run(model, NULL, row, out);
      assert_true(out[0] <= out[1] && out[1] <= out[2]);
      tf_ensemble_delete(model);
    }
  }
}

static void disagreement_is_the_greatest_less_the_least_that_is_present(void **state) {
  (void)state;
  tf_model_t *model = make(TF_COMBINE_MEAN, 3, NULL);
  float       row[] = {0, 1, 9, 0, -2, 9, 0, 5, 9};
  assert_true(tf_ensemble_disagreement(model, row, 1) == 7.0);
  assert_true(tf_ensemble_disagreement(model, row, 2) == 0.0);
  row[7] = NAN;
  assert_true(tf_ensemble_disagreement(model, row, 1) == 3.0);
  row[4] = NAN;
  assert_true(tf_ensemble_disagreement(model, row, 1) == 0.0);
  assert_string_equal(model->features[4], "m1.1");
  tf_ensemble_delete(model);
}

static void
members_of_other_shapes_are_refused_and_the_hash_tells_how_they_are_combined(void **state) {
  (void)state;
  tf_model_t        a = {.name = "a", .output_cnt = 3}, b = {.name = "b", .output_cnt = 1};
  const tf_model_t *members[] = {&a, &b};
  tf_model_t       *model;
  assert_int_equal(
      tf_ensemble_new(&(tf_ensemble_spec_t){"e", members, 2, TF_COMBINE_MEAN, NULL}, &model),
      E_MODEL_SHAPE);
  assert_null(model);
  tf_model_t *mean = make(TF_COMBINE_MEAN, 3, NULL), *median = make(TF_COMBINE_MEDIAN, 3, NULL);
  tf_model_t *same = make(TF_COMBINE_MEAN, 3, (double[]){1, 1, 1});
  tf_model_t *less = make(TF_COMBINE_MEAN, 2, NULL);
  assert_int_equal(mean->hash, same->hash);
  assert_int_not_equal(mean->hash, median->hash);
  assert_int_not_equal(mean->hash, less->hash);
  tf_ensemble_delete(mean);
  tf_ensemble_delete(median);
  tf_ensemble_delete(same);
  tf_ensemble_delete(less);
  tf_ensemble_delete(NULL);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(combines_those_that_are_present),
      cmocka_unit_test(quantiles_stay_in_order_whatever_the_members_and_weights),
      cmocka_unit_test(disagreement_is_the_greatest_less_the_least_that_is_present),
      cmocka_unit_test(
          members_of_other_shapes_are_refused_and_the_hash_tells_how_they_are_combined),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
