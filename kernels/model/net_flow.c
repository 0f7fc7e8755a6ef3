#include "model/net_flow.h"

#include <string.h>

#include "core/error.h"

/* What an importer makes of -infinity is -1e30. */
#define MASK_LEAST (-1e29f)
/* Idle positions between two computed ones that are computed along, and the most pieces that a value is computed in. */
#define GAP_MAX  4u
#define RUNS_MAX 8u

static tf_net_flow_value_t *flow_of(const tf_net_flow_t *f, uint32_t value) {
  return &f->values[value];
}

static const tf_tensor_shape_t *shape_of(const tf_net_flow_t *f, uint32_t value) {
  return &f->net->values[value].shape;
}

static bool is_constant(const tf_net_flow_t *f, uint32_t value) {
  return f->net->values[value].constant != NULL;
}

static bool is_named(const tf_net_node_t *node, const char *op) {
  return strcmp(node->use.op->name, op) == 0;
}

static uint32_t last_axis(const tf_net_flow_t *f, uint32_t value) {
  return shape_of(f, value)->rank - 1;
}

/* A tie along the axis of positions. */
static bool is_along(const tf_net_flow_value_t *u, const tf_net_tie_t *tie) {
  return tie->kind == TF_NET_TIE_TAPS && u->axis != TF_NET_NONE && tie->axis == u->axis;
}

/* Whether rows of positions lie along another axis than the last. */
static bool has_columns(const tf_net_flow_t *f, uint32_t value) {
  const tf_net_flow_value_t *v = flow_of(f, value);
  return v->axis != TF_NET_NONE && v->axis != last_axis(f, value);
}

/* ---- axes ---- */

static tf_err_t add_value(tf_net_flow_t *f, uint32_t value, uint32_t axis) {
  tf_net_flow_value_t *v = flow_of(f, value);
  v->axis                = axis;
  v->cnt                 = axis == TF_NET_NONE ? 1 : shape_of(f, value)->dims[axis];
  v->marks               = calloc(v->cnt, sizeof *v->marks);
  v->age                 = calloc(v->cnt, sizeof *v->age);
  return v->marks && v->age ? TF_OK : TF_ERR(E_CORE_NO_MEMORY, "positions of a graph's values");
}

static uint32_t find_axis(const tf_net_flow_t *f, const tf_net_node_t *node) {
  uint32_t found = TF_NET_NONE;
  for (uint32_t i = 0; i < node->use.in_cnt; i++) {
    if (is_constant(f, node->in[i]) || flow_of(f, node->in[i])->axis == TF_NET_NONE) continue;
    uint32_t axis = tf_net_tie_axis(f->net, node, i, flow_of(f, node->in[i])->axis);
    if (axis == TF_NET_NONE) continue;
    if (flow_of(f, node->in[i])->cnt > 1) return axis;
    if (found == TF_NET_NONE) found = axis;
  }
  /* what a loop over rows leaves, written out step by step */
  return is_named(node, "concat") ? (uint32_t)node->use.ints[0] : found;
}

/* ---- masks ---- */

/* An input's value for an element of the output; at: its place along each axis. */
static float constant_at(const tf_net_flow_t *f, const tf_net_node_t *node, uint32_t i,
                         const uint32_t *at) {
  const tf_tensor_shape_t *in   = &node->use.in[i];
  size_t                   from = 0;
  for (uint32_t axis = 0; axis < in->rank; axis++)
    from = from * in->dims[axis] +
           (in->dims[axis] == 1 ? 0 : at[axis + node->use.out.rank - in->rank]);
  return f->net->values[node->in[i]].constant[from];
}

static bool is_least(const tf_net_flow_t *f, const tf_net_node_t *node, uint32_t i,
                     const uint32_t *at) {
  return is_constant(f, node->in[i]) && constant_at(f, node, i, at) <= MASK_LEAST;
}

static bool is_masked(const tf_net_flow_t *f, const tf_net_node_t *node, const uint32_t *at) {
  if (is_named(node, "add")) return is_least(f, node, 0, at) || is_least(f, node, 1, at);
  return is_least(f, node, constant_at(f, node, 0, at) != 0.0f ? 1 : 2, at);
}

static tf_err_t find_live(tf_net_flow_t *f, const tf_net_node_t *node) {
  const tf_tensor_shape_t *out                    = &node->use.out;
  tf_net_flow_value_t     *v                      = flow_of(f, node->out);
  uint32_t                 at[TF_TENSOR_RANK_MAX] = {0};
  const uint32_t           last = out->rank - 1, width = out->dims[last];
  v->live = calloc(v->cnt, sizeof *v->live);
  if (!v->live) return TF_ERR(E_CORE_NO_MEMORY, "a mask");
  for (uint32_t n = 0; n < out->cnt; n++) {
    uint32_t *live = &v->live[at[v->axis]];
    if (*live <= at[last] && !is_masked(f, node, at)) *live = at[last] + 1;
    for (uint32_t axis = out->rank; axis-- > 0 && ++at[axis] == out->dims[axis];) at[axis] = 0;
  }
  bool any = false;
  for (uint32_t p = 0; p < v->cnt; p++) {
    if (v->live[p] == 0)
      v->live[p] = width; /* a row of nothing but the mask is no row without it */
    any |= v->live[p] < width;
  }
  v->mask = any ? TF_NET_MASK_LEAST : TF_NET_MASK_NONE;
  if (any) return TF_OK;
  free(v->live);
  v->live = NULL;
  return TF_OK;
}

/* The mask that node passes on from its first input. */
static tf_net_mask_t mask_behind(const tf_net_flow_t *f, const tf_net_node_t *node) {
  const tf_net_flow_value_t *u = flow_of(f, node->in[0]), *v = flow_of(f, node->out);
  const tf_net_tie_t         along = tf_net_tie(f->net, node, 0, v->axis);
  const tf_net_tie_t         last  = tf_net_tie(f->net, node, 0, last_axis(f, node->out));
  if (u->mask == TF_NET_MASK_NONE || !is_along(u, &along) || !tf_net_tie_is_same(&along))
    return TF_NET_MASK_NONE;
  if (is_named(node, "rows"))
    return u->mask == TF_NET_MASK_LEAST && strcmp(node->use.row->name, "softmax") == 0
               ? TF_NET_MASK_ZERO
               : TF_NET_MASK_NONE;
  if (!is_named(node, "reshape") && !is_named(node, "transpose")) return TF_NET_MASK_NONE;
  return tf_net_tie_is_same(&last) && last.axis == last_axis(f, node->in[0]) ? u->mask
                                                                             : TF_NET_MASK_NONE;
}

static tf_err_t find_mask(tf_net_flow_t *f, const tf_net_node_t *node) {
  tf_net_flow_value_t *v = flow_of(f, node->out);
  if (!has_columns(f, node->out)) return TF_OK;
  if ((is_named(node, "add") && (is_constant(f, node->in[0]) || is_constant(f, node->in[1]))) ||
      (is_named(node, "where") && is_constant(f, node->in[0])))
    return find_live(f, node);
  if (is_constant(f, node->in[0])) return TF_OK;
  v->mask = mask_behind(f, node);
  if (v->mask == TF_NET_MASK_NONE) return TF_OK;
  v->live = malloc(v->cnt * sizeof *v->live);
  if (!v->live) return TF_ERR(E_CORE_NO_MEMORY, "a mask");
  memcpy(v->live, flow_of(f, node->in[0])->live, v->cnt * sizeof *v->live);
  return TF_OK;
}

/* ---- columns ---- */

/* How much of the last axis of input i node wants for its position. */
static uint32_t wanted_columns(const tf_net_flow_t *f, const tf_net_node_t *node, uint32_t i,
                               uint32_t position) {
  const tf_net_flow_value_t *u = flow_of(f, node->in[i]), *v = flow_of(f, node->out);
  const uint32_t             all  = shape_of(f, node->in[i])->dims[last_axis(f, node->in[i])];
  const tf_net_tie_t         last = tf_net_tie(f->net, node, i, last_axis(f, node->out));
  if (is_named(node, "rows") && v->mask == TF_NET_MASK_ZERO && v->columns)
    return v->live[position] < v->columns[position] ? v->columns[position] : v->live[position];
  if (is_named(node, "matmul"))
    return i == 0 && u->mask == TF_NET_MASK_ZERO && u->axis + 1 == last_axis(f, node->in[0])
               ? u->live[position]
               : all;
  if (!v->columns || !tf_net_tie_is_same(&last) || last.axis != last_axis(f, node->in[i]))
    return all;
  return v->mask == TF_NET_MASK_LEAST && v->live[position] < v->columns[position]
             ? v->live[position]
             : v->columns[position];
}

static void want_columns(const tf_net_flow_t *f, const tf_net_node_t *node, uint32_t i) {
  const tf_net_flow_value_t *u = flow_of(f, node->in[i]), *v = flow_of(f, node->out);
  if (!u->columns) return;
  const uint32_t     all = shape_of(f, node->in[i])->dims[last_axis(f, node->in[i])];
  const tf_net_tie_t tie =
      v->axis == TF_NET_NONE ? (tf_net_tie_t){0} : tf_net_tie(f->net, node, i, v->axis);
  if (!is_along(u, &tie) || !tf_net_tie_is_same(&tie)) {
    for (uint32_t p = 0; p < u->cnt; p++) u->columns[p] = all;
    return;
  }
  for (uint32_t p = 0; p < v->cnt && p < u->cnt; p++) {
    const uint32_t wanted = wanted_columns(f, node, i, p);
    if (u->columns[p] < wanted) u->columns[p] = wanted;
  }
}

/* Whether a part of the last axis can be computed by itself. */
static bool can_be_narrow(const tf_net_flow_t *f, const tf_net_node_t *node) {
  const tf_tensor_op_t *op = node->use.op;
  if (!has_columns(f, node->out)) return false;
  if (is_named(node, "rows")) return flow_of(f, node->out)->mask == TF_NET_MASK_ZERO;
  if (is_named(node, "matmul") || is_named(node, "each") || op->shape == tf_tensor_shape_broadcast)
    return true;
  const tf_net_tie_t last = tf_net_tie(f->net, node, 0, last_axis(f, node->out));
  return (is_named(node, "reshape") || is_named(node, "transpose")) && tf_net_tie_is_same(&last);
}

static tf_err_t find_columns(tf_net_flow_t *f) {
  const tf_net_t *net    = f->net;
  const uint32_t  answer = net->nodes[net->node_cnt - 1].out;
  bool            any    = false;
  for (uint32_t n = 0; n < net->node_cnt; n++) any |= flow_of(f, net->nodes[n].out)->live != NULL;
  if (!any) return TF_OK;
  for (uint32_t n = 0; n < net->node_cnt; n++) {
    tf_net_flow_value_t *v = flow_of(f, net->nodes[n].out);
    if (!can_be_narrow(f, &net->nodes[n]) || net->nodes[n].out == answer) continue;
    v->columns = calloc(v->cnt, sizeof *v->columns);
    if (!v->columns) return TF_ERR(E_CORE_NO_MEMORY, "columns of a graph's values");
  }
  for (uint32_t n = net->node_cnt; n-- > 0;)
    for (uint32_t i = 0; i < net->nodes[n].use.in_cnt; i++) want_columns(f, &net->nodes[n], i);
  return TF_OK;
}

uint32_t tf_net_flow_columns(const tf_net_flow_t *f, uint32_t value, uint32_t first, uint32_t cnt) {
  const tf_net_flow_value_t *v    = flow_of(f, value);
  uint32_t                   most = 0;
  if (!v->columns)
    return shape_of(f, value)->rank ? shape_of(f, value)->dims[last_axis(f, value)] : 1;
  for (uint32_t p = first; p < first + cnt; p++) {
    if (most < v->columns[p]) most = v->columns[p];
    /* a row of weights is a whole one */
    if (v->mask == TF_NET_MASK_ZERO && most < v->live[p]) most = v->live[p];
  }
  return most;
}

uint32_t tf_net_flow_terms(const tf_net_flow_t *f, const tf_net_node_t *node, uint32_t first,
                           uint32_t cnt) {
  const tf_net_flow_value_t *a = flow_of(f, node->in[0]), *v = flow_of(f, node->out);
  if (!is_named(node, "matmul") || is_constant(f, node->in[0]) || a->mask != TF_NET_MASK_ZERO ||
      a->axis + 1 != last_axis(f, node->in[0]) || v->axis + 1 != last_axis(f, node->out))
    return 0;
  uint32_t most = 0;
  for (uint32_t p = first; p < first + cnt; p++)
    if (most < a->live[p]) most = a->live[p];
  return most;
}

/* ---- what a position is made of ---- */

static tf_net_reads_t part(uint32_t first, uint32_t cnt) { return (tf_net_reads_t){first, 1, cnt}; }

tf_net_reads_t tf_net_flow_reads(const tf_net_flow_t *f, const tf_net_node_t *node, uint32_t i,
                                 uint32_t position) {
  const tf_net_flow_value_t *u = flow_of(f, node->in[i]), *v = flow_of(f, node->out);
  tf_net_tie_t               tie = {.kind = TF_NET_TIE_ALL};
  if (v->axis != TF_NET_NONE) tie = tf_net_tie(f->net, node, i, v->axis);
  if (is_named(node, "concat") && tie.kind == TF_NET_TIE_TAPS &&
      (tie.first + position < 0 || tie.first + position >= node->use.in[i].dims[tie.axis]))
    return part(0, 0); /* another input's */
  if (u->axis == TF_NET_NONE) return part(0, 1);
  if (tie.kind != TF_NET_TIE_ALL && tie.axis == u->axis) {
    if (tie.kind == TF_NET_TIE_BEFORE) return part(0, position + 1);
    if (tie.kind == TF_NET_TIE_BEHIND) return part(position, u->cnt - position);
    return (tf_net_reads_t){tie.first + (int64_t)position * tie.by, tie.apart, tie.cnt};
  }
  if (i == 1 && is_named(node, "matmul") && v->axis + 1 == last_axis(f, node->out)) {
    const uint32_t last = last_axis(f, node->in[1]);
    if (u->axis == last && v->columns) return part(0, v->columns[position]);
    const uint32_t terms = u->axis + 1 == last ? tf_net_flow_terms(f, node, position, 1) : 0;
    if (terms) return part(0, terms);
  }
  uint32_t first, cnt;
  tf_net_tie_extent(f->net, node, i, u->axis, &first, &cnt);
  return part(first, cnt);
}

/* ---- even positions, and those of the newest row ---- */

/* How the positions of node's are tied to one another, where it is a recurrence. */
static tf_net_tie_kind_t kind_of(const tf_net_flow_t *f, const tf_net_node_t *node) {
  const uint32_t axis = flow_of(f, node->out)->axis;
  if (axis == TF_NET_NONE || is_constant(f, node->in[0])) return TF_NET_TIE_ALL;
  const tf_net_tie_t tie = tf_net_tie(f->net, node, 0, axis);
  return tie.kind == TF_NET_TIE_ALL || tie.axis != flow_of(f, node->in[0])->axis ? TF_NET_TIE_ALL
                                                                                 : tie.kind;
}

/* Rows from one position of node's to the next where all are made alike; 0 where they are not. */
static int32_t step_of(const tf_net_flow_t *f, const tf_net_node_t *node) {
  const tf_net_flow_value_t *v    = flow_of(f, node->out);
  int64_t                    step = 0;
  if (v->axis == TF_NET_NONE || v->columns) return 0;
  if (is_named(node, "concat") && v->axis == (uint32_t)node->use.ints[0] && node->use.in_cnt > 1)
    return 0;
  for (uint32_t i = 0; i < node->use.in_cnt; i++) {
    const tf_net_flow_value_t *u   = flow_of(f, node->in[i]);
    const tf_net_tie_t         tie = tf_net_tie(f->net, node, i, v->axis);
    if (is_constant(f, node->in[i])) {
      if (tie.kind != TF_NET_TIE_ALL && v->cnt > 1) return 0;
      continue;
    }
    if (!is_along(u, &tie) || u->step == 0 || (step && step != u->step * tie.by)) return 0;
    step = u->step * tie.by;
    if (step < 1 || step > INT32_MAX) return 0;
  }
  return (int32_t)step;
}

static void mark_position(const tf_net_flow_t *f, const tf_net_node_t *node, uint32_t p) {
  tf_net_flow_value_t *v    = flow_of(f, node->out);
  bool                 even = v->step > 0, newest = false;
  int32_t              age = INT32_MAX;
  for (uint32_t i = 0; i < node->use.in_cnt; i++) {
    if (is_constant(f, node->in[i])) continue;
    const tf_net_flow_value_t *u     = flow_of(f, node->in[i]);
    const tf_net_reads_t       reads = tf_net_flow_reads(f, node, i, p);
    int64_t                    end   = 0;
    for (uint32_t k = 0; k < reads.cnt; k++) {
      const int64_t at = reads.first + k * reads.apart;
      if (at < 0 || at >= u->cnt) {
        even = false;
        continue;
      }
      end = at + 1;
      even &= (u->marks[at] & TF_NET_FLOW_EVEN) != 0;
      if (age > u->age[at]) age = u->age[at];
    }
    /* what lies between taps may be fetched with them */
    for (int64_t at = reads.first > 0 ? reads.first : 0; at < end; at++)
      newest |= (u->marks[at] & TF_NET_FLOW_NEWEST) != 0;
  }
  v->marks[p] = (uint8_t)((newest ? TF_NET_FLOW_NEWEST : 0) | (even ? TF_NET_FLOW_EVEN : 0));
  v->age[p]   = age;
}

static void mark_node(const tf_net_flow_t *f, const tf_net_node_t *node) {
  tf_net_flow_value_t *v = flow_of(f, node->out);
  v->step                = step_of(f, node);
  for (uint32_t p = 0; p < v->cnt; p++) mark_position(f, node, p);
  /* backwards all positions wait for the first to be known: the last ones too, which may be padding alone */
  if (kind_of(f, node) == TF_NET_TIE_BEHIND && v->marks[0] & TF_NET_FLOW_NEWEST)
    for (uint32_t p = 0; p < v->cnt; p++) v->marks[p] |= TF_NET_FLOW_NEWEST;
}

static void mark_rows(tf_net_flow_t *f) {
  tf_net_flow_value_t *rows = flow_of(f, TF_NET_INPUT);
  rows->step                = 1;
  for (uint32_t p = 0; p < rows->cnt; p++) {
    rows->marks[p] = TF_NET_FLOW_EVEN;
    rows->age[p]   = (int32_t)(rows->cnt - 1 - p);
  }
  rows->marks[rows->cnt - 1] |= TF_NET_FLOW_NEWEST;
}

/* ---- when each position is computed ---- */

static bool is_wanted(uint8_t marks) {
  return marks & (TF_NET_FLOW_WANTED_T | TF_NET_FLOW_WANTED_D);
}

/* The history takes what is wanted of the even positions, if that is more than one; the newest of them is computed. */
static void keep(tf_net_flow_value_t *v) {
  uint32_t cnt = 0, newest = 0;
  for (uint32_t p = 0; p < v->cnt; p++)
    if (is_wanted(v->marks[p]) && v->marks[p] & TF_NET_FLOW_EVEN) cnt++, newest = p;
  if (cnt < 2) return;
  for (uint32_t p = 0; p < v->cnt; p++)
    if (is_wanted(v->marks[p]) && v->marks[p] & TF_NET_FLOW_EVEN) v->marks[p] |= TF_NET_FLOW_KEPT;
  v->marks[newest] |=
      v->marks[newest] & TF_NET_FLOW_NEWEST ? TF_NET_FLOW_TIMED : TF_NET_FLOW_DEFERRED;
}

/* Positions between two that are computed are computed with them where that saves a piece. */
static void fill_gaps(tf_net_flow_value_t *v, uint8_t when) {
  const uint8_t may_not = when == TF_NET_FLOW_DEFERRED ? TF_NET_FLOW_NEWEST : 0;
  uint32_t      gap_max = GAP_MAX;
  for (uint32_t round = 0; round < 2; round++, gap_max = UINT32_MAX) {
    uint32_t last = UINT32_MAX, runs = 0;
    for (uint32_t p = 0; p < v->cnt; p++) {
      if (!(v->marks[p] & when)) continue;
      bool can = last != UINT32_MAX && p - last - 1 <= gap_max;
      for (uint32_t k = last + 1; can && k < p; k++) can = !(v->marks[k] & may_not);
      for (uint32_t k = last + 1; can && k < p; k++) v->marks[k] |= when;
      runs += !can;
      last = p;
    }
    if (runs <= RUNS_MAX) return;
  }
}

/* A recurrence is computed without a gap: to the last position from the first, or from the newest row on; backwards, from the
 * end. */
static void fill_recurrence(tf_net_flow_value_t *v, tf_net_tie_kind_t kind) {
  uint32_t first = v->cnt, end = 0;
  for (uint32_t p = 0; p < v->cnt; p++)
    if (v->marks[p] & (TF_NET_FLOW_TIMED | TF_NET_FLOW_DEFERRED)) {
      if (first > p) first = p;
      end = p + 1;
    }
  if (end && kind == TF_NET_TIE_BEFORE) first = 0;
  if (end && kind == TF_NET_TIE_BEHIND) end = v->cnt;
  for (uint32_t p = first; p < end; p++)
    v->marks[p] |= v->marks[p] & TF_NET_FLOW_NEWEST ? TF_NET_FLOW_TIMED : TF_NET_FLOW_DEFERRED;
}

static void place_node(const tf_net_flow_t *f, const tf_net_node_t *node, bool is_answer) {
  tf_net_flow_value_t    *v    = flow_of(f, node->out);
  const tf_net_tie_kind_t kind = kind_of(f, node);
  if (!is_answer && kind != TF_NET_TIE_BEFORE && kind != TF_NET_TIE_BEHIND) keep(v);
  for (uint32_t p = 0; p < v->cnt; p++) {
    if (!is_wanted(v->marks[p]) || v->marks[p] & TF_NET_FLOW_KEPT) continue;
    v->marks[p] |=
        is_answer || v->marks[p] & TF_NET_FLOW_NEWEST ? TF_NET_FLOW_TIMED : TF_NET_FLOW_DEFERRED;
  }
  if (kind == TF_NET_TIE_BEFORE || kind == TF_NET_TIE_BEHIND) fill_recurrence(v, kind);
  fill_gaps(v, TF_NET_FLOW_TIMED);
  fill_gaps(v, TF_NET_FLOW_DEFERRED);
  for (uint32_t p = 0; p < v->cnt; p++)
    if (v->marks[p] & TF_NET_FLOW_DEFERRED && v->marks[p] & TF_NET_FLOW_WANTED_T &&
        !(v->marks[p] & (TF_NET_FLOW_KEPT | TF_NET_FLOW_TIMED)))
      v->marks[p] |= TF_NET_FLOW_STORED;
}

static void want(const tf_net_flow_t *f, uint32_t value, int64_t first, int64_t apart, uint32_t cnt,
                 uint8_t mark) {
  tf_net_flow_value_t *u = flow_of(f, value);
  for (uint32_t k = 0; k < cnt; k++) {
    const int64_t at = first + k * apart;
    if (at >= 0 && at < u->cnt) u->marks[at] |= mark;
  }
}

/* Input i of a run of positions that are computed at once, from its first tap to its last, unless taps are read alone. */
static void want_input(const tf_net_flow_t *f, const tf_net_node_t *node, uint32_t i,
                       uint32_t first, uint32_t cnt, uint8_t mark) {
  const tf_net_tie_kind_t kind = kind_of(f, node);
  const uint32_t          axis = flow_of(f, node->out)->axis;
  /* a recurrence goes on from its own last state */
  if (i == 0 && (kind == TF_NET_TIE_BEFORE || kind == TF_NET_TIE_BEHIND)) {
    want(f, node->in[0], first, 1, cnt, mark);
    return;
  }
  const bool alone =
      is_named(node, "slice") || (cnt == 1 && tf_net_tie_is_place(f->net, node, axis, first));
  int64_t begin = tf_net_flow_reads(f, node, i, first).first, end = 0;
  if (begin < 0) begin = 0;
  for (uint32_t p = first; p < first + cnt; p++) {
    const tf_net_reads_t r = tf_net_flow_reads(f, node, i, p);
    if (alone) want(f, node->in[i], r.first, r.apart, r.cnt, mark);
    for (uint32_t k = 0; k < r.cnt; k++) {
      const int64_t at = r.first + k * r.apart;
      if (at < 0 || at >= flow_of(f, node->in[i])->cnt) continue;
      if (end <= at) end = at + 1;
    }
  }
  if (!alone && end > begin) want(f, node->in[i], begin, 1, (uint32_t)(end - begin), mark);
}

/* What node's computed positions are made of is wanted. */
static void want_inputs(const tf_net_flow_t *f, const tf_net_node_t *node, uint8_t when,
                        uint8_t mark) {
  const tf_net_flow_value_t *v = flow_of(f, node->out);
  for (uint32_t p = 0, end; p < v->cnt; p = end) {
    end = p + 1;
    if (!(v->marks[p] & when)) continue;
    while (end < v->cnt && v->marks[end] & when) end++;
    for (uint32_t i = 0; i < node->use.in_cnt; i++)
      if (!is_constant(f, node->in[i])) want_input(f, node, i, p, end - p, mark);
  }
}

/* Rows are only ever kept: from the oldest wanted one on. */
static void place_rows(tf_net_flow_t *f) {
  tf_net_flow_value_t *rows  = flow_of(f, TF_NET_INPUT);
  uint32_t             first = 0;
  rows->marks[rows->cnt - 1] |= TF_NET_FLOW_TIMED | TF_NET_FLOW_WANTED_T;
  while (!is_wanted(rows->marks[first])) first++;
  for (uint32_t p = first; first + 1 < rows->cnt && p < rows->cnt; p++)
    rows->marks[p] |= TF_NET_FLOW_KEPT;
}

tf_err_t tf_net_flow_init(tf_net_flow_t *f, const tf_net_t *net) {
  *f = (tf_net_flow_t){.net = net, .values = calloc(net->value_cnt, sizeof *f->values)};
  tf_err_t err =
      f->values ? add_value(f, TF_NET_INPUT, 0) : TF_ERR(E_CORE_NO_MEMORY, "a graph's values");
  for (uint32_t n = 0; n < net->node_cnt && !err; n++) {
    err = add_value(f, net->nodes[n].out, find_axis(f, &net->nodes[n]));
    if (!err) err = find_mask(f, &net->nodes[n]);
  }
  if (!err) err = find_columns(f);
  if (err) return err;
  mark_rows(f);
  for (uint32_t n = 0; n < net->node_cnt; n++) mark_node(f, &net->nodes[n]);
  const uint32_t       last   = net->node_cnt - 1;
  tf_net_flow_value_t *answer = flow_of(f, net->nodes[last].out);
  for (uint32_t p = 0; p < answer->cnt; p++) answer->marks[p] |= TF_NET_FLOW_WANTED_T;
  for (uint32_t n = net->node_cnt; n-- > 0;) {
    place_node(f, &net->nodes[n], n == last);
    want_inputs(f, &net->nodes[n], TF_NET_FLOW_TIMED, TF_NET_FLOW_WANTED_T);
    want_inputs(f, &net->nodes[n], TF_NET_FLOW_DEFERRED, TF_NET_FLOW_WANTED_D);
  }
  place_rows(f);
  return TF_OK;
}

void tf_net_flow_fini(tf_net_flow_t *f) {
  for (uint32_t v = 0; f->values && v < f->net->value_cnt; v++) {
    free(f->values[v].marks);
    free(f->values[v].age);
    free(f->values[v].columns);
    free(f->values[v].live);
  }
  free(f->values);
  memset(f, 0, sizeof *f);
}
