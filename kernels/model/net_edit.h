/* A graph of tensor operations while its nodes are exchanged for others that give the same (net_pass.h). New nodes are added behind
 * all others, but take the place of the node that they stand for; who read the old value reads the new one. At the
 * end all is in order again, and what nobody needs is gone. In between the graph can be read, not run. Control plane only. */
#ifndef TF_KERNELS_MODEL_NET_EDIT_H
#define TF_KERNELS_MODEL_NET_EDIT_H

#include <string.h>

#include "model/net.h"

typedef struct tf_net_edit {
  tf_net_t *net;
  uint32_t  output;              /* the value that is the answer */
  uint32_t  at;                  /* the node that new ones stand for */
  uint32_t  change_cnt;          /* values that were replaced */
  uint32_t  node_cnt, value_cnt; /* of the graph at the beginning */
  uint32_t *uses;   /* by value: nodes that read it, and the answer; may count some that are gone */
  uint32_t *places; /* by node: the one that it stands for */
} tf_net_edit_t;

/* Nodes and values stay where they are in memory until tf_net_edit_end. E_CORE_NO_MEMORY. */
tf_err_t tf_net_edit_begin(tf_net_edit_t *e, tf_net_t *net);
/* Also after a failure of the others: the graph is whole. */
tf_err_t tf_net_edit_end(tf_net_edit_t *e);

/* tf_net_add and tf_net_add_constant; past the limits, nothing is changed. */
tf_err_t tf_net_edit_add(tf_net_edit_t *e, const tf_net_spec_t *spec, uint32_t *value);
tf_err_t tf_net_edit_constant(tf_net_edit_t *e, const char *name, const tf_tensor_shape_t *shape,
                              float *constant, uint32_t *value);
/* The same node over other inputs; name NULL: its own. */
tf_err_t tf_net_edit_again(tf_net_edit_t *e, const tf_net_node_t *node, const uint32_t *in,
                           const char *name, uint32_t *value);
/* in under another shape of as many values; in itself where it is the same. */
tf_err_t tf_net_edit_reshape(tf_net_edit_t *e, const char *name, uint32_t in,
                             const tf_tensor_shape_t *shape, uint32_t *value);
/* Who reads from reads to, which has the same shape and is not computed from it. The answer may not become the input or a constant: then nothing happens. */
void tf_net_edit_replace(tf_net_edit_t *e, uint32_t from, uint32_t to);

/* ---- questions ---- */

/* The node that computes value; NULL for constants and the input. */
TF_INLINE const tf_net_node_t *tf_net_maker(const tf_net_t *net, uint32_t value) {
  const uint32_t node = net->values[value].node;
  return node == TF_NET_NONE ? NULL : &net->nodes[node];
}
TF_INLINE bool tf_net_is(const tf_net_node_t *node, const char *op) {
  return node && strcmp(node->use.op->name, op) == 0;
}
/* The same, of a value that nothing else reads. */
TF_INLINE const tf_net_node_t *tf_net_edit_only(const tf_net_edit_t *e, uint32_t value,
                                                const char *op) {
  const tf_net_node_t *node = tf_net_maker(e->net, value);
  return tf_net_is(node, op) && e->uses[value] == 1 ? node : NULL;
}
/* Whether value is a constant of one number, however often it is repeated. */
bool tf_net_is_number(const tf_net_t *net, uint32_t value, double *number);

#endif
