/* Crypto.com Exchange, websocket v1 (VENUES.md 15), and v2 in recordings.
 *
 *   {"id":-1,"method":"subscribe","code":0,"result":{"instrument_name":"BTC_USDT","subscription":"book.BTC_USDT.
 *     50","channel":"book"|"book.update","data":[{"bids":[[price,qty,orders]],"asks":[..],"t":..,"u":..,"pu":..}]}}
 *
 *   trade        TRADE; s is the taker's; newest first. The first message of an instrument is what was traded
 *                before the subscription
 *   ticker       QUOTE and TICKER: k is the best offer, a the last price. v2 has no quantities: no QUOTE
 *   book, book.update   BOOK: a snapshot, and what changed ("update":{"bids":..}); pu is the message before. v2,
 *                and depth 150, send snapshots only. cs is made in a way that the venue keeps to itself
 *   mark, funding       TICKER, of perpetuals
 *   public/heartbeat    CONTROL, answered at once with its id
 *   candlestick, ..     ignored, by channel
 *
 * Books are acknowledged by a message of their own; of other channels the first data has the request's id. */
#include "feed/in_band.h"
#include "feed/text_out.h"

#define DEPTH_DEFAULT   50u
#define DEPTH_SNAPSHOTS 150u

enum { ROOT, RESULT, ITEM, UPDATE, OBJECT_CNT };
enum { ID = 1, METHOD, CODE, RESULT_KEY, CHANNEL_NAMED, MESSAGE, ROOT_KEY_CNT };
static const tf_json_key_t root_keys[ROOT_KEY_CNT] = {
    TF_IN_BAND_NO_KEY,
    [ID]            = TF_JSON_KEY("id", TF_JSON_WANT_U64),
    [METHOD]        = TF_JSON_KEY("method", TF_JSON_WANT_TEXT),
    [CODE]          = TF_JSON_KEY("code", TF_JSON_WANT_U64),
    [RESULT_KEY]    = TF_JSON_KEY("result", TF_JSON_WANT_OBJECT),
    [CHANNEL_NAMED] = TF_JSON_KEY("channel", TF_JSON_WANT_TEXT),
    [MESSAGE]       = TF_JSON_KEY("message", TF_JSON_WANT_TEXT),
};
enum { INSTRUMENT = 1, CHANNEL, DATA, RESULT_KEY_CNT };
static const tf_json_key_t result_keys[RESULT_KEY_CNT] = {
    TF_IN_BAND_NO_KEY,
    [INSTRUMENT] = TF_JSON_KEY("instrument_name", TF_JSON_WANT_TEXT),
    [CHANNEL]    = TF_JSON_KEY("channel", TF_JSON_WANT_TEXT),
    [DATA]       = TF_JSON_KEY("data", TF_JSON_WANT_ITEMS),
};
enum {
  TIME = 1,
  BIDS,
  ASKS,
  SEQ,
  PREVIOUS,
  UPDATE_KEY,
  TRADE_ID,
  SIDE,
  PRICE,
  QTY,
  BID,
  BID_QTY,
  ASK,
  ASK_QTY,
  LAST,
  VOLUME, /* and the value of mark and funding */
  ITEM_KEY_CNT
};
static const tf_json_key_t item_keys[ITEM_KEY_CNT] = {
    TF_IN_BAND_NO_KEY,
    [TIME]       = TF_JSON_KEY("t", TF_JSON_WANT_U64),
    [BIDS]       = TF_JSON_KEY("bids", TF_JSON_WANT_LEVELS),
    [ASKS]       = TF_JSON_KEY("asks", TF_JSON_WANT_LEVELS),
    [SEQ]        = TF_JSON_KEY("u", TF_JSON_WANT_U64),
    [PREVIOUS]   = TF_JSON_KEY("pu", TF_JSON_WANT_U64),
    [UPDATE_KEY] = TF_JSON_KEY("update", TF_JSON_WANT_OBJECT),
    [TRADE_ID]   = TF_JSON_KEY("d", TF_JSON_WANT_TEXT),
    [SIDE]       = TF_JSON_KEY("s", TF_JSON_WANT_TEXT),
    [PRICE]      = TF_JSON_KEY("p", TF_JSON_WANT_DECIMAL),
    [QTY]        = TF_JSON_KEY("q", TF_JSON_WANT_DECIMAL),
    [BID]        = TF_JSON_KEY("b", TF_JSON_WANT_DECIMAL),
    [BID_QTY]    = TF_JSON_KEY("bs", TF_JSON_WANT_DECIMAL),
    [ASK]        = TF_JSON_KEY("k", TF_JSON_WANT_DECIMAL),
    [ASK_QTY]    = TF_JSON_KEY("ks", TF_JSON_WANT_DECIMAL),
    [LAST]       = TF_JSON_KEY("a", TF_JSON_WANT_DECIMAL),
    [VOLUME]     = TF_JSON_KEY("v", TF_JSON_WANT_DECIMAL),
};
enum { UPDATE_BIDS = 1, UPDATE_ASKS, UPDATE_KEY_CNT };
static const tf_json_key_t update_keys[UPDATE_KEY_CNT] = {
    TF_IN_BAND_NO_KEY,
    [UPDATE_BIDS] = TF_JSON_KEY("bids", TF_JSON_WANT_LEVELS),
    [UPDATE_ASKS] = TF_JSON_KEY("asks", TF_JSON_WANT_LEVELS),
};
static const tf_in_band_object_t objects[OBJECT_CNT] = {
    [ROOT]   = {root_keys,   ROOT_KEY_CNT,   RESULT, 0},
    [RESULT] = {result_keys, RESULT_KEY_CNT, ITEM,   0},
    [ITEM]   = {item_keys,   ITEM_KEY_CNT,   UPDATE, 0},
    [UPDATE] = {update_keys, UPDATE_KEY_CNT, 0,      0},
};
#define BIT TF_IN_BAND_BIT
static const tf_in_band_item_t items[] = {
    TF_IN_BAND_ITEM(.object = ITEM, .kind = TF_EVENT_BOOK, .marks = BIT(BIDS) | BIT(ASKS),
                    .time = TIME, .bids = BIDS, .asks = ASKS, .last_seq = SEQ),
    TF_IN_BAND_ITEM(.object = ITEM, .kind = TF_EVENT_BOOK, .marks = BIT(UPDATE_KEY), .time = TIME,
                    .sides = UPDATE, .bids = UPDATE_BIDS, .asks = UPDATE_ASKS, .last_seq = SEQ,
                    .previous = PREVIOUS),
    TF_IN_BAND_ITEM(.object = ITEM, .kind = TF_EVENT_TRADE, .marks = BIT(TRADE_ID) | BIT(PRICE),
                    .time = TIME, .price = PRICE, .qty = QTY, .side = SIDE, .id = TRADE_ID),
    TF_IN_BAND_ITEM(.object = ITEM, .kind = TF_EVENT_QUOTE, .marks = BIT(BID_QTY) | BIT(ASK_QTY),
                    .time = TIME, .bid = BID, .bid_qty = BID_QTY, .ask = ASK, .ask_qty = ASK_QTY),
    TF_IN_BAND_ITEM(.object = ITEM, .kind = TF_EVENT_TICKER, .marks = BIT(BID) | BIT(ASK),
                    .time = TIME, .last = LAST, .volume = VOLUME),
};

static const tf_in_band_channel_t channels[] = {
    {"book",        TF_CHANNEL_BOOK,                      0, false, true,  false},
    {"book.update", TF_CHANNEL_BOOK,                      0, false, false, false},
    {"trade",       TF_CHANNEL_TRADE,                     0, false, false, false},
    {"ticker",      TF_CHANNEL_QUOTE | TF_CHANNEL_TICKER, 0, false, false, false},
    {"mark",        TF_CHANNEL_TICKER,                    0, false, false, false},
    {"funding",     TF_CHANNEL_TICKER,                    0, false, false, false},
    {NULL,          0,                                    0, false, false, false},
};

/* ---- messages ---- */

static bool on_heartbeat(tf_in_band_t *in) {
  char          text[96];
  tf_text_out_t t  = {text, sizeof text, 0};
  uint64_t      id = 0;
  if (!tf_in_band_is(in, ROOT, METHOD, "public/heartbeat")) return false;
  tf_in_band_u64(in, ROOT, ID, &id);
  tf_text_out_put(&t, "{\"id\":");
  tf_text_out_u64(&t, id);
  tf_text_out_put(&t, ",\"method\":\"public/respond-heartbeat\"}");
  size_t bytes = tf_text_out_finish(&t);
  tf_in_band_reply(in, text, bytes); /* always fits */
  return true;
}

/* {"id":7,"method":"subscribe","code":0,"channel":"book.BTC_USDT.50"}; a refusal has a code and a message. */
TF_COLD static void on_answer(tf_in_band_t *in) {
  const tf_json_value_t *channel = tf_in_band_value(in, ROOT, CHANNEL_NAMED);
  uint64_t               id = 0, code = 0;
  bool                   has_code   = tf_in_band_u64(in, ROOT, CODE, &code);
  bool                   is_refusal = has_code && code != 0;
  tf_json_value_t        name = {.what = 0}, symbol = {.what = 0};
  if (channel != NULL && channel->kind == TF_JSON_STRING) {
    name   = tf_in_band_part(channel, '.', 0, false);
    symbol = tf_in_band_part(channel, '.', 1, false);
  }
  const tf_in_band_channel_t *row =
      name.kind == TF_JSON_STRING ? tf_in_band_channel_of(in, channels, &name) : NULL;
  if (is_refusal) tf_in_band_complain(in, ROOT, MESSAGE);
  tf_in_band_u64(in, ROOT, ID, &id);
  tf_in_band_answer(in, id, row != NULL ? row->channels : 0, &symbol, is_refusal);
}

/* The value of mark and funding stands where a ticker has its volume, and in no other key. */
static void put_value(tf_in_band_t *in, bool is_mark) {
  const tf_json_value_t *v = tf_in_band_value(in, ITEM, VOLUME);
  if (v == NULL) return;
  tf_in_band_put_ticker(in, is_mark ? v : NULL, is_mark ? NULL : v, ITEM, TIME, TF_IN_BAND_MS);
}

/* What was traded before the subscription comes first: the first message of an instrument on a connection. */
static bool is_first_of(tf_in_band_t *in, const tf_json_value_t *symbol) {
  tf_reject_t unused;
  uint32_t    idx = tf_symbols_of(&in->symbols, symbol, false, &unused);
  return idx == TF_SYMBOLS_NONE || !in->rows[idx].book.feed.trades.is_continued;
}

static void route(tf_in_band_t *in, tf_in_band_route_t *r) {
  const tf_json_value_t *name   = tf_in_band_value(in, RESULT, CHANNEL),
                        *symbol = tf_in_band_value(in, RESULT, INSTRUMENT);
  uint64_t id                   = 0;
  bool     is_stream            = tf_in_band_is(in, ROOT, METHOD, "subscribe");
  if (on_heartbeat(in)) {
    r->what = TF_IN_BAND_CONTROL;
    return;
  }
  if (!is_stream && !tf_in_band_is(in, ROOT, METHOD, "unsubscribe")) return;
  if (name == NULL || !is_stream) {
    r->what = TF_IN_BAND_CONTROL;
    on_answer(in);
    return;
  }
  if (name->kind != TF_JSON_STRING || symbol == NULL) return;
  r->what       = TF_IN_BAND_IGNORED;
  r->name       = name->bytes;
  r->name_bytes = name->bytes_cnt;
  if (tf_in_band_take_channel(in, r, channels, name) == NULL) return;
  r->symbol = *symbol;
  r->rule   = tf_in_band_value(in, ITEM, SEQ) != NULL || !r->is_snapshot ? TF_BOOK_RULE_PREVIOUS
                                                                         : TF_BOOK_RULE_NONE;
  r->is_backfill = r->channels == TF_CHANNEL_TRADE && is_first_of(in, symbol);
  if (r->channels == TF_CHANNEL_TICKER) put_value(in, tf_in_band_is(in, RESULT, CHANNEL, "mark"));
  if (tf_in_band_u64(in, ROOT, ID, &id) && id > 0)
    tf_in_band_answer(in, id, r->channels, symbol, false);
}

static const uint32_t depths[] = {10, DEPTH_DEFAULT, DEPTH_SNAPSHOTS, 0};

static const tf_in_band_spec_t spec = {
    .objects                  = objects,
    .object_cnt               = OBJECT_CNT,
    .items                    = items,
    .item_cnt                 = TF_ARRAY_CNT(items),
    .ids                      = TF_IN_BAND_IDS_ASCENDING,
    .trades_come_newest_first = true,
    .buy                      = "BUY",
    .sell                     = "SELL",
    .ws_path                  = "/exchange/v1/market",
    .route                    = route,
    .on_heartbeat             = on_heartbeat,
    .depth_default            = DEPTH_DEFAULT,
    .depths                   = depths,
};

/* ---- live ---- */

typedef struct {
  tf_text_out_t text;
  uint32_t      cnt;
} list_t;

static void put_channel(list_t *list, const char *channel, const char *symbol, uint32_t depth) {
  tf_text_out_put(&list->text, list->cnt++ == 0 ? "\"" : ",\"");
  tf_text_out_put(&list->text, channel);
  tf_text_out_put(&list->text, symbol);
  if (depth > 0) {
    tf_text_out_char(&list->text, '.');
    tf_text_out_u64(&list->text, depth);
  }
  tf_text_out_char(&list->text, '"');
}

/* The ticker brings QUOTE and TICKER; perpetuals have two channels more. */
static void put_channels(const tf_in_band_t *in, list_t *list, uint32_t channel,
                         const char *symbol) {
  const char *end = strrchr(symbol, '-');
  if (channel == TF_CHANNEL_TRADE) put_channel(list, "trade.", symbol, 0);
  if (channel == TF_CHANNEL_BOOK) put_channel(list, "book.", symbol, in->depth);
  if (channel == TF_CHANNEL_QUOTE) put_channel(list, "ticker.", symbol, 0);
  if (channel != TF_CHANNEL_TICKER) return;
  if (!(in->channels & TF_CHANNEL_QUOTE)) put_channel(list, "ticker.", symbol, 0);
  if (end == NULL || strcmp(end, "-PERP") != 0) return;
  put_channel(list, "mark.", symbol, 0);
  put_channel(list, "funding.", symbol, 0);
}

static size_t request(const void *state, const tf_feed_request_t *r, char *buf, size_t cap) {
  const tf_in_band_t *in   = state;
  list_t              list = {
                   {buf, cap, 0},
                   0
  };
  tf_text_out_put(&list.text, "{\"id\":");
  tf_text_out_u64(&list.text, r->id);
  tf_text_out_put(&list.text, r->unsubscribe
                                  ? ",\"method\":\"unsubscribe\",\"params\":{\"channels\":["
                                  : ",\"method\":\"subscribe\",\"params\":{\"channels\":[");
  for (uint32_t i = 0; i < r->symbol_cnt; i++)
    put_channels(in, &list, r->channel, in->symbols.rows[r->symbols[i]].text);
  if (list.cnt == 0) return 0;
  tf_text_out_put(&list.text, "]");
  if (r->channel == TF_CHANNEL_BOOK && !r->unsubscribe) {
    bool is_whole = in->depth == DEPTH_SNAPSHOTS;
    tf_text_out_put(&list.text, is_whole ? ",\"book_subscription_type\":\"SNAPSHOT\""
                                         : ",\"book_subscription_type\":\"SNAPSHOT_AND_UPDATE\"");
    tf_text_out_put(&list.text,
                    is_whole ? ",\"book_update_frequency\":500" : ",\"book_update_frequency\":10");
  }
  tf_text_out_put(&list.text, "}}");
  return tf_text_out_finish(&list.text);
}

static size_t metadata_target(const void *state, uint32_t request_idx, char *buf, size_t cap) {
  (void)state;
  tf_text_out_t t = {buf, cap, 0};
  if (request_idx > 0) return 0;
  tf_text_out_put(&t, "/exchange/v1/public/get-instruments");
  return tf_text_out_finish(&t);
}

static const tf_feed_channel_t feed_channels[] = {
    {TF_CHANNEL_TRADE,  "trade",                 TF_FEED_CHECK(IDS_ASCENDING)    },
    {TF_CHANNEL_QUOTE,  "ticker",                0                               },
    {TF_CHANNEL_BOOK,   "book",                  TF_FEED_CHECK(SEQUENCE_PREVIOUS)},
    {TF_CHANNEL_TICKER, "ticker, mark, funding", 0                               },
    {0,                 NULL,                    0                               },
};

const tf_feed_t tf_feed_cryptocom = {
    .venue                   = "cryptocom",
    .suffix                  = "CRYPTOCOM",
    .symbol_chars            = "-_",
    .spec                    = &spec,
    .state_bytes             = tf_in_band_state_bytes,
    .init                    = tf_in_band_init,
    .on_frame                = tf_in_band_on_frame,
    .echo                    = tf_in_band_echo,
    .on_connect              = tf_in_band_on_connect,
    .lose_book               = tf_in_band_lose_book,
    .ws_host                 = "stream.crypto.com",
    .ws_port                 = "443",
    .rest_host               = "api.crypto.com",
    .rest_port               = "443",
    .ws_target               = tf_in_band_ws_target,
    .request                 = request,
    .symbol                  = tf_in_band_symbol,
    .metadata_target         = metadata_target,
    .subscribe_rate_hz_max   = 5, /* 100, but counted from the connection's first second on */
    .streams_max             = 400,
    .streams_each            = {1, 1, 1, 3}, /* of a perpetual: ticker, mark, funding */
    .symbols_per_request_max = 50,
    .silence_ns_max          = 45 * TF_NS_PER_SEC, /* of a heartbeat every 30 s */
    .sequences_are_shared    = true,
    .channels                = feed_channels,
    .snapshot_channels       = TF_CHANNEL_QUOTE,
};
