/* A chain of row ops (model/graph.h) as a net of tensor operations, which gives the same answers. Control plane only. */
#ifndef TF_GPU_CARD_NET_CHAIN_H
#define TF_GPU_CARD_NET_CHAIN_H

#include "model/graph.h"

/* *net is the caller's to delete. E_MODEL_UNSUPPORTED, E_CORE_NO_MEMORY. */
tf_err_t tf_card_net_chain_new(const tf_graph_t *graph, tf_net_t **net);

#endif
