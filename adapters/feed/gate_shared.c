#include "feed/gate.h"
#include "feed/text_out.h"

#define BIT           TF_IN_BAND_BIT
#define DEPTH_UPDATE  100u /* levels a side of a REST book; futures push changes of no more */
#define DEPTH_OBU     50u
#define DEPTH_OBU_MAX 400u

enum { ROOT, RESULT, LEVEL, REST, ERROR_OBJECT, OBJECT_CNT };
enum { TIME = 1, TIME_MS, ID, CHANNEL, EVENT, ERROR, RESULT_KEY, ROOT_KEY_CNT };
static const tf_json_key_t root_keys[ROOT_KEY_CNT] = {
    TF_IN_BAND_NO_KEY,
    [TIME]       = TF_JSON_KEY("time", TF_JSON_WANT_U64),
    [TIME_MS]    = TF_JSON_KEY("time_ms", TF_JSON_WANT_U64),
    [ID]         = TF_JSON_KEY("id", TF_JSON_WANT_U64),
    [CHANNEL]    = TF_JSON_KEY("channel", TF_JSON_WANT_TEXT),
    [EVENT]      = TF_JSON_KEY("event", TF_JSON_WANT_TEXT),
    [ERROR]      = TF_JSON_KEY("error", TF_JSON_WANT_SECOND),
    [RESULT_KEY] = TF_JSON_KEY("result", TF_JSON_WANT_ITEM),
};
enum { MESSAGE = 1, ERROR_KEY_CNT };
static const tf_json_key_t error_keys[ERROR_KEY_CNT] = {
    TF_IN_BAND_NO_KEY,
    [MESSAGE] = TF_JSON_KEY("message", TF_JSON_WANT_TEXT),
};
/* What "result" is, or is a list of. b and a are prices too. */
enum {
  TRADE_ID = 1,
  CREATED_MS,
  SIDE,
  PAIR,
  CONTRACT,
  AMOUNT,
  SIZE,
  PRICE,
  SYMBOL,
  B,
  B_QTY,
  A,
  A_QTY,
  T,
  FIRST,
  LAST,
  FULL,
  LAST_PRICE,
  BASE_VOLUME,
  FUTURES_VOLUME,
  MARK,
  FUNDING,
  STATUS,
  RESULT_KEY_CNT
};
#define RESULT_KEYS(levels)                                                                        \
  {                                                                                                \
    TF_IN_BAND_NO_KEY,                                                                             \
        [TRADE_ID]   = TF_JSON_KEY("id", TF_JSON_WANT_U64),                                        \
        [CREATED_MS] = TF_JSON_KEY("create_time_ms", TF_JSON_WANT_DECIMAL),                        \
        [SIDE]       = TF_JSON_KEY("side", TF_JSON_WANT_TEXT),                                     \
        [PAIR]       = TF_JSON_KEY("currency_pair", TF_JSON_WANT_TEXT),                            \
        [CONTRACT]   = TF_JSON_KEY("contract", TF_JSON_WANT_TEXT),                                 \
        [AMOUNT]     = TF_JSON_KEY("amount", TF_JSON_WANT_DECIMAL),                                \
        [SIZE]       = TF_JSON_KEY("size", TF_JSON_WANT_DECIMAL),                                  \
        [PRICE]      = TF_JSON_KEY("price", TF_JSON_WANT_DECIMAL),                                 \
        [SYMBOL] = TF_JSON_KEY("s", TF_JSON_WANT_TEXT), [B] = TF_JSON_KEY("b", levels),            \
        [B_QTY] = TF_JSON_KEY("B", TF_JSON_WANT_DECIMAL), [A] = TF_JSON_KEY("a", levels),          \
        [A_QTY] = TF_JSON_KEY("A", TF_JSON_WANT_DECIMAL),                                          \
        [T]     = TF_JSON_KEY("t", TF_JSON_WANT_DECIMAL),                                          \
        [FIRST] = TF_JSON_KEY("U", TF_JSON_WANT_U64), [LAST] = TF_JSON_KEY("u", TF_JSON_WANT_U64), \
        [FULL]           = TF_JSON_KEY("full", TF_JSON_WANT_BYTES),                                \
        [LAST_PRICE]     = TF_JSON_KEY("last", TF_JSON_WANT_DECIMAL),                              \
        [BASE_VOLUME]    = TF_JSON_KEY("base_volume", TF_JSON_WANT_DECIMAL),                       \
        [FUTURES_VOLUME] = TF_JSON_KEY("volume_24h_base", TF_JSON_WANT_DECIMAL),                   \
        [MARK]           = TF_JSON_KEY("mark_price", TF_JSON_WANT_DECIMAL),                        \
        [FUNDING]        = TF_JSON_KEY("funding_rate", TF_JSON_WANT_DECIMAL),                      \
        [STATUS]         = TF_JSON_KEY("status", TF_JSON_WANT_TEXT),                               \
  }
static const tf_json_key_t spot_result_keys[RESULT_KEY_CNT]    = RESULT_KEYS(TF_JSON_WANT_LEVELS);
static const tf_json_key_t futures_result_keys[RESULT_KEY_CNT] = RESULT_KEYS(TF_JSON_WANT_ITEMS);
enum { LEVEL_PRICE = 1, LEVEL_QTY, LEVEL_KEY_CNT };
static const tf_json_key_t level_keys[LEVEL_KEY_CNT] = {
    TF_IN_BAND_NO_KEY,
    [LEVEL_PRICE] = TF_JSON_KEY("p", TF_JSON_WANT_DECIMAL),
    [LEVEL_QTY]   = TF_JSON_KEY("s", TF_JSON_WANT_DECIMAL),
};
/* A REST book. */
enum { REST_ID = 1, UPDATED, BIDS, ASKS, REST_KEY_CNT };
#define REST_KEYS(levels)                                                                          \
  {                                                                                                \
    TF_IN_BAND_NO_KEY, [REST_ID] = TF_JSON_KEY("id", TF_JSON_WANT_U64),                            \
                       [UPDATED] = TF_JSON_KEY("update", TF_JSON_WANT_DECIMAL),                    \
                       [BIDS] = TF_JSON_KEY("bids", levels), [ASKS] = TF_JSON_KEY("asks", levels), \
  }
static const tf_json_key_t spot_rest_keys[REST_KEY_CNT]    = REST_KEYS(TF_JSON_WANT_LEVELS);
static const tf_json_key_t futures_rest_keys[REST_KEY_CNT] = REST_KEYS(TF_JSON_WANT_ITEMS);

#define OBJECTS(result_keys, rest_keys)                                                            \
  {                                                                                                \
    [ROOT]         = {root_keys, ROOT_KEY_CNT, .child = RESULT, .second = ERROR_OBJECT},           \
    [RESULT]       = {result_keys, RESULT_KEY_CNT, .child = LEVEL},                                \
    [LEVEL]        = {level_keys, LEVEL_KEY_CNT, 0, 0},                                            \
    [REST]         = {rest_keys, REST_KEY_CNT, .child = LEVEL},                                    \
    [ERROR_OBJECT] = {error_keys, ERROR_KEY_CNT, 0, 0},                                            \
  }
static const tf_in_band_object_t spot_objects[OBJECT_CNT] =
    OBJECTS(spot_result_keys, spot_rest_keys);
static const tf_in_band_object_t futures_objects[OBJECT_CNT] =
    OBJECTS(futures_result_keys, futures_rest_keys);

/* Of both markets: each has the keys of its own. */
#define ITEMS(updated_form)                                                                        \
  {                                                                                                \
    TF_IN_BAND_ITEM(.object = RESULT, .kind = TF_EVENT_BOOK, .marks = BIT(SYMBOL) | BIT(LAST),     \
                    .lacks = BIT(B_QTY), .time = T, .bids = B, .asks = A, .first_seq = FIRST,      \
                    .last_seq = LAST),                                                             \
        TF_IN_BAND_ITEM(.object = RESULT, .kind = TF_EVENT_QUOTE,                                  \
                        .marks = BIT(B) | BIT(A) | BIT(B_QTY) | BIT(A_QTY), .symbol = SYMBOL,      \
                        .time = T, .last_seq = LAST, .bid = B, .bid_qty = B_QTY, .ask = A,         \
                        .ask_qty = A_QTY),                                                         \
        TF_IN_BAND_ITEM(.object = RESULT, .kind = TF_EVENT_TRADE,                                  \
                        .marks = BIT(PRICE) | BIT(AMOUNT), .symbol = PAIR, .time = CREATED_MS,     \
                        .price = PRICE, .qty = AMOUNT, .side = SIDE, .id = TRADE_ID),              \
        TF_IN_BAND_ITEM(.object = RESULT, .kind = TF_EVENT_TRADE, .marks = BIT(PRICE) | BIT(SIZE), \
                        .symbol = CONTRACT, .time = CREATED_MS, .price = PRICE, .qty = SIZE,       \
                        .id = TRADE_ID),                                                           \
        TF_IN_BAND_ITEM(.object = RESULT, .kind = TF_EVENT_TICKER,                                 \
                        .marks = BIT(LAST_PRICE) | BIT(PAIR), .symbol = PAIR, .last = LAST_PRICE,  \
                        .volume = BASE_VOLUME),                                                    \
        TF_IN_BAND_ITEM(.object = RESULT, .kind = TF_EVENT_TICKER,                                 \
                        .marks = BIT(LAST_PRICE) | BIT(CONTRACT), .symbol = CONTRACT,              \
                        .last = LAST_PRICE, .volume = FUTURES_VOLUME, .mark = MARK,                \
                        .funding = FUNDING),                                                       \
        TF_IN_BAND_ITEM(.object = LEVEL, .kind = TF_IN_BAND_LEVEL, .price = LEVEL_PRICE,           \
                        .qty = LEVEL_QTY),                                                         \
        TF_IN_BAND_ITEM(.object = REST, .kind = TF_EVENT_BOOK, .marks = BIT(BIDS) | BIT(ASKS),     \
                        .time = UPDATED, .time_form = (updated_form), .bids = BIDS, .asks = ASKS,  \
                        .last_seq = REST_ID)                                                       \
  }
static const tf_in_band_item_t spot_items[]    = ITEMS(TF_IN_BAND_MS);
static const tf_in_band_item_t futures_items[] = ITEMS(TF_IN_BAND_S);

typedef struct {
  uint64_t now_ns; /* of the newest message: requests carry a time */
} own_t;

static own_t *own_of(void *state) { return ((tf_in_band_t *)state)->own; }

static const tf_gate_market_t *market_of(const void *state) {
  return ((const tf_in_band_t *)state)->spec->market;
}

/* What stands behind the market's prefix in a channel's name. */
static const tf_in_band_channel_t channels[] = {
    {"order_book_update", TF_CHANNEL_BOOK,   DEPTH_UPDATE,  false, false, false},
    {"obu",               TF_CHANNEL_BOOK,   DEPTH_OBU,     false, false, false},
    {"obu",               TF_CHANNEL_BOOK,   DEPTH_OBU_MAX, false, false, false},
    {"book_ticker",       TF_CHANNEL_QUOTE,  0,             false, false, false},
    {"trades",            TF_CHANNEL_TRADE,  0,             false, false, false},
    {"tickers",           TF_CHANNEL_TICKER, 0,             false, false, false},
    {"candlesticks",      0,                 0,             false, false, false},
    {"order_book",        0,                 0,             false, false, false},
    {"public_liquidates", 0,                 0,             false, false, false},
    {"contract_stats",    0,                 0,             false, false, false},
    {NULL,                0,                 0,             false, false, false},
};

static bool takes_rest(const tf_in_band_t *in) {
  return tf_in_band_is_target(in, market_of(in)->book_path);
}

/* Snapshots that were asked for. */
static void route_rest(tf_in_band_t *in, tf_in_band_route_t *r) {
  r->what        = TF_IN_BAND_DATA;
  r->channels    = TF_CHANNEL_BOOK;
  r->is_snapshot = r->is_requested = true;
  r->name                          = "snapshot";
  r->name_bytes                    = 8;
  tf_in_band_symbol_of_target(in, market_of(in)->symbol_key, r);
}

/* An answer to a request: {"event":"subscribe","error":null|{..},"result":{"status":"success"}}. */
static void route_answer(tf_in_band_t *in, tf_in_band_route_t *r, uint32_t channel) {
  const tf_json_value_t *error = tf_in_band_value(in, ROOT, ERROR);
  uint64_t               id    = 0;
  bool                   is_refusal =
      (error != NULL && error->kind != TF_JSON_NULL) || tf_in_band_is(in, RESULT, STATUS, "fail");
  if (is_refusal) tf_in_band_complain(in, ERROR_OBJECT, MESSAGE);
  tf_in_band_u64(in, ROOT, ID, &id);
  if (tf_in_band_is(in, ROOT, EVENT, "subscribe"))
    tf_in_band_answer(in, id, channel, NULL, is_refusal);
  r->what = TF_IN_BAND_CONTROL;
}

static void route_data(tf_in_band_t *in, tf_in_band_route_t *r, bool is_obu) {
  const tf_json_value_t *symbol = tf_in_band_value(in, RESULT, SYMBOL);
  const tf_json_value_t *full   = tf_in_band_value(in, RESULT, FULL);
  r->ts_ns                      = tf_in_band_time(in, ROOT, TIME_MS, TF_IN_BAND_MS);
  if (r->ts_ns == 0) r->ts_ns = tf_in_band_time(in, ROOT, TIME, TF_IN_BAND_S);
  if (r->channels == TF_CHANNEL_BOOK && symbol != NULL)
    r->symbol = is_obu ? tf_in_band_part(symbol, '.', 1, false) : *symbol;
  r->is_snapshot = is_obu && full != NULL && full->kind == TF_JSON_TRUE;
}

static void route(tf_in_band_t *in, tf_in_band_route_t *r) {
  if (in->frame->kind == TF_FRAME_HTTP) {
    route_rest(in, r);
    return;
  }
  const char            *prefix = market_of(in)->prefix;
  const tf_json_value_t *name   = tf_in_band_value(in, ROOT, CHANNEL);
  uint32_t               n      = (uint32_t)strlen(prefix);
  if (name == NULL || name->kind != TF_JSON_STRING || name->bytes_cnt < n ||
      memcmp(name->bytes, prefix, n) != 0)
    return;
  tf_json_value_t kind = *name;
  kind.bytes += n;
  kind.bytes_cnt -= n;
  bool is_system = TF_JSON_TEXT_IS(&kind, "system"); /* it is about to be upgraded */
  if (is_system || TF_JSON_TEXT_IS(&kind, "pong")) {
    in->out->leaving |= is_system;
    r->what = TF_IN_BAND_CONTROL;
    return;
  }
  const tf_json_value_t *event = tf_in_band_value(in, ROOT, EVENT);
  bool is_data = tf_in_band_is(in, ROOT, EVENT, "update") || tf_in_band_is(in, ROOT, EVENT, "all");
  const tf_in_band_channel_t *row = tf_in_band_channel_of(channels, &kind);
  if (row == NULL || (event == NULL && row->channels != 0)) return;
  if (event != NULL && !is_data) {
    route_answer(in, r, row->channels);
    return;
  }
  tf_in_band_take_row(r, row, &kind);
  r->name       = name->bytes;
  r->name_bytes = name->bytes_cnt;
  if (row->channels != 0) route_data(in, r, TF_JSON_TEXT_IS(&kind, "obu"));
}

const uint32_t        tf_gate_depths_in_band[] = {DEPTH_OBU, DEPTH_OBU_MAX, 0};
static const uint32_t depths[]                 = {DEPTH_OBU, DEPTH_UPDATE, DEPTH_OBU_MAX, 0};

#define SPEC(its_market, its_objects, its_items)                                                   \
  {                                                                                                \
    .market = &(its_market), .objects = (its_objects), .object_cnt = OBJECT_CNT,                   \
    .rest_object = REST, .items = (its_items), .item_cnt = TF_ARRAY_CNT(its_items),                \
    .ids = TF_IN_BAND_IDS_ASCENDING, .buy = "buy", .sell = "sell", .bridges = true,                \
    .depth_default = DEPTH_UPDATE, .depths = depths, .takes_rest = takes_rest, .route = route,     \
    .own_bytes = sizeof(own_t)                                                                     \
  }
const tf_in_band_spec_t tf_gate_spot_spec = SPEC(tf_gate_spot_market, spot_objects, spot_items);
const tf_in_band_spec_t tf_gate_futures_spec =
    SPEC(tf_gate_futures_market, futures_objects, futures_items);

/* ---- live ---- */

size_t tf_gate_ws_target(const void *state, char *buf, size_t cap) {
  tf_text_out_t t = {buf, cap, 0};
  tf_text_out_put(&t, market_of(state)->ws_path);
  return tf_text_out_finish(&t);
}

/* {"time":1619093532,"id":7,"channel":"spot.trades" */
static void put_head(tf_text_out_t *t, const tf_in_band_t *in, uint64_t id, const char *channel) {
  tf_text_out_put(t, "{\"time\":");
  tf_text_out_u64(t, ((const own_t *)in->own)->now_ns / TF_NS_PER_SEC);
  if (id != 0) {
    tf_text_out_put(t, ",\"id\":");
    tf_text_out_u64(t, id);
  }
  tf_text_out_put(t, ",\"channel\":\"");
  tf_text_out_put(t, market_of(in)->prefix);
  tf_text_out_put(t, channel);
  tf_text_out_char(t, '"');
}

size_t tf_gate_request(const void *state, const tf_feed_request_t *request, char *buf, size_t cap) {
  const tf_in_band_t         *in  = state;
  const tf_in_band_channel_t *row = tf_in_band_channel_for(in, channels, request->channel);
  bool is_book = request->channel == TF_CHANNEL_BOOK, is_obu = is_book && in->depth != DEPTH_UPDATE;
  tf_text_out_t t = {buf, cap, 0};
  put_head(&t, in, request->id, row->name);
  tf_text_out_put(&t, ",\"event\":\"");
  tf_text_out_put(&t, request->unsubscribe ? "unsubscribe" : "subscribe");
  tf_text_out_put(&t, "\",\"payload\":[\"");
  if (is_obu) tf_text_out_put(&t, "ob.");
  tf_text_out_put(&t, in->symbols.rows[request->symbols[0]].text);
  if (is_obu) {
    tf_text_out_char(&t, '.');
    tf_text_out_u64(&t, in->depth);
  }
  tf_text_out_char(&t, '"');
  if (is_book && !is_obu) tf_text_out_put(&t, market_of(in)->book_payload);
  tf_text_out_put(&t, "]}");
  return tf_text_out_finish(&t);
}

size_t tf_gate_snapshot_target(const void *state, uint32_t instrument_id, char *buf, size_t cap) {
  const tf_in_band_t     *in     = state;
  const tf_gate_market_t *market = market_of(state);
  uint32_t                idx    = tf_in_band_row_idx(in, instrument_id);
  if (idx == TF_SYMBOLS_NONE) return 0;
  tf_text_out_t t = {buf, cap, 0};
  tf_text_out_put(&t, market->book_path);
  tf_text_out_char(&t, '?');
  tf_text_out_put(&t, market->symbol_key);
  tf_text_out_char(&t, '=');
  tf_text_out_url(&t, in->symbols.rows[idx].text);
  tf_text_out_put(&t, "&limit=");
  tf_text_out_u64(&t, DEPTH_UPDATE);
  tf_text_out_put(&t, "&with_id=true");
  return tf_text_out_finish(&t);
}

size_t tf_gate_metadata_target(const void *state, uint32_t request_idx, char *buf, size_t cap) {
  if (request_idx > 0) return 0;
  tf_text_out_t t = {buf, cap, 0};
  tf_text_out_put(&t, market_of(state)->info_path);
  return tf_text_out_finish(&t);
}

size_t tf_gate_heartbeat(const void *state, char *buf, size_t cap) {
  tf_text_out_t t = {buf, cap, 0};
  put_head(&t, state, 0, "ping");
  tf_text_out_char(&t, '}');
  return tf_text_out_finish(&t);
}

/* ---- lifetime ---- */

tf_verdict_t tf_gate_on_frame(void *state, const tf_frame_t *frame, tf_feed_out_t *out) {
  own_of(state)->now_ns = frame->recv_ns;
  return tf_in_band_on_frame(state, frame, out);
}

void tf_gate_on_connect(void *state, uint64_t now_ns, tf_feed_out_t *out) {
  own_of(state)->now_ns = now_ns;
  tf_in_band_on_connect(state, now_ns, out);
}
