/* What the config says of a sink's filter and priorities, as emit and the queues ask it (stage/sink_filter.h).
 * Control plane. */
#ifndef TF_BOOT_SINK_CHOICE_H
#define TF_BOOT_SINK_CHOICE_H

#include "boot/engine.h"

#define TF_SINK_CHOICE_ACTIONS_ALL ((1u << TF_ACTION_CNT) - 1)

/* Not all of its kind passes. */
bool tf_sink_choice_is_filtered(const tf_config_sink_t *sink);
/* Something of it is of low priority; in a replay nothing is, as nothing is turned away there. */
bool tf_sink_choice_has_low(const tf_engine_t *engine, const tf_config_sink_t *sink);

size_t tf_sink_choice_bytes(const tf_engine_t *engine, const tf_config_sink_t *sink);

/* That strategies are known, and that what is said can have an effect. */
tf_err_t tf_sink_choice_check(const tf_engine_t *engine, uint32_t sink_idx,
                              const tf_config_sink_t *sink, tf_overflow_t policy);

/* Fills the engine's filter and ranks of that sink. */
tf_err_t tf_sink_choice_make(tf_engine_t *engine, uint32_t sink_idx, const tf_config_sink_t *sink);

#endif
