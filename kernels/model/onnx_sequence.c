#include "model/onnx_sequence.h"

#include <math.h>
#include <string.h>

#include "core/error.h"

#define REFUSE TF_ONNX_REFUSE

/* ---- axes ---- */

static int64_t axis_cnt(const tf_onnx_ops_t *im) { return (int64_t)strlen(im->axes); }

static void drop_axis(tf_onnx_ops_t *im, int64_t axis) {
  memmove(im->axes + axis, im->axes + axis + 1, strlen(im->axes + axis));
}

/* The input's outer axes, unknown so far, are what outer says; the window is as long as the one called
 * T. */
static tf_err_t resolve(tf_onnx_ops_t *im, const Onnx__NodeProto *node, const char *outer) {
  if (im->axes[0] != '?') return TF_OK;
  int64_t size = im->sizes[outer[0] == 'T' ? 0 : 1];
  if (size == 0 && im->window == 0)
    return REFUSE(im, node, E_MODEL_SHAPE,
                  "%s leaves the number of rows in a window open: say --window N", im->path);
  if (size != 0 && im->window != 0 && size != (int64_t)im->window)
    return REFUSE(im, node, E_MODEL_SHAPE, "a window of %u rows was asked for, the file says %lld",
                  im->window, (long long)size);
  if (size == 0) size = im->window;
  if (size < 2 || size > (int64_t)TF_GRAPH_WINDOW_MAX)
    return REFUSE(im, node, E_MODEL_SHAPE, "a window of %lld rows; 2 to %u are allowed",
                  (long long)size, TF_GRAPH_WINDOW_MAX);
  tf_err_t err = tf_graph_set_window(im->graph, (uint32_t)size);
  if (err) return tf_error_add(err, "importing %s", im->path);
  im->axes[0] = outer[0];
  im->axes[1] = outer[1];
  return TF_OK;
}

static bool is_current(const tf_onnx_ops_t *im, const char *name) {
  return name && strcmp(name, im->current) == 0;
}

static tf_err_t want_current(const tf_onnx_ops_t *im, const Onnx__NodeProto *node) {
  const char *name = tf_onnx_node_input(node, 0);
  if (is_current(im, name)) return TF_OK;
  return REFUSE(im, node, E_MODEL_UNSUPPORTED,
                "it reads \"%.80s\", which is not the result of the node before (\"%.80s\"); only "
                "chains are supported, in order, without branches",
                name ? name : "", im->current);
}

/* Integers of an input that is a constant; E_MODEL_UNSUPPORTED for any other. */
static tf_err_t constant_ints(const tf_onnx_ops_t *im, const Onnx__NodeProto *node, size_t input,
                              const tf_onnx_tensor_t **t) {
  const char *name = tf_onnx_node_input(node, input);
  *t               = name ? tf_onnx_tensor_find(&im->constants, name) : NULL;
  if (*t && (*t)->ints && (*t)->cnt > 0 && (*t)->rank <= 1) return TF_OK;
  return REFUSE(im, node, E_MODEL_UNSUPPORTED, "its input %zu is no list of INT64 constants",
                input);
}

static tf_err_t normal_axis(const tf_onnx_ops_t *im, const Onnx__NodeProto *node, int64_t *axis) {
  if (*axis < 0) *axis += axis_cnt(im);
  if (*axis >= 0 && *axis < axis_cnt(im)) return TF_OK;
  return REFUSE(im, node, E_MODEL_SHAPE, "axis %lld of a value with %lld", (long long)*axis,
                (long long)axis_cnt(im));
}

/* ---- recurrent nodes ---- */

static tf_err_t check_text_attribute(const tf_onnx_ops_t *im, const Onnx__NodeProto *node,
                                     const char *name, const char *wanted) {
  const Onnx__AttributeProto *a;
  tf_err_t                    err = tf_onnx_node_attribute(im->path, node, name,
                                                           ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__STRING, &a);
  if (err || !a) return err;
  if (a->s.len == strlen(wanted) && memcmp(a->s.data, wanted, a->s.len) == 0) return TF_OK;
  return REFUSE(im, node, E_MODEL_UNSUPPORTED, "%s %.*s; only %s is supported", name,
                (int)(a->s.len < 32 ? a->s.len : 32), (const char *)a->s.data, wanted);
}

static bool same_word(const ProtobufCBinaryData *text, const char *word) {
  return text->len == strlen(word) && strncasecmp((const char *)text->data, word, text->len) == 0;
}

static tf_err_t check_activations(const tf_onnx_ops_t *im, const Onnx__NodeProto *node) {
  static const char *const    usual[] = {"Sigmoid", "Tanh", "Tanh"};
  const size_t                cnt     = strcmp(node->op_type, "LSTM") == 0 ? 3 : 2;
  const Onnx__AttributeProto *a;
  tf_err_t                    err = tf_onnx_node_attribute(im->path, node, "activations",
                                                           ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__STRINGS, &a);
  if (err || !a) return err;
  bool same = a->n_strings == cnt;
  for (size_t i = 0; i < cnt && same; i++) same = same_word(&a->strings[i], usual[i]);
  return same ? TF_OK
              : REFUSE(im, node, E_MODEL_UNSUPPORTED, "its activations are not %s",
                       cnt == 3 ? "Sigmoid, Tanh, Tanh" : "Sigmoid, Tanh");
}

static tf_err_t check_attributes(const tf_onnx_ops_t *im, const Onnx__NodeProto *node,
                                 int64_t *layout) {
  int64_t  reset = 1, forget = 0;
  tf_err_t err = check_text_attribute(im, node, "direction", "forward");
  if (!err) err = check_activations(im, node);
  if (!err) err = tf_onnx_node_int(im->path, node, "layout", 0, layout);
  if (!err) err = tf_onnx_node_int(im->path, node, "input_forget", 0, &forget);
  if (!err && strcmp(node->op_type, "GRU") == 0)
    err = tf_onnx_node_int(im->path, node, "linear_before_reset", 0, &reset);
  if (!err && (forget != 0 || reset == 0))
    err = REFUSE(im, node, E_MODEL_UNSUPPORTED, "%s is not supported",
                 forget ? "input_forget = 1" : "linear_before_reset = 0 (PyTorch exports 1)");
  return err;
}

static tf_onnx_aside_t aside_kind(const tf_onnx_ops_t *im, const char *name) {
  for (uint32_t i = 0; name && i < im->aside_cnt; i++)
    if (strcmp(im->asides[i].name, name) == 0) return im->asides[i].kind;
  return TF_ONNX_ASIDE_NONE;
}

static bool is_zero_constant(const tf_onnx_ops_t *im, const char *name) {
  const tf_onnx_tensor_t *t = name ? tf_onnx_tensor_find(&im->constants, name) : NULL;
  if (!t || !t->values) return false;
  for (uint64_t i = 0; i < t->cnt; i++)
    if (t->values[i] != 0.0f) return false;
  return true;
}

/* sequence_lens, peepholes and states other than zero change what a window means. */
static tf_err_t check_inputs(const tf_onnx_ops_t *im, const Onnx__NodeProto *node) {
  static const char *const names[] = {"sequence_lens", "initial_h", "initial_c", "peepholes (P)"};
  for (size_t i = 4; i < node->n_input; i++) {
    const char *name = tf_onnx_node_input(node, i);
    if (!name) continue;
    bool zeros = is_zero_constant(im, name) || aside_kind(im, name) == TF_ONNX_ASIDE_ZEROS;
    if (i == 4 || i > 7 || !zeros)
      return REFUSE(im, node, E_MODEL_UNSUPPORTED,
                    "its %s, \"%.80s\": a window begins with a state of zeros and has all its rows",
                    names[(i - 4) % TF_ARRAY_CNT(names)], name);
  }
  return TF_OK;
}

/* W, R and B of a node, checked: [1, gates * units, n], [1, gates * units, units], [1, 2 * gates * units]. */
typedef struct recurrent {
  const tf_onnx_tensor_t *w, *r, *b; /* b may be NULL */
  uint32_t                in_cnt, units, gate_cnt;
} recurrent_t;

static tf_err_t read_constant(const tf_onnx_ops_t *im, const Onnx__NodeProto *node, size_t input,
                              const tf_onnx_tensor_t **t) {
  const char *name = tf_onnx_node_input(node, input);
  *t               = name ? tf_onnx_tensor_find(&im->constants, name) : NULL;
  if (*t && (*t)->values) return TF_OK;
  return REFUSE(im, node, E_MODEL_UNSUPPORTED, "its input %zu is no constant of floats", input);
}

static bool has_dims(const tf_onnx_tensor_t *t, uint32_t rank, uint64_t second, uint64_t third) {
  return t->rank == rank && t->dims[0] == 1 && t->dims[1] == second &&
         (rank == 2 || t->dims[2] == third);
}

static tf_err_t read_weights(const tf_onnx_ops_t *im, const Onnx__NodeProto *node,
                             recurrent_t *rec) {
  int64_t  hidden = 0;
  tf_err_t err    = read_constant(im, node, 1, &rec->w);
  if (!err) err = read_constant(im, node, 2, &rec->r);
  if (!err && tf_onnx_node_input(node, 3)) err = read_constant(im, node, 3, &rec->b);
  if (!err) err = tf_onnx_node_int(im->path, node, "hidden_size", 0, &hidden);
  if (err) return err;
  uint64_t units = rec->r->rank == 3 ? rec->r->dims[2] : 0;
  if (units == 0 || units > TF_OP_UNITS_MAX || (hidden != 0 && hidden != (int64_t)units))
    return REFUSE(im, node, E_MODEL_SHAPE, "%llu units, hidden_size %lld; 1 to %u are allowed",
                  (unsigned long long)units, (long long)hidden, TF_OP_UNITS_MAX);
  rec->units    = (uint32_t)units;
  rec->in_cnt   = im->graph->output_cnt;
  uint64_t rows = (uint64_t)rec->gate_cnt * units;
  if (!has_dims(rec->w, 3, rows, rec->in_cnt) || !has_dims(rec->r, 3, rows, units) ||
      (rec->b && !has_dims(rec->b, 2, 2 * rows, 0)))
    return REFUSE(im, node, E_MODEL_SHAPE,
                  "W [1, %llu, %u], R [1, %llu, %llu] and B [1, %llu] are wanted",
                  (unsigned long long)rows, rec->in_cnt, (unsigned long long)rows,
                  (unsigned long long)units, (unsigned long long)(2 * rows));
  return TF_OK;
}

static float no_denormal(float x) { return fpclassify(x) == FP_SUBNORMAL ? 0.0f : x; }

/* W and R side by side, and the two halves of B as op.h wants them: added, but for a GRU's last gate. */
static tf_err_t join_weights(const tf_onnx_ops_t *im, const recurrent_t *rec, float **weight,
                             float **bias) {
  const size_t rows = (size_t)rec->gate_cnt * rec->units, columns = rec->in_cnt + rec->units;
  const size_t apart = rec->gate_cnt < TF_OP_BIASES_A_UNIT ? rows - rec->units : rows;
  *weight            = malloc(rows * columns * sizeof **weight);
  *bias              = calloc((size_t)TF_OP_BIASES_A_UNIT * rec->units, sizeof **bias);
  if (!*weight || !*bias) return TF_ERR(E_CORE_NO_MEMORY, "%s: a recurrent layer", im->path);
  for (size_t row = 0; row < rows; row++) {
    memcpy(*weight + row * columns, rec->w->values + row * rec->in_cnt,
           rec->in_cnt * sizeof **weight);
    memcpy(*weight + row * columns + rec->in_cnt, rec->r->values + row * rec->units,
           rec->units * sizeof **weight);
    if (!rec->b) continue;
    float of_x = rec->b->values[row], of_h = rec->b->values[rows + row];
    (*bias)[row] = row < apart ? no_denormal(of_x + of_h) : of_x;
    if (row >= apart) (*bias)[row + rec->units] = of_h;
  }
  return TF_OK;
}

static tf_err_t append_recurrent(tf_onnx_ops_t *im, const Onnx__NodeProto *node) {
  const bool     lstm   = strcmp(node->op_type, "LSTM") == 0;
  const tf_op_t *op     = tf_op_find(lstm ? "lstm" : "gru");
  recurrent_t    rec    = {.gate_cnt = op->gate_cnt};
  float         *weight = NULL, *bias = NULL;
  tf_err_t       err = read_weights(im, node, &rec);
  if (!err) err = join_weights(im, &rec, &weight, &bias);
  if (err) {
    free(weight);
    free(bias);
    return err;
  }
  tf_op_params_t params = {.weight_cnt = (uint64_t)rec.gate_cnt * rec.units *
                                         ((uint64_t)rec.in_cnt + rec.units),
                           .bias_cnt = (uint64_t)TF_OP_BIASES_A_UNIT * rec.units};
  return tf_onnx_ops_add(im, node, op->name, &params, weight, bias);
}

tf_err_t tf_onnx_sequence_recurrent(tf_onnx_ops_t *im, const Onnx__NodeProto *node) {
  int64_t  layout = 0;
  tf_err_t err    = want_current(im, node);
  if (!err) err = check_attributes(im, node, &layout);
  if (!err) err = check_inputs(im, node);
  if (err) return err;
  const char *outer = layout ? "BT" : "TB";
  if (axis_cnt(im) == 3) err = resolve(im, node, outer);
  if (err) return err;
  if (axis_cnt(im) != 3 || strncmp(im->axes, outer, 2) != 0 || im->axes[2] != 'F')
    return REFUSE(im, node, E_MODEL_UNSUPPORTED,
                  "its input has the axes %s, %sF is wanted (B batch, T rows, F values)", im->axes,
                  outer);
  if (im->recurrent_cnt == TF_GRAPH_NODE_CNT_MAX)
    return REFUSE(im, node, E_MODEL_UNSUPPORTED, "more than %u layers", TF_GRAPH_NODE_CNT_MAX);
  err = append_recurrent(im, node);
  if (err) return err;
  im->hidden[im->recurrent_cnt++] =
      node->n_output > 1 && node->output[1][0] ? node->output[1] : NULL;
  snprintf(im->axes, sizeof im->axes, layout ? "BTDF" : "TDBF");
  im->d_cnt = 1;
  return TF_OK;
}

/* ---- the last state ---- */

static const char *last_hidden(const tf_onnx_ops_t *im) {
  return im->recurrent_cnt ? im->hidden[im->recurrent_cnt - 1] : NULL;
}

static tf_err_t take_last(tf_onnx_ops_t *im, const Onnx__NodeProto *node) {
  const char *current = im->current;
  tf_err_t    err     = tf_onnx_ops_add(im, node, "last", &(tf_op_params_t){0}, NULL, NULL);
  im->current         = current; /* the node itself moves it on */
  return err;
}

/* Only while the chain stands at that layer, whose rows are still there. */
static bool can_enter(const tf_onnx_ops_t *im) {
  return im->graph->row_cnt > 1 && im->graph->node_cnt > 0 &&
         im->graph->nodes[im->graph->node_cnt - 1].op->kind == TF_OP_KIND_RECURRENT;
}

tf_err_t tf_onnx_sequence_enter(tf_onnx_ops_t *im, const Onnx__NodeProto *node) {
  const char *hidden = last_hidden(im), *input = tf_onnx_node_input(node, 0);
  if (!hidden || !input || strcmp(hidden, input) != 0 || !can_enter(im) ||
      strcmp(node->op_type, "Concat") == 0)
    return TF_OK;
  tf_err_t err = take_last(im, node);
  if (err) return err;
  im->current = hidden;
  snprintf(im->axes, sizeof im->axes, im->axes[0] == 'B' ? "BDF" : "DBF");
  im->d_cnt = 1;
  return TF_OK;
}

/* h_n as PyTorch puts it together: the last states of all layers, of which the last one is used. */
tf_err_t tf_onnx_sequence_concat(tf_onnx_ops_t *im, const Onnx__NodeProto *node) {
  int64_t  axis = 0;
  tf_err_t err  = tf_onnx_node_int(im->path, node, "axis", 0, &axis);
  if (err) return err;
  bool all = axis == 0 && can_enter(im) && node->n_input == im->recurrent_cnt;
  for (size_t i = 0; i < node->n_input && all; i++) {
    const char *name = tf_onnx_node_input(node, i);
    all              = name && im->hidden[i] && strcmp(name, im->hidden[i]) == 0;
  }
  if (!all)
    return REFUSE(im, node, E_MODEL_UNSUPPORTED, "%s",
                  "only the last states of all recurrent layers, in their order, are put together");
  err = take_last(im, node);
  if (err) return err;
  im->current = node->output[0];
  snprintf(im->axes, sizeof im->axes, "DBF");
  im->d_cnt = im->recurrent_cnt;
  return TF_OK;
}

/* Whether index is the last of an axis. */
static bool is_last(const tf_onnx_ops_t *im, int64_t axis, int64_t index) {
  int64_t cnt = im->axes[axis] == 'T' ? im->graph->window : im->d_cnt;
  return index == -1 || index == cnt - 1;
}

tf_err_t tf_onnx_sequence_gather(tf_onnx_ops_t *im, const Onnx__NodeProto *node) {
  const tf_onnx_tensor_t *t;
  int64_t                 axis = 0;
  tf_err_t                err  = want_current(im, node);
  if (!err) err = tf_onnx_node_int(im->path, node, "axis", 0, &axis);
  if (!err) err = normal_axis(im, node, &axis);
  if (!err) err = constant_ints(im, node, 1, &t);
  if (err) return err;
  char name = im->axes[axis];
  if ((name != 'T' && name != 'D') || t->cnt != 1 || !is_last(im, axis, t->ints[0]) ||
      (name == 'T' && im->graph->row_cnt == 1))
    return REFUSE(
        im, node, E_MODEL_UNSUPPORTED,
        "takes index %lld of axis %lld of %s (B batch, T rows, F values, D layers); only the "
        "last row or layer is supported",
        (long long)t->ints[0], (long long)axis, im->axes);
  if (name == 'T') err = take_last(im, node);
  if (err) return err;
  if (t->rank == 0)
    drop_axis(im, axis);
  else
    im->axes[axis] = 'D';
  if (t->rank) im->d_cnt = 1;
  im->current = node->output[0];
  return TF_OK;
}

/* [-1:] along the rows. */
tf_err_t tf_onnx_sequence_slice(tf_onnx_ops_t *im, const Onnx__NodeProto *node) {
  const tf_onnx_tensor_t *starts, *ends, *axes, *steps = NULL;
  tf_err_t                err = want_current(im, node);
  if (!err) err = constant_ints(im, node, 1, &starts);
  if (!err) err = constant_ints(im, node, 2, &ends);
  if (!err) err = constant_ints(im, node, 3, &axes);
  if (!err && tf_onnx_node_input(node, 4)) err = constant_ints(im, node, 4, &steps);
  if (err) return err;
  int64_t axis = axes->ints[0];
  err          = normal_axis(im, node, &axis);
  if (err) return err;
  bool one = starts->cnt == 1 && ends->cnt == 1 && axes->cnt == 1;
  if (!one || im->axes[axis] != 'T' || im->graph->row_cnt == 1 ||
      !is_last(im, axis, starts->ints[0]) || ends->ints[0] < (int64_t)im->graph->window ||
      (steps && steps->ints[0] != 1))
    return REFUSE(im, node, E_MODEL_UNSUPPORTED,
                  "of %s along axis %lld; only [-1:] along the rows (T) is supported", im->axes,
                  (long long)axis);
  err = take_last(im, node);
  if (err) return err;
  im->axes[axis] = 'D';
  im->d_cnt      = 1;
  im->current    = node->output[0];
  return TF_OK;
}

/* ---- moving axes ---- */

tf_err_t tf_onnx_sequence_transpose(tf_onnx_ops_t *im, const Onnx__NodeProto *node) {
  const Onnx__AttributeProto *perm;
  char                        axes[TF_ONNX_AXES_MAX + 1] = "";
  uint32_t                    used                       = 0;
  tf_err_t                    err                        = want_current(im, node);
  if (!err)
    err = tf_onnx_node_attribute(im->path, node, "perm",
                                 ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INTS, &perm);
  if (err) return err;
  int64_t cnt = axis_cnt(im);
  if (cnt == 2 || !perm || (int64_t)perm->n_ints != cnt)
    return REFUSE(im, node, E_MODEL_UNSUPPORTED,
                  "of a value with %lld axes (%s) without perm for each", (long long)cnt, im->axes);
  for (int64_t i = 0; i < cnt; i++) {
    int64_t from = perm->ints[i];
    if (from < 0 || from >= cnt || (used & 1u << from))
      return REFUSE(im, node, E_MODEL_FORMAT, "perm[%lld] is %lld", (long long)i, (long long)from);
    used |= 1u << from;
    axes[i] = im->axes[from];
  }
  if (strcmp(im->axes, "??F") == 0) { /* turned or not, until a node tells */
    if (perm->ints[2] != 2)
      return REFUSE(im, node, E_MODEL_UNSUPPORTED, "%s", "moves the values of a row");
    if (perm->ints[0] == 1) {
      int64_t first = im->sizes[0];
      im->sizes[0]  = im->sizes[1];
      im->sizes[1]  = first;
    }
  } else {
    memcpy(im->axes, axes, sizeof axes);
  }
  im->current = node->output[0];
  return TF_OK;
}

tf_err_t tf_onnx_sequence_squeeze(tf_onnx_ops_t *im, const Onnx__NodeProto *node) {
  const Onnx__AttributeProto *a;
  const tf_onnx_tensor_t     *t    = NULL;
  int64_t                     axis = 0;
  tf_err_t                    err  = want_current(im, node);
  if (!err)
    err = tf_onnx_node_attribute(im->path, node, "axes",
                                 ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INTS, &a);
  if (!err && !a) err = constant_ints(im, node, 1, &t);
  if (err) return err;
  if ((a ? a->n_ints : t->cnt) != 1)
    return REFUSE(im, node, E_MODEL_UNSUPPORTED, "%s", "of more than one axis, or none");
  axis = a ? a->ints[0] : t->ints[0];
  err  = normal_axis(im, node, &axis);
  if (err) return err;
  if (im->axes[axis] != 'D' || im->d_cnt != 1)
    return REFUSE(im, node, E_MODEL_UNSUPPORTED,
                  "axis %lld of %s; only the axis of directions (D) is always 1", (long long)axis,
                  im->axes);
  drop_axis(im, axis);
  im->current = node->output[0];
  return TF_OK;
}

/* All rows side by side: the batch must come first, then the rows. */
static tf_err_t flatten_rows(tf_onnx_ops_t *im, const Onnx__NodeProto *node) {
  tf_err_t err = resolve(im, node, "BT");
  if (err) return err;
  if (strcmp(im->axes, "BTF") != 0)
    return REFUSE(im, node, E_MODEL_UNSUPPORTED, "of %s; BTF (batch, rows, values) is wanted",
                  im->axes);
  err = tf_onnx_ops_add(im, node, "flatten", &(tf_op_params_t){0}, NULL, NULL);
  if (!err) snprintf(im->axes, sizeof im->axes, "BF");
  return err;
}

tf_err_t tf_onnx_sequence_flatten(tf_onnx_ops_t *im, const Onnx__NodeProto *node, int64_t axis) {
  if (axis != 1 && axis != 1 - axis_cnt(im))
    return REFUSE(im, node, E_MODEL_UNSUPPORTED, "axis %lld would mix the rows of a batch",
                  (long long)axis);
  if (im->graph->row_cnt == 1 && im->axes[0] == 'B' && strchr(im->axes, 'D') && im->d_cnt == 1) {
    snprintf(im->axes, sizeof im->axes, "BF"); /* [batch, 1, n] */
    im->current = node->output[0];
    return TF_OK;
  }
  return flatten_rows(im, node);
}

/* The size that an axis has, 0 where it is open. */
static int64_t size_of(const tf_onnx_ops_t *im, char axis) {
  switch (axis) {
  case 'F': return im->graph->output_cnt;
  case 'T': return im->graph->window;
  default: return 0;
  }
}

/* Whether a constant shape names the axes (those of directions left out) as they are. */
static bool keeps_axes(const tf_onnx_ops_t *im, const tf_onnx_tensor_t *shape, const char *axes) {
  int open = 0;
  if (shape->rank != 1 || shape->cnt != strlen(axes)) return false;
  for (uint64_t i = 0; i < shape->cnt; i++) {
    int64_t want = shape->ints[i], size = size_of(im, axes[i]);
    open += want == -1;
    if (want < -1 || (want == 0 && im->axes[i] != axes[i]) || (want > 0 && size && want != size))
      return false;
  }
  return open <= 1;
}

tf_err_t tf_onnx_sequence_reshape(tf_onnx_ops_t *im, const Onnx__NodeProto *node,
                                  const tf_onnx_tensor_t *shape) {
  const char *name = tf_onnx_node_input(node, 1);
  char        axes[TF_ONNX_AXES_MAX + 1];
  uint32_t    cnt = 0;
  for (const char *c = im->axes; *c; c++)
    if (*c != 'D' || im->d_cnt != 1) axes[cnt++] = *c;
  axes[cnt] = 0;
  /* a shape made from shapes: all that exporters do that way is to join D with the values behind it */
  bool computed = !shape && aside_kind(im, name) == TF_ONNX_ASIDE_SHAPE && strstr(im->axes, "DF");
  if (computed || (shape && shape->ints && keeps_axes(im, shape, axes))) {
    memcpy(im->axes, axes, sizeof axes);
    im->current = node->output[0];
    return TF_OK;
  }
  bool flat = shape && shape->ints && shape->rank == 1 && shape->cnt == 2 &&
              (im->axes[0] == '?' || strcmp(im->axes, "BTF") == 0);
  if (flat) {
    tf_err_t err   = resolve(im, node, "BT");
    int64_t  width = (int64_t)im->graph->window * im->graph->output_cnt;
    if (err) return err;
    if (shape->ints[1] == width || (shape->ints[1] == -1 && shape->ints[0] != -1))
      return flatten_rows(im, node);
  }
  return REFUSE(
      im, node, E_MODEL_UNSUPPORTED,
      "of %s (B batch, T rows, F values, D directions) to a shape that neither keeps these "
      "axes nor puts all rows side by side",
      im->axes);
}

/* ---- beside the chain ---- */

/* A constant of integers, or of zeros: what shapes are put together with. */
static bool is_plain(const tf_onnx_ops_t *im, const char *name) {
  const tf_onnx_tensor_t *t = name ? tf_onnx_tensor_find(&im->constants, name) : NULL;
  return t && t->ints;
}

static bool is_one_of(const char *type, const char *const *types, size_t cnt) {
  for (size_t i = 0; i < cnt; i++)
    if (strcmp(type, types[i]) == 0) return true;
  return false;
}

bool tf_onnx_sequence_is_aside(const tf_onnx_ops_t *im, const Onnx__NodeProto *node) {
  static const char *const makers[] = {"Shape", "ConstantOfShape", "Expand", "Unsqueeze"};
  static const char *const users[]  = {"Gather", "Slice", "Concat", "Squeeze", "Reshape",
                                       "Mul",    "Add",   "Sub",    "Cast"};
  if (is_one_of(node->op_type, makers, TF_ARRAY_CNT(makers))) return true;
  if (!is_one_of(node->op_type, users, TF_ARRAY_CNT(users))) return false;
  const char *first = tf_onnx_node_input(node, 0);
  if (is_current(im, first)) return false;
  bool any = false;
  for (size_t i = 0; i < node->n_input; i++) {
    const char *name = tf_onnx_node_input(node, i);
    if (!name) continue;
    bool aside = aside_kind(im, name) != TF_ONNX_ASIDE_NONE;
    if (!aside && !is_plain(im, name)) return false;
    any = any || aside;
  }
  return any;
}

/* What a node beside the chain gives: sizes, or zeros. */
static tf_err_t kind_of(const tf_onnx_ops_t *im, const Onnx__NodeProto *node,
                        tf_onnx_aside_t *kind) {
  const char                 *first = tf_onnx_node_input(node, 0);
  const Onnx__AttributeProto *value = NULL;
  tf_err_t                    err   = TF_OK;
  *kind                             = TF_ONNX_ASIDE_SHAPE;
  if (strcmp(node->op_type, "Shape") == 0) return TF_OK;
  if (strcmp(node->op_type, "ConstantOfShape") == 0) {
    err   = tf_onnx_node_attribute(im->path, node, "value",
                                   ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__TENSOR, &value);
    *kind = TF_ONNX_ASIDE_ZEROS;
    if (!err && value && value->t) {
      const Onnx__TensorProto *t    = value->t;
      bool                     zero = true;
      for (size_t i = 0; i < t->raw_data.len; i++) zero = zero && t->raw_data.data[i] == 0;
      for (size_t i = 0; i < t->n_float_data; i++) zero = zero && t->float_data[i] == 0.0f;
      if (!zero || t->data_type != ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT)
        err = REFUSE(im, node, E_MODEL_UNSUPPORTED, "%s", "makes other values than zeros");
    }
    return err;
  }
  if (is_zero_constant(im, first) || aside_kind(im, first) == TF_ONNX_ASIDE_ZEROS)
    *kind = TF_ONNX_ASIDE_ZEROS;
  else if (!is_plain(im, first) && aside_kind(im, first) != TF_ONNX_ASIDE_SHAPE)
    err = REFUSE(im, node, E_MODEL_UNSUPPORTED,
                 "it works on \"%.80s\", which is neither a size nor "
                 "zeros",
                 first ? first : "");
  return err;
}

tf_err_t tf_onnx_sequence_aside(tf_onnx_ops_t *im, const Onnx__NodeProto *node) {
  tf_onnx_aside_t kind;
  tf_err_t        err = kind_of(im, node, &kind);
  if (err) return err;
  if (im->aside_cnt == TF_ONNX_ASIDE_CNT_MAX)
    return REFUSE(im, node, E_MODEL_UNSUPPORTED, "more than %u nodes about shapes",
                  TF_ONNX_ASIDE_CNT_MAX);
  im->asides[im->aside_cnt].name   = node->output[0];
  im->asides[im->aside_cnt++].kind = kind;
  return TF_OK;
}
