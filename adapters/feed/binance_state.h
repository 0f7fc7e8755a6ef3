/* What binance.c, binance_book.c and binance_live.c share. Private to them. */
#ifndef TF_FEED_BINANCE_STATE_H
#define TF_FEED_BINANCE_STATE_H

#include "feed/binance.h"
#include "feed/bridge.h"
#include "feed/feeds.h"
#include "feed/newest.h"
#include "feed/symbols.h"
#include "feed/trade_ids.h"
#include "wire/json.h"

/* The keys that anything is made of, with what is made of them. The payload's come first; the ones
 * behind DATA_KEYS_END stand beside a payload or in place of one. X(name, text, want) */
#define TF_BINANCE_KEYS(X)                                                                         \
  X(TYPE, "e", TEXT)                                                                               \
  X(SENT, "E", U64)                                                                                \
  X(HAPPENED, "T", U64)                                                                            \
  X(SYMBOL, "s", TEXT)                                                                             \
  X(TRADE_ID, "t", U64)                                                                            \
  X(A, "a", LEVELS) /* ask price, asks, or an aggTrade's id */                                     \
  X(B, "b", LEVELS) /* bid price, or bids */                                                       \
  X(ASK_QTY, "A", DECIMAL)                                                                         \
  X(BID_QTY, "B", DECIMAL)                                                                         \
  X(PRICE, "p", DECIMAL)                                                                           \
  X(QTY, "q", DECIMAL)                                                                             \
  X(MAKER, "m", BYTES)                                                                             \
  X(ORIGIN, "X", TEXT)                                                                             \
  X(FIRST_ID, "U", U64)                                                                            \
  X(LAST_ID, "u", U64)                                                                             \
  X(PREVIOUS_ID, "pu", U64)                                                                        \
  X(CLOSE, "c", DECIMAL)                                                                           \
  X(VOLUME, "v", DECIMAL)                                                                          \
  X(FUNDING, "r", DECIMAL)                                                                         \
  X(SNAPSHOT_ID, "lastUpdateId", U64)                                                              \
  X(BIDS, "bids", LEVELS)                                                                          \
  X(ASKS, "asks", LEVELS)                                                                          \
  X(LONG_SYMBOL, "symbol", TEXT)                                                                   \
  X(STREAM, "stream", TEXT)                                                                        \
  X(DATA, "data", OBJECT)                                                                          \
  X(RESULT, "result", BYTES)                                                                       \
  X(ID, "id", BYTES)                                                                               \
  X(CODE, "code", BYTES)                                                                           \
  X(MSG, "msg", BYTES)                                                                             \
  X(ERROR, "error", BYTES)

typedef enum tf_binance_key {
#define TF_BINANCE_KEY_ENUM_(name, text, want) TF_BINANCE_KEY_##name,
  TF_BINANCE_KEYS(TF_BINANCE_KEY_ENUM_)
#undef TF_BINANCE_KEY_ENUM_
      TF_BINANCE_KEY_CNT,
  TF_BINANCE_DATA_KEY_CNT = TF_BINANCE_KEY_STREAM
} tf_binance_key_t;

#define TF_BINANCE_BIT(name) (UINT64_C(1) << TF_BINANCE_KEY_##name)

/* One instrument; index: its number in symbols. */
typedef struct tf_binance_row {
  tf_bridge_row_t book;
  tf_trade_ids_t  trades, agg_trades;
  uint64_t        quote_id; /* of the newest bookTicker */
  tf_newest_t     ticker, mark_price;
} tf_binance_row_t;

typedef struct tf_binance_state {
  tf_feed_head_t             head; /* first: feeds.h */
  const tf_binance_market_t *market;
  tf_binance_row_t          *rows;
  tf_symbols_t               symbols;
  tf_chain_pool_t            pool;
  uint32_t                   channels;
  uint32_t                   asked_cnt;  /* symbols that the config names: the first rows; 0: any */
  uint64_t                   ts_unit;    /* ns in one, of the feed's first time; 0: none yet */
  tf_json_object_t           root, data; /* what a message is read into */
  tf_json_value_t            root_values[TF_BINANCE_KEY_CNT + 1];
  tf_json_value_t            data_values[TF_BINANCE_DATA_KEY_CNT + 1];
  tf_json_orders_t           root_orders, data_orders;
} tf_binance_state_t;

/* One message while it is worked on. */
typedef struct tf_binance_message {
  const tf_frame_t      *frame;
  tf_feed_out_t         *out;
  const tf_json_value_t *values; /* of the payload, by tf_binance_key_t */
  uint64_t               seen;
  const tf_json_value_t *stream; /* NULL: a raw message */
  tf_json_t              json;
} tf_binance_message_t;

TF_INLINE bool tf_binance_has(const tf_binance_message_t *m, uint64_t bits) {
  return (m->seen & bits) == bits;
}

/* Why a message lacks a field that was made (tf_json_made_t) as needed; call when one is. */
TF_INLINE tf_reject_t tf_binance_why(const tf_binance_message_t *m, tf_binance_key_t key) {
  bool is_bad = (m->seen >> key & 1) && m->values[key].made == TF_JSON_MADE_BAD;
  return is_bad ? TF_REJECT_NUMBER : TF_REJECT_SCHEMA;
}

/* Quotes and books have their ids from one numbering (USD-M, COIN-M: 118,623 recorded messages of both; where
 * transaction times differ at all, they say the same). OUTRUN where the other channel's newest id is larger. */
TF_INLINE uint8_t tf_binance_outrun(uint64_t id, uint64_t others_id) {
  return id < others_id && others_id - id < TF_CHAIN_SEQ_RESTART ? TF_FLAG_OUTRUN : 0;
}

TF_COLD uint64_t tf_binance_odd_time(tf_binance_state_t *st, uint64_t value, uint64_t recv_ns,
                                     uint8_t *flags);

/* T or E in ns, and BAD_TS in *flags where it is not to be trusted. False: a time is there and is
 * no integer, or none is there and is_due. */
TF_INLINE bool tf_binance_time(tf_binance_state_t *st, const tf_binance_message_t *m, bool is_due,
                               uint64_t *ns, uint8_t *flags) {
  tf_binance_key_t key =
      tf_binance_has(m, TF_BINANCE_BIT(HAPPENED)) ? TF_BINANCE_KEY_HAPPENED : TF_BINANCE_KEY_SENT;
  *ns = 0;
  if (TF_UNLIKELY(!(m->seen >> key & 1))) return !is_due;
  if (TF_UNLIKELY(m->values[key].made != TF_JSON_MADE_U64)) return false;
  uint64_t value = tf_json_u64(&m->json, &m->values[key]);
  /* 1973 to 2554 in ms: what every message has */
  if (TF_LIKELY(st->ts_unit == TF_NS_PER_MS && value - 100000000000u < 18346744073709u)) {
    *ns = value * TF_NS_PER_MS;
    if (TF_LIKELY(*ns <= m->frame->recv_ns + 3600 * TF_NS_PER_SEC)) return true;
  }
  *ns = tf_binance_odd_time(st, value, m->frame->recv_ns, flags);
  return true;
}

/* The instrument of a symbol in the payload: adds one that is new if any is taken. On failure
 * TF_SYMBOLS_NONE, and *why. */
TF_INLINE uint32_t tf_binance_row_of(tf_binance_state_t *st, const tf_json_value_t *symbol,
                                     tf_reject_t *why) {
  return tf_symbols_of(&st->symbols, symbol, st->asked_cnt == 0, why);
}

TF_INLINE tf_verdict_t tf_binance_reject(const tf_binance_message_t *m, tf_reject_t why) {
  return tf_feeds_reject(m->out->counts, m->frame, why);
}
#define TF_BINANCE_IGNORE(m, literal)                                                              \
  tf_feeds_ignore((m)->out->counts, (literal), sizeof(literal) - 1)

/* binance_book.c: depthUpdate; {"lastUpdateId"..}; and what a new connection means for books. */
tf_verdict_t tf_binance_book_delta(tf_binance_state_t *st, tf_binance_message_t *m);
tf_verdict_t tf_binance_book_snapshot(tf_binance_state_t *st, tf_binance_message_t *m);
void         tf_binance_book_restart(tf_binance_state_t *st, uint64_t now_ns, tf_feed_out_t *out);

#endif
