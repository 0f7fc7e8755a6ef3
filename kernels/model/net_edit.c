#include "model/net_edit.h"

#include "core/error.h"

/* Room for all that a graph may have, so that nodes stay where they are. */
static tf_err_t reserve(void **list, uint32_t *room, uint32_t max, size_t bytes) {
  if (*room >= max) return TF_OK;
  void *grown = realloc(*list, max * bytes);
  if (!grown) return TF_ERR(E_CORE_NO_MEMORY, "a graph of %u", max);
  *list = grown;
  *room = max;
  return TF_OK;
}

static tf_err_t reserve_all(tf_net_t *net) {
  void    *nodes = net->nodes, *values = net->values;
  tf_err_t err = reserve(&nodes, &net->node_room, TF_NET_NODE_CNT_MAX, sizeof *net->nodes);
  net->nodes   = nodes;
  if (!err) err = reserve(&values, &net->value_room, TF_NET_VALUE_CNT_MAX, sizeof *net->values);
  net->values = values;
  return err;
}

tf_err_t tf_net_edit_begin(tf_net_edit_t *e, tf_net_t *net) {
  *e           = (tf_net_edit_t){.net       = net,
                                 .output    = net->nodes[net->node_cnt - 1].out,
                                 .node_cnt  = net->node_cnt,
                                 .value_cnt = net->value_cnt};
  tf_err_t err = reserve_all(net);
  if (err) return err;
  e->uses   = calloc(TF_NET_VALUE_CNT_MAX, sizeof *e->uses);
  e->places = calloc(TF_NET_NODE_CNT_MAX, sizeof *e->places);
  if (!e->uses || !e->places) {
    free(e->uses);
    free(e->places);
    return TF_ERR(E_CORE_NO_MEMORY, "a graph's uses");
  }
  for (uint32_t n = 0; n < net->node_cnt; n++) {
    e->places[n] = n;
    for (uint32_t i = 0; i < net->nodes[n].use.in_cnt; i++) e->uses[net->nodes[n].in[i]]++;
  }
  e->uses[e->output]++;
  return TF_OK;
}

/* ---- in order again ---- */

typedef struct order {
  const tf_net_t *net;
  uint32_t       *nodes, cnt; /* numbers of nodes, those that others read first */
  bool           *listed;     /* by node */
} order_t;

/* A node behind what it reads. As deep as the graph is long. */
static void list_node(order_t *o, uint32_t node) {
  if (node == TF_NET_NONE || o->listed[node]) return;
  o->listed[node]        = true;
  const tf_net_node_t *n = &o->net->nodes[node];
  for (uint32_t i = 0; i < n->use.in_cnt; i++) list_node(o, o->net->values[n->in[i]].node);
  o->nodes[o->cnt++] = node;
}

/* By place, then by age: where nothing was changed nothing moves. */
static void list_all(order_t *o, const tf_net_edit_t *e) {
  const uint32_t cnt     = e->net->node_cnt;
  const uint32_t old_cnt = e->node_cnt;
  for (uint32_t place = 0; place < old_cnt; place++) {
    for (uint32_t n = old_cnt; n < cnt; n++)
      if (e->places[n] == place) list_node(o, n);
    list_node(o, place);
  }
  TF_ASSERT(o->cnt == cnt);
}

static void apply_order(tf_net_t *net, const order_t *o, tf_net_node_t *sorted) {
  for (uint32_t i = 0; i < o->cnt; i++) {
    sorted[i]                       = net->nodes[o->nodes[i]];
    tf_net_node_t *n                = &sorted[i];
    net->values[sorted[i].out].node = i;
    n->use.constant_mask            = 0;
    for (uint32_t k = 0; k < n->use.in_cnt; k++)
      if (net->values[n->in[k]].constant) n->use.constant_mask |= 1u << k;
  }
  free(net->nodes);
  net->nodes     = sorted;
  net->node_room = o->cnt;
}

static tf_err_t sort(tf_net_edit_t *e) {
  tf_net_t      *net    = e->net;
  order_t        o      = {.net    = net,
                           .nodes  = calloc(net->node_cnt, sizeof *o.nodes),
                           .listed = calloc(net->node_cnt, sizeof *o.listed)};
  tf_net_node_t *sorted = malloc(net->node_cnt * sizeof *sorted);
  tf_err_t       err =
      o.nodes && o.listed && sorted ? TF_OK : TF_ERR(E_CORE_NO_MEMORY, "a graph in order");
  if (!err) {
    list_all(&o, e);
    apply_order(net, &o, sorted);
    err = tf_net_end(net, e->output);
  } else {
    free(sorted);
  }
  free(o.nodes);
  free(o.listed);
  return err;
}

tf_err_t tf_net_edit_end(tf_net_edit_t *e) {
  const bool same =
      e->change_cnt == 0 && e->node_cnt == e->net->node_cnt && e->value_cnt == e->net->value_cnt;
  tf_err_t err = same ? TF_OK : sort(e);
  free(e->uses);
  free(e->places);
  return err;
}

/* ---- new nodes ---- */

tf_err_t tf_net_edit_add(tf_net_edit_t *e, const tf_net_spec_t *spec, uint32_t *value) {
  tf_err_t err = tf_net_add(e->net, spec, value);
  if (err) return err;
  e->places[e->net->node_cnt - 1] = e->at;
  for (uint32_t i = 0; i < spec->in_cnt; i++) e->uses[spec->in[i]]++;
  return TF_OK;
}

tf_err_t tf_net_edit_constant(tf_net_edit_t *e, const char *name, const tf_tensor_shape_t *shape,
                              float *constant, uint32_t *value) {
  if (!constant) return TF_ERR(E_CORE_NO_MEMORY, "constant \"%.60s\"", name);
  return tf_net_add_constant(e->net, name, shape, constant, value);
}

tf_err_t tf_net_edit_again(tf_net_edit_t *e, const tf_net_node_t *node, const uint32_t *in,
                           const char *name, uint32_t *value) {
  const tf_net_spec_t spec = {.op       = node->use.op,
                              .row      = node->use.row,
                              .name     = name ? name : node->name,
                              .in       = in,
                              .in_cnt   = node->use.in_cnt,
                              .ints     = node->use.ints,
                              .int_cnt  = node->use.int_cnt,
                              .reals    = node->use.reals,
                              .real_cnt = node->use.real_cnt};
  return tf_net_edit_add(e, &spec, value);
}

tf_err_t tf_net_edit_reshape(tf_net_edit_t *e, const char *name, uint32_t in,
                             const tf_tensor_shape_t *shape, uint32_t *value) {
  int64_t dims[TF_TENSOR_RANK_MAX];
  *value = in;
  if (tf_tensor_shape_same(&e->net->values[in].shape, shape)) return TF_OK;
  for (uint32_t i = 0; i < shape->rank; i++) dims[i] = shape->dims[i];
  const tf_net_spec_t spec = {.op      = tf_tensor_find("reshape"),
                              .name    = name,
                              .in      = &in,
                              .in_cnt  = 1,
                              .ints    = dims,
                              .int_cnt = shape->rank};
  return tf_net_edit_add(e, &spec, value);
}

void tf_net_edit_replace(tf_net_edit_t *e, uint32_t from, uint32_t to) {
  tf_net_t *net = e->net;
  TF_ASSERT(tf_tensor_shape_same(&net->values[from].shape, &net->values[to].shape));
  if (from == to || (from == e->output && net->values[to].node == TF_NET_NONE)) return;
  for (uint32_t n = 0; n < net->node_cnt; n++)
    for (uint32_t i = 0; i < net->nodes[n].use.in_cnt; i++)
      if (net->nodes[n].in[i] == from) net->nodes[n].in[i] = to;
  if (e->output == from) e->output = to;
  e->uses[to] += e->uses[from];
  e->uses[from] = 0;
  e->change_cnt++;
}

bool tf_net_is_number(const tf_net_t *net, uint32_t value, double *number) {
  const tf_net_value_t *v = &net->values[value];
  if (!v->constant) return false;
  for (uint32_t i = 1; i < v->shape.cnt; i++)
    if (v->constant[i] != v->constant[0]) return false;
  *number = (double)v->constant[0];
  return true;
}
