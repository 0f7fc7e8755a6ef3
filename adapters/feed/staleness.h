/* When a stream has been quiet for longer than its own habit allows: books and quotes of one session, each with a
 * deadline learned from the times between its messages.
 *
 *   deadline = max(TF_STALENESS_FLOOR_NS, TF_STALENESS_FACTOR x the 99.9th percentile of its intervals)
 *
 * or what the config says (feeds[].stale_after). Intervals are counted in 64 classes, four to a factor of two, from
 * 16.8 ms up: what is shorter cannot move a deadline of a second at least, and shares the first class. The
 * percentile is its class's upper end, so at most 19 % more than it is. At TF_STALENESS_INTERVALS_MAX all counts
 * are halved: what a stream did the newest 16 to 32 thousand intervals ago is what counts, in 152 bytes a stream
 * for good. A silence that was judged counts as long as the deadline then was: an outage of an hour does not excuse
 * the next one, and a stream that has slowed down for good is judged by at most four times the time at each.
 * A stream is not judged before TF_STALENESS_INTERVALS_MIN intervals, nor before its first data
 * on a connection: one that was quiet from the start is not stale.
 *
 * Only events feed it: heartbeats, pongs and acknowledgements make none. Time is time in which we listened: what the
 * lane was held up for is handed to tf_staleness_unheard, and never counts as a stream's silence.
 *
 * Pure; one thread, the lane. O(1) an event; a check reads one line, and 64 counts where the stream has
 * had 1/8 more intervals since its deadline was worked out. */
#ifndef FEED_STALENESS_H
#define FEED_STALENESS_H

#include "core/arena.h"
#include "tf/event.h"

#define TF_STALENESS_FLOOR_NS      TF_NS_PER_SEC
#define TF_STALENESS_FACTOR        4u
#define TF_STALENESS_INTERVALS_MIN 64u
#define TF_STALENESS_INTERVALS_MAX 32768u
#define TF_STALENESS_CLASSES       64u
#define TF_STALENESS_OFF           UINT64_MAX

typedef enum tf_staleness_stream {
  TF_STALENESS_BOOK,
  TF_STALENESS_QUOTE,
  TF_STALENESS_STREAM_CNT
} tf_staleness_stream_t;

typedef struct tf_staleness_row {
  uint16_t counts[TF_STALENESS_CLASSES];
  uint32_t interval_cnt; /* sum of counts */
  uint32_t learned_cnt;  /* interval_cnt when the deadline was worked out; 0: not yet */
  uint64_t last_ns;      /* of its newest data, in time listened */
  uint64_t deadline_ns;
  uint32_t connection; /* on which it last had data; 0: none yet */
  bool     is_stale;
} tf_staleness_row_t;

typedef struct tf_staleness {
  tf_staleness_row_t (*rows)[TF_STALENESS_STREAM_CNT]; /* (cap), by instrument_id */
  uint32_t cap;
  uint32_t connection; /* counts them, from 1 */
  uint64_t fixed_ns;   /* deadline of the config; 0: learned; OFF: nothing is ever stale */
  uint64_t unheard_ns;
} tf_staleness_t;

size_t   tf_staleness_arena_bytes(uint32_t instrument_cap);
tf_err_t tf_staleness_init(tf_staleness_t *staleness, uint64_t fixed_ns, uint32_t instrument_cap,
                           tf_arena_t *arena);

/* Data of a stream came at now_ns. */
void tf_staleness_saw(tf_staleness_t *staleness, uint32_t instrument_id,
                      tf_staleness_stream_t stream, uint64_t now_ns);

/* True when a stream of the instrument has passed its deadline just now: once for each silence. */
bool tf_staleness_is_due(tf_staleness_t *staleness, uint32_t instrument_id, uint64_t now_ns);

/* Whether a stream of it is past its deadline, and has had nothing since. */
bool tf_staleness_is_stale(const tf_staleness_t *staleness, uint32_t instrument_id);

/* The feed itself said what the book is now: that stands, and its streams begin anew with their next data. */
void tf_staleness_forgive(tf_staleness_t *staleness, uint32_t instrument_id);

/* A new connection: what streams have learned they keep; none is judged before it has data again. */
void tf_staleness_reconnected(tf_staleness_t *staleness);

/* We did not listen for so long. */
void tf_staleness_unheard(tf_staleness_t *staleness, uint64_t ns);

#endif
