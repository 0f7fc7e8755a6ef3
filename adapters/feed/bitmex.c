/* BitMEX, the realtime websocket (VENUES.md 8).
 *
 *   {"table":"orderBookL2","action":"partial"|"insert"|"update"|"delete","data":[
 *     {"symbol":..,"id":..,"side":"Buy"|"Sell","size":..,"price":..,"timestamp":..}]}
 *
 *   trade          TRADE; side is the taker's; a settlement has none and is no trade. Ids are UUIDs: their
 *                  low 64 bits. partial: BACKFILL
 *   quote          QUOTE
 *   orderBookL2, orderBookL2_25   BOOK. A level has its price only in partial and insert, later it is an id.
 *                  Nothing numbers the messages: an id that is not known, or known already, or of the other
 *                  side, is how a lost one shows; that book is in GAP then and asked for again. What comes
 *                  before the partial is dropped. venue_seq is an ordinal of our own
 *   instrument     TICKER: an update says what changed
 *   funding, orderBook10, ..   ignored, by table
 *
 * Numbers are JSON numbers, sizes in contracts; times RFC 3339. "pong" comes bare. */
#include "feed/in_band.h"
#include "feed/level_ids.h"
#include "feed/metadata.h"
#include "feed/text_out.h"
#include "wire/json_array.h"

#define DEPTH_TOP 25u /* orderBookL2_25; deeper, and by default, the whole book */

/* Levels of all books together: XBTUSD has some 10,000 in its whole one. */
#define LEVELS_TOP   256u
#define LEVELS_WHOLE 16384u
#define LEVELS_MIN   65536u

enum { ROOT, ITEM, REQUEST, OBJECT_CNT };
enum {
  TABLE = 1,
  ACTION,
  DATA,
  INFO,
  SUCCESS,
  SUBSCRIBE,
  UNSUBSCRIBE,
  ERROR,
  REQUEST_KEY,
  ROOT_KEY_CNT
};
static const tf_json_key_t root_keys[ROOT_KEY_CNT] = {
    TF_IN_BAND_NO_KEY,
    [TABLE]       = TF_JSON_KEY("table", TF_JSON_WANT_TEXT),
    [ACTION]      = TF_JSON_KEY("action", TF_JSON_WANT_TEXT),
    [DATA]        = TF_JSON_KEY("data", TF_JSON_WANT_ITEMS),
    [INFO]        = TF_JSON_KEY("info", TF_JSON_WANT_TEXT),
    [SUCCESS]     = TF_JSON_KEY("success", TF_JSON_WANT_BYTES),
    [SUBSCRIBE]   = TF_JSON_KEY("subscribe", TF_JSON_WANT_TEXT),
    [UNSUBSCRIBE] = TF_JSON_KEY("unsubscribe", TF_JSON_WANT_TEXT),
    [ERROR]       = TF_JSON_KEY("error", TF_JSON_WANT_TEXT),
    [REQUEST_KEY] = TF_JSON_KEY("request", TF_JSON_WANT_SECOND),
};
enum {
  SYMBOL = 1,
  TIME,
  ID,
  SIDE,
  SIZE,
  PRICE,
  MATCH_ID,
  BID,
  BID_SIZE,
  ASK,
  ASK_SIZE,
  LAST,
  MARK,
  FUNDING,
  VOLUME,
  STATE,
  ITEM_KEY_CNT
};
static const tf_json_key_t item_keys[ITEM_KEY_CNT] = {
    TF_IN_BAND_NO_KEY,
    [SYMBOL]   = TF_JSON_KEY("symbol", TF_JSON_WANT_TEXT),
    [TIME]     = TF_JSON_KEY("timestamp", TF_JSON_WANT_TEXT),
    [ID]       = TF_JSON_KEY("id", TF_JSON_WANT_U64),
    [SIDE]     = TF_JSON_KEY("side", TF_JSON_WANT_TEXT),
    [SIZE]     = TF_JSON_KEY("size", TF_JSON_WANT_DECIMAL),
    [PRICE]    = TF_JSON_KEY("price", TF_JSON_WANT_DECIMAL),
    [MATCH_ID] = TF_JSON_KEY("trdMatchID", TF_JSON_WANT_TEXT),
    [BID]      = TF_JSON_KEY("bidPrice", TF_JSON_WANT_DECIMAL),
    [BID_SIZE] = TF_JSON_KEY("bidSize", TF_JSON_WANT_DECIMAL),
    [ASK]      = TF_JSON_KEY("askPrice", TF_JSON_WANT_DECIMAL),
    [ASK_SIZE] = TF_JSON_KEY("askSize", TF_JSON_WANT_DECIMAL),
    [LAST]     = TF_JSON_KEY("lastPrice", TF_JSON_WANT_DECIMAL),
    [MARK]     = TF_JSON_KEY("markPrice", TF_JSON_WANT_DECIMAL),
    [FUNDING]  = TF_JSON_KEY("fundingRate", TF_JSON_WANT_DECIMAL),
    [VOLUME]   = TF_JSON_KEY("volume24h", TF_JSON_WANT_DECIMAL),
    [STATE]    = TF_JSON_KEY("state", TF_JSON_WANT_TEXT),
};
enum { ARGS = 1, REQUEST_KEY_CNT };
static const tf_json_key_t request_keys[REQUEST_KEY_CNT] = {
    TF_IN_BAND_NO_KEY,
    [ARGS] = TF_JSON_KEY("args", TF_JSON_WANT_BYTES),
};
static const tf_in_band_object_t objects[OBJECT_CNT] = {
    [ROOT]    = {root_keys,    ROOT_KEY_CNT,    ITEM, REQUEST},
    [ITEM]    = {item_keys,    ITEM_KEY_CNT,    0,    0      },
    [REQUEST] = {request_keys, REQUEST_KEY_CNT, 0,    0      },
};
#define BIT TF_IN_BAND_BIT
static const tf_in_band_item_t items[] = {
    TF_IN_BAND_ITEM(.object = ITEM, .kind = TF_EVENT_BOOK, .time_form = TF_IN_BAND_RFC3339,
                    .marks = BIT(ID), .symbol = SYMBOL, .time = TIME, .price = PRICE, .qty = SIZE,
                    .side = SIDE, .id = ID),
    TF_IN_BAND_ITEM(.object = ITEM, .kind = TF_EVENT_TRADE, .time_form = TF_IN_BAND_RFC3339,
                    .marks = BIT(MATCH_ID) | BIT(SIDE), .symbol = SYMBOL, .time = TIME,
                    .price = PRICE, .qty = SIZE, .side = SIDE, .id = MATCH_ID),
    /* an instrument's row has prices without sizes */
    TF_IN_BAND_ITEM(.object = ITEM, .kind = TF_EVENT_QUOTE, .time_form = TF_IN_BAND_RFC3339,
                    .any = BIT(BID_SIZE) | BIT(ASK_SIZE), .symbol = SYMBOL, .time = TIME,
                    .bid = BID, .bid_qty = BID_SIZE, .ask = ASK, .ask_qty = ASK_SIZE),
    TF_IN_BAND_ITEM(.object = ITEM, .kind = TF_EVENT_TICKER, .time_form = TF_IN_BAND_RFC3339,
                    .any = BIT(LAST) | BIT(MARK) | BIT(FUNDING) | BIT(VOLUME), .lacks = BIT(ID),
                    .symbol = SYMBOL, .time = TIME, .last = LAST, .mark = MARK, .funding = FUNDING,
                    .volume = VOLUME),
};

static const tf_in_band_channel_t tables[] = {
    {"orderBookL2_25",      TF_CHANNEL_BOOK,   DEPTH_TOP, false, false, false},
    {"orderBookL2",         TF_CHANNEL_BOOK,   0,         false, false, false},
    {"quote",               TF_CHANNEL_QUOTE,  0,         false, false, false},
    {"trade",               TF_CHANNEL_TRADE,  0,         false, false, false},
    {"instrument",          TF_CHANNEL_TICKER, 0,         false, false, false},
    {"announcement",        0,                 0,         false, false, false},
    {"chat",                0,                 0,         false, false, false},
    {"connected",           0,                 0,         false, false, false},
    {"funding",             0,                 0,         false, false, false},
    {"insurance",           0,                 0,         false, false, false},
    {"liquidation",         0,                 0,         false, false, false},
    {"orderBook10",         0,                 0,         false, false, false},
    {"publicNotifications", 0,                 0,         false, false, false},
    {"quoteBin1m",          0,                 0,         false, false, false},
    {"quoteBin5m",          0,                 0,         false, false, false},
    {"quoteBin1h",          0,                 0,         false, false, false},
    {"quoteBin1d",          0,                 0,         false, false, false},
    {"settlement",          0,                 0,         false, false, false},
    {"tradeBin1m",          0,                 0,         false, false, false},
    {"tradeBin5m",          0,                 0,         false, false, false},
    {"tradeBin1h",          0,                 0,         false, false, false},
    {"tradeBin1d",          0,                 0,         false, false, false},
    {NULL,                  0,                 0,         false, false, false},
};

/* ---- books ---- */

typedef enum { PARTIAL, INSERT, UPDATE, DELETE, ACTION_CNT } action_t;
static const char *const actions[ACTION_CNT] = {"partial", "insert", "update", "delete"};

static action_t action_of(const tf_in_band_t *in) {
  uint32_t action = PARTIAL;
  while (action < ACTION_CNT && !tf_in_band_is(in, ROOT, ACTION, actions[action])) action++;
  return (action_t)action;
}

/* One level of a message, its price remembered or found. False: it does not fit what is known, or there
 * is no room to remember it. */
static bool take_level(tf_level_ids_t *ids, uint32_t idx, action_t action, tf_event_t *row) {
  bool           is_ask = (row->flags & TF_FLAG_SIDE) != 0;
  tf_level_id_t *level  = tf_level_ids_find(ids, idx, row->u.level.venue_seq);
  if (action <= INSERT) {
    if (level != NULL) return false;
    level = tf_level_ids_add(ids, idx, row->u.level.venue_seq);
    if (level == NULL) return false;
    level->price     = row->u.level.price;
    level->price_exp = row->price_exp;
    level->is_ask    = is_ask;
    return true;
  }
  if (level == NULL || level->is_ask != is_ask) return false;
  row->u.level.price = level->price;
  row->price_exp     = level->price_exp;
  if (action == UPDATE) return true;
  row->u.level.qty = 0;
  row->qty_exp     = 0;
  tf_level_ids_drop(ids, level);
  return true;
}

static void forget_rows(tf_draft_t *draft, uint32_t cnt) {
  tf_event_t *rows = draft->out->events + draft->at;
  memmove(rows, rows + cnt, (draft->end - draft->at - cnt) * sizeof *rows);
  draft->end -= cnt;
}

/* The levels of one instrument in a message: cnt rows at the draft's `at`. */
static void put_levels(tf_in_band_t *in, tf_draft_t *draft, uint32_t idx, uint32_t cnt,
                       action_t action) {
  tf_level_ids_t *ids  = in->own;
  tf_feed_row_t  *row  = &in->rows[idx].book.feed;
  tf_event_t     *rows = draft->out->events + draft->at;
  uint32_t        id = in->symbols.rows[idx].instrument_id, i = 0;
  if (action == PARTIAL) tf_level_ids_forget(ids, idx);
  if (action != PARTIAL && row->book_state != TF_BOOK_OK) { /* no prices are known */
    forget_rows(draft, cnt);
    return;
  }
  while (i < cnt && tf_draft_has_room(draft, 2) && take_level(ids, idx, action, &rows[i])) i++;
  if (TF_UNLIKELY(i < cnt)) {
    forget_rows(draft, cnt);
    draft->out->counts->gaps++;
    tf_draft_status(draft, row, id, TF_BOOK_GAP, 0);
    if (tf_feeds_want_snapshot(draft->out, id)) draft->out->counts->resyncs++;
    return;
  }
  tf_draft_levels_t all = {.instrument_id = id,
                           .cnt           = cnt,
                           .ask_from      = UINT32_MAX,
                           .is_snapshot   = action == PARTIAL,
                           .has_times     = true,
                           .ts_ns         = rows[0].ts_event_ns,
                           .venue_seq     = ++row->ordinal};
  tf_draft_put_levels(draft, row, &all);
}

static void on_levels(tf_in_band_t *in, tf_draft_t *draft, const tf_in_band_route_t *route) {
  action_t action = action_of(in);
  (void)route;
  while (draft->at < draft->end) {
    const tf_event_t *rows = draft->out->events;
    uint32_t          stop = draft->at + 1;
    while (stop < draft->end && rows[stop].ingest_seq == rows[draft->at].ingest_seq) stop++;
    put_levels(in, draft, (uint32_t)rows[draft->at].ingest_seq, stop - draft->at, action);
  }
}

/* What each level of this action must have. */
static void check_levels(tf_in_band_t *in, action_t action) {
  uint32_t due = action <= INSERT   ? TF_IN_BAND_LEVEL_PRICE | TF_IN_BAND_LEVEL_QTY
                 : action == UPDATE ? TF_IN_BAND_LEVEL_QTY
                                    : 0;
  for (uint32_t i = 0; i < in->json.row_cnt; i++)
    if ((in->json.rows[i].u.level.level_idx & due) != due) tf_in_band_refuse(in, TF_REJECT_SCHEMA);
}

/* ---- messages ---- */

/* "trade:XBTUSD" */
TF_COLD static void answer(tf_in_band_t *in, const tf_json_value_t *topic, bool is_refusal) {
  tf_json_value_t             name   = tf_in_band_part(topic, ':', 0, false);
  tf_json_value_t             symbol = tf_in_band_part(topic, ':', 1, true);
  const tf_in_band_channel_t *table  = tf_in_band_channel_of(in, tables, &name);
  if (table != NULL && symbol.bytes_cnt > 0)
    tf_in_band_answer(in, 0, table->channels, &symbol, is_refusal);
}

/* An error says which request, not which of its topics: of one alone we know it. */
TF_COLD static void refused(tf_in_band_t *in) {
  const tf_json_value_t *args = tf_in_band_value(in, REQUEST, ARGS);
  tf_json_array_t        array;
  tf_json_value_t        topic, other;
  tf_in_band_complain(in, ROOT, ERROR);
  if (args == NULL || args->kind != TF_JSON_ARRAY) return;
  tf_json_array_init(&array, args->bytes, args->bytes_cnt);
  if (!tf_json_array_next(&array, &topic) || topic.kind != TF_JSON_STRING) return;
  if (tf_json_array_next(&array, &other))
    tf_in_band_answer(in, 0, 0, NULL, true);
  else
    answer(in, &topic, true);
}

TF_COLD static void on_answer(tf_in_band_t *in, tf_in_band_route_t *r) {
  const tf_json_value_t *topic    = tf_in_band_value(in, ROOT, SUBSCRIBE);
  const tf_json_value_t *success  = tf_in_band_value(in, ROOT, SUCCESS);
  bool                   is_error = tf_in_band_value(in, ROOT, ERROR) != NULL;
  if (topic == NULL) topic = tf_in_band_value(in, ROOT, UNSUBSCRIBE);
  if (!is_error && success == NULL && tf_in_band_value(in, ROOT, INFO) == NULL) return;
  r->what = TF_IN_BAND_CONTROL;
  if (is_error)
    refused(in);
  else if (success != NULL && topic != NULL && topic->kind == TF_JSON_STRING)
    answer(in, topic, success->kind != TF_JSON_TRUE);
}

static void refuse(tf_in_band_route_t *r) {
  r->what = TF_IN_BAND_REFUSED;
  r->why  = TF_REJECT_SCHEMA;
}

static void route(tf_in_band_t *in, tf_in_band_route_t *r) {
  const tf_json_value_t *table = tf_in_band_value(in, ROOT, TABLE);
  const tf_json_value_t *data  = tf_in_band_value(in, ROOT, DATA);
  if (TF_UNLIKELY(table == NULL)) {
    on_answer(in, r);
    return;
  }
  const tf_in_band_channel_t *row    = tf_in_band_take_channel(in, r, tables, table);
  action_t                    action = action_of(in);
  if (row == NULL && table->kind != TF_JSON_STRING) refuse(r);
  if (row == NULL || row->channels == 0) return;
  bool is_log = row->channels & (TF_CHANNEL_TRADE | TF_CHANNEL_QUOTE); /* only ever grows */
  if (action == ACTION_CNT || (is_log && action > INSERT) || data == NULL ||
      data->made != TF_JSON_MADE_ITEMS) {
    refuse(r);
    return;
  }
  if (row->channels == TF_CHANNEL_BOOK) check_levels(in, action);
  if (row->channels == TF_CHANNEL_TRADE && in->json.row_cnt == 0 && data->bytes_cnt > 2) {
    r->what       = TF_IN_BAND_IGNORED;
    r->name       = "settlement";
    r->name_bytes = 10;
  }
  if (row->channels == TF_CHANNEL_TICKER && action == DELETE) r->what = TF_IN_BAND_IGNORED;
  r->is_backfill = action == PARTIAL;
  if (row->channels == TF_CHANNEL_TICKER && tf_in_band_value(in, ITEM, STATE) != NULL)
    r->listing = data;
}

static const uint32_t depths[] = {DEPTH_TOP, 0};

static const tf_in_band_spec_t spec = {
    .objects    = objects,
    .object_cnt = OBJECT_CNT,
    .items      = items,
    .item_cnt   = TF_ARRAY_CNT(items),
    .ids        = TF_IN_BAND_IDS_OPAQUE,
    .buy        = "Buy",
    .sell       = "Sell",
    .ws_path    = "/realtime",
    .heartbeat  = "ping",
    .pong       = "pong",
    .route      = route,
    .on_levels  = on_levels,
    .depths     = depths,
    .own_bytes  = sizeof(tf_level_ids_t),
};

/* ---- live ---- */

static size_t request(const void *state, const tf_feed_request_t *request, char *buf, size_t cap) {
  const tf_in_band_t *in   = state;
  const char         *name = tf_in_band_channel_for(in, tables, request->channel)->name;
  tf_text_out_t       t    = {buf, cap, 0};
  tf_text_out_put(&t, request->unsubscribe ? "{\"op\":\"unsubscribe\",\"args\":["
                                           : "{\"op\":\"subscribe\",\"args\":[");
  for (uint32_t i = 0; i < request->symbol_cnt; i++) {
    tf_text_out_put(&t, i == 0 ? "\"" : ",\"");
    tf_text_out_put(&t, name);
    tf_text_out_char(&t, ':');
    tf_text_out_put(&t, in->symbols.rows[request->symbols[i]].text);
    tf_text_out_char(&t, '"');
  }
  tf_text_out_put(&t, "]}");
  return tf_text_out_finish(&t);
}

static size_t metadata_target(const void *state, uint32_t request_idx, char *buf, size_t cap) {
  const tf_in_band_t *in = state;
  tf_text_out_t       t  = {buf, cap, 0};
  if (request_idx >= in->asked_cnt) return 0;
  tf_text_out_put(&t, "/api/v1/instrument?symbol=");
  tf_text_out_url(&t, in->symbols.rows[request_idx].text);
  tf_text_out_put(&t, "&columns=tickSize,lotSize,quoteCurrency,underlyingToPositionMultiplier,"
                      "multiplier,isQuanto,isInverse,settlCurrency,state");
  return tf_text_out_finish(&t);
}

/* ---- lifetime ---- */

static uint32_t levels_cap(const tf_feed_config_t *config) {
  uint32_t each =
      config->book_depth == DEPTH_TOP && config->symbol_cnt > 0 ? LEVELS_TOP : LEVELS_WHOLE;
  uint64_t cap = (uint64_t)tf_symbols_cap_of(config) * each;
  if (!(config->channels & TF_CHANNEL_BOOK)) return 1;
  if (config->symbol_cnt == 0 || cap < LEVELS_MIN) return LEVELS_MIN;
  return cap < TF_LEVEL_IDS_CAP_MAX ? (uint32_t)cap : TF_LEVEL_IDS_CAP_MAX;
}

static size_t levels_at(const tf_feed_t *feed, const tf_feed_config_t *config) {
  return tf_align_up(tf_in_band_state_bytes(feed, config), TF_LINE_BYTES);
}

static size_t state_bytes(const tf_feed_t *feed, const tf_feed_config_t *config) {
  return levels_at(feed, config) +
         tf_level_ids_bytes(levels_cap(config), tf_symbols_cap_of(config));
}

static tf_err_t init(const tf_feed_t *feed, void *state, const tf_feed_config_t *config) {
  tf_in_band_t *in  = state;
  tf_err_t      err = tf_in_band_init(feed, state, config);
  if (err == TF_OK)
    tf_level_ids_init(in->own, (uint8_t *)state + levels_at(feed, config), levels_cap(config),
                      tf_symbols_cap_of(config));
  return err;
}

static const tf_feed_channel_t feed_channels[] = {
    {TF_CHANNEL_TRADE,  "trade",                       TF_FEED_CHECK(IDS_OPAQUE)},
    {TF_CHANNEL_QUOTE,  "quote",                       0                        },
    {TF_CHANNEL_BOOK,   "orderBookL2, orderBookL2_25", TF_FEED_CHECK(ROW_IDS)   },
    {TF_CHANNEL_TICKER, "instrument",                  0                        },
    {0,                 NULL,                          0                        },
};

/* The older name of the same stream (VENUES.md 8). */
static const tf_feed_host_t others[] = {
    {"www.bitmex.com", "443"},
    {NULL,             NULL },
};

const tf_feed_t tf_feed_bitmex = {
    .venue                   = "bitmex",
    .suffix                  = "BITMEX",
    .symbol_chars            = "_.",
    .spec                    = &spec,
    .state_bytes             = state_bytes,
    .init                    = init,
    .on_frame                = tf_in_band_on_frame,
    .on_connect              = tf_in_band_on_connect,
    .lose_book               = tf_in_band_lose_book,
    .ws_host                 = "ws.bitmex.com",
    .ws_port                 = "443",
    .rest_host               = "www.bitmex.com",
    .rest_port               = "443",
    .ws_others               = others,
    .ws_target               = tf_in_band_ws_target,
    .request                 = request,
    .symbol                  = tf_in_band_symbol,
    .metadata_target         = metadata_target,
    .heartbeat               = tf_in_band_heartbeat,
    .heartbeat_ns            = 5 * TF_NS_PER_SEC,
    .symbols_per_request_max = 20,
    .snapshot_channels       = TF_CHANNEL_QUOTE | TF_CHANNEL_TICKER,
    .subscribe_rate_hz_max   = 3, /* the venue publishes none: as its connects */
    .silence_ns_max          = 15 * TF_NS_PER_SEC,
    .channels                = feed_channels,
};
