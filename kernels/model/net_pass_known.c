/* Functions of one value that exporters took apart, into sums, powers and branches: gelu of operator sets below 20, silu, softplus with
 * its branch, hardswish, leaky relu. A cone of nodes (net_cone.h) that agrees with one of the row ops at all places tried
 * is that op. */
#include <math.h>

#include "core/error.h"
#include "model/net_cone.h"
#include "model/net_pass.h"

#define ERROR_MAX 3e-7 /* of the greater of 1 and the value: constants are floats */
#define GRID_CNT  161u /* from -20 to 20 */
#define FAR_CNT   16u

static const char *const known[] = {"gelu",       "gelu_tanh", "silu",    "softplus",
                                    "hard_swish", "relu",      "sigmoid", "tanh",
                                    "leaky_relu", "elu",       "clip"};

/* Near 0, between, and far out, where branches lie. */
static void fill_places(double *x) {
  static const double far[FAR_CNT / 2] = {1e-4, 1e-3, 0.0625, 22.0, 25.0, 30.0, 40.0, 80.0};
  for (uint32_t i = 0; i < GRID_CNT; i++) x[i] = -20.0 + 0.25 * (double)i;
  for (uint32_t i = 0; i < FAR_CNT; i++) x[GRID_CNT + i] = (i % 2 ? -1.0 : 1.0) * far[i / 2];
}

static double at(const double *x, const double *y, double place) {
  for (uint32_t i = 0; i < GRID_CNT + FAR_CNT; i++)
    if (x[i] == place) return y[i];
  TF_ASSERT(false);
  return 0.0;
}

/* An op's numbers, from values that they decide. */
static void fit(const char *op, const double *x, const double *y, tf_op_params_t *params) {
  const double low = at(x, y, -80.0), high = at(x, y, 80.0);
  params->alpha = params->beta = 0.0f;
  if (strcmp(op, "leaky_relu") == 0) params->alpha = (float)(-at(x, y, -1.0));
  if (strcmp(op, "elu") == 0) params->alpha = (float)-low;
  if (strcmp(op, "clip") == 0) params->alpha = (float)low, params->beta = (float)high;
}

static bool agrees(const tf_op_t *op, tf_op_params_t *params, const double *x, const double *y) {
  double         want[GRID_CNT + FAR_CNT];
  tf_op_params_t one = *params;
  one.in_cnt         = 1;
  if (!isfinite(params->alpha) || !isfinite(params->beta) ||
      (strcmp(op->name, "clip") == 0 && !(params->alpha < params->beta)) ||
      op->shape(&one) != TF_OK)
    return false;
  params->in_cnt = params->out_cnt = GRID_CNT + FAR_CNT;
  op->ref(params, x, want);
  for (uint32_t i = 0; i < GRID_CNT + FAR_CNT; i++)
    if (!(fabs(y[i] - want[i]) <= ERROR_MAX * fmax(1.0, fabs(want[i])))) return false;
  return true;
}

/* The op that a cone is, or NULL. */
static tf_err_t recognise(const tf_net_t *net, const tf_net_cone_t *cone, const tf_op_t **op,
                          tf_op_params_t *params) {
  double x[GRID_CNT + FAR_CNT], y[GRID_CNT + FAR_CNT];
  fill_places(x);
  *op          = NULL;
  tf_err_t err = tf_net_cone_eval(net, cone, 1, GRID_CNT + FAR_CNT, x, y);
  if (err) return err;
  for (size_t i = 0; i < TF_ARRAY_CNT(known) && !*op; i++) {
    const tf_op_t *tried = tf_op_find(known[i]);
    fit(known[i], x, y, params);
    if (agrees(tried, params, x, y)) *op = tried;
  }
  return TF_OK;
}

static tf_err_t put(tf_net_edit_t *e, const tf_net_cone_t *cone, const tf_op_t *op,
                    const tf_op_params_t *params) {
  char         name[TF_NET_NAME_BYTES];
  const double reals[2] = {(double)params->alpha, (double)params->beta};
  uint32_t     value;
  tf_net_cone_name(e->net, cone, name);
  const tf_net_spec_t spec = {.op       = tf_tensor_find("each"),
                              .row      = op,
                              .name     = name,
                              .in       = &cone->root,
                              .in_cnt   = 1,
                              .reals    = reals,
                              .real_cnt = 2};
  tf_err_t            err  = tf_net_edit_add(e, &spec, &value);
  if (!err) tf_net_edit_replace(e, cone->top, value);
  return err;
}

tf_err_t tf_net_pass_known(tf_net_edit_t *e, uint32_t idx) {
  uint32_t       roots[TF_NET_CONE_VALUES_MAX];
  const uint32_t top         = e->net->nodes[idx].out,
                 cnt         = tf_net_cone_roots(e->net, TF_NET_CONE_VALUES, top, roots);
  tf_net_cone_t  best        = {.cnt = 1};
  const tf_op_t *best_op     = NULL;
  tf_op_params_t best_params = {0};
  for (uint32_t i = 0; i < cnt; i++) {
    tf_net_cone_t  cone;
    const tf_op_t *op;
    tf_op_params_t params = {0};
    if (!tf_net_cone_find(e, TF_NET_CONE_VALUES, roots[i], top, &cone) || cone.cnt <= best.cnt)
      continue;
    tf_err_t err = recognise(e->net, &cone, &op, &params);
    if (err) return err;
    if (op) best = cone, best_op = op, best_params = params;
  }
  return best_op ? put(e, &best, best_op, &best_params) : TF_OK;
}
