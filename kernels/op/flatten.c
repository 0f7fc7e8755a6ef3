/* The rows of the window one behind the other, the oldest first, as one row. The gemm behind it is
 * taken apart into one product a row (model/window.h), so nothing is run. Its width is in_cnt times the
 * window's rows, which the graph knows. */
#include "op/op.h"

static uint64_t no_flops(const tf_op_params_t *params) { return 0 * params->in_cnt; }

const tf_op_t tf_op_flatten = {
    .name  = "flatten",
    .kind  = TF_OP_KIND_FLATTEN,
    .shape = tf_op_shape_same,
    .flops = no_flops,
    .bytes = tf_op_bytes_elements,
};
