/* From a decision of the chain (chain.h) to events: what every venue does whose deltas carry the range of
 * ids that they cover, whether its snapshots come over REST, on request, or unasked in band.
 *
 * The scanner has put the levels' numbers into the rows behind out->event_cnt; here they are completed,
 * with the STATUS events that go before or behind them (tf/feed.h). One message, one instrument.
 *
 * One writer: the thread that runs the feed. Room for two events beside the levels is the caller's to
 * check. */
#ifndef TF_FEED_BRIDGE_H
#define TF_FEED_BRIDGE_H

#include "feed/chain.h"
#include "tf/feed.h"

/* What a feed keeps of one instrument's book. Initialised by tf_bridge_row_init. */
typedef struct tf_bridge_row {
  tf_chain_t chain;
  bool       asked_before; /* for a snapshot: the next time is a resync */
} tf_bridge_row_t;

/* The levels of one message, where the scanner has put their numbers, bids first. */
typedef struct tf_bridge_levels {
  tf_event_t *rows; /* out->events + out->event_cnt */
  uint32_t    bid_cnt, cnt;
  uint64_t    venue_seq; /* the last id that the message covers; of a snapshot, its id */
  uint64_t    ts_ns;
  uint32_t    instrument_id;
  uint8_t     flags; /* BAD_TS, OUTRUN */
} tf_bridge_levels_t;

/* The ids first..venue_seq are the delta's; previous is read under the POINTER rule only. */
typedef struct tf_bridge_ids {
  uint64_t first, previous;
} tf_bridge_ids_t;

void tf_bridge_row_init(tf_bridge_row_t *row);

tf_verdict_t tf_bridge_delta(tf_bridge_row_t *row, tf_chain_pool_t *pool, tf_chain_rule_t rule,
                             const tf_frame_t *frame, tf_feed_out_t *out,
                             tf_bridge_levels_t *levels, tf_bridge_ids_t ids);

/* A snapshot that was asked for. One without levels says nothing. */
tf_verdict_t tf_bridge_snapshot(tf_bridge_row_t *row, tf_chain_pool_t *pool, tf_chain_rule_t rule,
                                const tf_frame_t *frame, tf_feed_out_t *out,
                                tf_bridge_levels_t *levels);

/* A snapshot that stands in the order of the deltas: the book is what it says, and the next delta must
 * follow it. One without levels empties the book (a DERIVED level). One that is behind a book in order is a
 * slower connection's: a duplicate, unless the venue counts anew. Wants room for three events more. */
tf_verdict_t tf_bridge_whole(tf_bridge_row_t *row, tf_chain_pool_t *pool, const tf_frame_t *frame,
                             tf_feed_out_t *out, tf_bridge_levels_t *levels);

/* A snapshot that is wanted and found no place on the session's list; also to be called behind a
 * message of another kind. */
void tf_bridge_want_snapshot(tf_bridge_row_t *row, uint32_t instrument_id, tf_feed_out_t *out);

/* This book is not to be trusted, whoever says so: GAP, and a snapshot is wanted. Nothing happens where it
 * stands on no snapshot, or out has no room to say it. */
void tf_bridge_lose(tf_bridge_row_t *row, tf_chain_pool_t *pool, uint32_t instrument_id,
                    uint64_t now_ns, tf_feed_out_t *out);

/* The connection is new: SYNCING, unless a snapshot waits for its first delta. */
void tf_bridge_restart(tf_bridge_row_t *row, tf_chain_pool_t *pool, uint32_t instrument_id,
                       uint64_t now_ns, tf_feed_out_t *out);

#endif
