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

#include "feed/in_band.h"
#include "feed/text_out.h"
#include "wire/json_array.h"

#define DEPTH_BOOKS 500u
#define FUTURES     "-FUTURES"

enum { ROOT, ARG, ITEM, OBJECT_CNT };
enum { EVENT = 1, ACTION, ARG_KEY, DATA, MSG, ROOT_KEY_CNT };
static const tf_json_key_t root_keys[ROOT_KEY_CNT] = {
    TF_IN_BAND_NO_KEY,
    [EVENT]   = TF_JSON_KEY("event", TF_JSON_WANT_TEXT),
    [ACTION]  = TF_JSON_KEY("action", TF_JSON_WANT_TEXT),
    [ARG_KEY] = TF_JSON_KEY("arg", TF_JSON_WANT_SECOND),
    [DATA]    = TF_JSON_KEY("data", TF_JSON_WANT_ITEMS),
    [MSG]     = TF_JSON_KEY("msg", TF_JSON_WANT_TEXT),
};
enum { TYPE = 1, CHANNEL, ARG_SYMBOL, ARG_KEY_CNT };
static const tf_json_key_t arg_keys[ARG_KEY_CNT] = {
    TF_IN_BAND_NO_KEY,
    [TYPE]       = TF_JSON_KEY("instType", TF_JSON_WANT_TEXT),
    [CHANNEL]    = TF_JSON_KEY("channel", TF_JSON_WANT_TEXT),
    [ARG_SYMBOL] = TF_JSON_KEY("instId", TF_JSON_WANT_TEXT),
};
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
static const tf_in_band_object_t objects[OBJECT_CNT] = {
    [ROOT] = {root_keys, ROOT_KEY_CNT, .child = ITEM, .second = ARG},
    [ARG]  = {arg_keys,  ARG_KEY_CNT,  0,             0            },
    [ITEM] = {item_keys, ITEM_KEY_CNT, 0,             0            },
};
#define BIT TF_IN_BAND_BIT
static const tf_in_band_item_t items[] = {
    {.object   = ITEM,
     .kind     = TF_EVENT_BOOK,
     .marks    = BIT(ASKS) | BIT(BIDS),
     .time     = TS,
     .bids     = BIDS,
     .asks     = ASKS,
     .last_seq = SEQ,
     .previous = PREVIOUS,
     .checksum = CHECKSUM},
    {.object = ITEM,
     .kind   = TF_EVENT_TRADE,
     .marks  = BIT(TRADE_ID) | BIT(PRICE),
     .time   = TS,
     .price  = PRICE,
     .qty    = QTY,
     .side   = SIDE,
     .id     = TRADE_ID      },
    {.object  = ITEM,
     .kind    = TF_EVENT_TICKER,
     .marks   = BIT(LAST),
     .time    = TS,
     .last    = LAST,
     .volume  = VOLUME,
     .mark    = MARK,
     .funding = FUNDING     },
    {.object = ITEM,
     .kind   = TF_EVENT_TICKER,
     .marks  = BIT(LAST_V1) | BIT(TS),
     .time   = TS,
     .last   = LAST_V1,
     .volume = VOLUME},
    {.object  = ITEM,
     .kind    = TF_EVENT_TICKER,
     .marks   = BIT(LAST_V1) | BIT(SYSTEM_TIME),
     .time    = SYSTEM_TIME,
     .last    = LAST_V1,
     .volume  = VOLUME,
     .mark    = MARK,
     .funding = FUNDING_V1  },
};

/* How a channel's name tells what it is. */
#define NAME(text) (text), sizeof(text) - 1
static const struct {
  const char *name;
  uint32_t    name_bytes;
  uint32_t    channel, depth;
  bool        is_quote, is_whole;
} channels[] = {
    {NAME("books"),   TF_CHANNEL_BOOK,   DEPTH_BOOKS, false, false},
    {NAME("books1"),  TF_CHANNEL_QUOTE,  0,           true,  false},
    {NAME("books5"),  TF_CHANNEL_BOOK,   5,           false, true },
    {NAME("books15"), TF_CHANNEL_BOOK,   15,          false, true },
    {NAME("trade"),   TF_CHANNEL_TRADE,  0,           false, false},
    {NAME("ticker"),  TF_CHANNEL_TICKER, 0,           false, false},
};

static uint32_t channel_idx(const tf_json_value_t *name) {
  uint32_t i = 0;
  while (i < TF_ARRAY_CNT(channels) &&
         !tf_json_text_is(name, channels[i].name, channels[i].name_bytes))
    i++;
  return i;
}

/* Signed in the messages; compared as bits. */
static uint32_t checksum_of(const tf_depth_mirror_t *mirror) {
  return tf_depth_mirror_checksum_pairs(mirror, 25);
}

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

/* v1: [["1649290077777","0.005613","890.8","buy"],..]. False: it is not that. */
static bool put_trades_v1(tf_in_band_t *in, const tf_json_value_t *data) {
  tf_json_array_t array, fields;
  tf_json_value_t trade, v[4];
  tf_json_array_init(&array, data->bytes, data->bytes_cnt);
  while (tf_json_array_next(&array, &trade)) {
    if (trade.kind != TF_JSON_ARRAY) return false;
    tf_json_array_init(&fields, trade.bytes, trade.bytes_cnt);
    for (uint32_t i = 0; i < TF_ARRAY_CNT(v); i++)
      if (!tf_json_array_next(&fields, &v[i]) || v[i].kind != TF_JSON_STRING) return false;
    if (!tf_in_band_put_trade(in, &v[0], TF_IN_BAND_MS, &v[1], &v[2], &v[3], 0)) return true;
  }
  return true;
}

/* {"event":"subscribe","arg":{..}}, one a stream; {"event":"error","arg":{..},"code":..,"msg":..}. */
TF_COLD static void on_event(tf_in_band_t *in) {
  const tf_json_value_t *name     = tf_in_band_value(in, ARG, CHANNEL);
  uint32_t               i        = name != NULL ? channel_idx(name) : TF_ARRAY_CNT(channels);
  bool                   is_error = tf_in_band_is(in, ROOT, EVENT, "error");
  if (is_error) tf_in_band_complain(in, ROOT, MSG);
  if (!is_error && !tf_in_band_is(in, ROOT, EVENT, "subscribe") &&
      !tf_in_band_is(in, ROOT, EVENT, "unsubscribe"))
    return;
  tf_in_band_answer(in, 0, i < TF_ARRAY_CNT(channels) ? channels[i].channel : 0,
                    tf_in_band_value(in, ARG, ARG_SYMBOL), is_error);
}

static void route(tf_in_band_t *in, tf_in_band_route_t *r) {
  const tf_json_value_t *type   = tf_in_band_value(in, ARG, TYPE),
                        *name   = tf_in_band_value(in, ARG, CHANNEL),
                        *symbol = tf_in_band_value(in, ARG, ARG_SYMBOL),
                        *data   = tf_in_band_value(in, ROOT, DATA);
  set_family(in, type != NULL && !is_spot(type));
  if (tf_in_band_value(in, ROOT, EVENT) != NULL) {
    r->what = TF_IN_BAND_CONTROL;
    on_event(in);
    return;
  }
  if (name == NULL || name->kind != TF_JSON_STRING) return;
  uint32_t i    = channel_idx(name);
  r->what       = TF_IN_BAND_IGNORED;
  r->name       = name->bytes;
  r->name_bytes = name->bytes_cnt;
  if (i == TF_ARRAY_CNT(channels)) return;
  bool is_snapshot = tf_in_band_is(in, ROOT, ACTION, "snapshot");
  bool is_numbered = tf_in_band_value(in, ITEM, SEQ) != NULL;
  r->what          = TF_IN_BAND_DATA;
  r->channels      = channels[i].channel;
  r->is_quote      = channels[i].is_quote;
  r->depth         = channels[i].depth;
  r->is_backfill   = is_snapshot;
  r->is_snapshot   = is_snapshot || channels[i].is_whole;
  r->rule          = channels[i].is_whole ? TF_BOOK_RULE_WHOLE
                     : is_numbered        ? TF_BOOK_RULE_PREVIOUS
                                          : TF_BOOK_RULE_NONE;
  r->no_checksum   = is_numbered;
  if (symbol != NULL) r->symbol = *symbol;
  bool is_v1 = r->channels == TF_CHANNEL_TRADE && data != NULL && data->kind == TF_JSON_ARRAY &&
               data->made != TF_JSON_MADE_ITEMS;
  bool is_good = is_v1 ? put_trades_v1(in, data) : data != NULL && data->made == TF_JSON_MADE_ITEMS;
  if (is_good) return;
  r->what = TF_IN_BAND_REFUSED;
  r->why  = TF_REJECT_SCHEMA;
}

static bool on_other(tf_in_band_t *in, const tf_frame_t *frame, tf_in_band_route_t *r) {
  (void)in;
  r->what = TF_IN_BAND_CONTROL;
  return frame->bytes_cnt == 4 && memcmp(frame->bytes, "pong", 4) == 0;
}

static const uint32_t depths[] = {5, 15, DEPTH_BOOKS, 0};

static const tf_in_band_spec_t spec = {
    .objects                  = objects,
    .object_cnt               = OBJECT_CNT,
    .items                    = items,
    .item_cnt                 = TF_ARRAY_CNT(items),
    .ids                      = TF_IN_BAND_IDS_ASCENDING,
    .trades_come_newest_first = true,
    .buy                      = "buy",
    .sell                     = "sell",
    .family                   = family,
    .route                    = route,
    .on_other                 = on_other,
    .depth_default            = DEPTH_BOOKS,
    .depth_max                = DEPTH_BOOKS,
    .depths                   = depths,
    .checksum                 = checksum_of,
    .deletes_what_falls_out   = true,
};

/* ---- live ---- */

static size_t ws_target(const void *state, char *buf, size_t cap) {
  (void)state;
  tf_text_out_t t = {buf, cap, 0};
  tf_text_out_put(&t, "/v2/ws/public");
  return tf_text_out_finish(&t);
}

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
  const char         *channel = r->channel == TF_CHANNEL_TRADE    ? "trade"
                                : r->channel == TF_CHANNEL_QUOTE  ? "books1"
                                : r->channel == TF_CHANNEL_TICKER ? "ticker"
                                : in->depth == 5                  ? "books5"
                                : in->depth == 15                 ? "books15"
                                                                  : "books";
  tf_text_out_t       t       = {buf, cap, 0};
  tf_text_out_put(&t, r->unsubscribe ? "{\"op\":\"unsubscribe\",\"args\":["
                                     : "{\"op\":\"subscribe\",\"args\":[");
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

static size_t heartbeat(const void *state, char *buf, size_t cap) {
  (void)state;
  tf_text_out_t t = {buf, cap, 0};
  tf_text_out_put(&t, "ping");
  return tf_text_out_finish(&t);
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
    .ws_target               = ws_target,
    .request                 = request,
    .symbol                  = tf_in_band_symbol,
    .metadata_target         = metadata_target,
    .heartbeat               = heartbeat,
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
