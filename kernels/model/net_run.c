#include "model/net_run.h"

#include "core/error.h"

enum { RECURRENT_X, RECURRENT_H = 4, RECURRENT_C };

static bool is_named(const tf_net_node_t *node, const char *op) {
  return strcmp(node->use.op->name, op) == 0;
}

/* ---- a node's positions ---- */

/* Positions of a node in work. */
typedef struct run {
  const tf_net_node_t *node;
  uint32_t             first, cnt;
  uint32_t             axis;    /* of the output; TF_NET_NONE */
  uint32_t             last;    /* axis */
  uint32_t             columns; /* of the last axis */
  bool                 narrow;  /* columns are not all of it */
  int64_t              ints[TF_TENSOR_INTS_MAX];
  uint32_t             in[TF_TENSOR_INPUTS_MAX];
} run_t;

static tf_net_tie_t tie_of(const tf_net_cutter_t *c, const run_t *r, uint32_t i) {
  return r->axis == TF_NET_NONE ? (tf_net_tie_t){.kind = TF_NET_TIE_ALL}
                                : tf_net_tie(c->whole, r->node, i, r->axis);
}

/* The run's taps along an input's axis: where they begin and end; the part of that inside, up to the last tap there (end 0:
 * there is none). */
typedef struct extent {
  int64_t first, end, first_inside, end_inside;
} extent_t;

static extent_t extent_of(const run_t *r, const tf_net_tie_t *t, uint32_t size) {
  extent_t e     = {.first = t->first + (int64_t)r->first * t->by};
  e.first_inside = e.first > 0 ? e.first : 0;
  e.end          = e.first + (int64_t)(r->cnt - 1) * t->by + (int64_t)(t->cnt - 1) * t->apart + 1;
  for (uint32_t p = 0; p < r->cnt; p++)
    for (uint32_t k = 0; k < t->cnt; k++) {
      const int64_t at = e.first + p * t->by + k * t->apart;
      if (at < 0 || at >= size) continue;
      if (e.end_inside <= at) e.end_inside = at + 1;
    }
  return e;
}

/* What of input i the run reads. */
static tf_net_box_t box_of_input(const tf_net_cutter_t *c, const run_t *r, uint32_t i) {
  const tf_tensor_shape_t   *in  = &r->node->use.in[i];
  const tf_net_flow_value_t *u   = tf_net_half_flow(c, r->node->in[i]);
  const tf_net_tie_t         tie = tie_of(c, r, i);
  tf_net_box_t               b   = tf_net_half_box(in);
  if (tie.kind == TF_NET_TIE_TAPS) {
    const extent_t e  = extent_of(r, &tie, in->dims[tie.axis]);
    b.first[tie.axis] = (uint32_t)e.first_inside;
    b.cnt[tie.axis]   = e.end_inside ? (uint32_t)(e.end_inside - e.first_inside) : 0;
  } else if (tie.kind != TF_NET_TIE_ALL) {
    b.first[tie.axis] = r->first, b.cnt[tie.axis] = r->cnt;
  } else if (!c->whole->values[r->node->in[i]].constant && u->axis != TF_NET_NONE) {
    tf_net_tie_extent(c->whole, r->node, i, u->axis, &b.first[u->axis], &b.cnt[u->axis]);
  }
  if (r->narrow) {
    const tf_net_tie_t last = tf_net_tie(c->whole, r->node, i, r->last);
    if (is_named(r->node, "rows"))
      b.cnt[in->rank - 1] = r->columns;
    else if (tf_net_tie_is_same(&last))
      b.cnt[last.axis] = r->columns;
  }
  const uint32_t terms =
      r->axis == TF_NET_NONE ? 0 : tf_net_flow_terms(&c->flow, r->node, r->first, r->cnt);
  if (terms) b.cnt[in->rank - 1 - i] = terms; /* a's columns, b's rows */
  return b;
}

static tf_err_t add_run(tf_net_cutter_t *c, const run_t *r, uint32_t in_cnt, uint32_t *value) {
  const tf_tensor_use_t *use  = &r->node->use;
  tf_net_spec_t          spec = {.op       = use->op,
                                 .row      = use->row,
                                 .name     = r->node->name,
                                 .in       = r->in,
                                 .in_cnt   = in_cnt,
                                 .ints     = r->ints,
                                 .int_cnt  = use->int_cnt,
                                 .reals    = use->reals,
                                 .real_cnt = use->real_cnt};
  return tf_net_half_add_product(c, r->node, &spec, value);
}

static tf_err_t fetch_inputs(tf_net_cutter_t *c, run_t *r) {
  tf_err_t err = TF_OK;
  for (uint32_t i = 0; i < r->node->use.in_cnt && !err; i++) {
    const tf_net_box_t b = box_of_input(c, r, i);
    err                  = tf_net_half_fetch(c, r->node->in[i], &b, &r->in[i]);
  }
  return err;
}

static tf_err_t run_plain(tf_net_cutter_t *c, run_t *r, uint32_t *value) {
  tf_err_t err = fetch_inputs(c, r);
  return err ? err : add_run(c, r, r->node->use.in_cnt, value);
}

/* reshape and expand, whose ints are a shape. */
static tf_err_t run_shape(tf_net_cutter_t *c, run_t *r, uint32_t *value) {
  const uint32_t missing = r->node->use.out.rank - r->node->use.int_cnt;
  if (r->axis != TF_NET_NONE && r->axis >= missing && r->ints[r->axis - missing] != 1)
    r->ints[r->axis - missing] = r->cnt;
  if (r->narrow && r->last >= missing && r->ints[r->last - missing] != 1)
    r->ints[r->last - missing] = r->columns;
  return run_plain(c, r, value);
}

/* The part is taken where the input is fetched, unless it goes backwards. */
static tf_err_t run_slice(tf_net_cutter_t *c, run_t *r, uint32_t *value) {
  tf_net_box_t b         = box_of_input(c, r, 0);
  bool         backwards = false;
  for (uint32_t axis = 0; axis < r->node->use.out.rank; axis++) {
    int64_t *n = r->ints + 3 * (size_t)axis;
    backwards |= n[2] < 0 && n[1] > 1;
    if (axis == r->axis) n[0] += r->first * n[2], n[1] = r->cnt;
  }
  if (backwards) {
    if (r->axis != TF_NET_NONE) {
      int64_t *n       = r->ints + 3 * (size_t)r->axis;
      b.first[r->axis] = (uint32_t)n[0], b.cnt[r->axis] = r->cnt;
      b.apart[r->axis] = r->cnt == 1 ? 1 : (uint32_t)n[2];
      n[0] = 0, n[2] = 1;
    }
    tf_err_t err = tf_net_half_fetch(c, r->node->in[0], &b, &r->in[0]);
    return err ? err : add_run(c, r, 1, value);
  }
  for (uint32_t axis = 0; axis < r->node->use.out.rank; axis++) {
    const int64_t *n = r->ints + 3 * (size_t)axis;
    b.first[axis] = (uint32_t)n[0], b.cnt[axis] = (uint32_t)n[1];
    b.apart[axis] = n[1] == 1 ? 1 : (uint32_t)n[2];
  }
  return tf_net_half_fetch(c, r->node->in[0], &b, value);
}

/* Along the axis of positions, each comes from one of the inputs. */
static tf_err_t run_concat(tf_net_cutter_t *c, run_t *r, uint32_t *value) {
  uint32_t cnt = 0;
  tf_err_t err = TF_OK;
  if (r->axis != (uint32_t)r->ints[0]) return run_plain(c, r, value);
  for (uint32_t i = 0; i < r->node->use.in_cnt && !err; i++) {
    const tf_net_box_t b = box_of_input(c, r, i);
    if (b.cnt[r->axis]) err = tf_net_half_fetch(c, r->node->in[i], &b, &r->in[cnt++]);
  }
  return err ? err : tf_net_half_add_concat(c, r->in, cnt, r->axis, value);
}

/* What a run's taps lack on either side of what is fetched, into *before and *behind. */
static void set_padding(const tf_net_cutter_t *c, const run_t *r, int64_t *before,
                        int64_t *behind) {
  const tf_net_tie_t tie = tie_of(c, r, 0);
  const extent_t     e   = extent_of(r, &tie, r->node->use.in[0].dims[tie.axis]);
  *before                = e.first_inside - e.first;
  *behind                = e.end - e.end_inside;
}

static tf_err_t run_pad(tf_net_cutter_t *c, run_t *r, uint32_t *value) {
  if (r->axis == TF_NET_NONE) return run_plain(c, r, value);
  int64_t     *n = r->ints + 1 + 2 * (size_t)r->axis;
  tf_net_box_t b = box_of_input(c, r, 0);
  if (b.cnt[r->axis]) {
    set_padding(c, r, &n[0], &n[1]);
    return run_plain(c, r, value);
  }
  const tf_tensor_shape_t s      = tf_net_half_with_positions(&r->node->use.out, r->axis, r->cnt);
  float                  *values = malloc(s.cnt * sizeof *values);
  for (uint32_t k = 0; values && k < s.cnt; k++) values[k] = (float)r->node->use.reals[0];
  return tf_net_half_add_constant(c, &s, values, value);
}

#define CONV_AXIS_INTS 4u
#define POOL_AXIS_INTS 5u

static tf_err_t run_pool(tf_net_cutter_t *c, run_t *r, uint32_t *value) {
  if (r->axis == TF_NET_NONE || r->axis < 2) return run_plain(c, r, value);
  int64_t           *n = r->ints + (r->axis - 2) * POOL_AXIS_INTS;
  const tf_net_box_t b = box_of_input(c, r, 0);
  if (b.cnt[r->axis] == 0) return TF_ERR(E_MODEL_UNSUPPORTED, "a place of padding alone");
  set_padding(c, r, &n[3], &n[4]);
  return run_plain(c, r, value);
}

/* The taps of one place that are inside, and in pad's ints how many are missing on either side. */
static tf_net_box_t box_of_place(const tf_net_cutter_t *c, const run_t *r, int64_t *pads) {
  tf_net_box_t b = tf_net_half_box(&r->node->use.in[0]);
  for (uint32_t axis = 2; axis < r->node->use.out.rank; axis++) {
    const tf_net_tie_t t    = tf_net_tie(c->whole, r->node, 0, axis);
    const int64_t      size = r->node->use.in[0].dims[axis];
    int64_t            at   = t.first + (axis == r->axis ? r->first * t.by : 0);
    uint32_t           cnt  = t.cnt;
    for (; at < 0; at += t.apart, cnt--) pads[2 * axis]++;
    for (; at + (cnt - 1) * t.apart >= size; cnt--) pads[2 * axis + 1]++;
    b.first[axis] = (uint32_t)at, b.cnt[axis] = cnt;
    b.apart[axis] = cnt == 1 ? 1 : (uint32_t)t.apart;
  }
  return b;
}

/* Weights [outputs, channels, ..] as [channels * .., outputs]: each sum has its terms in the convolution's order. */
static tf_err_t add_place_weights(tf_net_cutter_t *c, const run_t *r, uint32_t *value) {
  const tf_net_value_t   *w       = &c->whole->values[r->node->in[1]];
  const uint32_t          outputs = w->shape.dims[0], k = w->shape.cnt / outputs;
  const tf_tensor_shape_t s = {
      .rank = 2, .dims = {k, outputs},
           .cnt = w->shape.cnt
  };
  float *values = malloc(s.cnt * sizeof *values);
  for (uint32_t n = 0; values && n < s.cnt; n++)
    values[n] = w->constant[(size_t)(n % outputs) * k + n / outputs];
  return tf_net_half_add_constant(c, &s, values, value);
}

static tf_err_t add_pad(tf_net_cutter_t *c, uint32_t in, const int64_t *ints, uint32_t rank,
                        uint32_t *value) {
  const double  zero = 0.0;
  tf_net_spec_t spec = {.op       = tf_tensor_find("pad"),
                        .name     = "",
                        .in       = &in,
                        .in_cnt   = 1,
                        .ints     = ints,
                        .int_cnt  = 1 + 2 * rank,
                        .reals    = &zero,
                        .real_cnt = 1};
  return tf_net_half_add(c, &spec, value);
}

/* A convolution at one place is a product of a row: no panel of places of which one is used. */
static tf_err_t run_place(tf_net_cutter_t *c, run_t *r, uint32_t *value) {
  int64_t                pads[1 + 2 * TF_TENSOR_RANK_MAX] = {0}; /* the mode, a constant */
  const tf_net_box_t     b                                = box_of_place(c, r, pads + 1);
  const tf_tensor_use_t *use                              = &r->node->use;
  const uint32_t         outputs = use->in[1].dims[0], batch = use->in[0].dims[0];
  const uint32_t         row[2] = {batch, use->in[1].cnt / outputs};
  uint32_t               in[2];
  bool                   is_padded = false;
  tf_err_t               err       = tf_net_half_fetch(c, r->node->in[0], &b, &in[0]);
  for (size_t i = 1; i < TF_ARRAY_CNT(pads); i++) is_padded |= pads[i] != 0;
  if (!err && is_padded) err = add_pad(c, in[0], pads, use->in[0].rank, &in[0]);
  if (!err) err = tf_net_half_add_reshape(c, in[0], row, 2, &in[0]);
  if (!err) err = add_place_weights(c, r, &in[1]);
  tf_net_spec_t spec = {
      .op = tf_tensor_find("matmul"), .name = r->node->name, .in = in, .in_cnt = 2};
  if (!err) err = tf_net_half_add_product(c, r->node, &spec, value);
  if (!err && use->in_cnt > 2) {
    const tf_net_box_t bias = tf_net_half_box(&use->in[2]);
    in[0]                   = *value;
    err                     = tf_net_half_fetch(c, r->node->in[2], &bias, &in[1]);
    spec.op                 = tf_tensor_find("add");
    if (!err) err = tf_net_half_add(c, &spec, value);
  }
  uint32_t dims[TF_TENSOR_RANK_MAX] = {batch, outputs, 1, 1};
  return err ? err : tf_net_half_add_reshape(c, *value, dims, use->out.rank, value);
}

/* Places of padding alone: the biases. */
static tf_err_t run_padding(tf_net_cutter_t *c, const run_t *r, uint32_t *value) {
  const tf_tensor_use_t  *use  = &r->node->use;
  const tf_tensor_shape_t s    = tf_net_half_with_positions(&use->out, r->axis, r->cnt);
  const uint32_t          each = tf_tensor_axes_cnt(&s, 2, s.rank);
  const float            *bias = use->in_cnt > 2 ? c->whole->values[r->node->in[2]].constant : NULL;
  if (use->in_cnt > 2 && !bias)
    return TF_ERR(E_MODEL_UNSUPPORTED, "places of padding alone with biases that are computed");
  float *values = malloc(s.cnt * sizeof *values);
  for (uint32_t k = 0; values && k < s.cnt; k++)
    values[k] = bias ? 0.0f + bias[k / each % s.dims[1]] : 0.0f;
  return tf_net_half_add_constant(c, &s, values, value);
}

static tf_err_t run_conv(tf_net_cutter_t *c, run_t *r, uint32_t *value) {
  if (r->axis == TF_NET_NONE || r->axis < 2) return run_plain(c, r, value);
  if (r->cnt == 1 && tf_net_tie_is_place(c->whole, r->node, r->axis, r->first))
    return run_place(c, r, value);
  int64_t           *n = r->ints + 1 + (r->axis - 2) * CONV_AXIS_INTS;
  const tf_net_box_t b = box_of_input(c, r, 0);
  if (b.cnt[r->axis] == 0) return run_padding(c, r, value);
  set_padding(c, r, &n[2], &n[3]);
  return run_plain(c, r, value);
}

/* Entries count from where the fetched part begins. */
static tf_err_t run_gather(tf_net_cutter_t *c, run_t *r, uint32_t *value) {
  const tf_tensor_shape_t *index = &r->node->use.in[1];
  const uint32_t           own = (uint32_t)r->ints[0], size = r->node->use.in[0].dims[own];
  const float             *entries = c->whole->values[r->node->in[1]].constant;
  if (!entries) return run_plain(c, r, value);
  const tf_net_box_t b      = box_of_input(c, r, 0);
  const bool         along  = r->axis == own && index->rank > 0;
  const uint32_t     each   = along ? index->cnt / index->dims[0] : index->cnt;
  tf_tensor_shape_t  s      = along ? tf_net_half_with_positions(index, 0, r->cnt) : *index;
  float             *values = malloc(s.cnt * sizeof *values);
  for (uint32_t k = 0; values && k < s.cnt; k++)
    values[k] =
        (float)(tf_net_tie_entry(entries[(along ? r->first * each : 0) + k], size) - b.first[own]);
  tf_err_t err = tf_net_half_add_constant(c, &s, values, &r->in[1]);
  if (!err) err = tf_net_half_fetch(c, r->node->in[0], &b, &r->in[0]);
  return err ? err : add_run(c, r, 2, value);
}

/* ---- recurrences ---- */

static bool has_carry(const run_t *r) { return r->node->use.in_cnt > RECURRENT_C; }

/* Row number row of a recurrence's output, [rows, directions, batch, units], is where the timed net goes on. */
static tf_err_t keep_recurrence(tf_net_cutter_t *c, uint32_t out, uint32_t row, uint32_t at) {
  tf_net_box_t b = tf_net_half_box(&tf_net_half_value(c, out)->shape);
  uint32_t     part, dims[3] = {b.cnt[1], b.cnt[2], b.cnt[3]};
  b.first[0] = row, b.cnt[0] = 1;
  tf_err_t err = tf_net_half_cut(c, out, &b, &part);
  if (!err) err = tf_net_half_add_reshape(c, part, dims, 3, &part);
  return err ? err : tf_net_half_add_keep(c, part, 0, 0, dims[0], at, &part);
}

static tf_err_t run_recurrence(tf_net_cutter_t *c, run_t *r, uint32_t *value) {
  const tf_net_held_t *h   = &c->held[r->node->out];
  const tf_net_tie_t   tie = tie_of(c, r, RECURRENT_X);
  const bool goes_on       = tie.kind == TF_NET_TIE_BEFORE && h->recurrence_at[0] != TF_NET_NONE;
  tf_err_t   err           = fetch_inputs(c, r);
  if (err || !goes_on) return err ? err : add_run(c, r, r->node->use.in_cnt, value);
  if (c->half == TF_NET_HALF_TIMED) {
    for (uint32_t i = 0; i <= has_carry(r) && !err; i++)
      err = tf_net_add_state(tf_net_half_of(c)->net, &r->node->use.in[RECURRENT_H + i],
                             h->recurrence_at[i], &r->in[RECURRENT_H + i]);
    return err ? err : add_run(c, r, r->node->use.in_cnt, value);
  }
  run_t more         = *r;
  more.ints[1]       = has_carry(r); /* c behind the rows */
  tf_net_spec_t spec = {.op      = r->node->use.op,
                        .name    = r->node->name,
                        .in      = more.in,
                        .in_cnt  = r->node->use.in_cnt,
                        .ints    = more.ints,
                        .int_cnt = 2};
  err                = tf_net_half_add_product(c, r->node, &spec, value);
  for (uint32_t i = 0; i <= has_carry(r) && !err; i++)
    err = keep_recurrence(c, *value, r->cnt - 1 + i, h->recurrence_at[i]);
  if (err || !has_carry(r)) return err;
  tf_net_box_t rows = tf_net_half_box(&tf_net_half_value(c, *value)->shape);
  rows.cnt[0]       = r->cnt;
  return tf_net_half_cut(c, *value, &rows, value);
}

/* ---- all nodes ---- */

static const struct {
  const char *op;
  tf_err_t (*run)(tf_net_cutter_t *c, run_t *r, uint32_t *value);
} runs[] = {
    {"average_pool", run_pool      },
    {"concat",       run_concat    },
    {"conv",         run_conv      },
    {"expand",       run_shape     },
    {"gather",       run_gather    },
    {"gru",          run_recurrence},
    {"lstm",         run_recurrence},
    {"max_pool",     run_pool      },
    {"pad",          run_pad       },
    {"reshape",      run_shape     },
    {"rnn",          run_recurrence},
    {"slice",        run_slice     },
};

tf_err_t tf_net_run_node(tf_net_cutter_t *c, const tf_net_node_t *node, uint32_t first,
                         uint32_t cnt, uint32_t *value) {
  const tf_net_flow_value_t *v     = tf_net_half_flow(c, node->out);
  const tf_tensor_shape_t   *shape = &node->use.out;
  run_t r   = {.node = node, .first = first, .cnt = cnt, .axis = v->axis, .last = shape->rank - 1};
  r.columns = tf_net_flow_columns(&c->flow, node->out, first, cnt);
  r.narrow  = shape->rank > 0 && r.columns < shape->dims[r.last];
  memcpy(r.ints, node->use.ints, sizeof r.ints);
  for (size_t k = 0; k < TF_ARRAY_CNT(runs); k++)
    if (is_named(node, runs[k].op)) return runs[k].run(c, &r, value);
  return run_plain(c, &r, value);
}
