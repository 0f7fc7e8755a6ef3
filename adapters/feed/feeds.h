/* All venues that this build knows, from feeds.def, and what their decoders have in common. */
#ifndef TF_FEED_FEEDS_H
#define TF_FEED_FEEDS_H

#include "tf/feed.h"

/* The first member of every feed's state, so that the session can report what a venue complained of
 * without knowing the venue. Written by the thread that runs the feed. */
typedef struct tf_feed_head {
  uint64_t venue_error_cnt;
  char     venue_error[232]; /* the newest error message of the venue, NUL-terminated, printable */
} tf_feed_head_t;

/* NULL-terminated, sorted as in feeds.def. */
extern const tf_feed_t *const tf_feeds_all[];

/* "binance-spot" and so on; NULL if there is no such venue. */
const tf_feed_t *tf_feeds_find(const char *venue);

/* Whether a symbol of a config may be one of this venue's (tf_feed_t.symbol_chars): what stands in a request or a
 * path is asked of here before it does. E_CONFIG_VALUE, with the first character that no name of it has. */
tf_err_t tf_feeds_check_symbol(const tf_feed_t *feed, const char *text);

/* Counts a message as refused, with its first bytes as the sample. Every feed ends here. */
TF_COLD tf_verdict_t tf_feeds_reject(tf_feed_counts_t *counts, const tf_frame_t *frame,
                                     tf_reject_t why);

/* Counts a message as known and not published, under name. */
tf_verdict_t tf_feeds_ignore(tf_feed_counts_t *counts, const char *name, size_t name_bytes);

/* Copies a venue's complaint into head, control characters replaced. */
TF_COLD void tf_feeds_note_error(tf_feed_head_t *head, const char *text, size_t text_bytes);

/* What the venue answered to a request (tf_feed_answer_t). More than there is room for are dropped. */
void tf_feeds_answer(tf_feed_out_t *out, uint64_t request_id, uint32_t instrument_id,
                     uint32_t channel, bool is_refusal);

/* Asks for an instrument's snapshot; true also if it is asked for already, false when the list is
 * full and the feed must try again with a later message. */
bool tf_feeds_want_snapshot(tf_feed_out_t *out, uint32_t instrument_id);

#endif
