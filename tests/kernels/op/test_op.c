/* Every op, every instruction set, over a grid of shapes: against its reference in double, bit for
 * bit between instruction sets, and with NaN. A newcomer in ops.def is covered with nothing more
 * written. */
#include "cmocka_tf.h"

#include <math.h>
#include <string.h>

#include "core/error.h"
#include "op/op.h"

#define WIDTH_MAX 512
#define GUARD     12345.0f

static TF_ALIGNED(64) float in[WIDTH_MAX + 16], out[TF_ISA_CNT][WIDTH_MAX + 32];
static TF_ALIGNED(64) float packed_floats[(WIDTH_MAX + 16) * (WIDTH_MAX + 16)];
static float  weight[WIDTH_MAX * WIDTH_MAX], bias[WIDTH_MAX];
static double in_ref[WIDTH_MAX], out_ref[WIDTH_MAX];

static uint64_t seed = 88172645463325252u;

static float uniform(void) { /* -1 .. 1 */
  seed ^= seed << 13, seed ^= seed >> 7, seed ^= seed << 17;
  return (float)(seed >> 40) * 0x1p-23f - 1.0f;
}

static const uint32_t widths[] = {1, 2, 3, 7, 8, 9, 12, 15, 16, 17, 31, 32, 33, 64, 100, 129, 256};

typedef struct shape_case {
  const tf_op_t *op;
  uint32_t       in_cnt, out_cnt; /* out_cnt: gemm */
  bool           with_bias;
  tf_op_act_t    act; /* fused into gemm */
  float          alpha, beta;
} shape_case_t;

static tf_op_params_t params_of(const shape_case_t *c) {
  bool           matrix = strcmp(c->op->name, "gemm") == 0;
  tf_op_params_t params = {.in_cnt     = c->in_cnt,
                           .weight     = c->op->has_weight ? weight : NULL,
                           .weight_cnt = !c->op->has_weight ? 0
                                         : matrix           ? (uint64_t)c->in_cnt * c->out_cnt
                                                            : c->in_cnt,
                           .bias       = c->with_bias ? bias : NULL,
                           .bias_cnt   = c->with_bias ? c->out_cnt : 0,
                           .act        = c->act,
                           .alpha      = c->alpha,
                           .beta       = c->beta};
  assert_int_equal(c->op->shape(&params), TF_OK);
  return params;
}

static void fill(void) {
  for (size_t i = 0; i < WIDTH_MAX; i++) in[i] = 2.0f * uniform(), bias[i] = uniform();
  for (size_t i = 0; i < TF_ARRAY_CNT(weight); i++) weight[i] = uniform();
}

static void run(const shape_case_t *c, const tf_op_params_t *params, tf_isa_t isa) {
  tf_op_params_t packed = *params;
  if (c->op->pack) {
    assert_true(c->op->packed_cnt(params) <= TF_ARRAY_CNT(packed_floats));
    c->op->pack(params, isa, packed_floats, &packed);
  }
  for (size_t i = 0; i < TF_ARRAY_CNT(out[isa]); i++) out[isa][i] = GUARD;
  c->op->run[isa](&packed, in, out[isa]);
  for (size_t i = tf_align_up(params->out_cnt, TF_OP_PAD); i < TF_ARRAY_CNT(out[isa]); i++)
    if (out[isa][i] != GUARD) fail_msg("%s wrote past its padding", c->op->name);
}

#define ROW_CNT 12 /* so that one row whose sums cancel does not stand for the op */

static void check_case(const shape_case_t *c) {
  tf_op_params_t params            = params_of(c);
  double         error[TF_ISA_CNT] = {0}, power = 0.0;
  for (int row = 0; row < ROW_CNT; row++) {
    for (uint32_t i = 0; i < c->in_cnt; i++) in_ref[i] = (double)(in[i] = 2.0f * uniform());
    c->op->ref(&params, in_ref, out_ref);
    for (uint32_t o = 0; o < params.out_cnt; o++) power += out_ref[o] * out_ref[o];
    for (int isa = 0; isa < TF_ISA_CNT; isa++) {
      if (!tf_isa_supported((tf_isa_t)isa)) continue;
      run(c, &params, (tf_isa_t)isa);
      for (uint32_t o = 0; o < params.out_cnt; o++) {
        double diff = (double)out[isa][o] - out_ref[o];
        error[isa] += diff * diff;
      }
      if (memcmp(out[isa], out[TF_ISA_SCALAR], params.out_cnt * sizeof(float)) != 0)
        fail_msg("%s %u -> %u: %s and scalar differ in bits", c->op->name, params.in_cnt,
                 params.out_cnt, tf_isa_name((tf_isa_t)isa));
    }
  }
  for (int isa = 0; isa < TF_ISA_CNT; isa++)
    if (!(error[isa] <= c->op->nmse_max * power))
      fail_msg("%s %u -> %u, act %d, on %s: NMSE %g, at most %g", c->op->name, params.in_cnt,
               params.out_cnt, (int)c->act, tf_isa_name((tf_isa_t)isa), error[isa] / power,
               c->op->nmse_max);
}

static void each_case(void (*visit)(const shape_case_t *)) {
  fill();
  const tf_op_t *op;
  for (uint32_t idx = 0; (op = tf_op_at(idx)) != NULL; idx++)
    for (size_t w = 0; op->kind == TF_OP_KIND_ROW && w < TF_ARRAY_CNT(widths); w++) {
      shape_case_t c = {.op = op, .in_cnt = widths[w], .alpha = -0.25f, .beta = 0.75f};
      if (!op->has_bias) {
        visit(&c);
        continue;
      }
      for (size_t o = 0; o < TF_ARRAY_CNT(widths); o++)
        for (int act = 0; act < TF_OP_ACT_CNT; act++) {
          c.out_cnt   = widths[o];
          c.with_bias = act % 2 == 0;
          c.act       = (tf_op_act_t)act;
          visit(&c);
        }
    }
}

static void every_instruction_set_matches_the_reference_and_the_others(void **state) {
  (void)state;
  each_case(check_case);
}

/* op.h's promise, written once more: scores are compared over years and machines. */
static float in_documented_order(const float *w, const float *x, uint32_t cnt, float shift) {
  float p[8] = {0};
  for (uint32_t k = 0; k < cnt; k++) {
    volatile float product = w[k] * x[k]; /* volatile: rounded, whatever the compiler may do */
    p[k % 8]               = p[k % 8] + product;
  }
  return (((p[0] + p[1]) + (p[2] + p[3])) + ((p[4] + p[5]) + (p[6] + p[7]))) + shift;
}

static void gemm_adds_in_the_documented_order(void **state) {
  (void)state;
  fill();
  for (size_t w = 0; w < TF_ARRAY_CNT(widths); w++) {
    shape_case_t   c      = {tf_op_find("gemm"), widths[w], 19, true, TF_OP_ACT_NONE, 0, 0};
    tf_op_params_t params = params_of(&c);
    run(&c, &params, tf_isa_best());
    for (uint32_t o = 0; o < c.out_cnt; o++) {
      float want = in_documented_order(weight + (size_t)o * c.in_cnt, in, c.in_cnt, bias[o]);
      assert_memory_equal(&out[tf_isa_best()][o], &want, sizeof want);
    }
  }
}

static void check_nan(const shape_case_t *c) {
  tf_op_params_t params = params_of(c);
  uint32_t       victim = c->in_cnt / 2;
  float          kept   = in[victim];
  /* a payload with low bits set: they must not leak into an exponent */
  const uint32_t nan_bits[] = {0x7fc00000u, 0xffc00001u, 0x7fc001ffu};
  for (size_t n = 0; n < TF_ARRAY_CNT(nan_bits); n++) {
    memcpy(&in[victim], &nan_bits[n], sizeof in[victim]);
    for (int isa = 0; isa < TF_ISA_CNT; isa++) {
      if (!tf_isa_supported((tf_isa_t)isa)) continue;
      run(c, &params, (tf_isa_t)isa);
      bool all = c->op->has_bias || strcmp(c->op->name, "softmax") == 0;
      for (uint32_t o = 0; o < params.out_cnt; o++)
        if ((all || o == victim) && !isnan(out[isa][o]))
          fail_msg("%s %u -> %u, act %d, on %s turned a NaN into %g", c->op->name, params.in_cnt,
                   params.out_cnt, (int)c->act, tf_isa_name((tf_isa_t)isa), (double)out[isa][o]);
    }
  }
  in[victim] = kept;
}

static void nan_in_a_row_reaches_the_outputs(void **state) {
  (void)state;
  each_case(check_nan);
}

static void sizes_that_disagree_are_refused_by_name_of_the_size(void **state) {
  (void)state;
  const tf_op_t *gemm = tf_op_find("gemm"), *mul = tf_op_find("mul");
  const tf_op_t *clip = tf_op_find("clip"), *relu = tf_op_find("relu");
  const struct {
    const tf_op_t *op;
    tf_op_params_t params;
    const char    *says;
  } cases[] = {
      {gemm, {.in_cnt = 3, .weight_cnt = 7},                                      "7 weights"  },
      {gemm, {.in_cnt = 3, .weight_cnt = 0},                                      "0 weights"  },
      {gemm, {.in_cnt = 0, .weight_cnt = 7},                                      "0 values"   },
      {gemm, {.in_cnt = 1, .weight_cnt = TF_OP_WIDTH_MAX + 1},                    "weights"    },
      {gemm, {.in_cnt = TF_OP_WIDTH_MAX, .weight_cnt = TF_OP_WEIGHT_MAX + 65536}, "weights"    },
      {gemm, {.in_cnt = 3, .weight_cnt = UINT64_MAX},                             "weights"    },
      {gemm, {.in_cnt = 3, .weight_cnt = 6, .bias_cnt = 3},                       "3 biases"   },
      {mul,  {.in_cnt = 3, .weight_cnt = 2},                                      "2 constants"},
      {clip, {.in_cnt = 3, .alpha = 2.0f, .beta = 1.0f},                          "lower bound"},
      {clip, {.in_cnt = 3, .alpha = NAN, .beta = 1.0f},                           "not finite" },
      {relu, {.in_cnt = 0},                                                       "0 values"   },
      {relu, {.in_cnt = TF_OP_WIDTH_MAX + 1},                                     "65537"      },
  };
  for (size_t i = 0; i < TF_ARRAY_CNT(cases); i++) {
    tf_op_params_t params = cases[i].params;
    assert_int_equal(cases[i].op->shape(&params), E_MODEL_SHAPE);
    if (!strstr(tf_error_text(), cases[i].says))
      fail_msg("'%s' does not say '%s'", tf_error_text(), cases[i].says);
  }
}

static void registry_is_complete_and_finds_by_name(void **state) {
  (void)state;
  const tf_op_t *op;
  for (uint32_t idx = 0; (op = tf_op_at(idx)) != NULL; idx++) {
    assert_ptr_equal(tf_op_find(op->name), op);
    assert_non_null(op->shape);
    assert_non_null(op->flops);
    assert_non_null(op->bytes);
    assert_int_equal(op->kind == TF_OP_KIND_ROW, op->ref != NULL);
    assert_int_equal(op->kind == TF_OP_KIND_ROW && op->has_weight, op->pack != NULL);
    assert_int_equal(op->kind == TF_OP_KIND_RECURRENT, op->ref_step != NULL);
    for (int isa = 0; isa < TF_ISA_CNT; isa++) {
      if (!tf_isa_supported((tf_isa_t)isa)) continue;
      assert_int_equal(op->kind == TF_OP_KIND_ROW, op->run[isa] != NULL);
      for (int curve = 0; curve < TF_OP_CURVE_CNT; curve++)
        assert_int_equal(op->kind == TF_OP_KIND_RECURRENT, op->cell[curve][isa] != NULL);
    }
  }
  assert_null(tf_op_find("conv"));
  for (int act = 1; act < TF_OP_ACT_CNT; act++) {
    assert_non_null(tf_op_of_act((tf_op_act_t)act));
    assert_int_equal(tf_op_of_act((tf_op_act_t)act)->act, act);
  }
  assert_null(tf_op_of_act(TF_OP_ACT_NONE));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(sizes_that_disagree_are_refused_by_name_of_the_size),
      cmocka_unit_test(nan_in_a_row_reaches_the_outputs),
      cmocka_unit_test(every_instruction_set_matches_the_reference_and_the_others),
      cmocka_unit_test(gemm_adds_in_the_documented_order),
      cmocka_unit_test(registry_is_complete_and_finds_by_name),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
