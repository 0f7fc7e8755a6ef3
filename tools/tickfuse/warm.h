/* How an engine begins with what was learnt before, and leaves it behind: engine.warm_start and
 * engine.snapshot. */
#ifndef TICKFUSE_WARM_H
#define TICKFUSE_WARM_H

#include "boot/engine.h"

/* Before tf_engine_init: a snapshot that is there says which versions of models served, and options then do. One that cannot be
 * read is left for tickfuse_warm_begin to tell of. */
void tickfuse_warm_versions(const tf_config_t *config, tf_engine_options_t *options);

/* After the sources were added, before start. A snapshot that is there and fits goes first; else the
 * recording is run, if the config names one. A snapshot that is missing or refused is no error: why is
 * logged, and the engine starts without. A recording that cannot be read is one. is_live: the
 * snapshot's age matters. */
tf_err_t tickfuse_warm_begin(tf_engine_t *engine, bool is_live);

/* After join: the snapshot is written, if the config names one. E_FILE_WRITE. */
tf_err_t tickfuse_warm_end(tf_engine_t *engine);

#endif
