/* Bitget, websocket v2 (VENUES.md 12), and v1 in recordings.
 *
 *   {"action":"snapshot"|"update","arg":{"instType":"SPOT","channel":"books","instId":"BTCUSDT"},"data":[
 *     {"asks":[[price,qty]],"bids":[..],"ts":"..","seq":..,"pseq":..}],"ts":..}
 *
 *   trade        TRADE; side is the taker's; newest first. v1: [ts,price,qty,side] without an id
 *   books1       QUOTE, sent as a book of one level a side
 *   books        BOOK. pseq is the message before; v1 has a checksum over 25 levels instead, as OKX had
 *   books5, books15   BOOK, whole each time
 *   ticker       TICKER: last, mark price, funding rate. Both forms' names
 *   pong, subscribe, unsubscribe, error   CONTROL; a request is named by its stream, not by an id
 *   candle*, ..  ignored, by channel
 *
 * Spot and futures share an address and the names of their instruments: instType tells them apart. BTCUSDT of
 * the futures is BTCUSDT-FUTURES here; which of the three kinds of futures it is of is in its name. An
 * unknown name of a known family is acknowledged and silent. A client that does not send ping is cut after
 * two minutes, whatever else flows. */
#include <strings.h>

#include "feed/args.h"

#define DEPTH_BOOKS 500u
#define FUTURES     "-FUTURES"

enum {
  TS = 1,
  SYSTEM_TIME, /* v1, futures */
  TRADE_ID,
  PRICE,
  QTY,
  SIDE,
  ASKS,
  BIDS,
  CHECKSUM,
  PREVIOUS,
  SEQ,
  LAST,
  LAST_V1,
  VOLUME,
  MARK,
  FUNDING,
  FUNDING_V1,
  ITEM_KEY_CNT
};
static const tf_json_key_t item_keys[ITEM_KEY_CNT] = {
    TF_IN_BAND_NO_KEY,
    [TS]          = TF_JSON_KEY("ts", TF_JSON_WANT_DECIMAL),
    [SYSTEM_TIME] = TF_JSON_KEY("systemTime", TF_JSON_WANT_DECIMAL),
    [TRADE_ID]    = TF_JSON_KEY("tradeId", TF_JSON_WANT_TEXT),
    [PRICE]       = TF_JSON_KEY("price", TF_JSON_WANT_DECIMAL),
    [QTY]         = TF_JSON_KEY("size", TF_JSON_WANT_DECIMAL),
    [SIDE]        = TF_JSON_KEY("side", TF_JSON_WANT_TEXT),
    [ASKS]        = TF_JSON_KEY("asks", TF_JSON_WANT_LEVELS),
    [BIDS]        = TF_JSON_KEY("bids", TF_JSON_WANT_LEVELS),
    [CHECKSUM]    = TF_JSON_KEY("checksum", TF_JSON_WANT_DECIMAL),
    [PREVIOUS]    = TF_JSON_KEY("pseq", TF_JSON_WANT_U64),
    [SEQ]         = TF_JSON_KEY("seq", TF_JSON_WANT_U64),
    [LAST]        = TF_JSON_KEY("lastPr", TF_JSON_WANT_DECIMAL),
    [LAST_V1]     = TF_JSON_KEY("last", TF_JSON_WANT_DECIMAL),
    [VOLUME]      = TF_JSON_KEY("baseVolume", TF_JSON_WANT_DECIMAL),
    [MARK]        = TF_JSON_KEY("markPrice", TF_JSON_WANT_DECIMAL),
    [FUNDING]     = TF_JSON_KEY("fundingRate", TF_JSON_WANT_DECIMAL),
    [FUNDING_V1]  = TF_JSON_KEY("capitalRate", TF_JSON_WANT_DECIMAL),
};

/* v1: ["1649290077777","0.005613","890.8","buy"] */
enum { V1_TIME, V1_PRICE, V1_QTY, V1_SIDE, V1_CNT };
static const tf_json_key_t trade_v1_places[V1_CNT] = {
    [V1_TIME]  = TF_JSON_PLACE(TF_JSON_WANT_DECIMAL),
    [V1_PRICE] = TF_JSON_PLACE(TF_JSON_WANT_DECIMAL),
    [V1_QTY]   = TF_JSON_PLACE(TF_JSON_WANT_DECIMAL),
    [V1_SIDE]  = TF_JSON_PLACE(TF_JSON_WANT_TEXT),
};

enum { TRADE_V1 = TF_ARGS_OBJECT_CNT, OBJECT_CNT };
static const tf_in_band_object_t objects[OBJECT_CNT] = {
    [TF_ARGS_ROOT] = {tf_args_root_keys, TF_ARGS_ROOT_KEY_CNT, TF_ARGS_ITEM, TF_ARGS_ARG},
    [TF_ARGS_ARG]  = {tf_args_arg_keys,  TF_ARGS_ARG_KEY_CNT,  0,            0          },
    [TF_ARGS_ITEM] = {item_keys,         ITEM_KEY_CNT,         0,            0          },
    [TRADE_V1]     = {trade_v1_places,   V1_CNT,               0,            0          },
};

static void put_trade_v1(tf_in_band_t *in, const tf_json_object_t *trade) {
  const tf_json_value_t *v        = trade->values;
  bool                   is_whole = (trade->seen >> V1_SIDE & 1) != 0;
  for (uint32_t i = 0; i < V1_CNT && is_whole; i++) is_whole = v[i].kind == TF_JSON_STRING;
  int         taker = is_whole ? tf_in_band_side_of(in, &v[V1_SIDE]) : 0;
  tf_event_t *row   = taker != 0 ? tf_in_band_put_row(in, TF_EVENT_TRADE) : NULL;
  if (row == NULL) {
    tf_in_band_refuse(in, TF_REJECT_SCHEMA);
    return;
  }
  bool is_good = v[V1_PRICE].made == TF_JSON_MADE_DECIMAL && v[V1_PRICE].as.mantissa >= 0 &&
                 v[V1_QTY].made == TF_JSON_MADE_DECIMAL && v[V1_QTY].as.mantissa >= 0;
  if (!is_good) tf_in_band_refuse(in, TF_REJECT_NUMBER);
  row->ts_event_ns = tf_in_band_time_of(in, &v[V1_TIME], TF_IN_BAND_MS);
  row->flags       = tf_draft_time_flags(row->ts_event_ns, in->frame->recv_ns);
  row->flags |= taker < 0 ? TF_FLAG_SIDE : 0;
  row->price_exp     = v[V1_PRICE].exp;
  row->qty_exp       = v[V1_QTY].exp;
  row->u.trade.price = v[V1_PRICE].as.mantissa;
  row->u.trade.qty   = v[V1_QTY].as.mantissa;
}

#define BIT TF_IN_BAND_BIT
static const tf_in_band_item_t items[] = {
    TF_IN_BAND_ITEM(.object = TF_ARGS_ITEM, .kind = TF_EVENT_BOOK, .marks = BIT(ASKS) | BIT(BIDS),
                    .time = TS, .bids = BIDS, .asks = ASKS, .last_seq = SEQ, .previous = PREVIOUS,
                    .checksum = CHECKSUM),
    TF_IN_BAND_ITEM(.object = TF_ARGS_ITEM, .kind = TF_EVENT_TRADE,
                    .marks = BIT(TRADE_ID) | BIT(PRICE), .time = TS, .price = PRICE, .qty = QTY,
                    .side = SIDE, .id = TRADE_ID),
    TF_IN_BAND_ITEM(.object = TRADE_V1, .kind = TF_IN_BAND_OWN, .put = put_trade_v1),
    TF_IN_BAND_ITEM(.object = TF_ARGS_ITEM, .kind = TF_EVENT_TICKER, .marks = BIT(LAST), .time = TS,
                    .last = LAST, .volume = VOLUME, .mark = MARK, .funding = FUNDING),
    TF_IN_BAND_ITEM(.object = TF_ARGS_ITEM, .kind = TF_EVENT_TICKER,
                    .marks = BIT(LAST_V1) | BIT(TS), .time = TS, .last = LAST_V1, .volume = VOLUME),
    TF_IN_BAND_ITEM(.object = TF_ARGS_ITEM, .kind = TF_EVENT_TICKER,
                    .marks = BIT(LAST_V1) | BIT(SYSTEM_TIME), .time = SYSTEM_TIME, .last = LAST_V1,
                    .volume = VOLUME, .mark = MARK, .funding = FUNDING_V1),
};

static const tf_in_band_channel_t channels[] = {
    {"books",   TF_CHANNEL_BOOK,   DEPTH_BOOKS, false, false, false},
    {"books1",  TF_CHANNEL_QUOTE,  0,           true,  false, false},
    {"books5",  TF_CHANNEL_BOOK,   5,           false, true,  false},
    {"books15", TF_CHANNEL_BOOK,   15,          false, true,  false},
    {"trade",   TF_CHANNEL_TRADE,  0,           false, false, false},
    {"ticker",  TF_CHANNEL_TICKER, 0,           false, false, false},
    {NULL,      0,                 0,           false, false, false},
};

/* ---- families ---- */

static void set_family(tf_in_band_t *in, bool is_futures) {
  in->symbols.family       = FUTURES;
  in->symbols.family_bytes = is_futures ? sizeof FUTURES - 1 : 0;
}

static void family(tf_in_band_t *in, const tf_frame_t *frame) {
  set_family(in, frame->kind == TF_FRAME_HTTP && frame->target != NULL &&
                     strstr(frame->target, "/mix/") != NULL);
}

/* SPOT, sp; anything else is a future of some kind. */
static bool is_spot(const tf_json_value_t *type) {
  return (type->bytes_cnt == 4 && strncasecmp(type->bytes, "spot", 4) == 0) ||
         (type->bytes_cnt == 2 && strncasecmp(type->bytes, "sp", 2) == 0);
}

/* ---- messages ---- */

static void route(tf_in_band_t *in, tf_in_band_route_t *r) {
  const tf_json_value_t *type = tf_in_band_value(in, TF_ARGS_ARG, TF_ARGS_TYPE),
                        *data = tf_in_band_value(in, TF_ARGS_ROOT, TF_ARGS_DATA);
  set_family(in, type != NULL && !is_spot(type));
  if (tf_args_route(in, channels, SEQ, r) == NULL) return;
  r->is_backfill = tf_in_band_is(in, TF_ARGS_ROOT, TF_ARGS_ACTION, "snapshot");
  r->no_checksum = tf_in_band_value(in, TF_ARGS_ITEM, SEQ) != NULL;
  if (data != NULL && data->made == TF_JSON_MADE_ITEMS) return;
  r->what = TF_IN_BAND_REFUSED;
  r->why  = TF_REJECT_SCHEMA;
}

static const uint32_t depths[] = {5, 15, DEPTH_BOOKS, 0};

static const tf_in_band_spec_t spec = {
    .objects                  = objects,
    .object_cnt               = OBJECT_CNT,
    .array_item               = TRADE_V1,
    .items                    = items,
    .item_cnt                 = TF_ARRAY_CNT(items),
    .ids                      = TF_IN_BAND_IDS_ASCENDING,
    .trades_come_newest_first = true,
    .buy                      = "buy",
    .sell                     = "sell",
    .ws_path                  = "/v2/ws/public",
    .heartbeat                = "ping",
    .pong                     = "pong",
    .family                   = family,
    .route                    = route,
    .depth_default            = DEPTH_BOOKS,
    .depth_max                = DEPTH_BOOKS,
    .depths                   = depths,
    .checksum                 = &tf_depth_checksum_pairs,
    .deletes_what_falls_out   = true,
};

/* ---- live ---- */

/* Bytes of the venue's own name for it. */
static uint32_t bare_bytes(const tf_symbol_t *symbol) {
  const uint32_t family_bytes = sizeof FUTURES - 1, bytes = symbol->text_bytes;
  bool           is_futures =
      bytes > family_bytes && strcmp(symbol->text + bytes - family_bytes, FUTURES) == 0;
  return is_futures ? bytes - family_bytes : bytes;
}

static bool ends_in(const char *text, uint32_t bytes, const char *end) {
  uint32_t n = (uint32_t)strlen(end);
  return bytes > n && memcmp(text + bytes - n, end, n) == 0;
}

/* BTCUSDT and BTCUSDT-FUTURES, BTCPERP-FUTURES, BTCUSD-FUTURES. */
typedef enum { SPOT, USDT_FUTURES, USDC_FUTURES, COIN_FUTURES, TYPE_CNT } type_t;
static const char *const types[TYPE_CNT] = {"SPOT", "USDT-FUTURES", "USDC-FUTURES", "COIN-FUTURES"};

static type_t type_of(const tf_symbol_t *symbol) {
  uint32_t bytes = bare_bytes(symbol);
  if (bytes == symbol->text_bytes) return SPOT;
  if (ends_in(symbol->text, bytes, "USDT")) return USDT_FUTURES;
  return ends_in(symbol->text, bytes, "PERP") ? USDC_FUTURES : COIN_FUTURES;
}

static size_t request(const void *state, const tf_feed_request_t *r, char *buf, size_t cap) {
  const tf_in_band_t *in      = state;
  const char         *channel = tf_in_band_channel_for(in, channels, r->channel)->name;
  tf_text_out_t       t       = {buf, cap, 0};
  tf_args_begin(&t, r, 0);
  for (uint32_t i = 0; i < r->symbol_cnt; i++) {
    const tf_symbol_t *symbol = &in->symbols.rows[r->symbols[i]];
    tf_text_out_put(&t, i == 0 ? "{\"instType\":\"" : ",{\"instType\":\"");
    tf_text_out_put(&t, types[type_of(symbol)]);
    tf_text_out_put(&t, "\",\"channel\":\"");
    tf_text_out_put(&t, channel);
    tf_text_out_put(&t, "\",\"instId\":\"");
    for (uint32_t k = 0; k < bare_bytes(symbol); k++) tf_text_out_char(&t, symbol->text[k]);
    tf_text_out_put(&t, "\"}");
  }
  tf_text_out_put(&t, "]}");
  return tf_text_out_finish(&t);
}

/* One target for each kind of instrument that was asked for. */
static size_t metadata_target(const void *state, uint32_t request_idx, char *buf, size_t cap) {
  const tf_in_band_t *in            = state;
  bool                has[TYPE_CNT] = {false};
  for (uint32_t i = 0; i < in->asked_cnt; i++) has[type_of(&in->symbols.rows[i])] = true;
  for (uint32_t type = 0; type < TYPE_CNT; type++) {
    if (!has[type] || request_idx-- > 0) continue;
    tf_text_out_t t = {buf, cap, 0};
    tf_text_out_put(&t, type == SPOT ? "/api/v2/spot/public/symbols"
                                     : "/api/v2/mix/market/contracts?productType=");
    if (type != SPOT) tf_text_out_put(&t, types[type]);
    return tf_text_out_finish(&t);
  }
  return 0;
}

static const tf_feed_channel_t feed_channels[] = {
    {TF_CHANNEL_TRADE,  "trade",  TF_FEED_CHECK(IDS_ASCENDING)                              },
    {TF_CHANNEL_QUOTE,  "books1", TF_FEED_CHECK(WHOLE)                                      },
    {TF_CHANNEL_BOOK,   "books",  TF_FEED_CHECK(SEQUENCE_PREVIOUS) | TF_FEED_CHECK(CHECKSUM)},
    {TF_CHANNEL_TICKER, "ticker", 0                                                         },
    {0,                 NULL,     0                                                         },
};

const tf_feed_t tf_feed_bitget = {
    .venue                   = "bitget",
    .suffix                  = "BITGET",
    .symbol_chars            = "-",
    .spec                    = &spec,
    .state_bytes             = tf_in_band_state_bytes,
    .init                    = tf_in_band_init,
    .on_frame                = tf_in_band_on_frame,
    .on_connect              = tf_in_band_on_connect,
    .lose_book               = tf_in_band_lose_book,
    .ws_host                 = "ws.bitget.com",
    .ws_port                 = "443",
    .rest_host               = "api.bitget.com",
    .rest_port               = "443",
    .ws_target               = tf_in_band_ws_target,
    .request                 = request,
    .symbol                  = tf_in_band_symbol,
    .metadata_target         = metadata_target,
    .heartbeat               = tf_in_band_heartbeat,
    .heartbeat_ns            = 25 * TF_NS_PER_SEC, /* the venue wants one in 30 s */
    .silence_ns_max          = 60 * TF_NS_PER_SEC, /* two heartbeats were not answered */
    .subscribe_rate_hz_max   = 5,                  /* of 10 messages a second, pings among them */
    .streams_max             = 1000,
    .symbols_per_request_max = 40, /* 4096 bytes of a request */
    .connects_per_5min_max   = 300,
    .sequences_are_shared    = true,
    .channels                = feed_channels,
    .snapshot_channels       = TF_CHANNEL_TRADE | TF_CHANNEL_QUOTE | TF_CHANNEL_TICKER,
};
