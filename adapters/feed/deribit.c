/* Deribit, JSON-RPC over a websocket (VENUES.md 9).
 *
 *   {"jsonrpc":"2.0","method":"subscription","params":{"channel":"book.BTC-PERPETUAL.100ms","data":{
 *     "type":"snapshot"|"change","timestamp":..,"prev_change_id":..,"change_id":..,"instrument_name":..,
 *     "bids":[["new"|"change"|"delete",price,amount]],"asks":[..]}}}
 *
 *   trades    TRADE; direction is the taker's. The id is trade_seq, which counts an instrument's trades one
 *             by one; trade_id is text with a currency before its number
 *   quote     QUOTE
 *   book      BOOK, full depth: prev_change_id is the message before; ids are shared between instruments
 *             and jump. What was done to a level says no more than its amount. Grouped books
 *             (book.X.none.20.100ms) are whole each time and have no type
 *   ticker    TICKER: last, mark, funding of the moment, volume of a day in the base coin
 *   heartbeat   CONTROL; a test_request is answered at once, else the venue closes with 4000
 *   chart, deribit_price_index, ..   ignored, by channel
 *
 * Every 100 ms, or, for who has a key and logs in, raw: at each change.
 *
 * Numbers are JSON numbers, small ones with a power (1.423e-4). A subscription is answered with the
 * channels that were accepted; what is not among them was refused without a word. */
#include <stdio.h>

#include "feed/in_band.h"
#include "feed/login.h"
#include "feed/metadata.h"
#include "feed/text_out.h"
#include "wire/json_array.h"

#define FIRST_REQUEST                                                                              \
  1000u /* added to the session's ids: those below are our own, of other requests */
#define ID_TEST      1
#define ID_HEARTBEAT 2
#define ID_LOGIN     3
#define HEARTBEAT_S  10 /* the least that the venue takes */

enum { ROOT, PARAMS, DATA, STATS, COMPLAINT, OBJECT_CNT };
enum { METHOD = 1, PARAMS_KEY, ID, RESULT, ERROR, ROOT_KEY_CNT };
static const tf_json_key_t root_keys[ROOT_KEY_CNT] = {
    TF_IN_BAND_NO_KEY,
    [METHOD]     = TF_JSON_KEY("method", TF_JSON_WANT_TEXT),
    [PARAMS_KEY] = TF_JSON_KEY("params", TF_JSON_WANT_OBJECT),
    [ID]         = TF_JSON_KEY("id", TF_JSON_WANT_U64),
    [RESULT]     = TF_JSON_KEY("result", TF_JSON_WANT_BYTES),
    [ERROR]      = TF_JSON_KEY("error", TF_JSON_WANT_SECOND),
};
enum { CHANNEL = 1, DATA_KEY, TYPE, PARAMS_KEY_CNT };
static const tf_json_key_t params_keys[PARAMS_KEY_CNT] = {
    TF_IN_BAND_NO_KEY,
    [CHANNEL]  = TF_JSON_KEY("channel", TF_JSON_WANT_TEXT),
    [DATA_KEY] = TF_JSON_KEY("data", TF_JSON_WANT_ITEM),
    [TYPE]     = TF_JSON_KEY("type", TF_JSON_WANT_TEXT),
};
enum {
  SYMBOL = 1,
  TIME,
  BOOK_TYPE,
  BIDS,
  ASKS,
  CHANGE_ID,
  PREVIOUS,
  TRADE_SEQ,
  PRICE,
  AMOUNT,
  DIRECTION,
  BID,
  BID_AMOUNT,
  ASK,
  ASK_AMOUNT,
  LAST,
  MARK,
  FUNDING,
  STATS_KEY,
  STATE,
  DATA_KEY_CNT
};
static const tf_json_key_t data_keys[DATA_KEY_CNT] = {
    TF_IN_BAND_NO_KEY,
    [SYMBOL]     = TF_JSON_KEY("instrument_name", TF_JSON_WANT_TEXT),
    [TIME]       = TF_JSON_KEY("timestamp", TF_JSON_WANT_U64),
    [BOOK_TYPE]  = TF_JSON_KEY("type", TF_JSON_WANT_TEXT),
    [BIDS]       = TF_JSON_KEY("bids", TF_JSON_WANT_WORD_LEVELS),
    [ASKS]       = TF_JSON_KEY("asks", TF_JSON_WANT_WORD_LEVELS),
    [CHANGE_ID]  = TF_JSON_KEY("change_id", TF_JSON_WANT_U64),
    [PREVIOUS]   = TF_JSON_KEY("prev_change_id", TF_JSON_WANT_U64),
    [TRADE_SEQ]  = TF_JSON_KEY("trade_seq", TF_JSON_WANT_U64),
    [PRICE]      = TF_JSON_KEY("price", TF_JSON_WANT_DECIMAL),
    [AMOUNT]     = TF_JSON_KEY("amount", TF_JSON_WANT_DECIMAL),
    [DIRECTION]  = TF_JSON_KEY("direction", TF_JSON_WANT_TEXT),
    [BID]        = TF_JSON_KEY("best_bid_price", TF_JSON_WANT_DECIMAL),
    [BID_AMOUNT] = TF_JSON_KEY("best_bid_amount", TF_JSON_WANT_DECIMAL),
    [ASK]        = TF_JSON_KEY("best_ask_price", TF_JSON_WANT_DECIMAL),
    [ASK_AMOUNT] = TF_JSON_KEY("best_ask_amount", TF_JSON_WANT_DECIMAL),
    [LAST]       = TF_JSON_KEY("last_price", TF_JSON_WANT_DECIMAL),
    [MARK]       = TF_JSON_KEY("mark_price", TF_JSON_WANT_DECIMAL),
    [FUNDING]    = TF_JSON_KEY("current_funding", TF_JSON_WANT_DECIMAL),
    [STATS_KEY]  = TF_JSON_KEY("stats", TF_JSON_WANT_SECOND),
    [STATE]      = TF_JSON_KEY("state", TF_JSON_WANT_TEXT),
};
enum { VOLUME = 1, STATS_KEY_CNT };
static const tf_json_key_t stats_keys[STATS_KEY_CNT] = {
    TF_IN_BAND_NO_KEY,
    [VOLUME] = TF_JSON_KEY("volume", TF_JSON_WANT_DECIMAL),
};
enum { MESSAGE = 1, COMPLAINT_KEY_CNT };
static const tf_json_key_t complaint_keys[COMPLAINT_KEY_CNT] = {
    TF_IN_BAND_NO_KEY,
    [MESSAGE] = TF_JSON_KEY("message", TF_JSON_WANT_TEXT),
};
static const tf_in_band_object_t objects[OBJECT_CNT] = {
    [ROOT]      = {root_keys,      ROOT_KEY_CNT,      PARAMS, COMPLAINT},
    [PARAMS]    = {params_keys,    PARAMS_KEY_CNT,    DATA,   0        },
    [DATA]      = {data_keys,      DATA_KEY_CNT,      0,      STATS    },
    [STATS]     = {stats_keys,     STATS_KEY_CNT,     0,      0        },
    [COMPLAINT] = {complaint_keys, COMPLAINT_KEY_CNT, 0,      0        },
};
#define BIT TF_IN_BAND_BIT
static const tf_in_band_item_t items[] = {
    TF_IN_BAND_ITEM(.object = DATA, .kind = TF_EVENT_BOOK, .marks = BIT(BIDS) | BIT(ASKS),
                    .symbol = SYMBOL, .time = TIME, .bids = BIDS, .asks = ASKS,
                    .last_seq = CHANGE_ID, .previous = PREVIOUS),
    TF_IN_BAND_ITEM(.object = DATA, .kind = TF_EVENT_TRADE, .marks = BIT(TRADE_SEQ),
                    .symbol = SYMBOL, .time = TIME, .price = PRICE, .qty = AMOUNT,
                    .side = DIRECTION, .id = TRADE_SEQ),
    /* a ticker has these too, and stats */
    TF_IN_BAND_ITEM(.object = DATA, .kind = TF_EVENT_QUOTE, .marks = BIT(BID) | BIT(ASK),
                    .lacks = BIT(STATS_KEY), .symbol = SYMBOL, .time = TIME, .bid = BID,
                    .bid_qty = BID_AMOUNT, .ask = ASK, .ask_qty = ASK_AMOUNT),
    TF_IN_BAND_ITEM(.object = DATA, .kind = TF_EVENT_TICKER, .marks = BIT(STATS_KEY),
                    .symbol = SYMBOL, .time = TIME, .last = LAST, .mark = MARK, .funding = FUNDING,
                    .volume = VOLUME, .stats = STATS),
};

static const tf_in_band_channel_t channels[] = {
    {"trades",                     TF_CHANNEL_TRADE,  0, false, false, false},
    {"quote",                      TF_CHANNEL_QUOTE,  0, false, false, false},
    {"book",                       TF_CHANNEL_BOOK,   0, false, false, false},
    {"ticker",                     TF_CHANNEL_TICKER, 0, false, false, false},
    {"announcements",              0,                 0, false, false, false},
    {"block_rfq",                  0,                 0, false, false, false},
    {"block_trade_confirmations",  0,                 0, false, false, false},
    {"chart",                      0,                 0, false, false, false},
    {"deribit_price_index",        0,                 0, false, false, false},
    {"deribit_price_ranking",      0,                 0, false, false, false},
    {"deribit_price_statistics",   0,                 0, false, false, false},
    {"deribit_volatility_index",   0,                 0, false, false, false},
    {"estimated_expiration_price", 0,                 0, false, false, false},
    {"incremental_ticker",         0,                 0, false, false, false},
    {"instrument",                 0,                 0, false, false, false},
    {"markprice",                  0,                 0, false, false, false},
    {"perpetual",                  0,                 0, false, false, false},
    {"platform_state",             0,                 0, false, false, false},
    {"rfq",                        0,                 0, false, false, false},
    {NULL,                         0,                 0, false, false, false},
};

/* {"jsonrpc":"2.0","id":..,"method":"public/..","params":{..}} */
static size_t put_call(tf_text_out_t *t, uint64_t id, const char *method, const char *params) {
  tf_text_out_put(t, "{\"jsonrpc\":\"2.0\",\"id\":");
  tf_text_out_u64(t, id);
  tf_text_out_put(t, ",\"method\":\"public/");
  tf_text_out_put(t, method);
  tf_text_out_put(t, "\",\"params\":{");
  tf_text_out_put(t, params);
  tf_text_out_put(t, "}}");
  return tf_text_out_finish(t);
}

/* ["book.BTC-PERPETUAL.100ms",..]: those were accepted, and the rest of the request was not. */
TF_COLD static void on_accepted(tf_in_band_t *in, uint64_t id, const tf_json_value_t *list) {
  tf_json_array_t array;
  tf_json_value_t name;
  tf_json_array_init(&array, list->bytes, list->bytes_cnt);
  while (tf_json_array_next(&array, &name)) {
    if (name.kind != TF_JSON_STRING) continue;
    tf_json_value_t             kind    = tf_in_band_part(&name, '.', 0, false);
    tf_json_value_t             symbol  = tf_in_band_part(&name, '.', 1, false);
    const tf_in_band_channel_t *channel = tf_in_band_channel_of(in, channels, &kind);
    if (channel != NULL && channel->channels != 0)
      tf_in_band_answer(in, id, channel->channels, &symbol, false);
  }
  snprintf(in->head.venue_error, sizeof in->head.venue_error, "%s",
           "not among the channels that the venue accepted");
  tf_in_band_answer(in, id, 0, NULL, true);
}

TF_COLD static void on_answer(tf_in_band_t *in, tf_in_band_route_t *r) {
  const tf_json_value_t *result   = tf_in_band_value(in, ROOT, RESULT);
  bool                   is_error = tf_in_band_value(in, ROOT, ERROR) != NULL;
  uint64_t               id       = 0;
  if (result == NULL && !is_error) return;
  r->what    = TF_IN_BAND_CONTROL;
  bool is_id = tf_in_band_u64(in, ROOT, ID, &id);
  in->is_login_answered |= is_id && id == ID_LOGIN;
  if (is_error) {
    tf_in_band_complain(in, COMPLAINT, MESSAGE);
    if (is_id && id >= FIRST_REQUEST) tf_in_band_answer(in, id - FIRST_REQUEST, 0, NULL, true);
  } else if (is_id && id >= FIRST_REQUEST && result->kind == TF_JSON_ARRAY) {
    on_accepted(in, id - FIRST_REQUEST, result);
  }
}

TF_COLD static bool on_heartbeat(tf_in_band_t *in) {
  char answer[128];
  if (!tf_in_band_is(in, ROOT, METHOD, "heartbeat")) return false;
  if (!tf_in_band_is(in, PARAMS, TYPE, "test_request")) return true;
  size_t cnt = put_call(&(tf_text_out_t){answer, sizeof answer, 0}, ID_TEST, "test", "");
  tf_in_band_reply(in, answer, cnt);
  return true;
}

/* What REST answers of instruments: a list or one. */
TF_COLD static void on_rest(tf_in_band_t *in, tf_in_band_route_t *r) {
  const tf_json_value_t *result = tf_in_band_value(in, ROOT, RESULT);
  bool                   is_metadata =
      result != NULL && tf_metadata_read(&in->symbols, result->bytes, result->bytes_cnt,
                                         in->frame->recv_ns, in->out) != UINT32_MAX;
  r->what       = is_metadata ? TF_IN_BAND_CONTROL : TF_IN_BAND_IGNORED;
  r->name       = "rest";
  r->name_bytes = 4;
}

static bool takes_rest(const tf_in_band_t *in) {
  (void)in;
  return true;
}

/* A ticker says whether its book is open, each time: read on when it is not, or was not. */
static bool is_listing_news(tf_in_band_t *in) {
  const tf_json_value_t *symbol = tf_in_band_value(in, DATA, SYMBOL);
  if (tf_in_band_value(in, DATA, STATE) == NULL || symbol == NULL) return false;
  if (!tf_in_band_is(in, DATA, STATE, "open")) return true;
  tf_reject_t unused;
  uint32_t    idx = symbol->kind == TF_JSON_STRING
                        ? tf_symbols_of(&in->symbols, symbol, false, &unused)
                        : TF_SYMBOLS_NONE;
  return idx != TF_SYMBOLS_NONE && in->symbols.listings[idx].trading > TF_TRADING_OPEN;
}

static void route(tf_in_band_t *in, tf_in_band_route_t *r) {
  const tf_json_value_t *name = tf_in_band_value(in, PARAMS, CHANNEL);
  if (TF_UNLIKELY(in->frame->kind == TF_FRAME_HTTP)) {
    on_rest(in, r);
    return;
  }
  if (TF_UNLIKELY(!tf_in_band_is(in, ROOT, METHOD, "subscription"))) {
    if (on_heartbeat(in))
      r->what = TF_IN_BAND_CONTROL;
    else if (tf_in_band_value(in, ROOT, METHOD) == NULL)
      on_answer(in, r);
    return;
  }
  if (name == NULL || name->kind != TF_JSON_STRING) {
    r->why = TF_REJECT_SCHEMA;
    return;
  }
  tf_json_value_t             kind    = tf_in_band_part(name, '.', 0, false);
  const tf_in_band_channel_t *channel = tf_in_band_take_channel(in, r, channels, &kind);
  if (channel == NULL) return;
  if (channel->channels == TF_CHANNEL_TICKER && TF_UNLIKELY(is_listing_news(in)))
    r->listing = tf_in_band_value(in, PARAMS, DATA_KEY);
  if (channel->channels != TF_CHANNEL_BOOK) return;
  bool is_whole  = tf_in_band_value(in, DATA, BOOK_TYPE) == NULL;
  r->is_snapshot = is_whole || tf_in_band_is(in, DATA, BOOK_TYPE, "snapshot");
  r->rule        = is_whole ? TF_BOOK_RULE_WHOLE : TF_BOOK_RULE_PREVIOUS;
  if (r->is_snapshot || tf_in_band_is(in, DATA, BOOK_TYPE, "change")) return;
  r->what = TF_IN_BAND_REFUSED;
  r->why  = TF_REJECT_SCHEMA;
}

static const tf_in_band_spec_t spec = {
    .objects      = objects,
    .object_cnt   = OBJECT_CNT,
    .items        = items,
    .item_cnt     = TF_ARRAY_CNT(items),
    .ids          = TF_IN_BAND_IDS_CONSECUTIVE,
    .buy          = "buy",
    .sell         = "sell",
    .ws_path      = "/ws/api/v2",
    .takes_rest   = takes_rest,
    .route        = route,
    .on_heartbeat = on_heartbeat,
};

/* ---- live ---- */

/* public/auth by client_signature: over the time in ms, a nonce and no data, each on a line. The time differs from
 * connection to connection, and is nonce enough. */
static size_t put_login(const tf_in_band_t *in, tf_text_out_t *t) {
  char          ms[24], text[64];
  tf_text_out_t m = {ms, sizeof ms, 0}, signed_text = {text, sizeof text, 0};
  tf_text_out_u64(&m, in->connected_ns / TF_NS_PER_MS);
  tf_text_out_finish(&m);
  tf_text_out_put(&signed_text, ms);
  tf_text_out_char(&signed_text, '\n');
  tf_text_out_put(&signed_text, ms);
  tf_text_out_char(&signed_text, '\n');
  tf_text_out_finish(&signed_text);
  tf_text_out_put(t, "{\"jsonrpc\":\"2.0\",\"id\":");
  tf_text_out_u64(t, ID_LOGIN);
  tf_text_out_put(t, ",\"method\":\"public/"
                     "auth\",\"params\":{\"grant_type\":\"client_signature\",\"client_id\":\"");
  tf_text_out_put(t, in->key->id);
  tf_text_out_put(t, "\",\"timestamp\":");
  tf_text_out_put(t, ms);
  tf_text_out_put(t, ",\"nonce\":\"");
  tf_text_out_put(t, ms);
  tf_text_out_put(t, "\",\"data\":\"\",\"signature\":\"");
  tf_login_put_hex(t, in->key, text);
  tf_text_out_put(t, "\"}}");
  return tf_text_out_finish(t);
}

static size_t hello(const void *state, uint32_t message_idx, char *buf, size_t cap) {
  const tf_in_band_t *in = state;
  tf_text_out_t       t  = {buf, cap, 0};
  char                params[32];
  snprintf(params, sizeof params, "\"interval\":%d", HEARTBEAT_S);
  if (message_idx == 0) return put_call(&t, ID_HEARTBEAT, "set_heartbeat", params);
  if (in->key == NULL) return 0;
  if (message_idx == 1) return put_login(in, &t);
  return in->is_login_answered ? 0 : TF_FEED_HELLO_WAIT;
}

/* "book.BTC-PERPETUAL.100ms"; raw ones are for who logged in. */
static void put_channel(const tf_in_band_t *in, tf_text_out_t *t, uint32_t channel,
                        const char *symbol) {
  tf_text_out_char(t, '"');
  tf_text_out_put(t, tf_in_band_channel_for(in, channels, channel)->name);
  tf_text_out_char(t, '.');
  tf_text_out_put(t, symbol);
  tf_text_out_put(t, channel == TF_CHANNEL_QUOTE ? "\"" : in->key != NULL ? ".raw\"" : ".100ms\"");
}

static size_t request(const void *state, const tf_feed_request_t *request, char *buf, size_t cap) {
  const tf_in_band_t *in = state;
  tf_text_out_t       t  = {buf, cap, 0};
  tf_text_out_put(&t, "{\"jsonrpc\":\"2.0\",\"id\":");
  tf_text_out_u64(&t, request->id + FIRST_REQUEST);
  tf_text_out_put(&t, ",\"method\":\"public/");
  tf_text_out_put(&t, request->unsubscribe ? "unsubscribe" : "subscribe");
  tf_text_out_put(&t, "\",\"params\":{\"channels\":[");
  for (uint32_t i = 0; i < request->symbol_cnt; i++) {
    if (i > 0) tf_text_out_char(&t, ',');
    put_channel(in, &t, request->channel, in->symbols.rows[request->symbols[i]].text);
  }
  tf_text_out_put(&t, "]}}");
  return tf_text_out_finish(&t);
}

static size_t metadata_target(const void *state, uint32_t request_idx, char *buf, size_t cap) {
  const tf_in_band_t *in = state;
  tf_text_out_t       t  = {buf, cap, 0};
  if (request_idx >= in->asked_cnt) return 0;
  tf_text_out_put(&t, "/api/v2/public/get_instrument?instrument_name=");
  tf_text_out_url(&t, in->symbols.rows[request_idx].text);
  return tf_text_out_finish(&t);
}

/* ---- lifetime ---- */

static const tf_feed_channel_t feed_channels[] = {
    {TF_CHANNEL_TRADE,  "trades.100ms", TF_FEED_CHECK(IDS_CONSECUTIVE)  },
    {TF_CHANNEL_QUOTE,  "quote",        0                               },
    {TF_CHANNEL_BOOK,   "book.100ms",   TF_FEED_CHECK(SEQUENCE_PREVIOUS)},
    {TF_CHANNEL_TICKER, "ticker.100ms", 0                               },
    {0,                 NULL,           0                               },
};

const tf_feed_t tf_feed_deribit = {
    .venue                   = "deribit",
    .suffix                  = "DERIBIT",
    .symbol_chars            = "-_",
    .spec                    = &spec,
    .state_bytes             = tf_in_band_state_bytes,
    .init                    = tf_in_band_init,
    .on_frame                = tf_in_band_on_frame,
    .echo                    = tf_in_band_echo,
    .on_connect              = tf_in_band_on_connect,
    .lose_book               = tf_in_band_lose_book,
    .key_channels            = "trades.raw, book.raw, ticker.raw (each change, not every 100 ms)",
    .ws_host                 = "www.deribit.com",
    .ws_port                 = "443",
    .rest_host               = "www.deribit.com",
    .rest_port               = "443",
    .ws_target               = tf_in_band_ws_target,
    .hello                   = hello,
    .request                 = request,
    .symbol                  = tf_in_band_symbol,
    .metadata_target         = metadata_target,
    .symbols_per_request_max = 200, /* of 500; a request must fit 32 kB */
    .snapshot_channels       = TF_CHANNEL_QUOTE | TF_CHANNEL_TICKER,
    .sequences_are_shared    = true,
    .subscribe_rate_hz_max   = 3,
    .silence_ns_max          = 25 * TF_NS_PER_SEC, /* of a heartbeat every HEARTBEAT_S */
    .channels                = feed_channels,
};
