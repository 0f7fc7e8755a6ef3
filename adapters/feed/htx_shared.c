#include "core/error.h"
#include "feed/htx.h"
#include "feed/text_out.h"
#include "tf/io.h"
#include "wire/gzip.h"

#define BIT TF_IN_BAND_BIT

enum { ROOT, TICK, TRADE, OBJECT_CNT };
enum {
  CH = 1,
  REP,
  TS,
  TICK_KEY,
  DATA,
  PING,
  OP,
  ID,
  STATUS,
  SUBBED,
  UNSUBBED,
  ERR_MSG,
  TOPIC,
  CID,
  ERR_CODE,
  ROOT_KEY_CNT
};
static const tf_json_key_t root_keys[ROOT_KEY_CNT] = {
    TF_IN_BAND_NO_KEY,
    [CH]       = TF_JSON_KEY("ch", TF_JSON_WANT_TEXT),
    [REP]      = TF_JSON_KEY("rep", TF_JSON_WANT_TEXT),
    [TS]       = TF_JSON_KEY("ts", TF_JSON_WANT_U64),
    [TICK_KEY] = TF_JSON_KEY("tick", TF_JSON_WANT_ITEM),
    [DATA]     = TF_JSON_KEY("data", TF_JSON_WANT_ITEM),
    [PING]     = TF_JSON_KEY("ping", TF_JSON_WANT_BYTES),
    [OP]       = TF_JSON_KEY("op", TF_JSON_WANT_TEXT),
    [ID]       = TF_JSON_KEY("id", TF_JSON_WANT_BYTES),
    [STATUS]   = TF_JSON_KEY("status", TF_JSON_WANT_TEXT),
    [SUBBED]   = TF_JSON_KEY("subbed", TF_JSON_WANT_TEXT),
    [UNSUBBED] = TF_JSON_KEY("unsubbed", TF_JSON_WANT_TEXT),
    [ERR_MSG]  = TF_JSON_KEY("err-msg", TF_JSON_WANT_TEXT),
    [TOPIC]    = TF_JSON_KEY("topic", TF_JSON_WANT_TEXT),
    [CID]      = TF_JSON_KEY("cid", TF_JSON_WANT_TEXT),
    [ERR_CODE] = TF_JSON_KEY("err-code", TF_JSON_WANT_U64),
};
/* What "tick" is, or "data" in its place, or is a list of. */
enum {
  TRADES = 1,
  SEQ,
  PREVIOUS,
  BIDS,
  ASKS,
  EVENT,
  VERSION,
  TICK_TS,
  QUOTE_TIME,
  BID,
  BID_SIZE,
  ASK,
  ASK_SIZE,
  CLOSE,
  VOLUME,
  CONTRACT,
  FUNDING,
  QUOTE_SEQ,
  TICK_KEY_CNT
};
static const tf_json_key_t tick_keys[TICK_KEY_CNT] = {
    TF_IN_BAND_NO_KEY,
    [TRADES]     = TF_JSON_KEY("data", TF_JSON_WANT_ITEMS),
    [SEQ]        = TF_JSON_KEY("seqNum", TF_JSON_WANT_U64),
    [PREVIOUS]   = TF_JSON_KEY("prevSeqNum", TF_JSON_WANT_U64),
    [BIDS]       = TF_JSON_KEY("bids", TF_JSON_WANT_LEVELS),
    [ASKS]       = TF_JSON_KEY("asks", TF_JSON_WANT_LEVELS),
    [EVENT]      = TF_JSON_KEY("event", TF_JSON_WANT_TEXT),
    [VERSION]    = TF_JSON_KEY("version", TF_JSON_WANT_U64),
    [TICK_TS]    = TF_JSON_KEY("ts", TF_JSON_WANT_DECIMAL),
    [QUOTE_TIME] = TF_JSON_KEY("quoteTime", TF_JSON_WANT_DECIMAL),
    [BID]        = TF_JSON_KEY("bid", TF_JSON_WANT_DECIMAL),
    [BID_SIZE]   = TF_JSON_KEY("bidSize", TF_JSON_WANT_DECIMAL),
    [ASK]        = TF_JSON_KEY("ask", TF_JSON_WANT_DECIMAL),
    [ASK_SIZE]   = TF_JSON_KEY("askSize", TF_JSON_WANT_DECIMAL),
    [CLOSE]      = TF_JSON_KEY("close", TF_JSON_WANT_DECIMAL),
    [VOLUME]     = TF_JSON_KEY("amount", TF_JSON_WANT_DECIMAL),
    [CONTRACT]   = TF_JSON_KEY("contract_code", TF_JSON_WANT_TEXT),
    [FUNDING]    = TF_JSON_KEY("funding_rate", TF_JSON_WANT_DECIMAL),
    [QUOTE_SEQ]  = TF_JSON_KEY("seqId", TF_JSON_WANT_U64),
};
enum { TRADE_LONG_ID = 1, TRADE_ID, TRADE_TS, AMOUNT, PRICE, DIRECTION, TRADE_KEY_CNT };
static const tf_json_key_t trade_keys[TRADE_KEY_CNT] = {
    TF_IN_BAND_NO_KEY,
    [TRADE_LONG_ID] = TF_JSON_KEY("id", TF_JSON_WANT_BYTES),
    [TRADE_ID]      = TF_JSON_KEY("tradeId", TF_JSON_WANT_BYTES),
    [TRADE_TS]      = TF_JSON_KEY("ts", TF_JSON_WANT_DECIMAL),
    [AMOUNT]        = TF_JSON_KEY("amount", TF_JSON_WANT_DECIMAL),
    [PRICE]         = TF_JSON_KEY("price", TF_JSON_WANT_DECIMAL),
    [DIRECTION]     = TF_JSON_KEY("direction", TF_JSON_WANT_TEXT),
};
static const tf_in_band_object_t objects[OBJECT_CNT] = {
    [ROOT]  = {root_keys,  ROOT_KEY_CNT,  TICK,  0},
    [TICK]  = {tick_keys,  TICK_KEY_CNT,  TRADE, 0},
    [TRADE] = {trade_keys, TRADE_KEY_CNT, 0,     0},
};

/* In turn: mbp, depth.size_N.high_freq, depth.stepN, bbo (of swaps its sides are lists: tf_in_band_put_quote),
 * detail, funding_rate, a trade. */
#define ITEMS(trade_id)                                                                            \
  {                                                                                                \
    TF_IN_BAND_ITEM(.object = TICK, .kind = TF_EVENT_BOOK, .marks = BIT(SEQ), .bids = BIDS,        \
                    .asks = ASKS, .last_seq = SEQ, .previous = PREVIOUS),                          \
        TF_IN_BAND_ITEM(.object = TICK, .kind = TF_EVENT_BOOK, .marks = BIT(EVENT) | BIT(VERSION), \
                        .time = TICK_TS, .bids = BIDS, .asks = ASKS, .last_seq = VERSION),         \
        TF_IN_BAND_ITEM(.object = TICK, .kind = TF_EVENT_BOOK,                                     \
                        .marks = BIT(VERSION) | BIT(TICK_TS),                                      \
                        .lacks = BIT(EVENT) | BIT(SEQ) | BIT(BID) | BIT(ASK), .time = TICK_TS,     \
                        .bids = BIDS, .asks = ASKS),                                               \
        TF_IN_BAND_ITEM(.object = TICK, .kind = TF_EVENT_QUOTE,                                    \
                        .marks = BIT(BID_SIZE) | BIT(ASK_SIZE), .last_seq = QUOTE_SEQ,             \
                        .time = QUOTE_TIME, .bid = BID, .bid_qty = BID_SIZE, .ask = ASK,           \
                        .ask_qty = ASK_SIZE),                                                      \
        TF_IN_BAND_ITEM(.object = TICK, .kind = TF_EVENT_TICKER,                                   \
                        .marks = BIT(CLOSE) | BIT(VOLUME), .last = CLOSE, .volume = VOLUME),       \
        TF_IN_BAND_ITEM(.object = TICK, .kind = TF_EVENT_TICKER,                                   \
                        .marks = BIT(CONTRACT) | BIT(FUNDING), .symbol = CONTRACT,                 \
                        .funding = FUNDING),                                                       \
        TF_IN_BAND_ITEM(.object = TRADE, .kind = TF_EVENT_TRADE,                                   \
                        .marks = BIT(PRICE) | BIT(DIRECTION), .time = TRADE_TS, .price = PRICE,    \
                        .qty = AMOUNT, .side = DIRECTION, .id = (trade_id))                        \
  }
static const tf_in_band_item_t spot_items[] = ITEMS(TRADE_ID);
static const tf_in_band_item_t swap_items[] = ITEMS(TRADE_LONG_ID);

typedef struct {
  tf_gzip_t gzip;
  char     *text; /* of a message, inflated: TF_HTX_MESSAGE_BYTES_MAX and the pad */
} own_t;

static own_t *own_of(const void *state) { return ((const tf_in_band_t *)state)->own; }

static const tf_htx_market_t *market_of(const void *state) {
  return ((const tf_in_band_t *)state)->spec->market;
}

/* ---- routes ---- */

/* {"ping":1618678073643}, {"op":"ping","ts":"1618678073643"}: the number goes back as it came. */
static bool on_heartbeat(tf_in_band_t *in) {
  const tf_json_value_t *number = tf_in_band_value(in, ROOT, PING);
  char                   text[64];
  tf_text_out_t          t      = {text, sizeof text, 0};
  bool                   has_op = number == NULL;
  if (has_op && !tf_in_band_is(in, ROOT, OP, "ping")) return false;
  if (has_op) number = tf_in_band_value(in, ROOT, TS);
  if (number == NULL || (number->kind != TF_JSON_NUMBER && number->kind != TF_JSON_STRING) ||
      number->bytes_cnt > 24)
    return true;
  bool is_text = number->kind == TF_JSON_STRING;
  tf_text_out_put(&t, has_op ? "{\"op\":\"pong\",\"ts\":" : "{\"pong\":");
  if (is_text) tf_text_out_char(&t, '"');
  for (uint32_t i = 0; i < number->bytes_cnt; i++) tf_text_out_char(&t, number->bytes[i]);
  tf_text_out_put(&t, is_text ? "\"}" : "}");
  tf_in_band_reply(in, text, tf_text_out_finish(&t));
  return true;
}

/* {"id":"7","status":"ok","subbed":"market.btcusdt.bbo"}, {"id":"7","status":"error","err-msg":..} */
static void route_answer(tf_in_band_t *in, tf_in_band_route_t *r) {
  uint64_t id         = 0;
  bool     is_refusal = tf_in_band_is(in, ROOT, STATUS, "error");
  if (is_refusal) tf_in_band_complain(in, ROOT, ERR_MSG);
  tf_in_band_u64(in, ROOT, ID, &id);
  if (tf_in_band_value(in, ROOT, UNSUBBED) == NULL) tf_in_band_answer(in, id, 0, NULL, is_refusal);
  r->what = TF_IN_BAND_CONTROL;
}

/* {"op":"sub","cid":"7","topic":..,"err-code":0}; a refusal has another code, and "err-msg". */
static void answer_op(tf_in_band_t *in) {
  uint64_t id = 0, code = 0;
  tf_in_band_u64(in, ROOT, CID, &id);
  tf_in_band_u64(in, ROOT, ERR_CODE, &code);
  if (code != 0) tf_in_band_complain(in, ROOT, ERR_MSG);
  tf_in_band_answer(in, id, 0, NULL, code != 0);
}

/* {"op":"notify","topic":"public.BTC-USDT.funding_rate","data":[..]}, and the rest of that dialect. */
static void route_op(tf_in_band_t *in, tf_in_band_route_t *r) {
  const tf_json_value_t *topic = tf_in_band_value(in, ROOT, TOPIC);
  if (!tf_in_band_is(in, ROOT, OP, "notify")) {
    static const char *const controls[] = {"pong", "sub", "unsub", "close", "error"};
    for (size_t i = 0; i < TF_ARRAY_CNT(controls); i++)
      if (tf_in_band_is(in, ROOT, OP, controls[i])) r->what = TF_IN_BAND_CONTROL;
    if (tf_in_band_is(in, ROOT, OP, "sub")) answer_op(in);
    return;
  }
  tf_json_value_t kind = {.what = 0};
  if (topic != NULL && topic->kind == TF_JSON_STRING) kind = tf_in_band_part(topic, '.', 2, true);
  if (!TF_JSON_TEXT_IS(&kind, "funding_rate")) return;
  r->what       = TF_IN_BAND_DATA;
  r->channels   = TF_CHANNEL_TICKER;
  r->ts_ns      = tf_in_band_time(in, ROOT, TS, TF_IN_BAND_MS);
  r->name       = "funding_rate";
  r->name_bytes = 12;
}

static bool begins(const tf_json_value_t *text, const char *with) {
  size_t n = strlen(with);
  return text->bytes_cnt >= n && memcmp(text->bytes, with, n) == 0;
}

/* A swap's sides are lists. */
static void put_quote(tf_in_band_t *in) {
  const tf_json_value_t *bid = tf_in_band_value(in, TICK, BID),
                        *ask = tf_in_band_value(in, TICK, ASK);
  if (bid == NULL || ask == NULL || bid->kind != TF_JSON_ARRAY) return;
  tf_in_band_put_quote(in, tf_in_band_time(in, TICK, TICK_TS, TF_IN_BAND_MS), bid, ask);
}

static void route(tf_in_band_t *in, tf_in_band_route_t *r) {
  const tf_json_value_t *ch    = tf_in_band_value(in, ROOT, CH);
  bool                   is_op = tf_in_band_value(in, ROOT, OP) != NULL, is_asked = false;
  if (on_heartbeat(in)) {
    r->what = TF_IN_BAND_CONTROL;
    return;
  }
  if (is_op) {
    route_op(in, r);
    return;
  }
  if (tf_in_band_value(in, ROOT, SUBBED) != NULL || tf_in_band_value(in, ROOT, UNSUBBED) != NULL ||
      tf_in_band_is(in, ROOT, STATUS, "error")) {
    route_answer(in, r);
    return;
  }
  if (ch == NULL) {
    ch       = tf_in_band_value(in, ROOT, REP);
    is_asked = ch != NULL;
  }
  if (ch == NULL || ch->kind != TF_JSON_STRING) return;
  tf_json_value_t kind = tf_in_band_part(ch, '.', 2, true);
  r->symbol            = tf_in_band_part(ch, '.', 1, false);
  r->ts_ns             = tf_in_band_time(in, ROOT, TS, TF_IN_BAND_MS);
  r->name              = kind.bytes;
  r->name_bytes        = kind.bytes_cnt;
  r->what              = TF_IN_BAND_DATA;
  r->is_requested      = is_asked;
  if (TF_JSON_TEXT_IS(&kind, "trade.detail")) {
    r->channels = TF_CHANNEL_TRADE;
  } else if (TF_JSON_TEXT_IS(&kind, "bbo")) {
    r->channels = TF_CHANNEL_QUOTE;
    put_quote(in);
  } else if (TF_JSON_TEXT_IS(&kind, "detail")) {
    r->channels = TF_CHANNEL_TICKER;
  } else if (begins(&kind, "depth.size_")) {
    r->channels    = TF_CHANNEL_BOOK;
    r->is_snapshot = tf_in_band_is(in, TICK, EVENT, "snapshot");
  } else if (begins(&kind, "depth.step") || begins(&kind, "mbp.refresh.")) {
    r->channels     = TF_CHANNEL_BOOK;
    r->is_snapshot  = true;
    r->is_requested = false;
  } else if (begins(&kind, "mbp.")) {
    r->channels    = TF_CHANNEL_BOOK;
    r->is_snapshot = is_asked;
  } else if (begins(&kind, "kline.")) {
    r->what       = TF_IN_BAND_IGNORED;
    r->name_bytes = 5;
  } else {
    r->what = TF_IN_BAND_REFUSED;
    r->why  = TF_REJECT_UNKNOWN;
  }
}

static const uint32_t spot_depths[] = {5, 20, 150, 400, 0}, swap_depths[] = {20, 150, 0};

#define SPEC(its_market, its_items, its_ids, its_spelling, newest_first, its_depths)               \
  {                                                                                                \
    .market = &(its_market), .objects = objects, .object_cnt = OBJECT_CNT, .items = (its_items),   \
    .item_cnt = TF_ARRAY_CNT(its_items), .ids = (its_ids),                                         \
    .trades_come_newest_first = (newest_first), .spelling = (its_spelling), .buy = "buy",          \
    .sell = "sell", .bridges = true, .route = route, .on_heartbeat = on_heartbeat,                 \
    .depth_default = 150, .depths = (its_depths), .own_bytes = sizeof(own_t) + OWN_MEMORY_BYTES    \
  }
#define OWN_ALIGN        16u
#define GZIP_BYTES_MAX   65536u
#define OWN_MEMORY_BYTES (OWN_ALIGN + GZIP_BYTES_MAX + TF_HTX_MESSAGE_BYTES_MAX + TF_BYTES_PAD)
const tf_in_band_spec_t tf_htx_spot_spec =
    SPEC(tf_htx_spot_market, spot_items, TF_IN_BAND_IDS_CONSECUTIVE, TF_SYMBOLS_LOWER, true,
         spot_depths);
const tf_in_band_spec_t tf_htx_funding_spec =
    SPEC(tf_htx_funding_market, swap_items, TF_IN_BAND_IDS_ASCENDING, TF_SYMBOLS_UPPER, false,
         swap_depths);
const tf_in_band_spec_t tf_htx_swap_spec = SPEC(
    tf_htx_swap_market, swap_items, TF_IN_BAND_IDS_ASCENDING, TF_SYMBOLS_UPPER, false, swap_depths);

/* ---- frames ---- */

/* {"req":"market.btcusdt.mbp.150","id":"snapshot"} */
static void ask_for_book(tf_in_band_t *in, uint32_t instrument_id) {
  const tf_htx_market_t *market = market_of(in);
  char                   text[TF_FEED_REPLY_BYTES];
  tf_text_out_t          t   = {text, sizeof text, 0};
  uint32_t               idx = tf_in_band_row_idx(in, instrument_id);
  if (idx == TF_SYMBOLS_NONE) return;
  tf_text_out_put(&t, "{\"req\":\"market.");
  tf_text_out_put(&t, in->symbols.rows[idx].text);
  tf_text_out_char(&t, '.');
  tf_text_out_put(&t, market->book_topic);
  tf_text_out_u64(&t, in->depth);
  tf_text_out_put(&t, market->book_suffix);
  tf_text_out_put(&t, "\",\"id\":\"snapshot\"}");
  if (tf_text_out_finish(&t) < sizeof text) tf_in_band_ask(in, text, t.cnt);
}

#define PING_BYTES_MAX 128u /* as it is sent; what is longer is data */

/* The frame as text. False: it is none, and *why. */
static bool inflate_frame(own_t *own, const tf_frame_t *frame, tf_frame_t *text, tf_reject_t *why) {
  size_t           cnt;
  tf_gzip_status_t status = tf_gzip_take(&own->gzip, frame->bytes, frame->bytes_cnt, own->text,
                                         TF_HTX_MESSAGE_BYTES_MAX, &cnt);
  *why                    = status == TF_GZIP_FULL ? TF_REJECT_LIMIT : TF_REJECT_ENCODING;
  if (status != TF_GZIP_OK) return false;
  memset(own->text + cnt, 0, TF_BYTES_PAD);
  *text           = *frame;
  text->bytes     = own->text;
  text->bytes_cnt = (uint32_t)cnt;
  text->kind      = TF_FRAME_TEXT;
  return true;
}

tf_verdict_t tf_htx_on_frame(void *state, const tf_frame_t *frame, tf_feed_out_t *out) {
  tf_in_band_t *in         = state;
  own_t        *own        = own_of(state);
  tf_frame_t    text       = *frame;
  uint32_t      wanted_cnt = out->resync_cnt;
  tf_reject_t   why;
  if (frame->kind == TF_FRAME_BINARY && !inflate_frame(own, frame, &text, &why)) {
    out->counts->messages++;
    return tf_feeds_reject(out->counts, frame, why);
  }
  tf_verdict_t verdict = tf_in_band_on_frame(state, &text, out);
  if (market_of(state)->asks_books && out->resync_cnt > wanted_cnt) {
    ask_for_book(in, out->resync_ids[wanted_cnt]);
    out->resync_cnt = wanted_cnt;
  }
  return verdict;
}

size_t tf_htx_echo(void *state, const tf_frame_t *frame, char *buf, size_t cap) {
  tf_frame_t  text = *frame;
  tf_reject_t unused;
  bool        is_large = frame->bytes_cnt > PING_BYTES_MAX;
  if (is_large ||
      (frame->kind == TF_FRAME_BINARY && !inflate_frame(own_of(state), frame, &text, &unused)))
    return 0;
  return tf_in_band_echo(state, &text, buf, cap);
}

/* The snapshot is asked for with the next delta: a text goes out only behind a message. */
void tf_htx_lose_book(void *state, uint32_t instrument_id, uint64_t now_ns, tf_feed_out_t *out) {
  tf_in_band_t *in         = state;
  uint32_t      idx        = tf_in_band_row_idx(in, instrument_id);
  uint32_t      wanted_cnt = out->resync_cnt;
  tf_in_band_lose_book(state, instrument_id, now_ns, out);
  if (!market_of(state)->asks_books || out->resync_cnt == wanted_cnt) return;
  out->resync_cnt                            = wanted_cnt;
  in->rows[idx].bridge.chain.snapshot_wanted = true;
}

/* ---- live ---- */

size_t tf_htx_ws_target(const void *state, char *buf, size_t cap) {
  const tf_htx_market_t *market   = market_of(state);
  bool                   is_books = ((const tf_in_band_t *)state)->channels == TF_CHANNEL_BOOK;
  tf_text_out_t          t        = {buf, cap, 0};
  tf_text_out_put(&t, is_books && market->book_ws_path != NULL ? market->book_ws_path
                                                               : market->ws_path);
  return tf_text_out_finish(&t);
}

/* {"op":"sub","cid":"7","topic":"public.BTC-USDT.funding_rate"} */
static size_t request_topic(const tf_in_band_t *in, const tf_feed_request_t *request, char *buf,
                            size_t cap) {
  tf_text_out_t t = {buf, cap, 0};
  tf_text_out_put(&t, request->unsubscribe ? "{\"op\":\"unsub\",\"cid\":\""
                                           : "{\"op\":\"sub\",\"cid\":\"");
  tf_text_out_u64(&t, request->id);
  tf_text_out_put(&t, "\",\"topic\":\"public.");
  tf_text_out_put(&t, in->symbols.rows[request->symbols[0]].text);
  tf_text_out_char(&t, '.');
  tf_text_out_put(&t, market_of(in)->op_topic);
  tf_text_out_put(&t, "\"}");
  return tf_text_out_finish(&t);
}

/* {"sub":"market.btcusdt.trade.detail","id":"7"} */
size_t tf_htx_request(const void *state, const tf_feed_request_t *request, char *buf, size_t cap) {
  const tf_in_band_t    *in     = state;
  const tf_htx_market_t *market = market_of(state);
  tf_text_out_t          t      = {buf, cap, 0};
  if (market->op_topic != NULL)
    return request->channel == TF_CHANNEL_TICKER ? request_topic(in, request, buf, cap) : 0;
  tf_text_out_put(&t, request->unsubscribe ? "{\"unsub\":\"market." : "{\"sub\":\"market.");
  tf_text_out_put(&t, in->symbols.rows[request->symbols[0]].text);
  tf_text_out_char(&t, '.');
  if (request->channel == TF_CHANNEL_BOOK) {
    tf_text_out_put(&t, market->book_topic);
    tf_text_out_u64(&t, in->depth);
    tf_text_out_put(&t, market->book_suffix);
  } else {
    tf_text_out_put(&t, request->channel == TF_CHANNEL_TRADE   ? "trade.detail"
                        : request->channel == TF_CHANNEL_QUOTE ? "bbo"
                                                               : "detail");
  }
  tf_text_out_char(&t, '"');
  if (request->channel == TF_CHANNEL_BOOK) tf_text_out_put(&t, market->book_extra);
  tf_text_out_put(&t, ",\"id\":\"");
  tf_text_out_u64(&t, request->id);
  tf_text_out_put(&t, "\"}");
  return tf_text_out_finish(&t);
}

size_t tf_htx_metadata_target(const void *state, uint32_t request_idx, char *buf, size_t cap) {
  if (request_idx > 0) return 0;
  tf_text_out_t t = {buf, cap, 0};
  tf_text_out_put(&t, market_of(state)->info_path);
  return tf_text_out_finish(&t);
}

/* ---- lifetime ---- */

tf_err_t tf_htx_init(const tf_feed_t *feed, void *state, const tf_feed_config_t *config) {
  tf_in_band_t *in  = state;
  tf_err_t      err = tf_in_band_init(feed, state, config);
  if (err != TF_OK) return err;
  own_t   *own    = own_of(state);
  uint8_t *memory = (uint8_t *)in->own + tf_align_up(sizeof(own_t), OWN_ALIGN);
  TF_ASSERT(tf_gzip_bytes() <= GZIP_BYTES_MAX);
  own->text = (char *)memory + GZIP_BYTES_MAX;
  return tf_gzip_init(&own->gzip, memory);
}
