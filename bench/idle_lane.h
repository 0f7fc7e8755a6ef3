/* A real runner thread with nothing to do but to wait for a socket: what an idle strategy costs, and
 * how late it wakes. Shared by bench_idle and tests/engine/stage/test_idle.c. */
#ifndef BENCH_IDLE_LANE_H
#define BENCH_IDLE_LANE_H

#include "core/hist.h"
#include "io/io.h"
#include "stage/runner.h"

typedef struct tf_idle_lane {
  tf_runner_t runner;
  tf_source_t source;
  tf_arena_t  arena;
  tf_io_t    *io;
  tf_hist_t   wake;     /* ns from before a stamp is written to when its bytes are handed over */
  int         fds[2];   /* [1] is ours: stamps are written there */
  uint64_t    wake_cnt; /* by the lane, read after the stop */
  uint64_t    wait_cnt; /* of its loop, after the stop */
} tf_idle_lane_t;

/* cpu -1: not pinned. */
tf_err_t tf_idle_lane_start(tf_idle_lane_t *lane, tf_io_kind_t kind, tf_idle_t idle, int cpu);
/* Stamps cnt messages, each after a gap drawn between the two. */
void tf_idle_lane_wake(tf_idle_lane_t *lane, uint32_t cnt, uint64_t gap_ns_min,
                       uint64_t gap_ns_max);
/* The lane's share of a core over duration_ns in which nothing comes, 0 to 1. */
double tf_idle_lane_cpu_share(tf_idle_lane_t *lane, uint64_t duration_ns);
void   tf_idle_lane_stop(tf_idle_lane_t *lane);

#endif
