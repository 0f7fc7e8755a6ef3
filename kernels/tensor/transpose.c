/* Axes in another order: axis i of the output is axis ints[i] of the input. */
#include "core/error.h"
#include "tensor/tensor.h"

static tf_err_t shape(tf_tensor_use_t *use) {
  const tf_tensor_shape_t *in = &use->in[0];
  int32_t                  steps[TF_TENSOR_RANK_MAX], step = 1;
  uint32_t                 seen = 0;
  if (use->int_cnt != in->rank)
    return TF_ERR(E_MODEL_SHAPE, "an order of %u axes for a tensor of rank %u", use->int_cnt,
                  in->rank);
  for (uint32_t axis = in->rank; axis-- > 0; step *= (int32_t)in->dims[axis]) steps[axis] = step;
  use->out  = (tf_tensor_shape_t){.rank = in->rank};
  use->loop = (tf_tensor_loop_t){.rank = in->rank};
  for (uint32_t i = 0; i < in->rank; i++) {
    uint32_t axis;
    tf_err_t err = tf_tensor_axis(in, use->ints[i], &axis);
    if (err) return err;
    if (seen & 1u << axis) return TF_ERR(E_MODEL_SHAPE, "axis %u twice", axis);
    seen |= 1u << axis;
    use->out.dims[i] = use->loop.dims[i] = in->dims[axis];
    use->loop.step[0][i]                 = steps[axis];
  }
  tf_tensor_loop_join(&use->loop, 1);
  return TF_OK;
}

static void move(const tf_tensor_use_t *use, const void *const *in, void *out, size_t bytes) {
  tf_tensor_move(&use->loop, in[0], out, bytes);
}
TF_TENSOR_MOVES(move)

const tf_tensor_op_t tf_tensor_transpose = {
    .name    = "transpose",
    .in_min  = 1,
    .in_max  = 1,
    .int_max = TF_TENSOR_RANK_MAX,
    .shape   = shape,
    .ref     = ref,
    .run     = run,
    .flops   = tf_tensor_flops_none,
};
