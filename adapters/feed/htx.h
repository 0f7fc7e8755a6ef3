/* HTX: spot and linear swaps, one protocol with a row of differences each (tf_htx_market_t). htx.c and
 * htx_swap.c hold a row and a descriptor each; the body is htx_shared.c. */
#ifndef TF_FEED_HTX_H
#define TF_FEED_HTX_H

#include "feed/in_band.h"

typedef struct tf_htx_market {
  const char *ws_path;
  const char *book_ws_path; /* of a connection that has books alone; NULL: the same */
  const char *book_topic;   /* behind "market.<symbol>.": with the depth behind it */
  const char *book_suffix;  /* and this behind that */
  const char *book_extra;   /* of the subscription */
  const char *info_path;    /* REST; NULL: none */
  const char
      *op_topic;   /* of an address that speaks of topics ("op"): its only one; NULL: of channels */
  bool asks_books; /* a snapshot is asked for on the socket */
} tf_htx_market_t;

/* What a message may become when it is inflated: the largest recorded is 7 KB, a book of 400 levels a side
 * with 38 digits a number would be 80 KB. */
#define TF_HTX_MESSAGE_BYTES_MAX (1u << 20)

extern const tf_in_band_spec_t tf_htx_spot_spec, tf_htx_swap_spec, tf_htx_funding_spec;
extern const tf_htx_market_t   tf_htx_spot_market, tf_htx_swap_market,
    tf_htx_funding_market; /* of these */

tf_err_t     tf_htx_init(const tf_feed_t *feed, void *state, const tf_feed_config_t *config);
size_t       tf_htx_echo(void *state, const tf_frame_t *frame, char *buf, size_t cap);
tf_verdict_t tf_htx_on_frame(void *state, const tf_frame_t *frame, tf_feed_out_t *out);
void   tf_htx_lose_book(void *state, uint32_t instrument_id, uint64_t now_ns, tf_feed_out_t *out);
size_t tf_htx_ws_target(const void *state, char *buf, size_t cap);
size_t tf_htx_request(const void *state, const tf_feed_request_t *request, char *buf, size_t cap);
size_t tf_htx_metadata_target(const void *state, uint32_t request_idx, char *buf, size_t cap);

#endif
