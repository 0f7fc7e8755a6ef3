/* A model that another runtime answers (tf/runtime.h, ADR 0031), as its lane sees it.
 *
 *   tick --> the row is asked about (asks.h) --> ... --> an ANSWER event --> post-processing --> it stands
 *        \-> what stands answers the tick at once, while it is at most max_age old; else what no_answer says
 *
 * The lane never waits and never knows whether there is a runtime: live and in a replay it obeys events. Of an instrument
 * the newest answer stands until a MISS of that instrument, the OPEN of the runtime's breaker, an answer that
 * post-processing refuses, or max_age, takes it away. Ages are of the market's receive time.
 *
 * Owner and only writer: the lane; words that others read are counters. Its memory is boot's, from the arena. */
#ifndef TF_SERVE_FOREIGN_H
#define TF_SERVE_FOREIGN_H

#include "core/hist.h"
#include "serve/asks.h"
#include "serve/post.h"
#include "serve/version.h"
#include "tf/event.h"
#include "tf/runtime.h"

/* What a rule sees while no answer stands. Where there is nothing of the kind, the decision is HOLD, reason MODEL. */
typedef enum tf_no_answer {
  TF_NO_ANSWER_HOLD,
  TF_NO_ANSWER_LAST,     /* the last answer on that instrument, however old */
  TF_NO_ANSWER_FALLBACK, /* the answer of the model fallback_idx, which stands before it */
  TF_NO_ANSWER_CPU, /* of a worker's model (serve/remote.h): the model itself, run on the lane */
} tf_no_answer_t;

typedef struct tf_standing { /* of an instrument */
  tf_answer_t answer;        /* a score of NaN: there was none yet */
  uint64_t    tick_seq;      /* of the tick that was answered; 0: none yet */
  uint64_t    row_ns;        /* when that was received */
  bool        stands;
} tf_standing_t;

typedef struct tf_foreign_counts { /* by the lane */
  uint64_t answers;                /* ANSWER events that were whole, */
  uint64_t taken;                  /* of these now or once standing; the others: */
  uint64_t overtaken;              /* a newer one stood already */
  uint64_t old;                    /* older than max_age when they came */
  uint64_t refused;                /* by post-processing */
  uint64_t misses[TF_RUNTIME_MISS_CNT];
  uint64_t opened; /* times that the breaker opened */
  uint64_t absent; /* ticks that nothing answered */
} tf_foreign_counts_t;

typedef struct tf_foreign_config {
  const char *name;
  uint8_t     path; /* tf_path_t */
  uint32_t    width, rows, output_cnt;
  uint64_t    max_age_ns;
  uint8_t     no_answer; /* tf_no_answer_t */
  uint32_t    fallback_idx;
  char (*features)[TF_MODEL_FEATURE_NAME_BYTES]; /* (width) the model keeps it */
} tf_foreign_config_t;

typedef struct tf_foreign {
  tf_model_t          model; /* who answers, for decisions: name, features, hash; it is never run */
  tf_foreign_config_t config;
  uint32_t            instrument_cnt;
  tf_asks_t           asks;
  bool                is_asking; /* there is a worker: live, from the start on */
  uint32_t            state;     /* tf_runtime_state_t, as the events say */
  float              *outs;      /* (instruments, output_cnt) of the standing answers */
  tf_standing_t      *standing;  /* (instruments) */
  tf_kept_rows_t      kept;      /* row_cap 0: single rows */
  struct {
    uint64_t tick_seq;
    uint32_t part_cnt; /* that have come */
    float    out[TF_MODEL_OUTPUTS_MAX];
  } coming;                   /* the answer whose parts are coming in */
  uint64_t            row_ns; /* of the answer that the tick in hand has; 0: its own or none */
  tf_hist_t           ages;   /* of answers when they came, whole ones */
  tf_post_counts_t    post_counts;
  tf_foreign_counts_t counts;
} tf_foreign_t;

/* Of the arena; 0: it overflows. */
size_t tf_foreign_bytes(const tf_foreign_config_t *config, uint32_t instrument_cnt);
/* Its model, for those who ask what it is; then, once there is an arena, its memory. */
void     tf_foreign_begin(tf_foreign_t *foreign, const tf_foreign_config_t *config);
tf_err_t tf_foreign_init(tf_foreign_t *foreign, uint32_t instrument_cnt, tf_arena_t *arena);

/* ---- the lane ---- */

/* The instrument's tick has this row. A window that is not full is not asked about. */
void tf_foreign_ask(tf_foreign_t *foreign, uint32_t instrument_id, uint64_t tick_seq,
                    uint64_t recv_ns, const float *row);
/* It has none: its window begins anew. */
void tf_foreign_break(tf_foreign_t *foreign, uint32_t instrument_id);

/* What answers a tick now; NULL: nothing that is fresh enough. */
TF_INLINE const tf_standing_t *tf_foreign_standing(const tf_foreign_t *f, uint32_t instrument_id,
                                                   uint64_t now_ns) {
  const tf_standing_t *s = &f->standing[instrument_id];
  return s->stands && now_ns - s->row_ns <= f->config.max_age_ns ? s : NULL;
}

/* An ANSWER, MISS or RUNTIME event of this model. True: an answer is whole, and stands from here on. */
bool tf_foreign_obey(tf_foreign_t *foreign, const tf_post_t *post, const tf_event_t *event);

/* ---- events ---- */

#define TF_FOREIGN_PARTS_MAX ((TF_MODEL_OUTPUTS_MAX + TF_ANSWER_PART_CNT - 1) / TF_ANSWER_PART_CNT)

TF_STATIC_ASSERT(TF_FOREIGN_PARTS_MAX <= UINT8_MAX, "part numbers are bytes");

TF_INLINE uint32_t tf_foreign_part_cnt(uint32_t output_cnt) {
  return (output_cnt + TF_ANSWER_PART_CNT - 1) / TF_ANSWER_PART_CNT;
}

/* A part of an answer, or a miss, but for its ts_recv. */
tf_event_t tf_foreign_answer_event(uint32_t model_idx, uint32_t instrument_id, uint64_t tick_seq,
                                   uint64_t row_ns, const float *out, uint32_t output_cnt,
                                   uint32_t part_idx);
tf_event_t tf_foreign_miss_event(uint32_t model_idx, uint32_t instrument_id, uint64_t tick_seq,
                                 uint64_t row_ns, tf_runtime_miss_t miss);

/* What the lane has of the runtime, and of one instrument's answers; not what is asked just now, nor kept rows. */
void tf_foreign_walk(tf_foreign_t *foreign, tf_walk_t *walk);
void tf_foreign_walk_instrument(tf_foreign_t *foreign, uint32_t instrument_id, tf_walk_t *walk);

#endif
