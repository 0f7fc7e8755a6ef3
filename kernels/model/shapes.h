/* Models made up on the spot, for benches and tests: known shapes, our own random weights. */
#ifndef TF_KERNELS_MODEL_SHAPES_H
#define TF_KERNELS_MODEL_SHAPES_H

#include "model/graph.h"

/* A multilayer perceptron with Relu between its layers and tanh at the end. widths: inputs, hidden
 * layers, outputs. Weights are uniform with the variance of He's initialisation
 * (https://arxiv.org/abs/1502.01852), from seed; features are f0, f1, ...; known answers are made.
 * E_CORE_NO_MEMORY, E_MODEL_SHAPE. On failure graph is empty. */
tf_err_t tf_shapes_mlp(tf_graph_t *graph, const char *name, const uint32_t *widths,
                       uint32_t width_cnt, uint64_t seed);

/* Recurrent layers (tf_op_lstm or tf_op_gru) over a window, the last row, and a dense layer of one output.
 * Weights are uniform within 1 / sqrt(units), as PyTorch begins, from seed. No known answers:
 * evaluating the larger shapes in double takes seconds. */
typedef struct tf_shapes_recurrent {
  const char *op; /* "lstm" or "gru" */
  uint32_t    window, input_cnt;
  uint32_t    layer_cnt, units;
} tf_shapes_recurrent_t;

tf_err_t tf_shapes_recurrent(tf_graph_t *graph, const char *name,
                             const tf_shapes_recurrent_t *shape, uint64_t seed);

/* A shape by the name that model bench knows it under: mlp (256-384-384-128), lstm_a (50 rows of
 * 100, 2 layers of 100), lstm_b (100 of 250, 3 of 200), lstm_c (100 of 500, 4 of 1000).
 * E_CORE_ARGUMENT for another, listing these. */
tf_err_t tf_shapes_make(tf_graph_t *graph, const char *name, uint64_t seed);

/* cnt values between -1 and 1, reproducible from seed, which moves on. */
void tf_shapes_noise(float *values, size_t cnt, uint64_t *seed);

#endif
