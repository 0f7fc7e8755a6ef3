/* Every op of tensors.def, every instruction set, over shapes that are no multiple of anything: against its reference in
 * double, bit for bit between instruction sets, with nothing written past its end; and what it refuses. An op
 * without a case fails the first test. */
#include "cmocka_tf.h"

#include <math.h>
#include <string.h>

#include "core/error.h"
#include "tensor/rounded.h"

#define INPUTS_MAX 6u
#define CNT_MAX    20000u
#define GUARD      12345.0f
#define ERROR_MAX  3e-6 /* of the greater of 1 and the value */

typedef struct case_of {
  const char       *op, *row;
  tf_tensor_shape_t in[INPUTS_MAX];
  int64_t           ints[TF_TENSOR_INTS_MAX];
  uint32_t          int_cnt;
  double            reals[TF_TENSOR_REALS_MAX];
  uint32_t          constant_mask; /* also run with these packed */
  bool              positive;      /* inputs of 0.5 to 1.5 instead of -1 to 1 */
} case_of_t;

#define S0()                                                                                       \
  { 0, {0}, 1 }
#define S1(a)                                                                                      \
  { 1, {a}, 0 }
#define S2(a, b)                                                                                   \
  { 2, {a, b}, 0 }
#define S3(a, b, c)                                                                                \
  { 3, {a, b, c}, 0 }
#define S4(a, b, c, d)                                                                             \
  { 4, {a, b, c, d}, 0 }

static const case_of_t cases[] = {
    {.op = "abs",                                                                                   .in = {S2(3, 7)}                            },
    {.op = "add",                                                                                   .in = {S3(4, 1, 5), S2(3, 1)}               },
    {.op = "add",                                                                                   .in = {S2(5, 9), S1(9)}                     },
    {.op = "add",                                                                                   .in = {S1(17), S0()}                        },
    {.op = "average_pool",                                                                          .in = {S3(2, 3, 11)},                         .ints = {3, 2, 1, 1, 1, 0}, .int_cnt = 6},
    {.op      = "average_pool",
     .in      = {S4(1, 2, 7, 5)},
     .ints    = {2, 1, 2, 0, 1, 3, 2, 1, 1, 1, 1},
     .int_cnt = 11},
    {.op = "ceil",                                                                   .in = {S1(31)}                                                                                               },
    {.op = "concat",                                                                                             .in = {S3(2, 3, 5), S3(2, 1, 5), S3(2, 4, 5)},                                                                                                                              .ints = {1}, .int_cnt = 1},
    {.op            = "conv",
     .in            = {S3(1, 3, 19), S3(5, 3, 3), S1(5)},
     .ints          = {1, 1, 2, 4, 0},
     .int_cnt       = 5,
     .constant_mask = 6},
    {.op            = "conv",
     .in            = {S3(2, 6, 23), S3(9, 2, 4), S1(9)},
     .ints          = {3, 2, 1, 1, 2},
     .int_cnt       = 5,
     .constant_mask = 6},
    {.op      = "conv",
     .in      = {S4(1, 2, 9, 12), S4(3, 2, 4, 2)},
     .ints    = {1, 1, 1, 0, 0, 2, 1, 0, 1},
     .int_cnt = 9},
    {.op      = "conv",
     .in      = {S4(1, 2, 23, 5), S4(3, 2, 3, 5), S1(3)},
     .ints    = {1, 1, 2, 2, 1, 1, 1, 0, 0},
     .int_cnt = 9},
    {.op = "cos",                                                                       .in = {S1(20)}                                                                                        },
    {.op = "div",                                                                            .in = {S2(3, 6), S2(3, 1)},                                                                                                                          .positive = true},
    {.op = "each",                                                                             .row = "gelu",                                                                                                .in = {S2(3, 15)}},
    {.op = "each",                                                                                  .row = "elu",                                                                                                                              .in = {S2(3, 15)}, .reals = {0.5}},
    {.op = "each",                                           .row = "clip",                                                                                                      .in = {S3(2, 2, 9)}, .reals = {-0.25, 0.5}},
    {.op = "equal",                                                                                             .in = {S2(3, 6), S0()}                                                                                                                              },
    {.op = "expand",                                                                                             .in = {S2(3, 1)},                                       .ints = {2, 3, 4}, .int_cnt = 3},
    {.op = "floor",                                                                             .in = {S1(31)}},
    {.op = "gather",    .in = {S3(2, 5, 3), S2(2, 2)},.ints = {1}, .int_cnt = 1},
    {.op            = "gru",
     .in            = {S3(5, 2, 3), S3(2, 21, 3), S3(2, 21, 7), S2(2, 42), S3(2, 2, 7)},
     .ints          = {2},
     .int_cnt       = 1,
     .constant_mask = 14},
    {.op = "layer_norm",                                                                               .in = {S3(2, 3, 13), S1(13), S1(13)},                                                                                                                           .reals = {1e-5}},
    {.op = "layer_norm",                                      .in = {S2(4, 17)},.reals = {1e-3}},
    {.op = "less",                                                                                             .in = {S2(3, 6), S1(6)}                                                                                                                            },
    {.op = "less_equal",                                                                                             .in = {S1(6), S2(3, 6)}},
    {.op = "log",                                                                            .in = {S1(30)},                                                                      .positive = true},
    {.op            = "gru_reset",
     .in            = {S3(5, 2, 3), S3(2, 21, 3), S3(2, 21, 7), S2(2, 42), S3(2, 2, 7)},
     .ints          = {2},
     .int_cnt       = 1,
     .constant_mask = 14},
    {.op            = "gru_reset",
     .in            = {S3(4, 1, 9), S3(1, 57, 9), S3(1, 57, 19), S2(1, 114), S3(1, 1, 19)},
     .ints          = {1},
     .int_cnt       = 1,
     .constant_mask = 14},
    {.op      = "lstm",
     .in      = {S3(4, 3, 2), S3(2, 28, 2), S3(2, 28, 7), S2(2, 56), S3(2, 3, 7), S3(2, 3, 7)},
     .ints    = {2, 1}, /* the last c behind */
     .int_cnt = 2,
     .constant_mask = 14},
    {.op      = "lstm",
     .in      = {S3(6, 1, 5), S3(1, 36, 5), S3(1, 36, 9), S2(1, 72), S3(1, 1, 9), S3(1, 1, 9)},
     .ints    = {0},
     .int_cnt = 1,
     .constant_mask = 14},
    {.op      = "lstm",
     .in      = {S3(4, 3, 2), S3(1, 68, 2), S3(1, 68, 17), S2(1, 136), S3(1, 3, 17), S3(1, 3, 17)},
     .ints    = {1},
     .int_cnt = 1,
     .constant_mask = 14},
    {.op = "matmul",.in = {S2(21, 13), S2(13, 35)},.constant_mask = 2},
    {.op = "matmul",                                                                            .in = {S2(1, 20), S2(20, 300)},                                                                  .constant_mask = 2},
    {.op = "matmul",                                                                                             .in = {S4(2, 3, 5, 4), S4(2, 3, 4, 6)}                                                                                                                             },
    {.op = "matmul",                                                                                             .in = {S3(3, 5, 4), S4(2, 1, 4, 18)},.constant_mask = 2},
    {.op = "matmul",                                                                                             .in = {S3(2, 3, 5), S3(2, 19, 5)},                                                                                                                                  .ints = {1}, .int_cnt = 1},
    {.op = "matmul",                                                                             .in = {S3(2, 3, 5), S2(19, 5)},                                                    .ints = {1}, .int_cnt = 1},
    {.op = "max",            .in = {S2(3, 6), S1(6)}                                                                                                                       },
    {.op = "max_pool",                                                                           .in = {S3(2, 3, 11)},                                                                                                                       .ints = {3, 1, 1, 1, 1}, .int_cnt = 5},
    {.op = "min",         .in = {S2(3, 6), S1(6)}                                                                                                                       },
    {.op = "mul",                                                                           .in = {S4(2, 1, 3, 1), S3(4, 1, 5)}                                                                                                                      },
    {.op = "pad",     .in = {S2(3, 4)},                                                                                                                           .ints = {0, 1, 0, 2, 3}, .int_cnt = 5, .reals = {0.5}},
    {.op = "pad",                                                                           .in = {S2(3, 4)},                                                                                                                       .ints = {1, 2, 2, 0, 5}, .int_cnt = 5},
    {.op = "pad",     .in = {S2(3, 4)},                                                                                                                              .ints = {2, 2, 1, 3, 2}, .int_cnt = 5},
    {.op = "pow",                                                                           .in = {S2(3, 6), S0()},                                                                                                                       .positive = true},
    {.op = "reduce_max", .in = {S3(3, 4, 5)},                                                                                                                              .ints = {1, 1}, .int_cnt = 2},
    {.op = "reduce_mean",                                                                           .in = {S3(3, 4, 5)},                                                                                                                       .ints = {0, 0, 2}, .int_cnt = 3},
    {.op = "reduce_min",                                                                                     .in = {S3(3, 4, 5)},                                                                                                                                                                                                                                  .ints = {0, -1}, .int_cnt = 2},
    {.op = "reduce_prod",                                                                                .in = {S2(3, 4)},                   .ints = {0, 0}, .int_cnt = 2},
    {.op = "reduce_sum",                                                                                             .in = {S4(2, 3, 4, 5)},                                                                                                                            .ints = {1, 1, 3}, .int_cnt = 3},
    {.op = "reshape",                                                                                             .in = {S3(2, 3, 4)},.ints = {4, 6}, .int_cnt = 2},
    {.op = "rms_norm",                                                                           .in = {S3(2, 3, 11)},                                                                                                                            .reals = {1e-6}},
    {.op = "rms_norm",.in = {S3(2, 3, 11), S1(11)},.reals = {1e-5}},
    {.op            = "rnn",
     .in            = {S3(6, 1, 5), S3(1, 11, 5), S3(1, 11, 11), S2(1, 22), S3(1, 1, 11)},
     .ints          = {0},
     .int_cnt       = 1,
     .constant_mask = 14},
    {.op = "round",                                                                                  .in = {S1(31)}                                                              },
    {.op = "rows",                                                                                   .row = "softmax",                                                                                             .in = {S3(2, 3, 11)}},
    {.op = "sign",                                                                              .in = {S1(31)}                           },
    {.op = "sin",                                                                                 .in = {S1(31)}                                                                                                                            },
    {.op = "slice",                                                              .in = {S2(6, 9)},.ints = {1, 2, 3, 8, 4, -2}, .int_cnt = 6},
    {.op = "sqrt",.in = {S1(31)},.positive = true},
    {.op = "sub",                                                                         .in = {S2(3, 6), S2(3, 1)}},
    {.op = "transpose",                                                                               .in = {S4(2, 3, 4, 5)},                                                                                                                           .ints = {0, 2, 3, 1}, .int_cnt = 4},
    {.op            = "tree_ensemble",
     .in            = {S2(4, 3), S2(5, 4), S2(3, 2), S1(2), S1(2)},
     .constant_mask = 30},
    {.op = "trunc",                                                                                             .in = {S1(31)}                                                                                                                              },
    {.op = "where",                                                                      .in = {S2(3, 1), S2(1, 4), S0()}},
};

static TF_ALIGNED(64) float in[INPUTS_MAX][CNT_MAX], out[TF_ISA_CNT][CNT_MAX + TF_TENSOR_PAD],
    scratch[CNT_MAX * 4];
static TF_ALIGNED(64) uint8_t packed[1 << 20];
static double wide[INPUTS_MAX][CNT_MAX], want[CNT_MAX], wide_scratch[CNT_MAX * 4];

static uint64_t seed = 88172645463325252u;

static float uniform(void) { /* -1 .. 1 */
  seed ^= seed << 13, seed ^= seed >> 7, seed ^= seed << 17;
  return (float)(seed >> 40) * 0x1p-23f - 1.0f;
}

/* Two trees over three features: 0 (x0 <= 0.1 ? leaf 0 : 1), 1 -> (x2 <= -0.2 ? ...) */
static void fill_trees(void) {
  static const float nodes[20] = {0, 0.1f, 1,  2, -1, 0, 0,  0, 2, -0.2f,
                                  3, 4,    -1, 0, 1,  0, -1, 0, 2, 0};
  memcpy(in[1], nodes, sizeof nodes);
  in[3][0] = 0.0f, in[3][1] = 2.0f;
}

static void fill(const case_of_t *c, const tf_tensor_use_t *use) {
  for (uint32_t i = 0; i < use->in_cnt; i++)
    for (uint32_t k = 0; k < use->in[i].cnt; k++)
      in[i][k] = uniform() * (c->positive ? 0.5f : 1.0f) + (c->positive ? 1.0f : 0.0f);
  if (strcmp(c->op, "tree_ensemble") == 0) fill_trees();
  if (strcmp(c->op, "gather") == 0)
    for (uint32_t k = 0; k < use->in[1].cnt; k++) in[1][k] = (float)((int)k * 2 - 3);
  if (strcmp(c->op, "equal") == 0) in[1][0] = in[0][3];
  for (uint32_t i = 0; i < use->in_cnt; i++)
    for (uint32_t k = 0; k < use->in[i].cnt; k++) wide[i][k] = (double)in[i][k];
}

static tf_err_t make_use(const case_of_t *c, tf_tensor_use_t *use) {
  *use     = (tf_tensor_use_t){.op = tf_tensor_find(c->op), .int_cnt = c->int_cnt};
  use->row = c->row ? tf_op_find(c->row) : NULL;
  assert_non_null(use->op);
  use->real_cnt = use->op->real_cnt;
  memcpy(use->ints, c->ints, sizeof use->ints);
  memcpy(use->reals, c->reals, sizeof use->reals);
  for (; use->in_cnt < INPUTS_MAX && (c->in[use->in_cnt].rank || c->in[use->in_cnt].cnt);
       use->in_cnt++) {
    use->in[use->in_cnt] = c->in[use->in_cnt];
    assert_int_equal(tf_tensor_shape_count(&use->in[use->in_cnt]), TF_OK);
  }
  return tf_tensor_shape(use);
}

static void run_isa(tf_tensor_use_t *use, tf_isa_t isa) {
  const float *inputs[INPUTS_MAX], *constants[TF_TENSOR_INPUTS_MAX] = {NULL};
  for (uint32_t i = 0; i < use->in_cnt; i++) {
    inputs[i] = in[i];
    if (use->constant_mask >> i & 1) constants[i] = in[i];
  }
  use->isa = isa;
  if (use->op->check) assert_int_equal(use->op->check(use, constants), TF_OK);
  if (use->op->pack_bytes && use->op->pack_bytes(use, constants)) {
    assert_true(use->op->pack_bytes(use, constants) <= sizeof packed);
    memset(packed, 0, sizeof packed);
    use->op->pack(use, constants, packed);
    use->packed = packed;
  }
  for (uint32_t i = 0; i < CNT_MAX; i++) out[isa][i] = GUARD;
  assert_true(!use->op->scratch_cnt || use->op->scratch_cnt(use) <= TF_ARRAY_CNT(scratch));
  use->op->run(use, inputs, out[isa], scratch);
  for (uint32_t i = use->out.cnt + TF_TENSOR_PAD; i < CNT_MAX; i++)
    if (out[isa][i] != GUARD) fail_msg("%s wrote past its end", use->op->name);
}

static void check_case(const case_of_t *c, uint32_t constant_mask) {
  tf_tensor_use_t use;
  const double   *inputs[INPUTS_MAX];
  assert_int_equal(make_use(c, &use), TF_OK);
  use.constant_mask = constant_mask;
  fill(c, &use);
  for (uint32_t i = 0; i < INPUTS_MAX; i++) inputs[i] = wide[i];
  use.op->ref(&use, inputs, want, wide_scratch);
  for (int isa = 0; isa < TF_ISA_CNT; isa++) {
    if (!tf_isa_supported((tf_isa_t)isa)) continue;
    run_isa(&use, (tf_isa_t)isa);
    for (uint32_t i = 0; i < use.out.cnt; i++)
      if (!(fabs((double)out[isa][i] - want[i]) <= ERROR_MAX * fmax(1.0, fabs(want[i]))))
        fail_msg("%s, %s, case %zu: value %u is %.9g, not %.9g", c->op, tf_isa_name((tf_isa_t)isa),
                 (size_t)(c - cases), i, (double)out[isa][i], want[i]);
    if (memcmp(out[isa], out[TF_ISA_SCALAR], use.out.cnt * sizeof **out) != 0)
      fail_msg("%s, case %zu: %s and scalar differ in bits", c->op, (size_t)(c - cases),
               tf_isa_name((tf_isa_t)isa));
  }
}

static void every_op_agrees_with_double_and_over_instruction_sets(void **state) {
  (void)state;
  for (size_t i = 0; i < TF_ARRAY_CNT(cases); i++) {
    const bool must_pack = strcmp(cases[i].op, "tree_ensemble") == 0 ||
                           strstr(cases[i].op, "rnn") || strstr(cases[i].op, "lstm") ||
                           strstr(cases[i].op, "gru");
    check_case(&cases[i], cases[i].constant_mask);
    if (!must_pack) check_case(&cases[i], 0);
  }
}

/* What products below fp32 may be off by, of values between -1 and 1: a few times their rounding. */
static double bound_below_fp32(const tf_tensor_use_t *use) {
  static const double of_a_product[] = {0.0, 0x1p-8, 0x1p-11, 0x1p-7};
  return of_a_product[use->precision] * 4.0 * sqrt((double)tf_tensor_flops(use) / use->out.cnt);
}

static void check_below_fp32(const case_of_t *c, tf_precision_t precision, float range) {
  tf_tensor_use_t use;
  const double   *inputs[INPUTS_MAX];
  assert_int_equal(make_use(c, &use), TF_OK);
  use.constant_mask = c->constant_mask;
  use.precision     = precision;
  use.ranges[0] = use.ranges[1] = range;
  fill(c, &use);
  for (uint32_t i = 0; i < INPUTS_MAX; i++) inputs[i] = wide[i];
  use.op->ref(&use, inputs, want, wide_scratch);
  for (int isa = 0; isa < TF_ISA_CNT; isa++) {
    if (!tf_isa_supported((tf_isa_t)isa)) continue;
    run_isa(&use, (tf_isa_t)isa);
    double greatest = 0.0;
    for (uint32_t i = 0; i < use.out.cnt; i++)
      greatest = fmax(greatest, fabs((double)out[isa][i] - want[i]));
    if (!(greatest <= bound_below_fp32(&use)))
      fail_msg("%s, case %zu, %s on %s: off by %g, at most %g", c->op, (size_t)(c - cases),
               tf_precision_name(precision), tf_isa_name((tf_isa_t)isa), greatest,
               bound_below_fp32(&use));
    /* vdpbf16ps takes denormals for 0, of which these values have none */
    if (memcmp(out[isa], out[TF_ISA_SCALAR], use.out.cnt * sizeof **out) != 0)
      fail_msg("%s, case %zu, %s: %s and scalar differ in bits", c->op, (size_t)(c - cases),
               tf_precision_name(precision), tf_isa_name((tf_isa_t)isa));
  }
}

static void products_below_fp32_are_near_double_and_the_same_on_all_instruction_sets(void **state) {
  (void)state;
  for (size_t i = 0; i < TF_ARRAY_CNT(cases); i++) {
    if (!tf_tensor_find(cases[i].op)->product || !cases[i].constant_mask) continue;
    for (int precision = TF_PRECISION_BF16; precision < TF_PRECISION_CNT; precision++)
      check_below_fp32(&cases[i], (tf_precision_t)precision, 0.0f);
    check_below_fp32(&cases[i], TF_PRECISION_INT8, 1.0f);
  }
}

/* Rows one value too wide for exact int8 sums stay fp32; so does a convolution of few outputs a group. */
static void products_that_stay_fp32_have_its_bits(void **state) {
  (void)state;
  static const case_of_t stay[] = {
      {.op            = "conv",
       .in            = {S3(1, 4, 19), S3(12, 1, 3), S1(12)},
       .ints          = {4, 1, 2, 4, 0},
       .int_cnt       = 5,
       .constant_mask = 6},
      {.op = "matmul",      .in = {S2(7, 13), S2(13, 35)},                                  .constant_mask = 0},
  };
  for (size_t i = 0; i < TF_ARRAY_CNT(stay); i++) {
    tf_tensor_use_t use;
    assert_int_equal(make_use(&stay[i], &use), TF_OK);
    use.constant_mask = stay[i].constant_mask;
    fill(&stay[i], &use);
    run_isa(&use, TF_ISA_SCALAR);
    memcpy(out[1], out[0], sizeof *out);
    use.precision = TF_PRECISION_INT8;
    run_isa(&use, TF_ISA_SCALAR);
    assert_memory_equal(out[0], out[1], use.out.cnt * sizeof **out);
  }
  assert_true(
      tf_rounded_wanted(&(tf_tensor_use_t){.precision = TF_PRECISION_INT8}, TF_OP_WIDTH_MAX));
  assert_false(
      tf_rounded_wanted(&(tf_tensor_use_t){.precision = TF_PRECISION_INT8}, TF_OP_WIDTH_MAX + 1));
}

static void every_op_has_a_case(void **state) {
  (void)state;
  const tf_tensor_op_t *op;
  for (uint32_t i = 0; (op = tf_tensor_at(i)) != NULL; i++) {
    bool found = false;
    for (size_t c = 0; c < TF_ARRAY_CNT(cases); c++) found |= strcmp(cases[c].op, op->name) == 0;
    if (!found) fail_msg("%s has no case", op->name);
  }
}

/* Ops that may write over an input do not notice. */
static void ops_in_place_give_the_same(void **state) {
  (void)state;
  for (size_t i = 0; i < TF_ARRAY_CNT(cases); i++) {
    tf_tensor_use_t use;
    const double   *ignored[1];
    const float    *inputs[INPUTS_MAX];
    (void)ignored;
    assert_int_equal(make_use(&cases[i], &use), TF_OK);
    if (!use.op->in_place) continue;
    for (uint32_t over = 0; over < use.in_cnt; over++) {
      if (use.in[over].cnt != use.out.cnt) continue;
      fill(&cases[i], &use);
      run_isa(&use, TF_ISA_SCALAR);
      for (uint32_t k = 0; k < use.in_cnt; k++) inputs[k] = in[k];
      use.op->run(&use, inputs, in[over], scratch);
      if (memcmp(in[over], out[TF_ISA_SCALAR], use.out.cnt * sizeof **out) != 0)
        fail_msg("%s over its input %u", use.op->name, over);
    }
  }
}

static void nan_goes_through(void **state) {
  (void)state;
  static const char *const chosen[] = {"each",          "rows",       "matmul",     "conv",
                                       "layer_norm",    "reduce_max", "reduce_sum", "max",
                                       "tree_ensemble", "lstm",       "max_pool"};
  for (size_t i = 0; i < TF_ARRAY_CNT(cases); i++) {
    bool wanted = false, found = false;
    for (size_t n = 0; n < TF_ARRAY_CNT(chosen); n++) wanted |= strcmp(cases[i].op, chosen[n]) == 0;
    if (!wanted) continue;
    for (int k = 0; k < TF_ISA_CNT * TF_PRECISION_CNT; k++) {
      const int       isa = k % TF_ISA_CNT;
      tf_tensor_use_t use;
      if (!tf_isa_supported((tf_isa_t)isa)) continue;
      assert_int_equal(make_use(&cases[i], &use), TF_OK);
      use.constant_mask = cases[i].constant_mask;
      use.precision     = (tf_precision_t)(k / TF_ISA_CNT);
      found             = false;
      fill(&cases[i], &use);
      in[0][0] = NAN;
      run_isa(&use, (tf_isa_t)isa);
      for (uint32_t v = 0; v < use.out.cnt; v++) found |= isnan(out[isa][v]);
      if (!found) fail_msg("%s, %s: NaN is lost", use.op->name, tf_isa_name((tf_isa_t)isa));
    }
  }
}

static void shapes_that_disagree_are_refused_in_words(void **state) {
  (void)state;
  static const struct {
    case_of_t   c;
    const char *says;
  } bad[] = {
      {{.op = "add", .in = {S2(3, 4), S1(3)}},                                                  "do not go together"          },
      {{.op = "matmul", .in = {S2(3, 4), S2(3, 4)}},                                            "[3,4] times [3,4]"           },
      {{.op = "matmul", .in = {S2(3, 4), S1(4)}},                                               "times [4]"                   },
      {{.op = "reshape", .in = {S1(6)}, .ints = {4}, .int_cnt = 1},                             "[6] as [4]"                  },
      {{.op = "reshape", .in = {S1(6)}, .ints = {0}, .int_cnt = 1},                             "an axis of 0"                },
      {{.op = "transpose", .in = {S2(2, 3)}, .ints = {0, 0}, .int_cnt = 2},                     "axis 0 twice"                },
      {{.op = "transpose", .in = {S2(2, 3)}, .ints = {0, 2}, .int_cnt = 2},
       "axis 2 of a tensor of rank 2"                                                                                         },
      {{.op = "slice", .in = {S1(5)}, .ints = {4, 2, 1}, .int_cnt = 3},                         "2 values from 4"             },
      {{.op = "slice", .in = {S1(5)}, .ints = {0, 1, 0}, .int_cnt = 3},                         "0 apart"                     },
      {{.op = "expand", .in = {S1(5)}, .ints = {4}, .int_cnt = 1},                              "do not go together"          },
      {{.op = "expand", .in = {S1(1)}, .ints = {1 << 24, 2}, .int_cnt = 2},
       "16777216 values are allowed"                                                                                          },
      {{.op = "concat", .in = {S2(2, 3), S2(3, 3)}, .ints = {1}, .int_cnt = 1},                 "along axis 1"                },
      {{.op = "conv", .in = {S3(1, 3, 5), S3(4, 2, 3)}, .ints = {1, 1, 1, 0, 0}, .int_cnt = 5},
       "in 1 groups"                                                                                                          },
      {{.op = "conv", .in = {S3(1, 3, 5), S3(4, 3, 6)}, .ints = {1, 1, 1, 0, 0}, .int_cnt = 5},
       "6 weights over 5 values"                                                                                              },
      {{.op = "conv", .in = {S3(1, 3, 5), S3(4, 3, 3)}, .ints = {1, 0, 1, 0, 0}, .int_cnt = 5},
       "stride 0"                                                                                                             },
      {{.op = "max_pool", .in = {S3(1, 3, 5)}, .ints = {6, 1, 1, 0, 0}, .int_cnt = 5},
       "a window of 6"                                                                                                        },
      {{.op = "layer_norm", .in = {S2(2, 3), S1(2)}, .reals = {1e-5}},                          "for rows of 3"               },
      {{.op      = "gru",
        .in      = {S3(5, 1, 3), S3(1, 21, 3), S3(1, 21, 7), S2(1, 42), S3(1, 1, 7)},
        .ints    = {0, 1},
        .int_cnt = 2},
       "a last c of a layer that has none"                                                                                    },
      {{.op      = "lstm",
        .in      = {S3(6, 1, 5), S3(1, 36, 4), S3(1, 36, 9), S2(1, 72), S3(1, 1, 9), S3(1, 1, 9)},
        .ints    = {0},
        .int_cnt = 1},
       "are wanted"                                                                                                           },
      {{.op = "pad", .in = {S1(3)}, .ints = {2, 3, 0}, .int_cnt = 3},                           "3 values at axis 0, 0 to 2"  },
      {{.op = "reduce_sum", .in = {S1(3)}, .ints = {1, 0, 0}, .int_cnt = 3},                    "axis 0 twice"                },
      {{.op = "each", .row = "softmax", .in = {S1(3)}},                                         "does not work value by value"},
      {{.op = "rows", .row = "gemm", .in = {S1(3)}},                                            "does not work on plain rows" },
      {{.op = "each", .in = {S1(3)}},                                                           "needs a row op"              },
      {{.op = "add", .in = {S1(3)}},                                                            "of 1 inputs"                 },
  };
  for (size_t i = 0; i < TF_ARRAY_CNT(bad); i++) {
    tf_tensor_use_t use;
    if (make_use(&bad[i].c, &use) == TF_OK) fail_msg("%s, case %zu is taken", bad[i].c.op, i);
    if (!strstr(tf_error_text(), bad[i].says))
      fail_msg("%s, case %zu: '%s' does not say '%s'", bad[i].c.op, i, tf_error_text(),
               bad[i].says);
  }
}

static void trees_that_do_not_hold_are_refused(void **state) {
  (void)state;
  static const struct {
    uint32_t    at; /* of nodes */
    float       value;
    const char *says;
  } bad[] = {
      {2,  0.0f, "node 0"}, /* leads to itself: a cycle */
      {2,  5.0f, "node 0"}, /* past the last */
      {0,  3.0f, "node 0"}, /* feature 3 of 3 */
      {0,  0.5f, "node 0"},
      {6,  3.0f, "node 1"}, /* leaf 3 of 3 */
      {10, NAN,  "node 2"},
      {11, 2.0f, "node 2"},
  };
  const case_of_t *c = cases;
  while (strcmp(c->op, "tree_ensemble") != 0) c++;
  for (size_t i = 0; i < TF_ARRAY_CNT(bad); i++) {
    tf_tensor_use_t use;
    const float    *constants[TF_TENSOR_INPUTS_MAX] = {NULL, in[1], in[2], in[3], in[4]};
    assert_int_equal(make_use(c, &use), TF_OK);
    fill(c, &use);
    in[1][bad[i].at] = bad[i].value;
    assert_int_equal(use.op->check(&use, constants), E_MODEL_FORMAT);
    assert_non_null(strstr(tf_error_text(), bad[i].says));
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(every_op_has_a_case),
      cmocka_unit_test(shapes_that_disagree_are_refused_in_words),
      cmocka_unit_test(trees_that_do_not_hold_are_refused),
      cmocka_unit_test(every_op_agrees_with_double_and_over_instruction_sets),
      cmocka_unit_test(products_below_fp32_are_near_double_and_the_same_on_all_instruction_sets),
      cmocka_unit_test(products_that_stay_fp32_have_its_bits),
      cmocka_unit_test(ops_in_place_give_the_same),
      cmocka_unit_test(nan_goes_through),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
