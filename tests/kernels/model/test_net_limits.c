/* Limits of graphs of tensor operations at n - 1, n and n + 1; what is refused changes nothing. */
#include "cmocka_tf.h"

#include <math.h>
#include <string.h>

#include "core/error.h"
#include "model/net.h"

static tf_net_t *new_net(uint32_t window, uint32_t inputs) {
  tf_net_t *net;
  assert_int_equal(tf_net_new(window, inputs, &net), TF_OK);
  return net;
}

static tf_err_t add(tf_net_t *net, const char *op, const uint32_t *in, uint32_t in_cnt,
                    const int64_t *ints, uint32_t int_cnt, uint32_t *value) {
  const tf_net_spec_t spec = {.op      = tf_tensor_find(op),
                              .name    = "limit",
                              .in      = in,
                              .in_cnt  = in_cnt,
                              .ints    = ints,
                              .int_cnt = int_cnt};
  return tf_net_add(net, &spec, value);
}

/* A value of any shape that takes no memory. */
static tf_err_t expand(tf_net_t *net, uint32_t rows, uint32_t columns, uint32_t *value) {
  const uint32_t in      = TF_NET_INPUT;
  const int64_t  ints[2] = {rows, columns};
  return add(net, "expand", &in, 1, ints, 2, value);
}

static tf_err_t constant(tf_net_t *net, float x, uint32_t *value) {
  const tf_tensor_shape_t shape = {.cnt = 1};
  float                  *one   = malloc(sizeof *one);
  *one                          = x;
  return tf_net_add_constant(net, "limit", &shape, one, value);
}

static void nodes(void **state) {
  (void)state;
  tf_net_t *net = new_net(1, 4);
  uint32_t  at  = TF_NET_INPUT;
  for (uint32_t i = 0; i < TF_NET_NODE_CNT_MAX; i++)
    assert_int_equal(add(net, "abs", &at, 1, NULL, 0, &at), TF_OK);
  const uint32_t values = net->value_cnt;
  assert_int_equal(add(net, "abs", &at, 1, NULL, 0, &at), E_MODEL_UNSUPPORTED);
  assert_non_null(strstr(tf_error_text(), "more than 2048 nodes"));
  assert_int_equal(net->value_cnt, values);
  assert_int_equal(tf_net_end(net, at), TF_OK);
  assert_int_equal(net->node_cnt, TF_NET_NODE_CNT_MAX);
  tf_net_delete(net);
}

static void values(void **state) {
  (void)state;
  tf_net_t *net = new_net(1, 4);
  uint32_t  at;
  while (net->value_cnt < TF_NET_VALUE_CNT_MAX) assert_int_equal(constant(net, 1.0f, &at), TF_OK);
  assert_int_equal(constant(net, 1.0f, &at), E_MODEL_UNSUPPORTED);
  assert_non_null(strstr(tf_error_text(), "more than 8192 values"));
  const uint32_t in = TF_NET_INPUT;
  assert_int_equal(add(net, "abs", &in, 1, NULL, 0, &at), E_MODEL_UNSUPPORTED);
  assert_int_equal(net->node_cnt, 0);
  tf_net_delete(net);
}

static void numbers_of_a_tensor(void **state) {
  (void)state;
  const uint32_t most = (uint32_t)TF_TENSOR_CNT_MAX;
  uint32_t       at;
  tf_net_t      *net;
  assert_int_equal(tf_net_new(most, 1, &net), TF_OK);
  tf_net_delete(net);
  assert_int_equal(tf_net_new(most + 1, 1, &net), E_MODEL_SHAPE);
  assert_null(net);
  assert_int_equal(tf_net_new(UINT32_MAX, UINT32_MAX, &net), E_MODEL_SHAPE);
  assert_int_equal(tf_net_new(0, 1, &net), E_MODEL_SHAPE);
  net = new_net(1, 1);
  assert_int_equal(expand(net, most - 1, 1, &at), TF_OK);
  assert_int_equal(expand(net, most, 1, &at), TF_OK);
  assert_int_equal(expand(net, most + 1, 1, &at), E_MODEL_SHAPE);
  assert_int_equal(expand(net, 1u << 13, (1u << 11) + 1, &at), E_MODEL_SHAPE);
  assert_non_null(strstr(tf_error_text(), "1 to 16777216 values"));
  tf_net_delete(net);
}

/* An activation bomb: no memory is taken for it. */
static void numbers_of_all_values(void **state) {
  (void)state;
  const uint32_t most = (uint32_t)TF_TENSOR_CNT_MAX;
  tf_net_t      *net  = new_net(1, 1);
  uint32_t       at;
  for (uint32_t i = 0; i < 3; i++) assert_int_equal(expand(net, most, 1, &at), TF_OK);
  assert_int_equal(expand(net, most, 1, &at), E_MODEL_UNSUPPORTED); /* the window is one */
  assert_non_null(strstr(tf_error_text(), "more than 67108864 numbers in all values"));
  assert_int_equal(expand(net, most - 1, 1, &at), TF_OK);
  assert_int_equal(net->total_cnt, TF_NET_TOTAL_CNT_MAX);
  assert_int_equal(constant(net, 1.0f, &at), E_MODEL_UNSUPPORTED);
  tf_net_delete(net);
}

static void operations_of_an_answer(void **state) {
  (void)state;
  tf_net_t *net = new_net(1, 1);
  uint32_t  in[2], at;
  assert_int_equal(expand(net, 2048, 2048, &in[0]), TF_OK);
  assert_int_equal(expand(net, 2048, 2049, &in[1]), TF_OK);
  assert_int_equal(add(net, "matmul", in, 2, NULL, 0, &at), E_MODEL_UNSUPPORTED);
  assert_non_null(strstr(tf_error_text(), "more than 17179869184 operations an answer"));
  assert_int_equal(add(net, "matmul", (uint32_t[2]){in[0], in[0]}, 2, NULL, 0, &at), TF_OK);
  assert_int_equal(net->flops, TF_NET_FLOPS_MAX);
  assert_int_equal(add(net, "abs", (uint32_t[1]){TF_NET_INPUT}, 1, NULL, 0, &at),
                   E_MODEL_UNSUPPORTED);
  tf_net_delete(net);
}

static void inputs_integers_and_reals_of_a_node(void **state) {
  (void)state;
  tf_net_t    *net                            = new_net(1, 1);
  uint32_t     in[TF_TENSOR_INPUTS_MAX + 1]   = {TF_NET_INPUT}, at;
  int64_t      ints[TF_TENSOR_INTS_MAX + 1]   = {0};
  const double reals[TF_TENSOR_REALS_MAX + 1] = {0.0};
  for (uint32_t cnt = TF_TENSOR_INPUTS_MAX - 1; cnt <= TF_TENSOR_INPUTS_MAX + 1; cnt++)
    assert_int_equal(add(net, "concat", in, cnt, ints, 1, &at),
                     cnt > TF_TENSOR_INPUTS_MAX ? E_MODEL_UNSUPPORTED : TF_OK);
  assert_int_equal(add(net, "reshape", in, 1, ints, TF_TENSOR_INTS_MAX + 1, &at),
                   E_MODEL_UNSUPPORTED);
  for (uint32_t i = 0; i < TF_TENSOR_RANK_MAX + 1; i++) ints[i] = 1;
  for (uint32_t rank = TF_TENSOR_RANK_MAX - 1; rank <= TF_TENSOR_RANK_MAX + 1; rank++)
    assert_int_equal(add(net, "reshape", in, 1, ints, rank, &at),
                     rank > TF_TENSOR_RANK_MAX ? E_MODEL_FORMAT : TF_OK);
  const tf_net_spec_t many = {.op       = tf_tensor_find("abs"),
                              .name     = "limit",
                              .in       = in,
                              .in_cnt   = 1,
                              .reals    = reals,
                              .real_cnt = TF_TENSOR_REALS_MAX + 1};
  assert_int_equal(tf_net_add(net, &many, &at), E_MODEL_UNSUPPORTED);
  tf_net_delete(net);
}

static void numbers_that_are_none_are_named(void **state) {
  (void)state;
  static const struct {
    float       x;
    const char *says;
  } cases[] = {
      {NAN,       "tensor \"limit\": element 0 is NaN"     },
      {INFINITY,  "tensor \"limit\": element 0 is infinite"},
      {-INFINITY, "element 0 is infinite"                  },
      {1e-41f,    "element 0 is denormal"                  },
  };
  tf_net_t *net = new_net(1, 1);
  uint32_t  at;
  for (size_t i = 0; i < TF_ARRAY_CNT(cases); i++) {
    assert_int_equal(constant(net, cases[i].x, &at), E_MODEL_WEIGHTS);
    assert_non_null(strstr(tf_error_text(), cases[i].says));
    assert_int_equal(net->value_cnt, 1);
  }
  tf_net_delete(net);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(nodes),
      cmocka_unit_test(values),
      cmocka_unit_test(numbers_of_a_tensor),
      cmocka_unit_test(numbers_of_all_values),
      cmocka_unit_test(operations_of_an_answer),
      cmocka_unit_test(inputs_integers_and_reals_of_a_node),
      cmocka_unit_test(numbers_that_are_none_are_named),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
