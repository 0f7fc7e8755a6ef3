/* Which models read which, told from a config: what stands under inputs, ensemble and fallback, or in the
 * features that a model file names.
 *
 *   embed.3        output 3 of the model embed, counted from 0
 *   embed.0..31    outputs 0 to 31: 32 inputs
 *
 * A feature's field never begins with a digit (expr.h), so the two cannot be confused. Models that read one another in
 * a circle are refused: somebody has to answer first. Control plane, no allocation. */
#ifndef TF_BOOT_CHAIN_H
#define TF_BOOT_CHAIN_H

#include "boot/config.h"
#include "tf/model.h"

#define TF_CHAIN_NONE UINT32_MAX

/* One input as it is written. */
typedef struct tf_chain_output {
  char     model[32];
  uint32_t first, last; /* outputs */
} tf_chain_output_t;

/* False: the text is no output of a model. A range that goes backwards, or an output past
 * TF_MODEL_OUTPUTS_MAX, is one all the same: check_output says so. */
bool tf_chain_parse(const char *text, tf_chain_output_t *output);
/* NULL, or what is wrong with the numbers. */
const char *tf_chain_check_output(const tf_chain_output_t *output);

/* By name; TF_CHAIN_NONE. */
uint32_t tf_chain_find(const tf_config_t *config, const char *name);

/* Bit per model that model_idx has to wait for. Names that are not there have none. models: those that were loaded, or
 * NULL where the config alone is looked at. */
uint32_t tf_chain_needs(const tf_config_t *config, const tf_model_t *const *models,
                        uint32_t model_idx);

/* An order (model_cnt) in which each stands behind what it needs; of those that might be next it is one of the highest
 * priority, then the config's first. waves (model_cnt, by model; may be NULL): the highest priority of what waits for it, its own
 * too, so that they only rise along the order. False: they wait for one another, *stuck is one of a circle. */
bool tf_chain_order(const tf_config_t *config, const tf_model_t *const *models, uint32_t *order,
                    uint8_t *waves, uint32_t *stuck);

/* A model of low priority that another one cannot do without, which is not of low priority: *source and *reader. An ensemble
 * can where its quorum is reached without it. */
bool tf_chain_starves(const tf_config_t *config, const tf_model_t *const *models, uint32_t *source,
                      uint32_t *reader);

#endif
