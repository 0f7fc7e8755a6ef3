/* What becomes of a model's outputs: guarded, repaired, clamped, watched for alerts. */
#include "cmocka_tf.h"

#include <math.h>
#include <string.h>

#include "serve/post.h"

static tf_post_t quantiles(uint32_t horizon_cnt) {
  return tf_post_plain(3 * horizon_cnt, horizon_cnt);
}

static void output_that_is_not_finite_is_no_answer_wherever_it_stands(void **state) {
  (void)state;
  const float bad[] = {NAN, INFINITY, -INFINITY};
  for (uint32_t at = 0; at < 6; at++) {
    for (size_t b = 0; b < TF_ARRAY_CNT(bad); b++) {
      tf_post_t        post   = quantiles(2);
      float            out[6] = {-1, 0, 1, -1, 0, 1};
      tf_answer_t      answer = {.score = 42.0f}, kept = answer;
      tf_post_counts_t counts = {0};
      out[at]                 = bad[b];
      assert_int_equal(tf_post_apply(&post, out, &answer, &counts), TF_POST_NOT_FINITE);
      assert_memory_equal(&answer, &kept, sizeof answer);
      assert_int_equal(counts.not_finite, 1);
    }
  }
}

static void output_beyond_the_valid_range_is_no_answer_and_its_bounds_are(void **state) {
  (void)state;
  tf_post_t        post   = tf_post_plain(1, 1);
  tf_answer_t      answer = {0};
  tf_post_counts_t counts = {0};
  post.valid_min          = -2.0f;
  post.valid_max          = 3.0f;
  struct {
    float value;
    bool  good;
  } rows[] = {
      {-2.0f,  true},
      {                3.0f,  true    },
      { nextafterf(-2.0f, -9.0f),     false},
      {  nextafterf(3.0f, 9.0f),     false}
  };
  for (size_t i = 0; i < TF_ARRAY_CNT(rows); i++) {
    float out = rows[i].value;
    assert_int_equal(tf_post_apply(&post, &out, &answer, &counts),
                     rows[i].good ? TF_POST_GOOD : TF_POST_OUT_OF_RANGE);
  }
  assert_int_equal(counts.out_of_range, 2);
}

/* Every order of three values, equal ones too, against a plain sort. */
static void quantiles_out_of_order_are_kept_sorted_or_refused_as_told(void **state) {
  (void)state;
  for (int code = 0; code < 27; code++) {
    const float given[3] = {(float)(code % 3), (float)(code / 3 % 3), (float)(code / 9)};
    bool        ordered  = given[0] <= given[1] && given[1] <= given[2];
    for (int how = TF_CROSSING_KEEP; how <= TF_CROSSING_REFUSE; how++) {
      tf_post_t        post   = quantiles(1);
      tf_answer_t      answer = {0};
      tf_post_counts_t counts = {0};
      float            out[3];
      memcpy(out, given, sizeof out);
      post.crossing           = (tf_crossing_t)how;
      tf_post_result_t result = tf_post_apply(&post, out, &answer, &counts);
      bool             refuse = !ordered && how == TF_CROSSING_REFUSE;
      assert_int_equal(result, refuse ? TF_POST_CROSSED : TF_POST_GOOD);
      assert_int_equal(counts.crossed_refused, refuse);
      assert_int_equal(counts.sorted, !ordered && how == TF_CROSSING_SORT);
      if (refuse) continue;
      float want[3];
      memcpy(want, given, sizeof want);
      for (int pass = 0; how == TF_CROSSING_SORT && pass < 3; pass++)
        for (int i = 0; i < 2; i++)
          if (want[i] > want[i + 1]) {
            float kept  = want[i];
            want[i]     = want[i + 1];
            want[i + 1] = kept;
          }
      assert_true(answer.p10 == want[0] && answer.score == want[1] && answer.p90 == want[2]);
    }
  }
}

static void clamp_moves_outputs_to_the_bound_and_counts_the_answer_once(void **state) {
  (void)state;
  tf_post_t        post   = quantiles(1);
  tf_answer_t      answer = {0};
  tf_post_counts_t counts = {0};
  float            out[3] = {-5.0f, 0.25f, 5.0f};
  post.clamp_min          = -1.0f;
  post.clamp_max          = 1.0f;
  assert_int_equal(tf_post_apply(&post, out, &answer, &counts), TF_POST_GOOD);
  assert_true(answer.p10 == -1.0f && answer.score == 0.25f && answer.p90 == 1.0f);
  assert_int_equal(counts.clamped, 1);
  assert_int_equal(tf_post_apply(&post, out, &answer, &counts), TF_POST_GOOD);
  assert_int_equal(counts.clamped, 1); /* at the bound already */
}

static void alert_names_the_first_step_beyond_and_its_side(void **state) {
  (void)state;
  static const struct {
    float   out[9];
    int32_t alert;
  } rows[] = {
      {{-1, 0, 1, -1, 0, 1, -1, 0, 1},  0 },
      {{-2, 0, 2, -2, 0, 2, -2, 0, 2},  0 }, /* the bounds themselves are quiet */
      {{-1, 0, 1, -1, 0, 3, -1, 0, 3},  2 },
      {{-1, 0, 1, -1, 0, 1, -3, 0, 1},  -3},
      {{-1, 0, 1, -3, 0, 1, -1, 0, 3},  -2},
      {{-3, 0, 3, -1, 0, 1, -1, 0, 1},  1 }, /* both sides of one step: above */
      {{-1, 5, 1, -1, -5, 1, -1, 0, 1}, 0 }  /* p50 raises none */
  };
  uint64_t         raised = 0;
  tf_post_counts_t counts = {0};
  for (size_t i = 0; i < TF_ARRAY_CNT(rows); i++) {
    tf_post_t   post   = quantiles(3);
    tf_answer_t answer = {0};
    float       out[9];
    memcpy(out, rows[i].out, sizeof out);
    post.alert_min = -2.0f;
    post.alert_max = 2.0f;
    assert_int_equal(tf_post_apply(&post, out, &answer, &counts), TF_POST_GOOD);
    assert_int_equal(answer.alert, rows[i].alert);
    raised += rows[i].alert != 0;
  }
  assert_int_equal(counts.alerts, raised);
}

static void score_of_a_horizon_is_that_of_its_step(void **state) {
  (void)state;
  tf_post_counts_t counts = {0};
  tf_answer_t      answer = {0};
  float            out[6] = {1, 2, 3, 4, 5, 6};
  tf_post_t        post   = quantiles(2);
  post.step_idx           = 1;
  assert_int_equal(tf_post_apply(&post, out, &answer, &counts), TF_POST_GOOD);
  assert_true(answer.p10 == 4 && answer.score == 5 && answer.p90 == 6);
  post          = tf_post_plain(6, 6);
  post.step_idx = 5;
  assert_int_equal(tf_post_apply(&post, out, &answer, &counts), TF_POST_GOOD);
  assert_true(answer.score == 6 && isnan(answer.p10) && isnan(answer.p90));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(output_that_is_not_finite_is_no_answer_wherever_it_stands),
      cmocka_unit_test(output_beyond_the_valid_range_is_no_answer_and_its_bounds_are),
      cmocka_unit_test(quantiles_out_of_order_are_kept_sorted_or_refused_as_told),
      cmocka_unit_test(clamp_moves_outputs_to_the_bound_and_counts_the_answer_once),
      cmocka_unit_test(alert_names_the_first_step_beyond_and_its_side),
      cmocka_unit_test(score_of_a_horizon_is_that_of_its_step),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
