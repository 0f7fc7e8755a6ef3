/* The mean of each window (pool.h); the last int is 1 where padding counts, as zeros. */
#include "tensor/pool.h"

static tf_err_t shape(tf_tensor_use_t *use) { return tf_pool_shape(use, 1); }

static double divisor(const tf_tensor_use_t *use, double inside, uint32_t all) {
  return use->ints[use->int_cnt - 1] ? (double)all : inside;
}

TF_POOL_OF_(ref, double, 0.0, sum + x, cnt > 0.0 ? sum / divisor(use, cnt, all) : 0.0)
TF_POOL_OF_(run, float, 0.0, sum + x, cnt > 0.0 ? sum / divisor(use, cnt, all) : 0.0)

const tf_tensor_op_t tf_tensor_average_pool = {
    .name    = "average_pool",
    .in_min  = 1,
    .in_max  = 1,
    .int_min = TF_POOL_AXIS_INTS + 1,
    .int_max = TF_POOL_AXIS_INTS * TF_POOL_AXES_MAX + 1,
    .shape   = shape,
    .ref     = ref,
    .run     = run,
    .flops   = tf_pool_flops,
};
