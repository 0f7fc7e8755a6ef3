#include "tensor/pool.h"

#include "core/error.h"

tf_err_t tf_pool_shape(tf_tensor_use_t *use, uint32_t more) {
  const tf_tensor_shape_t *in = &use->in[0];
  char                     text[TF_TENSOR_SHAPE_TEXT_BYTES];
  if (in->rank < 3 || in->rank > 2 + TF_POOL_AXES_MAX ||
      use->int_cnt != (in->rank - 2) * TF_POOL_AXIS_INTS + more)
    return TF_ERR(E_MODEL_SHAPE, "%s with %u integers; rank 3 to %u and %u an axis are wanted",
                  tf_tensor_shape_text(in, text), use->int_cnt, 2 + TF_POOL_AXES_MAX,
                  TF_POOL_AXIS_INTS);
  use->out = *in;
  for (uint32_t axis = 2; axis < in->rank; axis++) {
    const int64_t *n   = use->ints + (axis - 2) * TF_POOL_AXIS_INTS;
    const int64_t  max = (int64_t)TF_TENSOR_CNT_MAX;
    bool good = n[0] >= 1 && n[0] <= max && n[1] >= 1 && n[1] <= max && n[2] >= 1 && n[2] <= max &&
                n[3] >= 0 && n[3] < n[0] && n[4] >= 0 && n[4] < n[0] + n[1];
    int64_t room = good ? (int64_t)in->dims[axis] + n[3] + n[4] - ((n[0] - 1) * n[2] + 1) : -1;
    if (room < 0)
      return TF_ERR(
          E_MODEL_SHAPE,
          "a window of %lld, stride %lld, dilation %lld, padding %lld and %lld over %u values",
          (long long)n[0], (long long)n[1], (long long)n[2], (long long)n[3], (long long)n[4],
          in->dims[axis]);
    use->out.dims[axis] = (uint32_t)(room / n[1] + 1);
  }
  return TF_OK;
}

uint64_t tf_pool_flops(const tf_tensor_use_t *use) {
  uint64_t each = 1;
  for (uint32_t axis = 0; axis + 2 < use->in[0].rank; axis++)
    each *= (uint64_t)use->ints[axis * TF_POOL_AXIS_INTS];
  return each * use->out.cnt;
}
