/* Each pass over graphs that it is for, and over such as it must leave alone: the answers in double before and after, and how many nodes
 * are left. What all of them do to what exporters wrote is in oracle_families.py. */
#include "cmocka_tf.h"

#include <math.h>

#include "core/error.h"
#include "kernels/model/net_build.h"
#include "model/net_pass.h"
#include "model/net_plan.h"

#define ERROR_MAX 1e-6
#define ROWS      8u
#define COLUMNS   12u
#define WINDOWS   4u

static void begin(build_t *b) { begin_window(b, ROWS, COLUMNS); }

#define CONV(b, x, w, bias, ...)                                                                   \
  put(b, "conv", NULL, (uint32_t[]){x, w, bias}, 3, (int64_t[]){__VA_ARGS__},                      \
      sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t), NULL, 0)

/* The answers to a few windows, some of them large. */
static void answers(const tf_net_t *net, double *out) {
  build_t b = {.seed = 1234567};
  float   rows[ROWS * COLUMNS];
  for (uint32_t w = 0; w < WINDOWS; w++, out += tf_net_output_cnt(net)) {
    for (uint32_t i = 0; i < ROWS * COLUMNS; i++) rows[i] = uniform(&b) * (w == 2 ? 20.0f : 1.5f);
    assert_int_equal(tf_net_eval(net, rows, out), TF_OK);
  }
}

static uint32_t count_of(const tf_net_t *net, const char *op, const char *row) {
  uint32_t cnt = 0;
  for (uint32_t n = 0; n < net->node_cnt; n++)
    cnt += strcmp(net->nodes[n].use.op->name, op) == 0 &&
           (!row || (net->nodes[n].use.row && strcmp(net->nodes[n].use.row->name, row) == 0));
  return cnt;
}

/* Runs a pass until it finds no more, or all of them for NULL; answers stay. The number of changes. */
static uint32_t run(build_t *b, uint32_t output, const char *pass) {
  uint32_t all = 0, cnt = 1;
  assert_int_equal(tf_net_end(b->net, output), TF_OK);
  const uint32_t outputs = tf_net_output_cnt(b->net) * WINDOWS;
  double *before = malloc(outputs * sizeof *before), *after = malloc(outputs * sizeof *after);
  tf_net_plan_t *plan;
  answers(b->net, before);
  for (uint32_t i = 0; i < 40 && cnt > 0 && pass; i++, all += cnt)
    assert_int_equal(tf_net_pass_run(tf_net_pass_find(pass), b->net, &cnt), TF_OK);
  if (!pass) assert_int_equal(tf_net_pass_all(b->net), TF_OK);
  assert_int_equal(tf_net_output_cnt(b->net) * WINDOWS, outputs);
  answers(b->net, after);
  for (uint32_t i = 0; i < outputs; i++)
    if (!(fabs(after[i] - before[i]) <= ERROR_MAX * fmax(1.0, fabs(before[i]))))
      fail_msg("%s: answer %u was %.9g, is %.9g", pass ? pass : "all", i, before[i], after[i]);
  for (uint32_t n = 0; n < b->net->node_cnt; n++) /* in order, and numbers agree */
    for (uint32_t i = 0; i < b->net->nodes[n].use.in_cnt; i++) {
      const uint32_t maker = b->net->values[b->net->nodes[n].in[i]].node;
      assert_true(maker == TF_NET_NONE || maker < n);
    }
  assert_int_equal(tf_net_plan_new(b->net, TF_ISA_SCALAR, TF_PRECISION_FP32, &plan), TF_OK);
  tf_net_plan_delete(plan);
  free(before);
  free(after);
  return all;
}

static void end(build_t *b) { tf_net_delete(b->net); }

/* ---- constants, common ---- */

static void constants_are_folded_and_what_does_nothing_goes(void **state) {
  (void)state;
  build_t b;
  begin(&b);
  uint32_t w = both(&b, "mul", RANDOM(&b, COLUMNS, 3), RANDOM(&b, 3));
  uint32_t y = both(&b, "matmul", both(&b, "mul", TF_NET_INPUT, number(&b, 1.0)), w);
  y          = both(&b, "sub", both(&b, "add", y, number(&b, 0.0)), number(&b, 0.0));
  assert_int_not_equal(run(&b, one(&b, "abs", y), "constants"), 0);
  assert_int_equal(b.net->node_cnt, 2);
  end(&b);
  begin(&b); /* a shape that grows is something */
  y = both(&b, "add", one(&b, "abs", TF_NET_INPUT),
           add_values(&b, 3, (uint32_t[]){2, 1, 1}, (float[]){0, 0}));
  assert_int_equal(run(&b, y, "constants"), 0);
  end(&b);
}

static void equal_nodes_are_one(void **state) {
  (void)state;
  build_t     b;
  const float w[COLUMNS] = {1, 2, 3};
  begin(&b);
  uint32_t x   = both(&b, "mul", TF_NET_INPUT, add_values(&b, 1, (uint32_t[]){COLUMNS}, w)),
           y   = both(&b, "mul", TF_NET_INPUT, add_values(&b, 1, (uint32_t[]){COLUMNS}, w)),
           z   = both(&b, "mul", TF_NET_INPUT, RANDOM(&b, COLUMNS));
  uint32_t out = both(&b, "add", both(&b, "sub", each(&b, "tanh", x), each(&b, "relu", y)), z);
  out          = both(&b, "add", out, each(&b, "tanh", y));
  assert_int_equal(run(&b, out, "common"), 2);
  assert_int_equal(b.net->node_cnt, 7);
  end(&b);
}

/* ---- known ---- */

static uint32_t squared_cubed(build_t *b, uint32_t x) { /* x + 0.044715 x^3 */
  return both(b, "add", x, both(b, "mul", both(b, "pow", x, number(b, 3.0)), number(b, 0.044715)));
}

static void functions_that_were_taken_apart_are_known(void **state) {
  (void)state;
  static const char *const want[] = {"gelu",     "gelu",       "gelu_tanh",  "silu", "softplus",
                                     "softplus", "hard_swish", "leaky_relu", "clip", "relu"};
  for (size_t i = 0; i < TF_ARRAY_CNT(want); i++) {
    build_t b;
    begin(&b);
    const uint32_t x = one(&b, "sign", TF_NET_INPUT);
    const uint32_t u = both(&b, "add", TF_NET_INPUT, x); /* read twice, and not part of it */
    uint32_t       y = u, t;
    switch (i) {
    case 0: /* x * 0.5 * (1 + erf(x / sqrt 2)) */
      t = both(&b, "add", each(&b, "erf", both(&b, "div", u, number(&b, sqrt(2.0)))),
               number(&b, 1.0));
      y = both(&b, "mul", both(&b, "mul", u, number(&b, 0.5)), t);
      break;
    case 1: /* (erf(0.7071 x) + 1) * x / 2 */
      t = both(&b, "add", number(&b, 1.0),
               each(&b, "erf", both(&b, "mul", number(&b, sqrt(0.5)), u)));
      y = both(&b, "div", both(&b, "mul", t, u), number(&b, 2.0));
      break;
    case 2:
      t = each(&b, "tanh",
               both(&b, "mul", squared_cubed(&b, u), number(&b, sqrt(2.0 / 3.14159265358979))));
      y = both(&b, "mul", both(&b, "mul", number(&b, 0.5), u), both(&b, "add", t, number(&b, 1.0)));
      break;
    case 3: y = both(&b, "mul", each(&b, "sigmoid", u), u); break;
    case 4: y = one(&b, "log", both(&b, "add", each(&b, "exp", u), number(&b, 1.0))); break;
    case 5: /* beyond 20 x itself */
      t = one(&b, "log", both(&b, "add", each(&b, "exp", u), number(&b, 1.0)));
      y = put(&b, "where", NULL, (uint32_t[]){both(&b, "less", number(&b, 20.0), u), u, t}, 3, NULL,
              0, NULL, 0);
      break;
    case 6: /* x * min(max(x + 3, 0), 6) / 6 */
      t = both(&b, "min", both(&b, "max", both(&b, "add", u, number(&b, 3.0)), number(&b, 0.0)),
               number(&b, 6.0));
      y = both(&b, "div", both(&b, "mul", u, t), number(&b, 6.0));
      break;
    case 7:
      y = put(&b, "where", NULL,
              (uint32_t[]){both(&b, "less", u, number(&b, 0.0)),
                           both(&b, "mul", u, number(&b, 0.07)), u},
              3, NULL, 0, NULL, 0);
      break;
    case 8: y = both(&b, "max", both(&b, "min", u, number(&b, 0.75)), number(&b, -0.25)); break;
    default: y = both(&b, "mul", both(&b, "add", u, one(&b, "abs", u)), number(&b, 0.5)); break;
    }
    if (run(&b, both(&b, "mul", y, RANDOM(&b, COLUMNS)), "known") == 0)
      fail_msg("%s was not known", want[i]);
    if (count_of(b.net, "each", want[i]) != 1 || b.net->node_cnt != 4)
      fail_msg("%s: %u nodes", want[i], b.net->node_cnt);
    assert_non_null(strstr(b.net->nodes[2].name, " + "));
    end(&b);
  }
}

static void what_is_only_like_a_known_function_stays(void **state) {
  (void)state;
  build_t b;
  begin(&b); /* another slope within */
  uint32_t t = both(&b, "add", each(&b, "erf", both(&b, "mul", TF_NET_INPUT, number(&b, 0.72))),
                    number(&b, 1.0));
  uint32_t y = both(&b, "mul", both(&b, "mul", TF_NET_INPUT, number(&b, 0.5)), t);
  assert_int_equal(run(&b, y, "known"), 0);
  end(&b);
  begin(&b); /* the gate is read elsewhere: two nodes in place of two */
  t = each(&b, "sigmoid", TF_NET_INPUT);
  y = both(&b, "add", both(&b, "mul", TF_NET_INPUT, t), t);
  assert_int_equal(run(&b, y, "known"), 0);
  end(&b);
  begin(&b); /* of two values */
  y = both(&b, "mul", TF_NET_INPUT,
           each(&b, "sigmoid", one(&b, "abs", both(&b, "mul", TF_NET_INPUT, RANDOM(&b, COLUMNS)))));
  assert_int_equal(run(&b, y, "known"), 0);
  end(&b);
}

/* ---- norms ---- */

static uint32_t mean_of(build_t *b, uint32_t x) { return MOVE(b, "reduce_mean", x, 1, -1); }

static void norms_that_were_taken_apart_are_one_with_scale_and_shift(void **state) {
  (void)state;
  for (uint32_t i = 0; i < 4; i++) {
    build_t b;
    begin(&b);
    const uint32_t x = one(&b, "sign", TF_NET_INPUT), u = both(&b, "add", TF_NET_INPUT, x);
    const uint32_t d = both(&b, "sub", u, mean_of(&b, u)), square = both(&b, "mul", u, u);
    uint32_t       y;
    if (i < 2) {
      const uint32_t v =
          mean_of(&b, i ? both(&b, "mul", d, d) : both(&b, "pow", d, number(&b, 2.0)));
      y = one(&b, "sqrt", both(&b, "add", v, number(&b, 1e-5)));
      y = i ? both(&b, "mul", d, both(&b, "div", number(&b, 1.0), y)) : both(&b, "div", d, y);
    } else {
      y = one(&b, "sqrt", both(&b, "add", mean_of(&b, square), number(&b, 1e-6)));
      y = i == 2 ? both(&b, "div", u, y) : both(&b, "mul", u, both(&b, "div", number(&b, 1.0), y));
    }
    y = both(&b, "mul", y, RANDOM(&b, COLUMNS));
    if (i < 2) y = both(&b, "add", y, RANDOM(&b, COLUMNS));
    assert_int_not_equal(run(&b, one(&b, "abs", y), "norm"), 0);
    assert_int_equal(count_of(b.net, i < 2 ? "layer_norm" : "rms_norm", NULL), 1);
    assert_int_equal(b.net->node_cnt, 4);
    assert_int_equal(b.net->nodes[2].use.in_cnt, i < 2 ? 3 : 2);
    assert_true(fabs(b.net->nodes[2].use.reals[0] - (i < 2 ? 1e-5 : 1e-6)) < 1e-9);
    end(&b);
  }
}

static void other_norms_stay(void **state) {
  (void)state;
  build_t b;
  begin(&b); /* the epsilon beside the root: another function */
  uint32_t d = both(&b, "sub", TF_NET_INPUT, mean_of(&b, TF_NET_INPUT));
  uint32_t y =
      both(&b, "add", one(&b, "sqrt", mean_of(&b, both(&b, "mul", d, d))), number(&b, 1e-2));
  assert_int_equal(run(&b, both(&b, "div", d, y), "norm"), 0);
  end(&b);
  begin(&b); /* along the rows of the window, not along a row */
  d = both(&b, "sub", TF_NET_INPUT, MOVE(&b, "reduce_mean", TF_NET_INPUT, 1, 0));
  y = one(&b, "sqrt",
          both(&b, "add", MOVE(&b, "reduce_mean", both(&b, "mul", d, d), 1, 0), number(&b, 1e-5)));
  assert_int_equal(run(&b, both(&b, "div", d, y), "norm"), 0);
  end(&b);
}

/* ---- moves ---- */

static void moves_are_joined_and_those_that_move_nothing_go(void **state) {
  (void)state;
  build_t b;
  begin(&b);
  uint32_t y = MOVE(&b, "reshape", TF_NET_INPUT, 1, ROWS, 3, 4);
  y          = MOVE(&b, "transpose", y, 0, 2, 1, 3);
  y          = MOVE(&b, "transpose", y, 0, 1, 3, 2);
  y          = MOVE(&b, "transpose", y, 0, 2, 3, 1); /* [1, 4, rows, 3]: what is left */
  y          = MOVE(&b, "reshape", y, 4, 1, ROWS, 3);
  y          = MOVE(&b, "transpose", y, 1, 0, 2, 3);
  y          = MOVE(&b, "reshape", MOVE(&b, "reshape", y, 4, 3 * ROWS), 4 * ROWS, 3);
  y          = MOVE(&b, "slice", MOVE(&b, "slice", y, 2, 10, 3, 0, 3, 1), 1, 4, 2, 2, 2, -1);
  y          = MOVE(&b, "slice", y, 0, 4, 1, 0, 2, 1);
  assert_int_not_equal(run(&b, one(&b, "abs", y), "moves"), 0);
  assert_int_equal(count_of(b.net, "transpose", NULL), 1);
  assert_int_equal(count_of(b.net, "slice", NULL), 1);
  assert_true(b.net->node_cnt <= 5);
  end(&b);
  begin(&b); /* there and back */
  y = MOVE(&b, "transpose", MOVE(&b, "transpose", one(&b, "abs", TF_NET_INPUT), 1, 0), 1, 0);
  assert_int_not_equal(run(&b, one(&b, "sign", y), "moves"), 0);
  assert_int_equal(b.net->node_cnt, 2);
  end(&b);
  begin(&b); /* entries evenly apart are a slice, others are not */
  const uint32_t even = add_values(&b, 1, (uint32_t[]){3}, (float[]){-1, 3, -9}),
                 odd  = add_values(&b, 1, (uint32_t[]){3}, (float[]){0, 1, 3});
  y = put(&b, "gather", NULL, (uint32_t[]){TF_NET_INPUT, even}, 2, (int64_t[]){0}, 1, NULL, 0);
  y = put(&b, "gather", NULL, (uint32_t[]){y, odd}, 2, (int64_t[]){1}, 1, NULL, 0);
  (void)run(&b, one(&b, "abs", y), "moves");
  assert_int_equal(count_of(b.net, "gather", NULL), 2); /* 7, 3, -9: not apart by one step */
  end(&b);
  begin(&b);
  y = put(&b, "gather", NULL,
          (uint32_t[]){TF_NET_INPUT, add_values(&b, 1, (uint32_t[]){3}, (float[]){-1, 5, 3})}, 2,
          (int64_t[]){0}, 1, NULL, 0);
  assert_int_not_equal(run(&b, one(&b, "abs", y), "moves"), 0);
  assert_int_equal(count_of(b.net, "gather", NULL), 0);
  end(&b);
}

static void a_product_turns_its_second_factor_itself(void **state) {
  (void)state;
  for (uint32_t i = 0; i < 3; i++) {
    build_t b;
    begin(&b);
    const uint32_t x =
        MOVE(&b, "reshape", both(&b, "mul", TF_NET_INPUT, RANDOM(&b, COLUMNS)), ROWS, 3, 4);
    const uint32_t a = MOVE(&b, "transpose", one(&b, "abs", x), 1, 0, 2);
    uint32_t       k = i == 0 ? MOVE(&b, "transpose", MOVE(&b, "transpose", x, 1, 0, 2), 0, 2, 1)
                              : MOVE(&b, "transpose", x, 1, 2, 0);
    if (i == 2) k = MOVE(&b, "reshape", k, 1, 3, 4, ROWS);
    const uint32_t y = both(&b, "matmul", a, k);
    assert_int_not_equal(run(&b, one(&b, "abs", y), "moves"), 0);
    assert_int_equal(count_of(b.net, "transpose", NULL), 2);
    for (uint32_t n = 0; n < b.net->node_cnt; n++)
      if (strcmp(b.net->nodes[n].use.op->name, "matmul") == 0)
        assert_int_equal(b.net->nodes[n].use.ints[0], 1);
    end(&b);
  }
}

/* ---- convolutions ---- */

static void zeros_before_and_cuts_behind_a_convolution_are_its_padding(void **state) {
  (void)state;
  build_t b;
  begin(&b); /* padded on the left: causal, dilated */
  uint32_t x = MOVE(&b, "transpose", MOVE(&b, "reshape", TF_NET_INPUT, 1, ROWS, COLUMNS), 0, 2, 1);
  uint32_t y = put(&b, "pad", NULL, &x, 1, (int64_t[]){0, 0, 0, 0, 0, 4, 0}, 7, (double[]){0.0}, 1);
  y          = CONV(&b, y, RANDOM(&b, 5, COLUMNS, 3), RANDOM(&b, 5), 1, 1, 2, 0, 0);
  assert_int_equal(run(&b, one(&b, "abs", y), "conv"), 1);
  assert_int_equal(count_of(b.net, "pad", NULL), 0);
  end(&b);
  begin(
      &b); /* padded on both sides, the right end cut again; and with stride 2 what is left of the padding */
  x = MOVE(&b, "transpose", MOVE(&b, "reshape", TF_NET_INPUT, 1, ROWS, COLUMNS), 0, 2, 1);
  y = CONV(&b, x, RANDOM(&b, 5, COLUMNS, 3), RANDOM(&b, 5), 1, 1, 2, 4, 4);
  y = MOVE(&b, "slice", y, 0, 1, 1, 0, 5, 1, 0, ROWS, 1);
  y = CONV(&b, y, RANDOM(&b, 4, 5, 3), RANDOM(&b, 4), 1, 2, 1, 2, 3);
  y = MOVE(&b, "slice", y, 0, 1, 1, 0, 4, 1, 1, 4, 1);
  assert_int_equal(run(&b, one(&b, "abs", y), "conv"), 2);
  assert_int_equal(count_of(b.net, "slice", NULL), 0);
  end(&b);
  begin(
      &b); /* other values around, other places than those at the ends, a second reader: left alone */
  x = MOVE(&b, "transpose", MOVE(&b, "reshape", TF_NET_INPUT, 1, ROWS, COLUMNS), 0, 2, 1);
  y = put(&b, "pad", NULL, &x, 1, (int64_t[]){0, 0, 0, 0, 0, 4, 0}, 7, (double[]){0.5}, 1);
  y = CONV(&b, y, RANDOM(&b, 5, COLUMNS, 3), RANDOM(&b, 5), 1, 1, 2, 0, 0);
  const uint32_t cut = MOVE(&b, "slice", y, 0, 1, 1, 0, 5, 1, 2, 3, 2);
  y = both(&b, "add", MOVE(&b, "reduce_sum", y, 1, 2), MOVE(&b, "reduce_sum", cut, 1, 2));
  assert_int_equal(run(&b, y, "conv"), 0);
  end(&b);
}

/* ---- narrow ---- */

/* Rows times weights, a bias, and one of the last two axes' parts. */
static uint32_t linear(build_t *b, uint32_t x, uint32_t inputs, uint32_t outputs) {
  return both(b, "add", both(b, "matmul", x, RANDOM(b, inputs, outputs)), RANDOM(b, outputs));
}

static void of_what_only_the_last_row_is_read_only_that_is_computed(void **state) {
  (void)state;
  build_t b;
  begin(&b);
  uint32_t y = MOVE(&b, "reshape", TF_NET_INPUT, 1, ROWS, COLUMNS);
  uint32_t h = linear(&b, y, COLUMNS, 16);
  h          = put(&b, "layer_norm", NULL, &h, 1, NULL, 0, (double[]){1e-5}, 1);
  h          = put(&b, "rows", "softmax", (uint32_t[]){each(&b, "relu", h)}, 1, NULL, 0, NULL, 0);
  y          = both(&b, "add", linear(&b, h, 16, COLUMNS), y);
  y          = MOVE(&b, "transpose", y, 1, 0, 2);
  y = put(&b, "concat", NULL, (uint32_t[]){y, MOVE(&b, "expand", RANDOM(&b, 1, 1, 4), ROWS, 1, 4)},
          2, (int64_t[]){2}, 1, NULL, 0);
  y = MOVE(&b, "slice", y, ROWS - 1, 1, 1, 0, 1, 1, 0, COLUMNS + 4, 1);
  (void)tf_net_end(b.net, y);
  const uint64_t flops = b.net->flops;
  assert_int_not_equal(run(&b, b.net->nodes[b.net->node_cnt - 1].out, "narrow"), 0);
  assert_true(b.net->flops * (ROWS - 1) < flops);
  end(&b);
}

static void what_was_made_together_to_be_taken_apart_is_made_apart(void **state) {
  (void)state;
  build_t b;
  begin(&b); /* Q, K and V as PyTorch's attention has them, of 16 columns each */
  uint32_t y = MOVE(&b, "reshape", linear(&b, TF_NET_INPUT, COLUMNS, 48), ROWS, 3, 16), part[3];
  y          = MOVE(&b, "transpose", y, 1, 0, 2);
  for (int64_t i = 0; i < 3; i++)
    part[i] = MOVE(&b, "reshape", MOVE(&b, "slice", y, i, 1, 1, 0, ROWS, 1, 0, 16, 1), ROWS, 16);
  y = both(&b, "matmul", part[0], MOVE(&b, "transpose", part[1], 1, 0));
  y = both(&b, "matmul",
           put(&b, "rows", "softmax", (uint32_t[]){both(&b, "mul", y, number(&b, 0.25))}, 1, NULL,
               0, NULL, 0),
           part[2]);
  run(&b, y, NULL);
  assert_int_equal(count_of(b.net, "transpose", NULL), 0);
  assert_int_equal(count_of(b.net, "slice", NULL), 0);
  assert_int_equal(count_of(b.net, "mul", NULL), 0); /* the scale is in Q's or K's weights */
  assert_int_equal(count_of(b.net, "matmul", NULL), 5);
  end(&b);
  begin(&b); /* 3 columns each: apart they would be more panels than together */
  y = MOVE(&b, "slice", linear(&b, TF_NET_INPUT, COLUMNS, 6), 0, ROWS, 1, 0, 3, 1);
  y = both(&b, "add", y, MOVE(&b, "slice", b.net->nodes[1].out, 0, ROWS, 1, 3, 3, 1));
  run(&b, one(&b, "abs", y), "narrow");
  assert_int_equal(count_of(b.net, "matmul", NULL), 1);
  end(&b);
}

/* ---- scale ---- */

static void scales_and_shifts_go_into_weights(void **state) {
  (void)state;
  build_t b;
  begin(&b); /* behind a product with a bias, one each; then a number through moves */
  uint32_t y = both(&b, "mul", linear(&b, TF_NET_INPUT, COLUMNS, 6), RANDOM(&b, 6));
  y          = MOVE(&b, "transpose", MOVE(&b, "reshape", y, ROWS, 2, 3), 1, 0, 2);
  y          = both(&b, "div", y, number(&b, 3.0));
  assert_int_equal(run(&b, one(&b, "abs", y), "scale"), 2);
  assert_int_equal(b.net->node_cnt, 5);
  end(&b);
  begin(&b); /* a batch norm behind a convolution */
  uint32_t x = MOVE(&b, "transpose", MOVE(&b, "reshape", TF_NET_INPUT, 1, ROWS, COLUMNS), 0, 2, 1);
  y          = CONV(&b, x, RANDOM(&b, 5, COLUMNS, 3), RANDOM(&b, 5), 1, 1, 1, 0, 0);
  y          = both(&b, "add", both(&b, "mul", y, RANDOM(&b, 5, 1)), RANDOM(&b, 1, 5, 1));
  assert_int_equal(run(&b, one(&b, "abs", y), "scale"), 2);
  assert_int_equal(b.net->node_cnt, 4);
  end(&b);
  begin(
      &b); /* one each of the rows, a product that is read twice, a weight that would lose its digits: left alone */
  y          = linear(&b, TF_NET_INPUT, COLUMNS, 6);
  uint32_t z = both(&b, "mul", y, RANDOM(&b, ROWS, 1));
  z          = both(&b, "add", z, both(&b, "mul", y, RANDOM(&b, 6)));
  y          = both(&b, "mul",
                    both(&b, "matmul", TF_NET_INPUT,
                         add_values(&b, 2, (uint32_t[]){COLUMNS, 1}, (float[COLUMNS]){1e-30f})),
                    number(&b, 1e-12));
  assert_int_equal(run(&b, both(&b, "add", z, y), "scale"), 0);
  end(&b);
}

static void passes_have_names_and_say_what_they_do(void **state) {
  (void)state;
  const tf_net_pass_t *pass;
  uint32_t             i = 0;
  for (; (pass = tf_net_pass_at(i)) != NULL; i++) {
    assert_ptr_equal(tf_net_pass_find(pass->name), pass);
    assert_true(strlen(pass->what) > 10);
  }
  assert_true(i >= 8);
  assert_null(tf_net_pass_find("no such pass"));
}

/* As many nodes as a graph may have: a pass that has no room for its own leaves the graph as it is. */
static void full_graphs_are_left_as_they_are(void **state) {
  (void)state;
  build_t b;
  begin(&b);
  uint32_t y = TF_NET_INPUT;
  while (b.net->node_cnt + 2 <= TF_NET_NODE_CNT_MAX) y = both(&b, "mul", each(&b, "sigmoid", y), y);
  assert_int_equal(tf_net_end(b.net, y), TF_OK);
  uint32_t cnt;
  assert_int_equal(tf_net_pass_run(tf_net_pass_find("known"), b.net, &cnt), TF_OK);
  assert_int_equal(b.net->node_cnt, TF_NET_NODE_CNT_MAX);
  end(&b);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(constants_are_folded_and_what_does_nothing_goes),
      cmocka_unit_test(equal_nodes_are_one),
      cmocka_unit_test(functions_that_were_taken_apart_are_known),
      cmocka_unit_test(what_is_only_like_a_known_function_stays),
      cmocka_unit_test(norms_that_were_taken_apart_are_one_with_scale_and_shift),
      cmocka_unit_test(other_norms_stay),
      cmocka_unit_test(moves_are_joined_and_those_that_move_nothing_go),
      cmocka_unit_test(a_product_turns_its_second_factor_itself),
      cmocka_unit_test(zeros_before_and_cuts_behind_a_convolution_are_its_padding),
      cmocka_unit_test(of_what_only_the_last_row_is_read_only_that_is_computed),
      cmocka_unit_test(what_was_made_together_to_be_taken_apart_is_made_apart),
      cmocka_unit_test(scales_and_shifts_go_into_weights),
      cmocka_unit_test(passes_have_names_and_say_what_they_do),
      cmocka_unit_test(full_graphs_are_left_as_they_are),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
