/* A node of a whole net at some of its positions, added to the half in work (net_half.h): its inputs cut to what these are made
 * of, and its numbers to fit. Control plane only; for net_cut.c. */
#ifndef TF_KERNELS_MODEL_NET_RUN_H
#define TF_KERNELS_MODEL_NET_RUN_H

#include "model/net_half.h"

/* cnt positions from first on; *value of the half holds them. As tf_net_add; E_MODEL_UNSUPPORTED where the op cannot be cut so. */
tf_err_t tf_net_run_node(tf_net_cutter_t *c, const tf_net_node_t *node, uint32_t first,
                         uint32_t cnt, uint32_t *value);

#endif
