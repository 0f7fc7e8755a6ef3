/* A part of each axis: ints are, for each axis, where it begins, how many values it takes, and how far apart they are;
 * a negative step goes backwards. */
#include "core/error.h"
#include "tensor/tensor.h"

static tf_err_t shape(tf_tensor_use_t *use) {
  const tf_tensor_shape_t *in   = &use->in[0];
  int32_t                  step = 1;
  if (use->int_cnt != 3 * in->rank)
    return TF_ERR(E_MODEL_SHAPE, "%u integers for %u axes; 3 each are wanted", use->int_cnt,
                  in->rank);
  use->out  = (tf_tensor_shape_t){.rank = in->rank};
  use->loop = (tf_tensor_loop_t){.rank = in->rank};
  for (uint32_t axis = in->rank; axis-- > 0; step *= (int32_t)in->dims[axis]) {
    const int64_t begin = use->ints[3 * axis], cnt = use->ints[3 * axis + 1],
                  by = use->ints[3 * axis + 2], size = in->dims[axis];
    bool good = begin >= 0 && begin < size && cnt >= 1 && cnt <= size && by != 0 && by <= size &&
                by >= -size;
    if (good) good = begin + (cnt - 1) * by >= 0 && begin + (cnt - 1) * by < size;
    if (!good)
      return TF_ERR(E_MODEL_SHAPE, "%lld values from %lld, %lld apart, of axis %u, which has %lld",
                    (long long)cnt, (long long)begin, (long long)by, axis, (long long)size);
    use->out.dims[axis] = use->loop.dims[axis] = (uint32_t)cnt;
    use->loop.step[0][axis]                    = (int32_t)by * step;
    use->loop.begin[0] += (int32_t)begin * step;
  }
  tf_tensor_loop_join(&use->loop, 1);
  return TF_OK;
}

static void move(const tf_tensor_use_t *use, const void *const *in, void *out, size_t bytes) {
  tf_tensor_move(&use->loop, in[0], out, bytes);
}
TF_TENSOR_MOVES(move)

const tf_tensor_op_t tf_tensor_slice = {
    .name    = "slice",
    .in_min  = 1,
    .in_max  = 1,
    .int_max = 3 * TF_TENSOR_RANK_MAX,
    .shape   = shape,
    .ref     = ref,
    .run     = run,
    .flops   = tf_tensor_flops_none,
};
