#include "warm.h"

#include <stdlib.h>
#include <unistd.h>

#include "boot/snapshot.h"
#include "core/clock.h"
#include "core/error.h"
#include "core/log.h"
#include "file/replay.h"
#include "file/sealed.h"
#include "inputs.h"

static const tf_sealed_kind_t KIND = {"TFSNAPSH", TF_SNAPSHOT_VERSION};

void tickfuse_warm_versions(const tf_config_t *config, tf_engine_options_t *options) {
  static void *bytes; /* as long as the process: an engine's options point at it */
  const char  *path = config->engine.snapshot;
  size_t       cnt  = 0;
  if (!path || access(path, F_OK) != 0 || tf_sealed_read(path, &KIND, &bytes, &cnt)) return;
  options->snapshot       = bytes;
  options->snapshot_bytes = cnt;
}

/* True if the engine goes on from it. */
static bool load_snapshot(tf_engine_t *e, const char *path, bool is_live) {
  void  *bytes;
  size_t cnt;
  if (access(path, F_OK) != 0) {
    tf_log(TF_LOG_NOTICE, "snapshot_missing", "path=%s", path);
    return false;
  }
  tf_err_t err = tf_sealed_read(path, &KIND, &bytes, &cnt);
  if (!err)
    err = tf_snapshot_restore(
        e, bytes, cnt,
        &(tf_snapshot_way_t){.now_ns     = is_live ? tf_clock_wall_ns() : 0,
                             .age_max_ns = e->config->engine.snapshot_age_max_ns});
  free(bytes);
  if (err)
    tf_log(TF_LOG_WARN, "snapshot_refused", "path=%s code=%s text=\"%s\"", path, tf_error_name(err),
           tf_error_text());
  else
    tf_log(TF_LOG_NOTICE, "snapshot_loaded", "path=%s bytes=%zu", path, cnt);
  return !err;
}

static tf_err_t run_recording(tf_engine_t *e, const char *text) {
  static tf_inputs_t inputs;
  tf_replay_t        replay = {0};
  uint64_t           events = 0;
  tf_replay_config_t config = {.inputs      = inputs.rows,
                               .input_cnt   = 1,
                               .event_cap   = e->config->engine.message_levels_max,
                               .instruments = &e->instruments};
  tf_err_t           err = tf_inputs_resolve(&inputs, &e->instruments, e->config, NULL, &text, 1);
  if (err) return tf_error_add(err, "reading engine.warm_start");
  size_t bytes  = tf_replay_footprint(&config);
  void  *memory = bytes ? aligned_alloc(64, bytes) : NULL;
  err           = memory ? tf_replay_init(&replay, &config, memory)
                         : TF_ERR(E_CORE_NO_MEMORY, "warm start: %zu bytes", bytes);
  if (!err) err = tf_snapshot_warm(e, &replay.source, &events);
  tf_replay_fini(&replay);
  free(memory);
  tf_inputs_fini(&inputs);
  if (err) return tf_error_add(err, "warm start from %s", text);
  tf_log(TF_LOG_NOTICE, "warm_start_done", "input=%s events=%llu", text,
         (unsigned long long)events);
  return TF_OK;
}

tf_err_t tickfuse_warm_begin(tf_engine_t *e, bool is_live) {
  const tf_config_engine_t *c = &e->config->engine;
  if (c->snapshot && load_snapshot(e, c->snapshot, is_live)) return TF_OK;
  return c->warm_start ? run_recording(e, c->warm_start) : TF_OK;
}

tf_err_t tickfuse_warm_end(tf_engine_t *e) {
  const char *path = e->config->engine.snapshot;
  if (!path) return TF_OK;
  const size_t room  = tf_snapshot_bytes_max(e);
  void        *bytes = malloc(room);
  if (!bytes) return TF_ERR(E_CORE_NO_MEMORY, "snapshot: %zu bytes", room);
  size_t   cnt = tf_snapshot_take(e, bytes, room);
  tf_err_t err = tf_sealed_write(path, &KIND, bytes, cnt);
  free(bytes);
  if (!err) tf_log(TF_LOG_NOTICE, "snapshot_written", "path=%s bytes=%zu", path, cnt);
  return err;
}
