/* ONNX ops that hold graphs: If, where its condition is known at import, as it is where exporters ask for sizes. The branch that
 * is taken becomes part of the graph around it, the other one is not read. */
#include <string.h>

#include "core/error.h"
#include "model/onnx_net.h"

#define REFUSE TF_ONNX_REFUSE

/* Its outputs, found among what the branch made; names of the branch end with it. */
static tf_err_t leave_branch(tf_onnx_net_t *im, const Onnx__NodeProto *node,
                             const Onnx__GraphProto *branch, uint32_t first, uint32_t *out) {
  tf_err_t err = TF_OK;
  for (size_t i = 0; i < branch->n_output && !err; i++) {
    const char    *name  = branch->output[i]->name;
    const uint32_t value = name && name[0] ? tf_onnx_net_find(im, name) : TF_NET_NONE;
    if (value == TF_NET_NONE)
      return REFUSE(im, node, E_MODEL_UNSUPPORTED, "its branch gives no \"%.80s\"",
                    name ? name : "");
    err = tf_onnx_net_same(im, value, &out[i]);
  }
  for (uint32_t i = first; i < im->operand_cnt; i++) im->operands[i].name = NULL;
  return err;
}

static tf_err_t import_if(tf_onnx_net_t *im, const Onnx__NodeProto *node, const uint32_t *in,
                          uint32_t in_cnt, uint32_t *out) {
  const tf_onnx_operand_t    *condition = tf_onnx_net_operand(im, in[0]);
  const uint32_t              first     = im->operand_cnt;
  const Onnx__AttributeProto *a;
  (void)in_cnt;
  if (!condition->wide || condition->shape.cnt != 1)
    return REFUSE(im, node, E_MODEL_UNSUPPORTED, "%s",
                  "its condition is computed from the features; one that is known at import is "
                  "supported: compute both branches, and choose with Where");
  const char *which = condition->wide[0] != 0.0 ? "then_branch" : "else_branch";
  tf_err_t    err   = tf_onnx_node_attribute(im->path, node, which,
                                             ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__GRAPH, &a);
  if (err) return err;
  if (!a || !a->g || a->g->n_output != node->n_output)
    return REFUSE(im, node, E_MODEL_FORMAT, "no %s of %zu outputs", which, node->n_output);
  err = tf_onnx_net_tensors(im, a->g);
  if (!err) err = tf_onnx_net_nodes(im, a->g, NULL);
  return err ? err : leave_branch(im, node, a->g, first, out);
}

const tf_onnx_net_op_t tf_onnx_net_control[] = {
    {"If", " then_branch else_branch ", 1, 1, 32, import_if, NULL},
    {NULL, NULL,                        0, 0, 0,  NULL,      NULL},
};
