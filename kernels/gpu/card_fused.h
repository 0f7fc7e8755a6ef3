/* From a feature plan and a model's program to one that does both (fused.h). Plain C. */
#ifndef TF_GPU_CARD_FUSED_H
#define TF_GPU_CARD_FUSED_H

#include "gpu/card_features.h"
#include "gpu/fused.h"

/* What of a card's limits a net may have that stands behind the plan's features. */
tf_card_limits_t tf_card_fused_left(const tf_plan_view_t *view, uint32_t instrument_cnt,
                                    uint32_t block_cnt, const tf_card_limits_t *limits);

/* block_cnt: as tf_card_features_make has it. net: of the kind TF_CARD_NET, on one block; its inputs are the plan's features, in their order. What tf_card_features_make says (of
 * memory: states of both, row numbers, scratch, two slots), and
 * E_MODEL_UNSUPPORTED where net wants more than a block, E_MODEL_SHAPE where its inputs are not so many. *program: malloc'd. */
tf_err_t tf_card_fused_make(const tf_plan_view_t *view, uint32_t instrument_cnt, uint32_t block_cnt,
                            const tf_card_program_t *net, const tf_card_limits_t *limits,
                            tf_card_program_t **program);

#endif
