/* Weights of few values: each tensor of a product (products.h) takes the cnt values that lose least, in the mean of squares (Lloyd's
 * algorithm on a line, begun with values evenly apart, as Deep Compression has it, https://arxiv.org/abs/1510.00149). A file then holds a byte a
 * weight, the number of its value, and the values (rounding.h); they are floats again when it is loaded. Control plane. */
#ifndef TF_KERNELS_MODEL_CLUSTER_H
#define TF_KERNELS_MODEL_CLUSTER_H

#include "model/graph.h"

#define TF_CLUSTER_CNT_MIN 2u
#define TF_CLUSTER_CNT_MAX 256u

/* graph->cluster_cnt says so from then on. E_CORE_NO_MEMORY. */
tf_err_t tf_cluster_apply(tf_graph_t *graph, uint32_t cnt);

/* cnt values for value_cnt weights (1 or more), in rising order; sorted is those weights, likewise. Fewer than cnt of them may be used. */
void tf_cluster_values(const float *sorted, uint64_t value_cnt, uint32_t cnt, float *values);
/* Which of the values is nearest. */
uint32_t tf_cluster_nearest(const float *values, uint32_t cnt, float weight);

#endif
