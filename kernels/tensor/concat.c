/* The inputs one behind the other along axis ints[0]. */
#include <string.h>

#include "core/error.h"
#include "tensor/tensor.h"

static tf_err_t shape(tf_tensor_use_t *use) {
  uint32_t axis;
  char     a[TF_TENSOR_SHAPE_TEXT_BYTES], b[TF_TENSOR_SHAPE_TEXT_BYTES];
  tf_err_t err = tf_tensor_axis(&use->in[0], use->ints[0], &axis);
  if (err) return err;
  use->ints[0] = axis;
  use->out     = use->in[0];
  for (uint32_t i = 1; i < use->in_cnt; i++) {
    tf_tensor_shape_t other = use->in[i];
    if (other.rank > axis) other.dims[axis] = use->in[0].dims[axis];
    if (!tf_tensor_shape_same(&other, &use->in[0]))
      return TF_ERR(E_MODEL_SHAPE, "inputs %s and %s along axis %u",
                    tf_tensor_shape_text(&use->in[0], a), tf_tensor_shape_text(&use->in[i], b),
                    axis);
    use->out.dims[axis] += use->in[i].dims[axis]; /* 32 of at most 2^24 */
  }
  return TF_OK;
}

static void move(const tf_tensor_use_t *use, const void *const *in, void *out, size_t bytes) {
  const uint32_t axis = (uint32_t)use->ints[0], outer = tf_tensor_axes_cnt(&use->out, 0, axis);
  uint8_t       *to = out;
  for (uint32_t o = 0; o < outer; o++)
    for (uint32_t i = 0; i < use->in_cnt; i++) {
      size_t each = use->in[i].cnt / outer * bytes;
      memcpy(to, (const uint8_t *)in[i] + o * each, each);
      to += each;
    }
}
TF_TENSOR_MOVES(move)

const tf_tensor_op_t tf_tensor_concat = {
    .name    = "concat",
    .in_min  = 1,
    .in_max  = TF_TENSOR_INPUTS_MAX,
    .int_min = 1,
    .int_max = 1,
    .shape   = shape,
    .ref     = ref,
    .run     = run,
    .flops   = tf_tensor_flops_none,
};
