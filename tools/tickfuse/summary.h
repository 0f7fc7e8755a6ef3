/* What a run comes to: the object that `replay --json` and `run --json` print, and the same for people. */
#ifndef TICKFUSE_SUMMARY_H
#define TICKFUSE_SUMMARY_H

#include <jansson.h>

#include "boot/engine.h"

/* After tf_engine_join. The keys are part of the command line's contract (DESIGN: command line). */
json_t *tf_summary_json(const tf_engine_t *engine);
void    tf_summary_print(const tf_engine_t *engine, FILE *out);

/* Rejected messages with a sample each, on stderr. */
void tf_summary_print_rejects(const tf_engine_t *engine);

/* All sources' counts added up. */
void tf_summary_counts(const tf_engine_t *engine, tf_feed_counts_t *sum);

#endif
