/* What a lane asks another thread: of each instrument the newest row, and nothing older.
 *
 *   the lane     writes the request into the instrument's buffer that is its own, and exchanges it for the one that
 *                lies between; where the one that it gets back was not taken yet, a newer one has stood in its place:
 *                superseded, counted. Else it tells the instrument's number through a ring
 *   the worker   takes a number from the ring, and exchanges its buffer for the one between
 *
 * Three buffers an instrument, so neither waits, and a request is whole. The ring has a slot for each instrument, and an
 * instrument is in it once at most: it is never full.
 *
 *   asked = superseded + taken + those that lie between
 *
 * Owner of the memory: boot, from the arena. The lane's cost: one copy of the request and one exchange. */
#ifndef TF_SERVE_ASKS_H
#define TF_SERVE_ASKS_H

#include "core/arena.h"
#include "flow/ring.h"

typedef struct tf_ask {
  uint64_t tick_seq; /* ingest_seq of the tick */
  uint64_t recv_ns;  /* when it was received */
  uint32_t instrument_id;
  uint32_t reserved;
  float    rows[]; /* (rows, width), oldest first */
} tf_ask_t;

typedef struct tf_asks_slot { /* of an instrument */
  uint64_t between; /* buffer 0 .. 2 that lies there, with TF_ASKS_FRESH if nobody took it */
  uint64_t lanes;   /* the lane's buffer */
  uint64_t workers; /* the worker's */
  uint64_t reserved[5];
} tf_asks_slot_t;

TF_STATIC_ASSERT(sizeof(tf_asks_slot_t) == TF_LINE_BYTES, "a line for each instrument");

#define TF_ASKS_FRESH 4u

typedef struct tf_asks {
  tf_asks_slot_t  *slots; /* (instruments) */
  uint8_t         *buffers;
  size_t           stride; /* of a buffer */
  uint32_t         instrument_cnt;
  tf_ring_writer_t writer; /* the lane's: of instruments, a uint64_t each */
  TF_ALIGNED(TF_LINE_PAIR_BYTES) tf_ring_reader_t reader;    /* the worker's */
  TF_ALIGNED(TF_LINE_PAIR_BYTES) uint64_t asked, superseded; /* by the lane */
  uint64_t taken; /* by the worker, on a line of its own */
} tf_asks_t;

/* Of the arena; 0: it overflows. value_cnt: floats of a request. */
size_t   tf_asks_bytes(uint32_t instrument_cnt, size_t value_cnt);
tf_err_t tf_asks_init(tf_asks_t *asks, uint32_t instrument_cnt, size_t value_cnt,
                      tf_arena_t *arena);

/* The lane's: the buffer to write the instrument's next request into. */
TF_INLINE tf_ask_t *tf_asks_begin(const tf_asks_t *a, uint32_t instrument_id) {
  return (tf_ask_t *)(a->buffers +
                      (instrument_id * 3u + a->slots[instrument_id].lanes) * a->stride);
}

/* It is written. */
TF_INLINE void tf_asks_send(tf_asks_t *a, uint32_t instrument_id) {
  tf_asks_slot_t *slot = &a->slots[instrument_id];
  /* pairs with: tf_asks_take */
  uint64_t old = tf_exchange_both(&slot->between, slot->lanes | TF_ASKS_FRESH);
  slot->lanes  = old & 3u;
  tf_count_add(&a->asked, 1);
  if (old & TF_ASKS_FRESH) {
    tf_count_add(&a->superseded, 1);
    return;
  }
  uint64_t number = instrument_id;
  uint32_t pushed = tf_ring_push_sized(&a->writer, &number, 1, sizeof number);
  TF_ASSERT(pushed == 1);
}

/* The worker's: the newest request of whichever instrument waits longest, until the next take; NULL:
 * nobody asks. */
const tf_ask_t *tf_asks_take(tf_asks_t *asks);

/* Requests that lie between: at rest. */
uint64_t tf_asks_waiting(const tf_asks_t *asks);

#endif
