/* KuCoin: spot and futures, one protocol with a row of differences each (tf_kucoin_market_t). kucoin.c
 * and kucoin_futures.c hold a row and a descriptor each; the body is kucoin_shared.c. */
#ifndef TF_FEED_KUCOIN_H
#define TF_FEED_KUCOIN_H

#include "feed/in_band.h"

typedef struct tf_kucoin_market {
  const char                 *book_path, *info_path; /* REST */
  const char                 *whole_book_path; /* of recordings: wants a key now; NULL: none */
  const tf_in_band_channel_t *topics;          /* up to their colon */
} tf_kucoin_market_t;

/* Symbols of one subscription (the venue takes 100 topics a message). */
#define TF_KUCOIN_REQUEST_SYMBOLS 100u

extern const tf_in_band_spec_t  tf_kucoin_spot_spec, tf_kucoin_futures_spec;
extern const tf_feed_post_t     tf_kucoin_tickets[];
extern const tf_kucoin_market_t tf_kucoin_spot_market, tf_kucoin_futures_market; /* of these */

tf_verdict_t tf_kucoin_on_frame(void *state, const tf_frame_t *frame, tf_feed_out_t *out);
size_t       tf_kucoin_ws_target(const void *state, char *buf, size_t cap);
size_t       tf_kucoin_request(const void *state, const tf_feed_request_t *request, char *buf,
                               size_t cap);
size_t tf_kucoin_snapshot_target(const void *state, uint32_t instrument_id, char *buf, size_t cap);
size_t tf_kucoin_metadata_target(const void *state, uint32_t request_idx, char *buf, size_t cap);

#endif
