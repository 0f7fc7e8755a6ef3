#include "stage/emit.h"

#include <string.h>

#include "core/clock.h"
#include "core/error.h"
#include "core/log.h"

TF_COLD static void sink_broke(tf_emit_sink_t *s, tf_err_t err) {
  s->broken = err;
  snprintf(s->broken_text, sizeof s->broken_text, "%s", tf_error_text());
  tf_log(TF_LOG_ERROR, "sink_broken", "sink=%s code=%s text=\"%s\"", s->sink->name,
         tf_error_name(err), s->broken_text);
}

static void offer(tf_emit_t *emit, tf_emit_sink_t *s, const tf_decision_t *decisions, uint32_t n) {
  uint32_t taken     = 0;
  uint64_t begin_tsc = 0; /* of the wait */
  while (taken < n && !s->broken) {
    int k = s->sink->offer(s->state, decisions + taken, n - taken);
    if (TF_UNLIKELY(k < 0)) {
      sink_broke(s, k);
      break;
    }
    taken += (uint32_t)k;
    if (taken == n) break;
    if (s->policy != TF_OVERFLOW_BLOCK) break;
    /* relaxed: a stop flag; nothing else is read on its word */
    if (emit->stopping && tf_load_relaxed_u32(emit->stopping)) break;
    s->blocked_passes++;
    uint64_t now_tsc = tf_clock_ticks();
    if (!begin_tsc) begin_tsc = now_tsc;
    if (tf_clock_ticks_to_ns(now_tsc - begin_tsc) >= emit->block_ns_max) break;
    tf_spin_pause();
  }
  s->acked += taken;
  if (TF_UNLIKELY(taken < n)) *(s->broken ? &s->dropped_broken : &s->dropped_full) += n - taken;
}

static uint32_t saturate(uint64_t ns) { return ns > UINT32_MAX ? UINT32_MAX : (uint32_t)ns; }

void tf_emit_offer(tf_emit_t *emit, tf_decision_t *decisions, uint32_t n,
                   const uint64_t *origin_tsc) {
  uint64_t now_tsc = tf_clock_ticks();
  uint64_t now_ns  = tf_clock_wall_of_ticks(now_tsc);
  for (uint32_t i = 0; i < n; i++) {
    decisions[i].ts_out_ns = now_ns;
    if (origin_tsc[i] && now_tsc > origin_tsc[i])
      decisions[i].emit_ns = saturate(tf_clock_ticks_to_ns(now_tsc - origin_tsc[i]));
  }
  emit->decisions += n;
  for (uint32_t s = 0; s < emit->sink_cnt; s++) offer(emit, &emit->sinks[s], decisions, n);
}

void tf_emit_idle(tf_emit_t *emit, uint64_t now_ns) {
  for (uint32_t i = 0; i < emit->sink_cnt; i++) {
    tf_emit_sink_t *s = &emit->sinks[i];
    if (s->broken || !s->is_open) continue;
    tf_err_t err = s->sink->flush(s->state, now_ns);
    if (err &&
        s->flush_failures++ == 0) /* a full disk may have room again; offer says if it is over */
      tf_log(TF_LOG_WARN, "sink_flush_failed", "sink=%s code=%s text=\"%s\"", s->sink->name,
             tf_error_name(err), tf_error_text());
  }
}

tf_err_t tf_emit_add(tf_emit_t *emit, const tf_sink_t *sink, void *state, tf_overflow_t policy,
                     const tf_sink_config_t *config) {
  if (emit->sink_cnt == TF_SINKS_MAX)
    return TF_ERR(E_CONFIG_VALUE, "more than %d sinks", TF_SINKS_MAX);
  tf_emit_sink_t *s = &emit->sinks[emit->sink_cnt];
  *s                = (tf_emit_sink_t){.sink = sink, .state = state, .policy = policy};
  tf_err_t err      = sink->open(state, config);
  if (err) return tf_error_add(err, "opening the %s sink", sink->name);
  s->is_open = true;
  emit->sink_cnt++;
  return TF_OK;
}

tf_err_t tf_emit_close(tf_emit_t *emit, uint64_t now_ns) {
  tf_emit_idle(emit, now_ns);
  tf_err_t first = TF_OK;
  for (uint32_t i = 0; i < emit->sink_cnt; i++) {
    tf_emit_sink_t *s = &emit->sinks[i];
    if (!s->is_open) continue;
    tf_err_t err = s->sink->close(s->state);
    if (err && !s->broken) sink_broke(s, err);
    if (s->broken && !first) first = s->broken;
    s->is_open = false;
  }
  return first;
}
