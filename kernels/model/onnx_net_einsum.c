/* Einsum (https://numpy.org/doc/stable/reference/generated/numpy.einsum.html), two operands at a time: axes that only one of them has
 * and nobody needs are summed, then each is turned to [shared.., own.., summed..], and a product makes the rest. */
#include <ctype.h>
#include <string.h>

#include "core/error.h"
#include "model/onnx_net.h"

#define REFUSE TF_ONNX_REFUSE

/* An operand and what its axes are called, one letter each. */
typedef struct term {
  char     labels[TF_TENSOR_RANK_MAX + 1];
  uint32_t operand;
} term_t;

typedef struct equation {
  uint32_t cnt;
  term_t   terms[TF_TENSOR_INPUTS_MAX];
  term_t   out;
  uint32_t sizes[128]; /* by letter; 0: none of it */
} equation_t;

static bool has(const term_t *term, char label) {
  return label && strchr(term->labels, label) != NULL;
}

static tf_err_t add_label(const tf_onnx_net_t *im, const Onnx__NodeProto *node, term_t *term,
                          char label) {
  const size_t cnt = strlen(term->labels);
  if (!isalpha((unsigned char)label))
    return REFUSE(im, node, E_MODEL_UNSUPPORTED,
                  "its equation has a '%c'; letters, commas and -> are supported, each axis named",
                  isprint((unsigned char)label) ? label : '?');
  if (has(term, label))
    return REFUSE(im, node, E_MODEL_UNSUPPORTED, "axis %c twice in a term: no diagonals", label);
  if (cnt == TF_TENSOR_RANK_MAX)
    return REFUSE(im, node, E_MODEL_SHAPE, "a term of more than %u axes", TF_TENSOR_RANK_MAX);
  term->labels[cnt]     = label;
  term->labels[cnt + 1] = 0;
  return TF_OK;
}

static tf_err_t take_sizes(const tf_onnx_net_t *im, const Onnx__NodeProto *node, equation_t *e) {
  for (uint32_t i = 0; i < e->cnt; i++) {
    const tf_tensor_shape_t *s = tf_onnx_net_shape(im, e->terms[i].operand);
    if (strlen(e->terms[i].labels) != s->rank)
      return REFUSE(im, node, E_MODEL_SHAPE, "term %u names %zu axes of a tensor of rank %u", i,
                    strlen(e->terms[i].labels), s->rank);
    for (uint32_t k = 0; k < s->rank; k++) {
      const char label = e->terms[i].labels[k];
      uint32_t  *size  = &e->sizes[(unsigned char)label];
      if (*size && *size != s->dims[k])
        return REFUSE(im, node, E_MODEL_SHAPE, "axis %c of %u and of %u", label, *size, s->dims[k]);
      *size = s->dims[k];
    }
  }
  for (const char *c = e->out.labels; *c; c++)
    if (!e->sizes[(unsigned char)*c])
      return REFUSE(im, node, E_MODEL_SHAPE, "axis %c of the result is in no term", *c);
  return TF_OK;
}

/* Without "->" the result has the letters that come once, in the order of the alphabet. */
static tf_err_t imply_out(const tf_onnx_net_t *im, const Onnx__NodeProto *node, equation_t *e) {
  tf_err_t err = TF_OK;
  for (int label = 'A'; label <= 'z' && !err; label++) {
    uint32_t uses = 0;
    for (uint32_t i = 0; i < e->cnt; i++) uses += has(&e->terms[i], (char)label);
    if (uses == 1) err = add_label(im, node, &e->out, (char)label);
  }
  return err;
}

static tf_err_t read_equation(const tf_onnx_net_t *im, const Onnx__NodeProto *node,
                              const uint32_t *in, uint32_t in_cnt, equation_t *e) {
  const Onnx__AttributeProto *a;
  bool                        arrow = false;
  tf_err_t                    err   = tf_onnx_node_attribute(im->path, node, "equation",
                                                             ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__STRING, &a);
  if (err) return err;
  if (!a) return REFUSE(im, node, E_MODEL_FORMAT, "%s", "no equation");
  *e           = (equation_t){.cnt = 1};
  term_t *term = &e->terms[0];
  for (size_t i = 0; i < a->s.len && !err; i++) {
    const char c = (char)a->s.data[i];
    if (c == ' ') continue;
    if (c == '-' && i + 1 < a->s.len && a->s.data[i + 1] == '>' && !arrow) {
      arrow = true, term = &e->out, i++;
    } else if (c == ',' && !arrow && e->cnt < TF_TENSOR_INPUTS_MAX) {
      term = &e->terms[e->cnt++];
    } else {
      err = add_label(im, node, term, c);
    }
  }
  if (!err && e->cnt != in_cnt)
    err = REFUSE(im, node, E_MODEL_SHAPE, "an equation of %u terms for %u inputs", e->cnt, in_cnt);
  for (uint32_t i = 0; i < e->cnt && !err; i++) e->terms[i].operand = in[i];
  if (!err && !arrow) err = imply_out(im, node, e);
  return err ? err : take_sizes(im, node, e);
}

/* Sums the axes of term that keep does not have. */
static tf_err_t sum_others(tf_onnx_net_t *im, const Onnx__NodeProto *node, const term_t *keep,
                           const term_t *keep_too, term_t *term) {
  int64_t  ints[1 + TF_TENSOR_RANK_MAX] = {0}; /* the axes go */
  uint32_t cnt                          = 1;
  term_t   left                         = {.operand = term->operand};
  for (const char *c = term->labels; *c; c++) {
    if (has(keep, *c) || has(keep_too, *c))
      left.labels[strlen(left.labels)] = *c;
    else
      ints[cnt++] = c - term->labels;
  }
  if (cnt == 1) return TF_OK;
  tf_onnx_emit_t emit = {
      .op = "reduce_sum", .in = &term->operand, .in_cnt = 1, .ints = ints, .int_cnt = cnt};
  tf_err_t err = tf_onnx_net_emit(im, node, &emit, &left.operand);
  *term        = left;
  return err;
}

/* Turns term's axes into the order of labels, of which it has all, and no others. */
static tf_err_t turn(tf_onnx_net_t *im, const Onnx__NodeProto *node, const char *labels,
                     term_t *term) {
  uint32_t order[TF_TENSOR_RANK_MAX] = {0};
  for (uint32_t i = 0; labels[i]; i++)
    order[i] = (uint32_t)(strchr(term->labels, labels[i]) - term->labels);
  tf_err_t err = tf_onnx_net_transpose(im, node, term->operand, order, &term->operand);
  snprintf(term->labels, sizeof term->labels, "%.*s", (int)TF_TENSOR_RANK_MAX, labels);
  return err;
}

static uint32_t product_of(const equation_t *e, const char *labels) {
  uint32_t cnt = 1; /* of axes of one tensor: no more than it has values */
  for (; *labels; labels++) cnt *= e->sizes[(unsigned char)*labels];
  return cnt;
}

/* The letters of a that b has (or has not), behind those of target. */
static void append(char *target, const term_t *a, const term_t *b, bool wanted, const term_t *keep,
                   bool kept) {
  for (const char *c = a->labels; *c; c++)
    if (has(b, *c) == wanted && (!wanted || has(keep, *c) == kept)) {
      const size_t at = strlen(target);
      target[at] = *c, target[at + 1] = 0;
    }
}

/* a times b; keep names what is needed later. Labels of at most two terms: room for as many. */
static tf_err_t multiply(tf_onnx_net_t *im, const Onnx__NodeProto *node, const equation_t *e,
                         const term_t *keep, term_t *a, term_t *b, term_t *out) {
  enum { LABELS = 2 * TF_TENSOR_RANK_MAX + 1 };
  char     shared[LABELS] = "", rows[LABELS] = "", columns[LABELS] = "", summed[LABELS] = "";
  char     of_a[3 * LABELS], of_b[3 * LABELS], of_out[3 * LABELS];
  tf_err_t err = sum_others(im, node, keep, b, a);
  if (!err) err = sum_others(im, node, keep, a, b);
  if (err) return err;
  append(shared, a, b, true, keep, true);
  append(summed, a, b, true, keep, false);
  append(rows, a, b, false, keep, true);
  append(columns, b, a, false, keep, true);
  snprintf(of_a, sizeof of_a, "%s%s%s", shared, rows, summed);
  snprintf(of_b, sizeof of_b, "%s%s%s", shared, summed, columns);
  snprintf(of_out, sizeof of_out, "%s%s%s", shared, rows, columns);
  if (strlen(of_out) > TF_TENSOR_RANK_MAX)
    return REFUSE(im, node, E_MODEL_UNSUPPORTED, "a product of rank %zu, at most %u is supported",
                  strlen(of_out), TF_TENSOR_RANK_MAX);
  err = turn(im, node, of_a, a);
  if (!err) err = turn(im, node, of_b, b);
  const uint32_t batch = product_of(e, shared), m = product_of(e, rows), k = product_of(e, summed),
                 n = product_of(e, columns), skip = shared[0] ? 0 : 1;
  if (!err)
    err = tf_onnx_net_as(im, node, a->operand, 3 - skip, (const uint32_t[3]){batch, m, k} + skip,
                         &a->operand);
  if (!err)
    err = tf_onnx_net_as(im, node, b->operand, 3 - skip, (const uint32_t[3]){batch, k, n} + skip,
                         &b->operand);
  if (!err) err = tf_onnx_net_binary(im, node, "matmul", a->operand, b->operand, &out->operand);
  if (err) return err;
  tf_tensor_shape_t shape = {.rank = (uint32_t)strlen(of_out)};
  for (uint32_t i = 0; i < shape.rank; i++) shape.dims[i] = e->sizes[(unsigned char)of_out[i]];
  snprintf(out->labels, sizeof out->labels, "%.*s", (int)TF_TENSOR_RANK_MAX, of_out);
  return tf_onnx_net_reshape(im, node, out->operand, &shape, &out->operand);
}

/* What of the terms behind idx, and of the result, is called what. */
static bool is_needed(const equation_t *e, uint32_t idx, char label) {
  bool needed = has(&e->out, label);
  for (uint32_t i = idx + 1; i < e->cnt; i++) needed |= has(&e->terms[i], label);
  return needed;
}

static tf_err_t import_einsum(tf_onnx_net_t *im, const Onnx__NodeProto *node, const uint32_t *in,
                              uint32_t in_cnt, uint32_t *out) {
  equation_t e;
  for (uint32_t i = 0; i < in_cnt; i++)
    if (in[i] == TF_NET_NONE)
      return REFUSE(im, node, E_MODEL_FORMAT, "its input %u is left out", i);
  tf_err_t err = read_equation(im, node, in, in_cnt, &e);
  if (err) return err;
  term_t at = e.terms[0];
  for (uint32_t i = 1; i < e.cnt && !err; i++) {
    term_t   keep = {.labels = ""}, made;
    uint32_t cnt  = 0;
    for (const term_t *t = &at; t; t = t == &at ? &e.terms[i] : NULL)
      for (const char *c = t->labels; *c; c++)
        if (is_needed(&e, i, *c) && !has(&keep, *c)) {
          if (cnt == TF_TENSOR_RANK_MAX)
            return REFUSE(im, node, E_MODEL_UNSUPPORTED, "a product of more than %u axes",
                          TF_TENSOR_RANK_MAX);
          keep.labels[cnt++] = *c;
        }
    err = multiply(im, node, &e, &keep, &at, &e.terms[i], &made);
    at  = made;
  }
  if (!err) err = sum_others(im, node, &e.out, &e.out, &at);
  if (!err) err = turn(im, node, e.out.labels, &at);
  *out = at.operand;
  return err;
}

const tf_onnx_net_op_t tf_onnx_net_einsum[] = {
    {"Einsum", " equation ", 1, 32, 1, import_einsum, NULL},
    {NULL,     NULL,         0, 0,  0, NULL,          NULL},
};
