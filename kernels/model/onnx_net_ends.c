/* Where the rows of features enter an ONNX graph, and where its answer leaves. */
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "model/onnx_net.h"
#include "tf/text.h"

/* An input's axes; 0 where the file leaves one open. */
typedef struct port {
  const char *name;
  uint32_t    rank;
  int64_t     dims[TF_TENSOR_RANK_MAX];
  uint32_t    columns;
  bool        turned; /* [.., columns, rows] */
} port_t;

static tf_err_t read_port(const tf_onnx_net_t *im, const Onnx__ValueInfoProto *info, port_t *port) {
  const Onnx__TypeProto__Tensor *type = NULL;
  if (info->type && info->type->value_case == ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE)
    type = info->type->tensor_type;
  if (!type || !type->has_elem_type || !tf_onnx_tensor_is_float(type->elem_type))
    return TF_ERR(E_MODEL_UNSUPPORTED, "%s: input \"%.80s\" is no tensor of floats", im->path,
                  info->name);
  size_t rank = type->shape ? type->shape->n_dim : 0;
  if (rank < 2 || rank > 4)
    return TF_ERR(E_MODEL_UNSUPPORTED,
                  "%s: input \"%.80s\" has rank %zu; [batch, n], [batch, rows, n] or [batch, 1, "
                  "rows, n] is wanted",
                  im->path, info->name, rank);
  *port = (port_t){.name = info->name, .rank = (uint32_t)rank};
  for (size_t i = 0; i < rank; i++) {
    const Onnx__TensorShapeProto__Dimension *dim = type->shape->dim[i];
    if (dim->value_case == ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE)
      port->dims[i] = dim->dim_value;
    if (port->dims[i] < 0 || port->dims[i] > (int64_t)TF_TENSOR_CNT_MAX)
      return TF_ERR(E_MODEL_SHAPE, "%s: input \"%.80s\": axis %zu is %lld", im->path, info->name, i,
                    (long long)port->dims[i]);
  }
  return TF_OK;
}

static bool is_constant(const tf_onnx_net_t *im, const char *name) {
  return tf_onnx_net_find(im, name) != TF_NET_NONE;
}

static tf_err_t read_ports(const tf_onnx_net_t *im, const Onnx__GraphProto *source, port_t *ports,
                           uint32_t *cnt) {
  *cnt = 0;
  for (size_t i = 0; i < source->n_input; i++) {
    const Onnx__ValueInfoProto *info = source->input[i];
    if (!info->name || !info->name[0])
      return TF_ERR(E_MODEL_FORMAT, "%s: an input without a name", im->path);
    if (is_constant(im, info->name)) continue;
    if (*cnt == TF_ONNX_NET_INPUT_CNT_MAX)
      return TF_ERR(E_MODEL_UNSUPPORTED, "%s: more than %u inputs", im->path,
                    TF_ONNX_NET_INPUT_CNT_MAX);
    tf_err_t err = read_port(im, info, &ports[(*cnt)++]);
    if (err) return err;
  }
  return *cnt ? TF_OK : TF_ERR(E_MODEL_FORMAT, "%s: no input", im->path);
}

/* How many columns an input has, and rows: 1, or those of the window; 0 where open. One feature and a row of several
 * values is a window of that feature; the axes of a lone window may be turned. */
static void read_axes(port_t *p, uint32_t feature_cnt, bool lone, int64_t *rows) {
  const uint32_t last = p->rank - 1;
  *rows               = p->rank == 2 ? 1 : p->dims[last - 1];
  p->columns          = (uint32_t)p->dims[last];
  if (lone && p->rank == 3 && p->dims[0] == 0 && p->dims[1] == 1)
    *rows = 0; /* either could be the batch: --window says */
  if (lone && p->rank == 3 && p->dims[0] > 1 && p->dims[1] == 1)
    *rows = p->dims[0]; /* [rows, batch, n] */
  if (!lone) return;
  if (p->columns == 0) p->columns = feature_cnt;
  if (p->rank == 2 && feature_cnt == 1 && p->columns > 1) {
    *rows      = p->columns;
    p->columns = 1;
  } else if (p->rank == 3 && p->columns != feature_cnt && p->dims[1] == (int64_t)feature_cnt) {
    p->turned  = true;
    *rows      = p->dims[2];
    p->columns = feature_cnt;
  }
}

static tf_err_t find_window(const tf_onnx_net_t *im, port_t *ports, uint32_t cnt,
                            uint32_t feature_cnt, uint32_t *window) {
  uint64_t columns = 0;
  int64_t  found   = 1;
  for (uint32_t i = 0; i < cnt; i++) {
    int64_t rows;
    read_axes(&ports[i], feature_cnt, cnt == 1, &rows);
    columns += ports[i].columns;
    if (rows == 0) rows = im->window;
    if (rows == 0)
      return TF_ERR(
          E_MODEL_SHAPE,
          "%s: input \"%.80s\" leaves the number of rows in a window open: say --window N",
          im->path, ports[i].name);
    if (rows != 1 && found != 1 && rows != found)
      return TF_ERR(E_MODEL_SHAPE, "%s: inputs of %lld and of %lld rows", im->path,
                    (long long)found, (long long)rows);
    if (rows != 1) found = rows;
  }
  if (columns != feature_cnt)
    return TF_ERR(E_MODEL_SCHEMA,
                  "%s: input%s \"%.80s\"%s take%s %llu values, %u feature%s given: name one for "
                  "each, in the order of training",
                  im->path, cnt == 1 ? "" : "s", ports[0].name, cnt == 1 ? "" : " and so on",
                  cnt == 1 ? "s" : "", (unsigned long long)columns, feature_cnt,
                  feature_cnt == 1 ? " was" : "s were");
  if (im->window && found != (int64_t)im->window)
    return TF_ERR(E_MODEL_SHAPE, "%s: a window of %u rows was asked for, the file says %lld",
                  im->path, im->window, (long long)found);
  if (found > (int64_t)TF_GRAPH_WINDOW_MAX)
    return TF_ERR(E_MODEL_SHAPE, "%s: a window of %lld rows; 1 to %u are allowed", im->path,
                  (long long)found, TF_GRAPH_WINDOW_MAX);
  *window = (uint32_t)found;
  return TF_OK;
}

/* Its columns of the window, from first on; of the last row alone where it is a row. */
static tf_err_t enter_port(tf_onnx_net_t *im, const Onnx__NodeProto *as, const port_t *p,
                           uint32_t window, uint32_t feature_cnt, uint32_t first) {
  const bool        one  = p->rank == 2 && !(window > 1 && p->dims[1] == window && p->columns == 1);
  const uint32_t    rows = one ? 1 : window;
  tf_onnx_operand_t o    = {
         .shape = {.rank = 2, .dims = {window, feature_cnt}, .cnt = window * feature_cnt},
         .value = TF_NET_INPUT
  };
  uint32_t at, out;
  tf_err_t err = tf_onnx_net_claim(im, &o, &at);
  if (!err && (rows != window || p->columns != feature_cnt)) {
    const int64_t  ints[6] = {window - rows, rows, 1, first, p->columns, 1};
    tf_onnx_emit_t emit    = {.op = "slice", .in = &at, .in_cnt = 1, .ints = ints, .int_cnt = 6};
    err                    = tf_onnx_net_emit(im, as, &emit, &out);
    at                     = out;
  }
  if (!err && p->turned) {
    err = tf_onnx_net_transpose(im, as, at, (const uint32_t[2]){1, 0}, &out);
    at  = out;
  }
  tf_tensor_shape_t shape = {
      .rank = p->rank, .dims = {1, 1, 1, 1}
  };
  shape.dims[p->rank - 1] = p->turned ? rows : p->columns;
  if (p->rank > 2) shape.dims[p->rank - 2] = p->turned ? p->columns : rows;
  if (p->rank == 2 && !one) shape.dims[1] = rows;
  if (p->rank == 3 && p->dims[0] != 1 && p->dims[1] == 1) shape.dims[0] = rows, shape.dims[1] = 1;
  if (!err) err = tf_onnx_net_reshape(im, as, at, &shape, &out);
  if (!err) im->operands[out].name = p->name;
  return err;
}

tf_err_t tf_onnx_net_enter(tf_onnx_net_t *im, const Onnx__GraphProto *source,
                           uint32_t feature_cnt) {
  port_t          ports[TF_ONNX_NET_INPUT_CNT_MAX];
  Onnx__NodeProto as = ONNX__NODE_PROTO__INIT;
  uint32_t        cnt, window = 1, first = 0;
  char            input[] = "input", none[] = "Input";
  as.name      = input;
  as.op_type   = none;
  tf_err_t err = read_ports(im, source, ports, &cnt);
  if (!err) err = find_window(im, ports, cnt, feature_cnt, &window);
  if (!err) err = tf_net_new(window, feature_cnt, &im->net);
  for (uint32_t i = 0; i < cnt && !err; i++) {
    err = enter_port(im, &as, &ports[i], window, feature_cnt, first);
    first += ports[i].columns;
  }
  return err;
}

/* ---- texts ---- */

enum { TEXT_TOKEN, TEXT_MASK, TEXT_COLUMNS };

/* The column of the window that an input is, by its name; TEXT_COLUMNS: it is 0. */
static uint32_t text_column(const char *name) {
  if (strstr(name, "mask")) return TEXT_MASK;
  return strstr(name, "type") || strstr(name, "segment") ? TEXT_COLUMNS : TEXT_TOKEN;
}

static tf_err_t enter_column(tf_onnx_net_t *im, const Onnx__NodeProto *as, uint32_t column,
                             uint32_t *out) {
  const tf_tensor_shape_t row = {
      .rank = 2, .dims = {1, im->window},
           .cnt = im->window
  };
  const int64_t     ints[] = {0, im->window, 1, column, 1, 1};
  tf_onnx_operand_t o      = {
           .shape = {.rank = 2, .dims = {im->window, TEXT_COLUMNS}, .cnt = im->window * TEXT_COLUMNS},
           .value = TF_NET_INPUT
  };
  uint32_t at;
  if (column == TEXT_COLUMNS)
    return tf_onnx_net_constant(im, &row, calloc(im->window, sizeof(double)), true, out);
  tf_err_t       err  = tf_onnx_net_claim(im, &o, &at);
  tf_onnx_emit_t emit = {.op = "slice", .in = &at, .in_cnt = 1, .ints = ints, .int_cnt = 6};
  if (!err) err = tf_onnx_net_emit(im, as, &emit, &at);
  return err ? err : tf_onnx_net_reshape(im, as, at, &row, out);
}

tf_err_t tf_onnx_net_enter_text(tf_onnx_net_t *im, const Onnx__GraphProto *source) {
  Onnx__NodeProto as                         = ONNX__NODE_PROTO__INIT;
  bool            is_there[TEXT_COLUMNS + 1] = {false};
  char            input[] = "input", none[] = "Input";
  as.name      = input;
  as.op_type   = none;
  tf_err_t err = tf_net_new(im->window, TEXT_COLUMNS, &im->net);
  for (size_t i = 0; i < source->n_input && !err; i++) {
    const char *name = source->input[i]->name;
    uint32_t    out;
    if (!name || !name[0]) return TF_ERR(E_MODEL_FORMAT, "%s: an input without a name", im->path);
    if (is_constant(im, name)) continue;
    const uint32_t column = text_column(name);
    if (is_there[column])
      return TF_ERR(E_MODEL_UNSUPPORTED,
                    "%s: input \"%.80s\": tokens, a mask (a name with \"mask\") and types (with "
                    "\"type\" or \"segment\") are taken, one of each",
                    im->path, name);
    is_there[column] = true;
    err              = enter_column(im, &as, column, &out);
    if (!err) im->operands[out].name = name;
  }
  if (!err && !(is_there[TEXT_TOKEN] && is_there[TEXT_MASK]))
    err = TF_ERR(E_MODEL_UNSUPPORTED, "%s: a text's model has inputs of tokens and of a mask",
                 im->path);
  return err;
}

/* Of two classes the second one's probability is the score. */
static tf_err_t second_class(tf_onnx_net_t *im, const Onnx__GraphProto *source, uint32_t *output) {
  if (im->operands[*output].shape.cnt != 2) return TF_OK;
  const Onnx__NodeProto *node    = source->node[source->n_node - 1];
  tf_tensor_shape_t      flat    = {.rank = 1, .dims = {2}};
  const int64_t          ints[3] = {1, 1, 1};
  uint32_t               at;
  tf_err_t               err  = tf_onnx_net_reshape(im, node, *output, &flat, &at);
  tf_onnx_emit_t         emit = {.op = "slice", .in = &at, .in_cnt = 1, .ints = ints, .int_cnt = 3};
  return err ? err : tf_onnx_net_emit(im, node, &emit, output);
}

/* Whether any node makes new values. */
static bool computes(const tf_net_t *net) {
  for (uint32_t i = 0; i < net->node_cnt; i++)
    if (!net->nodes[i].use.op->is_view) return true;
  return false;
}

static tf_err_t check_width(const tf_onnx_net_t *im, uint32_t width, bool is_text) {
  if (width <= (is_text ? TF_TEXT_OUTPUTS_MAX : TF_MODEL_OUTPUTS_MAX)) return TF_OK;
  if (is_text)
    return TF_ERR(E_MODEL_SHAPE,
                  "%s: its output is %u wide; at most %u are allowed: labels and embedding",
                  im->path, width, TF_TEXT_OUTPUTS_MAX);
  return TF_ERR(E_MODEL_SHAPE,
                "%s: its output is %u wide; at most %d are allowed: 1 (a score) or 3 (p10, p50, "
                "p90) for each step ahead",
                im->path, width, TF_MODEL_OUTPUTS_MAX);
}

tf_err_t tf_onnx_net_leave(tf_onnx_net_t *im, const Onnx__GraphProto *source,
                           const tf_onnx_output_t *wanted, bool is_text) {
  char     text[TF_TENSOR_SHAPE_TEXT_BYTES];
  uint32_t output = tf_onnx_net_find(im, wanted->name);
  if (output == TF_NET_NONE)
    return TF_ERR(E_MODEL_UNSUPPORTED, "%s: its output is \"%.80s\", which no node gives", im->path,
                  wanted->name);
  tf_err_t err = wanted->beside_labels ? second_class(im, source, &output) : TF_OK;
  if (err) return err;
  const tf_onnx_operand_t *o = &im->operands[output];
  if (o->wide) return TF_ERR(E_MODEL_UNSUPPORTED, "%s: its output is a constant", im->path);
  err = check_width(im, o->shape.cnt, is_text);
  if (err) return err;
  if (o->value == TF_NET_INPUT || im->net->node_cnt == 0)
    return TF_ERR(E_MODEL_UNSUPPORTED, "%s: its output is its input", im->path);
  if (o->shape.rank >= 2 && o->shape.dims[0] != 1)
    return TF_ERR(E_MODEL_SHAPE, "%s: its output is %s for a batch of one window; [1, n] is wanted",
                  im->path, tf_tensor_shape_text(&o->shape, text));
  err = tf_net_end(im->net, o->value);
  if (!err && !computes(im->net))
    return TF_ERR(E_MODEL_UNSUPPORTED, "%s: its output is its input", im->path);
  return err ? tf_error_add(err, "importing %s", im->path) : TF_OK;
}
