/* From a view of a feature plan (tf/plan_view.h) to a card's program of the kind TF_CARD_FEATURES (features.h). Plain C. */
#ifndef TF_GPU_CARD_FEATURES_H
#define TF_GPU_CARD_FEATURES_H

#include "gpu/features.h"
#include "tf/plan_view.h"

#define TF_CARD_FEATURES_INSTRUMENTS_MAX                                                           \
  (TF_SECTION_MEMBERS_MAX + 1) /* and the one that keeps it awake */

/* An image from outside, as a worker finds it in its mailbox: its parts, checked. E_FILE_FORMAT names what is wrong. */
tf_err_t tf_card_plan_read(const void *image, uint64_t bytes, tf_plan_view_t *view);

/* Whether a card runs the indicator, operation or cross of that name. */
bool tf_card_features_runs(const char *name, tf_view_step_kind_t kind);

/* Allocates *program, image behind it; free() releases it. Outputs are the plan's features, in their order. thread_cnt: of a block, a
 * multiple of 32; 0: as many as a level has steps. block_cnt: that take rows of a request side by side, 1 .. TF_MAILBOX_BATCH_MAX.
 *   E_MODEL_UNSUPPORTED   a step that the card does not run, by its name; one that follows what it cannot; more values handed over than
 *                         a row holds
 *   E_MODEL_SHAPE         more features than an answer holds, slots than a block's shared memory, instruments than allowed
 *   E_GPU_MEMORY          states and sections of so many instruments do not fit
 *   E_CORE_NO_MEMORY */
tf_err_t tf_card_features_make(const tf_plan_view_t *view, uint32_t instrument_cnt,
                               uint32_t thread_cnt, uint32_t block_cnt,
                               const tf_card_limits_t *limits, tf_card_program_t **program);

/* Whether instruments of each_bytes each, and common_bytes beside them, fit what the worker may use: E_GPU_MEMORY names both figures and
 * what helps. */
tf_err_t tf_card_features_check_memory(uint32_t instrument_cnt, uint64_t each_bytes,
                                       uint64_t common_bytes, const tf_card_limits_t *limits);

/* Blocks for requests of batch_max rows: one each, of half the card's multiprocessors at most, so that another model's kernel finds room
 * beside it (a swap's known answers). */
uint32_t tf_card_features_blocks(uint32_t batch_max, const tf_card_limits_t *limits);

/* Of a block's shared memory. */
uint64_t tf_card_features_shared_bytes(const tf_plan_view_t *view, uint32_t instrument_cnt,
                                       uint32_t block_cnt);

#endif
