/* A worker process under a bench: a model of a known shape in a file of its own, a mailbox, the process. */
#ifndef BENCH_GPU_WORKER_H
#define BENCH_GPU_WORKER_H

#include <sys/types.h>

#include "flow/mailbox_file.h"
#include "model/graph.h"

typedef struct gpu_worker {
  tf_graph_t        graph;
  char              path[64]; /* of the model's file */
  tf_mailbox_view_t view;
  pid_t             pid;
} gpu_worker_t;

/* How it is started. */
typedef struct gpu_worker_spec {
  const char *program, *precision;
  const char *hand_over; /* of tickfuse-gpu's --hand-over; NULL: what is best */
  uint32_t    instrument_cnt;
} gpu_worker_spec_t;

/* graph is taken over, on failure too. Returns when it serves; else what it said. E_CORE_*, E_FILE_*, E_GPU_*. */
tf_err_t gpu_worker_start(gpu_worker_t *worker, const gpu_worker_spec_t *spec, tf_graph_t *graph);
void     gpu_worker_stop(gpu_worker_t *worker); /* accepts one that did not start */

#endif
