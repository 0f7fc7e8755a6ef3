/* The greatest of each window (pool.h); NaN where one is. */
#include "tensor/pool.h"

static tf_err_t shape(tf_tensor_use_t *use) { return tf_pool_shape(use, 0); }

TF_POOL_OF_(ref, double, -(double)INFINITY, sum != sum || sum > x ? sum : x, sum)
TF_POOL_OF_(run, float, -(double)INFINITY, sum != sum || sum > x ? sum : x, sum)

const tf_tensor_op_t tf_tensor_max_pool = {
    .name    = "max_pool",
    .in_min  = 1,
    .in_max  = 1,
    .int_min = TF_POOL_AXIS_INTS,
    .int_max = TF_POOL_AXIS_INTS * TF_POOL_AXES_MAX,
    .shape   = shape,
    .ref     = ref,
    .run     = run,
    .flops   = tf_pool_flops,
};
