/* Coinbase Advanced Trade (VENUES.md 3a; every rule was checked on the recording of 1,030 messages).
 * Items become rows in coinbase_items.c.
 *
 *   {"channel":..,"timestamp":..,"sequence_num":..,"events":[{"type":..,"product_id":..,
 *     "updates":[{"side":"offer","event_time":..,"price_level":..,"new_quantity":..}]
 *     "trades":[{"product_id":..,"trade_id":..,"price":..,"size":..,"time":..,"side":..}]
 *     "tickers":[{"product_id":..,"price":..,"volume_24_h":..}]}]}
 *
 * What becomes of a message, by channel:
 *   l2_data        BOOK, an event a level in the order sent; quantities are absolute. type "snapshot"
 *                  starts a new book. Best bid and offer come from here: no channel of the venue's
 *                  follows the quotes. Asked for under the name level2, and with channel quote too.
 *   market_trades  TRADE. side is the MAKER's: a SELL is a buy aggressor. The venue sends a batch newest
 *                  first; it is published oldest first, so that the last trade is the last. type
 *                  "snapshot" is a replay of 100 recent trades: BACKFILL, in the order sent. Ids are
 *                  consecutive a product, so a repeat is dropped and a jump is a gap.
 *   ticker         TICKER, on matches only
 *   heartbeats, subscriptions, and {"type":"error"}   CONTROL; errors are kept in the tf_feed_head_t
 *   candles, status, ticker_batch, ..                 ignored, counted by name
 *
 * sequence_num is one counter for the whole connection, over all channels and acknowledgements. A jump
 * means that anything may be missing: every book is in GAP and the connection must be made anew. A
 * number that was seen is a repeat and not published; 0, or one far back, is a new connection
 * (a recording of several).
 *
 * A refused l2_data message has lost levels: the books that it names, or all, are in GAP and their
 * snapshots are asked for again.
 *
 * ts_event is a level's event_time, a trade's time, a ticker's timestamp. A text that is no time leaves
 * 0 with BAD_TS. */
#include "core/error.h"
#include "feed/coinbase_state.h"
#include "feed/metadata.h"
#include "feed/text_out.h"
#include "wire/rfc3339.h"

#define PRODUCTS          "/api/v3/brokerage/market/products" /* REST: metadata */
#define SYMBOLS_A_MESSAGE 100u                                /* of a subscription */
#define SEQUENCE_BACK_MAX 1000u /* further back it is a new connection */

/* Inside of "subscriptions": a list of products each. */
enum { LIST_LEVEL2, LIST_TRADES, LIST_TICKER, LIST_KEY_CNT };
static const tf_json_key_t list_keys[LIST_KEY_CNT] = {
    [LIST_LEVEL2] = TF_JSON_KEY("level2", TF_JSON_WANT_BYTES),
    [LIST_TRADES] = TF_JSON_KEY("market_trades", TF_JSON_WANT_BYTES),
    [LIST_TICKER] = TF_JSON_KEY("ticker", TF_JSON_WANT_BYTES),
};
static const tf_json_shape_t list_shape = {list_keys, LIST_KEY_CNT};

/* ---- messages ---- */

typedef enum { SEQUENCE_NEXT, SEQUENCE_REPEAT, SEQUENCE_GAP, SEQUENCE_RESTART } step_t;

static step_t step_sequence(tf_coinbase_state_t *st, uint64_t sequence, uint64_t *missing) {
  bool     was_known = st->has_sequence;
  uint64_t last      = st->sequence;
  *missing           = last + 1;
  if (was_known && sequence <= last) {
    if (sequence != 0 && last - sequence < SEQUENCE_BACK_MAX) return SEQUENCE_REPEAT;
    if (last == 0) return SEQUENCE_REPEAT;
    st->sequence = sequence;
    return SEQUENCE_RESTART;
  }
  st->sequence     = sequence;
  st->has_sequence = true;
  return !was_known || sequence == last + 1 ? SEQUENCE_NEXT : SEQUENCE_GAP;
}

static bool has_books(const tf_coinbase_state_t *st) {
  return (st->channels & (TF_CHANNEL_BOOK | TF_CHANNEL_QUOTE)) != 0;
}

/* Every book before the message is in that state. */
TF_COLD static void break_books(tf_coinbase_state_t *st, tf_draft_t *draft, tf_book_state_t state,
                                uint64_t gap_first, uint64_t gap_last) {
  for (uint32_t i = 0; i < st->symbols.cnt && has_books(st); i++) {
    tf_feed_row_t *row = &st->rows[i];
    if (row->book_state == TF_BOOK_NONE) continue;
    tf_event_t *e = tf_draft_status(draft, row, st->symbols.rows[i].instrument_id, state, 0);
    if (e == NULL) continue;
    e->u.status.gap_first = gap_first;
    e->u.status.gap_last  = gap_last;
  }
}

TF_COLD static void on_sequence_break(tf_coinbase_state_t *st, tf_draft_t *draft, step_t step,
                                      uint64_t missing) {
  tf_feed_out_t *out = draft->out;
  out->reconnect     = true; /* a count that starts again brings no snapshots either */
  if (step == SEQUENCE_GAP) {
    out->counts->gaps++;
    break_books(st, draft, TF_BOOK_GAP, missing, st->sequence - 1);
  } else {
    for (uint32_t i = 0; i < st->symbols.cnt; i++) st->rows[i].trades.is_continued = false;
    break_books(st, draft, TF_BOOK_SYNCING, 0, 0);
  }
}

static tf_verdict_t reject(const tf_draft_t *draft, tf_reject_t why) {
  return tf_feeds_reject(draft->out->counts, draft->frame, why);
}

/* What is rejected or ignored may still have broken the sequence: those events stand. */
static void keep_statuses(tf_draft_t *draft) { draft->out->event_cnt = draft->at; }

static bool is_snapshot(const tf_coinbase_group_t *group) {
  return group->has_type && TF_JSON_TEXT_IS(&group->type, "snapshot");
}

/* All groups hold such items and are of a known type. */
static bool groups_are(tf_coinbase_state_t *st, tf_coinbase_items_t items) {
  for (uint32_t i = 0; i < st->group_cnt; i++) {
    const tf_coinbase_group_t *g = &st->groups[i];
    if (g->items != items || !g->has_type ||
        (!is_snapshot(g) && !TF_JSON_TEXT_IS(&g->type, "update"))) {
      tf_scanned_refuse(&st->fault, TF_REJECT_SCHEMA);
      return false;
    }
  }
  return !st->fault.is_bad;
}

static void lose_levels(tf_coinbase_state_t *st, tf_draft_t *draft, uint32_t idx) {
  uint32_t id = st->symbols.rows[idx].instrument_id;
  tf_draft_status(draft, &st->rows[idx], id, TF_BOOK_GAP, 0);
  if (tf_feeds_want_snapshot(draft->out, id)) draft->out->counts->resyncs++;
}

TF_COLD static tf_verdict_t refuse_levels(tf_coinbase_state_t *st, tf_draft_t *draft,
                                          tf_reject_t why) {
  bool     is_named = false;
  uint32_t named    = 0;
  draft->end        = draft->at; /* its rows mean nothing */
  for (uint32_t i = 0; i < st->group_cnt; i++) {
    if (!st->groups[i].has_product) continue;
    tf_reject_t unused;
    named    = tf_symbols_of(&st->symbols, &st->groups[i].product, false, &unused);
    is_named = true;
    if (named != TF_SYMBOLS_NONE) lose_levels(st, draft, named);
  }
  for (uint32_t i = 0; i < st->symbols.cnt && !is_named; i++) {
    if (st->rows[i].book_state != TF_BOOK_NONE) lose_levels(st, draft, i);
  }
  return reject(draft, why);
}

static tf_verdict_t on_levels(tf_coinbase_state_t *st, tf_draft_t *draft) {
  uint32_t    idx[COINBASE_GROUPS_MAX];
  tf_reject_t why;
  if (!groups_are(st, COINBASE_ITEMS_LEVELS)) return refuse_levels(st, draft, st->fault.why);
  for (uint32_t i = 0; i < st->group_cnt; i++) {
    if (!st->groups[i].has_product) return refuse_levels(st, draft, TF_REJECT_SCHEMA);
    idx[i] = tf_symbols_of(&st->symbols, &st->groups[i].product, st->asked_cnt == 0, &why);
    if (idx[i] == TF_SYMBOLS_NONE) return reject(draft, why);
  }
  if (!tf_draft_has_room(draft, 2 * st->group_cnt)) {
    return refuse_levels(st, draft, TF_REJECT_LIMIT);
  }
  for (uint32_t i = 0; i < st->group_cnt; i++) {
    const tf_coinbase_group_t *group  = &st->groups[i];
    tf_draft_levels_t          levels = {.instrument_id = st->symbols.rows[idx[i]].instrument_id,
                                         .cnt           = group->row_cnt,
                                         .ask_from      = UINT32_MAX,
                                         .is_snapshot   = is_snapshot(group),
                                         .has_times     = true,
                                         .venue_seq     = st->sequence};
    if (group->row_cnt > 0) levels.ts_ns = draft->out->events[draft->at].ts_event_ns;
    tf_draft_put_levels(draft, &st->rows[idx[i]], &levels);
  }
  return tf_draft_finish(draft);
}

static bool is_repeat(void *self, const tf_event_t *trade, tf_feed_counts_t *counts) {
  tf_coinbase_state_t *st   = self;
  tf_trade_said_t      said = tf_trade_said(trade);
  return tf_trade_ids_step(&st->rows[trade->ingest_seq].trades, trade->u.trade.id, &said, counts);
}

static void put_all(tf_coinbase_state_t *st, tf_draft_t *draft, tf_event_kind_t kind) {
  while (draft->at < draft->end) {
    uint32_t idx = (uint32_t)draft->out->events[draft->at].ingest_seq;
    tf_draft_put(draft, &st->rows[idx], kind, st->symbols.rows[idx].instrument_id);
  }
}

/* A group of trades, before ids are looked at. */
static void order_trades(tf_event_t *rows, uint32_t cnt, bool is_replay) {
  for (uint32_t i = 0; i < cnt && is_replay; i++) rows[i].flags |= TF_FLAG_BACKFILL;
  if (!is_replay && cnt > 0 && rows[0].u.trade.id > rows[cnt - 1].u.trade.id) {
    tf_draft_reverse(rows, cnt);
  }
}

static tf_verdict_t on_trades(tf_coinbase_state_t *st, tf_draft_t *draft) {
  tf_reject_t why;
  if (!groups_are(st, COINBASE_ITEMS_TRADES)) return reject(draft, st->fault.why);
  if (!tf_scanned_find(&st->symbols, draft, st->asked_cnt == 0, &why)) return reject(draft, why);
  tf_event_t *rows = draft->out->events + draft->at;
  for (uint32_t i = 0; i < st->group_cnt; rows += st->groups[i++].row_cnt) {
    order_trades(rows, st->groups[i].row_cnt, is_snapshot(&st->groups[i]));
  }
  tf_draft_drop_repeats(draft, is_repeat, st);
  put_all(st, draft, TF_EVENT_TRADE);
  return tf_draft_finish(draft);
}

static tf_verdict_t on_tickers(tf_coinbase_state_t *st, tf_draft_t *draft) {
  tf_reject_t why;
  if (!groups_are(st, COINBASE_ITEMS_TICKERS)) return reject(draft, st->fault.why);
  if (!tf_json_seen(&st->root, COINBASE_TIMESTAMP) ||
      st->root_values[COINBASE_TIMESTAMP].kind != TF_JSON_STRING) {
    return reject(draft, TF_REJECT_SCHEMA);
  }
  if (!tf_scanned_find(&st->symbols, draft, st->asked_cnt == 0, &why)) return reject(draft, why);
  const tf_json_value_t *text  = &st->root_values[COINBASE_TIMESTAMP];
  uint64_t               ts_ns = 0;
  if (!tf_rfc3339_parse(text->bytes, text->bytes_cnt, &ts_ns)) ts_ns = 0;
  for (uint32_t i = draft->at; i < draft->end; i++) {
    draft->out->events[i].ts_event_ns = ts_ns;
    draft->out->events[i].flags |= tf_draft_time_flags(ts_ns, draft->frame->recv_ns);
  }
  put_all(st, draft, TF_EVENT_TICKER);
  return tf_draft_finish(draft);
}

static tf_verdict_t control(const tf_draft_t *draft) {
  draft->out->counts->msgs_control++;
  return TF_VERDICT_CONTROL;
}

/* {"type":"error","message":..}: without a channel. */
TF_COLD static tf_verdict_t on_error(tf_coinbase_state_t *st, tf_draft_t *draft) {
  const tf_json_value_t *v = st->root_values;
  if (!tf_json_seen(&st->root, COINBASE_TYPE) || !TF_JSON_TEXT_IS(&v[COINBASE_TYPE], "error")) {
    return reject(draft, TF_REJECT_UNKNOWN);
  }
  uint32_t key = tf_json_seen(&st->root, COINBASE_REASON) ? COINBASE_REASON : COINBASE_MESSAGE;
  if (tf_json_seen(&st->root, key)) tf_feeds_note_error(&st->head, v[key].bytes, v[key].bytes_cnt);
  tf_feeds_answer(draft->out, 0, UINT32_MAX, 0, true);
  return control(draft);
}

/* Where quotes come from is level2: the venue has no channel of quotes. */
static uint32_t level2_channel(const tf_coinbase_state_t *st) {
  return (st->channels & TF_CHANNEL_BOOK) != 0 ? TF_CHANNEL_BOOK : TF_CHANNEL_QUOTE;
}

/* The acknowledgement: all that is subscribed on this connection now. */
TF_COLD static tf_verdict_t on_subscriptions(tf_coinbase_state_t *st, tf_draft_t *draft) {
  const uint32_t channels[LIST_KEY_CNT] = {[LIST_LEVEL2] = level2_channel(st),
                                           [LIST_TRADES] = TF_CHANNEL_TRADE,
                                           [LIST_TICKER] = TF_CHANNEL_TICKER};
  for (uint32_t i = 0; i < st->group_cnt; i++) {
    const tf_json_value_t *list = &st->groups[i].subscriptions;
    tf_json_value_t        values[LIST_KEY_CNT + 1];
    tf_json_object_t       object = {.shape = &list_shape, .values = values};
    tf_json_t              json   = {0};
    if (!st->groups[i].has_subscriptions || list->kind != TF_JSON_OBJECT) continue;
    if (tf_json_read(&json, list->bytes, list->bytes_cnt, &object) != TF_JSON_OK) continue;
    for (uint32_t key = 0; key < LIST_KEY_CNT; key++)
      if (tf_json_seen(&object, key))
        tf_acks_list(&st->acks, &st->symbols, channels[key], &values[key]);
  }
  tf_acks_finish(&st->acks, &st->symbols, draft->out);
  return control(draft);
}

TF_COLD static tf_verdict_t on_other_channel(tf_coinbase_state_t *st, tf_draft_t *draft) {
  const tf_json_value_t   *channel   = &st->root_values[COINBASE_CHANNEL];
  static const char *const ignored[] = {"candles", "status", "ticker_batch", "user",
                                        "futures_balance_summary"};
  if (TF_JSON_TEXT_IS(channel, "subscriptions")) return on_subscriptions(st, draft);
  if (TF_JSON_TEXT_IS(channel, "heartbeats")) return control(draft);
  for (size_t i = 0; i < TF_ARRAY_CNT(ignored); i++) {
    size_t n = strlen(ignored[i]);
    if (tf_json_text_is(channel, ignored[i], n)) {
      return tf_feeds_ignore(draft->out->counts, ignored[i], n);
    }
  }
  return reject(draft, TF_REJECT_UNKNOWN);
}

#define IGNORE(draft, literal) tf_feeds_ignore((draft)->out->counts, (literal), sizeof(literal) - 1)

static tf_verdict_t on_channel(tf_coinbase_state_t *st, tf_draft_t *draft) {
  const tf_json_value_t *channel = &st->root_values[COINBASE_CHANNEL];
  if (channel->kind != TF_JSON_STRING) return reject(draft, TF_REJECT_SCHEMA);
  if (TF_JSON_TEXT_IS(channel, "l2_data")) {
    return has_books(st) ? on_levels(st, draft) : IGNORE(draft, "l2_data");
  }
  if (TF_JSON_TEXT_IS(channel, "market_trades")) {
    bool wanted = (st->channels & TF_CHANNEL_TRADE) != 0;
    return wanted ? on_trades(st, draft) : IGNORE(draft, "market_trades");
  }
  if (TF_JSON_TEXT_IS(channel, "ticker")) {
    if (!(st->channels & TF_CHANNEL_TICKER)) return IGNORE(draft, "ticker");
    return on_tickers(st, draft);
  }
  return on_other_channel(st, draft);
}

static tf_verdict_t on_sequenced(tf_coinbase_state_t *st, tf_draft_t *draft,
                                 const tf_json_t *json) {
  const tf_json_value_t *sequence = &st->root_values[COINBASE_SEQUENCE];
  if (TF_UNLIKELY(!tf_json_seen(&st->root, COINBASE_CHANNEL))) return on_error(st, draft);
  if (TF_LIKELY(tf_json_seen(&st->root, COINBASE_SEQUENCE))) {
    if (sequence->made != TF_JSON_MADE_U64) return reject(draft, TF_REJECT_SCHEMA);
    uint64_t missing;
    step_t   step = step_sequence(st, tf_json_u64(json, sequence), &missing);
    if (TF_UNLIKELY(step == SEQUENCE_REPEAT)) {
      draft->out->counts->duplicates++;
      draft->out->counts->msgs_data++;
      return TF_VERDICT_DATA;
    }
    if (TF_UNLIKELY(step != SEQUENCE_NEXT)) on_sequence_break(st, draft, step, missing);
  }
  return on_channel(st, draft);
}

static tf_verdict_t on_frame(void *state, const tf_frame_t *frame, tf_feed_out_t *out) {
  tf_coinbase_state_t *st = state;
  out->counts->messages++;
  if (TF_UNLIKELY(frame->kind == TF_FRAME_HTTP)) {
    bool is_ours = frame->target != NULL && strncmp(frame->target, PRODUCTS, strlen(PRODUCTS)) == 0;
    if (!is_ours) return tf_feeds_ignore(out->counts, "rest", 4);
    return tf_metadata_on_frame(&st->symbols, frame, out);
  }
  if (TF_UNLIKELY(frame->kind != TF_FRAME_TEXT)) {
    return tf_feeds_reject(out->counts, frame, TF_REJECT_ENCODING);
  }
  tf_json_t json = {.rows    = out->events + out->event_cnt,
                    .row_cap = out->event_cap - out->event_cnt};
  tf_coinbase_scan_begin(st, frame);
  tf_json_result_t result = tf_json_read(&json, frame->bytes, frame->bytes_cnt, &st->root);
  if (TF_UNLIKELY(result != TF_JSON_OK)) {
    return tf_feeds_reject(out->counts, frame,
                           result == TF_JSON_LIMIT ? TF_REJECT_LIMIT : TF_REJECT_SYNTAX);
  }
  tf_draft_t draft;
  tf_draft_begin(&draft, frame, out, json.row_cnt);
  if (TF_UNLIKELY(json.root_kind != TF_JSON_OBJECT)) return reject(&draft, TF_REJECT_UNKNOWN);
  tf_verdict_t verdict = on_sequenced(st, &draft, &json);
  if (verdict != TF_VERDICT_DATA) keep_statuses(&draft);
  return verdict;
}

/* ---- live ---- */

static size_t ws_target(const void *state, char *buf, size_t cap) {
  (void)state;
  tf_text_out_t t = {buf, cap, 0};
  tf_text_out_put(&t, "/");
  return tf_text_out_finish(&t);
}

/* Heartbeats first: without them the venue closes quiet channels. */
static size_t hello(const void *state, uint32_t message_idx, char *buf, size_t cap) {
  (void)state;
  if (message_idx > 0) return 0;
  tf_text_out_t t = {buf, cap, 0};
  tf_text_out_put(&t, "{\"type\":\"subscribe\",\"channel\":\"heartbeats\"}");
  return tf_text_out_finish(&t);
}

static size_t request(const void *state, const tf_feed_request_t *request, char *buf, size_t cap) {
  const tf_coinbase_state_t *st      = state;
  const char                *channel = request->channel == TF_CHANNEL_TRADE     ? "market_trades"
                                       : request->channel == TF_CHANNEL_TICKER  ? "ticker"
                                       : request->channel == level2_channel(st) ? "level2"
                                                                                : NULL;
  if (channel == NULL) return 0;
  tf_text_out_t t = {buf, cap, 0};
  tf_text_out_put(&t, request->unsubscribe ? "{\"type\":\"unsubscribe\",\"product_ids\":["
                                           : "{\"type\":\"subscribe\",\"product_ids\":[");
  for (uint32_t i = 0; i < request->symbol_cnt; i++) {
    tf_text_out_put(&t, i == 0 ? "\"" : ",\"");
    tf_text_out_put(&t, st->symbols.rows[request->symbols[i]].text);
    tf_text_out_char(&t, '"');
  }
  tf_text_out_put(&t, "],\"channel\":\"");
  tf_text_out_put(&t, channel);
  tf_text_out_put(&t, "\"}");
  return tf_text_out_finish(&t);
}

static tf_err_t symbol(void *state, const char *text, uint32_t *number, uint32_t *instrument_id) {
  return tf_symbols_ask_one(&((tf_coinbase_state_t *)state)->symbols, text, number, instrument_id);
}

static size_t metadata_target(const void *state, uint32_t request_idx, char *buf, size_t cap) {
  const tf_coinbase_state_t *st = state;
  if (st->asked_cnt == 0 || request_idx >= st->symbols.cnt) return 0;
  tf_text_out_t t = {buf, cap, 0};
  tf_text_out_put(&t, PRODUCTS "/");
  tf_text_out_url(&t, st->symbols.rows[request_idx].text);
  return tf_text_out_finish(&t);
}

/* ---- lifetime ---- */

typedef struct {
  uint32_t row_cap;
  size_t   rows_at, symbols_at, acks_at, bytes;
} layout_t;

static layout_t layout_of(const tf_feed_config_t *config) {
  layout_t l;
  l.row_cap    = tf_symbols_cap_of(config);
  l.rows_at    = tf_align_up(sizeof(tf_coinbase_state_t), TF_LINE_BYTES);
  l.symbols_at = l.rows_at + tf_align_up(l.row_cap * sizeof(tf_feed_row_t), TF_LINE_BYTES);
  l.acks_at    = l.symbols_at + tf_symbols_footprint(l.row_cap);
  l.bytes      = l.acks_at + tf_acks_bytes(l.row_cap);
  return l;
}

static size_t state_bytes(const tf_feed_t *feed, const tf_feed_config_t *config) {
  (void)feed;
  return layout_of(config).bytes;
}

static tf_err_t init(const tf_feed_t *feed, void *state, const tf_feed_config_t *config) {
  tf_coinbase_state_t *st = state;
  layout_t             l  = layout_of(config);
  memset(st, 0, sizeof *st);
  st->channels = config->channels;
  st->rows     = (tf_feed_row_t *)(void *)((uint8_t *)state + l.rows_at);
  for (uint32_t i = 0; i < l.row_cap; i++) tf_feed_row_init(&st->rows[i]);
  tf_acks_init(&st->acks, (uint8_t *)state + l.acks_at, l.row_cap);
  tf_coinbase_scan_init(st);
  tf_err_t err = tf_symbols_init(&st->symbols, (uint8_t *)state + l.symbols_at, l.row_cap,
                                 config->instruments, feed);
  if (err == TF_OK)
    err = tf_symbols_ask(&st->symbols, config->symbols, config->symbol_cnt, TF_SYMBOLS_UPPER);
  st->asked_cnt = st->symbols.cnt;
  return err;
}

static void on_connect(void *state, uint64_t now_ns, tf_feed_out_t *out) {
  tf_coinbase_state_t *st = state;
  st->has_sequence        = false;
  tf_acks_restart(&st->acks);
  for (uint32_t i = 0; i < st->symbols.cnt; i++) {
    st->rows[i].trades.is_continued = false;
    if (has_books(st)) {
      tf_draft_restart(out, &st->rows[i], st->symbols.rows[i].instrument_id, now_ns);
    }
  }
}

static void lose_book(void *state, uint32_t instrument_id, uint64_t now_ns, tf_feed_out_t *out) {
  tf_coinbase_state_t *st  = state;
  uint32_t             idx = tf_symbols_of_instrument(&st->symbols, instrument_id);
  if (idx != TF_SYMBOLS_NONE) tf_draft_lose_book(out, &st->rows[idx], instrument_id, now_ns);
}

static const tf_feed_channel_t feed_channels[] = {
    {TF_CHANNEL_TRADE,  "market_trades",
     TF_FEED_CHECK(SEQUENCE_CONNECTION) | TF_FEED_CHECK(IDS_CONSECUTIVE)   },
    {TF_CHANNEL_QUOTE,  "level2",        TF_FEED_CHECK(SEQUENCE_CONNECTION)},
    {TF_CHANNEL_BOOK,   "level2",        TF_FEED_CHECK(SEQUENCE_CONNECTION)},
    {TF_CHANNEL_TICKER, "ticker",        TF_FEED_CHECK(SEQUENCE_CONNECTION)},
    {0,                 NULL,            0                                 },
};

const tf_feed_t tf_feed_coinbase = {
    .venue                   = "coinbase",
    .key_elsewhere           = "optional: the channels read bring the same without one (a JWT)",
    .suffix                  = "COINBASE",
    .symbol_chars            = "-",
    .state_bytes             = state_bytes,
    .init                    = init,
    .on_frame                = on_frame,
    .on_connect              = on_connect,
    .ws_host                 = "advanced-trade-ws.coinbase.com",
    .ws_port                 = "443",
    .rest_host               = "api.coinbase.com",
    .rest_port               = "443",
    .ws_target               = ws_target,
    .hello                   = hello,
    .request                 = request,
    .symbol                  = symbol,
    .symbols_per_request_max = SYMBOLS_A_MESSAGE,
    .lose_book               = lose_book,
    .metadata_target         = metadata_target,
    .subscribe_rate_hz_max   = 8,
    .silence_ns_max          = 15 * TF_NS_PER_SEC, /* of one heartbeat a second */
    .message_bytes_max       = (uint64_t)16 << 20, /* a whole book: 46,000 levels took 5.1 MB */
    .channels                = feed_channels,
};
