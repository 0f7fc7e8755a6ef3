#include "model/shapes.h"

#include <math.h>
#include <string.h>

#include "core/error.h"

/* splitmix64: https://prng.di.unimi.it/splitmix64.c */
void tf_shapes_noise(float *values, size_t cnt, uint64_t *seed) {
  for (size_t i = 0; i < cnt; i++) {
    uint64_t z = *seed += UINT64_C(0x9e3779b97f4a7c15);
    z          = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z          = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    z ^= z >> 31;
    values[i] = (float)(z >> 40) * 0x1p-23f - 1.0f;
  }
}

static tf_err_t append_layer(tf_graph_t *graph, uint32_t out_cnt, bool last, uint64_t *seed) {
  size_t         weight_cnt = (size_t)graph->output_cnt * out_cnt;
  float          scale      = sqrtf(6.0f / (float)graph->output_cnt);
  float         *weight     = malloc(weight_cnt * sizeof *weight);
  float         *bias       = malloc(out_cnt * sizeof *bias);
  tf_op_params_t params     = {.weight_cnt = weight_cnt, .bias_cnt = out_cnt};
  if (!weight || !bias) {
    free(weight);
    free(bias);
    return TF_ERR(E_CORE_NO_MEMORY, "a layer of %zu weights", weight_cnt);
  }
  tf_shapes_noise(weight, weight_cnt, seed);
  tf_shapes_noise(bias, out_cnt, seed);
  for (size_t i = 0; i < weight_cnt; i++) weight[i] *= scale;
  for (uint32_t i = 0; i < out_cnt; i++) bias[i] *= 0.1f;
  tf_err_t err = tf_graph_append(graph, tf_op_find("gemm"), "layer", &params, weight, bias);
  if (err) return err;
  const tf_op_t *act = tf_op_find(last ? "tanh" : "relu");
  return tf_graph_append(graph, act, "activation", &(tf_op_params_t){0}, NULL, NULL);
}

static tf_err_t append_features(tf_graph_t *graph, uint32_t cnt) {
  tf_err_t err = TF_OK;
  for (uint32_t i = 0; i < cnt && !err; i++) {
    char feature[16];
    snprintf(feature, sizeof feature, "f%u", i);
    err = tf_features_append(&graph->features, feature, strlen(feature));
  }
  return err;
}

tf_err_t tf_shapes_mlp(tf_graph_t *graph, const char *name, const uint32_t *widths,
                       uint32_t width_cnt, uint64_t seed) {
  TF_ASSERT(width_cnt >= 2);
  tf_err_t err = tf_graph_init(graph, name, widths[0]);
  for (uint32_t i = 1; i < width_cnt && !err; i++)
    err = append_layer(graph, widths[i], i + 1 == width_cnt, &seed);
  if (!err) err = append_features(graph, widths[0]);
  if (!err) err = tf_graph_make_checks(graph);
  if (err) tf_graph_fini(graph);
  return err;
}

/* An op with weight_cnt and bias_cnt values within scale. */
static tf_err_t append_noise(tf_graph_t *graph, const char *op, const char *name,
                             uint64_t weight_cnt, uint64_t bias_cnt, float scale, uint64_t *seed) {
  tf_op_params_t params = {.weight_cnt = weight_cnt, .bias_cnt = bias_cnt};
  float         *weight = malloc(weight_cnt * sizeof *weight);
  float         *bias   = malloc(bias_cnt * sizeof *bias);
  if (!weight || !bias) {
    free(weight);
    free(bias);
    return TF_ERR(E_CORE_NO_MEMORY, "a layer of %llu weights", (unsigned long long)weight_cnt);
  }
  tf_shapes_noise(weight, weight_cnt, seed);
  tf_shapes_noise(bias, bias_cnt, seed);
  for (uint64_t i = 0; i < weight_cnt; i++) weight[i] *= scale;
  for (uint64_t i = 0; i < bias_cnt; i++) bias[i] *= scale;
  return tf_graph_append(graph, tf_op_find(op), name, &params, weight, bias);
}

tf_err_t tf_shapes_recurrent(tf_graph_t *graph, const char *name,
                             const tf_shapes_recurrent_t *shape, uint64_t seed) {
  const tf_op_t *op    = tf_op_find(shape->op);
  const float    scale = 1.0f / sqrtf((float)shape->units);
  const uint64_t units = shape->units;
  TF_ASSERT(op && op->kind == TF_OP_KIND_RECURRENT);
  tf_err_t err = tf_graph_init(graph, name, shape->input_cnt);
  if (!err) err = tf_graph_set_window(graph, shape->window);
  for (uint32_t i = 0; i < shape->layer_cnt && !err; i++)
    err =
        append_noise(graph, shape->op, "layer", op->gate_cnt * units * (graph->output_cnt + units),
                     TF_OP_BIASES_A_UNIT * units, scale, &seed);
  if (!err)
    err = tf_graph_append(graph, tf_op_find("last"), "last", &(tf_op_params_t){0}, NULL, NULL);
  if (!err) err = append_noise(graph, "gemm", "dense", units, 1, scale, &seed);
  if (!err) err = append_features(graph, shape->input_cnt);
  if (err) tf_graph_fini(graph);
  return err;
}

tf_err_t tf_shapes_make(tf_graph_t *graph, const char *name, uint64_t seed) {
  static const uint32_t mlp[] = {256, 384, 384, 128};
  static const struct {
    const char           *name;
    tf_shapes_recurrent_t shape;
  } recurrent[] = {
      {"lstm_a", {"lstm", 50, 100, 2, 100}  },
      {"lstm_b", {"lstm", 100, 250, 3, 200} },
      {"lstm_c", {"lstm", 100, 500, 4, 1000}},
  };
  if (strcmp(name, "mlp") == 0) return tf_shapes_mlp(graph, name, mlp, TF_ARRAY_CNT(mlp), seed);
  for (size_t i = 0; i < TF_ARRAY_CNT(recurrent); i++)
    if (strcmp(name, recurrent[i].name) == 0)
      return tf_shapes_recurrent(graph, name, &recurrent[i].shape, seed);
  return TF_ERR(E_CORE_ARGUMENT, "shape \"%s\" is none of mlp, lstm_a, lstm_b, lstm_c", name);
}
