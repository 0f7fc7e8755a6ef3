/* From a model's graph to a program: whatever can, in the order of makers.def. Control plane. */
#ifndef TF_GPU_MAKERS_H
#define TF_GPU_MAKERS_H

#include "gpu/card.h"
#include "model/graph.h"

/* precision: of weights, never AUTO. *program: malloc'd, its image behind it; model_hash is the caller's to fill in.
 * E_MODEL_UNSUPPORTED names node and reason: another maker, a CUDA graph or the CPU may. E_CORE_NO_MEMORY. */
typedef tf_err_t (*tf_card_make_t)(const tf_graph_t *graph, tf_precision_t precision,
                                   const tf_card_limits_t *limits, tf_card_program_t **program);

typedef struct tf_card_maker {
  const char    *name;
  tf_card_make_t make; /* NULL ends the table */
} tf_card_maker_t;

extern const tf_card_maker_t tf_card_makers[];

const char *tf_card_kind_name(uint32_t kind); /* "recurrent"; "unknown" */

#endif
