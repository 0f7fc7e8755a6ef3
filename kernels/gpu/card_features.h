/* From a view of a feature plan (tf/plan_view.h) to a card's program of the kind TF_CARD_FEATURES (features.h). Plain C. */
#ifndef TF_GPU_CARD_FEATURES_H
#define TF_GPU_CARD_FEATURES_H

#include "gpu/features.h"
#include "tf/plan_view.h"

#define TF_CARD_FEATURES_INSTRUMENTS_MAX TF_SECTION_MEMBERS_MAX

/* Allocates *program, image behind it; free() releases it. Outputs are the plan's features, in their order.
 *   E_MODEL_UNSUPPORTED   a step that the card does not run, by its name
 *   E_MODEL_SHAPE         more features than an answer holds, slots than a block's shared memory, instruments than allowed
 *   E_GPU_MEMORY          states and sections of so many instruments do not fit
 *   E_CORE_NO_MEMORY */
tf_err_t tf_card_features_make(const tf_plan_view_t *view, uint32_t instrument_cnt,
                               const tf_card_limits_t *limits, tf_card_program_t **program);

#endif
