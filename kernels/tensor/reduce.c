#include "tensor/reduce.h"

#include "core/error.h"

static tf_err_t read_axes(const tf_tensor_use_t *use, uint32_t *mask) {
  *mask = 0;
  for (uint32_t i = 1; i < use->int_cnt; i++) {
    uint32_t axis;
    tf_err_t err = tf_tensor_axis(&use->in[0], use->ints[i], &axis);
    if (err) return err;
    if (*mask & 1u << axis) return TF_ERR(E_MODEL_SHAPE, "axis %u twice", axis);
    *mask |= 1u << axis;
  }
  return TF_OK;
}

/* Appends the axes whose bit in mask is bit, those that can be walked as one as one; at least one. */
static void append_axes(tf_tensor_use_t *use, uint32_t mask, uint32_t bit) {
  tf_tensor_loop_t        *l = &use->loop, some = {0};
  const tf_tensor_shape_t *in = &use->in[0];
  for (uint32_t axis = 0; axis < in->rank; axis++) {
    if ((mask >> axis & 1) != bit) continue;
    some.dims[some.rank]    = in->dims[axis];
    some.step[0][some.rank] = (int32_t)tf_tensor_axes_cnt(in, axis + 1, in->rank);
    some.rank++;
  }
  tf_tensor_loop_join(&some, 1);
  for (uint32_t i = 0; i < some.rank; i++, l->rank++) {
    l->dims[l->rank]    = some.dims[i];
    l->step[0][l->rank] = some.step[0][i];
  }
}

tf_err_t tf_reduce_shape(tf_tensor_use_t *use) {
  uint32_t mask;
  tf_err_t err = read_axes(use, &mask);
  if (err) return err;
  use->out = (tf_tensor_shape_t){0};
  for (uint32_t axis = 0; axis < use->in[0].rank; axis++) {
    bool gone = mask >> axis & 1;
    if (gone && !use->ints[0]) continue;
    use->out.dims[use->out.rank++] = gone ? 1 : use->in[0].dims[axis];
  }
  use->loop = (tf_tensor_loop_t){0};
  append_axes(use, mask, 0);
  append_axes(use, mask, 1);
  return TF_OK;
}

uint32_t tf_reduce_each(const tf_tensor_use_t *use) { return use->in[0].cnt / use->out.cnt; }

static uint32_t outputs_of(const tf_tensor_loop_t *l, uint32_t axes) {
  uint32_t cnt = 1;
  for (uint32_t i = 0; i < axes; i++) cnt *= l->dims[i];
  return cnt;
}

uint32_t tf_reduce_kept(const tf_tensor_use_t *use) {
  uint32_t kept = 1;
  while (outputs_of(&use->loop, kept) < use->out.cnt) kept++;
  return kept;
}

uint64_t tf_reduce_flops(const tf_tensor_use_t *use) { return use->in[0].cnt; }
