#include "model/onnx_ops.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "core/error.h"
#include "model/onnx_sequence.h"

#define SUPPORTED                                                                                  \
  "Gemm, MatMul, Add, Sub, Mul, Div, Relu, LeakyRelu, Tanh, Sigmoid, Softmax, Clip, LSTM, GRU, "   \
  "Transpose, Gather, Slice, Squeeze, Flatten, Reshape, Identity, Constant, Cast to floats, and "  \
  "Shape, Unsqueeze, Concat, Expand, ConstantOfShape for zero states are supported"

#define REFUSE TF_ONNX_REFUSE

static bool is_current(const tf_onnx_ops_t *im, const char *name) {
  return name && strcmp(name, im->current) == 0;
}

/* A constant of floats. */
static tf_err_t constant_floats(const tf_onnx_ops_t *im, const Onnx__NodeProto *node,
                                const char *name, const tf_onnx_tensor_t **t) {
  *t = tf_onnx_tensor_find(&im->constants, name);
  if (*t && (*t)->values) return TF_OK;
  if (*t) return REFUSE(im, node, E_MODEL_UNSUPPORTED, "constant \"%.80s\" holds integers", name);
  return REFUSE(im, node, E_MODEL_UNSUPPORTED,
                "it reads \"%.80s\", which is neither a constant nor the result of the node before "
                "(\"%.80s\"); only chains are supported, in order, without branches",
                name, im->current);
}

tf_err_t tf_onnx_ops_add(tf_onnx_ops_t *im, const Onnx__NodeProto *node, const char *op_name,
                         const tf_op_params_t *params, float *weight, float *bias) {
  const tf_op_t *op = tf_op_find(op_name);
  TF_ASSERT(op);
  /* the name goes into JSON and terminals: printable ASCII only */
  char        name[TF_GRAPH_NAME_BYTES];
  const char *label = tf_onnx_node_label(node);
  size_t      i     = 0;
  for (; label[i] && i + 1 < sizeof name; i++)
    name[i] = label[i] >= 0x20 && label[i] < 0x7f ? label[i] : '?';
  name[i]      = 0;
  tf_err_t err = tf_graph_append(im->graph, op, name, params, weight, bias);
  if (err) return tf_error_add(err, "importing %s", im->path);
  im->current = node->output[0];
  return TF_OK;
}

/* One value an element of the current row, out of a constant that broadcasts along the batch and the
 * rows of the window only: [], [1], [w], [1, w], [1, 1, w], or [w, 1] for a column. times: a factor. */
static tf_err_t spread(const tf_onnx_ops_t *im, const Onnx__NodeProto *node,
                       const tf_onnx_tensor_t *t, uint32_t width, bool column, float times,
                       float **values) {
  const uint32_t rank = (uint32_t)strlen(im->axes);
  bool           fits = t->cnt == 1 && t->rank <= rank;
  if (column)
    fits = fits || (t->rank == 2 && t->dims[0] == width && t->dims[1] == 1);
  else /* as many values as a row has, all along the last axis, which is a row's */
    fits = fits || (t->rank >= 1 && t->rank <= rank && t->cnt == width &&
                    t->dims[t->rank - 1] == width && im->axes[rank - 1] == 'F');
  if (!fits)
    return REFUSE(im, node, E_MODEL_SHAPE,
                  "constant \"%.80s\" of rank %u with %llu values does not fit a %s of %u", t->name,
                  t->rank, (unsigned long long)t->cnt, column ? "column" : "row", width);
  *values = malloc(width * sizeof **values);
  if (!*values) return TF_ERR(E_CORE_NO_MEMORY, "%s: a constant", im->path);
  for (uint32_t i = 0; i < width; i++) {
    float value  = times * t->values[t->cnt == 1 ? 0 : i];
    (*values)[i] = fpclassify(value) == FP_SUBNORMAL ? 0.0f : value;
  }
  return TF_OK;
}

/* The matrix of a Gemm or MatMul, as weight[output][input]. */
typedef struct matrix {
  const tf_onnx_tensor_t *t;
  bool                    by_input; /* the tensor is [input][output] */
  float                   alpha;
} matrix_t;

static tf_err_t transpose(const tf_onnx_ops_t *im, const Onnx__NodeProto *node, const matrix_t *m,
                          float **weight, uint64_t *out_cnt) {
  const uint32_t in_cnt = im->graph->output_cnt;
  if (m->t->rank != 2 || m->t->cnt == 0)
    return REFUSE(im, node, E_MODEL_SHAPE,
                  "\"%.80s\" is of rank %u with %llu values, a matrix is "
                  "wanted",
                  m->t->name, m->t->rank, (unsigned long long)m->t->cnt);
  uint64_t inputs = m->t->dims[m->by_input ? 0 : 1];
  *out_cnt        = m->t->dims[m->by_input ? 1 : 0];
  if (inputs != in_cnt)
    return REFUSE(im, node, E_MODEL_SHAPE, "matrix \"%.80s\" takes %llu values, the row has %u",
                  m->t->name, (unsigned long long)inputs, in_cnt);
  *weight = malloc(m->t->cnt * sizeof **weight);
  if (!*weight) return TF_ERR(E_CORE_NO_MEMORY, "%s: a matrix", im->path);
  for (uint64_t o = 0; o < *out_cnt; o++)
    for (uint64_t k = 0; k < in_cnt; k++) {
      float w = m->alpha * m->t->values[m->by_input ? k * *out_cnt + o : o * in_cnt + k];
      (*weight)[o * in_cnt + k] = fpclassify(w) == FP_SUBNORMAL ? 0.0f : w;
    }
  return TF_OK;
}

typedef struct product {
  bool  trans_a;
  bool  trans_b;
  float alpha;
  float beta;
  bool  is_gemm;
} product_t;

/* A' B' + beta C with the chain's value as A or B. A row on the left or a column on the right of a
 * matrix is a linear layer; anything else would mix the rows of a batch. */
static tf_err_t import_product(tf_onnx_ops_t *im, const Onnx__NodeProto *node, const product_t *p) {
  const char *a = tf_onnx_node_input(node, 0), *b = tf_onnx_node_input(node, 1),
             *c = tf_onnx_node_input(node, 2);
  if (!a || !b) return REFUSE(im, node, E_MODEL_FORMAT, "has %zu inputs", node->n_input);
  bool left = is_current(im, a);
  if (left && is_current(im, b))
    return REFUSE(im, node, E_MODEL_UNSUPPORTED, "multiplies \"%.80s\" by itself", a);
  const tf_onnx_tensor_t *bias_of = NULL;
  matrix_t                m = {.by_input = left ? !p->trans_b : p->trans_a, .alpha = p->alpha};
  if (strlen(im->axes) > 2 && (p->is_gemm || !left || im->axes[strlen(im->axes) - 1] != 'F'))
    return REFUSE(im, node, E_MODEL_UNSUPPORTED,
                  "over a window only MatMul with a matrix [%u, n] on the right is supported",
                  im->graph->output_cnt);
  tf_err_t err = constant_floats(im, node, left ? b : a, &m.t);
  if (!err && !left && !is_current(im, b)) err = constant_floats(im, node, b, &bias_of);
  if (!err && !left && !is_current(im, b))
    err = REFUSE(im, node, E_MODEL_UNSUPPORTED, "has %s inputs only", "constant");
  if (err) return err;
  if (left ? p->trans_a != im->column : p->trans_b == im->column)
    return REFUSE(im, node, E_MODEL_UNSUPPORTED,
                  "%s would multiply across the rows of a batch: rows [batch, n] stand on the left "
                  "as they are, columns [n, batch] on the right",
                  left ? (p->trans_a ? "transA = 1" : "transA = 0")
                       : (p->trans_b ? "transB = 1" : "transB = 0"));
  float         *weight = NULL, *bias = NULL;
  tf_op_params_t params  = {0};
  uint64_t       outputs = 0;
  err                    = transpose(im, node, &m, &weight, &outputs);
  if (err) return err;
  params.weight_cnt = m.t->cnt;
  if (c && outputs <= TF_OP_WIDTH_MAX) {
    err = constant_floats(im, node, c, &bias_of);
    if (!err) err = spread(im, node, bias_of, (uint32_t)outputs, !left, p->beta, &bias);
    params.bias_cnt = outputs;
  }
  if (err) {
    free(weight);
    return err;
  }
  err        = tf_onnx_ops_add(im, node, "gemm", &params, weight, bias);
  im->column = !left;
  return err;
}

static tf_err_t import_gemm(tf_onnx_ops_t *im, const Onnx__NodeProto *node) {
  product_t p;
  int64_t   trans_a, trans_b;
  tf_err_t  err = tf_onnx_node_int(im->path, node, "transA", 0, &trans_a);
  if (!err) err = tf_onnx_node_int(im->path, node, "transB", 0, &trans_b);
  if (!err) err = tf_onnx_node_float(im->path, node, "alpha", 1.0f, &p.alpha);
  if (!err) err = tf_onnx_node_float(im->path, node, "beta", 1.0f, &p.beta);
  if (err) return err;
  p.trans_a = trans_a != 0;
  p.trans_b = trans_b != 0;
  p.is_gemm = true;
  return import_product(im, node, &p);
}

static tf_err_t import_matmul(tf_onnx_ops_t *im, const Onnx__NodeProto *node) {
  return import_product(im, node, &(product_t){.alpha = 1.0f, .beta = 1.0f});
}

/* One op with one constant an element: the current value op constant. */
static tf_err_t append_constant(tf_onnx_ops_t *im, const Onnx__NodeProto *node, const char *op_name,
                                float *values) {
  tf_op_params_t params = {.weight_cnt = im->graph->output_cnt};
  return tf_onnx_ops_add(im, node, op_name, &params, values, NULL);
}

static tf_err_t reciprocals(const tf_onnx_ops_t *im, const Onnx__NodeProto *node, float *values) {
  for (uint32_t i = 0; i < im->graph->output_cnt; i++) {
    values[i] = 1.0f / values[i];
    if (!isnormal(values[i]))
      return REFUSE(im, node, E_MODEL_WEIGHTS, "element %u of its divisor has no reciprocal", i);
  }
  return TF_OK;
}

static tf_err_t import_binary(tf_onnx_ops_t *im, const Onnx__NodeProto *node) {
  const char *a = tf_onnx_node_input(node, 0), *b = tf_onnx_node_input(node, 1);
  if (!a || !b) return REFUSE(im, node, E_MODEL_FORMAT, "has %zu inputs", node->n_input);
  bool left = is_current(im, a);
  if (left && is_current(im, b))
    return REFUSE(im, node, E_MODEL_UNSUPPORTED, "combines \"%.80s\" with itself", a);
  const tf_onnx_tensor_t *t;
  float                  *values = NULL;
  tf_err_t                err    = constant_floats(im, node, left ? b : a, &t);
  if (!err && !left && !is_current(im, b)) err = constant_floats(im, node, b, &t);
  if (!err && !left && !is_current(im, b))
    err = REFUSE(im, node, E_MODEL_UNSUPPORTED, "has %s inputs only", "constant");
  bool sub = strcmp(node->op_type, "Sub") == 0, div = strcmp(node->op_type, "Div") == 0;
  if (!err && div && !left)
    err = REFUSE(im, node, E_MODEL_UNSUPPORTED, "divides a constant by \"%.80s\"", b);
  if (!err)
    err =
        spread(im, node, t, im->graph->output_cnt, im->column, sub && left ? -1.0f : 1.0f, &values);
  if (!err && div) err = reciprocals(im, node, values);
  if (!err && sub && !left) { /* c - x */
    float *minus = malloc(im->graph->output_cnt * sizeof *minus);
    if (!minus) err = TF_ERR(E_CORE_NO_MEMORY, "%s: a constant", im->path);
    for (uint32_t i = 0; minus && i < im->graph->output_cnt; i++) minus[i] = -1.0f;
    if (!err) err = append_constant(im, node, "mul", minus);
  }
  if (err) {
    free(values);
    return err;
  }
  bool adds = sub || strcmp(node->op_type, "Add") == 0;
  return append_constant(im, node, adds ? "add" : "mul", values);
}

/* The node's first input must be the chain's value. */
static tf_err_t want_current(const tf_onnx_ops_t *im, const Onnx__NodeProto *node) {
  const char             *name = tf_onnx_node_input(node, 0);
  const tf_onnx_tensor_t *t;
  if (is_current(im, name)) return TF_OK;
  if (!name) return REFUSE(im, node, E_MODEL_FORMAT, "has no %s", "input");
  tf_err_t err = constant_floats(im, node, name, &t);
  return err ? err : REFUSE(im, node, E_MODEL_UNSUPPORTED, "works on constant \"%.80s\"", name);
}

static tf_err_t import_activation(tf_onnx_ops_t *im, const Onnx__NodeProto *node) {
  static const char *const names[][2] = {
      {"Relu",      "relu"      },
      {"LeakyRelu", "leaky_relu"},
      {"Tanh",      "tanh"      },
      {"Sigmoid",   "sigmoid"   }
  };
  tf_op_params_t params = {0};
  const char    *name   = NULL;
  tf_err_t       err    = want_current(im, node);
  for (size_t i = 0; i < TF_ARRAY_CNT(names); i++)
    if (strcmp(node->op_type, names[i][0]) == 0) name = names[i][1];
  if (!err && strcmp(node->op_type, "LeakyRelu") == 0)
    err = tf_onnx_node_float(im->path, node, "alpha", 0.01f, &params.alpha);
  return err ? err : tf_onnx_ops_add(im, node, name, &params, NULL, NULL);
}

static tf_err_t import_softmax(tf_onnx_ops_t *im, const Onnx__NodeProto *node) {
  int64_t  axis;
  tf_err_t err = want_current(im, node);
  if (!err) err = tf_onnx_node_int(im->path, node, "axis", im->opset < 13 ? 1 : -1, &axis);
  if (err) return err;
  int64_t rank = (int64_t)strlen(im->axes);
  if (rank > 2 && (im->opset < 13 || im->axes[rank - 1] != 'F'))
    return REFUSE(im, node, E_MODEL_UNSUPPORTED, "over a window whose axes are %s", im->axes);
  if (axis != (im->column ? 0 : rank - 1) && axis != (im->column ? -2 : -1))
    return REFUSE(im, node, E_MODEL_UNSUPPORTED, "axis %lld runs across the rows of a batch",
                  (long long)axis);
  if (im->column && im->opset < 13)
    return REFUSE(im, node, E_MODEL_UNSUPPORTED, "of a %s below operator set 13", "column");
  return tf_onnx_ops_add(im, node, "softmax", &(tf_op_params_t){0}, NULL, NULL);
}

/* Bounds are attributes below set 11, inputs from there on. */
static tf_err_t import_clip(tf_onnx_ops_t *im, const Onnx__NodeProto *node) {
  tf_op_params_t    params     = {.alpha = -FLT_MAX, .beta = FLT_MAX};
  float *const      targets[2] = {&params.alpha, &params.beta};
  const char *const names[2]   = {"min", "max"};
  tf_err_t          err        = want_current(im, node);
  for (size_t i = 0; i < 2 && !err; i++) {
    const tf_onnx_tensor_t *t;
    const char             *name = tf_onnx_node_input(node, i + 1);
    if (im->opset < 11) {
      err = tf_onnx_node_float(im->path, node, names[i], *targets[i], targets[i]);
      if (!err && node->n_input > 1)
        err = REFUSE(im, node, E_MODEL_FORMAT, "has %zu inputs", node->n_input);
      continue;
    }
    if (node->n_attribute)
      return REFUSE(im, node, E_MODEL_FORMAT,
                    "has attributes; operator set %lld gives its bounds "
                    "as inputs",
                    (long long)im->opset);
    if (!name) continue;
    err = constant_floats(im, node, name, &t);
    if (!err && t->cnt != 1)
      err = REFUSE(im, node, E_MODEL_SHAPE, "its %s has %llu values", names[i],
                   (unsigned long long)t->cnt);
    if (!err) *targets[i] = t->values[0];
  }
  return err ? err : tf_onnx_ops_add(im, node, "clip", &params, NULL, NULL);
}

/* Nodes that hand on their input: the chain's value, or a constant under a second name. */
static tf_err_t pass_on(tf_onnx_ops_t *im, const Onnx__NodeProto *node) {
  const char             *name = tf_onnx_node_input(node, 0);
  const tf_onnx_tensor_t *t    = name ? tf_onnx_tensor_find(&im->constants, name) : NULL;
  if (t && t->values) return tf_onnx_tensor_add_alias(&im->constants, node->output[0], t);
  tf_err_t err = want_current(im, node);
  if (!err) im->current = node->output[0];
  return err;
}

static tf_err_t import_cast(tf_onnx_ops_t *im, const Onnx__NodeProto *node) {
  int64_t  to;
  tf_err_t err = tf_onnx_node_int(im->path, node, "to", 0, &to);
  if (!err && (to < 0 || to > INT32_MAX || !tf_onnx_tensor_is_float((int32_t)to)))
    err = REFUSE(im, node, E_MODEL_UNSUPPORTED, "casts to type %lld; kinds of float are supported",
                 (long long)to);
  return err ? err : pass_on(im, node);
}

static tf_err_t import_flatten(tf_onnx_ops_t *im, const Onnx__NodeProto *node) {
  int64_t  axis;
  tf_err_t err = tf_onnx_node_int(im->path, node, "axis", 1, &axis);
  if (!err) err = want_current(im, node);
  if (!err && strlen(im->axes) > 2) return tf_onnx_sequence_flatten(im, node, axis);
  if (!err && (im->column || (axis != 1 && axis != -1)))
    err = REFUSE(im, node, E_MODEL_UNSUPPORTED, "axis %lld would change the rows", (long long)axis);
  return err ? err : pass_on(im, node);
}

/* [-1, w], [0, w], [1, w], [0, -1] and the like: rows stay rows. */
static tf_err_t import_reshape(tf_onnx_ops_t *im, const Onnx__NodeProto *node) {
  const char             *name = tf_onnx_node_input(node, 1);
  const tf_onnx_tensor_t *t    = name ? tf_onnx_tensor_find(&im->constants, name) : NULL;
  int64_t                 allow_zero;
  tf_err_t                err = want_current(im, node);
  if (!err) err = tf_onnx_node_int(im->path, node, "allowzero", 0, &allow_zero);
  if (err) return err;
  if (strlen(im->axes) > 2) return tf_onnx_sequence_reshape(im, node, t);
  if (!t || !t->ints)
    return REFUSE(im, node, E_MODEL_UNSUPPORTED, "its shape is no %s", "INT64 constant");
  bool same = !im->column && t->rank == 1 && t->cnt == 2;
  if (same) {
    int64_t batch = t->ints[0], width = t->ints[1];
    same = (batch == -1 || batch == 1 || (batch == 0 && !allow_zero)) &&
           (width == (int64_t)im->graph->output_cnt || (width == -1 && batch != -1) ||
            (width == 0 && !allow_zero));
  }
  if (!same)
    return REFUSE(im, node, E_MODEL_UNSUPPORTED,
                  "would change the row of %u values; only shapes like [-1, %u] are supported",
                  im->graph->output_cnt, im->graph->output_cnt);
  im->current = node->output[0];
  return TF_OK;
}

static tf_err_t import_constant(tf_onnx_ops_t *im, const Onnx__NodeProto *node) {
  const char                 *name = node->output[0];
  const Onnx__AttributeProto *a    = node->n_attribute == 1 ? node->attribute[0] : NULL;
  const char                 *kind = a && a->name ? a->name : "";
  tf_onnx_tensors_t          *all  = &im->constants;
  if (strcmp(kind, "value") == 0 && a->t) return tf_onnx_tensor_add(all, name, a->t);
  if (strcmp(kind, "value_float") == 0 && a->has_f)
    return tf_onnx_tensor_add_list(all, name, 0, 1, &a->f, NULL);
  if (strcmp(kind, "value_floats") == 0 && a->n_floats)
    return tf_onnx_tensor_add_list(all, name, 1, a->n_floats, a->floats, NULL);
  if (strcmp(kind, "value_int") == 0 && a->has_i)
    return tf_onnx_tensor_add_list(all, name, 0, 1, NULL, &a->i);
  if (strcmp(kind, "value_ints") == 0 && a->n_ints)
    return tf_onnx_tensor_add_list(all, name, 1, a->n_ints, NULL, a->ints);
  return REFUSE(im, node, E_MODEL_UNSUPPORTED,
                "holds \"%.32s\"; one of value, value_float, value_floats, value_int, value_ints "
                "is supported",
                kind);
}

typedef struct onnx_op {
  const char *type;
  tf_err_t (*import)(tf_onnx_ops_t *im, const Onnx__NodeProto *node);
  size_t      input_cnt_max;
  const char *attributes; /* names, each between blanks */
} onnx_op_t;

#define RECURRENT_ATTRIBUTES                                                                       \
  " hidden_size direction layout activations input_forget linear_before_reset "

static const onnx_op_t onnx_ops[] = {
    {"Add",             import_binary,              2,                           ""                                                     },
    {"Cast",            import_cast,                1,                           " to saturate "                                        },
    {"Clip",            import_clip,                3,                           " min max "                                            },
    {"Concat",          tf_onnx_sequence_concat,    TF_ONNX_SEQUENCE_CONCAT_MAX, " axis "                                               },
    {"Constant",        import_constant,            0,                           " value value_float value_floats value_int value_ints "},
    {"ConstantOfShape", tf_onnx_sequence_aside,     1,                           " value "                                              },
    {"Div",             import_binary,              2,                           ""                                                     },
    {"Expand",          tf_onnx_sequence_aside,     2,                           ""                                                     },
    {"Flatten",         import_flatten,             1,                           " axis "                                               },
    {"GRU",             tf_onnx_sequence_recurrent, 6,                           RECURRENT_ATTRIBUTES                                   },
    {"Gather",          tf_onnx_sequence_gather,    2,                           " axis "                                               },
    {"Gemm",            import_gemm,                3,                           " alpha beta transA transB "                           },
    {"Identity",        pass_on,                    1,                           ""                                                     },
    {"LSTM",            tf_onnx_sequence_recurrent, 8,                           RECURRENT_ATTRIBUTES                                   },
    {"LeakyRelu",       import_activation,          1,                           " alpha "                                              },
    {"MatMul",          import_matmul,              2,                           ""                                                     },
    {"Mul",             import_binary,              2,                           ""                                                     },
    {"Relu",            import_activation,          1,                           ""                                                     },
    {"Reshape",         import_reshape,             2,                           " allowzero "                                          },
    {"Shape",           tf_onnx_sequence_aside,     1,                           " start end "                                          },
    {"Sigmoid",         import_activation,          1,                           ""                                                     },
    {"Slice",           tf_onnx_sequence_slice,     5,                           ""                                                     },
    {"Softmax",         import_softmax,             1,                           " axis "                                               },
    {"Squeeze",         tf_onnx_sequence_squeeze,   2,                           " axes "                                               },
    {"Sub",             import_binary,              2,                           ""                                                     },
    {"Tanh",            import_activation,          1,                           ""                                                     },
    {"Transpose",       tf_onnx_sequence_transpose, 1,                           " perm "                                               },
    {"Unsqueeze",       tf_onnx_sequence_aside,     2,                           " axes "                                               },
};

tf_err_t tf_onnx_ops_append(tf_onnx_ops_t *im, const Onnx__NodeProto *node) {
  const char      *type = node->op_type ? node->op_type : "";
  const onnx_op_t *op   = NULL;
  for (size_t i = 0; i < TF_ARRAY_CNT(onnx_ops); i++)
    if (strcmp(onnx_ops[i].type, type) == 0) op = &onnx_ops[i];
  bool standard = tf_onnx_node_is_standard(node);
  if (!op || !standard)
    return REFUSE(im, node, E_MODEL_UNSUPPORTED, "is not supported%s%.40s; " SUPPORTED,
                  standard ? "" : " in domain ", standard ? "" : node->domain);
  size_t output_cnt_max = op->import == tf_onnx_sequence_recurrent ? 3 : 1;
  if (node->n_output == 0 || node->n_output > output_cnt_max || !node->output[0] ||
      (!node->output[0][0] && output_cnt_max == 1))
    return REFUSE(im, node, E_MODEL_FORMAT, "has %zu outputs, one with a name is wanted",
                  node->n_output);
  if (node->n_input > op->input_cnt_max)
    return REFUSE(im, node, E_MODEL_FORMAT, "has %zu inputs, at most %zu are defined",
                  node->n_input, op->input_cnt_max);
  for (size_t i = 0; i < node->n_output; i++)
    if (tf_onnx_tensor_find(&im->constants, node->output[i]) || is_current(im, node->output[i]))
      return REFUSE(im, node, E_MODEL_FORMAT, "gives \"%.80s\", which is there already",
                    node->output[i]);
  tf_err_t err = tf_onnx_node_takes(im->path, node, op->attributes);
  if (err) return err;
  if (tf_onnx_sequence_is_aside(im, node)) return tf_onnx_sequence_aside(im, node);
  err = tf_onnx_sequence_enter(im, node);
  return err ? err : op->import(im, node);
}
