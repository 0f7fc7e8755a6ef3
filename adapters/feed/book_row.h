/* What an in-band venue's feed keeps of one instrument's book, and how a message of levels becomes events
 * of it: continuity of the venue's sequence, a mirror where the venue cuts to a depth or sends a checksum,
 * the levels that fall out of it (TF_FLAG_DERIVED), the checksum, STATUS events.
 *
 *   rows at the draft's `at` --tf_book_row_put--> BOOK and STATUS events
 *
 * A row's sequence (VENUES.md 0.2):
 *   WHOLE     each message is the whole book; a sequence, where there is one, only tells old from new
 *   RANGE     first == last before + 1; a range that overlaps what is known is taken (absolute quantities)
 *   PREVIOUS  previous == last before
 *   NEXT      last == last before + 1
 *   NONE      nothing to check: venue_seq is an ordinal of our own
 * A message that is not newer than the book is a duplicate, whichever connection brought it, and makes
 * no events; so several connections may feed one row. A PREVIOUS that is beyond its
 * message's own sequence, and a message that is far older (TF_BOOK_ROW_RESTART), are the venue starting
 * over: GAP, and a new snapshot. A snapshot that is not newer than a book in order is a duplicate too.
 * Levels that wait for a snapshot and are of a count that is over would pass for newer than it: SYNCING
 * before it says that they are to be forgotten.
 *
 * One writer: the thread that runs the feed. */
#ifndef TF_FEED_BOOK_ROW_H
#define TF_FEED_BOOK_ROW_H

#include "feed/depth_checksum.h"
#include "feed/draft.h"
#include "feed/feeds.h"

/* FAULTS F30: so many mismatches of one book within so long, and its checksums are no longer compared
 * until the next connection: the venue's are wrong then, or our reading of them. */
#define TF_BOOK_ROW_MISMATCHES_MAX 3u
#define TF_BOOK_ROW_MISMATCH_NS    (60 * TF_NS_PER_SEC)
/* A sequence so far back is the venue starting over (FAULTS F28); nearer, it is a repeat. */
#define TF_BOOK_ROW_RESTART UINT64_C(100000000)

typedef enum tf_book_rule {
  TF_BOOK_RULE_NONE = 0,
  TF_BOOK_RULE_WHOLE,
  TF_BOOK_RULE_RANGE,
  TF_BOOK_RULE_PREVIOUS,
  TF_BOOK_RULE_NEXT
} tf_book_rule_t;

typedef struct tf_book_row {
  tf_feed_row_t     feed;
  tf_depth_mirror_t mirror; /* cap 0: none is kept */
  uint64_t          last_seq;
  bool              has_seq; /* last_seq is of this book */
  /* The newest sequence published while the book was not in order; 0: none. Who keeps the book keeps those
   * levels for the snapshot to come. */
  uint64_t loose_seq;
  bool     for_checksums_only; /* the mirror: only of a book whose snapshot had one */
  bool     is_mirrored;        /* the book is in the mirror */
  bool     depth_known;        /* an acknowledgement or a channel's name said it */
  bool     checksums_off;      /* on this connection */
  uint32_t mismatch_cnt;
  uint64_t mismatch_ns; /* of the first of them */
} tf_book_row_t;

/* One message's levels of one instrument: bid_cnt and ask_cnt rows at the draft's `at`, bids first, each
 * with its SIDE, time and BAD_TS. */
typedef struct tf_book_message {
  uint32_t instrument_id;
  uint32_t bid_cnt, ask_cnt;
  uint32_t depth; /* as the channel's name says; 0: it does not */
  bool     is_snapshot;
  bool     is_restart; /* of a snapshot: taken whatever the sequence was */
  bool     has_checksum;
  uint32_t checksum;
  uint8_t  rule;                          /* tf_book_rule_t */
  bool     has_seq, has_previous;         /* which of these are known */
  uint64_t first_seq, last_seq, previous; /* first_seq: RANGE */
  uint64_t ts_ns;                         /* of the message, for STATUS events */
} tf_book_message_t;

/* A new connection where sequences are a connection's own, or the first of several. */
void tf_book_row_restart(tf_book_row_t *row, tf_feed_out_t *out, uint32_t instrument_id,
                         uint64_t now_ns);

/* Events that it may want beside its levels: a level pushed out for each, STATUS before and behind. */
TF_INLINE uint32_t tf_book_row_room(const tf_book_row_t *row, uint32_t level_cnt) {
  return (row->mirror.cap > 0 ? level_cnt : 0) + 3;
}
/* Whether a mirror can take so many changes of a side in one message. */
TF_INLINE bool tf_book_row_takes(const tf_book_row_t *row, const tf_book_message_t *m) {
  if (row->mirror.cap == 0) return true;
  uint32_t most = row->mirror.cap - row->mirror.depth_max;
  return m->bid_cnt <= most && m->ask_cnt <= most;
}

/* Publishes it, or forgets its rows where it is a duplicate. depths: those the venue has, ascending, 0 at
 * the end, to tell a recording's from the size of its snapshot; NULL: any.
 * Wants tf_book_row_room. head: for what people are told. */
void tf_book_row_put(tf_book_row_t *row, tf_draft_t *draft, const tf_book_message_t *m,
                     const uint32_t *depths, tf_feed_head_t *head);

/* Compares a book in order with the message's checksum; where it differs the book is in GAP and asked for
 * again. For venues that send it by itself; m: its checksum, instrument and time. */
void tf_book_row_compare(tf_book_row_t *row, tf_draft_t *draft, const tf_book_message_t *m,
                         tf_feed_head_t *head);

/* The book is in GAP and asked for again: a message of it was refused, its checksum differs, somebody
 * found it wrong. Rows from the draft's `at` on are forgotten. */
void tf_book_row_lose(tf_book_row_t *row, tf_draft_t *draft, uint32_t instrument_id,
                      uint64_t ts_ns);

#endif
