#include "model/net_cut.h"

#include "core/error.h"
#include "model/net_run.h"

/* The first state of a recurrence, among its inputs. */
#define RECURRENT_H 4u

/* ---- nodes and what they leave ---- */

static bool is_computed(const tf_net_cutter_t *c, uint32_t value, uint32_t position) {
  const uint8_t mark = c->half == TF_NET_HALF_TIMED ? TF_NET_FLOW_TIMED : TF_NET_FLOW_DEFERRED;
  return tf_net_half_flow(c, value)->marks[position] & mark;
}

/* What of a piece goes into the state. */
static tf_err_t keep_part(tf_net_cutter_t *c, uint32_t whole_value, const tf_net_piece_t *p,
                          uint32_t first, uint32_t cnt, bool is_store) {
  const tf_net_held_t *h    = &c->held[whole_value];
  tf_net_half_value_t *v    = &tf_net_half_of(c)->values[whole_value];
  const uint32_t       axis = tf_net_half_flow(c, whole_value)->axis;
  const uint32_t       at   = is_store ? first - h->store_first : h->history_cnt - 1;
  tf_net_box_t         b    = tf_net_half_box(&tf_net_half_value(c, p->value)->shape);
  uint32_t             part;
  if (axis != TF_NET_NONE) b.first[axis] = first - p->first, b.cnt[axis] = cnt;
  tf_err_t err = tf_net_half_cut(c, p->value, &b, &part);
  if (err) return err;
  return tf_net_half_add_keep(c, part, axis == TF_NET_NONE ? 0 : axis, axis == TF_NET_NONE ? 0 : at,
                              axis == TF_NET_NONE ? tf_net_half_value(c, part)->shape.dims[0]
                              : is_store          ? h->store_cnt
                                                  : h->history_cnt,
                              is_store ? h->store_at : h->history_at,
                              is_store ? &v->store : &v->history);
}

static bool is_stored(const tf_net_cutter_t *c, uint32_t value, uint32_t position) {
  const tf_net_held_t *h     = &c->held[value];
  const uint8_t        marks = tf_net_half_flow(c, value)->marks[position];
  if (c->half == TF_NET_HALF_DEFERRED) return marks & TF_NET_FLOW_STORED;
  return marks & TF_NET_FLOW_TIMED && !(marks & TF_NET_FLOW_KEPT) && h->store_cnt &&
         position >= h->store_first && position - h->store_first < h->store_cnt;
}

/* Stretches of a piece that are stored, and the history's newest position. */
static tf_err_t keep_piece(tf_net_cutter_t *c, uint32_t value, const tf_net_piece_t *p) {
  const tf_net_flow_value_t *u   = tf_net_half_flow(c, value);
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

static tf_err_t add_piece(tf_net_cutter_t *c, uint32_t whole_value, uint32_t first, uint32_t cnt,
                          uint32_t value) {
  tf_net_half_value_t *v = &tf_net_half_of(c)->values[whole_value];
  if (v->piece_cnt == TF_NET_HALF_PIECES_MAX)
    return TF_ERR(E_MODEL_UNSUPPORTED, "a value in more than %u pieces", TF_NET_HALF_PIECES_MAX);
  v->pieces[v->piece_cnt] = (tf_net_piece_t){first, cnt, value};
  return keep_piece(c, whole_value, &v->pieces[v->piece_cnt++]);
}

static tf_err_t cut_node(tf_net_cutter_t *c, const tf_net_node_t *node) {
  const tf_net_flow_value_t *v   = tf_net_half_flow(c, node->out);
  tf_err_t                   err = TF_OK;
  for (uint32_t p = 0, end; p < v->cnt && !err; p = end) {
    uint32_t value;
    end = p + 1;
    if (!is_computed(c, node->out, p)) continue;
    while (end < v->cnt && is_computed(c, node->out, end)) end++;
    err = tf_net_run_node(c, node, p, end - p, &value);
    if (!err) err = add_piece(c, node->out, p, end - p, value);
  }
  return err;
}

static tf_err_t cut_half(tf_net_cutter_t *c, uint32_t half) {
  const tf_net_t *whole = c->whole;
  tf_net_half_t  *h     = &c->halves[half];
  c->half               = half;
  h->values             = calloc(whole->value_cnt, sizeof *h->values);
  tf_err_t err          = tf_net_new(1, whole->input_cnt, &h->net);
  if (!err && !h->values) err = TF_ERR(E_CORE_NO_MEMORY, "a part of a graph");
  for (uint32_t v = 0; v < whole->value_cnt && !err; v++)
    h->values[v].history = h->values[v].store = h->values[v].constant = TF_NET_NONE;
  if (!err && half == TF_NET_HALF_TIMED)
    err = add_piece(c, TF_NET_INPUT, whole->window - 1, 1, TF_NET_INPUT);
  for (uint32_t n = 0; n < whole->node_cnt && !err; n++) {
    err = cut_node(c, &whole->nodes[n]);
    if (err)
      err = tf_error_add(err, "node %u, %s \"%.60s\"", n, whole->nodes[n].use.op->name,
                         whole->nodes[n].name);
  }
  return err;
}

/* ---- the state ---- */

static tf_err_t claim(tf_net_cutter_t *c, uint64_t floats, uint32_t *at) {
  const uint64_t end = c->cut->state_floats + tf_align_up(floats, TF_OP_PAD) + TF_TENSOR_PAD;
  *at                = c->cut->state_floats;
  if (end * sizeof(float) > TF_NET_CUT_STATE_BYTES_MAX)
    return TF_ERR(E_MODEL_UNSUPPORTED, "more than %llu bytes of state an instrument",
                  (unsigned long long)TF_NET_CUT_STATE_BYTES_MAX);
  c->cut->state_floats = (uint32_t)end;
  return TF_OK;
}

static uint32_t inner_floats(const tf_net_cutter_t *c, uint32_t value) {
  const tf_tensor_shape_t *s = tf_net_half_whole(c, value);
  return tf_tensor_axes_cnt(s, tf_net_half_flow(c, value)->axis + 1, s->rank);
}

static tf_err_t hold_history(tf_net_cutter_t *c, uint32_t value) {
  const tf_net_flow_value_t *v       = tf_net_half_flow(c, value);
  tf_net_held_t             *h       = &c->held[value];
  int32_t                    age_max = -1;
  h->age_min                         = INT32_MAX;
  for (uint32_t p = 0; p < v->cnt; p++) {
    if (!(v->marks[p] & TF_NET_FLOW_KEPT)) continue;
    if (h->age_min > v->age[p]) h->age_min = v->age[p];
    if (age_max < v->age[p]) age_max = v->age[p];
  }
  if (age_max < 0) return TF_OK;
  h->history_cnt        = (uint32_t)(age_max - h->age_min) + 1;
  const uint64_t floats = (uint64_t)tf_net_half_whole(c, value)->cnt / v->cnt * h->history_cnt;
  tf_err_t       err    = claim(c, floats, &h->history_at);
  if (!err)
    c->cut->shifts[c->cut->shift_cnt++] = (tf_net_shift_t){
        h->history_at, (uint32_t)floats - inner_floats(c, value), inner_floats(c, value)};
  return err;
}

/* From the first stored position to the last, and what is computed right behind it in time for the answer. */
static tf_err_t hold_store(tf_net_cutter_t *c, uint32_t value) {
  const tf_net_flow_value_t *v   = tf_net_half_flow(c, value);
  tf_net_held_t             *h   = &c->held[value];
  uint32_t                   end = 0;
  h->store_first                 = v->cnt;
  for (uint32_t p = 0; p < v->cnt; p++) {
    if (!(v->marks[p] & TF_NET_FLOW_STORED)) continue;
    if (h->store_first > p) h->store_first = p;
    end = p + 1;
  }
  if (end == 0) return TF_OK;
  if (v->columns && tf_net_flow_columns(&c->flow, value, h->store_first, end - h->store_first) <
                        tf_net_half_whole(c, value)->dims[tf_net_half_whole(c, value)->rank - 1])
    return TF_ERR(E_MODEL_UNSUPPORTED, "masked values that the timed path would read");
  while (end < v->cnt && v->marks[end] & TF_NET_FLOW_TIMED && !(v->marks[end] & TF_NET_FLOW_KEPT))
    end++;
  h->store_cnt = end - h->store_first;
  return claim(c, (uint64_t)tf_net_half_whole(c, value)->cnt / v->cnt * h->store_cnt, &h->store_at);
}

/* A recurrence that deferred work begins and the timed path ends. */
static tf_err_t hold_recurrence(tf_net_cutter_t *c, const tf_net_node_t *node) {
  const tf_net_flow_value_t *v = tf_net_half_flow(c, node->out);
  tf_net_held_t             *h = &c->held[node->out];
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

static tf_err_t hold(tf_net_cutter_t *c) {
  tf_err_t err = TF_OK;
  for (uint32_t v = 0; v < c->whole->value_cnt && !err; v++) {
    const uint32_t node = c->whole->values[v].node;
    if (!tf_net_half_flow(c, v)->marks) continue;
    err = hold_history(c, v);
    if (!err) err = hold_store(c, v);
    if (!err && node != TF_NET_NONE) err = hold_recurrence(c, &c->whole->nodes[node]);
  }
  return err;
}

/* ---- the whole ---- */

static void count_shares(const tf_net_cutter_t *c) {
  for (uint32_t n = 0; n < c->whole->node_cnt; n++) {
    const tf_net_flow_value_t *v = tf_net_half_flow(c, c->whole->nodes[n].out);
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

static tf_err_t cut_all(tf_net_cutter_t *c) {
  tf_net_cut_t *cut = c->cut;
  cut->shifts       = calloc(c->whole->value_cnt, sizeof *cut->shifts);
  cut->shares       = calloc(c->whole->node_cnt, sizeof *cut->shares);
  c->held           = calloc(c->whole->value_cnt, sizeof *c->held);
  if (!cut->shifts || !cut->shares || !c->held) return TF_ERR(E_CORE_NO_MEMORY, "parts of a graph");
  tf_err_t err = hold(c);
  if (!err) err = cut_half(c, TF_NET_HALF_DEFERRED);
  if (!err) err = cut_half(c, TF_NET_HALF_TIMED);
  if (err) return err;
  const uint32_t     answer = c->whole->nodes[c->whole->node_cnt - 1].out;
  const tf_net_box_t all    = tf_net_half_box(tf_net_half_whole(c, answer));
  err                       = tf_net_half_fetch(c, answer, &all, &cut->answer);
  count_shares(c);
  return err;
}

tf_err_t tf_net_cut_init(tf_net_cut_t *cut, const tf_net_t *net) {
  tf_net_cutter_t c = {.whole = net, .cut = cut};
  *cut              = (tf_net_cut_t){0};
  tf_err_t err      = tf_net_flow_init(&c.flow, net);
  if (!err) err = cut_all(&c);
  cut->timed    = c.halves[TF_NET_HALF_TIMED].net;
  cut->deferred = c.halves[TF_NET_HALF_DEFERRED].net;
  if (!err && cut->deferred->node_cnt == 0) {
    tf_net_delete(cut->deferred);
    cut->deferred = NULL;
  }
  for (uint32_t half = 0; half < TF_NET_HALF_CNT; half++) {
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
