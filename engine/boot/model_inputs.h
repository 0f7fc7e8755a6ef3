/* What models' rows are made of: places of the feature row, and outputs of other models (stage/compute.h, Chains).
 *
 * A model file names its inputs. Without inputs in the config these are taken as they are named; with it each is said
 * anew, and has to be what the file says at that place: the same feature however written, or the same output, of a
 * model that may be called otherwise here.
 *
 * Control plane, before the start. */
#ifndef TF_BOOT_MODEL_INPUTS_H
#define TF_BOOT_MODEL_INPUTS_H

#include "boot/engine.h"
#include "boot/feature_compile.h"

/* Adds model idx to the compute stage, with its places of the feature row. In the config's order. E_MODEL_SCHEMA,
 * E_CONFIG_VALUE, E_CORE_ARENA_FULL. */
tf_err_t tf_model_inputs_add(tf_engine_t *engine, tf_feature_compile_t *compile, uint32_t idx);

/* All were added: joins each to those that it reads, and puts them in order. E_MODEL_SHAPE: there is no such output;
 * E_CONFIG_CONFLICT: they read one another in a circle. */
tf_err_t tf_model_inputs_join(tf_engine_t *engine);

/* Of the engine's arena, for one model. */
size_t tf_model_inputs_bytes(const tf_model_t *model);

#endif
