/* The pipeline of one lane: buffer, compute, decide and, when they share a thread, emit. This is the
 * path of a tick in one function, tf_lane_on_events; the runner only decides which thread calls it.
 *
 * Owner: the lane's thread. */
#ifndef TF_STAGE_PIPELINE_H
#define TF_STAGE_PIPELINE_H

#include "core/hist.h"
#include "flow/ring.h"
#include "stage/aside.h"
#include "stage/batch.h"
#include "stage/buffer.h"
#include "stage/compute.h"
#include "stage/decide.h"
#include "stage/emit.h"
#include "stage/peers.h"
#include "stage/shed.h"
#include "stage/universe.h"

typedef enum tf_hop {
  TF_HOP_DECODE,
  TF_HOP_BUFFER,
  TF_HOP_FEATURES,
  TF_HOP_MODEL,
  TF_HOP_DECIDE,
  TF_HOP_EMIT,
  TF_HOP_TICK_TO_DECISION,
  TF_HOP_DEFERRED, /* a model's work for ticks to come, after the decision has left */
  TF_HOP_QUEUE,    /* a tick waited for others, to be answered together */
  TF_HOP_CNT
} tf_hop_t;

extern const char *const tf_hop_names[TF_HOP_CNT];

/* What crosses the decision ring. */
typedef struct tf_ring_decision {
  tf_decision_t decision;
  uint64_t      origin_tsc;
  uint64_t      decided_tsc;
} tf_ring_decision_t;

/* Who looks on, for tools; called on the lane. on_row: at each tick, before the models: row is instrument->row,
 * market.event the cause. on_bars: bars closed, one bit each: they are in instrument->bars. NULL: nobody. */
typedef struct tf_row_watch {
  void *self;
  void (*on_row)(void *self, const tf_lane_instrument_t *instrument);
  void (*on_bars)(void *self, const tf_lane_instrument_t *instrument, uint32_t closed_bars);
} tf_row_watch_t;

/* Who is told before an event is taken, while tf_lane_t.attention has TF_ATTEND_ONLOOKER, and when there is none to take (true: it had
 * something to do). Called on the lane. */
typedef struct tf_lane_onlooker {
  void *self;
  void (*before)(void *self, const tf_event_t *event);
  bool (*idle)(void *self);
} tf_lane_onlooker_t;

#define TF_ATTEND_OUTCOMES 0x1u /* a replay obeys shedding: from the start on */
#define TF_ATTEND_ONLOOKER 0x2u /* by whoever looks on */

typedef struct tf_lane {
  tf_buffer_t            buffer;
  tf_compute_t           compute;
  tf_decide_t            decide;
  tf_lane_instrument_t  *instruments; /* (instruments_max) */
  const tf_instrument_t *names;       /* the table's rows, for binding peers */
  tf_lane_instrument_t  *met;         /* chain of those that are bound */
  tf_universe_t          universe;
  tf_lane_instrument_t  *fetched; /* whose memory was asked for last */
  uint32_t               instrument_cap;
  uint32_t               sample_every; /* hops inside the tick are measured on every Nth tick */
  uint32_t               sample_left;
  uint64_t               events;              /* consumed */
  uint64_t               instruments_refused; /* events of ids beyond instrument_cap */
  uint64_t               commands;            /* an operator's, obeyed */
  tf_ring_writer_t      *ring;                /* NULL: emit in place */
  tf_emit_t             *emit;
  uint64_t               ring_full_waits;
  bool               waits_for_emit;    /* replay: backpressure; live: a full ring drops, counted */
  uint64_t           decisions_dropped; /* live: the ring was full; or told to stop */
  const uint32_t    *stopping;
  bool               warming; /* features and models run, nothing is decided: a warm start */
  const char *const *low;     /* (low_cnt) instruments of low priority: SYMBOL.VENUE, *.VENUE */
  uint32_t           low_cnt;
  tf_shed_t          shed;
  tf_tick_batch_t   *batch; /* NULL: each tick is answered by itself */
  tf_row_watch_t     watch;
  tf_lane_onlooker_t onlooker; /* before start; idle NULL: nobody */
  uint32_t   attention; /* TF_ATTEND_*: what each event is looked at for; 0: none. With release */
  tf_aside_t aside;     /* for sinks that carry quotes or feature rows */
  tf_hist_t *hists;     /* (TF_HOP_CNT) written by the lane, EMIT by emit's thread */
} tf_lane_t;

/* The path of a tick. events: of one message, in order (or one event from the ring). */
void tf_lane_on_events(void *lane, const tf_event_t *events, uint32_t event_cnt,
                       uint64_t origin_tsc, uint64_t decoded_tsc);

/* A tick, at its time: features, and what follows from them. */
void tf_lane_tick(tf_lane_t *lane, tf_lane_instrument_t *in, tf_tick_hops_t *hops);

/* The rest of a tick whose features are computed: models, strategies, and, with the decisions gone, what the models do for
 * the next one. */
void tf_lane_finish_tick(tf_lane_t *lane, tf_lane_instrument_t *in, tf_tick_hops_t *hops);

/* Whether the onlooker is to be told of each event: by whoever looks on, on acquire's thread (true) and then the lane's (false), in
 * turns. */
TF_INLINE void tf_lane_attend_from_outside(tf_lane_t *lane, bool attends) {
  /* relaxed: nobody else changes it in between */
  uint32_t others = tf_load_relaxed_u32(&lane->attention) & ~TF_ATTEND_ONLOOKER;
  /* pairs with: tf_lane_on_events */
  tf_store_release_u32(&lane->attention, others | (attends ? TF_ATTEND_ONLOOKER : 0));
}

/* An instrument's first tick since the start: its priority, its peers, its seat. */
void tf_lane_bind(tf_lane_t *lane, tf_lane_instrument_t *in);

#endif
