/* The ways of events, quotes and feature rows to the sinks that carry them (stage/passage.h): made of the
 * config before the sinks are opened, one of each kind that a sink carries. */
#ifndef TF_BOOT_PASSAGES_H
#define TF_BOOT_PASSAGES_H

#include "boot/engine.h"

size_t   tf_passages_bytes(const tf_engine_t *engine);
tf_err_t tf_passages_add(tf_engine_t *engine);

#endif
