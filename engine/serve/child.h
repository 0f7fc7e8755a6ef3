/* A worker process that answers a model (tf/mailbox.h), and the lane's way to it.
 *
 *   supervisor, a thread each          starts the process with a fresh mailbox, watches its heart, its state and its end;
 *                                      ends what hangs, starts another within a budget. Owns processes and mappings.
 *   lane                               asks and waits up to a deadline; after that the tick is answered otherwise. It never
 *                                      waits for the supervisor.
 *
 *   supervisor writes   offered (epoch that serves), down (epoch that is over), counts     with release
 *   lane writes         taken (epoch that it asks), suspect (epoch that missed too often)  with release
 *
 * A mapping is taken down once the lane has taken a later epoch: it may be asking until then. Epochs only go up.
 *
 * A worker keeps a window for each instrument. Which rows it has seen, the lane knows by numbers (tf/mailbox.h); a new worker,
 * or one that was overtaken, gets the rows that the lane keeps, on that instrument's next tick. */
#ifndef TF_SERVE_CHILD_H
#define TF_SERVE_CHILD_H

#include "flow/mailbox_file.h"
#include "serve/version.h"

/* Why a worker was over. */
typedef enum tf_child_end {
  TF_CHILD_END_EXIT,    /* it ended by itself */
  TF_CHILD_END_SIGNAL,  /* it was killed by another, or crashed */
  TF_CHILD_END_FAILED,  /* it said so: no device, wrong model, a known answer missed */
  TF_CHILD_END_START,   /* it did not serve in time */
  TF_CHILD_END_HEART,   /* its heart stopped */
  TF_CHILD_END_SUSPECT, /* the lane missed too many answers in a row, or found a wrong one */
  TF_CHILD_END_CNT
} tf_child_end_t;

typedef struct tf_child_config {
  const char *const *argv;        /* NULL-terminated, the caller's; "--mailbox" "3" follows it */
  tf_mailbox_spec_t  mailbox;     /* epoch: the worker's own affair */
  uint64_t           start_ns;    /* to serve in; 0: 30 s */
  uint64_t           heart_ns;    /* an older beat is a stopped heart; 0: 500 ms */
  uint32_t           restart_max; /* within restart_ns; after that it stays down; 0: 5 */
  uint64_t           restart_ns;  /* 0: 60 s */
} tf_child_config_t;

#define TF_CHILD_MAPPINGS 8 /* epochs whose memory may be there at once */

typedef struct tf_child_counts { /* by the supervisor */
  uint64_t starts;
  uint64_t served; /* starts that came to serve */
  uint64_t ends[TF_CHILD_END_CNT];
} tf_child_counts_t;

typedef struct tf_child tf_child_t;

/* Takes memory and starts the thread, which starts the process; does not wait for it. config's argv outlives the
 * worker. E_CORE_ARGUMENT, E_CORE_NO_MEMORY, E_CORE_THREAD. */
tf_err_t tf_child_start(const tf_child_config_t *config, tf_child_t **worker);
/* Ends the process and the thread. After the lane has ended. Accepts NULL. */
void tf_child_stop(tf_child_t *worker);

/* The epoch that serves; 0: none. Any thread. */
uint64_t tf_child_serving(const tf_child_t *worker);
/* It will not be started again: restart_max was reached. */
bool              tf_child_gave_up(const tf_child_t *worker);
tf_child_counts_t tf_child_counts(const tf_child_t *worker);
/* What the last one died of: "exit status 3", "FAILED: E_MODEL_CHECK: ...". Control plane. */
void tf_child_last_end(tf_child_t *worker, char *text, size_t cap);

/* ---- the lane ---- */

typedef enum tf_child_miss {
  TF_CHILD_ANSWERED = 0,
  TF_CHILD_WARMING,     /* the window is not full */
  TF_CHILD_MISS_ABSENT, /* no worker serves */
  TF_CHILD_MISS_LATE,   /* past the deadline */
  TF_CHILD_MISS_BEHIND, /* its window lacked rows: it has them now, or gets them with the next */
  TF_CHILD_MISS_REFUSED,
  TF_CHILD_RESULT_CNT
} tf_child_miss_t;

typedef struct tf_child_lane_counts { /* by the lane */
  uint64_t results[TF_CHILD_RESULT_CNT];
  uint64_t rows_again; /* rows sent once more */
} tf_child_lane_counts_t;

/* The lane's own side of one worker. */
typedef struct tf_child_lane {
  tf_child_t           *worker;
  const tf_kept_rows_t *kept;  /* rows of each instrument, the newest included; NULL: single rows */
  uint64_t              epoch; /* whose view this is; 0: none */
  tf_mailbox_view_t     view;
  uint64_t
      *numbers; /* (instruments) epoch << 32 | rows that it was sent; the caller's memory, zeroed */
  uint64_t               deadline_ticks;
  uint32_t               miss_limit; /* in a row, before the worker is suspect; 0: never */
  uint32_t               miss_cnt;
  tf_child_lane_counts_t counts;
} tf_child_lane_t;

/* The answer to an instrument's row, which is the newest of kept where there is a window. begun_ticks: the deadline counts
 * from there (tf_clock_ticks). out: output_cnt, good where ANSWERED. */
tf_child_miss_t tf_child_ask(tf_child_lane_t *lane, uint32_t instrument_idx, const float *row,
                             uint64_t begun_ticks, float *out);
/* The instrument's window begins anew with its next row. */
void tf_child_break(tf_child_lane_t *lane, uint32_t instrument_idx);
/* An answer was wrong: another worker is wanted, and this one not asked any more. */
void tf_child_suspect(tf_child_lane_t *lane);

#endif
