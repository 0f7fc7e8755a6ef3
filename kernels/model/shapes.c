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

tf_err_t tf_shapes_mlp(tf_graph_t *graph, const char *name, const uint32_t *widths,
                       uint32_t width_cnt, uint64_t seed) {
  TF_ASSERT(width_cnt >= 2);
  tf_err_t err = tf_graph_init(graph, name, widths[0]);
  for (uint32_t i = 1; i < width_cnt && !err; i++)
    err = append_layer(graph, widths[i], i + 1 == width_cnt, &seed);
  for (uint32_t i = 0; i < widths[0] && !err; i++) {
    char feature[16];
    snprintf(feature, sizeof feature, "f%u", i);
    err = tf_features_append(&graph->features, feature, strlen(feature));
  }
  if (!err) err = tf_graph_make_checks(graph);
  if (err) tf_graph_fini(graph);
  return err;
}
