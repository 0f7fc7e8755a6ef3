/* Recurrent cells: against ref_step in double, bit for bit between instruction sets, and the sizes that
 * are refused. A newcomer in ops.def is covered with nothing more written. */
#include "cmocka_tf.h"

#include <math.h>
#include <string.h>

#include "core/error.h"
#include "op/op.h"

#define UNITS_MAX 48u
#define ROOM      (4 * UNITS_MAX + 16)

static uint64_t seed = 88172645463325252u;

static float uniform(void) { /* -1 .. 1 */
  seed ^= seed << 13, seed ^= seed >> 7, seed ^= seed << 17;
  return (float)(seed >> 40) * 0x1p-23f - 1.0f;
}

static const uint32_t unit_cnts[] = {1, 2, 7, 8, 9, 15, 16, 17, 31, 32, 33, 48};

/* One unit's gates come through without weights: W is a single input's, U is zero, so that from_x is
 * W * 1 and the bias of h alone is from_h. */
static void compare(const tf_op_t *op, uint32_t units) {
  const double         bounds[]     = {2e-6, 2e-5};
  TF_ALIGNED(64) float from_h[ROOM] = {0}, from_x[ROOM] = {0};
  TF_ALIGNED(64) float carry[TF_ISA_CNT][UNITS_MAX], h[TF_ISA_CNT][UNITS_MAX];
  float                weight[4 * UNITS_MAX * (1 + UNITS_MAX)] = {0}, bias[4 * UNITS_MAX];
  double               carry_ref[2 * UNITS_MAX], h_ref[UNITS_MAX], one = 1.0;
  const uint32_t       rows   = op->gate_cnt * units;
  tf_op_params_t       params = {.in_cnt     = 1,
                                 .weight     = weight,
                                 .weight_cnt = (uint64_t)rows * (1 + units),
                                 .bias       = bias,
                                 .bias_cnt   = 4 * (uint64_t)units};
  assert_int_equal(op->shape(&params), TF_OK);
  assert_int_equal(params.out_cnt, units);
  for (uint32_t i = 0; i < 4 * units; i++) bias[i] = 4.0f * uniform();
  for (uint32_t i = 0; i < rows; i++) from_x[i] = weight[i * (1 + units)] = 4.0f * uniform();
  const uint32_t apart =
      op->gate_cnt == 4 ? rows : rows - units; /* gates whose bias is on both sides */
  for (uint32_t i = 0; i < apart; i++) from_h[i] = bias[i];
  for (uint32_t i = apart; i < rows; i++) from_x[i] += bias[i], from_h[i] = bias[i + units];

  for (int curve = 0; curve < TF_OP_CURVE_CNT; curve++) {
    memset(carry_ref, 0, sizeof carry_ref);
    for (uint32_t j = 0; j < units; j++) {
      float before = op->gate_cnt == 4 ? uniform() : 0.0f;
      carry_ref[j] = (double)before, h_ref[j] = 0.0;
      for (int isa = 0; isa < TF_ISA_CNT; isa++) carry[isa][j] = before;
    }
    op->ref_step(&params, &one, carry_ref, h_ref);
    for (int isa = 0; isa < TF_ISA_CNT; isa++) {
      if (!tf_isa_supported((tf_isa_t)isa)) continue;
      op->cell[curve][isa](units, from_h, from_x, carry[isa], h[isa]);
      for (uint32_t j = 0; j < units; j++)
        if (!(fabs((double)h[isa][j] - h_ref[j]) <= bounds[curve]) ||
            !(fabs((double)carry[isa][j] - carry_ref[j]) <= bounds[curve]))
          fail_msg("%s, %u units, on %s: unit %u is %g, %g; %g, %g wanted", op->name, units,
                   tf_isa_name((tf_isa_t)isa), j, (double)h[isa][j], (double)carry[isa][j],
                   h_ref[j], carry_ref[j]);
      assert_memory_equal(h[isa], h[TF_ISA_SCALAR], units * sizeof(float));
      assert_memory_equal(carry[isa], carry[TF_ISA_SCALAR], units * sizeof(float));
    }
  }
}

static void cells_match_the_reference_and_one_another(void **state) {
  (void)state;
  const tf_op_t *op;
  for (uint32_t idx = 0; (op = tf_op_at(idx)) != NULL; idx++)
    for (size_t u = 0; op->kind == TF_OP_KIND_RECURRENT && u < TF_ARRAY_CNT(unit_cnts); u++)
      for (int again = 0; again < 20; again++) compare(op, unit_cnts[u]);
}

/* lstm by hand: one unit, one input, all weights 0, so that only biases speak. */
static void lstm_of_biases_alone_is_what_the_formula_says(void **state) {
  (void)state;
  const float    weight[8] = {0}, bias[4] = {0.5f, -1.0f, 2.0f, 0.25f}; /* i o f c */
  tf_op_params_t params = {
      .in_cnt = 1, .weight = weight, .weight_cnt = 8, .bias = bias, .bias_cnt = 4};
  double carry[2] = {0.75, 0.0}, h = 0.1, x = 3.0;
  assert_int_equal(tf_op_find("lstm")->shape(&params), TF_OK);
  tf_op_find("lstm")->ref_step(&params, &x, carry, &h);
  /* c = 0.880797 * 0.75 + 0.622459 * 0.244919; h = 0.268941 * tanh(c) */
  assert_true(fabs(carry[0] - 0.81304972) < 1e-7);
  assert_true(fabs(h - 0.18053209) < 1e-7);
}

static void sizes_that_disagree_are_refused(void **state) {
  (void)state;
  const struct {
    const char *op;
    uint32_t    in_cnt;
    uint64_t    weight_cnt, bias_cnt;
    const char *says;
  } cases[] = {
      {"lstm", 3,                   4 * 2 * 5 + 1,                       8,                                   "41 weights for 2 units of 4 gates"},
      {"lstm", 3,                   4 * 2 * 5 - 1,                       8,                                   "39 weights"                       },
      {"gru",  3,                   4 * 2 * 5,                           8,                                   "40 weights for 2 units of 3 gates"},
      {"lstm", 3,                   40,                                  7,                                   "7 biases"                         },
      {"lstm", 3,                   40,                                  0,                                   "0 biases"                         },
      {"lstm", 0,                   40,                                  8,                                   "row of 0 values"                  },
      {"lstm", TF_OP_WIDTH_MAX + 1, 40,                                  8,                                   "65537"                            },
      {"lstm", 1,                   UINT64_MAX,                          8,                                   "weights"                          },
      {"lstm", 1,                   4,                                   4 * ((uint64_t)TF_OP_UNITS_MAX + 1), "8192 units"                       },
      {"lstm", 1,                   4,                                   UINT64_MAX - 3,                      "8192 units"                       },
      {"lstm", 65536,               UINT64_C(4) * 1024 * (65536 + 1024), 4096,                                "weights"                          },
  };
  for (size_t i = 0; i < TF_ARRAY_CNT(cases); i++) {
    tf_op_params_t params = {.in_cnt     = cases[i].in_cnt,
                             .weight_cnt = cases[i].weight_cnt,
                             .bias_cnt   = cases[i].bias_cnt};
    assert_int_equal(tf_op_find(cases[i].op)->shape(&params), E_MODEL_SHAPE);
    if (!strstr(tf_error_text(), cases[i].says))
      fail_msg("'%s' does not say '%s'", tf_error_text(), cases[i].says);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(sizes_that_disagree_are_refused),
      cmocka_unit_test(lstm_of_biases_alone_is_what_the_formula_says),
      cmocka_unit_test(cells_match_the_reference_and_one_another),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
