/* Gate v4: spot and futures, one protocol with a row of differences each (tf_gate_market_t). gate.c
 * and gate_futures.c hold a row and a descriptor each; the body is gate_shared.c. */
#ifndef TF_FEED_GATE_H
#define TF_FEED_GATE_H

#include "feed/in_band.h"

typedef struct tf_gate_market {
  const char *prefix; /* of its channels: "spot." */
  const char *ws_path;
  const char *book_path, *info_path; /* REST */
  const char *symbol_key;            /* of a REST query */
  const char *book_payload; /* behind the symbol where order_book_update is subscribed to */
} tf_gate_market_t;

extern const tf_in_band_spec_t tf_gate_spot_spec, tf_gate_futures_spec;
extern const tf_gate_market_t  tf_gate_spot_market, tf_gate_futures_market; /* of these */

tf_verdict_t          tf_gate_on_frame(void *state, const tf_frame_t *frame, tf_feed_out_t *out);
void                  tf_gate_on_connect(void *state, uint64_t now_ns, tf_feed_out_t *out);
extern const uint32_t tf_gate_depths_in_band[]; /* those of obu */

size_t tf_gate_ws_target(const void *state, char *buf, size_t cap);
size_t tf_gate_request(const void *state, const tf_feed_request_t *request, char *buf, size_t cap);
size_t tf_gate_snapshot_target(const void *state, uint32_t instrument_id, char *buf, size_t cap);
size_t tf_gate_metadata_target(const void *state, uint32_t request_idx, char *buf, size_t cap);
size_t tf_gate_heartbeat(const void *state, char *buf, size_t cap);

#endif
