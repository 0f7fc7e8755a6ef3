#include "warm.h"

#include <stdlib.h>

#include "boot/snapshot_live.h"
#include "core/clock.h"
#include "core/error.h"
#include "core/log.h"
#include "file/replay.h"
#include "inputs.h"
#include "snapshot_file.h"

/* Read once, as long as the process: an engine's options point at it. */
static struct {
  void  *bytes;
  size_t bytes_cnt;
} found;

static tf_snapshot_store_t other_store; /* put NULL: files */

static tf_snapshot_store_t snapshots(void) {
  return other_store.put ? other_store : tickfuse_snapshot_files();
}

void tickfuse_warm_store(const tf_snapshot_store_t *store) { other_store = *store; }

uint32_t tickfuse_warm_sets(const char *file, char texts[2][1100], const char **sets) {
  snprintf(texts[0], sizeof texts[0], "engine.snapshot=%s", file);
  snprintf(texts[1], sizeof texts[1], "engine.snapshot_restore=exact");
  sets[0] = texts[0];
  sets[1] = texts[1];
  return 2;
}

static bool is_exact(const tf_config_t *config) {
  return config->engine.snapshot_restore == TF_CONFIG_RESTORE_EXACT;
}

/* The newest, or where it cannot be read the one before it. Where there is no newest, somebody took it away. */
static tf_err_t find_snapshot(const char *name) {
  const tf_snapshot_store_t store = snapshots();
  tf_snapshot_mark_t        mark;
  tf_err_t                  err = TF_OK;
  for (uint32_t back = 0; back < 2; back++) {
    err = store.get(store.self, name, back, &found.bytes, &found.bytes_cnt);
    if (err == E_BOOT_SNAPSHOT_NONE) {
      if (back == 0) tf_log(TF_LOG_NOTICE, "snapshot_missing", "path=%s", name);
      return err;
    }
    if (!err) err = tf_snapshot_read_mark(found.bytes, found.bytes_cnt, &mark);
    if (!err) return TF_OK;
    free(found.bytes);
    found.bytes = NULL;
    tf_log(TF_LOG_WARN, "snapshot_refused", "path=%s before=%u code=%s text=\"%s\"", name, back,
           tf_error_name(err), tf_error_text());
  }
  return err;
}

uint64_t tickfuse_warm_versions(const tf_config_t *config, tf_engine_options_t *options) {
  const char        *name = config->engine.snapshot;
  tf_snapshot_mark_t mark = {0};
  if (!name || find_snapshot(name)) return 0;
  options->snapshot       = found.bytes;
  options->snapshot_bytes = found.bytes_cnt;
  return is_exact(config) && !tf_snapshot_read_mark(found.bytes, found.bytes_cnt, &mark)
             ? mark.ingest_seq
             : 0;
}

uint64_t tickfuse_warm_position(const tf_config_t *config, const char *source) {
  if (!is_exact(config) || !found.bytes) return 0;
  return tf_snapshot_find_position(found.bytes, found.bytes_cnt, source);
}

/* True if the engine goes on from what was learnt. */
static bool load_learnt(tf_engine_t *e, bool is_live) {
  const char *path = e->config->engine.snapshot;
  if (!path || !found.bytes || is_exact(e->config)) return false;
  tf_err_t err = tf_snapshot_restore(
      e, found.bytes, found.bytes_cnt,
      &(tf_snapshot_way_t){.now_ns     = is_live ? tf_clock_wall_ns() : 0,
                           .age_max_ns = e->config->engine.snapshot_age_max_ns});
  if (err)
    tf_log(TF_LOG_WARN, "snapshot_refused", "path=%s code=%s text=\"%s\"", path, tf_error_name(err),
           tf_error_text());
  else
    tf_log(TF_LOG_NOTICE, "snapshot_loaded", "path=%s bytes=%zu books=forgotten", path,
           found.bytes_cnt);
  return !err;
}

tf_err_t tickfuse_warm_continue(tf_engine_t *e, bool is_recording, bool begins_at_first) {
  if (!is_exact(e->config) || (!found.bytes && !begins_at_first)) {
    if (!is_recording) tf_engine_continue(e);
    return TF_OK;
  }
  const char             *path = e->config->engine.snapshot;
  const tf_snapshot_way_t way  = {.is_exact = true, .from_beginning = is_recording};
  tf_err_t err = found.bytes ? tf_snapshot_restore(e, found.bytes, found.bytes_cnt, &way) : TF_OK;
  if (err) return tf_error_add(err, "going on from %s", path);
  tf_emit_expect_again(&e->runner.emit);
  tf_log(TF_LOG_NOTICE, "snapshot_continued", "path=%s books=kept decision_seq=%llu", path,
         (unsigned long long)e->runner.lane.decide.decision_seq);
  return TF_OK;
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
  if (is_exact(e->config) && found.bytes) return TF_OK;
  if (load_learnt(e, is_live)) return TF_OK;
  return c->warm_start ? run_recording(e, c->warm_start) : TF_OK;
}

tf_err_t tickfuse_warm_watch(tf_engine_t *e) {
  const tf_config_engine_t *c = &e->config->engine;
  if (!c->snapshot || (c->snapshot_every_ns == 0 && !e->config->control.path)) return TF_OK;
  const tf_snapshot_live_config_t config = {
      .store = snapshots(), .name = c->snapshot, .every_ns = c->snapshot_every_ns};
  return tf_snapshot_live_start(e, &config, &e->snapshots);
}

/* Made, and nowhere: who went on from its last state would not make them again. */
static bool lost_decisions(const tf_engine_t *e) {
  const tf_emit_t *emit = &e->runner.emit;
  bool             lost = e->runner.lane.decisions_dropped > 0;
  for (uint32_t i = 0; i < emit->sink_cnt; i++) {
    tf_sink_counts_t c;
    if (emit->sinks[i].shape.carries != TF_CARRIES_DECISIONS) continue;
    tf_emit_counts(&emit->sinks[i], &c);
    lost |= c.dropped_full + c.dropped_oldest + c.dropped_closed + c.dropped_broken > 0;
  }
  return lost;
}

tf_err_t tickfuse_warm_end(tf_engine_t *e) {
  const char *path = e->config->engine.snapshot;
  tf_snapshot_live_stop(e->snapshots);
  if (!path || e->runner.acquire.failed == E_BOOT_SNAPSHOT) return TF_OK;
  if (e->options.holds_lane && lost_decisions(e)) {
    tf_log(TF_LOG_WARN, "snapshot_left_out",
           "path=%s why=\"decisions were not delivered: the one before makes them again\"", path);
    return TF_OK;
  }
  const tf_snapshot_store_t store = snapshots();
  const size_t              room  = tf_snapshot_bytes_max(e);
  void                     *bytes = malloc(room);
  if (!bytes) return TF_ERR(E_CORE_NO_MEMORY, "snapshot: %zu bytes", room);
  size_t             cnt  = tf_snapshot_take(e, bytes, room);
  tf_snapshot_mark_t mark = ((const tf_snapshot_head_t *)bytes)->mark;
  tf_err_t           err  = store.put(store.self, path, &mark, bytes, cnt);
  free(bytes);
  if (!err) tf_log(TF_LOG_NOTICE, "snapshot_written", "path=%s bytes=%zu", path, cnt);
  return err;
}
