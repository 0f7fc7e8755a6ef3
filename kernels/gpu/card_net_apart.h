/* Operations that only the kernels of a graph have (card_graph.h): trees, entries by computed numbers, the GRU whose reset gate works before
 * its product. Control plane only; for card_net_ops.c. */
#ifndef TF_GPU_CARD_NET_APART_H
#define TF_GPU_CARD_NET_APART_H

#include "gpu/card_net_emit.h"

/* What such a node is called in a refusal; NULL for any other node. */
const char *tf_card_net_apart_name(const tf_net_t *net, const tf_net_node_t *node);
/* The ops of a call of such a node. E_MODEL_UNSUPPORTED for what is too large, E_CORE_NO_MEMORY. */
tf_err_t tf_card_net_apart_add(tf_card_net_emit_t *e);

#endif
