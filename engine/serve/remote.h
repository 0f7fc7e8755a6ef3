/* A model that a worker process answers on the tick (serve/child.h), as its lane sees it: asks it, keeps what came of that for the
 * capture, and in a replay obeys what the capture says instead.
 *
 *   live      tick --> tf_child_ask, up to the deadline --> outcome --> answer, or what stands in
 *                                                             \--> ring --> acquire --> capture
 *   replay    tick --> the capture's next outcome (tf/outcome.h) --> the same
 *   neither   the model is run here: a warm start, or a recording in which no worker answered
 *
 * A worker that computes the features too (market) is told of the market instead of rows; the lane computes them as well, for what stands
 * in, for rules, for a replay, and for a worker that begins anew (ADR 0045). Each tick is told once, in the lane's order, whatever
 * becomes of it here.
 *
 * It owns the rows of the instruments' windows, from which a new worker's are made, and hands some of the answers to
 * who compares them with the CPU's (serve/remote_check.h).
 *
 * Owner and only writer: the lane, but where a field says otherwise. Its memory is boot's, from the arena. */
#ifndef TF_SERVE_REMOTE_H
#define TF_SERVE_REMOTE_H

#include "core/arena.h"
#include "core/clock.h"
#include "core/hist.h"
#include "serve/child_market.h"
#include "serve/foreign.h"
#include "serve/outcome_log.h"

/* An answer that is to be compared, in the hands of one side at a time. */
typedef struct tf_remote_sample {
  uint64_t is_full; /* with release: by the lane 1, by who compares 0 */
  uint64_t epoch, serial;
  uint64_t decision_seq; /* the last one before it */
  uint32_t row_cnt;
  float    out[TF_MODEL_OUTPUTS_MAX];
  float   *rows; /* (row_cnt, width) oldest first */
} tf_remote_sample_t;

typedef struct tf_remote_config {
  uint32_t model_idx; /* of the config */
  uint32_t width, window, output_cnt;
  uint8_t  no_answer; /* tf_no_answer_t; CPU: the model itself, run here */
  uint32_t fallback_idx;
  uint64_t deadline_ns;
  uint32_t miss_limit;
  uint32_t compare_every; /* answers between two that are compared; 0: none is */
  double   compare_max;   /* how far off the CPU's one may be; 0: twice the model's error_max */
  uint64_t keep_alive_ns; /* 0: never */
  bool     has_market;    /* it may be told of the market: room for that */
} tf_remote_config_t;

typedef struct tf_remote_counts { /* by the lane */
  uint64_t asked;                 /* = sum of results */
  uint64_t results[TF_ASKED_CNT];
  uint64_t kept;      /* outcomes that went to the ring */
  uint64_t unmatched; /* a replay: outcomes of ticks that there were not */
} tf_remote_counts_t;

/* A worker of one version; hash 0: it is not to be asked for now. The lane takes the newest that is offered; the next one is
 * not until it has. */
typedef struct tf_remote_offer {
  tf_child_t *worker;
  uint32_t    hash; /* of the model that it answers */
} tf_remote_offer_t;

typedef struct tf_remote {
  tf_remote_config_t   config;
  uint32_t             instrument_cnt;
  bool                 is_asking; /* live, from the start on */
  const tf_outcomes_t *outcomes;  /* a replay's; NULL: it has none */
  tf_outcome_log_t    *log;       /* NULL: there is no capture */
  tf_child_lane_t      lane;
  uint32_t             hash;      /* of the model that lane's worker answers; 0: it is not asked */
  uint64_t             serial;    /* of the offer that lane is of */
  tf_kept_rows_t       kept;      /* row_cap 0: single rows */
  tf_child_market_t   *room;      /* for market; NULL: config.has_market is false */
  tf_child_market_t   *market;    /* room, or NULL: it is sent rows */
  bool                *is_told;   /* (instruments) of market: of the tick in hand, with its batch */
  bool                *is_seated; /* (instruments) market's */
  const uint64_t      *decision_seq; /* the lane's own */
  uint32_t             since_compared;
  bool                 is_due; /* the tick's answer is to be compared, once the decision is out */
  float                due_out[TF_MODEL_OUTPUTS_MAX]; /* it, before post-processing */
  tf_hist_t            round_trips;
  tf_hist_t            stand_ins; /* of late answers: from the deadline to what stood in */
  uint64_t             due_ticks; /* of the tick in hand, if its answer is late; else 0 */
  tf_remote_counts_t   counts;
  uint64_t             passed_seq; /* last decision before the tick in hand: for who compares */
  tf_remote_sample_t   sample;
  /* by who starts workers */
  TF_ALIGNED(TF_LINE_PAIR_BYTES) uint64_t offered; /* serial of the newest offer, with release */
  tf_remote_offer_t offers[2];                     /* by serial % 2 */
  /* by the lane */
  TF_ALIGNED(TF_LINE_PAIR_BYTES) uint64_t taken; /* serial of the offer in hand, with release */
  uint64_t wanted; /* version << 32 | hash that serves, with release */
} tf_remote_t;

/* Of the arena; 0: it overflows. */
size_t   tf_remote_bytes(const tf_remote_config_t *config, uint32_t instrument_cnt);
tf_err_t tf_remote_init(tf_remote_t *remote, const tf_remote_config_t *config,
                        uint32_t instrument_cnt, tf_arena_t *arena);

/* From its next worker on, it is told of the market. market's source, mem_bytes, on, bars and has_sections are the caller's. */
void tf_remote_set_market(tf_remote_t *remote, const tf_child_market_t *market);

/* ---- the lane ---- */

/* Does it answer ticks of the version hash, be it by a worker or by a capture? Else the model is run here. */
TF_INLINE bool tf_remote_is_on(const tf_remote_t *r) { return r->is_asking || r->outcomes; }

/* What becomes of the instrument's tick, whose row this is. ANSWERED: out is good, all of it finite. hash: of the version that
 * serves; a worker of another one is not asked. */
tf_asked_t tf_remote_ask(tf_remote_t *remote, uint32_t instrument_id, uint64_t tick_seq,
                         const float *row, uint32_t hash, float *out);

/* The same for ticks of several instruments at once, one each: asks now; what came of each is settled when its
 * tick is answered, in the order of ticks. With a market: of all ticks of the batch in that order, is_quiet those without a row. */
void tf_remote_ask_many(tf_remote_t *remote, tf_child_row_t *rows, uint32_t row_cnt, uint32_t hash);
tf_asked_t tf_remote_settle(tf_remote_t *remote, const tf_child_row_t *row, uint64_t tick_seq,
                            float *out);

/* What stands in for a late answer is there. */
TF_INLINE void tf_remote_stood_in(tf_remote_t *r, uint64_t now_ticks) {
  if (r->due_ticks == 0) return;
  tf_hist_record(&r->stand_ins, tf_clock_ticks_to_ns(now_ticks - r->due_ticks));
  r->due_ticks = 0;
}

/* The instrument has this row, and nobody is asked about it: shed, paused, answered by another version. */
void tf_remote_tell(tf_remote_t *remote, uint32_t instrument_id, const float *row);
/* It has none: its window begins anew. */
void tf_remote_break(tf_remote_t *remote, uint32_t instrument_id);
/* After the decision has left: hands the tick's answer, where is_due, to who compares. row: its newest. */
void tf_remote_give_sample(tf_remote_t *remote, uint32_t instrument_id, const float *row);
/* While there is no tick. */
void tf_remote_idle(tf_remote_t *remote, uint64_t now_ticks);
/* Another version serves from here on. */
void tf_remote_want(tf_remote_t *remote, uint64_t number, uint32_t hash);

#endif
