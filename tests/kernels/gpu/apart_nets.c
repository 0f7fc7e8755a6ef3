#include "cmocka_tf.h"

#include "apart_nets.h"

#include "core/error.h"
#include "model/shapes.h"

static uint32_t constant_of(tf_net_t *net, uint32_t rank, const uint32_t *dims, uint64_t *seed) {
  tf_tensor_shape_t shape = {.rank = rank};
  uint32_t          value;
  for (uint32_t i = 0; i < rank; i++) shape.dims[i] = dims[i];
  assert_int_equal(tf_tensor_shape_count(&shape), TF_OK);
  float *values = malloc(shape.cnt * sizeof *values);
  tf_shapes_noise(values, shape.cnt, seed);
  assert_int_equal(tf_net_add_constant(net, "c", &shape, values, &value), TF_OK);
  return value;
}

static uint32_t node_of(tf_net_t *net, const char *op, const uint32_t *in, uint32_t in_cnt,
                        const int64_t *ints, uint32_t int_cnt) {
  uint32_t            value;
  const tf_net_spec_t spec = {.op      = tf_tensor_find(op),
                              .name    = op,
                              .in      = in,
                              .in_cnt  = in_cnt,
                              .ints    = ints,
                              .int_cnt = int_cnt};
  if (tf_net_add(net, &spec, &value) != TF_OK) fail_msg("%s: %s", op, tf_error_text());
  return value;
}

#define FEATURES_MAX 64u

static void end(tf_graph_t *graph, const char *name, tf_net_t *net, uint32_t answer) {
  char text[FEATURES_MAX * 4], *at = text;
  assert_true(net->input_cnt <= FEATURES_MAX);
  for (uint32_t n = 0; n < net->input_cnt; n++) at += sprintf(at, n ? ",f%u" : "f%u", n);
  assert_int_equal(tf_net_end(net, answer), TF_OK);
  assert_int_equal(tf_graph_init(graph, name, net->input_cnt), TF_OK);
  tf_graph_set_net(graph, net);
  assert_int_equal(tf_features_parse(&graph->features, text), TF_OK);
}

void apart_embedding(tf_graph_t *graph, uint32_t lines, uint32_t width, uint64_t *seed) {
  const int64_t  first[6] = {0, 1, 1, 0, 1, 1}, others[6] = {0, 1, 1, 1, width, 1}, axis = 0;
  const int64_t  shape[2] = {1, width};
  const uint32_t window   = TF_NET_INPUT;
  tf_net_t      *net;
  assert_int_equal(tf_net_new(1, width + 1, &net), TF_OK);
  const uint32_t number = node_of(net, "slice", &window, 1, first, 6),
                 values = node_of(net, "slice", &window, 1, others, 6),
                 table  = constant_of(net, 2, (uint32_t[]){lines, width}, seed),
                 line   = node_of(net, "gather", (uint32_t[]){table, number}, 2, &axis, 1),
                 flat   = node_of(net, "reshape", &line, 1, shape, 2);
  end(graph, "embedding", net, node_of(net, "add", (uint32_t[]){flat, values}, 2, NULL, 0));
}

void apart_gru(tf_graph_t *graph, uint32_t window, uint32_t inputs, uint32_t units,
               int64_t direction, uint64_t *seed) {
  const uint32_t d = direction == 2 ? 2 : 1, all = window * d * units, rows = TF_NET_INPUT;
  const int64_t  batch[3] = {window, 1, inputs}, flat[2] = {1, all};
  tf_net_t      *net;
  assert_int_equal(tf_net_new(window, inputs, &net), TF_OK);
  const uint32_t in[5] = {node_of(net, "reshape", &rows, 1, batch, 3),
                          constant_of(net, 3, (uint32_t[]){d, 3 * units, inputs}, seed),
                          constant_of(net, 3, (uint32_t[]){d, 3 * units, units}, seed),
                          constant_of(net, 2, (uint32_t[]){d, 6 * units}, seed),
                          constant_of(net, 3, (uint32_t[]){d, 1, units}, seed)};
  const uint32_t h     = node_of(net, "gru_reset", in, 5, &direction, 1);
  const uint32_t of[2] = {node_of(net, "reshape", &h, 1, flat, 2),
                          constant_of(net, 2, (uint32_t[]){all, 2}, seed)};
  end(graph, "gru", net, node_of(net, "matmul", of, 2, NULL, 0));
}
