/* ONNX's recurrent layers: LSTM, GRU, RNN. */
#include <string.h>
#include <strings.h>

#include "core/error.h"
#include "model/onnx_net.h"

#define REFUSE TF_ONNX_REFUSE

static bool same_word(const ProtobufCBinaryData *text, const char *word) {
  return text->len == strlen(word) && strncasecmp((const char *)text->data, word, text->len) == 0;
}

static tf_err_t check_activations(const tf_onnx_net_t *im, const Onnx__NodeProto *node,
                                  uint32_t directions) {
  static const char *const of_lstm[] = {"Sigmoid", "Tanh", "Tanh"}, *const of_rnn[] = {"Tanh"};
  const bool                  rnn = strcmp(node->op_type, "RNN") == 0;
  const size_t                cnt = rnn ? 1 : strcmp(node->op_type, "LSTM") == 0 ? 3 : 2;
  const Onnx__AttributeProto *a;
  tf_err_t                    err = tf_onnx_node_attribute(im->path, node, "activations",
                                                           ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__STRINGS, &a);
  if (err || !a) return err;
  bool same = a->n_strings == cnt * directions;
  for (size_t i = 0; same && i < a->n_strings; i++)
    same = same_word(&a->strings[i], (rnn ? of_rnn : of_lstm)[i % cnt]);
  return same ? TF_OK
              : REFUSE(im, node, E_MODEL_UNSUPPORTED, "its activations are not %s",
                       rnn        ? "Tanh"
                       : cnt == 3 ? "Sigmoid, Tanh, Tanh"
                                  : "Sigmoid, Tanh");
}

static tf_err_t read_direction(const tf_onnx_net_t *im, const Onnx__NodeProto *node,
                               int64_t *direction) {
  static const char *const    names[] = {"forward", "reverse", "bidirectional"};
  const Onnx__AttributeProto *a;
  tf_err_t                    err = tf_onnx_node_attribute(im->path, node, "direction",
                                                           ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__STRING, &a);
  *direction                      = 0;
  if (err || !a) return err;
  for (*direction = 0; *direction < 3; ++*direction)
    if (a->s.len == strlen(names[*direction]) &&
        memcmp(a->s.data, names[*direction], a->s.len) == 0)
      return TF_OK;
  return REFUSE(im, node, E_MODEL_UNSUPPORTED,
                "direction %.*s; forward, reverse and bidirectional are supported",
                (int)(a->s.len < 32 ? a->s.len : 32), (const char *)a->s.data);
}

static tf_err_t check_recurrent(tf_onnx_net_t *im, const Onnx__NodeProto *node, const uint32_t *in,
                                uint32_t in_cnt, uint32_t directions) {
  int64_t  forget;
  float    clip;
  tf_err_t err = check_activations(im, node, directions);
  if (!err) err = tf_onnx_node_int(im->path, node, "input_forget", 0, &forget);
  if (!err) err = tf_onnx_node_float(im->path, node, "clip", 0.0f, &clip);
  if (!err && (forget || clip != 0.0f))
    err = REFUSE(im, node, E_MODEL_UNSUPPORTED, "%s is not supported",
                 forget ? "input_forget = 1" : "clip");
  if (!err && in_cnt > 4 && in[4] != TF_NET_NONE) {
    const tf_onnx_operand_t *lens = tf_onnx_net_operand(im, in[4]);
    for (uint32_t i = 0; i < lens->shape.cnt && !err; i++)
      if (!lens->wide || lens->wide[i] != (double)tf_onnx_net_shape(im, in[0])->dims[0])
        err =
            REFUSE(im, node, E_MODEL_UNSUPPORTED, "%s", "sequence_lens: a window has all its rows");
  }
  if (!err && in_cnt > 7 && in[7] != TF_NET_NONE)
    err = REFUSE(im, node, E_MODEL_UNSUPPORTED, "%s", "peepholes (P) are not supported");
  return err;
}

/* An input, or zeros where it is left out. */
static tf_err_t given_or_zeros(tf_onnx_net_t *im, const uint32_t *in, uint32_t in_cnt, uint32_t idx,
                               uint32_t rank, const uint32_t *dims, uint32_t *out) {
  *out = idx < in_cnt ? in[idx] : TF_NET_NONE;
  if (*out != TF_NET_NONE) return TF_OK;
  tf_tensor_shape_t shape = {.rank = rank};
  memcpy(shape.dims, dims, rank * sizeof *dims);
  tf_err_t err = tf_tensor_shape_count(&shape);
  if (err) return tf_error_add(err, "importing %s", im->path);
  return tf_onnx_net_constant(im, &shape, calloc(shape.cnt, sizeof(double)), false, out);
}

/* h after the last row: of a layer in reverse that is row 0. y [rows, directions, batch, units]. */
static tf_err_t last_state(tf_onnx_net_t *im, const Onnx__NodeProto *node, uint32_t y,
                           int64_t direction, uint32_t *out) {
  const tf_tensor_shape_t s = *tf_onnx_net_shape(im, y);
  uint32_t                parts[2];
  tf_err_t                err = TF_OK;
  for (uint32_t d = 0; d < s.dims[1] && !err; d++) {
    const bool    reverse  = direction == 1 || d == 1;
    const int64_t ints[12] = {
        reverse ? 0 : s.dims[0] - 1, 1, 1, d, 1, 1, 0, s.dims[2], 1, 0, s.dims[3], 1};
    tf_onnx_emit_t emit = {.op = "slice", .in = &y, .in_cnt = 1, .ints = ints, .int_cnt = 12};
    err                 = tf_onnx_net_emit(im, node, &emit, &parts[d]);
    if (!err)
      err = tf_onnx_net_as(im, node, parts[d], 3, (const uint32_t[3]){1, s.dims[2], s.dims[3]},
                           &parts[d]);
  }
  if (err || s.dims[1] == 1) return err ? err : tf_onnx_net_same(im, parts[0], out);
  const int64_t  axis = 0;
  tf_onnx_emit_t emit = {.op = "concat", .in = parts, .in_cnt = 2, .ints = &axis, .int_cnt = 1};
  return tf_onnx_net_emit(im, node, &emit, out);
}

/* Which operation a node becomes: of GRU there are two, by when the reset gate works. */
static tf_err_t choose_op(const tf_onnx_net_t *im, const Onnx__NodeProto *node, const char **op) {
  int64_t  after = 1;
  tf_err_t err   = TF_OK;
  if (strcmp(node->op_type, "GRU") == 0)
    err = tf_onnx_node_int(im->path, node, "linear_before_reset", 0, &after);
  *op = strcmp(node->op_type, "LSTM") == 0  ? "lstm"
        : strcmp(node->op_type, "RNN") == 0 ? "rnn"
        : after                             ? "gru"
                                            : "gru_reset";
  return err;
}

static tf_err_t check_sizes(const tf_onnx_net_t *im, const Onnx__NodeProto *node,
                            const uint32_t *in) {
  const tf_tensor_shape_t *x = tf_onnx_net_shape(im, in[0]), *r = tf_onnx_net_shape(im, in[2]);
  int64_t                  layout, hidden;
  tf_err_t                 err = tf_onnx_node_int(im->path, node, "layout", 0, &layout);
  if (!err)
    err = tf_onnx_node_int(im->path, node, "hidden_size", r->rank == 3 ? r->dims[2] : 0, &hidden);
  if (!err && layout)
    err = REFUSE(im, node, E_MODEL_UNSUPPORTED, "layout %lld of no chain; 0 is supported",
                 (long long)layout);
  if (!err && (x->rank != 3 || r->rank != 3 || r->dims[2] != hidden))
    err = REFUSE(im, node, E_MODEL_SHAPE,
                 "rank %u, R of rank %u, hidden_size %lld; [rows, batch, n] is wanted", x->rank,
                 r->rank, (long long)hidden);
  if (!err && im->net->window > 1 && x->dims[0] == 1 && x->dims[1] == im->net->window)
    err = REFUSE(im, node, E_MODEL_SHAPE,
                 "%u sequences of one row: the input's rows are taken for its batch; export with "
                 "a batch of 1",
                 im->net->window);
  return err;
}

/* The last of lstm's rows where it gives its last c behind them: split into Y and Y_c. y [rows + 1, ..]. */
static tf_err_t split_carry(tf_onnx_net_t *im, const Onnx__NodeProto *node, uint32_t y,
                            uint32_t *out) {
  const tf_tensor_shape_t s = *tf_onnx_net_shape(im, y);
  int64_t ints[12]    = {0, s.dims[0] - 1, 1, 0, s.dims[1], 1, 0, s.dims[2], 1, 0, s.dims[3], 1};
  tf_onnx_emit_t emit = {.op = "slice", .in = &y, .in_cnt = 1, .ints = ints, .int_cnt = 12};
  tf_err_t       err  = tf_onnx_net_emit(im, node, &emit, &out[0]);
  ints[0] = s.dims[0] - 1, ints[1] = 1;
  if (!err) err = tf_onnx_net_emit(im, node, &emit, &out[2]);
  return err ? err : tf_onnx_net_as(im, node, out[2], 3, s.dims + 1, &out[2]);
}

static bool gives(const tf_onnx_net_t *im, const Onnx__NodeProto *node, size_t output) {
  return output < node->n_output && node->output[output] && node->output[output][0] &&
         tf_onnx_output_is_read(im->source, node->output[output]);
}

static tf_err_t import_recurrent(tf_onnx_net_t *im, const Onnx__NodeProto *node, const uint32_t *in,
                                 uint32_t in_cnt, uint32_t *out) {
  const char *op;
  int64_t     ints[2]  = {0, 1};
  uint32_t    parts[6] = {in[0], in[1], in[2]};
  tf_err_t    err      = read_direction(im, node, &ints[0]);
  if (!err) err = check_recurrent(im, node, in, in_cnt, ints[0] == 2 ? 2 : 1);
  if (!err) err = choose_op(im, node, &op);
  if (!err) err = check_sizes(im, node, in);
  if (err) return err;
  const tf_tensor_shape_t *r         = tf_onnx_net_shape(im, in[2]);
  const uint32_t           biases[2] = {r->dims[0], 2 * r->dims[1]},
                 state[3] = {r->dims[0], tf_onnx_net_shape(im, in[0])->dims[1], r->dims[2]};
  const bool lstm = strcmp(op, "lstm") == 0, carry = lstm && gives(im, node, 2);
  err = given_or_zeros(im, in, in_cnt, 3, 2, biases, &parts[3]);
  if (!err) err = given_or_zeros(im, in, in_cnt, 5, 3, state, &parts[4]);
  if (!err && lstm) err = given_or_zeros(im, in, in_cnt, 6, 3, state, &parts[5]);
  tf_onnx_emit_t emit = {
      .op = op, .in = parts, .in_cnt = lstm ? 6 : 5, .ints = ints, .int_cnt = carry ? 2 : 1};
  if (!err) err = tf_onnx_net_emit(im, node, &emit, &out[0]);
  if (!err && carry) err = split_carry(im, node, out[0], out);
  if (!err && gives(im, node, 1)) err = last_state(im, node, out[0], ints[0], &out[1]);
  for (size_t i = 1; i < node->n_output && !err;
       i++) /* what nobody reads needs a value all the same */
    if (out[i] == TF_NET_NONE) err = tf_onnx_net_same(im, out[0], &out[i]);
  return err;
}

#define RECURRENT                                                                                  \
  " activations activation_alpha activation_beta clip direction hidden_size input_forget layout "  \
  "linear_before_reset "

const tf_onnx_net_op_t tf_onnx_net_recurrent[] = {
    {"GRU",  RECURRENT, 3, 6, 2, import_recurrent, NULL},
    {"LSTM", RECURRENT, 3, 8, 3, import_recurrent, NULL},
    {"RNN",  RECURRENT, 3, 6, 2, import_recurrent, NULL},
    {NULL,   NULL,      0, 0, 0, NULL,             NULL},
};
