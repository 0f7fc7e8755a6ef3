/* The config's sinks: each with all that it may ask for, opened on the engine's emit, in their order. Control
 * plane, before the threads start. */
#ifndef TF_BOOT_SINKS_H
#define TF_BOOT_SINKS_H

#include "boot/engine.h"

/* Memory of those whose type is known; of the others add says it. */
size_t tf_sinks_bytes(tf_engine_t *engine);

/* Checks, and unless this is a check opens, the config's sinks and options.decisions_path's journal. */
tf_err_t tf_sinks_add(tf_engine_t *engine);

/* The highest sequence that earlier engines left in a sink that carries that kind; 0: none did. A live engine goes
 * on behind it. Waits for brokers to say their tail, all at once (sink/egress.h). */
uint64_t tf_sinks_last_seq(const tf_engine_t *engine, tf_carries_t carries);

/* Whether a sink of the config carries that kind. */
bool tf_sinks_carry(const tf_engine_t *engine, tf_carries_t carries);

/* As the config says them. */
const char *tf_sinks_carries_name(uint32_t carries);
const char *tf_sinks_policy_name(tf_overflow_t policy);

#endif
