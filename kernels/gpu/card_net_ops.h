/* What a card runs of one call of a net's plan (model/net_plan.h): one op or more of card_net.h. Control plane only; for card_net.c. */
#ifndef TF_GPU_CARD_NET_OPS_H
#define TF_GPU_CARD_NET_OPS_H

#include "gpu/card_net_draft.h"

/* All calls of the part in work (d->net, d->plan), with the barriers between them. E_MODEL_UNSUPPORTED for an op that has no form on a card,
 * naming the node; E_MODEL_WEIGHTS, E_CORE_NO_MEMORY. */
tf_err_t tf_card_net_ops_add(tf_card_net_draft_t *d);
/* The same op by op of a net, without making anything: what is unsupported is found before. */
tf_err_t tf_card_net_ops_check(const tf_net_t *net, bool is_graph);

/* The function by that name; TF_CARD_FN_CNT for none. */
tf_card_net_fn_t tf_card_net_ops_fn(const char *name);
const char      *tf_card_net_ops_fn_name(uint32_t fn);

#endif
