/* Kraken's v2 messages while they are read: kraken_items.c makes rows of their items, kraken.c makes events of the
 * rows. Private to both.
 *
 * One writer: the thread that runs the feed, between a message's first byte and its last event. */
#ifndef TF_FEED_KRAKEN_SCAN_H
#define TF_FEED_KRAKEN_SCAN_H

#include "feed/kraken_state.h"
#include "feed/scanned.h"

/* Of a message. */
enum {
  KRAKEN_CHANNEL,
  KRAKEN_TYPE,
  KRAKEN_DATA,
  KRAKEN_METHOD,
  KRAKEN_RESULT,
  KRAKEN_SUCCESS,
  KRAKEN_ERROR,
  KRAKEN_EVENT, /* v1 */
  KRAKEN_STATUS,
  KRAKEN_ERROR_MESSAGE,
  KRAKEN_REQ_ID,
  KRAKEN_REFUSED_SYMBOL,
  KRAKEN_ROOT_KEY_CNT
};

/* An element of "data", or the "result" of an acknowledgement. */
enum {
  KRAKEN_SYMBOL,
  KRAKEN_BIDS,
  KRAKEN_ASKS,
  KRAKEN_CHECKSUM,
  KRAKEN_TIMESTAMP,
  KRAKEN_SIDE,
  KRAKEN_PRICE,
  KRAKEN_QTY,
  KRAKEN_TRADE_ID,
  KRAKEN_BID,
  KRAKEN_BID_QTY,
  KRAKEN_ASK,
  KRAKEN_ASK_QTY,
  KRAKEN_LAST,
  KRAKEN_VOLUME,
  KRAKEN_ACK_CHANNEL,
  KRAKEN_DEPTH,
  KRAKEN_SYSTEM,
  KRAKEN_ITEM_KEY_CNT
};

enum { KRAKEN_LEVEL_PRICE, KRAKEN_LEVEL_QTY, KRAKEN_LEVEL_KEY_CNT };

/* A book in the message that is being read. Its rows stand behind each other. */
typedef struct {
  tf_json_value_t   symbol, bids, asks;
  bool              has_symbol;
  uint32_t          row_cnt;
  uint8_t           ts_flags;
  tf_book_message_t book;
} tf_kraken_book_t;

typedef struct tf_kraken_scan {
  tf_json_object_t   root, item, level;
  tf_json_value_t    root_values[KRAKEN_ROOT_KEY_CNT + 1];
  tf_json_value_t    item_values[KRAKEN_ITEM_KEY_CNT + 1];
  tf_json_value_t    level_values[KRAKEN_LEVEL_KEY_CNT + 1];
  tf_json_orders_t   root_orders, item_orders, level_orders;
  const tf_frame_t  *frame; /* being read, with all below */
  uint32_t           book_cnt, trade_cnt, quote_cnt, other_cnt;
  uint32_t           row_cnt;
  uint32_t           channels; /* the feed's */
  bool               is_offline;
  tf_kraken_book_t   books[TF_KRAKEN_BOOKS_MAX];
  tf_scanned_fault_t fault;
} tf_kraken_scan_t;

/* Once at start. channels: the feed's. */
void tf_kraken_scan_init(tf_kraken_scan_t *scan, uint32_t channels);

/* Before each message. */
TF_INLINE void tf_kraken_scan_begin(tf_kraken_scan_t *scan, const tf_frame_t *frame) {
  scan->frame    = frame;
  scan->book_cnt = scan->trade_cnt = scan->quote_cnt = scan->other_cnt = scan->row_cnt = 0;
  scan->fault.is_bad = scan->is_offline = false;
}

#endif
