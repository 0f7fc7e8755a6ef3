/* OKX, Bitget, Bybit and Crypto.com, for their tests: a book's messages in the words of each. */
#ifndef TESTS_FEED_NUMBERED_VENUES_H
#define TESTS_FEED_NUMBERED_VENUES_H

#include "feed_rig.h"

#define ALL 15u /* channels */

static inline const tf_event_t *newest(void) {
  assert_true(rig.out.event_cnt > 0);
  return &rig.out.events[rig.out.event_cnt - 1];
}

static inline const char *venue_error(void) {
  return ((const tf_feed_head_t *)rig.state)->venue_error;
}

typedef enum { SNAPSHOT_OF, DELTA_OF } book_t;

static inline const char *text_of(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static inline const char *text_of(const char *fmt, ...) {
  static char text[4096];
  va_list     args;
  va_start(args, fmt);
  int n = vsnprintf(text, sizeof text, fmt, args);
  va_end(args);
  assert_in_range(n, 1, sizeof text - 1);
  return text;
}

#define OKX_ARG(channel) "{\"arg\":{\"channel\":\"" channel "\",\"instId\":\"BTC-USDT\"}"

static inline const char *okx_book(book_t kind, unsigned long long seq, unsigned long long prev,
                                   const char *bids) {
  if (kind == SNAPSHOT_OF)
    return text_of(
        OKX_ARG("books") ",\"action\":\"snapshot\",\"data\":[{\"asks\":[[\"9.5\",\"1\",\"0\","
                         "\"1\"]],\"bids\":[%s],\"ts\":\"1723161255100\",\"checksum\":0,"
                         "\"prevSeqId\":-1,\"seqId\":%llu}]}",
        bids, seq);
  return text_of(
      OKX_ARG("books") ",\"action\":\"update\",\"data\":[{\"asks\":[],\"bids\":[%s],\"ts\":"
                       "\"1723161255200\",\"checksum\":0,\"prevSeqId\":%llu,\"seqId\":%llu}]}",
      bids, prev, seq);
}

static inline const char *bitget_book(book_t kind, unsigned long long seq, unsigned long long prev,
                                      const char *bids) {
  return text_of(
      "{\"action\":\"%s\",\"arg\":{\"instType\":\"SPOT\",\"channel\":\"books\",\"instId\":"
      "\"BTCUSDT\"},\"data\":[{\"asks\":[%s],\"bids\":[%s],\"ts\":\"1723161255100\",\"seq\":"
      "%llu,\"pseq\":%llu}],\"ts\":1723161255101}",
      kind == SNAPSHOT_OF ? "snapshot" : "update", kind == SNAPSHOT_OF ? "[\"9.5\",\"1\"]" : "",
      bids, seq, prev);
}

static inline const char *bybit_book(book_t kind, unsigned long long seq, unsigned long long prev,
                                     const char *bids) {
  (void)prev;
  return text_of(
      "{\"topic\":\"orderbook.200.BTCUSDT\",\"type\":\"%s\",\"ts\":1723161255102,\"data\":{"
      "\"s\":\"BTCUSDT\",\"b\":[%s],\"a\":[%s],\"u\":%llu,\"seq\":7},\"cts\":1723161255100}",
      kind == SNAPSHOT_OF ? "snapshot" : "delta", bids,
      kind == SNAPSHOT_OF ? "[\"9.5\",\"1\"]" : "", seq);
}

static inline const char *cryptocom_book(book_t kind, unsigned long long seq,
                                         unsigned long long prev, const char *bids) {
  if (kind == SNAPSHOT_OF)
    return text_of(
        "{\"id\":-1,\"method\":\"subscribe\",\"code\":0,\"result\":{\"instrument_name\":"
        "\"BTC_USDT\",\"subscription\":\"book.BTC_USDT.50\",\"channel\":\"book\",\"data\":[{"
        "\"asks\":[[\"9.5\",\"1\",\"1\"]],\"bids\":[%s],\"t\":1723161255100,\"u\":%llu}]}}",
        bids, seq);
  return text_of(
      "{\"id\":-1,\"method\":\"subscribe\",\"code\":0,\"result\":{\"instrument_name\":"
      "\"BTC_USDT\",\"subscription\":\"book.BTC_USDT.50\",\"channel\":\"book.update\",\"data\":"
      "[{\"update\":{\"asks\":[],\"bids\":[%s]},\"t\":1723161255200,\"u\":%llu,\"pu\":%llu}]}}",
      bids, seq, prev);
}

#define BID "[\"9.4\",\"2\"]"

#endif
