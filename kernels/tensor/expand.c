/* Repeated along the axes in which ints, the wanted shape, says more than 1 and the input has 1. */
#include "core/error.h"
#include "tensor/tensor.h"

/* The wanted shape stands in as a second input, which nothing reads. */
static tf_err_t shape(tf_tensor_use_t *use) {
  tf_tensor_shape_t *wanted = &use->in[1];
  *wanted                   = (tf_tensor_shape_t){.rank = use->int_cnt};
  for (uint32_t i = 0; i < use->int_cnt; i++) {
    if (use->ints[i] < 1 || use->ints[i] > (int64_t)TF_TENSOR_CNT_MAX)
      return TF_ERR(E_MODEL_SHAPE, "an axis of %lld", (long long)use->ints[i]);
    wanted->dims[i] = (uint32_t)use->ints[i];
  }
  tf_err_t err = tf_tensor_shape_count(wanted);
  if (err) return err;
  use->in_cnt = 2;
  err         = tf_tensor_shape_broadcast(use);
  use->in_cnt = 1;
  return err;
}

static void move(const tf_tensor_use_t *use, const void *const *in, void *out, size_t bytes) {
  tf_tensor_move(&use->loop, in[0], out, bytes);
}
TF_TENSOR_MOVES(move)

const tf_tensor_op_t tf_tensor_expand = {
    .name    = "expand",
    .in_min  = 1,
    .in_max  = 1,
    .int_max = TF_TENSOR_RANK_MAX,
    .shape   = shape,
    .ref     = ref,
    .run     = run,
    .flops   = tf_tensor_flops_none,
};
