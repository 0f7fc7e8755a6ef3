/* Which models' features a worker computes (models[].features gpu): of each the plan as the worker is handed it (tf/plan_view.h), or why its
 * rows come from the lane all the same. Made at boot, also by `check`; a replay needs none. Control plane. */
#ifndef TF_BOOT_CARD_PLAN_H
#define TF_BOOT_CARD_PLAN_H

#include "serve/child_market.h"
#include "tf/plan_view.h"

#define TF_CARD_PLAN_WHY_BYTES 192
#define TF_CARD_PLAN_SAY_BYTES (TF_CARD_PLAN_WHY_BYTES + 128)

struct tf_engine;

typedef struct tf_card_plan {
  bool           is_wanted;                   /* the config says so */
  tf_plan_view_t view;                        /* image NULL: the lane sends rows */
  char           why[TF_CARD_PLAN_WHY_BYTES]; /* then: what stands in the way */
  char handed[TF_CARD_PLAN_WHY_BYTES]; /* else: what the lane hands over, "imbalance, peek" */
} tf_card_plan_t;

/* Of model idx, whose inputs are places of the row (TF_COMPUTE_NO_FEATURE: an output of another model). That it cannot be is no
 * failure: why says it. E_CORE_NO_MEMORY, E_CORE_OVERFLOW. */
tf_err_t tf_card_plan_make(const struct tf_engine *engine, uint32_t model_idx,
                           const uint32_t *places, tf_card_plan_t *plan);
void     tf_card_plan_fini(tf_card_plan_t *plan); /* accepts a zeroed one */

/* What of the market the worker is told. */
tf_child_market_t tf_card_plan_market(const tf_card_plan_t *plan);

/* Its mailbox, but for what is the model's alone: slot_cnt, input_cnt, window, plan, state_packets. width, window: of the model. plan has a view. */
tf_mailbox_spec_t tf_card_plan_mailbox(const tf_card_plan_t *plan, uint32_t width, uint32_t window);

/* In words: who computes the features of a model that a worker may answer, and what is handed over. */
void tf_card_plan_say(const tf_card_plan_t *plan, char text[TF_CARD_PLAN_SAY_BYTES]);

#endif
