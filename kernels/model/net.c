#include "model/net.h"

#include <math.h>
#include <string.h>

#include "core/error.h"

tf_err_t tf_net_new(uint32_t window, uint32_t input_cnt, tf_net_t **net) {
  *net                    = NULL;
  tf_tensor_shape_t shape = {
      .rank = 2, .dims = {window, input_cnt}
  };
  tf_err_t err = tf_tensor_shape_count(&shape);
  if (err) return tf_error_add(err, "a window");
  tf_net_t *n = calloc(1, sizeof *n);
  if (n) n->values = calloc(1, sizeof *n->values);
  if (!n || !n->values) {
    free(n);
    return TF_ERR(E_CORE_NO_MEMORY, "a graph");
  }
  n->window     = window;
  n->input_cnt  = input_cnt;
  n->value_room = n->value_cnt = 1;
  n->total_cnt                 = shape.cnt;
  n->values[TF_NET_INPUT]      = (tf_net_value_t){.shape = shape, .node = TF_NET_NONE};
  *net                         = n;
  return TF_OK;
}

void tf_net_delete(tf_net_t *net) {
  if (!net) return;
  for (uint32_t i = 0; i < net->value_cnt; i++) free(net->values[i].constant);
  free(net->values);
  free(net->nodes);
  free(net);
}

/* Room for one more of bytes each. */
static tf_err_t grow(void **list, uint32_t cnt, uint32_t *room, uint32_t max, size_t bytes,
                     const char *what) {
  if (cnt >= max) return TF_ERR(E_MODEL_UNSUPPORTED, "more than %u %s", max, what);
  if (cnt < *room) return TF_OK;
  uint32_t more  = *room ? 2 * *room : 16;
  void    *grown = realloc(*list, more * bytes);
  if (!grown) return TF_ERR(E_CORE_NO_MEMORY, "%u %s", more, what);
  *list = grown;
  *room = more;
  return TF_OK;
}

static tf_err_t claim_value(tf_net_t *net, const tf_net_value_t *value, uint32_t *idx) {
  void    *list = net->values;
  tf_err_t err =
      grow(&list, net->value_cnt, &net->value_room, TF_NET_VALUE_CNT_MAX, sizeof *value, "values");
  net->values = list;
  if (err) return err;
  if (net->total_cnt + value->shape.cnt > TF_NET_TOTAL_CNT_MAX)
    return TF_ERR(E_MODEL_UNSUPPORTED, "more than %llu numbers in all values of the graph",
                  (unsigned long long)TF_NET_TOTAL_CNT_MAX);
  net->total_cnt += value->shape.cnt;
  *idx              = net->value_cnt++;
  net->values[*idx] = *value;
  return TF_OK;
}

static tf_err_t check_constant(const char *name, const float *values, uint32_t cnt) {
  for (uint32_t i = 0; i < cnt; i++) {
    int kind = fpclassify(values[i]);
    if (kind == FP_NORMAL || kind == FP_ZERO) continue;
    return TF_ERR(E_MODEL_WEIGHTS, "tensor \"%.100s\": element %u is %s", name, i,
                  kind == FP_NAN        ? "NaN"
                  : kind == FP_INFINITE ? "infinite"
                                        : "denormal");
  }
  return TF_OK;
}

tf_err_t tf_net_add_constant(tf_net_t *net, const char *name, const tf_tensor_shape_t *shape,
                             float *constant, uint32_t *value) {
  tf_net_value_t v   = {.shape = *shape, .constant = constant, .node = TF_NET_NONE};
  tf_err_t       err = check_constant(name, constant, shape->cnt);
  if (!err) err = claim_value(net, &v, value);
  if (err)
    free(constant);
  else
    net->param_cnt += shape->cnt;
  return err;
}

tf_err_t tf_net_add_state(tf_net_t *net, const tf_tensor_shape_t *shape, uint32_t at,
                          uint32_t *value) {
  tf_net_value_t v = {.shape = *shape, .node = TF_NET_NONE, .in_state = true, .state_at = at};
  return claim_value(net, &v, value);
}

void tf_net_constants(const tf_net_t *net, const tf_net_node_t *node,
                      const float *constants[TF_TENSOR_INPUTS_MAX]) {
  for (uint32_t i = 0; i < node->use.in_cnt; i++) constants[i] = net->values[node->in[i]].constant;
}

static tf_err_t fill_node(const tf_net_t *net, const tf_net_spec_t *spec, tf_net_node_t *node) {
  const float *constants[TF_TENSOR_INPUTS_MAX];
  memset(node, 0, sizeof *node);
  snprintf(node->name, sizeof node->name, "%s", spec->name);
  for (char *c = node->name; *c; c++)
    if (*c < 0x20 || *c > 0x7e) *c = '?'; /* it goes into the file's JSON, and onto terminals */
  tf_tensor_use_t *use = &node->use;
  if (spec->in_cnt > TF_TENSOR_INPUTS_MAX || spec->int_cnt > TF_TENSOR_INTS_MAX ||
      spec->real_cnt > TF_TENSOR_REALS_MAX)
    return TF_ERR(E_MODEL_UNSUPPORTED,
                  "%s of %u inputs, %u integers and %u reals; at most %u, %u and %u are allowed",
                  spec->op->name, spec->in_cnt, spec->int_cnt, spec->real_cnt, TF_TENSOR_INPUTS_MAX,
                  TF_TENSOR_INTS_MAX, TF_TENSOR_REALS_MAX);
  *use = (tf_tensor_use_t){.op       = spec->op,
                           .row      = spec->row,
                           .in_cnt   = spec->in_cnt,
                           .int_cnt  = spec->int_cnt,
                           .real_cnt = spec->real_cnt};
  for (uint32_t i = 0; i < spec->in_cnt; i++) {
    TF_ASSERT(spec->in[i] < net->value_cnt);
    node->in[i] = spec->in[i];
    use->in[i]  = net->values[spec->in[i]].shape;
    if (net->values[spec->in[i]].constant) use->constant_mask |= 1u << i;
  }
  if (spec->int_cnt) memcpy(use->ints, spec->ints, spec->int_cnt * sizeof *use->ints);
  for (uint32_t i = 0; i < spec->real_cnt; i++) {
    use->reals[i] = spec->reals[i];
    if (!isfinite(use->reals[i]))
      return TF_ERR(E_MODEL_WEIGHTS, "a parameter is %g", use->reals[i]);
  }
  tf_err_t err = tf_tensor_shape(use);
  if (err || !spec->op->check) return err;
  tf_net_constants(net, node, constants);
  return spec->op->check(use, constants);
}

tf_err_t tf_net_add(tf_net_t *net, const tf_net_spec_t *spec, uint32_t *value) {
  void    *list = net->nodes;
  tf_err_t err =
      grow(&list, net->node_cnt, &net->node_room, TF_NET_NODE_CNT_MAX, sizeof *net->nodes, "nodes");
  net->nodes = list;
  if (err) return err;
  tf_net_node_t *node = &net->nodes[net->node_cnt];
  err                 = fill_node(net, spec, node);
  if (!err) {
    tf_net_value_t out   = {.shape = node->use.out, .node = net->node_cnt};
    uint64_t       flops = tf_tensor_flops(&node->use);
    if (flops > TF_NET_FLOPS_MAX || net->flops + flops > TF_NET_FLOPS_MAX)
      err = TF_ERR(E_MODEL_UNSUPPORTED, "more than %llu operations an answer",
                   (unsigned long long)TF_NET_FLOPS_MAX);
    if (!err) err = claim_value(net, &out, &node->out);
    if (!err) net->flops += flops;
  }
  if (err)
    return tf_error_add(err, "adding node %u, %s \"%.60s\"", net->node_cnt, spec->op->name,
                        spec->name);
  *value = node->out;
  net->node_cnt++;
  return TF_OK;
}

uint32_t tf_net_output_cnt(const tf_net_t *net) {
  TF_ASSERT(net->node_cnt > 0);
  return net->nodes[net->node_cnt - 1].use.out.cnt;
}

/* ---- only what is needed ---- */

static void mark(const tf_net_t *net, uint32_t output, uint8_t *needed) {
  needed[output] = 1;
  for (uint32_t i = net->node_cnt; i-- > 0;) {
    const tf_net_node_t *node = &net->nodes[i];
    if (!needed[node->out]) continue;
    for (uint32_t k = 0; k < node->use.in_cnt; k++) needed[node->in[k]] = 1;
  }
  needed[TF_NET_INPUT] = 1;
}

/* Values move up; places[i] is where value i went. */
static void drop_values(tf_net_t *net, const uint8_t *needed, uint32_t *places) {
  uint32_t cnt   = 0;
  net->param_cnt = net->total_cnt = 0;
  for (uint32_t i = 0; i < net->value_cnt; i++) {
    tf_net_value_t v = net->values[i];
    if (!needed[i]) {
      free(v.constant);
      continue;
    }
    net->total_cnt += v.shape.cnt;
    if (v.constant) net->param_cnt += v.shape.cnt;
    places[i]          = cnt;
    net->values[cnt++] = v;
  }
  net->value_cnt = cnt;
}

static void drop_nodes(tf_net_t *net, const uint8_t *needed, const uint32_t *places) {
  uint32_t cnt = 0;
  net->flops   = 0;
  for (uint32_t i = 0; i < net->node_cnt; i++) {
    tf_net_node_t *node = &net->nodes[cnt];
    if (!needed[net->nodes[i].out]) continue;
    if (cnt != i) *node = net->nodes[i];
    for (uint32_t k = 0; k < node->use.in_cnt; k++) node->in[k] = places[node->in[k]];
    node->out                   = places[node->out];
    net->values[node->out].node = cnt++;
    net->flops += tf_tensor_flops(&node->use);
  }
  net->node_cnt = cnt;
}

tf_err_t tf_net_end(tf_net_t *net, uint32_t output) {
  if (net->values[output].node == TF_NET_NONE)
    return TF_ERR(E_MODEL_SHAPE, "the output is %s: nothing is computed",
                  net->values[output].constant ? "a constant" : "the input");
  uint8_t  *needed = calloc(net->value_cnt, sizeof *needed);
  uint32_t *places = calloc(net->value_cnt, sizeof *places);
  tf_err_t  err    = needed && places ? TF_OK : TF_ERR(E_CORE_NO_MEMORY, "a graph's values");
  if (!err) {
    mark(net, output, needed);
    drop_values(net, needed, places);
    drop_nodes(net, needed, places);
    TF_ASSERT(net->nodes[net->node_cnt - 1].out == places[output]);
  }
  free(needed);
  free(places);
  return err;
}

/* ---- in double ---- */

typedef struct eval {
  const tf_net_t       *net;
  const tf_net_watch_t *watch;
  double              **values;
  uint32_t             *uses; /* left of each value */
} eval_t;

static tf_err_t eval_value(const eval_t *e, uint32_t idx, const float *rows) {
  const tf_net_value_t *v    = &e->net->values[idx];
  const float          *from = idx == TF_NET_INPUT ? rows : v->constant;
  double               *to   = malloc(v->shape.cnt * sizeof *to);
  e->values[idx]             = to;
  if (!to) return TF_ERR(E_CORE_NO_MEMORY, "%u values", v->shape.cnt);
  for (uint32_t i = 0; from && i < v->shape.cnt; i++) to[i] = (double)from[i];
  return TF_OK;
}

static tf_err_t eval_node(const eval_t *e, const tf_net_node_t *node, const float *rows) {
  const double *in[TF_TENSOR_INPUTS_MAX];
  tf_err_t      err = TF_OK;
  for (uint32_t i = 0; i < node->use.in_cnt && !err; i++) {
    if (!e->values[node->in[i]]) err = eval_value(e, node->in[i], rows);
    in[i] = e->values[node->in[i]];
  }
  if (!err) err = eval_value(e, node->out, rows);
  size_t  cnt     = node->use.op->scratch_cnt ? node->use.op->scratch_cnt(&node->use) : 0;
  double *scratch = malloc((cnt + 1) * sizeof *scratch);
  if (!err && !scratch) err = TF_ERR(E_CORE_NO_MEMORY, "%zu values", cnt);
  if (!err) node->use.op->ref(&node->use, in, e->values[node->out], scratch);
  if (!err && e->watch)
    e->watch->see(e->watch->self, (uint32_t)(node - e->net->nodes), in[0], node->use.in[0].cnt,
                  e->values[node->out], node->use.out.cnt);
  free(scratch);
  for (uint32_t i = 0; i < node->use.in_cnt && !err; i++) {
    if (--e->uses[node->in[i]]) continue;
    free(e->values[node->in[i]]);
    e->values[node->in[i]] = NULL;
  }
  return err;
}

tf_err_t tf_net_eval(const tf_net_t *net, const float *rows, double *out) {
  return tf_net_eval_watched(net, rows, out, NULL);
}

tf_err_t tf_net_eval_watched(const tf_net_t *net, const float *rows, double *out,
                             const tf_net_watch_t *watch) {
  eval_t   e   = {net, watch, calloc(net->value_cnt, sizeof *e.values),
                  calloc(net->value_cnt, sizeof *e.uses)};
  tf_err_t err = e.values && e.uses ? TF_OK : TF_ERR(E_CORE_NO_MEMORY, "a graph's values");
  for (uint32_t n = 0; n < net->node_cnt && !err; n++)
    for (uint32_t i = 0; i < net->nodes[n].use.in_cnt; i++) e.uses[net->nodes[n].in[i]]++;
  for (uint32_t n = 0; n < net->node_cnt && !err; n++) err = eval_node(&e, &net->nodes[n], rows);
  if (!err)
    memcpy(out, e.values[net->nodes[net->node_cnt - 1].out], tf_net_output_cnt(net) * sizeof *out);
  for (uint32_t i = 0; e.values && i < net->value_cnt; i++) free(e.values[i]);
  free(e.values);
  free(e.uses);
  return err;
}
