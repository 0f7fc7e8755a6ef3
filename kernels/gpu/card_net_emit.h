/* A call of a net's plan while its ops are made: where its inputs and its output lie, and what its ops touch. Control plane only; for
 * card_net_ops.c and card_net_products.c. */
#ifndef TF_GPU_CARD_NET_EMIT_H
#define TF_GPU_CARD_NET_EMIT_H

#include "gpu/card_net_draft.h"

/* Threads whose vectors are a line of L2. */
#define TF_CARD_NET_EMIT_LINE_LANES 8u

#define TF_CARD_NET_EMIT_ACCESSES_MAX (TF_TENSOR_INPUTS_MAX + 4u)

/* A call while its ops are made. */
typedef struct tf_card_net_emit {
  tf_card_net_draft_t   *d;
  const tf_net_call_t   *call;
  const tf_tensor_use_t *use;
  const tf_net_node_t   *node;
  tf_card_net_access_t   accesses[TF_CARD_NET_EMIT_ACCESSES_MAX];
  uint32_t               access_cnt;
} tf_card_net_emit_t;

bool tf_card_net_emit_is_named(const tf_tensor_use_t *use, const char *name);

/* ---- places ---- */

/* Input i where it is a constant; else NULL. */
const float *tf_card_net_emit_constant_of(const tf_card_net_emit_t *e, uint32_t i);
/* Input i, which is computed. */
tf_card_net_place_t tf_card_net_emit_computed_at(const tf_card_net_emit_t *e, uint32_t i);
/* Input i; a constant goes into the image. E_CORE_NO_MEMORY, E_MODEL_UNSUPPORTED past the limits. */
tf_err_t tf_card_net_emit_input_at(tf_card_net_emit_t *e, uint32_t i, tf_card_net_place_t *place);
tf_err_t tf_card_net_emit_add_floats(tf_card_net_emit_t *e, const float *values, uint32_t cnt,
                                     tf_card_net_place_t *place);
tf_card_net_place_t tf_card_net_emit_out_at(const tf_net_call_t *call);
/* Memory of the call's own, words of it. */
tf_card_net_place_t tf_card_net_emit_work_at(tf_card_net_emit_t *e, uint64_t words);
tf_card_net_place_t tf_card_net_emit_behind(tf_card_net_place_t place, uint64_t words);

/* ---- ops ---- */

/* The next op reads, or writes, words from place on. */
void tf_card_net_emit_touch(tf_card_net_emit_t *e, tf_card_net_place_t place, uint64_t words,
                            bool writes);
/* It reads all inputs and writes the output, and that is all. */
void tf_card_net_emit_touch_all(tf_card_net_emit_t *e);
/* An op of the call that writes its output, of one thread an item. */
tf_card_net_op_t tf_card_net_emit_op_of(const tf_card_net_emit_t *e, tf_card_net_op_kind_t kind,
                                        uint32_t item_cnt);
/* As tf_card_net_draft_op, with what was touched. */
tf_err_t tf_card_net_emit_add_op(tf_card_net_emit_t *e, tf_card_net_op_t *op);
/* Threads that share a sum of cnt: as many as have each of them to add, while that leaves no thread idle; and few in any case, where
 * neighbours read what lies side by side. */
uint32_t tf_card_net_emit_lanes_of(const tf_card_net_draft_t *d, uint32_t cnt, uint32_t each,
                                   uint32_t few, uint64_t item_cnt);

#endif
