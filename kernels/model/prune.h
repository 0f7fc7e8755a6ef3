/* Structured pruning: whole hidden units are taken out, so that every matrix gets really smaller. A unit is an output of a product, or of a
 * recurrent layer, that goes value by value (biases, activations, the last row, flatten) to one next product or layer and nowhere else. The units of each
 * such axis that matter least go: the norm of the weights that make a unit times the norm of those that read it. Control plane. */
#ifndef TF_KERNELS_MODEL_PRUNE_H
#define TF_KERNELS_MODEL_PRUNE_H

#include "model/graph.h"

#define TF_PRUNE_SHARE_MAX 0.95

typedef struct tf_prune_report {
  uint32_t axis_cnt;           /* hidden axes that were pruned */
  uint32_t unit_cnt, left_cnt; /* on them, before and after */
} tf_prune_report_t;

/* Takes share of the units of each hidden axis out of a chain, rounded down; a unit is left in any case. share: above 0, up to
 * TF_PRUNE_SHARE_MAX. E_MODEL_UNSUPPORTED where there is no such axis, and for a net; E_CORE_NO_MEMORY. The graph has its known answers no more. */
tf_err_t tf_prune_apply(tf_graph_t *graph, double share, tf_prune_report_t *report);

#endif
