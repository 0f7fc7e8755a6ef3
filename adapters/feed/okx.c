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
 *   tickers, mark-price, funding-rate   TICKER; volume is vol24h: of derivatives in contracts, as all quantities
 *   pong, subscribe, error, notice      CONTROL; code 64008 says that the connection will be closed
 *   candle*, index-tickers, ..          ignored, by channel */
#include "feed/in_band.h"
#include "feed/text_out.h"

#define DEPTH_TOP   5u
#define DEPTH_BOOKS 400u

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
#define NAME(text) (text), sizeof(text) - 1
static const struct {
  const char *name;
  uint32_t    name_bytes;
  uint32_t    channel;
  bool        is_quote, is_whole;
  uint32_t    depth;
} channels[] = {
    {NAME("books"),          TF_CHANNEL_BOOK,   false, false, DEPTH_BOOKS},
    {NAME("books-l2-tbt"),   TF_CHANNEL_BOOK,   false, false, DEPTH_BOOKS},
    {NAME("books50-l2-tbt"), TF_CHANNEL_BOOK,   false, false, 50         },
    {NAME("books5"),         TF_CHANNEL_BOOK,   false, true,  DEPTH_TOP  },
    {NAME("bbo-tbt"),        TF_CHANNEL_QUOTE,  true,  false, 0          },
    {NAME("trades"),         TF_CHANNEL_TRADE,  false, false, 0          },
    {NAME("trades-all"),     TF_CHANNEL_TRADE,  false, false, 0          },
    {NAME("tickers"),        TF_CHANNEL_TICKER, false, false, 0          },
    {NAME("mark-price"),     TF_CHANNEL_TICKER, false, false, 0          },
    {NAME("funding-rate"),   TF_CHANNEL_TICKER, false, false, 0          },
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

/* {"event":"subscribe","id":..,"arg":{..}}, one a stream; {"event":"error","id":..,"code":..,"msg":..}. */
TF_COLD static void on_event(tf_in_band_t *in) {
  const tf_json_value_t *name     = tf_in_band_value(in, ARG, CHANNEL);
  uint32_t               i        = name != NULL ? channel_idx(name) : TF_ARRAY_CNT(channels);
  bool                   is_error = tf_in_band_is(in, ROOT, EVENT, "error");
  uint64_t               id       = 0;
  if (is_error) tf_in_band_complain(in, ROOT, MSG);
  in->out->leaving |=
      tf_in_band_is(in, ROOT, EVENT, "notice") && tf_in_band_is(in, ROOT, CODE, "64008");
  if (!is_error && !tf_in_band_is(in, ROOT, EVENT, "subscribe") &&
      !tf_in_band_is(in, ROOT, EVENT, "unsubscribe"))
    return;
  tf_in_band_u64(in, ROOT, ID, &id);
  tf_in_band_answer(in, id, i < TF_ARRAY_CNT(channels) ? channels[i].channel : 0,
                    tf_in_band_value(in, ARG, ARG_SYMBOL), is_error);
}

static void route(tf_in_band_t *in, tf_in_band_route_t *r) {
  const tf_json_value_t *name   = tf_in_band_value(in, ARG, CHANNEL),
                        *symbol = tf_in_band_value(in, ARG, ARG_SYMBOL);
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
  const tf_json_value_t *checksum = tf_in_band_value(in, ITEM, CHECKSUM);
  r->what                         = TF_IN_BAND_DATA;
  r->channels                     = channels[i].channel;
  r->is_quote                     = channels[i].is_quote;
  r->depth                        = channels[i].depth;
  r->is_snapshot = channels[i].is_whole || tf_in_band_is(in, ROOT, ACTION, "snapshot");
  r->rule        = channels[i].is_whole                      ? TF_BOOK_RULE_WHOLE
                   : tf_in_band_value(in, ITEM, SEQ) != NULL ? TF_BOOK_RULE_PREVIOUS
                                                             : TF_BOOK_RULE_NONE;
  r->no_checksum = checksum == NULL || checksum->as.mantissa == 0;
  if (symbol != NULL) r->symbol = *symbol;
}

static bool on_other(tf_in_band_t *in, const tf_frame_t *frame, tf_in_band_route_t *r) {
  (void)in;
  r->what = TF_IN_BAND_CONTROL;
  return frame->bytes_cnt == 4 && memcmp(frame->bytes, "pong", 4) == 0;
}

static const uint32_t depths[] = {DEPTH_TOP, DEPTH_BOOKS, 0};

static const tf_in_band_spec_t spec = {
    .objects                = objects,
    .object_cnt             = OBJECT_CNT,
    .items                  = items,
    .item_cnt               = TF_ARRAY_CNT(items),
    .ids                    = TF_IN_BAND_IDS_ASCENDING,
    .buy                    = "buy",
    .sell                   = "sell",
    .route                  = route,
    .on_other               = on_other,
    .depth_default          = DEPTH_BOOKS,
    .depth_max              = DEPTH_BOOKS,
    .depths                 = depths,
    .checksum               = checksum_of,
    .deletes_what_falls_out = true,
};

/* ---- live ---- */

static size_t ws_target(const void *state, char *buf, size_t cap) {
  (void)state;
  tf_text_out_t t = {buf, cap, 0};
  tf_text_out_put(&t, "/ws/v5/public");
  return tf_text_out_finish(&t);
}

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

static void put_arg(tf_text_out_t *t, bool is_first, const char *channel, const char *symbol) {
  tf_text_out_put(t, is_first ? "{\"channel\":\"" : ",{\"channel\":\"");
  tf_text_out_put(t, channel);
  tf_text_out_put(t, "\",\"instId\":\"");
  tf_text_out_put(t, symbol);
  tf_text_out_put(t, "\"}");
}

static size_t request(const void *state, const tf_feed_request_t *r, char *buf, size_t cap) {
  const tf_in_band_t *in      = state;
  const char         *channel = r->channel == TF_CHANNEL_TRADE    ? "trades"
                                : r->channel == TF_CHANNEL_QUOTE  ? "bbo-tbt"
                                : r->channel == TF_CHANNEL_TICKER ? "tickers"
                                : in->depth == DEPTH_TOP          ? "books5"
                                                                  : "books";
  tf_text_out_t       t       = {buf, cap, 0};
  tf_text_out_put(&t, "{\"id\":\"");
  tf_text_out_u64(&t, r->id);
  tf_text_out_put(&t, r->unsubscribe ? "\",\"op\":\"unsubscribe\",\"args\":["
                                     : "\",\"op\":\"subscribe\",\"args\":[");
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

/* One target for each type of instrument that was asked for. Options want their family named, too: they
 * have none. */
static size_t metadata_target(const void *state, uint32_t request_idx, char *buf, size_t cap) {
  static const char *const names[TYPE_CNT] = {"SPOT", "SWAP", "FUTURES", NULL};
  const tf_in_band_t      *in              = state;
  bool                     has[TYPE_CNT]   = {false};
  for (uint32_t i = 0; i < in->asked_cnt; i++) has[type_of(in->symbols.rows[i].text)] = true;
  for (uint32_t type = 0; type < TYPE_CNT; type++) {
    if (!has[type] || names[type] == NULL || request_idx-- > 0) continue;
    tf_text_out_t t = {buf, cap, 0};
    tf_text_out_put(&t, "/api/v5/public/instruments?instType=");
    tf_text_out_put(&t, names[type]);
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
    {TF_CHANNEL_TRADE,  "trades",                            TF_FEED_CHECK(IDS_ASCENDING)                              },
    {TF_CHANNEL_QUOTE,  "bbo-tbt",                           TF_FEED_CHECK(WHOLE)                                      },
    {TF_CHANNEL_BOOK,   "books",                             TF_FEED_CHECK(SEQUENCE_PREVIOUS) | TF_FEED_CHECK(CHECKSUM)},
    {TF_CHANNEL_TICKER, "tickers, mark-price, funding-rate", 0                                                         },
    {0,                 NULL,                                0                                                         },
};

const tf_feed_t tf_feed_okx = {
    .venue                   = "okx",
    .suffix                  = "OKX",
    .spec                    = &spec,
    .state_bytes             = tf_in_band_state_bytes,
    .init                    = tf_in_band_init,
    .on_frame                = tf_in_band_on_frame,
    .on_connect              = tf_in_band_on_connect,
    .lose_book               = tf_in_band_lose_book,
    .ws_host                 = "ws.okx.com",
    .ws_port                 = "8443",
    .rest_host               = "www.okx.com",
    .rest_port               = "443",
    .ws_target               = ws_target,
    .request                 = request,
    .symbol                  = tf_in_band_symbol,
    .metadata_target         = metadata_target,
    .heartbeat               = heartbeat,
    .heartbeat_ns            = 20 * TF_NS_PER_SEC, /* it cuts after 30 s in which it sent nothing */
    .silence_ns_max          = 45 * TF_NS_PER_SEC, /* two heartbeats were not answered */
    .subscribe_rate_hz_max   = 5,   /* 480 an hour, which its batches keep far below */
    .symbols_per_request_max = 50,  /* far below 64 KB, also where each has three channels */
    .connects_per_5min_max   = 100, /* of 3 a second: nobody needs more */
    .sequences_are_shared    = true,
    .channels                = feed_channels,
    .snapshot_channels       = TF_CHANNEL_QUOTE | TF_CHANNEL_TICKER,
};
