/* The runner gives the five stages their threads.
 *
 *   acquire --event ring--> buffer > compute > decide --decision ring--> emit
 *
 * Either ring may be absent: then the stages on both its sides share a thread, and a tick runs to
 * completion with no hand-off. */
#ifndef TF_STAGE_RUNNER_H
#define TF_STAGE_RUNNER_H

#include "stage/acquire.h"
#include "stage/pipeline.h"

typedef enum tf_idle { TF_IDLE_SPIN, TF_IDLE_YIELD, TF_IDLE_SLEEP } tf_idle_t;

#define TF_STAGE_ACQUIRE 0x1u
#define TF_STAGE_LANE    0x2u /* buffer, compute, decide */
#define TF_STAGE_EMIT    0x4u
#define TF_STAGE_ALL     0x7u
#define TF_STAGE_ASSIST  0x8u /* no stage of a tick: shares the products of models of two lanes */
#define TF_THREADS_MAX   4
/* Of the stages; one more assists. */
#define TF_STAGE_THREADS_MAX 3
#define TF_ASSISTED_MAX      8u

typedef struct tf_runner_thread {
  uint32_t stages; /* TF_STAGE_* */
  int      cpu;    /* -1: not pinned */
} tf_runner_thread_t;

typedef struct tf_runner {
  tf_acquire_t  acquire;
  tf_lane_t     lane;
  tf_emit_t     emit;
  tf_passage_t *passages[TF_CARRIES_CNT]; /* NULL: no sink carries that kind, and of decisions */
  tf_ring_reader_t  *event_reader;        /* NULL when acquire and lane share a thread */
  tf_ring_reader_t  *decision_reader;     /* NULL when lane and emit share a thread */
  tf_runner_thread_t threads[TF_THREADS_MAX];
  uint32_t           thread_cnt;
  tf_idle_t          idle;
  const tf_model_t
          *assisted[TF_ASSISTED_MAX]; /* models of two lanes, for the thread that assists */
  uint32_t assisted_cnt;
  bool     seal; /* lanes are under the allocation seal (debug builds) */
  /* Called about each millisecond by the thread that runs acquire, lane or emit: publishes that
   * stage's counters. Optional. */
  void (*housekeep)(void *self, uint32_t stages, uint64_t now_ns);
  void *housekeep_self;
  /* Shared between the threads, each one writer. */
  TF_ALIGNED(TF_LINE_PAIR_BYTES) uint32_t stopping; /* by tf_runner_stop, any thread */
  uint32_t acquire_done;                            /* by acquire's thread, with release */
  uint32_t lane_done;                               /* by the lane's thread, with release */
  uint32_t thread_done[TF_THREADS_MAX];             /* each by its thread, with release */
  uint64_t pthreads[TF_THREADS_MAX];                /* by the starting thread */
} tf_runner_t;

/* Checks that the threads' stages are a legal cut: every stage once, in order; a thread that assists does nothing else.
 * E_BOOT_TOPOLOGY. */
tf_err_t tf_runner_check(const tf_runner_thread_t *threads, uint32_t thread_cnt);

/* Starts the threads. They end by themselves when every source is done and what was in flight is
 * emitted, or soon after tf_runner_stop. */
tf_err_t tf_runner_start(tf_runner_t *runner);
void     tf_runner_stop(tf_runner_t *runner); /* any thread, also a signal handler's */
bool     tf_runner_is_running(const tf_runner_t *runner);
/* Waits for the threads. Counters may be read plainly afterwards. */
tf_err_t tf_runner_join(tf_runner_t *runner);

#endif
