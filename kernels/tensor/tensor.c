#include "tensor/tensor.h"

#include <string.h>

#include "core/error.h"

#define TF_TENSOR(name) extern const tf_tensor_op_t tf_tensor_##name;
#include "tensor/tensors.def"
#undef TF_TENSOR

static const tf_tensor_op_t *const ops[] = {
#define TF_TENSOR(name) &tf_tensor_##name,
#include "tensor/tensors.def"
#undef TF_TENSOR
};

const tf_tensor_op_t *tf_tensor_find(const char *name) {
  for (size_t i = 0; i < TF_ARRAY_CNT(ops); i++)
    if (strcmp(ops[i]->name, name) == 0) return ops[i];
  return NULL;
}

const tf_tensor_op_t *tf_tensor_at(uint32_t idx) {
  return idx < TF_ARRAY_CNT(ops) ? ops[idx] : NULL;
}

uint64_t tf_tensor_flops(const tf_tensor_use_t *use) {
  return use->op->flops ? use->op->flops(use) : use->out.cnt;
}

uint64_t tf_tensor_flops_none(const tf_tensor_use_t *use) { return 0 * use->in_cnt; }

tf_err_t tf_tensor_shape(tf_tensor_use_t *use) {
  const tf_tensor_op_t *op = use->op;
  if (use->in_cnt < op->in_min || use->in_cnt > op->in_max)
    return TF_ERR(E_MODEL_FORMAT, "%s of %u inputs, %u to %u are allowed", op->name, use->in_cnt,
                  op->in_min, op->in_max);
  if (use->int_cnt < op->int_min || use->int_cnt > op->int_max || use->real_cnt != op->real_cnt)
    return TF_ERR(E_MODEL_FORMAT, "%s with %u integers and %u reals, %u to %u and %u are wanted",
                  op->name, use->int_cnt, use->real_cnt, op->int_min, op->int_max, op->real_cnt);
  if (op->takes_row != (use->row != NULL))
    return TF_ERR(E_MODEL_FORMAT, "%s %s", op->name,
                  op->takes_row ? "needs a row op to apply" : "applies no row op");
  tf_err_t err = op->shape(use);
  if (!err) err = tf_tensor_shape_count(&use->out);
  return err;
}

tf_err_t tf_tensor_shape_count(tf_tensor_shape_t *shape) {
  uint64_t cnt = 1;
  char     text[TF_TENSOR_SHAPE_TEXT_BYTES];
  for (uint32_t i = 0; i < shape->rank; i++) {
    cnt *= shape->dims[i]; /* at most 2^24 times 2^32 */
    if (cnt == 0 || cnt > TF_TENSOR_CNT_MAX)
      return TF_ERR(E_MODEL_SHAPE, "a tensor %s; 1 to %llu values are allowed",
                    tf_tensor_shape_text(shape, text), (unsigned long long)TF_TENSOR_CNT_MAX);
  }
  shape->cnt = (uint32_t)cnt;
  return TF_OK;
}

bool tf_tensor_shape_same(const tf_tensor_shape_t *a, const tf_tensor_shape_t *b) {
  return a->rank == b->rank && memcmp(a->dims, b->dims, a->rank * sizeof *a->dims) == 0;
}

const char *tf_tensor_shape_text(const tf_tensor_shape_t *shape, char *target) {
  size_t at = 0;
  at += (size_t)snprintf(target, TF_TENSOR_SHAPE_TEXT_BYTES, "[");
  for (uint32_t i = 0; i < shape->rank; i++)
    at += (size_t)snprintf(target + at, TF_TENSOR_SHAPE_TEXT_BYTES - at, i ? ",%u" : "%u",
                           shape->dims[i]);
  snprintf(target + at, TF_TENSOR_SHAPE_TEXT_BYTES - at, "]");
  return target;
}
TF_STATIC_ASSERT(TF_TENSOR_SHAPE_TEXT_BYTES > TF_TENSOR_RANK_MAX * 11 + 2,
                 "ten digits and a comma each");

uint32_t tf_tensor_axes_cnt(const tf_tensor_shape_t *shape, uint32_t first, uint32_t end) {
  uint32_t cnt = 1;
  for (uint32_t i = first; i < end; i++) cnt *= shape->dims[i];
  return cnt;
}

tf_err_t tf_tensor_axis(const tf_tensor_shape_t *shape, int64_t axis, uint32_t *found) {
  int64_t from_begin = axis < 0 ? axis + (int64_t)shape->rank : axis;
  if (from_begin < 0 || from_begin >= (int64_t)shape->rank)
    return TF_ERR(E_MODEL_SHAPE, "axis %lld of a tensor of rank %u", (long long)axis, shape->rank);
  *found = (uint32_t)from_begin;
  return TF_OK;
}

/* Size of shape along axis of a tensor of rank; 1 where shape has fewer axes. */
static uint32_t dim_of(const tf_tensor_shape_t *shape, uint32_t axis, uint32_t rank) {
  return axis + shape->rank < rank ? 1 : shape->dims[axis + shape->rank - rank];
}

static void broadcast_steps(const tf_tensor_shape_t *in, const tf_tensor_shape_t *out,
                            int32_t *steps) {
  int32_t step = 1;
  for (uint32_t axis = out->rank; axis-- > 0;) {
    uint32_t dim = dim_of(in, axis, out->rank);
    steps[axis]  = dim == 1 ? 0 : step;
    step *= (int32_t)dim;
  }
}

tf_err_t tf_tensor_shape_broadcast(tf_tensor_use_t *use) {
  TF_ASSERT(use->in_cnt <= TF_TENSOR_LOOP_INPUTS);
  tf_tensor_shape_t *out = &use->out;
  char               a[TF_TENSOR_SHAPE_TEXT_BYTES], b[TF_TENSOR_SHAPE_TEXT_BYTES];
  *out = (tf_tensor_shape_t){0};
  for (uint32_t i = 0; i < use->in_cnt; i++)
    if (use->in[i].rank > out->rank) out->rank = use->in[i].rank;
  for (uint32_t axis = 0; axis < out->rank; axis++) {
    out->dims[axis] = 1;
    for (uint32_t i = 0; i < use->in_cnt; i++) {
      uint32_t dim = dim_of(&use->in[i], axis, out->rank);
      if (dim != 1 && out->dims[axis] != 1 && dim != out->dims[axis])
        return TF_ERR(E_MODEL_SHAPE, "inputs %s and %s do not go together",
                      tf_tensor_shape_text(&use->in[0], a), tf_tensor_shape_text(&use->in[i], b));
      if (dim != 1) out->dims[axis] = dim;
    }
  }
  tf_err_t err = tf_tensor_shape_count(out);
  use->loop    = (tf_tensor_loop_t){.rank = out->rank};
  memcpy(use->loop.dims, out->dims, sizeof use->loop.dims);
  for (uint32_t i = 0; i < use->in_cnt; i++) broadcast_steps(&use->in[i], out, use->loop.step[i]);
  tf_tensor_loop_join(&use->loop, use->in_cnt);
  return err;
}

static bool can_join(const tf_tensor_loop_t *l, uint32_t axis, uint32_t input_cnt) {
  for (uint32_t i = 0; i < input_cnt; i++)
    if (l->step[i][axis] != l->step[i][axis + 1] * (int32_t)l->dims[axis + 1]) return false;
  return true;
}

static void drop_axis(tf_tensor_loop_t *l, uint32_t axis) {
  size_t behind = l->rank - axis - 1;
  memmove(l->dims + axis, l->dims + axis + 1, behind * sizeof *l->dims);
  for (uint32_t i = 0; i < TF_TENSOR_LOOP_INPUTS; i++)
    memmove(l->step[i] + axis, l->step[i] + axis + 1, behind * sizeof *l->step[i]);
  l->rank--;
}

void tf_tensor_loop_join(tf_tensor_loop_t *l, uint32_t input_cnt) {
  for (uint32_t axis = l->rank; axis-- > 0;)
    if (l->dims[axis] == 1) drop_axis(l, axis);
  for (uint32_t axis = l->rank; axis-- > 1;)
    if (can_join(l, axis - 1, input_cnt)) {
      l->dims[axis] *= l->dims[axis - 1];
      drop_axis(l, axis - 1);
    }
  if (l->rank > 0) return;
  l->rank    = 1;
  l->dims[0] = 1;
  for (uint32_t i = 0; i < TF_TENSOR_LOOP_INPUTS; i++) l->step[i][0] = 0;
}

/* One run of cnt values, step apart. */
static void move_run(const uint8_t *in, uint8_t *out, uint32_t cnt, int32_t step, size_t bytes) {
  if (step == 1) {
    memcpy(out, in, cnt * bytes);
    return;
  }
  if (bytes == sizeof(float)) {
    float       *to   = (float *)(void *)out;
    const float *from = (const float *)(const void *)in;
    for (uint32_t i = 0; i < cnt; i++) to[i] = from[(ptrdiff_t)i * step];
    return;
  }
  double       *to   = (double *)(void *)out;
  const double *from = (const double *)(const void *)in;
  for (uint32_t i = 0; i < cnt; i++) to[i] = from[(ptrdiff_t)i * step];
}

void tf_tensor_move(const tf_tensor_loop_t *l, const void *in, void *out, size_t bytes) {
  const uint32_t inner = l->rank - 1, cnt = l->dims[inner];
  uint32_t       at[TF_TENSOR_RANK_MAX] = {0};
  uint8_t       *to                     = out;
  ptrdiff_t      from                   = l->begin[0];
  for (;;) {
    move_run((const uint8_t *)in + from * (ptrdiff_t)bytes, to, cnt, l->step[0][inner], bytes);
    to += cnt * bytes;
    uint32_t axis = inner;
    for (;;) {
      if (axis-- == 0) return;
      from += l->step[0][axis];
      if (++at[axis] < l->dims[axis]) break;
      from -= (ptrdiff_t)l->dims[axis] * l->step[0][axis];
      at[axis] = 0;
    }
  }
}
