/* Entries of input 0 along axis ints[0], as input 1 numbers them: the axis gives way to input 1's axes. Numbers
 * from the end are negative; those out of range take the nearest entry. */
#include <string.h>

#include "core/error.h"
#include "tensor/tensor.h"

static tf_err_t shape(tf_tensor_use_t *use) {
  const tf_tensor_shape_t *in = &use->in[0], *idx = &use->in[1];
  uint32_t                 axis;
  tf_err_t                 err = tf_tensor_axis(in, use->ints[0], &axis);
  if (err) return err;
  if (in->rank - 1 + idx->rank > TF_TENSOR_RANK_MAX)
    return TF_ERR(E_MODEL_SHAPE, "a result of rank %u, at most %u is allowed",
                  in->rank - 1 + idx->rank, TF_TENSOR_RANK_MAX);
  use->ints[0] = axis;
  use->out     = (tf_tensor_shape_t){.rank = in->rank - 1 + idx->rank};
  memcpy(use->out.dims, in->dims, axis * sizeof *in->dims);
  memcpy(use->out.dims + axis, idx->dims, idx->rank * sizeof *in->dims);
  memcpy(use->out.dims + axis + idx->rank, in->dims + axis + 1,
         (in->rank - axis - 1) * sizeof *in->dims);
  return TF_OK;
}

/* NaN counts as 0. */
static uint32_t entry(double number, uint32_t size) {
  if (number < 0.0) number += (double)size;
  if (!(number > 0.0)) return 0;
  return number >= (double)size ? size - 1 : (uint32_t)number;
}

static void move(const tf_tensor_use_t *use, const void *const *in, void *out, size_t bytes) {
  const uint32_t axis = (uint32_t)use->ints[0], size = use->in[0].dims[axis];
  const uint32_t outer = tf_tensor_axes_cnt(&use->in[0], 0, axis);
  const size_t   each  = tf_tensor_axes_cnt(&use->in[0], axis + 1, use->in[0].rank) * bytes;
  const uint8_t *from  = in[0];
  uint8_t       *to    = out;
  for (uint32_t o = 0; o < outer; o++, from += size * each)
    for (uint32_t i = 0; i < use->in[1].cnt; i++, to += each) {
      double number =
          bytes == sizeof(float) ? (double)((const float *)in[1])[i] : ((const double *)in[1])[i];
      memcpy(to, from + entry(number, size) * each, each);
    }
}
TF_TENSOR_MOVES(move)

const tf_tensor_op_t tf_tensor_gather = {
    .name    = "gather",
    .in_min  = 2,
    .in_max  = 2,
    .int_min = 1,
    .int_max = 1,
    .shape   = shape,
    .ref     = ref,
    .run     = run,
    .flops   = tf_tensor_flops_none,
};
