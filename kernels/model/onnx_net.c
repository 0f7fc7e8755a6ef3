#include "model/onnx_net.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "core/error.h"
#include "core/nearest.h"
#include "model/net_pass.h"

#define REFUSE TF_ONNX_REFUSE

static const tf_onnx_net_op_t *const tables[] = {
    tf_onnx_net_layers,  tf_onnx_net_recurrent, tf_onnx_net_reduce,
    tf_onnx_net_einsum,  tf_onnx_net_moves,     tf_onnx_net_places,
    tf_onnx_net_control, tf_onnx_net_pointwise, tf_onnx_net_trees};

const tf_onnx_net_op_t *tf_onnx_net_at(uint32_t idx) {
  for (size_t t = 0; t < TF_ARRAY_CNT(tables); t++)
    for (const tf_onnx_net_op_t *op = tables[t]; op->type; op++)
      if (idx-- == 0) return op;
  return NULL;
}

static bool same_domain(const Onnx__NodeProto *node, const tf_onnx_net_op_t *op) {
  if (!op->domain) return tf_onnx_node_is_standard(node);
  return node->domain && strcmp(node->domain, op->domain) == 0;
}

static const tf_onnx_net_op_t *find_op(const Onnx__NodeProto *node) {
  const tf_onnx_net_op_t *op;
  for (uint32_t i = 0; (op = tf_onnx_net_at(i)) != NULL; i++)
    if (node->op_type && strcmp(node->op_type, op->type) == 0 && same_domain(node, op)) return op;
  return NULL;
}

/* What to do about an op that exporters write, and that is not here. */
static const char *advice_of(const char *type) {
  static const char *const rows[][2] = {
      {"ArgMax",           "no labels are computed: take the scores before it as the output, with --output"},
      {"ArgMin",           "no labels are computed: take the scores before it as the output, with --output"},
      {"Attention",        "export with opset_version=18, which writes it as MatMul and Softmax"           },
      {"DFT",              "make the spectrum a feature"                                                   },
      {"DequantizeLinear",
       "export the model in floats: `model import --precision` makes it smaller"                           },
      {"Loop",             "export it unrolled, with a window of known length"                             },
      {"QuantizeLinear",   "export the model in floats: `model import --precision` makes it smaller"       },
      {"Scan",             "export it unrolled, with a window of known length"                             },
      {"TopK",             "no labels are computed: take the scores before it as the output, with --output"},
      {"ZipMap",
       "convert with the option zipmap=False, which leaves the probabilities as a tensor"                  },
  };
  for (size_t i = 0; i < TF_ARRAY_CNT(rows); i++)
    if (type && strcmp(rows[i][0], type) == 0) return rows[i][1];
  return NULL;
}

#define SUPPORTED_BYTES 1400u
#define NEAREST_CNT_MAX 256u

/* "; did you mean Gemm" of the ops there are, the advice, or nothing. */
static void append_advice(const char *type, char *text, size_t bytes) {
  const char             *known[NEAREST_CNT_MAX], *advice = advice_of(type);
  size_t                  cnt = 0;
  const tf_onnx_net_op_t *op;
  for (uint32_t i = 0; (op = tf_onnx_net_at(i)) != NULL && cnt < NEAREST_CNT_MAX; i++)
    known[cnt++] = op->type;
  const char *near = advice || !type ? NULL : tf_nearest_name(type, known, cnt);
  text[0]          = 0;
  if (advice) snprintf(text, bytes, ": %s", advice);
  if (near) snprintf(text, bytes, " (did you mean %s?)", near);
}

static tf_err_t refuse_op(const tf_onnx_net_t *im, const Onnx__NodeProto *node) {
  char                    text[SUPPORTED_BYTES], advice[120];
  size_t                  at = 0;
  const tf_onnx_net_op_t *op;
  text[0] = 0;
  for (uint32_t i = 0; (op = tf_onnx_net_at(i)) != NULL && at < sizeof text; i++)
    at += (size_t)snprintf(text + at, sizeof text - at, "%s%s", i ? ", " : "", op->type);
  const bool standard = tf_onnx_node_is_standard(node);
  append_advice(node->op_type, advice, sizeof advice);
  return REFUSE(im, node, E_MODEL_UNSUPPORTED, "is not supported%s%.40s%s; supported are: %s",
                standard ? "" : " in domain ", standard ? "" : node->domain, advice, text);
}

/* ---- operands ---- */

tf_err_t tf_onnx_net_claim(tf_onnx_net_t *im, const tf_onnx_operand_t *operand, uint32_t *idx) {
  if (im->operand_cnt == TF_ONNX_NET_OPERAND_CNT_MAX)
    return TF_ERR(E_MODEL_UNSUPPORTED, "%s: more than %u values", im->path,
                  TF_ONNX_NET_OPERAND_CNT_MAX);
  *idx               = im->operand_cnt++;
  im->operands[*idx] = *operand;
  return TF_OK;
}

tf_err_t tf_onnx_net_constant(tf_onnx_net_t *im, const tf_tensor_shape_t *shape, double *wide,
                              bool whole, uint32_t *out) {
  tf_onnx_operand_t o = {.shape = *shape, .wide = wide, .value = TF_NET_NONE, .whole = whole};
  tf_err_t          err =
      wide ? tf_onnx_net_claim(im, &o, out) : TF_ERR(E_CORE_NO_MEMORY, "%s: a constant", im->path);
  if (err) free(wide);
  return err;
}

tf_err_t tf_onnx_net_list(tf_onnx_net_t *im, const double *values, uint32_t cnt, uint32_t *out) {
  tf_tensor_shape_t shape = {.rank = 1, .dims = {cnt}, .cnt = cnt};
  double           *wide  = malloc((cnt + 1) * sizeof *wide);
  if (wide && cnt) memcpy(wide, values, cnt * sizeof *wide);
  return tf_onnx_net_constant(im, &shape, wide, false, out);
}

tf_err_t tf_onnx_net_scalar(tf_onnx_net_t *im, double value, uint32_t *out) {
  tf_err_t err = tf_onnx_net_list(im, &value, 1, out);
  if (!err) im->operands[*out].shape.rank = 0;
  return err;
}

tf_err_t tf_onnx_net_same(tf_onnx_net_t *im, uint32_t in, uint32_t *out) {
  tf_onnx_operand_t copy = im->operands[in];
  copy.name              = NULL;
  if (copy.wide) {
    copy.wide = malloc((copy.shape.cnt + 1) * sizeof *copy.wide);
    if (copy.wide) memcpy(copy.wide, im->operands[in].wide, copy.shape.cnt * sizeof *copy.wide);
    if (!copy.wide) return TF_ERR(E_CORE_NO_MEMORY, "%s: a constant", im->path);
  }
  tf_err_t err = tf_onnx_net_claim(im, &copy, out);
  if (err) free(copy.wide);
  return err;
}

/* Masks only are added or chosen: there what is below all numbers becomes a great one below zero. */
static bool takes_infinite(const char *op) {
  static const char *const ops[] = {"add", "where", "min", "max"};
  for (size_t i = 0; i < TF_ARRAY_CNT(ops); i++)
    if (strcmp(op, ops[i]) == 0) return true;
  return false;
}

/* The graph's value of an operand: of a constant, once some node needs it at run time, in float. */
static tf_err_t value_of(tf_onnx_net_t *im, const char *op, uint32_t idx, uint32_t *value) {
  tf_onnx_operand_t *o = &im->operands[idx];
  *value               = o->value;
  if (o->value != TF_NET_NONE) return TF_OK;
  const char *name   = o->name ? o->name : "computed from constants";
  float      *narrow = malloc((o->shape.cnt + 1) * sizeof *narrow);
  if (!narrow) return TF_ERR(E_CORE_NO_MEMORY, "%s: tensor \"%.100s\"", im->path, name);
  for (uint32_t i = 0; i < o->shape.cnt; i++) {
    narrow[i] = (float)o->wide[i];
    if (narrow[i] == -INFINITY && takes_infinite(op)) narrow[i] = -TF_ONNX_NET_INFINITE;
    if (fpclassify(narrow[i]) == FP_SUBNORMAL) narrow[i] = 0.0f;
  }
  tf_err_t err = tf_net_add_constant(im->net, name, &o->shape, narrow, &o->value);
  *value       = o->value;
  return err;
}

/* ---- emitting ---- */

static tf_err_t fold(tf_onnx_net_t *im, const tf_onnx_emit_t *emit, tf_tensor_use_t *use,
                     uint32_t *out) {
  const double *in[TF_TENSOR_INPUTS_MAX];
  bool          whole = emit->in_cnt > 0;
  tf_err_t      err   = tf_tensor_shape(use);
  if (err) return err;
  for (uint32_t i = 0; i < emit->in_cnt; i++) {
    in[i] = im->operands[emit->in[i]].wide;
    whole &= im->operands[emit->in[i]].whole;
  }
  if (tf_tensor_flops(use) > TF_NET_FLOPS_MAX)
    return TF_ERR(E_MODEL_UNSUPPORTED, "more than %llu operations on constants",
                  (unsigned long long)TF_NET_FLOPS_MAX);
  size_t  cnt     = use->op->scratch_cnt ? use->op->scratch_cnt(use) : 0;
  double *scratch = malloc((cnt + 1) * sizeof *scratch),
         *wide    = malloc((use->out.cnt + 1) * sizeof *wide);
  if (scratch && wide) use->op->ref(use, in, wide, scratch);
  free(scratch);
  if (!scratch) {
    free(wide);
    wide = NULL;
  }
  return tf_onnx_net_constant(im, &use->out, wide, whole, out);
}

static tf_err_t emit_node(tf_onnx_net_t *im, const Onnx__NodeProto *node,
                          const tf_onnx_emit_t *emit, const tf_tensor_use_t *use, uint32_t *out) {
  uint32_t in[TF_TENSOR_INPUTS_MAX];
  tf_err_t err = TF_OK;
  for (uint32_t i = 0; i < emit->in_cnt && !err; i++)
    err = value_of(im, emit->op, emit->in[i], &in[i]);
  tf_net_spec_t spec = {.op       = use->op,
                        .row      = use->row,
                        .name     = tf_onnx_node_label(node),
                        .in       = in,
                        .in_cnt   = emit->in_cnt,
                        .ints     = emit->ints,
                        .int_cnt  = emit->int_cnt,
                        .reals    = emit->reals,
                        .real_cnt = emit->real_cnt};
  uint32_t      value;
  if (!err) err = tf_net_add(im->net, &spec, &value);
  if (err) return err;
  tf_onnx_operand_t o = {.shape = im->net->values[value].shape, .value = value};
  return tf_onnx_net_claim(im, &o, out);
}

static tf_err_t emit_checked(tf_onnx_net_t *im, const Onnx__NodeProto *node,
                             const tf_onnx_emit_t *emit, uint32_t *out) {
  if (emit->in_cnt > TF_TENSOR_INPUTS_MAX || emit->int_cnt > TF_TENSOR_INTS_MAX)
    return TF_ERR(E_MODEL_UNSUPPORTED, "%u inputs and %u sizes, at most %u and %u are allowed",
                  emit->in_cnt, emit->int_cnt, TF_TENSOR_INPUTS_MAX, TF_TENSOR_INTS_MAX);
  tf_tensor_use_t *use = calloc(1, sizeof *use);
  if (!use) return TF_ERR(E_CORE_NO_MEMORY, "an op");
  bool constant = true;
  use->op       = tf_tensor_find(emit->op);
  use->row      = emit->row ? tf_op_find(emit->row) : NULL;
  use->in_cnt   = emit->in_cnt;
  use->int_cnt  = emit->int_cnt;
  use->real_cnt = emit->real_cnt;
  tf_err_t err  = TF_OK;
  for (uint32_t i = 0; i < emit->in_cnt; i++) {
    const tf_onnx_operand_t *o = &im->operands[emit->in[i]];
    use->in[i]                 = o->shape;
    constant &= o->wide != NULL;
    if (o->shape.cnt == 0 && !err)
      err = TF_ERR(E_MODEL_UNSUPPORTED, "its input %u is an empty tensor", i);
  }
  if (emit->int_cnt) memcpy(use->ints, emit->ints, emit->int_cnt * sizeof *use->ints);
  if (emit->real_cnt) memcpy(use->reals, emit->reals, emit->real_cnt * sizeof *use->reals);
  if (!err) err = constant ? fold(im, emit, use, out) : emit_node(im, node, emit, use, out);
  free(use);
  return err;
}

tf_err_t tf_onnx_net_emit(tf_onnx_net_t *im, const Onnx__NodeProto *node,
                          const tf_onnx_emit_t *emit, uint32_t *out) {
  tf_err_t err = emit_checked(im, node, emit, out);
  if (err)
    return tf_error_add(err, "importing %s: node \"%.80s\" (%.32s)", im->path,
                        tf_onnx_node_label(node), node->op_type ? node->op_type : "no op");
  return TF_OK;
}

tf_err_t tf_onnx_net_reshape(tf_onnx_net_t *im, const Onnx__NodeProto *node, uint32_t in,
                             const tf_tensor_shape_t *shape, uint32_t *out) {
  int64_t dims[TF_TENSOR_RANK_MAX];
  for (uint32_t i = 0; i < shape->rank; i++) dims[i] = shape->dims[i];
  tf_onnx_emit_t emit = {
      .op = "reshape", .in = &in, .in_cnt = 1, .ints = dims, .int_cnt = shape->rank};
  return tf_onnx_net_emit(im, node, &emit, out);
}

tf_err_t tf_onnx_net_as(tf_onnx_net_t *im, const Onnx__NodeProto *node, uint32_t in, uint32_t rank,
                        const uint32_t *dims, uint32_t *out) {
  tf_tensor_shape_t shape = {.rank = rank};
  memcpy(shape.dims, dims, rank * sizeof *dims);
  return tf_onnx_net_reshape(im, node, in, &shape, out);
}

tf_err_t tf_onnx_net_binary(tf_onnx_net_t *im, const Onnx__NodeProto *node, const char *op,
                            uint32_t a, uint32_t b, uint32_t *out) {
  const uint32_t in[2] = {a, b};
  tf_onnx_emit_t emit  = {.op = op, .in = in, .in_cnt = 2};
  return tf_onnx_net_emit(im, node, &emit, out);
}

tf_err_t tf_onnx_net_each(tf_onnx_net_t *im, const Onnx__NodeProto *node, const char *row,
                          uint32_t in, double alpha, double beta, uint32_t *out) {
  const double   reals[2] = {alpha, beta};
  tf_onnx_emit_t emit     = {
          .op = "each", .row = row, .in = &in, .in_cnt = 1, .reals = reals, .real_cnt = 2};
  return tf_onnx_net_emit(im, node, &emit, out);
}

tf_err_t tf_onnx_net_transpose(tf_onnx_net_t *im, const Onnx__NodeProto *node, uint32_t in,
                               const uint32_t *order, uint32_t *out) {
  int64_t        axes[TF_TENSOR_RANK_MAX];
  const uint32_t rank  = im->operands[in].shape.rank;
  bool           moved = false;
  for (uint32_t i = 0; i < rank; i++) {
    axes[i] = order[i];
    moved |= order[i] != i;
  }
  if (!moved) return tf_onnx_net_same(im, in, out);
  tf_onnx_emit_t emit = {.op = "transpose", .in = &in, .in_cnt = 1, .ints = axes, .int_cnt = rank};
  return tf_onnx_net_emit(im, node, &emit, out);
}

/* ---- numbers that must be known ---- */

tf_err_t tf_onnx_net_ints(tf_onnx_net_t *im, const Onnx__NodeProto *node, uint32_t in, uint32_t max,
                          int64_t *ints, uint32_t *cnt) {
  const tf_onnx_operand_t *o = &im->operands[in];
  if (!o->wide)
    return REFUSE(im, node, E_MODEL_UNSUPPORTED,
                  "\"%.80s\" is computed from the features; sizes and places must be constants",
                  o->name ? o->name : "an input");
  if (o->shape.cnt > max || o->shape.rank > 1)
    return REFUSE(im, node, E_MODEL_SHAPE, "a list of %u numbers, at most %u are allowed",
                  o->shape.cnt, max);
  *cnt = o->shape.cnt;
  for (uint32_t i = 0; i < *cnt; i++) {
    double x = o->wide[i];
    if (isnan(x)) return REFUSE(im, node, E_MODEL_SHAPE, "number %u of a list is NaN", i);
    ints[i] = x >= 0x1p62 ? INT64_MAX / 2 : x <= -0x1p62 ? INT64_MIN / 2 : (int64_t)x;
  }
  return TF_OK;
}

tf_err_t tf_onnx_net_attribute_ints(const tf_onnx_net_t *im, const Onnx__NodeProto *node,
                                    const char *name, uint32_t max, int64_t *ints, uint32_t *cnt) {
  const Onnx__AttributeProto *a;
  tf_err_t                    err =
      tf_onnx_node_attribute(im->path, node, name, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INTS, &a);
  *cnt = 0;
  if (err || !a) return err;
  if (a->n_ints > max)
    return REFUSE(im, node, E_MODEL_SHAPE, "attribute %s holds %zu numbers, at most %u are allowed",
                  name, a->n_ints, max);
  *cnt = (uint32_t)a->n_ints;
  if (*cnt) memcpy(ints, a->ints, *cnt * sizeof *ints);
  return TF_OK;
}

tf_err_t tf_onnx_net_axes(tf_onnx_net_t *im, const Onnx__NodeProto *node, const uint32_t *in,
                          uint32_t in_cnt, uint32_t idx, uint32_t rank, int64_t *axes,
                          uint32_t *cnt) {
  tf_err_t err = tf_onnx_net_attribute_ints(im, node, "axes", TF_TENSOR_RANK_MAX, axes, cnt);
  if (!err && idx < in_cnt && in[idx] != TF_NET_NONE)
    err = tf_onnx_net_ints(im, node, in[idx], TF_TENSOR_RANK_MAX, axes, cnt);
  for (uint32_t i = 0; i < *cnt && !err; i++) {
    if (axes[i] < 0) axes[i] += rank;
    if (axes[i] < 0 || axes[i] >= (int64_t)rank)
      err = REFUSE(im, node, E_MODEL_SHAPE, "axis %lld of a tensor of rank %u", (long long)axes[i],
                   rank);
  }
  return err;
}

/* ---- nodes ---- */

uint32_t tf_onnx_net_find(const tf_onnx_net_t *im, const char *name) {
  for (uint32_t i = im->operand_cnt; i-- > 0;)
    if (im->operands[i].name && strcmp(im->operands[i].name, name) == 0) return i;
  return TF_NET_NONE;
}

static tf_err_t find_inputs(const tf_onnx_net_t *im, const Onnx__NodeProto *node, uint32_t *in) {
  for (size_t i = 0; i < node->n_input; i++) {
    const char *name = tf_onnx_node_input(node, i);
    in[i]            = name ? tf_onnx_net_find(im, name) : TF_NET_NONE;
    if (name && in[i] == TF_NET_NONE)
      return REFUSE(im, node, E_MODEL_UNSUPPORTED,
                    "it reads \"%.80s\", which is neither an input nor a constant nor the result "
                    "of a node before: a cycle, or "
                    "nodes out of order",
                    name);
  }
  return TF_OK;
}

static tf_err_t import_node(tf_onnx_net_t *im, const Onnx__NodeProto *node) {
  const tf_onnx_net_op_t *op = find_op(node);
  uint32_t                in[TF_TENSOR_INPUTS_MAX], out[TF_TENSOR_INPUTS_MAX];
  if (!op) return refuse_op(im, node);
  if (node->n_input < op->in_min || node->n_input > op->in_max || node->n_output < 1 ||
      node->n_output > op->out_max)
    return REFUSE(im, node, E_MODEL_FORMAT,
                  "%zu inputs and %zu outputs; %u to %u and 1 to %u are wanted", node->n_input,
                  node->n_output, op->in_min, op->in_max, op->out_max);
  tf_err_t err = tf_onnx_node_takes(im->path, node, op->attributes);
  if (!err) err = find_inputs(im, node, in);
  for (size_t i = 0; i < node->n_output; i++) {
    out[i] = TF_NET_NONE;
    if (!err && node->output[i] && node->output[i][0] &&
        tf_onnx_net_find(im, node->output[i]) != TF_NET_NONE)
      err = REFUSE(im, node, E_MODEL_FORMAT, "gives \"%.80s\", which is there already",
                   node->output[i]);
  }
  for (uint32_t i = 0; i < op->in_min && !err; i++)
    if (in[i] == TF_NET_NONE) err = REFUSE(im, node, E_MODEL_FORMAT, "its input %u is left out", i);
  if (!err) err = op->import(im, node, in, (uint32_t)node->n_input, out);
  for (size_t i = 0; i < node->n_output && !err; i++) {
    const char *name = node->output[i];
    if (!name || !name[0]) continue;
    if (out[i] == TF_NET_NONE)
      return REFUSE(im, node, E_MODEL_UNSUPPORTED, "its output %zu, \"%.80s\", is not supported", i,
                    name);
    im->operands[out[i]].name = name;
  }
  return err;
}

tf_err_t tf_onnx_net_nodes(tf_onnx_net_t *im, const Onnx__GraphProto *source, const bool *needed) {
  tf_err_t err = TF_OK;
  for (size_t i = 0; i < source->n_node && !err; i++)
    if (!needed || needed[i]) err = import_node(im, source->node[i]);
  return err;
}

/* ---- constants and all ---- */

tf_err_t tf_onnx_net_tensor(tf_onnx_net_t *im, tf_onnx_tensors_t *all, const char *name,
                            const Onnx__TensorProto *proto, uint32_t *out) {
  all->masks   = true;
  tf_err_t err = tf_onnx_tensor_add(all, name, proto);
  if (err) return err;
  const tf_onnx_tensor_t *t     = &all->tensors[all->cnt - 1];
  tf_tensor_shape_t       shape = {.rank = t->rank, .cnt = (uint32_t)t->cnt};
  if (t->cnt > TF_TENSOR_CNT_MAX)
    return TF_ERR(E_MODEL_UNSUPPORTED,
                  "%s: tensor \"%.100s\" holds %llu values, at most %llu are allowed", im->path,
                  name, (unsigned long long)t->cnt, (unsigned long long)TF_TENSOR_CNT_MAX);
  for (uint32_t i = 0; i < t->rank; i++) shape.dims[i] = (uint32_t)t->dims[i];
  double *wide = malloc((t->cnt + 1) * sizeof *wide);
  for (uint64_t i = 0; wide && i < t->cnt; i++)
    wide[i] = t->values ? (double)t->values[i] : (double)t->ints[i];
  return tf_onnx_net_constant(im, &shape, wide, t->ints != NULL, out);
}

tf_err_t tf_onnx_net_tensors(tf_onnx_net_t *im, const Onnx__GraphProto *source) {
  tf_onnx_tensors_t all;
  uint32_t          idx;
  tf_err_t          err = tf_onnx_tensor_init(&all, im->path, im->folder);
  for (size_t i = 0; i < source->n_initializer && !err; i++) {
    const char *name = source->initializer[i]->name;
    err              = tf_onnx_net_tensor(im, &all, name, source->initializer[i], &idx);
    if (!err) im->operands[idx].name = name;
  }
  im->denormal_cnt += all.denormal_cnt;
  if (all.tensors) tf_onnx_tensor_fini(&all);
  return err;
}

tf_err_t tf_onnx_net_import(const Onnx__GraphProto *source, const tf_onnx_net_spec_t *spec,
                            tf_graph_t *graph, uint64_t *denormal_cnt) {
  tf_onnx_net_t im = {.path   = spec->path,
                      .folder = spec->folder,
                      .source = source,
                      .opset  = spec->opset,
                      .window = spec->window};
  im.operands      = calloc(TF_ONNX_NET_OPERAND_CNT_MAX, sizeof *im.operands);
  if (!im.operands) return TF_ERR(E_CORE_NO_MEMORY, "%s: its values", spec->path);
  tf_err_t err = tf_onnx_net_tensors(&im, source);
  if (!err)
    err = spec->is_text ? tf_onnx_net_enter_text(&im, source)
                        : tf_onnx_net_enter(&im, source, spec->feature_cnt);
  if (!err) err = tf_onnx_net_nodes(&im, source, spec->output->needed);
  if (!err) err = tf_onnx_net_leave(&im, source, spec->output, spec->is_text);
  if (!err && !spec->plain) err = tf_net_pass_all(im.net);
  if (!err) err = tf_graph_init(graph, spec->name, spec->feature_cnt);
  *denormal_cnt = im.denormal_cnt;
  if (!err)
    tf_graph_set_net(graph, im.net);
  else
    tf_net_delete(im.net);
  for (uint32_t i = 0; i < im.operand_cnt; i++) free(im.operands[i].wide);
  free(im.operands);
  return err;
}
