/* Layer norms and root mean square norms that exporters took apart, as they did below operator set 17: a cone over rows (net_cone.h) that
 * agrees with one, with an epsilon that is among its constants. Then a product with a constant and a sum with one, along the
 * row, are the norm's own scale and shift. */
#include <math.h>

#include "core/error.h"
#include "model/net_cone.h"
#include "model/net_pass.h"

#define ROW_CNT      7u
#define ERROR_MAX    1e-6
#define EPSILON_MAX  0.1
#define WIDTH_MAX    TF_OP_WIDTH_MAX
#define EPSILONS_MAX (TF_NET_CONE_NODES_MAX + 1)

/* Rows from small to large, some far from 0, so that the epsilon and where it stands show. */
static void fill_rows(uint32_t width, double *x) {
  static const double scales[ROW_CNT]  = {1e-4, 1e-3, 1e-2, 0.1, 1.0, 10.0, 1.0};
  static const double offsets[ROW_CNT] = {0.0, 1e-3, 0.0, 0.2, -1.0, 3.0, 40.0};
  uint64_t            seed             = 88172645463325252u;
  for (uint32_t r = 0; r < ROW_CNT; r++)
    for (uint32_t i = 0; i < width; i++) {
      seed ^= seed << 13, seed ^= seed >> 7, seed ^= seed << 17;
      *x++ = offsets[r] + scales[r] * ((double)(seed >> 40) * 0x1p-23 - 1.0);
    }
}

static bool agrees(const tf_tensor_op_t *op, double epsilon, uint32_t width, const double *x,
                   const double *y, double *want) {
  tf_tensor_use_t use = {.op       = op,
                         .in_cnt   = 1,
                         .real_cnt = 1,
                         .in    = {{.rank = 2, .dims = {ROW_CNT, width}, .cnt = ROW_CNT * width}},
                         .reals = {epsilon}};
  if (tf_tensor_shape(&use) != TF_OK) return false;
  op->ref(&use, &x, want, NULL);
  for (uint32_t i = 0; i < ROW_CNT * width; i++)
    if (!(fabs(y[i] - want[i]) <= ERROR_MAX * fmax(1.0, fabs(want[i])))) return false;
  return true;
}

/* The small numbers of a cone, and 0. */
static uint32_t list_epsilons(const tf_net_t *net, const tf_net_cone_t *cone, double *list) {
  uint32_t cnt = 0;
  list[cnt++]  = 0.0;
  for (uint32_t i = 0; i < cone->cnt; i++) {
    const tf_net_node_t *node = &net->nodes[cone->nodes[i]];
    for (uint32_t k = 0; k < node->use.in_cnt && cnt < EPSILONS_MAX; k++)
      if (tf_net_is_number(net, node->in[k], &list[cnt]) && list[cnt] > 0.0 &&
          list[cnt] < EPSILON_MAX)
        cnt++;
  }
  return cnt;
}

/* The norm that a cone is, or NULL. */
static tf_err_t recognise(const tf_net_t *net, const tf_net_cone_t *cone, const tf_tensor_op_t **op,
                          double *epsilon) {
  static const char *const names[] = {"layer_norm", "rms_norm"};
  const tf_tensor_shape_t *s       = &net->values[cone->root].shape;
  const uint32_t           width   = s->dims[s->rank - 1];
  const size_t             cnt     = (size_t)ROW_CNT * width;
  double                   list[EPSILONS_MAX + 1], *x = malloc(3 * cnt * sizeof *x);
  *op = NULL;
  if (!x) return TF_ERR(E_CORE_NO_MEMORY, "rows of %u", width);
  fill_rows(width, x);
  tf_err_t       err  = tf_net_cone_eval(net, cone, ROW_CNT, width, x, x + cnt);
  const uint32_t many = list_epsilons(net, cone, list);
  for (size_t i = 0; i < TF_ARRAY_CNT(names) && !err; i++)
    for (uint32_t k = 0; k < many && !*op; k++) {
      const tf_tensor_op_t *tried = tf_tensor_find(names[i]);
      if (agrees(tried, list[k], width, x, x + cnt, x + 2 * cnt)) *op = tried, *epsilon = list[k];
    }
  free(x);
  return err;
}

static tf_err_t put(tf_net_edit_t *e, const tf_net_cone_t *cone, const tf_tensor_op_t *op,
                    double epsilon) {
  char     name[TF_NET_NAME_BYTES];
  uint32_t value;
  tf_net_cone_name(e->net, cone, name);
  const tf_net_spec_t spec = {
      .op = op, .name = name, .in = &cone->root, .in_cnt = 1, .reals = &epsilon, .real_cnt = 1};
  tf_err_t err = tf_net_edit_add(e, &spec, &value);
  if (!err) tf_net_edit_replace(e, cone->top, value);
  return err;
}

/* node is a product or sum of a norm that has room for it, and one constant a value of the row: other_idx of node. */
static const tf_net_node_t *norm_before(const tf_net_edit_t *e, const tf_net_node_t *node,
                                        uint32_t *other_idx) {
  const bool mul = tf_net_is(node, "mul");
  if (!mul && !tf_net_is(node, "add")) return NULL;
  for (uint32_t i = 0; i < 2; i++) {
    const tf_net_node_t *layer     = tf_net_edit_only(e, node->in[i], "layer_norm"),
                        *rms       = tf_net_edit_only(e, node->in[i], "rms_norm"),
                        *norm      = layer ? layer : rms;
    const tf_net_value_t    *other = &e->net->values[node->in[1 - i]];
    const tf_tensor_shape_t *s     = &other->shape;
    if (!norm || norm->use.in_cnt > (mul ? 1u : 2u) || (rms && !mul) || !other->constant) continue;
    if (s->rank == 0 || s->cnt != s->dims[s->rank - 1] ||
        s->cnt != norm->use.out.dims[norm->use.out.rank - 1] ||
        !tf_tensor_shape_same(&norm->use.out, &node->use.out))
      continue;
    *other_idx = 1 - i;
    return norm;
  }
  return NULL;
}

/* A scale of ones, for a shift without one. */
static tf_err_t add_ones(tf_net_edit_t *e, const char *name, const tf_tensor_shape_t *shape,
                         uint32_t *value) {
  float *ones = malloc(shape->cnt * sizeof *ones);
  for (uint32_t i = 0; ones && i < shape->cnt; i++) ones[i] = 1.0f;
  return tf_net_edit_constant(e, name, shape, ones, value);
}

static tf_err_t take_in(tf_net_edit_t *e, const tf_net_node_t *norm, const tf_net_node_t *node,
                        uint32_t other_idx) {
  uint32_t          in[3], value, cnt = norm->use.in_cnt;
  char              name[TF_NET_NAME_BYTES];
  tf_tensor_shape_t flat = {.rank = 1, .dims = {e->net->values[node->in[other_idx]].shape.cnt}};
  tf_err_t          err  = TF_OK;
  memcpy(in, norm->in, cnt * sizeof *in);
  tf_net_pass_name(name, (const char *const[]){norm->name, node->name}, 2);
  flat.cnt = flat.dims[0];
  if (tf_net_is(node, "add") && cnt == 1) err = add_ones(e, node->name, &flat, &in[cnt++]);
  if (!err) err = tf_net_edit_reshape(e, node->name, node->in[other_idx], &flat, &in[cnt]);
  const tf_net_spec_t spec = {.op       = norm->use.op,
                              .name     = name,
                              .in       = in,
                              .in_cnt   = cnt + 1,
                              .reals    = norm->use.reals,
                              .real_cnt = 1};
  if (!err) err = tf_net_edit_add(e, &spec, &value);
  if (!err) tf_net_edit_replace(e, node->out, value);
  return err;
}

tf_err_t tf_net_pass_norm(tf_net_edit_t *e, uint32_t idx) {
  const tf_net_node_t *node = &e->net->nodes[idx], *norm;
  uint32_t             roots[TF_NET_CONE_VALUES_MAX], other;
  const uint32_t       top = node->out, rank = node->use.out.rank;
  if ((norm = norm_before(e, node, &other)) != NULL) return take_in(e, norm, node, other);
  if ((!tf_net_is(node, "mul") && !tf_net_is(node, "div")) || rank == 0 ||
      node->use.out.dims[rank - 1] < 2 || node->use.out.dims[rank - 1] > WIDTH_MAX)
    return TF_OK;
  const uint32_t cnt = tf_net_cone_roots(e->net, TF_NET_CONE_ROWS, top, roots);
  for (uint32_t i = cnt; i-- > 0;) {
    tf_net_cone_t         cone;
    const tf_tensor_op_t *op;
    double                epsilon;
    if (!tf_net_cone_find(e, TF_NET_CONE_ROWS, roots[i], top, &cone) || cone.cnt < 3) continue;
    tf_err_t err = recognise(e->net, &cone, &op, &epsilon);
    if (err) return err;
    if (op) return put(e, &cone, op, epsilon);
  }
  return TF_OK;
}
