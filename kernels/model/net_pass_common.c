/* Equal nodes over equal values: the first one's result stands for all. Constants are equal where their shapes and bits are. */
#include "model/net_pass.h"

static bool same_value(const tf_net_t *net, uint32_t a, uint32_t b) {
  const tf_net_value_t *x = &net->values[a], *y = &net->values[b];
  if (a == b) return true;
  return x->constant && y->constant && tf_tensor_shape_same(&x->shape, &y->shape) &&
         memcmp(x->constant, y->constant, x->shape.cnt * sizeof *x->constant) == 0;
}

static bool same_node(const tf_net_t *net, const tf_net_node_t *a, const tf_net_node_t *b) {
  const tf_tensor_use_t *x = &a->use, *y = &b->use;
  if (x->op != y->op || x->row != y->row || x->in_cnt != y->in_cnt || x->int_cnt != y->int_cnt ||
      x->real_cnt != y->real_cnt || !tf_tensor_shape_same(&x->out, &y->out))
    return false;
  for (uint32_t i = 0; i < x->real_cnt; i++)
    if (x->reals[i] != y->reals[i]) return false;
  if (memcmp(x->ints, y->ints, x->int_cnt * sizeof *x->ints) != 0) return false;
  for (uint32_t i = 0; i < x->in_cnt; i++)
    if (!same_value(net, a->in[i], b->in[i])) return false;
  return true;
}

tf_err_t tf_net_pass_common(tf_net_edit_t *e, uint32_t idx) {
  const tf_net_node_t *node = &e->net->nodes[idx];
  for (uint32_t i = 0; i < idx; i++) {
    if (e->uses[e->net->nodes[i].out] == 0 || !same_node(e->net, &e->net->nodes[i], node)) continue;
    tf_net_edit_replace(e, node->out, e->net->nodes[i].out);
    return TF_OK;
  }
  return TF_OK;
}
