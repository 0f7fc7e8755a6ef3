/* Hyperliquid (VENUES.md 14).
 *
 *   {"channel":"trades","data":[{"coin":"BTC","side":"B"|"A","px":..,"sz":..,"time":ms,"tid":..},..]}
 *   {"channel":"l2Book","data":{"coin":..,"time":..,"levels":[[{"px":..,"sz":..},..],[..]]}}
 *
 *   trades           TRADE; side is the taker's, B buys and A sells. Ids are hashes: the newest 64 of a coin
 *                    are remembered. The first message of a subscription is a replay: what happened before
 *                    the connection was there is BACKFILL
 *   bbo              QUOTE; a side may be null: no price, no quantity
 *   l2Book           BOOK, whole each time, 20 levels a side every 5 s, sides by place
 *   activeAssetCtx   TICKER: mark price, funding rate, volume; no time
 *   allMids, candle, ..   ignored, by channel
 *
 * A name that the venue does not know closes the socket without a word, for all that is subscribed on it. So
 * before a connection the venue is asked for its coins, and what is not among them is refused here
 * (hyperliquid_names.h). */
#include "core/error.h"
#include "feed/hyperliquid_names.h"
#include "feed/in_band.h"
#include "feed/text_out.h"
#include "feed/tick_rule.h"

#define BIT        TF_IN_BAND_BIT
#define NAMES_PATH "/info"

enum { ROOT, DATA, INNER, OBJECT_CNT };
enum { CHANNEL = 1, DATA_KEY, ROOT_KEY_CNT };
static const tf_json_key_t root_keys[ROOT_KEY_CNT] = {
    TF_IN_BAND_NO_KEY,
    [CHANNEL]  = TF_JSON_KEY("channel", TF_JSON_WANT_TEXT),
    [DATA_KEY] = TF_JSON_KEY("data", TF_JSON_WANT_ITEM),
};
enum {
  COIN = 1,
  TIME,
  SIDE,
  PRICE,
  SIZE,
  TRADE_ID,
  LEVELS,
  ASKS,
  BBO,
  BBO_ASK,
  CTX,
  METHOD,
  DATA_KEY_CNT
};
static const tf_json_key_t data_keys[DATA_KEY_CNT] = {
    TF_IN_BAND_NO_KEY,
    [COIN]     = TF_JSON_KEY("coin", TF_JSON_WANT_TEXT),
    [TIME]     = TF_JSON_KEY("time", TF_JSON_WANT_DECIMAL),
    [SIDE]     = TF_JSON_KEY("side", TF_JSON_WANT_TEXT),
    [PRICE]    = TF_JSON_KEY("px", TF_JSON_WANT_DECIMAL),
    [SIZE]     = TF_JSON_KEY("sz", TF_JSON_WANT_DECIMAL),
    [TRADE_ID] = TF_JSON_KEY("tid", TF_JSON_WANT_U64),
    [LEVELS]   = TF_JSON_KEY("levels", TF_JSON_WANT_SIDES),
    [ASKS]     = TF_IN_BAND_NO_KEY,
    [BBO]      = TF_JSON_KEY("bbo", TF_JSON_WANT_SIDES),
    [BBO_ASK]  = TF_IN_BAND_NO_KEY,
    [CTX]      = TF_JSON_KEY("ctx", TF_JSON_WANT_ITEM),
    [METHOD]   = TF_JSON_KEY("method", TF_JSON_WANT_TEXT),
};
/* A level, or what "ctx" is. */
enum { LEVEL_PRICE = 1, LEVEL_QTY, MARK, FUNDING, VOLUME, INNER_KEY_CNT };
static const tf_json_key_t inner_keys[INNER_KEY_CNT] = {
    TF_IN_BAND_NO_KEY,
    [LEVEL_PRICE] = TF_JSON_KEY("px", TF_JSON_WANT_DECIMAL),
    [LEVEL_QTY]   = TF_JSON_KEY("sz", TF_JSON_WANT_DECIMAL),
    [MARK]        = TF_JSON_KEY("markPx", TF_JSON_WANT_DECIMAL),
    [FUNDING]     = TF_JSON_KEY("funding", TF_JSON_WANT_DECIMAL),
    [VOLUME]      = TF_JSON_KEY("dayBaseVlm", TF_JSON_WANT_DECIMAL),
};
static const tf_in_band_object_t objects[OBJECT_CNT] = {
    [ROOT]  = {root_keys,  ROOT_KEY_CNT,  DATA,  0},
    [DATA]  = {data_keys,  DATA_KEY_CNT,  INNER, 0},
    [INNER] = {inner_keys, INNER_KEY_CNT, 0,     0},
};
static const tf_in_band_item_t items[] = {
    TF_IN_BAND_ITEM(.object = DATA, .kind = TF_EVENT_BOOK, .marks = BIT(COIN) | BIT(LEVELS),
                    .symbol = COIN, .time = TIME, .sides_by_place = true, .bids = LEVELS,
                    .asks = ASKS),
    TF_IN_BAND_ITEM(.object = DATA, .kind = TF_EVENT_BOOK, .marks = BIT(COIN) | BIT(BBO),
                    .symbol = COIN, .time = TIME, .sides_by_place = true, .bids = BBO,
                    .asks = BBO_ASK),
    TF_IN_BAND_ITEM(.object = DATA, .kind = TF_EVENT_TRADE, .marks = BIT(TRADE_ID) | BIT(PRICE),
                    .symbol = COIN, .time = TIME, .price = PRICE, .qty = SIZE, .side = SIDE,
                    .id = TRADE_ID),
    TF_IN_BAND_ITEM(.object = INNER, .kind = TF_IN_BAND_LEVEL, .marks = BIT(LEVEL_PRICE),
                    .price = LEVEL_PRICE, .qty = LEVEL_QTY),
    TF_IN_BAND_ITEM(.object = INNER, .kind = TF_EVENT_TICKER, .marks = BIT(MARK), .mark = MARK,
                    .funding = FUNDING, .volume = VOLUME),
};

#define SYMBOLS_MAX TF_HYPERLIQUID_SYMBOLS_MAX

typedef struct {
  uint64_t               since_ns; /* the connection, or the recording's first message */
  tf_hyperliquid_names_t names;
} own_t;

static own_t *own_of(const void *state) { return ((const tf_in_band_t *)state)->own; }

/* ---- routes ---- */

static const tf_in_band_channel_t channels[] = {
    {"l2Book",             TF_CHANNEL_BOOK,   0, false, true,  false},
    {"bbo",                TF_CHANNEL_QUOTE,  0, true,  false, false},
    {"trades",             TF_CHANNEL_TRADE,  0, false, false, false},
    {"activeAssetCtx",     TF_CHANNEL_TICKER, 0, false, false, false},
    {"activeSpotAssetCtx", TF_CHANNEL_TICKER, 0, false, false, false},
    {"allMids",            0,                 0, false, false, false},
    {"candle",             0,                 0, false, false, false},
    {"notification",       0,                 0, false, false, false},
    {"webData2",           0,                 0, false, false, false},
    {"user",               0,                 0, false, false, false},
    {"activeAssetData",    0,                 0, false, false, false},
    {NULL,                 0,                 0, false, false, false},
};

/* "Already subscribed: ..", a request that could not be read. Answers carry no id. */
static void route_answer(tf_in_band_t *in, tf_in_band_route_t *r, bool is_refusal) {
  if (is_refusal) tf_in_band_complain(in, ROOT, DATA_KEY);
  if (is_refusal || tf_in_band_is(in, DATA, METHOD, "subscribe"))
    tf_in_band_answer(in, 0, 0, NULL, is_refusal);
  r->what = TF_IN_BAND_CONTROL;
}

static void route(tf_in_band_t *in, tf_in_band_route_t *r) {
  const tf_json_value_t *name = tf_in_band_value(in, ROOT, CHANNEL);
  if (name == NULL || name->kind != TF_JSON_STRING) return;
  if (TF_JSON_TEXT_IS(name, "pong")) {
    r->what = TF_IN_BAND_CONTROL;
    return;
  }
  bool is_error = TF_JSON_TEXT_IS(name, "error");
  if (is_error || TF_JSON_TEXT_IS(name, "subscriptionResponse")) {
    route_answer(in, r, is_error);
    return;
  }
  const tf_json_value_t *coin = tf_in_band_value(in, DATA, COIN);
  uint64_t               time = tf_in_band_time(in, DATA, TIME, TF_IN_BAND_MS);
  tf_in_band_take_channel(in, r, channels, name);
  r->rule        = TF_BOOK_RULE_WHOLE;
  r->is_backfill = time < own_of(in)->since_ns; /* of the newest: the last one was read last */
  if (coin != NULL) r->symbol = *coin;
}

static const tf_in_band_spec_t spec = {
    .objects    = objects,
    .object_cnt = OBJECT_CNT,
    .items      = items,
    .item_cnt   = TF_ARRAY_CNT(items),
    .ids        = TF_IN_BAND_IDS_OPAQUE,
    .spelling   = TF_SYMBOLS_AS_IS,
    .buy        = "B",
    .sell       = "A",
    .ws_path    = "/ws",
    .heartbeat  = "{\"method\":\"ping\"}",
    .route      = route,
    .own_bytes  = sizeof(own_t),
};

/* ---- frames ---- */

/* A coin's tick, where the venue has told the digits of its sizes. */
static void look_at_tick(tf_in_band_t *in, uint32_t from, tf_feed_out_t *out) {
  uint32_t          idx;
  tf_instrument_t   rest;
  tf_tick_rule_t    rule;
  const tf_event_t *e = tf_tick_rule_event(&in->symbols, out, from, &idx);
  if (e != NULL && tf_hyperliquid_names_rule(&own_of(in)->names, &in->symbols, idx, &rule, &rest) &&
      tf_tick_rule_is_news(&in->symbols, idx, &rule, e))
    tf_tick_rule_say(&in->symbols, idx, &rule, e, &rest, out);
}

static tf_verdict_t on_frame(void *state, const tf_frame_t *frame, tf_feed_out_t *out) {
  tf_in_band_t *in   = state;
  own_t        *own  = own_of(state);
  uint32_t      from = out->event_cnt;
  if (TF_UNLIKELY(own->since_ns == 0)) own->since_ns = frame->recv_ns;
  if (TF_UNLIKELY(frame->kind == TF_FRAME_HTTP && frame->target != NULL &&
                  strcmp(frame->target, NAMES_PATH) == 0))
    return tf_hyperliquid_names_on_frame(&own->names, &in->symbols, in->asked_cnt, frame, out);
  tf_verdict_t verdict = tf_in_band_on_frame(state, frame, out);
  if (verdict == TF_VERDICT_DATA && tf_tick_rule_may_tell(out, from)) look_at_tick(in, from, out);
  return verdict;
}

static void on_connect(void *state, uint64_t now_ns, tf_feed_out_t *out) {
  own_of(state)->since_ns = now_ns;
  tf_in_band_on_connect(state, now_ns, out);
}

/* ---- live ---- */

static const tf_feed_post_t tickets[] = {
    {NAMES_PATH, "{\"type\":\"meta\"}"    },
    {NAMES_PATH, "{\"type\":\"spotMeta\"}"},
    {NULL,       NULL                     },
};

/* {"method":"subscribe","subscription":{"type":"trades","coin":"BTC"}} */
static size_t request(const void *state, const tf_feed_request_t *request, char *buf, size_t cap) {
  const tf_in_band_t *in     = state;
  const own_t        *own    = own_of(state);
  uint32_t            symbol = request->symbols[0];
  const char         *coin   = in->symbols.rows[symbol].text;
  tf_text_out_t       t      = {buf, cap, 0};
  if (!tf_hyperliquid_names_has(&own->names, coin)) {
    tf_hyperliquid_names_complain(&own->names, symbol, coin, buf, cap);
    return TF_FEED_UNKNOWN_SYMBOL;
  }
  tf_text_out_put(&t, request->unsubscribe ? "{\"method\":\"unsubscribe\""
                                           : "{\"method\":\"subscribe\"");
  tf_text_out_put(&t, ",\"subscription\":{\"type\":\"");
  tf_text_out_put(&t, request->channel == TF_CHANNEL_TRADE   ? "trades"
                      : request->channel == TF_CHANNEL_QUOTE ? "bbo"
                      : request->channel == TF_CHANNEL_BOOK  ? "l2Book"
                                                             : "activeAssetCtx");
  tf_text_out_put(&t, "\",\"coin\":\"");
  tf_text_out_put(&t, coin);
  tf_text_out_put(&t, "\"}}");
  return tf_text_out_finish(&t);
}

/* ---- lifetime ---- */

static tf_err_t init(const tf_feed_t *feed, void *state, const tf_feed_config_t *config) {
  if (config->symbol_cnt > SYMBOLS_MAX)
    return TF_ERR(E_FEED_LIMIT,
                  "%u instruments: %u subscriptions are the most that one address has",
                  config->symbol_cnt, SYMBOLS_MAX);
  return tf_in_band_init(feed, state, config);
}

static const tf_feed_channel_t feed_channels[] = {
    {TF_CHANNEL_TRADE,  "trades",         TF_FEED_CHECK(IDS_OPAQUE)},
    {TF_CHANNEL_QUOTE,  "bbo",            TF_FEED_CHECK(WHOLE)     },
    {TF_CHANNEL_BOOK,   "l2Book",         TF_FEED_CHECK(WHOLE)     },
    {TF_CHANNEL_TICKER, "activeAssetCtx", TF_FEED_CHECK(WHOLE)     },
    {0,                 NULL,             0                        },
};

const tf_feed_t tf_feed_hyperliquid = {
    .venue                   = "hyperliquid",
    .suffix                  = "HYPERLIQUID",
    .symbol_chars            = "@/:-_",
    .spec                    = &spec,
    .state_bytes             = tf_in_band_state_bytes,
    .init                    = init,
    .on_frame                = on_frame,
    .on_connect              = on_connect,
    .lose_book               = tf_in_band_lose_book,
    .ws_host                 = "api.hyperliquid.xyz",
    .ws_port                 = "443",
    .rest_host               = "api.hyperliquid.xyz",
    .rest_port               = "443",
    .tickets                 = tickets,
    .tickets_tell_metadata   = true,
    .ws_target               = tf_in_band_ws_target,
    .request                 = request,
    .symbol                  = tf_in_band_symbol,
    .heartbeat               = tf_in_band_heartbeat,
    .heartbeat_ns            = 20 * TF_NS_PER_SEC,
    .subscribe_rate_hz_max   = 20, /* 2,000 messages a minute of one address */
    .streams_max             = SYMBOLS_MAX,
    .symbols_per_request_max = 1,
    .snapshot_channels       = TF_CHANNEL_TICKER,
    .connects_per_5min_max   = 150,
    .silence_ns_max          = 60 * TF_NS_PER_SEC, /* three pongs missed */
    .channels                = feed_channels,
};
