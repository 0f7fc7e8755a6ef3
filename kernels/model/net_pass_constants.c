/* Nodes that read constants alone, which other passes leave: evaluated by the reference of their own op. And what does nothing: plus 0,
 * times 1. */
#include <math.h>

#include "core/error.h"
#include "model/net_pass.h"

static float *narrowed(const double *wide, uint32_t cnt) {
  float *narrow = malloc(cnt * sizeof *narrow);
  for (uint32_t i = 0; narrow && i < cnt; i++) {
    narrow[i] = (float)wide[i];
    if (fpclassify(narrow[i]) == FP_SUBNORMAL) narrow[i] = 0.0f;
  }
  return narrow;
}

static tf_err_t evaluate(tf_net_edit_t *e, const tf_net_node_t *node) {
  const tf_tensor_use_t *use                        = &node->use;
  double                *wide[TF_TENSOR_INPUTS_MAX] = {NULL};
  const size_t           work = use->op->scratch_cnt ? use->op->scratch_cnt(use) : 0;
  double *scratch = malloc((work + 1) * sizeof *scratch), *out = malloc(use->out.cnt * sizeof *out);
  bool    good = scratch && out;
  for (uint32_t i = 0; i < use->in_cnt; i++) {
    const tf_net_value_t *v = &e->net->values[node->in[i]];
    wide[i]                 = malloc(v->shape.cnt * sizeof *wide[i]);
    good                    = good && wide[i];
    for (uint32_t k = 0; wide[i] && k < v->shape.cnt; k++) wide[i][k] = (double)v->constant[k];
  }
  if (good) use->op->ref(use, (const double *const *)wide, out, scratch);
  uint32_t value;
  tf_err_t err = tf_net_edit_constant(e, node->name, &use->out,
                                      good ? narrowed(out, use->out.cnt) : NULL, &value);
  for (uint32_t i = 0; i < use->in_cnt; i++) free(wide[i]);
  free(scratch);
  free(out);
  if (!err) tf_net_edit_replace(e, node->out, value);
  return err;
}

/* The input that a node gives as it is: its other one changes nothing. */
static bool is_nothing(const tf_net_t *net, const tf_net_node_t *node, uint32_t *same) {
  const bool add = tf_net_is(node, "add"), mul = tf_net_is(node, "mul");
  const bool sub = tf_net_is(node, "sub"), div = tf_net_is(node, "div");
  double     number;
  for (uint32_t i = 0; i < 2 && (add || mul || sub || div); i++) {
    if (!tf_net_is_number(net, node->in[i], &number) || ((sub || div) && i == 0)) continue;
    *same = node->in[1 - i];
    if (number == (add || sub ? 0.0 : 1.0) &&
        tf_tensor_shape_same(&net->values[*same].shape, &node->use.out))
      return true;
  }
  return false;
}

tf_err_t tf_net_pass_constants(tf_net_edit_t *e, uint32_t idx) {
  const tf_net_node_t *node = &e->net->nodes[idx];
  uint32_t             same;
  bool                 constant = true;
  for (uint32_t i = 0; i < node->use.in_cnt; i++)
    constant &= e->net->values[node->in[i]].constant != NULL;
  if (constant && node->use.in_cnt && node->out != e->output) return evaluate(e, node);
  if (is_nothing(e->net, node, &same)) tf_net_edit_replace(e, node->out, same);
  return TF_OK;
}
