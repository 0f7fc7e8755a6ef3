/* How an engine begins with what was learnt before, or goes on exactly where one was, and leaves it behind: engine.warm_start and
 * engine.snapshot with what belongs to it. In this order: versions, (the engine's init and its sources), continue, begin, watch,
 * (start, join), end. */
#ifndef TICKFUSE_WARM_H
#define TICKFUSE_WARM_H

#include "boot/engine.h"
#include "boot/snapshot_store.h"

/* --from-snapshot FILE as two of --set's texts; returns how many. */
uint32_t tickfuse_warm_sets(const char *file, char texts[2][1100], const char **sets);

/* Before all else: where snapshots are put and had from; without it in files. */
void tickfuse_warm_store(const tf_snapshot_store_t *store);

/* Before tf_engine_init: reads the snapshot, or where it is damaged the one before; it says which versions of models served, and
 * options then do. The events that it has behind it, if the engine is to go on exactly from it; else 0. */
uint64_t tickfuse_warm_versions(const tf_config_t *config, tf_engine_options_t *options);

/* After the sources and sinks were added. With snapshot_restore: exact, the engine goes on from the snapshot, and sinks are told that
 * decisions come again; without one it begins at its first event, if the sources do (from_beginning: a recording). Else a live engine
 * numbers its decisions behind those that sinks hold. E_BOOT_SNAPSHOT, with the reason: it does not fit. */
tf_err_t tickfuse_warm_continue(tf_engine_t *engine, bool from_beginning);

/* Before start. A snapshot that is there and fits goes first; else the
 * recording is run, if the config names one. A snapshot that is missing or refused is no error: why is
 * logged, and the engine starts without. A recording that cannot be read is one. is_live: the
 * snapshot's age matters. */
tf_err_t tickfuse_warm_begin(tf_engine_t *engine, bool is_live);

/* Before start, after all else: snapshots while it runs, if the config wants them. */
tf_err_t tickfuse_warm_watch(tf_engine_t *engine);

/* After join: those end, and the last one is written, if the config names a file. E_FILE_WRITE. */
tf_err_t tickfuse_warm_end(tf_engine_t *engine);

#endif
