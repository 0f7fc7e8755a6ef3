/* A feed with its counts and events around it, for the feeds' tests. */
#ifndef TESTS_FEED_RIG_H
#define TESTS_FEED_RIG_H

#include "cmocka_tf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "feed/binance.h"
#include "feed/feeds.h"
#include "tf/io.h"

#define EVENT_CAP 256u
#define RECV_NS   UINT64_C(1723161255400000000)

typedef struct {
  const tf_feed_t *feed;
  void            *state;
  tf_instruments_t instruments;
  tf_feed_counts_t counts;
  tf_feed_out_t    out;
  tf_event_t       events[EVENT_CAP];
} rig_t;

static rig_t rig;

static inline tf_err_t start_with(rig_t *r, const char *venue, const char *const *symbols,
                                  uint32_t cnt, uint32_t channels) {
  memset(r, 0, sizeof(*r));
  r->feed             = tf_feeds_find(venue);
  r->instruments.cap  = 16;
  r->instruments.rows = calloc(16, sizeof(tf_instrument_t));
  r->out = (tf_feed_out_t){.events = r->events, .event_cap = EVENT_CAP, .counts = &r->counts};
  tf_feed_config_t config = {.instruments = &r->instruments,
                             .symbols     = symbols,
                             .symbol_cnt  = cnt,
                             .channels    = channels,
                             .pending_cap = 8};
  r->state = aligned_alloc(64, tf_align_up(r->feed->state_bytes(r->feed, &config), 64));
  memset(r->state, 0xa5, r->feed->state_bytes(r->feed, &config)); /* init must not count on zeros */
  return r->feed->init(r->feed, r->state, &config);
}
static inline void start(rig_t *r, const char *venue) {
  assert_int_equal(start_with(r, venue, NULL, 0, 7), TF_OK);
}
static inline void stop(rig_t *r) {
  free(r->state);
  free(r->instruments.rows);
}

static inline tf_verdict_t feed_bytes(rig_t *r, const char *text, size_t n, uint8_t kind,
                                      const char *target) {
  static char buf[1 << 18];
  memcpy(buf, text, n);
  memset(buf + n, 0, TF_BYTES_PAD);
  r->out.event_cnt  = 0;
  r->out.resync_cnt = 0;
  r->out.answer_cnt = 0;
  tf_frame_t frame  = {
       .bytes = buf, .bytes_cnt = (uint32_t)n, .kind = kind, .recv_ns = RECV_NS, .target = target};
  return r->feed->on_frame(r->state, &frame, &r->out);
}
static inline tf_verdict_t feed_text(const char *text) {
  return feed_bytes(&rig, text, strlen(text), TF_FRAME_TEXT, NULL);
}
static inline tf_verdict_t feed_rest(const char *target, const char *text) {
  return feed_bytes(&rig, text, strlen(text), TF_FRAME_HTTP, target);
}

#define DELTA(U, u)                                                                                \
  "{\"e\":\"depthUpdate\",\"E\":1723161255208,\"s\":\"BTCUSDT\",\"U\":" #U ",\"u\":" #u            \
  ",\"b\":[[\"5.0\",\"1\"]],\"a\":[[\"6.0\",\"2\"],[\"7.0\",\"0\"]]}"
#define SNAPSHOT(id)                                                                               \
  "{\"lastUpdateId\":" #id ",\"bids\":[[\"4.0\",\"1\"]],\"asks\":[[\"8.0\",\"2\"]]}"
#define TRADE(id)                                                                                  \
  "{\"e\":\"trade\",\"E\":1723161255343,\"s\":\"BTCUSDT\",\"t\":" #id                              \
  ",\"p\":\"61837.63000000\",\"q\":\"0.02\",\"T\":1723161255342,\"m\":true,\"M\":true}"

static inline void check_ledger(const rig_t *r) {
  const tf_feed_counts_t *c   = &r->counts;
  uint64_t                sum = c->msgs_data + c->msgs_control;
  for (int i = 0; i < TF_REJECT_CNT; i++) sum += c->rejected[i];
  for (uint64_t i = 0; i < c->ignored_type_cnt; i++) sum += c->ignored[i].cnt;
  assert_int_equal(sum, c->messages);
}

#endif
