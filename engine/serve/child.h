/* A worker process that answers a model (tf/mailbox.h), and the lane's way to it.
 *
 *   supervisor, a thread each          starts the process with a fresh mailbox, watches its heart, its state and its end;
 *                                      ends what hangs, starts another within a budget. Owns processes and mappings.
 *   lane                               asks and waits up to a deadline; after that the tick is answered otherwise. It never
 *                                      waits for the supervisor.
 *
 *   supervisor writes   offered (epoch that serves), down (epoch that is over), counts     with release
 *   owner writes        restarts_asked, next (another model)                               with release
 *   lane writes         taken (epoch that it asks), suspect (epoch that missed too often)  with release
 *   who compares writes doubted (epoch whose answer was wrong)                             with release
 *
 * A mapping is taken down once the lane has taken a later epoch: it may be asking until then. Epochs only go up.
 *
 * A worker keeps a window for each instrument. Which rows it has seen, the lane knows by numbers (tf/mailbox.h); a new worker,
 * or one that was overtaken, gets the rows that the lane keeps, on that instrument's next tick. */
#ifndef TF_SERVE_CHILD_H
#define TF_SERVE_CHILD_H

#include "flow/mailbox_file.h"
#include "serve/version.h"
#include "tf/outcome.h"

/* Why a worker was over. */
typedef enum tf_child_end {
  TF_CHILD_END_EXIT,    /* it ended by itself */
  TF_CHILD_END_SIGNAL,  /* it was killed by another, or crashed */
  TF_CHILD_END_FAILED,  /* it said so: no device, wrong model, a known answer missed */
  TF_CHILD_END_START,   /* it did not serve in time */
  TF_CHILD_END_HEART,   /* its heart stopped */
  TF_CHILD_END_SUSPECT, /* the lane missed too many answers in a row, or found a wrong one */
  TF_CHILD_END_ASKED,   /* an operator wants another */
  TF_CHILD_END_CNT
} tf_child_end_t;

/* Why one that had been given up, or ran, has its whole restart budget again. */
typedef enum tf_child_revival {
  TF_CHILD_REVIVED_ASKED,    /* tf_child_restart */
  TF_CHILD_REVIVED_REFILLED, /* refill_ns went by */
  TF_CHILD_REVIVAL_CNT
} tf_child_revival_t;

typedef struct tf_child_config {
  const char *const *argv;        /* NULL-terminated, the caller's; "--mailbox" "3" follows it */
  tf_mailbox_spec_t  mailbox;     /* epoch: the worker's own affair */
  uint64_t           start_ns;    /* to serve in; 0: 30 s */
  uint64_t           heart_ns;    /* an older beat is a stopped heart; 0: 500 ms */
  uint32_t           restart_max; /* within restart_ns; after that it is given up; 0: 5 */
  uint64_t           restart_ns;  /* 0: 60 s */
  uint64_t           refill_ns;   /* so long given up, it has its budget again; 0: never */
} tf_child_config_t;

#define TF_CHILD_MAPPINGS 8 /* epochs whose memory may be there at once */

typedef struct tf_child_counts { /* by the supervisor */
  uint64_t starts;
  uint64_t served; /* starts that came to serve */
  uint64_t ends[TF_CHILD_END_CNT];
  uint64_t revived[TF_CHILD_REVIVAL_CNT];
  uint64_t back_ns, back_ns_max; /* from an end to the next that serves: the last, the longest */
} tf_child_counts_t;

/* What becomes of it, as an operator sees it. X(id, name) */
#define TF_CHILD_STATES(X)                                                                         \
  X(STARTING, "starting") /* the first one has not passed its known answers yet */                 \
  X(SERVING, "serving")                                                                            \
  X(SUSPECT, "suspect")   /* one was over; another has not passed its known answers yet */         \
  X(GIVEN_UP, "given_up") /* its restart budget is used up */

typedef enum tf_child_state {
#define TF_CHILD_STATE_ENUM_(id, name) TF_CHILD_##id,
  TF_CHILD_STATES(TF_CHILD_STATE_ENUM_)
#undef TF_CHILD_STATE_ENUM_
      TF_CHILD_STATE_CNT
} tf_child_state_t;

typedef struct tf_child tf_child_t;

/* Takes memory and starts the thread, which starts the process; does not wait for it. config's argv outlives the
 * worker. E_CORE_ARGUMENT, E_CORE_NO_MEMORY, E_CORE_THREAD. */
tf_err_t tf_child_start(const tf_child_config_t *config, tf_child_t **worker);
/* Ends the process and the thread. After the lane has ended. Accepts NULL. */
void tf_child_stop(tf_child_t *worker);

/* The epoch that serves; 0: none. Any thread. */
uint64_t tf_child_serving(const tf_child_t *worker);
/* It is not started again for now: restart_max was reached. */
bool             tf_child_gave_up(const tf_child_t *worker);
tf_child_state_t tf_child_state(const tf_child_t *worker);
/* Ends the process, if there is one, and starts another, with the whole restart budget. The owner's thread. */
void tf_child_restart(tf_child_t *worker);

/* Another model of the same shapes: what it is started with, its file and hash. argv is the caller's, for as long as that model is
 * wanted. */
typedef struct tf_child_next {
  const char *const *argv;
  char               file[TF_MAILBOX_PATH_BYTES];
  uint32_t           hash;
} tf_child_next_t;

/* The process that serves loads it into its second slot, proves it and takes it up (tf/mailbox.h); where none serves, or it dies
 * meanwhile, the next start is of it. Nobody may ask the worker from before this call until the result is there. The owner's
 * thread, which asks for one at a time. */
void tf_child_next(tf_child_t *worker, const tf_child_next_t *next);
/* What became of it; false: it is being worked on. err: TF_OK, it answers from here on, this process or the next; else the worker's own,
 * with its text, and the old model goes on: E_MODEL_SHAPE where it wants a process of its own. */
bool tf_child_next_result(const tf_child_t *worker, tf_err_t *err, char *text, size_t cap);

/* An answer of that epoch was wrong: another worker is wanted. One thread, not the lane's. */
void              tf_child_doubt(tf_child_t *worker, uint64_t epoch);
tf_child_counts_t tf_child_counts(const tf_child_t *worker);
/* What the worker tells of its device; updated_ns 0: nothing. Any thread. */
void tf_child_device(const tf_child_t *worker, tf_mailbox_device_t *device);
/* What the last one died of: "exit status 3", "FAILED: E_MODEL_CHECK: ...". Control plane. */
void tf_child_last_end(tf_child_t *worker, char *text, size_t cap);

/* ---- the lane ---- */

typedef enum tf_child_miss { /* those of tf_asked_t that come of the asking itself */
                             TF_CHILD_ANSWERED     = TF_ASKED_ANSWERED,
                             TF_CHILD_WARMING      = TF_ASKED_WARMING,
                             TF_CHILD_MISS_ABSENT  = TF_ASKED_ABSENT,
                             TF_CHILD_MISS_LATE    = TF_ASKED_LATE,
                             TF_CHILD_MISS_BEHIND  = TF_ASKED_BEHIND,
                             TF_CHILD_MISS_REFUSED = TF_ASKED_REFUSED,
                             TF_CHILD_RESULT_CNT
} tf_child_miss_t;

typedef struct tf_child_lane_counts { /* by the lane */
  uint64_t results[TF_CHILD_RESULT_CNT];
  uint64_t requests;   /* that asked: rows together are one */
  uint64_t rows_again; /* rows sent once more */
  uint64_t kept_alive; /* rows sent for nobody, so that the device's clocks stay up */
} tf_child_lane_counts_t;

/* A row to be asked about with others, one an instrument. */
typedef struct tf_child_row {
  uint32_t        instrument_idx;
  const float    *row;
  float          *out;    /* output_cnt, good where ANSWERED */
  tf_child_miss_t result; /* by the asking */
  bool is_quiet;          /* of one that computes features (child_market.h): no answer is wanted */
} tf_child_row_t;

/* The lane's own side of one worker. */
typedef struct tf_child_lane {
  tf_child_t           *worker;
  const tf_kept_rows_t *kept;  /* rows of each instrument, the newest included; NULL: single rows */
  uint64_t              epoch; /* whose view this is; 0: none */
  tf_mailbox_view_t     view;
  uint64_t
      *numbers; /* (instruments) epoch << 32 | rows that it was sent; the caller's memory, zeroed */
  uint64_t deadline_ticks;
  uint32_t miss_limit; /* in a row, before the worker is suspect; 0: never */
  uint32_t miss_cnt;
  bool has_market; /* child_market.h: BEHIND asks for a state, and is no fault of the worker's */
  uint64_t               posted_ticks; /* when something was sent last */
  tf_child_lane_counts_t counts;
} tf_child_lane_t;

/* The answer to an instrument's row, which is the newest of kept where there is a window. begun_ticks: the deadline counts
 * from there (tf_clock_ticks). out: output_cnt, good where ANSWERED. */
tf_child_miss_t tf_child_ask(tf_child_lane_t *lane, uint32_t instrument_idx, const float *row,
                             uint64_t begun_ticks, float *out);
/* The same of row_cnt (1 .. batch_max of the mailbox) rows, in one request. */
void tf_child_ask_many(tf_child_lane_t *lane, tf_child_row_t *rows, uint32_t row_cnt,
                       uint64_t begun_ticks);
/* The instrument has this row too, and no answer is wanted. Of a worker over windows; it does not wait. */
void tf_child_tell(tf_child_lane_t *lane, uint32_t instrument_idx, const float *row);
/* Sends a row for nobody, of the mailbox's last instrument, where idle_ticks have gone by since something was sent. */
void tf_child_keep_alive(tf_child_lane_t *lane, uint64_t now_ticks, uint64_t idle_ticks);
/* The instrument's window begins anew with its next row. */
void tf_child_break(tf_child_lane_t *lane, uint32_t instrument_idx);
/* An answer was wrong: another worker is wanted, and this one not asked any more. */
void tf_child_suspect(tf_child_lane_t *lane);

/* What serve/child_market.c has in common with these: the newest worker's view, if one serves; a row under its number; an answer. */
bool tf_child_adopt_(tf_child_lane_t *lane);
void tf_child_post_(tf_child_lane_t *lane, uint32_t idx, uint32_t row_cnt, uint32_t instrument_idx,
                    uint32_t flags, const float *values);
tf_child_miss_t tf_child_await_(tf_child_lane_t *lane, uint64_t seq, uint32_t idx,
                                const tf_child_row_t *row, uint64_t begun_ticks);

#endif
