/* ONNX ops that read or write a tensor at places that a list says: GatherElements, GatherND, ScatterElements, ScatterND. The places must
 * be known at import. Then each value of the result comes from one place, which is a gather from a flat tensor; what is
 * written over is chosen by a mask. */
#include <string.h>

#include "core/error.h"
#include "model/onnx_net.h"

#define REFUSE TF_ONNX_REFUSE

/* Known places, checked against the axis that they are of. */
static tf_err_t place_at(const tf_onnx_net_t *im, const Onnx__NodeProto *node,
                         const tf_onnx_operand_t *places, uint32_t i, uint32_t size,
                         uint32_t *place) {
  double x = places->wide[i];
  if (!(x >= -(double)size && x < (double)size))
    return REFUSE(im, node, E_MODEL_SHAPE, "place %g of an axis of %u", x, size);
  *place = (uint32_t)(x < 0.0 ? x + (double)size : x);
  return TF_OK;
}

static tf_err_t want_known(const tf_onnx_net_t *im, const Onnx__NodeProto *node,
                           const tf_onnx_operand_t *places) {
  if (places->wide) return TF_OK;
  return REFUSE(im, node, E_MODEL_UNSUPPORTED, "\"%.80s\" is computed from the features; places %s",
                places->name ? places->name : "an input", "must be known at import");
}

/* Values from flat places of in; takes over from, shape->cnt of them. */
static tf_err_t pick(tf_onnx_net_t *im, const Onnx__NodeProto *node, uint32_t in,
                     const tf_tensor_shape_t *shape, double *from, uint32_t *out) {
  const int64_t  axis = 0;
  const uint32_t cnt  = tf_onnx_net_shape(im, in)->cnt;
  uint32_t       both[2];
  tf_err_t       err   = tf_onnx_net_constant(im, shape, from, true, &both[1]);
  const bool     whole = im->operands[in].whole;
  if (!err) err = tf_onnx_net_as(im, node, in, 1, &cnt, &both[0]);
  tf_onnx_emit_t emit = {.op = "gather", .in = both, .in_cnt = 2, .ints = &axis, .int_cnt = 1};
  if (!err) err = tf_onnx_net_emit(im, node, &emit, out);
  if (!err) im->operands[*out].whole = whole && im->operands[*out].wide;
  return err;
}

/* For each entry of a list with the axes of shape at, the flat place in data whose axis is the list's entry. */
static tf_err_t flat_elements(const tf_onnx_net_t *im, const Onnx__NodeProto *node,
                              const tf_tensor_shape_t *data, const tf_onnx_operand_t *places,
                              uint32_t axis, double *flat) {
  const tf_tensor_shape_t *s                      = &places->shape;
  uint32_t                 at[TF_TENSOR_RANK_MAX] = {0}, place;
  for (uint32_t i = 0; i < s->cnt; i++) {
    uint64_t sum = 0;
    for (uint32_t k = 0; k < s->rank; k++) {
      place = at[k];
      if (k == axis) {
        tf_err_t err = place_at(im, node, places, i, data->dims[k], &place);
        if (err) return err;
      }
      sum = sum * data->dims[k] + place;
    }
    flat[i] = (double)sum;
    for (uint32_t k = s->rank; k-- > 0 && ++at[k] == s->dims[k];) at[k] = 0;
  }
  return TF_OK;
}

/* For each entry of a list whose last axis numbers the first axes of data: that part of data, each value of it. */
static tf_err_t flat_parts(const tf_onnx_net_t *im, const Onnx__NodeProto *node,
                           const tf_tensor_shape_t *data, const tf_onnx_operand_t *places,
                           double *flat) {
  const uint32_t depth = places->shape.dims[places->shape.rank - 1];
  const uint32_t each  = tf_tensor_axes_cnt(data, depth, data->rank);
  for (uint32_t i = 0; i < places->shape.cnt; i += depth) {
    uint64_t sum = 0;
    for (uint32_t k = 0; k < depth; k++) {
      uint32_t place;
      tf_err_t err = place_at(im, node, places, i + k, data->dims[k], &place);
      if (err) return err;
      sum = sum * data->dims[k] + place;
    }
    for (uint32_t k = 0; k < each; k++) *flat++ = (double)(sum * each + k);
  }
  return TF_OK;
}

/* The places that a node reads or writes: their shape, and the flat place in data of each. */
static tf_err_t find_places(tf_onnx_net_t *im, const Onnx__NodeProto *node, uint32_t data_idx,
                            uint32_t places_idx, tf_tensor_shape_t *shape, double **flat) {
  const tf_tensor_shape_t  data     = *tf_onnx_net_shape(im, data_idx);
  const tf_onnx_operand_t *places   = tf_onnx_net_operand(im, places_idx);
  const tf_tensor_shape_t *s        = &places->shape;
  const bool               elements = strstr(node->op_type, "Elements") != NULL;
  char                     a[TF_TENSOR_SHAPE_TEXT_BYTES], b[TF_TENSOR_SHAPE_TEXT_BYTES];
  uint32_t                 axis = 0;
  int64_t                  asked;
  *flat        = NULL;
  tf_err_t err = want_known(im, node, places);
  if (!err) err = tf_onnx_node_int(im->path, node, "axis", 0, &asked);
  if (!err && elements) err = tf_tensor_axis(&data, asked, &axis);
  if (err) return err;
  *shape    = *s;
  bool good = s->rank > 0 && s->cnt > 0 && data.cnt > 0;
  if (elements) {
    good = good && s->rank == data.rank;
    for (uint32_t i = 0; good && i < s->rank; i++) good = i == axis || s->dims[i] <= data.dims[i];
  } else if (good) {
    const uint32_t depth = s->dims[s->rank - 1];
    good =
        depth >= 1 && depth <= data.rank && s->rank - 1 + data.rank - depth <= TF_TENSOR_RANK_MAX;
    shape->rank--;
    for (uint32_t i = depth; good && i < data.rank; i++) shape->dims[shape->rank++] = data.dims[i];
  }
  if (!good)
    return REFUSE(im, node, E_MODEL_SHAPE, "places %s of %s", tf_tensor_shape_text(s, a),
                  tf_tensor_shape_text(&data, b));
  err = tf_tensor_shape_count(shape);
  if (err) return err;
  *flat = malloc(shape->cnt * sizeof **flat);
  if (!*flat) return TF_ERR(E_CORE_NO_MEMORY, "%s: places", im->path);
  return elements ? flat_elements(im, node, &data, places, axis, *flat)
                  : flat_parts(im, node, &data, places, *flat);
}

static tf_err_t import_gather(tf_onnx_net_t *im, const Onnx__NodeProto *node, const uint32_t *in,
                              uint32_t in_cnt, uint32_t *out) {
  tf_tensor_shape_t shape;
  double           *flat = NULL;
  int64_t           batch_dims;
  (void)in_cnt;
  tf_err_t err = tf_onnx_node_int(im->path, node, "batch_dims", 0, &batch_dims);
  if (!err && batch_dims)
    err = REFUSE(im, node, E_MODEL_UNSUPPORTED, "batch_dims %lld; 0 is supported",
                 (long long)batch_dims);
  if (!err) err = find_places(im, node, in[0], in[1], &shape, &flat);
  if (!err) return pick(im, node, in[0], &shape, flat, out);
  free(flat);
  return err;
}

static tf_err_t check_reduction(const tf_onnx_net_t *im, const Onnx__NodeProto *node) {
  const Onnx__AttributeProto *a;
  tf_err_t                    err = tf_onnx_node_attribute(im->path, node, "reduction",
                                                           ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__STRING, &a);
  if (err || !a || (a->s.len == 4 && memcmp(a->s.data, "none", 4) == 0)) return err;
  return REFUSE(im, node, E_MODEL_UNSUPPORTED, "reduction %.*s; none is supported",
                (int)(a->s.len < 32 ? a->s.len : 32), (const char *)a->s.data);
}

/* Which update each value of data is written over with; the last one of several. */
static tf_err_t write_over(tf_onnx_net_t *im, const Onnx__NodeProto *node, const uint32_t *in,
                           const double *flat, uint32_t cnt, uint32_t *out) {
  const tf_tensor_shape_t data = *tf_onnx_net_shape(im, in[0]);
  double  *mask = calloc(data.cnt, sizeof *mask), *from = calloc(data.cnt, sizeof *from);
  uint32_t parts[3];
  if (mask && from)
    for (uint32_t i = 0; i < cnt; i++) {
      mask[(uint32_t)flat[i]] = 1.0;
      from[(uint32_t)flat[i]] = (double)i;
    }
  if (!mask) {
    free(from);
    from = NULL;
  }
  const bool whole = im->operands[in[0]].whole && im->operands[in[2]].whole;
  tf_err_t   err   = tf_onnx_net_constant(im, &data, mask, true, &parts[0]);
  if (err) {
    free(from);
    return err;
  }
  parts[2]            = in[0];
  err                 = pick(im, node, in[2], &data, from, &parts[1]);
  tf_onnx_emit_t emit = {.op = "where", .in = parts, .in_cnt = 3};
  if (!err) err = tf_onnx_net_emit(im, node, &emit, out);
  if (!err) im->operands[*out].whole = whole && im->operands[*out].wide;
  return err;
}

static tf_err_t import_scatter(tf_onnx_net_t *im, const Onnx__NodeProto *node, const uint32_t *in,
                               uint32_t in_cnt, uint32_t *out) {
  tf_tensor_shape_t shape;
  double           *flat = NULL;
  char              a[TF_TENSOR_SHAPE_TEXT_BYTES], b[TF_TENSOR_SHAPE_TEXT_BYTES];
  (void)in_cnt;
  tf_err_t err = check_reduction(im, node);
  if (!err && tf_onnx_net_shape(im, in[1])->cnt == 0) return tf_onnx_net_same(im, in[0], out);
  if (!err) err = find_places(im, node, in[0], in[1], &shape, &flat);
  if (!err && !tf_tensor_shape_same(&shape, tf_onnx_net_shape(im, in[2])))
    err = REFUSE(im, node, E_MODEL_SHAPE, "%s values for places of %s",
                 tf_tensor_shape_text(tf_onnx_net_shape(im, in[2]), a),
                 tf_tensor_shape_text(&shape, b));
  if (!err) err = write_over(im, node, in, flat, shape.cnt, out);
  free(flat);
  return err;
}

const tf_onnx_net_op_t tf_onnx_net_places[] = {
    {"GatherElements",  " axis ",           2, 2, 1, import_gather,  NULL},
    {"GatherND",        " batch_dims ",     2, 2, 1, import_gather,  NULL},
    {"ScatterElements", " axis reduction ", 3, 3, 1, import_scatter, NULL},
    {"ScatterND",       " reduction ",      3, 3, 1, import_scatter, NULL},
    {NULL,              NULL,               0, 0, 0, NULL,           NULL},
};
