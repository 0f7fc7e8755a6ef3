/* What the two parts of the Coinbase Advanced Trade feed share: coinbase_items.c makes rows of a message's items,
 * coinbase.c makes events of the rows. Private to both.
 *
 * One writer: the thread that runs the feed. */
#ifndef TF_FEED_COINBASE_STATE_H
#define TF_FEED_COINBASE_STATE_H

#include "feed/acks.h"
#include "feed/feeds.h"
#include "feed/scanned.h"

#define COINBASE_GROUPS_MAX      64u /* elements of "events"; one was seen in every recorded message */
#define COINBASE_TIME_TEXT_BYTES 40u

/* Of a message, of an element of "events", of an item. */
enum {
  COINBASE_CHANNEL,
  COINBASE_TIMESTAMP,
  COINBASE_SEQUENCE,
  COINBASE_EVENTS,
  COINBASE_TYPE,
  COINBASE_MESSAGE,
  COINBASE_REASON,
  COINBASE_ROOT_KEY_CNT
};

enum {
  COINBASE_GROUP_TYPE,
  COINBASE_GROUP_PRODUCT,
  COINBASE_UPDATES,
  COINBASE_TRADES,
  COINBASE_TICKERS,
  COINBASE_SUBSCRIPTIONS,
  COINBASE_GROUP_KEY_CNT
};

enum {
  COINBASE_SIDE,
  COINBASE_EVENT_TIME,
  COINBASE_PRICE_LEVEL,
  COINBASE_NEW_QUANTITY,
  COINBASE_PRODUCT,
  COINBASE_TRADE_ID,
  COINBASE_PRICE,
  COINBASE_SIZE,
  COINBASE_TIME,
  COINBASE_VOLUME,
  COINBASE_ITEM_KEY_CNT
};

typedef enum tf_coinbase_items {
  COINBASE_ITEMS_NONE,
  COINBASE_ITEMS_LEVELS,
  COINBASE_ITEMS_TRADES,
  COINBASE_ITEMS_TICKERS
} tf_coinbase_items_t;

/* An element of "events". */
typedef struct tf_coinbase_group {
  tf_json_value_t     type, product, subscriptions;
  bool                has_type, has_product, has_subscriptions;
  tf_coinbase_items_t items;
  uint32_t            row_cnt;
} tf_coinbase_group_t;

typedef struct tf_coinbase_state {
  tf_feed_head_t      head; /* first: feeds.h */
  tf_feed_row_t      *rows; /* index: the symbol's number */
  tf_symbols_t        symbols;
  tf_acks_t           acks;
  uint32_t            channels, asked_cnt;
  uint64_t            sequence; /* of the newest message */
  bool                has_sequence;
  tf_json_object_t    root, group, item;
  tf_json_value_t     root_values[COINBASE_ROOT_KEY_CNT + 1];
  tf_json_value_t     group_values[COINBASE_GROUP_KEY_CNT + 1];
  tf_json_value_t     item_values[COINBASE_ITEM_KEY_CNT + 1];
  tf_json_orders_t    root_orders, group_orders, item_orders;
  const tf_frame_t   *frame; /* being read, with all below */
  uint32_t            group_cnt;
  tf_coinbase_group_t groups[COINBASE_GROUPS_MAX];
  tf_scanned_fault_t  fault;
  uint32_t            row_cnt;
  char     time_text[COINBASE_TIME_TEXT_BYTES]; /* the last one read, because they come in runs */
  uint32_t time_text_bytes;
  uint64_t time_ns;
} tf_coinbase_state_t;

/* Once at start: the tables that the scanner reads by. */
void tf_coinbase_scan_init(tf_coinbase_state_t *st);

/* Before each message. */
TF_INLINE void tf_coinbase_scan_begin(tf_coinbase_state_t *st, const tf_frame_t *frame) {
  st->frame        = frame;
  st->group_cnt    = 0;
  st->row_cnt      = 0;
  st->fault.is_bad = false;
}

#endif
