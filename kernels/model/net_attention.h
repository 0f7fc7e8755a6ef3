/* Attention in a net as exporters write it: a softmax between two products, a mask added before it, and transposes that take heads apart and
 * put them together. A plan runs all of it as one step (tensor/attention.h), bit for bit what its nodes would give. Control
 * plane only. */
#ifndef TF_KERNELS_MODEL_NET_ATTENTION_H
#define TF_KERNELS_MODEL_NET_ATTENTION_H

#include "model/net.h"

#define TF_NET_ATTENTION_NODES_MAX 12u

typedef struct tf_net_attention {
  tf_net_node_t node;                         /* reads what all of it reads, gives what it gives */
  uint32_t nodes[TF_NET_ATTENTION_NODES_MAX]; /* that it stands for; the first gives its value */
  uint32_t cnt;
} tf_net_attention_t;

/* Whether node n is the product of an attention's weights and values, all of it computed and none of it read elsewhere. uses: by value, how
 * many nodes read it, the answer counted as one. */
bool tf_net_attention_find(const tf_net_t *net, const uint32_t *uses, uint32_t n,
                           tf_net_attention_t *found);

#endif
