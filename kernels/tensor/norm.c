#include "tensor/norm.h"

#include "core/error.h"

uint32_t tf_norm_width(const tf_tensor_use_t *use) {
  return use->in[0].rank ? use->in[0].dims[use->in[0].rank - 1] : 1;
}

tf_err_t tf_norm_shape(tf_tensor_use_t *use) {
  char text[TF_TENSOR_SHAPE_TEXT_BYTES];
  use->out = use->in[0];
  for (uint32_t i = 1; i < use->in_cnt; i++)
    if (use->in[i].rank != 1 || use->in[i].cnt != tf_norm_width(use))
      return TF_ERR(E_MODEL_SHAPE, "input %u is %s for rows of %u", i,
                    tf_tensor_shape_text(&use->in[i], text), tf_norm_width(use));
  if (!(use->reals[0] >= 0.0 && use->reals[0] < 1e6))
    return TF_ERR(E_MODEL_SHAPE, "epsilon %g", use->reals[0]);
  return TF_OK;
}
