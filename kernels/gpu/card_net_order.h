/* The nodes of a net by depth: those that need nothing of one another side by side, so that they make one phase (card_net.h); and behind
 * each node what works value by value on its result, so that it goes with it. What nodes do to an instrument's state they do in the order
 * that they had. Control plane only. */
#ifndef TF_GPU_CARD_NET_ORDER_H
#define TF_GPU_CARD_NET_ORDER_H

#include "model/net.h"

/* Whether an op works value by value: pointwise ops, and each. */
bool tf_card_net_order_is_pointwise(const tf_tensor_use_t *use);

/* ordered: net with its nodes in another order; constants stay net's. E_CORE_NO_MEMORY. */
tf_err_t tf_card_net_order_init(tf_net_t *ordered, const tf_net_t *net);
void     tf_card_net_order_fini(tf_net_t *ordered); /* accepts a zeroed one */

#endif
