/* Zeros before a convolution's input, and places cut from its output, as causal convolutions are written, are its padding: fewer places are
 * computed, and nothing is copied. */
#include "core/error.h"
#include "model/net_pass.h"

#define AXIS_INTS 4u /* of conv: stride, dilation, before, behind; the groups come first */

static tf_err_t put(tf_net_edit_t *e, const tf_net_node_t *conv, const tf_net_node_t *other,
                    uint32_t x, const int64_t *ints, uint32_t replaced) {
  uint32_t in[3], value;
  char     name[TF_NET_NAME_BYTES];
  memcpy(in, conv->in, sizeof in);
  in[0] = x;
  tf_net_pass_name(name, (const char *const[]){conv->name, other->name}, 2);
  const tf_net_spec_t spec = {.op      = conv->use.op,
                              .name    = name,
                              .in      = in,
                              .in_cnt  = conv->use.in_cnt,
                              .ints    = ints,
                              .int_cnt = conv->use.int_cnt};
  tf_err_t            err  = tf_net_edit_add(e, &spec, &value);
  if (err) return err;
  TF_ASSERT(tf_tensor_shape_same(&e->net->values[value].shape, &e->net->values[replaced].shape));
  tf_net_edit_replace(e, replaced, value);
  return TF_OK;
}

/* Zeros along the axes behind batch and channel alone. */
static bool is_zero_padding(const tf_net_node_t *pad) {
  if (!tf_net_is(pad, "pad") || pad->use.ints[0] != 0 || pad->use.reals[0] != 0.0) return false;
  for (uint32_t i = 1; i <= 4; i++)
    if (pad->use.ints[i] != 0) return false;
  return true;
}

static tf_err_t take_padding(tf_net_edit_t *e, const tf_net_node_t *conv) {
  const tf_net_node_t *pad = tf_net_maker(e->net, conv->in[0]);
  int64_t              ints[TF_TENSOR_INTS_MAX];
  if (!is_zero_padding(pad)) return TF_OK;
  memcpy(ints, conv->use.ints, sizeof ints);
  for (uint32_t axis = 0; axis + 2 < conv->use.in[0].rank; axis++)
    for (uint32_t side = 0; side < 2; side++)
      ints[1 + axis * AXIS_INTS + 2 + side] += pad->use.ints[1 + 2 * (axis + 2) + side];
  return put(e, conv, pad, pad->in[0], ints, conv->out);
}

/* Padding of an axis for which the places slice takes are all there are; false where less than none would be wanted. */
static bool cut_axis(const tf_net_node_t *conv, const int64_t *slice, uint32_t axis, int64_t *n) {
  const int64_t size = conv->use.in[0].dims[axis], kernel = conv->use.in[1].dims[axis];
  const int64_t before = n[2] - slice[0] * n[0];
  const int64_t behind = (slice[1] - 1) * n[0] + (kernel - 1) * n[1] + 1 - size - before;
  if (slice[1] == conv->use.out.dims[axis]) return slice[0] == 0;
  if (slice[2] != 1 || before < 0 || behind < 0) return false;
  n[2] = before, n[3] = behind;
  return true;
}

static tf_err_t take_slice(tf_net_edit_t *e, const tf_net_node_t *slice) {
  const tf_net_node_t *conv = tf_net_edit_only(e, slice->in[0], "conv");
  int64_t              ints[TF_TENSOR_INTS_MAX];
  if (!conv) return TF_OK;
  memcpy(ints, conv->use.ints, sizeof ints);
  for (uint32_t axis = 0; axis < conv->use.out.rank; axis++) {
    const int64_t *part  = slice->use.ints + 3 * (size_t)axis;
    const bool     whole = part[0] == 0 && part[1] == conv->use.out.dims[axis];
    if (axis < 2 ? !whole : !cut_axis(conv, part, axis, ints + 1 + (axis - 2) * AXIS_INTS))
      return TF_OK;
  }
  return put(e, conv, slice, conv->in[0], ints, slice->out);
}

tf_err_t tf_net_pass_conv(tf_net_edit_t *e, uint32_t idx) {
  const tf_net_node_t *node = &e->net->nodes[idx];
  if (tf_net_is(node, "conv")) return take_padding(e, node);
  if (tf_net_is(node, "slice")) return take_slice(e, node);
  return TF_OK;
}
