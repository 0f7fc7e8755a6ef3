/* The last row of the window. The schedule computes no other (model/window.h), so nothing is run. */
#include "op/op.h"

static uint64_t no_flops(const tf_op_params_t *params) { return 0 * params->in_cnt; }

const tf_op_t tf_op_last = {
    .name  = "last",
    .kind  = TF_OP_KIND_LAST,
    .shape = tf_op_shape_same,
    .flops = no_flops,
    .bytes = tf_op_bytes_elements,
};
