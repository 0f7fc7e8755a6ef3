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

/* cnt values between -1 and 1, reproducible from seed, which moves on. */
void tf_shapes_noise(float *values, size_t cnt, uint64_t *seed);

#endif
