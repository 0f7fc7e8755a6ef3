/* A worker process under a test: started with a mailbox of the test's own, asked row by row, and its end with its status. Every wait
 * is for an event that must come, with a limit far past what it takes. */
#ifndef TESTS_WORKER_RIG_H
#define TESTS_WORKER_RIG_H

#include <sys/types.h>

#include "flow/mailbox_file.h"
#include "model/loader.h"

#define RIG_LIMIT_NS   (90 * TF_NS_PER_SEC)
#define RIG_TEXT_BYTES 8192

typedef struct rig {
  tf_model_t       *model;
  tf_graph_t        graph;
  tf_mailbox_view_t view;
  uint32_t          instrument_cnt;
  pid_t             pid;
  uint32_t         *numbers; /* (instruments) rows that each was sent */
  float            *rows;    /* (instruments, window, inputs) the last ones, the oldest first */
} rig_t;

extern const char *rig_worker; /* the program */

/* The model of file, and a mailbox for it. precision: NULL for the file's own. */
void rig_begin(rig_t *rig, const char *file, uint32_t instrument_cnt, uint32_t batch_max);
/* faults: TICKFUSE_GPU_FAULTS, or NULL. */
void rig_start(rig_t *rig, const char *file, const char *precision, const char *faults);
/* True: it serves; false: its end came first. */
bool rig_serves(rig_t *rig);
/* Its exit status; 256 + signal where it was killed. */
int  rig_status(rig_t *rig);
void rig_stop(rig_t *rig); /* in order; asserts status 0 */
void rig_end(rig_t *rig);

/* The next row of an instrument: its status, and out where that is OK. */
tf_mailbox_status_t rig_ask(rig_t *rig, uint32_t instrument, const float *row, float *out);
/* What the model says to the instrument's last rows, in double. */
void rig_right(const rig_t *rig, const tf_graph_t *graph, uint32_t instrument, double *out);
/* The instrument's window begins anew. */
void rig_forget(rig_t *rig, uint32_t instrument);

/* Runs a command line of the worker to its end: its status; what it wrote, both streams. */
int rig_run(const char *const *argv, const char *environment, char text[RIG_TEXT_BYTES]);

#endif
