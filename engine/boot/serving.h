/* How the config wants its models served: what is done with their outputs (serve/post.h), which of them a fleet is
 * kept of, what an overrun does. Fills the compute stage's models at boot.
 *
 * Control plane, before the start. */
#ifndef TF_BOOT_SERVING_H
#define TF_BOOT_SERVING_H

#include "boot/engine.h"

/* How the config wants a model loaded. E_CONFIG_VALUE. */
tf_err_t tf_serving_options(const tf_config_t *config, uint32_t model_idx,
                            tf_model_options_t *options);
/* Loads a model that the config names, by its file or from its registry. number: its version, 0 of a file. */
tf_err_t tf_serving_load(tf_engine_t *engine, uint32_t model_idx, tf_model_t **model,
                         uint32_t *number);

/* The config's ensembles, of the models that were loaded. E_MODEL_SHAPE, E_CONFIG_CONFLICT, E_CORE_NO_MEMORY. */
tf_err_t tf_serving_make_ensembles(tf_engine_t *engine);
/* Of either kind; accepts one that was never loaded. */
void tf_serving_unload(tf_engine_t *engine, uint32_t model_idx);

/* May made answer in the place of old, which the lane's model m is of? E_MODEL_SCHEMA: other features, or rows made otherwise;
 * E_MODEL_SHAPE: another number of outputs, another window. */
tf_err_t tf_serving_check_fit(const tf_engine_t *engine, const tf_compute_model_t *m,
                              const tf_model_t *old, const tf_model_t *made);

/* Of the engine's arena, for as many instruments as it has room for. After the models were loaded. */
size_t tf_serving_bytes(const tf_engine_t *engine);

/* After the models were added and the rules compiled. E_MODEL_SHAPE: a model's outputs are not those of the
 * config's horizon; E_CONFIG_VALUE; E_CORE_ARENA_FULL. */
tf_err_t tf_serving_init(tf_engine_t *engine);

/* Is anything published as an event by the engine itself, so that a control source is wanted? */
bool tf_serving_wants_control(const tf_config_t *config);

#endif
