#include "model/net_cut.h"

#include <string.h>

#include "core/error.h"

#define PIECES_MAX 16u
#define GROUPS_MAX TF_TENSOR_INPUTS_MAX

enum { TIMED, DEFERRED, HALF_CNT };
enum { RECURRENT_X, RECURRENT_H = 4, RECURRENT_C };

/* Positions that a half has computed. */
typedef struct piece {
  uint32_t first, cnt, value;
} piece_t;

/* A value of the whole net in one half. */
typedef struct half_value {
  piece_t  pieces[PIECES_MAX];
  uint32_t piece_cnt;
  uint32_t history, store; /* values of the half, once it has used them; TF_NET_NONE */
  uint32_t constant;       /* likewise */
} half_value_t;

/* A value's tensors in the state; cnt 0: none. */
typedef struct held {
  uint32_t history_at, history_cnt;
  int32_t  age_min;
  uint32_t store_at, store_first, store_cnt;
  uint32_t recurrence_at[2]; /* h and c; TF_NET_NONE */
} held_t;

/* A part of a tensor. */
typedef struct box {
  uint32_t first[TF_TENSOR_RANK_MAX], cnt[TF_TENSOR_RANK_MAX], apart[TF_TENSOR_RANK_MAX];
} box_t;

/* What was fetched already. */
typedef struct memo {
  uint32_t from, value;
  box_t    box;
} memo_t;

typedef struct half {
  tf_net_t     *net;
  half_value_t *values; /* (value_cnt) of the whole net */
  memo_t       *memos;
  uint32_t      memo_cnt, memo_room;
} half_t;

typedef struct cutter {
  const tf_net_t *whole;
  tf_net_flow_t   flow;
  tf_net_cut_t   *cut;
  held_t         *held; /* (value_cnt) */
  half_t          halves[HALF_CNT];
  uint32_t        half; /* in work */
} cutter_t;

static half_t *half_of(cutter_t *c) { return &c->halves[c->half]; }

static tf_net_flow_value_t *flow_of(const cutter_t *c, uint32_t value) {
  return &c->flow.values[value];
}

static const tf_tensor_shape_t *whole_shape(const cutter_t *c, uint32_t value) {
  return &c->whole->values[value].shape;
}

static bool is_named(const tf_net_node_t *node, const char *op) {
  return strcmp(node->use.op->name, op) == 0;
}

static bool is_computed(const cutter_t *c, uint32_t value, uint32_t position) {
  const uint8_t mark = c->half == TIMED ? TF_NET_FLOW_TIMED : TF_NET_FLOW_DEFERRED;
  return flow_of(c, value)->marks[position] & mark;
}

/* ---- a position written into the state ---- */

/* The input's positions along axis ints[0] become those from ints[1] on of the ints[2] of the output, which is in the state and
 * keeps the others. */
static tf_err_t keep_shape(tf_tensor_use_t *use) {
  use->out                    = use->in[0];
  use->out.dims[use->ints[0]] = (uint32_t)use->ints[2];
  return TF_OK;
}

static void keep_run(const tf_tensor_use_t *use, const float *const *in, float *out,
                     float *scratch) {
  (void)scratch;
  const uint32_t axis  = (uint32_t)use->ints[0];
  const uint32_t outer = tf_tensor_axes_cnt(&use->out, 0, axis);
  const size_t   inner = tf_tensor_axes_cnt(&use->out, axis + 1, use->out.rank);
  const size_t   from = use->in[0].cnt / outer, to = use->out.cnt / outer;
  for (uint32_t o = 0; o < outer; o++)
    memcpy(out + o * to + (size_t)use->ints[1] * inner, in[0] + o * from, from * sizeof *out);
}

static const tf_tensor_op_t keep_op = {
    .name    = "keep",
    .in_min  = 1,
    .in_max  = 1,
    .int_min = 3,
    .int_max = 3,
    .shape   = keep_shape,
    .run     = keep_run,
    .flops   = tf_tensor_flops_none,
};

/* ---- adding to a half ---- */

static tf_err_t add(cutter_t *c, const tf_net_spec_t *spec, uint32_t *value) {
  return tf_net_add(half_of(c)->net, spec, value);
}

/* A product of node's, whose rows keep their range. */
static tf_err_t add_product(cutter_t *c, const tf_net_node_t *node, const tf_net_spec_t *spec,
                            uint32_t *value) {
  tf_err_t  err = add(c, spec, value);
  tf_net_t *net = half_of(c)->net;
  if (!err)
    memcpy(net->nodes[net->node_cnt - 1].use.ranges, node->use.ranges, sizeof node->use.ranges);
  return err;
}

static tf_err_t add_plain(cutter_t *c, const char *op, uint32_t in, const int64_t *ints,
                          uint32_t int_cnt, uint32_t *value) {
  tf_net_spec_t spec = {.op      = tf_tensor_find(op),
                        .name    = "",
                        .in      = &in,
                        .in_cnt  = 1,
                        .ints    = ints,
                        .int_cnt = int_cnt};
  return add(c, &spec, value);
}

static tf_err_t add_reshape(cutter_t *c, uint32_t in, const uint32_t *dims, uint32_t rank,
                            uint32_t *value) {
  int64_t ints[TF_TENSOR_RANK_MAX];
  for (uint32_t i = 0; i < rank; i++) ints[i] = dims[i];
  return add_plain(c, "reshape", in, ints, rank, value);
}

static const tf_net_value_t *half_value(const cutter_t *c, uint32_t value) {
  return &c->halves[c->half].net->values[value];
}

static box_t box_of(const tf_tensor_shape_t *shape) {
  box_t b = {0};
  for (uint32_t axis = 0; axis < shape->rank; axis++)
    b.cnt[axis] = shape->dims[axis], b.apart[axis] = 1;
  return b;
}

static tf_tensor_shape_t box_shape(const box_t *b, uint32_t rank) {
  tf_tensor_shape_t s = {.rank = rank, .cnt = 1};
  for (uint32_t axis = 0; axis < rank; axis++) s.cnt *= s.dims[axis] = b->cnt[axis];
  return s;
}

static bool is_whole(const box_t *b, const tf_tensor_shape_t *shape) {
  for (uint32_t axis = 0; axis < shape->rank; axis++)
    if (b->cnt[axis] != shape->dims[axis]) return false;
  return true;
}

/* A part that is one piece of memory, from where on *offset is; and begins at a vector. */
static bool is_contiguous(const box_t *b, const tf_tensor_shape_t *shape, uint32_t *offset) {
  uint32_t axis = 0, inner;
  while (axis < shape->rank && b->cnt[axis] == 1 && shape->dims[axis] == 1) axis++;
  if (axis == shape->rank || (b->cnt[axis] > 1 && b->apart[axis] != 1)) return false;
  for (uint32_t k = axis + 1; k < shape->rank; k++)
    if (b->cnt[k] != shape->dims[k]) return false;
  inner   = tf_tensor_axes_cnt(shape, axis + 1, shape->rank);
  *offset = b->first[axis] * inner;
  return *offset % TF_OP_PAD == 0;
}

/* A part of a value of the half. What lies in the state is read where it lies. */
static tf_err_t cut_value(cutter_t *c, uint32_t from, const box_t *b, uint32_t *value) {
  const tf_net_value_t    v = *half_value(c, from);
  const tf_tensor_shape_t s = box_shape(b, v.shape.rank);
  uint32_t                offset;
  *value = from;
  if (is_whole(b, &v.shape)) return TF_OK;
  if (v.in_state && is_contiguous(b, &v.shape, &offset))
    return tf_net_add_state(half_of(c)->net, &s, v.state_at + offset, value);
  int64_t ints[3 * TF_TENSOR_RANK_MAX];
  for (uint32_t axis = 0; axis < v.shape.rank; axis++) {
    ints[3 * axis]     = b->first[axis];
    ints[3 * axis + 1] = b->cnt[axis];
    ints[3 * axis + 2] = b->cnt[axis] == 1 ? 1 : b->apart[axis];
  }
  return add_plain(c, "slice", from, ints, 3 * v.shape.rank, value);
}

static tf_err_t add_concat(cutter_t *c, const uint32_t *in, uint32_t cnt, uint32_t axis,
                           uint32_t *value) {
  const int64_t ints[1] = {axis};
  tf_net_spec_t spec    = {.op      = tf_tensor_find("concat"),
                           .name    = "",
                           .in      = in,
                           .in_cnt  = cnt,
                           .ints    = ints,
                           .int_cnt = 1};
  *value                = in[0];
  return cnt == 1 ? TF_OK : add(c, &spec, value);
}

static tf_err_t add_constant(cutter_t *c, const tf_tensor_shape_t *shape, float *values,
                             uint32_t *value) {
  if (!values) return TF_ERR(E_CORE_NO_MEMORY, "%u weights", shape->cnt);
  return tf_net_add_constant(half_of(c)->net, "", shape, values, value);
}

/* A part of a constant of the whole net. */
static tf_err_t cut_constant(cutter_t *c, uint32_t from, const box_t *b, uint32_t *value) {
  const tf_net_value_t   *v   = &c->whole->values[from];
  const tf_tensor_shape_t s   = box_shape(b, v->shape.rank);
  half_value_t           *of  = &half_of(c)->values[from];
  const bool              all = is_whole(b, &v->shape);
  if (all && of->constant != TF_NET_NONE) {
    *value = of->constant;
    return TF_OK;
  }
  float   *values                 = malloc(s.cnt * sizeof *values);
  uint32_t at[TF_TENSOR_RANK_MAX] = {0};
  for (uint32_t n = 0; values && n < s.cnt; n++) {
    size_t source = 0;
    for (uint32_t axis = 0; axis < s.rank; axis++)
      source = source * v->shape.dims[axis] + b->first[axis] + (size_t)at[axis] * b->apart[axis];
    values[n] = v->constant[source];
    for (uint32_t axis = s.rank; axis-- > 0 && ++at[axis] == s.dims[axis];) at[axis] = 0;
  }
  tf_err_t err = add_constant(c, &s, values, value);
  if (!err && all) of->constant = *value;
  return err;
}

/* ---- where positions are ---- */

enum { FROM_HISTORY, FROM_STORE, FROM_PIECES /* and on: piece by piece */ };

/* Which tensor holds a position, and where along it; false where none does. */
static bool find_position(cutter_t *c, uint32_t from, uint32_t position, uint32_t *source,
                          uint32_t *at) {
  const tf_net_flow_value_t *u = flow_of(c, from);
  const held_t              *h = &c->held[from];
  if (u->marks[position] & TF_NET_FLOW_KEPT) {
    *source = FROM_HISTORY;
    *at     = h->history_cnt - 1 - (uint32_t)(u->age[position] - h->age_min);
    return true;
  }
  bool stored = u->marks[position] & TF_NET_FLOW_STORED;
  stored |= u->marks[position] & TF_NET_FLOW_TIMED && position >= h->store_first &&
            position - h->store_first < h->store_cnt;
  if (c->half == TIMED && stored) {
    *source = FROM_STORE;
    *at     = position - h->store_first;
    return true;
  }
  const half_value_t *v = &half_of(c)->values[from];
  for (uint32_t i = 0; i < v->piece_cnt; i++) {
    if (position < v->pieces[i].first || position - v->pieces[i].first >= v->pieces[i].cnt)
      continue;
    *source = FROM_PIECES + i;
    *at     = position - v->pieces[i].first;
    return true;
  }
  return false;
}

static tf_tensor_shape_t with_positions(const tf_tensor_shape_t *shape, uint32_t axis,
                                        uint32_t cnt) {
  tf_tensor_shape_t s = *shape;
  if (axis == TF_NET_NONE) return s;
  s.cnt        = s.cnt / s.dims[axis] * cnt;
  s.dims[axis] = cnt;
  return s;
}

static tf_err_t source_value(cutter_t *c, uint32_t from, uint32_t source, uint32_t *value) {
  half_value_t *v = &half_of(c)->values[from];
  const held_t *h = &c->held[from];
  if (source >= FROM_PIECES) {
    *value = v->pieces[source - FROM_PIECES].value;
    return TF_OK;
  }
  const bool              is_store = source == FROM_STORE;
  uint32_t               *own      = is_store ? &v->store : &v->history;
  const tf_tensor_shape_t s        = with_positions(whole_shape(c, from), flow_of(c, from)->axis,
                                             is_store ? h->store_cnt : h->history_cnt);
  tf_err_t                err      = TF_OK;
  if (*own == TF_NET_NONE)
    err = tf_net_add_state(half_of(c)->net, &s, is_store ? h->store_at : h->history_at, own);
  *value = *own;
  return err;
}

/* ---- fetching ---- */

static bool find_memo(const half_t *h, uint32_t from, const box_t *b, uint32_t *value) {
  for (uint32_t i = 0; i < h->memo_cnt; i++)
    if (h->memos[i].from == from && memcmp(&h->memos[i].box, b, sizeof *b) == 0) {
      *value = h->memos[i].value;
      return true;
    }
  return false;
}

static tf_err_t add_memo(half_t *h, uint32_t from, const box_t *b, uint32_t value) {
  if (h->memo_cnt == h->memo_room) {
    const uint32_t room  = h->memo_room ? 2 * h->memo_room : 64;
    memo_t        *memos = realloc(h->memos, room * sizeof *memos);
    if (!memos) return TF_ERR(E_CORE_NO_MEMORY, "parts of a graph's values");
    h->memos = memos, h->memo_room = room;
  }
  h->memos[h->memo_cnt++] = (memo_t){from, value, *b};
  return TF_OK;
}

/* Positions of box from k on that lie evenly in one tensor: how many, and which part of which. */
static tf_err_t next_group(cutter_t *c, uint32_t from, const box_t *b, uint32_t k, uint32_t *cnt,
                           uint32_t *value, box_t *part) {
  const uint32_t axis = flow_of(c, from)->axis;
  uint32_t       source, at, other, next, apart = 1, first = b->first[axis] + k * b->apart[axis];
  *cnt = 1;
  if (!find_position(c, from, first, &source, &at))
    return TF_ERR(E_MODEL_UNSUPPORTED, "position %u of %u of a value is nowhere", first,
                  flow_of(c, from)->cnt);
  for (; k + *cnt < b->cnt[axis]; (*cnt)++) {
    const uint32_t position = first + *cnt * b->apart[axis];
    if (!find_position(c, from, position, &other, &next) || other != source || next <= at) break;
    if (*cnt == 1) apart = next - at;
    if (next != at + *cnt * apart) break;
  }
  *part             = *b;
  part->first[axis] = at, part->cnt[axis] = *cnt, part->apart[axis] = apart;
  return source_value(c, from, source, value);
}

/* A part of a value of the whole net, put together in the half from wherever its positions are. */
static tf_err_t fetch(cutter_t *c, uint32_t from, const box_t *b, uint32_t *value) {
  const uint32_t axis = flow_of(c, from)->axis;
  uint32_t       groups[GROUPS_MAX], group_cnt = 0;
  box_t          part;
  if (c->whole->values[from].constant) return cut_constant(c, from, b, value);
  if (find_memo(half_of(c), from, b, value)) return TF_OK;
  tf_err_t err = TF_OK;
  if (axis == TF_NET_NONE) {
    uint32_t source, at;
    if (!find_position(c, from, 0, &source, &at))
      return TF_ERR(E_MODEL_UNSUPPORTED, "a value is nowhere");
    err = source_value(c, from, source, &groups[0]);
    if (!err) err = cut_value(c, groups[0], b, value);
    return err ? err : add_memo(half_of(c), from, b, *value);
  }
  for (uint32_t k = 0, cnt; k < b->cnt[axis] && !err; k += cnt) {
    if (group_cnt == GROUPS_MAX)
      return TF_ERR(E_MODEL_UNSUPPORTED, "a value in more than %u parts", GROUPS_MAX);
    err = next_group(c, from, b, k, &cnt, &groups[group_cnt], &part);
    if (!err) err = cut_value(c, groups[group_cnt], &part, &groups[group_cnt]);
    group_cnt++;
  }
  if (!err) err = add_concat(c, groups, group_cnt, axis, value);
  return err ? err : add_memo(half_of(c), from, b, *value);
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

static tf_net_tie_t tie_of(const cutter_t *c, const run_t *r, uint32_t i) {
  return r->axis == TF_NET_NONE ? (tf_net_tie_t){.kind = TF_NET_TIE_ALL}
                                : tf_net_tie(c->whole, r->node, i, r->axis);
}

/* Where taps of the run begin and end along an input's axis; they may lie outside of it. */
static void extent_of(const run_t *r, const tf_net_tie_t *t, int64_t *first, int64_t *end) {
  *first = t->first + (int64_t)r->first * t->by;
  *end   = *first + (int64_t)(r->cnt - 1) * t->by + (int64_t)(t->cnt - 1) * t->apart + 1;
}

/* What of input i the run reads. */
static box_t box_of_input(const cutter_t *c, const run_t *r, uint32_t i) {
  const tf_tensor_shape_t   *in  = &r->node->use.in[i];
  const tf_net_flow_value_t *u   = flow_of(c, r->node->in[i]);
  const tf_net_tie_t         tie = tie_of(c, r, i);
  box_t                      b   = box_of(in);
  if (tie.kind == TF_NET_TIE_TAPS) {
    int64_t first, end;
    extent_of(r, &tie, &first, &end);
    if (first < 0) first = 0;
    if (end > in->dims[tie.axis]) end = in->dims[tie.axis];
    b.first[tie.axis] = (uint32_t)first;
    b.cnt[tie.axis]   = end > first ? (uint32_t)(end - first) : 0;
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

static tf_err_t add_run(cutter_t *c, const run_t *r, uint32_t in_cnt, uint32_t *value) {
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
  return add_product(c, r->node, &spec, value);
}

static tf_err_t fetch_inputs(cutter_t *c, run_t *r, uint32_t first) {
  tf_err_t err = TF_OK;
  for (uint32_t i = first; i < r->node->use.in_cnt && !err; i++) {
    const box_t b = box_of_input(c, r, i);
    err           = fetch(c, r->node->in[i], &b, &r->in[i]);
  }
  return err;
}

static tf_err_t run_plain(cutter_t *c, run_t *r, uint32_t *value) {
  tf_err_t err = fetch_inputs(c, r, 0);
  return err ? err : add_run(c, r, r->node->use.in_cnt, value);
}

/* reshape and expand, whose ints are a shape. */
static tf_err_t run_shape(cutter_t *c, run_t *r, uint32_t *value) {
  const uint32_t missing = r->node->use.out.rank - r->node->use.int_cnt;
  if (r->axis != TF_NET_NONE && r->axis >= missing && r->ints[r->axis - missing] != 1)
    r->ints[r->axis - missing] = r->cnt;
  if (r->narrow && r->last >= missing && r->ints[r->last - missing] != 1)
    r->ints[r->last - missing] = r->columns;
  return run_plain(c, r, value);
}

/* The part is taken where the input is fetched, unless it goes backwards. */
static tf_err_t run_slice(cutter_t *c, run_t *r, uint32_t *value) {
  box_t b         = box_of_input(c, r, 0);
  bool  backwards = false;
  for (uint32_t axis = 0; axis < r->node->use.out.rank; axis++) {
    int64_t *n = r->ints + 3 * (size_t)axis;
    backwards |= n[2] < 0 && n[1] > 1;
    if (axis == r->axis) n[0] += r->first * n[2], n[1] = r->cnt;
  }
  if (r->narrow) r->ints[3 * r->last + 1] = r->columns;
  if (backwards) {
    if (r->axis != TF_NET_NONE) r->ints[3 * r->axis] = 0;
    return run_plain(c, r, value);
  }
  for (uint32_t axis = 0; axis < r->node->use.out.rank; axis++) {
    const int64_t *n = r->ints + 3 * (size_t)axis;
    b.first[axis] = (uint32_t)n[0], b.cnt[axis] = (uint32_t)n[1];
    b.apart[axis] = n[1] == 1 ? 1 : (uint32_t)n[2];
  }
  return fetch(c, r->node->in[0], &b, value);
}

/* Along the axis of positions, each comes from one of the inputs. */
static tf_err_t run_concat(cutter_t *c, run_t *r, uint32_t *value) {
  uint32_t cnt = 0;
  tf_err_t err = TF_OK;
  if (r->axis != (uint32_t)r->ints[0]) return run_plain(c, r, value);
  for (uint32_t i = 0; i < r->node->use.in_cnt && !err; i++) {
    const box_t b = box_of_input(c, r, i);
    if (b.cnt[r->axis]) err = fetch(c, r->node->in[i], &b, &r->in[cnt++]);
  }
  return err ? err : add_concat(c, r->in, cnt, r->axis, value);
}

/* What a run's taps lack on either side, into *before and *behind. */
static void set_padding(const cutter_t *c, const run_t *r, int64_t *before, int64_t *behind) {
  const tf_net_tie_t tie = tie_of(c, r, 0);
  int64_t            first, end;
  extent_of(r, &tie, &first, &end);
  const int64_t size = r->node->use.in[0].dims[tie.axis];
  *before            = first < 0 ? -first : 0;
  *behind            = end > size ? end - size : 0;
}

static tf_err_t run_pad(cutter_t *c, run_t *r, uint32_t *value) {
  if (r->axis == TF_NET_NONE) return run_plain(c, r, value);
  int64_t *n = r->ints + 1 + 2 * (size_t)r->axis;
  box_t    b = box_of_input(c, r, 0);
  if (b.cnt[r->axis]) {
    set_padding(c, r, &n[0], &n[1]);
    return run_plain(c, r, value);
  }
  const tf_tensor_shape_t s      = with_positions(&r->node->use.out, r->axis, r->cnt);
  float                  *values = malloc(s.cnt * sizeof *values);
  for (uint32_t k = 0; values && k < s.cnt; k++) values[k] = (float)r->node->use.reals[0];
  return add_constant(c, &s, values, value);
}

#define CONV_AXIS_INTS 4u
#define POOL_AXIS_INTS 5u

static tf_err_t run_pool(cutter_t *c, run_t *r, uint32_t *value) {
  if (r->axis == TF_NET_NONE || r->axis < 2) return run_plain(c, r, value);
  int64_t *n = r->ints + (r->axis - 2) * POOL_AXIS_INTS;
  set_padding(c, r, &n[3], &n[4]);
  return run_plain(c, r, value);
}

/* The taps of one place that are inside, and in pad's ints how many are missing on either side. */
static box_t box_of_place(const cutter_t *c, const run_t *r, int64_t *pads) {
  box_t b = box_of(&r->node->use.in[0]);
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
static tf_err_t add_place_weights(cutter_t *c, const run_t *r, uint32_t *value) {
  const tf_net_value_t   *w       = &c->whole->values[r->node->in[1]];
  const uint32_t          outputs = w->shape.dims[0], k = w->shape.cnt / outputs;
  const tf_tensor_shape_t s = {
      .rank = 2, .dims = {k, outputs},
           .cnt = w->shape.cnt
  };
  float *values = malloc(s.cnt * sizeof *values);
  for (uint32_t n = 0; values && n < s.cnt; n++)
    values[n] = w->constant[(size_t)(n % outputs) * k + n / outputs];
  return add_constant(c, &s, values, value);
}

static tf_err_t add_pad(cutter_t *c, uint32_t in, const int64_t *ints, uint32_t rank,
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
  return add(c, &spec, value);
}

/* A convolution at one place is a product of a row: no panel of places of which one is used. */
static tf_err_t run_place(cutter_t *c, run_t *r, uint32_t *value) {
  int64_t                pads[1 + 2 * TF_TENSOR_RANK_MAX] = {0}; /* the mode, a constant */
  const box_t            b                                = box_of_place(c, r, pads + 1);
  const tf_tensor_use_t *use                              = &r->node->use;
  const uint32_t         outputs = use->in[1].dims[0], batch = use->in[0].dims[0];
  const uint32_t         row[2] = {batch, use->in[1].cnt / outputs};
  uint32_t               in[2];
  bool                   is_padded = false;
  tf_err_t               err       = fetch(c, r->node->in[0], &b, &in[0]);
  for (size_t i = 1; i < TF_ARRAY_CNT(pads); i++) is_padded |= pads[i] != 0;
  if (!err && is_padded) err = add_pad(c, in[0], pads, use->in[0].rank, &in[0]);
  if (!err) err = add_reshape(c, in[0], row, 2, &in[0]);
  if (!err) err = add_place_weights(c, r, &in[1]);
  tf_net_spec_t spec = {
      .op = tf_tensor_find("matmul"), .name = r->node->name, .in = in, .in_cnt = 2};
  if (!err) err = add_product(c, r->node, &spec, value);
  if (!err && use->in_cnt > 2) {
    const box_t bias = box_of(&use->in[2]);
    in[0]            = *value;
    err              = fetch(c, r->node->in[2], &bias, &in[1]);
    spec.op          = tf_tensor_find("add");
    if (!err) err = add(c, &spec, value);
  }
  uint32_t dims[TF_TENSOR_RANK_MAX] = {batch, outputs, 1, 1};
  return err ? err : add_reshape(c, *value, dims, use->out.rank, value);
}

static tf_err_t run_conv(cutter_t *c, run_t *r, uint32_t *value) {
  if (r->axis == TF_NET_NONE || r->axis < 2) return run_plain(c, r, value);
  if (r->cnt == 1 && tf_net_tie_is_place(c->whole, r->node, r->axis, r->first))
    return run_place(c, r, value);
  int64_t    *n = r->ints + 1 + (r->axis - 2) * CONV_AXIS_INTS;
  const box_t b = box_of_input(c, r, 0);
  if (b.cnt[r->axis] == 0)
    return TF_ERR(E_MODEL_UNSUPPORTED, "node \"%.60s\": a place of padding alone", r->node->name);
  set_padding(c, r, &n[2], &n[3]);
  return run_plain(c, r, value);
}

/* Entries count from where the fetched part begins. */
static tf_err_t run_gather(cutter_t *c, run_t *r, uint32_t *value) {
  const tf_tensor_shape_t *index = &r->node->use.in[1];
  const uint32_t           own = (uint32_t)r->ints[0], size = r->node->use.in[0].dims[own];
  const float             *entries = c->whole->values[r->node->in[1]].constant;
  if (!entries) return run_plain(c, r, value);
  const box_t       b      = box_of_input(c, r, 0);
  const bool        along  = r->axis == own && index->rank > 0;
  const uint32_t    each   = along ? index->cnt / index->dims[0] : index->cnt;
  tf_tensor_shape_t s      = along ? with_positions(index, 0, r->cnt) : *index;
  float            *values = malloc(s.cnt * sizeof *values);
  for (uint32_t k = 0; values && k < s.cnt; k++)
    values[k] =
        (float)(tf_net_tie_entry(entries[(along ? r->first * each : 0) + k], size) - b.first[own]);
  tf_err_t err = add_constant(c, &s, values, &r->in[1]);
  if (!err) err = fetch(c, r->node->in[0], &b, &r->in[0]);
  return err ? err : add_run(c, r, 2, value);
}

/* ---- recurrences ---- */

static bool has_carry(const run_t *r) { return r->node->use.in_cnt > RECURRENT_C; }

static tf_err_t add_keep(cutter_t *c, uint32_t part, uint32_t axis, uint32_t first, uint32_t cnt,
                         uint32_t at, uint32_t *value) {
  const int64_t ints[3] = {axis, first, cnt};
  tf_net_spec_t spec    = {
         .op = &keep_op, .name = "", .in = &part, .in_cnt = 1, .ints = ints, .int_cnt = 3};
  tf_err_t err = add(c, &spec, value);
  if (err) return err;
  half_of(c)->net->values[*value].in_state = true;
  half_of(c)->net->values[*value].state_at = at;
  return TF_OK;
}

/* Row number row of a recurrence's output, [rows, directions, batch, units], is where the timed net goes on. */
static tf_err_t keep_recurrence(cutter_t *c, const run_t *r, uint32_t out, uint32_t row,
                                uint32_t at) {
  box_t    b = box_of(&half_value(c, out)->shape);
  uint32_t part, dims[3] = {b.cnt[1], b.cnt[2], b.cnt[3]};
  (void)r;
  b.first[0] = row, b.cnt[0] = 1;
  tf_err_t err = cut_value(c, out, &b, &part);
  if (!err) err = add_reshape(c, part, dims, 3, &part);
  return err ? err : add_keep(c, part, 0, 0, dims[0], at, &part);
}

static tf_err_t run_recurrence(cutter_t *c, run_t *r, uint32_t *value) {
  const held_t      *h       = &c->held[r->node->out];
  const tf_net_tie_t tie     = tie_of(c, r, RECURRENT_X);
  const bool         goes_on = tie.kind == TF_NET_TIE_BEFORE && h->recurrence_at[0] != TF_NET_NONE;
  tf_err_t           err     = fetch_inputs(c, r, 0);
  if (err || !goes_on) return err ? err : add_run(c, r, r->node->use.in_cnt, value);
  if (c->half == TIMED) {
    for (uint32_t i = 0; i <= has_carry(r) && !err; i++)
      err = tf_net_add_state(half_of(c)->net, &r->node->use.in[RECURRENT_H + i],
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
  err                = add_product(c, r->node, &spec, value);
  for (uint32_t i = 0; i <= has_carry(r) && !err; i++)
    err = keep_recurrence(c, r, *value, r->cnt - 1 + i, h->recurrence_at[i]);
  if (err || !has_carry(r)) return err;
  box_t rows  = box_of(&half_value(c, *value)->shape);
  rows.cnt[0] = r->cnt;
  return cut_value(c, *value, &rows, value);
}

/* ---- all nodes ---- */

static const struct {
  const char *op;
  tf_err_t (*run)(cutter_t *c, run_t *r, uint32_t *value);
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

static tf_err_t run_node(cutter_t *c, const tf_net_node_t *node, uint32_t first, uint32_t cnt,
                         uint32_t *value) {
  const tf_net_flow_value_t *v     = flow_of(c, node->out);
  const tf_tensor_shape_t   *shape = &node->use.out;
  run_t r   = {.node = node, .first = first, .cnt = cnt, .axis = v->axis, .last = shape->rank - 1};
  r.columns = tf_net_flow_columns(&c->flow, node->out, first, cnt);
  r.narrow  = shape->rank > 0 && r.columns < shape->dims[r.last];
  memcpy(r.ints, node->use.ints, sizeof r.ints);
  for (size_t k = 0; k < TF_ARRAY_CNT(runs); k++)
    if (is_named(node, runs[k].op)) return runs[k].run(c, &r, value);
  return run_plain(c, &r, value);
}

/* What of a piece goes into the state. */
static tf_err_t keep_part(cutter_t *c, uint32_t whole_value, const piece_t *p, uint32_t first,
                          uint32_t cnt, bool is_store) {
  const held_t  *h    = &c->held[whole_value];
  half_value_t  *v    = &half_of(c)->values[whole_value];
  const uint32_t axis = flow_of(c, whole_value)->axis;
  const uint32_t at   = is_store ? first - h->store_first : h->history_cnt - 1;
  box_t          b    = box_of(&half_value(c, p->value)->shape);
  uint32_t       part;
  if (axis != TF_NET_NONE) b.first[axis] = first - p->first, b.cnt[axis] = cnt;
  tf_err_t err = cut_value(c, p->value, &b, &part);
  if (err) return err;
  return add_keep(c, part, axis == TF_NET_NONE ? 0 : axis, axis == TF_NET_NONE ? 0 : at,
                  axis == TF_NET_NONE ? half_value(c, part)->shape.dims[0]
                  : is_store          ? h->store_cnt
                                      : h->history_cnt,
                  is_store ? h->store_at : h->history_at, is_store ? &v->store : &v->history);
}

static bool is_stored(const cutter_t *c, uint32_t value, uint32_t position) {
  const held_t *h     = &c->held[value];
  const uint8_t marks = flow_of(c, value)->marks[position];
  if (c->half == DEFERRED) return marks & TF_NET_FLOW_STORED;
  return marks & TF_NET_FLOW_TIMED && !(marks & TF_NET_FLOW_KEPT) && h->store_cnt &&
         position >= h->store_first && position - h->store_first < h->store_cnt;
}

/* Stretches of a piece that are stored, and the history's newest position. */
static tf_err_t keep_piece(cutter_t *c, uint32_t value, const piece_t *p) {
  const tf_net_flow_value_t *u   = flow_of(c, value);
  tf_err_t                   err = TF_OK;
  for (uint32_t at = p->first, end; at < p->first + p->cnt && !err; at = end) {
    end = at + 1;
    if (u->marks[at] & TF_NET_FLOW_KEPT && u->age[at] == c->held[value].age_min)
      err = keep_part(c, value, p, at, 1, false);
    if (err || !is_stored(c, value, at)) continue;
    while (end < p->first + p->cnt && is_stored(c, value, end)) end++;
    err = keep_part(c, value, p, at, end - at, true);
  }
  return err;
}

static tf_err_t add_piece(cutter_t *c, uint32_t whole_value, uint32_t first, uint32_t cnt,
                          uint32_t value) {
  half_value_t *v = &half_of(c)->values[whole_value];
  if (v->piece_cnt == PIECES_MAX)
    return TF_ERR(E_MODEL_UNSUPPORTED, "a value in more than %u pieces", PIECES_MAX);
  v->pieces[v->piece_cnt] = (piece_t){first, cnt, value};
  return keep_piece(c, whole_value, &v->pieces[v->piece_cnt++]);
}

static tf_err_t cut_node(cutter_t *c, const tf_net_node_t *node) {
  const tf_net_flow_value_t *v   = flow_of(c, node->out);
  tf_err_t                   err = TF_OK;
  for (uint32_t p = 0, end; p < v->cnt && !err; p = end) {
    uint32_t value;
    end = p + 1;
    if (!is_computed(c, node->out, p)) continue;
    while (end < v->cnt && is_computed(c, node->out, end)) end++;
    err = run_node(c, node, p, end - p, &value);
    if (!err) err = add_piece(c, node->out, p, end - p, value);
  }
  return err;
}

static tf_err_t cut_half(cutter_t *c, uint32_t half) {
  const tf_net_t *whole = c->whole;
  half_t         *h     = &c->halves[half];
  c->half               = half;
  h->values             = calloc(whole->value_cnt, sizeof *h->values);
  tf_err_t err          = tf_net_new(1, whole->input_cnt, &h->net);
  if (!err && !h->values) err = TF_ERR(E_CORE_NO_MEMORY, "a part of a graph");
  for (uint32_t v = 0; v < whole->value_cnt && !err; v++)
    h->values[v].history = h->values[v].store = h->values[v].constant = TF_NET_NONE;
  if (!err && half == TIMED) err = add_piece(c, TF_NET_INPUT, whole->window - 1, 1, TF_NET_INPUT);
  for (uint32_t n = 0; n < whole->node_cnt && !err; n++) {
    err = cut_node(c, &whole->nodes[n]);
    if (err)
      err = tf_error_add(err, "node %u, %s \"%.60s\"", n, whole->nodes[n].use.op->name,
                         whole->nodes[n].name);
  }
  return err;
}

/* ---- the state ---- */

static tf_err_t claim(cutter_t *c, uint64_t floats, uint32_t *at) {
  const uint64_t end = c->cut->state_floats + tf_align_up(floats, TF_OP_PAD) + TF_TENSOR_PAD;
  *at                = c->cut->state_floats;
  if (end * sizeof(float) > TF_NET_CUT_STATE_BYTES_MAX)
    return TF_ERR(E_MODEL_UNSUPPORTED, "more than %llu bytes of state an instrument",
                  (unsigned long long)TF_NET_CUT_STATE_BYTES_MAX);
  c->cut->state_floats = (uint32_t)end;
  return TF_OK;
}

static uint32_t inner_floats(const cutter_t *c, uint32_t value) {
  const tf_tensor_shape_t *s = whole_shape(c, value);
  return tf_tensor_axes_cnt(s, flow_of(c, value)->axis + 1, s->rank);
}

static tf_err_t hold_history(cutter_t *c, uint32_t value) {
  const tf_net_flow_value_t *v       = flow_of(c, value);
  held_t                    *h       = &c->held[value];
  int32_t                    age_max = -1;
  h->age_min                         = INT32_MAX;
  for (uint32_t p = 0; p < v->cnt; p++) {
    if (!(v->marks[p] & TF_NET_FLOW_KEPT)) continue;
    if (h->age_min > v->age[p]) h->age_min = v->age[p];
    if (age_max < v->age[p]) age_max = v->age[p];
  }
  if (age_max < 0) return TF_OK;
  h->history_cnt        = (uint32_t)(age_max - h->age_min) + 1;
  const uint64_t floats = (uint64_t)whole_shape(c, value)->cnt / v->cnt * h->history_cnt;
  tf_err_t       err    = claim(c, floats, &h->history_at);
  if (!err)
    c->cut->shifts[c->cut->shift_cnt++] = (tf_net_shift_t){
        h->history_at, (uint32_t)floats - inner_floats(c, value), inner_floats(c, value)};
  return err;
}

/* From the first stored position to the last, and what is computed right behind it in time for the answer. */
static tf_err_t hold_store(cutter_t *c, uint32_t value) {
  const tf_net_flow_value_t *v   = flow_of(c, value);
  held_t                    *h   = &c->held[value];
  uint32_t                   end = 0;
  h->store_first                 = v->cnt;
  for (uint32_t p = 0; p < v->cnt; p++) {
    if (!(v->marks[p] & TF_NET_FLOW_STORED)) continue;
    if (h->store_first > p) h->store_first = p;
    end = p + 1;
  }
  if (end == 0) return TF_OK;
  if (v->columns && tf_net_flow_columns(&c->flow, value, h->store_first, end - h->store_first) <
                        whole_shape(c, value)->dims[whole_shape(c, value)->rank - 1])
    return TF_ERR(E_MODEL_UNSUPPORTED, "masked values that the timed path would read");
  while (end < v->cnt && v->marks[end] & TF_NET_FLOW_TIMED && !(v->marks[end] & TF_NET_FLOW_KEPT))
    end++;
  h->store_cnt = end - h->store_first;
  return claim(c, (uint64_t)whole_shape(c, value)->cnt / v->cnt * h->store_cnt, &h->store_at);
}

/* A recurrence that deferred work begins and the timed path ends. */
static tf_err_t hold_recurrence(cutter_t *c, const tf_net_node_t *node) {
  const tf_net_flow_value_t *v = flow_of(c, node->out);
  held_t                    *h = &c->held[node->out];
  h->recurrence_at[0] = h->recurrence_at[1] = TF_NET_NONE;
  if (v->axis == TF_NET_NONE || tf_net_tie(c->whole, node, 0, v->axis).kind != TF_NET_TIE_BEFORE ||
      !(v->marks[0] & TF_NET_FLOW_DEFERRED) || v->marks[0] & TF_NET_FLOW_TIMED)
    return TF_OK;
  bool ends = false;
  for (uint32_t p = 0; p < v->cnt; p++) ends |= (v->marks[p] & TF_NET_FLOW_TIMED) != 0;
  tf_err_t err = TF_OK;
  for (uint32_t i = RECURRENT_H; ends && i < node->use.in_cnt && !err; i++)
    err = claim(c, node->use.in[i].cnt, &h->recurrence_at[i - RECURRENT_H]);
  return err;
}

static tf_err_t hold(cutter_t *c) {
  tf_err_t err = TF_OK;
  for (uint32_t v = 0; v < c->whole->value_cnt && !err; v++) {
    const uint32_t node = c->whole->values[v].node;
    if (!flow_of(c, v)->marks) continue;
    err = hold_history(c, v);
    if (!err) err = hold_store(c, v);
    if (!err && node != TF_NET_NONE) err = hold_recurrence(c, &c->whole->nodes[node]);
  }
  return err;
}

/* ---- the whole ---- */

static void count_shares(const cutter_t *c) {
  for (uint32_t n = 0; n < c->whole->node_cnt; n++) {
    const tf_net_flow_value_t *v = flow_of(c, c->whole->nodes[n].out);
    tf_net_share_t            *s = &c->cut->shares[n];
    s->all                       = v->cnt;
    for (uint32_t p = 0; p < v->cnt; p++) {
      if (v->marks[p] & TF_NET_FLOW_TIMED)
        s->timed++;
      else if (v->marks[p] & TF_NET_FLOW_DEFERRED)
        s->deferred++;
      else if (v->marks[p] & TF_NET_FLOW_KEPT)
        s->kept++;
    }
  }
}

static tf_err_t cut_all(cutter_t *c) {
  tf_net_cut_t *cut = c->cut;
  cut->shifts       = calloc(c->whole->value_cnt, sizeof *cut->shifts);
  cut->shares       = calloc(c->whole->node_cnt, sizeof *cut->shares);
  c->held           = calloc(c->whole->value_cnt, sizeof *c->held);
  if (!cut->shifts || !cut->shares || !c->held) return TF_ERR(E_CORE_NO_MEMORY, "parts of a graph");
  tf_err_t err = hold(c);
  if (!err) err = cut_half(c, DEFERRED);
  if (!err) err = cut_half(c, TIMED);
  if (err) return err;
  const uint32_t answer = c->whole->nodes[c->whole->node_cnt - 1].out;
  const box_t    all    = box_of(whole_shape(c, answer));
  err                   = fetch(c, answer, &all, &cut->answer);
  count_shares(c);
  return err;
}

tf_err_t tf_net_cut_init(tf_net_cut_t *cut, const tf_net_t *net) {
  cutter_t c   = {.whole = net, .cut = cut};
  *cut         = (tf_net_cut_t){0};
  tf_err_t err = tf_net_flow_init(&c.flow, net);
  if (!err) err = cut_all(&c);
  cut->timed    = c.halves[TIMED].net;
  cut->deferred = c.halves[DEFERRED].net;
  if (!err && cut->deferred->node_cnt == 0) {
    tf_net_delete(cut->deferred);
    cut->deferred = NULL;
  }
  for (uint32_t half = 0; half < HALF_CNT; half++) {
    free(c.halves[half].values);
    free(c.halves[half].memos);
  }
  free(c.held);
  tf_net_flow_fini(&c.flow);
  if (err) tf_net_cut_fini(cut);
  return err;
}

void tf_net_cut_fini(tf_net_cut_t *cut) {
  tf_net_delete(cut->timed);
  tf_net_delete(cut->deferred);
  free(cut->shifts);
  free(cut->shares);
  memset(cut, 0, sizeof *cut);
}
