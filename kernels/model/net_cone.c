#include "model/net_cone.h"

#include "core/error.h"
#include "model/net_pass.h"

static bool is_one_of(const char *op, const char *const *list, size_t cnt) {
  for (size_t i = 0; i < cnt; i++)
    if (strcmp(op, list[i]) == 0) return true;
  return false;
}

/* Whether a cone of kind may go through the node. */
static bool is_inside(const tf_net_node_t *node, tf_net_cone_kind_t kind) {
  static const char *const by_value[] = {"abs",        "add",  "div", "each", "equal", "less",
                                         "less_equal", "log",  "max", "min",  "mul",   "pow",
                                         "sign",       "sqrt", "sub", "where"};
  if (!node) return false;
  if (is_one_of(node->use.op->name, by_value, TF_ARRAY_CNT(by_value))) return true;
  if (kind != TF_NET_CONE_ROWS ||
      (!tf_net_is(node, "reduce_mean") && !tf_net_is(node, "reduce_sum")))
    return false;
  const int64_t last = (int64_t)node->use.in[0].rank - 1; /* kept, along the last axis alone */
  return node->use.int_cnt == 2 && node->use.ints[0] &&
         (node->use.ints[1] == -1 || node->use.ints[1] == last);
}

static bool contains(const uint32_t *list, uint32_t cnt, uint32_t value) {
  for (uint32_t i = 0; i < cnt; i++)
    if (list[i] == value) return true;
  return false;
}

uint32_t tf_net_cone_roots(const tf_net_t *net, tf_net_cone_kind_t kind, uint32_t top,
                           uint32_t roots[TF_NET_CONE_VALUES_MAX]) {
  uint32_t cnt = 0, seen = 0;
  roots[cnt++] = top;
  for (; seen < cnt; seen++) {
    const tf_net_node_t *node = tf_net_maker(net, roots[seen]);
    if (!is_inside(node, kind)) continue;
    for (uint32_t i = 0; i < node->use.in_cnt && cnt < TF_NET_CONE_VALUES_MAX; i++)
      if (!net->values[node->in[i]].constant && !contains(roots, cnt, node->in[i]))
        roots[cnt++] = node->in[i];
  }
  memmove(roots, roots + 1, (cnt - 1) * sizeof *roots);
  return cnt - 1;
}

/* As the root's, or with one value of each row. */
static bool fits(const tf_net_t *net, const tf_net_cone_t *cone, uint32_t value) {
  const tf_tensor_shape_t *s = &net->values[value].shape, *r = &net->values[cone->root].shape;
  if (tf_tensor_shape_same(s, r)) return true;
  return cone->kind == TF_NET_CONE_ROWS && s->rank == r->rank && s->rank > 0 &&
         s->dims[s->rank - 1] == 1 &&
         memcmp(s->dims, r->dims, (s->rank - 1) * sizeof *s->dims) == 0;
}

static bool collect(const tf_net_t *net, tf_net_cone_t *cone, uint32_t value) {
  const tf_net_node_t *node = tf_net_maker(net, value);
  double               ignored;
  if (value == cone->root || tf_net_is_number(net, value, &ignored)) return true;
  if (!node || !is_inside(node, cone->kind) || !fits(net, cone, value)) return false;
  const uint32_t idx = net->values[value].node;
  if (contains(cone->nodes, cone->cnt, idx)) return true;
  for (uint32_t i = 0; i < node->use.in_cnt; i++)
    if (!collect(net, cone, node->in[i])) return false;
  if (cone->cnt == TF_NET_CONE_NODES_MAX) return false;
  cone->nodes[cone->cnt++] = idx;
  return true;
}

static bool is_read_elsewhere(const tf_net_edit_t *e, const tf_net_cone_t *cone, uint32_t value) {
  uint32_t reads = 0;
  for (uint32_t i = 0; i < cone->cnt; i++) {
    const tf_net_node_t *node = &e->net->nodes[cone->nodes[i]];
    for (uint32_t k = 0; k < node->use.in_cnt; k++) reads += node->in[k] == value;
  }
  return reads != e->uses[value];
}

bool tf_net_cone_find(const tf_net_edit_t *e, tf_net_cone_kind_t kind, uint32_t root, uint32_t top,
                      tf_net_cone_t *cone) {
  *cone = (tf_net_cone_t){.kind = kind, .root = root, .top = top};
  if (!tf_tensor_shape_same(&e->net->values[root].shape, &e->net->values[top].shape) ||
      !collect(e->net, cone, top))
    return false;
  bool reads_root = false;
  for (uint32_t i = 0; i < cone->cnt; i++) {
    const tf_net_node_t *node = &e->net->nodes[cone->nodes[i]];
    for (uint32_t k = 0; k < node->use.in_cnt; k++) reads_root |= node->in[k] == root;
    if (node->out != top && is_read_elsewhere(e, cone, node->out)) return false;
  }
  return reads_root;
}

/* ---- evaluating ---- */

typedef struct eval {
  const tf_net_t      *net;
  const tf_net_cone_t *cone;
  tf_tensor_shape_t    full; /* [rows, width] */
  double              *made[TF_NET_CONE_NODES_MAX];
  tf_tensor_shape_t    shapes[TF_NET_CONE_NODES_MAX];
  tf_tensor_use_t      use;
} eval_t;

/* Where input value of a node lies, and its shape here: a number is a tensor of rank 0. */
static const double *input_of(const eval_t *v, uint32_t value, const double *x, double *number,
                              tf_tensor_shape_t *shape) {
  if (value == v->cone->root) {
    *shape = v->full;
    return x;
  }
  *shape = (tf_tensor_shape_t){.cnt = 1};
  if (tf_net_is_number(v->net, value, number)) return number;
  for (uint32_t i = 0; i < v->cone->cnt; i++)
    if (v->net->nodes[v->cone->nodes[i]].out == value) {
      *shape = v->shapes[i];
      return v->made[i];
    }
  TF_ASSERT(false); /* collect went through all */
  return NULL;
}

static tf_err_t eval_node(eval_t *v, uint32_t idx, const double *x) {
  const tf_net_node_t *node = &v->net->nodes[v->cone->nodes[idx]];
  tf_tensor_use_t     *use  = &v->use;
  const double        *in[TF_TENSOR_INPUTS_MAX];
  double               numbers[TF_TENSOR_INPUTS_MAX];
  *use = node->use;
  for (uint32_t i = 0; i < use->in_cnt; i++)
    in[i] = input_of(v, node->in[i], x, &numbers[i], &use->in[i]);
  if (use->int_cnt == 2) use->ints[1] = 1; /* a sum or mean along the last axis of two */
  tf_err_t err = tf_tensor_shape(use);
  if (err) return err;
  TF_ASSERT(!use->op->scratch_cnt);
  v->shapes[idx] = use->out;
  v->made[idx]   = malloc(use->out.cnt * sizeof *v->made[idx]);
  if (!v->made[idx]) return TF_ERR(E_CORE_NO_MEMORY, "%u values", use->out.cnt);
  use->op->ref(use, in, v->made[idx], NULL);
  return TF_OK;
}

tf_err_t tf_net_cone_eval(const tf_net_t *net, const tf_net_cone_t *cone, uint32_t rows,
                          uint32_t width, const double *x, double *out) {
  eval_t *v = calloc(1, sizeof *v);
  if (!v) return TF_ERR(E_CORE_NO_MEMORY, "a function's values");
  *v = (eval_t){
      .net = net, .cone = cone, .full = {.rank = 2, .dims = {rows, width}, .cnt = rows * width}
  };
  tf_err_t err = TF_OK;
  for (uint32_t i = 0; i < cone->cnt && !err; i++) err = eval_node(v, i, x);
  if (!err && !tf_tensor_shape_same(&v->shapes[cone->cnt - 1], &v->full))
    err = TF_ERR(E_MODEL_SHAPE, "a function of a row alone");
  if (!err) memcpy(out, v->made[cone->cnt - 1], (size_t)rows * width * sizeof *out);
  for (uint32_t i = 0; i < cone->cnt; i++) free(v->made[i]);
  free(v);
  return err;
}

void tf_net_cone_name(const tf_net_t *net, const tf_net_cone_t *cone, char *target) {
  const char *names[TF_NET_CONE_NODES_MAX];
  for (uint32_t i = 0; i < cone->cnt; i++) names[i] = net->nodes[cone->nodes[i]].name;
  tf_net_pass_name(target, names, cone->cnt);
}
