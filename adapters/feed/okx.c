/* OKX, websocket v5 (VENUES.md 5).
 *
 *   {"arg":{"channel":"books","instId":"BTC-USDT"},"action":"snapshot"|"update","data":[{"asks":[[price,
 *     qty,"0",orders]],"bids":[..],"ts":"..","checksum":..,"prevSeqId":..,"seqId":..}]}
 *
 *   trades       TRADE; side is the taker's; ids ascend
 *   bbo-tbt      QUOTE, sent as a book of one level a side
 *   books, books5, books50-l2-tbt, books-l2-tbt   BOOK. prevSeqId is the message before; recordings from
 *                before there was one have a checksum over 25 levels instead. Since 2026 the field is 0 and
 *                means nothing. books5 is whole each time. With a key the books of every 10 ms are asked
 *                for, 400 or 50 levels, behind a login: the venue has them for some fee tiers
 *   tickers, mark-price, funding-rate   TICKER; volume is vol24h: of derivatives in contracts, as all quantities
 *   pong, subscribe, error, notice      CONTROL; code 64008 says that the connection will be closed
 *   candle*, index-tickers, ..          ignored, by channel */
#include "core/error.h"
#include "feed/args.h"
#include "feed/login.h"

#define DEPTH_TOP   5u
#define DEPTH_KEY   50u /* for who logged in */
#define DEPTH_BOOKS 400u

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
static const tf_in_band_object_t objects[] = TF_ARGS_OBJECTS(item_keys, ITEM_KEY_CNT);
#define BIT TF_IN_BAND_BIT
static const tf_in_band_item_t items[] = {
    TF_IN_BAND_ITEM(.object = TF_ARGS_ITEM, .kind = TF_EVENT_BOOK, .marks = BIT(ASKS) | BIT(BIDS),
                    .time = TS, .bids = BIDS, .asks = ASKS, .last_seq = SEQ, .previous = PREVIOUS,
                    .checksum = CHECKSUM),
    TF_IN_BAND_ITEM(.object = TF_ARGS_ITEM, .kind = TF_EVENT_TRADE,
                    .marks = BIT(TRADE_ID) | BIT(PRICE), .symbol = SYMBOL, .time = TS,
                    .price = PRICE, .qty = QTY, .side = SIDE, .id = TRADE_ID),
    TF_IN_BAND_ITEM(.object = TF_ARGS_ITEM, .kind = TF_EVENT_TICKER, .marks = BIT(LAST),
                    .symbol = SYMBOL, .time = TS, .last = LAST, .volume = VOLUME),
    TF_IN_BAND_ITEM(.object = TF_ARGS_ITEM, .kind = TF_EVENT_TICKER, .marks = BIT(MARK),
                    .symbol = SYMBOL, .time = TS, .mark = MARK),
    TF_IN_BAND_ITEM(.object = TF_ARGS_ITEM, .kind = TF_EVENT_TICKER, .marks = BIT(FUNDING),
                    .symbol = SYMBOL, .time = TS, .funding = FUNDING),
};

static const tf_in_band_channel_t channels[] = {
    {"books",          TF_CHANNEL_BOOK,   DEPTH_BOOKS, false, false, false},
    {"books-l2-tbt",   TF_CHANNEL_BOOK,   DEPTH_BOOKS, false, false, true },
    {"books50-l2-tbt", TF_CHANNEL_BOOK,   DEPTH_KEY,   false, false, true },
    {"books5",         TF_CHANNEL_BOOK,   DEPTH_TOP,   false, true,  false},
    {"bbo-tbt",        TF_CHANNEL_QUOTE,  0,           true,  false, false},
    {"trades",         TF_CHANNEL_TRADE,  0,           false, false, false},
    {"trades-all",     TF_CHANNEL_TRADE,  0,           false, false, false},
    {"tickers",        TF_CHANNEL_TICKER, 0,           false, false, false},
    {"mark-price",     TF_CHANNEL_TICKER, 0,           false, false, false},
    {"funding-rate",   TF_CHANNEL_TICKER, 0,           false, false, false},
    {NULL,             0,                 0,           false, false, false},
};

static void route(tf_in_band_t *in, tf_in_band_route_t *r) {
  const tf_json_value_t *checksum = tf_in_band_value(in, TF_ARGS_ITEM, CHECKSUM);
  tf_args_route(in, channels, SEQ, r);
  r->no_checksum = checksum == NULL || checksum->as.mantissa == 0;
  in->out->leaving |= tf_in_band_is(in, TF_ARGS_ROOT, TF_ARGS_EVENT, "notice") &&
                      tf_in_band_is(in, TF_ARGS_ROOT, TF_ARGS_CODE, "64008");
}

static const uint32_t depths[] = {DEPTH_TOP, DEPTH_KEY, DEPTH_BOOKS, 0};

static const tf_in_band_spec_t spec = {
    .objects                = objects,
    .object_cnt             = TF_ARGS_OBJECT_CNT,
    .items                  = items,
    .item_cnt               = TF_ARRAY_CNT(items),
    .ids                    = TF_IN_BAND_IDS_ASCENDING,
    .buy                    = "buy",
    .sell                   = "sell",
    .ws_path                = "/ws/v5/public",
    .heartbeat              = "ping",
    .pong                   = "pong",
    .route                  = route,
    .depth_default          = DEPTH_BOOKS,
    .depth_max              = DEPTH_BOOKS,
    .depths                 = depths,
    .checksum               = &tf_depth_checksum_pairs,
    .deletes_what_falls_out = true,
};

/* ---- live ---- */

/* BTC-USDT is spot, BTC-USDT-SWAP, BTC-USD-220527 and BTC-USD-220304-32000-P are not. */
typedef enum { SPOT, SWAP, FUTURES, OPTION, TYPE_CNT } type_t;
static type_t type_of(const char *symbol) {
  const char *last = strrchr(symbol, '-');
  uint32_t    cnt  = 0;
  for (const char *c = symbol; *c != '\0'; c++) cnt += *c == '-';
  if (cnt < 2) return SPOT;
  if (strcmp(last, "-SWAP") == 0) return SWAP;
  return cnt == 2 ? FUTURES : OPTION;
}

/* {"op":"login","args":[{"apiKey":..,"passphrase":..,"timestamp":"1700000000","sign":..}]}: the signature is over
 * time, method and path. Where several connections share a state, the others do not wait for their own answer: what
 * the venue refuses meanwhile is asked for again. */
static size_t hello(const void *state, uint32_t message_idx, char *buf, size_t cap) {
  const tf_in_band_t *in = state;
  char                seconds[24], text[64];
  tf_text_out_t       t = {buf, cap, 0}, s = {seconds, sizeof seconds, 0},
                signed_text = {text, sizeof text, 0};
  if (in->key == NULL) return 0;
  if (message_idx > 0) return in->is_login_answered ? 0 : TF_FEED_HELLO_WAIT;
  tf_text_out_u64(&s, in->connected_ns / TF_NS_PER_SEC);
  tf_text_out_finish(&s);
  tf_text_out_put(&signed_text, seconds);
  tf_text_out_put(&signed_text, "GET/users/self/verify");
  tf_text_out_finish(&signed_text);
  tf_text_out_put(&t, "{\"op\":\"login\",\"args\":[{\"apiKey\":\"");
  tf_text_out_put(&t, in->key->id);
  tf_text_out_put(&t, "\",\"passphrase\":\"");
  tf_text_out_put(&t, in->key->passphrase);
  tf_text_out_put(&t, "\",\"timestamp\":\"");
  tf_text_out_put(&t, seconds);
  tf_text_out_put(&t, "\",\"sign\":\"");
  tf_login_put_base64(&t, in->key, text);
  tf_text_out_put(&t, "\"}]}");
  return tf_text_out_finish(&t);
}

static tf_err_t init(const tf_feed_t *feed, void *state, const tf_feed_config_t *config) {
  if (config->key != NULL && config->key->passphrase[0] == '\0')
    return TF_ERR(E_FEED_KEY, "okx: the key has no passphrase");
  if (config->key == NULL && config->book_depth == DEPTH_KEY && config->symbol_cnt > 0)
    return TF_ERR(E_FEED_KEY, "book_depth %u: okx has it for who logs in alone (key_file)",
                  DEPTH_KEY);
  return tf_in_band_init(feed, state, config);
}

static void put_arg(tf_text_out_t *t, bool is_first, const char *channel, const char *symbol) {
  tf_text_out_put(t, is_first ? "{\"channel\":\"" : ",{\"channel\":\"");
  tf_text_out_put(t, channel);
  tf_text_out_put(t, "\",\"instId\":\"");
  tf_text_out_put(t, symbol);
  tf_text_out_put(t, "\"}");
}

static size_t request(const void *state, const tf_feed_request_t *r, char *buf, size_t cap) {
  const tf_in_band_t *in      = state;
  const char         *channel = tf_in_band_channel_for(in, channels, r->channel)->name;
  tf_text_out_t       t       = {buf, cap, 0};
  tf_args_begin(&t, r, r->id);
  for (uint32_t i = 0; i < r->symbol_cnt; i++) {
    const char *symbol = in->symbols.rows[r->symbols[i]].text;
    put_arg(&t, i == 0, channel, symbol);
    if (r->channel != TF_CHANNEL_TICKER || type_of(symbol) == SPOT) continue;
    put_arg(&t, false, "mark-price", symbol);
    if (type_of(symbol) == SWAP) put_arg(&t, false, "funding-rate", symbol);
  }
  tf_text_out_put(&t, "]}");
  return tf_text_out_finish(&t);
}

/* The family of an option, BTC-USD of BTC-USD-220304-32000-P: its bytes. */
static uint32_t family_bytes(const char *symbol) {
  const char *dash = strchr(symbol, '-');
  return (uint32_t)(strchr(dash + 1, '-') - symbol);
}

/* Whether a symbol is the first of its kind among those that were asked for: of its type, and an option of its
 * family, which the venue wants named. */
static bool is_first_of_kind(const tf_in_band_t *in, uint32_t idx) {
  const char *symbol = in->symbols.rows[idx].text;
  for (uint32_t i = 0; i < idx; i++) {
    const char *other = in->symbols.rows[i].text;
    if (type_of(other) != type_of(symbol)) continue;
    if (type_of(symbol) != OPTION) return false;
    if (family_bytes(other) == family_bytes(symbol) &&
        memcmp(other, symbol, family_bytes(symbol)) == 0)
      return false;
  }
  return true;
}

/* One target for each kind of instrument that was asked for. */
static size_t metadata_target(const void *state, uint32_t request_idx, char *buf, size_t cap) {
  static const char *const names[TYPE_CNT] = {"SPOT", "SWAP", "FUTURES", "OPTION"};
  const tf_in_band_t      *in              = state;
  for (uint32_t i = 0; i < in->asked_cnt; i++) {
    const char *symbol = in->symbols.rows[i].text;
    if (!is_first_of_kind(in, i) || request_idx-- > 0) continue;
    tf_text_out_t t = {buf, cap, 0};
    tf_text_out_put(&t, "/api/v5/public/instruments?instType=");
    tf_text_out_put(&t, names[type_of(symbol)]);
    if (type_of(symbol) == OPTION) {
      tf_text_out_put(&t, "&instFamily=");
      for (uint32_t k = 0; k < family_bytes(symbol); k++) tf_text_out_char(&t, symbol[k]);
    }
    return tf_text_out_finish(&t);
  }
  return 0;
}

static const tf_feed_channel_t feed_channels[] = {
    {TF_CHANNEL_TRADE,  "trades",                            TF_FEED_CHECK(IDS_ASCENDING)                              },
    {TF_CHANNEL_QUOTE,  "bbo-tbt",                           TF_FEED_CHECK(WHOLE)                                      },
    {TF_CHANNEL_BOOK,   "books",                             TF_FEED_CHECK(SEQUENCE_PREVIOUS) | TF_FEED_CHECK(CHECKSUM)},
    {TF_CHANNEL_TICKER, "tickers, mark-price, funding-rate", 0                                                         },
    {0,                 NULL,                                0                                                         },
};

/* The venue's own address for clients in AWS (its documentation, "Production trading services"). */
static const tf_feed_host_t others[] = {
    {"wsaws.okx.com", "8443"},
    {NULL,            NULL  },
};

const tf_feed_t tf_feed_okx = {
    .venue                   = "okx",
    .suffix                  = "OKX",
    .symbol_chars            = "-_",
    .spec                    = &spec,
    .state_bytes             = tf_in_band_state_bytes,
    .init                    = init,
    .on_frame                = tf_in_band_on_frame,
    .on_connect              = tf_in_band_on_connect,
    .lose_book               = tf_in_band_lose_book,
    .key_channels            = "books-l2-tbt, books50-l2-tbt (every 10 ms, by fee tier)",
    .ws_host                 = "ws.okx.com",
    .ws_port                 = "8443",
    .rest_host               = "www.okx.com",
    .rest_port               = "443",
    .ws_others               = others,
    .ws_target               = tf_in_band_ws_target,
    .hello                   = hello,
    .request                 = request,
    .symbol                  = tf_in_band_symbol,
    .metadata_target         = metadata_target,
    .heartbeat               = tf_in_band_heartbeat,
    .heartbeat_ns            = 20 * TF_NS_PER_SEC, /* it cuts after 30 s in which it sent nothing */
    .silence_ns_max          = 45 * TF_NS_PER_SEC, /* two heartbeats were not answered */
    .subscribe_rate_hz_max   = 5,   /* 480 an hour, which its batches keep far below */
    .symbols_per_request_max = 50,  /* far below 64 KB, also where each has three channels */
    .connects_per_5min_max   = 100, /* of 3 a second: nobody needs more */
    .sequences_are_shared    = true,
    .channels                = feed_channels,
    .snapshot_channels       = TF_CHANNEL_QUOTE | TF_CHANNEL_TICKER,
};
