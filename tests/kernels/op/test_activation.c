/* exp, tanh and sigmoid against libm in double, in units of the last place, over floats of every
 * magnitude: each 1009th by default, every one with TF_TEST_EXHAUSTIVE=1. */
#include "cmocka_tf.h"

#include "op/lanes.h"

#define BATCH 1024u

static uint32_t stride(void) { return getenv("TF_TEST_EXHAUSTIVE") ? 1 : 1009; }

/* How many floats lie between got and the exact value, as a fraction. */
static double ulps(float got, double exact) {
  float nearest = (float)exact;
  float unit    = nextafterf(fabsf(nearest), INFINITY) - fabsf(nearest);
  return fabs((double)got - exact) / (double)unit;
}

static double exact_sigmoid(double x) { return 1.0 / (1.0 + exp(-x)); }

static void map_exp(const tf_op_params_t *params, const float *in, float *out) {
  for (uint32_t i = 0; i < params->in_cnt; i++) out[i] = tf_lanes_exp_scalar(in[i]);
}

typedef struct activation {
  const char *name;
  double (*exact)(double);
  double ulps_max;
  float  arg_max; /* beyond it the result saturates: checked apart */
} activation_t;

static const activation_t activations[] = {
    {"tanh",    tanh,          TF_LANES_TANH_ULP_MAX,    INFINITY            },
    {"sigmoid", exact_sigmoid, TF_LANES_SIGMOID_ULP_MAX, TF_LANES_EXP_ARG_MAX},
    {"exp",     exp,           TF_LANES_EXP_ULP_MAX,     TF_LANES_EXP_ARG_MAX},
};

static double worst_of(const activation_t *a, tf_op_run_t run, float *worst_at) {
  TF_ALIGNED(64) float in[BATCH], out[BATCH];
  tf_op_params_t       params = {.in_cnt = BATCH, .out_cnt = BATCH};
  double               worst  = 0.0;
  for (uint64_t bits = 0; bits < 0x7f800000u;) {
    for (uint32_t i = 0; i < BATCH; i += 2, bits += stride()) {
      uint32_t word = bits < 0x7f800000u ? (uint32_t)bits : 0u;
      memcpy(&in[i], &word, sizeof word);
      if (in[i] > a->arg_max) in[i] = 0.0f;
      if (fabsf(in[i]) < 1e-37f) in[i] = 0.0f; /* tanh of a denormal has no relative error */
      in[i + 1] = -in[i];
    }
    run(&params, in, out);
    for (uint32_t i = 0; i < BATCH; i++) {
      double error = ulps(out[i], a->exact((double)in[i]));
      if (!(error <= worst)) worst = error, *worst_at = in[i];
    }
  }
  return worst;
}

static void activations_stay_within_their_stated_ulps(void **state) {
  (void)state;
  for (size_t i = 0; i < TF_ARRAY_CNT(activations); i++) {
    const activation_t *a     = &activations[i];
    const tf_op_t      *op    = tf_op_find(a->name);
    float               at    = 0.0f;
    double              worst = worst_of(a, op ? op->run[tf_isa_best()] : map_exp, &at);
    print_message("%s: %.2f ulp at %.9g, at most %.2f allowed\n", a->name, worst, (double)at,
                  a->ulps_max);
    assert_true(worst <= a->ulps_max);
  }
}

static void every_instruction_set_gives_the_same_bits_at_each_magnitude(void **state) {
  (void)state;
  static TF_ALIGNED(64) float in[BATCH], out[TF_ISA_CNT][BATCH];
  tf_op_params_t              params  = {.in_cnt = BATCH, .out_cnt = BATCH};
  const char *const           names[] = {"tanh", "sigmoid"};
  for (uint64_t bits = 0; bits < UINT64_C(0x100000000);) {
    for (uint32_t i = 0; i < BATCH; i++, bits += stride() * 7) {
      uint32_t word = (uint32_t)bits;
      memcpy(&in[i], &word, sizeof word);
      if (isnan(in[i])) in[i] = INFINITY;
    }
    for (size_t n = 0; n < TF_ARRAY_CNT(names); n++)
      for (int isa = 0; isa < TF_ISA_CNT; isa++) {
        if (!tf_isa_supported((tf_isa_t)isa)) continue;
        tf_op_find(names[n])->run[isa](&params, in, out[isa]);
        assert_memory_equal(out[isa], out[TF_ISA_SCALAR], sizeof out[isa]);
      }
  }
}

#define RUN_CUBIC(isa)                                                                             \
  TF_LANES_TARGET_##isa static void tanh_cubic_##isa(const float *in, float *out) {                \
    for (uint32_t i = 0; i < BATCH; i += TF_LANES_WIDTH_##isa)                                     \
      tf_lanes_store_##isa(out + i, tf_lanes_tanh_cubic_##isa(tf_lanes_load_##isa(in + i)));       \
  }                                                                                                \
  TF_LANES_TARGET_##isa static void sigmoid_cubic_##isa(const float *in, float *out) {             \
    for (uint32_t i = 0; i < BATCH; i += TF_LANES_WIDTH_##isa)                                     \
      tf_lanes_store_##isa(out + i, tf_lanes_sigmoid_cubic_##isa(tf_lanes_load_##isa(in + i)));    \
  }
TF_LANES_EACH(RUN_CUBIC)

typedef void (*cubic_t)(const float *in, float *out);

static void cubics_stay_within_their_absolute_errors_on_every_instruction_set(void **state) {
  (void)state;
  static TF_ALIGNED(64) float in[BATCH], out[TF_ISA_CNT][BATCH];
  const cubic_t               runs[2][TF_ISA_CNT] = {TF_LANES_TABLE_OF(tanh_cubic),
                                                     TF_LANES_TABLE_OF(sigmoid_cubic)};
  double (*const exact[2])(double)                = {tanh, exact_sigmoid};
  const double bounds[2] = {TF_LANES_TANH_CUBIC_ERROR_MAX, TF_LANES_SIGMOID_CUBIC_ERROR_MAX};
  double       worst[2]  = {0.0, 0.0};
  for (uint64_t bits = 0; bits < UINT64_C(0x100000000);) {
    for (uint32_t i = 0; i < BATCH; i++, bits += stride()) {
      uint32_t word = (uint32_t)bits;
      memcpy(&in[i], &word, sizeof word);
    }
    for (int n = 0; n < 2; n++)
      for (int isa = 0; isa < TF_ISA_CNT; isa++) {
        if (!tf_isa_supported((tf_isa_t)isa)) continue;
        runs[n][isa](in, out[isa]);
        for (uint32_t i = 0; i < BATCH; i++) {
          if (isnan(in[i]) != isnan(out[isa][i]))
            fail_msg("%g became %g", (double)in[i], (double)out[isa][i]);
          if (isnan(in[i])) continue;
          worst[n] = fmax(worst[n], fabs((double)out[isa][i] - exact[n]((double)in[i])));
          if (memcmp(&out[isa][i], &out[TF_ISA_SCALAR][i], sizeof(float)) != 0)
            fail_msg("%g: other bits on %s", (double)in[i], tf_isa_name((tf_isa_t)isa));
        }
      }
  }
  print_message("cubic tanh within %.2g, sigmoid within %.2g\n", worst[0], worst[1]);
  for (int n = 0; n < 2; n++) assert_true(worst[n] <= bounds[n]);
}

static void results_saturate_without_infinity(void **state) {
  (void)state;
  const float large[] = {88.0f, 1e10f, 3e38f, INFINITY};
  for (size_t i = 0; i < TF_ARRAY_CNT(large); i++) {
    assert_true(tf_lanes_tanh_scalar(large[i]) == 1.0f);
    assert_true(tf_lanes_tanh_scalar(-large[i]) == -1.0f);
    assert_true(tf_lanes_sigmoid_scalar(large[i]) == 1.0f);
    assert_true(tf_lanes_sigmoid_scalar(-large[i]) < 1e-37f);
    assert_true(isfinite(tf_lanes_exp_scalar(large[i])));
    assert_true(tf_lanes_exp_scalar(-large[i]) > 0.0f);
  }
}

/* A mask is -1e30 on top of a score: those before it come out as if the row ended there. */
static void what_a_mask_hides_weighs_nothing(void **state) {
  (void)state;
  const tf_op_t       *op = tf_op_find("softmax");
  TF_ALIGNED(64) float in[32], whole[32], part[32];
  for (uint32_t i = 0; i < 32; i++) in[i] = i < 13 ? (float)(i % 5) - 2.0f : -1e30f + (float)i;
  for (int isa = 0; isa < TF_ISA_CNT; isa++) {
    if (!tf_isa_supported((tf_isa_t)isa)) continue;
    const tf_op_params_t all = {.in_cnt = 21, .out_cnt = 21}, few = {.in_cnt = 13, .out_cnt = 13};
    op->run[isa](&all, in, whole);
    op->run[isa](&few, in, part);
    assert_memory_equal(whole, part, 13 * sizeof *part);
    for (uint32_t i = 13; i < 21; i++) assert_true(whole[i] == 0.0f);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(what_a_mask_hides_weighs_nothing),
      cmocka_unit_test(results_saturate_without_infinity),
      cmocka_unit_test(cubics_stay_within_their_absolute_errors_on_every_instruction_set),
      cmocka_unit_test(every_instruction_set_gives_the_same_bits_at_each_magnitude),
      cmocka_unit_test(activations_stay_within_their_stated_ulps),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
