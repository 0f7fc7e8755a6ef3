/* OKX, websocket v5 (VENUES.md 5).
 *
 *   {"arg":{"channel":"books","instId":"BTC-USDT"},"action":"snapshot"|"update","data":[{"asks":[[price,
 *     qty,"0",orders]],"bids":[..],"ts":"..","checksum":..,"prevSeqId":..,"seqId":..}]}
 *
 *   trades       TRADE; side is the taker's; ids ascend
 *   bbo-tbt      QUOTE, sent as a book of one level a side
 *   books, books5, books50-l2-tbt, books-l2-tbt   BOOK. prevSeqId is the message before; recordings from
 *                before there was one have a checksum over 25 levels instead. Since 2026 the field is 0 and
 *                means nothing. books5 is whole each time.
 *   tickers, mark-price, funding-rate   TICKER
 *   candle*, index-tickers, ..          ignored, by channel */
#include "feed/in_band.h"
#include "feed/text_out.h"

enum { ROOT, ARG, ITEM, OBJECT_CNT };
enum { EVENT = 1, ACTION, ARG_KEY, DATA, CODE, MSG, ID, ROOT_KEY_CNT };
static const tf_json_key_t root_keys[ROOT_KEY_CNT] = {
    TF_IN_BAND_NO_KEY,
    [EVENT]   = TF_JSON_KEY("event", TF_JSON_WANT_TEXT),
    [ACTION]  = TF_JSON_KEY("action", TF_JSON_WANT_TEXT),
    [ARG_KEY] = TF_JSON_KEY("arg", TF_JSON_WANT_SECOND),
    [DATA]    = TF_JSON_KEY("data", TF_JSON_WANT_ITEMS),
    [CODE]    = TF_JSON_KEY("code", TF_JSON_WANT_TEXT),
    [MSG]     = TF_JSON_KEY("msg", TF_JSON_WANT_TEXT),
    [ID]      = TF_JSON_KEY("id", TF_JSON_WANT_TEXT),
};
enum { CHANNEL = 1, ARG_SYMBOL, ARG_KEY_CNT };
static const tf_json_key_t arg_keys[ARG_KEY_CNT] = {
    TF_IN_BAND_NO_KEY,
    [CHANNEL]    = TF_JSON_KEY("channel", TF_JSON_WANT_TEXT),
    [ARG_SYMBOL] = TF_JSON_KEY("instId", TF_JSON_WANT_TEXT),
};
enum {
  SYMBOL = 1,
  TS,
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
  VOLUME,
  MARK,
  FUNDING,
  ITEM_KEY_CNT
};
static const tf_json_key_t item_keys[ITEM_KEY_CNT] = {
    TF_IN_BAND_NO_KEY,
    [SYMBOL]   = TF_JSON_KEY("instId", TF_JSON_WANT_TEXT),
    [TS]       = TF_JSON_KEY("ts", TF_JSON_WANT_DECIMAL),
    [TRADE_ID] = TF_JSON_KEY("tradeId", TF_JSON_WANT_TEXT),
    [PRICE]    = TF_JSON_KEY("px", TF_JSON_WANT_DECIMAL),
    [QTY]      = TF_JSON_KEY("sz", TF_JSON_WANT_DECIMAL),
    [SIDE]     = TF_JSON_KEY("side", TF_JSON_WANT_TEXT),
    [ASKS]     = TF_JSON_KEY("asks", TF_JSON_WANT_LEVELS),
    [BIDS]     = TF_JSON_KEY("bids", TF_JSON_WANT_LEVELS),
    [CHECKSUM] = TF_JSON_KEY("checksum", TF_JSON_WANT_DECIMAL),
    [PREVIOUS] = TF_JSON_KEY("prevSeqId", TF_JSON_WANT_U64),
    [SEQ]      = TF_JSON_KEY("seqId", TF_JSON_WANT_U64),
    [LAST]     = TF_JSON_KEY("last", TF_JSON_WANT_DECIMAL),
    [VOLUME]   = TF_JSON_KEY("vol24h", TF_JSON_WANT_DECIMAL),
    [MARK]     = TF_JSON_KEY("markPx", TF_JSON_WANT_DECIMAL),
    [FUNDING]  = TF_JSON_KEY("fundingRate", TF_JSON_WANT_DECIMAL),
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
     .symbol = SYMBOL,
     .time   = TS,
     .price  = PRICE,
     .qty    = QTY,
     .side   = SIDE,
     .id     = TRADE_ID},
    {.object = ITEM,
     .kind   = TF_EVENT_TICKER,
     .marks  = BIT(LAST),
     .symbol = SYMBOL,
     .time   = TS,
     .last   = LAST,
     .volume = VOLUME},
    {.object = ITEM,
     .kind   = TF_EVENT_TICKER,
     .marks  = BIT(MARK),
     .symbol = SYMBOL,
     .time   = TS,
     .mark   = MARK                    },
    {.object  = ITEM,
     .kind    = TF_EVENT_TICKER,
     .marks   = BIT(FUNDING),
     .symbol  = SYMBOL,
     .time    = TS,
     .funding = FUNDING                      },
};

/* How a channel's name tells what it is. */
static const struct {
  const char *name;
  uint32_t    channel;
  bool        is_quote, is_whole;
} channels[] = {
    {"books",          TF_CHANNEL_BOOK,   false, false},
    {"books-l2-tbt",   TF_CHANNEL_BOOK,   false, false},
    {"books50-l2-tbt", TF_CHANNEL_BOOK,   false, false},
    {"books5",         TF_CHANNEL_BOOK,   false, true },
    {"bbo-tbt",        TF_CHANNEL_QUOTE,  true,  false},
    {"trades",         TF_CHANNEL_TRADE,  false, false},
    {"trades-all",     TF_CHANNEL_TRADE,  false, false},
    {"tickers",        TF_CHANNEL_TICKER, false, false},
    {"mark-price",     TF_CHANNEL_TICKER, false, false},
    {"funding-rate",   TF_CHANNEL_TICKER, false, false},
};

/* Signed in the messages; compared as bits. */
static uint32_t checksum_of(const tf_depth_mirror_t *mirror) {
  return tf_depth_mirror_checksum_pairs(mirror, 25);
}

static void route(tf_in_band_t *in, tf_in_band_route_t *r) {
  const tf_json_value_t *name   = tf_in_band_value(in, ARG, CHANNEL),
                        *symbol = tf_in_band_value(in, ARG, ARG_SYMBOL);
  if (tf_in_band_value(in, ROOT, EVENT) != NULL) {
    uint64_t id       = 0;
    bool     is_error = tf_in_band_is(in, ROOT, EVENT, "error");
    r->what           = TF_IN_BAND_CONTROL;
    if (is_error) tf_in_band_complain(in, ROOT, MSG);
    if (is_error || tf_in_band_is(in, ROOT, EVENT, "subscribe")) {
      tf_in_band_u64(in, ROOT, ID, &id);
      tf_in_band_answer(in, id, 0, symbol, is_error);
    }
    in->out->leaving |=
        tf_in_band_is(in, ROOT, EVENT, "notice") && tf_in_band_is(in, ROOT, CODE, "64008");
    return;
  }
  if (name == NULL || symbol == NULL || tf_in_band_value(in, ROOT, DATA) == NULL) return;
  r->what       = TF_IN_BAND_IGNORED;
  r->name       = name->bytes;
  r->name_bytes = name->bytes_cnt;
  r->symbol     = *symbol;
  for (size_t i = 0; i < TF_ARRAY_CNT(channels); i++) {
    if (!tf_json_text_is(name, channels[i].name, strlen(channels[i].name))) continue;
    const tf_json_value_t *checksum = tf_in_band_value(in, ITEM, CHECKSUM);
    r->what                         = TF_IN_BAND_DATA;
    r->channels                     = channels[i].channel;
    r->is_quote                     = channels[i].is_quote;
    r->is_snapshot = channels[i].is_whole || tf_in_band_is(in, ROOT, ACTION, "snapshot");
    r->rule        = channels[i].is_whole                      ? TF_BOOK_RULE_WHOLE
                     : tf_in_band_value(in, ITEM, SEQ) != NULL ? TF_BOOK_RULE_PREVIOUS
                                                               : TF_BOOK_RULE_NONE;
    r->no_checksum = checksum == NULL || checksum->as.mantissa == 0;
    return;
  }
}

static const tf_in_band_spec_t spec = {
    .suffix        = "OKX",
    .objects       = objects,
    .object_cnt    = OBJECT_CNT,
    .items         = items,
    .item_cnt      = TF_ARRAY_CNT(items),
    .ids           = TF_IN_BAND_IDS_ASCENDING,
    .buy           = "buy",
    .sell          = "sell",
    .route         = route,
    .depth_default = 400,
    .depth_max     = 400,
    .checksum      = checksum_of,
};

/* ---- live ---- */

static size_t ws_target(const void *state, char *buf, size_t cap) {
  (void)state;
  tf_text_out_t t = {buf, cap, 0};
  tf_text_out_put(&t, "/ws/v5/public");
  return tf_text_out_finish(&t);
}

/* One message names many streams: {"id":"7","op":"subscribe","args":[{"channel":..,"instId":..},..]}. */
static size_t request(const void *state, const tf_feed_request_t *request, char *buf, size_t cap) {
  const tf_in_band_t *in   = state;
  const char         *name = request->channel == TF_CHANNEL_TRADE   ? "trades"
                             : request->channel == TF_CHANNEL_QUOTE ? "bbo-tbt"
                             : request->channel == TF_CHANNEL_BOOK  ? "books"
                                                                    : "tickers";
  tf_text_out_t       t    = {buf, cap, 0};
  tf_text_out_put(&t, "{\"id\":\"");
  tf_text_out_u64(&t, request->id);
  tf_text_out_put(&t, "\",\"op\":\"");
  tf_text_out_put(&t, request->unsubscribe ? "unsubscribe" : "subscribe");
  tf_text_out_put(&t, "\",\"args\":[");
  for (uint32_t i = 0; i < request->symbol_cnt; i++) {
    tf_text_out_put(&t, i == 0 ? "{\"channel\":\"" : ",{\"channel\":\"");
    tf_text_out_put(&t, name);
    tf_text_out_put(&t, "\",\"instId\":\"");
    tf_text_out_put(&t, in->symbols.rows[request->symbols[i]].text);
    tf_text_out_put(&t, "\"}");
  }
  tf_text_out_put(&t, "]}");
  return tf_text_out_finish(&t);
}

/* ---- lifetime ---- */

static size_t state_bytes(const tf_feed_config_t *config) {
  return tf_in_band_state_bytes(config, &spec);
}
static tf_err_t init(void *state, const tf_feed_config_t *config) {
  return tf_in_band_init(state, config, &spec);
}

static const tf_feed_channel_t feed_channels[] = {
    {TF_CHANNEL_TRADE,  "trades",                            TF_FEED_CHECK(IDS_ASCENDING)                              },
    {TF_CHANNEL_QUOTE,  "bbo-tbt",                           TF_FEED_CHECK(WHOLE)                                      },
    {TF_CHANNEL_BOOK,   "books",                             TF_FEED_CHECK(SEQUENCE_PREVIOUS) | TF_FEED_CHECK(CHECKSUM)},
    {TF_CHANNEL_TICKER, "tickers, mark-price, funding-rate", 0                                                         },
    {0,                 NULL,                                0                                                         },
};

const tf_feed_t tf_feed_okx = {
    .venue                   = "okx",
    .suffix                  = "OKX",
    .state_bytes             = state_bytes,
    .init                    = init,
    .on_frame                = tf_in_band_on_frame,
    .on_connect              = tf_in_band_on_connect,
    .lose_book               = tf_in_band_lose_book,
    .ws_host                 = "ws.okx.com",
    .ws_port                 = "8443",
    .ws_target               = ws_target,
    .request                 = request,
    .symbols_per_request_max = 100,
    .sequences_are_shared    = true,
    .subscribe_rate_hz_max   = 3, /* 480 an hour, which the batches keep far below */
    .silence_ns_max          = 30 * TF_NS_PER_SEC,
    .channels                = feed_channels,
};
