/* Keeps the time of what another runtime was asked, and makes events of what comes of it, on acquire's thread.
 *
 *   worker's notes --> [ in-flight table | deadlines | breaker ] --> events: ANSWER, MISS, RUNTIME
 *                                            \--> gate: what the worker may ask
 *
 * A request is missed once, for its deadline or for what the worker tells of it, whichever comes first; an answer that comes
 * after its miss is late, counted, and no event. So a runtime that hangs, with the worker's thread in it, is missed on
 * time all the same.
 *
 * The breaker: limit misses in a row open it, for wait_ns, twice as long each time that the one request that is then let
 * through is missed again, up to wait_ns_max, or for as long as the server asks (Retry-After). One answer closes it.
 *
 *   begun = answered + sum(misses) + under way (not missed yet)
 *
 * Pure but for the publisher; one thread; the gate and the counts are read by others. */
#ifndef TF_SERVE_WATCH_H
#define TF_SERVE_WATCH_H

#include "serve/foreign.h"

typedef enum tf_note_kind { TF_NOTE_BEGUN, TF_NOTE_DONE } tf_note_kind_t;

/* What a worker tells. */
typedef struct tf_note {
  uint32_t kind; /* tf_note_kind_t */
  uint32_t slot;
  uint32_t instrument_id;             /* BEGUN */
  uint32_t miss;                      /* DONE: tf_runtime_miss_t */
  uint64_t tick_seq, recv_ns;         /* BEGUN: of the tick */
  uint64_t retry_ns;                  /* DONE */
  float    out[TF_MODEL_OUTPUTS_MAX]; /* DONE: where it was answered */
} tf_note_t;

/* Of the gate's word: serial * 4 + one of these. */
enum { TF_GATE_SHUT, TF_GATE_ONE, TF_GATE_ALL };

typedef struct tf_watch_config {
  uint32_t model_idx, hash, output_cnt, in_flight;
  uint64_t deadline_ns; /* from the tick's receive time */
  uint32_t limit;
  uint64_t wait_ns, wait_ns_max;
} tf_watch_config_t;

typedef struct tf_watch_publisher {
  void *self;
  void (*publish)(void *self, tf_event_t *event);
} tf_watch_publisher_t;

typedef struct tf_watch {
  tf_watch_config_t    config;
  tf_watch_publisher_t publisher;
  struct {
    bool     is_under_way, is_missed, is_probe;
    uint32_t instrument_id;
    uint64_t tick_seq, recv_ns, due_ns;
  } rows[TF_RUNTIME_IN_FLIGHT_MAX];
  uint64_t next_due_ns; /* the first of the rows'; UINT64_MAX: none */
  uint32_t state;       /* tf_runtime_state_t */
  bool     is_told;     /* the first RUNTIME event is out */
  uint32_t misses;      /* in a row */
  uint64_t wait_ns;     /* of the next opening */
  uint64_t until_ns;    /* OPEN */
  uint64_t serial;
  TF_ALIGNED(TF_LINE_PAIR_BYTES) uint64_t gate; /* with release */
  struct {                                      /* each published plainly */
    uint64_t begun, answered, late, opened, state;
    uint64_t misses[TF_RUNTIME_MISS_CNT];
  } counts;
} tf_watch_t;

void tf_watch_init(tf_watch_t *watch, const tf_watch_config_t *config,
                   tf_watch_publisher_t publisher);
/* now_ns: wall time. */
void tf_watch_note(tf_watch_t *watch, const tf_note_t *note, uint64_t now_ns);
/* Time passes. Returns the events made. */
uint32_t tf_watch_tick(tf_watch_t *watch, uint64_t now_ns);

/* Requests under way that are not missed: for the ledger, at rest. */
uint64_t tf_watch_under_way(const tf_watch_t *watch);

#endif
