#include "model/net_half.h"

#include "core/error.h"

#define GROUPS_MAX TF_TENSOR_INPUTS_MAX

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

tf_err_t tf_net_half_add(tf_net_cutter_t *c, const tf_net_spec_t *spec, uint32_t *value) {
  return tf_net_add(tf_net_half_of(c)->net, spec, value);
}

tf_err_t tf_net_half_add_product(tf_net_cutter_t *c, const tf_net_node_t *node,
                                 const tf_net_spec_t *spec, uint32_t *value) {
  tf_err_t  err = tf_net_half_add(c, spec, value);
  tf_net_t *net = tf_net_half_of(c)->net;
  if (!err)
    memcpy(net->nodes[net->node_cnt - 1].use.ranges, node->use.ranges, sizeof node->use.ranges);
  return err;
}

static tf_err_t add_plain(tf_net_cutter_t *c, const char *op, uint32_t in, const int64_t *ints,
                          uint32_t int_cnt, uint32_t *value) {
  tf_net_spec_t spec = {.op      = tf_tensor_find(op),
                        .name    = "",
                        .in      = &in,
                        .in_cnt  = 1,
                        .ints    = ints,
                        .int_cnt = int_cnt};
  return tf_net_half_add(c, &spec, value);
}

tf_err_t tf_net_half_add_reshape(tf_net_cutter_t *c, uint32_t in, const uint32_t *dims,
                                 uint32_t rank, uint32_t *value) {
  int64_t ints[TF_TENSOR_RANK_MAX];
  for (uint32_t i = 0; i < rank; i++) ints[i] = dims[i];
  return add_plain(c, "reshape", in, ints, rank, value);
}

tf_net_box_t tf_net_half_box(const tf_tensor_shape_t *shape) {
  tf_net_box_t b = {0};
  for (uint32_t axis = 0; axis < shape->rank; axis++)
    b.cnt[axis] = shape->dims[axis], b.apart[axis] = 1;
  return b;
}

static tf_tensor_shape_t box_shape(const tf_net_box_t *b, uint32_t rank) {
  tf_tensor_shape_t s = {.rank = rank, .cnt = 1};
  for (uint32_t axis = 0; axis < rank; axis++) s.cnt *= s.dims[axis] = b->cnt[axis];
  return s;
}

static bool is_whole(const tf_net_box_t *b, const tf_tensor_shape_t *shape) {
  for (uint32_t axis = 0; axis < shape->rank; axis++)
    if (b->cnt[axis] != shape->dims[axis]) return false;
  return true;
}

/* A part that is one piece of memory, from where on *offset is; and begins at a vector. */
static bool is_contiguous(const tf_net_box_t *b, const tf_tensor_shape_t *shape, uint32_t *offset) {
  uint32_t axis = 0, inner;
  while (axis < shape->rank && b->cnt[axis] == 1 && shape->dims[axis] == 1) axis++;
  if (axis == shape->rank || (b->cnt[axis] > 1 && b->apart[axis] != 1)) return false;
  for (uint32_t k = axis + 1; k < shape->rank; k++)
    if (b->cnt[k] != shape->dims[k]) return false;
  inner   = tf_tensor_axes_cnt(shape, axis + 1, shape->rank);
  *offset = b->first[axis] * inner;
  return *offset % TF_OP_PAD == 0;
}

tf_err_t tf_net_half_cut(tf_net_cutter_t *c, uint32_t from, const tf_net_box_t *b,
                         uint32_t *value) {
  const tf_net_value_t    v = *tf_net_half_value(c, from);
  const tf_tensor_shape_t s = box_shape(b, v.shape.rank);
  uint32_t                offset;
  *value = from;
  if (is_whole(b, &v.shape)) return TF_OK;
  if (v.in_state && is_contiguous(b, &v.shape, &offset))
    return tf_net_add_state(tf_net_half_of(c)->net, &s, v.state_at + offset, value);
  int64_t ints[3 * TF_TENSOR_RANK_MAX];
  for (uint32_t axis = 0; axis < v.shape.rank; axis++) {
    ints[3 * axis]     = b->first[axis];
    ints[3 * axis + 1] = b->cnt[axis];
    ints[3 * axis + 2] = b->cnt[axis] == 1 ? 1 : b->apart[axis];
  }
  return add_plain(c, "slice", from, ints, 3 * v.shape.rank, value);
}

tf_err_t tf_net_half_add_concat(tf_net_cutter_t *c, const uint32_t *in, uint32_t cnt, uint32_t axis,
                                uint32_t *value) {
  const int64_t ints[1] = {axis};
  tf_net_spec_t spec    = {.op      = tf_tensor_find("concat"),
                           .name    = "",
                           .in      = in,
                           .in_cnt  = cnt,
                           .ints    = ints,
                           .int_cnt = 1};
  *value                = in[0];
  return cnt == 1 ? TF_OK : tf_net_half_add(c, &spec, value);
}

tf_err_t tf_net_half_add_constant(tf_net_cutter_t *c, const tf_tensor_shape_t *shape, float *values,
                                  uint32_t *value) {
  if (!values) return TF_ERR(E_CORE_NO_MEMORY, "%u weights", shape->cnt);
  return tf_net_add_constant(tf_net_half_of(c)->net, "", shape, values, value);
}

/* A part of a constant of the whole net. */
static tf_err_t cut_constant(tf_net_cutter_t *c, uint32_t from, const tf_net_box_t *b,
                             uint32_t *value) {
  const tf_net_value_t   *v   = &c->whole->values[from];
  const tf_tensor_shape_t s   = box_shape(b, v->shape.rank);
  tf_net_half_value_t    *of  = &tf_net_half_of(c)->values[from];
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
  tf_err_t err = tf_net_half_add_constant(c, &s, values, value);
  if (!err && all) of->constant = *value;
  return err;
}

tf_err_t tf_net_half_add_keep(tf_net_cutter_t *c, uint32_t part, uint32_t axis, uint32_t first,
                              uint32_t cnt, uint32_t at, uint32_t *value) {
  const int64_t ints[3] = {axis, first, cnt};
  tf_net_spec_t spec    = {
         .op = &keep_op, .name = "", .in = &part, .in_cnt = 1, .ints = ints, .int_cnt = 3};
  tf_err_t err = tf_net_half_add(c, &spec, value);
  if (err) return err;
  tf_net_half_of(c)->net->values[*value].in_state = true;
  tf_net_half_of(c)->net->values[*value].state_at = at;
  return TF_OK;
}

/* ---- where positions are ---- */

enum { FROM_HISTORY, FROM_STORE, FROM_PIECES /* and on: piece by piece */ };

/* Which tensor holds a position, and where along it; false where none does. */
static bool find_position(tf_net_cutter_t *c, uint32_t from, uint32_t position, uint32_t *source,
                          uint32_t *at) {
  const tf_net_flow_value_t *u = tf_net_half_flow(c, from);
  const tf_net_held_t       *h = &c->held[from];
  if (u->marks[position] & TF_NET_FLOW_KEPT) {
    *source = FROM_HISTORY;
    *at     = h->history_cnt - 1 - (uint32_t)(u->age[position] - h->age_min);
    return true;
  }
  bool stored = u->marks[position] & TF_NET_FLOW_STORED;
  stored |= u->marks[position] & TF_NET_FLOW_TIMED && position >= h->store_first &&
            position - h->store_first < h->store_cnt;
  if (c->half == TF_NET_HALF_TIMED && stored) {
    *source = FROM_STORE;
    *at     = position - h->store_first;
    return true;
  }
  const tf_net_half_value_t *v = &tf_net_half_of(c)->values[from];
  for (uint32_t i = 0; i < v->piece_cnt; i++) {
    if (position < v->pieces[i].first || position - v->pieces[i].first >= v->pieces[i].cnt)
      continue;
    *source = FROM_PIECES + i;
    *at     = position - v->pieces[i].first;
    return true;
  }
  return false;
}

tf_tensor_shape_t tf_net_half_with_positions(const tf_tensor_shape_t *shape, uint32_t axis,
                                             uint32_t cnt) {
  tf_tensor_shape_t s = *shape;
  if (axis == TF_NET_NONE) return s;
  s.cnt        = s.cnt / s.dims[axis] * cnt;
  s.dims[axis] = cnt;
  return s;
}

static tf_err_t source_value(tf_net_cutter_t *c, uint32_t from, uint32_t source, uint32_t *value) {
  tf_net_half_value_t *v = &tf_net_half_of(c)->values[from];
  const tf_net_held_t *h = &c->held[from];
  if (source >= FROM_PIECES) {
    *value = v->pieces[source - FROM_PIECES].value;
    return TF_OK;
  }
  const bool              is_store = source == FROM_STORE;
  uint32_t               *own      = is_store ? &v->store : &v->history;
  const tf_tensor_shape_t s =
      tf_net_half_with_positions(tf_net_half_whole(c, from), tf_net_half_flow(c, from)->axis,
                                 is_store ? h->store_cnt : h->history_cnt);
  tf_err_t err = TF_OK;
  if (*own == TF_NET_NONE)
    err = tf_net_add_state(tf_net_half_of(c)->net, &s, is_store ? h->store_at : h->history_at, own);
  *value = *own;
  return err;
}

/* ---- fetching ---- */

static bool find_memo(const tf_net_half_t *h, uint32_t from, const tf_net_box_t *b,
                      uint32_t *value) {
  for (uint32_t i = 0; i < h->memo_cnt; i++)
    if (h->memos[i].from == from && memcmp(&h->memos[i].box, b, sizeof *b) == 0) {
      *value = h->memos[i].value;
      return true;
    }
  return false;
}

static tf_err_t add_memo(tf_net_half_t *h, uint32_t from, const tf_net_box_t *b, uint32_t value) {
  if (h->memo_cnt == h->memo_room) {
    const uint32_t room  = h->memo_room ? 2 * h->memo_room : 64;
    tf_net_memo_t *memos = realloc(h->memos, room * sizeof *memos);
    if (!memos) return TF_ERR(E_CORE_NO_MEMORY, "parts of a graph's values");
    h->memos = memos, h->memo_room = room;
  }
  h->memos[h->memo_cnt++] = (tf_net_memo_t){from, value, *b};
  return TF_OK;
}

/* Positions of box from k on that lie evenly in one tensor: how many, and which part of which. */
static tf_err_t next_group(tf_net_cutter_t *c, uint32_t from, const tf_net_box_t *b, uint32_t k,
                           uint32_t *cnt, uint32_t *value, tf_net_box_t *part) {
  const uint32_t axis = tf_net_half_flow(c, from)->axis;
  uint32_t       source, at, other, next, apart = 1, first = b->first[axis] + k * b->apart[axis];
  *cnt = 1;
  if (!find_position(c, from, first, &source, &at))
    return TF_ERR(E_MODEL_UNSUPPORTED, "position %u of %u of a value is nowhere", first,
                  tf_net_half_flow(c, from)->cnt);
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

tf_err_t tf_net_half_fetch(tf_net_cutter_t *c, uint32_t from, const tf_net_box_t *b,
                           uint32_t *value) {
  const uint32_t axis = tf_net_half_flow(c, from)->axis;
  uint32_t       groups[GROUPS_MAX], group_cnt = 0;
  tf_net_box_t   part;
  if (c->whole->values[from].constant) return cut_constant(c, from, b, value);
  if (find_memo(tf_net_half_of(c), from, b, value)) return TF_OK;
  tf_err_t err = TF_OK;
  if (axis == TF_NET_NONE) {
    uint32_t source, at;
    if (!find_position(c, from, 0, &source, &at))
      return TF_ERR(E_MODEL_UNSUPPORTED, "a value is nowhere");
    err = source_value(c, from, source, &groups[0]);
    if (!err) err = tf_net_half_cut(c, groups[0], b, value);
    return err ? err : add_memo(tf_net_half_of(c), from, b, *value);
  }
  for (uint32_t k = 0, cnt; k < b->cnt[axis] && !err; k += cnt) {
    if (group_cnt == GROUPS_MAX)
      return TF_ERR(E_MODEL_UNSUPPORTED, "a value in more than %u parts", GROUPS_MAX);
    err = next_group(c, from, b, k, &cnt, &groups[group_cnt], &part);
    if (!err) err = tf_net_half_cut(c, groups[group_cnt], &part, &groups[group_cnt]);
    group_cnt++;
  }
  if (!err) err = tf_net_half_add_concat(c, groups, group_cnt, axis, value);
  return err ? err : add_memo(tf_net_half_of(c), from, b, *value);
}
