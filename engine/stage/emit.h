/* The emit stage: hands each decision to every sink under the sink's declared policy. Runs on the
 * lane's thread, or behind the decision ring on its own; backpressure ends here. Last stage.
 *
 * Ledger, for each sink: decisions = acked + dropped + pending, where pending is what the sink has
 * taken but not yet made good (0 after close). */
#ifndef TF_STAGE_EMIT_H
#define TF_STAGE_EMIT_H

#include "core/hist.h"
#include "tf/sink.h"

#define TF_SINKS_MAX 16

typedef struct tf_emit_sink {
  const tf_sink_t *sink;
  void            *state;
  tf_overflow_t    policy;
  bool             is_open;
  tf_err_t         broken; /* 0, or why the sink stopped taking for good */
  uint64_t         acked, dropped_full, dropped_broken; /* written by emit */
  uint64_t         blocked_passes, flush_failures; /* offers repeated under TF_OVERFLOW_BLOCK */
  char             broken_text[256];
} tf_emit_sink_t;

typedef struct tf_emit {
  tf_emit_sink_t  sinks[TF_SINKS_MAX];
  uint32_t        sink_cnt;
  uint64_t        decisions; /* handed in */
  uint64_t        block_ns_max;
  const uint32_t *stopping; /* a blocked sink is given up when this is set; may be NULL */
} tf_emit_t;

/* Sets ts_out and emit_ns of n decisions and offers them to every sink, in order. origin_tsc (n):
 * when each one's cause was received, 0 = unknown. */
void tf_emit_offer(tf_emit_t *emit, tf_decision_t *decisions, uint32_t n,
                   const uint64_t *origin_tsc);

/* When there is nothing to emit: sinks write out what they hold, heartbeats are refreshed. */
void tf_emit_idle(tf_emit_t *emit, uint64_t now_ns);

/* Opens a sink into state (sink->state_bytes of caller's memory). */
tf_err_t tf_emit_add(tf_emit_t *emit, const tf_sink_t *sink, void *state, tf_overflow_t policy,
                     const tf_sink_config_t *config);

/* Flushes and closes all. The first error of a sink is returned, all are closed. */
tf_err_t tf_emit_close(tf_emit_t *emit, uint64_t now_ns);

#endif
