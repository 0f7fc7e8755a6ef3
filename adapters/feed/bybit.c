/* Bybit, websocket v5 (VENUES.md 6).
 *
 *   {"topic":"orderbook.200.BTCUSDT","type":"snapshot"|"delta","ts":..,"data":{"s":"BTCUSDT","b":[[price,
 *     qty]],"a":[..],"u":..,"seq":..},"cts":..}
 *
 *   publicTrade  TRADE; S is the taker's. Ids are numbers (spot) or UUIDs, whose low 64 bits are taken
 *   orderbook.1  QUOTE: whole each time
 *   orderbook.N  BOOK. u is one more than the message before (the venue does not promise it, and has held it);
 *                1 says that the venue counts anew: such a message is a snapshot
 *   tickers      TICKER: last, mark price, funding rate; only what changed is sent
 *   ping, pong, subscribe   CONTROL
 *   kline, ..    ignored, by the topic's first part
 *
 * The order of keys differs from product to product, and so does the address: spot, linear, inverse, option.
 * BTCUSDT is of spot; of the others it is BTCUSDT-LINEAR and so on, in configs and in events. The instruments
 * of a feed are of one product, which is its address; a recording of several says which came by which.
 * Time is the matching engine's (cts) where it is sent. */
#include <strings.h>

#include "core/error.h"
#include "feed/in_band.h"
#include "feed/text_out.h"

#define DEPTH_DEFAULT 200u

enum { ROOT, ITEM, OBJECT_CNT };
enum { TOPIC = 1, TYPE, TS, DATA, CTS, SUCCESS, RET_MSG, OP, REQ_ID, ROOT_KEY_CNT };
static const tf_json_key_t root_keys[ROOT_KEY_CNT] = {
    TF_IN_BAND_NO_KEY,
    [TOPIC]   = TF_JSON_KEY("topic", TF_JSON_WANT_TEXT),
    [TYPE]    = TF_JSON_KEY("type", TF_JSON_WANT_TEXT),
    [TS]      = TF_JSON_KEY("ts", TF_JSON_WANT_U64),
    [DATA]    = TF_JSON_KEY("data", TF_JSON_WANT_ITEM),
    [CTS]     = TF_JSON_KEY("cts", TF_JSON_WANT_U64),
    [SUCCESS] = TF_JSON_KEY("success", TF_JSON_WANT_BYTES),
    [RET_MSG] = TF_JSON_KEY("ret_msg", TF_JSON_WANT_TEXT),
    [OP]      = TF_JSON_KEY("op", TF_JSON_WANT_TEXT),
    [REQ_ID]  = TF_JSON_KEY("req_id", TF_JSON_WANT_TEXT),
};
enum {
  BOOK_SYMBOL = 1, /* and a trade's */
  BIDS,
  ASKS,
  UPDATE,
  TRADE_TIME,
  SIDE,
  QTY,
  PRICE,
  ID,
  TICKER_SYMBOL,
  LAST,
  VOLUME,
  MARK,
  FUNDING,
  ITEM_KEY_CNT
};
static const tf_json_key_t item_keys[ITEM_KEY_CNT] = {
    TF_IN_BAND_NO_KEY,
    [BOOK_SYMBOL]   = TF_JSON_KEY("s", TF_JSON_WANT_TEXT),
    [BIDS]          = TF_JSON_KEY("b", TF_JSON_WANT_LEVELS),
    [ASKS]          = TF_JSON_KEY("a", TF_JSON_WANT_LEVELS),
    [UPDATE]        = TF_JSON_KEY("u", TF_JSON_WANT_U64),
    [TRADE_TIME]    = TF_JSON_KEY("T", TF_JSON_WANT_U64),
    [SIDE]          = TF_JSON_KEY("S", TF_JSON_WANT_TEXT),
    [QTY]           = TF_JSON_KEY("v", TF_JSON_WANT_DECIMAL),
    [PRICE]         = TF_JSON_KEY("p", TF_JSON_WANT_DECIMAL),
    [ID]            = TF_JSON_KEY("i", TF_JSON_WANT_TEXT),
    [TICKER_SYMBOL] = TF_JSON_KEY("symbol", TF_JSON_WANT_TEXT),
    [LAST]          = TF_JSON_KEY("lastPrice", TF_JSON_WANT_DECIMAL),
    [VOLUME]        = TF_JSON_KEY("volume24h", TF_JSON_WANT_DECIMAL),
    [MARK]          = TF_JSON_KEY("markPrice", TF_JSON_WANT_DECIMAL),
    [FUNDING]       = TF_JSON_KEY("fundingRate", TF_JSON_WANT_DECIMAL),
};
static const tf_in_band_object_t objects[OBJECT_CNT] = {
    [ROOT] = {root_keys, ROOT_KEY_CNT, ITEM, 0},
    [ITEM] = {item_keys, ITEM_KEY_CNT, 0,    0},
};
#define BIT TF_IN_BAND_BIT
static const tf_in_band_item_t items[] = {
    TF_IN_BAND_ITEM(.object = ITEM, .kind = TF_EVENT_BOOK, .marks = BIT(UPDATE),
                    .symbol = BOOK_SYMBOL, .bids = BIDS, .asks = ASKS, .last_seq = UPDATE),
    TF_IN_BAND_ITEM(.object = ITEM, .kind = TF_EVENT_TRADE, .marks = BIT(ID) | BIT(PRICE),
                    .symbol = BOOK_SYMBOL, .time = TRADE_TIME, .price = PRICE, .qty = QTY,
                    .side = SIDE, .id = ID),
    TF_IN_BAND_ITEM(.object = ITEM, .kind = TF_EVENT_TICKER, .marks = BIT(TICKER_SYMBOL),
                    .symbol = TICKER_SYMBOL, .last = LAST, .volume = VOLUME, .mark = MARK,
                    .funding = FUNDING),
};

/* ---- families ---- */

/* The last part of the address's path, and what stands behind its symbols. */
typedef struct {
  const char *product, *family;
} product_t;
static const product_t products[] = {
    {"spot",    ""        },
    {"linear",  "-LINEAR" },
    {"inverse", "-INVERSE"},
    {"option",  "-OPTION" },
};

typedef struct {
  const product_t *product; /* of the config's instruments */
  /* The last message's address and what it is of: a connection's is always the same. A longer one is looked at
   * each time. */
  char             target[128];
  const product_t *of_target;
} own_t;

/* "/v5/public/linear", or "/v5/market/instruments-info?category=linear&limit=1000". */
static const product_t *product_of_target(const char *target) {
  for (size_t i = 0; i < TF_ARRAY_CNT(products); i++) {
    const char *at  = strstr(target, products[i].product);
    char        end = at != NULL ? at[strlen(products[i].product)] : 'x';
    if (at != NULL && at > target && (at[-1] == '/' || at[-1] == '=') &&
        (end == '\0' || end == '&'))
      return &products[i];
  }
  return NULL;
}

static void family(tf_in_band_t *in, const tf_frame_t *frame) {
  own_t           *own     = in->own;
  const product_t *product = own->product;
  if (frame->target != NULL) {
    if (TF_UNLIKELY(strncmp(own->target, frame->target, sizeof own->target) != 0)) {
      snprintf(own->target, sizeof own->target, "%s", frame->target);
      own->of_target = product_of_target(frame->target);
    }
    if (own->of_target != NULL) product = own->of_target;
  }
  in->symbols.family       = product->family;
  in->symbols.family_bytes = (uint32_t)strlen(product->family);
}

/* ---- messages ---- */

static bool part_is(const tf_json_value_t *part, const char *text) {
  return part->bytes_cnt == strlen(text) && memcmp(part->bytes, text, part->bytes_cnt) == 0;
}

/* {"success":true,"ret_msg":"","req_id":"7","op":"subscribe"}; the whole request stands or falls. */
TF_COLD static void on_answer(tf_in_band_t *in, tf_in_band_route_t *r) {
  const tf_json_value_t *success    = tf_in_band_value(in, ROOT, SUCCESS);
  bool                   is_refusal = success != NULL && success->kind == TF_JSON_FALSE;
  uint64_t               id         = 0;
  if (success == NULL && tf_in_band_value(in, ROOT, OP) == NULL) return;
  r->what = TF_IN_BAND_CONTROL;
  if (is_refusal) tf_in_band_complain(in, ROOT, RET_MSG);
  if (!tf_in_band_is(in, ROOT, OP, "subscribe") && !tf_in_band_is(in, ROOT, OP, "unsubscribe"))
    return;
  tf_in_band_u64(in, ROOT, REQ_ID, &id);
  tf_in_band_answer(in, id, 0, NULL, is_refusal);
}

static void on_orderbook(tf_in_band_t *in, const tf_json_value_t *topic, tf_in_band_route_t *r) {
  tf_json_value_t depth    = tf_in_band_part(topic, '.', 1, false);
  uint64_t        update   = 0;
  bool            is_delta = tf_in_band_is(in, ROOT, TYPE, "delta");
  r->is_quote              = part_is(&depth, "1");
  r->channels              = r->is_quote ? TF_CHANNEL_QUOTE : TF_CHANNEL_BOOK;
  tf_in_band_u64(in, ITEM, UPDATE, &update);
  r->is_restart  = update == 1;
  r->is_snapshot = !is_delta || r->is_restart;
  r->rule        = TF_BOOK_RULE_NEXT;
  bool is_known  = is_delta || tf_in_band_is(in, ROOT, TYPE, "snapshot");
  /* half a quote would say that the other side is gone */
  if (is_known && !(r->is_quote && is_delta)) return;
  r->what = TF_IN_BAND_REFUSED;
  r->why  = TF_REJECT_SCHEMA;
}

static void route(tf_in_band_t *in, tf_in_band_route_t *r) {
  const tf_json_value_t *topic = tf_in_band_value(in, ROOT, TOPIC);
  if (topic == NULL || topic->kind != TF_JSON_STRING) {
    on_answer(in, r);
    return;
  }
  tf_json_value_t name = tf_in_band_part(topic, '.', 0, false);
  r->what              = TF_IN_BAND_DATA;
  r->name              = name.bytes;
  r->name_bytes        = name.bytes_cnt;
  r->ts_ns             = tf_in_band_time(in, ROOT, CTS, TF_IN_BAND_MS);
  if (r->ts_ns == 0) r->ts_ns = tf_in_band_time(in, ROOT, TS, TF_IN_BAND_MS);
  if (part_is(&name, "orderbook")) {
    on_orderbook(in, topic, r);
  } else if (part_is(&name, "publicTrade")) {
    r->channels = TF_CHANNEL_TRADE;
  } else if (part_is(&name, "tickers")) {
    r->channels = TF_CHANNEL_TICKER;
  } else {
    r->what = TF_IN_BAND_IGNORED;
  }
}

static const uint32_t depths[] = {50, DEPTH_DEFAULT, 1000, 0};

static const tf_in_band_spec_t spec = {
    .objects       = objects,
    .object_cnt    = OBJECT_CNT,
    .items         = items,
    .item_cnt      = TF_ARRAY_CNT(items),
    .ids           = TF_IN_BAND_IDS_OPAQUE,
    .buy           = "Buy",
    .sell          = "Sell",
    .heartbeat     = "{\"op\":\"ping\"}",
    .family        = family,
    .route         = route,
    .depth_default = DEPTH_DEFAULT,
    .depths        = depths,
    .own_bytes     = sizeof(own_t),
};

/* ---- live ---- */

static size_t ws_target(const void *state, char *buf, size_t cap) {
  const own_t  *own = ((const tf_in_band_t *)state)->own;
  tf_text_out_t t   = {buf, cap, 0};
  tf_text_out_put(&t, "/v5/public/");
  tf_text_out_put(&t, own->product->product);
  return tf_text_out_finish(&t);
}

static size_t request(const void *state, const tf_feed_request_t *r, char *buf, size_t cap) {
  const tf_in_band_t *in           = state;
  uint32_t            family_bytes = (uint32_t)strlen(((const own_t *)in->own)->product->family);
  tf_text_out_t       t            = {buf, cap, 0};
  tf_text_out_put(&t, "{\"req_id\":\"");
  tf_text_out_u64(&t, r->id);
  tf_text_out_put(&t, r->unsubscribe ? "\",\"op\":\"unsubscribe\",\"args\":["
                                     : "\",\"op\":\"subscribe\",\"args\":[");
  for (uint32_t i = 0; i < r->symbol_cnt; i++) {
    const tf_symbol_t *symbol = &in->symbols.rows[r->symbols[i]];
    tf_text_out_put(&t, i == 0 ? "\"" : ",\"");
    tf_text_out_put(&t, r->channel == TF_CHANNEL_TRADE    ? "publicTrade."
                        : r->channel == TF_CHANNEL_TICKER ? "tickers."
                        : r->channel == TF_CHANNEL_QUOTE  ? "orderbook.1."
                                                          : "orderbook.");
    if (r->channel == TF_CHANNEL_BOOK) {
      tf_text_out_u64(&t, in->depth);
      tf_text_out_char(&t, '.');
    }
    for (uint32_t k = 0; k < symbol->text_bytes - family_bytes; k++)
      tf_text_out_char(&t, symbol->text[k]);
    tf_text_out_char(&t, '"');
  }
  tf_text_out_put(&t, "]}");
  return tf_text_out_finish(&t);
}

static size_t metadata_target(const void *state, uint32_t request_idx, char *buf, size_t cap) {
  const own_t  *own = ((const tf_in_band_t *)state)->own;
  tf_text_out_t t   = {buf, cap, 0};
  if (request_idx > 0) return 0;
  tf_text_out_put(&t, "/v5/market/instruments-info?category=");
  tf_text_out_put(&t, own->product->product);
  tf_text_out_put(&t, "&limit=1000"); /* the most that it answers at once */
  return tf_text_out_finish(&t);
}

/* ---- lifetime ---- */

static tf_err_t is_of_product(const own_t *own, const char *text, const product_t *product) {
  if (product == own->product) return TF_OK;
  return TF_ERR(
      E_CONFIG_VALUE,
      "instrument %s: bybit has an address a product, and this feed's is %s: a feed for each", text,
      own->product->product);
}

/* The product of an instrument as a config spells it. */
static const product_t *product_of_text(const char *text) {
  for (size_t i = 1; i < TF_ARRAY_CNT(products); i++) {
    size_t n = strlen(text), family_bytes = strlen(products[i].family);
    if (n > family_bytes && strcasecmp(text + n - family_bytes, products[i].family) == 0)
      return &products[i];
  }
  return &products[0];
}

static tf_err_t symbol(void *state, const char *text, uint32_t *symbol, uint32_t *instrument_id) {
  const own_t *own = ((const tf_in_band_t *)state)->own;
  tf_err_t     err = is_of_product(own, text, product_of_text(text));
  return err != TF_OK ? err : tf_in_band_symbol(state, text, symbol, instrument_id);
}

static tf_err_t init(const tf_feed_t *feed, void *state, const tf_feed_config_t *config) {
  tf_in_band_t *in  = state;
  tf_err_t      err = tf_in_band_init(feed, state, config);
  if (err != TF_OK) return err;
  own_t *own   = in->own;
  own->product = &products[0];
  if (config->symbol_cnt > 0) own->product = product_of_text(config->symbols[0]);
  for (uint32_t i = 1; i < config->symbol_cnt; i++) {
    err = is_of_product(own, config->symbols[i], product_of_text(config->symbols[i]));
    if (err != TF_OK) return err;
  }
  return TF_OK;
}

static const tf_feed_channel_t feed_channels[] = {
    {TF_CHANNEL_TRADE,  "publicTrade",                                 TF_FEED_CHECK(IDS_OPAQUE)   },
    {TF_CHANNEL_QUOTE,  "orderbook.1",                                 TF_FEED_CHECK(WHOLE)        },
    {TF_CHANNEL_BOOK,   "orderbook.50, orderbook.200, orderbook.1000", TF_FEED_CHECK(SEQUENCE_NEXT)},
    {TF_CHANNEL_TICKER, "tickers",                                     0                           },
    {0,                 NULL,                                          0                           },
};

/* The venue's second name, which it documents beside the first ("realtime_public" .. "or
 * wss://stream.bytick.com"). */
static const tf_feed_host_t others[] = {
    {"stream.bytick.com", "443"},
    {NULL,                NULL },
};

const tf_feed_t tf_feed_bybit = {
    .venue                   = "bybit",
    .suffix                  = "BYBIT",
    .symbol_chars            = "-",
    .spec                    = &spec,
    .state_bytes             = tf_in_band_state_bytes,
    .init                    = init,
    .on_frame                = tf_in_band_on_frame,
    .on_connect              = tf_in_band_on_connect,
    .lose_book               = tf_in_band_lose_book,
    .ws_host                 = "stream.bybit.com",
    .ws_port                 = "443",
    .rest_host               = "api.bybit.com",
    .rest_port               = "443",
    .ws_others               = others,
    .ws_target               = ws_target,
    .request                 = request,
    .symbol                  = symbol,
    .metadata_target         = metadata_target,
    .heartbeat               = tf_in_band_heartbeat,
    .heartbeat_ns            = 20 * TF_NS_PER_SEC,
    .silence_ns_max          = 50 * TF_NS_PER_SEC, /* two heartbeats were not answered */
    .subscribe_rate_hz_max   = 5,                  /* the venue publishes none: as its neighbours */
    .streams_max             = 600, /* 21,000 characters of topics, 35 at most each */
    .symbols_per_request_max = 10,  /* of spot; one bad one fails them all */
    .connects_per_5min_max   = 500,
    .sequences_are_shared    = true,
    .channels                = feed_channels,
    .snapshot_channels       = TF_CHANNEL_QUOTE | TF_CHANNEL_TICKER,
};
