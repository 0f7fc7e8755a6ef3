/* Values around a tensor: ints are the mode (0 a constant, reals[0]; 1 the nearest value; 2 mirrored at the edge),
 * then for each axis how many come before and how many after. */
#include <string.h>

#include "core/error.h"
#include "tensor/tensor.h"

enum { MODE_CONSTANT, MODE_EDGE, MODE_REFLECT };

static tf_err_t shape(tf_tensor_use_t *use) {
  const tf_tensor_shape_t *in = &use->in[0];
  if (use->int_cnt != 1 + 2 * in->rank || use->ints[0] < MODE_CONSTANT ||
      use->ints[0] > MODE_REFLECT)
    return TF_ERR(E_MODEL_SHAPE, "%u integers for %u axes; a mode of 0 to 2 and 2 each are wanted",
                  use->int_cnt, in->rank);
  use->out = *in;
  for (uint32_t axis = 0; axis < in->rank; axis++)
    for (uint32_t side = 1; side <= 2; side++) {
      int64_t more = use->ints[2 * axis + side], max = (int64_t)TF_TENSOR_CNT_MAX;
      if (use->ints[0] == MODE_REFLECT) max = (int64_t)in->dims[axis] - 1;
      if (more < 0 || more > max)
        return TF_ERR(E_MODEL_SHAPE, "%lld values at axis %u, 0 to %lld are allowed",
                      (long long)more, axis, (long long)max);
      use->out.dims[axis] += (uint32_t)more;
    }
  return TF_OK;
}

/* Where along an axis of size the value at (counted from the unpadded begin) comes from; -1: nowhere. */
static int64_t source_of(int64_t at, int64_t size, int64_t mode) {
  if (at >= 0 && at < size) return at;
  if (mode == MODE_EDGE) return at < 0 ? 0 : size - 1;
  if (mode == MODE_REFLECT) return at < 0 ? -at : 2 * (size - 1) - at;
  return -1;
}

static void move(const tf_tensor_use_t *use, const void *const *in, void *out, size_t bytes) {
  const tf_tensor_shape_t *from = &use->in[0], *to = &use->out;
  const float              narrow = (float)use->reals[0];
  const void *fill = bytes == sizeof(float) ? (const void *)&narrow : (const void *)&use->reals[0];
  uint32_t    at[TF_TENSOR_RANK_MAX] = {0};
  for (uint32_t n = 0; n < to->cnt; n++) {
    size_t source  = 0;
    bool   outside = false;
    for (uint32_t axis = 0; axis < to->rank; axis++) {
      int64_t of =
          source_of((int64_t)at[axis] - use->ints[1 + 2 * axis], from->dims[axis], use->ints[0]);
      outside |= of < 0;
      source = source * from->dims[axis] + (size_t)of;
    }
    memcpy((uint8_t *)out + n * bytes, outside ? fill : (const uint8_t *)in[0] + source * bytes,
           bytes);
    for (uint32_t axis = to->rank; axis-- > 0 && ++at[axis] == to->dims[axis];) at[axis] = 0;
  }
}
TF_TENSOR_MOVES(move)

const tf_tensor_op_t tf_tensor_pad = {
    .name     = "pad",
    .in_min   = 1,
    .in_max   = 1,
    .int_min  = 1,
    .int_max  = 1 + 2 * TF_TENSOR_RANK_MAX,
    .real_cnt = 1,
    .shape    = shape,
    .ref      = ref,
    .run      = run,
    .flops    = tf_tensor_flops_none,
};
