/* The same values under another shape: ints are its axes. Nothing is run; the plan gives out the input's memory. */
#include <string.h>

#include "core/error.h"
#include "tensor/tensor.h"

static tf_err_t shape(tf_tensor_use_t *use) {
  char a[TF_TENSOR_SHAPE_TEXT_BYTES], b[TF_TENSOR_SHAPE_TEXT_BYTES];
  use->out = (tf_tensor_shape_t){.rank = use->int_cnt};
  for (uint32_t i = 0; i < use->int_cnt; i++) {
    if (use->ints[i] < 1 || use->ints[i] > (int64_t)TF_TENSOR_CNT_MAX)
      return TF_ERR(E_MODEL_SHAPE, "an axis of %lld", (long long)use->ints[i]);
    use->out.dims[i] = (uint32_t)use->ints[i];
  }
  tf_err_t err = tf_tensor_shape_count(&use->out);
  if (!err && use->out.cnt != use->in[0].cnt)
    err = TF_ERR(E_MODEL_SHAPE, "%s as %s", tf_tensor_shape_text(&use->in[0], a),
                 tf_tensor_shape_text(&use->out, b));
  return err;
}

static void move(const tf_tensor_use_t *use, const void *const *in, void *out, size_t bytes) {
  memcpy(out, in[0], use->out.cnt * bytes);
}
TF_TENSOR_MOVES(move)

const tf_tensor_op_t tf_tensor_reshape = {
    .name    = "reshape",
    .in_min  = 1,
    .in_max  = 1,
    .int_max = TF_TENSOR_RANK_MAX,
    .is_view = true,
    .shape   = shape,
    .ref     = ref,
    .run     = run,
    .flops   = tf_tensor_flops_none,
};
