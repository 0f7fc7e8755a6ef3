/* The emit stage: hands each decision to every sink under the sink's declared policy, and events, quotes and
 * feature rows to those that carry them (passage.h). Runs on the lane's thread, or behind the decision ring
 * on its own; backpressure ends here. Last stage.
 *
 * Block. A decision is offered to every sink first, and only then is waited for those that did not take it, each for
 * its block_ns_max at most. A sink that used that up is not waited for again before it has taken something:
 * its decisions are dropped and counted meanwhile. Nor is anybody waited for while the decision ring, or a
 * passage, behind emit is half full: the other sinks would lose what it cannot hold.
 *
 * Ledger, for each sink: handed in of its kind = filtered + taken + dropped, and of an egress sink taken + recovered = acked + dropped +
 * conflated + pending (tf/sink.h). */
#ifndef TF_STAGE_EMIT_H
#define TF_STAGE_EMIT_H

#include "core/hist.h"
#include "flow/ring.h"
#include "stage/sink_filter.h"

#define TF_SINKS_MAX 16

typedef struct tf_emit_sink {
  const tf_sink_t        *sink;
  void                   *state;
  tf_overflow_t           policy;
  tf_record_shape_t       shape; /* of what it carries */
  bool                    is_open;
  tf_err_t                broken;   /* 0, or why the sink stopped taking for good */
  const tf_sink_filter_t *filter;   /* NULL: it is given all of its kind */
  uint64_t                filtered; /* left out by it */
  uint64_t                block_ns_max;
  uint64_t                block_ns_left; /* before it is not waited for any more */
  uint64_t held_seq; /* not 0: what it has of an earlier engine, up to there, comes once more */
  uint64_t already_there; /* of those taken: it had them, and was not given them */
  uint64_t taken, dropped_full, dropped_broken; /* written by emit */
  uint64_t blocked_passes, flush_failures;      /* offers repeated while it was waited for */
  char     broken_text[256];
} tf_emit_sink_t;

typedef struct tf_emit {
  tf_emit_sink_t  sinks[TF_SINKS_MAX];
  uint32_t        sink_cnt;
  uint64_t        handed[TF_CARRIES_CNT]; /* in, of each kind */
  const uint32_t *stopping; /* a blocked sink is given up when this is set; may be NULL */
  const tf_ring_t
      *behind[TF_CARRIES_CNT]; /* what waits for emit; NULL: it shares a thread, or in a replay */
} tf_emit_t;

/* Sets ts_out and emit_ns of n decisions and offers them to every sink, in order. origin_tsc (n):
 * when each one's cause was received, 0 = unknown. */
void tf_emit_offer(tf_emit_t *emit, tf_decision_t *decisions, uint32_t n,
                   const uint64_t *origin_tsc);

/* The engine goes on where an earlier one was, and makes some of its decisions again. A sink that keeps sequences has those up to its
 * own last; one that keeps none was given what any other has. Before start. */
void tf_emit_expect_again(tf_emit_t *emit);

/* Why the first sink that broke did; NULL: none has. After join. */
const char *tf_emit_broken_text(const tf_emit_t *emit);

/* Offers n records of another shape than decisions to every sink that carries them, in order. */
void tf_emit_records(tf_emit_t *emit, const tf_record_shape_t *shape, const void *records,
                     uint32_t n);

/* When there is nothing to emit: sinks write out what they hold, heartbeats are refreshed. */
void tf_emit_idle(tf_emit_t *emit, uint64_t now_ns);

/* What became of the records that a sink was given. A sink in place has delivered what it took. Any thread. */
void tf_emit_counts(const tf_emit_sink_t *sink, tf_sink_counts_t *counts);

/* Opens a sink into state (sink->state_bytes of caller's memory). Its filter, if it has one, is set behind it. */
tf_err_t tf_emit_add(tf_emit_t *emit, const tf_sink_t *sink, void *state, tf_overflow_t policy,
                     const tf_sink_config_t *config);

/* Flushes and closes all, which drain at the same time. The first error of a sink is returned, all are closed. */
tf_err_t tf_emit_close(tf_emit_t *emit, uint64_t now_ns);

#endif
