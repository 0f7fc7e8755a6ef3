#include "feed/kucoin.h"
#include "feed/text_out.h"

#define BIT         TF_IN_BAND_BIT
#define TOKEN_PATH  "/api/v1/bullet-public"
#define TOKEN_BYTES 512

enum { ROOT, DATA, CHANGES, SNAPSHOT, OBJECT_CNT };
enum {
  ID = 1,
  TYPE,
  TOPIC,
  SUBJECT,
  DATA_KEY,
  OBU,
  OBU_KIND,
  OBU_DATA,
  RESULT,
  SESSION,
  ROOT_KEY_CNT
};
static const tf_json_key_t root_keys[ROOT_KEY_CNT] = {
    TF_IN_BAND_NO_KEY,
    [ID]       = TF_JSON_KEY("id", TF_JSON_WANT_TEXT),
    [TYPE]     = TF_JSON_KEY("type", TF_JSON_WANT_TEXT),
    [TOPIC]    = TF_JSON_KEY("topic", TF_JSON_WANT_TEXT),
    [SUBJECT]  = TF_JSON_KEY("subject", TF_JSON_WANT_TEXT),
    [DATA_KEY] = TF_JSON_KEY("data", TF_JSON_WANT_ITEM),
    [OBU]      = TF_JSON_KEY("T", TF_JSON_WANT_TEXT),
    [OBU_KIND] = TF_JSON_KEY("t", TF_JSON_WANT_TEXT),
    [OBU_DATA] = TF_JSON_KEY("d", TF_JSON_WANT_ITEM),
    [RESULT]   = TF_JSON_KEY("result", TF_JSON_WANT_BYTES),
    [SESSION]  = TF_JSON_KEY("sessionId", TF_JSON_WANT_TEXT),
};
enum {
  SEQUENCE = 1,
  FIRST,
  LAST,
  CHANGES_KEY,
  CHANGE,
  TIME,
  TS,
  TIMESTAMP,
  TRADE_ID,
  PRICE,
  SIZE,
  SIDE,
  BID,
  BID_SIZE,
  ASK,
  ASK_SIZE,
  BID_PRICE,
  ASK_PRICE,
  BIDS,
  ASKS,
  SNAPSHOT_KEY,
  LAST_PRICE,
  VOLUME,
  MARK,
  FUNDING,
  OBU_SYMBOL,
  OBU_FIRST,
  OBU_LAST,
  OBU_TIME,
  OBU_BIDS,
  OBU_ASKS,
  DATA_KEY_CNT
};
static const tf_json_key_t data_keys[DATA_KEY_CNT] = {
    TF_IN_BAND_NO_KEY,
    [SEQUENCE]     = TF_JSON_KEY("sequence", TF_JSON_WANT_TEXT),
    [FIRST]        = TF_JSON_KEY("sequenceStart", TF_JSON_WANT_U64),
    [LAST]         = TF_JSON_KEY("sequenceEnd", TF_JSON_WANT_U64),
    [CHANGES_KEY]  = TF_JSON_KEY("changes", TF_JSON_WANT_SECOND),
    [CHANGE]       = TF_JSON_KEY("change", TF_JSON_WANT_TEXT),
    [TIME]         = TF_JSON_KEY("time", TF_JSON_WANT_DECIMAL),
    [TS]           = TF_JSON_KEY("ts", TF_JSON_WANT_DECIMAL),
    [TIMESTAMP]    = TF_JSON_KEY("timestamp", TF_JSON_WANT_DECIMAL),
    [TRADE_ID]     = TF_JSON_KEY("tradeId", TF_JSON_WANT_TEXT),
    [PRICE]        = TF_JSON_KEY("price", TF_JSON_WANT_DECIMAL),
    [SIZE]         = TF_JSON_KEY("size", TF_JSON_WANT_DECIMAL),
    [SIDE]         = TF_JSON_KEY("side", TF_JSON_WANT_TEXT),
    [BID]          = TF_JSON_KEY("bestBid", TF_JSON_WANT_DECIMAL),
    [BID_SIZE]     = TF_JSON_KEY("bestBidSize", TF_JSON_WANT_DECIMAL),
    [ASK]          = TF_JSON_KEY("bestAsk", TF_JSON_WANT_DECIMAL),
    [ASK_SIZE]     = TF_JSON_KEY("bestAskSize", TF_JSON_WANT_DECIMAL),
    [BID_PRICE]    = TF_JSON_KEY("bestBidPrice", TF_JSON_WANT_DECIMAL),
    [ASK_PRICE]    = TF_JSON_KEY("bestAskPrice", TF_JSON_WANT_DECIMAL),
    [BIDS]         = TF_JSON_KEY("bids", TF_JSON_WANT_LEVELS),
    [ASKS]         = TF_JSON_KEY("asks", TF_JSON_WANT_LEVELS),
    [SNAPSHOT_KEY] = TF_JSON_KEY("data", TF_JSON_WANT_ITEM),
    [LAST_PRICE]   = TF_JSON_KEY("lastPrice", TF_JSON_WANT_DECIMAL),
    [VOLUME]       = TF_JSON_KEY("volume", TF_JSON_WANT_DECIMAL),
    [MARK]         = TF_JSON_KEY("markPrice", TF_JSON_WANT_DECIMAL),
    [FUNDING]      = TF_JSON_KEY("fundingRate", TF_JSON_WANT_DECIMAL),
    [OBU_SYMBOL]   = TF_JSON_KEY("s", TF_JSON_WANT_TEXT),
    [OBU_FIRST]    = TF_JSON_KEY("O", TF_JSON_WANT_U64),
    [OBU_LAST]     = TF_JSON_KEY("C", TF_JSON_WANT_U64),
    [OBU_TIME]     = TF_JSON_KEY("M", TF_JSON_WANT_DECIMAL),
    [OBU_BIDS]     = TF_JSON_KEY("b", TF_JSON_WANT_LEVELS),
    [OBU_ASKS]     = TF_JSON_KEY("a", TF_JSON_WANT_LEVELS),
};
enum { CHANGED_ASKS = 1, CHANGED_BIDS, CHANGES_KEY_CNT };
static const tf_json_key_t changes_keys[CHANGES_KEY_CNT] = {
    TF_IN_BAND_NO_KEY,
    [CHANGED_ASKS] = TF_JSON_KEY("asks", TF_JSON_WANT_LEVELS),
    [CHANGED_BIDS] = TF_JSON_KEY("bids", TF_JSON_WANT_LEVELS),
};
enum { DATETIME = 1, TRADED_PRICE, TRADED_VOLUME, SNAPSHOT_KEY_CNT };
static const tf_json_key_t snapshot_keys[SNAPSHOT_KEY_CNT] = {
    TF_IN_BAND_NO_KEY,
    [DATETIME]      = TF_JSON_KEY("datetime", TF_JSON_WANT_DECIMAL),
    [TRADED_PRICE]  = TF_JSON_KEY("lastTradedPrice", TF_JSON_WANT_DECIMAL),
    [TRADED_VOLUME] = TF_JSON_KEY("vol", TF_JSON_WANT_DECIMAL),
};
static const tf_in_band_object_t objects[OBJECT_CNT] = {
    [ROOT]     = {root_keys,     ROOT_KEY_CNT,     DATA,     0      },
    [DATA]     = {data_keys,     DATA_KEY_CNT,     SNAPSHOT, CHANGES},
    [CHANGES]  = {changes_keys,  CHANGES_KEY_CNT,  0,        0      },
    [SNAPSHOT] = {snapshot_keys, SNAPSHOT_KEY_CNT, 0,        0      },
};

static const tf_in_band_item_t items[] = {
    TF_IN_BAND_ITEM(.object = DATA, .kind = TF_EVENT_BOOK, .marks = BIT(CHANGES_KEY) | BIT(LAST),
                    .time = TIME, .sides = CHANGES, .bids = CHANGED_BIDS, .asks = CHANGED_ASKS,
                    .first_seq = FIRST, .last_seq = LAST),
    TF_IN_BAND_ITEM(.object = DATA, .kind = TF_EVENT_BOOK, .marks = BIT(CHANGE) | BIT(SEQUENCE),
                    .time = TIMESTAMP, .change = CHANGE, .last_seq = SEQUENCE),
    TF_IN_BAND_ITEM(.object = DATA, .kind = TF_EVENT_BOOK,
                    .marks = BIT(BIDS) | BIT(ASKS) | BIT(SEQUENCE), .lacks = BIT(TS), .time = TIME,
                    .bids = BIDS, .asks = ASKS, .last_seq = SEQUENCE),
    TF_IN_BAND_ITEM(.object = DATA, .kind = TF_EVENT_BOOK,
                    .marks = BIT(BIDS) | BIT(ASKS) | BIT(SEQUENCE) | BIT(TS), .time = TS,
                    .time_form = TF_IN_BAND_NS, .bids = BIDS, .asks = ASKS, .last_seq = SEQUENCE),
    TF_IN_BAND_ITEM(.object = DATA, .kind = TF_EVENT_BOOK, .marks = BIT(OBU_LAST) | BIT(OBU_TIME),
                    .symbol = OBU_SYMBOL, .time = OBU_TIME, .time_form = TF_IN_BAND_NS,
                    .bids = OBU_BIDS, .asks = OBU_ASKS, .first_seq = OBU_FIRST,
                    .last_seq = OBU_LAST),
    TF_IN_BAND_ITEM(.object = DATA, .kind = TF_EVENT_TRADE, .marks = BIT(TRADE_ID) | BIT(SIDE),
                    .lacks = BIT(TS), .time = TIME, .time_form = TF_IN_BAND_NS, .price = PRICE,
                    .qty = SIZE, .side = SIDE, .id = TRADE_ID),
    TF_IN_BAND_ITEM(.object = DATA, .kind = TF_EVENT_TRADE,
                    .marks = BIT(TRADE_ID) | BIT(SIDE) | BIT(TS), .time = TS,
                    .time_form = TF_IN_BAND_NS, .price = PRICE, .qty = SIZE, .side = SIDE,
                    .id = TRADE_ID),
    TF_IN_BAND_ITEM(.object = DATA, .kind = TF_EVENT_QUOTE, .marks = BIT(BID) | BIT(ASK),
                    .time = TIME, .last_seq = SEQUENCE, .bid = BID, .bid_qty = BID_SIZE, .ask = ASK,
                    .ask_qty = ASK_SIZE),
    TF_IN_BAND_ITEM(.object = DATA, .kind = TF_EVENT_QUOTE,
                    .marks = BIT(BID_PRICE) | BIT(ASK_PRICE), .time = TS,
                    .time_form = TF_IN_BAND_NS, .last_seq = SEQUENCE, .bid = BID_PRICE,
                    .bid_qty = BID_SIZE, .ask = ASK_PRICE, .ask_qty = ASK_SIZE),
    TF_IN_BAND_ITEM(.object = SNAPSHOT, .kind = TF_EVENT_TICKER, .marks = BIT(TRADED_PRICE),
                    .time = DATETIME, .last = TRADED_PRICE, .volume = TRADED_VOLUME),
    TF_IN_BAND_ITEM(.object = DATA, .kind = TF_EVENT_TICKER, .marks = BIT(LAST_PRICE) | BIT(VOLUME),
                    .time = TS, .time_form = TF_IN_BAND_NS, .last = LAST_PRICE, .volume = VOLUME),
    TF_IN_BAND_ITEM(.object = DATA, .kind = TF_EVENT_TICKER, .marks = BIT(MARK), .time = TIMESTAMP,
                    .mark = MARK),
    TF_IN_BAND_ITEM(.object = DATA, .kind = TF_EVENT_TICKER, .marks = BIT(FUNDING),
                    .time = TIMESTAMP, .funding = FUNDING),
};

/* ---- routes ---- */

typedef struct {
  char token[TOKEN_BYTES]; /* of the next connection; NUL-terminated, "" none */
} own_t;

static const own_t *own_of(const void *state) { return ((const tf_in_band_t *)state)->own; }

static const tf_kucoin_market_t *market_of(const void *state) {
  return ((const tf_in_band_t *)state)->spec->market;
}

static bool takes_rest(const tf_in_band_t *in) {
  const tf_kucoin_market_t *market = market_of(in);
  return tf_in_band_is_target(in, market->book_path) ||
         (market->whole_book_path != NULL && tf_in_band_is_target(in, market->whole_book_path));
}

static void route_rest(tf_in_band_t *in, tf_in_band_route_t *r) {
  r->what        = TF_IN_BAND_DATA;
  r->channels    = TF_CHANNEL_BOOK;
  r->is_snapshot = r->is_requested = true;
  r->name                          = "snapshot";
  r->name_bytes                    = 8;
  tf_in_band_symbol_of_target(in, "symbol", r);
}

/* {"id":"7","type":"ack"}, {"id":"7","type":"error","code":404,"data":"topic .. does not exist"}, pong,
 * welcome; of the connections without a token {"id":"7","result":true}, {"sessionId":..}. */
static void route_control(tf_in_band_t *in, tf_in_band_route_t *r) {
  uint64_t id       = 0;
  bool     is_error = tf_in_band_is(in, ROOT, TYPE, "error");
  if (is_error) tf_in_band_complain(in, ROOT, DATA_KEY);
  tf_in_band_u64(in, ROOT, ID, &id);
  if (is_error || tf_in_band_is(in, ROOT, TYPE, "ack"))
    tf_in_band_answer(in, id, 0, NULL, is_error);
  r->what = TF_IN_BAND_CONTROL;
}

/* {"T":"obu.FUTURES","dp":"increment@10ms","t":"snapshot"|"delta","d":{..}} */
static void route_obu(tf_in_band_t *in, tf_in_band_route_t *r, const tf_json_value_t *name) {
  if (name->kind != TF_JSON_STRING || name->bytes_cnt < 4 || memcmp(name->bytes, "obu.", 4) != 0)
    return;
  r->what        = TF_IN_BAND_DATA;
  r->channels    = TF_CHANNEL_BOOK;
  r->is_snapshot = tf_in_band_is(in, ROOT, OBU_KIND, "snapshot");
  r->name        = "obu";
  r->name_bytes  = 3;
}

static void route(tf_in_band_t *in, tf_in_band_route_t *r) {
  if (in->frame->kind == TF_FRAME_HTTP) {
    route_rest(in, r);
    return;
  }
  const tf_json_value_t *obu = tf_in_band_value(in, ROOT, OBU), *topic;
  if (obu != NULL) {
    route_obu(in, r, obu);
    return;
  }
  static const char *const controls[] = {"welcome", "ack", "pong", "error"};
  for (size_t i = 0; i < TF_ARRAY_CNT(controls); i++) {
    if (!tf_in_band_is(in, ROOT, TYPE, controls[i])) continue;
    route_control(in, r);
    return;
  }
  if (tf_in_band_value(in, ROOT, RESULT) != NULL || tf_in_band_value(in, ROOT, SESSION) != NULL) {
    route_control(in, r);
    return;
  }
  topic = tf_in_band_value(in, ROOT, TOPIC);
  if (!tf_in_band_is(in, ROOT, TYPE, "message") || topic == NULL || topic->kind != TF_JSON_STRING)
    return;
  tf_json_value_t name = tf_in_band_part(topic, ':', 0, false);
  r->symbol            = tf_in_band_part(topic, ':', 1, true);
  r->name              = name.bytes;
  r->name_bytes        = name.bytes_cnt;
  if (TF_JSON_TEXT_IS(&r->symbol, "all") && tf_in_band_value(in, ROOT, SUBJECT) != NULL)
    r->symbol = *tf_in_band_value(in, ROOT, SUBJECT);
  tf_in_band_take_channel(in, r, market_of(in)->topics, &name);
  bool is_other = TF_JSON_TEXT_IS(&name, "/contract/instrument") &&
                  tf_in_band_value(in, DATA, MARK) == NULL &&
                  tf_in_band_value(in, DATA, FUNDING) == NULL; /* premium.index and its kin */
  if (is_other) r->what = TF_IN_BAND_IGNORED;
}

#define SPEC(its_market)                                                                           \
  {                                                                                                \
    .market = &(its_market), .objects = objects, .object_cnt = OBJECT_CNT, .items = items,         \
    .item_cnt = TF_ARRAY_CNT(items), .ids = TF_IN_BAND_IDS_OPAQUE, .buy = "buy", .sell = "sell",   \
    .heartbeat = "{\"id\":\"ping\",\"type\":\"ping\"}", .bridges = true, .takes_rest = takes_rest, \
    .route = route, .own_bytes = sizeof(own_t)                                                     \
  }
const tf_in_band_spec_t tf_kucoin_spot_spec    = SPEC(tf_kucoin_spot_market);
const tf_in_band_spec_t tf_kucoin_futures_spec = SPEC(tf_kucoin_futures_market);

/* ---- the token ---- */

/* {"code":"200000","data":{"token":"..","instanceServers":[..]}} */
static bool read_token(const tf_frame_t *frame, char token[TOKEN_BYTES]) {
  enum { TOKEN_DATA, TOKEN_KEY_CNT };
  static const tf_json_key_t   keys[]       = {TF_JSON_KEY("data", TF_JSON_WANT_OBJECT)};
  static const tf_json_key_t   inner_keys[] = {TF_JSON_KEY("token", TF_JSON_WANT_TEXT)};
  static const tf_json_shape_t shape = {keys, 1}, inner_shape = {inner_keys, 1};
  tf_json_value_t              values[2], inner_values[2];
  tf_json_object_t             inner = {.shape = &inner_shape, .values = inner_values};
  tf_json_object_t             root  = {.shape = &shape, .values = values, .child = &inner};
  tf_json_t                    json  = {0};
  if (tf_json_read(&json, frame->bytes, frame->bytes_cnt, &root) != TF_JSON_OK ||
      json.root_kind != TF_JSON_OBJECT || !tf_json_seen(&root, TOKEN_DATA) ||
      values[TOKEN_DATA].kind != TF_JSON_OBJECT || !tf_json_seen(&inner, 0) ||
      inner_values[0].kind != TF_JSON_STRING || inner_values[0].bytes_cnt == 0)
    return false;
  size_t cnt =
      tf_json_unescape(inner_values[0].bytes, inner_values[0].bytes_cnt, token, TOKEN_BYTES - 1);
  if (cnt == SIZE_MAX) return false;
  token[cnt] = '\0';
  return true;
}

static tf_verdict_t on_token(own_t *own, const tf_frame_t *frame, tf_feed_counts_t *counts) {
  counts->messages++;
  if (!read_token(frame, own->token)) {
    own->token[0] = '\0'; /* part of one may stand there */
    return tf_feeds_reject(counts, frame, TF_REJECT_SCHEMA);
  }
  counts->msgs_control++;
  return TF_VERDICT_CONTROL;
}

static bool is_token(const tf_frame_t *frame) {
  static const char path[] = TOKEN_PATH;
  size_t            n      = frame->target != NULL ? strcspn(frame->target, "?#") : 0;
  return frame->kind == TF_FRAME_HTTP && n >= sizeof path - 1 &&
         memcmp(frame->target + n - (sizeof path - 1), path, sizeof path - 1) == 0;
}

/* ---- live ---- */

const tf_feed_post_t tf_kucoin_tickets[] = {
    {TOKEN_PATH, NULL},
    {NULL,       NULL},
};

size_t tf_kucoin_ws_target(const void *state, char *buf, size_t cap) {
  tf_text_out_t t = {buf, cap, 0};
  tf_text_out_put(&t, "/?token=");
  tf_text_out_url(&t, own_of(state)->token);
  return tf_text_out_finish(&t);
}

/* {"id":"7","type":"subscribe","topic":"/market/match:BTC-USDT,ETH-USDT","response":true} */
size_t tf_kucoin_request(const void *state, const tf_feed_request_t *request, char *buf,
                         size_t cap) {
  const tf_in_band_t         *in = state;
  const tf_in_band_channel_t *topic =
      tf_in_band_channel_for(in, market_of(state)->topics, request->channel);
  tf_text_out_t t = {buf, cap, 0};
  tf_text_out_put(&t, "{\"id\":\"");
  tf_text_out_u64(&t, request->id);
  tf_text_out_put(&t, "\",\"type\":\"");
  tf_text_out_put(&t, request->unsubscribe ? "unsubscribe" : "subscribe");
  tf_text_out_put(&t, "\",\"topic\":\"");
  tf_text_out_put(&t, topic->name);
  for (uint32_t i = 0; i < request->symbol_cnt; i++) {
    tf_text_out_char(&t, i == 0 ? ':' : ',');
    tf_text_out_put(&t, in->symbols.rows[request->symbols[i]].text);
  }
  tf_text_out_put(&t, "\",\"privateChannel\":false,\"response\":true}");
  return tf_text_out_finish(&t);
}

size_t tf_kucoin_snapshot_target(const void *state, uint32_t instrument_id, char *buf, size_t cap) {
  const tf_in_band_t *in  = state;
  uint32_t            idx = tf_in_band_row_idx(in, instrument_id);
  if (idx == TF_SYMBOLS_NONE) return 0;
  tf_text_out_t t = {buf, cap, 0};
  tf_text_out_put(&t, market_of(state)->book_path);
  tf_text_out_put(&t, "?symbol=");
  tf_text_out_url(&t, in->symbols.rows[idx].text);
  return tf_text_out_finish(&t);
}

size_t tf_kucoin_metadata_target(const void *state, uint32_t request_idx, char *buf, size_t cap) {
  if (request_idx > 0) return 0;
  tf_text_out_t t = {buf, cap, 0};
  tf_text_out_put(&t, market_of(state)->info_path);
  return tf_text_out_finish(&t);
}

/* ---- lifetime ---- */

tf_verdict_t tf_kucoin_on_frame(void *state, const tf_frame_t *frame, tf_feed_out_t *out) {
  if (TF_UNLIKELY(is_token(frame)))
    return on_token(((tf_in_band_t *)state)->own, frame, out->counts);
  return tf_in_band_on_frame(state, frame, out);
}
