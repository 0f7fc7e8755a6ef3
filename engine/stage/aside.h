/* What a lane puts aside for sinks that carry quotes or feature rows, once the tick's decision has left. The
 * lane's: owner and only writer.
 *
 * A quote is an event of kind QUOTE: the best bid and offer that features see (from the venue's quotes or the book's
 * top, whichever is fresher), with the tick's ts_recv_ns and ingest_seq and the ts_event_ns of what it was told
 * by. It comes with a tick that changed any of it; flag BAD_BOOK: it is the top of a book that is not in
 * order; all four numbers 0: there is none (a side is empty, or the instrument has ended). */
#ifndef TF_STAGE_ASIDE_H
#define TF_STAGE_ASIDE_H

#include "core/arena.h"
#include "stage/lane.h"
#include "stage/passage.h"

typedef struct tf_aside {
  tf_passage_t        *quotes; /* NULL: no sink carries them */
  tf_event_t          *quoted; /* (instrument_cap) the last of each */
  tf_passage_t        *rows;   /* NULL: no sink carries feature rows */
  tf_feature_record_t *row;    /* one, with its values */
  uint64_t             row_seq;
} tf_aside_t;

size_t tf_aside_bytes(const tf_passage_t *quotes, const tf_passage_t *rows,
                      uint32_t instrument_cap);

/* Either may be NULL. */
tf_err_t tf_aside_init(tf_aside_t *aside, tf_passage_t *quotes, tf_passage_t *rows,
                       uint32_t instrument_cap, tf_arena_t *arena);

/* At the tick that e completed. aside->quotes is not NULL, and so below. */
void tf_aside_quote(tf_aside_t *aside, const tf_lane_instrument_t *in, const tf_event_t *e);

/* When the row has been computed. */
void tf_aside_row(tf_aside_t *aside, const tf_lane_instrument_t *in);

#endif
